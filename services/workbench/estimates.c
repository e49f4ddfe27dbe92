#include "services/workbench/estimates.h"

#include "common/base/text.h"
#include "common/num/stats/covariance.h"
#include "common/num/stats/expected.h"

#include <string.h>

enum { NAMES_MAX = 32 };

static keel_status refuse_name(const char *option, const char *name, const char *const *names,
                               size_t n, keel_err *err)
{
    char all[KEEL_ERR_TEXT_MAX / 2] = "";
    size_t len = 0;
    const char *near = keel_text_nearest(name, names, n);
    if (near != NULL)
        return keel_err_set(err, KEEL_EUNKNOWN, "%s %.80s: no such estimator; did you mean '%s'?",
                            option, name, near);
    for (size_t i = 0; i < n; i++)
        keel_text_add(all, sizeof all, &len, "%s%s", i > 0 ? ", " : "", names[i]);
    return keel_err_set(err, KEEL_EUNKNOWN, "%s %.80s: no such estimator; there are %s", option,
                        name, all);
}

/* The bars as estimators take them; `names` is the caller's room. */
static keel_sample sample_of(const keel_bars *bars, const char *names[KEEL_UNIVERSE_MAX])
{
    for (int i = 0; i < bars->n; i++)
        names[i] = bars->symbols[i];
    return (keel_sample){.rows = bars->m, .n = bars->n, .at = bars->returns, .names = names};
}

static keel_status refuse_bars(const char *option, const char *name, const keel_err *inner,
                               keel_err *err)
{
    return keel_err_set(err, inner->status, "%s %s: %.400s", option, name, inner->text);
}

keel_status keel_estimate_mean(const char *name, const keel_bars *bars, double risk_free,
                               double *mean, keel_err *err)
{
    const char *symbols[KEEL_UNIVERSE_MAX], *names[NAMES_MAX];
    const keel_sample sample = sample_of(bars, symbols);
    keel_expected_cfg cfg = KEEL_EXPECTED_DEFAULTS;
    keel_expected_report report;
    keel_err inner = {.status = KEEL_OK};
    cfg.risk_free = risk_free;
    const bool plain = strcmp(name, "sample") == 0;
    for (int i = 0; i < (int)KEEL_EXPECTED_COUNT; i++)
        names[i] = keel_expected_name((keel_expected_estimator)i);
    if (!plain && keel_expected_parse(name, &cfg.estimator) != KEEL_OK)
        return refuse_name("--mu", name, names, KEEL_EXPECTED_COUNT, err);
    const keel_status status = keel_expected_estimate(&cfg, &sample, mean, &report, &inner);
    return status == KEEL_OK ? KEEL_OK : refuse_bars("--mu", name, &inner, err);
}

keel_status keel_estimate_covariance(const char *name, const keel_bars *bars, double *covariance,
                                     keel_err *err)
{
    const char *symbols[KEEL_UNIVERSE_MAX], *names[NAMES_MAX];
    const keel_sample sample = sample_of(bars, symbols);
    keel_covariance_cfg cfg = KEEL_COVARIANCE_DEFAULTS;
    keel_covariance_report report;
    keel_err inner = {.status = KEEL_OK};
    for (int i = 0; i < (int)KEEL_COVARIANCE_COUNT; i++)
        names[i] = keel_covariance_name((keel_covariance_estimator)i);
    if (keel_covariance_parse(name, &cfg.estimator) != KEEL_OK)
        return refuse_name("--cov", name, names, KEEL_COVARIANCE_COUNT, err);
    const keel_status status = keel_covariance_estimate(&cfg, &sample, covariance, &report, &inner);
    return status == KEEL_OK ? KEEL_OK : refuse_bars("--cov", name, &inner, err);
}
