/*
 * inside: what the files of this room share and nobody else sees.
 *
 *   open.c    make, open and close a file          pins.c   which versions are being read
 *   settle.c  what a crash or a kill left          read.c   views of readers; a page on first touch
 *   txn.c     begin, commit, abort                 node.c   dirty nodes, savepoints
 *   place.c   room in the file                     log.c    the log of the space map
 *   queue.c   pages on their way to the file       wing.c   the pages beside the slot
 *   shrink.c  giving room back                     lazy.c   published before it is durable
 *   turn.c    whose turn it is; transactions that threads share
 *
 * Locks: `mutex` guards pins, the cached slots and the private mode; `turn` who writes (turn.c).
 * What is under `writer` belongs to the one who has the turn and holds no lock.
 */
#ifndef MN_STORE_INSIDE_H
#define MN_STORE_INSIDE_H

#include <pthread.h>

#include "base/buf.h"
#include "os/behind.h"
#include "store/manifest.h"
#include "store/meta.h"
#include "store/space.h"
#include "store/store.h"
#include "store/superblock.h"

/* ---- sizes ---- */

enum {
    MN_SLOT_BYTES = 4096,       /* read and written of a slot, whatever the unit */
    MN_SLOT_HEAD = 32,          /* of a slot: hash, magic, version, parent */
    MN_WING_PAGES = 16,         /* of one commit, at most */
    MN_LARGE_BYTES = 1 << 20,   /* a commit of more is synced twice */
    MN_BEGIN_BYTES = 128 << 10, /* of a commit that wait for the device to begin with them */
    MN_LAZY_US = 200000,        /* a lazy commit so long after the last durable one is durable */
    MN_LOG_LIMIT = 256 << 10,   /* a longer log makes a checkpoint */
    MN_GROW_MIN = 1 << 20,      /* smallest step of growth, unless an option says otherwise */
    MN_GROW_MAX = 256 << 20,
    MN_CHAIN_PAYLOAD_AT =
        48,                 /* log and space pages: header, pointer to the one before, bytes used */
    MN_CHAIN_MAX = 1 << 24, /* pages in a chain, at most */
    MN_SMALL_PAGES = 32,    /* nodes of a commit that is placed with care for each piece */
    MN_RUNS_KEPT = 16,      /* the newest runs are never written early */
    MN_POOL_MAX = 1024      /* page buffers kept between transactions */
};

/* Lock bytes, far behind any content. Pins of versions follow at LOCK_PINS + version. */
#define MN_LOCK_SETTLE (UINT64_C(1) << 61)
#define MN_LOCK_PRESENCE ((UINT64_C(1) << 61) + 1)
#define MN_LOCK_WRITER ((UINT64_C(1) << 61) + 2)
#define MN_LOCK_PINS (UINT64_C(1) << 62)

static inline struct mn_range mn_lock_byte(uint64_t at)
{
    return (struct mn_range){at, 1};
}

/* ---- the notice ---- */

struct mn_notice {
    uint64_t published, durable, failed;
};
enum { MN_NOTICE_BYTES = 32 };

/* ---- pins ---- */

/* A version that this open file reads. `meta` lives as long as somebody uses it. */
struct mn_pin {
    uint64_t version;
    uint64_t users;
    bool locked;
    struct mn_meta meta;
};

/* ---- the writer's nodes ---- */

enum mn_node_state { MN_NODE_FREE, MN_NODE_LIVE, MN_NODE_DROPPED };

struct mn_dirty_node {
    uint8_t *data;       /* NULL: written already, at `place` */
    uint64_t size_bytes; /* whole pages */
    uint64_t run_bytes;  /* of a run; 0: a tree node */
    uint64_t epoch;      /* when it was last made writable */
    struct mn_run place; /* where it lies in the file, if data is NULL */
    bool lent;           /* dropped, and a tree points to its place now */
    bool busy;           /* the page it replaces was only a few versions old */
    uint8_t kind, state;
};

enum mn_undo_kind { MN_UNDO_CREATED, MN_UNDO_IMAGE, MN_UNDO_DROPPED };

struct mn_undo {
    enum mn_undo_kind kind;
    uint32_t node;
    uint8_t *image; /* IMAGE: the node's bytes before */
    uint64_t epoch; /* IMAGE: the node's epoch before */
};

struct mn_savepoint {
    size_t undo, deaths; /* how much there was when it began */
    uint64_t epoch;
    bool changed;
    struct mn_roots roots;
};

/* A page or run that waits to be written; its memory is the store's. */
struct mn_waiting {
    uint64_t page;
    uint64_t size_bytes;
    uint64_t checksum; /* of a node, by which readers know it; kept, for the writer that has read
                          the bytes is another processor */
    bool node;
};

