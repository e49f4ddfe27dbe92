#include "services/cli/beats.h"
#include "services/cli/door.h"
#include "services/cli/run_config.h"
#include "services/cli/start.h"
#include "services/cli/strategies.h"
#include "services/cli/terminal.h"
#include "services/cli/verbs.h"

#include "common/base/timefmt.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { READY_MS = 20000, DOWN_MS = 15000 };

static keel_status choose_run(const keel_args *args, keel_run *run, keel_err *err)
{
    const char *given = keel_args_text(args, "run");
    if (given != NULL && strchr(given, '/') != NULL)
        return keel_run_at(given, run, err);
    if (given != NULL)
        return keel_run_find(given, NULL, run, err);
    if (!keel_args_on(args, "new") && keel_run_find(NULL, "up", run, err) == KEEL_OK)
        return KEEL_OK;
    return keel_run_make("up", run, err);
}

/* Keel's own strategies that the configuration names; a new run whose configuration names none at
 * all gets them, as in a demo. */
static keel_status choose_strategies(keel_run_config *config, bool goes_on, unsigned *strategies,
                                     keel_err *err)
{
    keel_err why = {.text = "the run goes on with its configuration; add --new"};
    *strategies = goes_on || keel_strategies_any(config) ? keel_strategies_named(config)
                                                         : keel_strategies_lay(config, false, &why);
    if (*strategies == 0)
        return keel_err_set(err, KEEL_EFORMAT,
                            "--with-strategies: strategies names none of momentum, meanreversion, "
                            "breakout: %s",
                            keel_strategies_any(config) ? "only others" : why.text);
    return keel_strategies_installed(*strategies, err);
}

/* A run goes on with the configuration it has, unless another one is named: the same steps replayed
 * under other settings would not be the same steps. */
static keel_status write_config(const keel_args *args, const keel_run *run, unsigned *strategies,
                                keel_err *err)
{
    char own[KEEL_PATH_CAP], base[KEEL_PATH_CAP];
    const char *given = keel_args_text(args, "config");
    keel_run_file(run, "config.yaml", own);
    const bool goes_on = given == NULL && access(own, R_OK) == 0;
    if (!goes_on)
        KEEL_TRY(keel_base_config(given, base, err));
    keel_run_config *config =
        goes_on ? keel_run_config_read(own, err) : keel_run_config_read_local(base, err);
    if (config == NULL)
        return err->status;
    keel_status status = KEEL_OK;
    if (!goes_on)
        status = keel_run_config_set(config, "run.mode", "live", err);
    /* the simulator's own default is a demo's thousand rows; a live run goes on */
    if (status == KEEL_OK && !goes_on && keel_run_config_get(config, "feed.rows") == NULL)
        status = keel_run_config_set(config, "feed.rows", "10000000", err);
    if (status == KEEL_OK)
        status = keel_start_lay_config(config, args, run, err);
    if (status == KEEL_OK && keel_args_on(args, "with-strategies"))
        status = choose_strategies(config, goes_on, strategies, err);
    if (status == KEEL_OK)
        status = keel_start_write_config(config, run, err);
    keel_run_config_free(&config);
    return status;
}

/* Supervise until a stop signal. Failures are told on stderr, once each; the others go on. */
static void supervise(keel_supervisor *supervisor, int signals, const keel_cli *cli)
{
    struct pollfd wait = {signals, POLLIN, 0};
    keel_err err;
    while (keel_signals_stop(signals) == 0) {
        if (keel_supervisor_poll(supervisor, &err) != KEEL_OK)
            fprintf(cli->err, "keel: %s; see 'keel logs'\n", err.text);
        poll(&wait, 1, 200);
    }
}

/* Everything the supervising process does. `told`: where what is said until it has started goes,
 * ended by a line "=CODE"; NULL = nobody waits for it. */
static int be_supervisor(const keel_args *args, const keel_run *run, FILE *told,
                         const keel_cli *cli)
{
    char log_dir[KEEL_PATH_CAP], processes[KEEL_PATH_CAP];
    keel_err err;
    keel_cli starting = *cli;
    int lock = -1, code = KEEL_EXIT_OK;
    keel_start_cfg cfg = {.journal = keel_args_on(args, "journal")};
    if (told != NULL)
        starting.err = told;
    const int signals = keel_signals_open();
    keel_supervisor *supervisor = NULL;
    if (keel_run_lock(run, &lock, &err) != KEEL_OK ||
        write_config(args, run, &cfg.strategies, &err) != KEEL_OK) {
        code = keel_cli_fail(&starting, &err);
    } else {
        supervisor = keel_supervisor_new(keel_run_file(run, "log", log_dir),
                                         keel_run_file(run, "processes", processes));
        code = keel_start_all(supervisor, run, &cfg, &starting, &err);
    }
    if (told != NULL) {
        fprintf(told, "=%d\n", code);
        fclose(told);
    }
    if (code == KEEL_EXIT_OK)
        supervise(supervisor, signals, cli);
    keel_supervisor_free(&supervisor);
    close(lock);
    close(signals);
    return code;
}

