#include "common/base/text.h"
#include "common/wire/wire_internal.h"

#include <math.h>
#include <string.h>

static bool is_word(const char *text, size_t len, const char *others)
{
    for (size_t i = 0; i < len; i++) {
        const char c = text[i];
        const bool plain =
            (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (!plain && strchr(others, c) == NULL)
            return false;
    }
    return true;
}

static bool is_visible(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (text[i] <= ' ' || text[i] > '~')
            return false;
    }
    return true;
}

keel_status wire_check_text(const char *text, size_t cap, wire_rule rule, wire_need need)
{
    const size_t len = strnlen(text, cap);
    bool good;
    if (len == cap)
        return KEEL_ETOOBIG;
    if (len == 0)
        return need == WIRE_REQUIRED ? KEEL_EFORMAT : KEEL_OK;
    if (rule == WIRE_NAME)
        good = is_word(text, len, "_:/@.-");
    else if (rule == WIRE_RUN)
        good = is_word(text, len, "-");
    else if (rule == WIRE_TOPIC)
        good = is_word(text, len, "_:/@.%-") && text[len - 1] == '.';
    else if (rule == WIRE_VISIBLE)
        good = is_visible(text, len);
    else
        good = keel_text_is_utf8(text, len);
    return good ? KEEL_OK : KEEL_EINVAL;
}

keel_status wire_check_reals(const double *values, size_t n, wire_rule rule)
{
    double lo = -HUGE_VAL, hi = HUGE_VAL;
    if (rule == WIRE_NOT_NEG || rule == WIRE_FRACTION)
        lo = 0.0;
    else if (rule == WIRE_COSINE)
        lo = -1.0;
    if (rule == WIRE_FRACTION || rule == WIRE_COSINE)
        hi = 1.0;
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(values[i]))
            return KEEL_ENONFINITE;
        if (values[i] < lo || values[i] > hi)
            return KEEL_ERANGE;
    }
    return KEEL_OK;
}
