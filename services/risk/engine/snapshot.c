/* Snapshot of the risk engine, version 2:
 *   u32 magic, u32 version, u64 universe hash, u32 n, then risk_state in the order of its fields.
 * Only what is in use is written: matrices that a proposal may still name, cells that hold or aim
 * at something, scopes that are halted. At 512 instruments a matrix is 1 MiB and a snapshot at most
 * 8 MiB: max_input_age 4 keeps four. Strategies go by name, so that a snapshot outlives one that is
 * added or removed. */
#include "services/risk/engine/risk_internal.h"

#include "common/base/mem.h"

#include <string.h>

enum { MAGIC = 0x4b534b52, VERSION = 2 };

risk_state *risk_state_new(int n, int strategies_n)
{
    const size_t count = (size_t)n, strategies = (size_t)strategies_n;
    risk_state *state = keel_xcalloc(1, sizeof *state);
    state->closes = keel_xcalloc(count, sizeof *state->closes);
    state->held_micros = keel_xcalloc(count, sizeof *state->held_micros);
    state->core_micros = keel_xcalloc(count, sizeof *state->core_micros);
    state->books = keel_xcalloc(KEEL_BOOKS_MAX, sizeof *state->books);
    state->cells = keel_xcalloc(strategies * count, sizeof *state->cells);
    state->purses = keel_xcalloc(strategies, sizeof *state->purses);
    state->strategy_scopes = keel_xcalloc(strategies, sizeof *state->strategy_scopes);
    state->asset_scopes = keel_xcalloc(count, sizeof *state->asset_scopes);
    for (int i = 0; i < KEEL_RISK_INPUT_STEPS; i++)
        state->covariances[i].packed = keel_xcalloc(keel_packed_len(n), sizeof(double));
    keel_stop_init(&state->stop);
    return state;
}

void risk_state_free(risk_state **state)
{
    if (*state == NULL)
        return;
    for (int i = 0; i < KEEL_RISK_INPUT_STEPS; i++)
        keel_free(&(*state)->covariances[i].packed);
    keel_free(&(*state)->closes);
    keel_free(&(*state)->held_micros);
    keel_free(&(*state)->core_micros);
    keel_free(&(*state)->books);
    keel_free(&(*state)->cells);
    keel_free(&(*state)->purses);
    keel_free(&(*state)->strategy_scopes);
    keel_free(&(*state)->asset_scopes);
    keel_free(state);
}

static void save_ref(keel_packer *p, const keel_input_ref *ref)
{
    keel_pack_u64(p, ref->step);
    if (ref->step == 0)
        return;
    keel_pack_str(p, ref->topic);
    keel_pack_u64(p, ref->payload_hash);
}

static void load_ref(keel_unpacker *u, keel_input_ref *ref)
{
    ref->step = keel_unpack_u64(u);
    if (ref->step == 0)
        return;
    keel_unpack_str(u, ref->topic, sizeof ref->topic);
    ref->payload_hash = keel_unpack_u64(u);
}

/* Steps after the snapshot may name it, or size signals and report by it. */
static bool is_needed(const keel_risk *risk, const risk_covariance *covariance)
{
    const risk_state *s = risk->state;
    return covariance->has_matrix &&
           (covariance->ref.step == s->cov_step ||
            s->step + 1 - covariance->ref.step <= (uint64_t)risk->cfg.max_input_age);
}

static void save_covariance(keel_packer *p, const keel_risk *risk,
                            const risk_covariance *covariance)
{
    const bool has_matrix = is_needed(risk, covariance);
    save_ref(p, &covariance->ref);
    if (covariance->ref.step == 0)
        return;
    keel_pack_i64(p, covariance->bar_ns);
    keel_pack_u32(p, (uint32_t)covariance->basis.estimator);
    keel_pack_u32(p, (uint32_t)covariance->basis.rows);
    keel_pack_u32(p, (uint32_t)covariance->basis.rows_min);
    keel_pack_u8(p, has_matrix);
    if (has_matrix)
        keel_pack_reals(p, covariance->packed, keel_packed_len(risk->cfg.universe->n));
}

static bool unpack_flag(keel_unpacker *u)
{
    const uint8_t flag = keel_unpack_u8(u);
    if (flag > 1)
        u->failed = true;
    return flag != 0;
}

