/* Random intents of several books, random markets with gaps, missing bars and closes only, random
 * trading states: what the broker says and what the ledger books, after every message. A second
 * broker is stopped at random and started again, from its snapshot or from its own records. */
#include "common/base/mem.h"
#include "common/base/rng.h"
#include "common/wire/wire.h"
#include "services/execution/engine/execution.h"
#include "services/ledger/engine/ledger.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

enum { N = 4, STRATEGIES = 5, STEPS = 500, BYTES = 1 << 20 };

#define HOUR_NS INT64_C(3600000000000)
#define USD     INT64_C(1000000)

typedef struct world {
    keel_rng rng;
    keel_universe universe;
    keel_book_share books[STRATEGIES + 1];
    keel_broker_rates rates;
    uint64_t decided;
    int64_t last[N];
    int64_t price[4][N]; /* open, high, low, close */
    keel_bar_row row;
    keel_trading_state trading;
    keel_scoped_mode strategy, asset;
    int crossed, netted, exits, expired; /* what came about, so that the test shows something */
} world;

static uint64_t below(world *w, uint64_t n)
{
    return keel_rng_below(&w->rng, n);
}

static world *world_of(uint64_t seed)
{
    world *w = keel_xcalloc(1, sizeof *w);
    w->rng = keel_rng_seeded(seed);
    w->rates = (keel_broker_rates){7300, 3700};
    snprintf(w->universe.id, sizeof w->universe.id, "main");
    w->universe.n = N;
    w->universe.hash = 77;
    for (int i = 0; i < N; i++) {
        keel_instrument *x = &w->universe.instruments[i];
        *x = (keel_instrument){.price_exp = 2 + i, .qty_exp = 4 + i % 2, .lot_units = 1 + 6 * i};
        snprintf(x->symbol, sizeof x->symbol, "%c", 'A' + i);
        w->last[i] = 9973 * (1 + i);
    }
    for (int b = 0; b <= STRATEGIES; b++) {
        w->books[b].share_frac = 0.15;
        snprintf(w->books[b].book, sizeof w->books[b].book, b == 0 ? "core" : "s%d", b);
    }
    snprintf(w->trading.portfolio, sizeof w->trading.portfolio, "main");
    return w;
}

static keel_execution *broker(world *w)
{
    const keel_execution_cfg c = {"run-1",  "main", "core",         &w->universe,
                                  w->rates, 0.0,    STRATEGIES + 1, w->books};
    return keel_execution_new(&c, NULL);
}

static keel_ledger *ledger(world *w)
{
    static keel_strategy_name names[STRATEGIES];
    for (int s = 0; s < STRATEGIES; s++)
        snprintf(names[s].name, sizeof names[s].name, "s%d", s + 1);
    const keel_ledger_cfg c = {"run-1",      "main",  &w->universe, STRATEGIES + 1, w->books,
                               100000 * USD, HOUR_NS, 0.0,          STRATEGIES,     names};
    return keel_ledger_new(&c, NULL);
}

/* ---- inputs ---- */

static void next_row(world *w, uint64_t step)
{
    const bool closes = below(w, 3) == 0;
    w->row = (keel_bar_row){
        77, (int64_t)step * HOUR_NS, HOUR_NS, N, w->price[3], NULL, NULL, NULL, NULL, 0};
    for (int i = 0; i < N; i++) {
        const int64_t gap = (int64_t)below(w, 1201) - 600, move = (int64_t)below(w, 801) - 400;
        const int64_t open = w->last[i] + gap > 50 ? w->last[i] + gap : 50;
        const int64_t close = open + move > 50 ? open + move : 50;
        const bool there = step == 1 || below(w, 8) != 0;
        w->price[0][i] = there ? open : 0;
        w->price[1][i] = there ? (open > close ? open : close) + (int64_t)below(w, 300) : 0;
        w->price[2][i] = there ? (open < close ? open : close) - (int64_t)below(w, 40) : 0;
        w->price[3][i] = there ? close : 0;
        w->row.missing += !there;
        w->last[i] = there ? close : w->last[i];
    }
    if (!closes) {
        w->row.open_units = w->price[0];
        w->row.high_units = w->price[1];
        w->row.low_units = w->price[2];
    }
    cr_assert_eq(keel_bar_row_check(&w->row), KEEL_OK);
}

