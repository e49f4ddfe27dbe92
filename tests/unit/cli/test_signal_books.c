#include "services/cli/signal_books.h"
#include "services/cli/views.h"

#include "common/wire/wire.h"

#include <criterion/criterion.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The tables of docs/ledger-schema.md that are read here, with the columns that are. */
static const char schema[] =
    "CREATE TABLE runs(run INTEGER PRIMARY KEY, run_id TEXT);"
    "CREATE TABLE instruments(run INTEGER, instrument INTEGER, symbol TEXT, price_exp INTEGER,"
    " qty_exp INTEGER);"
    "CREATE TABLE fills(run INTEGER, fill_no INTEGER, step INTEGER, fill_id TEXT, order_id TEXT,"
    " instrument INTEGER, price_units INTEGER, fill_ns INTEGER, reason TEXT, reason_text TEXT);"
    "CREATE TABLE fill_books(run INTEGER, fill_no INTEGER, place INTEGER, book TEXT,"
    " qty_units INTEGER, fee_micros INTEGER, slippage_micros INTEGER, closed_version INTEGER,"
    " realized_micros INTEGER);"
    "INSERT INTO runs VALUES(1,'other'),(2,'run-1');"
    "INSERT INTO instruments VALUES(2,0,'BTC-SIM',2,3),(2,1,'ETH-SIM',2,3),(1,0,'ZZZ',0,0);";

static const char decisions[] =
    "CREATE TABLE decisions(run INTEGER, decision_seq INTEGER, step INTEGER, event_ns INTEGER,"
    " strategy TEXT, signal_id TEXT, epoch_ns INTEGER, seq INTEGER, symbol TEXT, accepted INTEGER,"
    " reason TEXT, payload BLOB);"
    "INSERT INTO decisions VALUES(1,1,1,1,'alpha','a-1',1,1,'',1,'ACCEPTED',x'FFFF');";

typedef struct desk {
    char path[64];
    sqlite3 *db;
    keel_signal_books *books;
} desk;

static void sql(desk *d, const char *text)
{
    cr_assert_eq(sqlite3_exec(d->db, text, NULL, NULL, NULL), SQLITE_OK, "%s",
                 sqlite3_errmsg(d->db));
}

static void open_file(desk *d)
{
    snprintf(d->path, sizeof d->path, "/tmp/kt-books-XXXXXX");
    const int fd = mkstemp(d->path);
    cr_assert_geq(fd, 0);
    close(fd);
    cr_assert_eq(sqlite3_open(d->path, &d->db), SQLITE_OK);
    sql(d, schema);
}

static void open_books(desk *d)
{
    keel_err err;
    d->books = keel_signal_books_open(d->path, "run-1", &err);
    cr_assert_not_null(d->books, "%s", err.text);
}

static void close_desk(desk *d)
{
    keel_signal_books_close(&d->books);
    sqlite3_close(d->db);
    unlink(d->path);
}

/* A decision of `strategy` about instrument 0; refused when qty is 0 and it is not flat. */
static keel_decision decision_of(uint64_t seq, const char *strategy, const char *id, int64_t qty)
{
    keel_decision d = {.epoch_ns = 77, .seq = seq, .decision_seq = seq, .accepted = true};
    snprintf(d.strategy, sizeof d.strategy, "%s", strategy);
    snprintf(d.signal_id, sizeof d.signal_id, "%s", id);
    snprintf(d.symbol, sizeof d.symbol, "BTC-SIM");
    d.side = qty > 0 ? KEEL_SIDE_LONG : qty < 0 ? KEEL_SIDE_SHORT : KEEL_SIDE_FLAT;
    d.priority = KEEL_PRIORITY_MEDIUM;
    d.policy = KEEL_CONFLICT_FIRST_IN_FIRST_OUT;
    d.route = KEEL_ROUTE_MARKET_NEXT_ROW;
    keel_reason_set(&d.reason, KEEL_REASON_ACCEPTED, "fits");
    keel_reason_set(&d.priority_reason, KEEL_REASON_ACCEPTED, "as usual");
    d.intents_n = 1;
    snprintf(d.intents[0].book, sizeof d.intents[0].book, "%s", strategy);
    d.intents[0].target_qty_units = qty;
    d.intents[0].version = seq;
    return d;
}

