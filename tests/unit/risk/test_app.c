/* The service risk in the in-process host, between others of a few lines: a coordinator asks in
 * every step and decides what was accepted, risk answers and remembers, and killing risk changes no
 * payload. RL10, PZ06, P1, P2, P7. */
#include "common/base/hash.h"
#include "common/config/config_internal.h"
#include "common/domain/signal.h"
#include "common/service/host.h"
#include "common/wire/wire.h"
#include "services/risk/app.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

enum { N = 3, STEPS = 24, HIDES = 10, SEEN_MAX = 1024 };

#define PRICE   INT64_C(10000000000)   /* 100 at 1e-8 */
#define MILLION INT64_C(1000000000000) /* in micros */

#define YAML                                                                                       \
    "run: {id: t}\n"                                                                               \
    "universe: {bar: 1h, instruments: [{symbol: A}, {symbol: B}, {symbol: C}]}\n"                  \
    "portfolio: {max_positions: 2, correlation_threshold: 0.6, max_portfolio_risk: 1%}\n"          \
    "risk: {base_size: 2%}\n"                                                                      \
    "strategies: {momentum: {max_gross: 0.15}, pairs: {}}\n"                                       \
    "capital: {core: 0.6, momentum: 0.2}\n"

static keel_status open_nothing(keel_service *svc, void *arg, keel_err *err)
{
    (void)svc;
    (void)arg;
    (void)err;
    return KEEL_OK;
}

static void close_nothing(void *arg)
{
    (void)arg;
}

static keel_status on_anything(keel_service *svc, void *arg, const keel_msg *msg)
{
    (void)svc;
    (void)arg;
    (void)msg;
    return KEEL_OK;
}

/* ---- feed, ledger, and two that have nothing to say ---- */

static keel_status feed_step(keel_service *svc, void *arg, uint64_t step)
{
    static const int64_t closes[N] = {PRICE, PRICE, PRICE};
    const int64_t bar_ns = keel_service_settings(svc)->bar_ns;
    const keel_bar_row row = {.universe_hash = keel_service_universe(svc)->hash,
                              .close_ns = (int64_t)step * bar_ns,
                              .bar_ns = bar_ns,
                              .n = N,
                              .close_units = closes};
    size_t cap = 0, len = 0;
    (void)arg;
    if (step > STEPS)
        return KEEL_EEND;
    keel_service_set_event_ns(svc, row.close_ns);
    uint8_t *buf = keel_service_scratch(svc, &cap);
    KEEL_TRY(keel_wire_put_bar_row(&row, buf, cap, &len));
    return keel_service_publish(svc, KEEL_TOPIC_ROW, NULL, buf, len);
}

static keel_status ledger_step(keel_service *svc, void *arg, uint64_t step)
{
    size_t cap = 0, len = 0;
    keel_book books[2] = {{.book = "core", .cash_micros = 800000, .equity_micros = 800000},
                          {.book = "momentum", .cash_micros = 200000, .equity_micros = 200000}};
    const keel_portfolio_state state = {.portfolio = "main",
                                        .universe_hash = keel_service_universe(svc)->hash,
                                        .as_of_ns = keel_service_event_ns(svc),
                                        .cash_micros = MILLION,
                                        .equity_micros = MILLION,
                                        .peak_equity_micros = MILLION,
                                        .initial_micros = MILLION,
                                        .books_n = 2,
                                        .books = books,
                                        .fills = step};
    (void)arg;
    for (int b = 0; b < 2; b++)
        books[b].cash_micros = books[b].equity_micros *= MILLION / 1000000;
    uint8_t *buf = keel_service_scratch(svc, &cap);
    KEEL_TRY(keel_wire_put_portfolio_state(&state, buf, cap, &len));
    return keel_service_publish(svc, KEEL_TOPIC_PORTFOLIO, NULL, buf, len);
}

static const keel_cfg_row no_cfg[] = {KEEL_CFG_END};
static const keel_line feed_line[] = {{"strategy-coordinator", -1, false, NULL, false},
                                      {NULL, 0, false, NULL, false}};
static const keel_line row_line[] = {{"feed", 0, false, NULL, false},
                                     {NULL, 0, false, NULL, false}};
static const keel_topic feed_pubs[] = {KEEL_TOPIC_ROW, KEEL_TOPIC_COUNT};
static const keel_topic ledger_pubs[] = {KEEL_TOPIC_PORTFOLIO, KEEL_TOPIC_COUNT};
static const keel_topic no_pubs[] = {KEEL_TOPIC_COUNT};
static const keel_sub no_subs[] = {{0, NULL}};
static const keel_sub row_subs[] = {{KEEL_TOPIC_ROW, on_anything}, {0, NULL}};

