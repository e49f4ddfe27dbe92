#include "services/strategies/run.h"

#include "services/strategies/engine/engine.h"

#include <inttypes.h>
#include <keel/strategy.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    EXIT_UNREACHABLE = 4,
    EXIT_REJECTED = 5,
    LOOK_MS = 100, /* how soon a signal to end is seen */
    JOIN_MS = 30000,
    TRY_MS = 500, /* one try of joining */
    WARM_UP = 2,  /* live: so many windows of history bring the rule where it would be */
};

typedef struct options {
    keel_strategy_cfg link;
    strategies_params params;
    const char *assets; /* "A,B"; NULL = all */
    int wait_ms;
    bool quiet;
} options;

typedef struct program {
    const strategies_rule *rule;
    options options;
    keel_strategy *strategy;
    strategies_engine *engine; /* NULL before the first row: the universe is not known */
} program;

/* ---- arguments ---- */

static void print_help(const strategies_rule *rule)
{
    const strategies_params *p = &rule->defaults;
    printf("usage: keel-strategy-%s --run DIR [OPTION...]\n"
           "%s. Docs: docs/strategies.md\n\n"
           "  --run DIR         the run: keys and sockets of its door are found there\n"
           "  --name NAME       strategy as the run's configuration calls it (%s)\n"
           "  --key FILE        own key; {DIR}/keys/{NAME}.secret\n"
           "  --door-key FILE   the door's public key; {DIR}/keys/door.public\n"
           "  --door-out ADDR   e.g. tcp://host:7180; ipc://{DIR}/door-out.sock\n"
           "  --door-in ADDR    e.g. tcp://host:7181; ipc://{DIR}/door-in.sock\n"
           "  --lockstep        the market waits for this program; otherwise as the run is\n"
           "  --live            it does not\n"
           "  --epoch NS        names this start; 0 = now\n"
           "  --outbox FILE     live: keeps signals over a kill\n"
           "  --wait MS         for the door (%d)\n"
           "  --assets A,B      trade these; all of the universe\n"
           "  --lookback BARS   (%d)\n"
           "  --entry X         score that opens (%g)\n"
           "  --exit X          score that closes (%g)\n"
           "  --stop X          distance of the stop in bar volatilities, 0 = none (%g)\n"
           "  --target X        distance of the target (%g)\n"
           "  --confirm yes|no  enter only with the market (%s)\n"
           "  --quiet           no line for each decision\n"
           "  --version, --help\n",
           rule->name, rule->what, rule->name, JOIN_MS, p->lookback, p->entry, p->exit,
           p->stop_vols, p->target_vols, p->confirm ? "yes" : "no");
}

static bool to_real(const char *text, double *out)
{
    char *end;
    *out = strtod(text, &end);
    return end != text && *end == '\0' && isfinite(*out);
}

static bool to_whole(const char *text, int64_t most, int64_t *out)
{
    char *end;
    const long long value = strtoll(text, &end, 10);
    *out = value;
    return end != text && *end == '\0' && value >= 0 && value <= most;
}

static bool to_int(const char *text, int *out)
{
    int64_t wide;
    const bool good = to_whole(text, 1000000, &wide);
    *out = (int)wide;
    return good;
}

static bool to_answer(const char *text, bool *out)
{
    *out = strcmp(text, "yes") == 0;
    return *out || strcmp(text, "no") == 0;
}

/* Flags with a value; false when `flag` is none of them or its value does not read. */
static bool take_value(options *o, const char *flag, const char *value)
{
    const struct {
        const char *flag;
        const char **to;
    } texts[] = {{"--run", &o->link.run_dir},           {"--name", &o->link.name},
                 {"--key", &o->link.secret_key},        {"--door-key", &o->link.server_key},
                 {"--door-out", &o->link.out_endpoint}, {"--door-in", &o->link.in_endpoint},
                 {"--outbox", &o->link.outbox},         {"--assets", &o->assets}};
    const struct {
        const char *flag;
        double *to;
    } reals[] = {{"--entry", &o->params.entry},
                 {"--exit", &o->params.exit},
                 {"--stop", &o->params.stop_vols},
                 {"--target", &o->params.target_vols}};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (strcmp(flag, texts[i].flag) == 0) {
            *texts[i].to = value;
            return value[0] != '\0';
        }
    for (size_t i = 0; i < sizeof reals / sizeof reals[0]; i++)
        if (strcmp(flag, reals[i].flag) == 0)
            return to_real(value, reals[i].to);
    if (strcmp(flag, "--epoch") == 0)
        return to_whole(value, INT64_MAX, &o->link.epoch_ns);
    if (strcmp(flag, "--wait") == 0)
        return to_int(value, &o->wait_ms);
    if (strcmp(flag, "--lookback") == 0)
        return to_int(value, &o->params.lookback);
    return strcmp(flag, "--confirm") == 0 && to_answer(value, &o->params.confirm);
}

