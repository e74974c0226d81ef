/*
 * Tests of NEAREST with a filter: exactly min(k, rows that pass) rows come out, and nearly the
 * right ones, whatever share of the rows passes and however it was chosen: by time, by partition,
 * at random, or as a region of the vectors themselves; in the flat regime and in clusters; with an
 * index on the filter's column and without one; and inside a transaction that has changed rows.
 * The truth is a scan of the model.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "index/vector/ann.h"
#include "index/vector/distance.h"
#include "mneme.h"
#include "support/api.h"
#include "support/near.h"
#include "support/test.h"

enum { DIMS = 16, ROWS = 4000, IDS = 6000, HEAPS = 40, K = 10, PARTS = 6, ASKED_AGAIN = 5 };

enum kind { BY_TIME, BY_PARTITION, AT_RANDOM, UNINDEXED, CORRELATED, KINDS };
static const char *const names[KINDS] = {"time", "partition", "random", "random without an index",
                                         "correlated"};
static const char *const wheres[KINDS] = {
    "ts >= $low AND ts < $high", "part = $low", "rnd >= $low AND rnd < $high",
    "bare >= $low AND bare < $high", "lab >= $low AND lab < $high"};

/* Rows that pass: shares of a thousand, then three rows, then none. */
static const int shares[] = {500, 100, 10, 1, -3, 0};
enum { SHARES = sizeof shares / sizeof shares[0] };

struct row {
    bool there;
    int64_t value[KINDS]; /* what the kind's column holds */
    float vector[DIMS];
};

static mn_db *db;
static uint64_t seed;
static struct row now[IDS + 1], before[IDS + 1];
static float heaps[HEAPS][DIMS];

static uint64_t chance(uint64_t n)
{
    return test_random(&seed) % n;
}

static float unit(void)
{
    return (float)((double)(test_random(&seed) >> 11) * 0x1p-52 - 1.0);
}

/* ---- rows ---- */

/* Part p has a share of the rows: part 4 three of them, part 5 none. */
static int64_t part_of(int64_t id)
{
    if (id < 3) return 4;
    uint64_t at = chance(1000);

    return at < 500 ? 0 : at < 600 ? 1 : at < 610 ? 2 : at == 610 ? 3 : 6 + (int64_t)(at % 3);
}

static void vector_near(uint64_t heap, float *vector)
{
    for (int i = 0; i < DIMS; i++) vector[i] = heaps[heap][i] + unit() * 1.2f;
}

static void row_draw(int64_t id)
{
    struct row *row = &now[id];
    uint64_t heap = chance(HEAPS);

    row->there = true;
    row->value[BY_TIME] = id * 1000;
    row->value[BY_PARTITION] = part_of(id);
    row->value[AT_RANDOM] = row->value[UNINDEXED] = (int64_t)chance(ROWS);
    row->value[CORRELATED] = (int64_t)(heap * (ROWS / HEAPS) + chance(ROWS / HEAPS));
    vector_near(heap, row->vector);
}

static void row_write(mn_stmt *insert, int64_t id)
{
    row_draw(id);
    const struct row *row = &now[id];

    mn_bind_int(insert, 1, id);
    mn_bind_time(insert, 2, row->value[BY_TIME]);
    mn_bind_int(insert, 3, row->value[BY_PARTITION]);
    mn_bind_int(insert, 4, row->value[AT_RANDOM]);
    mn_bind_int(insert, 5, row->value[UNINDEXED]);
    mn_bind_int(insert, 6, row->value[CORRELATED]);
    mn_bind_vector(insert, 7, row->vector, DIMS, MN_STATIC);
    if (mn_step(insert) != MN_DONE) fail_msg("insert: %s", mn_errmsg(db));
    mn_reset(insert);
}

static mn_stmt *prepare(const char *sql)
{
    mn_stmt *stmt;

    if (mn_prepare(db, sql, strlen(sql), &stmt, NULL) != MN_OK) {
        fail_msg("%s: %s", sql, mn_errmsg(db));
    }
    return stmt;
}

/* Half of the rows is there when the index is made, the other half comes later. */
static void rows_make(const char *index)
{
    mn_stmt *insert;

    memset(now, 0, sizeof now);
    seed = test_seed();
    for (int h = 0; h < HEAPS; h++) {
        for (int i = 0; i < DIMS; i++) heaps[h][i] = 2 * unit();
    }
    assert_int_equal(mn_open(NULL, MN_MEMORY, &db), MN_OK);
    api_exec(
        db,
        "CREATE TABLE t (id INT PRIMARY KEY, ts TIMESTAMP, part INT, rnd INT, bare INT, lab INT, "
        "v VECTOR(16)); CREATE INDEX ON t (ts); CREATE INDEX ON t (rnd); CREATE INDEX ON t (lab); "
        "BEGIN WRITE");
    insert = prepare("UPSERT INTO t (id, ts, part, rnd, bare, lab, v) VALUES ($1, $2, $3, $4, $5, "
                     "$6, $7)");
    for (int64_t id = 0; id < ROWS / 2; id++) row_write(insert, id);
    api_exec(db, index);
    for (int64_t id = ROWS / 2; id < ROWS; id++) row_write(insert, id);
    api_exec(db, "COMMIT");
    mn_finalize(insert);
}

