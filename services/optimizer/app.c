#include "services/optimizer/app.h"

#include "common/base/text.h"
#include "common/service/settings.h"
#include "common/wire/wire.h"
#include "services/optimizer/engine/optimizer.h"

#include <string.h>

typedef struct app {
    int method; /* index into METHODS */
    bool apply;
    double drift_threshold;
    double capital_drift;
    int retry_bars;
    int covariance_age_max;
    double weight_min;
    double weight_max;
    double cash_min;
    double cost_bps;
    keel_optimizer *engine; /* owned, from open_app() to close_app() */
} app;

#define METHODS "min_variance|equal_weight|inverse_volatility|static"

static const keel_method methods[] = {
    KEEL_METHOD_MIN_VARIANCE,
    KEEL_METHOD_EQUAL_WEIGHT,
    KEEL_METHOD_INVERSE_VOLATILITY,
    KEEL_METHOD_STATIC,
};

static const keel_cfg_row cfg[] = {
    {KEEL_CFG_T_ENUM, "optimizer.method", offsetof(app, method), "min_variance", METHODS, NULL, "",
     "how the weights of core are found"},
    {KEEL_CFG_T_BOOL, "optimizer.apply", offsetof(app, apply), "true", NULL, NULL, "",
     "false: decide and say so, propose nothing"},
    {KEEL_CFG_T_FRAC, "optimizer.drift_threshold", offsetof(app, drift_threshold), "0.05", "0", "1",
     "", "largest |weight - target| that is left alone"},
    {KEEL_CFG_T_FRAC, "optimizer.capital_drift", offsetof(app, capital_drift), "0.05", "0", "1", "",
     "largest |book share - configured share| that is left alone"},
    {KEEL_CFG_T_INT, "optimizer.retry_bars", offsetof(app, retry_bars), "1", "1", "10000", "bars",
     "drift proposes again only so long after a proposal"},
    {KEEL_CFG_T_INT, "optimizer.covariance_age_max", offsetof(app, covariance_age_max), "4", "0",
     "7", "bars", "an older covariance is not used; risk keeps the inputs of 8 steps"},
    {KEEL_CFG_T_FRAC, "optimizer.weight_min", offsetof(app, weight_min), "0", "0", "1", "",
     "lower bound of every weight"},
    {KEEL_CFG_T_FRAC, "optimizer.weight_max", offsetof(app, weight_max), "0.35", "0", "1", "",
     "upper bound of every weight"},
    {KEEL_CFG_T_TREE, "optimizer.bounds", 0, "", NULL, NULL, "",
     "{SYMBOL: [lo, hi]}: bounds of one weight"},
    {KEEL_CFG_T_TREE, "optimizer.sectors", 0, "", NULL, NULL, "",
     "{SECTOR: [lo, hi]}: band of the sum of a sector's weights"},
    {KEEL_CFG_T_TREE, "optimizer.weights", 0, "", NULL, NULL, "",
     "{SYMBOL: weight}: weights of the static method; none = equal"},
    {KEEL_CFG_T_FRAC, "optimizer.cash_min", offsetof(app, cash_min), "0", "0", "0.95", "",
     "share of core that stays cash"},
    {KEEL_CFG_T_REAL, "optimizer.cost_bps", offsetof(app, cost_bps), "10", "0", "1000", "bps",
     "fees and slippage expected of what is traded"},
    KEEL_CFG_END,
};

static const keel_line line[] = {
    {"ledger", 0, false, NULL},
    {"correlation", 0, false, NULL},
    {NULL, 0, false, NULL},
};
static const keel_topic pubs[] = {
    KEEL_TOPIC_REBALANCE,
    KEEL_TOPIC_CAPITAL_PROPOSED,
    KEEL_TOPIC_ALLOC_PROPOSED,
    KEEL_TOPIC_COUNT,
};

static keel_input_ref ref_of(const keel_msg *msg)
{
    keel_input_ref ref = {.step = msg->step, .payload_hash = msg->hash};
    if (keel_text_copy(ref.topic, sizeof ref.topic, msg->topic_text) != KEEL_OK)
        ref.topic[0] = '\0'; /* topics are shorter; an empty one is refused by the encoder */
    return ref;
}

static keel_status on_portfolio(keel_service *svc, void *arg, const keel_msg *msg)
{
    app *a = arg;
    keel_portfolio_state state;
    const keel_input_ref ref = ref_of(msg);
    KEEL_TRY(keel_wire_get_portfolio_state(keel_service_arena(svc), msg->data, msg->len, &state));
    return keel_optimizer_on_portfolio(a->engine, &state, &ref);
}

