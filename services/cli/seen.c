#include "services/cli/seen.h"

#include "services/cli/door.h"

#include <string.h>

/* The largest message: a packed 512 x 512 matrix of doubles is 1.05 MB. */
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
    keel_free(seen);
}

static keel_arena *arena_of(keel_seen *seen, keel_topic topic)
{
    keel_arena *arena = &seen->arenas[topic];
    if (arena->size == 0)
        keel_arena_init(arena, topic == KEEL_TOPIC_CORR || topic == KEEL_TOPIC_TRUTH ? LARGE_BYTES
                                                                                     : SMALL_BYTES);
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

/* Attributions by asset, sector and book share one topic. */
static keel_status take_attribution(keel_seen *seen, keel_arena *arena, const keel_envelope *e)
{
    keel_attribution found;
    keel_arena probe;
    keel_arena_init(&probe, SMALL_BYTES);
    keel_status status = keel_wire_get_attribution(&probe, e->payload, e->payload_len, &found);
    const bool wanted = status == KEEL_OK && found.kind == KEEL_ATTRIBUTION_ASSET;
    keel_arena_fini(&probe);
    if (!wanted)
        return status == KEEL_OK ? KEEL_EUNKNOWN : status;
    keel_arena_reset(arena);
    return keel_wire_get_attribution(arena, e->payload, e->payload_len, &seen->attribution);
}

static keel_status decode(keel_seen *seen, keel_topic topic, const keel_envelope *e, bool fresh)
{
    const uint8_t *data = e->payload;
    const size_t len = e->payload_len;
    keel_arena *arena =
        topic == KEEL_TOPIC_ATTRIBUTION ? &seen->arenas[topic] : arena_of(seen, topic);
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
    case KEEL_TOPIC_ATTRIBUTION:
        if (arena->size == 0)
            arena = arena_of(seen, topic);
        return take_attribution(seen, arena, e);
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
