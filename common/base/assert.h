/* assert.h - a bug ends the process; the supervisor restarts it, and start is recovery.
 *
 * ROOM     common/base. Always on, in release too: a wrong book is worse than a restart.
 */
#ifndef KEEL_COMMON_BASE_ASSERT_H
#define KEEL_COMMON_BASE_ASSERT_H

#define KEEL_ASSERT(condition)                                                                     \
    do {                                                                                           \
        if (!(condition))                                                                          \
            keel_assert_failed(#condition, __FILE__, __LINE__);                                    \
    } while (0)

/* Writes one line to stderr and aborts. */
_Noreturn void keel_assert_failed(const char *condition, const char *file, int line);

#endif
