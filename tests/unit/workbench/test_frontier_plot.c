/* A frontier as a picture: everything is in it once, in numbers that can be drawn, and the file is
 * written whole or left alone. tests/unit/workbench/schema.py parses it as XML. */
#include "services/workbench/frontier_plot.h"

#include "common/num/la/la.h"
#include "services/workbench/plot_axis.h"
#include "services/workbench/plot_labels.h"

#include <criterion/criterion.h>
#include <glob.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static keel_stated stated;
static keel_survey survey;

static void make(const char *text)
{
    keel_err err = {.status = KEEL_OK};
    keel_la_init();
    json_t *root = keel_problem_parse(text, strlen(text), &err);
    cr_assert_eq(keel_stated_read(root, &stated, &err), KEEL_OK, "%s", err.text);
    cr_assert_eq(keel_survey_make(&stated, 5, true, &survey, &err), KEEL_OK, "%s", err.text);
    json_decref(root);
}

static void drop(void)
{
    keel_survey_free(&survey);
    keel_stated_free(&stated);
}

static char *draw(double bars_per_year)
{
    char *text = NULL;
    size_t len;
    FILE *to = open_memstream(&text, &len);
    keel_frontier_plot_write(&survey, bars_per_year, to);
    fclose(to);
    return text;
}

static int count(const char *text, const char *what)
{
    int n = 0;
    for (; (text = strstr(text, what)) != NULL; text++)
        n++;
    return n;
}

#define THREE                                                                                      \
    "{\"assets\":[\"A<1>\",\"B&B\",\"C\\\"\"],\"mean\":[0.01,0.02,0.03],"                          \
    "\"covariance\":[[0.01,0,0],[0,0.04,0],[0,0,0.09]],"

Test(frontier_plot, shows_everything_once)
{
    make(THREE "\"method\":\"equal_weight\",\"current\":[0.2,0.3,0.5]}");
    char *text = draw(0);
    cr_assert_eq(survey.walk.corners, 3);
    cr_expect_eq(count(text, "<circle class=\"corner\""), 3);
    cr_expect_eq(count(text, "<circle class=\"asset\""), 3);
    cr_expect_eq(count(text, "<text class=\"name\""), 3);
    cr_expect_eq(count(text, "<path class=\"curve\""), 1);
    /* In the plot, and in the legend. */
    cr_expect_eq(count(text, "class=\"market-line\""), 2);
    cr_expect_eq(count(text, "class=\"least\""), 2);
    cr_expect_eq(count(text, "class=\"best\""), 2);
    cr_expect_eq(count(text, "class=\"held\""), 2);
    cr_expect_eq(count(text, "class=\"pick\""), 2);
    cr_expect_eq(count(text, "Chosen by equal_weight"), 1);
    cr_expect_eq(count(text, ">A&lt;1&gt;<"), 1);
    cr_expect_eq(count(text, ">B&amp;B<"), 1);
    cr_expect_eq(count(text, ">C&quot;<"), 1);
    cr_expect_eq(count(text, "percent a bar"), 2);
    cr_expect_eq(count(text, "nan") + count(text, "inf\"") + count(text, "inf "), 0);
    cr_expect_eq(count(text, "http"), 1); /* the name of the language; nothing is fetched */
    free(text);
    drop();
}

Test(frontier_plot, a_year_is_another_scale)
{
    make(THREE "\"method\":\"min_variance\"}");
    char *bar = draw(0), *year = draw(250);
    cr_expect_eq(count(year, "percent a year"), 2);
    cr_expect_eq(count(bar, "return 1.35%"), 2); /* 0.66 / 49: of least variance, and chosen */
    cr_expect_eq(count(year, "return 336.7%"), 2);
    free(bar);
    free(year);
    drop();
}

Test(frontier_plot, one_asset_and_one_portfolio_can_be_drawn)
{
    static const char *const texts[] = {
        "{\"assets\":[\"A\"],\"method\":\"min_variance\",\"mean\":[0.01],\"covariance\":[[0.04]]}",
        "{\"assets\":[\"A\",\"B\"],\"method\":\"min_variance\",\"mean\":[1,2],"
        "\"covariance\":[[1,0],[0,1]],\"constraints\":[\"A = 40%\"]}",
        "{\"assets\":[\"A\",\"B\"],\"method\":\"min_variance\",\"mean\":[0,0],"
        "\"covariance\":[[0,0],[0,1]]}",
    };
    for (size_t k = 0; k < sizeof texts / sizeof *texts; k++) {
        make(texts[k]);
        char *text = draw(365.25);
        cr_expect_eq(count(text, "<circle class=\"corner\""), 1, "%zu", k);
        cr_expect_eq(count(text, "<circle class=\"asset\""), stated.assets.n);
        cr_expect_eq(count(text, "nan") + count(text, "inf\"") + count(text, "inf "), 0);
        cr_expect_gt(count(text, "class=\"tick\""), 3);
        free(text);
        drop();
    }
}

