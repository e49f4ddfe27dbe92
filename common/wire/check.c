#include "common/wire/wire_internal.h"

#include <math.h>
#include <string.h>

/* Lengths of UTF-8 sequences by their first byte, with the smallest and largest second byte: the
 * table 3-7 of the Unicode standard, which leaves out overlong forms and surrogates. */
size_t wire_utf8_char(const unsigned char *c, size_t left)
{
    unsigned char lo = 0x80, hi = 0xbf;
    size_t len;
    if (c[0] < 0x80)
        return 1;
    if (c[0] >= 0xc2 && c[0] <= 0xdf)
        len = 2;
    else if (c[0] >= 0xe0 && c[0] <= 0xef)
        len = 3;
    else if (c[0] >= 0xf0 && c[0] <= 0xf4)
        len = 4;
    else
        return 0;
    if (c[0] == 0xe0)
        lo = 0xa0;
    else if (c[0] == 0xed)
        hi = 0x9f;
    else if (c[0] == 0xf0)
        lo = 0x90;
    else if (c[0] == 0xf4)
        hi = 0x8f;
    if (len > left || c[1] < lo || c[1] > hi)
        return 0;
    for (size_t i = 2; i < len; i++) {
        if ((c[i] & 0xc0) != 0x80)
            return 0;
    }
    return len;
}

static bool is_utf8(const char *text, size_t len)
{
    for (size_t i = 0; i < len;) {
        const size_t step = wire_utf8_char((const unsigned char *)text + i, len - i);
        if (step == 0)
            return false;
        i += step;
    }
    return true;
}

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
        good = is_utf8(text, len);
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
