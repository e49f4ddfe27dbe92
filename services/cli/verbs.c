#include "services/cli/verbs.h"

#include "services/cli/manual.h"

#include <string.h>

#define RUN_OPTION                                                                                 \
    {                                                                                              \
        KEEL_OPTION_TEXT, "run", 0, "DIR", NULL, 0, 0, "the run: its directory or its id"          \
    }
#define DEADLINE_OPTION                                                                            \
    {                                                                                              \
        KEEL_OPTION_DURATION, "deadline", 0, "TIME", "3s", 0, 0, "give up after this time"         \
    }

static const keel_option demo_options[] = {
    {KEEL_OPTION_COUNT, "rows", 'n', "N", NULL, 1, 10000000,
     "steps to run (default 1000, or all of the files)"},
    {KEEL_OPTION_COUNT, "seed", 's', "S", NULL, 0, INT64_MAX, "seed of the simulated market"},
    {KEEL_OPTION_LIST, "data", 'd', "FILE", NULL, 0, 0, "real prices: CSV or CSV.gz files"},
    {KEEL_OPTION_TEXT, "assets", 0, "A,B", NULL, 0, 0, "with --data: only these symbols"},
    {KEEL_OPTION_TEXT, "exclude", 0, "C", NULL, 0, 0, "with --data: all but these symbols"},
    {KEEL_OPTION_CHOICE, "stamp", 0, "open|close", NULL, 0, 0,
     "with --data: what a time in the file is"},
    {KEEL_OPTION_TEXT, "config", 0, "FILE", NULL, 0, 0, "base configuration"},
    {KEEL_OPTION_FLAG, "no-strategies", 0, NULL, NULL, 0, 0,
     "start none of Keel's own strategies, and give them no capital"},
    {KEEL_OPTION_FLAG, "keep", 0, NULL, NULL, 0, 0,
     "never clear this run away (the newest 3 demos are kept anyway)"},
    KEEL_OPTIONS_END,
};
static const char *const demo_examples[] = {
    "keel demo",
    "1,000 hourly steps of a simulated market",
    "keel demo --rows 5000 --seed 42",
    "a longer one, of another market",
    "keel demo --data prices.csv.gz --stamp open",
    "your own prices",
    "keel demo --portfolio.max_drawdown=3%",
    "with one setting changed",
    NULL,
};
static const keel_option up_options[] = {
    {KEEL_OPTION_TEXT, "run", 0, "DIR", NULL, 0, 0, "run directory to make or go on with"},
    {KEEL_OPTION_TEXT, "config", 0, "FILE", NULL, 0, 0, "base configuration"},
    {KEEL_OPTION_FLAG, "new", 0, NULL, NULL, 0, 0, "a new run instead of the newest one"},
    {KEEL_OPTION_FLAG, "foreground", 0, NULL, NULL, 0, 0, "stay, and stop on Ctrl-C"},
    {KEEL_OPTION_FLAG, "journal", 0, NULL, NULL, 0, 0, "write journals for 'keel replay'"},
    {KEEL_OPTION_FLAG, "with-strategies", 0, NULL, NULL, 0, 0,
     "start those of Keel's own strategies that the configuration names (a new run that names "
     "none: "
     "all three)"},
    KEEL_OPTIONS_END,
};
static const char *const up_examples[] = {
    "keel up",
    "start, or go on with the newest run, in the background",
    "keel up --run.pace=100ms",
    "ten steps a second",
    "keel up --new --with-strategies",
    "another run, with momentum, meanreversion and breakout",
    "keel up --run /tmp/k1 --foreground",
    "a directory of your own",
    NULL,
};
static const keel_option run_options[] = {RUN_OPTION, KEEL_OPTIONS_END};
static const keel_option read_options[] = {RUN_OPTION, DEADLINE_OPTION, KEEL_OPTIONS_END};
static const char *const down_examples[] = {
    "keel down", "stop what runs", "keel down --run up-20260102T030405-7f3a", "stop that run", NULL,
};
static const char *const status_examples[] = {
    "keel status",
    "every process: state, step, restarts, memory",
    "keel status --json | jq .state",
    "for scripts",
    NULL,
};
static const char *const doctor_examples[] = {
    "keel doctor",
    "what is missing, and how to mend it",
    NULL,
};
static const keel_option logs_options[] = {
    RUN_OPTION,
    {KEEL_OPTION_FLAG, "follow", 'f', NULL, NULL, 0, 0, "go on as lines are written"},
    {KEEL_OPTION_COUNT, "lines", 'n', "N", "50", 1, 100000, "begin with the last N lines"},
    KEEL_OPTIONS_END,
};
static const char *const logs_examples[] = {
    "keel logs",
    "the last lines of all processes, by time",
    "keel logs risk -f",
    "one service, as it writes",
    NULL,
};
static const char *const alloc_get_examples[] = {
    "keel alloc get",
    "the newest approved allocation",
    "keel alloc get --json",
    "the whole message as JSON",
    NULL,
};
static const keel_option watch_options[] = {
    RUN_OPTION,
    {KEEL_OPTION_COUNT, "count", 'c', "N", "0", 0, INT64_MAX, "end after N (0 = never)"},
    {KEEL_OPTION_DURATION, "deadline", 0, "TIME", "0", 0, 0, "end after this time (0 = never)"},
    KEEL_OPTIONS_END,
};
static const char *const watch_examples[] = {
    "keel alloc watch",
    "allocations as they are approved, until Ctrl-C",
    "keel alloc watch --count 1 --deadline 1h",
    "wait for the next one",
    NULL,
};
static const char *const portfolio_examples[] = {
    "keel portfolio show",
    "books, positions and performance",
    NULL,
};
static const keel_option corr_options[] = {
    RUN_OPTION,
    DEADLINE_OPTION,
    {KEEL_OPTION_FRACTION, "above", 0, "R", "0", 0, 0, "only pairs with |correlation| at least R"},
    {KEEL_OPTION_COUNT, "pairs", 0, "N", "15", 0, 1000000, "at most N pairs"},
    KEEL_OPTIONS_END,
};
static const char *const corr_examples[] = {
    "keel corr",
    "the matrix and its strongest pairs",
    "keel corr --above 70%",
    "pairs too close to hold together",
    NULL,
};
static const keel_option data_options[] = {
    {KEEL_OPTION_TEXT, "assets", 0, "A,B", NULL, 0, 0, "only these symbols"},
    {KEEL_OPTION_TEXT, "exclude", 0, "C", NULL, 0, 0, "all but these symbols"},
    {KEEL_OPTION_CHOICE, "stamp", 0, "open|close", NULL, 0, 0, "what a time in the file is"},
    KEEL_OPTIONS_END,
};
static const char *const data_examples[] = {
    "keel data check prices.csv.gz",
    "format, bar length, gaps, every refused value",
    "keel data check a.csv b.csv --assets BTC,ETH",
    "two files, two columns",
    NULL,
};
static const keel_option config_options[] = {
    RUN_OPTION,
    {KEEL_OPTION_TEXT, "config", 0, "FILE", NULL, 0, 0, "show this file instead"},
    {KEEL_OPTION_FLAG, "origin", 0, NULL, NULL, 0, 0, "where each value came from"},
    KEEL_OPTIONS_END,
};
static const char *const config_examples[] = {
    "keel config show",
    "every key with value, range and meaning",
    "keel config show optimizer --origin",
    "one service, with origins",
    NULL,
};
static const char *const replay_examples[] = {
    "keel replay",
    "the newest run's journals: every payload again, compared",
    "keel replay /tmp/j/correlation.journal",
    "one process",
    NULL,
};
static const char *const ledger_examples[] = {
    "keel ledger check",
    "recompute the newest run's books from its fills",
    NULL,
};
static const keel_option send_options[] = {
    {KEEL_OPTION_PRICE, "entry", 0, "P", NULL, 0, 0, "reference price (default: the last one)"},
    {KEEL_OPTION_PRICE, "stop", 0, "P", NULL, 0, 0, "close the position when the price gets here"},
    {KEEL_OPTION_PRICE, "target", 0, "P", NULL, 0, 0, "take the profit here"},
    {KEEL_OPTION_FRACTION, "confidence", 0, "C", "100%", 0, 0, "0.8 or 80%; sizes the position"},
    {KEEL_OPTION_DURATION, "valid", 0, "TIME", NULL, 0, 0,
     "of market time (default: the configured validity)"},
    {KEEL_OPTION_TEXT, "id", 0, "ID", NULL, 0, 0,
     "its name; a second one of this name is a duplicate (default: a new one)"},
    {KEEL_OPTION_FLAG, "wait", 'w', NULL, NULL, 0, 0,
     "wait for the decision, not only the receipt"},
    {KEEL_OPTION_DURATION, "timeout", 0, "TIME", "5s", 0, 0, "give up after this time"},
    RUN_OPTION,
    KEEL_OPTIONS_END,
};
static const char *const send_examples[] = {
    "keel signal send mine BTC-SIM long --wait",
    "as strategy 'mine'; shows the decision and how it was sized",
    "keel signal send mine BTC-SIM long --stop 91000 --target 99000 --confidence 80%",
    "with its stop and target",
    "keel signal send mine BTC-SIM flat",
    "close what it holds",
    NULL,
};
static const keel_option signals_options[] = {
    {KEEL_OPTION_TEXT, "strategy", 0, "NAME", NULL, 0, 0, "of this strategy only"},
    {KEEL_OPTION_FLAG, "accepted", 0, NULL, NULL, 0, 0, "only those that were accepted"},
    {KEEL_OPTION_FLAG, "refused", 0, NULL, NULL, 0, 0, "only those that were refused"},
    {KEEL_OPTION_COUNT, "limit", 'n', "N", "50", 1, 1000000, "the newest N"},
    RUN_OPTION,
    KEEL_OPTIONS_END,
};
static const char *const signals_examples[] = {
    "keel signal ls",
    "the last 50 decisions",
    "keel signal ls --strategy momentum --refused -n 10",
    "why the last ten were refused",
    NULL,
};
static const keel_option trace_options[] = {
    {KEEL_OPTION_TEXT, "strategy", 0, "NAME", NULL, 0, 0, "when several have a signal of this id"},
    RUN_OPTION,
    KEEL_OPTIONS_END,
};
static const char *const trace_examples[] = {
    "keel signal trace 212-1",
    "decision, sizing, fills, end and P&L of one signal",
    "keel signal trace 17",
    "of decision 17, when no signal has that id",
    NULL,
};
static const char *const strategies_examples[] = {
    "keel strategy ls",
    "mode, share, P&L and counts of each",
    NULL,
};
static const char *const strategy_examples[] = {
    "keel strategy show momentum",
    "one of them: allocation, dispositions, symbols, positions",
    NULL,
};
static const keel_option halt_options[] = {
    {KEEL_OPTION_TEXT, "reason", 'r', "TEXT", NULL, 0, 0, "why; kept in the records (required)"},
    {KEEL_OPTION_TEXT, "strategy", 0, "NAME", NULL, 0, 0, "only this strategy"},
    {KEEL_OPTION_TEXT, "asset", 0, "SYMBOL", NULL, 0, 0, "only this asset, in all books"},
    RUN_OPTION,
    DEADLINE_OPTION,
    KEEL_OPTIONS_END,
};
#define WORD_OPTION(name, value, help)                                                             \
    {                                                                                              \
        KEEL_OPTION_TEXT, name, 0, value, NULL, 0, 0, help                                         \
    }

