#include "services/cli/beats.h"
#include "services/cli/demo_data.h"
#include "services/cli/door.h"
#include "services/cli/format.h"
#include "services/cli/news.h"
#include "services/cli/run_config.h"
#include "services/cli/seen.h"
#include "services/cli/start.h"
#include "services/cli/strategies.h"
#include "services/cli/verbs.h"
#include "services/cli/views.h"

#include "common/base/timefmt.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

enum {
    DEMOS_KEPT = 3,
    JOIN_MS = 3000,
    STALL_MS = 60000,  /* no step for so long: something is stuck, and is named */
    LAST_MS = 3000,    /* after the feed's end: how long the last states may take to come */
    AWAITED_MS = 1500, /* no step for so long: the bar says who is awaited */
    PAIRS_SHOWN = 10,
    BY_STRATEGY = KEEL_TOPIC_COUNT, /* place of the attribution by strategy, whose topic has two */
    KEPT = BY_STRATEGY + 1,
};

/* What is read. The order is that of the subscriptions. */
static const keel_topic topics[] = {
    KEEL_TOPIC_UNIVERSE,    KEEL_TOPIC_FEED,        KEEL_TOPIC_TRUTH,    KEEL_TOPIC_CORR,
    KEEL_TOPIC_REBALANCE,   KEEL_TOPIC_TRADING,     KEEL_TOPIC_ALLOC,    KEEL_TOPIC_PORTFOLIO,
    KEEL_TOPIC_PERFORMANCE, KEEL_TOPIC_ATTRIBUTION, KEEL_TOPIC_STRATEGY, KEEL_TOPIC_DECISION,
    KEEL_TOPIC_FILL,        KEEL_TOPIC_HEARTBEAT,
};

/* A message kept for --json: those of the last step are printed at the end. */
typedef struct kept {
    char topic[KEEL_TOPIC_MAX];
    keel_envelope envelope;
    uint8_t *payload; /* owned */
} kept;

typedef struct demo {
    const keel_args *args;
    const keel_cli *cli;
    keel_run run;
    keel_supervisor *supervisor;
    keel_client *client;
    keel_seen *seen;
    keel_beats *beats;
    keel_news *news;
    keel_progress bar;
    unsigned strategies; /* Keel's own that are started (strategies.h) */
    bool has_strategies; /* the configuration names some, Keel's own or others */
    bool json;
    bool heading;     /* of the allocation lines, printed */
    bool news_told;   /* the heading of the lines of decisions and fills */
    bool asked_again; /* for the last values, after the feed's end */
    int signals;
    int64_t started_ns; /* monotonic, as the rest */
    int64_t moved_ns;   /* the last step seen */
    int64_t first_ns;   /* the first allocation; 0 = none */
    uint64_t step;
    kept last[KEPT];
} demo;

/* Keel's own strategies take part unless the configuration names strategies; then those of Keel's
 * own that it names do. `named`: it did before the demo's settings. */
static void choose_strategies(demo *d, keel_run_config *config, bool named)
{
    keel_err err;
    if (!keel_args_on(d->args, "no-strategies")) {
        if (named)
            d->strategies = keel_strategies_named(config);
        else if (keel_strategies_installed(~0u, &err) == KEEL_OK)
            d->strategies = keel_strategies_lay(config, true, &err);
        if (!named && d->strategies == 0)
            fprintf(d->cli->err, "keel: without Keel's own strategies: %s\n", err.text);
    }
    d->has_strategies = keel_strategies_any(config);
}