static keel_trading_mode some_mode(world *w)
{
    const uint64_t n = below(w, 12);
    return n == 0 ? KEEL_TRADING_HALTED : n < 3 ? KEEL_TRADING_REDUCING : KEEL_TRADING_ACTIVE;
}

static void next_trading(world *w)
{
    keel_trading_state *t = &w->trading;
    t->mode = some_mode(w);
    t->reason.code = KEEL_REASON_UNSPECIFIED;
    if (t->mode == KEEL_TRADING_REDUCING && below(w, 3) == 0)
        t->reason.code = KEEL_REASON_DRAWDOWN_LIMIT;
    w->strategy = (keel_scoped_mode){.mode = some_mode(w)};
    w->asset = (keel_scoped_mode){.mode = some_mode(w)};
    snprintf(w->strategy.name, sizeof w->strategy.name, "s%d", 1 + (int)below(w, STRATEGIES));
    snprintf(w->asset.name, sizeof w->asset.name, "%c", 'A' + (char)below(w, N));
    t->strategies_n = t->assets_n = 1;
    t->strategies = &w->strategy;
    t->assets = &w->asset;
}

static keel_decision next_decision(world *w)
{
    const int i = (int)below(w, N);
    const int64_t lot = w->universe.instruments[i].lot_units, last = w->last[i];
    const int64_t some = ((int64_t)below(w, 20001) - 10000) * lot;
    const uint64_t kind = below(w, 6); /* few sizes, so that books meet whole at times */
    const int64_t target = kind == 0 ? 0 : kind < 4 ? (some > 0 ? 3000 : -3000) * lot : some;
    keel_decision d = {.decision_seq = w->decided += 1 + below(w, 2), .accepted = true};
    d.intents_n = 1;
    keel_intent *x = &d.intents[0];
    *x = (keel_intent){.instrument = i, .target_qty_units = target, .version = d.decision_seq};
    snprintf(x->book, sizeof x->book, "s%d", 1 + (int)below(w, STRATEGIES));
    if (target != 0 && below(w, 2) == 0) {
        const int64_t far = 50 + (int64_t)below(w, 700);
        x->stop_units = target > 0 ? last - far : last + far;
        x->target_units = target > 0 ? last + far : last - far;
        x->stop_units = x->stop_units < 1 ? 1 : x->stop_units;
        x->target_units = x->target_units < 1 ? 1 : x->target_units;
    }
    if (below(w, 4) == 0)
        x->valid_until_ns = w->row.close_ns + HOUR_NS * (int64_t)below(w, 3);
    return d;
}

typedef struct approval {
    double weight[N], lower[N], upper[N];
    int64_t price[N];
    keel_approved_allocation a;
} approval;

static const keel_approved_allocation *next_approval(world *w, approval *k)
{
    *k = (approval){.a = {.n = N, .universe_hash = 77, .equity_micros = 15000 * USD}};
    snprintf(k->a.portfolio, sizeof k->a.portfolio, "main");
    snprintf(k->a.book, sizeof k->a.book, "core");
    k->a.method = below(w, 9) == 0 ? KEEL_METHOD_FLATTEN : KEEL_METHOD_STATIC;
    for (int i = 0; i < N; i++) {
        k->weight[i] = keel_rng_uniform(&w->rng) / N;
        k->upper[i] = 1.0;
        k->price[i] = w->last[i];
    }
    k->a.weights = k->weight;
    k->a.box_lower = k->lower;
    k->a.box_upper = k->upper;
    k->a.price_units = k->price;
    keel_reason_set(&k->a.rebalance_reason, KEEL_REASON_SCHEDULE_DUE, "weekly");
    return &k->a;
}

/* ---- what must hold ---- */

/* Net = sum of parts; each book's charge is what its part alone pays; the account pays for the
 * net. */
