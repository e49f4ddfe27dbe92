/* app.h - the correlation service as a table: main.c runs it alone, the host beside others. */
#ifndef KEEL_SERVICES_CORRELATION_APP_H
#define KEEL_SERVICES_CORRELATION_APP_H

#include "common/service/service.h"

extern const keel_service_spec keel_correlation_spec;

#endif
