/* apps.h - every service's table, for programs that run them in one process.
 *
 * ROOM     services/backtest.
 */
#ifndef KEEL_SERVICES_BACKTEST_APPS_H
#define KEEL_SERVICES_BACKTEST_APPS_H

#include "common/service/service.h"

/* In the order of docs/protocol.md, Lines. */
extern const keel_service_spec *const keel_apps[];
extern const int keel_apps_n;

const keel_service_spec *keel_app_find(const char *service); /* NULL: no such service */

#endif
