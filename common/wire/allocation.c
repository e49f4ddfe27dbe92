/* Whether weights make a portfolio is for risk to judge, with a reason; here they are finite, and
 * as many as everything beside them. */
#include "common/wire/wire_internal.h"

#include <string.h>

/* ---- capital ---- */

/* Rounding of sums of 512 fractions near 1. */
#define SHARES_SLACK 1e-9

static const wire_field book_share_rows[] = {
    WIRE_ROW_TEXT(keel_book_share, BookShare, book, WIRE_NAME, WIRE_REQUIRED),
    WIRE_ROW_REAL(keel_book_share, BookShare, share_frac, WIRE_FRACTION),
};
static const wire_type book_share =
    WIRE_MESSAGE(keel_book_share, keel__v1__book_share__descriptor, book_share_rows);

static keel_status check_shares(const keel_book_share *shares, int books)
{
    double sum = 0.0;
    for (int i = 0; i < books; i++) {
        sum += shares[i].share_frac;
        for (int j = 0; j < i; j++) {
            if (strcmp(shares[i].book, shares[j].book) == 0)
                return KEEL_EINVAL;
        }
    }
    return sum > 1.0 + SHARES_SLACK ? KEEL_ERANGE : KEEL_OK;
}

static keel_status check_capital_proposal(const void *plain)
{
    const keel_capital_proposal *capital = plain;
    return check_shares(capital->shares, capital->books);
}

static const wire_field capital_proposal_rows[] = {
    WIRE_ROW_TEXT(keel_capital_proposal, CapitalProposal, portfolio, WIRE_NAME, WIRE_REQUIRED),
    WIRE_ROW_LIST_POINTER(keel_capital_proposal, CapitalProposal, shares, books, book_share, 1,
                          KEEL_BOOKS_MAX),
    WIRE_ROW_ENUM(keel_capital_proposal, CapitalProposal, method, INT32_MAX, wire_method_known,
                  WIRE_REQUIRED),
    WIRE_ROW_PART(keel_capital_proposal, CapitalProposal, reason, wire_reason, WIRE_REQUIRED),
    WIRE_ROW_LIST(keel_capital_proposal, CapitalProposal, inputs, inputs_n, wire_input_ref, 0),
};
const wire_type wire_capital_proposal =
    WIRE_MESSAGE_WITH(keel_capital_proposal, keel__v1__capital_proposal__descriptor,
                      capital_proposal_rows, .check = check_capital_proposal);
WIRE_DEFINE(capital_proposal, keel_capital_proposal)

static keel_status check_capital_allocation(const void *plain)
{
    const keel_capital_allocation *capital = plain;
    return check_shares(capital->shares, capital->books);
}

static const wire_field capital_allocation_rows[] = {
    WIRE_ROW_TEXT(keel_capital_allocation, CapitalAllocation, portfolio, WIRE_NAME, WIRE_REQUIRED),
    WIRE_ROW_LIST_POINTER(keel_capital_allocation, CapitalAllocation, shares, books, book_share, 1,
                          KEEL_BOOKS_MAX),
    WIRE_ROW_PART(keel_capital_allocation, CapitalAllocation, reason, wire_reason, WIRE_REQUIRED),
    WIRE_ROW_U64(keel_capital_allocation, CapitalAllocation, proposal_hash, WIRE_OPTIONAL),
};
const wire_type wire_capital_allocation =
    WIRE_MESSAGE_WITH(keel_capital_allocation, keel__v1__capital_allocation__descriptor,
                      capital_allocation_rows, .check = check_capital_allocation);
WIRE_DEFINE(capital_allocation, keel_capital_allocation)

/* ---- weights ---- */

#define PROPOSAL_REALS(f)                                                                          \
    WIRE_ROW_REALS(keel_allocation_proposal, AllocationProposal, f, WIRE_ANY, WIRE_COUNTED_SAME)
#define PROPOSAL_REAL(f, rule) WIRE_ROW_REAL(keel_allocation_proposal, AllocationProposal, f, rule)

static keel_status check_allocation_proposal(const void *plain)
{
    const keel_allocation_proposal *proposal = plain;
    for (int i = 0; i < proposal->constraints_n; i++) {
        for (int j = 0; j < i; j++) {
            if (strcmp(proposal->constraints[i].name, proposal->constraints[j].name) == 0)
                return KEEL_EINVAL;
        }
    }
    return KEEL_OK;
}

static const wire_field allocation_proposal_rows[] = {
    WIRE_ROW_TEXT(keel_allocation_proposal, AllocationProposal, portfolio, WIRE_NAME,
                  WIRE_REQUIRED),
    WIRE_ROW_TEXT(keel_allocation_proposal, AllocationProposal, book, WIRE_NAME, WIRE_REQUIRED),
    WIRE_ROW_U64(keel_allocation_proposal, AllocationProposal, universe_hash, WIRE_REQUIRED),
    WIRE_ROW_ENUM(keel_allocation_proposal, AllocationProposal, method, INT32_MAX,
                  wire_method_known, WIRE_REQUIRED),
    WIRE_ROW_REALS(keel_allocation_proposal, AllocationProposal, weights, WIRE_ANY, WIRE_COUNTED),
    PROPOSAL_REAL(cash_frac, WIRE_ANY),
    PROPOSAL_REALS(lower),
    PROPOSAL_REALS(upper),
    PROPOSAL_REALS(bound_multipliers),
    WIRE_ROW_LIST_POINTER(keel_allocation_proposal, AllocationProposal, constraints, constraints_n,
                          wire_constraint, 0, KEEL_CONSTRAINTS_MAX),
    WIRE_ROW_PART(keel_allocation_proposal, AllocationProposal, certificate, wire_certificate,
                  WIRE_REQUIRED),
    PROPOSAL_REAL(objective, WIRE_ANY),
    PROPOSAL_REAL(expected_volatility, WIRE_NOT_NEG),
    PROPOSAL_REAL(turnover_frac, WIRE_NOT_NEG),
    PROPOSAL_REAL(cost_frac, WIRE_NOT_NEG),
    WIRE_ROW_PART(keel_allocation_proposal, AllocationProposal, reason, wire_reason, WIRE_REQUIRED),
    WIRE_ROW_LIST(keel_allocation_proposal, AllocationProposal, inputs, inputs_n, wire_input_ref,
                  0),
    PROPOSAL_REALS(current),
    PROPOSAL_REAL(expected_return, WIRE_ANY),
};
const wire_type wire_allocation_proposal =
    WIRE_MESSAGE_WITH(keel_allocation_proposal, keel__v1__allocation_proposal__descriptor,
                      allocation_proposal_rows, .check = check_allocation_proposal);
