#include "services/workbench/stream.h"

#include "services/workbench/answer_json.h"
#include "services/workbench/solvers.h"

#include <string.h>

enum { LINE_BYTES_FIRST = 1 << 16 };

typedef struct line {
    char *bytes; /* owned */
    size_t cap;
    size_t len; /* of the line, its newline left out; past KEEL_STATED_BYTES_MAX nothing is kept */
} line;

static void grow(line *l)
{
    char *more = keel_xcalloc(2 * l->cap, 1);
    memcpy(more, l->bytes, l->cap);
    keel_free(&l->bytes);
    l->bytes = more;
    l->cap *= 2;
}

/* false at the end, when nothing stands before it. */
static bool read_line(FILE *from, line *l)
{
    int c;
    for (l->len = 0; (c = getc_unlocked(from)) != EOF && c != '\n'; l->len++) {
        if (l->len >= l->cap && l->cap <= KEEL_STATED_BYTES_MAX)
            grow(l);
        if (l->len < l->cap)
            l->bytes[l->len] = (char)c;
    }
    return c != EOF || l->len > 0;
}

bool keel_stream_run(FILE *from, FILE *to)
{
    line l = {keel_xcalloc(LINE_BYTES_FIRST, 1), LINE_BYTES_FIRST, 0};
    keel_solvers *solvers = keel_solvers_new();
    bool written = true;
    for (uint64_t number = 1; written && read_line(from, &l); number++) {
        json_t *answer = keel_solvers_answer(solvers, l.bytes, l.len, number);
        written = keel_answer_write(answer, to) && fflush(to) == 0;
        json_decref(answer);
    }
    keel_solvers_free(&solvers);
    keel_free(&l.bytes);
    return written;
}
