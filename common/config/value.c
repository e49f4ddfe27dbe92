#include "common/base/text.h"
#include "common/base/timefmt.h"
#include "common/config/config_internal.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { CHOICES_MAX = 32, CHOICE_BYTES_MAX = 512 };

static const char *kind_of(keel_cfg_type type)
{
    switch (type) {
    case KEEL_CFG_T_INT:
    case KEEL_CFG_T_I64:
        return "a whole number";
    case KEEL_CFG_T_REAL:
        return "a number";
    case KEEL_CFG_T_FRAC:
        return "a fraction such as 0.8 or 80%";
    case KEEL_CFG_T_DUR:
        return "a duration such as 250ms, 1h or 30d";
    case KEEL_CFG_T_BOOL:
        return "true or false";
    case KEEL_CFG_T_END:
    case KEEL_CFG_T_STR:
    case KEEL_CFG_T_ENUM:
    case KEEL_CFG_T_TREE:
    case KEEL_CFG_T_LATER:
        break;
    }
    return "a text";
}

/* A number of any of the numeric types, so that bounds are compared in one place. */
typedef struct number {
    bool whole;
    int64_t i;
    double r;
} number;

static keel_status read_fraction(const char *text, double *out)
{
    char plain[64];
    const size_t len = strlen(text);
    if (len == 0 || text[len - 1] != '%')
        return keel_text_real(text, out);
    if (len >= sizeof plain - 4 || strpbrk(text, "eE") != NULL)
        return KEEL_EFORMAT;
    /* through the decimal exponent: dividing by 100 would round a second time */
    snprintf(plain, sizeof plain, "%.*se-2", (int)len - 1, text);
    return keel_text_real(plain, out);
}

static keel_status read_number(keel_cfg_type type, const char *text, number *out)
{
    out->whole = type != KEEL_CFG_T_REAL && type != KEEL_CFG_T_FRAC;
    if (type == KEEL_CFG_T_REAL)
        return keel_text_real(text, &out->r);
    if (type == KEEL_CFG_T_FRAC)
        return read_fraction(text, &out->r);
    if (type == KEEL_CFG_T_DUR)
        return keel_duration_parse(text, &out->i);
    KEEL_TRY(keel_text_i64(text, &out->i));
    if (type == KEEL_CFG_T_INT && (out->i < INT_MIN || out->i > INT_MAX))
        return KEEL_ERANGE;
    return KEEL_OK;
}

static bool less(const number *a, const number *b)
{
    return a->whole ? a->i < b->i : a->r < b->r;
}

static keel_status out_of_range(const config_reading *r, keel_err *err)
{
    const bool is_fraction = r->type == KEEL_CFG_T_FRAC;
    const char *least = r->min != NULL ? r->min : is_fraction ? "0" : "any";
    const char *most = r->max != NULL ? r->max : is_fraction ? "1" : "any";
    const bool has_unit = r->unit != NULL && r->unit[0] != '\0';
    return keel_err_set(err, KEEL_ERANGE, "%s: %s: \"%.80s\" is out of range: from %s to %s%s%s",
                        r->where, r->what, r->text, least, most, has_unit ? " " : "",
                        has_unit ? r->unit : "");
}

static bool in_bounds(const config_reading *r, const number *value)
{
    number bound = {0};
    if (r->type == KEEL_CFG_T_FRAC && value->r < 0.0)
        return false;
    if (r->min != NULL && read_number(r->type, r->min, &bound) == KEEL_OK && less(value, &bound))
        return false;
    return r->max == NULL || read_number(r->type, r->max, &bound) != KEEL_OK ||
           !less(&bound, value);
}

static keel_status put_number(const config_reading *r, void *out, keel_err *err)
{
    number value = {0};
    const keel_status status = read_number(r->type, r->text, &value);
    if (status == KEEL_ERANGE)
        return out_of_range(r, err);
    if (status != KEEL_OK)
        return keel_err_set(err, status, "%s: %s: \"%.80s\" is not %s", r->where, r->what, r->text,
                            kind_of(r->type));
    if (r->type == KEEL_CFG_T_FRAC && value.r > 1.0)
        return keel_err_set(err, KEEL_ERANGE,
                            "%s: %s: \"%.80s\" is above 1; did you mean %.10g or %.10g%%?",
                            r->where, r->what, r->text, value.r / 100, value.r);
    if (!in_bounds(r, &value))
        return out_of_range(r, err);
    if (r->type == KEEL_CFG_T_INT)
        *(int *)out = (int)value.i;
    else if (value.whole)
        *(int64_t *)out = value.i;
    else
        *(double *)out = value.r == 0.0 ? 0.0 : value.r; /* -0 and 0 are one setting */
    return KEEL_OK;
}

