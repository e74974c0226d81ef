/*
 * sketch: bytes, bounds, and the two looks at them.
 */
#include "index/vector/sketch.h"

#include <math.h>
#include <string.h>

#include <simde/x86/sse2.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "index/vector/candidate.h"
#include "index/vector/code.h"

/* MORE_THAN_K: that are scored first. HIGH_MOST: as many are looked at for them. */
enum { LEVEL_MAX = 127, CODE_LEVEL_MAX = 15, MORE_THAN_K = 6, SHOWN_AT_ONCE = 256 };
enum { HIGH_MOST = 512 };

/* Of what stands behind the levels: no row is there, or its bound is of no use. */
enum { ERROR_NONE = 0xff80, ERROR_WILD = 0x7f80 };

/* What is set aside for the roundings of sums and products in f32: some 16, where there are 9. */
static const double ROUNDING = 1e-6;

static size_t group_bytes(const struct mn_code_form *form)
{
    size_t behind = (form->squares ? 2 : 1) * sizeof(float) + sizeof(uint16_t);
    size_t bytes = 2 * (size_t)form->steps * MN_CODE_STEP_BYTES + MN_CODE_GROUP * behind;

    return (bytes + MN_CODE_STEP_BYTES - 1) / MN_CODE_STEP_BYTES * MN_CODE_STEP_BYTES;
}

static size_t groups_of(size_t count)
{
    return (count + MN_CODE_GROUP - 1) / MN_CODE_GROUP;
}

uint64_t mn_sketch_bytes(enum mn_metric metric, uint32_t dims, size_t count)
{
    struct mn_code_form form = mn_code_form(metric, dims);

    return groups_of(count) * ((uint64_t)group_bytes(&form) +
                               MN_CODE_GROUP * (uint64_t)sizeof(float) + sizeof(uint16_t));
}

void mn_sketch_release(struct mn_sketch *sketch)
{
    mn_release_aligned(sketch->groups);
    mn_dealloc(sketch->uppers);
    mn_dealloc(sketch->hits);
    *sketch = (struct mn_sketch){.groups = NULL};
}

/* ---- making ---- */

/* How wrong the sums of kernels can be, as in search.c. */
static double sum_error(uint32_t dims)
{
    return 0x1p-23 * (dims / 4.0 + 16);
}

/* The least upper half of an f32 that is not below the value, which is not negative. */
static inline uint16_t half_up(float value)
{
    uint32_t bits;

    memcpy(&bits, &value, sizeof bits);
    return (uint16_t)((bits + 0xffffu) >> 16);
}

/* What stands beside the levels of a group. */
struct beside {
    float scales[MN_CODE_GROUP], half_squares[MN_CODE_GROUP];
    uint16_t errors[MN_CODE_GROUP];
};

/*
 * (B1) from estimates. Each element of what is left has two roundings of at most the greatest
 * element: 2^-22 sqrt(n) |x| is more than all of them. The length that scales a row under cosine
 * may be wrong by half of `g`.
 */
static void beside_make(const struct mn_code_form *form, const struct mn_byte_facts *facts,
                        struct beside *beside)
{
    float g = (float)sum_error(form->dims), round = 2 * (float)ROUNDING;
    float lost = 0x1p-22f * sqrtf((float)form->dims) + round + (form->squares ? 0 : g);

    for (size_t i = 0; i < MN_CODE_GROUP; i++) {
        float norm = sqrtf(facts[i].norm2), by = form->squares ? 1 : 1 / norm;
        float error = sqrtf(facts[i].rest2) * (1 + g + round) + lost * norm;

        beside->scales[i] = facts[i].scale * by;
        beside->half_squares[i] = facts[i].norm2 / 2 * (1 - 2 * g - round);
        beside->errors[i] = half_up(error * by);
    }
    for (size_t i = 0; i < MN_CODE_GROUP; i++) {
        if (facts[i].scale > 0) continue;
        beside->scales[i] = beside->half_squares[i] = 0;
        beside->errors[i] = facts[i].norm2 < 0 ? ERROR_NONE : ERROR_WILD;
    }
}

/* The rows of the next group are on their way while this one is made. */
static void rows_ask(const float *const *vectors, size_t count, uint32_t dims)
{
    enum { LINE_FLOATS = 16, LINES_MOST = 8 };
    uint32_t end = dims < LINES_MOST * LINE_FLOATS ? dims : LINES_MOST * LINE_FLOATS;

    for (size_t i = 0; i < count; i++) {
        if (!vectors[i]) continue;
        for (uint32_t at = 0; at < end; at += LINE_FLOATS) __builtin_prefetch(vectors[i] + at);
    }
}

