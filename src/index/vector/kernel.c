/*
 * kernel: which level of the kernels this machine can run.
 */
#include "index/vector/kernel.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif
#if defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

extern const struct mn_kernels mn_kernels_baseline;

#if defined(__x86_64__)

extern const struct mn_kernels mn_kernels_avx2, mn_kernels_avx512;

/* The register states that the system saves: bits 1, 2 SSE and AVX; 5, 6, 7 masks and zmm. */
static uint64_t states_saved(void)
{
    uint32_t eax, ebx, ecx, edx;

    if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || !(ecx & bit_OSXSAVE)) return 0;
    __asm__ volatile("xgetbv" : "=a"(eax), "=d"(edx) : "c"(0));
    return (uint64_t)edx << 32 | eax;
}

static bool machine_has_avx2(void)
{
    const uint32_t need1 = bit_AVX | bit_FMA | bit_F16C;
    uint32_t eax, ebx, ecx, edx;

    if ((states_saved() & 0x6) != 0x6) return false;
    if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || (ecx & need1) != need1) return false;
    return __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) && (ebx & bit_AVX2);
}

static bool machine_has_avx512(void)
{
    const uint32_t need7 = bit_AVX512F | bit_AVX512BW | bit_AVX512DQ | bit_AVX512VL;
    uint32_t eax, ebx, ecx, edx;

    if (!machine_has_avx2() || (states_saved() & 0xe6) != 0xe6) return false;
    if (!__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx)) return false;
    return (ebx & need7) == need7 && (ecx & bit_AVX512VNNI);
}

#elif defined(__aarch64__)

extern const struct mn_kernels mn_kernels_dotprod;

static bool machine_has_dotprod(void)
{
#if defined(__linux__)
    return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
#else
    return false;
#endif
}

#endif

/* Every level of this build, best first, and whether this machine has it. */
static const struct {
    const struct mn_kernels *kernels;
    bool (*machine_has)(void); /* NULL: always */
} levels[] = {
#if defined(__x86_64__)
    {&mn_kernels_avx512, machine_has_avx512},
    {&mn_kernels_avx2, machine_has_avx2},
#elif defined(__aarch64__)
    {&mn_kernels_dotprod, machine_has_dotprod},
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
