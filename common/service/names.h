/* names.h - the processes of a cluster, in one list.
 *
 * ROOM     common/service. Order: as rows travel.
 */
#ifndef KEEL_COMMON_SERVICE_NAMES_H
#define KEEL_COMMON_SERVICE_NAMES_H

#include <stddef.h>

/* Services that take part in steps. */
extern const char *const keel_step_services[];
extern const size_t keel_step_services_n;

/* Those and the relay. */
extern const char *const keel_all_services[];
extern const size_t keel_all_services_n;

#endif
