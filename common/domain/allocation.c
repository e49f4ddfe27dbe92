#include "common/domain/allocation.h"

#include <string.h>

static const struct {
    keel_method method;
    const char *name;
} rows[] = {
    {KEEL_METHOD_EQUAL_WEIGHT, "equal_weight"},
    {KEEL_METHOD_INVERSE_VOLATILITY, "inverse_volatility"},
    {KEEL_METHOD_MIN_VARIANCE, "min_variance"},
    {KEEL_METHOD_STATIC, "static"},
    {KEEL_METHOD_MEAN_VARIANCE, "mean_variance"},
    {KEEL_METHOD_TARGET_RETURN, "target_return"},
    {KEEL_METHOD_TARGET_RISK, "target_risk"},
    {KEEL_METHOD_MAX_SHARPE, "max_sharpe"},
    {KEEL_METHOD_FLATTEN, "flatten"},
};

enum { ROWS = sizeof rows / sizeof rows[0] };

const char *keel_method_name(keel_method method)
{
    for (int i = 0; i < ROWS; i++)
        if (rows[i].method == method)
            return rows[i].name;
    return "";
}

keel_status keel_method_parse(const char *name, keel_method *method)
{
    for (int i = 0; i < ROWS; i++) {
        if (strcmp(rows[i].name, name) == 0) {
            *method = rows[i].method;
            return KEEL_OK;
        }
    }
    return KEEL_EUNKNOWN;
}
