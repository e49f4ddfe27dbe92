/* bench_decide - the engines alone: what a decision costs, and a question to risk.
 *
 * bench_decide [--short]. 100 instruments; processor time of this thread, median over rounds.
 *   intake       a frame's place, its bytes, commit, the choice, the receipt handed out
 *   coordinator  receipt to decision with a risk that accepts all; `active` intents stand, and each
 *                signal replaces one of them; in questions of one signal and of as many as fit
 *   risk         one question of 256 checks, with all intents of all strategies standing
 *   both         receipt to decision with risk's engine at the other end
 * and what the coordinator's engine takes for 100 strategies. */
#include "tests/bench/bench.h"

#include "common/domain/fixed.h"
#include "common/wire/wire.h"
#include "services/risk/engine/check.h"
#include "services/strategy-coordinator/engine/coordinator.h"
#include "services/strategy-coordinator/intake.h"

#include <malloc.h>
#include <string.h>
#include <time.h>

enum { N = 100, STRATEGIES_MOST = 100, PRICE_UNITS = 10000, SIGNAL_BYTES = 160 };

#define EPOCH_NS    INT64_C(1000)
#define HOUR_NS     INT64_C(3600000000000)
#define BOOK_MICROS INT64_C(1000000000000)

typedef struct desk {
    int strategies_n;
    int active; /* (strategy, instrument) pairs that signals go round */
    int pairs_at;
    keel_universe universe;
    keel_coordinator_strategy strategies[STRATEGIES_MOST];
    keel_risk_strategy budgets[STRATEGIES_MOST];
    int64_t closes[N];
    keel_coordinator *coordinator; /* owned */
    keel_risk *risk;               /* owned; NULL = all is accepted */
    uint64_t seqs[STRATEGIES_MOST];
    uint32_t questions;
    keel_risk_answer answers[KEEL_CHECKS_MAX];
} desk;

static double cpu_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

static void must(keel_status status, const char *what)
{
    if (status != KEEL_OK)
        bench_die("%s: %s", what, keel_status_text(status));
}

/* ---- a market, books, two engines ---- */

static void make_names(desk *d)
{
    snprintf(d->universe.id, sizeof d->universe.id, "main");
    d->universe.n = N;
    for (int i = 0; i < N; i++) {
        keel_instrument *x = &d->universe.instruments[i];
        snprintf(x->symbol, sizeof x->symbol, "A%03d-SIM", i);
        snprintf(x->currency, sizeof x->currency, "USD");
        x->price_exp = 2;
        x->qty_exp = 4;
        x->lot_units = 1;
        x->session = KEEL_SESSION_CONTINUOUS;
        d->closes[i] = PRICE_UNITS;
    }
    must(keel_universe_seal(&d->universe, NULL), "universe");
    for (int s = 0; s < d->strategies_n; s++) {
        d->strategies[s] = (keel_coordinator_strategy){.active = true, .share_frac = 0.001};
        d->budgets[s] = (keel_risk_strategy){.max_gross = 1};
        snprintf(d->strategies[s].name, sizeof d->strategies[s].name, "s%03d", s);
        snprintf(d->budgets[s].name, sizeof d->budgets[s].name, "s%03d", s);
    }
}

static keel_bar_row row_of(const desk *d)
{
    return (keel_bar_row){.universe_hash = d->universe.hash,
                          .close_ns = HOUR_NS,
                          .bar_ns = HOUR_NS,
                          .n = N,
                          .close_units = d->closes};
}

static void make_coordinator(desk *d)
{
    keel_err err = {0};
    const keel_coordinator_cfg cfg = {.universe = &d->universe,
                                      .portfolio = "main",
                                      .strategies_n = d->strategies_n,
                                      .strategies = d->strategies};
    const keel_bar_row row = row_of(d);
    const keel_trading_state trading = {.portfolio = "main", .mode = KEEL_TRADING_ACTIVE};
    d->coordinator = keel_coordinator_new(&cfg, &err);
    if (d->coordinator == NULL)
        bench_die("%s", err.text);
    must(keel_coordinator_on_row(d->coordinator, &row, 1), "coordinator's row");
    must(keel_coordinator_on_trading(d->coordinator, &trading), "coordinator's trading state");
}

