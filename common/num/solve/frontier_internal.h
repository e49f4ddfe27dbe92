/* frontier_internal.h - what the files of the critical line share; nobody else includes it.
 *
 * MODEL    One walk serves both ways: minimise 1/2 w'Sw - c(at)'w with c = c_from + at c_rate and
 *          row sides lo, hi that move by lo_rate, hi_rate, for growing `at`. To the frontier's
 *          foot `at` goes from 0 to 1 and ends at c = 0 and the sides asked for; on the frontier
 *          itself `at` is t, c = t mean and the sides rest.
 * SHAPE    One numbering for all that can bind: row r is r, the bound of variable i is m + i.
 *          status[k] is -1 when k holds at its lower side, 1 at its upper side, 0 when free.
 *          The free block has the order of free[]; its factor l and what is carried with it,
 *          L^-1 A_F' in columns 0..m-1 and L^-1 c_rate_F in column m, have leading dimension ld.
 */
#ifndef KEEL_COMMON_NUM_SOLVE_FRONTIER_INTERNAL_H
#define KEEL_COMMON_NUM_SOLVE_FRONTIER_INTERNAL_H

#include "common/num/la/la.h"
#include "common/num/solve/frontier.h"

#include <stddef.h>

/* Part of a pivot's diagonal that must remain: n eps is 4e-13 for 2000 variables. */
#define FRONTIER_PIVOT_MIN 1e-12
/* Part of a normal's squared length, in the metric of the free block, that the held rows must leave
 * for it to be another direction. */
#define FRONTIER_ROW_MIN 1e-12
/* Part of the largest rate below which a rate is rounding. */
#define FRONTIER_RATE_MIN 1e-12
/* What is this close (scaled) to its side at the end of a step gets there with it. */
#define FRONTIER_TIE 1e-12
/* Part of that which a step may miss its event by before it is corrected. */
#define FRONTIER_NEAR 0.03

typedef enum frontier_step {
    FRONTIER_MOVED,    /* the working set has changed, or a refused variable was put aside */
    FRONTIER_SLID,     /* so has the point, at the same parameter: two are optimal there */
    FRONTIER_DEAD_END, /* the new constraint depends on those held, and nothing makes room for it */
} frontier_step;

/* The next change: constraint k takes the status `to`, after `by` more of the parameter. */
typedef struct frontier_event {
    int k; /* -1: none */
    int to;
    double by;
} frontier_event;

/* One that may come first; its step is slack / rate. */
typedef struct frontier_candidate {
    int k, to;
    double slack, rate, tie;
} frontier_candidate;

struct keel_frontier {
    int n_max, m_max, corners_max, ld;
    int n, m;
    keel_frontier_problem p; /* borrowed during solve */

    double *lo, *hi;           /* m + n: the sides now */
    double *lo_rate, *hi_rate; /* m */
    double *c_from, *c_rate;   /* n */
    double at;
    double *row_size;  /* m: largest |a| of the row, 1 if it has none */
    double *row_extra; /* m: weight of a a' in the free block, see frontier_enter */
    double scale;      /* largest diagonal of S */
    double mean_scale; /* largest |mean| */
    double force_size; /* largest |c_rate| */
    double extra;      /* 0 until the free block alone was singular */

    signed char *status; /* m + n */
    signed char *turn;   /* m + n: status of those whose multiplier may end it, else 0 */
    double *bound_turn;  /* n: turn of the bounds, in the type of what it is multiplied with */
    bool any_aside;      /* some turn is 0 because its variable was refused */
    int *free, free_n;   /* variables between their bounds */
    int *position;       /* n: place in free[], or -1 */
    int *held, held_n;   /* rows held, ascending */

    double *l, *carried; /* ld x n, ld x (m + 1) */
    double *gram;        /* m x m: factor of V'V, V = carried columns of the held rows */
    bool gram_holds;     /* neither has changed since */
    double *columns;     /* n x n: whole columns of S as they were first needed */
    int *column_at;      /* n: place in columns, or -1 */
    int columns_n;
    double *base, *base_gradient; /* n: lower sides (0 without), S base */

    double *w, *y;                /* n, m */
    double *gradient;             /* n: S w */
    double *d;                    /* n: S w - c + A'y */
    double *row_value;            /* m: A w */
    double size;                  /* largest |w| or 1 */
    double *dw, *dy, *dd, *drow;  /* how these answer to `at` */
    double rate_scale, move_size; /* size of the terms of dd, largest |dw| */

