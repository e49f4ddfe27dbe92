#include "services/ledger/engine/lots.h"

#include "common/base/assert.h"
#include "common/domain/fixed.h"

static keel_lot *at(const keel_lots *lots, int i)
{
    return &lots->ring[(lots->head + i) % KEEL_LOTS_MAX];
}

static void note_opened(keel_lots *lots, uint64_t lot_no)
{
    if (!lots->opened || lot_no < lots->opened_from)
        lots->opened_from = lot_no;
    lots->changed = lots->opened = true;
}

/* Close up to `units` of the oldest lot; returns what was closed, *cost gets its cost. */
static int64_t close_oldest(keel_lots *lots, int64_t units, int64_t *cost)
{
    keel_lot *lot = at(lots, 0);
    const int64_t held = lot->qty_units < 0 ? -lot->qty_units : lot->qty_units;
    const int64_t part = units < held ? units : held;
    KEEL_ASSERT(keel_mul_div(lot->cost_micros, part, held, cost) == KEEL_OK);
    lot->qty_units += lot->qty_units < 0 ? part : -part;
    lot->cost_micros -= *cost;
    lots->changed = true;
    if (part == held) {
        lots->head = (lots->head + 1) % KEEL_LOTS_MAX;
        lots->count--;
        lots->first_no++;
    }
    return part;
}

static void open_lot(keel_lots *lots, int64_t qty, int64_t cost, uint64_t fill_no)
{
    if (lots->count == KEEL_LOTS_MAX) {
        keel_lot *newest = at(lots, lots->count - 1);
        newest->qty_units += qty;
        newest->cost_micros += cost;
    } else {
        *at(lots, lots->count++) = (keel_lot){qty, cost, fill_no};
    }
    note_opened(lots, lots->first_no + (uint64_t)lots->count - 1);
}

/* Both sums after the fill must fit with room to negate them. */
static bool fits(int64_t a, int64_t b)
{
    const keel_i128 sum = (keel_i128)a + b;
    return sum <= INT64_MAX / 2 && sum >= -(INT64_MAX / 2) && b <= INT64_MAX / 2 &&
           b >= -(INT64_MAX / 2);
}

static int64_t absolute(int64_t value)
{
    return value < 0 ? -value : value;
}

/* How a fill divides into what it closes and what it opens. */
typedef struct division {
    int64_t closed_units;
    int64_t gross_close;
} division;

static keel_status divide(const keel_lots *lots, int64_t qty, int64_t gross, division *out)
{
    division d = {0, 0};
    const bool closes = lots->qty_units != 0 && (lots->qty_units > 0) != (qty > 0);
    if (qty == 0 || (gross != 0 && (gross > 0) != (qty > 0)))
        return KEEL_EINVAL;
    if (!fits(lots->qty_units, qty) || !fits(lots->cost_micros, gross))
        return KEEL_EOVERFLOW;
    if (closes) {
        const int64_t units = absolute(qty), held = absolute(lots->qty_units);
        d.closed_units = units < held ? units : held;
        KEEL_TRY(keel_mul_div(gross, d.closed_units, units, &d.gross_close));
    }
    *out = d;
    return KEEL_OK;
}

keel_status keel_lots_check(const keel_lots *lots, int64_t qty_units, int64_t gross_micros)
{
    division d;
    return divide(lots, qty_units, gross_micros, &d);
}

keel_status keel_lots_book(keel_lots *lots, int64_t qty_units, int64_t gross_micros,
                           uint64_t fill_no, keel_lots_booked *out)
{
    division d;
    KEEL_TRY(divide(lots, qty_units, gross_micros, &d));
    keel_lots_booked booked = {-d.gross_close, d.closed_units};
    for (int64_t left = d.closed_units; left > 0;) {
        int64_t cost;
        left -= close_oldest(lots, left, &cost);
        booked.realized_micros -= cost;
    }
    const int64_t opened = absolute(qty_units) - d.closed_units;
    if (opened > 0)
        open_lot(lots, qty_units < 0 ? -opened : opened, gross_micros - d.gross_close, fill_no);
    lots->qty_units += qty_units;
    lots->cost_micros += gross_micros + booked.realized_micros;
    *out = booked;
    return KEEL_OK;
}

const keel_lot *keel_lots_at(const keel_lots *lots, int i)
{
    KEEL_ASSERT(i >= 0 && i < lots->count);
    return at(lots, i);
}

keel_status keel_lots_restore(keel_lots *lots, const keel_lot *lot)
{
    const bool mixed = lots->count > 0 && (lots->qty_units > 0) != (lot->qty_units > 0);
    if (lots->count == KEEL_LOTS_MAX)
        return KEEL_ENOSPC;
    if (lot->qty_units == 0 || mixed || !fits(lots->qty_units, lot->qty_units) ||
        !fits(lots->cost_micros, lot->cost_micros))
        return KEEL_EFORMAT;
    *at(lots, lots->count++) = *lot;
    lots->qty_units += lot->qty_units;
    lots->cost_micros += lot->cost_micros;
    return KEEL_OK;
}

void keel_lots_settle(keel_lots *lots)
{
    lots->changed = lots->opened = false;
}
