/*
 * Tests of cover and time of a vector index: whatever changed the rows, a filter that covered
 * columns answer gives what the rows say. The truth is a model; beside it stands the same table
 * with an index that covers nothing, which must answer the same.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "index/vector/ann.h"
#include "index/vector/distance.h"
#include "mneme.h"
#include "support/api.h"
#include "support/near.h"
#include "support/test.h"

enum { DIMS = 8, ROWS = 900, K = 10, PARTS = 3 };
enum { TS, INT_A, FLOAT_F, BOOL_B, DUR_D, COLUMNS };

struct row {
    bool there, vectored, null[COLUMNS];
    int64_t part;
    int64_t value[COLUMNS]; /* FLOAT: halves of it */
    float vector[DIMS];
};

static mn_db *db;
static uint64_t seed;
static struct row now[ROWS], before[ROWS];

static uint64_t chance(uint64_t n)
{
    return test_random(&seed) % n;
}

static mn_stmt *prepare(const char *sql)
{
    mn_stmt *stmt;

    if (mn_prepare(db, sql, MN_ALL, &stmt, NULL) != MN_OK) fail_msg("%s: %s", sql, mn_errmsg(db));
    return stmt;
}

static void finish(mn_stmt *stmt)
{
    if (mn_step(stmt) != MN_DONE) fail_msg("%s", mn_errmsg(db));
    mn_finalize(stmt);
}

/* ---- rows ---- */

static void vector_draw(float *vector)
{
    for (int i = 0; i < DIMS; i++) vector[i] = (float)(int64_t)(chance(2000)) / 1000 - 1;
}

static int64_t value_draw(int column)
{
    return column == BOOL_B ? (int64_t)chance(2) : (int64_t)chance(200) - 100;
}

static void column_bind(mn_stmt *stmt, int at, const struct row *row, int column)
{
    if (row->null[column])
        assert_int_equal(mn_bind_null(stmt, at), MN_OK);
    else if (column == TS)
        assert_int_equal(mn_bind_time(stmt, at, row->value[column]), MN_OK);
    else if (column == FLOAT_F)
        assert_int_equal(mn_bind_float(stmt, at, (double)row->value[column] / 2), MN_OK);
    else if (column == BOOL_B)
        assert_int_equal(mn_bind_bool(stmt, at, row->value[column] != 0), MN_OK);
    else if (column == DUR_D)
        assert_int_equal(mn_bind_duration(stmt, at, row->value[column]), MN_OK);
    else
        assert_int_equal(mn_bind_int(stmt, at, row->value[column]), MN_OK);
}

static void vector_bind(mn_stmt *stmt, int at, const struct row *row)
{
    if (row->vectored)
        assert_int_equal(mn_bind_vector(stmt, at, row->vector, DIMS, MN_COPY), MN_OK);
    else
        assert_int_equal(mn_bind_null(stmt, at), MN_OK);
}

static void row_put(const char *table, int64_t id)
{
    char sql[200];

    snprintf(sql, sizeof sql, "UPSERT INTO %s VALUES ($1, $2, $3, $4, $5, $6, $7, $8)", table);
    mn_stmt *stmt = prepare(sql);
    mn_bind_int(stmt, 1, id);
    mn_bind_int(stmt, 2, now[id].part);
    for (int c = 0; c < COLUMNS; c++) column_bind(stmt, 3 + c, &now[id], c);
    vector_bind(stmt, 8, &now[id]);
    finish(stmt);
}

static void row_draw(int64_t id)
{
    struct row *row = &now[id];

    row->there = true;
    row->vectored = chance(20) != 0;
    row->part = (int64_t)chance(PARTS);
    for (int c = 0; c < COLUMNS; c++) {
        row->null[c] = chance(10) == 0;
        row->value[c] = value_draw(c);
    }
    vector_draw(row->vector);
}

static const char *const names[COLUMNS] = {"ts", "a", "f", "b", "d"};

static void column_set(const char *table, int64_t id, int column)
{
    char sql[200];

    snprintf(sql, sizeof sql, "UPDATE %s SET %s = $1 WHERE id = $2", table, names[column]);
    mn_stmt *stmt = prepare(sql);
    column_bind(stmt, 1, &now[id], column);
    mn_bind_int(stmt, 2, id);
    finish(stmt);
}

