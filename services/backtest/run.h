/* run.h - configured runs for keel-backtest: a loaded configuration, a host over it, a replay.
 *
 * ROOM     services/backtest.
 */
#ifndef KEEL_SERVICES_BACKTEST_RUN_H
#define KEEL_SERVICES_BACKTEST_RUN_H

#include "common/service/settings.h"

enum { KEEL_EXIT_FAILED = 1, KEEL_EXIT_USAGE = 2, KEEL_EXIT_CONFIG = 3 };

typedef struct keel_run {
    keel_config *config; /* owned */
    keel_settings settings;
    keel_universe *universe; /* owned */
} keel_run;

/* Load FILE with overrides (--section.key=value). Prints the refusal; false. */
bool keel_run_load(const char *file, int flags_n, const char *const *flags, keel_run *run);
void keel_run_free(keel_run *run);

/* All services in this process until the source ends; with journal_dir, journals are written as the
 * processes would. Prints steps and seconds. Exit code. */
int keel_run_host(const keel_run *run, const char *journal_dir, bool json);

/* Replay one journal. Exit code: 0 all reproduced, 1 differences or damage. */
int keel_run_replay(const keel_run *run, const char *journal, bool json);

#endif
