/* Snapshot, little endian: u32 magic, u32 version, u64 universe, u32 n, i64 bar, u32 estimator,
 * u8 log returns, u64 rows gapped, i64 last close time, u8 has last, n x i64 last
 * closes, blob of the estimator. */
#include "services/correlation/engine/correlation.h"

#include "common/base/assert.h"
#include "common/base/mem.h"
#include "common/base/pack.h"
#include "common/domain/universe.h"
#include "common/num/stats/ewma.h"
#include "common/num/stats/rolling.h"

#include <limits.h>
#include <math.h>
#include <string.h>

enum { SNAPSHOT_MAGIC = 0x524f434b /* "KCOR" */, SNAPSHOT_VERSION = 1 };

/* What changes from row to row, beside the estimator. */
typedef struct corr_state {
    uint64_t rows_gapped;
    int64_t last_ns; /* close time of the last row, complete or not; INT64_MIN before it */
    bool has_last;   /* a complete row was seen: closes[] is it */
    int64_t *closes; /* n */
} corr_state;

struct keel_corr {
    keel_corr_cfg cfg;
    double trust;
    keel_rolling *rolling; /* ROLLING, DIAGONAL */
    keel_ewma *ewma;       /* EWMA */
    corr_state now;
    corr_state staged; /* load() fills it before anything is replaced */
    double *returns;   /* n */
    double *covariance;
    double *correlation;
    double *volatility; /* n */
};

static bool is_ewma(const keel_corr *eng)
{
    return eng->cfg.estimator == KEEL_ESTIMATOR_EWMA;
}

static keel_status check_window(const keel_corr_cfg *c, keel_err *err)
{
    if (c->rows_window < 2 || c->rows_window > KEEL_ROLLING_ROWS_MAX)
        return keel_err_set(err, KEEL_ERANGE, "correlation window is %d rows, allowed 2..%d",
                            c->rows_window, KEEL_ROLLING_ROWS_MAX);
    if ((int64_t)c->rows_window * c->n > KEEL_CORR_CELLS_MAX)
        return keel_err_set(err, KEEL_ERANGE,
                            "correlation window of %d rows x %d instruments exceeds %d numbers",
                            c->rows_window, c->n, KEEL_CORR_CELLS_MAX);
    if (c->rows_min > c->rows_window)
        return keel_err_set(err, KEEL_ERANGE,
                            "correlation.rows_min %d is more than the window of %d rows",
                            c->rows_min, c->rows_window);
    return KEEL_OK;
}

static keel_status check_cfg(const keel_corr_cfg *c, keel_err *err)
{
    const bool ewma = c->estimator == KEEL_ESTIMATOR_EWMA;
    if (c->n < 1 || c->n > KEEL_UNIVERSE_MAX)
        return keel_err_set(err, KEEL_ERANGE, "%d instruments, allowed 1..%d", c->n,
                            KEEL_UNIVERSE_MAX);
    if (c->bar_ns <= 0)
        return keel_err_set(err, KEEL_ERANGE, "bar length must be positive");
    if (!ewma && c->estimator != KEEL_ESTIMATOR_ROLLING && c->estimator != KEEL_ESTIMATOR_DIAGONAL)
        return keel_err_set(err, KEEL_EINVAL,
                            "correlation.estimator: rolling or ewma, nothing else is built");
    if (c->rows_min < 2)
        return keel_err_set(err, KEEL_ERANGE, "correlation.rows_min %d, at least 2", c->rows_min);
    if (!isfinite(c->rows_full_trust) || c->rows_full_trust < 0.0)
        return keel_err_set(err, KEEL_ERANGE, "correlation.rows_full_trust must be >= 0");
    if (ewma && !(c->lambda > 0.0 && c->lambda < 1.0))
        return keel_err_set(err, KEEL_ERANGE, "correlation.lambda must lie between 0 and 1");
    return ewma ? KEEL_OK : check_window(c, err);
}

/* Twice as many rows as a full set of correlations has degrees per instrument: below that the
 * sample matrix is singular or close to it, whatever the window is. */
