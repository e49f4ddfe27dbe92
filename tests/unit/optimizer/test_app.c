/* The services correlation and optimizer in the in-process host, between a feed and a ledger of a
 * few lines: what they publish, from which inputs, and that killing them changes no payload. */
#include "common/base/hash.h"
#include "common/base/rng.h"
#include "common/config/config_internal.h"
#include "common/service/host.h"
#include "common/wire/wire.h"
#include "services/correlation/app.h"
#include "services/optimizer/app.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { N = 5, STEPS = 60, SEEN_MAX = 4096, SEED = 11 };

#define YAML                                                                                       \
    "run: {id: t}\n"                                                                               \
    "universe: {bar: 1h, instruments: [{symbol: A, sector: X}, {symbol: B, sector: Y}, "           \
    "{symbol: C, sector: X}, {symbol: D, sector: Y}, {symbol: E, sector: X}]}\n"                   \
    "portfolio: {max_positions: 4, correlation_window: 2}\n"                                       \
    "capital: {core: 0.6, momentum: 0.2}\n"

/* ---- a feed and a ledger ---- */

typedef struct feed_app {
    keel_rng rng;
    double log_price[N];
} feed_app;

static keel_status feed_open(keel_service *svc, void *arg, keel_err *err)
{
    feed_app *a = arg;
    (void)svc;
    (void)err;
    a->rng = keel_rng_seeded(SEED);
    return KEEL_OK;
}

static keel_status ledger_open(keel_service *svc, void *arg, keel_err *err)
{
    (void)svc;
    (void)arg;
    (void)err;
    return KEEL_OK;
}

static void no_close(void *arg)
{
    (void)arg;
}

static keel_status feed_step(keel_service *svc, void *arg, uint64_t step)
{
    feed_app *a = arg;
    const keel_settings *settings = keel_service_settings(svc);
    int64_t closes[N];
    size_t cap = 0, len = 0;
    if (step > STEPS)
        return KEEL_EEND;
    for (int i = 0; i < N; i++) {
        a->log_price[i] += 0.01 * (i + 1) * keel_rng_normal(&a->rng);
        closes[i] = (int64_t)llround(1e10 * exp(a->log_price[i]));
    }
    const bool gap = step == 30;
    if (gap)
        closes[2] = 0;
    const keel_bar_row row = {.universe_hash = keel_service_universe(svc)->hash,
                              .close_ns = (int64_t)step * settings->bar_ns,
                              .bar_ns = settings->bar_ns,
                              .n = N,
                              .close_units = closes,
                              .missing = gap};
    keel_service_set_event_ns(svc, row.close_ns);
    uint8_t *buf = keel_service_scratch(svc, &cap);
    KEEL_TRY(keel_wire_put_bar_row(&row, buf, cap, &len));
    return keel_service_publish(svc, KEEL_TOPIC_ROW, NULL, buf, len);
}

static const keel_cfg_row no_cfg[] = {KEEL_CFG_END};
/* As the real one waits for the end of the step before: so a kill falls into a step of the run. */
static const keel_line feed_line[] = {{"optimizer", -1, false, NULL}, {NULL, 0, false, NULL}};
static const keel_sub no_subs[] = {{0, NULL}};
static const keel_topic feed_pubs[] = {KEEL_TOPIC_ROW, KEEL_TOPIC_COUNT};
static const keel_service_spec feed_spec = {.name = "feed",
                                            .app_size = sizeof(feed_app),
                                            .cfg = no_cfg,
                                            .line = feed_line,
                                            .subs = no_subs,
                                            .pubs = feed_pubs,
                                            .is_source = true,
                                            .request_topic = KEEL_TOPIC_COUNT,
                                            .open = feed_open,
                                            .close = no_close,
                                            .on_step = feed_step};

