/*
 * Tests of short branches: one page against a model, hostile bytes, and trees in which some keys of
 * branches are short and others are not.
 */
#include "btree/short.h"

#include <stdlib.h>
#include <string.h>

#include "btree/inside.h"
#include "support/base.h"
#include "support/mixture.h"
#include "support/status.h"
#include "support/test.h"

enum { KEY_BYTES = 12, ENTRIES = 200, KEYS = 900 };

/* ---- one page ---- */

struct entry {
    uint8_t key[KEY_BYTES], child[MN_CHILD_BYTES];
    size_t length;
};

struct page_model {
    struct mn_store *store;
    struct mn_node node;
    struct entry entries[ENTRIES]; /* the first one's key does not count */
    uint32_t count;
    size_t prefix;
};

static struct mn_bytes key_of(const struct entry *entry)
{
    return mn_bytes_of(entry->key, entry->length);
}

static struct mn_cell cell_of(const struct entry *entry)
{
    struct mn_cell cell = {.suffix = key_of(entry)};

    memcpy(cell.child, entry->child, MN_CHILD_BYTES);
    return cell;
}

/* Few byte values, so that keys often begin one another and end with zeros. */
static void entry_fill(struct entry *entry, size_t prefix, uint64_t *random)
{
    struct mn_ref ref = {1 + forest_below(random, 100000), forest_random(random) & MN_MASK48};

    memset(entry->key, 7, sizeof entry->key);
    entry->length = prefix + forest_below(random, MN_SHORT_KEY_BYTES + 1);
    for (size_t i = prefix; i < sizeof entry->key; i++) {
        entry->key[i] = (uint8_t)(forest_below(random, 2) ? 0 : forest_below(random, 9) * 31);
    }
    mn_put_ref(entry->child, ref);
    mn_put_u48(entry->child + MN_REF_BYTES, forest_below(random, 100000));
}

static void searches_agree(const struct page_model *model, uint64_t *random)
{
    for (int i = 0; i < 30; i++) {
        struct entry key;
        uint32_t want = 0, index;
        bool exact;

        entry_fill(&key, model->prefix, random);
        if (forest_below(random, 3) == 0) key.length = forest_below(random, KEY_BYTES + 1);
        if (forest_below(random, 8) == 0) key.key[forest_below(random, KEY_BYTES)] ^= 1;
        while (want + 1 < model->count &&
               forest_order(key_of(&model->entries[want + 1]), key_of(&key)) <= 0) {
            want++;
        }
        assert_int_equal(
            mn_node_search(&model->node, mn_bytes_of(key.key, key.length), &index, &exact), MN_OK);
        assert_int_equal(index, want);
        assert_false(exact);
    }
}

static void page_agrees(const struct page_model *model)
{
    const struct mn_node *node = &model->node;
    uint64_t entries = 0;

    assert_int_equal(mn_node_count(node->page), model->count);
    if (model->count == 0) return;
    if (mn_node_validate(node->page, node->size, MN_PAGE_BRANCH) != MN_OK) {
        print_error("%s\n", mn_error_last()->message);
        fail();
    }
    assert_true(mn_node_is_short(node->page));
    assert_int_equal(mn_node_used(node->page),
                     MN_PAGE_HEADER + mn_node_prefix_len(node->page) + 22 * (size_t)model->count);
    for (uint32_t i = 0; i < model->count; i++) {
        const struct entry *entry = &model->entries[i];
        struct mn_cell cell = mn_node_cell(node, i);
        uint8_t key[KEY_BYTES];

        assert_int_equal(mn_cell_key_len(&cell), i > 0 ? entry->length : 0);
        assert_int_equal(mn_cell_key_copy(node, &cell, key), MN_OK);
        if (i > 0) assert_memory_equal(key, entry->key, entry->length);
        assert_memory_equal(cell.child, entry->child, MN_CHILD_BYTES);
        assert_memory_equal(mn_node_child_at(node->page, i), entry->child, MN_CHILD_BYTES);
        assert_null(mn_node_tail_run(node, i));
        entries += mn_get_u48(entry->child + MN_REF_BYTES);
    }
    assert_int_equal(mn_node_entries(node->page), entries);
}

/* A branch of three children, of which two keys share `prefix` bytes and no more. */
static void model_begin(struct page_model *model, uint32_t size, size_t prefix, uint64_t *random)
{
    struct mn_cell cells[3];
    struct mn_view *view;

    *model = (struct page_model){.store = test_base_open(4096), .prefix = prefix, .count = 3};
    ok(mn_view_begin_read(model->store, &view));
    model->node = (struct mn_node){calloc(1, size), size, view};
    assert_non_null(model->node.page);
    model->node.page[22] = MN_PAGE_BRANCH;
    for (uint8_t i = 0; i < 3; i++) {
        entry_fill(&model->entries[i], prefix, random);
        model->entries[i].length = prefix + 1;
        model->entries[i].key[prefix] = (uint8_t)(i * 100);
        cells[i] = cell_of(&model->entries[i]);
    }
    assert_int_equal(mn_node_size_of(&model->node, cells, 3, false),
                     MN_PAGE_HEADER + prefix + 22 * 3);
    mn_node_build(&model->node, cells, 3);
}

