#include "services/risk/engine/check.h"

#include "common/domain/fixed.h"
#include "services/risk/engine/risk_internal.h"

#include <math.h>
#include <string.h>

/* ---- exposures ---- */

static int64_t magnitude(int64_t value)
{
    return value == INT64_MIN ? INT64_MAX : value < 0 ? -value : value;
}

static int64_t worth(const keel_risk *risk, int i, int64_t price_units, int64_t qty_units)
{
    const keel_instrument *x = &risk->cfg.universe->instruments[i];
    int64_t micros;
    if (keel_worth_micros(price_units, x->price_exp, magnitude(qty_units), x->qty_exp, &micros) !=
        KEEL_OK)
        return INT64_MAX; /* beyond every limit */
    return micros;
}

/* Worth of what an intent still has to buy or sell short; sales free nothing before they fill. */
static int64_t growth(const keel_risk *risk, int i, int64_t price_units, int64_t held,
                      int64_t target)
{
    const int64_t from = magnitude(held), to = magnitude(target);
    if ((held < 0) == (target < 0) || held == 0)
        return to > from ? worth(risk, i, price_units, to - from) : 0;
    return worth(risk, i, price_units, to);
}

static int64_t add(int64_t a, int64_t b)
{
    return a > INT64_MAX - b ? INT64_MAX : a + b; /* both are >= 0 */
}

/* A short's proceeds lie in the book's cash and are owed; its margin is as much again. */
static int64_t claim_of(const keel_risk *risk, int i, int64_t price_units, int64_t held,
                        int64_t target)
{
    const int64_t owed = held < 0 ? worth(risk, i, price_units, held) : 0;
    return add(add(owed, owed), growth(risk, i, price_units, held, target));
}

/* What is reached is worth its last close, what is to be traded the dearer of that and entry. */
static int64_t price_of(const keel_risk *risk, int i, int64_t held, const risk_exposure *e)
{
    const int64_t close = risk->state->closes[i];
    if (close > 0 && (held == e->target_units || close > e->entry_units))
        return close;
    return e->entry_units;
}

static void count(keel_risk *risk, int b, int i, const risk_exposure *e, int sign)
{
    risk->heat_micros += (keel_i128)sign * e->heat_micros;
    risk->gross_micros[b] += (keel_i128)sign * e->gross_micros;
    risk->claim_micros[b] += (keel_i128)sign * e->claim_micros;
    risk->longs[i] += e->target_units > 0 ? sign : 0;
    risk->shorts[i] += e->target_units < 0 ? sign : 0;
}

static void expose(keel_risk *risk, int b, int i, int64_t target, int64_t entry, int64_t stop)
{
    risk_exposure *e = &risk->exposures[risk_cell_at(risk, b, i)];
    const int64_t held = risk->state->cells[risk_cell_at(risk, b, i)].held_units;
    count(risk, b, i, e, -1);
    *e = (risk_exposure){.target_units = target, .entry_units = entry, .stop_units = stop};
    const int64_t price = price_of(risk, i, held, e);
    const int64_t unit = stop == 0 ? price : stop > entry ? stop - entry : entry - stop;
    e->gross_micros = worth(risk, i, price, target);
    e->heat_micros = worth(risk, i, unit, target);
    e->claim_micros = claim_of(risk, i, price, held, target);
    count(risk, b, i, e, 1);
}

static void start_exposures(keel_risk *risk)
{
    const risk_state *s = risk->state;
    const size_t n = (size_t)risk->cfg.universe->n, strategies = (size_t)risk->cfg.strategies_n;
    memset(risk->exposures, 0, strategies * n * sizeof *risk->exposures);
    memset(risk->longs, 0, n * sizeof *risk->longs);
    memset(risk->shorts, 0, n * sizeof *risk->shorts);
    memset(risk->gross_micros, 0, strategies * sizeof *risk->gross_micros);
    memset(risk->claim_micros, 0, strategies * sizeof *risk->claim_micros);
    risk->heat_micros = 0;
    for (int b = 0; b < risk->cfg.strategies_n; b++)
        for (int i = 0; i < risk->cfg.universe->n; i++) {
            const int64_t held = s->cells[risk_cell_at(risk, b, i)].held_units;
            if (held != 0)
                expose(risk, b, i, held, s->closes[i], 0);
        }
}

/* ---- the intents that stand ---- */

