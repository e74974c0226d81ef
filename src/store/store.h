/*
 * store: one file of checksummed copy-on-write pages, many processes, one writer.
 *
 *        view (read)   view (read)   view (write)          a view is one version of the whole file;
 *             \             |             /                the writer's view also has dirty nodes
 *   +---------------------------------------------+
 *   | store: map, pins, space, ring of meta slots |        shared by all threads of the process
 *   +---------------------------------------------+
 *                      os/file.h
 *
 * What a reader sees never changes under it. A writer's nodes live in private memory without a
 * place in the file until they are placed, normally at commit. One view belongs to one thread at a
 * time; the store may be used by all threads.
 *
 * The layer above (the trees) gives the store one function, seal, which the store calls when a
 * commit needs every dirty node placed, children before parents.
 */
#ifndef MN_STORE_STORE_H
#define MN_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "os/file.h"
#include "store/page.h"

struct mn_store;
struct mn_view;

enum { MN_ROOTS_INLINE = 24 }; /* roots that a meta slot carries */
enum { MN_COUNTERS = 8 };      /* numbers that a meta slot carries for the layer above */

enum mn_store_flags {
    MN_STORE_CREATE = 1,    /* make the file if it is not there */
    MN_STORE_READONLY = 2,  /* never write */
    MN_STORE_EXCLUSIVE = 4, /* nobody else may have the file open */
    MN_STORE_UNTRUSTED = 8, /* somebody may change the bytes under us: read copies, never the map */
    MN_STORE_UNNAMED = 16   /* with CREATE: a new file that gets its name by mn_store_publish */
};

/* When a commit that returned is on the device. */
enum mn_sync_mode {
    MN_STORE_FULL = 0, /* then */
    MN_STORE_LAZY = 1, /* at a checkpoint: see mn_store_sync */
    MN_STORE_OFF = 2   /* when the system likes; power loss may damage what is newer than a sync */
};

/* What happens to savepoints, told to the layer above after the store has done its part. */
enum mn_savepoint_event { MN_SAVEPOINT_BEGUN, MN_SAVEPOINT_ROLLED_BACK, MN_SAVEPOINT_RELEASED };

struct mn_store_hooks {
    /* Places every dirty node and run that is part of a tree, and updates the roots to clean
     * pointers. */
    enum mn_status (*seal)(struct mn_view *view);
    /*
     * Makes those clean nodes dirty that lie beside the slots and whose commits move them on
     * (mn_page_is_beside_slot); *busy is how many nodes of the commit the seal will place near
     * their root. May be NULL.
     */
    enum mn_status (*gather)(struct mn_view *view, uint32_t *busy);
    /*
     * Is a clean tree page (kind MN_PAGE_LEAF or MN_PAGE_BRANCH) whose checksum holds a node? Asked
     * once for each process and page image, before anybody reads it. MN_CORRUPT: it is not.
     */
    enum mn_status (*validate)(const uint8_t *page, uint32_t size_bytes, uint8_t kind);
    /* The view ends, by whatever cause; `user` is what mn_view_set_user left there. May be NULL. */
    void (*view_end)(struct mn_view *view, void *user);
    /* May be NULL. */
    void (*savepoint)(struct mn_view *view, enum mn_savepoint_event event, uint32_t id);
};

struct mn_store_options {
    const char *path;   /* NULL: a database in memory */
    unsigned flags;     /* enum mn_store_flags */
    uint32_t page_size; /* of a new file; 0: MN_PAGE_SIZE_DEFAULT */
    enum mn_sync_mode sync;
    int64_t lazy_us; /* from one lazy checkpoint to the next, at most; 0: 200 ms */
    int64_t busy_ms; /* how long to wait for the writer's place; 0: not at all */
    uint64_t
        dirty_limit_bytes;  /* memory for dirty nodes before runs are written early; 0: 256 MiB */
    uint64_t map_bytes;     /* address space to reserve; 0: 1 TiB or as much as there is */
    uint64_t grow_bytes;    /* smallest step in which the file grows; 0: 1 MiB */
    uint32_t cut_commits;   /* commits between two looks whether the file can be cut; 0: 256 */
    uint64_t log_bytes_max; /* a longer log makes a checkpoint of the space map; 0: 256 KiB */
    struct mn_os *os;       /* NULL: the machine (or a simulated one for a database in memory) */
    struct mn_store_hooks hooks;
};

