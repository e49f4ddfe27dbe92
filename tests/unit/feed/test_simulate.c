#include "services/feed/engine/simulate.h"

#include "common/base/mem.h"
#include "common/base/timefmt.h"
#include "common/domain/fixed.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N = 6 };

/* Four continuous instruments in two sectors, one without a sector, one of weekdays. */
static keel_universe *make_universe(void)
{
    static const char *const symbols[N] = {"AA-SIM", "AB-SIM", "BA-SIM",
                                           "BB-SIM", "C-SIM",  "W-SIM"};
    static const char *const sectors[N] = {"A", "A", "B", "B", "", "B"};
    keel_universe *u = keel_xcalloc(1, sizeof *u);
    strcpy(u->id, "main");
    u->n = N;
    for (int i = 0; i < N; i++) {
        keel_instrument *it = &u->instruments[i];
        strcpy(it->symbol, symbols[i]);
        strcpy(it->sector, sectors[i]);
        strcpy(it->currency, "USD");
        it->price_exp = 2 * i;
        it->qty_exp = 8;
        it->lot_units = 1;
        it->session = i == N - 1 ? KEEL_SESSION_WEEKDAYS : KEEL_SESSION_CONTINUOUS;
    }
    cr_assert_eq(keel_universe_seal(u, NULL), KEEL_OK);
    return u;
}

static keel_simulator_cfg make_cfg(const keel_universe *universe)
{
    keel_simulator_cfg cfg;
    keel_simulator_defaults(&cfg);
    cfg.universe = universe;
    cfg.bar_ns = KEEL_NS_PER_H;
    cr_assert_eq(keel_time_parse("2025-01-01T00:00:00Z", &cfg.start_ns, NULL), KEEL_OK);
    return cfg;
}

static keel_simulator *make(const keel_simulator_cfg *cfg)
{
    keel_err err = {.status = KEEL_OK};
    keel_simulator *sim = keel_simulator_new(cfg, &err);
    cr_assert_not_null(sim, "%s", err.text);
    return sim;
}

Test(simulate, same_seed_same_bytes)
{
    keel_universe *u = make_universe();
    keel_simulator_cfg cfg = make_cfg(u);
    keel_simulator *a = make(&cfg), *b = make(&cfg);
    cfg.seed = 2;
    keel_simulator *c = make(&cfg);
    keel_bar_row ra, rb, rc;
    keel_market_truth ta, tb, tc;
    int differ = 0;
    for (int k = 0; k < 500; k++) {
        cr_assert_eq(keel_simulator_next(a, &ra, &ta), KEEL_OK);
        cr_assert_eq(keel_simulator_next(b, &rb, &tb), KEEL_OK);
        cr_assert_eq(keel_simulator_next(c, &rc, &tc), KEEL_OK);
        cr_assert_eq(memcmp(ra.close_units, rb.close_units, sizeof(int64_t) * N), 0);
        cr_assert_eq(memcmp(ra.volume, rb.volume, sizeof(double) * N), 0);
        cr_assert_eq(ta.regime, tb.regime);
        differ += memcmp(ra.close_units, rc.close_units, sizeof(int64_t) * N) != 0;
    }
    cr_assert_eq(differ, 500);
    keel_simulator_free(&a);
    keel_simulator_free(&b);
    keel_simulator_free(&c);
    cr_assert_null(a);
    keel_free(&u);
}

Test(simulate, rows_are_sound_in_session_and_on_time)
{
    keel_universe *u = make_universe();
    keel_simulator_cfg cfg = make_cfg(u);
    cfg.missing_frac = 0.05;
    keel_simulator *sim = make(&cfg);
    keel_bar_row row;
    keel_market_truth truth;
    int weekday_bars = 0, lost = 0;
    int64_t last_ns = cfg.start_ns;
    for (int k = 0; k < 5000; k++) {
        cr_assert_eq(keel_simulator_next(sim, &row, &truth), KEEL_OK);
        cr_assert_eq(keel_bar_row_check(&row), KEEL_OK);
        cr_assert_eq(row.close_ns, last_ns + cfg.bar_ns);
        cr_assert_eq(row.universe_hash, u->hash);
        last_ns = row.close_ns;
        const bool weekend = keel_time_weekday(row.close_ns - row.bar_ns) >= 5;
        cr_assert(!weekend || row.close_units[N - 1] == 0);
        weekday_bars += row.close_units[N - 1] != 0;
        lost += row.close_units[0] == 0;
        cr_assert(k > 0 || row.missing == 0, "the first row is whole");
    }
    cr_assert_gt(weekday_bars, 3000);
    cr_assert_float_eq(lost, 250, 80);
    cr_assert_eq(keel_simulator_steps(sim), 5000u);
    cr_assert_eq(keel_simulator_empty(sim), 0u);
    cr_assert_gt(keel_simulator_missing(sim), 1000u);
    keel_simulator_free(&sim);
    keel_free(&u);
}

