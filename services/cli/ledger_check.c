/* Two cursors (transfers, fills) advance to each stored state in turn; what they add up to is
 * compared with the state. A difference that stays the same from one state to the next is one
 * finding, not one per step.
 */
#include "services/cli/ledger_check.h"

#include "common/base/mem.h"
#include "services/cli/ledger_check_internal.h"

#include <stdlib.h>
#include <string.h>

enum {
    EXIT_AGREE = 0,
    EXIT_DIFFER = 1,
    EXIT_NO_FILE = 4,
    SCHEMA = 2,
};

static const char *const field_names[FIELDS] = {"cash",           "equity", "realised P&L",
                                                "unrealised P&L", "fees",   "slippage"};

/* ---- cursors ---- */

typedef struct cursors {
    sqlite3_stmt *fills, *parts, *transfers, *legs, *states, *books, *returns;
    bool more_fills, more_transfers;
} cursors;

static bool next(check *c, sqlite3_stmt *s)
{
    const int rc = sqlite3_step(s);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE) {
        keel_check_differ(c, "the file cannot be read: %s", sqlite3_errmsg(c->db));
        c->broken = true;
    }
    return rc == SQLITE_ROW;
}

static void take_fills(check *c, cursors *k, int64_t step)
{
    while (k->more_fills && sqlite3_column_int64(k->fills, 1) <= step) {
        fill f;
        part parts[PARTS_MAX];
        keel_check_fill(k->fills, &f);
        const int n = keel_check_parts(c, k->parts, f.no, parts);
        keel_check_apply(c, &f, parts, n);
        k->more_fills = next(c, k->fills);
    }
}

static void take_transfers(check *c, cursors *k, int64_t step)
{
    while (k->more_transfers && sqlite3_column_int64(k->transfers, 1) <= step) {
        char id[LINE_BYTES], name[NAME_BYTES], due[LINE_BYTES];
        i128 sum = 0;
        keel_check_text(id, sizeof id, k->transfers, 0);
        snprintf(due, sizeof due, "%s/%s/%lld/", c->run_id, c->portfolio,
                 (long long)sqlite3_column_int64(k->transfers, 1));
        if (strncmp(id, due, strlen(due)) != 0)
            keel_check_differ(c, "transfer %s: not of %s", id, due);
        sqlite3_reset(k->legs);
        sqlite3_bind_text(k->legs, 2, id, -1, SQLITE_TRANSIENT);
        while (next(c, k->legs)) {
            keel_check_text(name, sizeof name, k->legs, 0);
            keel_check_find_book(c, name)->sums[CASH] += sqlite3_column_int64(k->legs, 1);
            sum += sqlite3_column_int64(k->legs, 1);
        }
        if (sum != 0)
            keel_check_differ(c, "transfer %s: legs sum to %lld micro", id, keel_check_shown(sum));
        c->transfers++;
        k->more_transfers = next(c, k->transfers);
    }
}

/* ---- states ---- */

static void read_marks(check *c, sqlite3_stmt *s, int64_t step)
{
    const uint8_t *bytes = sqlite3_column_blob(s, 4);
    if (sqlite3_column_bytes(s, 4) != c->n * 8) {
        keel_check_differ(c, "step %lld: marks of %d bytes", (long long)step,
                          sqlite3_column_bytes(s, 4));
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
        value += keel_check_worth(&c->instruments[i], c->instruments[i].mark, b->positions[i].qty);
        cost += b->positions[i].cost;
    }
    b->sums[EQUITY] = b->sums[CASH] + value;
    b->sums[UNREALIZED] = value - cost;
}

