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

typedef enum keel_capture {
    KEEL_CAPTURE_OUT,       /* its stdout; its stderr goes to ours */
    KEEL_CAPTURE_OUT_QUIET, /* its stdout; its stderr goes nowhere */
    KEEL_CAPTURE_ERR,       /* its stderr; its stdout goes nowhere */
} keel_capture;

/* Run it and read what it writes (owned, NUL-terminated; NULL when it could not be run).
 * *exit_code = its own, or 128 + its signal. */
char *keel_program_read(const char *const *argv, keel_capture what, int *exit_code, keel_err *err);

#endif
