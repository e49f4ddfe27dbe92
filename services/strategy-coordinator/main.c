/* strategy-coordinator(8) - follows the run and closes its steps; no strategy is registered yet.
 *
 * IN      v1.row.{bar}.{universe}.     keel.v1.BarRow
 *         v1.portfolio.{portfolio}.    keel.v1.PortfolioState
 *         v1.trading.{portfolio}.      keel.v1.TradingState
 * OUT     nothing but StepEnd: the feed and the execution wait for it in lockstep
 * KEEPS   snapshot in the log: last step, time, equity, trading mode
 * COUNTS  steps_without_decision, and those every service has
 * FAILS   a message of another universe or portfolio is counted and dropped
 */
#include "services/strategy-coordinator/app.h"

int main(int argc, char **argv)
{
    return keel_service_main(argc, argv, &keel_strategy_coordinator_spec);
}
