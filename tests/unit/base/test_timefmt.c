#include "common/base/rng.h"
#include "common/base/timefmt.h"

#include <criterion/criterion.h>
#include <string.h>

#define S(seconds) (INT64_C(seconds) * KEEL_NS_PER_S)

Test(timefmt, reads_and_writes_known_instants)
{
    static const struct {
        const char *text;
        int64_t ns;
        bool timed;
        const char *back;
    } rows[] = {
        {"1970-01-01", 0, false, "1970-01-01T00:00:00Z"},
        {"1970-01-01T00:00:00Z", 0, true, "1970-01-01T00:00:00Z"},
        {"2026-01-02 03:04", S(1767323040), true, "2026-01-02T03:04:00Z"},
        {"2026-01-02T03:04:05Z", S(1767323045), true, "2026-01-02T03:04:05Z"},
        {"2026-01-02T03:04:05+00:00", S(1767323045), true, "2026-01-02T03:04:05Z"},
        {"2000-02-29", S(951782400), false, "2000-02-29T00:00:00Z"},
        {"1969-12-31T23:59:59.5Z", -500000000, true, "1969-12-31T23:59:59.5Z"},
        {"2001-09-09T01:46:40.000000001Z", S(1000000000) + 1, true,
         "2001-09-09T01:46:40.000000001Z"},
        {"1678-01-01", S(-9214560000), false, "1678-01-01T00:00:00Z"},
        {"2261-12-31", S(9214560000), false, "2261-12-31T00:00:00Z"},
    };
    for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++) {
        int64_t ns = 1;
        bool timed = !rows[k].timed;
        char back[KEEL_TIME_TEXT_MAX];
        cr_assert_eq(keel_time_parse(rows[k].text, &ns, &timed), KEEL_OK, "%s", rows[k].text);
        cr_assert_eq(ns, rows[k].ns, "%s gave %lld", rows[k].text, (long long)ns);
        cr_assert_eq(timed, rows[k].timed, "%s", rows[k].text);
        keel_time_format(ns, back);
        cr_assert_str_eq(back, rows[k].back);
    }
}

Test(timefmt, refuses_what_is_not_an_instant)
{
    static const struct {
        const char *text;
        keel_status status;
    } rows[] = {
        {"", KEEL_EFORMAT},
        {"2026", KEEL_EFORMAT},
        {"2026-1-2", KEEL_EFORMAT},
        {"2026/01/02", KEEL_EFORMAT},
        {"2026-01-02T", KEEL_EFORMAT},
        {"2026-01-02T03", KEEL_EFORMAT},
        {"2026-01-02T03:04:05.", KEEL_EFORMAT},
        {"2026-01-02T03:04:05+01:00", KEEL_EFORMAT},
        {"2026-01-02T03:04:05ZZ", KEEL_EFORMAT},
        {"2026-01-02x", KEEL_EFORMAT},
        {" 2026-01-02", KEEL_EFORMAT},
        {"2025-02-29", KEEL_ERANGE},
        {"1900-02-29", KEEL_ERANGE},
        {"2026-00-01", KEEL_ERANGE},
        {"2026-13-01", KEEL_ERANGE},
        {"2026-04-31", KEEL_ERANGE},
        {"2026-01-02T24:00", KEEL_ERANGE},
        {"2026-01-02T23:60", KEEL_ERANGE},
        {"2026-01-02T23:59:60Z", KEEL_ERANGE},
        {"1677-12-31", KEEL_ERANGE},
        {"2262-01-01", KEEL_ERANGE},
    };
    for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++) {
        int64_t ns = 42;
        cr_assert_eq(keel_time_parse(rows[k].text, &ns, NULL), rows[k].status, "%s", rows[k].text);
        cr_assert_eq(ns, 42, "%s", rows[k].text);
    }
}

