#include "services/risk/app.h"

#include "common/base/text.h"
#include "common/service/settings.h"
#include "common/wire/wire.h"
#include "services/risk/engine/check.h"
#include "services/risk/engine/risk.h"

#include <string.h>

typedef struct app {
    double max_weight;
    double cash_min;
    double box_frac;
    double base_size;
    int64_t re_arm_ns;
    int max_input_age;
    keel_risk *engine;  /* owned, from open_app() to close_app() */
    keel_risk_out *out; /* owned; too large for a stack */
} app;

static const keel_cfg_row cfg[] = {
    {KEEL_CFG_T_FRAC, "risk.max_weight", offsetof(app, max_weight), "0.35", "0.001", "1", "",
     "largest weight of one instrument in core"},
    {KEEL_CFG_T_FRAC, "risk.cash_min", offsetof(app, cash_min), "0", "0", "0.95", "",
     "share of core that stays cash"},
    {KEEL_CFG_T_TREE, "risk.sectors", 0, NULL, NULL, NULL, "",
     "{SECTOR: [lo, hi]}: band that the proposal must name and keep"},
    {KEEL_CFG_T_FRAC, "risk.box_frac", offsetof(app, box_frac), "0.02", "0", "1", "",
     "execution may round a weight by this much"},
    {KEEL_CFG_T_FRAC, "risk.base_size", offsetof(app, base_size), "0.01", "0.0001", "1",
     "of equity", "a signal's size before it is cut"},
    {KEEL_CFG_T_DUR, "risk.re_arm_after", offsetof(app, re_arm_ns), "0", "0", "3660d", "",
     "event time from a portfolio stop to its re-arm; 0 = an operator must"},
    {KEEL_CFG_T_INT, "risk.max_input_age", offsetof(app, max_input_age), "4", "0", "7", "steps",
     "an older input makes a proposal stale"},
    KEEL_CFG_END,
};

static const keel_line line[] = {
    {"feed", 0, false, NULL},
    {"ledger", 0, false, NULL},
    {"correlation", 0, false, NULL},
    {"optimizer", 0, false, NULL},
    {"strategy-coordinator", 0, true, NULL},
    {NULL, 0, false, NULL},
};
static const keel_topic pubs[] = {
    KEEL_TOPIC_TRADING, KEEL_TOPIC_CAPITAL, KEEL_TOPIC_ALLOC, KEEL_TOPIC_RISK_REPORT,
    KEEL_TOPIC_BREACH,  KEEL_TOPIC_VERDICT, KEEL_TOPIC_COUNT,
};

static keel_status ref_of(const keel_msg *msg, keel_input_ref *ref)
{
    ref->step = msg->step;
    ref->payload_hash = msg->hash;
    return keel_text_copy(ref->topic, sizeof ref->topic, msg->topic_text);
}

static keel_status on_row(keel_service *svc, void *arg, const keel_msg *msg)
{
    app *a = arg;
    keel_bar_row row;
    KEEL_TRY(keel_wire_get_bar_row(keel_service_arena(svc), msg->data, msg->len, &row));
    return keel_risk_on_row(a->engine, &row);
}

static keel_status on_portfolio(keel_service *svc, void *arg, const keel_msg *msg)
{
    app *a = arg;
    keel_portfolio_state state;
    keel_input_ref ref;
    KEEL_TRY(ref_of(msg, &ref));
    KEEL_TRY(keel_wire_get_portfolio_state(keel_service_arena(svc), msg->data, msg->len, &state));
    return keel_risk_on_portfolio(a->engine, &state, &ref);
}

static keel_status on_covariance(keel_service *svc, void *arg, const keel_msg *msg)
{
    app *a = arg;
    keel_covariance covariance;
    keel_input_ref ref;
    KEEL_TRY(ref_of(msg, &ref));
    KEEL_TRY(keel_wire_get_covariance(keel_service_arena(svc), msg->data, msg->len, &covariance));
    return keel_risk_on_covariance(a->engine, &covariance, &ref);
}

