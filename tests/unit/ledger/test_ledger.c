#include "tests/unit/ledger/fixture.h"

#include "services/ledger/engine/performance.h"

#include <math.h>

static const keel_book *book_of(const keel_ledger_out *out, const char *name)
{
    for (int b = 0; b < out->portfolio.books_n; b++) {
        if (strcmp(out->portfolio.books[b].book, name) == 0)
            return &out->portfolio.books[b];
    }
    cr_assert_fail("no book %s", name);
    return NULL;
}

static const int64_t at_100[N] = {10000, 10000, 10000};

static void mark(keel_ledger *eng, const int64_t *close, uint64_t step)
{
    const keel_bar_row r = row_of(close, step);
    cr_assert_eq(keel_ledger_on_row(eng, &r), KEEL_OK);
}

static keel_booked book(keel_ledger *eng, keel_fill f)
{
    keel_booked b;
    cr_assert_eq(keel_ledger_on_fill(eng, &f, &b), KEEL_OK);
    return b;
}

/* AL11: shares 0.4 and 0.2, the rest stays in the reserve */
Test(ledger, capital_moves_free_cash_to_the_shares)
{
    bool made;
    keel_transfer t;
    keel_ledger_out out;
    keel_ledger *eng = books();
    const keel_capital_allocation c = capital_of(two_books, 2);
    cr_assert_eq(keel_ledger_on_capital(eng, &c, 1, &made, &t), KEEL_OK);
    cr_assert(made);
    cr_assert_str_eq(t.transfer_id, "run-1/main/1/0"); /* R3 */
    cr_assert_eq(t.legs_n, 3);
    cr_assert_eq(t.legs[0].cash_micros + t.legs[1].cash_micros + t.legs[2].cash_micros, 0);
    mark(eng, at_100, 1);
    cr_assert_eq(keel_ledger_close(eng, 1, &out), KEEL_OK);
    cr_assert_eq(book_of(&out, "core")->cash_micros, 400 * USD);
    cr_assert_eq(book_of(&out, "momentum")->cash_micros, 200 * USD);
    cr_assert_eq(book_of(&out, "reserve")->cash_micros, 400 * USD);
    cr_assert_eq(book_of(&out, "netting")->cash_micros, 0);
    cr_assert_float_eq(book_of(&out, "reserve")->share_frac, 0.4, 1e-12);
    cr_assert_eq(keel_ledger_on_capital(eng, &c, 2, &made, &t), KEEL_OK);
    cr_assert_not(made, "all books have their share");
    keel_ledger_free(&eng);
}

Test(ledger, a_book_without_free_cash_is_asked_to_scale)
{
    bool made;
    keel_transfer t;
    keel_ledger_out out;
    keel_ledger *eng = books();
    keel_capital_allocation c = capital_of(two_books, 2);
    cr_assert_eq(keel_ledger_on_capital(eng, &c, 1, &made, &t), KEEL_OK);
    mark(eng, at_100, 1);
    book(eng, fill_of(1, 0, 40000, 0, 10000, 0)); /* core is all in A */
    cr_assert_eq(keel_ledger_close(eng, 1, &out), KEEL_OK);
    cr_assert_eq(book_of(&out, "core")->scale_frac, 1.0);
    const keel_book_share less[] = {{"core", 0.1}};
    c = capital_of(less, 1);
    cr_assert_eq(keel_ledger_on_capital(eng, &c, 2, &made, &t), KEEL_OK);
    cr_assert_eq(t.legs_n, 2, "only momentum has cash to give");
    mark(eng, at_100, 2);
    cr_assert_eq(keel_ledger_close(eng, 2, &out), KEEL_OK);
    cr_assert_float_eq(book_of(&out, "core")->scale_frac, 0.25, 1e-12);
    cr_assert_eq(book_of(&out, "momentum")->cash_micros, 0);
    keel_ledger_free(&eng);
}

