/*
 * fill: numbers of many kinds.
 */
#include "support/fill.h"

#include <math.h>

#include "support/test.h"

float fill_draw(enum fill fill, uint64_t *seed)
{
    float unit = (float)((double)(test_random(seed) >> 11) * 0x1p-52 - 1.0);

    switch (fill) {
    case FILL_POSITIVE: return fabsf(unit);
    case FILL_SPARSE: return test_random(seed) % 8 ? 0 : unit;
    case FILL_MIXED: return ldexpf(unit, (int)(test_random(seed) % 20) - 10);
    case FILL_TINY: return unit * 1e-40f;
    case FILL_HUGE: return unit * 1e30f;
    case FILL_NORMAL:
    case FILL_KINDS: break;
    }
    return unit;
}
