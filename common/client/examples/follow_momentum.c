/* follow_momentum --run RUN_DIR: a whole strategy, the same in lockstep and live.
 *
 * Long while the last close is the highest of eight, flat once it is the lowest. What it says
 * follows from the rows alone, so in lockstep a restart says the same again. */
#include <keel/strategy.h>

#include <stdio.h>
#include <string.h>

enum { WINDOW = 8, ASSETS_MAX = 64 };

typedef struct asset {
    double last[WINDOW]; /* closes, a ring */
    int seen;
    bool is_long;
} asset;

static double edge(const asset *a, bool highest)
{
    double found = a->last[0];
    for (int i = 1; i < WINDOW; i++)
        if (highest ? a->last[i] > found : a->last[i] < found)
            found = a->last[i];
    return found;
}

/* True when the side changes. */
static bool take_close(asset *a, double close)
{
    const bool full = a->seen >= WINDOW;
    const bool enters = full && !a->is_long && close > edge(a, true);
    const bool leaves = full && a->is_long && close < edge(a, false);
    a->last[a->seen++ % WINDOW] = close;
    a->is_long = (a->is_long || enters) && !leaves;
    return enters || leaves;
}

static keel_status on_row(keel_strategy *strategy, const keel_market_row *row, asset *assets)
{
    const keel_universe *universe = keel_strategy_universe(strategy);
    for (int i = 0; i < row->n && i < ASSETS_MAX; i++) {
        if (row->close[i] == 0.0 || !take_close(&assets[i], row->close[i]) || row->is_history)
            continue;
        keel_err err;
        keel_signal signal = {.side = assets[i].is_long ? KEEL_SIDE_LONG : KEEL_SIDE_FLAT,
                              .confidence_frac = 0.6};
        memcpy(signal.symbol, universe->instruments[i].symbol, sizeof signal.symbol);
        if (assets[i].is_long)
            signal.stop = row->close[i] * 0.95;
        const keel_status status = keel_strategy_publish(strategy, &signal, &err);
        if (status != KEEL_OK) {
            fprintf(stderr, "%s: %s\n", signal.symbol, err.text);
            return status;
        }
    }
    return keel_strategy_close_step(strategy, row->step);
}

int main(int argc, char **argv)
{
    static asset assets[ASSETS_MAX];
    const keel_strategy_cfg cfg = {.name = "momentum",
                                   .run_dir = argc == 3 ? argv[2] : NULL,
                                   .history_rows = WINDOW,
                                   .join_timeout_ms = 30000};
    keel_event event;
    keel_err err;
    keel_status status = KEEL_OK;
    keel_strategy *strategy = keel_strategy_open(&cfg, &err);
    if (strategy == NULL) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    while (status == KEEL_OK || status == KEEL_EUNAVAIL) {
        status = keel_strategy_next(strategy, 1000, &event);
        if (status != KEEL_OK)
            continue;
        if (event.kind == KEEL_EVENT_ROW)
            status = on_row(strategy, event.row, assets);
        else if (event.kind == KEEL_EVENT_DECISION)
            printf("%s %s %s: %s\n", event.decision->symbol, keel_side_name(event.decision->side),
                   event.decision->signal_id, keel_reason_name(event.decision->reason.code));
        else if (event.kind >= KEEL_EVENT_CUT_OFF)
            fprintf(stderr, "%s\n", event.reason.text);
    }
    keel_strategy_close(&strategy);
    return 1;
}