static void group_make(const struct mn_code_form *form, const float *const *vectors, size_t count,
                       uint8_t *group)
{
    uint8_t *behind = group + 2 * (size_t)form->steps * MN_CODE_STEP_BYTES;
    const float *rows[MN_CODE_GROUP];
    struct mn_byte_facts facts[MN_CODE_GROUP];
    struct beside beside;

    for (size_t i = 0; i < MN_CODE_GROUP; i++) rows[i] = i < count ? vectors[i] : NULL;
    mn_kernels()->byte_make(rows, form->dims, group, facts);
    beside_make(form, facts, &beside);
    memcpy(behind, beside.scales, sizeof beside.scales);
    behind += sizeof beside.scales;
    if (form->squares) {
        memcpy(behind, beside.half_squares, sizeof beside.half_squares);
        behind += sizeof beside.half_squares;
    }
    memcpy(behind, beside.errors, sizeof beside.errors);
}

enum mn_status mn_sketch_make(struct mn_sketch *sketch, const struct mn_sketch_of *of)
{
    struct mn_code_form form = mn_code_form(of->metric, of->dims);
    size_t groups = groups_of(of->count);

    mn_sketch_release(sketch);
    *sketch = (struct mn_sketch){.metric = of->metric,
                                 .dims = of->dims,
                                 .steps = form.steps,
                                 .count = of->count,
                                 .stride = group_bytes(&form)};
    sketch->groups = mn_alloc_aligned(groups * sketch->stride);
    sketch->uppers = mn_alloc(groups * MN_CODE_GROUP * sizeof *sketch->uppers);
    sketch->hits = mn_alloc(groups * sizeof *sketch->hits);
    if (!sketch->groups || !sketch->uppers || !sketch->hits) {
        mn_sketch_release(sketch);
        return mn_fail_nomem();
    }
    memset(sketch->groups, 0, groups * sketch->stride);
    for (size_t g = 0; g < groups; g++) {
        size_t at = g * MN_CODE_GROUP, left = of->count - at;

        if (g + 1 < groups) {
            rows_ask(of->vectors + at + MN_CODE_GROUP,
                     left < 2 * MN_CODE_GROUP ? left - MN_CODE_GROUP : MN_CODE_GROUP, of->dims);
        }
        group_make(&form, of->vectors + at, left < MN_CODE_GROUP ? left : MN_CODE_GROUP,
                   sketch->groups + g * sketch->stride);
    }
    return MN_OK;
}

/* ---- searching ---- */

struct mn_code_query mn_sketch_scan(const struct mn_code_ask *ask, double *slack)
{
    struct mn_code_query scan = ask->scan;
    double g = sum_error(ask->form.dims), spread = ask->spread + 2 * ROUNDING * ask->norm;

    scan.bias = scan.bias / CODE_LEVEL_MAX * LEVEL_MAX;
    scan.error = (float)((ask->norm + spread) * (1 + ROUNDING));
    *slack = 0;
    if (!scan.squares) {
        *slack = spread;
        return scan;
    }
    /* the half square that is stored is a little too small, so the length made of it is */
    scan.spread = (float)(spread * (1 + 2 * g + ROUNDING));
    if (scan.square < 0) scan.square *= 1 - 2 * (float)ROUNDING;
    return scan;
}

struct look {
    struct mn_sketch *sketch;
    const struct mn_sketch_rows *rows;
    struct mn_search *scorer;
    int64_t ids[SHOWN_AT_ONCE];
    const float *vectors[SHOWN_AT_ONCE];
    size_t count;
    /* rows whose bound is at `mark` or above, or no number; the id is a place */
    struct mn_candidate high[HIGH_MOST + 1];
    size_t high_count;
    float mark;
    bool spilled; /* they are more than had room */
};

static enum mn_status look_show(struct look *look)
{
    enum mn_status status = mn_search_gathered(look->scorer, look->ids, look->vectors, look->count);

    look->count = 0;
    return status;
}

static enum mn_status look_take(struct look *look, size_t at)
{
    look->ids[look->count] = look->rows->ids[at];
    look->vectors[look->count++] = look->rows->vectors[at];
    return look->count == SHOWN_AT_ONCE ? look_show(look) : MN_OK;
}

/*
 * A bound that at least `want` rows reach: the least of as many rows that are the highest of some.
 * Each lane of a stretch of groups has a highest row, which is found without a branch.
 */
static float mark_find(const struct mn_sketch *sketch, size_t want)
{
    size_t groups = groups_of(sketch->count), parts = groups_of(want), from = 0;
    float mark = INFINITY;

    for (size_t part = 1; part <= parts; part++) {
        size_t to = groups * part / parts;
        float most[MN_CODE_GROUP];

        for (size_t i = 0; i < MN_CODE_GROUP; i++) most[i] = -INFINITY;
        for (; from < to; from++) {
            const float *uppers = sketch->uppers + from * MN_CODE_GROUP;

            for (size_t i = 0; i < MN_CODE_GROUP; i++) {
                most[i] = uppers[i] > most[i] ? uppers[i] : most[i];
            }
        }
        for (size_t i = 0; i < MN_CODE_GROUP; i++) mark = most[i] < mark ? most[i] : mark;
    }
    return mark;
}