static keel_status ledger_step(keel_service *svc, void *arg, uint64_t step)
{
    size_t cap = 0, len = 0;
    keel_book books[3] = {{.book = "core", .cash_micros = 600000, .equity_micros = 600000},
                          {.book = "momentum", .cash_micros = 200000, .equity_micros = 200000},
                          {.book = "reserve", .cash_micros = 200000, .equity_micros = 200000}};
    const keel_portfolio_state state = {.portfolio = "main",
                                        .universe_hash = keel_service_universe(svc)->hash,
                                        .as_of_ns = keel_service_event_ns(svc),
                                        .cash_micros = 1000000,
                                        .equity_micros = 1000000,
                                        .peak_equity_micros = 1000000,
                                        .initial_micros = 1000000,
                                        .books_n = 3,
                                        .books = books,
                                        .fills = step};
    (void)arg;
    uint8_t *buf = keel_service_scratch(svc, &cap);
    KEEL_TRY(keel_wire_put_portfolio_state(&state, buf, cap, &len));
    return keel_service_publish(svc, KEEL_TOPIC_PORTFOLIO, NULL, buf, len);
}

static keel_status take(keel_service *svc, void *arg, const keel_msg *msg)
{
    (void)svc;
    (void)arg;
    (void)msg;
    return KEEL_OK;
}

static const keel_line ledger_line[] = {{"feed", 0, false, NULL}, {NULL, 0, false, NULL}};
static const keel_sub ledger_subs[] = {{KEEL_TOPIC_ROW, take}, {0, NULL}};
static const keel_topic ledger_pubs[] = {KEEL_TOPIC_PORTFOLIO, KEEL_TOPIC_COUNT};
static const keel_service_spec ledger_spec = {.name = "ledger",
                                              .app_size = 8,
                                              .cfg = no_cfg,
                                              .line = ledger_line,
                                              .subs = ledger_subs,
                                              .pubs = ledger_pubs,
                                              .request_topic = KEEL_TOPIC_COUNT,
                                              .open = ledger_open,
                                              .close = no_close,
                                              .on_step = ledger_step};

static const keel_service_spec *const specs[] = {&feed_spec, &ledger_spec, &keel_correlation_spec,
                                                 &keel_optimizer_spec};

/* ---- what was published: one hash for each (topic, step), all of them equal when repeated ---- */

typedef struct seen {
    keel_topic topic;
    uint64_t step, hash;
} seen;

typedef struct record {
    int n;
    bool differs;
    seen list[SEEN_MAX];
    keel_arena arena;
    int applied, warming;
    uint64_t first_applied;
    keel_allocation_proposal last; /* scalars only: the arena is reset */
} record;

static uint64_t hash_at(const record *r, keel_topic topic, uint64_t step)
{
    for (int k = 0; k < r->n; k++)
        if (r->list[k].topic == topic && r->list[k].step == step)
            return r->list[k].hash;
    return 0;
}

static void note_decision(record *r, const keel_envelope *e)
{
    keel_rebalance_decision d;
    cr_assert_eq(keel_wire_get_rebalance_decision(&r->arena, e->payload, e->payload_len, &d),
                 KEEL_OK);
    r->warming += d.reason.code == KEEL_REASON_WARMING_UP;
    r->applied += d.applied;
    if (d.applied && r->first_applied == 0)
        r->first_applied = e->step;
}

static void note_proposal(record *r, const keel_envelope *e)
{
    cr_assert_eq(keel_wire_get_allocation_proposal(&r->arena, e->payload, e->payload_len, &r->last),
                 KEEL_OK);
    cr_expect_eq(r->last.inputs_n, 2);
    cr_expect_eq(r->last.inputs[0].payload_hash,
                 hash_at(r, KEEL_TOPIC_COV, r->last.inputs[0].step));
    cr_expect_eq(r->last.inputs[1].payload_hash,
                 hash_at(r, KEEL_TOPIC_PORTFOLIO, r->last.inputs[1].step));
    cr_expect_eq(r->last.inputs[1].step, e->step);
}

static void tap(void *arg, const char *service, const char *topic, const uint8_t *frame, size_t len)
{
    record *r = arg;
    keel_envelope e;
    keel_topic id;
    (void)service;
    keel_arena_reset(&r->arena);
    cr_assert_eq(keel_topic_find(topic, strlen(topic), &id), KEEL_OK);
    if (keel_topic_describe(id)->topic_class == KEEL_CLASS_CONTROL)
        return;
    cr_assert_eq(keel_wire_get_envelope(&r->arena, frame, len, &e), KEEL_OK);
    const uint64_t hash = keel_hash(e.payload, e.payload_len);
    const uint64_t old = hash_at(r, id, e.step);
    if (old != 0) {
        r->differs = r->differs || old != hash;
        return;
    }
    cr_assert_lt(r->n, SEEN_MAX);
    r->list[r->n++] = (seen){id, e.step, hash};
    if (id == KEEL_TOPIC_REBALANCE)
        note_decision(r, &e);
    if (id == KEEL_TOPIC_ALLOC_PROPOSED)
        note_proposal(r, &e);
}

