#include "services/cli/signal_books.h"

#include "common/base/mem.h"
#include "common/base/text.h"
#include "common/wire/wire.h"

#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

enum { ARENA_BYTES = 1 << 20, JSON_BYTES = 1 << 20, BUSY_MS = 2000 };

struct keel_signal_books {
    sqlite3 *db;
    int64_t run;
    keel_arena arena;
    uint8_t *kept; /* owned: payload of the row traced last */
    keel_universe universe;
};

static keel_status sql_failed(const keel_signal_books *b, keel_err *err)
{
    return keel_err_set(err, KEEL_EIO, "the books cannot be read: %s", sqlite3_errmsg(b->db));
}

static sqlite3_stmt *prepare(const keel_signal_books *b, const char *sql)
{
    sqlite3_stmt *s = NULL;
    return sqlite3_prepare_v2(b->db, sql, -1, &s, NULL) == SQLITE_OK ? s : NULL;
}

static void bind_text(sqlite3_stmt *s, int at, const char *text)
{
    sqlite3_bind_text(s, at, text, -1, SQLITE_TRANSIENT);
}

static void column_text(sqlite3_stmt *s, int column, char *out, size_t cap)
{
    const char *text = (const char *)sqlite3_column_text(s, column);
    snprintf(out, cap, "%s", text != NULL ? text : "");
}

/* ---- open ---- */

static keel_status find_run(keel_signal_books *b, const char *run_id, keel_err *err)
{
    sqlite3_stmt *s = prepare(b, "SELECT run FROM runs WHERE run_id=?1");
    if (s == NULL)
        return sql_failed(b, err);
    bind_text(s, 1, run_id);
    const bool found = sqlite3_step(s) == SQLITE_ROW;
    b->run = found ? sqlite3_column_int64(s, 0) : 0;
    sqlite3_finalize(s);
    return found ? KEEL_OK
                 : keel_err_set(err, KEEL_ENOTFOUND, "the books do not know run %s", run_id);
}

static keel_status read_instruments(keel_signal_books *b, keel_err *err)
{
    sqlite3_stmt *s = prepare(b, "SELECT symbol,price_exp,qty_exp FROM instruments WHERE run=?1"
                                 " ORDER BY instrument");
    if (s == NULL)
        return sql_failed(b, err);
    sqlite3_bind_int64(s, 1, b->run);
    while (sqlite3_step(s) == SQLITE_ROW && b->universe.n < KEEL_UNIVERSE_MAX) {
        keel_instrument *in = &b->universe.instruments[b->universe.n++];
        column_text(s, 0, in->symbol, sizeof in->symbol);
        in->price_exp = sqlite3_column_int(s, 1);
        in->qty_exp = sqlite3_column_int(s, 2);
    }
    return sqlite3_finalize(s) == SQLITE_OK ? KEEL_OK : sql_failed(b, err);
}

static keel_status check_table(const keel_signal_books *b, keel_err *err)
{
    sqlite3_stmt *s = prepare(b, "SELECT 1 FROM sqlite_master WHERE name='decisions'");
    const bool found = s != NULL && sqlite3_step(s) == SQLITE_ROW;
    sqlite3_finalize(s);
    return found ? KEEL_OK
                 : keel_err_set(err, KEEL_EVERSION,
                                "the books hold no decisions: they were written before there were "
                                "signals");
}

