/* support.h - which instruments may hold a position when their number is limited.
 *
 * ROOM     services/optimizer/engine: pure; used by allocate.c alone.
 * MODEL    Kept first: lower bounds above 0, then for each sector with a lower band its best
 *          members until their upper bounds reach the band, then by score, ties by lower index.
 *          Then exchanges: while the kept cannot fill the budget, capacity = the sum over sectors
 *          of min(hi, kept upper bounds) plus the rest, the worst free one leaves for the best one
 *          that raises it. Greedy: it can miss a support that exists; the solver then says so.
 */
#ifndef KEEL_SERVICES_OPTIMIZER_ENGINE_SUPPORT_H
#define KEEL_SERVICES_OPTIMIZER_ENGINE_SUPPORT_H

#include <stdbool.h>

typedef struct keel_support_problem {
    int n;
    int positions_max; /* 1..n */
    double budget;
    const double *lower;
    const double *upper;
    int sectors_n;
    const double *sector_lo;
    const double *sector_hi;
    const int *sector_of; /* n; -1 = in no band */
} keel_support_problem;

/* Fill kept[n] by score[n], at most positions_max of them. `fixed` is room for n. */
void keel_support_choose(const keel_support_problem *p, const double *score, bool *kept,
                         bool *fixed);

/* The most the kept can hold. */
double keel_support_capacity(const keel_support_problem *p, const bool *kept);

#endif
