/* risk_internal.h - what the files of the risk engine share.
 *
 * ROOM     services/risk/engine.
 */
#ifndef KEEL_SERVICES_RISK_ENGINE_RISK_INTERNAL_H
#define KEEL_SERVICES_RISK_ENGINE_RISK_INTERNAL_H

#include "services/risk/engine/risk.h"

/* A covariance as it came; slot = step modulo KEEL_RISK_INPUT_STEPS. */
typedef struct risk_covariance {
    keel_input_ref ref; /* step 0 = empty */
    int64_t bar_ns;
    keel_basis basis;
    double *packed; /* owned */
} risk_covariance;

typedef struct risk_book {
    char name[KEEL_NAME_MAX];
    int64_t equity_micros;
} risk_book;

/* Everything that lives from step to step: what a snapshot holds. */
typedef struct risk_state {
    uint64_t step;     /* last closed step; 0 = none */
    int64_t now_ns;    /* close of the newest row */
    uint64_t cov_step; /* step of the newest covariance; 0 = none */
    bool has_portfolio;
    int64_t equity_micros; /* account */
    bool is_flat;
    int books_n;
    keel_stop stop;
    keel_input_ref portfolios[KEEL_RISK_INPUT_STEPS];
    risk_covariance covariances[KEEL_RISK_INPUT_STEPS];
    int64_t *closes;      /* n last closes; 0 = none yet */
    int64_t *held_micros; /* n, worth over all books */
    int64_t *core_micros; /* n, worth in the core book */
    risk_book *books;     /* KEEL_BOOKS_MAX */
} risk_state;

/* The open step's own things. */
typedef struct risk_pending {
    bool is_open;
    uint64_t step;
    bool portfolio_heard;
    int requests_n;
    keel_taken_request requests[KEEL_TAKEN_MAX];
    bool has_capital;
    keel_capital_proposal capital;
    keel_book_share *shares; /* KEEL_BOOKS_MAX */
    uint64_t capital_hash;
    bool has_allocation;
    bool is_misshapen; /* then `misshape` says how, and the arrays were not copied */
    keel_risk_finding misshape;
    keel_allocation_proposal allocation;
    uint64_t allocation_hash;
    double *numbers; /* 4 n: weights, lower, upper, bound multipliers */
    keel_constraint *constraints;
    int *indices;         /* KEEL_CONSTRAINTS_MAX x n */
    double *coefficients; /* KEEL_CONSTRAINTS_MAX x n */
} risk_pending;

struct keel_risk {
    keel_risk_cfg cfg; /* pointers inside: universe borrowed, the others point below */
    char portfolio[KEEL_NAME_MAX];
    char core_book[KEEL_NAME_MAX];
    keel_book_share books[KEEL_BOOKS_MAX];
    risk_state *state; /* owned */
    risk_pending pending;
    keel_risk_input *inputs; /* 2 x KEEL_RISK_INPUT_STEPS */
    double *scratch;         /* keel_risk_scratch_len(n) */
    double *weights;         /* n, outputs from here on */
    double *box_lower;
    double *box_upper;
    double *shares;
};

risk_state *risk_state_new(int n);
void risk_state_free(risk_state **state);

/* Copy a proposal whose arrays live with the message; only what has a sound shape is copied. */
void risk_pending_keep(risk_pending *pending, const keel_universe *universe,
                       const keel_allocation_proposal *proposal);

#endif
