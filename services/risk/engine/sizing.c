#include "services/risk/engine/sizing.h"

#include "common/base/assert.h"
#include "common/domain/fixed.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#define LARGEST_CUT         0.5
#define SMALLEST_CONFIDENCE 0.5
#define WITHOUT_ESTIMATE    0.0 /* shown as the factor when none was measured */
#define NO_LIMIT            INT64_MAX

enum {
    BASE,
    CORRELATION,
    CONFIDENCE,
    HEAT,
    GROSS,
    CASH,
    POSITIONS,
    CAPS, /* the rules above are caps; the two below round and refuse */
    LOT = CAPS,
    MIN_NOTIONAL,
    RULES,
};

static const struct {
    const char *name;
    keel_reason_code code;
} names[RULES] = {
    [BASE] = {"base_size", KEEL_REASON_SCALED},
    [CORRELATION] = {"correlation_factor", KEEL_REASON_CORRELATION_LIMIT},
    [CONFIDENCE] = {"confidence_factor", KEEL_REASON_SCALED},
    [HEAT] = {"max_portfolio_risk", KEEL_REASON_RISK_LIMIT},
    [GROSS] = {"strategy_gross", KEEL_REASON_BUDGET_EXHAUSTED},
    [CASH] = {"free_cash", KEEL_REASON_FREE_CASH},
    [POSITIONS] = {"max_positions", KEEL_REASON_MAX_POSITIONS},
    [LOT] = {"lot", KEEL_REASON_BELOW_LOT},
    [MIN_NOTIONAL] = {"min_notional", KEEL_REASON_BELOW_MIN_NOTIONAL},
};

double keel_sizing_correlation_factor(double correlation, double threshold)
{
    const double rho = fmin(1, fmax(-1, correlation));
    if (!(rho > threshold))
        return 1;
    return 1 - LARGEST_CUT * (rho - threshold) / (1 - threshold);
}

double keel_sizing_confidence_factor(double confidence_frac)
{
    return fmin(1, fmax(SMALLEST_CONFIDENCE, confidence_frac));
}

static double factor_of(const keel_sizing_limits *limits, const keel_sizing_case *c)
{
    return keel_sizing_correlation_factor(c->correlation, limits->correlation_threshold);
}

double keel_sizing_fraction(const keel_sizing_limits *limits, const keel_sizing_case *c)
{
    return limits->base_frac * factor_of(limits, c) *
           keel_sizing_confidence_factor(c->confidence_frac);
}

static int64_t dearer(const keel_sizing_case *c)
{
    return c->mark_units > c->entry_units ? c->mark_units : c->entry_units;
}

static int64_t cheaper(const keel_sizing_case *c)
{
    return c->mark_units > 0 && c->mark_units < c->entry_units ? c->mark_units : c->entry_units;
}

/* Most whole units whose worth at `price_units` is inside `micros`; `beyond` when they can not be
 * counted. */
static int64_t units_inside(const keel_sizing_case *c, int64_t micros, int64_t price_units,
                            int64_t beyond)
{
    int64_t qty;
    if (micros <= 0)
        return 0;
    if (keel_qty_of_worth(micros, price_units, c->instrument->price_exp, c->instrument->qty_exp, 1,
                          &qty) != KEEL_OK)
        return beyond;
    return qty;
}

/* fraction x micros - used; anything that can not be counted leaves no room. */
static int64_t room(int64_t micros, double fraction, int64_t used)
{
    int64_t limit, left;
    if (micros <= 0 || keel_fraction_of(micros, fraction, &limit) != KEEL_OK ||
        __builtin_sub_overflow(limit, used, &left))
        return 0;
    return left;
}

static int64_t sized(const keel_sizing_case *c, double fraction)
{
    return units_inside(c, room(c->equity_micros, fraction, 0), dearer(c), 0);
}

/* What all exposures but this one put to use, as a fraction of what they are measured by. */
static double share_of(int64_t used, int64_t of)
{
    return of > 0 ? (double)used / (double)of : 0;
}

static int64_t unit_risk(const keel_sizing_case *c)
{
    if (c->stop_units == 0)
        return dearer(c);
    return c->stop_units > c->entry_units ? c->stop_units - c->entry_units
                                          : c->entry_units - c->stop_units;
}

static void put(keel_risk_answer *answer, int rule, double value, int64_t qty_units)
{
    keel_sizing_rule *to = &answer->rules[rule];
    to->code = names[rule].code;
    memcpy(to->name, names[rule].name, strlen(names[rule].name) + 1);
    to->value = value;
    to->qty_units = qty_units;
}

