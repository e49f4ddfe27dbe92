#include "services/feed/engine/inspect.h"
#include "services/feed/engine/table.h"

#include "common/base/mem.h"
#include "common/base/timefmt.h"
#include "common/domain/bar_row.h"
#include "tests/support/data.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

/* Up to three files, what is picked of them, and the table of it. */
typedef struct made {
    keel_csv *csvs[3];
    int n;
    keel_complaints complaints;
    keel_err err;
    keel_pick pick;
    keel_universe universe;
    keel_table *table;
} made;

static made *read_texts(const char *const *texts, const size_t *lens, int n)
{
    made *m = keel_xcalloc(1, sizeof *m);
    for (m->n = 0; m->n < n; m->n++) {
        char name[] = "f0.csv";
        name[1] = (char)('0' + m->n);
        m->csvs[m->n] = keel_csv_new(name, texts[m->n], lens[m->n], &m->complaints, &m->err);
        cr_assert_not_null(m->csvs[m->n], "%s", m->err.text);
    }
    return m;
}

static const keel_csv *const *files_of(const made *m)
{
    return (const keel_csv *const *)m->csvs;
}

/* price_exp from the data. */
static keel_status pick(made *m, const keel_feed_choice *choice)
{
    KEEL_TRY(keel_pick_make(files_of(m), m->n, choice, &m->pick, &m->err));
    return keel_inspect_universe(files_of(m), &m->pick, "USD", &m->universe, &m->err);
}

static void build(made *m, const keel_feed_choice *choice)
{
    cr_assert_eq(pick(m, choice), KEEL_OK, "%s", m->err.text);
    const keel_table_cfg cfg = {files_of(m), m->n, &m->pick, &m->universe, choice->stamp};
    m->table = keel_table_new(&cfg, &m->complaints, &m->err);
}

static made *make_of(const char *const *texts, int n, keel_stamp stamp)
{
    size_t lens[3];
    const keel_feed_choice choice = {.stamp = stamp};
    for (int i = 0; i < n; i++)
        lens[i] = strlen(texts[i]);
    made *m = read_texts(texts, lens, n);
    build(m, &choice);
    return m;
}

static made *make_one(const char *text)
{
    return make_of(&text, 1, KEEL_STAMP_AUTO);
}

static void end(made *m)
{
    for (int i = 0; i < m->n; i++)
        keel_csv_free(&m->csvs[i]);
    keel_table_free(&m->table);
    cr_assert_null(m->table);
    keel_free(&m);
}

static int64_t ns(const char *text)
{
    int64_t at = 0;
    cr_assert_eq(keel_time_parse(text, &at, NULL), KEEL_OK);
    return at;
}

Test(table, parses_prices_exactly)
{
    made *m =
        make_one("date,BTC,SHIB\n2020-01-01,12919.12,8.83e-6\n2020-01-02,12919.1,0.00000884\n");
    cr_assert_not_null(m->table, "%s", m->err.text);
    cr_assert_eq(m->universe.instruments[0].price_exp, 2);
    cr_assert_eq(m->universe.instruments[1].price_exp, 8);
    static const int64_t units[] = {1291912, 883, 1291910, 884};
    for (int k = 0; k < 4; k++)
        cr_expect_eq(m->table->close_units[k], units[k]);
    cr_assert_null(m->table->open_units);
    cr_assert_null(m->table->volume);
    cr_assert_eq(m->complaints.rounded, 0u);
    end(m);
}

