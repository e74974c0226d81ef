/*
 * Tests of store: what is found, and what is written then, where the power went inside a commit.
 */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "os/sim.h"
#include "store/inside.h"
#include "support/disk.h"
#include "support/status.h"
#include "support/test.h"

struct crash {
    struct mn_os *os, *after;
    const struct mn_sim_loss *loss;
};

/* Power fails just before the sync of the commit. */
static enum mn_sim_fault crash_at_sync(void *context, const struct mn_sim_event *event)
{
    struct crash *crash = context;

    if (event->op == MN_SIM_SYNC && !crash->after) {
        crash->after = mn_sim_crash(crash->os, crash->loss);
    }
    return MN_SIM_PASS;
}

static void a_private_reader_finds_what_recovery_would(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct raw_model model, next, have;
        struct mn_os *os = disk_new(&model), *after;
        struct mn_store *store = disk_open(os, 0);
        struct mn_sim_loss loss = {.random = true, .seed = seed};
        struct crash crash;
        struct mn_view *view;

        disk_commit(store, 3, 33);
        model.leaf[3] = 33;
        next = model;
        next.leaf[4] = 44;
        ok(mn_write_begin(store, 0, &view));
        ok(raw_set(view, 4, 44));
        crash = (struct crash){os, NULL, &loss};
        mn_sim_set_hook(os, crash_at_sync, &crash);
        ok(mn_write_commit(view, NULL));
        mn_sim_set_hook(os, NULL, NULL);
        after = crash.after;
        ok(mn_store_close(store));
        mn_machine_free(os);
        store = disk_open(after, MN_STORE_READONLY);
        ok(mn_view_begin_read(store, &view));
        ok(raw_read(view, &have));
        assert_true(memcmp(&have, &model, sizeof have) == 0 ||
                    memcmp(&have, &next, sizeof have) == 0);
        mn_view_end(view);
        ok(mn_store_close(store));
        store = disk_open(after, 0);
        disk_expect(store, &have);
        ok(mn_store_close(store));
        mn_machine_free(after);
    }
}

/* The first page of that kind and birth in an image; 0: none. */
static uint64_t page_find(const uint8_t *image, uint64_t size, uint8_t kind, uint64_t birth)
{
    for (uint64_t at = MN_PAGE_SIZE_DEFAULT; at < size; at += MN_PAGE_SIZE_DEFAULT) {
        if (image[at + 22] == kind && mn_get_u64(image + at + 8) == birth) return at;
    }
    return 0;
}

/* Once a writer has begun, the page that was torn may become whole: its version stays rejected. */
static void a_rejected_commit_is_not_mended_by_later_writes(void **state)
{
    enum { INSIDE = 3000, NOTICE_BYTES = 4096 };
    struct raw_model model;
    struct mn_os *os = disk_new(&model);
    struct mn_store *store = disk_open(os, 0);
    struct mn_store_stats stats;
    struct mn_view *view;
    uint64_t notice = mn_notice_offset(store), size, at;
    uint8_t before[NOTICE_BYTES], sound, torn, *image;

    (void)state;
    /* A commit that makes the file longer syncs its pages first, and none of them can be torn. */
    for (unsigned i = 0;; i++) {
        size = mn_sim_size(os, "test");
        ok(mn_sim_peek(os, "test", notice, before, sizeof before));
        disk_commit(store, 3, 100 + i);
        if (mn_sim_size(os, "test") == size) break;
        model.leaf[3] = 100 + i;
    }
    ok(mn_store_stat(store, &stats));
    image = malloc(size);
    assert_non_null(image);
    ok(mn_sim_peek(os, "test", 0, image, size));
    ok(mn_store_close(store));
    mn_machine_free(os);
    os = mn_machine_new(1, 0);
    ok(mn_sim_put(os, "test", image, size));
    at = page_find(image, size, MN_PAGE_LEAF, stats.version);
    assert_true(at != 0);
    sound = image[at + INSIDE];
    torn = (uint8_t)~sound;
    ok(mn_sim_poke(os, "test", at + INSIDE, &torn, 1));
    ok(mn_sim_poke(os, "test", notice, before, sizeof before));

    store = disk_open(os, 0);
    disk_expect(store, &model);
    ok(mn_write_begin(store, 0, &view));
    mn_write_abort(view);
    ok(mn_store_close(store));
    ok(mn_sim_poke(os, "test", at + INSIDE, &sound, 1));
    store = disk_open(os, 0);
    disk_expect(store, &model);
    disk_commit(store, 3, 200);
    model.leaf[3] = 200;
    disk_expect(store, &model);
    assert_true(mn_store_stat(store, &stats) == MN_OK && raw_check(store) == 0);
    ok(mn_store_close(store));
    free(image);
    mn_machine_free(os);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_private_reader_finds_what_recovery_would),
        cmocka_unit_test(a_rejected_commit_is_not_mended_by_later_writes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
