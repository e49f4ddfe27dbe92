/* options.h - the words of keel-workbench, and the problem that they and a file of bars state.
 *
 * ROOM     services/workbench.
 * MEMORY   words are borrowed from argv; `problem` is owned.
 * THREADS  one thread per object.
 */
#ifndef KEEL_SERVICES_WORKBENCH_OPTIONS_H
#define KEEL_SERVICES_WORKBENCH_OPTIONS_H

#include "services/workbench/bars.h"

#include <jansson.h>

enum { KEEL_WORKBENCH_LIST_MAX = 64, KEEL_TABLE_BYTES_MAX = 1 << 20 };

/* An option that may be there many times. */
typedef struct keel_workbench_list {
    int n;
    const char *at[KEEL_WORKBENCH_LIST_MAX];
} keel_workbench_list;

typedef struct keel_workbench_options {
    bool help;
    bool stream;
    bool json;
    bool explain;
    bool frontier;
    int points;          /* of the frontier */
    const char *plot;    /* FILE; NULL = none */
    const char *problem; /* FILE, "-" = standard input; NULL = none */
    const char *returns;
    const char *prices;
    const char *method;
    const char *cov;
    const char *mu;
    const char *group;
    const char *current;
    int window; /* 0 = all */
    keel_workbench_list constraints;
    keel_workbench_list fallbacks;
    json_t *numbers; /* owned: fields of the problem that options gave */
} keel_workbench_options;

/* Read argv[1..]. KEEL_EINVAL or KEEL_EUNKNOWN with *err: what is wrong, and the nearest option.
 * End with keel_workbench_options_free, also then. */
KEEL_MUST_CHECK keel_status keel_workbench_options_read(int argc, char **argv,
                                                        keel_workbench_options *options,
                                                        keel_err *err);
void keel_workbench_options_free(keel_workbench_options *options);

void keel_workbench_usage(FILE *to);

/* The problem that options and bars state together, as JSON, owned; NULL with *err. */
KEEL_MUST_CHECK json_t *keel_workbench_problem(const keel_workbench_options *options,
                                               const keel_bars *bars, keel_err *err);

/* "asset,weight" lines, or a JSON object: name to number (`group` false). "asset,group" lines, or a
 * JSON object: name to list of assets (`group` true). A first line of exactly these words is a
 * heading. NULL with *err, which names file and line. Owned. */
KEEL_MUST_CHECK json_t *keel_table_read(const char *path, bool group, keel_err *err);

#endif
