/* S1, S2, R6 of the protocol on the merge alone. */
#include "common/bus/steps.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

typedef struct arrival {
    int publisher;
    int topic; /* -1 = the mark */
    uint32_t index;
} arrival;

/* Two publishers: the first sends a0 a1 on topic 0 and b0 on topic 1, the second c0. */
static const arrival all[] = {{0, 0, 0}, {0, 0, 1}, {0, 1, 0}, {0, -1, 0}, {1, 0, 0}, {1, -1, 0}};
enum { ARRIVALS = sizeof all / sizeof all[0] };
static const int topics[] = {2, 1};
static const uint32_t marks[2][2] = {{2, 1}, {1, 0}};

static keel_status deliver(keel_steps *s, const arrival *a, uint64_t step, int64_t epoch,
                           uint8_t tag)
{
    const uint8_t body[4] = {(uint8_t)a->publisher, (uint8_t)(a->topic + 1), (uint8_t)a->index,
                             tag};
    const keel_held held = {a->topic, a->index, body, sizeof body};
    if (a->topic < 0)
        return keel_steps_end(s, a->publisher, epoch, step, marks[a->publisher]);
    return keel_steps_put(s, a->publisher, epoch, step, &held);
}

/* What is handed out, as text. */
static void read_out(const keel_steps *s, uint64_t step, char *out)
{
    char *at = out;
    for (int p = 0; p < 2; p++)
        for (int i = 0; i < keel_steps_count(s, p, step); i++) {
            const keel_held h = keel_steps_at(s, p, step, i);
            at += sprintf(at, "%d.%d.%u.%u ", p, h.topic, h.index, h.frame[3]);
        }
    *at = '\0';
}

static void swap(int *a, int *b)
{
    const int t = *a;
    *a = *b;
    *b = t;
}

static int permutations;

static void try_order(const int *order)
{
    static const char *const expected = "0.0.0.7 0.0.1.7 0.1.0.7 1.0.0.7 ";
    char out[128];
    keel_steps *s = keel_steps_new(2, topics);
    for (int i = 0; i < ARRIVALS; i++) {
        cr_assert_eq(deliver(s, &all[order[i]], 1, 5, 7), KEEL_OK);
        bool both = true;
        for (int p = 0; p < 2; p++)
            both = both && keel_steps_closed(s, p, 1);
        cr_assert_eq(both, i == ARRIVALS - 1, "closed by the last arrival and not before");
    }
    read_out(s, 1, out);
    cr_assert_str_eq(out, expected);
    keel_steps_free(&s);
    permutations++;
}

static void permute(int *order, int k)
{
    if (k == ARRIVALS) {
        try_order(order);
        return;
    }
    for (int i = k; i < ARRIVALS; i++) {
        swap(&order[k], &order[i]);
        permute(order, k + 1);
        swap(&order[k], &order[i]);
    }
}

Test(steps, s1_every_permutation_of_arrivals_gives_one_order)
{
    int order[ARRIVALS];
    for (int i = 0; i < ARRIVALS; i++)
        order[i] = i;
    permute(order, 0);
    cr_assert_eq(permutations, 720);
}

Test(steps, s2_newer_epoch_replaces_an_incomplete_step_whole)
{
    char out[128];
    keel_steps *s = keel_steps_new(2, topics);
    for (int i = 0; i < 3; i++)
        cr_assert_eq(deliver(s, &all[i], 1, 5, 1), KEEL_OK);
    for (int i = 0; i < 4; i++)
        cr_assert_eq(deliver(s, &all[i], 1, 6, 2), KEEL_OK);
    read_out(s, 1, out);
    cr_assert_str_eq(out, "0.0.0.2 0.0.1.2 0.1.0.2 ", "no message of the old epoch is left");
    cr_assert_eq(deliver(s, &all[0], 1, 5, 1), KEEL_EEXIST, "an older epoch is dropped");
    cr_assert_eq(deliver(s, &all[0], 1, 9, 3), KEEL_EEXIST, "a complete step is never replaced");
    read_out(s, 1, out);
    cr_assert_str_eq(out, "0.0.0.2 0.0.1.2 0.1.0.2 ");
    keel_steps_free(&s);
}

