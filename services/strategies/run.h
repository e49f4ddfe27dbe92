/* run.h - what the three strategy programs share: arguments, the loop, exit codes.
 *
 * ROOM     services/strategies, written on <keel/strategy.h> alone.
 */
#ifndef KEEL_SERVICES_STRATEGIES_RUN_H
#define KEEL_SERVICES_STRATEGIES_RUN_H

#include "services/strategies/engine/rules.h"

/* main() of keel-strategy-NAME. Exit codes: 0 told to end, 1 failed, 2 usage, 4 nobody at the door,
 * 5 rejected: key, strategy unknown or inactive, superseded. */
int strategies_main(int argc, char **argv, const strategies_rule *rule);

#endif
