/*
 * Tests on the slices of tests/data, which are on every machine: nearest words, nearest synsets,
 * and what is reached along typed relations, against answers computed here by brute force.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/dataset.h"

enum { DIMS = 100, NODES_MAX = 2000, EDGES_MAX = 20000, QUESTIONS = 60, NEAREST = 10 };

static const char *const load_words =
    "CREATE TABLE words (id INT PRIMARY KEY, word TEXT NOT NULL UNIQUE, rank INT NOT NULL,"
    "  embedding VECTOR(100));"
    "COPY words (id, word, rank) FROM '%s/words/words.tsv';"
    "COPY words (embedding) FROM '%s/words/vectors.npy' WITH (match_order);";

static const char *const load_wordnet =
    "CREATE TABLE synsets (id INT PRIMARY KEY, file TEXT, lemmas TEXT, gloss TEXT,"
    "  embedding VECTOR(100));"
    "COPY synsets (id, file, lemmas, gloss) FROM '%s/wordnet/synsets.tsv';"
    "COPY synsets (embedding) FROM '%s/wordnet/vectors.npy' WITH (match_order);"
    "CREATE RELATION pointer FROM synsets TO synsets (type TEXT NOT NULL) WITH (multi);"
    "COPY pointer (src, type, dst) FROM '%s/wordnet/relations.tsv';";

static float *vectors;
static size_t rows;
static struct ranked want;
static struct part parts[2];

static double cosine(const float *a, const float *b)
{
    double dot = 0, aa = 0, bb = 0;

    for (int i = 0; i < DIMS; i++) {
        dot += (double)a[i] * (double)b[i];
        aa += (double)a[i] * (double)a[i];
        bb += (double)b[i] * (double)b[i];
    }
    return aa == 0 || bb == 0 ? 0 : dot / sqrt(aa * bb);
}

/* Row i has id i + 1. The ten best of the rows that `among` allows (NULL: all), best first. */
static void nearest_want(const float *query, const bool *among)
{
    want.count = 0;
    for (size_t i = 0; i < rows; i++) {
        double score = cosine(query, vectors + i * DIMS);
        int at = want.count;

        if (among && !among[i + 1]) continue;
        while (at > 0 && want.scores[at - 1] < score) at--;
        if (at >= NEAREST) continue;
        if (want.count < NEAREST) want.count++;
        for (int k = want.count - 1; k > at; k--) {
            want.ids[k] = want.ids[k - 1];
            want.scores[k] = want.scores[k - 1];
        }
        want.ids[at] = (int64_t)i + 1;
        want.scores[at] = score;
    }
}

static const char *slice_folder(void)
{
    return test_source("tests/data");
}

static void vectors_take(const char *name)
{
    char path[600];
    size_t dims;

    snprintf(path, sizeof path, "%s/%s/vectors.npy", slice_folder(), name);
    vectors = npy_read(path, &rows, &dims);
    assert_int_equal(dims, DIMS);
    assert_in_range(rows, 100, NODES_MAX);
}

static void nearest_words_are_those_of_a_loop(void **state)
{
    uint64_t random = test_seed();
    struct dataset set;
    struct tally tally;
    mn_stmt *stmt;

    (void)state;
    vectors_take("words");
    dataset_load(&set, load_words, slice_folder());
    stmt = dataset_prepare(&set, "SELECT 'near', id, similarity FROM words WHERE rank >= $from"
                                 " NEAREST 10 TO $query");
    parts[0].name = "near";
    tally_begin(&tally, "slice/words");
    for (int i = 0; i < QUESTIONS; i++) {
        const float *query = vectors + test_random(&random) % rows * DIMS;

        assert_int_equal(mn_bind_int(stmt, param(stmt, "from"), 0), MN_OK);
        assert_int_equal(mn_bind_vector(stmt, param(stmt, "query"), query, DIMS, MN_STATIC), MN_OK);
        nearest_want(query, NULL);
        tally_count(&tally, parts_read(stmt, parts, 1) && ranked_equal(&want, &parts[0].rows), i);
    }
    mn_finalize(stmt);
    dataset_close(&set);
    free(vectors);
    tally_end(&tally, QUESTIONS);
}

/* -- relations --------------------------------------------------------------------------------- */

struct edge {
    int src, dst;
    char type[24];
};

static struct edge edges[EDGES_MAX];
static int edge_count;
static int depths[NODES_MAX + 1]; /* 0: not reached */
static bool reached[NODES_MAX + 1];

