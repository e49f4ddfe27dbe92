/* The step of risk: everything was stored by the handlers; here it is judged, in one order. */
#include "common/base/assert.h"
#include "common/domain/fixed.h"
#include "services/risk/engine/report.h"
#include "services/risk/engine/risk_internal.h"

#include <math.h>
#include <string.h>

#define SHARES_TOLERANCE 1e-9 /* 512 shares of decimal text add up to one within 1e-13 */

static void breach(keel_risk *risk, keel_risk_out *out, const keel_latch *latch,
                   const keel_reason *reason)
{
    KEEL_ASSERT(out->breaches_n < KEEL_RISK_BREACHES_MAX);
    keel_limit_breach *b = &out->breaches[out->breaches_n++];
    memcpy(b->portfolio, risk->portfolio, sizeof b->portfolio);
    b->latch = *latch;
    b->reason = *reason;
}

/* Names of constraints may hold any character, names of latches may not. */
static void name_latch(char to[KEEL_NAME_MAX], const char *name)
{
    memset(to, 0, KEEL_NAME_MAX);
    for (int i = 0; i < KEEL_NAME_MAX - 1 && name[i] != '\0'; i++) {
        const char one[2] = {name[i], '\0'};
        to[i] = keel_name_ok(one, 2) ? name[i] : '_';
    }
    if (to[0] == '\0')
        memcpy(to, "proposal", sizeof "proposal");
}

static void refuse(keel_risk *risk, keel_risk_out *out, const keel_risk_finding *finding)
{
    keel_latch latch = {
        .code = finding->reason.code,
        .value = finding->value,
        .limit = finding->limit,
        .since_ns = risk->state->now_ns,
    };
    name_latch(latch.name, finding->name);
    breach(risk, out, &latch, &finding->reason);
    out->refused++;
}

static void judge_stop(keel_risk *risk, keel_risk_out *out, bool *enters_reducing)
{
    risk_state *s = risk->state;
    const risk_pending *p = &risk->pending;
    const keel_stop before = s->stop;
    const keel_stop_mark mark = {
        .now_ns = s->now_ns,
        .fresh = p->portfolio_heard,
        .equity_micros = s->equity_micros,
        .is_flat = s->is_flat,
    };
    const int n = risk_scope_take(risk);
    const keel_status status =
        keel_stop_step(&s->stop, &risk->cfg.stop, &mark, p->portfolio_requests, n);
    KEEL_ASSERT(status == KEEL_OK); /* kinds were checked when the step was opened */
    *enters_reducing = s->stop.state == KEEL_STOP_REDUCING && before.state != KEEL_STOP_REDUCING;

    keel_trading_state *t = &out->trading;
    memcpy(t->portfolio, risk->portfolio, sizeof t->portfolio);
    t->mode = keel_stop_mode(s->stop.state);
    t->reason = s->stop.reason;
    t->latches_n = keel_stop_latches(&s->stop, &risk->cfg.stop, t->latches);
    t->peak_equity_micros = s->stop.peak_micros;
    t->equity_micros = s->stop.equity_micros;
    t->drawdown_frac = keel_stop_drawdown(&s->stop);
    t->requests_n = p->requests_n;
    for (int i = 0; i < p->requests_n; i++)
        t->requests[i] = p->requests[i];
    t->changed = t->mode != keel_stop_mode(before.state);
    t->stops = s->stop.stops;
    risk_scope_show(risk, t);
    if (s->stop.stops != before.stops) {
        keel_reason reason;
        keel_reason_set(&reason, KEEL_REASON_PORTFOLIO_STOP, "drawdown %.4f above %.4f",
                        s->stop.breach_drawdown, risk->cfg.stop.max_drawdown);
        breach(risk, out, &t->latches[0], &reason);
    }
}

static void ignore(keel_risk *risk, keel_risk_out *out, const keel_taken_request *request,
                   keel_reason_code code, const char *name)
{
    keel_latch latch = {.code = code, .since_ns = risk->state->now_ns};
    keel_reason reason;
    keel_reason_set(&reason, code, "%s of \"%s\" changed nothing: it is not configured",
                    request->kind, name);
    name_latch(latch.name, name);
    breach(risk, out, &latch, &reason);
    out->ignored++;
}

