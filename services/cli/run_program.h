/* run_program.h - other programs of Keel: run in place of this one, or read.
 *
 * ROOM     services/cli.
 */
#ifndef KEEL_SERVICES_CLI_RUN_PROGRAM_H
#define KEEL_SERVICES_CLI_RUN_PROGRAM_H

#include "services/cli/cli.h"
#include "services/cli/run_dir.h"

enum { KEEL_CAPTURE_MAX = 16 << 20 };

/* "backtest" -> the path of keel-backtest beside this program. */
KEEL_MUST_CHECK keel_status keel_program_path(const char *service, char out[2 * KEEL_PATH_CAP],
                                              keel_err *err);

/* Become the program. Returns only when it cannot be started: the exit code, reason printed. */
int keel_program_become(const keel_cli *cli, const char *const *argv);

/* Run it and read its stdout (owned, NUL-terminated; NULL when it could not be run); its stderr
 * goes to ours, or nowhere when `quiet`. *exit_code = its own, or 128 + its signal. */
char *keel_program_read(const char *const *argv, bool quiet, int *exit_code, keel_err *err);

#endif