/* What is written at one go, in this order. */
struct mn_parcel {
    struct mn_store *store;
    struct mn_waiting list[MN_SLICES_MAX];
    struct mn_slice slices[MN_SLICES_MAX];
    size_t count;
    uint64_t bytes;
    uint64_t from, to;   /* its pages lie within */
    uint64_t begin_each; /* the device begins with so many bytes at a time; UINT64_MAX: with none */
};

enum { MN_PARCELS = 4 };

/* Parcels given to a thread, the oldest first, and behind them the one that is being filled. */
struct mn_queue {
    struct mn_parcel *parcels[MN_PARCELS]; /* a ring; NULL: not needed so far */
    uint32_t oldest, given;
    struct mn_behind *behind; /* the thread, in a large transaction that may have one */
    bool alone;               /* it failed: this transaction does without */
};

/* Pages that are written with the slot. */
struct mn_wing {
    uint32_t slot;         /* which this commit will write */
    uint64_t from, to;     /* pages of its wing; empty: none */
    uint32_t count, roots; /* pages that wait; busy roots of this commit */
    uint64_t offsets[MN_WING_PAGES];
    struct mn_slice pieces[MN_WING_PAGES]; /* buffers of one page */
};

/* Digest word of a page written by this transaction. */
struct mn_digest {
    uint64_t page, hash;
};

/* The pages that the slot of `version` answers for, with their digest words. */
struct mn_digests {
    uint64_t version; /* 0: not known */
    struct mn_digest *list;
    size_t count, capacity;
};

/* Everything of the transaction being made; lives in the store, so that its memory is used again.
 */
struct mn_writer {
    struct mn_meta base, next;
    struct mn_space space;
    struct mn_dirty_node *nodes;
    size_t node_count, node_capacity;
    uint32_t *spare; /* numbers of free nodes */
    size_t spare_count, spare_capacity;
    size_t live_nodes; /* live tree nodes */
    uint64_t dirty_bytes;
    size_t spill_at; /* nodes before this number were looked at */
    uint64_t epoch;
    struct mn_undo *undo;
    size_t undo_count, undo_capacity;
    struct mn_savepoint *savepoints;
    size_t savepoint_count, savepoint_capacity;
    struct mn_deaths deaths;
    struct mn_extents taken, given;
    struct mn_extents taken_sorted; /* what the first taken_known of `taken` cover */
    size_t taken_known;
    struct mn_extents reserve; /* room for nodes, taken and not yet handed out */
    size_t reserve_at;
    uint64_t cursor; /* where the last commit found single pages */
    struct mn_queue queue;
    struct mn_wing wing;
    struct mn_digest *digests;
    size_t digest_count, digest_capacity;
    uint64_t placed_bytes;
    uint8_t **pool; /* page buffers */
    size_t pool_count, pool_capacity;
    bool space_ready, changed;
    uint64_t
        begin_each;   /* of its parcels, once a commit with a sync is under way; else UINT64_MAX */
    bool digest_void; /* a page was placed and left again: no digest can name what is there */
    bool give_failed; /* no memory to say that a page is not needed: this must not be committed */
    bool pack, checkpoint, cut; /* asked for by mn_view_pack, _checkpoint and _cut */
    uint64_t durable;           /* the newest durable version, as the notice says */
    int64_t synced_us;          /* when this handle last made a version durable */
    bool make_durable;          /* this commit, whatever the mode is */
    struct mn_digests unsynced; /* (D, base] */
    struct mn_ring ring;
    /* `base` and `ring` are what this handle last committed, and these the heads of the slots. */
    bool known;
    uint8_t heads[MN_META_SLOTS][MN_SLOT_HEAD];
    uint64_t *pins;
    size_t pin_count, pin_capacity;
};

/* ---- the store ---- */

/* What was seen of the page count since the file was last looked at for a cut. */
struct mn_shrink {
    uint32_t commits;
    uint64_t first_pages, most_pages;
};

struct mn_store {
    struct mn_os *os;
    bool own_os;
    struct mn_file *file;
    char *path; /* as it was opened: NULL where only slots are looked at */
    unsigned flags;
    bool readonly;      /* opened so, or forced by a feature bit */
    bool ro_descriptor; /* the descriptor cannot write: private mode may be needed */
    struct mn_store_hooks hooks;
    enum mn_sync_mode sync; /* atomic */
    int64_t lazy_us;
    uint64_t dirty_limit;
    int64_t busy_ms;
    unsigned threads; /* atomic */
    struct mn_superblock superblock;
    uint32_t page_size, page_shift;
    uint64_t unit;
    struct mn_layout layout;