static int write_config(demo *d, keel_err *err)
{
    char base[KEEL_PATH_CAP];
    const char *rows = keel_args_text(d->args, "rows");
    const char *seed = keel_args_text(d->args, "seed");
    const bool files = keel_args_on(d->args, "data");
    if (keel_base_config(keel_args_text(d->args, "config"), base, err) != KEEL_OK) {
        keel_cli_fail(d->cli, err);
        return KEEL_EXIT_CONFIG;
    }
    keel_run_config *config = keel_run_config_read_local(base, err);
    if (config == NULL)
        return keel_cli_fail(d->cli, err);
    keel_status status = keel_run_config_set(config, "run.mode", "lockstep", err);
    if (status == KEEL_OK && (rows != NULL || !files))
        status = keel_run_config_set(config, "feed.rows", rows != NULL ? rows : "1000", err);
    if (status == KEEL_OK && seed != NULL)
        status = keel_run_config_set(config, "feed.seed", seed, err);
    /* nobody is there to re-arm a demo after a portfolio stop */
    if (status == KEEL_OK && keel_run_config_get(config, "risk.re_arm_after") == NULL)
        status = keel_run_config_set(config, "risk.re_arm_after", "24h", err);
    int code = status == KEEL_OK ? KEEL_EXIT_OK : keel_cli_fail(d->cli, err);
    if (code == KEEL_EXIT_OK && files)
        code = keel_demo_use_files(d->args, config, d->cli);
    const bool named = keel_strategies_any(config);
    if (code == KEEL_EXIT_OK && keel_start_lay_config(config, d->args, &d->run, err) != KEEL_OK)
        code = keel_cli_fail(d->cli, err);
    if (code == KEEL_EXIT_OK)
        choose_strategies(d, config, named);
    if (code == KEEL_EXIT_OK && keel_start_write_config(config, &d->run, err) != KEEL_OK)
        code = keel_cli_fail(d->cli, err);
    keel_run_config_free(&config);
    return code;
}

/* Every service but the feed, which is the last of them, has been heard through the door. */
static bool all_heard(const keel_beats *beats)
{
    for (int i = 0; i < KEEL_SERVICES_N - 1; i++)
        if (beats->heard_ns[i] == 0)
            return false;
    return true;
}

/* The feed starts when the others can be heard through the door, so that what they say of the first
 * step is heard too; after JOIN_MS it starts all the same. */
static keel_status start_feed(demo *d, keel_err *err)
{
    const int64_t end = keel_monotonic_ns() + JOIN_MS * KEEL_NS_PER_MS;
    keel_client_msg msg;
    while (!all_heard(d->beats) && keel_monotonic_ns() < end) {
        if (keel_client_next(d->client, 10, &msg) == KEEL_OK &&
            keel_door_topic(&msg) == KEEL_TOPIC_HEARTBEAT)
            keel_beats_take(d->beats, &msg.envelope);
        KEEL_TRY(keel_supervisor_poll(d->supervisor, err));
    }
    return keel_system_start_feed(d->supervisor, &d->run, true, err);
}

/* The door is opened between the relay and the others, so that no message is missed. */
static int start(demo *d, keel_err *err)
{
    char log_dir[KEEL_PATH_CAP], processes[KEEL_PATH_CAP];
    d->supervisor = keel_supervisor_new(keel_run_file(&d->run, "log", log_dir),
                                        keel_run_file(&d->run, "processes", processes));
    keel_status status = keel_system_start_stores(d->supervisor, &d->run, err);
    if (status == KEEL_OK)
        status = keel_strategies_keys(&d->run, d->strategies, err);
    if (status == KEEL_OK)
        status = keel_system_start_relay(d->supervisor, &d->run, err);
    for (int tries = 0; status == KEEL_OK && d->client == NULL && tries < 100; tries++) {
        d->client = keel_door_open(&d->run, 1000, err);
        if (d->client == NULL)
            keel_pause_ms(20); /* the relay is still making its keys */
        if (keel_signals_stop(d->signals) != 0)
            return KEEL_EXIT_FAILED;
        status = keel_supervisor_poll(d->supervisor, err);
    }
    if (status == KEEL_OK && d->client == NULL)
        return keel_cli_fail(d->cli, err);
    for (size_t i = 0; status == KEEL_OK && i < sizeof topics / sizeof *topics; i++)
        status = keel_door_read(d->client, topics[i]);
    if (status == KEEL_OK)
        status = keel_system_start_services(d->supervisor, &d->run, true, err);
    if (status == KEEL_OK)
        status = keel_strategies_start(d->supervisor, &d->run, d->strategies, err);
    if (status == KEEL_OK)
        status = start_feed(d, err);
    return status == KEEL_OK ? KEEL_EXIT_OK
                             : keel_start_failed(d->supervisor, &d->run, err, d->cli);
}

static void keep_for_json(demo *d, int place, const keel_client_msg *msg)
{
    kept *k = &d->last[place];
    keel_free(&k->payload);
    k->envelope = msg->envelope;
    k->payload = keel_xcalloc(1, msg->envelope.payload_len + 1);
    memcpy(k->payload, msg->envelope.payload, msg->envelope.payload_len);
    k->envelope.payload = k->payload;
    snprintf(k->topic, sizeof k->topic, "%s", msg->topic);
}

