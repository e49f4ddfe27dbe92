#include "common/service/settings.h"

#include "common/base/text.h"
#include "common/base/timefmt.h"
#include "common/cache/dial.h"
#include "common/domain/fixed.h"
#include "common/wire/control.h"

#include <stdio.h>
#include <string.h>

enum { BOOKS_MAX = sizeof((keel_settings *)0)->books / sizeof(keel_book_share) };

#define AT(member)  offsetof(keel_settings, member)
#define BAR_DEFAULT "1h"
/* Shares are typed as decimals whose doubles may sum to a hair above one. */
#define SHARE_SUM_TOLERANCE 1e-9

static const keel_cfg_row rows[] = {
    {KEEL_CFG_T_STR, "run.id", AT(run_id), "dev", "1", "47", "", "letters, digits and -"},
    {KEEL_CFG_T_STR, "run.dir", AT(dir), "run", "1", "60", "", "sockets and files; private"},
    {KEEL_CFG_T_STR, "run.endpoint", AT(endpoint), "ipc://{run}/{service}.pub", "1", "200", "",
     "where a service publishes; {run} and {service} are filled in"},
    {KEEL_CFG_T_STR, "run.log", AT(log_redis), "", NULL, "100", "",
     "Redis of the records: unix socket or tcp://host:port; empty = {run}/log.sock"},
    {KEEL_CFG_T_STR, "run.cache", AT(cache_redis), "", NULL, "100", "",
     "Redis of the last values: likewise; empty = {run}/cache.sock"},
    {KEEL_CFG_T_ENUM, "run.mode", AT(mode), "lockstep", "lockstep|live", NULL, "",
     "lockstep: no clock decides anything"},
    {KEEL_CFG_T_DUR, "run.step_deadline", AT(step_deadline_ns), "250ms", "10ms", "1m", "",
     "live: laggards are passed over after it"},
    {KEEL_CFG_T_DUR, "run.pace", AT(pace_ns), "1s", "0", "1d", "",
     "live: time between rows; 0 = as fast as it goes"},
    {KEEL_CFG_T_STR, "universe.name", AT(universe), "main", "1", "47", "", "{universe} of topics"},
    {KEEL_CFG_T_DUR, "universe.bar", AT(bar_ns), BAR_DEFAULT, "1s", "7d", "",
     "length of a bar; {bar} of topics"},
    {KEEL_CFG_T_STR, "universe.currency", AT(currency), "USD", "1", "7", "", "of the account"},
    {KEEL_CFG_T_TREE, "universe.instruments", 0, NULL, NULL, NULL, "",
     "list of {symbol, sector, currency, price_exp, qty_exp, lot, min_notional, session}"},
    {KEEL_CFG_T_STR, "portfolio.name", AT(portfolio), "main", "1", "47", "",
     "{portfolio} of topics"},
    {KEEL_CFG_T_INT, "portfolio.max_positions", AT(max_positions), "5", "0", "512", "assets",
     "held at once; 0 = no limit"},
    {KEEL_CFG_T_FRAC, "portfolio.correlation_threshold", AT(correlation_threshold), "0.7", "0",
     "0.99", "", "a signal's size is cut above this correlation with what strategies hold"},
    {KEEL_CFG_T_INT, "portfolio.correlation_window", AT(correlation_window_days), "30", "2", "3650",
     "days", "returns a correlation is estimated from"},
    {KEEL_CFG_T_FRAC, "portfolio.max_portfolio_risk", AT(max_portfolio_risk), "2%", "0.0001", "1",
     "of equity", "what all stops of the strategies' positions may lose together"},
    {KEEL_CFG_T_FRAC, "portfolio.max_drawdown", AT(max_drawdown), "0.05", "0.0001", "1",
     "of peak equity", "everything is closed beyond it"},
    {KEEL_CFG_T_LATER, "portfolio.position_sizing", 0, "correlation_adjusted", NULL, NULL, "",
     "other sizings"},
    {KEEL_CFG_T_STR, "portfolio.rebalancing_frequency", AT(rebalancing_frequency), "daily", "1",
     "20", "", "daily, weekly, monthly or a duration such as 12h"},
    {KEEL_CFG_T_TREE, "capital", 0, NULL, NULL, NULL, "",
     "book: share of equity; the rest is reserve; default {core: 1}"},
    {KEEL_CFG_T_TREE, "strategies", 0, NULL, NULL, NULL, "",
     "strategy: {lockstep, active, max_gross}; its book has the same name"},
    {KEEL_CFG_T_REAL, "risk_manager.equity_usd", AT(equity_usd), "10000", "1", "1000000000000",
     "of universe.currency", "equity to start with"},
    {KEEL_CFG_T_LATER, "advanced_portfolio.core_settings.enable_ml", 0, "false", NULL, NULL, "",
     "machine learning"},
    {KEEL_CFG_T_BOOL, "advanced_portfolio.core_settings.enable_correlation", AT(enable_correlation),
     "true", NULL, NULL, "", "false = weights by volatility alone"},
    {KEEL_CFG_T_BOOL, "advanced_portfolio.core_settings.enable_optimization",
     AT(enable_optimization), "true", NULL, NULL, "", "false = static weights"},
    {KEEL_CFG_T_LATER, "advanced_portfolio.ml_models", 0, NULL, NULL, NULL, "", "machine learning"},
    {KEEL_CFG_T_LATER, "advanced_portfolio.portfolio_strategies", 0, NULL, NULL, NULL, "",
     "choices by name; the optimizer section has the methods"},
    {KEEL_CFG_T_LATER, "advanced_portfolio.allocation_methods", 0, NULL, NULL, NULL, "",
     "choices by name; shares are static: see capital"},
    {KEEL_CFG_T_LATER, "advanced_portfolio.risk_management", 0, NULL, NULL, NULL, "",
     "limits by name; the risk section has them"},
    KEEL_CFG_END,
};