static int count_of(const record *r, keel_topic topic)
{
    int n = 0;
    for (int k = 0; k < r->n; k++)
        n += r->list[k].topic == topic;
    return n;
}

static keel_universe universe;
static keel_settings settings;

static keel_config *load(const char *more)
{
    char text[2048];
    keel_err err = {0};
    keel_config *config = config_new();
    snprintf(text, sizeof text, "%s%s", YAML, more);
    cr_assert_eq(config_add_yaml(config, "t.yaml", (const uint8_t *)text, strlen(text), &err),
                 KEEL_OK, "%s", err.text);
    cr_assert_eq(keel_settings_load(config, &settings, &universe, &err), KEEL_OK, "%s", err.text);
    return config;
}

static keel_host *start(const keel_config *config, record *r, keel_err *err)
{
    const keel_host_cfg cfg = {.specs = specs,
                               .specs_n = 4,
                               .config = config,
                               .settings = &settings,
                               .universe = &universe,
                               .tap = tap,
                               .tap_arg = r,
                               .epoch_ns = 1,
                               .snapshot_steps = 8};
    return keel_host_new(&cfg, err);
}

/* Kill the two services in turn, each time after so many steps more. */
static void run_with_kills(keel_host *host, uint64_t steps)
{
    keel_err err = {0};
    int kills = 0;
    for (int turn = 0; turn < 100000 && (uint64_t)(kills + 1) * steps < STEPS; turn++) {
        const char *victim = kills % 2 == 0 ? "optimizer" : "correlation";
        keel_host_turn(host);
        if (keel_host_done(host, "optimizer") < (uint64_t)(kills + 1) * steps)
            continue;
        keel_host_kill(host, victim);
        cr_assert_eq(keel_host_start(host, victim, &err), KEEL_OK, "%s", err.text);
        kills++;
    }
    cr_expect_geq((uint64_t)(kills + 1) * steps, (uint64_t)STEPS);
}

static record *run(const char *more, int kill_every)
{
    keel_err err = {0};
    record *r = keel_xcalloc(1, sizeof *r);
    keel_arena_init(&r->arena, 1 << 22);
    keel_config *config = load(more);
    keel_host *host = start(config, r, &err);
    cr_assert_not_null(host, "%s", err.text);
    if (kill_every > 0)
        run_with_kills(host, (uint64_t)kill_every);
    cr_assert_eq(keel_host_run(host, 1000000), KEEL_EEND);
    cr_expect_eq(keel_host_done(host, "optimizer"), (uint64_t)STEPS);
    keel_host_free(&host);
    keel_config_free(&config);
    keel_arena_fini(&r->arena);
    return r;
}

Test(app, decides_every_step_and_proposes_with_true_references)
{
    record *r = run("", 0);
    cr_expect_eq(count_of(r, KEEL_TOPIC_REBALANCE), STEPS);
    cr_expect_eq(count_of(r, KEEL_TOPIC_COV), STEPS - 11); /* 10 rows to warm, one gap */
    cr_expect_eq(count_of(r, KEEL_TOPIC_CORR), count_of(r, KEEL_TOPIC_COV));
    cr_expect_eq(r->warming, 10);
    cr_expect_eq(r->first_applied, 11u);
    cr_expect_eq(r->applied, STEPS - 10); /* this ledger never fills: drift proposes each step */
    cr_expect_eq(count_of(r, KEEL_TOPIC_ALLOC_PROPOSED), r->applied);
    cr_expect_eq(count_of(r, KEEL_TOPIC_CAPITAL_PROPOSED), 3); /* first, and two midnights */
    cr_expect_eq(r->last.method, KEEL_METHOD_MIN_VARIANCE);
    cr_expect_eq(r->last.certificate.kind, KEEL_CERTIFICATE_OPTIMAL);
    keel_free(&r);
}