#define LIST_OPTION(name, letter, value, help)                                                     \
    {                                                                                              \
        KEEL_OPTION_LIST, name, letter, value, NULL, 0, 0, help                                    \
    }

/* A problem, and what a file of bars needs to become one. Ends a table. */
#define PROBLEM_OPTIONS                                                                            \
    WORD_OPTION("problem", "FILE", "a problem as JSON; - = standard input"),                       \
        WORD_OPTION("returns", "FILE", "bars of returns: CSV, date,BTC,ETH,..."),                  \
        WORD_OPTION("prices", "FILE", "the same of prices"),                                       \
        {KEEL_OPTION_COUNT, "window", 0, "N", NULL, 2, 10000000, "only the newest N bars"},        \
        WORD_OPTION(                                                                               \
            "cov", "ESTIMATOR",                                                                    \
            "of the covariance: sample (the default), ewma, semi, ledoit_wolf_identity, "          \
            "ledoit_wolf_constant_correlation, ledoit_wolf_single_factor, oas, denoised, gerber"), \
        WORD_OPTION("mu", "ESTIMATOR",                                                             \
                    "of the mean: sample (the default), ewma, capm, james_stein"),                 \
        WORD_OPTION("lo", "X", "least weight of each asset (default 0)"),                          \
        WORD_OPTION("hi", "X", "largest weight of each asset (default 1)"),                        \
        WORD_OPTION("group", "FILE", "lines asset,group: names for constraints"),                  \
        LIST_OPTION("constraint", 'c', "TEXT", "such as 'BTC + ETH <= 40%'"),                      \
        WORD_OPTION("current", "FILE", "lines asset,weight: what is held"),                        \
        WORD_OPTION("cost", "BPS", "of what is traded"),                                           \
        WORD_OPTION("risk-free", "R", "riskless return per bar (default 0)"),                      \
        WORD_OPTION("target-return", "X", "per bar"),                                              \
        WORD_OPTION("target-risk", "X", "volatility per bar"),                                     \
        WORD_OPTION("risk-aversion", "X", "of mean_variance"),                                     \
        WORD_OPTION("gross-max", "X", "largest sum of |weights|; --lo below 0 allows shorts"),     \
        WORD_OPTION("turnover-max", "X", "largest sum of |trades|"),                               \
        LIST_OPTION("fallback", 0, "M",                                                            \
                    "a method to try where there is no answer; several in their order"),           \
        KEEL_OPTIONS_END