const keel_cfg_row *keel_settings_rows(void)
{
    return rows;
}

static const char *where_is(const keel_config *config, const char *key)
{
    const keel_config_node *node = keel_config_at(config, key);
    return node != NULL ? keel_config_where(node) : "default";
}

static keel_status check_name(const keel_config *config, const char *key, const char *name,
                              keel_err *err)
{
    if (keel_name_ok(name, KEEL_NAME_MAX))
        return KEEL_OK;
    return keel_err_set(err, KEEL_EINVAL,
                        "%s: %s: \"%.80s\" has other than letters, digits and "
                        "_:/@-.",
                        where_is(config, key), key, name);
}

static keel_status check_store(const keel_config *config, const char *key, const char *address,
                               keel_err *err)
{
    keel_err why;
    if (address[0] == '\0' || keel_address_check(address, &why) == KEEL_OK)
        return KEEL_OK;
    return keel_err_set(err, KEEL_EINVAL, "%s: %s: \"%.100s\": %s", where_is(config, key), key,
                        address, why.text);
}

static keel_status check_run(const keel_config *config, const keel_settings *s, keel_err *err)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789-";
    if (s->run_id[strspn(s->run_id, letters)] != '\0')
        return keel_err_set(err, KEEL_EINVAL,
                            "%s: run.id: \"%.80s\" has other than letters, digits "
                            "and -",
                            where_is(config, "run.id"), s->run_id);
    if (strstr(s->endpoint, "{service}") == NULL)
        return keel_err_set(err, KEEL_EINVAL,
                            "%s: run.endpoint: \"%.80s\" has no {service}: all would share one",
                            where_is(config, "run.endpoint"), s->endpoint);
    KEEL_TRY(check_store(config, "run.log", s->log_redis, err));
    return check_store(config, "run.cache", s->cache_redis, err);
}

