/*
 * tree: ordered bytes to bytes, in copy-on-write pages of a view.
 *
 * A tree is named by a number and seen through a view: the same calls read an old version, the
 * newest one, or the writer's own unfinished changes. Keys are 0 to MN_TREE_KEY_BYTES_MAX bytes in
 * memcmp order. A value is inline bytes, or a run of whole pages, or both: mn_tree_put chooses, and
 * mn_tree_put_run lets the caller write a run of its own (a slab of vectors) beside a short inline
 * part.
 *
 * A write that fails may have changed a part of the tree: the caller rolls back to a savepoint or
 * aborts. Bytes that a call hands out lie in the map or in a dirty node, and are valid until the
 * next write of the transaction, to whatever tree, or the end of the view.
 */
#ifndef MN_BTREE_TREE_H
#define MN_BTREE_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "store/store.h"

enum { MN_TREE_KEY_BYTES_MAX = 65536 };
enum { MN_TREE_DEPTH_MAX = 24 };

enum {
    MN_TREE_MASTER = 1,    /* tree -> root, for the trees that have no place in the meta slot */
    MN_TREE_CATALOGUE = 2, /* the schema; exists in every file */
    MN_TREE_SPARE = 3,     /* a second copy of the tables' entries in it, for salvage alone */
    MN_TREE_FIRST = 16     /* the first number that mn_tree_create gives */
};

struct mn_bytes {
    const uint8_t *data;
    size_t len;
};

static inline struct mn_bytes mn_bytes_of(const void *data, size_t len)
{
    return (struct mn_bytes){(const uint8_t *)data, len};
}

/* An entry: its key, the inline part of its value, and its run (len 0: none). */
struct mn_item {
    struct mn_bytes key, value, run;
};

/* What the store must know of trees; goes into mn_store_options.hooks. */
struct mn_store_hooks mn_tree_hooks(void);

/* ---- trees ---- */

/* An empty tree under a number that was never used in this file. */
enum mn_status mn_tree_create(struct mn_view *view, uint64_t *tree);
/* Every page of it is free once no version sees it. */
enum mn_status mn_tree_drop(struct mn_view *view, uint64_t tree);

/* Entries in the tree, from its root. */
enum mn_status mn_tree_count(struct mn_view *view, uint64_t tree, uint64_t *entries);
/* Entries whose key is less than this one, from the counts in branches: O(log n). */
enum mn_status mn_tree_rank(struct mn_view *view, uint64_t tree, struct mn_bytes key,
                            uint64_t *below);

/* The whole value, where a put made it; the inline part where put_run did. */
enum mn_status mn_tree_get(struct mn_view *view, uint64_t tree, struct mn_bytes key,
                           struct mn_bytes *value, bool *found);

enum mn_put_flags {
    MN_PUT_UPSERT = 0,
    MN_PUT_INSERT = 1 /* MN_EXISTS, without a message, where the key is there: nothing changes */
};
enum mn_status mn_tree_put(struct mn_view *view, uint64_t tree, struct mn_bytes key,
                           struct mn_bytes value, unsigned flags);

/*
 * Stores an inline part and gives a run of run_bytes bytes to write to, aligned to 64. An entry
 * that has a run of that size already keeps the run's bytes; another's are zero. *run is valid
 * until the next write to the tree.
 */
enum mn_status mn_tree_put_run(struct mn_view *view, uint64_t tree, struct mn_bytes key,
                               struct mn_bytes value, uint64_t run_bytes, uint8_t **run);

/* found may be NULL; a key that is not there is no error. */
enum mn_status mn_tree_delete(struct mn_view *view, uint64_t tree, struct mn_bytes key,
                              bool *found);

/* ---- cursors ---- */

struct mn_cursor;

enum mn_seek { MN_SEEK_GE, MN_SEEK_GT, MN_SEEK_LE, MN_SEEK_LT };

/*
 * A cursor stands on an entry or nowhere. When its tree is changed in the same transaction it finds
 * its place again by its key at the next move: next then gives the first entry after that key.
 */
enum mn_status mn_cursor_open(struct mn_view *view, uint64_t tree, struct mn_cursor **cursor);
void mn_cursor_close(struct mn_cursor *cursor); /* NULL is harmless */

/* The nearest entry in that direction; *found is false, and the cursor nowhere, if there is none.
 */
enum mn_status mn_cursor_seek(struct mn_cursor *cursor, struct mn_bytes key, enum mn_seek how,
                              bool *found);
