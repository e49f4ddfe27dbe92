/* verdict.h - what a plain main finds, a line each, and how it ends.
 *
 * ROOM     tests/support. "ok   WHAT" or "FAIL WHAT: WHY", at once; a test that forks goes on
 *          counting from where it was.
 * THREADS  one.
 */
#ifndef KEEL_TESTS_SUPPORT_VERDICT_H
#define KEEL_TESTS_SUPPORT_VERDICT_H

#include "common/base/status.h"

void keel_verdict(bool ok, const char *what);
void keel_verdict_why(bool ok, const char *what, const char *why); /* "" = nothing to add */

/* Say why in why[KEEL_WHY_MAX]; always false. */
enum { KEEL_WHY_MAX = 512 };
bool keel_fails(char *why, const char *fmt, ...) KEEL_PRINTF(2, 3);

bool keel_verdicts_failed(void); /* so far */
int keel_verdicts_end(void);     /* "N passed, N failed"; what main returns */

#endif