    double *force, *reply;      /* n: vectors of the free block */
    double *side, *multipliers; /* m */
    double *column;             /* n + 1 */
    double *coefficients;       /* m + 1 */
    frontier_candidate *candidates;
    int candidates_n;
    double soonest, off; /* its step, and how far it is in units of its tie */
    bool may_go_back;    /* a search may answer with a step below 0 */
    int *scratch;        /* n */

    int corners, steps, start_steps;
    double *corner_t, *corner_mean, *corner_variance, *corner_residual; /* corners_max, t rising */
    double *corner_w, *corner_y;
    bool flat; /* w rested on the way to the last corner */
};

static inline double frontier_larger(double a, double b)
{
    return a > b ? a : b;
}

static inline bool frontier_is_fixed(const keel_frontier *f, int k)
{
    return !(f->lo[k] < f->hi[k]);
}

static inline const double *frontier_row(const keel_frontier *f, int r)
{
    return f->p.a + (size_t)r * (size_t)f->n;
}

/* Size of the terms of a gradient: the s of the header's scaled units. */
double frontier_gradient_size(const keel_frontier *f);

/* Whole column i of S; gathered from the packed triangle at the first call. */
const double *frontier_column(keel_frontier *f, int i);

/* No variable free, no row held. */
void frontier_clear(keel_frontier *f);

/* Put variable i into the free block. false, nothing changed: it depends on those that are there.
 * The first time that happens the block is made again with a a' of every equality row added, which
 * changes neither the answer nor its multipliers but lets in what is independent along the rows
 * (one without variance, such as cash). */
KEEL_MUST_CHECK bool frontier_enter(keel_frontier *f, int i);
void frontier_leave(keel_frontier *f, int i);
void frontier_hold(keel_frontier *f, int r);
void frontier_release(keel_frontier *f, int r);

/* dw of the free variables when variable i, which depends on them, moves by 1 at no variance. */
void frontier_slide(keel_frontier *f, int i);

/* After c_rate has changed: its carried column again. */
void frontier_recarry(keel_frontier *f);

/* The part of force (L^-1 of something, free_n) that the held rows leave; what they take is
 * V multipliers. Returns its squared length, 0 exactly when free_n = held_n. */
double frontier_project(keel_frontier *f, double *force, double *multipliers);

/* Solve S_FF x + A'y = rhs, A x = side for the held rows. force = L^-1 rhs, spoilt; side NULL = 0.
 * What the rows leave of the force is rounding when its square is far below the larger of the whole
 * and `usual`. x in the order of free[], y in that of held[]. */
void frontier_equality(keel_frontier *f, double *force, double usual, const double *side, double *x,
                       double *y);

/* L^-1 times the unit vector of the free variable i into force. */
void frontier_unit_force(keel_frontier *f, int i, double *force);

/* dw, dy, dd, drow of the working set. true when w rests. */
bool frontier_direction(keel_frontier *f);

/* The first change along the direction. */
frontier_event frontier_next(keel_frontier *f);

/* Go there, correct for the rounding of the way, and look again: where the free block is badly
 * conditioned the event, or another one, is then a little before or behind. Returns the event that
 * is met. */
frontier_event frontier_approach(keel_frontier *f, frontier_event event);

/* Make that change at the place reached. */
KEEL_MUST_CHECK frontier_step frontier_change(keel_frontier *f, frontier_event event);

/* After a dead end: the multipliers of the constraint and of those it depends on prove that no w
 * satisfies all at the end of the path to the foot. */
bool frontier_proves_conflict(keel_frontier *f, frontier_event event);

/* Go `by` along the direction. */
void frontier_move(keel_frontier *f, double by);

/* w and y corrected once for the rounding of the way, in the working set in hand, w exactly on the
 * side that the event brings it to when it is that near; the rest from nothing. */
void frontier_settle(keel_frontier *f, frontier_event event);

/* gradient, row_value and d of the w and y in hand, from nothing. */
void frontier_refresh(keel_frontier *f);

/* Scaled KKT residual of w, y at t = f->at. */
double frontier_residual(const keel_frontier *f);

#endif
