/* G4: which signal_ids are known, for how long, and what they cost (NU05). */
#include "services/strategy-coordinator/engine/coordinator_internal.h"
#include "tests/unit/strategy-coordinator/fixture.h"

#include "common/base/rng.h"

#include <malloc.h>

static const coordinator_age no_age = {0, 0};

Test(ids, are_found_until_as_many_newer_ones_came)
{
    coordinator_ids ids;
    coordinator_ids_init(&ids, 3);
    cr_assert_eq(ids.cap, KEEL_OUTBOX_MAX);
    keel_rng rng = keel_rng_seeded(7);
    enum { N = 20000 };
    static uint64_t hashes[N];
    for (int i = 0; i < N; i++) { /* clustered: long runs in the index, and holes in them */
        hashes[i] = i % 3 == 0 ? keel_rng_u64(&rng) : (UINT64_C(77) << 40) + (uint64_t)i;
        coordinator_ids_add(&ids, 1, hashes[i], (uint64_t)i + 1, no_age);
        if (i % 997 != 0)
            continue;
        for (int k = 0; k <= i; k++)
            cr_assert_eq(coordinator_ids_find(&ids, 1, hashes[k]),
                         k + KEEL_OUTBOX_MAX > i ? (uint64_t)k + 1 : 0, "%d of %d", k, i);
    }
    cr_expect_eq(coordinator_ids_find(&ids, 0, hashes[N - 1]), 0); /* of another strategy */
    cr_expect_eq(coordinator_ids_find(&ids, 2, hashes[N - 1]), 0);
    coordinator_ids_fini(&ids);
}

Test(ids, share_one_budget)
{
    static const int strategies[] = {1, 97, 98, 100, 509};
    static const uint32_t each[] = {4096, 4096, 4081, 4000, 785};
    for (size_t i = 0; i < sizeof each / sizeof each[0]; i++) {
        coordinator_ids ids;
        coordinator_ids_init(&ids, strategies[i]);
        cr_expect_eq(ids.cap, each[i]);
        cr_expect_leq((int)ids.cap * strategies[i], KEEL_COORDINATOR_IDS_MAX);
        coordinator_ids_fini(&ids);
    }
}

/* n signals of an unknown symbol, each derived from the open row or valid until `until`. */
static void flood(world *w, int n, bool of_row, int64_t until)
{
    for (int i = 0; i < n; i++) {
        char id[32];
        snprintf(id, sizeof id, "flood %d of %d", i, (int)w->step);
        keel_signal s = signal_of(w, "alpha", id, "NONE", KEEL_SIDE_LONG);
        s.row_step = of_row ? w->step : 0;
        s.valid_until_ns = until;
        decide_one(w, &s);
    }
}

Test(ids, older_than_what_is_remembered_are_expired)
{
    world *w = make_world(KEEL_CONFLICT_UNSPECIFIED);
    for (int i = 0; i < 3; i++) {
        open_step(w);
        close_step(w);
    }
    open_step(w);
    keel_signal old = signal_of(w, "alpha", "old", "BTC", KEEL_SIDE_LONG);
    old.row_step = 3;
    cr_assert(decide_one(w, &old)->accepted);
    flood(w, 10, true, 0);
    old.seq = ++w->seqs[1];
    cr_expect_eq(decide_one(w, &old)->reason.code, KEEL_REASON_DUPLICATE);
    flood(w, KEEL_OUTBOX_MAX, true, 0); /* "old" is forgotten, and so are some of row 4 */
    old.seq = ++w->seqs[1];
    cr_expect_eq(decide_one(w, &old)->reason.code, KEEL_REASON_EXPIRED);
    cr_expect_not_null(strstr(w->made[0].reason.text, "row_step 3"));
    keel_signal fresh = signal_of(w, "alpha", "fresh", "BTC", KEEL_SIDE_LONG);
    fresh.row_step = 4; /* the present row's are always taken */
    cr_expect(decide_one(w, &fresh)->accepted);
    keel_signal beta = signal_of(w, "beta", "old", "BTC", KEEL_SIDE_LONG);
    beta.row_step = 3; /* another strategy forgot nothing */
    cr_expect(decide_one(w, &beta)->accepted);
    end_world(w);
}

Test(ids, are_expired_by_their_validity_where_no_row_is_told)
{
    world *w = make_world(KEEL_CONFLICT_UNSPECIFIED);
    open_step(w);
    flood(w, KEEL_OUTBOX_MAX + 64, false, time_of(5));
    keel_signal s = signal_of(w, "alpha", "earlier", "BTC", KEEL_SIDE_LONG);
    s.valid_until_ns = time_of(4);
    cr_expect_eq(decide_one(w, &s)->reason.code, KEEL_REASON_EXPIRED);
    s = signal_of(w, "alpha", "as late", "BTC", KEEL_SIDE_LONG);
    s.valid_until_ns = time_of(5);
    cr_expect(decide_one(w, &s)->accepted);
    s = signal_of(w, "alpha", "ageless", "BTC", KEEL_SIDE_LONG);
    cr_expect(decide_one(w, &s)->accepted);
    end_world(w);
}

/* 100 strategies, 100 instruments, every id known, 1,000 active signals. */
typedef struct crowd {
    keel_universe universe;
    keel_coordinator_strategy strategies[100];
    keel_coordinator *eng;
} crowd;

