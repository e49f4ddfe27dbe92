#include "common/num/solve/qp.h"

#include "common/base/mem.h"
#include "common/base/pack.h"
#include "common/num/la/la.h"
#include "common/num/la/sym.h"
#include "common/num/solve/qp_internal.h"

#include <math.h>
#include <string.h>

enum { SNAPSHOT_MAGIC = 0x3150514b /* "KQP1" */ };

keel_qp *keel_qp_new(int n_max, int m_max)
{
    if (n_max < 1 || n_max > KEEL_QP_N_MAX || m_max < 0 || m_max > KEEL_QP_M_MAX)
        return NULL;
    const size_t n = (size_t)n_max, m = (size_t)m_max;
    keel_qp *qp = keel_xcalloc(1, sizeof *qp);
    keel_la_init();
    qp->n_max = n_max;
    qp->m_max = m_max;
    qp->status = keel_xcalloc(m + n, sizeof *qp->status);
    qp->next = keel_xcalloc(m + n, sizeof *qp->next);
    qp->best = keel_xcalloc(m + n, sizeof *qp->best);
    qp->lo = keel_xcalloc(m + n, sizeof *qp->lo);
    qp->hi = keel_xcalloc(m + n, sizeof *qp->hi);
    qp->row_size = keel_xcalloc(m, sizeof *qp->row_size);
    qp->x = keel_xcalloc(n, sizeof *qp->x);
    qp->y = keel_xcalloc(m, sizeof *qp->y);
    qp->z = keel_xcalloc(n, sizeof *qp->z);
    qp->gradient = keel_xcalloc(n, sizeof *qp->gradient);
    qp->row_value = keel_xcalloc(m, sizeof *qp->row_value);
    qp->conflict = keel_xcalloc(m + n, sizeof *qp->conflict);
    qp->pick = keel_xcalloc(n, sizeof *qp->pick);
    qp->row_pick = keel_xcalloc(m, sizeof *qp->row_pick);
    qp->scratch = keel_xcalloc(n, sizeof *qp->scratch);
    qp->block = keel_xcalloc(n * n, sizeof *qp->block);
    qp->columns = keel_xcalloc(n * (m + 1), sizeof *qp->columns);
    qp->gram = keel_xcalloc(m * m, sizeof *qp->gram);
    qp->rhs = keel_xcalloc(m, sizeof *qp->rhs);
    qp->dx = keel_xcalloc(n, sizeof *qp->dx);
    qp->dy = keel_xcalloc(m, sizeof *qp->dy);
    qp->effect = keel_xcalloc(n, sizeof *qp->effect);
    qp->triangle = keel_xcalloc(n * n, sizeof *qp->triangle);
    qp->work = keel_xcalloc(4 * n + m + 1, sizeof *qp->work);
    qp->active = keel_xcalloc(n, sizeof *qp->active);
    qp->position = keel_xcalloc(n, sizeof *qp->position);
    qp->ignored = keel_xcalloc(m + n, sizeof *qp->ignored);
    return qp;
}

void keel_qp_free(keel_qp **of)
{
    keel_qp *qp = *of;
    if (qp == NULL)
        return;
    void *owned[] = {
        qp->dx,       qp->dy,       qp->effect, qp->status,    qp->next,     qp->best,     qp->lo,
        qp->hi,       qp->row_size, qp->x,      qp->y,         qp->z,        qp->gradient, qp->pick,
        qp->row_pick, qp->scratch,  qp->block,  qp->row_value, qp->conflict, qp->columns,  qp->gram,
        qp->rhs,      qp->triangle, qp->work,   qp->active,    qp->position, qp->ignored};
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++)
        keel_free(&owned[i]);
    keel_free(of);
}

/* -inf below and +inf above say "no bound", as +-KEEL_QP_NO_BOUND does. */
static keel_status check_sides(const double *lo, const double *hi, int count, double tolerance)
{
    for (int k = 0; k < count; k++) {
        if (isnan(lo[k]) || isnan(hi[k]) || lo[k] == HUGE_VAL || hi[k] == -HUGE_VAL)
            return KEEL_ENONFINITE;
        if (lo[k] >= KEEL_QP_NO_BOUND || hi[k] <= -KEEL_QP_NO_BOUND)
            return KEEL_ERANGE;
        const double size = qp_larger(1, fmin(fabs(lo[k]), fabs(hi[k])));
        if (lo[k] - hi[k] > tolerance * size)
            return KEEL_ERANGE;
    }
    return KEEL_OK;
}

static keel_status check(const keel_qp *qp, const keel_qp_problem *p)
{
    if (p->n < 1 || p->n > qp->n_max || p->m < 0 || p->m > qp->m_max)
        return KEEL_ERANGE;
    if (!keel_la_all_finite((int)keel_sym_len(p->n), p->s) ||
        (p->c != NULL && !keel_la_all_finite(p->n, p->c)) ||
        (p->m > 0 && !keel_la_all_finite(p->m * p->n, p->a)))
        return KEEL_ENONFINITE;
    KEEL_TRY(check_sides(p->lower, p->upper, p->n, KEEL_QP_TOLERANCE));
    return check_sides(p->row_lo, p->row_hi, p->m, 0);
}