static void vector_set(const char *table, int64_t id)
{
    char sql[200];

    snprintf(sql, sizeof sql, "UPDATE %s SET v = $1 WHERE id = $2", table);
    mn_stmt *stmt = prepare(sql);
    vector_bind(stmt, 1, &now[id]);
    mn_bind_int(stmt, 2, id);
    finish(stmt);
}

static void numbers_run(const char *sql, int64_t one, int64_t two)
{
    mn_stmt *stmt = prepare(sql);

    mn_bind_int(stmt, 1, one);
    if (mn_param_count(stmt) > 1) mn_bind_int(stmt, 2, two);
    finish(stmt);
}

static void row_change(void)
{
    static const char *const tables[] = {"t", "u"};
    int64_t id = (int64_t)chance(ROWS), other = (int64_t)chance(ROWS);
    int column = (int)chance(COLUMNS);
    uint64_t what = now[id].there ? chance(6) : 0;

    if (what <= 1) row_draw(id);
    if (what == 2) {
        now[id].null[column] = chance(4) == 0;
        now[id].value[column] = value_draw(column);
    }
    if (what == 3) {
        now[id].vectored = chance(4) != 0;
        vector_draw(now[id].vector);
    }
    if (what == 5 && now[other].there) what = 4;
    for (int t = 0; t < 2; t++) {
        char sql[100];

        if (what <= 1) row_put(tables[t], id);
        if (what == 2) column_set(tables[t], id, column);
        if (what == 3) vector_set(tables[t], id);
        snprintf(sql, sizeof sql,
                 what == 4 ? "DELETE FROM %s WHERE id = $1" : "UPDATE %s SET id = $2 WHERE id = $1",
                 tables[t]);
        if (what >= 4) numbers_run(sql, id, other);
    }
    if (what == 5) now[other] = now[id];
    if (what >= 4) now[id].there = false;
}

/* ---- questions ---- */

enum { CONDITIONS_MAX = 4 };

struct condition {
    int column; /* COLUMNS: the partition */
    const char *op;
    struct row value;
};

static bool compares(int64_t x, const char *op, int64_t y)
{
    if (strcmp(op, "=") == 0) return x == y;
    if (strcmp(op, "<") == 0) return x < y;
    if (strcmp(op, "<=") == 0) return x <= y;
    return strcmp(op, ">") == 0 ? x > y : x >= y;
}

static bool passes(const struct row *row, const struct condition *conditions, size_t count)
{
    if (!row->there || !row->vectored) return false;
    for (size_t i = 0; i < count; i++) {
        const struct condition *c = &conditions[i];

        if (c->column == COLUMNS) {
            if (row->part != c->value.part) return false;
            continue;
        }
        if (row->null[c->column] || c->value.null[c->column]) return false;
        if (!compares(row->value[c->column], c->op, c->value.value[c->column])) return false;
    }
    return true;
}

static size_t conditions_draw(struct condition *conditions, bool partition, char *where)
{
    static const char *const ops[] = {"<", "<=", ">", ">=", "="};
    size_t count = 1 + chance(CONDITIONS_MAX - 1), at = 0;

    for (size_t i = 0; i < count; i++) {
        struct condition *c = &conditions[i];

        c->column = (int)chance(COLUMNS);
        c->op = c->column == BOOL_B ? "=" : ops[chance(chance(4) ? 4 : 5)];
        if (partition && i == 0 && chance(2)) {
            c->column = COLUMNS;
            c->op = "=";
            c->value.part = (int64_t)chance(PARTS + 1);
        } else {
            c->value.null[c->column] = chance(30) == 0;
            c->value.value[c->column] = value_draw(c->column);
        }
        at += (size_t)sprintf(where + at, "%s%s %s $%zu", i ? " AND " : "",
                              c->column == COLUMNS ? "part" : names[c->column], c->op, i + 2);
    }
    return count;
}

static void conditions_bind(mn_stmt *stmt, const struct condition *conditions, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (conditions[i].column == COLUMNS)
            assert_int_equal(mn_bind_int(stmt, (int)i + 2, conditions[i].value.part), MN_OK);
        else
            column_bind(stmt, (int)i + 2, &conditions[i].value, conditions[i].column);
    }
}

static struct near want[ROWS];

static size_t brute(const struct condition *conditions, size_t count, const float *query)
{
    size_t found = 0;

    for (int64_t id = 0; id < ROWS; id++) {
        if (!passes(&now[id], conditions, count)) continue;
        want[found++] = (struct near){mn_distance(MN_METRIC_L2, query, now[id].vector, DIMS), id};
    }
    near_sort(want, found);
    return found;
}

