#include "services/execution/app.h"

#include "common/service/settings.h"
#include "common/wire/wire.h"
#include "services/execution/engine/execution.h"

#include <math.h>
#include <string.h>

#define MILLI 1000.0 /* the engine counts in 1/1000 bp */

typedef struct app {
    double fee_bps;
    double slippage_bps;
    double cash_buffer;
    keel_execution *engine; /* owned, from open to close */
    uint8_t *base; /* owned: the last PlanDone, from which a plan of the log can be adopted */
    size_t base_len;
    size_t base_cap;
    uint64_t base_step;
    keel_trading_mode deadman; /* as told in this process; UNSPECIFIED = never */
} app;

static const keel_cfg_row cfg[] = {
    {KEEL_CFG_T_REAL, "execution.fee_bps", offsetof(app, fee_bps), "10", "0", "1000", "bps",
     "fee on the worth of every fill, to three decimals"},
    {KEEL_CFG_T_REAL, "execution.slippage_bps", offsetof(app, slippage_bps), "5", "0", "1000",
     "bps", "how much worse than the bar's price an order fills, to three decimals"},
    {KEEL_CFG_T_FRAC, "execution.cash_buffer", offsetof(app, cash_buffer), "0.001", "0", "1", "",
     "fraction of the book's equity that buying leaves in cash"},
    KEEL_CFG_END,
};

static keel_status on_trading(keel_service *svc, void *arg, const keel_msg *msg)
{
    keel_trading_state state;
    KEEL_TRY(keel_wire_get_trading_state(keel_service_arena(svc), msg->data, msg->len, &state));
    return keel_execution_on_trading(((app *)arg)->engine, &state);
}

static keel_status on_approval(keel_service *svc, void *arg, const keel_msg *msg)
{
    keel_approved_allocation approval;
    KEEL_TRY(
        keel_wire_get_approved_allocation(keel_service_arena(svc), msg->data, msg->len, &approval));
    KEEL_TRY(keel_execution_on_approval(((app *)arg)->engine, &approval, msg->hash, msg->step));
    keel_service_count(svc, "approvals_taken", 1);
    return KEEL_OK;
}

static keel_status on_decision(keel_service *svc, void *arg, const keel_msg *msg)
{
    keel_decision decision;
    KEEL_TRY(keel_wire_get_decision(keel_service_arena(svc), msg->data, msg->len, &decision));
    const keel_status status =
        keel_execution_on_decision(((app *)arg)->engine, &decision, msg->step);
    if (status == KEEL_ESTALE) /* a repeat: it is planned, or was, already */
        keel_service_count(svc, "decisions_stale", 1);
    else if (status == KEEL_OK)
        keel_service_count(svc, "decisions_taken", 1);
    return status;
}

static void on_deadman(keel_service *svc, void *arg, keel_trading_mode mode)
{
    app *a = arg;
    (void)svc;
    a->deadman = mode;
    keel_execution_on_deadman(a->engine, mode);
}

static keel_status plan_step(keel_service *svc, void *arg, uint64_t step)
{
    keel_order_plan plan;
    size_t cap, len;
    uint8_t *buf = keel_service_scratch(svc, &cap);
    KEEL_TRY(keel_execution_plan(((app *)arg)->engine, step, &plan));
    keel_service_count(svc, "orders_planned", (uint64_t)plan.orders_n);
    keel_service_count(svc, "orders_skipped",
                       (uint64_t)plan.skipped_n + keel_execution_unlisted(((app *)arg)->engine));
    KEEL_TRY(keel_wire_put_order_plan(&plan, buf, cap, &len));
    return keel_service_publish(svc, KEEL_TOPIC_PLAN, NULL, buf, len);
}

static keel_status on_row(keel_service *svc, void *arg, const keel_msg *msg)
{
    keel_bar_row row;
    const keel_fill *fills;
    int n;
    size_t cap, len;
    uint8_t *buf = keel_service_scratch(svc, &cap);
    KEEL_TRY(keel_wire_get_bar_row(keel_service_arena(svc), msg->data, msg->len, &row));
    KEEL_TRY(keel_execution_on_row(((app *)arg)->engine, &row, &fills, &n));
    keel_service_count(svc, "fills_out", (uint64_t)n);
    for (int i = 0; i < n; i++) {
        KEEL_TRY(keel_wire_put_fill(&fills[i], buf, cap, &len));
        KEEL_TRY(keel_service_publish(svc, KEEL_TOPIC_FILL, msg, buf, len));
    }
    return KEEL_OK;
}

static void keep_base(app *a, const uint8_t *data, size_t len, uint64_t step)
{
    if (len > a->base_cap) {
        keel_free(&a->base);
        a->base = keel_xcalloc(len, 1);
        a->base_cap = len;
    }
    memcpy(a->base, data, len);
    a->base_len = len;
    a->base_step = step;
}

