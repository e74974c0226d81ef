/*
 * value: where the bytes of an entry go: into its cell, or into runs of whole pages.
 */
#include "btree/inside.h"

#include <string.h>

enum mn_status mn_key_check(struct mn_bytes key)
{
    if (key.len <= MN_TREE_KEY_BYTES_MAX) return MN_OK;
    return mn_fail(MN_TOOBIG, "a key of %zu bytes; the longest is %d", key.len,
                   MN_TREE_KEY_BYTES_MAX);
}

static enum mn_status run_store(struct mn_view *view, struct mn_bytes bytes, struct mn_run *run)
{
    uint8_t *into;
    enum mn_status status = mn_run_new(view, bytes.len, run, &into);

    if (status == MN_OK) memcpy(into, bytes.data, bytes.len);
    return status;
}

enum mn_status mn_entry_key(struct mn_entry *entry, struct mn_view *view, struct mn_bytes key)
{
    uint32_t inline_max = mn_node_inline_max(mn_view_page_size(view));
    struct mn_run run;
    enum mn_status status;

    entry->cell.prefix = mn_bytes_of(NULL, 0);
    entry->cell.suffix = key;
    entry->cell.tail = NULL;
    if (key.len <= inline_max) return MN_OK;
    status = run_store(view, mn_bytes_of(key.data + inline_max, key.len - inline_max), &run);
    if (status != MN_OK) return status;
    mn_put_u32(entry->tail, (uint32_t)key.len);
    mn_run_pack(entry->tail + 4, &run);
    entry->cell.suffix.len = inline_max;
    entry->cell.tail = entry->tail;
    return MN_OK;
}

void mn_entry_value(struct mn_entry *entry, struct mn_bytes value, const struct mn_run *run)
{
    if (value.len) memcpy(entry->payload, value.data, value.len);
    if (run) mn_run_pack(entry->run, run);
    entry->cell.value = mn_bytes_of(entry->payload, value.len);
    entry->cell.run = run ? entry->run : NULL;
}

enum mn_status mn_entry_store(struct mn_entry *entry, struct mn_view *view, struct mn_bytes value)
{
    struct mn_run run;
    enum mn_status status;

    if (value.len <= mn_node_inline_max(mn_view_page_size(view))) {
        mn_entry_value(entry, value, NULL);
        return MN_OK;
    }
    status = run_store(view, value, &run);
    if (status == MN_OK) mn_entry_value(entry, mn_bytes_of(NULL, 0), &run);
    return status;
}

enum mn_status mn_cell_read(struct mn_view *view, const struct mn_cell *cell,
                            struct mn_bytes *value, struct mn_bytes *run)
{
    struct mn_run where;
    enum mn_status status = MN_OK;

    *value = mn_cell_value(cell, &where);
    *run = mn_bytes_of(NULL, 0);
    if (where.page == 0) return MN_OK;
    status = mn_run_read(view, &where, &run->data);
    run->len = status == MN_OK ? where.size_bytes : 0;
    return status;
}
