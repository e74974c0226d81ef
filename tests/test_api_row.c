/*
 * Rows and edges without the language: mn_get, mn_put, mn_delete, mn_link, mn_unlink, mn_neighbors.
 */
#include <stdio.h>
#include <string.h>

#include "support/api.h"
#include "support/test.h"

static const char *const all_types =
    "CREATE TABLE t (id INT PRIMARY KEY, b BOOL, f FLOAT, s TEXT, x BLOB, at TIMESTAMP,"
    "  d DURATION, u UUID, v VECTOR(3), j JSON, l INT[])";
static const char *const all_names[] = {"id", "b", "f", "s", "x", "at", "d", "u", "v", "j", "l"};
enum { ALL = sizeof all_names / sizeof all_names[0] };
static const float vector[3] = {1, -2.5f, 3e8f};
static const uint8_t uuid[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

static mn_fields fields(const char *const *names, mn_datum *values, size_t count)
{
    return (mn_fields){sizeof(mn_fields), count, names, values};
}

static void all_fill(mn_datum values[ALL], const mn_datum list[3])
{
    values[0] = api_of_int(-7);
    values[1] = (mn_datum){.type = MN_TYPE_BOOL, .as.i = 5};
    values[2] = api_of_float(0.1);
    values[3] = api_of_text("h\xc3\xa9llo");
    values[4] = (mn_datum){.type = MN_TYPE_BLOB, .length = 3, .as.p = "a\0b"};
    values[5] = (mn_datum){.type = MN_TYPE_TIMESTAMP, .as.i = 1234567};
    values[6] = (mn_datum){.type = MN_TYPE_DURATION, .as.i = -5};
    values[7] = (mn_datum){.type = MN_TYPE_UUID, .length = 16, .as.p = uuid};
    values[8] = (mn_datum){.type = MN_TYPE_VECTOR, .length = 3, .as.p = vector};
    values[9] = (mn_datum){.type = MN_TYPE_JSON, .length = 9, .as.p = "{\"a\":[1]}"};
    values[10] = (mn_datum){.type = MN_TYPE_LIST, .length = 3, .as.p = list};
}

static void bytes_are(const mn_datum *datum, int type, const void *bytes, size_t length)
{
    assert_int_equal(datum->type, type);
    assert_int_equal(datum->length, length);
    assert_memory_equal(datum->as.p, bytes,
                        type == MN_TYPE_VECTOR ? length * sizeof(float) : length);
}

static void all_are(const mn_datum values[ALL])
{
    const mn_datum *list = values[10].as.p;

    assert_int_equal(values[0].as.i, -7);
    assert_int_equal(values[1].type, MN_TYPE_BOOL);
    assert_int_equal(values[1].as.i, 1);
    assert_true(values[2].as.f == 0.1);
    bytes_are(&values[3], MN_TYPE_TEXT, "h\xc3\xa9llo", 6);
    bytes_are(&values[4], MN_TYPE_BLOB, "a\0b", 3);
    assert_int_equal(values[5].type, MN_TYPE_TIMESTAMP);
    assert_int_equal(values[5].as.i, 1234567);
    assert_int_equal(values[6].type, MN_TYPE_DURATION);
    assert_int_equal(values[6].as.i, -5);
    bytes_are(&values[7], MN_TYPE_UUID, uuid, 16);
    bytes_are(&values[8], MN_TYPE_VECTOR, vector, 3);
    bytes_are(&values[9], MN_TYPE_JSON, "{\"a\":[1]}", 9);
    assert_int_equal(values[10].length, 3);
    assert_int_equal(list[0].as.i, 1);
    assert_int_equal(list[1].type, MN_TYPE_NULL);
    assert_int_equal(list[2].as.i, 3);
}

static void every_type_goes_in_and_comes_back(void **state)
{
    const mn_datum list[3] = {api_of_int(1), api_null(), api_of_int(3)};
    mn_db *db = api_open(all_types);
    mn_datum values[ALL], got[ALL], key = api_of_int(-7);
    mn_fields row = fields(all_names, values, ALL), out = fields(all_names, got, ALL);
    int64_t row_id;
    mn_snap *snap;

    (void)state;
    all_fill(values, list);
    api_expect(db, mn_put(db, "t", &row, &row_id), MN_OK);
    assert_int_equal(row_id, -7);
    assert_int_equal(mn_changes(db), 1);
    api_expect(db, mn_get(db, NULL, "t", &key, 1, &out), MN_OK);
    all_are(got);
    api_expect(db, mn_snapshot(db, 0, &snap), MN_OK);
    api_expect(db, mn_get(db, snap, "t", &key, 1, &out), MN_OK);
    all_are(got);
    mn_snapshot_end(snap);
    api_expect(db, mn_begin(db, MN_BEGIN_WRITE), MN_OK);
    api_expect(db, mn_put(db, "t", &row, NULL), MN_OK);
    api_expect(db, mn_get(db, NULL, "t", &key, 1, &out), MN_OK);
    all_are(got);
    api_expect(db, mn_commit(db), MN_OK);
    assert_int_equal(api_int(db, "SELECT count(*) FROM t WHERE l = [1, NULL, 3]"
                                 " OR (s = 'h\xc3\xa9llo' AND b AND at < now())"),
                     1);
    assert_int_equal(mn_check(db, NULL, NULL), MN_OK);
    assert_int_equal(mn_close(db), MN_OK);
}

/* Text and INT become what the column needs, as in INSERT. */
static void given_text_becomes_what_the_column_is(void **state)
{
    mn_db *db = api_open(all_types);
    mn_datum values[ALL] = {api_of_int(1),
                            api_null(),
                            api_of_int(2),
                            api_null(),
                            api_null(),
                            api_of_text("2026-11-20T08:00:00Z"),
                            api_of_text("1h30m"),
                            api_of_text("00112233-4455-6677-8899-aabbccddeeff"),
                            api_of_text("[1, 2, 3]"),
                            api_of_text("[true]"),
                            {.type = MN_TYPE_LIST}};
    mn_fields row = fields(all_names, values, ALL);

    (void)state;
    api_expect(db, mn_put(db, "t", &row, NULL), MN_OK);
    assert_int_equal(api_int(db, "SELECT count(*) FROM t WHERE f = 2.0 AND d = '90m'"
                                 " AND at = '2026-11-20T08:00:00Z' AND v = [1, 2, 3]"
                                 " AND u = '00112233-4455-6677-8899-aabbccddeeff'"
                                 " AND b IS NULL AND l = []"),
                     1);
    assert_int_equal(mn_close(db), MN_OK);
}

static const char *const ruled =
    "CREATE TABLE t (id INT PRIMARY KEY, a TEXT UNIQUE, n INT NOT NULL DEFAULT 5, c INT"
    "  CHECK (c < 10)); CREATE INDEX t_n ON t (n);"
    "INSERT INTO t VALUES (1, 'one', 1, 1), (2, 'two', 2, 2)";

static void put_keeps_what_is_not_given_and_fills_defaults(void **state)
{
    static const char *const names[] = {"c", "id"};
    mn_db *db = api_open(ruled);
    mn_datum values[2] = {api_of_int(7), api_of_int(2)};
    mn_fields row = fields(names, values, 2);
    int64_t row_id;

    (void)state;
    api_expect(db, mn_put(db, "t", &row, &row_id), MN_OK);
    assert_int_equal(row_id, 2);
    assert_int_equal(api_int(db, "SELECT count(*) FROM t WHERE id = 2 AND a = 'two' AND n = 2"
                                 " AND c = 7"),
                     1);
    values[1] = api_of_int(30);
    api_expect(db, mn_put(db, "t", &row, NULL), MN_OK);
    assert_int_equal(api_int(db, "SELECT count(*) FROM t WHERE id = 30 AND a IS NULL AND n = 5"),
                     1);
    values[1] = api_null(); /* the next id */
    api_expect(db, mn_put(db, "t", &row, &row_id), MN_OK);
    assert_int_equal(row_id, 31);
    assert_int_equal(mn_check(db, NULL, NULL), MN_OK);
    assert_int_equal(mn_close(db), MN_OK);
}

#define INT(n) \
    { \
        .type = MN_TYPE_INT, .as.i = (n) \
    }
#define TEXT(bytes, size) \
    { \
        .type = MN_TYPE_TEXT, .length = (size), .as.p = (bytes) \
    }
#define NONE \
    { \
        .type = MN_TYPE_NULL \
    }

static void a_broken_rule_changes_nothing(void **state, bool inside)
{
    static const char *const names[] = {"id", "a", "n", "c"};
    static const struct {
        mn_datum values[4];
        int code;
    } bad[] = {
        {{INT(9), TEXT("one", 3), INT(2), NONE}, MN_CONSTRAINT},
        {{INT(9), NONE, NONE, NONE}, MN_CONSTRAINT},
        {{INT(9), NONE, INT(1), INT(10)}, MN_CONSTRAINT},
        {{INT(2), TEXT("one", 3), INT(1), NONE}, MN_CONSTRAINT},
        {{INT(9), INT(1), INT(1), NONE}, MN_TYPE},
        {{INT(9), TEXT("\xff", 1), INT(1), NONE}, MN_TYPE},
        {{INT(9), {.type = 99}, INT(1), NONE}, MN_MISUSE},
        {{INT(9), TEXT(NULL, 5), INT(1), NONE}, MN_MISUSE},
        {{{.type = MN_TYPE_FLOAT, .as.f = 1.5}, NONE, INT(1), NONE}, MN_TYPE},
    };
    mn_db *db = api_open(ruled);
    int64_t row_id = 77;

    (void)state;
    if (inside) api_expect(db, mn_begin(db, MN_BEGIN_WRITE), MN_OK);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        mn_datum values[4];
        mn_fields row = fields(names, values, 4);

        memcpy(values, bad[i].values, sizeof values);
        api_expect(db, mn_put(db, "t", &row, &row_id), bad[i].code);
        assert_int_equal(row_id, 0);
        assert_true(strlen(mn_errmsg(db)) > 0);
        assert_int_equal(mn_in_transaction(db), inside);
        assert_int_equal(api_int(db, "SELECT sum(id) FROM t WHERE n < 3"), 3);
        assert_int_equal(api_int(db, "SELECT count(*) FROM t WHERE a = 'one' AND id = 1"), 1);
    }
    if (inside) api_expect(db, mn_commit(db), MN_OK);
    assert_int_equal(mn_check(db, NULL, NULL), MN_OK);
    assert_int_equal(mn_close(db), MN_OK);
}

