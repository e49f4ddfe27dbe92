/* tools.c - verbs that hand over to other programs of Keel. */
#include "services/cli/door.h"
#include "services/cli/run_program.h"
#include "services/cli/system.h"
#include "services/cli/verbs.h"

#include "common/base/mem.h"
#include "common/base/text.h"
#include "services/cli/ledger_check.h"

#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WORDS_MAX = KEEL_ARGS_MAX + 32, NAME_MAX_BYTES = 64 };

static void add_option(const keel_args *args, const char *name, const char **words, int *n)
{
    static const char *const flags[][2] = {
        {"assets", "--assets"}, {"exclude", "--exclude"}, {"stamp", "--stamp"}};
    const char *value = keel_args_text(args, name);
    for (size_t i = 0; value != NULL && i < sizeof flags / sizeof *flags; i++) {
        if (strcmp(flags[i][0], name) != 0)
            continue;
        words[(*n)++] = flags[i][1];
        words[(*n)++] = value;
    }
}

int keel_verb_data_check(const keel_args *args, const keel_cli *cli)
{
    char program[2 * KEEL_PATH_CAP];
    const char *words[WORDS_MAX] = {program, "inspect"};
    keel_err err;
    int n = 2;
    if (keel_args_on(args, "json"))
        words[n++] = "--json";
    add_option(args, "assets", words, &n);
    add_option(args, "exclude", words, &n);
    add_option(args, "stamp", words, &n);
    for (int i = 0; i < args->operands_n; i++) {
        if (access(args->operands[i], R_OK) != 0) {
            fprintf(cli->err, "keel: %s: %s\n", args->operands[i], strerror(errno));
            return KEEL_EXIT_CONFIG;
        }
        words[n++] = args->operands[i];
    }
    if (keel_program_path("backtest", program, &err) != KEEL_OK)
        return keel_cli_fail(cli, &err);
    return keel_program_become(cli, words);
}

/* The options as they were given, behind `first` (NULL = nothing). */
static int become_workbench(const keel_args *args, const keel_cli *cli, const char *first)
{
    char options[KEEL_ARGS_MAX][NAME_MAX_BYTES];
    char program[2 * KEEL_PATH_CAP];
    const char *words[2 * KEEL_ARGS_MAX + 3] = {program, first};
    keel_err err;
    int n = first != NULL ? 2 : 1;
    for (int i = 0; i < args->given_n; i++) {
        const keel_given *given = &args->given[i];
        snprintf(options[i], sizeof options[i], "--%s", given->option->name);
        words[n++] = options[i];
        if (given->option->type != KEEL_OPTION_FLAG)
            words[n++] = given->value;
    }
    if (keel_program_path("workbench", program, &err) != KEEL_OK)
        return keel_cli_fail(cli, &err);
    return keel_program_become(cli, words);
}

int keel_verb_optimize(const keel_args *args, const keel_cli *cli)
{
    return become_workbench(args, cli, NULL);
}

int keel_verb_frontier(const keel_args *args, const keel_cli *cli)
{
    return become_workbench(args, cli, "--frontier");
}

/* The files of a folder of journals, in the order of their names; owned by *found. */
static int list_journals(const char *folder, glob_t *found, const char **words, int n)
{
    char pattern[KEEL_PATH_CAP + 16];
    snprintf(pattern, sizeof pattern, "%s/*.journal", folder);
    if (glob(pattern, 0, NULL, found) != 0)
        return n;
    for (size_t i = 0; i < found->gl_pathc && n < WORDS_MAX - 1; i++)
        words[n++] = found->gl_pathv[i];
    return n;
}

/* A journal that lies in a run's folder ({run}/journal/x.journal) belongs to that run's
 * configuration, whichever run is the newest. */
static void config_beside(const char *journal, char config[KEEL_PATH_CAP])
{
    char own[KEEL_PATH_CAP];
    const char *slash = strrchr(journal, '/');
    if (slash == NULL || snprintf(own, sizeof own, "%.*s/../config.yaml", (int)(slash - journal),
                                  journal) >= (int)sizeof own)
        return;
    if (access(own, R_OK) == 0)
        memcpy(config, own, sizeof own);
}

