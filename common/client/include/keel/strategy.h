/* <keel/strategy.h> - write a strategy: rows in, signals out, decisions back. */
#ifndef KEEL_STRATEGY_H
#define KEEL_STRATEGY_H

#include "common/client/strategy.h"

#endif
