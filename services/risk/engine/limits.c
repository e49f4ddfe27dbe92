#include "services/risk/engine/limits.h"

#include "common/base/text.h"

#include <math.h>
#include <string.h>

#define TOLERANCE KEEL_RISK_PRIMAL_TOLERANCE

bool keel_risk_refuse(keel_risk_finding *finding, keel_reason_code code, const char *name,
                      double value, double limit, const char *what)
{
    finding->value = isfinite(value) ? value : 0;
    finding->limit = isfinite(limit) ? limit : 0;
    if (keel_text_copy(finding->name, sizeof finding->name, name) != KEEL_OK)
        finding->name[0] = '\0';
    keel_reason_set(&finding->reason, code, "%s: %s is %.9g, limit %.9g", what, name,
                    finding->value, finding->limit);
    return false;
}

keel_status keel_risk_limits_check(const keel_risk_limits *limits, const keel_universe *universe,
                                   keel_err *err)
{
    if (!(limits->max_weight > 0 && limits->max_weight <= 1))
        return keel_err_set(err, KEEL_ERANGE, "max_weight %g is not in (0, 1]", limits->max_weight);
    if (!(limits->cash_min >= 0 && limits->cash_min < 1))
        return keel_err_set(err, KEEL_ERANGE, "cash_min %g is not in [0, 1)", limits->cash_min);
    if (limits->max_positions < 0)
        return keel_err_set(err, KEEL_ERANGE, "max_positions %d is negative",
                            limits->max_positions);
    if (limits->sectors_n < 0 || limits->sectors_n > KEEL_RISK_SECTORS_MAX)
        return keel_err_set(err, KEEL_ERANGE, "%d sector bands, at most %d", limits->sectors_n,
                            KEEL_RISK_SECTORS_MAX);
    for (int s = 0; s < limits->sectors_n; s++) {
        const keel_risk_band *band = &limits->sectors[s];
        int members = 0;
        for (int i = 0; i < universe->n; i++)
            members += strcmp(universe->instruments[i].sector, band->sector) == 0;
        if (members == 0)
            return keel_err_set(err, KEEL_EINVAL, "sector \"%s\" has no instrument", band->sector);
        if (!(band->min >= 0 && band->min <= band->max && band->max <= 1))
            return keel_err_set(err, KEEL_ERANGE, "sector \"%s\": need 0 <= min <= max <= 1",
                                band->sector);
    }
    return KEEL_OK;
}

bool keel_risk_limits_hold(const keel_risk_limits *limits, const keel_universe *universe,
                           const keel_allocation_proposal *proposal, keel_risk_finding *finding)
{
    int positions = 0;
    for (int i = 0; i < proposal->n; i++) {
        const double w = proposal->weights[i];
        if (w > limits->max_weight + TOLERANCE)
            return keel_risk_refuse(finding, KEEL_REASON_MAX_WEIGHT,
                                    universe->instruments[i].symbol, w, limits->max_weight,
                                    "a weight is above risk.max_weight");
        positions += w > TOLERANCE;
    }
    if (proposal->cash_frac < limits->cash_min - TOLERANCE)
        return keel_risk_refuse(finding, KEEL_REASON_CASH_FLOOR, "cash", proposal->cash_frac,
                                limits->cash_min, "cash is below risk.cash_min");
    if (limits->max_positions > 0 && positions > limits->max_positions)
        return keel_risk_refuse(finding, KEEL_REASON_MAX_POSITIONS, "max_positions", positions,
                                limits->max_positions, "more positions than allowed");
    return true;
}

/* Which instruments a limit adds up: all of them (sector NULL) or one sector's. */
static bool is_member(const keel_universe *universe, int i, const char *sector)
{
    return sector == NULL || strcmp(universe->instruments[i].sector, sector) == 0;
}

/* The row adds exactly the members, each once. */
static bool adds_up(const keel_constraint *row, const keel_universe *universe, const char *sector)
{
    int at = 0;
    for (int i = 0; i < universe->n; i++) {
        if (!is_member(universe, i, sector))
            continue;
        if (at == row->n || row->indices[at] != i || row->coefficients[at] != 1.0)
            return false;
        at++;
    }
    return at == row->n;
}

static bool has_row(const keel_allocation_proposal *proposal, const keel_universe *universe,
                    const char *sector, double lo, double hi)
{
    bool lo_held = lo <= 0; /* weights are long only: a floor at zero needs no row */
    bool hi_held = hi >= 1 && sector != NULL;
    for (int c = 0; c < proposal->constraints_n; c++) {
        const keel_constraint *row = &proposal->constraints[c];
        if (!adds_up(row, universe, sector))
            continue;
        lo_held = lo_held || row->lo >= lo - TOLERANCE;
        hi_held = hi_held || row->hi <= hi + TOLERANCE;
    }
    return lo_held && hi_held;
}

bool keel_risk_limits_present(const keel_risk_limits *limits, const keel_universe *universe,
                              const keel_allocation_proposal *proposal, keel_risk_finding *finding)
{
    for (int i = 0; i < proposal->n; i++) {
        const char *symbol = universe->instruments[i].symbol;
        if (!(proposal->upper[i] <= limits->max_weight + TOLERANCE))
            return keel_risk_refuse(finding, KEEL_REASON_MISSING_CONSTRAINT, symbol,
                                    proposal->upper[i], limits->max_weight,
                                    "an upper bound is looser than risk.max_weight");
        if (!(proposal->lower[i] >= -TOLERANCE))
            return keel_risk_refuse(finding, KEEL_REASON_MISSING_CONSTRAINT, symbol,
                                    proposal->lower[i], 0, "a lower bound allows a short position");
    }
    if (!has_row(proposal, universe, NULL, 0, 1 - limits->cash_min))
        return keel_risk_refuse(finding, KEEL_REASON_MISSING_CONSTRAINT, "budget", 0,
                                1 - limits->cash_min,
                                "no constraint holds the sum of weights below 1 - risk.cash_min");
    for (int s = 0; s < limits->sectors_n; s++) {
        const keel_risk_band *band = &limits->sectors[s];
        if (!has_row(proposal, universe, band->sector, band->min, band->max))
            return keel_risk_refuse(finding, KEEL_REASON_MISSING_CONSTRAINT, band->sector,
                                    band->min, band->max,
                                    "no constraint holds the sector inside its band of risk");
    }
    return true;
}