static const keel_option optimize_options[] = {
    {KEEL_OPTION_FLAG, "stream", 0, NULL, NULL, 0, 0,
     "one problem a line from standard input, one answer a line"},
    {KEEL_OPTION_FLAG, "explain", 0, NULL, NULL, 0, 0, "why each weight is what it is"},
    {KEEL_OPTION_TEXT, "method", 'm', "M", NULL, 0, 0,
     "equal_weight, inverse_volatility, min_variance (the default), mean_variance, target_return, "
     "target_risk, max_sharpe"},
    PROBLEM_OPTIONS,
};
static const keel_option frontier_options[] = {
    {KEEL_OPTION_COUNT, "points", 0, "N", NULL, 2, 1000,
     "equally spaced in the expected return (default 20)"},
    WORD_OPTION("plot", "FILE.svg", "a picture of it"),
    {KEEL_OPTION_TEXT, "method", 'm', "M", NULL, 0, 0,
     "where the portfolio of this method lies, a method of optimize with its options; a problem "
     "has its own"},
    PROBLEM_OPTIONS,
};
static const char *const optimize_examples[] = {
    "keel optimize --prices prices.csv --hi 35%",
    "least variance, no more than 35% each",
    "keel optimize --prices p.csv -m max_sharpe -c 'BTC + ETH <= 40%' --explain",
    "the best ratio under a constraint, and why",
    "keel optimize --problem problem.json --json",
    "a whole problem from a file",
    "keel optimize --stream <problems.jsonl",
    "many, one a line, from any language",
    NULL,
};
static const char *const frontier_examples[] = {
    "keel frontier --prices prices.csv --hi 35% --plot frontier.svg",
    "corners, points, the best ratio; and a picture",
    "keel frontier --prices p.csv --current held.csv -m target_risk --target-risk 1%",
    "where a portfolio lies, and what the frontier has at its risk",
    "keel frontier --problem problem.json --json | jq .max_sharpe.weights",
    "everything, for programs",
    NULL,
};
static const char *const halt_examples[] = {
    "keel halt --reason 'exchange maintenance'",
    "no trading until a resume",
    "keel halt --strategy momentum --reason 'looks wrong'",
    "one strategy; the others go on",
    NULL,
};
static const char *const resume_examples[] = {
    "keel resume --reason 'maintenance over'",
    "re-arm; the peak starts anew",
    "keel resume --asset BTC-SIM --reason 'listed again'",
    "one asset",
    NULL,
};
static const keel_option health_options[] = {
    {KEEL_OPTION_FLAG, "inside", 0, NULL, NULL, 0, 0,
     "from its own heartbeat, where the services reach each other: needs no key and no relay"},
    RUN_OPTION,
    DEADLINE_OPTION,
    KEEL_OPTIONS_END,
};
static const char *const health_examples[] = {
    "keel health risk",
    "state and counters of one service",
    "keel health risk --inside",
    "its state alone, as containers are checked",
    NULL,
};
#define KEYS_OPTION                                                                                \
    {                                                                                              \
        KEEL_OPTION_TEXT, "dir", 0, "DIR", NULL, 0, 0,                                             \
            "a run (directory or id), or a folder of keys"                                         \
    }

