/*
 * Tests of index/row: random changes of rows and edges against a model of plain arrays, which knows
 * nothing of trees: what may be stored, what is there afterwards, and in which order indexes give
 * it.
 */
#include "index/row.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "catalog/key.h"
#include "index/build.h"
#include "index/check.h"
#include "index/index.h"
#include "index/relation/edge.h"
#include "store/store.h"
#include "support/base.h"
#include "support/test.h"

/* ---- the tables ---- */

enum { ID, NAME, SCORE, AT, VECTOR, COLUMNS };

static const struct mn_column item_columns[] = {
    {.name = "id", .kind = {.type = MN_TYPE_INT}},
    {.name = "name", .kind = {.type = MN_TYPE_TEXT}},
    {.name = "score", .kind = {.type = MN_TYPE_FLOAT}},
    {.name = "at", .kind = {.type = MN_TYPE_TIMESTAMP}, .not_null = true},
    {.name = "v", .kind = {.type = MN_TYPE_VECTOR, .dims = 3}},
};
static const struct mn_index_column by_id[] = {{ID, 0}}, by_name[] = {{NAME, 0}};
static const struct mn_index_column by_score[] = {{SCORE, MN_KEY_DESC}, {AT, 0}};
static const struct mn_key_def unique_name[] = {{NULL, 1, by_name}};
static const struct mn_column weight_column[] = {{.name = "weight", .kind = {.type = MN_TYPE_INT}}};

static void tables_create(struct mn_view *view, bool hidden_ids)
{
    struct mn_table_def item = {.name = "item",
                                .column_count = COLUMNS,
                                .columns = item_columns,
                                .primary = {NULL, 1, hidden_ids ? by_name : by_id},
                                .unique_count = hidden_ids ? 0 : 1,
                                .uniques = unique_name};
    struct mn_index_def score = {.name = "item_score",
                                 .table = "item",
                                 .kind = MN_INDEX_BTREE,
                                 .column_count = 2,
                                 .columns = by_score};
    struct mn_relation_def link = {
        .from = "item",
        .to = "item",
        .table = {.name = "link", .column_count = 1, .columns = weight_column}};

    assert_int_equal(mn_schema_create_table(view, &item, NULL), MN_OK);
    assert_int_equal(mn_index_create(view, &score), MN_OK);
    assert_int_equal(mn_schema_create_relation(view, &link, NULL), MN_OK);
    link.table.name = "log";
    link.multi = true;
    assert_int_equal(mn_schema_create_relation(view, &link, NULL), MN_OK);
}

/* ---- the model ---- */

enum { NONE = -1, ROWS = 64, EDGES = 512 };

struct row {
    bool there;
    int64_t id;
    int name, score, at, v; /* NONE is NULL */
};

struct edge {
    bool there;
    int64_t src, dst, id;
    int weight;
};

struct model {
    struct row rows[ROWS];
    struct edge edges[2][EDGES]; /* link, log */
};

static struct row *model_row(struct model *model, int64_t id)
{
    for (int i = 0; i < ROWS; i++) {
        if (model->rows[i].there && model->rows[i].id == id) return &model->rows[i];
    }
    return NULL;
}

static bool model_name_taken(const struct model *model, int name, const struct row *except)
{
    for (int i = 0; i < ROWS; i++) {
        const struct row *row = &model->rows[i];

        if (row->there && row != except && name != NONE && row->name == name) return true;
    }
    return false;
}

static struct row *model_room(struct model *model)
{
    for (int i = 0; i < ROWS; i++) {
        if (!model->rows[i].there) return &model->rows[i];
    }
    return NULL;
}

static struct edge *model_edge(struct model *model, int relation, int64_t src, int64_t dst)
{
    for (int i = 0; i < EDGES; i++) {
        struct edge *edge = &model->edges[relation][i];

        if (edge->there && edge->src == src && edge->dst == dst) return edge;
    }
    return NULL;
}

