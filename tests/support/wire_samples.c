#include "tests/support/wire_samples.h"

#include "common/base/assert.h"

#include <stdio.h>
#include <string.h>

enum { N = KEEL_UNIVERSE_MAX };
#define DAY_NS  INT64_C(86400000000000)
#define TIME_NS INT64_C(1767312000000000000) /* 2026-01-02 */
#define HASH    UINT64_C(0xfedcba9876543210)

static double reals[6][N];
static int64_t units[4][N];
static double packed[N * (N + 1) / 2];
static int indices[N];
static const uint64_t versions[] = {3, UINT64_MAX};

static void name(char *to, size_t cap, const char *text)
{
    snprintf(to, cap, "%s", text);
}
#define NAME(field, text) name((field), sizeof(field), (text))

static void reason(keel_reason *out, keel_reason_code code)
{
    out->code = code;
    snprintf(out->text, sizeof out->text, "because of %d: \"\xc3\xa9\xe2\x82\xac\"", (int)code);
}

static const double *series(int which, int n, double from, double step)
{
    for (int i = 0; i < n; i++)
        reals[which][i] = from + step * i;
    return reals[which];
}

static const int64_t *prices(int which, int n, int64_t add)
{
    for (int i = 0; i < n; i++)
        units[which][i] = 8830000000 + 1000 * (int64_t)i + add;
    return units[which];
}

static const double *matrix(int n, double diagonal, double other)
{
    for (int j = 0; j < n; j++)
        for (int i = j; i < n; i++)
            packed[keel_packed_at(n, i, j)] = i == j ? diagonal : other / (1 + i - j);
    return packed;
}

static void basis(keel_basis *out)
{
    *out = (keel_basis){KEEL_ESTIMATOR_EWMA, true, 30 * DAY_NS, 250, 120.5, 0.125, 30};
}

static void certificate(keel_certificate *out)
{
    *out = (keel_certificate){
        KEEL_CERTIFICATE_OPTIMAL, KEEL_OUTCOME_SOLVED, 7, 1e-15, 2e-12, 3e-13, "min_variance"};
}

static void inputs(int *count, keel_input_ref *refs)
{
    *count = 2;
    refs[0] = (keel_input_ref){"v1.cov.1h.main.", 17, HASH};
    refs[1] = (keel_input_ref){"v1.portfolio.main.", 17, HASH + 1};
}

void keel_sample_universe_state(keel_universe_state *out, int n)
{
    static keel_universe universe;
    memset(&universe, 0, sizeof universe);
    NAME(universe.id, "main");
    universe.n = n;
    for (int i = 0; i < n; i++) {
        keel_instrument *instrument = &universe.instruments[i];
        snprintf(instrument->symbol, sizeof instrument->symbol, "COIN.%d-SIM", i);
        NAME(instrument->sector, "Layer 1");
        NAME(instrument->currency, "USD");
        instrument->price_exp = 8;
        instrument->qty_exp = 6;
        instrument->lot_units = 10;
        instrument->min_notional_micros = 5000000;
        instrument->session = KEEL_SESSION_CONTINUOUS;
    }
    KEEL_ASSERT(keel_universe_seal(&universe, NULL) == KEEL_OK);
    *out = (keel_universe_state){&universe, DAY_NS};
}

void keel_sample_bar_row(keel_bar_row *out, int n)
{
    *out = (keel_bar_row){HASH,
                          TIME_NS,
                          DAY_NS,
                          n,
                          prices(0, n, 5),
                          prices(1, n, 4),
                          prices(2, n, 9),
                          prices(3, n, 1),
                          series(0, n, 0.5, 0.25),
                          1};
    /* the last instrument has no bar */
    for (int k = 0; k < 4; k++)
        units[k][n - 1] = 0;
}

void keel_sample_feed_status(keel_feed_status *out, int n)
{
    *out = (keel_feed_status){KEEL_FEED_PHASE_RUNNING, "simulator", 1000, 17, (uint64_t)n, 2, 1};
}

void keel_sample_market_truth(keel_market_truth *out, int n)
{
    *out = (keel_market_truth){HASH, 1, "calm", n, matrix(n, 1.0, 0.7), series(0, n, 0.4, 0.01)};
}

