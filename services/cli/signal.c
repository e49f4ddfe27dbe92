/* signal.c - verbs about signals in the books: list decisions, follow one. Nothing needs to run. */
#include "services/cli/door.h"
#include "services/cli/verbs.h"
#include "services/cli/views.h"

#include "common/base/timefmt.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static keel_signal_books *open_books(const keel_args *args, const keel_cli *cli, int *code)
{
    char path[KEEL_PATH_CAP];
    keel_run run;
    keel_err err;
    keel_signal_books *books = NULL;
    if (keel_run_find_live(keel_args_text(args, "run"), &run, &err) != KEEL_OK) {
        *code = keel_cli_fail(cli, &err);
        return NULL;
    }
    *code = KEEL_EXIT_FAILED;
    if (keel_run_setting(&run, "ledger.database", "{run}/books.sqlite", "ledger", path, &err) !=
        KEEL_OK) {
        *code = keel_cli_fail(cli, &err);
        return NULL;
    }
    if (access(path, R_OK) != 0) {
        fprintf(cli->err, "keel: run %s has no books: %s: %s\n", run.id, path, strerror(errno));
        return NULL;
    }
    books = keel_signal_books_open(path, run.id, &err);
    if (books == NULL)
        fprintf(cli->err, "keel: run %s: %s\n", run.id, err.text);
    return books;
}

static void print_row_json(const keel_cli *cli, const keel_decision_row *row, const char *json)
{
    char event[KEEL_TIME_TEXT_MAX];
    keel_time_format(row->event_ns, event);
    fprintf(cli->out, "{\"step\":%" PRIu64 ",\"event\":\"%s\",\"decision\":%s", row->step, event,
            json);
}

/* What each row of a list needs. */
typedef struct listing {
    const keel_cli *cli;
    const keel_universe *universe;
    bool json;
    uint64_t shown;
} listing;

static void list_row(void *arg, const keel_decision_row *row)
{
    listing *l = arg;
    char *json = NULL;
    l->shown++;
    if (l->json)
        json = keel_decision_row_json(row);
    if (l->json && json != NULL) {
        print_row_json(l->cli, row, json);
        fputs("}\n", l->cli->out);
    } else if (!l->json) {
        if (l->shown == 1)
            keel_view_decision_row_heading(l->cli);
        keel_view_decision_row(l->cli, l->universe, row);
    }
    keel_free(&json);
}

int keel_verb_signal_ls(const keel_args *args, const keel_cli *cli)
{
    keel_err err;
    int code;
    if (keel_args_on(args, "accepted") && keel_args_on(args, "refused")) {
        fputs("keel: signal ls: --accepted or --refused, not both; without either: all\n",
              cli->err);
        return KEEL_EXIT_USAGE;
    }
    const keel_decision_filter filter = {
        .strategy = keel_args_text(args, "strategy"),
        .kind = keel_args_on(args, "accepted")  ? KEEL_DECISIONS_ACCEPTED
                : keel_args_on(args, "refused") ? KEEL_DECISIONS_REFUSED
                                                : KEEL_DECISIONS_ALL,
        .limit = keel_args_count(args, "limit"),
    };
    keel_signal_books *books = open_books(args, cli, &code);
    if (books == NULL)
        return code;
    listing l = {cli, keel_signal_books_universe(books), keel_args_on(args, "json"), 0};
    code = KEEL_EXIT_OK;
    if (keel_signal_books_list(books, &filter, list_row, &l, &err) != KEEL_OK) {
        fprintf(cli->err, "keel: %s\n", err.text);
        code = KEEL_EXIT_FAILED;
    } else if (l.shown == 0) {
        fputs("keel: no such decision in the books\n", cli->err);
    }
    keel_signal_books_close(&books);
    return code;
}

static json_t *fill_json(const keel_trace_fill *f)
{
    return json_pack("{s:s,s:s,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:s}", "fill_id", f->fill_id,
                     "order_id", f->order_id, "step", (json_int_t)f->step, "fill_ns",
                     (json_int_t)f->fill_ns, "qty_units", (json_int_t)f->qty_units, "price_units",
                     (json_int_t)f->price_units, "fee_micros", (json_int_t)f->fee_micros,
                     "slippage_micros", (json_int_t)f->slippage_micros, "realized_micros",
                     (json_int_t)f->realized_micros, "held_units", (json_int_t)f->held_units,
                     "closed_version", (json_int_t)f->closed_version, "reason",
                     keel_reason_name(f->reason.code));
}

static void print_trace_json(const keel_cli *cli, const keel_trace *t, const char *decision)
{
    json_t *fills = json_array(), *repeats = json_array();
    for (int i = 0; i < t->fills_n && i < KEEL_TRACE_FILLS_MAX; i++)
        json_array_append_new(fills, fill_json(&t->fills[i]));
    for (int i = 0; i < t->repeats_n; i++)
        json_array_append_new(repeats, json_integer((json_int_t)t->repeats[i]));
    json_t *o =
        json_pack("{s:o,s:i,s:o,s:o,s:I,s:I}", "fills", fills, "fills_n", t->fills_n, "repeats",
                  repeats, "close", t->is_closed ? fill_json(&t->close) : json_null(), "pnl_micros",
                  (json_int_t)t->pnl_micros, "replaced_by", (json_int_t)t->replaced_by);
    char *rest = json_dumps(o, JSON_COMPACT);
    print_row_json(cli, &t->row, decision);
    fprintf(cli->out, ",%s\n", rest != NULL ? rest + 1 : "}"); /* one object of the two */
    free(rest);
    json_decref(o);
}

int keel_verb_signal_trace(const keel_args *args, const keel_cli *cli)
{
    keel_err err;
    int code;
    keel_signal_books *books = open_books(args, cli, &code);
    if (books == NULL)
        return code;
    keel_trace *trace = keel_xcalloc(1, sizeof *trace);
    char *json = NULL;
    keel_status status = keel_signal_books_trace(books, args->operands[0],
                                                 keel_args_text(args, "strategy"), trace, &err);
    if (status == KEEL_OK && keel_args_on(args, "json")) {
        json = keel_decision_row_json(&trace->row);
        if (json == NULL)
            status = keel_err_set(&err, KEEL_EFORMAT, "the decision cannot be shown as JSON");
    }
    if (status != KEEL_OK) {
        fprintf(cli->err, "keel: %s\n", err.text);
        code = status == KEEL_EEXIST ? KEEL_EXIT_USAGE : KEEL_EXIT_FAILED;
    } else {
        code = KEEL_EXIT_OK;
        if (json != NULL) {
            print_trace_json(cli, trace, json);
        } else {
            keel_view_decision(cli, keel_signal_books_universe(books), trace->row.event_ns,
                               &trace->row.decision);
            keel_view_trace(cli, keel_signal_books_universe(books), trace);
        }
    }
    keel_free(&json);
    keel_free(&trace);
    keel_signal_books_close(&books);
    return code;
}