Test(ledger, books_a_round_trip_exactly) /* RM09 RM15 RM16 AN02 BT09 */
{
    keel_ledger_out out;
    keel_ledger *eng = books();
    const int64_t later[N] = {12000, 10000, 10000};
    mark(eng, at_100, 1);
    book(eng, fill_of(1, 0, 10000, 0, 10000, 100));
    book(eng, fill_of(1, 1, 10000, 0, 10000, 100));
    cr_assert_eq(keel_ledger_close(eng, 1, &out), KEEL_OK);
    cr_assert_eq(book_of(&out, "core")->equity_micros, -200);
    mark(eng, later, 2);
    const keel_booked sold = book(eng, fill_of(2, 0, -10000, 0, 12000, 100));
    cr_assert_eq(sold.fill_no, 3);
    cr_assert_eq(sold.parts[0].realized_micros, 20 * USD);
    book(eng, fill_of(2, 1, -10000, 0, 9500, 100));
    cr_assert_eq(keel_ledger_close(eng, 2, &out), KEEL_OK);
    const keel_performance *p = &out.performance;
    cr_assert_eq(out.portfolio.equity_micros, INITIAL + 15 * USD - 400);
    cr_assert_eq(p->trades, 4);
    cr_assert_eq(p->closing_trades, 2);
    cr_assert_float_eq(p->win_rate_frac, 0.5, 1e-15);
    cr_assert_float_eq(p->profit_factor, (20e6 - 100) / (5e6 + 100), 1e-12);
    cr_assert_eq(p->fees_micros, 400);
    cr_assert_eq(p->recent_n, 4);
    cr_assert_eq(p->recent[2].pnl_micros, 20 * USD - 100);
    cr_assert_eq(p->recent[0].pnl_micros, -100);
    const keel_attribution *assets = &out.attributions[0], *sectors = &out.attributions[1];
    cr_assert_eq(assets->lines[0].pnl_micros, 20 * USD - 200);
    cr_assert_eq(assets->lines[1].pnl_micros, -5 * USD - 200);
    cr_assert_eq(sectors->lines_n, 2);
    cr_assert_eq(sectors->lines[0].pnl_micros, 15 * USD - 400);
    double sum = 0;
    for (int i = 0; i < N; i++)
        sum += assets->lines[i].contribution_frac;
    cr_assert_float_eq(sum, 1.0, 1e-12);
    keel_ledger_free(&eng);
}

Test(ledger, a_fill_is_applied_once)
{
    keel_booked b;
    keel_ledger *eng = books();
    mark(eng, at_100, 1);
    const keel_fill f = fill_of(1, 0, 10000, 0, 10000, 1);
    book(eng, f);
    cr_assert_eq(keel_ledger_on_fill(eng, &f, &b), KEEL_EEXIST);
    keel_ledger_free(&eng);
}

Test(ledger, refuses_fills_that_do_not_add_up)
{
    keel_booked b;
    keel_ledger *eng = books(), *same = books();
    mark(eng, at_100, 1);
    mark(same, at_100, 1);
    for (int wrong = 0; wrong < 9; wrong++) {
        keel_fill f = fill_of(1, 0, 7000, 3000, 10000, 5);
        keel_status due = KEEL_EINVAL;
        switch (wrong) {
        case 0:
            f.books[0].cash_micros++;
            break;
        case 1:
            f.books[1].qty_units++;
            break;
        case 2:
            f.fee_micros++;
            break;
        case 3:
            f.slippage_micros++;
            break;
        case 4:
            f.price_units++;
            break;
        case 5:
            strcpy(f.books[1].book, "core");
            break;
        case 6:
            strcpy(f.books[1].book, "nobody");
            due = KEEL_EUNKNOWN;
            break;
        case 7:
            f.instrument = N;
            due = KEEL_EUNKNOWN;
            break;
        default:
            f.qty_units = 0;
            break;
        }
        cr_expect_eq(keel_ledger_on_fill(eng, &f, &b), due, "case %d", wrong);
    }
    same_books(eng, same);
    keel_ledger_free(&eng);
    keel_ledger_free(&same);
}

