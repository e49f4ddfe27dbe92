#include "common/domain/trading.h"

#include <string.h>

const char *keel_trading_mode_name(keel_trading_mode mode)
{
    switch (mode) {
    case KEEL_TRADING_ACTIVE:
        return "ACTIVE";
    case KEEL_TRADING_REDUCING:
        return "REDUCING";
    case KEEL_TRADING_HALTED:
        return "HALTED";
    case KEEL_TRADING_UNSPECIFIED:
        break;
    }
    return "UNKNOWN";
}

/* HALTED is the strictest; what is outside the list counts as HALTED. */
static keel_trading_mode stricter(keel_trading_mode a, keel_trading_mode b)
{
    const keel_trading_mode known =
        b > KEEL_TRADING_UNSPECIFIED && b <= KEEL_TRADING_HALTED ? b : KEEL_TRADING_HALTED;
    return known > a ? known : a;
}

static keel_trading_mode mode_among(const keel_scoped_mode *modes, int n, const char *name)
{
    for (int i = 0; name != NULL && i < n; i++)
        if (strcmp(modes[i].name, name) == 0)
            return modes[i].mode;
    return KEEL_TRADING_ACTIVE;
}

keel_trading_mode keel_trading_mode_of(const keel_trading_state *state, const char *strategy,
                                       const char *asset)
{
    keel_trading_mode mode = stricter(KEEL_TRADING_ACTIVE, state->mode);
    mode = stricter(mode, mode_among(state->strategies, state->strategies_n, strategy));
    return stricter(mode, mode_among(state->assets, state->assets_n, asset));
}