static bool take_switch(options *o, const char *flag)
{
    if (strcmp(flag, "--lockstep") == 0)
        o->link.pace = KEEL_PACE_LOCKSTEP;
    else if (strcmp(flag, "--live") == 0)
        o->link.pace = KEEL_PACE_LIVE;
    else if (strcmp(flag, "--quiet") == 0)
        o->quiet = true;
    else
        return false;
    return true;
}

static int usage(const strategies_rule *rule, const char *what, const char *word)
{
    fprintf(stderr, "keel-strategy-%s: %s '%s'; see --help\n", rule->name, what, word);
    return EXIT_USAGE;
}

/* The engine says what is wrong with them; it is made for the universe only when that is known. */
static int check_params(const program *p)
{
    keel_err err;
    const strategies_cfg cfg = {p->rule, p->options.params, 1, NULL};
    strategies_engine *probe = strategies_new(&cfg, &err);
    if (probe == NULL) {
        fprintf(stderr, "keel-strategy-%s: --%s\n", p->rule->name, err.text);
        return EXIT_USAGE;
    }
    strategies_free(&probe);
    return 0;
}

/* 0, or the exit code; -1: all is said (help, version). */
static int parse(int argc, char **argv, program *p)
{
    options *o = &p->options;
    o->link.name = p->rule->name;
    o->wait_ms = JOIN_MS;
    o->link.wants = KEEL_WANT_ROWS;
    o->params = p->rule->defaults;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            print_help(p->rule);
            return -1;
        }
        if (strcmp(argv[i], "--version") == 0) {
            printf("keel-strategy-%s %s\n", p->rule->name, KEEL_VERSION);
            return -1;
        }
        if (take_switch(o, argv[i]))
            continue;
        if (i + 1 == argc)
            return usage(p->rule, "unknown argument, or a value is missing:", argv[i]);
        if (!take_value(o, argv[i], argv[i + 1]))
            return usage(p->rule, "unknown argument or bad value:", argv[i]);
        i++;
    }
    if (o->link.run_dir == NULL && o->link.out_endpoint == NULL)
        return usage(p->rule, "needs", "--run DIR");
    o->link.history_rows = WARM_UP * o->params.lookback;
    return check_params(p);
}

/* ---- the market ---- */

/* Which instruments are traded; refuses a symbol that is not there. */
static bool pick(const program *p, const keel_universe *u, bool trade[KEEL_UNIVERSE_MAX])
{
    const char *at = p->options.assets;
    for (int i = 0; i < u->n; i++)
        trade[i] = at == NULL;
    while (at != NULL && *at != '\0') {
        const size_t len = strcspn(at, ",");
        bool found = false;
        for (int i = 0; i < u->n; i++)
            if (strlen(u->instruments[i].symbol) == len &&
                memcmp(u->instruments[i].symbol, at, len) == 0) {
                trade[i] = true;
                found = true;
            }
        if (!found) {
            fprintf(stderr, "keel-strategy-%s: --assets: %.*s is not in universe %s\n",
                    p->rule->name, (int)len, at, u->id);
            return false;
        }
        at += len + (at[len] == ',');
    }
    return true;
}

static bool make_engine(program *p)
{
    bool trade[KEEL_UNIVERSE_MAX];
    keel_err err;
    const keel_universe *u = keel_strategy_universe(p->strategy);
    const strategies_cfg cfg = {p->rule, p->options.params, u->n, trade};
    if (!pick(p, u, trade))
        return false;
    p->engine = strategies_new(&cfg, &err);
    if (p->engine == NULL)
        fprintf(stderr, "keel-strategy-%s: --%s\n", p->rule->name, err.text);
    return p->engine != NULL;
}

static bool say(program *p, const strategies_call *call)
{
    keel_err err;
    const keel_universe *u = keel_strategy_universe(p->strategy);
    keel_signal signal = {.side = call->side,
                          .entry = call->entry,
                          .stop = call->stop,
                          .target = call->target,
                          .confidence_frac = call->confidence_frac};
    memcpy(signal.symbol, u->instruments[call->instrument].symbol, sizeof signal.symbol);
    if (keel_strategy_publish(p->strategy, &signal, &err) == KEEL_OK)
        return true;
    fprintf(stderr, "keel-strategy-%s: %s: %s\n", p->rule->name, signal.symbol, err.text);
    return false;
}

