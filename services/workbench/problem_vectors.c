#include "services/workbench/problem_internal.h"

#include "common/num/stats/moments.h"

#include <math.h>
#include <string.h>

enum { PLACE_MAX = 160 };

keel_status problem_refuse(const problem_reading *r, const char *fmt, ...)
{
    char text[KEEL_ERR_TEXT_MAX];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return keel_err_set(r->err, KEEL_EINVAL, "%s", text);
}

const char *problem_kind(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "a list";
    case JSON_STRING:
        return "a text";
    case JSON_INTEGER:
    case JSON_REAL:
        return "a number";
    case JSON_TRUE:
    case JSON_FALSE:
        return "true or false";
    case JSON_NULL:
        return "null";
    }
    return "nothing";
}

double *problem_take(const problem_reading *r, size_t n)
{
    return keel_arena_take(&r->to->arena, n > 0 ? n : 1, sizeof(double));
}

keel_status problem_number(const problem_reading *r, const json_t *value, const char *place,
                           double *out)
{
    if (!json_is_number(value))
        return problem_refuse(r, "%s: %s; a number is expected", place, problem_kind(value));
    const double x = json_number_value(value);
    if (!(fabs(x) <= KEEL_USABLE_MAX))
        return problem_refuse(r, "%s: %.10g; numbers are at most 1e100", place, x);
    *out = x;
    return KEEL_OK;
}

static keel_status read_one(const problem_reading *r, const problem_vector *how,
                            const json_t *value, const char *place, double *out)
{
    if (json_is_null(value) && how->takes_null) {
        *out = how->none;
        return KEEL_OK;
    }
    KEEL_TRY(problem_number(r, value, place, out));
    if (*out < how->least)
        return problem_refuse(r, "%s: %.10g; it must be at least %.10g", place, *out, how->least);
    return KEEL_OK;
}

static keel_status read_list(const problem_reading *r, const problem_vector *how,
                             const json_t *list, double *out)
{
    char place[PLACE_MAX];
    const int n = r->to->assets.n;
    if (json_array_size(list) != (size_t)n)
        return problem_refuse(r, "%s: %zu numbers for %d assets; give one for each", how->field,
                              json_array_size(list), n);
    for (int i = 0; i < n; i++) {
        snprintf(place, sizeof place, "%s[%d]", how->field, i);
        KEEL_TRY(read_one(r, how, json_array_get(list, (size_t)i), place, &out[i]));
    }
    return KEEL_OK;
}

static keel_status refuse_label(const problem_reading *r, const char *field, const char *name)
{
    const char *near = keel_labels_nearest(&r->to->assets, NULL, name);
    if (near != NULL)
        return problem_refuse(r, "%s.%s: not among the assets; did you mean '%s'?", field, name,
                              near);
    return problem_refuse(r, "%s.%s: not among the assets; leave it out, or add it to assets",
                          field, name);
}

static keel_status read_object(const problem_reading *r, const problem_vector *how, json_t *object,
                               double *out)
{
    char place[PLACE_MAX];
    const char *name;
    json_t *value;
    for (int i = 0; i < r->to->assets.n; i++) {
        if (how->is_whole && json_object_get(object, r->to->assets.at[i]) == NULL)
            return problem_refuse(r, "%s: no number for '%s'; every asset needs one", how->field,
                                  r->to->assets.at[i]);
        out[i] = how->fallback;
    }
    json_object_foreach(object, name, value)
    {
        const int i = keel_labels_find(&r->to->assets, name);
        if (i < 0)
            return refuse_label(r, how->field, name);
        snprintf(place, sizeof place, "%s.%s", how->field, name);
        KEEL_TRY(read_one(r, how, value, place, &out[i]));
    }
    return KEEL_OK;
}

keel_status problem_read_vector(const problem_reading *r, const problem_vector *how, double *out)
{
    json_t *value = json_object_get(r->root, how->field);
    if (json_is_array(value))
        return read_list(r, how, value, out);
    if (json_is_object(value))
        return read_object(r, how, value, out);
    if (value != NULL && how->is_whole)
        return problem_refuse(r,
                              "%s: %s; a list in the order of assets, or an object by their "
                              "names, is expected",
                              how->field, problem_kind(value));
    double all = how->fallback;
    if (value != NULL)
        KEEL_TRY(read_one(r, how, value, how->field, &all));
    for (int i = 0; i < r->to->assets.n; i++)
        out[i] = all;
    return KEEL_OK;
}
