#include "services/workbench/plot_labels.h"

#include <math.h>
#include <stdbool.h>

enum { PLACES = 8 };

static const double gap = 8;        /* from the middle of a dot to its name */
static const double dot_radius = 6; /* that a name keeps away from */

/* What a name at a bad place costs. A later place is a little worse than an earlier one. */
static const double cost_edge = 1000, cost_label = 60, cost_dot = 12, cost_curve = 4,
                    cost_order = 1;

typedef struct box {
    double left, top, right, bottom;
} box;

static bool holds(const box *b, keel_plot_point p, double margin)
{
    return p.x > b->left - margin && p.x < b->right + margin && p.y > b->top - margin &&
           p.y < b->bottom + margin;
}

static bool overlap(const box *a, const box *b)
{
    return a->left < b->right && b->left < a->right && a->top < b->bottom && b->top < a->bottom;
}

static box box_at(const keel_plot_label *l, int place)
{
    static const int across[PLACES] = {1, -1, 0, 0, 1, 1, -1, -1};
    static const int down[PLACES] = {0, 0, -1, 1, -1, 1, -1, 1};
    const double reach = across[place] != 0 && down[place] != 0 ? 0.6 * gap : gap;
    const double x = l->dot.x + across[place] * (reach + l->width / 2);
    const double y = l->dot.y + down[place] * (reach + l->height / 2);
    return (box){x - l->width / 2, y - l->height / 2, x + l->width / 2, y + l->height / 2};
}

static box box_of(const keel_plot_label *l)
{
    return (box){l->at.x, l->at.y - l->height, l->at.x + l->width, l->at.y};
}

static double cost_of(const keel_plot_scene *scene, const box *b, const keel_plot_label *placed,
                      int n)
{
    double cost = 0;
    if (b->left < scene->low.x || b->right > scene->high.x || b->top < scene->low.y ||
        b->bottom > scene->high.y)
        cost += cost_edge;
    for (int k = 0; k < n; k++) {
        const box other = box_of(&placed[k]);
        cost += overlap(b, &other) ? cost_label : 0;
    }
    for (int k = 0; k < scene->dots_n; k++)
        cost += holds(b, scene->dots[k], dot_radius) ? cost_dot : 0;
    for (int k = 0; k < scene->curve_n; k++)
        cost += holds(b, scene->curve[k], 1) ? cost_curve : 0;
    return cost;
}

void keel_plot_labels_place(const keel_plot_scene *scene, keel_plot_label *labels, int n)
{
    for (int k = 0; k < n; k++) {
        double least = INFINITY;
        for (int place = 0; place < PLACES; place++) {
            const box b = box_at(&labels[k], place);
            const double cost = cost_of(scene, &b, labels, k) + place * cost_order;
            if (cost >= least)
                continue;
            least = cost;
            labels[k].at = (keel_plot_point){b.left, b.bottom};
        }
    }
}
