/*
 * Tests of store/space, store/manifest and store/meta: the parts below a commit, each by itself.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/manifest.h"
#include "store/meta.h"
#include "store/space.h"
#include "support/test.h"

/* ---- the map against an array of bytes ---- */

enum { PAGES = 700, FIRST = 6 };

static const struct mn_layout layout = {FIRST, FIRST, FIRST, FIRST};

struct naive {
    uint8_t free[PAGES * 2];
    uint64_t page_count;
};

static bool naive_alloc(struct naive *naive, uint64_t pages, uint64_t *start)
{
    for (uint64_t at = FIRST; at + pages <= naive->page_count; at++) {
        uint64_t run = 0;

        while (run < pages && naive->free[at + run]) run++;
        if (run < pages) continue;
        memset(naive->free + at, 0, pages);
        *start = at;
        return true;
    }
    return false;
}

static uint64_t naive_count(const struct naive *naive)
{
    uint64_t count = 0;

    for (uint64_t p = 0; p < naive->page_count; p++) count += naive->free[p];
    return count;
}

static void allocation_takes_the_lowest_run_that_fits(void **state)
{
    struct mn_space space = {0};
    struct naive naive = {.page_count = PAGES};
    uint64_t random = test_seed() * 3 + 1;

    (void)state;
    assert_int_equal(mn_space_reset(&space, &layout, PAGES), MN_OK);
    for (int i = 0; i < 60000; i++) {
        uint64_t pages = 1 + test_random(&random) % (i % 10 ? 5 : 90), got = 0, want = 0;

        if (test_random(&random) % 2) {
            bool found = naive_alloc(&naive, pages, &want);

            assert_int_equal(mn_space_alloc(&space, pages, &got), found);
            if (found) assert_int_equal(got, want);
        } else { /* free what is used of a random range */
            uint64_t at = FIRST + test_random(&random) % (naive.page_count - FIRST);

            for (; pages > 0 && at < naive.page_count; pages--, at++) {
                if (naive.free[at]) continue;
                naive.free[at] = 1;
                mn_space_free(&space, at, 1);
            }
        }
        if (i % 5000 == 4999) { /* trim, and grow again */
            uint64_t end = naive.page_count;

            mn_space_trim(&space, 0);
            while (end > FIRST && naive.free[end - 1]) naive.free[--end] = 0;
            assert_int_equal(space.page_count, end);
            assert_int_equal(mn_space_extend(&space, PAGES), MN_OK);
            naive.page_count = PAGES;
        }
        assert_int_equal(space.free_pages, naive_count(&naive));
    }
    mn_space_release(&space);
}

/* What it gives is free and before the end; a run that has just come to be is found; and the search
 * for the lowest run is none the worse for it. */
static void a_recent_run_is_found_and_no_page_given_twice(void **state)
{
    struct mn_space space = {0};
    struct naive naive = {.page_count = PAGES};
    uint64_t random = test_seed() * 7 + 3, given = 0;

    (void)state;
    assert_int_equal(mn_space_reset(&space, &layout, PAGES), MN_OK);
    for (int i = 0; i < 60000; i++) {
        uint64_t pages = 2 + test_random(&random) % 4, got = 0, want = 0;
        uint64_t at = FIRST + test_random(&random) % (PAGES - FIRST - pages);
        uint64_t end = test_random(&random) % 3 ? UINT64_MAX : FIRST + test_random(&random) % PAGES;
        bool fresh = true;

        if (i % 3 == 0) {
            for (uint64_t p = at; p < at + pages; p++) fresh &= !naive.free[p];
            if (fresh) mn_space_free(&space, at, pages);
            if (fresh) memset(naive.free + at, 1, pages);
        }
        if (i % 7 == 0) {
            bool found = naive_alloc(&naive, pages, &want);

            assert_int_equal(mn_space_alloc(&space, pages, &got), found);
            if (found) assert_int_equal(got, want);
        } else if (mn_space_alloc_recent(&space, pages, end, &got)) {
            assert_true(got >= FIRST && got + pages <= PAGES && got < end && pages <= end - got);
            for (uint64_t p = got; p < got + pages; p++) {
                assert_true(naive.free[p]);
                naive.free[p] = 0;
            }
            given++;
        } else {
            assert_false(i % 3 == 0 && fresh && end == UINT64_MAX);
        }
        assert_int_equal(space.free_pages, naive_count(&naive));
    }
    assert_true(given > 1000);
    mn_space_release(&space);
}

