#include "services/strategies/engine/engine.h"

#include "common/base/mem.h"

#include <math.h>
#include <string.h>

#define DISTANCE_MIN 0.001 /* of the price: a stop inside the spread would be hit at once */
#define DISTANCE_MAX 0.9

typedef struct asset {
    bool trade;
    int seen;          /* bars */
    keel_side held;    /* FLAT = out */
    keel_side refrain; /* closed by stop or target: out until the rule wishes something else */
    double stop, target;
    double *closes; /* lookback + 1, a ring */
    double *market; /* the market at the same rows */
} asset;

struct strategies_engine {
    const strategies_rule *rule;
    strategies_params params;
    int n;
    int window; /* lookback + 1 */
    uint64_t step;
    double market;
    asset *assets;
    double *rings;   /* 2 n window: what the assets point into */
    double *in_line; /* 2 window: closes, market, oldest first */
    strategies_call *calls;
};

static keel_status check_params(const strategies_params *p, keel_err *err)
{
    const struct {
        const char *name;
        double value, lo, hi;
    } limits[] = {{"lookback", p->lookback, STRATEGIES_LOOKBACK_MIN, STRATEGIES_LOOKBACK_MAX},
                  {"entry", p->entry, 0.0, 100.0},
                  {"exit", p->exit, 0.0, p->entry},
                  {"stop", p->stop_vols, 0.0, 1000.0},
                  {"target", p->target_vols, 0.0, 1000.0}};
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        if (!isfinite(limits[i].value))
            return keel_err_set(err, KEEL_ENONFINITE, "%s: is not a finite number", limits[i].name);
        if (limits[i].value < limits[i].lo || limits[i].value > limits[i].hi)
            return keel_err_set(err, KEEL_ERANGE, "%s: %.6g is not in %.6g..%.6g", limits[i].name,
                                limits[i].value, limits[i].lo, limits[i].hi);
    }
    return KEEL_OK;
}

strategies_engine *strategies_new(const strategies_cfg *cfg, keel_err *err)
{
    if (cfg->n < 1 || cfg->n > KEEL_UNIVERSE_MAX) {
        (void)keel_err_set(err, KEEL_ERANGE, "instruments: %d is not in 1..%d", cfg->n,
                           KEEL_UNIVERSE_MAX);
        return NULL;
    }
    if (check_params(&cfg->params, err) != KEEL_OK)
        return NULL;
    strategies_engine *e = keel_xcalloc(1, sizeof *e);
    e->rule = cfg->rule;
    e->params = cfg->params;
    e->n = cfg->n;
    e->window = cfg->params.lookback + 1;
    const size_t window = (size_t)e->window, n = (size_t)e->n;
    e->assets = keel_xcalloc(n, sizeof *e->assets);
    e->rings = keel_xcalloc(2 * n * window, sizeof *e->rings);
    e->in_line = keel_xcalloc(2 * window, sizeof *e->in_line);
    e->calls = keel_xcalloc(n, sizeof *e->calls);
    for (size_t i = 0; i < n; i++)
        e->assets[i] = (asset){.trade = cfg->trade == NULL || cfg->trade[i],
                               .held = KEEL_SIDE_FLAT,
                               .refrain = KEEL_SIDE_FLAT,
                               .closes = e->rings + 2 * i * window,
                               .market = e->rings + (2 * i + 1) * window};
    return e;
}

void strategies_free(strategies_engine **engine)
{
    if (*engine == NULL)
        return;
    keel_free(&(*engine)->assets);
    keel_free(&(*engine)->rings);
    keel_free(&(*engine)->in_line);
    keel_free(&(*engine)->calls);
    keel_free(engine);
}

static keel_status check_row(const strategies_engine *e, const strategies_row *row)
{
    if (row->n != e->n)
        return KEEL_ERANGE;
    if (row->step <= e->step)
        return KEEL_EORDER;
    for (int i = 0; i < row->n; i++) {
        const double high = row->high != NULL ? row->high[i] : 0.0;
        const double low = row->low != NULL ? row->low[i] : 0.0;
        if (!(row->close[i] >= 0.0) || !(high >= 0.0) || !(low >= 0.0) ||
            !isfinite(row->close[i]) || !isfinite(high) || !isfinite(low))
            return KEEL_ENONFINITE;
    }
    return KEEL_OK;
}

static double last_close(const strategies_engine *e, const asset *a)
{
    return a->closes[(a->seen - 1) % e->window];
}

