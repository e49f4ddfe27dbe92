#include "services/workbench/answer_json.h"

#include "common/base/text.h"

#include <math.h>
#include <string.h>

static const char *certificate_word(keel_certificate_kind kind)
{
    switch (kind) {
    case KEEL_CERTIFICATE_OPTIMAL:
        return "optimal";
    case KEEL_CERTIFICATE_BOUNDED:
        return "bounded";
    case KEEL_CERTIFICATE_FEASIBLE:
        return "feasible";
    case KEEL_CERTIFICATE_UNSPECIFIED:
        break;
    }
    return "none";
}

static json_t *certificate_json(const keel_certificate *c)
{
    return json_pack("{s:s, s:f, s:f, s:f}", "kind", certificate_word(c->kind), "primal_residual",
                     c->primal_residual, "dual_residual", c->dual_residual, "gap", c->gap);
}

/* Rows that bind, and bounds that bind, by their names. */
static json_t *multipliers_json(const keel_stated *s, const keel_problem_answer *answer)
{
    char name[KEEL_CONSTRAINT_NAME_MAX];
    json_t *all = json_object();
    for (int k = 0; k < answer->prices_n; k++)
        if (answer->prices[k].multiplier != 0) /* exactly: it does not bind */
            json_object_set_new(all, keel_stated_name(s, answer->prices[k].name, name),
                                json_real(answer->prices[k].multiplier));
    for (int i = 0; answer->bound_multipliers != NULL && i < s->assets.n; i++) {
        const double m = answer->bound_multipliers[i];
        if (m == 0)
            continue;
        snprintf(name, sizeof name, "%s:%s", m > 0 ? "upper" : "lower", s->assets.at[i]);
        json_object_set_new(all, name, json_real(m));
    }
    return all;
}

keel_why keel_why_asset(const keel_problem_answer *answer, const keel_problem *problem, int i)
{
    const double mean = problem->mean != NULL ? problem->mean[i] : 0;
    const double bound = answer->bound_multipliers[i];
    keel_why why = {.rows = answer->row_price[i], .closes = "nothing"};
    why.residual = answer->price_of_return * (mean - answer->cost_slope[i]) -
                   answer->risk_price[i] - why.rows - bound;
    if (bound != 0)
        why.closes = bound > 0 ? "upper" : "lower";
    else if (why.rows != 0)
        why.closes = "rows";
    return why;
}

/* The shares of single rows in an asset's row_price; what is left belongs to the curved ones. */
static json_t *row_shares(const keel_stated *s, const keel_problem_answer *answer, int i)
{
    char name[KEEL_CONSTRAINT_NAME_MAX];
    json_t *shares = json_object();
    for (int k = 0; k < answer->prices_n; k++) {
        const keel_price *price = &answer->prices[k];
        double gradient = strcmp(price->name, "budget") == 0 ? 1 : 0;
        for (int row = 0; row < s->problem.rows_n; row++)
            if (strcmp(price->name, s->rows[row].name) == 0)
                gradient = s->rows[row].a[i];
        if (gradient * price->multiplier != 0)
            json_object_set_new(shares, keel_stated_name(s, price->name, name),
                                json_real(gradient * price->multiplier));
    }
    return shares;
}

bool keel_answer_is_explained(const keel_problem_answer *answer)
{
    return answer->risk_price != NULL && answer->cost_slope != NULL && answer->row_price != NULL &&
           answer->bound_multipliers != NULL;
}

static json_t *why_json(const keel_stated *s, const keel_problem_answer *answer)
{
    json_t *assets = json_object();
    for (int i = 0; i < s->assets.n; i++) {
        const keel_why why = keel_why_asset(answer, &s->problem, i);
        json_t *row =
            json_pack("{s:f, s:f, s:f, s:f, s:o, s:f, s:s, s:f}", "expected_return",
                      s->problem.mean != NULL ? s->problem.mean[i] : 0.0, "cost_slope",
                      answer->cost_slope[i], "risk_price", answer->risk_price[i], "rows", why.rows,
                      "row_shares", row_shares(s, answer, i), "bound", answer->bound_multipliers[i],
                      "closes", why.closes, "residual", why.residual);
        json_object_set_new(assets, s->assets.at[i], row);
    }
    return json_pack("{s:f, s:o}", "price_of_return", answer->price_of_return, "assets", assets);
}

