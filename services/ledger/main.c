/* ledger(8) - fills, rows and approved capital in; the books out.
 *
 * IN      v1.trading. v1.capital.approved. v1.alloc.approved. v1.risk.report.{portfolio}.
 *                                         risk's, of the step before: capital moves cash, the rest
 *                                         is kept as history
 *         v1.decision.{portfolio}.        keel.v1.Decision, of the step before: explains fills
 *         v1.row.{bar}.{universe}.        keel.v1.BarRow: mark to market
 *         v1.fill.{portfolio}.            keel.v1.Fill
 *         v1.plandone.{portfolio}.        keel.v1.PlanDone: compared with the books
 * OUT     v1.transfer.{portfolio}.        keel.v1.Transfer, when capital moves
 *         v1.portfolio.{portfolio}.       keel.v1.PortfolioState, one per step
 *         v1.performance.{portfolio}.     keel.v1.Performance, one per step
 *         v1.attribution.{portfolio}.     keel.v1.Attribution, three per step: asset, sector, book;
 *                                         strategy too where there is one
 * KEEPS   the books in SQLite, one transaction per step; never rewinds
 * COUNTS  fills_booked transfers_out steps_committed commits_refused holdings_differ
 * FAILS   a file that cannot be written stops the step until it can; nothing unwritten is published
 */
#include "services/ledger/app.h"

int main(int argc, char **argv)
{
    return keel_service_main(argc, argv, &keel_ledger_spec);
}
