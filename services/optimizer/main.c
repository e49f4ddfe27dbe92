/* optimizer - books and covariances in; every step whether to rebalance, and into what.
 *
 * IN      v1.portfolio.{portfolio}.          PortfolioState, one per step, from ledger
 *         v1.cov.{bar}.{universe}.           CovarianceMatrix, from correlation
 * OUT     v1.rebalance.{portfolio}.          RebalanceDecision, every step, with its reason
 *         v1.capital.proposed.{portfolio}.   CapitalProposal, level one, when due
 *         v1.alloc.proposed.{portfolio}.     AllocationProposal, level two, when due
 * KEEPS   targets, last proposals, last inputs, warm start of the solver; snapshot in the log
 * COUNTS  rebalances_due capital_out allocations_out, and those every service has
 * FAILS   limits that cannot be met stop the start; no certified answer: a decision that says why,
 *         and the last approved weights stay
 */
#include "services/optimizer/app.h"

int main(int argc, char **argv)
{
    return keel_service_main(argc, argv, &keel_optimizer_spec);
}
