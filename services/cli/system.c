#include "services/cli/system.h"

#include "common/base/text.h"
#include "common/base/timefmt.h"
#include "services/cli/terminal.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { STORES_WAIT_MS = 10000, STAGE_STORES = 0, STAGE_SERVICES = 1 };

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

/* One inline command and the beginning of its answer: the five words that a supervisor needs are not
 * worth a Redis library in this program. */
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
    char log[KEEL_PATH_CAP], cache[KEEL_PATH_CAP], log_dir[KEEL_PATH_CAP],
        cache_dir[KEEL_PATH_CAP];
    keel_run_file(run, "log.sock", log);
    keel_run_file(run, "cache.sock", cache);
    keel_run_file(run, "data/log", log_dir);
    keel_run_file(run, "data/cache", cache_dir);
    unlink(log);
    unlink(cache);
    const char *const log_argv[] = {
        "redis-server", "--port", "0", "--unixsocket", log, "--unixsocketperm", "700",
        "--dir", log_dir, "--appendonly", "yes", "--appendfsync", "always", "--save", "",
        "--maxmemory-policy", "noeviction", "--daemonize", "no", NULL,
    };
    const char *const cache_argv[] = {
        "redis-server", "--port", "0", "--unixsocket", cache, "--unixsocketperm", "700",
        "--dir", cache_dir, "--appendonly", "no", "--save", "", "--daemonize", "no", NULL,
    };
    KEEL_TRY(keel_supervisor_start(supervisor, "redis-log", STAGE_STORES, log_argv, err));
    KEEL_TRY(keel_supervisor_start(supervisor, "redis-cache", STAGE_STORES, cache_argv, err));
    KEEL_TRY(wait_for_store(supervisor, log, err));
    return wait_for_store(supervisor, cache, err);
}

keel_status keel_system_start_services(keel_supervisor *supervisor, const keel_run *run,
                                       bool others, keel_err *err)
{
    char bin[KEEL_PATH_CAP], config[KEEL_PATH_CAP], program[2 * KEEL_PATH_CAP];
    KEEL_TRY(keel_bin_dir(bin, err));
    keel_run_file(run, "config.yaml", config);
    setenv("OPENBLAS_NUM_THREADS", "1", 1); /* OpenBLAS reads it while it is loaded */
    for (int i = others ? 1 : 0; i < (others ? KEEL_SERVICES_N : 1); i++) {
        snprintf(program, sizeof program, "%s/keel-%s", bin, services[i]);
        const char *const argv[] = {program, "--config", config, NULL};
        KEEL_TRY(keel_supervisor_start(supervisor, services[i], STAGE_SERVICES, argv, err));
    }
    return KEEL_OK;
}
