#include "services/feed/engine/csv.h"

#include "common/base/mem.h"
#include "common/base/timefmt.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static keel_complaints complaints;
static keel_err err;

static keel_csv *parse(const char *text)
{
    memset(&complaints, 0, sizeof complaints);
    memset(&err, 0, sizeof err);
    return keel_csv_new("p.csv", text, strlen(text), &complaints, &err);
}

static int64_t ns(const char *text)
{
    int64_t at = 0;
    cr_assert_eq(keel_time_parse(text, &at, NULL), KEEL_OK);
    return at;
}

Test(csv, reads_wide)
{
    keel_csv *csv = parse("date,BTC,ETH\n2020-01-01,1.5,2\n2020-01-02,,3\n");
    cr_assert_not_null(csv, "%s", err.text);
    cr_assert_eq(csv->format, KEEL_CSV_WIDE);
    cr_assert_eq(csv->symbols_n, 2);
    cr_assert_str_eq(keel_csv_symbol(csv, 1), "ETH");
    cr_assert_eq(csv->records_n, 2u);
    cr_assert_not(csv->has_time);
    cr_assert_eq(csv->records[1].time_ns, ns("2020-01-02"));
    cr_assert_eq(csv->records[1].line, 3u);
    cr_assert_str_eq(keel_csv_value(csv, 0, 0, KEEL_CSV_CLOSE), "1.5");
    cr_assert_str_eq(keel_csv_value(csv, 1, 0, KEEL_CSV_CLOSE), "");
    cr_assert_null(keel_csv_value(csv, 1, 0, KEEL_CSV_OPEN));
    cr_assert_eq(complaints.refused, 0u);
    keel_csv_free(&csv);
    cr_assert_null(csv);
    keel_csv_free(&csv);
}

Test(csv, reads_long_with_columns_in_any_order_and_extras)
{
    keel_csv *csv = parse("time,symbol,close,note,low,high,open,volume\n"
                          "2020-01-01 00:00,A,3,x,1,4,2,10\n2020-01-01 00:00,B,30,,10,40,20,\n"
                          "2020-01-01 01:00,A,5,x,5,5,5,7\n");
    cr_assert_not_null(csv, "%s", err.text);
    cr_assert_eq(csv->format, KEEL_CSV_LONG);
    cr_assert(csv->has_time);
    cr_assert_eq(csv->symbols_n, 2);
    cr_assert_eq(csv->records[1].symbol, 1);
    cr_assert_str_eq(keel_csv_value(csv, 0, 0, KEEL_CSV_OPEN), "2");
    cr_assert_str_eq(keel_csv_value(csv, 0, 0, KEEL_CSV_HIGH), "4");
    cr_assert_str_eq(keel_csv_value(csv, 0, 0, KEEL_CSV_LOW), "1");
    cr_assert_str_eq(keel_csv_value(csv, 1, 1, KEEL_CSV_VOLUME), "");
    keel_csv_free(&csv);
}

Test(csv, long_may_be_ordered_by_symbol)
{
    keel_csv *csv = parse("date,symbol,close\n2020-01-01,A,1\n2020-01-02,A,1\n2020-01-01,B,2\n"
                          "2020-01-02,B,2\n");
    cr_assert_not_null(csv);
    cr_assert_eq(csv->records_n, 4u);
    cr_assert_eq(complaints.refused, 0u);
    keel_csv_free(&csv);
}

