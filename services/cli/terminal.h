/* terminal.h - what is shown only to people who look: colours, width, a progress bar.
 *
 * ROOM     services/cli.
 * SHAPE    Nothing here writes an escape to a pipe or a file; NO_COLOR (any value but "") and
 *          TERM=dumb switch colours off.
 */
#ifndef KEEL_SERVICES_CLI_TERMINAL_H
#define KEEL_SERVICES_CLI_TERMINAL_H

#include "services/cli/cli.h"

#include <stdint.h>

typedef enum keel_ink {
    KEEL_INK_PLAIN,
    KEEL_INK_BOLD,
    KEEL_INK_DIM,
    KEEL_INK_RED,
    KEEL_INK_GREEN,
    KEEL_INK_YELLOW,
} keel_ink;

/* Look at stdout, stderr and the environment once. */
keel_cli keel_cli_open(void);

/* The escape that starts an ink, or ends it (PLAIN); "" when `colour` is false. */
const char *keel_ink_text(bool colour, keel_ink ink);

typedef struct keel_progress {
    const keel_cli *cli;
    const char *what; /* "steps" */
    uint64_t total;   /* 0 = unknown */
    int64_t drawn_ns; /* monotonic; redrawn at most ten times a second */
    bool visible;
} keel_progress;

/* Draw the bar when stderr is a terminal and 100 ms have passed since the last time. */
void keel_progress_draw(keel_progress *bar, uint64_t done);

/* Take the bar off the screen: before a line is printed, and at the end. */
void keel_progress_hide(keel_progress *bar);

int64_t keel_monotonic_ns(void);
int64_t keel_wall_ns(void); /* UTC since 1970 */
void keel_pause_ms(int ms);

#endif
