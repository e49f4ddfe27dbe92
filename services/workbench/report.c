#include "services/workbench/report.h"

#include "common/base/mem.h"
#include "services/workbench/answer_json.h"

#include <math.h>
#include <string.h>

enum { NUMBER_MAX = 32, NAME_WIDTH_MIN = 5 };

/* A price that is smaller than this part of the largest price of risk is rounding. */
static const double shown_min_frac = 1e-12;

static const char *bound_text(double bound, char out[NUMBER_MAX])
{
    if (fabs(bound) >= KEEL_NO_BOUND)
        return "-";
    snprintf(out, NUMBER_MAX, "%.2f%%", 100 * bound);
    return out;
}

int keel_report_name_width(const keel_labels *assets)
{
    int width = NAME_WIDTH_MIN;
    for (int i = 0; i < assets->n; i++)
        width = (int)strlen(assets->at[i]) > width ? (int)strlen(assets->at[i]) : width;
    return width;
}

double keel_report_percent(double fraction)
{
    const double p = 100 * fraction;
    return fabs(p) < 0.005 ? 0 : p;
}

void keel_report_bars(const keel_report_basis *basis, FILE *to)
{
    if (basis->bars > 0)
        fprintf(to, "  %-18s  %11d  left out for missing values: %u\n", "bars", basis->bars,
                basis->left_out);
}

/* Part of each asset in w'Sw: w_i (S w)_i / w'Sw, zeros where there is no risk. */
static void risk_parts(const keel_problem *p, const double *weights, double *parts)
{
    const size_t n = (size_t)p->n;
    int *scratch = keel_xcalloc(n, sizeof *scratch);
    double variance = 0;
    keel_problem_times(p, weights, parts, scratch);
    for (size_t i = 0; i < n; i++)
        variance += weights[i] * parts[i];
    for (int i = 0; i < p->n; i++)
        parts[i] = variance > 0 ? weights[i] * parts[i] / variance : 0;
    keel_free(&scratch);
}

static void print_weights(const keel_stated *s, const keel_problem_answer *answer, FILE *to)
{
    const keel_problem *p = &s->problem;
    const int width = keel_report_name_width(&s->assets);
    char lower[NUMBER_MAX], upper[NUMBER_MAX];
    double *parts = keel_xcalloc((size_t)p->n, sizeof *parts);
    risk_parts(p, answer->weights, parts);
    fprintf(to, "  %-*s  %9s  %9s  %9s  %9s  %9s\n", width, "asset", "weight", "lower", "upper",
            "risk", "trade");
    for (int i = 0; i < p->n; i++) {
        const double held = p->current != NULL ? p->current[i] : 0;
        fprintf(to, "  %-*s  %8.2f%%  %9s  %9s  %8.2f%%  %+8.2f%%\n", width, s->assets.at[i],
                keel_report_percent(answer->weights[i]), bound_text(p->lower[i], lower),
                bound_text(p->upper[i], upper), keel_report_percent(parts[i]),
                keel_report_percent(answer->weights[i] - held));
    }
    fprintf(to, "  %-*s  %8.2f%%\n\n", width, "cash", keel_report_percent(answer->cash));
    keel_free(&parts);
}

static void print_line(FILE *to, const char *what, double bar, double year, bool ratio)
{
    fprintf(to, ratio ? "  %-18s  %11.4f a bar" : "  %-18s  %10.4f%% a bar", what,
            ratio ? bar : 100 * bar);
    if (isfinite(year))
        fprintf(to, ratio ? "  %9.2f a year" : "  %8.2f%% a year", ratio ? year : 100 * year);
    fputc('\n', to);
}

static void print_figures(const keel_stated *s, const keel_problem_answer *a,
                          const keel_report_basis *basis, FILE *to)
{
    const bool known = basis->bars_per_year > 0;
    const double year = basis->bars_per_year, excess = a->expected_return - s->problem.risk_free;
    if (s->problem.mean != NULL)
        print_line(to, "expected return", a->expected_return,
                   known ? a->expected_return * year : NAN, false);
    print_line(to, "volatility", a->volatility, known ? a->volatility * sqrt(year) : NAN, false);
    if (s->problem.mean != NULL && a->volatility > 0)
        print_line(to, "Sharpe ratio", excess / a->volatility,
                   known ? excess / a->volatility * sqrt(year) : NAN, true);
    if (a->gross > 1 - a->cash + shown_min_frac) /* something is held short */
        fprintf(to, "  %-18s  %10.2f%%\n", "gross exposure", keel_report_percent(a->gross));
    fprintf(to, "  %-18s  %10.2f%%  cost %.4f%%\n", "turnover", keel_report_percent(a->turnover),
            100 * a->cost_frac);
    keel_report_bars(basis, to);
}

