#include "services/workbench/problem_json.h"

#include "common/base/text.h"
#include "common/num/la/sym.h"
#include "services/workbench/json_place.h"
#include "services/workbench/problem_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PIECES_MAX = 256, VECTORS_MAX = 16 }; /* pieces of the arena, and vectors of n among them */

static const char *const fields[] = {
    "id",
    "assets",
    "method",
    "fallbacks",
    "mean",
    "covariance",
    "factors",
    "returns",
    "lower",
    "upper",
    "budget",
    "groups",
    "group_bounds",
    "constraints",
    "current",
    "cost_bps",
    "gross_max",
    "turnover_max",
    "benchmark",
    "tracking_error_max",
    "target_return",
    "target_risk",
    "risk_aversion",
    "risk_free",
    "weights",
    "options",
};
enum { FIELDS = sizeof fields / sizeof *fields };

static const char *const methods[] = {
    "equal_weight", "inverse_volatility", "min_variance", "mean_variance", "target_return",
    "target_risk",  "max_sharpe",         "static",       "markowitz",
};
enum { METHODS = sizeof methods / sizeof *methods };

json_t *keel_problem_parse(const char *text, size_t len, keel_err *err)
{
    char place[KEEL_JSON_PLACE_MAX];
    json_error_t why;
    if (len > KEEL_STATED_BYTES_MAX) {
        keel_err_set(err, KEEL_ETOOBIG, "%zu bytes; a problem has at most %d", len,
                     KEEL_STATED_BYTES_MAX);
        return NULL;
    }
    json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);
    if (root != NULL)
        return root;
    /* The position is behind the token that was refused, which may be the end of a list. */
    const size_t at =
        why.position > 0 && (size_t)why.position <= len ? (size_t)why.position - 1 : 0;
    keel_json_place(text, at, place);
    const bool token = strstr(why.text, "'NaN'") != NULL || strstr(why.text, "Infinity") != NULL ||
                       strstr(why.text, "overflow") != NULL;
    keel_err_set(err, KEEL_EFORMAT, "%s%sline %d, column %d: not JSON: %s%s", place,
                 place[0] != '\0' ? ": " : "", why.line, why.column, why.text,
                 token ? "; numbers must be finite" : "");
    return NULL;
}

static keel_status check_fields(const problem_reading *r)
{
    const char *key;
    json_t *value;
    if (!json_is_object(r->root))
        return problem_refuse(r, "problem: %s; an object is expected", problem_kind(r->root));
    json_object_foreach((json_t *)r->root, key, value)
    {
        int i = 0;
        while (i < FIELDS && strcmp(fields[i], key) != 0)
            i++;
        if (i < FIELDS)
            continue;
        const char *near = keel_text_nearest(key, fields, FIELDS);
        if (near != NULL)
            return problem_refuse(r, "%.80s: no such field; did you mean '%s'?", key, near);
        return problem_refuse(r, "%.80s: no such field", key);
    }
    const json_t *id = json_object_get(r->root, "id");
    if (id != NULL && !json_is_string(id))
        return problem_refuse(r, "id: %s; a text is expected", problem_kind(id));
    if (json_string_length(id) >= KEEL_STATED_ID_MAX)
        return problem_refuse(r, "id: %zu bytes; it may have %d", json_string_length(id),
                              KEEL_STATED_ID_MAX - 1);
    if (id != NULL)
        memcpy(r->to->id, json_string_value(id), json_string_length(id) + 1);
    return KEEL_OK;
}

static keel_status count_assets(const problem_reading *r)
{
    const json_t *assets = json_object_get(r->root, "assets");
    const size_t n = json_array_size(assets);
    if (assets == NULL)
        return problem_refuse(r, "assets: missing; a list of names is expected");
    if (!json_is_array(assets))
        return problem_refuse(r, "assets: %s; a list of names is expected", problem_kind(assets));
    const bool has_factors = json_object_get(r->root, "factors") != NULL;
    const size_t most = has_factors ? KEEL_PROBLEM_FACTOR_N_MAX : KEEL_PROBLEM_N_MAX;
    if (n < 1 || n > most)
        return problem_refuse(r, "assets: %zu names; 1 to %zu are expected%s", n, most,
                              has_factors ? "" : ", and more with factors");
    r->to->assets.n = (int)n;
    r->to->problem.n = (int)n;
    return KEEL_OK;
}

