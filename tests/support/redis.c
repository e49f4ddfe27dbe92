#include "tests/support/redis.h"

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static bool answers(const char *path)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    char pong[8] = {0};
    bool ok = false;
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    snprintf(to.sun_path, sizeof to.sun_path, "%s", path);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) == 0 &&
        write(fd, "PING\r\n", 6) == 6 && read(fd, pong, 5) == 5)
        ok = memcmp(pong, "+PONG", 5) == 0;
    if (fd >= 0)
        close(fd);
    return ok;
}

void keel_test_redis_again(keel_test_redis *r)
{
    const struct timespec pause = {0, 5000000};
    fflush(stdout);
    r->pid = fork();
    if (r->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (r->preload != NULL) {
            setenv("KEEL_SYNCED", r->synced, 1);
            setenv("LD_PRELOAD", r->preload, 1);
        }
        if (freopen("/dev/null", "w", stdout) == NULL)
            _exit(127);
        const char *port = r->tcp[0] != '\0' ? strrchr(r->tcp, ':') + 1 : "0";
        execlp("redis-server", "redis-server", "--port", port, "--bind", "127.0.0.1",
               "--unixsocket", r->socket, "--dir", r->dir, "--save", "", "--appendonly",
               r->durable ? "yes" : "no", "--appendfsync", r->fsync != NULL ? r->fsync : "always",
               (char *)NULL);
        _exit(127);
    }
    for (int i = 0; i < 6000; i++) { /* a long file on a busy machine */
        if (answers(r->socket))
            return;
        nanosleep(&pause, NULL);
    }
    fprintf(stderr, "redis-server does not answer on %s\n", r->socket);
    abort();
}

static void start(keel_test_redis *r, bool durable)
{
    snprintf(r->dir, sizeof r->dir, "/tmp/keel-test-redis-XXXXXX");
    if (mkdtemp(r->dir) == NULL)
        abort();
    snprintf(r->socket, sizeof r->socket, "%s/redis.sock", r->dir);
    r->durable = durable;
    r->fsync = r->preload = NULL;
    keel_test_redis_again(r);
}

void keel_test_redis_start(keel_test_redis *r, bool durable)
{
    r->tcp[0] = '\0';
    start(r, durable);
}

/* A port that nobody has now: redis-server does not choose one itself. */
void keel_test_redis_start_tcp(keel_test_redis *r, bool durable)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) != 0 ||
        getsockname(fd, (struct sockaddr *)&at, &size) != 0)
        abort();
    close(fd);
    snprintf(r->tcp, sizeof r->tcp, "tcp://127.0.0.1:%u", (unsigned)ntohs(at.sin_port));
    start(r, durable);
}

void keel_test_redis_kill(keel_test_redis *r)
{
    kill(r->pid, SIGKILL);
    waitpid(r->pid, NULL, 0);
    unlink(r->socket);
}

void keel_test_redis_stop(keel_test_redis *r)
{
    char command[128];
    keel_test_redis_kill(r);
    snprintf(command, sizeof command, "rm -rf '%s'", r->dir);
    if (system(command) != 0)
        fprintf(stderr, "cannot remove %s\n", r->dir);
}