    const uint8_t *map; /* NULL: read copies */
    uint64_t map_pages;
    uint8_t *seen;
    uint64_t *guesses;   /* of store.h; NULL without a map, or without memory */
    uint64_t file_bytes; /* what the writer knows of the size */
    /* The file has at least this size after a power loss too, known since that version: no slot may
     * name a page behind it before a sync. */
    uint64_t durable_bytes, durable_since;
    uint64_t grow_bytes; /* smallest step of growth */
    uint64_t prewritten; /* pages before this one are known to be written blocks */
    uint64_t log_limit;  /* bytes of manifests before a checkpoint */
    uint32_t cut_commits;
    struct mn_shrink shrink;

    pthread_mutex_t mutex;
    struct mn_pin **pins;
    size_t pin_count, pin_capacity;
    struct mn_pin *idle; /* the last pin that went: its slot need not be read again */
    bool present;        /* P is held shared (or exclusively): the notice is true */
    bool slots_known;    /* private mode: `slots` were chosen from before */
    uint8_t *slots;      /* MN_META_SLOTS x MN_SLOT_BYTES */
    struct mn_meta *chosen;
    uint64_t views;

    pthread_mutex_t turn;
    pthread_cond_t turn_free, turn_brief;
    bool writing;
    uint32_t brief_waiting; /* threads that would go on with a transaction */
    struct mn_view *left;   /* one that was left open to them */
    struct mn_part *parts;  /* who left it, and waits for its end: the turn's owner's */
    uint32_t part_count;
    bool poisoned;
    bool wrote; /* this handle committed something */
    bool held;  /* it was the writer: who closed meanwhile left his checkpoint to it */
    struct mn_writer writer;
};

/* A page copied, where there is no map or the map is not to be believed. */
struct mn_copy {
    uint64_t page, size_bytes;
    uint64_t sum;
    uint8_t *bytes;
};

struct mn_view {
    struct mn_view_front front;
    struct mn_store *store;
    const struct mn_meta *meta; /* of the pin, or the writer's next */
    struct mn_pin *pin;         /* of a reader */
    struct mn_writer *writer;   /* of the writer */
    uint64_t page_limit;        /* page numbers below are of this version */
    void *user;
    struct mn_copy *copies; /* hash table by page */
    size_t copy_count, copy_capacity;
};

/* ---- settle.c: the notice, the ring, the choice ---- */

uint64_t mn_slot_offset(const struct mn_store *store, uint32_t slot);
uint64_t mn_notice_offset(const struct mn_store *store);
/* False: the check word is wrong. */
bool mn_notice_parse(const struct mn_store *store, const uint8_t *bytes, struct mn_notice *notice);
enum mn_status mn_notice_read(struct mn_store *store, struct mn_notice *notice, bool *good);
/* The same from the map where that shows a whole one. */
enum mn_status mn_notice_now(struct mn_store *store, struct mn_notice *notice, bool *good);
enum mn_status mn_notice_write(struct mn_store *store, const struct mn_notice *notice);
/* What the notice says, for a reader: from the map where there is one, read again while it is torn.
 */
enum mn_status mn_notice_published(struct mn_store *store, uint64_t *version);
/* Reads all slots; `wanted`, if not 0, is the version to put into *meta (version 0: not there). */
enum mn_status mn_ring_read(struct mn_store *store, struct mn_ring *ring, uint64_t wanted,
                            struct mn_meta *meta);
/* The newest version whose slot and manifest are on the device. */
enum mn_status mn_choose(struct mn_store *store, struct mn_meta *chosen);
/* PROTOCOL's SETTLE; the caller holds P exclusively, or W with dur == pub. */
enum mn_status mn_settle(struct mn_store *store, struct mn_meta *chosen);
/* Does the device have that version's slot, and all that it answers for? */
enum mn_status mn_version_on_device(struct mn_store *store, uint64_t version, bool *whole);
/* Digest word of one page's bytes. */
uint64_t mn_digest_word(const struct mn_store *store, uint64_t page, const uint8_t *bytes);
/*
 * What the file has; pages: whole ones. MN_CORRUPT where it does not even hold the fixed pages.
 * Asked before the notice: that is read through the map, and behind the end of a file that somebody
 * cut nothing may be touched.
 */
enum mn_status mn_file_size(struct mn_store *store, uint64_t *size_bytes);
enum mn_status mn_file_pages(struct mn_store *store, uint64_t *pages);

/* ---- turn.c ---- */

