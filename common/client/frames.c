#include "common/base/timefmt.h"
#include "common/client/client_internal.h"
#include "common/wire/wire.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static int64_t clock_ns(clockid_t which)
{
    struct timespec t;
    clock_gettime(which, &t);
    return (int64_t)t.tv_sec * KEEL_NS_PER_S + t.tv_nsec;
}

int64_t client_mono_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

int64_t client_wall_ns(void)
{
    return clock_ns(CLOCK_REALTIME);
}

int client_left_ms(int64_t until_ns)
{
    const int64_t left = until_ns - client_mono_ns();
    return left <= 0 ? 0 : (int)((left + KEEL_NS_PER_MS - 1) / KEEL_NS_PER_MS);
}

/* ---- keys ---- */

static keel_status read_line(FILE *in, const char *path, char out[CLIENT_KEY_TEXT], keel_err *err)
{
    char line[CLIENT_KEY_TEXT + 2] = "";
    uint8_t raw[32];
    if (fgets(line, sizeof line, in) != NULL)
        line[strcspn(line, "\n")] = '\0';
    if (strlen(line) != CLIENT_KEY_TEXT - 1 || zmq_z85_decode(raw, line) == NULL)
        return keel_err_set(err, KEEL_EIO, "%.300s: is not a key file (40 z85 characters a line)",
                            path);
    memcpy(out, line, CLIENT_KEY_TEXT);
    return KEEL_OK;
}

keel_status client_read_keys(const char *server_file, const char *secret_file, client_identity *id,
                             keel_err *err)
{
    FILE *in = fopen(server_file, "re");
    if (in == NULL)
        return keel_err_set(err, KEEL_EIO, "%.300s: %s", server_file, strerror(errno));
    keel_status status = read_line(in, server_file, id->server, err);
    fclose(in);
    KEEL_TRY(status);
    in = fopen(secret_file, "re");
    if (in == NULL)
        return keel_err_set(err, KEEL_EIO, "%.300s: %s", secret_file, strerror(errno));
    status = read_line(in, secret_file, id->public_key, err);
    if (status == KEEL_OK)
        status = read_line(in, secret_file, id->secret_key, err);
    fclose(in);
    return status;
}

/* ---- frames ---- */

bool client_subscribe(void *socket, const char *prefix)
{
    return zmq_setsockopt(socket, ZMQ_SUBSCRIBE, prefix, strlen(prefix)) == 0;
}

int client_take(void *socket, char topic[KEEL_TOPIC_MAX], zmq_msg_t *frame)
{
    int more = 0, parts = 1;
    size_t size = sizeof more;
    const int n = zmq_recv(socket, topic, KEEL_TOPIC_MAX - 1, ZMQ_DONTWAIT);
    if (n < 0)
        return 0;
    const bool whole = n < KEEL_TOPIC_MAX;
    topic[whole ? n : 0] = '\0';
    zmq_getsockopt(socket, ZMQ_RCVMORE, &more, &size);
    for (; more; parts++) {
        if (zmq_msg_recv(frame, socket, ZMQ_DONTWAIT) < 0)
            return parts;
        more = zmq_msg_more(frame);
    }
    return parts;
}

bool client_decode(keel_arena *arena, const char *topic, zmq_msg_t *frame, const char *run_id,
                   keel_envelope *out)
{
    keel_topic which;
    keel_arena_reset(arena);
    if (keel_topic_find(topic, strlen(topic), &which) != KEEL_OK ||
        keel_wire_get_envelope(arena, zmq_msg_data(frame), zmq_msg_size(frame), out) != KEEL_OK ||
        out->type != keel_topic_describe(which)->payload)
        return false;
    return run_id == NULL || strcmp(out->run_id, run_id) == 0;
}
