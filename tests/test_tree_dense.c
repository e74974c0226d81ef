/*
 * Tests of dense leaves: one page against a model, hostile bytes, and trees in which keys that such
 * a leaf takes stand between keys that it does not.
 */
#include "btree/dense.h"

#include <stdlib.h>
#include <string.h>

#include "btree/inside.h"
#include "support/base.h"
#include "support/mixture.h"
#include "support/status.h"
#include "support/test.h"

enum { KEYS = 700, ENTRIES = 64 };

/* ---- one page ---- */

struct entry {
    uint8_t key[MN_DENSE_KEY_BYTES], value[256], run[MN_RUN_BYTES];
    uint32_t bytes;
    bool has_run;
};

struct page_model {
    struct mn_node node;
    struct entry entries[ENTRIES];
    uint32_t count;
    size_t prefix;
};

static struct mn_cell cell_of(const struct entry *entry)
{
    return (struct mn_cell){.suffix = {entry->key, MN_DENSE_KEY_BYTES},
                            .value = {entry->value, entry->bytes},
                            .run = entry->has_run ? entry->run : NULL};
}

static void entry_fill(struct entry *entry, const struct page_model *model, uint64_t *random)
{
    struct mn_run run = {.page = 1 + forest_below(random, 1000),
                         .birth = forest_below(random, 1000),
                         .size_bytes = 1 + forest_below(random, 100000),
                         .sum64 = forest_random(random)};
    uint32_t most = mn_node_inline_max(model->node.size);

    memset(entry->key, 0x80, sizeof entry->key);
    for (size_t i = model->prefix; i < sizeof entry->key; i++) {
        entry->key[i] = (uint8_t)forest_below(random, model->prefix == 6 ? 24 : 256);
    }
    if (most > 200) most = 200;
    entry->bytes = forest_below(random, forest_below(random, 3) ? 12 : most + 1);
    entry->has_run = forest_below(random, 4) == 0;
    mn_run_pack(entry->run, &run);
    for (uint32_t i = 0; i < entry->bytes; i++) entry->value[i] = (uint8_t)forest_random(random);
}

static size_t model_bytes(const struct page_model *model)
{
    size_t bytes = MN_PAGE_HEADER + model->prefix;

    for (uint32_t i = 0; i < model->count; i++) {
        const struct entry *entry = &model->entries[i];

        bytes += MN_DENSE_KEY_BYTES - model->prefix + 2 + entry->bytes;
        bytes += entry->has_run ? MN_RUN_BYTES : 0;
    }
    return bytes;
}

/* Keys of all lengths, most of them beginning as the page's. */
static void searches_agree(const struct page_model *model, uint64_t *random)
{
    for (int i = 0; i < 40; i++) {
        uint8_t key[12];
        size_t length = forest_below(random, 4) ? MN_DENSE_KEY_BYTES : forest_below(random, 13);
        uint32_t below = 0, index;
        bool exact, there = false;

        memset(key, 0x80, sizeof key);
        for (size_t b = model->prefix; b < sizeof key; b++) {
            key[b] = (uint8_t)forest_below(random, model->prefix == 6 ? 25 : 256);
        }
        if (forest_below(random, 8) == 0) key[forest_below(random, 7)] ^= 1;
        for (uint32_t e = 0; e < model->count; e++) {
            int side = forest_order(mn_bytes_of(model->entries[e].key, MN_DENSE_KEY_BYTES),
                                    mn_bytes_of(key, length));

            below += side < 0;
            there |= side == 0;
        }
        assert_int_equal(mn_node_search(&model->node, mn_bytes_of(key, length), &index, &exact),
                         MN_OK);
        assert_int_equal(index, below);
        assert_int_equal(exact, there);
    }
}

