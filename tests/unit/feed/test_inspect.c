#include "services/feed/engine/inspect.h"
#include "services/feed/files.h"
#include "services/feed/report.h"

#include "common/base/mem.h"
#include "common/base/timefmt.h"
#include "tests/support/data.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

static keel_inspection *inspect_text(const char *text, keel_err *err)
{
    keel_complaints complaints = {.refused = 0};
    keel_csv *csv = keel_csv_new("p.csv", text, strlen(text), &complaints, err);
    cr_assert_not_null(csv, "%s", err->text);
    const keel_csv *const files[] = {csv};
    const keel_feed_choice choice = {.stamp = KEEL_STAMP_AUTO};
    keel_inspection *in = keel_inspect_new(files, 1, &choice, &complaints, "USD", err);
    keel_csv_free(&csv);
    return in;
}

Test(inspect, finds_the_price_unit)
{
    static const struct {
        const char *first, *second;
        int price_exp;
    } cases[] = {
        {"1", "2", 2},       {"1.5", "2", 2},        {"1.250", "2.5", 2},
        {"1.125", "2", 3},   {"9.49e-06", "0.5", 8}, {"1e-6", "2e-6", 6},
        {"1.5e3", "2", 2},   {"1.2345e+2", "2", 2},  {"0.12345678901234", "1", 12},
        {"1e15", "1.25", 1}, {"92e15", "1.25", 0},   {"-0.12345", "1", 2},
        {"x.12345", "1", 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[200];
        keel_err err;
        snprintf(text, sizeof text, "date,A,B\n2020-01-01,%s,1\n2020-01-02,%s,1\n", cases[i].first,
                 cases[i].second);
        keel_inspection *in = inspect_text(text, &err);
        cr_assert_not_null(in, "%s", err.text);
        cr_expect_eq(in->universe.instruments[0].price_exp, cases[i].price_exp, "%s: %d",
                     cases[i].first, in->universe.instruments[0].price_exp);
        cr_expect_eq(in->universe.instruments[1].price_exp, 2);
        cr_expect_neq(in->universe.hash, 0u);
        keel_inspect_free(&in);
        cr_assert_null(in);
    }
}

Test(inspect, reports_what_is_there)
{
    keel_err err;
    keel_inspection *in = inspect_text("date,A,B\n2020-01-01,100,1\nfoo,1,1\n2020-01-02,1100,abc\n"
                                       "2020-01-03,,\n2020-01-04,101,2\n2020-01-06,101,\n",
                                       &err);
    cr_assert_not_null(in, "%s", err.text);
    cr_assert_eq(in->rows, 3u);
    cr_assert_eq(in->rows_empty, 2u);
    cr_assert_eq(in->bar_ns, KEEL_NS_PER_DAY);
    cr_assert_eq(in->bar_deviations, 1u);
    cr_assert_eq(in->complaints.refused, 2u);
    cr_assert_eq(in->complaints.held, 1u);
    cr_assert_eq(in->files[0].lines, 5u);
    cr_assert_eq(in->files[0].refused, 1u);
    cr_assert_eq(in->symbols[0].held, 1u);
    cr_assert_eq(in->symbols[1].missing, 1u);
    cr_assert_eq(in->missing, 1u);
    keel_inspect_free(&in);
}

static char *print(const keel_inspection *in, void (*report)(const keel_inspection *, FILE *))
{
    char *text = NULL;
    size_t len = 0;
    FILE *to = open_memstream(&text, &len);
    report(in, to);
    fclose(to);
    return text;
}

Test(report, says_the_same_to_people_and_programs)
{
    keel_err err;
    keel_inspection *in = inspect_text("date,A,B\n2020-01-01,100.125,1\n2020-01-02,1100,a\"b\n"
                                       "2020-01-03,101,2\n",
                                       &err);
    char *text = print(in, keel_feed_report_text);
    cr_expect_not_null(strstr(text, "p.csv:3:17: 'a\"b': not a number"), "%s", text);
    cr_expect_not_null(strstr(text, "p.csv:3:12: '1100': x10"), "%s", text);
    cr_expect_not_null(strstr(text, "{symbol: \"A\", price_exp: 3, qty_exp: 8"), "%s", text);
    cr_expect_not_null(strstr(text, "2, closing 2020-01-02T00:00:00Z to 2020-01-04T00:00:00Z"),
                       "%s", text);
    free(text);
    text = print(in, keel_feed_report_json);
    json_error_t error;
    json_t *all = json_loads(text, 0, &error);
    cr_assert_not_null(all, "%s", error.text);
    cr_expect_eq(json_integer_value(json_object_get(all, "rows")), 2);
    cr_expect_eq(json_integer_value(json_object_get(all, "rows_empty")), 1);
    cr_expect_eq(json_integer_value(json_object_get(all, "bars_quarantined")), 1);
    cr_expect_str_eq(json_string_value(json_object_get(all, "bar")), "1d");
    const json_t *refused = json_array_get(json_object_get(all, "refused"), 0);
    cr_expect_str_eq(json_string_value(json_object_get(refused, "value")), "a\"b");
    cr_expect_eq(json_integer_value(json_object_get(refused, "line")), 3);
    const json_t *a = json_array_get(json_object_get(all, "instruments"), 0);
    cr_expect_eq(json_integer_value(json_object_get(a, "price_exp")), 3);
    json_decref(all);
    free(text);
    keel_inspect_free(&in);
}

Test(inspect, refuses_with_the_reason)
{
    keel_err err;
    cr_assert_null(inspect_text("date,A,A B\n2020-01-01,1,1\n2020-01-02,1,1\n", &err));
    cr_assert_not_null(strstr(err.text, "'A B'"), "%s", err.text);
    cr_assert_null(inspect_text("date,A\n2020-01-01,x\n2020-01-02,1\n", &err));
    cr_assert_not_null(strstr(err.text, "p.csv"), "%s", err.text);
    const keel_complaints none = {.refused = 0};
    keel_complaints complaints = none;
    static const char text[] = "date,A\n2020-01-01,1\n2020-01-02,1\n";
    keel_csv *csv = keel_csv_new("p.csv", text, strlen(text), &complaints, &err);
    const keel_csv *const files[] = {csv};
    const keel_feed_choice choice = {.stamp = KEEL_STAMP_AUTO};
    cr_assert_null(keel_inspect_new(files, 1, &choice, &none, "dollars", &err));
    cr_assert_null(keel_inspect_new(files, 1, &choice, &none, "MUCHTOOLONG", &err));
    cr_assert_not_null(strstr(err.text, "MUCHTOOLONG"), "%s", err.text);
    keel_csv_free(&csv);
}

Test(inspect, guesses_sessions_of_real_data)
{
    static const char *const assets[] = {"BTC", "SPX", "GOLD"};
    const char *path = keel_test_data("market/cross_market_daily_2014_2021.csv.gz");
    if (path == NULL)
        cr_skip_test("no reference data");
    keel_err err;
    keel_feed_files *files = keel_xcalloc(1, sizeof *files);
    cr_assert_eq(keel_feed_files_open(&path, 1, files, &err), KEEL_OK, "%s", err.text);
    const keel_feed_choice choice = {assets, 3, NULL, 0, KEEL_STAMP_AUTO};
    keel_inspection *in =
        keel_inspect_new(files->csvs, 1, &choice, &files->complaints, "USD", &err);
    cr_assert_not_null(in, "%s", err.text);
    cr_assert_eq(in->universe.instruments[0].session, KEEL_SESSION_CONTINUOUS);
    cr_assert_eq(in->universe.instruments[1].session, KEEL_SESSION_WEEKDAYS);
    cr_assert_eq(in->universe.instruments[2].session, KEEL_SESSION_WEEKDAYS);
    keel_inspect_free(&in);
    keel_feed_files_close(files);
    keel_free(&files);
}

/* A file of its own for each test; removed by the caller. */
static const char *write_file(char *path, const void *data, size_t len)
{
    strcpy(path, "/tmp/keel-feed-XXXXXX");
    const int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, data, len), (ssize_t)len);
    close(fd);
    return path;
}

