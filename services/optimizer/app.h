/* app.h - the optimizer service as a table: main.c runs it alone, the host beside others. */
#ifndef KEEL_SERVICES_OPTIMIZER_APP_H
#define KEEL_SERVICES_OPTIMIZER_APP_H

#include "common/service/service.h"

extern const keel_service_spec keel_optimizer_spec;

#endif
