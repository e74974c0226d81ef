/*
 * column: the values of the row at hand.
 */
#include <stdio.h>
#include <string.h>

#include "api/handle.h"
#include "base/alloc.h"
#include "catalog/json.h"

static const struct mn_value *value_at(const mn_stmt *stmt, int column)
{
    if (!stmt || !stmt->row || column < 0 || (uint32_t)column >= stmt->column_count) return NULL;
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
    const struct mn_value *value = value_at(stmt, column);

    if (value) return value->type;
    if (!stmt || column < 0 || (uint32_t)column >= stmt->column_count) return MN_TYPE_NULL;
    return stmt->kinds[column].type;
}

int mn_col_is_null(mn_stmt *stmt, int column)
{
    const struct mn_value *value = value_at(stmt, column);

    return !value || mn_is_null(value);
}

int mn_col_bool(mn_stmt *stmt, int column)
{
    const struct mn_value *value = value_at(stmt, column);

    if (!value) return 0;
    if (value->type == MN_TYPE_BOOL) return value->b;
    return value->type == MN_TYPE_INT && value->i != 0;
}

int64_t mn_col_int(mn_stmt *stmt, int column)
{
    const struct mn_value *value = value_at(stmt, column);
    int64_t number;

    if (!value) return 0;
    switch (value->type) {
    case MN_TYPE_INT:
    case MN_TYPE_TIMESTAMP:
    case MN_TYPE_DURATION: return value->i;
    case MN_TYPE_BOOL: return value->b;
    case MN_TYPE_FLOAT: return mn_float_to_int(value->f, &number) == MN_OK ? number : 0;
    default: return 0;
    }
}

double mn_col_float(mn_stmt *stmt, int column)
{
    const struct mn_value *value = value_at(stmt, column);

    if (!value) return 0;
    if (value->type == MN_TYPE_FLOAT) return value->f;
    return value->type == MN_TYPE_INT ? (double)value->i : 0;
}

int64_t mn_col_time(mn_stmt *stmt, int column)
{
    const struct mn_value *value = value_at(stmt, column);

    return value && value->type == MN_TYPE_TIMESTAMP ? value->i : 0;
}

int64_t mn_col_duration(mn_stmt *stmt, int column)
{
    const struct mn_value *value = value_at(stmt, column);

    return value && value->type == MN_TYPE_DURATION ? value->i : 0;
}

const uint8_t *mn_col_uuid(mn_stmt *stmt, int column)
{
    const struct mn_value *value = value_at(stmt, column);

    return value && value->type == MN_TYPE_UUID ? value->uuid : NULL;
}

const char *mn_col_text(mn_stmt *stmt, int column, size_t *length)
{
    const struct mn_value *value = value_at(stmt, column);
    struct mn_buf *text;

    if (length) *length = 0;
    if (!value || mn_is_null(value)) return NULL;
    text = &stmt->texts[column];
    text->len = 0;
    if (mn_value_format(value, text) != MN_OK || mn_buf_byte(text, 0) != MN_OK) return NULL;
    if (length) *length = text->len - 1;
    return (const char *)text->data;
}

const void *mn_col_blob(mn_stmt *stmt, int column, size_t *length)
{
    const struct mn_value *value = value_at(stmt, column);

    if (length) *length = 0;
    if (!value || !mn_type_has_bytes(value->type)) return NULL;
    if (length) {
        *length = value->type == MN_TYPE_VECTOR ? value->size * sizeof(float) : value->size;
    }
    return value->p;
}

const float *mn_col_vector(mn_stmt *stmt, int column, size_t *dims)
{
    const struct mn_value *value = value_at(stmt, column);

    if (dims) *dims = 0;
    if (!value || value->type != MN_TYPE_VECTOR) return NULL;
    if (dims) *dims = value->size;
    return value->p;
}

/* `id`, `id_2`: how many columns before this one have its name. */
static enum mn_status name_json(const mn_stmt *stmt, uint32_t column, struct mn_buf *out)
{
    const char *name = stmt->names[column];
    uint32_t before = 0;
    struct mn_buf text = {0};
    enum mn_status status;

    for (uint32_t i = 0; i < column; i++) before += strcmp(stmt->names[i], name) == 0;
    if (before == 0) return mn_json_quote(name, strlen(name), out);
    status = mn_buf_printf(&text, "%s_%u", name, before + 1);
    if (status == MN_OK) status = mn_json_quote((const char *)text.data, text.len, out);
    mn_buf_release(&text);
    return status;
}

static enum mn_status row_json(const mn_stmt *stmt, struct mn_buf *out)
{
    enum mn_status status = mn_buf_byte(out, '{');

    for (uint32_t i = 0; i < stmt->column_count && status == MN_OK; i++) {
        if (i > 0) status = mn_buf_byte(out, ',');
        if (status == MN_OK) status = name_json(stmt, i, out);
        if (status == MN_OK) status = mn_buf_byte(out, ':');
        if (status == MN_OK) status = mn_value_format_json(&stmt->row[i], out);
    }
    if (status == MN_OK) status = mn_buf_byte(out, '}');
    return status == MN_OK ? mn_buf_byte(out, 0) : status;
}

char *mn_row_json(mn_stmt *stmt)
{
    struct mn_session *session = stmt ? mn_enter(stmt->db) : NULL;
    struct mn_buf text = {0};
    enum mn_status status;

    if (!session) return NULL;
    status = stmt->row ? row_json(stmt, &text) : mn_fail(MN_MISUSE, "there is no row");
    if (mn_leave(session, status) == MN_OK) return (char *)text.data;
    mn_buf_release(&text);
    return NULL;
}
