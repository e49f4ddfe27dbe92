/* Snapshot of the risk engine, version 1:
 *   u32 magic, u32 version, u64 universe hash, u32 n, then risk_state in the order of its fields.
 * Only slots in use are written: a snapshot of a run without covariance is small. */
#include "services/risk/engine/risk_internal.h"

#include "common/base/mem.h"

#include <string.h>

enum { MAGIC = 0x4b534b52, VERSION = 1 };

risk_state *risk_state_new(int n)
{
    const size_t count = (size_t)n;
    risk_state *state = keel_xcalloc(1, sizeof *state);
    state->closes = keel_xcalloc(count, sizeof *state->closes);
    state->held_micros = keel_xcalloc(count, sizeof *state->held_micros);
    state->core_micros = keel_xcalloc(count, sizeof *state->core_micros);
    state->books = keel_xcalloc(KEEL_BOOKS_MAX, sizeof *state->books);
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

static void save_covariance(keel_packer *p, const risk_covariance *covariance, int n)
{
    save_ref(p, &covariance->ref);
    if (covariance->ref.step == 0)
        return;
    keel_pack_i64(p, covariance->bar_ns);
    keel_pack_u32(p, (uint32_t)covariance->basis.estimator);
    keel_pack_u32(p, (uint32_t)covariance->basis.rows);
    keel_pack_reals(p, covariance->packed, keel_packed_len(n));
}

static void load_covariance(keel_unpacker *u, risk_covariance *covariance, int n)
{
    load_ref(u, &covariance->ref);
    if (covariance->ref.step == 0)
        return;
    covariance->bar_ns = keel_unpack_i64(u);
    const uint32_t estimator = keel_unpack_u32(u);
    const uint32_t rows = keel_unpack_u32(u);
    if (estimator > KEEL_ESTIMATOR_DIAGONAL || rows > INT32_MAX)
        u->failed = true;
    covariance->basis.estimator = (keel_estimator)estimator;
    covariance->basis.rows = (int)rows;
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

static bool unpack_flag(keel_unpacker *u)
{
    const uint8_t flag = keel_unpack_u8(u);
    if (flag > 1)
        u->failed = true;
    return flag != 0;
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
        save_covariance(&p, &s->covariances[i], n);
    }
    keel_pack_i64s(&p, s->closes, (size_t)n);
    return keel_packer_done(&p, len);
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
        newest_found = newest_found || covariance == s->cov_step;
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
    KEEL_TRY(keel_unpacker_done(u));
    return slots_are_sound(s) ? KEEL_OK : KEEL_EFORMAT;
}

keel_status keel_risk_load(keel_risk *risk, const uint8_t *buf, size_t len)
{
    keel_unpacker u = keel_unpacker_over(buf, len);
    risk_state *loaded = risk_state_new(risk->cfg.universe->n);
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
