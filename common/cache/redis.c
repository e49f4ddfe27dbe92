/* redis.c - the only file that knows hiredis.
 *
 * Connections are made by dial.h, so that neither a silent name server nor a host that swallows
 * packets holds a caller longer than its deadline; the cache's are not waited for at all.
 * A context is dead after any error or time-out, because a late reply would be taken for the next
 * one's: it is freed and made anew, never reconnected in place. Arguments carry their lengths, so
 * that bytes with NUL pass. Every element of an EXEC's array is looked at: it may hold an error.
 * A cache that accepts and does not answer is found out by its silence; until it has answered a
 * PING it is sent nothing else, so that it never slows a step. */
#include "common/base/assert.h"
#include "common/base/mem.h"
#include "common/cache/dial.h"
#include "common/cache/store.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    KEY_MAX = 320,
    ID_MAX = 48,
    RETRY_MS = 50,
    WHY_MAX = 128,
    READ_BATCH = 256,   /* entries of one XRANGE */
    PENDING_MAX = 4096, /* SETs sent to the cache whose answers were not taken yet */
    CACHE_SNAPSHOTS = 4,
};

typedef struct redis_link {
    redisContext *context; /* NULL = not connected */
    keel_dial *dial;       /* owned */
    char *run;             /* owned */
    int timeout_ms;
    int64_t retry_ms; /* monotonic: not before */
    int pending;      /* answers on the way (cache only) */
    int64_t heard_ms; /* monotonic: the last answer, or when one began to be awaited (cache only) */
    bool silent;      /* did not answer in time; only a PING is sent until it does (cache only) */
    bool refusing;    /* the last answer was an error (cache only) */
    bool failed;      /* the newest connection, or attempt at one, did; not the first under way */
    char why[WHY_MAX];
} redis_link;

static int64_t monotonic_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void drop(redis_link *l)
{
    if (l->context != NULL)
        redisFree(l->context);
    l->context = NULL;
    l->pending = 0;
    l->refusing = false;
    l->failed = true;
    l->retry_ms = monotonic_ms() + RETRY_MS;
}

/* Keep the first line of the reason, then give the connection up. */
static void fail(redis_link *l, const char *reason)
{
    snprintf(l->why, sizeof l->why, "%.*s", (int)strcspn(reason, "\r\n"), reason);
    drop(l);
}

static void fail_link(redis_link *l)
{
    const int error = l->context != NULL && l->context->err == REDIS_ERR_IO ? errno : 0;
    if (error == EAGAIN || error == EWOULDBLOCK)
        fail(l, "no answer in time");
    else
        fail(l, l->context != NULL && l->context->err != 0 ? l->context->errstr : "no connection");
}

static const char *link_why(void *self)
{
    return ((const redis_link *)self)->why;
}

/* Wrap a connected descriptor, which becomes hiredis's. */
static bool adopt(redis_link *l, int fd)
{
    const struct timeval limit = {l->timeout_ms / 1000, l->timeout_ms % 1000 * 1000};
    l->context = redisConnectFd(fd);
    if (l->context == NULL)
        close(fd);
    if (l->context == NULL || l->context->err != 0 ||
        redisSetTimeout(l->context, limit) != REDIS_OK) {
        fail_link(l);
        return false;
    }
    l->heard_ms = monotonic_ms();
    l->failed = false;
    return true;
}

/* Is there a connection, within wait_ms? */
static bool connected(redis_link *l, int wait_ms)
{
    keel_err err;
    int fd;
    if (l->context != NULL)
        return true;
    if (monotonic_ms() < l->retry_ms)
        return false;
    const keel_status status = keel_dial_try(l->dial, wait_ms, &fd, &err);
    if (status == KEEL_OK)
        return adopt(l, fd);
    if (status != KEEL_EUNAVAIL || !l->failed) /* why the last attempt failed outlives the next */
        snprintf(l->why, sizeof l->why, "%.*s", WHY_MAX - 1, err.text);
    if (status != KEEL_EUNAVAIL)
        drop(l);
    return false;
}

static redis_link *link_new(const keel_redis_cfg *cfg)
{
    redis_link *l = keel_xcalloc(1, sizeof *l);
    l->dial = keel_dial_new(cfg->address, cfg->timeout_ms);
    l->run = strdup(cfg->run_id);
    l->timeout_ms = cfg->timeout_ms;
    KEEL_ASSERT(l->run != NULL);
    return l;
}

