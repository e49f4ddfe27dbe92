/* demo_data.h - price files turned into settings of a run.
 *
 * ROOM     services/cli.
 */
#ifndef KEEL_SERVICES_CLI_DEMO_DATA_H
#define KEEL_SERVICES_CLI_DEMO_DATA_H

#include "services/cli/options.h"
#include "services/cli/run_config.h"

/* Let keel-backtest inspect the files of --data (with --assets, --exclude, --stamp) and set
 * universe.bar, universe.instruments and feed.* accordingly. Returns an exit code. */
int keel_demo_use_files(const keel_args *args, keel_run_config *config, const keel_cli *cli);

/* The same from the inspection's JSON text: KEEL_EFORMAT with *err when it is something else. */
KEEL_MUST_CHECK keel_status keel_demo_use_inspection(const char *json, keel_run_config *config,
                                                     keel_err *err);

#endif
