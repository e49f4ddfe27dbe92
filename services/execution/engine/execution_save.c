/* Snapshot: u32 magic, u32 version, u64 universe hash, u32 n, the state's fields in the order of
 * execution_state, held[n], then per instrument u8 slot state and its order, then the waiting
 * approval's four arrays when there is one. A load reads the bytes twice, first only checking, so
 * that a bad snapshot changes nothing and no second engine is needed.
 */
#include "services/execution/engine/execution.h"

#include "common/base/assert.h"
#include "common/base/pack.h"
#include "common/base/text.h"
#include "services/execution/engine/execution_internal.h"
#include "services/execution/engine/plan.h"

#include <string.h>

enum { SNAPSHOT_MAGIC = 0x4558454b, SNAPSHOT_VERSION = 1 };

/* ---- save ---- */

static void pack_reason(keel_packer *p, const keel_reason *reason)
{
    keel_pack_u32(p, (uint32_t)reason->code);
    keel_pack_str(p, reason->text);
}

static void pack_order(keel_packer *p, const keel_order *o)
{
    keel_pack_str(p, o->order_id);
    keel_pack_i64(p, o->qty_units);
    pack_reason(p, &o->reason);
    keel_pack_u32(p, (uint32_t)o->books_n);
    for (int b = 0; b < o->books_n; b++) {
        keel_pack_str(p, o->books[b].book);
        keel_pack_i64(p, o->books[b].qty_units);
        keel_pack_u64(p, o->books[b].intent_version);
    }
    keel_pack_i64(p, o->limit_lo_units);
    keel_pack_i64(p, o->limit_hi_units);
}

static void pack_state(keel_packer *p, const execution_state *s)
{
    keel_pack_u8(p, (uint8_t)s->mode);
    keel_pack_u64(p, s->planned_step);
    keel_pack_u64(p, s->approval_step);
    keel_pack_u64(p, s->approval_hash);
    keel_pack_u8(p, s->hash_only);
    keel_pack_u8(p, s->consumed_now);
    keel_pack_u64(p, s->approval_before);
    keel_pack_str(p, s->plan_id);
    keel_pack_i64(p, s->cash_micros);
    keel_pack_i64(p, s->keep_micros);
    keel_pack_i64(p, s->row_ns);
    keel_pack_u32(p, (uint32_t)s->fills);
    keel_pack_u8(p, s->fresh);
    keel_pack_u8(p, s->flatten);
    keel_pack_u64(p, s->fresh_step);
    keel_pack_u64(p, s->fresh_hash);
    keel_pack_i64(p, s->equity_micros);
    pack_reason(p, &s->why);
}

keel_status keel_execution_save(const keel_execution *eng, uint8_t *buf, size_t cap, size_t *len)
{
    const size_t n = (size_t)eng->n;
    keel_packer p = keel_packer_over(buf, cap);
    keel_pack_u32(&p, SNAPSHOT_MAGIC);
    keel_pack_u32(&p, SNAPSHOT_VERSION);
    keel_pack_u64(&p, eng->universe.hash);
    keel_pack_u32(&p, (uint32_t)eng->n);
    pack_state(&p, &eng->state);
    keel_pack_i64s(&p, eng->held, n);
    for (int i = 0; i < eng->n; i++) {
        keel_pack_u8(&p, (uint8_t)eng->slots[i].state);
        if (eng->slots[i].state != SLOT_EMPTY)
            pack_order(&p, &eng->slots[i].order);
    }
    if (eng->state.fresh) {
        keel_pack_reals(&p, eng->fresh.weight, n);
        keel_pack_reals(&p, eng->fresh.lower, n);
        keel_pack_reals(&p, eng->fresh.upper, n);
        keel_pack_i64s(&p, eng->fresh.price_units, n);
    }
    return keel_packer_done(&p, len);
}

/* ---- load ---- */

static bool unpack_bool(keel_unpacker *u)
{
    const uint8_t value = keel_unpack_u8(u);
    if (value > 1)
        u->failed = true;
    return value == 1;
}

static void unpack_reason(keel_unpacker *u, keel_reason *reason)
{
    const uint32_t code = keel_unpack_u32(u);
    if (code != KEEL_REASON_UNSPECIFIED && (code > INT32_MAX || !keel_reason_is_known((int)code)))
        u->failed = true;
    reason->code = (keel_reason_code)code;
    keel_unpack_str(u, reason->text, sizeof reason->text);
}

