/* The feed as others meet it: its configuration, and its messages through the in-process host. */
#include "services/feed/app.h"
#include "services/feed/settings.h"

#include "common/base/hash.h"
#include "common/base/mem.h"
#include "common/service/host.h"
#include "common/service/settings.h"
#include "common/wire/wire.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char universe_text[] =
    "universe:\n  bar: 1d\n  instruments:\n"
    "    - {symbol: A, price_exp: 2}\n    - {symbol: B, price_exp: 2}\n";
static const char prices[] = "date,A,B,C\n2020-01-01,100,1,1\n2020-01-02,1100,1,1\n"
                             "2020-01-03,101,x,1\n2020-01-04,,2,1\n2020-01-05,103,1,1\n";

static const char *write_file(char *path, const char *text)
{
    strcpy(path, "/tmp/keel-feed-XXXXXX");
    const int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    return path;
}

typedef struct loaded {
    keel_config *config;
    keel_settings settings;
    keel_universe universe;
    keel_feed_settings feed;
    keel_err err;
    char data[64]; /* the file of `prices` */
} loaded;

/* Configuration of `feed_text` under "feed:", %s in it being a file of `prices`. */
static loaded *load(const char *feed_text)
{
    char path[64], text[4096];
    loaded *l = keel_xcalloc(1, sizeof *l);
    write_file(l->data, prices);
    int len = snprintf(text, sizeof text, "%sfeed:\n", universe_text);
    snprintf(text + len, sizeof text - (size_t)len, feed_text, l->data);
    write_file(path, text);
    const keel_config_sources sources = {.file = path};
    l->config = keel_config_load(&sources, &l->err);
    cr_assert_not_null(l->config, "%s", l->err.text);
    cr_assert_eq(keel_settings_load(l->config, &l->settings, &l->universe, &l->err), KEEL_OK, "%s",
                 l->err.text);
    unlink(path);
    return l;
}

static keel_feed_source *open_source(loaded *l, char name[KEEL_FEED_SOURCE_TEXT_MAX])
{
    if (keel_config_bind(l->config, keel_feed_rows, &l->feed, &l->err) != KEEL_OK)
        return NULL;
    const keel_feed_request request = {l->config, &l->feed, &l->universe, l->settings.bar_ns};
    return keel_feed_source_open(&request, name, &l->err);
}

static void unload(loaded *l)
{
    unlink(l->data);
    keel_config_free(&l->config);
    keel_free(&l);
}

Test(settings, open_what_is_configured)
{
    static const struct {
        const char *feed;
        uint64_t rows;
    } cases[] = {
        {"  {}\n", 1000},
        {"  rows: 50\n  seed: 9\n", 50},
        {"  source: csv\n  files: [%s]\n  exclude: [C]\n", 5},
        {"  source: csv\n  files: [%s]\n  assets: [B, A]\n  rows: 3\n", 3},
        {"  source: csv\n  files: [%s]\n  assets: \"A,B\"\n", 5},
        {"  regimes:\n    - {name: one, duration_bars: 10, drift_ann: 0, volatility_scale: 1, "
         "correlation_across: 10%%, correlation_within: 0.5}\n",
         1000},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char name[KEEL_FEED_SOURCE_TEXT_MAX];
        loaded *l = load(cases[i].feed);
        keel_feed_source *source = open_source(l, name);
        cr_assert_not_null(source, "%s: %s", cases[i].feed, l->err.text);
        cr_expect_eq(keel_feed_source_rows(source), cases[i].rows, "%s", cases[i].feed);
        cr_expect_neq(name[0], '\0');
        keel_feed_source_free(&source);
        unload(l);
    }
}

