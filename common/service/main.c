/* main.c - a node in a process: argv, configuration, sockets, signals, the loop.
 *
 * Order of the start: version stamp, argv, configuration, --print-* exit here, log, bus, stores,
 * open, recovery, loop. On SIGTERM: no new step, save when between two, STOPPED, close. */
#include "common/base/assert.h"
#include "common/base/text.h"
#include "common/base/timefmt.h"
#include "common/bus/socket.h"
#include "common/service/names.h"
#include "common/service/node.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

enum {
    EXIT_USAGE = 2,
    EXIT_CONFIG = 3,
    EXIT_INFEASIBLE = 6,
    FLAGS_MAX = 128,
    ENDPOINT_MAX = 256,
    PATH_BYTES = 256,
    REDIS_TIMEOUT_MS = 1000,
    TURNS_WITHOUT_WAIT = 16, /* then signals are looked for */
};

#define STOP_LIMIT_NS (5 * KEEL_NS_PER_S)

typedef struct flags {
    const char *config;
    const char *journal;
    keel_log_level level;
    bool print_config;
    bool check_config;
    bool print_topics;
    bool origin;
    bool json;
    const char *rest[FLAGS_MAX]; /* --section.key=value */
    int rest_n;
} flags;

extern char **environ;

static int64_t clock_ns(clockid_t which)
{
    struct timespec t;
    clock_gettime(which, &t);
    return (int64_t)t.tv_sec * KEEL_NS_PER_S + t.tv_nsec;
}

static int64_t wall_ns(void *arg)
{
    (void)arg;
    return clock_ns(CLOCK_REALTIME);
}

static int64_t mono_ns(void *arg)
{
    (void)arg;
    return clock_ns(CLOCK_MONOTONIC);
}

/* The lock file keeps the last epoch: others take what is of an older one for something that was
 * overtaken, so that a start after the clock has stepped back would not be heard. */
static int64_t epoch_ns(void *arg)
{
    enum { DIGITS = 19 };
    const int fd = *(const int *)arg;
    char text[DIGITS + 2] = "";
    int64_t now = clock_ns(CLOCK_REALTIME);
    const int64_t last = pread(fd, text, DIGITS, 0) == DIGITS ? strtoll(text, NULL, 10) : 0;
    if (now <= last && last < INT64_MAX)
        now = last + 1;
    snprintf(text, sizeof text, "%0*" PRId64 "\n", DIGITS, now);
    if (pwrite(fd, text, DIGITS + 1, 0) != DIGITS + 1)
        return now; /* no room: the clock alone has to do at the next start */
    return now;
}

/* ---- argv ---- */

static void print_help(const keel_service_spec *spec)
{
    printf("usage: keel-%s --config FILE [--journal DIR] [--log-level debug|info|warn|error]\n"
           "                [--SECTION.KEY=VALUE ...]\n"
           "       keel-%s --print-config [--origin] [--json] | --check-config | --print-topics\n"
           "       keel-%s --version | --help\n",
           spec->name, spec->name, spec->name);
}

static bool parse_level(const char *word, keel_log_level *level)
{
    static const char *const words[] = {"debug", "info", "warn", "error"};
    for (int i = 0; i < 4; i++)
        if (strcmp(word, words[i]) == 0) {
            *level = (keel_log_level)(i + 1);
            return true;
        }
    return false;
}

/* Takes a flag that has a value; *i moves past it. */
static bool with_value(int argc, char **argv, int *i, const char *name, const char **value)
{
    if (strcmp(argv[*i], name) != 0)
        return false;
    if (*i + 1 >= argc) {
        fprintf(stderr, "%s needs a value\n", name);
        exit(EXIT_USAGE);
    }
    *value = argv[++*i];
    return true;
}

static bool is_switch(const char *word, const char *name, bool *set)
{
    if (strcmp(word, name) != 0)
        return false;
    *set = true;
    return true;
}

