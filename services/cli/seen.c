#include "services/cli/seen.h"

#include "services/cli/door.h"

#include <string.h>

/* The largest messages: a packed 512 x 512 matrix of doubles is 1.05 MB; a report of the strategies
 * grows with strategies times symbols. */
enum { SMALL_BYTES = 1 << 20, LARGE_BYTES = 4 << 20 };

keel_seen *keel_seen_new(void)
{
    return keel_xcalloc(1, sizeof(keel_seen));
}

void keel_seen_free(keel_seen **seen)
{
    if (seen == NULL || *seen == NULL)
        return;
    for (int i = 0; i < KEEL_TOPIC_COUNT; i++)
        if ((*seen)->arenas[i].size > 0)
            keel_arena_fini(&(*seen)->arenas[i]);
    if ((*seen)->by_strategy_arena.size > 0)
        keel_arena_fini(&(*seen)->by_strategy_arena);
    keel_free(seen);
}

static bool is_large(keel_topic topic)
{
    return topic == KEEL_TOPIC_CORR || topic == KEEL_TOPIC_TRUTH || topic == KEEL_TOPIC_STRATEGY;
}

static keel_arena *arena_of(keel_seen *seen, keel_topic topic)
{
    keel_arena *arena = &seen->arenas[topic];
    if (arena->size == 0)
        keel_arena_init(arena, is_large(topic) ? LARGE_BYTES : SMALL_BYTES);
    keel_arena_reset(arena);
    return arena;
}

static keel_status take_universe(keel_seen *seen, keel_arena *arena, const keel_envelope *e)
{
    keel_universe_state state;
    KEEL_TRY(keel_wire_get_universe_state(arena, e->payload, e->payload_len, &state));
    seen->universe = *state.universe;
    seen->bar_ns = state.bar_ns;
    return KEEL_OK;
}

static keel_status take_rebalance(keel_seen *seen, keel_arena *arena, const keel_envelope *e,
                                  bool fresh)
{
    keel_rebalance_decision *r = &seen->rebalance;
    KEEL_TRY(keel_wire_get_rebalance_decision(arena, e->payload, e->payload_len, r));
    if (!fresh)
        return KEEL_OK;
    seen->decisions++;
    seen->proposals += r->applied;
    if (!r->applied && (unsigned)r->reason.code < KEEL_SEEN_REASONS)
        seen->reasons[r->reason.code]++;
    if (r->reason.code == KEEL_REASON_INFEASIBLE)
        memcpy(seen->infeasible, r->reason.text, sizeof seen->infeasible);
    return KEEL_OK;
}

/* Attributions by asset, sector, book and strategy share one topic: only assets and strategies are
 * kept, each with its own step. */
static keel_status take_attribution(keel_seen *seen, const keel_envelope *e, bool *fresh)
{
    keel_attribution found;
    keel_arena probe;
    keel_arena_init(&probe, SMALL_BYTES);
    const keel_status status =
        keel_wire_get_attribution(&probe, e->payload, e->payload_len, &found);
    const keel_attribution_kind kind =
        status == KEEL_OK ? found.kind : KEEL_ATTRIBUTION_UNSPECIFIED;
    keel_arena_fini(&probe);
    KEEL_TRY(status);
    if (kind != KEEL_ATTRIBUTION_ASSET && kind != KEEL_ATTRIBUTION_STRATEGY)
        return KEEL_EUNKNOWN;
    const bool is_asset = kind == KEEL_ATTRIBUTION_ASSET;
    uint64_t *step = is_asset ? &seen->steps[KEEL_TOPIC_ATTRIBUTION] : &seen->by_strategy_step;
    keel_arena *arena = is_asset ? &seen->arenas[KEEL_TOPIC_ATTRIBUTION] : &seen->by_strategy_arena;
    if (e->step < *step)
        return KEEL_OK;
    if (arena->size == 0)
        keel_arena_init(arena, SMALL_BYTES);
    keel_arena_reset(arena);
    *fresh = e->step > *step || e->step == 0;
    *step = e->step;
    if (!is_asset)
        seen->by_strategy_index = e->index;
    return keel_wire_get_attribution(arena, e->payload, e->payload_len,
                                     is_asset ? &seen->attribution : &seen->by_strategy);
}

static keel_status decode(keel_seen *seen, keel_topic topic, const keel_envelope *e, bool fresh)
{
    const uint8_t *data = e->payload;
    const size_t len = e->payload_len;
    keel_arena *arena = arena_of(seen, topic);
    /* Topics not listed are another reader's. */
    switch ((int)topic) {
    case KEEL_TOPIC_UNIVERSE:
        return take_universe(seen, arena, e);
    case KEEL_TOPIC_FEED:
        return keel_wire_get_feed_status(arena, data, len, &seen->feed);
    case KEEL_TOPIC_ALLOC:
        KEEL_TRY(keel_wire_get_approved_allocation(arena, data, len, &seen->allocation));
        seen->allocations += fresh;
        return KEEL_OK;
    case KEEL_TOPIC_REBALANCE:
        return take_rebalance(seen, arena, e, fresh);
    case KEEL_TOPIC_TRADING:
        return keel_wire_get_trading_state(arena, data, len, &seen->trading);
    case KEEL_TOPIC_PORTFOLIO:
        return keel_wire_get_portfolio_state(arena, data, len, &seen->portfolio);
    case KEEL_TOPIC_PERFORMANCE:
        return keel_wire_get_performance(arena, data, len, &seen->performance);
    case KEEL_TOPIC_STRATEGY:
        return keel_wire_get_strategy_report(arena, data, len, &seen->strategies);
    case KEEL_TOPIC_CORR:
        return keel_wire_get_correlation(arena, data, len, &seen->correlation);
    case KEEL_TOPIC_TRUTH:
        return keel_wire_get_market_truth(arena, data, len, &seen->truth);
    default:
        return KEEL_EUNKNOWN;
    }
}

keel_status keel_seen_take(keel_seen *seen, keel_topic topic, const keel_envelope *envelope,
                           bool *fresh)
{
    *fresh = false;
    if ((unsigned)topic >= KEEL_TOPIC_COUNT)
        return KEEL_EUNKNOWN;
    if (topic == KEEL_TOPIC_ATTRIBUTION)
        return take_attribution(seen, envelope, fresh);
    if (envelope->step < seen->steps[topic])
        return KEEL_OK;
    const bool newer = envelope->step > seen->steps[topic] || envelope->step == 0;
    const keel_status status = decode(seen, topic, envelope, newer);
    if (status == KEEL_EUNKNOWN)
        return status;
    seen->steps[topic] = status == KEEL_OK ? envelope->step : 0;
    seen->event_ns[topic] = envelope->event_ns;
    *fresh = newer && status == KEEL_OK;
    return status;
}
