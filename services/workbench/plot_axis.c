#include "services/workbench/plot_axis.h"

#include <math.h>

static const double room_frac = 0.06; /* left free beside the range */
static const double narrowest = 1e-9; /* of its own size: below, a range is one value */
static const double wanted_ticks = 7;
static const double flat_half_width = 0.1; /* of its own size, what is shown around one value */

void keel_plot_range_add(keel_plot_range *range, double value)
{
    range->lo = range->is_empty ? value : fmin(range->lo, value);
    range->hi = range->is_empty ? value : fmax(range->hi, value);
    range->is_empty = false;
}

/* 1, 2 or 5 times a power of ten, by ratio the nearest. */
static double round_step(double wanted)
{
    const double power = pow(10, floor(log10(wanted))), part = wanted / power;
    return power * (part < sqrt(2) ? 1 : part < sqrt(10) ? 2 : part < sqrt(50) ? 5 : 10);
}

keel_plot_axis keel_plot_axis_make(const keel_plot_range *range, bool from_zero, double from,
                                   double to)
{
    keel_plot_axis axis = {.lo = range->lo, .hi = range->hi, .from = from, .to = to};
    const double size = fmax(fabs(range->lo), fabs(range->hi));
    const bool at_zero = from_zero && range->lo >= 0 && range->lo <= 0.5 * range->hi;
    double span = range->hi - range->lo;
    if (at_zero)
        span = range->hi;
    if (span <= narrowest * size || !(size > 0)) {
        span = size > 0 ? 2 * flat_half_width * size : 1;
        axis.lo -= span / 2;
        axis.hi += span / 2;
    }
    axis.lo = at_zero && range->hi > 0 ? 0 : axis.lo - room_frac * span;
    axis.hi += room_frac * span;
    axis.step = round_step((axis.hi - axis.lo) / wanted_ticks);
    axis.first = ceil(axis.lo / axis.step - narrowest) * axis.step;
    axis.ticks = (int)floor((axis.hi - axis.first) / axis.step + narrowest) + 1;
    axis.decimals = (int)fmax(0, -floor(log10(axis.step) + narrowest));
    return axis;
}

double keel_plot_pixel(const keel_plot_axis *axis, double value)
{
    return axis->from + (value - axis->lo) / (axis->hi - axis->lo) * (axis->to - axis->from);
}

double keel_plot_tick(const keel_plot_axis *axis, int k)
{
    const double value = axis->first + k * axis->step;
    return fabs(value) < narrowest * axis->step ? 0 : value;
}
