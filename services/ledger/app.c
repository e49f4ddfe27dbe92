#include "services/ledger/app.h"

#include "common/base/text.h"
#include "common/domain/fixed.h"
#include "common/service/node.h"
#include "common/service/settings.h"
#include "common/wire/wire.h"
#include "services/ledger/engine/ledger.h"
#include "services/ledger/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_BYTES = 512 };

typedef struct app {
    const char *database;
    int history_states;
    int history_outputs;
    int history_allocations;
    int history_risk;
    int history_optimizations;
    int history_returns;
    int history_decisions;
    double risk_free_ann;
    keel_ledger *engine; /* owned, from open to close */
    keel_store *store;   /* owned, from open to close */
    bool closed;         /* `out` is the state of the step to commit */
    keel_ledger_out out;
} app;

static const keel_cfg_row cfg[] = {
    {KEEL_CFG_T_STR, "ledger.database", offsetof(app, database), "{run}/books.sqlite", NULL, NULL,
     "", "SQLite file of the books; {run} is the run directory"},
    {KEEL_CFG_T_INT, "ledger.history_states", offsetof(app, history_states), "10000", "4096",
     "1000000000", "steps", "portfolio states kept"},
    {KEEL_CFG_T_INT, "ledger.history_outputs", offsetof(app, history_outputs), "8192", "4096",
     "1000000000", "steps", "steps whose messages can be sent again"},
    {KEEL_CFG_T_INT, "ledger.history_allocations", offsetof(app, history_allocations), "5000", "1",
     "1000000000", "rows", "approved allocations kept"},
    {KEEL_CFG_T_INT, "ledger.history_risk", offsetof(app, history_risk), "5000", "1", "1000000000",
     "rows", "trading states and risk reports kept"},
    {KEEL_CFG_T_INT, "ledger.history_optimizations", offsetof(app, history_optimizations), "100",
     "1", "1000000000", "rows", "optimizations with their certificates kept"},
    {KEEL_CFG_T_INT, "ledger.history_returns", offsetof(app, history_returns), "10000", "4096",
     "1000000000", "steps", "returns of every book per bar kept"},
    {KEEL_CFG_T_INT, "ledger.history_decisions", offsetof(app, history_decisions), "10000", "1",
     "1000000000", "rows", "refused decisions kept; accepted ones always are"},
    {KEEL_CFG_T_REAL, "ledger.risk_free_ann", offsetof(app, risk_free_ann), "0", "-1", "1", "",
     "risk-free return per year in Sharpe and Sortino"},
    KEEL_CFG_END,
};

/* ---- inputs ---- */

static keel_status on_trading(keel_service *svc, void *arg, const keel_msg *msg)
{
    keel_trading_state state;
    KEEL_TRY(keel_wire_get_trading_state(keel_service_arena(svc), msg->data, msg->len, &state));
    const keel_note note = {
        .kind = KEEL_NOTE_TRADING,
        .step = msg->step,
        .index = msg->index,
        .mode = state.mode,
        .reason = state.reason,
        .equity_micros = state.equity_micros,
        .payload = msg->data,
        .len = msg->len,
    };
    return keel_store_add_note(((app *)arg)->store, &note);
}

static keel_status on_capital(keel_service *svc, void *arg, const keel_msg *msg)
{
    app *a = arg;
    keel_capital_allocation capital;
    keel_transfer transfer;
    bool made;
    size_t cap, len;
    uint8_t *buf = keel_service_scratch(svc, &cap);
    KEEL_TRY(
        keel_wire_get_capital_allocation(keel_service_arena(svc), msg->data, msg->len, &capital));
    KEEL_TRY(
        keel_store_check_approval(a->store, msg->step)); /* live: one is offered at every start */
    KEEL_TRY(keel_store_check_capital(a->store, msg->len));
    KEEL_TRY(keel_ledger_on_capital(a->engine, &capital, keel_service_step(svc), &made, &transfer));
    const keel_note note = {
        .kind = KEEL_NOTE_CAPITAL,
        .step = msg->step,
        .index = msg->index,
        .reason = capital.reason,
        .payload = msg->data,
        .len = msg->len,
    };
    KEEL_TRY(keel_store_add_note(a->store, &note));
    if (!made)
        return KEEL_OK;
    KEEL_TRY(keel_store_add_transfer(a->store, &transfer));
    keel_service_count(svc, "transfers_out", 1);
    KEEL_TRY(keel_wire_put_transfer(&transfer, buf, cap, &len));
    return keel_service_publish(svc, KEEL_TOPIC_TRANSFER, msg, buf, len);
}