static void the_search_goes_on_from_a_page(void **state)
{
    struct mn_space space = {0};
    struct naive naive = {.page_count = PAGES};
    uint64_t random = test_seed() * 11 + 5, around = 0, on = 0;

    (void)state;
    assert_int_equal(mn_space_reset(&space, &layout, PAGES), MN_OK);
    for (int i = 0; i < 60000; i++) {
        uint64_t page = test_random(&random) % (PAGES + 50), most = 1 + test_random(&random) % 6;
        uint64_t end = test_random(&random) % 3 ? UINT64_MAX : FIRST + test_random(&random) % PAGES;
        uint64_t at = page < FIRST ? FIRST : page, run = 0;
        struct mn_extent got;
        bool found;

        for (int k = 0; k < 3; k++) {
            uint64_t one = FIRST + test_random(&random) % (PAGES - FIRST);

            if (!naive.free[one]) mn_space_free(&space, one, 1);
            naive.free[one] = 1;
        }
        while (at < PAGES && !naive.free[at]) at++;
        *(at < PAGES && at < end ? &on : &around) += 1;
        if (at >= PAGES || at >= end) at = FIRST;
        while (at < PAGES && !naive.free[at]) at++;
        while (run < most && at + run < PAGES && naive.free[at + run]) run++;
        found = mn_space_alloc_near(&space, page, end, most, &got);
        assert_int_equal(found, run > 0);
        if (!found) continue;
        assert_int_equal(got.start, at);
        assert_int_equal(got.pages, run);
        memset(naive.free + at, 0, run);
        assert_int_equal(space.free_pages, naive_count(&naive));
    }
    assert_true(on > 1000 && around > 1000);
    mn_space_release(&space);
}

/* Runs of free pages may begin in the wings and end behind them: so the log names them. */
static void free_pages_of_the_wings_are_counted_apart(void **state)
{
    enum { RING = 10, RING_END = 20, PLAIN = 30, END = 60 };
    static const struct mn_layout winged = {FIRST, RING, RING_END, PLAIN};
    struct mn_space space = {0};
    uint8_t free[END] = {0};
    uint64_t random = test_seed() * 13 + 1, got;

    (void)state;
    assert_int_equal(mn_space_reset(&space, &winged, END), MN_OK);
    for (int i = 0; i < 20000; i++) {
        uint64_t start = RING_END + test_random(&random) % (END - RING_END), pages = 0;
        uint64_t most = 1 + test_random(&random) % 20, wing = 0, all = 0, lowest = PLAIN;
        uint8_t was = free[start];

        while (pages < most && start + pages < END && free[start + pages] == was) pages++;
        (was ? mn_space_take : mn_space_free)(&space, start, pages);
        memset(free + start, !was, pages);
        for (uint64_t p = RING_END; p < END; p++) all += free[p], wing += p < PLAIN && free[p];
        assert_int_equal(space.free_pages, all);
        assert_int_equal(space.wing_pages, wing);
        while (lowest < END && !free[lowest]) lowest++;
        assert_int_equal(mn_space_alloc(&space, 1, &got), lowest < END);
        if (lowest < END) assert_int_equal(got, lowest);
        if (lowest < END) mn_space_free(&space, got, 1);
    }
    mn_space_release(&space);
}

