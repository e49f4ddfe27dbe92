/* run_dir.h - where a run lives, how it is named, found, locked and cleared away.
 *
 * ROOM     services/cli.
 * SHAPE    Runs lie in one folder of the user, ${XDG_RUNTIME_DIR:-/tmp}/keel-<uid>, each in a
 *          folder named after its run id: "demo-20260102T030405-7f3a". Inside: config.yaml, lock,
 *          keel.pid, processes, *.sock, log/, data/, and what services keep. The path is at most
 *          KEEL_RUN_DIR_MAX bytes, because an ipc path ends at 107.
 */
#ifndef KEEL_SERVICES_CLI_RUN_DIR_H
#define KEEL_SERVICES_CLI_RUN_DIR_H

#include "common/base/status.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { KEEL_RUN_DIR_MAX = 60, KEEL_RUN_ID_CAP = 48, KEEL_PATH_CAP = 512 };

typedef struct keel_run {
    char dir[KEEL_RUN_DIR_MAX + 1];
    char id[KEEL_RUN_ID_CAP];
} keel_run;

/* "demo" + time + two random bytes -> "demo-20260102T030405-7f3a". */
void keel_run_id(const char *kind, int64_t now_ns, uint16_t chance, char out[KEEL_RUN_ID_CAP]);

/* The folder of this user's runs, made (mode 0700) when absent. KEEL_EREFUSED when it belongs to
 * somebody else or is a link, KEEL_EIO, KEEL_ETOOBIG. */
KEEL_MUST_CHECK keel_status keel_runs_folder(char out[KEEL_PATH_CAP], keel_err *err);

/* A fresh run of this kind under the user's folder, its directory made. */
KEEL_MUST_CHECK keel_status keel_run_make(const char *kind, keel_run *run, keel_err *err);

/* The run that `given` names (a path, or a run id), or when it is NULL the newest one whose id
 * begins with `kind` (NULL = any). The newest is the one started last. KEEL_ENOTFOUND with *err. */
KEEL_MUST_CHECK keel_status keel_run_find(const char *given, const char *kind, keel_run *run,
                                          keel_err *err);

/* As keel_run_find, but without `given` a run that is supervised now comes before all others. */
KEEL_MUST_CHECK keel_status keel_run_find_live(const char *given, keel_run *run, keel_err *err);

/* The run directory `path`, made when absent; its id comes from its config.yaml, else it is new of
 * kind "up". KEEL_ETOOBIG past KEEL_RUN_DIR_MAX bytes. */
KEEL_MUST_CHECK keel_status keel_run_at(const char *path, keel_run *run, keel_err *err);

/* dir/name into out; a bug when it does not fit. */
const char *keel_run_file(const keel_run *run, const char *name, char out[KEEL_PATH_CAP]);

/* A setting of the run's configuration that is a path or an endpoint, else `standing`, with {run}
 * and {service} filled in, as the services read it. KEEL_ETOOBIG with *err. */
KEEL_MUST_CHECK keel_status keel_run_setting(const keel_run *run, const char *key,
                                             const char *standing, const char *service,
                                             char out[KEEL_PATH_CAP], keel_err *err);

/* Take the lock of the run; *fd is closed on exec and holds it until closed. KEEL_EEXIST with *err
 * naming the process that has it. */
KEEL_MUST_CHECK keel_status keel_run_lock(const keel_run *run, int *fd, keel_err *err);

/* The process that supervises the run now, 0 when nobody does. */
pid_t keel_run_holder(const keel_run *run);

/* Remove all but the newest `keep` runs of a kind, except those in use and those with a file named
 * "keep". Returns how many were removed. */
int keel_runs_clear(const char *kind, int keep);

/* Remove the run's directory with all that is in it. */
bool keel_run_remove(const keel_run *run);

#endif
