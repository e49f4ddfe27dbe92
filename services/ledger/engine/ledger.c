#include "services/ledger/engine/ledger.h"

#include "common/base/assert.h"
#include "common/base/mem.h"
#include "common/base/text.h"
#include "common/domain/fixed.h"
#include "services/ledger/engine/ledger_internal.h"

#include <math.h>
#include <string.h>

/* ---- construction ---- */

static keel_status check_cfg(const keel_ledger_cfg *cfg, keel_err *err)
{
    if (cfg->universe == NULL || cfg->universe->n < 1 || cfg->universe->n > KEEL_UNIVERSE_MAX)
        return keel_err_set(err, KEEL_EINVAL, "ledger: no instruments");
    if (!keel_name_ok(cfg->run, KEEL_LEDGER_RUN_MAX) ||
        !keel_name_ok(cfg->portfolio, KEEL_NAME_MAX))
        return keel_err_set(err, KEEL_EINVAL, "ledger: run id or portfolio name");
    if (cfg->books_n < 1 || cfg->books_n > KEEL_LEDGER_BOOKS_MAX - 2)
        return keel_err_set(err, KEEL_ERANGE, "ledger: 1..%d books", KEEL_LEDGER_BOOKS_MAX - 2);
    for (int i = 0; i < cfg->books_n; i++) {
        const char *name = cfg->books[i].book;
        bool taken = strcmp(name, "reserve") == 0 || strcmp(name, "netting") == 0;
        for (int j = 0; j < i; j++)
            taken = taken || strcmp(name, cfg->books[j].book) == 0;
        if (taken || !keel_name_ok(name, KEEL_NAME_MAX))
            return keel_err_set(err, KEEL_EINVAL, "ledger: book '%s' is taken or no name", name);
    }
    for (int i = 0; i < cfg->strategies_n; i++) {
        bool is_book = false;
        for (int j = 0; j < cfg->books_n; j++)
            is_book = is_book || strcmp(cfg->books[j].book, cfg->strategies[i].name) == 0;
        if (!is_book)
            return keel_err_set(err, KEEL_EINVAL, "ledger: strategy '%s' has no book",
                                cfg->strategies[i].name);
    }
    if (cfg->initial_micros <= 0 || cfg->initial_micros > LEDGER_MAX)
        return keel_err_set(err, KEEL_ERANGE, "ledger: initial equity must be positive");
    if (cfg->bar_ns <= 0 || !(fabs(cfg->risk_free_ann) <= 1.0))
        return keel_err_set(err, KEEL_ERANGE, "ledger: bar length or risk_free_ann");
    return KEEL_OK;
}

static void name_book(keel_ledger *eng, int book, const char *name)
{
    ledger_book *b = &eng->books[book];
    KEEL_ASSERT(keel_text_copy(b->name, sizeof b->name, name) == KEEL_OK);
}

static void find_sectors(keel_ledger *eng)
{
    for (int i = 0; i < eng->n; i++) {
        const char *sector = eng->universe.instruments[i].sector;
        int at = 0;
        if (sector[0] == '\0')
            sector = "none";
        while (at < eng->sectors_n && strcmp(eng->sectors[at], sector) != 0)
            at++;
        if (at == eng->sectors_n)
            eng->sectors[eng->sectors_n++] = sector;
        eng->marks[i].sector = at;
    }
}

static void take_rings(keel_ledger *eng)
{
    const int most = eng->books_n * eng->n;
    eng->rings_n = most < KEEL_LEDGER_POSITIONS_MAX ? most : KEEL_LEDGER_POSITIONS_MAX;
    eng->rings = keel_xcalloc((size_t)eng->rings_n * KEEL_LOTS_MAX, sizeof *eng->rings);
    eng->free_rings = keel_xcalloc((size_t)eng->rings_n, sizeof(keel_lot *));
    for (int i = eng->rings_n - 1; i >= 0; i--) /* the first is taken first: fewer pages */
        eng->free_rings[eng->free_n++] = &eng->rings[(size_t)i * KEEL_LOTS_MAX];
}

