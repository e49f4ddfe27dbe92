/* allocation.h - proposals, certificates and approvals as plain data.
 *
 * ROOM     common/domain.
 * MODEL    Weights are fractions of the book's equity; sum of weights + cash_frac = 1.
 *          Lagrangian of a minimisation: grad f(w) + sum_c multiplier_c a_c + bound_multiplier = 0,
 *          so a multiplier is > 0 where the upper side binds and < 0 where the lower side binds.
 * MEMORY   Pointers are borrowed: from the arena of the decoder, or valid until the next call on
 *          the engine that made them.
 */
#ifndef KEEL_COMMON_DOMAIN_ALLOCATION_H
#define KEEL_COMMON_DOMAIN_ALLOCATION_H

#include "common/base/status.h"
#include "common/domain/reason.h"
#include "common/domain/universe.h"

#include <stdint.h>

#define KEEL_NO_BOUND 1e30 /* |lo| or |hi| at or above this: no bound on that side */

enum {
    KEEL_CONSTRAINTS_MAX = 64, /* named linear constraints of one problem */
    KEEL_INPUTS_MAX = 8,
    KEEL_BOOKS_MAX = 512,
    KEEL_TOPIC_MAX = 200, /* bytes with NUL: libzmq mis-encodes topics near 256 */
};

typedef enum keel_method {
    KEEL_METHOD_UNSPECIFIED,
    KEEL_METHOD_EQUAL_WEIGHT,
    KEEL_METHOD_INVERSE_VOLATILITY,
    KEEL_METHOD_MIN_VARIANCE,
    KEEL_METHOD_STATIC,
    KEEL_METHOD_MEAN_VARIANCE,
    KEEL_METHOD_TARGET_RETURN,
    KEEL_METHOD_TARGET_RISK,
    KEEL_METHOD_MAX_SHARPE,
    KEEL_METHOD_FLATTEN = 19,
} keel_method;

/* "min_variance"; "" when unknown here. */
const char *keel_method_name(keel_method method);
KEEL_MUST_CHECK keel_status keel_method_parse(const char *name, keel_method *method);

typedef enum keel_certificate_kind {
    KEEL_CERTIFICATE_UNSPECIFIED,
    KEEL_CERTIFICATE_OPTIMAL,
    KEEL_CERTIFICATE_BOUNDED,
    KEEL_CERTIFICATE_FEASIBLE,
} keel_certificate_kind;

typedef enum keel_outcome {
    KEEL_OUTCOME_UNSPECIFIED,
    KEEL_OUTCOME_SOLVED,
    KEEL_OUTCOME_INFEASIBLE,
    KEEL_OUTCOME_ITERATION_LIMIT,
    KEEL_OUTCOME_SINGULAR,
    KEEL_OUTCOME_TOO_FEW_ROWS,
} keel_outcome;

typedef struct keel_certificate {
    keel_certificate_kind kind;
    keel_outcome outcome;
    int iterations;
    double primal_residual;
    double dual_residual;
    double gap;
    char parent[KEEL_NAME_MAX];
} keel_certificate;

typedef struct keel_constraint {
    char name[KEEL_NAME_MAX];
    int n;                      /* members */
    const int *indices;         /* ascending instrument indices */
    const double *coefficients; /* n */
    double lo;
    double hi;
    double multiplier;
} keel_constraint;

typedef struct keel_input_ref {
    char topic[KEEL_TOPIC_MAX];
    uint64_t step;
    uint64_t payload_hash;
} keel_input_ref;

typedef struct keel_book_share {
    char book[KEEL_NAME_MAX];
    double share_frac;
} keel_book_share;

typedef struct keel_capital_proposal {
    char portfolio[KEEL_NAME_MAX];
    int books;
    const keel_book_share *shares;
    keel_method method;
    keel_reason reason;
    int inputs_n;
    keel_input_ref inputs[KEEL_INPUTS_MAX];
} keel_capital_proposal;

typedef struct keel_capital_allocation {
    char portfolio[KEEL_NAME_MAX];
    int books;
    const keel_book_share *shares;
    keel_reason reason;
    uint64_t proposal_hash;
} keel_capital_allocation;

typedef struct keel_allocation_proposal {
    char portfolio[KEEL_NAME_MAX];
    char book[KEEL_NAME_MAX];
    uint64_t universe_hash;
    keel_method method;
    int n;
    const double *weights;
    double cash_frac;
    const double *lower;
    const double *upper;
    const double *bound_multipliers;
    int constraints_n;
    const keel_constraint *constraints;
    keel_certificate certificate;
    double objective;
    double expected_volatility; /* per bar */
    double expected_return;     /* per bar; 0 = the method uses none */
    double turnover_frac;
    double cost_frac;
    keel_reason reason;
    int inputs_n;
    keel_input_ref inputs[KEEL_INPUTS_MAX];
    const double *current; /* weights held when it was decided */
} keel_allocation_proposal;

typedef struct keel_rebalance_decision {
    char portfolio[KEEL_NAME_MAX];
    bool due;
    bool applied;
    keel_reason reason;
    double max_drift_frac;
    double threshold_frac;
    int64_t next_due_ns;
    double turnover_frac;
} keel_rebalance_decision;

typedef struct keel_approved_allocation {
    char portfolio[KEEL_NAME_MAX];
    char book[KEEL_NAME_MAX];
    uint64_t universe_hash;
    keel_method method;
    int n;
    const double *weights;
    const double *box_lower;
    const double *box_upper;
    double cash_frac;
    int64_t equity_micros;
    double account_frac;
    const int64_t *price_units;
    keel_reason reason;
    keel_reason rebalance_reason;
    keel_certificate certificate;
    double expected_volatility;
    double turnover_frac;
    double scale_frac;
    uint64_t proposal_hash;
} keel_approved_allocation;

#endif
