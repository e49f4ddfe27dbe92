/* plot_labels.h - where the names of dots go so that they cover little.
 *
 * ROOM     services/workbench. Pure: pixels in, pixels out.
 * MODEL    Names one after the other, each at that of eight places around its dot which covers
 *          least: the edge counts most, then names, dots, the curve.
 * THREADS  any.
 */
#ifndef KEEL_SERVICES_WORKBENCH_PLOT_LABELS_H
#define KEEL_SERVICES_WORKBENCH_PLOT_LABELS_H

typedef struct keel_plot_point {
    double x, y;
} keel_plot_point;

typedef struct keel_plot_label {
    keel_plot_point dot;
    double width, height;
    keel_plot_point at; /* placed: the left end of the line that the letters stand on */
} keel_plot_label;

typedef struct keel_plot_scene {
    keel_plot_point low, high;    /* corners of the plot: the smallest x and y, the largest */
    const keel_plot_point *curve; /* curve_n, dense */
    int curve_n;
    const keel_plot_point *dots; /* dots_n: everything else that is drawn */
    int dots_n;
} keel_plot_scene;

/* Place labels[n]. Cost: 8 n (n + curve_n + dots_n). */
void keel_plot_labels_place(const keel_plot_scene *scene, keel_plot_label *labels, int n);

#endif
