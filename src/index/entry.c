/*
 * entry: keys of rows in indexes.
 */
#include "index/entry.h"

#include "catalog/key.h"

enum { MESSAGE_VALUE_BYTES = 60 };

enum mn_status mn_index_entry_key(const struct mn_index *index, const struct mn_index_entry *entry,
                                  struct mn_buf *key, bool *has_id)
{
    uint8_t id[MN_ROW_ID_BYTES];

    key->len = 0;
    *has_id = !index->unique;
    for (uint32_t i = 0; i < index->column_count; i++) {
        const struct mn_value *value = &entry->values[index->columns[i].column];
        enum mn_status status = mn_key_append(key, value, index->columns[i].order);

        if (status == MN_OK && key->len > MN_KEY_BYTES_MAX - MN_ROW_ID_BYTES) status = MN_TOOBIG;
        if (status == MN_TOOBIG) {
            return mn_fail(MN_TOOBIG, "a key of index %s is over %d bytes", index->name,
                           MN_KEY_BYTES_MAX - MN_ROW_ID_BYTES);
        }
        if (status != MN_OK) return status;
        if (mn_is_null(value)) *has_id = true;
    }
    if (!*has_id) return MN_OK;
    mn_row_id_put(id, entry->row_id);
    return mn_buf_append(key, id, sizeof id);
}

enum mn_status mn_message_value(struct mn_buf *out, const struct mn_value *value)
{
    size_t begin = out->len, end;
    enum mn_status status =
        mn_is_null(value) ? mn_buf_text(out, "NULL") : mn_value_format(value, out);

    if (status != MN_OK || out->len - begin <= MESSAGE_VALUE_BYTES) return status;
    end = begin + MESSAGE_VALUE_BYTES;
    while (end > begin && (out->data[end] & 0xc0) == 0x80) end--;
    out->len = end;
    return mn_buf_text(out, "...");
}

enum mn_status mn_index_entry_duplicate(const struct mn_index *index, const struct mn_value *values)
{
    bool several = index->column_count > 1;
    struct mn_buf text = {0};
    enum mn_status status = mn_buf_text(&text, several ? "(" : "");

    for (uint32_t i = 0; status == MN_OK && i < index->column_count; i++) {
        status = mn_buf_printf(&text, "%s%s", i ? ", " : "",
                               index->table->columns[index->columns[i].column].name);
    }
    if (status == MN_OK) status = mn_buf_text(&text, several ? ") = (" : " = ");
    for (uint32_t i = 0; status == MN_OK && i < index->column_count; i++) {
        if (i > 0) status = mn_buf_text(&text, ", ");
        if (status == MN_OK) {
            status = mn_message_value(&text, &values[index->columns[i].column]);
        }
    }
    if (status == MN_OK) {
        status = mn_fail(MN_CONSTRAINT, "%s has %.*s%s already", index->table->name, (int)text.len,
                         (const char *)text.data, several ? ")" : "");
        mn_hint(index->primary ? "the PRIMARY KEY is unique" : "index %s is unique", index->name);
    }
    mn_buf_release(&text);
    return status;
}

enum mn_status mn_index_entry_put(struct mn_view *view, const struct mn_index *index,
                                  const struct mn_index_entry *entry, struct mn_buf *key)
{
    uint8_t id[MN_ROW_ID_BYTES];
    struct mn_bytes value = mn_bytes_of("", 0);
    bool has_id;
    enum mn_status status = mn_index_entry_key(index, entry, key, &has_id);

    if (status != MN_OK) return status;
    if (index->unique) {
        mn_row_id_put(id, entry->row_id);
        value = mn_bytes_of(id, sizeof id);
    }
    status = mn_tree_put(view, index->tree, mn_bytes_of(key->data, key->len), value, MN_PUT_INSERT);
    if (status == MN_EXISTS) {
        if (has_id) {
            return mn_fail(MN_CORRUPT, "index %s has an entry for a new row", index->name);
        }
        return mn_index_entry_duplicate(index, entry->values);
    }
    return status;
}

enum mn_status mn_index_entry_delete(struct mn_view *view, const struct mn_index *index,
                                     const struct mn_index_entry *entry, struct mn_buf *key)
{
    bool has_id, found;
    enum mn_status status = mn_index_entry_key(index, entry, key, &has_id);

    if (status != MN_OK) return status;
    status = mn_tree_delete(view, index->tree, mn_bytes_of(key->data, key->len), &found);
    if (status == MN_OK && !found) {
        return mn_fail(MN_CORRUPT, "index %s has no entry for row %lld of %s", index->name,
                       (long long)entry->row_id, index->table->name);
    }
    return status;
}

enum mn_status mn_index_entry_row(const struct mn_index *index, const struct mn_item *item,
                                  int64_t *row_id)
{
    if (index->unique ? item->value.len != MN_ROW_ID_BYTES : item->key.len < MN_ROW_ID_BYTES) {
        return mn_fail(MN_CORRUPT, "an entry of index %s is damaged", index->name);
    }
    *row_id = mn_row_id_get(index->unique ? item->value.data
                                          : item->key.data + item->key.len - MN_ROW_ID_BYTES);
    return MN_OK;
}