/* A fifth of the rows changes, goes or comes. */
static void rows_change(void)
{
    mn_stmt *insert = prepare("UPSERT INTO t (id, ts, part, rnd, bare, lab, v) VALUES ($1, $2, $3, "
                              "$4, $5, $6, $7)");
    mn_stmt *gone = prepare("DELETE FROM t WHERE id = $1");

    for (int i = 0; i < ROWS / 5; i++) {
        int64_t id = 3 + (int64_t)chance(ROWS - 3);

        if (i % 3 == 0) {
            mn_bind_int(gone, 1, id);
            if (mn_step(gone) != MN_DONE) fail_msg("delete: %s", mn_errmsg(db));
            mn_reset(gone);
            now[id].there = false;
        } else {
            row_write(insert, i % 3 == 1 ? id : ROWS + i);
        }
    }
    mn_finalize(insert);
    mn_finalize(gone);
}

/* ---- questions ---- */

struct window {
    enum kind kind;
    int64_t low, high;
};

static bool passes(const struct row *row, const struct window *window)
{
    int64_t value = row->value[window->kind];

    return row->there && value >= window->low && value < window->high;
}

static size_t brute(const struct window *window, const float *query, struct near *out)
{
    size_t count = 0;

    for (int64_t id = 0; id <= IDS; id++) {
        if (!passes(&now[id], window)) continue;
        out[count++] = (struct near){mn_distance(MN_METRIC_L2, query, now[id].vector, DIMS), id};
    }
    near_sort(out, count);
    return count;
}

/* A window that about so many pass. */
static struct window window_draw(enum kind kind, int share)
{
    int64_t rows = share < 0 ? -share : (int64_t)share * ROWS / 1000;
    int64_t low = (int64_t)chance((uint64_t)(ROWS - rows));
    struct window window = {kind, low, low + rows};

    if (kind == BY_TIME) window = (struct window){kind, low * 1000, (low + rows) * 1000};
    if (kind == BY_PARTITION) {
        int at = 0;

        while (shares[at] != share) at++;
        window.low = at;
        window.high = at + 1;
    }
    return window;
}

static void window_bind(mn_stmt *stmt, const struct window *window)
{
    int low = mn_param_index(stmt, "low"), high = mn_param_index(stmt, "high");

    if (window->kind == BY_TIME) {
        assert_int_equal(mn_bind_time(stmt, low, window->low), MN_OK);
        assert_int_equal(mn_bind_time(stmt, high, window->high), MN_OK);
    } else {
        assert_int_equal(mn_bind_int(stmt, low, window->low), MN_OK);
        if (high) assert_int_equal(mn_bind_int(stmt, high, window->high), MN_OK);
    }
}

static struct tally {
    uint64_t asked, hits, wanted;
} tallies[KINDS];

static void ask(mn_stmt *stmt, const struct window *window)
{
    static struct near want[IDS + 1];
    struct tally *tally = &tallies[window->kind];
    bool seen[IDS + 1] = {false};
    float query[DIMS];
    double last = 0;
    size_t got = 0;
    int step;

    vector_near(chance(HEAPS), query);
    size_t passing = brute(window, query, want), wanted = passing < K ? passing : K;
    window_bind(stmt, window);
    assert_int_equal(mn_bind_vector(stmt, mn_param_index(stmt, "q"), query, DIMS, MN_STATIC),
                     MN_OK);
    while ((step = mn_step(stmt)) == MN_ROW) {
        int64_t id = mn_col_int(stmt, 0);
        double distance = mn_col_float(stmt, 1);

        assert_true(got < wanted);
        assert_true(id >= 0 && id <= IDS && passes(&now[id], window) && !seen[id]);
        assert_true(distance == mn_distance(MN_METRIC_L2, query, now[id].vector, DIMS));
        assert_true(distance >= last);
        seen[id] = true;
        last = distance;
        tally->hits += distance <= want[wanted - 1].distance;
        got++;
    }
    if (step != MN_DONE) fail_msg("%s", mn_errmsg(db));
    if (got != wanted) {
        fail_msg("%s from %lld to %lld: %zu rows, %zu pass", names[window->kind],
                 (long long)window->low, (long long)window->high, got, passing);
    }
    mn_reset(stmt);
    tally->asked++;
    tally->wanted += wanted;
}

static void questions(int times)
{
    for (enum kind kind = 0; kind < KINDS; kind++) {
        char sql[200];

        snprintf(sql, sizeof sql, "SELECT id, distance FROM t WHERE %s NEAREST %d BY v TO $q",
                 wheres[kind], K);
        mn_stmt *stmt = prepare(sql);
        for (int s = 0; s < SHARES; s++) {
            struct window window = {.kind = kind};

            /* a window is asked again and again: what is kept of it comes into use */
            for (int i = 0; i < times; i++) {
                if (i % ASKED_AGAIN == 0) window = window_draw(kind, shares[s]);
                ask(stmt, &window);
            }
        }
        mn_finalize(stmt);
    }
}

