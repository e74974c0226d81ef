/*
 * fill: numbers of many kinds, for vectors whose codes and sketches are tried.
 */
#ifndef MN_TESTS_SUPPORT_FILL_H
#define MN_TESTS_SUPPORT_FILL_H

#include <stdint.h>

/* TINY: denormals; HUGE: numbers whose squares do not fit f32. */
enum fill { FILL_NORMAL, FILL_POSITIVE, FILL_SPARSE, FILL_MIXED, FILL_TINY, FILL_HUGE, FILL_KINDS };

float fill_draw(enum fill fill, uint64_t *seed);

#endif
