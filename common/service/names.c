#include "common/service/names.h"

const char *const keel_all_services[] = {
    "feed",  "execution", "ledger", "correlation", "optimizer", "risk", "strategy-coordinator",
    "relay",
};
const size_t keel_all_services_n = sizeof keel_all_services / sizeof keel_all_services[0];

const char *const keel_step_services[] = {
    "feed", "execution", "ledger", "correlation", "optimizer", "risk", "strategy-coordinator",
};
const size_t keel_step_services_n = sizeof keel_step_services / sizeof keel_step_services[0];
