#include "services/ledger/engine/performance.h"

#include <math.h>

void keel_returns_add(keel_returns *r, double ret_simple, double excess)
{
    r->n++;
    const double d = ret_simple - r->mean;
    r->mean += d / (double)r->n;
    r->m2 += d * (ret_simple - r->mean);
    const double e = excess - r->excess_mean;
    r->excess_mean += e / (double)r->n;
    r->excess_m2 += e * (excess - r->excess_mean);
    if (excess < 0.0)
        r->below2 += excess * excess;
}

double keel_returns_volatility(const keel_returns *r, double bars_per_year)
{
    return r->n < 2 ? 0.0 : sqrt(r->m2 / (double)(r->n - 1) * bars_per_year);
}

double keel_returns_sharpe(const keel_returns *r, double bars_per_year)
{
    if (r->n < 2 || r->excess_m2 <= 0.0)
        return 0.0;
    return r->excess_mean / sqrt(r->excess_m2 / (double)(r->n - 1)) * sqrt(bars_per_year);
}

double keel_returns_sortino(const keel_returns *r, double bars_per_year)
{
    if (r->n < 2 || r->below2 <= 0.0)
        return 0.0;
    return r->excess_mean / sqrt(r->below2 / (double)r->n) * sqrt(bars_per_year);
}

double keel_annualized(double growth, double years)
{
    if (years <= 0.0 || growth <= 0.0)
        return 0.0;
    const double rate = pow(growth, 1.0 / years) - 1.0;
    return isfinite(rate) ? rate : 0.0;
}

void keel_equity_path_init(keel_equity_path *path, int64_t initial_micros)
{
    *path = (keel_equity_path){.first_micros = initial_micros,
                               .last_micros = initial_micros,
                               .peak_micros = initial_micros};
}

void keel_equity_path_add(keel_equity_path *path, int64_t close_ns, int64_t equity_micros,
                          double risk_free_ann)
{
    if (path->bars == 0) {
        path->from_ns = close_ns;
    } else if (path->last_micros > 0) {
        const double years = (double)(close_ns - path->to_ns) / (double)KEEL_YEAR_NS;
        const double ret = (double)equity_micros / (double)path->last_micros - 1.0;
        keel_returns_add(&path->returns, ret, ret - risk_free_ann * years);
    }
    if (equity_micros > path->peak_micros)
        path->peak_micros = equity_micros;
    if (path->peak_micros > 0) {
        const double drawdown = 1.0 - (double)equity_micros / (double)path->peak_micros;
        if (drawdown > path->max_drawdown_frac)
            path->max_drawdown_frac = drawdown;
    }
    path->to_ns = close_ns;
    path->last_micros = equity_micros;
    path->equity_sum += (double)equity_micros;
    path->bars++;
}

double keel_equity_path_bars_per_year(const keel_equity_path *path, int64_t bar_ns)
{
    if (path->bars < 2)
        return (double)KEEL_YEAR_NS / (double)bar_ns;
    return (double)(path->bars - 1) * (double)KEEL_YEAR_NS / (double)(path->to_ns - path->from_ns);
}