/* A tree's root. The store keeps it and knows nothing of its meaning. */
struct mn_root {
    uint64_t tree;
    struct mn_ref ref; /* page 0: an empty tree */
    uint64_t entries;
    uint32_t height;
};

/* MN_NOTFOUND, MN_NOTADB, MN_VERSION, MN_CORRUPT, MN_BUSY, MN_READONLY_DB, MN_IOERR, MN_NOMEM. */
enum mn_status mn_store_open(const struct mn_store_options *options, struct mn_store **out);
/*
 * Gives a file made with MN_STORE_UNNAMED its name, durably, with all that was committed to it.
 * Closed without it, the file is gone. MN_EXISTS: the name is taken, and stays what it was.
 */
enum mn_status mn_store_publish(struct mn_store *store);
/*
 * All views must have ended: else MN_MISUSE, and the store stays open. MN_UNCERTAIN: it is closed,
 * but what was committed with sync = lazy could not be made durable.
 */
enum mn_status mn_store_close(struct mn_store *store);
/* Whether the file may have vector indexes with codes: those of the first builds may not. */
bool mn_store_has_codes(const struct mn_store *store);
/* Whether those have no places beside their codes. */
bool mn_store_finds_codes(const struct mn_store *store);
/* Whether writers may put dense leaves and short records into the file. */
bool mn_store_is_dense(const struct mn_store *store);
/* Whether they may make branches short. */
bool mn_store_has_short_branches(const struct mn_store *store);
/* A database without a file. */
bool mn_store_in_memory(const struct mn_store *store);
/* A file that never has a name, in the folder of the database's: for what memory has no room for
 * while something is sorted. Nothing of it is ever synced; the caller closes it. */
enum mn_status mn_store_scratch(struct mn_store *store, struct mn_file **out);
/* Changes how long later writers wait. */
void mn_store_set_busy_ms(struct mn_store *store, int64_t busy_ms);
/* Threads of its own that a large transaction or the building of an index may have; at first 0. */
void mn_store_set_threads(struct mn_store *store, unsigned threads);
unsigned mn_view_threads(const struct mn_view *view);
/* Of the commits from now on. */
void mn_store_set_sync(struct mn_store *store, enum mn_sync_mode mode);
enum mn_sync_mode mn_store_get_sync(const struct mn_store *store);
/*
 * A checkpoint: all versions that were published are durable when it returns. A handle whose mode
 * is lazy makes one by itself when it is closed and in a commit, at latest 200 ms after the last or
 * when 1 MiB was written since; no other time, for there is no thread that would. MN_BUSY,
 * MN_IOERR; MN_UNCERTAIN: the sync failed, and nobody writes to the file until all have closed it.
 */
enum mn_status mn_store_sync(struct mn_store *store);

struct mn_store_stats {
    uint64_t version;    /* newest published */
    uint64_t durable;    /* newest known to be durable */
    uint64_t file_bytes; /* size of the file */
    uint64_t page_size;
    uint64_t page_count;    /* pages below the high-water mark, the fixed ones included */
    uint64_t free_pages;    /* below the mark, ready for use */
    uint64_t pending_pages; /* dead, but still seen by a pinned version */
    uint64_t log_bytes;     /* manifests since the last checkpoint of the space map */
    uint64_t pins;          /* versions that somebody reads, in this and other processes */
    uint64_t oldest_pin;    /* 0: none */
    uint8_t uuid[16];
    int64_t created_us, committed_us;
};
enum mn_status mn_store_stat(struct mn_store *store, struct mn_store_stats *stats);

/* Sleeps until a version other than `version` is published or wait_us have passed; *now is the
 * newest. */
