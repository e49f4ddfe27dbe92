#include "services/cli/door.h"

#include "common/base/mem.h"
#include "common/base/text.h"
#include "common/base/timefmt.h"
#include "common/wire/wire.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { JSON_BYTES = 16 << 20, JSON_ARENA_BYTES = 32 << 20 };

/* Is a process behind this socket? Saves a wait for a run that has ended and left its files. */
static bool is_bound(const char *path)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    if (keel_text_copy(to.sun_path, sizeof to.sun_path, path) != KEEL_OK)
        return false;
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const bool refused = connect(fd, (const struct sockaddr *)&to, sizeof to) != 0 &&
                         (errno == ECONNREFUSED || errno == ENOENT);
    close(fd);
    return !refused;
}

/* A run that has ended leaves its files: told at once instead of after a wait. */
static bool nobody_there(const char *in, const char *server, const char *secret)
{
    static const char ipc[] = "ipc://";
    if (strncmp(in, ipc, strlen(ipc)) != 0)
        return false; /* elsewhere, and missing keys are then named by the client */
    return access(server, R_OK) != 0 || access(secret, R_OK) != 0 || !is_bound(in + strlen(ipc));
}

keel_client *keel_door_open(const keel_run *run, int timeout_ms, keel_err *err)
{
    char out[KEEL_PATH_CAP], in[KEEL_PATH_CAP], server[KEEL_PATH_CAP], secret[KEEL_PATH_CAP];
    char name[32];
    if (keel_run_setting(run, "relay.out", "ipc://{run}/door-out.sock", "relay", out, err) !=
            KEEL_OK ||
        keel_run_setting(run, "relay.in", "ipc://{run}/door-in.sock", "relay", in, err) != KEEL_OK)
        return NULL;
    snprintf(name, sizeof name, "cli-%d", (int)getpid());
    const keel_client_cfg cfg = {
        .name = name,
        .out_endpoint = out,
        .in_endpoint = in,
        .server_key = keel_run_file(run, "keys/door.public", server),
        .secret_key = keel_run_file(run, "keys/operator.secret", secret),
        .run_id = run->id,
        .join_timeout_ms = timeout_ms,
    };
    if (nobody_there(in, server, secret)) {
        keel_err_set(err, KEEL_EUNAVAIL,
                     "run %s is not running: nobody is at its door; start it "
                     "with: keel up",
                     run->id);
        return NULL;
    }
    return keel_client_open(&cfg, err);
}

keel_status keel_door_read(keel_client *client, keel_topic topic)
{
    char prefix[KEEL_TOPIC_MAX];
    size_t len = 0;
    const char *text = keel_topic_describe(topic)->template_text;
    if (!keel_text_add(prefix, sizeof prefix, &len, "%.*s", (int)strcspn(text, "{"), text))
        return KEEL_ETOOBIG;
    return keel_client_subscribe(client, prefix);
}

keel_topic keel_door_topic(const keel_client_msg *msg)
{
    keel_topic topic;
    if (keel_topic_find(msg->topic, strlen(msg->topic), &topic) != KEEL_OK)
        return KEEL_TOPIC_COUNT;
    return topic;
}

static int exit_code(keel_status status)
{
    switch (status) {
    case KEEL_OK:
        return KEEL_EXIT_OK;
    case KEEL_EUNAVAIL:
    case KEEL_ENOTFOUND:
        return KEEL_EXIT_UNREACHABLE;
    case KEEL_EREFUSED:
    case KEEL_EEXIST:
        return KEEL_EXIT_REJECTED;
    case KEEL_ESTALE:
        return KEEL_EXIT_STALE;
    case KEEL_EINFEASIBLE:
        return KEEL_EXIT_INFEASIBLE;
    case KEEL_EFORMAT:
        return KEEL_EXIT_CONFIG;
    case KEEL_EINVAL:
    case KEEL_ERANGE:
    case KEEL_ENONFINITE:
    case KEEL_EUNKNOWN:
    case KEEL_EORDER:
    case KEEL_EVERSION:
    case KEEL_ENOSPC:
    case KEEL_ETOOBIG:
    case KEEL_EOVERFLOW:
    case KEEL_EIO:
    case KEEL_EEND:
    case KEEL_STATUS_COUNT:
        break;
    }
    return KEEL_EXIT_FAILED;
}

int keel_cli_fail(const keel_cli *cli, const keel_err *err)
{
    fprintf(cli->err, "keel: %s\n", err->text);
    return exit_code(err->status);
}

keel_status keel_door_print_json(const keel_cli *cli, const keel_client_msg *msg)
{
    const keel_envelope *e = &msg->envelope;
    char event[KEEL_TIME_TEXT_MAX];
    char *json = keel_xcalloc(1, JSON_BYTES);
    keel_arena arena;
    keel_arena_init(&arena, JSON_ARENA_BYTES);
    const keel_status status =
        keel_wire_json(&arena, e->type, e->payload, e->payload_len, json, JSON_BYTES);
    keel_time_format(e->event_ns, event);
    if (status == KEEL_OK) {
        fprintf(cli->out, "{\"topic\":\"%s\",\"step\":%" PRIu64 ",\"event\":\"%s\",\"data\":%s}\n",
                msg->topic, e->step, event, json);
        fflush(cli->out);
    }
    keel_arena_fini(&arena);
    keel_free(&json);
    return status;
}