static void take_storage(keel_ledger *eng)
{
    const size_t n = (size_t)eng->n, books = (size_t)eng->books_n;
    eng->sectors = keel_xcalloc(n, sizeof *eng->sectors);
    eng->marks = keel_xcalloc(n, sizeof *eng->marks);
    eng->lots = keel_xcalloc(books * n, sizeof *eng->lots);
    take_rings(eng);
    eng->closed = keel_xcalloc(KEEL_LEDGER_CLOSED_MAX, sizeof *eng->closed);
    eng->ids = keel_xcalloc(1, sizeof *eng->ids);
    eng->legs = keel_xcalloc(books, sizeof *eng->legs);
    eng->book_out = keel_xcalloc(books, sizeof *eng->book_out);
    eng->positions = keel_xcalloc(books * n, sizeof *eng->positions);
    eng->lines = keel_xcalloc(2 * n + 2 * books, sizeof *eng->lines);
    eng->prices = keel_xcalloc(n, sizeof *eng->prices);
    eng->closed_out = keel_xcalloc(KEEL_LEDGER_CLOSED_MAX, sizeof *eng->closed_out);
    eng->returns = keel_xcalloc(books, sizeof *eng->returns);
}

bool ledger_open_ring(keel_ledger *eng, keel_lots *lots)
{
    if (lots->ring == NULL && eng->free_n > 0)
        lots->ring = eng->free_rings[--eng->free_n];
    return lots->ring != NULL;
}

void ledger_close_ring(keel_ledger *eng, keel_lots *lots)
{
    if (lots->ring == NULL || lots->count > 0)
        return;
    eng->free_rings[eng->free_n++] = lots->ring;
    lots->ring = NULL;
    lots->head = 0;
}

static void mark_strategies(keel_ledger *eng, const keel_ledger_cfg *cfg)
{
    for (int i = 0; i < cfg->strategies_n; i++)
        eng->books[ledger_find_book(eng, cfg->strategies[i].name)].is_strategy = true;
    eng->strategies_n = cfg->strategies_n;
}

keel_ledger *keel_ledger_new(const keel_ledger_cfg *cfg, keel_err *err)
{
    if (check_cfg(cfg, err) != KEEL_OK)
        return NULL;
    keel_ledger *eng = keel_xcalloc(1, sizeof *eng);
    KEEL_ASSERT(keel_text_copy(eng->run, sizeof eng->run, cfg->run) == KEEL_OK);
    KEEL_ASSERT(keel_text_copy(eng->portfolio, sizeof eng->portfolio, cfg->portfolio) == KEEL_OK);
    eng->universe = *cfg->universe;
    eng->initial_micros = cfg->initial_micros;
    eng->bar_ns = cfg->bar_ns;
    eng->risk_free_ann = cfg->risk_free_ann;
    eng->n = cfg->universe->n;
    eng->books_n = cfg->books_n + 2;
    eng->reserve = cfg->books_n;
    take_storage(eng);
    find_sectors(eng);
    for (int i = 0; i < cfg->books_n; i++)
        name_book(eng, i, cfg->books[i].book);
    name_book(eng, eng->reserve, "reserve");
    name_book(eng, eng->reserve + 1, "netting");
    eng->books[eng->reserve].cash_micros = cfg->initial_micros;
    eng->books[eng->reserve].paid_in_micros = cfg->initial_micros;
    eng->books[eng->reserve].share_frac = 1.0;
    eng->books[eng->reserve].bar_equity_micros = cfg->initial_micros;
    eng->books[eng->reserve].bar_paid_micros = cfg->initial_micros;
    mark_strategies(eng, cfg);
    eng->cash_micros = cfg->initial_micros;
    keel_equity_path_init(&eng->path, cfg->initial_micros);
    return eng;
}

void keel_ledger_free(keel_ledger **eng)
{
    if (*eng == NULL)
        return;
    keel_free(&(*eng)->sectors);
    keel_free(&(*eng)->marks);
    keel_free(&(*eng)->lots);
    keel_free(&(*eng)->rings);
    keel_free(&(*eng)->free_rings);
    keel_free(&(*eng)->closed);
    keel_free(&(*eng)->closed_out);
    keel_free(&(*eng)->returns);
    keel_free(&(*eng)->ids);
    keel_free(&(*eng)->legs);
    keel_free(&(*eng)->book_out);
    keel_free(&(*eng)->positions);
    keel_free(&(*eng)->lines);
    keel_free(&(*eng)->prices);
    keel_free(eng);
}

