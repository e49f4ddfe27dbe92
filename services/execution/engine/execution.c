#include "services/execution/engine/execution.h"

#include "common/base/assert.h"
#include "common/base/mem.h"
#include "common/base/text.h"
#include "common/domain/fixed.h"
#include "services/execution/engine/execution_internal.h"
#include "services/execution/engine/plan.h"

#include <math.h>
#include <string.h>

static bool rate_ok(int64_t milli_bps)
{
    return milli_bps >= 0 && milli_bps <= KEEL_BROKER_MILLI_BPS_MAX;
}

static keel_status check_books(const keel_execution_cfg *cfg, keel_err *err)
{
    if (cfg->books_n < 0 || cfg->books_n > KEEL_BOOKS_MAX)
        return keel_err_set(err, KEEL_ERANGE, "execution: at most %d books", KEEL_BOOKS_MAX);
    for (int b = 0; b < cfg->books_n; b++) {
        const char *name = cfg->books[b].book;
        bool taken = strcmp(name, "netting") == 0 || strcmp(name, "reserve") == 0;
        for (int a = 0; a < b; a++)
            taken = taken || strcmp(cfg->books[a].book, name) == 0;
        if (taken || !keel_name_ok(name, KEEL_NAME_MAX))
            return keel_err_set(err, KEEL_EINVAL, "execution: book '%s' is taken or no name", name);
    }
    return KEEL_OK;
}

static keel_status check_cfg(const keel_execution_cfg *cfg, keel_err *err)
{
    if (cfg->universe == NULL || cfg->universe->n < 1 || cfg->universe->n > KEEL_UNIVERSE_MAX)
        return keel_err_set(err, KEEL_EINVAL, "execution: no instruments");
    if (!keel_name_ok(cfg->run, KEEL_EXECUTION_RUN_MAX))
        return keel_err_set(err, KEEL_EINVAL, "execution: run id '%s'", cfg->run);
    if (!keel_name_ok(cfg->portfolio, KEEL_NAME_MAX) || !keel_name_ok(cfg->book, KEEL_NAME_MAX))
        return keel_err_set(err, KEEL_EINVAL, "execution: portfolio or book name");
    KEEL_TRY(check_books(cfg, err));
    if (!rate_ok(cfg->rates.fee_milli_bps) || !rate_ok(cfg->rates.slippage_milli_bps))
        return keel_err_set(err, KEEL_ERANGE, "execution: fee_bps and slippage_bps: 0..1000");
    if (!isfinite(cfg->cash_buffer) || cfg->cash_buffer < 0.0 || cfg->cash_buffer > 1.0)
        return keel_err_set(err, KEEL_ERANGE, "execution: cash_buffer: 0..1");
    return KEEL_OK;
}

static void take_books(keel_execution *eng, const keel_execution_cfg *cfg)
{
    eng->books = keel_xcalloc((size_t)cfg->books_n + 1, sizeof *eng->books);
    KEEL_ASSERT(keel_text_copy(eng->books[0].name, KEEL_NAME_MAX, cfg->book) == KEEL_OK);
    eng->by_name = keel_xcalloc((size_t)cfg->books_n + 1, sizeof *eng->by_name);
    eng->books_n = 1;
    for (int b = 0; b < cfg->books_n; b++) {
        if (strcmp(cfg->books[b].book, cfg->book) == 0)
            continue;
        char *name = eng->books[eng->books_n++].name;
        KEEL_ASSERT(keel_text_copy(name, KEEL_NAME_MAX, cfg->books[b].book) == KEEL_OK);
    }
    for (int b = 0; b < eng->books_n; b++) { /* by insertion: at most 512, once */
        int at = b;
        for (; at > 0 && strcmp(eng->books[eng->by_name[at - 1]].name, eng->books[b].name) > 0;
             at--)
            eng->by_name[at] = eng->by_name[at - 1];
        eng->by_name[at] = b;
    }
}

static void take_cells(keel_execution *eng)
{
    const int most = (eng->books_n - 1) * eng->n;
    const int max = most < KEEL_CELLS_MAX ? most : KEEL_CELLS_MAX;
    keel_cells *const tables[] = {&eng->cells, &eng->fresh, &eng->planned};
    for (size_t t = 0; t < sizeof tables / sizeof tables[0]; t++) {
        tables[t]->max = max;
        tables[t]->at = keel_xcalloc((size_t)max, sizeof(keel_cell));
    }
    eng->consumed = keel_xcalloc((size_t)max, sizeof *eng->consumed);
    eng->cell_deals = keel_xcalloc((size_t)max, sizeof *eng->cell_deals);
    eng->after = keel_xcalloc((size_t)max, sizeof *eng->after);
}

