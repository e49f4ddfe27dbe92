#include "services/workbench/options.h"

#include "common/base/mem.h"
#include "common/base/text.h"
#include "common/num/la/sym.h"
#include "services/workbench/estimates.h"
#include "services/workbench/frontier_survey.h"

#include <stddef.h>
#include <string.h>

typedef enum kind { FLAG, WORD, WINDOW, POINTS, LIST, NUMBER } kind;

static const struct option {
    const char *name;
    kind kind;
    size_t at;         /* FLAG, WORD: offset of the member */
    const char *field; /* NUMBER: of the problem */
} table[] = {
    {"--help", FLAG, offsetof(keel_workbench_options, help), NULL},
    {"--stream", FLAG, offsetof(keel_workbench_options, stream), NULL},
    {"--json", FLAG, offsetof(keel_workbench_options, json), NULL},
    {"--explain", FLAG, offsetof(keel_workbench_options, explain), NULL},
    {"--frontier", FLAG, offsetof(keel_workbench_options, frontier), NULL},
    {"--plot", WORD, offsetof(keel_workbench_options, plot), NULL},
    {"--points", POINTS, 0, NULL},
    {"--problem", WORD, offsetof(keel_workbench_options, problem), NULL},
    {"--returns", WORD, offsetof(keel_workbench_options, returns), NULL},
    {"--prices", WORD, offsetof(keel_workbench_options, prices), NULL},
    {"--method", WORD, offsetof(keel_workbench_options, method), NULL},
    {"--cov", WORD, offsetof(keel_workbench_options, cov), NULL},
    {"--mu", WORD, offsetof(keel_workbench_options, mu), NULL},
    {"--group", WORD, offsetof(keel_workbench_options, group), NULL},
    {"--current", WORD, offsetof(keel_workbench_options, current), NULL},
    {"--window", WINDOW, 0, NULL},
    {"--constraint", LIST, offsetof(keel_workbench_options, constraints), NULL},
    {"--fallback", LIST, offsetof(keel_workbench_options, fallbacks), NULL},
    {"--lo", NUMBER, 0, "lower"},
    {"--hi", NUMBER, 0, "upper"},
    {"--cost", NUMBER, 0, "cost_bps"},
    {"--risk-free", NUMBER, 0, "risk_free"},
    {"--target-return", NUMBER, 0, "target_return"},
    {"--target-risk", NUMBER, 0, "target_risk"},
    {"--risk-aversion", NUMBER, 0, "risk_aversion"},
    {"--gross-max", NUMBER, 0, "gross_max"},
    {"--turnover-max", NUMBER, 0, "turnover_max"},
};
enum { OPTIONS = sizeof table / sizeof *table, WINDOW_MAX = 10000000 };

void keel_workbench_usage(FILE *to)
{
    fputs("usage: keel-workbench --problem FILE|- [--json]\n"
          "       keel-workbench --stream\n"
          "       keel-workbench (--returns FILE | --prices FILE) [--method M] [--window N]\n"
          "           [--cov ESTIMATOR] [--mu ESTIMATOR] [--lo X] [--hi X] [--group FILE]\n"
          "           [--constraint TEXT]... [--current FILE] [--cost BPS] [--risk-free R]\n"
          "           [--target-return X] [--target-risk X] [--risk-aversion X]\n"
          "           [--gross-max X] [--turnover-max X] [--fallback M]... [--explain] [--json]\n"
          "       keel-workbench --frontier [--points N] [--plot FILE.svg] with the options of\n"
          "           --problem, --returns or --prices, but --explain\n",
          to);
}

static keel_status refuse_option(const char *word, keel_err *err)
{
    const char *names[OPTIONS];
    for (int i = 0; i < OPTIONS; i++)
        names[i] = table[i].name;
    const char *near = keel_text_nearest(word, names, OPTIONS);
    return keel_err_set(err, KEEL_EUNKNOWN, "no option %s%s%s%s", word,
                        near != NULL ? "; did you mean " : "", near != NULL ? near : "",
                        near != NULL ? "?" : "");
}

