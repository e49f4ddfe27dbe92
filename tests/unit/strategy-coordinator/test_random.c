/* 100,000 random signals, garbage among them; random answers, fills, stops, halts and restarts.
 * Four engines hear the same:
 *   batched   decides a step's receipts in questions
 *   restarted likewise, but is saved and loaded into a new engine after some steps
 *   single    is handed one receipt after the other
 *   folded    hears the decisions of the first as if from the log
 * The first three make the same bytes; the fourth has the same counts and, where signals tell no
 * age, the same state. Counts add up after every step. */
#include "common/base/hash.h"
#include "common/base/rng.h"
#include "tests/unit/strategy-coordinator/fixture.h"

#include <math.h>

enum {
    STRATEGIES = 3,
    PER_STEP = 120,
    SIGNALS = 100000,
    BATCHED = 0,
    RESTARTED,
    SINGLE,
    FOLDED,
    N
};

typedef struct held {
    int64_t qty;
    int64_t target;
    uint64_t version;
    bool is_planned;
} held;

typedef struct sea {
    keel_rng rng;
    world *worlds[N];
    held books[STRATEGIES][SYMBOLS];
    uint64_t seqs[STRATEGIES];
    int64_t epochs[STRATEGIES];
    uint32_t stops;
    bool ages; /* signals tell rows and validity */
    uint64_t received;
    int accepted;
    keel_receipt receipts[PER_STEP];
    keel_signal signals[PER_STEP];
    bool has_signal[PER_STEP];
    int n;
} sea;

static uint64_t below(sea *s, uint64_t bound)
{
    return keel_rng_below(&s->rng, bound);
}

static bool chance(sea *s, double p)
{
    return keel_rng_uniform(&s->rng) < p;
}

/* ---- one signal ---- */

static double price(sea *s)
{
    static const double strange[] = {0, 1e-12, 1e300, 100, 5};
    return chance(s, 0.1) ? strange[below(s, 5)] : 90.0 + 20.0 * keel_rng_uniform(&s->rng);
}

static keel_signal random_signal(sea *s, int strategy, uint64_t step)
{
    static const char *const symbols[] = {"BTC", "ETH", "AAA", "LATE", "NONE"};
    keel_signal signal = {.seq = s->seqs[strategy],
                          .epoch_ns = s->epochs[strategy],
                          .side = (keel_side)(1 + below(s, 3)),
                          .confidence_frac = keel_rng_uniform(&s->rng)};
    snprintf(signal.strategy, KEEL_NAME_MAX, "%s", s->worlds[0]->strategies[strategy].name);
    snprintf(signal.symbol, KEEL_SYMBOL_MAX, "%s", symbols[below(s, chance(s, 0.9) ? 3 : 5)]);
    snprintf(signal.signal_id, KEEL_SIGNAL_ID_MAX, "%d",
             (int)below(s, chance(s, 0.2) ? 300 : SIGNALS));
    signal.entry = chance(s, 0.5) ? 0 : price(s);
    signal.stop = chance(s, 0.6) ? 0 : price(s);
    signal.target = chance(s, 0.6) ? 0 : price(s);
    if (s->ages && chance(s, 0.5))
        signal.row_step = step + 2 - below(s, step < 40 ? step + 1 : 40);
    if (s->ages && chance(s, 0.2))
        signal.valid_until_ns = time_of(step) + ((int64_t)below(s, 60) - 6) * HOUR_NS;
    if (signal.valid_until_ns < 0)
        signal.valid_until_ns = 1;
    return signal;
}

static void random_receipt(sea *s, uint64_t step)
{
    const int strategy = (int)below(s, STRATEGIES), i = s->n++;
    keel_receipt *receipt = &s->receipts[i];
    if (chance(s, 0.001)) { /* its client began again */
        s->epochs[strategy] += 1 + (int64_t)below(s, 9);
        s->seqs[strategy] = 0;
    }
    s->seqs[strategy]++;
    s->signals[i] = random_signal(s, strategy, step);
    s->has_signal[i] = true;
    memset(receipt, 0, sizeof *receipt);
    memcpy(receipt->strategy, s->signals[i].strategy, sizeof receipt->strategy);
    receipt->epoch_ns = s->epochs[strategy];
    receipt->seq = s->seqs[strategy];
    if (chance(s, 0.04)) {
        s->has_signal[i] = chance(s, 0.5);
        keel_reason_set(&receipt->refusal, KEEL_REASON_MALFORMED, "garbage %d", i);
    }
}

