/*
 * pragma: settings of the file and of the handle, asked and changed.
 */
#include <stdio.h>
#include <string.h>

#include "btree/tree.h"
#include "index/vector/ann_stat.h"
#include "os/parallel.h"
#include "query/integrity.h"
#include "query/parse.h"
#include "query/statement.h"

enum pragma {
    PRAGMA_USER_VERSION,
    PRAGMA_INTEGRITY_CHECK,
    PRAGMA_SYNC,
    PRAGMA_MEMORY_LIMIT,
    PRAGMA_PAGE_SIZE,
    PRAGMA_BUSY_MS,
    PRAGMA_THREADS,
    PRAGMA_VERSION,
    PRAGMA_COMPACT,
    PRAGMA_MAINTAIN,
    PRAGMA_VECTOR_STAT,
    PRAGMAS
};

static const struct {
    const char *name;
    uint8_t type;
    bool in_file; /* a change of it is a write; of one that is only asked, the question is */
    bool fixed;   /* can only be asked */
} pragmas[PRAGMAS] = {
    [PRAGMA_USER_VERSION] = {"user_version", MN_TYPE_INT, true, false},
    [PRAGMA_INTEGRITY_CHECK] = {"integrity_check", MN_TYPE_TEXT, false, true},
    [PRAGMA_SYNC] = {"sync", MN_TYPE_TEXT, false, false},
    [PRAGMA_MEMORY_LIMIT] = {"memory_limit", MN_TYPE_INT, false, false},
    [PRAGMA_PAGE_SIZE] = {"page_size", MN_TYPE_INT, false, true},
    [PRAGMA_BUSY_MS] = {"busy_ms", MN_TYPE_INT, false, false},
    [PRAGMA_THREADS] = {"threads", MN_TYPE_INT, false, false},
    [PRAGMA_VERSION] = {"version", MN_TYPE_INT, false, true},
    [PRAGMA_COMPACT] = {"compact", MN_TYPE_INT, false, true},
    [PRAGMA_MAINTAIN] = {"maintain", MN_TYPE_INT, true, true},
    [PRAGMA_VECTOR_STAT] = {"vector_stat", MN_TYPE_INT, false, true},
};

/* What the answers of several columns are. */
struct shown {
    const char *name;
    uint8_t type;
};

static const struct shown compact_columns[] = {{"bytes_before", MN_TYPE_INT},
                                               {"bytes_after", MN_TYPE_INT},
                                               {"pages_written", MN_TYPE_INT},
                                               {"held_by_version", MN_TYPE_INT}};
enum { COMPACT_COLUMNS = sizeof compact_columns / sizeof compact_columns[0] };

static const struct shown stat_columns[] = {{"index", MN_TYPE_TEXT},
                                            {"table", MN_TYPE_TEXT},
                                            {"column", MN_TYPE_TEXT},
                                            {"metric", MN_TYPE_TEXT},
                                            {"rows", MN_TYPE_INT},
                                            {"partitions", MN_TYPE_INT},
                                            {"clusters", MN_TYPE_INT},
                                            {"least_rows", MN_TYPE_INT},
                                            {"mean_rows", MN_TYPE_FLOAT},
                                            {"most_rows", MN_TYPE_INT},
                                            {"code_bytes", MN_TYPE_INT},
                                            {"vector_bytes", MN_TYPE_INT},
                                            {"recall_at_10", MN_TYPE_FLOAT},
                                            {"queries", MN_TYPE_INT},
                                            {"vectors_compared", MN_TYPE_INT}};
enum { STAT_COLUMNS = sizeof stat_columns / sizeof stat_columns[0] };

static const char *pragma_name(void *context, uint32_t index)
{
    (void)context;
    return index < PRAGMAS ? pragmas[index].name : NULL;
}

static enum mn_status pragma_find(const struct mn_ast_option *ast, enum pragma *out)
{
    const char *near;

    for (int i = 0; i < PRAGMAS; i++) {
        if (strcmp(ast->name.text, pragmas[i].name) != 0) continue;
        *out = (enum pragma)i;
        return MN_OK;
    }
    mn_fail_at(MN_SCHEMA, ast->name.span.offset, ast->name.span.length, "no PRAGMA \"%s\"",
               ast->name.text);
    near = mn_name_near(ast->name.text, pragma_name, NULL);
    return near ? mn_hint("did you mean %s?", near) : MN_SCHEMA;
}

static enum mn_status columns_shape(struct mn_stmt *stmt, const struct shown *columns,
                                    uint32_t count)
{
    stmt->column_count = count;
    stmt->names = mn_arena_alloc(&stmt->arena, (count + 1) * sizeof(char *));
    stmt->kinds = mn_arena_zalloc(&stmt->arena, (count + 1) * sizeof *stmt->kinds);
    if (!stmt->names || !stmt->kinds) return mn_fail_nomem();
    for (uint32_t i = 0; i < count; i++) {
        stmt->names[i] = columns[i].name;
        stmt->kinds[i].type = columns[i].type;
    }
    return MN_OK;
}