static void unpack_order(keel_unpacker *u, int instrument, keel_order *o)
{
    *o = (keel_order){.instrument = instrument};
    keel_unpack_str(u, o->order_id, sizeof o->order_id);
    o->qty_units = keel_unpack_i64(u);
    unpack_reason(u, &o->reason);
    const uint32_t books = keel_unpack_u32(u);
    if (books > KEEL_BOOK_PARTS_MAX || o->qty_units == 0 || o->qty_units > KEEL_PLAN_UNITS_MAX ||
        o->qty_units < -KEEL_PLAN_UNITS_MAX)
        u->failed = true;
    o->books_n = u->failed ? 0 : (int)books;
    for (int b = 0; b < o->books_n; b++) {
        keel_unpack_str(u, o->books[b].book, sizeof o->books[b].book);
        o->books[b].qty_units = keel_unpack_i64(u);
        o->books[b].intent_version = keel_unpack_u64(u);
    }
    o->limit_lo_units = keel_unpack_i64(u);
    o->limit_hi_units = keel_unpack_i64(u);
}

static void unpack_state(keel_unpacker *u, int n, execution_state *s)
{
    const uint8_t mode = keel_unpack_u8(u);
    s->mode = (keel_trading_mode)mode;
    s->planned_step = keel_unpack_u64(u);
    s->approval_step = keel_unpack_u64(u);
    s->approval_hash = keel_unpack_u64(u);
    s->hash_only = unpack_bool(u);
    s->consumed_now = unpack_bool(u);
    s->approval_before = keel_unpack_u64(u);
    keel_unpack_str(u, s->plan_id, sizeof s->plan_id);
    s->cash_micros = keel_unpack_i64(u);
    s->keep_micros = keel_unpack_i64(u);
    s->row_ns = keel_unpack_i64(u);
    const uint32_t fills = keel_unpack_u32(u);
    s->fills = (int)fills;
    s->fresh = unpack_bool(u);
    s->flatten = unpack_bool(u);
    s->fresh_step = keel_unpack_u64(u);
    s->fresh_hash = keel_unpack_u64(u);
    s->equity_micros = keel_unpack_i64(u);
    unpack_reason(u, &s->why);
    if (mode > KEEL_TRADING_HALTED || fills > (uint32_t)n || s->keep_micros < 0 ||
        s->equity_micros < 0)
        u->failed = true;
}

/* One pass over the bytes; `eng` is changed only when `apply`. */
static void unpack_engine(keel_unpacker *u, keel_execution *eng, bool apply)
{
    execution_state state = {0};
    const size_t n = (size_t)eng->n;
    unpack_state(u, eng->n, &state);
    for (size_t i = 0; i < n; i++) {
        const int64_t held = keel_unpack_i64(u);
        if (held > KEEL_PLAN_UNITS_MAX || held < -KEEL_PLAN_UNITS_MAX)
            u->failed = true;
        if (apply)
            eng->held[i] = held;
    }
    for (int i = 0; i < eng->n && !u->failed; i++) {
        slot s = {.state = (slot_state)keel_unpack_u8(u)};
        if ((unsigned)s.state >= SLOT_STATES)
            u->failed = true;
        else if (s.state != SLOT_EMPTY)
            unpack_order(u, i, &s.order);
        if (apply)
            eng->slots[i] = s;
    }
    for (size_t i = 0; state.fresh && i < 3 * n; i++) {
        double *array = i < n ? eng->fresh.weight : i < 2 * n ? eng->fresh.lower : eng->fresh.upper;
        const double value = keel_unpack_real(u);
        if (apply)
            array[i % n] = value;
    }
    for (size_t i = 0; state.fresh && i < n; i++) {
        const int64_t price = keel_unpack_i64(u);
        if (price < 0)
            u->failed = true;
        if (apply)
            eng->fresh.price_units[i] = price;
    }
    if (apply)
        eng->state = state;
}

keel_status keel_execution_load(keel_execution *eng, const uint8_t *buf, size_t len)
{
    keel_unpacker u = keel_unpacker_over(buf, len);
    const uint32_t magic = keel_unpack_u32(&u);
    const uint32_t version = keel_unpack_u32(&u);
    const uint64_t hash = keel_unpack_u64(&u);
    const uint32_t n = keel_unpack_u32(&u);
    if (u.failed || magic != SNAPSHOT_MAGIC || version != SNAPSHOT_VERSION ||
        hash != eng->universe.hash || n != (uint32_t)eng->n)
        return KEEL_EFORMAT;
    keel_unpacker again = u;
    unpack_engine(&u, eng, false);
    KEEL_TRY(keel_unpacker_done(&u));
    unpack_engine(&again, eng, true);
    return KEEL_OK;
}
