#include "common/domain/fixed.h"
#include "services/strategy-coordinator/engine/coordinator_internal.h"

#include <math.h>
#include <string.h>

/* One signal under judgement. A check returns true when it passes, else it has set the reason. */
typedef struct court {
    const keel_coordinator *eng;
    const coordinator_item *item;
    uint64_t step;
    coordinator_judgement *to;
} court;

#define REFUSE(court, name, ...)                                                                   \
    (keel_reason_set(&(court)->to->reason, KEEL_REASON_##name, __VA_ARGS__), false)

static const keel_instrument *instrument_of(const court *c)
{
    return &c->eng->universe->instruments[c->item->instrument];
}

static bool is_well_formed(const court *c)
{
    if (c->item->refusal == 0)
        return true;
    keel_reason_set(&c->to->reason, (keel_reason_code)c->item->refusal, "%s", c->item->text);
    return false;
}

static bool is_from_an_active_strategy(const court *c)
{
    const keel_coordinator_strategy *strategy = &c->eng->strategies[c->item->strategy];
    return strategy->active ||
           REFUSE(c, STRATEGY_INACTIVE, "strategy %s is not active", strategy->name);
}

static bool is_new(const court *c)
{
    const uint64_t first =
        coordinator_ids_find(&c->eng->state->ids, c->item->strategy, c->item->hash);
    if (first == 0)
        return true;
    c->to->duplicate_of = first;
    return REFUSE(c, DUPLICATE, "signal_id %s was decided before, as decision %llu",
                  c->item->signal_id, (unsigned long long)first);
}

static bool has_known_symbol(const court *c)
{
    return c->item->instrument >= 0 || REFUSE(c, UNKNOWN_SYMBOL, "symbol %s is not in universe %s",
                                              c->item->symbol, c->eng->universe->id);
}

static bool is_of_a_row_that_was(const court *c)
{
    return c->item->row_step <= c->step ||
           REFUSE(c, FROM_THE_FUTURE, "row_step %llu is after step %llu",
                  (unsigned long long)c->item->row_step, (unsigned long long)c->step);
}

/* A signal that names no end is valid from the row it was derived from: as old as that many bars at
 * least, for rows may lie further apart. */
static int64_t valid_until(const court *c)
{
    const coordinator_state *state = c->eng->state;
    int64_t age_ns = 0, until_ns;
    if (c->item->valid_until_ns > 0)
        return c->item->valid_until_ns;
    if (c->item->row_step > 0 && c->item->row_step < c->step &&
        __builtin_mul_overflow((int64_t)(c->step - c->item->row_step), state->bar_ns, &age_ns))
        return 0;
    if (__builtin_sub_overflow(state->view.now_ns, age_ns, &until_ns) ||
        __builtin_add_overflow(until_ns, c->eng->validity_ns, &until_ns))
        return age_ns > 0 ? 0 : INT64_MAX;
    return until_ns < 0 ? 0 : until_ns;
}

static coordinator_age age_of(const court *c)
{
    const uint64_t row_step = c->item->row_step;
    return (coordinator_age){row_step < c->step ? row_step : c->step,
                             row_step == 0 ? c->item->valid_until_ns : 0};
}

static bool is_valid_still(const court *c)
{
    const int64_t now_ns = c->eng->state->view.now_ns;
    if (c->to->valid_until_ns < now_ns)
        return REFUSE(c, EXPIRED, "valid until %lld, %.6g s before the row's close",
                      (long long)c->to->valid_until_ns,
                      ((double)now_ns - (double)c->to->valid_until_ns) / 1e9);
    if (!coordinator_ids_is_forgotten(&c->eng->state->ids, c->item->strategy, c->to->age))
        return true;
    if (c->to->age.row_step > 0)
        return REFUSE(c, EXPIRED, "row_step %llu: signal_ids of rows so old are forgotten",
                      (unsigned long long)c->to->age.row_step);
    return REFUSE(c, EXPIRED, "valid_until_ns %lld: signal_ids so old are forgotten",
                  (long long)c->to->age.valid_until_ns);
}

static bool has_a_price(const court *c)
{
    return c->eng->state->closes[c->item->instrument] > 0 ||
           REFUSE(c, WARMING_UP, "%s has had no price yet", c->item->symbol);
}

/* 0 stays 0: none. */
static bool to_units(const court *c, const char *name, double price, int64_t *units)
{
    if (keel_units_of_real(price, instrument_of(c)->price_exp, units) != KEEL_OK)
        return REFUSE(c, MALFORMED, "%s %.6g is too large for the price unit of %s", name, price,
                      c->item->symbol);
    if (*units == 0 && price > 0.0)
        return REFUSE(c, MALFORMED, "%s %.6g is below the price unit of %s", name, price,
                      c->item->symbol);
    return true;
}

static bool has_prices_in_units(const court *c)
{
    const int64_t close_units = c->eng->state->closes[c->item->instrument];
    c->to->entry_units = close_units;
    if (c->item->side == KEEL_SIDE_FLAT) /* it asks for no price */
        return true;
    if (!to_units(c, "entry", c->item->entry, &c->to->entry_units) ||
        !to_units(c, "stop", c->item->stop, &c->to->stop_units) ||
        !to_units(c, "target", c->item->target, &c->to->target_units))
        return false;
    if (c->to->entry_units == 0)
        c->to->entry_units = close_units;
    return true;
}

static bool is_near_the_price(const court *c)
{
    const int64_t close_units = c->eng->state->closes[c->item->instrument];
    const double apart =
        fabs((double)c->to->entry_units - (double)close_units) / (double)close_units;
    const int exp = instrument_of(c)->price_exp;
    return apart <= c->eng->tolerance_frac ||
           REFUSE(c, ENTRY_TOO_FAR,
                  "entry %.10g is %.4g %% from the last close %.10g; at most %g %%",
                  keel_real_of_units(c->to->entry_units, exp), 100.0 * apart,
                  keel_real_of_units(close_units, exp), 100.0 * c->eng->tolerance_frac);
}

static bool has_stop_on_its_side(const court *c)
{
    const bool is_long = c->item->side == KEEL_SIDE_LONG;
    if (c->to->stop_units == 0 ||
        (is_long ? c->to->stop_units < c->to->entry_units : c->to->stop_units > c->to->entry_units))
        return true;
    const int exp = instrument_of(c)->price_exp;
    return REFUSE(c, STOP_WRONG_SIDE, "stop %.10g of a %s signal is not %s its entry %.10g",
                  keel_real_of_units(c->to->stop_units, exp),
                  keel_side_name((keel_side)c->item->side), is_long ? "below" : "above",
                  keel_real_of_units(c->to->entry_units, exp));
}

static bool has_target_on_its_side(const court *c)
{
    const bool is_long = c->item->side == KEEL_SIDE_LONG;
    if (c->to->target_units == 0 || (is_long ? c->to->target_units > c->to->entry_units
                                             : c->to->target_units < c->to->entry_units))
        return true;
    const int exp = instrument_of(c)->price_exp;
    return REFUSE(c, TARGET_WRONG_SIDE, "target %.10g of a %s signal is not %s its entry %.10g",
                  keel_real_of_units(c->to->target_units, exp),
                  keel_side_name((keel_side)c->item->side), is_long ? "above" : "below",
                  keel_real_of_units(c->to->entry_units, exp));
}

/* HALTED is the largest. The first scope with the strictest mode is named. */
static bool is_traded(const court *c)
{
    const coordinator_state *state = c->eng->state;
    const struct {
        int mode;
        const char *scope, *name;
    } scopes[] = {
        {(int)state->view.mode, "portfolio", c->eng->portfolio},
        {(int)c->eng->deadman, "without a sign of risk, portfolio", c->eng->portfolio},
        {state->strategy_modes[c->item->strategy], "strategy",
         c->eng->strategies[c->item->strategy].name},
        {state->asset_modes[c->item->instrument], "asset", c->item->symbol},
    };
    size_t strictest = 0;
    for (size_t i = 1; i < sizeof scopes / sizeof scopes[0]; i++)
        if (scopes[i].mode > scopes[strictest].mode)
            strictest = i;
    const int mode = scopes[strictest].mode;
    if (mode == KEEL_TRADING_ACTIVE ||
        (mode == KEEL_TRADING_REDUCING && c->item->side == KEEL_SIDE_FLAT))
        return true;
    return REFUSE(c, NOT_TRADING, "%s %s is %s: %s", scopes[strictest].scope,
                  scopes[strictest].name, keel_trading_mode_name((keel_trading_mode)mode),
                  mode == KEEL_TRADING_REDUCING ? "only flat is taken" : "no signal is taken");
}

static bool has_no_conflict(const court *c)
{
    if (c->eng->policy == KEEL_CONFLICT_ALLOW || c->item->side == KEEL_SIDE_FLAT)
        return true;
    const coordinator_intent *other = coordinator_standing_against(
        &c->eng->state->standing, c->item->strategy, c->item->instrument, (keel_side)c->item->side);
    return other == NULL ||
           REFUSE(c, CONFLICT, "strategy %s is %s in %s since decision %llu and keeps precedence",
                  c->eng->strategies[other->strategy].name, keel_side_name((keel_side)other->side),
                  c->item->symbol, (unsigned long long)other->version);
}

/* One question to risk names every intent in force, so there is a most. */
static bool has_room(const court *c)
{
    const coordinator_standing *standing = &c->eng->state->standing;
    return standing->n < standing->cap ||
           coordinator_standing_find(standing, c->item->strategy, c->item->instrument) != NULL ||
           REFUSE(c, MAX_POSITIONS, "%u intents stand, the most that risk can be told of",
                  standing->n);
}

void coordinator_judge(const keel_coordinator *eng, const coordinator_item *item, uint64_t step,
                       coordinator_judgement *judgement)
{
    static bool (*const checks[])(const court *) = {
        is_well_formed,
        is_from_an_active_strategy,
        is_new,
        has_known_symbol,
        is_of_a_row_that_was,
        is_valid_still,
        has_a_price,
        has_prices_in_units,
        is_near_the_price,
        has_stop_on_its_side,
        has_target_on_its_side,
        is_traded,
        has_no_conflict,
        has_room,
    };
    const court c = {eng, item, step, judgement};
    memset(judgement, 0, sizeof *judgement);
    if (item->refusal == 0) {
        judgement->valid_until_ns = valid_until(&c);
        judgement->age = age_of(&c);
    }
    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++)
        if (!checks[i](&c))
            return;
    keel_reason_set(&judgement->reason, KEEL_REASON_ACCEPTED, "accepted");
}