/* ---- what must hold ---- */

int64_t ledger_value(const keel_ledger *eng, int instrument, int64_t qty_units)
{
    const keel_instrument *x = &eng->universe.instruments[instrument];
    int64_t value = 0;
    if (qty_units != 0)
        KEEL_ASSERT(keel_worth_micros(eng->marks[instrument].price_units, x->price_exp, qty_units,
                                      x->qty_exp, &value) == KEEL_OK);
    return value;
}

int64_t ledger_book_equity(const keel_ledger *eng, int book)
{
    int64_t equity = eng->books[book].cash_micros;
    for (int i = 0; i < eng->n; i++)
        equity += ledger_value(eng, i, ledger_lots(eng, book, i)->qty_units);
    return equity;
}

int ledger_find_book(const keel_ledger *eng, const char *name)
{
    for (int b = 0; b < eng->books_n; b++) {
        if (strcmp(eng->books[b].name, name) == 0)
            return b;
    }
    return -1;
}

void ledger_check_book(const keel_ledger *eng, int book)
{
    const ledger_book *b = &eng->books[book];
    int64_t cost = 0;
    for (int i = 0; i < eng->n; i++)
        cost += ledger_lots(eng, book, i)->cost_micros;
    KEEL_ASSERT(b->cash_micros + cost ==
                b->paid_in_micros + b->tally.realized_micros - b->tally.fees_micros);
}

void ledger_check_cash(const keel_ledger *eng)
{
    int64_t cash = 0, paid_in = 0;
    for (int b = 0; b < eng->books_n; b++) {
        cash += eng->books[b].cash_micros;
        paid_in += eng->books[b].paid_in_micros;
    }
    KEEL_ASSERT(cash == eng->cash_micros && paid_in == eng->initial_micros);
}

static void check_instrument(const keel_ledger *eng, int instrument)
{
    int64_t qty = 0;
    for (int b = 0; b < eng->books_n; b++)
        qty += ledger_lots(eng, b, instrument)->qty_units;
    KEEL_ASSERT(qty == eng->marks[instrument].net_units);
}

/* ---- capital ---- */

static keel_status check_capital(const keel_ledger *eng, const keel_capital_allocation *capital,
                                 uint64_t step)
{
    bool seen[KEEL_LEDGER_BOOKS_MAX] = {false};
    double sum = 0.0;
    if (strcmp(capital->portfolio, eng->portfolio) != 0)
        return KEEL_EUNKNOWN;
    if (step <= eng->closed_step)
        return KEEL_EORDER;
    for (int i = 0; i < capital->books; i++) {
        const double share = capital->shares[i].share_frac;
        const int b = ledger_find_book(eng, capital->shares[i].book);
        if (b < 0 || b == eng->reserve + 1)
            return KEEL_EUNKNOWN;
        if (!(share >= 0.0 && share <= 1.0) || seen[b])
            return KEEL_EINVAL;
        seen[b] = true;
        sum += share;
    }
    return sum <= 1.0 + 1e-9 ? KEEL_OK : KEEL_EINVAL; /* shares are decimals added in binary */
}

static void take_shares(keel_ledger *eng, const keel_capital_allocation *capital)
{
    double rest = 1.0;
    for (int b = 0; b < eng->books_n; b++)
        eng->books[b].share_frac = 0.0;
    for (int i = 0; i < capital->books; i++) {
        const int b = ledger_find_book(eng, capital->shares[i].book);
        if (b == eng->reserve)
            continue;
        eng->books[b].share_frac = capital->shares[i].share_frac;
        rest -= capital->shares[i].share_frac;
    }
    eng->books[eng->reserve].share_frac = rest > 0.0 ? rest : 0.0;
}

