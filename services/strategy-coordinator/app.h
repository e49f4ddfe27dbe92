/* app.h - the strategy coordinator as a table, for its own program and for the in-process host.
 *
 * ROOM     services/strategy-coordinator.
 */
#ifndef KEEL_SERVICES_STRATEGY_COORDINATOR_APP_H
#define KEEL_SERVICES_STRATEGY_COORDINATOR_APP_H

#include "common/service/service.h"

extern const keel_service_spec keel_strategy_coordinator_spec;

#endif