static void take_storage(keel_execution *eng)
{
    const size_t n = (size_t)eng->n, cells = (size_t)eng->cells.max;
    eng->fresh_weights.weight = keel_xcalloc(n, sizeof(double));
    eng->fresh_weights.lower = keel_xcalloc(n, sizeof(double));
    eng->fresh_weights.upper = keel_xcalloc(n, sizeof(double));
    eng->fresh_weights.price_units = keel_xcalloc(n, sizeof(int64_t));
    eng->assets = keel_xcalloc(n, sizeof *eng->assets);
    eng->held = keel_xcalloc(n, sizeof *eng->held);
    eng->closes = keel_xcalloc(n, sizeof *eng->closes);
    eng->slots = keel_xcalloc(n, sizeof *eng->slots);
    eng->orders = keel_xcalloc(n, sizeof *eng->orders);
    eng->waiting = keel_xcalloc(n, sizeof *eng->waiting);
    eng->skipped = keel_xcalloc(EXECUTION_SKIPPED_MAX, sizeof *eng->skipped);
    eng->fills = keel_xcalloc(n + cells, sizeof *eng->fills);
    eng->reported = keel_xcalloc(n + cells, sizeof *eng->reported);
    eng->deals = keel_xcalloc(n, sizeof *eng->deals);
    eng->first = keel_xcalloc(n, sizeof *eng->first);
}

keel_execution *keel_execution_new(const keel_execution_cfg *cfg, keel_err *err)
{
    if (check_cfg(cfg, err) != KEEL_OK)
        return NULL;
    keel_execution *eng = keel_xcalloc(1, sizeof *eng);
    KEEL_ASSERT(keel_text_copy(eng->run, sizeof eng->run, cfg->run) == KEEL_OK);
    KEEL_ASSERT(keel_text_copy(eng->portfolio, sizeof eng->portfolio, cfg->portfolio) == KEEL_OK);
    eng->universe = *cfg->universe;
    eng->rates = cfg->rates;
    eng->cash_buffer = cfg->cash_buffer;
    eng->n = cfg->universe->n;
    eng->state.deadman = KEEL_TRADING_ACTIVE;
    take_books(eng, cfg);
    take_cells(eng);
    take_storage(eng);
    return eng;
}

void keel_execution_free(keel_execution **eng)
{
    keel_execution *e = *eng;
    if (e == NULL)
        return;
    keel_free(&e->books);
    keel_free(&e->by_name);
    keel_free(&e->cells.at);
    keel_free(&e->fresh.at);
    keel_free(&e->planned.at);
    keel_free(&e->consumed);
    keel_free(&e->cell_deals);
    keel_free(&e->after);
    keel_free(&e->fresh_weights.weight);
    keel_free(&e->fresh_weights.lower);
    keel_free(&e->fresh_weights.upper);
    keel_free(&e->fresh_weights.price_units);
    keel_free(&e->assets);
    keel_free(&e->held);
    keel_free(&e->closes);
    keel_free(&e->slots);
    keel_free(&e->orders);
    keel_free(&e->waiting);
    keel_free(&e->skipped);
    keel_free(&e->fills);
    keel_free(&e->reported);
    keel_free(&e->deals);
    keel_free(&e->first);
    keel_free(eng);
}

/* ---- inputs ---- */

static keel_plan_ask ask_of(const keel_execution *eng, const keel_approved_allocation *a, int i)
{
    return (keel_plan_ask){
        .instrument = &eng->universe.instruments[i],
        .equity_micros = a->equity_micros,
        .price_units = a->price_units[i],
        .weight = a->weights[i],
        .box_lower = a->box_lower[i],
        .box_upper = a->box_upper[i],
        .held_units = eng->held[i],
        .flatten = a->method == KEEL_METHOD_FLATTEN,
    };
}

