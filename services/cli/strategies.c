#include "services/cli/strategies.h"

#include "common/base/text.h"
#include "common/keys/keys.h"
#include "services/cli/run_program.h"
#include "services/cli/system.h"

#include <stdio.h>
#include <string.h>

static const char *const names[KEEL_OWN_STRATEGIES] = {"momentum", "meanreversion", "breakout"};

#define PROCESS_PREFIX "strategy-"

/* Shares of equity in ten thousandths, so that three of them sum exactly. */
enum { SHARE_WHOLE = 10000, SHARE_CORE = 5500, SHARE_EACH = 1500, SHARES_MAX = 512 };

static bool is_own(const char *name)
{
    for (int i = 0; i < KEEL_OWN_STRATEGIES; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

bool keel_strategy_is_process(const char *process)
{
    const size_t len = strlen(PROCESS_PREFIX);
    return strncmp(process, PROCESS_PREFIX, len) == 0 && is_own(process + len);
}

bool keel_strategies_any(const keel_run_config *config)
{
    return keel_run_config_count(config, "strategies") > 0;
}

unsigned keel_strategies_named(const keel_run_config *config)
{
    unsigned set = 0;
    for (int at = 0; at < keel_run_config_count(config, "strategies"); at++)
        for (int i = 0; i < KEEL_OWN_STRATEGIES; i++)
            if (strcmp(keel_run_config_name(config, "strategies", at), names[i]) == 0)
                set |= 1u << i;
    return set;
}

/* "0.6", "60%": what a share is worth, rounded up to a ten thousandth, so that nothing is given
 * twice. A value that cannot be read is the services' to refuse: it takes all. */
static int share_of(const keel_run_config *config, const char *book)
{
    char key[KEEL_PATH_CAP], number[32];
    double value;
    size_t len = 0;
    if (!keel_text_add(key, sizeof key, &len, "capital.%s", book))
        return SHARE_WHOLE;
    const char *text = keel_run_config_get(config, key);
    if (text == NULL)
        return 0;
    const bool percent = text[0] != '\0' && text[strlen(text) - 1] == '%';
    len = 0;
    if (!keel_text_add(number, sizeof number, &len, "%.*s", (int)strlen(text) - percent, text) ||
        keel_text_real(number, &value) != KEEL_OK || value < 0.0)
        return SHARE_WHOLE;
    value *= percent ? SHARE_WHOLE / 100 : SHARE_WHOLE;
    if (value >= SHARE_WHOLE)
        return SHARE_WHOLE;
    const int down = (int)value;
    return down + ((double)down < value - 1e-6);
}

/* What each of the own strategies that has no share yet may have; 0 = there is nothing left. */
static int share_each(const keel_run_config *config)
{
    int given = 0, without = KEEL_OWN_STRATEGIES;
    for (int i = 0; i < keel_run_config_count(config, "capital") && i < SHARES_MAX; i++) {
        const char *book = keel_run_config_name(config, "capital", i);
        given += share_of(config, book);
        without -= is_own(book);
    }
    if (without == 0)
        return SHARE_EACH;
    const int each = (SHARE_WHOLE - given) / without;
    return each > SHARE_EACH ? SHARE_EACH : each < 0 ? 0 : each;
}

static keel_status set_share(keel_run_config *config, const char *book, int share, keel_err *err)
{
    char key[64], value[32];
    snprintf(key, sizeof key, "capital.%s", book);
    snprintf(value, sizeof value, "%.4f", (double)share / SHARE_WHOLE);
    return keel_run_config_set(config, key, value, err);
}

/* Core alone, with everything: the base configuration, which nobody has divided yet. */
static bool is_undivided(const keel_run_config *config)
{
    const int n = keel_run_config_count(config, "capital");
    return n == 0 || (n == 1 && share_of(config, "core") == SHARE_WHOLE);
}

static keel_status lay_one(keel_run_config *config, const char *name, int share, bool lockstep,
                           keel_err *err)
{
    char key[64];
    snprintf(key, sizeof key, "capital.%s", name);
    if (keel_run_config_get(config, key) == NULL)
        KEEL_TRY(set_share(config, name, share, err));
    snprintf(key, sizeof key, "strategies.%s.lockstep", name);
    if (keel_run_config_get(config, key) != NULL)
        return KEEL_OK;
    return keel_run_config_set(config, key, lockstep ? "true" : "false", err);
}

/* "strategies:" with nothing after it is the same as {}, but no map that could be added to. */
static keel_status open_map(keel_run_config *config, const char *key, keel_err *err)
{
    const char *text = keel_run_config_get(config, key);
    if (text == NULL || text[0] != '\0')
        return KEEL_OK;
    return keel_run_config_set(config, key, "{}", err);
}

unsigned keel_strategies_lay(keel_run_config *config, bool lockstep, keel_err *err)
{
    for (int i = 0; i < keel_run_config_count(config, "strategies"); i++) {
        const char *name = keel_run_config_name(config, "strategies", i);
        if (is_own(name))
            continue;
        keel_err_set(err, KEEL_EEXIST, "strategies names '%.47s' already", name);
        return 0;
    }
    keel_status status = open_map(config, "strategies", err);
    if (status == KEEL_OK)
        status = open_map(config, "capital", err);
    if (status == KEEL_OK && is_undivided(config))
        status = set_share(config, "core", SHARE_CORE, err);
    if (status != KEEL_OK)
        return 0;
    const int share = share_each(config);
    if (share == 0) {
        keel_err_set(err, KEEL_EINFEASIBLE, "capital leaves nothing for them");
        return 0;
    }
    for (int i = 0; i < KEEL_OWN_STRATEGIES && status == KEEL_OK; i++)
        status = lay_one(config, names[i], share, lockstep, err);
    return status == KEEL_OK ? keel_strategies_named(config) : 0;
}

static keel_status program_of(int i, char out[2 * KEEL_PATH_CAP], keel_err *err)
{
    char service[64];
    snprintf(service, sizeof service, PROCESS_PREFIX "%s", names[i]);
    return keel_program_path(service, out, err);
}

keel_status keel_strategies_installed(unsigned set, keel_err *err)
{
    char program[2 * KEEL_PATH_CAP];
    for (int i = 0; i < KEEL_OWN_STRATEGIES; i++)
        if ((set & 1u << i) != 0)
            KEEL_TRY(program_of(i, program, err));
    return KEEL_OK;
}

keel_status keel_strategies_keys(const keel_run *run, unsigned set, keel_err *err)
{
    char folder[KEEL_PATH_CAP];
    keel_key_pair pair;
    keel_status status = keel_keys_folder(keel_run_file(run, "keys", folder), err);
    for (int i = 0; i < KEEL_OWN_STRATEGIES && status == KEEL_OK; i++)
        if ((set & 1u << i) != 0)
            status = keel_key_pair_have(folder, names[i], &pair, err);
    explicit_bzero(&pair, sizeof pair);
    return status;
}

keel_status keel_strategies_start(keel_supervisor *supervisor, const keel_run *run, unsigned set,
                                  keel_err *err)
{
    char program[2 * KEEL_PATH_CAP], name[48];
    for (int i = 0; i < KEEL_OWN_STRATEGIES; i++) {
        if ((set & 1u << i) == 0)
            continue;
        KEEL_TRY(program_of(i, program, err));
        const char *const argv[] = {program, "--run", run->dir, NULL};
        snprintf(name, sizeof name, PROCESS_PREFIX "%s", names[i]);
        KEEL_TRY(keel_supervisor_start(supervisor, name, KEEL_STAGE_STRATEGIES, argv, err));
    }
    return KEEL_OK;
}
