#include "common/base/assert.h"

#include <stdio.h>
#include <stdlib.h>

void keel_assert_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "keel: bug: %s:%d: %s\n", file, line, condition);
    abort();
}
