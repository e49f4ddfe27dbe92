/* Snapshot, version 2:
 *   u32 magic, u32 version, u64 universe hash, portfolio, u32 strategies and their names;
 *   view; row_step, bar, stops, changed; closes; modes; per strategy mark, counts by reason (only
 *   those above 0, by code), counts by symbol (likewise, by instrument), known ids; the intents.
 * Counts are sums of what is written, so that a snapshot whose counts do not add up cannot be. */
#include "services/strategy-coordinator/engine/coordinator_internal.h"

#include <string.h>

enum { MAGIC = 0x4b435343, VERSION = 2 };

#define REASON_NUMBER(name, number) KEEL_REASON_##name,
static const keel_reason_code codes[COORDINATOR_REASONS] = {KEEL_REASON_LIST(REASON_NUMBER)};

coordinator_state *coordinator_state_new(int strategies_n, int instruments_n)
{
    const size_t strategies = (size_t)strategies_n, instruments = (size_t)instruments_n;
    coordinator_state *state = keel_xcalloc(1, sizeof *state);
    state->view.mode = KEEL_TRADING_HALTED;
    state->changed = true;
    state->closes = keel_xcalloc(instruments, sizeof *state->closes);
    state->strategy_modes = keel_xcalloc(strategies, 1);
    state->asset_modes = keel_xcalloc(instruments, 1);
    state->counts = keel_xcalloc(strategies, sizeof *state->counts);
    state->symbols = keel_xcalloc(strategies * (instruments + 1), sizeof *state->symbols);
    coordinator_ids_init(&state->ids, strategies_n);
    coordinator_standing_init(&state->standing, strategies_n, instruments_n);
    return state;
}

void coordinator_state_free(coordinator_state **state)
{
    if (*state == NULL)
        return;
    keel_free(&(*state)->closes);
    keel_free(&(*state)->strategy_modes);
    keel_free(&(*state)->asset_modes);
    keel_free(&(*state)->counts);
    keel_free(&(*state)->symbols);
    coordinator_ids_fini(&(*state)->ids);
    coordinator_standing_fini(&(*state)->standing);
    keel_free(state);
}

/* ---- save ---- */

static void save_head(keel_packer *p, const keel_coordinator *eng)
{
    const coordinator_state *state = eng->state;
    const keel_coordinator_view *view = &state->view;
    keel_pack_u32(p, MAGIC);
    keel_pack_u32(p, VERSION);
    keel_pack_u64(p, eng->universe->hash);
    keel_pack_str(p, eng->portfolio);
    keel_pack_u32(p, (uint32_t)eng->strategies_n);
    for (int i = 0; i < eng->strategies_n; i++)
        keel_pack_str(p, eng->strategies[i].name);
    keel_pack_u64(p, view->step);
    keel_pack_i64(p, view->now_ns);
    keel_pack_i64(p, view->equity_micros);
    keel_pack_u8(p, (uint8_t)view->mode);
    keel_pack_u32(p, view->rows);
    keel_pack_u32(p, view->mode_changes);
    keel_pack_u64(p, view->decision_seq);
    keel_pack_u64(p, state->row_step);
    keel_pack_i64(p, state->bar_ns);
    keel_pack_u32(p, state->stops);
    keel_pack_u8(p, state->changed);
    keel_pack_i64s(p, state->closes, (size_t)eng->universe->n);
    keel_pack_bytes(p, state->strategy_modes, (size_t)eng->strategies_n);
    keel_pack_bytes(p, state->asset_modes, (size_t)eng->universe->n);
}

static void save_counts(keel_packer *p, const keel_coordinator *eng, int strategy)
{
    const coordinator_counts *counts = &eng->state->counts[strategy];
    const coordinator_symbol *symbols = coordinator_symbol_of(eng, strategy, 0);
    uint32_t n = 0;
    keel_pack_i64(p, counts->epoch_ns);
    keel_pack_u64(p, counts->seq);
    for (int i = 0; i < COORDINATOR_REASONS; i++)
        n += counts->by_reason[i] > 0;
    keel_pack_u32(p, n);
    for (int i = 0; i < COORDINATOR_REASONS; i++) {
        if (counts->by_reason[i] == 0)
            continue;
        keel_pack_u32(p, (uint32_t)codes[i]);
        keel_pack_u64(p, counts->by_reason[i]);
    }
    n = 0;
    for (int i = 0; i <= eng->universe->n; i++)
        n += symbols[i].decided > 0;
    keel_pack_u32(p, n);
    for (int i = 0; i <= eng->universe->n; i++) {
        if (symbols[i].decided == 0)
            continue;
        keel_pack_u32(p, (uint32_t)i);
        keel_pack_u64(p, symbols[i].decided);
        keel_pack_u64(p, symbols[i].accepted);
        keel_pack_u64(p, symbols[i].executed);
    }
}

