#include "services/feed/engine/simulate.h"

#include "common/base/assert.h"
#include "common/base/mem.h"
#include "common/base/pack.h"
#include "common/base/rng.h"
#include "common/base/text.h"
#include "common/base/timefmt.h"
#include "common/domain/fixed.h"

#include <math.h>
#include <string.h>

enum { SNAPSHOT_MAGIC = 0x4d49534b, SNAPSHOT_VERSION = 1 };

/* Clusters: alpha + beta = 0.96 halves a burst in 17 bars, and with nu = 5 the fourth moment of the
 * return is still finite. */
static const double cluster_alpha = 0.06;
static const double cluster_beta = 0.90;

/* A year of wall time; weekday instruments trade 5/7 of it. */
static const double year_ns = 365.25 * 86400e9;

/* One bar may move a price by e^1.5 = 4.5 at most, below the x10 that a reader would hold back, and
 * all of them together by e^7 = 1,100 either way, so that units stay far from 1 and from 2^63. */
static const double ln_bar_max = 1.5;
static const double ln_run_max = 7;

typedef struct asset {
    double start;          /* price of the start */
    double volatility_ann; /* before the regime's scale */
    double drift_scale;
    double loading;
    double volume_scale;
    int sector; /* index among the sectors */
} asset;

typedef struct state {
    keel_rng rng;
    uint64_t steps;
    uint64_t bars; /* times passed, steps and empty ones */
    uint64_t missing;
    int regime;
    double h;      /* variance factor of the clusters */
    double *level; /* owned; n: ln(price / start) */
} state;

struct keel_simulator {
    keel_simulator_cfg cfg;
    keel_universe *universe; /* owned copy */
    int n;
    int sectors_n;
    asset *assets; /* owned; n */
    state state;
    double *factors;                                            /* owned; one draw per sector */
    double *shocks;                                             /* owned; n */
    int64_t *close_units, *open_units, *high_units, *low_units; /* owned; n */
    double *volume;
    double *correlation;    /* owned; regimes_n packed matrices */
    double *volatility_ann; /* owned; regimes_n x n */
};

void keel_simulator_defaults(keel_simulator_cfg *cfg)
{
    static const keel_regime_cfg regimes[] = {
        {"calm", 250, 0.12, 0.7, 0.20, 0.45},
        {"trend", 150, 0.35, 1.0, 0.35, 0.60},
        {"stress", 50, -0.60, 2.0, 0.70, 0.85},
    };
    *cfg = (keel_simulator_cfg){
        .seed = 1,
        .tail_nu = 5,
        .jump_probability = 0.001,
        .jump_size = 5,
        .missing_frac = 0.002,
        .regimes_n = (int)(sizeof regimes / sizeof regimes[0]),
    };
    memcpy(cfg->regimes, regimes, sizeof regimes);
}

static keel_status check_range(double value, double low, double high, const char *what,
                               keel_err *err)
{
    if (value >= low && value <= high) /* false for NaN */
        return KEEL_OK;
    return keel_err_set(err, KEEL_ERANGE, "%s %g is outside %g..%g", what, value, low, high);
}

static keel_status check_regime(const keel_simulator_cfg *cfg, int r, keel_err *err)
{
    const keel_regime_cfg *g = &cfg->regimes[r];
    const double across = g->correlation_across, within = g->correlation_within;
    keel_err inner = {.status = KEEL_OK};
    if (!keel_name_ok(g->name, KEEL_NAME_MAX))
        return keel_err_set(err, KEEL_EINVAL, "regime %d: name must be letters, digits or _:/@-.",
                            r + 1);
    for (int k = 0; k < r; k++)
        if (strcmp(cfg->regimes[k].name, g->name) == 0)
            return keel_err_set(err, KEEL_EINVAL, "two regimes are named %s", g->name);
    if (check_range(g->duration_bars, 2, 1e9, "duration_bars", &inner) != KEEL_OK ||
        check_range(g->drift_ann, -2, 2, "drift_ann", &inner) != KEEL_OK ||
        check_range(g->volatility_scale, 0.05, 10, "volatility_scale", &inner) != KEEL_OK ||
        check_range(within, 0, 0.99, "correlation_within", &inner) != KEEL_OK ||
        check_range(across, 0, within, "correlation_across", &inner) != KEEL_OK)
        return keel_err_set(err, KEEL_ERANGE, "regime %s: %s", g->name, inner.text);
    return KEEL_OK;
}