/* 0, or the exit code. */
static int on_row(program *p, const keel_market_row *market)
{
    strategies_out out;
    if (p->engine == NULL && !make_engine(p))
        return EXIT_USAGE;
    const strategies_row row = {market->step, market->n, market->close, market->high, market->low};
    const keel_status status = strategies_on_row(p->engine, &row, &out);
    if (status != KEEL_OK) {
        fprintf(stderr, "keel-strategy-%s: row %" PRIu64 ": %s\n", p->rule->name, market->step,
                keel_status_text(status));
        return EXIT_FAILED;
    }
    for (int i = 0; i < out.n && !market->is_history; i++)
        if (!say(p, &out.calls[i]))
            return EXIT_FAILED;
    return keel_strategy_close_step(p->strategy, market->step) == KEEL_OK ? 0 : EXIT_FAILED;
}

/* ---- what happens ---- */

static void print_decision(const program *p, const keel_event *event)
{
    const keel_decision *d = event->decision;
    if (p->options.quiet)
        return;
    printf("decision=%" PRIu64 " signal=%s symbol=%s side=%s accepted=%s reason=%s text=\"%s\"\n",
           d->decision_seq, d->signal_id, d->symbol, keel_side_name(d->side),
           d->accepted ? "yes" : "no", keel_reason_name(d->reason.code), d->reason.text);
    fflush(stdout);
}

static int on_refused(const program *p, const keel_event *event)
{
    fprintf(stderr, "keel-strategy-%s: refused: %s: %s\n", p->rule->name,
            keel_reason_name(event->reason.code), event->reason.text);
    return EXIT_REJECTED;
}

/* 0, or the exit code. */
static int on_event(program *p, const keel_event *event)
{
    switch (event->kind) {
    case KEEL_EVENT_ROW:
        return on_row(p, event->row);
    case KEEL_EVENT_DECISION:
        print_decision(p, event);
        return 0;
    case KEEL_EVENT_JOINED:
        fprintf(stderr, "keel-strategy-%s: joined\n", p->rule->name);
        return 0;
    case KEEL_EVENT_CUT_OFF:
        fprintf(stderr, "keel-strategy-%s: cut off: %s\n", p->rule->name, event->reason.text);
        return 0;
    case KEEL_EVENT_REFUSED:
    case KEEL_EVENT_SUPERSEDED:
        return on_refused(p, event);
    case KEEL_EVENT_ALLOCATION:
    case KEEL_EVENT_PORTFOLIO:
    case KEEL_EVENT_ACKED:
        return 0;
    }
    return 0;
}

static bool is_told_to_end(void)
{
    sigset_t pending;
    return sigpending(&pending) == 0 &&
           (sigismember(&pending, SIGTERM) == 1 || sigismember(&pending, SIGINT) == 1);
}

static int loop(program *p)
{
    keel_event event;
    while (!is_told_to_end()) {
        const keel_status status = keel_strategy_next(p->strategy, LOOK_MS, &event);
        if (status == KEEL_EUNAVAIL)
            continue;
        if (status != KEEL_OK) {
            fprintf(stderr, "keel-strategy-%s: %s\n", p->rule->name, keel_status_text(status));
            return EXIT_FAILED;
        }
        const int code = on_event(p, &event);
        if (code != 0)
            return code;
    }
    return 0;
}

static int exit_code(keel_status status)
{
    if (status == KEEL_EUNAVAIL)
        return EXIT_UNREACHABLE;
    if (status == KEEL_EREFUSED || status == KEEL_EEXIST)
        return EXIT_REJECTED;
    return status == KEEL_EINVAL ? EXIT_USAGE : EXIT_FAILED;
}

/* Try until the time is over, and look in between whether the end was asked for. */
static keel_strategy *join(options *o, keel_err *err)
{
    keel_strategy *strategy;
    int left_ms = o->wait_ms;
    do {
        o->link.join_timeout_ms = left_ms < TRY_MS && left_ms > 0 ? left_ms : TRY_MS;
        strategy = keel_strategy_open(&o->link, err);
        left_ms -= o->link.join_timeout_ms;
    } while (strategy == NULL && err->status == KEEL_EUNAVAIL && left_ms > 0 && !is_told_to_end());
    return strategy;
}

int strategies_main(int argc, char **argv, const strategies_rule *rule)
{
    program p = {.rule = rule};
    keel_err err = {0};
    sigset_t ends;
    const int parsed = parse(argc, argv, &p);
    if (parsed != 0)
        return parsed < 0 ? 0 : parsed;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    sigprocmask(SIG_BLOCK, &ends, NULL); /* looked for between two events */
    signal(SIGPIPE, SIG_IGN);
    p.strategy = join(&p.options, &err);
    if (p.strategy == NULL) {
        fprintf(stderr, "keel-strategy-%s: %s\n", rule->name, err.text);
        return is_told_to_end() ? 0 : exit_code(err.status);
    }
    const int code = loop(&p);
    keel_strategy_close(&p.strategy);
    strategies_free(&p.engine);
    return code;
}
