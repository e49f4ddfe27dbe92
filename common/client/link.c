#include "common/client/link_internal.h"

#include "common/base/assert.h"
#include "common/base/text.h"
#include "common/base/timefmt.h"
#include "common/bus/socket.h"
#include "common/wire/wire.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    JOIN_MS = 2000,
    EVENT_BYTES = 6,
    ARENA_BYTES = 256 << 10, /* an envelope without its payload, or a heartbeat */
    FRAME_BYTES = 8 << 10,   /* a signal in its envelope */
    LOOK_MS = 20,            /* how often a key file that is not there yet is looked for */
};

#define REMAKE_NS   KEEL_NS_PER_S /* a new link gets so long to be heard */
#define EVENTS_NAME "inproc://keel.strategy.events"

/* ---- what is read ---- */

void link_want(client_link *l, int reader, const char *prefix)
{
    const size_t room = sizeof l->prefixes[0] / sizeof l->prefixes[0][0];
    KEEL_ASSERT((size_t)l->prefixes_n[reader] < room);
    KEEL_ASSERT(keel_text_copy(l->prefixes[reader][l->prefixes_n[reader]++], KEEL_TOPIC_MAX,
                               prefix) == KEEL_OK);
}

void link_want_all(client_link *l, int reader, keel_topic topic)
{
    char prefix[KEEL_TOPIC_MAX];
    const char *text = keel_topic_describe(topic)->template_text;
    snprintf(prefix, sizeof prefix, "%.*s", (int)strcspn(text, "{"), text);
    link_want(l, reader, prefix);
}

static keel_status subscribe_all(const client_link *l, int reader)
{
    char beats[KEEL_TOPIC_MAX];
    const keel_topic_keys relay = {.key = "relay"};
    KEEL_TRY(keel_topic_make(KEEL_TOPIC_HEARTBEAT, &relay, beats));
    /* The welcome before connecting: it is sent once, to whoever has asked for it by then. */
    if (!client_subscribe(l->readers[reader], CLIENT_WELCOME) ||
        !client_subscribe(l->readers[reader], beats))
        return KEEL_EIO;
    for (int i = 0; i < l->prefixes_n[reader]; i++)
        if (!client_subscribe(l->readers[reader], l->prefixes[reader][i]))
            return KEEL_EIO;
    return KEEL_OK;
}

/* ---- sockets ---- */

static void close_sockets(client_link *l)
{
    void **const sockets[] = {&l->readers[LINK_CONTROL], &l->readers[LINK_MARKET], &l->sends};
    for (size_t i = 0; i < sizeof sockets / sizeof sockets[0]; i++) {
        if (*sockets[i] != NULL)
            zmq_close(*sockets[i]);
        *sockets[i] = NULL;
    }
    l->reader_joined[LINK_CONTROL] = l->reader_joined[LINK_MARKET] = l->sends_joined = false;
}

static keel_status make_sockets(client_link *l, keel_err *err)
{
    const keel_socket_cfg cfg = {.hwm = KEEL_HWM_CLIENT,
                                 .msg_bytes_max = KEEL_MSG_BYTES_INSIDE,
                                 .server_public = l->id.server,
                                 .client_public = l->id.public_key,
                                 .client_secret = l->id.secret_key};
    for (int i = 0; i < LINK_READERS; i++) {
        l->readers[i] = keel_socket_new(l->ctx, ZMQ_SUB, &cfg, err);
        if (l->readers[i] == NULL)
            return KEEL_EIO;
        if (subscribe_all(l, i) != KEEL_OK)
            return keel_err_set(err, KEEL_EIO, "cannot subscribe: %s", zmq_strerror(errno));
    }
    l->sends = keel_socket_new(l->ctx, ZMQ_XPUB, &cfg, err);
    return l->sends != NULL ? KEEL_OK : KEEL_EIO;
}

static keel_status connect_all(client_link *l, keel_err *err)
{
    for (int i = 0; i < LINK_READERS; i++)
        KEEL_TRY(keel_socket_connect(l->readers[i], l->out_endpoint, err));
    KEEL_TRY(keel_socket_connect(l->sends, l->in_endpoint, err));
    l->made++;
    l->made_ns = client_mono_ns();
    return KEEL_OK;
}