static keel_status check_cfg(const keel_simulator_cfg *cfg, keel_err *err)
{
    if (cfg->universe == NULL || cfg->universe->n < 1 || cfg->universe->hash == 0)
        return keel_err_set(err, KEEL_EINVAL, "the simulator needs a sealed universe");
    if (cfg->bar_ns < KEEL_NS_PER_S || cfg->bar_ns > 31 * KEEL_NS_PER_DAY)
        return keel_err_set(err, KEEL_ERANGE, "bar length must be 1s to 31d");
    if (cfg->start_ns < 0 || cfg->start_ns > 65743 * KEEL_NS_PER_DAY)
        return keel_err_set(err, KEEL_ERANGE, "start must be in 1970..2149");
    KEEL_TRY(check_range(cfg->tail_nu, 3, 100, "tail_nu", err));
    KEEL_TRY(check_range(cfg->jump_probability, 0, 0.05, "jump_probability", err));
    KEEL_TRY(check_range(cfg->jump_size, 0, 20, "jump_size", err));
    KEEL_TRY(check_range(cfg->missing_frac, 0, 0.5, "missing", err));
    KEEL_TRY(check_range(cfg->regimes_n, 1, KEEL_SIMULATOR_REGIMES_MAX, "number of regimes", err));
    for (int r = 0; r < cfg->regimes_n; r++)
        KEEL_TRY(check_regime(cfg, r, err));
    return KEEL_OK;
}

/* Same sector text = same sector; "" stands alone. */
static void find_sectors(keel_simulator *sim)
{
    for (int i = 0; i < sim->n; i++) {
        const char *sector = sim->universe->instruments[i].sector;
        sim->assets[i].sector = -1;
        for (int k = 0; k < i && sim->assets[i].sector < 0 && sector[0] != '\0'; k++)
            if (strcmp(sector, sim->universe->instruments[k].sector) == 0)
                sim->assets[i].sector = sim->assets[k].sector;
        if (sim->assets[i].sector < 0)
            sim->assets[i].sector = sim->sectors_n++;
    }
}

/* Each instrument's own character, drawn once. Prices span five magnitudes, but start at 10,000
 * units or more, so that rounding to units stays below a basis point. */
static void draw_assets(keel_simulator *sim, keel_rng *rng)
{
    for (int i = 0; i < sim->n; i++) {
        const keel_instrument *it = &sim->universe->instruments[i];
        const bool weekdays = it->session == KEEL_SESSION_WEEKDAYS;
        const double floor10 = fmax(-1, 4 - it->price_exp);
        const double top10 = fmax(floor10, fmin(4.5, 14 - it->price_exp));
        const double u = keel_rng_uniform(rng), v = keel_rng_uniform(rng);
        asset *a = &sim->assets[i];
        a->start = pow(10, floor10 + (top10 - floor10) * u);
        a->volatility_ann = weekdays ? 0.12 + 0.18 * v : 0.35 + 0.35 * v;
        a->loading = 0.8 + 0.2 * keel_rng_uniform(rng);
        a->drift_scale = 0.6 + 0.8 * keel_rng_uniform(rng);
        a->volume_scale = pow(10, 5 + 2 * keel_rng_uniform(rng)) / a->start;
    }
}

static double jump_variance(const keel_simulator_cfg *cfg)
{
    return cfg->jump_probability * cfg->jump_size * cfg->jump_size;
}

static void know_truth(keel_simulator *sim)
{
    const double spread = 1 + jump_variance(&sim->cfg);
    for (int r = 0; r < sim->cfg.regimes_n; r++) {
        const keel_regime_cfg *g = &sim->cfg.regimes[r];
        double *c = sim->correlation + (size_t)r * keel_packed_len(sim->n);
        for (int j = 0; j < sim->n; j++) {
            const asset *b = &sim->assets[j];
            sim->volatility_ann[r * sim->n + j] =
                b->volatility_ann * g->volatility_scale * sqrt(spread);
            c[keel_packed_at(sim->n, j, j)] = 1;
            for (int i = j + 1; i < sim->n; i++) {
                const asset *a = &sim->assets[i];
                const bool same = a->sector == b->sector;
                c[keel_packed_at(sim->n, i, j)] =
                    a->loading * b->loading *
                    (same ? g->correlation_within : g->correlation_across) / spread;
            }
        }
    }
}

