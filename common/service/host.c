#include "common/service/host.h"

#include "common/base/assert.h"
#include "common/base/timefmt.h"
#include "common/wire/wire.h"

#include <stdio.h>
#include <string.h>

typedef struct member {
    const keel_service_spec *spec;
    keel_service *svc; /* NULL = down */
    keel_obs *obs;
    keel_journal *journal;
    keel_host *host;
    keel_bus port; /* the hub's port, wrapped so that the tap sees what is published */
} member;

struct keel_host {
    keel_host_cfg cfg;
    keel_hub *hub;
    keel_twin *twin;
    keel_bus asker; /* where requests come from */
    uint64_t asked;
    int64_t now_ns;
    int64_t started;
    member members[KEEL_HOST_SERVICES_MAX];
    int n;
};

static int64_t host_wall(void *arg)
{
    const keel_host *h = arg;
    return h->cfg.epoch_ns + h->now_ns + h->started; /* every start has an epoch of its own */
}

static int64_t host_mono(void *arg)
{
    return ((const keel_host *)arg)->now_ns;
}

/* ---- a port that tells the tap ---- */

static void tap_publish(void *self, const char *topic, const uint8_t *frame, size_t len)
{
    const member *m = self;
    const keel_host_cfg *cfg = &m->host->cfg;
    if (cfg->tap != NULL)
        cfg->tap(cfg->tap_arg, m->spec->name, topic, frame, len);
    m->port.ops->publish(m->port.self, topic, frame, len);
}

static void tap_subscribe(void *self, const char *prefix)
{
    const member *m = self;
    m->port.ops->subscribe(m->port.self, prefix);
}

static keel_status tap_receive(void *self, keel_bus_frame *out)
{
    const member *m = self;
    return m->port.ops->receive(m->port.self, out);
}

static keel_status tap_joined(void *self, char *out, size_t cap)
{
    const member *m = self;
    return m->port.ops->joined(m->port.self, out, cap);
}

static void tap_close(void *self)
{
    const member *m = self;
    m->port.ops->close(m->port.self);
}

static const keel_bus_ops tap_ops = {tap_publish, tap_subscribe, tap_receive, tap_joined,
                                     tap_close};

/* ---- members ---- */

static member *find(const keel_host *h, const char *service)
{
    for (int i = 0; i < h->n; i++)
        if (strcmp(h->members[i].spec->name, service) == 0)
            return (member *)&h->members[i];
    KEEL_ASSERT(!"a service of this host");
    return NULL;
}

static keel_status start(keel_host *h, int number, keel_err *err)
{
    member *m = &h->members[number];
    h->started++;
    keel_hub_open(h->hub, number, &m->port);
    keel_node_cfg cfg = {.spec = m->spec,
                         .config = h->cfg.config,
                         .settings = h->cfg.settings,
                         .universe = h->cfg.universe,
                         .bus = {m, &tap_ops},
                         .obs = m->obs,
                         .journal = m->journal,
                         .wall_ns = host_wall,
                         .mono_ns = host_mono,
                         .clock_arg = h,
                         .without = h->cfg.without,
                         .ring_steps = h->cfg.ring_steps,
                         .snapshot_steps = h->cfg.snapshot_steps};
    const char *run = (h->cfg.without & KEEL_WITHOUT_R4) != 0 ? "" : h->cfg.settings->run_id;
    keel_twin_log(h->twin, run, &cfg.log);
    keel_twin_cache(h->twin, run, &cfg.cache);
    m->svc = keel_node_new(&cfg, err);
    return m->svc != NULL ? KEEL_OK : KEEL_EREFUSED;
}

static keel_status make_member(keel_host *h, int i, keel_err *err)
{
    member *m = &h->members[i];
    m->spec = h->cfg.specs[i];
    m->host = h;
    m->obs = keel_obs_new(m->spec->name, h->cfg.log_level != 0 ? h->cfg.log_level : KEEL_LOG_ERROR,
                          stderr, host_wall, h);
    if (h->cfg.journal_dir != NULL) {
        m->journal = keel_journal_open(h->cfg.journal_dir, m->spec->name, err);
        if (m->journal == NULL)
            return KEEL_EIO;
    }
    return start(h, i, err);
}

keel_host *keel_host_new(const keel_host_cfg *cfg, keel_err *err)
{
    KEEL_ASSERT(cfg->specs_n >= 1 && cfg->specs_n <= KEEL_HOST_SERVICES_MAX);
    keel_host *h = keel_xcalloc(1, sizeof *h);
    h->cfg = *cfg;
    h->hub = keel_hub_new(cfg->judge, cfg->judge_arg);
    h->twin = cfg->twin != NULL ? cfg->twin : keel_twin_new();
    keel_hub_open(h->hub, KEEL_HUB_PORTS_MAX - 1, &h->asker);
    h->now_ns = KEEL_NS_PER_S;
    for (h->n = 0; h->n < cfg->specs_n; h->n++)
        if (make_member(h, h->n, err) != KEEL_OK) {
            h->n++;
            keel_host_free(&h);
            return NULL;
        }
    return h;
}

