/* Questions to risk hold as many signals as can be judged apart; the outcome is that of deciding
 * them one after the other. */
#include "tests/unit/strategy-coordinator/fixture.h"

static void expect_in_order(const world *w)
{
    for (int i = 1; i < w->made_n; i++)
        cr_assert_eq(w->made[i].decision_seq, w->made[i - 1].decision_seq + 1);
}

static keel_reason_code code_of(const world *w, int i)
{
    return w->made[i].reason.code;
}

Test(batches, keep_the_order_of_arrival_around_what_is_refused)
{
    world *w = make_world(KEEL_CONFLICT_UNSPECIFIED);
    open_step(w);
    say(w, "alpha", "a1", "NONE", KEEL_SIDE_LONG);
    say(w, "alpha", "a2", "BTC", KEEL_SIDE_LONG);
    say(w, "beta", "b1", "NONE", KEEL_SIDE_LONG);
    say(w, "beta", "b2", "ETH", KEEL_SIDE_LONG);
    say(w, "gamma", "g1", "NONE", KEEL_SIDE_LONG);
    cr_assert_eq(decide(w), 5);
    static const char *const ids[] = {"a1", "a2", "b1", "b2", "g1"};
    for (int i = 0; i < 5; i++) {
        cr_expect_str_eq(w->made[i].signal_id, ids[i]);
        cr_expect_eq(w->made[i].accepted, i % 2 == 1);
    }
    expect_in_order(w);
    cr_expect_eq(w->questions, 1);
    cr_expect_eq(w->checks_max, 2);
    end_world(w);
}

Test(batches, hold_back_what_follows_a_check_until_the_answer)
{
    world *w = make_world(KEEL_CONFLICT_UNSPECIFIED);
    keel_coordinator_out out;
    open_step(w);
    say(w, "alpha", "a1", "BTC", KEEL_SIDE_LONG);
    say(w, "alpha", "a2", "NONE", KEEL_SIDE_LONG);
    cr_assert_eq(keel_coordinator_decide(w->eng, 1, &out), KEEL_OK);
    cr_expect_eq(out.decisions_n, 0);
    cr_expect(out.has_question);
    cr_expect_eq(out.next, KEEL_COORDINATOR_ASKED);
    cr_expect_eq(out.question.checks_n, 1);
    cr_expect_eq(out.question.checks[0].entry_units, PRICE_UNITS);
    cr_expect_eq(out.question.decision_seq, 0);
    cr_assert_eq(keel_coordinator_decide(w->eng, 1, &out), KEEL_OK); /* asked once */
    cr_expect_eq(out.next, KEEL_COORDINATOR_ASKED);
    cr_expect_not(out.has_question);
    cr_expect_eq(keel_coordinator_on_step(w->eng, 1, NULL), KEEL_EREFUSED);
    cr_assert_eq(keel_coordinator_on_risk_unavailable(w->eng), KEEL_OK);
    cr_assert_eq(keel_coordinator_decide(w->eng, 1, &out), KEEL_OK);
    cr_assert_eq(out.decisions_n, 2);
    cr_expect_eq(out.decisions[0].reason.code, KEEL_REASON_REFUSED_RISK_UNAVAILABLE);
    cr_expect_eq(out.decisions[1].reason.code, KEEL_REASON_UNKNOWN_SYMBOL);
    cr_expect_eq(out.next, KEEL_COORDINATOR_DONE);
    end_world(w);
}

Test(batches, find_a_repeat_inside_and_between_them)
{
    world *w = make_world(KEEL_CONFLICT_UNSPECIFIED);
    open_step(w);
    say(w, "alpha", "same", "BTC", KEEL_SIDE_LONG);
    say(w, "alpha", "same", "ETH", KEEL_SIDE_LONG);
    say(w, "beta", "same", "AAA", KEEL_SIDE_LONG); /* another strategy's id */
    cr_assert_eq(decide(w), 3);
    cr_expect_eq(code_of(w, 0), KEEL_REASON_ACCEPTED);
    cr_expect_eq(code_of(w, 1), KEEL_REASON_DUPLICATE);
    cr_expect_eq(w->made[1].duplicate_of, 1);
    cr_expect_eq(code_of(w, 2), KEEL_REASON_ACCEPTED);
    say(w, "alpha", "same", "BTC", KEEL_SIDE_LONG);
    cr_assert_eq(decide(w), 1);
    cr_expect_eq(w->made[0].duplicate_of, 1); /* the first decision, not the repeat's */
    end_world(w);
}

