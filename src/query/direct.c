/*
 * direct: get, put and delete of one row by its key.
 *
 * A call looks its names up, turns what it was given into values of the columns' kinds, and then
 * does what a statement would, by index/row.h. A row of a plain table is one write of one tree and
 * needs no savepoint.
 */
#include "query/direct.h"

#include "base/alloc.h"
#include "catalog/key.h"
#include "index/row.h"

/* ---- what a call reads ---- */

enum mn_status mn_direct_read(struct mn_session *session, const struct mn_snap *snap,
                              struct mn_access *access)
{
    if (!snap) return mn_access_read(session, access);
    if (snap->db != session->db) {
        return mn_fail(MN_MISUSE, "the snapshot is of another handle");
    }
    mn_access_snapshot(session, snap->snapshot, access);
    return MN_OK;
}

bool mn_direct_copies(const struct mn_session *session, const struct mn_snap *snap)
{
    return !snap && session->mode == MN_TXN_NONE;
}

static enum mn_status column_note(enum mn_status status, const struct mn_column *column)
{
    struct mn_error error = *mn_error_last();

    if (status == MN_NOMEM) return status;
    mn_fail(status, "column %s: %.400s", column->name, error.message);
    return error.hint[0] ? mn_hint("%s", error.hint) : status;
}

static enum mn_status value_read(const mn_datum *datum, const struct mn_column *column,
                                 struct mn_arena *scratch, struct mn_value *out)
{
    enum mn_status status = mn_datum_read(datum, &column->kind, scratch, out);

    return status == MN_OK ? MN_OK : column_note(status, column);
}

static enum mn_status fields_check(const mn_fields *row)
{
    if (!row || row->size < sizeof *row) {
        return mn_fail(MN_MISUSE, "fields are NULL, or fields->size is not sizeof(mn_fields)");
    }
    if (row->count > 0 && (!row->names || !row->values)) {
        return mn_fail(MN_MISUSE, "%zu columns without names or values", row->count);
    }
    return MN_OK;
}

static struct mn_target_names names_of(const char *table, const mn_fields *row)
{
    return (struct mn_target_names){table, row->names, row->count};
}

/* ---- keys ---- */

static enum mn_status key_width(const struct mn_table *table, const struct mn_direct_key *key,
                                uint32_t width)
{
    if (key->count == width && key->values) return MN_OK;
    return mn_fail(MN_MISUSE, "the key of %s has %u columns; %zu are given", table->name, width,
                   key->values ? key->count : 0);
}

static enum mn_status not_found(const struct mn_table *table)
{
    return mn_fail(MN_NOTFOUND, "%s has no row with that key", table->name);
}

/* The key of a table with an index on it, or of a relation. */
static enum mn_status columns_find(struct mn_view *view, const struct mn_table *table,
                                   const struct mn_direct_key *key, struct mn_arena *scratch,
                                   int64_t *row_id)
{
    struct mn_value values[MN_KEY_COLUMNS_MAX];
    uint32_t width = table->primary ? table->primary->column_count : 2;
    bool found;
    enum mn_status status = key_width(table, key, width);

    if (status == MN_OK && table->relation && table->multi) {
        status = mn_fail(MN_SCHEMA, "%s may have several edges between two rows", table->name);
    }
    for (uint32_t i = 0; i < width && status == MN_OK; i++) {
        uint32_t at = table->primary ? table->primary->columns[i].column : i;

        status = value_read(&key->values[i], &table->columns[at], scratch, &values[i]);
    }
    if (status == MN_OK) status = mn_row_find(view, table, values, row_id, &found);
    if (status != MN_OK) return status;
    return found ? MN_OK : not_found(table);
}

/* The row id itself, where it is the key. */
static enum mn_status row_id_read(const struct mn_table *table, const struct mn_direct_key *key,
                                  struct mn_arena *scratch, int64_t *row_id)
{
    static const struct mn_kind kind = {.type = MN_TYPE_INT};
    struct mn_value value;
    enum mn_status status = key_width(table, key, 1);

    if (status != MN_OK) return status;
    if (key->values->type == MN_TYPE_INT) {
        *row_id = key->values->as.i;
        return MN_OK;
    }
    status = mn_datum_read(key->values, &kind, scratch, &value);
    if (status != MN_OK) return status;
    if (mn_is_null(&value)) return not_found(table);
    *row_id = value.i;
    return MN_OK;
}

static bool key_is_row_id(const struct mn_table *table)
{
    return !table->primary && !table->relation;
}

enum mn_status mn_direct_find(struct mn_view *view, const struct mn_table *table,
                              const struct mn_direct_key *key, struct mn_arena *scratch,
                              int64_t *row_id)
{
    struct mn_bytes record;
    bool found;
    enum mn_status status;

    if (!key_is_row_id(table)) return columns_find(view, table, key, scratch, row_id);
    status = row_id_read(table, key, scratch, row_id);
    if (status == MN_OK) status = mn_row_get(view, table, *row_id, &record, &found);
    if (status != MN_OK) return status;
    return found ? MN_OK : not_found(table);
}

