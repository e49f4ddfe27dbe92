/* Rows in order. What is missing is asked of the feed, 64 steps at a time; a row that is not the
 * next one is dropped, for it comes again in the answer. So there is nothing to hold back and
 * nothing to bound. */
#include "common/base/timefmt.h"
#include "common/client/strategy_internal.h"
#include "common/domain/fixed.h"
#include "common/wire/wire.h"

#include <stdio.h>
#include <string.h>

#define ASK_NS (100 * KEEL_NS_PER_MS)

enum { ASK_STEPS = 64 };

/* ---- where rows begin ---- */

static bool lacks_rows(const strategy_rows *r)
{
    return r->next > 0 && r->newest >= r->next;
}

/* Lockstep begins with row 1, live with what is newest, or so many rows before. Only the feed's
 * beat tells what is newest: the first row heard may be an old one that somebody else asked for. */
static void begin(keel_strategy *s)
{
    strategy_rows *r = &s->rows;
    const uint64_t history = (uint64_t)s->history_rows;
    r->next = 1;
    if (!s->lockstep) {
        r->live = r->newest;
        r->next = r->newest > history + 1 ? r->newest - history : 1;
    }
    r->hole = lacks_rows(r); /* asked for at once */
}

void strategy_on_feed(keel_strategy *s, uint64_t step_done, int64_t now_ns)
{
    strategy_rows *r = &s->rows;
    const bool lacked = lacks_rows(r);
    r->feed_heard = true;
    if (step_done > r->newest)
        r->newest = step_done;
    if (r->next == 0 && (s->wants & KEEL_WANT_ROWS) != 0)
        begin(s);
    else if (!lacked && lacks_rows(r))
        r->moved_ns = now_ns; /* the row itself may be under way */
}

/* ---- what is missing ---- */

static bool lacks_universe(const keel_strategy *s)
{
    return !s->universe_known && s->rows.newest > 0 && (s->wants & KEEL_WANT_ROWS) != 0;
}

/* A used-up answer and a hole are asked about at once; else what is missing may be under way. */
static int64_t rows_due_ns(const strategy_rows *r)
{
    if (!lacks_rows(r))
        return INT64_MAX;
    if (r->asked_to > 0 && r->next == r->asked_to + 1)
        return INT64_MIN;
    const int64_t since = r->hole || r->asked_ns > r->moved_ns ? r->asked_ns : r->moved_ns;
    return since == 0 ? INT64_MIN : since + ASK_NS;
}

static void ask(keel_strategy *s, uint64_t from, uint64_t to)
{
    keel_resend resend = {.from_step = from, .to_step = to};
    uint8_t payload[256];
    keel_envelope e = {.type = KEEL_PAYLOAD_RESEND, .payload = payload};
    snprintf(resend.publisher, sizeof resend.publisher, "feed");
    memcpy(resend.requester, s->name, sizeof resend.requester);
    if (keel_wire_put_resend(&resend, payload, sizeof payload, &e.payload_len) != KEEL_OK)
        return;
    strategy_send(s, KEEL_TOPIC_RESEND, "feed", &e);
    s->rows_asked++;
}

void strategy_ask_rows(keel_strategy *s, int64_t now_ns)
{
    strategy_rows *r = &s->rows;
    if (!s->link.sends_joined || s->open_step > 0)
        return;
    if (lacks_universe(s)) {
        if (now_ns < r->universe_asked_ns + ASK_NS)
            return;
        r->universe_asked_ns = now_ns;
        ask(s, 1, 1); /* it is published in step 1 */
        return;
    }
    if (now_ns < rows_due_ns(r))
        return;
    const uint64_t most = r->next + ASK_STEPS - 1;
    r->asked_to = r->newest < most ? r->newest : most;
    r->asked_ns = now_ns;
    r->hole = false;
    ask(s, r->next, r->asked_to);
}

int64_t strategy_ask_due_ns(const keel_strategy *s)
{
    if (!s->link.sends_joined || s->open_step > 0)
        return INT64_MAX;
    if (lacks_universe(s))
        return s->rows.universe_asked_ns + ASK_NS;
    return rows_due_ns(&s->rows);
}

/* ---- what came ---- */

