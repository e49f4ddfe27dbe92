/* app.h - execution as a service table, for its own process and for the in-process host.
 *
 * ROOM     services/execution.
 */
#ifndef KEEL_SERVICES_EXECUTION_APP_H
#define KEEL_SERVICES_EXECUTION_APP_H

#include "common/service/service.h"

extern const keel_service_spec keel_execution_spec;

#endif
