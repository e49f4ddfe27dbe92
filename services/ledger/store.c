#include "services/ledger/store.h"

#include "common/base/assert.h"
#include "common/base/text.h"
#include "services/ledger/engine/ids.h"
#include "services/ledger/store_internal.h"

#include <string.h>

enum { PAYLOADS_BYTES = 2 << 20, BLOB_ROOM = 64 << 10 };

/* 32 MiB. A step of 100 fills writes some 50 pages: SQLite's 1000 would put a checkpoint, with its
 * own syncs, into every twentieth step. */
#define CHECKPOINT_PAGES "8192"

/* 4 MiB. SQLite's 2 hold less than what a busy step touches: each step read it from the file. */
#define CACHE_KIB "4096"

static const char *const schema[] = {
    "CREATE TABLE runs(run INTEGER PRIMARY KEY, run_id TEXT NOT NULL UNIQUE,"
    " portfolio TEXT NOT NULL, universe TEXT NOT NULL, universe_hash INTEGER NOT NULL,"
    " bar_ns INTEGER NOT NULL, initial_micros INTEGER NOT NULL, configuration TEXT NOT NULL)"
    " STRICT",
    "CREATE TABLE instruments(run INTEGER NOT NULL, instrument INTEGER NOT NULL,"
    " symbol TEXT NOT NULL, sector TEXT NOT NULL, price_exp INTEGER NOT NULL,"
    " qty_exp INTEGER NOT NULL, lot_units INTEGER NOT NULL, min_notional_micros INTEGER NOT NULL,"
    " PRIMARY KEY(run, instrument)) STRICT, WITHOUT ROWID",
    "CREATE TABLE fills(run INTEGER NOT NULL, fill_no INTEGER NOT NULL, step INTEGER NOT NULL,"
    " fill_id TEXT NOT NULL, order_id TEXT NOT NULL, instrument INTEGER NOT NULL,"
    " qty_units INTEGER NOT NULL, price_units INTEGER NOT NULL, reference_units INTEGER NOT NULL,"
    " fee_micros INTEGER NOT NULL, slippage_micros INTEGER NOT NULL, fill_ns INTEGER NOT NULL,"
    " reason TEXT NOT NULL, reason_text TEXT NOT NULL, seal INTEGER NOT NULL,"
    " PRIMARY KEY(run, fill_no), UNIQUE(run, fill_id)) STRICT, WITHOUT ROWID",
    "CREATE TABLE fill_books(run INTEGER NOT NULL, fill_no INTEGER NOT NULL,"
    " place INTEGER NOT NULL, book TEXT NOT NULL, qty_units INTEGER NOT NULL,"
    " cash_micros INTEGER NOT NULL, fee_micros INTEGER NOT NULL, slippage_micros INTEGER NOT NULL,"
    " closed_version INTEGER NOT NULL, closed_units INTEGER NOT NULL,"
    " realized_micros INTEGER NOT NULL,"
    " PRIMARY KEY(run, fill_no, place)) STRICT, WITHOUT ROWID",
    "CREATE TABLE transfers(run INTEGER NOT NULL, transfer_id TEXT NOT NULL, step INTEGER NOT NULL,"
    " reason TEXT NOT NULL, reason_text TEXT NOT NULL,"
    " PRIMARY KEY(run, transfer_id)) STRICT, WITHOUT ROWID",
    "CREATE TABLE transfer_legs(run INTEGER NOT NULL, transfer_id TEXT NOT NULL,"
    " place INTEGER NOT NULL, book TEXT NOT NULL, cash_micros INTEGER NOT NULL,"
    " PRIMARY KEY(run, transfer_id, place)) STRICT, WITHOUT ROWID",
    "CREATE TABLE lots(run INTEGER NOT NULL, book TEXT NOT NULL, instrument INTEGER NOT NULL,"
    " lot_no INTEGER NOT NULL, fill_no INTEGER NOT NULL, qty_units INTEGER NOT NULL,"
    " cost_micros INTEGER NOT NULL,"
    " PRIMARY KEY(run, book, instrument, lot_no)) STRICT, WITHOUT ROWID",
    "CREATE TABLE portfolio_states(run INTEGER NOT NULL, step INTEGER NOT NULL,"
    " as_of_ns INTEGER NOT NULL, cash_micros INTEGER NOT NULL, equity_micros INTEGER NOT NULL,"
    " peak_equity_micros INTEGER NOT NULL, fills INTEGER NOT NULL, marks BLOB NOT NULL,"
    " payload BLOB NOT NULL, PRIMARY KEY(run, step)) STRICT, WITHOUT ROWID",
    "CREATE TABLE book_states(run INTEGER NOT NULL, step INTEGER NOT NULL, book TEXT NOT NULL,"
    " cash_micros INTEGER NOT NULL, equity_micros INTEGER NOT NULL,"
    " realized_micros INTEGER NOT NULL, unrealized_micros INTEGER NOT NULL,"
    " fees_micros INTEGER NOT NULL, slippage_micros INTEGER NOT NULL, share_frac REAL NOT NULL,"
    " scale_frac REAL NOT NULL, PRIMARY KEY(run, step, book)) STRICT, WITHOUT ROWID",
    "CREATE TABLE outputs(run INTEGER NOT NULL, step INTEGER NOT NULL, place INTEGER NOT NULL,"
    " topic INTEGER NOT NULL, topic_text TEXT NOT NULL, idx INTEGER NOT NULL,"
    " event_ns INTEGER NOT NULL, payload BLOB NOT NULL,"
    " PRIMARY KEY(run, step, place)) STRICT, WITHOUT ROWID",
    "CREATE TABLE allocations(id INTEGER PRIMARY KEY, run INTEGER NOT NULL, step INTEGER NOT NULL,"
    " idx INTEGER NOT NULL, kind TEXT NOT NULL, book TEXT NOT NULL, method TEXT NOT NULL,"
    " equity_micros INTEGER NOT NULL, reason TEXT NOT NULL, reason_text TEXT NOT NULL,"
    " payload BLOB NOT NULL) STRICT",
    "CREATE INDEX allocations_run ON allocations(run, id)",
    "CREATE TABLE optimizations(id INTEGER PRIMARY KEY, run INTEGER NOT NULL,"
    " step INTEGER NOT NULL, idx INTEGER NOT NULL, book TEXT NOT NULL, method TEXT NOT NULL,"
    " certificate INTEGER NOT NULL, outcome INTEGER NOT NULL, iterations INTEGER NOT NULL,"
    " primal_residual REAL NOT NULL, dual_residual REAL NOT NULL, gap REAL NOT NULL,"
    " expected_volatility REAL NOT NULL, turnover_frac REAL NOT NULL) STRICT",
    "CREATE INDEX optimizations_run ON optimizations(run, id)",
    "CREATE TABLE risk_assessments(id INTEGER PRIMARY KEY, run INTEGER NOT NULL,"
    " step INTEGER NOT NULL, idx INTEGER NOT NULL, kind TEXT NOT NULL, mode TEXT NOT NULL,"
    " equity_micros INTEGER NOT NULL, reason TEXT NOT NULL, reason_text TEXT NOT NULL,"
    " payload BLOB NOT NULL) STRICT",
    "CREATE INDEX risk_assessments_run ON risk_assessments(run, id)",
    "CREATE TABLE book_returns(run INTEGER NOT NULL, step INTEGER NOT NULL, book TEXT NOT NULL,"
    " as_of_ns INTEGER NOT NULL, base_micros INTEGER NOT NULL, pnl_micros INTEGER NOT NULL,"
    " ret_simple REAL NOT NULL, PRIMARY KEY(run, step, book)) STRICT, WITHOUT ROWID",
    "CREATE TABLE decisions(run INTEGER NOT NULL, decision_seq INTEGER NOT NULL,"
    " step INTEGER NOT NULL, event_ns INTEGER NOT NULL, strategy TEXT NOT NULL,"
    " signal_id TEXT NOT NULL, epoch_ns INTEGER NOT NULL, seq INTEGER NOT NULL,"
    " symbol TEXT NOT NULL, accepted INTEGER NOT NULL, reason TEXT NOT NULL,"
    " payload BLOB NOT NULL, PRIMARY KEY(run, decision_seq)) STRICT, WITHOUT ROWID",
    "CREATE INDEX decisions_signal ON decisions(run, signal_id)",
    "CREATE TABLE engine(run INTEGER PRIMARY KEY, step INTEGER NOT NULL, state BLOB NOT NULL)"
    " STRICT",
    "CREATE VIEW positions AS SELECT run, book, instrument, sum(qty_units) AS qty_units,"
    " sum(cost_micros) AS cost_micros, count(*) AS lots FROM lots GROUP BY run, book, instrument",
    "CREATE VIEW trades AS SELECT f.run, f.fill_no, f.step, f.fill_id, b.book, f.instrument,"
    " b.qty_units, f.price_units, b.realized_micros - b.fee_micros AS pnl_micros,"
    " b.closed_units, f.fill_ns, f.reason, f.reason_text FROM fills f JOIN fill_books b"
    " ON b.run = f.run AND b.fill_no = f.fill_no",
    "PRAGMA user_version=2",
};

