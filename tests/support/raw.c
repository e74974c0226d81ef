/*
 * raw: the smallest layer above the store, for its tests.
 *
 *   root page:  32 leaves: RAW_LEAVES x 12 | runs: RAW_RUNS x { page u64, birth u64, sum u64, size
 * u64 }
 */
#include "support/raw.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "support/test.h"

enum { AT_LEAVES = MN_PAGE_HEADER, AT_RUNS = AT_LEAVES + RAW_LEAVES * 12, RUN_BYTES = 32 };

static void run_load(const uint8_t *root, unsigned i, struct mn_run *run)
{
    memcpy(run, root + AT_RUNS + i * RUN_BYTES, sizeof *run);
}

static void run_store(uint8_t *root, unsigned i, const struct mn_run *run)
{
    memcpy(root + AT_RUNS + i * RUN_BYTES, run, sizeof *run);
}

static struct mn_root root_get(struct mn_view *view)
{
    uint32_t count;
    const struct mn_root *roots = mn_view_roots(view, &count);
    struct mn_root none = {.tree = RAW_ROOT};

    for (uint32_t i = 0; i < count; i++) {
        if (roots[i].tree == RAW_ROOT) return roots[i];
    }
    return none;
}

static enum mn_status root_edit(struct mn_view *view, uint8_t **page)
{
    struct mn_root root = root_get(view);
    enum mn_status status;

    if (root.ref.page == 0) {
        status = mn_page_new(view, MN_PAGE_BRANCH, &root.ref, page);
    } else {
        status = mn_page_edit(view, &root.ref, MN_PAGE_BRANCH, page);
    }
    return status ? status : mn_view_root_set(view, &root);
}

static void leaf_fill(uint8_t *page, uint32_t page_size, uint64_t value)
{
    for (uint32_t at = MN_PAGE_HEADER; at + 8 <= page_size; at += 8)
        mn_put_u64(page + at, value + at);
}

static bool leaf_good(const uint8_t *page, uint32_t page_size, uint64_t *value)
{
    *value = mn_get_u64(page + MN_PAGE_HEADER) - MN_PAGE_HEADER;
    for (uint32_t at = MN_PAGE_HEADER; at + 8 <= page_size; at += 8) {
        if (mn_get_u64(page + at) != *value + at) return false;
    }
    return true;
}

static void run_fill(uint8_t *bytes, uint64_t size_bytes, uint64_t value)
{
    for (uint64_t i = 0; i < size_bytes; i++) bytes[i] = (uint8_t)(value >> (i % 8 * 8));
}

/* The bytes repeat after 8: the run equals itself moved by a word, and begins with the value. */
static bool run_good(const uint8_t *bytes, uint64_t size_bytes, uint64_t value)
{
    uint8_t first[8];

    run_fill(first, 8, value);
    return memcmp(bytes, first, size_bytes < 8 ? size_bytes : 8) == 0 &&
           (size_bytes <= 8 || memcmp(bytes, bytes + 8, size_bytes - 8) == 0);
}

enum mn_status raw_set(struct mn_view *view, unsigned leaf, uint64_t value)
{
    uint8_t *root, *page, *at;
    struct mn_ref ref;
    enum mn_status status = root_edit(view, &root);

    if (status) return status;
    at = root + AT_LEAVES + leaf * 12;
    ref = mn_get_ref(at);
    if (value == 0) {
        if (ref.page) status = mn_page_drop(view, ref, MN_PAGE_LEAF);
        if (!status) memset(at, 0, 12);
        return status;
    }
    if (ref.page == 0) {
        status = mn_page_new(view, MN_PAGE_LEAF, &ref, &page);
    } else {
        status = mn_page_edit(view, &ref, MN_PAGE_LEAF, &page);
    }
    if (status) return status;
    leaf_fill(page, mn_view_page_size(view), value);
    mn_put_ref(at, ref);
    return MN_OK;
}

/* The value is kept in the first 8 bytes, so a run has at least these. */
enum mn_status raw_set_run(struct mn_view *view, unsigned i, uint64_t value, uint64_t size_bytes)
{
    uint8_t *root, *bytes;
    struct mn_run run;
    enum mn_status status = root_edit(view, &root);

    if (status) return status;
    run_load(root, i, &run);
    if (value && run.page && run.size_bytes == size_bytes) {
        status = mn_run_edit(view, &run, &bytes);
    } else {
        if (run.page) status = mn_run_drop(view, &run);
        memset(&run, 0, sizeof run);
        if (!status && value) status = mn_run_new(view, size_bytes, &run, &bytes);
    }
    if (status) return status;
    if (value) run_fill(bytes, size_bytes, value);
    run_store(root, i, &run);
    return MN_OK;
}

static enum mn_status seal(struct mn_view *view)
{
    struct mn_root root = root_get(view);
    uint8_t *page;
    enum mn_status status;

