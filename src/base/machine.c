/*
 * machine: what cpuid and the system say of the processor.
 */
#include "base/machine.h"

#include <stdint.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif
#if defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

#if defined(__x86_64__)

/* The register states that the system saves: bits 1, 2 SSE and AVX; 5, 6, 7 masks and zmm. */
static uint64_t states_saved(void)
{
    uint32_t eax, ebx, ecx, edx;

    if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || !(ecx & bit_OSXSAVE)) return 0;
    __asm__ volatile("xgetbv" : "=a"(eax), "=d"(edx) : "c"(0));
    return (uint64_t)edx << 32 | eax;
}

bool mn_machine_has_avx2(void)
{
    const uint32_t need1 = bit_AVX | bit_FMA | bit_F16C;
    uint32_t eax, ebx, ecx, edx;

    if ((states_saved() & 0x6) != 0x6) return false;
    if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || (ecx & need1) != need1) return false;
    return __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) && (ebx & bit_AVX2);
}

bool mn_machine_has_avx512(void)
{
    const uint32_t need7 = bit_AVX512F | bit_AVX512BW | bit_AVX512DQ | bit_AVX512VL;
    uint32_t eax, ebx, ecx, edx;

    if (!mn_machine_has_avx2() || (states_saved() & 0xe6) != 0xe6) return false;
    if (!__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx)) return false;
    return (ebx & need7) == need7 && (ecx & bit_AVX512VNNI);
}

#else

bool mn_machine_has_avx2(void)
{
    return false;
}

bool mn_machine_has_avx512(void)
{
    return false;
}

#endif

bool mn_machine_has_dotprod(void)
{
#if defined(__aarch64__) && defined(__linux__)
    return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
#else
    return false;
#endif
}