/* ---- the three ways to use a statement ---- */

keel_status ledger_store_failed(keel_store *store)
{
    size_t len = 0;
    store->error[0] = '\0';
    keel_text_add(store->error, sizeof store->error, &len, "%s", sqlite3_errmsg(store->db));
    return KEEL_EUNAVAIL;
}

sqlite3_stmt *ledger_store_begin(keel_store *store, store_statement which)
{
    sqlite3_stmt *s = store->statements[which];
    sqlite3_reset(s);
    if (sqlite3_bind_parameter_count(s) > 0)
        sqlite3_bind_int64(s, 1, store->run);
    return s;
}

keel_status ledger_store_run(keel_store *store, sqlite3_stmt *statement)
{
    const int rc = sqlite3_step(statement);
    const keel_status status = rc == SQLITE_DONE ? KEEL_OK : ledger_store_failed(store);
    sqlite3_reset(statement);
    return status;
}

/* ---- open ---- */

static keel_status sql_error(keel_store *store, keel_err *err, const char *path)
{
    const int rc = sqlite3_errcode(store->db);
    const bool passes = rc == SQLITE_BUSY || rc == SQLITE_LOCKED || rc == SQLITE_FULL ||
                        rc == SQLITE_IOERR || rc == SQLITE_NOMEM;
    return keel_err_set(err, passes ? KEEL_EUNAVAIL : KEEL_EIO, "%s: %s", path,
                        sqlite3_errmsg(store->db));
}

