/* stream.h - problems as lines, answers as lines.
 *
 * ROOM     services/workbench.
 * SHAPE    Each line gets one answer, in order, flushed before the next line is read, whatever the
 *          line holds. Lines with the same `id` share a warm solver (solvers.h).
 */
#ifndef KEEL_SERVICES_WORKBENCH_STREAM_H
#define KEEL_SERVICES_WORKBENCH_STREAM_H

#include <stdbool.h>
#include <stdio.h>

/* Until the end of `from`; false when an answer could not be written. */
bool keel_stream_run(FILE *from, FILE *to);

#endif