static void refuse(keel_decision *d, keel_reason_code code)
{
    d->accepted = false;
    d->intents_n = 0;
    d->route = KEEL_ROUTE_NONE;
    keel_reason_set(&d->reason, code, "it does not");
}

static void add_decision(desk *k, uint64_t step, const keel_decision *d)
{
    static uint8_t payload[1 << 16];
    size_t len;
    sqlite3_stmt *s = NULL;
    cr_assert_eq(keel_wire_put_decision(d, payload, sizeof payload, &len), KEEL_OK);
    cr_assert_eq(sqlite3_prepare_v2(k->db, "INSERT INTO decisions VALUES(2,?,?,?,?,?,?,?,'',?,?,?)",
                                    -1, &s, NULL),
                 SQLITE_OK);
    sqlite3_bind_int64(s, 1, (int64_t)d->decision_seq);
    sqlite3_bind_int64(s, 2, (int64_t)step);
    sqlite3_bind_int64(s, 3, (int64_t)step * 1000);
    sqlite3_bind_text(s, 4, d->strategy, -1, SQLITE_STATIC);
    sqlite3_bind_text(s, 5, d->signal_id, -1, SQLITE_STATIC);
    sqlite3_bind_int64(s, 6, d->epoch_ns);
    sqlite3_bind_int64(s, 7, (int64_t)d->seq);
    sqlite3_bind_int(s, 8, d->accepted);
    sqlite3_bind_text(s, 9, keel_reason_name(d->reason.code), -1, SQLITE_STATIC);
    sqlite3_bind_blob(s, 10, payload, (int)len, SQLITE_STATIC);
    cr_assert_eq(sqlite3_step(s), SQLITE_DONE);
    sqlite3_finalize(s);
}

/* A part of a fill of instrument 0. */
typedef struct part {
    int no, step;
    const char *book, *reason;
    int qty, fee, closed, realized;
} part;

static void add_fill(desk *d, part p)
{
    char text[512];
    snprintf(text, sizeof text,
             "INSERT INTO fills VALUES(2,%d,%d,'f%d','o%d',0,10000,%d000,'%s','because');"
             "INSERT INTO fill_books VALUES(2,%d,0,'%s',%d,%d,1,%d,%d);",
             p.no, p.step, p.no, p.no, p.step, p.reason, p.no, p.book, p.qty, p.fee, p.closed,
             p.realized);
    sql(d, text);
}

/* Five decisions of two strategies: 2 is refused, 4 repeats 1, 5 closes what 1 opened. */
static void fill_desk(desk *d)
{
    keel_decision x;
    sql(d, decisions);
    x = decision_of(1, "alpha", "a-1", 500);
    add_decision(d, 10, &x);
    x = decision_of(2, "alpha", "a-2", 900);
    refuse(&x, KEEL_REASON_CONFLICT);
    add_decision(d, 11, &x);
    x = decision_of(3, "beta", "b-1", -200);
    add_decision(d, 11, &x);
    x = decision_of(4, "alpha", "a-1", 500);
    refuse(&x, KEEL_REASON_DUPLICATE);
    x.duplicate_of = 1;
    add_decision(d, 12, &x);
    x = decision_of(5, "alpha", "a-3", 0);
    add_decision(d, 14, &x);
    add_fill(d, (part){1, 9, "core", "REBALANCE", 70, 5, 0, 0});
    add_fill(d, (part){2, 11, "alpha", "DECISION", 300, 10, 0, 0});
    add_fill(d, (part){3, 12, "alpha", "DECISION", 200, 20, 1, 0});
    add_fill(d, (part){4, 12, "beta", "DECISION", -200, 3, 3, 0});
    add_fill(d, (part){5, 15, "alpha", "DECISION", -500, 40, 5, 1000});
    add_fill(d, (part){6, 20, "alpha", "DECISION", 50, 7, 0, 0});
}

/* The numbers listed, in order. */
typedef struct numbers {
    int n;
    uint64_t seq[16];
} numbers;

