#include "services/cli/beats.h"

#include "common/base/timefmt.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static int index_of(const char *name)
{
    for (int i = 0; i < KEEL_SERVICES_N; i++)
        if (strcmp(keel_service_at(i), name) == 0)
            return i;
    cr_assert_fail("no service %s", name);
    return -1;
}

/* Everyone heard just now, `now` on the same clock. */
static keel_beats *all_heard(int64_t now)
{
    keel_beats *b = keel_beats_new();
    for (int i = 0; i < KEEL_SERVICES_N; i++)
        b->heard_ns[i] = now;
    return b;
}

static void awaits(keel_beats *b, const char *who, const char *whom)
{
    keel_heartbeat *h = &b->beat[index_of(who)];
    snprintf(h->awaited, sizeof h->awaited, "%s", whom);
}

enum { NOW_S = 1000 };

Test(beats, nobody_waits_while_all_are_heard)
{
    const int64_t now = NOW_S * KEEL_NS_PER_S;
    keel_beats *b = all_heard(now);
    cr_assert(keel_beats_complete(b));
    cr_assert_eq(keel_beats_awaited(b, now), -1);
    b->heard_ns[3] = 0;
    cr_assert_not(keel_beats_complete(b));
    keel_free(&b);
}

Test(beats, the_end_of_the_chain_is_named)
{
    const int64_t now = NOW_S * KEEL_NS_PER_S;
    keel_beats *b = all_heard(now);
    awaits(b, "risk", "optimizer 17");
    awaits(b, "optimizer", "ledger 17");
    awaits(b, "ledger", "execution 17");
    cr_assert_eq(keel_beats_awaited(b, now), index_of("execution"));
    keel_free(&b);
}

Test(beats, one_that_is_silent_and_awaited_comes_first)
{
    const int64_t now = NOW_S * KEEL_NS_PER_S;
    keel_beats *b = all_heard(now);
    b->heard_ns[index_of("correlation")] = now - 2 * KEEL_NS_PER_S;
    b->heard_ns[index_of("relay")] = now - 2 * KEEL_NS_PER_S;
    awaits(b, "optimizer", "correlation 9");
    awaits(b, "risk", "optimizer 9");
    awaits(b, "correlation", "feed 9"); /* what it said before it fell silent counts no more */
    cr_assert_eq(keel_beats_awaited(b, now), index_of("correlation"));
    keel_free(&b);
}

Test(beats, a_circle_of_waiting_ends)
{
    const int64_t now = NOW_S * KEEL_NS_PER_S;
    keel_beats *b = all_heard(now);
    awaits(b, "risk", "ledger 1");
    awaits(b, "ledger", "risk 0");
    const int at = keel_beats_awaited(b, now);
    cr_assert(at == index_of("risk") || at == index_of("ledger"));
    keel_free(&b);
}

Test(beats, silence_counts_from_the_beginning_for_who_was_never_heard)
{
    keel_beats *b = keel_beats_new();
    const int64_t limit = KEEL_BEAT_SILENT_MS * KEEL_NS_PER_MS;
    cr_assert_not(keel_beats_silent(b, 2, b->began_ns + limit - 1));
    cr_assert(keel_beats_silent(b, 2, b->began_ns + limit));
    keel_free(&b);
}

Test(beats, bytes_that_are_no_heartbeat_are_ignored)
{
    static const uint8_t junk[] = {0xff, 0xff, 0xff, 0x01};
    keel_beats *b = keel_beats_new();
    const keel_envelope e = {.payload = junk, .payload_len = sizeof junk};
    keel_beats_take(b, &e);
    for (int i = 0; i < KEEL_SERVICES_N; i++)
        cr_assert_eq(b->heard_ns[i], 0);
    keel_free(&b);
}
