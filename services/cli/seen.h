/* seen.h - what a reader of the bus knows: the newest message of each kind, decoded.
 *
 * ROOM     services/cli.
 * SHAPE    A field is valid once its step is not 0 (universe: once n > 0). Steps never go back: an
 *          older message than the one kept is ignored, a repeat of the same one is taken again.
 * MEMORY   one arena per kind; arrays are valid until the next message of that kind.
 */
#ifndef KEEL_SERVICES_CLI_SEEN_H
#define KEEL_SERVICES_CLI_SEEN_H

#include "common/base/mem.h"
#include "common/wire/wire.h"

enum { KEEL_SEEN_REASONS = 256 };

typedef struct keel_seen {
    keel_arena arenas[KEEL_TOPIC_COUNT]; /* a size of 0: not used yet */
    uint64_t steps[KEEL_TOPIC_COUNT];
    int64_t event_ns[KEEL_TOPIC_COUNT];
    keel_universe universe; /* a copy */
    int64_t bar_ns;
    keel_feed_status feed;
    keel_approved_allocation allocation;
    keel_rebalance_decision rebalance;
    keel_trading_state trading;
    keel_portfolio_state portfolio;
    keel_performance performance;
    keel_attribution attribution; /* of assets */
    keel_attribution by_strategy; /* of strategies' books; valid once by_strategy_step is not 0 */
    uint64_t by_strategy_step;
    uint32_t by_strategy_index; /* of its message among those of the topic in the step */
    keel_arena by_strategy_arena;
    keel_strategy_report strategies;
    keel_correlation correlation;
    keel_market_truth truth;
    uint64_t allocations;                  /* approved allocations, each step once */
    uint64_t proposals;                    /* decisions that were applied: proposed to risk */
    uint64_t decisions;                    /* rebalance decisions, each step once */
    uint64_t reasons[KEEL_SEEN_REASONS];   /* of decisions that were not applied */
    char infeasible[KEEL_REASON_TEXT_MAX]; /* why, of the last infeasible decision; "" = none */
} keel_seen;

keel_seen *keel_seen_new(void);
void keel_seen_free(keel_seen **seen);

/* Take a message. *fresh: it is newer than what was known of its topic. KEEL_EUNKNOWN for a topic
 * that is not kept here; a decoder's refusal otherwise, and the kind counts as not seen. */
KEEL_MUST_CHECK keel_status keel_seen_take(keel_seen *seen, keel_topic topic,
                                           const keel_envelope *envelope, bool *fresh);

#endif