static keel_status on_approval(keel_service *svc, void *arg, const keel_msg *msg)
{
    keel_approved_allocation a;
    KEEL_TRY(keel_wire_get_approved_allocation(keel_service_arena(svc), msg->data, msg->len, &a));
    keel_note note = {
        .kind = KEEL_NOTE_ALLOCATION,
        .step = msg->step,
        .index = msg->index,
        .method = a.method,
        .reason = a.reason,
        .equity_micros = a.equity_micros,
        .certificate = a.certificate,
        .expected_volatility = a.expected_volatility,
        .turnover_frac = a.turnover_frac,
        .optimized = a.proposal_hash != 0,
        .payload = msg->data,
        .len = msg->len,
    };
    memcpy(note.book, a.book, sizeof note.book);
    return keel_store_add_note(((app *)arg)->store, &note);
}

static keel_status on_report(keel_service *svc, void *arg, const keel_msg *msg)
{
    keel_risk_report report;
    KEEL_TRY(keel_wire_get_risk_report(keel_service_arena(svc), msg->data, msg->len, &report));
    const keel_note note = {
        .kind = KEEL_NOTE_REPORT,
        .step = msg->step,
        .index = msg->index,
        .payload = msg->data,
        .len = msg->len,
    };
    return keel_store_add_note(((app *)arg)->store, &note);
}

static keel_status on_decision(keel_service *svc, void *arg, const keel_msg *msg)
{
    keel_decision d;
    KEEL_TRY(keel_wire_get_decision(keel_service_arena(svc), msg->data, msg->len, &d));
    keel_decision_note note = {
        .decision_seq = d.decision_seq,
        .step = msg->step,
        .event_ns = msg->event_ns,
        .epoch_ns = d.epoch_ns,
        .seq = d.seq,
        .accepted = d.accepted,
        .reason = d.reason.code,
        .payload = msg->data,
        .len = msg->len,
    };
    memcpy(note.strategy, d.strategy, sizeof note.strategy);
    memcpy(note.signal_id, d.signal_id, sizeof note.signal_id);
    memcpy(note.symbol, d.symbol, sizeof note.symbol);
    return keel_store_add_decision(((app *)arg)->store, &note);
}

static keel_status on_row(keel_service *svc, void *arg, const keel_msg *msg)
{
    keel_bar_row row;
    KEEL_TRY(keel_wire_get_bar_row(keel_service_arena(svc), msg->data, msg->len, &row));
    return keel_ledger_on_row(((app *)arg)->engine, &row);
}

/* A test: the id does not derive from the order, so that nobody knows a repeat. */
static void name_anew(const keel_service *svc, keel_fill *fill)
{
    const size_t len = strlen(fill->fill_id);
    snprintf(fill->fill_id + len, sizeof fill->fill_id - len, "/%lld",
             (long long)keel_service_mono_ns(svc));
}

static keel_status on_fill(keel_service *svc, void *arg, const keel_msg *msg)
{
    app *a = arg;
    keel_fill fill;
    keel_booked booked;
    KEEL_TRY(keel_wire_get_fill(keel_service_arena(svc), msg->data, msg->len, &fill));
    if ((keel_service_without(svc) & KEEL_WITHOUT_R3) != 0)
        name_anew(svc, &fill);
    KEEL_TRY(keel_store_check_fill(a->store, fill.fill_id));
    KEEL_TRY(keel_ledger_on_fill(a->engine, &fill, &booked));
    keel_service_count(svc, "fills_booked", 1);
    return keel_store_add_fill(a->store, &fill, &booked);
}

/* Execution says what it holds; a difference is never repaired silently. */
static keel_status on_plan_done(keel_service *svc, void *arg, const keel_msg *msg)
{
    keel_plan_done done;
    KEEL_TRY(keel_wire_get_plan_done(keel_service_arena(svc), msg->data, msg->len, &done));
    if (!keel_ledger_agrees(((app *)arg)->engine, &done))
        keel_service_count(svc, "holdings_differ", 1);
    return KEEL_OK;
}