/* One grammar for the four vocabularies of the documents (T4). */
static keel_status read_schedule(const keel_config *config, keel_settings *s, keel_err *err)
{
    static const char *const words[] = {"daily", "weekly", "monthly"};
    static const char key[] = "portfolio.rebalancing_frequency";
    const char *text = s->rebalancing_frequency;
    s->rebalancing_monthly = strcmp(text, "monthly") == 0;
    s->rebalancing_ns = 0;
    if (s->rebalancing_monthly)
        return KEEL_OK;
    if (strcmp(text, "daily") == 0) {
        s->rebalancing_ns = KEEL_NS_PER_DAY;
    } else if (strcmp(text, "weekly") == 0) {
        s->rebalancing_ns = 7 * KEEL_NS_PER_DAY;
    } else if (keel_duration_parse(text, &s->rebalancing_ns) != KEEL_OK) {
        const char *nearest = keel_text_nearest(text, words, 3);
        return keel_err_set(err, KEEL_EFORMAT,
                            "%s: %s: \"%.80s\" is not daily, weekly, monthly or a duration such as "
                            "12h%s%s%s",
                            where_is(config, key), key, text,
                            nearest != NULL ? "; did you mean " : "",
                            nearest != NULL ? nearest : "", nearest != NULL ? "?" : "");
    }
    if (s->rebalancing_ns < s->bar_ns)
        return keel_err_set(err, KEEL_ERANGE, "%s: %s: \"%.80s\" is shorter than a bar (%s)",
                            where_is(config, key), key, text, s->bar);
    return KEEL_OK;
}

static keel_status read_share(const keel_config_node *node, const char *book, keel_settings *s,
                              keel_err *err)
{
    char what[KEEL_NAME_MAX + 16];
    snprintf(what, sizeof what, "capital.%.47s", book);
    if (!keel_name_ok(book, KEEL_NAME_MAX))
        return keel_err_set(err, KEEL_EINVAL,
                            "%s: %s: a book is named by 1 to %d of letters, "
                            "digits and _:/@-.",
                            keel_config_where(node), what, KEEL_NAME_MAX - 1);
    if (strcmp(book, "reserve") == 0 || strcmp(book, "netting") == 0)
        return keel_err_set(err, KEEL_EINVAL,
                            "%s: %s: has no share of its own; what the shares "
                            "leave is the reserve",
                            keel_config_where(node), what);
    double share;
    KEEL_TRY(keel_config_parse(node, KEEL_CFG_T_FRAC, NULL, NULL, what, &share, err));
    int at = strcmp(book, "core") == 0 ? 0 : s->books_n;
    if (at == BOOKS_MAX)
        return keel_err_set(err, KEEL_ETOOBIG, "%s: %s: more than %d books",
                            keel_config_where(node), what, (int)BOOKS_MAX);
    KEEL_TRY(keel_text_copy(s->books[at].book, sizeof s->books[at].book, book));
    s->books[at].share_frac = share;
    s->books_n += at > 0;
    return KEEL_OK;
}

/* AL11, AL12, T8: shares in [0, 1] with a sum of at most 1; what is left is the reserve. */
static keel_status read_capital(const keel_config *config, keel_settings *s, keel_err *err)
{
    const keel_config_node *capital = keel_config_at(config, "capital");
    s->books_n = 1;
    s->books[0] = (keel_book_share){.book = "core", .share_frac = 1.0};
    if (capital == NULL || (keel_config_count(capital) == 0 && keel_config_text(capital) == NULL))
        return KEEL_OK;
    if (keel_config_count(capital) == 0 || keel_config_child_name(capital, 0)[0] == '\0')
        return keel_err_set(err, KEEL_EINVAL, "%s: capital: must be a map of book: share",
                            keel_config_where(capital));
    s->books[0].share_frac = 0.0;
    for (int i = 0; i < keel_config_count(capital); i++)
        KEEL_TRY(
            read_share(keel_config_child(capital, i), keel_config_child_name(capital, i), s, err));
    double sum = 0.0;
    for (int i = 0; i < s->books_n; i++)
        sum += s->books[i].share_frac;
    if (sum > 1.0 + SHARE_SUM_TOLERANCE)
        return keel_err_set(err, KEEL_ERANGE, "%s: capital: the shares sum to %.10g, more than 1",
                            keel_config_where(capital), sum);
    return KEEL_OK;
}

