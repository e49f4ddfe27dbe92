/* feed(8) - rows of prices, one per step.
 *
 * IN      price files (CSV, CSV.gz) or the seeded simulator
 * OUT     v1.universe.{universe}.      keel.v1.UniverseState, in step 1
 *         v1.row.{bar}.{universe}.     keel.v1.BarRow, one per step
 *         v1.truth.{universe}.         keel.v1.MarketTruth, one per step, simulator only
 *         v1.feed.{universe}.          keel.v1.FeedStatus, every 100 rows and at the end (stream)
 * KEEPS   nothing: any step is read again from its source, bit for bit
 * COUNTS  rows_sent bars_missing bars_refused bars_quarantined, and those every service has
 * FAILS   a bad line is counted and left out, a jump of x10 is held back; a file that cannot be
 *         read, or that does not fit the universe, stops the start
 */
#include "services/feed/app.h"

int main(int argc, char **argv)
{
    return keel_service_main(argc, argv, &keel_feed_spec);
}