Test(files, read_plain_and_gzip_alike)
{
    static const char text[] = "date,A\n2020-01-01,1\n2020-01-02,1\n";
    char path[64];
    char *got;
    size_t len;
    keel_err err;
    write_file(path, text, strlen(text));
    cr_assert_eq(keel_feed_read_text(path, &got, &len, &err), KEEL_OK);
    cr_assert_eq(len, strlen(text));
    cr_assert_eq(memcmp(got, text, len), 0);
    keel_free(&got);
    gzFile gz = gzopen(path, "wb");
    gzwrite(gz, text, sizeof text - 1);
    gzclose(gz);
    cr_assert_eq(keel_feed_read_text(path, &got, &len, &err), KEEL_OK, "%s", err.text);
    cr_assert_eq(len, strlen(text));
    cr_assert_eq(memcmp(got, text, len), 0);
    keel_free(&got);
    unlink(path);
}

/* Cut anywhere behind the magic, a gzip file is refused by name. */
Test(files, refuse_truncated_and_damaged_gzip)
{
    char path[64], cut[64];
    static char text[40000], zipped[40000];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)('0' + i * i * 31 % 1009 % 75);
    write_file(path, "", 0);
    gzFile gz = gzopen(path, "wb");
    gzwrite(gz, text, sizeof text);
    gzclose(gz);
    FILE *in = fopen(path, "rb");
    const size_t size = fread(zipped, 1, sizeof zipped, in);
    fclose(in);
    unlink(path);
    cr_assert_gt(size, 1000u);
    const size_t lens[] = {3, 9, 12, 100, size / 2, size - 9, size - 8, size - 4, size - 1};
    for (size_t i = 0; i < sizeof lens / sizeof lens[0]; i++) {
        char *got = NULL;
        size_t len;
        keel_err err = {.status = KEEL_OK};
        write_file(cut, zipped, lens[i]);
        cr_expect_eq(keel_feed_read_text(cut, &got, &len, &err), KEEL_EFORMAT, "%zu of %zu: %s",
                     lens[i], size, err.text);
        cr_expect_not_null(strstr(err.text, cut), "%s", err.text);
        cr_expect_not_null(strstr(err.text, "cut short"), "%s", err.text);
        cr_expect_null(got);
        unlink(cut);
    }
    zipped[size / 2] ^= 0x55;
    char *got = NULL;
    size_t len;
    keel_err err;
    write_file(cut, zipped, size);
    cr_expect_eq(keel_feed_read_text(cut, &got, &len, &err), KEEL_EFORMAT);
    unlink(cut);
}

