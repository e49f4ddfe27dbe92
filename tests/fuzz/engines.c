#include "tests/fuzz/engines.h"

#include "common/base/assert.h"
#include "common/base/rng.h"
#include "common/num/solve/qp.h"
#include "common/num/stats/ewma.h"
#include "common/num/stats/rolling.h"
#include "common/wire/wire.h"
#include "services/correlation/engine/correlation.h"
#include "services/execution/engine/execution.h"
#include "services/ledger/engine/ledger.h"
#include "services/optimizer/engine/optimizer.h"
#include "services/risk/engine/check.h"
#include "services/strategy-coordinator/engine/coordinator.h"

#include <stdio.h>
#include <string.h>

enum {
    N = 4,
    STRATEGIES = 2,
    FILLS = N + STRATEGIES * N,
    WINDOW = 6,
    BYTES = 1 << 20,
    ARENA = 64 << 20
};

#define HOUR_NS INT64_C(3600000000000)
#define USD     INT64_C(1000000)

typedef struct step_said {
    keel_bar_row row;
    bool has_covariance;
    keel_covariance covariance;
    bool has_capital_proposal;
    keel_capital_proposal capital_proposal;
    bool has_proposal;
    keel_allocation_proposal proposal;
    keel_trading_state trading;
    bool has_capital;
    keel_capital_allocation capital;
    bool has_approval;
    keel_approved_allocation approval;
    int fills_n;
    keel_fill fills[FILLS];
    keel_portfolio_state portfolio;
} step_said;

static step_said tape[FUZZ_STEPS + 1]; /* 0 = before the first */
static bool recording;
static keel_arena arena;
static keel_universe universe;
static uint8_t bytes[BYTES];
static size_t length;
static const keel_book_share shares[] = {{"core", 0.8}};
static const keel_book_share books[] = {{"core", 0}, {"momentum", 0}, {"reversal", 0}};
static const keel_risk_strategy strategies[] = {{"momentum", 1}};

/* While the chain is recorded nothing may be refused. */
static bool took(keel_status status)
{
    KEEL_ASSERT(status == KEEL_OK || !recording);
    return status == KEEL_OK;
}

/* The bytes just encoded, kept for good. */
static const uint8_t *kept(void)
{
    uint8_t *copy = keel_arena_take(&arena, length, 1);
    KEEL_ASSERT(copy != NULL);
    memcpy(copy, bytes, length);
    return copy;
}

/* What an engine made goes through the codec, which may refuse what follows from a bad snapshot;
 * while recording it goes on the tape as its readers see it. */