/* As mn_cursor_seek with MN_SEEK_LE; the leaf where the cursor stands is looked at first, so that
 * keys which ascend in small steps are found without a way from the root. */
enum mn_status mn_cursor_seek_near(struct mn_cursor *cursor, struct mn_bytes key, bool *found);
enum mn_status mn_cursor_first(struct mn_cursor *cursor, bool *found);
enum mn_status mn_cursor_last(struct mn_cursor *cursor, bool *found);
enum mn_status mn_cursor_next(struct mn_cursor *cursor, bool *found);
enum mn_status mn_cursor_prev(struct mn_cursor *cursor, bool *found);
/* The entry with `index` entries before it. */
enum mn_status mn_cursor_nth(struct mn_cursor *cursor, uint64_t index, bool *found);

/* The entry under the cursor, MN_MISUSE if it stands nowhere. Valid until its next move. */
enum mn_status mn_cursor_item(struct mn_cursor *cursor, struct mn_item *item);

/* Its key alone: neither value nor run is read. Valid until the next call on the cursor. */
enum mn_status mn_cursor_key(struct mn_cursor *cursor, struct mn_bytes *key);

/* ---- trees whose keys are all of one length and have no values ---- */

/* What stands behind a prefix in the keys that begin with it, one after the other. */
struct mn_tails {
    uint8_t *bytes; /* room for `capacity` of them */
    size_t tail_bytes, capacity;
    size_t count;
    bool ended; /* there is no more */
};

/* From the entry under the cursor on, which it moves behind the last one given. *count 0: none. */
enum mn_status mn_cursor_tails(struct mn_cursor *cursor, struct mn_bytes prefix,
                               struct mn_tails *out);

/*
 * A fan is several cursors that are sought at once, so that the waits for memory overlap. Between
 * mn_fan_seek and the last mn_fan_next for it no tree of the view may be changed.
 */
enum { MN_FAN_WIDTH = 16, MN_FAN_PREFIX_MAX = 16 };
struct mn_fan;
enum mn_status mn_fan_open(struct mn_view *view, uint64_t tree, struct mn_fan **fan);
void mn_fan_close(struct mn_fan *fan); /* NULL is harmless */
/* Turns lane i to prefix i; at most MN_FAN_WIDTH of them, prefix_bytes each. */
enum mn_status mn_fan_seek(struct mn_fan *fan, const uint8_t *prefixes, size_t prefix_bytes,
                           uint32_t count);
/* The next tails of one lane; out->count 0: no more. */
enum mn_status mn_fan_next(struct mn_fan *fan, uint32_t lane, struct mn_tails *out);
/* The same with the first 8 bytes of each tail alone: out->bytes has room for so many of those. */
enum mn_status mn_fan_next_words(struct mn_fan *fan, uint32_t lane, struct mn_tails *out);

/*
 * Many entries at once, for trees whose keys are 8 bytes: from the cursor's place to the end of its
 * leaf, at most `capacity`; the cursor then stands on the last of them. Only in a view that reads.
 * *count 0: the entry has another key or a run, and mn_cursor_item must read it.
 */
struct mn_wide {
    int64_t number; /* the key's 8 bytes, big-endian, with the sign bit flipped */
    struct mn_bytes value;
};
void mn_cursor_wide(struct mn_cursor *cursor, struct mn_wide *entries, size_t capacity,
                    size_t *count);

/*
 * The last 8 bytes of many keys at once, or the values where those are of 8 bytes: from the
 * cursor's place to the end of its leaf, or to its begin; the cursor then stands on the last of
 * them. Only in a view that reads. count 0 and not ended: mn_cursor_item must read the entry.
 */
struct mn_key_ends {
    uint64_t *words; /* big-endian ones, as numbers */
    size_t capacity, count;
    struct mn_bytes bound;    /* keys below it alone, backward at or above it; data NULL: none */
    bool backward, of_values; /* what is asked for */
    bool ended;               /* the next key is on the other side of the bound */
};
enum mn_status mn_cursor_ends(struct mn_cursor *cursor, struct mn_key_ends *out);

/* ---- the places of runs ---- */

/* The root of a tree; page 0 where the tree has changes that have no place yet. Equal roots of one
 * file, equal trees: pages, runs and all. */
enum mn_status mn_tree_root(struct mn_view *view, uint64_t tree, struct mn_ref *root);

