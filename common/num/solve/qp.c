#include "common/num/solve/qp.h"

#include "common/base/mem.h"
#include "common/base/pack.h"
#include "common/num/la/la.h"
#include "common/num/la/sym.h"
#include "common/num/solve/qp_internal.h"

#include <math.h>
#include <string.h>

enum { SNAPSHOT_MAGIC = 0x3250514b /* "KQP2" */ };

/* What both kinds need. */
static keel_qp *new_common(size_t n, size_t m)
{
    keel_qp *qp = keel_xcalloc(1, sizeof *qp);
    keel_la_init();
    qp->n_max = (int)n;
    qp->m_max = (int)m;
    qp->status = keel_xcalloc(m + n, sizeof *qp->status);
    qp->next = keel_xcalloc(m + n, sizeof *qp->next);
    qp->best = keel_xcalloc(m + n, sizeof *qp->best);
    qp->kept = keel_xcalloc(m + n, sizeof *qp->kept);
    qp->lo = keel_xcalloc(m + n, sizeof *qp->lo);
    qp->hi = keel_xcalloc(m + n, sizeof *qp->hi);
    qp->linear = keel_xcalloc(n, sizeof *qp->linear);
    qp->piece = keel_xcalloc(n, sizeof *qp->piece);
    qp->center = keel_xcalloc(n, sizeof *qp->center);
    qp->slope = keel_xcalloc(n, sizeof *qp->slope);
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
    qp->columns = keel_xcalloc(n * (m + 1), sizeof *qp->columns);
    qp->gram = keel_xcalloc(m * m, sizeof *qp->gram);
    qp->rhs = keel_xcalloc(m, sizeof *qp->rhs);
    qp->dx = keel_xcalloc(n, sizeof *qp->dx);
    qp->dy = keel_xcalloc(m, sizeof *qp->dy);
    qp->effect = keel_xcalloc(n, sizeof *qp->effect);
    qp->work = keel_xcalloc(4 * n + m + 1, sizeof *qp->work);
    qp->active = keel_xcalloc(n, sizeof *qp->active);
    qp->position = keel_xcalloc(n, sizeof *qp->position);
    qp->ignored = keel_xcalloc(m + n, sizeof *qp->ignored);
    return qp;
}

keel_qp *keel_qp_new(int n_max, int m_max)
{
    if (n_max < 1 || n_max > KEEL_QP_N_MAX || m_max < 0 || m_max > KEEL_QP_M_MAX)
        return NULL;
    const size_t n = (size_t)n_max;
    keel_qp *qp = new_common(n, (size_t)m_max);
    qp->block = keel_xcalloc(n * n, sizeof *qp->block);
    qp->triangle = keel_xcalloc(n * n, sizeof *qp->triangle);
    return qp;
}

keel_qp *keel_qp_new_factors(int n_max, int m_max, int factors_max)
{
    if (n_max < 1 || n_max > KEEL_QP_FACTOR_N_MAX || m_max < 0 || m_max > KEEL_QP_M_MAX ||
        factors_max < 1 || factors_max > KEEL_QP_FACTORS_MAX)
        return NULL;
    const size_t n = (size_t)n_max, m = (size_t)m_max, factors = (size_t)factors_max;
    keel_qp *qp = new_common(n, m);
    qp->factors_max = factors_max;
    qp->block = keel_xcalloc(n * factors, sizeof *qp->block);
    qp->raw = keel_xcalloc(n * m, sizeof *qp->raw);
    qp->inner = keel_xcalloc(factors * factors, sizeof *qp->inner);
    qp->inverse = keel_xcalloc(n, sizeof *qp->inverse);
    qp->along = keel_xcalloc(factors, sizeof *qp->along);
    qp->dense = keel_qp_new(n_max, m_max);
    if (qp->dense != NULL)
        qp->packed = keel_xcalloc(keel_sym_len(n_max), sizeof *qp->packed);
    return qp;
}