keel_status keel_coordinator_save(const keel_coordinator *eng, uint8_t *buf, size_t cap,
                                  size_t *len)
{
    keel_packer p = keel_packer_over(buf, cap);
    save_head(&p, eng);
    for (int i = 0; i < eng->strategies_n; i++) {
        save_counts(&p, eng, i);
        coordinator_ids_save(&p, &eng->state->ids, i);
    }
    coordinator_standing_save(&p, &eng->state->standing);
    return keel_packer_done(&p, len);
}

/* ---- load ---- */

static bool is_mode(uint8_t mode, bool may_be_unset)
{
    return (mode > KEEL_TRADING_UNSPECIFIED && mode <= KEEL_TRADING_HALTED) ||
           (may_be_unset && mode == KEEL_TRADING_UNSPECIFIED);
}

/* KEEL_EUNKNOWN: it is of another configuration. */
static keel_status load_names(keel_unpacker *u, const keel_coordinator *eng)
{
    char name[KEEL_NAME_MAX];
    bool is_ours = keel_unpack_u64(u) == eng->universe->hash;
    keel_unpack_str(u, name, sizeof name);
    is_ours = is_ours && strcmp(name, eng->portfolio) == 0;
    const uint32_t n = keel_unpack_u32(u);
    if (u->failed || n > KEEL_STRATEGIES_MAX)
        return KEEL_EFORMAT;
    is_ours = is_ours && n == (uint32_t)eng->strategies_n;
    for (uint32_t i = 0; i < n && !u->failed; i++) {
        keel_unpack_str(u, name, sizeof name);
        is_ours = is_ours && strcmp(name, eng->strategies[i].name) == 0;
    }
    if (u->failed)
        return KEEL_EFORMAT;
    return is_ours ? KEEL_OK : KEEL_EUNKNOWN;
}

static void load_head(keel_unpacker *u, const keel_coordinator *eng, coordinator_state *state)
{
    keel_coordinator_view *view = &state->view;
    view->step = keel_unpack_u64(u);
    view->now_ns = keel_unpack_i64(u);
    view->equity_micros = keel_unpack_i64(u);
    const uint8_t mode = keel_unpack_u8(u);
    view->mode = (keel_trading_mode)mode;
    view->rows = keel_unpack_u32(u);
    view->mode_changes = keel_unpack_u32(u);
    view->decision_seq = keel_unpack_u64(u);
    state->row_step = keel_unpack_u64(u);
    state->bar_ns = keel_unpack_i64(u);
    state->stops = keel_unpack_u32(u);
    const uint8_t changed = keel_unpack_u8(u);
    state->changed = changed == 1;
    keel_unpack_i64s(u, state->closes, (size_t)eng->universe->n);
    keel_unpack_bytes(u, state->strategy_modes, (size_t)eng->strategies_n);
    keel_unpack_bytes(u, state->asset_modes, (size_t)eng->universe->n);
    if (!is_mode(mode, false) || changed > 1 || view->now_ns < 0 || state->bar_ns < 0 ||
        view->decision_seq >> 47 != 0)
        u->failed = true;
    for (int i = 0; i < eng->strategies_n; i++)
        if (!is_mode(state->strategy_modes[i], true))
            u->failed = true;
    for (int i = 0; i < eng->universe->n; i++)
        if (!is_mode(state->asset_modes[i], true) || state->closes[i] < 0)
            u->failed = true;
}

/* Sums are taken here; a sum that overflows is no count. */
static void add(keel_unpacker *u, uint64_t *sum, uint64_t part)
{
    if (part == 0 || __builtin_add_overflow(*sum, part, sum))
        u->failed = true;
}

