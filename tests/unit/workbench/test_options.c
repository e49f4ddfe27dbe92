/* The words of a frontier: what goes with what, and what is refused before a file is read. */
#include "services/workbench/options.h"

#include <criterion/criterion.h>
#include <string.h>

enum { WORDS_MAX = 12 };

/* Words apart by one space. */
static keel_status read_words(const char *words, keel_workbench_options *options, keel_err *err)
{
    static char copy[256];
    char *argv[WORDS_MAX] = {(char[]){"keel-workbench"}}, *rest = copy;
    int argc = 1;
    snprintf(copy, sizeof copy, "%s", words);
    for (char *word = strsep(&rest, " "); word != NULL; word = strsep(&rest, " "))
        argv[argc++] = word;
    return keel_workbench_options_read(argc, argv, options, err);
}

Test(options, of_a_frontier_are_taken)
{
    static const char *const good[] = {
        "--frontier --problem p.json --points 2 --plot f.svg --json",
        "--frontier --prices p.csv --points=1000 --hi 30% --current c.csv",
        "--frontier --returns p.csv --method target_risk --target-risk 1% --cost 10",
    };
    for (size_t k = 0; k < sizeof good / sizeof *good; k++) {
        keel_workbench_options options;
        keel_err err = {.status = KEEL_OK};
        cr_expect_eq(read_words(good[k], &options, &err), KEEL_OK, "%s: %s", good[k], err.text);
        cr_expect(options.frontier);
        cr_expect_eq(options.points, k == 0 ? 2 : k == 1 ? 1000 : 0);
        keel_workbench_options_free(&options);
    }
}

Test(options, that_do_not_go_together_are_refused)
{
    static const char *const bad[][2] = {
        {"--problem p.json --points 5", "go with --frontier"},
        {"--prices p.csv --plot f.svg", "go with --frontier"},
        {"--frontier --stream", "does not go with --stream"},
        {"--frontier --problem p.json --explain", "does not go with --stream or --explain"},
        {"--frontier --prices p.csv --cost 10", "--method chooses"},
        {"--frontier --prices p.csv --turnover-max 10%", "--method chooses"},
        {"--frontier --prices p.csv --points 1", "from 2 to 1000"},
        {"--frontier --prices p.csv --points 1001", "from 2 to 1000"},
        {"--frontier --prices p.csv --points many", "a whole number"},
        {"--frontier --prices p.csv --plot", "--plot needs a value"},
        {"--frontier --prices p.csv --point 5", "did you mean --points?"},
        {"--frontier", "nothing to solve"},
        {"--frontier --problem p.json --hi 1", "a problem in JSON has fields"},
    };
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
        keel_workbench_options options;
        keel_err err = {.status = KEEL_OK};
        cr_expect_neq(read_words(bad[k][0], &options, &err), KEEL_OK, "%s", bad[k][0]);
        cr_expect_not_null(strstr(err.text, bad[k][1]), "%s: %s", bad[k][0], err.text);
        keel_workbench_options_free(&options);
    }
}
