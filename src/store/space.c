/*
 * space: which pages are free, for the one writer (invariants in space.h).
 */
#include "store/space.h"

#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/plant.h"

static void buckets_clear(struct mn_space *space)
{
    for (size_t i = 0; i < space->bucket_count; i++) mn_deaths_release(&space->buckets[i].deaths);
    space->bucket_count = 0;
    space->pending_pages = 0;
}

void mn_space_release(struct mn_space *space)
{
    buckets_clear(space);
    mn_dealloc(space->buckets);
    mn_dealloc(space->free);
    memset(space, 0, sizeof *space);
}

enum mn_status mn_space_extend(struct mn_space *space, uint64_t page_count)
{
    size_t need = (size_t)(page_count / 64 + 1), had = space->words;

    if (need > had) {
        if (!mn_grow(&space->free, &space->words, need, sizeof *space->free)) {
            return mn_fail_nomem();
        }
        memset(space->free + had, 0, (space->words - had) * sizeof *space->free);
    }
    if (page_count > space->page_count) space->page_count = page_count;
    return MN_OK;
}

enum mn_status mn_space_reset(struct mn_space *space, const struct mn_layout *layout,
                              uint64_t page_count)
{
    buckets_clear(space);
    if (space->free) memset(space->free, 0, space->words * sizeof *space->free);
    space->version = space->free_pages = space->page_count = space->wing_pages = 0;
    space->layout = *layout;
    for (size_t i = 0; i < MN_SPACE_HINTS; i++) space->hints[i] = layout->plain;
    return mn_space_extend(space, page_count);
}

/* ---- bits ---- */

/* The first page at or after `page` whose bit is 1 (flip 0) or 0 (flip all ones). */
static uint64_t next_bit(const struct mn_space *space, uint64_t page, uint64_t flip)
{
    while (page < space->page_count) {
        uint64_t word = (space->free[page / 64] ^ flip) >> (page % 64);

        if (word) {
            page += (uint64_t)__builtin_ctzll(word);
            return page < space->page_count ? page : space->page_count;
        }
        page = (page / 64 + 1) * 64;
    }
    return space->page_count;
}

uint64_t mn_space_next_free(const struct mn_space *space, uint64_t page)
{
    return next_bit(space, page, 0);
}

uint64_t mn_space_next_used(const struct mn_space *space, uint64_t page)
{
    return next_bit(space, page, UINT64_MAX);
}

bool mn_space_is_free(const struct mn_space *space, uint64_t start, uint64_t pages)
{
    if (start + pages > space->page_count) return false;
    return next_bit(space, start, UINT64_MAX) >= start + pages;
}

bool mn_space_is_used(const struct mn_space *space, uint64_t start, uint64_t pages)
{
    if (start > space->page_count || pages > space->page_count - start ||
        !mn_layout_holds(&space->layout, start, pages)) {
        return false;
    }
    return next_bit(space, start, 0) >= start + pages;
}

/* Bits of one word that lie in [at, end); the next word's first page. */
static uint64_t word_mask(uint64_t at, uint64_t end, uint64_t *next)
{
    uint64_t stop = (at / 64 + 1) * 64, mask = UINT64_MAX << (at % 64);

    *next = stop < end ? stop : end;
    if (*next % 64) mask &= UINT64_MAX >> (64 - *next % 64);
    return mask;
}

/*
 * Only runs that hold a page of [start, end) are new: they begin at most n - 1 pages before it, not
 * before the free pages around it do, and are not longer than these.
 */
static void hints_lower(struct mn_space *space, uint64_t start, uint64_t end)
{
    uint64_t least = space->layout.plain, stop = end, from = start;

    if (start - least > MN_SPACE_HINTS) least = start - MN_SPACE_HINTS;
    while (from > least && (space->free[(from - 1) / 64] >> ((from - 1) % 64) & 1)) from--;
    if (end - from < MN_SPACE_HINTS) stop = next_bit(space, end, UINT64_MAX);
    if (stop - from > 1) space->recent[space->recent_next++ % MN_SPACE_RECENT] = from;
    for (uint64_t n = 0; n < MN_SPACE_HINTS; n++) {
        uint64_t low = start - from >= n ? start - n : from;

        if (n > stop - from && n + 1 < MN_SPACE_HINTS) continue;
        if (low < space->hints[n]) space->hints[n] = low;
    }
}

/* How many of the pages lie before the plain ones: a list of the log may name both in one run. */
static uint64_t wing_part(const struct mn_space *space, uint64_t start, uint64_t end)
{
    uint64_t plain = space->layout.plain;

    if (start >= plain) return 0;
    return (end < plain ? end : plain) - start;
}