static bool model_has_edges(const struct model *model, int64_t id)
{
    for (int i = 0; i < 2 * EDGES; i++) {
        const struct edge *edge = &model->edges[i / EDGES][i % EDGES];

        if (edge->there && (edge->src == id || edge->dst == id)) return true;
    }
    return false;
}

static uint64_t model_edges_drop(struct model *model, int64_t id)
{
    uint64_t count = 0;

    for (int i = 0; i < 2 * EDGES; i++) {
        struct edge *edge = &model->edges[i / EDGES][i % EDGES];

        if (edge->there && (edge->src == id || edge->dst == id)) {
            edge->there = false;
            count++;
        }
    }
    return count;
}

/* ---- one database beside the model ---- */

struct base {
    struct mn_store *store;
    struct mn_view *view;
    const struct mn_schema *schema;
    const struct mn_table *item, *relations[2];
    struct model model;
    uint64_t random;
    char names[ROWS][16];
    float vectors[ROWS + 2];
};

static uint64_t draw(struct base *base, uint64_t below)
{
    return (test_random(&base->random) >> 20) % below;
}

static void base_open(struct base *base, uint32_t page_size)
{
    memset(base, 0, sizeof *base);
    base->random = test_seed();
    base->store = test_base_open(page_size);
    assert_int_equal(mn_write_begin(base->store, 0, &base->view), MN_OK);
    tables_create(base->view, false);
    base->schema = test_schema(base->view);
    base->item = test_table(base->schema, "item");
    base->relations[0] = test_table(base->schema, "link");
    base->relations[1] = test_table(base->schema, "log");
    for (int i = 0; i < ROWS; i++) snprintf(base->names[i], sizeof base->names[i], "name%d", i);
    for (int i = 0; i < ROWS + 2; i++) base->vectors[i] = (float)i;
}

static void base_close(struct base *base)
{
    mn_schema_unref(base->schema);
    mn_write_abort(base->view);
    assert_int_equal(mn_store_close(base->store), MN_OK);
}

static void values_of(const struct base *base, const struct row *row, struct mn_value *values)
{
    values[ID] = mn_int(row->id);
    values[NAME] = row->name == NONE
                       ? mn_null()
                       : mn_text(base->names[row->name], strlen(base->names[row->name]));
    values[SCORE] = row->score == NONE ? mn_null() : mn_float(row->score / 2.0);
    values[AT] = row->at == NONE ? mn_null() : mn_timestamp(row->at);
    values[VECTOR] = row->v == NONE ? mn_null() : mn_vector(&base->vectors[row->v], 3);
}

static struct row row_draw(struct base *base)
{
    return (struct row){.there = true,
                        .id = (int64_t)draw(base, 40) - 5,
                        .name = (int)draw(base, 30) - 1,
                        .score = (int)draw(base, 8) - 1,
                        .at = draw(base, 30) ? (int)draw(base, 20) : NONE,
                        .v = (int)draw(base, 20) - 1};
}

/* Runs under a savepoint of its own, as a statement does. */
static uint32_t statement_begin(struct base *base)
{
    uint32_t savepoint;

    assert_int_equal(mn_savepoint_begin(base->view, &savepoint), MN_OK);
    return savepoint;
}

static void statement_end(struct base *base, uint32_t savepoint, enum mn_status status,
                          bool allowed)
{
    if (allowed && status != MN_OK) fail_msg("refused: %s", mn_error_last()->message);
    if (!allowed) assert_int_equal(status, MN_CONSTRAINT);
    if (status != MN_OK) mn_savepoint_rollback(base->view, savepoint);
    mn_savepoint_release(base->view, savepoint);
}

static void insert_step(struct base *base)
{
    struct row row = row_draw(base), *room = model_room(&base->model);
    struct mn_value values[COLUMNS];
    int64_t id = INT64_MIN, greatest = 0;
    bool allowed, any = false, number = draw(base, 3) == 0;
    uint32_t savepoint = statement_begin(base);
    enum mn_status status;

    for (int i = 0; i < ROWS; i++) {
        const struct row *other = &base->model.rows[i];

        if (other->there && (!any || other->id > greatest)) greatest = other->id;
        any = any || other->there;
    }
    if (number) row.id = any ? greatest + 1 : 1;
    allowed = room && row.at != NONE && !model_row(&base->model, row.id) &&
              !model_name_taken(&base->model, row.name, NULL);
    values_of(base, &row, values);
    if (number) values[ID] = mn_null();
    status = room ? mn_row_insert(base->view, base->item, values, &id) : MN_CONSTRAINT;
    statement_end(base, savepoint, status, allowed);
    if (!allowed) return;
    assert_true(id == row.id);
    *room = row;
}

