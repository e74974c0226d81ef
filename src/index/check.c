/*
 * check: rows against everything that hangs on them, in both directions.
 *
 * For each table: every row has a sound record, each of its index entries, its vectors and its
 * edge keys; and each tree has exactly as many entries as the rows account for. Entries that are
 * there for every row, and as many as there should be, leave no room for one without a row.
 */
#include "index/check.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "catalog/record.h"
#include "index/index.h"
#include "index/relation/edge.h"
#include "index/row_inside.h"
#include "index/vector/ann.h"

struct checker {
    struct mn_view *view;
    const struct mn_check_options *options;
    struct mn_check_counts *counts;
    uint64_t *problems;
    const struct mn_table *table;
    struct mn_kind *kinds;
    struct mn_value *values;
    uint64_t *vectors; /* one a column: rows that have one */
    uint64_t rows;
    struct mn_buf key;
};

/* ---- reporting ---- */

static enum mn_status problem_report(struct checker *checker, const char *index,
                                     const int64_t *row_id, const char *message)
{
    struct mn_check_problem problem = {.table = checker->table->name,
                                       .index = index,
                                       .row_id = row_id ? *row_id : 0,
                                       .has_row = row_id != NULL,
                                       .message = message};

    (*checker->problems)++;
    if (!checker->options->report) return MN_OK;
    return checker->options->report(checker->options->context, &problem);
}

/* What a damaged page or record said becomes a problem; other failures end the check. */
static enum mn_status damage_report(struct checker *checker, enum mn_status status,
                                    const char *index, const int64_t *row_id)
{
    char message[MN_MESSAGE_BYTES];

    if (status != MN_CORRUPT) return status;
    snprintf(message, sizeof message, "%s", mn_error_last()->message);
    return problem_report(checker, index, row_id, message);
}

static enum mn_status count_check(struct checker *checker, const char *index, uint64_t tree,
                                  uint64_t wanted)
{
    uint64_t entries;
    char message[96];
    enum mn_status status = mn_tree_count(checker->view, tree, &entries);

    if (status != MN_OK) return damage_report(checker, status, index, NULL);
    if (entries == wanted) return MN_OK;
    snprintf(message, sizeof message, "%" PRIu64 " entries where %" PRIu64 " rows have one",
             entries, wanted);
    return problem_report(checker, index, NULL, message);
}

/* ---- one row ---- */

static enum mn_status entry_check(struct checker *checker, const struct mn_index *index,
                                  int64_t row_id)
{
    struct mn_index_entry entry = {checker->values, row_id};
    struct mn_item item = {.key = {NULL, 0}};
    bool has_id, found;
    int64_t there;
    enum mn_status status = mn_index_entry_key(index, &entry, &checker->key, &has_id);

    item.key = mn_bytes_of(checker->key.data, checker->key.len);
    if (status == MN_OK) {
        status = mn_tree_get(checker->view, index->tree, item.key, &item.value, &found);
    }
    if (status != MN_OK) return damage_report(checker, status, index->name, &row_id);
    checker->counts->index_entries++;
    if (!found) return problem_report(checker, index->name, &row_id, "the row has no entry");
    status = mn_index_entry_row(index, &item, &there);
    if (status != MN_OK) return damage_report(checker, status, index->name, &row_id);
    if (there == row_id) return MN_OK;
    return problem_report(checker, index->name, &row_id, "the row's entry names another row");
}

static enum mn_status edge_key_check(struct checker *checker, bool forward, int64_t row_id,
                                     const struct mn_ends *ends)
{
    const struct mn_table *table = checker->table;
    uint8_t key[MN_EDGE_KEY_BYTES];
    struct mn_bytes value;
    bool found;
    enum mn_status status;

    mn_row_id_put(key, forward ? ends->src : ends->dst);
    mn_row_id_put(key + 8, forward ? ends->dst : ends->src);
    mn_row_id_put(key + 16, row_id);
    status = mn_tree_get(checker->view, forward ? table->forward_tree : table->backward_tree,
                         mn_bytes_of(key, sizeof key), &value, &found);
    if (status != MN_OK) {
        return damage_report(checker, status, forward ? "forward" : "backward", &row_id);
    }
    if (found) return MN_OK;
    return problem_report(checker, forward ? "forward" : "backward", &row_id,
                          "the edge is not in the tree");
}

