#include "common/base/rng.h"
#include "common/domain/fixed.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

Test(fixed, powers_of_ten)
{
    int64_t power = 1;
    for (int i = 0; i <= 18; i++, power *= i <= 18 ? 10 : 1)
        cr_assert_eq(keel_pow10(i), power, "10^%d", i);
}

Test(fixed, div_rounds_half_to_even)
{
    static const struct {
        int64_t a, b, want;
    } cases[] = {
        {0, 7, 0},
        {5, 2, 2},
        {7, 2, 4},
        {-5, 2, -2},
        {-7, 2, -4},
        {1, 2, 0},
        {3, 2, 2},
        {-1, 2, 0},
        {-3, 2, -2},
        {1, 3, 0},
        {2, 3, 1},
        {-2, 3, -1},
        {25, 10, 2},
        {35, 10, 4},
        {26, 10, 3},
        {24, 10, 2},
        {8, 4, 2},
        {INT64_MAX, 1, INT64_MAX},
        {INT64_MIN, 1, INT64_MIN},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t out = 99;
        cr_assert_eq(keel_div_round(cases[i].a, cases[i].b, &out), KEEL_OK);
        cr_assert_eq(out, cases[i].want, "case %zu: %lld", i, (long long)out);
    }
}

Test(fixed, div_refuses_quotients_that_leave_64_bits)
{
    int64_t out = 99;
    const keel_i128 past = (keel_i128)INT64_MAX + 1;
    cr_assert_eq(keel_div_round(past, 1, &out), KEEL_EOVERFLOW);
    cr_assert_eq(keel_div_round(-past, 1, &out), KEEL_OK);
    cr_assert_eq(out, INT64_MIN);
    out = 99;
    cr_assert_eq(keel_div_round(-past - 1, 1, &out), KEEL_EOVERFLOW);
    cr_assert_eq(keel_mul_div(INT64_MAX, INT64_MAX, 1, &out), KEEL_EOVERFLOW);
    cr_assert_eq(out, 99, "out is untouched on refusal");
    cr_assert_eq(keel_mul_div(INT64_MIN, INT64_MIN, INT64_MAX, &out), KEEL_EOVERFLOW);
    cr_assert_eq(keel_mul_div(INT64_MAX, INT64_MAX, INT64_MAX, &out), KEEL_OK);
    cr_assert_eq(out, INT64_MAX);
}

Test(fixed, div_compares_halves_of_the_widest_divisor)
{
    /* 2 * rest would leave 128 bits here */
    const keel_i128 wide = ((keel_i128)1 << 126) + 1;
    int64_t out = 99;
    cr_assert_eq(keel_div_round(wide - 1, wide, &out), KEEL_OK);
    cr_assert_eq(out, 1);
    cr_assert_eq(keel_div_round((wide - 1) / 2, wide, &out), KEEL_OK);
    cr_assert_eq(out, 0);
    cr_assert_eq(keel_div_round(-((wide + 1) / 2), wide, &out), KEEL_OK);
    cr_assert_eq(out, -1);
}