Test(steps, refuses_repeats_and_what_was_released)
{
    keel_steps *s = keel_steps_new(2, topics);
    cr_assert_eq(deliver(s, &all[0], 3, 5, 1), KEEL_OK);
    cr_assert_eq(deliver(s, &all[0], 3, 5, 1), KEEL_EEXIST);
    keel_steps_release(s, 0, 3);
    cr_assert_eq(deliver(s, &all[0], 3, 5, 1), KEEL_EEXIST);
    cr_assert_eq(deliver(s, &all[0], 2, 5, 1), KEEL_EEXIST, "nor anything before it");
    cr_assert_eq(keel_steps_held(s), 0);
    keel_steps_free(&s);
}

Test(steps, refuses_what_is_too_far_ahead)
{
    keel_steps *s = keel_steps_new(2, topics);
    cr_assert_eq(deliver(s, &all[0], KEEL_STEPS_AHEAD, 5, 1), KEEL_OK);
    cr_assert_eq(deliver(s, &all[0], KEEL_STEPS_AHEAD + 1, 5, 1), KEEL_ETOOBIG);
    keel_steps_release(s, 0, 1);
    cr_assert_eq(deliver(s, &all[0], KEEL_STEPS_AHEAD + 1, 5, 1), KEEL_OK);
    cr_assert_eq(keel_steps_newest(s, 0), KEEL_STEPS_AHEAD + 1);
    keel_steps_free(&s);
}

Test(steps, a_step_is_closed_only_with_its_mark_and_all_messages)
{
    keel_steps *s = keel_steps_new(2, topics);
    cr_assert(keel_steps_closed(s, 0, 0), "step 0 is always closed");
    cr_assert_eq(deliver(s, &all[3], 1, 5, 1), KEEL_OK);
    cr_assert_not(keel_steps_closed(s, 0, 1), "marked, but the messages are missing");
    for (int i = 0; i < 3; i++)
        cr_assert_eq(deliver(s, &all[i], 1, 5, 1), KEEL_OK);
    cr_assert(keel_steps_closed(s, 0, 1));
    keel_steps_free(&s);
}

Test(steps, r6_a_step_passed_over_is_still_held_until_released)
{
    uint64_t late[4];
    keel_steps *s = keel_steps_new(2, topics);
    cr_assert_eq(deliver(s, &all[0], 1, 5, 1), KEEL_OK);
    cr_assert_eq(keel_steps_pass(s, 0, 1), KEEL_OK);
    cr_assert_eq(keel_steps_pass(s, 0, 2), KEEL_OK, "also when nothing of it has arrived");
    for (int i = 1; i < 4; i++)
        cr_assert_eq(deliver(s, &all[i], 1, 5, 1), KEEL_OK);
    for (int i = 0; i < 4; i++)
        cr_assert_eq(deliver(s, &all[i], 2, 5, 1), KEEL_OK);
    cr_assert_eq(keel_steps_late(s, 0, late, 4), 2);
    cr_assert_eq(late[0], 1);
    cr_assert_eq(late[1], 2);
    cr_assert(keel_steps_closed(s, 0, 1) && keel_steps_closed(s, 0, 2));
    keel_steps_release(s, 0, 1);
    cr_assert_eq(keel_steps_late(s, 0, late, 4), 1);
    cr_assert_eq(deliver(s, &all[0], 1, 5, 1), KEEL_EEXIST);
    keel_steps_free(&s);
}

Test(steps, restart_forgets_and_starts_at_the_step_given)
{
    const uint64_t first[] = {10, 9};
    keel_steps *s = keel_steps_new(2, topics);
    cr_assert_eq(deliver(s, &all[0], 3, 5, 1), KEEL_OK);
    keel_steps_restart(s, first);
    cr_assert_eq(keel_steps_held(s), 0);
    cr_assert_eq(deliver(s, &all[0], 9, 5, 1), KEEL_EEXIST);
    cr_assert_eq(deliver(s, &all[0], 10, 4, 1), KEEL_OK, "also of an older epoch");
    cr_assert_eq(deliver(s, &all[4], 9, 5, 1), KEEL_OK);
    keel_steps_free(&s);
}