static keel_status on_covariance(keel_service *svc, void *arg, const keel_msg *msg)
{
    app *a = arg;
    keel_covariance covariance;
    const keel_input_ref ref = ref_of(msg);
    KEEL_TRY(keel_wire_get_covariance(keel_service_arena(svc), msg->data, msg->len, &covariance));
    return keel_optimizer_on_covariance(a->engine, &covariance, &ref);
}

static const keel_sub subs[] = {
    {KEEL_TOPIC_PORTFOLIO, on_portfolio},
    {KEEL_TOPIC_COV, on_covariance},
    {0, NULL},
};

static keel_status on_step(keel_service *svc, void *arg, uint64_t step)
{
    app *a = arg;
    keel_optimizer_out out;
    size_t cap = 0, len = 0;
    KEEL_TRY(keel_optimizer_on_step(a->engine, step, keel_service_event_ns(svc), &out));
    uint8_t *buf = keel_service_scratch(svc, &cap);
    KEEL_TRY(keel_wire_put_rebalance_decision(&out.decision, buf, cap, &len));
    KEEL_TRY(keel_service_publish(svc, KEEL_TOPIC_REBALANCE, NULL, buf, len));
    if (out.decision.due)
        keel_service_count(svc, "rebalances_due", 1);
    if ((out.made & KEEL_OPTIMIZER_MADE_CAPITAL) != 0) {
        KEEL_TRY(keel_wire_put_capital_proposal(&out.capital, buf, cap, &len));
        KEEL_TRY(keel_service_publish(svc, KEEL_TOPIC_CAPITAL_PROPOSED, NULL, buf, len));
        keel_service_count(svc, "capital_out", 1);
    }
    if ((out.made & KEEL_OPTIMIZER_MADE_ALLOCATION) != 0) {
        KEEL_TRY(keel_wire_put_allocation_proposal(&out.allocation, buf, cap, &len));
        KEEL_TRY(keel_service_publish(svc, KEEL_TOPIC_ALLOC_PROPOSED, NULL, buf, len));
        keel_service_count(svc, "allocations_out", 1);
    }
    return KEEL_OK;
}

/* What the optimizer.* maps say, in the shape the engine wants. */
typedef struct limits {
    double lower[KEEL_UNIVERSE_MAX];
    double upper[KEEL_UNIVERSE_MAX];
    double weights[KEEL_UNIVERSE_MAX];
    bool has_weights;
    int sectors_n;
    keel_sector_band sectors[KEEL_SECTORS_MAX];
} limits;

static keel_status read_pair(const keel_config_node *node, const char *what, double *lo, double *hi,
                             keel_err *err)
{
    if (keel_config_count(node) != 2 || keel_config_text(node) != NULL)
        return keel_err_set(err, KEEL_EFORMAT, "%s: %s: write [lo, hi]", keel_config_where(node),
                            what);
    KEEL_TRY(
        keel_config_parse(keel_config_child(node, 0), KEEL_CFG_T_FRAC, "0", "1", what, lo, err));
    return keel_config_parse(keel_config_child(node, 1), KEEL_CFG_T_FRAC, "0", "1", what, hi, err);
}

static keel_status find_symbol(const keel_universe *universe, const keel_config_node *node,
                               const char *symbol, int *at, keel_err *err)
{
    *at = keel_universe_find(universe, symbol);
    if (*at >= 0)
        return KEEL_OK;
    return keel_err_set(err, KEEL_EUNKNOWN, "%s: %s is not in universe.instruments",
                        keel_config_where(node), symbol);
}

static keel_status read_bounds(const keel_config *config, const keel_universe *universe, limits *l,
                               keel_err *err)
{
    const keel_config_node *map = keel_config_at(config, "optimizer.bounds");
    for (int k = 0; map != NULL && k < keel_config_count(map); k++) {
        const char *symbol = keel_config_child_name(map, k);
        int i = 0;
        KEEL_TRY(find_symbol(universe, map, symbol, &i, err));
        KEEL_TRY(read_pair(keel_config_child(map, k), symbol, &l->lower[i], &l->upper[i], err));
    }
    return KEEL_OK;
}

static keel_status read_sectors(const keel_config *config, limits *l, keel_err *err)
{
    const keel_config_node *map = keel_config_at(config, "optimizer.sectors");
    for (int k = 0; map != NULL && k < keel_config_count(map); k++) {
        keel_sector_band *band = &l->sectors[k];
        const char *name = keel_config_child_name(map, k);
        if (k >= KEEL_SECTORS_MAX)
            return keel_err_set(err, KEEL_ETOOBIG, "%s: optimizer.sectors: at most %d bands",
                                keel_config_where(map), KEEL_SECTORS_MAX);
        if (keel_text_copy(band->name, sizeof band->name, name) != KEEL_OK)
            return keel_err_set(err, KEEL_ETOOBIG, "%s: sector name longer than %zu bytes: %s",
                                keel_config_where(map), sizeof band->name - 1, name);
        KEEL_TRY(read_pair(keel_config_child(map, k), name, &band->lo, &band->hi, err));
        l->sectors_n++;
    }
    return KEEL_OK;
}

