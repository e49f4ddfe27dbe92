/* Snapshot, little endian: u32 magic, u32 version, u64 universe, u32 n, u32 books, then the fields
 * of state in order (arrays without lengths: n, books and n(n+1)/2), blob of the allocator. */
#include "services/optimizer/engine/optimizer.h"

#include "common/base/assert.h"
#include "common/base/mem.h"
#include "common/base/pack.h"
#include "common/base/text.h"

#include <math.h>
#include <string.h>

#define CORE_BOOK        "core"
#define SHARES_TOLERANCE 1e-12 /* shares are typed decimals: their sum may be off by roundings */

enum { SNAPSHOT_MAGIC = 0x54504f4b /* "KOPT" */, SNAPSHOT_VERSION = 1 };

/* Everything that changes. */
typedef struct opt_state {
    bool has_step;
    bool has_portfolio;
    bool has_covariance;
    uint64_t step;
    keel_rebalance_mark core;
    keel_rebalance_mark capital;
    keel_input_ref portfolio_ref;
    keel_input_ref covariance_ref;
    double *target;     /* n: last proposed */
    double *held;       /* n */
    double *shares;     /* books_n: held share of account equity */
    double *covariance; /* packed */
} opt_state;

struct keel_optimizer {
    keel_optimizer_cfg cfg;
    keel_universe universe;
    char portfolio[KEEL_NAME_MAX];
    char method_why[KEEL_REASON_TEXT_MAX];
    keel_book_share *books; /* books_n */
    double *wanted;         /* books_n: configured shares */
    keel_allocator *allocator;
    opt_state now;
    opt_state staged; /* load() fills it before anything is replaced */
};

static void state_init(opt_state *s, int n, int books_n)
{
    s->target = keel_xcalloc((size_t)n, sizeof(double));
    s->held = keel_xcalloc((size_t)n, sizeof(double));
    s->shares = keel_xcalloc((size_t)books_n, sizeof(double));
    s->covariance = keel_xcalloc(keel_packed_len(n), sizeof(double));
}

static void state_fini(opt_state *s)
{
    keel_free(&s->target);
    keel_free(&s->held);
    keel_free(&s->shares);
    keel_free(&s->covariance);
}

static keel_status check_rule(const keel_rebalance_rule *r, const char *key, keel_err *err)
{
    if (r->period_ns < 0 || (r->monthly && r->period_ns != 0))
        return keel_err_set(err, KEEL_ERANGE, "portfolio.rebalancing_frequency: not a period");
    if (!(r->threshold_frac >= 0.0 && r->threshold_frac <= 1.0))
        return keel_err_set(err, KEEL_ERANGE, "%s %g, allowed 0..1", key, r->threshold_frac);
    if (r->retry_steps < 1)
        return keel_err_set(err, KEEL_ERANGE, "optimizer.retry_bars %d, at least 1",
                            r->retry_steps);
    return KEEL_OK;
}

static keel_status check_books(const keel_optimizer_cfg *c, keel_err *err)
{
    double sum = 0.0;
    if (c->books_n < 1 || c->books_n > KEEL_BOOKS_MAX)
        return keel_err_set(err, KEEL_ERANGE, "capital: %d books, allowed 1..%d", c->books_n,
                            KEEL_BOOKS_MAX);
    for (int b = 0; b < c->books_n; b++) {
        const keel_book_share *book = &c->books[b];
        if (!(book->share_frac >= 0.0 && book->share_frac <= 1.0))
            return keel_err_set(err, KEEL_ERANGE, "capital.%s: %g, allowed 0..1", book->book,
                                book->share_frac);
        for (int k = 0; k < b; k++)
            if (strcmp(book->book, c->books[k].book) == 0)
                return keel_err_set(err, KEEL_EEXIST, "capital.%s: given twice", book->book);
        sum += book->share_frac;
    }
    if (sum > 1.0 + SHARES_TOLERANCE)
        return keel_err_set(err, KEEL_EREFUSED,
                            "capital: the shares sum to %g; at most 1, the rest is reserve", sum);
    return KEEL_OK;
}

