/*
 * forest: a model of trees that shares no code with them, and the walk that compares the two.
 *
 * All keys that a test uses are made once and sorted once. A model of a tree is then an array with
 * one place for each key: what is there, if anything. Copying a model is copying an array, so
 * savepoints of a model cost nothing to write.
 */
#ifndef MN_TESTS_SUPPORT_FOREST_H
#define MN_TESTS_SUPPORT_FOREST_H

#include "btree/tree.h"

/* What is stored under a key. Bytes follow from seed and length. */
struct forest_value {
    uint32_t seed; /* 0: the key is not there */
    uint32_t len, run_len;
};

struct forest_keys {
    struct mn_bytes *sorted;
    uint32_t count;
};

struct forest_tree {
    uint64_t tree;
    struct forest_value *values; /* by the key's place in the order */
    uint32_t count;
};

uint64_t forest_random(uint64_t *state);
/* A number below n. */
uint32_t forest_below(uint64_t *state, uint32_t n);

/* Below 0, 0 or above 0: as trees order keys. */
int forest_order(struct mn_bytes a, struct mn_bytes b);

/* Keys of many shapes: short, with long common beginnings, and up to key_bytes_max long. */
struct forest_keys forest_keys_new(uint64_t seed, uint32_t count, uint32_t key_bytes_max);
void forest_keys_free(struct forest_keys *keys);

void forest_tree_init(struct forest_tree *tree, const struct forest_keys *keys, uint64_t number);
void forest_tree_free(struct forest_tree *tree);
void forest_tree_copy(struct forest_tree *to, const struct forest_tree *from,
                      const struct forest_keys *keys);

/* The bytes of a value; the caller frees them. */
uint8_t *forest_bytes(uint32_t seed, uint32_t len);

/* One random change of tree and model alike. value_bytes_max bounds the values. */
enum mn_status forest_change(struct mn_view *view, struct forest_tree *tree,
                             const struct forest_keys *keys, uint64_t *random,
                             uint32_t value_bytes_max);
/* The same change, chosen by the caller: a value of seed 0 deletes. */
enum mn_status forest_set(struct mn_view *view, struct forest_tree *tree,
                          const struct forest_keys *keys, uint32_t at, struct forest_value value);

/* True: what differs is not printed, for a test that asks which of two models it is. */
extern bool forest_quiet;
/* Everything the reading functions say, against the model; false with what differs printed. */
bool forest_equals(struct mn_view *view, const struct forest_tree *tree,
                   const struct forest_keys *keys);
/* A few random seeks, gets, ranks and counts against the model. */
bool forest_probe(struct mn_view *view, const struct forest_tree *tree,
                  const struct forest_keys *keys, uint64_t *random);

/* The whole check of store and trees; the number of faults, each printed when print is set. */
uint64_t forest_check(struct mn_store *store, bool print);

#endif