/* ---- the world around ---- */

/* A function of the check alone, so that it is the same in any question. */
static bool says_yes(const keel_risk_check *check, uint64_t step)
{
    return (keel_hash(check->signal_id, strlen(check->signal_id)) ^ step) % 5 < 3;
}

static void answer_question(world *w, const keel_risk_check_request *question)
{
    static keel_risk_answer answers[KEEL_CHECKS_MAX];
    const keel_risk_verdict verdict = {
        .portfolio = "main", .answers_n = question->checks_n, .answers = answers};
    if (w->step % 37 == 0) {
        cr_assert_eq(keel_coordinator_on_risk_unavailable(w->eng), KEEL_OK);
        return;
    }
    memset(answers, 0, sizeof answers);
    for (int i = 0; i < question->checks_n; i++) {
        const keel_risk_check *check = &question->checks[i];
        keel_risk_answer *answer = &answers[i];
        memcpy(answer->signal_id, check->signal_id, sizeof answer->signal_id);
        answer->accepted = says_yes(check, w->step);
        keel_reason_set(&answer->reason,
                        answer->accepted ? KEEL_REASON_ACCEPTED : KEEL_REASON_FREE_CASH, "so");
        answer->qty_units = answer->accepted ? size_of(check->side) : 0;
    }
    for (int i = 1; i < question->standing_n; i++) {
        const keel_standing *a = &question->standing[i - 1], *b = &question->standing[i];
        const int order = strcmp(a->book, b->book);
        cr_assert(order < 0 || (order == 0 && a->instrument < b->instrument));
    }
    cr_assert_eq(keel_coordinator_on_verdict(w->eng, &verdict), KEEL_OK);
}

static void decide_all(world *w)
{
    keel_coordinator_out out;
    do {
        cr_assert_eq(keel_coordinator_decide(w->eng, w->step, &out), KEEL_OK);
        memcpy(w->made + w->made_n, out.decisions, (size_t)out.decisions_n * sizeof *w->made);
        w->made_n += out.decisions_n;
        if (out.has_question)
            answer_question(w, &out.question);
    } while (out.next != KEEL_COORDINATOR_DONE);
}

/* Fills and triggers of one book; its closed versions. */
static int trade(sea *s, int strategy, uint64_t closed[SYMBOLS])
{
    int n = 0;
    for (int i = 0; i < SYMBOLS; i++) {
        held *h = &s->books[strategy][i];
        if (h->is_planned && chance(s, 0.8)) {
            h->is_planned = false;
            h->qty = chance(s, 0.05) ? 0 : h->target; /* stopped out in the same row */
            closed[n++] = h->version;
        } else if (h->qty != 0 && !h->is_planned && chance(s, 0.1)) {
            h->qty = 0;
            closed[n++] = h->version;
        }
    }
    return n;
}

static void tell_books(sea *s)
{
    static keel_position positions[STRATEGIES][SYMBOLS];
    static uint64_t closed[STRATEGIES][SYMBOLS];
    keel_book books[STRATEGIES];
    memset(books, 0, sizeof books);
    for (int k = 0; k < STRATEGIES; k++) {
        memcpy(books[k].book, s->worlds[0]->strategies[k].name, sizeof books[k].book);
        books[k].closed_n = trade(s, k, closed[k]);
        books[k].closed_versions = closed[k];
        books[k].positions = positions[k];
        for (int i = 0; i < SYMBOLS; i++)
            if (s->books[k][i].qty != 0)
                positions[k][books[k].positions_n++] =
                    (keel_position){.instrument = i, .qty_units = s->books[k][i].qty};
    }
    const keel_portfolio_state state = {.portfolio = "main",
                                        .universe_hash = s->worlds[0]->universe.hash,
                                        .books_n = STRATEGIES,
                                        .books = books};
    for (int i = 0; i < N; i++)
        cr_assert_eq(keel_coordinator_on_portfolio(s->worlds[i]->eng, &state), KEEL_OK);
}