static void note_number(void *arg, const keel_decision_row *row)
{
    numbers *list = arg;
    list->seq[list->n++] = row->decision.decision_seq;
}

Test(signal_books, lists_the_newest_in_order_and_by_filter)
{
    static const struct {
        keel_decision_filter filter;
        numbers want;
    } cases[] = {
        {{NULL, KEEL_DECISIONS_ALL, 50}, {5, {1, 2, 3, 4, 5}}},
        {{NULL, KEEL_DECISIONS_ALL, 2}, {2, {4, 5}}},
        {{"alpha", KEEL_DECISIONS_ALL, 50}, {4, {1, 2, 4, 5}}},
        {{"alpha", KEEL_DECISIONS_REFUSED, 50}, {2, {2, 4}}},
        {{NULL, KEEL_DECISIONS_ACCEPTED, 50}, {3, {1, 3, 5}}},
        {{"gamma", KEEL_DECISIONS_ALL, 50}, {0, {0}}},
    };
    desk d;
    keel_err err;
    open_file(&d);
    fill_desk(&d);
    open_books(&d);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        numbers got = {0};
        cr_assert_eq(keel_signal_books_list(d.books, &cases[i].filter, note_number, &got, &err),
                     KEEL_OK, "%s", err.text);
        cr_assert_eq(got.n, cases[i].want.n, "case %zu: %d rows", i, got.n);
        cr_assert_arr_eq(got.seq, cases[i].want.seq, sizeof got.seq, "case %zu", i);
    }
    cr_assert_eq(keel_signal_books_universe(d.books)->n, 2, "of this run only");
    cr_assert_str_eq(keel_signal_books_universe(d.books)->instruments[1].symbol, "ETH-SIM");
    close_desk(&d);
}

/* SI26: from the signal to its decision, its fills, its end and what it made. */
Test(signal_books, trace_follows_a_signal_to_its_end)
{
    desk d;
    keel_err err;
    keel_trace *t = calloc(1, sizeof *t);
    open_file(&d);
    fill_desk(&d);
    open_books(&d);
    cr_assert_eq(keel_signal_books_trace(d.books, "a-1", NULL, t, &err), KEEL_OK, "%s", err.text);
    cr_assert_eq(t->row.decision.decision_seq, 1);
    cr_assert_eq(t->row.step, 10);
    cr_assert_eq(t->repeats_n, 1);
    cr_assert_eq(t->repeats[0], 4);
    cr_assert_eq(t->replaced_by, 5);
    cr_assert_eq(t->fills_n, 2, "those of its book in the steps 11 to 14");
    cr_assert_eq(t->fills[0].fill_no, 2);
    cr_assert_eq(t->fills[1].held_units, 500);
    cr_assert_eq(t->fills[1].closed_version, 1, "filled");
    cr_assert_eq(t->fills[1].reason.code, KEEL_REASON_DECISION);
    cr_assert(t->is_closed && !t->is_open);
    cr_assert_eq(t->close.fill_no, 5);
    cr_assert_eq(t->pnl_micros, 1000 - 10 - 20 - 40);
    char *json = keel_decision_row_json(&t->row);
    cr_assert_not_null(json, "its payload is still there");
    cr_assert_not_null(strstr(json, "\"a-1\""), "%s", json);
    free(json);
    cr_assert_eq(keel_signal_books_trace(d.books, "a-3", NULL, t, &err), KEEL_OK);
    cr_assert_eq(t->fills_n, 2, "what comes after it, until it is replaced");
    cr_assert_eq(t->close.fill_no, 5, "a flat ends with its own fill");
    cr_assert_eq(t->pnl_micros, 1000 - 40);
    free(t);
    close_desk(&d);
}

