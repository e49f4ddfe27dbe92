/* problem_json.h - one portfolio problem as JSON, every field checked, as a keel_problem.
 *
 * ROOM     services/workbench. Fields: docs/schema/optimize-problem.schema.json.
 * MODEL    covariance   as given, or
 *          factors      L L' + diag(idiosyncratic), or
 *          returns      1 / (T-1) sum_t (r_t - m)(r_t - m)', m the arithmetic mean, which is also
 *                       `mean` unless that is given
 * SHAPE    Lists are in the order of `assets`; objects are matched by name, and a name left out
 *          takes the field's default (mean has none).
 * MEMORY   keel_stated_read takes everything; end with keel_stated_free.
 * THREADS  one thread per object.
 */
#ifndef KEEL_SERVICES_WORKBENCH_PROBLEM_JSON_H
#define KEEL_SERVICES_WORKBENCH_PROBLEM_JSON_H

#include "common/base/mem.h"
#include "services/optimizer/engine/problem.h"
#include "services/workbench/constraint_text.h"

#include <jansson.h>

enum {
    KEEL_STATED_ID_MAX = 128, /* bytes with NUL */
    KEEL_STATED_GROUPS_MAX = 128,
    KEEL_STATED_RETURNS_MAX = 1 << 26, /* numbers in `returns` */
    KEEL_STATED_BYTES_MAX = 128 << 20, /* of one problem as text */
};

typedef struct keel_stated {
    char id[KEEL_STATED_ID_MAX]; /* "" = none */
    keel_problem problem;        /* its arrays are below; rows are called "row:0", "row:1", ... */
    keel_labels assets;
    keel_labels groups;
    unsigned char *is_member;                    /* groups.n x assets.n */
    char (*row_names)[KEEL_CONSTRAINT_NAME_MAX]; /* of problem.rows: as people know them */
    keel_problem_row rows[KEEL_PROBLEM_ROWS_MAX];
    bool explain;
    keel_arena arena; /* owned */
} keel_stated;

/* Parse text[len] (borrowed) as JSON: no key twice, finite numbers only. NULL with *err, which
 * names the field that the refused byte belongs to. Owned: json_decref. */
KEEL_MUST_CHECK json_t *keel_problem_parse(const char *text, size_t len, keel_err *err);

/* Read a parsed problem (borrowed for the call) into *stated. Anything but KEEL_OK: *err names the
 * field by path and the fix, "covariance[2][5]: not symmetric: 0.1, and 0.2 at [5][2]"; nothing
 * is left to free. Cost: n^2; n^2 T of returns. */
KEEL_MUST_CHECK keel_status keel_stated_read(const json_t *root, keel_stated *stated,
                                             keel_err *err);
void keel_stated_free(keel_stated *stated);

/* A name that the solver uses, as people know it: "row:2" is that constraint, "upper:3" that of the
 * asset. `out` is returned. */
const char *keel_stated_name(const keel_stated *stated, const char *name,
                             char out[KEEL_CONSTRAINT_NAME_MAX]);

#endif
