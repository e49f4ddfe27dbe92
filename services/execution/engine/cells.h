/* cells.h - who holds what for which intent: one cell per (book, instrument) that is in use.
 *
 * ROOM     services/execution/engine: pure.
 * SHAPE    A table in the order (book, instrument), without holes, of at most `max` cells; one is
 *          found in log2 of their number, put in or taken out in the number behind it. Pointers to
 *          cells are valid until one is put in or taken out.
 * MEMORY   the arrays are the caller's.
 * THREADS  one thread per object.
 */
#ifndef KEEL_SERVICES_EXECUTION_ENGINE_CELLS_H
#define KEEL_SERVICES_EXECUTION_ENGINE_CELLS_H

#include "common/domain/reason.h"
#include "common/domain/signal.h"

#include <stdint.h>

/* Holdings and targets of strategies' books stay inside +-2^54 units, so that those of 64 books and
 * their differences add up inside 2^62. */
#define KEEL_CELL_UNITS_MAX (INT64_C(1) << 54)

enum { KEEL_CELLS_MAX = 16384 };

/* What a strategy's book holds of an instrument, and what it shall hold. */
typedef struct keel_cell {
    int book;
    int instrument;
    int64_t held_units;
    int64_t target_qty_units;
    uint64_t version; /* of the intent; > 0 */
    int64_t stop_units;
    int64_t take_units;        /* the price of its target; 0 = none */
    int64_t valid_until_ns;    /* of an opening that is not filled yet; 0 = no limit */
    bool stopped;              /* a portfolio stop closes it */
    bool bare;                 /* known from an order alone: its decision was not heard yet */
    keel_reason_code given_up; /* what the next plan says of it; UNSPECIFIED = nothing */
    int64_t given_up_units;    /* the quantity that it says it of */
} keel_cell;

typedef struct keel_cells {
    keel_cell *at; /* borrowed, max */
    int n;
    int max;
} keel_cells;

/* The cell, or NULL. */
keel_cell *keel_cells_find(const keel_cells *cells, int book, int instrument);

/* The cell, new and zero when it was not there. NULL: the table is full. */
keel_cell *keel_cells_take(keel_cells *cells, int book, int instrument);

/* Drop the cells that hold nothing, want nothing and have nothing to say. */
void keel_cells_tidy(keel_cells *cells);

/* True when the cell wants more exposure than it holds, or the other side. */
bool keel_cell_opens(const keel_cell *cell);

/* Give up the exposure that is not held yet; what reduces stays wanted. `why` is said by the next
 * plan, of `units`. */
void keel_cell_give_up(keel_cell *cell, keel_reason_code why, int64_t units);

/* The book shall hold nothing, and no price closes it any more; the version stays (R8). */
void keel_cell_close(keel_cell *cell);

#endif
