/* An operator's halt of one strategy or one asset lies beside the portfolio's: neither lifts the
 * other. Unlike the portfolio it has no stop of its own, so it is on or off. */
#include "services/risk/engine/risk_internal.h"

#include <string.h>

/* NULL: not configured. */
static risk_scope *strategy_scope(const keel_risk *risk, const char *name)
{
    const int b = risk_strategy_find(risk, name);
    return b >= 0 ? &risk->state->strategy_scopes[b] : NULL;
}

static risk_scope *asset_scope(const keel_risk *risk, const char *symbol)
{
    const int i = keel_universe_find(risk->cfg.universe, symbol);
    return i >= 0 ? &risk->state->asset_scopes[i] : NULL;
}

bool risk_scope_strategy_is_known(const keel_risk *risk, const keel_taken_request *request)
{
    return request->strategy[0] == '\0' || strategy_scope(risk, request->strategy) != NULL;
}

bool risk_scope_asset_is_known(const keel_risk *risk, const keel_taken_request *request)
{
    return request->asset[0] == '\0' || asset_scope(risk, request->asset) != NULL;
}

static void change(risk_scope *scope, const keel_taken_request *request)
{
    if (scope == NULL)
        return;
    memset(scope, 0, sizeof *scope);
    scope->is_halted = strcmp(request->kind, "halt") == 0;
    if (scope->is_halted)
        keel_reason_set(&scope->reason, KEEL_REASON_OPERATOR_HALT, "%s", request->reason);
}

int risk_scope_take(keel_risk *risk)
{
    risk_pending *p = &risk->pending;
    int n = 0;
    for (int i = 0; i < p->requests_n; i++) {
        const keel_taken_request *request = &p->requests[i];
        if (request->strategy[0] == '\0' && request->asset[0] == '\0')
            p->portfolio_requests[n++] = *request;
        if (request->strategy[0] != '\0')
            change(strategy_scope(risk, request->strategy), request);
        if (request->asset[0] != '\0')
            change(asset_scope(risk, request->asset), request);
    }
    return n;
}

static void show(keel_scoped_mode *to, const char *name, const risk_scope *scope)
{
    memset(to, 0, sizeof *to);
    memcpy(to->name, name, strlen(name) + 1);
    to->mode = KEEL_TRADING_HALTED;
    to->reason = scope->reason;
}

void risk_scope_show(keel_risk *risk, keel_trading_state *trading)
{
    const risk_state *s = risk->state;
    trading->strategies_n = trading->assets_n = 0;
    for (int b = 0; b < risk->cfg.strategies_n; b++)
        if (s->strategy_scopes[b].is_halted)
            show(&risk->strategy_modes[trading->strategies_n++], risk->strategies[b].name,
                 &s->strategy_scopes[b]);
    for (int k = 0; k < risk->cfg.universe->n; k++) {
        const int i = risk->asset_order[k];
        if (s->asset_scopes[i].is_halted)
            show(&risk->asset_modes[trading->assets_n++], risk->cfg.universe->instruments[i].symbol,
                 &s->asset_scopes[i]);
    }
    trading->strategies = trading->strategies_n > 0 ? risk->strategy_modes : NULL;
    trading->assets = trading->assets_n > 0 ? risk->asset_modes : NULL;
}
