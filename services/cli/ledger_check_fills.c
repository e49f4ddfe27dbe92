/* A fill against itself, its parts, its seal and what explains it; then the books it makes. */
#include "services/cli/ledger_check_internal.h"

#include "common/base/hash.h"
#include "common/base/mem.h"

#include <stdarg.h>
#include <string.h>

enum {
    SEAL_BYTES = 8192,
    MICROS_EXP = 6,
};

void keel_check_differ(check *c, const char *fmt, ...)
{
    char line[2 * LINE_BYTES];
    va_list args;
    va_start(args, fmt);
    vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    if (++c->found > FINDINGS_MAX)
        return;
    if (c->findings == NULL)
        fprintf(c->out, "run %s: %s\n", c->run_id, line);
    else
        json_array_append_new(c->findings, json_pack("{s:s, s:s}", "run", c->run_id, "text", line));
}

long long keel_check_shown(i128 value) /* for text only */
{
    return value > INT64_MAX ? INT64_MAX : value < INT64_MIN ? INT64_MIN : (long long)value;
}

/* ---- own arithmetic ---- */

static i128 power10(int exp)
{
    i128 p = 1;
    while (exp-- > 0)
        p *= 10;
    return p;
}

/* a / b, ties to the even neighbour; b > 0. */
static i128 half_even(i128 a, i128 b)
{
    const i128 sign = a < 0 ? -1 : 1, m = sign * a;
    i128 q = m / b;
    const i128 twice = 2 * (m % b);
    if (twice > b || (twice == b && (q & 1) == 1))
        q++;
    return sign * q;
}

i128 keel_check_worth(const instrument *x, int64_t price, i128 qty)
{
    const int shift = x->price_exp + x->qty_exp - MICROS_EXP;
    const i128 product = (i128)price * qty;
    return shift >= 0 ? half_even(product, power10(shift)) : product * power10(-shift);
}

static i128 size_of(i128 value)
{
    return value < 0 ? -value : value;
}

/* ---- own books ---- */

book *keel_check_find_book(check *c, const char *name)
{
    for (int b = 0; b < c->books_n; b++) {
        if (strcmp(c->books[b].name, name) == 0)
            return &c->books[b];
    }
    if (c->books_n == BOOKS_MAX) {
        keel_check_differ(c, "book %s: more than %d books", name, BOOKS_MAX);
        return &c->books[BOOKS_MAX - 1];
    }
    book *b = &c->books[c->books_n++];
    snprintf(b->name, sizeof b->name, "%s", name);
    return b;
}

position *keel_check_find_position(book *b, int i)
{
    if (b->positions == NULL)
        b->positions = keel_xcalloc(INSTRUMENTS_MAX, sizeof *b->positions);
    if (b->positions[i].lots == NULL)
        b->positions[i].lots = keel_xcalloc(LOTS_MAX, sizeof(lot));
    return &b->positions[i];
}

/* Take `units` off the oldest lots; returns their cost. */
static i128 close_lots(position *p, i128 units)
{
    i128 cost = 0;
    while (units > 0 && p->count > 0) {
        lot *oldest = &p->lots[0];
        const i128 held = size_of(oldest->qty), taken = units < held ? units : held;
        const i128 of_it = half_even((i128)oldest->cost * taken, held);
        oldest->qty = (int64_t)(oldest->qty < 0 ? oldest->qty + taken : oldest->qty - taken);
        oldest->cost -= (int64_t)of_it;
        cost += of_it;
        units -= taken;
        if (oldest->qty == 0) {
            memmove(&p->lots[0], &p->lots[1], (size_t)--p->count * sizeof(lot));
            p->first_no++;
        }
    }
    return cost;
}

static void open_lot(position *p, i128 qty, i128 cost, int64_t fill_no)
{
    if (p->count < LOTS_MAX) {
        p->lots[p->count++] = (lot){(int64_t)qty, (int64_t)cost, fill_no};
        return;
    }
    p->lots[LOTS_MAX - 1].qty += (int64_t)qty;
    p->lots[LOTS_MAX - 1].cost += (int64_t)cost;
}