Test(simulate, prices_start_at_different_magnitudes_and_stay_sane)
{
    keel_universe *u = make_universe();
    const keel_simulator_cfg cfg = make_cfg(u);
    keel_simulator *sim = make(&cfg);
    keel_bar_row row;
    keel_market_truth truth;
    double low = INFINITY, high = 0;
    cr_assert_eq(keel_simulator_next(sim, &row, &truth), KEEL_OK);
    for (int i = 0; i < N; i++) {
        const double price = keel_real_of_units(row.open_units[i], u->instruments[i].price_exp);
        low = fmin(low, price);
        high = fmax(high, price);
        cr_assert_geq(row.open_units[i], 9000, "a unit is a small part of the price");
    }
    cr_assert_gt(high / low, 100);
    keel_simulator_free(&sim);
    keel_free(&u);
}

/* A universe of weekdays only rests on weekends: those times are no steps. */
Test(simulate, times_without_a_bar_are_no_steps)
{
    keel_universe *u = make_universe();
    for (int i = 0; i < N; i++)
        u->instruments[i].session = KEEL_SESSION_WEEKDAYS;
    cr_assert_eq(keel_universe_seal(u, NULL), KEEL_OK);
    keel_simulator_cfg cfg = make_cfg(u);
    cfg.bar_ns = KEEL_NS_PER_DAY;
    keel_simulator *sim = make(&cfg);
    keel_bar_row row;
    keel_market_truth truth;
    for (int k = 0; k < 100; k++) {
        cr_assert_eq(keel_simulator_next(sim, &row, &truth), KEEL_OK);
        cr_assert_lt(keel_time_weekday(row.close_ns - row.bar_ns), 5);
        cr_assert_lt(row.missing, N);
    }
    cr_assert_eq(keel_simulator_empty(sim), 40u, "2025-01-01 is a Wednesday");
    keel_simulator_free(&sim);
    keel_free(&u);
}

typedef struct sample {
    int n;
    double sum[N];
    double product[N][N];
    double fourth;  /* of instrument 0 */
    double lag;     /* r[t]^2 r[t-1]^2 of instrument 0 */
    double before2; /* r[t-1]^2; 0 = none */
    int lag_n;
} sample;

static void add(sample *s, const double *ret)
{
    s->n++;
    for (int i = 0; i < N; i++) {
        s->sum[i] += ret[i];
        for (int j = 0; j < N; j++)
            s->product[i][j] += ret[i] * ret[j];
    }
    const double square = ret[0] * ret[0];
    s->fourth += square * square;
    if (s->before2 > 0) {
        s->lag += square * s->before2;
        s->lag_n++;
    }
    s->before2 = square;
}

static double correlation(const sample *s, int i, int j)
{
    return s->product[i][j] / sqrt(s->product[i][i] * s->product[j][j]);
}

static double kurtosis(const sample *s)
{
    const double variance = s->product[0][0] / s->n;
    return s->fourth / s->n / (variance * variance);
}

/* Run `bars` bars and collect the returns of whole consecutive rows by regime. */
static void run(keel_simulator *sim, int bars, sample *by_regime, int *switches)
{
    double last[N];
    keel_bar_row row;
    keel_market_truth truth;
    uint32_t regime = 0;
    for (int k = 0; k < bars; k++) {
        double ret[N];
        cr_assert_eq(keel_simulator_next(sim, &row, &truth), KEEL_OK);
        for (int i = 0; i < N; i++) {
            ret[i] = log((double)row.close_units[i] / last[i]);
            last[i] = (double)row.close_units[i];
        }
        *switches += truth.regime != regime;
        regime = truth.regime;
        if (k > 0)
            add(&by_regime[truth.regime], ret);
    }
}

