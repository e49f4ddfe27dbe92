#include "common/domain/bar_row.h"

#include "common/domain/universe.h"

#include <math.h>
#include <stddef.h>

static keel_status check_closes(const keel_bar_row *row)
{
    int missing = 0;
    for (int i = 0; i < row->n; i++) {
        if (row->close_units[i] < 0)
            return KEEL_ENONFINITE;
        missing += row->close_units[i] == 0;
    }
    return missing == row->missing ? KEEL_OK : KEEL_EINVAL;
}

static keel_status check_bar(const keel_bar_row *row, int i)
{
    const int64_t close = row->close_units[i], open = row->open_units[i];
    const int64_t high = row->high_units[i], low = row->low_units[i];
    if (open < 0 || high < 0 || low < 0)
        return KEEL_ENONFINITE;
    if (close == 0)
        return open == 0 && high == 0 && low == 0 ? KEEL_OK : KEEL_EINVAL;
    if (open == 0 || low == 0)
        return KEEL_ENONFINITE;
    if (high < low || open < low || open > high || close < low || close > high)
        return KEEL_EINVAL;
    return KEEL_OK;
}

static keel_status check_volume(const keel_bar_row *row)
{
    for (int i = 0; i < row->n; i++)
        if (!isfinite(row->volume[i]) || row->volume[i] < 0)
            return KEEL_ENONFINITE;
    return KEEL_OK;
}

keel_status keel_bar_row_check(const keel_bar_row *row)
{
    if (row->n < 1 || row->n > KEEL_UNIVERSE_MAX || row->bar_ns <= 0)
        return KEEL_ERANGE;
    if (row->close_units == NULL)
        return KEEL_EINVAL;
    KEEL_TRY(check_closes(row));
    const bool has_open = row->open_units != NULL;
    if ((row->high_units != NULL) != has_open || (row->low_units != NULL) != has_open)
        return KEEL_EINVAL;
    for (int i = 0; has_open && i < row->n; i++)
        KEEL_TRY(check_bar(row, i));
    return row->volume != NULL ? check_volume(row) : KEEL_OK;
}
