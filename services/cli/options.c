#include "services/cli/options.h"

#include "common/base/assert.h"
#include "common/base/text.h"
#include "common/base/timefmt.h"

#include <string.h>

enum { NAMES_MAX = 64, NAME_MAX_BYTES = 64 };

static const keel_option common_options[] = {
    {KEEL_OPTION_FLAG, "json", 0, NULL, NULL, 0, 0, "results as JSON, one object per line"},
    {KEEL_OPTION_FLAG, "help", 'h', NULL, NULL, 0, 0, "show this help"},
    KEEL_OPTIONS_END,
};
static const keel_option no_options[] = {KEEL_OPTIONS_END};

const keel_option *keel_option_at(const keel_verb *verb, int i)
{
    const keel_option *own = verb->options != NULL ? verb->options : no_options;
    int at = 0;
    for (; own->type != KEEL_OPTION_END; own++)
        if (at++ == i)
            return own;
    for (const keel_option *o = common_options; o->type != KEEL_OPTION_END; o++)
        if (at++ == i)
            return o;
    return NULL;
}

const keel_option *keel_option_find(const keel_verb *verb, const char *name, char letter)
{
    const keel_option *option;
    for (int i = 0; (option = keel_option_at(verb, i)) != NULL; i++) {
        if (name != NULL ? strcmp(option->name, name) == 0
                         : letter != '\0' && option->letter == letter)
            return option;
    }
    return NULL;
}

static bool names_verb(const keel_verb *verb, const char *first, const char *second)
{
    char name[2 * NAME_MAX_BYTES];
    size_t len = 0;
    if (second == NULL)
        return strcmp(verb->name, first) == 0;
    return keel_text_add(name, sizeof name, &len, "%s %s", first, second) &&
           strcmp(verb->name, name) == 0;
}

/* The length of a verb's first word. */
static size_t head_len(const char *name)
{
    return strcspn(name, " ");
}

static bool is_group(const keel_verb *verbs, const char *word)
{
    for (const keel_verb *v = verbs; v->name != NULL; v++) {
        const size_t len = head_len(v->name);
        if (v->name[len] == ' ' && strlen(word) == len && strncmp(v->name, word, len) == 0)
            return true;
    }
    return false;
}

static const char *second_words(const keel_verb *verbs, const char *group, const char *wrong,
                                char *all, size_t cap)
{
    const char *names[NAMES_MAX];
    size_t n = 0, len = 0;
    all[0] = '\0';
    for (const keel_verb *v = verbs; v->name != NULL && n < NAMES_MAX; v++) {
        const size_t head = head_len(v->name);
        if (v->name[head] != ' ' || strlen(group) != head || strncmp(v->name, group, head) != 0)
            continue;
        names[n] = v->name + head + 1;
        keel_text_add(all, cap, &len, "%s%s", n > 0 ? ", " : "", names[n]);
        n++;
    }
    return wrong != NULL ? keel_text_nearest(wrong, names, n) : NULL;
}

static const keel_verb *refuse_second(const keel_verb *verbs, const char *group, const char *wrong,
                                      keel_err *err)
{
    char all[256];
    const char *near = second_words(verbs, group, wrong, all, sizeof all);
    if (wrong == NULL)
        keel_err_set(err, KEEL_EINVAL, "'keel %s' needs one of: %s", group, all);
    else if (near != NULL)
        keel_err_set(err, KEEL_EUNKNOWN, "'keel %s %s' is not a verb; did you mean 'keel %s %s'?",
                     group, wrong, group, near);
    else
        keel_err_set(err, KEEL_EUNKNOWN, "'keel %s %s' is not a verb; 'keel %s' knows: %s", group,
                     wrong, group, all);
    return NULL;
}