static void a_broken_rule_changes_nothing_outside(void **state)
{
    a_broken_rule_changes_nothing(state, false);
}

static void a_broken_rule_changes_nothing_inside(void **state)
{
    a_broken_rule_changes_nothing(state, true);
}

/* A plain table takes the short way, without a savepoint: rollbacks undo it all the same. */
static void rollbacks_take_puts_and_deletes_back(void **state)
{
    static const char *const names[] = {"id", "a"};
    mn_db *db = api_open("CREATE TABLE p (id INT PRIMARY KEY, a TEXT NOT NULL CHECK (a <> 'x'));"
                         "INSERT INTO p VALUES (1, 'one'), (2, 'two')");
    mn_datum values[2] = {api_of_int(1), api_of_text("new")};
    mn_fields row = fields(names, values, 2);
    mn_datum key = api_of_int(2);

    (void)state;
    api_expect(db, mn_begin(db, MN_BEGIN_DEFERRED), MN_OK);
    api_expect(db, mn_put(db, "p", &row, NULL), MN_OK);
    api_expect(db, mn_savepoint(db, "s"), MN_OK);
    api_expect(db, mn_delete(db, "p", &key, 1), MN_OK);
    assert_int_equal(mn_changes(db), 1);
    api_expect(db, mn_delete(db, "p", &key, 1), MN_NOTFOUND);
    assert_int_equal(mn_changes(db), 0);
    values[1] = api_of_text("x");
    api_expect(db, mn_put(db, "p", &row, NULL), MN_CONSTRAINT);
    values[1] = api_null();
    api_expect(db, mn_put(db, "p", &row, NULL), MN_CONSTRAINT);
    api_expect(db, mn_rollback_to(db, "s"), MN_OK);
    assert_int_equal(api_int(db, "SELECT count(*) FROM p WHERE a IN ('new', 'two')"), 2);
    api_expect(db, mn_rollback(db), MN_OK);
    assert_int_equal(api_int(db, "SELECT count(*) FROM p WHERE a IN ('one', 'two')"), 2);
    api_expect(db, mn_begin(db, MN_BEGIN_READ), MN_OK);
    api_expect(db, mn_delete(db, "p", &key, 1), MN_READONLY_DB);
    api_expect(db, mn_commit(db), MN_OK);
    assert_int_equal(mn_close(db), MN_OK);
}