json_t *keel_weights_json(const keel_stated *s, const double *weights)
{
    json_t *all = json_object();
    for (int i = 0; i < s->assets.n; i++)
        json_object_set_new(all, s->assets.at[i], json_real(weights[i]));
    return all;
}

/* Who should give way: limits that were asked for before bounds, the budget last; of one kind the
 * least amount, then the first. */
static int cheapest(const keel_problem_answer *answer)
{
    int best = 0, best_rank = 3;
    for (int k = 0; k < answer->conflict_n; k++) {
        const char *name = answer->conflict[k];
        const bool bound = strncmp(name, "lower:", 6) == 0 || strncmp(name, "upper:", 6) == 0;
        const int rank = strcmp(name, "budget") == 0 ? 2 : bound ? 1 : 0;
        const bool less = answer->conflict_by[k] < answer->conflict_by[best] * (1 - 1e-9);
        if (rank < best_rank || (rank == best_rank && less)) {
            best = k;
            best_rank = rank;
        }
    }
    return best;
}

static void infeasible_sentence(const keel_stated *s, const keel_problem_answer *answer,
                                char out[KEEL_WHY_NOT_MAX])
{
    char name[KEEL_CONSTRAINT_NAME_MAX];
    size_t len = 0;
    const bool alone = answer->conflict_n == 1; /* against all that is linear */
    keel_text_add(out, KEEL_WHY_NOT_MAX, &len, alone ? "" : "these cannot hold together: ");
    for (int k = 0; k < answer->conflict_n; k++)
        keel_text_add(out, KEEL_WHY_NOT_MAX, &len, "%s%s", k > 0 ? ", " : "",
                      keel_stated_name(s, answer->conflict[k], name));
    keel_text_add(out, KEEL_WHY_NOT_MAX, &len, alone ? " cannot hold with the rest" : "");
    const int least = cheapest(answer);
    if (answer->conflict_n > 0)
        keel_text_add(out, KEEL_WHY_NOT_MAX, &len, "; they would if %s gave way by %.4g",
                      keel_stated_name(s, answer->conflict[least], name),
                      answer->conflict_by[least]);
}

const char *keel_why_not(const keel_stated *s, const keel_problem_answer *answer,
                         char out[KEEL_WHY_NOT_MAX])
{
    out[0] = '\0';
    switch (answer->outcome) {
    case KEEL_PROBLEM_SOLVED:
        break;
    case KEEL_PROBLEM_INFEASIBLE:
        infeasible_sentence(s, answer, out);
        break;
    case KEEL_PROBLEM_NOT_CONVEX:
        return "covariance: not positive semidefinite: some portfolio would have a negative "
               "variance; estimate all of it from the same bars, or give factors";
    case KEEL_PROBLEM_UNBOUNDED:
        return "no finite weights are the best; give lower, upper or a constraint that bounds them";
    case KEEL_PROBLEM_NO_EXCESS_RETURN:
        snprintf(out, KEEL_WHY_NOT_MAX,
                 "no allowed portfolio expects more than risk_free, %.6g per bar; loosen bounds, "
                 "or use min_variance",
                 s->problem.risk_free);
        break;
    case KEEL_PROBLEM_NO_RISK:
        snprintf(out, KEEL_WHY_NOT_MAX,
                 "a portfolio without risk expects more than risk_free, %.6g per bar: no ratio is "
                 "the largest; raise risk_free, or leave the riskless asset out",
                 s->problem.risk_free);
        break;
    case KEEL_PROBLEM_ITERATION_LIMIT:
        if (s->problem.covariance == NULL)
            return "no answer was found; of more than 2048 assets it is not proved whether there "
                   "is one: look for bounds and constraints that cannot hold together";
        return "neither an answer nor a proof that there is none was exact enough; look at "
               "coefficients of very different sizes";
    }
    return out;
}

const char *keel_plain_text(const char *text, char out[KEEL_WHY_NOT_MAX])
{
    const size_t len = strlen(text);
    size_t n = 0;
    for (size_t at = 0; at < len && n + 8 < KEEL_WHY_NOT_MAX;) {
        const size_t step = keel_text_utf8_step(text + at, len - at);
        const bool shown = step > 1 || (step == 1 && text[at] >= 0x20 && text[at] != 0x7f);
        for (size_t i = 0; shown && i < step; i++)
            out[n++] = text[at + i];
        if (!shown)
            out[n++] = '?';
        at += step > 0 ? step : 1;
    }
    out[n] = '\0';
    return out;
}

