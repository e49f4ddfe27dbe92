#include "tests/bench/peers.h"

#include "common/base/timefmt.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { TIMEOUT_S = 5, READ_BYTES = 64 << 10, COMMAND_BYTES = 128 };

/* ---- the load ---- */

typedef void (*send_batch)(void *arg, const bench_peer_load *load);

static void sleep_until(int64_t mono_ns)
{
    const int64_t left = mono_ns - bench_mono_ns();
    if (left > 0)
        nanosleep(&(struct timespec){left / KEEL_NS_PER_S, left % KEEL_NS_PER_S}, NULL);
}

static void run_load(const bench_peer_load *load, send_batch send, void *arg,
                     bench_peer_result *out)
{
    bench_samples us = {0};
    const int64_t from = bench_mono_ns(), until = from + load->seconds * KEEL_NS_PER_S;
    int64_t now = from;
    for (int64_t i = 0; now < until; i++) {
        if (load->per_s > 0) {
            sleep_until(from + i * KEEL_NS_PER_S / load->per_s);
            now = bench_mono_ns();
        }
        send(arg, load);
        const int64_t then = bench_mono_ns();
        bench_add(&us, (double)(then - now) * 1e-3);
        now = then;
    }
    out->per_s = (double)us.n * load->batch / ((double)(now - from) * 1e-9);
    out->p50_us = bench_quantile(&us, 0.5);
    out->p99_us = bench_quantile(&us, 0.99);
    bench_free(&us);
}

/* ---- redis ---- */

typedef struct redis_peer {
    redisContext *link;
    char payload[BENCH_PEER_BYTES_MAX];
} redis_peer;

static void take_reply(redis_peer *r)
{
    redisReply *reply = NULL;
    if (redisGetReply(r->link, (void **)&reply) != REDIS_OK || reply->type == REDIS_REPLY_ERROR)
        bench_die("redis: %s", reply != NULL ? reply->str : "lost");
    freeReplyObject(reply);
}

static void send_redis(void *arg, const bench_peer_load *load)
{
    redis_peer *r = arg;
    redisAppendCommand(r->link, "MULTI");
    for (int i = 0; i < load->batch; i++)
        redisAppendCommand(r->link, "XADD peer * t 501 e 0 p %b", r->payload, load->bytes);
    redisAppendCommand(r->link, "EXEC");
    for (int i = 0; i < load->batch + 2; i++)
        take_reply(r);
}

void bench_peer_redis(const bench_peer_load *load, bench_peer_result *out)
{
    keel_test_redis server;
    redis_peer r = {0};
    memset(r.payload, 'x', sizeof r.payload);
    keel_test_redis_start(&server, true);
    r.link = redisConnectUnixWithTimeout(server.socket, (struct timeval){TIMEOUT_S, 0});
    if (r.link == NULL || r.link->err != 0)
        bench_die("%s does not answer", server.socket);
    run_load(load, send_redis, &r, out);
    out->sync = "always";
    redisFree(r.link);
    keel_test_redis_stop(&server);
}

/* ---- nats ---- */

typedef struct nats_peer {
    char dir[64];
    pid_t pid;
    int fd;
    bool is_durable;
    char *out; /* owned: a batch */
    char in[READ_BYTES];
    size_t in_n;
} nats_peer;

static bool in_path(const char *program)
{
    char all[4096], path[4352];
    const char *from = getenv("PATH");
    snprintf(all, sizeof all, "%s", from != NULL ? from : "");
    char *rest = all;
    for (char *dir; (dir = strsep(&rest, ":")) != NULL;) {
        snprintf(path, sizeof path, "%s/%s", dir, program);
        if (access(path, X_OK) == 0)
            return true;
    }
    return false;
}

static int free_port(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) != 0 ||
        getsockname(fd, (struct sockaddr *)&at, &size) != 0)
        bench_die("no port on loopback");
    close(fd);
    return ntohs(at.sin_port);
}

static pid_t start_nats(const char *config, bool only_check)
{
    fflush(stdout);
    const pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        const int null = open("/dev/null", O_WRONLY);
        dup2(null, STDOUT_FILENO);
        dup2(null, STDERR_FILENO);
        execlp("nats-server", "nats-server", "-c", config, only_check ? "-t" : (char *)NULL,
               (char *)NULL);
        _exit(127);
    }
    return pid;
}

static void write_nats_config(const nats_peer *n, const char *path, int port)
{
    FILE *f = fopen(path, "w");
    if (f == NULL)
        bench_die("%s cannot be written", path);
    fprintf(f, "listen: \"127.0.0.1:%d\"\njetstream { store_dir: \"%s/js\"%s }\n", port, n->dir,
            n->is_durable ? ", sync_interval: always" : "");
    fclose(f);
}

