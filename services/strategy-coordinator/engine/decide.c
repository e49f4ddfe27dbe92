#include "common/base/assert.h"
#include "common/domain/fixed.h"
#include "services/strategy-coordinator/engine/coordinator_internal.h"

#include <string.h>

#define ENTRY_RULE "entry" /* names the price that a size refers to, among the rules of the size */

static const double low_below_frac = 0.5; /* confidence of a signal of LOW priority */

size_t coordinator_decide_bytes(int standing_cap)
{
    const size_t decisions = KEEL_COORDINATOR_DECISIONS_MAX * sizeof(keel_decision);
    const size_t question = (size_t)standing_cap * sizeof(keel_standing) +
                            KEEL_CHECKS_MAX * sizeof(keel_risk_check) + 64;
    return decisions > question ? decisions : question;
}

/* ---- what a decision does to the state ---- */

static void advance(keel_signal_state state, keel_signal_event event)
{
    KEEL_ASSERT(keel_signal_next(state, event) != KEEL_SIGNAL_NEVER);
}

static void put_intent(coordinator_state *state, int strategy, const keel_decision *decision,
                       int64_t entry_units, uint64_t step)
{
    const keel_intent *intent = &decision->intents[0];
    const coordinator_intent *before =
        coordinator_standing_find(&state->standing, strategy, intent->instrument);
    coordinator_intent stands = {
        .target_qty_units = intent->target_qty_units,
        .entry_units = entry_units,
        .stop_units = intent->stop_units,
        .target_units = intent->target_units,
        .valid_until_ns = intent->valid_until_ns,
        .version = intent->version,
        .step = step,
        .strategy = (uint16_t)strategy,
        .instrument = (uint16_t)intent->instrument,
        .state = KEEL_SIGNAL_OPEN,
        .side = (uint8_t)decision->side,
    };
    if (before != NULL) {
        advance((keel_signal_state)before->state, KEEL_SIGNAL_ON_REPLACE);
        stands.before_version = before->state == KEEL_SIGNAL_OPEN ? before->version : 0;
    }
    coordinator_standing_put(&state->standing, &stands);
}

/* What must be known of a decision beside itself. */
typedef struct origin {
    int strategy;
    int instrument; /* -1 = none */
    int64_t entry_units;
    uint64_t step;
    coordinator_age age;
} origin;

static void apply(keel_coordinator *eng, const origin *from, const keel_decision *decision)
{
    coordinator_state *state = eng->state;
    state->view.decision_seq = decision->decision_seq;
    coordinator_count(eng, from->strategy, from->instrument, decision);
    if (decision->signal_id[0] != '\0') {
        const uint64_t hash = keel_hash(decision->signal_id, strlen(decision->signal_id));
        if (coordinator_ids_find(&state->ids, from->strategy, hash) == 0)
            coordinator_ids_add(&state->ids, from->strategy, hash, decision->decision_seq,
                                from->age);
    }
    if (decision->accepted)
        put_intent(state, from->strategy, decision, from->entry_units, from->step);
}

/* ---- making a decision ---- */

static void set_priority(const coordinator_item *item, const char *strategy,
                         keel_decision *decision)
{
    if (item->side == KEEL_SIDE_UNSPECIFIED)
        return;
    const bool is_low = item->confidence_frac < low_below_frac;
    decision->priority = is_low ? KEEL_PRIORITY_LOW : KEEL_PRIORITY_MEDIUM;
    if (is_low)
        keel_reason_set(&decision->priority_reason, KEEL_REASON_WARMING_UP,
                        "confidence %.4g is below %g, and no performance of %s is known yet",
                        item->confidence_frac, low_below_frac, strategy);
    else
        keel_reason_set(&decision->priority_reason, KEEL_REASON_WARMING_UP,
                        "no performance of %s is known yet: every signal is MEDIUM", strategy);
}