static keel_status check_cfg(const keel_optimizer_cfg *c, keel_err *err)
{
    KEEL_TRY(check_rule(&c->core, "optimizer.drift_threshold", err));
    KEEL_TRY(check_rule(&c->capital, "optimizer.capital_drift", err));
    KEEL_TRY(check_books(c, err));
    if (c->portfolio == NULL || !keel_name_ok(c->portfolio, KEEL_NAME_MAX))
        return keel_err_set(err, KEEL_EINVAL, "portfolio.name: not a name");
    if (c->covariance_age_max < 0)
        return keel_err_set(err, KEEL_ERANGE, "optimizer.covariance_age_max is negative");
    if (!isfinite(c->cost_bps) || c->cost_bps < 0.0)
        return keel_err_set(err, KEEL_ERANGE, "optimizer.cost_bps must be >= 0");
    if (strlen(c->method_why) >= KEEL_REASON_TEXT_MAX / 2)
        return keel_err_set(err, KEEL_ETOOBIG, "the reason for the method is too long");
    return KEEL_OK;
}

keel_optimizer *keel_optimizer_new(const keel_optimizer_cfg *cfg, keel_err *err)
{
    if (check_cfg(cfg, err) != KEEL_OK)
        return NULL;
    keel_allocator *allocator = keel_allocator_new(&cfg->allocation, err);
    if (allocator == NULL)
        return NULL;
    keel_optimizer *eng = keel_xcalloc(1, sizeof *eng);
    eng->cfg = *cfg;
    eng->universe = *cfg->allocation.universe;
    eng->cfg.books = NULL; /* borrowed, with all of allocation but its method */
    eng->cfg.allocation = (keel_allocator_cfg){.method = cfg->allocation.method};
    eng->allocator = allocator;
    memcpy(eng->portfolio, cfg->portfolio, strlen(cfg->portfolio) + 1);
    memcpy(eng->method_why, cfg->method_why, strlen(cfg->method_why) + 1);
    eng->books = keel_xcalloc((size_t)cfg->books_n, sizeof *eng->books);
    eng->wanted = keel_xcalloc((size_t)cfg->books_n, sizeof *eng->wanted);
    for (int b = 0; b < cfg->books_n; b++) {
        eng->books[b] = cfg->books[b];
        eng->wanted[b] = cfg->books[b].share_frac;
    }
    state_init(&eng->now, eng->universe.n, cfg->books_n);
    state_init(&eng->staged, eng->universe.n, cfg->books_n);
    return eng;
}

void keel_optimizer_free(keel_optimizer **eng)
{
    if (*eng == NULL)
        return;
    keel_allocator_free(&(*eng)->allocator);
    keel_free(&(*eng)->books);
    keel_free(&(*eng)->wanted);
    state_fini(&(*eng)->now);
    state_fini(&(*eng)->staged);
    keel_free(eng);
}

static const keel_book *find_book(const keel_portfolio_state *state, const char *name)
{
    for (int b = 0; b < state->books_n; b++)
        if (strcmp(state->books[b].book, name) == 0)
            return &state->books[b];
    return NULL;
}

static keel_status check_portfolio(const keel_optimizer *eng, const keel_portfolio_state *state)
{
    if (strcmp(state->portfolio, eng->portfolio) != 0 || state->universe_hash != eng->universe.hash)
        return KEEL_EUNKNOWN;
    const keel_book *core = find_book(state, CORE_BOOK);
    for (int k = 0; core != NULL && k < core->positions_n; k++)
        if (core->positions[k].instrument < 0 || core->positions[k].instrument >= eng->universe.n)
            return KEEL_ERANGE;
    return KEEL_OK;
}

keel_status keel_optimizer_on_portfolio(keel_optimizer *eng, const keel_portfolio_state *state,
                                        const keel_input_ref *ref)
{
    KEEL_TRY(check_portfolio(eng, state));
    opt_state *s = &eng->now;
    memset(s->held, 0, (size_t)eng->universe.n * sizeof *s->held);
    memset(s->shares, 0, (size_t)eng->cfg.books_n * sizeof *s->shares);
    const keel_book *core = find_book(state, CORE_BOOK);
    for (int k = 0; core != NULL && core->equity_micros > 0 && k < core->positions_n; k++)
        s->held[core->positions[k].instrument] =
            (double)core->positions[k].value_micros / (double)core->equity_micros;
    for (int b = 0; state->equity_micros > 0 && b < eng->cfg.books_n; b++) {
        const keel_book *book = find_book(state, eng->books[b].book);
        if (book != NULL)
            s->shares[b] = (double)book->equity_micros / (double)state->equity_micros;
    }
    s->portfolio_ref = *ref;
    s->has_portfolio = true;
    return KEEL_OK;
}

