#include "tests/unit/ledger/fixture.h"

#include <signal.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>

static void run_steps(market *m, keel_ledger *eng, keel_store *store, uint64_t from, uint64_t to)
{
    keel_ledger_out out;
    for (uint64_t step = from; step <= to; step++) {
        market_step(m, step, eng, store, &out);
        cr_assert_eq(commit(store, step, eng, &out), KEEL_OK, "%s", keel_store_error(store));
    }
}

static int64_t number(const char *path, const char *sql)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *s = NULL;
    cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_prepare_v2(db, sql, -1, &s, NULL), SQLITE_OK, "%s", sqlite3_errmsg(db));
    cr_assert_eq(sqlite3_step(s), SQLITE_ROW);
    const int64_t n = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    sqlite3_close(db);
    return n;
}

/* R7, P1: what is reopened goes on as if it had never stopped */
Test(store, resumes_the_last_committed_step_to_the_bit)
{
    const char *path = fresh_path();
    keel_ledger *never = books(), *eng = books();
    keel_store *store = store_at(path);
    market a = market_of(21), b = market_of(21);
    keel_ledger_out out;
    uint64_t done;
    cr_assert_eq(keel_store_resume(store, eng, &done), KEEL_OK);
    cr_assert_eq(done, 0);
    for (uint64_t step = 1; step <= 120; step++) {
        market_step(&a, step, never, NULL, &out);
        run_steps(&b, eng, store, step, step);
        if (step % 17 != 0)
            continue;
        keel_store_close(&store);
        keel_ledger_free(&eng);
        store = store_at(path);
        eng = books();
        cr_assert_eq(keel_store_resume(store, eng, &done), KEEL_OK);
        cr_assert_eq(done, step);
        same_books(never, eng);
    }
    cr_assert_eq(commit(store, 120, eng, &out), KEEL_OK, "a step that is there is not written");
    keel_store_close(&store);
    cr_assert_eq(number(path, "PRAGMA user_version"), KEEL_STORE_SCHEMA);
    cr_assert_eq(number(path, "SELECT count(*) FROM portfolio_states"), 120);
    cr_assert_gt(number(path, "SELECT count(*) FROM fills"), 100);
    cr_assert_eq(number(path, "SELECT count(*) FROM lots WHERE qty_units=0"), 0);
    keel_ledger_free(&eng);
    keel_ledger_free(&never);
}

/* kill -9 between and inside steps: the file holds whole steps, the books equal the last of them */
Test(store, survives_kill_nine_with_whole_steps)
{
    const char *path = fresh_path();
    for (int kill_no = 0; kill_no < 6; kill_no++) {
        int pipe_fd[2];
        cr_assert_eq(pipe(pipe_fd), 0);
        const pid_t child = fork();
        cr_assert_geq(child, 0);
        if (child == 0) {
            keel_ledger *eng = books();
            keel_store *store = store_at(path);
            market m = market_of(33);
            keel_ledger_out out;
            uint64_t done;
            if (keel_store_resume(store, eng, &done) != KEEL_OK)
                _exit(1);
            for (uint64_t step = 1;; step++) { /* the market is replayed to where the books are */
                static keel_ledger *shadow;
                if (shadow == NULL)
                    shadow = books();
                market_step(&m, step, step <= done ? shadow : eng, step <= done ? NULL : store,
                            &out);
                if (step > done && commit(store, step, eng, &out) != KEEL_OK)
                    _exit(1);
                if (step > done && write(pipe_fd[1], "x", 1) != 1)
                    _exit(1);
            }
        }
        char x;
        for (int i = 0; i < 5 + 3 * kill_no; i++)
            cr_assert_eq(read(pipe_fd[0], &x, 1), 1);
        kill(child, SIGKILL);
        int status;
        waitpid(child, &status, 0);
        cr_assert(WIFSIGNALED(status));
        close(pipe_fd[0]);
        close(pipe_fd[1]);
        keel_store *store = store_at(path);
        keel_ledger *eng = books(), *due = books();
        market m = market_of(33);
        keel_ledger_out out;
        uint64_t done;
        cr_assert_eq(keel_store_resume(store, eng, &done), KEEL_OK);
        cr_assert_geq(done, 5);
        for (uint64_t step = 1; step <= done; step++)
            market_step(&m, step, due, NULL, &out);
        same_books(eng, due);
        keel_store_close(&store);
        keel_ledger_free(&eng);
        keel_ledger_free(&due);
    }
}