static const keel_verb *refuse_first(const keel_verb *verbs, const char *wrong, keel_err *err)
{
    char heads[NAMES_MAX][NAME_MAX_BYTES];
    const char *names[NAMES_MAX];
    size_t n = 0;
    for (const keel_verb *v = verbs; v->name != NULL && n < NAMES_MAX; v++) {
        size_t len = 0;
        keel_text_add(heads[n], NAME_MAX_BYTES, &len, "%.*s", (int)head_len(v->name), v->name);
        names[n] = heads[n];
        n++;
    }
    const char *near = keel_text_nearest(wrong, names, n);
    if (near != NULL)
        keel_err_set(err, KEEL_EUNKNOWN, "'keel %s' is not a verb; did you mean 'keel %s'?", wrong,
                     near);
    else
        keel_err_set(err, KEEL_EUNKNOWN, "'keel %s' is not a verb; 'keel help' lists them", wrong);
    return NULL;
}

const keel_verb *keel_verb_find(const keel_verb *verbs, int n, const char *const *words, int *used,
                                keel_err *err)
{
    const char *second = n > 1 && words[1][0] != '-' ? words[1] : NULL;
    *used = 0;
    if (n < 1) {
        keel_err_set(err, KEEL_EINVAL, "no verb given; 'keel help' lists them");
        return NULL;
    }
    for (const keel_verb *v = verbs; second != NULL && v->name != NULL; v++) {
        if (names_verb(v, words[0], second)) {
            *used = 2;
            return v;
        }
    }
    for (const keel_verb *v = verbs; v->name != NULL; v++) {
        if (names_verb(v, words[0], NULL)) {
            *used = 1;
            return v;
        }
    }
    return is_group(verbs, words[0]) ? refuse_second(verbs, words[0], second, err)
                                     : refuse_first(verbs, words[0], err);
}

keel_status keel_fraction_parse(const char *text, double *out, keel_err *err)
{
    char number[32];
    size_t len = strlen(text);
    double value;
    const bool percent = len > 0 && text[len - 1] == '%';
    if (percent)
        len--;
    while (percent && len > 0 && text[len - 1] == ' ')
        len--;
    if (len == 0 || len >= sizeof number)
        return keel_err_set(err, KEEL_EFORMAT, "'%s' is not a fraction such as 0.8 or 80%%", text);
    memcpy(number, text, len);
    number[len] = '\0';
    if (keel_text_real(number, &value) != KEEL_OK)
        return keel_err_set(err, KEEL_EFORMAT, "'%s' is not a fraction such as 0.8 or 80%%", text);
    if (!percent && value > 1.0)
        return keel_err_set(err, KEEL_ERANGE,
                            "%s is above 1; write %s%% if you mean percent, or a fraction", text,
                            text);
    if (percent)
        value /= 100.0;
    if (value < 0.0 || value > 1.0)
        return keel_err_set(err, KEEL_ERANGE, "%s is outside 0%%..100%%", text);
    *out = value;
    return KEEL_OK;
}

static keel_status check_count(const keel_option *option, const char *value, keel_err *err)
{
    int64_t number;
    const keel_status status = keel_text_i64(value, &number);
    if (status == KEEL_OK && number >= option->min && number <= option->max)
        return KEEL_OK;
    return keel_err_set(err, KEEL_ERANGE, "--%s %s: a whole number from %lld to %lld is needed",
                        option->name, value, (long long)option->min, (long long)option->max);
}

static bool is_choice(const char *choices, const char *value)
{
    const size_t len = strlen(value);
    for (const char *at = choices; len > 0; at++) {
        const size_t word = strcspn(at, "|");
        if (word == len && strncmp(at, value, len) == 0)
            return true;
        at += word;
        if (*at == '\0')
            break;
    }
    return false;
}