static void keys_of_every_kind_find_their_row(void **state)
{
    static const char *const n[] = {"n"}, *const both[] = {"a", "b", "n"};
    mn_db *db = api_open("CREATE TABLE c (a TEXT, b INT, n INT, PRIMARY KEY (a, b));"
                         "CREATE TABLE h (n INT); CREATE TABLE w (name TEXT PRIMARY KEY, n INT)");
    mn_datum key[2] = {api_of_text("k"), api_of_int(2)}, got;
    mn_datum three[3] = {api_of_text("k"), api_of_int(2), api_of_int(22)};
    mn_fields out = fields(n, &got, 1), row = fields(both, three, 3), one = fields(n, &got, 1);
    int64_t row_id;

    (void)state;
    api_expect(db, mn_put(db, "c", &row, NULL), MN_OK);
    three[2] = api_of_int(23);
    api_expect(db, mn_put(db, "c", &row, NULL), MN_OK);
    api_expect(db, mn_get(db, NULL, "c", key, 2, &out), MN_OK);
    assert_int_equal(got.as.i, 23);
    api_expect(db, mn_get(db, NULL, "c", key, 1, &out), MN_MISUSE);
    assert_int_equal(got.type, MN_TYPE_NULL);
    key[1] = api_null();
    api_expect(db, mn_get(db, NULL, "c", key, 2, &out), MN_NOTFOUND);
    got = api_of_int(5);
    api_expect(db, mn_put(db, "h", &one, &row_id), MN_OK);
    assert_int_equal(row_id, 1);
    api_expect(db, mn_put(db, "h", &one, &row_id), MN_OK); /* no key: another row */
    assert_int_equal(row_id, 2);
    key[0] = api_of_int(2);
    api_expect(db, mn_get(db, NULL, "h", key, 1, &out), MN_OK);
    assert_int_equal(got.as.i, 5);
    api_expect(db, mn_delete(db, "h", key, 1), MN_OK);
    api_expect(db, mn_put(db, "h", &one, &row_id), MN_OK);
    assert_int_equal(row_id, 3); /* hidden ids are not used twice */
    key[0] = api_null();
    api_expect(db, mn_get(db, NULL, "h", key, 1, &out), MN_NOTFOUND);
    three[0] = api_of_text("w");
    api_expect(db, mn_put(db, "w", &one, NULL), MN_SCHEMA); /* the key is not given */
    key[0] = api_of_text("w");
    api_expect(db, mn_delete(db, "w", key, 1), MN_NOTFOUND);
    assert_int_equal(mn_close(db), MN_OK);
}

