/* door.h - a run as its clients see it, for tests: door, feed and coordinator in one thread.
 *
 * CURVE sockets without a key check in a folder of its own, laid out as a run directory. The
 * coordinator takes signals in their order, acknowledges cumulatively, decides each once by
 * signal_id; in lockstep it closes a step when every expected strategy has, and then the feed gives
 * the next row.
 */
#ifndef KEEL_TESTS_SUPPORT_DOOR_H
#define KEEL_TESTS_SUPPORT_DOOR_H

#include "common/domain/signal.h"

enum { DOOR_RECEIPTS = 65536, DOOR_STRATEGIES = 8, DOOR_INSTRUMENTS = 3 };

typedef struct door_cfg {
    bool lockstep;
    uint64_t rows;       /* published at the start; lockstep: the first one only, if > 0 */
    uint64_t rows_max;   /* lockstep: the last row; 0 = no end */
    const char *expects; /* lockstep: the strategies that are waited for, "a,b" */
    double (*price)(int instrument, uint64_t step); /* NULL = something plain */
} door_cfg;

/* One signal as the coordinator took it. */
typedef struct door_receipt {
    keel_signal signal;
    uint64_t decided_step; /* 0 = not yet */
    bool accepted;         /* false: a duplicate */
} door_receipt;

/* What can be switched while it runs, and what is counted. */
typedef struct door_knobs {
    bool mute;        /* the relay sends nothing and reads nothing */
    bool deaf;        /* the coordinator ignores what it gets */
    bool undecided;   /* the coordinator acknowledges and decides nothing */
    int drop_signals; /* so many frames are lost */
    int drop_acks;
    int drop_rows;
    keel_reason_code refusal;
    uint32_t credit;      /* most; KEEL_OUTBOX_MAX at first */
    int64_t newer_epoch;  /* > 0: acknowledges this epoch instead */
    bool forget_universe; /* as a relay that was started again */
} door_knobs;

typedef struct door_counts {
    uint64_t hellos, signals, steps, resends, rows, garbled;
    uint64_t closed; /* last step that was closed */
} door_counts;

typedef struct door door;

door *door_start(const door_cfg *cfg);
void door_stop(door **d);
const char *door_dir(const door *d);
void door_key(const door *d, const char *name); /* writes keys/NAME.secret */

void door_set(door *d, const door_knobs *knobs);
door_knobs door_get(door *d);
door_counts door_count(door *d);
int door_receipts(door *d, door_receipt *out, int max); /* copies, in order */
void door_publish_rows(door *d, uint64_t n);            /* live: so many more */
void door_kick(door *d);     /* a coordinator that started again: knows receipts, no step ends */
void door_restart(door *d);  /* the relay's sockets are closed and bound again */
void door_allocate(door *d); /* publish an allocation and a portfolio state */

#endif