static void fill_names(crowd *c)
{
    snprintf(c->universe.id, sizeof c->universe.id, "main");
    c->universe.n = 100;
    for (int i = 0; i < 100; i++) {
        keel_instrument *it = &c->universe.instruments[i];
        snprintf(it->symbol, sizeof it->symbol, "SYM%02d", i);
        snprintf(it->currency, sizeof it->currency, "USD");
        it->price_exp = 4;
        it->lot_units = 1;
        it->session = KEEL_SESSION_CONTINUOUS;
        snprintf(c->strategies[i].name, KEEL_NAME_MAX, "strategy%02d", i);
        c->strategies[i].active = true;
    }
    cr_assert_eq(keel_universe_seal(&c->universe, NULL), KEEL_OK);
}

static void begin_crowd(crowd *c)
{
    static int64_t closes[100];
    for (int i = 0; i < 100; i++)
        closes[i] = PRICE_UNITS;
    const keel_bar_row row = {.universe_hash = c->universe.hash,
                              .close_ns = HOUR_NS,
                              .bar_ns = HOUR_NS,
                              .n = 100,
                              .close_units = closes};
    const keel_trading_state trading = {.portfolio = "main", .mode = KEEL_TRADING_ACTIVE};
    const keel_coordinator_cfg cfg = {.universe = &c->universe,
                                      .portfolio = "main",
                                      .strategies_n = 100,
                                      .strategies = c->strategies};
    c->eng = keel_coordinator_new(&cfg, NULL);
    cr_assert_eq(keel_coordinator_on_row(c->eng, &row, 1), KEEL_OK);
    cr_assert_eq(keel_coordinator_on_trading(c->eng, &trading), KEEL_OK);
}

static void speak(crowd *c, int strategy, uint64_t seq, const char *symbol)
{
    keel_signal s = {.seq = seq, .epoch_ns = 1, .side = KEEL_SIDE_LONG};
    keel_receipt receipt = {.epoch_ns = 1, .seq = seq};
    memcpy(s.strategy, c->strategies[strategy].name, sizeof s.strategy);
    memcpy(receipt.strategy, s.strategy, sizeof receipt.strategy);
    snprintf(s.signal_id, sizeof s.signal_id, "%d", (int)seq);
    snprintf(s.symbol, sizeof s.symbol, "%s", symbol);
    cr_assert_eq(keel_coordinator_on_receipt(c->eng, &receipt, &s), KEEL_OK);
}

static void decide_crowd(crowd *c)
{
    static keel_risk_answer answers[KEEL_CHECKS_MAX];
    keel_coordinator_out out;
    do {
        cr_assert_eq(keel_coordinator_decide(c->eng, 1, &out), KEEL_OK);
        for (int i = 0; out.has_question && i < out.question.checks_n; i++) {
            memcpy(answers[i].signal_id, out.question.checks[i].signal_id, KEEL_SIGNAL_ID_MAX);
            answers[i].accepted = true;
            answers[i].reason.code = KEEL_REASON_ACCEPTED;
            answers[i].qty_units = 1;
        }
        const keel_risk_verdict verdict = {
            .portfolio = "main", .answers_n = out.question.checks_n, .answers = answers};
        if (out.has_question)
            cr_assert_eq(keel_coordinator_on_verdict(c->eng, &verdict), KEEL_OK);
    } while (out.next != KEEL_COORDINATOR_DONE);
}

static void fill_crowd(crowd *c)
{
    for (int s = 0; s < 100; s++) {
        for (uint64_t seq = 1; seq <= 4000; seq++)
            speak(c, s, seq, "NONE");
        decide_crowd(c);
    }
    for (int i = 0; i < 1000; i++) {
        char symbol[KEEL_SYMBOL_MAX];
        snprintf(symbol, sizeof symbol, "SYM%02d", i / 100 * 7);
        speak(c, i % 100, 4001 + (uint64_t)i / 100, symbol);
    }
    decide_crowd(c);
}

static size_t allocated(void)
{
    const struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

Test(ids, of_100_strategies_stay_below_10_mb_and_fit_a_snapshot)
{
    crowd *c = keel_xcalloc(1, sizeof *c);
    fill_names(c);
    const size_t before = allocated();
    begin_crowd(c);
    const size_t at_start = allocated() - before;
    fill_crowd(c);
    cr_expect_eq(allocated() - before, at_start, "memory is taken after new");
    if (allocated() > 0) /* a sanitizer's allocator does not tell */
        cr_expect_lt(at_start, 10u * 1000 * 1000);
    keel_coordinator_view view;
    cr_assert_eq(keel_coordinator_on_step(c->eng, 1, &view), KEEL_OK);
    cr_expect_eq(view.standing, 1000);
    cr_expect_eq(view.decision_seq, 401000);
    size_t len;
    uint8_t *bytes = snapshot_of(c->eng, &len);
    cr_expect_lt(len, (size_t)KEEL_COORDINATOR_SAVE_MAX);
    keel_coordinator *restored = c->eng;
    begin_crowd(c);
    cr_assert_eq(keel_coordinator_load(c->eng, bytes, len), KEEL_OK);
    cr_expect(same_state(restored, c->eng));
    keel_free(&bytes);
    keel_coordinator_free(&restored);
    keel_coordinator_free(&c->eng);
    keel_free(&c);
}