/* Which moment closes the bar. */
Test(table, stamps_open_close_and_days)
{
    static const char hourly[] =
        "time,A\n2020-01-01 08:00,1\n2020-01-01 09:00,1\n2020-01-01 10:00,1\n";
    static const char daily[] = "date,A\n2020-01-01,1\n2020-01-02,1\n2020-01-03,1\n";
    static const char monthly[] = "date,A\n2020-01-01,1\n2020-02-01,1\n2020-03-03,1\n";
    static const struct {
        const char *text;
        keel_stamp stamp;
        const char *first_close;
    } cases[] = {
        {hourly, KEEL_STAMP_AUTO, "2020-01-01 09:00"},
        {hourly, KEEL_STAMP_OPEN, "2020-01-01 09:00"},
        {hourly, KEEL_STAMP_CLOSE, "2020-01-01 08:00"},
        {daily, KEEL_STAMP_AUTO, "2020-01-02"},
        {daily, KEEL_STAMP_OPEN, "2020-01-02"},
        {daily, KEEL_STAMP_CLOSE, "2020-01-02"},
        {monthly, KEEL_STAMP_AUTO, "2020-01-02"},
        {monthly, KEEL_STAMP_OPEN, "2020-02-01"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        made *m = make_of(&cases[i].text, 1, cases[i].stamp);
        cr_assert_not_null(m->table, "%zu: %s", i, m->err.text);
        cr_expect_eq(m->table->close_ns[0], ns(cases[i].first_close), "%zu", i);
        end(m);
    }
}

Test(table, bar_is_the_commonest_difference)
{
    made *m = make_one("date,A\n2020-01-02,1\n2020-01-03,1\n2020-01-06,1\n2020-01-07,1\n");
    cr_assert_eq(m->table->bar_ns, KEEL_NS_PER_DAY);
    cr_assert_eq(m->table->bar_deviations, 1u);
    end(m);
    m = make_one("time,A\n2020-01-01 00:00,1\n2020-01-01 02:00,1\n2020-01-01 03:00,1\n");
    cr_assert_eq(m->table->bar_ns, KEEL_NS_PER_H, "of two as common the shorter");
    end(m);
}

Test(table, joins_files_by_time)
{
    static const char *const texts[] = {
        "date,A\n2020-01-01,1\n2020-01-02,2\n2020-01-04,4\n",
        "date,symbol,open,high,low,close,volume\n2020-01-02,B,10,12,9,11,5\n"
        "2020-01-03,B,11,12,10,11.5,6\n2020-01-04,B,11,12,10,11,7\n",
    };
    made *m = make_of(texts, 2, KEEL_STAMP_AUTO);
    cr_assert_not_null(m->table, "%s", m->err.text);
    static const int64_t closes[] = {100, 0, 200, 1100, 0, 1150, 400, 1100};
    static const int64_t opens[] = {100, 0, 200, 1000, 0, 1100, 400, 1100};
    cr_assert_eq(m->table->rows, 4u);
    for (int k = 0; k < 8; k++) {
        cr_expect_eq(m->table->close_units[k], closes[k], "%d", k);
        cr_expect_eq(m->table->open_units[k], opens[k], "%d: closes stand for absent opens", k);
    }
    cr_assert_eq(m->table->volume[5], 6.0);
    cr_assert_eq(m->table->missing_through[3], 2u);
    cr_assert_eq(m->table->missing_of[0], 1u);
    end(m);
}

/* Permuting the files permutes columns and nothing else. */
Test(table, order_of_files_does_not_matter)
{
    static const char *const ab[] = {"date,A\n2020-01-01,1\n2020-01-02,2\n",
                                     "date,B\n2020-01-02,3\n2020-01-03,4\n"};
    static const char *const ba[] = {"date,B\n2020-01-02,3\n2020-01-03,4\n",
                                     "date,A\n2020-01-01,1\n2020-01-02,2\n"};
    made *x = make_of(ab, 2, KEEL_STAMP_AUTO), *y = make_of(ba, 2, KEEL_STAMP_AUTO);
    cr_assert_eq(x->table->rows, y->table->rows);
    for (uint32_t k = 0; k < x->table->rows; k++) {
        cr_assert_eq(x->table->close_ns[k], y->table->close_ns[k]);
        cr_assert_eq(x->table->close_units[2 * k], y->table->close_units[2 * k + 1]);
        cr_assert_eq(x->table->close_units[2 * k + 1], y->table->close_units[2 * k]);
    }
    end(x);
    end(y);
}

Test(table, refuses_files_that_do_not_fit_together)
{
    static const char *const lengths[] = {"date,A\n2020-01-01,1\n2020-01-02,2\n",
                                          "time,B\n2020-01-01 00:00,1\n2020-01-01 01:00,2\n"};
    static const char *const shifted[] = {
        "time,A\n2020-01-01 00:00,1\n2020-01-01 01:00,2\n2020-01-01 02:00,2\n",
        "time,B\n2020-01-01 00:30,1\n2020-01-01 01:30,2\n2020-01-01 02:30,2\n"};
    made *m = make_of(lengths, 2, KEEL_STAMP_AUTO);
    cr_assert_null(m->table);
    cr_assert_not_null(strstr(m->err.text, "f0.csv has bars of 1d, f1.csv of 1h"), "%s",
                       m->err.text);
    end(m);
    m = make_of(shifted, 2, KEEL_STAMP_AUTO);
    cr_assert_null(m->table);
    cr_assert_not_null(strstr(m->err.text, "30m"), "%s", m->err.text);
    end(m);
    m = make_one("date,A\n1900-01-01,1\n2149-01-02,2\n");
    cr_assert_null(m->table);
    cr_assert_not_null(strstr(m->err.text, "at most a year"), "%s", m->err.text);
    end(m);
    m = make_one("date,A\n2020-01-01,\n2020-01-02,x\n2020-01-03,5\n");
    cr_assert_null(m->table);
    cr_assert_not_null(strstr(m->err.text, "1 row(s)"), "%s", m->err.text);
    end(m);
}

/* Each bad value makes its bar missing, is counted once, and is named. */
Test(table, refuses_bad_values)
{
    static const struct {
        const char *bar; /* open,high,low,close,volume */
        keel_complaint_kind kind;
        uint32_t column;
    } cases[] = {
        {"1,1,1,abc,1", KEEL_COMPLAINT_NUMBER, 20},
        {"1,1,1,1.5x,1", KEEL_COMPLAINT_NUMBER, 20},
        {"1,1,1,0x10,1", KEEL_COMPLAINT_NUMBER, 20},
        {"1,1,1,nan,1", KEEL_COMPLAINT_NONFINITE, 20},
        {"1,1,1,-inf,1", KEEL_COMPLAINT_NONFINITE, 20},
        {"1,1,1,0,1", KEEL_COMPLAINT_NONPOSITIVE, 20},
        {"1,1,1,-1,1", KEEL_COMPLAINT_NONPOSITIVE, 20},
        {"1,1,1,1e30,1", KEEL_COMPLAINT_RANGE, 20},
        {"1,1,1,1e-30,1", KEEL_COMPLAINT_RANGE, 20},
        {"x,1,1,1,1", KEEL_COMPLAINT_NUMBER, 14},
        {"1,0,1,1,1", KEEL_COMPLAINT_NONPOSITIVE, 16},
        {"1,1,1,1,-1", KEEL_COMPLAINT_VOLUME, 22},
        {"1,1,1,1,nan", KEEL_COMPLAINT_VOLUME, 22},
        {"2,1,1,1,1", KEEL_COMPLAINT_SHAPE, 20},
        {",1,1,1,1", KEEL_COMPLAINT_SHAPE, 19},
        {"100,100,100,100,1", KEEL_COMPLAINT_JUMP, 26},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[400];
        /* a second symbol keeps the row */
        snprintf(text, sizeof text,
                 "date,symbol,open,high,low,close,volume\n2020-01-01,A,1,1,1,1,1\n2020-01-01,B,1,1,"
                 "1,1,1\n"
                 "2020-01-02,A,%s\n2020-01-02,B,1,1,1,1,1\n2020-01-03,A,1,1,1,1,1\n",
                 cases[i].bar);
        const char *one = text;
        const size_t len = strlen(text);
        made *m = read_texts(&one, &len, 1);
        const keel_feed_choice choice = {.stamp = KEEL_STAMP_AUTO};
        cr_assert_eq(pick(m, &choice), KEEL_OK);
        m->universe.instruments[0].price_exp = 2;
        cr_assert_eq(keel_universe_seal(&m->universe, NULL), KEEL_OK);
        const keel_table_cfg cfg = {files_of(m), 1, &m->pick, &m->universe, KEEL_STAMP_AUTO};
        m->table = keel_table_new(&cfg, &m->complaints, &m->err);
        cr_assert_not_null(m->table, "%s: %s", cases[i].bar, m->err.text);
        const keel_table *t = m->table;
        cr_assert_eq(t->rows, 3u, "%s", cases[i].bar);
        const size_t k = 2; /* row 1, A */
        cr_expect(t->close_units[k] == 0 && t->open_units[k] == 0 && t->high_units[k] == 0 &&
                      t->low_units[k] == 0 && t->volume[k] == 0.0,
                  "%s", cases[i].bar);
        cr_expect_eq(t->missing[1], 1u, "%s", cases[i].bar);
        const bool held = cases[i].kind == KEEL_COMPLAINT_JUMP;
        cr_expect_eq(m->complaints.refused, held ? 0u : 1u, "%s", cases[i].bar);
        cr_expect_eq(m->complaints.held, held ? 1u : 0u, "%s", cases[i].bar);
        cr_expect_eq(m->complaints.counts[cases[i].kind], 1u, "%s", cases[i].bar);
        const keel_complaint *c =
            held ? &m->complaints.held_first[0] : &m->complaints.refused_first[0];
        cr_expect_eq(c->line, 4u, "%s", cases[i].bar);
        cr_expect_eq(c->column, cases[i].column, "%s: %u", cases[i].bar, c->column);
        end(m);
    }
}

Test(table, quarantines_across_rows_and_counts_by_row)
{
    made *m = make_one("date,A,B\n2020-01-01,100,1\n2020-01-02,1100,1\n2020-01-03,101,1\n"
                       "2020-01-04,1100,1\n2020-01-05,,1\n2020-01-06,1101,1\n2020-01-07,1102,1\n");
    const keel_table *t = m->table;
    static const int64_t closes[] = {10000, 0, 10100, 0, 0, 0, 110200};
    static const uint64_t held[] = {0, 1, 1, 2, 2, 3, 3};
    cr_assert_not_null(t);
    for (int k = 0; k < 7; k++) {
        cr_expect_eq(t->close_units[2 * k], closes[k], "%d", k);
        cr_expect_eq(t->held_through[k], held[k], "%d", k);
    }
    cr_assert_eq(t->held_of[0], 3u);
    cr_assert_eq(t->missing_of[0], 4u);
    cr_assert_eq(m->complaints.held_first[0].line, 3u);
    end(m);
}

Test(table, rows_without_a_bar_are_no_steps)
{
    made *m = make_one("date,A,B\n2020-01-01,1,1\n2020-01-02,,\n2020-01-03,x,0\n2020-01-04,2,2\n"
                       "2020-01-05,50,\n2020-01-06,3,\n");
    cr_assert_not_null(m->table, "%s", m->err.text);
    cr_assert_eq(m->table->rows, 3u);
    cr_assert_eq(m->table->rows_empty, 3u);
    cr_assert_eq(m->table->close_ns[1], ns("2020-01-05"));
    cr_assert_eq(m->table->close_units[2], 200);
    cr_assert_eq(m->table->close_units[4], 300);
    cr_assert_eq(m->table->missing[2], 1u);
    end(m);
}

Test(table, rounds_digits_that_no_unit_holds_and_says_so)
{
    made *m = make_one("date,A\n2020-01-01,31.84950065612793\n2020-01-02,31.5\n");
    cr_assert_not_null(m->table);
    cr_assert_eq(m->universe.instruments[0].price_exp, 12);
    cr_assert_eq(m->table->close_units[0], INT64_C(31849500656128));
    cr_assert_eq(m->complaints.rounded, 1u);
    cr_assert_eq(m->complaints.refused, 0u);
    end(m);
}

static const char *const two_files[] = {
    "date,AAA,BBB,CCC\n2020-01-01,1,1,1\n2020-01-02,1,1,1\n",
    "date,DDD,AAA,Bad Name\n2020-01-01,1,1,1\n2020-01-02,1,1,1\n"};

Test(pick, chooses_by_name)
{
    static const char *const dc[] = {"DDD", "CCC"}, *const unknown[] = {"AAB"},
                             *const a[] = {"AAA"}, *const bad[] = {"Bad Name"},
                             *const twice[] = {"BBB", "BBB"};
    static const struct {
        const char *const *assets;
        int assets_n;
        const char *const *exclude;
        int exclude_n;
        keel_status status;
        const char *says; /* the order picked, or the reason */
    } cases[] = {
        {dc, 2, NULL, 0, KEEL_OK, "DDD CCC "},
        {dc, 2, dc, 1, KEEL_OK, "CCC "},
        {dc, 2, dc, 2, KEEL_ENOTFOUND, "no symbol is left"},
        {unknown, 1, NULL, 0, KEEL_EUNKNOWN, "did you mean 'AAA'"},
        {NULL, 0, unknown, 1, KEEL_EUNKNOWN, "'AAB'"},
        {a, 1, NULL, 0, KEEL_EEXIST, "'AAA' is in f0.csv and in f1.csv"},
        {NULL, 0, NULL, 0, KEEL_EEXIST, "'AAA' is in"},
        {NULL, 0, a, 1, KEEL_EINVAL, "f1.csv: the column 'Bad Name'"},
        {twice, 2, NULL, 0, KEEL_EEXIST, "'BBB'"},
        {bad, 1, NULL, 0, KEEL_EINVAL, "'Bad Name'"},
    };
    const size_t lens[] = {strlen(two_files[0]), strlen(two_files[1])};
    made *m = read_texts(two_files, lens, 2);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const keel_feed_choice choice = {cases[i].assets, cases[i].assets_n, cases[i].exclude,
                                         cases[i].exclude_n, KEEL_STAMP_AUTO};
        const keel_status status = keel_pick_make(files_of(m), 2, &choice, &m->pick, &m->err);
        cr_expect_eq(status, cases[i].status, "%zu: %s", i, m->err.text);
        char order[64] = "";
        for (int k = 0; status == KEEL_OK && k < m->pick.n; k++)
            strcat(strcat(order, m->pick.items[k].name), " ");
        cr_expect_not_null(strstr(status == KEEL_OK ? order : m->err.text, cases[i].says),
                           "%zu: %s%s", i, order, m->err.text);
    }
    end(m);
}

