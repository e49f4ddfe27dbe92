/* verdict.h - what a plain main finds, a line each, and how it ends.
 *
 * ROOM     tests/support. "ok   WHAT" or "FAIL WHAT: WHY", at once; a test that forks goes on
 *          counting from where it was.
 * THREADS  one.
 */
#ifndef KEEL_TESTS_SUPPORT_VERDICT_H
#define KEEL_TESTS_SUPPORT_VERDICT_H

#include <stdbool.h>

void keel_verdict(bool ok, const char *what);
void keel_verdict_why(bool ok, const char *what, const char *why); /* "" = nothing to add */

bool keel_verdicts_failed(void); /* so far */
int keel_verdicts_end(void);     /* "N passed, N failed"; what main returns */

#endif
