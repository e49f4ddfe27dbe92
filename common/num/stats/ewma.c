#include "common/num/stats/ewma.h"

#include "common/base/mem.h"
#include "common/base/pack.h"
#include "common/num/la/sym.h"
#include "common/num/stats/moments.h"
#include "common/num/stats/stats_internal.h"

#include <string.h>

enum { SNAPSHOT_MAGIC = 0x3157454b /* "KEW1" */ };

#define WEIGHT_SLACK 1e-9 /* above what rounding adds to a sum that decays */
#define MOMENT_MAX   (2 * KEEL_USABLE_MAX * KEEL_USABLE_MAX) /* per weight; 2 is for rounding */

struct keel_ewma {
    int n;
    double lambda;
    uint64_t count;
    double weight;         /* sum of lambda^age */
    double weight_squares; /* sum of lambda^(2 age) */
    double *moment;        /* packed: sum of lambda^age x x' */
};

keel_ewma *keel_ewma_new(int n, double lambda)
{
    if (n < 1 || n > KEEL_EWMA_N_MAX || !(lambda > 0 && lambda < 1))
        return NULL;
    keel_ewma *e = keel_xcalloc(1, sizeof *e);
    e->n = n;
    e->lambda = lambda;
    e->moment = keel_xcalloc(keel_sym_len(n), sizeof *e->moment);
    return e;
}

void keel_ewma_free(keel_ewma **ewma)
{
    if (*ewma == NULL)
        return;
    keel_free(&(*ewma)->moment);
    keel_free(ewma);
}

keel_status keel_ewma_push(keel_ewma *e, const double *row)
{
    const int n = e->n;
    double *to = e->moment;
    if (!keel_all_usable(n, row))
        return KEEL_ENONFINITE;
    for (int j = 0; j < n; j++) {
        const double xj = row[j];
        for (int i = j; i < n; i++, to++)
            *to = e->lambda * *to + row[i] * xj;
    }
    e->weight = e->lambda * e->weight + 1;
    e->weight_squares = e->lambda * e->lambda * e->weight_squares + 1;
    e->count++;
    return KEEL_OK;
}

uint64_t keel_ewma_count(const keel_ewma *e)
{
    return e->count;
}

double keel_ewma_count_effective(const keel_ewma *e)
{
    return e->count > 0 ? e->weight * e->weight / e->weight_squares : 0;
}

keel_status keel_ewma_covariance(const keel_ewma *e, double *packed)
{
    const size_t len = keel_sym_len(e->n);
    if (e->count == 0)
        return KEEL_EUNAVAIL;
    for (size_t k = 0; k < len; k++)
        packed[k] = e->moment[k] / e->weight;
    return KEEL_OK;
}

void keel_ewma_reset(keel_ewma *e)
{
    e->count = 0;
    e->weight = 0;
    e->weight_squares = 0;
    memset(e->moment, 0, keel_sym_len(e->n) * sizeof *e->moment);
}

keel_status keel_ewma_save(const keel_ewma *e, uint8_t *buf, size_t cap, size_t *len)
{
    keel_packer p = keel_packer_over(buf, cap);
    keel_pack_u32(&p, SNAPSHOT_MAGIC);
    keel_pack_u32(&p, (uint32_t)e->n);
    keel_pack_real(&p, e->lambda);
    keel_pack_u64(&p, e->count);
    keel_pack_real(&p, e->weight);
    keel_pack_real(&p, e->weight_squares);
    keel_pack_reals(&p, e->moment, keel_sym_len(e->n));
    return keel_packer_done(&p, len);
}

/* Sums of lambda^age and lambda^(2 age) over at least one row; both are 0 before it. */
static bool weights_can_be(const keel_ewma *e, uint64_t count, double weight, double squares)
{
    const double most = (1 + WEIGHT_SLACK) / (1 - e->lambda);
    if (count == 0)
        return weight == 0 && squares == 0; /* exact: never touched */
    return squares >= 1 && weight >= squares && weight <= most;
}

/* Nothing but moments is left in u: in range, squares not negative. */
static bool moments_follow(keel_unpacker u, int n, double limit)
{
    bool good = true;
    for (int j = 0; j < n; j++) {
        keel_unpacker diagonal = u;
        good = keel_unpack_real(&diagonal) >= 0 && good;
        good = stats_reals_within(&u, (size_t)(n - j), limit) && good;
    }
    return good && keel_unpacker_done(&u) == KEEL_OK;
}

keel_status keel_ewma_load(keel_ewma *e, const uint8_t *buf, size_t len)
{
    keel_unpacker u = keel_unpacker_over(buf, len);
    const uint32_t magic = keel_unpack_u32(&u), n = keel_unpack_u32(&u);
    const double lambda = keel_unpack_real(&u);
    const uint64_t count = keel_unpack_u64(&u);
    const double weight = keel_unpack_real(&u), weight_squares = keel_unpack_real(&u);
    if (u.failed || magic != SNAPSHOT_MAGIC || n != (uint32_t)e->n || lambda != e->lambda)
        return KEEL_EFORMAT;
    if (!weights_can_be(e, count, weight, weight_squares))
        return KEEL_EFORMAT;
    if (!moments_follow(u, e->n, weight * MOMENT_MAX))
        return KEEL_EFORMAT;
    keel_unpack_reals(&u, e->moment, keel_sym_len(e->n));
    e->count = count;
    e->weight = weight;
    e->weight_squares = weight_squares;
    return keel_unpacker_done(&u);
}
