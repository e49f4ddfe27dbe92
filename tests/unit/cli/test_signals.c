#include "services/cli/news.h"
#include "services/cli/signal_args.h"
#include "services/cli/verbs.h"
#include "services/cli/views.h"

#include "common/base/timefmt.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

enum { WORDS_MAX = 24 };

/* Parse a line of `keel signal send` as main does; static storage. */
static keel_status signal_of(const char *line, keel_signal *signal, keel_err *err)
{
    static char text[512];
    static keel_args args;
    const char *words[WORDS_MAX];
    int n = 0, used;
    snprintf(text, sizeof text, "%s", line);
    for (char *w = strtok(text, " "); w != NULL; w = strtok(NULL, " "))
        words[n++] = w;
    const keel_verb *verb = keel_verb_find(keel_verbs(), n, words, &used, err);
    cr_assert_not_null(verb, "%s", err->text);
    const keel_status status = keel_args_parse(verb, n - used, words + used, &args, err);
    return status == KEEL_OK ? keel_signal_of_args(&args, 12345, signal, err) : status;
}

Test(signal_args, words_become_a_signal)
{
    keel_signal s;
    keel_err err;
    cr_assert_eq(signal_of("signal send mine BTC-SIM long --entry 100 --stop 90.5 --target 120 "
                           "--confidence 80% --valid 24h --id x-1",
                           &s, &err),
                 KEEL_OK, "%s", err.text);
    cr_assert_str_eq(s.strategy, "mine");
    cr_assert_str_eq(s.symbol, "BTC-SIM");
    cr_assert_str_eq(s.signal_id, "x-1");
    cr_assert_eq(s.side, KEEL_SIDE_LONG);
    cr_assert_float_eq(s.entry, 100.0, 0.0);
    cr_assert_float_eq(s.stop, 90.5, 0.0);
    cr_assert_float_eq(s.target, 120.0, 0.0);
    cr_assert_float_eq(s.confidence_frac, 0.8, 1e-15);
    cr_assert_eq(s.valid_until_ns, KEEL_NS_PER_DAY);
    cr_assert_eq(signal_of("signal send mine BTC-SIM flat", &s, &err), KEEL_OK);
    cr_assert_eq(s.side, KEEL_SIDE_FLAT);
    cr_assert_float_eq(s.confidence_frac, 1.0, 0.0);
    cr_assert_eq(s.valid_until_ns, 0, "the configured validity");
    cr_assert_float_eq(s.entry, 0.0, 0.0, "the last price");
    cr_assert_str_eq(s.signal_id, "cli-12345", "named by the time when nothing else does");
}