static const keel_option key_add_options[] = {
    {KEEL_OPTION_FLAG, "operator", 0, NULL, NULL, 0, 0, "a key for everything: halt, resume ..."},
    KEYS_OPTION,
    KEEL_OPTIONS_END,
};
static const keel_option key_options[] = {KEYS_OPTION, KEEL_OPTIONS_END};
static const char *const key_add_examples[] = {
    "keel key add momentum",
    "a key for the strategy momentum",
    "keel key add desk --operator",
    "a second operator",
    "keel key add operator --operator --dir ./keys",
    "the keys of a cluster: the door's and the operator's",
    NULL,
};
static const char *const key_ls_examples[] = {"keel key ls", "who may come in, and for what", NULL};
static const char *const key_revoke_examples[] = {
    "keel key revoke momentum",
    "what this key sends is refused from now on",
    NULL,
};
static const keel_option tail_options[] = {
    RUN_OPTION,
    {KEEL_OPTION_COUNT, "count", 'c', "N", "0", 0, INT64_MAX, "end after N (0 = never)"},
    KEEL_OPTIONS_END,
};
static const char *const tail_examples[] = {
    "keel bus tail",
    "every message that passes the door, until Ctrl-C",
    "keel bus tail v1.decision. --json | jq .data",
    "what became of signals",
    NULL,
};
static const keel_option bench_options[] = {
    RUN_OPTION,
    {KEEL_OPTION_COUNT, "seconds", 's', "N", "5", 1, 3600, "how long to measure"},
    KEEL_OPTIONS_END,
};
static const char *const bench_examples[] = {
    "keel bus bench",
    "round trips to each service, and frames read a second",
    NULL,
};
static const char *const help_examples[] = {
    "keel help demo",
    "options and examples of one verb",
    NULL,
};
static const char *const completion_examples[] = {
    "source <(keel completion bash)",
    "complete words in this shell",
    NULL,
};
static const char *const man_examples[] = {
    "keel man | man -l -",
    "read the manual",
    NULL,
};
static const char *const version_examples[] = {"keel version", "name and version", NULL};

