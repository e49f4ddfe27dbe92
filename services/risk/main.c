/* risk(8) - what may be done: verifies every proposal with code of its own, approves or refuses.
 *
 * IN      v1.row.{bar}.{universe}.           keel.v1.BarRow: closes, event time
 *         v1.portfolio.{portfolio}.          keel.v1.PortfolioState: equity, holdings
 *         v1.cov.{bar}.{universe}.           keel.v1.CovarianceMatrix: what certificates rest on
 *         v1.capital.proposed.{portfolio}.   keel.v1.CapitalProposal
 *         v1.alloc.proposed.{portfolio}.     keel.v1.AllocationProposal
 *         requests halt and resume, each with a reason
 * OUT     v1.trading.{portfolio}.            keel.v1.TradingState, the first record of every step
 *         v1.capital.approved.{portfolio}.   keel.v1.CapitalAllocation, a record
 *         v1.alloc.approved.{portfolio}.     keel.v1.ApprovedAllocation, a record
 *         v1.risk.report.{portfolio}.        keel.v1.RiskReport, every step with books
 *         v1.risk.breach.{portfolio}.        keel.v1.LimitBreach: a stop, or a refused proposal
 * KEEPS   snapshot in the log: inputs of the last 8 steps, last closes, latches, peak
 * COUNTS  capital_approved allocations_approved proposals_refused stops requests_taken
 *         requests_dropped
 * FAILS   what does not verify is refused by name and nothing of it is approved; an unreadable
 *         message is counted by the skeleton and changes nothing
 */
#include "services/risk/app.h"

int main(int argc, char **argv)
{
    return keel_service_main(argc, argv, &keel_risk_spec);
}