static bool mismatch(keel_reason *why, const keel_risk *risk, int b, int i, const char *what)
{
    keel_reason_set(why, KEEL_REASON_INPUT_HASH_MISMATCH, "standing intents: %s of %s in %s", what,
                    risk->strategies[b].name, risk->cfg.universe->instruments[i].symbol);
    return false;
}

/* True when the intent is what risk knows, or newer than what it has heard; *counts tells whether
 * it is in force. */
static bool is_honest(const keel_risk *risk, const keel_risk_check_request *request,
                      const keel_standing *standing, bool *counts, keel_reason *why)
{
    const risk_state *s = risk->state;
    const int b = risk_strategy_find(risk, standing->book), i = standing->instrument;
    if (b < 0 || i < 0 || i >= risk->cfg.universe->n || standing->entry_units <= 0 ||
        standing->stop_units < 0) {
        keel_reason_set(why, KEEL_REASON_INPUT_HASH_MISMATCH,
                        "standing intents: one of book %s is about no strategy, instrument or "
                        "price that risk knows",
                        standing->book);
        return false;
    }
    const risk_cell *cell = &s->cells[risk_cell_at(risk, b, i)];
    *counts = standing->version > s->folded_seq;
    if (standing->version > request->decision_seq)
        return mismatch(why, risk, b, i, "a version that was not decided yet");
    if (*counts || cell->version == 0)
        return true;
    if (standing->version < cell->version)
        return mismatch(why, risk, b, i, "an older version than was decided");
    if (standing->version > cell->version)
        return mismatch(why, risk, b, i, "a version that no decision made");
    if (standing->target_qty_units != cell->target_units ||
        standing->stop_units != cell->stop_units)
        return mismatch(why, risk, b, i, "another target or stop than was decided");
    *counts = true;
    return true;
}

/* The list ascends, so the cells between two of its intents are those it leaves out. */
static bool left_out(keel_risk *risk, size_t from, size_t to, bool is_ahead, keel_reason *why)
{
    for (size_t k = from; k < to; k++) {
        const risk_cell *cell = &risk->state->cells[k];
        const int b = (int)(k / (size_t)risk->cfg.universe->n);
        const int i = (int)(k % (size_t)risk->cfg.universe->n);
        if (cell->version == 0)
            continue;
        if (!is_ahead)
            return !mismatch(why, risk, b, i, "the one decided last is missing");
        if (risk->state->closes[i] > 0)
            expose(risk, b, i, cell->target_units, risk->state->closes[i], 0);
    }
    return false;
}

static bool stand(keel_risk *risk, const keel_risk_check_request *request, uint64_t step,
                  keel_reason *why)
{
    const bool is_ahead = step > risk->state->step;
    size_t next = 0;
    for (int k = 0; k < request->standing_n; k++) {
        const keel_standing *standing = &request->standing[k];
        bool counts;
        if (!is_honest(risk, request, standing, &counts, why))
            return false;
        const int b = risk_strategy_find(risk, standing->book);
        const size_t at = risk_cell_at(risk, b, standing->instrument);
        if (left_out(risk, next, at, is_ahead, why))
            return false;
        if (counts)
            expose(risk, b, standing->instrument, standing->target_qty_units, standing->entry_units,
                   standing->stop_units);
        next = at + 1;
    }
    return !left_out(risk, next, risk_cell_at(risk, risk->cfg.strategies_n, 0), is_ahead, why);
}

/* ---- one check ---- */

static const risk_covariance *covariance_of(const risk_state *s)
{
    const risk_covariance *newest =
        s->cov_step != 0 ? &s->covariances[s->cov_step % KEEL_RISK_INPUT_STEPS] : NULL;
    if (newest == NULL || !newest->has_matrix || newest->basis.rows < newest->basis.rows_min)
        return NULL;
    return newest;
}

static double correlation_of(const risk_covariance *covariance, int n, int i, int j)
{
    if (i == j)
        return 1;
    if (covariance == NULL)
        return 0;
    const double *s = covariance->packed;
    const double own = s[keel_packed_at(n, i, i)], other = s[keel_packed_at(n, j, j)];
    const double both = s[keel_packed_at(n, i > j ? i : j, i > j ? j : i)];
    return own > 0 && other > 0 ? both / (sqrt(own) * sqrt(other)) : 0;
}

