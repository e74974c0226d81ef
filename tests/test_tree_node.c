/*
 * Tests of nodes: pure bytes, compared with sorted arrays; and hostile bytes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "btree/node.h"
#include "support/forest.h"
#include "support/test.h"

/* A node in memory of its own size, so that a sanitizer sees a step outside. */
static struct mn_node node_new(uint32_t size, uint8_t kind)
{
    struct mn_node node = {calloc(1, size), size, NULL};

    assert_non_null(node.page);
    node.page[22] = kind;
    return node;
}

static int key_compare(struct mn_bytes a, struct mn_bytes b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common ? memcmp(a.data, b.data, common) : 0;

    return order ? order : a.len < b.len ? -1 : a.len > b.len;
}

/* A leaf's cell: a hash of the key is the value. */
static struct mn_cell leaf_cell(struct mn_bytes key, uint8_t value[4])
{
    uint64_t word = 0;

    for (size_t i = 0; i < key.len; i++) word = word * 31 + key.data[i] + 1;
    mn_put_u32(value, (uint32_t)word);
    return (struct mn_cell){.suffix = key, .value = {value, 4}};
}

static void leaf_is(const struct mn_node *node, const struct mn_bytes *keys, uint32_t count)
{
    uint8_t copy[MN_SUFFIX_MASK], value[4];

    assert_int_equal(mn_node_count(node->page), count);
    if (count > 0) {
        enum mn_status status = mn_node_validate(node->page, node->size, MN_PAGE_LEAF);

        if (status) print_error("%s\n", mn_error_last()->message);
        assert_int_equal(status, MN_OK);
    }
    for (uint32_t i = 0; i < count; i++) {
        struct mn_cell cell = mn_node_cell(node, i);
        uint32_t index;
        bool exact;

        assert_int_equal(mn_cell_key_len(&cell), keys[i].len);
        assert_int_equal(mn_cell_key_copy(node, &cell, copy), MN_OK);
        assert_int_equal(key_compare(mn_bytes_of(copy, keys[i].len), keys[i]), 0);
        leaf_cell(keys[i], value);
        assert_int_equal(cell.value.len, 4);
        assert_memory_equal(cell.value.data, value, 4);
        assert_int_equal(mn_node_search(node, keys[i], &index, &exact), MN_OK);
        assert_true(exact && index == i);
    }
}

/* The place of a key in a sorted array. */
static uint32_t place_of(const struct mn_bytes *keys, uint32_t count, struct mn_bytes key)
{
    uint32_t at = 0;

    while (at < count && key_compare(keys[at], key) < 0) at++;
    return at;
}

/* Inserts and removes at random; a node that is full or of another prefix is built anew. */
static void leaf_walk(uint32_t size, uint64_t seed)
{
    struct forest_keys all = forest_keys_new(seed, 400, 60);
    struct mn_node node = node_new(size, MN_PAGE_LEAF);
    struct mn_bytes here[400];
    uint64_t random = seed;
    uint32_t count = 0;

    for (uint32_t step = 0; step < 3000; step++) {
        struct mn_bytes key = all.sorted[forest_below(&random, all.count)];
        uint32_t at = place_of(here, count, key), index;
        bool there = at < count && key_compare(here[at], key) == 0, exact;
        uint8_t value[4];
        struct mn_cell cell = leaf_cell(key, value);

        assert_int_equal(mn_node_search(&node, key, &index, &exact), MN_OK);
        assert_int_equal(index, at);
        assert_int_equal(exact, there);
        if (there) {
            mn_node_remove(&node, at);
            memmove(&here[at], &here[at + 1], (count - at - 1) * sizeof *here);
            count--;
        } else if (mn_node_insert(&node, at, &cell)) {
            memmove(&here[at + 1], &here[at], (count - at) * sizeof *here);
            here[at] = key;
            count++;
        } else {
            uint8_t values[400][4];
            struct mn_cell cells[400];

            memmove(&here[at + 1], &here[at], (count - at) * sizeof *here);
            here[at] = key;
            for (uint32_t i = 0; i <= count; i++) cells[i] = leaf_cell(here[i], values[i]);
            if (mn_node_size_of(&node, cells, count + 1, true) <= size) {
                mn_node_build(&node, cells, ++count);
            } else {
                count = (count + 1) / 2;
                mn_node_build(&node, cells, count);
            }
        }
        if (step % 16 == 0) leaf_is(&node, here, count);
    }
    free(node.page);
    forest_keys_free(&all);
}