static void make_risk(desk *d)
{
    static double packed[N * (N + 1) / 2];
    static keel_book books[STRATEGIES_MOST];
    static keel_risk_out out;
    keel_err err = {0};
    const keel_input_ref cov = {"v1.cov.1h.main.", 1, 1}, ref = {"v1.portfolio.main.", 1, 2};
    const keel_bar_row row = row_of(d);
    const keel_risk_cfg cfg = {
        .universe = &d->universe,
        .portfolio = "main",
        .core_book = "core",
        .limits = {.max_weight = 0.5},
        .stop = {.max_drawdown = 0.5},
        .max_input_age = 4,
        .strategies_n = d->strategies_n,
        .strategies = d->budgets,
        .sizing = {.base_frac = 0.0001, .correlation_threshold = 0.7, .max_portfolio_risk = 1}};
    for (int j = 0; j < N; j++)
        for (int i = j; i < N; i++)
            packed[keel_packed_at(N, i, j)] = i == j ? 1e-4 : 2e-5;
    for (int s = 0; s < d->strategies_n; s++) {
        memcpy(books[s].book, d->budgets[s].name, sizeof books[s].book);
        books[s].cash_micros = books[s].equity_micros = BOOK_MICROS;
    }
    const keel_portfolio_state state = {.portfolio = "main",
                                        .universe_hash = d->universe.hash,
                                        .equity_micros = d->strategies_n * BOOK_MICROS,
                                        .books_n = d->strategies_n,
                                        .books = books};
    const keel_covariance covariance = {
        .universe_hash = d->universe.hash,
        .bar_ns = HOUR_NS,
        .basis = {.estimator = KEEL_ESTIMATOR_ROLLING, .rows = 720, .rows_min = 30},
        .n = N,
        .covariance = packed};
    d->risk = keel_risk_new(&cfg, &err);
    if (d->risk == NULL)
        bench_die("%s", err.text);
    must(keel_risk_on_open(d->risk, 1, NULL, 0), "risk's step");
    must(keel_risk_on_row(d->risk, &row), "risk's row");
    must(keel_risk_on_portfolio(d->risk, &state, &ref), "risk's books");
    must(keel_risk_on_covariance(d->risk, &covariance, &cov), "risk's covariance");
    must(keel_risk_on_step(d->risk, &out), "risk's step");
}

static desk *desk_new(int strategies_n, int active, bool with_risk)
{
    desk *d = keel_xcalloc(1, sizeof *d);
    d->strategies_n = strategies_n;
    d->active = active;
    make_names(d);
    make_coordinator(d);
    if (with_risk)
        make_risk(d);
    return d;
}

static void desk_free(desk *d)
{
    keel_coordinator_free(&d->coordinator);
    keel_risk_free(&d->risk);
    keel_free(&d);
}

/* ---- signals ---- */

static keel_signal next_signal(desk *d)
{
    const int pair = d->pairs_at++ % d->active, s = pair / N;
    keel_signal signal = {
        .seq = ++d->seqs[s], .epoch_ns = EPOCH_NS, .side = KEEL_SIDE_LONG, .confidence_frac = 0.75};
    memcpy(signal.strategy, d->strategies[s].name, sizeof signal.strategy);
    memcpy(signal.symbol, d->universe.instruments[pair % N].symbol, sizeof signal.symbol);
    snprintf(signal.signal_id, sizeof signal.signal_id, "%d-%llu", s,
             (unsigned long long)signal.seq);
    return signal;
}

static void answer(desk *d, const keel_risk_check_request *question)
{
    keel_risk_verdict verdict = {
        .portfolio = "main", .answers_n = question->checks_n, .answers = d->answers};
    if (d->risk != NULL) {
        must(keel_risk_on_check(d->risk, question, 1, d->questions, 7, &verdict), "question");
    } else {
        for (int i = 0; i < question->checks_n; i++) {
            keel_risk_answer *a = &d->answers[i];
            memcpy(a->signal_id, question->checks[i].signal_id, sizeof a->signal_id);
            a->accepted = true;
            a->reason.code = KEEL_REASON_ACCEPTED;
            a->qty_units = 10;
        }
    }
    d->questions++;
    must(keel_coordinator_on_verdict(d->coordinator, &verdict), "answer");
}