#define OF_STRATEGY(member) offsetof(keel_strategy_setting, member)
static const keel_cfg_row strategy_rows[] = {
    {KEEL_CFG_T_BOOL, "lockstep", OF_STRATEGY(lockstep), "false", NULL, NULL, "",
     "closes its steps: a lockstep run waits for it"},
    {KEEL_CFG_T_BOOL, "active", OF_STRATEGY(active), "true", NULL, NULL, "",
     "false: its signals are refused"},
    {KEEL_CFG_T_REAL, "max_gross", OF_STRATEGY(max_gross), "1", "0.01", "20", "",
     "most that its positions are worth, as a multiple of its equity"},
};
enum { STRATEGY_ROWS = sizeof strategy_rows / sizeof strategy_rows[0] };

static keel_status check_strategy_keys(const keel_config_node *node, const char *name,
                                       keel_err *err)
{
    const char *known[STRATEGY_ROWS];
    for (int r = 0; r < STRATEGY_ROWS; r++)
        known[r] = strategy_rows[r].key;
    for (int i = 0; i < keel_config_count(node); i++) {
        const char *key = keel_config_child_name(node, i);
        int at = 0;
        while (at < STRATEGY_ROWS && strcmp(known[at], key) != 0)
            at++;
        if (at < STRATEGY_ROWS)
            continue;
        const char *nearest = keel_text_nearest(key, known, STRATEGY_ROWS);
        return keel_err_set(err, KEEL_EUNKNOWN, "%s: strategies.%.47s: \"%.80s\" is no key%s%s%s",
                            keel_config_where(keel_config_child(node, i)), name, key,
                            nearest != NULL ? "; did you mean " : "",
                            nearest != NULL ? nearest : "", nearest != NULL ? "?" : "");
    }
    return KEEL_OK;
}

static keel_status read_strategy_keys(const keel_config_node *node, keel_strategy_setting *it,
                                      keel_err *err)
{
    char what[KEEL_NAME_MAX + 32];
    KEEL_TRY(check_strategy_keys(node, it->name, err));
    for (int r = 0; r < STRATEGY_ROWS; r++) {
        const keel_cfg_row *row = &strategy_rows[r];
        const keel_config_node *child = keel_config_find(node, row->key);
        if (child == NULL)
            continue;
        snprintf(what, sizeof what, "strategies.%.47s.%.15s", it->name, row->key);
        KEEL_TRY(keel_config_parse(child, row->type, row->min, row->max, what,
                                   (char *)it + row->field, err));
    }
    return KEEL_OK;
}

/* A strategy's book has its share in capital; without one it has a share of 0. */
static keel_status give_book(keel_settings *s, const char *name)
{
    for (int i = 0; i < s->books_n; i++)
        if (strcmp(s->books[i].book, name) == 0)
            return KEEL_OK;
    if (s->books_n == BOOKS_MAX)
        return KEEL_ETOOBIG;
    s->books[s->books_n].share_frac = 0.0;
    return keel_text_copy(s->books[s->books_n++].book, KEEL_NAME_MAX, name);
}

static keel_status read_strategy(const keel_config_node *node, const char *name, keel_settings *s,
                                 keel_err *err)
{
    if (!keel_name_ok(name, KEEL_NAME_MAX) || strcmp(name, "core") == 0 ||
        strcmp(name, "reserve") == 0 || strcmp(name, "netting") == 0)
        return keel_err_set(err, KEEL_EINVAL,
                            "%s: strategies.%.47s: a strategy is named by 1 to %d of letters, "
                            "digits and _:/@-., and not core, reserve or netting",
                            keel_config_where(node), name, KEEL_NAME_MAX - 1);
    if (keel_config_text(node) != NULL && keel_config_text(node)[0] != '\0')
        return keel_err_set(err, KEEL_EINVAL,
                            "%s: strategies.%.47s: must be a map such as {lockstep: true}, or {}",
                            keel_config_where(node), name);
    if (s->strategies_n == KEEL_STRATEGIES_MAX || give_book(s, name) != KEEL_OK)
        return keel_err_set(err, KEEL_ETOOBIG, "%s: strategies.%.47s: more than %d strategies",
                            keel_config_where(node), name, KEEL_STRATEGIES_MAX);
    keel_strategy_setting *it = &s->strategies[s->strategies_n++];
    *it = (keel_strategy_setting){.active = true, .max_gross = 1.0};
    KEEL_TRY(keel_text_copy(it->name, sizeof it->name, name));
    return read_strategy_keys(node, it, err);
}

