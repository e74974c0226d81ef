/*
 * crash_defs: cells as definitions: what the first transactions of a new file make.
 *
 * Five cells for each of two tables, which is there while one of its cells is, or the mark's table:
 *
 *   ROWS    1 to 6 rows of t<g>: id, n, name, v made of the value; an edge of each to itself where
 *           there is a relation
 *   INDEX   i<g>_<value> ON t<g> (n DESC, name)
 *   VECTOR  v<g>_<value> ON t<g> (v), coded, with clusters of two or three rows
 *   LINK    the relation r<g>_<value> FROM t<g> TO t<g>
 *   MARK    a table without rows, m<g>_<value>: a CREATE TABLE and nothing else
 *
 * A file begins with nothing: the model is these cells and the text that each definition has. The
 * catalogue and its second copy are compared byte by byte.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/handle.h"
#include "base/hash.h"
#include "btree/tree.h"
#include "index/vector/ann_inside.h"
#include "support/crash_sql.h"

enum { ROWS, INDEX, VECTOR, LINK, MARK, KINDS_OF_CELL, TABLES = 2, DIMS = 4 };
enum { ROWS_MOST = 6, NAME_BYTES_MAX = 3000, SQL_BYTES = 400 };
enum { KEY_OF_TABLE = 2 }; /* the first byte of a definition's key */

static const struct mn_ann_limits tiny = {.flat_max = 2,
                                          .cluster_max = 3,
                                          .cluster_min = 2,
                                          .cluster_rows = 2,
                                          .few_vectors = 2,
                                          .few_passing = 2};

static enum mn_status defs_open(const struct place *place, struct handle *handle)
{
    mn_ann_limits = tiny;
    return sql_open(place, handle);
}

static enum mn_status nothing_made(struct handle *handle)
{
    (void)handle;
    return MN_OK;
}

/* ---- what a value stands for ---- */

static const char letters[KINDS_OF_CELL + 1] = "tivrm";

static int64_t rows_of(uint64_t value)
{
    return value ? 1 + (int64_t)(value >> 8) % ROWS_MOST : 0;
}

/* Numbers of neighbours are equal at times. */
static int64_t n_of(uint64_t value, int64_t i)
{
    return (int64_t)(value >> 1) + i / 2;
}

/* Each name but the first is there once. */
static size_t name_of(uint64_t value, int64_t i, char name[NAME_BYTES_MAX])
{
    static const uint16_t lengths[] = {20, 60, 300, 2900};
    size_t length = i == 1 ? lengths[value >> 4 & 3] : 20;
    int used = snprintf(name, NAME_BYTES_MAX, "%016" PRIx64 "%" PRId64, value, i);

    for (size_t at = (size_t)used; at < length; at++)
        name[at] = (char)('a' + (value >> at % 40) % 26);
    return length;
}

static void vector_of(uint64_t value, int64_t i, float vector[DIMS])
{
    uint64_t hash = mn_hash_mix(value, (uint64_t)i + 1);

    for (int d = 0; d < DIMS; d++) vector[d] = (float)(hash >> 8 * d & 0x3F);
}

/* The statement that makes it, as the listings spell it. */
static void text_of(uint32_t kind, int table, uint64_t value, char text[SQL_BYTES])
{
    static const char *const forms[] = {
        [ROWS] = "CREATE TABLE t%d (\n  id INT PRIMARY KEY,\n  n INT NOT NULL,\n  name TEXT,\n"
                 "  v VECTOR(4) NOT NULL,\n  UNIQUE (name)\n)",
        [INDEX] = "CREATE INDEX i%d_%016" PRIx64 " ON t%d (n DESC, name)",
        [VECTOR] = "CREATE INDEX v%d_%016" PRIx64
                   " ON t%d (v) USING vector WITH (\"metric\" = 'l2', cover = (n))",
        [LINK] = "CREATE RELATION r%d_%016" PRIx64 " FROM t%d TO t%d (\n  w INT\n)",
        [MARK] = "CREATE TABLE m%d_%016" PRIx64 " (\n  a INT PRIMARY KEY,\n  b TEXT DEFAULT 'none',"
                 "\n  c FLOAT[],\n  CHECK (b <> '')\n)",
    };

    if (kind == ROWS) {
        snprintf(text, SQL_BYTES, forms[ROWS], table);
    } else {
        snprintf(text, SQL_BYTES, forms[kind], table, value, table, table);
    }
}