static keel_status check_approval(const keel_execution *eng, const keel_approved_allocation *a,
                                  uint64_t payload_hash, uint64_t step)
{
    keel_plan_answer answer;
    int64_t worth;
    const execution_state *s = &eng->state;
    if (strcmp(a->portfolio, eng->portfolio) != 0 ||
        strcmp(a->book, eng->books[EXECUTION_CORE].name) != 0 ||
        a->universe_hash != eng->universe.hash)
        return KEEL_EUNKNOWN;
    if (a->n != eng->n || a->equity_micros < 0)
        return KEEL_EINVAL;
    if ((s->approval_step > 0 && step <= s->approval_step) || (s->fresh && step < s->fresh_step) ||
        (s->hash_only && payload_hash == s->approval_hash))
        return KEEL_ESTALE;
    for (int i = 0; i < eng->n; i++) {
        const keel_plan_ask ask = ask_of(eng, a, i);
        if (ask.price_units < 0)
            return KEEL_ENONFINITE;
        KEEL_TRY(keel_plan_size(&ask, &answer));
        KEEL_TRY(keel_worth_micros(ask.price_units, ask.instrument->price_exp, eng->held[i],
                                   ask.instrument->qty_exp, &worth));
    }
    return KEEL_OK;
}

/* A fill is explained by what asked for it: the stop that flattened, or the rebalance. */
static void explain(execution_state *s, const keel_approved_allocation *a)
{
    const bool flatten = a->method == KEEL_METHOD_FLATTEN;
    const char *text =
        flatten || a->rebalance_reason.text[0] == '\0' ? a->reason.text : a->rebalance_reason.text;
    keel_reason_set(&s->why, flatten ? KEEL_REASON_PORTFOLIO_STOP : KEEL_REASON_REBALANCE, "%s",
                    text);
}

keel_status keel_execution_on_approval(keel_execution *eng,
                                       const keel_approved_allocation *approval,
                                       uint64_t payload_hash, uint64_t step)
{
    execution_state *s = &eng->state;
    KEEL_TRY(check_approval(eng, approval, payload_hash, step));
    const size_t n = (size_t)eng->n;
    memcpy(eng->fresh_weights.weight, approval->weights, n * sizeof(double));
    memcpy(eng->fresh_weights.lower, approval->box_lower, n * sizeof(double));
    memcpy(eng->fresh_weights.upper, approval->box_upper, n * sizeof(double));
    memcpy(eng->fresh_weights.price_units, approval->price_units, n * sizeof(int64_t));
    s->fresh = true;
    s->flatten = approval->method == KEEL_METHOD_FLATTEN;
    s->fresh_step = step;
    s->fresh_hash = payload_hash;
    s->equity_micros = approval->equity_micros;
    explain(s, approval);
    return KEEL_OK;
}

static bool is_stop(const keel_trading_state *state)
{
    bool stop =
        state->mode == KEEL_TRADING_REDUCING && state->reason.code == KEEL_REASON_DRAWDOWN_LIMIT;
    for (int i = 0; i < state->latches_n; i++)
        stop = stop || state->latches[i].code == KEEL_REASON_DRAWDOWN_LIMIT;
    return stop;
}

keel_status keel_execution_on_trading(keel_execution *eng, const keel_trading_state *state)
{
    if (strcmp(state->portfolio, eng->portfolio) != 0)
        return KEEL_EUNKNOWN;
    const bool known = state->mode == KEEL_TRADING_ACTIVE || state->mode == KEEL_TRADING_REDUCING;
    eng->state.mode = known ? state->mode : KEEL_TRADING_HALTED;
    for (int b = 0; b < eng->books_n; b++)
        eng->books[b].mode = keel_trading_mode_of(state, eng->books[b].name, NULL);
    for (int i = 0; i < eng->n; i++)
        eng->assets[i] = keel_trading_mode_of(state, NULL, eng->universe.instruments[i].symbol);
    eng->state.stopped = is_stop(state);
    if (eng->state.stopped)
        execution_override(eng);
    return KEEL_OK;
}

void keel_execution_on_deadman(keel_execution *eng, keel_trading_mode mode)
{
    const bool known = mode == KEEL_TRADING_ACTIVE || mode == KEEL_TRADING_REDUCING;
    eng->state.deadman = known ? mode : KEEL_TRADING_HALTED;
}

/* ---- decisions ---- */

static keel_status check_intent(const keel_execution *eng, const keel_decision *d, int at)
{
    const keel_intent *x = &d->intents[at];
    if (execution_find_book(eng, x->book) <= EXECUTION_CORE || x->instrument < 0 ||
        x->instrument >= eng->n)
        return KEEL_EUNKNOWN;
    if (x->version != d->decision_seq)
        return KEEL_EINVAL;
    for (int i = 0; i < at; i++)
        if (d->intents[i].instrument == x->instrument && strcmp(d->intents[i].book, x->book) == 0)
            return KEEL_EINVAL;
    if (x->stop_units < 0 || x->target_units < 0 || x->valid_until_ns < 0)
        return KEEL_ERANGE;
    return x->target_qty_units > KEEL_CELL_UNITS_MAX || x->target_qty_units < -KEEL_CELL_UNITS_MAX
               ? KEEL_EOVERFLOW
               : KEEL_OK;
}

