#include "services/relay/zap.h"

#include "common/base/mem.h"
#include "common/bus/socket.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

/* version, request id, domain, address, identity, mechanism, key */
enum { PARTS = 7, PART_BYTES = 256, REQUEST_ID = 1, DOMAIN = 2, MECHANISM = 5, KEY = 6 };

#define STOP_ENDPOINT "inproc://keel.relay.zap.stop"

struct relay_zap {
    const relay_keys *keys; /* borrowed */
    void *answers;          /* REP; the thread's once it runs */
    void *stop_in;          /* PAIR; the thread's */
    void *stop_out;         /* PAIR */
    pthread_t thread;
    atomic_uint_fast64_t refused;
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

/* Name of the one who asks, NULL to refuse. */
static const char *judge(const relay_zap *zap, const question *q)
{
    char key[RELAY_KEY_TEXT];
    if (q->n != PARTS || strcmp(q->part[MECHANISM], "CURVE") != 0 || q->len[KEY] != 32)
        return NULL;
    if (strcmp(q->part[DOMAIN], RELAY_DOMAIN_OUT) != 0 &&
        strcmp(q->part[DOMAIN], RELAY_DOMAIN_IN) != 0)
        return NULL;
    if (zmq_z85_encode(key, (const uint8_t *)q->part[KEY], 32) == NULL)
        return NULL;
    return relay_keys_name(zap->keys, key);
}

static bool answer(void *socket, const question *q, const char *name)
{
    const struct {
        const void *data;
        size_t len;
    } parts[] = {{"1.0", 3},
                 {q->part[REQUEST_ID], q->len[REQUEST_ID]},
                 {name != NULL ? "200" : "400", 3},
                 {name != NULL ? "OK" : "unknown key", name != NULL ? 2 : 11},
                 {name != NULL ? name : "", name != NULL ? strlen(name) : 0},
                 {"", 0}};
    const size_t n = sizeof parts / sizeof parts[0];
    for (size_t i = 0; i < n; i++)
        if (zmq_send(socket, parts[i].data, parts[i].len, i + 1 < n ? ZMQ_SNDMORE : 0) < 0)
            return false;
    return true;
}

/* Serve until told to stop; false = it can serve no longer. */
static bool serve(relay_zap *zap)
{
    for (;;) {
        zmq_pollitem_t items[] = {{zap->answers, 0, ZMQ_POLLIN, 0},
                                  {zap->stop_in, 0, ZMQ_POLLIN, 0}};
        if (zmq_poll(items, 2, -1) < 0) {
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
        const char *name = judge(zap, &q);
        if (name == NULL)
            atomic_fetch_add(&zap->refused, 1);
        if (!answer(zap->answers, &q, name))
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

static void close_all(relay_zap *zap)
{
    if (zap->answers != NULL)
        zmq_close(zap->answers);
    if (zap->stop_in != NULL)
        zmq_close(zap->stop_in);
    if (zap->stop_out != NULL)
        zmq_close(zap->stop_out);
}

relay_zap *relay_zap_start(void *ctx, const relay_keys *keys, keel_err *err)
{
    const keel_socket_cfg cfg = {.hwm = 1000, .msg_bytes_max = KEEL_MSG_BYTES_CLIENT};
    relay_zap *zap = keel_xcalloc(1, sizeof *zap);
    zap->keys = keys;
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
    keel_free(&zap);
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
    keel_free(zap);
}

uint64_t relay_zap_refused(const relay_zap *zap)
{
    return atomic_load(&zap->refused);
}
