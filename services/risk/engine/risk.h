/* risk.h - the engine of risk: inputs of a step in, trading state and approvals out.
 *
 * ROOM     services/risk/engine: pure. Shares no code with the optimizer or its solver.
 * MODEL    Handlers only store; keel_risk_on_step judges, so the order of inputs inside a step does
 *          not matter. In a step: stop (stop.h), capital, weights (verify.h), flatten, report
 *          (report.h). What is approved carries the box that execution may round in:
 *            box[i] = [w - f, w + f] inside [lower, upper] of the proposal, [0, 0] where w = 0
 *          and the equity its fractions refer to: share x account equity where capital is approved
 *          in the same step, else the book's equity as the ledger stated it.
 *          Approvals and refusals are a function of configuration and inputs alone.
 *          An operator may halt the portfolio, one strategy or one asset; each is lifted by a
 *          resume of the same. What signals get is answered beside the steps: check.h.
 * SHAPE    n instruments, indexed as the universe.
 * MEMORY   keel_risk_new takes all, but keel_risk_load, called at start, takes and returns one
 *          state, so that a bad snapshot changes nothing. 8 covariances are kept (P2): 8 MiB at
 *          512 instruments, 0.32 MiB at 100. For every strategy and instrument 96 bytes.
 * THREADS  one thread per object.
 */
#ifndef KEEL_SERVICES_RISK_ENGINE_RISK_H
#define KEEL_SERVICES_RISK_ENGINE_RISK_H

#include "common/domain/bar_row.h"
#include "common/domain/books.h"
#include "common/domain/estimate.h"
#include "services/risk/engine/limits.h"
#include "services/risk/engine/sizing.h"
#include "services/risk/engine/stop.h"
#include "services/risk/engine/verify.h"

/* a stop, a refused capital, a refused allocation, and requests about nobody */
enum { KEEL_RISK_BREACHES_MAX = 3 + 2 * KEEL_TAKEN_MAX };

typedef struct keel_risk keel_risk;

typedef struct keel_risk_strategy {
    char name[KEEL_NAME_MAX]; /* also of its book */
    double max_gross;         /* (0, 20]: of its book's equity */
} keel_risk_strategy;

typedef struct keel_risk_cfg {
    const keel_universe *universe; /* borrowed until keel_risk_free */
    const char *portfolio;         /* names the messages are about; copied */
    const char *core_book;
    int books_n; /* books that may get a share */
    const keel_book_share *books;
    keel_risk_limits limits;
    keel_stop_cfg stop;
    double box_frac;                      /* [0, 1]: half width of a box */
    int max_input_age;                    /* steps, 0..KEEL_RISK_INPUT_STEPS - 1 */
    int strategies_n;                     /* that may send signals, 0..KEEL_STRATEGIES_MAX */
    const keel_risk_strategy *strategies; /* in any order, names once; copied */
    keel_sizing_limits sizing;
} keel_risk_cfg;

enum {
    KEEL_RISK_MADE_CAPITAL = 1 << 0,
    KEEL_RISK_MADE_ALLOCATION = 1 << 1,
    KEEL_RISK_MADE_REPORT = 1 << 2,
};

/* Pointers inside are valid until the next call on the engine. */
typedef struct keel_risk_out {
    unsigned made;              /* set of KEEL_RISK_MADE_* */
    keel_trading_state trading; /* always */
    keel_capital_allocation capital;
    keel_approved_allocation allocation;
    keel_risk_report report;
    int breaches_n;
    keel_limit_breach breaches[KEEL_RISK_BREACHES_MAX];
    int refused; /* proposals of this step that were refused; a breach names each */
    int ignored; /* strategies and assets of requests that are not known; a breach names each */
} keel_risk_out;

/* NULL and *err (may be NULL) on KEEL_EINVAL or KEEL_ERANGE. Owned: keel_risk_free. */
KEEL_MUST_CHECK keel_risk *keel_risk_new(const keel_risk_cfg *cfg, keel_err *err);
void keel_risk_free(keel_risk **risk);

/* Open step `step` with the requests taken in it (P7). KEEL_EORDER: not after the last step;
 * KEEL_ENOSPC: n > KEEL_TAKEN_MAX; KEEL_EUNKNOWN: a kind other than "halt" and "resume". State
 * unchanged on refusal. A request is about the strategy and the asset that it names, else about the
 * portfolio; a name that is not configured changes nothing and stands in a breach. */
KEEL_MUST_CHECK keel_status keel_risk_on_open(keel_risk *risk, uint64_t step,
                                              const keel_taken_request *requests, int n);

/* Inputs of the open step. KEEL_EUNKNOWN: another universe or portfolio; KEEL_EORDER: a row not
 * after the last, or no step is open; KEEL_EEXIST: a second proposal in a step; KEEL_EINVAL,
 * KEEL_ERANGE, KEEL_ENONFINITE: contents that cannot be. State unchanged on refusal.
 * `ref` names the message: topic, step, hash of the payload. */
KEEL_MUST_CHECK keel_status keel_risk_on_row(keel_risk *risk, const keel_bar_row *row);
KEEL_MUST_CHECK keel_status keel_risk_on_portfolio(keel_risk *risk,
                                                   const keel_portfolio_state *portfolio,
                                                   const keel_input_ref *ref);
KEEL_MUST_CHECK keel_status keel_risk_on_covariance(keel_risk *risk,
                                                    const keel_covariance *covariance,
                                                    const keel_input_ref *ref);

/* Proposals are judged in keel_risk_on_step: whatever is wrong inside is a named refusal there,
 * not a status here. */
KEEL_MUST_CHECK keel_status keel_risk_on_capital_proposal(keel_risk *risk,
                                                          const keel_capital_proposal *proposal,
                                                          uint64_t hash);
KEEL_MUST_CHECK keel_status keel_risk_on_allocation_proposal(
    keel_risk *risk, const keel_allocation_proposal *proposal, uint64_t hash);

/* Judge and close the open step; *out is always written on KEEL_OK. KEEL_EORDER: none is open.
 * Cost: n^3/6 for an OPTIMAL proposal, else n^2. */
KEEL_MUST_CHECK keel_status keel_risk_on_step(keel_risk *risk, keel_risk_out *out);

/* Snapshot between steps. save: KEEL_ENOSPC with *len = bytes needed; KEEL_EORDER inside a step.
 * load: KEEL_EFORMAT, KEEL_EVERSION; KEEL_EUNKNOWN another universe; engine unchanged then. What it
 * holds about strategies that are no longer configured is left out. */
KEEL_MUST_CHECK keel_status keel_risk_save(const keel_risk *risk, uint8_t *buf, size_t cap,
                                           size_t *len);
KEEL_MUST_CHECK keel_status keel_risk_load(keel_risk *risk, const uint8_t *buf, size_t len);

#endif
