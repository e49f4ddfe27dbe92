/* keel(1) - runs, reads and checks a Keel system.
 *
 * IN      argv; the relay's door; the files of a run directory
 * OUT     results on stdout, everything else on stderr; exit codes in cli.h
 * KEEPS   run directories: configuration, lock, list of processes (run_dir.h, supervise.h)
 * COUNTS  nothing
 * FAILS   with one sentence that names what is wrong and what to do
 */
#include "services/cli/manual.h"
#include "services/cli/terminal.h"
#include "services/cli/verbs.h"

#include <string.h>

static int usage(const keel_cli *cli, const keel_err *err)
{
    fprintf(cli->err, "keel: %s\n", err->text);
    return KEEL_EXIT_USAGE;
}

/* "--help", "-h" and "--version" in the place of a verb. */
static const char *verb_of_flag(const char *word)
{
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
        return "help";
    return strcmp(word, "--version") == 0 ? "version" : word;
}

int main(int argc, char **argv)
{
    static keel_args args;
    const keel_cli cli = keel_cli_open();
    const char *const *words = (const char *const *)argv + 1;
    keel_err err;
    int used;
    if (argc < 2) {
        keel_help_all(keel_verbs(), cli.err);
        return KEEL_EXIT_USAGE;
    }
    argv[1] = (char *)verb_of_flag(argv[1]);
    if (argc == 3 && strcmp(argv[2], "--help") == 0 &&
        keel_help_group(keel_verbs(), argv[1], cli.out))
        return KEEL_EXIT_OK;
    const keel_verb *verb = keel_verb_find(keel_verbs(), argc - 1, words, &used, &err);
    if (verb == NULL)
        return usage(&cli, &err);
    if (keel_args_parse(verb, argc - 1 - used, words + used, &args, &err) != KEEL_OK)
        return usage(&cli, &err);
    if (keel_args_on(&args, "help") && verb->run != NULL) {
        keel_help_verb(verb, cli.out);
        return KEEL_EXIT_OK;
    }
    const int code = verb->run(&args, &cli);
    if (fflush(cli.out) != 0 || ferror(cli.out)) {
        fputs("keel: the results could not be written\n", cli.err);
        return code != KEEL_EXIT_OK ? code : KEEL_EXIT_FAILED;
    }
    return code;
}
