/* Snapshot: u32 magic, u32 version, u8 core, u64 universe hash, i64 initial, u32 n, u32 books and
 * their names, then marks, books, account, path, recent trades, versions closed in the open step,
 * and the first lot numbers that are not 0; then, unless core, the lots of each position that has
 * any and the ids, oldest first. A load reads the bytes twice, first
 * only checking, so that a bad snapshot changes nothing and no second engine is needed.
 */
#include "services/ledger/engine/ledger.h"

#include "common/base/assert.h"
#include "common/base/pack.h"
#include "common/domain/fixed.h"
#include "services/ledger/engine/ledger_internal.h"

#include <math.h>
#include <string.h>

enum {
    SNAPSHOT_MAGIC = 0x4c444745,
    SNAPSHOT_VERSION = 2,
    COUNT_MAX = INT32_MAX, /* trades and bars: published as 32 bits */
};

#define REAL_MAX       1e30  /* beyond LEDGER_MAX x COUNT_MAX, and its square is a double */
#define DRAWDOWN_LEAST 1e-17 /* 1 - a/b of two doubles is 0 or above it */

/* ---- save ---- */

static void pack_tally(keel_packer *p, const keel_tally *t)
{
    keel_pack_i64(p, t->realized_micros);
    keel_pack_i64(p, t->fees_micros);
    keel_pack_i64(p, t->slippage_micros);
    keel_pack_u32(p, t->trades);
    keel_pack_u32(p, t->closing_trades);
    keel_pack_u32(p, t->wins);
    keel_pack_i64(p, t->profit_micros);
    keel_pack_i64(p, t->loss_micros);
    keel_pack_real(p, t->weight_sum);
}

static void pack_path(keel_packer *p, const keel_equity_path *path)
{
    keel_pack_i64(p, path->from_ns);
    keel_pack_i64(p, path->to_ns);
    keel_pack_u64(p, path->bars);
    keel_pack_i64(p, path->last_micros);
    keel_pack_i64(p, path->peak_micros);
    keel_pack_real(p, path->max_drawdown_frac);
    keel_pack_real(p, path->equity_sum);
    keel_pack_u64(p, path->returns.n);
    keel_pack_real(p, path->returns.mean);
    keel_pack_real(p, path->returns.m2);
    keel_pack_real(p, path->returns.excess_mean);
    keel_pack_real(p, path->returns.excess_m2);
    keel_pack_real(p, path->returns.below2);
}

static void pack_trade(keel_packer *p, const keel_trade *t)
{
    keel_pack_str(p, t->trade_id);
    keel_pack_u32(p, (uint32_t)t->instrument);
    keel_pack_i64(p, t->qty_units);
    keel_pack_i64(p, t->price_units);
    keel_pack_i64(p, t->pnl_micros);
    keel_pack_i64(p, t->fill_ns);
    keel_pack_u32(p, (uint32_t)t->reason.code);
    keel_pack_str(p, t->reason.text);
    keel_pack_str(p, t->book);
}

static uint32_t count_lots(const keel_ledger *eng, bool open)
{
    uint32_t n = 0;
    for (size_t i = 0; i < (size_t)eng->books_n * (size_t)eng->n; i++)
        n += open ? eng->lots[i].count > 0 : eng->lots[i].first_no > 0;
    return n;
}

static void pack_first_numbers(keel_packer *p, const keel_ledger *eng)
{
    keel_pack_u32(p, count_lots(eng, false));
    for (size_t i = 0; i < (size_t)eng->books_n * (size_t)eng->n; i++) {
        if (eng->lots[i].first_no == 0)
            continue;
        keel_pack_u32(p, (uint32_t)i);
        keel_pack_u64(p, eng->lots[i].first_no);
    }
}

