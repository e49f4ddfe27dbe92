#include "common/base/text.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORD_MAX = 96 }; /* longer words are not worth guessing at */

keel_status keel_text_copy(char *to, size_t cap, const char *text)
{
    const size_t len = strlen(text);
    if (len >= cap) {
        if (cap > 0)
            to[0] = '\0';
        return KEEL_ETOOBIG;
    }
    memcpy(to, text, len + 1);
    return KEEL_OK;
}

keel_status keel_text_i64(const char *text, int64_t *out)
{
    char *end;
    const char first = text[0] == '-' ? text[1] : text[0];
    if (first < '0' || first > '9')
        return KEEL_EFORMAT;
    errno = 0;
    const long long value = strtoll(text, &end, 10);
    if (*end != '\0')
        return KEEL_EFORMAT;
    if (errno == ERANGE)
        return KEEL_ERANGE;
    *out = value;
    return KEEL_OK;
}

keel_status keel_text_u64(const char *text, uint64_t *out)
{
    char *end;
    if (text[0] < '0' || text[0] > '9')
        return KEEL_EFORMAT;
    errno = 0;
    const unsigned long long value = strtoull(text, &end, 10);
    if (*end != '\0')
        return KEEL_EFORMAT;
    if (errno == ERANGE)
        return KEEL_ERANGE;
    *out = value;
    return KEEL_OK;
}

keel_status keel_text_real(const char *text, double *out)
{
    char *end;
    if (text[0] == '\0' || strpbrk(text, "xX \t\n\v\f\r") != NULL)
        return KEEL_EFORMAT;
    errno = 0;
    const double value = strtod(text, &end);
    if (end == text || *end != '\0')
        return KEEL_EFORMAT;
    if (!isfinite(value))
        return errno == ERANGE ? KEEL_ERANGE : KEEL_ENONFINITE;
    *out = value;
    return KEEL_OK;
}

static size_t distance(const char *a, size_t na, const char *b, size_t nb)
{
    size_t row[WORD_MAX + 1];
    for (size_t j = 0; j <= nb; j++)
        row[j] = j;
    for (size_t i = 1; i <= na; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= nb; j++) {
            const size_t swap = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            size_t best = row[j - 1] < row[j] ? row[j - 1] + 1 : row[j] + 1;
            row[j] = swap < best ? swap : best;
        }
    }
    return row[nb];
}

const char *keel_text_nearest(const char *word, const char *const *words, size_t n)
{
    const size_t len = strlen(word);
    const char *found = NULL;
    size_t best = 2 + len / 3;
    for (size_t i = 0; i < n && len <= WORD_MAX; i++) {
        const size_t other = strlen(words[i]);
        if (other > WORD_MAX)
            continue;
        const size_t d = distance(word, len, words[i], other);
        if (d < best) {
            best = d;
            found = words[i];
        }
    }
    return found;
}

bool keel_text_add(char *to, size_t cap, size_t *len, const char *fmt, ...)
{
    va_list args;
    if (*len >= cap)
        return false;
    va_start(args, fmt);
    const int n = vsnprintf(to + *len, cap - *len, fmt, args);
    va_end(args);
    if (n < 0 || (size_t)n >= cap - *len) {
        *len = cap - 1;
        return false;
    }
    *len += (size_t)n;
    return true;
}

/* Lengths of UTF-8 sequences by their first byte, with the smallest and largest second byte: the
 * table 3-7 of the Unicode standard, which leaves out overlong forms and surrogates. */
size_t keel_text_utf8_step(const char *text, size_t left)
{
    const unsigned char *c = (const unsigned char *)text;
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

bool keel_text_is_utf8(const char *text, size_t len)
{
    for (size_t i = 0; i < len;) {
        const size_t step = keel_text_utf8_step(text + i, len - i);
        if (step == 0)
            return false;
        i += step;
    }
    return true;
}
