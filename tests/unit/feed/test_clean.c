#include "services/feed/engine/clean.h"

#include <criterion/criterion.h>

/* Closes in, verdicts out: A accepted, H held. One instrument, closes only. */
Test(clean, holds_jumps_and_accepts_the_third_consistent_bar)
{
    static const struct {
        const char *what;
        int n;
        int64_t closes[8];
        const char *verdicts;
    } cases[] = {
        {"steady", 4, {100, 110, 90, 100}, "AAAA"},
        {"just below x10 up", 2, {100, 999}, "AA"},
        {"x10 up", 2, {100, 1000}, "AH"},
        {"just above a tenth", 2, {100, 11}, "AA"},
        {"a tenth", 2, {100, 10}, "AH"},
        {"slip and back", 4, {100, 1000, 100, 1000}, "AHAH"},
        {"a new level", 6, {100, 2000, 2100, 1900, 2000, 2050}, "AHHAAA"},
        {"a new level down", 5, {10000, 100, 99, 101, 98}, "AHHAA"},
        {"back after the new level", 7, {100, 2000, 2000, 2000, 100, 100, 100}, "AHHAHHA"},
        {"held bars jump among themselves", 6, {100, 2000, 30000, 2000, 2000, 2000}, "AHHHHA"},
        {"an accepted bar starts the count anew",
         7,
         {100, 2000, 2000, 100, 2000, 2000, 2000},
         "AHHAHHA"},
        {"first bar is taken as it is", 1, {INT64_MAX}, "A"},
        {"no overflow", 3, {INT64_MAX, 1, INT64_MAX}, "AHA"},
    };
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        keel_clean *clean = keel_clean_new(1);
        for (int i = 0; i < cases[c].n; i++) {
            const keel_bar bar = {.close_units = cases[c].closes[i]};
            const keel_verdict verdict = keel_clean_on_bar(clean, 0, &bar);
            cr_expect_eq(verdict == KEEL_VERDICT_HELD ? 'H' : 'A', cases[c].verdicts[i],
                         "%s, bar %d", cases[c].what, i);
        }
        keel_clean_free(&clean);
    }
}

Test(clean, holds_a_bar_whose_high_or_low_jumps)
{
    keel_clean *clean = keel_clean_new(2);
    const keel_bar good = {100, 110, 90, 105};
    const keel_bar spike = {100, 1100, 90, 105};
    const keel_bar hole = {100, 110, 9, 105};
    cr_assert_eq(keel_clean_on_bar(clean, 1, &good), KEEL_VERDICT_ACCEPTED);
    cr_assert_eq(keel_clean_on_bar(clean, 1, &spike), KEEL_VERDICT_HELD);
    cr_assert_eq(keel_clean_on_bar(clean, 1, &hole), KEEL_VERDICT_HELD);
    cr_assert_eq(keel_clean_on_bar(clean, 1, &good), KEEL_VERDICT_ACCEPTED);
    cr_assert_eq(keel_clean_accepted_units(clean, 1), 105);
    cr_assert_eq(keel_clean_accepted_units(clean, 0), 0);
    cr_assert(keel_clean_is_jump(1050, 105) && keel_clean_is_jump(10, 105));
    cr_assert(!keel_clean_is_jump(1049, 105) && !keel_clean_is_jump(11, 105));
    /* instruments do not know each other */
    cr_assert_eq(keel_clean_on_bar(clean, 0, &(keel_bar){.close_units = 100000}),
                 KEEL_VERDICT_ACCEPTED);
    keel_clean_free(&clean);
    cr_assert_null(clean);
    keel_clean_free(&clean);
}

Test(clean, refuses_bars_that_contradict_themselves)
{
    static const keel_bar bad[] = {
        {100, 99, 90, 95},   /* open above high */
        {89, 110, 90, 95},   /* open below low */
        {100, 110, 96, 95},  /* close below low */
        {100, 110, 90, 111}, /* close above high */
        {100, 90, 110, 100}, /* high below low */
        {0, 110, 90, 95},    /* open absent, the others not */
        {100, 0, 90, 95},    {100, 110, 0, 95},
    };
    keel_clean *clean = keel_clean_new(1);
    cr_assert_eq(keel_clean_on_bar(clean, 0, &(keel_bar){100, 110, 90, 95}), KEEL_VERDICT_ACCEPTED);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_expect_eq(keel_clean_on_bar(clean, 0, &bad[i]), KEEL_VERDICT_REFUSED, "%zu", i);
    /* state unchanged: neither level nor count moved */
    cr_assert_eq(keel_clean_on_bar(clean, 0, &(keel_bar){.close_units = 940}),
                 KEEL_VERDICT_ACCEPTED);
    keel_clean_free(&clean);
}