/* Divide `total` <= sum of parts in proportion to them: floor, then one more in book order. */
static void divide(const int64_t *parts, int n, int64_t total, int64_t *out)
{
    keel_i128 sum = 0;
    int64_t left = total;
    for (int i = 0; i < n; i++)
        sum += parts[i];
    for (int i = 0; i < n; i++) {
        out[i] = sum == 0 ? 0 : (int64_t)((keel_i128)parts[i] * total / sum);
        left -= out[i];
    }
    for (int i = 0; i < n && left > 0; i++) {
        const int64_t more = out[i] < parts[i] ? 1 : 0;
        out[i] += more;
        left -= more;
    }
    KEEL_ASSERT(left == 0);
}

/* What each book gives (> 0) or takes (< 0) at most; returns the sum that moves. */
static int64_t wishes(const keel_ledger *eng, int64_t *gives, int64_t *takes)
{
    int64_t equity[KEEL_LEDGER_BOOKS_MAX], account = 0, rest, given = 0, taken = 0;
    const int funded = eng->reserve + 1; /* netting has no share */
    for (int b = 0; b < eng->books_n; b++)
        account += equity[b] = ledger_book_equity(eng, b);
    rest = account;
    for (int b = 0; b < funded; b++) {
        int64_t target = rest; /* the reserve comes last and takes what is left */
        if (b != eng->reserve)
            KEEL_ASSERT(keel_fraction_of(account, eng->books[b].share_frac, &target) == KEEL_OK);
        rest -= target;
        const int64_t above = equity[b] - target, cash = eng->books[b].cash_micros;
        const int64_t free_cash = cash > 0 ? cash : 0;
        gives[b] = above > 0 ? (above < free_cash ? above : free_cash) : 0;
        takes[b] = above < 0 ? -above : 0;
        given += gives[b];
        taken += takes[b];
    }
    return given < taken ? given : taken;
}

static void make_transfer(keel_ledger *eng, const int64_t *moves, uint64_t step,
                          const keel_reason *reason, keel_transfer *out)
{
    size_t len = 0;
    int64_t sum = 0;
    keel_transfer t = {.legs = eng->legs, .reason = *reason};
    eng->transfer_n = eng->transfer_step == step ? eng->transfer_n + 1 : 0;
    eng->transfer_step = step;
    KEEL_ASSERT(keel_text_add(t.transfer_id, sizeof t.transfer_id, &len, "%s/%s/%llu/%u", eng->run,
                              eng->portfolio, (unsigned long long)step, eng->transfer_n));
    memcpy(t.portfolio, eng->portfolio, sizeof t.portfolio);
    for (int b = 0; b <= eng->reserve; b++) {
        if (moves[b] == 0)
            continue;
        keel_transfer_leg *leg = &eng->legs[t.legs_n++];
        memcpy(leg->book, eng->books[b].name, sizeof leg->book);
        leg->cash_micros = moves[b];
        eng->books[b].cash_micros += moves[b];
        eng->books[b].paid_in_micros += moves[b];
        sum += moves[b];
    }
    KEEL_ASSERT(sum == 0);
    *out = t;
}

keel_status keel_ledger_on_capital(keel_ledger *eng, const keel_capital_allocation *capital,
                                   uint64_t step, bool *made, keel_transfer *out)
{
    int64_t gives[KEEL_LEDGER_BOOKS_MAX] = {0}, takes[KEEL_LEDGER_BOOKS_MAX] = {0};
    int64_t given[KEEL_LEDGER_BOOKS_MAX] = {0}, taken[KEEL_LEDGER_BOOKS_MAX] = {0};
    KEEL_TRY(check_capital(eng, capital, step));
    take_shares(eng, capital);
    const int64_t total = wishes(eng, gives, takes);
    *made = total > 0;
    if (*made) {
        divide(gives, eng->reserve + 1, total, given);
        divide(takes, eng->reserve + 1, total, taken);
        for (int b = 0; b <= eng->reserve; b++)
            taken[b] -= given[b];
        make_transfer(eng, taken, step, &capital->reason, out);
    }
    ledger_check_cash(eng);
    return KEEL_OK;
}

/* ---- fills ---- */

static int64_t gross_of(const keel_book_fill *part)
{
    return -(part->cash_micros + part->fee_micros);
}

static bool money_ok(int64_t micros)
{
    return micros <= LEDGER_MAX && micros >= -LEDGER_MAX;
}

