/* Files of bars, groups and weights: what they give, and what is said of a bad line. */
#include "services/workbench/bars.h"
#include "services/workbench/estimates.h"
#include "services/workbench/options.h"

#include "common/base/timefmt.h"
#include "common/num/la/la.h"
#include "common/num/stats/covariance.h"
#include "common/num/stats/expected.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

static const char *write_file(const char *text, bool zipped)
{
    static char path[64];
    snprintf(path, sizeof path, "/tmp/keel-bars-%d.csv", (int)getpid());
    gzFile to = gzopen(path, zipped ? "wb" : "wbT");
    cr_assert_eq(gzwrite(to, text, (unsigned)strlen(text)), (int)strlen(text));
    cr_assert_eq(gzclose(to), Z_OK);
    return path;
}

static keel_status read_text(const char *text, bool prices, int window, keel_bars *bars,
                             keel_err *err)
{
    const char *path = write_file(text, false);
    const keel_status status = keel_bars_read(path, prices, window, bars, err);
    unlink(path);
    return status;
}

static const char prices[] = "date,A,B\n2026-01-01,100,10\n2026-01-02,110,10\n2026-01-03,,11\n"
                             "2026-01-04,121,12\n2026-01-05,121,6\n";

Test(bars, prices_become_returns_over_gaps)
{
    const double expected[] = {0.1, 0, 0.1, 0.2, 0, -0.5};
    keel_bars bars;
    keel_err err = {.text = ""};
    cr_assert_eq(read_text(prices, true, 0, &bars, &err), KEEL_OK, "%s", err.text);
    cr_assert(bars.n == 2 && bars.m == 3 && bars.left_out == 1);
    cr_assert_str_eq(bars.symbols[1], "B");
    for (int i = 0; i < 6; i++)
        cr_expect(fabs(bars.returns[i] - expected[i]) < 1e-15, "%d", i);
    keel_bars_free(&bars);
    keel_bars_free(&bars);
}

Test(bars, window_keeps_the_newest)
{
    keel_bars bars;
    keel_err err;
    cr_assert_eq(read_text(prices, true, 2, &bars, &err), KEEL_OK);
    cr_assert(bars.m == 2 && fabs(bars.returns[0] - 0.1) < 1e-15 && bars.returns[2] == 0);
    cr_assert(fabs(bars.returns[1] - 0.2) < 1e-15 && bars.returns[3] == -0.5);
    keel_bars_free(&bars);
}

Test(bars, gzip_and_returns_below_zero)
{
    keel_bars bars;
    keel_err err = {.text = ""};
    const char *path = write_file("date,A\n2026-01-01,-0.5\n2026-01-02,1e-3\n", true);
    cr_assert_eq(keel_bars_read(path, false, 0, &bars, &err), KEEL_OK, "%s", err.text);
    cr_assert(bars.returns[0] == -0.5 && bars.returns[1] == 1e-3 && bars.m == 2);
    keel_bars_free(&bars);
    cr_assert_eq(truncate(path, 20), 0);
    cr_assert_eq(keel_bars_read(path, false, 0, &bars, &err), KEEL_EFORMAT);
    cr_assert_not_null(strstr(err.text, "gzip"), "%s", err.text);
    unlink(path);
}