keel_simulator *keel_simulator_new(const keel_simulator_cfg *cfg, keel_err *err)
{
    if (check_cfg(cfg, err) != KEEL_OK)
        return NULL;
    keel_simulator *sim = keel_xcalloc(1, sizeof *sim);
    const size_t n = (size_t)cfg->universe->n, regimes = (size_t)cfg->regimes_n;
    sim->cfg = *cfg;
    sim->n = cfg->universe->n;
    sim->universe = keel_xcalloc(1, sizeof *sim->universe);
    *sim->universe = *cfg->universe;
    sim->cfg.universe = sim->universe;
    sim->assets = keel_xcalloc(n, sizeof *sim->assets);
    sim->state.level = keel_xcalloc(n, sizeof *sim->state.level);
    sim->factors = keel_xcalloc(n, sizeof *sim->factors);
    sim->shocks = keel_xcalloc(n, sizeof *sim->shocks);
    sim->close_units = keel_xcalloc(n, sizeof *sim->close_units);
    sim->open_units = keel_xcalloc(n, sizeof *sim->open_units);
    sim->high_units = keel_xcalloc(n, sizeof *sim->high_units);
    sim->low_units = keel_xcalloc(n, sizeof *sim->low_units);
    sim->volume = keel_xcalloc(n, sizeof *sim->volume);
    sim->correlation = keel_xcalloc(regimes * keel_packed_len(sim->n), sizeof(double));
    sim->volatility_ann = keel_xcalloc(regimes * n, sizeof *sim->volatility_ann);
    sim->state.rng = keel_rng_seeded(cfg->seed);
    sim->state.h = 1;
    find_sectors(sim);
    draw_assets(sim, &sim->state.rng);
    know_truth(sim);
    return sim;
}

void keel_simulator_free(keel_simulator **sim)
{
    keel_simulator *s = *sim;
    if (s == NULL)
        return;
    keel_free(&s->universe);
    keel_free(&s->assets);
    keel_free(&s->state.level);
    keel_free(&s->factors);
    keel_free(&s->shocks);
    keel_free(&s->close_units);
    keel_free(&s->open_units);
    keel_free(&s->high_units);
    keel_free(&s->low_units);
    keel_free(&s->volume);
    keel_free(&s->correlation);
    keel_free(&s->volatility_ann);
    keel_free(sim);
}

static void move_regime(keel_simulator *sim)
{
    state *s = &sim->state;
    const int others = sim->cfg.regimes_n - 1;
    const bool leaves = keel_rng_uniform(&s->rng) * sim->cfg.regimes[s->regime].duration_bars < 1;
    if (!leaves || others == 0)
        return;
    const int to = (int)keel_rng_below(&s->rng, (uint64_t)others);
    s->regime = to + (to >= s->regime);
}

/* Shocks of variance E h = 1 and the regime's correlation, before jumps; moves h on. */
static void draw_shocks(keel_simulator *sim)
{
    state *s = &sim->state;
    const keel_regime_cfg *g = &sim->cfg.regimes[s->regime];
    const double across = sqrt(g->correlation_across);
    const double sector = sqrt(g->correlation_within - g->correlation_across);
    const double market = keel_rng_normal(&s->rng);
    const int nu = sim->cfg.tail_nu;
    double chi2 = 0, squares = 0;
    for (int k = 0; k < sim->sectors_n; k++)
        sim->factors[k] = keel_rng_normal(&s->rng);
    for (int k = 0; k < nu; k++) {
        const double x = keel_rng_normal(&s->rng);
        chi2 += x * x;
    }
    const double tail = sqrt((nu - 2) / chi2);
    for (int i = 0; i < sim->n; i++) {
        const asset *a = &sim->assets[i];
        const double own = sqrt(1 - a->loading * a->loading * g->correlation_within);
        const double z = a->loading * (across * market + sector * sim->factors[a->sector]) +
                         own * keel_rng_normal(&s->rng);
        const double e = z * tail;
        squares += e * e;
        sim->shocks[i] = sqrt(s->h) * e;
    }
    s->h *= cluster_alpha * squares / sim->n + cluster_beta;
    s->h += 1 - cluster_alpha - cluster_beta;
}

