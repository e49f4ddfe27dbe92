#include "common/num/stats/sample.h"

#include "common/base/mem.h"
#include "common/num/stats/moments.h"
#include "common/num/stats/sample_internal.h"

#include <float.h>
#include <math.h>
#include <stdio.h>

enum { EXPONENT_MIN = -1000 }; /* its power of two, and one over it, are normal numbers */

#define STILL (4 * DBL_EPSILON) /* a series within this of its mean differs by rounding only */

static bool is_there(const keel_sample *s, int t, int i)
{
    return s->present == NULL || s->present[(size_t)t * (size_t)s->n + (size_t)i] != 0;
}

static double number_at(const keel_sample *s, int t, int i)
{
    return s->at[(size_t)t * (size_t)s->n + (size_t)i];
}

const char *sample_name(const keel_sample *s, int i, char *buffer)
{
    if (s->names != NULL)
        return s->names[i];
    snprintf(buffer, SAMPLE_NAME_MAX, "series %d", i);
    return buffer;
}

static keel_status check_numbers(const keel_sample *s, keel_err *err)
{
    char name[SAMPLE_NAME_MAX];
    for (int t = 0; t < s->rows; t++) {
        for (int i = 0; i < s->n; i++) {
            if (is_there(s, t, i) && !(fabs(number_at(s, t, i)) <= KEEL_USABLE_MAX))
                return keel_err_set(err, KEEL_ENONFINITE,
                                    "row %d of %s: not finite or beyond +-1e100", t,
                                    sample_name(s, i, name));
        }
    }
    return KEEL_OK;
}

static keel_status check(const keel_sample *s, keel_missing missing, keel_err *err)
{
    if (s->n < 1 || s->rows < 0)
        return keel_err_set(err, KEEL_EINVAL, "%d rows of %d series", s->rows, s->n);
    if (missing != KEEL_MISSING_COMMON && missing != KEEL_MISSING_PAIRWISE)
        return keel_err_set(err, KEEL_EINVAL, "rule %d for missing numbers", (int)missing);
    if (s->n > KEEL_SAMPLE_N_MAX || s->rows > KEEL_SAMPLE_ROWS_MAX)
        return keel_err_set(err, KEEL_ETOOBIG, "%d rows of %d series: %d of %d at most", s->rows,
                            s->n, KEEL_SAMPLE_ROWS_MAX, KEEL_SAMPLE_N_MAX);
    return check_numbers(s, err);
}

static int count_of(const keel_sample *s, int i)
{
    int count = 0;
    for (int t = 0; t < s->rows; t++)
        count += is_there(s, t, i);
    return count;
}

/* The series with the fewest rows, the first of equals, and how many it has. */
static int scarcest(const keel_sample *s, int *count)
{
    int least = 0;
    *count = count_of(s, 0);
    for (int i = 1; i < s->n; i++) {
        const int here = count_of(s, i);
        if (here < *count) {
            *count = here;
            least = i;
        }
    }
    return least;
}

/* Which rows to use, into out->row_of. */
static void choose_rows(const keel_sample *s, keel_missing missing, sample_series *out)
{
    out->row_of = keel_xcalloc((size_t)s->rows, sizeof *out->row_of);
    for (int t = 0; t < s->rows; t++) {
        bool whole = true;
        for (int i = 0; i < s->n && missing == KEEL_MISSING_COMMON; i++)
            whole = whole && is_there(s, t, i);
        if (whole)
            out->row_of[out->rows++] = t;
    }
}

static keel_status check_enough(const keel_sample *s, const sample_series *chosen,
                                keel_missing missing, int rows_min, keel_err *err)
{
    char name[SAMPLE_NAME_MAX];
    int fewest;
    const int i = scarcest(s, &fewest);
    const int held = missing == KEEL_MISSING_COMMON ? chosen->rows : fewest;
    if (held >= rows_min)
        return KEEL_OK;
    if (missing == KEEL_MISSING_PAIRWISE)
        return keel_err_set(err, KEEL_EUNAVAIL, "%s has %d rows, %d are needed",
                            sample_name(s, i, name), fewest, rows_min);
    return keel_err_set(err, KEEL_EUNAVAIL,
                        "%d rows hold all %d series, %d are needed; %s has the fewest, %d", held,
                        s->n, rows_min, sample_name(s, i, name), fewest);
}