Test(bars, refuses_by_line)
{
    static const struct {
        const char *text;
        bool prices;
        const char *said;
    } cases[] = {
        {"date,A\n2026-01-01,1\n2026-01-02,x\n", false, ":3: A: 'x' is not a number"},
        {"date,A\n2026-01-01,1\n2026-01-02,nan\n", false, ":3: A: 'nan' is not a number"},
        {"date,A\n2026-01-01,1\n2026-01-02,0\n", true, ":3: A: 0: a price must be above 0"},
        {"date,A\n2026-01-01,1\n2026-01-01,2\n2026-01-03,1\n", false, ":3:"},
        {"date,A\n2026-01-01,1\n2026-01-02,2\n", true, "two returns are needed"},
        {"date,A\n2026-01-01,\n2026-01-02,\n", false, "0 complete rows"},
        {"date,symbol,close\n2026-01-01,A,1\n2026-01-02,A,2\n", true, "a wide file is expected"},
        {"day,A\n1,2\n2,3\n", false, "the first column"},
        {"date,A,A\n2026-01-01,1,2\n2026-01-02,1,2\n", false, "A"},
        {"", false, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        keel_bars bars;
        keel_err err = {.text = ""};
        cr_expect_neq(read_text(cases[i].text, cases[i].prices, 0, &bars, &err), KEEL_OK, "%zu", i);
        cr_expect_not_null(strstr(err.text, cases[i].said), "%s", err.text);
    }
    keel_bars bars;
    keel_err err;
    cr_assert_eq(keel_bars_read("/nowhere.csv", false, 0, &bars, &err), KEEL_ENOTFOUND);
}

/* Times of `n` bars: weekdays only, or every `gap` days. */
static double year_of(int n, double gap, bool weekdays)
{
    int64_t times[2000];
    int64_t at = 20454 * KEEL_NS_PER_DAY; /* 2026-01-01, a Thursday */
    for (int t = 0; t < n; t++) {
        times[t] = at;
        at += (int64_t)(gap * (double)KEEL_NS_PER_DAY);
        while (weekdays && keel_time_weekday(at) >= 5)
            at += KEEL_NS_PER_DAY;
    }
    return keel_bars_calendar(times, n);
}

Test(bars, calendar)
{
    int64_t months[48];
    int64_t odd[] = {0, 1, 3, 7, 15, 31, 63};
    cr_assert(fabs(year_of(1000, 1, false) - 365.25) < 1e-9);
    cr_assert(fabs(year_of(1000, 1, true) - 365.25 * 5 / 7) < 1e-9);
    cr_assert(fabs(year_of(1000, 1 / 24.0, false) - 8766) < 1e-6);
    cr_assert(fabs(year_of(500, 7, false) - 365.25 / 7) < 1e-9);
    for (int m = 0; m < 48; m++)
        months[m] = keel_time_month_start(m + 400);
    cr_assert_eq(keel_bars_calendar(months, 48), 12);
    cr_assert_eq(keel_bars_calendar(odd, 7), 0);
    cr_assert_eq(keel_bars_calendar(odd, 2), 0);
}

Test(estimates, sample)
{
    keel_bars bars;
    keel_err err;
    double mean[2], covariance[3];
    keel_la_init();
    cr_assert_eq(read_text("date,A,B\n2026-01-01,1,2\n2026-01-02,2,4\n2026-01-03,6,0\n", false, 0,
                           &bars, &err),
                 KEEL_OK);
    cr_assert_eq(keel_estimate_mean("sample", &bars, 0, mean, &err), KEEL_OK);
    cr_assert_eq(keel_estimate_covariance("sample", &bars, covariance, &err), KEEL_OK);
    cr_assert(mean[0] == 3 && mean[1] == 2);
    cr_assert(fabs(covariance[0] - 7) < 1e-14 && fabs(covariance[1] + 4) < 1e-14 &&
              fabs(covariance[2] - 4) < 1e-14);
    cr_assert_eq(keel_estimate_covariance("smaple", &bars, covariance, &err), KEEL_EUNKNOWN);
    cr_assert_str_eq(err.text, "--cov smaple: no such estimator; did you mean 'sample'?");
    cr_assert_eq(keel_estimate_mean("xyzzy", &bars, 0, mean, &err), KEEL_EUNKNOWN);
    cr_assert_not_null(strstr(err.text, "there are mean, ewma, capm, james_stein"), "%s", err.text);
    cr_assert_eq(keel_estimate_mean("james_stein", &bars, 0, mean, &err), KEEL_EUNAVAIL);
    cr_assert_eq(strncmp(err.text, "--mu james_stein: ", 18), 0, "%s", err.text);
    keel_bars_free(&bars);
}

/* Every estimator of the library is there by its name, and none is the same as another. */
Test(estimates, all)
{
    enum { N = 4, T = 60 };
    char text[8192];
    size_t len = (size_t)sprintf(text, "time,A,B,C,D\n");
    double found[KEEL_COVARIANCE_COUNT][N * (N + 1) / 2];
    keel_bars bars;
    keel_err err = {.text = ""};
    keel_la_init();
    for (int t = 0; t < T; t++)
        len += (size_t)sprintf(text + len, "2026-01-%02dT%02d:00Z,%.6f,%.6f,%.6f,%.6f\n",
                               t / 24 + 1, t % 24, sin(t), cos(1.7 * t) + 0.4 * sin(t),
                               sin(2.9 * t + 1), cos(0.3 * t) - 0.2 * sin(t));
    cr_assert_eq(read_text(text, false, 0, &bars, &err), KEEL_OK, "%s", err.text);
    for (int k = 0; k < (int)KEEL_COVARIANCE_COUNT; k++) {
        const char *name = keel_covariance_name((keel_covariance_estimator)k);
        cr_assert_eq(keel_estimate_covariance(name, &bars, found[k], &err), KEEL_OK, "%s: %s", name,
                     err.text);
        for (int j = 0; j < k; j++)
            cr_expect_arr_neq(found[j], found[k], sizeof found[k], "%s", name);
    }
    for (int k = 0; k < (int)KEEL_EXPECTED_COUNT; k++) {
        const char *name = keel_expected_name((keel_expected_estimator)k);
        cr_expect_eq(keel_estimate_mean(name, &bars, 0, found[0], &err), KEEL_OK, "%s: %s", name,
                     err.text);
    }
    /* betas have the mean 1: the riskless return moves single assets, not their mean */
    cr_assert_eq(keel_estimate_mean("capm", &bars, 0.5, found[0], &err), KEEL_OK);
    cr_assert_eq(keel_estimate_mean("capm", &bars, 0, found[1], &err), KEEL_OK);
    cr_expect(fabs(found[0][0] + found[0][1] + found[0][2] + found[0][3] - found[1][0] -
                   found[1][1] - found[1][2] - found[1][3]) < 1e-12);
    cr_expect_neq(found[0][0], found[1][0]);
    keel_bars_free(&bars);
}

static char *table(const char *text, bool group, keel_err *err)
{
    const char *path = write_file(text, false);
    json_t *made = keel_table_read(path, group, err);
    char *shown = made != NULL ? json_dumps(made, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    json_decref(made);
    unlink(path);
    return shown;
}

Test(table_file, groups_and_weights)
{
    static const struct {
        const char *text;
        bool group;
        const char *made; /* NULL: refused with `said` */
        const char *said;
    } cases[] = {
        {"asset,weight\nA,0.25\n\n\"B, C\" , 0.75\r\n", false, "{\"A\":0.25,\"B, C\":0.75}", ""},
        {"{\"A\":0.5}", false, "{\"A\":0.5}", ""},
        {"UNI,DeFi\nAAVE,DeFi\nBTC,Base\n", true,
         "{\"Base\":[\"BTC\"],\"DeFi\":[\"UNI\",\"AAVE\"]}", ""},
        {"A,x\n", false, NULL, ":1: 'x' is not a number"},
        {"A,1\nA,2\n", false, NULL, ":2: 'A' is there twice"},
        {"A,1\nB\n", false, NULL, ":2: no comma"},
        {"A,\xff\n", true, NULL, ":1: not UTF-8"},
        {"{\"A\":", false, NULL, "not JSON"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        keel_err err = {.text = ""};
        char *made = table(cases[i].text, cases[i].group, &err);
        cr_expect_eq(made != NULL, cases[i].made != NULL, "%zu: %s", i, err.text);
        if (made != NULL && cases[i].made != NULL)
            cr_expect_str_eq(made, cases[i].made);
        cr_expect_not_null(strstr(err.text, cases[i].said), "%s", err.text);
        free(made);
    }
}

static keel_status words(const char *line, keel_workbench_options *o, keel_err *err)
{
    static char text[512], *argv[32];
    int argc = 0;
    snprintf(text, sizeof text, "keel-workbench %s", line);
    for (char *at = text, *word; (word = strsep(&at, " ")) != NULL;)
        if (word[0] != '\0')
            argv[argc++] = word;
    return keel_workbench_options_read(argc, argv, o, err);
}

Test(options, fields_of_the_problem)
{
    keel_workbench_options o;
    keel_err err = {.text = ""};
    const char *line = "--returns r.csv --hi 35% --lo=-0.1 --cost 10 --window 250 --json "
                       "--constraint A<=1 --constraint B<=1 --method max_sharpe";
    cr_assert_eq(words(line, &o, &err), KEEL_OK, "%s", err.text);
    cr_assert(o.json && !o.stream && o.window == 250 && o.constraints.n == 2);
    cr_assert_str_eq(o.returns, "r.csv");
    cr_assert_eq(json_number_value(json_object_get(o.numbers, "upper")), 0.35);
    cr_assert_eq(json_number_value(json_object_get(o.numbers, "lower")), -0.1);
    cr_assert_eq(json_number_value(json_object_get(o.numbers, "cost_bps")), 10);
    keel_workbench_options_free(&o);
}

Test(options, refuses)
{
    static const struct {
        const char *line;
        const char *said;
    } cases[] = {
        {"", "nothing to solve"},
        {"--stream --problem x", "give one of"},
        {"--retruns x", "did you mean --returns"},
        {"--problem", "--problem needs a value"},
        {"--json=1 --stream", "takes no value"},
        {"--problem x --hi 1", "goes with --returns or --prices"},
        {"--stream --explain", "goes with --returns or --prices"},
        {"--returns x --hi much", "a number such as"},
        {"--returns x --hi %", "a number such as"},
        {"--returns x --window 1", "from 2 to"},
        {"file.csv", "no option file.csv"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        keel_workbench_options o;
        keel_err err = {.text = ""};
        cr_expect_neq(words(cases[i].line, &o, &err), KEEL_OK, "%s", cases[i].line);
        cr_expect_not_null(strstr(err.text, cases[i].said), "%s: %s", cases[i].line, err.text);
        keel_workbench_options_free(&o);
    }
}
