/* Whatever the optimizer proposes from whatever the correlation measured, risk's own verification
 * finds it true: seeded markets of 2 to 40 instruments, with twins, dead and calm ones, windows
 * shorter than the universe, bounds, sectors, cash floors and position limits. */
#include "common/base/rng.h"
#include "common/domain/fixed.h"
#include "services/correlation/engine/correlation.h"
#include "services/optimizer/engine/optimizer.h"
#include "services/risk/engine/certificate.h"
#include "services/risk/engine/verify.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { N_MAX = 40, STEPS = 40, MARKETS = 150, SEED = 20260105 };

#define HASH UINT64_C(99)

typedef struct market {
    int n, window;
    double trust; /* 0: shrunk as by default; 3: as good as not, so singular but for the ridge */
    double log_price[N_MAX], volatility[N_MAX];
    int64_t closes[N_MAX];
    keel_sector_band bands[3];
    double lower[N_MAX], upper[N_MAX];
    keel_rng rng;
} market;

static keel_universe universe;
static double scratch[N_MAX * (N_MAX + 1) / 2 + 2 * N_MAX];

static void make_market(market *m, uint64_t seed)
{
    memset(m, 0, sizeof *m);
    m->rng = keel_rng_seeded(seed);
    m->n = 2 + (int)keel_rng_below(&m->rng, N_MAX - 1);
    m->window = 4 + (int)keel_rng_below(&m->rng, 40);
    m->trust = seed % 2 == 0 ? 0 : 3;
    memset(&universe, 0, sizeof universe);
    universe.n = m->n;
    universe.hash = HASH;
    for (int i = 0; i < m->n; i++) {
        snprintf(universe.instruments[i].symbol, KEEL_SYMBOL_MAX, "S%d", i);
        snprintf(universe.instruments[i].sector, KEEL_NAME_MAX, "sector %d", i % 3);
        m->volatility[i] = 0.0005 * exp(4 * keel_rng_uniform(&m->rng)); /* 0.05 % to 2.7 % */
        m->upper[i] = fmin(1, 3.0 / m->n + keel_rng_uniform(&m->rng));
    }
    for (int s = 0; s < 3; s++) {
        snprintf(m->bands[s].name, sizeof m->bands[s].name, "sector %d", s);
        m->bands[s].hi = 0.4 + 0.6 * keel_rng_uniform(&m->rng);
    }
}

static void next_prices(market *m)
{
    const double common = keel_rng_normal(&m->rng);
    for (int i = 0; i < m->n; i++) {
        const bool dead = i == 3, twin = i == 5;
        const double own = keel_rng_normal(&m->rng);
        if (!dead)
            m->log_price[i] += m->volatility[i] * (0.7 * common + 0.7 * own);
        m->closes[i] = twin ? 2 * m->closes[4] : (int64_t)llround(1e10 * exp(m->log_price[i]));
    }
}

static keel_corr *correlation_of(const market *m)
{
    const keel_corr_cfg cfg = {.n = m->n,
                               .universe_hash = HASH,
                               .bar_ns = 1,
                               .estimator = KEEL_ESTIMATOR_ROLLING,
                               .log_returns = true,
                               .rows_window = m->window,
                               .rows_min = 3,
                               .rows_full_trust = m->trust};
    keel_err err = {0};
    keel_corr *eng = keel_corr_new(&cfg, &err);
    cr_assert_not_null(eng, "%s", err.text);
    return eng;
}

/* NULL: the drawn limits cannot be met, which is refused at start. */
static keel_optimizer *optimizer_of(market *m, keel_risk_limits *limits)
{
    static const keel_book_share core = {"core", 1.0};
    const keel_method methods[] = {KEEL_METHOD_MIN_VARIANCE, KEEL_METHOD_MIN_VARIANCE,
                                   KEEL_METHOD_INVERSE_VOLATILITY, KEEL_METHOD_EQUAL_WEIGHT};
    const keel_rebalance_rule every_step = {.period_ns = 1, .retry_steps = 1};
    const int sectors = m->n >= 3 ? (int)keel_rng_below(&m->rng, 4) : 0;
    const keel_optimizer_cfg cfg = {
        .allocation = {.universe = &universe,
                       .method = methods[keel_rng_below(&m->rng, 4)],
                       .lower = m->lower,
                       .upper = m->upper,
                       .cash_min = 0.2 * keel_rng_uniform(&m->rng),
                       .positions_max = (int)keel_rng_below(&m->rng, (uint64_t)m->n),
                       .sectors_n = sectors,
                       .sectors = m->bands},
        .portfolio = "main",
        .core = every_step,
        .capital = every_step,
        .apply = true,
        .method_why = "",
        .books_n = 1,
        .books = &core};
    *limits = (keel_risk_limits){.max_weight = 1,
                                 .cash_min = cfg.allocation.cash_min,
                                 .max_positions = cfg.allocation.positions_max,
                                 .sectors_n = sectors};
    for (int s = 0; s < sectors; s++) {
        memcpy(limits->sectors[s].sector, m->bands[s].name, sizeof m->bands[s].name);
        limits->sectors[s].max = m->bands[s].hi;
    }
    return keel_optimizer_new(&cfg, NULL);
}

