/* Snapshot: u32 magic, u32 version, u64 universe hash, u32 n, u32 books and their names, the
 * state's fields in the order of execution_state, u8 mode of each book and instrument, held[n],
 * closes[n], then per instrument u8 slot state and its order, the cells, the intents that wait,
 * then the waiting approval's four arrays when there is one. A load reads the bytes twice, first
 * only checking, so that a bad snapshot changes nothing and no second engine is needed.
 */
#include "services/execution/engine/execution.h"

#include "common/base/assert.h"
#include "common/base/pack.h"
#include "common/base/text.h"
#include "common/domain/fixed.h"
#include "services/execution/engine/execution_internal.h"
#include "services/execution/engine/plan.h"

#include <string.h>

enum { SNAPSHOT_MAGIC = 0x4558454b, SNAPSHOT_VERSION = 2 };

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
    keel_pack_u8(p, (uint8_t)s->deadman);
    keel_pack_u8(p, s->stopped);
    keel_pack_u64(p, s->decision_seq);
    keel_pack_u64(p, s->consumed_decision);
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

static void pack_cells(keel_packer *p, const keel_cells *cells)
{
    keel_pack_u32(p, (uint32_t)cells->n);
    for (int k = 0; k < cells->n; k++) {
        const keel_cell *c = &cells->at[k];
        keel_pack_u32(p, (uint32_t)c->book);
        keel_pack_u32(p, (uint32_t)c->instrument);
        keel_pack_i64(p, c->held_units);
        keel_pack_i64(p, c->target_qty_units);
        keel_pack_u64(p, c->version);
        keel_pack_i64(p, c->stop_units);
        keel_pack_i64(p, c->take_units);
        keel_pack_i64(p, c->valid_until_ns);
        keel_pack_u8(p, c->stopped);
        keel_pack_u8(p, c->bare);
        keel_pack_u32(p, (uint32_t)c->given_up);
        keel_pack_i64(p, c->given_up_units);
    }
}

static void pack_slots(keel_packer *p, const keel_execution *eng)
{
    for (int i = 0; i < eng->n; i++) {
        keel_pack_u8(p, (uint8_t)eng->slots[i].state);
        if (eng->slots[i].state != SLOT_EMPTY)
            pack_order(p, &eng->slots[i].order);
    }
}