/* ---- looking ---- */

struct look {
    uint64_t value[TABLES][KINDS_OF_CELL]; /* of ROWS: is the table there? */
    uint32_t wrong;
};

/* A name and the statement that makes it. */
static int name_take(void *context, mn_stmt *row)
{
    struct look *look = context;
    const char *name = mn_col_text(row, 0, NULL), *sql = mn_col_text(row, 1, NULL);
    const char *letter = name && name[0] ? strchr(letters, name[0]) : NULL;
    int table = letter ? name[1] - '0' : TABLES;
    char text[SQL_BYTES];
    uint64_t value = 1;
    uint32_t kind;

    if (table < 0 || table >= TABLES || !sql) {
        look->wrong++;
        return 0;
    }
    kind = (uint32_t)(letter - letters);
    if (kind != ROWS && name[2] == '_') value = strtoull(name + 3, NULL, 16);
    text_of(kind, table, value, text);
    if (strcmp(text, sql) != 0 || look->value[table][kind]) look->wrong++;
    look->value[table][kind] = value;
    return 0;
}

static int look_at(struct handle *handle, struct look *look)
{
    memset(look, 0, sizeof *look);
    return mn_exec(handle->db,
                   "SELECT name, sql FROM tables() UNION ALL SELECT name, sql FROM relations()"
                   " UNION ALL SELECT name, sql FROM indexes() WHERE sql IS NOT NULL",
                   name_take, look);
}

static int number_take(void *context, mn_stmt *row)
{
    *(int64_t *)context = mn_col_int(row, 0);
    return 0;
}

static int number_ask(struct handle *handle, int64_t *number, const char *sql)
{
    *number = -1;
    return mn_exec(handle->db, sql, number_take, number);
}

/* ---- changing ---- */

static int run(struct handle *handle, const char *sql)
{
    return mn_exec(handle->db, sql, NULL, NULL);
}

static int rows_insert(struct handle *handle, int table, uint64_t value)
{
    char name[NAME_BYTES_MAX], sql[SQL_BYTES];
    mn_stmt *stmt = NULL;
    float vector[DIMS];
    int status;

    snprintf(sql, sizeof sql, "INSERT INTO t%d VALUES ($1, $2, $3, $4)", table);
    status = mn_prepare(handle->db, sql, MN_ALL, &stmt, NULL);
    for (int64_t i = 0; i < rows_of(value) && !status; i++) {
        size_t length = name_of(value, i, name);

        vector_of(value, i, vector);
        status = mn_bind_int(stmt, 1, i + 1);
        if (!status) status = mn_bind_int(stmt, 2, n_of(value, i));
        if (!status) status = mn_bind_text(stmt, 3, name, length, 0);
        if (!status) status = mn_bind_vector(stmt, 4, vector, DIMS, 0);
        if (!status) status = mn_step(stmt);
        if (status == MN_DONE) status = mn_reset(stmt);
    }
    (void)mn_finalize(stmt);
    return status;
}

static int edges_insert(struct handle *handle, int table, uint64_t link)
{
    char sql[SQL_BYTES];

    snprintf(sql, sizeof sql,
             "INSERT INTO r%d_%016" PRIx64 " (src, dst, w) SELECT id, id, n FROM t%d", table, link,
             table);
    return run(handle, sql);
}

static int rows_set(struct handle *handle, int table, const struct look *look, uint64_t value)
{
    char sql[SQL_BYTES];
    int status;

    snprintf(sql, sizeof sql, "DELETE FROM t%d", table);
    status = run(handle, sql);
    if (!status && value) status = rows_insert(handle, table, value);
    if (!status && value && look->value[table][LINK])
        status = edges_insert(handle, table, look->value[table][LINK]);
    return status;
}