static void give_portfolio(keel_optimizer *eng, const keel_input_ref *ref)
{
    const keel_book core = {.book = "core", .cash_micros = 1000, .equity_micros = 1000};
    const keel_portfolio_state state = {.portfolio = "main",
                                        .universe_hash = HASH,
                                        .cash_micros = 1000,
                                        .equity_micros = 1000,
                                        .books_n = 1,
                                        .books = &core};
    cr_assert_eq(keel_optimizer_on_portfolio(eng, &state, ref), KEEL_OK);
}

static bool verifies(const market *m, const keel_risk_limits *limits, uint64_t step,
                     const keel_covariance *covariance, const keel_allocation_proposal *proposal)
{
    const keel_risk_input inputs[] = {{proposal->inputs[0], covariance->covariance},
                                      {proposal->inputs[1], NULL}};
    const keel_risk_evidence evidence = {&universe, limits, step, 4, 2, inputs, m->closes, scratch};
    keel_risk_finding finding;
    const bool good = keel_risk_verify(&evidence, proposal, &finding);
    cr_expect(good, "n %d step %d: %s", m->n, (int)step, finding.reason.text);
    return good;
}

/* Returns the number of proposals, all of them verified; *stuck counts supports not found. */
static int run_market(uint64_t seed, int *stuck)
{
    market m;
    keel_risk_limits limits;
    int proposals = 0;
    make_market(&m, seed);
    keel_optimizer *optimizer = optimizer_of(&m, &limits);
    if (optimizer == NULL)
        return 0;
    keel_corr *correlation = correlation_of(&m);
    for (uint64_t step = 1; step <= STEPS; step++) {
        keel_corr_out measured;
        keel_optimizer_out out;
        const keel_input_ref covariance_ref = {"v1.cov.1h.main.", step, 7 * step};
        const keel_input_ref portfolio_ref = {"v1.portfolio.main.", step, 9 * step};
        next_prices(&m);
        const keel_bar_row row = {.universe_hash = HASH,
                                  .close_ns = (int64_t)step,
                                  .bar_ns = 1,
                                  .n = m.n,
                                  .close_units = m.closes};
        cr_assert_eq(keel_corr_on_row(correlation, &row, &measured), KEEL_OK);
        give_portfolio(optimizer, &portfolio_ref);
        if (measured.made != 0)
            cr_assert_eq(
                keel_optimizer_on_covariance(optimizer, &measured.covariance, &covariance_ref),
                KEEL_OK);
        cr_assert_eq(keel_optimizer_on_step(optimizer, step, (int64_t)step, &out), KEEL_OK);
        if ((out.made & KEEL_OPTIMIZER_MADE_ALLOCATION) != 0)
            proposals += verifies(&m, &limits, step, &measured.covariance, &out.allocation);
        else if (measured.made != 0)
            cr_expect_eq(out.decision.reason.code, KEEL_REASON_INFEASIBLE, "seed %d: %s", (int)seed,
                         out.decision.reason.text);
        *stuck += out.decision.reason.code == KEEL_REASON_INFEASIBLE;
    }
    keel_corr_free(&correlation);
    keel_optimizer_free(&optimizer);
    return proposals;
}

Test(proposals, verify_in_risk)
{
    int proposals = 0, stuck = 0;
    for (uint64_t k = 0; k < MARKETS; k++)
        proposals += run_market(SEED + k, &stuck);
    printf("seeds %d..%d: %d proposals verified, %d steps without a support\n", SEED,
           SEED + MARKETS - 1, proposals, stuck);
    cr_expect_gt(proposals, 2000);
}
