/*
 * mixture: walks of a tree whose keys are of several kinds.
 */
#include "support/mixture.h"

#include <stdlib.h>
#include <string.h>

#include "btree/inside.h"
#include "support/status.h"
#include "support/test.h"

enum { TRANSACTIONS = 60, CHANGES = 60, SHORT_VALUE = 150 };

struct forest_keys mixture_keys(uint32_t count, struct mn_bytes (*make)(uint64_t *random),
                                uint64_t *random)
{
    struct forest_keys keys = {calloc(count, sizeof(struct mn_bytes)), 0};

    assert_non_null(keys.sorted);
    while (keys.count < count) {
        struct mn_bytes key = make(random);
        uint32_t at = 0;

        while (at < keys.count && forest_order(keys.sorted[at], key) < 0) at++;
        if (at < keys.count && forest_order(keys.sorted[at], key) == 0) {
            free((void *)(uintptr_t)key.data);
            continue;
        }
        memmove(&keys.sorted[at + 1], &keys.sorted[at], (keys.count - at) * sizeof *keys.sorted);
        keys.sorted[at] = key;
        keys.count++;
    }
    return keys;
}

static void pages_count(struct mn_view *view, struct mn_ref ref, uint32_t height,
                        struct mixture_pages *pages)
{
    const uint8_t *page;

    ok(mn_page_read(view, ref, height == 1 ? MN_PAGE_LEAF : MN_PAGE_BRANCH, &page));
    if (height == 1) {
        pages->leaves[mn_node_is_dense(page)]++;
        return;
    }
    pages->branches[mn_node_is_short(page)]++;
    for (uint32_t i = 0; i < mn_node_count(page); i++) {
        pages_count(view, mn_node_child(page, i), height - 1, pages);
    }
}

struct mixture_pages mixture_walk(struct mn_store *store, const struct forest_keys *keys,
                                  uint64_t *random)
{
    struct mixture_pages pages = {{0, 0}, {0, 0}};
    struct forest_tree model;
    struct mn_view *view;
    uint64_t number;

    ok(mn_write_begin(store, 0, &view));
    ok(mn_tree_create(view, &number));
    forest_tree_init(&model, keys, number);
    ok(mn_write_commit(view, NULL));
    for (int turn = 0; turn < TRANSACTIONS; turn++) {
        struct mn_root root;

        ok(mn_write_begin(store, 0, &view));
        for (int i = 0; i < CHANGES; i++) {
            ok(forest_change(view, &model, keys, random,
                             turn % 3 ? SHORT_VALUE : mn_view_page_size(view)));
        }
        ok(mn_write_commit(view, NULL));
        ok(mn_view_begin_read(store, &view));
        assert_true(forest_equals(view, &model, keys));
        ok(mn_root_get(view, number, &root));
        if (root.height > 0) pages_count(view, root.ref, root.height, &pages);
        mn_view_end(view);
    }
    assert_int_equal(forest_check(store, true), 0);
    forest_tree_free(&model);
    return pages;
}
