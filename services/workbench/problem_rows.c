#include "services/workbench/problem_internal.h"

#include "common/base/text.h"

#include <math.h>
#include <string.h>

static keel_status refuse_group(const problem_reading *r, const char *name)
{
    const char *near = keel_labels_nearest(&r->to->groups, NULL, name);
    if (near != NULL)
        return problem_refuse(r, "group_bounds.%s: not among the groups; did you mean '%s'?", name,
                              near);
    return problem_refuse(r, "group_bounds.%s: not among the groups; add it to groups", name);
}

static keel_status read_members(const problem_reading *r, int group, const char *name,
                                const json_t *list)
{
    unsigned char *row = r->to->is_member + (size_t)group * (size_t)r->to->assets.n;
    const json_t *value;
    size_t k;
    if (!json_is_array(list) || json_array_size(list) == 0)
        return problem_refuse(r, "groups.%s: a list of names of assets is expected", name);
    json_array_foreach(list, k, value)
    {
        const char *asset = json_string_value(value);
        const int i = asset != NULL ? keel_labels_find(&r->to->assets, asset) : -1;
        const char *near =
            asset != NULL && i < 0 ? keel_labels_nearest(&r->to->assets, NULL, asset) : NULL;
        if (asset == NULL)
            return problem_refuse(r, "groups.%s[%zu]: %s; the name of an asset is expected", name,
                                  k, problem_kind(value));
        if (i < 0)
            return problem_refuse(r, "groups.%s[%zu]: '%s' is not among the assets%s%s%s", name, k,
                                  asset, near != NULL ? "; did you mean '" : "",
                                  near != NULL ? near : "", near != NULL ? "'?" : "");
        if (row[i])
            return problem_refuse(r, "groups.%s[%zu]: '%s' is there twice", name, k, asset);
        row[i] = 1;
    }
    return KEEL_OK;
}

static keel_status check_group_name(const problem_reading *r, const char *name)
{
    if (name[0] == '\0' || strlen(name) >= KEEL_LABEL_MAX)
        return problem_refuse(r, "groups.%.80s: a name has 1 to %d bytes", name,
                              KEEL_LABEL_MAX - 1);
    if (problem_has_control(name))
        return problem_refuse(r, "groups: a control character in a name; names are printed");
    if (strcmp(name, "cash") == 0)
        return problem_refuse(r, "groups.cash: 'cash' is what is not invested; rename the group");
    if (keel_labels_find(&r->to->assets, name) >= 0)
        return problem_refuse(r, "groups.%s: an asset has this name; rename the group", name);
    return KEEL_OK;
}

keel_status problem_read_groups(const problem_reading *r)
{
    json_t *groups = json_object_get(r->root, "groups");
    keel_labels *labels = &r->to->groups;
    const char *name;
    json_t *value;
    if (groups == NULL)
        return KEEL_OK;
    if (!json_is_object(groups))
        return problem_refuse(r, "groups: %s; an object is expected: name to list of assets",
                              problem_kind(groups));
    if (json_object_size(groups) > KEEL_STATED_GROUPS_MAX)
        return problem_refuse(r, "groups: %zu; there may be %d", json_object_size(groups),
                              KEEL_STATED_GROUPS_MAX);
    json_object_foreach(groups, name, value)
    {
        KEEL_TRY(check_group_name(r, name));
        memcpy(labels->at[labels->n], name, strlen(name) + 1);
        KEEL_TRY(read_members(r, labels->n, name, value));
        labels->n++;
    }
    (void)keel_labels_seal(labels); /* keys of an object: none is there twice */
    return KEEL_OK;
}

static keel_status add_row(const problem_reading *r, const char *field, double *a, double lo,
                           double hi)
{
    keel_stated *to = r->to;
    const int k = to->problem.rows_n;
    keel_problem_row *row = &to->rows[k];
    if (lo > hi)
        return problem_refuse(r, "%s: the lower side, %.10g, is above the upper, %.10g", field, lo,
                              hi);
    if (lo <= -KEEL_NO_BOUND && hi >= KEEL_NO_BOUND)
        return KEEL_OK; /* [null, null] */
    snprintf(row->name, sizeof row->name, "row:%d", k);
    row->a = a;
    row->lo = lo;
    row->hi = hi;
    to->problem.rows_n++;
    return KEEL_OK;
}