static void a_page_is_free_when_no_pin_lies_in_its_life(void **state)
{
    struct mn_space space = {0};
    uint64_t random = test_seed() * 5 + 2, pins[20];
    struct mn_death lives[PAGES];

    (void)state;
    for (int round = 0; round < 300; round++) {
        size_t count = 0;

        assert_int_equal(mn_space_reset(&space, &layout, PAGES), MN_OK);
        for (uint64_t v = 1; v < 20; v++) {
            if (test_random(&random) % 2) pins[count++] = v;
        }
        for (uint64_t p = FIRST; p < PAGES; p++) {
            uint64_t birth = 1 + test_random(&random) % 18;
            uint64_t death = birth + 1 + test_random(&random) % (19 - birth);
            uint64_t pin = mn_pin_holding(pins, count, birth, death);

            lives[p] = (struct mn_death){birth, death, p, 1};
            if (pin) {
                assert_int_equal(mn_space_die(&space, pin, lives[p]), MN_OK);
            } else {
                mn_space_free(&space, p, 1);
            }
        }
        while (count > 0) { /* drop one pin after the other */
            size_t gone = (size_t)(test_random(&random) % count);

            pins[gone] = pins[--count];
            for (size_t i = 0; i < count; i++) {
                for (size_t j = i + 1; j < count; j++) {
                    uint64_t swap = pins[i];

                    if (pins[j] >= swap) continue;
                    pins[i] = pins[j];
                    pins[j] = swap;
                }
            }
            assert_int_equal(mn_space_repin(&space, pins, count), MN_OK);
            for (uint64_t p = FIRST; p < PAGES; p++) {
                bool held = false;

                for (size_t i = 0; i < count; i++) {
                    held |= pins[i] >= lives[p].birth && pins[i] < lives[p].death;
                }
                assert_int_equal(mn_space_is_free(&space, p, 1), !held);
            }
        }
        assert_int_equal(space.pending_pages, 0);
        assert_int_equal(space.free_pages, PAGES - FIRST);
    }
    mn_space_release(&space);
}

static void taken_less_given_is_what_is_left(void **state)
{
    struct mn_extents taken = {0}, given = {0}, net = {0};
    uint8_t pages[200] = {0};
    uint64_t random = test_seed() + 9;

    (void)state;
    for (int i = 0; i < 2000; i++) {
        uint64_t start = test_random(&random) % 190, length = 1 + test_random(&random) % 8, run = 0;
        uint8_t is = pages[start];

        while (run < length && pages[start + run] == is) run++;
        memset(pages + start, !is, run);
        assert_int_equal(mn_extents_add(is ? &given : &taken, start, run), MN_OK);
    }
    assert_int_equal(mn_extents_net(&taken, &given, &net), MN_OK);
    for (size_t i = 0; i < net.count; i++) {
        for (uint64_t p = net.list[i].start; p < net.list[i].start + net.list[i].pages; p++) {
            assert_int_equal(pages[p], 1);
            pages[p] = 0;
        }
        if (i) assert_true(net.list[i].start > net.list[i - 1].start + net.list[i - 1].pages);
    }
    for (size_t p = 0; p < sizeof pages; p++) assert_int_equal(pages[p], 0);
    mn_extents_release(&taken);
    mn_extents_release(&given);
    mn_extents_release(&net);
}

/* Pieces that overlap, touch, lie inside others and come many at a time. */
static void what_pieces_cover_is_sorted_and_joined(void **state)
{
    struct mn_extents sorted = {0};
    uint8_t covered[400] = {0};
    uint64_t random = test_seed() + 11;

    (void)state;
    for (int round = 0; round < 40; round++) {
        struct mn_extent more[7];
        size_t count = test_random(&random) % 8, at = 0;

        for (size_t i = 0; i < count; i++) {
            more[i].start = test_random(&random) % 390;
            more[i].pages = 1 + test_random(&random) % 10;
            memset(covered + more[i].start, 1, more[i].pages);
        }
        assert_true(mn_extents_cover(&sorted, more, count));
        for (size_t i = 0; i < sorted.count; i++) {
            if (i) assert_true(sorted.list[i].start > at);
            for (; at < sorted.list[i].start; at++) assert_int_equal(covered[at], 0);
            for (uint64_t n = 0; n < sorted.list[i].pages; n++) {
                assert_int_equal(covered[at++], 1);
            }
        }
        for (; at < sizeof covered; at++) assert_int_equal(covered[at], 0);
    }
    mn_extents_release(&sorted);
}

