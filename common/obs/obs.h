/* obs.h - the log and the counters of a process.
 *
 * ROOM     common/obs. Shells only; engines never log.
 * SHAPE    logfmt to a stream: ts level svc event=id key=value..., one line per call, at most
 *          KEEL_LOG_LINE_MAX bytes. More than `burst` lines of one event id in a second are held
 *          back and reported as one line with their number. Time comes from the caller's clock.
 * THREADS  one thread per object.
 */
#ifndef KEEL_COMMON_OBS_OBS_H
#define KEEL_COMMON_OBS_OBS_H

#include "common/base/status.h"

#include <stdint.h>
#include <stdio.h>

enum { KEEL_LOG_LINE_MAX = 1024, KEEL_OBS_COUNTERS_MAX = 64 };

typedef enum keel_log_level {
    KEEL_LOG_DEBUG = 1,
    KEEL_LOG_INFO,
    KEEL_LOG_WARN,
    KEEL_LOG_ERROR,
} keel_log_level;

typedef struct keel_obs keel_obs;

/* `to` is borrowed; `now` gives UTC ns. End with keel_obs_free. */
KEEL_MUST_CHECK keel_obs *keel_obs_new(const char *service, keel_log_level level, FILE *to,
                                       int64_t (*now)(void *), void *now_arg);
void keel_obs_free(keel_obs **obs);

void keel_obs_level(keel_obs *obs, keel_log_level level);

/* event: a fixed lower-case word, e.g. "state_changed". fmt: key=value text; values with blanks go
 * through keel_obs_quote. */
void keel_log(keel_obs *obs, keel_log_level level, const char *event, const char *fmt, ...)
    KEEL_PRINTF(4, 5);

/* `text` quoted and escaped, for a value of keel_log; valid until the fourth call after. */
const char *keel_obs_quote(keel_obs *obs, const char *text);

/* Add to a counter, registering it on first use; past KEEL_OBS_COUNTERS_MAX names the count goes to
 * "counters_overflow". */
void keel_count(keel_obs *obs, const char *name, uint64_t add);
uint64_t keel_counted(const keel_obs *obs, const char *name);
int keel_counters(const keel_obs *obs);
const char *keel_counter_name(const keel_obs *obs, int i);
uint64_t keel_counter_value(const keel_obs *obs, int i);
void keel_counters_reset(keel_obs *obs);

#endif
