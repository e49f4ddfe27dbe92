/* settings.h - the configuration that every service shares.
 *
 * ROOM     common/service. Sections run, universe, portfolio, capital, strategies, risk_manager
 *          and advanced_portfolio; a service's own section is its own table. Key names of the
 *          requirements CF01-CF16 are kept.
 */
#ifndef KEEL_COMMON_SERVICE_SETTINGS_H
#define KEEL_COMMON_SERVICE_SETTINGS_H

#include "common/config/config.h"
#include "common/domain/allocation.h"
#include "common/domain/signal.h"
#include "common/domain/universe.h"

/* A strategy that may send signals; its book has the same name. */
typedef struct keel_strategy_setting {
    char name[KEEL_NAME_MAX];
    bool lockstep;    /* closes its steps; a lockstep run waits for it */
    bool active;      /* false: its signals are refused by name */
    double max_gross; /* most that its positions are worth together, as a multiple of its equity */
} keel_strategy_setting;

typedef enum keel_mode { KEEL_MODE_LOCKSTEP, KEEL_MODE_LIVE } keel_mode;

typedef struct keel_settings {
    const char *run_id;       /* run.id */
    const char *dir;          /* run.dir: sockets, files; at most 60 bytes */
    const char *endpoint;     /* run.endpoint: template with {run} and {service} */
    const char *log_redis;    /* run.log: an address (dial.h); "" = {run}/log.sock */
    const char *cache_redis;  /* run.cache: likewise, {run}/cache.sock */
    int mode;                 /* run.mode: keel_mode */
    int64_t step_deadline_ns; /* run.step_deadline: live mode passes laggards over after it */
    int64_t pace_ns;          /* run.pace: live mode, one row each; 0 = as fast as it goes */
    const char *universe;     /* universe.name */
    const char *bar;          /* universe.bar as text, the {bar} of topics */
    int64_t bar_ns;
    const char *currency;              /* universe.currency */
    const char *portfolio;             /* portfolio.name */
    int max_positions;                 /* CF01; 0 = no limit */
    int correlation_window_days;       /* CF03 */
    double max_drawdown;               /* CF05 */
    const char *rebalancing_frequency; /* CF07: daily weekly monthly or a duration */
    int64_t rebalancing_ns;            /* from it; monthly = 0 with rebalancing_monthly */
    bool rebalancing_monthly;
    bool enable_correlation;      /* CF09; false = inverse volatility */
    bool enable_optimization;     /* CF09; false = static weights */
    double equity_usd;            /* CF15 risk_manager.equity_usd */
    double correlation_threshold; /* CF02 */
    double max_portfolio_risk;    /* CF04; of equity */
    int books_n; /* core, then as configured in capital, then strategies without a share */
    keel_book_share books[KEEL_BOOKS_MAX - 2]; /* "reserve" and "netting" are not listed */
    int strategies_n;
    keel_strategy_setting strategies[KEEL_STRATEGIES_MAX]; /* as configured */
} keel_settings;

/* Bind and check the shared sections and read universe.instruments into *universe (sealed). */
KEEL_MUST_CHECK keel_status keel_settings_load(const keel_config *config, keel_settings *settings,
                                               keel_universe *universe, keel_err *err);

/* The shared table, for --print-config and for unknown-key checks. */
const keel_cfg_row *keel_settings_rows(void);

#endif
