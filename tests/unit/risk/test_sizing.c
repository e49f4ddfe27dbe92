/* PZ01 - PZ04, PZ06, RL05, RL07, RM11, T1, T3, T5: the size of one signal, rule by rule. */
#include "common/base/rng.h"
#include "common/domain/fixed.h"
#include "services/risk/engine/sizing.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#define MICROS INT64_C(1000000)

static keel_instrument instrument;
static keel_risk_answer answer;

/* 100.00 a piece, lots of 0.01 pieces; an account of 1,000,000 whose book of 200,000 is empty. */
static keel_sizing_case plain(void)
{
    instrument = (keel_instrument){
        .price_exp = 2, .qty_exp = 3, .lot_units = 10, .min_notional_micros = 10 * MICROS};
    return (keel_sizing_case){
        .instrument = &instrument,
        .side = KEEL_SIDE_LONG,
        .entry_units = 10000,
        .mark_units = 10000,
        .confidence_frac = 1,
        .has_correlation = true,
        .equity_micros = 1000000 * MICROS,
        .book_equity_micros = 200000 * MICROS,
        .max_gross = 1,
        .free_micros = 200000 * MICROS,
    };
}

static keel_sizing_limits limits_of(void)
{
    return (keel_sizing_limits){
        .base_frac = 0.01, .correlation_threshold = 0.7, .max_portfolio_risk = 1};
}

static const keel_sizing_rule *rule(const char *name)
{
    for (int r = 0; r < answer.rules_n; r++)
        if (strcmp(answer.rules[r].name, name) == 0)
            return &answer.rules[r];
    cr_assert_fail("no rule %s", name);
    return NULL;
}

static const char *bound(void)
{
    const char *name = NULL;
    for (int r = 0; r < answer.rules_n; r++)
        if (answer.rules[r].bound) {
            cr_assert_null(name, "%s and %s are bound", name, answer.rules[r].name);
            name = answer.rules[r].name;
        }
    cr_assert_not_null(name);
    return name;
}

static void size(const keel_sizing_limits *limits, const keel_sizing_case *c)
{
    memset(&answer, 0xee, sizeof answer);
    keel_sizing_size(limits, c, &answer);
}

Test(sizing, correlation_factor_reaches_half_at_any_threshold)
{
    static const struct {
        double t, rho, factor;
    } cases[] = {
        {0.7, -1, 1},          {0.7, 0, 1},   {0.7, 0.7, 1},     {0.7, 0.85, 0.75},
        {0.7, 1, 0.5},         {0.6, 0.6, 1}, {0.6, 0.7, 0.875}, {0.6, 0.8, 0.75},
        {0.6, 1, 0.5},         {0.8, 0.8, 1}, {0.8, 0.9, 0.75},  {0.8, 1, 0.5},
        {0, 0.5, 0.75},        {0, 1, 0.5},   {0.99, 0.99, 1},   {0.99, 1, 0.5},
        {0.7, 1.0000001, 0.5}, /* rounding of an estimate does not cut deeper */
    };
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++)
        cr_expect_float_eq(keel_sizing_correlation_factor(cases[k].rho, cases[k].t),
                           cases[k].factor, 1e-14, "t %g rho %g", cases[k].t, cases[k].rho);
}

Test(sizing, confidence_factor_is_at_least_half)
{
    static const double confidence[] = {0, 0.3, 0.5, 0.6, 1}, factor[] = {0.5, 0.5, 0.5, 0.6, 1};
    for (int k = 0; k < 5; k++)
        cr_expect_float_eq(keel_sizing_confidence_factor(confidence[k]), factor[k], 1e-15);
}