json_t *keel_why_not_json(const keel_stated *s, const keel_problem_answer *answer)
{
    char text[KEEL_WHY_NOT_MAX], plain[KEEL_WHY_NOT_MAX], name[KEEL_CONSTRAINT_NAME_MAX];
    json_t *names = json_array(), *relax = json_object();
    const bool conflict = answer->outcome == KEEL_PROBLEM_INFEASIBLE;
    for (int k = 0; conflict && k < answer->conflict_n; k++) {
        keel_stated_name(s, answer->conflict[k], name);
        json_array_append_new(names, json_string(name));
        json_object_set_new(relax, name, json_real(answer->conflict_by[k]));
    }
    return json_pack("{s:s, s:o, s:o}", "text",
                     keel_plain_text(keel_why_not(s, answer, text), plain), "names", names, "relax",
                     relax);
}

/* What was tried before this answer; a fixed form outside the set is the last. */
static json_t *fallbacks_json(const keel_problem_answer *answer)
{
    json_t *all = json_array();
    for (int k = 0; k < answer->attempts_n; k++)
        json_array_append_new(
            all, json_pack("{s:s, s:s}", "method", keel_method_name(answer->attempts[k].method),
                           "outcome", keel_problem_outcome_name(answer->attempts[k].outcome)));
    if (answer->certificate.kind == KEEL_CERTIFICATE_FEASIBLE)
        json_array_append_new(all,
                              json_pack("{s:s, s:s}", "method", keel_method_name(answer->method),
                                        "outcome", "nearest_allowed"));
    return all;
}

static void add_solution(json_t *to, const keel_stated *s, const keel_problem_answer *answer)
{
    json_object_set_new(to, "weights", keel_weights_json(s, answer->weights));
    json_object_set_new(to, "cash", json_real(answer->cash));
    json_object_set_new(to, "objective", json_real(answer->objective));
    json_object_set_new(to, "expected_return",
                        s->problem.mean != NULL ? json_real(answer->expected_return) : json_null());
    json_object_set_new(to, "volatility", json_real(answer->volatility));
    json_object_set_new(to, "gross", json_real(answer->gross));
    json_object_set_new(to, "turnover", json_real(answer->turnover));
    json_object_set_new(to, "cost", json_real(answer->cost_frac));
    json_object_set_new(to, "certificate", certificate_json(&answer->certificate));
    json_object_set_new(to, "multipliers", multipliers_json(s, answer));
    if (s->explain && keel_answer_is_explained(answer))
        json_object_set_new(to, "why", why_json(s, answer));
}

json_t *keel_answer_json(const keel_stated *stated, const keel_problem_answer *answer,
                         int64_t solve_ns)
{
    json_t *to = json_object();
    if (stated->id[0] != '\0')
        json_object_set_new(to, "id", json_string(stated->id));
    json_object_set_new(to, "outcome", json_string(keel_problem_outcome_name(answer->outcome)));
    if (answer->outcome == KEEL_PROBLEM_SOLVED)
        add_solution(to, stated, answer);
    else
        json_object_set_new(to, "why_not", keel_why_not_json(stated, answer));
    json_object_set_new(to, "method", json_string(keel_method_name(answer->method)));
    json_object_set_new(to, "fallbacks", fallbacks_json(answer));
    json_object_set_new(to, "iterations", json_integer(answer->certificate.iterations));
    json_object_set_new(to, "time_us", json_real((double)solve_ns / 1e3));
    return to;
}

json_t *keel_refusal_json(const json_t *root, const char *why, uint64_t line)
{
    char plain[KEEL_WHY_NOT_MAX];
    json_t *to = json_object();
    json_t *id = json_object_get(root, "id");
    if (json_is_string(id))
        json_object_set(to, "id", id);
    if (line > 0)
        json_object_set_new(to, "line", json_integer((json_int_t)line));
    json_object_set_new(to, "outcome", json_string("invalid"));
    json_object_set_new(to, "why_not",
                        json_pack("{s:s, s:[]}", "text", keel_plain_text(why, plain), "names"));
    return to;
}

bool keel_answer_write(const json_t *answer, FILE *to)
{
    return json_dumpf(answer, to, JSON_COMPACT | JSON_REAL_PRECISION(17)) == 0 &&
           fputc('\n', to) != EOF;
}