static double full_trust(const keel_corr_cfg *c)
{
    if (c->rows_full_trust > 0.0)
        return c->rows_full_trust;
    const double reach = c->estimator == KEEL_ESTIMATOR_EWMA ? (1.0 + c->lambda) / (1.0 - c->lambda)
                                                             : (double)c->rows_window;
    return fmax(reach, 2.0 * (c->n + 1));
}

static void state_init(corr_state *s, int n)
{
    s->last_ns = INT64_MIN;
    s->closes = keel_xcalloc((size_t)n, sizeof *s->closes);
}

static void state_fini(corr_state *s)
{
    keel_free(&s->closes);
}

keel_corr *keel_corr_new(const keel_corr_cfg *cfg, keel_err *err)
{
    if (check_cfg(cfg, err) != KEEL_OK)
        return NULL;
    const size_t n = (size_t)cfg->n;
    keel_corr *eng = keel_xcalloc(1, sizeof *eng);
    eng->cfg = *cfg;
    eng->trust = full_trust(cfg);
    if (cfg->estimator == KEEL_ESTIMATOR_EWMA)
        eng->ewma = keel_ewma_new(cfg->n, cfg->lambda);
    else
        eng->rolling = keel_rolling_new(cfg->n, cfg->rows_window);
    KEEL_ASSERT(eng->ewma != NULL || eng->rolling != NULL);
    state_init(&eng->now, cfg->n);
    state_init(&eng->staged, cfg->n);
    eng->returns = keel_xcalloc(n, sizeof(double));
    eng->volatility = keel_xcalloc(n, sizeof(double));
    eng->covariance = keel_xcalloc(keel_packed_len(cfg->n), sizeof(double));
    eng->correlation = keel_xcalloc(keel_packed_len(cfg->n), sizeof(double));
    return eng;
}

void keel_corr_free(keel_corr **eng)
{
    if (*eng == NULL)
        return;
    keel_rolling_free(&(*eng)->rolling);
    keel_ewma_free(&(*eng)->ewma);
    state_fini(&(*eng)->now);
    state_fini(&(*eng)->staged);
    keel_free(&(*eng)->returns);
    keel_free(&(*eng)->volatility);
    keel_free(&(*eng)->covariance);
    keel_free(&(*eng)->correlation);
    keel_free(eng);
}

static keel_status check_row(const keel_corr *eng, const keel_bar_row *row)
{
    if (row->universe_hash != eng->cfg.universe_hash || row->n != eng->cfg.n)
        return KEEL_EUNKNOWN;
    KEEL_TRY(keel_bar_row_check(row));
    if (row->bar_ns != eng->cfg.bar_ns)
        return KEEL_EINVAL;
    return row->close_ns <= eng->now.last_ns ? KEEL_EORDER : KEEL_OK;
}

static void fill_returns(keel_corr *eng, const int64_t *closes)
{
    for (int i = 0; i < eng->cfg.n; i++) {
        const int64_t from = eng->now.closes[i];
        if (eng->cfg.log_returns)
            eng->returns[i] = log((double)closes[i] / (double)from);
        else
            eng->returns[i] = (double)(closes[i] - from) / (double)from;
    }
}

static int rows_held(const keel_corr *eng)
{
    if (!is_ewma(eng))
        return keel_rolling_count(eng->rolling);
    const uint64_t rows = keel_ewma_count(eng->ewma);
    return rows < INT_MAX ? (int)rows : INT_MAX;
}

static double variance_floor(const keel_corr *eng)
{
    const int n = eng->cfg.n;
    double largest = 0.0;
    for (int i = 0; i < n; i++)
        largest = fmax(largest, eng->covariance[keel_packed_at(n, i, i)]);
    return fmax(KEEL_CORR_VARIANCE_FLOOR, KEEL_CORR_CALM_FRAC * largest);
}

/* 0 where the floor applies. Where an instrument stands still the window's updates leave rounding
 * noise, far below the floor. */
static void fill_volatility(keel_corr *eng, double floor_variance)
{
    const int n = eng->cfg.n;
    for (int i = 0; i < n; i++) {
        const double variance = eng->covariance[keel_packed_at(n, i, i)];
        eng->volatility[i] = variance < floor_variance ? 0.0 : sqrt(variance);
    }
}

/* Correlation from covariance and volatility (0 = floored), then covariance from correlation, so
 * that the two messages cannot disagree. Returns the mean of the off-diagonal. */