/* Estimates converge to the truth: 240,000 bars, no gaps, all instruments continuous. */
Test(simulate, samples_converge_to_the_truth)
{
    enum { BARS = 240000 };
    keel_universe *u = make_universe();
    u->instruments[N - 1].session = KEEL_SESSION_CONTINUOUS;
    for (int i = 0; i < N; i++)
        u->instruments[i].price_exp = 8;
    cr_assert_eq(keel_universe_seal(u, NULL), KEEL_OK);
    keel_simulator_cfg cfg = make_cfg(u);
    cfg.missing_frac = 0;
    cfg.seed = 7;
    keel_simulator *sim = make(&cfg), *other = make(&cfg);
    sample *by = keel_xcalloc(3, sizeof *by);
    double *truth_of[3] = {NULL}, *vol_of[3] = {NULL};
    int switches = 0;
    run(sim, BARS, by, &switches);

    keel_bar_row row;
    keel_market_truth truth;
    for (int k = 0; k < 5000; k++) { /* long enough to meet every regime */
        cr_assert_eq(keel_simulator_next(other, &row, &truth), KEEL_OK);
        cr_assert_str_eq(truth.regime_name, keel_simulator_regime_name(other, (int)truth.regime));
        truth_of[truth.regime] = (double *)truth.correlation;
        vol_of[truth.regime] = (double *)truth.volatility_ann;
    }
    const double bars_per_year = 365.25 * 24;
    for (int r = 0; r < 3; r++) {
        cr_assert_not_null(truth_of[r]);
        for (int j = 0; j < N; j++) {
            const double vol = sqrt(by[r].product[j][j] / by[r].n * bars_per_year);
            cr_expect_float_eq(vol / vol_of[r][j], 1, 0.12, "regime %d vol %d: %g %g", r, j, vol,
                               vol_of[r][j]);
            cr_expect_float_eq(truth_of[r][keel_packed_at(N, j, j)], 1, 1e-15);
            for (int i = j + 1; i < N; i++) {
                const double truth_ij = truth_of[r][keel_packed_at(N, i, j)];
                cr_expect_float_eq(correlation(&by[r], i, j), truth_ij, 0.06,
                                   "seed 7, regime %d, (%d,%d): %g %g", r, i, j,
                                   correlation(&by[r], i, j), truth_ij);
            }
        }
        cr_expect_gt(kurtosis(&by[r]), 4, "tails of regime %d: %g", r, kurtosis(&by[r]));
        const double variance = by[r].product[0][0] / by[r].n;
        cr_expect_gt(by[r].lag / by[r].lag_n, 1.05 * variance * variance, "no clusters in %d", r);
    }
    /* same sector above other sectors; stress above calm in correlation and volatility */
    cr_expect_gt(truth_of[0][keel_packed_at(N, 1, 0)], truth_of[0][keel_packed_at(N, 2, 0)]);
    cr_expect_gt(truth_of[2][keel_packed_at(N, 2, 0)], truth_of[0][keel_packed_at(N, 2, 0)]);
    cr_expect_gt(vol_of[2][0], 2 * vol_of[0][0]);
    /* stays: 250, 150 and 50 bars, left for either other alike: shares 5/9, 3/9, 1/9 */
    cr_expect_float_eq((double)BARS / switches, 150, 15);
    cr_expect_float_eq(by[0].n / (double)BARS, 5.0 / 9, 0.06);
    cr_expect_float_eq(by[2].n / (double)BARS, 1.0 / 9, 0.03);
    keel_free(&by);
    keel_simulator_free(&sim);
    keel_simulator_free(&other);
    keel_free(&u);
}