/* n signals at once, decided; how many were accepted. */
static int decide(desk *d, int n)
{
    int accepted = 0, made = 0;
    keel_coordinator_out out;
    for (int i = 0; i < n; i++) {
        const keel_signal signal = next_signal(d);
        keel_receipt receipt = {.epoch_ns = signal.epoch_ns, .seq = signal.seq, .step = 1};
        memcpy(receipt.strategy, signal.strategy, sizeof receipt.strategy);
        must(keel_coordinator_on_receipt(d->coordinator, &receipt, &signal), "receipt");
    }
    do {
        must(keel_coordinator_decide(d->coordinator, 1, &out), "decide");
        if (out.has_question)
            answer(d, &out.question);
        for (int i = 0; i < out.decisions_n; i++)
            accepted += out.decisions[i].accepted;
        made += out.decisions_n;
    } while (out.next != KEEL_COORDINATOR_DONE);
    if (made != n)
        bench_die("%d decisions of %d signals", made, n);
    return accepted;
}

static void print(const char *what, const desk *d, int batch, double us, double target)
{
    printf("{\"bench\": \"decide\", \"what\": \"%s\", \"strategies\": %d, \"active\": %d, "
           "\"batch\": %d, \"us_signal\": %.2f, \"target_us\": %.0f}\n",
           what, d->strategies_n, d->active, batch, us, target);
}

static void run_decide(int strategies_n, int active, int batch, bool with_risk, int signals)
{
    enum { ROUNDS = 21 };
    bench_samples us = {0};
    desk *d = desk_new(strategies_n, active, with_risk);
    const int turns = signals / ROUNDS / batch + 1;
    for (int done = 0; done < active; done += KEEL_CHECKS_MAX)
        (void)decide(d, active - done < KEEL_CHECKS_MAX ? active - done : KEEL_CHECKS_MAX);
    for (int round = 0; round < ROUNDS; round++) {
        int accepted = 0;
        const double from = cpu_us();
        for (int i = 0; i < turns; i++)
            accepted += decide(d, batch);
        bench_add(&us, (cpu_us() - from) / ((double)turns * batch));
        if (accepted != turns * batch)
            bench_die("%d signals of %d were accepted", accepted, turns * batch);
    }
    print(with_risk ? "both" : "coordinator", d, batch, bench_quantile(&us, 0.5), 5);
    bench_free(&us);
    desk_free(d);
}

/* ---- one question ---- */

static void run_question(int strategies_n, int rounds)
{
    bench_samples us = {0};
    desk *d = desk_new(strategies_n, strategies_n * N, true);
    keel_standing *standing = keel_xcalloc((size_t)d->active, sizeof *standing);
    static keel_risk_check checks[KEEL_CHECKS_MAX];
    for (int i = 0; i < d->active; i++) {
        standing[i] = (keel_standing){.instrument = i % N,
                                      .target_qty_units = 10,
                                      .version = (uint64_t)i + 1,
                                      .entry_units = PRICE_UNITS};
        memcpy(standing[i].book, d->budgets[i / N].name, sizeof standing[i].book);
    }
    for (int i = 0; i < KEEL_CHECKS_MAX; i++) {
        const int pair = i * d->active / KEEL_CHECKS_MAX;
        checks[i] = (keel_risk_check){.instrument = pair % N,
                                      .side = KEEL_SIDE_LONG,
                                      .entry_units = PRICE_UNITS,
                                      .confidence_frac = 0.75};
        memcpy(checks[i].strategy, d->budgets[pair / N].name, sizeof checks[i].strategy);
        snprintf(checks[i].signal_id, sizeof checks[i].signal_id, "%d", i);
    }
    const keel_risk_check_request question = {.portfolio = "main",
                                              .decision_seq = (uint64_t)d->active,
                                              .checks_n = KEEL_CHECKS_MAX,
                                              .checks = checks,
                                              .standing_n = d->active,
                                              .standing = standing};
    for (int round = 0; round < rounds; round++) {
        keel_risk_verdict verdict;
        const double from = cpu_us();
        must(keel_risk_on_check(d->risk, &question, 1, (uint32_t)round, 7, &verdict), "question");
        bench_add(&us, cpu_us() - from);
        for (int i = 0; i < verdict.answers_n; i++)
            if (!verdict.answers[i].accepted)
                bench_die("risk: %s", verdict.answers[i].reason.text);
    }
    const double all = bench_quantile(&us, 0.5);
    printf("{\"bench\": \"decide_question\", \"strategies\": %d, \"instruments\": %d, "
           "\"standing\": %d, \"checks\": %d, \"us_question\": %.0f, \"us_check\": %.2f}\n",
           strategies_n, N, d->active, KEEL_CHECKS_MAX, all, all / KEEL_CHECKS_MAX);
    keel_free(&standing);
    bench_free(&us);
    desk_free(d);
}

