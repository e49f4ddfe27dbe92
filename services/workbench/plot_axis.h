/* plot_axis.h - the scale of a plot: from values to pixels, with ticks at round numbers.
 *
 * ROOM     services/workbench. Pure.
 * THREADS  any.
 */
#ifndef KEEL_SERVICES_WORKBENCH_PLOT_AXIS_H
#define KEEL_SERVICES_WORKBENCH_PLOT_AXIS_H

#include <stdbool.h>

/* What has to be seen. */
typedef struct keel_plot_range {
    bool is_empty;
    double lo, hi;
} keel_plot_range;

void keel_plot_range_add(keel_plot_range *range, double value);

typedef struct keel_plot_axis {
    double lo, hi;   /* values at both ends, lo < hi */
    double from, to; /* their pixels */
    double step;     /* between ticks: 1, 2 or 5 times a power of ten */
    double first;    /* tick, a multiple of step */
    int ticks;       /* 1..KEEL_PLOT_TICKS_MAX */
    int decimals;    /* that tell two ticks apart */
} keel_plot_axis;

enum { KEEL_PLOT_TICKS_MAX = 16 };

/* An axis that shows the range with some room on both sides. from_zero: it begins at 0 where the
 * range lies above 0 and 0 is no farther from it than half of its upper end. */
keel_plot_axis keel_plot_axis_make(const keel_plot_range *range, bool from_zero, double from,
                                   double to);

double keel_plot_pixel(const keel_plot_axis *axis, double value);

/* The value of tick k; exactly 0 there. */
double keel_plot_tick(const keel_plot_axis *axis, int k);

#endif
