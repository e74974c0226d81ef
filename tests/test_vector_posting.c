/*
 * Tests of index/vector/posting: lists hold what was put there, and rows that come in order write a
 * page of codes each.
 */
#include "index/vector/posting.h"

#include <stdlib.h>
#include <string.h>

#include "catalog/key.h"
#include "index/vector/posting_inside.h"
#include "support/test.h"
#include "support/views.h"

enum { DIMS = 100, ROWS = 700 };

static uint64_t tree;

static struct mn_postings postings_of(struct mn_view *view)
{
    struct mn_code_form form = mn_code_form(MN_METRIC_COSINE, DIMS);

    return mn_postings(view, tree, &form);
}

/* The row of an id, the same every time. */
static void row_make(int64_t id, uint8_t code[DIMS], struct mn_posting *row)
{
    struct mn_code_form form = mn_code_form(MN_METRIC_COSINE, DIMS);
    uint64_t seed = (uint64_t)id * 77 + 1;
    float vector[DIMS];

    for (size_t d = 0; d < DIMS; d++) vector[d] = (float)(test_random(&seed) % 1000) - 500;
    *row = (struct mn_posting){.row_id = id, .code = code};
    mn_code_make(&form, vector, code, &row->facts);
}

struct seen {
    uint32_t rows, chunks, pages, last_pages;
};

/* Every row of the list is one of `has`, with its code, in the chunk where it belongs. */
static struct seen list_compare(const struct mn_postings *postings, const struct mn_list *list,
                                const bool has[ROWS])
{
    struct mn_posting_scan scan;
    struct mn_chunk chunk;
    struct seen seen = {0};
    int64_t bound = INT64_MIN, greatest = INT64_MIN;
    bool found = true, there[ROWS] = {false};

    assert_int_equal(mn_posting_scan_open(postings, &scan), MN_OK);
    assert_int_equal(mn_posting_scan_seek(&scan, list->prefix, &list->number), MN_OK);
    for (;;) {
        assert_int_equal(mn_posting_scan_next(&scan, &chunk, &found), MN_OK);
        if (!found) break;
        bound = mn_row_id_get(chunk.key.data + chunk.key.len - MN_ROW_ID_BYTES);
        assert_true(seen.chunks == 0 ? bound == INT64_MIN : bound > greatest);
        for (uint32_t i = 0; i < chunk.count; i++) {
            uint8_t code[DIMS], want_code[DIMS];
            struct mn_posting row = {.code = code}, want;

            mn_chunk_get(&chunk, i, &row);
            assert_true(row.row_id >= bound && row.row_id >= 0 && row.row_id < ROWS);
            assert_true(has[row.row_id] && !there[row.row_id]);
            there[row.row_id] = true;
            row_make(row.row_id, want_code, &want);
            assert_memory_equal(code, want_code, mn_code_bytes(&postings->form));
            assert_memory_equal(&row.facts, &want.facts, sizeof row.facts);
            if (row.row_id > greatest) greatest = row.row_id;
        }
        seen.rows += chunk.count;
        seen.chunks++;
        seen.pages += seen.last_pages = mn_chunk_pages(postings, chunk.count);
    }
    mn_posting_scan_close(&scan);
    for (size_t i = 0; i < ROWS; i++) assert_int_equal(has[i], there[i]);
    return seen;
}

/* The fewest pages for so many rows. */
static uint32_t pages_least(const struct mn_postings *postings, uint32_t rows)
{
    return rows / postings->rows_max * mn_chunk_pages(postings, postings->rows_max) +
           mn_chunk_pages(postings, rows % postings->rows_max);
}

static void list_write(const struct mn_postings *postings, const struct mn_list *list,
                       uint32_t count, bool has[ROWS])
{
    struct mn_list_writer writer;
    uint8_t code[DIMS];
    struct mn_posting row;

    assert_int_equal(mn_list_writer_begin(&writer, postings, NULL), MN_OK);
    assert_int_equal(mn_list_writer_list(&writer, list), MN_OK);
    for (uint32_t i = 0; i < count; i++) {
        has[i] = true;
        row_make(i, code, &row);
        assert_int_equal(mn_list_writer_add(&writer, &row), MN_OK);
    }
    assert_int_equal(mn_list_writer_end(&writer), MN_OK);
    mn_list_writer_release(&writer);
}

