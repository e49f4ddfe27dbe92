#include "services/strategy-coordinator/app.h"

#include "common/service/settings.h"
#include "common/wire/wire.h"
#include "services/strategy-coordinator/engine/coordinator.h"

typedef struct app {
    keel_coordinator *engine; /* owned, from open_app() to close_app() */
} app;

static const keel_cfg_row cfg[] = {KEEL_CFG_END};

static const keel_line line[] = {
    {"feed", 0, false, NULL},
    {"ledger", 0, false, NULL},
    {"risk", 0, false, NULL},
    {NULL, 0, false, NULL},
};
static const keel_topic pubs[] = {KEEL_TOPIC_COUNT};

static keel_status on_row(keel_service *svc, void *arg, const keel_msg *msg)
{
    app *a = arg;
    keel_bar_row row;
    KEEL_TRY(keel_wire_get_bar_row(keel_service_arena(svc), msg->data, msg->len, &row));
    return keel_coordinator_on_row(a->engine, &row, msg->step);
}

static keel_status on_portfolio(keel_service *svc, void *arg, const keel_msg *msg)
{
    app *a = arg;
    keel_portfolio_state state;
    KEEL_TRY(keel_wire_get_portfolio_state(keel_service_arena(svc), msg->data, msg->len, &state));
    return keel_coordinator_on_portfolio(a->engine, &state);
}

static keel_status on_trading(keel_service *svc, void *arg, const keel_msg *msg)
{
    app *a = arg;
    keel_trading_state state;
    KEEL_TRY(keel_wire_get_trading_state(keel_service_arena(svc), msg->data, msg->len, &state));
    return keel_coordinator_on_trading(a->engine, &state);
}

static const keel_sub subs[] = {
    {KEEL_TOPIC_ROW, on_row},
    {KEEL_TOPIC_PORTFOLIO, on_portfolio},
    {KEEL_TOPIC_TRADING, on_trading},
    {0, NULL},
};

static keel_status on_step(keel_service *svc, void *arg, uint64_t step)
{
    app *a = arg;
    KEEL_TRY(keel_coordinator_on_step(a->engine, step, NULL));
    keel_service_count(svc, "steps_without_decision", 1);
    return KEEL_OK;
}

static keel_status open_app(keel_service *svc, void *arg, keel_err *err)
{
    app *a = arg;
    keel_err reason = {KEEL_EINVAL, ""};
    const keel_coordinator_cfg c = {
        .universe = keel_service_universe(svc),
        .portfolio = keel_service_settings(svc)->portfolio,
    };
    a->engine = keel_coordinator_new(&c, &reason);
    if (a->engine == NULL)
        return keel_err_set(err, reason.status, "%s", reason.text);
    return KEEL_OK;
}

static void close_app(void *arg)
{
    app *a = arg;
    keel_coordinator_free(&a->engine);
}

static keel_status save_app(const void *arg, uint8_t *buf, size_t cap, size_t *len)
{
    const app *a = arg;
    return keel_coordinator_save(a->engine, buf, cap, len);
}

static keel_status load_app(void *arg, const uint8_t *buf, size_t len)
{
    app *a = arg;
    return keel_coordinator_load(a->engine, buf, len);
}

const keel_service_spec keel_strategy_coordinator_spec = {
    .name = "strategy-coordinator",
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
