#include "common/domain/signal.h"

#include <string.h>

static const char *const sides[] = {"", "long", "short", "flat"};
static const char *const priorities[] = {"", "CRITICAL", "HIGH", "MEDIUM", "LOW"};

const char *keel_side_name(keel_side side)
{
    return (size_t)side < sizeof sides / sizeof sides[0] ? sides[side] : "";
}

keel_status keel_side_parse(const char *name, keel_side *side)
{
    for (int i = KEEL_SIDE_LONG; i <= KEEL_SIDE_FLAT; i++) {
        if (strcmp(name, sides[i]) == 0) {
            *side = (keel_side)i;
            return KEEL_OK;
        }
    }
    return KEEL_EUNKNOWN;
}

const char *keel_priority_name(keel_priority priority)
{
    return (size_t)priority < sizeof priorities / sizeof priorities[0] ? priorities[priority] : "";
}
