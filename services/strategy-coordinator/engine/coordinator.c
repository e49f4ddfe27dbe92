#include "services/strategy-coordinator/engine/coordinator.h"

#include "common/base/assert.h"
#include "common/base/hash.h"
#include "common/base/text.h"
#include "services/strategy-coordinator/engine/coordinator_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define VALIDITY_MAX_NS (INT64_MAX / 4)

/* ---- a new one ---- */

static keel_status check_cfg(const keel_coordinator_cfg *cfg, keel_err *err)
{
    if (cfg->portfolio[0] == '\0' || strlen(cfg->portfolio) >= KEEL_NAME_MAX)
        return keel_err_set(err, KEEL_EINVAL, "portfolio name: 1..%d bytes", KEEL_NAME_MAX - 1);
    if (cfg->strategies_n < 0 || cfg->strategies_n > KEEL_STRATEGIES_MAX)
        return keel_err_set(err, KEEL_ERANGE, "strategies: %d; at most %d", cfg->strategies_n,
                            KEEL_STRATEGIES_MAX);
    if (cfg->validity_ns < 0 || cfg->validity_ns > VALIDITY_MAX_NS)
        return keel_err_set(err, KEEL_ERANGE, "validity: %lld ns is not in 0..%lld",
                            (long long)cfg->validity_ns, (long long)VALIDITY_MAX_NS);
    if (!(cfg->entry_tolerance_frac >= 0.0 && cfg->entry_tolerance_frac < 1.0))
        return keel_err_set(err, KEEL_ERANGE, "entry_tolerance: %g is not in [0, 1)",
                            cfg->entry_tolerance_frac);
    if (cfg->conflict != KEEL_CONFLICT_UNSPECIFIED && cfg->conflict != KEEL_CONFLICT_ALLOW &&
        cfg->conflict != KEEL_CONFLICT_FIRST_IN_FIRST_OUT)
        return keel_err_set(err, KEEL_EINVAL,
                            "conflict: policy %d is neither first_in_first_out "
                            "nor allow",
                            (int)cfg->conflict);
    for (int i = 0; i < cfg->strategies_n; i++)
        if (!keel_name_ok(cfg->strategies[i].name, KEEL_NAME_MAX))
            return keel_err_set(err, KEEL_EINVAL, "strategies: the name of number %d is not one",
                                i + 1);
    return KEEL_OK;
}

static const char *name_twice(const keel_coordinator *eng)
{
    for (int i = 1; i < eng->strategies_n; i++) {
        const char *name = eng->strategies[eng->strategies_by_name[i]].name;
        if (strcmp(name, eng->strategies[eng->strategies_by_name[i - 1]].name) == 0)
            return name;
    }
    return NULL;
}

static void take_memory(keel_coordinator *eng)
{
    const size_t strategies = (size_t)eng->strategies_n, instruments = (size_t)eng->universe->n;
    eng->strategies = keel_xcalloc(strategies, sizeof *eng->strategies);
    eng->strategies_by_name = keel_xcalloc(strategies, sizeof *eng->strategies_by_name);
    eng->instruments_by_name = keel_xcalloc(instruments, sizeof *eng->instruments_by_name);
    eng->state = coordinator_state_new(eng->strategies_n, eng->universe->n);
    eng->held = keel_xcalloc(instruments, sizeof *eng->held);
    eng->queue = keel_xcalloc(KEEL_COORDINATOR_QUEUE_MAX, sizeof *eng->queue);
    eng->queued = keel_xcalloc(strategies, sizeof *eng->queued);
    eng->batch = keel_xcalloc(KEEL_COORDINATOR_DECISIONS_MAX, sizeof *eng->batch);
    eng->touched = keel_xcalloc(instruments, sizeof *eng->touched);
    const size_t decide = coordinator_decide_bytes((int)eng->state->standing.cap);
    const size_t report = coordinator_report_bytes(eng->strategies_n, eng->universe->n);
    keel_arena_init(&eng->out, decide > report ? decide : report);
    eng->decisions = (keel_decision *)(void *)eng->out.base;
}