Test(batches, find_a_repeat_of_a_refused_one)
{
    world *w = make_world(KEEL_CONFLICT_UNSPECIFIED);
    w->risk_says = KEEL_REASON_BUDGET_EXHAUSTED;
    open_step(w);
    say(w, "alpha", "poor", "BTC", KEEL_SIDE_LONG);
    say(w, "alpha", "none", "NONE", KEEL_SIDE_LONG); /* held back, with an id of its own */
    say(w, "alpha", "none", "ETH", KEEL_SIDE_LONG);
    say(w, "alpha", "poor", "AAA", KEEL_SIDE_LONG);
    cr_assert_eq(decide(w), 4);
    cr_expect_eq(w->made[2].duplicate_of, 2);
    cr_expect_eq(w->made[3].duplicate_of, 1);
    expect_in_order(w);
    end_world(w);
}

Test(batches, see_a_conflict_with_an_earlier_one_that_is_accepted)
{
    world *w = make_world(KEEL_CONFLICT_UNSPECIFIED);
    open_step(w);
    say(w, "alpha", "a1", "BTC", KEEL_SIDE_LONG);
    say(w, "beta", "b1", "BTC", KEEL_SIDE_SHORT);
    cr_assert_eq(decide(w), 2);
    cr_expect_eq(code_of(w, 1), KEEL_REASON_CONFLICT); /* SI04, SI11 */
    cr_expect_not_null(strstr(w->made[1].reason.text, "alpha is long in BTC since decision 1"));
    end_world(w);

    w = make_world(KEEL_CONFLICT_UNSPECIFIED); /* refused: no conflict */
    open_step(w);
    w->risk_says = KEEL_REASON_FREE_CASH;
    say(w, "alpha", "a1", "BTC", KEEL_SIDE_LONG);
    say(w, "beta", "b1", "BTC", KEEL_SIDE_SHORT);
    cr_assert_eq(decide(w), 2);
    cr_expect_eq(code_of(w, 1), KEEL_REASON_FREE_CASH);
    end_world(w);
}

Test(batches, see_that_an_earlier_one_ends_a_conflict)
{
    world *w = make_world(KEEL_CONFLICT_UNSPECIFIED);
    open_step(w);
    say(w, "alpha", "a1", "BTC", KEEL_SIDE_LONG);
    decide(w);
    say(w, "alpha", "a2", "BTC", KEEL_SIDE_FLAT);
    say(w, "beta", "b1", "BTC", KEEL_SIDE_SHORT);
    cr_assert_eq(decide(w), 2);
    cr_expect_eq(code_of(w, 1), KEEL_REASON_ACCEPTED);
    say(w, "gamma", "g1", "BTC", KEEL_SIDE_LONG);
    cr_assert_eq(decide(w), 1);
    cr_expect_eq(code_of(w, 0), KEEL_REASON_CONFLICT);
    end_world(w);
}

Test(batches, let_a_strategy_turn_round_but_not_against_another)
{
    world *w = make_world(KEEL_CONFLICT_UNSPECIFIED);
    open_step(w);
    say(w, "alpha", "a1", "BTC", KEEL_SIDE_LONG);
    say(w, "alpha", "a2", "BTC", KEEL_SIDE_SHORT); /* its own */
    cr_assert_eq(decide(w), 2);
    cr_expect_eq(code_of(w, 1), KEEL_REASON_ACCEPTED);
    cr_expect_eq(view_of(w).standing, 1);
    end_world(w);

    w = make_world(KEEL_CONFLICT_UNSPECIFIED);
    open_step(w);
    say(w, "alpha", "a1", "BTC", KEEL_SIDE_LONG);
    say(w, "beta", "b1", "BTC", KEEL_SIDE_LONG);
    say(w, "alpha", "a2", "BTC", KEEL_SIDE_SHORT); /* beta is long too */
    cr_assert_eq(decide(w), 3);
    cr_expect_eq(code_of(w, 2), KEEL_REASON_CONFLICT);
    cr_expect_not_null(strstr(w->made[2].reason.text, "beta"));
    end_world(w);
}

