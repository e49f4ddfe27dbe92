#include "services/cli/format.h"
#include "services/cli/tables.h"
#include "services/cli/views.h"

#include "common/base/timefmt.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A place to print to, and what came out. */
typedef struct page {
    char *text;
    size_t len;
    keel_cli cli;
} page;

static void open_page(page *p)
{
    memset(p, 0, sizeof *p);
    p->cli.out = open_memstream(&p->text, &p->len);
    p->cli.err = stderr;
}

static const char *close_page(page *p)
{
    fclose(p->cli.out);
    return p->text;
}

Test(tables, columns_are_as_wide_as_they_need)
{
    page p;
    open_page(&p);
    keel_table *t = keel_table_new("asset|>P&L");
    keel_table_cell(t, KEEL_INK_PLAIN, "BTC");
    keel_table_cell(t, KEEL_INK_RED, "-1.50");
    keel_table_cell(t, KEEL_INK_PLAIN, "\xc3\x96L-LONG");
    keel_table_cell(t, KEEL_INK_PLAIN, "12,345.00");
    cr_assert_eq(keel_table_rows(t), 2);
    keel_table_print(t, &p.cli);
    keel_table_free(&t);
    cr_assert_null(t);
    cr_assert_str_eq(close_page(&p), "  asset          P&L\n"
                                     "  BTC          -1.50\n"
                                     "  \xc3\x96L-LONG  12,345.00\n");
    free(p.text);
}

Test(tables, no_escape_without_a_terminal_and_no_control_byte_ever)
{
    page p;
    open_page(&p);
    p.cli.out_colour = true;
    keel_table *t = keel_table_new("a");
    keel_table_cell(t, KEEL_INK_RED, "x\033[2Jy\n");
    keel_table_print(t, &p.cli);
    keel_table_free(&t);
    cr_assert_not_null(strstr(close_page(&p), "\033[31mx?[2Jy?\033[0m"));
    free(p.text);
    open_page(&p);
    t = keel_table_new("a");
    keel_table_cell(t, KEEL_INK_RED, "x");
    keel_table_print(t, &p.cli);
    keel_table_free(&t);
    cr_assert_null(strchr(close_page(&p), '\033'));
    free(p.text);
}

Test(format, numbers_and_times)
{
    char out[KEEL_FORMAT_MAX];
    static const struct {
        int64_t micros;
        const char *want;
    } money[] = {
        {0, "0.00"},
        {4999, "0.00"},
        {5000, "0.01"},
        {-4999, "0.00"},
        {-5000, "-0.01"},
        {INT64_C(1234567890000), "1,234,567.89"},
        {INT64_C(-999995000), "-1,000.00"},
        {INT64_MAX, "9,223,372,036,854.78"},
        {INT64_MIN, "-9,223,372,036,854.78"},
    };
    for (size_t i = 0; i < sizeof money / sizeof *money; i++)
        cr_assert_str_eq(keel_money_text(money[i].micros, out), money[i].want);
    cr_assert_str_eq(keel_percent_text(0.1234, 1, out), "12.3%");
    cr_assert_str_eq(keel_percent_text(-0.00001, 1, out), "0.0%", "never minus nothing");
    cr_assert_str_eq(keel_percent_text(-0.02, 0, out), "-2%");
    cr_assert_str_eq(keel_moment_text(INT64_C(1767322800) * KEEL_NS_PER_S, out),
                     "2026-01-02 03:00");
    cr_assert_str_eq(keel_moment_text(INT64_C(1767322805) * KEEL_NS_PER_S, out),
                     "2026-01-02 03:00:05");
    cr_assert_str_eq(keel_span_text(350 * KEEL_NS_PER_MS, out), "350 ms");
    cr_assert_str_eq(keel_span_text(3 * KEEL_NS_PER_MIN, out), "3.0 min");
    cr_assert_str_eq(keel_reason_words(KEEL_REASON_DRIFT_ABOVE_THRESHOLD, out),
                     "drift above threshold");
}