#define PLAIN(is, its_line, its_subs, its_pubs)                                                    \
    .name = is, .app_size = 8, .cfg = no_cfg, .line = its_line, .subs = its_subs,                  \
    .pubs = its_pubs, .request_topic = KEEL_TOPIC_COUNT, .base_topic = KEEL_TOPIC_COUNT,           \
    .open = open_nothing, .close = close_nothing

static const keel_service_spec feed = {PLAIN("feed", feed_line, no_subs, feed_pubs),
                                       .is_source = true, .on_step = feed_step,
                                       .recall = feed_step};
static const keel_service_spec ledger = {PLAIN("ledger", row_line, row_subs, ledger_pubs),
                                         .on_step = ledger_step};
static const keel_service_spec correlation = {PLAIN("correlation", row_line, row_subs, no_pubs)};
static const keel_service_spec optimizer = {PLAIN("optimizer", row_line, row_subs, no_pubs)};

/* ---- the coordinator: one question in each step; step HIDES lists nothing that stands ---- */

typedef struct deciding {
    uint64_t decided;
    bool is_asked, is_answered;
    uint64_t question; /* hash of its payload */
    keel_risk_check check;
    keel_standing standing[N];
    int standing_n;
    keel_risk_answer answer;
} deciding;

static keel_reason_code reasons[STEPS + 1]; /* of the answers, by step */
static int64_t sizes[STEPS + 1];

static keel_status gather(keel_service *svc, void *arg, uint64_t step, bool *any)
{
    deciding *d = arg;
    (void)svc;
    (void)step;
    (void)any;
    d->is_asked = d->is_answered = false;
    return KEEL_OK;
}

static keel_status ask(keel_service *svc, deciding *d, uint64_t step)
{
    size_t cap = 0, len = 0;
    uint8_t *buf = keel_service_scratch(svc, &cap);
    d->check = (keel_risk_check){.strategy = "momentum",
                                 .instrument = (int)(step % N),
                                 .side = step % 4 == 0 ? KEEL_SIDE_SHORT : KEEL_SIDE_LONG,
                                 .entry_units = PRICE,
                                 .stop_units = step % 4 == 0 ? PRICE / 10 * 11 : PRICE / 10 * 9,
                                 .confidence_frac = 0.9};
    snprintf(d->check.signal_id, sizeof d->check.signal_id, "s%d", (int)step);
    const keel_risk_check_request request = {.portfolio = "main",
                                             .decision_seq = d->decided,
                                             .checks_n = 1,
                                             .checks = &d->check,
                                             .standing_n = step == HIDES ? 0 : d->standing_n,
                                             .standing = d->standing};
    KEEL_TRY(keel_wire_put_risk_check_request(&request, buf, cap, &len));
    d->is_asked = true;
    d->question = keel_hash(buf, len);
    return keel_service_publish(svc, KEEL_TOPIC_CHECK, NULL, buf, len);
}

/* Ascending by instrument; one book. */
static void keep_standing(deciding *d, const keel_intent *intent)
{
    int at = 0;
    while (at < d->standing_n && d->standing[at].instrument < intent->instrument)
        at++;
    if (at == d->standing_n || d->standing[at].instrument != intent->instrument) {
        memmove(&d->standing[at + 1], &d->standing[at],
                (size_t)(d->standing_n - at) * sizeof d->standing[0]);
        d->standing_n++;
    }
    d->standing[at] = (keel_standing){.book = "momentum",
                                      .instrument = intent->instrument,
                                      .target_qty_units = intent->target_qty_units,
                                      .version = intent->version,
                                      .entry_units = PRICE,
                                      .stop_units = intent->stop_units};
}

static keel_status tell(keel_service *svc, deciding *d)
{
    size_t cap = 0, len = 0;
    uint8_t *buf = keel_service_scratch(svc, &cap);
    keel_decision decision = {.strategy = "momentum",
                              .epoch_ns = 1,
                              .seq = d->decided + 1,
                              .decision_seq = d->decided + 1,
                              .accepted = d->answer.accepted,
                              .reason = d->answer.reason,
                              .intents_n = d->answer.accepted,
                              .priority = KEEL_PRIORITY_MEDIUM,
                              .policy = KEEL_CONFLICT_FIRST_IN_FIRST_OUT,
                              .side = d->check.side,
                              .route = d->answer.accepted ? KEEL_ROUTE_MARKET_NEXT_ROW
                                                          : KEEL_ROUTE_NONE};
    memcpy(decision.signal_id, d->check.signal_id, sizeof decision.signal_id);
    keel_reason_set(&decision.priority_reason, KEEL_REASON_ACCEPTED, "all alike");
    decision.intents[0] = (keel_intent){.book = "momentum",
                                        .instrument = d->check.instrument,
                                        .target_qty_units = d->answer.qty_units,
                                        .version = decision.decision_seq,
                                        .stop_units = d->check.stop_units};
    d->decided++;
    if (d->answer.accepted)
        keep_standing(d, &decision.intents[0]);
    KEEL_TRY(keel_wire_put_decision(&decision, buf, cap, &len));
    return keel_service_publish(svc, KEEL_TOPIC_DECISION, NULL, buf, len);
}