/* Risk's rules, then the price that they refer to: a restart reads it there. */
static void set_sizing(const keel_coordinator *eng, const coordinator_item *item,
                       const coordinator_judgement *judgement, const keel_risk_answer *answer,
                       keel_decision *decision)
{
    const int exp = eng->universe->instruments[item->instrument].price_exp;
    decision->sizing_n = answer->rules_n;
    memcpy(decision->sizing, answer->rules, (size_t)answer->rules_n * sizeof answer->rules[0]);
    if (!answer->accepted || decision->sizing_n == KEEL_SIZING_RULES_MAX)
        return;
    const int64_t qty_units = answer->qty_units;
    decision->sizing[decision->sizing_n++] = (keel_sizing_rule){
        .code = KEEL_REASON_ACCEPTED,
        .name = ENTRY_RULE,
        .value = keel_real_of_units(judgement->entry_units, exp),
        .qty_units = qty_units < 0 ? -qty_units : qty_units,
    };
}

static void accept(const coordinator_item *item, const coordinator_judgement *judgement,
                   int64_t qty_units, keel_decision *decision)
{
    decision->accepted = true;
    decision->route = KEEL_ROUTE_MARKET_NEXT_ROW;
    decision->intents_n = 1;
    decision->intents[0] = (keel_intent){
        .instrument = item->instrument,
        .target_qty_units = qty_units,
        .version = decision->decision_seq,
        .stop_units = judgement->stop_units,
        .target_units = judgement->target_units,
        .valid_until_ns = judgement->valid_until_ns,
    };
    memcpy(decision->intents[0].book, decision->strategy, sizeof decision->intents[0].book);
}

/* The receipt at the head of the queue leaves it with this decision. */
static void decide_head(keel_coordinator *eng, const coordinator_judgement *judgement,
                        const keel_risk_answer *answer, keel_decision *decision)
{
    const coordinator_item *item = &eng->queue[eng->head];
    const origin from = {item->strategy, item->instrument, judgement->entry_units, eng->step,
                         judgement->age};
    const char *strategy = eng->strategies[item->strategy].name;
    memset(decision, 0, sizeof *decision);
    memcpy(decision->strategy, strategy, sizeof decision->strategy);
    memcpy(decision->signal_id, item->signal_id, sizeof decision->signal_id);
    memcpy(decision->symbol, item->symbol, sizeof decision->symbol);
    decision->epoch_ns = item->epoch_ns;
    decision->seq = item->seq;
    decision->decision_seq = eng->state->view.decision_seq + 1;
    decision->side = (keel_side)item->side;
    decision->policy = eng->policy;
    decision->route = KEEL_ROUTE_NONE;
    decision->duplicate_of = judgement->duplicate_of;
    decision->reason = answer != NULL ? answer->reason : judgement->reason;
    set_priority(item, strategy, decision);
    if (answer != NULL)
        set_sizing(eng, item, judgement, answer, decision);
    if (answer != NULL && answer->accepted)
        accept(item, judgement, answer->qty_units, decision);
    apply(eng, &from, decision);
    eng->queued[item->strategy].n--;
    eng->head++;
    if (eng->head == eng->tail)
        eng->head = eng->tail = 0;
}

/* ---- the question ---- */

static bool passed(const coordinator_judgement *judgement)
{
    return judgement->reason.code == KEEL_REASON_ACCEPTED;
}

/* Whether there may be no room left for the intent of an item only because of the batch. */
static bool may_fill_table(const keel_coordinator *eng, const coordinator_item *item)
{
    const coordinator_standing *standing = &eng->state->standing;
    return standing->n < standing->cap && standing->n + (uint32_t)eng->fresh_n >= standing->cap &&
           item->instrument >= 0 &&
           coordinator_standing_find(standing, item->strategy, item->instrument) == NULL;
}