Test(sizing, lists_every_rule_in_order_with_what_it_leaves)
{
    static const char *const names[] = {
        "base_size",      "correlation_factor", "confidence_factor", "max_portfolio_risk",
        "strategy_gross", "free_cash",          "max_positions",     "lot",
        "min_notional"};
    const keel_sizing_limits limits = limits_of();
    keel_sizing_case c = plain();
    c.correlation = 0.85;
    c.confidence_frac = 0.8;
    size(&limits, &c);
    cr_assert_eq(answer.rules_n, 9);
    for (int r = 0; r < 9; r++) {
        cr_expect_str_eq(answer.rules[r].name, names[r]);
        cr_expect(keel_reason_is_known((int)answer.rules[r].code));
        cr_expect_geq(answer.rules[r].qty_units, answer.qty_units);
    }
    cr_expect(answer.accepted);
    cr_expect_eq(answer.qty_units, 60000); /* 1 % x 0.75 x 0.8 of a million at 100 */
    cr_expect_eq(rule("base_size")->qty_units, 100000);
    cr_expect_eq(rule("correlation_factor")->qty_units, 75000);
    cr_expect_eq(rule("confidence_factor")->qty_units, 60000);
    cr_expect_float_eq(rule("correlation_factor")->value, 0.75, 1e-15);
    cr_expect_float_eq(rule("confidence_factor")->value, 0.8, 1e-15);
    cr_expect_eq(rule("free_cash")->qty_units, 2000000);
    cr_expect_str_eq(bound(), "confidence_factor");
    c.side = KEEL_SIDE_SHORT;
    size(&limits, &c);
    cr_expect_eq(answer.qty_units, -60000);
}

/* What differs from the plain case; money, prices, lot and confidence are added to it. */
typedef struct change {
    const char *what;
    const char *bound;
    keel_reason_code code;
    int64_t qty;
    double risk, correlation, confidence;
    int64_t stop, entry, mark, lot;
    int64_t heat, equity, book, gross, free; /* whole currency */
    int max_positions, others;
} change;

static const change changes[] = {
    {"plain", "base_size", KEEL_REASON_ACCEPTED, 100000},
    {"correlated", "correlation_factor", KEEL_REASON_ACCEPTED, 50000, .correlation = 1},
    {"doubtful", "confidence_factor", KEEL_REASON_ACCEPTED, 50000, .confidence = -0.8},
    {"stop 10 % away, 2 % risk", "base_size", KEEL_REASON_ACCEPTED, 100000, 0.02, .stop = 9000},
    {"stop 10 % away, 0.05 % risk", "max_portfolio_risk", KEEL_REASON_ACCEPTED, 50000, 0.0005,
     .stop = 9000},
    {"no stop, 0.5 % risk", "max_portfolio_risk", KEEL_REASON_ACCEPTED, 50000, 0.005},
    {"heat used up", "max_portfolio_risk", KEEL_REASON_RISK_LIMIT, 0, 0.02, .heat = 20000},
    {"gross nearly used up", "strategy_gross", KEEL_REASON_ACCEPTED, 50000, .gross = 195000},
    {"gross used up", "strategy_gross", KEEL_REASON_BUDGET_EXHAUSTED, 0, .gross = 200000},
    {"no book equity", "strategy_gross", KEEL_REASON_BUDGET_EXHAUSTED, 0, .book = -200000},
    {"little cash", "free_cash", KEEL_REASON_ACCEPTED, 10000, .free = -199000},
    {"no cash", "free_cash", KEEL_REASON_FREE_CASH, 0, .free = -200000},
    {"cash owed", "free_cash", KEEL_REASON_FREE_CASH, 0, .free = -200001},
    {"one place left", "base_size", KEEL_REASON_ACCEPTED, 100000, .max_positions = 3, .others = 2},
    {"no place left", "max_positions", KEEL_REASON_MAX_POSITIONS, 0, .max_positions = 3,
     .others = 3},
    {"less than a lot", "lot", KEEL_REASON_BELOW_LOT, 0, .lot = 100000},
    {"less than a unit", "lot", KEEL_REASON_BELOW_LOT, 0, .entry = INT64_C(10000000000)},
    {"no more than whole lots", "free_cash", KEEL_REASON_ACCEPTED, 120, .lot = 30, .free = -199985},
    {"below the smallest order", "min_notional", KEEL_REASON_BELOW_MIN_NOTIONAL, 0,
     .free = -199991},
    {"no account", "base_size", KEEL_REASON_BUDGET_EXHAUSTED, 0, .equity = -1000000},
    {"price went up", "base_size", KEEL_REASON_ACCEPTED, 80000, .mark = 2500},
    {"price went down", "base_size", KEEL_REASON_ACCEPTED, 100000, .mark = -2000},
};