static enum mn_status edge_check(struct checker *checker, int64_t row_id)
{
    struct mn_ends ends;
    enum mn_status status = mn_row_ends(checker->view, checker->table, checker->values, &ends);

    if (status == MN_CONSTRAINT) return damage_report(checker, MN_CORRUPT, NULL, &row_id);
    if (status != MN_OK) return damage_report(checker, status, NULL, &row_id);
    checker->counts->edges++;
    status = edge_key_check(checker, true, row_id, &ends);
    return status == MN_OK ? edge_key_check(checker, false, row_id, &ends) : status;
}

static enum mn_status vector_check(struct checker *checker, uint32_t i, int64_t row_id)
{
    const struct mn_column *column = &checker->table->columns[i];
    struct mn_slabs slabs = mn_column_slabs(checker->view, column);
    const float *vector;
    bool wanted = !mn_is_null(&checker->values[i]);
    enum mn_status status = mn_slab_get(&slabs, row_id, &vector);

    if (status != MN_OK) return damage_report(checker, status, column->name, &row_id);
    checker->vectors[i] += vector != NULL;
    checker->counts->vectors += vector != NULL;
    if (wanted == (vector != NULL)) return MN_OK;
    return problem_report(checker, column->name, &row_id,
                          wanted ? "the row has lost its vector" : "a NULL has a vector");
}

static enum mn_status values_read(struct checker *checker, const struct mn_row *row)
{
    const struct mn_table *table = checker->table;
    enum mn_status status = mn_record_check(row->record.data, row->record.len, checker->kinds,
                                            table->column_count, table->row_id_column);

    for (uint32_t i = 0; status == MN_OK && i < table->column_count; i++) {
        if ((int)i == table->row_id_column) {
            checker->values[i] = mn_int(row->id);
            continue;
        }
        status = mn_record_get(row->record.data, row->record.len, i, &checker->kinds[i],
                               &checker->values[i], NULL);
        if (status == MN_OK && table->columns[i].not_null && mn_is_null(&checker->values[i])) {
            status = mn_fail(MN_CORRUPT, "%s is NOT NULL and has no value", table->columns[i].name);
        }
    }
    return status;
}

static enum mn_status row_check(struct checker *checker, const struct mn_row *row)
{
    const struct mn_table *table = checker->table;
    enum mn_status status = values_read(checker, row);

    checker->rows++;
    checker->counts->rows++;
    if (status != MN_OK) return damage_report(checker, status, NULL, &row->id);
    for (uint32_t i = 0; status == MN_OK && i < table->index_count; i++) {
        if (table->indexes[i].kind == MN_INDEX_BTREE) {
            status = entry_check(checker, &table->indexes[i], row->id);
        }
    }
    for (uint32_t i = 0; status == MN_OK && i < table->column_count; i++) {
        if (table->columns[i].kind.type == MN_TYPE_VECTOR) {
            status = vector_check(checker, i, row->id);
        }
    }
    return status == MN_OK && table->relation ? edge_check(checker, row->id) : status;
}

/* ---- one table ---- */

static enum mn_status slabs_check(struct checker *checker)
{
    for (uint32_t i = 0; i < checker->table->column_count; i++) {
        const struct mn_column *column = &checker->table->columns[i];
        struct mn_slabs slabs = mn_column_slabs(checker->view, column);
        uint64_t vectors;
        char message[96];
        enum mn_status status;

        if (column->kind.type != MN_TYPE_VECTOR) continue;
        status = mn_slab_check(&slabs, &vectors);
        if (status == MN_OK && vectors != checker->vectors[i]) {
            snprintf(message, sizeof message, "%" PRIu64 " vectors where %" PRIu64 " rows have one",
                     vectors, checker->vectors[i]);
            status = problem_report(checker, column->name, NULL, message);
        } else {
            status = damage_report(checker, status, column->name, NULL);
        }
        if (status != MN_OK) return status;
    }
    return MN_OK;
}

struct codes {
    struct checker *checker;
    const char *index;
};

static enum mn_status codes_report(void *context, const int64_t *row_id, const char *message)
{
    struct codes *codes = context;

    return problem_report(codes->checker, codes->index, row_id, message);
}

