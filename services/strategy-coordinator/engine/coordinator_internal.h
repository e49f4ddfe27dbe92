/* coordinator_internal.h - the parts of the coordinator's engine, for its own files.
 *
 *   ids.c        which signal_ids have a decision
 *   standing.c   intents in force, and what the books say of them
 *   registry.c   names, counts, the report
 *   validate.c   the checks, in order
 *   decide.c     queue, questions, answers, decisions
 *   save.c       snapshot
 *   coordinator.c  the rest of the public header
 *
 * coordinator_state is what a snapshot holds; the rest is configuration, queue and output. */
#ifndef KEEL_SERVICES_STRATEGY_COORDINATOR_ENGINE_COORDINATOR_INTERNAL_H
#define KEEL_SERVICES_STRATEGY_COORDINATOR_ENGINE_COORDINATOR_INTERNAL_H

#include "common/base/hash.h"
#include "common/base/mem.h"
#include "common/base/names.h"
#include "common/base/pack.h"
#include "services/strategy-coordinator/engine/coordinator.h"
#include "services/strategy-coordinator/engine/lifecycle.h"

enum {
    COORDINATOR_AGE_IDS = 64,  /* ids that share one age */
    COORDINATOR_TEXT_MAX = 96, /* of a receipt's refusal that is kept while it waits */
};

#define COORDINATOR_REASON_SLOT(name, number) COORDINATOR_REASON_##name,
typedef enum coordinator_reason_slot {
    KEEL_REASON_LIST(COORDINATOR_REASON_SLOT) COORDINATOR_REASONS
} coordinator_reason_slot;

/* ---- ids.c ---- */

/* How old a signal says that it is; 0 = does not say. Only the first of the two that is told
 * counts, so that ages of one kind are compared. */
typedef struct coordinator_age {
    uint64_t row_step;
    int64_t valid_until_ns;
} coordinator_age;

typedef struct coordinator_ring {
    uint32_t n;            /* ids known */
    uint32_t next;         /* where the next one goes */
    coordinator_age floor; /* the newest that was forgotten */
} coordinator_ring;

/* Per strategy a ring of the newest `cap` hashes, and an open-addressed index into it (Knuth, The
 * Art of Computer Programming 3, 6.4, algorithms L and R: linear probing, deletion by moving).
 * decision_seq is kept in 48 bits: 14 bytes an id and 2.7 of index. */
typedef struct coordinator_ids {
    uint32_t cap;
    uint32_t slots_n;
    uint32_t ages_n;
    uint64_t *hashes;        /* strategies * cap */
    uint32_t *seq_low;       /* likewise */
    uint16_t *seq_high;      /* likewise */
    uint16_t *slots;         /* strategies * slots_n: place in the ring + 1, 0 = free */
    coordinator_age *ages;   /* strategies * ages_n: newest of COORDINATOR_AGE_IDS places */
    coordinator_ring *rings; /* strategies */
} coordinator_ids;

void coordinator_ids_init(coordinator_ids *ids, int strategies_n);
void coordinator_ids_fini(coordinator_ids *ids);
/* decision_seq of the first decision; 0 = not known. */
uint64_t coordinator_ids_find(const coordinator_ids *ids, int strategy, uint64_t hash);
/* The hash must not be known. */
void coordinator_ids_add(coordinator_ids *ids, int strategy, uint64_t hash, uint64_t decision_seq,
                         coordinator_age age);
bool coordinator_ids_is_forgotten(const coordinator_ids *ids, int strategy, coordinator_age age);
/* Whether n more ids of the strategy could change what find or is_forgotten say of this one. */
bool coordinator_ids_may_forget(const coordinator_ids *ids, int strategy, uint64_t hash,
                                uint32_t n);
void coordinator_ids_save(keel_packer *p, const coordinator_ids *ids, int strategy);
void coordinator_ids_load(keel_unpacker *u, coordinator_ids *ids, int strategy, uint64_t last_seq);

/* ---- standing.c ---- */

typedef struct coordinator_intent {
    int64_t target_qty_units;
    int64_t entry_units;
    int64_t stop_units;
    int64_t target_units;
    int64_t valid_until_ns;
    uint64_t version;
    uint64_t before_version; /* the one it replaced before a fill of that was heard of; 0 = none */
    uint64_t step;           /* it was decided in */
    uint16_t strategy;
    uint16_t instrument;
    uint16_t older; /* neighbours of the same instrument and side, by version: index + 1 */
    uint16_t newer;
    uint8_t state; /* OPEN or HELD; 0 = free */
    uint8_t side;
} coordinator_intent;

typedef struct coordinator_side_list {
    uint16_t oldest; /* index + 1; 0 = none */
    uint16_t newest;
} coordinator_side_list;

typedef struct coordinator_standing {
    int strategies_n;
    int instruments_n;
    uint32_t cap;
    uint32_t n;
    uint32_t *n_of;               /* strategies */
    coordinator_intent *intents;  /* cap */
    uint16_t *free;               /* cap: stack of free indices */
    uint16_t *places;             /* strategies * instruments: index + 1; 0 = none */
    coordinator_side_list *longs; /* instruments */
    coordinator_side_list *shorts;
} coordinator_standing;

void coordinator_standing_init(coordinator_standing *standing, int strategies_n, int instruments_n);
void coordinator_standing_fini(coordinator_standing *standing);
/* NULL: none stands. */
coordinator_intent *coordinator_standing_find(const coordinator_standing *standing, int strategy,
                                              int instrument);