struct asked {
    uint64_t questions, covered, hits, wanted;
};

/* One question to one table; the rows that come out. */
static size_t ask(const char *table, const char *where, const char *tail,
                  const struct condition *conditions, size_t count, const float *query,
                  struct near *got, struct asked *asked)
{
    char sql[400], *plan;
    size_t found = 0;
    int step;

    snprintf(sql, sizeof sql, "SELECT id, distance FROM %s WHERE %s NEAREST %d BY v TO $1 %s",
             table, where, K, tail);
    mn_stmt *stmt = prepare(sql);
    assert_int_equal(mn_bind_vector(stmt, 1, query, DIMS, MN_COPY), MN_OK);
    conditions_bind(stmt, conditions, count);
    while ((step = mn_step(stmt)) == MN_ROW) {
        assert_true(found < K);
        got[found++] = (struct near){mn_col_float(stmt, 1), mn_col_int(stmt, 0)};
    }
    if (step != MN_DONE) fail_msg("%s: %s", sql, mn_errmsg(db));
    plan = mn_explain(stmt, 0);
    assert_non_null(plan);
    if (asked) asked->covered += strstr(plan, "CoverScan") != NULL;
    mn_free(plan);
    mn_finalize(stmt);
    return found;
}

static void question(bool partition, struct asked *asked)
{
    struct condition conditions[CONDITIONS_MAX] = {{0}};
    struct near got[K], plain[K];
    char where[200];
    float query[DIMS];
    bool exact = chance(3) == 0, timed = true;
    size_t count = conditions_draw(conditions, partition, where);
    const char *tail = exact ? "EXACT" : "";

    vector_draw(query);
    for (size_t i = 0; i < count; i++) timed = timed && conditions[i].column == TS;
    size_t passing = brute(conditions, count, query), wanted = passing < K ? passing : K;
    size_t found = ask("t", where, tail, conditions, count, query, got, asked);
    if (found != wanted) fail_msg("%s: %zu rows, %zu pass", where, found, passing);
    asked->questions++;
    asked->wanted += wanted;
    for (size_t i = 0; i < found; i++) {
        assert_true(passes(&now[got[i].id], conditions, count));
        assert_true(got[i].distance ==
                    mn_distance(MN_METRIC_L2, query, now[got[i].id].vector, DIMS));
        assert_true(i == 0 || got[i].distance >= got[i - 1].distance);
        for (size_t j = 0; j < i; j++) assert_true(got[i].id != got[j].id);
        asked->hits += got[i].distance <= want[wanted - 1].distance;
        if (exact) assert_int_equal(got[i].id, want[i].id);
    }
    /* a window of time is searched exactly where the index knows the time */
    assert_int_equal(ask("u", where, tail, conditions, count, query, plain, NULL), found);
    for (size_t i = 0; i < found && !timed; i++) assert_int_equal(got[i].id, plain[i].id);
    for (size_t i = 0; i < found && timed; i++) assert_int_equal(got[i].id, want[i].id);
}

static void report(void *context, const char *message)
{
    (void)context;
    print_message("%s\n", message);
}

static void check(void)
{
    if (mn_check(db, report, NULL) != MN_OK) fail_msg("check: %s", mn_errmsg(db));
}

static void questions(bool partition, int times)
{
    struct asked asked = {0};

    for (int i = 0; i < times; i++) question(partition, &asked);
    print_message("  %llu questions, %llu by covered columns, recall %.4f\n",
                  (unsigned long long)asked.questions, (unsigned long long)asked.covered,
                  (double)asked.hits / (double)asked.wanted);
    assert_true(asked.covered * 2 > asked.questions);
    assert_true(asked.hits >= asked.wanted * 9 / 10);
    check();
}

static void index_make(const char *table, bool partition, bool covers)
{
    char sql[300];

    snprintf(sql, sizeof sql, "CREATE INDEX %s_v ON %s (v) USING vector WITH (metric = l2%s%s)",
             table, table, partition ? ", partition = (part)" : "",
             covers ? ", cover = (a, f, b, d), time = ts" : "");
    api_exec(db, sql);
}