keel_status keel_optimizer_on_covariance(keel_optimizer *eng, const keel_covariance *covariance,
                                         const keel_input_ref *ref)
{
    const int n = eng->universe.n;
    if (covariance->universe_hash != eng->universe.hash || covariance->n != n)
        return KEEL_EUNKNOWN;
    for (size_t k = 0; k < keel_packed_len(n); k++)
        if (!isfinite(covariance->covariance[k]))
            return KEEL_ENONFINITE;
    for (int i = 0; i < n; i++)
        if (covariance->covariance[keel_packed_at(n, i, i)] <= 0.0)
            return KEEL_ENONFINITE;
    opt_state *s = &eng->now;
    memcpy(s->covariance, covariance->covariance, keel_packed_len(n) * sizeof(double));
    s->covariance_ref = *ref;
    s->has_covariance = true;
    return KEEL_OK;
}

static void mark_now(keel_rebalance_mark *mark, uint64_t step, int64_t event_ns)
{
    *mark = (keel_rebalance_mark){true, step, event_ns};
}

static void put_capital(keel_optimizer *eng, keel_optimizer_out *out)
{
    keel_capital_proposal *p = &out->capital;
    memcpy(p->portfolio, eng->portfolio, sizeof p->portfolio);
    p->books = eng->cfg.books_n;
    p->shares = eng->books;
    p->method = KEEL_METHOD_STATIC;
    p->inputs_n = 1;
    p->inputs[0] = eng->now.portfolio_ref;
    out->made |= KEEL_OPTIMIZER_MADE_CAPITAL;
}

/* Level one: the configured shares, when due. */
static void step_capital(keel_optimizer *eng, uint64_t step, int64_t event_ns,
                         keel_optimizer_out *out)
{
    opt_state *s = &eng->now;
    int at = 0;
    if (!s->has_portfolio)
        return;
    const double drift = keel_rebalance_drift(eng->cfg.books_n, s->shares, eng->wanted, &at);
    const keel_rebalance_verdict v =
        keel_rebalance_judge(&eng->cfg.capital, &s->capital, step, event_ns, drift);
    keel_reason *reason = &out->capital.reason;
    if (v.code == KEEL_REASON_WITHIN_THRESHOLD || v.waits)
        return;
    if (v.code != KEEL_REASON_FIRST_ALLOCATION && !eng->cfg.apply)
        return;
    if (v.code == KEEL_REASON_FIRST_ALLOCATION)
        keel_reason_set(reason, v.code, "first capital for %d books", eng->cfg.books_n);
    else if (v.code == KEEL_REASON_SCHEDULE_DUE)
        keel_reason_set(reason, v.code, "scheduled; largest share drift %.4f", drift);
    else
        keel_reason_set(reason, v.code, "share of %s is %.4f, wanted %.4f, threshold %.4f",
                        eng->books[at].book, s->shares[at], eng->wanted[at],
                        eng->cfg.capital.threshold_frac);
    put_capital(eng, out);
    mark_now(&s->capital, step, event_ns);
}

/* What one step decides about level two, while it is being decided. */
typedef struct verdict {
    keel_rebalance_verdict due;
    double drift;
    int drift_at;
    bool by_capital; /* due only because capital moves in this step */
} verdict;

static verdict judge(const keel_optimizer *eng, uint64_t step, int64_t event_ns,
                     const keel_optimizer_out *out)
{
    const opt_state *s = &eng->now;
    verdict v = {.drift_at = 0};
    if (s->core.proposed)
        v.drift = keel_rebalance_drift(eng->universe.n, s->held, s->target, &v.drift_at);
    v.due = keel_rebalance_judge(&eng->cfg.core, &s->core, step, event_ns, v.drift);
    const bool idle = v.due.code == KEEL_REASON_WITHIN_THRESHOLD || v.due.waits;
    if (idle && (out->made & KEEL_OPTIMIZER_MADE_CAPITAL) != 0) {
        v.due.code = KEEL_REASON_DRIFT_ABOVE_THRESHOLD;
        v.due.waits = false;
        v.by_capital = true;
    }
    return v;
}