static double draw_jump(keel_simulator *sim)
{
    keel_rng *rng = &sim->state.rng;
    if (keel_rng_uniform(rng) >= sim->cfg.jump_probability)
        return 0;
    return sim->cfg.jump_size * keel_rng_normal(rng);
}

static double clamp(double x, double limit)
{
    return fmin(fmax(x, -limit), limit);
}

static int64_t units_of(const keel_simulator *sim, int i, double level)
{
    int64_t units;
    const keel_status status = keel_units_of_real(sim->assets[i].start * exp(level),
                                                  sim->universe->instruments[i].price_exp, &units);
    KEEL_ASSERT(status == KEEL_OK);
    return units > 1 ? units : 1;
}

static void clear_bar(keel_simulator *sim, int i)
{
    sim->close_units[i] = sim->open_units[i] = sim->high_units[i] = sim->low_units[i] = 0;
    sim->volume[i] = 0;
}

/* Move instrument i through one bar and, when `shown`, write the bar. The draws are the same either
 * way, so that a bar lost by chance leaves all other numbers alone. */
static void make_bar(keel_simulator *sim, int i, double dt, bool shown)
{
    state *s = &sim->state;
    const asset *a = &sim->assets[i];
    const keel_regime_cfg *g = &sim->cfg.regimes[s->regime];
    const double volatility = a->volatility_ann * g->volatility_scale * sqrt(dt);
    const double total = volatility * volatility * (1 + jump_variance(&sim->cfg));
    const double from = s->level[i];
    const double ret_log = g->drift_ann * a->drift_scale * dt - total / 2 +
                           volatility * (sim->shocks[i] + draw_jump(sim));
    const double over = fabs(keel_rng_normal(&s->rng)) * volatility * 0.5;
    const double under = fabs(keel_rng_normal(&s->rng)) * volatility * 0.5;
    const double trade = keel_rng_normal(&s->rng);
    const double to = clamp(from + clamp(ret_log, ln_bar_max), ln_run_max);
    s->level[i] = to;
    clear_bar(sim, i);
    if (!shown)
        return;
    sim->open_units[i] = units_of(sim, i, from);
    sim->close_units[i] = units_of(sim, i, to);
    sim->high_units[i] = units_of(sim, i, fmax(from, to) + clamp(over, ln_bar_max));
    sim->low_units[i] = units_of(sim, i, fmin(from, to) - clamp(under, ln_bar_max));
    sim->volume[i] =
        a->volume_scale * exp(0.4 * trade + 0.3 * fmin(fabs(to - from) / volatility, 5));
}

/* One bar of time; returns the number of instruments without a bar. */
static int make_time(keel_simulator *sim)
{
    state *s = &sim->state;
    const int64_t open_ns = sim->cfg.start_ns + (int64_t)s->bars * sim->cfg.bar_ns;
    const bool weekend = keel_time_weekday(open_ns) >= 5 && sim->cfg.bar_ns <= KEEL_NS_PER_DAY;
    const double dt = (double)sim->cfg.bar_ns / year_ns;
    int missing = 0;
    move_regime(sim);
    draw_shocks(sim);
    for (int i = 0; i < sim->n; i++) {
        const bool weekdays = sim->universe->instruments[i].session == KEEL_SESSION_WEEKDAYS;
        const bool lost = keel_rng_uniform(&s->rng) < sim->cfg.missing_frac && s->steps > 0;
        if (weekdays && weekend) {
            clear_bar(sim, i);
            missing++;
            continue;
        }
        make_bar(sim, i, weekdays ? dt * 7 / 5 : dt, !lost);
        missing += lost;
    }
    s->bars++;
    return missing;
}