static void update_step(struct base *base)
{
    struct row *old = model_row(&base->model, (int64_t)draw(base, 40) - 5), new;
    struct row drawn = row_draw(base);
    struct mn_value values[COLUMNS];
    bool changed[COLUMNS], moves, allowed;
    int64_t id = INT64_MIN;
    struct mn_row_update update = {.values = values};
    uint32_t savepoint = statement_begin(base);
    enum mn_status status;

    for (int i = 0; i < COLUMNS; i++) changed[i] = draw(base, 2);
    if (draw(base, 3)) changed[ID] = false;
    update.changed = changed;
    update.row_id = old ? old->id : INT64_C(1000);
    if (!old) {
        values_of(base, &drawn, values);
        assert_int_equal(mn_row_update(base->view, base->item, &update, &id), MN_NOTFOUND);
        mn_savepoint_release(base->view, savepoint);
        return;
    }
    new = *old;
    if (changed[ID]) new.id = drawn.id;
    if (changed[NAME]) new.name = drawn.name;
    if (changed[SCORE]) new.score = drawn.score;
    if (changed[AT]) new.at = drawn.at;
    if (changed[VECTOR]) new.v = drawn.v;
    moves = new.id != old->id;
    allowed = new.at != NONE && !(moves && model_row(&base->model, new.id)) &&
              !(moves && model_has_edges(&base->model, old->id)) &&
              !model_name_taken(&base->model, new.name, old);
    values_of(base, &new, values);
    if (draw(base, 2)) update.changed = NULL;
    for (int i = 0; update.changed && i < COLUMNS; i++) {
        if (!changed[i]) values[i] = mn_null(); /* not read */
    }
    status = mn_row_update(base->view, base->item, &update, &id);
    statement_end(base, savepoint, status, allowed);
    if (!allowed) return;
    assert_true(id == new.id);
    *old = new;
}

static void delete_step(struct base *base)
{
    int64_t id = (int64_t)draw(base, 40) - 5;
    struct row *row = model_row(&base->model, id);
    struct mn_row_delete options = {.row_id = id};
    uint64_t edges = 0;
    bool found;

    assert_int_equal(mn_row_delete(base->view, base->item, &options, &edges, &found), MN_OK);
    assert_int_equal(found, row != NULL);
    if (row) row->there = false;
    assert_int_equal(edges, row ? model_edges_drop(&base->model, id) : 0);
}

static void link_step(struct base *base)
{
    int which = (int)draw(base, 2);
    struct edge edge = {.there = true,
                        .src = (int64_t)draw(base, 40) - 5,
                        .dst = (int64_t)draw(base, 40) - 5,
                        .weight = (int)draw(base, 9)};
    struct mn_value values[3] = {mn_int(edge.src), mn_int(edge.dst), mn_int(edge.weight)};
    struct edge *room = NULL;
    bool allowed;
    uint32_t savepoint;
    enum mn_status status;

    for (int i = 0; i < EDGES && !room; i++) {
        if (!base->model.edges[which][i].there) room = &base->model.edges[which][i];
    }
    if (!room) return;
    allowed = model_row(&base->model, edge.src) && model_row(&base->model, edge.dst) &&
              (which == 1 || !model_edge(&base->model, 0, edge.src, edge.dst));
    savepoint = statement_begin(base);
    status = mn_row_insert(base->view, base->relations[which], values, &edge.id);
    statement_end(base, savepoint, status, allowed);
    if (!allowed) return;
    for (int i = 0; i < EDGES; i++) { /* a hidden id is never given twice, nor after a delete */
        assert_false(base->model.edges[which][i].id == edge.id);
    }
    *room = edge;
}

