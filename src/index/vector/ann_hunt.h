/*
 * ann_hunt: one search of a coded index, as the files that do it share it.
 *
 *   ann_search.c  what is searched, how candidates are chosen and scored
 *   ann_lists.c   which lists there are, and reading them, likeliest first
 *   ann_flat.c    one flat list, exactly
 *   ann_many.c    many searches that share lists
 */
#ifndef MN_INDEX_VECTOR_ANN_HUNT_H
#define MN_INDEX_VECTOR_ANN_HUNT_H

#include "index/vector/ann_search.h"
#include "index/vector/candidate.h"

enum { MN_HUNT_GROUPS_MAX = MN_POSTING_ROWS_MAX / MN_CODE_GROUP };

/* An exact search for so many begins with a quick one; of one flat list it scores so many first. */
enum { MN_HUNT_WARM_K_MAX = 64, MN_HUNT_MORE_THAN_K = 6 };

/* Lists that can be read: those that the centroids of a chunk stand for, or one flat list. */
struct mn_hunt_lists {
    struct mn_chunk chunk;       /* of centroids; without postings: the flat list */
    size_t first;                /* of them in hunt->all */
    size_t prefix, prefix_bytes; /* in hunt->prefixes */
};

struct mn_hunt {
    const struct mn_ann *ann;
    const struct mn_ann_query *query;
    struct mn_ann_counts *counts;
    struct mn_search *scorer;
    const struct mn_kernels *kernels;
    struct mn_code_ask ask;
    struct mn_code_query scan;
    double slack;
    struct mn_posting_scan postings;
    bool mapped; /* lists are read by query->lists in place of it */
    struct mn_slab_scan *vectors;
    /* rows that may be among the best: estimate, and aside the error of the code (quick) or the
     * upper bound of the score (exact) */
    struct mn_candidate *candidates;
    size_t count, capacity, keep; /* keep: how many the quick way reranks */
    float least;                  /* estimates at or below are of no use */
    struct mn_topk floors;        /* exact: the k best lower bounds, negated */
    bool warm, full;              /* exact: the scorer keeps rows of a quick search; k of them */
    bool clustered;               /* there are centroids */
    bool single;                  /* one flat list is all there is to read */
    uint64_t passed;              /* rows seen that pass */
    struct mn_hunt_lists *lists;
    size_t lists_count, lists_capacity;
    float *all; /* estimates of single lists, as they were found */
    /* those that come first, in order: the id is a place in `all` */
    struct mn_candidate *order;
    size_t all_count, all_capacity, order_count, order_capacity;
    struct mn_buf prefixes;
};

/* ---- ann_search.c ---- */

enum mn_status mn_hunt_tick(const struct mn_hunt *hunt);

/* Shows the vectors of some rows to the scorer; puts the rows in order of their ids. */
enum mn_status mn_hunt_score(struct mn_hunt *hunt, struct mn_candidate *rows, size_t count);

/* The quick way: begins, with nothing seen; and lets go of all but the best that are to be scored.
 */
void mn_hunt_begin_quick(struct mn_hunt *hunt);
void mn_hunt_best_keep(struct mn_hunt *hunt);

/* All rows of a chunk. */
enum mn_status mn_hunt_chunk(struct mn_hunt *hunt, const struct mn_chunk *chunk);

/* The exact way: row `i` of a chunk, whose upper bound is known; and the end of it. */
enum mn_status mn_hunt_take_exact(struct mn_hunt *hunt, float upper, const struct mn_chunk *chunk,
                                  uint32_t i);
enum mn_status mn_hunt_score_exact(struct mn_hunt *hunt);
/* Begins the exact way behind a quick one. */
enum mn_status mn_hunt_begin_exact(struct mn_hunt *hunt);

/* What is read behind a chunk comes on its way while the chunk is scanned. */
static inline void mn_hunt_chunk_ask(struct mn_chunk *chunk, const struct mn_chunk *next)
{
    chunk->groups.ahead =
        (struct mn_kernel_ahead){next->groups.base, next->groups.count * next->groups.stride};
}

static inline unsigned mn_hunt_group_full(const struct mn_chunk *chunk, uint32_t first)
{
    uint32_t left = chunk->count - first;

    return left >= MN_CODE_GROUP ? (1u << MN_CODE_GROUP) - 1 : (1u << left) - 1;
}

/* ---- ann_lists.c ---- */

/* One of the lists that were noted, by its place: its number and the key in front of it. */
struct mn_list mn_hunt_list(const struct mn_hunt *hunt, size_t at);

/* Notes the lists of all partitions that the query asks for. */
enum mn_status mn_hunt_lists_note(struct mn_hunt *hunt);

/* How many lists with rows that pass are read, and how many such rows, at least; and how many of
 * them are scored. */
struct mn_hunt_plan {
    uint64_t lists, passed;
    size_t keep;
};
struct mn_hunt_plan mn_hunt_plan_make(const struct mn_hunt *hunt);

/* Brings more of the likeliest into order: as many as wanted, then twice as many as before. */
enum mn_status mn_hunt_lists_order(struct mn_hunt *hunt, uint64_t wanted);

/* Reads as many as the query wants, likeliest first, and scores the best of their rows. */
enum mn_status mn_hunt_lists_scan(struct mn_hunt *hunt);

/* ---- ann_flat.c ---- */

enum mn_status mn_hunt_flat(struct mn_hunt *hunt);

#endif
