#include "services/cli/door.h"
#include "services/cli/format.h"
#include "services/cli/system.h"
#include "services/cli/verbs.h"

#include "common/base/text.h"
#include "common/base/timefmt.h"
#include "common/client/hear.h"

#include <inttypes.h>
#include <jansson.h>
#include <string.h>

/* Send one request through the door; *reply is owned when the code is KEEL_EXIT_OK or REJECTED. */
static int ask(const keel_request *request, const keel_args *args, const keel_cli *cli,
               keel_reply *reply)
{
    keel_run run;
    keel_err err;
    const int64_t limit_ns = keel_args_duration(args, "deadline");
    if (keel_run_find_live(keel_args_text(args, "run"), &run, &err) != KEEL_OK)
        return keel_cli_fail(cli, &err);
    keel_client *client = keel_door_open(&run, 1500, &err);
    if (client == NULL)
        return keel_cli_fail(cli, &err);
    const keel_status status =
        keel_client_ask(client, request, (int)(limit_ns / KEEL_NS_PER_MS), reply);
    keel_client_close(&client);
    if (status == KEEL_OK && reply->ok)
        return KEEL_EXIT_OK;
    if (status == KEEL_OK) {
        fprintf(cli->err, "keel: %s refuses: %s\n", request->service, reply->error);
        return KEEL_EXIT_REJECTED;
    }
    if (status == KEEL_EUNAVAIL) {
        fprintf(cli->err, "keel: %s did not answer within %s\n", request->service,
                keel_args_text(args, "deadline"));
        return KEEL_EXIT_DEADLINE;
    }
    keel_err_set(&err, status, "%s: %s", request->service, keel_status_text(status));
    return keel_cli_fail(cli, &err);
}

static keel_request request_of(keel_ask kind, const char *service, const keel_args *args)
{
    keel_request request = {.ask = kind};
    const int64_t ms = keel_args_duration(args, "deadline") / KEEL_NS_PER_MS;
    snprintf(request.service, sizeof request.service, "%s", service);
    request.deadline_ms = ms > UINT32_MAX ? UINT32_MAX : (uint32_t)ms;
    return request;
}

/* Whom a halt or resume is about: one strategy, one asset, or, without either, everything. */
static bool name_scope(const keel_args *args, const keel_cli *cli, keel_request *request)
{
    const char *strategy = keel_args_text(args, "strategy"), *asset = keel_args_text(args, "asset");
    if (strategy != NULL && asset != NULL) {
        fprintf(cli->err, "keel: %s: --strategy or --asset, not both; ask twice\n",
                args->verb->name);
        return false;
    }
    if (strategy != NULL &&
        (!keel_name_ok(strategy, sizeof request->strategy) ||
         keel_text_copy(request->strategy, sizeof request->strategy, strategy) != KEEL_OK)) {
        fprintf(cli->err, "keel: --strategy %s: cannot be the name of a strategy\n", strategy);
        return false;
    }
    if (asset != NULL &&
        (!keel_name_ok(asset, sizeof request->asset) ||
         keel_text_copy(request->asset, sizeof request->asset, asset) != KEEL_OK)) {
        fprintf(cli->err, "keel: --asset %s: cannot be a symbol\n", asset);
        return false;
    }
    return true;
}

static void tell_done(const char *done, const keel_request *request, const keel_reply *reply,
                      bool json, const keel_cli *cli)
{
    const bool scoped = request->strategy[0] != '\0' || request->asset[0] != '\0';
    const char *kind = request->strategy[0] != '\0' ? "strategy " : "asset ";
    const char *name = request->strategy[0] != '\0' ? request->strategy : request->asset;
    if (json)
        fprintf(cli->out,
                "{\"done\":\"%s\",\"strategy\":\"%s\",\"asset\":\"%s\",\"step\":%" PRIu64
                ",\"request\":\"%s\"}\n",
                done, request->strategy, request->asset, reply->taken_step, reply->request_id);
    else
        fprintf(cli->out, "%s%s%s%s in step %" PRIu64 "\n", scoped ? kind : "", scoped ? name : "",
                scoped ? " " : "", done, reply->taken_step);
}

static int change_trading(keel_ask kind, const char *done, const keel_args *args,
                          const keel_cli *cli)
{
    keel_request request = request_of(kind, "risk", args);
    const char *reason = keel_args_text(args, "reason");
    if (reason == NULL ||
        keel_text_copy(request.reason, sizeof request.reason, reason) != KEEL_OK) {
        fprintf(cli->err, "keel: %s: --reason TEXT of 1 to %d bytes is required\n",
                args->verb->name, KEEL_REASON_TEXT_MAX - 1);
        return KEEL_EXIT_USAGE;
    }
    if (!name_scope(args, cli, &request))
        return KEEL_EXIT_USAGE;
    keel_reply *reply = keel_xcalloc(1, sizeof *reply);
    const int code = ask(&request, args, cli, reply);
    if (code == KEEL_EXIT_OK)
        tell_done(done, &request, reply, keel_args_on(args, "json"), cli);
    keel_free(&reply);
    return code;
}

