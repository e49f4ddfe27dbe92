#include "common/base/status.h"

#include <criterion/criterion.h>
#include <string.h>

Test(status, every_code_has_its_own_name_and_a_sentence)
{
    for (int a = 0; a < KEEL_STATUS_COUNT; a++) {
        cr_assert_gt(strlen(keel_status_name((keel_status)a)), 0);
        cr_assert_gt(strlen(keel_status_text((keel_status)a)), 0);
        cr_assert_str_neq(keel_status_name((keel_status)a), "bug");
        for (int b = 0; b < a; b++)
            cr_assert_str_neq(keel_status_name((keel_status)a), keel_status_name((keel_status)b));
    }
    cr_assert_str_eq(keel_status_name(KEEL_OK), "ok");
    cr_assert_str_eq(keel_status_name(KEEL_EEND), "end");
}

Test(status, a_value_outside_the_list_is_called_a_bug)
{
    cr_assert_str_eq(keel_status_name(KEEL_STATUS_COUNT), "bug");
    cr_assert_str_eq(keel_status_name((keel_status)-1), "bug");
    cr_assert(strncmp(keel_status_text((keel_status)999), "bug", 3) == 0);
}

Test(status, err_set_fills_and_returns_the_status)
{
    keel_err err;
    cr_assert_eq(keel_err_set(&err, KEEL_ERANGE, "feed.speed: %d is above %s", 7, "5"),
                 KEEL_ERANGE);
    cr_assert_eq(err.status, KEEL_ERANGE);
    cr_assert_str_eq(err.text, "feed.speed: 7 is above 5");
    cr_assert_eq(keel_err_set(NULL, KEEL_EIO, "nobody reads this"), KEEL_EIO);
}

Test(status, err_text_is_cut_at_its_maximum)
{
    char word[2 * KEEL_ERR_TEXT_MAX];
    keel_err err;
    memset(word, 'x', sizeof word - 1);
    word[sizeof word - 1] = '\0';
    cr_assert_eq(keel_err_set(&err, KEEL_EINVAL, "%s", word), KEEL_EINVAL);
    cr_assert_eq(strlen(err.text), KEEL_ERR_TEXT_MAX - 1);
}

static int calls_after;

static keel_status two_steps(keel_status first)
{
    KEEL_TRY(first);
    calls_after++;
    return KEEL_EEND;
}

Test(status, try_returns_at_the_first_refusal)
{
    calls_after = 0;
    cr_assert_eq(two_steps(KEEL_ESTALE), KEEL_ESTALE);
    cr_assert_eq(calls_after, 0);
    cr_assert_eq(two_steps(KEEL_OK), KEEL_EEND);
    cr_assert_eq(calls_after, 1);
}