Test(ledger, refuses_other_bad_input)
{
    bool made;
    keel_transfer t;
    keel_ledger_out out;
    keel_ledger *eng = books();
    cr_expect_eq(keel_ledger_close(eng, 1, &out), KEEL_ENOTFOUND);
    mark(eng, at_100, 1);
    keel_bar_row r = row_of(at_100, 1);
    cr_expect_eq(keel_ledger_on_row(eng, &r), KEEL_EORDER);
    r.universe_hash = 1;
    cr_expect_eq(keel_ledger_on_row(eng, &r), KEEL_EUNKNOWN);
    cr_expect_eq(keel_ledger_close(eng, 1, &out), KEEL_OK);
    cr_expect_eq(keel_ledger_close(eng, 1, &out), KEEL_EORDER);
    const keel_book_share bad[][2] = {{{"core", NAN}, {"momentum", 0.1}},
                                      {{"core", 0.7}, {"momentum", 0.4}}, /* AL12 */
                                      {{"core", 0.1}, {"core", 0.1}}};
    for (int i = 0; i < 3; i++) {
        const keel_capital_allocation c = capital_of(bad[i], 2);
        cr_expect_eq(keel_ledger_on_capital(eng, &c, 2, &made, &t), KEEL_EINVAL);
    }
    const keel_book_share nobody[] = {{"nobody", 0.1}};
    const keel_capital_allocation c = capital_of(nobody, 1);
    cr_expect_eq(keel_ledger_on_capital(eng, &c, 2, &made, &t), KEEL_EUNKNOWN);
    cr_expect_eq(keel_ledger_on_capital(eng, &c, 1, &made, &t), KEEL_EORDER);
    keel_ledger_free(&eng);
    keel_ledger_free(&eng);
}

/* Conservation for random fills, transfers and rows; the engine asserts the sums per book. */
Test(ledger, conserves_cash_quantity_and_profit)
{
    keel_ledger_out out;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        keel_ledger *eng = books();
        market m = market_of(seed);
        for (uint64_t step = 1; step <= 400; step++) {
            int64_t cash = 0, earned = 0;
            market_step(&m, step, eng, NULL, &out);
            for (int b = 0; b < out.portfolio.books_n; b++) {
                const keel_book *x = &out.portfolio.books[b];
                cash += x->cash_micros;
                earned += x->realized_micros + x->unrealized_micros - x->fees_micros;
            }
            cr_assert_eq(cash, out.portfolio.cash_micros, "seed %lu", (unsigned long)seed);
            cr_assert_eq(out.portfolio.equity_micros, INITIAL + earned);
            for (int k = 0; k < out.attributions_n; k++)
                cr_assert_eq(out.attributions[k].pnl_micros, earned);
        }
        keel_ledger_free(&eng);
    }
}

Test(ledger, goes_on_after_save_and_load_to_the_bit)
{
    static uint8_t snapshot[1 << 20];
    size_t len;
    keel_ledger_out out;
    keel_ledger *a = books(), *b = books();
    market ma = market_of(9), mb = market_of(9);
    for (uint64_t step = 1; step <= 300; step++) {
        market_step(&ma, step, a, NULL, &out);
        market_step(&mb, step, b, NULL, &out);
        if (step % 7 != 0)
            continue;
        keel_ledger *fresh = books();
        cr_assert_eq(keel_ledger_save(b, false, snapshot, sizeof snapshot, &len), KEEL_OK);
        cr_assert_eq(keel_ledger_load(fresh, snapshot, len), KEEL_OK);
        keel_ledger_free(&b);
        b = fresh;
        same_books(a, b);
    }
    keel_ledger_free(&a);
    keel_ledger_free(&b);
}

Test(ledger, a_corrupt_snapshot_is_refused_whole)
{
    static uint8_t good[1 << 20], bad[1 << 20];
    size_t len, short_len;
    int went_on = 0;
    keel_rng rng = keel_rng_seeded(2);
    keel_ledger_out out;
    keel_ledger *eng = books(), *x = books(), *untouched = books();
    market m = market_of(4);
    for (uint64_t step = 1; step <= 20; step++)
        market_step(&m, step, eng, NULL, &out);
    cr_assert_eq(keel_ledger_save(eng, false, good, sizeof good, &len), KEEL_OK);
    cr_assert_eq(keel_ledger_save(eng, false, bad, 10, &short_len), KEEL_ENOSPC);
    cr_assert_eq(short_len, len);
    for (size_t cut = 0; cut < len; cut += 1 + len / 500)
        cr_assert_eq(keel_ledger_load(x, good, cut), KEEL_EFORMAT);
    same_books(x, untouched);
    for (int i = 0; i < 2000; i++) { /* what is accepted adds up, so the engine goes on */
        keel_ledger *y = books();
        memcpy(bad, good, len);
        bad[keel_rng_below(&rng, len)] ^= (uint8_t)(1u << keel_rng_below(&rng, 8));
        if (keel_ledger_load(y, bad, len) == KEEL_OK) {
            const keel_bar_row row = row_of(at_100, 21);
            cr_assert_eq(keel_ledger_restored(y), KEEL_OK);
            if (keel_ledger_on_row(y, &row) == KEEL_OK)
                went_on += keel_ledger_close(y, 21, &out) == KEEL_OK;
        } else
            same_books(y, untouched);
        keel_ledger_free(&y);
    }
    cr_assert_gt(went_on, 0);
    keel_ledger_free(&eng);
    keel_ledger_free(&x);
    keel_ledger_free(&untouched);
}