static keel_status watch_handshake(client_link *l, keel_err *err)
{
    const keel_socket_cfg plain = {.hwm = 100, .msg_bytes_max = KEEL_MSG_BYTES_CLIENT};
    l->events = keel_socket_new(l->ctx, ZMQ_PAIR, &plain, err);
    if (l->events == NULL)
        return KEEL_EIO;
    if (zmq_socket_monitor(l->readers[LINK_CONTROL], EVENTS_NAME,
                           ZMQ_EVENT_HANDSHAKE_FAILED_AUTH) != 0)
        return keel_err_set(err, KEEL_EIO, "cannot watch the handshake: %s", zmq_strerror(errno));
    return keel_socket_connect(l->events, EVENTS_NAME, err);
}

static void end_watching(client_link *l)
{
    if (l->events == NULL)
        return;
    if (l->readers[LINK_CONTROL] != NULL)
        zmq_socket_monitor(l->readers[LINK_CONTROL], NULL, 0);
    zmq_close(l->events);
    l->events = NULL;
}

/* ---- messages ---- */

/* A beat of the relay: somebody is there, which run it is, and in which mode. */
static bool take_beat(client_link *l, const keel_envelope *e)
{
    if (e->type != KEEL_PAYLOAD_HEARTBEAT || strcmp(e->id.source, "relay") != 0)
        return false;
    if (keel_wire_get_heartbeat(&l->arena, e->payload, e->payload_len, &l->beat) != KEEL_OK)
        return false;
    if (l->run_id[0] == '\0')
        memcpy(l->run_id, e->run_id, sizeof l->run_id);
    l->lockstep = l->beat.lockstep;
    l->beat_heard = true;
    return true;
}

bool link_take(client_link *l, int reader, keel_envelope *out)
{
    for (;;) {
        const int parts = client_take(l->readers[reader], l->topic, &l->frame);
        if (parts == 0)
            return false;
        if (parts == 1 && strcmp(l->topic, CLIENT_WELCOME) == 0)
            l->reader_joined[reader] = true;
        else if (parts != 2 || !client_decode(&l->arena, l->topic, &l->frame,
                                              l->run_id[0] != '\0' ? l->run_id : NULL, out))
            l->dropped++;
        else {
            l->heard_ns[reader] = client_mono_ns();
            if (!take_beat(l, out))
                return true;
        }
    }
}

keel_status link_send(client_link *l, const char *topic, keel_envelope *envelope)
{
    uint8_t frame[FRAME_BYTES];
    size_t len;
    envelope->publish_ns = client_wall_ns();
    memcpy(envelope->run_id, l->run_id, sizeof envelope->run_id);
    KEEL_TRY(keel_wire_put_envelope(envelope, frame, sizeof frame, &len));
    if (zmq_send(l->sends, topic, strlen(topic), ZMQ_SNDMORE) < 0 ||
        zmq_send(l->sends, frame, len, 0) < 0)
        return KEEL_EIO;
    return KEEL_OK;
}

/* The relay's subscription says that it listens; its end, that it went. */
static void look_who_listens(client_link *l)
{
    uint8_t message[KEEL_TOPIC_MAX];
    int n;
    while ((n = zmq_recv(l->sends, message, sizeof message, ZMQ_DONTWAIT)) >= 0) {
        if (n < 1 || message[0] > 1)
            continue;
        l->sends_joined = message[0] == 1;
        l->rejoined = l->rejoined || l->sends_joined;
    }
}

bool link_take_rejoined(client_link *l)
{
    const bool was = l->rejoined;
    l->rejoined = false;
    return was;
}

/* ---- silence ---- */

static bool has_more(void *socket)
{
    int events = 0;
    size_t size = sizeof events;
    (void)zmq_getsockopt(socket, ZMQ_EVENTS, &events, &size);
    return (events & ZMQ_POLLIN) != 0;
}

static int64_t silent_at(const client_link *l, int reader)
{
    const int64_t from_beat = l->heard_ns[reader] + l->silent_ns;
    return l->heard_ns[reader] > l->made_ns ? from_beat : l->made_ns + REMAKE_NS;
}