/* A count or index below `bound`; 0 once failed. */
static int unpack_below(keel_unpacker *u, uint32_t bound)
{
    const uint32_t value = keel_unpack_u32(u);
    if (value >= bound)
        u->failed = true;
    return u->failed ? 0 : (int)value;
}

static void load_covariance(keel_unpacker *u, risk_covariance *covariance, int n)
{
    load_ref(u, &covariance->ref);
    if (covariance->ref.step == 0)
        return;
    covariance->bar_ns = keel_unpack_i64(u);
    const uint32_t estimator = keel_unpack_u32(u);
    if (estimator > KEEL_ESTIMATOR_DIAGONAL)
        u->failed = true;
    covariance->basis.estimator = (keel_estimator)estimator;
    covariance->basis.rows = unpack_below(u, INT32_MAX);
    covariance->basis.rows_min = unpack_below(u, INT32_MAX);
    covariance->has_matrix = unpack_flag(u);
    if (covariance->has_matrix)
        keel_unpack_reals(u, covariance->packed, keel_packed_len(n));
}

static void save_portfolio(keel_packer *p, const risk_state *s, int n)
{
    keel_pack_u8(p, s->has_portfolio);
    keel_pack_i64(p, s->equity_micros);
    keel_pack_u8(p, s->is_flat);
    keel_pack_u32(p, (uint32_t)s->books_n);
    for (int b = 0; b < s->books_n; b++) {
        keel_pack_str(p, s->books[b].name);
        keel_pack_i64(p, s->books[b].equity_micros);
    }
    keel_pack_i64s(p, s->held_micros, (size_t)n);
    keel_pack_i64s(p, s->core_micros, (size_t)n);
}

static void load_portfolio(keel_unpacker *u, risk_state *s, int n)
{
    s->has_portfolio = unpack_flag(u);
    s->equity_micros = keel_unpack_i64(u);
    s->is_flat = unpack_flag(u);
    const uint32_t books = keel_unpack_u32(u);
    if (books > KEEL_BOOKS_MAX) {
        u->failed = true;
        return;
    }
    s->books_n = (int)books;
    for (int b = 0; b < s->books_n; b++) {
        keel_unpack_str(u, s->books[b].name, sizeof s->books[b].name);
        s->books[b].equity_micros = keel_unpack_i64(u);
    }
    keel_unpack_i64s(u, s->held_micros, (size_t)n);
    keel_unpack_i64s(u, s->core_micros, (size_t)n);
}

/* ---- strategies ---- */

static bool is_empty(const risk_cell *cell)
{
    return cell->held_units == 0 && cell->version == 0;
}

static void save_cells(keel_packer *p, const keel_risk *risk)
{
    const risk_state *s = risk->state;
    const size_t cells = risk_cell_at(risk, risk->cfg.strategies_n, 0);
    uint32_t used = 0;
    for (size_t k = 0; k < cells; k++)
        used += !is_empty(&s->cells[k]);
    keel_pack_u32(p, used);
    for (size_t k = 0; k < cells; k++) {
        const risk_cell *cell = &s->cells[k];
        if (is_empty(cell))
            continue;
        keel_pack_u32(p, (uint32_t)(k / (size_t)risk->cfg.universe->n));
        keel_pack_u32(p, (uint32_t)(k % (size_t)risk->cfg.universe->n));
        keel_pack_i64(p, cell->held_units);
        keel_pack_u64(p, cell->version);
        keel_pack_i64(p, cell->target_units);
        keel_pack_i64(p, cell->stop_units);
        keel_pack_i64(p, cell->valid_until_ns);
        keel_pack_u8(p, cell->is_filled);
    }
}

