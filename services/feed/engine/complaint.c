#include "services/feed/engine/complaint.h"

#include "common/base/text.h"

#include <string.h>

#define KEEL_COMPLAINT_WORD(name, word, text)   word,
#define KEEL_COMPLAINT_REASON(name, word, text) text,
static const char *const words[] = {KEEL_COMPLAINT_LIST(KEEL_COMPLAINT_WORD)};
static const char *const reasons[] = {KEEL_COMPLAINT_LIST(KEEL_COMPLAINT_REASON)};

/* The end of a path says more than its start. */
static void copy_end(char *to, size_t cap, const char *text)
{
    const size_t len = strlen(text);
    const size_t skip = len < cap ? 0 : len - cap + 1;
    memcpy(to, text + skip, len - skip + 1);
}

/* Values come from broken files: what a terminal would act on is shown as '?'. */
static void copy_value(char *to, size_t cap, const char *text)
{
    size_t len = 0;
    for (; text[len] != '\0' && len + 1 < cap; len++) {
        const unsigned char c = (unsigned char)text[len];
        to[len] = (char)(c < 0x20 || c == 0x7f ? '?' : c);
    }
    if (text[len] != '\0' && len > 3) {
        len -= 3;
        while (len > 0 && ((unsigned char)to[len] & 0xc0) == 0x80)
            len--; /* not inside a UTF-8 sequence */
        memcpy(to + len, "...", 3);
        len += 3;
    }
    to[len] = '\0';
}

void keel_complain(keel_complaints *complaints, keel_complaint_kind kind, const char *file,
                   uint32_t line, uint32_t column, const char *value)
{
    const int held = kind == KEEL_COMPLAINT_JUMP;
    int *n = held ? &complaints->held_n : &complaints->refused_n;
    keel_complaint *first = held ? complaints->held_first : complaints->refused_first;
    complaints->counts[kind]++;
    *(held ? &complaints->held : &complaints->refused) += 1;
    if (*n == KEEL_COMPLAINTS_MAX)
        return;
    keel_complaint *c = &first[(*n)++];
    c->kind = kind;
    c->line = line;
    c->column = column;
    copy_end(c->file, sizeof c->file, file);
    copy_value(c->value, sizeof c->value, value);
}

const char *keel_complaint_word(keel_complaint_kind kind)
{
    return (unsigned)kind < KEEL_COMPLAINT_KINDS ? words[kind] : "";
}

const char *keel_complaint_reason(keel_complaint_kind kind)
{
    return (unsigned)kind < KEEL_COMPLAINT_KINDS ? reasons[kind] : "";
}

void keel_complaint_format(const keel_complaint *complaint, char out[KEEL_COMPLAINT_TEXT_MAX])
{
    size_t len = 0;
    keel_text_add(out, KEEL_COMPLAINT_TEXT_MAX, &len, "%s:%u:%u: '%s': %s", complaint->file,
                  complaint->line, complaint->column, complaint->value,
                  keel_complaint_reason(complaint->kind));
}
