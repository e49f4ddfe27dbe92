/* Two cursors (transfers, fills) advance to each stored state in turn; what they add up to is
 * compared with the state. A difference that stays the same from one state to the next is one
 * finding, not one per step.
 */
#include "services/cli/ledger_check.h"

#include "common/base/hash.h"
#include "common/base/mem.h"

#include <jansson.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
    EXIT_AGREE = 0,
    EXIT_DIFFER = 1,
    EXIT_NO_FILE = 4,
    BOOKS_MAX = 520,
    NAME_BYTES = 64,
    SYMBOL_BYTES = 64,
    INSTRUMENTS_MAX = 512,
    LOTS_MAX = 512, /* a fill that would open one more joins the newest: docs/ledger-schema.md */
    PARTS_MAX = 65, /* 64 books and "netting" */
    LINE_BYTES = 512,
    SEAL_BYTES = 8192,
    FINDINGS_MAX = 1000, /* printed; all are counted */
    MICROS_EXP = 6,
    SCHEMA = 2,
};

__extension__ typedef __int128 i128;

typedef struct lot {
    int64_t qty, cost, fill_no;
} lot;

typedef struct position {
    lot *lots; /* owned, LOTS_MAX, taken when first used */
    int count;
    int64_t first_no;
    i128 qty, cost;
    int64_t version; /* newest intent version filled or closed */
} position;

typedef enum field { CASH, EQUITY, REALIZED, UNREALIZED, FEES, SLIPPAGE, FIELDS } field;

static const char *const field_names[FIELDS] = {"cash",           "equity", "realised P&L",
                                                "unrealised P&L", "fees",   "slippage"};

typedef struct book {
    char name[NAME_BYTES];
    i128 sums[FIELDS];
    i128 known[FIELDS];  /* difference already reported */
    i128 bar_profit;     /* at the bar before */
    bool returned;       /* has a return in the step at hand */
    position *positions; /* owned, INSTRUMENTS_MAX, taken when first used */
} book;

typedef struct instrument {
    char symbol[SYMBOL_BYTES];
    int price_exp, qty_exp;
    int64_t mark;
} instrument;

typedef struct part {
    char book[NAME_BYTES];
    int64_t qty, cash, fee, slippage, closed_version, closed_units, realized;
} part;

typedef struct fill {
    int64_t no, step, qty, price, reference, fee, slippage, ns;
    int instrument;
    char id[LINE_BYTES], order[LINE_BYTES];
    uint64_t seal;
} fill;

typedef struct check {
    sqlite3 *db;
    FILE *out;
    json_t *findings; /* NULL: print lines */
    uint64_t found;
    uint64_t fills, transfers, states, lots;
    int64_t run;
    char run_id[NAME_BYTES], portfolio[NAME_BYTES];
    int64_t initial;
    int n, books_n;
    instrument instruments[INSTRUMENTS_MAX];
    book books[BOOKS_MAX];
    uint64_t seal;
    int64_t last_step;
    i128 known_cash, known_equity;
    int64_t first_return;             /* step of the oldest returns kept; 0 = none */
    sqlite3_stmt *decision, *decided; /* borrowed while walking */
    bool broken;                      /* the file could not be read to the end */
} check;

static void differ(check *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void differ(check *c, const char *fmt, ...)
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

static long long shown(i128 value) /* for text only */
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

static i128 worth(const instrument *x, int64_t price, i128 qty)
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

static book *find_book(check *c, const char *name)
{
    for (int b = 0; b < c->books_n; b++) {
        if (strcmp(c->books[b].name, name) == 0)
            return &c->books[b];
    }
    if (c->books_n == BOOKS_MAX) {
        differ(c, "book %s: more than %d books", name, BOOKS_MAX);
        return &c->books[BOOKS_MAX - 1];
    }
    book *b = &c->books[c->books_n++];
    snprintf(b->name, sizeof b->name, "%s", name);
    return b;
}

static position *find_position(book *b, int i)
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
        differ(c, "fill %s: not of this run and portfolio", f->id);
    if (strncmp(f->id, f->order, order) != 0 || f->id[order] != '/')
        differ(c, "fill %s: not of its order %s", f->id, f->order);
    if (!ends_in(f->order, suffix) && !ends_in(f->order, exits[0]) && !ends_in(f->order, exits[1]))
        differ(c, "fill %s: instrument %d is %s", f->id, f->instrument, symbol);
}