static keel_status read_weights(const keel_config *config, const keel_universe *universe, limits *l,
                                keel_err *err)
{
    const keel_config_node *map = keel_config_at(config, "optimizer.weights");
    for (int k = 0; map != NULL && k < keel_config_count(map); k++) {
        const char *symbol = keel_config_child_name(map, k);
        int i = 0;
        KEEL_TRY(find_symbol(universe, map, symbol, &i, err));
        KEEL_TRY(keel_config_parse(keel_config_child(map, k), KEEL_CFG_T_FRAC, "0", "1", symbol,
                                   &l->weights[i], err));
        l->has_weights = true;
    }
    return KEEL_OK;
}

static keel_status read_limits(const app *a, const keel_config *config,
                               const keel_universe *universe, limits *l, keel_err *err)
{
    for (int i = 0; i < universe->n; i++) {
        l->lower[i] = a->weight_min;
        l->upper[i] = a->weight_max;
    }
    KEEL_TRY(read_bounds(config, universe, l, err));
    KEEL_TRY(read_sectors(config, l, err));
    return read_weights(config, universe, l, err);
}

/* The two switches of CF09 take precedence over optimizer.method; optimization first. */
static keel_method method_of(const app *a, const keel_settings *settings, const char **why)
{
    const keel_method configured = methods[a->method];
    *why = "";
    if (!settings->enable_optimization && configured != KEEL_METHOD_STATIC) {
        *why = "static weights because enable_optimization is false";
        return KEEL_METHOD_STATIC;
    }
    if (!settings->enable_correlation && configured == KEEL_METHOD_MIN_VARIANCE) {
        *why = "inverse volatility because enable_correlation is false";
        return KEEL_METHOD_INVERSE_VOLATILITY;
    }
    return configured;
}

static keel_rebalance_rule rule_of(const app *a, const keel_settings *settings, double threshold)
{
    return (keel_rebalance_rule){
        .period_ns = settings->rebalancing_monthly ? 0 : settings->rebalancing_ns,
        .monthly = settings->rebalancing_monthly,
        .threshold_frac = threshold,
        .retry_steps = a->retry_bars,
    };
}

static keel_status open_engine(keel_service *svc, app *a, const limits *l, keel_err *err)
{
    const keel_settings *settings = keel_service_settings(svc);
    const char *why = "";
    const keel_method method = method_of(a, settings, &why);
    const keel_optimizer_cfg c = {
        .allocation =
            {
                .universe = keel_service_universe(svc),
                .method = method,
                .lower = l->lower,
                .upper = l->upper,
                .cash_min = a->cash_min,
                .positions_max = settings->max_positions,
                .sectors_n = l->sectors_n,
                .sectors = l->sectors,
                .weights = l->has_weights ? l->weights : NULL,
            },
        .portfolio = settings->portfolio,
        .core = rule_of(a, settings, a->drift_threshold),
        .capital = rule_of(a, settings, a->capital_drift),
        .covariance_age_max = a->covariance_age_max,
        .apply = a->apply,
        .cost_bps = a->cost_bps,
        .method_why = why,
        .books_n = settings->books_n,
        .books = settings->books,
    };
    keel_err reason = {KEEL_EINVAL, ""};
    a->engine = keel_optimizer_new(&c, &reason);
    if (a->engine == NULL)
        return keel_err_set(err, reason.status, "%s", reason.text);
    return KEEL_OK;
}

static keel_status open_app(keel_service *svc, void *arg, keel_err *err)
{
    app *a = arg;
    limits *l = keel_xcalloc(1, sizeof *l);
    keel_status status =
        read_limits(a, keel_service_config(svc), keel_service_universe(svc), l, err);
    if (status == KEEL_OK)
        status = open_engine(svc, a, l, err);
    keel_free(&l);
    return status;
}

static void close_app(void *arg)
{
    app *a = arg;
    keel_optimizer_free(&a->engine);
}

static keel_status save_app(const void *arg, uint8_t *buf, size_t cap, size_t *len)
{
    const app *a = arg;
    return keel_optimizer_save(a->engine, buf, cap, len);
}

static keel_status load_app(void *arg, const uint8_t *buf, size_t len)
{
    app *a = arg;
    return keel_optimizer_load(a->engine, buf, len);
}

const keel_service_spec keel_optimizer_spec = {
    .name = "optimizer",
    .app_size = sizeof(app),
    .cfg = cfg,
    .line = line,
    .subs = subs,
    .pubs = pubs,
    .request_topic = KEEL_TOPIC_COUNT,
    .open = open_app,
    .close = close_app,
    .save = save_app,
    .load = load_app,
    .on_step = on_step,
};