/* ---- get ---- */

static enum mn_status record_find(struct mn_view *view, const struct mn_table *table,
                                  const struct mn_direct_key *key, struct mn_arena *scratch,
                                  struct mn_row *row)
{
    bool found;
    enum mn_status status = key_is_row_id(table)
                                ? row_id_read(table, key, scratch, &row->id)
                                : columns_find(view, table, key, scratch, &row->id);

    if (status == MN_OK) status = mn_row_get(view, table, row->id, &row->record, &found);
    if (status != MN_OK) return status;
    return found ? MN_OK : not_found(table);
}

static enum mn_status columns_write(struct mn_view *view, const struct mn_target *target,
                                    const struct mn_row *row, struct mn_arena *copies,
                                    struct mn_arena *scratch, mn_datum *out)
{
    enum mn_status status = MN_OK;

    for (uint32_t i = 0; i < target->count && status == MN_OK; i++) {
        struct mn_value value;

        status = mn_row_column(view, target->table, row, target->columns[i], &value);
        if (status == MN_OK) status = mn_datum_write(&value, copies != NULL, scratch, &out[i]);
    }
    return status;
}

static enum mn_status get(struct mn_session *session, struct mn_access *access,
                          const struct mn_target_names *names, const struct mn_direct_key *key,
                          bool copy, mn_datum *out)
{
    struct mn_arena *scratch = mn_direct_begin(session);
    struct mn_target *target;
    struct mn_row row;
    enum mn_status status = scratch ? MN_OK : MN_NOMEM;

    if (status == MN_OK) status = mn_target_get(session, access->view, names, &target);
    if (status == MN_OK) status = record_find(access->view, target->table, key, scratch, &row);
    if (status != MN_OK) return status;
    return columns_write(access->view, target, &row, copy ? scratch : NULL, scratch, out);
}

enum mn_status mn_direct_get(struct mn_session *session, const struct mn_snap *snap,
                             const char *table, const struct mn_direct_key *key,
                             const mn_fields *row)
{
    struct mn_target_names names;
    struct mn_access access;
    enum mn_status status = fields_check(row);

    if (status != MN_OK) return status;
    names = names_of(table, row);
    status = mn_direct_read(session, snap, &access);
    if (status == MN_OK) {
        bool copy = mn_direct_copies(session, snap);

        status = mn_access_end(&access, get(session, &access, &names, key, copy, row->values));
    }
    if (status != MN_OK) mn_datums_clear(row->values, row->count);
    return status;
}

/* ---- put ---- */

enum mn_status mn_direct_row_new(struct mn_target *target, struct mn_arena *scratch,
                                 struct mn_direct_row *row)
{
    uint32_t count = target->table->column_count;

    row->target = target;
    row->values = mn_arena_zalloc(scratch, count * sizeof *row->values);
    row->given = mn_arena_zalloc(scratch, count * sizeof *row->given);
    return row->values && row->given ? MN_OK : mn_fail_nomem();
}

/* Values of the target's columns. */
static enum mn_status row_fill(struct mn_direct_row *row, const mn_datum *values,
                               struct mn_arena *scratch)
{
    const struct mn_target *target = row->target;
    enum mn_status status = MN_OK;

    for (uint32_t i = 0; i < target->count && status == MN_OK; i++) {
        uint32_t column = target->columns[i];

        status =
            value_read(&values[i], &target->table->columns[column], scratch, &row->values[column]);
        row->given[column] = true;
    }
    return status;
}

/* Which columns are the key: (src, dst) of a relation, or those of PRIMARY KEY. */
static bool column_is_key(const struct mn_table *table, uint32_t column)
{
    return table->columns[column].primary || (table->relation && column < 2);
}

static bool has_key(const struct mn_table *table)
{
    return table->row_id_column >= 0 || table->primary || (table->relation && !table->multi);
}

static enum mn_status key_given(const struct mn_direct_row *row)
{
    const struct mn_table *table = row->target->table;

    for (uint32_t i = 0; i < table->column_count; i++) {
        if (!column_is_key(table, i) || row->given[i]) continue;
        return mn_fail(MN_SCHEMA, "the key column \"%s\" of %s is not given",
                       table->columns[i].name, table->name);
    }
    return MN_OK;
}

static enum mn_status defaults_fill(struct mn_direct_row *row, struct mn_eval *eval)
{
    enum mn_status status = MN_OK;

    for (uint32_t i = 0; i < row->target->table->column_count && status == MN_OK; i++) {
        if (row->given[i]) continue;
        status = mn_rules_default(row->target->rules, i, eval, &row->values[i]);
    }
    return status;
}

/* The row that is there gets the given values. Its bytes are copied: writing may move them. */
static enum mn_status row_update(struct mn_view *view, struct mn_direct_row *row,
                                 struct mn_eval *eval, int64_t *row_id)
{
    const struct mn_table *table = row->target->table;
    struct mn_row_update update = {*row_id, row->values, row->given};
    struct mn_row old = {.id = *row_id};
    bool found;
    enum mn_status status = mn_row_get(view, table, *row_id, &old.record, &found);

