/*
 * One file, asked by a process of each level of the kernels: the same rows at the same distances,
 * from clusters, a flat list and vectors alone.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "index/vector/kernel.h"
#include "mneme.h"
#include "support/api.h"
#include "support/process.h"
#include "support/test.h"

enum { DIMS = 37, ROWS = 17000, FEW = 3000, QUESTIONS = 24, SCRIPT_BYTES = 32 << 10 };

static mn_db *db;
static uint64_t seed;

/* Heaps of vectors, some of them equal. */
static void rows_put(const char *sql, int count)
{
    float vector[DIMS];
    mn_stmt *insert;

    assert_int_equal(mn_prepare(db, sql, MN_ALL, &insert, NULL), MN_OK);
    for (int id = 0; id < count; id++) {
        uint64_t heap = test_random(&seed) % 60;

        for (int i = 0; id % 9 != 8 && i < DIMS; i++) {
            float base = (float)((heap * 31 + (uint64_t)i * 17) % 23) - 11;
            vector[i] = base + (float)(test_random(&seed) % 10000) / 1200;
        }
        mn_bind_int(insert, 1, id);
        mn_bind_vector(insert, 2, vector, DIMS, MN_STATIC);
        assert_int_equal(mn_step(insert), MN_DONE);
        mn_reset(insert);
    }
    mn_finalize(insert);
}

static void file_make(const char *folder)
{
    char path[600];

    (void)snprintf(path, sizeof path, "%s/levels.mneme", folder);
    seed = test_seed();
    assert_int_equal(mn_open(path, MN_CREATE, &db), MN_OK);
    api_exec(db, "PRAGMA sync = off; BEGIN; CREATE TABLE many (id INT PRIMARY KEY, v VECTOR(37));"
                 "CREATE TABLE few (id INT PRIMARY KEY, v VECTOR(37));"
                 "CREATE TABLE plain (id INT PRIMARY KEY, v VECTOR(37))");
    rows_put("INSERT INTO many VALUES ($1, $2)", ROWS);
    rows_put("INSERT INTO few VALUES ($1, $2)", FEW);
    rows_put("INSERT INTO plain VALUES ($1, $2)", FEW);
    api_exec(db, "CREATE INDEX a ON many (v) USING vector WITH (metric = cosine);"
                 "CREATE INDEX b ON few (v) USING vector WITH (metric = l2); COMMIT");
    assert_int_equal(mn_close(db), MN_OK);
}

static void script_make(char *script)
{
    static const char *const tables[] = {"many", "many", "few", "plain"};
    static const char *const ways[] = {"", " EFFORT 3", "", " METRIC dot"};
    int length = 0;

    for (int q = 0; q < QUESTIONS; q++) {
        length += snprintf(script + length, (size_t)(SCRIPT_BYTES - length),
                           "SELECT id, distance FROM %s NEAREST 12 BY v TO "
                           "(SELECT v FROM %s WHERE id = %d)%s;\n",
                           tables[q % 4], tables[q % 4], q * 101 + 7, ways[q % 4]);
        assert_true(length < SCRIPT_BYTES);
    }
}

static void every_level_gives_the_same_rows(void **state)
{
    static const char *const levels[] = {"baseline", "avx2", "avx512", "dotprod"};
    static char script[SCRIPT_BYTES], first[PROCESS_TEXT_BYTES];
    const char *folder = test_folder();
    const char *const argv[] = {test_shell(), "--mode", "csv", "levels.mneme", NULL};
    int asked = 0;

    (void)state;
    assert_non_null(folder);
    file_make(folder);
    script_make(script);
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
        if (!mn_kernels_named(levels[i])) continue;
        setenv("MNEME_KERNEL", levels[i], 1);
        const struct process_result *r = process_run(argv, folder, script);

        if (r->status != 0) fail_msg("%s: status %d: %s", levels[i], r->status, r->err);
        if (asked++ == 0) strcpy(first, r->out);
        if (strcmp(first, r->out) != 0) fail_msg("%s answers otherwise:\n%s", levels[i], r->out);
    }
    unsetenv("MNEME_KERNEL");
    assert_true(strlen(first) > QUESTIONS * 12 * 4);
    print_message("             %d levels\n", asked);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_level_gives_the_same_rows)};

    return cmocka_run_group_tests_name("vector/levels", tests, NULL, NULL);
}