static void page_agrees(const struct page_model *model)
{
    const struct mn_node *node = &model->node;

    assert_int_equal(mn_node_count(node->page), model->count);
    if (model->count == 0) return;
    if (mn_node_validate(node->page, node->size, MN_PAGE_LEAF) != MN_OK) {
        print_error("%s\n", mn_error_last()->message);
        fail();
    }
    assert_true(mn_node_is_dense(node->page));
    assert_int_equal(mn_node_used(node->page), model_bytes(model));
    for (uint32_t i = 0; i < model->count; i++) {
        const struct entry *entry = &model->entries[i];
        struct mn_cell cell = mn_node_cell(node, i);
        struct mn_bytes suffix, value;
        uint8_t key[MN_DENSE_KEY_BYTES];

        assert_int_equal(mn_cell_key_len(&cell), MN_DENSE_KEY_BYTES);
        assert_int_equal(mn_cell_key_copy(node, &cell, key), MN_OK);
        assert_memory_equal(key, entry->key, sizeof key);
        assert_int_equal(cell.value.len, entry->bytes);
        if (entry->bytes) assert_memory_equal(cell.value.data, entry->value, entry->bytes);
        assert_int_equal(cell.run != NULL, entry->has_run);
        if (cell.run) assert_memory_equal(cell.run, entry->run, MN_RUN_BYTES);
        assert_ptr_equal(mn_node_value_run(node, i), cell.run);
        assert_null(mn_node_tail_run(node, i));
        assert_int_equal(mn_node_plain(node, i, &suffix, &value), !entry->has_run);
        if (!entry->has_run) assert_int_equal(value.len, entry->bytes);
    }
}

/* A page of two entries that share as many bytes as they may. */
static void model_begin(struct page_model *model, uint32_t size, size_t prefix, uint64_t *random)
{
    struct mn_cell cells[2];

    *model = (struct page_model){.node = {calloc(1, size), size, NULL}, .prefix = prefix};
    assert_non_null(model->node.page);
    model->node.page[22] = MN_PAGE_LEAF;
    for (uint8_t i = 0; i < 2; i++) {
        entry_fill(&model->entries[i], model, random);
        model->entries[i].bytes %= 20;
        model->entries[i].key[prefix] = i;
        cells[i] = cell_of(&model->entries[i]);
    }
    model->count = 2;
    mn_dense_build(&model->node, cells, 2, prefix);
}

static void model_step(struct page_model *model, uint64_t *random)
{
    struct entry entry;
    uint32_t at = 0;

    entry_fill(&entry, model, random);
    while (at < model->count && memcmp(model->entries[at].key, entry.key, 8) < 0) at++;
    if (at < model->count && memcmp(model->entries[at].key, entry.key, 8) == 0) {
        if (model->count == 1) return;
        mn_node_remove(&model->node, at);
        model->count--;
        memmove(&model->entries[at], &model->entries[at + 1],
                (model->count - at) * sizeof *model->entries);
    } else {
        struct mn_cell cell = cell_of(&entry);
        size_t bytes = model_bytes(model) + MN_DENSE_KEY_BYTES - model->prefix + 2 + entry.bytes +
                       (entry.has_run ? MN_RUN_BYTES : 0);
        bool fits =
            bytes <= model->node.size && model->count < mn_dense_count_max(model->node.size);

        if (fits && model->count == ENTRIES) return;
        assert_int_equal(mn_node_insert(&model->node, at, &cell), fits);
        if (!fits) {
            mn_node_remove(&model->node, 0);
            model->count--;
            memmove(model->entries, model->entries + 1, model->count * sizeof *model->entries);
            return;
        }
        memmove(&model->entries[at + 1], &model->entries[at],
                (model->count - at) * sizeof *model->entries);
        model->entries[at] = entry;
        model->count++;
    }
}

