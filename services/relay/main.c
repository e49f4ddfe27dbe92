/* relay(8) - the door of the bus for strategies, subscribers and operators.
 *
 * IN      every topic of every service; from outside, as far as the key has a right to it,
 *         v1.signal|hello|step.{strategy}. v1.resend.feed. v1.request.{service}.
 * OUT     the topics of services to outside, last values first; inside what was admitted, requests
 *         with the name of the key; v1.hb.relay. each 100 ms; v1.reply.{requester}. to what it is
 *         asked itself
 * KEEPS   nothing but the keys and rights in {run}/keys; last values live in memory
 * COUNTS  messages_out subscriptions last_values_out signals_in hellos_in steps_in resends_in
 *         requests_in keys_* handshakes_refused in_* inside_* cache_full disconnected
 * FAILS   exits 1 when a stranger's key is let in at the start, or when the key check ends
 */
#include "common/base/assert.h"
#include "common/base/mem.h"
#include "common/base/timefmt.h"
#include "common/service/names.h"
#include "common/service/settings.h"
#include "services/relay/door.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

enum { EXIT_USAGE = 2, EXIT_CONFIG = 3, FLAGS_MAX = 128, TURN_MS = 100 };

typedef struct flags {
    const char *config;
    keel_log_level level;
    bool print_config;
    bool check_config;
    bool make_keys;
    bool origin;
    bool json;
    const char *rest[FLAGS_MAX];
    int rest_n;
} flags;

extern char **environ;

static int64_t wall_ns(void *arg)
{
    struct timespec t;
    (void)arg;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * KEEL_NS_PER_S + t.tv_nsec;
}

static const char help[] =
    "usage: keel-relay --config FILE [--log-level debug|info|warn|error] [--SECTION.KEY=VALUE "
    "...]\n"
    "       keel-relay --print-config [--origin] [--json] | --check-config | --version | --help\n"
    "       keel-relay --config FILE --make-keys    the door's and the operator's, and no more\n";

static int usage(const char *word)
{
    fprintf(stderr, "keel-relay: '%s' is not understood or needs a value\n%s", word, help);
    return EXIT_USAGE;
}

static bool read_level(const char *word, keel_log_level *level)
{
    static const char *const words[] = {"debug", "info", "warn", "error"};
    for (int i = 0; i < 4; i++) {
        if (strcmp(words[i], word) == 0) {
            *level = (keel_log_level)(KEEL_LOG_DEBUG + i);
            return true;
        }
    }
    return false;
}

static bool set_switch(flags *f, const char *word)
{
    const struct {
        const char *word;
        bool *set;
    } switches[] = {{"--print-config", &f->print_config},
                    {"--check-config", &f->check_config},
                    {"--make-keys", &f->make_keys},
                    {"--origin", &f->origin},
                    {"--json", &f->json}};
    for (size_t i = 0; i < sizeof switches / sizeof switches[0]; i++) {
        if (strcmp(switches[i].word, word) == 0) {
            *switches[i].set = true;
            return true;
        }
    }
    return false;
}

/* 0 or the exit code. */
static int read_flags(int argc, char **argv, flags *f)
{
    for (int i = 1; i < argc; i++) {
        const bool last = i + 1 == argc;
        if (set_switch(f, argv[i]))
            continue;
        if (strcmp(argv[i], "--config") == 0 && !last)
            f->config = argv[++i];
        else if (strcmp(argv[i], "--log-level") == 0 && !last && read_level(argv[i + 1], &f->level))
            i++;
        else if (strncmp(argv[i], "--", 2) == 0 && strchr(argv[i], '.') != NULL &&
                 f->rest_n + 1 < FLAGS_MAX) {
            f->rest[f->rest_n++] = argv[i];
            if (strchr(argv[i], '=') == NULL && !last)
                f->rest[f->rest_n++] = argv[++i];
        } else
            return usage(argv[i]);
    }
    return 0;
}