static void show_json_now(const demo *d, const keel_client_msg *msg)
{
    if (keel_door_print_json(d->cli, msg) != KEEL_OK)
        fprintf(d->cli->err, "keel: %s could not be shown as JSON\n", msg->topic);
}

static void show_allocation(demo *d, const keel_client_msg *msg)
{
    if (d->first_ns == 0)
        d->first_ns = keel_monotonic_ns();
    keel_progress_hide(&d->bar);
    if (d->json) {
        show_json_now(d, msg);
        return;
    }
    if (!d->heading)
        keel_view_alloc_heading(d->cli);
    d->heading = true;
    keel_view_alloc_line(d->cli, &d->seen->universe, d->seen->bar_ns, msg->envelope.event_ns,
                         &d->seen->allocation);
}

static void show_trading(demo *d, const keel_client_msg *msg)
{
    const keel_trading_state *t = &d->seen->trading;
    /* the state is a record of every step; only its changes are news, and the first one is none */
    if (!t->changed || (msg->envelope.step <= 1 && t->mode == KEEL_TRADING_ACTIVE))
        return;
    keel_progress_hide(&d->bar);
    if (!d->json)
        keel_view_trading(d->cli, msg->envelope.event_ns, t);
    else
        show_json_now(d, msg);
}

/* Decisions and fills of strategies, as far as they are worth a line. */
static void show_news(demo *d, keel_topic topic, const keel_client_msg *msg)
{
    if (!keel_news_take(d->news, topic, &msg->envelope))
        return;
    keel_progress_hide(&d->bar);
    if (!d->json && !d->news_told)
        keel_view_signal_heading(d->cli);
    d->news_told = true;
    if (d->json)
        show_json_now(d, msg);
    else if (topic == KEEL_TOPIC_DECISION)
        keel_view_decision_line(d->cli, &d->seen->universe, msg->envelope.event_ns,
                                &d->news->decision, d->news->count);
    else
        keel_view_fill_line(d->cli, &d->seen->universe, &d->news->fill, d->news->count);
}

/* Where the last message of this topic is kept for the end; -1 = it is not. */
static int place_of(const demo *d, keel_topic topic, const keel_envelope *e)
{
    const keel_seen *s = d->seen;
    if (topic == KEEL_TOPIC_ATTRIBUTION && s->by_strategy_step == e->step &&
        s->by_strategy_index == e->index)
        return BY_STRATEGY;
    if (topic == KEEL_TOPIC_PERFORMANCE || topic == KEEL_TOPIC_ATTRIBUTION ||
        topic == KEEL_TOPIC_CORR || topic == KEEL_TOPIC_TRUTH)
        return topic;
    return topic == KEEL_TOPIC_STRATEGY && d->has_strategies ? (int)topic : -1;
}

static void take(demo *d, const keel_client_msg *msg)
{
    bool fresh;
    const keel_topic topic = keel_door_topic(msg);
    if (topic == KEEL_TOPIC_HEARTBEAT) {
        keel_beats_take(d->beats, &msg->envelope);
        return;
    }
    if (topic == KEEL_TOPIC_DECISION || topic == KEEL_TOPIC_FILL) {
        show_news(d, topic, msg);
        return;
    }
    if (keel_seen_take(d->seen, topic, &msg->envelope, &fresh) != KEEL_OK || !fresh)
        return;
    if (msg->envelope.step > d->step) {
        d->step = msg->envelope.step;
        d->moved_ns = keel_monotonic_ns();
    }
    const int place = d->json ? place_of(d, topic, &msg->envelope) : -1;
    if (place >= 0)
        keep_for_json(d, place, msg);
    if (topic == KEEL_TOPIC_ALLOC)
        show_allocation(d, msg);
    else if (topic == KEEL_TOPIC_TRADING)
        show_trading(d, msg);
}

/* The report of the strategies comes when it changes: nothing more comes of it once the coordinator
 * has closed the last step. */
static bool strategies_told(const demo *d, uint64_t rows)
{
    int i = 0;
    while (i < KEEL_SERVICES_N - 1 && strcmp(keel_service_at(i), "strategy-coordinator") != 0)
        i++;
    return d->seen->steps[KEEL_TOPIC_STRATEGY] > 0 && d->beats->beat[i].step_done >= rows;
}

static bool has_ended(const demo *d)
{
    const keel_seen *s = d->seen;
    const uint64_t rows = s->feed.rows_sent;
    return s->feed.phase == KEEL_FEED_PHASE_ENDED && s->steps[KEEL_TOPIC_PORTFOLIO] >= rows &&
           s->steps[KEEL_TOPIC_PERFORMANCE] >= rows && s->steps[KEEL_TOPIC_TRADING] >= rows &&
           (!d->has_strategies || strategies_told(d, rows));
}