static keel_status decide(keel_service *svc, void *arg, uint64_t step)
{
    deciding *d = arg;
    if (!d->is_asked)
        KEEL_TRY(ask(svc, d, step));
    if (!d->is_answered)
        return KEEL_EUNAVAIL;
    return tell(svc, d);
}

static keel_status on_verdict(keel_service *svc, void *arg, const keel_msg *msg)
{
    deciding *d = arg;
    keel_risk_verdict verdict;
    KEEL_TRY(keel_wire_get_risk_verdict(keel_service_arena(svc), msg->data, msg->len, &verdict));
    cr_expect_eq(verdict.request_step, msg->step);
    cr_expect_eq(verdict.request_hash, d->question);
    cr_assert_eq(verdict.answers_n, 1);
    cr_expect_str_eq(verdict.answers[0].signal_id, d->check.signal_id);
    d->answer = verdict.answers[0];
    d->is_answered = true;
    reasons[msg->step] = d->answer.reason.code;
    sizes[msg->step] = d->answer.qty_units;
    return KEEL_OK;
}

static const keel_line line[] = {{"feed", 0, false, NULL, false},
                                 {"ledger", 0, false, NULL, false},
                                 {"risk", 0, false, NULL, false},
                                 {NULL, 0, false, NULL, false}};
static const keel_topic pubs[] = {KEEL_TOPIC_DECISION, KEEL_TOPIC_CHECK, KEEL_TOPIC_COUNT};
static const keel_sub calls[] = {{KEEL_TOPIC_VERDICT, on_verdict}, {0, NULL}};
static const keel_desk desk = {.gather = gather, .decide = decide, .calls = calls};
static const keel_service_spec coordinator = {.name = "strategy-coordinator",
                                              .app_size = sizeof(deciding),
                                              .cfg = no_cfg,
                                              .line = line,
                                              .subs = row_subs,
                                              .pubs = pubs,
                                              .request_topic = KEEL_TOPIC_COUNT,
                                              .base_topic = KEEL_TOPIC_COUNT,
                                              .open = open_nothing,
                                              .close = close_nothing,
                                              .desk = &desk};

/* ---- the world ---- */

typedef struct seen {
    keel_topic topic;
    uint64_t step, hash;
    uint32_t index;
} seen;

static seen list[SEEN_MAX];
static int list_n, differs, halted;
static keel_arena arena;
static keel_universe universe;
static keel_settings settings;

static void note_trading(const keel_envelope *e)
{
    keel_trading_state state;
    cr_assert_eq(keel_wire_get_trading_state(&arena, e->payload, e->payload_len, &state), KEEL_OK);
    halted += state.strategies_n == 1 && strcmp(state.strategies[0].name, "momentum") == 0;
}

static void tap(void *arg, const char *service, const char *topic, const uint8_t *frame, size_t len)
{
    keel_envelope e;
    keel_topic id;
    (void)arg;
    (void)service;
    keel_arena_reset(&arena);
    cr_assert_eq(keel_topic_find(topic, strlen(topic), &id), KEEL_OK);
    if (keel_topic_describe(id)->topic_class == KEEL_CLASS_CONTROL)
        return;
    cr_assert_eq(keel_wire_get_envelope(&arena, frame, len, &e), KEEL_OK);
    const seen one = {id, e.step, keel_hash(e.payload, e.payload_len), e.index};
    for (int k = 0; k < list_n; k++)
        if (list[k].topic == id && list[k].step == e.step && list[k].index == e.index) {
            differs += list[k].hash != one.hash;
            return;
        }
    cr_assert_lt(list_n, SEEN_MAX);
    list[list_n++] = one;
    if (id == KEEL_TOPIC_TRADING)
        note_trading(&e);
}

static int count_of(keel_topic topic)
{
    int n = 0;
    for (int k = 0; k < list_n; k++)
        n += list[k].topic == topic;
    return n;
}

static keel_config *load(void)
{
    keel_err err = {0};
    keel_config *config = config_new();
    cr_assert_eq(config_add_yaml(config, "t.yaml", (const uint8_t *)YAML, strlen(YAML), &err),
                 KEEL_OK, "%s", err.text);
    cr_assert_eq(keel_settings_load(config, &settings, &universe, &err), KEEL_OK, "%s", err.text);
    return config;
}