static void pack_core(keel_packer *p, const keel_ledger *eng)
{
    for (int i = 0; i < eng->n; i++) {
        keel_pack_i64(p, eng->marks[i].price_units);
        keel_pack_u32(p, eng->marks[i].stale_bars);
        keel_pack_i64(p, eng->marks[i].net_units);
        pack_tally(p, &eng->marks[i].tally);
    }
    for (int b = 0; b < eng->books_n; b++) {
        const ledger_book *book = &eng->books[b];
        keel_pack_i64(p, book->cash_micros);
        keel_pack_i64(p, book->paid_in_micros);
        keel_pack_real(p, book->share_frac);
        pack_tally(p, &book->tally);
        keel_pack_i64(p, book->bar_equity_micros);
        keel_pack_i64(p, book->bar_paid_micros);
    }
    pack_tally(p, &eng->account);
    keel_pack_i64(p, eng->cash_micros);
    keel_pack_real(p, eng->traded_micros);
    keel_pack_u64(p, eng->fills);
    keel_pack_u64(p, eng->closed_step);
    keel_pack_u64(p, eng->transfer_step);
    keel_pack_u32(p, eng->transfer_n);
    keel_pack_i64(p, eng->row_ns);
    keel_pack_u8(p, eng->marked);
    pack_path(p, &eng->path);
    keel_pack_u32(p, (uint32_t)eng->recent_n);
    for (int t = 0; t < eng->recent_n; t++)
        pack_trade(p, &eng->recent[t]);
    keel_pack_u32(p, (uint32_t)eng->closed_n);
    for (int c = 0; c < eng->closed_n; c++) {
        keel_pack_u32(p, (uint32_t)eng->closed[c].book);
        keel_pack_u64(p, eng->closed[c].version);
    }
    pack_first_numbers(p, eng);
}

static void pack_lots(keel_packer *p, size_t at, const keel_lots *lots)
{
    keel_pack_u32(p, (uint32_t)at);
    keel_pack_u32(p, (uint32_t)lots->count);
    for (int k = 0; k < lots->count; k++) {
        const keel_lot *lot = keel_lots_at(lots, k);
        keel_pack_i64(p, lot->qty_units);
        keel_pack_i64(p, lot->cost_micros);
        keel_pack_u64(p, lot->fill_no);
    }
}

static void pack_ids(keel_packer *p, const keel_ids *ids)
{
    const uint64_t kept = ids->added < KEEL_IDS_MAX ? ids->added : KEEL_IDS_MAX;
    keel_pack_u32(p, (uint32_t)kept);
    for (uint64_t k = ids->added - kept; k < ids->added; k++)
        keel_pack_u64(p, ids->ring[k % KEEL_IDS_MAX]);
}

keel_status keel_ledger_save(const keel_ledger *eng, bool core, uint8_t *buf, size_t cap,
                             size_t *len)
{
    keel_packer p = keel_packer_over(buf, cap);
    keel_pack_u32(&p, SNAPSHOT_MAGIC);
    keel_pack_u32(&p, SNAPSHOT_VERSION);
    keel_pack_u8(&p, core);
    keel_pack_u64(&p, eng->universe.hash);
    keel_pack_i64(&p, eng->initial_micros);
    keel_pack_u32(&p, (uint32_t)eng->n);
    keel_pack_u32(&p, (uint32_t)eng->books_n);
    for (int b = 0; b < eng->books_n; b++)
        keel_pack_str(&p, eng->books[b].name);
    pack_core(&p, eng);
    if (!core) {
        keel_pack_u32(&p, count_lots(eng, true));
        for (size_t i = 0; i < (size_t)eng->books_n * (size_t)eng->n; i++)
            if (eng->lots[i].count > 0)
                pack_lots(&p, i, &eng->lots[i]);
        pack_ids(&p, eng->ids);
    }
    return keel_packer_done(&p, len);
}

/* ---- load ---- */

/* What the books must add up to: checked before anything is applied, because the engine asserts
 * it later. */
typedef struct sums {
    keel_i128 owed[KEEL_LEDGER_BOOKS_MAX]; /* cost that a book's lots must have */
    keel_i128 net[KEEL_UNIVERSE_MAX];      /* quantity that an instrument's lots must have */
    int64_t price_units[KEEL_UNIVERSE_MAX];
    keel_i128 cash;
    keel_i128 paid_in;
    keel_i128 equity;
    keel_i128 gained_by_assets; /* realized less fees */
    keel_i128 gained_by_books;
    keel_i128 magnitude; /* of all money: while it is small no sum of it overflows */
} sums;

static int64_t unpack_units(keel_unpacker *u)
{
    const int64_t value = keel_unpack_i64(u);
    if (value > LEDGER_MAX || value < -LEDGER_MAX)
        u->failed = true;
    return value;
}

