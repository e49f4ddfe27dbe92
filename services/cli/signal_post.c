#include "services/cli/signal_post.h"

#include "common/base/text.h"
#include "common/base/timefmt.h"
#include "common/client/strategy.h"
#include "services/cli/terminal.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static keel_strategy *join(const keel_run *run, const char *name, int timeout_ms, keel_err *err)
{
    char secret[KEEL_PATH_CAP], file[KEEL_NAME_MAX + 16], out[KEEL_PATH_CAP], in[KEEL_PATH_CAP];
    if (keel_run_setting(run, "relay.out", "ipc://{run}/door-out.sock", "relay", out, err) !=
            KEEL_OK ||
        keel_run_setting(run, "relay.in", "ipc://{run}/door-in.sock", "relay", in, err) != KEEL_OK)
        return NULL;
    snprintf(file, sizeof file, "keys/%s.secret", name);
    /* a name with a '/' has no key file of its own */
    if (strchr(name, '/') != NULL || access(keel_run_file(run, file, secret), R_OK) != 0)
        keel_run_file(run, "keys/operator.secret", secret);
    const keel_strategy_cfg cfg = {
        .name = name,
        .run_dir = run->dir,
        .out_endpoint = out,
        .in_endpoint = in,
        .secret_key = secret,
        .run_id = run->id,
        .pace = KEEL_PACE_LIVE,
        .wants = KEEL_WANT_PORTFOLIO,
        .join_timeout_ms = timeout_ms,
    };
    return keel_strategy_open(&cfg, err);
}

/* One event. KEEL_EREFUSED, KEEL_ESTALE with *err when no answer will come. */
static keel_status take(const keel_event *e, const keel_signal *signal, keel_posted *posted,
                        keel_err *err)
{
    switch ((int)e->kind) {
    case KEEL_EVENT_ACKED:
        posted->received = posted->received || e->seq >= posted->seq;
        return KEEL_OK;
    case KEEL_EVENT_DECISION:
        if (strcmp(e->decision->signal_id, signal->signal_id) != 0 ||
            e->decision->epoch_ns != posted->epoch_ns)
            return KEEL_OK;
        posted->received = true; /* it is decided from the log */
        posted->decided = true;
        posted->decided_ns = e->event_ns;
        posted->decision = *e->decision;
        return KEEL_OK;
    case KEEL_EVENT_REFUSED:
    case KEEL_EVENT_SUPERSEDED:
        return keel_err_set(err, e->kind == KEEL_EVENT_REFUSED ? KEEL_EREFUSED : KEEL_ESTALE,
                            "%s: %s", signal->strategy, e->reason.text);
    default: /* the link's comings and goings; what is not sent stays in the outbox */
        return KEEL_OK;
    }
}

static keel_status wait_for(keel_strategy *strategy, const keel_signal *signal, bool decision,
                            int64_t end_ns, keel_posted *posted, keel_err *err)
{
    keel_event event;
    while (!posted->received || (decision && !posted->decided)) {
        const int64_t left_ms = (end_ns - keel_monotonic_ns()) / KEEL_NS_PER_MS;
        if (left_ms <= 0)
            return keel_err_set(err, KEEL_EUNAVAIL, "%s %s",
                                posted->received ? "received, but not decided"
                                                 : "the coordinator has not confirmed it",
                                signal->signal_id);
        const keel_status status =
            keel_strategy_next(strategy, left_ms < 50 ? (int)left_ms : 50, &event);
        if (status == KEEL_OK)
            KEEL_TRY(take(&event, signal, posted, err));
        else if (status != KEEL_EUNAVAIL)
            return keel_err_set(err, status, "%s: %s", signal->strategy, keel_status_text(status));
    }
    return KEEL_OK;
}

keel_status keel_signal_post(const keel_run *run, keel_signal *signal, bool decision,
                             int64_t timeout_ns, keel_posted *posted, keel_err *err)
{
    keel_strategy_link link;
    const int64_t end_ns = keel_monotonic_ns() + timeout_ns;
    memset(posted, 0, sizeof *posted);
    keel_strategy *strategy =
        join(run, signal->strategy, (int)(timeout_ns / KEEL_NS_PER_MS) + 1, err);
    if (strategy == NULL)
        return err->status;
    keel_status status = keel_strategy_publish(strategy, signal, err);
    if (status == KEEL_OK) {
        keel_strategy_look(strategy, &link);
        posted->epoch_ns = link.epoch_ns;
        posted->seq = link.last_seq;
        status = wait_for(strategy, signal, decision, end_ns, posted, err);
    }
    keel_strategy_close(&strategy);
    return status;
}