keel_coordinator *keel_coordinator_new(const keel_coordinator_cfg *cfg, keel_err *err)
{
    if (check_cfg(cfg, err) != KEEL_OK)
        return NULL;
    keel_coordinator *eng = keel_xcalloc(1, sizeof *eng);
    eng->universe = cfg->universe;
    eng->strategies_n = cfg->strategies_n;
    eng->validity_ns = cfg->validity_ns > 0 ? cfg->validity_ns : KEEL_COORDINATOR_VALIDITY_NS;
    eng->tolerance_frac =
        cfg->entry_tolerance_frac > 0.0 ? cfg->entry_tolerance_frac : KEEL_COORDINATOR_TOLERANCE;
    eng->policy = cfg->conflict == KEEL_CONFLICT_ALLOW ? KEEL_CONFLICT_ALLOW
                                                       : KEEL_CONFLICT_FIRST_IN_FIRST_OUT;
    eng->deadman = KEEL_TRADING_ACTIVE;
    take_memory(eng);
    KEEL_ASSERT(keel_text_copy(eng->portfolio, sizeof eng->portfolio, cfg->portfolio) == KEEL_OK);
    for (int s = 0; s < cfg->strategies_n; s++)
        eng->strategies[s] = cfg->strategies[s];
    keel_names_sort(coordinator_strategy_names(eng), eng->strategies_by_name);
    keel_names_sort(coordinator_instrument_names(eng), eng->instruments_by_name);
    const char *twice = name_twice(eng);
    if (twice != NULL) {
        (void)keel_err_set(err, KEEL_EEXIST, "strategies: %s is there twice", twice);
        keel_coordinator_free(&eng);
    }
    return eng;
}

void keel_coordinator_free(keel_coordinator **eng)
{
    if (eng == NULL || *eng == NULL)
        return;
    keel_free(&(*eng)->strategies);
    keel_free(&(*eng)->strategies_by_name);
    keel_free(&(*eng)->instruments_by_name);
    coordinator_state_free(&(*eng)->state);
    keel_free(&(*eng)->held);
    keel_free(&(*eng)->queue);
    keel_free(&(*eng)->queued);
    keel_free(&(*eng)->batch);
    keel_free(&(*eng)->touched);
    keel_arena_fini(&(*eng)->out);
    keel_free(eng);
}

/* ---- inputs of a step ---- */

keel_status keel_coordinator_on_row(keel_coordinator *eng, const keel_bar_row *row, uint64_t step)
{
    coordinator_state *state = eng->state;
    KEEL_TRY(keel_bar_row_check(row));
    if (row->universe_hash != eng->universe->hash || row->n != eng->universe->n)
        return KEEL_EUNKNOWN;
    if (row->close_ns <= state->view.now_ns || step <= state->view.step || step <= state->row_step)
        return KEEL_EORDER;
    state->view.now_ns = row->close_ns;
    state->view.rows++;
    state->row_step = step;
    state->bar_ns = row->bar_ns;
    for (int i = 0; i < row->n; i++)
        if (row->close_units[i] > 0)
            state->closes[i] = row->close_units[i];
    return KEEL_OK;
}

static keel_trading_mode known_mode(keel_trading_mode mode)
{
    const bool is_known = mode > KEEL_TRADING_UNSPECIFIED && mode <= KEEL_TRADING_HALTED;
    return is_known ? mode : KEEL_TRADING_HALTED;
}

/* What was not filled when the portfolio stopped never will be. */
static void end_open_intents(coordinator_state *state)
{
    coordinator_standing *standing = &state->standing;
    for (uint32_t i = 0; i < standing->cap; i++) {
        coordinator_intent *intent = &standing->intents[i];
        if (intent->state == 0)
            continue;
        const keel_signal_state next =
            keel_signal_next((keel_signal_state)intent->state, KEEL_SIGNAL_ON_STOP);
        KEEL_ASSERT(next != KEEL_SIGNAL_NEVER);
        if (!keel_signal_is_in_force(next)) {
            coordinator_standing_drop(standing, intent);
            state->changed = true;
        }
    }
}