Test(signal_books, trace_tells_open_reversed_and_refused)
{
    desk d;
    keel_err err;
    keel_trace *t = calloc(1, sizeof *t);
    open_file(&d);
    fill_desk(&d);
    keel_decision x = decision_of(6, "beta", "b-2", 100);
    add_decision(&d, 20, &x);
    add_fill(&d, (part){7, 21, "beta", "DECISION", 300, 4, 6, 50});
    open_books(&d);
    cr_assert_eq(keel_signal_books_trace(d.books, "b-1", NULL, t, &err), KEEL_OK);
    cr_assert(t->is_closed, "turned round by decision 6");
    cr_assert_eq(t->close.fill_no, 7);
    cr_assert_eq(t->pnl_micros, 50 - 3 - 4);
    cr_assert_eq(keel_signal_books_trace(d.books, "b-2", NULL, t, &err), KEEL_OK);
    cr_assert(t->is_open && !t->is_closed);
    cr_assert_eq(t->fills[0].held_units, 100);
    cr_assert_eq(t->pnl_micros, -4, "what turning realised belongs to b-1");
    cr_assert_eq(keel_signal_books_trace(d.books, "a-2", NULL, t, &err), KEEL_OK);
    cr_assert_eq(t->row.decision.reason.code, KEEL_REASON_CONFLICT);
    cr_assert_eq(t->fills_n, 0);
    cr_assert_eq(t->instrument, -1);
    free(t);
    close_desk(&d);
}

Test(signal_books, ids_are_found_by_name_then_by_number)
{
    desk d;
    keel_err err;
    keel_trace *t = calloc(1, sizeof *t);
    open_file(&d);
    fill_desk(&d);
    keel_decision x = decision_of(6, "beta", "a-2", 100);
    add_decision(&d, 20, &x);
    x = decision_of(7, "beta", "3", 100);
    add_decision(&d, 21, &x);
    open_books(&d);
    cr_assert_eq(keel_signal_books_trace(d.books, "3", NULL, t, &err), KEEL_OK);
    cr_assert_eq(t->row.decision.decision_seq, 7, "an id comes before a number");
    cr_assert_eq(keel_signal_books_trace(d.books, "3", "alpha", t, &err), KEEL_ENOTFOUND);
    cr_assert_eq(keel_signal_books_trace(d.books, "5", NULL, t, &err), KEEL_OK);
    cr_assert_eq(t->row.decision.decision_seq, 5);
    cr_assert_eq(keel_signal_books_trace(d.books, "a-2", NULL, t, &err), KEEL_EEXIST);
    cr_assert_not_null(strstr(err.text, "--strategy"), "%s", err.text);
    cr_assert_not_null(strstr(err.text, "alpha and beta"), "%s", err.text);
    cr_assert_eq(keel_signal_books_trace(d.books, "a-2", "beta", t, &err), KEEL_OK);
    cr_assert_eq(t->row.decision.decision_seq, 6);
    cr_assert_eq(keel_signal_books_trace(d.books, "nobody's", NULL, t, &err), KEEL_ENOTFOUND);
    cr_assert_not_null(strstr(err.text, "nobody's"), "%s", err.text);
    free(t);
    close_desk(&d);
}

Test(signal_books, refuses_what_is_no_book_of_this_run)
{
    desk d;
    keel_err err;
    open_file(&d);
    cr_assert_null(keel_signal_books_open(d.path, "run-1", &err));
    cr_assert_eq(err.status, KEEL_EVERSION, "no table of decisions: %s", err.text);
    sql(&d, decisions);
    cr_assert_null(keel_signal_books_open(d.path, "run-2", &err));
    cr_assert_eq(err.status, KEEL_ENOTFOUND, "%s", err.text);
    cr_assert_null(keel_signal_books_open("/nowhere/books.sqlite", "run-1", &err));
    cr_assert_eq(err.status, KEEL_EIO, "%s", err.text);
    open_books(&d);
    sql(&d, "INSERT INTO decisions VALUES(2,9,1,1,'a','x',1,1,'',1,'ACCEPTED',x'FFFF')");
    numbers got = {0};
    const keel_decision_filter all = {NULL, KEEL_DECISIONS_ALL, 9};
    cr_assert_eq(keel_signal_books_list(d.books, &all, note_number, &got, &err), KEEL_EFORMAT);
    cr_assert_not_null(strstr(err.text, "decision 9"), "%s", err.text);
    close_desk(&d);
}