static keel_status check_part(const keel_ledger *eng, const keel_fill *fill, int p)
{
    const keel_book_fill *part = &fill->books[p];
    const int b = ledger_find_book(eng, part->book);
    if (b < 0)
        return KEEL_EUNKNOWN;
    for (int q = 0; q < p; q++) {
        if (strcmp(fill->books[q].book, part->book) == 0)
            return KEEL_EINVAL;
    }
    const bool netting = b == eng->reserve + 1; /* gets the difference, so its charges may be < 0 */
    if (netting != (part->qty_units == 0))      /* money without quantity is netting's alone */
        return KEEL_EINVAL;
    if (!netting && (part->fee_micros < 0 || part->slippage_micros < 0))
        return KEEL_EINVAL;
    if (!money_ok(part->cash_micros) || !money_ok(part->fee_micros) ||
        !money_ok(part->slippage_micros) || !money_ok(part->qty_units) ||
        !money_ok(eng->books[b].cash_micros + part->cash_micros))
        return KEEL_EOVERFLOW;
    if (part->closed_version != 0 && eng->books[b].closed_n == KEEL_LEDGER_CLOSED_BOOK_MAX)
        return KEEL_ENOSPC;
    if (netting)
        return part->closed_version == 0 ? KEEL_OK : KEEL_EINVAL;
    return keel_lots_check(ledger_lots(eng, b, fill->instrument), part->qty_units, gross_of(part));
}

static keel_status check_sums(const keel_ledger *eng, const keel_fill *fill)
{
    keel_i128 qty = 0, cash = 0, fee = 0, slippage = 0;
    int64_t gross;
    const keel_instrument *x = &eng->universe.instruments[fill->instrument];
    for (int p = 0; p < fill->books_n; p++) {
        qty += fill->books[p].qty_units;
        cash += fill->books[p].cash_micros;
        fee += fill->books[p].fee_micros;
        slippage += fill->books[p].slippage_micros;
    }
    KEEL_TRY(
        keel_worth_micros(fill->price_units, x->price_exp, fill->qty_units, x->qty_exp, &gross));
    if (qty != fill->qty_units || fee != fill->fee_micros || slippage != fill->slippage_micros ||
        cash != -(keel_i128)gross - fill->fee_micros)
        return KEEL_EINVAL;
    return money_ok(gross) ? KEEL_OK : KEEL_EOVERFLOW;
}

/* Room for the lots and the versions of all parts. */
static keel_status check_room(const keel_ledger *eng, const keel_fill *fill)
{
    int rings = 0, versions = 0;
    for (int p = 0; p < fill->books_n; p++) {
        const int b = ledger_find_book(eng, fill->books[p].book);
        versions += fill->books[p].closed_version != 0;
        rings +=
            fill->books[p].qty_units != 0 && ledger_lots(eng, b, fill->instrument)->ring == NULL;
    }
    return rings > eng->free_n || versions > KEEL_LEDGER_CLOSED_MAX - eng->closed_n ? KEEL_ENOSPC
                                                                                    : KEEL_OK;
}

static keel_status check_fill(const keel_ledger *eng, const keel_fill *fill)
{
    int64_t value;
    if (fill->instrument < 0 || fill->instrument >= eng->n)
        return KEEL_EUNKNOWN;
    if (fill->price_units <= 0 || fill->fill_id[0] == '\0' ||
        fill->books_n < (fill->qty_units == 0 ? 2 : 1) || fill->books_n > KEEL_FILL_PARTS_MAX)
        return KEEL_EINVAL;
    for (int p = 0; p < fill->books_n; p++)
        KEEL_TRY(check_part(eng, fill, p));
    KEEL_TRY(check_room(eng, fill));
    KEEL_TRY(check_sums(eng, fill));
    const keel_instrument *x = &eng->universe.instruments[fill->instrument];
    const ledger_mark *m = &eng->marks[fill->instrument];
    if (!money_ok(m->net_units + fill->qty_units))
        return KEEL_EOVERFLOW;
    KEEL_TRY(keel_worth_micros(m->price_units, x->price_exp, m->net_units + fill->qty_units,
                               x->qty_exp, &value));
    return money_ok(value) ? KEEL_OK : KEEL_EOVERFLOW;
}