enum mn_status mn_store_wait(struct mn_store *store, uint64_t version, int64_t wait_us,
                             uint64_t *now);

/* ---- views ---- */

/* Pins the newest published version until mn_view_end. Never waits for a writer. */
enum mn_status mn_view_begin_read(struct mn_store *store, struct mn_view **out);
void mn_view_end(struct mn_view *view); /* NULL is harmless; a writer's view is aborted */

/*
 * Takes the writer's place, at most busy_ms later (then MN_BUSY). expect_version, if not 0: MN_BUSY
 * at once when another version is the newest, for a reader that wants to become the writer.
 */
enum mn_status mn_write_begin(struct mn_store *store, uint64_t expect_version,
                              struct mn_view **out);
/*
 * The same for a transaction that ends before the call of the user does that began it, in little
 * time, and waits for no other thread. Where several threads wait for their turn it may go on with
 * another's, and both are committed by one sync (turn.c).
 */
enum mn_status mn_write_begin_brief(struct mn_store *store, struct mn_view **out);
/*
 * Consumes the view, whatever it answers. MN_OK: *version (may be NULL) is durable and published;
 * without any change it is the version the view began with. MN_UNCERTAIN: a sync failed; this
 * handle writes no more, and the next open tells whether the version is there. Any other code:
 * nothing happened.
 */
enum mn_status mn_write_commit(struct mn_view *view, uint64_t *version);
void mn_write_abort(struct mn_view *view);

bool mn_view_writable(const struct mn_view *view);
/* The version that the view reads; for a writer the one it will write. */
uint64_t mn_view_version(const struct mn_view *view);
uint32_t mn_view_page_size(const struct mn_view *view);
struct mn_store *mn_view_store(const struct mn_view *view);
/* A pointer that the layer above hangs on the view; hooks.view_end gives it back. */
void *mn_view_user(const struct mn_view *view);
void mn_view_set_user(struct mn_view *view, void *user);

/* The roots in the slot, in no order; borrowed until the next change of roots or savepoints. */
const struct mn_root *mn_view_roots(const struct mn_view *view, uint32_t *count);
/* Adds or replaces the root of root->tree. MN_FULL: MN_ROOTS_INLINE others are there. */
enum mn_status mn_view_root_set(struct mn_view *view, const struct mn_root *root);
/* False: it was not there. */
bool mn_view_root_remove(struct mn_view *view, uint64_t tree);
/* Numbers that travel with the version (0 in a new file) and roll back with savepoints. */
uint64_t mn_view_counter(const struct mn_view *view, uint32_t index);
void mn_view_counter_set(struct mn_view *view, uint32_t index, uint64_t value);

/* ---- savepoints of the writer: nested, numbered from 1 ---- */

enum mn_status mn_savepoint_begin(struct mn_view *view, uint32_t *id);
/* Nodes, runs, roots and counters are as they were at savepoint id, which stays open; later ones
 * end. */
void mn_savepoint_rollback(struct mn_view *view, uint32_t id);
/* Ends savepoint id and later ones; their changes belong to the one below. */
void mn_savepoint_release(struct mn_view *view, uint32_t id);

/* ---- pages ---- */

/*
 * The first fields of every view, in the open for the accessor below alone. `seen` has one byte a
 * page: a tag of the checksum under which this process verified the page, 0 for never.
 */
struct mn_view_front {
    const uint8_t *map;
    uint8_t *seen;
    uint64_t mapped_pages; /* pages of this version that lie in the map */
    uint32_t page_shift;
    uint64_t *guesses; /* 2 * MN_GUESSES words, at first 0, or NULL: see below */
};

/*
 * Words that the layer above may use for what it would rather know early: of all views of the
 * store, without order and without a promise that they stay.
 */
enum { MN_GUESSES = 1 << 14 };

static inline uint8_t mn_seen_tag(uint64_t sum)
{
    return (uint8_t)(sum >> 40 | 1);
}

