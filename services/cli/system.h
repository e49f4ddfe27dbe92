/* system.h - the processes that make a run: two redis servers and the services.
 *
 * ROOM     services/cli.
 * SHAPE    Start: the stores (answering PING), the relay, then all other services. Everything lies
 *          under the run directory: log.sock (append-only file, synced at every write) and
 *          cache.sock (memory only), sockets of the services, log/NAME.log.
 */
#ifndef KEEL_SERVICES_CLI_SYSTEM_H
#define KEEL_SERVICES_CLI_SYSTEM_H

#include "services/cli/run_dir.h"
#include "services/cli/supervise.h"

enum { KEEL_SERVICES_N = 8 };

/* Stages of the supervisor: the highest stops first. */
enum { KEEL_STAGE_STORES, KEEL_STAGE_SERVICES, KEEL_STAGE_STRATEGIES };

/* "relay" first, "feed" last. */
const char *keel_service_at(int i);
bool keel_service_is_known(const char *name);

/* The folder of this program, where its services lie too. */
KEEL_MUST_CHECK keel_status keel_bin_dir(char out[KEEL_PATH_CAP], keel_err *err);

/* The base configuration: the given file, else the source tree's, else the installed one. */
KEEL_MUST_CHECK keel_status keel_base_config(const char *given, char out[KEEL_PATH_CAP],
                                             keel_err *err);

/* Start both stores and wait until each answers. */
KEEL_MUST_CHECK keel_status keel_system_start_stores(keel_supervisor *supervisor,
                                                     const keel_run *run, keel_err *err);

KEEL_MUST_CHECK keel_status keel_system_start_relay(keel_supervisor *supervisor,
                                                    const keel_run *run, keel_err *err);

/* All services but the relay and the feed, whose first row begins the steps. `journal`: each
 * writes what it took in and gave out to {run}/journal. */
KEEL_MUST_CHECK keel_status keel_system_start_services(keel_supervisor *supervisor,
                                                       const keel_run *run, bool journal,
                                                       keel_err *err);

KEEL_MUST_CHECK keel_status keel_system_start_feed(keel_supervisor *supervisor, const keel_run *run,
                                                   bool journal, keel_err *err);

/* A process of a run as its supervisor wrote it down, and as /proc sees it now. */
typedef struct keel_process {
    char name[48];
    char state[16]; /* "running", "ended", "failed" */
    pid_t pid;      /* 0 = gone */
    int restarts;
    bool stopped;          /* by SIGSTOP or a debugger */
    uint64_t memory_bytes; /* resident; 0 = unknown */
} keel_process;

/* What {run}/processes lists, at most cap. 0 when it is not there. */
int keel_processes_read(const keel_run *run, keel_process *list, int cap);

/* Does the redis server behind this socket answer PING within timeout_ms? */
bool keel_store_answers(const char *socket_path, int timeout_ms);

/* The value of one CONFIG parameter of that server; false when it does not say. */
bool keel_store_setting(const char *socket_path, const char *name, char *out, size_t cap);

#endif
