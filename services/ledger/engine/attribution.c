#include "services/ledger/engine/attribution.h"

#include "common/base/assert.h"
#include "common/base/text.h"

void keel_tally_trade(keel_tally *tally, bool closing, int64_t pnl_micros)
{
    tally->trades++;
    if (!closing)
        return;
    tally->closing_trades++;
    if (pnl_micros > 0) {
        tally->wins++;
        tally->profit_micros += pnl_micros;
    } else {
        tally->loss_micros -= pnl_micros;
    }
}

void keel_tally_add(keel_tally *to, const keel_tally *from)
{
    to->realized_micros += from->realized_micros;
    to->fees_micros += from->fees_micros;
    to->slippage_micros += from->slippage_micros;
    to->trades += from->trades;
    to->closing_trades += from->closing_trades;
    to->wins += from->wins;
    to->profit_micros += from->profit_micros;
    to->loss_micros += from->loss_micros;
    to->weight_sum += from->weight_sum;
}

void keel_attribution_line_set(keel_attribution_line *line, const char *name,
                               const keel_tally *tally, int64_t unrealized_micros, uint64_t bars)
{
    *line = (keel_attribution_line){
        .pnl_micros = tally->realized_micros + unrealized_micros - tally->fees_micros,
        .trades = tally->trades,
        .closing_trades = tally->closing_trades,
        .fees_micros = tally->fees_micros,
        .slippage_micros = tally->slippage_micros,
    };
    KEEL_ASSERT(keel_text_copy(line->name, sizeof line->name, name) == KEEL_OK);
    if (tally->closing_trades > 0)
        line->win_rate_frac = (double)tally->wins / (double)tally->closing_trades;
    if (bars > 0)
        line->weight_mean_frac = tally->weight_sum / (double)bars;
}

int64_t keel_attribution_share(keel_attribution_line *lines, int n)
{
    int64_t sum = 0;
    for (int i = 0; i < n; i++)
        sum += lines[i].pnl_micros;
    for (int i = 0; i < n && sum != 0; i++)
        lines[i].contribution_frac = (double)lines[i].pnl_micros / (double)sum;
    return sum;
}