Test(signal_args, slips_are_named_with_a_way_out)
{
    static const char *const cases[][2] = {
        {"signal send a X long --confidence 80", "80%"},
        {"signal send a X long --confidence -1", "outside 0%..100%"},
        {"signal send a X lnog", "did you mean 'long'"},
        {"signal send a X buy", "did you mean 'long'"},
        {"signal send a X sell", "long, short or flat"},
        {"signal send a b! long", "'b!' cannot be a symbol"},
        {"signal send a,b X long", "'a,b' cannot be the name of a strategy"},
        {"signal send a X long --stop 0", "above 0"},
        {"signal send a X long --stop nan", "above 0"},
        {"signal send a X long --entry 100 --stop 101", "below --entry 100"},
        {"signal send a X short --entry 100 --stop 99", "above --entry 100"},
        {"signal send a X long --entry 100 --target 99", "above --entry 100"},
        {"signal send a X short --entry 100 --target 101", "below --entry 100"},
        {"signal send a X long --stop 9 --target 8", "below --target 8"},
        {"signal send a X flat --stop 9", "flat closes"},
        {"signal send a X", "usage: keel signal send"},
        {"signal send a X long --valid soon", "a duration such as"},
        {"signal send a X long --id "
         "0123456789012345678901234567890123456789012345678901234567890123456",
         "longer than 64"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        keel_signal s = {.seq = 99};
        keel_err err = {.status = KEEL_OK};
        cr_assert_neq(signal_of(cases[i][0], &s, &err), KEEL_OK, "%s", cases[i][0]);
        cr_assert_not_null(strstr(err.text, cases[i][1]), "%s: %s", cases[i][0], err.text);
        cr_assert_eq(s.seq, 99, "untouched");
    }
}

Test(news, first_ones_and_round_numbers)
{
    static const uint64_t often[] = {1, 2, 3, 4, 5, 10, 20, 90, 100, 700, 1000, 40000};
    static const uint64_t never[] = {6, 9, 11, 15, 99, 101, 110, 250, 1001, 12000};
    for (size_t i = 0; i < sizeof often / sizeof *often; i++)
        cr_assert(keel_news_due(often[i], 5, true), "%d", (int)often[i]);
    for (size_t i = 0; i < sizeof never / sizeof *never; i++)
        cr_assert_not(keel_news_due(never[i], 5, true), "%d", (int)never[i]);
    cr_assert(keel_news_due(100, 2, false));
    cr_assert_not(keel_news_due(200, 2, false));
    int lines = 0;
    for (uint64_t n = 1; n <= 1000000; n++)
        lines += keel_news_due(n, 5, true);
    cr_assert_leq(lines, 60, "a million signals are %d lines", lines);
}

/* A place to print to, and what came out. */
typedef struct page {
    char *text;
    size_t len;
    keel_cli cli;
    keel_universe universe;
} page;

static page the_page;

static void drop_page(void)
{
    free(the_page.text);
    the_page = (page){0};
}

static page *open_page(void)
{
    page *p = &the_page;
    drop_page();
    p->cli.out = open_memstream(&p->text, &p->len);
    p->cli.err = stderr;
    p->universe.n = 1;
    snprintf(p->universe.instruments[0].symbol, KEEL_SYMBOL_MAX, "BTC-SIM");
    p->universe.instruments[0].price_exp = 2;
    p->universe.instruments[0].qty_exp = 3;
    return p;
}

/* The text stays valid until drop_page. */
static const char *close_page(page *p)
{
    fclose(p->cli.out);
    return p->text;
}

static keel_decision accepted(void)
{
    keel_decision d = {.decision_seq = 7, .accepted = true, .side = KEEL_SIDE_LONG, .intents_n = 1};
    snprintf(d.strategy, sizeof d.strategy, "momentum");
    snprintf(d.signal_id, sizeof d.signal_id, "12-1");
    snprintf(d.symbol, sizeof d.symbol, "BTC-SIM");
    keel_reason_set(&d.reason, KEEL_REASON_ACCEPTED, "sized by risk_per_trade");
    d.intents[0] = (keel_intent){
        .target_qty_units = 1234, .version = 7, .stop_units = 900050, .target_units = 1100000};
    d.sizing_n = 2;
    d.sizing[0] = (keel_sizing_rule){.code = KEEL_REASON_BUDGET_EXHAUSTED, .qty_units = 9000};
    snprintf(d.sizing[0].name, sizeof d.sizing[0].name, "budget");
    d.sizing[1] = (keel_sizing_rule){
        .code = KEEL_REASON_RISK_LIMIT, .value = 0.01, .bound = true, .qty_units = 1234};
    snprintf(d.sizing[1].name, sizeof d.sizing[1].name, "risk_per_trade");
    return d;
}

Test(views, a_decision_is_one_line_with_size_or_reason, .fini = drop_page)
{
    page *p = open_page();
    keel_decision d = accepted();
    keel_view_decision_line(&p->cli, &p->universe, INT64_C(1767322800) * KEEL_NS_PER_S, &d, 3);
    keel_reason_set(&d.reason, KEEL_REASON_CONFLICT, "breakout is short of it");
    d.accepted = false;
    d.intents_n = 0;
    keel_view_decision_line(&p->cli, &p->universe, INT64_C(1767322800) * KEEL_NS_PER_S, &d, 100);
    cr_assert_str_eq(close_page(p),
                     "2026-01-02 03:00  momentum       long  BTC-SIM    accepted  hold 1.234, stop "
                     "9000.50, target 11000.00 (risk_per_trade)\n"
                     "2026-01-02 03:00  momentum       long  BTC-SIM    refused   no. 100: "
                     "conflict: breakout is short of it\n");
}

Test(views, a_line_ends_at_the_terminals_edge_and_moves_no_cursor, .fini = drop_page)
{
    page *p = open_page();
    keel_decision d = accepted();
    p->cli.width = 40;
    snprintf(d.symbol, sizeof d.symbol, "B\033[2J\n");
    keel_view_decision_line(&p->cli, &p->universe, 0, &d, 1);
    const char *text = close_page(p);
    cr_assert_eq(strlen(text), 41);
    cr_assert_null(strchr(text, '\033'));
}

Test(views, a_fill_shows_the_strategys_part, .fini = drop_page)
{
    page *p = open_page();
    keel_fill f = {.price_units = 1000000, .books_n = 3};
    f.reason.code = KEEL_REASON_TRIGGER;
    snprintf(f.books[0].book, KEEL_NAME_MAX, "core");
    f.books[1] = (keel_book_fill){.qty_units = -500, .fee_micros = 1230000, .closed_version = 7};
    snprintf(f.books[1].book, KEEL_NAME_MAX, "momentum");
    snprintf(f.books[2].book, KEEL_NAME_MAX, "netting");
    keel_view_fill_line(&p->cli, &p->universe, &f, 1);
    f.books_n = 1;
    keel_view_fill_line(&p->cli, &p->universe, &f, 1);
    cr_assert_str_eq(close_page(p),
                     "1970-01-01 00:00  momentum       sell  BTC-SIM    triggered 0.5 at 10000.00, "
                     "fee 1.23, decision 7, netted with 1 other book\n",
                     "and nothing for a fill of core alone");
}

Test(views, the_rule_that_set_the_size_is_marked, .fini = drop_page)
{
    page *p = open_page();
    const keel_decision d = accepted();
    keel_view_decision(&p->cli, &p->universe, 0, &d);
    const char *text = close_page(p);
    const char *bound = strstr(text, "sets the size");
    cr_assert_not_null(bound, "%s", text);
    cr_assert_null(strstr(bound + 1, "sets the size"), "one rule");
    cr_assert_not_null(strstr(text, "risk_per_trade   0.01   1.234"), "%s", text);
    cr_assert_not_null(strstr(text, "Decision 7 about 12-1 of momentum"), "%s", text);
    cr_assert_not_null(strstr(text, "sized by risk_per_trade"), "%s", text);
}

/* ---- strategies ---- */

static const keel_disposition_count dispositions[] = {
    {KEEL_REASON_WARMING_UP, 12}, {KEEL_REASON_MAX_POSITIONS, 2}, {KEEL_REASON_ACCEPTED, 30},
    {KEEL_REASON_EXPIRED, 3},     {KEEL_REASON_CONFLICT, 5},
};

static keel_strategy_status status_of(const char *name)
{
    keel_strategy_status s = {.active = true,
                              .share_frac = 0.15,
                              .received = 54,
                              .decided = 52,
                              .pending = 2,
                              .executed = 28,
                              .active_signals = 3,
                              .dispositions_n = 5,
                              .dispositions = dispositions};
    snprintf(s.strategy, sizeof s.strategy, "%s", name);
    return s;
}

/* SI17: refusals by reason, most frequent first; nothing is left out of the sum. */
Test(views, refusals_add_up)
{
    char text[256];
    const keel_strategy_status s = status_of("momentum");
    keel_refusals_text(&s, 2, text, sizeof text);
    cr_assert_str_eq(text, "warming up 12, conflict 5, 5 others");
    keel_refusals_text(&s, 9, text, sizeof text);
    cr_assert_str_eq(text, "warming up 12, conflict 5, expired 3, max positions 2");
    const keel_strategy_status none = {.decided = 0};
    keel_refusals_text(&none, 3, text, sizeof text);
    cr_assert_str_eq(text, "");
}

Test(views, results_of_a_demo_per_strategy, .fini = drop_page)
{
    page *p = open_page();
    const keel_strategy_status all[] = {status_of("momentum"), status_of("breakout")};
    const keel_strategy_report report = {.strategies_n = 2, .strategies = all};
    const keel_attribution_line lines[] = {
        {.name = "momentum",
         .pnl_micros = -1500000,
         .closing_trades = 4,
         .win_rate_frac = 0.25,
         .fees_micros = 2000000,
         .slippage_micros = 1000000},
        {.name = "netting", .pnl_micros = 420000},
    };
    const keel_attribution by = {.lines_n = 2, .lines = lines};
    keel_view_strategy_results(&p->cli, &report, &by);
    const char *text = close_page(p);
    cr_assert_not_null(strstr(text,
                              "momentum  15.0%        54        30        28       22  -1.50  "
                              "   25.0%   3.00  warming up 12, conflict 5, expired 3, 2 other"
                              "s"),
                       "%s", text);
    cr_assert_not_null(
        strstr(text, "breakout  15.0%        54        30        28       22      - "),
        "a strategy without a line has no P&L: %s", text);
    cr_assert_not_null(strstr(text, "netting saved 0.42"), "%s", text);
}

/* SR02, SI25: what one strategy has, does and is allowed to do. */
Test(views, one_strategy_with_mode_reason_and_positions, .fini = drop_page)
{
    page *p = open_page();
    keel_strategy_status s = status_of("momentum");
    const keel_symbol_count symbols[] = {{"BTC-SIM", 50, 30, 28}, {"", 2, 0, 0}};
    s.symbols_n = 2;
    s.symbols = symbols;
    keel_scoped_mode own = {.name = "momentum", .mode = KEEL_TRADING_HALTED};
    keel_reason_set(&own.reason, KEEL_REASON_OPERATOR_HALT, "looks wrong");
    const keel_trading_state trading = {
        .mode = KEEL_TRADING_ACTIVE, .strategies_n = 1, .strategies = &own};
    const keel_position held = {.qty_units = 1234, .cost_micros = 1000000, .value_micros = 1250000};
    const keel_book book = {.equity_micros = 150000000000,
                            .realized_micros = 5000000,
                            .unrealized_micros = 250000,
                            .fees_micros = 1000000,
                            .positions_n = 1,
                            .positions = &held};
    const keel_strategy_view v = {&s, &trading, &book};
    cr_assert_eq(keel_book_pnl_micros(&book), 4250000);
    keel_view_strategy(&p->cli, &p->universe, &v);
    keel_view_strategies(&p->cli, &v, 1);
    const char *text = close_page(p);
    cr_assert_not_null(strstr(text, "HALTED: operator halt: looks wrong"), "%s", text);
    cr_assert_not_null(strstr(text, "share of capital  15.00%"), "%s", text);
    cr_assert_not_null(strstr(text, "4.25; fees 1.00"), "%s", text);
    cr_assert_not_null(strstr(text, "BTC-SIM         50        30        28  1.234   1.25"), "%s",
                       text);
    cr_assert_not_null(strstr(text, "(unknown)"), "%s", text);
    cr_assert_not_null(strstr(text, "momentum  HALTED  15.0%"), "%s", text);
}

Test(views, mode_is_the_strictest_and_its_reason_that_of_who_made_it)
{
    keel_scoped_mode own = {.name = "a", .mode = KEEL_TRADING_REDUCING};
    keel_reason_set(&own.reason, KEEL_REASON_HEARTBEAT_LOST, "own");
    keel_trading_state t = {.mode = KEEL_TRADING_ACTIVE, .strategies_n = 1, .strategies = &own};
    keel_reason_set(&t.reason, KEEL_REASON_DRAWDOWN_LIMIT, "all");
    cr_assert_str_eq(keel_strategy_mode_reason(&t, "a")->text, "own");
    cr_assert_null(keel_strategy_mode_reason(&t, "b"));
    t.mode = KEEL_TRADING_HALTED;
    cr_assert_str_eq(keel_strategy_mode_reason(&t, "a")->text, "all");
    cr_assert_str_eq(keel_strategy_mode_reason(&t, "b")->text, "all");
}

Test(views, listed_decisions_stand_under_their_headings, .fini = drop_page)
{
    page *p = open_page();
    keel_decision_row row = {.event_ns = INT64_C(1767322800) * KEEL_NS_PER_S,
                             .decision = accepted()};
    keel_view_decision_row_heading(&p->cli);
    keel_view_decision_row(&p->cli, &p->universe, &row);
    const char *text = close_page(p);
    const char *line = strchr(text, '\n') + 1;
    static const char *const columns[][2] = {{"signal ", "12-1 "},     {"time (UTC)", "2026-01-02"},
                                             {"strategy", "momentum"}, {"side", "long"},
                                             {"symbol", "BTC-SIM"},    {"outcome", "accepted"},
                                             {"size, or", "hold 1"}};
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        cr_assert_eq(strstr(text, columns[i][0]) - text, strstr(line, columns[i][1]) - line,
                     "%s: %s", columns[i][0], text);
}