/* The oldest intent on the other side of another strategy; NULL: none. */
const coordinator_intent *coordinator_standing_against(const coordinator_standing *standing,
                                                       int strategy, int instrument,
                                                       keel_side side);
/* Add or replace. There must be room: n < cap, or one of its (strategy, instrument). */
void coordinator_standing_put(coordinator_standing *standing, const coordinator_intent *intent);
void coordinator_standing_drop(coordinator_standing *standing, coordinator_intent *intent);
void coordinator_standing_save(keel_packer *p, const coordinator_standing *standing);
void coordinator_standing_load(keel_unpacker *u, coordinator_standing *standing, uint64_t last_seq);

/* ---- registry.c ---- */

typedef struct coordinator_symbol {
    uint64_t decided;
    uint64_t accepted;
    uint64_t executed;
} coordinator_symbol;

typedef struct coordinator_counts {
    int64_t epoch_ns; /* of the last receipt decided */
    uint64_t seq;
    uint64_t decided;
    uint64_t executed;
    uint64_t by_reason[COORDINATOR_REASONS];
} coordinator_counts;

typedef struct coordinator_state {
    keel_coordinator_view view; /* without standing and queued */
    uint64_t row_step;          /* of the newest row */
    int64_t bar_ns;
    uint32_t stops;              /* portfolio stops heard of */
    bool changed;                /* since the last report */
    int64_t *closes;             /* instruments; 0 = none yet */
    uint8_t *strategy_modes;     /* strategies: keel_trading_mode */
    uint8_t *asset_modes;        /* instruments */
    coordinator_counts *counts;  /* strategies */
    coordinator_symbol *symbols; /* strategies * (instruments + 1), the last of each is "" */
    coordinator_ids ids;
    coordinator_standing standing;
} coordinator_state;

/* A receipt that waits. */
typedef struct coordinator_item {
    uint64_t seq;
    int64_t epoch_ns;
    uint64_t hash; /* of signal_id; 0 without one */
    double confidence_frac;
    union {
        struct { /* refusal 0 */
            uint64_t row_step;
            int64_t valid_until_ns;
            double entry;
            double stop;
            double target;
        };
        char text[COORDINATOR_TEXT_MAX]; /* else */
    };
    uint16_t strategy;
    uint16_t refusal;   /* keel_reason_code; 0 = none */
    int16_t instrument; /* -1 = not in the universe, or none told */
    uint8_t side;
    char signal_id[KEEL_SIGNAL_ID_MAX];
    char symbol[KEEL_SYMBOL_MAX];
} coordinator_item;

/* What the checks made of a signal. */
typedef struct coordinator_judgement {
    keel_reason reason; /* ACCEPTED: it passed them all */
    uint64_t duplicate_of;
    int64_t entry_units;
    int64_t stop_units;
    int64_t target_units;
    int64_t valid_until_ns;
    coordinator_age age;
} coordinator_judgement;

struct keel_coordinator {
    const keel_universe *universe;
    char portfolio[KEEL_NAME_MAX];
    int strategies_n;
    keel_coordinator_strategy *strategies;
    uint16_t *strategies_by_name; /* strategies_n indices */
    uint16_t *instruments_by_name;
    int64_t validity_ns;
    double tolerance_frac;
    keel_conflict_policy policy;
    keel_trading_mode deadman;

    coordinator_state *state;
    int64_t *held; /* instruments: scratch of on_portfolio, all 0 between calls */

    uint64_t step;           /* that decide was last called for */
    coordinator_item *queue; /* KEEL_COORDINATOR_QUEUE_MAX */
    int head, tail;
    struct { /* last one queued, per strategy */
        int64_t epoch_ns;
        uint64_t seq;
        uint32_t n; /* waiting */
    } * queued;

    int batch_n;                  /* items from head on that one answer decides */
    int checks_n;                 /* of them in the question; > 0: an answer is awaited */
    int fresh_n;                  /* of those, for pairs of which no intent stands */
    coordinator_judgement *batch; /* KEEL_COORDINATOR_DECISIONS_MAX */
    uint8_t *touched;             /* instruments: sides that an answer may make or end, 1 << side */
    int made_n;                   /* decisions that an answer made, not handed out yet */

    keel_arena out; /* everything that is handed out */
    keel_decision *decisions;
};

keel_names coordinator_strategy_names(const keel_coordinator *eng);
keel_names coordinator_instrument_names(const keel_coordinator *eng);
int coordinator_strategy_find(const keel_coordinator *eng, const char *name);   /* -1 = none */
int coordinator_instrument_find(const keel_coordinator *eng, const char *name); /* -1 = none */
coordinator_symbol *coordinator_symbol_of(const keel_coordinator *eng, int strategy,
                                          int instrument);
coordinator_reason_slot coordinator_reason_slot_of(keel_reason_code code);
size_t coordinator_report_bytes(int strategies_n, int instruments_n);
/* One decision about a receipt of (strategy, epoch, seq). */
void coordinator_count(keel_coordinator *eng, int strategy, int instrument,
                       const keel_decision *decision);
void coordinator_count_executed(keel_coordinator *eng, int strategy, int instrument);

/* ---- validate.c ---- */

void coordinator_judge(const keel_coordinator *eng, const coordinator_item *item, uint64_t step,
                       coordinator_judgement *judgement);

/* ---- decide.c ---- */

size_t coordinator_decide_bytes(int standing_cap);

/* ---- save.c ---- */

coordinator_state *coordinator_state_new(int strategies_n, int instruments_n);
void coordinator_state_free(coordinator_state **state);

#endif
