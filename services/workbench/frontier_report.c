#include "services/workbench/frontier_report.h"

#include "services/workbench/answer_json.h"

#include <math.h>

enum { NUMBER_MAX = 32, NAMED_MAX = 4, NAMED_WIDTH = 13 };

/* A portfolio that has a name, as a line and as a column of weights. */
typedef struct named {
    const char *name;
    const keel_survey_place *place;
    const keel_survey_beside *beside; /* NULL: it is on the frontier */
} named;

static int name_all(const keel_survey *s, named out[NAMED_MAX])
{
    int n = 0;
    out[n++] = (named){"min variance", &s->min_variance, NULL};
    if (s->sharpe_found == KEEL_FRONTIER_FOUND)
        out[n++] = (named){"max Sharpe", &s->max_sharpe, NULL};
    if (s->current.is_there)
        out[n++] = (named){"current", &s->current.place, &s->current};
    if (s->chosen.is_there)
        out[n++] = (named){"chosen", &s->chosen.place, &s->chosen};
    return n;
}

static void print_heading(const char *first, const keel_report_basis *basis, const char *last,
                          FILE *to)
{
    const bool year = basis->bars_per_year > 0;
    fprintf(to, "  %-12s  %9s  %9s  %10s", "", "", "return", "volatility");
    fprintf(to, year ? "  %9s  %10s  %7s\n" : "%s%s  %7s\n", year ? "return" : "",
            year ? "volatility" : "", "Sharpe");
    fprintf(to, "  %-12s  %9s  %9s  %10s", first, "aversion", "a bar", "a bar");
    fprintf(to, year ? "  %9s  %10s  %7s" : "%s%s  %7s", year ? "a year" : "", year ? "a year" : "",
            year ? "a year" : "a bar");
    fprintf(to, "  %6s%s%s\n", "assets", last[0] != '\0' ? "  " : "", last);
}

/* Up to, and without, the end of the line. */
static void print_place(const keel_survey *s, const char *name, const keel_survey_place *place,
                        const keel_report_basis *basis, FILE *to)
{
    const double year = basis->bars_per_year;
    char aversion[NUMBER_MAX] = "-", ratio[NUMBER_MAX] = "-";
    double sharpe;
    if (place->t > 0)
        snprintf(aversion, sizeof aversion, "%.4g", 1 / place->t);
    if (keel_survey_sharpe(s, place, &sharpe))
        snprintf(ratio, sizeof ratio, "%.3f", year > 0 ? sharpe * sqrt(year) : sharpe);
    fprintf(to, "  %-12s  %9s  %8.4f%%  %9.4f%%", name, aversion, 100 * place->expected_return,
            100 * place->volatility);
    if (year > 0)
        fprintf(to, "  %8.2f%%  %9.2f%%", keel_report_percent(place->expected_return * year),
                keel_report_percent(place->volatility * sqrt(year)));
    fprintf(to, "  %7s  %6d", ratio, keel_survey_assets(s, place->weights));
}

static void print_change(const char *name, keel_survey_change change, bool *first, FILE *to)
{
    if (change == KEEL_SURVEY_STAYS)
        return;
    fprintf(to, "%s%s %s", *first ? "  " : ", ", name, keel_survey_change_name(change));
    *first = false;
}

static void print_changes(const keel_survey *s, int corner, FILE *to)
{
    bool first = corner != 0 && corner != s->lowest;
    if (!first)
        fprintf(to, "  %s", corner == 0 ? "highest return" : "least volatility");
    for (int i = 0; i < s->stated->assets.n; i++)
        print_change(s->stated->assets.at[i], keel_survey_asset_change(s, corner, i), &first, to);
    for (int k = 0; k < s->stated->problem.rows_n; k++)
        print_change(s->stated->row_names[k], keel_survey_row_change(s, corner, k), &first, to);
}

