#include "services/risk/engine/risk.h"

#include "common/base/assert.h"
#include "common/base/mem.h"
#include "common/base/text.h"
#include "services/risk/engine/certificate.h"
#include "services/risk/engine/risk_internal.h"

#include <math.h>
#include <string.h>

#define GROSS_MAX 20.0

static keel_status check_sizing(const keel_sizing_limits *sizing, keel_err *err)
{
    if (!(sizing->base_frac > 0 && sizing->base_frac <= 1))
        return keel_err_set(err, KEEL_ERANGE, "base_size %g is not in (0, 1]", sizing->base_frac);
    if (!(sizing->correlation_threshold >= 0 && sizing->correlation_threshold < 1))
        return keel_err_set(err, KEEL_ERANGE, "correlation_threshold %g is not in [0, 1)",
                            sizing->correlation_threshold);
    if (!(sizing->max_portfolio_risk > 0 && sizing->max_portfolio_risk <= 1))
        return keel_err_set(err, KEEL_ERANGE, "max_portfolio_risk %g is not in (0, 1]",
                            sizing->max_portfolio_risk);
    if (sizing->max_positions < 0)
        return keel_err_set(err, KEEL_ERANGE, "max_positions %d is negative",
                            sizing->max_positions);
    return KEEL_OK;
}

static keel_status check_strategies(const keel_risk_cfg *cfg, keel_err *err)
{
    if (cfg->strategies_n < 0 || cfg->strategies_n > KEEL_STRATEGIES_MAX)
        return keel_err_set(err, KEEL_ERANGE, "%d strategies, at most %d", cfg->strategies_n,
                            KEEL_STRATEGIES_MAX);
    for (int b = 0; b < cfg->strategies_n; b++) {
        const keel_risk_strategy *one = &cfg->strategies[b];
        if (!keel_name_ok(one->name, KEEL_NAME_MAX))
            return keel_err_set(err, KEEL_EINVAL, "strategy %d has no name that can be one", b);
        if (!(one->max_gross > 0 && one->max_gross <= GROSS_MAX))
            return keel_err_set(err, KEEL_ERANGE, "strategy \"%s\": max_gross %g is not in (0, %g]",
                                one->name, one->max_gross, GROSS_MAX);
        for (int other = 0; other < b; other++)
            if (strcmp(cfg->strategies[other].name, one->name) == 0)
                return keel_err_set(err, KEEL_EINVAL, "strategy \"%s\" stands twice", one->name);
    }
    return KEEL_OK;
}

static keel_status check_cfg(const keel_risk_cfg *cfg, keel_err *err)
{
    if (cfg->universe->n < 1 || cfg->universe->n > KEEL_UNIVERSE_MAX)
        return keel_err_set(err, KEEL_ERANGE, "%d instruments, allowed 1..%d", cfg->universe->n,
                            KEEL_UNIVERSE_MAX);
    KEEL_TRY(keel_risk_limits_check(&cfg->limits, cfg->universe, err));
    if (!(cfg->stop.max_drawdown > 0 && cfg->stop.max_drawdown <= 1))
        return keel_err_set(err, KEEL_ERANGE, "max_drawdown %g is not in (0, 1]",
                            cfg->stop.max_drawdown);
    if (cfg->stop.re_arm_ns < 0)
        return keel_err_set(err, KEEL_ERANGE, "re_arm_after is negative");
    if (!(cfg->box_frac >= 0 && cfg->box_frac <= 1))
        return keel_err_set(err, KEEL_ERANGE, "box_frac %g is not in [0, 1]", cfg->box_frac);
    if (cfg->max_input_age < 0 || cfg->max_input_age >= KEEL_RISK_INPUT_STEPS)
        return keel_err_set(err, KEEL_ERANGE, "max_input_age %d is not in 0..%d",
                            cfg->max_input_age, KEEL_RISK_INPUT_STEPS - 1);
    KEEL_TRY(check_sizing(&cfg->sizing, err));
    KEEL_TRY(check_strategies(cfg, err));
    if (cfg->books_n < 0 || cfg->books_n > KEEL_BOOKS_MAX)
        return keel_err_set(err, KEEL_ERANGE, "%d books, at most %d", cfg->books_n, KEEL_BOOKS_MAX);
    if (strlen(cfg->portfolio) >= KEEL_NAME_MAX || strlen(cfg->core_book) >= KEEL_NAME_MAX)
        return keel_err_set(err, KEEL_EINVAL, "a name is longer than %d bytes", KEEL_NAME_MAX - 1);
    return KEEL_OK;
}