/* Every spelling gives the same two records. */
Test(csv, takes_what_spreadsheets_write)
{
    static const char *const same[] = {
        "date,A,B\n2020-01-01,1,2\n2020-01-02,3,4",
        "date,A,B\r\n2020-01-01,1,2\r\n2020-01-02,3,4\r\n",
        "\xef\xbb\xbf"
        "date,A,B\n2020-01-01,1,2\n2020-01-02,3,4\n",
        "\"date\",\"A\",\"B\"\n\"2020-01-01\",\"1\",\"2\"\n2020-01-02,\"3\",4\n",
        " Date , A ,\tB\n 2020-01-01 , 1, 2\n\n2020-01-02,3 , \"4\" \n   \n",
        "TIMESTAMP,A,B\n2020-01-01,1,2\n2020-01-02,3,4\n\n\n",
    };
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
        keel_csv *csv = parse(same[i]);
        cr_assert_not_null(csv, "%zu: %s", i, err.text);
        cr_expect_eq(csv->records_n, 2u, "%zu", i);
        cr_expect_str_eq(keel_csv_symbol(csv, 0), "A", "%zu", i);
        cr_expect_str_eq(keel_csv_value(csv, 0, 1, KEEL_CSV_CLOSE), "2", "%zu", i);
        cr_expect_str_eq(keel_csv_value(csv, 1, 1, KEEL_CSV_CLOSE), "4", "%zu", i);
        cr_expect_eq(complaints.refused, 0u, "%zu", i);
        keel_csv_free(&csv);
    }
}

Test(csv, unquotes)
{
    keel_csv *csv = parse("date,\"A \"\"x\"\", y\"\n2020-01-01,\"1\"\n2020-01-02,2\n");
    cr_assert_not_null(csv, "%s", err.text);
    cr_assert_str_eq(keel_csv_symbol(csv, 0), "A \"x\", y");
    keel_csv_free(&csv);
}

