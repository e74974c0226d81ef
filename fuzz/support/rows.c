/*
 * rows: changes, the model of them, and reading all of it back.
 */
#include "support/rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mneme.h"

enum { DIMS = 4, TEXT_MAX = 4000, PAGE = 512, CHANGES = 10 };

void rows_must(bool good, const char *what)
{
    if (good) return;
    (void)fprintf(stderr, "%s; the engine's last message: %s\n", what, mn_error_last()->message);
    abort();
}

mn_db *rows_open(struct mn_os *os, unsigned sync, int *status)
{
    mn_options options = {
        .size = sizeof options, .flags = MN_CREATE, .page_size = PAGE, .sync = sync, .busy_ms = -1};
    mn_db *db = NULL;

    *status = (int)mn_db_open_os("rows", &options, os, &db);
    return db;
}

void rows_create(mn_db *db)
{
    rows_must(mn_exec(db,
                      "CREATE TABLE t (id INT PRIMARY KEY, a TEXT UNIQUE, v VECTOR(4));"
                      "CREATE RELATION r FROM t TO t",
                      NULL, NULL) == MN_OK,
              "create");
}

/* ---- what texts and vectors are made of ---- */

/* Different for all rows and numbers; some are longer than a page. */
static size_t text_make(unsigned id, unsigned number, char *text)
{
    size_t length = number < 220 ? 8 + number % 60 : 300 + (number - 220) * 90;

    (void)snprintf(text, TEXT_MAX, "%02u-%03u-", id % 100, number % 1000);
    memset(text + 7, 'a' + (int)(number % 26), length - 7);
    return length;
}

static void vector_make(unsigned id, unsigned number, float *v)
{
    for (unsigned i = 0; i < DIMS; i++) v[i] = (float)(number * (i + 1)) + (float)id / 64;
}

static mn_datum of_int(int64_t i)
{
    return (mn_datum){.type = MN_TYPE_INT, .as.i = i};
}

/* ---- changes ---- */

static int put(mn_db *db, unsigned id, uint8_t b, struct rows_state *next)
{
    static const char *const names[] = {"id", "a", "v"};
    static char text[TEXT_MAX];
    float v[DIMS];
    mn_datum values[3] = {of_int(id)};
    mn_fields fields = {sizeof fields, 3, names, values};

    values[1] = (mn_datum){.type = MN_TYPE_TEXT, .length = (uint32_t)text_make(id, b, text)};
    values[1].as.p = text;
    next->text[id] = (uint16_t)(1 + b);
    next->vector[id] = b % 3 ? (uint8_t)(1 + b % 7) : 0;
    if (next->vector[id]) {
        vector_make(id, next->vector[id], v);
        values[2] = (mn_datum){.type = MN_TYPE_VECTOR, .length = DIMS};
        values[2].as.p = v;
    }
    return mn_put(db, "t", &fields, NULL);
}

static void forget(struct rows_state *next, unsigned id)
{
    next->text[id] = next->vector[id] = 0;
    next->edges[id] = 0;
    for (unsigned i = 0; i < ROWS_KEYS; i++) next->edges[i] &= ~(UINT32_C(1) << id);
}

static int take(mn_db *db, unsigned id, struct rows_state *next)
{
    mn_datum key = of_int(id);
    bool there = next->text[id] != 0;
    int status = mn_delete(db, "t", &key, 1);

    forget(next, id);
    if (status == MN_NOTFOUND || status == MN_OK) {
        rows_must((status == MN_OK) == there, "a delete finds what is there");
        status = MN_OK;
    }
    return status;
}

static int join(mn_db *db, unsigned from, unsigned to, bool link, struct rows_state *next)
{
    mn_datum ends[2] = {of_int(from), of_int(to)};
    bool ends_there = next->text[from] && next->text[to];
    uint32_t bit = UINT32_C(1) << to;
    int64_t removed = 0;
    int status = link ? mn_link(db, "r", ends, NULL, NULL) : mn_unlink(db, "r", ends, &removed);

    if (status == MN_CONSTRAINT || status == MN_NOTFOUND) {
        rows_must(!ends_there, "an edge between rows that are there");
        return MN_OK;
    }
    if (status == MN_OK && link) rows_must(ends_there, "an edge has both ends");
    if (status == MN_OK && !link) {
        rows_must(removed == ((next->edges[from] & bit) != 0), "an edge is removed once");
    }
    if (link && ends_there) next->edges[from] |= bit;
    if (!link) next->edges[from] &= ~bit;
    return status;
}

static int many(mn_db *db, uint8_t what, unsigned from, uint8_t b, struct rows_state *next)
{
    char sql[200];

    switch (what) {
    case 7:
        (void)snprintf(sql, sizeof sql, "DELETE FROM t WHERE id >= %u AND id < %u", from,
                       from + 1 + b % 8);
        for (unsigned i = from; i < from + 1 + b % 8u && i < ROWS_KEYS; i++) forget(next, i);
        break;
    case 8:
        (void)snprintf(sql, sizeof sql, "UPDATE t SET v = NULL WHERE id >= %u", from);
        for (unsigned i = from; i < ROWS_KEYS; i++) next->vector[i] = 0;
        break;
    default:
        (void)snprintf(sql, sizeof sql,
                       "INSERT INTO r (src, dst) SELECT %u, id FROM t WHERE id < %u AND"
                       " id NOT IN (SELECT dst FROM r WHERE src = %u)"
                       " AND EXISTS (SELECT 1 FROM t WHERE id = %u)",
                       from, b % (ROWS_KEYS + 1u), from, from);
        for (unsigned i = 0; i < b % (ROWS_KEYS + 1u) && next->text[from]; i++) {
            if (next->text[i]) next->edges[from] |= UINT32_C(1) << i;
        }
    }
    return mn_exec(db, sql, NULL, NULL);
}