static void unlink_step(struct base *base)
{
    int which = (int)draw(base, 2);
    struct edge *edge = &base->model.edges[which][draw(base, EDGES)];
    struct mn_row_delete options = {.row_id = edge->id};
    bool found;

    if (!edge->there) return;
    assert_int_equal(mn_row_delete(base->view, base->relations[which], &options, NULL, &found),
                     MN_OK);
    assert_true(found);
    edge->there = false;
}

static void edge_update_step(struct base *base)
{
    struct edge *edge = &base->model.edges[0][draw(base, 20)];
    int64_t dst = (int64_t)draw(base, 40) - 5;
    bool changed[3] = {false, true, false}, allowed;
    struct mn_value values[3] = {mn_null(), mn_int(dst), mn_null()};
    struct mn_row_update update = {edge->id, values, changed};
    uint32_t savepoint;
    enum mn_status status;

    if (!edge->there) return;
    allowed = model_row(&base->model, dst) &&
              (dst == edge->dst || !model_edge(&base->model, 0, edge->src, dst));
    savepoint = statement_begin(base);
    status = mn_row_update(base->view, base->relations[0], &update, NULL);
    statement_end(base, savepoint, status, allowed);
    if (allowed) edge->dst = dst;
}

/* ---- what must be there ---- */

static void row_equals(struct base *base, const struct mn_row *row, const struct row *want)
{
    struct mn_value values[COLUMNS];

    values_of(base, want, values);
    for (uint32_t i = 0; i < COLUMNS; i++) {
        struct mn_value got;

        assert_int_equal(mn_row_column(base->view, base->item, row, i, &got), MN_OK);
        assert_int_equal(got.type, values[i].type);
        assert_int_equal(mn_value_order(&got, &values[i]), 0);
    }
}

static void rows_equal_the_model(struct base *base)
{
    struct mn_scan_options options = {.table = base->item};
    struct mn_index_scan *scan;
    uint64_t count = 0, want = 0;
    struct mn_row row;
    bool found;

    assert_int_equal(mn_index_scan_open(base->view, &options, &scan), MN_OK);
    for (;;) {
        const struct row *known;

        assert_int_equal(mn_index_scan_next(scan, &row.id, &row.record, &found), MN_OK);
        if (!found) break;
        known = model_row(&base->model, row.id);
        assert_non_null(known);
        row_equals(base, &row, known);
        count++;
    }
    mn_index_scan_close(scan);
    for (int i = 0; i < ROWS; i++) want += base->model.rows[i].there;
    assert_int_equal(count, want);
}

static int score_order(const void *a, const void *b)
{
    const struct row *x = a, *y = b;

    if (x->score != y->score) {
        if (x->score == NONE || y->score == NONE) return x->score == NONE ? 1 : -1;
        return y->score - x->score;
    }
    if (x->at != y->at) return x->at - y->at;
    return (x->id > y->id) - (x->id < y->id);
}

/* Rows of the model in the order of (score DESC, at), those only that lie in the bounds. */
static size_t score_range(const struct base *base, const struct mn_index_range *range,
                          struct row *rows)
{
    size_t count = 0;

    for (int i = 0; i < ROWS; i++) {
        const struct row *row = &base->model.rows[i];
        struct mn_value values[COLUMNS];
        const struct mn_value *bounded = &values[range->equal_count ? AT : SCORE];

        values_of(base, row, values);
        if (!row->there) continue;
        if (range->equal_count && mn_value_order(&values[SCORE], range->equal) != 0) continue;
        if ((range->low || range->high) && mn_is_null(bounded)) continue;
        if (range->low && mn_value_order(bounded, range->low) < !!range->low_open) continue;
        if (range->high && mn_value_order(bounded, range->high) > -!!range->high_open) continue;
        rows[count++] = *row;
    }
    qsort(rows, count, sizeof *rows, score_order);
    return count;
}

