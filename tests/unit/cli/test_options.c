#include "services/cli/manual.h"
#include "services/cli/options.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static int nothing(const keel_args *args, const keel_cli *cli)
{
    return args->given_n + cli->width;
}

static const keel_option paint_options[] = {
    {KEEL_OPTION_COUNT, "rows", 'n', "N", "5", 1, 100, "how many"},
    {KEEL_OPTION_LIST, "data", 'd', "FILE", NULL, 0, 0, "files"},
    {KEEL_OPTION_FRACTION, "above", 0, "R", "0", 0, 0, "at least"},
    {KEEL_OPTION_DURATION, "deadline", 0, "TIME", "3s", 0, 0, "limit"},
    {KEEL_OPTION_CHOICE, "stamp", 0, "open|close", NULL, 0, 0, "what a time is"},
    {KEEL_OPTION_TEXT, "run", 0, "DIR", NULL, 0, 0, "where"},
    {KEEL_OPTION_FLAG, "keep", 0, NULL, NULL, 0, 0, "do not clear"},
    KEEL_OPTIONS_END,
};
static const char *const examples[] = {"keel paint", "an example", NULL};
static const keel_verb table[] = {
    {"paint", "paints", "[WORD]", 0, 1, true, paint_options, "", examples, nothing},
    {"alloc get", "gets", "", 0, 0, false, NULL, "", examples, nothing},
    {"alloc watch", "watches", "FILE", 1, 1, false, NULL, "", examples, nothing},
    {.name = NULL},
};

enum { WORDS_MAX = 16 };

/* "a b c" cut at blanks. */
static int cut(char *text, const char *words[WORDS_MAX])
{
    int n = 0;
    for (char *w = strtok(text, " "); w != NULL; w = strtok(NULL, " "))
        words[n++] = w;
    return n;
}

static keel_status parse(const char *line, keel_args *args, keel_err *err)
{
    static char text[256];
    static const char *words[WORDS_MAX];
    int used;
    snprintf(text, sizeof text, "%s", line);
    const int n = cut(text, words);
    const keel_verb *verb = keel_verb_find(table, n, words, &used, err);
    if (verb == NULL)
        return err->status;
    return keel_args_parse(verb, n - used, words + used, args, err);
}

Test(options, values_of_every_type)
{
    keel_args args;
    keel_err err;
    const char *files[4];
    cr_assert_eq(parse("paint --rows 7 -d a b --above=80% --deadline 250ms --stamp close --keep "
                       "--data c --a.b=c word",
                       &args, &err),
                 KEEL_OK, "%s", err.text);
    cr_assert_eq(keel_args_count(&args, "rows"), 7);
    cr_assert_eq(keel_args_list(&args, "data", files, 4), 3);
    cr_assert_str_eq(files[2], "c");
    cr_assert_float_eq(keel_args_fraction(&args, "above"), 0.8, 1e-15);
    cr_assert_eq(keel_args_duration(&args, "deadline"), INT64_C(250000000));
    cr_assert_str_eq(keel_args_text(&args, "stamp"), "close");
    cr_assert(keel_args_on(&args, "keep"));
    cr_assert_eq(args.config_n, 1);
    cr_assert_str_eq(args.config[0], "a.b=c");
    cr_assert_str_eq(args.operands[0], "word");
}

Test(options, defaults_stand_and_the_last_one_wins)
{
    keel_args args;
    keel_err err;
    cr_assert_eq(parse("paint", &args, &err), KEEL_OK);
    cr_assert_eq(keel_args_count(&args, "rows"), 5);
    cr_assert_null(keel_args_text(&args, "run"));
    cr_assert_not(keel_args_on(&args, "rows"), "a default is not given");
    cr_assert_eq(parse("paint -n 1 --rows=2", &args, &err), KEEL_OK);
    cr_assert_eq(keel_args_count(&args, "rows"), 2);
    cr_assert_eq(parse("paint -- --rows", &args, &err), KEEL_OK);
    cr_assert_str_eq(args.operands[0], "--rows", "after -- everything is an operand");
}

