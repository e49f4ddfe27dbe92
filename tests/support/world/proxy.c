#include "tests/support/world/proxy.h"

#include "common/base/mem.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { LINKS_MAX = 32, BYTES = 1 << 16, NS_PER_MS = 1000000 };

/* What the server said at a time. */
typedef struct answer {
    struct answer *next;
    int64_t release_ns;
    size_t len;
    uint8_t bytes[];
} answer;

typedef struct link_pair {
    bool used;
    int client;
    int server;
    answer *first; /* held, oldest first; owned */
    answer **last; /* where the next one is hung */
} link_pair;

struct keel_proxy {
    char in[108];
    char out[108];
    int hold_ms;
    int listener;
    int watched_n;
    const char *watched[KEEL_PROXY_WATCHED];
    pthread_t thread;
    atomic_bool stop;
    link_pair links[LINKS_MAX];
    int64_t asked_ns[KEEL_PROXY_WATCHED][KEEL_PROXY_SEEN];
    atomic_int asked[KEEL_PROXY_WATCHED];
};

static int64_t wall_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int unix_socket(const char *path, bool listen_on)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
    const bool ok = listen_on
                        ? bind(fd, (struct sockaddr *)&a, sizeof a) == 0 && listen(fd, 16) == 0
                        : connect(fd, (struct sockaddr *)&a, sizeof a) == 0;
    if (ok)
        return fd;
    close(fd);
    return -1;
}

int keel_proxy_connect(const char *path)
{
    return unix_socket(path, false);
}

static void note_question(keel_proxy *p, const uint8_t *bytes, size_t len)
{
    for (int w = 0; w < p->watched_n; w++) {
        char key[128];
        const int n = atomic_load(&p->asked[w]);
        snprintf(key, sizeof key, "rec:%s", p->watched[w]);
        if (n == KEEL_PROXY_SEEN || memmem(bytes, len, key, strlen(key)) == NULL ||
            memmem(bytes, len, "XADD", 4) == NULL)
            continue;
        p->asked_ns[w][n] = wall_ns();
        atomic_store(&p->asked[w], n + 1);
    }
}

static void end_link(link_pair *l)
{
    while (l->first != NULL) {
        answer *gone = l->first;
        l->first = gone->next;
        free(gone);
    }
    close(l->client);
    close(l->server);
    l->used = false;
}

/* Questions pass at once; false when the client has gone. */
static bool pass_question(keel_proxy *p, link_pair *l)
{
    uint8_t bytes[BYTES];
    const ssize_t n = recv(l->client, bytes, sizeof bytes, MSG_DONTWAIT);
    if (n > 0)
        note_question(p, bytes, (size_t)n);
    return n < 0 || (n > 0 && send(l->server, bytes, (size_t)n, MSG_NOSIGNAL) == n);
}

/* Take what the server says; false when it has gone. */
static bool hold_answer(keel_proxy *p, link_pair *l)
{
    uint8_t bytes[BYTES];
    const ssize_t n = recv(l->server, bytes, sizeof bytes, MSG_DONTWAIT);
    if (n <= 0)
        return n < 0;
    answer *a = malloc(sizeof *a + (size_t)n);
    if (a == NULL)
        abort();
    a->next = NULL;
    a->release_ns = wall_ns() + (int64_t)p->hold_ms * NS_PER_MS;
    a->len = (size_t)n;
    memcpy(a->bytes, bytes, (size_t)n);
    *l->last = a;
    l->last = &a->next;
    return true;
}

static bool release_answers(link_pair *l)
{
    while (l->first != NULL && wall_ns() >= l->first->release_ns) {
        answer *a = l->first;
        const bool sent = send(l->client, a->bytes, a->len, MSG_NOSIGNAL) == (ssize_t)a->len;
        l->first = a->next;
        if (l->first == NULL)
            l->last = &l->first;
        free(a);
        if (!sent)
            return false;
    }
    return true;
}

static void pass_on(keel_proxy *p, link_pair *l)
{
    if (!pass_question(p, l) || !hold_answer(p, l) || !release_answers(l))
        end_link(l);
}

static void take_link(keel_proxy *p)
{
    for (int i = 0; i < LINKS_MAX; i++) {
        link_pair *l = &p->links[i];
        if (l->used)
            continue;
        l->client = accept(p->listener, NULL, NULL);
        l->server = unix_socket(p->out, false);
        l->first = NULL;
        l->last = &l->first;
        l->used = l->client >= 0;
        if (l->used && l->server < 0)
            end_link(l);
        return;
    }
}

static void *run(void *arg)
{
    keel_proxy *p = arg;
    struct pollfd ready = {p->listener, POLLIN, 0};
    while (!atomic_load(&p->stop)) {
        if (poll(&ready, 1, 1) > 0)
            take_link(p);
        for (int i = 0; i < LINKS_MAX; i++)
            if (p->links[i].used)
                pass_on(p, &p->links[i]);
    }
    return NULL;
}

keel_proxy *keel_proxy_start(const char *in, const char *out, int hold_ms,
                             const char *const *watched, int watched_n)
{
    keel_proxy *p = keel_xcalloc(1, sizeof *p);
    snprintf(p->in, sizeof p->in, "%s", in);
    snprintf(p->out, sizeof p->out, "%s", out);
    p->hold_ms = hold_ms;
    p->watched_n = watched_n;
    for (int w = 0; w < watched_n; w++)
        p->watched[w] = watched[w];
    p->listener = unix_socket(in, true);
    if (p->listener < 0 || pthread_create(&p->thread, NULL, run, p) != 0)
        abort();
    return p;
}

void keel_proxy_stop(keel_proxy **proxy)
{
    keel_proxy *p = *proxy;
    atomic_store(&p->stop, true);
    pthread_join(p->thread, NULL);
    for (int i = 0; i < LINKS_MAX; i++)
        if (p->links[i].used)
            end_link(&p->links[i]);
    close(p->listener);
    unlink(p->in);
    keel_free(proxy);
}

int keel_proxy_asked(keel_proxy *p, int watched, const int64_t **asked_ns)
{
    *asked_ns = p->asked_ns[watched];
    return atomic_load(&p->asked[watched]);
}