/* mu dt is the expected simple return: without drift a price is a martingale. */
Test(simulate, drift_is_modest)
{
    keel_universe *u = make_universe();
    keel_simulator_cfg cfg = make_cfg(u);
    cfg.bar_ns = KEEL_NS_PER_DAY;
    keel_bar_row row;
    keel_market_truth truth;
    double growth = 0;
    enum { RUNS = 60, DAYS = 365 };
    for (uint64_t seed = 1; seed <= RUNS; seed++) {
        cfg.seed = seed;
        cfg.missing_frac = 0;
        keel_simulator *sim = make(&cfg);
        double first = 0;
        for (int k = 0; k < DAYS; k++) {
            cr_assert_eq(keel_simulator_next(sim, &row, &truth), KEEL_OK);
            first = k == 0 ? (double)row.open_units[0] : first;
        }
        growth += (double)row.close_units[0] / first;
        keel_simulator_free(&sim);
    }
    cr_assert_float_eq(growth / RUNS, 1.12, 0.25, "seeds 1..60: %g", growth / RUNS);
    keel_free(&u);
}

Test(simulate, refuses_bad_configurations)
{
    keel_universe *u = make_universe();
    static const struct {
        size_t field;
        double value;
        const char *says;
    } reals[] = {
        {offsetof(keel_simulator_cfg, jump_probability), 0.5, "jump_probability"},
        {offsetof(keel_simulator_cfg, jump_probability), NAN, "jump_probability"},
        {offsetof(keel_simulator_cfg, jump_size), -1, "jump_size"},
        {offsetof(keel_simulator_cfg, missing_frac), 0.9, "missing"},
        {offsetof(keel_simulator_cfg, regimes[1].duration_bars), 1, "regime trend: duration_bars"},
        {offsetof(keel_simulator_cfg, regimes[1].drift_ann), INFINITY, "drift_ann"},
        {offsetof(keel_simulator_cfg, regimes[0].volatility_scale), 0, "regime calm: volatility"},
        {offsetof(keel_simulator_cfg, regimes[2].correlation_within), 1, "correlation_within"},
        {offsetof(keel_simulator_cfg, regimes[2].correlation_across), 0.9, "correlation_across"},
        {offsetof(keel_simulator_cfg, regimes[2].correlation_across), -0.1, "correlation_across"},
    };
    keel_err err;
    for (size_t i = 0; i < sizeof reals / sizeof reals[0]; i++) {
        keel_simulator_cfg cfg = make_cfg(u);
        memcpy((char *)&cfg + reals[i].field, &reals[i].value, sizeof(double));
        cr_expect_null(keel_simulator_new(&cfg, &err));
        cr_expect_eq(err.status, KEEL_ERANGE);
        cr_expect_not_null(strstr(err.text, reals[i].says), "%s: %s", reals[i].says, err.text);
    }
    keel_simulator_cfg cfg = make_cfg(u);
    strcpy(cfg.regimes[1].name, "calm");
    cr_expect_null(keel_simulator_new(&cfg, &err));
    cr_expect_eq(err.status, KEEL_EINVAL);
    cfg = make_cfg(u);
    cfg.regimes_n = 0;
    cr_expect_null(keel_simulator_new(&cfg, &err));
    cfg = make_cfg(u);
    cfg.tail_nu = 2;
    cr_expect_null(keel_simulator_new(&cfg, &err));
    cfg = make_cfg(u);
    cfg.bar_ns = 0;
    cr_expect_null(keel_simulator_new(&cfg, &err));
    cfg = make_cfg(u);
    cfg.start_ns = -1;
    cr_expect_null(keel_simulator_new(&cfg, NULL));
    cfg = make_cfg(NULL);
    cr_expect_null(keel_simulator_new(&cfg, &err));
    keel_free(&u);
}