Test(pick, matches_a_universe_or_names_what_is_amiss)
{
    static const char *const abc[] = {"AAA", "BBB", "CCC"};
    const size_t len = strlen(two_files[0]);
    made *m = read_texts(two_files, &len, 1);
    keel_feed_choice choice = {abc, 3, NULL, 0, KEEL_STAMP_AUTO};
    cr_assert_eq(pick(m, &choice), KEEL_OK);
    keel_universe reversed = m->universe;
    for (int i = 0; i < 3; i++)
        reversed.instruments[i] = m->universe.instruments[2 - i];
    cr_assert_eq(keel_universe_seal(&reversed, NULL), KEEL_OK);
    cr_assert_eq(keel_pick_match(&m->pick, &reversed, &m->err), KEEL_OK);
    cr_assert_str_eq(m->pick.items[0].name, "CCC");
    cr_assert_str_eq(m->pick.items[2].name, "AAA");
    reversed.n = 2;
    cr_assert_eq(keel_pick_match(&m->pick, &reversed, &m->err), KEEL_EUNKNOWN);
    cr_assert_not_null(strstr(m->err.text, "'AAA'"), "%s", m->err.text);
    choice.assets_n = 2;
    cr_assert_eq(keel_pick_make(files_of(m), 1, &choice, &m->pick, &m->err), KEEL_OK);
    cr_assert_eq(keel_pick_match(&m->pick, &m->universe, &m->err), KEEL_ENOTFOUND);
    cr_assert_not_null(strstr(m->err.text, "'CCC'"), "%s", m->err.text);
    cr_assert_str_eq(m->pick.items[0].name, "AAA", "unchanged on refusal");
    end(m);
}

