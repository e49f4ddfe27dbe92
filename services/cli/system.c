#include "services/cli/system.h"

#include "common/base/text.h"
#include "common/base/timefmt.h"
#include "services/cli/terminal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { STORES_WAIT_MS = 10000 };

static const char *const services[KEEL_SERVICES_N] = {
    "relay", "ledger", "execution", "correlation", "optimizer", "risk", "strategy-coordinator",
    "feed",
};

const char *keel_service_at(int i)
{
    return services[i];
}

bool keel_service_is_known(const char *name)
{
    for (int i = 0; i < KEEL_SERVICES_N; i++)
        if (strcmp(services[i], name) == 0)
            return true;
    return false;
}

keel_status keel_bin_dir(char out[KEEL_PATH_CAP], keel_err *err)
{
    const ssize_t n = readlink("/proc/self/exe", out, KEEL_PATH_CAP - 1);
    if (n <= 0 || n >= KEEL_PATH_CAP - 1)
        return keel_err_set(err, KEEL_EIO, "/proc/self/exe: %s", strerror(errno));
    out[n] = '\0';
    *strrchr(out, '/') = '\0';
    return KEEL_OK;
}

keel_status keel_base_config(const char *given, char out[KEEL_PATH_CAP], keel_err *err)
{
    static const char *const places[] = {KEEL_CONFIG_BUILT, KEEL_CONFIG_INSTALLED};
    if (given != NULL) {
        if (keel_text_copy(out, KEEL_PATH_CAP, given) == KEEL_OK && access(out, R_OK) == 0)
            return KEEL_OK;
        return keel_err_set(err, KEEL_EIO, "%s: cannot be read: %s", given, strerror(errno));
    }
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        if (keel_text_copy(out, KEEL_PATH_CAP, places[i]) == KEEL_OK && access(out, R_OK) == 0)
            return KEEL_OK;
    return keel_err_set(err, KEEL_EIO, "no configuration: neither %s nor %s can be read", places[0],
                        places[1]);
}

static int open_socket(const char *path, int timeout_ms)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    const struct timeval limit = {timeout_ms / 1000, (long)(timeout_ms % 1000) * 1000};
    if (keel_text_copy(to.sun_path, sizeof to.sun_path, path) != KEEL_OK)
        return -1;
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (connect(fd, (const struct sockaddr *)&to, sizeof to) == 0)
        return fd;
    close(fd);
    return -1;
}

/* One inline command and the beginning of its answer: the five words that a supervisor needs are
 * not worth a Redis library in this program. */
static bool ask_store(const char *path, const char *command, int timeout_ms, char *out, size_t cap)
{
    const int fd = open_socket(path, timeout_ms);
    ssize_t n = -1;
    if (fd < 0)
        return false;
    if (send(fd, command, strlen(command), MSG_NOSIGNAL) == (ssize_t)strlen(command))
        n = recv(fd, out, cap - 1, 0);
    close(fd);
    out[n > 0 ? n : 0] = '\0';
    return n > 0;
}

bool keel_store_answers(const char *socket_path, int timeout_ms)
{
    char answer[64];
    return ask_store(socket_path, "PING\r\n", timeout_ms, answer, sizeof answer) &&
           strncmp(answer, "+PONG", 5) == 0;
}

bool keel_store_setting(const char *socket_path, const char *name, char *out, size_t cap)
{
    char command[96], answer[256];
    size_t len = 0;
    if (!keel_text_add(command, sizeof command, &len, "CONFIG GET %s\r\n", name) ||
        !ask_store(socket_path, command, 500, answer, sizeof answer))
        return false;
    /* *2 $n name $m value, each ended by CR LF: the value is the fifth line. */
    const char *at = answer;
    for (int line = 0; line < 4; line++) {
        at = strstr(at, "\r\n");
        if (at == NULL)
            return false;
        at += 2;
    }
    len = 0;
    return keel_text_add(out, cap, &len, "%.*s", (int)strcspn(at, "\r"), at);
}

static keel_status wait_for_store(keel_supervisor *supervisor, const char *path, keel_err *err)
{
    const int64_t end = keel_monotonic_ns() + STORES_WAIT_MS * KEEL_NS_PER_MS;
    while (!keel_store_answers(path, 200)) {
        KEEL_TRY(keel_supervisor_poll(supervisor, err));
        if (keel_monotonic_ns() > end)
            return keel_err_set(err, KEEL_EUNAVAIL, "%s: redis-server does not answer", path);
        keel_pause_ms(2);
    }
    return KEEL_OK;
}

