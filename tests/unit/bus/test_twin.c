#include "common/bus/bus.h"

#include <criterion/criterion.h>
#include <string.h>

static void say(const keel_bus *b, const char *topic, uint8_t tag)
{
    b->ops->publish(b->self, topic, &tag, 1);
}

static int heard(const keel_bus *b)
{
    keel_bus_frame f;
    return b->ops->receive(b->self, &f) == KEEL_OK ? f.frame[0] : -1;
}

static keel_hub_fate fate;
static keel_hub_fate judge(void *arg, int from, int to, const char *topic)
{
    (void)arg, (void)from, (void)to, (void)topic;
    return fate;
}

Test(twin, delivers_what_was_subscribed_to_in_order)
{
    keel_hub *h = keel_hub_new(NULL, NULL);
    keel_bus a, b;
    keel_hub_open(h, 0, &a);
    keel_hub_open(h, 1, &b);
    b.ops->subscribe(b.self, "v1.row.");
    say(&a, "v1.row.1h.", 1);
    say(&a, "v1.other.", 2);
    say(&a, "v1.row.1h.", 3);
    cr_assert_eq(heard(&b), 1);
    cr_assert_eq(heard(&b), 3);
    cr_assert_eq(heard(&b), -1);
    cr_assert_eq(heard(&a), -1, "nobody hears himself");
    keel_hub_free(&h);
}

Test(twin, reports_subscriptions_to_others)
{
    char prefix[32];
    keel_hub *h = keel_hub_new(NULL, NULL);
    keel_bus a, b;
    keel_hub_open(h, 0, &a);
    keel_hub_open(h, 1, &b);
    b.ops->subscribe(b.self, "v1.row.");
    cr_assert_eq(a.ops->joined(a.self, prefix, sizeof prefix), KEEL_OK);
    cr_assert_str_eq(prefix, "v1.row.");
    cr_assert_eq(a.ops->joined(a.self, prefix, sizeof prefix), KEEL_EUNAVAIL);
    keel_hub_free(&h);
}

Test(twin, loses_holds_and_releases_as_judged_and_never_reorders)
{
    keel_hub *h = keel_hub_new(judge, NULL);
    keel_bus a, b;
    keel_hub_open(h, 0, &a);
    keel_hub_open(h, 1, &b);
    b.ops->subscribe(b.self, "v1.");
    fate = KEEL_HUB_LOSE;
    say(&a, "v1.x.", 1);
    fate = KEEL_HUB_HOLD;
    say(&a, "v1.x.", 2);
    fate = KEEL_HUB_DELIVER;
    say(&a, "v1.x.", 3);
    cr_assert_eq(heard(&b), -1, "3 waits behind 2");
    keel_hub_release(h);
    cr_assert_eq(heard(&b), 2);
    cr_assert_eq(heard(&b), 3);
    keel_hub_free(&h);
}

Test(twin, a_dropped_port_loses_what_it_had_not_received)
{
    keel_hub *h = keel_hub_new(NULL, NULL);
    keel_bus a, b;
    keel_hub_open(h, 0, &a);
    keel_hub_open(h, 1, &b);
    b.ops->subscribe(b.self, "v1.");
    say(&a, "v1.x.", 1);
    keel_hub_drop(h, 1);
    keel_hub_open(h, 1, &b);
    cr_assert_eq(heard(&b), -1);
    say(&a, "v1.x.", 2);
    cr_assert_eq(heard(&b), -1, "subscriptions died with it");
    keel_hub_free(&h);
}
