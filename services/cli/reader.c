#include "services/cli/reader.h"

#include "services/cli/door.h"
#include "services/cli/terminal.h"

#include "common/base/timefmt.h"

#include <string.h>

int keel_reader_open(keel_reader *s, const keel_args *args, const keel_cli *cli)
{
    keel_err err;
    memset(s, 0, sizeof *s);
    if (keel_run_find_live(keel_args_text(args, "run"), &s->run, &err) != KEEL_OK)
        return keel_cli_fail(cli, &err);
    s->client = keel_door_open(&s->run, 1500, &err);
    if (s->client == NULL)
        return keel_cli_fail(cli, &err);
    s->seen = keel_seen_new();
    s->beats = keel_beats_new();
    return KEEL_EXIT_OK;
}

void keel_reader_close(keel_reader *s)
{
    keel_client_close(&s->client);
    keel_seen_free(&s->seen);
    keel_free(&s->beats);
}

keel_status keel_reader_read(keel_reader *s, const keel_topic *wanted)
{
    KEEL_TRY(keel_door_read(s->client, KEEL_TOPIC_UNIVERSE));
    KEEL_TRY(keel_door_read(s->client, KEEL_TOPIC_HEARTBEAT));
    for (; *wanted != KEEL_TOPIC_COUNT; wanted++)
        KEEL_TRY(keel_door_read(s->client, *wanted));
    return KEEL_OK;
}

static bool has_all(const keel_reader *s, const keel_topic *wanted)
{
    for (; *wanted != KEEL_TOPIC_COUNT; wanted++)
        if (s->seen->steps[*wanted] == 0)
            return false;
    return s->seen->universe.n > 0;
}

static int owner_index(const char *owner)
{
    int i = 0;
    while (i < KEEL_SERVICES_N - 1 && strcmp(keel_service_at(i), owner) != 0)
        i++;
    return i;
}

static bool is_wanted(const keel_topic *wanted, keel_topic topic)
{
    for (; *wanted != KEEL_TOPIC_COUNT; wanted++)
        if (*wanted == topic)
            return true;
    return false;
}

/* Take messages until everything wanted is there and its owner is heard, or silent. */
static int take_until(keel_reader *s, const keel_reading *r, const keel_args *args,
                      const keel_cli *cli)
{
    const int64_t end = keel_monotonic_ns() + keel_args_duration(args, "deadline");
    const int owner = owner_index(r->owner);
    const bool json = keel_args_on(args, "json") && !r->own_json;
    keel_client_msg msg;
    bool fresh;
    if (keel_reader_read(s, r->wanted) != KEEL_OK)
        return KEEL_EXIT_FAILED;
    while (keel_monotonic_ns() < end) {
        const bool heard = s->beats->heard_ns[owner] != 0;
        if (has_all(s, r->wanted) &&
            (heard || keel_beats_silent(s->beats, owner, keel_monotonic_ns())))
            return heard ? KEEL_EXIT_OK : KEEL_EXIT_STALE;
        if (keel_client_next(s->client, 50, &msg) != KEEL_OK)
            continue;
        const keel_topic topic = keel_door_topic(&msg);
        if (topic == KEEL_TOPIC_HEARTBEAT)
            keel_beats_take(s->beats, &msg.envelope);
        else if (keel_seen_take(s->seen, topic, &msg.envelope, &fresh) == KEEL_OK && fresh &&
                 json && is_wanted(r->wanted, topic) && keel_door_print_json(cli, &msg) != KEEL_OK)
            return KEEL_EXIT_FAILED;
    }
    fprintf(cli->err, "keel: no %s within %s\n", r->what, keel_args_text(args, "deadline"));
    return KEEL_EXIT_DEADLINE;
}

int keel_reader_collect(keel_reader *s, const keel_reading *r, const keel_args *args,
                        const keel_cli *cli)
{
    const int code = take_until(s, r, args, cli);
    if (code == KEEL_EXIT_STALE)
        fprintf(cli->err, "keel: %s has been silent for a second: this may be old\n", r->owner);
    return code;
}
