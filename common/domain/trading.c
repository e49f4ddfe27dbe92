#include "common/domain/trading.h"

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