static void connect_nats(nats_peer *n, int port)
{
    const struct sockaddr_in to = {.sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int64_t until = bench_mono_ns() + TIMEOUT_S * KEEL_NS_PER_S;
    const int on = 1;
    const struct timeval limit = {TIMEOUT_S, 0};
    for (;;) {
        n->fd = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(n->fd, (const struct sockaddr *)&to, sizeof to) == 0)
            break;
        close(n->fd);
        if (bench_mono_ns() > until)
            bench_die("nats-server does not answer");
        sleep_until(bench_mono_ns() + 20 * KEEL_NS_PER_MS);
    }
    setsockopt(n->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(n->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
}

static void write_nats(nats_peer *n, const char *bytes, size_t len)
{
    while (len > 0) {
        const ssize_t m = write(n->fd, bytes, len);
        if (m <= 0)
            bench_die("nats-server takes nothing more");
        bytes += m;
        len -= (size_t)m;
    }
}

static void fill_nats(nats_peer *n)
{
    const ssize_t m = read(n->fd, n->in + n->in_n, sizeof n->in - n->in_n);
    if (m <= 0)
        bench_die("nats-server does not answer");
    n->in_n += (size_t)m;
}

/* Take one line; its bytes are in `line` without their end. */
static void take_line(nats_peer *n, char *line, size_t cap)
{
    char *end;
    while ((end = memmem(n->in, n->in_n, "\r\n", 2)) == NULL)
        fill_nats(n);
    const size_t len = (size_t)(end - n->in);
    snprintf(line, cap, "%.*s", (int)len, n->in);
    n->in_n -= len + 2;
    memmove(n->in, end + 2, n->in_n);
}

/* Take one message to the inbox: an answer of JetStream. */
static void take_answer(nats_peer *n)
{
    char line[READ_BYTES], body[READ_BYTES];
    for (;;) {
        take_line(n, line, sizeof line);
        if (strcmp(line, "PING") == 0)
            write_nats(n, "PONG\r\n", 6);
        else if (strncmp(line, "MSG ", 4) == 0)
            break;
        else if (strncmp(line, "-ERR", 4) == 0)
            bench_die("nats-server: %s", line);
    }
    take_line(n, body, sizeof body);
    if (strstr(body, "\"error\"") != NULL)
        bench_die("nats-server: %s", body);
}

static void make_stream(nats_peer *n)
{
    static const char hello[] = "CONNECT {\"verbose\":false}\r\nSUB _INBOX.b 1\r\n";
    static const char wish[] = "{\"name\":\"peer\",\"subjects\":[\"peer\"],\"storage\":\"file\"}";
    char text[512];
    write_nats(n, hello, sizeof hello - 1);
    const int len =
        snprintf(text, sizeof text, "PUB $JS.API.STREAM.CREATE.peer _INBOX.b %zu\r\n%s\r\n",
                 sizeof wish - 1, wish);
    write_nats(n, text, (size_t)len);
    take_answer(n);
}

static void send_nats(void *arg, const bench_peer_load *load)
{
    nats_peer *n = arg;
    size_t at = 0;
    for (int i = 0; i < load->batch; i++) {
        at +=
            (size_t)snprintf(n->out + at, COMMAND_BYTES, "PUB peer _INBOX.b %zu\r\n", load->bytes);
        memset(n->out + at, 'x', load->bytes);
        memcpy(n->out + at + load->bytes, "\r\n", 2);
        at += load->bytes + 2;
    }
    write_nats(n, n->out, at);
    for (int i = 0; i < load->batch; i++)
        take_answer(n);
}

bool bench_peer_nats(const bench_peer_load *load, bench_peer_result *out)
{
    char config[96], command[96];
    int status = 1;
    nats_peer n = {.dir = "/tmp/bench-nats-XXXXXX", .is_durable = true};
    if (!in_path("nats-server"))
        return false;
    if (mkdtemp(n.dir) == NULL)
        bench_die("no folder in /tmp");
    const int port = free_port();
    snprintf(config, sizeof config, "%s/conf", n.dir);
    write_nats_config(&n, config, port);
    waitpid(start_nats(config, true), &status, 0);
    if (status != 0) { /* before 2.10 it syncs every two minutes, and cannot be told otherwise */
        n.is_durable = false;
        write_nats_config(&n, config, port);
    }
    n.pid = start_nats(config, false);
    n.out = keel_xcalloc(BENCH_PEER_BATCH_MAX, BENCH_PEER_BYTES_MAX + COMMAND_BYTES);
    connect_nats(&n, port);
    make_stream(&n);
    run_load(load, send_nats, &n, out);
    out->sync = n.is_durable ? "always" : "interval";
    close(n.fd);
    kill(n.pid, SIGKILL);
    waitpid(n.pid, NULL, 0);
    keel_free(&n.out);
    snprintf(command, sizeof command, "rm -rf %s", n.dir);
    if (system(command) != 0)
        bench_die("%s cannot be removed", n.dir);
    return true;
}
