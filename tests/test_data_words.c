/*
 * Tests on words/: 48,000 word vectors and 1,000 questions with known answers.
 */
#include "support/dataset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const load =
    "CREATE TABLE words (id INT PRIMARY KEY, word TEXT NOT NULL, rank INT, embedding VECTOR(100));"
    "COPY words (id, word, rank) FROM '%s/vocab.tsv';"
    "COPY words (embedding) FROM '%s/vectors.npy' WITH (match_order);";

static void nearest_words(void **state)
{
    const char *folder = test_data("words");
    struct dataset set;
    struct tally tally;
    size_t rows, dims;
    char path[512];

    (void)state;
    if (!folder) skip();
    dataset_load(&set, load, folder);
    snprintf(path, sizeof path, "%s/queries.npy", folder);
    float *queries = npy_read(path, &rows, &dims);
    snprintf(path, sizeof path, "%s/gt_top10.i32", folder);
    int32_t *ids = (int32_t *)(void *)file_read(path, NULL);
    snprintf(path, sizeof path, "%s/gt_top10.f32", folder);
    float *scores = (float *)(void *)file_read(path, NULL);
    mn_stmt *stmt = dataset_prepare(&set, "SELECT 'near', id, similarity FROM words "
                                          "NEAREST 10 BY embedding TO $query");
    struct part *part = calloc(1, sizeof *part);
    struct ranked *want = calloc(1, sizeof *want);
    assert_true(part && want && rows == 1000 && dims == 100);
    part->name = "near";
    tally_begin(&tally, "words/vector");
    for (size_t q = 0; q < rows; q++) {
        mn_bind_vector(stmt, param(stmt, "query"), queries + q * dims, dims, MN_STATIC);
        want->count = 10;
        for (int i = 0; i < 10; i++) {
            want->ids[i] = ids[q * 10 + (size_t)i];
            want->scores[i] = (double)scores[q * 10 + (size_t)i];
        }
        tally_count(&tally, parts_read(stmt, part, 1) && ranked_equal(want, &part->rows),
                    (int64_t)q);
    }
    mn_finalize(stmt);
    dataset_close(&set);
    free(queries);
    free(ids);
    free(scores);
    free(part);
    free(want);
    tally_end(&tally, (int)rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(nearest_words)};

    return cmocka_run_group_tests_name("data/words", tests, NULL, NULL);
}