static void scan_equals(struct base *base, const struct mn_scan_options *options,
                        const struct row *rows, size_t count)
{
    struct mn_index_scan *scan;
    uint64_t skip = draw(base, 3) ? 0 : draw(base, count + 2), skipped;
    struct mn_arena arena;
    bool found;
    int64_t id;

    mn_arena_init(&arena, 0);
    assert_int_equal(mn_index_scan_open(base->view, options, &scan), MN_OK);
    assert_int_equal(mn_index_scan_skip(scan, skip, &skipped), MN_OK);
    assert_int_equal(skipped, skip < count ? skip : count);
    for (size_t i = (size_t)skipped; i < count; i++) {
        const struct row *want = &rows[options->backward ? count - 1 - i : i];
        struct mn_value at;

        assert_int_equal(mn_index_scan_next(scan, &id, NULL, &found), MN_OK);
        assert_true(found);
        assert_true(id == want->id);
        assert_int_equal(mn_index_scan_column(scan, 1, &arena, &at), MN_OK);
        assert_true(at.i == want->at);
    }
    assert_int_equal(mn_index_scan_next(scan, &id, NULL, &found), MN_OK);
    assert_false(found);
    mn_index_scan_close(scan);
    mn_arena_release(&arena);
}

static void ranges_equal_the_model(struct base *base)
{
    const struct mn_index *index = mn_schema_index(base->schema, "item_score", 10);

    for (int round = 0; round < 40; round++) {
        bool inner = draw(base, 2);
        struct mn_value equal = draw(base, 8) ? mn_float((double)draw(base, 8) / 2) : mn_null();
        struct mn_value low =
            inner ? mn_timestamp((int64_t)draw(base, 20)) : mn_float((double)draw(base, 8) / 2);
        struct mn_value high =
            inner ? mn_timestamp((int64_t)draw(base, 20)) : mn_float((double)draw(base, 8) / 2);
        struct mn_index_range range = {.equal = &equal,
                                       .equal_count = inner,
                                       .low = draw(base, 3) ? &low : NULL,
                                       .high = draw(base, 3) ? &high : NULL,
                                       .low_open = draw(base, 2),
                                       .high_open = draw(base, 2)};
        struct mn_key_range keys = {.empty = false};
        struct mn_scan_options options = {
            .table = base->item, .index = index, .keys = &keys, .backward = draw(base, 2)};
        struct row rows[ROWS];
        size_t count = score_range(base, &range, rows);
        uint64_t counted;

        assert_int_equal(mn_index_range_keys(base->item, index, &range, &keys), MN_OK);
        assert_int_equal(mn_index_range_count(base->view, base->item, index, &keys, &counted),
                         MN_OK);
        assert_int_equal(counted, count);
        scan_equals(base, &options, rows, count);
        mn_key_range_release(&keys);
    }
}

static void row_id_ranges_equal_the_model(struct base *base)
{
    for (int round = 0; round < 20; round++) {
        struct mn_value low = mn_int((int64_t)draw(base, 40) - 5);
        struct mn_value high = mn_float((double)((int64_t)draw(base, 80) - 10) / 2);
        struct mn_index_range range = {.low = draw(base, 3) ? &low : NULL,
                                       .high = draw(base, 3) ? &high : NULL,
                                       .low_open = draw(base, 2),
                                       .high_open = draw(base, 2)};
        struct mn_key_range keys = {.empty = false};
        uint64_t counted, count = 0;

        for (int i = 0; i < ROWS; i++) {
            struct mn_value id = mn_int(base->model.rows[i].id);

            if (!base->model.rows[i].there) continue;
            if (range.low && mn_value_order(&id, &low) < range.low_open) continue;
            if (range.high && mn_value_order(&id, &high) > -range.high_open) continue;
            count++;
        }
        assert_int_equal(mn_index_range_keys(base->item, NULL, &range, &keys), MN_OK);
        assert_int_equal(mn_index_range_count(base->view, base->item, NULL, &keys, &counted),
                         MN_OK);
        assert_int_equal(counted, count);
        mn_key_range_release(&keys);
    }
}

