/*
 * Tests of MATCH through the public header: random graphs against loops over the list of edges.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mneme.h"
#include "support/test.h"

enum { PEOPLE = 30, PLACES = 10, EDGES = 90, PAIRS_MAX = 20000 };

/* Relation 0 likes and 1 knows (people to people), 2 lives (people to places), 3 visits (multi). */
static const char *const relation_names[] = {"likes", "knows", "lives", "visits"};

struct edge {
    int relation;
    int64_t src, dst, weight;
};

struct pair {
    int64_t a, b;
};

static mn_db *db;
static struct edge edges[4 * EDGES];
static int edge_count;
static struct pair want[PAIRS_MAX], got[PAIRS_MAX];
static int want_count, got_count;

static void run(const char *sql)
{
    if (mn_exec(db, sql, NULL, NULL) != MN_OK) fail_msg("%s: %s", sql, mn_errmsg(db));
}

static bool edge_is_there(int relation, int64_t src, int64_t dst)
{
    for (int i = 0; i < edge_count; i++) {
        if (edges[i].relation == relation && edges[i].src == src && edges[i].dst == dst)
            return true;
    }
    return false;
}

static void edge_draw(int relation, uint64_t *seed)
{
    char sql[200];
    struct edge e = {relation, (int64_t)(test_random(seed) % PEOPLE),
                     (int64_t)(test_random(seed) % (relation < 2 ? PEOPLE : PLACES)),
                     (int64_t)(test_random(seed) % 10)};

    if (relation != 3 && edge_is_there(relation, e.src, e.dst)) return;
    snprintf(sql, sizeof sql, "INSERT INTO %s (src, dst, weight) VALUES (%lld, '%c', %lld)",
             relation_names[relation], (long long)e.src, (char)('a' + e.dst), (long long)e.weight);
    if (relation < 2) {
        snprintf(sql, sizeof sql, "INSERT INTO %s (src, dst, weight) VALUES (%lld, %lld, %lld)",
                 relation_names[relation], (long long)e.src, (long long)e.dst, (long long)e.weight);
    }
    run(sql);
    edges[edge_count++] = e;
}

static int graph_open(void **state)
{
    uint64_t seed = test_seed();
    char sql[200];

    (void)state;
    if (mn_open(NULL, MN_MEMORY, &db) != MN_OK) return -1;
    run("CREATE TABLE person (id INT PRIMARY KEY, age INT);"
        "CREATE TABLE place (name TEXT PRIMARY KEY);"
        "CREATE RELATION likes FROM person TO person (weight INT);"
        "CREATE RELATION knows FROM person TO person (weight INT);"
        "CREATE RELATION lives FROM person TO place (weight INT);"
        "CREATE RELATION visits FROM person TO place (weight INT) WITH (multi);"
        "BEGIN;");
    for (int i = 0; i < PEOPLE; i++) {
        snprintf(sql, sizeof sql, "INSERT INTO person VALUES (%d, %d)", i, i * 7 % 50);
        run(sql);
    }
    for (int i = 0; i < PLACES; i++) {
        snprintf(sql, sizeof sql, "INSERT INTO place VALUES ('%c')", 'a' + i);
        run(sql);
    }
    for (int i = 0; i < 4 * EDGES; i++) edge_draw(i % 4, &seed);
    run("COMMIT");
    return 0;
}

static int graph_close(void **state)
{
    (void)state;
    return mn_close(db) == MN_OK ? 0 : -1;
}

/* ---- comparison, as sets with repeats ---- */

static int pair_order(const void *x, const void *y)
{
    const struct pair *p = x, *q = y;

    if (p->a != q->a) return p->a < q->a ? -1 : 1;
    return (p->b > q->b) - (p->b < q->b);
}

/* People are their ids, places the number of their letter; NULL is -1. */
static int64_t column(mn_stmt *stmt, int i)
{
    const char *text;

    if (mn_col_is_null(stmt, i)) return -1;
    if (mn_col_type(stmt, i) == MN_TYPE_INT) return mn_col_int(stmt, i);
    text = mn_col_text(stmt, i, NULL);
    return text[1] ? (int64_t)strlen(text) : text[0] - 'a';
}