/* The line after two good ones is bad: it alone is left out, named by line, column and value. */
Test(csv, refuses_bad_lines)
{
    static const struct {
        const char *line;
        keel_complaint_kind kind;
        uint32_t column;
        const char *value;
    } cases[] = {
        {"2020-01-03,1", KEEL_COMPLAINT_FIELDS, 1, "2 for 3"},
        {"2020-01-03,1,2,3", KEEL_COMPLAINT_FIELDS, 1, "4 for 3"},
        {"x", KEEL_COMPLAINT_FIELDS, 1, "1 for 3"},
        {"2020-01-03,\"1,2", KEEL_COMPLAINT_QUOTE, 12, NULL},
        {"2020-01-03,\"1\"x,2", KEEL_COMPLAINT_QUOTE, 12, NULL},
        {"2020-13-03,1,2", KEEL_COMPLAINT_TIME, 1, "2020-13-03"},
        {"03/01/2020,1,2", KEEL_COMPLAINT_TIME, 1, "03/01/2020"},
        {",1,2", KEEL_COMPLAINT_TIME, 1, ""},
        {"1850-01-01,1,2", KEEL_COMPLAINT_TIME, 1, "1850-01-01"},
        {"  2020-13-03,1,2", KEEL_COMPLAINT_TIME, 3, "2020-13-03"},
        {"2020-01-02,1,2", KEEL_COMPLAINT_DUPLICATE, 1, "2020-01-02"},
        {"2020-01-01,1,2", KEEL_COMPLAINT_ORDER, 1, "2020-01-01"},
        {"2020-01-03\x1b[31m,1,2", KEEL_COMPLAINT_TIME, 1, "2020-01-03?[31m"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[256];
        snprintf(text, sizeof text,
                 "date,A,B\n2020-01-01,1,2\n2020-01-02,3,4\n%s\n2020-01-09,5,6\n", cases[i].line);
        keel_csv *csv = parse(text);
        cr_assert_not_null(csv, "%s: %s", cases[i].line, err.text);
        cr_expect_eq(csv->records_n, 3u, "%s", cases[i].line);
        cr_expect_eq(csv->refused_n, 1u, "%s", cases[i].line);
        cr_assert_eq(complaints.refused_n, 1, "%s", cases[i].line);
        const keel_complaint *c = &complaints.refused_first[0];
        cr_expect_eq(c->kind, cases[i].kind, "%s: %s", cases[i].line, keel_complaint_word(c->kind));
        cr_expect_eq(c->line, 4u, "%s", cases[i].line);
        cr_expect_eq(c->column, cases[i].column, "%s: %u", cases[i].line, c->column);
        cr_expect_str_eq(c->file, "p.csv");
        if (cases[i].value != NULL)
            cr_expect_str_eq(c->value, cases[i].value);
        keel_csv_free(&csv);
    }
}

Test(csv, refuses_bad_symbols_and_repeats_in_long)
{
    keel_csv *csv = parse("date,symbol,close\n2020-01-01,A,1\n2020-01-02,A,1\n2020-01-02,A,1\n"
                          "2020-01-01,A,1\n2020-01-02,,1\n"
                          "2020-01-02,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA,1\n");
    cr_assert_not_null(csv);
    cr_assert_eq(csv->records_n, 2u);
    cr_assert_eq(complaints.counts[KEEL_COMPLAINT_DUPLICATE], 1u);
    cr_assert_eq(complaints.counts[KEEL_COMPLAINT_ORDER], 1u);
    cr_assert_eq(complaints.counts[KEEL_COMPLAINT_SYMBOL], 2u);
    keel_csv_free(&csv);
}

Test(csv, refuses_long_lines)
{
    enum { LONG = KEEL_CSV_LINE_MAX + 10 };
    char *text = malloc(LONG + 100);
    const int head = sprintf(text, "date,A\n2020-01-01,1\n2020-01-02,2\n2020-01-03,");
    memset(text + head, '1', LONG);
    strcpy(text + head + LONG, "\n2020-01-04,5\n");
    keel_csv *csv = parse(text);
    cr_assert_not_null(csv, "%s", err.text);
    cr_assert_eq(csv->records_n, 3u);
    cr_assert_eq(complaints.counts[KEEL_COMPLAINT_LENGTH], 1u);
    keel_csv_free(&csv);
    free(text);
}

Test(csv, refuses_whole_files_with_the_reason)
{
    static const struct {
        const char *text;
        keel_status status;
        const char *says;
    } cases[] = {
        {"", KEEL_EFORMAT, "empty"},
        {"\n \r\n", KEEL_EFORMAT, "empty"},
        {"2020-01-01,1,2\n2020-01-02,1,2\n", KEEL_EFORMAT, "no header line"},
        {"time_new_york,A\n2020-01-01,1\n2020-01-02,1\n", KEEL_EFORMAT, "'time_new_york'"},
        {"date;A;B\n2020-01-01;1;2\n", KEEL_EFORMAT, "separated by ','"},
        {"date\n2020-01-01\n2020-01-02\n", KEEL_EFORMAT, "one column only"},
        {"date,A\n2020-01-01,1\n", KEEL_EFORMAT, "one row only"},
        {"date,symbol,close\n2020-01-01,A,1\n2020-01-01,B,1\n", KEEL_EFORMAT, "one row only"},
        {"date,A\n", KEEL_EFORMAT, "no usable rows"},
        {"date,A\nfoo,1\nbar,2\n", KEEL_EFORMAT, "p.csv:2:1: 'foo'"},
        {"date,A,B,A\n2020-01-01,1,2,3\n2020-01-02,1,2,3\n", KEEL_EFORMAT, "columns 2 and 4"},
        {"date,open,high,low,close\n2020-01-01,1,2,3,4\n", KEEL_EFORMAT, "second column"},
        {"date,symbol,open\n2020-01-01,A,1\n", KEEL_EFORMAT, "no column named close"},
        {"date,symbol,open,close\n2020-01-01,A,1,1\n", KEEL_EFORMAT, "belong together"},
        {"date,symbol,close,close\n2020-01-01,A,1,1\n", KEEL_EFORMAT, "two columns named close"},
        {"date,\"A\n2020-01-01,1\n", KEEL_EFORMAT, "p.csv:1:6"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        keel_csv *csv = parse(cases[i].text);
        cr_expect_null(csv, "%s", cases[i].text);
        cr_expect_eq(err.status, cases[i].status, "%s", cases[i].text);
        cr_expect_not_null(strstr(err.text, cases[i].says), "%s: %s", cases[i].text, err.text);
        cr_expect_not_null(strstr(err.text, "p.csv"), "%s", err.text);
        keel_csv_free(&csv);
    }
}

Test(csv, refuses_binary)
{
    static const char text[] = "date,A\n2020-01-01,1\0\n2020-01-02,2\n";
    memset(&complaints, 0, sizeof complaints);
    cr_assert_null(keel_csv_new("b.csv", text, sizeof text - 1, &complaints, &err));
    cr_assert_not_null(strstr(err.text, "b.csv: not text"));
}

static keel_csv *parse_columns(int symbols, int rows)
{
    char *text = malloc((size_t)symbols * 10 * ((size_t)rows + 1) + 100);
    size_t len = (size_t)sprintf(text, "date");
    for (int i = 0; i < symbols; i++)
        len += (size_t)sprintf(text + len, ",S%d", i);
    for (int r = 0; r < rows; r++) {
        len += (size_t)sprintf(text + len, "\n2020-01-0%d", r + 1);
        for (int i = 0; i < symbols; i++)
            len += (size_t)sprintf(text + len, ",1");
    }
    keel_csv *csv = parse(text);
    free(text);
    return csv;
}

Test(csv, takes_512_symbols_and_refuses_one_more)
{
    keel_csv *csv = parse_columns(512, 2);
    cr_assert_not_null(csv, "%s", err.text);
    cr_assert_eq(csv->symbols_n, 512);
    cr_assert_str_eq(keel_csv_symbol(csv, 511), "S511");
    keel_csv_free(&csv);
    cr_assert_null(parse_columns(513, 2));
    cr_assert_eq(err.status, KEEL_ETOOBIG);
}

Test(csv, refuses_a_million_columns_by_name)
{
    cr_assert_null(parse_columns(1000000, 1));
    cr_assert_eq(err.status, KEEL_ETOOBIG);
    cr_assert_not_null(strstr(err.text, "p.csv:1: 1000001 columns; at most 513"), "%s", err.text);
}

Test(csv, names_the_place_of_a_cell)
{
    keel_csv *csv = parse("date,A,B\n2020-01-01,1,2\n2020-01-02,3,  \"abc\"\n");
    cr_assert_not_null(csv);
    char line[KEEL_COMPLAINT_TEXT_MAX];
    keel_csv_complain(csv, 1, keel_csv_value(csv, 1, 1, KEEL_CSV_CLOSE), KEEL_COMPLAINT_NUMBER,
                      &complaints);
    keel_complaint_format(&complaints.refused_first[0], line);
    cr_assert_str_eq(line, "p.csv:3:17: 'abc': not a number");
    keel_csv_free(&csv);
}

Test(complaint, keeps_the_first_and_counts_all)
{
    static keel_complaints all;
    char value[100];
    memset(value, 'v', sizeof value);
    value[99] = '\0';
    for (uint32_t i = 1; i <= 30; i++)
        keel_complain(&all, i % 3 == 0 ? KEEL_COMPLAINT_JUMP : KEEL_COMPLAINT_NUMBER, "f", i, 1,
                      value);
    cr_assert_eq(all.refused, 20u);
    cr_assert_eq(all.held, 10u);
    cr_assert_eq(all.refused_n, 20);
    cr_assert_eq(all.held_n, 10);
    cr_assert_eq(all.held_first[0].line, 3u);
    cr_assert_eq(strlen(all.refused_first[0].value), (size_t)KEEL_COMPLAINT_VALUE_MAX - 1);
    keel_complain(&all, KEEL_COMPLAINT_NUMBER, "f", 31, 1, "x");
    cr_assert_eq(all.refused_n, KEEL_COMPLAINTS_MAX);
    cr_assert_eq(all.refused, 21u);
    cr_assert_str_eq(keel_complaint_word(KEEL_COMPLAINT_JUMP), "jump");
    cr_assert_str_eq(keel_complaint_word(KEEL_COMPLAINT_KINDS), "");
    cr_assert_str_eq(keel_complaint_reason(KEEL_COMPLAINT_KINDS), "");
}
