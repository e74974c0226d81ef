/*
 * values: random values for tests, and what a value means in plain words.
 */
#ifndef MN_TESTS_SUPPORT_VALUES_H
#define MN_TESTS_SUPPORT_VALUES_H

#include "base/arena.h"
#include "catalog/value.h"

/* A value of a kind, small and apt to meet its like; now and then NULL where `nulls` is true. */
struct mn_value test_value(struct mn_arena *arena, const struct mn_kind *kind, bool nulls,
                           uint64_t *random);

#endif