/* ---- manifests ---- */

static void manifest_random(struct mn_manifest *manifest, uint64_t *random)
{
    uint64_t at = 6;

    manifest->version = 10 + test_random(random) % 1000;
    manifest->parent = manifest->version - 1 - test_random(random) % 3;
    for (uint64_t i = test_random(random) % 20; i > 0; i--) {
        at += 1 + test_random(random) % 1000;
        assert_int_equal(mn_extents_add(&manifest->born, at, 1 + test_random(random) % 9), MN_OK);
        at += 10;
    }
    for (uint64_t i = test_random(random) % 20; i > 0; i--) {
        struct mn_death one = {.birth = 1 + test_random(random) % 5, .death = manifest->version};

        one.start = 6 + i * 20;
        one.pages = 1 + test_random(random) % 9;
        assert_int_equal(mn_deaths_add(&manifest->dead, one), MN_OK);
    }
    mn_deaths_sort(&manifest->dead);
}

static void manifest_survives_a_round_trip(void **state)
{
    uint64_t random = test_seed() + 3;

    (void)state;
    for (int round = 0; round < 500; round++) {
        struct mn_manifest manifest = {0}, back = {0};
        struct mn_buf bytes = {0};
        const uint8_t *at;

        manifest_random(&manifest, &random);
        assert_int_equal(mn_manifest_encode(&manifest, &bytes), MN_OK);
        at = bytes.data;
        assert_int_equal(mn_manifest_decode(&at, bytes.data + bytes.len, &back), MN_OK);
        assert_ptr_equal(at, bytes.data + bytes.len);
        assert_int_equal(back.version, manifest.version);
        assert_int_equal(back.parent, manifest.parent);
        assert_int_equal(back.born.count, manifest.born.count);
        assert_int_equal(back.dead.count, manifest.dead.count);
        for (size_t i = 0; i < back.born.count; i++) {
            assert_memory_equal(&back.born.list[i], &manifest.born.list[i],
                                sizeof back.born.list[i]);
        }
        for (size_t i = 0; i < back.dead.count; i++) {
            assert_memory_equal(&back.dead.list[i], &manifest.dead.list[i],
                                sizeof back.dead.list[i]);
        }
        mn_manifest_release(&manifest);
        mn_manifest_release(&back);
        mn_buf_release(&bytes);
    }
}

/* Cut and changed manifests: refused, or read as some other valid one, never beyond their end. */
static void hostile_manifests_stay_inside_their_bytes(void **state)
{
    uint64_t random = test_seed() + 4;

    (void)state;
    for (int round = 0; round < 300; round++) {
        struct mn_manifest manifest = {0}, back = {0};
        struct mn_buf bytes = {0};
        const uint8_t *at;

        manifest_random(&manifest, &random);
        assert_int_equal(mn_manifest_encode(&manifest, &bytes), MN_OK);
        for (size_t cut = 0; cut < bytes.len; cut++) {
            uint8_t *copy = malloc(cut ? cut : 1); /* so that a sanitizer sees the end */

            assert_non_null(copy);
            memcpy(copy, bytes.data, cut);
            at = copy;
            assert_int_equal(mn_manifest_decode(&at, copy + cut, &back), MN_CORRUPT);
            free(copy);
        }
        for (int change = 0; change < 50; change++) {
            size_t where = (size_t)(test_random(&random) % bytes.len);

            bytes.data[where] = (uint8_t)test_random(&random);
            at = bytes.data;
            if (mn_manifest_decode(&at, bytes.data + bytes.len, &back) == MN_OK) {
                assert_true(at <= bytes.data + bytes.len);
                for (size_t i = 0; i < back.born.count; i++) {
                    assert_true(back.born.list[i].start + back.born.list[i].pages <= MN_PAGE_DIRTY);
                }
            }
        }
        mn_manifest_release(&manifest);
        mn_manifest_release(&back);
        mn_buf_release(&bytes);
    }
}

/* ---- the ring ---- */

