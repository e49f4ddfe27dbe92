/* strategy_internal.h - what strategy.c and strategy_market.c share.
 *
 * ROOM     common/client.
 */
#ifndef KEEL_COMMON_CLIENT_STRATEGY_INTERNAL_H
#define KEEL_COMMON_CLIENT_STRATEGY_INTERNAL_H

#include "common/client/link_internal.h"
#include "common/client/outbox.h"
#include "common/client/outbox_file.h"
#include "common/client/strategy.h"

enum {
    STRATEGY_DECISIONS = 1024, /* kept for keel_strategy_wait */
    STRATEGY_DECIDED = 16384,  /* numbers whose decision is told apart from its repeat */
};

/* What was newest on a topic, to know a repeat by. */
typedef struct strategy_newest {
    uint64_t step;
    uint32_t index;
} strategy_newest;

/* The order of rows: which one is next, which exist, what was asked for. */
typedef struct strategy_rows {
    uint64_t next;   /* 0 = not begun: it is not known yet where the market is */
    uint64_t newest; /* the highest step that is known to exist */
    uint64_t live;   /* rows before it are history */
    uint64_t asked_to;
    int64_t asked_ns;
    int64_t moved_ns; /* when a row was handed out, or the next one was first heard of */
    int64_t universe_asked_ns;
    bool feed_heard;
    bool hole; /* a row came whose predecessor is missing */
} strategy_rows;

struct keel_strategy {
    char name[KEEL_NAME_MAX];
    client_link link;
    keel_outbox *outbox;
    keel_outbox_file *file; /* NULL = none */
    bool sync;
    bool broken; /* the outbox file cannot be trusted any more */
    bool lockstep;
    bool was_served;
    bool told_silent;
    unsigned wants;
    int history_rows;

    unsigned news;       /* set of 1 << KEEL_EVENT_*: to be told */
    keel_reason refusal; /* of the last REFUSED or SUPERSEDED */

    bool universe_known;
    keel_universe *universe;
    strategy_rows rows;
    uint64_t open_step; /* lockstep: handed out and not closed; 0 = none */
    uint32_t said;      /* signals in it */
    int64_t event_ns;   /* market time of the last row */
    uint64_t row_step;
    keel_market_row row;
    double *prices; /* KEEL_UNIVERSE_MAX each: close, open, high, low */
    strategy_newest allocation;
    strategy_newest portfolio;
    keel_approved_allocation approved;
    keel_portfolio_state state;
    keel_arena arena; /* the event's message */
    keel_arena control_arena;

    uint64_t decided[STRATEGY_DECIDED / 64]; /* by number of this epoch */
    uint64_t decided_before;                 /* newest decision_seq of an older epoch */
    keel_decision *decisions;                /* STRATEGY_DECISIONS */
    bool given[STRATEGY_DECISIONS];
    keel_decision told; /* the event's */
    uint64_t decisions_put;
    uint64_t decisions_out;
    uint64_t decisions_missed;

    uint64_t control_seq; /* ids of hellos, step ends and resends */
    uint64_t rows_asked;
    uint64_t said_before;
};

/* Send a control message under its topic; what cannot be sent is sent again by its timer. */
void strategy_send(keel_strategy *s, keel_topic topic, const char *key, keel_envelope *envelope);

/* The feed's beat: it has rows up to this step. */
void strategy_on_feed(keel_strategy *s, uint64_t step_done, int64_t now_ns);

/* Read the market until there is something to tell; false when nothing is left to read. */
bool strategy_take_market(keel_strategy *s, int64_t now_ns, keel_event *event);

/* Ask for rows, and for the universe, that are known to exist and have not come. Call when nothing
 * is left to read. */
void strategy_ask_rows(keel_strategy *s, int64_t now_ns);
int64_t strategy_ask_due_ns(const keel_strategy *s);

#endif