static void names_are_looked_up_anew_when_tables_change(void **state)
{
    static const char *const names[] = {"n"};
    mn_db *db = api_open("CREATE TABLE t (id INT PRIMARY KEY, n INT); INSERT INTO t VALUES (1, 1)");
    mn_datum key = api_of_int(1), got;
    mn_fields out = fields(names, &got, 1);
    mn_snap *snap;

    (void)state;
    api_expect(db, mn_snapshot(db, 0, &snap), MN_OK);
    for (int i = 0; i < 3; i++) {
        api_exec(db, "DROP TABLE t; CREATE TABLE t (x TEXT, n INT, id INT PRIMARY KEY);"
                     "INSERT INTO t VALUES ('a', 2, 1)");
        api_expect(db, mn_get(db, NULL, "t", &key, 1, &out), MN_OK);
        assert_int_equal(got.as.i, 2);
        api_expect(db, mn_get(db, snap, "t", &key, 1, &out), MN_OK);
        assert_int_equal(got.as.i, 1);
    }
    api_expect(db, mn_begin(db, MN_BEGIN_WRITE), MN_OK);
    api_exec(db, "DROP TABLE t");
    api_expect(db, mn_get(db, NULL, "t", &key, 1, &out), MN_SCHEMA);
    api_expect(db, mn_rollback(db), MN_OK);
    api_expect(db, mn_get(db, NULL, "t", &key, 1, &out), MN_OK);
    assert_int_equal(got.as.i, 2);
    mn_snapshot_end(snap);
    for (int i = 0; i < 20; i++) { /* more tables than a thread remembers */
        char sql[100];

        snprintf(sql, sizeof sql,
                 "CREATE TABLE t%d (id INT PRIMARY KEY, n INT);"
                 "INSERT INTO t%d VALUES (1, %d)",
                 i, i, i);
        api_exec(db, sql);
    }
    for (int i = 0; i < 60; i++) {
        char name[10];

        snprintf(name, sizeof name, "t%d", i * 7 % 20);
        api_expect(db, mn_get(db, NULL, name, &key, 1, &out), MN_OK);
        assert_int_equal(got.as.i, i * 7 % 20);
    }
    assert_int_equal(mn_close(db), MN_OK);
}

