#include "common/base/timefmt.h"
#include "common/config/config_internal.h"
#include "common/domain/fixed.h"
#include "common/service/settings.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INSTRUMENTS "universe: {instruments: [{symbol: BTC-SIM}, {symbol: ETH-SIM}]}\n"

static keel_settings s;
static keel_universe u;
static keel_err err;
static keel_config *config;

static keel_status load(const char *yaml)
{
    err = (keel_err){0};
    keel_config_free(&config);
    config = config_new();
    keel_status status =
        config_add_yaml(config, "t.yaml", (const uint8_t *)yaml, strlen(yaml), &err);
    if (status == KEEL_OK)
        status = keel_settings_load(config, &s, &u, &err);
    return status;
}

static void stop(void)
{
    keel_config_free(&config);
}

Test(settings, defaults_are_the_documents, .fini = stop) /* CF01-CF07 CF09 CF15 */
{
    cr_assert_eq(load(INSTRUMENTS), KEEL_OK, "%s", err.text);
    cr_assert_eq(s.max_positions, 5);
    cr_assert_eq(s.correlation_window_days, 30);
    cr_assert_eq(s.max_drawdown, 0.05);
    cr_assert_str_eq(s.rebalancing_frequency, "daily");
    cr_assert_eq(s.rebalancing_ns, KEEL_NS_PER_DAY);
    cr_assert_not(s.rebalancing_monthly);
    cr_assert(s.enable_correlation && s.enable_optimization);
    cr_assert_eq(s.equity_usd, 10000.0);
    cr_assert_eq(s.mode, KEEL_MODE_LOCKSTEP);
    cr_assert_eq(s.step_deadline_ns, 250 * KEEL_NS_PER_MS);
    cr_assert_str_eq(s.bar, "1h");
    cr_assert_eq(s.bar_ns, KEEL_NS_PER_H);
    cr_assert_str_eq(s.endpoint, "ipc://{run}/{service}.pub");
    cr_assert_eq(s.books_n, 1);
    cr_assert_str_eq(s.books[0].book, "core");
    cr_assert_eq(s.books[0].share_frac, 1.0);
    cr_assert_eq(u.n, 2);
    cr_assert_str_eq(u.id, "main");
    cr_assert_str_eq(u.instruments[1].symbol, "ETH-SIM");
    cr_assert_str_eq(u.instruments[1].currency, "USD");
    cr_assert_eq(u.instruments[1].price_exp, KEEL_EXP_DEFAULT);
    cr_assert_eq(u.instruments[1].lot_units, 1);
    cr_assert_eq(u.instruments[1].session, KEEL_SESSION_CONTINUOUS);
    cr_assert_neq(u.hash, 0);
}

Test(settings, documents_overrides_are_taken, .fini = stop) /* CF02, CF04, CF05 */
{
    cr_assert_eq(load(INSTRUMENTS "portfolio: {correlation_threshold: 0.65, max_drawdown: 3%,\n"
                                  "  max_portfolio_risk: 1.5%,\n"
                                  "  position_sizing: correlation_adjusted, max_positions: 3}\n"
                                  "advanced_portfolio: {core_settings: {enable_ml: no,\n"
                                  "  enable_correlation: off, enable_optimization: false}}\n"),
                 KEEL_OK, "%s", err.text);
    cr_assert_eq(s.max_drawdown, 0.03);
    cr_assert_eq(s.correlation_threshold, 0.65);
    cr_assert_eq(s.max_portfolio_risk, 0.015);
    cr_assert_eq(s.max_positions, 3);
    cr_assert_not(s.enable_correlation || s.enable_optimization);
}

Test(settings, instruments_are_read_exactly, .fini = stop)
{
    cr_assert_eq(load("universe:\n"
                      "  name: wide\n"
                      "  bar: 1d\n"
                      "  instruments:\n"
                      "    - symbol: SHIB-SIM\n"
                      "      sector: Layer 1\n"
                      "      price_exp: 12\n"
                      "      qty_exp: 0\n"
                      "      lot: 1e3\n"
                      "      min_notional: 2.50\n"
                      "    - {symbol: BRK.B, currency: USD, lot: 0.001, session: weekdays}\n"),
                 KEEL_OK, "%s", err.text);
    cr_assert_str_eq(u.id, "wide");
    cr_assert_str_eq(s.bar, "1d");
    cr_assert_eq(u.instruments[0].price_exp, 12);
    cr_assert_eq(u.instruments[0].qty_exp, 0);
    cr_assert_eq(u.instruments[0].lot_units, 1000);
    cr_assert_eq(u.instruments[0].min_notional_micros, 2500000);
    cr_assert_str_eq(u.instruments[0].sector, "Layer 1");
    cr_assert_eq(u.instruments[1].lot_units, 100000);
    cr_assert_eq(u.instruments[1].session, KEEL_SESSION_WEEKDAYS);
}