static void edges_equal_the_model(struct base *base)
{
    for (int which = 0; which < 2; which++) {
        for (int out = 0; out < 2; out++) {
            struct mn_edge_scan *scan;

            assert_int_equal(mn_edge_scan_open(base->view, base->relations[which],
                                               out ? MN_EDGE_OUT : MN_EDGE_IN, &scan),
                             MN_OK);
            for (int64_t node = -5; node < 35; node++) {
                struct mn_edge edges[7];
                uint64_t want = 0, got = 0, degree;
                size_t count;

                for (int i = 0; i < EDGES; i++) {
                    const struct edge *edge = &base->model.edges[which][i];

                    want += edge->there && (out ? edge->src : edge->dst) == node;
                }
                assert_int_equal(mn_edge_scan_node(scan, node), MN_OK);
                do {
                    assert_int_equal(mn_edge_scan_next(scan, edges, 7, &count), MN_OK);
                    for (size_t i = 0; i < count; i++) {
                        int64_t src = out ? node : edges[i].node, dst = out ? edges[i].node : node;

                        assert_non_null(model_edge(&base->model, which, src, dst));
                    }
                    got += count;
                } while (count > 0);
                assert_int_equal(got, want);
                assert_int_equal(mn_edge_degree(base->view, base->relations[which],
                                                out ? MN_EDGE_OUT : MN_EDGE_IN, node, &degree),
                                 MN_OK);
                assert_int_equal(degree, want);
            }
            mn_edge_scan_close(scan);
        }
    }
}

static void everything_equals_the_model(struct base *base)
{
    struct mn_check_counts counts;

    test_rows_are_sound(base->view, &counts);
    rows_equal_the_model(base);
    ranges_equal_the_model(base);
    row_id_ranges_equal_the_model(base);
    edges_equal_the_model(base);
}

static void random_changes_follow_the_model(void **state)
{
    int steps = test_is_deep() ? 200000 : 6000;

    (void)state;
    for (uint32_t page_size = 512; page_size <= 4096; page_size *= 8) {
        struct base *base = calloc(1, sizeof *base);

        assert_non_null(base);
        base_open(base, page_size);
        for (int step = 0; step < steps; step++) {
            uint64_t kind = draw(base, 20);

            if (kind < 6) insert_step(base);
            if (kind >= 6 && kind < 10) update_step(base);
            if (kind == 10 || kind == 11) delete_step(base);
            if (kind >= 12 && kind < 17) link_step(base);
            if (kind == 17 || kind == 18) unlink_step(base);
            if (kind == 19) edge_update_step(base);
            if (step % 500 == 499) everything_equals_the_model(base);
            if (step % 1000 == 999) {
                assert_int_equal(mn_write_commit(base->view, NULL), MN_OK);
                assert_int_equal(mn_write_begin(base->store, 0, &base->view), MN_OK);
            }
        }
        base_close(base);
        free(base);
    }
}

/* ---- single facts ---- */

static void insert_is_refused(struct base *base, const struct mn_table *table,
                              const struct mn_value *values, const char *message)
{
    uint32_t savepoint = statement_begin(base);
    int64_t id;

    assert_int_not_equal(mn_row_insert(base->view, table, values, &id), MN_OK);
    assert_non_null(strstr(mn_error_last()->message, message));
    mn_savepoint_rollback(base->view, savepoint);
    mn_savepoint_release(base->view, savepoint);
}