static made *make_data(const char *name, const keel_feed_choice *choice)
{
    const char *path = keel_test_data(name);
    if (path == NULL)
        cr_skip_test("no reference data");
    size_t len;
    char *text = keel_test_read(path, &len);
    const char *one = text;
    made *m = read_texts(&one, &len, 1);
    build(m, choice);
    free(text);
    return m;
}

static void check_rows(const keel_table *t)
{
    for (uint32_t k = 0; k < t->rows; k++) {
        const size_t at = (size_t)k * (size_t)t->n;
        const bool ohlc = t->open_units != NULL;
        const keel_bar_row row = {t->universe_hash,
                                  t->close_ns[k],
                                  t->bar_ns,
                                  t->n,
                                  t->close_units + at,
                                  ohlc ? t->open_units + at : NULL,
                                  ohlc ? t->high_units + at : NULL,
                                  ohlc ? t->low_units + at : NULL,
                                  t->volume != NULL ? t->volume + at : NULL,
                                  (int)t->missing[k]};
        cr_assert_eq(keel_bar_row_check(&row), KEEL_OK, "row %u", k);
        cr_assert(k == 0 || t->close_ns[k] > t->close_ns[k - 1]);
    }
}

Test(table, reads_hourly_crypto)
{
    const keel_feed_choice choice = {.stamp = KEEL_STAMP_AUTO};
    made *m = make_data("market/crypto14_hourly_close_2020_2023.csv.gz", &choice);
    cr_assert_not_null(m->table, "%s", m->err.text);
    cr_assert_eq(m->table->rows, 23536u);
    cr_assert_eq(m->table->n, 14);
    cr_assert_eq(m->table->bar_ns, KEEL_NS_PER_H);
    cr_assert_eq(m->table->bar_deviations, 0u);
    cr_assert_eq(m->table->close_ns[0], ns("2020-10-23 09:00"));
    cr_assert_eq(m->complaints.refused + m->complaints.held + m->complaints.rounded, 0u);
    cr_assert_eq(m->table->missing_through[23535], 0u);
    cr_assert_eq(m->universe.instruments[0].price_exp, 2);
    cr_assert_eq(m->table->close_units[0], 1291912);
    check_rows(m->table);
    end(m);
}

