/* signal.h - what strategies say, what risk answers, what becomes of it.
 *
 * ROOM     common/domain.
 * MODEL    A signal is named twice: by (strategy, epoch, seq), its place in the client's stream,
 *          and by signal_id, which its strategy chose and which survives a restart of the client.
 *          Every signal that has a receipt ends in exactly one decision. Intents are absolute: the
 *          book shall hold target_qty_units, whatever it holds now; of two intents for the same
 *          (book, instrument) the one with the higher version holds. version = decision_seq, so a
 *          version names one decision of the portfolio.
 * SHAPE    Prices of a signal are in currency, as strategies know them; after validation they are
 *          units of the instrument. Fractions are in [0, 1].
 * MEMORY   Pointers are borrowed: from a decoder's arena, or valid until the next call on the
 *          engine that made them.
 */
#ifndef KEEL_COMMON_DOMAIN_SIGNAL_H
#define KEEL_COMMON_DOMAIN_SIGNAL_H

#include "common/domain/orders.h"
#include "common/domain/trading.h"

#include <stddef.h>

enum {
    KEEL_SIGNAL_ID_MAX = 65, /* bytes with NUL */
    KEEL_LABELS_MAX = 8,
    KEEL_STRATEGIES_MAX = 509,    /* with core, reserve and netting 512 books */
    KEEL_OUTBOX_MAX = 4096,       /* signals that a client may have unacknowledged */
    KEEL_CHECKS_MAX = 256,        /* signals in one question to risk */
    KEEL_STANDING_MAX = 16384,    /* intents in force in one question */
    KEEL_SIZING_RULES_MAX = 16,   /* rules of one answer */
    KEEL_INTENTS_MAX = 4,         /* of one decision */
    KEEL_SIGNAL_BYTES_MAX = 4096, /* payload of one signal */
};

typedef enum keel_side {
    KEEL_SIDE_UNSPECIFIED,
    KEEL_SIDE_LONG,
    KEEL_SIDE_SHORT,
    KEEL_SIDE_FLAT, /* target 0 */
} keel_side;

const char *keel_side_name(keel_side side); /* "long"; "" outside the list */
KEEL_MUST_CHECK keel_status keel_side_parse(const char *name, keel_side *side);

typedef struct keel_label {
    char name[KEEL_NAME_MAX];
    char value[KEEL_NAME_MAX];
} keel_label;

typedef struct keel_signal {
    char strategy[KEEL_NAME_MAX];
    char signal_id[KEEL_SIGNAL_ID_MAX];
    uint64_t seq;     /* 1, 2, 3 ... per (strategy, epoch_ns) */
    int64_t epoch_ns; /* the client's start */
    char symbol[KEEL_SYMBOL_MAX];
    keel_side side;
    double entry;           /* reference price in currency; 0 = the last price */
    double stop;            /* 0 = none */
    double target;          /* 0 = none */
    double confidence_frac; /* [0, 1] */
    int64_t valid_until_ns; /* event time; 0 = the configured validity */
    uint64_t row_step;      /* the row it was derived from; 0 = none */
    int labels_n;
    keel_label labels[KEEL_LABELS_MAX];
} keel_signal;

/* A client has begun: everything it sends from here on is of this epoch. */
typedef struct keel_hello {
    char strategy[KEEL_NAME_MAX];
    int64_t epoch_ns;
    uint32_t waiting; /* signals in its outbox */
} keel_hello;

/* A signal as it was received, durable. Its entry in the log has the id epoch-seq. */
typedef struct keel_receipt {
    char strategy[KEEL_NAME_MAX];
    int64_t epoch_ns;
    uint64_t seq;
    uint64_t step;         /* open at the coordinator when it came */
    keel_reason refusal;   /* absent, or what is wrong with the bytes: its decision is this */
    const uint8_t *signal; /* the Signal payload; may be empty when refused */
    size_t signal_len;
} keel_receipt;

/* Cumulative: everything up to seq of this epoch is durable. */
typedef struct keel_ack {
    char strategy[KEEL_NAME_MAX];
    int64_t epoch_ns;
    uint64_t seq;
    uint32_t credit;      /* signals beyond seq that will be taken now */
    keel_reason refusal;  /* absent, or why this epoch or client is not served */
    uint64_t closed_step; /* lockstep: the last step that the coordinator has closed */
} keel_ack;

/* Which receipts a step decides, in this order: the record that a replay takes them from. */
typedef struct keel_intake_range {
    char strategy[KEEL_NAME_MAX];
    int64_t epoch_ns;
    uint64_t from_seq;
    uint64_t to_seq; /* >= from_seq */
} keel_intake_range;

typedef struct keel_intake {
    char portfolio[KEEL_NAME_MAX];
    int ranges_n;
    const keel_intake_range *ranges; /* ascending (strategy, epoch, seq) */
} keel_intake;

typedef struct keel_intent {
    char book[KEEL_NAME_MAX];
    int instrument;
    int64_t target_qty_units; /* signed */
    uint64_t version;         /* decision_seq */
    int64_t stop_units;       /* 0 = none */
    int64_t target_units;     /* 0 = none */
    int64_t valid_until_ns;   /* what is not filled by then is given up; 0 = until replaced */
} keel_intent;

typedef enum keel_conflict_policy {
    KEEL_CONFLICT_UNSPECIFIED,
    KEEL_CONFLICT_FIRST_IN_FIRST_OUT, /* the signal that stands keeps precedence */
    KEEL_CONFLICT_HIGHEST_PRIORITY,
    KEEL_CONFLICT_BEST_RISK_REWARD,
    KEEL_CONFLICT_PERFORMANCE_WEIGHTED,
    KEEL_CONFLICT_ALLOW, /* opposite signals stand side by side; execution nets them */
} keel_conflict_policy;