static void a_snapshot_does_not_see_what_comes_later(void **state)
{
    static const char *const names[] = {"id", "s"};
    mn_db *db = api_open("CREATE TABLE t (id INT PRIMARY KEY, s TEXT)"), *other = api_open("");
    mn_datum values[2] = {api_of_int(1), api_of_text("old")}, got, key = api_of_int(1);
    mn_fields row = fields(names, values, 2), out = fields(names + 1, &got, 1);
    mn_stmt *stmt = api_prepare(db, "SELECT s FROM t WHERE id = 1");
    mn_snap *snap, *none = (mn_snap *)1;
    const void *bytes;

    (void)state;
    api_expect(db, mn_put(db, "t", &row, NULL), MN_OK);
    api_expect(db, mn_snapshot(db, mn_current_version(db), &snap), MN_OK);
    assert_int_equal(mn_snapshot_version(snap), mn_current_version(db));
    api_expect(db, mn_snapshot(db, mn_current_version(db) + 1, &none), MN_GONE);
    assert_null(none);
    api_expect(db, mn_get(db, snap, "t", &key, 1, &out), MN_OK);
    bytes = got.as.p;
    values[1] = api_of_text("new");
    api_expect(db, mn_put(db, "t", &row, NULL), MN_OK);
    api_exec(db, "INSERT INTO t SELECT g, 'more' FROM generate_series(2, 2000) g");
    bytes_are(&got, MN_TYPE_TEXT, "old", 3); /* valid until the snapshot ends */
    assert_ptr_equal(got.as.p, bytes);
    api_expect(db, mn_use_snapshot(stmt, snap), MN_OK);
    api_expect(db, mn_begin(db, MN_BEGIN_WRITE), MN_OK);
    api_expect(db, mn_step(stmt), MN_ROW);
    assert_string_equal(mn_col_text(stmt, 0, NULL), "old");
    api_expect(db, mn_use_snapshot(stmt, NULL), MN_MISUSE); /* it runs */
    api_expect(db, mn_reset(stmt), MN_OK);
    api_expect(db, mn_commit(db), MN_OK);
    api_expect(db, mn_close(db), MN_MISUSE);
    mn_snapshot_end(snap); /* the statement keeps the version */
    api_expect(db, mn_step(stmt), MN_ROW);
    assert_string_equal(mn_col_text(stmt, 0, NULL), "old");
    api_expect(db, mn_reset(stmt), MN_OK);
    api_expect(db, mn_use_snapshot(stmt, NULL), MN_OK);
    api_expect(db, mn_step(stmt), MN_ROW);
    assert_string_equal(mn_col_text(stmt, 0, NULL), "new");
    mn_finalize(stmt);
    api_expect(other, mn_snapshot(other, 0, &snap), MN_OK);
    api_expect(db, mn_get(db, snap, "t", &key, 1, &out), MN_MISUSE);
    stmt = api_prepare(other, "CREATE TABLE x (a INT)");
    api_expect(other, mn_use_snapshot(stmt, snap), MN_MISUSE);
    mn_finalize(stmt);
    mn_snapshot_end(snap);
    assert_int_equal(mn_close(other), MN_OK);
    assert_int_equal(mn_close(db), MN_OK);
}

/* ---- edges ---- */

static const char *const graph = "CREATE TABLE n (name TEXT PRIMARY KEY); CREATE TABLE p (x INT);"
                                 "CREATE RELATION r FROM n TO n (w FLOAT DEFAULT 1);"
                                 "CREATE RELATION m FROM n TO p (w FLOAT) WITH (multi);"
                                 "INSERT INTO n SELECT 'n' || g FROM generate_series(1, 300) g;"
                                 "INSERT INTO p VALUES (10), (20)";