static keel_status read_side(const problem_reading *r, const json_t *value, const char *place,
                             double none, double *out)
{
    if (!json_is_null(value))
        return problem_number(r, value, place, out);
    *out = none;
    return KEEL_OK;
}

static keel_status read_band(const problem_reading *r, const char *name, const json_t *band)
{
    char field[KEEL_LABEL_MAX + 16], place[KEEL_LABEL_MAX + 24];
    const int g = keel_labels_find(&r->to->groups, name), n = r->to->assets.n;
    double lo, hi;
    if (g < 0)
        return refuse_group(r, name);
    snprintf(field, sizeof field, "group_bounds.%s", name);
    if (json_array_size(band) != 2)
        return problem_refuse(r, "%s: [lowest, highest] is expected; null = none", field);
    snprintf(place, sizeof place, "%s[0]", field);
    KEEL_TRY(read_side(r, json_array_get(band, 0), place, -KEEL_NO_BOUND, &lo));
    snprintf(place, sizeof place, "%s[1]", field);
    KEEL_TRY(read_side(r, json_array_get(band, 1), place, KEEL_NO_BOUND, &hi));
    double *a = problem_take(r, (size_t)n);
    for (int i = 0; i < n; i++)
        a[i] = r->to->is_member[(size_t)g * (size_t)n + (size_t)i];
    snprintf(r->to->row_names[r->to->problem.rows_n], KEEL_CONSTRAINT_NAME_MAX, "group:%s", name);
    return add_row(r, field, a, lo, hi);
}

static bool is_there(const keel_stated *to, const char *name)
{
    for (int k = 0; k < to->problem.rows_n; k++)
        if (strcmp(to->row_names[k], name) == 0)
            return true;
    return false;
}

static keel_status read_text(const problem_reading *r, size_t k, const json_t *value)
{
    const keel_vocabulary words = {&r->to->assets, &r->to->groups, r->to->is_member};
    keel_constraint_row row = {.a = problem_take(r, (size_t)r->to->assets.n)};
    char field[32];
    keel_err err;
    snprintf(field, sizeof field, "constraints[%zu]", k);
    if (!json_is_string(value))
        return problem_refuse(r, "%s: %s; a text is expected: \"BTC + ETH <= 40%%\"", field,
                              problem_kind(value));
    if (keel_constraint_read(json_string_value(value), &words, &row, &err) != KEEL_OK)
        return problem_refuse(r, "%s: %.400s", field, err.text);
    if (row.name[0] == '\0')
        snprintf(row.name, sizeof row.name, "%s", field);
    if (is_there(r->to, row.name))
        return KEEL_OK; /* the same once more asks for nothing else */
    memcpy(r->to->row_names[r->to->problem.rows_n], row.name, sizeof row.name);
    return add_row(r, field, row.a, row.lo, row.hi);
}

keel_status problem_read_rows(const problem_reading *r)
{
    json_t *bands = json_object_get(r->root, "group_bounds"), *value;
    const json_t *texts = json_object_get(r->root, "constraints");
    const char *name;
    size_t k;
    if (bands != NULL && !json_is_object(bands))
        return problem_refuse(r, "group_bounds: %s; an object is expected: name to [lo, hi]",
                              problem_kind(bands));
    if (texts != NULL && !json_is_array(texts))
        return problem_refuse(r, "constraints: %s; a list of texts is expected",
                              problem_kind(texts));
    if (json_object_size(bands) + json_array_size(texts) > KEEL_PROBLEM_ROWS_MAX)
        return problem_refuse(r, "constraints: %zu, with those of groups; there may be %d",
                              json_object_size(bands) + json_array_size(texts),
                              KEEL_PROBLEM_ROWS_MAX);
    json_object_foreach(bands, name, value) KEEL_TRY(read_band(r, name, value));
    json_array_foreach(texts, k, value) KEEL_TRY(read_text(r, k, value));
    r->to->problem.rows = r->to->rows;
    return KEEL_OK;
}
