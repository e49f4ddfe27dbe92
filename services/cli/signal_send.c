/* signal_send.c - keel signal send. */
#include "services/cli/door.h"
#include "services/cli/reader.h"
#include "services/cli/signal_args.h"
#include "services/cli/signal_post.h"
#include "services/cli/terminal.h"
#include "services/cli/verbs.h"
#include "services/cli/views.h"

#include "common/base/mem.h"

#include <inttypes.h>
#include <jansson.h>

/* Market time and instruments of the run, which validity and prices are told in. */
static int learn(keel_reader *s, const keel_args *args, const keel_cli *cli)
{
    static const keel_topic wanted[] = {KEEL_TOPIC_TRADING, KEEL_TOPIC_COUNT};
    const int64_t end = keel_monotonic_ns() + keel_args_duration(args, "timeout");
    keel_client_msg msg;
    bool fresh;
    if (keel_reader_read(s, wanted) != KEEL_OK)
        return KEEL_EXIT_FAILED;
    while (s->seen->steps[KEEL_TOPIC_TRADING] == 0 || s->seen->universe.n == 0) {
        if (keel_monotonic_ns() > end) {
            fputs("keel: the run has not begun its steps: no market time yet\n", cli->err);
            return KEEL_EXIT_DEADLINE;
        }
        if (keel_client_next(s->client, 20, &msg) != KEEL_OK)
            continue;
        const keel_status status =
            keel_seen_take(s->seen, keel_door_topic(&msg), &msg.envelope, &fresh);
        if (status != KEEL_OK && status != KEEL_EUNKNOWN)
            return KEEL_EXIT_FAILED;
    }
    return KEEL_EXIT_OK;
}

static void print_sent_json(const keel_cli *cli, const keel_signal *signal, const keel_posted *p)
{
    json_t *o = json_pack("{s:s,s:s,s:I,s:I,s:b,s:b}", "strategy", signal->strategy, "signal_id",
                          signal->signal_id, "epoch_ns", (json_int_t)p->epoch_ns, "seq",
                          (json_int_t)p->seq, "received", p->received, "decided", p->decided);
    if (p->decided) {
        const keel_decision *d = &p->decision;
        json_t *rules = json_array();
        for (int i = 0; i < d->sizing_n; i++)
            json_array_append_new(
                rules, json_pack("{s:s,s:s,s:f,s:I,s:b}", "name", d->sizing[i].name, "code",
                                 keel_reason_name(d->sizing[i].code), "value", d->sizing[i].value,
                                 "qty_units", (json_int_t)d->sizing[i].qty_units, "bound",
                                 d->sizing[i].bound));
        json_object_set_new(o, "decision_seq", json_integer((json_int_t)d->decision_seq));
        json_object_set_new(o, "accepted", json_boolean(d->accepted));
        json_object_set_new(o, "reason", json_string(keel_reason_name(d->reason.code)));
        json_object_set_new(o, "reason_text", json_string(d->reason.text));
        json_object_set_new(o, "target_qty_units",
                            d->intents_n > 0
                                ? json_integer((json_int_t)d->intents[0].target_qty_units)
                                : json_null());
        json_object_set_new(o, "sizing", rules);
    }
    json_dumpf(o, cli->out, JSON_COMPACT);
    fputc('\n', cli->out);
    json_decref(o);
}

static void print_sent(const keel_cli *cli, const keel_universe *universe,
                       const keel_signal *signal, const keel_posted *p)
{
    if (p->received)
        fprintf(cli->out, "received: %s of %s, number %" PRIu64 " of epoch %" PRId64 "\n",
                signal->signal_id, signal->strategy, p->seq, p->epoch_ns);
    if (p->decided)
        keel_view_decision(cli, universe, p->decided_ns, &p->decision);
}

static int send_signal(keel_reader *s, keel_signal *signal, const keel_args *args,
                       const keel_cli *cli)
{
    keel_posted *posted = keel_xcalloc(1, sizeof *posted);
    keel_err err;
    if (signal->valid_until_ns > 0)
        signal->valid_until_ns += s->seen->event_ns[KEEL_TOPIC_TRADING];
    const keel_status status = keel_signal_post(&s->run, signal, keel_args_on(args, "wait"),
                                                keel_args_duration(args, "timeout"), posted, &err);
    if (posted->decided && posted->decided_ns == 0)
        posted->decided_ns = s->seen->event_ns[KEEL_TOPIC_TRADING];
    if (keel_args_on(args, "json") && (posted->seq > 0 || status == KEEL_OK))
        print_sent_json(cli, signal, posted);
    else
        print_sent(cli, &s->seen->universe, signal, posted);
    int code = KEEL_EXIT_OK;
    if (status != KEEL_OK)
        code = keel_cli_fail(cli, &err);
    if (status == KEEL_EUNAVAIL && posted->seq > 0)
        code = KEEL_EXIT_DEADLINE; /* the door was open */
    else if (status == KEEL_ESTALE || (posted->decided && !posted->decision.accepted))
        code = KEEL_EXIT_REJECTED;
    keel_free(&posted);
    return code;
}

int keel_verb_signal_send(const keel_args *args, const keel_cli *cli)
{
    keel_signal signal;
    keel_reader s;
    keel_err err;
    if (keel_signal_of_args(args, keel_wall_ns(), &signal, &err) != KEEL_OK) {
        fprintf(cli->err, "keel: signal send: %s\n", err.text);
        return KEEL_EXIT_USAGE;
    }
    int code = keel_reader_open(&s, args, cli);
    if (code == KEEL_EXIT_OK)
        code = learn(&s, args, cli);
    if (code == KEEL_EXIT_OK)
        code = send_signal(&s, &signal, args, cli);
    keel_reader_close(&s);
    return code;
}
