/* The same contract held by Redis, on a unix socket and over TCP, and by its twin: R1, R3, R4, P3
 * where they touch the store. */
#include "common/cache/store.h"
#include "tests/support/redis.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { SOCKET, TWIN, TCP, KINDS };

typedef struct stores {
    keel_log_store log[KINDS];
    keel_cache_store cache[KINDS];
    keel_twin *twin;
    keel_test_redis redis;
} stores;

static void open_all(stores *b)
{
    keel_test_redis_start_tcp(&b->redis, true);
    b->twin = keel_twin_new();
    const keel_redis_cfg cfg = {b->redis.socket, "run-a", 1000};
    const keel_redis_cfg tcp = {b->redis.tcp, "run-tcp", 1000};
    keel_log_redis_open(&cfg, &b->log[SOCKET]);
    keel_cache_redis_open(&cfg, &b->cache[SOCKET]);
    keel_twin_log(b->twin, "run-a", &b->log[TWIN]);
    keel_twin_cache(b->twin, "run-a", &b->cache[TWIN]);
    keel_log_redis_open(&tcp, &b->log[TCP]);
    keel_cache_redis_open(&tcp, &b->cache[TCP]);
}

static void close_all(stores *b)
{
    for (int i = 0; i < KINDS; i++) {
        b->log[i].ops->close(b->log[i].self);
        b->cache[i].ops->close(b->cache[i].self);
    }
    keel_twin_free(&b->twin);
    keel_test_redis_stop(&b->redis);
}

static keel_log_entry entry(uint64_t step, uint64_t index, const char *text)
{
    return (keel_log_entry){"v1.fill.main.", 701, step, index, 42, (const uint8_t *)text,
                            strlen(text) + 1 /* with a NUL inside */};
}

static bool collect(void *arg, const keel_log_entry *e)
{
    char *out = arg;
    sprintf(out + strlen(out), "%" PRIu64 "-%" PRIu64 ":%s:%d:%lld ", e->step, e->index,
            (const char *)e->data, e->type, (long long)e->event_ns);
    return true;
}

Test(store, r3_a_repeat_is_held_and_never_written_twice)
{
    stores b;
    open_all(&b);
    for (int i = 0; i < KINDS; i++) {
        const keel_log_store *l = &b.log[i];
        const keel_log_entry first[] = {entry(1, 0, "a"), entry(1, 1, "b"), entry(3, 0, "c")};
        const keel_log_entry again[] = {entry(1, 1, "B"), entry(2, 0, "late"), entry(4, 0, "d")};
        bool held[3];
        char out[256] = "";
        uint64_t step = 0;
        uint64_t index = 9;
        cr_assert_eq(l->ops->top(l->self, "v1.fill.main.", &step, &index), KEEL_ENOTFOUND);
        cr_assert_eq(l->ops->append(l->self, first, 3, held), KEEL_OK);
        cr_assert(!held[0] && !held[1] && !held[2]);
        cr_assert_eq(l->ops->append(l->self, again, 3, held), KEEL_OK);
        cr_assert(held[0] && held[1] && !held[2], "at or below the top counts as written");
        cr_assert_eq(
            l->ops->read(l->self, "v1.fill.main.", (keel_log_span){1, 0, UINT64_MAX}, collect, out),
            KEEL_OK);
        cr_assert_str_eq(out, "1-0:a:701:42 1-1:b:701:42 3-0:c:701:42 4-0:d:701:42 ");
        out[0] = '\0';
        cr_assert_eq(l->ops->read(l->self, "v1.fill.main.", (keel_log_span){1, 0, 1}, collect, out),
                     KEEL_OK);
        cr_assert_str_eq(out, "1-0:a:701:42 1-1:b:701:42 ");
        cr_assert_eq(l->ops->top(l->self, "v1.fill.main.", &step, &index), KEEL_OK);
        cr_assert(step == 4 && index == 0);
        cr_assert_eq(l->ops->trim(l->self, "v1.fill.main.", 3, 0), KEEL_OK);
        out[0] = '\0';
        cr_assert_eq(
            l->ops->read(l->self, "v1.fill.main.", (keel_log_span){1, 0, UINT64_MAX}, collect, out),
            KEEL_OK);
        cr_assert_str_eq(out, "3-0:c:701:42 4-0:d:701:42 ");
    }
    close_all(&b);
}