static keel_status read_number(keel_store *store, const char *sql, int64_t *out)
{
    sqlite3_stmt *s = NULL;
    keel_status status = KEEL_EUNAVAIL;
    if (sqlite3_prepare_v2(store->db, sql, -1, &s, NULL) == SQLITE_OK &&
        sqlite3_step(s) == SQLITE_ROW) {
        *out = sqlite3_column_int64(s, 0);
        status = KEEL_OK;
    }
    sqlite3_finalize(s);
    return status;
}

static bool execute(keel_store *store, const char *sql)
{
    return sqlite3_exec(store->db, sql, NULL, NULL, NULL) == SQLITE_OK;
}

static keel_status open_file(keel_store *store, const keel_store_cfg *cfg, keel_err *err)
{
    int64_t version = 0;
    if (sqlite3_open_v2(cfg->path, &store->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL) !=
            SQLITE_OK ||
        !execute(store, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                        "PRAGMA wal_autocheckpoint=" CHECKPOINT_PAGES ";"
                        "PRAGMA cache_size=-" CACHE_KIB ";") ||
        read_number(store, "PRAGMA user_version", &version) != KEEL_OK)
        return sql_error(store, err, cfg->path);
    if (version != 0 && version != KEEL_STORE_SCHEMA)
        return keel_err_set(err, KEEL_EVERSION,
                            "%s: schema %lld, this program reads %d; finish its runs with the"
                            " program that wrote it, or name another ledger.database",
                            cfg->path, (long long)version, KEEL_STORE_SCHEMA);
    bool made = version != 0 || execute(store, "BEGIN IMMEDIATE");
    for (size_t i = 0; made && version == 0 && i < sizeof schema / sizeof schema[0]; i++)
        made = execute(store, schema[i]);
    if (!made || (version == 0 && !execute(store, "COMMIT")))
        return sql_error(store, err, cfg->path);
    return KEEL_OK;
}

static keel_status prepare_all(keel_store *store, const char *path, keel_err *err)
{
#define STORE_SQL(name, sql) sql,
    static const char *const sql[] = {STORE_STATEMENTS(STORE_SQL)};
    for (int i = 0; i < STORE_STATEMENT_COUNT; i++) {
        if (sqlite3_prepare_v3(store->db, sql[i], -1, SQLITE_PREPARE_PERSISTENT,
                               &store->statements[i], NULL) != SQLITE_OK)
            return sql_error(store, err, path);
    }
    return KEEL_OK;
}