static void a_page_follows_the_model(void **state)
{
    static const uint32_t sizes[] = {512, 4096, 32768};
    uint64_t random = test_seed();

    (void)state;
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        for (size_t prefix = 6; prefix <= 7; prefix++) {
            struct page_model model;

            model_begin(&model, sizes[s], prefix, &random);
            for (int step = 0; step < 3000; step++) {
                model_step(&model, &random);
                page_agrees(&model);
                searches_agree(&model, &random);
            }
            free(model.node.page);
        }
    }
}

static void other_cells_are_refused(void **state)
{
    uint64_t random = test_seed();
    struct page_model model;
    struct entry entry;
    uint8_t tail[MN_TAIL_BYTES] = {0};

    (void)state;
    model_begin(&model, 512, 7, &random);
    entry_fill(&entry, &model, &random);
    entry.key[7] = 200;
    entry.bytes = 4;
    for (size_t length = 6; length <= 8; length++) {
        struct mn_cell cell = cell_of(&entry);

        cell.suffix.len = length;
        assert_int_equal(mn_node_insert(&model.node, 2, &cell), length == 8);
    }
    entry.key[7] = 201;
    for (int i = 0; i < 2; i++) {
        struct mn_cell cell = cell_of(&entry);

        if (i == 0) cell.tail = tail;
        entry.key[6] ^= (uint8_t)i; /* another prefix */
        assert_false(mn_node_insert(&model.node, 3, &cell));
    }
    free(model.node.page);
}

/* ---- hostile bytes ---- */

static void page_use(const struct mn_node *node, uint64_t *random)
{
    uint32_t count = mn_node_count(node->page), index;
    struct mn_node mine = {malloc(node->size), node->size, NULL};
    uint8_t key[MN_DENSE_KEY_BYTES], sum = 0;
    bool exact;

    assert_non_null(mine.page);
    for (uint32_t i = 0; i < count; i++) {
        struct mn_cell cell = mn_node_cell(node, i);

        assert_int_equal(mn_cell_key_copy(node, &cell, key), MN_OK);
        for (size_t b = 0; b < cell.value.len; b++) sum ^= cell.value.data[b];
        if (cell.run) sum ^= cell.run[MN_RUN_BYTES - 1];
        assert_int_equal(mn_node_search(node, mn_bytes_of(key, sizeof key), &index, &exact), MN_OK);
        assert_true(exact && index == i);
    }
    node->page[0] = sum;
    memcpy(mine.page, node->page, node->size);
    while (mn_node_count(mine.page) > 1) {
        mn_node_remove(&mine, forest_below(random, mn_node_count(mine.page)));
        assert_int_equal(mn_node_validate(mine.page, mine.size, MN_PAGE_LEAF), MN_OK);
    }
    free(mine.page);
}

static void hostile_bytes_are_refused_or_harmless(void **state)
{
    uint64_t random = test_seed();
    uint32_t taken = 0, rounds = test_is_deep() ? 400000 : 20000;
    struct page_model model;
    struct mn_node node = {malloc(512), 512, NULL};

    (void)state;
    assert_non_null(node.page);
    model_begin(&model, 512, 6, &random);
    for (int step = 0; step < 200; step++) model_step(&model, &random);
    for (uint32_t round = 0; round < rounds; round++) {
        uint32_t changes = 1 + forest_below(&random, 3);

        memcpy(node.page, model.node.page, 512);
        for (uint32_t i = 0; i < changes; i++) {
            uint32_t arrays = MN_PAGE_HEADER + 4 * model.count;
            uint32_t at =
                23 + forest_below(&random, (forest_below(&random, 3) ? arrays : 512) - 23);

            node.page[at] ^= (uint8_t)(1u << forest_below(&random, 8));
        }
        if (mn_node_validate(node.page, 512, MN_PAGE_LEAF) != MN_OK) continue;
        if (!mn_node_is_dense(node.page)) continue;
        taken++;
        page_use(&node, &random);
    }
    assert_true(taken > 0 && taken < rounds);
    free(node.page);
    free(model.node.page);
}