static keel_status check_decision(const keel_execution *eng, const keel_decision *d)
{
    int needed = 0;
    if (d->intents_n < 0 || d->intents_n > KEEL_INTENTS_MAX || d->decision_seq == 0 ||
        (!d->accepted && d->intents_n > 0))
        return KEEL_EINVAL;
    for (int i = 0; i < d->intents_n; i++) {
        KEEL_TRY(check_intent(eng, d, i));
        const int book = execution_find_book(eng, d->intents[i].book);
        needed += keel_cells_find(&eng->cells, book, d->intents[i].instrument) == NULL &&
                  keel_cells_find(&eng->fresh, book, d->intents[i].instrument) == NULL;
    }
    return needed > 0 && needed + eng->cells.n + eng->fresh_new > eng->cells.max ? KEEL_ENOSPC
                                                                                 : KEEL_OK;
}

static keel_cell cell_of(int book, const keel_intent *x)
{
    return (keel_cell){
        .book = book,
        .instrument = x->instrument,
        .target_qty_units = x->target_qty_units,
        .version = x->version,
        .stop_units = x->stop_units,
        .take_units = x->target_units,
        .valid_until_ns = x->valid_until_ns,
    };
}

/* The decision of an intent that was taken over from an order in the log. */
static keel_status complete(keel_execution *eng, const keel_decision *d)
{
    keel_status status = KEEL_ESTALE;
    for (int i = 0; i < d->intents_n; i++) {
        const keel_intent *x = &d->intents[i];
        keel_cell *c =
            keel_cells_find(&eng->cells, execution_find_book(eng, x->book), x->instrument);
        if (c == NULL || !c->bare || c->version != x->version)
            continue;
        c->stop_units = x->stop_units;
        c->take_units = x->target_units;
        c->valid_until_ns = c->held_units != c->target_qty_units ? x->valid_until_ns : 0;
        c->bare = false;
        status = KEEL_OK;
    }
    return status;
}

keel_status keel_execution_on_decision(keel_execution *eng, const keel_decision *decision,
                                       uint64_t step)
{
    execution_state *s = &eng->state;
    (void)step; /* whatever came before a plan is considered by it, also what came late */
    KEEL_TRY(check_decision(eng, decision));
    if (decision->decision_seq <= s->decision_seq)
        return complete(eng, decision);
    for (int i = 0; i < decision->intents_n; i++) {
        const keel_intent *x = &decision->intents[i];
        const keel_cell c = cell_of(execution_find_book(eng, x->book), x);
        eng->fresh_new += keel_cells_find(&eng->fresh, c.book, c.instrument) == NULL &&
                          keel_cells_find(&eng->cells, c.book, c.instrument) == NULL;
        keel_cell *place = keel_cells_take(&eng->fresh, c.book, c.instrument);
        KEEL_ASSERT(place != NULL);
        *place = c;
    }
    s->decision_seq = decision->decision_seq;
    if (s->stopped)
        execution_override(eng);
    return KEEL_OK;
}

/* ---- what the files of this room share ---- */

keel_trading_mode execution_mode(const keel_execution *eng, int book, int instrument)
{
    keel_trading_mode mode = eng->state.deadman;
    if (eng->state.mode == KEEL_TRADING_UNSPECIFIED)
        return KEEL_TRADING_HALTED;
    mode = eng->books[book].mode > mode ? eng->books[book].mode : mode;
    return eng->assets[instrument] > mode ? eng->assets[instrument] : mode;
}

int64_t execution_allowed(keel_trading_mode mode, int64_t held_units, int64_t qty_units)
{
    if (mode == KEEL_TRADING_ACTIVE)
        return qty_units;
    return mode == KEEL_TRADING_REDUCING ? keel_plan_reducing(held_units, qty_units) : 0;
}

int execution_find_book(const keel_execution *eng, const char *name)
{
    int lo = 0, hi = eng->books_n;
    while (lo < hi) {
        const int mid = lo + (hi - lo) / 2;
        const int order = strcmp(eng->books[eng->by_name[mid]].name, name);
        if (order == 0)
            return eng->by_name[mid];
        lo = order < 0 ? mid + 1 : lo;
        hi = order < 0 ? hi : mid;
    }
    return -1;
}