void keel_sample_correlation(keel_correlation *out, int n)
{
    *out = (keel_correlation){.universe_hash = HASH,
                              .as_of_ns = TIME_NS,
                              .bar_ns = DAY_NS,
                              .n = n,
                              .correlation = matrix(n, 1.0, 0.7),
                              .volatility = series(0, n, 0.02, 0.001),
                              .mean_correlation = 0.41};
    basis(&out->basis);
}

void keel_sample_covariance(keel_covariance *out, int n)
{
    *out = (keel_covariance){.universe_hash = HASH,
                             .as_of_ns = TIME_NS,
                             .bar_ns = DAY_NS,
                             .n = n,
                             .covariance = matrix(n, 4e-4, 1.23456789e-4)};
    basis(&out->basis);
}

static const keel_book_share shares[] = {{"core", 0.4}, {"momentum", 0.15}, {"reserve", 0.45}};

void keel_sample_capital_proposal(keel_capital_proposal *out, int n)
{
    (void)n;
    *out = (keel_capital_proposal){
        .portfolio = "main", .books = 3, .shares = shares, .method = KEEL_METHOD_STATIC};
    reason(&out->reason, KEEL_REASON_SCHEDULE_DUE);
    inputs(&out->inputs_n, out->inputs);
}

void keel_sample_capital_allocation(keel_capital_allocation *out, int n)
{
    (void)n;
    *out = (keel_capital_allocation){
        .portfolio = "main", .books = 3, .shares = shares, .proposal_hash = HASH};
    reason(&out->reason, KEEL_REASON_VERIFIED);
}

void keel_sample_allocation_proposal(keel_allocation_proposal *out, int n)
{
    static keel_constraint constraints[2];
    for (int i = 0; i < n; i++)
        indices[i] = i;
    *out = (keel_allocation_proposal){.portfolio = "main",
                                      .book = "core",
                                      .universe_hash = HASH,
                                      .method = KEEL_METHOD_MIN_VARIANCE,
                                      .n = n,
                                      .weights = series(0, n, 0.01, 0.001),
                                      .cash_frac = 0.05,
                                      .lower = series(1, n, 0.001, 0.0001),
                                      .upper = series(2, n, 0.2, 0.0001),
                                      .bound_multipliers = series(3, n, -0.01, 0.0003),
                                      .constraints_n = 2,
                                      .constraints = constraints,
                                      .objective = 1e-4,
                                      .expected_volatility = 0.01,
                                      .expected_return = 0.001,
                                      .turnover_frac = 0.2,
                                      .cost_frac = 0.0004,
                                      .current = series(4, n, 0.012, 0.001)};
    series(5, n, 1.0, 0.5);
    constraints[0] = (keel_constraint){"budget", n, indices, reals[5], 0.95, 0.95, -2e-4};
    constraints[1] =
        (keel_constraint){"sector:Layer 1", 1, indices, reals[5], -KEEL_NO_BOUND, 0.4, 1e-5};
    certificate(&out->certificate);
    reason(&out->reason, KEEL_REASON_DRIFT_ABOVE_THRESHOLD);
    inputs(&out->inputs_n, out->inputs);
}

void keel_sample_rebalance_decision(keel_rebalance_decision *out, int n)
{
    (void)n;
    *out = (keel_rebalance_decision){.portfolio = "main",
                                     .due = true,
                                     .applied = true,
                                     .max_drift_frac = 0.06,
                                     .threshold_frac = 0.05,
                                     .next_due_ns = TIME_NS + DAY_NS,
                                     .turnover_frac = 0.2};
    reason(&out->reason, KEEL_REASON_DRIFT_ABOVE_THRESHOLD);
}

void keel_sample_approved_allocation(keel_approved_allocation *out, int n)
{
    *out = (keel_approved_allocation){.portfolio = "main",
                                      .book = "core",
                                      .universe_hash = HASH,
                                      .method = KEEL_METHOD_MIN_VARIANCE,
                                      .n = n,
                                      .weights = series(0, n, 0.01, 0.001),
                                      .box_lower = series(1, n, 0.005, 0.001),
                                      .box_upper = series(2, n, 0.015, 0.001),
                                      .cash_frac = 0.05,
                                      .equity_micros = 40000000000,
                                      .account_frac = 0.4,
                                      .price_units = prices(0, n, 0),
                                      .expected_volatility = 0.01,
                                      .turnover_frac = 0.2,
                                      .scale_frac = 0.75,
                                      .proposal_hash = HASH};
    certificate(&out->certificate);
    reason(&out->reason, KEEL_REASON_VERIFIED);
    reason(&out->rebalance_reason, KEEL_REASON_DRIFT_ABOVE_THRESHOLD);
}