/* A book pays what it would have paid alone: the market's price worse by the slippage it is told,
 * and on the net's side of the market the very price, on the other one as far from the market. */
static void check_alone(check *c, const fill *f, const part *p)
{
    const instrument *x = &c->instruments[f->instrument];
    const i128 gross = worth(x, f->reference, p->qty) + p->slippage, due = -gross - p->fee;
    const int64_t mirrored = 2 * f->reference - f->price;
    const int64_t price = (p->qty > 0) == (f->qty > 0) ? f->price : mirrored < 1 ? 1 : mirrored;
    if (due != p->cash)
        differ(c, "fill %s: cash of book %s differs by %lld micro", f->id, p->book,
               shown(p->cash - due));
    else if (f->qty != 0 && gross != worth(x, price, p->qty))
        differ(c, "fill %s: price of book %s is not what it would have paid alone, by %lld micro",
               f->id, p->book, shown(gross - worth(x, price, p->qty)));
    if (p->qty == 0 || p->fee < 0 || p->slippage < 0)
        differ(c, "fill %s: book %s has no quantity, or is paid for dealing", f->id, p->book);
}

/* The net fill against itself, and its parts against the net fill: so what is netting's is exactly
 * the account less the books. */
static void check_sums(check *c, const fill *f, const part *parts, int n)
{
    const instrument *x = &c->instruments[f->instrument];
    const i128 gross = worth(x, f->price, f->qty), plain = worth(x, f->reference, f->qty);
    i128 qty = 0, fee = 0, slippage = 0, cash = 0;
    for (int p = 0; p < n; p++) {
        qty += parts[p].qty;
        fee += parts[p].fee;
        slippage += parts[p].slippage;
        cash += parts[p].cash;
        if (strcmp(parts[p].book, "netting") != 0)
            check_alone(c, f, &parts[p]);
        else if (parts[p].qty != 0 || parts[p].closed_version != 0 || p != n - 1 || n < 3)
            differ(c, "fill %s: netting has a quantity, or nobody to net", f->id);
    }
    if (qty != f->qty)
        differ(c, "fill %s: quantity of the books differs from the net fill by %lld units", f->id,
               shown(qty - f->qty));
    if (fee != f->fee)
        differ(c, "fill %s: fee of the books differs from the net fill by %lld micro", f->id,
               shown(fee - f->fee));
    if (slippage != f->slippage || slippage != size_of(gross - plain))
        differ(c, "fill %s: slippage differs by %lld micro", f->id,
               shown(f->slippage - size_of(gross - plain)));
    if (cash != -gross - f->fee)
        differ(c, "fill %s: cash of all books differs by %lld micro", f->id,
               shown(cash + gross + f->fee));
    if ((f->qty > 0 && f->price < f->reference) || (f->qty < 0 && f->price > f->reference) ||
        (f->qty == 0 && f->price != f->reference))
        differ(c, "fill %s: price %lld is better than the market's %lld", f->id,
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
    position *held = find_position(find_book(c, p->book), f->instrument);
    if (p->closed_version != 0 && !is_found(c->decision, p->book, symbol, p->closed_version))
        differ(c, "fill %s: closes version %lld of book %s, which no decision made", f->id,
               (long long)p->closed_version, p->book);
    if (p->closed_version == 0 && !is_found(c->decided, p->book, symbol, f->step))
        differ(c, "fill %s: nothing was decided for book %s before it", f->id, p->book);
    if (p->closed_version != 0 && p->closed_version < held->version)
        differ(c, "fill %s: closes version %lld of book %s after version %lld", f->id,
               (long long)p->closed_version, p->book, (long long)held->version);
    if (p->closed_version != 0)
        held->version = p->closed_version;
}

static void apply_part(check *c, const fill *f, const part *p)
{
    book *b = find_book(c, p->book);
    i128 closed = 0, realized = (i128)p->cash + p->fee;
    if (p->qty != 0)
        realized = book_lots(find_position(b, f->instrument), p->qty, -realized, f->no, &closed);
    b->sums[CASH] += p->cash;
    b->sums[REALIZED] += realized;
    b->sums[FEES] += p->fee;
    b->sums[SLIPPAGE] += p->slippage;
    if (realized != p->realized)
        differ(c, "fill %s: realised P&L of book %s differs by %lld micro", f->id, p->book,
               shown(p->realized - realized));
    if (closed != p->closed_units)
        differ(c, "fill %s: closed quantity of book %s differs by %lld units", f->id, p->book,
               shown(p->closed_units - closed));
}

static void copy_text(char *to, size_t cap, sqlite3_stmt *s, int column)
{
    const unsigned char *text = sqlite3_column_text(s, column);
    snprintf(to, cap, "%s", text != NULL ? (const char *)text : "");
}

static sqlite3_stmt *prepare(check *c, const char *sql)
{
    sqlite3_stmt *s = NULL;
    if (sqlite3_prepare_v2(c->db, sql, -1, &s, NULL) != SQLITE_OK) {
        differ(c, "the file cannot be read: %s", sqlite3_errmsg(c->db));
        c->broken = true;
        return NULL;
    }
    sqlite3_bind_int64(s, 1, c->run);
    return s;
}

static int read_parts(check *c, sqlite3_stmt *s, int64_t fill_no, part parts[PARTS_MAX])
{
    int n = 0;
    sqlite3_reset(s);
    sqlite3_bind_int64(s, 2, fill_no);
    while (sqlite3_step(s) == SQLITE_ROW) {
        if (n == PARTS_MAX) {
            differ(c, "fill number %lld: more than %d books", (long long)fill_no, PARTS_MAX);
            break;
        }
        part *p = &parts[n++];
        copy_text(p->book, sizeof p->book, s, 0);
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

static void read_fill(sqlite3_stmt *s, fill *f)
{
    f->no = sqlite3_column_int64(s, 0);
    f->step = sqlite3_column_int64(s, 1);
    copy_text(f->id, sizeof f->id, s, 2);
    copy_text(f->order, sizeof f->order, s, 3);
    f->instrument = sqlite3_column_int(s, 4);
    f->qty = sqlite3_column_int64(s, 5);
    f->price = sqlite3_column_int64(s, 6);
    f->reference = sqlite3_column_int64(s, 7);
    f->fee = sqlite3_column_int64(s, 8);
    f->slippage = sqlite3_column_int64(s, 9);
    f->ns = sqlite3_column_int64(s, 10);
    f->seal = (uint64_t)sqlite3_column_int64(s, 11);
}

static void apply_fill(check *c, const fill *f, const part *parts, int n)
{
    c->fills++;
    if (f->no != (int64_t)c->fills) {
        differ(c, "fill %s: numbered %lld where %llu is due", f->id, (long long)f->no,
               (unsigned long long)c->fills);
        c->fills = (uint64_t)f->no;
    }
    if (f->step < c->last_step)
        differ(c, "fill %s: of step %lld after step %lld", f->id, (long long)f->step,
               (long long)c->last_step);
    c->last_step = f->step;
    if (seal_of(c->seal, f, parts, n) != f->seal)
        differ(c,
               "fill %s: seal is broken: the fill, one of its parts or the one before it was"
               " changed",
               f->id);
    c->seal = f->seal;
    if (f->instrument < 0 || f->instrument >= c->n) {
        differ(c, "fill %s: no instrument %d", f->id, f->instrument);
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

/* ---- cursors ---- */

typedef struct cursors {
    sqlite3_stmt *fills, *parts, *transfers, *legs, *states, *books, *returns;
    bool more_fills, more_transfers;
} cursors;

static bool next(check *c, sqlite3_stmt *s)
{
    const int rc = sqlite3_step(s);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE) {
        differ(c, "the file cannot be read: %s", sqlite3_errmsg(c->db));
        c->broken = true;
    }
    return rc == SQLITE_ROW;
}

static void take_fills(check *c, cursors *k, int64_t step)
{
    while (k->more_fills && sqlite3_column_int64(k->fills, 1) <= step) {
        fill f;
        part parts[PARTS_MAX];
        read_fill(k->fills, &f);
        const int n = read_parts(c, k->parts, f.no, parts);
        apply_fill(c, &f, parts, n);
        k->more_fills = next(c, k->fills);
    }
}

static void take_transfers(check *c, cursors *k, int64_t step)
{
    while (k->more_transfers && sqlite3_column_int64(k->transfers, 1) <= step) {
        char id[LINE_BYTES], name[NAME_BYTES], due[LINE_BYTES];
        i128 sum = 0;
        copy_text(id, sizeof id, k->transfers, 0);
        snprintf(due, sizeof due, "%s/%s/%lld/", c->run_id, c->portfolio,
                 (long long)sqlite3_column_int64(k->transfers, 1));
        if (strncmp(id, due, strlen(due)) != 0)
            differ(c, "transfer %s: not of %s", id, due);
        sqlite3_reset(k->legs);
        sqlite3_bind_text(k->legs, 2, id, -1, SQLITE_TRANSIENT);
        while (next(c, k->legs)) {
            copy_text(name, sizeof name, k->legs, 0);
            find_book(c, name)->sums[CASH] += sqlite3_column_int64(k->legs, 1);
            sum += sqlite3_column_int64(k->legs, 1);
        }
        if (sum != 0)
            differ(c, "transfer %s: legs sum to %lld micro", id, shown(sum));
        c->transfers++;
        k->more_transfers = next(c, k->transfers);
    }
}

/* ---- states ---- */

static void read_marks(check *c, sqlite3_stmt *s, int64_t step)
{
    const uint8_t *bytes = sqlite3_column_blob(s, 4);
    if (sqlite3_column_bytes(s, 4) != c->n * 8) {
        differ(c, "step %lld: marks of %d bytes", (long long)step, sqlite3_column_bytes(s, 4));
        return;
    }
    for (int i = 0; i < c->n; i++) {
        uint64_t value = 0;
        for (int b = 0; b < 8; b++)
            value |= (uint64_t)bytes[8 * i + b] << (8 * b);
        c->instruments[i].mark = (int64_t)value;
    }
}

static void value_book(check *c, book *b)
{
    i128 value = 0, cost = 0;
    for (int i = 0; b->positions != NULL && i < c->n; i++) {
        value += worth(&c->instruments[i], c->instruments[i].mark, b->positions[i].qty);
        cost += b->positions[i].cost;
    }
    b->sums[EQUITY] = b->sums[CASH] + value;
    b->sums[UNREALIZED] = value - cost;
}

static void check_book(check *c, int64_t step, sqlite3_stmt *s)
{
    char name[NAME_BYTES];
    copy_text(name, sizeof name, s, 0);
    book *b = find_book(c, name);
    value_book(c, b);
    for (int f = 0; f < FIELDS; f++) {
        const i128 off = sqlite3_column_int64(s, 1 + f) - b->sums[f];
        if (off != b->known[f])
            differ(c, "step %lld: %s of book %s differs by %lld micro", (long long)step,
                   field_names[f], name, shown(off));
        b->known[f] = off;
    }
}

static i128 profit_of(const book *b)
{
    return b->sums[REALIZED] + b->sums[UNREALIZED] - b->sums[FEES];
}

static void check_return(check *c, int64_t step, sqlite3_stmt *s)
{
    char name[NAME_BYTES];
    copy_text(name, sizeof name, s, 0);
    book *b = find_book(c, name);
    const i128 pnl = profit_of(b) - b->bar_profit, base = b->sums[EQUITY] - pnl;
    const double due = base > 0 ? (double)pnl / (double)base : 0.0;
    b->returned = true;
    if (step == c->first_return)
        return; /* what it had before is not kept */
    if (sqlite3_column_int64(s, 1) != base || sqlite3_column_int64(s, 2) != pnl)
        differ(c, "step %lld: profit of the bar of book %s differs by %lld micro", (long long)step,
               name, shown(sqlite3_column_int64(s, 2) - pnl));
    if (!(sqlite3_column_double(s, 3) - due < 1e-9 && due - sqlite3_column_double(s, 3) < 1e-9))
        differ(c, "step %lld: return of book %s differs by %g", (long long)step, name,
               sqlite3_column_double(s, 3) - due);
}

/* The returns of a step that has any, which is one with a bar. */
static void check_returns(check *c, cursors *k, int64_t step)
{
    bool any = false;
    sqlite3_reset(k->returns);
    sqlite3_bind_int64(k->returns, 2, step);
    for (int b = 0; b < c->books_n; b++)
        c->books[b].returned = false;
    for (; next(c, k->returns); any = true)
        check_return(c, step, k->returns);
    if (!any && step >= c->first_return)
        return;
    for (int b = 0; b < c->books_n; b++) {
        book *it = &c->books[b];
        if (any && !it->returned && step != c->first_return && profit_of(it) != it->bar_profit)
            differ(c, "step %lld: return of book %s is not there", (long long)step, it->name);
        it->bar_profit = profit_of(it);
    }
}

static void check_account(check *c, int64_t step, sqlite3_stmt *s)
{
    i128 cash = 0, equity = 0;
    for (int b = 0; b < c->books_n; b++) {
        value_book(c, &c->books[b]);
        cash += c->books[b].sums[CASH];
        equity += c->books[b].sums[EQUITY];
    }
    cash = sqlite3_column_int64(s, 1) - cash;
    equity = sqlite3_column_int64(s, 2) - equity;
    if (cash != c->known_cash)
        differ(c, "step %lld: cash of the account differs by %lld micro", (long long)step,
               shown(cash));
    if (equity != c->known_equity)
        differ(c, "step %lld: equity of the account differs by %lld micro", (long long)step,
               shown(equity));
    if ((uint64_t)sqlite3_column_int64(s, 3) != c->fills)
        differ(c, "step %lld: %lld fills counted, %llu there", (long long)step,
               (long long)sqlite3_column_int64(s, 3), (unsigned long long)c->fills);
    c->known_cash = cash;
    c->known_equity = equity;
}

static void walk_states(check *c, cursors *k)
{
    int64_t step = 0;
    while (next(c, k->states)) {
        step = sqlite3_column_int64(k->states, 0);
        take_transfers(c, k, step);
        take_fills(c, k, step);
        read_marks(c, k->states, step);
        check_account(c, step, k->states);
        sqlite3_reset(k->books);
        sqlite3_bind_int64(k->books, 2, step);
        while (next(c, k->books))
            check_book(c, step, k->books);
        check_returns(c, k, step);
        if (sqlite3_column_int(k->states, 5) == 0)
            differ(c, "step %lld: the portfolio state kept is not the one published",
                   (long long)step);
        c->states++;
    }
    if (k->more_fills)
        differ(c, "fill %s: of a step after the last state %lld",
               (const char *)sqlite3_column_text(k->fills, 2), (long long)step);
    if (k->more_transfers)
        differ(c, "transfer %s: of a step after the last state %lld",
               (const char *)sqlite3_column_text(k->transfers, 0), (long long)step);
}

/* ---- lots ---- */

static void check_lot(check *c, sqlite3_stmt *s)
{
    char name[NAME_BYTES];
    copy_text(name, sizeof name, s, 0);
    const int i = sqlite3_column_int(s, 1);
    const int64_t no = sqlite3_column_int64(s, 2);
    const char *symbol = i >= 0 && i < c->n ? c->instruments[i].symbol : "?";
    const position *p = i >= 0 && i < c->n ? find_position(find_book(c, name), i) : NULL;
    c->lots++;
    if (p == NULL || no < p->first_no || no >= p->first_no + p->count) {
        differ(c, "lot %s/%s/%lld: not opened by any fill, or closed", name, symbol, (long long)no);
        return;
    }
    const lot *due = &p->lots[no - p->first_no];
    if (sqlite3_column_int64(s, 3) != due->fill_no)
        differ(c, "lot %s/%s/%lld: opened by fill %lld, not %lld", name, symbol, (long long)no,
               (long long)due->fill_no, (long long)sqlite3_column_int64(s, 3));
    if (sqlite3_column_int64(s, 4) != due->qty)
        differ(c, "lot %s/%s/%lld: quantity differs by %lld units", name, symbol, (long long)no,
               shown((i128)sqlite3_column_int64(s, 4) - due->qty));
    if (sqlite3_column_int64(s, 5) != due->cost)
        differ(c, "lot %s/%s/%lld: cost differs by %lld micro", name, symbol, (long long)no,
               shown((i128)sqlite3_column_int64(s, 5) - due->cost));
}

static void check_lots(check *c)
{
    uint64_t due = 0;
    sqlite3_stmt *s = prepare(c, "SELECT book,instrument,lot_no,fill_no,qty_units,cost_micros"
                                 " FROM lots WHERE run=?1 ORDER BY book,instrument,lot_no");
    while (s != NULL && next(c, s))
        check_lot(c, s);
    sqlite3_finalize(s);
    for (int b = 0; b < c->books_n; b++) {
        for (int i = 0; c->books[b].positions != NULL && i < c->n; i++)
            due += (uint64_t)c->books[b].positions[i].count;
    }
    if (due != c->lots)
        differ(c, "%llu lots are open, %llu are there", (unsigned long long)due,
               (unsigned long long)c->lots);
}

/* ---- one run ---- */

static void read_instruments(check *c)
{
    sqlite3_stmt *s = prepare(c, "SELECT instrument,symbol,price_exp,qty_exp FROM instruments"
                                 " WHERE run=?1 ORDER BY instrument");
    while (s != NULL && next(c, s)) {
        if (sqlite3_column_int(s, 0) != c->n || c->n == INSTRUMENTS_MAX) {
            differ(c, "instrument %d: out of order", sqlite3_column_int(s, 0));
            break;
        }
        instrument *x = &c->instruments[c->n++];
        copy_text(x->symbol, sizeof x->symbol, s, 1);
        x->price_exp = sqlite3_column_int(s, 2);
        x->qty_exp = sqlite3_column_int(s, 3);
    }
    sqlite3_finalize(s);
}

static void check_unique(check *c)
{
    sqlite3_stmt *s = prepare(c, "SELECT fill_id,count(*) FROM fills WHERE run=?1"
                                 " GROUP BY fill_id HAVING count(*)>1");
    while (s != NULL && next(c, s))
        differ(c, "fill %s: there %d times", (const char *)sqlite3_column_text(s, 0),
               sqlite3_column_int(s, 1));
    sqlite3_finalize(s);
}

static int64_t first_return(check *c)
{
    sqlite3_stmt *s = prepare(c, "SELECT ifnull(min(step),0) FROM book_returns WHERE run=?1");
    const int64_t step = s != NULL && next(c, s) ? sqlite3_column_int64(s, 0) : 0;
    sqlite3_finalize(s);
    return step;
}

static void walk(check *c)
{
    cursors k = {
        .fills = prepare(c, "SELECT fill_no,step,fill_id,order_id,instrument,qty_units,price_units,"
                            "reference_units,fee_micros,slippage_micros,fill_ns,seal FROM fills"
                            " WHERE run=?1 ORDER BY fill_no"),
        .parts = prepare(c, "SELECT book,qty_units,cash_micros,fee_micros,slippage_micros,"
                            "closed_version,closed_units,realized_micros FROM fill_books"
                            " WHERE run=?1 AND fill_no=?2 ORDER BY place"),
        .transfers = prepare(c, "SELECT transfer_id,step FROM transfers WHERE run=?1"
                                " ORDER BY step,transfer_id"),
        .legs = prepare(c, "SELECT book,cash_micros FROM transfer_legs WHERE run=?1"
                           " AND transfer_id=?2 ORDER BY place"),
        .states = prepare(c, "SELECT p.step,p.cash_micros,p.equity_micros,p.fills,p.marks,"
                             "NOT EXISTS(SELECT 1 FROM outputs o WHERE o.run=p.run AND"
                             " o.step=p.step AND o.topic_text LIKE 'v1.portfolio.%' AND"
                             " o.payload<>p.payload) FROM portfolio_states p WHERE p.run=?1"
                             " ORDER BY p.step"),
        .books = prepare(c, "SELECT book,cash_micros,equity_micros,realized_micros,"
                            "unrealized_micros,fees_micros,slippage_micros FROM book_states"
                            " WHERE run=?1 AND step=?2 ORDER BY book"),
        .returns = prepare(c, "SELECT book,base_micros,pnl_micros,ret_simple FROM book_returns"
                              " WHERE run=?1 AND step=?2 ORDER BY book"),
    };
    c->decision = prepare(c, "SELECT 1 FROM decisions WHERE run=?1 AND strategy=?2 AND symbol=?3"
                             " AND decision_seq=?4 AND accepted=1");
    c->decided = prepare(c, "SELECT 1 FROM decisions WHERE run=?1 AND strategy=?2 AND symbol=?3"
                            " AND step<?4 AND accepted=1 LIMIT 1");
    c->first_return = first_return(c);
    if (!c->broken) {
        k.more_fills = next(c, k.fills);
        k.more_transfers = next(c, k.transfers);
        walk_states(c, &k);
    }
    sqlite3_stmt *const all[] = {k.fills, k.parts,   k.transfers, k.legs,    k.states,
                                 k.books, k.returns, c->decision, c->decided};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        sqlite3_finalize(all[i]);
}

static void free_books(check *c)
{
    for (int b = 0; b < c->books_n; b++) {
        for (int i = 0; c->books[b].positions != NULL && i < INSTRUMENTS_MAX; i++)
            keel_free(&c->books[b].positions[i].lots);
        keel_free(&c->books[b].positions);
    }
}

static void check_run(check *c, json_t *runs)
{
    const uint64_t before = c->found;
    find_book(c, "reserve")->sums[CASH] = c->initial;
    read_instruments(c);
    check_unique(c);
    walk(c);
    check_lots(c);
    const bool agrees = c->found == before;
    if (runs != NULL)
        json_array_append_new(runs, json_pack("{s:s, s:b, s:I, s:I, s:I, s:I}", "run", c->run_id,
                                              "ok", agrees, "fills", (json_int_t)c->fills,
                                              "transfers", (json_int_t)c->transfers, "states",
                                              (json_int_t)c->states, "lots", (json_int_t)c->lots));
    else
        fprintf(c->out, "run %s: %s: %llu fills, %llu transfers, %llu states, %llu lots\n",
                c->run_id, agrees ? "books agree" : "books differ", (unsigned long long)c->fills,
                (unsigned long long)c->transfers, (unsigned long long)c->states,
                (unsigned long long)c->lots);
    free_books(c);
}

/* ---- the file ---- */

/* Read-only, and when the folder cannot be written either (no -shm can be made), as it lies. */
static sqlite3 *open_file(const char *path)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *s = NULL;
    for (int immutable = 0; immutable < 2; immutable++) {
        char *name = immutable == 0 ? sqlite3_mprintf("%s", path)
                                    : sqlite3_mprintf("file:%s?immutable=1", path);
        const int flags = SQLITE_OPEN_READONLY | (immutable == 0 ? 0 : SQLITE_OPEN_URI);
        const bool readable =
            sqlite3_open_v2(name, &db, flags, NULL) == SQLITE_OK &&
            sqlite3_exec(db, "BEGIN", NULL, NULL, NULL) == SQLITE_OK &&
            sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &s, NULL) == SQLITE_OK &&
            sqlite3_step(s) == SQLITE_ROW && sqlite3_column_int(s, 0) == SCHEMA;
        sqlite3_finalize(s);
        sqlite3_free(name);
        s = NULL;
        if (readable)
            return db;
        sqlite3_close(db);
    }
    return NULL;
}

static bool check_runs(check *c, sqlite3 *db, json_t *runs)
{
    sqlite3_stmt *s = NULL;
    if (sqlite3_prepare_v2(db, "SELECT run,run_id,portfolio,initial_micros FROM runs ORDER BY run",
                           -1, &s, NULL) != SQLITE_OK)
        return false;
    while (sqlite3_step(s) == SQLITE_ROW) {
        FILE *out = c->out;
        json_t *findings = c->findings;
        const uint64_t found = c->found;
        memset(c, 0, sizeof *c);
        c->db = db;
        c->out = out;
        c->findings = findings;
        c->found = found;
        c->run = sqlite3_column_int64(s, 0);
        copy_text(c->run_id, sizeof c->run_id, s, 1);
        copy_text(c->portfolio, sizeof c->portfolio, s, 2);
        c->initial = sqlite3_column_int64(s, 3);
        check_run(c, runs);
    }
    sqlite3_finalize(s);
    return true;
}

int keel_ledger_check(const char *db_path, FILE *out, bool json)
{
    sqlite3 *db = open_file(db_path);
    if (db == NULL) {
        fprintf(stderr, "%s: cannot be opened, or is not a ledger of this version\n", db_path);
        return EXIT_NO_FILE;
    }
    check *c = keel_xcalloc(1, sizeof *c);
    json_t *runs = json ? json_array() : NULL;
    c->out = out;
    c->findings = json ? json_array() : NULL;
    const bool readable = check_runs(c, db, runs);
    const uint64_t found = c->found;
    if (json) {
        json_t *all = json_pack("{s:b, s:I, s:o, s:o}", "ok", found == 0 && readable, "differences",
                                (json_int_t)found, "runs", runs, "findings", c->findings);
        json_dumpf(all, out, JSON_COMPACT);
        fputc('\n', out);
        json_decref(all);
    } else if (found > FINDINGS_MAX) {
        fprintf(out, "and %llu more\n", (unsigned long long)(found - FINDINGS_MAX));
    }
    keel_free(&c);
    sqlite3_close(db);
    return !readable ? EXIT_NO_FILE : found > 0 ? EXIT_DIFFER : EXIT_AGREE;
}
