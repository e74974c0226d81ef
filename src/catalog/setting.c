/*
 * setting: named values of the file, and the row ids that a table has used up.
 */
#include "base/bytes.h"
#include "btree/tree.h"
#include "catalog/schema_code.h"

static enum mn_status setting_key(const char *name, uint8_t key[MN_NAME_BYTES_MAX + 1],
                                  struct mn_bytes *bytes)
{
    size_t length = strlen(name);

    if (length < 1 || length > MN_NAME_BYTES_MAX) {
        return mn_fail(MN_TOOBIG, "the name of a setting has 1 to %d bytes", MN_NAME_BYTES_MAX);
    }
    key[0] = MN_CATALOGUE_SETTING;
    memcpy(key + 1, name, length);
    *bytes = mn_bytes_of(key, length + 1);
    return MN_OK;
}

enum mn_status mn_setting_get(struct mn_view *view, const char *name, struct mn_arena *arena,
                              struct mn_value *value)
{
    uint8_t key[MN_NAME_BYTES_MAX + 1];
    struct mn_bytes bytes, stored;
    bool found;
    enum mn_status status = setting_key(name, key, &bytes);

    *value = mn_null();
    if (status == MN_OK) status = mn_tree_get(view, MN_TREE_CATALOGUE, bytes, &stored, &found);
    if (status != MN_OK || !found) return status;
    return mn_scalar_decode(stored.data, stored.len, arena, value);
}

enum mn_status mn_setting_put(struct mn_view *view, const char *name, const struct mn_value *value)
{
    uint8_t key[MN_NAME_BYTES_MAX + 1];
    struct mn_bytes bytes;
    struct mn_buf stored = {0};
    enum mn_status status = setting_key(name, key, &bytes);

    if (status == MN_OK) status = mn_scalar_encode(value, &stored);
    if (status == MN_OK) {
        status = mn_tree_put(view, MN_TREE_CATALOGUE, bytes, mn_bytes_of(stored.data, stored.len),
                             MN_PUT_UPSERT);
    }
    mn_buf_release(&stored);
    return status;
}

enum mn_status mn_table_row_floor(struct mn_view *view, const struct mn_table *table,
                                  int64_t *floor)
{
    uint8_t key[MN_CATALOGUE_ID_KEY_BYTES];
    struct mn_bytes stored;
    bool found;
    enum mn_status status;

    *floor = 1;
    mn_catalogue_id_key(MN_CATALOGUE_FLOOR, table->id, key);
    status = mn_tree_get(view, MN_TREE_CATALOGUE, mn_bytes_of(key, sizeof key), &stored, &found);
    if (status != MN_OK || !found) return status;
    if (stored.len != 8) {
        return mn_fail(MN_CORRUPT, "the row ids of %s in the catalogue are damaged", table->name);
    }
    *floor = (int64_t)mn_get_u64(stored.data);
    return MN_OK;
}

enum mn_status mn_table_row_floor_put(struct mn_view *view, const struct mn_table *table,
                                      int64_t floor)
{
    uint8_t key[MN_CATALOGUE_ID_KEY_BYTES], bytes[8];

    mn_catalogue_id_key(MN_CATALOGUE_FLOOR, table->id, key);
    mn_put_u64(bytes, (uint64_t)floor);
    return mn_tree_put(view, MN_TREE_CATALOGUE, mn_bytes_of(key, sizeof key),
                       mn_bytes_of(bytes, sizeof bytes), MN_PUT_UPSERT);
}
