/*
 * bench_questions: time and relation questions beside SQLite.
 *
 * Events: 1 M rows of (id, kind, at, level) with an index on (kind, at) and one on (at); places: a
 * random graph of 100,000 nodes with 10 edges each (synthetic). SQLite has covering indexes,
 * ANALYZE, prepared statements, a cache of 256 MiB and a map of 1 GiB; for relations a WITHOUT
 * ROWID table keyed (src, dst), and for three hops the faster of a UNION CTE and of three joins.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "support/bench.h"
#include "support/pair.h"

enum { EVENTS = 1000000, KINDS = 50, NODES = 100000, DEGREE = 10 };
enum { ONE_HOPS = 20000, THREE_HOPS = 100, RECENTS = 5000, COUNTS = 50, FAST_COUNTS = 5000 };

static const int64_t first_us = INT64_C(1760000000000000), step_us = 250000;

struct question {
    mn_stmt *ours;
    sqlite3_stmt *theirs;
    uint64_t ours_random, theirs_random, ours_sum, theirs_sum;
};

static void both_exec(const char *ours, const char *theirs)
{
    must(mn_exec(db, ours, NULL, NULL));
    lite_must(sqlite3_exec(lite, theirs, NULL, NULL, NULL));
}

static void question_init(struct question *q, const char *ours, const char *theirs)
{
    must(mn_prepare(db, ours, MN_ALL, &q->ours, NULL));
    lite_must(sqlite3_prepare_v2(lite, theirs, -1, &q->theirs, NULL));
    q->ours_random = q->theirs_random = 99;
    q->ours_sum = q->theirs_sum = 0;
}

static void events_load(void)
{
    struct question put;
    uint64_t random = 5;

    both_exec("CREATE TABLE event (id INT PRIMARY KEY, kind INT, at TIMESTAMP, level INT);"
              "CREATE INDEX event_kind ON event (kind, at);"
              "CREATE INDEX event_at ON event (at); BEGIN",
              "CREATE TABLE event (id INTEGER PRIMARY KEY, kind INT, at INT, level INT);"
              "CREATE INDEX event_kind ON event (kind, at);"
              "CREATE INDEX event_at ON event (at); BEGIN");
    question_init(&put, "INSERT INTO event VALUES (?, ?, ?, ?)",
                  "INSERT INTO event VALUES (?, ?, ?, ?)");
    for (int i = 1; i <= EVENTS; i++) {
        int64_t at = first_us + i * step_us;
        int kind = (int)(bench_random(&random) % KINDS), level = (int)(bench_random(&random) % 5);

        must(mn_bind_int(put.ours, 1, i));
        must(mn_bind_int(put.ours, 2, kind));
        must(mn_bind_time(put.ours, 3, at));
        must(mn_bind_int(put.ours, 4, level));
        must(mn_step(put.ours));
        must(mn_reset(put.ours));
        sqlite3_bind_int(put.theirs, 1, i);
        sqlite3_bind_int(put.theirs, 2, kind);
        sqlite3_bind_int64(put.theirs, 3, at);
        sqlite3_bind_int(put.theirs, 4, level);
        lite_must(sqlite3_step(put.theirs));
        sqlite3_reset(put.theirs);
    }
    mn_finalize(put.ours);
    sqlite3_finalize(put.theirs);
    both_exec("COMMIT", "COMMIT");
}

static void graph_load(void)
{
    struct question node, edge;
    uint64_t random = 7;

    both_exec("CREATE TABLE place (id INT PRIMARY KEY); CREATE RELATION door FROM place TO place;"
              "BEGIN",
              "CREATE TABLE place (id INTEGER PRIMARY KEY);"
              "CREATE TABLE door (src INT, dst INT, PRIMARY KEY (src, dst)) WITHOUT ROWID; BEGIN");
    question_init(&node, "INSERT INTO place VALUES (?)", "INSERT INTO place VALUES (?)");
    for (int i = 1; i <= NODES; i++) {
        must(mn_bind_int(node.ours, 1, i));
        must(mn_step(node.ours));
        must(mn_reset(node.ours));
        sqlite3_bind_int(node.theirs, 1, i);
        lite_must(sqlite3_step(node.theirs));
        sqlite3_reset(node.theirs);
    }
    mn_finalize(node.ours);
    sqlite3_finalize(node.theirs);
    question_init(&edge, "UPSERT INTO door (src, dst) VALUES (?, ?)",
                  "INSERT OR IGNORE INTO door VALUES (?, ?)");
    for (int i = 0; i < NODES * DEGREE; i++) {
        int src = i / DEGREE + 1, dst = (int)(bench_random(&random) % NODES) + 1;

        must(mn_bind_int(edge.ours, 1, src));
        must(mn_bind_int(edge.ours, 2, dst));
        must(mn_step(edge.ours));
        must(mn_reset(edge.ours));
        sqlite3_bind_int(edge.theirs, 1, src);
        sqlite3_bind_int(edge.theirs, 2, dst);
        lite_must(sqlite3_step(edge.theirs));
        sqlite3_reset(edge.theirs);
    }
    mn_finalize(edge.ours);
    sqlite3_finalize(edge.theirs);
    both_exec("COMMIT", "COMMIT; ANALYZE; PRAGMA wal_checkpoint(TRUNCATE)");
}

/* Closes and opens both files, so that nothing but the files is warm. */
static void both_open(void)
{
    static const char setup[] = "PRAGMA journal_mode=WAL; PRAGMA cache_size=-262144;"
                                "PRAGMA mmap_size=1073741824";

    if (db) {
        must(mn_close(db));
        lite_must(sqlite3_close(lite));
    }
    must(mn_open(bench_path("q.mneme"), MN_CREATE, &db));
    lite_must(sqlite3_open(bench_path("q.sqlite"), &lite));
    lite_must(sqlite3_exec(lite, setup, NULL, NULL, NULL));
}