static void tell_trading(sea *s)
{
    keel_scoped_mode scoped = {.mode = KEEL_TRADING_REDUCING};
    keel_trading_state trading = {.portfolio = "main", .mode = KEEL_TRADING_ACTIVE};
    if (chance(s, 0.1))
        trading.mode = (keel_trading_mode)below(s, 4);
    if (chance(s, 0.02))
        s->stops++;
    trading.stops = s->stops;
    snprintf(scoped.name, sizeof scoped.name, "ETH");
    trading.assets = &scoped;
    trading.assets_n = chance(s, 0.1);
    const keel_trading_mode deadman = chance(s, 0.05) ? KEEL_TRADING_HALTED : KEEL_TRADING_ACTIVE;
    for (int i = 0; i < N; i++) {
        cr_assert_eq(keel_coordinator_on_trading(s->worlds[i]->eng, &trading), KEEL_OK);
        keel_coordinator_on_deadman(s->worlds[i]->eng, deadman);
    }
}

/* ---- a step ---- */

static void hand_over(const sea *s, world *w, int i)
{
    const keel_signal *signal = s->has_signal[i] ? &s->signals[i] : NULL;
    keel_signal bad = s->signals[i];
    cr_assert_eq(keel_coordinator_on_receipt(w->eng, &s->receipts[i], signal), KEEL_OK);
    cr_assert_eq(keel_coordinator_on_receipt(w->eng, &s->receipts[i], signal), KEEL_EEXIST);
    bad.stop = INFINITY;
    keel_receipt next = {.epoch_ns = bad.epoch_ns, .seq = ++bad.seq};
    memcpy(next.strategy, bad.strategy, sizeof next.strategy);
    cr_assert_eq(keel_coordinator_on_receipt(w->eng, &next, &bad), KEEL_ENONFINITE);
}

static void decide_step(sea *s)
{
    for (int i = 0; i < s->n; i++) {
        hand_over(s, s->worlds[BATCHED], i);
        hand_over(s, s->worlds[RESTARTED], i);
        hand_over(s, s->worlds[SINGLE], i);
        decide_all(s->worlds[SINGLE]);
    }
    decide_all(s->worlds[BATCHED]);
    decide_all(s->worlds[RESTARTED]);
    const world *first = s->worlds[BATCHED];
    cr_assert_eq(first->made_n, s->n);
    for (int i = 0; i < s->n; i++) {
        const keel_decision *d = &first->made[i];
        cr_assert(strcmp(d->strategy, s->receipts[i].strategy) == 0 &&
                  d->epoch_ns == s->receipts[i].epoch_ns && d->seq == s->receipts[i].seq);
        cr_assert_eq(memcmp(d, &s->worlds[RESTARTED]->made[i], sizeof *d), 0);
        cr_assert_eq(memcmp(d, &s->worlds[SINGLE]->made[i], sizeof *d), 0, "%d: %s / %s", i,
                     d->reason.text, s->worlds[SINGLE]->made[i].reason.text);
        cr_assert_eq(keel_coordinator_on_own_decision(s->worlds[FOLDED]->eng, d), KEEL_OK);
        cr_assert_eq(keel_coordinator_on_own_decision(s->worlds[FOLDED]->eng, d), KEEL_EEXIST);
    }
}

/* What execution will do of it. */
static void plan(sea *s)
{
    const world *w = s->worlds[BATCHED];
    for (int i = 0; i < w->made_n; i++) {
        if (!w->made[i].accepted)
            continue;
        const keel_intent *intent = &w->made[i].intents[0];
        held *h = &s->books[number_of(w, intent->book)][intent->instrument];
        h->target = intent->target_qty_units;
        h->version = intent->version;
        h->is_planned = true;
        s->accepted++;
    }
}

static bool same_report(const keel_strategy_report *a, const keel_strategy_report *b)
{
    bool same = a->decision_seq == b->decision_seq;
    for (int i = 0; i < a->strategies_n; i++) {
        keel_strategy_status one = a->strategies[i], two = b->strategies[i];
        same = same && one.symbols_n == two.symbols_n && one.dispositions_n == two.dispositions_n;
        for (int k = 0; same && k < one.symbols_n; k++)
            same = memcmp(&one.symbols[k], &two.symbols[k], sizeof one.symbols[k]) == 0;
        for (int k = 0; same && k < one.dispositions_n; k++)
            same = one.dispositions[k].code == two.dispositions[k].code &&
                   one.dispositions[k].count == two.dispositions[k].count;
        one.symbols = two.symbols = NULL;
        one.dispositions = two.dispositions = NULL;
        same = same && memcmp(&one, &two, sizeof one) == 0;
    }
    return same;
}