/* ranks[k] = rank today of the snapshot's k-th strategy, -1 when it is not configured any more. */
static void load_cells(keel_unpacker *u, const keel_risk *risk, risk_state *s, const int *ranks,
                       int names)
{
    const uint32_t n = (uint32_t)risk->cfg.universe->n;
    const uint32_t used = keel_unpack_u32(u);
    int64_t last = -1;
    for (uint32_t k = 0; k < used && !u->failed; k++) {
        const int name = unpack_below(u, (uint32_t)names), i = unpack_below(u, n);
        const int64_t at = (int64_t)name * n + i;
        risk_cell cell = {.held_units = keel_unpack_i64(u)};
        cell.version = keel_unpack_u64(u);
        cell.target_units = keel_unpack_i64(u);
        cell.stop_units = keel_unpack_i64(u);
        cell.valid_until_ns = keel_unpack_i64(u);
        cell.is_filled = unpack_flag(u);
        if (at <= last || is_empty(&cell) || cell.stop_units < 0 || cell.version > s->folded_seq)
            u->failed = true;
        last = at;
        if (u->failed || ranks[name] < 0)
            continue;
        s->cells[risk_cell_at(risk, ranks[name], i)] = cell;
        s->folded_n += cell.version != 0;
    }
}

static void save_scopes(keel_packer *p, const risk_scope *scopes, int n)
{
    uint32_t halted = 0;
    for (int k = 0; k < n; k++)
        halted += scopes[k].is_halted;
    keel_pack_u32(p, halted);
    for (int k = 0; k < n; k++) {
        if (!scopes[k].is_halted)
            continue;
        keel_pack_u32(p, (uint32_t)k);
        keel_pack_str(p, scopes[k].reason.text);
    }
}

static void load_scopes(keel_unpacker *u, risk_scope *scopes, const int *ranks, int n)
{
    const uint32_t halted = keel_unpack_u32(u);
    int last = -1;
    for (uint32_t k = 0; k < halted && !u->failed; k++) {
        const int at = unpack_below(u, (uint32_t)n);
        risk_scope scope = {.is_halted = true, .reason.code = KEEL_REASON_OPERATOR_HALT};
        keel_unpack_str(u, scope.reason.text, sizeof scope.reason.text);
        if (at <= last || scope.reason.text[0] == '\0')
            u->failed = true;
        last = at;
        const int to = u->failed ? -1 : ranks != NULL ? ranks[at] : at;
        if (to >= 0)
            scopes[to] = scope;
    }
}

static void save_strategies(keel_packer *p, const keel_risk *risk)
{
    const risk_state *s = risk->state;
    keel_pack_u32(p, (uint32_t)risk->cfg.strategies_n);
    for (int b = 0; b < risk->cfg.strategies_n; b++) {
        keel_pack_str(p, risk->strategies[b].name);
        keel_pack_i64(p, s->purses[b].cash_micros);
        keel_pack_i64(p, s->purses[b].equity_micros);
    }
    keel_pack_u64(p, s->folded_seq);
    save_cells(p, risk);
    save_scopes(p, s->strategy_scopes, risk->cfg.strategies_n);
    save_scopes(p, s->asset_scopes, risk->cfg.universe->n);
    keel_pack_u32(p, (uint32_t)s->early_n);
    for (int k = 0; k < s->early_n; k++)
        keel_pack_u64(p, s->early[k]);
}

static int load_purses(keel_unpacker *u, const keel_risk *risk, risk_state *s, int *ranks)
{
    char name[KEEL_NAME_MAX], last[KEEL_NAME_MAX] = "";
    const int names = unpack_below(u, KEEL_STRATEGIES_MAX + 1);
    for (int k = 0; k < names && !u->failed; k++) {
        keel_unpack_str(u, name, sizeof name);
        const risk_purse purse = {keel_unpack_i64(u), keel_unpack_i64(u)};
        if (u->failed || strcmp(name, last) <= 0) {
            u->failed = true;
            break;
        }
        memcpy(last, name, sizeof last);
        ranks[k] = risk_strategy_find(risk, name);
        if (ranks[k] >= 0)
            s->purses[ranks[k]] = purse;
    }
    return names;
}

static void load_strategies(keel_unpacker *u, const keel_risk *risk, risk_state *s)
{
    int ranks[KEEL_STRATEGIES_MAX] = {0};
    const int names = load_purses(u, risk, s, ranks);
    s->folded_seq = keel_unpack_u64(u);
    load_cells(u, risk, s, ranks, names);
    load_scopes(u, s->strategy_scopes, ranks, names);
    load_scopes(u, s->asset_scopes, NULL, risk->cfg.universe->n);
    s->early_n = unpack_below(u, RISK_EARLY_MAX + 1);
    for (int k = 0; k < s->early_n; k++) {
        s->early[k] = keel_unpack_u64(u);
        if (s->early[k] <= s->folded_seq)
            u->failed = true;
    }
}