static keel_status insert_instruments(keel_store *store, const keel_universe *universe)
{
    sqlite3_stmt *s = NULL;
    keel_status status = KEEL_OK;
    if (sqlite3_prepare_v2(store->db, "INSERT INTO instruments VALUES(?1,?2,?3,?4,?5,?6,?7,?8)", -1,
                           &s, NULL) != SQLITE_OK)
        return ledger_store_failed(store);
    for (int i = 0; i < universe->n && status == KEEL_OK; i++) {
        const keel_instrument *x = &universe->instruments[i];
        sqlite3_bind_int64(s, 1, store->run);
        sqlite3_bind_int(s, 2, i);
        sqlite3_bind_text(s, 3, x->symbol, -1, SQLITE_STATIC);
        sqlite3_bind_text(s, 4, x->sector, -1, SQLITE_STATIC);
        sqlite3_bind_int(s, 5, x->price_exp);
        sqlite3_bind_int(s, 6, x->qty_exp);
        sqlite3_bind_int64(s, 7, x->lot_units);
        sqlite3_bind_int64(s, 8, x->min_notional_micros);
        status = ledger_store_run(store, s);
    }
    sqlite3_finalize(s);
    return status;
}

static keel_status insert_run(keel_store *store, const keel_store_cfg *cfg)
{
    sqlite3_stmt *s = NULL;
    if (sqlite3_prepare_v2(store->db, "INSERT INTO runs VALUES(NULL,?1,?2,?3,?4,?5,?6,?7)", -1, &s,
                           NULL) != SQLITE_OK)
        return ledger_store_failed(store);
    sqlite3_bind_text(s, 1, cfg->run, -1, SQLITE_STATIC);
    sqlite3_bind_text(s, 2, cfg->portfolio, -1, SQLITE_STATIC);
    sqlite3_bind_text(s, 3, cfg->universe->id, -1, SQLITE_STATIC);
    sqlite3_bind_int64(s, 4, (int64_t)cfg->universe->hash);
    sqlite3_bind_int64(s, 5, cfg->bar_ns);
    sqlite3_bind_int64(s, 6, cfg->initial_micros);
    sqlite3_bind_text(s, 7, cfg->configuration, -1, SQLITE_STATIC);
    const keel_status status = ledger_store_run(store, s);
    sqlite3_finalize(s);
    store->run = sqlite3_last_insert_rowid(store->db);
    return status == KEEL_OK ? insert_instruments(store, cfg->universe) : status;
}

static keel_status register_run(keel_store *store, const keel_store_cfg *cfg, keel_err *err)
{
    if (execute(store, "BEGIN IMMEDIATE") && insert_run(store, cfg) == KEEL_OK &&
        execute(store, "COMMIT"))
        return KEEL_OK;
    const keel_status status = sql_error(store, err, cfg->path);
    execute(store, "ROLLBACK");
    return status;
}

/* Find the run, and refuse to continue it as something else. */
static keel_status find_run(keel_store *store, const keel_store_cfg *cfg, keel_err *err)
{
    sqlite3_stmt *s = NULL;
    keel_status status = KEEL_OK;
    if (sqlite3_prepare_v2(store->db,
                           "SELECT run,universe_hash,bar_ns,initial_micros,portfolio FROM runs"
                           " WHERE run_id=?1",
                           -1, &s, NULL) != SQLITE_OK)
        return sql_error(store, err, cfg->path);
    sqlite3_bind_text(s, 1, cfg->run, -1, SQLITE_STATIC);
    const int rc = sqlite3_step(s);
    if (rc == SQLITE_ROW) {
        store->run = sqlite3_column_int64(s, 0);
        if ((uint64_t)sqlite3_column_int64(s, 1) != cfg->universe->hash ||
            sqlite3_column_int64(s, 2) != cfg->bar_ns ||
            sqlite3_column_int64(s, 3) != cfg->initial_micros ||
            strcmp((const char *)sqlite3_column_text(s, 4), cfg->portfolio) != 0)
            status = keel_err_set(err, KEEL_EINVAL,
                                  "%s: run %s was started with other instruments, bar, capital or"
                                  " portfolio; continue it with those, or take a new run.id",
                                  cfg->path, cfg->run);
    } else if (rc != SQLITE_DONE) {
        status = sql_error(store, err, cfg->path);
    }
    sqlite3_finalize(s);
    if (status == KEEL_OK && rc == SQLITE_DONE)
        status = register_run(store, cfg, err);
    return status;
}

