#include "common/num/stats/rolling.h"

#include "common/base/mem.h"
#include "common/base/pack.h"
#include "common/num/la/sym.h"
#include "common/num/stats/moments.h"
#include "common/num/stats/stats_internal.h"

#include <math.h>
#include <string.h>

enum { SNAPSHOT_MAGIC = 0x314c524b /* "KRL1" */ };

/* No rows lead beyond these, rounding included; from within, no push leaves the range of a double.
 * */
#define MEAN_MAX     (2 * KEEL_USABLE_MAX)
#define COMOMENT_MAX (KEEL_ROLLING_ROWS_MAX * MEAN_MAX * MEAN_MAX)

struct keel_rolling {
    int n;
    int window;
    int count;        /* rows held */
    int oldest;       /* place of the oldest row once the window is full */
    int replaced;     /* since the last rebuild */
    double *rows;     /* window x n: row t at rows[t * n] */
    double *mean;     /* n */
    double *comoment; /* packed: sum of products of deviations */
    double *in, *out; /* n each: deviations of the row that joins and of the one that leaves */
    double *shift;    /* n: by how much the mean moves */
};

keel_rolling *keel_rolling_new(int n, int rows)
{
    if (n < 1 || n > KEEL_ROLLING_N_MAX || rows < 2 || rows > KEEL_ROLLING_ROWS_MAX)
        return NULL;
    keel_rolling *r = keel_xcalloc(1, sizeof *r);
    r->n = n;
    r->window = rows;
    r->rows = keel_xcalloc((size_t)rows * (size_t)n, sizeof *r->rows);
    r->mean = keel_xcalloc((size_t)n, sizeof *r->mean);
    r->comoment = keel_xcalloc(keel_sym_len(n), sizeof *r->comoment);
    r->in = keel_xcalloc((size_t)n, sizeof *r->in);
    r->out = keel_xcalloc((size_t)n, sizeof *r->out);
    r->shift = keel_xcalloc((size_t)n, sizeof *r->shift);
    return r;
}

void keel_rolling_free(keel_rolling **rolling)
{
    keel_rolling *r = *rolling;
    if (r == NULL)
        return;
    keel_free(&r->rows);
    keel_free(&r->mean);
    keel_free(&r->comoment);
    keel_free(&r->in);
    keel_free(&r->out);
    keel_free(&r->shift);
    keel_free(rolling);
}

/* C += (k / (k + 1)) d d' with d = x - m; m += d / (k + 1). */
static void join(keel_rolling *r, const double *row)
{
    const int n = r->n;
    const double k = r->count;
    double *to = r->comoment;
    for (int i = 0; i < n; i++) {
        r->in[i] = row[i] - r->mean[i];
        r->mean[i] += r->in[i] / (k + 1);
    }
    for (int j = 0; j < n; j++) {
        const double dj = r->in[j] * (k / (k + 1));
        for (int i = j; i < n; i++)
            *to++ += r->in[i] * dj;
    }
}

/* With deviations b and a of the new and the old row from the old mean, and s = (b - a) / W:
 * C += b b' - a a' - W s s', m += s; one pass. */
static void replace(keel_rolling *r, const double *row, const double *old)
{
    const int n = r->n;
    const double w = r->window;
    double *to = r->comoment;
    for (int i = 0; i < n; i++) {
        r->in[i] = row[i] - r->mean[i];
        r->out[i] = old[i] - r->mean[i];
        r->shift[i] = (r->in[i] - r->out[i]) / w;
        r->mean[i] += r->shift[i];
    }
    for (int j = 0; j < n; j++) {
        const double b = r->in[j], a = r->out[j], s = w * r->shift[j];
        for (int i = j; i < n; i++)
            *to++ += r->in[i] * b - r->out[i] * a - r->shift[i] * s;
    }
}

static void rebuild(keel_rolling *r)
{
    const int n = r->n;
    for (int i = 0; i < n; i++)
        r->mean[i] = keel_mean(r->window, r->rows + i, n);
    memset(r->comoment, 0, keel_sym_len(n) * sizeof *r->comoment);
    for (int t = 0; t < r->window; t++) {
        const double *row = r->rows + (size_t)t * (size_t)n;
        double *to = r->comoment;
        for (int i = 0; i < n; i++)
            r->in[i] = row[i] - r->mean[i];
        for (int j = 0; j < n; j++) {
            const double dj = r->in[j];
            for (int i = j; i < n; i++)
                *to++ += r->in[i] * dj;
        }
    }
    r->replaced = 0;
}