static void model_end(struct page_model *model)
{
    mn_view_end(model->node.view);
    ok(mn_store_close(model->store));
    free(model->node.page);
}

static void model_remove(struct page_model *model, uint32_t at)
{
    mn_node_remove(&model->node, at);
    model->count--;
    memmove(&model->entries[at], &model->entries[at + 1],
            (model->count - at) * sizeof *model->entries);
}

static void model_step(struct page_model *model, uint64_t *random)
{
    struct entry entry;
    struct mn_cell cell;
    uint32_t at = 1;
    bool fits;

    entry_fill(&entry, model->prefix, random);
    if (forest_below(random, 40) == 0 && model->count > 2) {
        model_remove(model, 0);
        return;
    }
    while (at < model->count && forest_order(key_of(&model->entries[at]), key_of(&entry)) < 0) {
        at++;
    }
    if (at < model->count && forest_order(key_of(&model->entries[at]), key_of(&entry)) == 0) {
        if (model->count > 2) model_remove(model, at);
        return;
    }
    fits = MN_PAGE_HEADER + model->prefix + 22 * (size_t)(model->count + 1) <= model->node.size;
    if (fits && model->count == ENTRIES) return;
    cell = cell_of(&entry);
    assert_int_equal(mn_node_insert(&model->node, at, &cell), fits);
    if (!fits) {
        model_remove(model, forest_below(random, model->count));
        return;
    }
    memmove(&model->entries[at + 1], &model->entries[at],
            (model->count - at) * sizeof *model->entries);
    model->entries[at] = entry;
    model->count++;
}

static void a_page_follows_the_model(void **state)
{
    static const uint32_t sizes[] = {512, 4096, 65536};
    static const size_t prefixes[] = {0, 1, 6, 8};
    uint64_t random = test_seed();

    (void)state;
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        for (size_t p = 0; p < sizeof prefixes / sizeof *prefixes; p++) {
            struct page_model model;

            model_begin(&model, sizes[s], prefixes[p], &random);
            for (int step = 0; step < 2000; step++) {
                model_step(&model, &random);
                page_agrees(&model);
                searches_agree(&model, &random);
            }
            while (model.count > 0) {
                model_remove(&model, forest_below(&random, model.count));
                page_agrees(&model);
            }
            assert_int_equal(mn_page_flags(model.node.page), 0);
            model_end(&model);
        }
    }
}

/* What a page of 4 KiB holds of numbers, and one more. */
static void a_page_holds_184_children(void **state)
{
    uint64_t random = test_seed();
    struct page_model model;
    struct entry entry;
    uint32_t number = 40000;

    (void)state;
    model_begin(&model, 4096, 6, &random);
    for (;; model.count++, number++) {
        struct mn_cell cell;

        entry_fill(&entry, 6, &random);
        entry.length = 8;
        entry.key[6] = (uint8_t)(number >> 8 | 0xC8); /* above the three that are there */
        entry.key[7] = (uint8_t)number;
        if (entry.key[7] == 255) number += 256 - 1;
        cell = cell_of(&entry);
        if (!mn_node_insert(&model.node, model.count, &cell)) break;
    }
    assert_int_equal(model.count, 184);
    assert_int_equal(mn_node_validate(model.node.page, 4096, MN_PAGE_BRANCH), MN_OK);
    model_end(&model);
}

static void other_cells_are_refused(void **state)
{
    uint64_t random = test_seed();
    struct page_model model;
    struct entry entry;
    uint8_t tail[MN_TAIL_BYTES] = {0};

    (void)state;
    model_begin(&model, 512, 6, &random);
    entry_fill(&entry, 6, &random);
    entry.key[6] = 250;
    for (size_t length = 5; length <= KEY_BYTES; length++) {
        struct mn_cell cell = cell_of(&entry);
        bool takes = length == 9;

        if (length >= 6 && length < 9) continue;
        cell.suffix.len = length;
        assert_int_equal(mn_node_insert(&model.node, 3, &cell), takes);
    }
    entry.key[6] = 251;
    entry.length = 7;
    for (int i = 0; i < 2; i++) {
        struct mn_cell cell = cell_of(&entry);

        if (i == 0) cell.tail = tail;
        entry.key[5] ^= (uint8_t)i; /* another prefix */
        cell.suffix = mn_bytes_of(entry.key, entry.length);
        assert_false(mn_node_insert(&model.node, 4, &cell));
    }
    model_end(&model);
}

/* ---- hostile bytes ---- */