static bool is_flat(const keel_optimizer *eng)
{
    for (int i = 0; i < eng->universe.n; i++)
        if (eng->now.held[i] != 0.0) /* exact: a position of nothing is worth exactly 0 */
            return false;
    return true;
}

/* The trigger as a sentence, and the method where it is not the configured one. */
static void explain(const keel_optimizer *eng, const verdict *v, keel_reason_code code,
                    keel_reason *reason)
{
    char text[KEEL_REASON_TEXT_MAX];
    size_t len = 0;
    const double threshold = eng->cfg.core.threshold_frac;
    const char *symbol = eng->universe.instruments[v->drift_at].symbol;
    text[0] = '\0';
    if (v->by_capital)
        (void)keel_text_add(text, sizeof text, &len, "capital shares move in this step");
    else if (v->due.code == KEEL_REASON_FIRST_ALLOCATION)
        (void)keel_text_add(text, sizeof text, &len, "nothing was allocated before");
    else if (v->due.code == KEEL_REASON_SCHEDULE_DUE)
        (void)keel_text_add(text, sizeof text, &len, "scheduled; largest drift %.4f", v->drift);
    else
        (void)keel_text_add(text, sizeof text, &len,
                            "%s drifted %.4f from its target, threshold %.4f%s", symbol, v->drift,
                            threshold, is_flat(eng) ? "; core holds nothing" : "");
    if (eng->method_why[0] != '\0')
        (void)keel_text_add(text, sizeof text, &len, "; %s", eng->method_why);
    keel_reason_set(reason, code, "%s", text);
}

static bool covariance_usable(const keel_optimizer *eng, uint64_t step, keel_reason *reason)
{
    const opt_state *s = &eng->now;
    if (!s->has_covariance) {
        keel_reason_set(reason, KEEL_REASON_WARMING_UP, "no covariance yet");
        return false;
    }
    const uint64_t age = step > s->covariance_ref.step ? step - s->covariance_ref.step : 0;
    if (age > (uint64_t)eng->cfg.covariance_age_max) {
        keel_reason_set(reason, KEEL_REASON_WARMING_UP,
                        "the last covariance is %llu steps old, at most %d is used",
                        (unsigned long long)age, eng->cfg.covariance_age_max);
        return false;
    }
    return true;
}

static void explain_failure(const keel_allocation_answer *answer, keel_reason *reason)
{
    if (answer->outcome == KEEL_OUTCOME_INFEASIBLE)
        keel_reason_set(reason, KEEL_REASON_INFEASIBLE,
                        "the last weights stay; no weights satisfy %s", answer->conflict);
    else if (answer->outcome == KEEL_OUTCOME_SINGULAR)
        keel_reason_set(reason, KEEL_REASON_SINGULAR,
                        "the last weights stay; the covariance is not positive definite");
    else
        keel_reason_set(reason, KEEL_REASON_SOLVER_FAILED,
                        "the last weights stay; no certified answer within the iteration bound");
}

static double traded_of(const keel_optimizer *eng, const double *weights)
{
    double sum = 0.0;
    for (int i = 0; i < eng->universe.n; i++)
        sum += fabs(weights[i] - eng->now.held[i]);
    return sum;
}

static void put_allocation(keel_optimizer *eng, const keel_allocation_answer *answer, double traded,
                           keel_allocation_proposal *p)
{
    double invested = 0.0;
    for (int i = 0; i < eng->universe.n; i++)
        invested += answer->weights[i];
    *p = (keel_allocation_proposal){
        .universe_hash = eng->universe.hash,
        .method = eng->cfg.allocation.method,
        .n = eng->universe.n,
        .weights = answer->weights,
        .cash_frac = fmax(0.0, 1.0 - invested), /* a full budget may sum to 1 + 2^-52 */
        .lower = answer->lower,
        .upper = answer->upper,
        .bound_multipliers = answer->bound_multipliers,
        .constraints_n = answer->constraints_n,
        .constraints = answer->constraints,
        .certificate = answer->certificate,
        .objective = answer->objective,
        .expected_volatility = sqrt(2.0 * answer->objective),
        .turnover_frac = 0.5 * traded,
        .cost_frac = eng->cfg.cost_bps * 1e-4 * traded,
        .inputs_n = 2,
        .inputs = {eng->now.covariance_ref, eng->now.portfolio_ref},
        .current = eng->now.held,
    };
    memcpy(p->portfolio, eng->portfolio, sizeof p->portfolio);
    memcpy(p->book, CORE_BOOK, sizeof CORE_BOOK);
}

