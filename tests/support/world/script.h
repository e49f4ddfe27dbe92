/* script.h - strategies that say what is written down, on a host: over the client's real outbox.
 *
 * ROOM     tests/support/world.
 * SHAPE    What a strategy says after row k is a function of (seed, k, the row): some signals that
 *          can be accepted, some that cannot. In lockstep it reads every row in order, asks the
 *          feed for what it misses, and closes each step; in live mode it speaks when a row is
 *          new. Dead is without memory: it starts again under a later epoch, from row 1 in
 *          lockstep.
 */
#ifndef KEEL_TESTS_SUPPORT_WORLD_SCRIPT_H
#define KEEL_TESTS_SUPPORT_WORLD_SCRIPT_H

#include "common/client/outbox.h"
#include "common/service/host.h"
#include "services/backtest/run.h"

enum { KEEL_SCRIPT_SAID_MAX = 4096 };

/* What a script has said. */
typedef struct keel_script_said {
    char signal_id[KEEL_SIGNAL_ID_MAX];
    int64_t epoch_ns;
    uint64_t seq;
    bool acked;
} keel_script_said;

typedef struct keel_script {
    const char *strategy;
    uint64_t seed;
    int port; /* of the host's outsiders */
    keel_host *host;
    const keel_run *run;
    keel_bus bus;
    keel_outbox *outbox; /* owned; NULL = dead */
    keel_arena arena;
    int64_t epoch_ns;
    uint64_t next_row;
    uint64_t heard_row;
    int64_t asked_ns;
    uint64_t hellos;
    keel_script_said *said; /* owned; over all lives */
    int said_n;
} keel_script;

void keel_script_start(keel_script *s, keel_host *host, const keel_run *run, int64_t epoch_ns);
void keel_script_kill(keel_script *s);
bool keel_script_is_up(const keel_script *s);
/* Read what has come, say what is due. */
void keel_script_turn(keel_script *s);
void keel_script_free(keel_script *s);

#endif