static void link_close(void *self)
{
    redis_link *l = self;
    drop(l);
    keel_dial_free(&l->dial);
    free(l->run);
    keel_free(&l);
}

static void make_key(const redis_link *l, const char *kind, const char *name, char key[KEY_MAX])
{
    KEEL_ASSERT(snprintf(key, KEY_MAX, "keel:%s:%s:%s", l->run, kind, name) < KEY_MAX);
}

/* An error reply, a lost connection or the wrong shape gives the link up. */
static redisReply *expect(redis_link *l, void *reply, int type)
{
    redisReply *r = reply;
    if (r != NULL && r->type == type)
        return r;
    if (r == NULL)
        fail_link(l);
    else
        fail(l, r->type == REDIS_REPLY_ERROR ? r->str : "an answer of the wrong shape");
    if (r != NULL)
        freeReplyObject(r);
    return NULL;
}

static void append_xadd(redis_link *l, const char *key, const char *id, const keel_log_entry *e)
{
    char type[16], event[24];
    snprintf(type, sizeof type, "%d", e->type);
    snprintf(event, sizeof event, "%" PRId64, e->event_ns);
    const char *argv[] = {"XADD", key, id, "t", type, "e", event, "p", (const char *)e->data};
    const size_t lens[] = {4, strlen(key),   strlen(id), 1,     strlen(type),
                           1, strlen(event), 1,          e->len};
    redisAppendCommandArgv(l->context, 9, argv, lens);
}

/* Was an XADD refused because its id is not above the top? Any other error is no answer at all, and
 * kept as the reason. */
static bool read_added(redis_link *l, const redisReply *r, bool *held)
{
    const bool refused = r->type == REDIS_REPLY_ERROR;
    *held = refused && strstr(r->str, "equal or smaller") != NULL;
    if (refused && !*held)
        snprintf(l->why, sizeof l->why, "%s", r->str);
    return *held || r->type == REDIS_REPLY_STRING || r->type == REDIS_REPLY_STATUS;
}

/* MULTI and n queued commands were appended: send EXEC, take all answers; the array of EXEC. */
static redisReply *exec(redis_link *l, int n)
{
    char refused[WHY_MAX] = "";
    redisAppendCommand(l->context, "EXEC");
    for (int i = 0; i <= n; i++) {
        void *queued = NULL;
        if (redisGetReply(l->context, &queued) != REDIS_OK) {
            fail_link(l);
            return NULL;
        }
        const redisReply *r = queued;
        if (r->type == REDIS_REPLY_ERROR && refused[0] == '\0')
            snprintf(refused, sizeof refused, "%s", r->str);
        freeReplyObject(queued);
    }
    void *reply = NULL;
    if (redisGetReply(l->context, &reply) != REDIS_OK) {
        fail_link(l);
        return NULL;
    }
    redisReply *array = expect(l, reply, REDIS_REPLY_ARRAY);
    if (array == NULL && refused[0] != '\0') /* EXEC says only that something before it failed */
        fail(l, refused);
    if (array != NULL && array->elements != (size_t)n) {
        freeReplyObject(array);
        fail(l, "an answer of the wrong shape");
        return NULL;
    }
    return array;
}

static keel_status log_append(void *self, const keel_log_entry *entries, int n, bool *held)
{
    redis_link *l = self;
    char key[KEY_MAX], id[ID_MAX];
    bool ok = true;
    if (!connected(l, l->timeout_ms))
        return KEEL_EUNAVAIL;
    redisAppendCommand(l->context, "MULTI");
    for (int i = 0; i < n; i++) {
        make_key(l, "rec", entries[i].topic, key);
        snprintf(id, sizeof id, "%" PRIu64 "-%" PRIu64, entries[i].step, entries[i].index);
        append_xadd(l, key, id, &entries[i]);
    }
    redisReply *array = exec(l, n);
    if (array == NULL)
        return KEEL_EUNAVAIL;
    for (int i = 0; i < n; i++)
        ok = read_added(l, array->element[i], &held[i]) && ok;
    freeReplyObject(array);
    if (!ok)
        drop(l);
    return ok ? KEEL_OK : KEEL_EUNAVAIL;
}

static const redisReply *field(const redisReply *fields, char name)
{
    for (size_t i = 0; i + 1 < fields->elements; i += 2)
        if (fields->element[i]->len == 1 && fields->element[i]->str[0] == name)
            return fields->element[i + 1];
    return NULL;
}