/* Level two is due and may be computed. */
static void rebalance(keel_optimizer *eng, const verdict *v, uint64_t step, int64_t event_ns,
                      keel_optimizer_out *out)
{
    opt_state *s = &eng->now;
    keel_rebalance_decision *d = &out->decision;
    keel_allocation_answer answer;
    /* on_covariance() has refused what solve() could refuse. */
    const keel_status status = keel_allocator_solve(eng->allocator, s->covariance, &answer);
    KEEL_ASSERT(status == KEEL_OK);
    if (answer.outcome != KEEL_OUTCOME_SOLVED) {
        explain_failure(&answer, &d->reason);
        return;
    }
    const double traded = traded_of(eng, answer.weights);
    d->turnover_frac = 0.5 * traded;
    if (!eng->cfg.apply) {
        explain(eng, v, KEEL_REASON_DECIDE_ONLY, &d->reason);
        return;
    }
    put_allocation(eng, &answer, traded, &out->allocation);
    explain(eng, v, v->due.code, &out->allocation.reason);
    d->reason = out->allocation.reason;
    d->applied = true;
    out->made |= KEEL_OPTIMIZER_MADE_ALLOCATION;
    memcpy(s->target, answer.weights, (size_t)eng->universe.n * sizeof *s->target);
    mark_now(&s->core, step, event_ns);
}

static void step_core(keel_optimizer *eng, uint64_t step, int64_t event_ns, keel_optimizer_out *out)
{
    keel_rebalance_decision *d = &out->decision;
    const verdict v = judge(eng, step, event_ns, out);
    memcpy(d->portfolio, eng->portfolio, sizeof d->portfolio);
    d->due = v.due.code != KEEL_REASON_WITHIN_THRESHOLD;
    d->max_drift_frac = v.drift;
    d->threshold_frac = eng->cfg.core.threshold_frac;
    d->next_due_ns = v.due.next_due_ns;
    if (!eng->now.has_portfolio)
        keel_reason_set(&d->reason, KEEL_REASON_WARMING_UP, "no portfolio state yet");
    else if (!d->due)
        keel_reason_set(&d->reason, KEEL_REASON_WITHIN_THRESHOLD,
                        "largest drift %.4f, threshold %.4f", v.drift, d->threshold_frac);
    else if (v.due.waits)
        keel_reason_set(&d->reason, v.due.code, "drift %.4f waits: proposed %llu steps ago",
                        v.drift, (unsigned long long)(step - eng->now.core.step));
    else if (covariance_usable(eng, step, &d->reason))
        rebalance(eng, &v, step, event_ns, out);
}

keel_status keel_optimizer_on_step(keel_optimizer *eng, uint64_t step, int64_t event_ns,
                                   keel_optimizer_out *out)
{
    memset(out, 0, sizeof *out);
    if (eng->now.has_step && step <= eng->now.step)
        return KEEL_EORDER;
    step_capital(eng, step, event_ns, out);
    step_core(eng, step, event_ns, out);
    eng->now.has_step = true;
    eng->now.step = step;
    return KEEL_OK;
}

static void pack_mark(keel_packer *p, const keel_rebalance_mark *mark)
{
    keel_pack_u8(p, mark->proposed);
    keel_pack_u64(p, mark->step);
    keel_pack_i64(p, mark->event_ns);
}

static void pack_ref(keel_packer *p, const keel_input_ref *ref)
{
    keel_pack_str(p, ref->topic);
    keel_pack_u64(p, ref->step);
    keel_pack_u64(p, ref->payload_hash);
}

