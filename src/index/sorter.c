/*
 * sorter: sorting entries by key, and bringing them into a tree.
 */
#include "index/sorter.h"

#include <stdlib.h>
#include <string.h>

/* The key's first eight bytes decide most comparisons without a look at the key. */
struct sorter_entry {
    uint64_t head;
    uint64_t row;
    const uint8_t *at; /* the key, its value behind it; an offset until the bytes stand still */
    uint32_t key_bytes, value_bytes, unique_bytes;
};

void mn_sorter_release(struct mn_sorter *sorter)
{
    mn_buf_release(&sorter->entries);
    mn_buf_release(&sorter->bytes);
}

size_t mn_sorter_bytes(const struct mn_sorter *sorter)
{
    return sorter->entries.len + sorter->bytes.len;
}

static uint64_t key_head(struct mn_bytes key)
{
    uint64_t head = 0;

    for (size_t i = 0; i < 8; i++) head = head << 8 | (i < key.len ? key.data[i] : 0);
    return head;
}

enum mn_status mn_sorter_add(struct mn_sorter *sorter, const struct mn_sorted *entry)
{
    struct sorter_entry made = {.head = key_head(entry->key),
                                .row = entry->row,
                                .at = (const uint8_t *)(uintptr_t)sorter->bytes.len,
                                .key_bytes = (uint32_t)entry->key.len,
                                .value_bytes = (uint32_t)entry->value.len,
                                .unique_bytes = entry->unique_bytes};
    enum mn_status status = mn_buf_append(&sorter->bytes, entry->key.data, entry->key.len);

    if (status == MN_OK) {
        status = mn_buf_append(&sorter->bytes, entry->value.data, entry->value.len);
    }
    return status == MN_OK ? mn_buf_append(&sorter->entries, &made, sizeof made) : status;
}

static int entry_order(const void *a, const void *b)
{
    const struct sorter_entry *x = a, *y = b;
    uint32_t least = x->key_bytes < y->key_bytes ? x->key_bytes : y->key_bytes;
    int order;

    if (x->head != y->head) return x->head < y->head ? -1 : 1;
    order = memcmp(x->at, y->at, least);
    if (order == 0) order = (x->key_bytes > y->key_bytes) - (x->key_bytes < y->key_bytes);
    return order ? order : (x->row > y->row) - (x->row < y->row);
}

static struct sorter_entry *entries_sort(struct mn_sorter *sorter, size_t *count)
{
    struct sorter_entry *entries = (struct sorter_entry *)(void *)sorter->entries.data;
    bool sorted = true;

    *count = sorter->entries.len / sizeof *entries;
    for (size_t i = 0; i < *count; i++) {
        entries[i].at = sorter->bytes.data + (uintptr_t)entries[i].at;
        if (i > 0 && sorted) sorted = entry_order(&entries[i - 1], &entries[i]) < 0;
    }
    if (!sorted) qsort(entries, *count, sizeof *entries, entry_order);
    return entries;
}

static struct mn_bytes entry_key(const struct sorter_entry *entry)
{
    return mn_bytes_of(entry->at, entry->key_bytes);
}

static struct mn_bytes entry_value(const struct sorter_entry *entry)
{
    return mn_bytes_of(entry->at + entry->key_bytes, entry->value_bytes);
}

/* Two neighbours that may not both be. */
static bool entries_clash(const struct sorter_entry *a, const struct sorter_entry *b)
{
    uint32_t bytes = a->unique_bytes;

    if (a->key_bytes == b->key_bytes && a->head == b->head &&
        memcmp(a->at, b->at, a->key_bytes) == 0) {
        return true;
    }
    return bytes > 0 && bytes == b->unique_bytes && bytes <= b->key_bytes &&
           memcmp(a->at, b->at, bytes) == 0;
}

static enum mn_status clash_report(const struct sorter_entry *entry, struct mn_clash *clash)
{
    *clash = (struct mn_clash){entry_key(entry), entry->row};
    return MN_EXISTS;
}