/* An engine's core snapshot at most: marks, books, and 12 bytes for each pair ever held. */
static size_t blob_room(const keel_store_cfg *cfg)
{
    const size_t n = (size_t)cfg->universe->n;
    const size_t books = cfg->books_n > 0 ? (size_t)cfg->books_n : (size_t)KEEL_LEDGER_BOOKS_MAX;
    return BLOB_ROOM + n * 256 + books * 256 + books * n * 12 + KEEL_LEDGER_CLOSED_MAX * 12;
}

keel_store *keel_store_open(const keel_store_cfg *cfg, keel_err *err)
{
    keel_store *store = keel_xcalloc(1, sizeof *store);
    const size_t n = (size_t)cfg->universe->n;
    store->cfg = *cfg;
    store->n = cfg->universe->n;
    const int pairs = (store->n * cfg->books_n < KEEL_LEDGER_POSITIONS_MAX)
                          ? store->n * cfg->books_n
                          : KEEL_LEDGER_POSITIONS_MAX;
    store->fills_max = 4 * store->n + 64 + 2 * pairs;
    store->fills = keel_xcalloc((size_t)store->fills_max, sizeof *store->fills);
    store->booked = keel_xcalloc((size_t)store->fills_max, sizeof *store->booked);
    store->transfers = keel_xcalloc(KEEL_STORE_TRANSFERS_MAX, sizeof *store->transfers);
    store->notes = keel_xcalloc(KEEL_STORE_NOTES_MAX, sizeof *store->notes);
    store->decisions = keel_xcalloc(KEEL_STORE_DECISIONS_MAX, sizeof *store->decisions);
    store->blob_cap = blob_room(cfg);
    store->blob = keel_xcalloc(store->blob_cap, 1);
    store->marks = keel_xcalloc(n, sizeof(int64_t));
    keel_arena_init(&store->payloads, PAYLOADS_BYTES);
    keel_arena_init(&store->said, (size_t)KEEL_STORE_DECISIONS_MAX * KEEL_STORE_DECISION_BYTES);
    if (open_file(store, cfg, err) == KEEL_OK && prepare_all(store, cfg->path, err) == KEEL_OK &&
        find_run(store, cfg, err) == KEEL_OK)
        return store;
    keel_store_close(&store);
    return NULL;
}

void keel_store_close(keel_store **store)
{
    if (*store == NULL)
        return;
    for (int i = 0; i < STORE_STATEMENT_COUNT; i++)
        sqlite3_finalize((*store)->statements[i]);
    sqlite3_close((*store)->db);
    keel_free(&(*store)->fills);
    keel_free(&(*store)->booked);
    keel_free(&(*store)->transfers);
    keel_free(&(*store)->notes);
    keel_free(&(*store)->decisions);
    keel_free(&(*store)->blob);
    keel_free(&(*store)->marks);
    keel_arena_fini(&(*store)->payloads);
    keel_arena_fini(&(*store)->said);
    keel_free(store);
}

const char *keel_store_error(const keel_store *store)
{
    return store->error;
}

int keel_store_synchronous(keel_store *store)
{
    int64_t value = -1;
    return read_number(store, "PRAGMA synchronous", &value) == KEEL_OK ? (int)value : -1;
}

void keel_store_limit(keel_store *store, int pages)
{
    char sql[64];
    sqlite3_snprintf(sizeof sql, sql, "PRAGMA max_page_count=%d", pages);
    execute(store, sql);
}

/* ---- read back ---- */

static keel_status resume_seal(keel_store *store)
{
    sqlite3_stmt *s = ledger_store_begin(store, STORE_GET_SEAL);
    const int rc = sqlite3_step(s);
    store->seal = rc == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(s, 0) : 0;
    const keel_status status =
        rc == SQLITE_ROW || rc == SQLITE_DONE ? KEEL_OK : ledger_store_failed(store);
    sqlite3_reset(s);
    return status;
}

static keel_status resume_lots(keel_store *store, keel_ledger *eng)
{
    sqlite3_stmt *s = ledger_store_begin(store, STORE_GET_LOTS);
    keel_status status = KEEL_OK;
    int rc;
    while (status == KEEL_OK && (rc = sqlite3_step(s)) != SQLITE_DONE) {
        if (rc != SQLITE_ROW) {
            status = ledger_store_failed(store);
            continue;
        }
        const keel_lot lot = {sqlite3_column_int64(s, 2), sqlite3_column_int64(s, 3),
                              (uint64_t)sqlite3_column_int64(s, 4)};
        status = keel_ledger_restore_lot(eng, (const char *)sqlite3_column_text(s, 0),
                                         sqlite3_column_int(s, 1), &lot);
    }
    sqlite3_reset(s);
    return status;
}