/* Wait until every service is heard and none is starting; failures show in the meantime. */
static int wait_ready(const keel_run *run, const keel_cli *cli)
{
    const int64_t end = keel_monotonic_ns() + READY_MS * KEEL_NS_PER_MS;
    keel_err err = {.status = KEEL_EUNAVAIL, .text = "the door did not open"};
    keel_client *client = NULL;
    keel_client_msg msg;
    while (client == NULL && keel_monotonic_ns() < end && keel_run_holder(run) != 0) {
        client = keel_door_open(run, 500, &err);
        if (client == NULL)
            keel_pause_ms(20);
    }
    if (client == NULL)
        return keel_cli_fail(cli, &err);
    keel_beats *beats = keel_beats_new();
    bool ready = keel_door_read(client, KEEL_TOPIC_HEARTBEAT) == KEEL_OK;
    while (ready && !keel_beats_complete(beats)) {
        if (keel_client_next(client, 50, &msg) == KEEL_OK)
            keel_beats_take(beats, &msg.envelope);
        ready = keel_monotonic_ns() < end && keel_run_holder(run) != 0;
    }
    for (int i = 0; i < KEEL_SERVICES_N && !ready; i++)
        if (beats->heard_ns[i] == 0)
            fprintf(cli->err, "keel: %s has not been heard; see: keel logs %s\n",
                    keel_service_at(i), keel_service_at(i));
    keel_client_close(&client);
    keel_free(&beats);
    return ready ? KEEL_EXIT_OK : KEEL_EXIT_UNREACHABLE;
}

static _Noreturn void daemonise(const keel_args *args, const keel_run *run, int told,
                                const keel_cli *cli)
{
    char path[KEEL_PATH_CAP];
    setsid();
    const int null = open("/dev/null", O_RDWR);
    const int log = open(keel_run_file(run, "log/keel.log", path),
                         O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    dup2(null, STDIN_FILENO);
    dup2(log, STDOUT_FILENO);
    dup2(log, STDERR_FILENO);
    setvbuf(stderr, NULL, _IOLBF, BUFSIZ);
    exit(be_supervisor(args, run, fdopen(told, "w"), cli));
}

/* Pass on what the new supervisor says; returns the code of its last line, "=CODE". */
static int read_outcome(int from, const keel_cli *cli)
{
    char line[KEEL_ERR_TEXT_MAX + 64];
    long code = -1;
    FILE *in = fdopen(from, "r");
    while (in != NULL && fgets(line, sizeof line, in) != NULL) {
        if (line[0] == '=')
            code = strtol(line + 1, NULL, 10);
        else
            fputs(line, cli->err);
    }
    if (in != NULL)
        fclose(in);
    if (code >= 0)
        return (int)code;
    fputs("keel: the supervisor ended without a word\n", cli->err);
    return KEEL_EXIT_FAILED;
}

int keel_verb_up(const keel_args *args, const keel_cli *cli)
{
    keel_run run;
    keel_err err;
    int ends[2];
    const char *given = keel_args_text(args, "config");
    if (given != NULL && keel_start_check(given, args, cli) != KEEL_EXIT_OK)
        return KEEL_EXIT_CONFIG;
    if (choose_run(args, &run, &err) != KEEL_OK)
        return keel_cli_fail(cli, &err);
    if (keel_args_on(args, "foreground")) {
        fprintf(cli->err, "keel: run %s in %s; Ctrl-C stops it\n", run.id, run.dir);
        return be_supervisor(args, &run, NULL, cli);
    }
    if (pipe2(ends, O_CLOEXEC) != 0) {
        fprintf(cli->err, "keel: no pipe: %s\n", strerror(errno));
        return KEEL_EXIT_FAILED;
    }
    fflush(NULL);
    const pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        daemonise(args, &run, ends[1], cli);
    }
    close(ends[1]);
    int code = pid > 0 ? read_outcome(ends[0], cli) : KEEL_EXIT_FAILED;
    if (code == KEEL_EXIT_OK)
        code = wait_ready(&run, cli);
    if (code != KEEL_EXIT_OK)
        return code;
    if (keel_args_on(args, "json"))
        fprintf(cli->out, "{\"run\":\"%s\",\"dir\":\"%s\",\"pid\":%d}\n", run.id, run.dir,
                (int)pid);
    else
        fprintf(cli->out,
                "run %s is up in %s\n  keel status | alloc watch | portfolio show | down\n", run.id,
                run.dir);
    return KEEL_EXIT_OK;
}

int keel_verb_down(const keel_args *args, const keel_cli *cli)
{
    keel_run run;
    keel_err err;
    if (keel_run_find_live(keel_args_text(args, "run"), &run, &err) != KEEL_OK)
        return keel_cli_fail(cli, &err);
    const pid_t pid = keel_run_holder(&run);
    const int64_t end = keel_monotonic_ns() + DOWN_MS * KEEL_NS_PER_MS;
    if (pid == 0) {
        fprintf(cli->err, "keel: run %s is not running\n", run.id);
        return KEEL_EXIT_UNREACHABLE;
    }
    if (kill(pid, SIGTERM) != 0) {
        fprintf(cli->err, "keel: process %d: %s\n", (int)pid, strerror(errno));
        return KEEL_EXIT_FAILED;
    }
    while (keel_run_holder(&run) != 0 && keel_monotonic_ns() < end)
        keel_pause_ms(20);
    if (keel_run_holder(&run) != 0) {
        fprintf(cli->err, "keel: run %s has not stopped after %d s\n", run.id, DOWN_MS / 1000);
        return KEEL_EXIT_DEADLINE;
    }
    if (keel_args_on(args, "json"))
        fprintf(cli->out, "{\"run\":\"%s\",\"stopped\":true}\n", run.id);
    else
        fprintf(cli->out, "run %s is stopped\n", run.id);
    return KEEL_EXIT_OK;
}
