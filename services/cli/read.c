#include "services/cli/door.h"
#include "services/cli/reader.h"
#include "services/cli/verbs.h"
#include "services/cli/views.h"

#include "common/base/timefmt.h"

int keel_verb_alloc_get(const keel_args *args, const keel_cli *cli)
{
    static const keel_topic wanted[] = {KEEL_TOPIC_ALLOC, KEEL_TOPIC_COUNT};
    static const keel_reading r = {wanted, "risk", "approved allocation", false};
    keel_reader s;
    int code = keel_reader_open(&s, args, cli);
    if (code == KEEL_EXIT_OK)
        code = keel_reader_collect(&s, &r, args, cli);
    if ((code == KEEL_EXIT_OK || code == KEEL_EXIT_STALE) && !keel_args_on(args, "json"))
        keel_view_alloc(cli, &s.seen->universe, s.seen->bar_ns, s.seen->event_ns[KEEL_TOPIC_ALLOC],
                        &s.seen->allocation);
    keel_reader_close(&s);
    return code;
}

int keel_verb_portfolio_show(const keel_args *args, const keel_cli *cli)
{
    static const keel_topic wanted[] = {KEEL_TOPIC_PORTFOLIO, KEEL_TOPIC_PERFORMANCE,
                                        KEEL_TOPIC_TRADING, KEEL_TOPIC_COUNT};
    static const keel_reading r = {wanted, "ledger", "portfolio state", false};
    keel_reader s;
    int code = keel_reader_open(&s, args, cli);
    if (code == KEEL_EXIT_OK)
        code = keel_reader_collect(&s, &r, args, cli);
    if ((code == KEEL_EXIT_OK || code == KEEL_EXIT_STALE) && !keel_args_on(args, "json")) {
        keel_view_portfolio(cli, &s.seen->universe, &s.seen->portfolio);
        keel_view_performance(cli, &s.seen->universe, &s.seen->performance, &s.seen->trading);
        if (s.seen->trading.mode != KEEL_TRADING_ACTIVE)
            keel_view_trading(cli, s.seen->event_ns[KEEL_TOPIC_TRADING], &s.seen->trading);
    }
    keel_reader_close(&s);
    return code;
}

int keel_verb_corr(const keel_args *args, const keel_cli *cli)
{
    static const keel_topic wanted[] = {KEEL_TOPIC_CORR, KEEL_TOPIC_COUNT};
    static const keel_reading r = {wanted, "correlation", "correlation matrix", false};
    keel_reader s;
    int code = keel_reader_open(&s, args, cli);
    if (code == KEEL_EXIT_OK)
        code = keel_reader_collect(&s, &r, args, cli);
    if ((code == KEEL_EXIT_OK || code == KEEL_EXIT_STALE) && !keel_args_on(args, "json"))
        keel_view_correlation(cli, &s.seen->universe, &s.seen->correlation,
                              keel_args_fraction(args, "above"),
                              (int)keel_args_count(args, "pairs"));
    keel_reader_close(&s);
    return code;
}

/* Show one allocation as it comes; true when one was shown. */
static bool watch_one(keel_reader *s, bool json, const keel_cli *cli)
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
    keel_reader s;
    int code = keel_reader_open(&s, args, cli);
    const int signals = keel_signals_open();
    const int64_t end = keel_monotonic_ns() + limit;
    if (code == KEEL_EXIT_OK && keel_reader_read(&s, wanted) != KEEL_OK)
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
    keel_reader_close(&s);
    return code;
}
