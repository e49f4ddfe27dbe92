/* Which intents are in force, told by the coordinator's decisions and ended by the books:
 *
 *   decided                       the newest version of (book, instrument) holds
 *   closed_version, position 0    over: its stop, target or a flat was reached
 *   closed_version, position      reached; so is an intent for what is held already
 *   flat, position 0              over: there is nothing left to close
 *   not reached by valid_until    over: execution has given it up
 *   portfolio stop                all are over: older versions never resume
 */
#include "services/risk/engine/check.h"
#include "services/risk/engine/risk_internal.h"

#include <string.h>

static void end_intent(risk_state *s, risk_cell *cell)
{
    const int64_t held = cell->held_units;
    s->folded_n -= cell->version != 0;
    memset(cell, 0, sizeof *cell);
    cell->held_units = held;
}

/* True when the version was closed before its decision came, which is then forgotten. */
static bool take_early(risk_state *s, uint64_t version)
{
    bool found = false;
    int kept = 0;
    for (int k = 0; k < s->early_n; k++) {
        found = found || s->early[k] == version;
        if (s->early[k] > version)
            s->early[kept++] = s->early[k];
    }
    s->early_n = kept;
    return found;
}

static void close_version(keel_risk *risk, int strategy, uint64_t version)
{
    risk_state *s = risk->state;
    if (version > s->folded_seq) {
        if (s->early_n < RISK_EARLY_MAX)
            s->early[s->early_n++] = version;
        return;
    }
    for (int i = 0; i < risk->cfg.universe->n; i++) {
        risk_cell *cell = &s->cells[risk_cell_at(risk, strategy, i)];
        if (cell->version != version)
            continue;
        cell->is_filled = true;
        if (cell->held_units == 0)
            end_intent(s, cell);
    }
}

static void keep_positions(keel_risk *risk, int strategy, const keel_book *book)
{
    risk_purse *purse = &risk->state->purses[strategy];
    purse->cash_micros = book->cash_micros;
    purse->equity_micros = book->equity_micros;
    for (int k = 0; k < book->positions_n; k++) {
        const keel_position *position = &book->positions[k];
        risk->state->cells[risk_cell_at(risk, strategy, position->instrument)].held_units =
            position->qty_units;
    }
}

static bool is_over(const risk_cell *cell)
{
    return cell->version != 0 && cell->held_units == 0 &&
           (cell->target_units == 0 || cell->is_filled);
}

void risk_fold_portfolio(keel_risk *risk, const keel_portfolio_state *portfolio)
{
    risk_state *s = risk->state;
    const size_t cells = risk_cell_at(risk, risk->cfg.strategies_n, 0);
    for (size_t k = 0; k < cells; k++)
        s->cells[k].held_units = 0;
    for (int b = 0; b < risk->cfg.strategies_n; b++)
        s->purses[b] = (risk_purse){0, 0};
    for (int k = 0; k < portfolio->books_n; k++) {
        const int b = risk_strategy_find(risk, portfolio->books[k].book);
        if (b >= 0)
            keep_positions(risk, b, &portfolio->books[k]);
    }
    for (int k = 0; k < portfolio->books_n; k++) {
        const keel_book *book = &portfolio->books[k];
        const int b = risk_strategy_find(risk, book->book);
        for (int v = 0; b >= 0 && v < book->closed_n; v++)
            close_version(risk, b, book->closed_versions[v]);
    }
    for (size_t k = 0; k < cells; k++) {
        risk_cell *cell = &s->cells[k];
        if (cell->version != 0 && cell->held_units != 0 && cell->held_units == cell->target_units)
            cell->is_filled = true;
        if (is_over(cell))
            end_intent(s, cell);
    }
}

void risk_fold_step(keel_risk *risk)
{
    risk_state *s = risk->state;
    const bool is_stopped = keel_stop_is_latched(s->stop.state);
    const size_t cells = risk_cell_at(risk, risk->cfg.strategies_n, 0);
    for (size_t k = 0; k < cells; k++) {
        risk_cell *cell = &s->cells[k];
        const bool is_late =
            !cell->is_filled && cell->valid_until_ns != 0 && cell->valid_until_ns < s->now_ns;
        if (cell->version != 0 && (is_stopped || is_late))
            end_intent(s, cell);
    }
}

static keel_status check_intent(const keel_risk *risk, const keel_decision *decision,
                                const keel_intent *intent)
{
    if (risk_strategy_find(risk, intent->book) < 0)
        return KEEL_EUNKNOWN;
    if (intent->instrument < 0 || intent->instrument >= risk->cfg.universe->n ||
        intent->stop_units < 0)
        return KEEL_ERANGE;
    return intent->version == decision->decision_seq ? KEEL_OK : KEEL_EINVAL;
}

static risk_cell *cell_of(const keel_risk *risk, const keel_intent *intent)
{
    const int strategy = risk_strategy_find(risk, intent->book);
    return &risk->state->cells[risk_cell_at(risk, strategy, intent->instrument)];
}

static void fold_intent(keel_risk *risk, const keel_intent *intent, bool is_closed)
{
    risk_state *s = risk->state;
    risk_cell *cell = cell_of(risk, intent);
    end_intent(s, cell);
    if (intent->target_qty_units != 0 && keel_stop_is_latched(s->stop.state))
        return;
    cell->version = intent->version;
    cell->target_units = intent->target_qty_units;
    cell->stop_units = intent->stop_units;
    cell->valid_until_ns = intent->valid_until_ns;
    cell->is_filled = is_closed;
    s->folded_n++;
    if (is_over(cell))
        end_intent(s, cell);
}

keel_status keel_risk_on_decision(keel_risk *risk, const keel_decision *decision)
{
    risk_state *s = risk->state;
    if (decision->decision_seq <= s->folded_seq)
        return KEEL_EORDER;
    if (decision->intents_n < 0 || decision->intents_n > KEEL_INTENTS_MAX ||
        (!decision->accepted && decision->intents_n > 0))
        return KEEL_EINVAL;
    int added = 0; /* what replaces an intent needs no place */
    for (int k = 0; k < decision->intents_n; k++) {
        KEEL_TRY(check_intent(risk, decision, &decision->intents[k]));
        added += cell_of(risk, &decision->intents[k])->version == 0;
    }
    if (s->folded_n + added > KEEL_STANDING_MAX)
        return KEEL_ENOSPC;
    const bool is_closed = take_early(s, decision->decision_seq);
    s->folded_seq = decision->decision_seq;
    for (int k = 0; k < decision->intents_n; k++)
        fold_intent(risk, &decision->intents[k], is_closed);
    return KEEL_OK;
}
