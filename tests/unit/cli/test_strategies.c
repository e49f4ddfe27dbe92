#include "services/cli/strategies.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static keel_run_config *config_of(const char *yaml)
{
    char path[] = "/tmp/kt-config-XXXXXX";
    keel_err err;
    const int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, yaml, strlen(yaml)), (ssize_t)strlen(yaml));
    close(fd);
    keel_run_config *config = keel_run_config_read(path, &err);
    cr_assert_not_null(config, "%s", err.text);
    unlink(path);
    return config;
}

static void expect(const keel_run_config *config, const char *key, const char *want)
{
    const char *got = keel_run_config_get(config, key);
    cr_assert_not_null(got, "%s is not there", key);
    cr_assert_str_eq(got, want, "%s: %s", key, got);
}

Test(strategies, base_configuration_gets_all_three_with_capital)
{
    static const char *const bases[] = {
        "run: {id: x}\n",
        "capital:\n  core: 1.0\nstrategies: {}\n",
        "capital: {core: 100%}\nstrategies:\n",
        "capital:\nstrategies:\n",
    };
    for (size_t i = 0; i < sizeof bases / sizeof *bases; i++) {
        keel_err err = {.text = ""};
        keel_run_config *config = config_of(bases[i]);
        cr_assert_not(keel_strategies_any(config));
        cr_assert_eq(keel_strategies_lay(config, true, &err), 7, "case %zu: %s", i, err.text);
        expect(config, "capital.core", "0.5500");
        expect(config, "capital.momentum", "0.1500");
        expect(config, "capital.meanreversion", "0.1500");
        expect(config, "capital.breakout", "0.1500");
        expect(config, "strategies.breakout.lockstep", "true");
        cr_assert(keel_strategies_any(config));
        keel_run_config_free(&config);
    }
}

Test(strategies, what_is_set_stays_and_shares_never_pass_one)
{
    static const struct {
        const char *yaml, *core, *momentum, *breakout;
    } cases[] = {
        {"capital: {core: 0.4}", "0.4", "0.1500", "0.1500"},
        {"capital: {core: 0.7}", "0.7", "0.1000", "0.1000"},
        {"capital: {core: 90%}", "90%", "0.0333", "0.0333"},
        {"capital: {core: 0.5, mine: 0.2}", "0.5", "0.1000", "0.1000"},
        {"capital: {core: 0.6, momentum: 0.3}", "0.6", "0.3", "0.0500"},
        {"capital: {core: 0.33333}", "0.33333", "0.1500", "0.1500"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        keel_err err;
        keel_run_config *config = config_of(cases[i].yaml);
        cr_assert_eq(keel_strategies_lay(config, false, &err), 7, "case %zu: %s", i, err.text);
        expect(config, "capital.core", cases[i].core);
        expect(config, "capital.momentum", cases[i].momentum);
        expect(config, "capital.breakout", cases[i].breakout);
        expect(config, "strategies.momentum.lockstep", "false");
        keel_run_config_free(&config);
    }
}

Test(strategies, settings_of_one_of_them_are_kept)
{
    keel_err err;
    keel_run_config *config =
        config_of("strategies: {momentum: {lockstep: false, max_gross: 0.5}}\n");
    cr_assert_eq(keel_strategies_lay(config, true, &err), 7, "%s", err.text);
    expect(config, "strategies.momentum.lockstep", "false");
    expect(config, "strategies.momentum.max_gross", "0.5");
    expect(config, "strategies.breakout.lockstep", "true");
    keel_run_config_free(&config);
}

Test(strategies, nothing_is_laid_over_anothers_or_without_capital)
{
    keel_err err;
    keel_run_config *config = config_of("strategies: {mine: {}, breakout: {}}\n");
    cr_assert_eq(keel_strategies_named(config), 4, "breakout is ours, mine is not");
    cr_assert_eq(keel_strategies_lay(config, true, &err), 0);
    cr_assert_not_null(strstr(err.text, "'mine'"), "%s", err.text);
    cr_assert_null(keel_run_config_get(config, "capital.momentum"), "left as it was");
    keel_run_config_free(&config);
    config = config_of("capital: {core: 0.5, mine: 0.5}\n");
    cr_assert_eq(keel_strategies_lay(config, true, &err), 0);
    cr_assert_not_null(strstr(err.text, "capital"), "%s", err.text);
    keel_run_config_free(&config);
}

Test(strategies, processes_are_told_from_services)
{
    cr_assert(keel_strategy_is_process("strategy-momentum"));
    cr_assert_not(keel_strategy_is_process("strategy-coordinator"));
    cr_assert_not(keel_strategy_is_process("momentum"));
}

Test(strategies, a_program_that_is_not_there_is_named)
{
    keel_err err;
    cr_assert_eq(keel_strategies_installed(0, &err), KEEL_OK);
    cr_assert_eq(keel_strategies_installed(1, &err), KEEL_EIO, "tests lie elsewhere");
    cr_assert_not_null(strstr(err.text, "keel-strategy-momentum"), "%s", err.text);
}

static void read_text(const keel_run *run, const char *name, char out[128])
{
    char path[KEEL_PATH_CAP];
    FILE *in = fopen(keel_run_file(run, name, path), "r");
    cr_assert_not_null(in, "%s", path);
    out[fread(out, 1, 127, in)] = '\0';
    fclose(in);
}

Test(strategies, keys_are_made_once_and_secrets_are_private)
{
    char path[KEEL_PATH_CAP], first[128] = "", again[128] = "";
    keel_run run = {.id = "r"};
    struct stat facts;
    keel_err err;
    snprintf(run.dir, sizeof run.dir, "/tmp/kt-keys-XXXXXX");
    cr_assert_not_null(mkdtemp(run.dir));
    cr_assert_eq(keel_strategies_keys(&run, 5, &err), KEEL_OK, "%s", err.text);
    cr_assert_eq(stat(keel_run_file(&run, "keys/momentum.secret", path), &facts), 0);
    cr_assert_eq(facts.st_mode & 0777, 0600);
    cr_assert_eq(access(keel_run_file(&run, "keys/breakout.public", path), R_OK), 0);
    cr_assert_eq(access(keel_run_file(&run, "keys/meanreversion.secret", path), F_OK), -1);
    read_text(&run, "keys/momentum.secret", first);
    cr_assert_eq(strlen(first), 82, "two lines of 40 characters");
    cr_assert_eq(keel_strategies_keys(&run, 7, &err), KEEL_OK);
    read_text(&run, "keys/momentum.secret", again);
    cr_assert_str_eq(first, again, "a key that is there stays");
    snprintf(run.dir, sizeof run.dir, "/proc/nowhere");
    cr_assert_eq(keel_strategies_keys(&run, 1, &err), KEEL_EIO);
}
