#include "services/cli/start.h"

#include "common/base/mem.h"
#include "common/config/config.h"
#include "services/cli/run_program.h"
#include "services/cli/strategies.h"
#include "services/cli/terminal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SETTLE_MS = 150, TAIL_LINES = 6, CHECK_FLAGS_MAX = 32 };

static keel_status set_setting(keel_run_config *config, const char *setting, keel_err *err)
{
    char key[KEEL_PATH_CAP];
    const size_t len = strcspn(setting, "=");
    if (len >= sizeof key)
        return keel_err_set(err, KEEL_ETOOBIG, "--%.80s...: too long", setting);
    memcpy(key, setting, len);
    key[len] = '\0';
    return keel_run_config_set(config, key, setting + len + 1, err);
}

/* Settings of the environment go into the run's own file, below its flags, and out of the
 * environment: the services of a run read one configuration, and so does whoever replays it from
 * elsewhere. */
static keel_status take_environment(keel_run_config *config, keel_err *err)
{
    for (char **at = environ; *at != NULL;) {
        char name[KEEL_PATH_CAP], key[KEEL_PATH_CAP];
        const size_t len = strcspn(*at, "=");
        if (!keel_config_variable_key(*at, len, key, sizeof key)) {
            at++;
            continue;
        }
        if ((*at)[len] == '=')
            KEEL_TRY(keel_run_config_set(config, key, *at + len + 1, err));
        memcpy(name, *at, len);
        name[len] = '\0';
        unsetenv(name); /* the next one moves into its place */
    }
    return KEEL_OK;
}

keel_status keel_start_lay_config(keel_run_config *config, const keel_args *args,
                                  const keel_run *run, keel_err *err)
{
    KEEL_TRY(take_environment(config, err));
    KEEL_TRY(keel_run_config_set_text(config, "run.id", run->id, err));
    KEEL_TRY(keel_run_config_set_text(config, "run.dir", run->dir, err));
    for (int i = 0; i < args->config_n; i++)
        KEEL_TRY(set_setting(config, args->config[i], err));
    return KEEL_OK;
}

keel_status keel_start_write_config(keel_run_config *config, const keel_run *run, keel_err *err)
{
    char path[KEEL_PATH_CAP];
    return keel_run_config_save(config, keel_run_file(run, "config.yaml", path), err);
}

/* The service's refusal (owned), or NULL when it takes the configuration. */
static char *refusal_of(const char *service, const char *config, const keel_args *args)
{
    char program[2 * KEEL_PATH_CAP], flags[CHECK_FLAGS_MAX][KEEL_PATH_CAP];
    const char *argv[CHECK_FLAGS_MAX + 5] = {program, "--check-config", "--config", config};
    int code = 0, n = 4;
    keel_err err;
    if (keel_program_path(service, program, &err) != KEEL_OK)
        return NULL; /* told when it is started */
    for (int i = 0; i < args->config_n && i < CHECK_FLAGS_MAX; i++) {
        snprintf(flags[i], sizeof flags[i], "--%s", args->config[i]);
        argv[n++] = flags[i];
    }
    char *text = keel_program_read(argv, KEEL_CAPTURE_ERR, &code, &err);
    if (code != KEEL_EXIT_CONFIG)
        keel_free(&text);
    return text;
}

int keel_start_check(const char *config, const keel_args *args, const keel_cli *cli)
{
    static const char unset[] = ": default: "; /* the run fills in what is not given */
    for (int i = 0; i < KEEL_SERVICES_N; i++) {
        char *text = refusal_of(keel_service_at(i), config, args);
        const bool refused = text != NULL && strstr(text, unset) == NULL;
        if (refused)
            fputs(text, cli->err);
        keel_free(&text);
        if (refused)
            return KEEL_EXIT_CONFIG;
    }
    return KEEL_EXIT_OK;
}

static const keel_child *failed_child(const keel_supervisor *supervisor)
{
    for (int i = 0; i < keel_supervisor_count(supervisor); i++) {
        const keel_child *c = keel_supervisor_child(supervisor, i);
        if (c->state == KEEL_CHILD_FAILED)
            return c;
    }
    return NULL;
}

int keel_start_failed(const keel_supervisor *supervisor, const keel_run *run, const keel_err *err,
                      const keel_cli *cli)
{
    char log_dir[KEEL_PATH_CAP];
    const keel_child *c = failed_child(supervisor);
    fprintf(cli->err, "keel: %s\n", err->text);
    if (c == NULL)
        return KEEL_EXIT_FAILED;
    keel_log_tail(keel_run_file(run, "log", log_dir), c->name, TAIL_LINES, "  | ", cli->err);
    const int code = WIFEXITED(c->wait_status) ? WEXITSTATUS(c->wait_status) : 0;
    if (code == KEEL_EXIT_USAGE || code == KEEL_EXIT_CONFIG || code == KEEL_EXIT_INFEASIBLE)
        return code;
    return KEEL_EXIT_FAILED;
}

/* Keys come before the relay, which reads them at its start; strategies before the feed, so that
 * they see its first row as it comes. */
static keel_status start_in_order(keel_supervisor *supervisor, const keel_run *run,
                                  const keel_start_cfg *cfg, keel_err *err)
{
    KEEL_TRY(keel_system_start_stores(supervisor, run, err));
    KEEL_TRY(keel_strategies_keys(run, cfg->strategies, err));
    KEEL_TRY(keel_system_start_relay(supervisor, run, err));
    KEEL_TRY(keel_system_start_services(supervisor, run, cfg->journal, err));
    KEEL_TRY(keel_strategies_start(supervisor, run, cfg->strategies, err));
    return keel_system_start_feed(supervisor, run, cfg->journal, err);
}

int keel_start_all(keel_supervisor *supervisor, const keel_run *run, const keel_start_cfg *cfg,
                   const keel_cli *cli, keel_err *err)
{
    keel_status status = start_in_order(supervisor, run, cfg, err);
    /* a configuration that is refused ends a service at once */
    for (int ms = 0; status == KEEL_OK && ms < SETTLE_MS; ms += 10) {
        keel_pause_ms(10);
        status = keel_supervisor_poll(supervisor, err);
    }
    return status == KEEL_OK ? KEEL_EXIT_OK : keel_start_failed(supervisor, run, err, cli);
}