static void leaf_keeps_order(void **state)
{
    (void)state;
    leaf_walk(512, test_seed());
    leaf_walk(4096, test_seed() + 1);
    leaf_walk(65536, test_seed() + 2);
}

/* A branch of numbered children between the keys, the first below all. */
static struct mn_node branch_new(uint32_t size, const struct forest_keys *keys, uint32_t *count)
{
    struct mn_node node = node_new(size, MN_PAGE_BRANCH);
    struct mn_cell *cells = calloc(keys->count + 1, sizeof *cells);

    assert_non_null(cells);
    for (*count = 0; *count <= keys->count; (*count)++) {
        struct mn_cell *cell = &cells[*count];

        if (*count > 0) cell->suffix = keys->sorted[*count - 1];
        mn_put_ref(cell->child, (struct mn_ref){1000 + *count, 77});
        mn_put_u48(cell->child + MN_REF_BYTES, *count + 1);
        if (mn_node_size_of(&node, cells, *count + 1, false) > size) break;
    }
    mn_node_build(&node, cells, *count);
    free(cells);
    return node;
}

static void branch_finds_the_child_of_a_key(void **state)
{
    (void)state;
    for (uint32_t size = 512; size <= 65536; size *= 2) {
        struct forest_keys all = forest_keys_new(test_seed() + size, 3000, 60);
        uint32_t count, index;
        uint64_t sum = 0;
        struct mn_node node = branch_new(size, &all, &count);
        bool exact;

        assert_true(count > 3);
        assert_int_equal(mn_node_validate(node.page, size, MN_PAGE_BRANCH), MN_OK);
        for (uint32_t i = 0; i + 1 < count; i++) {
            /* all.sorted[i] is the separator before child i + 1. */
            assert_int_equal(mn_node_search(&node, all.sorted[i], &index, &exact), MN_OK);
            assert_true(!exact && index == i + 1);
            assert_int_equal(mn_node_child(node.page, index).page, 1000 + index);
        }
        assert_int_equal(mn_node_search(&node, mn_bytes_of("", 0), &index, &exact), MN_OK);
        assert_int_equal(index, all.sorted[0].len == 0);
        for (uint32_t i = 0; i < count; i++) sum += i + 1;
        assert_int_equal(mn_node_entries(node.page), sum);
        /* The first child goes: the next one loses its key. */
        mn_node_remove(&node, 0);
        assert_int_equal(mn_node_validate(node.page, size, MN_PAGE_BRANCH), MN_OK);
        assert_int_equal(mn_node_child(node.page, 0).page, 1001);
        assert_int_equal(mn_node_search(&node, mn_bytes_of("", 0), &index, &exact), MN_OK);
        assert_int_equal(index, 0);
        free(node.page);
        forest_keys_free(&all);
    }
}

static void common_beginning_is_stored_once(void **state)
{
    struct mn_node node = node_new(4096, MN_PAGE_LEAF);
    uint8_t keys[40][100], values[40][4];
    struct mn_cell cells[40];

    (void)state;
    for (uint8_t i = 0; i < 40; i++) {
        memset(keys[i], 'p', 99);
        keys[i][99] = i;
        cells[i] = leaf_cell(mn_bytes_of(keys[i], 100), values[i]);
    }
    mn_node_build(&node, cells, 40);
    assert_int_equal(mn_node_prefix_len(node.page), 99);
    assert_int_equal(mn_node_used(node.page), MN_PAGE_HEADER + 99 + 40 * (8 + 1 + 6));
    free(node.page);
}

/* ---- hostile bytes ---- */

/* Everything that readers and writers do with a node that was found sound. */
static void node_use(const struct mn_node *node, uint64_t *random)
{
    uint8_t copy[2 * MN_SUFFIX_MASK];
    uint32_t count = mn_node_count(node->page), index;
    struct mn_node mine = node_new(node->size, 0);
    struct mn_run run;
    bool exact;

    for (uint32_t i = 0; i < count; i++) {
        struct mn_cell cell = mn_node_cell(node, i);

        if (cell.tail) continue; /* a tail needs a view */
        assert_true(mn_cell_key_len(&cell) <= sizeof copy);
        assert_int_equal(mn_cell_key_copy(node, &cell, copy), MN_OK);
        if (mn_node_is_leaf(node->page)) mn_cell_value(&cell, &run);
        (void)mn_node_tail_run(node, i);
        if (mn_node_is_leaf(node->page)) (void)mn_node_value_run(node, i);
        index = UINT32_MAX;
        if (mn_node_search(node, mn_bytes_of(copy, mn_cell_key_len(&cell)), &index, &exact)) {
            continue;
        }
        assert_true(index <= count);
    }
    memcpy(mine.page, node->page, node->size);
    while (mn_node_count(mine.page) > 1) {
        mn_node_remove(&mine, forest_below(random, mn_node_count(mine.page)));
        assert_true(mn_node_used(mine.page) <= mine.size);
    }
    free(mine.page);
}

