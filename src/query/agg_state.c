/*
 * agg_state: sums, means and extremes.
 */
#include "query/agg_state.h"

#include <math.h>
#include <string.h>

static enum mn_status overflow(const struct mn_agg_call *call)
{
    mn_fail_at(MN_RANGE, call->span.offset, call->span.length, "the sum is out of range");
    return mn_hint("sum(x::float) has room");
}

static double as_double(const struct mn_value *value)
{
    return value->type == MN_TYPE_FLOAT ? value->f : (double)value->i;
}

/* Neumaier's sum: what was lost of the smaller number is kept apart. */
static void real_add(struct mn_agg_sum *sum, double x)
{
    double total = sum->real + x;

    if (!isfinite(x)) sum->yes = true; /* then the result may be infinite, too */
    if (fabs(sum->real) >= fabs(x))
        sum->compensation += (sum->real - total) + x;
    else
        sum->compensation += (x - total) + sum->real;
    sum->real = total;
}

/* Where infinities were added, the compensation is NaN and means nothing. */
static double real_total(const struct mn_agg_sum *sum)
{
    return isfinite(sum->real) ? sum->real + sum->compensation : sum->real;
}

static void welford_add(struct mn_agg_sum *sum, double x)
{
    double delta = x - sum->mean;

    sum->mean += delta / (double)sum->count;
    sum->spread += delta * (x - sum->mean);
}

static enum mn_status keep(struct mn_agg_kept *kept, const struct mn_value *value,
                           struct mn_arena *arena)
{
    size_t size = value->size * (value->type == MN_TYPE_VECTOR ? sizeof(float) : 1);

    kept->value = *value;
    if (!mn_type_has_bytes(value->type)) return MN_OK;
    if (size > kept->capacity || !kept->bytes) {
        size_t capacity = size < 16 ? 32 : 2 * size;

        kept->bytes = mn_arena_alloc(arena, capacity);
        kept->capacity = kept->bytes ? capacity : 0;
        if (!kept->bytes) return mn_fail_nomem();
    }
    if (size > 0) memcpy(kept->bytes, value->p, size);
    kept->value.p = kept->bytes;
    return MN_OK;
}

static enum mn_status extreme_add(const struct mn_agg_call *call, struct mn_agg_sum *sum,
                                  const struct mn_value *value, struct mn_arena *arena)
{
    const int wanted = call->agg->op == MN_AGG_MIN ? -1 : 1;
    int order = wanted;
    enum mn_status status = MN_OK;

    if (sum->count > 1) status = mn_value_compare(value, &sum->kept.value, &order);
    if (status != MN_OK) return mn_place(call->span.offset, call->span.length);
    return order == wanted ? keep(&sum->kept, value, arena) : MN_OK;
}

/* Of equal times first() keeps the earlier row, last() the later. */
static enum mn_status end_add(const struct mn_agg_call *call, struct mn_agg_sum *sum,
                              const struct mn_value *args, struct mn_arena *arena)
{
    const bool first = call->agg->op == MN_AGG_FIRST;
    int order = first ? -1 : 1;
    enum mn_status status = MN_OK;

    if (sum->count > 1) status = mn_value_compare(&args[1], &sum->key.value, &order);
    if (status != MN_OK) return mn_place(call->span.offset, call->span.length);
    if (first ? order >= 0 : order < 0) return MN_OK;
    status = keep(&sum->key, &args[1], arena);
    return status == MN_OK ? keep(&sum->kept, &args[0], arena) : status;
}

static enum mn_status vector_add(const struct mn_agg_call *call, struct mn_agg_sum *sum,
                                 const struct mn_value *value, struct mn_arena *arena)
{
    const float *from = value->p;

    if (!sum->elements) {
        sum->dims = value->size;
        sum->elements = mn_arena_zalloc(arena, value->size * sizeof *sum->elements);
        if (!sum->elements) return mn_fail_nomem();
    }
    if (sum->dims != value->size) {
        return mn_fail_at(MN_TYPE, call->span.offset, call->span.length,
                          "one vector has %u values, another %u", sum->dims, value->size);
    }
    for (uint32_t i = 0; i < sum->dims; i++) sum->elements[i] += (double)from[i];
    return MN_OK;
}

