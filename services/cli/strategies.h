/* strategies.h - Keel's own strategies in a run: configured, given keys, started.
 *
 * ROOM     services/cli. They are clients like anyone else's: programs beside this one that are
 *          told the run directory and nothing more, and that open the door with a key of their
 *          name. A set of them is 1u << i: momentum, meanreversion, breakout.
 */
#ifndef KEEL_SERVICES_CLI_STRATEGIES_H
#define KEEL_SERVICES_CLI_STRATEGIES_H

#include "services/cli/run_config.h"
#include "services/cli/run_dir.h"
#include "services/cli/supervise.h"

enum { KEEL_OWN_STRATEGIES = 3 };

/* Is this the name of the process of one of them, "strategy-momentum"? */
bool keel_strategy_is_process(const char *process);

/* Those of them that the configuration names under `strategies`. */
unsigned keel_strategies_named(const keel_run_config *config);

/* Does the configuration name any strategy, Keel's own or not? */
bool keel_strategies_any(const keel_run_config *config);

/* Give each of Keel's own a share of capital and a place under `strategies`, as far as these are
 * not set: 15 % each and 55 % for core where core has all of the capital, else each a third of what
 * the shares leave, at most 15 %. Returns those that the configuration names then: none, and *err
 * says why, when it names strategies of others or leaves no capital. */
unsigned keel_strategies_lay(keel_run_config *config, bool lockstep, keel_err *err);

/* Is the program of each of the set beside this one? KEEL_EIO with *err naming it. */
KEEL_MUST_CHECK keel_status keel_strategies_installed(unsigned set, keel_err *err);

/* Make the keys {run}/keys/NAME that are absent. Before the relay starts, which reads them then. */
KEEL_MUST_CHECK keel_status keel_strategies_keys(const keel_run *run, unsigned set, keel_err *err);

KEEL_MUST_CHECK keel_status keel_strategies_start(keel_supervisor *supervisor, const keel_run *run,
                                                  unsigned set, keel_err *err);

#endif