Test(settings, capital_lists_core_first_and_leaves_the_rest, .fini = stop) /* AL11 T8 */
{
    cr_assert_eq(load(INSTRUMENTS "capital: {momentum: 0.30, core: 25%, mean-rev.v2: 0.25}\n"),
                 KEEL_OK, "%s", err.text);
    cr_assert_eq(s.books_n, 3);
    cr_assert_str_eq(s.books[0].book, "core");
    cr_assert_eq(s.books[0].share_frac, 0.25);
    cr_assert_str_eq(s.books[1].book, "momentum");
    cr_assert_eq(s.books[1].share_frac, 0.3);
    cr_assert_str_eq(s.books[2].book, "mean-rev.v2");
    cr_assert_eq(load(INSTRUMENTS "capital: {a: 0.1, b: 0.2, c: 0.7}\n"), KEEL_OK,
                 "decimals that sum to one: %s", err.text);
    cr_assert_eq(s.books_n, 4);
    cr_assert_str_eq(s.books[0].book, "core");
    cr_assert_eq(s.books[0].share_frac, 0.0);
    cr_assert_eq(load(INSTRUMENTS "capital:\n"), KEEL_OK);
    cr_assert_eq(s.books[0].share_frac, 1.0);
}

Test(settings, schedules_share_one_grammar, .fini = stop) /* RB08 T4 CF07 */
{
    static const struct {
        const char *text;
        int64_t ns;
        bool monthly;
    } cases[] = {
        {"daily", KEEL_NS_PER_DAY, false},
        {"weekly", 7 * KEEL_NS_PER_DAY, false},
        {"monthly", 0, true},
        {"24h", KEEL_NS_PER_DAY, false},
        {"1h", KEEL_NS_PER_H, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char yaml[256];
        snprintf(yaml, sizeof yaml, INSTRUMENTS "portfolio: {rebalancing_frequency: %s}\n",
                 cases[i].text);
        cr_assert_eq(load(yaml), KEEL_OK, "%s", err.text);
        cr_assert_eq(s.rebalancing_ns, cases[i].ns, "%s", cases[i].text);
        cr_assert_eq(s.rebalancing_monthly, cases[i].monthly);
    }
}

Test(settings, refuses_by_place_and_name, .fini = stop) /* AL12 CF16 */
{
    static const struct {
        const char *yaml, *says;
    } cases[] = {
        {INSTRUMENTS "capital: {core: 0.6, momentum: 0.5}\n",
         "t.yaml:2:10: capital: the shares sum to 1.1, more than 1"},
        {INSTRUMENTS "capital: {core: 1.2}\n", "capital.core: \"1.2\" is above 1"},
        {INSTRUMENTS "capital: {core: -0.1}\n", "capital.core: \"-0.1\" is out of range"},
        {INSTRUMENTS "capital: {core: }\n", "capital.core: no value given"},
        {INSTRUMENTS "capital: {reserve: 0.2}\n", "what the shares leave is the reserve"},
        {INSTRUMENTS "capital: {netting: 0.2}\n", "capital.netting"},
        {INSTRUMENTS "capital: {a b: 0.2}\n", "capital.a b: a book is named by"},
        {INSTRUMENTS "capital: [0.2]\n", "capital: must be a map"},
        {INSTRUMENTS "capital: 0.2\n", "capital: must be a map"},
        {INSTRUMENTS "run: {id: a_b}\n", "t.yaml:2:11: run.id: \"a_b\""},
        {INSTRUMENTS
         "run: {dir: /tmp/0123456789012345678901234567890123456789012345678901234567890}\n",
         "allowed 1 to 60"},
        {INSTRUMENTS "run: {endpoint: \"ipc://x\"}\n", "has no {service}"},
        {INSTRUMENTS "run: {mode: fast}\n", "none of lockstep|live"},
        {INSTRUMENTS "portfolio: {rebalancing_frequency: dayly}\n", "did you mean daily?"},
        {INSTRUMENTS "portfolio: {rebalancing_frequency: 30m}\n", "is shorter than a bar (1h)"},
        {INSTRUMENTS "portfolio: {rebalancing_frequency: 0}\n", "shorter than a bar"},
        {INSTRUMENTS "portfolio: {name: a b}\n", "portfolio.name: \"a b\""},
        {INSTRUMENTS "portfolio: {max_drawdown: 5}\n", "did you mean 0.05 or 5%"},
        {INSTRUMENTS "portfolio: {correlation_threshold: 1}\n",
         "portfolio.correlation_threshold: \"1\" is out of range"}, /* CF02 */
        {INSTRUMENTS "portfolio: {correlation_threshold: 70}\n", "did you mean 0.7 or 70%"},
        {INSTRUMENTS "portfolio: {max_portfolio_risk: 0}\n",
         "portfolio.max_portfolio_risk: \"0\" is out of range"}, /* CF04 */
        {INSTRUMENTS "portfolio: {max_portfolio_risk: 2}\n", "did you mean 0.02 or 2%"},
        {INSTRUMENTS "portfolio: {position_sizing: risk_parity}\n",
         "portfolio.position_sizing: not available yet (other sizings); today it is "
         "correlation_adjusted"},
        {INSTRUMENTS "advanced_portfolio: {core_settings: {enable_ml: true}}\n",
         "enable_ml: not available yet"},
        {INSTRUMENTS "advanced_portfolio: {ml_models: {risk_predictor: x}}\n",
         "ml_models: not available yet"},
        {INSTRUMENTS "advanced_portfolio: {portfolio_strategies: {max_sharpe: {}}}\n",
         "portfolio_strategies: not available yet"},
        {INSTRUMENTS "advanced_portfolio: {allocation_methods: {dynamic: {}}}\n",
         "allocation_methods: not available yet"},
        {INSTRUMENTS "advanced_portfolio: {risk_management: {risk_limits: {}}}\n",
         "risk_management: not available yet"},
        {INSTRUMENTS "risk_manager: {equity_usd: 0}\n", "risk_manager.equity_usd"},
        {"", "default: universe.instruments: required"},
        {"universe: {instruments: []}\n", "t.yaml:1:25: universe.instruments: required"},
        {"universe: {instruments: {symbol: A}}\n", "universe.instruments: required, a list"},
        {"universe: {instruments: [A]}\n", "an instrument is a map"},
        {"universe: {instruments: [{sector: A}]}\n", "needs a symbol"},
        {"universe: {instruments: [{symbol: A, sectr: B}]}\n", "did you mean sector?"},
        {"universe: {instruments: [{symbol: A, lot: 0}]}\n", "at least one step in steps of 1e-8"},
        {"universe: {instruments: [{symbol: A, lot: 0.5, qty_exp: 0}]}\n", "in steps of 1e-0"},
        {"universe: {instruments: [{symbol: A, lot: -1}]}\n", "lot"},
        {"universe: {instruments: [{symbol: A, min_notional: 1e-7}]}\n", "min_notional"},
        {"universe: {instruments: [{symbol: A, price_exp: 13}]}\n", "from 0 to 12"},
        {"universe: {instruments: [{symbol: A, session: nights}]}\n", "continuous|weekdays"},
        {"universe: {instruments: [{symbol: A, currency: EUR}]}\n",
         "A is quoted in EUR, the account is in USD"},
        {"universe: {instruments: [{symbol: A}, {symbol: A}]}\n", "A: given twice"},
        {"universe: {instruments: [{symbol: 0123456789012345678901234567890123}]}\n", "symbol"},
        {"universe: {bar: 1ms, instruments: [{symbol: A}]}\n", "universe.bar"},
        {"universe: {bar: [1h], instruments: [{symbol: A}]}\n", "universe.bar: must be one value"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cr_assert_neq(load(cases[i].yaml), KEEL_OK, "accepted: %s", cases[i].yaml);
        cr_assert_not_null(strstr(err.text, cases[i].says), "case %zu: %s", i, err.text);
    }
}

/* SR01: the registry is the configuration. */
Test(settings, strategies_have_books_and_keys, .fini = stop)
{
    cr_assert_eq(load(INSTRUMENTS "capital: {core: 0.5, momentum: 0.2}\n"
                                  "strategies:\n"
                                  "  momentum: {lockstep: true, max_gross: 1.5}\n"
                                  "  breakout: {}\n"),
                 KEEL_OK, "%s", err.text);
    cr_assert_eq(s.strategies_n, 2);
    cr_assert_str_eq(s.strategies[0].name, "momentum");
    cr_assert(s.strategies[0].lockstep && s.strategies[0].active);
    cr_assert_eq(s.strategies[0].max_gross, 1.5);
    cr_assert(!s.strategies[1].lockstep && s.strategies[1].max_gross == 1.0);
    cr_assert_eq(s.books_n, 3);
    cr_assert_str_eq(s.books[2].book, "breakout");
    cr_assert_eq(s.books[2].share_frac, 0.0);
}

Test(settings, strategies_that_cannot_be_are_refused, .fini = stop)
{
    static const struct {
        const char *yaml, *says;
    } cases[] = {
        {"strategies: {core: {}}\n", "not core, reserve or netting"},
        {"strategies: {a b: {}}\n", "letters"},
        {"strategies: {m: fast}\n", "must be a map"},
        {"strategies: [m]\n", "must be a map of name"},
        {"strategies: {m: {lockstop: true}}\n", "did you mean lockstep?"},
        {"strategies: {m: {lockstep: perhaps}}\n", "strategies.m.lockstep"},
        {"strategies: {m: {max_gross: 0}}\n", "strategies.m.max_gross"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char yaml[1024] = INSTRUMENTS;
        strcat(yaml, cases[i].yaml);
        cr_assert_neq(load(yaml), KEEL_OK, "accepted: %s", cases[i].yaml);
        cr_assert_not_null(strstr(err.text, cases[i].says), "case %zu: %s", i, err.text);
    }
}

Test(settings, a_redis_is_at_a_socket_or_a_tcp_address, .fini = stop)
{
    static const struct {
        const char *yaml, *says; /* "" = taken */
    } cases[] = {
        {INSTRUMENTS "run: {log: \"tcp://log:6379\", cache: /run/cache.sock}\n", ""},
        {INSTRUMENTS "run: {log: \"tcp://log\"}\n",
         "t.yaml:2:12: run.log: \"tcp://log\": it is tcp://host:port"},
        {INSTRUMENTS "run: {cache: \"tcp://c:0\"}\n", "run.cache: \"tcp://c:0\": the port is"},
        {INSTRUMENTS "run: {log: \"redis://log:1\"}\n", "a unix socket's path or tcp://host:port"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const keel_status status = load(cases[i].yaml);
        cr_assert_eq(status == KEEL_OK, cases[i].says[0] == '\0', "%s", err.text);
        cr_assert(strstr(err.text, cases[i].says) != NULL, "%s", err.text);
    }
}

Test(settings, books_have_a_named_maximum, .fini = stop)
{
    static char yaml[16384] = INSTRUMENTS "capital: {";
    for (int i = 0; i < KEEL_BOOKS_MAX - 1; i++)
        sprintf(yaml + strlen(yaml), "b%d: 0.001, ", i);
    strcat(yaml, "}\n");
    cr_assert_eq(load(yaml), KEEL_ETOOBIG);
    cr_assert_not_null(strstr(err.text, "more than 510 books"), "%s", err.text);
}

Test(settings, the_default_configuration_loads_and_knows_every_key, .fini = stop)
{
    char path[4096];
    const char *source = getenv("KEEL_SOURCE_DIR");
    snprintf(path, sizeof path, "%s/deploy/config/keel.yaml", source != NULL ? source : ".");
    const keel_config_sources sources = {path, NULL, 0, NULL};
    const keel_cfg_row *const tables[] = {keel_settings_rows()};
    static const char *const services[] = {
        "relay",     "feed",   "correlation", "optimizer", "risk", "strategy-coordinator",
        "execution", "ledger", "gateway",     "backtest",  "cli"};
    config = keel_config_load(&sources, &err);
    cr_assert_not_null(config, "%s", err.text);
    cr_assert_eq(keel_settings_load(config, &s, &u, &err), KEEL_OK, "%s", err.text);
    cr_assert_eq(keel_config_check(config, tables, 1, services, 11, &err), KEEL_OK, "%s", err.text);
    cr_assert_eq(u.n, 8);
    cr_assert_eq(s.equity_usd, 1000000.0);
    for (int i = 0; i < u.n; i++)
        cr_assert_not_null(strstr(u.instruments[i].symbol, "-SIM"));
    /* every shared key that has a standing is written in the file */
    for (const keel_cfg_row *row = keel_settings_rows(); row->type != KEEL_CFG_T_END; row++)
        if (row->type != KEEL_CFG_T_LATER || row->default_text != NULL)
            cr_assert_not_null(keel_config_at(config, row->key), "%s", row->key);
}
