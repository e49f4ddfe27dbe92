/* sizing.h - how much of an instrument one signal may hold.
 *
 * ROOM     services/risk/engine: pure functions; check.h collects what they read.
 * MODEL    base      = base_frac x account equity, as notional                            (PZ01)
 *          factor    = 1                                  correlation <= t                (PZ02)
 *                    = 1 - 0.5 (correlation - t)/(1 - t)  above it, so never below 0.5    (T1)
 *          confidence factor = max(0.5, confidence)                                       (PZ03)
 *          size      = base x factor x confidence factor                                  (PZ04)
 *          then the limits, in this order, each a cap of its own (T5):
 *            max_portfolio_risk  heat of others + unit risk x qty <= max_portfolio_risk x equity,
 *                                unit risk = |entry - stop|, the whole price without a stop
 *            strategy_gross      gross of the book's others + price x qty
 *                                <= max_gross x book equity
 *            free_cash           price x qty <= free cash of the book
 *            max_positions       instruments of others + this one <= max_positions
 *            lot, min_notional   whole lots, not below the smallest order
 *          docs/methods/position-sizing.md says what is counted among the others, and why.
 * SHAPE    Money in micros, prices and quantities in the instrument's units; rounded towards zero.
 *          The dearer of entry and last close is the price, the cheaper one for min_notional.
 * THREADS  any.
 */
#ifndef KEEL_SERVICES_RISK_ENGINE_SIZING_H
#define KEEL_SERVICES_RISK_ENGINE_SIZING_H

#include "common/domain/signal.h"

typedef struct keel_sizing_limits {
    double base_frac;             /* of the account's equity, (0, 1] */
    double correlation_threshold; /* [0, 0.99] */
    double max_portfolio_risk;    /* of the account's equity, (0, 1] */
    int max_positions;            /* 0 = no limit */
} keel_sizing_limits;

typedef struct keel_sizing_case {
    const keel_instrument *instrument; /* borrowed for the call */
    keel_side side;                    /* LONG or SHORT */
    int64_t entry_units;               /* > 0 */
    int64_t mark_units;                /* last close; 0 = none yet */
    int64_t stop_units;                /* 0 = none */
    double confidence_frac;            /* [0, 1] */
    bool has_correlation;              /* false: no estimate that counts (T3) */
    double correlation;                /* largest, side-adjusted (T2); 0 = nothing held */
    int64_t equity_micros;             /* account */
    int64_t heat_micros;               /* of all other exposures */
    int64_t book_equity_micros;
    int64_t gross_micros; /* of the book's other exposures */
    double max_gross;     /* of the book's equity */
    int64_t free_micros;  /* cash of the book that nothing else needs */
    int others;           /* distinct other instruments that strategies hold or aim at */
} keel_sizing_case;

double keel_sizing_correlation_factor(double correlation, double threshold);
double keel_sizing_confidence_factor(double confidence_frac);

/* base x factor x confidence factor, as a fraction of the account's equity, before any limit. */
double keel_sizing_fraction(const keel_sizing_limits *limits, const keel_sizing_case *c);

/* Writes accepted, qty_units (signed), reason and rules of *answer. Every rule is listed, in the
 * order of the model, with the quantity that it leaves; exactly one is marked: the first of those
 * that leave least, or lot or min_notional when they refuse. */
void keel_sizing_size(const keel_sizing_limits *limits, const keel_sizing_case *c,
                      keel_risk_answer *answer);

#endif
