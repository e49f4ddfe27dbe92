/* An endpoint with a host's name serves both sides: who binds it and who connects. */
#include "common/bus/socket.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <zmq.h>

static const keel_socket_cfg plain = {.hwm = 16, .msg_bytes_max = 1024};

static void *make(void *ctx, int type)
{
    keel_err err;
    void *s = keel_socket_new(ctx, type, &plain, &err);
    cr_assert_not_null(s, "%s", err.text);
    return s;
}

static keel_status bind_at(const char *endpoint, keel_err *err)
{
    void *ctx = zmq_ctx_new();
    void *s = make(ctx, ZMQ_PUSH);
    const keel_status status = keel_socket_bind(s, endpoint, err);
    zmq_close(s);
    zmq_ctx_term(ctx);
    return status;
}

Test(socket, a_name_is_bound_and_found_under_the_same_name)
{
    char last[64], body[8] = "";
    size_t size = sizeof last;
    int wait_ms = 5000;
    keel_err err;
    void *ctx = zmq_ctx_new();
    void *in = make(ctx, ZMQ_PULL), *out = make(ctx, ZMQ_PUSH);
    cr_assert_eq(keel_socket_bind(in, "tcp://localhost:*", &err), KEEL_OK, "%s", err.text);
    cr_assert_eq(zmq_getsockopt(in, ZMQ_LAST_ENDPOINT, last, &size), 0);
    cr_assert(strncmp(last, "tcp://127.", 10) == 0, "%s: the name's own address, not all", last);
    snprintf(body, sizeof body, "%s", strrchr(last, ':') + 1);
    snprintf(last, sizeof last, "tcp://localhost:%s", body);
    cr_assert_eq(keel_socket_connect(out, last, &err), KEEL_OK, "%s", err.text);
    zmq_setsockopt(in, ZMQ_RCVTIMEO, &wait_ms, sizeof wait_ms);
    cr_assert_eq(zmq_send(out, "x", 1, 0), 1);
    cr_assert_eq(zmq_recv(in, body, sizeof body, 0), 1);
    zmq_close(in);
    zmq_close(out);
    zmq_ctx_term(ctx);
}

Test(socket, a_name_that_nobody_has_is_refused_by_name)
{
    static const char *const nobodys[] = {"tcp://name.invalid:*", "tcp://nothing", "tcp://:1"};
    keel_err err;
    for (size_t i = 0; i < sizeof nobodys / sizeof *nobodys; i++) {
        cr_assert_eq(bind_at(nobodys[i], &err), KEEL_EIO, "%s", nobodys[i]);
        cr_assert_not_null(strstr(err.text, nobodys[i]), "%s", err.text);
    }
}

Test(socket, addresses_are_bound_as_before)
{
    keel_err err;
    cr_assert_eq(bind_at("tcp://127.0.0.1:*", &err), KEEL_OK, "%s", err.text);
    cr_assert_eq(bind_at("tcp://lo:*", &err), KEEL_OK, "an interface: %s", err.text);
}

/* Threads are the context's: as many peers as it was made for are each connected in their own. */
Test(socket, every_peer_over_tcp_has_a_thread_and_is_heard)
{
    enum { PEERS = 3 };
    char at[PEERS][64], body[8];
    int wait_ms = 5000, threads = 0;
    keel_err err;
    void *theirs = zmq_ctx_new(), *out[PEERS];
    void *ours = keel_context_new("tcp://{service}:7100", PEERS);
    void *sockets_only = keel_context_new("ipc://{run}/{service}.pub", PEERS);
    void *in = make(ours, ZMQ_PULL);
    zmq_setsockopt(in, ZMQ_RCVTIMEO, &wait_ms, sizeof wait_ms);
    threads = zmq_ctx_get(ours, ZMQ_IO_THREADS);
    cr_assert_eq(threads, 1 + PEERS);
    cr_assert_eq(zmq_ctx_get(sockets_only, ZMQ_IO_THREADS), 1);
    for (int i = 0; i < PEERS; i++) {
        size_t size = sizeof at[i];
        out[i] = make(theirs, ZMQ_PUSH);
        cr_assert_eq(keel_socket_bind(out[i], "tcp://127.0.0.1:*", &err), KEEL_OK);
        cr_assert_eq(zmq_getsockopt(out[i], ZMQ_LAST_ENDPOINT, at[i], &size), 0);
        cr_assert_eq(keel_socket_connect_peer(in, at[i], i, &err), KEEL_OK, "%s", err.text);
        cr_assert_eq(zmq_send(out[i], "x", 1, 0), 1);
        cr_assert_eq(zmq_recv(in, body, sizeof body, 0), 1, "peer %d", i);
        zmq_close(out[i]);
    }
    zmq_close(in);
    zmq_ctx_term(ours);
    zmq_ctx_term(theirs);
    zmq_ctx_term(sockets_only);
}
