#include "tests/support/verdict.h"

#include <stdarg.h>
#include <stdio.h>

static int passed, failed;

void keel_verdict(bool ok, const char *what)
{
    keel_verdict_why(ok, what, "");
}

void keel_verdict_why(bool ok, const char *what, const char *why)
{
    printf("%s %s%s%s\n", ok ? "ok  " : "FAIL", what, why[0] != '\0' ? ": " : "", why);
    fflush(stdout);
    passed += ok;
    failed += !ok;
}

bool keel_fails(char *why, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(why, KEEL_WHY_MAX, fmt, args);
    va_end(args);
    return false;
}

bool keel_verdicts_failed(void)
{
    return failed > 0;
}

int keel_verdicts_end(void)
{
    printf("%d passed, %d failed\n", passed, failed);
    return failed > 0;
}
