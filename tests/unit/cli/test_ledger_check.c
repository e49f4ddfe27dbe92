#include "services/cli/ledger_check.h"

#include "tests/unit/ledger/fixture.h"

#include <jansson.h>
#include <sqlite3.h>

/* Books of 60 random steps in a file; their folder is the test's own. */
static const char *books_file(void)
{
    const char *path = fresh_path();
    keel_ledger *eng = books();
    keel_store *store = store_at(path);
    market m = market_of(77);
    keel_ledger_out out;
    for (uint64_t step = 1; step <= 60; step++) {
        market_step(&m, step, eng, store, &out);
        cr_assert_eq(commit(store, step, eng, &out), KEEL_OK);
    }
    keel_store_close(&store);
    keel_ledger_free(&eng);
    return path;
}

static void change(const char *path, const char *sql)
{
    sqlite3 *db = NULL;
    cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK, "%s", sqlite3_errmsg(db));
    cr_assert_gt(sqlite3_changes(db), 0, "%s", sql);
    sqlite3_close(db);
}

/* Exit code, and what was printed (static). */
static int checked(const char *path, bool json, const char **text)
{
    static char *printed;
    size_t len;
    free(printed);
    FILE *out = open_memstream(&printed, &len);
    const int code = keel_ledger_check(path, out, json);
    fclose(out);
    *text = printed;
    return code;
}

Test(ledger_check, agrees_with_the_ledgers_books)
{
    const char *text, *path = books_file();
    cr_assert_eq(checked(path, false, &text), 0, "%s", text);
    cr_assert_not_null(strstr(text, "run run-1: books agree: "), "%s", text);
    cr_assert_not_null(strstr(text, "60 states"));
    cr_assert_eq(checked(path, true, &text), 0);
    json_t *json = json_loads(text, 0, NULL);
    cr_assert_not_null(json);
    cr_assert(json_is_true(json_object_get(json, "ok")));
    json_decref(json);
}

typedef struct tampering {
    const char *sql;
    const char *named;
} tampering;

#define FILL(set) "UPDATE fills SET " set " WHERE fill_no=20"
#define PART(set) "UPDATE fill_books SET " set " WHERE fill_no=20 AND place=0"
#define LOT(set)                                                                                   \
    "UPDATE lots SET " set " WHERE (book,instrument,lot_no) IN (SELECT book,instrument,lot_no"     \
    " FROM lots ORDER BY book,instrument,lot_no LIMIT 1)"