/* ---- outputs ---- */

static keel_status close_step(keel_service *svc, void *arg, uint64_t step)
{
    app *a = arg;
    size_t cap, len;
    uint8_t *buf = keel_service_scratch(svc, &cap);
    a->closed = false;
    const keel_status status = keel_ledger_close(a->engine, step, &a->out);
    if (status == KEEL_ENOTFOUND) /* live, before the first row: there is nothing to value */
        return KEEL_OK;
    KEEL_TRY(status);
    a->closed = true;
    KEEL_TRY(keel_wire_put_portfolio_state(&a->out.portfolio, buf, cap, &len));
    KEEL_TRY(keel_service_publish(svc, KEEL_TOPIC_PORTFOLIO, NULL, buf, len));
    KEEL_TRY(keel_wire_put_performance(&a->out.performance, buf, cap, &len));
    KEEL_TRY(keel_service_publish(svc, KEEL_TOPIC_PERFORMANCE, NULL, buf, len));
    for (int i = 0; i < a->out.attributions_n; i++) {
        KEEL_TRY(keel_wire_put_attribution(&a->out.attributions[i], buf, cap, &len));
        KEEL_TRY(keel_service_publish(svc, KEEL_TOPIC_ATTRIBUTION, NULL, buf, len));
    }
    return KEEL_OK;
}

static keel_status commit_step(keel_service *svc, void *arg, uint64_t step,
                               const struct keel_out *outs, int n)
{
    app *a = arg;
    const keel_status status =
        keel_store_commit(a->store, step, a->engine, a->closed ? &a->out : NULL, outs, n);
    keel_service_count(svc, status == KEEL_OK ? "steps_committed" : "commits_refused", 1);
    if (status != KEEL_OK)
        keel_service_blame(svc, keel_store_error(a->store));
    return status;
}

static keel_status resume_app(keel_service *svc, void *arg, uint64_t *step_done)
{
    app *a = arg;
    const keel_status status = keel_store_resume(a->store, a->engine, step_done);
    if (status != KEEL_OK)
        keel_service_blame(svc, status == KEEL_EUNAVAIL ? keel_store_error(a->store)
                                                        : keel_status_text(status));
    return status;
}

static keel_status give_again(void *arg, const keel_out *out)
{
    keel_service *svc = arg;
    keel_service_set_event_ns(svc, out->event_ns);
    return keel_service_publish(svc, out->topic, NULL, out->data, out->len);
}

static keel_status recall_step(keel_service *svc, void *arg, uint64_t step)
{
    return keel_store_recall(((app *)arg)->store, step, give_again, svc);
}

/* ---- start and end ---- */

/* The configured path with {run} filled in. */
static keel_status database_path(const keel_service *svc, const char *pattern, char *out,
                                 size_t cap)
{
    size_t len = 0;
    const char *at = strstr(pattern, "{run}");
    out[0] = '\0';
    const bool whole = at == NULL ? keel_text_add(out, cap, &len, "%s", pattern)
                                  : keel_text_add(out, cap, &len, "%.*s%s%s", (int)(at - pattern),
                                                  pattern, keel_service_dir(svc), at + 5);
    return whole ? KEEL_OK : KEEL_ETOOBIG;
}

/* The run's own settings as text: what a later reader needs to know what was asked for. */
static char *describe_run(const keel_service *svc)
{
    char *text = NULL;
    size_t len = 0;
    FILE *to = open_memstream(&text, &len);
    if (to == NULL)
        return NULL;
    keel_config_print(keel_service_config(svc), keel_settings_rows(), false, false, to);
    fclose(to);
    return text;
}

static keel_status open_engine(keel_service *svc, app *a, int64_t *initial_micros, keel_err *err)
{
    const struct keel_settings *s = keel_service_settings(svc);
    if (keel_units_of_real(s->equity_usd, 6, initial_micros) != KEEL_OK)
        return keel_err_set(err, KEEL_ERANGE, "risk_manager.equity_usd does not fit");
    keel_strategy_name names[KEEL_STRATEGIES_MAX];
    for (int i = 0; i < s->strategies_n; i++)
        memcpy(names[i].name, s->strategies[i].name, sizeof names[i].name);
    const keel_ledger_cfg c = {
        .run = keel_service_run(svc),
        .portfolio = s->portfolio,
        .universe = keel_service_universe(svc),
        .books_n = s->books_n,
        .books = s->books,
        .initial_micros = *initial_micros,
        .bar_ns = s->bar_ns,
        .risk_free_ann = a->risk_free_ann,
        .strategies_n = s->strategies_n,
        .strategies = names,
    };
    a->engine = keel_ledger_new(&c, err);
    return a->engine != NULL ? KEEL_OK : KEEL_EINVAL;
}