static int64_t unpack_money(keel_unpacker *u, sums *sum)
{
    const int64_t value = unpack_units(u);
    sum->magnitude += value < 0 ? -(keel_i128)value : value;
    return value;
}

static double unpack_within(keel_unpacker *u, double lo, double hi)
{
    const double value = keel_unpack_real(u);
    if (!(value >= lo && value <= hi))
        u->failed = true;
    return value;
}

static keel_tally unpack_tally(keel_unpacker *u, sums *sum)
{
    keel_tally t = {0};
    t.realized_micros = unpack_money(u, sum);
    t.fees_micros = unpack_money(u, sum);
    t.slippage_micros = unpack_money(u, sum);
    t.trades = keel_unpack_u32(u);
    t.closing_trades = keel_unpack_u32(u);
    t.wins = keel_unpack_u32(u);
    t.profit_micros = unpack_money(u, sum);
    t.loss_micros = unpack_money(u, sum);
    t.weight_sum = unpack_within(u, -REAL_MAX, REAL_MAX);
    if (t.wins > t.closing_trades || t.closing_trades > t.trades || t.trades > COUNT_MAX)
        u->failed = true;
    return t;
}

static keel_i128 gain_of(const keel_tally *t)
{
    return (keel_i128)t->realized_micros - t->fees_micros;
}

static keel_returns unpack_returns(keel_unpacker *u)
{
    keel_returns r = {0};
    r.n = keel_unpack_u64(u);
    r.mean = unpack_within(u, -REAL_MAX, REAL_MAX);
    r.m2 = unpack_within(u, 0, REAL_MAX * REAL_MAX);
    r.excess_mean = unpack_within(u, -REAL_MAX, REAL_MAX);
    r.excess_m2 = unpack_within(u, 0, REAL_MAX * REAL_MAX);
    r.below2 = unpack_within(u, 0, REAL_MAX * REAL_MAX);
    return r;
}

static keel_equity_path unpack_path(keel_unpacker *u, int64_t initial_micros, sums *sum)
{
    keel_equity_path path = {.first_micros = initial_micros};
    path.from_ns = keel_unpack_i64(u);
    path.to_ns = keel_unpack_i64(u);
    path.bars = keel_unpack_u64(u);
    path.last_micros = unpack_money(u, sum);
    path.peak_micros = unpack_money(u, sum);
    path.max_drawdown_frac = unpack_within(u, 0, REAL_MAX);
    path.equity_sum = unpack_within(u, -REAL_MAX, REAL_MAX);
    path.returns = unpack_returns(u);
    if (path.bars > COUNT_MAX || path.returns.n > path.bars || path.from_ns < 0 ||
        path.from_ns > path.to_ns || (path.bars > 1 && path.from_ns == path.to_ns))
        u->failed = true;
    if (path.max_drawdown_frac > 0.0 && path.max_drawdown_frac < DRAWDOWN_LEAST)
        u->failed = true;
    if (path.peak_micros < initial_micros || floor(path.equity_sum) != path.equity_sum)
        u->failed = true; /* the sum is one of integers */
    return path;
}

static void unpack_trade(keel_unpacker *u, int n, keel_trade *t)
{
    keel_unpack_str(u, t->trade_id, sizeof t->trade_id);
    const uint32_t instrument = keel_unpack_u32(u);
    t->qty_units = keel_unpack_i64(u);
    t->price_units = keel_unpack_i64(u);
    t->pnl_micros = keel_unpack_i64(u);
    t->fill_ns = keel_unpack_i64(u);
    const uint32_t code = keel_unpack_u32(u);
    keel_unpack_str(u, t->reason.text, sizeof t->reason.text);
    keel_unpack_str(u, t->book, sizeof t->book);
    if (instrument >= (uint32_t)n || code > INT32_MAX || !keel_reason_is_known((int)code))
        u->failed = true;
    t->instrument = (int)instrument;
    t->reason.code = (keel_reason_code)code;
}

