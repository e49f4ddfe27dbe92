/* A snapshot restores everything, or is refused and changes nothing. */
#include "tests/unit/strategy-coordinator/fixture.h"

/* Some of everything a snapshot holds. */
static world *busy(void)
{
    world *w = make_world(KEEL_CONFLICT_UNSPECIFIED);
    open_step(w);
    say(w, "alpha", "a1", "BTC", KEEL_SIDE_LONG);
    say(w, "beta", "b1", "ETH", KEEL_SIDE_SHORT);
    say(w, "beta", "b1", "ETH", KEEL_SIDE_SHORT);
    say(w, "gamma", "g1", "NONE", KEEL_SIDE_FLAT);
    say(w, "gamma", "g2", "AAA", KEEL_SIDE_FLAT);
    decide(w);
    close_step(w);
    tell_row(w);
    const uint64_t v = 1;
    tell_book(w, "alpha", 0, 10, &v, 1);
    tell_mode(w, KEEL_TRADING_ACTIVE, 2);
    close_step(w);
    return w;
}

/* What happens next is the same in both. */
static void expect_same_future(world *one, world *two)
{
    static world *const none = NULL;
    world *both[] = {one, two, none};
    for (int i = 0; both[i] != NULL; i++) {
        open_step(both[i]);
        say(both[i], "gamma", "g9", "BTC", KEEL_SIDE_SHORT);
        say(both[i], "beta", "b1", "ETH", KEEL_SIDE_SHORT);
        say(both[i], "alpha", "a2", "ETH", KEEL_SIDE_LONG);
        decide(both[i]);
        close_step(both[i]);
    }
    cr_assert_eq(one->made_n, two->made_n);
    cr_expect_eq(memcmp(one->made, two->made, (size_t)one->made_n * sizeof *one->made), 0);
    cr_expect(same_state(one->eng, two->eng));
}

Test(save, goes_on_as_if_nothing_had_happened)
{
    world *one = busy(), *two = make_world(KEEL_CONFLICT_UNSPECIFIED);
    size_t len;
    uint8_t *bytes = snapshot_of(one->eng, &len), small[8];
    size_t need = 0;
    cr_expect_eq(keel_coordinator_save(one->eng, small, sizeof small, &need), KEEL_ENOSPC);
    cr_expect_eq(need, len);
    cr_assert_eq(keel_coordinator_load(two->eng, bytes, len), KEEL_OK);
    cr_expect(same_state(one->eng, two->eng));
    two->step = one->step;
    memcpy(two->seqs, one->seqs, sizeof two->seqs);
    expect_same_future(one, two);
    keel_free(&bytes);
    end_world(one);
    end_world(two);
}

Test(save, leaves_what_is_queued_to_be_handed_over_again)
{
    world *w = busy();
    size_t len;
    open_step(w);
    uint8_t *bytes = snapshot_of(w->eng, &len);
    const keel_signal s = signal_of(w, "alpha", "a2", "BTC", KEEL_SIDE_LONG);
    cr_assert_eq(queue_signal(w, &s), KEEL_OK);
    cr_assert_eq(keel_coordinator_load(w->eng, bytes, len), KEEL_OK);
    cr_expect_eq(keel_coordinator_room(w->eng), KEEL_COORDINATOR_QUEUE_MAX);
    cr_expect_eq(queue_signal(w, &s), KEEL_OK);
    keel_free(&bytes);
    end_world(w);
}

Test(save, refuses_bad_bytes_and_keeps_its_state)
{
    world *one = busy(), *two = busy();
    size_t len;
    uint8_t *bytes = snapshot_of(one->eng, &len);
    for (size_t cut = 0; cut < len; cut++)
        cr_expect_neq(keel_coordinator_load(two->eng, bytes, cut), KEEL_OK, "%zu", cut);
    uint8_t *longer = keel_xcalloc(len + 1, 1);
    memcpy(longer, bytes, len);
    cr_expect_eq(keel_coordinator_load(two->eng, longer, len + 1), KEEL_EFORMAT);
    bytes[0] ^= 1;
    cr_expect_eq(keel_coordinator_load(two->eng, bytes, len), KEEL_EFORMAT);
    bytes[0] ^= 1;
    bytes[4] ^= 1;
    cr_expect_eq(keel_coordinator_load(two->eng, bytes, len), KEEL_EVERSION);
    bytes[4] ^= 1;
    bytes[8] ^= 1;
    cr_expect_eq(keel_coordinator_load(two->eng, bytes, len), KEEL_EUNKNOWN);
    bytes[8] ^= 1;
    cr_expect(same_state(one->eng, two->eng));
    keel_free(&longer);
    keel_free(&bytes);
    end_world(one);
    end_world(two);
}

/* Any byte that is not as it was: refused, or a state whose counts add up and that saves to the
 * bytes it was loaded from. */
Test(save, takes_no_state_that_could_not_be)
{
    world *one = busy(), *two = make_world(KEEL_CONFLICT_UNSPECIFIED);
    size_t len;
    uint8_t *bytes = snapshot_of(one->eng, &len);
    int taken = 0;
    for (size_t i = 0; i < len; i++)
        for (int bit = 0; bit < 8; bit++) {
            bytes[i] ^= (uint8_t)(1 << bit);
            if (keel_coordinator_load(two->eng, bytes, len) == KEEL_OK) {
                size_t again_len;
                uint8_t *again = snapshot_of(two->eng, &again_len);
                cr_assert(len == again_len && memcmp(bytes, again, len) == 0, "byte %zu", i);
                keel_free(&again);
                keel_strategy_report report;
                if (keel_coordinator_report(two->eng, &report))
                    check_counts(&report);
                taken++;
            }
            bytes[i] ^= (uint8_t)(1 << bit);
        }
    cr_expect_gt(taken, 0); /* prices and times have no sum */
    keel_free(&bytes);
    end_world(one);
    end_world(two);
}

Test(save, is_of_one_configuration)
{
    world *w = busy();
    size_t len;
    uint8_t *bytes = snapshot_of(w->eng, &len);
    keel_coordinator_cfg cfg = {.universe = &w->universe,
                                .portfolio = "other",
                                .strategies_n = 4,
                                .strategies = w->strategies};
    keel_coordinator *other = keel_coordinator_new(&cfg, NULL);
    cr_expect_eq(keel_coordinator_load(other, bytes, len), KEEL_EUNKNOWN);
    keel_coordinator_free(&other);
    cfg.portfolio = "main";
    cfg.strategies_n = 3;
    other = keel_coordinator_new(&cfg, NULL);
    cr_expect_eq(keel_coordinator_load(other, bytes, len), KEEL_EUNKNOWN);
    keel_coordinator_free(&other);
    keel_free(&bytes);
    end_world(w);
}
