#include "common/base/names.h"

#include <string.h>

static const char *name_of(keel_names names, int i)
{
    return names.first + (size_t)i * names.stride;
}

void keel_names_sort(keel_names names, uint16_t *order)
{
    for (int n = 0; n < names.n; n++) {
        int at = n;
        while (at > 0 && strcmp(name_of(names, order[at - 1]), name_of(names, n)) > 0)
            at--;
        memmove(order + at + 1, order + at, (size_t)(n - at) * sizeof *order);
        order[at] = (uint16_t)n;
    }
}

int keel_names_find(keel_names names, const uint16_t *order, const char *name)
{
    int low = 0, high = names.n;
    while (low < high) {
        const int middle = (low + high) / 2;
        const int cmp = strcmp(name, name_of(names, order[middle]));
        if (cmp == 0)
            return order[middle];
        if (cmp < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return -1;
}