static void latch(keel_latch *out)
{
    *out = (keel_latch){KEEL_REASON_DRAWDOWN_LIMIT,
                        "portfolio.max_drawdown",
                        0.16,
                        0.15,
                        TIME_NS,
                        TIME_NS + DAY_NS};
}

static const keel_scoped_mode *scoped(keel_scoped_mode *to, const char *what)
{
    NAME(to->name, what);
    to->mode = KEEL_TRADING_REDUCING;
    reason(&to->reason, KEEL_REASON_OPERATOR_HALT);
    return to;
}

void keel_sample_trading_state(keel_trading_state *out, int n)
{
    static keel_scoped_mode modes[2];
    (void)n;
    memset(out, 0, sizeof *out);
    NAME(out->portfolio, "main");
    out->mode = KEEL_TRADING_HALTED;
    reason(&out->reason, KEEL_REASON_OPERATOR_HALT);
    out->latches_n = 1;
    latch(&out->latches[0]);
    out->peak_equity_micros = 110000000000;
    out->equity_micros = 92400000000;
    out->drawdown_frac = 0.16;
    out->requests_n = 1;
    out->requests[0] = (keel_taken_request){.request_id = "cli/1767312000000000000/1",
                                            .kind = "halt",
                                            .reason = "too wild",
                                            .operator_name = "alice",
                                            .strategy = "momentum",
                                            .asset = "COIN.0-SIM"};
    out->changed = true;
    out->stops = 1;
    out->strategies_n = 1;
    out->strategies = scoped(&modes[0], "momentum");
    out->assets_n = 1;
    out->assets = scoped(&modes[1], "COIN.0-SIM");
}

void keel_sample_risk_report(keel_risk_report *out, int n)
{
    memset(out, 0, sizeof *out);
    NAME(out->portfolio, "main");
    out->numbers_n = 1;
    NAME(out->numbers[0].name, "var_95");
    out->numbers[0].value = 0.021;
    out->numbers[0].convention =
        (keel_risk_convention){KEEL_RISK_METHOD_HISTORICAL, DAY_NS, 0.05, 250, true};
    out->n = n;
    out->component_risk_frac = series(0, n, 1.0 / n, 0.0);
}

void keel_sample_limit_breach(keel_limit_breach *out, int n)
{
    (void)n;
    memset(out, 0, sizeof *out);
    NAME(out->portfolio, "main");
    latch(&out->latch);
    reason(&out->reason, KEEL_REASON_DRAWDOWN_LIMIT);
}

static void order(keel_order *out, int instrument)
{
    memset(out, 0, sizeof *out);
    snprintf(out->order_id, sizeof out->order_id, "demo-1/main/17/0/COIN.%d-SIM", instrument);
    out->instrument = instrument;
    out->qty_units = -2500;
    reason(&out->reason, KEEL_REASON_REBALANCE);
    out->books_n = 2;
    out->books[0] = (keel_book_target){"core", -3000, 4};
    out->books[1] = (keel_book_target){"momentum", 500, 7};
    out->limit_lo_units = -10;
    out->limit_hi_units = 90000;
}

void keel_sample_order_plan(keel_order_plan *out, int n)
{
    static keel_order orders[N];
    static keel_skipped_order skipped[1];
    memset(out, 0, sizeof *out);
    for (int i = 0; i < n; i++)
        order(&orders[i], i);
    memset(skipped, 0, sizeof skipped);
    skipped[0].instrument = 1;
    skipped[0].qty_units = 3;
    reason(&skipped[0].reason, KEEL_REASON_BELOW_LOT);
    NAME(out->plan_id, "demo-1/main/17/0");
    NAME(out->portfolio, "main");
    out->orders_n = n;
    out->orders = orders;
    out->skipped_n = 1;
    out->skipped = skipped;
    out->consumed_n = 2;
    out->consumed_decisions = versions;
    out->approval_hash = HASH;
}