keel_status keel_coordinator_on_trading(keel_coordinator *eng, const keel_trading_state *trading)
{
    coordinator_state *state = eng->state;
    if (strcmp(trading->portfolio, eng->portfolio) != 0)
        return KEEL_EUNKNOWN;
    const keel_trading_mode mode = known_mode(trading->mode);
    state->view.mode_changes += mode != state->view.mode;
    state->view.mode = mode;
    memset(state->strategy_modes, KEEL_TRADING_ACTIVE, (size_t)eng->strategies_n);
    memset(state->asset_modes, KEEL_TRADING_ACTIVE, (size_t)eng->universe->n);
    for (int i = 0; i < trading->strategies_n; i++) {
        const int at = coordinator_strategy_find(eng, trading->strategies[i].name);
        if (at >= 0)
            state->strategy_modes[at] = (uint8_t)known_mode(trading->strategies[i].mode);
    }
    for (int i = 0; i < trading->assets_n; i++) {
        const int at = coordinator_instrument_find(eng, trading->assets[i].name);
        if (at >= 0)
            state->asset_modes[at] = (uint8_t)known_mode(trading->assets[i].mode);
    }
    if (trading->stops > state->stops)
        end_open_intents(state);
    state->stops = trading->stops;
    return KEEL_OK;
}

void keel_coordinator_on_deadman(keel_coordinator *eng, keel_trading_mode mode)
{
    eng->deadman = known_mode(mode);
}

/* ---- what the books say of intents ---- */

static bool is_among(const uint64_t *versions, int n, uint64_t version)
{
    for (int i = 0; i < n; i++)
        if (versions[i] == version)
            return true;
    return false;
}

/* Less of what is held: execution gives up what opens, never what reduces. */
static bool reduces(int64_t target_units, int64_t qty_units)
{
    return qty_units > 0 ? target_units >= 0 && target_units < qty_units
                         : target_units <= 0 && target_units > qty_units;
}

/* What happened to an intent of a book that holds qty_units now; EVENTS = nothing. */
static keel_signal_event event_of(const coordinator_intent *intent, int64_t qty_units,
                                  bool is_named, int64_t now_ns)
{
    const bool is_open = intent->state == KEEL_SIGNAL_OPEN;
    const bool is_flat = intent->target_qty_units == 0;
    if (is_flat && qty_units == 0)
        return KEEL_SIGNAL_ON_EMPTY;
    if (!is_flat && qty_units == 0 && (is_named || !is_open))
        return KEEL_SIGNAL_ON_CLOSE;
    if (!is_flat && is_open && qty_units != 0 &&
        (is_named || qty_units == intent->target_qty_units))
        return KEEL_SIGNAL_ON_FILL;
    if (is_open && intent->valid_until_ns > 0 && intent->valid_until_ns < now_ns &&
        !reduces(intent->target_qty_units, qty_units))
        return KEEL_SIGNAL_ON_LAPSE;
    return KEEL_SIGNAL_EVENTS;
}

static void follow(keel_coordinator *eng, coordinator_intent *intent, const keel_book *book)
{
    coordinator_state *state = eng->state;
    if (intent->step >= state->row_step) /* the books do not know it yet */
        return;
    if (intent->before_version > 0 &&
        is_among(book->closed_versions, book->closed_n, intent->before_version)) {
        KEEL_ASSERT(keel_signal_is_executed_by(KEEL_SIGNAL_REPLACED, KEEL_SIGNAL_ON_FILL));
        coordinator_count_executed(eng, intent->strategy, intent->instrument);
        intent->before_version = 0;
    }
    const bool is_named = is_among(book->closed_versions, book->closed_n, intent->version);
    const keel_signal_event event =
        event_of(intent, eng->held[intent->instrument], is_named, state->view.now_ns);
    if (event == KEEL_SIGNAL_EVENTS)
        return;
    const keel_signal_state before = (keel_signal_state)intent->state;
    const keel_signal_state next = keel_signal_next(before, event);
    KEEL_ASSERT(next != KEEL_SIGNAL_NEVER);
    if (keel_signal_is_executed_by(before, event))
        coordinator_count_executed(eng, intent->strategy, intent->instrument);
    intent->state = (uint8_t)next;
    state->changed = true;
    if (!keel_signal_is_in_force(next))
        coordinator_standing_drop(&state->standing, intent);
}