/* The largest of corr(i, j) x side x side over all exposures but the one that is replaced (T2). */
static double largest_correlation(const keel_risk *risk, int i, int side, const risk_exposure *own)
{
    const risk_covariance *covariance = covariance_of(risk->state);
    const int n = risk->cfg.universe->n;
    double largest = 0;
    for (int j = 0; j < n; j++) {
        const int longs = risk->longs[j] - (j == i && own->target_units > 0);
        const int shorts = risk->shorts[j] - (j == i && own->target_units < 0);
        if (longs == 0 && shorts == 0)
            continue;
        const double rho = side * correlation_of(covariance, n, i, j);
        largest = fmax(largest, longs > 0 ? rho : -1);
        largest = fmax(largest, shorts > 0 ? -rho : -1);
    }
    return largest;
}

static int other_instruments(const keel_risk *risk, int i)
{
    int others = 0;
    for (int j = 0; j < risk->cfg.universe->n; j++)
        others += j != i && (risk->longs[j] > 0 || risk->shorts[j] > 0);
    return others;
}

static int64_t narrow(keel_i128 value)
{
    return value > INT64_MAX ? INT64_MAX : value < INT64_MIN ? INT64_MIN : (int64_t)value;
}

/* Cash that the new intent may use: its own position is given back first, others keep theirs. */
static int64_t free_cash(const keel_risk *risk, int b, int i, const risk_exposure *own)
{
    const risk_state *s = risk->state;
    const int64_t held = s->cells[risk_cell_at(risk, b, i)].held_units;
    const int64_t back = held == 0 ? 0 : worth(risk, i, s->closes[i], held);
    const keel_i128 others = risk->claim_micros[b] - own->claim_micros;
    return narrow((keel_i128)s->purses[b].cash_micros + (held < 0 ? -back : back) - others);
}

static keel_sizing_case case_of(const keel_risk *risk, const keel_risk_check *check, int b)
{
    const risk_state *s = risk->state;
    const int i = check->instrument;
    const risk_exposure *own = &risk->exposures[risk_cell_at(risk, b, i)];
    return (keel_sizing_case){
        .instrument = &risk->cfg.universe->instruments[i],
        .side = check->side,
        .entry_units = check->entry_units,
        .mark_units = s->closes[i],
        .stop_units = check->stop_units,
        .confidence_frac = check->confidence_frac,
        .has_correlation = covariance_of(s) != NULL,
        .correlation = largest_correlation(risk, i, check->side == KEEL_SIDE_LONG ? 1 : -1, own),
        .equity_micros = s->equity_micros,
        .heat_micros = narrow(risk->heat_micros - own->heat_micros),
        .book_equity_micros = s->purses[b].equity_micros,
        .gross_micros = narrow(risk->gross_micros[b] - own->gross_micros),
        .max_gross = risk->strategies[b].max_gross,
        .free_micros = free_cash(risk, b, i, own),
        .others = other_instruments(risk, i),
    };
}

static bool is_sound(const keel_risk *risk, const keel_risk_check *check, keel_reason *why)
{
    const bool is_long = check->side == KEEL_SIDE_LONG, is_short = check->side == KEEL_SIDE_SHORT;
    if (risk_strategy_find(risk, check->strategy) < 0)
        keel_reason_set(why, KEEL_REASON_UNKNOWN_STRATEGY, "strategy \"%s\" is not configured",
                        check->strategy);
    else if (check->instrument < 0 || check->instrument >= risk->cfg.universe->n)
        keel_reason_set(why, KEEL_REASON_UNKNOWN_SYMBOL, "instrument %d of %d", check->instrument,
                        risk->cfg.universe->n);
    else if (!(is_long || is_short || check->side == KEEL_SIDE_FLAT) || check->entry_units <= 0 ||
             check->stop_units < 0)
        keel_reason_set(why, KEEL_REASON_MALFORMED, "side, entry or stop can not be");
    else if (!(check->confidence_frac >= 0 && check->confidence_frac <= 1))
        keel_reason_set(why, KEEL_REASON_CONFIDENCE_RANGE, "confidence is not in [0, 1]");
    else if (check->stop_units != 0 && ((is_long && check->stop_units >= check->entry_units) ||
                                        (is_short && check->stop_units <= check->entry_units)))
        keel_reason_set(why, KEEL_REASON_STOP_WRONG_SIDE, "a stop that the entry has already hit");
    else
        return true;
    return false;
}