/* Room for everything that the problem can hold, known from its sizes. */
static void take_room(const problem_reading *r)
{
    keel_stated *to = r->to;
    const size_t n = (size_t)to->assets.n;
    size_t groups = json_object_size(json_object_get(r->root, "groups"));
    groups = groups < KEEL_STATED_GROUPS_MAX ? groups : KEEL_STATED_GROUPS_MAX;
    const size_t bytes = problem_covariance_bytes(r) +
                         (n + groups) * (KEEL_LABEL_MAX + sizeof(uint16_t)) + groups * n +
                         (KEEL_PROBLEM_ROWS_MAX + VECTORS_MAX) * n * sizeof(double) +
                         KEEL_PROBLEM_ROWS_MAX * KEEL_CONSTRAINT_NAME_MAX + PIECES_MAX * 16;
    keel_arena_init(&to->arena, bytes);
    to->assets.at = keel_arena_take(&to->arena, n, KEEL_LABEL_MAX);
    to->assets.order = keel_arena_take(&to->arena, n, sizeof(uint16_t));
    to->groups.at = keel_arena_take(&to->arena, groups + 1, KEEL_LABEL_MAX);
    to->groups.order = keel_arena_take(&to->arena, groups + 1, sizeof(uint16_t));
    to->is_member = keel_arena_take(&to->arena, groups * n + 1, 1);
    to->row_names = keel_arena_take(&to->arena, KEEL_PROBLEM_ROWS_MAX, KEEL_CONSTRAINT_NAME_MAX);
}

