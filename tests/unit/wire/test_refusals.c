/* One line per way to be wrong: the field of the plain struct is changed and put must refuse it;
 * the same field of the generated struct is changed, packed, and get must refuse the bytes. */
#include "common/wire/wire_internal.h"
#include "tests/support/wire_samples.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

enum { BUF = 1 << 20, N = 3 };
static uint8_t bytes[BUF];
static keel_arena arena;
static double reals[N];
static int64_t integers[N];

static void open_arena(void)
{
    keel_arena_init(&arena, 4 << 20);
}
static void close_arena(void)
{
    keel_arena_fini(&arena);
}
TestSuite(refusals, .init = open_arena, .fini = close_arena);

static const double *with(const double *from, int at, double value)
{
    memcpy(reals, from, sizeof reals);
    reals[at] = value;
    return reals;
}

static const int64_t *with_units(const int64_t *from, int at, int64_t value)
{
    memcpy(integers, from, sizeof integers);
    integers[at] = value;
    return integers;
}

/* x: the plain struct, in the statement that spoils it */
#define PUT(name, spoil, expected)                                                                 \
    do {                                                                                           \
        static keel_##name x;                                                                      \
        size_t len = 0;                                                                            \
        keel_sample_##name(&x, N);                                                                 \
        cr_assert_eq(keel_wire_put_##name(&x, bytes, BUF, &len), KEEL_OK, "%s", #name);            \
        spoil;                                                                                     \
        const keel_status got = keel_wire_put_##name(&x, bytes, BUF, &len);                        \
        cr_expect_eq(got, expected, "put %s: %s: %s", #name, #spoil, keel_status_name(got));       \
    } while (0)

/* m: the generated struct */
#define GET(name, Message, spoil, expected)                                                        \
    do {                                                                                           \
        static keel_##name x;                                                                      \
        ProtobufCMessage *pb;                                                                      \
        size_t len = 0;                                                                            \
        keel_arena_reset(&arena);                                                                  \
        keel_sample_##name(&x, N);                                                                 \
        cr_assert_eq(keel_wire_put_##name(&x, bytes, BUF, &len), KEEL_OK, "%s", #name);            \
        cr_assert_eq(wire_unpack(wire_##name.descriptor, &arena, bytes, len, &pb), KEEL_OK);       \
        Keel__V1__##Message *m = (Keel__V1__##Message *)pb;                                        \
        spoil;                                                                                     \
        len = protobuf_c_message_pack(pb, bytes);                                                  \
        const keel_status got = keel_wire_get_##name(&arena, bytes, len, &x);                      \
        cr_expect_eq(got, expected, "get %s: %s: %s", #name, #spoil, keel_status_name(got));       \
    } while (0)

#define LONG_TEXT                                                                                  \
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" \
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" \
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

Test(refusals, market)
{
    PUT(bar_row, x.universe_hash = 0, KEEL_EINVAL);
    PUT(bar_row, x.bar_ns = 0, KEEL_EINVAL);
    PUT(bar_row, x.bar_ns = -1, KEEL_ERANGE);
    PUT(bar_row, x.n = 0, KEEL_EINVAL);
    PUT(bar_row, x.n = -1, KEEL_ERANGE);
    PUT(bar_row, x.n = KEEL_UNIVERSE_MAX + 1, KEEL_ETOOBIG);
    PUT(bar_row, x.close_units = NULL, KEEL_EINVAL);
    PUT(bar_row, x.close_units = with_units(x.close_units, 0, -5), KEEL_ENONFINITE);
    PUT(bar_row, x.open_units = NULL, KEEL_EINVAL);
    PUT(bar_row, x.high_units = with_units(x.high_units, 1, 1), KEEL_EINVAL);
    PUT(bar_row, x.volume = with(x.volume, 1, NAN), KEEL_ENONFINITE);
    PUT(bar_row, x.volume = with(x.volume, 1, -1.0), KEEL_ENONFINITE);
    PUT(bar_row, x.missing = 2, KEEL_EINVAL);
    PUT(bar_row, x.missing = -1, KEEL_ERANGE);
    GET(bar_row, BarRow, m->universe_hash = 0, KEEL_EFORMAT);
    GET(bar_row, BarRow, m->n_close_units = 2, KEEL_EINVAL);
    GET(bar_row, BarRow, m->n_close_units = 0, KEEL_EFORMAT);
    GET(bar_row, BarRow, m->n_open_units = 2, KEEL_EINVAL);
    GET(bar_row, BarRow, m->n_low_units = 0, KEEL_EINVAL);
    GET(bar_row, BarRow, m->volume[0] = INFINITY, KEEL_ENONFINITE);
    GET(bar_row, BarRow, m->missing = UINT32_MAX, KEEL_ERANGE);
    PUT(feed_status, x.phase = (keel_feed_phase)3, KEEL_EINVAL);
    PUT(feed_status, x.source = NULL, KEEL_EINVAL);
    PUT(feed_status, x.source = "\xff", KEEL_EINVAL);
    GET(feed_status, FeedStatus, m->phase = 3, KEEL_EUNKNOWN);
    GET(feed_status, FeedStatus, m->phase = 0, KEEL_EFORMAT);
    PUT(universe_state, x.universe = NULL, KEEL_EINVAL);
    PUT(universe_state, x.bar_ns = 0, KEEL_EINVAL);
    PUT(universe_state, ((keel_universe *)x.universe)->hash++, KEEL_EINVAL);
    PUT(universe_state, ((keel_universe *)x.universe)->instruments[1].qty_exp = 13, KEEL_ERANGE);
    PUT(universe_state, ((keel_universe *)x.universe)->instruments[1].lot_units = 0, KEEL_EINVAL);
    PUT(universe_state, strcpy(((keel_universe *)x.universe)->instruments[1].symbol, "COIN.0-SIM"),
        KEEL_EINVAL);
    GET(universe_state, UniverseState, m->universe = NULL, KEEL_EFORMAT);
    GET(universe_state, UniverseState, m->universe->universe_hash ^= 1, KEEL_EINVAL);
    GET(universe_state, UniverseState, m->universe->n_instruments = 2, KEEL_EINVAL);
    GET(universe_state, UniverseState, m->universe->instruments[0]->session = 9, KEEL_EUNKNOWN);
    GET(universe_state, UniverseState, m->universe->instruments[0]->symbol = LONG_TEXT,
        KEEL_ETOOBIG);
    GET(universe_state, UniverseState, m->universe->instruments[0]->price_exp = 4000000000u,
        KEEL_ERANGE);
}

Test(refusals, matrices)
{
    double spoiled[6];
    PUT(covariance, x.n = 0, KEEL_ERANGE);
    PUT(covariance, x.n = 513, KEEL_ETOOBIG);
    PUT(covariance, x.covariance = NULL, KEEL_EINVAL);
    PUT(covariance, (memcpy(spoiled, x.covariance, 48), spoiled[5] = 0.0, x.covariance = spoiled),
        KEEL_ENONFINITE);
    PUT(covariance, (memcpy(spoiled, x.covariance, 48), spoiled[1] = NAN, x.covariance = spoiled),
        KEEL_ENONFINITE);
    PUT(covariance, x.basis.estimator = KEEL_ESTIMATOR_UNSPECIFIED, KEEL_EINVAL);
    PUT(covariance, x.basis.shrinkage_frac = 1.0000001, KEEL_ERANGE);
    PUT(covariance, x.basis.rows = -1, KEEL_ERANGE);
    PUT(covariance, x.basis.rows_effective = -1, KEEL_ERANGE);
    PUT(covariance, x.basis.window_ns = -1, KEEL_ERANGE);
    GET(covariance, CovarianceMatrix, m->covariance->n = 4, KEEL_EINVAL);
    GET(covariance, CovarianceMatrix, m->covariance->n = 0, KEEL_EFORMAT);
    GET(covariance, CovarianceMatrix, m->covariance->n = 4000000000u, KEEL_ETOOBIG);
    GET(covariance, CovarianceMatrix, m->covariance->n_lower = 5, KEEL_EINVAL);
    GET(covariance, CovarianceMatrix, m->covariance = NULL, KEEL_EFORMAT);
    GET(covariance, CovarianceMatrix, m->covariance->lower[0] = -1e-9, KEEL_ENONFINITE);
    GET(covariance, CovarianceMatrix, m->basis = NULL, KEEL_EFORMAT);
    GET(covariance, CovarianceMatrix, m->basis->estimator = 7, KEEL_EUNKNOWN);
    GET(covariance, CovarianceMatrix, m->basis->rows = 3000000000u, KEEL_ERANGE);
    PUT(correlation,
        (memcpy(spoiled, x.correlation, 48), spoiled[0] = 0.999, x.correlation = spoiled),
        KEEL_EINVAL);
    PUT(correlation,
        (memcpy(spoiled, x.correlation, 48), spoiled[1] = 1.1, x.correlation = spoiled),
        KEEL_ERANGE);
    PUT(correlation, x.volatility = NULL, KEEL_EINVAL);
    PUT(correlation, x.volatility = with(x.volatility, 0, -0.1), KEEL_ERANGE);
    PUT(correlation, x.mean_correlation = -1.5, KEEL_ERANGE);
    GET(correlation, CorrelationMatrix, m->n_volatility = 2, KEEL_EINVAL);
    GET(correlation, CorrelationMatrix, m->correlation->lower[5] = 0.5, KEEL_EINVAL);
    GET(correlation, CorrelationMatrix, m->mean_correlation = NAN, KEEL_ENONFINITE);
    PUT(market_truth, x.regime_name = "", KEEL_EINVAL);
    GET(market_truth, MarketTruth, m->n_volatility_ann = 1, KEEL_EINVAL);
    GET(market_truth, MarketTruth, m->regime_name = LONG_TEXT, KEEL_ETOOBIG);
}

Test(refusals, allocations)
{
    static keel_book_share shares[2];
    PUT(capital_proposal,
        (shares[0] = x.shares[0], shares[1] = x.shares[0], x.books = 2, x.shares = shares),
        KEEL_EINVAL);
    PUT(capital_proposal,
        (shares[0] = x.shares[0], shares[0].share_frac = -0.1, x.books = 1, x.shares = shares),
        KEEL_ERANGE);
    PUT(capital_proposal, x.method = (keel_method)9, KEEL_EINVAL);
    PUT(capital_proposal, x.inputs_n = 9, KEEL_ETOOBIG);
    PUT(capital_proposal, strcpy(x.inputs[0].topic, "v1.row"), KEEL_EINVAL);
    PUT(capital_proposal, x.books = 0, KEEL_EINVAL);
    GET(capital_proposal, CapitalProposal, m->shares[0]->share_frac = 0.95, KEEL_ERANGE);
    GET(capital_proposal, CapitalProposal, m->method = 17, KEEL_EUNKNOWN);
    GET(capital_proposal, CapitalProposal, m->reason = NULL, KEEL_EFORMAT);
    GET(capital_proposal, CapitalProposal, m->reason->code = 29, KEEL_EUNKNOWN);
    PUT(capital_allocation, x.portfolio[0] = '\0', KEEL_EINVAL);
    PUT(capital_allocation, x.portfolio[0] = ' ', KEEL_EINVAL);
    PUT(capital_allocation, memset(x.portfolio, 'a', sizeof x.portfolio), KEEL_ETOOBIG);
    GET(capital_allocation, CapitalAllocation, m->n_shares = 0, KEEL_EFORMAT);
    GET(capital_allocation, CapitalAllocation, m->portfolio = LONG_TEXT, KEEL_ETOOBIG);
    PUT(allocation_proposal, x.weights = with(x.weights, 2, NAN), KEEL_ENONFINITE);
    PUT(allocation_proposal, x.upper = NULL, KEEL_EINVAL);
    PUT(allocation_proposal, x.constraints_n = KEEL_CONSTRAINTS_MAX + 1, KEEL_ETOOBIG);
    PUT(allocation_proposal, x.certificate.kind = KEEL_CERTIFICATE_UNSPECIFIED, KEEL_EINVAL);
    PUT(allocation_proposal, x.certificate.gap = -1e-12, KEEL_ERANGE);
    PUT(allocation_proposal, x.certificate.iterations = -1, KEEL_ERANGE);
    PUT(allocation_proposal, x.expected_volatility = -1.0, KEEL_ERANGE);
    PUT(allocation_proposal, x.objective = INFINITY, KEEL_ENONFINITE);
    PUT(allocation_proposal, x.reason.code = KEEL_REASON_UNSPECIFIED, KEEL_EINVAL);
    GET(allocation_proposal, AllocationProposal, m->n_lower = 2, KEEL_EINVAL);
    GET(allocation_proposal, AllocationProposal, m->n_current = 0, KEEL_EINVAL);
    GET(allocation_proposal, AllocationProposal, m->constraints[0]->n_coefficients = 2,
        KEEL_EINVAL);
    GET(allocation_proposal, AllocationProposal, m->constraints[0]->indices[0] = 1, KEEL_EINVAL);
    GET(allocation_proposal, AllocationProposal, m->constraints[0]->indices[2] = 512, KEEL_ERANGE);
    GET(allocation_proposal, AllocationProposal, m->constraints[0]->name = "sector:Layer 1",
        KEEL_EINVAL);
    GET(allocation_proposal, AllocationProposal, m->constraints[0]->hi = 0.9, KEEL_EINVAL);
    GET(allocation_proposal, AllocationProposal, m->certificate->outcome = 6, KEEL_EUNKNOWN);
    PUT(rebalance_decision, x.threshold_frac = -0.1, KEEL_ERANGE);
    GET(rebalance_decision, RebalanceDecision, m->turnover_frac = -INFINITY, KEEL_ENONFINITE);
    PUT(approved_allocation, x.price_units = with_units(x.price_units, 1, -1), KEEL_ERANGE);
    PUT(approved_allocation, x.box_lower = with(x.box_lower, 0, 0.5), KEEL_EINVAL);
    PUT(approved_allocation, x.scale_frac = 1.5, KEEL_ERANGE);
    PUT(approved_allocation, x.rebalance_reason.code = KEEL_REASON_UNSPECIFIED, KEEL_EINVAL);
    GET(approved_allocation, ApprovedAllocation, m->n_price_units = 2, KEEL_EINVAL);
    GET(approved_allocation, ApprovedAllocation, m->rebalance_reason->code = 0, KEEL_EFORMAT);
}

Test(refusals, risk)
{
    PUT(trading_state, x.mode = KEEL_TRADING_UNSPECIFIED, KEEL_EINVAL);
    PUT(trading_state, x.latches_n = KEEL_LATCHES_MAX + 1, KEEL_ETOOBIG);
    PUT(trading_state, x.latches_n = -1, KEEL_ERANGE);
    PUT(trading_state, x.latches[0].code = KEEL_REASON_UNSPECIFIED, KEEL_EINVAL);
    PUT(trading_state, x.latches[0].value = NAN, KEEL_ENONFINITE);
    PUT(trading_state, x.drawdown_frac = -0.1, KEEL_ERANGE);
    PUT(trading_state, strcpy(x.requests[0].kind, "stop"), KEEL_EINVAL);
    PUT(trading_state, x.requests[0].reason[0] = '\0', KEEL_EINVAL);
    GET(trading_state, TradingState, m->mode = 4, KEEL_EUNKNOWN);
    GET(trading_state, TradingState, m->requests[0]->kind = "stop", KEEL_EUNKNOWN);
    GET(trading_state, TradingState, m->requests[0]->request_id = "a b", KEEL_EINVAL);
    PUT(risk_report, x.numbers[0].convention.tail_frac = 2.0, KEEL_ERANGE);
    PUT(risk_report, x.component_risk_frac = with(x.component_risk_frac, 0, 0.9), KEEL_EINVAL);
    GET(risk_report, RiskReport, m->numbers[0]->convention = NULL, KEEL_EFORMAT);
    GET(risk_report, RiskReport, m->numbers[0]->convention->method = 5, KEEL_EUNKNOWN);
    PUT(limit_breach, x.latch.name[0] = '\0', KEEL_EINVAL);
    GET(limit_breach, LimitBreach, m->latch = NULL, KEEL_EFORMAT);
}

Test(refusals, execution)
{
    PUT(order_plan, ((keel_order *)x.orders)[0].instrument = 2, KEEL_EINVAL);
    PUT(order_plan, ((keel_order *)x.orders)[2].instrument = 512, KEEL_ERANGE);
    PUT(order_plan, ((keel_order *)x.orders)[2].books_n = 0, KEEL_EINVAL);
    PUT(order_plan, ((keel_order *)x.orders)[2].books_n = 65, KEEL_ETOOBIG);
    PUT(order_plan, ((keel_order *)x.orders)[2].books[0].qty_units++, KEEL_EINVAL);
    PUT(order_plan, ((keel_order *)x.orders)[0].limit_lo_units = 90001, KEEL_EINVAL);
    PUT(order_plan, x.consumed_decisions = NULL, KEEL_EINVAL);
    PUT(order_plan, x.orders = NULL, KEEL_EINVAL);
    GET(order_plan, OrderPlan, m->plan_id = "a b", KEEL_EINVAL);
    GET(order_plan, OrderPlan, m->orders[1]->order_id = "", KEEL_EFORMAT);
    GET(order_plan, OrderPlan, m->skipped[0]->reason = NULL, KEEL_EFORMAT);
    PUT(fill, x.price_units = -1, KEEL_ERANGE);
    PUT(fill, x.fee_micros = -1, KEEL_ERANGE);
    PUT(fill, x.books[0].fee_micros = -1, KEEL_ERANGE);
    PUT(fill, x.books[0].qty_units++, KEEL_EINVAL);
    PUT(fill, (x.books[0].qty_units = INT64_MAX, x.books[1].qty_units = INT64_MAX), KEEL_EINVAL);
    GET(fill, Fill, m->books[2]->book = "", KEEL_EFORMAT);
    GET(fill, Fill, m->qty_units = 1, KEEL_EINVAL);
    GET(fill, Fill, m->instrument = 512, KEEL_ERANGE);
    PUT(plan_done, x.fills = -1, KEEL_ERANGE);
    PUT(plan_done, ((keel_held_position *)x.positions)[0].stop_units = -1, KEEL_ERANGE);
    GET(plan_done, PlanDone, m->portfolio = "", KEEL_EFORMAT);
    GET(plan_done, PlanDone, m->positions[0]->target_units = -2, KEEL_ERANGE);
    PUT(plan_done, ((keel_held_position *)x.positions)[0].valid_until_ns = -1, KEEL_ERANGE);
    PUT(plan_done, ((keel_held_position *)x.positions)[0].intent_version = 0, KEEL_EINVAL);
}

Test(refusals, ledger)
{
    PUT(portfolio_state, x.cash_micros++, KEEL_EINVAL);
    PUT(portfolio_state, x.equity_micros++, KEEL_EINVAL);
    PUT(portfolio_state, ((keel_book *)x.books)[0].equity_micros++, KEEL_EINVAL);
    PUT(portfolio_state, ((keel_book *)x.books)[0].share_frac = 1.2, KEEL_ERANGE);
    PUT(portfolio_state, ((keel_position *)x.books[0].positions)[1].instrument = 0, KEEL_EINVAL);
    PUT(portfolio_state, ((keel_position *)x.books[0].positions)[1].last_price_units = -1,
        KEEL_ERANGE);
    PUT(portfolio_state, x.initial_micros = -1, KEEL_ERANGE);
    GET(portfolio_state, PortfolioState, m->n_books = 1, KEEL_EINVAL);
    GET(portfolio_state, PortfolioState, m->n_books = 0, KEEL_EFORMAT);
    GET(portfolio_state, PortfolioState, m->books[0]->n_positions = 2, KEEL_EINVAL);
    GET(portfolio_state, PortfolioState, m->books[0]->scale_frac = NAN, KEEL_ENONFINITE);
    PUT(transfer, x.legs_n = 1, KEEL_EINVAL);
    GET(transfer, Transfer, m->legs[0]->cash_micros++, KEEL_EINVAL);
    GET(transfer, Transfer, m->reason = NULL, KEEL_EFORMAT);
    PUT(performance, x.from_ns = x.to_ns + 1, KEEL_EINVAL);
    PUT(performance, x.win_rate_frac = -0.1, KEEL_ERANGE);
    PUT(performance, x.recent_n = 11, KEEL_ETOOBIG);
    GET(performance, Performance, m->sharpe_ann = NAN, KEEL_ENONFINITE);
    GET(performance, Performance, m->recent[0]->price_units = -1, KEEL_ERANGE);
    PUT(attribution, x.pnl_micros = 0, KEEL_EINVAL);
    GET(attribution, Attribution, m->kind = 6, KEEL_EUNKNOWN);
    GET(attribution, Attribution, m->lines[0]->win_rate_frac = 1.01, KEEL_ERANGE);
}

Test(refusals, control)
{
    PUT(heartbeat, x.state = (keel_service_state)7, KEEL_EINVAL);
    PUT(heartbeat, x.marks_n = KEEL_MARKS_MAX + 1, KEEL_ETOOBIG);
    PUT(heartbeat, strcpy(x.records[0].last_id, "1 0"), KEEL_EINVAL);
    PUT(heartbeat, x.handler_max_ns = -1, KEEL_ERANGE);
    GET(heartbeat, Heartbeat, m->service = "", KEEL_EFORMAT);
    GET(heartbeat, Heartbeat, m->why = "\xed\xa0\x80", KEEL_EINVAL); /* a surrogate */
    GET(heartbeat, Heartbeat, m->marks[0]->topic = "v1.row.1h.main", KEEL_EINVAL);
    PUT(step_end, x.step = 0, KEEL_EINVAL);
    GET(step_end, StepEnd, m->marks[0]->topic = "", KEEL_EFORMAT);
    PUT(resend, x.to_step = 16, KEEL_EINVAL);
    PUT(resend, x.to_step = 81, KEEL_ERANGE);
    GET(resend, Resend, m->requester = LONG_TEXT, KEEL_ETOOBIG);
    PUT(request, x.reason[0] = '\0', KEEL_EINVAL);
    PUT(request, x.ask = KEEL_ASK_NONE, KEEL_EINVAL);
    PUT(request, x.ask = (keel_ask)9, KEEL_EINVAL);
    PUT(request, x.ask = KEEL_ASK_PING, KEEL_EINVAL); /* a ping has no reason */
    PUT(request, x.log_level = 1, KEEL_EINVAL);
    GET(request, Request, m->ask_case = 0, KEEL_EFORMAT);
    GET(request, Request, m->halt->reason = LONG_TEXT, KEEL_ETOOBIG);
    GET(request, Request, m->halt->reason = "", KEEL_EFORMAT);
    PUT(reply, x.ok = true, KEEL_EINVAL);
    PUT(reply, x.error[0] = '\0', KEEL_EINVAL);
    PUT(reply, x.status.counters_n = 65, KEEL_ETOOBIG);
    GET(reply, Reply, m->request_id = "", KEEL_EFORMAT);
    GET(reply, Reply, m->status->state = 0, KEEL_EFORMAT);
    PUT(snapshot_record, x.outputs[1] = NULL, KEEL_EINVAL);
    PUT(snapshot_record, x.outputs_n = KEEL_SNAPSHOT_OUTPUTS_MAX + 1, KEEL_ETOOBIG);
    PUT(snapshot_record, x.state = NULL, KEEL_EINVAL);
    PUT(snapshot_record, x.state_len = KEEL_PAYLOAD_BYTES_MAX, KEEL_ETOOBIG);
    GET(snapshot_record, SnapshotRecord, m->outputs[0].len = 0, KEEL_EINVAL);
    GET(snapshot_record, SnapshotRecord, m->service = "", KEEL_EFORMAT);
}
