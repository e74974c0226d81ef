/*
 * crash_sql: cells as rows of a table, through SQL: an index, a relation and vectors hang on it.
 *
 *   item  id = the cell, n = its value, name = text of its length made of the value, v = a vector
 *         made of the value; an index over n; an edge of the relation `link` from the row to itself
 *
 * What any layer of statements does alike is in crash_sql.h.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/handle.h"
#include "query/integrity.h"
#include "support/crash_sql.h"

enum { SQL_CELLS = 12, DIMS = 4, NAME_BYTES_MAX = 3000 };

enum mn_status sql_open(const struct place *place, struct handle *handle)
{
    mn_options options = {.size = sizeof options,
                          .flags = MN_CREATE,
                          .page_size = place->page_size,
                          .sync = place->sync,
                          .busy_ms = -1};
    enum mn_status status = mn_db_open_os("walk", &options, place->os, &handle->db);

    handle->store = status ? NULL : handle->db->store;
    return status;
}

void sql_close(struct handle *handle)
{
    if (mn_in_transaction(handle->db)) (void)mn_rollback(handle->db);
    (void)mn_close(handle->db);
    handle->db = NULL;
    handle->store = NULL;
}

static enum mn_status sql_make(struct handle *handle)
{
    return (enum mn_status)mn_exec(
        handle->db,
        "CREATE TABLE item (id INT PRIMARY KEY, n INT NOT NULL, name TEXT, v VECTOR(4));"
        "CREATE INDEX item_n ON item (n);"
        "CREATE RELATION link FROM item TO item (w INT)",
        NULL, NULL);
}

enum mn_status sql_begin(struct handle *handle)
{
    return (enum mn_status)mn_begin(handle->db, MN_BEGIN_WRITE);
}

enum mn_status sql_savepoint(struct handle *handle)
{
    char name[16];

    snprintf(name, sizeof name, "s%u", ++handle->savepoint);
    return (enum mn_status)mn_savepoint(handle->db, name);
}

void sql_release(struct handle *handle)
{
    char name[16];

    snprintf(name, sizeof name, "s%u", handle->savepoint--);
    (void)mn_release(handle->db, name);
}

void sql_rollback(struct handle *handle)
{
    char name[16];

    snprintf(name, sizeof name, "s%u", handle->savepoint);
    (void)mn_rollback_to(handle->db, name);
    sql_release(handle);
}

enum mn_status sql_commit(struct handle *handle)
{
    enum mn_status status = (enum mn_status)mn_commit(handle->db);

    handle->savepoint = 0;
    if (!status) handle->version = mn_current_version(handle->db);
    return status;
}

void sql_abort(struct handle *handle)
{
    handle->savepoint = 0;
    (void)mn_rollback(handle->db);
}

/* ---- rows ---- */

static void name_of(uint64_t value, uint32_t bytes, char *name)
{
    for (uint32_t i = 0; i < bytes; i++) {
        name[i] = (char)('a' + (value >> i % 16 * 4 & 15) + (i / 16 + i) % 10);
    }
}

static void vector_of(uint64_t value, float vector[DIMS])
{
    for (int i = 0; i < DIMS; i++) vector[i] = (float)(value >> 16 * i & 0xFFFF);
}

static enum mn_status run(struct handle *handle, const char *sql, uint32_t cell, uint64_t value,
                          uint32_t bytes)
{
    char name[NAME_BYTES_MAX];
    float vector[DIMS];
    mn_stmt *stmt = NULL;
    int status = mn_prepare(handle->db, sql, MN_ALL, &stmt, NULL);

    name_of(value, bytes, name);
    vector_of(value, vector);
    if (!status) status = mn_bind_int(stmt, 1, cell);
    if (!status && mn_param_count(stmt) > 1) {
        status = mn_bind_int(stmt, 2, (int64_t)value);
        if (!status) status = mn_bind_text(stmt, 3, name, bytes, 0);
        if (!status) status = mn_bind_vector(stmt, 4, vector, DIMS, 0);
    }
    if (!status) status = mn_step(stmt);
    (void)mn_finalize(stmt);
    return status == MN_DONE || status == MN_ROW ? MN_OK : (enum mn_status)status;
}

static enum mn_status sql_set(struct handle *handle, uint32_t cell, uint64_t value, uint32_t bytes)
{
    enum mn_status status;

