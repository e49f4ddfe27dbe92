/* start.h - what demo and up share: the run's configuration, and starting everything.
 *
 * ROOM     services/cli.
 */
#ifndef KEEL_SERVICES_CLI_START_H
#define KEEL_SERVICES_CLI_START_H

#include "services/cli/options.h"
#include "services/cli/run_config.h"
#include "services/cli/system.h"

/* Lay the settings of the environment, run.id and run.dir, then the --section.key=value settings of
 * args over the configuration. The environment loses its settings. */
KEEL_MUST_CHECK keel_status keel_start_lay_config(keel_run_config *config, const keel_args *args,
                                                  const keel_run *run, keel_err *err);

/* Write {run}/config.yaml. Empties the configuration. */
KEEL_MUST_CHECK keel_status keel_start_write_config(keel_run_config *config, const keel_run *run,
                                                    keel_err *err);

/* Ask every service whether it takes this file and the settings of args, so that a refusal names
 * the line that was written by hand and not its copy in the run directory. Returns an exit code;
 * what is wrong is printed. Nothing is refused for what the file leaves to the run. */
int keel_start_check(const char *config, const keel_args *args, const keel_cli *cli);

/* What is started beside stores, relay and services. */
typedef struct keel_start_cfg {
    bool journal;
    unsigned strategies; /* set of 1u << i: Keel's own (strategies.h), with keys of their own */
} keel_start_cfg;

/* Stores, relay, services, strategies. Returns an exit code; what is wrong is printed, with the
 * last lines of the log of the process that failed, and is in *err. */
int keel_start_all(keel_supervisor *supervisor, const keel_run *run, const keel_start_cfg *cfg,
                   const keel_cli *cli, keel_err *err);

/* Tell of a process that failed: its death, its last log lines. Returns the exit code that fits:
 * the process's own where it is 2, 3 or 6 (it refused the configuration), else 1. */
int keel_start_failed(const keel_supervisor *supervisor, const keel_run *run, const keel_err *err,
                      const keel_cli *cli);

#endif