static keel_status open_app(keel_service *svc, void *arg, keel_err *err)
{
    app *a = arg;
    char path[PATH_BYTES];
    int64_t initial;
    KEEL_TRY(open_engine(svc, a, &initial, err));
    if (database_path(svc, a->database, path, sizeof path) != KEEL_OK)
        return keel_err_set(err, KEEL_ETOOBIG, "ledger.database: path too long");
    char *configuration = describe_run(svc);
    const keel_store_cfg c = {
        .path = path,
        .run = keel_service_run(svc),
        .portfolio = keel_service_settings(svc)->portfolio,
        .universe = keel_service_universe(svc),
        .initial_micros = initial,
        .bar_ns = keel_service_settings(svc)->bar_ns,
        .configuration = configuration != NULL ? configuration : "",
        .history_states = a->history_states,
        .history_outputs = a->history_outputs,
        .history_allocations = a->history_allocations,
        .history_risk = a->history_risk,
        .history_optimizations = a->history_optimizations,
        .history_returns = a->history_returns,
        .history_decisions = a->history_decisions,
        .books_n = keel_ledger_books(a->engine),
    };
    a->store = keel_store_open(&c, err);
    free(configuration);
    if (a->store == NULL) {
        keel_ledger_free(&a->engine);
        return err->status;
    }
    keel_service_count(
        svc, keel_store_synchronous(a->store) == 2 ? "opened_sync_full" : "opened_unsynced", 1);
    return KEEL_OK;
}

static void close_app(void *arg)
{
    keel_store_close(&((app *)arg)->store);
    keel_ledger_free(&((app *)arg)->engine);
}

/* Only journals take it (J1): the books themselves are in SQLite. */
static keel_status save_app(const void *arg, uint8_t *buf, size_t cap, size_t *len)
{
    return keel_ledger_save(((const app *)arg)->engine, false, buf, cap, len);
}

static keel_status load_app(void *arg, const uint8_t *buf, size_t len)
{
    return keel_ledger_load(((app *)arg)->engine, buf, len);
}

static const keel_line line[] = {
    {"risk", -1, false, NULL}, {"strategy-coordinator", -1, false, NULL},
    {"feed", 0, false, NULL},  {"execution", 0, false, NULL, .never_passed = true},
    {NULL, 0, false, NULL},
};

static const keel_sub subs[] = {
    {KEEL_TOPIC_TRADING, on_trading},
    {KEEL_TOPIC_CAPITAL, on_capital},
    {KEEL_TOPIC_ALLOC, on_approval},
    {KEEL_TOPIC_RISK_REPORT, on_report},
    {KEEL_TOPIC_DECISION, on_decision},
    {KEEL_TOPIC_ROW, on_row},
    {KEEL_TOPIC_FILL, on_fill},
    {KEEL_TOPIC_PLAN_DONE, on_plan_done},
    {0, NULL},
};

static const keel_topic pubs[] = {
    KEEL_TOPIC_TRANSFER,    KEEL_TOPIC_PORTFOLIO, KEEL_TOPIC_PERFORMANCE,
    KEEL_TOPIC_ATTRIBUTION, KEEL_TOPIC_COUNT,
};

const keel_service_spec keel_ledger_spec = {
    .name = "ledger",
    .app_size = sizeof(app),
    .cfg = cfg,
    .line = line,
    .subs = subs,
    .pubs = pubs,
    .request_topic = KEEL_TOPIC_COUNT,
    .open = open_app,
    .close = close_app,
    .save = save_app,
    .load = load_app,
    .on_step = close_step,
    .commit = commit_step,
    .resume = resume_app,
    .recall = recall_step,
    .base_topic = KEEL_TOPIC_COUNT,
};