static void ask(const char *sql)
{
    mn_stmt *stmt;
    int status;

    if (mn_prepare(db, sql, MN_ALL, &stmt, NULL) != MN_OK) fail_msg("%s: %s", sql, mn_errmsg(db));
    for (got_count = 0; (status = mn_step(stmt)) == MN_ROW; got_count++) {
        assert_true(got_count < PAIRS_MAX);
        got[got_count] = (struct pair){column(stmt, 0), column(stmt, 1)};
    }
    if (status != MN_DONE) fail_msg("%s: %s", sql, mn_errmsg(db));
    mn_finalize(stmt);
}

static void want_none(void)
{
    want_count = 0;
}

static void want_pair(int64_t a, int64_t b)
{
    assert_true(want_count < PAIRS_MAX);
    want[want_count++] = (struct pair){a, b};
}

static void compare(const char *sql)
{
    ask(sql);
    qsort(want, (size_t)want_count, sizeof *want, pair_order);
    qsort(got, (size_t)got_count, sizeof *got, pair_order);
    for (int i = 0; i < want_count && i < got_count; i++) {
        if (pair_order(&want[i], &got[i]) == 0) continue;
        fail_msg("%s: row %d is (%lld, %lld), want (%lld, %lld)", sql, i, (long long)got[i].a,
                 (long long)got[i].b, (long long)want[i].a, (long long)want[i].b);
    }
    if (want_count != got_count) fail_msg("%s: %d rows, want %d", sql, got_count, want_count);
}

static void an_edge_is_a_row_in_either_direction(void **state)
{
    (void)state;
    want_none();
    for (int i = 0; i < edge_count; i++) {
        if (edges[i].relation == 0) want_pair(edges[i].src, edges[i].dst);
    }
    compare("SELECT a.id, b.id FROM MATCH (a:person)-[:likes]->(b:person)");
    compare("SELECT a.id, b.id FROM MATCH (b)<-[:likes]-(a)");
    compare("SELECT r.src, r.dst FROM MATCH (a)-[r:likes]->(b)");
    want_none();
    for (int i = 0; i < edge_count; i++) {
        if (edges[i].relation != 0) continue;
        want_pair(edges[i].src, edges[i].dst);
        if (edges[i].src != edges[i].dst) want_pair(edges[i].dst, edges[i].src);
    }
    compare("SELECT a.id, b.id FROM MATCH (a)-[:likes]-(b)");
}

static void conditions_stand_on_nodes_and_edges(void **state)
{
    (void)state;
    want_none();
    for (int i = 0; i < edge_count; i++) {
        const struct edge *e = &edges[i];
        if (e->relation == 1 && e->weight > 4 && e->dst * 7 % 50 < 25) want_pair(e->src, e->dst);
    }
    compare("SELECT a.id, b.id FROM MATCH (a)-[r:knows WHERE r.weight > 4]->(b WHERE age < 25)");
    compare("SELECT a.id, b.id FROM MATCH (a)-[r:knows]->(b) WHERE weight > 4 AND b.age < 25");
    want_none();
    for (int i = 0; i < edge_count; i++) {
        if (edges[i].relation == 1 && edges[i].dst == 7) want_pair(edges[i].src, 7);
    }
    compare("SELECT a.id, b.id FROM MATCH (a)-[:knows]->(b WHERE b.id = 7)");
    compare("SELECT a.id, b.id FROM person b, MATCH (a:person)-[:knows]->(b) WHERE b.id = 7");
}

static void labels_alternate_or_are_left_out(void **state)
{
    (void)state;
    want_none();
    for (int i = 0; i < edge_count; i++) {
        if (edges[i].relation < 2) want_pair(edges[i].src, 5);
    }
    compare("SELECT a.id, length(label(r)) FROM MATCH (a:person)-[r:likes|knows]->(b)");
    compare("SELECT a.id, length(label(r)) FROM MATCH (a:person)-[r]->(b:person)");
    want_none();
    for (int i = 0; i < edge_count; i++) {
        if (edges[i].relation >= 2) want_pair(edges[i].src, edges[i].dst);
    }
    compare("SELECT a.id, b.name FROM MATCH (a)-[:lives|visits]->(b)");
    compare("SELECT a.id, b.name FROM MATCH (a:person)-[]->(b:place)");
}

