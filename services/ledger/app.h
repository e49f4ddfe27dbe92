/* app.h - ledger as a service table, for its own process and for the in-process host.
 *
 * ROOM     services/ledger.
 */
#ifndef KEEL_SERVICES_LEDGER_APP_H
#define KEEL_SERVICES_LEDGER_APP_H

#include "common/service/service.h"

extern const keel_service_spec keel_ledger_spec;

#endif
