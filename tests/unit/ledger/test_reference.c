/* Buy and hold of BTC and ETH on real prices, through the whole engine, against the reference. */
#include "tests/unit/ledger/fixture.h"

#include "common/domain/fixed.h"
#include "services/ledger/engine/performance.h"
#include "tests/support/data.h"

#include <math.h>

enum { ASSETS = 2 };

static const char *const symbols[ASSETS] = {"BTC", "ETH"};

typedef struct day {
    char date[16];
    int64_t close[ASSETS]; /* 1e-8 */
} day;

/* Days of [from, before) on which both assets have a close; returns how many. */
static int read_days(const char *text, const char *from, const char *before, day *days, int max)
{
    day one = {.date = ""};
    int n = 0;
    for (const char *at = strchr(text, '\n'); at != NULL && n < max; at = strchr(at + 1, '\n')) {
        char date[16] = "", symbol[16] = "", close[32] = "";
        if (sscanf(at + 1, "%15[^,],%15[^,],%*[^,],%*[^,],%*[^,],%31[^,]", date, symbol, close) !=
            3)
            continue;
        if (strcmp(date, from) < 0 || strcmp(date, before) >= 0)
            continue;
        if (strcmp(date, one.date) != 0) {
            memset(&one, 0, sizeof one);
            strcpy(one.date, date);
        }
        for (int k = 0; k < ASSETS; k++) {
            if (strcmp(symbol, symbols[k]) == 0)
                cr_assert_eq(keel_units_parse(close, 8, &one.close[k]), KEEL_OK, "%s", close);
        }
        if (one.close[0] != 0 && one.close[1] != 0 &&
            (n == 0 || strcmp(days[n - 1].date, one.date) != 0))
            days[n++] = one;
    }
    return n;
}

static keel_universe *pair(void)
{
    static keel_universe u = {.id = "pair", .hash = 5, .n = ASSETS};
    for (int i = 0; i < ASSETS; i++) {
        u.instruments[i] = (keel_instrument){.price_exp = 8, .qty_exp = 8, .lot_units = 1};
        strcpy(u.instruments[i].symbol, symbols[i]);
    }
    return &u;
}

static void buy(keel_ledger *eng, int i, const day *d, int64_t worth)
{
    int64_t qty, cost;
    keel_booked booked;
    keel_fill f = {.instrument = i, .price_units = d->close[i], .books_n = 1};
    cr_assert_eq(keel_qty_of_worth(worth, d->close[i], 8, 8, 1, &qty), KEEL_OK);
    cr_assert_eq(keel_worth_micros(d->close[i], 8, qty, 8, &cost), KEEL_OK);
    snprintf(f.fill_id, sizeof f.fill_id, "r/p/1/0/%s/0", symbols[i]);
    f.qty_units = f.books[0].qty_units = qty;
    f.books[0].cash_micros = -cost;
    strcpy(f.books[0].book, "core");
    keel_reason_set(&f.reason, KEEL_REASON_REBALANCE, "test");
    cr_assert_eq(keel_ledger_on_fill(eng, &f, &booked), KEEL_OK);
}

static json_t *find_case(json_t *cases, const char *id)
{
    size_t i;
    json_t *one;
    json_array_foreach(cases, i, one)
    {
        if (strcmp(json_string_value(json_object_get(one, "id")), id) == 0)
            return json_object_get(one, "expected");
    }
    cr_assert_fail("no case %s", id);
    return NULL;
}

/* RM01 RM04, backtest.rebalance: bt-buy-and-hold-btc-eth */
Test(reference, buy_and_hold_earns_what_the_reference_says)
{
    static day days[1000];
    const int64_t day_ns = INT64_C(86400000000000), initial = 1000000 * USD;
    const char *path = keel_test_data("market/crypto24_daily_ohlcv_2018_2023.csv.gz");
    json_t *cases = path != NULL ? keel_test_cases("backtest_accounting.json") : NULL;
    size_t len;
    if (cases == NULL)
        cr_skip_test("no reference data");
    path = keel_test_data("market/crypto24_daily_ohlcv_2018_2023.csv.gz");
    char *text = keel_test_read(path, &len);
    const int n = read_days(text, "2020-01-01", "2022-01-01", days, 1000);
    free(text);
    json_t *due = find_case(cases, "bt-buy-and-hold-btc-eth");
    const keel_ledger_cfg c = {"r", "p", pair(), 1, two_books, initial, day_ns, 0.0};
    keel_ledger *eng = keel_ledger_new(&c, NULL);
    keel_ledger_out out;
    for (int k = 0; k < n; k++) {
        const keel_bar_row r = {.universe_hash = 5,
                                .close_ns = (k + 1) * day_ns,
                                .bar_ns = day_ns,
                                .n = ASSETS,
                                .close_units = days[k].close};
        cr_assert_eq(keel_ledger_on_row(eng, &r), KEEL_OK);
        if (k == 0) {
            buy(eng, 0, &days[k], initial / 10 * 6);
            buy(eng, 1, &days[k], initial / 10 * 4);
        }
        cr_assert_eq(keel_ledger_close(eng, (uint64_t)k + 1, &out), KEEL_OK);
        json_t *at = json_object_get(json_object_get(due, "value_at"), days[k].date);
        if (at != NULL)
            cr_expect_float_eq(out.performance.total_return + 1, json_number_value(at),
                               1e-9 * json_number_value(at), "%s", days[k].date);
    }
    const keel_performance *p = &out.performance;
    const double final = json_number_value(json_object_get(due, "final_value"));
    const double vol = json_number_value(json_object_get(due, "annualised_volatility_252"));
    cr_expect_float_eq(p->total_return + 1, final, 1e-9 * final);
    cr_expect_float_eq(p->max_drawdown_frac,
                       json_number_value(json_object_get(due, "max_drawdown")), 1e-9);
    cr_expect_float_eq(p->volatility_ann / sqrt(365.25) * sqrt(252), vol, 1e-8 * vol, "%.12g %.12g",
                       p->volatility_ann / sqrt(365.25) * sqrt(252), vol);
    keel_ledger_free(&eng);
    json_decref(cases);
}
