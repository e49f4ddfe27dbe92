/* lots.h - one position as a queue of lots, first in, first out, in integers.
 *
 * ROOM     services/ledger/engine: pure.
 * MODEL    A lot is what one fill opened: qty and cost have one sign (shorts are negative both).
 *          A fill of gross g = price x qty closes c of its f units first:
 *            g_close   = g x c / f, half to even; g_open = g - g_close
 *            closed    = sum over lots, oldest first, of cost x (closed part) / qty, half to even,
 *                        all of the cost with the last unit
 *            realized  = -g_close - closed
 *          and opens a lot of the rest. So cost changes by g + realized exactly.
 *          A position keeps at most KEEL_LOTS_MAX lots; a fill that would open one more joins the
 *          newest (quantity and cost add up, so nothing is lost but the split between the two).
 * MEMORY   the ring is the caller's.
 * THREADS  one thread per object.
 */
#ifndef KEEL_SERVICES_LEDGER_ENGINE_LOTS_H
#define KEEL_SERVICES_LEDGER_ENGINE_LOTS_H

#include "common/base/status.h"

#include <stdint.h>

enum { KEEL_LOTS_MAX = 512 };

typedef struct keel_lot {
    int64_t qty_units;
    int64_t cost_micros;
    uint64_t fill_no; /* the fill that opened it */
} keel_lot;

typedef struct keel_lots {
    keel_lot *ring; /* KEEL_LOTS_MAX, borrowed; needed while there are lots */
    int head;       /* place of the oldest */
    int count;
    uint64_t first_no; /* number of the oldest lot; lots of a position are numbered 0, 1, 2 ... */
    int64_t qty_units; /* sums over the lots */
    int64_t cost_micros;
    bool changed; /* since keel_lots_settle(): the oldest may have */
    bool opened;  /* and those from opened_from on have */
    uint64_t opened_from;
} keel_lots;

typedef struct keel_lots_booked {
    int64_t realized_micros;
    int64_t closed_units; /* |quantity| that was closed; 0 = the fill only opened */
} keel_lots_booked;

/* Book qty_units (not 0) for gross_micros, which has its sign or is 0. KEEL_EOVERFLOW, KEEL_EINVAL;
 * state unchanged then. Cost: the lots closed. */
KEEL_MUST_CHECK keel_status keel_lots_book(keel_lots *lots, int64_t qty_units, int64_t gross_micros,
                                           uint64_t fill_no, keel_lots_booked *out);

/* What keel_lots_book would return, without doing it. */
KEEL_MUST_CHECK keel_status keel_lots_check(const keel_lots *lots, int64_t qty_units,
                                            int64_t gross_micros);

/* The i-th oldest lot, 0 <= i < count; its number is first_no + i. */
const keel_lot *keel_lots_at(const keel_lots *lots, int i);

/* Put back a stored lot behind the others. KEEL_ENOSPC, KEEL_EFORMAT (sign, zero, sums). */
KEEL_MUST_CHECK keel_status keel_lots_restore(keel_lots *lots, const keel_lot *lot);

/* What changed is stored now. */
void keel_lots_settle(keel_lots *lots);

#endif