/* "0.3" or "30%". */
static keel_status read_number(const struct option *o, const char *text, keel_workbench_options *to,
                               keel_err *err)
{
    char digits[64];
    double value;
    const size_t len = strlen(text);
    const bool percent = len > 0 && text[len - 1] == '%';
    snprintf(digits, sizeof digits, "%.*s", (int)(len - percent), text);
    if (len >= sizeof digits || keel_text_real(digits, &value) != KEEL_OK)
        return keel_err_set(err, KEEL_EINVAL, "%s %.80s: a number such as 0.3 or 30%% is expected",
                            o->name, text);
    json_object_set_new(to->numbers, o->field, json_real(percent ? value / 100 : value));
    return KEEL_OK;
}

static keel_status read_count(const char *name, const char *text, const int range[2], int *to,
                              keel_err *err)
{
    int64_t count;
    if (keel_text_i64(text, &count) != KEEL_OK || count < range[0] || count > range[1])
        return keel_err_set(err, KEEL_EINVAL, "%s %.80s: a whole number from %d to %d is expected",
                            name, text, range[0], range[1]);
    *to = (int)count;
    return KEEL_OK;
}

static keel_status read_value(const struct option *o, const char *text, keel_workbench_options *to,
                              keel_err *err)
{
    static const int windows[] = {2, WINDOW_MAX};
    static const int points[] = {KEEL_SURVEY_POINTS_MIN, KEEL_SURVEY_POINTS_MAX};
    if (o->kind == NUMBER)
        return read_number(o, text, to, err);
    if (o->kind == WINDOW)
        return read_count(o->name, text, windows, &to->window, err);
    if (o->kind == POINTS)
        return read_count(o->name, text, points, &to->points, err);
    if (o->kind == WORD) {
        memcpy((char *)to + o->at, &text, sizeof text);
        return KEEL_OK;
    }
    keel_workbench_list *list = (keel_workbench_list *)((char *)to + o->at);
    if (list->n == KEEL_WORKBENCH_LIST_MAX)
        return keel_err_set(err, KEEL_EINVAL, "%s: more than %d", o->name, KEEL_WORKBENCH_LIST_MAX);
    list->at[list->n++] = text;
    return KEEL_OK;
}

/* What a frontier takes, and what only a frontier does. Costs and turnover change no frontier. */
static keel_status check_frontier(const keel_workbench_options *o, keel_err *err)
{
    const bool bars = o->returns != NULL || o->prices != NULL;
    if (!o->frontier && (o->points > 0 || o->plot != NULL))
        return keel_err_set(err, KEEL_EINVAL, "--points and --plot go with --frontier");
    if (o->frontier && (o->stream || o->explain))
        return keel_err_set(err, KEEL_EINVAL, "--frontier does not go with --stream or --explain");
    if (o->frontier && bars && o->method == NULL &&
        (o->fallbacks.n > 0 || json_object_get(o->numbers, "gross_max") != NULL ||
         json_object_get(o->numbers, "cost_bps") != NULL ||
         json_object_get(o->numbers, "turnover_max") != NULL))
        return keel_err_set(
            err, KEEL_EINVAL,
            "--cost, --gross-max, --turnover-max and --fallback are of the portfolio that "
            "--method chooses; the frontier has none");
    return KEEL_OK;
}

/* Which inputs go together. */
static keel_status check_inputs(const keel_workbench_options *o, keel_err *err)
{
    const int inputs =
        o->stream + (o->problem != NULL) + (o->returns != NULL) + (o->prices != NULL);
    const bool bars = o->returns != NULL || o->prices != NULL;
    const bool bar_options = o->method != NULL || o->cov != NULL || o->mu != NULL ||
                             o->group != NULL || o->current != NULL || o->window > 0 ||
                             o->constraints.n > 0 || o->fallbacks.n > 0 ||
                             json_object_size(o->numbers) > 0;
    if (o->help)
        return KEEL_OK;
    KEEL_TRY(check_frontier(o, err));
    if (inputs == 0)
        return keel_err_set(err, KEEL_EINVAL,
                            "nothing to solve; give --problem FILE, --stream, --returns FILE or "
                            "--prices FILE");
    if (inputs > 1)
        return keel_err_set(err, KEEL_EINVAL,
                            "give one of --problem, --stream, --returns and --prices, not several");
    if (!bars && (bar_options || (o->stream && o->explain)))
        return keel_err_set(err, KEEL_EINVAL,
                            "this option goes with --returns or --prices; a problem in JSON has "
                            "fields for all of them");
    return KEEL_OK;
}