static void unpack_mark(keel_unpacker *u, keel_ledger *eng, int i, bool apply, sums *sum)
{
    ledger_mark *mark = &eng->marks[i];
    ledger_mark m = {.sector = mark->sector};
    const keel_instrument *x = &eng->universe.instruments[i];
    int64_t value;
    m.price_units = keel_unpack_i64(u);
    m.stale_bars = keel_unpack_u32(u);
    m.net_units = unpack_units(u);
    m.tally = unpack_tally(u, sum);
    if (m.price_units < 0 ||
        keel_worth_micros(m.price_units, x->price_exp, m.net_units, x->qty_exp, &value) != KEEL_OK)
        u->failed = true;
    sum->net[i] = m.net_units;
    sum->price_units[i] = m.price_units;
    sum->gained_by_assets += gain_of(&m.tally);
    if (apply)
        *mark = m;
}

static void unpack_book(keel_unpacker *u, keel_ledger *eng, int book, bool apply, sums *sum)
{
    ledger_book b = {.is_strategy = eng->books[book].is_strategy};
    memcpy(b.name, eng->books[book].name, sizeof b.name);
    b.cash_micros = unpack_money(u, sum);
    b.paid_in_micros = unpack_money(u, sum);
    b.share_frac = unpack_within(u, 0, 1);
    b.tally = unpack_tally(u, sum);
    b.bar_equity_micros = unpack_money(u, sum);
    b.bar_paid_micros = unpack_money(u, sum);
    sum->cash += b.cash_micros;
    sum->paid_in += b.paid_in_micros;
    sum->gained_by_books += gain_of(&b.tally);
    sum->owed[book] = (keel_i128)b.paid_in_micros + gain_of(&b.tally) - b.cash_micros;
    if (apply)
        eng->books[book] = b;
}

static void unpack_closed(keel_unpacker *u, keel_ledger *eng, bool apply)
{
    const uint32_t n = keel_unpack_u32(u);
    int of_book[KEEL_LEDGER_BOOKS_MAX] = {0};
    if (n > KEEL_LEDGER_CLOSED_MAX)
        u->failed = true;
    for (uint32_t c = 0; c < n && !u->failed; c++) {
        const uint32_t book = keel_unpack_u32(u);
        const uint64_t version = keel_unpack_u64(u);
        if (book >= (uint32_t)eng->books_n || ++of_book[book] > KEEL_LEDGER_CLOSED_BOOK_MAX) {
            u->failed = true;
            return;
        }
        if (apply) {
            eng->closed[c] = (ledger_closed){(int)book, version};
            eng->books[book].closed_n = of_book[book];
        }
    }
    if (apply)
        eng->closed_n = (int)n;
}

/* Numbers of the first lots, ascending places; all lots are gone then. */
static void unpack_first_numbers(keel_unpacker *u, keel_ledger *eng, bool apply)
{
    const size_t all = (size_t)eng->books_n * (size_t)eng->n;
    const uint32_t n = keel_unpack_u32(u);
    size_t next = 0;
    for (size_t i = 0; apply && i < all; i++) {
        eng->lots[i].count = 0;
        ledger_close_ring(eng, &eng->lots[i]);
        eng->lots[i] = (keel_lots){.ring = NULL};
    }
    for (uint32_t k = 0; k < n && !u->failed; k++) {
        const size_t at = keel_unpack_u32(u);
        const uint64_t first_no = keel_unpack_u64(u);
        if (at < next || at >= all || first_no == 0)
            u->failed = true;
        else if (apply)
            eng->lots[at].first_no = first_no;
        next = at + 1;
    }
}

static void unpack_account(keel_unpacker *u, keel_ledger *eng, bool apply, sums *sum)
{
    const keel_tally account = unpack_tally(u, sum);
    const int64_t cash = unpack_money(u, sum);
    const double traded = unpack_within(u, 0, REAL_MAX);
    const uint64_t fills = keel_unpack_u64(u), closed_step = keel_unpack_u64(u);
    const uint64_t transfer_step = keel_unpack_u64(u);
    const uint32_t transfer_n = keel_unpack_u32(u);
    const int64_t row_ns = keel_unpack_i64(u);
    const uint8_t marked = keel_unpack_u8(u);
    const keel_equity_path path = unpack_path(u, eng->initial_micros, sum);
    const uint32_t recent = keel_unpack_u32(u);
    if (marked > 1 || recent > KEEL_RECENT_TRADES_MAX || sum->cash != cash ||
        sum->paid_in != eng->initial_micros || row_ns < path.to_ns || sum->magnitude > LEDGER_MAX ||
        sum->gained_by_assets != gain_of(&account) || sum->gained_by_books != gain_of(&account))
        u->failed = true;
    sum->equity += cash;
    for (uint32_t t = 0; t < recent && !u->failed; t++) {
        keel_trade trade = {.instrument = 0};
        unpack_trade(u, eng->n, &trade);
        if (apply)
            eng->recent[t] = trade;
    }
    unpack_closed(u, eng, apply);
    unpack_first_numbers(u, eng, apply);
    if (!apply)
        return;
    eng->account = account;
    eng->cash_micros = cash;
    eng->traded_micros = traded;
    eng->fills = fills;
    eng->closed_step = closed_step;
    eng->transfer_step = transfer_step;
    eng->transfer_n = transfer_n;
    eng->row_ns = row_ns;
    eng->marked = marked == 1;
    eng->path = path;
    eng->recent_n = (int)recent;
}