/* A locked file refuses the commit whole; the same step is committed when the lock is gone. */
Test(store, a_locked_file_loses_nothing)
{
    const char *path = fresh_path();
    keel_ledger *eng = books(), *again = books();
    keel_store *store = store_at(path);
    market m = market_of(8);
    keel_ledger_out out;
    sqlite3 *other = NULL;
    uint64_t done;
    run_steps(&m, eng, store, 1, 10);
    market_step(&m, 11, eng, store, &out);
    cr_assert_eq(sqlite3_open(path, &other), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    for (int i = 0; i < 3; i++)
        cr_assert_eq(commit(store, 11, eng, &out), KEEL_EUNAVAIL);
    cr_assert_str_eq(keel_store_error(store), "database is locked");
    cr_assert_eq(sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    cr_assert_eq(commit(store, 11, eng, &out), KEEL_OK);
    sqlite3_close(other);
    keel_store_close(&store);
    store = store_at(path);
    cr_assert_eq(keel_store_resume(store, again, &done), KEEL_OK);
    cr_assert_eq(done, 11);
    same_books(eng, again);
    keel_store_close(&store);
    keel_ledger_free(&eng);
    keel_ledger_free(&again);
}

/* A full disk, by SQLite's own page limit. */
Test(store, a_full_file_loses_nothing)
{
    const char *path = fresh_path();
    keel_ledger *eng = books(), *again = books();
    keel_store *store = store_at(path);
    market m = market_of(8);
    keel_ledger_out out;
    uint64_t done, step = 1;
    keel_store_limit(store, 60);
    for (;; step++) {
        market_step(&m, step, eng, store, &out);
        if (commit(store, step, eng, &out) != KEEL_OK)
            break;
        cr_assert_lt(step, 2000);
    }
    cr_assert_str_eq(keel_store_error(store), "database or disk is full");
    keel_store *reader = store_at(path);
    cr_assert_eq(keel_store_resume(reader, again, &done), KEEL_OK);
    cr_assert_eq(done, step - 1, "nothing half-written");
    keel_store_close(&reader);
    keel_store_limit(store, 100000);
    cr_assert_eq(commit(store, step, eng, &out), KEEL_OK);
    keel_store_close(&store);
    keel_ledger_free(&again);
    again = books();
    store = store_at(path);
    cr_assert_eq(keel_store_resume(store, again, &done), KEEL_OK);
    cr_assert_eq(done, step);
    same_books(eng, again);
    keel_store_close(&store);
    keel_ledger_free(&eng);
    keel_ledger_free(&again);
}

Test(store, knows_the_fills_it_has)
{
    const char *path = fresh_path();
    keel_ledger *eng = books();
    keel_store *store = store_at(path);
    const int64_t close[N] = {10000, 10000, 10000};
    const keel_bar_row r = row_of(close, 1);
    const keel_fill f = fill_of(1, 0, 10000, 0, 10000, 1);
    keel_booked b;
    keel_ledger_out out;
    cr_assert_eq(keel_ledger_on_row(eng, &r), KEEL_OK);
    cr_assert_eq(keel_store_check_fill(store, f.fill_id), KEEL_OK);
    cr_assert_eq(keel_ledger_on_fill(eng, &f, &b), KEEL_OK);
    cr_assert_eq(keel_store_add_fill(store, &f, &b), KEEL_OK);
    cr_assert_eq(keel_ledger_close(eng, 1, &out), KEEL_OK);
    cr_assert_eq(commit(store, 1, eng, &out), KEEL_OK);
    cr_assert_eq(keel_store_check_fill(store, f.fill_id), KEEL_EEXIST);
    keel_store_close(&store);
    keel_ledger_free(&eng);
}

static keel_status collect(void *arg, const keel_out *out)
{
    uint64_t step = 0;
    int *n = arg;
    memcpy(&step, out->data, out->len);
    cr_assert_eq(step, 3);
    cr_assert_eq(out->topic, *n == 0 ? KEEL_TOPIC_PORTFOLIO : KEEL_TOPIC_PERFORMANCE);
    cr_assert_str_eq(out->topic_text, *n == 0 ? "v1.portfolio.main." : "v1.performance.main.");
    (*n)++;
    return KEEL_OK;
}

Test(store, recalls_the_messages_of_an_old_step) /* P1: the ledger's ring is SQLite */
{
    const char *path = fresh_path();
    keel_ledger *eng = books();
    keel_store *store = store_at(path);
    market m = market_of(2);
    int n = 0;
    run_steps(&m, eng, store, 1, 5);
    cr_assert_eq(keel_store_recall(store, 3, collect, &n), KEEL_OK);
    cr_assert_eq(n, 2);
    cr_assert_eq(keel_store_recall(store, 6, collect, &n), KEEL_ENOTFOUND);
    keel_store_close(&store);
    keel_ledger_free(&eng);
}

/* ST05 ST06 */
Test(store, keeps_history_to_its_sizes)
{
    const char *path = fresh_path();
    keel_store_cfg c = store_cfg(path);
    c.history_allocations = 30;
    c.history_risk = 20;
    c.history_optimizations = 10;
    keel_store *store = keel_store_open(&c, NULL);
    keel_ledger *eng = books();
    market m = market_of(2);
    cr_assert_not_null(store);
    for (uint64_t step = 1; step <= 128; step++) {
        keel_note note = {.kind = KEEL_NOTE_ALLOCATION,
                          .step = step,
                          .method = KEEL_METHOD_MIN_VARIANCE,
                          .book = "core",
                          .optimized = true,
                          .payload = (const uint8_t *)"p",
                          .len = 1};
        keel_reason_set(&note.reason, KEEL_REASON_VERIFIED, "ok");
        cr_assert_eq(keel_store_add_note(store, &note), KEEL_OK);
        note.kind = KEEL_NOTE_TRADING;
        note.mode = KEEL_TRADING_ACTIVE;
        cr_assert_eq(keel_store_add_note(store, &note), KEEL_OK);
        run_steps(&m, eng, store, step, step);
    }
    keel_store_close(&store);
    cr_assert_eq(number(path, "SELECT count(*) FROM allocations"), 30);
    cr_assert_eq(number(path, "SELECT min(step) FROM allocations"), 99);
    cr_assert_eq(number(path, "SELECT count(*) FROM risk_assessments"), 20);
    cr_assert_eq(number(path, "SELECT count(*) FROM optimizations"), 10);
    cr_assert_eq(number(path, "SELECT count(*) FROM portfolio_states"), 128,
                 "none of the last 4,096 is pruned");
    keel_ledger_free(&eng);
}

/* R4: two runs in one file do not see each other */
Test(store, keeps_runs_apart_and_refuses_a_changed_one)
{
    const char *path = fresh_path();
    keel_err err;
    keel_ledger *eng = books(), *fresh = books();
    keel_store *store = store_at(path);
    market m = market_of(2);
    uint64_t done;
    run_steps(&m, eng, store, 1, 5);
    keel_store_close(&store);
    keel_store_cfg c = store_cfg(path);
    c.run = "run-2";
    store = keel_store_open(&c, &err);
    cr_assert_not_null(store);
    cr_assert_eq(keel_store_resume(store, fresh, &done), KEEL_OK);
    cr_assert_eq(done, 0);
    keel_store_close(&store);
    c.run = "run-1";
    c.initial_micros++;
    cr_assert_null(keel_store_open(&c, &err));
    cr_assert_eq(err.status, KEEL_EINVAL);
    c.path = "/nonexistent/books.sqlite";
    cr_assert_null(keel_store_open(&c, &err));
    cr_assert_eq(err.status, KEEL_EIO); /* not KEEL_EUNAVAIL: waiting will not make the folder */
    keel_ledger_free(&eng);
    keel_ledger_free(&fresh);
}

Test(store, is_durable_as_production_is)
{
    const char *path = fresh_path();
    keel_store *store = store_at(path);
    cr_assert_eq(keel_store_synchronous(store), 2, "FULL");
    keel_store_close(&store);
    sqlite3 *db = NULL;
    sqlite3_stmt *s = NULL;
    cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_prepare_v2(db, "PRAGMA journal_mode", -1, &s, NULL), SQLITE_OK);
    cr_assert_eq(sqlite3_step(s), SQLITE_ROW);
    cr_assert_str_eq((const char *)sqlite3_column_text(s, 0), "wal");
    sqlite3_finalize(s);
    sqlite3_close(db);
}

/* An older file is refused by name, and left as it is. */
Test(store, refuses_another_schema)
{
    const char *path = fresh_path();
    keel_err err = {0};
    sqlite3 *db = NULL;
    keel_store *store = store_at(path);
    keel_store_close(&store);
    cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db, "PRAGMA user_version=1", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    const keel_store_cfg c = store_cfg(path);
    cr_assert_null(keel_store_open(&c, &err));
    cr_assert_eq(err.status, KEEL_EVERSION);
    cr_assert_not_null(strstr(err.text, "schema 1, this program reads 2"), "%s", err.text);
    cr_assert_eq(number(path, "PRAGMA user_version"), 1);
}

/* ST05: level one learns from these */
Test(store, keeps_returns_and_decisions)
{
    const char *path = fresh_path();
    keel_store_cfg c = store_cfg(path);
    c.history_decisions = 3;
    keel_store *store = keel_store_open(&c, NULL);
    keel_ledger *eng = books();
    market m = market_of(9);
    run_steps(&m, eng, store, 1, 60);
    for (uint64_t seq = 10; seq < 20; seq++) {
        keel_decision_note d = {.decision_seq = seq, .step = 60, .strategy = "momentum"};
        const uint8_t said[] = {7, (uint8_t)seq};
        d.reason = KEEL_REASON_CONFLICT;
        d.event_ns = 1000 + (int64_t)seq;
        d.payload = said;
        d.len = sizeof said;
        cr_assert_eq(keel_store_add_decision(store, &d), KEEL_OK);
        cr_assert_eq(keel_store_add_decision(store, &d), KEEL_OK, "a repeat is there already");
    }
    run_steps(&m, eng, store, 61, 64);
    keel_store_close(&store);
    cr_assert_eq(number(path, "SELECT count(*) FROM decisions WHERE accepted=1"), 3);
    cr_assert_eq(number(path, "SELECT count(*) FROM decisions WHERE accepted=0"), 3);
    cr_assert_eq(number(path, "SELECT min(decision_seq) FROM decisions WHERE accepted=0"), 17);
    cr_assert_eq(number(path, "SELECT count(*) FROM decisions WHERE accepted=0 AND event_ns=1000+"
                              "decision_seq AND hex(payload)=printf('07%02X',decision_seq)"),
                 3, "as they were said");
    cr_assert_eq(number(path, "SELECT count(*) FROM book_returns WHERE book='core'"), 64);
    cr_assert_eq(number(path, "SELECT count(*) FROM book_returns r JOIN book_states s USING(run,"
                              " step, book) WHERE r.base_micros+r.pnl_micros<>s.equity_micros"),
                 0);
    keel_ledger_free(&eng);
}