static void new_pending(risk_pending *pending, size_t n)
{
    pending->shares = keel_xcalloc(KEEL_BOOKS_MAX, sizeof *pending->shares);
    pending->numbers = keel_xcalloc(4 * n, sizeof *pending->numbers);
    pending->constraints = keel_xcalloc(KEEL_CONSTRAINTS_MAX, sizeof *pending->constraints);
    pending->indices = keel_xcalloc(KEEL_CONSTRAINTS_MAX * n, sizeof *pending->indices);
    pending->coefficients = keel_xcalloc(KEEL_CONSTRAINTS_MAX * n, sizeof *pending->coefficients);
}

/* Insertion: a strategy's index is its rank by name from here on. */
static void rank_strategies(keel_risk *risk, const keel_risk_cfg *cfg)
{
    for (int b = 0; b < cfg->strategies_n; b++) {
        int at = b;
        for (; at > 0 && strcmp(risk->strategies[at - 1].name, cfg->strategies[b].name) > 0; at--)
            risk->strategies[at] = risk->strategies[at - 1];
        risk->strategies[at] = cfg->strategies[b];
    }
}

static void rank_assets(keel_risk *risk)
{
    const keel_instrument *instruments = risk->cfg.universe->instruments;
    for (int i = 0; i < risk->cfg.universe->n; i++) {
        int at = i;
        for (; at > 0 &&
               strcmp(instruments[risk->asset_order[at - 1]].symbol, instruments[i].symbol) > 0;
             at--)
            risk->asset_order[at] = risk->asset_order[at - 1];
        risk->asset_order[at] = i;
    }
}

static void new_desk(keel_risk *risk, const keel_risk_cfg *cfg)
{
    const size_t n = (size_t)cfg->universe->n, strategies = (size_t)cfg->strategies_n;
    risk->strategies = keel_xcalloc(strategies, sizeof *risk->strategies);
    risk->asset_order = keel_xcalloc(n, sizeof *risk->asset_order);
    risk->strategy_modes = keel_xcalloc(strategies, sizeof *risk->strategy_modes);
    risk->asset_modes = keel_xcalloc(n, sizeof *risk->asset_modes);
    risk->answers = keel_xcalloc(KEEL_CHECKS_MAX, sizeof *risk->answers);
    risk->exposures = keel_xcalloc(strategies * n, sizeof *risk->exposures);
    risk->longs = keel_xcalloc(n, sizeof *risk->longs);
    risk->shorts = keel_xcalloc(n, sizeof *risk->shorts);
    risk->gross_micros = keel_xcalloc(strategies, sizeof *risk->gross_micros);
    risk->claim_micros = keel_xcalloc(strategies, sizeof *risk->claim_micros);
    rank_strategies(risk, cfg);
    rank_assets(risk);
    risk->cfg.strategies = risk->strategies;
}

static void free_desk(keel_risk *risk)
{
    keel_free(&risk->strategies);
    keel_free(&risk->asset_order);
    keel_free(&risk->strategy_modes);
    keel_free(&risk->asset_modes);
    keel_free(&risk->answers);
    keel_free(&risk->exposures);
    keel_free(&risk->longs);
    keel_free(&risk->shorts);
    keel_free(&risk->gross_micros);
    keel_free(&risk->claim_micros);
}

keel_risk *keel_risk_new(const keel_risk_cfg *cfg, keel_err *err)
{
    if (check_cfg(cfg, err) != KEEL_OK)
        return NULL;
    const size_t n = (size_t)cfg->universe->n;
    keel_risk *risk = keel_xcalloc(1, sizeof *risk);
    risk->cfg = *cfg;
    memcpy(risk->portfolio, cfg->portfolio, strlen(cfg->portfolio) + 1);
    memcpy(risk->core_book, cfg->core_book, strlen(cfg->core_book) + 1);
    for (int b = 0; b < cfg->books_n; b++)
        risk->books[b] = cfg->books[b];
    risk->cfg.portfolio = risk->portfolio;
    risk->cfg.core_book = risk->core_book;
    risk->cfg.books = risk->books;
    new_desk(risk, cfg);
    risk->state = risk_state_new(cfg->universe->n, cfg->strategies_n);
    new_pending(&risk->pending, n);
    risk->inputs = keel_xcalloc(2 * KEEL_RISK_INPUT_STEPS, sizeof *risk->inputs);
    risk->scratch = keel_xcalloc(keel_risk_scratch_len(cfg->universe->n), sizeof(double));
    risk->weights = keel_xcalloc(n, sizeof(double));
    risk->box_lower = keel_xcalloc(n, sizeof(double));
    risk->box_upper = keel_xcalloc(n, sizeof(double));
    risk->shares = keel_xcalloc(n, sizeof(double));
    return risk;
}

int risk_strategy_find(const keel_risk *risk, const char *name)
{
    int from = 0, to = risk->cfg.strategies_n;
    while (from < to) {
        const int at = from + (to - from) / 2;
        const int order = strcmp(risk->strategies[at].name, name);
        if (order == 0)
            return at;
        if (order < 0)
            from = at + 1;
        else
            to = at;
    }
    return -1;
}