static void edges_take(void)
{
    char path[600], *text, *at, *line;

    snprintf(path, sizeof path, "%s/wordnet/relations.tsv", slice_folder());
    edge_count = 0;
    for (at = text = file_read(path, NULL); (line = line_next(&at));) {
        struct edge *edge = &edges[edge_count++];

        assert_in_range(edge_count, 1, EDGES_MAX - 1);
        assert_int_equal(sscanf(line, "%d %23s %d", &edge->src, edge->type, &edge->dst), 3);
    }
    free(text);
}

/* Least depths by relaxing every edge, depth times: no queue, nothing like the engine's walk. */
static void depths_want(int start, const char *type, int depth_max)
{
    memset(depths, 0, sizeof depths);
    memset(reached, 0, sizeof reached);
    for (int depth = 1; depth <= depth_max; depth++) {
        for (int i = 0; i < edge_count; i++) {
            const struct edge *edge = &edges[i];
            bool from = edge->src == start ? depth == 1 || depths[start] == depth - 1
                                           : depths[edge->src] == depth - 1 && depth > 1;

            if (!from || strcmp(edge->type, type) != 0 || depths[edge->dst]) continue;
            depths[edge->dst] = depth;
        }
    }
    for (int i = 1; i <= (int)rows; i++) reached[i] = depths[i] > 0 && i != start;
}

static bool reached_right(int start)
{
    const struct ranked *got = &parts[0].rows;
    int count = 0;

    for (int i = 1; i <= (int)rows; i++) count += reached[i];
    if (count != got->count) {
        print_message("  from %d: %d nodes, want %d\n", start, got->count, count);
        return false;
    }
    for (int i = 0; i < got->count; i++) {
        int64_t id = got->ids[i];

        if (id < 1 || id > (int64_t)rows || !reached[id]) return false;
        if ((int)got->scores[i] != depths[id]) return false;
    }
    return true;
}

static void reached_synsets_and_their_nearest_are_those_of_a_loop(void **state)
{
    static const char *const types[] = {"hyponym", "hypernym", "part_meronym", "also_see"};
    static const char sql[] =
        "SELECT 'reached', n.id, path_length(p)::FLOAT FROM MATCH p = (s:synsets WHERE s.id = "
        "$start)"
        "-[r:pointer WHERE r.type = $type]->+(n:synsets) WHERE path_length(p) <= $depth"
        " AND n.id <> $start UNION ALL "
        "(SELECT 'near', n.id, similarity FROM MATCH p = (s:synsets WHERE s.id = $start)"
        "-[r:pointer WHERE r.type = $type]->+(n:synsets) WHERE path_length(p) <= $depth"
        " AND n.id <> $start"
        " NEAREST 10 BY n.embedding TO (SELECT embedding FROM synsets WHERE id = $start))";
    uint64_t random = test_seed() + 1;
    struct dataset set;
    struct tally tally;
    mn_stmt *stmt;

    (void)state;
    vectors_take("wordnet");
    edges_take();
    dataset_load(&set, load_wordnet, slice_folder());
    stmt = dataset_prepare(&set, sql);
    parts[0].name = "reached";
    parts[1].name = "near";
    tally_begin(&tally, "slice/wordnet");
    for (int i = 0; i < QUESTIONS; i++) {
        int start = 1 + (int)(test_random(&random) % rows), depth = 1 + i % 4;
        const char *type = types[test_random(&random) % 4];
        bool right;

        assert_int_equal(mn_bind_int(stmt, param(stmt, "start"), start), MN_OK);
        assert_int_equal(mn_bind_int(stmt, param(stmt, "depth"), depth), MN_OK);
        assert_int_equal(mn_bind_text(stmt, param(stmt, "type"), type, MN_ALL, MN_STATIC), MN_OK);
        depths_want(start, type, depth);
        nearest_want(vectors + (size_t)(start - 1) * DIMS, reached);
        right = parts_read(stmt, parts, 2) && reached_right(start);
        tally_count(&tally, right && ranked_equal(&want, &parts[1].rows), i);
    }
    mn_finalize(stmt);
    dataset_close(&set);
    free(vectors);
    tally_end(&tally, QUESTIONS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nearest_words_are_those_of_a_loop),
        cmocka_unit_test(reached_synsets_and_their_nearest_are_those_of_a_loop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