/* The old one goes, the new one comes over the rows that are there. */
static int def_set(struct handle *handle, uint32_t kind, int table, uint64_t old, uint64_t value)
{
    static const char *const names[] = {
        [INDEX] = "INDEX", [VECTOR] = "INDEX", [LINK] = "RELATION", [MARK] = "TABLE"};
    char sql[SQL_BYTES];
    int status = MN_OK;

    if (old) {
        snprintf(sql, sizeof sql, "DROP %s %c%d_%016" PRIx64, names[kind], letters[kind], table,
                 old);
        status = run(handle, sql);
    }
    if (!value || status) return status;
    text_of(kind, table, value, sql);
    status = run(handle, sql);
    return kind == LINK && !status ? edges_insert(handle, table, value) : status;
}

/* A table goes with its last cell. */
static int table_end(struct handle *handle, int table)
{
    struct look look;
    char sql[SQL_BYTES];
    int64_t rows = 0;
    int status = look_at(handle, &look);

    if (status || !look.value[table][ROWS] || look.value[table][INDEX] ||
        look.value[table][VECTOR] || look.value[table][LINK]) {
        return status;
    }
    snprintf(sql, sizeof sql, "SELECT count(*) FROM t%d", table);
    status = number_ask(handle, &rows, sql);
    if (status || rows) return status;
    snprintf(sql, sizeof sql, "DROP TABLE t%d", table);
    return run(handle, sql);
}

static enum mn_status defs_set(struct handle *handle, uint32_t cell, uint64_t value, uint32_t bytes)
{
    int table = (int)(cell / KINDS_OF_CELL), status;
    uint32_t kind = cell % KINDS_OF_CELL;
    char sql[SQL_BYTES];
    struct look look;

    (void)bytes;
    status = look_at(handle, &look);
    if (!status && look.wrong) return mn_fail(MN_ERROR, "%u definitions are wrong", look.wrong);
    if (!status && kind != MARK && !look.value[table][ROWS]) {
        if (!value) return MN_OK;
        text_of(ROWS, table, value, sql);
        status = run(handle, sql);
    }
    if (status) return (enum mn_status)status;
    status = kind == ROWS ? rows_set(handle, table, &look, value)
                          : def_set(handle, kind, table, look.value[table][kind], value);
    if (!status && !value) status = table_end(handle, table);
    return (enum mn_status)status;
}

/* ---- reading ---- */

struct rows {
    uint64_t value;
    int64_t count;
    uint32_t wrong;
};

static int row_take(void *context, mn_stmt *row)
{
    struct rows *rows = context;
    char name[NAME_BYTES_MAX];
    float vector[DIMS];
    size_t length = 0, dims = 0;
    const char *text = mn_col_text(row, 2, &length);
    const float *have = mn_col_vector(row, 3, &dims);
    int64_t i = mn_col_int(row, 0) - 1;

    if (i != rows->count++ || !text || !have || dims != DIMS || length < 16) {
        rows->wrong++;
        return 0;
    }
    if (i == 0) { /* a name begins with the value */
        memcpy(name, text, 16);
        name[16] = 0;
        rows->value = strtoull(name, NULL, 16);
    }
    vector_of(rows->value, i, vector);
    if (length != name_of(rows->value, i, name) || memcmp(name, text, length) != 0 ||
        mn_col_int(row, 1) != n_of(rows->value, i) || memcmp(have, vector, sizeof vector) != 0) {
        rows->wrong++;
    }
    return 0;
}

/* Everything that hangs on the rows, asked for some of them. */
static int others_read(struct handle *handle, int table, const struct look *look,
                       const struct rows *rows, uint32_t *ghost)
{
    char sql[SQL_BYTES];
    int64_t number = 0;
    float v[DIMS];
    int status = MN_OK;

    vector_of(rows->value, 0, v);
    if (look->value[table][INDEX]) {
        snprintf(sql, sizeof sql, "SELECT count(*) FROM t%d WHERE n = %" PRId64, table,
                 n_of(rows->value, 0));
        status = number_ask(handle, &number, sql);
        if (number != (rows->count > 1 ? 2 : rows->count)) ++*ghost;
    }
    if (look->value[table][VECTOR] && !status) {
        snprintf(sql, sizeof sql,
                 "SELECT count(*) FROM (SELECT id FROM t%d NEAREST 6 TO [%g, %g, %g, %g]) q", table,
                 (double)v[0], (double)v[1], (double)v[2], (double)v[3]);
        status = number_ask(handle, &number, sql);
        if (number != rows->count) ++*ghost;
    }
    if (look->value[table][LINK] && !status) {
        snprintf(sql, sizeof sql, "SELECT sum(w) FROM r%d_%016" PRIx64 " WHERE dst = 1", table,
                 look->value[table][LINK]);
        status = number_ask(handle, &number, sql);
        if (rows->count && number != n_of(rows->value, 0)) ++*ghost;
        snprintf(sql, sizeof sql, "SELECT count(*) FROM r%d_%016" PRIx64, table,
                 look->value[table][LINK]);
        if (!status) status = number_ask(handle, &number, sql);
        if (number != rows->count) ++*ghost;
    }
    return status;
}

