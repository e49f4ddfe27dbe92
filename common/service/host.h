/* host.h - all services in one process, over the in-memory twins.
 *
 * ROOM     common/service. The same specs and the same node as in processes, one turn each in a
 *          fixed order on a clock that stands still while anybody has something to do. Given the
 *          same configuration, run id and source, every payload equals that of the processes (J3).
 * SHAPE    Tests kill and start services, lose frames and take the log away at will.
 * THREADS  one.
 */
#ifndef KEEL_COMMON_SERVICE_HOST_H
#define KEEL_COMMON_SERVICE_HOST_H

#include "common/service/node.h"

enum { KEEL_HOST_SERVICES_MAX = 10, KEEL_HOST_OUTSIDERS_MAX = 4 };

typedef struct keel_host keel_host;

/* Every frame that any service publishes. */
typedef void (*keel_host_tap)(void *arg, const char *service, const char *topic,
                              const uint8_t *frame, size_t len);

typedef struct keel_host_cfg {
    const keel_service_spec *const *specs; /* borrowed */
    int specs_n;
    const keel_config *config; /* borrowed */
    const keel_settings *settings;
    const keel_universe *universe;
    keel_host_tap tap; /* NULL = none */
    void *tap_arg;
    keel_hub_judge judge; /* NULL = all frames are delivered */
    void *judge_arg;
    keel_twin *twin;      /* borrowed stores that hold an earlier run too; NULL = new ones */
    int64_t epoch_ns;     /* wall clock at the start */
    int64_t tick_ns;      /* what the clock moves when nobody has anything to do; 0 = 1 ms */
    int64_t busy_tick_ns; /* what it moves when somebody had; 0 = nothing */
    unsigned without;     /* KEEL_WITHOUT_*, for tests */
    int ring_steps;       /* 0 = the default, as the next two */
    int snapshot_steps;
    const char *journal_dir;  /* NULL = no journals */
    keel_log_level log_level; /* of what goes to stderr; 0 = errors only */
} keel_host_cfg;

/* NULL and *err when a service's configuration is refused. */
KEEL_MUST_CHECK keel_host *keel_host_new(const keel_host_cfg *cfg, keel_err *err);
void keel_host_free(keel_host **host);

/* One turn of every living service; when nobody did anything the clock moves. */
void keel_host_turn(keel_host *host);

/* Turn until the source has ended and every service has closed its last step. KEEL_EEND: that
 * happened; KEEL_EUNAVAIL: not within turns_max turns. */
KEEL_MUST_CHECK keel_status keel_host_run(keel_host *host, uint64_t turns_max);

/* A port for somebody outside, as if behind an open door: what is published there reaches every
 * service. 0 <= number < KEEL_HOST_OUTSIDERS_MAX; opening it again drops what it had not read. The
 * tap does not see its frames. */
void keel_host_outsider(keel_host *host, int number, keel_bus *bus);

/* The host's clock, which everybody in it reads. */
int64_t keel_host_now_ns(const keel_host *host);

/* Send a request as an operator would; its reply is seen by the tap. */
void keel_host_ask(keel_host *host, const keel_request *request);

void keel_host_kill(keel_host *host, const char *service);
KEEL_MUST_CHECK keel_status keel_host_start(keel_host *host, const char *service, keel_err *err);
bool keel_host_is_up(const keel_host *host, const char *service);
uint64_t keel_host_done(const keel_host *host, const char *service);       /* 0 when down */
const char *keel_host_awaited(const keel_host *host, const char *service); /* "" = nobody */
uint64_t keel_host_counted(const keel_host *host, const char *service, const char *counter);
keel_twin *keel_host_twin(keel_host *host);

#endif
