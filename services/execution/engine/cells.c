#include "services/execution/engine/cells.h"

#include "services/execution/engine/plan.h"

#include <string.h>

/* The first place whose cell is not before (book, instrument). */
static int place_of(const keel_cells *cells, int book, int instrument)
{
    int lo = 0, hi = cells->n;
    while (lo < hi) {
        const int mid = lo + (hi - lo) / 2;
        const keel_cell *c = &cells->at[mid];
        if (c->book < book || (c->book == book && c->instrument < instrument))
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

keel_cell *keel_cells_find(const keel_cells *cells, int book, int instrument)
{
    const int place = place_of(cells, book, instrument);
    keel_cell *c = &cells->at[place];
    return place < cells->n && c->book == book && c->instrument == instrument ? c : NULL;
}

keel_cell *keel_cells_take(keel_cells *cells, int book, int instrument)
{
    keel_cell *found = keel_cells_find(cells, book, instrument);
    if (found != NULL || cells->n == cells->max)
        return found;
    const int place = place_of(cells, book, instrument);
    keel_cell *c = &cells->at[place];
    memmove(c + 1, c, (size_t)(cells->n - place) * sizeof *c);
    *c = (keel_cell){.book = book, .instrument = instrument};
    cells->n++;
    return c;
}

void keel_cells_tidy(keel_cells *cells)
{
    int kept = 0;
    for (int k = 0; k < cells->n; k++) {
        const keel_cell *c = &cells->at[k];
        if (c->held_units != 0 || c->target_qty_units != 0 ||
            c->given_up != KEEL_REASON_UNSPECIFIED)
            cells->at[kept++] = *c;
    }
    cells->n = kept;
}

bool keel_cell_opens(const keel_cell *cell)
{
    const int64_t want = cell->target_qty_units - cell->held_units;
    return want != 0 && keel_plan_reducing(cell->held_units, want) != want;
}

void keel_cell_give_up(keel_cell *cell, keel_reason_code why, int64_t units)
{
    const int64_t want = cell->target_qty_units - cell->held_units;
    cell->target_qty_units = cell->held_units + keel_plan_reducing(cell->held_units, want);
    cell->valid_until_ns = 0;
    if (cell->target_qty_units == 0) /* its prices belong to a position that will not be */
        cell->stop_units = cell->take_units = 0;
    cell->given_up = why;
    cell->given_up_units = units;
}

void keel_cell_close(keel_cell *cell)
{
    cell->target_qty_units = 0;
    cell->stop_units = cell->take_units = 0;
    cell->valid_until_ns = 0;
}