/* What a book paid: the net's price on its side of the market, as far from the reference on the
 * other, the reference where nothing was left for the market. */
static int64_t price_of(const keel_fill *fill, const keel_book_fill *part)
{
    const int64_t mirrored = 2 * fill->reference_units - fill->price_units;
    if (fill->qty_units == 0)
        return fill->price_units;
    if ((fill->qty_units > 0) == (part->qty_units > 0))
        return fill->price_units;
    return mirrored < 1 ? 1 : mirrored;
}

static void remember_trade(keel_ledger *eng, const keel_fill *fill, const keel_book_fill *part,
                           int64_t pnl_micros)
{
    if (eng->recent_n == KEEL_RECENT_TRADES_MAX) {
        memmove(&eng->recent[0], &eng->recent[1], sizeof eng->recent - sizeof eng->recent[0]);
        eng->recent_n--;
    }
    keel_trade *t = &eng->recent[eng->recent_n++];
    *t = (keel_trade){
        .instrument = fill->instrument,
        .qty_units = part->qty_units,
        .price_units = price_of(fill, part),
        .pnl_micros = pnl_micros,
        .fill_ns = fill->fill_ns,
        .reason = fill->reason,
    };
    memcpy(t->trade_id, fill->fill_id, sizeof t->trade_id);
    memcpy(t->book, part->book, sizeof t->book);
}

/* Book one part; returns what it realised. */
static keel_lots_booked book_part(keel_ledger *eng, const keel_fill *fill, int book,
                                  const keel_book_fill *part)
{
    ledger_book *b = &eng->books[book];
    keel_lots_booked booked = {-gross_of(part), 0};
    if (part->qty_units != 0) {
        keel_lots *lots = ledger_lots(eng, book, fill->instrument);
        KEEL_ASSERT(ledger_open_ring(eng, lots));
        KEEL_ASSERT(keel_lots_book(lots, part->qty_units, gross_of(part), eng->fills + 1,
                                   &booked) == KEEL_OK);
        ledger_close_ring(eng, lots);
    }
    b->cash_micros += part->cash_micros;
    b->tally.realized_micros += booked.realized_micros;
    b->tally.fees_micros += part->fee_micros;
    b->tally.slippage_micros += part->slippage_micros;
    if (part->qty_units != 0) {
        const int64_t pnl = booked.realized_micros - part->fee_micros;
        keel_tally_trade(&b->tally, booked.closed_units > 0, pnl);
        remember_trade(eng, fill, part, pnl);
    }
    if (part->closed_version != 0) {
        eng->closed[eng->closed_n++] = (ledger_closed){book, part->closed_version};
        b->closed_n++;
    }
    ledger_check_book(eng, book);
    return booked;
}

static void tally_fill(keel_tally *t, const keel_fill *fill, int64_t realized, bool closing)
{
    t->realized_micros += realized;
    t->fees_micros += fill->fee_micros;
    t->slippage_micros += fill->slippage_micros;
    keel_tally_trade(t, closing, realized - fill->fee_micros);
}

keel_status keel_ledger_on_fill(keel_ledger *eng, const keel_fill *fill, keel_booked *out)
{
    int64_t realized = 0;
    bool closing = false;
    const uint64_t hash = keel_ids_hash(fill->fill_id);
    if (keel_ids_has(eng->ids, hash))
        return KEEL_EEXIST;
    KEEL_TRY(check_fill(eng, fill));
    ledger_mark *m = &eng->marks[fill->instrument];
    *out = (keel_booked){.fill_no = eng->fills + 1, .parts_n = fill->books_n};
    for (int p = 0; p < fill->books_n; p++) {
        const keel_book_fill *part = &fill->books[p];
        const int b = ledger_find_book(eng, part->book);
        const keel_lots_booked booked = book_part(eng, fill, b, part);
        out->parts[p].book = b;
        out->parts[p].realized_micros = booked.realized_micros;
        out->parts[p].closed_units = booked.closed_units;
        realized += booked.realized_micros;
        closing = closing || booked.closed_units > 0;
        eng->cash_micros += part->cash_micros;
        eng->traded_micros += part->qty_units != 0 ? fabs((double)gross_of(part)) : 0.0;
    }
    m->net_units += fill->qty_units;
    tally_fill(&m->tally, fill, realized, closing);
    tally_fill(&eng->account, fill, realized, closing);
    keel_ids_add(eng->ids, hash);
    eng->fills++;
    ledger_check_cash(eng);
    check_instrument(eng, fill->instrument);
    return KEEL_OK;
}

