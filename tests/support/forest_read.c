/*
 * forest_read: what trees say, against what their models say.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/forest.h"

bool forest_quiet;

static bool differs(const char *what, uint32_t at)
{
    if (forest_quiet) return false;
    printf("forest: %s differs at key %u: %s\n", what, at, mn_error_last()->message);
    return false;
}

static bool bytes_are(struct mn_bytes bytes, uint32_t seed, uint32_t len)
{
    uint8_t *expected = forest_bytes(seed, len);
    bool equal = bytes.len == len && (len == 0 || memcmp(bytes.data, expected, len) == 0);

    free(expected);
    return equal;
}

static bool item_is(const struct mn_item *item, const struct forest_keys *keys, uint32_t at,
                    const struct forest_value *value)
{
    struct mn_bytes key = keys->sorted[at];

    if (item->key.len != key.len || memcmp(item->key.data, key.data, key.len) != 0) return false;
    if (!bytes_are(item->value, value->seed, value->len)) return false;
    if (value->run_len == 0) return item->run.len == 0;
    return bytes_are(item->run, value->seed + 1, value->run_len) &&
           ((uintptr_t)item->run.data & 63) == 0;
}

static bool walk_equals(struct mn_cursor *cursor, const struct forest_tree *tree,
                        const struct forest_keys *keys, bool forward)
{
    bool found = false;
    enum mn_status status =
        forward ? mn_cursor_first(cursor, &found) : mn_cursor_last(cursor, &found);

    for (uint32_t i = 0; i < keys->count; i++) {
        uint32_t at = forward ? i : keys->count - 1 - i;
        struct mn_item item;

        if (tree->values[at].seed == 0) continue;
        if (status != MN_OK || !found) return differs("a walk's end", at);
        if (mn_cursor_item(cursor, &item) != MN_OK) return differs("an item's status", at);
        if (!item_is(&item, keys, at, &tree->values[at])) return differs("an item", at);
        status = forward ? mn_cursor_next(cursor, &found) : mn_cursor_prev(cursor, &found);
    }
    if (status != MN_OK || found) return differs("a walk's end", keys->count);
    return true;
}

bool forest_equals(struct mn_view *view, const struct forest_tree *tree,
                   const struct forest_keys *keys)
{
    struct mn_cursor *cursor;
    uint64_t count = 0;
    bool equal;

    if (mn_tree_count(view, tree->tree, &count) != MN_OK || count != tree->count) {
        return differs("the count", (uint32_t)count);
    }
    if (mn_cursor_open(view, tree->tree, &cursor) != MN_OK) return differs("a cursor", 0);
    equal = walk_equals(cursor, tree, keys, true) && walk_equals(cursor, tree, keys, false);
    mn_cursor_close(cursor);
    return equal;
}

/* The place of the entry that a seek should find; count: none. */
static uint32_t seek_expected(const struct forest_tree *tree, const struct forest_keys *keys,
                              uint32_t at, enum mn_seek how)
{
    bool up = how == MN_SEEK_GE || how == MN_SEEK_GT;
    uint32_t i = at;

    if (tree->values[at].seed && (how == MN_SEEK_GE || how == MN_SEEK_LE)) return at;
    while (up ? ++i < keys->count : i-- > 0) {
        if (tree->values[i].seed) return i;
    }
    return keys->count;
}

static bool seek_probe(struct mn_cursor *cursor, const struct forest_tree *tree,
                       const struct forest_keys *keys, uint32_t at)
{
    static const enum mn_seek all[] = {MN_SEEK_GE, MN_SEEK_GT, MN_SEEK_LE, MN_SEEK_LT};

    for (int i = 0; i < 4; i++) {
        uint32_t expected = seek_expected(tree, keys, at, all[i]);
        struct mn_item item;
        bool found = false;

        if (mn_cursor_seek(cursor, keys->sorted[at], all[i], &found) != MN_OK) {
            return differs("a seek's status", at);
        }
        if (found != (expected < keys->count)) return differs("a seek", at);
        if (!found) continue;
        if (mn_cursor_item(cursor, &item) != MN_OK) return differs("an item's status", at);
        if (!item_is(&item, keys, expected, &tree->values[expected])) {
            return differs("what a seek found", at);
        }
    }
    return true;
}

static bool rank_probe(struct mn_view *view, struct mn_cursor *cursor,
                       const struct forest_tree *tree, const struct forest_keys *keys, uint32_t at)
{
    uint64_t below = 0, expected = 0;
    struct mn_item item;
    bool found = false;

    for (uint32_t i = 0; i < at; i++) expected += tree->values[i].seed != 0;
    if (mn_tree_rank(view, tree->tree, keys->sorted[at], &below) != MN_OK || below != expected) {
        return differs("a rank", at);
    }
    if (mn_cursor_nth(cursor, expected, &found) != MN_OK) return differs("nth's status", at);
    if (found != (expected < tree->count)) return differs("nth", at);
    if (!tree->values[at].seed) return true;
    if (mn_cursor_item(cursor, &item) != MN_OK) return differs("an item's status", at);
    return item_is(&item, keys, at, &tree->values[at]) || differs("what nth found", at);
}

static bool get_probe(struct mn_view *view, const struct forest_tree *tree,
                      const struct forest_keys *keys, uint32_t at)
{
    const struct forest_value *value = &tree->values[at];
    struct mn_bytes bytes;
    bool found = false;

    if (mn_tree_get(view, tree->tree, keys->sorted[at], &bytes, &found) != MN_OK) {
        return differs("a get's status", at);
    }
    if (found != (value->seed != 0)) return differs("whether a get finds it", at);
    if (!found || bytes_are(bytes, value->seed, value->len)) return true;
    return differs("a get's value", at);
}

bool forest_probe(struct mn_view *view, const struct forest_tree *tree,
                  const struct forest_keys *keys, uint64_t *random)
{
    struct mn_cursor *cursor;
    bool equal = true;

    if (mn_cursor_open(view, tree->tree, &cursor) != MN_OK) return differs("a cursor", 0);
    for (int i = 0; equal && i < 4; i++) {
        uint32_t at = forest_below(random, keys->count);

        equal = get_probe(view, tree, keys, at) && seek_probe(cursor, tree, keys, at) &&
                rank_probe(view, cursor, tree, keys, at);
    }
    mn_cursor_close(cursor);
    return equal;
}

static void fault_print(void *context, uint64_t page, const char *message)
{
    if (*(bool *)context) printf("check: page %llu: %s\n", (unsigned long long)page, message);
}

/* Counts what the trees report beside what the store counts itself. */
struct faults {
    bool print;
    uint64_t count;
};

static void fault_count(void *context, uint64_t page, const char *message)
{
    struct faults *faults = context;

    faults->count++;
    fault_print(&faults->print, page, message);
}

uint64_t forest_check(struct mn_store *store, bool print)
{
    struct faults faults = {print, 0};
    struct mn_store_check *check;
    struct mn_view *view;
    uint64_t more = 0;
    enum mn_status status;

    if (mn_view_begin_read(store, &view) != MN_OK) return 1;
    status = mn_store_check_begin(view, fault_print, &print, &check);
    if (status == MN_OK) {
        status = mn_tree_check_all(view, check, fault_count, &faults);
        if (mn_store_check_end(check, &more) != MN_OK || status != MN_OK) faults.count++;
    } else {
        faults.count++;
    }
    mn_view_end(view);
    return faults.count + more;
}