Test(store, p3_snapshots_are_found_by_bound_and_trimmed_behind_the_horizon)
{
    stores b;
    open_all(&b);
    for (int i = 0; i < KINDS; i++) {
        const keel_log_store *l = &b.log[i];
        const uint8_t body[] = "state";
        char out[256] = "";
        cr_assert_eq(l->ops->snapshot_get(l->self, "risk", UINT64_MAX, collect, out),
                     KEEL_ENOTFOUND);
        for (uint64_t step = 64; step <= 256; step += 64)
            cr_assert_eq(l->ops->snapshot_put(l->self, "risk", step, body, sizeof body), KEEL_OK);
        cr_assert_eq(l->ops->snapshot_get(l->self, "risk", 200, collect, out), KEEL_OK);
        cr_assert_str_eq(out, "192-0:state:0:0 ");
        cr_assert_eq(l->ops->snapshot_get(l->self, "risk", 10, collect, out), KEEL_ENOTFOUND);
        cr_assert_eq(l->ops->snapshot_trim(l->self, "risk", 150), KEEL_OK);
        out[0] = '\0';
        cr_assert_eq(l->ops->snapshot_get(l->self, "risk", 150, collect, out), KEEL_OK);
        cr_assert_str_eq(out, "128-0:state:0:0 ", "the newest at or before the horizon stays");
        cr_assert_eq(l->ops->snapshot_get(l->self, "risk", 100, collect, out), KEEL_ENOTFOUND);
    }
    close_all(&b);
}

Test(store, last_values_are_kept_without_waiting)
{
    stores b;
    open_all(&b);
    for (int i = 0; i < KINDS; i++) {
        const keel_cache_store *c = &b.cache[i];
        uint8_t data[16];
        size_t len;
        cr_assert_eq(c->ops->get_last(c->self, "v1.x.", data, sizeof data, &len), KEEL_ENOTFOUND);
        for (uint8_t v = 1; v <= 200; v++)
            c->ops->set_last(c->self, "v1.x.", &v, 1);
        cr_assert_eq(c->ops->get_last(c->self, "v1.x.", data, sizeof data, &len), KEEL_OK);
        cr_assert(len == 1 && data[0] == 200);
        cr_assert(c->ops->tend(c->self));
        for (uint64_t step = 1; step <= 9; step++)
            cr_assert_eq(c->ops->snapshot_put(c->self, "correlation", step, data, 1), KEEL_OK);
        char out[64] = "";
        data[0] = 'x';
        cr_assert_eq(c->ops->snapshot_get(c->self, "correlation", 2, collect, out), KEEL_ENOTFOUND,
                     "only the newest few are kept");
    }
    close_all(&b);
}

Test(store, r4_two_runs_on_one_server_do_not_see_each_other)
{
    stores b;
    keel_log_store other;
    bool held;
    char out[64] = "";
    const keel_log_entry e = entry(1, 0, "a");
    open_all(&b);
    keel_log_redis_open(&(keel_redis_cfg){b.redis.socket, "run-b", 1000}, &other);
    cr_assert_eq(b.log[SOCKET].ops->append(b.log[SOCKET].self, &e, 1, &held), KEEL_OK);
    cr_assert_eq(other.ops->append(other.self, &e, 1, &held), KEEL_OK);
    cr_assert_not(held);
    cr_assert_eq(
        other.ops->read(other.self, "v1.fill.main.", (keel_log_span){1, 0, 1}, collect, out),
        KEEL_OK);
    other.ops->close(other.self);
    close_all(&b);
}

/* Keeps calling until the link has been made again. */
static keel_status append_patiently(const keel_log_store *l, const keel_log_entry *e, bool *held)
{
    const struct timespec pause = {0, 20000000};
    for (int i = 0; i < 200; i++) {
        if (l->ops->append(l->self, e, 1, held) == KEEL_OK)
            return KEEL_OK;
        nanosleep(&pause, NULL);
    }
    return KEEL_EUNAVAIL;
}