Test(ledger, compares_holdings_with_execution)
{
    keel_ledger *eng = books();
    mark(eng, at_100, 1);
    book(eng, fill_of(1, 0, 10000, 0, 10000, 0));
    keel_held_position held = {.book = "core", .instrument = 0, .qty_units = 10000};
    keel_plan_done done = {.positions_n = 1, .positions = &held};
    cr_assert(keel_ledger_agrees(eng, &done));
    const keel_held_position twice[2] = {{.book = "core", .qty_units = INT64_MAX},
                                         {.book = "momentum", .qty_units = 10001}};
    done.positions = twice;
    done.positions_n = 2;
    cr_assert_not(keel_ledger_agrees(eng, &done)); /* and no overflow on the way */
    done.positions = &held;
    done.positions_n = 1;
    held.qty_units++;
    cr_assert_not(keel_ledger_agrees(eng, &done));
    keel_ledger_free(&eng);
}

Test(ledger, refuses_a_bad_configuration)
{
    keel_err err;
    const keel_book_share reserve[] = {{"reserve", 0.1}};
    keel_ledger_cfg c = {"run-1", "main", universe(), 1, reserve, INITIAL, HOUR_NS, 0.0};
    cr_expect_null(keel_ledger_new(&c, &err));
    c.books = two_books;
    c.initial_micros = 0;
    cr_expect_null(keel_ledger_new(&c, &err));
    c.initial_micros = INITIAL;
    c.risk_free_ann = NAN;
    cr_expect_null(keel_ledger_new(&c, &err));
}

/* ---- books of strategies ---- */

/* core buys 2, momentum sells 3 at 100.00, 99.95 paid and got with 5 bps of slippage. */
static keel_fill crossed(uint64_t step)
{
    keel_fill f = fill_of(step, 0, 20000, -30000, 10000, 0);
    f.price_units = 9995;
    f.reference_units = 10000;
    f.slippage_micros = 500000;
    f.books[0].cash_micros = -200100000;
    f.books[0].slippage_micros = 100000;
    f.books[1].cash_micros = 299850000;
    f.books[1].slippage_micros = 150000;
    f.books[2] = (keel_book_fill){.book = "netting", .cash_micros = 200000};
    f.books[2].slippage_micros = -200000;
    f.slippage_micros = 50000;
    f.books_n = 3;
    return f;
}

Test(ledger, netting_gets_what_crossing_saved)
{
    keel_ledger_out out;
    keel_ledger *eng = books();
    mark(eng, at_100, 1);
    book(eng, crossed(1));
    cr_assert_eq(keel_ledger_close(eng, 1, &out), KEEL_OK);
    cr_assert_eq(book_of(&out, "netting")->cash_micros, 200000);
    cr_assert_eq(book_of(&out, "netting")->realized_micros, 200000);
    cr_assert_eq(book_of(&out, "netting")->slippage_micros, -200000);
    cr_assert_eq(out.portfolio.equity_micros, INITIAL - 50000, "the net's slippage");
    cr_assert_eq(out.performance.recent[0].price_units, 10005, "core bought at its own price");
    cr_assert_eq(out.performance.recent[1].price_units, 9995);
    cr_assert_eq(out.performance.trades, 1);
    keel_ledger_free(&eng);
}

