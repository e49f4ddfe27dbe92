/* allocate.h - level two: target weights of the core book by a configured method.
 *
 * ROOM     services/optimizer/engine: pure.
 * MODEL    Weights w >= 0 are fractions of the book's equity, cash = 1 - sum w.
 *          Set of all methods:  lower <= w <= upper
 *                               "budget"       sum w = 1 - cash_min (STATIC: between 0 and that)
 *                               "sector:NAME"  lo <= sum of the sector's w <= hi
 *          MIN_VARIANCE        minimise 1/2 w'Sw over the set, exact (qp.h); OPTIMAL
 *          EQUAL_WEIGHT        (1 - cash_min) / m for the first m instruments as configured
 *          INVERSE_VOLATILITY  w[i] proportional to 1 / sqrt(S[i,i]) over the m calmest
 *          STATIC              the configured weights, else as EQUAL_WEIGHT
 *          A closed form outside the set is replaced by the point of the set nearest to it
 *          (Euclid), and the certificate's parent names the form; FEASIBLE.
 *          At most m = positions_max weights above 0 (0 = no limit). MIN_VARIANCE with m is a
 *          heuristic: the m largest weights of the unlimited answer are kept, exchanged where they
 *          cannot fill the budget, and the problem is solved again with the upper bounds of the
 *          others at 0. The answer is OPTIMAL for that problem, whose bounds it states.
 *          Lagrangian signs: common/domain/allocation.h.
 *          Source: H. Markowitz, Portfolio selection, J. Finance 7 (1952); R. Clarke, H. de Silva,
 *          S. Thorley, Minimum-variance portfolio composition, J. Portfolio Management 37 (2011).
 * MEMORY   keel_allocator_new takes everything; no later call allocates.
 * THREADS  one thread per object.
 */
#ifndef KEEL_SERVICES_OPTIMIZER_ENGINE_ALLOCATE_H
#define KEEL_SERVICES_OPTIMIZER_ENGINE_ALLOCATE_H

#include "common/domain/allocation.h"

#include <stddef.h>

#define KEEL_FEASIBLE_TOLERANCE 1e-9 /* of named constraints; as KEEL_QP_TOLERANCE */

enum { KEEL_SECTORS_MAX = KEEL_CONSTRAINTS_MAX - 1 };

typedef struct keel_allocator keel_allocator;

typedef struct keel_sector_band {
    char name[KEEL_NAME_MAX - 8]; /* as in the universe; "sector:" must fit before it */
    double lo;                    /* 0 <= lo <= hi <= 1, of the book's equity */
    double hi;
} keel_sector_band;

typedef struct keel_allocator_cfg {
    const keel_universe *universe; /* borrowed during new() only, as all pointers here */
    keel_method method;
    const double *lower; /* n, 0 <= lower <= upper <= 1 */
    const double *upper; /* n */
    double cash_min;     /* 0 <= cash_min < 1 */
    int positions_max;   /* 0 = no limit */
    int sectors_n;       /* 0..KEEL_SECTORS_MAX */
    const keel_sector_band *sectors;
    const double *weights; /* STATIC: n, or NULL = equal weights */
} keel_allocator_cfg;

typedef struct keel_allocation_answer {
    keel_outcome outcome;  /* the rest holds for SOLVED; INFEASIBLE: conflict only */
    const double *weights; /* n; valid until the next call, as all pointers here */
    const double *lower;   /* n, of the problem that was solved */
    const double *upper;
    const double *bound_multipliers;
    int constraints_n;
    const keel_constraint *constraints;
    keel_certificate certificate;
    double objective;                    /* 1/2 w'Sw, per bar */
    int positions;                       /* weights above 0 */
    char conflict[KEEL_REASON_TEXT_MAX]; /* INFEASIBLE: names that cannot hold together */
} keel_allocation_answer;

/* NULL with *err (may be NULL) on KEEL_ERANGE, KEEL_EINVAL, KEEL_EUNKNOWN (a sector without an
 * instrument), KEEL_EINFEASIBLE (limits that no weights can meet; the text names them).
 * Owned; end with keel_allocator_free (safe on NULL and twice). */
KEEL_MUST_CHECK keel_allocator *keel_allocator_new(const keel_allocator_cfg *cfg, keel_err *err);
void keel_allocator_free(keel_allocator **allocator);

/* Weights for a packed covariance of n, diagonal > 0. KEEL_ENONFINITE for a number that is not
 * finite or a diagonal not > 0, warm status unchanged. Cost: qp.h, twice with positions_max. */
KEEL_MUST_CHECK keel_status keel_allocator_solve(keel_allocator *allocator,
                                                 const double *covariance,
                                                 keel_allocation_answer *answer);

/* 1/2 w'Sw in one fixed order; S packed. */
double keel_half_variance(int n, const double *covariance, const double *weights);

/* The warm starts. save: KEEL_ENOSPC with *len; load: KEEL_EFORMAT, unchanged. */
KEEL_MUST_CHECK keel_status keel_allocator_save(const keel_allocator *allocator, uint8_t *buf,
                                                size_t cap, size_t *len);
KEEL_MUST_CHECK keel_status keel_allocator_load(keel_allocator *allocator, const uint8_t *buf,
                                                size_t len);

#endif