Test(store, r1_what_was_acknowledged_survives_kill_9_of_the_server)
{
    stores b;
    bool held;
    const keel_log_entry a = entry(1, 0, "a"), c = entry(2, 0, "c");
    signal(SIGPIPE, SIG_IGN); /* as every Keel process does */
    open_all(&b);
    for (int i = SOCKET; i <= TCP; i += TCP) {
        const keel_log_store *l = &b.log[i];
        char out[64] = "";
        cr_assert_eq(l->ops->append(l->self, &a, 1, &held), KEEL_OK);
        keel_test_redis_kill(&b.redis);
        cr_assert_eq(l->ops->append(l->self, &c, 1, &held), KEEL_EUNAVAIL);
        keel_test_redis_again(&b.redis);
        cr_assert_eq(append_patiently(l, &a, &held), KEEL_OK);
        cr_assert(held, "it was there");
        cr_assert_eq(append_patiently(l, &c, &held), KEEL_OK);
        cr_assert_eq(l->ops->read(l->self, "v1.fill.main.", (keel_log_span){1, 0, 9}, collect, out),
                     KEEL_OK);
        cr_assert_str_eq(out, "1-0:a:701:42 2-0:c:701:42 ");
    }
    close_all(&b);
}

/* A cache whose host swallows what is sent to it must not slow the steps that write to it. */
Test(store, a_cache_that_is_being_connected_is_not_waited_for)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    struct timespec began, ended;
    int queued[3];
    char address[40];
    keel_cache_store cache;
    const int listener = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert(bind(listener, (struct sockaddr *)&at, sizeof at) == 0 && listen(listener, 0) == 0);
    cr_assert(getsockname(listener, (struct sockaddr *)&at, &size) == 0);
    for (int i = 0; i < 3; i++) { /* more than it keeps: the rest is swallowed */
        queued[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)!connect(queued[i], (struct sockaddr *)&at, sizeof at);
    }
    snprintf(address, sizeof address, "tcp://127.0.0.1:%u", (unsigned)ntohs(at.sin_port));
    keel_cache_redis_open(&(keel_redis_cfg){address, "run-a", 1000}, &cache);
    clock_gettime(CLOCK_MONOTONIC, &began);
    for (int i = 0; i < 1000; i++)
        cache.ops->set_last(cache.self, "v1.x.", (const uint8_t *)"x", 1);
    cr_assert(cache.ops->tend(cache.self), "not lost while it is first connected");
    clock_gettime(CLOCK_MONOTONIC, &ended);
    cr_assert_leq(ended.tv_sec - began.tv_sec, 1, "a thousand writes take no time");
    while (cache.ops->tend(cache.self) && ended.tv_sec - began.tv_sec < 10)
        clock_gettime(CLOCK_MONOTONIC, &ended);
    cr_assert_not(cache.ops->tend(cache.self), "lost once that failed");
    cr_assert_str_neq(cache.ops->why(cache.self), "", "and it says why nothing was written");
    cache.ops->close(cache.self);
    for (int i = 0; i < 3; i++)
        close(queued[i]);
    close(listener);
}

Test(store, a_lost_answer_is_unavailable_and_then_held)
{
    bool held;
    const keel_log_entry a = entry(1, 0, "a");
    keel_log_store l;
    keel_twin *t = keel_twin_new();
    keel_twin_log(t, "run-a", &l);
    keel_twin_lose_answer(t);
    cr_assert_eq(l.ops->append(l.self, &a, 1, &held), KEEL_EUNAVAIL);
    cr_assert_eq(l.ops->append(l.self, &a, 1, &held), KEEL_OK);
    cr_assert(held);
    keel_twin_log_up(t, false);
    cr_assert_eq(l.ops->append(l.self, &a, 1, &held), KEEL_EUNAVAIL);
    l.ops->close(l.self);
    keel_twin_free(&t);
}
