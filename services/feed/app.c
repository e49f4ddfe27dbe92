#include "services/feed/app.h"

#include "common/service/settings.h"
#include "common/wire/wire.h"
#include "services/feed/settings.h"

enum { STATUS_ROWS = 100 };

typedef struct app {
    keel_feed_settings settings; /* first: the rows of keel_feed_rows are offsets into it */
    keel_feed_source *source;    /* owned, from open_app() to close_app() */
    char name[KEEL_FEED_SOURCE_TEXT_MAX];
    uint64_t missing_counted;
    uint64_t held_counted;
} app;

static const keel_line line[] = {{"strategy-coordinator", -1, false, NULL}, {NULL, 0, false, NULL}};
static const keel_sub subs[] = {{0, NULL}};
static const keel_topic pubs[] = {KEEL_TOPIC_UNIVERSE, KEEL_TOPIC_ROW, KEEL_TOPIC_TRUTH,
                                  KEEL_TOPIC_FEED, KEEL_TOPIC_COUNT};

static keel_status publish_universe(keel_service *svc)
{
    const keel_universe_state state = {keel_service_universe(svc),
                                       keel_service_settings(svc)->bar_ns};
    size_t cap = 0, len = 0;
    uint8_t *buf = keel_service_scratch(svc, &cap);
    KEEL_TRY(keel_wire_put_universe_state(&state, buf, cap, &len));
    return keel_service_publish(svc, KEEL_TOPIC_UNIVERSE, NULL, buf, len);
}

/* All state of one step; the same bytes whenever it is asked for. */
static keel_status publish_step(keel_service *svc, uint64_t step, const keel_feed_out *out)
{
    size_t cap = 0, len = 0;
    keel_service_set_event_ns(svc, out->row.close_ns);
    if (step == 1)
        KEEL_TRY(publish_universe(svc));
    uint8_t *buf = keel_service_scratch(svc, &cap);
    KEEL_TRY(keel_wire_put_bar_row(&out->row, buf, cap, &len));
    KEEL_TRY(keel_service_publish(svc, KEEL_TOPIC_ROW, NULL, buf, len));
    if (!out->has_truth)
        return KEEL_OK;
    KEEL_TRY(keel_wire_put_market_truth(&out->truth, buf, cap, &len));
    return keel_service_publish(svc, KEEL_TOPIC_TRUTH, NULL, buf, len);
}

static keel_status publish_status(keel_service *svc, const app *a, keel_feed_phase phase,
                                  uint64_t step, const keel_feed_out *out)
{
    const keel_feed_status status = {
        .phase = phase,
        .source = a->name,
        .rows_total = keel_feed_source_rows(a->source),
        .rows_sent = step,
        .bars_missing = out->missing,
        .bars_refused = out->refused,
        .bars_quarantined = out->held,
    };
    size_t cap = 0, len = 0;
    uint8_t *buf = keel_service_scratch(svc, &cap);
    KEEL_TRY(keel_wire_put_feed_status(&status, buf, cap, &len));
    return keel_service_publish(svc, KEEL_TOPIC_FEED, NULL, buf, len);
}

static keel_status publish_end(keel_service *svc, const app *a)
{
    keel_feed_out out;
    const uint64_t rows = keel_feed_source_rows(a->source);
    KEEL_TRY(keel_feed_source_row(a->source, rows, &out));
    KEEL_TRY(publish_status(svc, a, KEEL_FEED_PHASE_ENDED, rows, &out));
    return KEEL_EEND;
}

static keel_status on_step(keel_service *svc, void *arg, uint64_t step)
{
    app *a = arg;
    keel_feed_out out;
    const keel_status status = keel_feed_source_row(a->source, step, &out);
    if (status == KEEL_EEND)
        return publish_end(svc, a);
    KEEL_TRY(status);
    KEEL_TRY(publish_step(svc, step, &out));
    keel_service_count(svc, "rows_sent", 1);
    keel_service_count(svc, "bars_missing", out.missing - a->missing_counted);
    keel_service_count(svc, "bars_quarantined", out.held - a->held_counted);
    a->missing_counted = out.missing;
    a->held_counted = out.held;
    if (step % STATUS_ROWS == 0)
        return publish_status(svc, a, KEEL_FEED_PHASE_RUNNING, step, &out);
    return KEEL_OK;
}

static keel_status recall(keel_service *svc, void *arg, uint64_t step)
{
    const app *a = arg;
    keel_feed_out out;
    if (keel_feed_source_row(a->source, step, &out) != KEEL_OK)
        return KEEL_ENOTFOUND;
    return publish_step(svc, step, &out);
}

static keel_status open_app(keel_service *svc, void *arg, keel_err *err)
{
    app *a = arg;
    const keel_feed_request request = {keel_service_config(svc), &a->settings,
                                       keel_service_universe(svc),
                                       keel_service_settings(svc)->bar_ns};
    keel_feed_out first;
    a->source = keel_feed_source_open(&request, a->name, err);
    if (a->source == NULL)
        return err->status;
    KEEL_TRY(keel_feed_source_row(a->source, 1, &first));
    keel_service_count(svc, "bars_refused", first.refused);
    return KEEL_OK;
}

static void close_app(void *arg)
{
    keel_feed_source_free(&((app *)arg)->source);
}

const keel_service_spec keel_feed_spec = {
    .name = "feed",
    .app_size = sizeof(app),
    .cfg = keel_feed_rows,
    .line = line,
    .subs = subs,
    .pubs = pubs,
    .is_source = true,
    .request_topic = KEEL_TOPIC_COUNT,
    .open = open_app,
    .close = close_app,
    .on_step = on_step,
    .recall = recall,
};