static void a_commit_never_takes_the_slot_of_the_durable_or_published(void **state)
{
    uint64_t random = test_seed() + 5;

    (void)state;
    for (int round = 0; round < 20000; round++) {
        struct mn_ring ring;
        uint64_t published = 5 + test_random(&random) % 3, durable = published;
        uint32_t slot;

        if (test_random(&random) % 2) durable = published - 1;
        ring.version[0] = published;
        ring.version[1] = durable == published ? published - 2 : durable;
        ring.version[2] = test_random(&random) % 3 ? 1 : 0;
        ring.version[3] = test_random(&random) % 3 ? 2 : published + 1;
        for (uint32_t i = 3; i > 0; i--) { /* shuffled */
            uint32_t j = (uint32_t)(test_random(&random) % (i + 1));
            uint64_t swap = ring.version[i];

            ring.version[i] = ring.version[j];
            ring.version[j] = swap;
        }
        slot = mn_ring_choose(&ring, durable, published);
        assert_true(slot < MN_META_SLOTS);
        assert_true(ring.version[slot] != durable && ring.version[slot] != published);
        for (uint32_t i = 0; i < MN_META_SLOTS; i++) {
            bool stale = ring.version[i] == 0 || ring.version[i] > published;
            bool took_stale = ring.version[slot] == 0 || ring.version[slot] > published;

            if (stale) assert_true(took_stale);
            if (!took_stale && ring.version[i] != durable && ring.version[i] != published) {
                assert_true(slot <= i);
            }
        }
    }
}

static void a_torn_slot_is_not_whole(void **state)
{
    struct mn_meta meta = {.version = 7, .parent = 6, .durable = 6, .page_count = 50}, back;
    uint8_t bytes[MN_META_BYTES], old[MN_META_BYTES];

    (void)state;
    meta.roots.count = 2;
    meta.roots.list[1] = (struct mn_root){3, {44, 0xABCDEF}, 1000, 2};
    meta.roots.counters[7] = 99;
    meta.tail_bytes = 3;
    memcpy(meta.tail, "abc", 3);
    mn_meta_encode(&meta, 12345, bytes);
    assert_true(mn_meta_decode(bytes, 12345, &back));
    assert_int_equal(back.version, 7);
    assert_memory_equal(&back.roots.list[1], &meta.roots.list[1], sizeof meta.roots.list[1]);
    assert_int_equal(back.roots.counters[7], 99);
    assert_memory_equal(back.tail, "abc", 3);
    assert_false(mn_meta_decode(bytes, 12346, &back));
    meta.version = 3;
    mn_meta_encode(&meta, 12345, old);
    for (size_t cut = 512; cut < MN_META_BYTES; cut += 512) {
        uint8_t torn[MN_META_BYTES];

        memcpy(torn, old, sizeof torn);
        memcpy(torn, bytes, cut);
        /* A tear that changes nothing is no tear. */
        if (memcmp(torn, bytes, sizeof torn) && memcmp(torn, old, sizeof torn)) {
            assert_false(mn_meta_decode(torn, 12345, &back));
        }
    }
    for (size_t at = 0; at < MN_META_BYTES; at++) {
        bytes[at] ^= 4;
        assert_false(mn_meta_decode(bytes, 12345, &back));
        bytes[at] ^= 4;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(allocation_takes_the_lowest_run_that_fits),
        cmocka_unit_test(a_recent_run_is_found_and_no_page_given_twice),
        cmocka_unit_test(the_search_goes_on_from_a_page),
        cmocka_unit_test(free_pages_of_the_wings_are_counted_apart),
        cmocka_unit_test(a_page_is_free_when_no_pin_lies_in_its_life),
        cmocka_unit_test(taken_less_given_is_what_is_left),
        cmocka_unit_test(what_pieces_cover_is_sorted_and_joined),
        cmocka_unit_test(manifest_survives_a_round_trip),
        cmocka_unit_test(hostile_manifests_stay_inside_their_bytes),
        cmocka_unit_test(a_commit_never_takes_the_slot_of_the_durable_or_published),
        cmocka_unit_test(a_torn_slot_is_not_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