/* Which rows of a group have bounds that are not below `least`: a NaN is one. */
static inline unsigned group_reaching(const float *uppers, float least)
{
    simde__m128 all = simde_mm_set1_ps(least);
    unsigned below = 0;

    for (unsigned i = 0; i < MN_CODE_GROUP; i += 4) {
        simde__m128 less = simde_mm_cmplt_ps(simde_mm_loadu_ps(uppers + i), all);

        below |= (unsigned)simde_mm_movemask_ps(less) << i;
    }
    return ~below & ((1u << MN_CODE_GROUP) - 1);
}

/* The rows there are of a group. */
static inline unsigned group_rows(size_t count, size_t at)
{
    return count - at < MN_CODE_GROUP ? (1u << (count - at)) - 1 : (1u << MN_CODE_GROUP) - 1;
}

static void high_find(struct look *look, size_t want)
{
    const struct mn_sketch *sketch = look->sketch;

    look->mark = mark_find(sketch, want);
    for (size_t at = 0; at < sketch->count && !look->spilled; at += MN_CODE_GROUP) {
        unsigned rows =
            group_reaching(sketch->uppers + at, look->mark) & group_rows(sketch->count, at);

        for (; rows && !look->spilled; rows &= rows - 1) {
            size_t i = at + (unsigned)__builtin_ctz(rows);
            float upper = isnan(sketch->uppers[i]) ? INFINITY : sketch->uppers[i];

            look->high[look->high_count++] = (struct mn_candidate){upper, 0, (int64_t)i};
            look->spilled = look->high_count == HIGH_MOST;
        }
    }
}

/* Shows the `want` highest; their bounds fall to nothing, so that nobody takes them again. */
static enum mn_status likeliest_show(struct look *look, size_t want)
{
    struct mn_candidate best[HIGH_MOST + 1];
    size_t count = want < look->high_count ? want : look->high_count;
    enum mn_status status = MN_OK;

    mn_candidates_select(look->high, look->high_count, count, best);
    for (size_t i = 0; i < count && status == MN_OK; i++) {
        look->sketch->uppers[best[i].id] = -INFINITY;
        status = look_take(look, (size_t)best[i].id);
    }
    return status == MN_OK ? look_show(look) : status;
}

/* Those of the others whose bound is at `least` or above, or no number: among the high ones, where
 * these are all. */
static enum mn_status others_show(struct look *look, float least)
{
    const float *uppers = look->sketch->uppers;
    size_t count = look->sketch->count;
    bool all = look->spilled || !(least >= look->mark);
    enum mn_status status = MN_OK;

    for (size_t i = 0; !all && i < look->high_count && status == MN_OK; i++) {
        size_t at = (size_t)look->high[i].id;

        if (!(uppers[at] < least)) status = look_take(look, at);
    }
    for (size_t at = 0; all && at < count && status == MN_OK; at += MN_CODE_GROUP) {
        unsigned some = group_reaching(uppers + at, least) & group_rows(count, at);

        for (; some && status == MN_OK; some &= some - 1) {
            size_t i = at + (unsigned)__builtin_ctz(some);

            if (uppers[i] != -INFINITY) status = look_take(look, i);
        }
    }
    return status == MN_OK ? look_show(look) : status;
}

static enum mn_status bytes_search(struct look *look, const struct mn_code_ask *ask, uint64_t k)
{
    struct mn_sketch *sketch = look->sketch;
    struct mn_code_groups groups = {
        .base = sketch->groups, .stride = sketch->stride, .count = groups_of(sketch->count)};
    size_t want = (size_t)k + MORE_THAN_K;
    double slack;
    struct mn_code_query scan = mn_sketch_scan(ask, &slack);
    enum mn_status status;

    mn_kernels()->byte_scan(&scan, &groups, INFINITY, sketch->uppers, sketch->hits);
    high_find(look, want);
    status = likeliest_show(look, want);
    if (status == MN_OK) status = mn_search_settle(look->scorer);
    if (status != MN_OK) return status;
    double least = mn_code_ask_least(ask, mn_search_reach(look->scorer)) - slack;
    /* not above what may be of use */
    status = others_show(look, isinf(least) ? (float)least : nextafterf((float)least, -INFINITY));
    return status == MN_OK ? mn_search_settle(look->scorer) : status;
}

enum mn_status mn_sketch_search(struct mn_sketch *sketch, const struct mn_sketch_rows *rows,
                                const struct mn_search_options *options, struct mn_search *scorer,
                                bool *served)
{
    struct mn_code_form form = mn_code_form(sketch->metric, sketch->dims);
    struct look look;
    struct mn_code_ask ask;

    look.sketch = sketch;
    look.rows = rows;
    look.scorer = scorer;
    look.count = look.high_count = 0;
    look.spilled = false;

    MN_ASSERT(options->metric == sketch->metric && options->dims == sketch->dims);
    *served = false;
    if (options->k > MN_SKETCH_K_MAX) return MN_OK;
    enum mn_status status = mn_code_ask_open(&form, options->query, &ask, served);
    if (status == MN_OK && *served) status = bytes_search(&look, &ask, options->k);
    mn_code_ask_release(&ask);
    return status;
}
