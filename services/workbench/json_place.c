#include "services/workbench/json_place.h"

#include "common/base/text.h"

#include <stdbool.h>
#include <string.h>

enum { DEPTH_MAX = 8, KEY_SHOWN_MAX = 48 };

typedef struct level {
    bool list;
    long index;      /* list: of the element that is being read */
    const char *key; /* object: of the member that is being read, NULL before the first */
    int key_len;
} level;

/* The end of the string that begins at text[at], its quote included; `end` when not closed. */
static size_t string_end(const char *text, size_t at, size_t end)
{
    for (at++; at < end && text[at] != '"'; at++)
        at += text[at] == '\\';
    return at < end ? at + 1 : end;
}

static const char *write_place(const level *levels, int depth, char out[KEEL_JSON_PLACE_MAX])
{
    size_t len = 0;
    out[0] = '\0';
    for (int i = 0; i < depth; i++) {
        if (levels[i].list)
            keel_text_add(out, KEEL_JSON_PLACE_MAX, &len, "[%ld]", levels[i].index);
        else if (levels[i].key != NULL)
            keel_text_add(out, KEEL_JSON_PLACE_MAX, &len, "%s%.*s", len > 0 ? "." : "",
                          levels[i].key_len, levels[i].key);
    }
    return out;
}

const char *keel_json_place(const char *text, size_t at, char out[KEEL_JSON_PLACE_MAX])
{
    level levels[DEPTH_MAX] = {{0}};
    int depth = 0;
    bool key_due = false;
    for (size_t i = 0; i < at; i++) {
        level *top = depth > 0 ? &levels[depth - 1] : NULL;
        const char c = text[i];
        if (c == '"') {
            const size_t end = string_end(text, i, at);
            if (key_due && top != NULL) {
                const bool closed = end > i + 1 && text[end - 1] == '"';
                const size_t len = end - i - (closed ? 2 : 1);
                top->key = text + i + 1;
                top->key_len = len < KEY_SHOWN_MAX ? (int)len : KEY_SHOWN_MAX;
            }
            key_due = false;
            i = end - 1;
        } else if ((c == '{' || c == '[') && depth < DEPTH_MAX) {
            levels[depth++] = (level){.list = c == '['};
            key_due = c == '{';
        } else if (top != NULL && (c == '}' || c == ']')) {
            depth--;
        } else if (top != NULL && c == ',') {
            top->index++;
            key_due = !top->list;
        }
    }
    return write_place(levels, depth, out);
}
