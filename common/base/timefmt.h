/* timefmt.h - int64 nanoseconds since 1970 UTC to and from text; durations.
 *
 * ROOM     common/base. Reads no clock. Proleptic Gregorian calendar, no leap seconds, UTC only
 *          (Hinnant, chrono-compatible low-level date algorithms, 2013).
 * THREADS  any.
 */
#ifndef KEEL_COMMON_BASE_TIMEFMT_H
#define KEEL_COMMON_BASE_TIMEFMT_H

#include "common/base/status.h"

#include <stddef.h>
#include <stdint.h>

#define KEEL_NS_PER_MS  INT64_C(1000000)
#define KEEL_NS_PER_S   INT64_C(1000000000)
#define KEEL_NS_PER_MIN (60 * KEEL_NS_PER_S)
#define KEEL_NS_PER_H   (60 * KEEL_NS_PER_MIN)
#define KEEL_NS_PER_DAY (24 * KEEL_NS_PER_H)

enum { KEEL_TIME_TEXT_MAX = 32 };

/* "2026-01-02", "2026-01-02 03:04", "2026-01-02T03:04:05Z", also with fractions of a second and
 * "+00:00". *has_time (may be NULL) = a time of day was given. KEEL_EFORMAT, or KEEL_ERANGE for
 * a month, day or hour that does not exist or a year outside 1678..2261. */
KEEL_MUST_CHECK keel_status keel_time_parse(const char *text, int64_t *ns, bool *has_time);

/* "2026-01-02T03:04:05Z" (a bare second) or with ".123456789" cut to what is not zero. */
void keel_time_format(int64_t ns, char out[KEEL_TIME_TEXT_MAX]);

/* "250ms", "1h", "30d", "1h30m", "0"; units ns us ms s m h d w. KEEL_EFORMAT, KEEL_ERANGE. */
KEEL_MUST_CHECK keel_status keel_duration_parse(const char *text, int64_t *ns);

/* Shortest exact form of a duration: "1h", "90s" becomes "1m30s". */
void keel_duration_format(int64_t ns, char out[KEEL_TIME_TEXT_MAX]);

/* 0 = Monday .. 6 = Sunday of the UTC day that holds ns. */
int keel_time_weekday(int64_t ns);

/* Calendar months since January 1970 of the UTC day that holds ns, and the first instant of a
 * month counted so; months of the years 1678..2261. */
int keel_time_month(int64_t ns);
int64_t keel_time_month_start(int month);

#endif