Test(batches, allow_opposite_sides_when_told_to)
{
    world *w = make_world(KEEL_CONFLICT_ALLOW);
    open_step(w);
    say(w, "alpha", "a1", "BTC", KEEL_SIDE_LONG);
    say(w, "beta", "b1", "BTC", KEEL_SIDE_SHORT);
    cr_assert_eq(decide(w), 2);
    cr_expect(w->made[0].accepted && w->made[1].accepted);
    cr_expect_eq(w->made[1].policy, KEEL_CONFLICT_ALLOW);
    cr_expect_eq(w->questions, 1);
    end_world(w);
}

/* Signals of one side do not depend on each other: a question may hold one symbol many times. */
Test(batches, ask_about_agreeing_strategies_at_once)
{
    world *w = make_world(KEEL_CONFLICT_UNSPECIFIED);
    open_step(w);
    say(w, "alpha", "a1", "BTC", KEEL_SIDE_LONG);
    say(w, "beta", "b1", "BTC", KEEL_SIDE_LONG);
    say(w, "gamma", "g1", "BTC", KEEL_SIDE_LONG);
    say(w, "alpha", "a2", "BTC", KEEL_SIDE_LONG); /* replaces a1: judged after it */
    cr_assert_eq(decide(w), 4);
    cr_expect_eq(w->questions, 2);
    cr_expect_eq(w->checks_max, 3);
    end_world(w);
}

Test(batches, ask_about_256_at_most)
{
    world *w = make_world(KEEL_CONFLICT_UNSPECIFIED);
    keel_coordinator_strategy *many = keel_xcalloc(400, sizeof *many);
    keel_coordinator_out out;
    for (int i = 0; i < 400; i++) {
        snprintf(many[i].name, KEEL_NAME_MAX, "s%03d", i);
        many[i].active = true;
    }
    const keel_coordinator_cfg cfg = {
        .universe = &w->universe, .portfolio = "main", .strategies_n = 400, .strategies = many};
    keel_coordinator_free(&w->eng);
    w->eng = keel_coordinator_new(&cfg, NULL);
    open_step(w);
    for (int i = 0; i < 400; i++) {
        keel_signal s = {.seq = 1, .epoch_ns = 1, .symbol = "BTC", .side = KEEL_SIDE_LONG};
        memcpy(s.strategy, many[399 - i].name, sizeof s.strategy);
        snprintf(s.signal_id, sizeof s.signal_id, "one");
        cr_assert_eq(queue_signal(w, &s), KEEL_OK);
    }
    cr_expect_eq(decide(w), 400);
    cr_expect_eq(w->checks_max, KEEL_CHECKS_MAX);
    cr_expect_eq(w->questions, 2);
    expect_in_order(w);
    keel_signal s = {.strategy = "s000",
                     .signal_id = "two",
                     .seq = 2,
                     .epoch_ns = 1,
                     .symbol = "ETH",
                     .side = KEEL_SIDE_LONG};
    cr_assert_eq(queue_signal(w, &s), KEEL_OK);
    cr_assert_eq(keel_coordinator_decide(w->eng, 1, &out), KEEL_OK);
    cr_assert_eq(out.question.standing_n, 400);
    for (int i = 0; i < 400; i++) /* ascending (book, instrument), whatever the order of deciding */
        cr_expect_str_eq(out.question.standing[i].book, many[i].name);
    keel_free(&many);
    end_world(w);
}

