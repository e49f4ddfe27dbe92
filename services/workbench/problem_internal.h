/* problem_internal.h - shared by the files that read a problem: a value with its place.
 *
 * ROOM     services/workbench.
 */
#ifndef KEEL_SERVICES_WORKBENCH_PROBLEM_INTERNAL_H
#define KEEL_SERVICES_WORKBENCH_PROBLEM_INTERNAL_H

#include "services/workbench/problem_json.h"

typedef struct problem_reading {
    const json_t *root;
    keel_stated *to;
    keel_err *err;
} problem_reading;

/* How a field of numbers, one for each asset, is read. */
typedef struct problem_vector {
    const char *field;
    double fallback; /* of a name that an object leaves out */
    double least;    /* smallest value allowed */
    bool is_whole;   /* every asset needs a number: there is no fallback */
    bool takes_null; /* null = `none` */
    double none;
} problem_vector;

/* A finite number of at most 1e100; what it is, else, is said of `place`. */
keel_status problem_number(const problem_reading *r, const json_t *value, const char *place,
                           double *out);

/* Refuse with "FIELD: ..."; KEEL_EINVAL. */
keel_status problem_refuse(const problem_reading *r, const char *fmt, ...) KEEL_PRINTF(2, 3);

const char *problem_kind(const json_t *value); /* "a string", "null" */

bool problem_has_control(const char *name);

/* n zeroed numbers of the arena, which is large enough by how it was made. */
double *problem_take(const problem_reading *r, size_t n);

/* Read a vector: one number for all, a list, or an object by names. */
keel_status problem_read_vector(const problem_reading *r, const problem_vector *how, double *out);

/* `covariance`, `factors` or `returns` into the packed covariance, and the mean of returns; the
 * factors alone above KEEL_PROBLEM_N_MAX assets. */
keel_status problem_read_covariance(const problem_reading *r);

/* Bytes of the arena that the covariance's source needs. */
size_t problem_covariance_bytes(const problem_reading *r);

/* Groups, group bounds and constraints into rows. */
keel_status problem_read_groups(const problem_reading *r);
keel_status problem_read_rows(const problem_reading *r);

#endif
