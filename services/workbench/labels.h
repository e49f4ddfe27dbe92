/* labels.h - the names of assets or groups: unique, found by name, or the nearest one.
 *
 * ROOM     services/workbench.
 * MEMORY   the names and their order are the caller's storage.
 * THREADS  any.
 */
#ifndef KEEL_SERVICES_WORKBENCH_LABELS_H
#define KEEL_SERVICES_WORKBENCH_LABELS_H

#include "common/base/status.h"

#include <stdint.h>

enum { KEEL_LABEL_MAX = 64 }; /* bytes with NUL */

typedef struct keel_labels {
    int n;
    char (*at)[KEEL_LABEL_MAX]; /* n */
    uint16_t *order;            /* n: by name, filled by keel_labels_seal */
} keel_labels;

/* Sort, and look for a name that is there twice: its later index, -1 = none. */
int keel_labels_seal(keel_labels *labels);

/* The index of a name, -1 = none. */
int keel_labels_find(const keel_labels *labels, const char *name);

/* The name in either list (the second may be NULL) that is nearest to `name`; NULL = none is. */
const char *keel_labels_nearest(const keel_labels *labels, const keel_labels *others,
                                const char *name);

#endif