/* Changes a few bytes; what validate still takes must be safe to use. Returns how often it did. */
static uint32_t node_torment(const struct mn_node *good, uint64_t *random, uint32_t rounds)
{
    struct mn_node node = node_new(good->size, 0);
    uint32_t taken = 0;

    for (uint32_t round = 0; round < rounds; round++) {
        uint32_t changes = 1 + forest_below(random, 4);
        uint32_t arrays = MN_PAGE_HEADER + 30 * mn_node_count(good->page);

        memcpy(node.page, good->page, good->size);
        for (uint32_t i = 0; i < changes; i++) {
            uint32_t span = forest_below(random, 3) && arrays < node.size ? arrays : node.size;
            uint32_t at = 24 + forest_below(random, span - 24);

            node.page[at] = (uint8_t)(forest_below(random, 2)
                                          ? forest_random(random)
                                          : node.page[at] ^ (1u << forest_below(random, 8)));
        }
        if (mn_node_validate(node.page, node.size, mn_page_kind(node.page))) continue;
        taken++;
        node_use(&node, random);
    }
    free(node.page);
    return taken;
}

static void hostile_bytes_are_refused_or_harmless(void **state)
{
    uint32_t rounds = test_is_deep() ? 200000 : 8000;
    uint64_t random = test_seed();

    (void)state;
    for (uint32_t size = 512; size <= 4096; size *= 8) {
        struct forest_keys all = forest_keys_new(test_seed(), 60, 60);
        struct mn_node leaf = node_new(size, MN_PAGE_LEAF);
        uint8_t values[60][4];
        struct mn_cell cells[60];
        uint32_t count = 0, taken;
        struct mn_node branch = branch_new(size, &all, &count);

        for (count = 0; count < all.count; count++) {
            cells[count] = leaf_cell(all.sorted[count], values[count]);
            if (mn_node_size_of(&leaf, cells, count + 1, true) > size) break;
        }
        mn_node_build(&leaf, cells, count);
        taken = node_torment(&leaf, &random, rounds) + node_torment(&branch, &random, rounds);
        /* A changed value or child is no fault of a node; a changed head, slot or key is. */
        assert_true(taken > 0 && taken < 2 * rounds);
        free(leaf.page);
        free(branch.page);
        forest_keys_free(&all);
    }
}

static void each_broken_rule_is_named(void **state)
{
    static const struct {
        uint32_t at;
        uint8_t flip;
    } faults[] = {
        {22, 3},    /* another kind */
        {23, 2},    /* unknown flags */
        {24, 0xFF}, /* count */
        {26, 0x7F}, /* prefix */
        {28, 0x7F}, /* heap */
        {30, 1},    /* garbage */
        {32, 1},    /* first head */
        {36, 0x80}, /* second head */
        {33, 0xFF},
    };
    struct mn_node node = node_new(512, MN_PAGE_LEAF);
    uint8_t values[3][4];
    struct mn_cell cells[3] = {leaf_cell(mn_bytes_of("alpha", 5), values[0]),
                               leaf_cell(mn_bytes_of("beta", 4), values[1]),
                               leaf_cell(mn_bytes_of("gamma", 5), values[2])};

    (void)state;
    mn_node_build(&node, cells, 3);
    assert_int_equal(mn_node_validate(node.page, 512, MN_PAGE_LEAF), MN_OK);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        node.page[faults[i].at] ^= faults[i].flip;
        assert_int_equal(mn_node_validate(node.page, 512, MN_PAGE_LEAF), MN_CORRUPT);
        assert_non_null(strstr(mn_error_last()->message, "is no node"));
        node.page[faults[i].at] ^= faults[i].flip;
    }
    free(node.page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(leaf_keeps_order),
        cmocka_unit_test(branch_finds_the_child_of_a_key),
        cmocka_unit_test(common_beginning_is_stored_once),
        cmocka_unit_test(hostile_bytes_are_refused_or_harmless),
        cmocka_unit_test(each_broken_rule_is_named),
    };

    return cmocka_run_group_tests_name("tree node", tests, NULL, NULL);
}