/* A thread that left its transaction to others, and what it is told. */
struct mn_part {
    struct mn_part *next;
    pthread_cond_t told;
    bool done;
    enum mn_status status;
    uint64_t version;
    struct mn_error error;
};

/* The turn of this thread and of this process, or MN_BUSY after busy_ms. left, if not NULL: the
 * transaction that another thread left, if *left is not NULL then; it has the turn with it. */
enum mn_status mn_turn_take(struct mn_store *store, struct mn_view **left);
void mn_turn_give(struct mn_store *store);
/* Has another thread a part in the transaction? For the turn's owner. */
bool mn_turn_is_shared(const struct mn_store *store);
/* Leaves the transaction to a thread that waits, and waits for its end. False: nobody does. */
bool mn_turn_leave(struct mn_view *view, struct mn_part *mine);
/* Who is to be told of the commit: taken while the turn is held, told when it is over. */
struct mn_part *mn_turn_parts(struct mn_store *store);
void mn_turn_tell(struct mn_store *store, struct mn_part *parts, enum mn_status status,
                  uint64_t version);

/* ---- open.c ---- */

/* The file and nothing of what is in it: for salvage. */
enum mn_status mn_store_open_bare(const struct mn_store_options *options, struct mn_store **out);

/* ---- pins.c ---- */

enum mn_status mn_pin_acquire(struct mn_store *store, struct mn_pin **pin);
void mn_pin_release(struct mn_store *store, struct mn_pin *pin);
/* All pinned versions, ascending, for a writer on base: its own, others' and the base itself. */
enum mn_status mn_pins_list(struct mn_store *store, uint64_t base, struct mn_writer *writer);

/* ---- read.c ---- */

/* In a forked child: its copies of mutexes and locks mean nothing, so nothing is tried. */
enum mn_status mn_store_refuse_forked(void);
void mn_view_init(struct mn_view *view, struct mn_store *store);
void mn_view_release(struct mn_view *view);
/* Copies that the view handed out are gone. */
void mn_view_forget_copies(struct mn_view *view);
/* Checks checksum, number, kind and birth of a page image against the pointer that led to it. */
enum mn_status mn_page_verify(const struct mn_view *view, struct mn_ref ref, uint8_t kind,
                              const uint8_t *bytes);
uint64_t mn_page_sum(const struct mn_store *store, const uint8_t *page);
uint64_t mn_run_sum(const struct mn_store *store, const struct mn_run *run, const uint8_t *bytes);
/* A run's bytes in the file, verified. */
enum mn_status mn_run_read_clean(struct mn_view *view, const struct mn_run *run,
                                 const uint8_t **bytes);
/* The pages of a chain (log or checkpoint), newest first, and their bytes, oldest first. */
enum mn_status mn_chain_read(struct mn_view *view, struct mn_ref head, uint8_t kind,
                             struct mn_buf *bytes, struct mn_deaths *pages);

/* ---- node.c ---- */

enum mn_status mn_node_find(struct mn_view *view, uint64_t page, struct mn_dirty_node **node);
/* The bytes of a node that was placed come back to memory; its place is free again. */
enum mn_status mn_node_load(struct mn_view *view, struct mn_dirty_node *node);
void mn_node_free(struct mn_writer *writer, struct mn_store *store, uint32_t number);
/* Forgets nodes, undo and savepoints. */
void mn_nodes_clear(struct mn_writer *writer, struct mn_store *store);
uint8_t *mn_buffer_get(struct mn_writer *writer, struct mn_store *store, uint64_t size_bytes);
void mn_buffer_put(struct mn_writer *writer, struct mn_store *store, uint8_t *buffer,
                   uint64_t size_bytes);
void mn_writer_release(struct mn_writer *writer, struct mn_store *store);

/* ---- place.c ---- */

/* Room for that many pages in a row, from what is free or by growing the file. */
enum mn_status mn_room_take(struct mn_view *view, uint64_t pages, uint64_t *start);
/* Sets room aside for so many nodes, in as few pieces as there are. */
enum mn_status mn_room_reserve(struct mn_view *view, uint64_t pages);
/* Pages taken by this transaction go back at once. */
enum mn_status mn_room_give(struct mn_writer *writer, uint64_t start, uint64_t pages);
/* The same where nobody can be told: without memory for it the commit fails. */
void mn_room_give_back(struct mn_writer *writer, uint64_t start, uint64_t pages);
/* Were these pages taken by this transaction? */
bool mn_room_is_taken(struct mn_writer *writer, uint64_t start, uint64_t pages);
/* Completes header and checksum of a page of the store's own or a node, and queues it. */
enum mn_status mn_page_seal(struct mn_view *view, uint64_t page, uint8_t *buffer, uint64_t *sum64);
/* Gives a node or run its place and queues it; its memory is gone, `place` is set. */
enum mn_status mn_node_place(struct mn_view *view, struct mn_dirty_node *node,
                             enum mn_nearness nearness);