/* One [id, [field, value ...]] of a range. */
static bool read_entry(const redisReply *r, const char *topic, keel_log_entry *e)
{
    if (r->type != REDIS_REPLY_ARRAY || r->elements != 2 ||
        r->element[0]->type != REDIS_REPLY_STRING || r->element[1]->type != REDIS_REPLY_ARRAY ||
        sscanf(r->element[0]->str, "%" SCNu64 "-%" SCNu64, &e->step, &e->index) != 2)
        return false;
    const redisReply *type = field(r->element[1], 't');
    const redisReply *event = field(r->element[1], 'e');
    const redisReply *payload = field(r->element[1], 'p');
    if (type == NULL || event == NULL || payload == NULL)
        return false;
    e->topic = topic;
    e->type = (int)strtol(type->str, NULL, 10);
    e->event_ns = strtoll(event->str, NULL, 10);
    e->data = (const uint8_t *)payload->str;
    e->len = payload->len;
    return true;
}

/* One reading, shown to a visitor entry by entry. */
typedef struct tour {
    const char *topic;
    keel_log_visit visit;
    void *arg;
    keel_log_entry last; /* the newest shown */
    bool go_on;
} tour;

static keel_status show(redis_link *l, redisReply *range, tour *t)
{
    keel_status status = KEEL_OK;
    for (size_t i = 0; i < range->elements && t->go_on; i++) {
        if (!read_entry(range->element[i], t->topic, &t->last)) {
            status = KEEL_EFORMAT;
            break;
        }
        t->go_on = t->visit(t->arg, &t->last);
    }
    freeReplyObject(range);
    if (status != KEEL_OK)
        fail(l, "an entry that is not a record");
    return status;
}

static keel_status log_read(void *self, const char *topic, keel_log_span span, keel_log_visit visit,
                            void *arg)
{
    redis_link *l = self;
    char key[KEY_MAX], from[ID_MAX], to[ID_MAX];
    tour t = {.topic = topic, .visit = visit, .arg = arg, .go_on = true};
    make_key(l, "rec", topic, key);
    snprintf(from, sizeof from, "%" PRIu64 "-%" PRIu64, span.from_step, span.from_index);
    if (span.to_step == UINT64_MAX)
        snprintf(to, sizeof to, "+");
    else
        snprintf(to, sizeof to, "%" PRIu64, span.to_step);
    while (t.go_on) {
        t.last = (keel_log_entry){0};
        if (!connected(l, l->timeout_ms))
            return KEEL_EUNAVAIL;
        redisReply *range = expect(
            l, redisCommand(l->context, "XRANGE %s %s %s COUNT %d", key, from, to, READ_BATCH),
            REDIS_REPLY_ARRAY);
        if (range == NULL)
            return KEEL_EUNAVAIL;
        const bool full = range->elements == READ_BATCH;
        KEEL_TRY(show(l, range, &t));
        t.go_on = t.go_on && full;
        snprintf(from, sizeof from, "(%" PRIu64 "-%" PRIu64, t.last.step, t.last.index);
    }
    return KEEL_OK;
}

static keel_status log_top(void *self, const char *topic, uint64_t *step, uint64_t *index)
{
    redis_link *l = self;
    char key[KEY_MAX];
    keel_status status = KEEL_ENOTFOUND;
    make_key(l, "rec", topic, key);
    if (!connected(l, l->timeout_ms))
        return KEEL_EUNAVAIL;
    redisReply *range =
        expect(l, redisCommand(l->context, "XREVRANGE %s + - COUNT 1", key), REDIS_REPLY_ARRAY);
    if (range == NULL)
        return KEEL_EUNAVAIL;
    if (range->elements == 1) {
        keel_log_entry e;
        status = read_entry(range->element[0], topic, &e) ? KEEL_OK : KEEL_EFORMAT;
        *step = status == KEEL_OK ? e.step : 0;
        *index = status == KEEL_OK ? e.index : 0;
    }
    freeReplyObject(range);
    return status;
}

static keel_status min_id(redis_link *l, const char *kind, const char *name, uint64_t step,
                          uint64_t index)
{
    char key[KEY_MAX];
    make_key(l, kind, name, key);
    if (!connected(l, l->timeout_ms))
        return KEEL_EUNAVAIL;
    redisReply *r =
        expect(l, redisCommand(l->context, "XTRIM %s MINID %" PRIu64 "-%" PRIu64, key, step, index),
               REDIS_REPLY_INTEGER);
    if (r == NULL)
        return KEEL_EUNAVAIL;
    freeReplyObject(r);
    return KEEL_OK;
}