int rows_change(struct rows *rows, uint8_t what, uint8_t a, uint8_t b, struct rows_state *next)
{
    unsigned id = a % ROWS_KEYS;

    *next = rows->now;
    switch (what % CHANGES) {
    case 4: return take(rows->db, id, next);
    case 5: return join(rows->db, id, b % ROWS_KEYS, true, next);
    case 6: return join(rows->db, id, b % ROWS_KEYS, false, next);
    case 7:
    case 8:
    case 9: return many(rows->db, what % CHANGES, id, b, next);
    default: return put(rows->db, id, b, next);
    }
}

int rows_savepoint(struct rows *rows, uint8_t how)
{
    static const char *const names[ROWS_SAVED] = {"one", "two", "three"};
    int status = MN_OK;

    if (how % 3 == 0 && rows->depth < ROWS_SAVED) {
        status = mn_savepoint(rows->db, names[rows->depth]);
        if (status == MN_OK) rows->saved[rows->depth++] = rows->now;
    } else if (how % 3 == 1 && rows->depth > 0) {
        unsigned to = how / 3 % rows->depth;

        status = mn_rollback_to(rows->db, names[to]);
        if (status == MN_OK) {
            rows->now = rows->saved[to];
            rows->depth = to + 1;
        }
    } else if (how % 3 == 2 && rows->depth > 0) {
        status = mn_release(rows->db, names[rows->depth - 1]);
        if (status == MN_OK) rows->depth--;
    }
    return status;
}

/* ---- reading ---- */

static int row_read(void *context, mn_stmt *row)
{
    static char want[TEXT_MAX];
    struct rows_state *state = context;
    unsigned id = (unsigned)mn_col_int(row, 0), number;
    size_t length, dims;
    const char *text = mn_col_text(row, 1, &length);
    const float *v = mn_col_vector(row, 2, &dims);
    float wanted[DIMS];

    rows_must(id < ROWS_KEYS && text && length > 7 && state->text[id] == 0, "a row's key");
    number = (unsigned)strtoul(text + 3, NULL, 10);
    rows_must(length == text_make(id, number, want) && memcmp(text, want, length) == 0,
              "a row's text");
    state->text[id] = (uint16_t)(1 + number);
    if (!v) return 0;
    rows_must(dims == DIMS, "a vector's size");
    state->vector[id] = (uint8_t)v[0];
    vector_make(id, state->vector[id], wanted);
    rows_must(memcmp(wanted, v, sizeof wanted) == 0, "a vector's elements");
    return 0;
}

static int edge_read(void *context, mn_stmt *row)
{
    struct rows_state *state = context;
    unsigned from = (unsigned)mn_col_int(row, 0), to = (unsigned)mn_col_int(row, 1);

    rows_must(from < ROWS_KEYS && to < ROWS_KEYS && state->text[from] && state->text[to],
              "an edge's ends");
    rows_must(!(state->edges[from] & UINT32_C(1) << to), "an edge once");
    state->edges[from] |= UINT32_C(1) << to;
    return 0;
}

static int text_read(void *context, mn_stmt *row)
{
    unsigned *left = context;

    (void)row;
    rows_must((*left)-- > 0, "as many texts in the index as rows");
    return 0;
}

/* Who leads to a row: read against the direction of the edges. */
static int incoming_read(mn_db *db, const struct rows_state *state)
{
    for (unsigned id = 0; id < ROWS_KEYS; id++) {
        mn_datum key = of_int(id), others[ROWS_KEYS];
        mn_neighbor_list list = {
            .size = sizeof list, .incoming = 1, .capacity = ROWS_KEYS, .keys = others};
        uint32_t want = 0, got = 0;
        int status;

        if (!state->text[id]) continue;
        status = mn_neighbors(db, NULL, "r", &key, &list);
        if (status != MN_OK) return status;
        for (unsigned i = 0; i < ROWS_KEYS; i++) want |= (state->edges[i] >> id & 1) << i;
        for (size_t i = 0; i < list.count; i++) got |= UINT32_C(1) << others[i].as.i;
        rows_must(got == want && list.total == list.count, "edges read from their end");
    }
    return MN_OK;
}

int rows_read(mn_db *db, struct rows_state *state)
{
    unsigned rows = 0;
    int status;

    memset(state, 0, sizeof *state);
    status = mn_exec(db, "SELECT id, a, v FROM t", row_read, state);
    if (status == MN_OK) status = mn_exec(db, "SELECT src, dst FROM r", edge_read, state);
    for (unsigned i = 0; i < ROWS_KEYS; i++) rows += state->text[i] != 0;
    if (status == MN_OK) {
        status = mn_exec(db, "SELECT a FROM t WHERE a >= '' ORDER BY a", text_read, &rows);
    }
    if (status == MN_OK) rows_must(rows == 0, "no fewer texts in the index than rows");
    return status == MN_OK ? incoming_read(db, state) : status;
}

bool rows_equal(const struct rows_state *a, const struct rows_state *b)
{
    return memcmp(a->text, b->text, sizeof a->text) == 0 &&
           memcmp(a->vector, b->vector, sizeof a->vector) == 0 &&
           memcmp(a->edges, b->edges, sizeof a->edges) == 0;
}

static void finding_told(void *context, const char *finding)
{
    (void)context;
    (void)fprintf(stderr, "check: %s\n", finding);
}

int rows_check(mn_db *db)
{
    return mn_check(db, finding_told, NULL);
}