static enum mn_status codes_check(struct checker *checker, const struct mn_index *index)
{
    struct codes codes = {checker, index->name};
    struct mn_ann_check check = {codes_report, &codes};
    struct mn_ann ann;
    uint64_t count = 0;
    enum mn_status status = mn_ann_init(&ann, checker->view, index);

    if (status == MN_OK) status = mn_ann_check(&ann, &check, &count);
    checker->counts->index_entries += count;
    return damage_report(checker, status, index->name, NULL);
}

static enum mn_status trees_check(struct checker *checker)
{
    const struct mn_table *table = checker->table;
    enum mn_status status = MN_OK;

    for (uint32_t i = 0; status == MN_OK && i < table->index_count; i++) {
        if (table->indexes[i].kind != MN_INDEX_BTREE) continue;
        status =
            count_check(checker, table->indexes[i].name, table->indexes[i].tree, checker->rows);
    }
    if (status == MN_OK && table->relation) {
        status = count_check(checker, "forward", table->forward_tree, checker->rows);
        if (status == MN_OK) {
            status = count_check(checker, "backward", table->backward_tree, checker->rows);
        }
    }
    if (status == MN_OK) status = slabs_check(checker);
    for (uint32_t i = 0; status == MN_OK && i < table->index_count; i++) {
        if (mn_index_is_coded(&table->indexes[i]))
            status = codes_check(checker, &table->indexes[i]);
    }
    return status;
}

static enum mn_status rows_check(struct checker *checker)
{
    struct mn_scan_options options = {.table = checker->table};
    struct mn_index_scan *scan;
    bool found = true;
    enum mn_status status = mn_index_scan_open(checker->view, &options, &scan);

    while (status == MN_OK) {
        struct mn_row row;

        status = mn_index_scan_next(scan, &row.id, &row.record, &found);
        if (status == MN_CORRUPT) {
            found = false;
            status = damage_report(checker, status, NULL, NULL);
        }
        if (status != MN_OK || !found) break;
        status = row_check(checker, &row);
    }
    mn_index_scan_close(scan);
    return status;
}

static enum mn_status table_check(struct checker *checker)
{
    const struct mn_table *table = checker->table;
    struct mn_arena arena;
    enum mn_status status = MN_OK;

    mn_arena_init(&arena, 0);
    checker->rows = 0;
    checker->counts->tables++;
    checker->kinds = mn_arena_alloc(&arena, table->column_count * sizeof *checker->kinds);
    checker->values = mn_arena_alloc(&arena, table->column_count * sizeof *checker->values);
    checker->vectors = mn_arena_zalloc(&arena, table->column_count * sizeof *checker->vectors);
    if (!checker->kinds || !checker->values || !checker->vectors) status = mn_fail_nomem();
    for (uint32_t i = 0; status == MN_OK && i < table->column_count; i++) {
        checker->kinds[i] = table->columns[i].kind;
    }
    if (status == MN_OK) status = rows_check(checker);
    if (status == MN_OK) status = trees_check(checker);
    mn_arena_release(&arena);
    return status;
}

/* ---- all trees ---- */

static enum mn_status tree_note(struct mn_buf *trees, uint64_t tree)
{
    return mn_buf_append(trees, &tree, sizeof tree);
}

/* The numbers of all trees that the catalogue names. */
static enum mn_status trees_named(const struct mn_schema *schema, struct mn_buf *trees)
{
    enum mn_status status = tree_note(trees, MN_TREE_CATALOGUE);

    if (status == MN_OK) status = tree_note(trees, MN_TREE_SPARE);
    for (uint32_t t = 0; status == MN_OK && t < schema->table_count; t++) {
        const struct mn_table *table = &schema->tables[t];

        status = tree_note(trees, table->tree);
        for (uint32_t i = 0; status == MN_OK && i < table->column_count; i++) {
            if (table->columns[i].kind.type == MN_TYPE_VECTOR) {
                status = tree_note(trees, table->columns[i].slab_tree);
            }
        }
        for (uint32_t i = 0; status == MN_OK && i < table->index_count; i++) {
            uint64_t count = table->indexes[i].kind == MN_INDEX_BTREE ? 1 : MN_VECTOR_TREES;

            if (table->indexes[i].tree == 0) continue;
            for (uint64_t n = 0; status == MN_OK && n < count; n++) {
                status = tree_note(trees, table->indexes[i].tree + n);
            }
        }
        if (status == MN_OK && table->relation) status = tree_note(trees, table->forward_tree);
        if (status == MN_OK && table->relation) status = tree_note(trees, table->backward_tree);
    }
    return status;
}