void keel_sample_fill(keel_fill *out, int n)
{
    (void)n;
    memset(out, 0, sizeof *out);
    NAME(out->fill_id, "demo-1/main/17/0/COIN.1-SIM/1");
    NAME(out->order_id, "demo-1/main/17/0/COIN.1-SIM");
    out->instrument = 1;
    out->qty_units = -2500;
    out->price_units = 8829000000;
    out->reference_units = 8830000000;
    out->fee_micros = 220;
    out->slippage_micros = 25;
    out->fill_ns = TIME_NS;
    reason(&out->reason, KEEL_REASON_REBALANCE);
    out->books_n = 3;
    out->books[0] = (keel_book_fill){"core", -3000, 264870, 264, 30, 9};
    out->books[1] = (keel_book_fill){"momentum", 499, -44145, 44, 5, 4};
    out->books[2] = (keel_book_fill){"netting", 1, 88, -88, -10, 2};
}

void keel_sample_plan_done(keel_plan_done *out, int n)
{
    static keel_order open[1];
    static keel_held_position held[N];
    memset(out, 0, sizeof *out);
    order(&open[0], 1);
    for (int i = 0; i < n; i++)
        held[i] = (keel_held_position){
            "momentum", i, 5000 - 10001 * (i % 2), 3, 100, 200, -7000, TIME_NS, i % 2 == 1};
    NAME(out->portfolio, "main");
    NAME(out->plan_id, "demo-1/main/17/0");
    out->fills = 2;
    out->open_n = 1;
    out->open_orders = open;
    out->positions_n = n;
    out->positions = held;
    out->consumed_decision_seq = 12;
    out->approval_step = 16;
    out->cash_micros = -123456;
}

void keel_sample_portfolio_state(keel_portfolio_state *out, int n)
{
    static keel_position positions[N];
    static keel_book books[2];
    int64_t value = 0;
    for (int i = 0; i < n; i++) {
        positions[i] = (keel_position){i, 1000 + i, 7000000 + i, 7100000 + i, 8830000000, 1};
        value += positions[i].value_micros;
    }
    memset(books, 0, sizeof books);
    books[0] = (keel_book){.book = "core",
                           .cash_micros = 2500000,
                           .equity_micros = 2500000 + value,
                           .share_frac = 0.4,
                           .scale_frac = 1.0,
                           .realized_micros = -17,
                           .unrealized_micros = 100000 * (int64_t)n,
                           .fees_micros = 220,
                           .slippage_micros = 25,
                           .positions_n = n,
                           .positions = positions,
                           .closed_n = 2,
                           .closed_versions = versions};
    books[1] = (keel_book){.book = "reserve",
                           .cash_micros = 60000000000,
                           .equity_micros = 60000000000,
                           .share_frac = 0.6,
                           .scale_frac = 1.0};
    *out = (keel_portfolio_state){.portfolio = "main",
                                  .universe_hash = HASH,
                                  .as_of_ns = TIME_NS,
                                  .cash_micros = 60002500000,
                                  .equity_micros = 60002500000 + value,
                                  .peak_equity_micros = 110000000000,
                                  .books_n = 2,
                                  .books = books,
                                  .initial_micros = 100000000000,
                                  .fills = 12,
                                  .archived_through_step = 16};
}

void keel_sample_transfer(keel_transfer *out, int n)
{
    static const keel_transfer_leg legs[] = {{"core", 40000000001}, {"reserve", -40000000001}};
    (void)n;
    memset(out, 0, sizeof *out);
    NAME(out->transfer_id, "demo-1/main/17/0");
    NAME(out->portfolio, "main");
    out->legs_n = 2;
    out->legs = legs;
    reason(&out->reason, KEEL_REASON_FIRST_ALLOCATION);
}

void keel_sample_performance(keel_performance *out, int n)
{
    (void)n;
    *out = (keel_performance){.portfolio = "main",
                              .from_ns = TIME_NS - 30 * DAY_NS,
                              .to_ns = TIME_NS,
                              .bars = 30,
                              .total_return = 0.031,
                              .return_ann = 0.45,
                              .volatility_ann = 0.3,
                              .sharpe_ann = 1.4,
                              .sortino_ann = 2.1,
                              .calmar = 5.5,
                              .max_drawdown_frac = 0.08,
                              .win_rate_frac = 0.55,
                              .trades = 120,
                              .closing_trades = 40,
                              .fees_micros = 92000000,
                              .slippage_micros = 31000000,
                              .turnover_frac = 3.2,
                              .profit_factor = 1.3,
                              .recent_n = KEEL_RECENT_TRADES_MAX,
                              .convention = {KEEL_RISK_METHOD_HISTORICAL, DAY_NS, 0.05, 30, true},
                              .risk_free_ann = 0.02,
                              .equity_micros = 103100000000,
                              .initial_micros = 100000000000};
    for (int i = 0; i < out->recent_n; i++) {
        keel_trade *trade = &out->recent[i];
        snprintf(trade->trade_id, sizeof trade->trade_id, "demo-1/main/%d/0/COIN.1-SIM/1", i);
        trade->instrument = 1;
        trade->qty_units = 5 + i;
        trade->price_units = 8830000000;
        trade->pnl_micros = -900;
        trade->fill_ns = TIME_NS - DAY_NS + i;
        reason(&trade->reason, KEEL_REASON_REBALANCE);
        NAME(trade->book, "core");
    }
}

