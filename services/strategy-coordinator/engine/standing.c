#include "common/base/assert.h"
#include "services/strategy-coordinator/engine/coordinator_internal.h"

#include <stdlib.h>
#include <string.h>

void coordinator_standing_init(coordinator_standing *standing, int strategies_n, int instruments_n)
{
    const size_t pairs = (size_t)strategies_n * (size_t)instruments_n;
    standing->strategies_n = strategies_n;
    standing->instruments_n = instruments_n;
    standing->cap = (uint32_t)(pairs < KEEL_STANDING_MAX ? pairs : KEEL_STANDING_MAX);
    standing->n_of = keel_xcalloc((size_t)strategies_n, sizeof *standing->n_of);
    standing->intents = keel_xcalloc(standing->cap, sizeof *standing->intents);
    standing->free = keel_xcalloc(standing->cap, sizeof *standing->free);
    standing->places = keel_xcalloc(pairs, sizeof *standing->places);
    standing->longs = keel_xcalloc((size_t)instruments_n, sizeof *standing->longs);
    standing->shorts = keel_xcalloc((size_t)instruments_n, sizeof *standing->shorts);
    for (uint32_t i = 0; i < standing->cap; i++)
        standing->free[i] = (uint16_t)(standing->cap - 1 - i);
}

void coordinator_standing_fini(coordinator_standing *standing)
{
    keel_free(&standing->n_of);
    keel_free(&standing->intents);
    keel_free(&standing->free);
    keel_free(&standing->places);
    keel_free(&standing->longs);
    keel_free(&standing->shorts);
}

static uint16_t *place_of(const coordinator_standing *standing, int strategy, int instrument)
{
    return standing->places + (size_t)strategy * (size_t)standing->instruments_n +
           (size_t)instrument;
}

coordinator_intent *coordinator_standing_find(const coordinator_standing *standing, int strategy,
                                              int instrument)
{
    const uint16_t place = *place_of(standing, strategy, instrument);
    return place == 0 ? NULL : standing->intents + place - 1;
}

/* NULL for a flat: it has no side. */
static coordinator_side_list *list_of(const coordinator_standing *standing, int instrument,
                                      int side)
{
    if (side == KEEL_SIDE_LONG)
        return standing->longs + instrument;
    return side == KEEL_SIDE_SHORT ? standing->shorts + instrument : NULL;
}

const coordinator_intent *coordinator_standing_against(const coordinator_standing *standing,
                                                       int strategy, int instrument, keel_side side)
{
    const int other = side == KEEL_SIDE_LONG ? KEEL_SIDE_SHORT : KEEL_SIDE_LONG;
    const uint16_t first = list_of(standing, instrument, other)->oldest;
    if (first == 0)
        return NULL;
    const coordinator_intent *intent = standing->intents + first - 1;
    if (intent->strategy != strategy)
        return intent;
    return intent->newer == 0 ? NULL : standing->intents + intent->newer - 1;
}

/* At the end: versions only grow. */
static void link_in(coordinator_standing *standing, uint16_t place)
{
    coordinator_intent *intent = standing->intents + place - 1;
    coordinator_side_list *list = list_of(standing, intent->instrument, intent->side);
    intent->older = intent->newer = 0;
    if (list == NULL)
        return;
    intent->older = list->newest;
    if (list->newest != 0)
        standing->intents[list->newest - 1].newer = place;
    else
        list->oldest = place;
    list->newest = place;
}

static void link_out(coordinator_standing *standing, const coordinator_intent *intent)
{
    coordinator_side_list *list = list_of(standing, intent->instrument, intent->side);
    if (list == NULL)
        return;
    if (intent->older != 0)
        standing->intents[intent->older - 1].newer = intent->newer;
    else
        list->oldest = intent->newer;
    if (intent->newer != 0)
        standing->intents[intent->newer - 1].older = intent->older;
    else
        list->newest = intent->older;
}

void coordinator_standing_put(coordinator_standing *standing, const coordinator_intent *intent)
{
    uint16_t *place = place_of(standing, intent->strategy, intent->instrument);
    if (*place != 0) {
        link_out(standing, standing->intents + *place - 1);
    } else {
        KEEL_ASSERT(standing->n < standing->cap);
        *place = (uint16_t)(standing->free[standing->cap - 1 - standing->n] + 1);
        standing->n++;
        standing->n_of[intent->strategy]++;
    }
    standing->intents[*place - 1] = *intent;
    link_in(standing, *place);
}