/* The record has every request that was taken; a breach says what of it changed nothing. */
static void name_ignored(keel_risk *risk, keel_risk_out *out)
{
    for (int i = 0; i < risk->pending.requests_n; i++) {
        const keel_taken_request *request = &risk->pending.requests[i];
        if (!risk_scope_strategy_is_known(risk, request))
            ignore(risk, out, request, KEEL_REASON_UNKNOWN_STRATEGY, request->strategy);
        if (!risk_scope_asset_is_known(risk, request))
            ignore(risk, out, request, KEEL_REASON_UNKNOWN_SYMBOL, request->asset);
    }
}

static bool is_known_book(const keel_risk *risk, const char *book)
{
    for (int b = 0; b < risk->cfg.books_n; b++)
        if (strcmp(risk->books[b].book, book) == 0)
            return true;
    return false;
}

static bool shares_hold(const keel_risk *risk, const keel_capital_proposal *p,
                        keel_risk_finding *finding)
{
    double sum = 0;
    for (int b = 0; b < p->books; b++) {
        const keel_book_share *share = &p->shares[b];
        if (!is_known_book(risk, share->book))
            return keel_risk_refuse(finding, KEEL_REASON_UNKNOWN_STRATEGY, share->book,
                                    share->share_frac, 0, "a share for a book that is not known");
        for (int other = 0; other < b; other++)
            if (strcmp(p->shares[other].book, share->book) == 0)
                return keel_risk_refuse(finding, KEEL_REASON_NOT_A_PORTFOLIO, share->book,
                                        share->share_frac, 0, "a book has two shares");
        if (!(share->share_frac >= 0))
            return keel_risk_refuse(finding, KEEL_REASON_NOT_A_PORTFOLIO, share->book,
                                    share->share_frac, 0, "a share is negative");
        if (!(share->share_frac <= 1))
            return keel_risk_refuse(finding, KEEL_REASON_SHARES_ABOVE_ONE, share->book,
                                    share->share_frac, 1, "a share is above one");
        sum += share->share_frac;
    }
    if (!(sum <= 1 + SHARES_TOLERANCE))
        return keel_risk_refuse(finding, KEEL_REASON_SHARES_ABOVE_ONE, "sum", sum, 1,
                                "the shares add up to more than one");
    return true;
}

static bool is_trading(const keel_risk *risk, keel_risk_finding *finding)
{
    const keel_trading_mode mode = keel_stop_mode(risk->state->stop.state);
    if (mode == KEEL_TRADING_ACTIVE)
        return true;
    return keel_risk_refuse(finding, KEEL_REASON_NOT_TRADING, keel_trading_mode_name(mode),
                            (double)mode, (double)KEEL_TRADING_ACTIVE,
                            "proposals are taken while ACTIVE only, mode");
}

static keel_risk_evidence evidence_of(keel_risk *risk)
{
    risk_state *s = risk->state;
    for (int i = 0; i < KEEL_RISK_INPUT_STEPS; i++) {
        const risk_covariance *one = &s->covariances[i];
        risk->inputs[2 * i] = (keel_risk_input){one->ref, one->has_matrix ? one->packed : NULL};
        risk->inputs[2 * i + 1] = (keel_risk_input){s->portfolios[i], NULL};
    }
    return (keel_risk_evidence){
        .universe = risk->cfg.universe,
        .limits = &risk->cfg.limits,
        .step = risk->pending.step,
        .max_input_age = risk->cfg.max_input_age,
        .inputs_n = 2 * KEEL_RISK_INPUT_STEPS,
        .inputs = risk->inputs,
        .price_units = s->closes,
        .scratch = risk->scratch,
    };
}