/* Whether the checks of an item could come out otherwise once the batch is decided. */
static bool depends_on_batch(const keel_coordinator *eng, const coordinator_item *item)
{
    uint32_t ids = 0; /* that the batch may add */
    for (int i = 0; i < eng->batch_n; i++) {
        const coordinator_item *other = &eng->queue[eng->head + i];
        if (other->strategy != item->strategy)
            continue;
        ids++;
        if (other->hash == item->hash && item->signal_id[0] != '\0' && other->signal_id[0] != '\0')
            return true;
        if (other->instrument == item->instrument && item->instrument >= 0 &&
            passed(&eng->batch[i]))
            return true;
    }
    if (may_fill_table(eng, item) ||
        coordinator_ids_may_forget(&eng->state->ids, item->strategy, item->hash, ids))
        return true;
    if (item->instrument < 0 || item->side == KEEL_SIDE_FLAT || eng->policy == KEEL_CONFLICT_ALLOW)
        return false;
    const int other_side = item->side == KEEL_SIDE_LONG ? KEEL_SIDE_SHORT : KEEL_SIDE_LONG;
    return (eng->touched[item->instrument] & 1 << other_side) != 0;
}

/* An acceptance makes its own side stand and ends the one that it replaces. */
static void touch(keel_coordinator *eng, const coordinator_item *item)
{
    const coordinator_intent *before =
        coordinator_standing_find(&eng->state->standing, item->strategy, item->instrument);
    const int sides = 1 << item->side | (before != NULL ? 1 << before->side : 0);
    eng->touched[item->instrument] = (uint8_t)(eng->touched[item->instrument] | sides);
    eng->fresh_n += before == NULL;
}

static void make_batch(keel_coordinator *eng)
{
    eng->batch_n = eng->checks_n = eng->fresh_n = 0;
    while (eng->batch_n < KEEL_COORDINATOR_DECISIONS_MAX && eng->head + eng->batch_n < eng->tail) {
        const coordinator_item *item = &eng->queue[eng->head + eng->batch_n];
        if (eng->batch_n > 0 && depends_on_batch(eng, item))
            break;
        coordinator_judgement *judgement = &eng->batch[eng->batch_n];
        coordinator_judge(eng, item, eng->step, judgement);
        if (passed(judgement)) {
            advance(KEEL_SIGNAL_RECEIVED, KEEL_SIGNAL_ON_ASK);
            touch(eng, item);
            eng->checks_n++;
        }
        eng->batch_n++;
    }
    for (int i = 0; i < eng->batch_n; i++)
        if (passed(&eng->batch[i]))
            eng->touched[eng->queue[eng->head + i].instrument] = 0;
}

static const keel_risk_check *make_checks(keel_coordinator *eng)
{
    keel_risk_check *checks =
        keel_arena_take(&eng->out, (size_t)eng->checks_n, sizeof(keel_risk_check));
    KEEL_ASSERT(checks != NULL);
    for (int i = 0, at = 0; i < eng->batch_n; i++) {
        const coordinator_item *item = &eng->queue[eng->head + i];
        const coordinator_judgement *judgement = &eng->batch[i];
        if (!passed(judgement))
            continue;
        keel_risk_check *check = &checks[at++];
        memcpy(check->signal_id, item->signal_id, sizeof check->signal_id);
        memcpy(check->strategy, eng->strategies[item->strategy].name, sizeof check->strategy);
        check->instrument = item->instrument;
        check->side = (keel_side)item->side;
        check->entry_units = judgement->entry_units;
        check->stop_units = judgement->stop_units;
        check->target_units = judgement->target_units;
        check->confidence_frac = item->confidence_frac;
    }
    return checks;
}

static const keel_standing *make_standing(keel_coordinator *eng)
{
    const coordinator_standing *standing = &eng->state->standing;
    keel_standing *list = keel_arena_take(&eng->out, standing->n, sizeof(keel_standing));
    size_t at = 0;
    KEEL_ASSERT(list != NULL);
    for (int s = 0; s < eng->strategies_n; s++) {
        const int strategy = eng->strategies_by_name[s];
        for (int i = 0; standing->n_of[strategy] > 0 && i < standing->instruments_n; i++) {
            const coordinator_intent *intent = coordinator_standing_find(standing, strategy, i);
            if (intent == NULL)
                continue;
            keel_standing *to = &list[at++];
            memcpy(to->book, eng->strategies[strategy].name, sizeof to->book);
            to->instrument = i;
            to->target_qty_units = intent->target_qty_units;
            to->version = intent->version;
            to->entry_units = intent->entry_units;
            to->stop_units = intent->stop_units;
        }
    }
    return list;
}

