/* check.h - the coordinator asks, risk answers; the coordinator decides, risk remembers.
 *
 * ROOM     services/risk/engine: pure.
 * MODEL    An answer is a function of the last closed step and of the question alone: the same
 *          question gets the same bytes. Exposures are what the strategies' books hold, replaced by
 *          the intents that stand (core's holdings do not count: the optimizer's constraints govern
 *          them). Checks are answered in order; an accepted one stands for those after it.
 *
 *          Nobody hides an intent from risk. Of every intent that the decisions told and the books
 *          did not end, the question must have this version or a newer one, and of this version
 *          the same target and stop; else all its answers are INPUT_HASH_MISMATCH. What it lists
 *          beyond that counts when it is newer than the newest decision heard, and is over
 *          otherwise: then the position counts. In live mode the coordinator may be a step ahead
 *          and know an end that risk has not heard of: an intent that a question of a later step
 *          leaves out is not missed but counted as it is known here.
 * MEMORY   verdict->answers are valid until the next call on the engine.
 */
#ifndef KEEL_SERVICES_RISK_ENGINE_CHECK_H
#define KEEL_SERVICES_RISK_ENGINE_CHECK_H

#include "services/risk/engine/risk.h"

/* Answer a question; (step, index, hash) name it. *verdict is written on KEEL_OK only.
 * KEEL_EUNKNOWN another portfolio; KEEL_ERANGE a count outside its list; KEEL_EINVAL standing not
 * ascending by (book, instrument). Cost: strategies x instruments, then per check n. */
KEEL_MUST_CHECK keel_status keel_risk_on_check(keel_risk *risk,
                                               const keel_risk_check_request *request,
                                               uint64_t step, uint32_t index, uint64_t hash,
                                               keel_risk_verdict *verdict);

/* Remember the intents of a decision, or that there was one without any. KEEL_EORDER: not after the
 * last one; KEEL_EUNKNOWN: a book of no strategy; KEEL_ERANGE, KEEL_EINVAL: an intent that can not
 * be; KEEL_ENOSPC: KEEL_STANDING_MAX are in force. State unchanged on refusal. */
KEEL_MUST_CHECK keel_status keel_risk_on_decision(keel_risk *risk, const keel_decision *decision);

#endif