static void check_fill(world *w, const keel_fill *f)
{
    const keel_instrument *x = &w->universe.instruments[f->instrument];
    keel_book_fill sum = {.qty_units = 0};
    keel_deal alone, net = {.price_units = f->reference_units};
    for (int p = 0; p < f->books_n; p++) {
        const keel_book_fill *part = &f->books[p];
        sum.qty_units += part->qty_units;
        sum.cash_micros += part->cash_micros;
        sum.fee_micros += part->fee_micros;
        sum.slippage_micros += part->slippage_micros;
        if (strcmp(part->book, "netting") == 0) {
            w->netted++;
            cr_assert_eq(part->qty_units, 0);
            continue;
        }
        cr_assert_eq(keel_broker_deal_at(&w->rates, x, f->reference_units, part->qty_units, &alone),
                     KEEL_OK);
        cr_assert_eq(part->cash_micros, alone.cash_micros);
        cr_assert_eq(part->fee_micros, alone.fee_micros);
        cr_assert_eq(part->slippage_micros, alone.slippage_micros);
    }
    if (f->qty_units != 0)
        cr_assert_eq(keel_broker_deal_at(&w->rates, x, f->reference_units, f->qty_units, &net),
                     KEEL_OK);
    cr_assert_eq(sum.qty_units, f->qty_units);
    cr_assert_eq(f->price_units, net.price_units);
    cr_assert_eq(sum.cash_micros, net.cash_micros);
    cr_assert_eq(sum.fee_micros, net.fee_micros);
    cr_assert_eq(sum.slippage_micros, net.slippage_micros);
    w->crossed += f->qty_units == 0;
    w->exits += f->reason.code == KEEL_REASON_TRIGGER;
}

static void check_state(const world *w, const keel_ledger_out *out)
{
    const keel_portfolio_state *s = &out->portfolio;
    int64_t cash = 0, equity = 0, earned = 0, by_strategy = 0, returned = 0;
    for (int b = 0; b < s->books_n; b++) {
        const keel_book *x = &s->books[b];
        const int64_t profit = x->realized_micros + x->unrealized_micros - x->fees_micros;
        cash += x->cash_micros;
        equity += x->equity_micros;
        earned += profit;
        by_strategy += x->book[0] == 's' || strcmp(x->book, "netting") == 0 ? profit : 0;
    }
    for (int r = 0; r < out->returns_n; r++)
        returned += out->returns[r].base_micros + out->returns[r].pnl_micros;
    cr_assert_eq(cash, s->cash_micros);
    cr_assert_eq(equity, s->equity_micros);
    cr_assert_eq(equity, s->initial_micros + earned);
    cr_assert_eq(returned, equity, "what books had and earned is what they have");
    cr_assert_eq(out->attributions_n, 4);
    cr_assert_eq(out->attributions[3].kind, KEEL_ATTRIBUTION_STRATEGY);
    cr_assert_eq(out->attributions[3].lines_n, STRATEGIES + 1);
    cr_assert_eq(out->attributions[3].pnl_micros, by_strategy);
    (void)w;
}

/* ---- two brokers ---- */

static uint8_t one[BYTES], two[BYTES];

