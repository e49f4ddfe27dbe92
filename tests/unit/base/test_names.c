#include "common/base/names.h"

#include <criterion/criterion.h>

typedef struct thing {
    int number;
    char name[8];
} thing;

static const thing things[] = {{0, "pear"}, {1, "apple"}, {2, ""}, {3, "quince"}, {4, "fig"}};
enum { THINGS = sizeof things / sizeof things[0] };

static keel_names names_of(int n)
{
    return (keel_names){.first = things[0].name, .stride = sizeof things[0], .n = n};
}

Test(names, are_ordered)
{
    static const uint16_t by_name[THINGS] = {2, 1, 4, 0, 3};
    uint16_t order[THINGS];
    keel_names_sort(names_of(THINGS), order);
    for (int i = 0; i < THINGS; i++)
        cr_assert_eq(order[i], by_name[i], "place %d", i);
}

Test(names, equal_ones_stay_in_their_order)
{
    static const char twice[4][2] = {"b", "a", "b", "a"};
    static const uint16_t by_name[4] = {1, 3, 0, 2};
    uint16_t order[4];
    keel_names_sort((keel_names){.first = twice[0], .stride = sizeof twice[0], .n = 4}, order);
    for (int i = 0; i < 4; i++)
        cr_assert_eq(order[i], by_name[i], "place %d", i);
}

Test(names, each_is_found_and_no_other)
{
    static const char *const others[] = {"a", "appl", "apples", "fih", "pea", "zoe", " "};
    for (int n = 0; n <= THINGS; n++) {
        uint16_t order[THINGS];
        keel_names_sort(names_of(n), order);
        for (int i = 0; i < THINGS; i++)
            cr_assert_eq(keel_names_find(names_of(n), order, things[i].name), i < n ? i : -1);
        for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
            cr_assert_eq(keel_names_find(names_of(n), order, others[i]), -1, "%s", others[i]);
    }
}