static void follow_book(keel_coordinator *eng, int strategy, const keel_book *book)
{
    const coordinator_standing *standing = &eng->state->standing;
    if (standing->n_of[strategy] == 0)
        return;
    for (int i = 0; i < book->positions_n; i++)
        eng->held[book->positions[i].instrument] = book->positions[i].qty_units;
    for (int i = 0; i < standing->instruments_n; i++) {
        coordinator_intent *intent = coordinator_standing_find(standing, strategy, i);
        if (intent != NULL)
            follow(eng, intent, book);
    }
    for (int i = 0; i < book->positions_n; i++)
        eng->held[book->positions[i].instrument] = 0;
}

keel_status keel_coordinator_on_portfolio(keel_coordinator *eng,
                                          const keel_portfolio_state *portfolio)
{
    if (portfolio->universe_hash != eng->universe->hash ||
        strcmp(portfolio->portfolio, eng->portfolio) != 0)
        return KEEL_EUNKNOWN;
    for (int b = 0; b < portfolio->books_n; b++)
        for (int i = 0; i < portfolio->books[b].positions_n; i++)
            if (portfolio->books[b].positions[i].instrument < 0 ||
                portfolio->books[b].positions[i].instrument >= eng->universe->n)
                return KEEL_ERANGE;
    eng->state->view.equity_micros = portfolio->equity_micros;
    for (int b = 0; b < portfolio->books_n; b++) {
        const int strategy = coordinator_strategy_find(eng, portfolio->books[b].book);
        if (strategy >= 0)
            follow_book(eng, strategy, &portfolio->books[b]);
    }
    return KEEL_OK;
}

/* ---- receipts ---- */

int keel_coordinator_room(const keel_coordinator *eng)
{
    return KEEL_COORDINATOR_QUEUE_MAX - (eng->tail - eng->head);
}

static keel_status check_signal(const keel_receipt *receipt, const keel_signal *signal)
{
    if (strcmp(signal->strategy, receipt->strategy) != 0 || signal->epoch_ns != receipt->epoch_ns ||
        signal->seq != receipt->seq || signal->signal_id[0] == '\0' || signal->symbol[0] == '\0' ||
        signal->side <= KEEL_SIDE_UNSPECIFIED || signal->side > KEEL_SIDE_FLAT)
        return KEEL_EINVAL;
    const double prices[] = {signal->entry, signal->stop, signal->target};
    for (size_t i = 0; i < sizeof prices / sizeof prices[0]; i++) {
        if (!isfinite(prices[i]))
            return KEEL_ENONFINITE;
        if (prices[i] < 0.0)
            return KEEL_ERANGE;
    }
    if (!isfinite(signal->confidence_frac))
        return KEEL_ENONFINITE;
    return signal->confidence_frac < 0.0 || signal->confidence_frac > 1.0 ||
                   signal->valid_until_ns < 0
               ? KEEL_ERANGE
               : KEEL_OK;
}

/* What is known of a signal whose bytes are refused: its names, if they were read. */
static void keep_names(const keel_coordinator *eng, const keel_signal *signal,
                       coordinator_item *item)
{
    memcpy(item->signal_id, signal->signal_id, sizeof item->signal_id);
    memcpy(item->symbol, signal->symbol, sizeof item->symbol);
    item->hash = keel_hash(signal->signal_id, strlen(signal->signal_id));
    item->instrument = (int16_t)coordinator_instrument_find(eng, signal->symbol);
    item->side = signal->side <= KEEL_SIDE_FLAT ? (uint8_t)signal->side : KEEL_SIDE_UNSPECIFIED;
    item->confidence_frac = signal->confidence_frac;
}