#define SEND(name, made) (void)took(keel_wire_put_##name(made, bytes, BYTES, &length))
#define KEEP(name, made, place)                                                                    \
    do {                                                                                           \
        SEND(name, made);                                                                          \
        if (recording)                                                                             \
            KEEL_ASSERT(keel_wire_get_##name(&arena, kept(), length, place) == KEEL_OK);           \
    } while (0)

static keel_input_ref ref_of(const char *topic, int k)
{
    keel_input_ref ref = {.step = (uint64_t)k, .payload_hash = 1000 + (uint64_t)k};
    snprintf(ref.topic, sizeof ref.topic, "%s", topic);
    return ref;
}

static const double *returns_of(int k)
{
    static double x[N];
    keel_rng rng = keel_rng_seeded((uint64_t)k);
    for (int i = 0; i < N; i++)
        x[i] = 0.01 * (1 + i) * keel_rng_normal(&rng);
    return x;
}

/* ---- rolling, ewma, qp ---- */

static void *make_rolling(void)
{
    return keel_rolling_new(N, WINDOW);
}

static void step_rolling(void *engine, int k)
{
    double packed[N * (N + 1) / 2];
    (void)took(keel_rolling_push(engine, returns_of(k)));
    const int count = keel_rolling_count(engine);
    KEEL_ASSERT(count >= 1 && count <= WINDOW);
    const keel_status status = keel_rolling_covariance(engine, packed);
    KEEL_ASSERT((status == KEEL_OK) == (count >= 2));
    for (int i = 0; status == KEEL_OK && i < N; i++)
        KEEL_ASSERT(packed[keel_packed_at(N, i, i)] >= 0.0);
}

static void *make_ewma(void)
{
    return keel_ewma_new(N, 0.94);
}

static void step_ewma(void *engine, int k)
{
    double packed[N * (N + 1) / 2];
    (void)took(keel_ewma_push(engine, returns_of(k)));
    KEEL_ASSERT(keel_ewma_count_effective(engine) >= 1.0 - 1e-9);
    KEEL_ASSERT(keel_ewma_covariance(engine, packed) == KEEL_OK);
    for (int i = 0; i < N; i++)
        KEEL_ASSERT(packed[keel_packed_at(N, i, i)] >= 0.0);
}

static void *make_qp(void)
{
    return keel_qp_new(N, 1);
}

static void step_qp(void *engine, int k)
{
    static const double lower[N] = {0, 0, 0.1, 0}, upper[N] = {0.5, 0.5, 0.5, 0.3};
    static const double ones[N] = {1, 1, 1, 1}, side[1] = {1};
    double s[N * (N + 1) / 2] = {0};
    for (int j = 0; j < N; j++)
        for (int i = j; i < N; i++)
            s[keel_packed_at(N, i, j)] = i == j ? 1.0 + (i + k) % N : 0.2;
    const keel_qp_problem problem = {N, 1, s, NULL, lower, upper, ones, side, side};
    keel_qp_answer answer;
    KEEL_ASSERT(keel_qp_solve(engine, &problem, &answer) == KEEL_OK);
    KEEL_ASSERT(answer.outcome == KEEL_QP_OPTIMAL && answer.gap <= KEEL_QP_TOLERANCE);
}

/* ---- the chain ---- */

static void *make_correlation(keel_estimator estimator)
{
    const keel_corr_cfg cfg = {.n = N,
                               .universe_hash = universe.hash,
                               .bar_ns = HOUR_NS,
                               .estimator = estimator,
                               .log_returns = true,
                               .rows_window = WINDOW,
                               .lambda = 0.94,
                               .rows_min = 2};
    return keel_corr_new(&cfg, NULL);
}

static void *make_correlation_rolling(void)
{
    return make_correlation(KEEL_ESTIMATOR_ROLLING);
}

static void *make_correlation_ewma(void)
{
    return make_correlation(KEEL_ESTIMATOR_EWMA);
}

static void step_correlation(void *engine, int k)
{
    step_said *said = &tape[k];
    keel_corr_out out;
    if (!took(keel_corr_on_row(engine, &said->row, &out)))
        return;
    if ((out.made & KEEL_CORR_MADE_MATRIX) == 0)
        return;
    SEND(correlation, &out.correlation);
    KEEP(covariance, &out.covariance, &said->covariance);
    said->has_covariance = said->has_covariance || recording;
}

static void *make_optimizer(void)
{
    static const double lower[N] = {0}, upper[N] = {0.5, 0.5, 0.5, 0.5};
    static const keel_sector_band sectors[] = {{"one", 0.1, 0.8}};
    const keel_rebalance_rule rule = {2 * HOUR_NS, false, 0.02, 1};
    const keel_optimizer_cfg cfg = {
        .allocation = {.universe = &universe,
                       .method = KEEL_METHOD_MIN_VARIANCE,
                       .lower = lower,
                       .upper = upper,
                       .cash_min = 0.02,
                       .sectors_n = 1,
                       .sectors = sectors},
        .portfolio = "main",
        .core = rule,
        .capital = rule,
        .covariance_age_max = 4,
        .apply = true,
        .cost_bps = 10,
        .method_why = "",
        .books_n = 1,
        .books = shares,
    };
    return keel_optimizer_new(&cfg, NULL);
}

static void step_optimizer(void *engine, int k)
{
    step_said *said = &tape[k];
    keel_optimizer_out out;
    const keel_input_ref book = ref_of("v1.portfolio.main.", k), cov = ref_of("v1.cov.1h.main.", k);
    (void)took(keel_optimizer_on_portfolio(engine, &said->portfolio, &book));
    if (said->has_covariance)
        (void)took(keel_optimizer_on_covariance(engine, &said->covariance, &cov));
    if (!took(keel_optimizer_on_step(engine, (uint64_t)k, said->row.close_ns, &out)))
        return;
    SEND(rebalance_decision, &out.decision);
    if ((out.made & KEEL_OPTIMIZER_MADE_CAPITAL) != 0) {
        KEEP(capital_proposal, &out.capital, &said->capital_proposal);
        said->has_capital_proposal = said->has_capital_proposal || recording;
    }
    if ((out.made & KEEL_OPTIMIZER_MADE_ALLOCATION) != 0) {
        KEEP(allocation_proposal, &out.allocation, &said->proposal);
        said->has_proposal = said->has_proposal || recording;
    }
}

static void *make_risk(void)
{
    const keel_risk_cfg cfg = {
        .universe = &universe,
        .portfolio = "main",
        .core_book = "core",
        .books_n = 1,
        .books = shares,
        .limits = {.max_weight = 0.5,
                   .cash_min = 0.02,
                   .sectors_n = 1,
                   .sectors = {{"one", 0.1, 0.8}}},
        .stop = {.max_drawdown = 0.5, .re_arm_ns = 3 * HOUR_NS},
        .box_frac = 0.02,
        .max_input_age = 4,
        .strategies_n = 1,
        .strategies = strategies,
        .sizing = {.base_frac = 0.01,
                   .correlation_threshold = 0.7,
                   .max_portfolio_risk = 0.02,
                   .max_positions = 5},
    };
    return keel_risk_new(&cfg, NULL);
}

static void send_risk(const keel_risk_out *out, step_said *said)
{
    KEEP(trading_state, &out->trading, &said->trading);
    if ((out->made & KEEL_RISK_MADE_CAPITAL) != 0) {
        KEEP(capital_allocation, &out->capital, &said->capital);
        said->has_capital = said->has_capital || recording;
    }
    if ((out->made & KEEL_RISK_MADE_ALLOCATION) != 0) {
        KEEP(approved_allocation, &out->allocation, &said->approval);
        said->has_approval = said->has_approval || recording;
    }
    if ((out->made & KEEL_RISK_MADE_REPORT) != 0)
        SEND(risk_report, &out->report);
    for (int i = 0; i < out->breaches_n; i++)
        SEND(limit_breach, &out->breaches[i]);
}

/* The coordinator decides every third step and asks with what stands in its eyes. */
static void ask_risk(void *engine, int k)
{
    const uint64_t version = (uint64_t)(k / 3);
    const keel_decision decision = {
        .decision_seq = version,
        .accepted = true,
        .intents_n = 1,
        .intents = {{"momentum", 1, 100 * k, version, 10, 0, (k + 5) * HOUR_NS}},
    };
    const keel_standing standing = {"momentum", 1, 100 * (int64_t)(3 * version), version, 99, 10};
    const keel_risk_check checks[] = {
        {"long", "momentum", 0, KEEL_SIDE_LONG, 1000000, 900000, 0, 0.8},
        {"short", "momentum", 2, KEEL_SIDE_SHORT, 3000000, 0, 0, 1},
        {"flat", "momentum", 1, KEEL_SIDE_FLAT, 2000000, 0, 0, 1},
    };
    const keel_risk_check_request request = {"main", version + 1, 3,
                                             checks, version > 0, &standing};
    keel_risk_verdict verdict;
    if (k % 3 == 0)
        (void)took(keel_risk_on_decision(engine, &decision));
    if (took(keel_risk_on_check(engine, &request, (uint64_t)k, 0, 9, &verdict)))
        SEND(risk_verdict, &verdict);
}

static void step_risk(void *engine, int k)
{
    static keel_risk_out out;
    step_said *said = &tape[k];
    const keel_input_ref book = ref_of("v1.portfolio.main.", k), cov = ref_of("v1.cov.1h.main.", k);
    if (!took(keel_risk_on_open(engine, (uint64_t)k, NULL, 0)))
        return;
    (void)took(keel_risk_on_row(engine, &said->row));
    (void)took(keel_risk_on_portfolio(engine, &said->portfolio, &book));
    if (said->has_covariance)
        (void)took(keel_risk_on_covariance(engine, &said->covariance, &cov));
    if (said->has_capital_proposal)
        (void)took(keel_risk_on_capital_proposal(engine, &said->capital_proposal, 7));
    if (said->has_proposal)
        (void)took(keel_risk_on_allocation_proposal(engine, &said->proposal, 8));
    if (took(keel_risk_on_step(engine, &out)))
        send_risk(&out, said);
    ask_risk(engine, k);
}

static void *make_coordinator(void)
{
    static const keel_coordinator_strategy strategies[] = {{"up", true, true, 0.1},
                                                           {"down", true, true, 0.1}};
    const keel_coordinator_cfg cfg = {
        .universe = &universe, .portfolio = "main", .strategies_n = 2, .strategies = strategies};
    return keel_coordinator_new(&cfg, NULL);
}

/* Strategy i says something about each symbol; some of it again, some of it opposed. */
static void tell_coordinator(keel_coordinator *engine, int k, int i)
{
    static const char *const names[] = {"up", "down"};
    for (int n = 0; n < N; n++) {
        keel_signal signal = {
            .seq = (uint64_t)(k * N + n + 1), .epoch_ns = 1, .confidence_frac = 1};
        keel_receipt receipt = {.epoch_ns = 1, .seq = signal.seq};
        signal.side = (keel_side)(1 + (k + n + i) % 3);
        snprintf(signal.strategy, sizeof signal.strategy, "%s", names[i]);
        snprintf(receipt.strategy, sizeof receipt.strategy, "%s", names[i]);
        snprintf(signal.signal_id, sizeof signal.signal_id, "%d", (k * N + n) / 3 * 2);
        snprintf(signal.symbol, sizeof signal.symbol, "%s", universe.instruments[n].symbol);
        (void)keel_coordinator_on_receipt(engine, &receipt, &signal);
    }
}

static void answer_coordinator(keel_coordinator *engine, const keel_risk_check_request *question)
{
    static keel_risk_answer answers[KEEL_CHECKS_MAX];
    memset(answers, 0, sizeof answers);
    for (int i = 0; i < question->checks_n; i++) {
        const keel_side side = question->checks[i].side;
        memcpy(answers[i].signal_id, question->checks[i].signal_id, sizeof answers[i].signal_id);
        answers[i].accepted = true;
        keel_reason_set(&answers[i].reason, KEEL_REASON_ACCEPTED, "so");
        answers[i].qty_units = side == KEEL_SIDE_LONG ? 1 : side == KEEL_SIDE_SHORT ? -1 : 0;
    }
    const keel_risk_verdict verdict = {
        .portfolio = "main", .answers_n = question->checks_n, .answers = answers};
    KEEL_ASSERT(keel_coordinator_on_verdict(engine, &verdict) == KEEL_OK);
}

static void decide_coordinator(keel_coordinator *engine, int k)
{
    keel_coordinator_out out;
    do {
        if (keel_coordinator_decide(engine, (uint64_t)k, &out) != KEEL_OK)
            return;
        for (int i = 0; i < out.decisions_n; i++)
            SEND(decision, &out.decisions[i]);
        if (!out.has_question)
            continue;
        SEND(risk_check_request, &out.question);
        answer_coordinator(engine, &out.question);
    } while (out.next != KEEL_COORDINATOR_DONE);
}

static void step_coordinator(void *engine, int k)
{
    const step_said *said = &tape[k];
    keel_coordinator_view view;
    keel_strategy_report report;
    (void)took(keel_coordinator_on_row(engine, &said->row, (uint64_t)k));
    (void)took(keel_coordinator_on_portfolio(engine, &said->portfolio));
    (void)took(keel_coordinator_on_trading(engine, &said->trading));
    tell_coordinator(engine, k, 0);
    tell_coordinator(engine, k, 1);
    decide_coordinator(engine, k);
    if (keel_coordinator_report(engine, &report))
        SEND(strategy_report, &report);
    if (took(keel_coordinator_on_step(engine, (uint64_t)k, &view)))
        KEEL_ASSERT(view.step == (uint64_t)k);
}

static void *make_execution(void)
{
    const keel_execution_cfg cfg = {"run-1",       "main", "core",         &universe,
                                    {10000, 5000}, 0.01,   1 + STRATEGIES, books};
    return keel_execution_new(&cfg, NULL);
}

/* Both strategies decide every step, often about the same instrument and against each other, with
 * stops and targets that the next rows may reach, and some too late. */
static void decide(void *engine, int k)
{
    for (int s = 0; s < STRATEGIES; s++) {
        const int i = (k + s * (k % 2)) % N;
        const int64_t last = tape[k - 1].row.close_units[i], side = (k + s) % 2 == 0 ? 1 : -1;
        keel_decision d = {.decision_seq = (uint64_t)(STRATEGIES * k + s), .accepted = true};
        d.intents_n = 1;
        d.intents[0] = (keel_intent){
            .instrument = i,
            .target_qty_units = k % 5 == 4 ? 0 : side * 1000 * (1 + k % 3),
            .version = d.decision_seq,
            .stop_units = k % 5 == 4 ? 0 : last - side * last / 100,
            .target_units = k % 5 == 4 ? 0 : last + side * last / 50,
            .valid_until_ns = k % 4 == 3 ? (k - 1) * HOUR_NS : 0,
        };
        memcpy(d.intents[0].book, books[1 + s].book, sizeof d.intents[0].book);
        (void)took(keel_execution_on_decision(engine, &d, (uint64_t)k - 1));
    }
}

static void step_execution(void *engine, int k)
{
    step_said *said = &tape[k];
    const step_said *before = &tape[k - 1];
    keel_order_plan plan;
    keel_plan_done done;
    const keel_fill *fills = NULL;
    int n = 0;
    if (k > 1)
        (void)took(keel_execution_on_trading(engine, &before->trading));
    if (before->has_approval)
        (void)took(keel_execution_on_approval(engine, &before->approval, 9, (uint64_t)k - 1));
    if (k > 1)
        decide(engine, k);
    if (!took(keel_execution_plan(engine, (uint64_t)k, &plan)))
        return;
    SEND(order_plan, &plan);
    if (!took(keel_execution_on_row(engine, &said->row, &fills, &n)))
        return;
    KEEL_ASSERT(n >= 0 && n <= FILLS);
    for (int i = 0; i < n; i++)
        KEEP(fill, &fills[i], &said->fills[i]);
    if (recording)
        said->fills_n = n;
    keel_execution_done(engine, &done);
    SEND(plan_done, &done);
}

static void *make_ledger(void)
{
    static const keel_strategy_name strategies[] = {{"momentum"}, {"reversal"}};
    const keel_ledger_cfg cfg = {"run-1",     "main",  &universe, 1 + STRATEGIES, books,
                                 10000 * USD, HOUR_NS, 0.0,       STRATEGIES,     strategies};
    return keel_ledger_new(&cfg, NULL);
}

static void step_ledger(void *engine, int k)
{
    static keel_ledger_out out;
    step_said *said = &tape[k];
    keel_booked booked;
    keel_transfer transfer;
    bool made = false;
    if (tape[k - 1].has_capital &&
        took(keel_ledger_on_capital(engine, &tape[k - 1].capital, (uint64_t)k, &made, &transfer)) &&
        made)
        SEND(transfer, &transfer);
    (void)took(keel_ledger_on_row(engine, &said->row));
    for (int i = 0; i < said->fills_n; i++)
        (void)took(keel_ledger_on_fill(engine, &said->fills[i], &booked));
    if (!took(keel_ledger_close(engine, (uint64_t)k, &out)))
        return;
    KEEP(portfolio_state, &out.portfolio, &said->portfolio);
    SEND(performance, &out.performance);
    for (int i = 0; i < out.attributions_n; i++)
        SEND(attribution, &out.attributions[i]);
}

/* Without a store a core snapshot has nobody to put its lots back: it counts as refused. */
static keel_status load_ledger(void *engine, const uint8_t *buf, size_t len)
{
    enum { AT_CORE = 8 };
    if (len > AT_CORE && buf[AT_CORE] == 1)
        return KEEL_EFORMAT;
    KEEL_TRY(keel_ledger_load(engine, buf, len));
    KEEL_ASSERT(keel_ledger_restored(engine) == KEEL_OK);
    return KEEL_OK;
}

static keel_status save_ledger(const void *engine, uint8_t *buf, size_t cap, size_t *len)
{
    return keel_ledger_save(engine, false, buf, cap, len);
}

/* ---- all ---- */

#define DROP(room, type)                                                                           \
    static void drop_##room(void *engine)                                                          \
    {                                                                                              \
        type *e = engine;                                                                          \
        keel_##room##_free(&e);                                                                    \
    }
#define SNAPSHOT(room, type)                                                                       \
    DROP(room, type)                                                                               \
    static keel_status save_##room(const void *engine, uint8_t *buf, size_t cap, size_t *len)      \
    {                                                                                              \
        return keel_##room##_save(engine, buf, cap, len);                                          \
    }                                                                                              \
    static keel_status load_##room(void *engine, const uint8_t *buf, size_t len)                   \
    {                                                                                              \
        return keel_##room##_load(engine, buf, len);                                               \
    }

SNAPSHOT(rolling, keel_rolling)
SNAPSHOT(ewma, keel_ewma)
SNAPSHOT(qp, keel_qp)
SNAPSHOT(corr, keel_corr)
SNAPSHOT(optimizer, keel_optimizer)
SNAPSHOT(risk, keel_risk)
SNAPSHOT(coordinator, keel_coordinator)
SNAPSHOT(execution, keel_execution)
DROP(ledger, keel_ledger)

/* The chain comes first, in the order of its steps. */
const fuzz_engine fuzz_engines[FUZZ_ENGINES] = {
    {"execution", make_execution, drop_execution, save_execution, load_execution, step_execution},
    {"ledger", make_ledger, drop_ledger, save_ledger, load_ledger, step_ledger},
    {"correlation", make_correlation_rolling, drop_corr, save_corr, load_corr, step_correlation},
    {"optimizer", make_optimizer, drop_optimizer, save_optimizer, load_optimizer, step_optimizer},
    {"risk", make_risk, drop_risk, save_risk, load_risk, step_risk},
    {"strategy-coordinator", make_coordinator, drop_coordinator, save_coordinator, load_coordinator,
     step_coordinator},
    {"correlation-ewma", make_correlation_ewma, drop_corr, save_corr, load_corr, step_correlation},
    {"rolling", make_rolling, drop_rolling, save_rolling, load_rolling, step_rolling},
    {"ewma", make_ewma, drop_ewma, save_ewma, load_ewma, step_ewma},
    {"qp", make_qp, drop_qp, save_qp, load_qp, step_qp},
};

static void make_universe(void)
{
    snprintf(universe.id, sizeof universe.id, "main");
    universe.n = N;
    for (int i = 0; i < N; i++) {
        keel_instrument *x = &universe.instruments[i];
        snprintf(x->symbol, sizeof x->symbol, "%c-SIM", 'A' + i);
        snprintf(x->sector, sizeof x->sector, i < 2 ? "one" : "two");
        snprintf(x->currency, sizeof x->currency, "USD");
        x->price_exp = 4;
        x->qty_exp = 6;
        x->lot_units = 100;
        x->session = KEEL_SESSION_CONTINUOUS;
    }
    keel_err err;
    KEEL_ASSERT(keel_universe_seal(&universe, &err) == KEEL_OK);
}

static void make_rows(void)
{
    static int64_t close[FUZZ_STEPS + 1][N];
    for (int k = 1; k <= FUZZ_STEPS; k++) {
        const double *x = returns_of(100 + k);
        for (int i = 0; i < N; i++) {
            const int64_t last = k == 1 ? 1000000 * (1 + i) : close[k - 1][i];
            close[k][i] = last + (int64_t)((double)last * x[i]);
        }
        tape[k].row = (keel_bar_row){.universe_hash = universe.hash,
                                     .close_ns = k * HOUR_NS,
                                     .bar_ns = HOUR_NS,
                                     .n = N,
                                     .close_units = close[k]};
    }
}

void fuzz_record(void)
{
    enum { CHAIN = 5 };
    void *engines[CHAIN];
    int fills = 0;
    keel_arena_init(&arena, ARENA);
    make_universe();
    make_rows();
    recording = true;
    for (int e = 0; e < CHAIN; e++)
        engines[e] = fuzz_engines[e].make();
    for (int k = 1; k <= FUZZ_STEPS; k++) {
        for (int e = 0; e < CHAIN; e++)
            fuzz_engines[e].step(engines[e], k);
        fills += tape[k].fills_n;
    }
    recording = false;
    KEEL_ASSERT(fills > 4 * N); /* or the tape shows nothing */
    for (int e = 0; e < CHAIN; e++)
        fuzz_engines[e].drop(engines[e]);
}
