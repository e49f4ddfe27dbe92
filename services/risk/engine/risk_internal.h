/* risk_internal.h - what the files of the risk engine share.
 *
 * ROOM     services/risk/engine.
 */
#ifndef KEEL_SERVICES_RISK_ENGINE_RISK_INTERNAL_H
#define KEEL_SERVICES_RISK_ENGINE_RISK_INTERNAL_H

#include "common/domain/fixed.h"
#include "common/domain/signal.h"
#include "services/risk/engine/risk.h"

/* A covariance as it came; slot = step modulo KEEL_RISK_INPUT_STEPS. */
typedef struct risk_covariance {
    keel_input_ref ref; /* step 0 = empty */
    int64_t bar_ns;
    keel_basis basis;
    bool has_matrix; /* false: too old to be asked for when it was saved */
    double *packed;  /* owned */
} risk_covariance;

/* What one strategy holds and aims at in one instrument. */
typedef struct risk_cell {
    int64_t held_units;
    uint64_t version; /* of the newest intent that is not over; 0 = none */
    int64_t target_units;
    int64_t stop_units; /* 0 = none */
    int64_t valid_until_ns;
    bool is_filled; /* the intent was reached at least once */
} risk_cell;

/* Cash and equity of a strategy's book. */
typedef struct risk_purse {
    int64_t cash_micros;
    int64_t equity_micros;
} risk_purse;

/* An operator's halt of one strategy or asset. */
typedef struct risk_scope {
    bool is_halted;
    keel_reason reason;
} risk_scope;

/* An exposure as a question sees it: the intent that stands, else the position. */
typedef struct risk_exposure {
    int64_t target_units;
    int64_t entry_units;
    int64_t stop_units;
    int64_t gross_micros;
    int64_t heat_micros;
    int64_t claim_micros; /* on the cash of the book */
} risk_exposure;

/* Versions that the books closed before their decision was heard (live mode, late records). */
enum { RISK_EARLY_MAX = 1024 };

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
    uint64_t folded_seq;  /* newest decision folded */
    int folded_n;         /* cells with a version */
    risk_cell *cells;     /* strategies x n, see risk_cell_at */
    risk_purse *purses;   /* by strategy */
    risk_scope *strategy_scopes;
    risk_scope *asset_scopes; /* n, by instrument */
    int early_n;
    uint64_t early[RISK_EARLY_MAX];
} risk_state;

/* The open step's own things. */
typedef struct risk_pending {
    bool is_open;
    uint64_t step;
    bool portfolio_heard;
    int requests_n;
    keel_taken_request requests[KEEL_TAKEN_MAX];
    keel_taken_request portfolio_requests[KEEL_TAKEN_MAX]; /* those without a scope */
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
    keel_risk_strategy *strategies; /* ascending name: a strategy's index is its rank */
    int *asset_order;               /* n, instruments by ascending symbol */
    risk_state *state;              /* owned */
    risk_pending pending;
    keel_risk_input *inputs; /* 2 x KEEL_RISK_INPUT_STEPS */
    double *scratch;         /* keel_risk_scratch_len(n) */
    double *weights;         /* n, outputs from here on */
    double *box_lower;
    double *box_upper;
    double *shares;
    keel_scoped_mode *strategy_modes;
    keel_scoped_mode *asset_modes;
    keel_risk_answer *answers; /* KEEL_CHECKS_MAX */
    risk_exposure *exposures;  /* strategies x n, as cells */
    int *longs;                /* n, exposures of the question by instrument */
    int *shorts;               /* n */
    keel_i128 heat_micros;     /* sums over the exposures */
    keel_i128 *gross_micros;   /* by strategy */
    keel_i128 *claim_micros;   /* by strategy */
};

/* Index of the cell of (strategy, instrument) in cells and exposures. */
static inline size_t risk_cell_at(const keel_risk *risk, int strategy, int instrument)
{
    return (size_t)strategy * (size_t)risk->cfg.universe->n + (size_t)instrument;
}

/* Rank of a strategy, -1 when it is not configured. */
int risk_strategy_find(const keel_risk *risk, const char *name);

/* ---- scope.c: halts of one strategy or asset ---- */

/* The request names none, or one that is configured. */
bool risk_scope_strategy_is_known(const keel_risk *risk, const keel_taken_request *request);
bool risk_scope_asset_is_known(const keel_risk *risk, const keel_taken_request *request);

/* Take the requests of the open step that name a strategy or asset; the others are left in
 * pending->portfolio_requests, and their number is returned. */
int risk_scope_take(keel_risk *risk);

/* Write strategies and assets of *trading: those that are not ACTIVE. */
void risk_scope_show(keel_risk *risk, keel_trading_state *trading);

/* ---- fold.c: intents in force, as decisions and books tell them ---- */

void risk_fold_portfolio(keel_risk *risk, const keel_portfolio_state *portfolio);

/* The step's time is known, and whether a portfolio stop is in force: intents that were not reached
 * in time, and all that a stop overrides, are over. */
void risk_fold_step(keel_risk *risk);

risk_state *risk_state_new(int n, int strategies_n);
void risk_state_free(risk_state **state);

/* Copy a proposal whose arrays live with the message; only what has a sound shape is copied. */
void risk_pending_keep(risk_pending *pending, const keel_universe *universe,
                       const keel_allocation_proposal *proposal);

#endif
