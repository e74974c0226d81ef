/*
 * plant: which planted bug is on: MNEME_PLANT in the environment, for unit tests that are built
 * with them, or what tests/planted.c says. In every other build nobody reads it.
 */
#include "base/plant.h"

#include <stdlib.h>

#ifdef MN_PLANTED
int mn_planted = MN_PLANT_NONE;

__attribute__((constructor)) static void planted_read(void)
{
    const char *text = getenv("MNEME_PLANT");

    if (text) mn_planted = (int)strtol(text, NULL, 10);
}
#else
typedef int nothing_is_planted; /* a source file must not be empty */
#endif