/* ---- intake ---- */

static void take_batch(keel_intake_desk *intake, const char *strategy, const uint8_t *bytes,
                       uint64_t *seq)
{
    keel_ack ack;
    keel_receipt receipt;
    int n = 0;
    for (int i = 0; i < KEEL_INTAKE_BATCH_MAX; i++) {
        if (keel_intake_on_signal(intake, strategy, EPOCH_NS, ++*seq, 1) != KEEL_INTAKE_TAKE)
            bench_die("intake does not take signal %llu", (unsigned long long)*seq);
        keel_intake_put(intake, 1, 0, NULL, bytes, SIGNAL_BYTES);
    }
    keel_intake_commit(intake);
    while (keel_intake_next_ack(intake, 1, &ack))
        ;
    keel_intake_choose_arrived(intake, &(keel_intake_moment){1, 1, 0}, KEEL_INTAKE_BATCH_MAX);
    while (keel_intake_next(intake, &receipt))
        n += receipt.signal_len == SIGNAL_BYTES;
    if (n != KEEL_INTAKE_BATCH_MAX)
        bench_die("%d receipts of a batch", n);
}

static void run_intake(int rounds)
{
    static keel_intake_strategy names[STRATEGIES_MOST];
    const uint8_t bytes[SIGNAL_BYTES] = {1};
    bench_samples us = {0};
    uint64_t seqs[STRATEGIES_MOST] = {0};
    for (int s = 0; s < STRATEGIES_MOST; s++) {
        names[s].active = true;
        snprintf(names[s].name, sizeof names[s].name, "s%03d", s);
    }
    const keel_intake_cfg cfg = {
        .portfolio = "main", .strategies_n = STRATEGIES_MOST, .strategies = names};
    keel_intake_desk *intake = keel_intake_new(&cfg, NULL);
    keel_intake_open(intake);
    for (int round = 0; round < rounds; round++) {
        const int s = round % STRATEGIES_MOST;
        const double from = cpu_us();
        take_batch(intake, names[s].name, bytes, &seqs[s]);
        bench_add(&us, (cpu_us() - from) / KEEL_INTAKE_BATCH_MAX);
    }
    printf("{\"bench\": \"decide_intake\", \"strategies\": %d, \"batch\": %d, \"bytes\": %d, "
           "\"us_signal\": %.2f}\n",
           STRATEGIES_MOST, KEEL_INTAKE_BATCH_MAX, SIGNAL_BYTES, bench_quantile(&us, 0.5));
    keel_intake_free(&intake);
    bench_free(&us);
}

/* ---- memory ---- */

static double taken_mib(void)
{
    const struct mallinfo2 m = mallinfo2();
    return (double)(m.uordblks + m.hblkhd) / (1 << 20);
}

static void print_memory(void)
{
    const double before = taken_mib();
    desk *d = desk_new(STRATEGIES_MOST, 1, false);
    printf("{\"bench\": \"decide_memory\", \"strategies\": %d, \"instruments\": %d, "
           "\"engine_mib\": %.1f, \"target_mib\": 10}\n",
           STRATEGIES_MOST, N, taken_mib() - before);
    desk_free(d);
}

int main(int argc, char **argv)
{
    const bool quick = bench_is_short(argc, argv);
    const int signals = quick ? 2000 : 100000;
    static const int active[] = {1, 10, 100, 1000};
    print_memory();
    run_intake(quick ? 200 : 4000);
    for (size_t i = 0; i < sizeof active / sizeof active[0]; i++) {
        run_decide(10, active[i], 1, false, signals);
        if (active[i] > 1)
            run_decide(10, active[i], active[i] < KEEL_CHECKS_MAX ? active[i] : KEEL_CHECKS_MAX,
                       false, signals);
    }
    run_question(10, quick ? 20 : 400);
    run_question(100, quick ? 5 : 200);
    run_decide(10, 1000, KEEL_CHECKS_MAX, true, signals);
    run_decide(100, 10000, KEEL_CHECKS_MAX, true, signals / 4);
    return 0;
}