    if (!mn_ref_is_dirty(root.ref)) return MN_OK;
    status = mn_page_edit(view, &root.ref, MN_PAGE_BRANCH, &page);
    for (unsigned i = 0; i < RAW_LEAVES && !status; i++) {
        struct mn_ref ref = mn_get_ref(page + AT_LEAVES + i * 12);

        status = mn_page_place(view, &ref);
        mn_put_ref(page + AT_LEAVES + i * 12, ref);
    }
    for (unsigned i = 0; i < RAW_RUNS && !status; i++) {
        struct mn_run run;

        run_load(page, i, &run);
        status = mn_run_place(view, &run);
        run_store(page, i, &run);
    }
    if (!status) status = mn_page_place_near(view, &root.ref, MN_IS_ROOT);
    return status ? status : mn_view_root_set(view, &root);
}

const struct mn_store_hooks raw_hooks = {.seal = seal};

enum mn_status raw_read(struct mn_view *view, struct raw_model *model)
{
    struct mn_root root = root_get(view);
    const uint8_t *page, *bytes;
    enum mn_status status;

    memset(model, 0, sizeof *model);
    if (root.ref.page == 0) return MN_OK;
    status = mn_page_read(view, root.ref, MN_PAGE_BRANCH, &page);
    for (unsigned i = 0; i < RAW_LEAVES && !status; i++) {
        struct mn_ref ref = mn_get_ref(page + AT_LEAVES + i * 12);

        if (ref.page == 0) continue;
        status = mn_page_read(view, ref, MN_PAGE_LEAF, &bytes);
        if (!status && !leaf_good(bytes, mn_view_page_size(view), &model->leaf[i])) {
            status = mn_fail(MN_ERROR, "leaf %u has mixed bytes", i);
        }
    }
    for (unsigned i = 0; i < RAW_RUNS && !status; i++) {
        struct mn_run run;

        run_load(page, i, &run);
        if (run.page == 0) continue;
        status = mn_run_read(view, &run, &bytes);
        if (status) break;
        model->run[i] = mn_get_u64(bytes);
        model->run_bytes[i] = run.size_bytes;
        if (!run_good(bytes, run.size_bytes, model->run[i])) {
            status = mn_fail(MN_ERROR, "run %u has mixed bytes", i);
        }
    }
    return status;
}

bool raw_equals(struct mn_view *view, const struct raw_model *model)
{
    struct raw_model have;

    if (raw_read(view, &have)) {
        printf("version %" PRIu64 ": %s\n", mn_view_version(view), mn_error_last()->message);
        return false;
    }
    return memcmp(&have, model, sizeof have) == 0;
}

enum mn_status raw_change(struct mn_view *view, struct raw_model *model, uint64_t *random,
                          uint64_t run_bytes_max)
{
    uint64_t value = test_random(random) | 1;
    unsigned which =
        (unsigned)(test_random(random) % (RAW_LEAVES + (run_bytes_max ? RAW_RUNS : 0)));
    enum mn_status status;

    if (test_random(random) % 5 == 0) value = 0;
    if (which < RAW_LEAVES) {
        status = raw_set(view, which, value);
        if (!status) model->leaf[which] = value;
        return status;
    }
    which -= RAW_LEAVES;
    uint64_t size_bytes = 8 + test_random(random) % run_bytes_max;
    if (model->run_bytes[which] && test_random(random) % 2) size_bytes = model->run_bytes[which];
    status = raw_set_run(view, which, value, size_bytes);
    if (!status) {
        model->run[which] = value;
        model->run_bytes[which] = value ? size_bytes : 0;
    }
    return status;
}

static void report(void *context, uint64_t page, const char *message)
{
    (void)context;
    printf("check: page %" PRIu64 ": %s\n", page, message);
}

void raw_mark(struct mn_view *view, struct mn_store_check *check)
{
    struct mn_root root = root_get(view);
    const uint8_t *page;

    if (root.ref.page == 0) return;
    (void)mn_store_check_mark(check, root.ref.page, 1);
    if (mn_page_read(view, root.ref, MN_PAGE_BRANCH, &page)) return;
    for (unsigned i = 0; i < RAW_LEAVES; i++) {
        struct mn_ref ref = mn_get_ref(page + AT_LEAVES + i * 12);

        if (ref.page) (void)mn_store_check_mark(check, ref.page, 1);
    }
    for (unsigned i = 0; i < RAW_RUNS; i++) {
        struct mn_run run;

        run_load(page, i, &run);
        if (run.page) {
            (void)mn_store_check_mark(check, run.page, mn_run_pages(view, run.size_bytes));
        }
    }
}

uint64_t raw_check(struct mn_store *store)
{
    struct mn_view *view;
    struct mn_store_check *check;
    uint64_t faults = 1;

    if (mn_view_begin_read(store, &view)) {
        printf("check: %s\n", mn_error_last()->message);
        return 1;
    }
    if (mn_store_check_begin(view, report, NULL, &check)) {
        printf("check: %s\n", mn_error_last()->message);
    } else {
        raw_mark(view, check);
        (void)mn_store_check_end(check, &faults);
    }
    mn_view_end(view);
    return faults;
}
