/*
 * raw: the smallest layer above the store, for its tests: a page of pointers to leaves and runs.
 *
 * A raw file is a map from small numbers to 64-bit values. Its root page has RAW_ENTRIES pointers
 * to leaf pages, each filled with a pattern of its value, and as many to runs. It shares no code
 * with the trees.
 */
#ifndef MN_TESTS_SUPPORT_RAW_H
#define MN_TESTS_SUPPORT_RAW_H

#include "store/store.h"

enum { RAW_LEAVES = 16, RAW_RUNS = 4, RAW_ROOT = 2 };

/* What a raw file should hold. */
struct raw_model {
    uint64_t leaf[RAW_LEAVES]; /* 0: no page */
    uint64_t run[RAW_RUNS];    /* 0: no run */
    uint64_t run_bytes[RAW_RUNS];
};

extern const struct mn_store_hooks raw_hooks;

/* In the writer's view: value 0 drops the page or run. */
enum mn_status raw_set(struct mn_view *view, unsigned leaf, uint64_t value);
enum mn_status raw_set_run(struct mn_view *view, unsigned run, uint64_t value, uint64_t size_bytes);
/* Reads everything back; false, with what differs printed, unless it equals the model. */
bool raw_equals(struct mn_view *view, const struct raw_model *model);
/* Reads all into *model. */
enum mn_status raw_read(struct mn_view *view, struct raw_model *model);
/* One random change, to file and model alike. run_bytes_max 0: no runs. */
enum mn_status raw_change(struct mn_view *view, struct raw_model *model, uint64_t *random,
                          uint64_t run_bytes_max);
/* Marks every page that the view reaches. */
void raw_mark(struct mn_view *view, struct mn_store_check *check);
/* A whole check; the number of faults, each printed. */
uint64_t raw_check(struct mn_store *store);

#endif