int keel_verb_halt(const keel_args *args, const keel_cli *cli)
{
    return change_trading(KEEL_ASK_HALT, "halted", args, cli);
}

int keel_verb_resume(const keel_args *args, const keel_cli *cli)
{
    return change_trading(KEEL_ASK_RESUME, "resumed", args, cli);
}

static void print_health_json(const keel_status_report *s, const keel_cli *cli)
{
    json_t *counters = json_object();
    for (int i = 0; i < s->counters_n; i++)
        json_object_set_new(counters, s->counters[i].name,
                            json_integer((json_int_t)s->counters[i].value));
    json_t *all =
        json_pack("{s:s,s:s,s:s,s:s,s:I,s:I,s:I,s:s,s:o}", "service", s->service, "state",
                  keel_service_state_name(s->state), "why", s->why, "awaited", s->awaited, "step",
                  (json_int_t)s->step_done, "snapshot_step", (json_int_t)s->snapshot_step, "pid",
                  (json_int_t)s->pid, "version", s->version, "counters", counters);
    json_dumpf(all, cli->out, JSON_COMPACT);
    fputc('\n', cli->out);
    json_decref(all);
}

static void print_health(const keel_status_report *s, const keel_cli *cli)
{
    char text[KEEL_FORMAT_MAX];
    fprintf(cli->out, "%s is %s%s%s\n", s->service, keel_service_state_name(s->state),
            s->why[0] != '\0' ? ": " : "", s->why);
    fprintf(cli->out, "  step %" PRIu64 ", snapshot %" PRIu64 ", process %" PRId64, s->step_done,
            s->snapshot_step, s->pid);
    if (s->started_ns != 0)
        fprintf(cli->out, ", version %s, up since %s", s->version,
                keel_moment_text(s->started_ns, text));
    fputc('\n', cli->out);
    if (s->awaited[0] != '\0')
        fprintf(cli->out, "  waits for %s\n", s->awaited);
    for (int i = 0; i < s->counters_n; i++)
        fprintf(cli->out, "  %-28s %" PRIu64 "\n", s->counters[i].name, s->counters[i].value);
}

/* From the service's own heartbeat: no key, no relay, no counters. */
static int hear(const char *service, const keel_args *args, const keel_cli *cli,
                keel_status_report *report)
{
    char endpoint[KEEL_PATH_CAP];
    keel_run run;
    keel_err err;
    if (keel_run_find_live(keel_args_text(args, "run"), &run, &err) != KEEL_OK ||
        keel_run_setting(&run, "run.endpoint", "ipc://{run}/{service}.pub", service, endpoint,
                         &err) != KEEL_OK)
        return keel_cli_fail(cli, &err);
    const keel_hear_cfg cfg = {endpoint, service, run.id,
                               (int)(keel_args_duration(args, "deadline") / KEEL_NS_PER_MS)};
    keel_heartbeat *beat = keel_xcalloc(1, sizeof *beat);
    const keel_status status = keel_hear(&cfg, beat, &err);
    if (status == KEEL_OK) {
        snprintf(report->service, sizeof report->service, "%s", beat->service);
        snprintf(report->why, sizeof report->why, "%s", beat->why);
        snprintf(report->awaited, sizeof report->awaited, "%s", beat->awaited);
        report->state = beat->state;
        report->step_done = beat->step_done;
        report->snapshot_step = beat->snapshot_step;
        report->pid = beat->pid;
    }
    keel_free(&beat);
    return status == KEEL_OK ? KEEL_EXIT_OK : keel_cli_fail(cli, &err);
}

int keel_verb_health(const keel_args *args, const keel_cli *cli)
{
    const char *service = args->operands[0];
    const char *names[KEEL_SERVICES_N];
    for (int i = 0; i < KEEL_SERVICES_N; i++)
        names[i] = keel_service_at(i);
    if (!keel_service_is_known(service)) {
        const char *near = keel_text_nearest(service, names, KEEL_SERVICES_N);
        fprintf(cli->err, "keel: no service '%s'%s%s%s\n", service,
                near != NULL ? "; did you mean '" : "", near != NULL ? near : "",
                near != NULL ? "'?" : "");
        return KEEL_EXIT_USAGE;
    }
    const keel_request request = request_of(KEEL_ASK_STATUS, service, args);
    keel_reply *reply = keel_xcalloc(1, sizeof *reply);
    int code = keel_args_on(args, "inside") ? hear(service, args, cli, &reply->status)
                                            : ask(&request, args, cli, reply);
    if (code == KEEL_EXIT_OK && keel_args_on(args, "json"))
        print_health_json(&reply->status, cli);
    else if (code == KEEL_EXIT_OK)
        print_health(&reply->status, cli);
    const keel_service_state state = reply->status.state;
    if (code == KEEL_EXIT_OK && (state == KEEL_STATE_FAILED || state == KEEL_STATE_STOPPING))
        code = KEEL_EXIT_FAILED;
    keel_free(&reply);
    return code;
}
