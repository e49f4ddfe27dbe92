/* status.h - what a call that can refuse returns, and the text a person reads.
 *
 * ROOM     common/base: knows nothing of Keel, links nothing but libc.
 * SHAPE    One list of codes and texts. Bad input is a status and leaves state unchanged; a
 *          mathematical outcome (infeasible, too few rows) is an enum in the result instead.
 * THREADS  any.
 */
#ifndef KEEL_COMMON_BASE_STATUS_H
#define KEEL_COMMON_BASE_STATUS_H

#include <stdarg.h>
#include <stdbool.h>

/* code, name in logs and JSON, sentence */
#define KEEL_STATUS_LIST(X)                                                                        \
    X(KEEL_OK, "ok", "done")                                                                       \
    X(KEEL_EINVAL, "invalid", "an argument or field has a value that is not allowed")              \
    X(KEEL_ERANGE, "range", "a number is outside its range")                                       \
    X(KEEL_ENONFINITE, "nonfinite", "a number is NaN, infinite or not positive where it must be")  \
    X(KEEL_EUNKNOWN, "unknown", "a name, id, universe or type that is not known here")             \
    X(KEEL_EORDER, "order", "not after the one before it")                                         \
    X(KEEL_EEXIST, "exists", "already there")                                                      \
    X(KEEL_ENOTFOUND, "notfound", "not there")                                                     \
    X(KEEL_EFORMAT, "format", "the bytes are not what they claim to be")                           \
    X(KEEL_EVERSION, "version", "a version this program does not read")                            \
    X(KEEL_ENOSPC, "nospace", "the buffer or table is full")                                       \
    X(KEEL_ETOOBIG, "toobig", "larger than the named maximum")                                     \
    X(KEEL_EOVERFLOW, "overflow", "the exact result does not fit its integer")                     \
    X(KEEL_ESTALE, "stale", "older than what is already known")                                    \
    X(KEEL_EREFUSED, "refused", "understood and refused")                                          \
    X(KEEL_EINFEASIBLE, "infeasible", "nothing satisfies the named constraints")                   \
    X(KEEL_EUNAVAIL, "unavailable", "a resource cannot be reached now")                            \
    X(KEEL_EIO, "io", "the operating system reported an error")                                    \
    X(KEEL_EEND, "end", "there is no more")

#define KEEL_STATUS_ENUM(code, name, text) code,
typedef enum keel_status { KEEL_STATUS_LIST(KEEL_STATUS_ENUM) KEEL_STATUS_COUNT } keel_status;

#define KEEL_MUST_CHECK              __attribute__((warn_unused_result))
#define KEEL_PRINTF(fmt_at, args_at) __attribute__((format(printf, fmt_at, args_at)))

/* Return from the calling function with the status of `call` unless it is KEEL_OK. */
#define KEEL_TRY(call)                                                                             \
    do {                                                                                           \
        const keel_status keel_try_status = (call);                                                \
        if (keel_try_status != KEEL_OK)                                                            \
            return keel_try_status;                                                                \
    } while (0)

enum { KEEL_ERR_TEXT_MAX = 480 };

/* Filled where a person will read it: configuration, start-up, client. */
typedef struct keel_err {
    keel_status status;
    char text[KEEL_ERR_TEXT_MAX]; /* "file:3:7: feed.speed: ..."; names the field and the fix */
} keel_err;

/* Short name ("range") and sentence of a code; never NULL, "bug" for a value outside the list. */
const char *keel_status_name(keel_status status);
const char *keel_status_text(keel_status status);

/* Fill *err (may be NULL) and return `status`, so that a refusal is one line. Text is cut at
 * KEEL_ERR_TEXT_MAX - 1 bytes. */
keel_status keel_err_set(keel_err *err, keel_status status, const char *fmt, ...) KEEL_PRINTF(3, 4);

#endif