static void size_changed(const change *by)
{
    keel_sizing_limits limits = limits_of();
    keel_sizing_case c = plain();
    limits.max_portfolio_risk = by->risk > 0 ? by->risk : limits.max_portfolio_risk;
    limits.max_positions = by->max_positions;
    instrument.lot_units += by->lot;
    c.correlation = by->correlation;
    c.confidence_frac += by->confidence;
    c.stop_units = by->stop;
    c.entry_units += by->entry;
    c.mark_units += by->mark;
    c.heat_micros = by->heat * MICROS;
    c.equity_micros += by->equity * MICROS;
    c.book_equity_micros += by->book * MICROS;
    c.gross_micros = by->gross * MICROS;
    c.free_micros += by->free * MICROS;
    c.others = by->others;
    size(&limits, &c);
}

Test(sizing, names_the_rule_that_bound_or_refused)
{
    for (size_t k = 0; k < sizeof changes / sizeof changes[0]; k++) {
        const change *by = &changes[k];
        size_changed(by);
        cr_expect_str_eq(bound(), by->bound, "%s: %s", by->what, bound());
        cr_expect_eq(answer.reason.code, by->code, "%s: %s", by->what, answer.reason.text);
        cr_expect_eq(answer.qty_units, by->qty, "%s: %ld", by->what, (long)answer.qty_units);
        cr_expect_eq(answer.accepted, by->code == KEEL_REASON_ACCEPTED);
        cr_expect_neq(answer.reason.text[0], '\0');
    }
}

Test(sizing, says_that_too_few_rows_count_as_no_correlation)
{
    const keel_sizing_limits limits = limits_of();
    keel_sizing_case c = plain();
    c.has_correlation = false;
    size(&limits, &c);
    cr_expect_eq(answer.qty_units, 100000);
    cr_expect(rule("correlation_factor")->value == 0); /* exact: the mark of a missing estimate */
    cr_expect_eq(rule("correlation_factor")->qty_units, 100000);
    cr_expect_not_null(strstr(answer.reason.text, "too few rows"));
}

/* ---- properties ---- */

enum { ROUNDS = 20000 };

static keel_sizing_case random_case(keel_rng *rng, keel_sizing_limits *limits)
{
    keel_sizing_case c = plain();
    instrument.price_exp = (int)keel_rng_below(rng, 9);
    instrument.qty_exp = (int)keel_rng_below(rng, 9);
    instrument.lot_units = 1 + (int64_t)keel_rng_below(rng, 1000);
    instrument.min_notional_micros = (int64_t)keel_rng_below(rng, 20 * MICROS);
    c.side = keel_rng_below(rng, 2) == 0 ? KEEL_SIDE_LONG : KEEL_SIDE_SHORT;
    c.entry_units =
        1 + (int64_t)(keel_rng_uniform(rng) * 200 * (double)keel_pow10(instrument.price_exp));
    c.mark_units = c.entry_units + (int64_t)keel_rng_below(rng, 1 + (uint64_t)c.entry_units / 20);
    if (c.entry_units > 2 && keel_rng_below(rng, 2) == 0)
        c.stop_units = c.side == KEEL_SIDE_LONG ? c.entry_units - 1 - c.entry_units / 10
                                                : c.entry_units + 1 + c.entry_units / 10;
    c.stop_units = c.stop_units < 0 ? 0 : c.stop_units;
    c.confidence_frac = keel_rng_uniform(rng);
    c.correlation = 2 * keel_rng_uniform(rng) - 1;
    c.equity_micros = (int64_t)keel_rng_below(rng, 1000000 * MICROS);
    c.heat_micros = (int64_t)keel_rng_below(rng, 30000 * MICROS);
    c.book_equity_micros = (int64_t)keel_rng_below(rng, 200000 * MICROS);
    c.gross_micros = (int64_t)keel_rng_below(rng, 200000 * MICROS);
    c.free_micros = (int64_t)keel_rng_below(rng, 200000 * MICROS) - 10000 * MICROS;
    c.others = (int)keel_rng_below(rng, 7);
    *limits = (keel_sizing_limits){.base_frac = 0.001 + 0.02 * keel_rng_uniform(rng),
                                   .correlation_threshold = 0.99 * keel_rng_uniform(rng),
                                   .max_portfolio_risk = 0.001 + 0.05 * keel_rng_uniform(rng),
                                   .max_positions = (int)keel_rng_below(rng, 8)};
    return c;
}

static int64_t worth(const keel_sizing_case *c, int64_t price, int64_t qty)
{
    int64_t micros;
    cr_assert_eq(keel_worth_micros(price, c->instrument->price_exp, qty < 0 ? -qty : qty,
                                   c->instrument->qty_exp, &micros),
                 KEEL_OK);
    return micros;
}