static void walk(bool partition)
{
    static const char *const kinds =
        "(id INT PRIMARY KEY, part INT, ts TIMESTAMP, a INT, f FLOAT, b BOOL, d DURATION, "
        "v VECTOR(8))";
    char sql[300];

    seed = test_seed();
    memset(now, 0, sizeof now);
    assert_int_equal(mn_open(NULL, MN_MEMORY, &db), MN_OK);
    for (int t = 0; t < 2; t++) {
        snprintf(sql, sizeof sql, "CREATE TABLE %s %s", t ? "u" : "t", kinds);
        api_exec(db, sql);
    }
    for (int i = 0; i < ROWS; i++) row_change(); /* half of them before there is an index */
    index_make("t", partition, true);
    index_make("u", partition, false);
    questions(partition, 150);
    for (int i = 0; i < ROWS; i++) row_change();
    questions(partition, 250);
    memcpy(before, now, sizeof now);
    api_exec(db, "BEGIN WRITE");
    for (int i = 0; i < ROWS / 2; i++) row_change();
    questions(partition, 150);
    api_exec(db, "ROLLBACK");
    memcpy(now, before, sizeof now);
    questions(partition, 100);
    api_exec(db, "PRAGMA maintain");
    questions(partition, 50);
    assert_int_equal(mn_close(db), MN_OK);
}

/* Few rows make an index, so that all ways of searching are gone. */
static void clusters(void **state)
{
    (void)state;
    mn_ann_limits = (struct mn_ann_limits){.flat_max = 100,
                                           .cluster_max = 64,
                                           .cluster_min = 8,
                                           .cluster_rows = 40,
                                           .few_vectors = 10,
                                           .few_passing = 30};
    walk(false);
}

static void partitions(void **state)
{
    (void)state;
    mn_ann_limits.flat_max = 200;
    walk(true);
}

static void flat(void **state)
{
    (void)state;
    mn_ann_limits.flat_max = 16384;
    walk(false);
}

/* ---- numbers at the edge ---- */

static int64_t count_of(const char *where)
{
    char sql[300];
    int64_t count = 0;

    snprintf(sql, sizeof sql, "SELECT id FROM e WHERE %s NEAREST 100 BY v TO [1, 2]", where);
    mn_stmt *stmt = prepare(sql);
    char *plan = mn_explain(stmt, 0);
    assert_non_null(strstr(plan, "CoverScan"));
    mn_free(plan);
    while (mn_step(stmt) == MN_ROW) count++;
    mn_finalize(stmt);
    return count;
}

static void numbers_at_the_edge(void **state)
{
    (void)state;
    assert_int_equal(mn_open(NULL, MN_MEMORY, &db), MN_OK);
    api_exec(
        db,
        "CREATE TABLE e (id INT PRIMARY KEY, i INT, f FLOAT, v VECTOR(2)); CREATE INDEX ON e (v) "
        "USING vector WITH (cover = (i, f))");
    for (int i = 0; i < 40; i++) numbers_run("INSERT INTO e (id, v) VALUES ($1, [1, 2])", i, 0);
    api_exec(db, "UPDATE e SET i = 9223372036854775807, f = 0.0 WHERE id = 0;"
                 "UPDATE e SET i = -9223372036854775808, f = -0.0 WHERE id = 1;"
                 "UPDATE e SET i = 0, f = -1e308 WHERE id = 3;"
                 "UPDATE e SET i = -1, f = 5e-324 WHERE id = 4;"
                 "UPDATE e SET f = 9007199254740992.0 WHERE id = 5;"
                 "UPDATE e SET f = 9007199254740996.0 WHERE id = 6");
    assert_int_equal(count_of("i > 9223372036854775807"), 0);
    assert_int_equal(count_of("i >= 9223372036854775807"), 1);
    assert_int_equal(count_of("i < -9223372036854775808"), 0);
    assert_int_equal(count_of("i <= -9223372036854775808"), 1);
    assert_int_equal(count_of("i <= 0"), 3);
    assert_int_equal(count_of("f = 0.0"), 2);
    assert_int_equal(count_of("f = 0"), 2);
    assert_int_equal(count_of("f > 0.0"), 3);
    assert_int_equal(count_of("f > 9007199254740991"), 2);
    assert_int_equal(count_of("f = 9007199254740992"), 1);
    assert_int_equal(count_of("f = 9007199254740993"), 0); /* lies between two floats */
    assert_int_equal(count_of("f > 9007199254740993"), 1);
    assert_int_equal(count_of("f <= 9007199254740993 AND f > 1"), 1);
    assert_int_equal(count_of("f < 9007199254740995 AND f > 1"), 1);
    assert_int_equal(count_of("f >= 9007199254740995"), 1);
    assert_int_equal(count_of("f < 9223372036854775807 AND f > 1"), 2);
    assert_int_equal(count_of("f >= -9223372036854775807"), 5);
    assert_int_equal(count_of("f < 0.0"), 1);
    assert_int_equal(count_of("f >= -0.0 AND f <= 0.0 AND i > 5"), 1);
    check();
    assert_int_equal(mn_close(db), MN_OK);
}

