/* frontier_plot.h - a frontier as a picture: one SVG file that needs nothing else.
 *
 * ROOM     services/workbench. Both axes in percent: a year where bars_per_year > 0, else a bar.
 *          The curve goes through exact points, several in each segment. Classes of what is drawn:
 *          curve, corner, asset, name, market-line, least, best, held, pick.
 * THREADS  any.
 */
#ifndef KEEL_SERVICES_WORKBENCH_FRONTIER_PLOT_H
#define KEEL_SERVICES_WORKBENCH_FRONTIER_PLOT_H

#include "services/workbench/frontier_survey.h"

/* Assets beyond this number are dots without names. */
enum { KEEL_FRONTIER_PLOT_NAMES_MAX = 25 };

/* Write the picture of a whole frontier; errors stay with the stream. */
void keel_frontier_plot_write(const keel_survey *survey, double bars_per_year, FILE *to);

/* The same into a file that is there whole, or as it was before: KEEL_EIO with *err, which names
 * `path` and why. */
KEEL_MUST_CHECK keel_status keel_frontier_plot_save(const keel_survey *survey, double bars_per_year,
                                                    const char *path, keel_err *err);

#endif
