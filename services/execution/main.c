/* execution(8) - approved allocations and intents in, order plans and paper fills out.
 *
 * IN      v1.trading.{portfolio}.          keel.v1.TradingState, risk's, of the step before
 *         v1.alloc.approved.{portfolio}.   keel.v1.ApprovedAllocation, risk's, of the step before
 *         v1.decision.{portfolio}.         keel.v1.Decision, the coordinator's, of the step before
 *         v1.row.{bar}.{universe}.         keel.v1.BarRow
 * OUT     v1.order.{portfolio}.            keel.v1.OrderPlan, one per step, possibly empty
 *         v1.fill.{portfolio}.             keel.v1.Fill, one per order that filled, stop or target
 *         v1.plandone.{portfolio}.         keel.v1.PlanDone, one per step
 * KEEPS   holdings and intents of every book, open orders, cash of core; snapshot in the log
 * COUNTS  approvals_taken decisions_taken decisions_stale orders_planned orders_skipped fills_out
 * FAILS   an approval that cannot be sized is counted and dropped; without a log nothing is traded
 */
#include "services/execution/app.h"

int main(int argc, char **argv)
{
    return keel_service_main(argc, argv, &keel_execution_spec);
}