static void print_certificate(const keel_problem_answer *a, FILE *to)
{
    const keel_certificate *c = &a->certificate;
    const char *kind = c->kind == KEEL_CERTIFICATE_OPTIMAL    ? "OPTIMAL"
                       : c->kind == KEEL_CERTIFICATE_BOUNDED  ? "BOUNDED"
                       : c->kind == KEEL_CERTIFICATE_FEASIBLE ? "FEASIBLE, the nearest allowed"
                                                              : "none";
    fprintf(to, "  %-18s  %s  primal %.1e  dual %.1e  gap %.1e  iterations %d\n", "certificate",
            kind, c->primal_residual, c->dual_residual, c->gap, c->iterations);
}

static void print_fallbacks(const keel_problem_answer *a, FILE *to)
{
    if (a->attempts_n == 0)
        return;
    fprintf(to, "  %-18s  %s, after", "fallback", keel_method_name(a->method));
    for (int k = 0; k < a->attempts_n; k++)
        fprintf(to, "%s %s: %s", k > 0 ? "," : "", keel_method_name(a->attempts[k].method),
                keel_problem_outcome_name(a->attempts[k].outcome));
    fputc('\n', to);
}

static void print_binding(const keel_stated *s, const keel_problem_answer *a, FILE *to)
{
    char name[KEEL_CONSTRAINT_NAME_MAX];
    double largest = 0;
    for (int i = 0; a->risk_price != NULL && i < s->assets.n; i++)
        largest = fmax(largest, fabs(a->risk_price[i]));
    for (int k = 0; k < a->prices_n; k++)
        if (fabs(a->prices[k].multiplier) > shown_min_frac * largest)
            fprintf(to, "  %-18s  %s  price %.4g\n", "binds",
                    keel_stated_name(s, a->prices[k].name, name), fabs(a->prices[k].multiplier));
}

/* The largest of what holds a weight where it is. */
static const char *ruling(const keel_stated *s, const keel_problem_answer *a, int i,
                          char out[KEEL_CONSTRAINT_NAME_MAX])
{
    double largest = 0;
    snprintf(out, KEEL_CONSTRAINT_NAME_MAX, "%s",
             a->price_of_return > 0 ? "its own return and risk" : "its own risk");
    for (int k = 0; k < a->prices_n; k++)
        for (int row = 0; row < s->problem.rows_n; row++) {
            if (strcmp(a->prices[k].name, s->rows[row].name) != 0)
                continue;
            const double share = fabs(a->prices[k].multiplier * s->rows[row].a[i]);
            if (share > largest)
                keel_stated_name(s, a->prices[k].name, out);
            largest = fmax(largest, share);
        }
    if (fabs(a->bound_multipliers[i]) > largest)
        snprintf(out, KEEL_CONSTRAINT_NAME_MAX, "%s bound",
                 a->bound_multipliers[i] > 0 ? "upper" : "lower");
    return out;
}

static void print_why(const keel_stated *s, const keel_problem_answer *a, FILE *to)
{
    const int width = keel_report_name_width(&s->assets);
    char rule[KEEL_CONSTRAINT_NAME_MAX];
    fprintf(to,
            "\n  why: %.4g * (return - cost) - risk = rows + bound\n"
            "  %-*s  %11s  %11s  %11s  %11s  %11s  %8s  %s\n",
            a->price_of_return, width, "asset", "return", "cost", "risk", "rows", "bound",
            "residual", "what holds it");
    for (int i = 0; i < s->assets.n; i++) {
        const keel_why why = keel_why_asset(a, &s->problem, i);
        fprintf(to, "  %-*s  %11.4g  %11.4g  %11.4g  %11.4g  %11.4g  %8.0e  %s\n", width,
                s->assets.at[i], s->problem.mean != NULL ? s->problem.mean[i] : 0,
                0.0 + a->cost_slope[i], a->risk_price[i], why.rows, a->bound_multipliers[i],
                fabs(why.residual), ruling(s, a, i, rule));
    }
}

void keel_report_print(const keel_stated *stated, const keel_problem_answer *answer,
                       const keel_report_basis *basis, FILE *to)
{
    print_weights(stated, answer, to);
    print_figures(stated, answer, basis, to);
    print_certificate(answer, to);
    print_fallbacks(answer, to);
    print_binding(stated, answer, to);
    if (stated->explain && keel_answer_is_explained(answer))
        print_why(stated, answer, to);
}
