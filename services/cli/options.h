/* options.h - one table of verbs and options, and the parser that reads it.
 *
 * ROOM     services/cli. Knows no verb by itself: tables come in. manual.h makes help, completion
 *          and the man page from the same tables.
 * SHAPE    A verb is one or two words ("demo", "alloc watch"). --name VALUE, --name=VALUE, -x
 *          VALUE; "--" ends the options. Every verb also has --json and --help. A verb that takes
 *          configuration accepts --section.key=value as well (a name with a dot). Values are
 *          checked while parsing, so that the accessors cannot fail.
 * THREADS  any; a keel_args borrows from argv and from the tables.
 */
#ifndef KEEL_SERVICES_CLI_OPTIONS_H
#define KEEL_SERVICES_CLI_OPTIONS_H

#include "common/base/status.h"
#include "services/cli/cli.h"

#include <stddef.h>
#include <stdint.h>

typedef enum keel_option_type {
    KEEL_OPTION_END,
    KEEL_OPTION_FLAG,     /* no value */
    KEEL_OPTION_TEXT,     /* any text but "" */
    KEEL_OPTION_LIST,     /* one or more words, up to the next option; may be repeated */
    KEEL_OPTION_COUNT,    /* whole number in [min, max] */
    KEEL_OPTION_FRACTION, /* "0.8" or "80%" */
    KEEL_OPTION_DURATION, /* "250ms", "2s" */
    KEEL_OPTION_PRICE,    /* a number above 0 */
    KEEL_OPTION_CHOICE,   /* one of value_name = "open|close" */
} keel_option_type;

typedef struct keel_option {
    keel_option_type type;
    const char *name; /* without the dashes */
    char letter;      /* 0 = none */
    const char *value_name;
    const char *default_text; /* NULL = absent unless given */
    int64_t min, max;         /* COUNT */
    const char *help;
} keel_option;

#define KEEL_OPTIONS_END                                                                           \
    {                                                                                              \
        .type = KEEL_OPTION_END                                                                    \
    }

enum { KEEL_ARGS_MAX = 256 };

struct keel_args;

typedef struct keel_verb {
    const char *name; /* NULL ends a table */
    const char *summary;
    const char *operands; /* "FILE...", "[SERVICE]", "" */
    int operands_min;
    int operands_max;
    bool takes_config;
    const keel_option *options;
    const char *details;         /* a paragraph or "" */
    const char *const *examples; /* command, what it does, ..., NULL */
    int (*run)(const struct keel_args *args, const keel_cli *cli);
} keel_verb;

typedef struct keel_given {
    const keel_option *option;
    const char *value;
} keel_given;

typedef struct keel_args {
    const keel_verb *verb;
    int given_n;
    keel_given given[KEEL_ARGS_MAX];
    int operands_n;
    const char *operands[KEEL_ARGS_MAX];
    int config_n;
    const char *config[KEEL_ARGS_MAX]; /* "feed.rows=50": without the dashes */
} keel_args;

/* Find the verb in words[n] and how many words name it (1 or 2). NULL and *err with the nearest
 * name when there is none; *used is then 0. */
const keel_verb *keel_verb_find(const keel_verb *verbs, int n, const char *const *words, int *used,
                                keel_err *err);

/* Parse what follows the verb. KEEL_EINVAL or KEEL_EUNKNOWN with *err: what is wrong, what is
 * allowed, and the nearest option. --help is not an error: see keel_args_on(args, "help"). */
KEEL_MUST_CHECK keel_status keel_args_parse(const keel_verb *verb, int n, const char *const *words,
                                            keel_args *args, keel_err *err);

/* Was this flag, or an option of any type, given? */
bool keel_args_on(const keel_args *args, const char *name);

/* The last value given, else the default, else NULL. */
const char *keel_args_text(const keel_args *args, const char *name);

/* COUNT, DURATION in ns, FRACTION; the option must have a value or a default (a bug otherwise). */
int64_t keel_args_count(const keel_args *args, const char *name);
int64_t keel_args_duration(const keel_args *args, const char *name);
double keel_args_fraction(const keel_args *args, const char *name);

/* The PRICE given, 0 when none was. */
double keel_args_price(const keel_args *args, const char *name);

/* All values of a LIST into list[cap]; returns how many there are, at most cap. */
int keel_args_list(const keel_args *args, const char *name, const char **list, int cap);

/* "0.8" or "80%" (a blank before % is fine). KEEL_ERANGE above 1 without %, with *err that suggests
 * the percent form; KEEL_EFORMAT. */
KEEL_MUST_CHECK keel_status keel_fraction_parse(const char *text, double *out, keel_err *err);

/* The option of this name, or of this letter when name is NULL: the verb's own, then those that
 * every verb has. NULL when there is none. */
const keel_option *keel_option_find(const keel_verb *verb, const char *name, char letter);

/* The i-th option of a verb, its own first, then the common ones; NULL past the last. */
const keel_option *keel_option_at(const keel_verb *verb, int i);

#endif