/* What the state of the bar and the time since the last step ask for. Returns -1 to go on. */
static int look_after(demo *d)
{
    char name[KEEL_BEATS_NAME_MAX];
    const int64_t now = keel_monotonic_ns();
    const int64_t still_ms = (now - d->moved_ns) / KEEL_NS_PER_MS;
    const int at = still_ms > AWAITED_MS ? keel_beats_awaited(d->beats, now) : -1;
    const bool fed = d->seen->feed.phase == KEEL_FEED_PHASE_ENDED;
    d->bar.total = d->seen->feed.rows_total;
    d->bar.what = "steps";
    keel_progress_draw(&d->bar, d->step);
    if (fed && !d->asked_again && still_ms > LAST_MS / 2) {
        d->asked_again = true; /* last values come again to who subscribes */
        for (size_t i = 0; i < sizeof topics / sizeof *topics; i++)
            if (keel_door_read(d->client, topics[i]) != KEEL_OK)
                return KEEL_EXIT_FAILED;
    }
    if (still_ms < (fed ? LAST_MS : STALL_MS))
        return -1;
    keel_progress_hide(&d->bar);
    fprintf(d->cli->err,
            "keel: no step for %" PRId64 " s, at step %" PRIu64 "%s%s; see: keel logs "
            "--run %s\n",
            still_ms / 1000, d->step, at >= 0 ? "; everyone waits for " : "",
            at >= 0 ? keel_beats_name(d->beats, at, name) : "", d->run.id);
    return KEEL_EXIT_FAILED;
}

static int watch(demo *d, keel_err *err)
{
    enum { BATCH = 256 };
    keel_client_msg msg;
    d->moved_ns = keel_monotonic_ns();
    while (!has_ended(d)) {
        int taken = 0;
        for (int wait = 20; taken < BATCH && keel_client_next(d->client, wait, &msg) == KEEL_OK;
             wait = 0, taken++)
            take(d, &msg);
        if (keel_signals_stop(d->signals) != 0) {
            keel_progress_hide(&d->bar);
            fputs("keel: stopped\n", d->cli->err);
            return KEEL_EXIT_FAILED;
        }
        if (keel_supervisor_poll(d->supervisor, err) != KEEL_OK) {
            keel_progress_hide(&d->bar);
            return keel_start_failed(d->supervisor, &d->run, err, d->cli);
        }
        const int code = look_after(d);
        if (code >= 0)
            return code;
    }
    keel_progress_hide(&d->bar);
    return KEEL_EXIT_OK;
}

static void tell_decisions(const demo *d)
{
    char words[KEEL_FORMAT_MAX];
    const keel_seen *s = d->seen;
    bool first = true;
    fprintf(d->cli->out,
            "\n%" PRIu64 " allocations approved of %" PRIu64 " proposed in %" PRIu64 " decisions",
            s->allocations, s->proposals, s->decisions);
    for (int i = 0; i < KEEL_SEEN_REASONS; i++) {
        if (s->reasons[i] == 0)
            continue;
        fprintf(d->cli->out, "%s %" PRIu64 " %s", first ? "; no rebalance:" : ",", s->reasons[i],
                keel_reason_words((keel_reason_code)i, words));
        first = false;
    }
    fputc('\n', d->cli->out);
}

static void show_json(const demo *d)
{
    for (int i = 0; i < KEPT; i++) {
        const kept *k = &d->last[i];
        const keel_client_msg msg = {k->topic, k->envelope};
        if (k->payload != NULL && keel_door_print_json(d->cli, &msg) != KEEL_OK)
            fprintf(d->cli->err, "keel: %s could not be shown as JSON\n", k->topic);
    }
    fprintf(d->cli->out,
            "{\"run\":\"%s\",\"dir\":\"%s\",\"steps\":%" PRIu64 ",\"allocations\":%" PRIu64
            ",\"decisions\":%" PRIu64 ",\"stops\":%" PRIu32 "}\n",
            d->run.id, d->run.dir, d->step, d->seen->allocations, d->seen->decisions,
            d->seen->trading.stops);
}