static void edges_are_linked_changed_and_unlinked(void **state)
{
    static const char *const names[] = {"w"}, *const src[] = {"src"};
    mn_db *db = api_open(graph);
    mn_datum ends[2] = {api_of_text("n1"), api_of_text("n2")}, w = api_of_float(2), got;
    mn_fields row = fields(names, &w, 1), out = fields(names, &got, 1), bad = fields(src, &w, 1);
    int64_t first, edge, removed;

    (void)state;
    api_expect(db, mn_link(db, "r", ends, NULL, &first), MN_OK);
    api_expect(db, mn_get(db, NULL, "r", ends, 2, &out), MN_OK);
    assert_true(got.as.f == 1.0);
    api_expect(db, mn_link(db, "r", ends, &row, &edge), MN_OK);
    assert_int_equal(edge, first);
    api_expect(db, mn_get(db, NULL, "r", ends, 2, &out), MN_OK);
    assert_true(got.as.f == 2.0);
    api_expect(db, mn_link(db, "r", ends, &bad, &edge), MN_MISUSE);
    assert_int_equal(edge, 0);
    api_expect(db, mn_unlink(db, "r", ends, &removed), MN_OK);
    assert_int_equal(removed, 1);
    assert_int_equal(mn_changes(db), 1);
    api_expect(db, mn_unlink(db, "r", ends, &removed), MN_OK);
    assert_int_equal(removed, 0);
    api_expect(db, mn_get(db, NULL, "r", ends, 2, &out), MN_NOTFOUND);
    ends[1] = api_of_text("nobody");
    api_expect(db, mn_link(db, "r", ends, NULL, NULL), MN_CONSTRAINT);
    api_expect(db, mn_unlink(db, "r", ends, &removed), MN_OK);
    ends[1] = api_null();
    api_expect(db, mn_link(db, "r", ends, NULL, NULL), MN_CONSTRAINT);
    ends[1] = api_of_int(3);
    api_expect(db, mn_link(db, "r", ends, NULL, NULL), MN_TYPE);
    api_expect(db, mn_link(db, "n", ends, NULL, NULL), MN_SCHEMA);
    ends[1] = api_of_int(2); /* p's key is its hidden row id */
    for (int i = 0; i < 3; i++) api_expect(db, mn_link(db, "m", ends, &row, &edge), MN_OK);
    api_expect(db, mn_get(db, NULL, "m", ends, 2, &out), MN_SCHEMA);
    api_expect(db, mn_unlink(db, "m", ends, &removed), MN_OK);
    assert_int_equal(removed, 3);
    assert_int_equal(mn_check(db, NULL, NULL), MN_OK);
    assert_int_equal(mn_close(db), MN_OK);
}

enum { SOME = 10 };

static void neighbours_come_page_by_page(void **state)
{
    mn_db *db = api_open(graph);
    mn_datum ends[2] = {api_of_text("n7"), api_null()}, keys[SOME], key = api_of_text("n7");
    int64_t edges[SOME];
    mn_neighbor_list list = {.size = sizeof list, .capacity = SOME, .keys = keys, .edges = edges};
    mn_snap *snap;
    uint64_t seen = 0;
    char name[3][8];

    (void)state;
    api_exec(db, "INSERT INTO r SELECT 'n7', 'n' || g, g FROM generate_series(1, 203) g;"
                 "LINK 'n9' TO 'n7' AS r; LINK 'n7' TO 2 AS m");
    api_expect(db, mn_snapshot(db, 0, &snap), MN_OK);
    api_exec(db, "DELETE FROM r");
    do {
        list.offset = seen;
        api_expect(db, mn_neighbors(db, snap, "r", &key, &list), MN_OK);
        assert_int_equal(list.total, 203);
        for (size_t i = 0; i < list.count; i++, seen++) {
            snprintf(name[0], sizeof name[0], "n%d", (int)seen + 1);
            bytes_are(&keys[i], MN_TYPE_TEXT, name[0], strlen(name[0]));
            assert_int_equal(edges[i], seen + 1);
        }
    } while (list.count == SOME);
    assert_int_equal(seen, 203);
    list.offset = UINT64_MAX;
    api_expect(db, mn_neighbors(db, snap, "r", &key, &list), MN_OK);
    assert_int_equal(list.count, 0);
    list = (mn_neighbor_list){.size = sizeof list, .incoming = 1};
    api_expect(db, mn_neighbors(db, snap, "r", &key, &list), MN_OK);
    assert_int_equal(list.total, 2); /* from n9, and from itself */
    mn_snapshot_end(snap);
    api_expect(db, mn_neighbors(db, NULL, "r", &key, &list), MN_OK);
    assert_int_equal(list.total, 0);
    list = (mn_neighbor_list){.size = sizeof list, .capacity = SOME, .keys = keys};
    api_expect(db, mn_neighbors(db, NULL, "m", &key, &list), MN_OK);
    assert_int_equal(list.count, 1);
    assert_int_equal(keys[0].as.i, 2);
    ends[0] = api_of_text("nobody");
    api_expect(db, mn_neighbors(db, NULL, "r", &ends[0], &list), MN_NOTFOUND);
    assert_int_equal(list.count + list.total, 0);
    assert_int_equal(mn_close(db), MN_OK);
}