int keel_verb_replay(const keel_args *args, const keel_cli *cli)
{
    char program[2 * KEEL_PATH_CAP], config[KEEL_PATH_CAP], journal[KEEL_PATH_CAP];
    const char *words[WORDS_MAX] = {program, "replay", "--config", config};
    glob_t found = {0};
    keel_run run;
    keel_err err;
    int n = 4;
    if (keel_run_find(keel_args_text(args, "run"), NULL, &run, &err) != KEEL_OK)
        return keel_cli_fail(cli, &err);
    const char *path =
        args->operands_n > 0 ? args->operands[0] : keel_run_file(&run, "journal", journal);
    if (access(path, R_OK) != 0) {
        fprintf(cli->err,
                "keel: no journal at %s: %s; a demo writes one, and so does 'keel up --journal'\n",
                path, strerror(errno));
        return KEEL_EXIT_FAILED;
    }
    if (keel_program_path("backtest", program, &err) != KEEL_OK)
        return keel_cli_fail(cli, &err);
    keel_run_file(&run, "config.yaml", config);
    if (args->operands_n > 0 && keel_args_text(args, "run") == NULL)
        config_beside(path, config);
    if (keel_args_on(args, "json"))
        words[n++] = "--json";
    const int before = n;
    n = list_journals(path, &found, words, n);
    if (n == before)
        words[n++] = path; /* a file, or nothing that backtest could read: it says why */
    const int code = keel_program_become(cli, words);
    globfree(&found);
    return code;
}

int keel_verb_ledger_check(const keel_args *args, const keel_cli *cli)
{
    char path[KEEL_PATH_CAP];
    keel_run run;
    keel_err err;
    if (keel_run_find(keel_args_text(args, "run"), NULL, &run, &err) != KEEL_OK)
        return keel_cli_fail(cli, &err);
    if (keel_run_setting(&run, "ledger.database", "{run}/books.sqlite", "ledger", path, &err) !=
        KEEL_OK)
        return keel_cli_fail(cli, &err);
    if (access(path, R_OK) != 0) {
        fprintf(cli->err, "keel: run %s has no books: %s: %s\n", run.id, path, strerror(errno));
        return KEEL_EXIT_FAILED;
    }
    return keel_ledger_check(path, cli->out, keel_args_on(args, "json"));
}

/* The configuration that `config show` is about: --config, that of a run that is named or up, or
 * the base. */
static keel_status shown_config(const keel_args *args, char out[KEEL_PATH_CAP], keel_err *err)
{
    keel_run run;
    const char *given = keel_args_text(args, "config");
    const char *named = keel_args_text(args, "run");
    if (given != NULL)
        return keel_base_config(given, out, err);
    const keel_status status = keel_run_find_live(named, &run, err);
    if (status == KEEL_OK && (named != NULL || keel_run_holder(&run) != 0)) {
        keel_run_file(&run, "config.yaml", out);
        return KEEL_OK;
    }
    return named != NULL ? status : keel_base_config(NULL, out, err);
}

static int show_service(const char *service, const char *config, const keel_args *args,
                        const keel_cli *cli)
{
    char program[2 * KEEL_PATH_CAP], settings[KEEL_ARGS_MAX][KEEL_PATH_CAP];
    const char *words[WORDS_MAX] = {program, "--config", config, "--print-config"};
    keel_err err;
    int n = 4, code;
    if (keel_program_path(service, program, &err) != KEEL_OK)
        return keel_cli_fail(cli, &err);
    if (keel_args_on(args, "origin"))
        words[n++] = "--origin";
    if (keel_args_on(args, "json"))
        words[n++] = "--json";
    for (int i = 0; i < args->config_n; i++) {
        snprintf(settings[i], sizeof settings[i], "--%s", args->config[i]);
        words[n++] = settings[i];
    }
    char *text = keel_program_read(words, KEEL_CAPTURE_OUT, &code, &err);
    if (text == NULL)
        return keel_cli_fail(cli, &err);
    if (!keel_args_on(args, "json"))
        fprintf(cli->out, "# %s\n", service);
    fputs(text, cli->out);
    keel_free(&text);
    return code;
}

int keel_verb_config_show(const keel_args *args, const keel_cli *cli)
{
    char config[KEEL_PATH_CAP];
    keel_err err;
    int worst = KEEL_EXIT_OK;
    if (args->operands_n > 0 && !keel_service_is_known(args->operands[0])) {
        fprintf(cli->err, "keel: no service '%s'\n", args->operands[0]);
        return KEEL_EXIT_USAGE;
    }
    if (shown_config(args, config, &err) != KEEL_OK)
        return keel_cli_fail(cli, &err);
    for (int i = 0; i < KEEL_SERVICES_N; i++) {
        if (args->operands_n > 0 && strcmp(args->operands[0], keel_service_at(i)) != 0)
            continue;
        const int code = show_service(keel_service_at(i), config, args, cli);
        worst = code > worst ? code : worst;
    }
    return worst;
}