static void keep_numbers(const keel_signal *signal, coordinator_item *item)
{
    item->row_step = signal->row_step;
    item->valid_until_ns = signal->valid_until_ns;
    item->entry = signal->entry;
    item->stop = signal->stop;
    item->target = signal->target;
}

/* A cut text ends with a whole character: keel_reason_set sees to it, for a text of its size. */
static void keep_refusal(const keel_reason *refusal, coordinator_item *item)
{
    keel_reason cut;
    keel_reason_set(&cut, refusal->code, "%.*s", COORDINATOR_TEXT_MAX - 1, refusal->text);
    size_t len = strlen(cut.text);
    while (len > 0 && !keel_text_is_utf8(cut.text, len))
        len--;
    memcpy(item->text, cut.text, len);
    item->text[len] = '\0';
    item->refusal = (uint16_t)refusal->code;
}

keel_status keel_coordinator_on_receipt(keel_coordinator *eng, const keel_receipt *receipt,
                                        const keel_signal *signal)
{
    const bool is_refused = receipt->refusal.code != KEEL_REASON_UNSPECIFIED;
    const int strategy = coordinator_strategy_find(eng, receipt->strategy);
    if (strategy < 0)
        return KEEL_EUNKNOWN;
    if (receipt->epoch_ns < eng->queued[strategy].epoch_ns ||
        (receipt->epoch_ns == eng->queued[strategy].epoch_ns &&
         receipt->seq <= eng->queued[strategy].seq))
        return KEEL_EEXIST;
    if (is_refused ? !keel_reason_is_known((int)receipt->refusal.code) ||
                         receipt->refusal.code == KEEL_REASON_ACCEPTED
                   : signal == NULL)
        return KEEL_EINVAL;
    if (!is_refused)
        KEEL_TRY(check_signal(receipt, signal));
    if (keel_coordinator_room(eng) == 0)
        return KEEL_ENOSPC;
    if (eng->tail == KEEL_COORDINATOR_QUEUE_MAX) {
        memmove(eng->queue, eng->queue + eng->head,
                (size_t)(eng->tail - eng->head) * sizeof *eng->queue);
        eng->tail -= eng->head;
        eng->head = 0;
    }
    coordinator_item *item = &eng->queue[eng->tail++];
    memset(item, 0, sizeof *item);
    item->strategy = (uint16_t)strategy;
    item->epoch_ns = receipt->epoch_ns;
    item->seq = receipt->seq;
    item->instrument = -1;
    if (signal != NULL)
        keep_names(eng, signal, item);
    if (is_refused)
        keep_refusal(&receipt->refusal, item);
    else
        keep_numbers(signal, item);
    eng->queued[strategy].epoch_ns = receipt->epoch_ns;
    eng->queued[strategy].seq = receipt->seq;
    eng->queued[strategy].n++;
    eng->state->changed = true;
    return KEEL_OK;
}

keel_status keel_coordinator_mark(const keel_coordinator *eng, const char *strategy,
                                  int64_t *epoch_ns, uint64_t *seq)
{
    const int i = coordinator_strategy_find(eng, strategy);
    if (i < 0)
        return KEEL_EUNKNOWN;
    *epoch_ns = eng->state->counts[i].epoch_ns;
    *seq = eng->state->counts[i].seq;
    return KEEL_OK;
}

keel_status keel_coordinator_on_step(keel_coordinator *eng, uint64_t step,
                                     keel_coordinator_view *view)
{
    keel_coordinator_view *mine = &eng->state->view;
    if (step <= mine->step)
        return KEEL_EORDER;
    if (eng->head < eng->tail || eng->made_n > 0)
        return KEEL_EREFUSED;
    mine->step = step;
    if (view != NULL) {
        *view = *mine;
        view->standing = eng->state->standing.n;
    }
    return KEEL_OK;
}
