/* text.h - strings with a known end: building, parsing, nearest word.
 *
 * ROOM     common/base. The parsers take the whole string or refuse it; they know no locale.
 * THREADS  any.
 */
#ifndef KEEL_COMMON_BASE_TEXT_H
#define KEEL_COMMON_BASE_TEXT_H

#include "common/base/status.h"

#include <stddef.h>
#include <stdint.h>

/* Copy text into to[cap]; KEEL_ETOOBIG and to = "" when it does not fit with its NUL. */
KEEL_MUST_CHECK keel_status keel_text_copy(char *to, size_t cap, const char *text);

/* Whole-string numbers. KEEL_EFORMAT: not a number of that kind; KEEL_ERANGE: too large;
 * KEEL_ENONFINITE: nan or inf. *out untouched on refusal. */
KEEL_MUST_CHECK keel_status keel_text_i64(const char *text, int64_t *out);
KEEL_MUST_CHECK keel_status keel_text_u64(const char *text, uint64_t *out);
KEEL_MUST_CHECK keel_status keel_text_real(const char *text, double *out);

/* The entry of words[n] nearest to `word` (Levenshtein distance <= 1 + length / 3), else NULL:
 * what "did you mean" says. Cost: n * length^2. */
const char *keel_text_nearest(const char *word, const char *const *words, size_t n);

/* Append formatted text at to[*len], keeping it terminated; false when it was cut. */
bool keel_text_add(char *to, size_t cap, size_t *len, const char *fmt, ...) KEEL_PRINTF(4, 5);

/* Bytes of the UTF-8 character that text[left], left >= 1, begins with; 0: none does. */
size_t keel_text_utf8_step(const char *text, size_t left);
bool keel_text_is_utf8(const char *text, size_t len);

#endif