static keel_status on_capital(keel_service *svc, void *arg, const keel_msg *msg)
{
    app *a = arg;
    keel_capital_proposal proposal;
    KEEL_TRY(
        keel_wire_get_capital_proposal(keel_service_arena(svc), msg->data, msg->len, &proposal));
    return keel_risk_on_capital_proposal(a->engine, &proposal, msg->hash);
}

static keel_status on_allocation(keel_service *svc, void *arg, const keel_msg *msg)
{
    app *a = arg;
    keel_allocation_proposal proposal;
    KEEL_TRY(
        keel_wire_get_allocation_proposal(keel_service_arena(svc), msg->data, msg->len, &proposal));
    return keel_risk_on_allocation_proposal(a->engine, &proposal, msg->hash);
}

static keel_status on_decision(keel_service *svc, void *arg, const keel_msg *msg)
{
    app *a = arg;
    keel_decision decision;
    KEEL_TRY(keel_wire_get_decision(keel_service_arena(svc), msg->data, msg->len, &decision));
    return keel_risk_on_decision(a->engine, &decision);
}

static void count_answers(keel_service *svc, const keel_risk_verdict *verdict)
{
    uint64_t accepted = 0;
    for (int k = 0; k < verdict->answers_n; k++)
        accepted += verdict->answers[k].accepted;
    keel_service_count(svc, "checks_accepted", accepted);
    keel_service_count(svc, "checks_refused", (uint64_t)verdict->answers_n - accepted);
}

/* The question of a batch of signals; it is named by its step, index and payload. */
static keel_status on_check(keel_service *svc, void *arg, const keel_msg *msg)
{
    app *a = arg;
    keel_risk_check_request request;
    keel_risk_verdict verdict;
    size_t cap = 0, len = 0;
    uint8_t *buf = keel_service_scratch(svc, &cap);
    KEEL_TRY(
        keel_wire_get_risk_check_request(keel_service_arena(svc), msg->data, msg->len, &request));
    KEEL_TRY(keel_risk_on_check(a->engine, &request, msg->step, msg->index, msg->hash, &verdict));
    KEEL_TRY(keel_wire_put_risk_verdict(&verdict, buf, cap, &len));
    count_answers(svc, &verdict);
    return keel_service_publish(svc, KEEL_TOPIC_VERDICT, msg, buf, len);
}

static const keel_sub calls[] = {{KEEL_TOPIC_CHECK, on_check}, {0, NULL}};
static const keel_desk desk = {.calls = calls};

static const keel_sub subs[] = {
    {KEEL_TOPIC_ROW, on_row},
    {KEEL_TOPIC_PORTFOLIO, on_portfolio},
    {KEEL_TOPIC_COV, on_covariance},
    {KEEL_TOPIC_CAPITAL_PROPOSED, on_capital},
    {KEEL_TOPIC_ALLOC_PROPOSED, on_allocation},
    {KEEL_TOPIC_DECISION, on_decision},
    {0, NULL},
};

static keel_status take(const keel_request *request, const char *id, keel_taken_request *taken)
{
    memset(taken, 0, sizeof *taken);
    if (request->reason[0] == '\0' || id[0] == '\0')
        return KEEL_EINVAL; /* the record could not name it, and a replay would not know it */
    KEEL_TRY(keel_text_copy(taken->request_id, sizeof taken->request_id, id));
    KEEL_TRY(keel_text_copy(taken->kind, sizeof taken->kind, keel_ask_name(request->ask)));
    memcpy(taken->reason, request->reason, sizeof taken->reason);
    memcpy(taken->operator_name, request->operator_name, sizeof taken->operator_name);
    memcpy(taken->strategy, request->strategy, sizeof taken->strategy);
    memcpy(taken->asset, request->asset, sizeof taken->asset);
    return KEEL_OK;
}