static void load_reasons(keel_unpacker *u, coordinator_counts *counts)
{
    const uint32_t n = keel_unpack_u32(u);
    uint32_t last = 0;
    for (uint32_t i = 0; i < n && !u->failed; i++) {
        const uint32_t code = keel_unpack_u32(u);
        const uint64_t count = keel_unpack_u64(u);
        if (code <= last || code > INT32_MAX || !keel_reason_is_known((int)code)) {
            u->failed = true;
            return;
        }
        last = code;
        counts->by_reason[coordinator_reason_slot_of((keel_reason_code)code)] = count;
        add(u, &counts->decided, count);
    }
}

static void load_symbols(keel_unpacker *u, int instruments_n, coordinator_counts *counts,
                         coordinator_symbol *symbols)
{
    const uint32_t n = keel_unpack_u32(u);
    uint64_t decided = 0, accepted = 0;
    int last = -1;
    for (uint32_t i = 0; i < n && !u->failed; i++) {
        const uint32_t at = keel_unpack_u32(u);
        if (at > (uint32_t)instruments_n || (int)at <= last) {
            u->failed = true;
            return;
        }
        coordinator_symbol *symbol = &symbols[at];
        last = (int)at;
        symbol->decided = keel_unpack_u64(u);
        symbol->accepted = keel_unpack_u64(u);
        symbol->executed = keel_unpack_u64(u);
        if (symbol->accepted > symbol->decided || symbol->executed > symbol->accepted)
            u->failed = true;
        add(u, &decided, symbol->decided);
        accepted += symbol->accepted;
        counts->executed += symbol->executed;
    }
    if (decided != counts->decided || accepted != counts->by_reason[COORDINATOR_REASON_ACCEPTED])
        u->failed = true;
}

static void load_strategy(keel_unpacker *u, const keel_coordinator *eng, coordinator_state *state,
                          int strategy)
{
    coordinator_counts *counts = &state->counts[strategy];
    counts->epoch_ns = keel_unpack_i64(u);
    counts->seq = keel_unpack_u64(u);
    if (counts->epoch_ns < 0)
        u->failed = true;
    load_reasons(u, counts);
    load_symbols(u, eng->universe->n, counts,
                 state->symbols + (size_t)strategy * ((size_t)eng->universe->n + 1));
    coordinator_ids_load(u, &state->ids, strategy, state->view.decision_seq);
}

static keel_status load_state(keel_unpacker *u, const keel_coordinator *eng,
                              coordinator_state *state)
{
    const bool is_ours = keel_unpack_u32(u) == MAGIC;
    const uint32_t version = keel_unpack_u32(u);
    if (u->failed || !is_ours)
        return KEEL_EFORMAT;
    if (version != VERSION)
        return KEEL_EVERSION;
    KEEL_TRY(load_names(u, eng));
    uint64_t decided = 0;
    load_head(u, eng, state);
    for (int i = 0; i < eng->strategies_n && !u->failed; i++) {
        load_strategy(u, eng, state, i);
        decided += state->counts[i].decided;
    }
    coordinator_standing_load(u, &state->standing, state->view.decision_seq);
    KEEL_TRY(keel_unpacker_done(u));
    return decided == state->view.decision_seq ? KEEL_OK : KEEL_EFORMAT;
}

keel_status keel_coordinator_load(keel_coordinator *eng, const uint8_t *buf, size_t len)
{
    keel_unpacker u = keel_unpacker_over(buf, len);
    coordinator_state *state = coordinator_state_new(eng->strategies_n, eng->universe->n);
    const keel_status status = load_state(&u, eng, state);
    if (status != KEEL_OK) {
        coordinator_state_free(&state);
        return status;
    }
    coordinator_state_free(&eng->state);
    eng->state = state;
    eng->head = eng->tail = eng->made_n = eng->batch_n = eng->checks_n = 0;
    for (int i = 0; i < eng->strategies_n; i++) {
        eng->queued[i].epoch_ns = state->counts[i].epoch_ns;
        eng->queued[i].seq = state->counts[i].seq;
        eng->queued[i].n = 0;
    }
    return KEEL_OK;
}
