/*
 * column: the values of the row that is ready.
 */
#include <math.h>
#include <string.h>

#include "api/inside.h"
#include "base/alloc.h"
#include "catalog/json.h"

static const struct mn_value *value_of(mn_stmt *stmt, int column)
{
    static const struct mn_value null;

    if (!stmt || !stmt->row || column < 0 || (uint32_t)column >= stmt->column_count) return &null;
    return &stmt->row[column];
}

int mn_col_count(mn_stmt *stmt)
{
    return stmt ? (int)stmt->column_count : 0;
}

const char *mn_col_name(mn_stmt *stmt, int column)
{
    if (!stmt || column < 0 || (uint32_t)column >= stmt->column_count) return NULL;
    return stmt->names[column];
}

int mn_col_type(mn_stmt *stmt, int column)
{
    if (!stmt || column < 0 || (uint32_t)column >= stmt->column_count) return MN_TYPE_NULL;
    return stmt->row ? value_of(stmt, column)->type : stmt->kinds[column].type;
}

int mn_col_is_null(mn_stmt *stmt, int column)
{
    return mn_is_null(value_of(stmt, column));
}

int mn_col_bool(mn_stmt *stmt, int column)
{
    const struct mn_value *value = value_of(stmt, column);

    if (value->type == MN_TYPE_INT) return value->i != 0;
    return value->type == MN_TYPE_BOOL && value->b;
}

int64_t mn_col_int(mn_stmt *stmt, int column)
{
    const struct mn_value *value = value_of(stmt, column);

    switch ((enum mn_type)value->type) {
    case MN_TYPE_BOOL: return value->b;
    case MN_TYPE_INT:
    case MN_TYPE_TIMESTAMP:
    case MN_TYPE_DURATION: return value->i;
    case MN_TYPE_FLOAT: return value->f >= -0x1p63 && value->f < 0x1p63 ? (int64_t)value->f : 0;
    case MN_TYPE_NULL:
    case MN_TYPE_TEXT:
    case MN_TYPE_BLOB:
    case MN_TYPE_UUID:
    case MN_TYPE_VECTOR:
    case MN_TYPE_JSON:
    case MN_TYPE_LIST: break;
    }
    return 0;
}

double mn_col_float(mn_stmt *stmt, int column)
{
    const struct mn_value *value = value_of(stmt, column);

    return value->type == MN_TYPE_FLOAT ? value->f : (double)mn_col_int(stmt, column);
}

int64_t mn_col_time(mn_stmt *stmt, int column)
{
    const struct mn_value *value = value_of(stmt, column);

    return value->type == MN_TYPE_TIMESTAMP ? value->i : 0;
}

int64_t mn_col_duration(mn_stmt *stmt, int column)
{
    const struct mn_value *value = value_of(stmt, column);

    return value->type == MN_TYPE_DURATION ? value->i : 0;
}

const uint8_t *mn_col_uuid(mn_stmt *stmt, int column)
{
    const struct mn_value *value = value_of(stmt, column);

    return value->type == MN_TYPE_UUID ? value->uuid : NULL;
}

static enum mn_status text_write(const struct mn_value *value, struct mn_buf *out)
{
    enum mn_status status;

    out->len = 0;
    if (value->type == MN_TYPE_TEXT || value->type == MN_TYPE_JSON) {
        status = mn_buf_append(out, value->p, value->size);
    } else {
        status = mn_value_format(value, out);
    }
    return status == MN_OK ? mn_buf_byte(out, '\0') : status;
}

/* The text is the statement's until the next step: with a NUL behind it, which a map cannot give.
 */
const char *mn_col_text(mn_stmt *stmt, int column, size_t *length)
{
    const struct mn_value *value = value_of(stmt, column);
    enum mn_status status;

    if (length) *length = 0;
    if (mn_is_null(value)) return NULL;
    status = text_write(value, &stmt->texts[column]);
    if (status != MN_OK) {
        mn_call_end(mn_session_get(stmt->db), status);
        return NULL;
    }
    if (length) *length = stmt->texts[column].len - 1;
    return (const char *)stmt->texts[column].data;
}

const void *mn_col_blob(mn_stmt *stmt, int column, size_t *length)
{
    const struct mn_value *value = value_of(stmt, column);
    bool bytes =
        value->type == MN_TYPE_BLOB || value->type == MN_TYPE_TEXT || value->type == MN_TYPE_JSON;

    if (length) *length = bytes ? value->size : 0;
    return bytes ? value->p : NULL;
}

const float *mn_col_vector(mn_stmt *stmt, int column, size_t *dims)
{
    const struct mn_value *value = value_of(stmt, column);
    bool vector = value->type == MN_TYPE_VECTOR;

    if (dims) *dims = vector ? value->size : 0;
    return vector ? value->p : NULL;
}

/* -- the whole row ----------------------------------------------------------------------------- */

/* How many columns before this one have its name. */
static uint32_t namesakes(const mn_stmt *stmt, uint32_t column)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < column; i++) {
        count += strcmp(stmt->names[i], stmt->names[column]) == 0;
    }
    return count;
}

static enum mn_status member_write(mn_stmt *stmt, uint32_t column, struct mn_buf *out)
{
    const char *name = stmt->names[column];
    uint32_t before = namesakes(stmt, column);
    struct mn_buf key = {0};
    enum mn_status status = mn_buf_text(&key, name);

    if (status == MN_OK && before > 0) status = mn_buf_printf(&key, "_%u", before + 1);
    if (status == MN_OK) status = mn_json_quote((const char *)key.data, key.len, out);
    mn_buf_release(&key);
    if (status == MN_OK) status = mn_buf_byte(out, ':');
    if (status != MN_OK) return status;
    if (mn_col_is_null(stmt, (int)column)) return mn_buf_text(out, "null");
    return mn_value_format_json(value_of(stmt, (int)column), out);
}

char *mn_row_json(mn_stmt *stmt)
{
    struct mn_buf out = {0};
    enum mn_status status;
    struct mn_session *session = mn_call_begin(stmt ? stmt->db : NULL, &status);

    if (!session) return NULL;
    if (!stmt->row) {
        mn_call_end(session, mn_fail(MN_MISUSE, "no row is ready"));
        return NULL;
    }
    status = mn_buf_byte(&out, '{');
    for (uint32_t i = 0; status == MN_OK && i < stmt->column_count; i++) {
        if (i > 0) status = mn_buf_byte(&out, ',');
        if (status == MN_OK) status = member_write(stmt, i, &out);
    }
    if (status == MN_OK) status = mn_buf_append(&out, "}", 2);
    if (status != MN_OK) mn_buf_release(&out);
    mn_call_end(session, status);
    return (char *)out.data;
}