Test(options, refuses_and_says_what_is_allowed)
{
    static const struct {
        const char *line, *says;
    } cases[] = {
        {"pain", "did you mean 'keel paint'"},
        {"qqqqqqqq", "'keel help' lists them"},
        {"alloc wach", "did you mean 'keel alloc watch'"},
        {"alloc", "needs one of: get, watch"},
        {"alloc qqqqqqqq", "knows: get, watch"},
        {"paint --row 5", "did you mean --rows"},
        {"paint --zzzzzzzz", "'keel help paint'"},
        {"paint --rows 0", "from 1 to 100"},
        {"paint --rows 101", "from 1 to 100"},
        {"paint --rows x", "from 1 to 100"},
        {"paint --rows", "needs a value"},
        {"paint --above 80", "80%"},
        {"paint --above x", "not a fraction"},
        {"paint --deadline x", "250ms"},
        {"paint --stamp op", "open|close"},
        {"paint --stamp |", "open|close"},
        {"paint --run=", "empty"},
        {"paint --keep=1", "takes no value"},
        {"paint -x", "has no -x"},
        {"paint a b", "one word too many"},
        {"paint --a.b", "--section.key=value"},
        {"alloc get --a.b=1", "takes no configuration"},
        {"alloc watch", "usage: keel alloc watch FILE"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        keel_args args;
        keel_err err = {0};
        cr_assert_neq(parse(cases[i].line, &args, &err), KEEL_OK, "%s", cases[i].line);
        cr_assert_not_null(strstr(err.text, cases[i].says), "%s: '%s' does not say '%s'",
                           cases[i].line, err.text, cases[i].says);
    }
}

Test(options, fractions_are_typed_as_numbers_or_percent)
{
    static const struct {
        const char *text;
        keel_status status;
        double value;
    } cases[] = {
        {"0.8", KEEL_OK, 0.8},       {"80%", KEEL_OK, 0.8},      {"80 %", KEEL_OK, 0.8},
        {"0", KEEL_OK, 0.0},         {"1", KEEL_OK, 1.0},        {"100%", KEEL_OK, 1.0},
        {"80", KEEL_ERANGE, 0.0},    {"101%", KEEL_ERANGE, 0.0}, {"-0.1", KEEL_ERANGE, 0.0},
        {"", KEEL_EFORMAT, 0.0},     {"%", KEEL_EFORMAT, 0.0},   {"nan", KEEL_EFORMAT, 0.0},
        {"0.8x", KEEL_EFORMAT, 0.0}, {"0x1", KEEL_EFORMAT, 0.0}, {" 1", KEEL_EFORMAT, 0.0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        keel_err err;
        double value = -1.0;
        cr_assert_eq(keel_fraction_parse(cases[i].text, &value, &err), cases[i].status, "'%s'",
                     cases[i].text);
        if (cases[i].status == KEEL_OK)
            cr_assert_float_eq(value, cases[i].value, 1e-15, "'%s'", cases[i].text);
        else
            cr_assert_eq(value, -1.0, "untouched on refusal");
    }
}

/* What a printer writes, as text. */
static char *printed(void (*print)(const keel_verb *, FILE *))
{
    char *text = NULL;
    size_t len = 0;
    FILE *to = open_memstream(&text, &len);
    print(table, to);
    fclose(to);
    return text;
}

Test(manual, every_verb_and_option_is_in_help_completion_and_man)
{
    char *help = printed(keel_help_all), *bash = printed(keel_completion_bash),
         *man = printed(keel_man), *one = printed(keel_help_verb);
    for (const keel_verb *v = table; v->name != NULL; v++) {
        cr_assert_not_null(strstr(help, v->name), "%s", v->name);
        cr_assert_not_null(strstr(bash, v->name), "%s", v->name);
        cr_assert_not_null(strstr(man, v->name), "%s", v->name);
    }
    for (const keel_option *o = paint_options; o->type != KEEL_OPTION_END; o++) {
        cr_assert_not_null(strstr(one, o->name), "%s", o->name);
        cr_assert_not_null(strstr(bash, o->name), "%s", o->name);
        cr_assert_not_null(strstr(man, o->name), "%s", o->name);
    }
    cr_assert_not_null(strstr(one, "keel paint  "), "examples are shown");
    cr_assert_not_null(strstr(one, "--json"), "common options are shown");
    cr_assert_null(strstr(man, "\n."
                               "keel"),
                   "no text line starts with a dot");
    free(help);
    free(bash);
    free(man);
    free(one);
}

Test(manual, a_group_shows_its_verbs_only)
{
    char *text = NULL;
    size_t len = 0;
    FILE *to = open_memstream(&text, &len);
    cr_assert(keel_help_group(table, "alloc", to));
    cr_assert_not(keel_help_group(table, "paint", to));
    fclose(to);
    cr_assert_not_null(strstr(text, "alloc get"));
    cr_assert_null(strstr(text, "paints"));
    free(text);
}