/* Of every length: no page more than without a tail, and the row behind it writes one page. */
static void lists_that_are_written_have_a_tail(void **state)
{
    struct mn_view *view = views_write();
    uint8_t code[DIMS];
    struct mn_posting row;

    (void)state;
    assert_int_equal(mn_tree_create(view, &tree), MN_OK);
    struct mn_postings postings = postings_of(view);
    assert_true(mn_tails_pay(&postings) && mn_chunk_pages(&postings, postings.rows_max) > 1);
    for (uint32_t count = 1; count < 3 * postings.rows_max; count += 7) {
        struct mn_list list = {{NULL, 0}, count};
        bool has[ROWS] = {false};

        list_write(&postings, &list, count, has);
        struct seen seen = list_compare(&postings, &list, has);
        assert_int_equal(seen.pages, pages_least(&postings, count));
        assert_true(seen.last_pages == 1 || count % postings.rows_max == 0);
        row_make(count, code, &row);
        has[count] = true;
        assert_int_equal(mn_posting_put(&postings, &list, &row), MN_OK);
        seen = list_compare(&postings, &list, has);
        assert_true(seen.last_pages == 1 || (count + 1) % postings.rows_max == 0);
    }
    assert_int_equal(mn_write_commit(view, NULL), MN_OK);
}

/* The last chunk is a page, but where it has just been filled, and the others are full. */
static void rows_in_order_write_a_page_each(void **state)
{
    struct mn_view *view = views_write();
    struct mn_list list = {{NULL, 0}, 5};
    bool has[ROWS] = {false};
    uint8_t code[DIMS];
    struct mn_posting row;
    uint32_t more = 0;

    (void)state;
    assert_int_equal(mn_tree_create(view, &tree), MN_OK);
    struct mn_postings postings = postings_of(view);
    for (uint32_t i = 0; i < ROWS; i++) {
        row_make(i, code, &row);
        has[i] = true;
        assert_int_equal(mn_posting_put(&postings, &list, &row), MN_OK);
        struct seen seen = list_compare(&postings, &list, has);
        more += seen.last_pages != 1;
        assert_int_equal(seen.pages, pages_least(&postings, i + 1));
    }
    assert_int_equal(more, ROWS / postings.rows_max);
    assert_int_equal(mn_write_commit(view, NULL), MN_OK);
}

/* Rows come and go anywhere and at the end: nothing is lost, and a row at the end makes a tail. */
static void churn_keeps_all_rows(void **state)
{
    enum { STEPS = 6000 };
    struct mn_view *view = views_write();
    struct mn_list list = {{NULL, 0}, 5};
    bool has[ROWS] = {false};
    uint64_t seed = test_seed();
    uint8_t code[DIMS];
    struct mn_posting row;

    (void)state;
    assert_int_equal(mn_tree_create(view, &tree), MN_OK);
    struct mn_postings postings = postings_of(view);
    list_write(&postings, &list, 300, has);
    for (int step = 0; step < STEPS; step++) {
        int64_t id = (int64_t)(test_random(&seed) % ROWS), end = ROWS;
        bool found, behind = test_random(&seed) % 4 == 0;

        while (end > 0 && !has[end - 1]) end--;
        if (behind && end < ROWS) id = end;
        row_make(id, code, &row);
        if (has[id]) {
            assert_int_equal(mn_posting_delete(&postings, &list, id, &found), MN_OK);
            assert_true(found);
        } else {
            assert_int_equal(mn_posting_put(&postings, &list, &row), MN_OK);
        }
        has[id] = !has[id];
        if (step % 16 != 0 && !(behind && id == end)) continue;
        struct seen seen = list_compare(&postings, &list, has);
        if (behind && id == end) assert_true(seen.last_pages <= 2);
        assert_true(seen.pages <= 2 * pages_least(&postings, seen.rows) + 2);
    }
    assert_int_equal(mn_write_commit(view, NULL), MN_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_that_are_written_have_a_tail),
        cmocka_unit_test(rows_in_order_write_a_page_each),
        cmocka_unit_test(churn_keeps_all_rows),
    };

    return cmocka_run_group_tests_name("vector/posting", tests, views_open, views_close);
}
