/* What the engine makes can be sent: every output of a run with a stop, a halt, approvals and
 * refusals passes the codec, and comes back to the same bytes. */
#include "tests/unit/risk/driver.h"

#include "common/wire/wire.h"

enum { BYTES_MAX = 1 << 18 };
static uint8_t bytes[BYTES_MAX], again[BYTES_MAX];
static keel_arena arena;

#define SENDS(name, type, value)                                                                   \
    do {                                                                                           \
        type back;                                                                                 \
        size_t len = 0, len_again = 0;                                                             \
        keel_arena_reset(&arena);                                                                  \
        cr_assert_eq(keel_wire_put_##name(value, bytes, BYTES_MAX, &len), KEEL_OK, #name);         \
        cr_assert_eq(keel_wire_get_##name(&arena, bytes, len, &back), KEEL_OK, #name);             \
        cr_assert_eq(keel_wire_put_##name(&back, again, BYTES_MAX, &len_again), KEEL_OK);          \
        cr_assert(len == len_again && memcmp(bytes, again, len) == 0, #name);                      \
    } while (0)

static int sent[5];

static void send_all(void)
{
    static keel_trading_state trading;
    trading = out.trading;
    SENDS(trading_state, keel_trading_state, &trading);
    if (out.made & KEEL_RISK_MADE_CAPITAL)
        SENDS(capital_allocation, keel_capital_allocation, &out.capital);
    if (out.made & KEEL_RISK_MADE_ALLOCATION)
        SENDS(approved_allocation, keel_approved_allocation, &out.allocation);
    if (out.made & KEEL_RISK_MADE_REPORT)
        SENDS(risk_report, keel_risk_report, &out.report);
    for (int i = 0; i < out.breaches_n; i++)
        SENDS(limit_breach, keel_limit_breach, &out.breaches[i]);
    sent[0]++;
    sent[1] += (out.made & KEEL_RISK_MADE_CAPITAL) != 0;
    sent[2] += (out.made & KEEL_RISK_MADE_ALLOCATION) != 0;
    sent[3] += (out.made & KEEL_RISK_MADE_REPORT) != 0;
    sent[4] += out.breaches_n;
}

Test(outputs, all_pass_the_codec)
{
    static const int64_t equity[] = {1000, 1010, 940, 930, 935, 940, 945, 950, 960, 970};
    keel_risk *risk = make();
    keel_arena_init(&arena, 1 << 20);
    for (uint64_t step = 1; step <= 30; step++) {
        open_with(risk, step, step == 7 ? "halt" : step == 8 ? "resume" : NULL);
        if (step > 1) /* the first step has nothing but its trading state */
            give_inputs(risk, step, equity[step % 10] * MICROS, step % 10 == 2 ? 300 * MICROS : 0);
        if (step > 1)
            propose(risk, step);
        propose_capital(risk, books, 2);
        close_step(risk);
        send_all();
    }
    for (int k = 0; k < 5; k++)
        cr_expect_gt(sent[k], 2, "output %d was made %d times", k, sent[k]);
    keel_risk_free(&risk);
    keel_arena_fini(&arena);
}

Test(outputs, halts_of_one_and_of_nobody_pass_the_codec)
{
    keel_taken_request requests[4] = {{"cli/1/1", "halt", "because", "ann", "momentum", ""},
                                      {"cli/1/2", "halt", "because", "ann", "", "A03"},
                                      {"cli/1/3", "halt", "because", "ann", "", "A01"},
                                      {"cli/1/4", "resume", "because", "ann", "nobody", ""}};
    keel_risk *risk = make();
    keel_arena_init(&arena, 1 << 20);
    cr_assert_eq(keel_risk_on_open(risk, 1, requests, 4), KEEL_OK);
    give_inputs(risk, 1, 1000 * MICROS, 0);
    close_step(risk);
    cr_expect_eq(out.trading.strategies_n, 1);
    cr_expect_eq(out.trading.assets_n, 2);
    cr_expect_eq(out.breaches_n, 1);
    send_all();
    keel_risk_free(&risk);
    keel_arena_fini(&arena);
}

Test(outputs, a_refusal_names_a_constraint_with_blanks)
{
    keel_risk *risk = make();
    keel_arena_init(&arena, 1 << 20);
    strcpy(p.rows[1].name, "sector:Layer 1");
    p.rows[1].hi = 1e-3;
    p.rows[1].lo = 0;
    run(risk, 1, 1000 * MICROS, 0, true);
    cr_assert_eq(out.breaches_n, 1);
    cr_expect_str_eq(out.breaches[0].latch.name, "sector:Layer_1");
    cr_expect_not_null(strstr(out.breaches[0].reason.text, "sector:Layer 1"));
    send_all();
    keel_risk_free(&risk);
    keel_arena_fini(&arena);
}