keel_status keel_risk_save(const keel_risk *risk, uint8_t *buf, size_t cap, size_t *len)
{
    const risk_state *s = risk->state;
    const int n = risk->cfg.universe->n;
    keel_packer p = keel_packer_over(buf, cap);
    if (risk->pending.is_open)
        return KEEL_EORDER;
    keel_pack_u32(&p, MAGIC);
    keel_pack_u32(&p, VERSION);
    keel_pack_u64(&p, risk->cfg.universe->hash);
    keel_pack_u32(&p, (uint32_t)n);
    keel_pack_u64(&p, s->step);
    keel_pack_i64(&p, s->now_ns);
    keel_pack_u64(&p, s->cov_step);
    save_portfolio(&p, s, n);
    keel_stop_save(&s->stop, &p);
    for (int i = 0; i < KEEL_RISK_INPUT_STEPS; i++) {
        save_ref(&p, &s->portfolios[i]);
        save_covariance(&p, risk, &s->covariances[i]);
    }
    keel_pack_i64s(&p, s->closes, (size_t)n);
    save_strategies(&p, risk);
    return keel_packer_done(&p, len);
}

static bool closes_are_sound(const risk_state *s, int n)
{
    for (int i = 0; i < n; i++)
        if (s->closes[i] < 0)
            return false;
    return true;
}

/* Slots must lie where a lookup would put them, or a later step would read another one's matrix. */
static bool slots_are_sound(const risk_state *s)
{
    bool newest_found = s->cov_step == 0;
    for (int i = 0; i < KEEL_RISK_INPUT_STEPS; i++) {
        const uint64_t portfolio = s->portfolios[i].step;
        const uint64_t covariance = s->covariances[i].ref.step;
        if (portfolio > s->step || covariance > s->step ||
            (portfolio != 0 && portfolio % KEEL_RISK_INPUT_STEPS != (uint64_t)i) ||
            (covariance != 0 && covariance % KEEL_RISK_INPUT_STEPS != (uint64_t)i))
            return false;
        newest_found = newest_found || (covariance == s->cov_step && s->covariances[i].has_matrix);
    }
    return newest_found;
}

static keel_status load_state(const keel_risk *risk, keel_unpacker *u, risk_state *s)
{
    const int n = risk->cfg.universe->n;
    const bool is_ours = keel_unpack_u32(u) == MAGIC;
    const uint32_t version = keel_unpack_u32(u);
    const uint64_t hash = keel_unpack_u64(u);
    const uint32_t count = keel_unpack_u32(u);
    if (u->failed || !is_ours)
        return KEEL_EFORMAT;
    if (version != VERSION)
        return KEEL_EVERSION;
    if (hash != risk->cfg.universe->hash || count != (uint32_t)n)
        return KEEL_EUNKNOWN;
    s->step = keel_unpack_u64(u);
    s->now_ns = keel_unpack_i64(u);
    s->cov_step = keel_unpack_u64(u);
    load_portfolio(u, s, n);
    keel_stop_load(&s->stop, u);
    for (int i = 0; i < KEEL_RISK_INPUT_STEPS; i++) {
        load_ref(u, &s->portfolios[i]);
        load_covariance(u, &s->covariances[i], n);
    }
    keel_unpack_i64s(u, s->closes, (size_t)n);
    load_strategies(u, risk, s);
    KEEL_TRY(keel_unpacker_done(u));
    return slots_are_sound(s) && closes_are_sound(s, n) ? KEEL_OK : KEEL_EFORMAT;
}

keel_status keel_risk_load(keel_risk *risk, const uint8_t *buf, size_t len)
{
    keel_unpacker u = keel_unpacker_over(buf, len);
    risk_state *loaded = risk_state_new(risk->cfg.universe->n, risk->cfg.strategies_n);
    const keel_status status = load_state(risk, &u, loaded);
    if (status != KEEL_OK) {
        risk_state_free(&loaded);
        return status;
    }
    risk_state_free(&risk->state);
    risk->state = loaded;
    risk->pending.is_open = false;
    return KEEL_OK;
}