static void show_tables(const demo *d)
{
    const keel_seen *s = d->seen;
    tell_decisions(d);
    keel_view_performance(d->cli, &s->universe, &s->performance, &s->trading);
    if (s->steps[KEEL_TOPIC_ATTRIBUTION] > 0)
        keel_view_attribution(d->cli, &s->universe, &s->attribution);
    if (d->has_strategies)
        keel_view_strategy_results(d->cli, &s->strategies,
                                   s->by_strategy_step > 0 ? &s->by_strategy : NULL);
    keel_view_trades(d->cli, &s->universe, &s->performance);
    if (s->steps[KEEL_TOPIC_CORR] > 0 && s->steps[KEEL_TOPIC_TRUTH] > 0)
        keel_view_truth(d->cli, &s->universe, &s->correlation, &s->truth, PAIRS_SHOWN);
    else if (s->steps[KEEL_TOPIC_CORR] > 0)
        keel_view_correlation(d->cli, &s->universe, &s->correlation, 0.0, PAIRS_SHOWN);
}

static void tell_next(const demo *d)
{
    char first[KEEL_FORMAT_MAX], all[KEEL_FORMAT_MAX];
    const int64_t now = keel_monotonic_ns();
    fprintf(d->cli->err, "\n%" PRIu64 " steps in %s, first allocation after %s; run %s\n", d->step,
            keel_span_text(now - d->started_ns, all),
            d->first_ns > 0 ? keel_span_text(d->first_ns - d->started_ns, first) : "(none)",
            d->run.id);
    fputs("\nTry next:\n"
          "  keel ledger check                  recompute the books from the fills, other code\n"
          "  keel signal ls                     what became of the strategies' signals, and why\n"
          "  keel replay                        every engine again over its journal, compared\n"
          "  keel demo --seed 7 --rows 5000     another market\n"
          "  keel demo --data FILE.csv          your own prices\n"
          "  keel up && keel status             leave it running\n",
          d->cli->err);
}

/* Nothing was approved because the configuration cannot be met. */
static int judge(const demo *d)
{
    if (d->seen->allocations > 0 || d->seen->infeasible[0] == '\0')
        return KEEL_EXIT_OK;
    fprintf(d->cli->err, "keel: no allocation meets the constraints: %s\n", d->seen->infeasible);
    return KEEL_EXIT_INFEASIBLE;
}

static int run_demo(demo *d)
{
    keel_err err = {.status = KEEL_OK};
    int code = write_config(d, &err);
    if (code == KEEL_EXIT_OK)
        fprintf(d->cli->err, "keel: run %s in %s\n", d->run.id, d->run.dir);
    else
        (void)keel_run_remove(&d->run); /* nothing ran: the newest run is still the one before */
    if (code == KEEL_EXIT_OK)
        code = start(d, &err);
    if (code == KEEL_EXIT_OK)
        code = watch(d, &err);
    keel_client_close(&d->client);
    keel_supervisor_free(&d->supervisor);
    if (code != KEEL_EXIT_OK)
        return code;
    if (d->json)
        show_json(d);
    else
        show_tables(d);
    fflush(d->cli->out);
    tell_next(d);
    return judge(d);
}

static void mark_kept(const keel_run *run)
{
    char path[KEEL_PATH_CAP];
    const int fd = open(keel_run_file(run, "keep", path), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0)
        close(fd);
}

int keel_verb_demo(const keel_args *args, const keel_cli *cli)
{
    demo d = {.args = args, .cli = cli, .bar = {.cli = cli}, .signals = -1};
    keel_err err;
    int lock = -1;
    d.started_ns = keel_monotonic_ns();
    d.json = keel_args_on(args, "json");
    const char *given = keel_args_text(args, "config");
    if (given != NULL && keel_start_check(given, args, cli) != KEEL_EXIT_OK)
        return KEEL_EXIT_CONFIG;
    keel_runs_clear("demo", DEMOS_KEPT - 1);
    if (keel_run_make("demo", &d.run, &err) != KEEL_OK ||
        keel_run_lock(&d.run, &lock, &err) != KEEL_OK)
        return keel_cli_fail(cli, &err);
    if (keel_args_on(args, "keep"))
        mark_kept(&d.run);
    d.signals = keel_signals_open();
    d.seen = keel_seen_new();
    d.beats = keel_beats_new();
    d.news = keel_news_new();
    const int code = run_demo(&d);
    for (int i = 0; i < KEPT; i++)
        keel_free(&d.last[i].payload);
    keel_news_free(&d.news);
    keel_seen_free(&d.seen);
    keel_free(&d.beats);
    close(d.signals);
    close(lock);
    return code;
}