enum mn_status mn_pragma_shape(struct mn_stmt *stmt)
{
    const struct mn_ast_option *ast = stmt->ast->pragma;
    enum pragma which = PRAGMAS;
    enum mn_status status = pragma_find(ast, &which);

    if (status != MN_OK) return status;
    if (ast->given && pragmas[which].fixed) {
        return mn_fail_at(MN_ERROR, ast->value_span.offset, ast->value_span.length,
                          "PRAGMA %s can only be asked", ast->name.text);
    }
    if (ast->given && ast->value.type != pragmas[which].type) {
        return mn_fail_at(MN_TYPE, ast->value_span.offset, ast->value_span.length,
                          "PRAGMA %s takes %s", ast->name.text, mn_type_name(pragmas[which].type));
    }
    stmt->writes = (ast->given || pragmas[which].fixed) && pragmas[which].in_file;
    if (ast->given) return columns_shape(stmt, NULL, 0);
    if (which == PRAGMA_COMPACT) return columns_shape(stmt, compact_columns, COMPACT_COLUMNS);
    if (which == PRAGMA_VECTOR_STAT) return columns_shape(stmt, stat_columns, STAT_COLUMNS);
    const struct shown one = {pragmas[which].name, pragmas[which].type};
    return columns_shape(stmt, &one, 1);
}

/* It makes commits of its own; the statement's own view must not hold what they free. */
static enum mn_status compact_run(struct mn_session *session, struct mn_stmt *stmt)
{
    struct mn_compact_result result;
    struct mn_value row[COMPACT_COLUMNS];
    enum mn_status status;

    if (session->mode != MN_TXN_NONE) {
        mn_fail(MN_ERROR, "PRAGMA compact commits by itself, but a transaction is open");
        return mn_hint("COMMIT or ROLLBACK it first");
    }
    if (session->db->readonly) {
        mn_fail(MN_READONLY_DB, "the file was opened to be read only");
        return mn_hint("open it without MN_READONLY (shell: --readonly)");
    }
    stmt->accessing = false;
    (void)mn_access_end(&stmt->access, MN_OK);
    stmt->exec.view = NULL;
    status = mn_tree_compact(session->db->store, mn_long_tick, &stmt->exec, &result);
    if (status != MN_OK) return status;
    row[0] = mn_int((int64_t)result.before_bytes);
    row[1] = mn_int((int64_t)result.after_bytes);
    row[2] = mn_int((int64_t)result.pages);
    row[3] = result.held ? mn_int((int64_t)result.held) : mn_null();
    return mn_statement_keep(stmt, row);
}

static enum mn_status exec_tick(void *context)
{
    return mn_exec_tick(context);
}

/* Packs the lists of every coded index; answers how many there were to pack. */
static enum mn_status maintain_run(struct mn_stmt *stmt)
{
    const struct mn_watch watch = {exec_tick, &stmt->exec};
    const struct mn_schema *schema = stmt->exec.schema;
    struct mn_value value = mn_int(0);
    enum mn_status status = MN_OK;

    for (uint32_t i = 0; i < schema->index_count && status == MN_OK; i++) {
        struct mn_ann ann;
        uint64_t packed = 0;

        if (!mn_index_is_coded(schema->indexes[i])) continue;
        status = mn_ann_init(&ann, stmt->exec.view, schema->indexes[i]);
        if (status == MN_OK) status = mn_ann_maintain(&ann, &watch, &packed);
        value.i += (int64_t)packed;
    }
    return status == MN_OK ? mn_statement_keep(stmt, &value) : status;
}

static struct mn_value name_value(const char *name)
{
    return mn_text(name, strlen(name));
}

static enum mn_status stat_keep(struct mn_stmt *stmt, const struct mn_ann *ann,
                                const struct mn_ann_stat *stat)
{
    const struct mn_table *table = ann->index->table;
    double mean = stat->lists ? (double)stat->rows / (double)stat->lists : 0;
    struct mn_value row[STAT_COLUMNS] = {
        name_value(ann->index->name),
        name_value(table->name),
        name_value(table->columns[ann->column].name),
        name_value(mn_metric_name(ann->metric)),
        mn_int((int64_t)stat->rows),
        mn_int((int64_t)stat->partitions),
        mn_int((int64_t)stat->clusters),
        mn_int((int64_t)stat->least),
        mn_float(mean),
        mn_int((int64_t)stat->most),
        mn_int((int64_t)stat->code_bytes),
        mn_int((int64_t)stat->vector_bytes),
        stat->queries ? mn_float(stat->recall) : mn_null(),
        mn_int((int64_t)stat->queries),
        mn_int((int64_t)stat->compared),
    };

    return mn_statement_keep(stmt, row);
}

/* A row for every coded index, in the order of their names. */
static enum mn_status stat_run(struct mn_stmt *stmt)
{
    const struct mn_watch watch = {exec_tick, &stmt->exec};
    const struct mn_schema *schema = stmt->exec.schema;
    enum mn_status status = MN_OK;