Test(ledger, books_that_cross_whole_leave_the_account_as_it_was)
{
    keel_ledger_out out;
    keel_booked b;
    keel_ledger *eng = books();
    keel_fill f = fill_of(1, 0, 20000, -20000, 10000, 0);
    mark(eng, at_100, 1);
    f.books[0].cash_micros -= 100000;
    f.books[0].slippage_micros = 100000;
    f.books[1].cash_micros -= 100000;
    f.books[1].slippage_micros = 100000;
    f.books[2] = (keel_book_fill){"netting", 0, 200000, 0, -200000, 0};
    f.books_n = 3;
    book(eng, f);
    cr_assert_eq(keel_ledger_close(eng, 1, &out), KEEL_OK);
    cr_assert_eq(out.portfolio.cash_micros, INITIAL);
    cr_assert_eq(book_of(&out, "core")->positions[0].qty_units, 20000);
    cr_assert_eq(book_of(&out, "momentum")->positions[0].qty_units, -20000);
    keel_fill alone = fill_of(2, 0, 0, 20000, 10000, 0);
    alone.qty_units = 0;
    alone.books[0].qty_units = 0;
    cr_expect_eq(keel_ledger_on_fill(eng, &alone, &b), KEEL_EINVAL, "nobody to cross with");
    keel_fill odd = crossed(2);
    odd.books[2].qty_units = 5;
    odd.qty_units += 5;
    cr_expect_eq(keel_ledger_on_fill(eng, &odd, &b), KEEL_EINVAL, "netting holds nothing");
    odd = crossed(2);
    odd.books[2].closed_version = 1;
    cr_expect_eq(keel_ledger_on_fill(eng, &odd, &b), KEEL_EINVAL, "nor does it decide");
    keel_ledger_free(&eng);
}

/* R8: what was filled or closed in the step, each once, by book */
Test(ledger, lists_the_versions_of_a_step)
{
    keel_ledger_out out;
    keel_ledger *eng = books();
    mark(eng, at_100, 1);
    for (int k = 0; k < 3; k++) { /* 9, 4, and 9 again: filled, then stopped */
        keel_fill f = fill_of(1, k == 1 ? 1 : 0, 0, k == 2 ? -10000 : 10000, 10000, 0);
        snprintf(f.fill_id, sizeof f.fill_id, "run-1/main/1/0/x/%d", k);
        f.books[0].closed_version = k == 1 ? 4 : 9;
        book(eng, f);
    }
    cr_assert_eq(keel_ledger_close(eng, 1, &out), KEEL_OK);
    cr_assert_eq(book_of(&out, "core")->closed_n, 0);
    const keel_book *m = book_of(&out, "momentum");
    cr_assert_eq(m->closed_n, 2);
    cr_assert_eq(m->closed_versions[0], 4);
    cr_assert_eq(m->closed_versions[1], 9);
    mark(eng, at_100, 2);
    cr_assert_eq(keel_ledger_close(eng, 2, &out), KEEL_OK);
    cr_assert_eq(book_of(&out, "momentum")->closed_n, 0, "of the step before");
    keel_ledger_free(&eng);
}

Test(ledger, attributes_to_strategies_when_there_are_any) /* AN10 */
{
    const keel_strategy_name momentum = {"momentum"}, nobody = {"nobody"};
    keel_ledger_cfg c = {"run-1", "main",  universe(), 2, two_books,
                         INITIAL, HOUR_NS, 0.0,        1, &nobody};
    keel_ledger_out out;
    keel_err err = {0};
    cr_assert_null(keel_ledger_new(&c, &err));
    cr_assert_not_null(strstr(err.text, "nobody"), "%s", err.text);
    c.strategies = &momentum;
    keel_ledger *eng = keel_ledger_new(&c, &err);
    const int64_t later[N] = {11000, 10000, 10000};
    mark(eng, at_100, 1);
    book(eng, crossed(1));
    cr_assert_eq(keel_ledger_close(eng, 1, &out), KEEL_OK);
    mark(eng, later, 2);
    book(eng, fill_of(2, 0, 0, 30000, 11000, 7));
    cr_assert_eq(keel_ledger_close(eng, 2, &out), KEEL_OK);
    cr_assert_eq(out.attributions_n, 4);
    const keel_attribution *a = &out.attributions[3];
    cr_assert_eq(a->kind, KEEL_ATTRIBUTION_STRATEGY);
    cr_assert_eq(a->lines_n, 2);
    cr_assert_str_eq(a->lines[0].name, "momentum");
    cr_assert_str_eq(a->lines[1].name, "netting");
    const int64_t lost = 299850000 - 330000000 - 7;
    cr_assert_eq(a->lines[0].pnl_micros, lost);
    cr_assert_eq(a->lines[0].trades, 2);
    cr_assert_eq(a->lines[0].closing_trades, 1);
    cr_assert_eq(a->lines[0].fees_micros, 7);
    cr_assert_eq(a->lines[1].pnl_micros, 200000);
    cr_assert_eq(a->pnl_micros, lost + 200000);
    const int64_t account = out.portfolio.equity_micros - INITIAL;
    cr_assert_float_eq(a->lines[0].contribution_frac, (double)lost / (double)account, 1e-12);
    keel_ledger_free(&eng);
}

