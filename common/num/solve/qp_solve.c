/* From a problem as stated to those that the steps solve: near the last status, cold, around
 * proximal points where S is singular, and from piece to piece where there are kinks. */
#include "common/num/la/chol.h"
#include "common/num/la/la.h"
#include "common/num/solve/qp_internal.h"

#include <math.h>
#include <string.h>

/* d, of the largest diagonal: it begins far above what rounding needs, and falls from round to
 * round, so that slopes just above the tolerance are not followed in small steps. */
#define PROX      1e-7
#define PROX_FALL 0.25
#define PROX_MIN  1e-11
/* A singular S may be so far from semidefinite, of its largest diagonal: rounding of estimates. */
#define SEMIDEFINITE 1e-10
/* A proximal answer is improved until its residual is as small as this, or it stands still: along a
 * slope far below the tolerance it may yet move far. */
#define PROX_CLEAN 1e-13
#define PROX_STILL 1e-11
#define PROX_FAR   1e6      /* a point this far away that still moves away never ends */
enum { GUESS_N_MIN = 150 }; /* below it a factor of all is as quick as a guess */
enum { PROX_ROUNDS = 30, PROX_RUNS_AWAY = 4, PIECE_ROUNDS = 1000 };

/* A remembered side that is no longer there would put the point at infinity. */
static void clean_status(keel_qp *qp)
{
    for (int k = 0; k < qp->m + qp->n; k++) {
        const signed char side = qp->status[k];
        if (qp_is_fixed(qp, k))
            qp->status[k] = side < 0 ? -1 : 1;
        else if ((side < 0 && isinf(qp->lo[k])) || (side > 0 && isinf(qp->hi[k])))
            qp->status[k] = 0;
    }
}

/* From the status in hand; true when that gave a certified answer. */
static bool solve_near(keel_qp *qp, keel_qp_answer *answer)
{
    clean_status(qp);
    qp_step step = qp_block_pivot(qp);
    if (step == QP_STEP_UNSETTLED)
        step = qp_repair(qp);
    return step == QP_STEP_DONE && qp_certify(qp, answer);
}

static qp_step solve_cold(keel_qp *qp, keel_qp_answer *answer, bool *certified)
{
    memset(qp->status, 0, (size_t)(qp->m + qp->n));
    if ((qp->p.checked || qp_has_factors(qp)) && qp->n >= GUESS_N_MIN) {
        qp_guess(qp);
        *certified = solve_near(qp, answer);
        if (*certified)
            return QP_STEP_DONE;
        memset(qp->status, 0, (size_t)(qp->m + qp->n));
    }
    *certified = solve_near(qp, answer);
    if (*certified)
        return QP_STEP_DONE;
    if (qp_has_factors(qp))
        return QP_STEP_UNSETTLED;
    qp_step step = qp_dual_active_set(qp);
    if (step == QP_STEP_CONFLICT || step == QP_STEP_SINGULAR)
        return step;
    /* the dual method gives the status; solving for it afresh sheds the rounding of its updates */
    step = qp_equality_solve(qp);
    *certified = step == QP_STEP_DONE && qp_certify(qp, answer);
    if (*certified)
        return step;
    step = qp_block_pivot(qp);
    *certified = step == QP_STEP_DONE && qp_certify(qp, answer);
    return step == QP_STEP_SINGULAR ? QP_STEP_UNSETTLED : step; /* S as a whole has a factor */
}

/* With the pieces and the proximal term in hand. */
static keel_qp_outcome solve_boxed(keel_qp *qp, keel_qp_answer *answer)
{
    bool certified = qp->warm && solve_near(qp, answer);
    const qp_step step = certified ? QP_STEP_DONE : solve_cold(qp, answer, &certified);
    qp->warm = certified;
    if (certified)
        return KEEL_QP_OPTIMAL;
    memset(answer, 0, sizeof *answer); /* of what an earlier attempt has left */
    if (step == QP_STEP_SINGULAR)
        return KEEL_QP_SINGULAR;
    if (step == QP_STEP_CONFLICT && qp_certify_conflict(qp, answer))
        return KEEL_QP_INFEASIBLE;
    memset(answer, 0, sizeof *answer);
    qp->warm = qp_certify(qp, answer);
    return qp->warm ? KEEL_QP_OPTIMAL : KEEL_QP_ITERATION_LIMIT;
}

/* ---- a singular S ---- */

static bool is_semidefinite(keel_qp *qp)
{
    const double largest = qp_largest_diagonal(qp);
    int k = 0;
    if (qp_has_factors(qp)) /* by construction */
        return true;
    qp->prox = largest > 0 ? SEMIDEFINITE * largest : 1;
    for (int i = 0; i < qp->n; i++) {
        if (qp->p.lower[i] < qp->p.upper[i]) /* what cannot move does not matter */
            qp->pick[k++] = i;
    }
    qp_block(qp, k, qp->block);
    return keel_chol_factor(k, qp->block, k, 0) == KEEL_CHOL_FACTORED;
}

/* The answer in hand, measured without the proximal term. */
static bool holds_as_stated(keel_qp *qp, keel_qp_answer *answer, bool with_kinks)
{
    qp->prox = 0;
    qp_choose(qp, with_kinks);
    return qp_certify(qp, answer);
}