#define SAME(name, a, b)                                                                           \
    do {                                                                                           \
        size_t len_a, len_b;                                                                       \
        cr_assert_eq(keel_wire_put_##name(a, one, BYTES, &len_a), KEEL_OK);                        \
        cr_assert_eq(keel_wire_put_##name(b, two, BYTES, &len_b), KEEL_OK);                        \
        cr_assert_eq(len_a, len_b);                                                                \
        cr_assert_eq(memcmp(one, two, len_a), 0, #name " differs");                                \
    } while (0)

/* Stop the broker between two steps and start another one: from its snapshot, or as in live mode
 * from its last PlanDone (P4) and the trading state that stands. */
static keel_execution *restarted(world *w, keel_execution *old, uint64_t step, bool own)
{
    keel_execution *fresh = broker(w);
    keel_plan_done done;
    size_t len;
    if (own) {
        keel_execution_done(old, &done);
        cr_assert_eq(keel_execution_on_own_plan_done(fresh, step, &done), KEEL_OK);
    } else {
        cr_assert_eq(keel_execution_save(old, one, BYTES, &len), KEEL_OK);
        cr_assert_eq(keel_execution_load(fresh, one, len), KEEL_OK);
    }
    keel_execution_free(&old);
    return fresh;
}

static void both_plan(world *w, keel_execution *a, keel_execution *b, uint64_t step, bool skips)
{
    keel_order_plan p, q;
    cr_assert_eq(keel_execution_plan(a, step, &p), KEEL_OK);
    cr_assert_eq(keel_execution_plan(b, step, &q), KEEL_OK);
    for (int i = 0; i < p.skipped_n; i++)
        w->expired += p.skipped[i].reason.code == KEEL_REASON_EXPIRED;
    if (!skips)
        p.skipped_n = q.skipped_n = 0; /* what was said of the row before a restart is lost */
    SAME(order_plan, &p, &q);
}

static void both_fill(world *w, keel_execution *a, keel_execution *b, keel_ledger *books,
                      uint64_t step)
{
    const keel_fill *f, *g;
    keel_plan_done done, again;
    keel_booked booked;
    int n, m;
    cr_assert_eq(keel_execution_on_row(a, &w->row, &f, &n), KEEL_OK);
    cr_assert_eq(keel_execution_on_row(b, &w->row, &g, &m), KEEL_OK);
    cr_assert_eq(keel_ledger_on_row(books, &w->row), KEEL_OK);
    cr_assert_eq(n, m, "step %lu", (unsigned long)step);
    for (int i = 0; i < n; i++) {
        SAME(fill, &f[i], &g[i]);
        check_fill(w, &f[i]);
        cr_assert_eq(keel_ledger_on_fill(books, &f[i], &booked), KEEL_OK);
    }
    keel_execution_done(a, &done);
    keel_execution_done(b, &again);
    SAME(plan_done, &done, &again);
    cr_assert(keel_ledger_agrees(books, &done), "step %lu", (unsigned long)step);
}

static void hear(world *w, keel_execution *a, keel_execution *b, uint64_t step)
{
    approval k;
    const keel_trading_mode deadman = some_mode(w);
    next_trading(w);
    cr_assert_eq(keel_execution_on_trading(a, &w->trading), KEEL_OK);
    cr_assert_eq(keel_execution_on_trading(b, &w->trading), KEEL_OK);
    keel_execution_on_deadman(a, deadman);
    keel_execution_on_deadman(b, deadman);
    if (below(w, 3) == 0) {
        const keel_approved_allocation *x = next_approval(w, &k);
        cr_assert_eq(keel_execution_on_approval(a, x, step, step - 1), KEEL_OK);
        cr_assert_eq(keel_execution_on_approval(b, x, step, step - 1), KEEL_OK);
    }
    for (uint64_t n = below(w, 6); n > 0; n--) {
        const keel_decision d = next_decision(w);
        cr_assert_eq(keel_execution_on_decision(a, &d, step - 1), KEEL_OK);
        cr_assert_eq(keel_execution_on_decision(b, &d, step - 1), KEEL_OK);
        cr_assert_eq(keel_execution_on_decision(b, &d, step - 1), KEEL_ESTALE);
    }
}

static void run(uint64_t seed, bool own)
{
    world *w = world_of(seed);
    keel_execution *a = broker(w), *b = broker(w);
    keel_ledger *books = ledger(w);
    for (uint64_t step = 2; step < STEPS; step++) {
        keel_ledger_out out;
        keel_transfer t;
        bool made, restart = below(w, 4) == 0;
        keel_capital_allocation c = {
            .portfolio = "main", .books = STRATEGIES + 1, .shares = w->books};
        if (restart && step > 2)
            b = restarted(w, b, step - 1, own);
        hear(w, a, b, step);
        if (below(w, 9) == 0)
            cr_assert_eq(keel_ledger_on_capital(books, &c, step, &made, &t), KEEL_OK);
        both_plan(w, a, b, step, !(own && restart));
        next_row(w, step);
        both_fill(w, a, b, books, step);
        cr_assert_eq(keel_ledger_close(books, step, &out), KEEL_OK);
        check_state(w, &out);
    }
    cr_assert_gt(w->crossed, 0, "books crossed whole");
    cr_assert_gt(w->netted, 20, "netting got something");
    cr_assert_gt(w->exits, 20, "stops and targets were met");
    cr_assert_gt(w->expired, 5, "openings expired");
    keel_execution_free(&a);
    keel_execution_free(&b);
    keel_ledger_free(&books);
    keel_free(&w);
}

Test(books, add_up_to_the_account_after_every_message)
{
    for (uint64_t seed = 1; seed <= 4; seed++)
        run(seed, false);
}

Test(books, p4_a_broker_from_its_own_records_goes_on_the_same)
{
    for (uint64_t seed = 11; seed <= 14; seed++)
        run(seed, true);
}