static void page_use(const struct mn_node *node, uint64_t *random)
{
    uint32_t count = mn_node_count(node->page), index;
    struct mn_node mine = {malloc(node->size), node->size, node->view};
    uint8_t key[512];
    bool exact;

    assert_non_null(mine.page);
    for (uint32_t i = 0; i < count; i++) {
        struct mn_cell cell = mn_node_cell(node, i);
        size_t length = mn_cell_key_len(&cell);

        assert_true(length <= mn_node_inline_max(node->size));
        assert_int_equal(mn_cell_key_copy(node, &cell, key), MN_OK);
        assert_int_equal(mn_node_search(node, mn_bytes_of(key, length), &index, &exact), MN_OK);
        assert_int_equal(index, i == 0 && count > 1 && index == 1 ? 1 : i);
    }
    memcpy(mine.page, node->page, node->size);
    while (mn_node_count(mine.page) > 1) {
        mn_node_remove(&mine, forest_below(random, mn_node_count(mine.page)));
        assert_int_equal(mn_node_validate(mine.page, mine.size, MN_PAGE_BRANCH), MN_OK);
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
    node.view = model.node.view;
    for (uint32_t round = 0; round < rounds; round++) {
        uint32_t changes = 1 + forest_below(&random, 3);

        memcpy(node.page, model.node.page, 512);
        for (uint32_t i = 0; i < changes; i++) {
            uint32_t heads = MN_PAGE_HEADER + 4 * model.count;
            uint32_t at = 23 + forest_below(&random, (forest_below(&random, 3) ? heads : 512) - 23);

            node.page[at] ^= (uint8_t)(1u << forest_below(&random, 8));
        }
        if (mn_node_validate(node.page, 512, MN_PAGE_BRANCH) != MN_OK) continue;
        if (!mn_node_is_short(node.page)) continue;
        taken++;
        page_use(&node, &random);
    }
    assert_true(taken > 0 && taken < rounds);
    free(node.page);
    model_end(&model);
}

static void each_broken_rule_is_named(void **state)
{
    static const struct {
        uint32_t at;
        uint8_t flip;
        const char *what;
    } faults[] = {
        {22, 3, "another kind of page"},
        {23, 1, "unknown flags"},
        {24, 0xFF, "more than a page of entries"},
        {24, 3, "no entries"},
        {26, 1, "a heap of more than the prefix"},
        {28, 1, "a heap of more than the prefix"},
        {30, 1, "a heap of more than the prefix"},
        {32, 1, "a first key in a branch"},
        {35, 1, "a first key in a branch"},
        {36, 0x80, "keys that do not ascend"},
        {37, 1, "bytes behind a key"},
        {39, 4, "a key too long"},
    };
    uint64_t random = test_seed();
    struct page_model model;

    (void)state;
    model_begin(&model, 512, 6, &random);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        uint8_t *page = model.node.page;

        page[faults[i].at] ^= faults[i].flip;
        assert_int_equal(mn_node_validate(page, 512, MN_PAGE_BRANCH), MN_CORRUPT);
        if (!strstr(mn_error_last()->message, faults[i].what)) {
            print_error("fault %zu: %s\n", i, mn_error_last()->message);
            fail();
        }
        page[faults[i].at] ^= faults[i].flip;
    }
    memset(model.node.page + MN_PAGE_HEADER + 12, 0, 6); /* the first child */
    assert_int_equal(mn_node_validate(model.node.page, 512, MN_PAGE_BRANCH), MN_CORRUPT);
    assert_non_null(strstr(mn_error_last()->message, "a child that is no page"));
    model_end(&model);
}

/* ---- trees ---- */

/* Three families: numbers, words that differ early, and long keys that differ late. */
static struct mn_bytes key_make(uint64_t *random)
{
    uint32_t family = forest_below(random, 3);
    size_t length = family == 0 ? 8 : family == 1 ? 1 + forest_below(random, 6) : 70;
    uint8_t *key = calloc(1, 80);

    assert_non_null(key);
    mn_put_u64_be(key, forest_below(random, 2000));
    if (family == 1) {
        for (size_t i = 0; i < length; i++) key[i] = (uint8_t)(97 + forest_below(random, 9));
    } else if (family == 2) {
        memset(key, 'z', length);
        for (size_t i = 60; i < length; i++) key[i] = (uint8_t)forest_random(random);
        if (forest_below(random, 3) == 0) key[forest_below(random, 60)] = 'y';
    }
    return mn_bytes_of(key, length);
}

static void tree_walk(uint32_t page_size, bool may_be_short)
{
    uint64_t random = test_seed() + page_size;
    struct forest_keys keys = mixture_keys(KEYS, key_make, &random);
    struct mn_store *store =
        may_be_short ? test_base_open(page_size) : test_base_open_long(page_size);
    struct mixture_pages pages = mixture_walk(store, &keys, &random);

    if (page_size <= 4096) assert_true(pages.branches[may_be_short] > 0);
    if (page_size <= 1024) assert_true(pages.branches[0] > 0); /* the long keys' */
    if (!may_be_short) assert_int_equal(pages.branches[1], 0);
    forest_keys_free(&keys);
    ok(mn_store_close(store));
}

static void trees_mix_both_kinds_of_branches(void **state)
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
        cmocka_unit_test(a_page_holds_184_children),
        cmocka_unit_test(other_cells_are_refused),
        cmocka_unit_test(hostile_bytes_are_refused_or_harmless),
        cmocka_unit_test(each_broken_rule_is_named),
        cmocka_unit_test(trees_mix_both_kinds_of_branches),
        cmocka_unit_test(older_files_stay_as_they_are),
    };

    return cmocka_run_group_tests_name("short branches", tests, NULL, NULL);
}