static keel_status put_text(const config_reading *r, void *out, keel_err *err)
{
    int64_t least = 0, most = CONFIG_SCALAR_BYTES_MAX;
    if (r->min != NULL)
        KEEL_TRY(keel_text_i64(r->min, &least));
    if (r->max != NULL)
        KEEL_TRY(keel_text_i64(r->max, &most));
    const int64_t len = (int64_t)strlen(r->text);
    if (len < least || len > most)
        return keel_err_set(err, KEEL_ERANGE,
                            "%s: %s: \"%.80s\" is %" PRId64 " bytes long, allowed %" PRId64
                            " to %" PRId64,
                            r->where, r->what, r->text, len, least, most);
    *(const char **)out = r->text;
    return KEEL_OK;
}

static keel_status put_bool(const config_reading *r, void *out, keel_err *err)
{
    static const char *const words[] = {"true", "false", "yes", "no", "on", "off"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcasecmp(r->text, words[i]) == 0) {
            *(bool *)out = i % 2 == 0;
            return KEEL_OK;
        }
    }
    return keel_err_set(err, KEEL_EFORMAT, "%s: %s: \"%.80s\" is not true or false", r->where,
                        r->what, r->text);
}

static keel_status put_choice(const config_reading *r, void *out, keel_err *err)
{
    char copy[CHOICE_BYTES_MAX];
    const char *words[CHOICES_MAX];
    size_t n = 0;
    char *rest = copy;
    KEEL_TRY(keel_text_copy(copy, sizeof copy, r->min));
    for (char *word; n < CHOICES_MAX && (word = strsep(&rest, "|")) != NULL; n++)
        words[n] = word;
    for (size_t i = 0; i < n; i++) {
        if (strcmp(r->text, words[i]) == 0) {
            *(int *)out = (int)i;
            return KEEL_OK;
        }
    }
    const char *nearest = keel_text_nearest(r->text, words, n);
    return keel_err_set(err, KEEL_EUNKNOWN, "%s: %s: \"%.80s\" is none of %s%s%s%s", r->where,
                        r->what, r->text, r->min, nearest != NULL ? "; did you mean " : "",
                        nearest != NULL ? nearest : "", nearest != NULL ? "?" : "");
}

keel_status config_value(const config_reading *r, void *out, keel_err *err)
{
    switch (r->type) {
    case KEEL_CFG_T_STR:
        return put_text(r, out, err);
    case KEEL_CFG_T_BOOL:
        return put_bool(r, out, err);
    case KEEL_CFG_T_ENUM:
        return put_choice(r, out, err);
    case KEEL_CFG_T_INT:
    case KEEL_CFG_T_I64:
    case KEEL_CFG_T_REAL:
    case KEEL_CFG_T_FRAC:
    case KEEL_CFG_T_DUR:
        return put_number(r, out, err);
    case KEEL_CFG_T_END:
    case KEEL_CFG_T_TREE:
    case KEEL_CFG_T_LATER:
        break;
    }
    return keel_err_set(err, KEEL_EINVAL, "%s: %s: has no single value", r->where, r->what);
}

keel_status keel_config_parse(const keel_config_node *node, keel_cfg_type type, const char *min,
                              const char *max, const char *what, void *out, keel_err *err)
{
    if (node == NULL)
        return keel_err_set(err, KEEL_EINVAL, "%s: required, not given", what);
    if (node->kind == CONFIG_NULL)
        return keel_err_set(err, KEEL_EINVAL,
                            "%s: %s: no value given; delete the line for the default", node->where,
                            what);
    if (node->kind != CONFIG_SCALAR)
        return keel_err_set(err, KEEL_EINVAL, "%s: %s: must be one value, not a %s", node->where,
                            what, node->kind == CONFIG_LIST ? "list" : "map");
    const config_reading reading = {type, node->text, min, max, "", node->where, what};
    return config_value(&reading, out, err);
}