static keel_status read_strategies(const keel_config *config, keel_settings *s, keel_err *err)
{
    const keel_config_node *map = keel_config_at(config, "strategies");
    if (map == NULL || (keel_config_count(map) == 0 && keel_config_text(map) == NULL))
        return KEEL_OK;
    if (keel_config_count(map) == 0 || keel_config_child_name(map, 0)[0] == '\0')
        return keel_err_set(err, KEEL_EINVAL, "%s: strategies: must be a map of name: {...}",
                            keel_config_where(map));
    for (int i = 0; i < keel_config_count(map); i++)
        KEEL_TRY(read_strategy(keel_config_child(map, i), keel_config_child_name(map, i), s, err));
    return KEEL_OK;
}

static keel_status check_instrument_keys(const keel_config_node *node, keel_err *err)
{
    static const char *const known[] = {"symbol",  "sector", "currency",     "price_exp",
                                        "qty_exp", "lot",    "min_notional", "session"};
    const size_t n = sizeof known / sizeof known[0];
    for (int i = 0; i < keel_config_count(node); i++) {
        const char *name = keel_config_child_name(node, i);
        size_t at = 0;
        while (at < n && strcmp(known[at], name) != 0)
            at++;
        if (at < n)
            continue;
        const char *nearest = keel_text_nearest(name, known, n);
        return keel_err_set(err, KEEL_EUNKNOWN, "%s: \"%.80s\" is not a key of an instrument%s%s%s",
                            keel_config_where(keel_config_child(node, i)), name,
                            nearest != NULL ? "; did you mean " : "",
                            nearest != NULL ? nearest : "", nearest != NULL ? "?" : "");
    }
    return KEEL_OK;
}

static keel_status read_text(const keel_config_node *map, const char *key, const char *standing,
                             char *to, size_t cap, keel_err *err)
{
    char most[16], what[64];
    const keel_config_node *node = keel_config_find(map, key);
    const char *text = standing;
    snprintf(most, sizeof most, "%zu", cap - 1);
    snprintf(what, sizeof what, "universe.instruments %s", key);
    if (node != NULL)
        KEEL_TRY(keel_config_parse(node, KEEL_CFG_T_STR, NULL, most, what, &text, err));
    return keel_text_copy(to, cap, text);
}

static keel_status read_exp(const keel_config_node *map, const char *key, int *to, keel_err *err)
{
    char what[64];
    const keel_config_node *node = keel_config_find(map, key);
    *to = KEEL_EXP_DEFAULT;
    if (node == NULL)
        return KEEL_OK;
    snprintf(what, sizeof what, "universe.instruments %s", key);
    return keel_config_parse(node, KEEL_CFG_T_INT, "0", "12", what, to, err);
}

/* Decimal text in whole units of 10^-exp, at least `least` of them, which is also the default. */
static keel_status read_units(const keel_config_node *map, const char *key, int exp, int64_t least,
                              int64_t *to, keel_err *err)
{
    const char *text = NULL;
    const keel_config_node *node = keel_config_find(map, key);
    *to = least;
    if (node == NULL)
        return KEEL_OK;
    KEEL_TRY(keel_config_parse(node, KEEL_CFG_T_STR, "1", "40", key, &text, err));
    const keel_status status = keel_units_parse(text, exp, to);
    if (status == KEEL_OK && *to >= least)
        return KEEL_OK;
    return keel_err_set(err, status != KEEL_OK ? status : KEEL_ERANGE,
                        "%s: universe.instruments %s: \"%.60s\" must be a number of at least %s "
                        "in steps of 1e-%d",
                        keel_config_where(node), key, text, least > 0 ? "one step" : "0", exp);
}

