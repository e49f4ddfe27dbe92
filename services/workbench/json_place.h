/* json_place.h - which field a byte of a JSON text belongs to.
 *
 * ROOM     services/workbench. For texts that are no JSON: a parser knows the byte, people fields.
 * MEMORY   None is taken.
 * THREADS  any.
 */
#ifndef KEEL_SERVICES_WORKBENCH_JSON_PLACE_H
#define KEEL_SERVICES_WORKBENCH_JSON_PLACE_H

#include <stddef.h>

enum { KEEL_JSON_PLACE_MAX = 192 };

/* "covariance[2][5]", "groups.DeFi[1]"; "" for the whole. The text before `at` need not be JSON.
 * Cost: at. */
const char *keel_json_place(const char *text, size_t at, char out[KEEL_JSON_PLACE_MAX]);

#endif