static void ask(keel_coordinator *eng, keel_coordinator_out *out)
{
    make_batch(eng);
    keel_arena_reset(&eng->out);
    memcpy(out->question.portfolio, eng->portfolio, sizeof out->question.portfolio);
    out->has_question = true;
    out->question.decision_seq = eng->state->view.decision_seq;
    out->question.checks_n = eng->checks_n;
    out->question.checks = make_checks(eng);
    out->question.standing_n = (int)eng->state->standing.n;
    out->question.standing = make_standing(eng);
}

/* ---- the calls ---- */

/* Signals that need no answer, up to the first that does. */
static int refuse_first_ones(keel_coordinator *eng)
{
    int n = 0;
    while (eng->head < eng->tail && n < KEEL_COORDINATOR_DECISIONS_MAX) {
        coordinator_judgement judgement;
        coordinator_judge(eng, &eng->queue[eng->head], eng->step, &judgement);
        if (passed(&judgement))
            break;
        advance(KEEL_SIGNAL_RECEIVED, KEEL_SIGNAL_ON_REFUSE);
        decide_head(eng, &judgement, NULL, &eng->decisions[n++]);
    }
    return n;
}

keel_status keel_coordinator_decide(keel_coordinator *eng, uint64_t step, keel_coordinator_out *out)
{
    if (step <= eng->state->view.step)
        return KEEL_EORDER;
    memset(out, 0, sizeof *out);
    out->decisions = eng->decisions;
    out->next = KEEL_COORDINATOR_ASKED;
    if (eng->checks_n > 0)
        return KEEL_OK;
    eng->step = step;
    int n = eng->made_n;
    eng->made_n = 0;
    if (n == 0)
        n = refuse_first_ones(eng);
    if (n == 0 && eng->head < eng->tail) {
        ask(eng, out);
        return KEEL_OK;
    }
    out->decisions_n = n;
    out->next = eng->head < eng->tail ? KEEL_COORDINATOR_AGAIN : KEEL_COORDINATOR_DONE;
    return KEEL_OK;
}

static bool fits(const coordinator_item *item, const keel_risk_answer *answer)
{
    if (strcmp(answer->signal_id, item->signal_id) != 0 || answer->rules_n < 0 ||
        answer->rules_n > KEEL_SIZING_RULES_MAX || !keel_reason_is_known((int)answer->reason.code))
        return false;
    if (answer->accepted != (answer->reason.code == KEEL_REASON_ACCEPTED))
        return false;
    if (!answer->accepted || item->side == KEEL_SIDE_FLAT)
        return answer->qty_units == 0;
    return item->side == KEEL_SIDE_LONG ? answer->qty_units > 0
                                        : answer->qty_units < 0 && answer->qty_units != INT64_MIN;
}

/* `answers` NULL: none came. */
static void decide_batch(keel_coordinator *eng, const keel_risk_answer *answers)
{
    const int n = eng->batch_n;
    for (int i = 0, at = 0; i < n; i++) {
        coordinator_judgement *judgement = &eng->batch[i];
        const bool is_check = passed(judgement);
        const keel_risk_answer *answer = is_check && answers != NULL ? &answers[at++] : NULL;
        if (is_check && answers == NULL)
            keel_reason_set(&judgement->reason, KEEL_REASON_REFUSED_RISK_UNAVAILABLE,
                            "risk did not answer in time");
        advance(is_check ? KEEL_SIGNAL_ASKED : KEEL_SIGNAL_RECEIVED,
                answer != NULL && answer->accepted ? KEEL_SIGNAL_ON_ACCEPT : KEEL_SIGNAL_ON_REFUSE);
        decide_head(eng, judgement, answer, &eng->decisions[i]);
    }
    eng->made_n = n;
    eng->batch_n = eng->checks_n = 0;
}

