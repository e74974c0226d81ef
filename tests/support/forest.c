/*
 * forest: a model of trees that shares no code with them.
 */
#include "support/forest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint64_t forest_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);

    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

uint32_t forest_below(uint64_t *state, uint32_t n)
{
    return (uint32_t)(forest_random(state) % n);
}

/* ---- keys ---- */

int forest_order(struct mn_bytes a, struct mn_bytes b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common ? memcmp(a.data, b.data, common) : 0;

    if (order != 0) return order;
    return a.len < b.len ? -1 : a.len > b.len;
}

static int bytes_compare(const void *a, const void *b)
{
    return forest_order(*(const struct mn_bytes *)a, *(const struct mn_bytes *)b);
}

static void number_write(uint8_t *at, uint64_t number)
{
    for (int i = 0; i < 8; i++) at[i] = (uint8_t)(number >> (56 - 8 * i));
}

/* The length of a key's filling, before the number at its end. */
static uint32_t filling_len(uint64_t *random, uint32_t key_bytes_max)
{
    switch (forest_below(random, 40)) {
    case 0: return forest_below(random, key_bytes_max - 8);
    case 1: return key_bytes_max - 8;
    case 2:
    case 3:
    case 4: return forest_below(random, 1200) % (key_bytes_max - 8);
    case 5:
    case 6:
    case 7:
    case 8: return (40 + forest_below(random, 100)) % (key_bytes_max - 7);
    default: return forest_below(random, 3) * 10;
    }
}

static struct mn_bytes key_new(uint64_t *random, uint32_t i, uint32_t key_bytes_max)
{
    uint32_t filling = filling_len(random, key_bytes_max), kind = forest_below(random, 8);
    uint8_t *bytes = malloc(filling + 8);

    if (!bytes) abort();
    memset(bytes, (int)forest_below(random, 3) * 127, filling);
    if (kind == 0) {
        for (uint32_t b = 0; b < filling; b++) bytes[b] = (uint8_t)forest_random(random);
    }
    number_write(bytes + filling, kind < 4 ? i : forest_random(random));
    /* Some keys are prefixes of others, or very short. */
    if (kind == 5) return mn_bytes_of(bytes, filling + forest_below(random, 8));
    return mn_bytes_of(bytes, filling + 8);
}

struct forest_keys forest_keys_new(uint64_t seed, uint32_t count, uint32_t key_bytes_max)
{
    struct forest_keys keys = {calloc(count, sizeof *keys.sorted), 0};
    uint64_t random = seed;
    uint32_t kept = 0;

    if (!keys.sorted) abort();
    for (uint32_t i = 0; i < count; i++) keys.sorted[i] = key_new(&random, i, key_bytes_max);
    qsort(keys.sorted, count, sizeof *keys.sorted, bytes_compare);
    for (uint32_t i = 0; i < count; i++) {
        if (kept > 0 && bytes_compare(&keys.sorted[kept - 1], &keys.sorted[i]) == 0) {
            free((void *)(uintptr_t)keys.sorted[i].data);
        } else {
            keys.sorted[kept++] = keys.sorted[i];
        }
    }
    keys.count = kept;
    return keys;
}

void forest_keys_free(struct forest_keys *keys)
{
    for (uint32_t i = 0; i < keys->count; i++) free((void *)(uintptr_t)keys->sorted[i].data);
    free(keys->sorted);
    *keys = (struct forest_keys){NULL, 0};
}

/* ---- models ---- */

void forest_tree_init(struct forest_tree *tree, const struct forest_keys *keys, uint64_t number)
{
    *tree = (struct forest_tree){number, calloc(keys->count, sizeof *tree->values), 0};
    if (!tree->values) abort();
}

void forest_tree_free(struct forest_tree *tree)
{
    free(tree->values);
    tree->values = NULL;
}

void forest_tree_copy(struct forest_tree *to, const struct forest_tree *from,
                      const struct forest_keys *keys)
{
    memcpy(to->values, from->values, keys->count * sizeof *to->values);
    to->count = from->count;
    to->tree = from->tree;
}

uint8_t *forest_bytes(uint32_t seed, uint32_t len)
{
    uint8_t *bytes = malloc(len + 1u);
    uint64_t word = seed;

    if (!bytes) abort();
    for (uint32_t i = 0; i < len; i++) {
        if (i % 8 == 0) word = word * UINT64_C(6364136223846793005) + 1442695040888963407;
        bytes[i] = (uint8_t)(word >> (8 * (i % 8)));
    }
    return bytes;
}

/* ---- changes ---- */

static enum mn_status value_put(struct mn_view *view, const struct forest_tree *tree,
                                struct mn_bytes key, struct forest_value value)
{
    uint8_t *bytes = forest_bytes(value.seed, value.len), *run = NULL;
    enum mn_status status;

    if (value.run_len == 0) {
        status = mn_tree_put(view, tree->tree, key, mn_bytes_of(bytes, value.len), MN_PUT_UPSERT);
    } else {
        status = mn_tree_put_run(view, tree->tree, key, mn_bytes_of(bytes, value.len),
                                 value.run_len, &run);
        if (status == MN_OK) {
            uint8_t *pattern = forest_bytes(value.seed + 1, value.run_len);

            memcpy(run, pattern, value.run_len);
            free(pattern);
        }
    }
    free(bytes);
    return status;
}

enum mn_status forest_set(struct mn_view *view, struct forest_tree *tree,
                          const struct forest_keys *keys, uint32_t at, struct forest_value value)
{
    struct forest_value *here = &tree->values[at];
    bool found = false;
    enum mn_status status;

    if (value.seed == 0) {
        status = mn_tree_delete(view, tree->tree, keys->sorted[at], &found);
        if (status == MN_OK && found != (here->seed != 0)) {
            printf("delete says found = %d\n", found);
            abort();
        }
    } else {
        status = value_put(view, tree, keys->sorted[at], value);
    }
    if (status != MN_OK) return status;
    tree->count += (value.seed != 0);
    tree->count -= (here->seed != 0);
    *here = value;
    return MN_OK;
}

static uint32_t value_len(uint64_t *random, uint32_t max)
{
    switch (forest_below(random, 30)) {
    case 0: return forest_below(random, max + 1);
    case 1:
    case 2: return forest_below(random, 5000) % (max + 1);
    case 3:
    case 4:
    case 5: return forest_below(random, 200);
    default: return forest_below(random, 30);
    }
}

enum mn_status forest_change(struct mn_view *view, struct forest_tree *tree,
                             const struct forest_keys *keys, uint64_t *random,
                             uint32_t value_bytes_max)
{
    struct forest_value value = {0};
    uint32_t at = forest_below(random, keys->count), kind = forest_below(random, 20);
    /* Whole transactions lean towards growing or shrinking. */
    bool grow = forest_below(random, 100) < 20 + 50 * (tree->count % 7 < 4);

    if (grow) {
        value.seed = (uint32_t)forest_random(random) | 1;
        value.len = value_len(random, value_bytes_max);
        if (kind == 0) {
            value.len = 1 + forest_below(random, 60);
            value.run_len = 1 + forest_below(random, 9000);
        } else if (kind == 1 && tree->values[at].run_len) {
            value.len = 1 + forest_below(random, 60);
            value.run_len = tree->values[at].run_len;
        }
    }
    return forest_set(view, tree, keys, at, value);
}