static void edges_follow_edges(void **state)
{
    (void)state;
    want_none();
    for (int i = 0; i < edge_count; i++) {
        for (int j = 0; j < edge_count; j++) {
            if (edges[i].relation != 0 || edges[j].relation != 2) continue;
            if (edges[i].dst == edges[j].src) want_pair(edges[i].src, edges[j].dst);
        }
    }
    compare("SELECT a.id, c.name FROM MATCH (a)-[:likes]->(b)-[:lives]->(c)");
    compare("SELECT a.id, c.name FROM MATCH (a)-[:likes]->(b) AND (b)-[:lives]->(c)");
    want_none();
    for (int i = 0; i < edge_count; i++) {
        if (edges[i].relation != 0 || !edge_is_there(1, edges[i].dst, edges[i].src)) continue;
        want_pair(edges[i].src, edges[i].dst);
    }
    compare("SELECT a.id, b.id FROM MATCH (a)-[:likes]->(b)-[:knows]->(a)");
    compare("SELECT a.id, b.id FROM MATCH (a)-[:likes]->(b) AND (b)-[:knows]->(a)");
}

/* Least depths over relations 0 and 1, by relaxing; 99: not reached. */
static void depths(int64_t start, bool undirected, int depth[PEOPLE])
{
    bool changed = true;

    for (int i = 0; i < PEOPLE; i++) depth[i] = 99;
    while (changed) {
        changed = false;
        for (int i = 0; i < 2 * edge_count; i++) {
            const struct edge *e = &edges[i / 2];
            int64_t from = i % 2 ? e->dst : e->src, to = i % 2 ? e->src : e->dst;
            int least;

            if (e->relation > 1 || (i % 2 && !undirected)) continue;
            least = from == start ? 1 : depth[from] + 1;
            if (least >= depth[to]) continue;
            depth[to] = least;
            changed = true;
        }
    }
}

static void want_depths(int64_t start, bool undirected, int min, int max)
{
    int depth[PEOPLE];

    want_none();
    depths(start, undirected, depth);
    for (int i = 0; i < PEOPLE; i++) {
        if (depth[i] >= min && depth[i] <= max && depth[i] != 99) want_pair(i, depth[i]);
    }
}

static void ends_are_reached_once_at_their_least_depth(void **state)
{
    char sql[300];

    (void)state;
    for (int start = 0; start < PEOPLE; start++) {
        want_depths(start, false, 1, 98);
        snprintf(sql, sizeof sql,
                 "SELECT n.id, path_length(p) FROM MATCH p = (a:person WHERE a.id = %d)"
                 "-[:likes|knows]->+(n)",
                 start);
        compare(sql);
        want_depths(start, true, 2, 3);
        snprintf(sql, sizeof sql,
                 "SELECT n.id, path_length(p) FROM MATCH p = (a:person WHERE a.id = %d)"
                 "-[:likes|knows]-{2,3}(n)",
                 start);
        compare(sql);
        want_depths(start, false, 1, 2);
        snprintf(sql, sizeof sql,
                 "SELECT n.id, path_length(p) FROM person a, MATCH p = (a)-[:likes|knows]->{1,9}(n)"
                 " WHERE a.id = %d AND path_length(p) < 3",
                 start);
        compare(sql);
        snprintf(sql, sizeof sql,
                 "SELECT n.id, path_length(p) FROM MATCH p = (n)<-[:likes|knows]-{1,2}"
                 "(a:person WHERE a.id = %d)",
                 start);
        compare(sql);
    }
}

static void optional_and_existing_patterns(void **state)
{
    (void)state;
    want_none();
    for (int p = 0; p < PEOPLE; p++) {
        int before = want_count;

        for (int i = 0; i < edge_count; i++) {
            if (edges[i].relation == 2 && edges[i].src == p && edges[i].weight < 3) {
                want_pair(p, edges[i].dst);
            }
        }
        if (want_count == before) want_pair(p, -1);
    }
    compare("SELECT a.id, c.name FROM person a "
            "LEFT JOIN MATCH (a)-[r:lives WHERE r.weight < 3]->(c:place)");
    want_none();
    for (int p = 0; p < PEOPLE; p++) {
        bool any = false;
        for (int i = 0; i < edge_count; i++) {
            any = any || (edges[i].relation == 3 && edges[i].src == p && edges[i].dst == 4);
        }
        if (any) want_pair(p, 1);
    }
    compare("SELECT a.id, 1 FROM person a WHERE EXISTS "
            "(MATCH (a)-[:visits]->(c:place WHERE c.name = 'e'))");
    compare("SELECT a.id, 1 FROM person a WHERE EXISTS "
            "(SELECT 1 FROM MATCH (c:place WHERE c.name = 'e')<-[:visits]-(a))");
    want_none();
    for (int i = 0; i < edge_count; i++) {
        if (edges[i].relation == 3 && edges[i].src < 3) want_pair(edges[i].src, edges[i].dst);
    }
    compare("WITH few AS (SELECT id FROM person WHERE id < 3) "
            "SELECT few.id, c.name FROM few, MATCH (few)-[:visits]->(c:place)");
}