enum mn_status mn_page_read_slow(struct mn_view *view, struct mn_ref ref, uint8_t kind,
                                 const uint8_t **page);

/*
 * The page that ref names, of that kind. Verified when this process first touches it; later reads
 * neither lock nor allocate. Valid until the view ends (clean) or the node is dropped or placed
 * (dirty).
 */
static inline enum mn_status mn_page_read(struct mn_view *view, struct mn_ref ref, uint8_t kind,
                                          const uint8_t **page)
{
    const struct mn_view_front *front = (const struct mn_view_front *)(const void *)view;

    if (__builtin_expect(ref.page < front->mapped_pages, 1)) {
        const uint8_t *at = front->map + (ref.page << front->page_shift);

        if (__builtin_expect(__atomic_load_n(&front->seen[ref.page], __ATOMIC_ACQUIRE) ==
                                     mn_seen_tag(ref.sum) &&
                                 mn_get_u48(at) == ref.sum && at[22] == kind,
                             1)) {
            *page = at;
            return MN_OK;
        }
    }
    return mn_page_read_slow(view, ref, kind, page);
}

/*
 * Asks the processor to fetch the lines of a page that a search reads first, all at once: what is
 * known of the page, its header and arrays, and its end.
 */
static inline void mn_page_prefetch(const struct mn_view *view, struct mn_ref ref)
{
    const struct mn_view_front *front = (const struct mn_view_front *)(const void *)view;

    if (ref.page < front->mapped_pages) {
        const uint8_t *at = front->map + (ref.page << front->page_shift);

        __builtin_prefetch(&front->seen[ref.page]);
        __builtin_prefetch(at);
        __builtin_prefetch(at + 64);
        __builtin_prefetch(at + 128);
        __builtin_prefetch(at + 192);
        __builtin_prefetch(at + 256);
        __builtin_prefetch(at + ((UINT64_C(1) << front->page_shift) - 64));
    }
}

/* The same of all its lines, for a reader that comes to the page a little later. */
static inline void mn_page_prefetch_whole(const struct mn_view *view, struct mn_ref ref)
{
    const struct mn_view_front *front = (const struct mn_view_front *)(const void *)view;
    uint64_t size_bytes = UINT64_C(1) << front->page_shift;

    if (ref.page < front->mapped_pages) {
        const uint8_t *at = front->map + (ref.page << front->page_shift);

        __builtin_prefetch(&front->seen[ref.page]);
        for (uint64_t i = 0; i < size_bytes; i += 64) __builtin_prefetch(at + i, 0, 2);
    }
}

/* A new dirty node: zeroed but for its kind. It counts as part of a tree until it is dropped. */
enum mn_status mn_page_new(struct mn_view *view, uint8_t kind, struct mn_ref *ref, uint8_t **page);
/* The same for a caller who writes all of it at once: nothing but the header is zeroed. */
enum mn_status mn_page_new_bare(struct mn_view *view, uint8_t kind, struct mn_ref *ref,
                                uint8_t **page);
/* In a view that writes: memory that the next of them will probably have, to be fetched ahead and
 * nothing else; or NULL. */
const uint8_t *mn_page_next(const struct mn_view *view);
/*
 * Makes the node writable within the innermost savepoint; a clean page is copied, and its death
 * recorded. *ref may change: the parent must then point to the new one.
 */
enum mn_status mn_page_edit(struct mn_view *view, struct mn_ref *ref, uint8_t kind, uint8_t **page);
/* The node is no longer part of any tree. MN_NOMEM, or MN_CORRUPT when a clean page is damaged. */
enum mn_status mn_page_drop(struct mn_view *view, struct mn_ref ref, uint8_t kind);
/*
 * Gives a dirty node its place in the file: *ref becomes clean, the node's memory is the store's
 * again. All its children must be clean. seal does it to every node; a bulk build may do it at any
 * time. A ref that is clean already is left as it is.
 */