static void judge_capital(keel_risk *risk, keel_risk_out *out)
{
    const keel_capital_proposal *p = &risk->pending.capital;
    const keel_risk_evidence evidence = evidence_of(risk);
    keel_risk_finding finding;
    memset(&finding, 0, sizeof finding);
    if (!is_trading(risk, &finding) ||
        !keel_risk_check_inputs(&evidence, p->inputs_n, p->inputs, NULL, &finding) ||
        !shares_hold(risk, p, &finding)) {
        refuse(risk, out, &finding);
        return;
    }
    keel_capital_allocation *a = &out->capital;
    memcpy(a->portfolio, risk->portfolio, sizeof a->portfolio);
    a->books = p->books;
    a->shares = p->shares;
    a->proposal_hash = risk->pending.capital_hash;
    keel_reason_set(&a->reason, KEEL_REASON_VERIFIED, "%d shares inside the account", p->books);
    out->made |= KEEL_RISK_MADE_CAPITAL;
}

/* The newest covariance, NULL while there is none. */
static const risk_covariance *newest(const risk_state *s)
{
    return s->cov_step == 0 ? NULL : &s->covariances[s->cov_step % KEEL_RISK_INPUT_STEPS];
}

static int64_t core_equity(const keel_risk *risk, const keel_risk_out *out)
{
    const risk_state *s = risk->state;
    int64_t equity;
    if ((out->made & KEEL_RISK_MADE_CAPITAL) != 0)
        for (int b = 0; b < out->capital.books; b++)
            if (strcmp(out->capital.shares[b].book, risk->core_book) == 0 &&
                keel_fraction_of(s->equity_micros, out->capital.shares[b].share_frac, &equity) ==
                    KEEL_OK)
                return equity;
    for (int b = 0; b < s->books_n; b++)
        if (strcmp(s->books[b].name, risk->core_book) == 0)
            return s->books[b].equity_micros;
    return 0;
}

/* sum |target - held| / 2 over the core book. */
static double turnover_of(const keel_risk *risk, const double *targets, int64_t equity)
{
    double moved = 0;
    for (int i = 0; i < risk->cfg.universe->n; i++)
        moved += fabs(targets[i] - (double)risk->state->core_micros[i] / (double)equity);
    return moved / 2;
}

static void start_approval(keel_risk *risk, keel_risk_out *out, int64_t equity)
{
    keel_approved_allocation *a = &out->allocation;
    memcpy(a->portfolio, risk->portfolio, sizeof a->portfolio);
    memcpy(a->book, risk->core_book, sizeof a->book);
    a->universe_hash = risk->cfg.universe->hash;
    a->n = risk->cfg.universe->n;
    a->weights = risk->weights;
    a->box_lower = risk->box_lower;
    a->box_upper = risk->box_upper;
    a->equity_micros = equity;
    a->account_frac = risk->state->equity_micros > 0
                          ? fmin(1, (double)equity / (double)risk->state->equity_micros)
                          : 0;
    a->price_units = risk->state->closes;
    out->made |= KEEL_RISK_MADE_ALLOCATION;
}

static void put_boxes(keel_risk *risk, const keel_allocation_proposal *p)
{
    for (int i = 0; i < p->n; i++) {
        /* a weight of -1e-12 passed as zero and leaves as zero */
        const double w = p->weights[i] > 0 ? p->weights[i] : 0;
        const double f = risk->cfg.box_frac;
        risk->weights[i] = w;
        risk->box_lower[i] = w > 0 ? fmin(w, fmax(w - f, fmax(0, p->lower[i]))) : 0;
        risk->box_upper[i] = w > 0 ? fmax(w, fmin(w + f, p->upper[i])) : 0;
    }
}