/* As keel_ledger_on_row: what is held has a value, and all of it together. */
static void add_holding(keel_unpacker *u, const keel_ledger *eng, size_t i, int64_t qty, sums *sum)
{
    const keel_instrument *x = &eng->universe.instruments[i];
    int64_t value = 0;
    if (u->failed || qty == 0)
        return;
    if (keel_worth_micros(sum->price_units[i], x->price_exp, qty, x->qty_exp, &value) != KEEL_OK ||
        value > LEDGER_MAX || value < -LEDGER_MAX)
        u->failed = true;
    sum->equity += value;
}

/* Lots of one position; checks that they could be put back one by one. */
static void unpack_lots(keel_unpacker *u, keel_ledger *eng, size_t at, bool apply, sums *sum)
{
    const uint32_t count = keel_unpack_u32(u);
    keel_i128 qty = 0, cost = 0;
    if (count < 1 || count > KEEL_LOTS_MAX)
        u->failed = true;
    if (apply)
        KEEL_ASSERT(ledger_open_ring(eng, &eng->lots[at]));
    for (uint32_t k = 0; k < count && !u->failed; k++) {
        keel_lot lot = {0};
        lot.qty_units = unpack_units(u);
        lot.cost_micros = unpack_money(u, sum);
        lot.fill_no = keel_unpack_u64(u);
        if (lot.qty_units == 0 || (k > 0 && (qty > 0) != (lot.qty_units > 0)))
            u->failed = true;
        qty += lot.qty_units;
        cost += lot.cost_micros;
        if (qty > LEDGER_MAX || qty < -LEDGER_MAX || cost > LEDGER_MAX || cost < -LEDGER_MAX)
            u->failed = true;
        if (apply)
            KEEL_ASSERT(keel_lots_restore(&eng->lots[at], &lot) == KEEL_OK);
    }
    add_holding(u, eng, at % (size_t)eng->n, (int64_t)qty, sum);
    sum->owed[at / (size_t)eng->n] -= cost;
    sum->net[at % (size_t)eng->n] -= qty;
}

/* The positions that are open, ascending places. */
static void unpack_positions(keel_unpacker *u, keel_ledger *eng, bool apply, sums *sum)
{
    const size_t all = (size_t)eng->books_n * (size_t)eng->n;
    const uint32_t n = keel_unpack_u32(u);
    size_t next = 0;
    if (n > (uint32_t)eng->rings_n)
        u->failed = true;
    for (uint32_t k = 0; k < n && !u->failed; k++) {
        const size_t at = keel_unpack_u32(u);
        if (at < next || at >= all)
            u->failed = true;
        else
            unpack_lots(u, eng, at, apply, sum);
        next = at + 1;
    }
}

static void unpack_ids(keel_unpacker *u, keel_ids *ids, bool apply)
{
    const uint32_t n = keel_unpack_u32(u);
    if (n > KEEL_IDS_MAX)
        u->failed = true;
    if (apply)
        memset(ids, 0, sizeof *ids);
    for (uint32_t k = 0; k < n && !u->failed; k++) {
        const uint64_t hash = keel_unpack_u64(u);
        if (hash == 0)
            u->failed = true;
        if (apply)
            keel_ids_add(ids, hash);
    }
}

