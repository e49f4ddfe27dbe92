#include "services/workbench/estimates.h"

#include "common/base/mem.h"
#include "common/base/text.h"
#include "common/num/la/la.h"
#include "common/num/la/sym.h"
#include "common/num/stats/moments.h"

#include <string.h>

static const char *const names[] = {"sample"};
enum { NAMES = sizeof names / sizeof *names };

static keel_status check_name(const char *what, const char *name, keel_err *err)
{
    for (int i = 0; i < NAMES; i++)
        if (strcmp(names[i], name) == 0)
            return KEEL_OK;
    const char *near = keel_text_nearest(name, names, NAMES);
    return keel_err_set(err, KEEL_EUNKNOWN, "%s %s: no such estimator; %s%s%s", what, name,
                        near != NULL ? "did you mean '" : "there is 'sample",
                        near != NULL ? near : "", near != NULL ? "'?" : "'");
}

keel_status keel_estimate_mean(const char *name, const keel_bars *bars, double *mean, keel_err *err)
{
    KEEL_TRY(check_name("--mu", name, err));
    for (int i = 0; i < bars->n; i++)
        mean[i] = keel_mean(bars->m, bars->returns + i, bars->n);
    return KEEL_OK;
}

keel_status keel_estimate_covariance(const char *name, const keel_bars *bars, double *covariance,
                                     keel_err *err)
{
    const size_t m = (size_t)bars->m, n = (size_t)bars->n;
    KEEL_TRY(check_name("--cov", name, err));
    double *centred = keel_xcalloc(m * n, sizeof *centred);
    double *gram = keel_xcalloc(n * n, sizeof *gram);
    for (size_t i = 0; i < n; i++) {
        const double mean = keel_mean(bars->m, bars->returns + i, bars->n);
        for (size_t t = 0; t < m; t++)
            centred[i * m + t] = bars->returns[t * n + i] - mean;
    }
    keel_la_gram(bars->m, bars->n, centred, gram);
    keel_sym_pack(bars->n, gram, bars->n, covariance);
    for (size_t k = 0; k < keel_sym_len(bars->n); k++)
        covariance[k] /= (double)(bars->m - 1);
    keel_free(&gram);
    keel_free(&centred);
    return KEEL_OK;
}