static double fill_matrices(keel_corr *eng, double keep_frac, double floor_variance)
{
    const int n = eng->cfg.n;
    double *v = eng->volatility;
    double sum = 0.0;
    for (int j = 0; j < n; j++) {
        eng->correlation[keel_packed_at(n, j, j)] = 1.0;
        for (int i = j + 1; i < n; i++) {
            const size_t at = keel_packed_at(n, i, j);
            const double scale = v[i] * v[j];
            const double c = scale > 0.0 ? eng->covariance[at] / scale : 0.0;
            eng->correlation[at] = keep_frac * fmin(1.0, fmax(-1.0, c));
            sum += eng->correlation[at];
        }
    }
    for (int i = 0; i < n; i++)
        v[i] = fmax(v[i], sqrt(floor_variance));
    for (int j = 0; j < n; j++) {
        for (int i = j; i < n; i++) {
            const size_t at = keel_packed_at(n, i, j);
            eng->covariance[at] = eng->correlation[at] * v[i] * v[j];
        }
    }
    return n > 1 ? sum / (0.5 * n * (n - 1.0)) : 0.0;
}

static keel_basis basis_now(const keel_corr *eng)
{
    const keel_corr_cfg *c = &eng->cfg;
    const int rows = rows_held(eng);
    const double effective = is_ewma(eng) ? keel_ewma_count_effective(eng->ewma) : (double)rows;
    const double delta = fmax(KEEL_CORR_RIDGE, 1.0 - effective / eng->trust);
    return (keel_basis){
        .estimator = c->estimator,
        .log_returns = c->log_returns,
        .window_ns = is_ewma(eng) ? 0 : c->rows_window * c->bar_ns,
        .rows = rows,
        .rows_effective = effective,
        .shrinkage_frac = c->estimator == KEEL_ESTIMATOR_DIAGONAL ? 1.0 : delta,
        .rows_min = c->rows_min,
    };
}

static void emit(keel_corr *eng, int64_t close_ns, keel_corr_out *out)
{
    const keel_corr_cfg *c = &eng->cfg;
    const keel_basis basis = basis_now(eng);
    const keel_status status = is_ewma(eng)
                                   ? keel_ewma_covariance(eng->ewma, eng->covariance)
                                   : keel_rolling_covariance(eng->rolling, eng->covariance);
    KEEL_ASSERT(status == KEEL_OK);
    const double floor_variance = variance_floor(eng);
    fill_volatility(eng, floor_variance);
    const double mean = fill_matrices(eng, 1.0 - basis.shrinkage_frac, floor_variance);
    out->made |= KEEL_CORR_MADE_MATRIX;
    out->correlation = (keel_correlation){
        .universe_hash = c->universe_hash,
        .as_of_ns = close_ns,
        .bar_ns = c->bar_ns,
        .basis = basis,
        .n = c->n,
        .correlation = eng->correlation,
        .volatility = eng->volatility,
        .mean_correlation = mean,
    };
    out->covariance = (keel_covariance){
        .universe_hash = c->universe_hash,
        .as_of_ns = close_ns,
        .bar_ns = c->bar_ns,
        .basis = basis,
        .n = c->n,
        .covariance = eng->covariance,
    };
}

static void take_returns(keel_corr *eng)
{
    /* Closes are positive 64-bit integers, so a return is at most 2^63 and never refused. */
    const keel_status status = is_ewma(eng) ? keel_ewma_push(eng->ewma, eng->returns)
                                            : keel_rolling_push(eng->rolling, eng->returns);
    KEEL_ASSERT(status == KEEL_OK);
}

keel_status keel_corr_on_row(keel_corr *eng, const keel_bar_row *row, keel_corr_out *out)
{
    memset(out, 0, sizeof *out);
    KEEL_TRY(check_row(eng, row));
    corr_state *s = &eng->now;
    s->last_ns = row->close_ns;
    if (row->missing > 0) {
        s->rows_gapped++;
        out->made = KEEL_CORR_MADE_GAP;
        out->missing = row->missing;
        return KEEL_OK;
    }
    if (s->has_last) {
        fill_returns(eng, row->close_units);
        take_returns(eng);
    }
    memcpy(s->closes, row->close_units, (size_t)eng->cfg.n * sizeof *s->closes);
    s->has_last = true;
    if (rows_held(eng) >= eng->cfg.rows_min)
        emit(eng, row->close_ns, out);
    return KEEL_OK;
}