void keel_sample_attribution(keel_attribution *out, int n)
{
    static keel_attribution_line lines[N];
    *out = (keel_attribution){.portfolio = "main",
                              .kind = KEEL_ATTRIBUTION_ASSET,
                              .from_ns = TIME_NS - DAY_NS,
                              .to_ns = TIME_NS,
                              .lines_n = n,
                              .lines = lines,
                              .pnl_micros = -1000 * (int64_t)n};
    for (int i = 0; i < n; i++) {
        lines[i] = (keel_attribution_line){
            .pnl_micros = -1000,
            .trades = 4,
            .closing_trades = 2,
            .win_rate_frac = 0.5,
            .contribution_frac = 1.0 / n,
            .fees_micros = 88,
            .slippage_micros = 9,
            .weight_mean_frac = 0.03,
        };
        snprintf(lines[i].name, sizeof lines[i].name, "COIN.%d-SIM", i);
    }
}

/* ---- signals ---- */

static void sizing(keel_sizing_rule *out, const char *rule, bool bound)
{
    *out = (keel_sizing_rule){KEEL_REASON_CORRELATION_LIMIT, "", 0.75, 1200, bound};
    NAME(out->name, rule);
}

void keel_sample_signal(keel_signal *out, int n)
{
    (void)n;
    *out = (keel_signal){.strategy = "momentum",
                         .signal_id = "17-1!",
                         .seq = 12,
                         .epoch_ns = TIME_NS,
                         .symbol = "COIN.0-SIM",
                         .side = KEEL_SIDE_SHORT,
                         .entry = 88.3,
                         .stop = 90.5,
                         .target = 80.25,
                         .confidence_frac = 0.8,
                         .valid_until_ns = TIME_NS + DAY_NS,
                         .row_step = 17,
                         .labels_n = 2,
                         .labels = {{"lookback", "20"}, {"why", "\xc3\xa9"}}};
}

void keel_sample_hello(keel_hello *out, int n)
{
    (void)n;
    *out = (keel_hello){"momentum", TIME_NS, 3};
}

void keel_sample_receipt(keel_receipt *out, int n)
{
    static const uint8_t bytes[] = {10, 8, 'm', 'o', 'm', 'e', 'n', 't', 'u', 'm'};
    (void)n;
    *out = (keel_receipt){.strategy = "momentum",
                          .epoch_ns = TIME_NS,
                          .seq = 12,
                          .step = 17,
                          .signal = bytes,
                          .signal_len = sizeof bytes};
    reason(&out->refusal, KEEL_REASON_MALFORMED);
}

void keel_sample_ack(keel_ack *out, int n)
{
    (void)n;
    *out = (keel_ack){
        .strategy = "momentum", .epoch_ns = TIME_NS, .seq = 12, .credit = 4096, .closed_step = 16};
    reason(&out->refusal, KEEL_REASON_EPOCH_SUPERSEDED);
}

void keel_sample_intake(keel_intake *out, int n)
{
    static const keel_intake_range ranges[] = {{"breakout", TIME_NS, 1, 1},
                                               {"momentum", TIME_NS, 12, UINT64_MAX}};
    (void)n;
    *out = (keel_intake){.portfolio = "main", .ranges_n = 2, .ranges = ranges};
}

