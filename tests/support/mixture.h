/*
 * mixture: walks of a tree whose keys are of several kinds, and which kinds of pages it has then.
 */
#ifndef MN_TESTS_SUPPORT_MIXTURE_H
#define MN_TESTS_SUPPORT_MIXTURE_H

#include "support/forest.h"

/* The first `count` different keys that `make` draws, whose bytes it allocates. */
struct forest_keys mixture_keys(uint32_t count, struct mn_bytes (*make)(uint64_t *random),
                                uint64_t *random);

/* Pages seen: of the general kind, and dense leaves or short branches. */
struct mixture_pages {
    uint32_t leaves[2], branches[2];
};

/* Sixty transactions of random changes of a new tree; after each it equals its model, and its pages
 * are counted. The store is sound in the end. */
struct mixture_pages mixture_walk(struct mn_store *store, const struct forest_keys *keys,
                                  uint64_t *random);

#endif