void keel_risk_free(keel_risk **risk)
{
    if (risk == NULL || *risk == NULL)
        return;
    risk_state_free(&(*risk)->state);
    free_desk(*risk);
    keel_free(&(*risk)->pending.shares);
    keel_free(&(*risk)->pending.numbers);
    keel_free(&(*risk)->pending.constraints);
    keel_free(&(*risk)->pending.indices);
    keel_free(&(*risk)->pending.coefficients);
    keel_free(&(*risk)->inputs);
    keel_free(&(*risk)->scratch);
    keel_free(&(*risk)->weights);
    keel_free(&(*risk)->box_lower);
    keel_free(&(*risk)->box_upper);
    keel_free(&(*risk)->shares);
    keel_free(risk);
}

keel_status keel_risk_on_open(keel_risk *risk, uint64_t step, const keel_taken_request *requests,
                              int n)
{
    risk_pending *pending = &risk->pending;
    if (step <= risk->state->step)
        return KEEL_EORDER;
    if (n < 0 || n > KEEL_TAKEN_MAX)
        return KEEL_ENOSPC;
    for (int i = 0; i < n; i++)
        if (strcmp(requests[i].kind, "halt") != 0 && strcmp(requests[i].kind, "resume") != 0)
            return KEEL_EUNKNOWN;
    for (int i = 0; i < n; i++)
        pending->requests[i] = requests[i];
    pending->requests_n = n;
    pending->step = step;
    pending->is_open = true;
    pending->portfolio_heard = false;
    pending->has_capital = false;
    pending->has_allocation = false;
    return KEEL_OK;
}

keel_status keel_risk_on_row(keel_risk *risk, const keel_bar_row *row)
{
    risk_state *s = risk->state;
    KEEL_TRY(keel_bar_row_check(row));
    if (row->universe_hash != risk->cfg.universe->hash || row->n != risk->cfg.universe->n)
        return KEEL_EUNKNOWN;
    if (!risk->pending.is_open || row->close_ns <= s->now_ns)
        return KEEL_EORDER;
    s->now_ns = row->close_ns;
    for (int i = 0; i < row->n; i++)
        if (row->close_units[i] != 0)
            s->closes[i] = row->close_units[i];
    return KEEL_OK;
}

static keel_status check_portfolio(const keel_risk *risk, const keel_portfolio_state *portfolio,
                                   const keel_input_ref *ref)
{
    const int n = risk->cfg.universe->n;
    if (portfolio->universe_hash != risk->cfg.universe->hash ||
        strcmp(portfolio->portfolio, risk->portfolio) != 0)
        return KEEL_EUNKNOWN;
    if (!risk->pending.is_open || ref->step == 0 || ref->step > risk->pending.step)
        return KEEL_EORDER;
    if (portfolio->books_n < 0 || portfolio->books_n > KEEL_BOOKS_MAX)
        return KEEL_ERANGE;
    for (int b = 0; b < portfolio->books_n; b++)
        for (int k = 0; k < portfolio->books[b].positions_n; k++) {
            const int i = portfolio->books[b].positions[k].instrument;
            if (i < 0 || i >= n)
                return KEEL_ERANGE;
        }
    return KEEL_OK;
}

/* What is worth less than the smallest order can not be sold: it does not keep a stop open. */
static bool is_dust(const keel_instrument *instrument, const keel_position *position)
{
    return position->qty_units == 0 || (position->value_micros < instrument->min_notional_micros &&
                                        position->value_micros > -instrument->min_notional_micros);
}

static void keep_book(keel_risk *risk, int b, const keel_book *book)
{
    risk_state *s = risk->state;
    const bool is_core = strcmp(book->book, risk->core_book) == 0;
    memcpy(s->books[b].name, book->book, sizeof s->books[b].name);
    s->books[b].equity_micros = book->equity_micros;
    for (int k = 0; k < book->positions_n; k++) {
        const keel_position *position = &book->positions[k];
        const int i = position->instrument;
        s->held_micros[i] += position->value_micros;
        if (is_core)
            s->core_micros[i] += position->value_micros;
        if (!is_dust(&risk->cfg.universe->instruments[i], position))
            s->is_flat = false;
    }
}

keel_status keel_risk_on_portfolio(keel_risk *risk, const keel_portfolio_state *portfolio,
                                   const keel_input_ref *ref)
{
    risk_state *s = risk->state;
    const size_t bytes = (size_t)risk->cfg.universe->n * sizeof(int64_t);
    KEEL_TRY(check_portfolio(risk, portfolio, ref));
    s->has_portfolio = true;
    s->equity_micros = portfolio->equity_micros;
    s->is_flat = true;
    s->books_n = portfolio->books_n;
    memset(s->held_micros, 0, bytes);
    memset(s->core_micros, 0, bytes);
    for (int b = 0; b < portfolio->books_n; b++)
        keep_book(risk, b, &portfolio->books[b]);
    risk_fold_portfolio(risk, portfolio);
    s->portfolios[ref->step % KEEL_RISK_INPUT_STEPS] = *ref;
    risk->pending.portfolio_heard = true;
    return KEEL_OK;
}