Test(files, refuse_what_cannot_be_read_by_name)
{
    static const char *const absent[] = {"/tmp/keel-no-such-file.csv"}, *const folder[] = {"/tmp"};
    keel_err err;
    keel_feed_files *files = keel_xcalloc(1, sizeof *files);
    cr_expect_eq(keel_feed_files_open(absent, 1, files, &err), KEEL_ENOTFOUND);
    cr_expect_not_null(strstr(err.text, "keel-no-such-file.csv"), "%s", err.text);
    cr_expect_eq(keel_feed_files_open(folder, 1, files, &err), KEEL_EIO, "%s", err.text);
    cr_expect_not_null(strstr(err.text, "/tmp"), "%s", err.text);
    cr_expect_eq(keel_feed_files_open(absent, 0, files, &err), KEEL_EINVAL);
    char path[64];
    const char *two[] = {path, absent[0]};
    write_file(path, "date,A\n2020-01-01,1\n2020-01-02,1\n", 33);
    cr_expect_eq(keel_feed_files_open(two, 2, files, &err), KEEL_ENOTFOUND);
    cr_expect_eq(files->n, 0, "nothing stays open");
    cr_expect_eq(keel_feed_files_open(two, 1, files, &err), KEEL_OK, "%s", err.text);
    cr_expect_eq(files->n, 1);
    keel_feed_files_close(files);
    unlink(path);
    write_file(path, "date\n", 5);
    cr_expect_eq(keel_feed_files_open(two, 1, files, &err), KEEL_EFORMAT);
    cr_expect_not_null(strstr(err.text, "one column only"), "%s", err.text);
    unlink(path);
    keel_free(&files);
}