uint64_t keel_corr_rows_gapped(const keel_corr *eng)
{
    return eng->now.rows_gapped;
}

static keel_status save_estimator(const keel_corr *eng, uint8_t *buf, size_t cap, size_t *len)
{
    return is_ewma(eng) ? keel_ewma_save(eng->ewma, buf, cap, len)
                        : keel_rolling_save(eng->rolling, buf, cap, len);
}

keel_status keel_corr_save(const keel_corr *eng, uint8_t *buf, size_t cap, size_t *len)
{
    const corr_state *s = &eng->now;
    size_t blob = 0;
    keel_packer p = keel_packer_over(buf, cap);
    keel_pack_u32(&p, SNAPSHOT_MAGIC);
    keel_pack_u32(&p, SNAPSHOT_VERSION);
    keel_pack_u64(&p, eng->cfg.universe_hash);
    keel_pack_u32(&p, (uint32_t)eng->cfg.n);
    keel_pack_i64(&p, eng->cfg.bar_ns);
    keel_pack_u32(&p, eng->cfg.estimator);
    keel_pack_u8(&p, eng->cfg.log_returns);
    keel_pack_u64(&p, s->rows_gapped);
    keel_pack_i64(&p, s->last_ns);
    keel_pack_u8(&p, s->has_last);
    keel_pack_i64s(&p, s->closes, (size_t)eng->cfg.n);
    if (save_estimator(eng, NULL, 0, &blob) == KEEL_OK)
        KEEL_ASSERT(blob == 0);
    keel_pack_u32(&p, (uint32_t)blob);
    *len = p.len + blob;
    if (p.failed || p.cap - p.len < blob)
        return KEEL_ENOSPC;
    return save_estimator(eng, buf + p.len, blob, &blob);
}

/* Everything but the estimator, into `staged`; *blob points into the buffer. */
static keel_status unpack_state(keel_corr *eng, keel_unpacker *u, const uint8_t **blob,
                                size_t *blob_len)
{
    corr_state *s = &eng->staged;
    const bool same =
        keel_unpack_u32(u) == SNAPSHOT_MAGIC && keel_unpack_u32(u) == SNAPSHOT_VERSION &&
        keel_unpack_u64(u) == eng->cfg.universe_hash &&
        keel_unpack_u32(u) == (uint32_t)eng->cfg.n && keel_unpack_i64(u) == eng->cfg.bar_ns &&
        keel_unpack_u32(u) == eng->cfg.estimator && keel_unpack_u8(u) == eng->cfg.log_returns;
    if (!same)
        return KEEL_EFORMAT;
    s->rows_gapped = keel_unpack_u64(u);
    s->last_ns = keel_unpack_i64(u);
    const uint8_t has_last = keel_unpack_u8(u);
    s->has_last = has_last == 1;
    keel_unpack_i64s(u, s->closes, (size_t)eng->cfg.n);
    bool ok = has_last <= 1;
    for (int i = 0; i < eng->cfg.n; i++)
        ok = ok && (s->has_last ? s->closes[i] > 0 : s->closes[i] == 0);
    *blob = keel_unpack_blob(u, blob_len);
    KEEL_TRY(keel_unpacker_done(u));
    return ok ? KEEL_OK : KEEL_EFORMAT;
}

keel_status keel_corr_load(keel_corr *eng, const uint8_t *buf, size_t len)
{
    keel_unpacker u = keel_unpacker_over(buf, len);
    const uint8_t *blob = NULL;
    size_t blob_len = 0;
    KEEL_TRY(unpack_state(eng, &u, &blob, &blob_len));
    KEEL_TRY(is_ewma(eng) ? keel_ewma_load(eng->ewma, blob, blob_len)
                          : keel_rolling_load(eng->rolling, blob, blob_len));
    const corr_state old = eng->now;
    eng->now = eng->staged;
    eng->staged = old;
    return KEEL_OK;
}
