/* keel-workbench(1) - portfolio problems from files, options or a stream, solved and explained.
 *
 * IN      one problem as JSON; a stream of them, one a line; or a file of returns or prices and
 *         options
 * OUT     the answer, or with --frontier the whole frontier: a table, or JSON; --plot a file; all
 *         else on stderr
 * KEEPS   of a stream: warm solvers, for the last ids
 * FAILS   0 solved, 1 the results could not be written, 2 usage, 3 bad input, 6 there is no answer;
 *         a stream ends with 0 whatever its lines hold
 *
 * The `keel` command runs it for `optimize` and `frontier`.
 */
#include "common/base/mem.h"
#include "common/num/la/la.h"
#include "services/workbench/answer_json.h"
#include "services/workbench/frontier_json.h"
#include "services/workbench/frontier_plot.h"
#include "services/workbench/frontier_report.h"
#include "services/workbench/options.h"
#include "services/workbench/read_file.h"
#include "services/workbench/report.h"
#include "services/workbench/solvers.h"
#include "services/workbench/stream.h"

#include <stdio.h>

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_INPUT = 3, EXIT_INFEASIBLE = 6 };

static int refuse(const keel_workbench_options *o, const json_t *root, const char *why)
{
    char plain[KEEL_WHY_NOT_MAX];
    fprintf(stderr, "keel: %s\n", keel_plain_text(why, plain));
    if (!o->json)
        return EXIT_INPUT;
    json_t *answer = keel_refusal_json(root, why, 0);
    const bool written = keel_answer_write(answer, stdout);
    json_decref(answer);
    return written ? EXIT_INPUT : EXIT_FAILED;
}

static int show(const keel_workbench_options *o, const keel_stated *stated,
                const keel_problem_answer *answer, int64_t solve_ns, const keel_report_basis *basis)
{
    char why[KEEL_WHY_NOT_MAX];
    const bool solved = answer->outcome == KEEL_PROBLEM_SOLVED;
    bool written = true;
    if (o->json) {
        json_t *made = keel_answer_json(stated, answer, solve_ns);
        written = keel_answer_write(made, stdout);
        json_decref(made);
    } else if (solved) {
        keel_report_print(stated, answer, basis, stdout);
    }
    if (!solved)
        fprintf(stderr, "keel: %s: %s\n", keel_problem_outcome_name(answer->outcome),
                keel_why_not(stated, answer, why));
    if (!written)
        return EXIT_FAILED;
    return solved ? EXIT_OK : EXIT_INFEASIBLE;
}

/* The table or JSON, whatever became of the plot. */
static int show_survey(const keel_workbench_options *o, const keel_survey *survey,
                       const keel_report_basis *basis)
{
    char why[KEEL_SURVEY_WHY_MAX];
    keel_err err;
    bool written = true;
    if (o->json) {
        json_t *made = keel_survey_json(survey, basis->bars_per_year);
        written = keel_answer_write(made, stdout);
        json_decref(made);
    } else if (survey->whole) {
        keel_survey_print(survey, basis, stdout);
    }
    if (!survey->whole) {
        fprintf(stderr, "keel: %s: %s\n", keel_survey_outcome(survey),
                keel_survey_why_not(survey, why));
    } else if (o->plot != NULL &&
               keel_frontier_plot_save(survey, basis->bars_per_year, o->plot, &err) != KEEL_OK) {
        fprintf(stderr, "keel: %s\n", err.text);
        written = false;
    }
    if (!written)
        return EXIT_FAILED;
    return survey->whole ? EXIT_OK : EXIT_INFEASIBLE;
}

/* A problem in JSON always has a method, and so a choice. */
static int make_survey(const keel_workbench_options *o, const json_t *root,
                       const keel_stated *stated, const keel_report_basis *basis)
{
    const int points = o->points > 0 ? o->points : KEEL_SURVEY_POINTS_DEFAULT;
    const bool has_choice = o->problem != NULL || o->method != NULL;
    keel_survey survey;
    keel_err err = {.status = KEEL_OK};
    if (keel_survey_make(stated, points, has_choice, &survey, &err) != KEEL_OK)
        return refuse(o, root, err.text);
    const int code = show_survey(o, &survey, basis);
    keel_survey_free(&survey);
    return code;
}

static int solve(const keel_workbench_options *o, const json_t *root, const keel_stated *stated,
                 const keel_report_basis *basis)
{
    keel_problem_answer answer;
    keel_err err = {.status = KEEL_OK};
    int64_t solve_ns;
    keel_solvers *solvers = keel_solvers_new();
    const int code = keel_solvers_solve(solvers, stated, &answer, &solve_ns, &err) == KEEL_OK
                         ? show(o, stated, &answer, solve_ns, basis)
                         : refuse(o, root, err.text);
    keel_solvers_free(&solvers);
    return code;
}

static int answer(const keel_workbench_options *o, const json_t *root,
                  const keel_report_basis *basis)
{
    keel_stated stated;
    keel_err err = {.status = KEEL_OK};
    if (keel_stated_read(root, &stated, &err) != KEEL_OK)
        return refuse(o, root, err.text);
    stated.explain = stated.explain || o->explain;
    const int code =
        o->frontier ? make_survey(o, root, &stated, basis) : solve(o, root, &stated, basis);
    keel_stated_free(&stated);
    return code;
}

static int solve_file(const keel_workbench_options *o)
{
    const keel_report_basis basis = {0};
    char *text;
    size_t len;
    keel_err err = {.status = KEEL_OK};
    if (keel_file_read(o->problem, KEEL_STATED_BYTES_MAX, &text, &len, &err) != KEEL_OK)
        return refuse(o, NULL, err.text);
    json_t *root = keel_problem_parse(text, len, &err);
    keel_free(&text);
    const int code = root != NULL ? answer(o, root, &basis) : refuse(o, NULL, err.text);
    json_decref(root);
    return code;
}

static int solve_bars(const keel_workbench_options *o)
{
    keel_bars bars;
    keel_err err = {.status = KEEL_OK};
    const bool prices = o->prices != NULL;
    if (keel_bars_read(prices ? o->prices : o->returns, prices, o->window, &bars, &err) != KEEL_OK)
        return refuse(o, NULL, err.text);
    const keel_report_basis basis = {bars.bars_per_year, bars.m, bars.left_out};
    if (bars.left_out > 0 && o->json)
        fprintf(stderr, "keel: rows left out for missing values: %u\n", bars.left_out);
    json_t *root = keel_workbench_problem(o, &bars, &err);
    keel_bars_free(&bars);
    const int code = root != NULL ? answer(o, root, &basis) : refuse(o, NULL, err.text);
    json_decref(root);
    return code;
}

static int run(const keel_workbench_options *o)
{
    if (o->stream)
        return keel_stream_run(stdin, stdout) ? EXIT_OK : EXIT_FAILED;
    return o->problem != NULL ? solve_file(o) : solve_bars(o);
}

int main(int argc, char **argv)
{
    keel_workbench_options options;
    keel_err err;
    int code = EXIT_USAGE;
    keel_la_init();
    if (keel_workbench_options_read(argc, argv, &options, &err) != KEEL_OK)
        fprintf(stderr, "keel: %s\n", err.text);
    else if (options.help)
        keel_workbench_usage(stdout);
    else
        code = run(&options);
    code = options.help ? EXIT_OK : code;
    keel_workbench_options_free(&options);
    if (fflush(stdout) == 0 && !ferror(stdout))
        return code;
    fputs("keel: the results could not be written\n", stderr);
    return EXIT_FAILED;
}
