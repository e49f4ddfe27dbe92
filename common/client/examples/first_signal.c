/* first_signal RUN_DIR STRATEGY SYMBOL: go long, wait for the decision, follow allocations. */
#include <keel/strategy.h>

#include <stdio.h>

int main(int argc, char **argv)
{
    const keel_strategy_cfg cfg = {
        .run_dir = argv[1], .name = argc > 2 ? argv[2] : NULL, .pace = KEEL_PACE_LIVE};
    keel_signal signal = {.side = KEEL_SIDE_LONG, .confidence_frac = 0.8};
    keel_decision decision;
    keel_event event;
    keel_err err;

    keel_strategy *strategy = argc == 4 ? keel_strategy_open(&cfg, &err) : NULL;
    if (strategy == NULL)
        return fprintf(stderr, "%s\n", argc == 4 ? err.text : "three arguments, please"), 1;
    snprintf(signal.symbol, sizeof signal.symbol, "%s", argv[3]);
    if (keel_strategy_publish(strategy, &signal, &err) != KEEL_OK)
        return fprintf(stderr, "%s\n", err.text), 1;
    if (keel_strategy_wait(strategy, signal.signal_id, 30000, &decision) != KEEL_OK)
        return fprintf(stderr, "no decision within 30 s\n"), 1;
    printf("%s: %s\n", keel_reason_name(decision.reason.code), decision.reason.text);
    while (keel_strategy_next(strategy, 30000, &event) == KEEL_OK)
        if (event.kind == KEEL_EVENT_ALLOCATION)
            for (int i = 0; i < event.allocation->n; i++)
                printf("%s asset %d: %.2f%%\n", event.allocation->book, i,
                       100.0 * event.allocation->weights[i]);
    keel_strategy_close(&strategy);
    return decision.accepted ? 0 : 1;
}