void keel_host_free(keel_host **host)
{
    if (*host == NULL)
        return;
    for (int i = 0; i < (*host)->n; i++) {
        member *m = &(*host)->members[i];
        keel_node_free(&m->svc);
        keel_journal_close(&m->journal);
        keel_obs_free(&m->obs);
    }
    keel_hub_free(&(*host)->hub);
    if ((*host)->cfg.twin == NULL)
        keel_twin_free(&(*host)->twin);
    keel_free(host);
}

void keel_host_turn(keel_host *host)
{
    bool did = false;
    keel_hub_release(host->hub);
    for (int i = 0; i < host->n; i++)
        if (host->members[i].svc != NULL)
            did = keel_node_turn(host->members[i].svc) || did;
    if (did)
        host->now_ns += host->cfg.busy_tick_ns;
    else
        host->now_ns += host->cfg.tick_ns > 0 ? host->cfg.tick_ns : KEEL_NS_PER_MS;
}

static bool all_done(const keel_host *h)
{
    uint64_t rows = 0;
    for (int i = 0; i < h->n; i++) {
        if (h->members[i].svc == NULL)
            return false;
        if (h->members[i].spec->is_source) {
            if (!keel_node_ended(h->members[i].svc))
                return false;
            rows = keel_node_done(h->members[i].svc);
        }
    }
    for (int i = 0; i < h->n; i++)
        if (keel_node_done(h->members[i].svc) < rows)
            return false;
    return true;
}

keel_status keel_host_run(keel_host *host, uint64_t turns_max)
{
    for (uint64_t i = 0; i < turns_max; i++) {
        if (all_done(host))
            return KEEL_EEND;
        keel_host_turn(host);
    }
    return all_done(host) ? KEEL_EEND : KEEL_EUNAVAIL;
}

void keel_host_outsider(keel_host *host, int number, keel_bus *bus)
{
    KEEL_ASSERT(number >= 0 && number < KEEL_HOST_OUTSIDERS_MAX);
    keel_hub_drop(host->hub, KEEL_HOST_SERVICES_MAX + number);
    keel_hub_open(host->hub, KEEL_HOST_SERVICES_MAX + number, bus);
}

int64_t keel_host_now_ns(const keel_host *host)
{
    return host->now_ns;
}

void keel_host_kill(keel_host *host, const char *service)
{
    keel_node_free(&find(host, service)->svc); /* closes, and so drops, its port */
}

keel_status keel_host_start(keel_host *host, const char *service, keel_err *err)
{
    member *m = find(host, service);
    KEEL_ASSERT(m->svc == NULL);
    return start(host, (int)(m - host->members), err);
}

bool keel_host_is_up(const keel_host *host, const char *service)
{
    return find(host, service)->svc != NULL;
}

uint64_t keel_host_done(const keel_host *host, const char *service)
{
    const member *m = find(host, service);
    return m->svc != NULL ? keel_node_done(m->svc) : 0;
}

const char *keel_host_awaited(const keel_host *host, const char *service)
{
    const member *m = find(host, service);
    return m->svc != NULL ? keel_node_awaited(m->svc) : "down";
}

uint64_t keel_host_counted(const keel_host *host, const char *service, const char *counter)
{
    return keel_counted(find(host, service)->obs, counter);
}

void keel_host_ask(keel_host *host, const keel_request *request)
{
    uint8_t payload[KEEL_CLIENT_PAYLOAD_BYTES_MAX], frame[2 * KEEL_CLIENT_PAYLOAD_BYTES_MAX];
    char topic[KEEL_TOPIC_MAX];
    const keel_topic_keys keys = {.key = request->service};
    keel_envelope e = {.type = KEEL_PAYLOAD_REQUEST,
                       .id = {.source = "host", .epoch_ns = 1, .seq = ++host->asked},
                       .payload = payload};
    size_t len = 0;
    snprintf(e.run_id, sizeof e.run_id, "%s", host->cfg.settings->run_id);
    KEEL_ASSERT(keel_topic_make(KEEL_TOPIC_REQUEST, &keys, topic) == KEEL_OK);
    KEEL_ASSERT(keel_wire_put_request(request, payload, sizeof payload, &e.payload_len) == KEEL_OK);
    KEEL_ASSERT(keel_wire_put_envelope(&e, frame, sizeof frame, &len) == KEEL_OK);
    host->asker.ops->publish(host->asker.self, topic, frame, len);
}

keel_twin *keel_host_twin(keel_host *host)
{
    return host->twin;
}