Test(table, reads_daily_cross_market_with_blanks)
{
    static const char *const assets[] = {"BTC", "SPX", "GOLD", "EURUSD", "BRENT"};
    const keel_feed_choice choice = {assets, 5, NULL, 0, KEEL_STAMP_AUTO};
    made *m = make_data("market/cross_market_daily_2014_2021.csv.gz", &choice);
    cr_assert_not_null(m->table, "%s", m->err.text);
    cr_assert_eq(m->table->rows + m->table->rows_empty, 2663u);
    cr_assert_eq(m->table->bar_ns, KEEL_NS_PER_DAY);
    cr_assert_eq(m->table->close_ns[0], ns("2014-09-18"));
    cr_assert_gt(m->table->missing_of[1], 700u, "SPX rests on weekends");
    cr_assert_eq(m->table->n, 5);
    cr_assert_eq(m->complaints.refused, m->complaints.counts[KEEL_COMPLAINT_NONPOSITIVE],
                 "nothing but oil's negative prices may be refused");
    check_rows(m->table);
    end(m);
}

Test(table, reads_daily_ohlcv_of_stocks)
{
    const keel_feed_choice choice = {.stamp = KEEL_STAMP_AUTO};
    made *m = make_data("market/us7_ohlcv_daily_2008_2015.csv.gz", &choice);
    cr_assert_not_null(m->table, "%s", m->err.text);
    cr_assert_eq(m->table->n, 7);
    cr_assert_eq(m->table->bar_ns, KEEL_NS_PER_DAY);
    cr_assert_not_null(m->table->open_units);
    cr_assert_not_null(m->table->volume);
    cr_assert_eq(m->complaints.refused, 0u);
    cr_assert_eq(m->complaints.held, 1u, "AAPL's low of 0.325781 at 5.69 is a bad tick");
    cr_assert_eq(m->complaints.held_first[0].line, 2600u);
    cr_assert_str_eq(m->complaints.held_first[0].value, "0.325781");
    uint64_t bars = 0;
    for (size_t k = 0; k < (size_t)m->table->rows * 7; k++)
        bars += m->table->close_units[k] != 0;
    cr_assert_eq(bars, 13292u, "every other line is a bar");
    check_rows(m->table);
    end(m);
}

Test(table, reads_minutes_with_gaps)
{
    const keel_feed_choice choice = {.stamp = KEEL_STAMP_AUTO};
    made *m = make_data("market/crypto_minute_2018-04-04_05.csv.gz", &choice);
    cr_assert_not_null(m->table, "%s", m->err.text);
    cr_assert_eq(m->table->bar_ns, KEEL_NS_PER_MIN);
    cr_assert_eq(m->table->close_ns[0], ns("2018-04-04 00:01"));
    cr_assert_leq(m->table->rows, 2880u);
    cr_assert_gt(m->table->missing_through[m->table->rows - 1], 0u);
    cr_assert_eq((uint64_t)m->table->rows * 3 - m->table->missing_through[m->table->rows - 1],
                 7343u);
    check_rows(m->table);
    end(m);
}
