#include "services/correlation/app.h"

#include "common/base/timefmt.h"
#include "common/service/settings.h"
#include "common/wire/wire.h"
#include "services/correlation/engine/correlation.h"

#include <limits.h>

typedef struct app {
    int estimator; /* index into "rolling|ewma" */
    int returns;   /* index into "log|simple" */
    double lambda;
    int rows_min;
    double rows_full_trust;
    keel_corr *engine; /* owned, from open_app() to close_app() */
} app;

static const keel_cfg_row cfg[] = {
    {KEEL_CFG_T_ENUM, "correlation.estimator", offsetof(app, estimator), "rolling", "rolling|ewma",
     NULL, "", "equal weights over portfolio.correlation_window, or exponential decay"},
    {KEEL_CFG_T_ENUM, "correlation.returns", offsetof(app, returns), "log", "log|simple", NULL, "",
     "ln(p1/p0) or p1/p0 - 1"},
    {KEEL_CFG_T_REAL, "correlation.lambda", offsetof(app, lambda), "0.97", "0.5", "0.9999", "",
     "EWMA decay per bar"},
    {KEEL_CFG_T_INT, "correlation.rows_min", offsetof(app, rows_min), "10", "2", "5000", "rows",
     "complete return rows before the first output"},
    {KEEL_CFG_T_REAL, "correlation.rows_full_trust", offsetof(app, rows_full_trust), "0", "0",
     "100000", "rows", "effective rows from which nothing is shrunk; 0 = from window and size"},
    KEEL_CFG_END,
};

static const keel_line line[] = {{"feed", 0, false, NULL}, {NULL, 0, false, NULL}};
static const keel_topic pubs[] = {KEEL_TOPIC_CORR, KEEL_TOPIC_COV, KEEL_TOPIC_COUNT};

static keel_status publish(keel_service *svc, const keel_msg *cause, const keel_corr_out *out)
{
    size_t cap = 0, len = 0;
    uint8_t *buf = keel_service_scratch(svc, &cap);
    KEEL_TRY(keel_wire_put_correlation(&out->correlation, buf, cap, &len));
    KEEL_TRY(keel_service_publish(svc, KEEL_TOPIC_CORR, cause, buf, len));
    KEEL_TRY(keel_wire_put_covariance(&out->covariance, buf, cap, &len));
    KEEL_TRY(keel_service_publish(svc, KEEL_TOPIC_COV, cause, buf, len));
    keel_service_count(svc, "matrices_out", 1);
    return KEEL_OK;
}

static keel_status on_row(keel_service *svc, void *arg, const keel_msg *msg)
{
    app *a = arg;
    keel_bar_row row;
    keel_corr_out out;
    KEEL_TRY(keel_wire_get_bar_row(keel_service_arena(svc), msg->data, msg->len, &row));
    KEEL_TRY(keel_corr_on_row(a->engine, &row, &out));
    if ((out.made & KEEL_CORR_MADE_GAP) != 0)
        keel_service_count(svc, "rows_gapped", 1);
    return (out.made & KEEL_CORR_MADE_MATRIX) != 0 ? publish(svc, msg, &out) : KEEL_OK;
}

static const keel_sub subs[] = {{KEEL_TOPIC_ROW, on_row}, {0, NULL}};

static keel_estimator estimator_of(const app *a, const keel_settings *settings)
{
    if (!settings->enable_correlation)
        return KEEL_ESTIMATOR_DIAGONAL;
    return a->estimator == 1 ? KEEL_ESTIMATOR_EWMA : KEEL_ESTIMATOR_ROLLING;
}

/* The window in days counted in bars, weekends included: a universe that rests on weekends sees a
 * longer stretch of calendar. Too many rows to count are refused by the engine. */
static int window_rows(const keel_settings *settings)
{
    const int64_t rows = settings->correlation_window_days * KEEL_NS_PER_DAY / settings->bar_ns;
    return rows < INT_MAX ? (int)rows : INT_MAX;
}

static keel_status open_app(keel_service *svc, void *arg, keel_err *err)
{
    app *a = arg;
    const keel_universe *universe = keel_service_universe(svc);
    const keel_settings *settings = keel_service_settings(svc);
    const keel_corr_cfg c = {
        .n = universe->n,
        .universe_hash = universe->hash,
        .bar_ns = settings->bar_ns,
        .estimator = estimator_of(a, settings),
        .log_returns = a->returns == 0,
        .rows_window = window_rows(settings),
        .lambda = a->lambda,
        .rows_min = a->rows_min,
        .rows_full_trust = a->rows_full_trust,
    };
    keel_err why = {KEEL_EINVAL, ""};
    a->engine = keel_corr_new(&c, &why);
    if (a->engine == NULL)
        return keel_err_set(err, why.status, "%s", why.text);
    return KEEL_OK;
}

static void close_app(void *arg)
{
    app *a = arg;
    keel_corr_free(&a->engine);
}

static keel_status save_app(const void *arg, uint8_t *buf, size_t cap, size_t *len)
{
    const app *a = arg;
    return keel_corr_save(a->engine, buf, cap, len);
}

static keel_status load_app(void *arg, const uint8_t *buf, size_t len)
{
    app *a = arg;
    return keel_corr_load(a->engine, buf, len);
}

const keel_service_spec keel_correlation_spec = {
    .name = "correlation",
    .app_size = sizeof(app),
    .cfg = cfg,
    .line = line,
    .subs = subs,
    .pubs = pubs,
    .snapshot_in_cache = true,
    .request_topic = KEEL_TOPIC_COUNT,
    .open = open_app,
    .close = close_app,
    .save = save_app,
    .load = load_app,
};