static uint64_t ours_ask(struct question *q, uint64_t times, void (*bind)(struct question *))
{
    for (uint64_t i = 0; i < times; i++) {
        bind(q);
        while (mn_step(q->ours) == MN_ROW) q->ours_sum += (uint64_t)mn_col_int(q->ours, 0);
        must(mn_reset(q->ours));
    }
    return times;
}

static uint64_t theirs_ask(struct question *q, uint64_t times, void (*bind)(struct question *))
{
    for (uint64_t i = 0; i < times; i++) {
        bind(q);
        while (sqlite3_step(q->theirs) == SQLITE_ROW) {
            q->theirs_sum += (uint64_t)sqlite3_column_int64(q->theirs, 0);
        }
        sqlite3_reset(q->theirs);
    }
    return times;
}

static void ours_node(struct question *q)
{
    must(mn_bind_int(q->ours, 1, (int64_t)(bench_random(&q->ours_random) % NODES) + 1));
}

static void theirs_node(struct question *q)
{
    sqlite3_bind_int64(q->theirs, 1, (int64_t)(bench_random(&q->theirs_random) % NODES) + 1);
}

static void ours_kind(struct question *q)
{
    must(mn_bind_int(q->ours, 1, (int64_t)(bench_random(&q->ours_random) % KINDS)));
}

static void theirs_kind(struct question *q)
{
    sqlite3_bind_int64(q->theirs, 1, (int64_t)(bench_random(&q->theirs_random) % KINDS));
}

static int64_t range_start(uint64_t *random)
{
    return first_us + (int64_t)(bench_random(random) % (EVENTS * 9 / 10)) * step_us;
}

static void ours_range(struct question *q)
{
    int64_t from = range_start(&q->ours_random);

    must(mn_bind_time(q->ours, 1, from));
    must(mn_bind_time(q->ours, 2, from + EVENTS / 10 * step_us));
}

static void theirs_range(struct question *q)
{
    int64_t from = range_start(&q->theirs_random);

    sqlite3_bind_int64(q->theirs, 1, from);
    sqlite3_bind_int64(q->theirs, 2, from + EVENTS / 10 * step_us);
}

static uint64_t ours_one_hop(void *q, int round)
{
    (void)round;
    return ours_ask(q, ONE_HOPS, ours_node);
}

static uint64_t theirs_one_hop(void *q, int round)
{
    (void)round;
    return theirs_ask(q, ONE_HOPS, theirs_node);
}