static int tree_order(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

struct named {
    struct checker *checker;
    const uint64_t *trees; /* ascending */
    size_t count;
};

static enum mn_status tree_problem(struct checker *checker, uint64_t tree, const char *what)
{
    char message[96];
    struct mn_check_problem problem = {.table = "(catalogue)", .message = message};

    snprintf(message, sizeof message, "tree %" PRIu64 " %s", tree, what);
    (*checker->problems)++;
    if (!checker->options->report) return MN_OK;
    return checker->options->report(checker->options->context, &problem);
}

static enum mn_status root_check(void *context, const struct mn_root *root)
{
    const struct named *named = context;

    if (bsearch(&root->tree, named->trees, named->count, sizeof root->tree, tree_order)) {
        return MN_OK;
    }
    return tree_problem(named->checker, root->tree, "belongs to no table");
}

/* Each tree belongs to one table or index, and none is left over. */
static enum mn_status names_check(struct checker *checker, const struct mn_schema *schema)
{
    struct mn_buf trees = {0};
    struct named named = {.checker = checker};
    enum mn_status status = trees_named(schema, &trees);

    if (status == MN_OK) {
        uint64_t *numbers = (uint64_t *)(void *)trees.data;

        named.trees = numbers;
        named.count = trees.len / sizeof *numbers;
        qsort(numbers, named.count, sizeof *numbers, tree_order);
        for (size_t i = 1; status == MN_OK && i < named.count; i++) {
            if (numbers[i] == numbers[i - 1]) {
                status = tree_problem(checker, numbers[i], "has two owners");
            }
        }
    }
    if (status == MN_OK) status = mn_tree_each(checker->view, root_check, &named);
    mn_buf_release(&trees);
    return status;
}

/* ---- the second copy of the definitions ---- */

static bool same_bytes(struct mn_bytes a, struct mn_bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static enum mn_status copy_check(struct checker *checker, const struct mn_item *item)
{
    struct mn_bytes copy = item->run.len ? item->run : item->value, entry;
    bool found;
    enum mn_status status =
        mn_tree_get(checker->view, MN_TREE_CATALOGUE, item->key, &entry, &found);

    if (status != MN_OK || (found && same_bytes(copy, entry))) return status;
    return tree_problem(checker, MN_TREE_SPARE,
                        found ? "has another definition than the catalogue"
                              : "has a definition that the catalogue does not have");
}

/* Salvage takes what it says where the catalogue is damaged. Files from before it lack entries. */
static enum mn_status copies_check(struct checker *checker)
{
    struct mn_cursor *cursor;
    struct mn_item item;
    bool found = false;
    enum mn_status status = mn_cursor_open(checker->view, MN_TREE_SPARE, &cursor);

    if (status == MN_OK) status = mn_cursor_first(cursor, &found);
    while (status == MN_OK && found) {
        status = mn_cursor_item(cursor, &item);
        if (status == MN_OK) status = copy_check(checker, &item);
        if (status == MN_OK) status = mn_cursor_next(cursor, &found);
    }
    mn_cursor_close(cursor);
    return status == MN_CORRUPT ? tree_problem(checker, MN_TREE_SPARE, "cannot be read") : status;
}

enum mn_status mn_rows_check(struct mn_view *view, const struct mn_check_options *options,
                             struct mn_check_counts *counts, uint64_t *problems)
{
    struct checker checker = {
        .view = view, .options = options, .counts = counts, .problems = problems};
    const struct mn_schema *schema;
    enum mn_status status = mn_schema_load(view, &schema);

    *counts = (struct mn_check_counts){0};
    *problems = 0;
    if (status != MN_OK) return status;
    for (uint32_t i = 0; status == MN_OK && i < schema->table_count; i++) {
        checker.table = &schema->tables[i];
        status = table_check(&checker);
    }
    if (status == MN_OK) status = names_check(&checker, schema);
    if (status == MN_OK) status = copies_check(&checker);
    mn_buf_release(&checker.key);
    mn_schema_unref(schema);
    return status;
}