/* One unit changed in one fill, lot, transfer or state is found and named. */
static const tampering table[] = {
    {FILL("qty_units=qty_units+1"), "quantity of the books differs from the net fill by -1 units"},
    {FILL("price_units=price_units+1"), "seal is broken"},
    {FILL("reference_units=reference_units-1"), "seal is broken"},
    {FILL("fee_micros=fee_micros+1"), "fee of the books differs from the net fill by -1 micro"},
    {FILL("slippage_micros=1"), "slippage differs by 1 micro"},
    {FILL("fill_ns=fill_ns+1"), "seal is broken"},
    {FILL("instrument=(instrument+1)%3"), "instrument"},
    {FILL("fill_id=fill_id||'1'"), "seal is broken"},
    {FILL("step=step+1"), "seal is broken"},
    {PART("cash_micros=cash_micros+1"), "cash of book"},
    {PART("qty_units=qty_units+1"), "quantity of the books differs"},
    {PART("fee_micros=fee_micros+1"), "fee of the books differs"},
    {PART("realized_micros=realized_micros+1"), "realised P&L of book"},
    {PART("closed_units=closed_units+1"), "closed quantity of book"},
    {PART("closed_version=1"), "seal is broken"},
    {"DELETE FROM fills WHERE fill_no=20", "numbered 21 where 20 is due"},
    {LOT("qty_units=qty_units+1"), "quantity differs by 1 units"},
    {LOT("cost_micros=cost_micros-1"), "cost differs by -1 micro"},
    {LOT("fill_no=fill_no+1"), "opened by fill"},
    {LOT("lot_no=lot_no+100000"), "not opened by any fill"},
    {"UPDATE transfer_legs SET cash_micros=cash_micros+1 WHERE place=0", "legs sum to 1 micro"},
    {"UPDATE transfers SET transfer_id='x'||transfer_id", "transfer xrun-1"},
    {"UPDATE portfolio_states SET cash_micros=cash_micros+1 WHERE step=30",
     "step 30: cash of the account differs by 1 micro"},
    {"UPDATE portfolio_states SET equity_micros=equity_micros-1 WHERE step=30",
     "step 30: equity of the account differs by -1 micro"},
    {"UPDATE portfolio_states SET payload=x'00' WHERE step=30", "not the one published"},
    {"UPDATE portfolio_states SET fills=fills+1 WHERE step=30", "fills counted"},
    {"UPDATE book_states SET realized_micros=realized_micros+1 WHERE step=30 AND book='core'",
     "step 30: realised P&L of book core differs by 1 micro"},
    {"UPDATE book_states SET fees_micros=fees_micros+1 WHERE step=30 AND book='core'",
     "step 30: fees of book core differs by 1 micro"},
    {"DELETE FROM portfolio_states WHERE step=60", "after the last state 59"},
    {"UPDATE decisions SET accepted=0 WHERE symbol='B'",
     "of book momentum, which no decision made"},
    {"UPDATE decisions SET strategy='core' WHERE symbol='A'", "nothing was decided for book mom"},
    {"UPDATE decisions SET step=30", "nothing was decided for book momentum before it"},
    {"UPDATE book_returns SET pnl_micros=pnl_micros+1 WHERE step=30 AND book='core'",
     "step 30: profit of the bar of book core differs by 1 micro"},
    {"UPDATE book_returns SET ret_simple=ret_simple+0.001 WHERE step=30 AND book='core'",
     "step 30: return of book core differs by 0.001"},
    {"DELETE FROM book_returns WHERE step=30 AND book='core'",
     "step 30: return of book core is not there"},
};

Test(ledger_check, names_one_unit_changed_anywhere)
{
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        const char *text, *path = books_file();
        change(path, table[i].sql);
        cr_expect_eq(checked(path, false, &text), 1, "%s", table[i].sql);
        cr_expect_not_null(strstr(text, table[i].named), "%s: %s", table[i].sql, text);
    }
}

Test(ledger_check, names_the_fill_and_the_book)
{
    const char *text, *path = books_file();
    change(path, "UPDATE fill_books SET cash_micros=cash_micros+1 WHERE place=0 AND book='core'"
                 " AND fill_no=(SELECT fill_no FROM fills LIMIT 1)");
    cr_assert_eq(checked(path, false, &text), 1);
    cr_assert_not_null(strstr(text, "fill run-1/main/"), "%s", text);
    cr_assert_not_null(strstr(text, ": cash of book core differs by 1 micro"), "%s", text);
    cr_assert_eq(checked(path, true, &text), 1);
    json_t *json = json_loads(text, 0, NULL);
    cr_assert(json_is_false(json_object_get(json, "ok")));
    cr_assert_gt(json_integer_value(json_object_get(json, "differences")), 0);
    json_decref(json);
}

Test(ledger_check, refuses_what_is_no_ledger)
{
    const char *text;
    cr_assert_eq(checked("/nonexistent.sqlite", false, &text), 4);
    char path[] = "/tmp/keel-not-books-XXXXXX";
    const int fd = mkstemp(path);
    cr_assert_eq(write(fd, "not a database, not at all", 26), 26);
    close(fd);
    cr_assert_eq(checked(path, false, &text), 4);
    unlink(path);
}

Test(ledger_check, reads_while_the_ledger_writes)
{
    const char *text, *path = fresh_path();
    keel_ledger *eng = books();
    keel_store *store = store_at(path);
    market m = market_of(5);
    keel_ledger_out out;
    for (uint64_t step = 1; step <= 20; step++) {
        market_step(&m, step, eng, store, &out);
        cr_assert_eq(commit(store, step, eng, &out), KEEL_OK);
        cr_assert_eq(checked(path, false, &text), 0, "%s", text);
    }
    keel_store_close(&store);
    keel_ledger_free(&eng);
}