/* Transfers are no return. */
Test(ledger, returns_of_a_book_leave_out_what_it_was_given)
{
    bool made;
    keel_transfer t;
    keel_ledger_out out;
    keel_ledger *eng = books();
    const int64_t later[N] = {11000, 10000, 10000};
    keel_capital_allocation c = capital_of(two_books, 2);
    cr_assert_eq(keel_ledger_on_capital(eng, &c, 1, &made, &t), KEEL_OK);
    mark(eng, at_100, 1);
    book(eng, fill_of(1, 0, 20000, 0, 10000, 0)); /* 200 of core's 400 */
    cr_assert_eq(keel_ledger_close(eng, 1, &out), KEEL_OK);
    cr_assert_eq(out.returns_n, 3, "netting has nothing");
    for (int r = 0; r < 3; r++)
        cr_assert_eq(out.returns[r].pnl_micros, 0);
    cr_assert_eq(out.returns[0].base_micros, 400 * USD);
    mark(eng, later, 2);
    cr_assert_eq(keel_ledger_close(eng, 2, &out), KEEL_OK);
    cr_assert_eq(out.returns[0].pnl_micros, 20 * USD);
    cr_assert_float_eq(out.returns[0].ret_simple, 0.05, 1e-15);
    cr_assert_eq(keel_ledger_close(eng, 3, &out), KEEL_OK);
    cr_assert_eq(out.returns_n, 0, "no bar, no return");
    keel_ledger_free(&eng);
}

/* Every book may hold every instrument of a small universe; of a large one as many as there is
 * room for, and no more. */
Test(ledger, holds_five_hundred_books_and_refuses_a_position_too_many)
{
    keel_universe *wide = calloc(1, sizeof *wide);
    keel_book_share *many = calloc(KEEL_BOOKS_MAX - 1, sizeof *many);
    *wide = *universe();
    wide->n = KEEL_UNIVERSE_MAX;
    for (int i = 0; i < wide->n; i++) {
        wide->instruments[i] = universe()->instruments[0];
        snprintf(wide->instruments[i].symbol, KEEL_SYMBOL_MAX, "X%d", i);
    }
    for (int b = 0; b < KEEL_BOOKS_MAX - 1; b++)
        snprintf(many[b].book, sizeof many[b].book, "s%03d", b);
    const keel_ledger_cfg c = {.run = "run-1",
                               .portfolio = "main",
                               .universe = wide,
                               .books_n = KEEL_BOOKS_MAX - 1,
                               .books = many,
                               .initial_micros = INITIAL,
                               .bar_ns = HOUR_NS};
    keel_ledger *eng = keel_ledger_new(&c, NULL);
    keel_booked b;
    cr_assert_not_null(eng);
    for (int k = 0; k <= KEEL_LEDGER_POSITIONS_MAX; k++) {
        keel_fill f = fill_of(1, k % wide->n, 1, 0, 10000, 0);
        snprintf(f.fill_id, sizeof f.fill_id, "run-1/main/1/0/X/%d", k);
        snprintf(f.books[0].book, sizeof f.books[0].book, "s%03d", k / wide->n);
        cr_assert_eq(keel_ledger_on_fill(eng, &f, &b),
                     k < KEEL_LEDGER_POSITIONS_MAX ? KEEL_OK : KEEL_ENOSPC, "%d", k);
    }
    keel_fill f = fill_of(2, 0, -1, 0, 10000, 0);
    snprintf(f.books[0].book, sizeof f.books[0].book, "s000");
    cr_assert_eq(keel_ledger_on_fill(eng, &f, &b), KEEL_OK);
    f = fill_of(3, 0, 1, 0, 10000, 0);
    snprintf(f.books[0].book, sizeof f.books[0].book, "s500");
    cr_assert_eq(keel_ledger_on_fill(eng, &f, &b), KEEL_OK, "what was closed gave its room back");
    keel_ledger_free(&eng);
    free(wide);
    free(many);
}