/* ---- misuse and memory ---- */

static void misuse_is_answered(void **state)
{
    static const char *const names[] = {"id", "a"}, *const twice[] = {"id", "id"},
                             *const holes[] = {"id", NULL}, *const wrong[] = {"id", "zz"};
    mn_db *db = api_open("CREATE TABLE t (id INT PRIMARY KEY, a INT); CREATE RELATION r FROM t TO t"
                         "; INSERT INTO t VALUES (1, 1)");
    mn_datum values[2] = {api_of_int(1), api_of_int(2)}, key = api_of_int(1);
    mn_fields row = fields(names, values, 2), bad = row;
    mn_neighbor_list list = {.size = 1};
    int64_t id = 5;
    mn_snap *snap = (mn_snap *)1;

    (void)state;
    assert_int_equal(mn_get(NULL, NULL, "t", &key, 1, &row), MN_MISUSE);
    assert_int_equal(values[1].type, MN_TYPE_NULL);
    assert_int_equal(mn_put(NULL, "t", &row, &id), MN_MISUSE);
    assert_int_equal(id, 0);
    assert_int_equal(mn_delete(NULL, "t", &key, 1), MN_MISUSE);
    assert_int_equal(mn_link(NULL, "r", values, NULL, &id), MN_MISUSE);
    assert_int_equal(mn_unlink(NULL, "r", values, &id), MN_MISUSE);
    assert_int_equal(mn_neighbors(NULL, NULL, "r", &key, &list), MN_MISUSE);
    assert_int_equal(mn_snapshot(NULL, 0, &snap), MN_MISUSE);
    assert_null(snap);
    assert_int_equal(mn_snapshot_version(NULL), 0);
    mn_snapshot_end(NULL);
    assert_int_equal(mn_use_snapshot(NULL, NULL), MN_MISUSE);
    api_expect(db, mn_snapshot(db, 0, NULL), MN_MISUSE);
    api_expect(db, mn_get(db, NULL, "t", NULL, 1, &row), MN_MISUSE);
    api_expect(db, mn_get(db, NULL, "t", &key, 1, NULL), MN_MISUSE);
    api_expect(db, mn_get(db, NULL, NULL, &key, 1, &row), MN_MISUSE);
    api_expect(db, mn_get(db, NULL, "nope", &key, 1, &row), MN_SCHEMA);
    assert_true(strlen(mn_error_hint(db)) > 0);
    bad.size = 3;
    api_expect(db, mn_get(db, NULL, "t", &key, 1, &bad), MN_MISUSE);
    bad = fields(NULL, values, 2);
    api_expect(db, mn_put(db, "t", &bad, NULL), MN_MISUSE);
    bad = fields(names, NULL, 2);
    api_expect(db, mn_put(db, "t", &bad, NULL), MN_MISUSE);
    bad = fields(twice, values, 2);
    api_expect(db, mn_put(db, "t", &bad, NULL), MN_SCHEMA);
    bad = fields(holes, values, 2);
    api_expect(db, mn_put(db, "t", &bad, NULL), MN_MISUSE);
    bad = fields(wrong, values, 2);
    api_expect(db, mn_put(db, "t", &bad, NULL), MN_SCHEMA);
    bad = fields(names, values, 1001);
    api_expect(db, mn_put(db, "t", &bad, NULL), MN_TOOBIG);
    api_expect(db, mn_delete(db, "t", NULL, 0), MN_MISUSE);
    api_expect(db, mn_link(db, "r", NULL, NULL, NULL), MN_MISUSE);
    api_expect(db, mn_unlink(db, "r", NULL, NULL), MN_MISUSE);
    api_expect(db, mn_neighbors(db, NULL, "r", &key, &list), MN_MISUSE);
    api_expect(db, mn_neighbors(db, NULL, "r", NULL, NULL), MN_MISUSE);
    list.size = sizeof list;
    api_expect(db, mn_neighbors(db, NULL, "r", NULL, &list), MN_MISUSE);
    api_expect(db, mn_neighbors(db, NULL, "t", &key, &list), MN_SCHEMA);
    values[0] = api_of_int(1);
    values[1] = api_of_int(3);
    api_expect(db, mn_put(db, "t", &row, NULL), MN_OK); /* the handle is as good as before */
    assert_int_equal(api_int(db, "SELECT a FROM t"), 3);
    assert_int_equal(mn_close(db), MN_OK);
}