static keel_status check_value(const keel_option *option, const char *value, keel_err *err)
{
    keel_err inner;
    double number;
    int64_t ns;
    switch (option->type) {
    case KEEL_OPTION_COUNT:
        return check_count(option, value, err);
    case KEEL_OPTION_FRACTION:
        if (keel_fraction_parse(value, &number, &inner) == KEEL_OK)
            return KEEL_OK;
        return keel_err_set(err, inner.status, "--%s: %.400s", option->name, inner.text);
    case KEEL_OPTION_DURATION:
        if (keel_duration_parse(value, &ns) == KEEL_OK && ns >= 0)
            return KEEL_OK;
        return keel_err_set(err, KEEL_EFORMAT, "--%s %s: a duration such as 250ms, 2s or 1h",
                            option->name, value);
    case KEEL_OPTION_PRICE:
        if (keel_text_real(value, &number) == KEEL_OK && number > 0.0)
            return KEEL_OK;
        return keel_err_set(err, KEEL_EFORMAT, "--%s %s: a price is a number above 0", option->name,
                            value);
    case KEEL_OPTION_CHOICE:
        if (is_choice(option->value_name, value))
            return KEEL_OK;
        return keel_err_set(err, KEEL_EINVAL, "--%s %s: must be one of %s", option->name, value,
                            option->value_name);
    case KEEL_OPTION_TEXT:
    case KEEL_OPTION_LIST:
        if (value[0] != '\0')
            return KEEL_OK;
        return keel_err_set(err, KEEL_EINVAL, "--%s: the value is empty", option->name);
    case KEEL_OPTION_FLAG:
    case KEEL_OPTION_END:
        break;
    }
    return KEEL_OK;
}

static keel_status refuse_option(const keel_verb *verb, const char *name, keel_err *err)
{
    const char *names[NAMES_MAX];
    const keel_option *option;
    size_t n = 0;
    for (int i = 0; (option = keel_option_at(verb, i)) != NULL && n < NAMES_MAX; i++)
        names[n++] = option->name;
    const char *near = keel_text_nearest(name, names, n);
    if (near != NULL)
        return keel_err_set(err, KEEL_EUNKNOWN, "'keel %s' has no --%s; did you mean --%s?",
                            verb->name, name, near);
    return keel_err_set(err, KEEL_EUNKNOWN,
                        "'keel %s' has no --%s; 'keel help %s' lists its options", verb->name, name,
                        verb->name);
}

/* The words being parsed, and how far. */
typedef struct cursor {
    int n;
    const char *const *words;
    int at; /* next word */
} cursor;

static keel_status keep(keel_args *args, const keel_option *option, const char *value,
                        keel_err *err)
{
    if (args->given_n == KEEL_ARGS_MAX)
        return keel_err_set(err, KEEL_ETOOBIG, "more than %d options", KEEL_ARGS_MAX);
    if (value != NULL)
        KEEL_TRY(check_value(option, value, err));
    args->given[args->given_n++] = (keel_given){option, value};
    return KEEL_OK;
}

/* `value` is what followed '=', or NULL. */
static keel_status take_option(keel_args *args, const keel_option *option, const char *value,
                               cursor *c, keel_err *err)
{
    if (option->type == KEEL_OPTION_FLAG && value != NULL)
        return keel_err_set(err, KEEL_EINVAL, "--%s takes no value", option->name);
    if (option->type == KEEL_OPTION_FLAG)
        return keep(args, option, NULL, err);
    if (value == NULL && c->at == c->n)
        return keel_err_set(err, KEEL_EINVAL, "--%s needs a value: %s", option->name,
                            option->value_name);
    KEEL_TRY(keep(args, option, value != NULL ? value : c->words[c->at++], err));
    while (option->type == KEEL_OPTION_LIST && c->at < c->n && c->words[c->at][0] != '-')
        KEEL_TRY(keep(args, option, c->words[c->at++], err));
    return KEEL_OK;
}

static keel_status take_config(keel_args *args, const char *text, keel_err *err)
{
    const char *equals = strchr(text, '=');
    if (!args->verb->takes_config)
        return keel_err_set(err, KEEL_EINVAL, "'keel %s' takes no configuration (--%s)",
                            args->verb->name, text);
    if (equals == NULL || equals[1] == '\0')
        return keel_err_set(err, KEEL_EINVAL, "--%s: write --section.key=value", text);
    if (args->config_n == KEEL_ARGS_MAX)
        return keel_err_set(err, KEEL_ETOOBIG, "more than %d settings", KEEL_ARGS_MAX);
    args->config[args->config_n++] = text;
    return KEEL_OK;
}

static keel_status take_long(keel_args *args, const char *text, cursor *c, keel_err *err)
{
    char name[NAME_MAX_BYTES];
    const size_t len = strcspn(text, "=");
    if (memchr(text, '.', len) != NULL)
        return take_config(args, text, err);
    if (len >= sizeof name)
        return keel_err_set(err, KEEL_EUNKNOWN, "--%.60s...: no such option", text);
    memcpy(name, text, len);
    name[len] = '\0';
    const keel_option *option = keel_option_find(args->verb, name, '\0');
    if (option == NULL)
        return refuse_option(args->verb, name, err);
    return take_option(args, option, text[len] == '=' ? text + len + 1 : NULL, c, err);
}