/* From the status in hand without the term: exact where the free block has a factor. */
static bool exact_near(keel_qp *qp, keel_qp_answer *answer, bool with_kinks)
{
    const size_t bytes = (size_t)(qp->m + qp->n);
    qp->prox = 0;
    qp_choose(qp, with_kinks);
    memcpy(qp->kept, qp->status, bytes);
    if (solve_near(qp, answer))
        return true;
    memcpy(qp->status, qp->kept, bytes);
    return false;
}

/* How far x is from the center, which it becomes. */
static double move_center(keel_qp *qp)
{
    double moved = 0;
    for (int i = 0; i < qp->n; i++)
        moved = qp_larger(moved, fabs(qp->x[i] - qp->center[i]));
    memcpy(qp->center, qp->x, (size_t)qp->n * sizeof *qp->center);
    return moved;
}

static keel_qp_outcome solve_proximal(keel_qp *qp, keel_qp_answer *answer, bool with_kinks)
{
    const double largest = qp_largest_diagonal(qp);
    const double unit = largest > 0 ? largest : qp->scale > 0 ? qp->scale : 1;
    double term = PROX;
    if (!is_semidefinite(qp))
        return KEEL_QP_SINGULAR;
    if (qp->warm && exact_near(qp, answer, with_kinks))
        return KEEL_QP_OPTIMAL;
    memset(qp->center, 0, (size_t)qp->n * sizeof *qp->center);
    for (int round = 0; round < PROX_ROUNDS; round++) {
        qp->prox = term * unit;
        term = qp_larger(PROX_FALL * term, PROX_MIN);
        qp_choose(qp, with_kinks);
        const keel_qp_outcome outcome = solve_boxed(qp, answer);
        if (outcome != KEEL_QP_OPTIMAL)
            return outcome;
        const bool still = move_center(qp) <= PROX_STILL * qp_point_size(qp);
        if (holds_as_stated(qp, answer, with_kinks) &&
            (still || answer->dual_residual <= PROX_CLEAN))
            return KEEL_QP_OPTIMAL;
        if (round == 0 && exact_near(qp, answer, with_kinks))
            return KEEL_QP_OPTIMAL;
        if (round >= PROX_RUNS_AWAY && qp_point_size(qp) > PROX_FAR)
            return KEEL_QP_UNBOUNDED;
    }
    return holds_as_stated(qp, answer, with_kinks) ? KEEL_QP_OPTIMAL : KEEL_QP_ITERATION_LIMIT;
}

/* With the pieces in hand, or without the kinks. */
static keel_qp_outcome solve_convex(keel_qp *qp, keel_qp_answer *answer, bool with_kinks)
{
    keel_qp_outcome outcome = KEEL_QP_SINGULAR;
    qp->prox = 0;
    qp_choose(qp, with_kinks);
    if (!qp->was_singular)
        outcome = solve_boxed(qp, answer);
    const bool failed = outcome == KEEL_QP_SINGULAR || outcome == KEEL_QP_ITERATION_LIMIT;
    if (!failed || !qp->p.semidefinite)
        return outcome;
    outcome = solve_proximal(qp, answer, with_kinks);
    qp->prox = 0;
    qp->was_singular = qp->warm = outcome == KEEL_QP_OPTIMAL;
    return outcome;
}

/* ---- from piece to piece ---- */

static keel_qp_outcome improve_pieces(keel_qp *qp, keel_qp_answer *answer)
{
    for (int round = 0; round < PIECE_ROUNDS; round++) {
        const keel_qp_outcome outcome = solve_convex(qp, answer, true);
        if (outcome != KEEL_QP_OPTIMAL || qp_change_pieces(qp) == 0)
            return outcome;
    }
    qp->warm = false;
    return KEEL_QP_ITERATION_LIMIT;
}

/* From the pieces of the point that is best without kinks: it lies in them, so there is an answer
 * in them. */
static keel_qp_outcome solve_pieces_cold(keel_qp *qp, keel_qp_answer *answer)
{
    const keel_qp_outcome outcome = solve_convex(qp, answer, false);
    if (outcome != KEEL_QP_OPTIMAL && outcome != KEEL_QP_UNBOUNDED)
        return outcome;
    qp_place_pieces(qp);
    return improve_pieces(qp, answer);
}

static keel_qp_outcome solve_kinked(keel_qp *qp, keel_qp_answer *answer)
{
    if (qp->p.kinks_n == 0)
        return solve_convex(qp, answer, false);
    const keel_qp_outcome outcome = qp->warm ? improve_pieces(qp, answer) : KEEL_QP_ITERATION_LIMIT;
    return outcome == KEEL_QP_OPTIMAL ? outcome : solve_pieces_cold(qp, answer);
}

keel_qp_outcome qp_outcome(keel_qp *qp, keel_qp_answer *answer)
{
    if (!qp->p.semidefinite)
        qp->was_singular = false;
    const keel_qp_outcome outcome = solve_kinked(qp, answer);
    memset(qp->slope, 0, (size_t)qp->n * sizeof *qp->slope);
    if (outcome == KEEL_QP_OPTIMAL)
        qp_settle_slopes(qp);
    return outcome;
}