static void messages_name_table_column_and_key(void **state)
{
    struct base *base = calloc(1, sizeof *base);
    struct row row = {true, 7, 3, 1, 5, 2};
    struct mn_value values[COLUMNS];
    struct mn_value ends[3] = {mn_int(7), mn_int(8), mn_null()};
    const float bad[3] = {1.0F, 2.0F, (float)NAN};
    int64_t id;

    (void)state;
    assert_non_null(base);
    base_open(base, 4096);
    values_of(base, &row, values);
    assert_int_equal(mn_row_insert(base->view, base->item, values, &id), MN_OK);
    insert_is_refused(base, base->item, values, "item has id = 7 already");
    values[ID] = mn_int(8);
    insert_is_refused(base, base->item, values, "item has name = name3 already");
    values[AT] = mn_null();
    insert_is_refused(base, base->item, values, "at of item is NOT NULL");
    insert_is_refused(base, base->relations[0], ends, "no row 8 in item (dst of link)");
    ends[1] = mn_int(7);
    assert_int_equal(mn_row_insert(base->view, base->relations[0], ends, &id), MN_OK);
    insert_is_refused(base, base->relations[0], ends, "link has (src, dst) = (7, 7) already");
    values[AT] = mn_timestamp(0);
    values[NAME] = mn_null();
    values[VECTOR] = mn_vector(bad, 3);
    insert_is_refused(base, base->item, values, "v of item");
    base_close(base);
    free(base);
}

static void conflicts_name_their_index(void **state)
{
    struct base *base = calloc(1, sizeof *base);
    struct row row = {true, 7, 3, 1, 5, 2};
    struct mn_value values[COLUMNS];
    struct mn_conflict conflict;
    int64_t id;
    bool found;

    (void)state;
    assert_non_null(base);
    base_open(base, 4096);
    values_of(base, &row, values);
    assert_int_equal(mn_row_insert(base->view, base->item, values, &id), MN_OK);
    assert_int_equal(
        mn_row_conflict(base->view, base->item, values, MN_ROW_NONE, &conflict, &found), MN_OK);
    assert_true(found);
    assert_null(conflict.index);
    assert_true(conflict.row_id == 7);
    assert_int_equal(mn_row_conflict(base->view, base->item, values, 7, &conflict, &found), MN_OK);
    assert_false(found);
    values[ID] = mn_null();
    assert_int_equal(
        mn_row_conflict(base->view, base->item, values, MN_ROW_NONE, &conflict, &found), MN_OK);
    assert_true(found);
    assert_string_equal(conflict.index->name, "item_name_key");
    values[NAME] = mn_null();
    assert_int_equal(
        mn_row_conflict(base->view, base->item, values, MN_ROW_NONE, &conflict, &found), MN_OK);
    assert_false(found);
    base_close(base);
    free(base);
}

/* A vector may be given from the row that has it, or from another. */
static void vectors_move_within_their_slabs(void **state)
{
    struct base *base = calloc(1, sizeof *base);
    struct mn_value values[COLUMNS], vector;
    struct mn_check_counts counts;
    int64_t id;

    (void)state;
    assert_non_null(base);
    base_open(base, 512);
    for (int i = 0; i < 60; i++) {
        struct row row = {true, i, NONE, NONE, 0, i};

        values_of(base, &row, values);
        assert_int_equal(mn_row_insert(base->view, base->item, values, &id), MN_OK);
    }
    for (int64_t i = 0; i < 60; i += 2) {
        struct mn_row source = {.id = 59 - i};
        bool found;

        assert_int_equal(mn_row_get(base->view, base->item, source.id, &source.record, &found),
                         MN_OK);
        assert_int_equal(mn_row_column(base->view, base->item, &source, VECTOR, &vector), MN_OK);
        assert_int_equal(mn_row_set_vector(base->view, base->item, i, VECTOR, &vector), MN_OK);
        source.id = i;
        assert_int_equal(mn_row_get(base->view, base->item, i, &source.record, &found), MN_OK);
        assert_int_equal(mn_row_column(base->view, base->item, &source, VECTOR, &vector), MN_OK);
        assert_true(((const float *)vector.p)[0] == (float)(59 - i));
    }
    vector = mn_null();
    assert_int_equal(mn_row_set_vector(base->view, base->item, 3, VECTOR, &vector), MN_OK);
    test_rows_are_sound(base->view, &counts);
    assert_int_equal(counts.vectors, 59);
    base_close(base);
    free(base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_changes_follow_the_model),
        cmocka_unit_test(messages_name_table_column_and_key),
        cmocka_unit_test(conflicts_name_their_index),
        cmocka_unit_test(vectors_move_within_their_slabs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
