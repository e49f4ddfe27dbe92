#include "common/base/status.h"

#include <stdio.h>

#define KEEL_STATUS_NAME(code, name, text) name,
#define KEEL_STATUS_TEXT(code, name, text) text,
static const char *const names[] = {KEEL_STATUS_LIST(KEEL_STATUS_NAME)};
static const char *const texts[] = {KEEL_STATUS_LIST(KEEL_STATUS_TEXT)};

const char *keel_status_name(keel_status status)
{
    return (unsigned)status < KEEL_STATUS_COUNT ? names[status] : "bug";
}

const char *keel_status_text(keel_status status)
{
    return (unsigned)status < KEEL_STATUS_COUNT ? texts[status] : "bug: status out of range";
}

keel_status keel_err_set(keel_err *err, keel_status status, const char *fmt, ...)
{
    if (err != NULL) {
        va_list args;
        err->status = status;
        va_start(args, fmt);
        vsnprintf(err->text, sizeof err->text, fmt, args);
        va_end(args);
    }
    return status;
}
