/* app.h - the risk service as a table, for its own program and for the in-process host.
 *
 * ROOM     services/risk.
 */
#ifndef KEEL_SERVICES_RISK_APP_H
#define KEEL_SERVICES_RISK_APP_H

#include "common/service/service.h"

extern const keel_service_spec keel_risk_spec;

#endif