static void restart(world *w)
{
    size_t len;
    uint8_t *bytes = snapshot_of(w->eng, &len);
    keel_coordinator_free(&w->eng);
    w->eng = make_engine(w, KEEL_CONFLICT_UNSPECIFIED);
    cr_assert_eq(keel_coordinator_load(w->eng, bytes, len), KEEL_OK);
    keel_free(&bytes);
}

static void check_step(sea *s)
{
    keel_strategy_report report, folded;
    const bool made = keel_coordinator_report(s->worlds[BATCHED]->eng, &report);
    cr_assert_eq(keel_coordinator_report(s->worlds[FOLDED]->eng, &folded), made);
    if (made) {
        check_counts(&report);
        cr_assert_eq(report.decision_seq, s->received);
        cr_assert(same_report(&report, &folded));
    }
    cr_assert_eq(keel_coordinator_report(s->worlds[RESTARTED]->eng, &report), made);
    cr_assert_eq(keel_coordinator_report(s->worlds[SINGLE]->eng, &report), made);
    for (int i = 0; i < N; i++)
        close_step(s->worlds[i]);
    if (!chance(s, 0.1))
        return;
    restart(s->worlds[RESTARTED]);
    cr_assert(same_state(s->worlds[BATCHED]->eng, s->worlds[RESTARTED]->eng));
    cr_assert(same_state(s->worlds[BATCHED]->eng, s->worlds[SINGLE]->eng));
    if (!s->ages)
        cr_assert(same_state(s->worlds[BATCHED]->eng, s->worlds[FOLDED]->eng));
}

static void run(uint64_t seed, bool ages)
{
    sea *s = keel_xcalloc(1, sizeof *s);
    s->rng = keel_rng_seeded(seed);
    s->ages = ages;
    for (int i = 0; i < N; i++)
        s->worlds[i] = make_world(KEEL_CONFLICT_UNSPECIFIED);
    for (int i = 0; i < STRATEGIES; i++)
        s->epochs[i] = EPOCH;
    while (s->received < SIGNALS / 2) {
        for (int i = 0; i < N; i++) {
            tell_row(s->worlds[i]);
            s->worlds[i]->made_n = 0;
        }
        tell_books(s);
        tell_trading(s);
        s->n = 0;
        for (int n = (int)below(s, PER_STEP); n > 0; n--)
            random_receipt(s, s->worlds[0]->step);
        s->received += (uint64_t)s->n;
        decide_step(s);
        plan(s);
        check_step(s);
    }
    cr_expect_gt(s->accepted, SIGNALS / 40, "seed %d: too few to mean anything", (int)seed);
    for (int i = 0; i < N; i++)
        end_world(s->worlds[i]);
    keel_free(&s);
}

Test(random, signals_of_any_age, .timeout = 100)
{
    run(20260701, true);
}

Test(random, signals_without_age_fold_to_the_same_state, .timeout = 100)
{
    run(20260702, false);
}

Test(random, decisions_that_cannot_be_folded_are_refused)
{
    world *w = make_world(KEEL_CONFLICT_UNSPECIFIED),
          *other = make_world(KEEL_CONFLICT_UNSPECIFIED);
    open_step(w);
    open_step(other);
    say(w, "alpha", "a1", "BTC", KEEL_SIDE_LONG);
    decide(w);
    const keel_decision good = w->made[0];
    keel_decision bad[9];
    static const keel_status says[] = {KEEL_EEXIST,   KEEL_EORDER, KEEL_EUNKNOWN,
                                       KEEL_EUNKNOWN, KEEL_EINVAL, KEEL_EINVAL,
                                       KEEL_EINVAL,   KEEL_EINVAL, KEEL_EINVAL};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        bad[i] = good;
    bad[0].decision_seq = 0;
    bad[1].decision_seq = 2;
    snprintf(bad[2].strategy, KEEL_NAME_MAX, "nobody");
    snprintf(bad[3].symbol, KEEL_SYMBOL_MAX, "NONE");
    bad[4].intents[0].version = 2;
    bad[5].intents[0].book[0] = 'x';
    bad[6].intents[0].target_qty_units = -1;
    bad[7].accepted = false;
    bad[8].intents_n = 0;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_expect_eq(keel_coordinator_on_own_decision(other->eng, &bad[i]), says[i], "%zu", i);
    cr_expect_not(same_state(w->eng, other->eng));
    say(other, "beta", "b1", "BTC", KEEL_SIDE_LONG);
    cr_expect_eq(keel_coordinator_on_own_decision(other->eng, &good), KEEL_EREFUSED);
    end_world(w);
    end_world(other);
}