static void put_caps(const keel_sizing_limits *limits, const keel_sizing_case *c,
                     keel_risk_answer *answer)
{
    const double factor = factor_of(limits, c);
    const double confidence = keel_sizing_confidence_factor(c->confidence_frac);
    const int64_t base = sized(c, limits->base_frac);
    const int64_t risk = unit_risk(c);
    const bool fits = limits->max_positions == 0 || c->others < limits->max_positions;
    put(answer, BASE, limits->base_frac, base);
    put(answer, CORRELATION, factor < 1 || c->has_correlation ? factor : WITHOUT_ESTIMATE,
        sized(c, limits->base_frac * factor));
    put(answer, CONFIDENCE, confidence, sized(c, keel_sizing_fraction(limits, c)));
    const int64_t heat = room(c->equity_micros, limits->max_portfolio_risk, c->heat_micros);
    put(answer, HEAT, share_of(c->heat_micros, c->equity_micros),
        risk > 0 ? units_inside(c, heat, risk, NO_LIMIT) : 0);
    const int64_t gross = room(c->book_equity_micros, c->max_gross, c->gross_micros);
    put(answer, GROSS, share_of(c->gross_micros, c->book_equity_micros),
        units_inside(c, gross, dearer(c), NO_LIMIT));
    put(answer, CASH, keel_real_of_units(c->free_micros, 6),
        units_inside(c, c->free_micros, dearer(c), NO_LIMIT));
    put(answer, POSITIONS, c->others, fits ? base : 0);
}

static bool is_below_notional(const keel_sizing_case *c, int64_t qty)
{
    int64_t worth;
    const keel_status status = keel_worth_micros(cheaper(c), c->instrument->price_exp, qty,
                                                 c->instrument->qty_exp, &worth);
    return status == KEEL_OK && worth < c->instrument->min_notional_micros;
}

static void refuse(keel_risk_answer *answer, int rule, keel_reason_code code, const char *why)
{
    answer->rules[rule].bound = true;
    keel_reason_set(&answer->reason, code, "%s leaves nothing: %s", names[rule].name, why);
}

/* The cap that left nothing at all. */
static void refuse_cap(const keel_sizing_case *c, keel_risk_answer *answer, int rule)
{
    static const char *const why[CAPS] = {
        [HEAT] = "what the strategies' stops may lose together is used up",
        [GROSS] = "the book's equity times max_gross is used up",
        [CASH] = "no cash of the book is free",
        [POSITIONS] = "as many instruments as allowed are held or aimed at",
    };
    if (rule == BASE && c->equity_micros <= 0)
        refuse(answer, BASE, KEEL_REASON_BUDGET_EXHAUSTED, "the account has no equity");
    else if (rule <= CONFIDENCE)
        refuse(answer, LOT, KEEL_REASON_BELOW_LOT,
               "the size is less than one unit, or more than can be counted");
    else
        refuse(answer, rule, names[rule].code, why[rule]);
}

void keel_sizing_size(const keel_sizing_limits *limits, const keel_sizing_case *c,
                      keel_risk_answer *answer)
{
    KEEL_ASSERT(c->side == KEEL_SIDE_LONG || c->side == KEEL_SIDE_SHORT);
    int least = BASE;
    answer->accepted = false;
    answer->qty_units = 0;
    answer->rules_n = RULES;
    memset(answer->rules, 0, sizeof answer->rules);
    put_caps(limits, c, answer);
    for (int r = BASE; r < CAPS; r++)
        least = answer->rules[r].qty_units < answer->rules[least].qty_units ? r : least;
    const int64_t most = answer->rules[least].qty_units;
    const int64_t lots = most - most % c->instrument->lot_units;
    const bool is_small = is_below_notional(c, lots);
    put(answer, LOT, keel_real_of_units(c->instrument->lot_units, c->instrument->qty_exp), lots);
    put(answer, MIN_NOTIONAL, keel_real_of_units(c->instrument->min_notional_micros, 6),
        is_small ? 0 : lots);
    if (most == 0) {
        refuse_cap(c, answer, least);
    } else if (lots == 0) {
        refuse(answer, LOT, KEEL_REASON_BELOW_LOT, "the size is less than one lot");
    } else if (is_small) {
        refuse(answer, MIN_NOTIONAL, KEEL_REASON_BELOW_MIN_NOTIONAL,
               "the size is worth less than the smallest order");
    } else {
        answer->accepted = true;
        answer->qty_units = c->side == KEEL_SIDE_LONG ? lots : -lots;
        answer->rules[least].bound = true;
        keel_reason_set(&answer->reason, KEEL_REASON_ACCEPTED, "sized by %s%s", names[least].name,
                        c->has_correlation ? "" : "; too few rows for a correlation: counted as 0");
    }
}