static keel_status log_trim(void *self, const char *topic, uint64_t step, uint64_t index)
{
    return min_id(self, "rec", topic, step, index);
}

static keel_status log_snapshot_put(void *self, const char *service, uint64_t step,
                                    const uint8_t *data, size_t len)
{
    redis_link *l = self;
    char key[KEY_MAX], id[ID_MAX];
    bool held = false;
    const keel_log_entry e = {service, 0, step, 0, 0, data, len};
    make_key(l, "snap", service, key);
    snprintf(id, sizeof id, "%" PRIu64 "-0", step);
    if (!connected(l, l->timeout_ms))
        return KEEL_EUNAVAIL;
    append_xadd(l, key, id, &e);
    void *reply = NULL;
    if (redisGetReply(l->context, &reply) != REDIS_OK) {
        fail_link(l);
        return KEEL_EUNAVAIL;
    }
    const bool ok = read_added(l, reply, &held);
    freeReplyObject(reply);
    if (!ok)
        drop(l);
    return ok ? KEEL_OK : KEEL_EUNAVAIL;
}

static keel_status snapshot_get(redis_link *l, const char *service, uint64_t bound,
                                keel_log_visit visit, void *arg)
{
    char key[KEY_MAX], to[ID_MAX];
    tour t = {.topic = service, .visit = visit, .arg = arg, .go_on = true};
    make_key(l, "snap", service, key);
    if (bound == UINT64_MAX)
        snprintf(to, sizeof to, "+");
    else
        snprintf(to, sizeof to, "%" PRIu64, bound);
    if (!connected(l, l->timeout_ms))
        return KEEL_EUNAVAIL;
    redisReply *range = expect(l, redisCommand(l->context, "XREVRANGE %s %s - COUNT 1", key, to),
                               REDIS_REPLY_ARRAY);
    if (range == NULL)
        return KEEL_EUNAVAIL;
    const bool found = range->elements == 1;
    KEEL_TRY(show(l, range, &t));
    return found ? KEEL_OK : KEEL_ENOTFOUND;
}

static keel_status log_snapshot_get(void *self, const char *service, uint64_t bound,
                                    keel_log_visit visit, void *arg)
{
    return snapshot_get(self, service, bound, visit, arg);
}

static bool note_step(void *arg, const keel_log_entry *e)
{
    *(uint64_t *)arg = e->step;
    return false;
}

static keel_status log_snapshot_trim(void *self, const char *service, uint64_t horizon)
{
    uint64_t keep = 0;
    const keel_status found = snapshot_get(self, service, horizon, note_step, &keep);
    if (found == KEEL_ENOTFOUND)
        return KEEL_OK;
    KEEL_TRY(found);
    return min_id(self, "snap", service, keep, 0);
}

static const keel_log_ops log_ops = {log_append,        log_read,         log_top,
                                     log_trim,          log_snapshot_put, log_snapshot_get,
                                     log_snapshot_trim, link_why,         link_close};

void keel_log_redis_open(const keel_redis_cfg *cfg, keel_log_store *log)
{
    *log = (keel_log_store){link_new(cfg), &log_ops};
}

/* ---- cache: written behind, its answers taken when they are there ---- */

/* One more answer is awaited. */
static void await_one(redis_link *l)
{
    if (l->pending++ == 0)
        l->heard_ms = monotonic_ms();
}

/* Send what is queued. */
static bool write_all(redis_link *l)
{
    int done = 0;
    while (!done)
        if (redisBufferWrite(l->context, &done) != REDIS_OK) {
            l->silent =
                l->context->err == REDIS_ERR_IO && (errno == EAGAIN || errno == EWOULDBLOCK);
            fail_link(l);
            return false;
        }
    return true;
}

static void take_answer(redis_link *l, redisReply *r)
{
    l->refusing = r->type == REDIS_REPLY_ERROR;
    if (l->refusing)
        snprintf(l->why, sizeof l->why, "%s", r->str);
    l->silent = false;
    l->heard_ms = monotonic_ms();
    l->pending--;
    freeReplyObject(r);
}

/* Nothing came within the time of a call: given up, and tried again with a PING alone. */
static bool still_in_time(redis_link *l)
{
    if (monotonic_ms() - l->heard_ms < l->timeout_ms)
        return true;
    fail(l, "no answer in time");
    l->silent = true;
    return false;
}

