/* format.h - numbers, times and reasons as people read them.
 *
 * ROOM     services/cli. Text goes into the caller's buffer of KEEL_FORMAT_MAX bytes, which is also
 *          returned, so that a call can stand in an argument list.
 */
#ifndef KEEL_SERVICES_CLI_FORMAT_H
#define KEEL_SERVICES_CLI_FORMAT_H

#include "common/domain/reason.h"
#include "common/domain/universe.h"

#include <stdint.h>

enum { KEEL_FORMAT_MAX = 64 };

/* "-1,234,567.89": micros to cents, rounded half away from zero. */
const char *keel_money_text(int64_t micros, char out[KEEL_FORMAT_MAX]);

/* 0.123 -> "12.3%"; never "-0.0%". */
const char *keel_percent_text(double fraction, int decimals, char out[KEEL_FORMAT_MAX]);

/* "2026-01-02 03:00", with seconds only when they are not 0. */
const char *keel_moment_text(int64_t ns, char out[KEEL_FORMAT_MAX]);

/* "1.2 s", "350 ms", "3.4 min". */
const char *keel_span_text(int64_t ns, char out[KEEL_FORMAT_MAX]);

/* "12.3 MB". */
const char *keel_bytes_text(uint64_t bytes, char out[KEEL_FORMAT_MAX]);

/* A price as people compare prices: six significant digits, at least two decimals. */
const char *keel_price_text(int64_t units, int exp, char out[KEEL_FORMAT_MAX]);

/* "drift above threshold". */
const char *keel_reason_words(keel_reason_code code, char out[KEEL_FORMAT_MAX]);

/* Bars in a year of 365.25 days; where every instrument trades on weekdays only, 5 of 7 days
 * count. */
double keel_bars_per_year(const keel_universe *universe, int64_t bar_ns);

#endif
