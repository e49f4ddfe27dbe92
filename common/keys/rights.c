#include "common/keys/rights.h"

#include "common/base/text.h"

#include <string.h>

enum { LINE_BYTES = 1024, WORD_MAX = 64, ASK_LAST = KEEL_ASK_RESUME };

#define ASKS_DEFAULT (1u << KEEL_ASK_PING | 1u << KEEL_ASK_STATUS)
#define BLANKS       " \t\r"

void keel_rights_default(const char *key_name, keel_rights *out)
{
    memset(out, 0, sizeof *out);
    out->is_operator = strcmp(key_name, KEEL_KEY_OPERATOR) == 0;
    out->asks = ASKS_DEFAULT;
    if (!out->is_operator &&
        keel_text_copy(out->strategies[0], sizeof out->strategies[0], key_name) == KEEL_OK)
        out->strategies_n = 1;
}

/* The words of one line that is being read. */
typedef struct line {
    int number;
    char text[LINE_BYTES];
    char *rest;
} line;

/* Next word, NULL at the end. */
static const char *next_word(line *l)
{
    l->rest += strspn(l->rest, BLANKS);
    if (*l->rest == '\0')
        return NULL;
    const char *word = l->rest;
    l->rest += strcspn(l->rest, BLANKS);
    if (*l->rest != '\0')
        *l->rest++ = '\0';
    return word;
}

static keel_status refuse(const line *l, keel_status status, const char *what, const char *word,
                          keel_err *err)
{
    return keel_err_set(err, status, "line %d: %s%s%.*s%s", l->number, what,
                        word != NULL ? " \"" : "", WORD_MAX, word != NULL ? word : "",
                        word != NULL ? "\"" : "");
}

static keel_status read_strategies(line *l, keel_rights *out, keel_err *err)
{
    const char *word = next_word(l);
    if (word == NULL)
        return refuse(l, KEEL_EFORMAT, "strategy needs a name", NULL, err);
    for (; word != NULL; word = next_word(l)) {
        if (!keel_name_ok(word, KEEL_NAME_MAX))
            return refuse(l, KEEL_EINVAL, "is not a strategy's name:", word, err);
        if (keel_rights_strategy(out, word))
            continue;
        if (out->strategies_n == KEEL_RIGHTS_STRATEGIES_MAX)
            return refuse(l, KEEL_ETOOBIG, "more than 32 strategies, at", word, err);
        memcpy(out->strategies[out->strategies_n++], word, strlen(word) + 1);
    }
    return KEEL_OK;
}

static keel_ask ask_named(const char *word)
{
    for (int ask = KEEL_ASK_NONE + 1; ask <= ASK_LAST; ask++)
        if (strcmp(keel_ask_name((keel_ask)ask), word) == 0)
            return (keel_ask)ask;
    return KEEL_ASK_NONE;
}

static keel_status read_requests(line *l, keel_rights *out, keel_err *err)
{
    const char *word = next_word(l);
    if (word == NULL)
        return refuse(l, KEEL_EFORMAT, "requests needs their names, or none", NULL, err);
    if (strcmp(word, "none") == 0) {
        word = next_word(l);
        return word == NULL ? KEEL_OK : refuse(l, KEEL_EFORMAT, "none, and then", word, err);
    }
    for (; word != NULL; word = next_word(l)) {
        const keel_ask ask = ask_named(word);
        if (ask == KEEL_ASK_NONE)
            return refuse(l, KEEL_EFORMAT, "there is no request", word, err);
        out->asks |= 1u << ask;
    }
    return KEEL_OK;
}

static keel_status read_line(line *l, keel_rights *out, bool *has_requests, keel_err *err)
{
    l->text[strcspn(l->text, "#")] = '\0';
    l->rest = l->text;
    const char *word = next_word(l);
    if (word == NULL)
        return KEEL_OK;
    if (strcmp(word, "strategy") == 0)
        return read_strategies(l, out, err);
    if (strcmp(word, "requests") == 0) {
        *has_requests = true;
        return read_requests(l, out, err);
    }
    if (strcmp(word, "operator") != 0)
        return refuse(l, KEEL_EFORMAT, "must be operator, strategy or requests, not", word, err);
    word = next_word(l);
    if (word != NULL)
        return refuse(l, KEEL_EFORMAT, "operator stands alone, not before", word, err);
    out->is_operator = true;
    return KEEL_OK;
}

keel_status keel_rights_read(const char *text, size_t len, keel_rights *out, keel_err *err)
{
    const char *end = text + len;
    bool has_requests = false;
    line l = {.number = 0};
    memset(out, 0, sizeof *out);
    if (len > KEEL_RIGHTS_BYTES_MAX)
        return keel_err_set(err, KEEL_ETOOBIG, "more than %d bytes", KEEL_RIGHTS_BYTES_MAX);
    if (len > 0 && memchr(text, '\0', len) != NULL)
        return keel_err_set(err, KEEL_EFORMAT, "is not text");
    while (text < end) {
        const char *stop = memchr(text, '\n', (size_t)(end - text));
        const size_t n = (size_t)((stop != NULL ? stop : end) - text);
        l.number++;
        if (n >= sizeof l.text)
            return refuse(&l, KEEL_ETOOBIG, "longer than 1023 bytes", NULL, err);
        memcpy(l.text, text, n);
        l.text[n] = '\0';
        KEEL_TRY(read_line(&l, out, &has_requests, err));
        text += n + (stop != NULL);
    }
    if (!has_requests)
        out->asks = ASKS_DEFAULT;
    return KEEL_OK;
}

bool keel_rights_strategy(const keel_rights *rights, const char *strategy)
{
    if (rights->is_operator)
        return true;
    for (int i = 0; i < rights->strategies_n; i++)
        if (strcmp(rights->strategies[i], strategy) == 0)
            return true;
    return false;
}

bool keel_rights_ask(const keel_rights *rights, keel_ask ask)
{
    return rights->is_operator || (rights->asks & 1u << ask) != 0;
}

void keel_rights_text(const keel_rights *rights, char *out, size_t cap)
{
    size_t len = 0;
    bool whole = true;
    out[0] = '\0';
    if (rights->is_operator) {
        (void)keel_text_add(out, cap, &len, "operator");
        return;
    }
    for (int i = 0; i < rights->strategies_n; i++)
        whole = keel_text_add(out, cap, &len, "%s %s", i == 0 ? "strategy" : "",
                              rights->strategies[i]) &&
                whole;
    whole = keel_text_add(out, cap, &len, "%srequests", len > 0 ? "; " : "") && whole;
    for (int ask = KEEL_ASK_NONE + 1; ask <= ASK_LAST; ask++)
        if ((rights->asks & 1u << ask) != 0)
            whole = keel_text_add(out, cap, &len, " %s", keel_ask_name((keel_ask)ask)) && whole;
    if (rights->asks == 0)
        whole = keel_text_add(out, cap, &len, " none") && whole;
    if (!whole && cap > 3)
        memcpy(out + cap - 4, "...", 4);
}