keel_status keel_optimizer_save(const keel_optimizer *eng, uint8_t *buf, size_t cap, size_t *len)
{
    const opt_state *s = &eng->now;
    const size_t n = (size_t)eng->universe.n;
    size_t blob = 0;
    keel_packer p = keel_packer_over(buf, cap);
    keel_pack_u32(&p, SNAPSHOT_MAGIC);
    keel_pack_u32(&p, SNAPSHOT_VERSION);
    keel_pack_u64(&p, eng->universe.hash);
    keel_pack_u32(&p, (uint32_t)n);
    keel_pack_u32(&p, (uint32_t)eng->cfg.books_n);
    keel_pack_u8(&p, s->has_step);
    keel_pack_u8(&p, s->has_portfolio);
    keel_pack_u8(&p, s->has_covariance);
    keel_pack_u64(&p, s->step);
    pack_mark(&p, &s->core);
    pack_mark(&p, &s->capital);
    pack_ref(&p, &s->portfolio_ref);
    pack_ref(&p, &s->covariance_ref);
    keel_pack_reals(&p, s->target, n);
    keel_pack_reals(&p, s->held, n);
    keel_pack_reals(&p, s->shares, (size_t)eng->cfg.books_n);
    keel_pack_reals(&p, s->covariance, keel_packed_len(eng->universe.n));
    if (keel_allocator_save(eng->allocator, NULL, 0, &blob) == KEEL_OK)
        KEEL_ASSERT(blob == 0);
    keel_pack_u32(&p, (uint32_t)blob);
    *len = p.len + blob;
    if (p.failed || p.cap - p.len < blob)
        return KEEL_ENOSPC;
    return keel_allocator_save(eng->allocator, buf + p.len, blob, &blob);
}

/* A flag is 0 or 1; anything else is not one of our snapshots. */
static bool unpack_flag(keel_unpacker *u)
{
    const uint8_t value = keel_unpack_u8(u);
    u->failed = u->failed || value > 1;
    return value == 1;
}

static void unpack_mark(keel_unpacker *u, keel_rebalance_mark *mark)
{
    mark->proposed = unpack_flag(u);
    mark->step = keel_unpack_u64(u);
    mark->event_ns = keel_unpack_i64(u);
}

static void unpack_ref(keel_unpacker *u, keel_input_ref *ref)
{
    keel_unpack_str(u, ref->topic, sizeof ref->topic);
    ref->step = keel_unpack_u64(u);
    ref->payload_hash = keel_unpack_u64(u);
}

static bool unpack_head(const keel_optimizer *eng, keel_unpacker *u)
{
    return keel_unpack_u32(u) == SNAPSHOT_MAGIC && keel_unpack_u32(u) == SNAPSHOT_VERSION &&
           keel_unpack_u64(u) == eng->universe.hash &&
           keel_unpack_u32(u) == (uint32_t)eng->universe.n &&
           keel_unpack_u32(u) == (uint32_t)eng->cfg.books_n;
}

static bool covariance_ok(const keel_optimizer *eng, const opt_state *s)
{
    for (int i = 0; s->has_covariance && i < eng->universe.n; i++)
        if (s->covariance[keel_packed_at(eng->universe.n, i, i)] <= 0.0)
            return false;
    return true;
}

keel_status keel_optimizer_load(keel_optimizer *eng, const uint8_t *buf, size_t len)
{
    opt_state *s = &eng->staged;
    const size_t n = (size_t)eng->universe.n;
    size_t blob_len = 0;
    keel_unpacker u = keel_unpacker_over(buf, len);
    if (!unpack_head(eng, &u))
        return KEEL_EFORMAT;
    s->has_step = unpack_flag(&u);
    s->has_portfolio = unpack_flag(&u);
    s->has_covariance = unpack_flag(&u);
    s->step = keel_unpack_u64(&u);
    unpack_mark(&u, &s->core);
    unpack_mark(&u, &s->capital);
    unpack_ref(&u, &s->portfolio_ref);
    unpack_ref(&u, &s->covariance_ref);
    keel_unpack_reals(&u, s->target, n);
    keel_unpack_reals(&u, s->held, n);
    keel_unpack_reals(&u, s->shares, (size_t)eng->cfg.books_n);
    keel_unpack_reals(&u, s->covariance, keel_packed_len(eng->universe.n));
    const uint8_t *blob = keel_unpack_blob(&u, &blob_len);
    KEEL_TRY(keel_unpacker_done(&u));
    if (!covariance_ok(eng, s))
        return KEEL_EFORMAT;
    KEEL_TRY(keel_allocator_load(eng->allocator, blob, blob_len));
    const opt_state old = eng->now;
    eng->now = eng->staged;
    eng->staged = old;
    return KEEL_OK;
}
