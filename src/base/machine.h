/*
 * machine: which instructions beyond the baseline this processor has, and the system saves.
 */
#ifndef MN_BASE_MACHINE_H
#define MN_BASE_MACHINE_H

#include <stdbool.h>

bool mn_machine_has_avx2(void);    /* with FMA and F16C */
bool mn_machine_has_avx512(void);  /* F, BW, DQ, VL and VNNI, and all of the above */
bool mn_machine_has_dotprod(void); /* of AArch64 */

#endif