static void refused(const char *sql, int code, const char *message)
{
    mn_stmt *stmt;

    assert_int_equal(mn_prepare(db, sql, MN_ALL, &stmt, NULL), code);
    if (!strstr(mn_errmsg(db), message)) fail_msg("%s: %s", sql, mn_errmsg(db));
}

static void wrong_patterns_are_told(void **state)
{
    (void)state;
    refused("SELECT 1 FROM MATCH (a:person)-[:hates]->(b)", MN_SCHEMA, "no table \"hates\"");
    refused("SELECT 1 FROM MATCH (a:person)-[:place]->(b)", MN_SCHEMA,
            "is a table, not a relation");
    refused("SELECT 1 FROM MATCH (a:place)-[:likes]->(b)", MN_SCHEMA, "likes goes from person");
    refused("SELECT 1 FROM MATCH (a)-[]->(b)", MN_SCHEMA, "not clear");
    refused("SELECT a FROM MATCH (a:person)", MN_SCHEMA, "no column \"a\"");
    refused("SELECT path_length(q) FROM MATCH p = (a:person)", MN_SCHEMA, "no path \"q\"");
    refused("SELECT r.weight FROM MATCH (a:person)-[r:likes]->{1,2}(b)", MN_SCHEMA, "r");
    refused("SELECT nodes(p) FROM MATCH p = (a:person)-[:likes]->(b)", MN_UNSUPPORTED, "later");
    refused("SELECT 1 FROM MATCH TRAIL (a:person)-[:likes]->{1,2}(b)", MN_UNSUPPORTED, "later");
    refused("SELECT id FROM MATCH (a:person)-[:likes]->(b)", MN_SCHEMA, "it is in a and in b");
}

/* A start that is not there has no edges, is not its own end, and need not be read to know it; nor
 * one that is gone, whose edges went with it. */
static void a_node_that_is_not_there_leads_nowhere(void **state)
{
    static const char *const froms[] = {"(a:person WHERE a.id = 777)-[:likes]->(b)",
                                        "(a:person WHERE a.id = 777)-[:likes]->{1,3}(b:person)",
                                        "(a:person WHERE a.id = 777)-[:likes]->{0,3}(b:person)",
                                        "(a:person WHERE a.id = 777)-[:likes]->*(b:person)",
                                        "(a:person WHERE a.id = 777)<-[:likes|knows]-(b)",
                                        "(b:person)-[:likes]->(a:person WHERE a.id = 777)",
                                        "(a:person WHERE a.id = 777)",
                                        "(a:place WHERE a.name = 'zz')<-[:lives]-(b)"};
    char sql[200];

    (void)state;
    run("BEGIN; INSERT INTO person VALUES (777, 1); LINK 777 TO 1 AS likes; LINK 2 TO 777 AS likes;"
        "LINK 777 TO 777 AS knows");
    for (int gone = 0; gone < 2; gone++) {
        for (size_t i = 0; i < sizeof froms / sizeof froms[0]; i++) {
            mn_stmt *stmt;

            (void)snprintf(sql, sizeof sql, "SELECT count(*) FROM MATCH %s", froms[i]);
            assert_int_equal(mn_prepare(db, sql, MN_ALL, &stmt, NULL), MN_OK);
            assert_int_equal(mn_step(stmt), MN_ROW);
            if ((mn_col_int(stmt, 0) > 0) != (gone == 0 && i < 7)) fail_msg("%s", sql);
            mn_finalize(stmt);
        }
        run("DELETE FROM person WHERE id = 777");
    }
    run("ROLLBACK");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_edge_is_a_row_in_either_direction),
        cmocka_unit_test(conditions_stand_on_nodes_and_edges),
        cmocka_unit_test(labels_alternate_or_are_left_out),
        cmocka_unit_test(edges_follow_edges),
        cmocka_unit_test(ends_are_reached_once_at_their_least_depth),
        cmocka_unit_test(optional_and_existing_patterns),
        cmocka_unit_test(a_node_that_is_not_there_leads_nowhere),
        cmocka_unit_test(wrong_patterns_are_told),
    };

    return cmocka_run_group_tests_name("query/match", tests, graph_open, graph_close);
}