keel_status keel_workbench_options_read(int argc, char **argv, keel_workbench_options *options,
                                        keel_err *err)
{
    memset(options, 0, sizeof *options);
    options->numbers = json_object();
    for (int at = 1; at < argc; at++) {
        const char *value = strchr(argv[at], '=');
        const size_t len = value != NULL ? (size_t)(value - argv[at]) : strlen(argv[at]);
        const struct option *o = table;
        while (o < table + OPTIONS &&
               (strlen(o->name) != len || strncmp(o->name, argv[at], len) != 0))
            o++;
        if (o == table + OPTIONS)
            return refuse_option(argv[at], err);
        if (o->kind == FLAG && value == NULL) {
            *(bool *)((char *)options + o->at) = true;
            continue;
        }
        if (o->kind == FLAG)
            return keel_err_set(err, KEEL_EINVAL, "%s takes no value", o->name);
        if (value == NULL && at + 1 == argc)
            return keel_err_set(err, KEEL_EINVAL, "%s needs a value", o->name);
        KEEL_TRY(read_value(o, value != NULL ? value + 1 : argv[++at], options, err));
    }
    return check_inputs(options, err);
}

void keel_workbench_options_free(keel_workbench_options *options)
{
    json_decref(options->numbers);
    options->numbers = NULL;
}

static json_t *matrix_json(int n, const double *packed)
{
    json_t *rows = json_array();
    for (int i = 0; i < n; i++) {
        json_t *row = json_array();
        for (int j = 0; j < n; j++)
            json_array_append_new(row, json_real(keel_sym_get(n, packed, i, j)));
        json_array_append_new(rows, row);
    }
    return rows;
}

/* An estimate that is no number leaves its field out: the problem is refused by that field. */
static keel_status add_estimates(const keel_workbench_options *o, const keel_bars *bars, json_t *to,
                                 keel_err *err)
{
    const size_t n = (size_t)bars->n;
    double *mean = keel_xcalloc(n, sizeof *mean);
    double *covariance = keel_xcalloc(keel_sym_len(bars->n), sizeof *covariance);
    const double risk_free = json_number_value(json_object_get(o->numbers, "risk_free"));
    const char *mu = o->mu != NULL ? o->mu : "sample", *cov = o->cov != NULL ? o->cov : "sample";
    keel_status status = keel_estimate_mean(mu, bars, risk_free, mean, err);
    if (status == KEEL_OK)
        status = keel_estimate_covariance(cov, bars, covariance, err);
    if (status == KEEL_OK) {
        json_t *means = json_array();
        for (int i = 0; i < bars->n; i++)
            json_array_append_new(means, json_real(mean[i]));
        json_object_set_new(to, "mean", means);
        json_object_set_new(to, "covariance", matrix_json(bars->n, covariance));
    }
    keel_free(&covariance);
    keel_free(&mean);
    return status;
}

static json_t *list_json(const keel_workbench_list *list)
{
    json_t *all = json_array();
    for (int i = 0; i < list->n; i++)
        json_array_append_new(all, json_string(list->at[i]));
    return all;
}

static keel_status add_tables(const keel_workbench_options *o, json_t *to, keel_err *err)
{
    if (o->group != NULL) {
        json_t *groups = keel_table_read(o->group, true, err);
        if (groups == NULL)
            return err->status;
        json_object_set_new(to, "groups", groups);
    }
    if (o->current != NULL) {
        json_t *current = keel_table_read(o->current, false, err);
        if (current == NULL)
            return err->status;
        json_object_set_new(to, "current", current);
    }
    return KEEL_OK;
}

json_t *keel_workbench_problem(const keel_workbench_options *o, const keel_bars *bars,
                               keel_err *err)
{
    json_t *to = json_object(), *assets = json_array();
    json_object_update(to, o->numbers);
    for (int i = 0; i < bars->n; i++)
        json_array_append_new(assets, json_string(bars->symbols[i]));
    json_object_set_new(to, "assets", assets);
    json_object_set_new(to, "constraints", list_json(&o->constraints));
    json_object_set_new(to, "fallbacks", list_json(&o->fallbacks));
    json_object_set_new(to, "method", json_string(o->method != NULL ? o->method : "min_variance"));
    json_object_set_new(to, "options", json_pack("{s:b}", "explain", o->explain));
    if (add_tables(o, to, err) == KEEL_OK && add_estimates(o, bars, to, err) == KEEL_OK)
        return to;
    json_decref(to);
    return NULL;
}
