/* R1 as it runs: the log syncs every write, the books are committed with synchronous=FULL, and a
 * record waits for the log's answer: an answer held back by 200 ms holds back every record by as
 * much. Plain main: ends with "N passed, N failed". */
#include "tests/support/world/cluster.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { ROWS = 8, HOLD_MS = 200, LINKS_MAX = 32, BYTES = 1 << 16, SEEN_MAX = 64 };

static const char *const watched[] = {"v1.order.main.", "v1.plandone.main.", "v1.trading.main."};
enum { WATCHED = sizeof watched / sizeof watched[0] };

static int passed, failed;

static void verdict(bool ok, const char *what)
{
    printf("%s %s\n", ok ? "ok  " : "FAIL", what);
    fflush(stdout);
    if (ok)
        passed++;
    else
        failed++;
}

static int64_t wall_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* ---- a proxy that holds back what the log answers ---- */

typedef struct link_pair {
    int client;
    int server;
    int64_t release_ns; /* of what the server said; 0 = nothing is held */
    uint8_t held[BYTES];
    ssize_t held_len;
} link_pair;

typedef struct proxy {
    char in[96];
    char out[96];
    int listener;
    volatile bool stop;
    link_pair links[LINKS_MAX];
    int n;
    int64_t asked_ns[WATCHED][SEEN_MAX]; /* when the log was asked to write the k-th of a topic */
    int asked[WATCHED];
} proxy;

static int unix_socket(const char *path, bool listen_on)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
    const int ok = listen_on ? bind(fd, (struct sockaddr *)&a, sizeof a) == 0 && listen(fd, 16) == 0
                             : connect(fd, (struct sockaddr *)&a, sizeof a) == 0;
    if (!ok) {
        close(fd);
        return -1;
    }
    return fd;
}

static void note_question(proxy *p, const uint8_t *bytes, size_t len)
{
    for (int w = 0; w < WATCHED; w++) {
        char key[96];
        snprintf(key, sizeof key, "rec:%s", watched[w]);
        if (memmem(bytes, len, key, strlen(key)) != NULL && memmem(bytes, len, "XADD", 4) != NULL &&
            p->asked[w] < SEEN_MAX)
            p->asked_ns[w][p->asked[w]++] = wall_ns();
    }
}

static void pass_on(proxy *p, link_pair *l)
{
    uint8_t bytes[BYTES];
    const ssize_t n = recv(l->client, bytes, sizeof bytes, MSG_DONTWAIT);
    if (n > 0) {
        note_question(p, bytes, (size_t)n);
        if (send(l->server, bytes, (size_t)n, MSG_NOSIGNAL) != n)
            abort();
    }
    if (l->release_ns == 0) {
        l->held_len = recv(l->server, l->held, sizeof l->held, MSG_DONTWAIT);
        if (l->held_len > 0)
            l->release_ns = wall_ns() + HOLD_MS * INT64_C(1000000);
    } else if (wall_ns() >= l->release_ns) {
        (void)!send(l->client, l->held, (size_t)l->held_len, MSG_NOSIGNAL);
        l->release_ns = 0;
    }
}

static void *run_proxy(void *arg)
{
    proxy *p = arg;
    struct pollfd ready = {p->listener, POLLIN, 0};
    while (!p->stop) {
        if (poll(&ready, 1, 1) > 0 && p->n < LINKS_MAX) {
            link_pair *l = &p->links[p->n++];
            l->client = accept(p->listener, NULL, NULL);
            l->server = unix_socket(p->out, false);
        }
        for (int i = 0; i < p->n; i++)
            pass_on(p, &p->links[i]);
    }
    return NULL;
}

/* ---- what is asked of the running system ---- */

static void ask_redis(const char *path, const char *command, char *answer, size_t cap)
{
    const int fd = unix_socket(path, false);
    answer[0] = '\0';
    if (fd >= 0 && write(fd, command, strlen(command)) > 0) {
        const ssize_t n = read(fd, answer, cap - 1);
        answer[n > 0 ? n : 0] = '\0';
    }
    close(fd);
}

static void check_settings(const keel_cluster *c)
{
    char answer[256];
    ask_redis(c->redis[0].socket, "CONFIG GET appendfsync\r\n", answer, sizeof answer);
    verdict(strstr(answer, "always") != NULL, "the log runs with appendfsync always");
    ask_redis(c->redis[0].socket, "CONFIG GET appendonly\r\n", answer, sizeof answer);
    verdict(strstr(answer, "yes") != NULL, "and with an append-only file");
    const uint64_t full = keel_cluster_counter(c, "ledger", "opened_sync_full");
    const uint64_t other = keel_cluster_counter(c, "ledger", "opened_unsynced");
    verdict(full >= 1 && full != UINT64_MAX && other == 0,
            "the ledger's connection says synchronous=FULL");
}

/* publish_ns of the k-th message of each watched topic, from the journals. */
static void check_holding(const keel_cluster *c, const proxy *p)
{
    for (int w = 0; w < WATCHED; w++) {
        int64_t sent[SEEN_MAX], least = INT64_MAX;
        char text[160];
        const int n = keel_cluster_sent(c, watched[w], sent, SEEN_MAX);
        const int m = n < p->asked[w] ? n : p->asked[w];
        for (int k = 0; k < m; k++)
            if (sent[k] - p->asked_ns[w][k] < least)
                least = sent[k] - p->asked_ns[w][k];
        printf("  %s %d records, the earliest left %lld ms after the log was asked\n", watched[w],
               m, m > 0 ? (long long)(least / 1000000) : -1);
        snprintf(text, sizeof text, "%s leaves only after the log's answer", watched[w]);
        verdict(m >= ROWS - 1 && least >= HOLD_MS * INT64_C(1000000), text);
    }
}

int main(void)
{
    static proxy p;
    keel_cluster c;
    pthread_t thread;
    keel_cluster_prepare(&c, true);
    snprintf(p.in, sizeof p.in, "%s/held.sock", c.dir);
    snprintf(p.out, sizeof p.out, "%s/log.sock", c.dir);
    keel_world_config(c.dir, ROWS, "");
    keel_cluster_override(&c, "run.log", p.in);
    p.listener = unix_socket(p.in, true);
    if (pthread_create(&thread, NULL, run_proxy, &p) != 0)
        abort();
    keel_cluster_up(&c);
    for (int i = 0; i < 300 && !keel_cluster_watch(&c, 100); i++) {
    }
    verdict(keel_cluster_done(&c), "the run comes to its end behind a slow log");
    check_settings(&c);
    keel_cluster_down(&c);
    p.stop = true;
    pthread_join(thread, NULL);
    check_holding(&c, &p);
    keel_cluster_remove(&c);
    printf("%d passed, %d failed\n", passed, failed);
    return failed > 0;
}