keel_signal_books *keel_signal_books_open(const char *path, const char *run_id, keel_err *err)
{
    keel_signal_books *b = keel_xcalloc(1, sizeof *b);
    keel_arena_init(&b->arena, ARENA_BYTES);
    keel_status status = KEEL_OK;
    if (sqlite3_open_v2(path, &b->db, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK)
        status = keel_err_set(err, KEEL_EIO, "%s: %s", path, sqlite3_errmsg(b->db));
    sqlite3_busy_timeout(b->db, BUSY_MS);
    if (status == KEEL_OK)
        status = find_run(b, run_id, err);
    if (status == KEEL_OK)
        status = check_table(b, err);
    if (status == KEEL_OK)
        status = read_instruments(b, err);
    if (status != KEEL_OK)
        keel_signal_books_close(&b);
    return b;
}

void keel_signal_books_close(keel_signal_books **books)
{
    if (books == NULL || *books == NULL)
        return;
    sqlite3_close((*books)->db);
    keel_arena_fini(&(*books)->arena);
    keel_free(&(*books)->kept);
    keel_free(books);
}

const keel_universe *keel_signal_books_universe(const keel_signal_books *b)
{
    return &b->universe;
}

/* ---- decisions ---- */

#define DECISION_COLUMNS "decision_seq,step,event_ns,payload"

/* The row that a statement of DECISION_COLUMNS stands at. */
static keel_status read_row(keel_signal_books *b, sqlite3_stmt *s, keel_decision_row *row,
                            keel_err *err)
{
    const int64_t number = sqlite3_column_int64(s, 0);
    row->step = (uint64_t)sqlite3_column_int64(s, 1);
    row->event_ns = sqlite3_column_int64(s, 2);
    row->payload = sqlite3_column_blob(s, 3);
    row->payload_len = (size_t)sqlite3_column_bytes(s, 3);
    keel_arena_reset(&b->arena);
    if (keel_wire_get_decision(&b->arena, row->payload, row->payload_len, &row->decision) ==
        KEEL_OK)
        return KEEL_OK;
    return keel_err_set(err, KEEL_EFORMAT, "decision %" PRId64 " in the books cannot be read",
                        number);
}

keel_status keel_signal_books_list(keel_signal_books *b, const keel_decision_filter *filter,
                                   keel_decision_each each, void *arg, keel_err *err)
{
    keel_decision_row row;
    keel_status status = KEEL_OK;
    sqlite3_stmt *s =
        prepare(b, "SELECT * FROM (SELECT " DECISION_COLUMNS " FROM decisions"
                   " WHERE run=?4 AND (?1 IS NULL OR strategy=?1) AND (?2<0 OR accepted=?2)"
                   " ORDER BY decision_seq DESC LIMIT ?3) ORDER BY decision_seq");
    if (s == NULL)
        return sql_failed(b, err);
    if (filter->strategy != NULL)
        bind_text(s, 1, filter->strategy);
    sqlite3_bind_int(
        s, 2, filter->kind == KEEL_DECISIONS_ALL ? -1 : filter->kind == KEEL_DECISIONS_ACCEPTED);
    sqlite3_bind_int64(s, 3, filter->limit);
    sqlite3_bind_int64(s, 4, b->run);
    int rc;
    while ((rc = sqlite3_step(s)) == SQLITE_ROW && status == KEEL_OK) {
        status = read_row(b, s, &row, err);
        if (status == KEEL_OK)
            each(arg, &row);
    }
    if (status == KEEL_OK && rc != SQLITE_DONE)
        status = sql_failed(b, err);
    sqlite3_finalize(s);
    return status;
}

char *keel_decision_row_json(const keel_decision_row *row)
{
    keel_arena arena;
    char *json = keel_xcalloc(1, JSON_BYTES);
    keel_arena_init(&arena, ARENA_BYTES);
    if (keel_wire_json(&arena, KEEL_PAYLOAD_DECISION, row->payload, row->payload_len, json,
                       JSON_BYTES) != KEEL_OK)
        keel_free(&json);
    keel_arena_fini(&arena);
    return json;
}

/* ---- trace ---- */

/* As read_row; the payload stays valid when the statement goes on. */
static keel_status keep_row(keel_signal_books *b, sqlite3_stmt *s, keel_decision_row *row,
                            keel_err *err)
{
    KEEL_TRY(read_row(b, s, row, err));
    keel_free(&b->kept);
    b->kept = keel_xcalloc(1, row->payload_len + 1);
    memcpy(b->kept, row->payload, row->payload_len);
    row->payload = b->kept;
    return KEEL_OK;
}

/* The first decision about signal_id, and the numbers of those that repeat it. KEEL_ENOTFOUND. */
static keel_status find_by_id(keel_signal_books *b, const char *id, const char *strategy,
                              keel_trace *t, keel_err *err)
{
    keel_status status = KEEL_ENOTFOUND;
    sqlite3_stmt *s = prepare(b, "SELECT " DECISION_COLUMNS ",strategy FROM decisions"
                                 " WHERE run=?3 AND signal_id=?1 AND (?2 IS NULL OR strategy=?2)"
                                 " ORDER BY decision_seq");
    if (s == NULL)
        return sql_failed(b, err);
    bind_text(s, 1, id);
    sqlite3_bind_int64(s, 3, b->run);
    if (strategy != NULL)
        bind_text(s, 2, strategy);
    while (sqlite3_step(s) == SQLITE_ROW && (status == KEEL_ENOTFOUND || status == KEEL_OK)) {
        const char *whose = (const char *)sqlite3_column_text(s, 4);
        if (status == KEEL_ENOTFOUND)
            status = keep_row(b, s, &t->row, err);
        else if (strcmp(whose != NULL ? whose : "", t->row.decision.strategy) != 0)
            status = keel_err_set(err, KEEL_EEXIST,
                                  "%s and %.47s both have a signal '%.64s'; add --strategy NAME",
                                  t->row.decision.strategy, whose != NULL ? whose : "", id);
        else if (t->repeats_n < KEEL_REPEATS_MAX)
            t->repeats[t->repeats_n++] = (uint64_t)sqlite3_column_int64(s, 0);
    }
    sqlite3_finalize(s);
    return status;
}

static keel_status find_by_number(keel_signal_books *b, const char *id, const char *strategy,
                                  keel_trace *t, keel_err *err)
{
    int64_t number;
    keel_status status = KEEL_ENOTFOUND;
    sqlite3_stmt *s = NULL;
    if (keel_text_i64(id, &number) == KEEL_OK)
        s = prepare(b, "SELECT " DECISION_COLUMNS " FROM decisions WHERE decision_seq=?1"
                       " AND run=?3 AND (?2 IS NULL OR strategy=?2)");
    if (s != NULL) {
        sqlite3_bind_int64(s, 1, number);
        sqlite3_bind_int64(s, 3, b->run);
        if (strategy != NULL)
            bind_text(s, 2, strategy);
        if (sqlite3_step(s) == SQLITE_ROW)
            status = keep_row(b, s, &t->row, err);
        sqlite3_finalize(s);
    }
    if (status != KEEL_ENOTFOUND)
        return status;
    return keel_err_set(err, KEEL_ENOTFOUND, "no decision about a signal '%.64s'%s%.47s%s", id,
                        strategy != NULL ? " of '" : "", strategy != NULL ? strategy : "",
                        strategy != NULL ? "'" : "");
}

static bool has_intent(const keel_decision *d, const char *book, int instrument)
{
    for (int i = 0; i < d->intents_n; i++)
        if (d->intents[i].instrument == instrument && strcmp(d->intents[i].book, book) == 0)
            return true;
    return false;
}

/* The next accepted decision that has an intent for the same book and instrument: its number, and
 * its step, up to which fills of the one before may come. 0 and INT64_MAX when there is none. */
static keel_status find_next(keel_signal_books *b, const keel_trace *t, uint64_t *number,
                             int64_t *step, keel_err *err)
{
    keel_decision_row row;
    keel_status status = KEEL_OK;
    const keel_decision *d = &t->row.decision;
    sqlite3_stmt *s =
        prepare(b, "SELECT " DECISION_COLUMNS " FROM decisions WHERE strategy=?1"
                   " AND run=?3 AND accepted=1 AND decision_seq>?2 ORDER BY decision_seq");
    *number = 0;
    *step = INT64_MAX;
    if (s == NULL)
        return sql_failed(b, err);
    bind_text(s, 1, d->strategy);
    sqlite3_bind_int64(s, 2, (int64_t)d->decision_seq);
    sqlite3_bind_int64(s, 3, b->run);
    while (status == KEEL_OK && *number == 0 && sqlite3_step(s) == SQLITE_ROW) {
        status = read_row(b, s, &row, err);
        if (status != KEEL_OK || !has_intent(&row.decision, d->intents[0].book, t->instrument))
            continue;
        *number = row.decision.decision_seq;
        *step = (int64_t)row.step;
    }
    sqlite3_finalize(s);
    return status;
}

static void read_fill(sqlite3_stmt *s, int64_t held, keel_trace_fill *f)
{
    char name[64];
    memset(f, 0, sizeof *f);
    f->fill_no = sqlite3_column_int64(s, 0);
    f->step = (uint64_t)sqlite3_column_int64(s, 1);
    f->fill_ns = sqlite3_column_int64(s, 2);
    column_text(s, 3, f->fill_id, sizeof f->fill_id);
    column_text(s, 4, f->order_id, sizeof f->order_id);
    f->price_units = sqlite3_column_int64(s, 5);
    column_text(s, 6, name, sizeof name);
    column_text(s, 7, f->reason.text, sizeof f->reason.text);
    f->qty_units = sqlite3_column_int64(s, 8);
    f->fee_micros = sqlite3_column_int64(s, 9);
    f->slippage_micros = sqlite3_column_int64(s, 10);
    f->closed_version = (uint64_t)sqlite3_column_int64(s, 11);
    f->realized_micros = sqlite3_column_int64(s, 12);
    f->held_units = held + f->qty_units;
    for (int code = 1; code < 256; code++)
        if (strcmp(keel_reason_name((keel_reason_code)code), name) == 0)
            f->reason.code = (keel_reason_code)code;
}

static void execute(keel_trace *t, const keel_trace_fill *f)
{
    if (t->fills_n < KEEL_TRACE_FILLS_MAX)
        t->fills[t->fills_n] = *f;
    t->fills_n++;
}

/* Follow the book's position from the decision's first fill to where it is closed: back at zero, or
 * on the other side. Only what opens or holds a position counts as its: a `flat` closes one. */
static void follow(keel_trace *t, const keel_trace_fill *f, int64_t next_step, int64_t before)
{
    const bool own = f->step > t->row.step && (int64_t)f->step <= next_step;
    if (own)
        execute(t, f);
    if (t->fills_n == 0 || t->is_closed)
        return;
    const bool turned = (before < 0 && f->held_units > 0) || (before > 0 && f->held_units < 0);
    const bool first = own && t->fills_n == 1;
    /* what is realised by turning round belongs to the position that was there before */
    t->pnl_micros += (first && turned ? 0 : f->realized_micros) - f->fee_micros;
    t->is_closed = f->held_units == 0 || (turned && !first);
    t->is_open = !t->is_closed;
    if (t->is_closed)
        t->close = *f;
}

static keel_status trace_fills(keel_signal_books *b, keel_trace *t, int64_t next_step,
                               keel_err *err)
{
    keel_trace_fill fill;
    int64_t held = 0;
    int rc;
    sqlite3_stmt *s =
        prepare(b, "SELECT f.fill_no,f.step,f.fill_ns,f.fill_id,f.order_id,f.price_units,f.reason,"
                   "f.reason_text,p.qty_units,p.fee_micros,p.slippage_micros,p.closed_version,"
                   "p.realized_micros FROM fills f JOIN fill_books p ON p.run=f.run AND"
                   " p.fill_no=f.fill_no WHERE f.run=?1 AND p.book=?2 AND f.instrument=?3"
                   " ORDER BY f.fill_no,p.place");
    if (s == NULL)
        return sql_failed(b, err);
    sqlite3_bind_int64(s, 1, b->run);
    bind_text(s, 2, t->row.decision.intents[0].book);
    sqlite3_bind_int(s, 3, t->instrument);
    while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
        read_fill(s, held, &fill);
        follow(t, &fill, next_step, held);
        held = fill.held_units;
    }
    const keel_status status = rc == SQLITE_DONE ? KEEL_OK : sql_failed(b, err);
    sqlite3_finalize(s);
    return status;
}

keel_status keel_signal_books_trace(keel_signal_books *b, const char *id, const char *strategy,
                                    keel_trace *trace, keel_err *err)
{
    int64_t next_step;
    memset(trace, 0, sizeof *trace);
    trace->instrument = -1;
    keel_status status = find_by_id(b, id, strategy, trace, err);
    if (status == KEEL_ENOTFOUND)
        status = find_by_number(b, id, strategy, trace, err);
    if (status != KEEL_OK || trace->row.decision.intents_n == 0)
        return status;
    trace->instrument = trace->row.decision.intents[0].instrument;
    KEEL_TRY(find_next(b, trace, &trace->replaced_by, &next_step, err));
    return trace_fills(b, trace, next_step, err);
}