static void parse_argv(int argc, char **argv, const keel_service_spec *spec, flags *f)
{
    *f = (flags){.level = KEEL_LOG_INFO};
    for (int i = 1; i < argc; i++) {
        const char *level = NULL;
        if (strcmp(argv[i], "--help") == 0) {
            print_help(spec);
            exit(0);
        }
        if (strcmp(argv[i], "--version") == 0) {
            printf("keel-%s %s\n", spec->name, KEEL_VERSION);
            exit(0);
        }
        if (with_value(argc, argv, &i, "--config", &f->config) ||
            with_value(argc, argv, &i, "--journal", &f->journal) ||
            is_switch(argv[i], "--print-config", &f->print_config) ||
            is_switch(argv[i], "--check-config", &f->check_config) ||
            is_switch(argv[i], "--print-topics", &f->print_topics) ||
            is_switch(argv[i], "--origin", &f->origin) || is_switch(argv[i], "--json", &f->json))
            continue;
        if (with_value(argc, argv, &i, "--log-level", &level)) {
            if (!parse_level(level, &f->level)) {
                fprintf(stderr, "--log-level: %s: debug, info, warn or error\n", level);
                exit(EXIT_USAGE);
            }
            continue;
        }
        if (strncmp(argv[i], "--", 2) != 0 || strchr(argv[i], '.') == NULL ||
            f->rest_n == FLAGS_MAX) {
            fprintf(stderr, "keel-%s: unknown argument '%s'; see --help\n", spec->name, argv[i]);
            exit(EXIT_USAGE);
        }
        f->rest[f->rest_n++] = argv[i];
    }
}

/* ---- configuration ---- */

typedef struct setup {
    keel_config *config; /* owned */
    keel_settings settings;
    keel_universe *universe; /* owned */
} setup;

static bool load_setup(const flags *f, const keel_service_spec *spec, setup *s)
{
    keel_err err = {0};
    const char *others[16];
    int m = 0;
    const keel_config_sources sources = {f->config, (const char *const *)environ, f->rest_n,
                                         f->rest};
    const keel_cfg_row *const tables[] = {keel_settings_rows(), spec->cfg};
    s->config = keel_config_load(&sources, &err);
    if (s->config == NULL)
        goto refused;
    for (size_t i = 0; i < keel_all_services_n; i++)
        if (strcmp(keel_all_services[i], spec->name) != 0)
            others[m++] = keel_all_services[i];
    s->universe = keel_xcalloc(1, sizeof *s->universe);
    if (keel_config_check(s->config, tables, 2, others, m, &err) != KEEL_OK ||
        keel_settings_load(s->config, &s->settings, s->universe, &err) != KEEL_OK)
        goto refused;
    void *probe = keel_xcalloc(1, spec->app_size);
    const keel_status bound = keel_config_bind(s->config, spec->cfg, probe, &err);
    keel_free(&probe);
    if (bound == KEEL_OK)
        return true;
refused:
    fprintf(stderr, "keel-%s: %s\n", spec->name, err.text);
    return false;
}

static void free_setup(setup *s)
{
    keel_free(&s->universe);
    keel_config_free(&s->config);
}

static void print_topics(const keel_service_spec *spec)
{
    for (int i = 0; spec->pubs[i] != KEEL_TOPIC_COUNT; i++)
        printf("publishes %s\n", keel_topic_describe(spec->pubs[i])->template_text);
    for (int i = 0; spec->subs != NULL && spec->subs[i].on != NULL; i++)
        printf("reads     %s\n", keel_topic_describe(spec->subs[i].topic)->template_text);
    for (const keel_line *l = spec->line; l != NULL && l->publisher != NULL; l++)
        printf("waits     %s, step k%s%s\n", l->publisher, l->delta < 0 ? "-1" : "",
               l->after_end ? ", after its own end" : "");
}

#ifdef KEEL_FAULTS
/* Test builds: a file of three words, mapped. The first two arm a death: stage, and passes of it
 * until then; the third, read at the start, are rules to switch off (KEEL_WITHOUT_*). */
