/* RB01, RB02, RB08, T4: the calendar, drift, and the first time. */
#include "services/optimizer/engine/rebalance.h"

#include "common/base/timefmt.h"

#include <criterion/criterion.h>

static int64_t at(const char *text)
{
    int64_t ns = 0;
    cr_assert_eq(keel_time_parse(text, &ns, NULL), KEEL_OK, "%s", text);
    return ns;
}

static keel_rebalance_rule every(int64_t period_ns)
{
    return (keel_rebalance_rule){.period_ns = period_ns, .threshold_frac = 0.05, .retry_steps = 1};
}

static keel_rebalance_rule monthly(void)
{
    return (keel_rebalance_rule){.monthly = true, .threshold_frac = 0.05, .retry_steps = 1};
}

Test(rebalance, next_boundary_lies_on_the_calendar)
{
    const struct {
        keel_rebalance_rule rule;
        const char *now, *next;
    } cases[] = {
        {every(KEEL_NS_PER_DAY), "2026-03-04 10:00", "2026-03-05"},
        {every(KEEL_NS_PER_DAY), "2026-03-04", "2026-03-05"},
        {every(KEEL_NS_PER_H), "2026-03-04 10:30", "2026-03-04 11:00"},
        {every(7 * KEEL_NS_PER_DAY), "2026-03-04 10:00", "2026-03-09"}, /* a Monday */
        {every(7 * KEEL_NS_PER_DAY), "2026-03-09", "2026-03-16"},
        {monthly(), "2026-02-28 23:00", "2026-03-01"},
        {monthly(), "2026-12-31 12:00", "2027-01-01"},
        {monthly(), "2024-02-29", "2024-03-01"},
        {every(KEEL_NS_PER_DAY), "1969-12-31 12:00", "1970-01-01"},
        {every(7 * KEEL_NS_PER_DAY), "1969-12-31 12:00", "1970-01-05"},
        {monthly(), "1969-12-31 12:00", "1970-01-01"},
    };
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++)
        cr_expect_eq(keel_rebalance_next(&cases[k].rule, at(cases[k].now)), at(cases[k].next),
                     "case %zu: %s", k, cases[k].now);
    const keel_rebalance_rule none = every(0);
    cr_expect_eq(keel_rebalance_next(&none, at("2026-03-04")), 0);
}

Test(rebalance, one_boundary_is_due_once_and_gaps_do_not_lose_it)
{
    const struct {
        keel_rebalance_rule rule;
        const char *last, *now;
        keel_reason_code code;
    } cases[] = {
        {every(KEEL_NS_PER_DAY), "2026-03-04 00:00", "2026-03-04 23:00",
         KEEL_REASON_WITHIN_THRESHOLD},
        {every(KEEL_NS_PER_DAY), "2026-03-04 00:00", "2026-03-05 00:00", KEEL_REASON_SCHEDULE_DUE},
        {every(KEEL_NS_PER_DAY), "2026-03-04 23:00", "2026-03-05 00:00", KEEL_REASON_SCHEDULE_DUE},
        {every(KEEL_NS_PER_DAY), "2026-03-04 00:00", "2026-03-09 07:00", KEEL_REASON_SCHEDULE_DUE},
        {every(7 * KEEL_NS_PER_DAY), "2026-03-02", "2026-03-08 23:00",
         KEEL_REASON_WITHIN_THRESHOLD},
        {every(7 * KEEL_NS_PER_DAY), "2026-03-08", "2026-03-09", KEEL_REASON_SCHEDULE_DUE},
        {monthly(), "2026-03-01", "2026-03-31 23:59", KEEL_REASON_WITHIN_THRESHOLD},
        {monthly(), "2026-03-31", "2026-04-01", KEEL_REASON_SCHEDULE_DUE},
        {every(0), "2026-03-01", "2027-03-01", KEEL_REASON_WITHIN_THRESHOLD},
    };
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        const keel_rebalance_mark mark = {true, 10, at(cases[k].last)};
        const keel_rebalance_verdict v =
            keel_rebalance_judge(&cases[k].rule, &mark, 20, at(cases[k].now), 0.01);
        cr_expect_eq(v.code, cases[k].code, "case %zu", k);
        cr_expect(!v.waits);
    }
}

Test(rebalance, drift_is_due_above_the_threshold_only)
{
    const keel_rebalance_rule rule = every(KEEL_NS_PER_DAY);
    const keel_rebalance_mark mark = {true, 10, at("2026-03-04 01:00")};
    const struct {
        double drift;
        keel_reason_code code;
    } cases[] = {{0.0, KEEL_REASON_WITHIN_THRESHOLD},
                 {0.05, KEEL_REASON_WITHIN_THRESHOLD},
                 {0.0500001, KEEL_REASON_DRIFT_ABOVE_THRESHOLD}};
    for (size_t k = 0; k < 3; k++)
        cr_expect_eq(
            keel_rebalance_judge(&rule, &mark, 11, at("2026-03-04 02:00"), cases[k].drift).code,
            cases[k].code, "case %zu", k);
}

Test(rebalance, drift_waits_for_retry_steps_and_the_schedule_does_not)
{
    keel_rebalance_rule rule = every(KEEL_NS_PER_DAY);
    const keel_rebalance_mark mark = {true, 10, at("2026-03-04 01:00")};
    rule.retry_steps = 3;
    cr_expect(keel_rebalance_judge(&rule, &mark, 12, at("2026-03-04 02:00"), 0.2).waits);
    cr_expect(!keel_rebalance_judge(&rule, &mark, 13, at("2026-03-04 02:00"), 0.2).waits);
    const keel_rebalance_verdict v =
        keel_rebalance_judge(&rule, &mark, 11, at("2026-03-05 02:00"), 0.2);
    cr_expect(!v.waits);
    cr_expect_eq(v.code, KEEL_REASON_SCHEDULE_DUE);
}

Test(rebalance, first_allocation_comes_before_everything)
{
    const keel_rebalance_rule rule = every(KEEL_NS_PER_DAY);
    const keel_rebalance_mark none = {0};
    cr_expect_eq(keel_rebalance_judge(&rule, &none, 1, at("2026-03-04"), 0.9).code,
                 KEEL_REASON_FIRST_ALLOCATION);
}

Test(rebalance, drift_names_the_first_of_equals)
{
    const double a[] = {0.1, 0.5, 0.0}, b[] = {0.1, 0.3, 0.2};
    int where = -1;
    cr_expect_float_eq(keel_rebalance_drift(3, a, b, &where), 0.2, 1e-15);
    cr_expect_eq(where, 1);
    cr_expect_eq(keel_rebalance_drift(0, a, b, &where), 0.0);
    cr_expect_eq(where, 0);
}