/* Book a part on the lots; returns what it realised, *closed the quantity it closed. */
static i128 book_lots(position *p, i128 qty, i128 gross, int64_t fill_no, i128 *closed)
{
    const bool opposite = p->qty != 0 && (p->qty > 0) != (qty > 0);
    const i128 units = size_of(qty), held = size_of(p->qty);
    *closed = !opposite ? 0 : units < held ? units : held;
    const i128 gross_closed = *closed == 0 ? 0 : half_even(gross * *closed, units);
    const i128 cost = close_lots(p, *closed);
    const i128 rest = qty < 0 ? -(units - *closed) : units - *closed;
    if (rest != 0)
        open_lot(p, rest, gross - gross_closed, fill_no);
    p->qty += qty;
    p->cost += rest != 0 ? gross - gross_closed - cost : -cost;
    return -gross_closed - cost;
}

/* ---- fills ---- */

typedef struct sealed {
    uint8_t bytes[SEAL_BYTES];
    size_t len;
} sealed;

static void seal_number(sealed *s, uint64_t value)
{
    for (int i = 0; i < 8 && s->len < SEAL_BYTES; i++)
        s->bytes[s->len++] = (uint8_t)(value >> (8 * i));
}

static void seal_text(sealed *s, const char *text)
{
    const size_t len = strlen(text);
    seal_number(s, len);
    for (size_t i = 0; i < len && s->len < SEAL_BYTES; i++)
        s->bytes[s->len++] = (uint8_t)text[i];
}

static uint64_t seal_of(uint64_t before, const fill *f, const part *parts, int n)
{
    sealed s = {.len = 0};
    const int64_t numbers[] = {f->no,        f->step, f->instrument, f->qty, f->price,
                               f->reference, f->fee,  f->slippage,   f->ns};
    seal_number(&s, before);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        seal_number(&s, (uint64_t)numbers[i]);
    seal_text(&s, f->id);
    seal_text(&s, f->order);
    for (int p = 0; p < n; p++) {
        seal_text(&s, parts[p].book);
        seal_number(&s, (uint64_t)parts[p].qty);
        seal_number(&s, (uint64_t)parts[p].cash);
        seal_number(&s, (uint64_t)parts[p].fee);
        seal_number(&s, (uint64_t)parts[p].slippage);
        seal_number(&s, (uint64_t)parts[p].closed_version);
    }
    return keel_hash(s.bytes, s.len);
}

/* True when `text` ends in `tail`. */
static bool ends_in(const char *text, const char *tail)
{
    const size_t len = strlen(text), want = strlen(tail);
    return len >= want && strcmp(text + len - want, tail) == 0;
}

/* Ids derive: run/portfolio/step/n/symbol/k; of a stop or target .../symbol/book/stop/k. */
static void check_ids(check *c, const fill *f, const part *parts, int n)
{
    char prefix[LINE_BYTES], suffix[LINE_BYTES], exits[2][2 * LINE_BYTES];
    const char *symbol = c->instruments[f->instrument].symbol;
    const size_t order = strlen(f->order);
    snprintf(prefix, sizeof prefix, "%s/%s/", c->run_id, c->portfolio);
    snprintf(suffix, sizeof suffix, "/%s", symbol);
    snprintf(exits[0], sizeof exits[0], "/%s/%s/stop", symbol, n > 0 ? parts[0].book : "");
    snprintf(exits[1], sizeof exits[1], "/%s/%s/target", symbol, n > 0 ? parts[0].book : "");
    if (strncmp(f->id, prefix, strlen(prefix)) != 0)
        keel_check_differ(c, "fill %s: not of this run and portfolio", f->id);
    if (strncmp(f->id, f->order, order) != 0 || f->id[order] != '/')
        keel_check_differ(c, "fill %s: not of its order %s", f->id, f->order);
    if (!ends_in(f->order, suffix) && !ends_in(f->order, exits[0]) && !ends_in(f->order, exits[1]))
        keel_check_differ(c, "fill %s: instrument %d is %s", f->id, f->instrument, symbol);
}

/* A book pays what it would have paid alone: the market's price worse by the slippage it is told,
 * and on the net's side of the market the very price, on the other one as far from the market. */
static void check_alone(check *c, const fill *f, const part *p)
{
    const instrument *x = &c->instruments[f->instrument];
    const i128 gross = keel_check_worth(x, f->reference, p->qty) + p->slippage,
               due = -gross - p->fee;
    const int64_t mirrored = 2 * f->reference - f->price;
    const int64_t price = (p->qty > 0) == (f->qty > 0) ? f->price : mirrored < 1 ? 1 : mirrored;
    if (due != p->cash)
        keel_check_differ(c, "fill %s: cash of book %s differs by %lld micro", f->id, p->book,
                          keel_check_shown(p->cash - due));
    else if (f->qty != 0 && gross != keel_check_worth(x, price, p->qty))
        keel_check_differ(
            c, "fill %s: price of book %s is not what it would have paid alone, by %lld micro",
            f->id, p->book, keel_check_shown(gross - keel_check_worth(x, price, p->qty)));
    if (p->qty == 0 || p->fee < 0 || p->slippage < 0)
        keel_check_differ(c, "fill %s: book %s has no quantity, or is paid for dealing", f->id,
                          p->book);
}

