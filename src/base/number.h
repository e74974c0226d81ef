/*
 * number: decimal text to numbers, exactly and without the process's locale.
 *
 * The grammar is JSON's, with an optional plus sign and leading zeros allowed, and for floats also
 * "1.", ".5", "inf", "infinity" and "nan" in any case. The whole text must be the number. What is
 * returned is the nearest value, ties to even, as strtod of the "C" locale would give.
 */
#ifndef MN_BASE_NUMBER_H
#define MN_BASE_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum mn_number {
    MN_NUMBER_OK,
    MN_NUMBER_BAD,  /* not a number */
    MN_NUMBER_RANGE /* a number that the type cannot hold; floats: too large, never too small */
};

enum mn_number mn_number_int(const void *text, size_t length, int64_t *value);
enum mn_number mn_number_double(const void *text, size_t length, double *value);
enum mn_number mn_number_float(const void *text, size_t length, float *value);

#endif