WIRE_DEFINE(allocation_proposal, keel_allocation_proposal)

static const wire_field rebalance_decision_rows[] = {
    WIRE_ROW_TEXT(keel_rebalance_decision, RebalanceDecision, portfolio, WIRE_NAME, WIRE_REQUIRED),
    WIRE_ROW_FLAG(keel_rebalance_decision, RebalanceDecision, due),
    WIRE_ROW_FLAG(keel_rebalance_decision, RebalanceDecision, applied),
    WIRE_ROW_PART(keel_rebalance_decision, RebalanceDecision, reason, wire_reason, WIRE_REQUIRED),
    WIRE_ROW_REAL(keel_rebalance_decision, RebalanceDecision, max_drift_frac, WIRE_NOT_NEG),
    WIRE_ROW_REAL(keel_rebalance_decision, RebalanceDecision, threshold_frac, WIRE_NOT_NEG),
    WIRE_ROW_I64(keel_rebalance_decision, RebalanceDecision, next_due_ns, INT64_MIN),
    WIRE_ROW_REAL(keel_rebalance_decision, RebalanceDecision, turnover_frac, WIRE_NOT_NEG),
};
const wire_type wire_rebalance_decision = WIRE_MESSAGE(
    keel_rebalance_decision, keel__v1__rebalance_decision__descriptor, rebalance_decision_rows);
WIRE_DEFINE(rebalance_decision, keel_rebalance_decision)

#define APPROVED_REALS(f, need)                                                                    \
    WIRE_ROW_REALS(keel_approved_allocation, ApprovedAllocation, f, WIRE_ANY, need)
#define APPROVED_REAL(f, rule) WIRE_ROW_REAL(keel_approved_allocation, ApprovedAllocation, f, rule)

static keel_status check_approved_allocation(const void *plain)
{
    const keel_approved_allocation *approved = plain;
    for (int i = 0; i < approved->n; i++) {
        if (approved->box_lower[i] > approved->box_upper[i])
            return KEEL_EINVAL;
    }
    return KEEL_OK;
}

static const wire_field approved_allocation_rows[] = {
    WIRE_ROW_TEXT(keel_approved_allocation, ApprovedAllocation, portfolio, WIRE_NAME,
                  WIRE_REQUIRED),
    WIRE_ROW_TEXT(keel_approved_allocation, ApprovedAllocation, book, WIRE_NAME, WIRE_REQUIRED),
    WIRE_ROW_U64(keel_approved_allocation, ApprovedAllocation, universe_hash, WIRE_REQUIRED),
    WIRE_ROW_ENUM(keel_approved_allocation, ApprovedAllocation, method, INT32_MAX,
                  wire_method_known, WIRE_REQUIRED),
    APPROVED_REALS(weights, WIRE_COUNTED),
    APPROVED_REALS(box_lower, WIRE_COUNTED_SAME),
    APPROVED_REALS(box_upper, WIRE_COUNTED_SAME),
    APPROVED_REAL(cash_frac, WIRE_ANY),
    WIRE_ROW_I64(keel_approved_allocation, ApprovedAllocation, equity_micros, INT64_MIN),
    APPROVED_REAL(account_frac, WIRE_ANY),
    WIRE_ROW_I64S(keel_approved_allocation, ApprovedAllocation, price_units, WIRE_NOT_NEG,
                  WIRE_COUNTED_SAME),
    WIRE_ROW_PART(keel_approved_allocation, ApprovedAllocation, reason, wire_reason, WIRE_REQUIRED),
    /* risk's own allocations (flatten) answer no proposal */
    WIRE_ROW_PART(keel_approved_allocation, ApprovedAllocation, rebalance_reason, wire_reason,
                  WIRE_OPTIONAL),
    WIRE_ROW_PART(keel_approved_allocation, ApprovedAllocation, certificate, wire_certificate,
                  WIRE_OPTIONAL),
    APPROVED_REAL(expected_volatility, WIRE_NOT_NEG),
    APPROVED_REAL(turnover_frac, WIRE_NOT_NEG),
    APPROVED_REAL(scale_frac, WIRE_FRACTION),
    WIRE_ROW_U64(keel_approved_allocation, ApprovedAllocation, proposal_hash, WIRE_OPTIONAL),
};
const wire_type wire_approved_allocation =
    WIRE_MESSAGE_WITH(keel_approved_allocation, keel__v1__approved_allocation__descriptor,
                      approved_allocation_rows, .check = check_approved_allocation);
WIRE_DEFINE(approved_allocation, keel_approved_allocation)