/* ---- the clauses ---- */

static void refuses(const char *options, int code, const char *at, const char *message)
{
    char sql[600];

    snprintf(sql, sizeof sql, "CREATE INDEX ON c (v) USING vector WITH (%s)", options);
    int got = mn_exec(db, sql, NULL, NULL);
    if (got != code || !strstr(mn_errmsg(db), message)) {
        fail_msg("%s: %d, %s", sql, got, mn_errmsg(db));
    }
    if (mn_error_offset(db) != (int)(strstr(strstr(sql, "WITH (") + 6, at) - sql)) {
        fail_msg("%s: at %d: %s", sql, mn_error_offset(db), mn_errmsg(db));
    }
}

static void mistakes_are_told_with_their_place(void **state)
{
    char columns[400] = "", sql[600], cover[300] = "";

    (void)state;
    assert_int_equal(mn_open(NULL, MN_MEMORY, &db), MN_OK);
    for (int i = 0; i < 16; i++) {
        sprintf(columns + strlen(columns), "c%d INT, ", i);
        sprintf(cover + strlen(cover), "%sc%d", i ? ", " : "", i);
    }
    snprintf(sql, sizeof sql, "CREATE TABLE c (%s ts TIMESTAMP, s TEXT, v VECTOR(2))", columns);
    api_exec(db, sql);
    refuses("cover = (c1, nosuch)", MN_SCHEMA, "nosuch)", "nosuch");
    refuses("cover = (c1, s)", MN_TYPE, "s))", "\"s\" is TEXT");
    refuses("cover = v", MN_TYPE, "v)", "\"v\" is VECTOR(2)");
    refuses("cover = (c1, c2, c1)", MN_SCHEMA, "c1)", "twice");
    refuses("cover = (c1), cover = (c2)", MN_SCHEMA, "cover = (c2", "twice");
    refuses("time = ts, time = ts", MN_SCHEMA, "time = ts)", "twice");
    refuses("time = c1", MN_TYPE, "c1", "\"c1\" is INT");
    refuses("time = (ts, c1)", MN_SCHEMA, "c1", "one column");
    refuses("time = nosuch", MN_SCHEMA, "nosuch", "nosuch");
    refuses("cover = (ts, c1), time = ts", MN_SCHEMA, "ts)", "both");
    refuses("time", MN_SCHEMA, "time)", "time takes");
    refuses("cover = 3", MN_SCHEMA, "cover", "cover takes");
    snprintf(sql, sizeof sql, "cover = (%s)", cover);
    refuses(sql, MN_TOOBIG, "c15", "at most 15");
    *strrchr(cover, ',') = 0;
    snprintf(sql, sizeof sql, "cover = (%s), time = ts", cover);
    refuses(sql, MN_TOOBIG, "ts)", "at most 15");
    snprintf(sql, sizeof sql, "CREATE INDEX ON c (v) USING vector WITH (cover = (%s))", cover);
    api_exec(db, sql);
    api_exec(db, "INSERT INTO c (c0, c14, v) VALUES (1, 2, [1, 2]), (3, 4, [1, 3])");
    check();
    assert_int_equal(mn_close(db), MN_OK);
}

static void definitions_come_back(void **state)
{
    static const char *const ways[] = {"cover = (a)", "time = ts",
                                       "cover = (a, \"select\"), time = ts",
                                       "partition = (p), cover = (a), time = ts"};

    (void)state;
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        char sql[300], first[400];

        assert_int_equal(mn_open(NULL, MN_MEMORY, &db), MN_OK);
        api_exec(db, "CREATE TABLE d (p TEXT, a INT, \"select\" BOOL, ts TIMESTAMP, v VECTOR(2))");
        snprintf(sql, sizeof sql, "CREATE INDEX i ON d (v) USING vector WITH (metric = l2, %s)",
                 ways[i]);
        api_exec(db, sql);
        mn_stmt *stmt = prepare("SELECT sql FROM indexes() WHERE name = 'i'");
        assert_int_equal(mn_step(stmt), MN_ROW);
        snprintf(first, sizeof first, "%s", mn_col_text(stmt, 0, NULL));
        mn_finalize(stmt);
        assert_non_null(strstr(first, ways[i]));
        api_exec(db, "DROP INDEX i");
        api_exec(db, first);
        stmt = prepare("SELECT sql FROM indexes() WHERE name = 'i'");
        assert_int_equal(mn_step(stmt), MN_ROW);
        assert_string_equal(mn_col_text(stmt, 0, NULL), first);
        mn_finalize(stmt);
        assert_int_equal(mn_close(db), MN_OK);
    }
}