void keel_sample_decision(keel_decision *out, int n)
{
    (void)n;
    *out = (keel_decision){
        .strategy = "momentum",
        .signal_id = "17-1!",
        .epoch_ns = TIME_NS,
        .seq = 12,
        .decision_seq = 7,
        .accepted = true,
        .intents_n = 1,
        .intents = {{"momentum", 1, -1200, 7, 9050000000, 8025000000, TIME_NS + DAY_NS}},
        .priority = KEEL_PRIORITY_HIGH,
        .policy = KEEL_CONFLICT_FIRST_IN_FIRST_OUT,
        .sizing_n = 2,
        .symbol = "COIN.0-SIM",
        .side = KEEL_SIDE_SHORT,
        .route = KEEL_ROUTE_MARKET_NEXT_ROW,
        .duplicate_of = 3};
    reason(&out->reason, KEEL_REASON_ACCEPTED);
    reason(&out->priority_reason, KEEL_REASON_ACCEPTED);
    sizing(&out->sizing[0], "base_size", false);
    sizing(&out->sizing[1], "correlation_factor", true);
}

void keel_sample_strategy_report(keel_strategy_report *out, int n)
{
    static keel_disposition_count codes[2];
    static keel_symbol_count symbols[2];
    static keel_strategy_status status;
    (void)n;
    codes[0] = (keel_disposition_count){KEEL_REASON_ACCEPTED, 5};
    codes[1] = (keel_disposition_count){KEEL_REASON_EXPIRED, 1};
    symbols[0] = (keel_symbol_count){"COIN.0-SIM", 4, 3, 2};
    symbols[1] = (keel_symbol_count){"COIN.1-SIM", 2, 2, 1};
    status = (keel_strategy_status){.strategy = "momentum",
                                    .active = true,
                                    .share_frac = 0.15,
                                    .received = 8,
                                    .decided = 6,
                                    .dispositions_n = 2,
                                    .dispositions = codes,
                                    .executed = 3,
                                    .lockstep = true,
                                    .epoch_ns = TIME_NS,
                                    .seq = 6,
                                    .pending = 2,
                                    .active_signals = 1,
                                    .symbols_n = 2,
                                    .symbols = symbols};
    *out = (keel_strategy_report){
        .portfolio = "main", .strategies_n = 1, .strategies = &status, .decision_seq = 7};
}

void keel_sample_risk_check_request(keel_risk_check_request *out, int n)
{
    static keel_risk_check checks[N];
    static const keel_standing standing[] = {{"breakout", 0, 500, 3, 8830000000, 8800000000},
                                             {"momentum", 1, -1200, 7, 8830000000, 9050000000}};
    const int m = n < KEEL_CHECKS_MAX ? n : KEEL_CHECKS_MAX;
    for (int i = 0; i < m; i++) {
        checks[i] = (keel_risk_check){"",         "momentum", i,          KEEL_SIDE_SHORT,
                                      8830000000, 9050000000, 8025000000, 0.8};
        snprintf(checks[i].signal_id, sizeof checks[i].signal_id, "17-%d", i);
    }
    *out = (keel_risk_check_request){.portfolio = "main",
                                     .decision_seq = 7,
                                     .checks_n = m,
                                     .checks = checks,
                                     .standing_n = 2,
                                     .standing = standing};
}

void keel_sample_risk_verdict(keel_risk_verdict *out, int n)
{
    static keel_risk_answer answers[KEEL_CHECKS_MAX];
    const int m = n < KEEL_CHECKS_MAX ? n : KEEL_CHECKS_MAX;
    for (int i = 0; i < m; i++) {
        keel_risk_answer *a = &answers[i];
        memset(a, 0, sizeof *a);
        snprintf(a->signal_id, sizeof a->signal_id, "17-%d", i);
        a->accepted = true;
        a->qty_units = -1200 - i;
        reason(&a->reason, KEEL_REASON_ACCEPTED);
        a->rules_n = 2;
        sizing(&a->rules[0], "base_size", false);
        sizing(&a->rules[1], "correlation_factor", true);
    }
    *out = (keel_risk_verdict){.portfolio = "main",
                               .answers_n = m,
                               .answers = answers,
                               .request_step = 17,
                               .request_index = 2,
                               .request_hash = HASH};
}

void keel_sample_heartbeat(keel_heartbeat *out, int n)
{
    (void)n;
    memset(out, 0, sizeof *out);
    NAME(out->service, "risk");
    out->state = KEEL_STATE_DEGRADED;
    NAME(out->why, "correlation is late");
    out->step_done = 17;
    out->snapshot_step = 16;
    out->marks_n = 2;
    out->marks[0] = (keel_topic_mark){"v1.trading.main.", 18};
    out->marks[1] = (keel_topic_mark){"v1.alloc.approved.main.", UINT64_MAX};
    out->records_n = 1;
    out->records[0] = (keel_record_mark){"v1.trading.main.", "17-0"};
    out->handler_max_ns = 90000;
    out->queue_depth = 3;
    NAME(out->awaited, "correlation 17");
    out->archived_through_step = 15;
    out->lockstep = true;
    out->pid = 4711;
}