static void take_universe(keel_strategy *s, const keel_envelope *e)
{
    keel_universe_state state;
    if (keel_wire_get_universe_state(&s->arena, e->payload, e->payload_len, &state) != KEEL_OK) {
        s->link.dropped++;
        return;
    }
    if (s->universe_known)
        return;
    *s->universe = *state.universe;
    s->universe_known = true;
}

static const double *to_prices(keel_strategy *s, const int64_t *units, int which)
{
    double *out = s->prices + (size_t)which * KEEL_UNIVERSE_MAX;
    if (units == NULL)
        return NULL;
    for (int i = 0; i < s->universe->n; i++)
        out[i] = keel_real_of_units(units[i], s->universe->instruments[i].price_exp);
    return out;
}

static bool take_row(keel_strategy *s, const keel_envelope *e, int64_t now_ns, keel_event *event)
{
    strategy_rows *r = &s->rows;
    keel_bar_row row;
    if (e->step > r->newest)
        r->newest = e->step;
    if (e->step > r->next && r->next > 0)
        r->hole = true;
    if (e->step != r->next || !s->universe_known)
        return false;
    if (keel_wire_get_bar_row(&s->arena, e->payload, e->payload_len, &row) != KEEL_OK ||
        row.universe_hash != s->universe->hash || row.n != s->universe->n) {
        s->link.dropped++;
        return false;
    }
    s->row = (keel_market_row){.step = e->step,
                               .close_ns = row.close_ns,
                               .bar_ns = row.bar_ns,
                               .n = row.n,
                               .close = to_prices(s, row.close_units, 0),
                               .open = to_prices(s, row.open_units, 1),
                               .high = to_prices(s, row.high_units, 2),
                               .low = to_prices(s, row.low_units, 3),
                               .volume = row.volume,
                               .is_history = e->step < r->live};
    r->next++;
    r->moved_ns = now_ns;
    r->hole = false;
    s->row_step = e->step;
    s->event_ns = row.close_ns;
    s->said = 0;
    if (s->lockstep) {
        s->open_step = e->step;
        keel_outbox_closed(s->outbox, e->step - 1); /* else there were no row after it */
    }
    event->kind = KEEL_EVENT_ROW;
    event->row = &s->row;
    return true;
}

static bool is_new(strategy_newest *newest, const keel_envelope *e)
{
    if (e->step < newest->step || (e->step == newest->step && e->index <= newest->index))
        return false;
    *newest = (strategy_newest){e->step, e->index};
    return true;
}

static bool take_state(keel_strategy *s, const keel_envelope *e, keel_event *event)
{
    keel_status status;
    if (e->type == KEEL_PAYLOAD_APPROVED_ALLOCATION) {
        if (!is_new(&s->allocation, e))
            return false;
        status =
            keel_wire_get_approved_allocation(&s->arena, e->payload, e->payload_len, &s->approved);
        event->kind = KEEL_EVENT_ALLOCATION;
        event->allocation = &s->approved;
    } else {
        if (!is_new(&s->portfolio, e))
            return false;
        status = keel_wire_get_portfolio_state(&s->arena, e->payload, e->payload_len, &s->state);
        event->kind = KEEL_EVENT_PORTFOLIO;
        event->portfolio = &s->state;
    }
    s->link.dropped += status != KEEL_OK;
    return status == KEEL_OK;
}

static bool take_message(keel_strategy *s, const keel_envelope *e, int64_t now_ns,
                         keel_event *event)
{
    keel_arena_reset(&s->arena);
    *event = (keel_event){.step = e->step, .event_ns = e->event_ns, .publish_ns = e->publish_ns};
    if (e->type == KEEL_PAYLOAD_BAR_ROW)
        return take_row(s, e, now_ns, event);
    if (e->type == KEEL_PAYLOAD_APPROVED_ALLOCATION || e->type == KEEL_PAYLOAD_PORTFOLIO_STATE)
        return take_state(s, e, event);
    if (e->type == KEEL_PAYLOAD_UNIVERSE_STATE)
        take_universe(s, e);
    return false;
}

bool strategy_take_market(keel_strategy *s, int64_t now_ns, keel_event *event)
{
    keel_envelope e;
    while (link_take(&s->link, LINK_MARKET, &e))
        if (take_message(s, &e, now_ns, event))
            return true;
    return false;
}