    if (value == 0) return run(handle, "DELETE FROM item WHERE id = $1", cell, 0, 0);
    status =
        run(handle, "UPDATE item SET n = $2, name = $3, v = $4 WHERE id = $1", cell, value, bytes);
    if (status || mn_changes(handle->db) > 0) return status;
    status = run(handle, "INSERT INTO item VALUES ($1, $2, $3, $4)", cell, value, bytes);
    if (!status) {
        status = run(handle, "INSERT INTO link (src, dst, w) VALUES ($1, $1, 1)", cell, 0, 0);
    }
    return status;
}

static bool row_good(mn_stmt *row, uint64_t value)
{
    char name[NAME_BYTES_MAX];
    float vector[DIMS];
    size_t length = 0, dims = 0;
    const char *text = mn_col_text(row, 2, &length);
    const float *have = mn_col_vector(row, 3, &dims);

    if (!text || !have || dims != DIMS || length > NAME_BYTES_MAX) return false;
    name_of(value, (uint32_t)length, name);
    vector_of(value, vector);
    return memcmp(name, text, length) == 0 && memcmp(vector, have, sizeof vector) == 0;
}

static int row_take(void *context, mn_stmt *row)
{
    struct cells *cells = context;
    int64_t cell = mn_col_int(row, 0);
    uint64_t value = (uint64_t)mn_col_int(row, 1);
    size_t length = 0;

    if (cell < 0 || cell >= SQL_CELLS || cells->value[cell] || !row_good(row, value)) {
        cells->wrong++;
        return 0;
    }
    (void)mn_col_text(row, 2, &length);
    cells->value[cell] = value;
    cells->bytes[cell] = (uint32_t)length;
    return 0;
}

static int number_take(void *context, mn_stmt *row)
{
    *(int64_t *)context += mn_col_int(row, 0);
    return 0;
}

/* Rows by the table, then the same by the index and by the relation. */
static enum mn_status sql_read(struct handle *handle, struct cells *cells)
{
    int64_t links = 0, present = 0;
    int status;

    memset(cells, 0, sizeof *cells);
    status = mn_exec(handle->db, "SELECT id, n, name, v FROM item", row_take, cells);
    if (!status && cells->wrong) return mn_fail(MN_ERROR, "%u rows are mixed", cells->wrong);
    for (int i = 0; i < SQL_CELLS && !status; i++) {
        char sql[100];
        int64_t found = 0;

        if (cells->value[i] == 0) continue;
        present++;
        snprintf(sql, sizeof sql, "SELECT count(*) FROM item WHERE n = %" PRId64,
                 (int64_t)cells->value[i]);
        status = mn_exec(handle->db, sql, number_take, &found);
        if (!status && found != 1) cells->ghost++;
    }
    if (!status) status = mn_exec(handle->db, "SELECT count(*) FROM link", number_take, &links);
    if (!status && links != present) cells->ghost++;
    return (enum mn_status)status;
}

/* ---- the check ---- */

struct findings {
    uint32_t *count;
    char *text;
    size_t size;
};

static enum mn_status finding(void *context, const char *text)
{
    struct findings *findings = context;
    bool leak = strstr(text, "nothing reaches it") || strstr(text, "but not reached");
    bool space = strstr(text, "reached") || strstr(text, "space map") || strstr(text, "slots");
    bool tree = strstr(text, "tree ") != NULL;

    if (findings->text[0] == 0) snprintf(findings->text, findings->size, "%s", text);
    findings->count[leak ? 8 : tree ? 4 : space ? 2 : 3]++;
    return MN_OK;
}

enum mn_status sql_check(struct handle *handle, uint32_t count[10], char *text, size_t size)
{
    struct findings findings = {count, text, size};
    uint64_t found;

    return mn_integrity_check(handle->db, finding, &findings, &found);
}

const struct layer layer_sql = {
    .name = 's',
    .cells = SQL_CELLS,
    .run_bytes_max = NAME_BYTES_MAX,
    .open = sql_open,
    .close = sql_close,
    .make = sql_make,
    .begin = sql_begin,
    .set = sql_set,
    .savepoint = sql_savepoint,
    .rollback = sql_rollback,
    .release = sql_release,
    .commit = sql_commit,
    .abort = sql_abort,
    .read = sql_read,
    .check = sql_check,
};
