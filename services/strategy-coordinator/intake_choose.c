#include "services/strategy-coordinator/intake_internal.h"

#include <string.h>

bool keel_intake_is_closed(const keel_intake_desk *desk, uint64_t step, const char **who)
{
    for (int i = 0; i < desk->n; i++) {
        const keel_intake_strategy *strategy = &desk->strategies[desk->by_name[i]];
        const intake_client *c = &desk->clients[desk->by_name[i]];
        if (!strategy->lockstep || !strategy->active ||
            (c->closed_step >= step && c->durable >= c->mark))
            continue;
        *who = strategy->name;
        return false;
    }
    return true;
}

size_t keel_intake_pending(const keel_intake_desk *desk)
{
    return desk->pending;
}

static void forget_choice(keel_intake_desk *desk)
{
    for (int i = 0; i < desk->n; i++) {
        if (desk->by_arrival)
            desk->clients[i].part -= desk->clients[i].quota;
        desk->clients[i].quota = 0;
    }
    desk->chosen = 0;
    desk->turn = 0;
    desk->by_arrival = false;
}

/* As many of each as of the others: shares grow in rounds until the room or the receipts end. */
static void share_room(keel_intake_desk *desk, int room)
{
    uint32_t left = room > 0 ? (uint32_t)room : 0;
    while (left > 0) {
        uint32_t hungry = 0, given = 0;
        for (int i = 0; i < desk->n; i++)
            hungry += desk->clients[i].quota < desk->clients[i].pending;
        if (hungry == 0)
            return;
        const uint32_t each = left / hungry > 0 ? left / hungry : 1;
        for (int i = 0; i < desk->n && given < left; i++) {
            intake_client *c = &desk->clients[desk->by_name[i]];
            const uint32_t want = c->pending - c->quota,
                           share = each < left - given ? each : left - given;
            const uint32_t part = want < share ? want : share;
            c->quota += part;
            given += part;
        }
        left -= given;
    }
}

/* Ranges of the first `quota` receipts; fewer when they are of more epochs than are named at once:
 * a client that begins one after the other leaves the others theirs. */
static void name_chosen(keel_intake_desk *desk, int i, int *n)
{
    const int most = *n + INTAKE_RANGES_EACH;
    intake_client *c = &desk->clients[i];
    uint32_t at = c->first, named = 0;
    for (; named < c->quota; named++, at = desk->blocks[at].receipt.next) {
        const intake_head *h = &desk->blocks[at].receipt;
        keel_intake_range *last = named > 0 ? &desk->ranges[*n - 1] : NULL;
        if (last != NULL && last->epoch_ns == h->epoch_ns && last->to_seq + 1 == h->seq) {
            last->to_seq = h->seq;
            continue;
        }
        if (*n == most)
            break;
        keel_intake_range *range = &desk->ranges[(*n)++];
        memset(range, 0, sizeof *range);
        memcpy(range->strategy, desk->strategies[i].name, sizeof range->strategy);
        range->epoch_ns = h->epoch_ns;
        range->from_seq = range->to_seq = h->seq;
    }
    c->quota = named;
    desk->chosen += (int)named;
}

void keel_intake_choose(keel_intake_desk *desk, int room, keel_intake *intake)
{
    int n = 0;
    forget_choice(desk);
    share_room(desk, room);
    for (int i = 0; i < desk->n; i++)
        name_chosen(desk, desk->by_name[i], &n);
    memset(intake, 0, sizeof *intake);
    memcpy(intake->portfolio, desk->portfolio, sizeof intake->portfolio);
    intake->ranges_n = n;
    intake->ranges = desk->ranges;
}

static bool is_early(const intake_head *h, const keel_intake_moment *at)
{
    return h->row_step > at->step &&
           (h->row_step <= at->newest_row || at->mono_ns - h->since_ns < KEEL_INTAKE_EARLY_NS);
}

/* How many of a strategy's receipts the step has room for, up to the first that is early. */
static uint32_t count_ready(const keel_intake_desk *desk, const intake_client *c,
                            const keel_intake_moment *at, uint32_t room)
{
    const uint32_t part = desk->part_max - c->part < room ? desk->part_max - c->part : room;
    const uint32_t most = c->pending < part ? c->pending : part;
    uint32_t n = 0;
    if (c->latest_row <= at->step)
        return most;
    for (uint32_t b = c->first; n < most && !is_early(&desk->blocks[b].receipt, at); n++)
        b = desk->blocks[b].receipt.next;
    return n;
}

/* Go along the arrivals and give each strategy up to `cap` of the room; what is left of it. */
static uint32_t give_by_arrival(keel_intake_desk *desk, uint32_t cap, uint32_t left)
{
    for (int i = 0; i < desk->n; i++)
        desk->clients[i].passed = 0;
    for (uint32_t at = desk->arrived_first; at != 0 && left > 0;
         at = desk->blocks[at].receipt.later) {
        intake_client *c = &desk->clients[desk->blocks[at].receipt.strategy];
        if (++c->passed <= c->quota || c->quota == cap || c->quota == c->ready)
            continue;
        c->part++;
        c->quota++;
        left--;
    }
    return left;
}

void keel_intake_choose_arrived(keel_intake_desk *desk, const keel_intake_moment *at, int room)
{
    size_t most = 0;
    uint32_t hungry = 0;
    forget_choice(desk);
    for (int i = 0; i < desk->n; i++) {
        intake_client *c = &desk->clients[i];
        c->part = at->step == desk->part_step ? c->part : 0;
        c->ready = count_ready(desk, c, at, room > 0 ? (uint32_t)room : 0);
        most += c->ready;
        hungry += c->ready > 0;
    }
    desk->part_step = at->step;
    desk->chosen = room <= 0 ? 0 : most < (size_t)room ? (int)most : room;
    desk->by_arrival = true;
    desk->cursor = desk->arrived_first;
    if (desk->chosen == 0)
        return;
    uint32_t left = (uint32_t)desk->chosen;
    for (uint32_t cap = left / hungry > 0 ? left / hungry : 1; left > 0; cap *= 2)
        left = give_by_arrival(desk, cap, left);
}

/* The next in order of arrival whose strategy has one chosen: its first one, then. */
static uint32_t next_arrived(keel_intake_desk *desk)
{
    uint32_t at = desk->cursor;
    while (desk->clients[desk->blocks[at].receipt.strategy].quota == 0)
        at = desk->blocks[at].receipt.later;
    desk->cursor = desk->blocks[at].receipt.later;
    desk->clients[desk->blocks[at].receipt.strategy].quota--;
    return at;
}

bool keel_intake_next(keel_intake_desk *desk, keel_receipt *receipt)
{
    if (desk->chosen == 0)
        return false;
    uint32_t at;
    if (desk->by_arrival) {
        at = next_arrived(desk);
    } else {
        while (desk->clients[desk->by_name[desk->turn]].quota == 0)
            desk->turn++;
        intake_client *c = &desk->clients[desk->by_name[desk->turn]];
        at = c->first;
        c->quota--;
    }
    const int strategy = desk->blocks[at].receipt.strategy;
    intake_hand_out(desk, at, receipt);
    intake_drop_pending(desk, at);
    desk->chosen--;
    intake_tell_credit(desk, strategy);
    return true;
}