bool problem_has_control(const char *name)
{
    for (const char *c = name; *c != '\0'; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            return true;
    return false;
}

static keel_status read_assets(const problem_reading *r)
{
    const json_t *assets = json_object_get(r->root, "assets");
    keel_labels *labels = &r->to->assets;
    for (int i = 0; i < labels->n; i++) {
        const json_t *value = json_array_get(assets, (size_t)i);
        const char *name = json_string_value(value);
        if (name == NULL)
            return problem_refuse(r, "assets[%d]: %s; a name is expected", i, problem_kind(value));
        if (name[0] == '\0' || strlen(name) >= KEEL_LABEL_MAX)
            return problem_refuse(r, "assets[%d]: a name has 1 to %d bytes", i, KEEL_LABEL_MAX - 1);
        if (problem_has_control(name))
            return problem_refuse(r, "assets[%d]: a control character; names are printed", i);
        if (strcmp(name, "cash") == 0)
            return problem_refuse(r, "assets[%d]: 'cash' is what is not invested; rename the asset",
                                  i);
        memcpy(labels->at[i], name, strlen(name) + 1);
    }
    const int twice = keel_labels_seal(labels);
    if (twice >= 0)
        return problem_refuse(r, "assets[%d]: '%s' is there twice; names are unique", twice,
                              labels->at[twice]);
    return KEEL_OK;
}

static keel_status name_method(const problem_reading *r, const json_t *value, const char *place,
                               keel_method *method)
{
    const char *name = json_string_value(value);
    int i = 0;
    if (name == NULL)
        return problem_refuse(r,
                              "%s: %s; one of equal_weight, inverse_volatility, "
                              "min_variance, mean_variance, target_return, target_risk, "
                              "max_sharpe, static is expected",
                              place, value == NULL ? "missing" : problem_kind(value));
    while (i < METHODS && strcmp(methods[i], name) != 0)
        i++;
    if (i == METHODS) {
        const char *near = keel_text_nearest(name, methods, METHODS);
        return problem_refuse(r, "%s: no '%.80s'%s%s%s", place, name,
                              near != NULL ? "; did you mean '" : "", near != NULL ? near : "",
                              near != NULL ? "'?" : "");
    }
    if (strcmp(name, "markowitz") == 0)
        name = keel_method_name(KEEL_METHOD_MAX_SHARPE);
    return keel_method_parse(name, method);
}

/* As the method or as a fallback. */
static bool is_tried(const keel_problem *p, keel_method method)
{
    bool tried = p->method == method;
    for (int k = 0; k < p->fallbacks_n; k++)
        tried = tried || p->fallbacks[k] == method;
    return tried;
}

static keel_status read_fallback(const problem_reading *r, const json_t *value, int at)
{
    keel_problem *p = &r->to->problem;
    keel_method *method = &p->fallbacks[at];
    char place[KEEL_JSON_PLACE_MAX];
    snprintf(place, sizeof place, "fallbacks[%d]", at);
    KEEL_TRY(name_method(r, value, place, method));
    if (is_tried(p, *method)) /* fallbacks_n does not count it yet */
        return problem_refuse(r, "%s: %s is tried before; name each method once", place,
                              keel_method_name(*method));
    p->fallbacks_n = at + 1;
    return KEEL_OK;
}

static keel_status read_methods(const problem_reading *r)
{
    const json_t *list = json_object_get(r->root, "fallbacks");
    KEEL_TRY(name_method(r, json_object_get(r->root, "method"), "method", &r->to->problem.method));
    if (list == NULL)
        return KEEL_OK;
    if (!json_is_array(list) || json_array_size(list) > KEEL_FALLBACKS_MAX)
        return problem_refuse(r, "fallbacks: a list of at most %d methods is expected",
                              KEEL_FALLBACKS_MAX);
    for (size_t i = 0; i < json_array_size(list); i++)
        KEEL_TRY(read_fallback(r, json_array_get(list, i), (int)i));
    return KEEL_OK;
}

/* A field of one number: null, or left out, is `none`. */
static keel_status read_scalar(const problem_reading *r, const char *field, double none,
                               double *out)
{
    const json_t *value = json_object_get(r->root, field);
    if (value != NULL && !json_is_null(value))
        return problem_number(r, value, field, out);
    *out = none;
    return KEEL_OK;
}

static bool has(const problem_reading *r, const char *field)
{
    const json_t *value = json_object_get(r->root, field);
    return value != NULL && !json_is_null(value);
}

/* A field that some methods are made of: there for them, and not there for others, whose answer
 * would not keep to it. */
static keel_status check_use(const problem_reading *r, const char *field, keel_method method)
{
    const keel_method own = r->to->problem.method;
    const bool tried = is_tried(&r->to->problem, method);
    if (tried && !has(r, field))
        return problem_refuse(r, "%s: missing; the method %s needs it", field,
                              keel_method_name(method));
    if (!tried && has(r, field))
        return problem_refuse(r, "%s: the method %s does not use it; leave it out, or use %s",
                              field, keel_method_name(own), keel_method_name(method));
    return KEEL_OK;
}

/* Left out: all is invested; null: there is no budget. */
static keel_status read_budget(const problem_reading *r)
{
    const json_t *value = json_object_get(r->root, "budget");
    r->to->problem.budget = value == NULL ? 1 : KEEL_NO_BOUND;
    if (value == NULL || json_is_null(value))
        return KEEL_OK;
    return problem_number(r, value, "budget", &r->to->problem.budget);
}

static keel_status read_scalars(const problem_reading *r)
{
    keel_problem *p = &r->to->problem;
    KEEL_TRY(check_use(r, "target_return", KEEL_METHOD_TARGET_RETURN));
    KEEL_TRY(check_use(r, "target_risk", KEEL_METHOD_TARGET_RISK));
    KEEL_TRY(check_use(r, "risk_aversion", KEEL_METHOD_MEAN_VARIANCE));
    KEEL_TRY(check_use(r, "weights", KEEL_METHOD_STATIC));
    KEEL_TRY(read_budget(r));
    KEEL_TRY(read_scalar(r, "gross_max", KEEL_NO_BOUND, &p->gross_max));
    KEEL_TRY(read_scalar(r, "turnover_max", KEEL_NO_BOUND, &p->turnover_max));
    KEEL_TRY(read_scalar(r, "tracking_error_max", KEEL_NO_BOUND, &p->tracking_error_max));
    KEEL_TRY(read_scalar(r, "target_return", 0, &p->target_return));
    KEEL_TRY(read_scalar(r, "target_risk", 1, &p->target_risk));
    KEEL_TRY(read_scalar(r, "risk_aversion", 0, &p->risk_aversion));
    KEEL_TRY(read_scalar(r, "risk_free", 0, &p->risk_free));
    if (p->gross_max < 0)
        return problem_refuse(r, "gross_max: %.10g; it must be at least 0", p->gross_max);
    if (p->turnover_max < 0)
        return problem_refuse(r, "turnover_max: %.10g; it must be at least 0", p->turnover_max);
    if (p->tracking_error_max <= 0)
        return problem_refuse(r, "tracking_error_max: %.10g; it must be above 0",
                              p->tracking_error_max);
    if (p->target_risk <= 0)
        return problem_refuse(r, "target_risk: %.10g; it must be above 0", p->target_risk);
    if (p->risk_aversion < 0)
        return problem_refuse(r, "risk_aversion: %.10g; it must be at least 0", p->risk_aversion);
    if (has(r, "benchmark") && !has(r, "tracking_error_max"))
        return problem_refuse(r, "benchmark: used by tracking_error_max only; give that too");
    if (has(r, "tracking_error_max") && !has(r, "benchmark"))
        return problem_refuse(r, "tracking_error_max: needs a benchmark; give benchmark");
    return KEEL_OK;
}

/* Read into a vector of its own; *out stays NULL where the field is not there. */
static keel_status read_optional(const problem_reading *r, problem_vector how, const double **out)
{
    if (!has(r, how.field))
        return KEEL_OK;
    double *values = problem_take(r, (size_t)r->to->assets.n);
    KEEL_TRY(problem_read_vector(r, &how, values));
    *out = values;
    return KEEL_OK;
}

static keel_status read_bounds(const problem_reading *r)
{
    const int n = r->to->assets.n;
    double *lower = problem_take(r, (size_t)n), *upper = problem_take(r, (size_t)n);
    const problem_vector below = {.field = "lower",
                                  .fallback = 0,
                                  .least = -INFINITY,
                                  .takes_null = true,
                                  .none = -KEEL_NO_BOUND};
    const problem_vector above = {.field = "upper",
                                  .fallback = 1,
                                  .least = -INFINITY,
                                  .takes_null = true,
                                  .none = KEEL_NO_BOUND};
    KEEL_TRY(problem_read_vector(r, &below, lower));
    KEEL_TRY(problem_read_vector(r, &above, upper));
    for (int i = 0; i < n; i++)
        if (lower[i] > upper[i])
            return problem_refuse(r, "lower[%d]: %.10g, above upper[%d], %.10g, of '%s'", i,
                                  lower[i], i, upper[i], r->to->assets.at[i]);
    r->to->problem.lower = lower;
    r->to->problem.upper = upper;
    return KEEL_OK;
}

static keel_status read_cost(const problem_reading *r)
{
    const double *bps = NULL;
    KEEL_TRY(read_optional(r, (problem_vector){.field = "cost_bps", .least = 0}, &bps));
    if (bps == NULL)
        return KEEL_OK;
    double *cost = problem_take(r, (size_t)r->to->assets.n);
    for (int i = 0; i < r->to->assets.n; i++)
        cost[i] = bps[i] * 1e-4;
    r->to->problem.cost = cost;
    return KEEL_OK;
}

/* Of the methods that are tried, the first that needs a mean; NULL = none does. */
static const char *what_needs_mean(const keel_problem *p)
{
    if (keel_problem_needs_mean(p->method))
        return keel_method_name(p->method);
    for (int k = 0; k < p->fallbacks_n; k++)
        if (keel_problem_needs_mean(p->fallbacks[k]))
            return keel_method_name(p->fallbacks[k]);
    return NULL;
}

static keel_status read_vectors(const problem_reading *r)
{
    keel_problem *p = &r->to->problem;
    const double any = -INFINITY;
    KEEL_TRY(read_bounds(r));
    KEEL_TRY(read_optional(r, (problem_vector){.field = "mean", .least = any, .is_whole = true},
                           &p->mean));
    if (what_needs_mean(p) != NULL && p->mean == NULL)
        return problem_refuse(r, "mean: missing; the method %s needs it (returns give it too)",
                              what_needs_mean(p));
    KEEL_TRY(read_optional(r, (problem_vector){.field = "current", .least = any}, &p->current));
    KEEL_TRY(read_optional(r, (problem_vector){.field = "benchmark", .least = any}, &p->benchmark));
    KEEL_TRY(
        read_optional(r, (problem_vector){.field = "weights", .least = any}, &p->target_weights));
    return read_cost(r);
}

static keel_status read_options(const problem_reading *r)
{
    json_t *options = json_object_get(r->root, "options"), *value;
    const char *key;
    if (options != NULL && !json_is_object(options))
        return problem_refuse(r, "options: %s; an object is expected", problem_kind(options));
    json_object_foreach(options, key, value)
    {
        if (strcmp(key, "explain") != 0)
            return problem_refuse(r, "options.%.80s: no such option; there is explain", key);
        if (!json_is_boolean(value))
            return problem_refuse(r, "options.explain: %s; true or false is expected",
                                  problem_kind(value));
        r->to->explain = json_is_true(value);
    }
    return KEEL_OK;
}

static keel_status read_all(const problem_reading *r)
{
    KEEL_TRY(read_assets(r));
    KEEL_TRY(read_methods(r));
    KEEL_TRY(read_options(r));
    KEEL_TRY(read_scalars(r));
    KEEL_TRY(problem_read_covariance(r));
    KEEL_TRY(read_vectors(r));
    KEEL_TRY(problem_read_groups(r));
    return problem_read_rows(r);
}

keel_status keel_stated_read(const json_t *root, keel_stated *stated, keel_err *err)
{
    keel_err local;
    const problem_reading r = {root, stated, err != NULL ? err : &local};
    memset(stated, 0, sizeof *stated);
    KEEL_TRY(check_fields(&r));
    KEEL_TRY(count_assets(&r));
    take_room(&r);
    const keel_status status = read_all(&r);
    if (status != KEEL_OK)
        keel_stated_free(stated);
    return status;
}

void keel_stated_free(keel_stated *stated)
{
    keel_arena_fini(&stated->arena);
    memset(stated, 0, sizeof *stated);
}

/* The number behind `prefix`, below n; -1 = it is another name. */
static int index_of(const char *name, const char *prefix, int n)
{
    const size_t len = strlen(prefix);
    int64_t i;
    if (strncmp(name, prefix, len) != 0 || keel_text_i64(name + len, &i) != KEEL_OK)
        return -1;
    return i >= 0 && i < n ? (int)i : -1;
}

const char *keel_stated_name(const keel_stated *stated, const char *name,
                             char out[KEEL_CONSTRAINT_NAME_MAX])
{
    const int row = index_of(name, "row:", stated->problem.rows_n);
    const int lower = index_of(name, "lower:", stated->assets.n);
    const int upper = index_of(name, "upper:", stated->assets.n);
    if (row >= 0)
        snprintf(out, KEEL_CONSTRAINT_NAME_MAX, "%s", stated->row_names[row]);
    else if (lower >= 0)
        snprintf(out, KEEL_CONSTRAINT_NAME_MAX, "lower:%s", stated->assets.at[lower]);
    else if (upper >= 0)
        snprintf(out, KEEL_CONSTRAINT_NAME_MAX, "upper:%s", stated->assets.at[upper]);
    else
        snprintf(out, KEEL_CONSTRAINT_NAME_MAX, "%s", name);
    return out;
}