static int table_read(struct handle *handle, int table, const struct look *look,
                      struct cells *cells)
{
    uint64_t *value = &cells->value[table * KINDS_OF_CELL];
    struct rows rows = {0};
    char sql[SQL_BYTES];
    int status = MN_OK;

    for (int i = INDEX; i < KINDS_OF_CELL; i++) value[i] = look->value[table][i];
    if (look->value[table][ROWS]) {
        snprintf(sql, sizeof sql, "SELECT id, n, name, v FROM t%d ORDER BY id", table);
        status = mn_exec(handle->db, sql, row_take, &rows);
        value[ROWS] = rows.value;
        cells->wrong += rows.wrong + (rows.count != rows_of(rows.value));
        if (!status && !rows.wrong) {
            status = others_read(handle, table, look, &rows, &cells->ghost);
        }
    }
    /* No table without a cell, and none of its cells without a table. */
    if (!look->value[table][ROWS] != !(value[ROWS] || value[INDEX] || value[VECTOR] || value[LINK]))
        cells->ghost++;
    return status;
}

/* The two copies of the definitions, in one snapshot. */
static enum mn_status copies_compare(struct mn_view *view, uint32_t *wrong)
{
    struct mn_cursor *cursor = NULL;
    bool found = false, there;
    uint64_t count = 0, copied = 0;
    enum mn_status status = mn_cursor_open(view, MN_TREE_CATALOGUE, &cursor);

    if (!status) status = mn_cursor_first(cursor, &found);
    while (!status && found) {
        struct mn_bytes have, copy;
        struct mn_item item;

        status = mn_cursor_item(cursor, &item);
        if (status) break;
        have = item.run.len ? item.run : item.value;
        if (item.key.data[0] == KEY_OF_TABLE) {
            count++;
            status = mn_tree_get(view, MN_TREE_SPARE, item.key, &copy, &there);
            if (!status &&
                (!there || copy.len != have.len || memcmp(copy.data, have.data, copy.len) != 0)) {
                ++*wrong;
            }
        }
        if (!status) status = mn_cursor_next(cursor, &found);
    }
    mn_cursor_close(cursor);
    if (!status) status = mn_tree_count(view, MN_TREE_SPARE, &copied);
    if (!status && copied != count) ++*wrong;
    return status;
}

static enum mn_status defs_read(struct handle *handle, struct cells *cells)
{
    struct mn_view *view = NULL;
    struct look look;
    int status;

    memset(cells, 0, sizeof *cells);
    status = look_at(handle, &look);
    cells->wrong = look.wrong;
    for (int table = 0; table < TABLES && !status && !cells->wrong; table++) {
        status = table_read(handle, table, &look, cells);
    }
    if (!status && !cells->wrong) status = (int)mn_view_begin_read(handle->store, &view);
    if (view) {
        status = (int)copies_compare(view, &cells->wrong);
        mn_view_end(view);
    }
    if (!status && cells->wrong) return mn_fail(MN_ERROR, "%u things are mixed", cells->wrong);
    return (enum mn_status)status;
}

const struct layer layer_defs = {
    .name = 'd',
    .cells = TABLES * KINDS_OF_CELL,
    .run_bytes_max = 0,
    .open = defs_open,
    .close = sql_close,
    .make = nothing_made,
    .begin = sql_begin,
    .set = defs_set,
    .savepoint = sql_savepoint,
    .rollback = sql_rollback,
    .release = sql_release,
    .commit = sql_commit,
    .abort = sql_abort,
    .read = defs_read,
    .check = sql_check,
    .bare = true,
};