void execution_tidy(keel_execution *eng)
{
    keel_cells_tidy(&eng->cells);
    eng->fresh_new = 0;
    for (int k = 0; k < eng->fresh.n; k++)
        eng->fresh_new += keel_cells_find(&eng->cells, eng->fresh.at[k].book,
                                          eng->fresh.at[k].instrument) == NULL;
}

void execution_chain(keel_execution *eng)
{
    for (int i = 0; i < eng->n; i++)
        eng->first[i] = -1;
    for (int k = eng->cells.n - 1; k >= 0; k--) {
        const int i = eng->cells.at[k].instrument;
        eng->after[k] = eng->first[i];
        eng->first[i] = k;
    }
}

void execution_override(keel_execution *eng)
{
    for (int k = 0; k < eng->cells.n; k++) {
        keel_cell_close(&eng->cells.at[k]);
        eng->cells.at[k].stopped = true;
    }
    for (int k = 0; k < eng->fresh.n; k++) {
        keel_cell_close(&eng->fresh.at[k]);
        eng->fresh.at[k].stopped = true;
    }
}

bool execution_apply(keel_execution *eng, const keel_cell *intent)
{
    keel_cell *c = keel_cells_take(&eng->cells, intent->book, intent->instrument);
    if (c == NULL)
        return false;
    const keel_cell before = *c;
    *c = *intent;
    c->held_units = before.held_units;
    c->given_up = before.given_up;
    c->given_up_units = before.given_up_units;
    if (!keel_cell_opens(c))
        c->valid_until_ns = 0;
    return true;
}

int execution_part_of(const keel_execution *eng, const keel_order *order, int book)
{
    for (int p = 0; p < order->books_n; p++)
        if (strcmp(order->books[p].book, eng->books[book].name) == 0)
            return p;
    return -1;
}

/* ---- the end of a step ---- */

static void report_cells(keel_execution *eng, keel_plan_done *done)
{
    for (int k = 0; k < eng->cells.n; k++) {
        const keel_cell *c = &eng->cells.at[k];
        if (c->held_units == 0 && c->target_qty_units == 0)
            continue;
        keel_held_position *p = &eng->reported[done->positions_n++];
        *p = (keel_held_position){
            .instrument = c->instrument,
            .qty_units = c->held_units,
            .intent_version = c->version,
            .stop_units = c->stop_units,
            .target_units = c->take_units,
            .target_qty_units = c->target_qty_units,
            .valid_until_ns = c->valid_until_ns,
            .stopped = c->stopped,
        };
        memcpy(p->book, eng->books[c->book].name, sizeof p->book);
    }
}

void keel_execution_done(keel_execution *eng, keel_plan_done *out)
{
    const execution_state *s = &eng->state;
    keel_plan_done done = {
        .fills = s->fills,
        .open_orders = eng->orders,
        .positions = eng->reported,
        .consumed_decision_seq = s->consumed_decision,
        .approval_step = s->approval_step,
        .cash_micros = s->cash_micros,
    };
    memcpy(done.portfolio, eng->portfolio, sizeof done.portfolio);
    memcpy(done.plan_id, s->plan_id, sizeof done.plan_id);
    for (int i = 0; i < eng->n; i++) {
        if (eng->slots[i].state == SLOT_OPEN)
            eng->orders[done.open_n++] = eng->slots[i].order;
        if (eng->held[i] == 0)
            continue;
        keel_held_position *p = &eng->reported[done.positions_n++];
        *p = (keel_held_position){.instrument = i, .qty_units = eng->held[i]};
        memcpy(p->book, eng->books[EXECUTION_CORE].name, sizeof p->book);
    }
    report_cells(eng, &done);
    *out = done;
}

uint64_t keel_execution_planned_step(const keel_execution *eng)
{
    return eng->state.planned_step;
}

int64_t keel_execution_held(const keel_execution *eng, int instrument)
{
    KEEL_ASSERT(instrument >= 0 && instrument < eng->n);
    return eng->held[instrument];
}

int64_t keel_execution_book_held(const keel_execution *eng, const char *book, int instrument)
{
    const int b = execution_find_book(eng, book);
    const keel_cell *c = b > EXECUTION_CORE ? keel_cells_find(&eng->cells, b, instrument) : NULL;
    if (b == EXECUTION_CORE)
        return keel_execution_held(eng, instrument);
    return c != NULL ? c->held_units : 0;
}

uint64_t keel_execution_unlisted(const keel_execution *eng)
{
    return eng->unlisted;
}

int64_t keel_execution_cash(const keel_execution *eng)
{
    return eng->state.cash_micros;
}