/* ---- queue.c ---- */

/* Queues whole pages to be written; the buffer is the store's from now on. */
enum mn_status mn_queue_add(struct mn_view *view, uint64_t page, uint8_t *buffer,
                            uint64_t size_bytes, bool node);
/* Everything that was queued is written. */
enum mn_status mn_queue_flush(struct mn_view *view);
/* May some of these pages still wait? */
bool mn_queue_holds(const struct mn_view *view, uint64_t page, uint64_t pages);
/* Forgets what waits, once the thread has ended. */
void mn_queue_clear(struct mn_writer *writer, struct mn_store *store);
void mn_queue_release(struct mn_writer *writer);
/* Recovery verifies small commits by the words of their pages; a large one needs none. */
enum mn_status mn_digest_add(struct mn_view *view, uint64_t page, const uint8_t *buffer,
                             uint64_t pages);
/* Until the pages are written anew, nobody may take them for verified. */
void mn_pages_doubt(const struct mn_store *store, uint64_t page, uint64_t pages);
/* The page's bytes were written by this process: a reader of it need not verify them. */
void mn_page_believe(const struct mn_store *store, uint64_t page, uint64_t checksum);

/* ---- wing.c ---- */

/* Is a page of that birth rewritten often? */
bool mn_wing_is_busy(const struct mn_writer *writer, uint64_t birth);
/* Chooses slot and wing of the commit; *busy nodes of it will go there. */
enum mn_status mn_wing_begin(struct mn_view *view, uint64_t small_pages, uint64_t *busy);
/* The free page of the wing that is nearest to the slot, or to those for roots (G3). False: there
 * is none. */
bool mn_wing_take(struct mn_view *view, bool root, uint64_t *page);
/* The buffer waits there; it is the store's from now on. */
void mn_wing_add(struct mn_view *view, uint64_t page, uint8_t *bytes);
bool mn_wing_holds(const struct mn_view *view, uint64_t page, uint64_t pages);
/* Writes what waits, and the slot's bytes unless NULL, in as few pieces as they have places. */
enum mn_status mn_wing_flush(struct mn_view *view, const uint8_t *slot);
void mn_wing_clear(struct mn_writer *writer, struct mn_store *store);

/* ---- shrink.c ---- */

/* Cuts the file now and then; the writer has just published a durable version. */
void mn_shrink_after_commit(struct mn_store *store);
/* Bytes that a file of so many pages keeps when it is cut: whole pieces of at most 64 KiB. */
uint64_t mn_shrink_round(const struct mn_store *store, uint64_t pages);

/* ---- lazy.c ---- */

/* The pages that a slot answers for, ascending. MN_CORRUPT: its tail does not say, or too many. */
enum mn_status mn_answers_for(const struct mn_store *store, const struct mn_meta *meta,
                              struct mn_extents *pages);
/* writer->unsynced becomes that of the commit being made. MN_CORRUPT: it cannot be known. */
enum mn_status mn_unsynced_follow(struct mn_store *store);
/* The digest over the list, which is sorted. */
uint64_t mn_digests_word(struct mn_digests *list);
/* One sync; with `others` the version is then read back past the cache. */
enum mn_status mn_barrier(struct mn_store *store, uint64_t version, bool others);
/* PROTOCOL's CHECKPOINT of the newest version; the caller holds W. MN_UNCERTAIN: SYNC FAILED. */
enum mn_status mn_checkpoint(struct mn_store *store, uint64_t version);
/*
 * PROTOCOL's SYNC FAILED: nothing is tried again, nothing is published, this handle writes no more.
 * The message of the thread is the cause. MN_UNCERTAIN.
 */
enum mn_status mn_sync_failed(struct mn_store *store, uint64_t version);

/* ---- log.c ---- */

/* The space map knows the state at the base version and the pins of now. */
enum mn_status mn_space_prepare(struct mn_view *view);
/* The map of used pages at a view's version, without pins: for check. Dead pages are in `dead`. */
enum mn_status mn_space_load(struct mn_view *view, const struct mn_meta *meta,
                             struct mn_space *space, struct mn_deaths *dead);
/* Writes manifest, and where it is time a checkpoint, into the next slot. */
enum mn_status mn_log_write(struct mn_view *view, struct mn_manifest *manifest);

/* ---- txn.c ---- */

/* An empty, durable commit of the last handle. */
enum mn_status mn_write_farewell(struct mn_store *store);

#endif