void keel_sample_step_end(keel_step_end *out, int n)
{
    (void)n;
    memset(out, 0, sizeof *out);
    out->step = 17;
    out->marks_n = 1;
    out->marks[0] = (keel_step_mark){"v1.trading.main.", 1};
    out->close_ns = TIME_NS;
}

void keel_sample_resend(keel_resend *out, int n)
{
    (void)n;
    *out = (keel_resend){"correlation", "risk", 17, 80};
}

void keel_sample_request(keel_request *out, int n)
{
    (void)n;
    *out = (keel_request){.service = "risk",
                          .requester = "cli",
                          .deadline_ms = 2000,
                          .ask = KEEL_ASK_HALT,
                          .reason = "too wild",
                          .operator_name = "alice",
                          .strategy = "momentum",
                          .asset = "COIN.0-SIM"};
}

void keel_sample_reply(keel_reply *out, int n)
{
    (void)n;
    memset(out, 0, sizeof *out);
    NAME(out->requester, "cli");
    NAME(out->request_id, "cli/1767312000000000000/1");
    NAME(out->error, "risk is warming up; ask again when it runs");
    out->has_status = true;
    out->taken_step = 17;
    keel_status_report *status = &out->status;
    NAME(status->service, "risk");
    status->state = KEEL_STATE_WARMING;
    NAME(status->why, "no covariance yet");
    status->step_done = 17;
    status->snapshot_step = 16;
    status->started_ns = TIME_NS;
    status->pid = 4711;
    status->counters_n = 1;
    status->counters[0] = (keel_counter){"proposals_refused", 2};
    NAME(status->awaited, "correlation 17");
    NAME(status->version, "0.1.0");
    status->ring_bytes = 123456;
}

void keel_sample_snapshot_record(keel_snapshot_record *out, int n)
{
    static const uint8_t state[64] = {1, 0, 255, 7};
    static const uint8_t output[] = "\x0f\0\0\0v1.row.1h.main.frame";
    (void)n;
    memset(out, 0, sizeof *out);
    NAME(out->service, "risk");
    out->step = 64;
    out->format = 2;
    out->state = state;
    out->state_len = sizeof state;
    out->state_hash = HASH;
    out->outputs_n = 2;
    for (int i = 0; i < out->outputs_n; i++) {
        out->outputs[i] = output + i;
        out->outputs_len[i] = sizeof output - 1 - (size_t)i;
    }
}

#define SAMPLE_WRAP(name, type, payload)                                                           \
    static void make_##name(void *out, int n)                                                      \
    {                                                                                              \
        keel_sample_##name(out, n);                                                                \
    }                                                                                              \
    static keel_status put_##name(const void *in, uint8_t *buf, size_t cap, size_t *len)           \
    {                                                                                              \
        return keel_wire_put_##name(in, buf, cap, len);                                            \
    }                                                                                              \
    static keel_status get_##name(keel_arena *arena, const uint8_t *data, size_t len, void *out)   \
    {                                                                                              \
        return keel_wire_get_##name(arena, data, len, out);                                        \
    }
KEEL_SAMPLE_LIST(SAMPLE_WRAP)

#define SAMPLE_ROW(name, type, payload)                                                            \
    {#name, KEEL_PAYLOAD_##payload, sizeof(type), make_##name, put_##name, get_##name},
const keel_sample_ops keel_samples[KEEL_SAMPLES] = {KEEL_SAMPLE_LIST(SAMPLE_ROW)};

size_t keel_sample_encode(const keel_sample_ops *sample, int n, uint8_t *buf, size_t cap)
{
    static union {
        max_align_t align;
        uint8_t bytes[KEEL_SAMPLE_STRUCT_MAX];
    } plain;
    size_t len;
    KEEL_ASSERT(sample->size <= sizeof plain);
    memset(&plain, 0, sizeof plain);
    sample->make(&plain, n);
    KEEL_ASSERT(sample->put(&plain, buf, cap, &len) == KEEL_OK);
    return len;
}