keel_status keel_rolling_push(keel_rolling *r, const double *row)
{
    const size_t n = (size_t)r->n;
    if (!keel_all_usable(r->n, row))
        return KEEL_ENONFINITE;
    if (r->count < r->window) {
        join(r, row);
        memcpy(r->rows + (size_t)r->count * n, row, n * sizeof *row);
        r->count++;
        return KEEL_OK;
    }
    double *old = r->rows + (size_t)r->oldest * n;
    replace(r, row, old);
    memcpy(old, row, n * sizeof *row);
    r->oldest = (r->oldest + 1) % r->window;
    if (++r->replaced >= r->window)
        rebuild(r);
    return KEEL_OK;
}

int keel_rolling_count(const keel_rolling *r)
{
    return r->count;
}

const double *keel_rolling_mean(const keel_rolling *r)
{
    return r->mean;
}

keel_status keel_rolling_covariance(const keel_rolling *r, double *packed)
{
    const size_t len = keel_sym_len(r->n);
    if (r->count < 2)
        return KEEL_EUNAVAIL;
    for (size_t k = 0; k < len; k++)
        packed[k] = r->comoment[k] / (r->count - 1);
    for (int i = 0; i < r->n; i++) {
        const size_t k = keel_sym_at(r->n, i, i);
        packed[k] = fmax(packed[k], 0); /* a constant series may round to -1e-20 */
    }
    return KEEL_OK;
}

void keel_rolling_reset(keel_rolling *r)
{
    r->count = 0;
    r->oldest = 0;
    r->replaced = 0;
    memset(r->mean, 0, (size_t)r->n * sizeof *r->mean);
    memset(r->comoment, 0, keel_sym_len(r->n) * sizeof *r->comoment);
}

keel_status keel_rolling_save(const keel_rolling *r, uint8_t *buf, size_t cap, size_t *len)
{
    keel_packer p = keel_packer_over(buf, cap);
    keel_pack_u32(&p, SNAPSHOT_MAGIC);
    keel_pack_u32(&p, (uint32_t)r->n);
    keel_pack_u32(&p, (uint32_t)r->window);
    keel_pack_u32(&p, (uint32_t)r->count);
    keel_pack_u32(&p, (uint32_t)r->oldest);
    keel_pack_u32(&p, (uint32_t)r->replaced);
    keel_pack_reals(&p, r->mean, (size_t)r->n);
    keel_pack_reals(&p, r->comoment, keel_sym_len(r->n));
    keel_pack_reals(&p, r->rows, (size_t)r->count * (size_t)r->n);
    return keel_packer_done(&p, len);
}

keel_status keel_rolling_load(keel_rolling *r, const uint8_t *buf, size_t len)
{
    keel_unpacker u = keel_unpacker_over(buf, len);
    const uint32_t magic = keel_unpack_u32(&u), n = keel_unpack_u32(&u);
    const uint32_t window = keel_unpack_u32(&u), count = keel_unpack_u32(&u);
    const uint32_t oldest = keel_unpack_u32(&u), replaced = keel_unpack_u32(&u);
    if (u.failed || magic != SNAPSHOT_MAGIC || n != (uint32_t)r->n ||
        window != (uint32_t)r->window || count > window || oldest >= window || replaced >= window)
        return KEEL_EFORMAT;
    if (count < window && (oldest != 0 || replaced != 0))
        return KEEL_EFORMAT;
    keel_unpacker look = u;
    if (!stats_reals_within(&look, n, MEAN_MAX) ||
        !stats_reals_within(&look, keel_sym_len(r->n), COMOMENT_MAX) ||
        !stats_reals_within(&look, (size_t)count * n, KEEL_USABLE_MAX) ||
        keel_unpacker_done(&look) != KEEL_OK)
        return KEEL_EFORMAT;
    keel_unpack_reals(&u, r->mean, n);
    keel_unpack_reals(&u, r->comoment, keel_sym_len(r->n));
    keel_unpack_reals(&u, r->rows, (size_t)count * n);
    r->count = (int)count;
    r->oldest = (int)oldest;
    r->replaced = (int)replaced;
    return keel_unpacker_done(&u);
}