static void a_handle_that_only_reads_refuses_changes(void **state)
{
    static const char *const names[] = {"id"};
    char path[600];
    mn_datum key = api_of_int(1);
    mn_fields row = fields(names, &key, 1);
    mn_db *db;

    (void)state;
    snprintf(path, sizeof path, "%s/r.mneme", test_folder());
    assert_int_equal(mn_open(path, MN_CREATE, &db), MN_OK);
    api_exec(db, "CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (1)");
    assert_int_equal(mn_close(db), MN_OK);
    assert_int_equal(mn_open(path, MN_READONLY, &db), MN_OK);
    api_expect(db, mn_put(db, "t", &row, NULL), MN_READONLY_DB);
    api_expect(db, mn_delete(db, "t", &key, 1), MN_READONLY_DB);
    api_expect(db, mn_get(db, NULL, "t", &key, 1, &row), MN_OK);
    assert_int_equal(mn_close(db), MN_OK);
}

static int starving_work(void *context)
{
    static const char *const names[] = {"id", "s", "v"};
    mn_db *db = context;
    mn_datum values[3] = {api_of_int(4), api_of_text("new"), api_of_text("[1, 2]")}, got[3];
    mn_datum key = api_of_int(4), ends[2] = {api_of_int(1), api_of_int(4)}, keys[4];
    mn_fields row = fields(names, values, 3), out = fields(names, got, 3);
    mn_neighbor_list list = {.size = sizeof list, .capacity = 4, .keys = keys};
    int code = mn_begin(db, MN_BEGIN_WRITE);

    if (code == MN_OK) code = mn_put(db, "t", &row, NULL);
    if (code == MN_OK) code = mn_get(db, NULL, "t", &key, 1, &out);
    if (code == MN_OK) code = mn_link(db, "r", ends, NULL, NULL);
    if (code == MN_OK) code = mn_neighbors(db, NULL, "r", &ends[0], &list);
    if (code == MN_OK) code = mn_unlink(db, "r", ends, NULL);
    if (code == MN_OK) code = mn_delete(db, "t", &key, 1);
    if (code == MN_OK) code = mn_rollback(db);
    key = api_of_int(1);
    if (code == MN_OK) code = mn_get(db, NULL, "t", &key, 1, &out);
    return code;
}

static void starving_settle(void *context, int code)
{
    mn_db *db = context;

    if (code != MN_OK) assert_int_equal(mn_errcode(db), code);
    if (mn_in_transaction(db)) api_expect(db, mn_rollback(db), MN_OK);
    assert_int_equal(api_int(db, "SELECT sum(id) FROM t"), 6);
}

static void every_allocation_may_fail(void **state)
{
    mn_db *db = api_open("CREATE TABLE t (id INT PRIMARY KEY, s TEXT UNIQUE, v VECTOR(2),"
                         "  n INT DEFAULT 5 CHECK (n > 0)); CREATE RELATION r FROM t TO t;"
                         "INSERT INTO t (id, s) VALUES (1, 'a'), (2, 'b'), (3, 'c');"
                         "LINK 1 TO 2 AS r");

    (void)state;
    assert_true(api_starve(starving_work, starving_settle, db) > 10);
    assert_int_equal(mn_check(db, NULL, NULL), MN_OK);
    assert_int_equal(mn_close(db), MN_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_goes_in_and_comes_back),
        cmocka_unit_test(given_text_becomes_what_the_column_is),
        cmocka_unit_test(put_keeps_what_is_not_given_and_fills_defaults),
        cmocka_unit_test(a_broken_rule_changes_nothing_outside),
        cmocka_unit_test(a_broken_rule_changes_nothing_inside),
        cmocka_unit_test(rollbacks_take_puts_and_deletes_back),
        cmocka_unit_test(keys_of_every_kind_find_their_row),
        cmocka_unit_test(names_are_looked_up_anew_when_tables_change),
        cmocka_unit_test(a_snapshot_does_not_see_what_comes_later),
        cmocka_unit_test(edges_are_linked_changed_and_unlinked),
        cmocka_unit_test(neighbours_come_page_by_page),
        cmocka_unit_test(misuse_is_answered),
        cmocka_unit_test(a_handle_that_only_reads_refuses_changes),
        cmocka_unit_test(every_allocation_may_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