static int verb_version(const keel_args *args, const keel_cli *cli)
{
    fputs(keel_args_on(args, "json") ? "{\"name\":\"keel\",\"version\":\"" KEEL_VERSION "\"}\n"
                                     : "keel " KEEL_VERSION "\n",
          cli->out);
    return KEEL_EXIT_OK;
}

static int verb_man(const keel_args *args, const keel_cli *cli)
{
    if (keel_args_on(args, "json"))
        keel_help_json(keel_verbs(), cli->out);
    else
        keel_man(keel_verbs(), cli->out);
    return KEEL_EXIT_OK;
}

static int verb_completion(const keel_args *args, const keel_cli *cli)
{
    if (strcmp(args->operands[0], "bash") != 0) {
        fprintf(cli->err, "keel: no completion for '%s'; there is one for bash\n",
                args->operands[0]);
        return KEEL_EXIT_USAGE;
    }
    if (keel_args_on(args, "json"))
        keel_help_json(keel_verbs(), cli->out);
    else
        keel_completion_bash(keel_verbs(), cli->out);
    return KEEL_EXIT_OK;
}

static int verb_help(const keel_args *args, const keel_cli *cli)
{
    keel_err err;
    int used;
    if (keel_args_on(args, "json"))
        keel_help_json(keel_verbs(), cli->out);
    else if (args->operands_n == 0)
        keel_help_all(keel_verbs(), cli->out);
    if (args->operands_n == 0 || keel_args_on(args, "json"))
        return KEEL_EXIT_OK;
    if (args->operands_n == 1 && keel_help_group(keel_verbs(), args->operands[0], cli->out))
        return KEEL_EXIT_OK;
    const keel_verb *verb =
        keel_verb_find(keel_verbs(), args->operands_n, args->operands, &used, &err);
    if (verb == NULL) {
        fprintf(cli->err, "keel: %s\n", err.text);
        return KEEL_EXIT_USAGE;
    }
    keel_help_verb(verb, cli->out);
    return KEEL_EXIT_OK;
}