static bool take_pending(redis_link *l, bool wait)
{
    if (wait && l->pending > 0 && !write_all(l))
        return false;
    while (l->pending > 0) {
        void *reply = NULL;
        struct pollfd ready = {l->context->fd, POLLIN, 0};
        if (redisReaderGetReply(l->context->reader, &reply) != REDIS_OK)
            break;
        if (reply == NULL) {
            if (!wait && poll(&ready, 1, 0) <= 0)
                return still_in_time(l);
            if (redisBufferRead(l->context) != REDIS_OK)
                break;
            continue;
        }
        take_answer(l, reply);
    }
    if (l->pending > 0) {
        l->silent = l->context->err == REDIS_ERR_IO && (errno == EAGAIN || errno == EWOULDBLOCK);
        fail_link(l);
    }
    return l->context != NULL;
}

/* Can it be used? A connection is waited for at most wait_ms; a silent one is asked with a PING,
 * and not waited for. */
static bool answering(redis_link *l, int wait_ms)
{
    if (!connected(l, wait_ms))
        return false;
    if (!l->silent)
        return true;
    if (l->pending == 0) {
        redisAppendCommand(l->context, "PING");
        await_one(l);
        if (!write_all(l))
            return false;
    }
    return take_pending(l, false) && !l->silent;
}

static void cache_set_last(void *self, const char *topic, const uint8_t *frame, size_t len)
{
    redis_link *l = self;
    char key[KEY_MAX];
    if (!answering(l, 0) || (l->pending >= PENDING_MAX && !take_pending(l, true)))
        return;
    make_key(l, "last", topic, key);
    const char *argv[] = {"SET", key, (const char *)frame};
    const size_t lens[] = {3, strlen(key), len};
    redisAppendCommandArgv(l->context, 3, argv, lens);
    await_one(l);
}

static keel_status cache_get_last(void *self, const char *topic, uint8_t *data, size_t cap,
                                  size_t *len)
{
    redis_link *l = self;
    char key[KEY_MAX];
    keel_status status = KEEL_ENOTFOUND;
    if (!answering(l, l->timeout_ms) || !take_pending(l, true))
        return KEEL_EUNAVAIL;
    make_key(l, "last", topic, key);
    redisReply *r = redisCommand(l->context, "GET %s", key);
    if (r == NULL || (r->type != REDIS_REPLY_STRING && r->type != REDIS_REPLY_NIL)) {
        (void)expect(l, r, REDIS_REPLY_STRING);
        return KEEL_EUNAVAIL;
    }
    if (r->type == REDIS_REPLY_STRING) {
        *len = r->len;
        status = r->len <= cap ? KEEL_OK : KEEL_ENOSPC;
        if (status == KEEL_OK)
            memcpy(data, r->str, r->len);
    }
    freeReplyObject(r);
    return status;
}

static keel_status cache_snapshot_put(void *self, const char *service, uint64_t step,
                                      const uint8_t *data, size_t len)
{
    redis_link *l = self;
    char key[KEY_MAX];
    if (!answering(l, 0) || !take_pending(l, true))
        return KEEL_EUNAVAIL;
    KEEL_TRY(log_snapshot_put(self, service, step, data, len));
    make_key(l, "snap", service, key);
    redisReply *r = expect(l, redisCommand(l->context, "XTRIM %s MAXLEN %d", key, CACHE_SNAPSHOTS),
                           REDIS_REPLY_INTEGER);
    if (r == NULL)
        return KEEL_EUNAVAIL;
    freeReplyObject(r);
    return KEEL_OK;
}

static keel_status cache_snapshot_get(void *self, const char *service, uint64_t bound,
                                      keel_log_visit visit, void *arg)
{
    redis_link *l = self;
    if (!answering(l, l->timeout_ms) || !take_pending(l, true))
        return KEEL_EUNAVAIL;
    return snapshot_get(l, service, bound, visit, arg);
}

static bool cache_tend(void *self)
{
    redis_link *l = self;
    if (!answering(l, 0))
        return l->context == NULL && !l->failed; /* being connected for the first time */
    return (l->pending == 0 || (write_all(l) && take_pending(l, false))) && !l->refusing;
}

static const keel_cache_ops cache_ops = {cache_set_last,     cache_get_last, cache_snapshot_put,
                                         cache_snapshot_get, cache_tend,     link_why,
                                         link_close};

void keel_cache_redis_open(const keel_redis_cfg *cfg, keel_cache_store *cache)
{
    *cache = (keel_cache_store){link_new(cfg), &cache_ops};
}
