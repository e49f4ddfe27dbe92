/* names.h - the order of an array's names, and an element by its name.
 *
 * ROOM     common/base. A name is a NUL-terminated member of each element: the first element's, and
 *          how many bytes lie between two. `order` lists the elements' indices by name (strcmp).
 * THREADS  any.
 */
#ifndef KEEL_COMMON_BASE_NAMES_H
#define KEEL_COMMON_BASE_NAMES_H

#include <stddef.h>
#include <stdint.h>

typedef struct keel_names {
    const char *first; /* borrowed: the first element's name */
    size_t stride;     /* bytes from one name to the next */
    int n;             /* 0..65536 */
} keel_names;

/* Fill order[n]; equal names stay in their order. Cost: n^2 at most, n where they are sorted. */
void keel_names_sort(keel_names names, uint16_t *order);

/* The index of the element called `name`, -1 = none. Cost: log n comparisons. */
int keel_names_find(keel_names names, const uint16_t *order, const char *name);

#endif