static void each_broken_rule_is_named(void **state)
{
    static const struct {
        uint32_t at;
        uint8_t flip;
        const char *what;
    } faults[] = {
        {23, 2, "unknown flags"},
        {24, 0xFF, "too many entries"},
        {26, 0x08, "a prefix too"},
        {28, 0x7F, "a heap that does not add up"},
        {30, 1, "garbage"},
        {32, 0x01, "keys that do not ascend"},
        {34, 0x40, "a cell outside"},
        {29, 0x40, "more than a page"},
        {26, 0x0F, "keys that do not ascend"}, /* two keys with all their bytes in common */
    };
    struct entry entries[2] = {{.bytes = 5}, {.bytes = 7}};
    struct mn_node node = {calloc(1, 512), 512, NULL};
    struct mn_cell cells[2];

    (void)state;
    assert_non_null(node.page);
    node.page[22] = MN_PAGE_LEAF;
    entries[1].key[7] = 1;
    for (int i = 0; i < 2; i++) cells[i] = cell_of(&entries[i]);
    mn_dense_build(&node, cells, 2, 7);
    assert_int_equal(mn_node_validate(node.page, 512, MN_PAGE_LEAF), MN_OK);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        node.page[faults[i].at] ^= faults[i].flip;
        assert_int_equal(mn_node_validate(node.page, 512, MN_PAGE_LEAF), MN_CORRUPT);
        if (!strstr(mn_error_last()->message, faults[i].what)) {
            print_error("fault %zu: %s\n", i, mn_error_last()->message);
            fail();
        }
        node.page[faults[i].at] ^= faults[i].flip;
    }
    assert_int_equal(mn_dense_validate(node.page, 65536), MN_CORRUPT);
    free(node.page);
}

/* ---- trees ---- */

/* Numbers in three close families, and in one of them keys of other lengths that begin as they do.
 */
static struct mn_bytes key_make(uint64_t *random)
{
    uint32_t family = forest_below(random, 3);
    uint64_t number = ((uint64_t)family << 40) + forest_below(random, 900);
    bool other = family == 0 && forest_below(random, 4) == 0;
    size_t length = other ? 6 + forest_below(random, 7) : 8;
    uint8_t *key = calloc(1, 16);

    assert_non_null(key);
    mn_put_u64_be(key, number);
    key[8] = (uint8_t)forest_random(random);
    return mn_bytes_of(key, length);
}

static void tree_walk(uint32_t page_size, bool may_be_dense)
{
    uint64_t random = test_seed() + page_size;
    struct forest_keys keys = mixture_keys(KEYS, key_make, &random);
    struct mn_store *store =
        may_be_dense ? test_base_open(page_size) : test_base_open_sparse(page_size);
    uint32_t dense = mixture_walk(store, &keys, &random).leaves[1];

    /* A large leaf has keys of several families. */
    if (may_be_dense && page_size <= 4096) assert_true(dense > 0);
    if (!may_be_dense || page_size > MN_DENSE_PAGE_MAX) assert_int_equal(dense, 0);
    forest_keys_free(&keys);
    ok(mn_store_close(store));
}

static void trees_mix_both_kinds_of_leaves(void **state)
{
    (void)state;
    for (uint32_t size = 512; size <= 65536; size *= 2) tree_walk(size, true);
}

/* A file that does not say so never gets one: builds that do not know them can read on. */
static void older_files_stay_as_they_are(void **state)
{
    (void)state;
    tree_walk(512, false);
    tree_walk(4096, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_page_follows_the_model),
        cmocka_unit_test(other_cells_are_refused),
        cmocka_unit_test(hostile_bytes_are_refused_or_harmless),
        cmocka_unit_test(each_broken_rule_is_named),
        cmocka_unit_test(trees_mix_both_kinds_of_leaves),
        cmocka_unit_test(older_files_stay_as_they_are),
    };

    return cmocka_run_group_tests_name("dense leaves", tests, NULL, NULL);
}
