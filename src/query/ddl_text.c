/*
 * ddl_text: the CREATE statement that would make a table, relation or index as it is.
 */
#include "query/ddl_text.h"

#include <string.h>

/* Words that mean something where a name may stand; names like these are written in quotes. */
static const char *const keywords[] = {
    "all",        "alter",    "analyze",   "and",      "any",       "as",       "between",
    "by",         "case",     "cast",      "check",    "columns",   "commit",   "conflict",
    "constraint", "copy",     "cost",      "create",   "cross",     "default",  "delete",
    "desc",       "distinct", "do",        "drop",     "effort",    "else",     "end",
    "escape",     "exact",    "except",    "exists",   "explain",   "false",    "for",
    "from",       "full",     "fuse",      "group",    "having",    "if",       "ilike",
    "in",         "index",    "inner",     "insert",   "intersect", "into",     "is",
    "join",       "key",      "lateral",   "latest",   "left",      "like",     "limit",
    "link",       "match",    "metric",    "multi",    "natural",   "nearest",  "not",
    "null",       "nulls",    "of",        "offset",   "on",        "or",       "order",
    "outer",      "over",     "partition", "pragma",   "primary",   "read",     "recursive",
    "references", "relation", "release",   "rename",   "returning", "right",    "rollback",
    "savepoint",  "select",   "set",       "shortest", "since",     "snapshot", "table",
    "then",       "to",       "true",      "union",    "unique",    "unlink",   "update",
    "upsert",     "using",    "values",    "watch",    "weight",    "when",     "where",
    "window",     "with",     "within",    "write",    "add",       "asc",      "begin",
    "array",      "interval", "timestamp", "date",     "uuid",      "to",       "first",
    "last",
};

static bool name_is_bare(const char *name)
{
    if (!(*name >= 'a' && *name <= 'z') && *name != '_') return false;
    for (const char *c = name; *c; c++) {
        if (!(*c >= 'a' && *c <= 'z') && !(*c >= '0' && *c <= '9') && *c != '_') return false;
    }
    for (size_t i = 0; i < sizeof keywords / sizeof keywords[0]; i++) {
        if (strcmp(name, keywords[i]) == 0) return false;
    }
    return true;
}

/* Text between quotes, those inside it doubled. */
static enum mn_status quoted(const char *text, size_t length, char quote, struct mn_buf *out)
{
    enum mn_status status = mn_buf_reserve(out, 2 * length + 2);

    if (status) return status;
    out->data[out->len++] = (uint8_t)quote;
    for (size_t i = 0; i < length; i++) {
        if (text[i] == quote) out->data[out->len++] = (uint8_t)quote;
        out->data[out->len++] = (uint8_t)text[i];
    }
    out->data[out->len++] = (uint8_t)quote;
    return MN_OK;
}

enum mn_status mn_ddl_name(const char *name, struct mn_buf *out)
{
    if (name_is_bare(name)) return mn_buf_text(out, name);
    return quoted(name, strlen(name), '"', out);
}

static enum mn_status option_value(const struct mn_value *value, struct mn_buf *out)
{
    enum mn_status status = mn_buf_text(out, " = ");

    if (status) return status;
    if (value->type == MN_TYPE_TEXT) return quoted(value->p, value->size, '\'', out);
    return mn_value_format(value, out);
}

static enum mn_status options_text(const struct mn_option *options, uint32_t count, bool multi,
                                   struct mn_buf *out)
{
    enum mn_status status = MN_OK;

    if (count == 0 && !multi) return MN_OK;
    status = mn_buf_text(out, multi ? " WITH (multi" : " WITH (");
    for (uint32_t i = 0; i < count && !status; i++) {
        if (multi && strcmp(options[i].name, "multi") == 0) continue;
        if (i > 0 || multi) status = mn_buf_text(out, ", ");
        if (!status) status = mn_ddl_name(options[i].name, out);
        if (!status && !mn_is_null(&options[i].value))
            status = option_value(&options[i].value, out);
    }
    return status ? status : mn_buf_text(out, ")");
}

static enum mn_status column_text(const struct mn_table *table, uint32_t i, struct mn_buf *out)
{
    const struct mn_column *column = &table->columns[i];
    char kind[32];

    enum mn_status status = mn_ddl_name(column->name, out);
    if (!status) status = mn_buf_printf(out, " %s", mn_kind_name(&column->kind, kind));
    if (status) return status;
    if (table->row_id_column == (int)i) return mn_buf_text(out, " PRIMARY KEY");
    if (column->not_null && !column->primary) status = mn_buf_text(out, " NOT NULL");
    if (!status && column->default_text) {
        status = mn_buf_printf(out, " DEFAULT %s", column->default_text);
    }
    return status;
}

static enum mn_status key_columns(const struct mn_index *index, struct mn_buf *out)
{
    uint32_t count = index->kind == MN_INDEX_VECTOR ? 1 : index->column_count;
    enum mn_status status = mn_buf_text(out, "(");

    for (uint32_t i = 0; i < count && !status; i++) {
        const struct mn_index_column *key = &index->columns[i];
        if (i > 0) status = mn_buf_text(out, ", ");
        if (!status) status = mn_ddl_name(index->table->columns[key->column].name, out);
        if (!status && key->order & MN_KEY_DESC) status = mn_buf_text(out, " DESC");
        if (!status && key->order & MN_KEY_NULLS_FIRST) status = mn_buf_text(out, " NULLS FIRST");
    }
    return status ? status : mn_buf_text(out, ")");
}