/* The net fill against itself, and its parts against the net fill: so what is netting's is exactly
 * the account less the books. */
static void check_sums(check *c, const fill *f, const part *parts, int n)
{
    const instrument *x = &c->instruments[f->instrument];
    const i128 gross = keel_check_worth(x, f->price, f->qty),
               plain = keel_check_worth(x, f->reference, f->qty);
    i128 qty = 0, fee = 0, slippage = 0, cash = 0;
    for (int p = 0; p < n; p++) {
        qty += parts[p].qty;
        fee += parts[p].fee;
        slippage += parts[p].slippage;
        cash += parts[p].cash;
        if (strcmp(parts[p].book, "netting") != 0)
            check_alone(c, f, &parts[p]);
        else if (parts[p].qty != 0 || parts[p].closed_version != 0 || p != n - 1 || n < 3)
            keel_check_differ(c, "fill %s: netting has a quantity, or nobody to net", f->id);
    }
    if (qty != f->qty)
        keel_check_differ(c,
                          "fill %s: quantity of the books differs from the net fill by %lld units",
                          f->id, keel_check_shown(qty - f->qty));
    if (fee != f->fee)
        keel_check_differ(c, "fill %s: fee of the books differs from the net fill by %lld micro",
                          f->id, keel_check_shown(fee - f->fee));
    if (slippage != f->slippage || slippage != size_of(gross - plain))
        keel_check_differ(c, "fill %s: slippage differs by %lld micro", f->id,
                          keel_check_shown(f->slippage - size_of(gross - plain)));
    if (cash != -gross - f->fee)
        keel_check_differ(c, "fill %s: cash of all books differs by %lld micro", f->id,
                          keel_check_shown(cash + gross + f->fee));
    if ((f->qty > 0 && f->price < f->reference) || (f->qty < 0 && f->price > f->reference) ||
        (f->qty == 0 && f->price != f->reference))
        keel_check_differ(c, "fill %s: price %lld is better than the market's %lld", f->id,
                          (long long)f->price, (long long)f->reference);
}

/* True when the statement, about a book's decisions on a symbol, finds one. */
static bool is_found(sqlite3_stmt *s, const char *of, const char *symbol, int64_t number)
{
    if (s == NULL)
        return true; /* reported already */
    sqlite3_reset(s);
    sqlite3_bind_text(s, 2, of, -1, SQLITE_TRANSIENT);
    sqlite3_bind_text(s, 3, symbol, -1, SQLITE_TRANSIENT);
    sqlite3_bind_int64(s, 4, number);
    return sqlite3_step(s) == SQLITE_ROW;
}

/* A strategy's book trades because of a decision of an earlier step, and versions only grow. */
static void check_explained(check *c, const fill *f, const part *p)
{
    const char *symbol = c->instruments[f->instrument].symbol;
    position *held = keel_check_find_position(keel_check_find_book(c, p->book), f->instrument);
    if (p->closed_version != 0 && !is_found(c->decision, p->book, symbol, p->closed_version))
        keel_check_differ(c, "fill %s: closes version %lld of book %s, which no decision made",
                          f->id, (long long)p->closed_version, p->book);
    if (p->closed_version == 0 && !is_found(c->decided, p->book, symbol, f->step))
        keel_check_differ(c, "fill %s: nothing was decided for book %s before it", f->id, p->book);
    if (p->closed_version != 0 && p->closed_version < held->version)
        keel_check_differ(c, "fill %s: closes version %lld of book %s after version %lld", f->id,
                          (long long)p->closed_version, p->book, (long long)held->version);
    if (p->closed_version != 0)
        held->version = p->closed_version;
}

