#include "services/relay/zap.h"

#include "common/base/mem.h"
#include "common/base/text.h"
#include "common/base/timefmt.h"
#include "common/bus/socket.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zmq.h>

/* version, request id, domain, address, identity, mechanism, key */
enum { PARTS = 7, PART_BYTES = 256, REQUEST_ID = 1, DOMAIN = 2, MECHANISM = 5, KEY = 6 };

enum { LOOK_MS = 100, WHOLE_LOOKS = 10 }; /* every tenth look is at each file */

#define STOP_ENDPOINT "inproc://keel.relay.zap.stop"

struct relay_zap {
    char folder[256];
    keel_keys *keys; /* owned; the thread's once it runs, as are the next seven */
    uint64_t stamp;
    uint64_t whole_stamp;
    bool load_again;
    int looks;
    int64_t look_due_ns;
    void *answers;  /* REP */
    void *stop_in;  /* PAIR */
    void *stop_out; /* PAIR */
    pthread_t thread;
    _Atomic(keel_keys *) news; /* owned until it is taken */
    atomic_uint_fast64_t refused;
    atomic_uint_fast64_t unread;
};

typedef struct question {
    int n;
    size_t len[PARTS];
    char part[PARTS][PART_BYTES];
} question;

/* Take one question whole; parts that are too many or too long make it malformed (n = 0). */
static bool receive(void *socket, question *q)
{
    int more = 1;
    size_t size = sizeof more;
    bool sound = true;
    memset(q, 0, sizeof *q);
    for (int i = 0; more; i++) {
        char spare[PART_BYTES];
        char *to = i < PARTS ? q->part[i] : spare;
        const int n = zmq_recv(socket, to, PART_BYTES - 1, 0);
        if (n < 0)
            return false;
        sound = sound && i < PARTS && n < PART_BYTES;
        if (i < PARTS)
            q->len[i] = n < PART_BYTES ? (size_t)n : PART_BYTES - 1;
        if (zmq_getsockopt(socket, ZMQ_RCVMORE, &more, &size) != 0)
            return false;
        q->n = i + 1;
    }
    if (!sound)
        q->n = 0;
    return true;
}

/* True when the one who asks has a key that is known: its text into `key`. */
static bool judge(const relay_zap *zap, const question *q, char key[KEEL_KEY_TEXT])
{
    if (q->n != PARTS || strcmp(q->part[MECHANISM], "CURVE") != 0 || q->len[KEY] != 32)
        return false;
    if (strcmp(q->part[DOMAIN], RELAY_DOMAIN_OUT) != 0 &&
        strcmp(q->part[DOMAIN], RELAY_DOMAIN_IN) != 0)
        return false;
    return zmq_z85_encode(key, (const uint8_t *)q->part[KEY], 32) != NULL &&
           keel_keys_find(zap->keys, key) != NULL;
}

/* `user` NULL refuses. */
static bool answer(void *socket, const question *q, const char *user)
{
    const struct {
        const void *data;
        size_t len;
    } parts[] = {{"1.0", 3},
                 {q->part[REQUEST_ID], q->len[REQUEST_ID]},
                 {user != NULL ? "200" : "400", 3},
                 {user != NULL ? "OK" : "unknown key", user != NULL ? 2 : 11},
                 {user != NULL ? user : "", user != NULL ? strlen(user) : 0},
                 {"", 0}};
    const size_t n = sizeof parts / sizeof parts[0];
    for (size_t i = 0; i < n; i++)
        if (zmq_send(socket, parts[i].data, parts[i].len, i + 1 < n ? ZMQ_SNDMORE : 0) < 0)
            return false;
    return true;
}

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * KEEL_NS_PER_S + t.tv_nsec;
}

/* The stamps are taken before the files are read: what changes meanwhile is seen at the next look.
 * A folder that cannot be read now, for want of a descriptor above all, leaves the keys as they
 * are and is read again at the next look. */
static keel_status load(relay_zap *zap, bool whole, keel_err *err)
{
    const uint64_t stamp = keel_keys_stamp(zap->folder, false);
    const uint64_t whole_stamp = whole ? keel_keys_stamp(zap->folder, true) : zap->whole_stamp;
    keel_keys *fresh = keel_keys_load(zap->folder, err);
    if (fresh == NULL)
        return KEEL_EUNAVAIL;
    keel_keys_free(&zap->keys);
    zap->keys = fresh;
    zap->stamp = stamp;
    zap->whole_stamp = whole_stamp;
    keel_keys *untaken = atomic_exchange(&zap->news, keel_keys_copy(fresh));
    keel_keys_free(&untaken);
    return KEEL_OK;
}

/* Two changes within one tick of the file system's clock bear one time: what has changed is loaded
 * once more at the look after. */