    for (uint32_t i = 0; i < schema->index_count && status == MN_OK; i++) {
        struct mn_ann ann;
        struct mn_ann_stat stat;

        if (!mn_index_is_coded(schema->indexes[i])) continue;
        status = mn_ann_init(&ann, stmt->exec.view, schema->indexes[i]);
        if (status == MN_OK) status = mn_ann_stat(&ann, &watch, &stat);
        if (status == MN_OK) status = stat_keep(stmt, &ann, &stat);
    }
    return status;
}

static enum mn_status finding_keep(void *context, const char *finding)
{
    struct mn_value value = mn_text(finding, strlen(finding));

    return mn_statement_keep(context, &value);
}

static enum mn_status check_run(struct mn_stmt *stmt)
{
    struct mn_value ok = mn_text("ok", 2);
    uint64_t findings;
    enum mn_status status = mn_integrity_check(stmt->db, finding_keep, stmt, &findings);

    return status == MN_OK && findings == 0 ? mn_statement_keep(stmt, &ok) : status;
}

static const char *const sync_names[] = {
    [MN_STORE_FULL] = "full", [MN_STORE_LAZY] = "lazy", [MN_STORE_OFF] = "off"};

static enum mn_status pragma_get(struct mn_stmt *stmt, enum pragma which)
{
    struct mn_exec *exec = &stmt->exec;
    struct mn_value value = mn_null();
    enum mn_status status = MN_OK;

    switch (which) {
    case PRAGMA_USER_VERSION:
        status = mn_setting_get(exec->view, "user_version", &exec->kept, &value);
        if (mn_is_null(&value)) value = mn_int(0);
        break;
    case PRAGMA_INTEGRITY_CHECK: return check_run(stmt);
    case PRAGMA_SYNC: {
        const char *name = sync_names[mn_store_get_sync(stmt->db->store)];

        value = mn_text(name, strlen(name));
        break;
    }
    case PRAGMA_MEMORY_LIMIT: value = mn_int((int64_t)atomic_load(&stmt->db->memory_limit)); break;
    case PRAGMA_PAGE_SIZE: value = mn_int(mn_view_page_size(exec->view)); break;
    case PRAGMA_BUSY_MS: value = mn_int(atomic_load(&stmt->db->busy_ms)); break;
    case PRAGMA_THREADS: value = mn_int(mn_view_threads(exec->view)); break;
    case PRAGMA_VERSION: value = mn_int((int64_t)mn_view_version(exec->view)); break;
    case PRAGMA_MAINTAIN: return maintain_run(stmt);
    case PRAGMA_VECTOR_STAT: return stat_run(stmt);
    case PRAGMA_COMPACT:
    case PRAGMAS: break;
    }
    return status == MN_OK ? mn_statement_keep(stmt, &value) : status;
}

static enum mn_status range_error(const struct mn_ast_option *ast, const char *what)
{
    return mn_fail_at(MN_RANGE, ast->value_span.offset, ast->value_span.length, "PRAGMA %s %s",
                      ast->name.text, what);
}

static enum mn_status pragma_set(struct mn_stmt *stmt, enum pragma which)
{
    const struct mn_ast_option *ast = stmt->ast->pragma;
    int64_t number = ast->value.i;

    switch (which) {
    case PRAGMA_USER_VERSION: return mn_setting_put(stmt->exec.view, "user_version", &ast->value);
    case PRAGMA_SYNC:
        for (size_t i = 0; i < sizeof sync_names / sizeof *sync_names; i++) {
            if (ast->value.size != strlen(sync_names[i]) ||
                memcmp(ast->value.p, sync_names[i], ast->value.size) != 0) {
                continue;
            }
            mn_store_set_sync(stmt->db->store, (enum mn_sync_mode)i);
            return MN_OK;
        }
        return range_error(ast, "is full, lazy or off");
    case PRAGMA_MEMORY_LIMIT:
        if (number < 1 << 16) return range_error(ast, "is at least 65536 bytes");
        atomic_store(&stmt->db->memory_limit, (uint64_t)number);
        return MN_OK;
    case PRAGMA_BUSY_MS:
        if (number < 0 || number > INT32_MAX) return range_error(ast, "is 0 to 2147483647");
        atomic_store(&stmt->db->busy_ms, number);
        mn_store_set_busy_ms(stmt->db->store, number);
        return MN_OK;
    case PRAGMA_THREADS:
        if (number < 0 || number > MN_THREADS_MAX) return range_error(ast, "is 0 to 64");
        mn_store_set_threads(stmt->db->store, (unsigned)number);
        return MN_OK;
    case PRAGMA_INTEGRITY_CHECK:
    case PRAGMA_PAGE_SIZE:
    case PRAGMA_VERSION:
    case PRAGMA_COMPACT:
    case PRAGMA_MAINTAIN:
    case PRAGMA_VECTOR_STAT:
    case PRAGMAS: break;
    }
    return MN_OK;
}

enum mn_status mn_pragma_run(struct mn_session *session, struct mn_stmt *stmt)
{
    enum pragma which = PRAGMAS;
    enum mn_status status = pragma_find(stmt->ast->pragma, &which);

    if (status != MN_OK) return status;
    if (which == PRAGMA_COMPACT) return compact_run(session, stmt);
    return stmt->ast->pragma->given ? pragma_set(stmt, which) : pragma_get(stmt, which);
}