/* An entry whose value is an inline part and a run. */
struct mn_run_entry {
    struct mn_bytes prefix, suffix; /* of the key */
    struct mn_bytes value;
    struct mn_run run;
};
typedef enum mn_status (*mn_run_visit)(void *context, const struct mn_run_entry *entry);
/* All entries of a tree, in order, while no run is read; each is valid until the visitor returns.
 * MN_CORRUPT: an entry is of another kind. */
enum mn_status mn_tree_runs(struct mn_view *view, uint64_t tree, mn_run_visit visit, void *context);

/* ---- bulk ---- */

/*
 * Appends entries in strictly ascending order behind what the tree holds, with full leaves. A key
 * that is not above the last one is MN_MISUSE. Until bulk_end, which frees the bulk whatever it
 * answers, the tree must not be read or changed otherwise and no savepoint begun; other trees may
 * change.
 */
struct mn_bulk;
enum mn_status mn_bulk_begin(struct mn_view *view, uint64_t tree, struct mn_bulk **bulk);
enum mn_status mn_bulk_add(struct mn_bulk *bulk, struct mn_bytes key, struct mn_bytes value);
/* Appends an entry whose value the caller writes there, before the next call on the bulk. NULL:
 * nothing was done, mn_bulk_add must. */
uint8_t *mn_bulk_room(struct mn_bulk *bulk, struct mn_bytes key, size_t value_bytes);
/* The same for a key of 8 bytes, as a big-endian number. */
uint8_t *mn_bulk_number(struct mn_bulk *bulk, uint64_t key, size_t value_bytes);
/* The same for several, whose keys ascend: the first ones get places, and it returns how many. */
struct mn_numbered {
    uint64_t key;
    uint32_t value_bytes;
    uint8_t *at;
};
size_t mn_bulk_numbers(struct mn_bulk *bulk, struct mn_numbered *numbers, size_t count);
/* As mn_tree_put_run: *run is valid until the next call on the bulk. */
enum mn_status mn_bulk_add_run(struct mn_bulk *bulk, struct mn_bytes key, struct mn_bytes value,
                               uint64_t run_bytes, uint8_t **run);
enum mn_status mn_bulk_end(struct mn_bulk *bulk);

/* ---- copies ---- */

/* Told how many entries are done, of how many; an answer other than MN_OK ends the copy. */
typedef enum mn_status (*mn_copy_progress)(void *context, uint64_t done, uint64_t total);

/*
 * Every tree of a view, under the same numbers, into a writer's view of a store that has none: full
 * pages in the order of keys. The counters of the view go with them.
 */
enum mn_status mn_tree_copy_all(struct mn_view *from, struct mn_view *to, mn_copy_progress progress,
                                void *context);

/* ---- compacting ---- */

/* One bounded piece of packing a tree. */
struct mn_pack {
    uint64_t end;      /* pages at or behind it get new places; UINT64_MAX: leaves are filled */
    uint64_t pages;    /* how many may still be written */
    uint64_t moved;    /* written so far */
    uint64_t entries;  /* gone by so far */
    struct mn_buf key; /* where the next piece begins; empty: at the first key */
    bool done;         /* the whole tree was gone by */
};
/* Goes on in a writer's view, best one that mn_view_pack was called on. */
enum mn_status mn_tree_pack(struct mn_view *view, uint64_t tree, struct mn_pack *pack);

struct mn_compact_result {
    uint64_t before_bytes, after_bytes; /* of the file */
    uint64_t pages;                     /* written anew */
    uint64_t held;                      /* the oldest version that a reader held at the end, or 0 */
};
/*
 * Fills leaves and moves pages down, in commits of about half a mebibyte between which others read
 * and write, and cuts the file. It never makes the file larger by more than two such commits: where
 * a reader holds what it would free, it stops early and *result says so. Ended early by progress or
 * a failure, what was done stays. The calling thread must not be in a transaction of the store.
 */
enum mn_status mn_tree_compact(struct mn_store *store, mn_copy_progress progress, void *context,
                               struct mn_compact_result *result);

/* ---- check ---- */

/*
 * Walks every tree of the view: order, bounds, depth, fill, counts, heads, checksums of pages and
 * runs; and marks each page in `check`. Faults are reported there and the walk goes on elsewhere.
 */
enum mn_status mn_tree_check_all(struct mn_view *view, struct mn_store_check *check,
                                 mn_report report, void *context);

/* Calls back for each tree of the view, the master tree not among them. */
typedef enum mn_status (*mn_tree_fn)(void *context, const struct mn_root *root);
enum mn_status mn_tree_each(struct mn_view *view, mn_tree_fn each, void *context);

#endif