/* True where the tree holds nothing at or above the first key. */
static enum mn_status tree_is_below(struct mn_view *view, uint64_t tree, struct mn_bytes first,
                                    bool *below)
{
    struct mn_cursor *cursor;
    bool found = false;
    enum mn_status status = mn_cursor_open(view, tree, &cursor);

    if (status != MN_OK) return status;
    status = mn_cursor_seek(cursor, first, MN_SEEK_GE, &found);
    mn_cursor_close(cursor);
    *below = !found;
    return status;
}

/* Finds out whether the tree has a key with the entry's unique bytes, beside the one just below
 * that a seek cannot see. */
static enum mn_status tree_clashes(struct mn_cursor *cursor, const struct sorter_entry *entry,
                                   bool *clashes)
{
    struct mn_item item;
    enum mn_status status;

    status =
        mn_cursor_seek(cursor, mn_bytes_of(entry->at, entry->unique_bytes), MN_SEEK_GE, clashes);
    if (status != MN_OK || !*clashes) return status;
    status = mn_cursor_item(cursor, &item);
    if (status == MN_OK) {
        *clashes = item.key.len >= entry->unique_bytes &&
                   memcmp(item.key.data, entry->at, entry->unique_bytes) == 0;
    }
    return status;
}

static enum mn_status entries_append(const struct sorter_entry *entries, size_t count,
                                     struct mn_view *view, uint64_t tree)
{
    struct mn_bulk *bulk;
    enum mn_status status = mn_bulk_begin(view, tree, &bulk), ended;

    if (status != MN_OK) return status;
    for (size_t i = 0; status == MN_OK && i < count; i++) {
        status = mn_bulk_add(bulk, entry_key(&entries[i]), entry_value(&entries[i]));
    }
    ended = mn_bulk_end(bulk);
    return status == MN_OK ? ended : status;
}

static enum mn_status entries_merge(const struct sorter_entry *entries, size_t count,
                                    struct mn_view *view, struct mn_sorter *sorter,
                                    struct mn_clash *clash)
{
    struct mn_cursor *cursor;
    enum mn_status status = mn_cursor_open(view, sorter->tree, &cursor);

    for (size_t i = 0; status == MN_OK && i < count; i++) {
        const struct sorter_entry *entry = &entries[i];
        bool clashes = false;

        if (entry->unique_bytes > 0 && entry->unique_bytes < entry->key_bytes) {
            status = tree_clashes(cursor, entry, &clashes);
        }
        if (status == MN_OK && !clashes) {
            status = mn_tree_put(view, sorter->tree, entry_key(entry), entry_value(entry),
                                 MN_PUT_INSERT);
        }
        if (clashes || status == MN_EXISTS) status = clash_report(entry, clash);
    }
    mn_cursor_close(cursor);
    return status;
}

enum mn_status mn_sorter_flush(struct mn_sorter *sorter, struct mn_view *view,
                               struct mn_clash *clash)
{
    size_t count;
    struct sorter_entry *entries;
    bool below;
    enum mn_status status;

    if (sorter->entries.len == 0) return MN_OK;
    entries = entries_sort(sorter, &count);
    for (size_t i = 1; i < count; i++) {
        if (entries_clash(&entries[i - 1], &entries[i])) {
            return clash_report(&entries[i], clash);
        }
    }
    status = tree_is_below(view, sorter->tree, entry_key(&entries[0]), &below);
    if (status == MN_OK && below && entries[0].unique_bytes > 0 &&
        entries[0].unique_bytes < entries[0].key_bytes) {
        status = tree_is_below(view, sorter->tree,
                               mn_bytes_of(entries[0].at, entries[0].unique_bytes), &below);
    }
    if (status != MN_OK) return status;
    status = below ? entries_append(entries, count, view, sorter->tree)
                   : entries_merge(entries, count, view, sorter, clash);
    if (status == MN_OK) sorter->entries.len = sorter->bytes.len = 0;
    return status;
}