keel_status keel_coordinator_on_verdict(keel_coordinator *eng, const keel_risk_verdict *verdict)
{
    if (eng->checks_n == 0)
        return KEEL_ENOTFOUND;
    if (strcmp(verdict->portfolio, eng->portfolio) != 0)
        return KEEL_EUNKNOWN;
    if (verdict->answers_n != eng->checks_n)
        return KEEL_EINVAL;
    for (int i = 0, at = 0; i < eng->batch_n; i++)
        if (passed(&eng->batch[i]) && !fits(&eng->queue[eng->head + i], &verdict->answers[at++]))
            return KEEL_EINVAL;
    decide_batch(eng, verdict->answers);
    return KEEL_OK;
}

keel_status keel_coordinator_on_risk_unavailable(keel_coordinator *eng)
{
    if (eng->checks_n == 0)
        return KEEL_ENOTFOUND;
    decide_batch(eng, NULL);
    return KEEL_OK;
}

/* ---- a decision that the log holds ---- */

static int64_t entry_of(const keel_coordinator *eng, const keel_decision *decision)
{
    const keel_intent *intent = &decision->intents[0];
    const int exp = eng->universe->instruments[intent->instrument].price_exp;
    int64_t units;
    for (int i = 0; i < decision->sizing_n; i++)
        if (strcmp(decision->sizing[i].name, ENTRY_RULE) == 0 &&
            keel_units_of_real(decision->sizing[i].value, exp, &units) == KEEL_OK && units > 0)
            return units;
    units = eng->state->closes[intent->instrument];
    return units > 0 ? units : 1;
}

/* What an accepted decision must be for its intent to stand. */
static keel_status check_intent(const keel_coordinator *eng, const keel_decision *decision,
                                const origin *from)
{
    const coordinator_standing *standing = &eng->state->standing;
    const keel_intent *intent = &decision->intents[0];
    const int64_t qty = intent->target_qty_units;
    if (from->instrument < 0)
        return KEEL_EUNKNOWN;
    if (decision->intents_n != 1 || intent->instrument != from->instrument ||
        intent->version != decision->decision_seq || strcmp(intent->book, decision->strategy) != 0)
        return KEEL_EINVAL;
    if (decision->side == KEEL_SIDE_UNSPECIFIED ||
        (decision->side == KEEL_SIDE_LONG) != (qty > 0) ||
        (decision->side == KEEL_SIDE_SHORT) != (qty < 0))
        return KEEL_EINVAL;
    if (standing->n == standing->cap &&
        coordinator_standing_find(standing, from->strategy, from->instrument) == NULL)
        return KEEL_ENOSPC;
    return KEEL_OK;
}

keel_status keel_coordinator_on_own_decision(keel_coordinator *eng, const keel_decision *decision)
{
    const coordinator_state *state = eng->state;
    if (eng->head < eng->tail || eng->made_n > 0)
        return KEEL_EREFUSED;
    if (decision->decision_seq <= state->view.decision_seq)
        return KEEL_EEXIST;
    if (decision->decision_seq != state->view.decision_seq + 1)
        return KEEL_EORDER;
    origin from = {.strategy = coordinator_strategy_find(eng, decision->strategy),
                   .instrument = coordinator_instrument_find(eng, decision->symbol),
                   .step = state->row_step > state->view.step ? state->row_step : state->view.step};
    if (from.strategy < 0)
        return KEEL_EUNKNOWN;
    const coordinator_counts *counts = &state->counts[from.strategy];
    if (decision->epoch_ns < counts->epoch_ns ||
        (decision->epoch_ns == counts->epoch_ns && decision->seq <= counts->seq))
        return KEEL_EORDER;
    if (!keel_reason_is_known((int)decision->reason.code) ||
        decision->accepted != (decision->reason.code == KEEL_REASON_ACCEPTED) ||
        decision->accepted != (decision->intents_n > 0))
        return KEEL_EINVAL;
    if (decision->accepted) {
        KEEL_TRY(check_intent(eng, decision, &from));
        from.entry_units = entry_of(eng, decision);
    }
    apply(eng, &from, decision);
    eng->queued[from.strategy].epoch_ns = decision->epoch_ns;
    eng->queued[from.strategy].seq = decision->seq;
    return KEEL_OK;
}