static keel_status on_open(keel_service *svc, void *arg, uint64_t step, const keel_msg *stored,
                           const keel_request *requests, const char *const *request_ids, int n)
{
    app *a = arg;
    keel_taken_request taken[KEEL_TAKEN_MAX];
    int count = 0;
    if (stored != NULL) {
        keel_trading_state *state = &a->out->trading; /* free until on_step */
        KEEL_TRY(
            keel_wire_get_trading_state(keel_service_arena(svc), stored->data, stored->len, state));
        return keel_risk_on_open(a->engine, step, state->requests, state->requests_n);
    }
    for (int i = 0; i < n; i++) {
        if (requests[i].ask != KEEL_ASK_HALT && requests[i].ask != KEEL_ASK_RESUME)
            continue;
        if (count == KEEL_TAKEN_MAX ||
            take(&requests[i], request_ids[i], &taken[count]) != KEEL_OK) {
            keel_service_count(svc, "requests_dropped", 1);
            continue;
        }
        count++;
    }
    keel_service_count(svc, "requests_taken", (uint64_t)count);
    return keel_risk_on_open(a->engine, step, taken, count);
}

static keel_status on_step(keel_service *svc, void *arg, uint64_t step)
{
    app *a = arg;
    keel_risk_out *out = a->out;
    size_t cap = 0, len = 0;
    uint8_t *buf = keel_service_scratch(svc, &cap);
    (void)step;
    KEEL_TRY(keel_risk_on_step(a->engine, out));
    KEEL_TRY(keel_wire_put_trading_state(&out->trading, buf, cap, &len));
    KEEL_TRY(keel_service_publish(svc, KEEL_TOPIC_TRADING, NULL, buf, len));
    if ((out->made & KEEL_RISK_MADE_CAPITAL) != 0) {
        KEEL_TRY(keel_wire_put_capital_allocation(&out->capital, buf, cap, &len));
        KEEL_TRY(keel_service_publish(svc, KEEL_TOPIC_CAPITAL, NULL, buf, len));
        keel_service_count(svc, "capital_approved", 1);
    }
    if ((out->made & KEEL_RISK_MADE_ALLOCATION) != 0) {
        KEEL_TRY(keel_wire_put_approved_allocation(&out->allocation, buf, cap, &len));
        KEEL_TRY(keel_service_publish(svc, KEEL_TOPIC_ALLOC, NULL, buf, len));
        keel_service_count(svc, "allocations_approved", 1);
    }
    if ((out->made & KEEL_RISK_MADE_REPORT) != 0) {
        KEEL_TRY(keel_wire_put_risk_report(&out->report, buf, cap, &len));
        KEEL_TRY(keel_service_publish(svc, KEEL_TOPIC_RISK_REPORT, NULL, buf, len));
    }
    for (int i = 0; i < out->breaches_n; i++) {
        KEEL_TRY(keel_wire_put_limit_breach(&out->breaches[i], buf, cap, &len));
        KEEL_TRY(keel_service_publish(svc, KEEL_TOPIC_BREACH, NULL, buf, len));
    }
    if (out->refused > 0)
        keel_service_count(svc, "proposals_refused", (uint64_t)out->refused);
    if (out->ignored > 0)
        keel_service_count(svc, "requests_ignored", (uint64_t)out->ignored);
    if (out->breaches_n > out->refused + out->ignored)
        keel_service_count(svc, "stops", 1);
    return KEEL_OK;
}

static keel_status read_band(const keel_config_node *node, const char *sector, keel_risk_band *band,
                             keel_err *err)
{
    if (keel_config_text(node) != NULL || keel_config_count(node) != 2)
        return keel_err_set(err, KEEL_EFORMAT, "%s: risk.sectors.%s: write [lo, hi]",
                            keel_config_where(node), sector);
    if (keel_text_copy(band->sector, sizeof band->sector, sector) != KEEL_OK)
        return keel_err_set(err, KEEL_ETOOBIG, "%s: sector name longer than %zu bytes",
                            keel_config_where(node), sizeof band->sector - 1);
    KEEL_TRY(keel_config_parse(keel_config_child(node, 0), KEEL_CFG_T_FRAC, "0", "1", sector,
                               &band->min, err));
    return keel_config_parse(keel_config_child(node, 1), KEEL_CFG_T_FRAC, "0", "1", sector,
                             &band->max, err);
}