void keel_qp_free(keel_qp **of)
{
    keel_qp *qp = *of;
    if (qp == NULL)
        return;
    keel_qp_free(&qp->dense);
    void *owned[] = {qp->dx,       qp->dy,      qp->effect,    qp->status,   qp->next,
                     qp->best,     qp->lo,      qp->hi,        qp->row_size, qp->x,
                     qp->y,        qp->z,       qp->gradient,  qp->pick,     qp->row_pick,
                     qp->scratch,  qp->block,   qp->row_value, qp->conflict, qp->columns,
                     qp->gram,     qp->rhs,     qp->triangle,  qp->work,     qp->active,
                     qp->position, qp->ignored, qp->kept,      qp->packed,   qp->linear,
                     qp->piece,    qp->center,  qp->slope,     qp->raw,      qp->inner,
                     qp->inverse,  qp->along};
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

static keel_status check_kink(int n, const keel_qp_kink *kink)
{
    if (!keel_la_all_finite(n, kink->at) || !keel_la_all_finite(n, kink->rise) ||
        !keel_la_all_finite(n, kink->fall))
        return KEEL_ENONFINITE;
    for (int i = 0; i < n; i++)
        if (kink->rise[i] < 0 || kink->fall[i] < 0)
            return KEEL_ERANGE;
    return KEEL_OK;
}

static keel_status check_matrix(const keel_qp *qp, const keel_qp_problem *p)
{
    if (p->s != NULL) {
        if (qp->factors_max > 0)
            return KEEL_ERANGE;
        return p->checked || keel_la_all_finite((int)keel_sym_len(p->n), p->s) ? KEEL_OK
                                                                               : KEEL_ENONFINITE;
    }
    if (p->factors < 0 || p->factors > qp->factors_max)
        return KEEL_ERANGE;
    if (!p->checked && (!keel_la_all_finite(p->n * p->factors, p->loadings) ||
                        !keel_la_all_finite(p->n, p->specific)))
        return KEEL_ENONFINITE;
    for (int i = 0; i < p->n; i++)
        if (p->specific[i] < 0)
            return KEEL_ERANGE;
    return KEEL_OK;
}

static keel_status check(const keel_qp *qp, const keel_qp_problem *p)
{
    if (p->n < 1 || p->n > qp->n_max || p->m < 0 || p->m > qp->m_max || p->kinks_n < 0 ||
        p->kinks_n > KEEL_QP_KINKS_MAX)
        return KEEL_ERANGE;
    for (int k = 0; k < p->kinks_n; k++)
        KEEL_TRY(check_kink(p->n, &p->kinks[k]));
    KEEL_TRY(check_matrix(qp, p));
    if ((p->c != NULL && !keel_la_all_finite(p->n, p->c)) ||
        (p->m > 0 && !keel_la_all_finite(p->m * p->n, p->a)))
        return KEEL_ENONFINITE;
    KEEL_TRY(check_sides(p->lower, p->upper, p->n, KEEL_QP_TOLERANCE));
    return check_sides(p->row_lo, p->row_hi, p->m, 0);
}

static double largest_of(int n, const double *x)
{
    double largest = 0;
    for (int i = 0; i < n; i++)
        largest = qp_larger(largest, fabs(x[i]));
    return largest;
}

static void take_problem(keel_qp *qp, const keel_qp_problem *p)
{
    const int n = p->n, m = p->m;
    if (n != qp->n || m != qp->m)
        qp->warm = qp->was_singular = false;
    qp->p = *p;
    qp->n = n;
    qp->m = m;
    qp->iterations = 0;
    qp->prox = 0;
    for (int r = 0; r < m; r++) {
        qp_set_side(qp, r, p->row_lo[r], p->row_hi[r]);
        qp->row_size[r] = largest_of(n, p->a + (size_t)r * (size_t)n);
    }
    qp->scale = qp_larger(p->c != NULL ? largest_of(n, p->c) : 0, qp_largest_diagonal(qp));
    for (int k = 0; k < p->kinks_n; k++) {
        qp->scale = qp_larger(qp->scale, largest_of(n, p->kinks[k].rise));
        qp->scale = qp_larger(qp->scale, largest_of(n, p->kinks[k].fall));
    }
    if (!(qp->scale > 0))
        qp->scale = 1;          /* any feasible point will do */
    for (int i = 0; i < n; i++) /* of a call with more kinks */
        qp->piece[i] = qp->piece[i] > p->kinks_n ? (signed char)p->kinks_n : qp->piece[i];
}

/* What pivoting in factor form did not settle: all of S, by the steps that have a proof of end. */
static keel_status solve_dense(keel_qp *qp, const keel_qp_problem *problem, keel_qp_answer *answer)
{
    keel_qp_problem whole = *problem;
    const int before = answer->iterations;
    for (int j = 0; j < problem->n; j++)
        for (int i = j; i < problem->n; i++) {
            const size_t k = (size_t)problem->factors;
            const double *b = problem->loadings;
            qp->packed[keel_sym_at(problem->n, i, j)] =
                keel_la_dot(problem->factors, b + (size_t)i * k, b + (size_t)j * k) +
                (i == j ? problem->specific[i] : 0);
        }
    whole.s = qp->packed;
    keel_qp_reset(qp->dense);
    KEEL_TRY(keel_qp_solve(qp->dense, &whole, answer));
    answer->iterations += before;
    qp->warm = answer->outcome == KEEL_QP_OPTIMAL;
    qp->was_singular = qp->dense->was_singular;
    memcpy(qp->status, qp->dense->status, (size_t)(problem->m + problem->n));
    memcpy(qp->piece, qp->dense->piece, (size_t)problem->n);
    return KEEL_OK;
}

keel_status keel_qp_solve(keel_qp *qp, const keel_qp_problem *problem, keel_qp_answer *answer)
{
    KEEL_TRY(check(qp, problem));
    memset(answer, 0, sizeof *answer);
    take_problem(qp, problem);
    answer->outcome = qp_outcome(qp, answer);
    answer->iterations = qp->iterations;
    answer->x = qp->x;
    answer->y = qp->y;
    answer->z = qp->z;
    answer->slope = qp->slope;
    answer->conflict = qp->conflict;
    memset(&qp->p, 0, sizeof qp->p);
    return answer->outcome == KEEL_QP_ITERATION_LIMIT && qp->dense != NULL
               ? solve_dense(qp, problem, answer)
               : KEEL_OK;
}

void keel_qp_reset(keel_qp *qp)
{
    qp->warm = qp->was_singular = false;
}

keel_status keel_qp_save(const keel_qp *qp, uint8_t *buf, size_t cap, size_t *len)
{
    keel_packer p = keel_packer_over(buf, cap);
    keel_pack_u32(&p, SNAPSHOT_MAGIC);
    keel_pack_u32(&p, qp->warm ? (uint32_t)qp->n : 0);
    keel_pack_u32(&p, qp->warm ? (uint32_t)qp->m : 0);
    keel_pack_u32(&p, qp->warm && qp->was_singular);
    if (qp->warm)
        keel_pack_bytes(&p, qp->status, (size_t)(qp->n + qp->m));
    if (qp->warm)
        keel_pack_bytes(&p, qp->piece, (size_t)qp->n);
    return keel_packer_done(&p, len);
}

keel_status keel_qp_load(keel_qp *qp, const uint8_t *buf, size_t len)
{
    signed char status[KEEL_QP_FACTOR_N_MAX + KEEL_QP_M_MAX], piece[KEEL_QP_FACTOR_N_MAX];
    keel_unpacker u = keel_unpacker_over(buf, len);
    const uint32_t magic = keel_unpack_u32(&u);
    const uint32_t n = keel_unpack_u32(&u), m = keel_unpack_u32(&u);
    const uint32_t was_singular = keel_unpack_u32(&u);
    if (magic != SNAPSHOT_MAGIC || n > (uint32_t)qp->n_max || m > (uint32_t)qp->m_max ||
        (n == 0 && m != 0) || was_singular > (n > 0))
        return KEEL_EFORMAT;
    keel_unpack_bytes(&u, status, n + m);
    keel_unpack_bytes(&u, piece, n);
    KEEL_TRY(keel_unpacker_done(&u));
    for (uint32_t k = 0; k < n + m; k++) {
        if (status[k] < -1 || status[k] > 1)
            return KEEL_EFORMAT;
    }
    for (uint32_t i = 0; i < n; i++) {
        if (piece[i] < 0 || piece[i] > KEEL_QP_KINKS_MAX)
            return KEEL_EFORMAT;
    }
    memcpy(qp->status, status, n + m);
    memcpy(qp->piece, piece, n);
    qp->was_singular = was_singular != 0;
    qp->n = (int)n;
    qp->m = (int)m;
    qp->warm = n > 0;
    return KEEL_OK;
}