static void unpack_engine(keel_unpacker *u, keel_ledger *eng, bool core, bool apply)
{
    sums sum = {.cash = 0};
    for (int i = 0; i < eng->n; i++)
        unpack_mark(u, eng, i, apply, &sum);
    for (int b = 0; b < eng->books_n; b++)
        unpack_book(u, eng, b, apply, &sum);
    unpack_account(u, eng, apply, &sum);
    if (core) { /* lots and ids are put back one by one, and keel_ledger_restored() checks */
        if (apply)
            memset(eng->ids, 0, sizeof *eng->ids);
        return;
    }
    unpack_positions(u, eng, apply, &sum);
    for (int b = 0; b < eng->books_n; b++)
        u->failed = u->failed || sum.owed[b] != 0;
    for (int i = 0; i < eng->n; i++)
        u->failed = u->failed || sum.net[i] != 0;
    if (sum.equity > LEDGER_MAX || sum.equity < -LEDGER_MAX || sum.magnitude > LEDGER_MAX)
        u->failed = true;
    unpack_ids(u, eng->ids, apply);
}

/* The head names what the snapshot is of; it must be this engine. */
static bool unpack_head(keel_unpacker *u, const keel_ledger *eng, bool *core)
{
    const uint32_t magic = keel_unpack_u32(u), version = keel_unpack_u32(u);
    const uint8_t is_core = keel_unpack_u8(u);
    const uint64_t hash = keel_unpack_u64(u);
    const int64_t initial = keel_unpack_i64(u);
    const uint32_t n = keel_unpack_u32(u), books = keel_unpack_u32(u);
    bool same = magic == SNAPSHOT_MAGIC && version == SNAPSHOT_VERSION && is_core <= 1 &&
                hash == eng->universe.hash && initial == eng->initial_micros &&
                n == (uint32_t)eng->n && books == (uint32_t)eng->books_n;
    for (int b = 0; same && b < eng->books_n; b++) {
        char name[KEEL_NAME_MAX];
        keel_unpack_str(u, name, sizeof name);
        same = !u->failed && strcmp(name, eng->books[b].name) == 0;
    }
    *core = is_core == 1;
    return same && !u->failed;
}

keel_status keel_ledger_load(keel_ledger *eng, const uint8_t *buf, size_t len)
{
    bool core;
    keel_unpacker u = keel_unpacker_over(buf, len);
    if (!unpack_head(&u, eng, &core))
        return KEEL_EFORMAT;
    keel_unpacker again = u;
    unpack_engine(&u, eng, core, false);
    KEEL_TRY(keel_unpacker_done(&u));
    unpack_engine(&again, eng, core, true);
    return KEEL_OK;
}

/* ---- putting lots and ids back ---- */

keel_status keel_ledger_restore_lot(keel_ledger *eng, const char *book, int instrument,
                                    const keel_lot *lot)
{
    const int b = ledger_find_book(eng, book);
    if (b < 0 || instrument < 0 || instrument >= eng->n)
        return KEEL_EFORMAT;
    keel_lots *lots = ledger_lots(eng, b, instrument);
    if (!ledger_open_ring(eng, lots))
        return KEEL_ENOSPC;
    return keel_lots_restore(lots, lot);
}

void keel_ledger_restore_id(keel_ledger *eng, const char *fill_id)
{
    const uint64_t hash = keel_ids_hash(fill_id);
    if (!keel_ids_has(eng->ids, hash))
        keel_ids_add(eng->ids, hash);
}

keel_status keel_ledger_restored(const keel_ledger *eng)
{
    keel_i128 cash = 0;
    for (int b = 0; b < eng->books_n; b++) {
        const ledger_book *book = &eng->books[b];
        keel_i128 sum = book->cash_micros;
        for (int i = 0; i < eng->n; i++)
            sum += ledger_lots(eng, b, i)->cost_micros;
        if (sum !=
            (keel_i128)book->paid_in_micros + book->tally.realized_micros - book->tally.fees_micros)
            return KEEL_EFORMAT;
        cash += book->cash_micros;
    }
    for (int i = 0; i < eng->n; i++) {
        keel_i128 qty = 0;
        for (int b = 0; b < eng->books_n; b++)
            qty += ledger_lots(eng, b, i)->qty_units;
        if (qty != eng->marks[i].net_units)
            return KEEL_EFORMAT;
    }
    return cash == eng->cash_micros ? KEEL_OK : KEEL_EFORMAT;
}
