#include "common/domain/reason.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define REASON_ROW(name, number) {number, #name},
static const struct {
    int code;
    const char *name;
} rows[] = {KEEL_REASON_LIST(REASON_ROW)};

enum { ROWS = sizeof rows / sizeof rows[0] };

const char *keel_reason_name(keel_reason_code code)
{
    for (int i = 0; i < ROWS; i++)
        if (rows[i].code == (int)code)
            return rows[i].name;
    return "";
}

int keel_reason_is_known(int code)
{
    for (int i = 0; i < ROWS; i++)
        if (rows[i].code == code)
            return code != KEEL_REASON_UNSPECIFIED;
    return 0;
}

/* Length of text without a last character that was cut through: receivers refuse broken UTF-8. */
static size_t whole_characters(const char *text, size_t len)
{
    size_t start = len;
    while (start > 0 && len - start < 4 && ((unsigned char)text[start - 1] & 0xc0) == 0x80)
        start--;
    if (start == 0)
        return len;
    const unsigned char lead = (unsigned char)text[start - 1];
    const size_t want = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
    return len - (start - 1) < want ? start - 1 : len;
}

void keel_reason_set(keel_reason *reason, keel_reason_code code, const char *fmt, ...)
{
    va_list args;
    memset(reason, 0, sizeof *reason);
    reason->code = code;
    va_start(args, fmt);
    const int n = vsnprintf(reason->text, sizeof reason->text, fmt, args);
    va_end(args);
    if (n >= (int)sizeof reason->text) {
        const size_t kept = whole_characters(reason->text, sizeof reason->text - 1);
        memset(reason->text + kept, 0, sizeof reason->text - kept);
    }
}