void link_watch(client_link *l, int64_t now_ns)
{
    look_who_listens(l);
    for (int i = 0; i < LINK_READERS; i++) {
        if (now_ns < silent_at(l, i))
            continue;
        if (has_more(l->readers[i])) { /* it has not been silent, it has not been read */
            l->heard_ns[i] = now_ns;
            continue;
        }
        close_sockets(l);
        /* Only a lack of descriptors or memory can refuse: then it is tried again later. */
        if (make_sockets(l, NULL) != KEEL_OK || connect_all(l, NULL) != KEEL_OK)
            KEEL_ASSERT(l->readers[LINK_CONTROL] != NULL && l->readers[LINK_MARKET] != NULL &&
                        l->sends != NULL);
        return;
    }
}

int64_t link_due_ns(const client_link *l)
{
    const int64_t control = silent_at(l, LINK_CONTROL), market = silent_at(l, LINK_MARKET);
    return control < market ? control : market;
}

bool link_is_silent(const client_link *l, int64_t now_ns)
{
    return now_ns - l->heard_ns[LINK_CONTROL] >= KEEL_CUT_OFF_NS;
}

bool link_wait(client_link *l, bool market_too, int timeout_ms)
{
    zmq_pollitem_t items[4] = {{l->readers[LINK_CONTROL], 0, ZMQ_POLLIN, 0},
                               {l->sends, 0, ZMQ_POLLIN, 0}};
    int n = 2;
    if (market_too)
        items[n++] = (zmq_pollitem_t){l->readers[LINK_MARKET], 0, ZMQ_POLLIN, 0};
    if (l->events != NULL)
        items[n++] = (zmq_pollitem_t){l->events, 0, ZMQ_POLLIN, 0};
    return zmq_poll(items, n, timeout_ms) >= 0 || errno != EINTR;
}

/* ---- joining ---- */

static keel_status fill_place(char *out, size_t cap, const char *given, const char *field,
                              keel_err *err, const char *fmt, ...) KEEL_PRINTF(6, 7);

/* A field as it was given, else from the run directory. */
static keel_status fill_place(char *out, size_t cap, const char *given, const char *field,
                              keel_err *err, const char *fmt, ...)
{
    int n;
    if (given != NULL) {
        n = snprintf(out, cap, "%s", given);
    } else {
        va_list args;
        va_start(args, fmt);
        n = vsnprintf(out, cap, fmt, args);
        va_end(args);
    }
    if (n < 0 || (size_t)n >= cap)
        return keel_err_set(err, KEEL_EINVAL, "%s: longer than %zu bytes", field, cap - 1);
    return KEEL_OK;
}

/* The door of a run elsewhere, as a client's folder names it: two lines of the file `door`. False:
 * there is no such file, the run is on this machine. */
static keel_status read_door(const char *dir, char out[256], char in[256], bool *elsewhere,
                             keel_err *err)
{
    char path[512], rest[2];
    const int n = snprintf(path, sizeof path, "%s/door", dir);
    FILE *f = n > 0 && (size_t)n < sizeof path ? fopen(path, "re") : NULL;
    *elsewhere = f != NULL;
    if (f == NULL)
        return KEEL_OK;
    const bool good = fscanf(f, "%255s %255s %1s", out, in, rest) == 2;
    fclose(f);
    return good ? KEEL_OK
                : keel_err_set(err, KEEL_EFORMAT,
                               "%.300s: two addresses, where clients read and where they send",
                               path);
}

static keel_status fill_places(client_link *l, const keel_strategy_cfg *given, char server[512],
                               keel_err *err)
{
    char out[256], in[256];
    bool elsewhere = false;
    keel_strategy_cfg filled = *given;
    const keel_strategy_cfg *cfg = &filled;
    const char *dir = cfg->run_dir != NULL ? cfg->run_dir : "";
    if (cfg->run_dir != NULL)
        KEEL_TRY(read_door(dir, out, in, &elsewhere, err));
    if (elsewhere && filled.out_endpoint == NULL)
        filled.out_endpoint = out;
    if (elsewhere && filled.in_endpoint == NULL)
        filled.in_endpoint = in;
    const struct {
        const char *name, *value;
    } needed[] = {{"out_endpoint", cfg->out_endpoint},
                  {"in_endpoint", cfg->in_endpoint},
                  {"server_key", cfg->server_key},
                  {"secret_key", cfg->secret_key}};
    for (size_t i = 0; i < sizeof needed / sizeof needed[0] && cfg->run_dir == NULL; i++)
        if (needed[i].value == NULL)
            return keel_err_set(err, KEEL_EINVAL, "%s: is needed without run_dir", needed[i].name);
    KEEL_TRY(fill_place(l->out_endpoint, sizeof l->out_endpoint, cfg->out_endpoint, "out_endpoint",
                        err, "ipc://%s/door-out.sock", dir));
    KEEL_TRY(fill_place(l->in_endpoint, sizeof l->in_endpoint, cfg->in_endpoint, "in_endpoint", err,
                        "ipc://%s/door-in.sock", dir));
    KEEL_TRY(
        fill_place(server, 512, cfg->server_key, "server_key", err, "%s/keys/door.public", dir));
    return fill_place(l->secret_file, sizeof l->secret_file, cfg->secret_key, "secret_key", err,
                      "%s/keys/%s.secret", dir, cfg->name);
}