static uint64_t ours_three_hops(void *q, int round)
{
    (void)round;
    return ours_ask(q, THREE_HOPS, ours_node);
}

static uint64_t theirs_three_hops(void *q, int round)
{
    (void)round;
    return theirs_ask(q, THREE_HOPS, theirs_node);
}

static uint64_t ours_recent(void *q, int round)
{
    (void)round;
    return ours_ask(q, RECENTS, ours_kind);
}

static uint64_t theirs_recent(void *q, int round)
{
    (void)round;
    return theirs_ask(q, RECENTS, theirs_kind);
}

static uint64_t ours_count(void *q, int round)
{
    (void)round;
    return ours_ask(q, FAST_COUNTS, ours_range);
}

static uint64_t theirs_count(void *q, int round)
{
    (void)round;
    return theirs_ask(q, COUNTS, theirs_range);
}

struct work {
    const char *name, *ours, *theirs;
    double bar;
    uint64_t (*ours_run)(void *, int), (*theirs_run)(void *, int);
    bool same_count; /* both ask the same questions, so their sums must agree */
};

static const struct work works[] = {
    {"1-hop expansion", "SELECT n.id FROM MATCH (a:place WHERE a.id = $id)-[:door]->(n:place)",
     "SELECT dst FROM door WHERE src = ?", 1, ours_one_hop, theirs_one_hop, true},
    {"3-hop reachability, UNION CTE",
     "SELECT count(*) FROM MATCH (a:place WHERE a.id = $id)-[:door]->{1,3}(n:place)",
     "WITH RECURSIVE r(id, d) AS (SELECT dst, 1 FROM door WHERE src = ?1 UNION SELECT door.dst, d "
     "+ 1"
     " FROM r JOIN door ON door.src = r.id WHERE d < 3) SELECT count(DISTINCT id) FROM r",
     5, ours_three_hops, theirs_three_hops, true},
    {"3-hop reachability, three joins",
     "SELECT count(*) FROM MATCH (a:place WHERE a.id = $id)-[:door]->{1,3}(n:place)",
     "SELECT count(*) FROM (SELECT dst FROM door WHERE src = ?1 UNION SELECT b.dst FROM door a JOIN"
     " door b ON b.src = a.dst WHERE a.src = ?1 UNION SELECT c.dst FROM door a JOIN door b ON "
     "b.src ="
     " a.dst JOIN door c ON c.src = b.dst WHERE a.src = ?1)",
     5, ours_three_hops, theirs_three_hops, true},
    {"most recent 20 of a kind", "SELECT id FROM event WHERE kind = ? ORDER BY at DESC LIMIT 20",
     "SELECT id FROM event WHERE kind = ? ORDER BY at DESC LIMIT 20", 1, ours_recent, theirs_recent,
     true},
    {"count of a 10 % time range", "SELECT count(*) FROM event WHERE at >= ? AND at < ?",
     "SELECT count(*) FROM event WHERE at >= ? AND at < ?", 100, ours_count, theirs_count, false},
};

static void work_run(const struct work *work)
{
    struct question q;
    struct bench_row row = {
        work->name,
        "1/s",
        work->bar,
        {{"mneme", NULL, work->ours_run, &q}, {"sqlite", NULL, work->theirs_run, &q}},
        false};

    question_init(&q, work->ours, work->theirs);
    bench_row_run(&row);
    bench_must(!work->same_count || q.ours_sum == q.theirs_sum, "comparing the answers");
    mn_finalize(q.ours);
    sqlite3_finalize(q.theirs);
}

int main(void)
{
    printf("mneme %s, sqlite %s; %d events, graph of %d nodes and %d edges (synthetic)\n",
           mn_version(), sqlite3_libversion(), EVENTS, NODES, NODES * DEGREE);
    bench_machine_print(bench_folder());
    both_open();
    events_load();
    graph_load();
    both_open();
    bench_head_print();
    for (size_t i = 0; i < sizeof works / sizeof works[0]; i++) work_run(&works[i]);
    must(mn_close(db));
    lite_must(sqlite3_close(lite));
    return 0;
}