Test(simulate, saves_and_loads_to_the_bit)
{
    keel_universe *u = make_universe();
    const keel_simulator_cfg cfg = make_cfg(u);
    keel_simulator *a = make(&cfg), *b = make(&cfg);
    keel_bar_row ra, rb;
    keel_market_truth ta, tb;
    uint8_t buf[512];
    size_t len;
    for (int k = 0; k < 300; k++)
        cr_assert_eq(keel_simulator_next(a, &ra, &ta), KEEL_OK);
    cr_assert_eq(keel_simulator_save(a, buf, 10, &len), KEEL_ENOSPC);
    cr_assert_eq(keel_simulator_save(a, buf, sizeof buf, &len), KEEL_OK);
    cr_assert_eq(keel_simulator_load(b, buf, len), KEEL_OK);
    for (int k = 0; k < 300; k++) {
        cr_assert_eq(keel_simulator_next(a, &ra, &ta), KEEL_OK);
        cr_assert_eq(keel_simulator_next(b, &rb, &tb), KEEL_OK);
        cr_assert_eq(ra.close_ns, rb.close_ns);
        cr_assert_eq(memcmp(ra.high_units, rb.high_units, sizeof(int64_t) * N), 0);
        cr_assert_eq(memcmp(ra.close_units, rb.close_units, sizeof(int64_t) * N), 0);
    }
    keel_simulator_free(&a);
    keel_simulator_free(&b);
    keel_free(&u);
}

Test(simulate, load_refuses_damage_and_keeps_its_state)
{
    keel_universe *u = make_universe();
    keel_simulator_cfg cfg = make_cfg(u);
    keel_simulator *a = make(&cfg), *same = make(&cfg);
    cfg.seed = 99;
    keel_simulator *foreign = make(&cfg);
    keel_bar_row ra, rb;
    keel_market_truth ta, tb;
    uint8_t buf[512], bad[513];
    size_t len;
    for (int k = 0; k < 10; k++)
        cr_assert_eq(keel_simulator_next(a, &ra, &ta), KEEL_OK);
    cr_assert_eq(keel_simulator_save(a, buf, sizeof buf, &len), KEEL_OK);
    cr_assert_eq(keel_simulator_load(foreign, buf, len), KEEL_EFORMAT);
    for (size_t cut = 0; cut < len; cut++)
        cr_assert_eq(keel_simulator_load(same, buf, cut), KEEL_EFORMAT, "%zu", cut);
    memcpy(bad, buf, len);
    bad[len] = 0;
    cr_assert_eq(keel_simulator_load(same, bad, len + 1), KEEL_EFORMAT);
    static const size_t flips[] = {0, 4, 8, 16, 83}; /* magic, version, universe, seed, regime */
    for (size_t i = 0; i < sizeof flips / sizeof flips[0]; i++) {
        memcpy(bad, buf, len);
        bad[flips[i]] ^= 0x80;
        cr_assert_eq(keel_simulator_load(same, bad, len), KEEL_EFORMAT, "byte %zu", flips[i]);
    }
    cfg.seed = 1;
    keel_simulator *fresh = make(&cfg);
    for (int k = 0; k < 20; k++) {
        cr_assert_eq(keel_simulator_next(fresh, &ra, &ta), KEEL_OK);
        cr_assert_eq(keel_simulator_next(same, &rb, &tb), KEEL_OK);
        cr_assert_eq(memcmp(ra.close_units, rb.close_units, sizeof(int64_t) * N), 0);
    }
    keel_simulator_free(&a);
    keel_simulator_free(&same);
    keel_simulator_free(&fresh);
    keel_simulator_free(&foreign);
    keel_free(&u);
}

Test(simulate, works_for_one_instrument_and_one_regime_and_512)
{
    static const int sizes[] = {1, 512};
    for (int c = 0; c < 2; c++) {
        keel_universe *u = make_universe();
        u->n = sizes[c];
        for (int i = N; i < u->n; i++) {
            u->instruments[i] = u->instruments[0];
            sprintf(u->instruments[i].symbol, "S%d", i);
        }
        cr_assert_eq(keel_universe_seal(u, NULL), KEEL_OK);
        keel_simulator_cfg cfg = make_cfg(u);
        cfg.regimes_n = 1;
        keel_simulator *sim = make(&cfg);
        keel_bar_row row;
        keel_market_truth truth;
        for (int k = 0; k < 50; k++) {
            cr_assert_eq(keel_simulator_next(sim, &row, &truth), KEEL_OK);
            cr_assert_eq(keel_bar_row_check(&row), KEEL_OK);
            cr_assert_eq(truth.regime, 0u);
        }
        cr_assert_str_eq(keel_simulator_regime_name(sim, 1), "");
        keel_simulator_free(&sim);
        keel_free(&u);
    }
}