/* A run that is only starting makes its door's key first of all: wait for the file. */
static keel_status await_door(const char *server_file, int64_t until_ns, keel_err *err)
{
    while (access(server_file, R_OK) != 0 && errno == ENOENT) {
        if (client_left_ms(until_ns) == 0)
            return keel_err_set(err, KEEL_EUNAVAIL, "%.300s: not there: no door was opened yet",
                                server_file);
        (void)zmq_poll(NULL, 0, LOOK_MS);
    }
    return KEEL_OK;
}

static bool all_joined(const client_link *l)
{
    return l->reader_joined[LINK_CONTROL] && l->reader_joined[LINK_MARKET] && l->sends_joined &&
           l->beat_heard;
}

static keel_status await_join(client_link *l, int64_t until_ns, int wait_ms, keel_err *err)
{
    uint8_t event[EVENT_BYTES];
    keel_envelope unread;
    while (!all_joined(l)) {
        const int left = client_left_ms(until_ns);
        if (left == 0)
            return keel_err_set(err, KEEL_EUNAVAIL, "nobody answers at %.150s within %d ms",
                                l->sends_joined ? l->out_endpoint : l->in_endpoint, wait_ms);
        (void)link_wait(l, !l->reader_joined[LINK_MARKET], left);
        if (zmq_recv(l->events, event, sizeof event, ZMQ_DONTWAIT) >= 0)
            return keel_err_set(err, KEEL_EREFUSED, "%.300s: the door does not accept this key",
                                l->secret_file);
        look_who_listens(l);
        while (link_take(l, LINK_CONTROL, &unread))
            ;                               /* acknowledgements and decisions of an earlier life */
        if (!l->reader_joined[LINK_MARKET]) /* what comes after the welcome stays where it is */
            l->reader_joined[LINK_MARKET] =
                client_take(l->readers[LINK_MARKET], l->topic, &l->frame) == 1;
    }
    return KEEL_OK;
}

keel_status link_open(client_link *l, const keel_strategy_cfg *cfg, keel_err *err)
{
    char server[512];
    const int wait_ms = cfg->join_timeout_ms > 0 ? cfg->join_timeout_ms : JOIN_MS;
    const int64_t until_ns = client_mono_ns() + wait_ms * KEEL_NS_PER_MS;
    zmq_msg_init(&l->frame);
    keel_arena_init(&l->arena, ARENA_BYTES);
    l->ctx = zmq_ctx_new();
    KEEL_ASSERT(l->ctx != NULL);
    KEEL_TRY(fill_places(l, cfg, server, err));
    if (cfg->run_id != NULL && keel_text_copy(l->run_id, sizeof l->run_id, cfg->run_id) != KEEL_OK)
        return keel_err_set(err, KEEL_EINVAL, "run_id: longer than 47 bytes");
    l->silent_ns = strncmp(l->out_endpoint, "tcp:", 4) == 0 ? LINK_SILENT_NS : KEEL_CUT_OFF_NS;
    KEEL_TRY(await_door(server, until_ns, err));
    KEEL_TRY(client_read_keys(server, l->secret_file, &l->id, err));
    KEEL_TRY(make_sockets(l, err));
    KEEL_TRY(watch_handshake(l, err));
    KEEL_TRY(connect_all(l, err));
    KEEL_TRY(await_join(l, until_ns, wait_ms, err));
    end_watching(l);
    return KEEL_OK;
}

void link_close(client_link *l)
{
    end_watching(l);
    close_sockets(l);
    zmq_msg_close(&l->frame);
    if (l->ctx != NULL)
        zmq_ctx_term(l->ctx);
    keel_arena_fini(&l->arena);
    explicit_bzero(&l->id, sizeof l->id);
}