void coordinator_standing_drop(coordinator_standing *standing, coordinator_intent *intent)
{
    uint16_t *place = place_of(standing, intent->strategy, intent->instrument);
    link_out(standing, intent);
    standing->n--;
    standing->n_of[intent->strategy]--;
    standing->free[standing->cap - 1 - standing->n] = (uint16_t)(*place - 1);
    *place = 0;
    memset(intent, 0, sizeof *intent);
}

/* ---- snapshot: in the order of versions, in which the lists are built ---- */

static int by_version(const void *a, const void *b)
{
    const coordinator_intent *const *one = a, *const *two = b;
    return ((*one)->version > (*two)->version) - ((*one)->version < (*two)->version);
}

static void pack_intent(keel_packer *p, const coordinator_intent *intent)
{
    keel_pack_u64(p, intent->version);
    keel_pack_u32(p, intent->strategy);
    keel_pack_u32(p, intent->instrument);
    keel_pack_u8(p, intent->state);
    keel_pack_u8(p, intent->side);
    keel_pack_i64(p, intent->target_qty_units);
    keel_pack_i64(p, intent->entry_units);
    keel_pack_i64(p, intent->stop_units);
    keel_pack_i64(p, intent->target_units);
    keel_pack_i64(p, intent->valid_until_ns);
    keel_pack_u64(p, intent->before_version);
    keel_pack_u64(p, intent->step);
}

void coordinator_standing_save(keel_packer *p, const coordinator_standing *standing)
{
    const coordinator_intent **order = keel_xcalloc(standing->n, sizeof(*order));
    size_t n = 0;
    for (uint32_t i = 0; i < standing->cap; i++)
        if (standing->intents[i].state != 0)
            order[n++] = standing->intents + i;
    qsort(order, n, sizeof(*order), by_version);
    keel_pack_u32(p, (uint32_t)n);
    for (size_t i = 0; i < n; i++)
        pack_intent(p, order[i]);
    keel_free(&order);
}

static bool fits_side(int side, int64_t qty_units)
{
    return side == KEEL_SIDE_LONG    ? qty_units > 0
           : side == KEEL_SIDE_SHORT ? qty_units < 0
                                     : side == KEEL_SIDE_FLAT && qty_units == 0;
}

/* False when no such intent can stand. */
static bool unpack_intent(keel_unpacker *u, const coordinator_standing *standing,
                          coordinator_intent *intent)
{
    memset(intent, 0, sizeof *intent);
    intent->version = keel_unpack_u64(u);
    const uint32_t strategy = keel_unpack_u32(u), instrument = keel_unpack_u32(u);
    intent->state = keel_unpack_u8(u);
    intent->side = keel_unpack_u8(u);
    intent->target_qty_units = keel_unpack_i64(u);
    intent->entry_units = keel_unpack_i64(u);
    intent->stop_units = keel_unpack_i64(u);
    intent->target_units = keel_unpack_i64(u);
    intent->valid_until_ns = keel_unpack_i64(u);
    intent->before_version = keel_unpack_u64(u);
    intent->step = keel_unpack_u64(u);
    if (u->failed || strategy >= (uint32_t)standing->strategies_n ||
        instrument >= (uint32_t)standing->instruments_n)
        return false;
    intent->strategy = (uint16_t)strategy;
    intent->instrument = (uint16_t)instrument;
    const bool can_be_held = intent->side != KEEL_SIDE_FLAT;
    return fits_side(intent->side, intent->target_qty_units) && intent->entry_units > 0 &&
           intent->stop_units >= 0 && intent->target_units >= 0 && intent->valid_until_ns >= 0 &&
           intent->before_version < intent->version &&
           (intent->state == KEEL_SIGNAL_OPEN ||
            (intent->state == KEEL_SIGNAL_HELD && can_be_held)) &&
           coordinator_standing_find(standing, (int)strategy, (int)instrument) == NULL;
}

/* Into an empty table. */
void coordinator_standing_load(keel_unpacker *u, coordinator_standing *standing, uint64_t last_seq)
{
    const uint32_t n = keel_unpack_u32(u);
    uint64_t last = 0;
    if (n > standing->cap)
        u->failed = true;
    for (uint32_t i = 0; i < n && !u->failed; i++) {
        coordinator_intent intent;
        if (!unpack_intent(u, standing, &intent) || intent.version <= last ||
            intent.version > last_seq) {
            u->failed = true;
            return;
        }
        last = intent.version;
        coordinator_standing_put(standing, &intent);
    }
}