static keel_status read_sectors(const keel_config *config, keel_risk_limits *limits, keel_err *err)
{
    const keel_config_node *map = keel_config_at(config, "risk.sectors");
    const int n = map != NULL ? keel_config_count(map) : 0;
    if (n > KEEL_RISK_SECTORS_MAX)
        return keel_err_set(err, KEEL_ETOOBIG, "%s: risk.sectors: at most %d bands",
                            keel_config_where(map), KEEL_RISK_SECTORS_MAX);
    for (int k = 0; k < n; k++)
        KEEL_TRY(read_band(keel_config_child(map, k), keel_config_child_name(map, k),
                           &limits->sectors[k], err));
    limits->sectors_n = n;
    return KEEL_OK;
}

static keel_status open_app(keel_service *svc, void *arg, keel_err *err)
{
    app *a = arg;
    keel_err reason = {KEEL_EINVAL, ""};
    const keel_settings *settings = keel_service_settings(svc);
    keel_risk_strategy *strategies =
        keel_xcalloc((size_t)settings->strategies_n, sizeof *strategies);
    for (int k = 0; k < settings->strategies_n; k++) {
        memcpy(strategies[k].name, settings->strategies[k].name, sizeof strategies[k].name);
        strategies[k].max_gross = settings->strategies[k].max_gross;
    }
    keel_risk_cfg c = {
        .universe = keel_service_universe(svc),
        .portfolio = settings->portfolio,
        .core_book = "core",
        .books_n = settings->books_n,
        .books = settings->books,
        .limits =
            {
                .max_weight = a->max_weight,
                .cash_min = a->cash_min,
                .max_positions = settings->max_positions,
            },
        .stop = {.max_drawdown = settings->max_drawdown, .re_arm_ns = a->re_arm_ns},
        .box_frac = a->box_frac,
        .max_input_age = a->max_input_age,
        .strategies_n = settings->strategies_n,
        .strategies = strategies,
        .sizing =
            {
                .base_frac = a->base_size,
                .correlation_threshold = settings->correlation_threshold,
                .max_portfolio_risk = settings->max_portfolio_risk,
                .max_positions = settings->max_positions,
            },
    };
    const keel_status sectors = read_sectors(keel_service_config(svc), &c.limits, err);
    if (sectors == KEEL_OK)
        a->engine = keel_risk_new(&c, &reason);
    keel_free(&strategies);
    KEEL_TRY(sectors);
    if (a->engine == NULL)
        return keel_err_set(err, reason.status, "risk: %s", reason.text);
    a->out = keel_xcalloc(1, sizeof *a->out);
    return KEEL_OK;
}

static void close_app(void *arg)
{
    app *a = arg;
    keel_risk_free(&a->engine);
    keel_free(&a->out);
}

static keel_status save_app(const void *arg, uint8_t *buf, size_t cap, size_t *len)
{
    const app *a = arg;
    return keel_risk_save(a->engine, buf, cap, len);
}

static keel_status load_app(void *arg, const uint8_t *buf, size_t len)
{
    app *a = arg;
    return keel_risk_load(a->engine, buf, len);
}

const keel_service_spec keel_risk_spec = {
    .name = "risk",
    .app_size = sizeof(app),
    .cfg = cfg,
    .line = line,
    .subs = subs,
    .pubs = pubs,
    .request_topic = KEEL_TOPIC_TRADING,
    .open = open_app,
    .close = close_app,
    .save = save_app,
    .load = load_app,
    .on_open = on_open,
    .on_step = on_step,
    .desk = &desk,
};
