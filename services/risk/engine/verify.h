/* verify.h - a proposal judged from the inputs it names, and from nothing else it says.
 *
 * ROOM     services/risk/engine: pure; shares no code with the solver.
 * MODEL    shape -> inputs -> portfolio -> kind -> limits -> constraints -> optimality; the first
 *          check that fails names itself by a reason code of its own. certificate.h has the maths.
 *          docs/methods/risk-verification.md has the whole list with the tests.
 * MEMORY   the caller's scratch; nothing is taken.
 * THREADS  any.
 */
#ifndef KEEL_SERVICES_RISK_ENGINE_VERIFY_H
#define KEEL_SERVICES_RISK_ENGINE_VERIFY_H

#include "services/risk/engine/limits.h"

enum { KEEL_RISK_INPUT_STEPS = 8 }; /* steps whose inputs risk keeps (P2) */

/* A message risk has seen. */
typedef struct keel_risk_input {
    keel_input_ref ref;       /* ref.step 0 = empty */
    const double *covariance; /* packed n x n; NULL: a message of another kind */
} keel_risk_input;

typedef struct keel_risk_evidence {
    const keel_universe *universe;
    const keel_risk_limits *limits;
    uint64_t step;     /* the open step */
    int max_input_age; /* steps; 0 = only inputs of this step */
    int inputs_n;
    const keel_risk_input *inputs;
    const int64_t *price_units; /* n last closes; 0 = none yet */
    double *scratch;            /* keel_risk_scratch_len(n) */
} keel_risk_evidence;

/* Sizes, indices and finiteness: what must hold before any array is read to its end.
 * NOT_A_PORTFOLIO. Cost: constraints x n. */
bool keel_risk_check_shape(const keel_universe *universe, const keel_allocation_proposal *proposal,
                           keel_risk_finding *finding);

/* References against what risk has seen: UNKNOWN_INPUT, STALE_INPUT, INPUT_HASH_MISMATCH.
 * *covariance (may be NULL) = the matrix of the first reference that has one, else NULL. */
bool keel_risk_check_inputs(const keel_risk_evidence *evidence, int n, const keel_input_ref *refs,
                            const double **covariance, keel_risk_finding *finding);

/* All checks. True: finding->reason is VERIFIED and finding->certificate holds the residuals as
 * recomputed here. False: the first thing that is wrong. Cost: n^3/6 for OPTIMAL, else n x rows. */
bool keel_risk_verify(const keel_risk_evidence *evidence, const keel_allocation_proposal *proposal,
                      keel_risk_finding *finding);

#endif
