#include "common/base/timefmt.h"
#include "common/obs/obs.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static int64_t clock_ns;
static char *text;
static size_t text_len;
static FILE *to;
static keel_obs *obs;

static int64_t now(void *arg)
{
    return *(int64_t *)arg;
}

static void start(void)
{
    clock_ns = 1767323045 * KEEL_NS_PER_S;
    to = open_memstream(&text, &text_len);
    obs = keel_obs_new("relay", KEEL_LOG_INFO, to, now, &clock_ns);
}

static void stop(void)
{
    keel_obs_free(&obs);
    keel_obs_free(&obs);
    fclose(to);
    free(text);
}

static const char *written(void)
{
    fflush(to);
    return text;
}

static int lines_of(const char *word)
{
    int n = 0;
    for (const char *at = written(); (at = strstr(at, word)) != NULL; at++)
        n++;
    return n;
}

Test(obs, writes_one_logfmt_line, .init = start, .fini = stop) /* ST13 */
{
    keel_log(obs, KEEL_LOG_WARN, "key_refused", "name=%s n=%d", "bob", 3);
    cr_assert_str_eq(written(), "ts=2026-01-02T03:04:05Z level=warn svc=relay event=key_refused "
                                "name=bob n=3\n");
}

Test(obs, levels_are_kept_and_changed, .init = start, .fini = stop)
{
    keel_log(obs, KEEL_LOG_DEBUG, "detail", "a=1");
    cr_assert_eq(lines_of("detail"), 0);
    keel_obs_level(obs, KEEL_LOG_DEBUG);
    keel_log(obs, KEEL_LOG_DEBUG, "detail", "a=1");
    cr_assert_eq(lines_of("level=debug"), 1);
    keel_obs_level(obs, KEEL_LOG_ERROR);
    keel_log(obs, KEEL_LOG_WARN, "detail", "a=1");
    cr_assert_eq(lines_of("detail"), 1);
}

Test(obs, a_burst_is_one_line_with_its_number, .init = start, .fini = stop)
{
    for (int i = 0; i < 1000; i++)
        keel_log(obs, KEEL_LOG_INFO, "bad_frame", "i=%d", i);
    keel_log(obs, KEEL_LOG_INFO, "other", "i=1");
    cr_assert_eq(lines_of("event=bad_frame"), 20);
    cr_assert_eq(lines_of("event=other"), 1);
    clock_ns += KEEL_NS_PER_S;
    keel_log(obs, KEEL_LOG_INFO, "other", "i=2");
    cr_assert_eq(lines_of("event=bad_frame held=980"), 1);
    keel_log(obs, KEEL_LOG_INFO, "bad_frame", "i=%d", 1000);
    cr_assert_eq(lines_of("event=bad_frame i=1000"), 1);
}

Test(obs, what_is_held_at_the_end_is_still_told, .init = start, .fini = stop)
{
    for (int i = 0; i < 23; i++)
        keel_log(obs, KEEL_LOG_INFO, "bad_frame", "i=%d", i);
    keel_obs_free(&obs);
    cr_assert_eq(lines_of("held=3"), 1);
}

Test(obs, more_events_than_places_are_still_limited, .init = start, .fini = stop)
{
    for (int i = 0; i < 1000; i++) {
        char event[32];
        snprintf(event, sizeof event, "event_%d", i);
        keel_log(obs, KEEL_LOG_INFO, event, "a=1");
    }
    cr_assert_eq(lines_of("\n"), 63 + 20);
    clock_ns += KEEL_NS_PER_S;
    keel_log(obs, KEEL_LOG_INFO, "event_0", "a=1");
    cr_assert_eq(lines_of("event=others held=917"), 1);
}

Test(obs, lines_stay_lines_whatever_is_in_them, .init = start, .fini = stop)
{
    char big[4096];
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    keel_log(obs, KEEL_LOG_INFO, "forged", "a=1\nts=0 level=error\033[31m");
    keel_log(obs, KEEL_LOG_INFO, "long", "text=%s", big);
    cr_assert_eq(lines_of("\n"), 2);
    cr_assert_eq(lines_of("\033"), 0);
    cr_assert_leq(strlen(strstr(written(), "ts=2026-01-02T03:04:05Z level=info svc=relay "
                                           "event=long")),
                  KEEL_LOG_LINE_MAX);
    cr_assert_eq(lines_of("xxx...\n"), 1);
}

Test(obs, quotes_escape_and_live_for_four_calls, .init = start, .fini = stop)
{
    const char *first = keel_obs_quote(obs, "a \"b\"\\\n\t");
    const char *second = keel_obs_quote(obs, "");
    keel_obs_quote(obs, "c");
    keel_obs_quote(obs, "d");
    cr_assert_str_eq(first, "\"a \\\"b\\\"\\\\\\n\\t\"");
    cr_assert_str_eq(second, "\"\"");
    char big[2048];
    memset(big, '"', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    const char *cut = keel_obs_quote(obs, big);
    cr_assert_lt(strlen(cut), 512);
    cr_assert_eq(cut[strlen(cut) - 1], '"');
}

Test(obs, counters_add_and_overflow_into_one, .init = start, .fini = stop)
{
    keel_count(obs, "rows", 2);
    keel_count(obs, "rows", 3);
    cr_assert_eq(keel_counted(obs, "rows"), 5);
    cr_assert_eq(keel_counted(obs, "row"), 0);
    cr_assert_eq(keel_counters(obs), 1);
    for (int i = 0; i < 100; i++) {
        char name[32];
        snprintf(name, sizeof name, "counter_%d", i);
        keel_count(obs, name, 1);
    }
    cr_assert_eq(keel_counters(obs), KEEL_OBS_COUNTERS_MAX);
    cr_assert_eq(keel_counted(obs, "counters_overflow"), 100 - 62);
    cr_assert_eq(keel_counted(obs, "counter_61"), 1);
    cr_assert_str_eq(keel_counter_name(obs, 0), "rows");
    cr_assert_eq(keel_counter_value(obs, 0), 5);
    keel_counters_reset(obs);
    cr_assert_eq(keel_counted(obs, "rows"), 0);
    cr_assert_eq(keel_counters(obs), KEEL_OBS_COUNTERS_MAX);
}