/* Nearer to zero than the position and than what already stands, on the same side. */
static bool reduces(const keel_risk *risk, int b, int i, int64_t qty)
{
    const int64_t held = risk->state->cells[risk_cell_at(risk, b, i)].held_units;
    const int64_t aim = risk->exposures[risk_cell_at(risk, b, i)].target_units;
    const bool same = (qty > 0 && held > 0 && aim > 0) || (qty < 0 && held < 0 && aim < 0);
    return same && magnitude(qty) < magnitude(held) && magnitude(qty) <= magnitude(aim);
}

static void refuse_mode(keel_risk_answer *answer, keel_trading_mode mode)
{
    answer->accepted = false;
    answer->qty_units = 0;
    keel_reason_set(&answer->reason, KEEL_REASON_NOT_TRADING,
                    mode == KEEL_TRADING_REDUCING ? "mode %s: only flat, or less of what is held"
                                                  : "mode %s: nothing is traded",
                    keel_trading_mode_name(mode));
}

static void answer_check(keel_risk *risk, const keel_trading_state *trading,
                         const keel_risk_check *check, keel_risk_answer *answer)
{
    if (!is_sound(risk, check, &answer->reason))
        return;
    const int b = risk_strategy_find(risk, check->strategy), i = check->instrument;
    const keel_trading_mode mode =
        keel_trading_mode_of(trading, check->strategy, risk->cfg.universe->instruments[i].symbol);
    if (mode == KEEL_TRADING_HALTED) {
        refuse_mode(answer, mode);
        return;
    }
    if (check->side == KEEL_SIDE_FLAT) {
        answer->accepted = true;
        keel_reason_set(&answer->reason, KEEL_REASON_ACCEPTED, "flat needs no size");
    } else {
        const keel_sizing_case c = case_of(risk, check, b);
        keel_sizing_size(&risk->cfg.sizing, &c, answer);
    }
    if (answer->accepted && answer->qty_units != 0 && mode == KEEL_TRADING_REDUCING &&
        !reduces(risk, b, i, answer->qty_units))
        refuse_mode(answer, mode);
    if (answer->accepted)
        expose(risk, b, i, answer->qty_units, check->entry_units, check->stop_units);
}

/* ---- the question ---- */

static keel_status check_request(const keel_risk *risk, const keel_risk_check_request *request)
{
    if (strcmp(request->portfolio, risk->portfolio) != 0)
        return KEEL_EUNKNOWN;
    if (request->checks_n < 1 || request->checks_n > KEEL_CHECKS_MAX || request->standing_n < 0 ||
        request->standing_n > KEEL_STANDING_MAX)
        return KEEL_ERANGE;
    for (int k = 1; k < request->standing_n; k++) {
        const keel_standing *a = &request->standing[k - 1], *z = &request->standing[k];
        const int order = strcmp(a->book, z->book);
        if (order > 0 || (order == 0 && a->instrument >= z->instrument))
            return KEEL_EINVAL;
    }
    return KEEL_OK;
}

/* The trading state of the last closed step; before the first one nothing is known. */
static keel_trading_state trading_of(keel_risk *risk)
{
    keel_trading_state trading;
    memset(&trading, 0, sizeof trading);
    trading.mode =
        risk->state->step == 0 ? KEEL_TRADING_UNSPECIFIED : keel_stop_mode(risk->state->stop.state);
    risk_scope_show(risk, &trading);
    return trading;
}

keel_status keel_risk_on_check(keel_risk *risk, const keel_risk_check_request *request,
                               uint64_t step, uint32_t index, uint64_t hash,
                               keel_risk_verdict *verdict)
{
    keel_reason why;
    KEEL_TRY(check_request(risk, request));
    const size_t checks = (size_t)request->checks_n;
    memset(risk->answers, 0, checks * sizeof *risk->answers);
    memset(&why, 0, sizeof why);
    start_exposures(risk);
    const bool is_whole = stand(risk, request, step, &why);
    const keel_trading_state trading = trading_of(risk);
    for (int k = 0; k < request->checks_n; k++) {
        keel_risk_answer *answer = &risk->answers[k];
        memcpy(answer->signal_id, request->checks[k].signal_id, sizeof answer->signal_id);
        if (is_whole)
            answer_check(risk, &trading, &request->checks[k], answer);
        else
            answer->reason = why;
    }
    memset(verdict, 0, sizeof *verdict);
    memcpy(verdict->portfolio, risk->portfolio, sizeof verdict->portfolio);
    verdict->answers_n = request->checks_n;
    verdict->answers = risk->answers;
    verdict->request_step = step;
    verdict->request_index = index;
    verdict->request_hash = hash;
    return KEEL_OK;
}