/* Time windows, and all partitions but those in clusters, are searched exactly. */
static void tallies_judge(bool exact_partitions)
{
    uint64_t asked = 0;

    for (enum kind kind = 0; kind < KINDS; kind++) {
        const struct tally *tally = &tallies[kind];
        double recall = (double)tally->hits / (double)tally->wanted;
        bool exact = kind == BY_TIME || (kind == BY_PARTITION && exact_partitions);

        print_message("  %s: %llu questions, recall %.4f\n", names[kind],
                      (unsigned long long)tally->asked, recall);
        if (exact) assert_int_equal(tally->hits, tally->wanted);
        assert_true(recall >= .95);
        asked += tally->asked;
    }
    assert_true(asked >= 1000);
    memset(tallies, 0, sizeof tallies);
}

static void report(void *context, const char *message)
{
    (void)context;
    print_message("%s\n", message);
}

static void walk(const char *index, const struct mn_ann_limits *limits, bool exact_partitions)
{
    mn_ann_limits = *limits;
    rows_make(index);
    questions(40);
    tallies_judge(exact_partitions);
    memcpy(before, now, sizeof now);
    api_exec(db, "BEGIN WRITE");
    rows_change();
    questions(40);
    tallies_judge(exact_partitions);
    api_exec(db, "ROLLBACK");
    memcpy(now, before, sizeof now);
    questions(5);
    memset(tallies, 0, sizeof tallies);
    if (mn_check(db, report, NULL) != MN_OK) fail_msg("check: %s", mn_errmsg(db));
    assert_int_equal(mn_close(db), MN_OK);
}

/* Few rows make an index, so that the shares reach all ways of searching; the rest is as it is. */
static const struct mn_ann_limits flat = {.flat_max = 16384,
                                          .cluster_max = 512,
                                          .cluster_min = 64,
                                          .cluster_rows = 400,
                                          .few_vectors = 10,
                                          .few_passing = 20};
static const struct mn_ann_limits clusters = {.flat_max = 300,
                                              .cluster_max = 64,
                                              .cluster_min = 8,
                                              .cluster_rows = 50,
                                              .few_vectors = 10,
                                              .few_passing = 20};

/* One statement and one window, across commits: each is seen at once, whatever was kept. */
static void follow_commits(enum kind kind, const char *index)
{
    struct window window = {kind, 0, kind == BY_TIME ? ROWS * 500 : 1};
    char sql[200];
    uint64_t wrong = 0;

    mn_ann_limits = flat;
    rows_make(index);
    snprintf(sql, sizeof sql, "SELECT id, distance FROM t WHERE %s NEAREST %d BY v TO $q",
             wheres[kind], K);
    mn_stmt *stmt = prepare(sql);
    for (int round = 0; round < 8; round++) {
        for (int i = 0; i < 4; i++) ask(stmt, &window);
        char *plan = mn_explain(stmt, 1);
        assert_non_null(plan);
        assert_non_null(strstr(plan, "rows that pass kept from run to run"));
        mn_free(plan);
        api_exec(db, "BEGIN WRITE");
        rows_change();
        api_exec(db, "COMMIT");
    }
    mn_finalize(stmt);
    for (enum kind k = 0; k < KINDS; k++) wrong += tallies[k].wanted - tallies[k].hits;
    assert_int_equal(wrong, 0);
    memset(tallies, 0, sizeof tallies);
    assert_int_equal(mn_close(db), MN_OK);
}

static void what_is_kept_follows_commits(void **state)
{
    (void)state;
    follow_commits(BY_TIME, "CREATE INDEX v ON t (v) USING vector WITH (metric = l2)");
    follow_commits(BY_PARTITION,
                   "CREATE INDEX v ON t (v) USING vector WITH (metric = l2, partition = (part))");
}

static void flat_codes(void **state)
{
    (void)state;
    walk("CREATE INDEX v ON t (v) USING vector WITH (metric = l2)", &flat, true);
}

static void flat_partitions(void **state)
{
    (void)state;
    walk("CREATE INDEX v ON t (v) USING vector WITH (metric = l2, partition = (part))", &flat,
         true);
}

static void clusters_of_codes(void **state)
{
    (void)state;
    walk("CREATE INDEX v ON t (v) USING vector WITH (metric = l2)", &clusters, false);
}

static void partitions_in_clusters(void **state)
{
    (void)state;
    walk("CREATE INDEX v ON t (v) USING vector WITH (metric = l2, partition = (part))", &clusters,
         false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flat_codes),
        cmocka_unit_test(flat_partitions),
        cmocka_unit_test(clusters_of_codes),
        cmocka_unit_test(partitions_in_clusters),
        cmocka_unit_test(what_is_kept_follows_commits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
