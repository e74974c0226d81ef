/*
 * plant: which planted bug is on: MNEME_PLANT in the environment, for unit tests that are built
 * with them, or what tests/planted.c says. In every other build nobody reads it.
 *
 * MNEME_PLANTS_MET is the number of an open file of MN_PLANT_END bytes: those of the bugs that this
 * program or one of its children comes to become 1, whatever end they take.
 */
#include "base/plant.h"

#include <stdlib.h>
#include <sys/mman.h>

#ifdef MN_PLANTED
int mn_planted = MN_PLANT_NONE;

static unsigned char met[MN_PLANT_END];
unsigned char *mn_plants_met = met;

__attribute__((constructor)) static void planted_read(void)
{
    const char *text = getenv("MNEME_PLANT"), *file = getenv("MNEME_PLANTS_MET");
    void *shared = MAP_FAILED;

    if (text) mn_planted = (int)strtol(text, NULL, 10);
    if (file) {
        shared = mmap(NULL, MN_PLANT_END, PROT_READ | PROT_WRITE, MAP_SHARED,
                      (int)strtol(file, NULL, 10), 0);
    }
    if (shared != MAP_FAILED) mn_plants_met = shared;
}
#else
typedef int nothing_is_planted; /* a source file must not be empty */
#endif
