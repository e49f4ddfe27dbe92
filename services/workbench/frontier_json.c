#include "services/workbench/frontier_json.h"

#include "services/workbench/answer_json.h"

#include <string.h>

static json_t *sharpe_json(const keel_survey *s, const keel_survey_place *place)
{
    double sharpe;
    return keel_survey_sharpe(s, place, &sharpe) ? json_real(sharpe) : json_null();
}

static void add_place(json_t *to, const keel_survey *s, const keel_survey_place *place)
{
    json_object_set_new(to, "expected_return", json_real(place->expected_return));
    json_object_set_new(to, "volatility", json_real(place->volatility));
    json_object_set_new(to, "sharpe", sharpe_json(s, place));
    json_object_set_new(to, "assets", json_integer(keel_survey_assets(s, place->weights)));
    json_object_set_new(to, "weights", keel_weights_json(s->stated, place->weights));
}

/* A portfolio of the frontier. */
static json_t *place_json(const keel_survey *s, const keel_survey_place *place)
{
    json_t *to = json_pack("{s:f}", "t", place->t);
    add_place(to, s, place);
    return to;
}

static void add_change(json_t *to, const char *name, keel_survey_change change)
{
    char word[32];
    if (change == KEEL_SURVEY_STAYS)
        return;
    snprintf(word, sizeof word, "%s", keel_survey_change_name(change));
    for (char *c = strchr(word, ' '); c != NULL; c = strchr(c, ' '))
        *c = '_';
    json_array_append_new(to, json_pack("{s:s, s:s}", "name", name, "change", word));
}

static json_t *changes_json(const keel_survey *s, int corner)
{
    json_t *to = json_array();
    for (int i = 0; i < s->stated->assets.n; i++)
        add_change(to, s->stated->assets.at[i], keel_survey_asset_change(s, corner, i));
    for (int k = 0; k < s->stated->problem.rows_n; k++)
        add_change(to, s->stated->row_names[k], keel_survey_row_change(s, corner, k));
    return to;
}

static json_t *corners_json(const keel_survey *s)
{
    json_t *to = json_array();
    for (int k = 0; k < s->walk.corners; k++) {
        const keel_survey_place place = keel_survey_corner(s, k);
        json_t *corner = place_json(s, &place);
        json_object_set_new(corner, "residual",
                            json_real(keel_frontier_corner_at(s->frontier, k).residual));
        json_object_set_new(corner, "changes", changes_json(s, k));
        json_array_append_new(to, corner);
    }
    return to;
}

static json_t *points_json(const keel_survey *s)
{
    json_t *to = json_array();
    for (int k = 0; k < s->points_n; k++)
        json_array_append_new(to, place_json(s, &s->points[k]));
    return to;
}

static json_t *best_json(const keel_survey *s)
{
    const keel_problem_outcome outcome = keel_survey_sharpe_outcome(s);
    const keel_problem_answer none = {.outcome = outcome};
    json_t *to = json_pack("{s:s}", "outcome", keel_problem_outcome_name(outcome));
    if (outcome != KEEL_PROBLEM_SOLVED) {
        json_object_set_new(to, "why_not", keel_why_not_json(s->stated, &none));
        return to;
    }
    json_object_set_new(to, "t", json_real(s->max_sharpe.t));
    add_place(to, s, &s->max_sharpe);
    return to;
}

static void add_beside(json_t *to, const keel_survey *s, const keel_survey_beside *beside)
{
    add_place(to, s, &beside->place);
    json_object_set_new(to, "frontier_return",
                        beside->has_frontier ? json_real(beside->frontier_return) : json_null());
}

static json_t *current_json(const keel_survey *s)
{
    if (!s->current.is_there)
        return json_null();
    json_t *to = json_object();
    add_beside(to, s, &s->current);
    return to;
}

static json_t *chosen_json(const keel_survey *s)
{
    if (!s->has_choice)
        return json_null();
    json_t *to = json_pack("{s:s, s:s}", "method", keel_method_name(s->choice.method), "outcome",
                           keel_problem_outcome_name(s->choice.outcome));
    if (s->chosen.is_there)
        add_beside(to, s, &s->chosen);
    else
        json_object_set_new(to, "why_not", keel_why_not_json(s->stated, &s->choice));
    return to;
}

static void add_whole(json_t *to, const keel_survey *s)
{
    json_object_set_new(to, "risk_free", json_real(s->stated->problem.risk_free));
    json_object_set_new(to, "corners", corners_json(s));
    json_object_set_new(to, "points", points_json(s));
    json_object_set_new(to, "min_variance", place_json(s, &s->min_variance));
    json_object_set_new(to, "max_sharpe", best_json(s));
    json_object_set_new(to, "current", current_json(s));
    json_object_set_new(to, "chosen", chosen_json(s));
    json_object_set_new(to, "worst_residual", json_real(s->walk.worst_residual));
}

/* Of a conflict its names; of a walk that broke off its reason. */
static json_t *why_not_json(const keel_survey *s)
{
    char why[KEEL_SURVEY_WHY_MAX];
    if (keel_survey_is_refused(s))
        return keel_why_not_json(s->stated, &s->least);
    return json_pack("{s:s, s:[]}", "text", keel_survey_why_not(s, why), "names");
}

json_t *keel_survey_json(const keel_survey *s, double bars_per_year)
{
    json_t *to = json_object();
    if (s->stated->id[0] != '\0')
        json_object_set_new(to, "id", json_string(s->stated->id));
    json_object_set_new(to, "outcome", json_string(keel_survey_outcome(s)));
    json_object_set_new(to, "bars_per_year",
                        bars_per_year > 0 ? json_real(bars_per_year) : json_null());
    if (s->whole)
        add_whole(to, s);
    else
        json_object_set_new(to, "why_not", why_not_json(s));
    json_object_set_new(to, "time_us", json_real((double)s->walk_ns / 1e3));
    return to;
}
