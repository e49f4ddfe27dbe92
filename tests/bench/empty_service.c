/* empty_service - the skeleton with no engine: what every service costs before it does anything.
 *
 * IN OUT nothing   KEEPS nothing   COUNTS what every service counts   FAILS as every service */
#include "common/service/service.h"

typedef struct app {
    int nothing;
} app;

static const keel_cfg_row cfg[] = {KEEL_CFG_END};
static const keel_sub subs[] = {{0, NULL}};
static const keel_topic pubs[] = {KEEL_TOPIC_COUNT};
static const keel_line line[] = {{NULL, 0, false, NULL}};

static keel_status open_app(keel_service *svc, void *arg, keel_err *err)
{
    (void)svc;
    (void)arg;
    (void)err;
    return KEEL_OK;
}

static void close_app(void *arg)
{
    (void)arg;
}

static keel_status no_steps(keel_service *svc, void *arg, uint64_t step)
{
    (void)svc;
    (void)arg;
    (void)step;
    return KEEL_EEND;
}

int main(int argc, char **argv)
{
    static const keel_service_spec spec = {
        .name = "empty",
        .app_size = sizeof(app),
        .cfg = cfg,
        .line = line,
        .subs = subs,
        .pubs = pubs,
        .is_source = true,
        .request_topic = KEEL_TOPIC_COUNT,
        .base_topic = KEEL_TOPIC_COUNT,
        .open = open_app,
        .close = close_app,
        .on_step = no_steps,
    };
    return keel_service_main(argc, argv, &spec);
}
