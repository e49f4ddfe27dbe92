/* cli.h - what every verb of keel is given, and the exit codes it may end with.
 *
 * ROOM     services/cli. Results go to stdout, everything else to stderr; colours and progress bars
 *          only on a terminal.
 */
#ifndef KEEL_SERVICES_CLI_CLI_H
#define KEEL_SERVICES_CLI_CLI_H

#include <stdbool.h>
#include <stdio.h>

typedef enum keel_exit {
    KEEL_EXIT_OK = 0,
    KEEL_EXIT_FAILED = 1,
    KEEL_EXIT_USAGE = 2,
    KEEL_EXIT_CONFIG = 3,
    KEEL_EXIT_UNREACHABLE = 4,
    KEEL_EXIT_REJECTED = 5,
    KEEL_EXIT_INFEASIBLE = 6,
    KEEL_EXIT_STALE = 7,
    KEEL_EXIT_DEADLINE = 124,
} keel_exit;

typedef struct keel_cli {
    FILE *out;       /* results */
    FILE *err;       /* everything else */
    bool out_colour; /* stdout is a terminal and NO_COLOR is not set */
    bool err_live;   /* stderr is a terminal: progress bars may be drawn */
    int width;       /* columns of the terminal behind stdout; 0 = not a terminal, do not cut */
} keel_cli;

#endif