Test(settings, refuse_by_name)
{
    static const struct {
        const char *feed;
        const char *says;
    } cases[] = {
        {"  source: csv\n", "feed.files"},
        {"  source: csv\n  files: [/tmp/keel-none.csv]\n", "/tmp/keel-none.csv"},
        {"  source: csv\n  files: [%s]\n", "'C', which is not in universe"},
        {"  source: csv\n  files: [%s]\n  assets: [A]\n", "'B', which no file gives"},
        {"  source: csv\n  files: [%s]\n  assets: [A, D]\n", "'D'"},
        {"  source: csv\n  files: [%s, \"\"]\n", "feed.files: an entry is empty"},
        {"  source: csv\n  files: [%s]\n  assets: \"A,,B\"\n", "feed.assets: an entry is empty"},
        {"  source: tape\n", "tape"},
        {"  stamp: middle\n", "middle"},
        {"  rows: -1\n", "feed.rows"},
        {"  start: yesterday\n", "feed.start: 'yesterday'"},
        {"  start: 1960-01-01\n", "1970"},
        {"  regimes: [calm]\n", "feed.regimes"},
        {"  regimes:\n    - {name: one, duration_bar: 10}\n", "did you mean duration_bars"},
        {"  regimes:\n    - {name: one, duration_bars: 10}\n", "has no feed.regimes.drift_ann"},
        {"  regimes:\n    - {name: one, duration_bars: 1, drift_ann: 0, volatility_scale: 1, "
         "correlation_across: 0.1, correlation_within: 0.5}\n",
         "duration_bars"},
        {"  regimes:\n    - {name: one, duration_bars: 9, drift_ann: 0, volatility_scale: 1, "
         "correlation_across: 0.6, correlation_within: 0.5}\n",
         "correlation_across"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char name[KEEL_FEED_SOURCE_TEXT_MAX];
        loaded *l = load(cases[i].feed);
        cr_expect_null(open_source(l, name), "%s", cases[i].feed);
        cr_expect_neq(l->err.status, KEEL_OK, "%s", cases[i].feed);
        cr_expect_not_null(strstr(l->err.text, cases[i].says), "%s: %s", cases[i].feed,
                           l->err.text);
        unload(l);
    }
}

Test(settings, refuse_files_of_another_bar)
{
    char name[KEEL_FEED_SOURCE_TEXT_MAX];
    loaded *l = load("  source: csv\n  files: [%s]\n  exclude: [C]\n");
    l->settings.bar_ns /= 24;
    cr_assert_null(open_source(l, name));
    cr_assert_not_null(strstr(l->err.text, "bars of 1d, universe.bar is 1h"), "%s", l->err.text);
    unload(l);
}

/* Stand-ins for those the feed listens to: they close their steps behind its own. */
static const keel_cfg_row peer_rows[] = {KEEL_CFG_END};
static const keel_line peer_line[] = {{"feed", 0, false, NULL}, {NULL, 0, false, NULL}};
static const keel_sub peer_subs[] = {{0, NULL}};
static const keel_topic peer_pubs[] = {KEEL_TOPIC_COUNT};
static keel_status peer_open(keel_service *svc, void *app, keel_err *err)
{
    (void)svc, (void)app, (void)err;
    return KEEL_OK;
}
static void peer_close(void *app)
{
    (void)app;
}
#define PEER(peer)                                                                                 \
    {                                                                                              \
        .name = (peer), .app_size = 8, .cfg = peer_rows, .line = peer_line, .subs = peer_subs,     \
        .pubs = peer_pubs, .request_topic = KEEL_TOPIC_COUNT, .open = peer_open,                   \
        .close = peer_close,                                                                       \
    }
static const keel_service_spec coordinator = PEER("strategy-coordinator");
static const keel_service_spec ledger = PEER("ledger");

enum { STEPS_MAX = 1200, TURNS_MAX = 200000 };
#define TOPICS ((int)KEEL_TOPIC_FEED + 1)

typedef struct seen {
    keel_arena arena;
    uint64_t hash[TOPICS][STEPS_MAX]; /* of the payload of a step; 0 = none yet */
    int repeats;                      /* the same step again */
    int changed;                      /* ... with other bytes or event time: never */
    int64_t event_ns[STEPS_MAX];
    keel_feed_status status; /* the last */
    char source[64];
    int statuses;
} seen;

static void on_frame(void *arg, const char *service, const char *topic_text, const uint8_t *frame,
                     size_t len)
{
    seen *s = arg;
    keel_envelope e;
    keel_topic topic;
    keel_arena_reset(&s->arena);
    if (strcmp(service, "feed") != 0 ||
        keel_topic_find(topic_text, strlen(topic_text), &topic) != KEEL_OK || (int)topic >= TOPICS)
        return;
    cr_assert_eq(keel_wire_get_envelope(&s->arena, frame, len, &e), KEEL_OK);
    cr_assert_eq(keel_wire_check(&s->arena, e.type, e.payload, e.payload_len), KEEL_OK);
    if (topic == KEEL_TOPIC_FEED) {
        cr_assert_eq(keel_wire_get_feed_status(&s->arena, e.payload, e.payload_len, &s->status),
                     KEEL_OK);
        snprintf(s->source, sizeof s->source, "%s", s->status.source);
        s->statuses++;
        return;
    }
    cr_assert_lt(e.step, (uint64_t)STEPS_MAX);
    uint64_t *hash = &s->hash[topic][e.step];
    const uint64_t now = keel_hash(e.payload, e.payload_len);
    s->repeats += *hash != 0;
    s->changed += *hash != 0 && (*hash != now || s->event_ns[e.step] != e.event_ns);
    *hash = now;
    s->event_ns[e.step] = e.event_ns;
}

static keel_host *make_host(const loaded *l, seen *s, int ring_steps)
{
    static const keel_service_spec *const specs[] = {&keel_feed_spec, &ledger, &coordinator};
    keel_err err;
    const keel_host_cfg cfg = {.specs = specs,
                               .specs_n = 3,
                               .config = l->config,
                               .settings = &l->settings,
                               .universe = &l->universe,
                               .tap = on_frame,
                               .tap_arg = s,
                               .epoch_ns = 1,
                               .ring_steps = ring_steps};
    keel_arena_init(&s->arena, 1 << 22);
    keel_host *host = keel_host_new(&cfg, &err);
    cr_assert_not_null(host, "%s", err.text);
    return host;
}

static seen *run_all(const loaded *l)
{
    seen *s = keel_xcalloc(1, sizeof *s);
    keel_host *host = make_host(l, s, 0);
    cr_assert_eq(keel_host_run(host, TURNS_MAX), KEEL_EEND);
    cr_assert_eq(keel_host_counted(host, "feed", "rows_sent"), s->status.rows_sent);
    cr_assert_eq(keel_host_counted(host, "feed", "bars_missing"), s->status.bars_missing);
    cr_assert_eq(keel_host_counted(host, "feed", "bars_quarantined"), s->status.bars_quarantined);
    cr_assert_eq(keel_host_counted(host, "feed", "bars_refused"), s->status.bars_refused);
    keel_host_free(&host);
    keel_arena_fini(&s->arena);
    return s;
}

Test(app, publishes_a_file_row_by_row)
{
    loaded *l = load("  source: csv\n  files: [%s]\n  exclude: [C]\n");
    seen *s = run_all(l);
    cr_assert_neq(s->hash[KEEL_TOPIC_UNIVERSE][1], 0u);
    cr_assert_eq(s->hash[KEEL_TOPIC_UNIVERSE][2], 0u);
    for (int k = 1; k <= 5; k++)
        cr_assert_neq(s->hash[KEEL_TOPIC_ROW][k], 0u);
    cr_assert_eq(s->hash[KEEL_TOPIC_ROW][6], 0u);
    cr_assert_eq(s->hash[KEEL_TOPIC_TRUTH][1], 0u, "files have no truth");
    cr_assert_eq(s->event_ns[1], INT64_C(1577923200) * 1000000000, "2020-01-02T00:00:00Z");
    cr_assert_eq(s->status.phase, KEEL_FEED_PHASE_ENDED);
    cr_assert_eq(s->status.rows_total, 5u);
    cr_assert_eq(s->status.rows_sent, 5u);
    cr_assert_eq(s->status.bars_missing, 3u);
    cr_assert_eq(s->status.bars_refused, 1u);
    cr_assert_eq(s->status.bars_quarantined, 1u);
    cr_assert_not_null(strstr(s->source, "/tmp/keel-feed-"));
    keel_free(&s);
    unload(l);
}

Test(app, publishes_the_simulator_with_its_truth_the_same_each_time)
{
    loaded *l = load("  rows: 250\n");
    seen *a = run_all(l), *b = run_all(l);
    for (int k = 1; k <= 250; k++)
        cr_assert(a->hash[KEEL_TOPIC_ROW][k] != 0 && a->hash[KEEL_TOPIC_TRUTH][k] != 0);
    cr_assert_eq(memcmp(a->hash, b->hash, sizeof a->hash), 0);
    cr_assert_eq(a->statuses, 3, "after 100 and 200 rows, and at the end");
    cr_assert_str_eq(a->source, "simulator");
    keel_free(&a);
    keel_free(&b);
    unload(l);
}

static void turn_until(keel_host *host, uint64_t step)
{
    for (int i = 0; i < TURNS_MAX && keel_host_done(host, "feed") < step; i++)
        keel_host_turn(host);
    cr_assert_geq(keel_host_done(host, "feed"), step);
}

/* P1: a peer that starts anew asks for steps long out of the ring; they come from the
 * source again, byte for byte. */
Test(app, recalls_old_steps_byte_for_byte)
{
    loaded *l = load("  rows: 300\n");
    seen *s = keel_xcalloc(1, sizeof *s);
    keel_err err;
    keel_host *host = make_host(l, s, 8);
    turn_until(host, 150);
    keel_host_kill(host, "strategy-coordinator");
    cr_assert_eq(keel_host_start(host, "strategy-coordinator", &err), KEEL_OK, "%s", err.text);
    turn_until(host, 250);
    keel_host_kill(host, "feed");
    cr_assert_eq(keel_host_start(host, "feed", &err), KEEL_OK, "%s", err.text);
    cr_assert_eq(keel_host_run(host, TURNS_MAX), KEEL_EEND);
    for (int k = 1; k <= 300; k++)
        cr_assert_neq(s->hash[KEEL_TOPIC_ROW][k], 0u);
    cr_expect_gt(s->repeats, 200, "%d", s->repeats);
    cr_expect_eq(s->changed, 0);
    keel_host_free(&host);
    keel_arena_fini(&s->arena);
    keel_free(&s);
    unload(l);
}
