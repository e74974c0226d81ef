/*
 * Tests on git_lua/: the history of Lua, 5,646 commits with time, text and vector, the files they
 * touch and their parents. Each file of questions is answered by one statement.
 */
#include "support/dataset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const load =
    "CREATE TABLE commits (id INT PRIMARY KEY, sha TEXT NOT NULL, time TIMESTAMP NOT NULL,"
    "  author_time TIMESTAMP, author TEXT, text TEXT, n_files INT, embedding VECTOR(512));"
    "COPY commits (id, sha, time, author_time, author, text, n_files)"
    "  FROM '%s/commits.ndjson' WITH (time_unit = s);"
    "COPY commits (embedding) FROM '%s/vectors.npy' WITH (match_order);"
    "CREATE INDEX commits_time ON commits (time);"
    "CREATE TABLE files (id INT PRIMARY KEY, path TEXT NOT NULL);"
    "COPY files FROM '%s/files.tsv';"
    "CREATE RELATION adds FROM commits TO files;"
    "CREATE RELATION modifies FROM commits TO files;"
    "CREATE RELATION deletes FROM commits TO files;"
    "CREATE RELATION parent FROM commits TO commits;"
    "COPY adds (src, dst) FROM '%s/relations/adds.tsv';"
    "COPY modifies (src, dst) FROM '%s/relations/modifies.tsv';"
    "COPY deletes (src, dst) FROM '%s/relations/deletes.tsv';"
    "COPY parent (src, dst) FROM '%s/relations/parent.tsv';";

static const char *const ask_vector =
    "SELECT 'near', id, similarity FROM commits NEAREST 10 TO $query";

static const char *const ask_time =
    "SELECT 'count', count(*), 0.0 FROM commits WHERE time >= $from AND time < $to "
    "UNION ALL SELECT 'sum', sum(id), 0.0 FROM commits WHERE time >= $from AND time < $to "
    "UNION ALL (SELECT 'first', id, 0.0 FROM commits WHERE time >= $from AND time < $to"
    "           ORDER BY time, id LIMIT 10) "
    "UNION ALL (SELECT 'last', id, 0.0 FROM commits WHERE time >= $from AND time < $to"
    "           ORDER BY time DESC, id DESC LIMIT 10) "
    "UNION ALL (SELECT 'near', id, similarity FROM commits WHERE time >= $from AND time < $to"
    "           NEAREST 10 TO (SELECT embedding FROM commits WHERE id = $like))";

static const char *const ask_file_time =
    "SELECT 'touched', c.id, 0.0 FROM commits c"
    " WHERE c.time >= $from AND c.time < $to"
    " AND EXISTS (MATCH (c)-[:adds|modifies|deletes]->(f:files WHERE f.id = $file)) "
    "UNION ALL (SELECT 'near', c.id, similarity FROM commits c"
    " WHERE c.time >= $from AND c.time < $to"
    " AND EXISTS (MATCH (c)-[:adds|modifies|deletes]->(f:files WHERE f.id = $file))"
    " NEAREST 10 TO (SELECT embedding FROM commits WHERE id = $like))";

static const char *const ask_ancestors =
    "SELECT 'reached', n.id, path_length(p)"
    " FROM MATCH p = (c:commits WHERE c.id = $start)-[:parent]->+(n:commits)"
    " WHERE path_length(p) <= $depth AND n.id <> $start ORDER BY path_length(p), n.id";

static struct dataset git;
static const char *folder;
static struct part parts[5];
static struct ranked want;

static int git_open(void **state)
{
    (void)state;
    folder = test_data("git_lua");
    if (folder) dataset_load(&git, load, folder);
    return 0;
}

static int git_close(void **state)
{
    (void)state;
    if (folder) dataset_close(&git);
    return 0;
}

static char *questions_read(const char *name)
{
    char path[512];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    return file_read(path, NULL);
}

static int64_t number(const char *line, const char *key)
{
    int64_t value = 0;

    assert_true(json_int(line, key, &value));
    return value;
}

static void want_ranked(const char *line)
{
    want.count = json_ints(line, "top10", want.ids, ANSWER_MAX);
    assert_int_equal(json_doubles(line, "score", want.scores, ANSWER_MAX), want.count);
}

static void bind_int(mn_stmt *stmt, const char *name, int64_t value)
{
    assert_int_equal(mn_bind_int(stmt, param(stmt, name), value), MN_OK);
}

/* Times in the files are seconds. */
static void bind_window(mn_stmt *stmt, const char *line)
{
    assert_int_equal(mn_bind_time(stmt, param(stmt, "from"), number(line, "t0") * 1000000), MN_OK);
    assert_int_equal(mn_bind_time(stmt, param(stmt, "to"), number(line, "t1") * 1000000), MN_OK);
    bind_int(stmt, "like", number(line, "query_vec_of"));
}

