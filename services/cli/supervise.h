/* supervise.h - child processes: started, watched, restarted a few times, stopped by process id.
 *
 * ROOM     services/cli.
 * SHAPE    A child that dies by a signal or with exit code 1 is started again at once; the sixth
 *          death within 10 s, or any other exit code but 0, makes it FAILED. Exit code 0 = ENDED.
 *          Every child has a process group of its own (a Ctrl-C reaches only the supervisor, which
 *          then stops all in order), dies with the supervisor (PR_SET_PDEATHSIG), reads /dev/null
 *          and writes both outputs to {log_dir}/{name}.log.
 *          Children are stopped by stage, highest first: services before the stores they write to.
 * MEMORY   argv strings are copied.
 * THREADS  one; the thread that starts children must outlive them.
 */
#ifndef KEEL_SERVICES_CLI_SUPERVISE_H
#define KEEL_SERVICES_CLI_SUPERVISE_H

#include "common/base/status.h"

#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

enum {
    KEEL_CHILDREN_MAX = 32,
    KEEL_CHILD_ARGS_MAX = 24,
    KEEL_CHILD_DEATHS_MAX = 5,    /* restarts allowed ... */
    KEEL_CHILD_DEATHS_MS = 10000, /* ... within this time */
    KEEL_STOP_MS = 5000,          /* between SIGTERM and SIGKILL */
};

typedef enum keel_child_state {
    KEEL_CHILD_RUNNING,
    KEEL_CHILD_ENDED,
    KEEL_CHILD_FAILED,
} keel_child_state;

const char *keel_child_state_name(keel_child_state state); /* "running" */

typedef struct keel_child {
    char name[48];
    keel_child_state state;
    pid_t pid; /* 0 once it is gone */
    int stage;
    int restarts;
    int wait_status; /* of the last death, as waitpid gave it */
} keel_child;

typedef struct keel_supervisor keel_supervisor;

/* `log_dir` must exist. `processes_file` (may be NULL) is rewritten at every change: one line
 * "name pid state restarts" for each child. */
keel_supervisor *keel_supervisor_new(const char *log_dir, const char *processes_file);

/* Stops what still runs, then frees. Safe on NULL. */
void keel_supervisor_free(keel_supervisor **supervisor);

/* Start a child. argv[0] is a path or a name looked up in PATH; NULL-terminated. */
KEEL_MUST_CHECK keel_status keel_supervisor_start(keel_supervisor *supervisor, const char *name,
                                                  int stage, const char *const *argv,
                                                  keel_err *err);

/* Reap and restart what died. KEEL_EUNAVAIL with *err naming a child that is FAILED; later calls
 * name it again only when another one fails. */
KEEL_MUST_CHECK keel_status keel_supervisor_poll(keel_supervisor *supervisor, keel_err *err);

/* SIGTERM to all of the highest stage, SIGKILL after KEEL_STOP_MS, then the next stage. Returns how
 * many had to be killed. */
int keel_supervisor_stop(keel_supervisor *supervisor);

int keel_supervisor_count(const keel_supervisor *supervisor);
const keel_child *keel_supervisor_child(const keel_supervisor *supervisor, int i);

/* "killed by signal 9 (Killed)", "exit code 3". */
const char *keel_death_text(int wait_status, char out[64]);

/* The last `lines` lines of a log, each after `indent`. */
void keel_log_tail(const char *log_dir, const char *name, int lines, const char *indent, FILE *to);

/* Block SIGINT, SIGTERM, SIGHUP and SIGCHLD, ignore SIGPIPE, and return a descriptor that becomes
 * readable when one arrives; -1 on failure. */
int keel_signals_open(void);

/* The stop signal that has arrived (SIGINT, SIGTERM, SIGHUP), 0 when none has. */
int keel_signals_stop(int fd);

#endif
