#include "services/backtest/apps.h"

#include "services/correlation/app.h"
#include "services/execution/app.h"
#include "services/feed/app.h"
#include "services/ledger/app.h"
#include "services/optimizer/app.h"
#include "services/risk/app.h"
#include "services/strategy-coordinator/app.h"

#include <string.h>

const keel_service_spec *const keel_apps[] = {
    &keel_feed_spec,
    &keel_execution_spec,
    &keel_ledger_spec,
    &keel_correlation_spec,
    &keel_optimizer_spec,
    &keel_risk_spec,
    &keel_strategy_coordinator_spec,
};
const int keel_apps_n = sizeof keel_apps / sizeof keel_apps[0];

const keel_service_spec *keel_app_find(const char *service)
{
    for (int i = 0; i < keel_apps_n; i++)
        if (strcmp(keel_apps[i]->name, service) == 0)
            return keel_apps[i];
    return NULL;
}