static void vectors(void **state)
{
    char path[512], *text, *at, *line;
    size_t rows, dims;
    struct tally tally;
    int lines = 0;

    (void)state;
    if (!folder) skip();
    snprintf(path, sizeof path, "%s/queries.npy", folder);
    float *queries = npy_read(path, &rows, &dims);
    mn_stmt *stmt = dataset_prepare(&git, ask_vector);
    parts[0].name = "near";
    tally_begin(&tally, "git_lua/vector");
    for (at = text = questions_read("queries_vector.ndjson"); (line = line_next(&at)); lines++) {
        int64_t qid = number(line, "qid");

        assert_true(qid >= 0 && (size_t)qid < rows);
        mn_bind_vector(stmt, param(stmt, "query"), queries + (size_t)qid * dims, dims, MN_STATIC);
        want_ranked(line);
        tally_count(&tally, parts_read(stmt, parts, 1) && ranked_equal(&want, &parts[0].rows), qid);
    }
    mn_finalize(stmt);
    free(text);
    free(queries);
    tally_end(&tally, lines);
}

static bool time_right(const char *line)
{
    int64_t ids[ANSWER_MAX], count = number(line, "count"), sum = number(line, "id_sum");
    bool right = ids_equal("count", &count, 1, parts[0].rows.ids, parts[0].rows.count) &&
                 ids_equal("sum", &sum, 1, parts[1].rows.ids, parts[1].rows.count);
    int n = json_ints(line, "first10", ids, ANSWER_MAX);

    right = ids_equal("first", ids, n, parts[2].rows.ids, parts[2].rows.count) && right;
    n = json_ints(line, "last10_newest_first", ids, ANSWER_MAX);
    right = ids_equal("last", ids, n, parts[3].rows.ids, parts[3].rows.count) && right;
    want_ranked(line);
    return ranked_equal(&want, &parts[4].rows) && right;
}

static void time_windows(void **state)
{
    char *text, *at, *line;
    struct tally tally;
    int lines = 0;

    (void)state;
    if (!folder) skip();
    mn_stmt *stmt = dataset_prepare(&git, ask_time);
    const char *const names[] = {"count", "sum", "first", "last", "near"};
    for (int i = 0; i < 5; i++) parts[i].name = names[i];
    tally_begin(&tally, "git_lua/time");
    for (at = text = questions_read("queries_time.ndjson"); (line = line_next(&at)); lines++) {
        bind_window(stmt, line);
        tally_count(&tally, parts_read(stmt, parts, 5) && time_right(line), number(line, "qid"));
    }
    mn_finalize(stmt);
    free(text);
    tally_end(&tally, lines);
}

static int ids_order(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

/* The file gives them by time; ids are compared as a set. */
static bool touched_right(const char *line)
{
    static int64_t ids[ANSWER_MAX];
    struct ranked *got = &parts[0].rows;
    int n = json_ints(line, "commits", ids, ANSWER_MAX);

    qsort(ids, (size_t)n, sizeof *ids, ids_order);
    qsort(got->ids, (size_t)got->count, sizeof *got->ids, ids_order);
    return ids_equal("touched", ids, n, got->ids, got->count);
}

static void files_in_time_windows(void **state)
{
    char *text, *at, *line;
    struct tally tally;
    int lines = 0;

    (void)state;
    if (!folder) skip();
    mn_stmt *stmt = dataset_prepare(&git, ask_file_time);
    parts[0].name = "touched";
    parts[1].name = "near";
    tally_begin(&tally, "git_lua/file_time");
    for (at = text = questions_read("queries_file_time.ndjson"); (line = line_next(&at)); lines++) {
        bind_window(stmt, line);
        bind_int(stmt, "file", number(line, "file"));
        want_ranked(line);
        bool right = parts_read(stmt, parts, 2) && touched_right(line);
        tally_count(&tally, right && ranked_equal(&want, &parts[1].rows), number(line, "qid"));
    }
    mn_finalize(stmt);
    free(text);
    tally_end(&tally, lines);
}

static bool reached_right(const char *line)
{
    static int64_t pairs[2 * ANSWER_MAX];
    const struct ranked *got = &parts[0].rows;
    int n = json_ints(line, "result", pairs, 2 * ANSWER_MAX);

    if (n != 2 * got->count) {
        print_message("  %d nodes, want %d\n", got->count, n / 2);
        return false;
    }
    for (int i = 0; i < got->count; i++) {
        bool same = got->ids[i] == pairs[2 * i] && (int64_t)got->scores[i] == pairs[2 * i + 1];

        if (same) continue;
        print_message("  place %d: %lld, want %lld\n", i, (long long)got->ids[i],
                      (long long)pairs[2 * i]);
        return false;
    }
    return true;
}

static void ancestors(void **state)
{
    char *text, *at, *line;
    struct tally tally;
    int lines = 0;

    (void)state;
    if (!folder) skip();
    mn_stmt *stmt = dataset_prepare(&git, ask_ancestors);
    parts[0].name = "reached";
    tally_begin(&tally, "git_lua/ancestors");
    for (at = text = questions_read("queries_ancestors.ndjson"); (line = line_next(&at)); lines++) {
        bind_int(stmt, "start", number(line, "start"));
        bind_int(stmt, "depth", number(line, "max_depth"));
        tally_count(&tally, parts_read(stmt, parts, 1) && reached_right(line), number(line, "qid"));
    }
    mn_finalize(stmt);
    free(text);
    tally_end(&tally, lines);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors),
        cmocka_unit_test(time_windows),
        cmocka_unit_test(files_in_time_windows),
        cmocka_unit_test(ancestors),
    };

    return cmocka_run_group_tests_name("data/git_lua", tests, git_open, git_close);
}