static keel_status take_short(keel_args *args, const char *text, cursor *c, keel_err *err)
{
    const keel_option *option = keel_option_find(args->verb, NULL, text[0]);
    if (option == NULL || text[1] != '\0')
        return keel_err_set(err, KEEL_EUNKNOWN,
                            "'keel %s' has no -%s; 'keel help %s' lists its "
                            "options",
                            args->verb->name, text, args->verb->name);
    return take_option(args, option, NULL, c, err);
}

static keel_status take_operand(keel_args *args, const char *word, keel_err *err)
{
    if (args->operands_n == args->verb->operands_max || args->operands_n == KEEL_ARGS_MAX)
        return keel_err_set(err, KEEL_EINVAL, "'%s' is one word too many; usage: keel %s%s%s", word,
                            args->verb->name, args->verb->operands[0] != '\0' ? " " : "",
                            args->verb->operands);
    args->operands[args->operands_n++] = word;
    return KEEL_OK;
}

keel_status keel_args_parse(const keel_verb *verb, int n, const char *const *words, keel_args *args,
                            keel_err *err)
{
    cursor c = {n, words, 0};
    bool options_over = false;
    memset(args, 0, sizeof *args);
    args->verb = verb;
    while (c.at < n) {
        const char *word = words[c.at++];
        if (!options_over && strcmp(word, "--") == 0)
            options_over = true;
        else if (!options_over && strncmp(word, "--", 2) == 0)
            KEEL_TRY(take_long(args, word + 2, &c, err));
        else if (!options_over && word[0] == '-' && word[1] != '\0')
            KEEL_TRY(take_short(args, word + 1, &c, err));
        else
            KEEL_TRY(take_operand(args, word, err));
    }
    if (args->operands_n < verb->operands_min && !keel_args_on(args, "help"))
        return keel_err_set(err, KEEL_EINVAL, "usage: keel %s %s", verb->name, verb->operands);
    return KEEL_OK;
}

bool keel_args_on(const keel_args *args, const char *name)
{
    for (int i = 0; i < args->given_n; i++)
        if (strcmp(args->given[i].option->name, name) == 0)
            return true;
    return false;
}

const char *keel_args_text(const keel_args *args, const char *name)
{
    const keel_option *option = keel_option_find(args->verb, name, '\0');
    KEEL_ASSERT(option != NULL);
    for (int i = args->given_n - 1; i >= 0; i--)
        if (args->given[i].option == option)
            return args->given[i].value;
    return option->default_text;
}

int64_t keel_args_count(const keel_args *args, const char *name)
{
    const char *text = keel_args_text(args, name);
    int64_t value = 0;
    KEEL_ASSERT(text != NULL && keel_text_i64(text, &value) == KEEL_OK);
    return value;
}

int64_t keel_args_duration(const keel_args *args, const char *name)
{
    const char *text = keel_args_text(args, name);
    int64_t value = 0;
    KEEL_ASSERT(text != NULL && keel_duration_parse(text, &value) == KEEL_OK);
    return value;
}

double keel_args_fraction(const keel_args *args, const char *name)
{
    const char *text = keel_args_text(args, name);
    double value = 0.0;
    KEEL_ASSERT(text != NULL && keel_fraction_parse(text, &value, NULL) == KEEL_OK);
    return value;
}

double keel_args_price(const keel_args *args, const char *name)
{
    const char *text = keel_args_text(args, name);
    double value = 0.0;
    KEEL_ASSERT(text == NULL || keel_text_real(text, &value) == KEEL_OK);
    return value;
}

int keel_args_list(const keel_args *args, const char *name, const char **list, int cap)
{
    int n = 0;
    for (int i = 0; i < args->given_n && n < cap; i++)
        if (strcmp(args->given[i].option->name, name) == 0)
            list[n++] = args->given[i].value;
    return n;
}