Test(format, prices_keep_six_digits)
{
    char out[KEEL_FORMAT_MAX];
    static const struct {
        int64_t units;
        int exp;
        const char *want;
    } cases[] = {
        {INT64_C(1165209706507), 8, "11652.10"},
        {INT64_C(619565014), 8, "6.19565"},
        {INT64_C(883), 8, "0.00000883"},
        {12345, 2, "123.45"},
        {INT64_C(10000000000000), 8, "100000.00"},
        {0, 8, "0.000000"},
        {7, 0, "7.00"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        cr_assert_str_eq(keel_price_text(cases[i].units, cases[i].exp, out), cases[i].want);
}

Test(format, weekdays_only_make_a_shorter_year)
{
    keel_universe u = {.n = 2};
    u.instruments[0].session = KEEL_SESSION_WEEKDAYS;
    u.instruments[1].session = KEEL_SESSION_WEEKDAYS;
    cr_assert_float_eq(keel_bars_per_year(&u, KEEL_NS_PER_DAY), 365.25 * 5.0 / 7.0, 1e-9);
    u.instruments[1].session = KEEL_SESSION_CONTINUOUS;
    cr_assert_float_eq(keel_bars_per_year(&u, KEEL_NS_PER_DAY), 365.25, 1e-9);
    cr_assert_float_eq(keel_bars_per_year(&u, KEEL_NS_PER_H), 8766.0, 1e-9);
}

static keel_universe three(void)
{
    keel_universe u = {.n = 3};
    static const char *const names[] = {"AAA", "BBB", "CCC"};
    for (int i = 0; i < 3; i++) {
        snprintf(u.instruments[i].symbol, sizeof u.instruments[i].symbol, "%s", names[i]);
        u.instruments[i].price_exp = 2;
        u.instruments[i].qty_exp = 0;
        u.instruments[i].session = KEEL_SESSION_CONTINUOUS;
    }
    return u;
}

Test(views, an_allocation_is_one_line_with_the_largest_weight_first)
{
    static const double weights[] = {0.1, 0.6, 0.0};
    const keel_universe u = three();
    page p;
    keel_approved_allocation a = {
        .n = 3,
        .weights = weights,
        .cash_frac = 0.3,
        .expected_volatility = 0.01,
        .turnover_frac = 0.031,
        .scale_frac = 1.0,
        .certificate = {.kind = KEEL_CERTIFICATE_OPTIMAL,
                        .primal_residual = 1e-17,
                        .dual_residual = 3e-13,
                        .gap = 1e-14},
    };
    a.rebalance_reason.code = KEEL_REASON_FIRST_ALLOCATION;
    open_page(&p);
    keel_view_alloc_line(&p.cli, &u, KEEL_NS_PER_DAY, 0, &a);
    const char *line = close_page(&p);
    cr_assert_not_null(strstr(line, "OPTIMAL kkt 3e-13 gap 1e-14"), "%s", line);
    cr_assert_not_null(strstr(line, "BBB 60.0  AAA 10.0  cash 30.0"), "%s", line);
    cr_assert_not_null(strstr(line, "19.1%"), "volatility a year: 1%% x root 365.25: %s", line);
    cr_assert_not_null(strstr(line, "3.1%"), "%s", line);
    cr_assert_not_null(strstr(line, "first allocation"), "%s", line);
    cr_assert_eq(strchr(line, '\n') - line, (long)strlen(line) - 1, "one line");
    free(p.text);
    open_page(&p);
    p.cli.width = 50;
    keel_view_alloc_line(&p.cli, &u, KEEL_NS_PER_DAY, 0, &a);
    line = close_page(&p);
    cr_assert_not_null(strstr(line, "\n                  BBB 60.0  +1 more  cash 30.0\n"),
                       "weights in a line of their own, cut to the terminal: %s", line);
    free(p.text);
}

Test(views, truth_is_compared_pair_by_pair)
{
    static const double estimate[] = {1.0, 0.5, 0.1, 1.0, -0.2, 1.0};
    static const double truth[] = {1.0, 0.4, 0.1, 1.0, 0.1, 1.0};
    const keel_universe u = three();
    page p;
    const keel_correlation c = {.n = 3, .correlation = estimate, .basis = {.rows = 42}};
    const keel_market_truth t = {.n = 3, .correlation = truth, .regime_name = "calm"};
    cr_assert_float_eq(keel_correlation_rmse(3, estimate, truth), sqrt((0.01 + 0.0 + 0.09) / 3.0),
                       1e-15);
    cr_assert_eq(keel_correlation_rmse(1, estimate, truth), 0.0, "no pair, no error");
    open_page(&p);
    keel_view_truth(&p.cli, &u, &c, &t, 2);
    const char *text = close_page(&p);
    const char *first = strstr(text, "-0.300"), *second = strstr(text, "+0.100\n");
    cr_assert(first != NULL && second != NULL && first < second, "largest difference first: %s",
              text);
    cr_assert_not_null(strstr(text, "1 pairs that differ less"), "%s", text);
    free(p.text);
}

Test(views, trades_have_side_price_and_reason)
{
    const keel_universe u = three();
    page p;
    keel_performance perf = {.recent_n = 1};
    perf.recent[0] = (keel_trade){
        .instrument = 1, .qty_units = -7, .price_units = 12345, .pnl_micros = INT64_C(-1500000)};
    perf.recent[0].reason.code = KEEL_REASON_REBALANCE;
    open_page(&p);
    keel_view_trades(&p.cli, &u, &perf);
    const char *text = close_page(&p);
    cr_assert_not_null(strstr(text, "BBB"), "%s", text);
    cr_assert_not_null(strstr(text, "sell"), "%s", text);
    cr_assert_not_null(strstr(text, "123.45"), "%s", text);
    cr_assert_not_null(strstr(text, "-1.50"), "%s", text);
    cr_assert_not_null(strstr(text, "rebalance"), "%s", text);
    free(p.text);
}