    if (status == MN_OK && !found) status = not_found(table);
    for (uint32_t i = 0; i < table->column_count && status == MN_OK; i++) {
        struct mn_value value;

        if (row->given[i]) continue;
        status = mn_row_column(view, table, &old, i, &value);
        if (status == MN_OK) status = mn_value_copy(eval->scratch, &value, &row->values[i]);
    }
    if (status == MN_OK) status = mn_rules_check(row->target->rules, eval, row->values);
    return status == MN_OK ? mn_row_update(view, table, &update, row_id) : status;
}

/* All columns of a plain table are given with their INT PRIMARY KEY: one write, and no look. */
static bool is_one_write(const struct mn_direct_row *row)
{
    const struct mn_table *table = row->target->table;

    return row->target->plain && table->row_id_column >= 0 &&
           row->target->count == table->column_count &&
           !mn_is_null(&row->values[table->row_id_column]);
}

enum mn_status mn_direct_row_store(struct mn_session *session, struct mn_view *view,
                                   struct mn_direct_row *row, int64_t *row_id)
{
    const struct mn_table *table = row->target->table;
    struct mn_eval eval = mn_direct_eval(session);
    struct mn_conflict conflict;
    bool found = false;
    enum mn_status status = mn_target_rules(row->target);

    if (status == MN_OK && is_one_write(row)) {
        *row_id = row->values[table->row_id_column].i;
        status = mn_rules_check(row->target->rules, &eval, row->values);
        return status == MN_OK ? mn_row_put(view, table, row->values) : status;
    }
    if (status == MN_OK && has_key(table)) status = key_given(row);
    if (status == MN_OK) status = defaults_fill(row, &eval);
    if (status == MN_OK && has_key(table)) {
        status = mn_row_conflict(view, table, row->values, MN_ROW_NONE, &conflict, &found);
        found = found && conflict.index == table->primary;
    }
    if (status != MN_OK) return status;
    *row_id = conflict.row_id;
    if (found) return row_update(view, row, &eval, row_id);
    status = mn_rules_check(row->target->rules, &eval, row->values);
    return status == MN_OK ? mn_row_insert(view, table, row->values, row_id) : status;
}

static enum mn_status put(struct mn_session *session, struct mn_access *access, const char *table,
                          const mn_fields *fields, int64_t *row_id)
{
    struct mn_arena *scratch = mn_direct_begin(session);
    struct mn_target_names names = names_of(table, fields);
    struct mn_target *target;
    struct mn_direct_row row;
    enum mn_status status = scratch ? MN_OK : MN_NOMEM;

    if (status == MN_OK) status = mn_target_get(session, access->view, &names, &target);
    if (status == MN_OK) status = mn_direct_row_new(target, scratch, &row);
    if (status == MN_OK) status = row_fill(&row, fields->values, scratch);
    if (status == MN_OK && !target->plain) status = mn_access_guard(access);
    return status == MN_OK ? mn_direct_row_store(session, access->view, &row, row_id) : status;
}

enum mn_status mn_direct_put(struct mn_session *session, const char *table, const mn_fields *row,
                             int64_t *row_id)
{
    struct mn_access access;
    enum mn_status status = fields_check(row);

    if (status == MN_OK) status = mn_access_write_bare(session, true, &access);
    if (status != MN_OK) return status;
    status = mn_access_end(&access, put(session, &access, table, row, row_id));
    if (status == MN_OK) session->changes = 1;
    return status;
}

/* ---- delete ---- */

static enum mn_status row_delete(struct mn_session *session, struct mn_access *access,
                                 const char *table, const struct mn_direct_key *key)
{
    struct mn_arena *scratch = mn_direct_begin(session);
    struct mn_target_names names = {.table = table};
    struct mn_row_delete options = {.row_id = 0};
    struct mn_target *target;
    bool found;
    enum mn_status status = scratch ? MN_OK : MN_NOMEM;

    if (status == MN_OK) status = mn_target_get(session, access->view, &names, &target);
    if (status != MN_OK) return status;
    status = key_is_row_id(target->table)
                 ? row_id_read(target->table, key, scratch, &options.row_id)
                 : columns_find(access->view, target->table, key, scratch, &options.row_id);
    if (status == MN_OK && !target->plain) status = mn_access_guard(access);
    if (status == MN_OK) {
        status = mn_row_delete(access->view, target->table, &options, NULL, &found);
    }
    if (status != MN_OK) return status;
    return found ? MN_OK : not_found(target->table);
}

enum mn_status mn_direct_delete(struct mn_session *session, const char *table,
                                const struct mn_direct_key *key)
{
    struct mn_access access;
    enum mn_status status = mn_access_write_bare(session, true, &access);

    if (status != MN_OK) return status;
    session->changes = 0;
    status = mn_access_end(&access, row_delete(session, &access, table, key));
    if (status == MN_OK) session->changes = 1;
    return status;
}