void mn_space_free(struct mn_space *space, uint64_t start, uint64_t pages)
{
    uint64_t end = start + pages, wing = wing_part(space, start, end);

    MN_ASSERT(mn_layout_holds(&space->layout, start, pages) && end <= space->page_count);
    for (uint64_t at = start, next; at < end; at = next) {
        uint64_t mask = word_mask(at, end, &next);

        MN_ASSERT((space->free[at / 64] & mask) == 0);
        space->free[at / 64] |= mask;
    }
    space->free_pages += pages;
    space->wing_pages += wing;
    if (wing < pages) hints_lower(space, start + wing, end);
}

void mn_space_take(struct mn_space *space, uint64_t start, uint64_t pages)
{
    uint64_t end = start + pages;

    MN_ASSERT(end <= space->page_count);
    for (uint64_t at = start, next; at < end; at = next) {
        uint64_t mask = word_mask(at, end, &next);

        MN_ASSERT((space->free[at / 64] & mask) == mask);
        space->free[at / 64] &= ~mask;
    }
    space->free_pages -= pages;
    space->wing_pages -= wing_part(space, start, end);
}

/* ---- allocation ---- */

bool mn_space_alloc(struct mn_space *space, uint64_t pages, uint64_t *start)
{
    uint64_t *hint = &space->hints[pages < MN_SPACE_HINTS ? pages : MN_SPACE_HINTS - 1];
    uint64_t at = *hint, end;

    MN_ASSERT(pages > 0);
    if (space->free_pages < pages) return false;
    for (;;) {
        at = next_bit(space, at, 0);
        if (at >= space->page_count || space->page_count - at < pages) break;
        end = next_bit(space, at, UINT64_MAX);
        if (end - at >= pages) {
            if (pages < MN_SPACE_HINTS) *hint = at + pages;
            mn_space_take(space, at, pages);
            *start = at;
            return true;
        }
        at = end;
    }
    if (pages < MN_SPACE_HINTS) *hint = at;
    return false;
}

/* The run that begins at the page, if it is free, long enough and before `end`. */
static bool run_take(struct mn_space *space, uint64_t at, uint64_t pages, uint64_t end)
{
    if (at >= end || end - at < pages || !mn_space_is_free(space, at, pages)) return false;
    mn_space_take(space, at, pages);
    return true;
}

bool mn_space_alloc_recent(struct mn_space *space, uint64_t pages, uint64_t end, uint64_t *start)
{
    enum { RUNS_MAX = 256 };
    uint64_t *hint = &space->hints[pages < MN_SPACE_HINTS ? pages : MN_SPACE_HINTS - 1];
    uint64_t at = *hint;

    MN_ASSERT(pages > 1);
    for (uint32_t i = 1; i <= MN_SPACE_RECENT; i++) {
        uint64_t *one = &space->recent[(space->recent_next - i) % MN_SPACE_RECENT];

        if (*one < space->layout.plain || !run_take(space, *one, pages, end)) continue;
        *start = *one;
        *one += pages; /* what is left of the run begins there */
        return true;
    }
    for (uint32_t i = 0; i < RUNS_MAX; i++) {
        uint64_t stop;

        at = next_bit(space, at, 0);
        if (at >= space->page_count || at >= end) break;
        if (run_take(space, at, pages, end)) {
            *start = at;
            return true;
        }
        stop = next_bit(space, at, UINT64_MAX);
        if (stop - at >= pages) break; /* long enough, but not before `end` */
        at = stop;
        if (pages < MN_SPACE_HINTS) *hint = at;
    }
    return false;
}

bool mn_space_alloc_some(struct mn_space *space, uint64_t most, struct mn_extent *got)
{
    uint64_t at = next_bit(space, space->hints[1], 0), end;

    space->hints[1] = at;
    if (at >= space->page_count) return false;
    end = next_bit(space, at, UINT64_MAX);
    got->start = at;
    got->pages = end - at < most ? end - at : most;
    mn_space_take(space, got->start, got->pages);
    space->hints[1] = at + got->pages;
    return true;
}

bool mn_space_alloc_near(struct mn_space *space, uint64_t page, uint64_t end, uint64_t most,
                         struct mn_extent *got)
{
    uint64_t stop;

    if (page < space->layout.plain) page = space->layout.plain;
    got->start = next_bit(space, page, 0);
    if (got->start >= space->page_count || got->start >= end) {
        return mn_space_alloc_some(space, most, got);
    }
    stop = next_bit(space, got->start, UINT64_MAX);
    got->pages = stop - got->start < most ? stop - got->start : most;
    mn_space_take(space, got->start, got->pages);
    return true;
}

void mn_space_trim(struct mn_space *space, uint64_t least)
{
    uint64_t end = space->page_count;

    if (least < space->layout.plain) least = space->layout.plain;
    while (end > least) {
        uint64_t word = space->free[(end - 1) / 64] << (63 - (end - 1) % 64);
        uint64_t ones = word == UINT64_MAX ? 64 : (uint64_t)__builtin_clzll(~word);

        if (ones == 0) break;
        if (ones > end - least) ones = end - least;
        mn_space_take(space, end - ones, ones);
        end -= ones;
        space->page_count = end;
    }
    for (uint64_t n = 0; n < MN_SPACE_HINTS; n++) {
        if (space->hints[n] > end) space->hints[n] = end;
    }
}