keel_status keel_simulator_next(keel_simulator *sim, keel_bar_row *row, keel_market_truth *truth)
{
    state *s = &sim->state;
    int missing;
    /* A week holds a weekday, and chance leaves a bar at last: the loop ends. */
    do {
        if ((int64_t)s->bars >= (INT64_MAX - sim->cfg.start_ns) / sim->cfg.bar_ns - 1)
            return KEEL_EEND;
        missing = make_time(sim);
    } while (missing == sim->n);
    s->steps++;
    s->missing += (uint64_t)missing;
    *row = (keel_bar_row){
        .universe_hash = sim->universe->hash,
        .close_ns = sim->cfg.start_ns + (int64_t)s->bars * sim->cfg.bar_ns,
        .bar_ns = sim->cfg.bar_ns,
        .n = sim->n,
        .close_units = sim->close_units,
        .open_units = sim->open_units,
        .high_units = sim->high_units,
        .low_units = sim->low_units,
        .volume = sim->volume,
        .missing = missing,
    };
    *truth = (keel_market_truth){
        .universe_hash = sim->universe->hash,
        .regime = (uint32_t)s->regime,
        .regime_name = sim->cfg.regimes[s->regime].name,
        .n = sim->n,
        .correlation = sim->correlation + (size_t)s->regime * keel_packed_len(sim->n),
        .volatility_ann = sim->volatility_ann + (size_t)s->regime * (size_t)sim->n,
    };
    return KEEL_OK;
}

uint64_t keel_simulator_steps(const keel_simulator *sim)
{
    return sim->state.steps;
}

uint64_t keel_simulator_missing(const keel_simulator *sim)
{
    return sim->state.missing;
}

uint64_t keel_simulator_empty(const keel_simulator *sim)
{
    return sim->state.bars - sim->state.steps;
}

const char *keel_simulator_regime_name(const keel_simulator *sim, int regime)
{
    return regime >= 0 && regime < sim->cfg.regimes_n ? sim->cfg.regimes[regime].name : "";
}

keel_status keel_simulator_save(const keel_simulator *sim, uint8_t *buf, size_t cap, size_t *len)
{
    const state *s = &sim->state;
    keel_packer p = keel_packer_over(buf, cap);
    keel_pack_u32(&p, SNAPSHOT_MAGIC);
    keel_pack_u32(&p, SNAPSHOT_VERSION);
    keel_pack_u64(&p, sim->universe->hash);
    keel_pack_u64(&p, sim->cfg.seed);
    for (int i = 0; i < 4; i++)
        keel_pack_u64(&p, s->rng.s[i]);
    keel_pack_u64(&p, s->steps);
    keel_pack_u64(&p, s->bars);
    keel_pack_u64(&p, s->missing);
    keel_pack_u32(&p, (uint32_t)s->regime);
    keel_pack_real(&p, s->h);
    keel_pack_reals(&p, s->level, (size_t)sim->n);
    return keel_packer_done(&p, len);
}

keel_status keel_simulator_load(keel_simulator *sim, const uint8_t *buf, size_t len)
{
    keel_unpacker u = keel_unpacker_over(buf, len);
    state s = {.level = sim->shocks}; /* scratch between steps */
    if (keel_unpack_u32(&u) != SNAPSHOT_MAGIC || keel_unpack_u32(&u) != SNAPSHOT_VERSION ||
        keel_unpack_u64(&u) != sim->universe->hash || keel_unpack_u64(&u) != sim->cfg.seed)
        return KEEL_EFORMAT;
    for (int i = 0; i < 4; i++)
        s.rng.s[i] = keel_unpack_u64(&u);
    s.steps = keel_unpack_u64(&u);
    s.bars = keel_unpack_u64(&u);
    s.missing = keel_unpack_u64(&u);
    const uint32_t regime = keel_unpack_u32(&u);
    s.h = keel_unpack_real(&u);
    keel_unpack_reals(&u, s.level, (size_t)sim->n);
    KEEL_TRY(keel_unpacker_done(&u));
    bool fits = regime < (uint32_t)sim->cfg.regimes_n && s.h > 0 && s.steps <= s.bars &&
                s.bars <= INT64_MAX;
    for (int i = 0; i < sim->n; i++)
        fits &= fabs(s.level[i]) <= ln_run_max;
    if (!fits)
        return KEEL_EFORMAT;
    s.regime = (int)regime;
    s.level = sim->state.level;
    memcpy(s.level, sim->shocks, (size_t)sim->n * sizeof *s.level);
    sim->state = s;
    return KEEL_OK;
}