static void set_side(keel_qp *qp, int k, double lo, double hi)
{
    const double middle = 0.5 * lo + 0.5 * hi;
    const bool crossed = lo > hi; /* by less than the tolerance: check_sides has seen to it */
    qp->lo[k] = crossed ? middle : lo <= -KEEL_QP_NO_BOUND ? -HUGE_VAL : lo;
    qp->hi[k] = crossed ? middle : hi >= KEEL_QP_NO_BOUND ? HUGE_VAL : hi;
}

static void take_problem(keel_qp *qp, const keel_qp_problem *p)
{
    const int n = p->n, m = p->m;
    if (n != qp->n || m != qp->m)
        qp->warm = false;
    qp->p = *p;
    qp->n = n;
    qp->m = m;
    qp->iterations = 0;
    qp->scale = 0;
    for (int r = 0; r < m; r++) {
        const double *row = p->a + (size_t)r * (size_t)n;
        set_side(qp, r, p->row_lo[r], p->row_hi[r]);
        qp->row_size[r] = 0;
        for (int i = 0; i < n; i++)
            qp->row_size[r] = qp_larger(qp->row_size[r], fabs(row[i]));
    }
    for (int i = 0; i < n; i++) {
        set_side(qp, m + i, p->lower[i], p->upper[i]);
        qp->scale = qp_larger(qp->scale, p->s[keel_sym_at(n, i, i)]);
        if (p->c != NULL)
            qp->scale = qp_larger(qp->scale, fabs(p->c[i]));
    }
}

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
    *certified = solve_near(qp, answer);
    if (*certified)
        return QP_STEP_DONE;
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

static void clear(keel_qp_answer *answer)
{
    memset(answer, 0, sizeof *answer);
}

static keel_qp_outcome outcome_of(keel_qp *qp, keel_qp_answer *answer)
{
    bool certified = qp->warm && solve_near(qp, answer);
    const qp_step step = certified ? QP_STEP_DONE : solve_cold(qp, answer, &certified);
    qp->warm = certified;
    if (certified)
        return KEEL_QP_OPTIMAL;
    clear(answer); /* of what an earlier attempt has left */
    if (step == QP_STEP_SINGULAR)
        return KEEL_QP_SINGULAR;
    if (step == QP_STEP_CONFLICT && qp_certify_conflict(qp, answer))
        return KEEL_QP_INFEASIBLE;
    clear(answer);
    qp->warm = qp_certify(qp, answer);
    return qp->warm ? KEEL_QP_OPTIMAL : KEEL_QP_ITERATION_LIMIT;
}

keel_status keel_qp_solve(keel_qp *qp, const keel_qp_problem *problem, keel_qp_answer *answer)
{
    KEEL_TRY(check(qp, problem));
    clear(answer);
    take_problem(qp, problem);
    answer->outcome = outcome_of(qp, answer);
    answer->iterations = qp->iterations;
    answer->x = qp->x;
    answer->y = qp->y;
    answer->z = qp->z;
    answer->conflict = qp->conflict;
    memset(&qp->p, 0, sizeof qp->p);
    return KEEL_OK;
}

void keel_qp_reset(keel_qp *qp)
{
    qp->warm = false;
}

keel_status keel_qp_save(const keel_qp *qp, uint8_t *buf, size_t cap, size_t *len)
{
    keel_packer p = keel_packer_over(buf, cap);
    keel_pack_u32(&p, SNAPSHOT_MAGIC);
    keel_pack_u32(&p, qp->warm ? (uint32_t)qp->n : 0);
    keel_pack_u32(&p, qp->warm ? (uint32_t)qp->m : 0);
    if (qp->warm)
        keel_pack_bytes(&p, qp->status, (size_t)(qp->n + qp->m));
    return keel_packer_done(&p, len);
}

keel_status keel_qp_load(keel_qp *qp, const uint8_t *buf, size_t len)
{
    signed char status[KEEL_QP_N_MAX + KEEL_QP_M_MAX];
    keel_unpacker u = keel_unpacker_over(buf, len);
    const uint32_t magic = keel_unpack_u32(&u);
    const uint32_t n = keel_unpack_u32(&u), m = keel_unpack_u32(&u);
    if (magic != SNAPSHOT_MAGIC || n > (uint32_t)qp->n_max || m > (uint32_t)qp->m_max ||
        (n == 0 && m != 0))
        return KEEL_EFORMAT;
    keel_unpack_bytes(&u, status, n + m);
    KEEL_TRY(keel_unpacker_done(&u));
    for (uint32_t k = 0; k < n + m; k++) {
        if (status[k] < -1 || status[k] > 1)
            return KEEL_EFORMAT;
    }
    memcpy(qp->status, status, n + m);
    qp->n = (int)n;
    qp->m = (int)m;
    qp->warm = n > 0;
    return KEEL_OK;
}
