#include "common/domain/allocation.h"
#include "common/domain/bar_row.h"
#include "common/domain/trading.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

typedef struct fixture {
    int64_t close[3], open[3], high[3], low[3];
    double volume[3];
    keel_bar_row row;
} fixture;

static void fill(fixture *f)
{
    *f = (fixture){
        .close = {100, 0, 7},
        .open = {90, 0, 7},
        .high = {110, 0, 7},
        .low = {80, 0, 7},
        .volume = {1.5, 0, 0},
    };
    f->row = (keel_bar_row){.universe_hash = 1,
                            .close_ns = 10,
                            .bar_ns = 5,
                            .n = 3,
                            .close_units = f->close,
                            .open_units = f->open,
                            .high_units = f->high,
                            .low_units = f->low,
                            .volume = f->volume,
                            .missing = 1};
}

Test(bar_row, accepts_full_rows_and_closes_only)
{
    fixture f;
    fill(&f);
    cr_assert_eq(keel_bar_row_check(&f.row), KEEL_OK);
    f.row.open_units = f.row.high_units = f.row.low_units = NULL;
    f.row.volume = NULL;
    cr_assert_eq(keel_bar_row_check(&f.row), KEEL_OK);
}

Test(bar_row, refuses)
{
#define CASE(damage, status)                                                                       \
    do {                                                                                           \
        fixture f;                                                                                 \
        fill(&f);                                                                                  \
        damage;                                                                                    \
        cr_assert_eq(keel_bar_row_check(&f.row), status, #damage);                                 \
    } while (0)
    CASE(f.row.n = 0, KEEL_ERANGE);
    CASE(f.row.n = KEEL_UNIVERSE_MAX + 1, KEEL_ERANGE);
    CASE(f.row.bar_ns = 0, KEEL_ERANGE);
    CASE(f.row.close_units = NULL, KEEL_EINVAL);
    CASE(f.close[0] = -1, KEEL_ENONFINITE);
    CASE(f.open[0] = -1, KEEL_ENONFINITE);
    CASE(f.low[0] = 0, KEEL_ENONFINITE);
    CASE(f.open[0] = 0, KEEL_ENONFINITE);
    CASE(f.volume[1] = NAN, KEEL_ENONFINITE);
    CASE(f.volume[1] = INFINITY, KEEL_ENONFINITE);
    CASE(f.volume[1] = -1, KEEL_ENONFINITE);
    CASE(f.high[0] = 79, KEEL_EINVAL);
    CASE(f.open[0] = 111, KEEL_EINVAL);
    CASE(f.open[0] = 79, KEEL_EINVAL);
    CASE(f.high[0] = 99, KEEL_EINVAL);
    CASE(f.low[0] = 101, KEEL_EINVAL);
    CASE(f.open[1] = 5, KEEL_EINVAL);
    CASE(f.row.missing = 0, KEEL_EINVAL);
    CASE(f.row.missing = 2, KEEL_EINVAL);
    CASE(f.row.low_units = NULL, KEEL_EINVAL);
    CASE(f.row.open_units = NULL, KEEL_EINVAL);
#undef CASE
}

Test(reason, names_are_the_list_and_nothing_else)
{
    cr_assert_str_eq(keel_reason_name(KEEL_REASON_DRIFT_ABOVE_THRESHOLD), "DRIFT_ABOVE_THRESHOLD");
    cr_assert_str_eq(keel_reason_name(KEEL_REASON_NETTED), "NETTED");
    cr_assert_str_eq(keel_reason_name((keel_reason_code)17), "");
    cr_assert_str_eq(keel_reason_name((keel_reason_code)-1), "");
    cr_assert(keel_reason_is_known(KEEL_REASON_FIRST_ALLOCATION));
    cr_assert_not(keel_reason_is_known(KEEL_REASON_UNSPECIFIED));
    cr_assert_not(keel_reason_is_known(29));
    cr_assert_not(keel_reason_is_known(150));
}

Test(reason, text_is_filled_and_cut_between_characters)
{
    keel_reason reason;
    memset(&reason, 0xff, sizeof reason);
    keel_reason_set(&reason, KEEL_REASON_MAX_WEIGHT, "BTC at %d %%", 40);
    cr_assert_eq(reason.code, KEEL_REASON_MAX_WEIGHT);
    cr_assert_str_eq(reason.text, "BTC at 40 %");

    char plain[400];
    memset(plain, 'a', sizeof plain - 1);
    plain[sizeof plain - 1] = '\0';
    keel_reason_set(&reason, KEEL_REASON_MAX_WEIGHT, "%s", plain);
    cr_assert_eq(strlen(reason.text), KEEL_REASON_TEXT_MAX - 1);

    static const char *const wide[] = {"\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};
    for (size_t w = 0; w < 3; w++) {
        for (size_t shift = 0; shift < 4; shift++) {
            char text[400] = "";
            memset(text, 'a', shift);
            text[shift] = '\0';
            while (strlen(text) < 300)
                strcat(text, wide[w]);
            keel_reason_set(&reason, KEEL_REASON_MAX_WEIGHT, "%s", text);
            const size_t len = strlen(reason.text), one = strlen(wide[w]);
            cr_assert_eq((len - shift) % one, 0, "%zu bytes of width %zu", len, one);
            cr_assert_gt(len, KEEL_REASON_TEXT_MAX - 1 - one);
        }
    }
}

Test(trading, unknown_modes_have_a_name_too)
{
    cr_assert_str_eq(keel_trading_mode_name(KEEL_TRADING_ACTIVE), "ACTIVE");
    cr_assert_str_eq(keel_trading_mode_name(KEEL_TRADING_REDUCING), "REDUCING");
    cr_assert_str_eq(keel_trading_mode_name(KEEL_TRADING_HALTED), "HALTED");
    cr_assert_str_eq(keel_trading_mode_name(KEEL_TRADING_UNSPECIFIED), "UNKNOWN");
    cr_assert_str_eq(keel_trading_mode_name((keel_trading_mode)9), "UNKNOWN");
}

Test(allocation, method_names_go_both_ways)
{
    static const keel_method all[] = {KEEL_METHOD_EQUAL_WEIGHT, KEEL_METHOD_INVERSE_VOLATILITY,
                                      KEEL_METHOD_MIN_VARIANCE, KEEL_METHOD_STATIC,
                                      KEEL_METHOD_FLATTEN};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        keel_method back = KEEL_METHOD_UNSPECIFIED;
        cr_assert_eq(keel_method_parse(keel_method_name(all[i]), &back), KEEL_OK);
        cr_assert_eq(back, all[i]);
    }
    keel_method kept = KEEL_METHOD_STATIC;
    cr_assert_str_eq(keel_method_name(KEEL_METHOD_MIN_VARIANCE), "min_variance");
    cr_assert_str_eq(keel_method_name(KEEL_METHOD_UNSPECIFIED), "");
    cr_assert_str_eq(keel_method_name((keel_method)18), "");
    cr_assert_eq(keel_method_parse("", &kept), KEEL_EUNKNOWN);
    cr_assert_eq(keel_method_parse("Min_Variance", &kept), KEEL_EUNKNOWN);
    cr_assert_eq(kept, KEEL_METHOD_STATIC);
}