Test(fixed, worth_of_the_named_cases)
{
    static const struct {
        const char *what;
        int64_t price;
        int price_exp;
        int64_t qty;
        int qty_exp;
        int64_t micros;
    } cases[] = {
        {"SHIB at 8.83e-6, 1e12 coins, units 1e-12 and 1", 8830000, 12, INT64_C(1000000000000), 0,
         INT64_C(8830000000000)},
        {"SHIB at 8.83e-6, one coin: 8.83 micros", 8830000, 12, 1, 0, 9},
        {"BTC at 100,000, one satoshi: 0.001", INT64_C(10000000000000), 8, 1, 8, 1000},
        {"BTC at 100,000, sold 21 million: worth 2.1e12", INT64_C(10000000000000), 8,
         INT64_C(-2100000000000000), 8, INT64_C(-2100000000000000000)},
        {"units of one", 3, 0, -2, 0, -6000000},
        {"half a micro goes to even zero", 1, 7, 5, 0, 0},
        {"one and a half micros go to two", 1, 7, 15, 0, 2},
        {"two and a half stay two", 1, 7, 25, 0, 2},
        {"nothing", 0, 12, 77, 12, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t micros = 99;
        cr_assert_eq(keel_worth_micros(cases[i].price, cases[i].price_exp, cases[i].qty,
                                       cases[i].qty_exp, &micros),
                     KEEL_OK);
        cr_assert_eq(micros, cases[i].micros, "%s: %lld", cases[i].what, (long long)micros);
    }
}

Test(fixed, worth_refuses_what_does_not_fit)
{
    int64_t micros = 99;
    cr_assert_eq(keel_worth_micros(INT64_MAX, 0, INT64_MAX, 0, &micros), KEEL_EOVERFLOW);
    cr_assert_eq(keel_worth_micros(INT64_MAX, 0, 1, 0, &micros), KEEL_EOVERFLOW);
    cr_assert_eq(keel_worth_micros(INT64_MAX, 8, INT64_MAX, 8, &micros), KEEL_EOVERFLOW);
    cr_assert_eq(micros, 99);
}

Test(fixed, quantity_of_worth_goes_towards_zero_in_whole_lots)
{
    static const struct {
        int64_t micros, price;
        int price_exp, qty_exp;
        int64_t lot, want;
    } cases[] = {
        {10000000, 3000000, 6, 0, 1, 3},                   /* 10 / 3 */
        {-10000000, 3000000, 6, 0, 1, -3},                 /* sold alike */
        {10000000, 3000000, 6, 2, 50, 300},                /* 3.33 in halves: 3.00 */
        {1000000, INT64_C(10000000000000), 8, 8, 1, 1000}, /* 1 buys 1000 satoshi at 100,000 */
        {1000000, INT64_C(10000000000000), 8, 8, 1001, 0}, /* less than a lot */
        {8830000, 8830000, 12, 0, 1, 1000000},             /* SHIB: 8.83 buys a million */
        {0, 5, 0, 0, 1, 0},
        {5999999, 3, 0, 0, 1, 1}, /* a micro short of two */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t qty = 99;
        cr_assert_eq(keel_qty_of_worth(cases[i].micros, cases[i].price, cases[i].price_exp,
                                       cases[i].qty_exp, cases[i].lot, &qty),
                     KEEL_OK);
        cr_assert_eq(qty, cases[i].want, "case %zu: %lld", i, (long long)qty);
    }
    int64_t qty = 99;
    cr_assert_eq(keel_qty_of_worth(INT64_MIN, 1, 12, 12, 1, &qty), KEEL_EOVERFLOW);
    cr_assert_eq(qty, 99);
}

Test(fixed, quantity_of_worth_is_the_largest_that_can_be_paid)
{
    const uint64_t seed = 20260102;
    keel_rng rng = keel_rng_seeded(seed);
    for (int i = 0; i < 20000; i++) {
        const int price_exp = (int)keel_rng_below(&rng, KEEL_EXP_MAX + 1);
        const int qty_exp = (int)keel_rng_below(&rng, KEEL_EXP_MAX + 1);
        const int64_t price = 1 + (int64_t)keel_rng_below(&rng, 1000000000000u);
        const int64_t lot = 1 + (int64_t)keel_rng_below(&rng, 1000);
        const int64_t micros = (int64_t)keel_rng_below(&rng, 1000000000000000u);
        int64_t qty, worth;
        if (keel_qty_of_worth(micros, price, price_exp, qty_exp, lot, &qty) != KEEL_OK)
            continue;
        cr_assert_eq(keel_worth_micros(price, price_exp, qty, qty_exp, &worth), KEEL_OK);
        cr_assert(worth <= micros && qty % lot == 0, "seed %llu draw %d", (unsigned long long)seed,
                  i);
        if (keel_worth_micros(price, price_exp, qty + lot, qty_exp, &worth) == KEEL_OK)
            cr_assert(worth >= micros, "one lot more still fits: seed %llu draw %d",
                      (unsigned long long)seed, i);
    }
}

Test(fixed, fraction_is_exact_in_the_doubles_own_binary_value)
{
    static const struct {
        int64_t micros;
        double fraction;
        int64_t want;
    } cases[] = {
        {1000000, 0.5, 500000},
        {1, 0.5, 0},
        {3, 0.5, 2},
        {-3, 0.5, -2},
        {5, -0.5, -2},
        {1000000000000, 0.1, 100000000000},
        {10, 0.25, 2},
        {INT64_MAX, 1.0, INT64_MAX},
        {INT64_MIN, 1.0, INT64_MIN},
        {123456789, 0.0, 0},
        {INT64_MAX, 1e-300, 0},
        {INT64_MAX, 5e-324, 0},
        {9000000, 1e6, INT64_C(9000000000000)},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t out = 99;
        cr_assert_eq(keel_fraction_of(cases[i].micros, cases[i].fraction, &out), KEEL_OK);
        cr_assert_eq(out, cases[i].want, "case %zu: %lld", i, (long long)out);
    }
}

Test(fixed, fraction_refuses)
{
    int64_t out = 99;
    cr_assert_eq(keel_fraction_of(1, NAN, &out), KEEL_ENONFINITE);
    cr_assert_eq(keel_fraction_of(1, -INFINITY, &out), KEEL_ENONFINITE);
    cr_assert_eq(keel_fraction_of(1, 1.5e6, &out), KEEL_ERANGE);
    cr_assert_eq(keel_fraction_of(INT64_MAX, 1.5, &out), KEEL_EOVERFLOW);
    cr_assert_eq(out, 99);
}

Test(fixed, basis_points)
{
    int64_t out = 99;
    cr_assert_eq(keel_bps_of(1000000, 10000, &out), KEEL_OK); /* 10 bps */
    cr_assert_eq(out, 1000);
    cr_assert_eq(keel_bps_of(-1000000, 500, &out), KEEL_OK); /* half a bp */
    cr_assert_eq(out, -50);
    cr_assert_eq(keel_bps_of(5000, 1000, &out), KEEL_OK); /* 0.5 to even */
    cr_assert_eq(out, 0);
    cr_assert_eq(keel_bps_of(15000, 1000, &out), KEEL_OK); /* 1.5 to even */
    cr_assert_eq(out, 2);
    cr_assert_eq(keel_bps_of(7, 100000000, &out), KEEL_OK); /* ten times the whole */
    cr_assert_eq(out, 70);
    out = 99;
    cr_assert_eq(keel_bps_of(1, -1, &out), KEEL_ERANGE);
    cr_assert_eq(keel_bps_of(1, 100000001, &out), KEEL_ERANGE);
    cr_assert_eq(keel_bps_of(INT64_MAX, 100000000, &out), KEEL_EOVERFLOW);
    cr_assert_eq(out, 99);
}

Test(fixed, parses_decimals_exactly)
{
    static const struct {
        const char *text;
        int exp;
        int64_t want;
    } cases[] = {
        {"12919.12", 2, 1291912},
        {"12919.12", 8, INT64_C(1291912000000)},
        {"0.00000883", 8, 883},
        {"8.83e-6", 12, 8830000},
        {"8.83E-06", 8, 883},
        {"100000", 8, INT64_C(10000000000000)},
        {"1e12", 0, INT64_C(1000000000000)},
        {"-0.5", 1, -5},
        {"+7", 0, 7},
        {".5", 1, 5},
        {"5.", 0, 5},
        {"0", 12, 0},
        {"-0.000", 0, 0},
        {"0e99999", 0, 0},
        {"1.2300000000000000000000000000000000000000000000", 2, 123},
        {"000000000000000000000000000000000000000000000012", 0, 12},
        {"1200e-2", 0, 12},
        {"9223372036854775807", 0, INT64_MAX},
        {"-9223372036854775808", 0, INT64_MIN},
        {"92233720368.54775807", 8, INT64_MAX},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t units = 99;
        cr_assert_eq(keel_units_parse(cases[i].text, cases[i].exp, &units), KEEL_OK, "%s",
                     cases[i].text);
        cr_assert_eq(units, cases[i].want, "%s: %lld", cases[i].text, (long long)units);
    }
}

Test(fixed, parse_refuses)
{
    static const struct {
        const char *text;
        int exp;
        keel_status want;
    } cases[] = {
        {"", 2, KEEL_EFORMAT},
        {"-", 2, KEEL_EFORMAT},
        {".", 2, KEEL_EFORMAT},
        {"1.2.3", 2, KEEL_EFORMAT},
        {" 1", 2, KEEL_EFORMAT},
        {"1 ", 2, KEEL_EFORMAT},
        {"1,000", 2, KEEL_EFORMAT},
        {"0x10", 2, KEEL_EFORMAT},
        {"1e", 2, KEEL_EFORMAT},
        {"1e+", 2, KEEL_EFORMAT},
        {"1e1x", 2, KEEL_EFORMAT},
        {"e5", 2, KEEL_EFORMAT},
        {"--1", 2, KEEL_EFORMAT},
        {"nan", 2, KEEL_ENONFINITE},
        {"-NaN", 2, KEEL_ENONFINITE},
        {"Inf", 2, KEEL_ENONFINITE},
        {"-infinity", 2, KEEL_ENONFINITE},
        {"0.001", 2, KEEL_ERANGE},
        {"0.00000883", 6, KEEL_ERANGE},
        {"1e-400", 12, KEEL_ERANGE},
        {"12345678901234567890.5", 0, KEEL_EOVERFLOW},
        {"9223372036854775808", 0, KEEL_EOVERFLOW},
        {"-9223372036854775809", 0, KEEL_EOVERFLOW},
        {"92233720368.54775808", 8, KEEL_EOVERFLOW},
        {"1e999999999", 0, KEEL_EOVERFLOW},
        {"0.1234567890123456789012345678901234567890123", 12, KEEL_ERANGE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t units = 99;
        cr_assert_eq(keel_units_parse(cases[i].text, cases[i].exp, &units), cases[i].want, "%s",
                     cases[i].text);
        cr_assert_eq(units, 99);
    }
}

Test(fixed, reals_round_half_to_even_and_refuse)
{
    static const struct {
        double value;
        int exp;
        int64_t want;
    } cases[] = {
        {12919.12, 2, 1291912},
        {8.83e-6, 8, 883},
        {100000.0, 8, INT64_C(10000000000000)},
        {0.5, 0, 0},
        {1.5, 0, 2},
        {2.5, 0, 2},
        {-0.5, 0, 0},
        {-1.5, 0, -2},
        {0.125, 2, 12},
        {0.375, 2, 38},
        {5e-324, 12, 0},
        {-9223372036854775808.0, 0, INT64_MIN},
        {1e12, 6, INT64_C(1000000000000000000)},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t units = 99;
        cr_assert_eq(keel_units_of_real(cases[i].value, cases[i].exp, &units), KEEL_OK);
        cr_assert_eq(units, cases[i].want, "case %zu: %lld", i, (long long)units);
    }
    int64_t units = 99;
    cr_assert_eq(keel_units_of_real(NAN, 2, &units), KEEL_ENONFINITE);
    cr_assert_eq(keel_units_of_real(INFINITY, 2, &units), KEEL_ENONFINITE);
    cr_assert_eq(keel_units_of_real(9223372036854775808.0, 0, &units), KEEL_EOVERFLOW);
    cr_assert_eq(keel_units_of_real(1e300, 0, &units), KEEL_EOVERFLOW);
    cr_assert_eq(keel_units_of_real(1e12, 8, &units), KEEL_EOVERFLOW);
    cr_assert_eq(units, 99);
    cr_assert_eq(keel_real_of_units(883, 8), 883.0 / 1e8);
    cr_assert_eq(keel_real_of_units(-5, 1), -0.5);
}

Test(fixed, formats_without_exponent)
{
    static const struct {
        int64_t units;
        int exp, decimals;
        const char *want;
    } cases[] = {
        {1291912, 2, 2, "12919.12"},
        {INT64_C(1291912000000), 8, 2, "12919.12"},
        {INT64_C(1291900000000), 8, 2, "12919.00"},
        {INT64_C(1291900000000), 8, 0, "12919"},
        {883, 8, 2, "0.00000883"},
        {-5, 1, 0, "-0.5"},
        {0, 12, 0, "0"},
        {0, 12, 2, "0.00"},
        {5, 0, 2, "5.00"},
        {INT64_MAX, 0, 0, "9223372036854775807"},
        {INT64_MIN, 8, 8, "-92233720368.54775808"},
        {INT64_MIN, 0, 12, "-9223372036854775808.000000000000"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[KEEL_UNITS_TEXT_MAX];
        keel_units_format(cases[i].units, cases[i].exp, cases[i].decimals, text);
        cr_assert_str_eq(text, cases[i].want, "case %zu: %s", i, text);
    }
}

Test(fixed, text_comes_back_as_the_same_units)
{
    const uint64_t seed = 7;
    keel_rng rng = keel_rng_seeded(seed);
    for (int i = 0; i < 20000; i++) {
        const int exp = (int)keel_rng_below(&rng, KEEL_EXP_MAX + 1);
        const int64_t units = (int64_t)(keel_rng_u64(&rng) >> keel_rng_below(&rng, 64)) *
                              (keel_rng_below(&rng, 2) == 0 ? 1 : -1);
        char text[KEEL_UNITS_TEXT_MAX];
        int64_t back = 0;
        keel_units_format(units, exp, (int)keel_rng_below(&rng, KEEL_EXP_MAX + 1), text);
        cr_assert_eq(keel_units_parse(text, exp, &back), KEEL_OK, "seed %llu: %s",
                     (unsigned long long)seed, text);
        cr_assert_eq(back, units, "seed %llu: %s", (unsigned long long)seed, text);
    }
}