static void apply_part(check *c, const fill *f, const part *p)
{
    book *b = keel_check_find_book(c, p->book);
    i128 closed = 0, realized = (i128)p->cash + p->fee;
    if (p->qty != 0)
        realized = book_lots(keel_check_find_position(b, f->instrument), p->qty, -realized, f->no,
                             &closed);
    b->sums[CASH] += p->cash;
    b->sums[REALIZED] += realized;
    b->sums[FEES] += p->fee;
    b->sums[SLIPPAGE] += p->slippage;
    if (realized != p->realized)
        keel_check_differ(c, "fill %s: realised P&L of book %s differs by %lld micro", f->id,
                          p->book, keel_check_shown(p->realized - realized));
    if (closed != p->closed_units)
        keel_check_differ(c, "fill %s: closed quantity of book %s differs by %lld units", f->id,
                          p->book, keel_check_shown(p->closed_units - closed));
}

void keel_check_text(char *to, size_t cap, sqlite3_stmt *s, int column)
{
    const unsigned char *text = sqlite3_column_text(s, column);
    snprintf(to, cap, "%s", text != NULL ? (const char *)text : "");
}

sqlite3_stmt *keel_check_prepare(check *c, const char *sql)
{
    sqlite3_stmt *s = NULL;
    if (sqlite3_prepare_v2(c->db, sql, -1, &s, NULL) != SQLITE_OK) {
        keel_check_differ(c, "the file cannot be read: %s", sqlite3_errmsg(c->db));
        c->broken = true;
        return NULL;
    }
    sqlite3_bind_int64(s, 1, c->run);
    return s;
}

int keel_check_parts(check *c, sqlite3_stmt *s, int64_t fill_no, part parts[PARTS_MAX])
{
    int n = 0;
    sqlite3_reset(s);
    sqlite3_bind_int64(s, 2, fill_no);
    while (sqlite3_step(s) == SQLITE_ROW) {
        if (n == PARTS_MAX) {
            keel_check_differ(c, "fill number %lld: more than %d books", (long long)fill_no,
                              PARTS_MAX);
            break;
        }
        part *p = &parts[n++];
        keel_check_text(p->book, sizeof p->book, s, 0);
        p->qty = sqlite3_column_int64(s, 1);
        p->cash = sqlite3_column_int64(s, 2);
        p->fee = sqlite3_column_int64(s, 3);
        p->slippage = sqlite3_column_int64(s, 4);
        p->closed_version = sqlite3_column_int64(s, 5);
        p->closed_units = sqlite3_column_int64(s, 6);
        p->realized = sqlite3_column_int64(s, 7);
    }
    return n;
}

void keel_check_fill(sqlite3_stmt *s, fill *f)
{
    f->no = sqlite3_column_int64(s, 0);
    f->step = sqlite3_column_int64(s, 1);
    keel_check_text(f->id, sizeof f->id, s, 2);
    keel_check_text(f->order, sizeof f->order, s, 3);
    f->instrument = sqlite3_column_int(s, 4);
    f->qty = sqlite3_column_int64(s, 5);
    f->price = sqlite3_column_int64(s, 6);
    f->reference = sqlite3_column_int64(s, 7);
    f->fee = sqlite3_column_int64(s, 8);
    f->slippage = sqlite3_column_int64(s, 9);
    f->ns = sqlite3_column_int64(s, 10);
    f->seal = (uint64_t)sqlite3_column_int64(s, 11);
}

void keel_check_apply(check *c, const fill *f, const part *parts, int n)
{
    c->fills++;
    if (f->no != (int64_t)c->fills) {
        keel_check_differ(c, "fill %s: numbered %lld where %llu is due", f->id, (long long)f->no,
                          (unsigned long long)c->fills);
        c->fills = (uint64_t)f->no;
    }
    if (f->step < c->last_step)
        keel_check_differ(c, "fill %s: of step %lld after step %lld", f->id, (long long)f->step,
                          (long long)c->last_step);
    c->last_step = f->step;
    if (seal_of(c->seal, f, parts, n) != f->seal)
        keel_check_differ(
            c,
            "fill %s: seal is broken: the fill, one of its parts or the one before it was"
            " changed",
            f->id);
    c->seal = f->seal;
    if (f->instrument < 0 || f->instrument >= c->n) {
        keel_check_differ(c, "fill %s: no instrument %d", f->id, f->instrument);
        return;
    }
    check_ids(c, f, parts, n);
    check_sums(c, f, parts, n);
    for (int p = 0; p < n; p++) {
        apply_part(c, f, &parts[p]);
        if (strcmp(parts[p].book, "netting") != 0 && strcmp(parts[p].book, "core") != 0)
            check_explained(c, f, &parts[p]);
    }
}
