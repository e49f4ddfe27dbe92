/* signal_args.h - a signal from the words of `keel signal send`.
 *
 * ROOM     services/cli. Says what is wrong with a word in the terms of the command line; what only
 *          the run knows (symbols, distance from the price) the coordinator decides.
 */
#ifndef KEEL_SERVICES_CLI_SIGNAL_ARGS_H
#define KEEL_SERVICES_CLI_SIGNAL_ARGS_H

#include "common/domain/signal.h"
#include "services/cli/options.h"

/* Fill strategy, signal_id (--id, else "cli-" and `now_ns`), symbol, side, prices, confidence and,
 * with --valid, valid_until_ns as a length of time: the caller adds the event time. KEEL_EINVAL,
 * KEEL_ETOOBIG with *err naming the word. */
KEEL_MUST_CHECK keel_status keel_signal_of_args(const keel_args *args, int64_t now_ns,
                                                keel_signal *signal, keel_err *err);

#endif