enum mn_status mn_page_place(struct mn_view *view, struct mn_ref *ref);
/* How likely is it that the next commits will rewrite the node too? */
enum mn_nearness { MN_NEAR_NOTHING, MN_NEAR_ROOT, MN_IS_ROOT };
/* A clean page beside the slots; a dirty one that was rewritten not long ago, and so may go there.
 */
bool mn_page_is_beside_slot(const struct mn_view *view, struct mn_ref ref);
bool mn_page_is_busy(const struct mn_view *view, struct mn_ref ref);
/* mn_page_place for a node of which that is known. */
enum mn_status mn_page_place_near(struct mn_view *view, struct mn_ref *ref,
                                  enum mn_nearness nearness);

/* ---- room, for a writer that compacts ---- */

struct mn_room {
    uint64_t page_count, free_pages, pending_pages; /* as the transaction finds them */
    uint64_t file_bytes;
};
enum mn_status mn_view_room(struct mn_view *view, struct mn_room *room);
/* All that this transaction writes goes to the lowest free pages, in however many pieces. */
void mn_view_pack(struct mn_view *view);
/* The commit writes a new checkpoint of the space map, so that the old one and the log can move;
 * it is a commit even without another change. */
void mn_view_checkpoint(struct mn_view *view);
/* Once it is durable, the commit cuts the file behind its last page. */
void mn_view_cut(struct mn_view *view);

/* ---- runs ---- */

/* size_bytes bytes, contiguous, at least 64-byte aligned, and zeros up to the end of the last page.
 */
enum mn_status mn_run_read(struct mn_view *view, const struct mn_run *run, const uint8_t **bytes);
/* Where a run that this process has read before lies in the map; NULL: it must be read. */
static inline const uint8_t *mn_run_mapped(const struct mn_view *view, uint64_t page,
                                           uint64_t pages)
{
    const struct mn_view_front *front = (const struct mn_view_front *)(const void *)view;

    if (page >= front->mapped_pages || pages > front->mapped_pages - page) return NULL;
    return front->map + (page << front->page_shift);
}
/* Whether an address lies in the map, among the pages of the view's version. */
static inline bool mn_view_maps(const struct mn_view *view, const void *address)
{
    const struct mn_view_front *front = (const struct mn_view_front *)(const void *)view;
    uintptr_t at = (uintptr_t)address, map = (uintptr_t)front->map;

    return at >= map && (at - map) >> front->page_shift < front->mapped_pages;
}
/* Zeroed. Past the memory limit older runs go to their places in the file early. */
enum mn_status mn_run_new(struct mn_view *view, uint64_t size_bytes, struct mn_run *run,
                          uint8_t **bytes);
/* The same bytes, writable; *run may change. */
enum mn_status mn_run_edit(struct mn_view *view, struct mn_run *run, uint8_t **bytes);
enum mn_status mn_run_drop(struct mn_view *view, const struct mn_run *run);
enum mn_status mn_run_place(struct mn_view *view, struct mn_run *run);

/* True when dirty nodes and runs take more memory than dirty_limit_bytes: time to place cold ones.
 */
bool mn_view_is_heavy(const struct mn_view *view);

/* ---- check ---- */

struct mn_store_check;
/* Called for each fault found; page 0 where none can be named. */
typedef void (*mn_report)(void *context, uint64_t page, const char *message);

/*
 * Begins to check the view's version: superblock, ring, log and space map. The layer above then
 * marks every page its trees reach; end compares: reached + free + pending must be all pages below
 * the high-water mark, each once. A writer's view is MN_MISUSE. end frees the check and counts all
 * faults.
 */
enum mn_status mn_store_check_begin(struct mn_view *view, mn_report report, void *context,
                                    struct mn_store_check **out);
/* False: a page is out of bounds or was marked before (reported). */
bool mn_store_check_mark(struct mn_store_check *check, uint64_t page, uint64_t pages);
enum mn_status mn_store_check_end(struct mn_store_check *check, uint64_t *faults);

/* Pages that a run of that many bytes takes. */
uint64_t mn_run_pages(const struct mn_view *view, uint64_t size_bytes);

#endif