Test(batches, refuse_an_answer_that_does_not_fit_the_question)
{
    world *w = make_world(KEEL_CONFLICT_UNSPECIFIED);
    keel_coordinator_out out;
    static keel_risk_answer answers[3];
    keel_risk_verdict verdict = {.portfolio = "main", .answers_n = 3, .answers = answers};
    open_step(w);
    say(w, "alpha", "a1", "BTC", KEEL_SIDE_LONG);
    say(w, "beta", "b1", "ETH", KEEL_SIDE_SHORT);
    say(w, "gamma", "g1", "AAA", KEEL_SIDE_FLAT);
    cr_expect_eq(keel_coordinator_on_verdict(w->eng, &verdict), KEEL_ENOTFOUND);
    cr_assert_eq(keel_coordinator_decide(w->eng, 1, &out), KEEL_OK);
    static const char *const ids[] = {"a1", "b1", "g1"};
    static const int64_t sizes[] = {7, -7, 0};
    for (int i = 0; i < 3; i++) {
        snprintf(answers[i].signal_id, sizeof answers[i].signal_id, "%s", ids[i]);
        answers[i].accepted = true;
        answers[i].reason.code = KEEL_REASON_ACCEPTED;
        answers[i].qty_units = sizes[i];
    }
    static const int64_t wrong[] = {0, 7, 1}; /* long nothing, short up, flat something */
    for (int i = 0; i < 3; i++) {
        answers[i].qty_units = wrong[i];
        cr_expect_eq(keel_coordinator_on_verdict(w->eng, &verdict), KEEL_EINVAL, "%d", i);
        answers[i].qty_units = sizes[i];
    }
    answers[1].signal_id[0] = 'x';
    cr_expect_eq(keel_coordinator_on_verdict(w->eng, &verdict), KEEL_EINVAL);
    answers[1].signal_id[0] = 'b';
    answers[2].reason.code = KEEL_REASON_RISK_LIMIT;
    cr_expect_eq(keel_coordinator_on_verdict(w->eng, &verdict), KEEL_EINVAL);
    answers[2].reason.code = KEEL_REASON_ACCEPTED;
    answers[0].rules_n = KEEL_SIZING_RULES_MAX + 1;
    cr_expect_eq(keel_coordinator_on_verdict(w->eng, &verdict), KEEL_EINVAL);
    answers[0].rules_n = KEEL_SIZING_RULES_MAX; /* no line is left for the entry */
    verdict.answers_n = 2;
    cr_expect_eq(keel_coordinator_on_verdict(w->eng, &verdict), KEEL_EINVAL);
    verdict.answers_n = 3;
    verdict.portfolio[0] = 'x';
    cr_expect_eq(keel_coordinator_on_verdict(w->eng, &verdict), KEEL_EUNKNOWN);
    verdict.portfolio[0] = 'm';
    cr_expect_eq(keel_coordinator_on_verdict(w->eng, &verdict), KEEL_OK);
    cr_expect_eq(keel_coordinator_on_verdict(w->eng, &verdict), KEEL_ENOTFOUND);
    cr_assert_eq(keel_coordinator_decide(w->eng, 1, &out), KEEL_OK);
    cr_assert_eq(out.decisions_n, 3);
    cr_expect_eq(out.decisions[0].sizing_n, KEEL_SIZING_RULES_MAX);
    cr_expect_eq(out.decisions[1].intents[0].target_qty_units, -7);
    end_world(w);
}

Test(batches, are_not_cut_where_every_intent_that_can_stand_does)
{
    static const char *const names[] = {"alpha", "beta", "gamma", "asleep"};
    static const char *const symbols[] = {"BTC", "ETH", "AAA", "LATE"};
    world *w = make_world(KEEL_CONFLICT_UNSPECIFIED);
    keel_coordinator_free(&w->eng);
    w->strategies[3].active = true;
    w->closes[LATE] = PRICE_UNITS;
    w->eng = make_engine(w, KEEL_CONFLICT_UNSPECIFIED);
    open_step(w);
    for (int round = 1; round <= 2; round++) {
        for (int s = 0; s < 4; s++)
            for (int i = 0; i < 4; i++) {
                char id[16];
                snprintf(id, sizeof id, "%d-%d-%d", round, s, i);
                say(w, names[s], id, symbols[i], KEEL_SIDE_LONG);
            }
        cr_assert_eq(decide(w), 16);
        for (int i = 0; i < 16; i++)
            cr_expect_eq(code_of(w, i), KEEL_REASON_ACCEPTED);
        cr_expect_eq(w->questions, round);
        cr_expect_eq(w->checks_max, 16);
    }
    end_world(w);
}
