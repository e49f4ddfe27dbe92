/* history.h - what the programs outside a run have said and heard, from the files they write
 * (tests/support/outsider), read while they grow.
 *
 * ROOM     tests/support/world.
 * MEMORY   grows with the run.
 */
#ifndef KEEL_TESTS_SUPPORT_WORLD_HISTORY_H
#define KEEL_TESTS_SUPPORT_WORLD_HISTORY_H

#include "common/domain/signal.h"

enum {
    KEEL_HISTORY_EPOCHS = 4096,
    KEEL_HISTORY_FILES = 8,
    KEEL_HISTORY_CODES = 256,
    KEEL_HISTORY_LINE = 4096
};

typedef struct keel_said {
    int strategy;
    int64_t epoch_ns;
    uint64_t seq;
    uint64_t id; /* keel_recorded_id */
    char signal_id[24];
} keel_said;

typedef struct keel_heard {
    int strategy;
    uint64_t id;
    uint64_t decision_seq;
    bool accepted;
    int code;
} keel_heard;

/* The highest acknowledgement of an epoch. */
typedef struct keel_acked {
    int strategy;
    int64_t epoch_ns;
    uint64_t seq;
} keel_acked;

typedef struct keel_reported {
    uint64_t step; /* 0 = none */
    uint64_t received;
    uint64_t decided;
    uint64_t pending;
    uint64_t counts[KEEL_HISTORY_CODES]; /* by reason */
} keel_reported;

typedef struct keel_history_file {
    char path[160];
    int strategy; /* -1 = a watcher's */
    uint64_t pos;
    bool drained; /* nothing waits, since it was asked to stop */
} keel_history_file;

typedef struct keel_history {
    int strategies_n;
    const char *const *strategies; /* borrowed */
    int files_n;
    keel_history_file files[KEEL_HISTORY_FILES];

    keel_said *said;
    size_t said_n, said_cap;
    keel_heard *heard;
    size_t heard_n, heard_cap;
    int epochs_n;
    keel_acked acked[KEEL_HISTORY_EPOCHS];
    uint64_t acks;   /* signals acknowledged, in all epochs */
    uint64_t *fills; /* keel_hash of the ids a watcher saw */
    size_t fills_n, fills_cap;
    uint64_t portfolio_step; /* last one a watcher saw */
    uint64_t portfolio_hash;
    keel_reported reports[KEEL_HISTORY_FILES]; /* last one a watcher saw, by strategy */
    uint64_t closed_step[KEEL_HISTORY_FILES]; /* by strategy: every step up to it, as K lines say */
    uint64_t joined, cut_off, refused, superseded, broken_lines;
} keel_history;

void keel_history_open(keel_history *h, const char *dir, int n, const char *const *strategies);
void keel_history_watch(keel_history *h, const char *dir, const char *watcher);
void keel_history_close(keel_history *h);
void keel_history_poll(keel_history *h);
bool keel_history_is_drained(const keel_history *h);

#endif