/* INT and DURATION are summed exactly; their mean is of an exact sum, too, as far as that goes. */
static enum mn_status sum_add(const struct mn_agg_call *call, struct mn_agg_sum *sum,
                              const struct mn_value *value, struct mn_arena *arena)
{
    if (value->type == MN_TYPE_VECTOR) return vector_add(call, sum, value, arena);
    if (value->type == MN_TYPE_FLOAT || call->agg->op == MN_AGG_AVG) {
        real_add(sum, as_double(value));
        return MN_OK;
    }
    if (__builtin_add_overflow(sum->whole, value->i, &sum->whole)) return overflow(call);
    return MN_OK;
}

enum mn_status mn_agg_add(const struct mn_agg_call *call, struct mn_agg_sum *sum,
                          const struct mn_value *args, struct mn_arena *arena)
{
    sum->count++;
    switch (call->agg->op) {
    case MN_AGG_COUNT: return MN_OK;
    case MN_AGG_SUM:
    case MN_AGG_AVG: return sum_add(call, sum, &args[0], arena);
    case MN_AGG_MIN:
    case MN_AGG_MAX: return extreme_add(call, sum, &args[0], arena);
    case MN_AGG_FIRST:
    case MN_AGG_LAST: return end_add(call, sum, args, arena);
    case MN_AGG_VARIANCE:
    case MN_AGG_STDDEV: welford_add(sum, as_double(&args[0])); return MN_OK;
    case MN_AGG_AND: sum->yes = args[0].b && (sum->count == 1 || sum->yes); return MN_OK;
    case MN_AGG_OR: sum->yes = args[0].b || sum->yes; return MN_OK;
    case MN_AGG_LIST:
    case MN_AGG_JOIN:
    case MN_AGG_QUANTILE: break;
    }
    return mn_fail(MN_ERROR, "%s keeps its rows", call->agg->name);
}

/* ---- results ------------------------------------------------------------------------------- */

static enum mn_status real_result(const struct mn_agg_call *call, const struct mn_agg_sum *sum,
                                  double total, struct mn_value *out)
{
    *out = mn_float(total);
    if (isfinite(total) || sum->yes) return MN_OK;
    return overflow(call);
}

static enum mn_status average(const struct mn_agg_call *call, const struct mn_agg_sum *sum,
                              struct mn_arena *arena, struct mn_value *out)
{
    const double count = (double)sum->count;
    int64_t us;

    if (sum->elements) {
        float *mean = mn_arena_alloc(arena, sum->dims * sizeof *mean);

        if (!mean) return mn_fail_nomem();
        for (uint32_t i = 0; i < sum->dims; i++) mean[i] = (float)(sum->elements[i] / count);
        *out = mn_vector(mean, sum->dims);
        return MN_OK;
    }
    if (call->kind.type != MN_TYPE_DURATION)
        return real_result(call, sum, real_total(sum) / count, out);
    if (mn_float_to_int(real_total(sum) / count, &us) != MN_OK) return overflow(call);
    *out = mn_duration(us);
    return MN_OK;
}

static struct mn_value spread(const struct mn_agg_call *call, const struct mn_agg_sum *sum)
{
    double variance;

    if (sum->count < 2) return mn_null();
    variance = sum->spread / (double)(sum->count - 1);
    return mn_float(call->agg->op == MN_AGG_STDDEV ? sqrt(variance) : variance);
}

enum mn_status mn_agg_total(const struct mn_agg_call *call, const struct mn_agg_sum *sum,
                            struct mn_arena *arena, struct mn_value *out)
{
    *out = mn_null();
    if (call->agg->op == MN_AGG_COUNT) *out = mn_int((int64_t)sum->count);
    if (call->agg->op == MN_AGG_COUNT || sum->count == 0) return MN_OK;
    switch (call->agg->op) {
    case MN_AGG_SUM:
        if (call->kind.type == MN_TYPE_FLOAT) return real_result(call, sum, real_total(sum), out);
        *out = (struct mn_value){.type = call->kind.type, .i = sum->whole};
        return MN_OK;
    case MN_AGG_AVG: return average(call, sum, arena, out);
    case MN_AGG_MIN:
    case MN_AGG_MAX:
    case MN_AGG_FIRST:
    case MN_AGG_LAST: return mn_value_copy(arena, &sum->kept.value, out);
    case MN_AGG_VARIANCE:
    case MN_AGG_STDDEV: *out = spread(call, sum); return MN_OK;
    case MN_AGG_AND:
    case MN_AGG_OR: *out = mn_bool(sum->yes); return MN_OK;
    case MN_AGG_COUNT:
    case MN_AGG_LIST:
    case MN_AGG_JOIN:
    case MN_AGG_QUANTILE: break;
    }
    return MN_OK;
}
