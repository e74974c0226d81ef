/*
 * kernel: which level of the kernels this machine can run.
 */
#include "index/vector/kernel.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/machine.h"

extern const struct mn_kernels mn_kernels_baseline;
#if defined(__x86_64__)
extern const struct mn_kernels mn_kernels_avx2, mn_kernels_avx512;
#elif defined(__aarch64__)
extern const struct mn_kernels mn_kernels_dotprod;
#endif

/* Every level of this build, best first, and whether this machine has it. */
static const struct {
    const struct mn_kernels *kernels;
    bool (*machine_has)(void); /* NULL: always */
} levels[] = {
#if defined(__x86_64__)
    {&mn_kernels_avx512, mn_machine_has_avx512},
    {&mn_kernels_avx2, mn_machine_has_avx2},
#elif defined(__aarch64__)
    {&mn_kernels_dotprod, mn_machine_has_dotprod},
#endif
    {&mn_kernels_baseline, NULL},
};

const struct mn_kernels *mn_kernels_named(const char *name)
{
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
        if (strcmp(levels[i].kernels->name, name) != 0) continue;
        return !levels[i].machine_has || levels[i].machine_has() ? levels[i].kernels : NULL;
    }
    return NULL;
}

/* A pinned level that is not there is ignored: a test that pins asks mn_kernels_named itself. */
static const struct mn_kernels *kernels_choose(void)
{
    const char *pinned = getenv("MNEME_KERNEL");
    const struct mn_kernels *kernels = pinned ? mn_kernels_named(pinned) : NULL;

    for (size_t i = 0; !kernels; i++) {
        if (!levels[i].machine_has || levels[i].machine_has()) kernels = levels[i].kernels;
    }
    return kernels;
}

/* Two threads that come first at once choose the same, so that either may store it. */
const struct mn_kernels *mn_kernels(void)
{
    static const struct mn_kernels *chosen;
    const struct mn_kernels *kernels = __atomic_load_n(&chosen, __ATOMIC_RELAXED);

    if (!kernels) {
        kernels = kernels_choose();
        __atomic_store_n(&chosen, kernels, __ATOMIC_RELAXED);
    }
    return kernels;
}