static keel_host *start(const keel_config *config)
{
    static const keel_service_spec *const specs[] = {&feed,      &ledger,         &correlation,
                                                     &optimizer, &keel_risk_spec, &coordinator};
    keel_err err = {0};
    const keel_host_cfg cfg = {.specs = specs,
                               .specs_n = 6,
                               .config = config,
                               .settings = &settings,
                               .universe = &universe,
                               .tap = tap,
                               .epoch_ns = 1,
                               .snapshot_steps = 4};
    list_n = differs = halted = 0;
    keel_host *host = keel_host_new(&cfg, &err);
    cr_assert_not_null(host, "%s", err.text);
    return host;
}

/* Kill risk after every `every` steps, somewhere inside the next one. 0 = never. */
static void run(keel_host *host, uint64_t every)
{
    keel_err err = {0};
    uint64_t kills = 0;
    for (int turn = 0; every > 0 && turn < 100000 && (kills + 1) * every < STEPS; turn++) {
        keel_host_turn(host);
        if (keel_host_done(host, "risk") < (kills + 1) * every)
            continue;
        for (uint64_t more = 0; more < kills; more++)
            keel_host_turn(host);
        keel_host_kill(host, "risk");
        cr_assert_eq(keel_host_start(host, "risk", &err), KEEL_OK, "%s", err.text);
        kills++;
    }
    cr_assert_eq(keel_host_run(host, 1000000), KEEL_EEND);
    cr_assert(every == 0 || kills > 1);
}

Test(app, answers_by_the_configuration_and_remembers_what_was_decided)
{
    keel_arena_init(&arena, 1 << 22);
    keel_config *config = load();
    keel_host *host = start(config);
    run(host, 0);
    cr_expect_eq(count_of(KEEL_TOPIC_CHECK), STEPS);
    cr_expect_eq(count_of(KEEL_TOPIC_VERDICT), STEPS);
    cr_expect_eq(count_of(KEEL_TOPIC_DECISION), STEPS);
    /* 2 % of a million at 100, confidence 0.9: 180 pieces; then what 30,000 leave */
    cr_expect_eq(sizes[1], INT64_C(18000000000));
    cr_expect_eq(sizes[2], INT64_C(12000000000));
    cr_expect_eq(reasons[3], KEEL_REASON_BUDGET_EXHAUSTED);
    cr_expect_eq(reasons[HIDES], KEEL_REASON_INPUT_HASH_MISMATCH);
    cr_expect_eq(reasons[HIDES + 1], KEEL_REASON_ACCEPTED); /* the next question is whole again */
    cr_expect_eq(keel_host_counted(host, "risk", "checks_accepted") +
                     keel_host_counted(host, "risk", "checks_refused"),
                 (uint64_t)STEPS);
    keel_host_free(&host);
    keel_config_free(&config);
    keel_arena_fini(&arena);
}

Test(app, killing_risk_changes_no_payload)
{
    static seen whole[SEEN_MAX];
    keel_arena_init(&arena, 1 << 22);
    keel_config *config = load();
    keel_host *host = start(config);
    run(host, 0);
    keel_host_free(&host);
    const int whole_n = list_n;
    memcpy(whole, list, sizeof whole);
    for (uint64_t every = 2; every <= 7; every += 5) {
        host = start(config);
        run(host, every);
        keel_host_free(&host);
        cr_expect_eq(differs, 0, "every %lu", every);
        cr_expect_eq(list_n, whole_n);
        for (int k = 0; k < whole_n; k++) {
            bool found = false;
            for (int j = 0; j < list_n; j++)
                found =
                    found || (list[j].topic == whole[k].topic && list[j].step == whole[k].step &&
                              list[j].index == whole[k].index && list[j].hash == whole[k].hash);
            cr_expect(found, "every %lu: topic %d of step %lu", every, (int)whole[k].topic,
                      whole[k].step);
        }
    }
    keel_config_free(&config);
    keel_arena_fini(&arena);
}

Test(app, a_halt_of_one_strategy_is_taken_and_named)
{
    keel_arena_init(&arena, 1 << 22);
    keel_config *config = load();
    keel_host *host = start(config);
    keel_request request = {.service = "risk",
                            .requester = "cli",
                            .deadline_ms = 1000,
                            .ask = KEEL_ASK_HALT,
                            .reason = "too wild",
                            .operator_name = "ann",
                            .strategy = "momentum"};
    for (int turn = 0; turn < 100000 && keel_host_done(host, "risk") < 5; turn++)
        keel_host_turn(host);
    keel_host_ask(host, &request);
    strcpy(request.strategy, "nobody");
    keel_host_ask(host, &request);
    run(host, 0);
    cr_expect_gt(halted, 10);
    cr_expect_eq(reasons[STEPS], KEEL_REASON_NOT_TRADING);
    cr_expect_eq(keel_host_counted(host, "risk", "requests_taken"), 1u);
    cr_expect_eq(keel_host_counted(host, "risk", "stops"), 0u);
    keel_host_free(&host);
    keel_config_free(&config);
    keel_arena_fini(&arena);
}