Test(timefmt, every_instant_survives_text_and_back)
{
    keel_rng rng = keel_rng_seeded(21);
    const int64_t first = S(-9214560000);
    const uint64_t span = UINT64_C(2) * (uint64_t)S(9214560000); /* 1678 to 2261 */
    for (int k = 0; k < 20000; k++) {
        int64_t ns = (int64_t)((uint64_t)first + keel_rng_below(&rng, span)), back;
        char text[KEEL_TIME_TEXT_MAX];
        if (k % 2 == 0)
            ns -= ns % KEEL_NS_PER_S;
        keel_time_format(ns, text);
        cr_assert_eq(keel_time_parse(text, &back, NULL), KEEL_OK, "seed 21: %s", text);
        cr_assert_eq(back, ns, "seed 21: %s", text);
    }
}

Test(timefmt, formats_the_ends_of_the_range)
{
    char text[KEEL_TIME_TEXT_MAX];
    keel_time_format(INT64_MIN, text);
    cr_assert_str_eq(text, "1677-09-21T00:12:43.145224192Z");
    keel_time_format(INT64_MAX, text);
    cr_assert_str_eq(text, "2262-04-11T23:47:16.854775807Z");
}

Test(timefmt, durations)
{
    static const struct {
        const char *text;
        keel_status status;
        int64_t ns;
        const char *back;
    } rows[] = {
        {"0", KEEL_OK, 0, "0"},
        {"250ms", KEEL_OK, 250 * KEEL_NS_PER_MS, "250ms"},
        {"1h", KEEL_OK, KEEL_NS_PER_H, "1h"},
        {"90s", KEEL_OK, 90 * KEEL_NS_PER_S, "1m30s"},
        {"1h30m", KEEL_OK, 90 * KEEL_NS_PER_MIN, "1h30m"},
        {"30d", KEEL_OK, 30 * KEEL_NS_PER_DAY, "4w2d"},
        {"2w", KEEL_OK, 14 * KEEL_NS_PER_DAY, "2w"},
        {"7us5ns", KEEL_OK, 7005, "7us5ns"},
        {"", KEEL_EFORMAT, 0, NULL},
        {"5", KEEL_EFORMAT, 0, NULL},
        {"h", KEEL_EFORMAT, 0, NULL},
        {"-1h", KEEL_EFORMAT, 0, NULL},
        {"1.5h", KEEL_EFORMAT, 0, NULL},
        {"1 h", KEEL_EFORMAT, 0, NULL},
        {"1y", KEEL_EFORMAT, 0, NULL},
        {"1h30", KEEL_EFORMAT, 0, NULL},
        {"1000000w", KEEL_ERANGE, 0, NULL},
        {"15000w15000w", KEEL_ERANGE, 0, NULL},
        {"1234567890123456789ns", KEEL_ERANGE, 0, NULL},
    };
    for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++) {
        int64_t ns = 42;
        char back[KEEL_TIME_TEXT_MAX];
        cr_assert_eq(keel_duration_parse(rows[k].text, &ns), rows[k].status, "%s", rows[k].text);
        cr_assert_eq(ns, rows[k].status == KEEL_OK ? rows[k].ns : 42, "%s", rows[k].text);
        if (rows[k].status != KEEL_OK)
            continue;
        keel_duration_format(ns, back);
        cr_assert_str_eq(back, rows[k].back);
    }
}

Test(timefmt, weekday_counts_from_monday)
{
    static const struct {
        const char *day;
        int weekday;
    } rows[] = {
        {"1970-01-01", 3}, {"2026-11-21", 5}, {"2000-02-29", 1}, {"1969-12-28", 6},
        {"1969-12-29", 0}, {"1678-01-01", 5}, {"2024-09-01", 6},
    };
    for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++) {
        int64_t ns;
        cr_assert_eq(keel_time_parse(rows[k].day, &ns, NULL), KEEL_OK);
        cr_assert_eq(keel_time_weekday(ns), rows[k].weekday, "%s", rows[k].day);
        cr_assert_eq(keel_time_weekday(ns + KEEL_NS_PER_DAY - 1), rows[k].weekday);
    }
}