/* P1, P2: killed at any turn, the two services publish what they would have published. */
Test(app, crashes_change_no_payload)
{
    record *whole = run("", 0);
    for (int kill_every = 3; kill_every <= 11; kill_every += 4) {
        record *r = run("", kill_every);
        cr_expect(!r->differs, "kill every %d", kill_every);
        cr_expect_eq(r->n, whole->n);
        for (int k = 0; k < r->n; k++)
            cr_expect_eq(r->list[k].hash, hash_at(whole, r->list[k].topic, r->list[k].step));
        keel_free(&r);
    }
    keel_free(&whole);
}

/* CF09, RB07, UN07, OP19 through the configuration. */
Test(app, configuration_reaches_the_engine)
{
    const struct {
        const char *yaml;
        keel_method method;
        const char *says;
        int constraints;
        double cash;
    } cases[] = {
        {"optimizer: {method: equal_weight, cash_min: 10%}\n", KEEL_METHOD_EQUAL_WEIGHT, "", 1, .1},
        {"optimizer: {sectors: {X: [0.2, 0.5], Y: [0, 60%]}, bounds: {A: [0, 0.05]}}\n",
         KEEL_METHOD_MIN_VARIANCE, "", 3, 0},
        {"optimizer: {method: static, weights: {A: 0.3, C: 0.2}}\n", KEEL_METHOD_STATIC, "", 1, .5},
        {"advanced_portfolio: {core_settings: {enable_correlation: false}}\n",
         KEEL_METHOD_INVERSE_VOLATILITY, "enable_correlation is false", 1, 0},
        {"advanced_portfolio: {core_settings: {enable_optimization: false}}\n", KEEL_METHOD_STATIC,
         "enable_optimization is false", 1, 0},
    };
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        record *r = run(cases[k].yaml, 0);
        cr_expect_eq(r->last.method, cases[k].method, "case %zu", k);
        cr_expect_not_null(strstr(r->last.reason.text, cases[k].says), "case %zu: %s", k,
                           r->last.reason.text);
        cr_expect_eq(r->last.constraints_n, cases[k].constraints, "case %zu", k);
        cr_expect_float_eq(r->last.cash_frac, cases[k].cash, 1e-9, "case %zu", k);
        keel_free(&r);
    }
    record *quiet = run("optimizer: {apply: false}\n", 0);
    cr_expect_eq(count_of(quiet, KEEL_TOPIC_ALLOC_PROPOSED), 0);
    cr_expect_eq(count_of(quiet, KEEL_TOPIC_CAPITAL_PROPOSED), 1);
    cr_expect_eq(quiet->applied, 0);
    keel_free(&quiet);
}

Test(app, configuration_that_cannot_be_is_refused_by_name)
{
    const struct {
        const char *yaml, *names;
    } cases[] = {
        {"optimizer: {bounds: {Z: [0, 1]}}\n", "Z"},
        {"optimizer: {bounds: {A: 0.5}}\n", "A"},
        {"optimizer: {bounds: {A: [0.5, 0.4]}}\n", "optimizer.bounds.A"},
        {"optimizer: {sectors: {Q: [0, 1]}}\n", "Q"},
        {"optimizer: {weight_max: 10%}\n", "weight_max"},
        {"optimizer: {method: static, weights: {A: 0.9}}\n", "A"},
        {"optimizer: {method: markowitz}\n", "optimizer.method"},
        {"optimizer: {covariance_age_max: 8}\n", "optimizer.covariance_age_max"},
        {"correlation: {rows_min: 49}\n", "correlation.rows_min"},
        {"correlation: {lambda: 1}\n", "correlation.lambda"},
    };
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        keel_err err = {0};
        record *r = keel_xcalloc(1, sizeof *r);
        keel_config *config = load(cases[k].yaml);
        keel_host *host = start(config, r, &err);
        cr_expect_null(host, "case %zu", k);
        cr_expect_not_null(strstr(err.text, cases[k].names), "case %zu: %s", k, err.text);
        keel_host_free(&host);
        keel_config_free(&config);
        keel_free(&r);
    }
}
