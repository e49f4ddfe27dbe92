/* report.h - an inspection of price files, for a person and for a program.
 *
 * ROOM     services/feed, app side. `keel data check` prints it.
 * THREADS  any.
 */
#ifndef KEEL_SERVICES_FEED_REPORT_H
#define KEEL_SERVICES_FEED_REPORT_H

#include "services/feed/engine/inspect.h"

#include <stdio.h>

/* Files, rows, bar length, symbols, the first refusals by file:line:column, and the suggested
 * universe as the `universe:` section of a configuration. */
void keel_feed_report_text(const keel_inspection *inspection, FILE *to);

/* The same as one JSON object and a newline; times in ns and as text. */
void keel_feed_report_json(const keel_inspection *inspection, FILE *to);

#endif
