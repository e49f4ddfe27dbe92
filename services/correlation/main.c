/* correlation - rows of bars in, correlation and covariance matrices out.
 *
 * IN      v1.row.{bar}.{universe}.    BarRow, one per step
 * OUT     v1.corr.{bar}.{universe}.   CorrelationMatrix, one per complete row once warm
 *         v1.cov.{bar}.{universe}.    CovarianceMatrix, right after it, from the same numbers
 * KEEPS   rolling windows; snapshot in the cache: losing it costs a replay
 * COUNTS  rows_gapped matrices_out, and those every service has
 * FAILS   a bad row is counted and dropped; a row with a missing bar is a gap: nothing is published
 */
#include "services/correlation/app.h"

int main(int argc, char **argv)
{
    return keel_service_main(argc, argv, &keel_correlation_spec);
}