static keel_status load(const flags *f, keel_config **config, relay_door_cfg *door,
                        keel_settings *settings, keel_err *err)
{
    const char *others[16];
    int m = 0;
    const keel_cfg_row *const tables[] = {keel_settings_rows(), relay_door_rows()};
    const keel_config_sources sources = {f->config, (const char *const *)environ, f->rest_n,
                                         f->rest};
    for (size_t i = 0; i < keel_step_services_n && m < 16; i++)
        others[m++] = keel_step_services[i];
    *config = keel_config_load(&sources, err);
    if (*config == NULL)
        return err->status;
    KEEL_TRY(keel_config_check(*config, tables, 2, others, m, err));
    keel_universe *universe = keel_xcalloc(1, sizeof *universe);
    const keel_status status = keel_settings_load(*config, settings, universe, err);
    keel_free(&universe);
    KEEL_TRY(status);
    KEEL_TRY(keel_config_bind(*config, relay_door_rows(), door, err));
    door->run_id = settings->run_id;
    door->dir = settings->dir;
    door->endpoint = settings->endpoint;
    door->lockstep = settings->mode == KEEL_MODE_LOCKSTEP;
    return KEEL_OK;
}

static int signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    KEEL_ASSERT(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
    signal(SIGPIPE, SIG_IGN);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* As many descriptors as the system allows: each client holds three, and each connection that says
 * nothing one, until its handshake is given up. */
static unsigned long long raise_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 0;
    const rlim_t before = limit.rlim_cur;
    limit.rlim_cur = limit.rlim_max;
    return setrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : before;
}

static int serve(const relay_door_cfg *cfg, const flags *f)
{
    keel_err err = {0};
    const unsigned long long descriptors = raise_descriptors();
    const int fd = signals(); /* before libzmq's threads, which inherit the mask */
    relay_door_cfg with_obs = *cfg;
    keel_obs *obs = keel_obs_new("relay", f->level, stderr, wall_ns, NULL);
    with_obs.obs = obs;
    relay_door *door = relay_door_open(&with_obs, &err);
    if (door == NULL) {
        keel_log(obs, KEEL_LOG_ERROR, "fatal", "reason=%s", keel_obs_quote(obs, err.text));
    } else {
        keel_log(obs, KEEL_LOG_INFO, "started", "version=%s run=%s pid=%d descriptors=%llu",
                 KEEL_VERSION, cfg->run_id, (int)getpid(), descriptors);
        while (!relay_door_turn(door, fd, TURN_MS))
            ;
        keel_log(obs, KEEL_LOG_INFO, "stopped", "messages_out=%llu",
                 (unsigned long long)keel_counted(obs, "messages_out"));
    }
    const int code = door == NULL ? 1 : 0;
    relay_door_close(&door);
    keel_obs_free(&obs);
    close(fd);
    return code;
}

static int make_keys(const char *dir)
{
    keel_err err;
    const keel_status status = relay_make_keys(dir, &err);
    if (status != KEEL_OK)
        fprintf(stderr, "keel-relay: %s\n", err.text);
    return status == KEEL_OK ? 0 : 1;
}

int main(int argc, char **argv)
{
    flags f = {.level = KEEL_LOG_INFO};
    keel_err err = {0};
    keel_settings settings;
    relay_door_cfg door = {0};
    keel_config *config = NULL;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--version") == 0)
            return printf("keel-relay %s\n", KEEL_VERSION) < 0;
        if (strcmp(argv[i], "--help") == 0)
            return fputs(help, stdout) < 0;
    }
    int code = read_flags(argc, argv, &f);
    if (code != 0)
        return code;
    if (load(&f, &config, &door, &settings, &err) != KEEL_OK) {
        fprintf(stderr, "keel-relay: %s\n", err.text);
        code = EXIT_CONFIG;
    } else if (f.print_config) {
        keel_config_print(config, keel_settings_rows(), f.origin, f.json, stdout);
        keel_config_print(config, relay_door_rows(), f.origin, f.json, stdout);
    } else if (f.make_keys) {
        code = make_keys(settings.dir);
    } else if (!f.check_config) {
        code = serve(&door, &f);
    }
    keel_config_free(&config);
    return code;
}