static const keel_verb verbs[] = {
    {"demo", "run the whole system on a simulated market, or on your prices, and show its tables",
     "", 0, 0, true, demo_options,
     "A fresh run in lockstep: every process, three strategies, two private redis servers, no port "
     "open. A configuration that names strategies is taken as it is: of those, Keel's own are "
     "started.",
     demo_examples, keel_verb_demo},
    {"up", "start the system in the background, or go on with the newest run", "", 0, 0, true,
     up_options, "Live mode: the clock paces the rows (run.pace).", up_examples, keel_verb_up},
    {"down", "stop the running system", "", 0, 0, false, run_options, "", down_examples,
     keel_verb_down},
    {"status", "the processes of the running system, and whom everyone waits for", "", 0, 0, false,
     run_options, "", status_examples, keel_verb_status},
    {"doctor", "check this machine and the run: packages, redis, limits, space, door", "", 0, 0,
     false, run_options, "", doctor_examples, keel_verb_doctor},
    {"logs", "what the processes wrote", "[SERVICE]", 0, 1, false, logs_options, "", logs_examples,
     keel_verb_logs},
    {"alloc get", "the newest approved allocation", "", 0, 0, false, read_options,
     "Exit code 7 when its publisher is silent: the answer may be old.", alloc_get_examples,
     keel_verb_alloc_get},
    {"alloc watch", "allocations as they are approved", "", 0, 0, false, watch_options, "",
     watch_examples, keel_verb_alloc_watch},
    {"portfolio show", "books, positions, performance", "", 0, 0, false, read_options, "",
     portfolio_examples, keel_verb_portfolio_show},
    {"corr", "the correlation matrix and its strongest pairs", "", 0, 0, false, corr_options, "",
     corr_examples, keel_verb_corr},
    {"data check", "look at price files before they are used", "FILE...", 1, KEEL_ARGS_MAX, false,
     data_options, "", data_examples, keel_verb_data_check},
    {"optimize", "solve a portfolio problem: from a file of prices, as JSON, or a stream of them",
     "", 0, 0, false, optimize_options,
     "Needs nothing running. One of --problem, --stream, --returns and --prices; the other options "
     "go with the last two. Exit code 3 when the input is wrong, by field or line; 6 when there is "
     "no answer, with the reason. docs/optimize.md has the fields.",
     optimize_examples, keel_verb_optimize},
    {"frontier", "every efficient portfolio of a problem: corners, points, the best, a picture", "",
     0, 0, false, frontier_options,
     "Needs nothing running. One of --problem, --returns and --prices, as of optimize. Costs, "
     "gross exposure, turnover and tracking error change the portfolio of --method alone. "
     "Exit code 1 when the plot or the results cannot be written; 3 when the input is wrong, by "
     "field or line; 6 when there is no frontier, with the reason. docs/optimize.md has an "
     "example.",
     frontier_examples, keel_verb_frontier},
    {"config show", "every configuration key in force", "[SERVICE]", 0, 1, true, config_options,
     "Of the run that is up, or of --run, else of the base configuration.", config_examples,
     keel_verb_config_show},
    {"replay", "run engines over a journal and compare every payload", "[JOURNAL]", 0, 1, false,
     run_options, "Needs nothing running. Without JOURNAL: those of the newest run.",
     replay_examples, keel_verb_replay},
    {"ledger check", "recompute the books from the fills, with other code", "", 0, 0, false,
     run_options, "Needs nothing running. Without --run: the newest run, a demo's included.",
     ledger_examples, keel_verb_ledger_check},
    {"signal send", "send a signal as a strategy", "STRATEGY SYMBOL long|short|flat", 3, 3, false,
     send_options,
     "Uses the strategy's own key when the run has it, else the operator's. A program that is "
     "connected as the same strategy is superseded by it and has to start again. Exit code 5 when "
     "the signal is refused.",
     send_examples, keel_verb_signal_send},
    {"signal ls", "decisions about signals, with their reasons", "", 0, 0, false, signals_options,
     "From the run's books; nothing needs to run.", signals_examples, keel_verb_signal_ls},
    {"signal trace", "follow one signal: decision, size, fills, result", "ID", 1, 1, false,
     trace_options, "From the run's books; nothing needs to run.", trace_examples,
     keel_verb_signal_trace},
    {"strategy ls", "the strategies: mode, share, P&L, signals", "", 0, 0, false, read_options,
     "Exit code 7 when their publisher is silent: the answer may be old.", strategies_examples,
     keel_verb_strategy_ls},
    {"strategy show", "one strategy: allocation, dispositions, positions", "NAME", 1, 1, false,
     read_options, "", strategy_examples, keel_verb_strategy_show},
    {"halt", "stop trading: everything, one strategy or one asset", "", 0, 0, false, halt_options,
     "", halt_examples, keel_verb_halt},
    {"resume", "trade again after a halt or a stop", "", 0, 0, false, halt_options,
     "A halt of one strategy or asset ends with the same option.", resume_examples,
     keel_verb_resume},
    {"health", "ask one service how it is", "SERVICE", 1, 1, false, health_options,
     "Exit code 1 when it has failed or stops.", health_examples, keel_verb_health},
    {"key add", "a new key for somebody who may come in", "NAME", 1, 1, false, key_add_options,
     "Without --operator the key may send signals as the strategy NAME, ask for ping and status, "
     "and read everything.",
     key_add_examples, keel_verb_key_add},
    {"key ls", "the keys of a run and their rights", "", 0, 0, false, key_options, "",
     key_ls_examples, keel_verb_key_ls},
    {"key revoke", "take a key away, now", "NAME", 1, 1, false, key_options, "",
     key_revoke_examples, keel_verb_key_revoke},
    {"bus tail", "decoded messages as they pass the door", "[TOPIC-PREFIX]", 0, 1, false,
     tail_options, "One line each: time sent, topic, step.index, type, payload.", tail_examples,
     keel_verb_bus_tail},
    {"bus bench", "measure the running system through its door", "", 0, 0, false, bench_options, "",
     bench_examples, keel_verb_bus_bench},
    {"help", "this overview, or the help of a verb", "[VERB]", 0, 2, false, NULL, "", help_examples,
     verb_help},
    {"completion", "a completion script for a shell", "bash", 1, 1, false, NULL, "",
     completion_examples, verb_completion},
    {"man", "the manual page", "", 0, 0, false, NULL, "", man_examples, verb_man},
    {"version", "name and version", "", 0, 0, false, NULL, "", version_examples, verb_version},
    {.name = NULL},
};

const keel_verb *keel_verbs(void)
{
    return verbs;
}
