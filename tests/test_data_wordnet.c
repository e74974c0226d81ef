/*
 * Tests on wordnet/: 40,075 synsets and 110,305 typed relations. One statement reaches along types
 * and depths that are parameters, and gives the nearest of what it reached.
 */
#include "support/dataset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TYPES_MAX = 8 };

static const char *const load =
    "CREATE TABLE synsets (id INT PRIMARY KEY, key TEXT NOT NULL, file TEXT, lemmas TEXT,"
    "  gloss TEXT, embedding VECTOR(100));"
    "COPY synsets (id, key, file, lemmas, gloss) FROM '%s/synsets.tsv';"
    "COPY synsets (embedding) FROM '%s/vectors.npy' WITH (match_order);"
    "CREATE RELATION pointer FROM synsets TO synsets (type TEXT NOT NULL) WITH (multi);"
    "COPY pointer (src, type, dst) FROM '%s/relations.tsv';";

#define REACHED \
    " FROM MATCH p = (s:synsets WHERE s.id = $start)" \
    "-[r:pointer WHERE $any OR r.type IN ($t1, $t2, $t3, $t4, $t5)]->+(n:synsets)" \
    " WHERE path_length(p) <= $depth AND n.id <> $start"

static const char *const ask_bfs =
    "(SELECT 'reached', n.id, path_length(p)::FLOAT" REACHED " ORDER BY path_length(p), n.id) "
    "UNION ALL (SELECT 'near', n.id, similarity" REACHED
    " NEAREST 10 BY n.embedding TO (SELECT embedding FROM synsets WHERE id = $start))";

static struct part parts[2];
static struct ranked want;

static int64_t number(const char *line, const char *key)
{
    int64_t value = 0;

    assert_true(json_int(line, key, &value));
    return value;
}

static void question_bind(mn_stmt *stmt, const char *line)
{
    static char types[TYPES_MAX][64];
    int count = json_texts(line, "types", types, TYPES_MAX);
    char name[8];

    assert_in_range(count + 1, 0, 6);
    mn_bind_int(stmt, param(stmt, "start"), number(line, "start"));
    mn_bind_int(stmt, param(stmt, "depth"), number(line, "max_depth"));
    mn_bind_bool(stmt, param(stmt, "any"), count < 0);
    for (int i = 0; i < 5; i++) {
        snprintf(name, sizeof name, "t%d", i + 1);
        if (i < count)
            mn_bind_text(stmt, param(stmt, name), types[i], MN_ALL, MN_STATIC);
        else
            mn_bind_null(stmt, param(stmt, name));
    }
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
        if (got->ids[i] == pairs[2 * i] && (int64_t)got->scores[i] == pairs[2 * i + 1]) continue;
        print_message("  place %d: %lld, want %lld\n", i, (long long)got->ids[i],
                      (long long)pairs[2 * i]);
        return false;
    }
    return true;
}

/* Questions without a list of the nearest ask only what is reached. */
static bool near_right(const char *line)
{
    want.count = json_ints(line, "near_top10", want.ids, ANSWER_MAX);
    if (want.count < 0) return true;
    assert_int_equal(json_doubles(line, "near_score", want.scores, ANSWER_MAX), want.count);
    return ranked_equal(&want, &parts[1].rows);
}

static void reached_and_nearest(void **state)
{
    const char *folder = test_data("wordnet");
    char path[512], *text, *at, *line;
    struct dataset set;
    struct tally tally;
    int lines = 0;

    (void)state;
    if (!folder) skip();
    dataset_load(&set, load, folder);
    snprintf(path, sizeof path, "%s/queries_bfs.ndjson", folder);
    mn_stmt *stmt = dataset_prepare(&set, ask_bfs);
    parts[0].name = "reached";
    parts[1].name = "near";
    tally_begin(&tally, "wordnet/bfs");
    for (at = text = file_read(path, NULL); (line = line_next(&at)); lines++) {
        question_bind(stmt, line);
        bool right = parts_read(stmt, parts, 2) && reached_right(line);
        tally_count(&tally, right && near_right(line), number(line, "qid"));
    }
    mn_finalize(stmt);
    dataset_close(&set);
    free(text);
    tally_end(&tally, lines);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(reached_and_nearest)};

    return cmocka_run_group_tests_name("data/wordnet", tests, NULL, NULL);
}