static keel_status read_instrument(const keel_config_node *node, const keel_settings *s,
                                   keel_instrument *it, keel_err *err)
{
    char session[16];
    if (keel_config_count(node) == 0)
        return keel_err_set(err, KEEL_EINVAL,
                            "%s: universe.instruments: an instrument is a map such as "
                            "{symbol: BTC-SIM}",
                            keel_config_where(node));
    KEEL_TRY(check_instrument_keys(node, err));
    if (keel_config_find(node, "symbol") == NULL)
        return keel_err_set(err, KEEL_EINVAL,
                            "%s: universe.instruments: an instrument needs a "
                            "symbol",
                            keel_config_where(node));
    KEEL_TRY(read_text(node, "symbol", "", it->symbol, sizeof it->symbol, err));
    KEEL_TRY(read_text(node, "sector", "", it->sector, sizeof it->sector, err));
    KEEL_TRY(read_text(node, "currency", s->currency, it->currency, sizeof it->currency, err));
    KEEL_TRY(read_text(node, "session", "continuous", session, sizeof session, err));
    KEEL_TRY(read_exp(node, "price_exp", &it->price_exp, err));
    KEEL_TRY(read_exp(node, "qty_exp", &it->qty_exp, err));
    KEEL_TRY(read_units(node, "lot", it->qty_exp, 1, &it->lot_units, err));
    KEEL_TRY(read_units(node, "min_notional", 6, 0, &it->min_notional_micros, err));
    if (strcmp(session, "continuous") != 0 && strcmp(session, "weekdays") != 0)
        return keel_err_set(err, KEEL_EUNKNOWN,
                            "%s: universe.instruments session: \"%s\" is none of "
                            "continuous|weekdays",
                            keel_config_where(keel_config_find(node, "session")), session);
    it->session = session[0] == 'c' ? KEEL_SESSION_CONTINUOUS : KEEL_SESSION_WEEKDAYS;
    if (strcmp(it->currency, s->currency) != 0)
        return keel_err_set(err, KEEL_EINVAL,
                            "%s: universe.instruments: %s is quoted in %s, the account is in %s",
                            keel_config_where(node), it->symbol, it->currency, s->currency);
    return KEEL_OK;
}

static keel_status read_universe(const keel_config *config, const keel_settings *s,
                                 keel_universe *universe, keel_err *err)
{
    keel_err inner = {0};
    const keel_config_node *list = keel_config_at(config, "universe.instruments");
    memset(universe, 0, sizeof *universe);
    KEEL_TRY(keel_text_copy(universe->id, sizeof universe->id, s->universe));
    if (list == NULL || keel_config_count(list) == 0 || keel_config_child_name(list, 0)[0] != '\0')
        return keel_err_set(err, KEEL_EINVAL,
                            "%s: universe.instruments: required, a list of instruments such as "
                            "{symbol: BTC-SIM}",
                            where_is(config, "universe.instruments"));
    if (keel_config_count(list) > KEEL_UNIVERSE_MAX)
        return keel_err_set(err, KEEL_ETOOBIG, "%s: universe.instruments: %d, at most %d",
                            keel_config_where(list), keel_config_count(list), KEEL_UNIVERSE_MAX);
    universe->n = keel_config_count(list);
    for (int i = 0; i < universe->n; i++)
        KEEL_TRY(read_instrument(keel_config_child(list, i), s, &universe->instruments[i], err));
    if (keel_universe_seal(universe, &inner) != KEEL_OK)
        return keel_err_set(err, inner.status, "%s: universe: %.300s", keel_config_where(list),
                            inner.text);
    return KEEL_OK;
}

keel_status keel_settings_load(const keel_config *config, keel_settings *settings,
                               keel_universe *universe, keel_err *err)
{
    memset(settings, 0, sizeof *settings);
    KEEL_TRY(keel_config_bind(config, rows, settings, err));
    const keel_config_node *bar = keel_config_at(config, "universe.bar");
    settings->bar = bar != NULL ? keel_config_text(bar) : BAR_DEFAULT;
    KEEL_TRY(check_run(config, settings, err));
    KEEL_TRY(check_name(config, "universe.name", settings->universe, err));
    KEEL_TRY(check_name(config, "portfolio.name", settings->portfolio, err));
    KEEL_TRY(read_schedule(config, settings, err));
    KEEL_TRY(read_capital(config, settings, err));
    KEEL_TRY(read_strategies(config, settings, err));
    return read_universe(config, settings, universe, err);
}