static int exponent_of(const keel_sample *s, const sample_series *chosen)
{
    double largest = 0;
    int exponent = 0;
    for (int r = 0; r < chosen->rows; r++) {
        for (int i = 0; i < s->n; i++) {
            if (is_there(s, chosen->row_of[r], i))
                largest = fmax(largest, fabs(number_at(s, chosen->row_of[r], i)));
        }
    }
    frexp(largest, &exponent);
    return exponent > EXPONENT_MIN ? exponent : EXPONENT_MIN;
}

static void fill(const keel_sample *s, sample_series *out)
{
    bool holes = false;
    for (int r = 0; r < out->rows && !holes; r++) {
        for (int i = 0; i < s->n; i++)
            holes = holes || !is_there(s, out->row_of[r], i);
    }
    const size_t size = (size_t)out->rows * (size_t)s->n;
    const double scale = ldexp(1, -out->exponent); /* exact */
    out->x = keel_xcalloc(size, sizeof *out->x);
    out->mask = holes ? keel_xcalloc(size, sizeof *out->mask) : NULL;
    for (int i = 0; i < s->n; i++) {
        const size_t column = (size_t)i * (size_t)out->rows;
        for (int r = 0; r < out->rows; r++) {
            const bool there = is_there(s, out->row_of[r], i);
            out->x[column + (size_t)r] = there ? scale * number_at(s, out->row_of[r], i) : 0;
            if (holes)
                out->mask[column + (size_t)r] = there;
        }
    }
}

keel_status sample_gather(const keel_sample *sample, keel_missing missing, int rows_min,
                          sample_series *out, keel_err *err)
{
    *out = (sample_series){.n = sample->n};
    KEEL_TRY(check(sample, missing, err));
    choose_rows(sample, missing, out);
    KEEL_TRY(check_enough(sample, out, missing, rows_min, err));
    out->exponent = exponent_of(sample, out);
    fill(sample, out);
    return KEEL_OK;
}

void sample_fini(sample_series *series)
{
    keel_free(&series->row_of);
    keel_free(&series->mask);
    keel_free(&series->x);
}

int sample_count(const sample_series *s, int i)
{
    int count = 0;
    for (int t = 0; t < s->rows && s->mask != NULL; t++)
        count += s->mask[(size_t)i * (size_t)s->rows + (size_t)t] > 0;
    return s->mask != NULL ? count : s->rows;
}

double sample_mean(const sample_series *s, int i)
{
    /* a hole is 0, which adds nothing */
    return keel_sum(s->rows, s->x + (size_t)i * (size_t)s->rows, 1) / sample_count(s, i);
}

void sample_decay(int rows, double lambda, double *weights)
{
    double weight = 1;
    for (int t = rows - 1; t >= 0; t--) {
        weights[t] = weight;
        weight *= lambda;
    }
}

void sample_rescale(sample_series *s, int exponent)
{
    for (size_t k = 0; k < (size_t)s->rows * (size_t)s->n && exponent > s->exponent; k++)
        s->x[k] = ldexp(s->x[k], s->exponent - exponent);
    s->exponent = exponent > s->exponent ? exponent : s->exponent;
}

void sample_center(sample_series *s)
{
    for (int i = 0; i < s->n; i++) {
        const size_t column = (size_t)i * (size_t)s->rows;
        const double mean = sample_mean(s, i);
        double largest = 0;
        for (int t = 0; t < s->rows; t++) {
            const size_t k = column + (size_t)t;
            s->x[k] = s->mask != NULL && s->mask[k] == 0 ? 0 : s->x[k] - mean; /* exact: a hole */
            largest = fmax(largest, fabs(s->x[k]));
        }
        for (int t = 0; t < s->rows && largest <= STILL * fabs(mean); t++)
            s->x[column + (size_t)t] = 0;
    }
}