Test(sizing, never_larger_than_any_rule_allows)
{
    keel_rng rng = keel_rng_seeded(20);
    int accepted = 0;
    for (int k = 0; k < ROUNDS; k++) {
        keel_sizing_limits limits;
        const keel_sizing_case c = random_case(&rng, &limits);
        size(&limits, &c);
        bound();
        const int64_t qty = answer.qty_units < 0 ? -answer.qty_units : answer.qty_units;
        for (int r = 0; r < answer.rules_n; r++)
            cr_assert_leq(qty, answer.rules[r].qty_units, "round %d rule %d", k, r);
        if (!answer.accepted) {
            cr_assert_eq(qty, 0);
            continue;
        }
        accepted++;
        /* from the definitions, in other words than the engine's */
        const double equity = (double)c.equity_micros;
        const int64_t dear = c.mark_units > c.entry_units ? c.mark_units : c.entry_units;
        const int64_t notional = worth(&c, dear, qty);
        const int64_t gap = c.entry_units > c.stop_units ? c.entry_units - c.stop_units
                                                         : c.stop_units - c.entry_units;
        const int64_t heat = c.stop_units != 0 ? worth(&c, gap, qty) : notional;
        cr_assert_eq(qty % c.instrument->lot_units, 0);
        cr_assert((answer.qty_units > 0) == (c.side == KEEL_SIDE_LONG));
        cr_assert_leq((double)notional, keel_sizing_fraction(&limits, &c) * equity + 1);
        cr_assert_leq((double)(c.heat_micros + heat), limits.max_portfolio_risk * equity + 1);
        cr_assert_leq(c.gross_micros + notional, c.book_equity_micros);
        cr_assert_leq(notional, c.free_micros);
        cr_assert_geq(notional, c.instrument->min_notional_micros);
        cr_assert(limits.max_positions == 0 || c.others + 1 <= limits.max_positions);
    }
    cr_assert_gt(accepted, ROUNDS / 20);
}

Test(sizing, a_tighter_limit_never_enlarges)
{
    keel_rng rng = keel_rng_seeded(21);
    for (int k = 0; k < ROUNDS; k++) {
        keel_sizing_limits limits, tight;
        keel_sizing_case c = random_case(&rng, &limits), tighter;
        size(&limits, &c);
        const int64_t qty = answer.qty_units < 0 ? -answer.qty_units : answer.qty_units;
        tight = limits;
        tighter = c;
        switch (k % 8) {
        case 0:
            tight.base_frac *= 0.9;
            break;
        case 1:
            tight.correlation_threshold *= 0.9;
            break;
        case 2:
            tight.max_portfolio_risk *= 0.9;
            break;
        case 3:
            tight.max_positions = limits.max_positions == 0 ? 7 : 1;
            break;
        case 4:
            tighter.max_gross = 0.9;
            break;
        case 5:
            tighter.confidence_frac *= 0.9;
            break;
        case 6:
            tighter.correlation = fmin(1, c.correlation + 0.1);
            break;
        default:
            tighter.free_micros -= 5 * MICROS;
            break;
        }
        size(&tight, &tighter);
        cr_assert_leq(answer.qty_units < 0 ? -answer.qty_units : answer.qty_units, qty, "round %d",
                      k);
    }
}

Test(sizing, ten_times_the_money_is_ten_times_the_size_up_to_a_lot)
{
    keel_rng rng = keel_rng_seeded(22);
    int compared = 0;
    for (int k = 0; k < ROUNDS; k++) {
        keel_sizing_limits limits;
        keel_sizing_case c = random_case(&rng, &limits);
        size(&limits, &c);
        const int64_t qty = answer.qty_units;
        if (!answer.accepted)
            continue;
        c.equity_micros *= 10;
        c.heat_micros *= 10;
        c.book_equity_micros *= 10;
        c.gross_micros *= 10;
        c.free_micros *= 10;
        size(&limits, &c);
        if (worth(&c, c.entry_units, 1) == 0)
            continue; /* units finer than a micro: the rounding of the micros is what is seen */
        const int64_t slack = 10 * c.instrument->lot_units + 10;
        const int64_t diff = answer.qty_units - 10 * qty;
        cr_assert_leq(diff < 0 ? -diff : diff, slack, "round %d: %ld and %ld", k, (long)qty,
                      (long)answer.qty_units);
        compared++;
    }
    cr_assert_gt(compared, 100);
}