/* PRIMARY KEY, UNIQUE and CHECK behind the columns. */
static enum mn_status constraints_text(const struct mn_table *table, bool comma, struct mn_buf *out)
{
    enum mn_status status = MN_OK;

    for (uint32_t i = 0; i < table->index_count && !status; i++) {
        const struct mn_index *index = &table->indexes[i];
        if (!index->primary && !index->constraint) continue;
        status = mn_buf_text(out, comma ? ",\n  " : "\n  ");
        if (!status) status = mn_buf_text(out, index->primary ? "PRIMARY KEY " : "UNIQUE ");
        if (!status) status = key_columns(index, out);
        comma = true;
    }
    for (uint32_t i = 0; i < table->check_count && !status; i++) {
        status = mn_buf_text(out, comma ? ",\n  " : "\n  ");
        if (!status && table->checks[i].name) {
            status = mn_buf_text(out, "CONSTRAINT ");
            if (!status) status = mn_ddl_name(table->checks[i].name, out);
            if (!status) status = mn_buf_text(out, " ");
        }
        if (!status) status = mn_buf_printf(out, "CHECK (%s)", table->checks[i].text);
        comma = true;
    }
    return status;
}

enum mn_status mn_ddl_table(const struct mn_table *table, struct mn_buf *out)
{
    uint32_t first = table->relation ? 2 : 0;
    size_t start;
    enum mn_status status =
        mn_buf_text(out, table->relation ? "CREATE RELATION " : "CREATE TABLE ");

    if (!status) status = mn_ddl_name(table->name, out);
    if (!status && table->relation) {
        status = mn_buf_text(out, " FROM ");
        if (!status) status = mn_ddl_name(table->from->name, out);
        if (!status) status = mn_buf_text(out, " TO ");
        if (!status) status = mn_ddl_name(table->to->name, out);
    }
    start = out->len;
    if (!status) status = mn_buf_text(out, " (");
    for (uint32_t i = first; i < table->column_count && !status; i++) {
        status = mn_buf_text(out, i > first ? ",\n  " : "\n  ");
        if (!status) status = column_text(table, i, out);
    }
    if (!status) status = constraints_text(table, table->column_count > first, out);
    if (!status) status = mn_buf_text(out, "\n)");
    if (!status && out->len == start + strlen(" (\n)"))
        out->len = start; /* no columns of its own */
    if (!status) {
        status = options_text(table->options, table->option_count, table->multi, out);
    }
    return status;
}

/* `partition = (a, b)` and its like: the columns at those places. */
static enum mn_status clause_text(const struct mn_index *index, const char *name,
                                  const uint32_t *columns, uint32_t count, struct mn_buf *out)
{
    enum mn_status status = mn_buf_printf(out, ", %s = (", name);

    for (uint32_t i = 0; i < count && !status; i++) {
        if (i > 0) status = mn_buf_text(out, ", ");
        if (!status) status = mn_ddl_name(index->table->columns[columns[i]].name, out);
    }
    return status ? status : mn_buf_text(out, ")");
}

/* What WITH says of a vector index beside its options. */
static enum mn_status vector_clauses(const struct mn_index *index, struct mn_buf *out)
{
    uint32_t partition[MN_KEY_COLUMNS_MAX], parts = index->column_count - 1;
    uint32_t covers = index->cover_count - (index->timed ? 1 : 0);
    enum mn_status status = MN_OK;

    if (parts == 0 && index->cover_count == 0) return MN_OK;
    /* the options end in a parenthesis, which comes behind all this */
    if (index->option_count > 0)
        out->len--;
    else
        status = mn_buf_text(out, " WITH (metric = cosine");
    for (uint32_t i = 0; i < parts; i++) partition[i] = index->columns[i + 1].column;
    if (!status && parts) status = clause_text(index, "partition", partition, parts, out);
    if (!status && covers) {
        status = clause_text(index, "cover", index->covers + (index->timed ? 1 : 0), covers, out);
    }
    if (!status && index->timed) {
        status = mn_buf_text(out, ", time = ");
        if (!status) status = mn_ddl_name(index->table->columns[index->covers[0]].name, out);
    }
    return status ? status : mn_buf_text(out, ")");
}

enum mn_status mn_ddl_index(const struct mn_index *index, struct mn_buf *out)
{
    if (index->primary || index->constraint) return MN_OK;
    enum mn_status status =
        mn_buf_text(out, index->unique ? "CREATE UNIQUE INDEX " : "CREATE INDEX ");

    if (!status) status = mn_ddl_name(index->name, out);
    if (!status) status = mn_buf_text(out, " ON ");
    if (!status) status = mn_ddl_name(index->table->name, out);
    if (!status) status = mn_buf_text(out, " ");
    if (!status) status = key_columns(index, out);
    if (!status && index->kind == MN_INDEX_VECTOR) status = mn_buf_text(out, " USING vector");
    if (!status) status = options_text(index->options, index->option_count, false, out);
    return status || index->kind != MN_INDEX_VECTOR ? status : vector_clauses(index, out);
}