keel_status keel_risk_on_covariance(keel_risk *risk, const keel_covariance *covariance,
                                    const keel_input_ref *ref)
{
    risk_state *s = risk->state;
    const int n = risk->cfg.universe->n;
    if (covariance->universe_hash != risk->cfg.universe->hash || covariance->n != n)
        return KEEL_EUNKNOWN;
    if (!risk->pending.is_open || ref->step == 0 || ref->step > risk->pending.step)
        return KEEL_EORDER;
    for (size_t k = 0; k < keel_packed_len(n); k++)
        if (!isfinite(covariance->covariance[k]))
            return KEEL_ENONFINITE;
    for (int i = 0; i < n; i++)
        if (!(covariance->covariance[keel_packed_at(n, i, i)] > 0))
            return KEEL_ENONFINITE;
    risk_covariance *slot = &s->covariances[ref->step % KEEL_RISK_INPUT_STEPS];
    slot->ref = *ref;
    slot->bar_ns = covariance->bar_ns;
    slot->basis = covariance->basis;
    slot->has_matrix = true;
    memcpy(slot->packed, covariance->covariance, keel_packed_len(n) * sizeof(double));
    s->cov_step = ref->step > s->cov_step ? ref->step : s->cov_step;
    return KEEL_OK;
}

keel_status keel_risk_on_capital_proposal(keel_risk *risk, const keel_capital_proposal *proposal,
                                          uint64_t hash)
{
    risk_pending *pending = &risk->pending;
    if (!pending->is_open)
        return KEEL_EORDER;
    if (pending->has_capital)
        return KEEL_EEXIST;
    if (strcmp(proposal->portfolio, risk->portfolio) != 0)
        return KEEL_EUNKNOWN;
    if (proposal->books < 0 || proposal->books > KEEL_BOOKS_MAX || proposal->inputs_n < 0 ||
        proposal->inputs_n > KEEL_INPUTS_MAX)
        return KEEL_ERANGE;
    pending->has_capital = true;
    pending->capital = *proposal;
    pending->capital_hash = hash;
    for (int b = 0; b < proposal->books; b++)
        pending->shares[b] = proposal->shares[b];
    pending->capital.shares = pending->shares;
    return KEEL_OK;
}

static const double *keep_numbers(double *to, const double *from, int n)
{
    memcpy(to, from, (size_t)n * sizeof *to);
    return to;
}

void risk_pending_keep(risk_pending *pending, const keel_universe *universe,
                       const keel_allocation_proposal *proposal)
{
    const int n = universe->n;
    const size_t stride = (size_t)n;
    keel_allocation_proposal *kept = &pending->allocation;
    *kept = *proposal;
    kept->current = NULL; /* risk knows the holdings from the ledger */
    pending->is_misshapen = !keel_risk_check_shape(universe, proposal, &pending->misshape);
    if (pending->is_misshapen)
        return;
    kept->weights = keep_numbers(pending->numbers, proposal->weights, n);
    kept->lower = keep_numbers(pending->numbers + stride, proposal->lower, n);
    kept->upper = keep_numbers(pending->numbers + 2 * stride, proposal->upper, n);
    kept->bound_multipliers =
        keep_numbers(pending->numbers + 3 * stride, proposal->bound_multipliers, n);
    for (int c = 0; c < proposal->constraints_n; c++) {
        keel_constraint *row = &pending->constraints[c];
        int *indices = pending->indices + (size_t)c * stride;
        *row = proposal->constraints[c];
        memcpy(indices, row->indices, (size_t)row->n * sizeof *indices);
        row->indices = indices;
        row->coefficients =
            keep_numbers(pending->coefficients + (size_t)c * stride, row->coefficients, row->n);
    }
    kept->constraints = pending->constraints;
}

keel_status keel_risk_on_allocation_proposal(keel_risk *risk,
                                             const keel_allocation_proposal *proposal,
                                             uint64_t hash)
{
    risk_pending *pending = &risk->pending;
    if (!pending->is_open)
        return KEEL_EORDER;
    if (pending->has_allocation)
        return KEEL_EEXIST;
    if (strcmp(proposal->portfolio, risk->portfolio) != 0 ||
        strcmp(proposal->book, risk->core_book) != 0)
        return KEEL_EUNKNOWN;
    pending->has_allocation = true;
    pending->allocation_hash = hash;
    risk_pending_keep(pending, risk->cfg.universe, proposal);
    return KEEL_OK;
}