Test(frontier_plot, many_assets_have_no_names)
{
    enum { MANY = KEEL_FRONTIER_PLOT_NAMES_MAX + 1 };
    char text[8192];
    size_t len = 0;
    len += (size_t)snprintf(text, sizeof text, "{\"method\":\"min_variance\",\"assets\":[");
    for (int i = 0; i < MANY; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "%s\"N%d\"", i > 0 ? "," : "", i);
    len += (size_t)snprintf(text + len, sizeof text - len, "],\"mean\":[");
    for (int i = 0; i < MANY; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%d", i > 0 ? "," : "", i);
    len += (size_t)snprintf(text + len, sizeof text - len, "],\"factors\":{\"loadings\":[");
    for (int i = 0; i < MANY; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "%s[%d]", i > 0 ? "," : "", i);
    len += (size_t)snprintf(text + len, sizeof text - len, "],\"idiosyncratic\":[1");
    for (int i = 1; i < MANY; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, ",1");
    snprintf(text + len, sizeof text - len, "]}}");
    make(text);
    char *made = draw(0);
    cr_expect_eq(count(made, "<circle class=\"asset\""), MANY);
    cr_expect_eq(count(made, "<text class=\"name\""), 0);
    free(made);
    drop();
}

static char folder[] = "/tmp/keel-plot-XXXXXX";

static int files(void)
{
    char pattern[64];
    glob_t found;
    snprintf(pattern, sizeof pattern, "%s/*", folder);
    const int n = glob(pattern, 0, NULL, &found) == 0 ? (int)found.gl_pathc : 0;
    globfree(&found);
    return n;
}

Test(frontier_plot, is_written_whole_or_not_at_all)
{
    char path[64], under[96];
    keel_err err;
    struct stat there;
    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/f.svg", folder);
    make(THREE "\"method\":\"min_variance\"}");
    for (int k = 0; k < 2; k++) /* new, and over the old one */
        cr_assert_eq(keel_frontier_plot_save(&survey, 0, path, &err), KEEL_OK, "%s", err.text);
    cr_assert_eq(stat(path, &there), 0);
    cr_expect_gt(there.st_size, 1000);
    cr_expect_eq(files(), 1);
    snprintf(under, sizeof under, "%s/f.svg", path);
    cr_expect_eq(keel_frontier_plot_save(&survey, 0, under, &err), KEEL_EIO);
    cr_expect_not_null(strstr(err.text, under), "%s", err.text);
    cr_expect_eq(keel_frontier_plot_save(&survey, 0, folder, &err), KEEL_EIO);
    cr_expect_not_null(strstr(err.text, "not a file"), "%s", err.text);
    cr_expect_eq(keel_frontier_plot_save(&survey, 0, "/dev/full", &err), KEEL_EIO);
    cr_expect_eq(files(), 1);
    unlink(path);
    rmdir(folder);
    drop();
}

Test(plot_axis, has_round_ticks)
{
    static const struct {
        double lo, hi;
        bool from_zero;
        double step, first;
        int decimals;
    } cases[] = {
        {21.3, 61.7, true, 10, 0, 0},         {21.3, 31.7, true, 2, 22, 0},
        {-84, 98, false, 20, -80, 0},         {0.0012, 0.0019, false, 1e-4, 0.0012, 4},
        {5, 5, false, 0.2, 4.6, 1},           {0, 0, false, 0.2, -0.4, 1},
        {-3e-7, 4e-7, false, 1e-7, -3e-7, 7},
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        keel_plot_range range = {.is_empty = true};
        keel_plot_range_add(&range, cases[k].hi);
        keel_plot_range_add(&range, cases[k].lo);
        const keel_plot_axis axis = keel_plot_axis_make(&range, cases[k].from_zero, 100, 500);
        const double last = keel_plot_tick(&axis, axis.ticks - 1);
        cr_expect(fabs(axis.step / cases[k].step - 1) < 1e-9, "%zu: step %g", k, axis.step);
        cr_expect(fabs(axis.first - cases[k].first) < 1e-9 * axis.step, "%zu: first %g", k,
                  axis.first);
        cr_expect_eq(axis.decimals, cases[k].decimals, "%zu: %d", k, axis.decimals);
        cr_expect(axis.ticks >= 3 && axis.ticks <= KEEL_PLOT_TICKS_MAX, "%zu: %d", k, axis.ticks);
        cr_expect(axis.lo <= cases[k].lo && cases[k].hi < axis.hi && last <= axis.hi, "%zu", k);
        cr_expect(fabs(keel_plot_pixel(&axis, axis.lo) - 100) < 1e-9);
        cr_expect(fabs(keel_plot_pixel(&axis, axis.hi) - 500) < 1e-9);
    }
}

Test(plot_labels, stay_inside_and_apart)
{
    keel_plot_point dots[] = {{96, 50}, {50, 50}, {52, 50}, {50, 4}}, curve[40];
    keel_plot_label labels[4];
    for (int k = 0; k < 40; k++)
        curve[k] = (keel_plot_point){55 + k, 52};
    for (int k = 0; k < 4; k++)
        labels[k] = (keel_plot_label){.dot = dots[k], .width = 20, .height = 8};
    const keel_plot_scene scene = {{0, 0}, {100, 100}, curve, 40, dots, 4};
    keel_plot_labels_place(&scene, labels, 4);
    for (int k = 0; k < 4; k++) {
        const keel_plot_label *a = &labels[k];
        cr_expect(a->at.x >= 0 && a->at.x + 20 <= 100 && a->at.y - 8 >= 0 && a->at.y <= 100);
        for (int j = 0; j < k; j++)
            cr_expect(a->at.x >= labels[j].at.x + 20 || labels[j].at.x >= a->at.x + 20 ||
                          a->at.y >= labels[j].at.y + 8 || labels[j].at.y >= a->at.y + 8,
                      "%d covers %d", k, j);
        for (int j = 0; j < 40; j++)
            cr_expect_not(curve[j].x > a->at.x && curve[j].x < a->at.x + 20 &&
                              curve[j].y < a->at.y && curve[j].y > a->at.y - 8,
                          "%d covers the curve", k);
    }
}