typedef enum keel_priority {
    KEEL_PRIORITY_UNSPECIFIED,
    KEEL_PRIORITY_CRITICAL,
    KEEL_PRIORITY_HIGH,
    KEEL_PRIORITY_MEDIUM,
    KEEL_PRIORITY_LOW,
} keel_priority;

const char *keel_priority_name(keel_priority priority); /* "MEDIUM" */

typedef enum keel_route {
    KEEL_ROUTE_UNSPECIFIED,
    KEEL_ROUTE_MARKET_NEXT_ROW, /* a market order in the next row */
    KEEL_ROUTE_NONE,            /* refused: nothing is traded */
} keel_route;

/* One rule of a size: every rule that was looked at is listed, `bound` marks the one that set the
 * size. value is in the rule's own unit: docs/methods/position-sizing.md. */
typedef struct keel_sizing_rule {
    keel_reason_code code;
    char name[KEEL_NAME_MAX];
    double value;
    int64_t qty_units; /* what this rule alone would allow, >= 0 */
    bool bound;
} keel_sizing_rule;

typedef struct keel_decision {
    char strategy[KEEL_NAME_MAX];
    char signal_id[KEEL_SIGNAL_ID_MAX]; /* "" when the bytes did not tell */
    int64_t epoch_ns;
    uint64_t seq;
    uint64_t decision_seq; /* portfolio-wide, 1, 2, 3 ... */
    bool accepted;
    keel_reason reason; /* ACCEPTED, or why not */
    int intents_n;
    keel_intent intents[KEEL_INTENTS_MAX];
    keel_priority priority;
    keel_reason priority_reason;
    keel_conflict_policy policy;
    int sizing_n;
    keel_sizing_rule sizing[KEEL_SIZING_RULES_MAX];
    char symbol[KEEL_SYMBOL_MAX]; /* as the signal had it; "" when the bytes did not tell */
    keel_side side;               /* UNSPECIFIED when the bytes did not tell */
    keel_route route;
    uint64_t duplicate_of; /* decision_seq of the first decision about this signal_id; 0 = none */
} keel_decision;

/* ---- the coordinator asks, risk answers ---- */

typedef struct keel_risk_check {
    char signal_id[KEEL_SIGNAL_ID_MAX];
    char strategy[KEEL_NAME_MAX];
    int instrument;
    keel_side side;
    int64_t entry_units;  /* > 0 */
    int64_t stop_units;   /* 0 = none */
    int64_t target_units; /* 0 = none */
    double confidence_frac;
} keel_risk_check;

/* An intent in force: not closed and not replaced. It counts instead of the position of its (book,
 * instrument) in the books. */
typedef struct keel_standing {
    char book[KEEL_NAME_MAX];
    int instrument;
    int64_t target_qty_units;
    uint64_t version;
    int64_t entry_units; /* reference price of its signal, > 0 */
    int64_t stop_units;  /* 0 = none */
} keel_standing;

typedef struct keel_risk_check_request {
    char portfolio[KEEL_NAME_MAX];
    uint64_t decision_seq; /* the coordinator's last */
    int checks_n;          /* 1..KEEL_CHECKS_MAX */
    const keel_risk_check *checks;
    int standing_n;
    const keel_standing *standing; /* ascending (book, instrument) */
} keel_risk_check_request;

typedef struct keel_risk_answer {
    char signal_id[KEEL_SIGNAL_ID_MAX];
    bool accepted;
    int64_t qty_units;  /* signed target; 0 when refused, or flat */
    keel_reason reason; /* ACCEPTED, or why not */
    int rules_n;
    keel_sizing_rule rules[KEEL_SIZING_RULES_MAX];
} keel_risk_answer;

typedef struct keel_risk_verdict {
    char portfolio[KEEL_NAME_MAX];
    int answers_n; /* as many as there were checks, in their order */
    const keel_risk_answer *answers;
    uint64_t request_step; /* names the question: its step, its place in it, its payload */
    uint32_t request_index;
    uint64_t request_hash;
} keel_risk_verdict;

/* ---- counts ---- */

typedef struct keel_disposition_count {
    keel_reason_code code;
    uint64_t count;
} keel_disposition_count;

typedef struct keel_symbol_count {
    char symbol[KEEL_SYMBOL_MAX]; /* "" = none was told */
    uint64_t decided;
    uint64_t accepted;
    uint64_t executed;
} keel_symbol_count;

typedef struct keel_strategy_status {
    char strategy[KEEL_NAME_MAX];
    bool active;
    double share_frac;
    uint64_t received; /* receipts taken */
    uint64_t decided;  /* decided + pending = received */
    int dispositions_n;
    const keel_disposition_count *dispositions; /* ascending code; add up to decided */
    uint64_t executed;                          /* accepted and filled */
    bool lockstep;
    int64_t epoch_ns; /* of the client heard last; 0 = none */
    uint64_t seq;     /* last one decided of that epoch */
    uint64_t pending;
    uint32_t active_signals; /* accepted and neither closed nor replaced */
    int symbols_n;
    const keel_symbol_count *symbols; /* by symbol; decided add up to decided */
} keel_strategy_status;

typedef struct keel_strategy_report {
    char portfolio[KEEL_NAME_MAX];
    int strategies_n;
    const keel_strategy_status *strategies; /* in the order of the configuration */
    uint64_t decision_seq;                  /* last one */
} keel_strategy_report;

#endif
