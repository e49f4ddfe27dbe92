#include "services/cli/beats.h"
#include "services/cli/door.h"
#include "services/cli/seen.h"
#include "services/cli/verbs.h"
#include "services/cli/views.h"

#include "common/base/timefmt.h"

#include <string.h>

/* A verb that shows the newest values of a few topics. */
typedef struct reading {
    const keel_topic *wanted; /* ended by KEEL_TOPIC_COUNT; all must have come */
    const char *owner;        /* its heartbeat says whether they can be old */
    const char *what;         /* for "no ... yet" */
} reading;

/* What is open while a verb reads. */
typedef struct session {
    keel_run run;
    keel_client *client;
    keel_seen *seen;
    keel_beats *beats;
} session;

static int open_session(session *s, const keel_args *args, const keel_cli *cli)
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

static void close_session(session *s)
{
    keel_client_close(&s->client);
    keel_seen_free(&s->seen);
    keel_free(&s->beats);
}

static keel_status read_topics(session *s, const keel_topic *wanted)
{
    KEEL_TRY(keel_door_read(s->client, KEEL_TOPIC_UNIVERSE));
    KEEL_TRY(keel_door_read(s->client, KEEL_TOPIC_HEARTBEAT));
    for (; *wanted != KEEL_TOPIC_COUNT; wanted++)
        KEEL_TRY(keel_door_read(s->client, *wanted));
    return KEEL_OK;
}

static bool has_all(const session *s, const keel_topic *wanted)
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
static int collect(session *s, const reading *r, const keel_args *args, const keel_cli *cli)
{
    const int64_t end = keel_monotonic_ns() + keel_args_duration(args, "deadline");
    const int owner = owner_index(r->owner);
    const bool json = keel_args_on(args, "json");
    keel_client_msg msg;
    bool fresh;
    if (read_topics(s, r->wanted) != KEEL_OK)
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

static void tell_stale(const reading *r, int code, const keel_cli *cli)
{
    if (code == KEEL_EXIT_STALE)
        fprintf(cli->err, "keel: %s has been silent for a second: this may be old\n", r->owner);
}

int keel_verb_alloc_get(const keel_args *args, const keel_cli *cli)
{
    static const keel_topic wanted[] = {KEEL_TOPIC_ALLOC, KEEL_TOPIC_COUNT};
    static const reading r = {wanted, "risk", "approved allocation"};
    session s;
    int code = open_session(&s, args, cli);
    if (code == KEEL_EXIT_OK)
        code = collect(&s, &r, args, cli);
    if ((code == KEEL_EXIT_OK || code == KEEL_EXIT_STALE) && !keel_args_on(args, "json"))
        keel_view_alloc(cli, &s.seen->universe, s.seen->bar_ns, s.seen->event_ns[KEEL_TOPIC_ALLOC],
                        &s.seen->allocation);
    tell_stale(&r, code, cli);
    close_session(&s);
    return code;
}

int keel_verb_portfolio_show(const keel_args *args, const keel_cli *cli)
{
    static const keel_topic wanted[] = {KEEL_TOPIC_PORTFOLIO, KEEL_TOPIC_PERFORMANCE,
                                        KEEL_TOPIC_TRADING, KEEL_TOPIC_COUNT};
    static const reading r = {wanted, "ledger", "portfolio state"};
    session s;
    int code = open_session(&s, args, cli);
    if (code == KEEL_EXIT_OK)
        code = collect(&s, &r, args, cli);
    if ((code == KEEL_EXIT_OK || code == KEEL_EXIT_STALE) && !keel_args_on(args, "json")) {
        keel_view_portfolio(cli, &s.seen->universe, &s.seen->portfolio);
        keel_view_performance(cli, &s.seen->universe, &s.seen->performance, &s.seen->trading);
        if (s.seen->trading.mode != KEEL_TRADING_ACTIVE)
            keel_view_trading(cli, s.seen->event_ns[KEEL_TOPIC_TRADING], &s.seen->trading);
    }
    tell_stale(&r, code, cli);
    close_session(&s);
    return code;
}

int keel_verb_corr(const keel_args *args, const keel_cli *cli)
{
    static const keel_topic wanted[] = {KEEL_TOPIC_CORR, KEEL_TOPIC_COUNT};
    static const reading r = {wanted, "correlation", "correlation matrix"};
    session s;
    int code = open_session(&s, args, cli);
    if (code == KEEL_EXIT_OK)
        code = collect(&s, &r, args, cli);
    if ((code == KEEL_EXIT_OK || code == KEEL_EXIT_STALE) && !keel_args_on(args, "json"))
        keel_view_correlation(cli, &s.seen->universe, &s.seen->correlation,
                              keel_args_fraction(args, "above"),
                              (int)keel_args_count(args, "pairs"));
    tell_stale(&r, code, cli);
    close_session(&s);
    return code;
}

/* Show one allocation as it comes; true when one was shown. */
static bool watch_one(session *s, bool json, const keel_cli *cli)
{
    keel_client_msg msg;
    bool fresh;
    if (keel_client_next(s->client, 50, &msg) != KEEL_OK)
        return false;
    const keel_topic topic = keel_door_topic(&msg);
    if (keel_seen_take(s->seen, topic, &msg.envelope, &fresh) != KEEL_OK || !fresh ||
        topic != KEEL_TOPIC_ALLOC)
        return false;
    if (json)
        return keel_door_print_json(cli, &msg) == KEEL_OK;
    keel_view_alloc_line(cli, &s->seen->universe, s->seen->bar_ns, msg.envelope.event_ns,
                         &s->seen->allocation);
    fflush(cli->out);
    return true;
}

int keel_verb_alloc_watch(const keel_args *args, const keel_cli *cli)
{
    static const keel_topic wanted[] = {KEEL_TOPIC_ALLOC, KEEL_TOPIC_COUNT};
    const int64_t count = keel_args_count(args, "count");
    const int64_t limit = keel_args_duration(args, "deadline");
    const bool json = keel_args_on(args, "json");
    session s;
    int code = open_session(&s, args, cli);
    const int signals = keel_signals_open();
    const int64_t end = keel_monotonic_ns() + limit;
    if (code == KEEL_EXIT_OK && read_topics(&s, wanted) != KEEL_OK)
        code = KEEL_EXIT_FAILED;
    if (code == KEEL_EXIT_OK && !json)
        keel_view_alloc_heading(cli);
    fflush(cli->out);
    for (int64_t shown = 0; code == KEEL_EXIT_OK && (count == 0 || shown < count);) {
        shown += watch_one(&s, json, cli);
        if (keel_signals_stop(signals) != 0 || ferror(cli->out))
            break;
        if (limit > 0 && keel_monotonic_ns() > end && (count == 0 || shown < count))
            code = KEEL_EXIT_DEADLINE;
    }
    close_session(&s);
    return code;
}