enum { FAULT_WORDS = 3 };

static void die_if_armed(void *arg, keel_stage stage)
{
    volatile int32_t *armed = arg;
    if (armed[0] == (int32_t)stage && --armed[1] <= 0) {
        armed[0] = 0;
        raise(SIGKILL);
    }
}

static void map_faults(const keel_service_spec *spec, const char *dir, keel_node_cfg *cfg)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s.fault", dir, spec->name);
    const int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return;
    void *page =
        mmap(NULL, FAULT_WORDS * sizeof(int32_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (page != MAP_FAILED) {
        cfg->at_stage = die_if_armed;
        cfg->stage_arg = page;
        cfg->without = (unsigned)((const int32_t *)page)[2];
    }
}
#endif

/* ---- the outside ---- */

/* A second process would take the first one's socket away. The lock ends with the process. */
static keel_status lock_place(const keel_service_spec *spec, const char *dir, int *fd,
                              keel_err *err)
{
    char path[PATH_BYTES];
    if (snprintf(path, sizeof path, "%s/%s.lock", dir, spec->name) >= (int)sizeof path)
        return keel_err_set(err, KEEL_ETOOBIG, "run.dir: too long for %s", spec->name);
    *fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (*fd < 0)
        return keel_err_set(err, KEEL_EIO, "%s: %s", path, strerror(errno));
    if (flock(*fd, LOCK_EX | LOCK_NB) != 0)
        return keel_err_set(err, KEEL_EEXIST, "%s: another keel-%s is at work there", dir,
                            spec->name);
    return KEEL_OK;
}

static keel_status open_bus(const keel_service_spec *spec, const keel_settings *set, keel_bus *bus,
                            keel_err *err)
{
    char outbox[ENDPOINT_MAX];
    char peers[16][ENDPOINT_MAX];
    const char *peer_of[16];
    int n = 0;
    if (keel_endpoint_make(set->endpoint, set->dir, spec->name, outbox, sizeof outbox) != KEEL_OK)
        return keel_err_set(err, KEEL_ETOOBIG, "run.endpoint: too long for %s", spec->name);
    for (size_t i = 0; i < keel_all_services_n; i++) {
        if (strcmp(keel_all_services[i], spec->name) == 0)
            continue;
        if (keel_endpoint_make(set->endpoint, set->dir, keel_all_services[i], peers[n],
                               sizeof peers[n]) != KEEL_OK)
            return keel_err_set(err, KEEL_ETOOBIG, "run.endpoint: too long for %s",
                                keel_all_services[i]);
        peer_of[n] = peers[n];
        n++;
    }
    const keel_bus_zmq_cfg cfg = {outbox, peer_of, n};
    return keel_bus_zmq_open(&cfg, bus, err);
}

static void redis_address(const char *configured, const char *dir, const char *name, char *out)
{
    if (configured[0] != '\0')
        snprintf(out, PATH_BYTES, "%s", configured);
    else
        snprintf(out, PATH_BYTES, "%s/%s", dir, name);
}

static void open_stores(const keel_settings *set, keel_log_store *log, keel_cache_store *cache)
{
    char at[PATH_BYTES];
    redis_address(set->log_redis, set->dir, "log.sock", at);
    keel_log_redis_open(&(keel_redis_cfg){at, set->run_id, REDIS_TIMEOUT_MS}, log);
    redis_address(set->cache_redis, set->dir, "cache.sock", at);
    keel_cache_redis_open(&(keel_redis_cfg){at, set->run_id, REDIS_TIMEOUT_MS}, cache);
}

static int signal_fd(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    KEEL_ASSERT(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file at its limit is a full disk: an error of write() */
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void stop(keel_service *svc, const keel_bus *bus)
{
    const int64_t limit = clock_ns(CLOCK_MONOTONIC) + STOP_LIMIT_NS;
    while (!keel_node_stop(svc) && clock_ns(CLOCK_MONOTONIC) < limit)
        (void)keel_bus_zmq_wait(bus, -1, 20);
}

static int loop(keel_service *svc, const keel_bus *bus)
{
    const int fd = signal_fd();
    int code = 0, turns = 0;
    bool told = false;
    while (!told && !keel_node_wants_shutdown(svc)) {
        const bool did = keel_node_turn(svc);
        if (keel_node_state(svc) == KEEL_STATE_FAILED) {
            code = 1;
            break;
        }
        if (did && ++turns % TURNS_WITHOUT_WAIT != 0)
            continue; /* the next turn finds out by itself whether there is more */
        int64_t wait_ns = did ? 0 : keel_node_due_ns(svc) - clock_ns(CLOCK_MONOTONIC);
        wait_ns = wait_ns < 0 ? 0 : wait_ns;
        told = keel_bus_zmq_wait(bus, fd, (int)((wait_ns + KEEL_NS_PER_MS - 1) / KEEL_NS_PER_MS));
    }
    stop(svc, bus);
    close(fd);
    return code;
}

static int run(const flags *f, const keel_service_spec *spec, setup *s)
{
    keel_err err = {0};
    keel_bus bus;
    keel_journal *journal = NULL;
    keel_obs *obs = keel_obs_new(spec->name, f->level, stderr, wall_ns, NULL);
    keel_node_cfg cfg = {.spec = spec,
                         .config = s->config,
                         .settings = &s->settings,
                         .universe = s->universe,
                         .obs = obs,
                         .wall_ns = wall_ns,
                         .mono_ns = mono_ns,
                         .epoch_ns = epoch_ns};
    int code = 1, lock = -1;
    cfg.clock_arg = &lock;
    if (lock_place(spec, s->settings.dir, &lock, &err) != KEEL_OK)
        goto out;
    if (f->journal != NULL) {
        journal = keel_journal_open(f->journal, spec->name, &err);
        if (journal == NULL)
            goto out;
        cfg.journal = journal;
    }
    if (open_bus(spec, &s->settings, &bus, &err) != KEEL_OK)
        goto out;
    cfg.bus = bus;
#ifdef KEEL_FAULTS
    map_faults(spec, s->settings.dir, &cfg);
#endif
    open_stores(&s->settings, &cfg.log, &cfg.cache);
    keel_log(obs, KEEL_LOG_INFO, "started", "version=%s run=%s pid=%d", KEEL_VERSION,
             s->settings.run_id, (int)getpid());
    keel_service *svc = keel_node_new(&cfg, &err);
    if (svc == NULL) {
        code = err.status == KEEL_EINFEASIBLE ? EXIT_INFEASIBLE : EXIT_CONFIG;
        goto out;
    }
    code = loop(svc, &bus);
    if (code != 0)
        keel_err_set(&err, KEEL_EREFUSED, "%s", keel_node_why(svc));
    keel_log(obs, KEEL_LOG_INFO, "stopped", "step=%llu", (unsigned long long)keel_node_done(svc));
    keel_node_free(&svc);
out:
    if (code != 0)
        keel_log(obs, KEEL_LOG_ERROR, "fatal", "reason=%s", keel_obs_quote(obs, err.text));
    keel_journal_close(&journal);
    keel_obs_free(&obs);
    if (lock >= 0)
        close(lock);
    return code;
}

int keel_service_main(int argc, char **argv, const keel_service_spec *spec)
{
    flags f;
    setup s = {0};
    int code = EXIT_CONFIG;
    parse_argv(argc, argv, spec, &f);
    if (f.print_topics) {
        print_topics(spec);
        return 0;
    }
    if (load_setup(&f, spec, &s)) {
        code = 0;
        if (f.print_config) {
            keel_config_print(s.config, keel_settings_rows(), f.origin, f.json, stdout);
            keel_config_print(s.config, spec->cfg, f.origin, f.json, stdout);
        } else if (!f.check_config) {
            code = run(&f, spec, &s);
        }
    }
    free_setup(&s);
    return code;
}