static void look(relay_zap *zap)
{
    const bool whole = zap->looks++ % WHOLE_LOOKS == 0;
    const bool changed = keel_keys_stamp(zap->folder, false) != zap->stamp ||
                         (whole && keel_keys_stamp(zap->folder, true) != zap->whole_stamp);
    if (!changed && !zap->load_again)
        return;
    if (load(zap, true, NULL) == KEEL_OK) {
        zap->load_again = changed;
        return;
    }
    zap->load_again = true;
    atomic_fetch_add(&zap->unread, 1);
}

/* Serve until told to stop; false = it can serve no longer. */
static bool serve(relay_zap *zap)
{
    for (;;) {
        zmq_pollitem_t items[] = {{zap->answers, 0, ZMQ_POLLIN, 0},
                                  {zap->stop_in, 0, ZMQ_POLLIN, 0}};
        const int got = zmq_poll(items, 2, LOOK_MS);
        if (now_ns() >= zap->look_due_ns) { /* under a flood of handshakes too */
            look(zap);
            zap->look_due_ns = now_ns() + LOOK_MS * KEEL_NS_PER_MS;
        }
        if (got < 0) {
            if (errno == EINTR)
                continue;
            return false;
        }
        if (items[1].revents != 0)
            return true;
        if (items[0].revents == 0)
            continue;
        question q;
        if (!receive(zap->answers, &q))
            return false;
        char key[KEEL_KEY_TEXT];
        const bool known = judge(zap, &q, key);
        if (!known)
            atomic_fetch_add(&zap->refused, 1);
        if (!answer(zap->answers, &q, known ? key : NULL))
            return false;
    }
}

static void *run(void *arg)
{
    relay_zap *zap = arg;
    if (!serve(zap)) {
        /* Without an answer libzmq admits every key: nothing is better than an open door. */
        fputs("keel-relay: the key check ended; so does the door\n", stderr);
        _Exit(1);
    }
    zmq_close(zap->answers);
    zmq_close(zap->stop_in);
    return NULL;
}

static void free_all(relay_zap **zap)
{
    keel_keys *untaken = atomic_exchange(&(*zap)->news, NULL);
    keel_keys_free(&untaken);
    keel_keys_free(&(*zap)->keys);
    keel_free(zap);
}

static void close_all(relay_zap *zap)
{
    if (zap->answers != NULL)
        zmq_close(zap->answers);
    if (zap->stop_in != NULL)
        zmq_close(zap->stop_in);
    if (zap->stop_out != NULL)
        zmq_close(zap->stop_out);
}

relay_zap *relay_zap_start(void *ctx, const char *folder, keel_err *err)
{
    const keel_socket_cfg cfg = {.hwm = 1000, .msg_bytes_max = KEEL_MSG_BYTES_CLIENT};
    relay_zap *zap = keel_xcalloc(1, sizeof *zap);
    if (keel_text_copy(zap->folder, sizeof zap->folder, folder) != KEEL_OK) {
        (void)keel_err_set(err, KEEL_ETOOBIG, "%.300s: is too long", folder);
        goto out;
    }
    if (load(zap, true, err) != KEEL_OK)
        goto out;
    zap->answers = keel_socket_new(ctx, ZMQ_REP, &cfg, err);
    zap->stop_in = keel_socket_new(ctx, ZMQ_PAIR, &cfg, err);
    zap->stop_out = keel_socket_new(ctx, ZMQ_PAIR, &cfg, err);
    if (zap->answers == NULL || zap->stop_in == NULL || zap->stop_out == NULL ||
        keel_socket_bind(zap->answers, "inproc://zeromq.zap.01", err) != KEEL_OK ||
        keel_socket_bind(zap->stop_in, STOP_ENDPOINT, err) != KEEL_OK ||
        keel_socket_connect(zap->stop_out, STOP_ENDPOINT, err) != KEEL_OK)
        goto out;
    if (pthread_create(&zap->thread, NULL, run, zap) == 0)
        return zap;
    (void)keel_err_set(err, KEEL_EIO, "cannot start the thread that checks keys");
out:
    close_all(zap);
    free_all(&zap);
    return NULL;
}

void relay_zap_stop(relay_zap **zap)
{
    if (*zap == NULL)
        return;
    while (zmq_send((*zap)->stop_out, "", 0, 0) < 0 && errno == EINTR)
        ;
    pthread_join((*zap)->thread, NULL);
    zmq_close((*zap)->stop_out);
    free_all(zap);
}

keel_keys *relay_zap_news(relay_zap *zap)
{
    return atomic_exchange(&zap->news, NULL);
}

uint64_t relay_zap_refused(const relay_zap *zap)
{
    return atomic_load(&zap->refused);
}

uint64_t relay_zap_unread(const relay_zap *zap)
{
    return atomic_load(&zap->unread);
}