static void check_book(check *c, int64_t step, sqlite3_stmt *s)
{
    char name[NAME_BYTES];
    keel_check_text(name, sizeof name, s, 0);
    book *b = keel_check_find_book(c, name);
    value_book(c, b);
    for (int f = 0; f < FIELDS; f++) {
        const i128 off = sqlite3_column_int64(s, 1 + f) - b->sums[f];
        if (off != b->known[f])
            keel_check_differ(c, "step %lld: %s of book %s differs by %lld micro", (long long)step,
                              field_names[f], name, keel_check_shown(off));
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
    keel_check_text(name, sizeof name, s, 0);
    book *b = keel_check_find_book(c, name);
    const i128 pnl = profit_of(b) - b->bar_profit, base = b->sums[EQUITY] - pnl;
    const double due = base > 0 ? (double)pnl / (double)base : 0.0;
    b->returned = true;
    if (step == c->first_return)
        return; /* what it had before is not kept */
    if (sqlite3_column_int64(s, 1) != base || sqlite3_column_int64(s, 2) != pnl)
        keel_check_differ(c, "step %lld: profit of the bar of book %s differs by %lld micro",
                          (long long)step, name,
                          keel_check_shown(sqlite3_column_int64(s, 2) - pnl));
    if (!(sqlite3_column_double(s, 3) - due < 1e-9 && due - sqlite3_column_double(s, 3) < 1e-9))
        keel_check_differ(c, "step %lld: return of book %s differs by %g", (long long)step, name,
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
            keel_check_differ(c, "step %lld: return of book %s is not there", (long long)step,
                              it->name);
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
        keel_check_differ(c, "step %lld: cash of the account differs by %lld micro",
                          (long long)step, keel_check_shown(cash));
    if (equity != c->known_equity)
        keel_check_differ(c, "step %lld: equity of the account differs by %lld micro",
                          (long long)step, keel_check_shown(equity));
    if ((uint64_t)sqlite3_column_int64(s, 3) != c->fills)
        keel_check_differ(c, "step %lld: %lld fills counted, %llu there", (long long)step,
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
            keel_check_differ(c, "step %lld: the portfolio state kept is not the one published",
                              (long long)step);
        c->states++;
    }
    if (k->more_fills)
        keel_check_differ(c, "fill %s: of a step after the last state %lld",
                          (const char *)sqlite3_column_text(k->fills, 2), (long long)step);
    if (k->more_transfers)
        keel_check_differ(c, "transfer %s: of a step after the last state %lld",
                          (const char *)sqlite3_column_text(k->transfers, 0), (long long)step);
}

/* ---- lots ---- */

static void check_lot(check *c, sqlite3_stmt *s)
{
    char name[NAME_BYTES];
    keel_check_text(name, sizeof name, s, 0);
    const int i = sqlite3_column_int(s, 1);
    const int64_t no = sqlite3_column_int64(s, 2);
    const char *symbol = i >= 0 && i < c->n ? c->instruments[i].symbol : "?";
    const position *p =
        i >= 0 && i < c->n ? keel_check_find_position(keel_check_find_book(c, name), i) : NULL;
    c->lots++;
    if (p == NULL || no < p->first_no || no >= p->first_no + p->count) {
        keel_check_differ(c, "lot %s/%s/%lld: not opened by any fill, or closed", name, symbol,
                          (long long)no);
        return;
    }
    const lot *due = &p->lots[no - p->first_no];
    if (sqlite3_column_int64(s, 3) != due->fill_no)
        keel_check_differ(c, "lot %s/%s/%lld: opened by fill %lld, not %lld", name, symbol,
                          (long long)no, (long long)due->fill_no,
                          (long long)sqlite3_column_int64(s, 3));
    if (sqlite3_column_int64(s, 4) != due->qty)
        keel_check_differ(c, "lot %s/%s/%lld: quantity differs by %lld units", name, symbol,
                          (long long)no,
                          keel_check_shown((i128)sqlite3_column_int64(s, 4) - due->qty));
    if (sqlite3_column_int64(s, 5) != due->cost)
        keel_check_differ(c, "lot %s/%s/%lld: cost differs by %lld micro", name, symbol,
                          (long long)no,
                          keel_check_shown((i128)sqlite3_column_int64(s, 5) - due->cost));
}

static void check_lots(check *c)
{
    uint64_t due = 0;
    sqlite3_stmt *s =
        keel_check_prepare(c, "SELECT book,instrument,lot_no,fill_no,qty_units,cost_micros"
                              " FROM lots WHERE run=?1 ORDER BY book,instrument,lot_no");
    while (s != NULL && next(c, s))
        check_lot(c, s);
    sqlite3_finalize(s);
    for (int b = 0; b < c->books_n; b++) {
        for (int i = 0; c->books[b].positions != NULL && i < c->n; i++)
            due += (uint64_t)c->books[b].positions[i].count;
    }
    if (due != c->lots)
        keel_check_differ(c, "%llu lots are open, %llu are there", (unsigned long long)due,
                          (unsigned long long)c->lots);
}

/* ---- one run ---- */

static void read_instruments(check *c)
{
    sqlite3_stmt *s =
        keel_check_prepare(c, "SELECT instrument,symbol,price_exp,qty_exp FROM instruments"
                              " WHERE run=?1 ORDER BY instrument");
    while (s != NULL && next(c, s)) {
        if (sqlite3_column_int(s, 0) != c->n || c->n == INSTRUMENTS_MAX) {
            keel_check_differ(c, "instrument %d: out of order", sqlite3_column_int(s, 0));
            break;
        }
        instrument *x = &c->instruments[c->n++];
        keel_check_text(x->symbol, sizeof x->symbol, s, 1);
        x->price_exp = sqlite3_column_int(s, 2);
        x->qty_exp = sqlite3_column_int(s, 3);
    }
    sqlite3_finalize(s);
}

static void check_unique(check *c)
{
    sqlite3_stmt *s = keel_check_prepare(c, "SELECT fill_id,count(*) FROM fills WHERE run=?1"
                                            " GROUP BY fill_id HAVING count(*)>1");
    while (s != NULL && next(c, s))
        keel_check_differ(c, "fill %s: there %d times", (const char *)sqlite3_column_text(s, 0),
                          sqlite3_column_int(s, 1));
    sqlite3_finalize(s);
}

static int64_t first_return(check *c)
{
    sqlite3_stmt *s =
        keel_check_prepare(c, "SELECT ifnull(min(step),0) FROM book_returns WHERE run=?1");
    const int64_t step = s != NULL && next(c, s) ? sqlite3_column_int64(s, 0) : 0;
    sqlite3_finalize(s);
    return step;
}

static void walk(check *c)
{
    cursors k = {
        .fills = keel_check_prepare(
            c, "SELECT fill_no,step,fill_id,order_id,instrument,qty_units,price_units,"
               "reference_units,fee_micros,slippage_micros,fill_ns,seal FROM fills"
               " WHERE run=?1 ORDER BY fill_no"),
        .parts =
            keel_check_prepare(c, "SELECT book,qty_units,cash_micros,fee_micros,slippage_micros,"
                                  "closed_version,closed_units,realized_micros FROM fill_books"
                                  " WHERE run=?1 AND fill_no=?2 ORDER BY place"),
        .transfers = keel_check_prepare(c, "SELECT transfer_id,step FROM transfers WHERE run=?1"
                                           " ORDER BY step,transfer_id"),
        .legs = keel_check_prepare(c, "SELECT book,cash_micros FROM transfer_legs WHERE run=?1"
                                      " AND transfer_id=?2 ORDER BY place"),
        .states =
            keel_check_prepare(c, "SELECT p.step,p.cash_micros,p.equity_micros,p.fills,p.marks,"
                                  "NOT EXISTS(SELECT 1 FROM outputs o WHERE o.run=p.run AND"
                                  " o.step=p.step AND o.topic_text LIKE 'v1.portfolio.%' AND"
                                  " o.payload<>p.payload) FROM portfolio_states p WHERE p.run=?1"
                                  " ORDER BY p.step"),
        .books =
            keel_check_prepare(c, "SELECT book,cash_micros,equity_micros,realized_micros,"
                                  "unrealized_micros,fees_micros,slippage_micros FROM book_states"
                                  " WHERE run=?1 AND step=?2 ORDER BY book"),
        .returns =
            keel_check_prepare(c, "SELECT book,base_micros,pnl_micros,ret_simple FROM book_returns"
                                  " WHERE run=?1 AND step=?2 ORDER BY book"),
    };
    c->decision =
        keel_check_prepare(c, "SELECT 1 FROM decisions WHERE run=?1 AND strategy=?2 AND symbol=?3"
                              " AND decision_seq=?4 AND accepted=1");
    c->decided =
        keel_check_prepare(c, "SELECT 1 FROM decisions WHERE run=?1 AND strategy=?2 AND symbol=?3"
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
    keel_check_find_book(c, "reserve")->sums[CASH] = c->initial;
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
        keel_check_text(c->run_id, sizeof c->run_id, s, 1);
        keel_check_text(c->portfolio, sizeof c->portfolio, s, 2);
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