/* ---- lifetimes ---- */

uint64_t mn_pin_holding(const uint64_t *pins, size_t count, uint64_t birth, uint64_t death)
{
    size_t low = 0, high = count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (pins[middle] + (MN_PLANT(LIFETIME_DEATH) ? 1 : 0) < death) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (MN_PLANT(LIFETIME_BIRTH) && death > birth + 1) birth++;
    return low > 0 && pins[low - 1] >= birth ? pins[low - 1] : 0;
}

static enum mn_status bucket_find(struct mn_space *space, uint64_t pin, struct mn_bucket **out)
{
    size_t at = space->bucket_count;

    while (at > 0 && space->buckets[at - 1].pin > pin) at--;
    if (at > 0 && space->buckets[at - 1].pin == pin) {
        *out = &space->buckets[at - 1];
        return MN_OK;
    }
    if (!mn_grow(&space->buckets, &space->bucket_capacity, space->bucket_count + 1,
                 sizeof *space->buckets)) {
        return mn_fail_nomem();
    }
    memmove(&space->buckets[at + 1], &space->buckets[at],
            (space->bucket_count - at) * sizeof *space->buckets);
    memset(&space->buckets[at], 0, sizeof space->buckets[at]);
    space->buckets[at].pin = pin;
    space->bucket_count++;
    *out = &space->buckets[at];
    return MN_OK;
}

enum mn_status mn_space_die(struct mn_space *space, uint64_t pin, struct mn_death death)
{
    struct mn_bucket *bucket;
    enum mn_status status = bucket_find(space, pin, &bucket);

    if (!status) status = mn_deaths_add(&bucket->deaths, death);
    if (!status) space->pending_pages += death.pages;
    return status;
}

/* Empties the bucket whose pin is gone: each page goes to the pin that still holds it, or is free.
 */
static enum mn_status bucket_merge(struct mn_space *space, size_t at, const uint64_t *pins,
                                   size_t count)
{
    struct mn_deaths moving = space->buckets[at].deaths;
    enum mn_status status = MN_OK;

    memmove(&space->buckets[at], &space->buckets[at + 1],
            (space->bucket_count - at - 1) * sizeof *space->buckets);
    space->bucket_count--;
    for (size_t i = 0; i < moving.count && !status; i++) {
        struct mn_death *one = &moving.list[i];
        uint64_t pin = mn_pin_holding(pins, count, one->birth, one->death);

        if (MN_PLANT(BUCKET_FREED)) pin = 0;
        space->pending_pages -= one->pages;
        if (pin != 0) {
            status = mn_space_die(space, pin, *one);
        } else if (mn_space_next_free(space, one->start) < one->start + one->pages) {
            /* Manifests are bytes of the disk: each may be right alone and wrong beside others. */
            status =
                mn_fail(MN_CORRUPT, "page %" PRIu64 " died twice, say the manifests", one->start);
        } else {
            mn_space_free(space, one->start, one->pages);
        }
    }
    mn_deaths_release(&moving);
    /* Half moved: what is left would leak, so the whole map is to be rebuilt. */
    if (status) space->version = 0;
    return status;
}

static bool pinned(const uint64_t *pins, size_t count, uint64_t pin)
{
    return mn_pin_holding(pins, count, pin, pin + 1) == pin;
}

enum mn_status mn_space_repin(struct mn_space *space, const uint64_t *pins, size_t count)
{
    enum mn_status status = MN_OK;

    for (size_t at = 0; at < space->bucket_count && !status;) {
        if (pinned(pins, count, space->buckets[at].pin)) {
            at++;
            continue;
        }
        /* What moves goes to pinned buckets only, but may make a new one: look from the start. */
        status = bucket_merge(space, at, pins, count);
        at = 0;
    }
    return status;
}

enum mn_status mn_space_unpend(struct mn_space *space, uint64_t start, uint64_t pages)
{
    uint64_t end = start + pages;

    for (size_t b = 0; b < space->bucket_count; b++) {
        struct mn_deaths *deaths = &space->buckets[b].deaths;

        for (size_t i = 0; i < deaths->count; i++) {
            struct mn_death *one = &deaths->list[i], rest = *one;
            uint64_t from = one->start > start ? one->start : start;
            uint64_t to = one->start + one->pages < end ? one->start + one->pages : end;

            if (from >= to) continue;
            space->pending_pages -= to - from;
            rest.start = to;
            rest.pages = one->start + one->pages - to;
            one->pages = from - one->start;
            if (rest.pages) {
                enum mn_status status = mn_deaths_add(deaths, rest);

                if (status) return status;
                one = &deaths->list[i];
            }
            if (one->pages == 0) deaths->list[i--] = deaths->list[--deaths->count];
        }
    }
    return MN_OK;
}