keel_status keel_execution_save(const keel_execution *eng, uint8_t *buf, size_t cap, size_t *len)
{
    const size_t n = (size_t)eng->n;
    keel_packer p = keel_packer_over(buf, cap);
    keel_pack_u32(&p, SNAPSHOT_MAGIC);
    keel_pack_u32(&p, SNAPSHOT_VERSION);
    keel_pack_u64(&p, eng->universe.hash);
    keel_pack_u32(&p, (uint32_t)eng->n);
    keel_pack_u32(&p, (uint32_t)eng->books_n);
    for (int b = 0; b < eng->books_n; b++)
        keel_pack_str(&p, eng->books[b].name);
    pack_state(&p, &eng->state);
    for (int b = 0; b < eng->books_n; b++)
        keel_pack_u8(&p, (uint8_t)eng->books[b].mode);
    for (int i = 0; i < eng->n; i++)
        keel_pack_u8(&p, (uint8_t)eng->assets[i]);
    keel_pack_i64s(&p, eng->held, n);
    keel_pack_i64s(&p, eng->closes, n);
    pack_slots(&p, eng);
    pack_cells(&p, &eng->cells);
    pack_cells(&p, &eng->fresh);
    if (eng->state.fresh) {
        keel_pack_reals(&p, eng->fresh_weights.weight, n);
        keel_pack_reals(&p, eng->fresh_weights.lower, n);
        keel_pack_reals(&p, eng->fresh_weights.upper, n);
        keel_pack_i64s(&p, eng->fresh_weights.price_units, n);
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

static int64_t unpack_within(keel_unpacker *u, int64_t most)
{
    const int64_t value = keel_unpack_i64(u);
    if (value > most || value < -most)
        u->failed = true;
    return value;
}

/* Parts are in the order of books, core's alone without a version, and add up to the order. */
static void unpack_parts(keel_unpacker *u, const keel_execution *eng, keel_order *o)
{
    keel_i128 sum = 0;
    int last = -1;
    for (int b = 0; b < o->books_n && !u->failed; b++) {
        keel_book_target *part = &o->books[b];
        keel_unpack_str(u, part->book, sizeof part->book);
        part->qty_units = keel_unpack_i64(u);
        part->intent_version = keel_unpack_u64(u);
        const int book = execution_find_book(eng, part->book);
        const int64_t most = book == EXECUTION_CORE ? KEEL_PLAN_UNITS_MAX : KEEL_CELL_UNITS_MAX;
        if (book <= last || (book == EXECUTION_CORE) != (part->intent_version == 0) ||
            part->qty_units == 0 || part->qty_units > most || part->qty_units < -most)
            u->failed = true;
        last = book;
        sum += part->qty_units;
    }
    if (sum != o->qty_units)
        u->failed = true;
}

static void unpack_order(keel_unpacker *u, const keel_execution *eng, int instrument, keel_order *o)
{
    *o = (keel_order){.instrument = instrument};
    keel_unpack_str(u, o->order_id, sizeof o->order_id);
    o->qty_units = unpack_within(u, KEEL_PLAN_UNITS_MAX);
    unpack_reason(u, &o->reason);
    const uint32_t books = keel_unpack_u32(u);
    if (books < 1 || books > KEEL_BOOK_PARTS_MAX || strlen(o->order_id) + 3 > KEEL_ID_MAX)
        u->failed = true;
    o->books_n = u->failed ? 0 : (int)books;
    unpack_parts(u, eng, o);
    o->limit_lo_units = keel_unpack_i64(u);
    o->limit_hi_units = keel_unpack_i64(u);
}

static keel_trading_mode unpack_mode(keel_unpacker *u)
{
    const uint8_t mode = keel_unpack_u8(u);
    if (mode > KEEL_TRADING_HALTED)
        u->failed = true;
    return (keel_trading_mode)mode;
}

static void unpack_state(keel_unpacker *u, const keel_execution *eng, execution_state *s)
{
    s->mode = unpack_mode(u);
    s->deadman = unpack_mode(u);
    s->stopped = unpack_bool(u);
    s->decision_seq = keel_unpack_u64(u);
    s->consumed_decision = keel_unpack_u64(u);
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
    if (s->deadman == KEEL_TRADING_UNSPECIFIED || s->consumed_decision > s->decision_seq ||
        fills > (uint32_t)(eng->n + eng->cells.max) || s->keep_micros < 0 || s->equity_micros < 0 ||
        strlen(s->plan_id) >= EXECUTION_PLAN_ID_MAX)
        u->failed = true;
}

static bool is_said(keel_reason_code code)
{
    return code == KEEL_REASON_UNSPECIFIED || keel_reason_is_known((int)code);
}

static keel_cell unpack_cell(keel_unpacker *u, const keel_execution *eng)
{
    keel_cell c = {0};
    const uint32_t book = keel_unpack_u32(u), instrument = keel_unpack_u32(u);
    c.held_units = unpack_within(u, KEEL_CELL_UNITS_MAX);
    c.target_qty_units = unpack_within(u, KEEL_CELL_UNITS_MAX);
    c.version = keel_unpack_u64(u);
    c.stop_units = keel_unpack_i64(u);
    c.take_units = keel_unpack_i64(u);
    c.valid_until_ns = keel_unpack_i64(u);
    c.stopped = unpack_bool(u);
    c.bare = unpack_bool(u);
    const uint32_t given_up = keel_unpack_u32(u);
    c.given_up_units = keel_unpack_i64(u);
    if (book <= EXECUTION_CORE || book >= (uint32_t)eng->books_n ||
        instrument >= (uint32_t)eng->n || c.version == 0 || c.stop_units < 0 || c.take_units < 0 ||
        c.valid_until_ns < 0 || given_up > INT32_MAX || !is_said((keel_reason_code)given_up))
        u->failed = true;
    c.book = (int)book;
    c.instrument = (int)instrument;
    c.given_up = (keel_reason_code)given_up;
    return c;
}

/* A table in its order. */
static void unpack_cells(keel_unpacker *u, const keel_execution *eng, keel_cells *cells, bool apply)
{
    const uint32_t n = keel_unpack_u32(u);
    keel_cell last = {.book = -1};
    if (n > (uint32_t)cells->max)
        u->failed = true;
    for (uint32_t k = 0; k < n && !u->failed; k++) {
        const keel_cell c = unpack_cell(u, eng);
        if (c.book < last.book || (c.book == last.book && c.instrument <= last.instrument))
            u->failed = true;
        last = c;
        if (apply)
            cells->at[k] = c;
    }
    if (apply)
        cells->n = (int)n;
}

static void unpack_modes(keel_unpacker *u, keel_execution *eng, bool apply)
{
    for (int b = 0; b < eng->books_n; b++) {
        const keel_trading_mode mode = unpack_mode(u);
        eng->books[b].mode = apply ? mode : eng->books[b].mode;
    }
    for (int i = 0; i < eng->n; i++) {
        const keel_trading_mode mode = unpack_mode(u);
        eng->assets[i] = apply ? mode : eng->assets[i];
    }
}

static void unpack_quantities(keel_unpacker *u, keel_execution *eng, bool apply)
{
    for (int i = 0; i < eng->n; i++) {
        const int64_t held = unpack_within(u, KEEL_PLAN_UNITS_MAX);
        eng->held[i] = apply ? held : eng->held[i];
    }
    for (int i = 0; i < eng->n; i++) {
        const int64_t close = keel_unpack_i64(u);
        if (close < 0)
            u->failed = true;
        eng->closes[i] = apply ? close : eng->closes[i];
    }
}

static void unpack_slots(keel_unpacker *u, keel_execution *eng, bool apply)
{
    for (int i = 0; i < eng->n && !u->failed; i++) {
        slot s = {.state = (slot_state)keel_unpack_u8(u)};
        if ((unsigned)s.state >= SLOT_STATES)
            u->failed = true;
        else if (s.state != SLOT_EMPTY)
            unpack_order(u, eng, i, &s.order);
        if (apply)
            eng->slots[i] = s;
    }
}

/* One pass over the bytes; `eng` is changed only when `apply`. */
static void unpack_engine(keel_unpacker *u, keel_execution *eng, bool apply)
{
    execution_state state = {0};
    const size_t n = (size_t)eng->n;
    execution_weights *w = &eng->fresh_weights;
    unpack_state(u, eng, &state);
    unpack_modes(u, eng, apply);
    unpack_quantities(u, eng, apply);
    unpack_slots(u, eng, apply);
    unpack_cells(u, eng, &eng->cells, apply);
    unpack_cells(u, eng, &eng->fresh, apply);
    for (size_t i = 0; state.fresh && i < 3 * n; i++) {
        double *array = i < n ? w->weight : i < 2 * n ? w->lower : w->upper;
        const double value = keel_unpack_real(u);
        if (apply)
            array[i % n] = value;
    }
    for (size_t i = 0; state.fresh && i < n; i++) {
        const int64_t price = keel_unpack_i64(u);
        if (price < 0)
            u->failed = true;
        if (apply)
            w->price_units[i] = price;
    }
    if (!apply)
        return;
    eng->state = state;
    eng->state.consumed_now = false; /* what the last plan consumed is not in here to take back */
    eng->planned.n = 0;
    execution_tidy(eng);
}

keel_status keel_execution_load(keel_execution *eng, const uint8_t *buf, size_t len)
{
    keel_unpacker u = keel_unpacker_over(buf, len);
    const uint32_t magic = keel_unpack_u32(&u);
    const uint32_t version = keel_unpack_u32(&u);
    const uint64_t hash = keel_unpack_u64(&u);
    const uint32_t n = keel_unpack_u32(&u), books = keel_unpack_u32(&u);
    if (u.failed || magic != SNAPSHOT_MAGIC || version != SNAPSHOT_VERSION ||
        hash != eng->universe.hash || n != (uint32_t)eng->n || books != (uint32_t)eng->books_n)
        return KEEL_EFORMAT;
    for (int b = 0; b < eng->books_n; b++) {
        char name[KEEL_NAME_MAX] = "";
        keel_unpack_str(&u, name, sizeof name);
        if (u.failed || strcmp(name, eng->books[b].name) != 0)
            return KEEL_EFORMAT;
    }
    keel_unpacker again = u;
    unpack_engine(&u, eng, false);
    KEEL_TRY(keel_unpacker_done(&u));
    unpack_engine(&again, eng, true);
    return KEEL_OK;
}