/* The mean of what the instruments with two bars did. */
static double market_return(const strategies_engine *e, const strategies_row *row)
{
    double sum = 0.0;
    int n = 0;
    for (int i = 0; i < e->n; i++) {
        const asset *a = &e->assets[i];
        if (row->close[i] == 0.0 || a->seen == 0) /* exactly 0: there is no bar */
            continue;
        sum += log(row->close[i] / last_close(e, a));
        n++;
    }
    return n > 0 ? sum / n : 0.0;
}

static void put_close(strategies_engine *e, asset *a, double close)
{
    const int at = a->seen % e->window;
    a->closes[at] = close;
    a->market[at] = e->market;
    a->seen++;
    if (a->seen == 2 * e->window) /* stays bounded, keeps its place in the ring */
        a->seen = e->window;
}

/* The broker closes at stop or target within the bar; so the state follows from the row. */
static void close_if_passed(asset *a, double high, double low)
{
    const bool is_long = a->held == KEEL_SIDE_LONG;
    if (a->held == KEEL_SIDE_FLAT)
        return;
    const bool stopped = a->stop > 0.0 && (is_long ? low <= a->stop : high >= a->stop);
    const bool reached = a->target > 0.0 && (is_long ? high >= a->target : low <= a->target);
    if (!stopped && !reached)
        return;
    a->refrain = a->held;
    a->held = KEEL_SIDE_FLAT;
}

/* The window in line, oldest first, and its volatility; false when there is none yet. */
static bool make_view(strategies_engine *e, const asset *a, strategies_view *view)
{
    double *closes = e->in_line, *market = e->in_line + e->window;
    double mean = 0.0, variance = 0.0;
    const int returns = e->window - 1;
    if (a->seen < e->window)
        return false;
    for (int t = 0; t < e->window; t++) {
        closes[t] = a->closes[(a->seen + t) % e->window];
        market[t] = a->market[(a->seen + t) % e->window];
    }
    mean = log(closes[returns] / closes[0]) / returns;
    for (int t = 1; t <= returns; t++) {
        const double d = log(closes[t] / closes[t - 1]) - mean;
        variance += d * d / (returns - 1);
    }
    *view = (strategies_view){&e->params, closes, market, e->window, sqrt(variance), a->held};
    return variance > 0.0;
}

static double level(double price, double sign, double vols, double vol)
{
    if (!(vols > 0.0))
        return 0.0;
    return price * (1.0 + sign * fmin(fmax(vols * vol, DISTANCE_MIN), DISTANCE_MAX));
}

static strategies_call make_call(const strategies_engine *e, int i, const strategies_wish *wish,
                                 double vol)
{
    const double price = last_close(e, &e->assets[i]);
    strategies_call call = {
        .instrument = i, .side = wish->side, .entry = price, .confidence_frac = 1.0};
    if (wish->side == KEEL_SIDE_FLAT)
        return call;
    const double sign = wish->side == KEEL_SIDE_LONG ? 1.0 : -1.0;
    call.confidence_frac = wish->confidence_frac;
    call.stop = level(price, -sign, e->params.stop_vols, vol);
    call.target = level(price, sign, e->params.target_vols, vol);
    return call;
}

keel_status strategies_on_row(strategies_engine *e, const strategies_row *row, strategies_out *out)
{
    strategies_view view;
    KEEL_TRY(check_row(e, row));
    *out = (strategies_out){0, e->calls};
    e->step = row->step;
    e->market += market_return(e, row);
    for (int i = 0; i < e->n; i++) {
        asset *a = &e->assets[i];
        if (row->close[i] == 0.0) /* exactly 0: there is no bar */
            continue;
        put_close(e, a, row->close[i]);
        close_if_passed(a, row->high != NULL ? row->high[i] : row->close[i],
                        row->low != NULL ? row->low[i] : row->close[i]);
        if (!a->trade || !make_view(e, a, &view))
            continue;
        const strategies_wish wish = e->rule->decide(&view);
        if (wish.side == a->refrain && wish.side != KEEL_SIDE_FLAT)
            continue;
        a->refrain = KEEL_SIDE_FLAT;
        if (wish.side == a->held)
            continue;
        const strategies_call call = make_call(e, i, &wish, view.vol);
        a->held = call.side;
        a->stop = call.stop;
        a->target = call.target;
        e->calls[out->n++] = call;
    }
    return KEEL_OK;
}
