/* intake_internal.h - the desk, for intake.c (frames, log, acknowledgements) and intake_choose.c
 * (what leaves for the engine). */
#ifndef KEEL_SERVICES_STRATEGY_COORDINATOR_INTAKE_INTERNAL_H
#define KEEL_SERVICES_STRATEGY_COORDINATOR_INTAKE_INTERNAL_H

#include "services/strategy-coordinator/intake.h"

/* A receipt is a chain of blocks: the first has its head and the beginning of its bytes (the
 * refusal's text, then the payload), the others go on. Blocks are named by number, 0 = none. */
enum {
    INTAKE_BLOCK = 256,
    INTAKE_RESTART_MAX = KEEL_OUTBOX_MAX + KEEL_INTAKE_BATCH_MAX, /* receipts, see intake.h */
    INTAKE_RECEIPT_MAX = KEEL_SIGNAL_BYTES_MAX + KEEL_REASON_TEXT_MAX,
    INTAKE_RANGES_EACH = 4, /* of one strategy in one Intake: so many epochs */
};

typedef struct intake_head {
    uint32_t chain;   /* next block of its bytes */
    uint32_t next;    /* receipt of the same strategy */
    uint32_t earlier; /* receipts of all strategies, by arrival */
    uint32_t later;
    uint64_t seq;
    int64_t epoch_ns;
    uint64_t step;
    uint64_t row_step; /* of the signal, 0 = none */
    int64_t since_ns;
    uint16_t strategy;
    uint16_t code;
    uint16_t text_len;
    uint16_t signal_len;
} intake_head;

typedef union intake_block {
    intake_head receipt;
    struct {
        uint32_t chain;
        uint8_t bytes[INTAKE_BLOCK - sizeof(uint32_t)];
    } more;
    uint8_t all[INTAKE_BLOCK];
} intake_block;

enum {
    INTAKE_FIRST_BYTES = INTAKE_BLOCK - sizeof(intake_head),
    INTAKE_MORE_BYTES = INTAKE_BLOCK - sizeof(uint32_t)
};

/* The client of one strategy. */
typedef struct intake_client {
    int64_t epoch_ns; /* 0 = none yet */
    uint64_t taken;   /* last seq of the epoch that was taken */
    uint64_t durable; /* likewise, that the log has */
    uint64_t chosen;  /* likewise, that left for the engine */
    uint64_t closed_step;
    uint64_t mark;  /* last seq of the closed steps */
    uint32_t first; /* pending receipts, by (epoch, seq) */
    uint32_t last;
    uint32_t pending;    /* of all epochs */
    uint64_t latest_row; /* no pending one is of a later row */
    uint32_t batched;    /* taken and not durable */
    uint32_t quota;      /* how many are chosen and not had yet */
    uint32_t part;       /* live: chosen in desk->part_step */
    uint32_t ready;      /* while choosing: how many may be chosen */
    uint32_t passed;     /* while choosing: how many arrivals of it were gone along */
    bool was_heard;
    bool is_due;   /* an Ack, now */
    bool is_asked; /* an Ack, as soon as the last one is old enough */
    uint32_t told_credit;
    int64_t heard_ns;
    int64_t acked_ns;
} intake_client;

typedef struct intake_refusal {
    char strategy[KEEL_NAME_MAX];
    int64_t epoch_ns;
    keel_reason_code code;
} intake_refusal;

struct keel_intake_desk {
    char portfolio[KEEL_NAME_MAX];
    int n;
    keel_intake_strategy *strategies;
    uint16_t *by_name; /* n indices */
    intake_client *clients;
    bool is_open;
    bool any_order;
    uint64_t closed_step;

    intake_block *blocks;
    uint32_t blocks_n; /* with block 0, which is none */
    uint32_t fresh;    /* blocks from here on were never used */
    uint32_t free;     /* chain of those that were */
    uint32_t free_n;   /* of both kinds */
    uint32_t kept_n;   /* of these, for a restart only */

    uint32_t batch[KEEL_INTAKE_BATCH_MAX];
    int batch_n;
    int put_strategy; /* whose signal is to be put; -1 = none */
    uint64_t put_seq;
    int64_t put_ns;

    uint32_t arrived_first; /* durable ones, by arrival */
    uint32_t arrived_last;
    size_t pending;
    int chosen; /* not had yet */
    bool by_arrival;
    uint32_t cursor;   /* by arrival: from here on is what is chosen and not had yet */
    uint32_t part_max; /* of one strategy in one step */
    uint64_t part_step;
    int turn;                  /* in by_name: whose receipts are had */
    keel_intake_range *ranges; /* n * INTAKE_RANGES_EACH */

    intake_refusal refusals[KEEL_INTAKE_REFUSALS_MAX];
    int refusals_n;
    int ack_turn;
    keel_intake_counts counts;
    uint8_t bytes[INTAKE_RECEIPT_MAX]; /* of the receipt that was handed out last */
};

int intake_find(const keel_intake_desk *desk, const char *name); /* -1 = none */
/* The bytes of a receipt in desk->bytes, and *receipt over them. */
void intake_hand_out(keel_intake_desk *desk, uint32_t first, keel_receipt *receipt);
/* The first one of its strategy. */
void intake_drop_pending(keel_intake_desk *desk, uint32_t at);
/* A client that stood still for want of credit is not left waiting for the next repeat. */
void intake_tell_credit(keel_intake_desk *desk, int i);

#endif