static keel_status resume_ids(keel_store *store, keel_ledger *eng)
{
    sqlite3_stmt *s = ledger_store_begin(store, STORE_GET_IDS);
    int rc;
    sqlite3_bind_int(s, 2, KEEL_IDS_MAX);
    while ((rc = sqlite3_step(s)) == SQLITE_ROW)
        keel_ledger_restore_id(eng, (const char *)sqlite3_column_text(s, 0));
    const keel_status status = rc == SQLITE_DONE ? KEEL_OK : ledger_store_failed(store);
    sqlite3_reset(s);
    return status;
}

keel_status keel_store_resume(keel_store *store, keel_ledger *eng, uint64_t *step_done)
{
    sqlite3_stmt *s = ledger_store_begin(store, STORE_GET_ENGINE);
    const int rc = sqlite3_step(s);
    uint64_t step = 0;
    keel_status status =
        rc == SQLITE_DONE || rc == SQLITE_ROW ? KEEL_OK : ledger_store_failed(store);
    if (rc == SQLITE_ROW) {
        step = (uint64_t)sqlite3_column_int64(s, 0);
        status =
            keel_ledger_load(eng, sqlite3_column_blob(s, 1), (size_t)sqlite3_column_bytes(s, 1));
    }
    sqlite3_reset(s);
    KEEL_TRY(status);
    if (rc == SQLITE_ROW) {
        KEEL_TRY(resume_lots(store, eng));
        KEEL_TRY(resume_ids(store, eng));
        KEEL_TRY(resume_seal(store));
        KEEL_TRY(keel_ledger_restored(eng));
        if (keel_ledger_step(eng) != step)
            return KEEL_EFORMAT;
    }
    store->step_done = *step_done = step;
    return KEEL_OK;
}

/* KEEL_EEXIST when the statement finds a row, KEEL_OK when it does not. */
static keel_status look_up(keel_store *store, sqlite3_stmt *s)
{
    const int rc = sqlite3_step(s);
    const keel_status status = rc == SQLITE_ROW    ? KEEL_EEXIST
                               : rc == SQLITE_DONE ? KEEL_OK
                                                   : ledger_store_failed(store);
    sqlite3_reset(s);
    return status;
}

keel_status keel_store_check_fill(keel_store *store, const char *fill_id)
{
    if (store->fills_n == store->fills_max)
        return KEEL_ENOSPC;
    /* One transaction from the first look on: each look alone would take and give back the locks.
     * It asks to write only at the commit, which is repeated when another holds the file. */
    if (sqlite3_get_autocommit(store->db) != 0)
        (void)execute(store, "BEGIN");
    sqlite3_stmt *s = ledger_store_begin(store, STORE_HAS_FILL);
    sqlite3_bind_text(s, 2, fill_id, -1, SQLITE_STATIC);
    return look_up(store, s);
}

keel_status keel_store_check_approval(keel_store *store, uint64_t step)
{
    sqlite3_stmt *s = ledger_store_begin(store, STORE_HAS_CAPITAL);
    sqlite3_bind_int64(s, 2, (int64_t)step);
    return look_up(store, s);
}

keel_status keel_store_recall(keel_store *store, uint64_t step, keel_store_give give, void *arg)
{
    sqlite3_stmt *s = ledger_store_begin(store, STORE_GET_OUTPUTS);
    keel_status status = KEEL_ENOTFOUND; /* until the first row: a step always has outputs */
    int rc;
    sqlite3_bind_int64(s, 2, (int64_t)step);
    while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
        const keel_out out = {
            .topic = (keel_topic)sqlite3_column_int(s, 0),
            .topic_text = (const char *)sqlite3_column_text(s, 1),
            .index = (uint32_t)sqlite3_column_int64(s, 2),
            .event_ns = sqlite3_column_int64(s, 3),
            .data = sqlite3_column_blob(s, 4),
            .len = (size_t)sqlite3_column_bytes(s, 4),
        };
        status = give(arg, &out);
        if (status != KEEL_OK)
            break;
    }
    if (rc != SQLITE_DONE && rc != SQLITE_ROW)
        status = ledger_store_failed(store);
    sqlite3_reset(s);
    return status;
}