static keel_status from_base(keel_service *svc, app *a)
{
    keel_plan_done done;
    if (a->base_len == 0)
        return KEEL_OK; /* nothing was ever closed here: the engine is new */
    KEEL_TRY(keel_wire_get_plan_done(keel_service_arena(svc), a->base, a->base_len, &done));
    return keel_execution_on_own_plan_done(a->engine, a->base_step, &done);
}

/* P4, R1 (live): a PlanDone is where to start from; a plan that the log holds replaces the one just
 * made. Fills follow from plan and row, so they cannot differ once the plan is adopted. */
static keel_status on_own(keel_service *svc, void *arg, const keel_msg *msg)
{
    app *a = arg;
    keel_order_plan plan;
    if (msg->topic == KEEL_TOPIC_PLAN_DONE) {
        keep_base(a, msg->data, msg->len, msg->step);
        return from_base(svc, a);
    }
    if (msg->topic != KEEL_TOPIC_PLAN)
        return KEEL_EREFUSED;
    KEEL_TRY(from_base(svc, a));
    KEEL_TRY(keel_wire_get_order_plan(keel_service_arena(svc), msg->data, msg->len, &plan));
    return keel_execution_on_own_plan(a->engine, msg->step, &plan);
}

static keel_status close_plan(keel_service *svc, void *arg, uint64_t step)
{
    keel_plan_done done;
    size_t cap, len;
    uint8_t *buf = keel_service_scratch(svc, &cap);
    keel_execution_done(((app *)arg)->engine, &done);
    KEEL_TRY(keel_wire_put_plan_done(&done, buf, cap, &len));
    keep_base(arg, buf, len, step);
    return keel_service_publish(svc, KEEL_TOPIC_PLAN_DONE, NULL, buf, len);
}

static keel_status open_app(keel_service *svc, void *arg, keel_err *err)
{
    app *a = arg;
    const keel_execution_cfg c = {
        .run = keel_service_run(svc),
        .portfolio = keel_service_settings(svc)->portfolio,
        .book = "core",
        .universe = keel_service_universe(svc),
        .rates = {llround(a->fee_bps * MILLI), llround(a->slippage_bps * MILLI)},
        .cash_buffer = a->cash_buffer,
        .books_n = keel_service_settings(svc)->books_n,
        .books = keel_service_settings(svc)->books,
    };
    a->engine = keel_execution_new(&c, err);
    return a->engine != NULL ? KEEL_OK : KEEL_EINVAL;
}

static void close_app(void *arg)
{
    keel_free(&((app *)arg)->base);
    keel_execution_free(&((app *)arg)->engine);
}

static keel_status save_app(const void *arg, uint8_t *buf, size_t cap, size_t *len)
{
    return keel_execution_save(((const app *)arg)->engine, buf, cap, len);
}

/* A plan that the log holds can be adopted after a start from a snapshot too, and by a replay,
 * which begins with a state. */
static keel_status base_of_state(app *a)
{
    keel_plan_done done;
    size_t need = 0;
    a->base_len = 0;
    if (keel_execution_planned_step(a->engine) == 0)
        return KEEL_OK;
    keel_execution_done(a->engine, &done);
    if (keel_wire_put_plan_done(&done, NULL, 0, &need) != KEEL_ENOSPC)
        return KEEL_EFORMAT;
    uint8_t *base = keel_xcalloc(need, 1);
    const keel_status status = keel_wire_put_plan_done(&done, base, need, &need);
    if (status == KEEL_OK)
        keep_base(a, base, need, keel_execution_planned_step(a->engine));
    keel_free(&base);
    return status;
}

static keel_status load_app(void *arg, const uint8_t *buf, size_t len)
{
    app *a = arg;
    KEEL_TRY(keel_execution_load(a->engine, buf, len));
    /* The dead-man speaks of this process's time, not of the snapshot's: a new process has not
     * missed anyone yet. */
    keel_execution_on_deadman(
        a->engine, a->deadman == KEEL_TRADING_UNSPECIFIED ? KEEL_TRADING_ACTIVE : a->deadman);
    return base_of_state(a);
}

static const keel_line line[] = {
    {"risk", -1, false, NULL},
    {"strategy-coordinator", -1, false, plan_step},
    {"feed", 0, false, close_plan},
    {NULL, 0, false, NULL},
};

static const keel_sub subs[] = {
    {KEEL_TOPIC_TRADING, on_trading},
    {KEEL_TOPIC_ALLOC, on_approval},
    {KEEL_TOPIC_DECISION, on_decision},
    {KEEL_TOPIC_ROW, on_row},
    {0, NULL},
};

static const keel_topic pubs[] = {KEEL_TOPIC_PLAN, KEEL_TOPIC_FILL, KEEL_TOPIC_PLAN_DONE,
                                  KEEL_TOPIC_COUNT};

const keel_service_spec keel_execution_spec = {
    .name = "execution",
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
    .on_own = on_own,
    .base_topic = KEEL_TOPIC_PLAN_DONE,
    .on_deadman = on_deadman,
};