static void judge_allocation(keel_risk *risk, keel_risk_out *out)
{
    const risk_pending *pending = &risk->pending;
    const keel_allocation_proposal *p = &pending->allocation;
    const keel_risk_evidence evidence = evidence_of(risk);
    const int64_t equity = core_equity(risk, out);
    keel_risk_finding finding;
    memset(&finding, 0, sizeof finding);

    bool ok = is_trading(risk, &finding);
    if (ok && pending->is_misshapen) {
        finding = pending->misshape;
        ok = false;
    }
    if (!ok || !keel_risk_verify(&evidence, p, &finding)) {
        refuse(risk, out, &finding);
        return;
    }
    if (equity <= 0) {
        keel_risk_refuse(&finding, KEEL_REASON_BUDGET_EXHAUSTED, risk->core_book, (double)equity, 0,
                         "the book has no equity to allocate");
        refuse(risk, out, &finding);
        return;
    }
    keel_approved_allocation *a = &out->allocation;
    start_approval(risk, out, equity);
    put_boxes(risk, p);
    a->method = p->method;
    a->cash_frac = p->cash_frac > 0 ? p->cash_frac : 0;
    a->reason = finding.reason;
    a->rebalance_reason = p->reason;
    a->certificate = finding.certificate;
    memcpy(a->certificate.parent, p->certificate.parent, sizeof a->certificate.parent);
    if (finding.covariance != NULL)
        a->expected_volatility =
            keel_risk_volatility(p->n, finding.covariance, risk->weights, risk->scratch);
    a->turnover_frac = turnover_of(risk, risk->weights, equity);
    a->scale_frac = 1;
    a->proposal_hash = pending->allocation_hash;
}

static void flatten(keel_risk *risk, keel_risk_out *out)
{
    const size_t bytes = (size_t)risk->cfg.universe->n * sizeof(double);
    const int64_t equity = core_equity(risk, out);
    keel_approved_allocation *a = &out->allocation;
    start_approval(risk, out, equity > 0 ? equity : 0);
    memset(risk->weights, 0, bytes);
    memset(risk->box_lower, 0, bytes);
    memset(risk->box_upper, 0, bytes);
    a->method = KEEL_METHOD_FLATTEN;
    a->cash_frac = 1;
    keel_reason_set(&a->reason, KEEL_REASON_PORTFOLIO_STOP,
                    "every position of the book is closed: drawdown %.4f above %.4f",
                    risk->state->stop.breach_drawdown, risk->cfg.stop.max_drawdown);
    keel_reason_set(&a->rebalance_reason, KEEL_REASON_DRAWDOWN_LIMIT, "portfolio stop of risk");
    a->certificate = (keel_certificate){
        .kind = KEEL_CERTIFICATE_FEASIBLE,
        .outcome = KEEL_OUTCOME_SOLVED,
    };
    a->turnover_frac = equity > 0 ? turnover_of(risk, risk->weights, equity) : 0;
}

static void make_report(keel_risk *risk, keel_risk_out *out)
{
    const risk_state *s = risk->state;
    const risk_covariance *covariance = newest(s);
    const int n = risk->cfg.universe->n;
    double *held = risk->scratch;
    double *gradient = held + n;
    if (!s->has_portfolio || s->equity_micros <= 0)
        return;
    for (int i = 0; i < n; i++)
        held[i] = (double)s->held_micros[i] / (double)s->equity_micros;
    const keel_report_input in = {
        .n = n,
        .weights = held,
        .covariance = covariance != NULL ? covariance->packed : NULL,
        .basis = covariance != NULL ? &covariance->basis : NULL,
        .bar_ns = covariance != NULL ? covariance->bar_ns : 0,
        .drawdown_frac = keel_stop_drawdown(&s->stop),
        .drawdown_samples = s->stop.samples,
    };
    memcpy(out->report.portfolio, risk->portfolio, sizeof out->report.portfolio);
    keel_risk_measure(&in, gradient, risk->shares, &out->report);
    out->made |= KEEL_RISK_MADE_REPORT;
}

keel_status keel_risk_on_step(keel_risk *risk, keel_risk_out *out)
{
    bool enters_reducing;
    if (!risk->pending.is_open)
        return KEEL_EORDER;
    memset(out, 0, sizeof *out);
    judge_stop(risk, out, &enters_reducing);
    name_ignored(risk, out);
    risk_fold_step(risk);
    if (risk->pending.has_capital)
        judge_capital(risk, out);
    if (risk->pending.has_allocation)
        judge_allocation(risk, out);
    if (enters_reducing)
        flatten(risk, out);
    make_report(risk, out);
    risk->state->step = risk->pending.step;
    risk->pending.is_open = false;
    return KEEL_OK;
}
