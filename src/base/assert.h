/*
 * assert: checks of state that this library made itself.
 *
 * MN_ASSERT is on in every build but ReleaseFast (NDEBUG); MN_ASSERT_SLOW walks whole structures
 * and is on where MN_SLOW_CHECKS is defined, which tests do. What a disk, a user or the system
 * hands us is never asserted: it is answered with an enum mn_status.
 */
#ifndef MN_BASE_ASSERT_H
#define MN_BASE_ASSERT_H

/* Reports the broken assertion on standard error and traps. */
_Noreturn void mn_assert_failed(const char *condition, const char *file, int line);

#ifdef NDEBUG
#define MN_ASSERT(condition) ((void)0)
#else
#define MN_ASSERT(condition) \
    ((condition) ? (void)0 : mn_assert_failed(#condition, __FILE__, __LINE__))
#endif

#ifdef MN_SLOW_CHECKS
#define MN_ASSERT_SLOW(condition) MN_ASSERT(condition)
#else
#define MN_ASSERT_SLOW(condition) ((void)0)
#endif

#endif