/* COPY brings rows one by one, and where they are many all codes anew. */
static void copies(void **state)
{
    const char *folder = test_folder();
    char sql[400];

    (void)state;
    assert_int_equal(mn_open(NULL, MN_MEMORY, &db), MN_OK);
    for (int t = 0; t < 2; t++) {
        snprintf(sql, sizeof sql,
                 "CREATE TABLE %s (id INT PRIMARY KEY, i INT, f FLOAT, v VECTOR(2)); CREATE INDEX "
                 "ON %s (v) USING vector WITH (cover = (i, f))",
                 t ? "e" : "source", t ? "e" : "source");
        api_exec(db, sql);
    }
    api_exec(db,
             "INSERT INTO source SELECT g, g % 5, CASE WHEN g % 3 = 0 THEN NULL ELSE g / 2.0 END, "
             "CASE WHEN g % 7 = 0 THEN NULL ELSE [g, 1] END FROM generate_series(1, 60) g");
    check();
    snprintf(sql, sizeof sql, "COPY source TO '%s/rows.csv'", folder);
    api_exec(db, sql);
    for (int t = 0; t < 2; t++) {
        api_exec(db,
                 t ? "INSERT INTO e SELECT g + 100, 9, 9.0, [g, 2] FROM generate_series(1, 300) g"
                   : "SELECT 1");
        snprintf(sql, sizeof sql, "COPY e FROM '%s/rows.csv'", folder);
        api_exec(db, sql);
        check();
        assert_int_equal(count_of("i = 2"), 10);
        assert_int_equal(count_of("i < 3 AND f > 10.0"), 13);
        api_exec(db, "DELETE FROM e WHERE id <= 60");
        check();
        assert_int_equal(count_of("i = 2"), 0);
    }
    assert_int_equal(mn_close(db), MN_OK);
}

/* ---- each allocation fails once ---- */

static int hungry(void *context)
{
    (void)context;
    return mn_exec(db,
                   "BEGIN; DROP INDEX IF EXISTS h;"
                   "CREATE INDEX h ON e (v) USING vector WITH (cover = (f), time = ts);"
                   "INSERT INTO e VALUES (100, 1, 2.0, '2026-01-01', [1, 2]);"
                   "UPDATE e SET f = 7.0 WHERE id = 3; DELETE FROM e WHERE id = 4;"
                   "SELECT id FROM e WHERE ts >= '2025-01-01' AND f < 9 NEAREST 3 TO [1, 2];"
                   "ROLLBACK",
                   NULL, NULL);
}

static void fed(void *context, int code)
{
    (void)context;
    if (code != MN_OK) (void)mn_exec(db, "ROLLBACK", NULL, NULL);
    check();
    assert_int_equal(count_of("i < 3 AND f >= 0"), 3);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    db = api_open("CREATE TABLE e (id INT PRIMARY KEY, i INT, f FLOAT, ts TIMESTAMP, v VECTOR(2));"
                  "CREATE INDEX ON e (v) USING vector WITH (cover = (i, f));"
                  "INSERT INTO e SELECT g, g, g, '2026-02-03', [g, 1] FROM generate_series(0, 40) "
                  "g(g)");
    assert_true(api_starve_some(7, hungry, fed, NULL) > 10);
    assert_int_equal(mn_close(db), MN_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clusters),
        cmocka_unit_test(partitions),
        cmocka_unit_test(flat),
        cmocka_unit_test(numbers_at_the_edge),
        cmocka_unit_test(mistakes_are_told_with_their_place),
        cmocka_unit_test(definitions_come_back),
        cmocka_unit_test(copies),
        cmocka_unit_test(every_allocation_may_fail),
    };

    return cmocka_run_group_tests_name("vector/cover", tests, NULL, NULL);
}