keel_status keel_system_start_stores(keel_supervisor *supervisor, const keel_run *run,
                                     keel_err *err)
{
    char log[KEEL_PATH_CAP], cache[KEEL_PATH_CAP], log_dir[KEEL_PATH_CAP], cache_dir[KEEL_PATH_CAP];
    keel_run_file(run, "log.sock", log);
    keel_run_file(run, "cache.sock", cache);
    keel_run_file(run, "data/log", log_dir);
    keel_run_file(run, "data/cache", cache_dir);
    unlink(log);
    unlink(cache);
    const char *const log_argv[] = {
        "redis-server", "--port", "0",     "--unixsocket",       log,          "--unixsocketperm",
        "700",          "--dir",  log_dir, "--appendonly",       "yes",        "--appendfsync",
        "always",       "--save", "",      "--maxmemory-policy", "noeviction", "--daemonize",
        "no",           NULL,
    };
    const char *const cache_argv[] = {
        "redis-server",
        "--port",
        "0",
        "--unixsocket",
        cache,
        "--unixsocketperm",
        "700",
        "--dir",
        cache_dir,
        "--appendonly",
        "no",
        "--save",
        "",
        "--daemonize",
        "no",
        NULL,
    };
    KEEL_TRY(keel_supervisor_start(supervisor, "redis-log", KEEL_STAGE_STORES, log_argv, err));
    KEEL_TRY(keel_supervisor_start(supervisor, "redis-cache", KEEL_STAGE_STORES, cache_argv, err));
    KEEL_TRY(wait_for_store(supervisor, log, err));
    return wait_for_store(supervisor, cache, err);
}

static keel_status start_service(keel_supervisor *supervisor, const keel_run *run, const char *name,
                                 const char *journal, keel_err *err)
{
    char bin[KEEL_PATH_CAP], config[KEEL_PATH_CAP], program[2 * KEEL_PATH_CAP];
    KEEL_TRY(keel_bin_dir(bin, err));
    snprintf(program, sizeof program, "%s/keel-%s", bin, name);
    const char *const argv[] = {program,
                                "--config",
                                keel_run_file(run, "config.yaml", config),
                                journal != NULL ? "--journal" : NULL,
                                journal,
                                NULL};
    setenv("OPENBLAS_NUM_THREADS", "1", 1); /* OpenBLAS reads it while it is loaded */
    return keel_supervisor_start(supervisor, name, KEEL_STAGE_SERVICES, argv, err);
}

keel_status keel_system_start_relay(keel_supervisor *supervisor, const keel_run *run, keel_err *err)
{
    return start_service(supervisor, run, services[0], NULL, err);
}

keel_status keel_system_start_services(keel_supervisor *supervisor, const keel_run *run,
                                       bool journal, keel_err *err)
{
    char path[KEEL_PATH_CAP];
    keel_run_file(run, "journal", path);
    if (journal && mkdir(path, 0700) != 0 && errno != EEXIST)
        return keel_err_set(err, KEEL_EIO, "%s: %s", path, strerror(errno));
    for (int i = 1; i < KEEL_SERVICES_N - 1; i++)
        KEEL_TRY(start_service(supervisor, run, services[i], journal ? path : NULL, err));
    return KEEL_OK;
}

keel_status keel_system_start_feed(keel_supervisor *supervisor, const keel_run *run, bool journal,
                                   keel_err *err)
{
    char path[KEEL_PATH_CAP];
    return start_service(supervisor, run, services[KEEL_SERVICES_N - 1],
                         journal ? keel_run_file(run, "journal", path) : NULL, err);
}

/* The state letter and the resident pages of /proc/PID/stat; the name in it may hold anything, so
 * what follows its last bracket counts. */
static void look_at_process(keel_process *p)
{
    char path[64], text[1024];
    unsigned long long pages = 0;
    char letter = '\0';
    snprintf(path, sizeof path, "/proc/%d/stat", (int)p->pid);
    FILE *in = fopen(path, "re");
    if (in == NULL)
        return;
    const size_t n = fread(text, 1, sizeof text - 1, in);
    fclose(in);
    text[n] = '\0';
    const char *after = strrchr(text, ')');
    if (after == NULL || after[1] == '\0')
        return;
    letter = after[2];
    const char *field = after + 2; /* field 3; resident pages are field 24 */
    for (int i = 3; i < 24 && field != NULL; i++)
        field = (field = strchr(field, ' ')) != NULL ? field + 1 : NULL;
    if (field != NULL)
        pages = strtoull(field, NULL, 10);
    p->stopped = letter == 'T' || letter == 't';
    p->memory_bytes = pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

int keel_processes_read(const keel_run *run, keel_process *list, int cap)
{
    char path[KEEL_PATH_CAP], line[160];
    int n = 0;
    FILE *in = fopen(keel_run_file(run, "processes", path), "re");
    if (in == NULL)
        return 0;
    while (n < cap && fgets(line, sizeof line, in) != NULL) {
        keel_process *p = &list[n];
        int pid;
        memset(p, 0, sizeof *p);
        if (sscanf(line, "%47s %d %15s %d", p->name, &pid, p->state, &p->restarts) != 4)
            continue;
        p->pid = (pid_t)pid;
        if (p->pid > 0)
            look_at_process(p);
        n++;
    }
    fclose(in);
    return n;
}
