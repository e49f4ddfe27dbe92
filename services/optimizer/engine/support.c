#include "services/optimizer/engine/support.h"

#include <math.h>

#define CAPACITY_STEP 1e-12 /* smaller gains are rounding */

/* Best of those not kept with upper > 0, in `sector` (-1 = any); -1 = none. */
static int best_left(const keel_support_problem *p, const double *score, const bool *kept,
                     int sector)
{
    int best = -1;
    for (int i = 0; i < p->n; i++) {
        if (kept[i] || p->upper[i] <= 0.0 || (sector >= 0 && p->sector_of[i] != sector))
            continue;
        if (best < 0 || score[i] > score[best])
            best = i;
    }
    return best;
}

static double kept_upper(const keel_support_problem *p, const bool *kept, int sector)
{
    double sum = 0.0;
    for (int i = 0; i < p->n; i++)
        if (kept[i] && (sector < 0 || p->sector_of[i] == sector))
            sum += p->upper[i];
    return sum;
}

double keel_support_capacity(const keel_support_problem *p, const bool *kept)
{
    double sum = 0.0;
    for (int s = 0; s < p->sectors_n; s++)
        sum += fmin(p->sector_hi[s], kept_upper(p, kept, s));
    for (int i = 0; i < p->n; i++)
        if (kept[i] && (p->sectors_n == 0 || p->sector_of[i] < 0))
            sum += p->upper[i];
    return sum;
}

/* What the limits themselves demand. Returns how many are kept. */
static int keep_demanded(const keel_support_problem *p, const double *score, bool *kept,
                         bool *fixed)
{
    int count = 0;
    for (int i = 0; i < p->n; i++) {
        kept[i] = fixed[i] = p->lower[i] > 0.0;
        count += kept[i];
    }
    for (int s = 0; s < p->sectors_n; s++) {
        while (count < p->positions_max && kept_upper(p, kept, s) < p->sector_lo[s]) {
            const int i = best_left(p, score, kept, s);
            if (i < 0)
                break;
            kept[i] = fixed[i] = true;
            count++;
        }
    }
    return count;
}

/* One exchange that raises the capacity, worst kept first; false when there is none. */
static bool exchange(const keel_support_problem *p, const double *score, bool *kept,
                     const bool *fixed)
{
    const double before = keel_support_capacity(p, kept);
    int worst = -1, best = -1;
    for (int out = 0; out < p->n; out++) {
        if (!kept[out] || fixed[out] || (worst >= 0 && score[out] > score[worst]))
            continue;
        for (int in = 0; in < p->n; in++) {
            if (kept[in] || p->upper[in] <= 0.0)
                continue;
            kept[out] = false;
            kept[in] = true;
            const bool gains = keel_support_capacity(p, kept) > before + CAPACITY_STEP;
            kept[out] = true;
            kept[in] = false;
            if (gains && (out != worst || score[in] > score[best])) {
                worst = out;
                best = in;
            }
        }
    }
    if (worst < 0)
        return false;
    kept[worst] = false;
    kept[best] = true;
    return true;
}

void keel_support_choose(const keel_support_problem *p, const double *score, bool *kept,
                         bool *fixed)
{
    int count = keep_demanded(p, score, kept, fixed);
    while (count < p->positions_max) {
        const int i = best_left(p, score, kept, -1);
        if (i < 0)
            break;
        kept[i] = true;
        count++;
    }
    /* Each exchange raises the capacity, so n of them are more than can be needed. */
    for (int k = 0; k < p->n && keel_support_capacity(p, kept) < p->budget - CAPACITY_STEP; k++)
        if (!exchange(p, score, kept, fixed))
            break;
}