static void print_corners(const keel_survey *s, const keel_report_basis *basis, FILE *to)
{
    char name[NUMBER_MAX];
    print_heading("corner", basis, "on the way down", to);
    for (int k = 0; k < s->walk.corners; k++) {
        const keel_survey_place place = keel_survey_corner(s, k);
        snprintf(name, sizeof name, "%d", k);
        print_place(s, name, &place, basis, to);
        print_changes(s, k, to);
        fputc('\n', to);
    }
}

static void print_points(const keel_survey *s, const keel_report_basis *basis, FILE *to)
{
    char name[NUMBER_MAX];
    fputc('\n', to);
    print_heading("point", basis, "", to);
    for (int k = 0; k < s->points_n; k++) {
        snprintf(name, sizeof name, "%d", k + 1);
        print_place(s, name, &s->points[k], basis, to);
        fputc('\n', to);
    }
}

static void print_beside(const keel_survey_beside *beside, const keel_report_basis *basis, FILE *to)
{
    const bool year = basis->bars_per_year > 0;
    if (!beside->has_frontier)
        fputs("  less risk than any that is allowed", to);
    else
        fprintf(to, year ? "  %.2f%% a year at this risk" : "  %.4f%% a bar at this risk",
                100 * beside->frontier_return * (year ? basis->bars_per_year : 1));
}

static void print_named(const keel_survey *s, const keel_report_basis *basis, FILE *to)
{
    char why[KEEL_WHY_NOT_MAX];
    named all[NAMED_MAX];
    const int n = name_all(s, all);
    const keel_problem_answer best = {.outcome = keel_survey_sharpe_outcome(s)};
    fputc('\n', to);
    print_heading("portfolio", basis,
                  s->current.is_there || s->chosen.is_there ? "the frontier has" : "", to);
    for (int k = 0; k < n; k++) {
        print_place(s, all[k].name, all[k].place, basis, to);
        if (all[k].beside != NULL)
            print_beside(all[k].beside, basis, to);
        fputc('\n', to);
    }
    if (best.outcome != KEEL_PROBLEM_SOLVED)
        fprintf(to, "  %-12s  %s: %s\n", "max Sharpe", keel_problem_outcome_name(best.outcome),
                keel_why_not(s->stated, &best, why));
    if (s->has_choice)
        fprintf(to, "  chosen by %s%s%s%s%s\n", keel_method_name(s->choice.method),
                s->chosen.is_there ? "" : ": ",
                s->chosen.is_there ? "" : keel_problem_outcome_name(s->choice.outcome),
                s->chosen.is_there ? "" : ": ",
                s->chosen.is_there ? "" : keel_why_not(s->stated, &s->choice, why));
}

static void print_weights(const keel_survey *s, FILE *to)
{
    named all[NAMED_MAX];
    const int n = name_all(s, all), width = keel_report_name_width(&s->stated->assets);
    double cash[NAMED_MAX];
    fprintf(to, "\n  %-*s", width, "asset");
    for (int k = 0; k < n; k++) {
        fprintf(to, "  %*s", NAMED_WIDTH, all[k].name);
        cash[k] = 1;
    }
    for (int i = 0; i < s->stated->assets.n; i++) {
        fprintf(to, "\n  %-*s", width, s->stated->assets.at[i]);
        for (int k = 0; k < n; k++) {
            cash[k] -= all[k].place->weights[i];
            fprintf(to, "  %*.2f%%", NAMED_WIDTH - 1,
                    keel_report_percent(all[k].place->weights[i]));
        }
    }
    fprintf(to, "\n  %-*s", width, "cash");
    for (int k = 0; k < n; k++)
        fprintf(to, "  %*.2f%%", NAMED_WIDTH - 1, keel_report_percent(cash[k]));
    fputs("\n\n", to);
}

void keel_survey_print(const keel_survey *s, const keel_report_basis *basis, FILE *to)
{
    print_corners(s, basis, to);
    print_points(s, basis, to);
    print_named(s, basis, to);
    print_weights(s, to);
    fprintf(to, "  %-18s  %s: %d corner%s, worst residual %.1e\n", "frontier",
            keel_survey_outcome(s), s->walk.corners, s->walk.corners == 1 ? "" : "s",
            s->walk.worst_residual);
    keel_report_bars(basis, to);
}