/* ---- rows ---- */

keel_status keel_ledger_on_row(keel_ledger *eng, const keel_bar_row *row)
{
    keel_i128 equity = eng->cash_micros;
    KEEL_TRY(keel_bar_row_check(row));
    if (row->universe_hash != eng->universe.hash || row->n != eng->n)
        return KEEL_EUNKNOWN;
    if (row->close_ns <= eng->row_ns)
        return KEEL_EORDER;
    for (int i = 0; i < eng->n; i++) {
        const keel_instrument *x = &eng->universe.instruments[i];
        int64_t value;
        const int64_t price =
            row->close_units[i] != 0 ? row->close_units[i] : eng->marks[i].price_units;
        KEEL_TRY(
            keel_worth_micros(price, x->price_exp, eng->marks[i].net_units, x->qty_exp, &value));
        for (int b = 0; b < eng->books_n; b++) { /* a long and a short book can hide in the net */
            const int64_t qty = ledger_lots(eng, b, i)->qty_units;
            if (qty != 0)
                KEEL_TRY(keel_worth_micros(price, x->price_exp, qty, x->qty_exp, &value));
            if (qty != 0 && !money_ok(value))
                return KEEL_EOVERFLOW;
            equity += qty != 0 ? value : 0;
        }
    }
    if (equity > LEDGER_MAX || equity < -LEDGER_MAX)
        return KEEL_EOVERFLOW;
    for (int i = 0; i < eng->n; i++) {
        ledger_mark *m = &eng->marks[i];
        const bool fresh = row->close_units[i] != 0;
        m->stale_bars = fresh || m->price_units == 0 ? 0 : m->stale_bars + 1;
        m->price_units = fresh ? row->close_units[i] : m->price_units;
    }
    eng->row_ns = row->close_ns;
    eng->marked = true;
    return KEEL_OK;
}

/* ---- what the store reads ---- */

bool keel_ledger_agrees(const keel_ledger *eng, const keel_plan_done *done)
{
    int left = 0;
    for (size_t i = 0; i < (size_t)eng->books_n * (size_t)eng->n; i++)
        left += eng->lots[i].qty_units != 0;
    for (int p = 0; p < done->positions_n; p++) {
        const keel_held_position *held = &done->positions[p];
        const int b = ledger_find_book(eng, held->book);
        if (b < 0 || held->instrument < 0 || held->instrument >= eng->n ||
            ledger_lots(eng, b, held->instrument)->qty_units != held->qty_units)
            return false;
        left -= held->qty_units != 0;
    }
    return left == 0;
}

int keel_ledger_books(const keel_ledger *eng)
{
    return eng->books_n;
}

const char *keel_ledger_book(const keel_ledger *eng, int book)
{
    KEEL_ASSERT(book >= 0 && book < eng->books_n);
    return eng->books[book].name;
}

const keel_lots *keel_ledger_lots(const keel_ledger *eng, int book, int instrument)
{
    KEEL_ASSERT(book >= 0 && book < eng->books_n && instrument >= 0 && instrument < eng->n);
    return ledger_lots(eng, book, instrument);
}

const int64_t *keel_ledger_marks(const keel_ledger *eng)
{
    for (int i = 0; i < eng->n; i++)
        eng->prices[i] = eng->marks[i].price_units;
    return eng->prices;
}

uint64_t keel_ledger_step(const keel_ledger *eng)
{
    return eng->closed_step;
}

void keel_ledger_settle(keel_ledger *eng)
{
    for (size_t i = 0; i < (size_t)eng->books_n * (size_t)eng->n; i++)
        keel_lots_settle(&eng->lots[i]);
}
