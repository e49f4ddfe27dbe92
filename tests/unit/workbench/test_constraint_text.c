/* Constraints as text: the row each makes, its one form, and what is said of what is none. */
#include "services/workbench/constraint_text.h"

#include "common/domain/allocation.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

enum { N = 5, GROUPS = 2 };

static char names[N][KEEL_LABEL_MAX] = {"BTC", "ETH", "UNI", "BRK-B", "1INCH"};
static char group_names[GROUPS][KEEL_LABEL_MAX] = {"DeFi", "Large caps"};
static uint16_t order[N], group_order[GROUPS];
static const unsigned char is_member[GROUPS * N] = {0, 0, 1, 0, 1, 1, 1, 0, 0, 0};

static keel_status read_text(const char *text, double a[N], keel_constraint_row *row, keel_err *err)
{
    keel_labels assets = {N, names, order}, groups = {GROUPS, group_names, group_order};
    const keel_vocabulary words = {&assets, &groups, is_member};
    cr_assert_eq(keel_labels_seal(&assets), -1);
    cr_assert_eq(keel_labels_seal(&groups), -1);
    row->a = a;
    return keel_constraint_read(text, &words, row, err);
}

#define NONE KEEL_NO_BOUND

Test(constraint_text, rows)
{
    static const struct {
        const char *text;
        double a[N];
        double lo, hi;
        const char *name;
    } cases[] = {
        {"BTC <= 40%", {1}, -NONE, 0.4, "BTC <= 0.4"},
        {"BTC >= 0.1", {1}, 0.1, NONE, "BTC >= 0.1"},
        {"BTC = 30 %", {1}, 0.3, 0.3, "BTC = 0.3"},
        {"40% >= BTC", {1}, -NONE, 0.4, "BTC <= 0.4"},
        {"0.1 <= BTC + ETH <= 30%", {1, 1}, 0.1, 0.3, "0.1 <= BTC + ETH <= 0.3"},
        {"30% >= BTC+ETH >= 0.1", {1, 1}, 0.1, 0.3, "0.1 <= BTC + ETH <= 0.3"},
        {"2*BTC + DeFi <= 0.4 + cash", {3, 1, 2, 1, 2}, -NONE, 1.4, "2*BTC + DeFi - cash <= 0.4"},
        {"cash >= 5%", {-1, -1, -1, -1, -1}, -0.95, NONE, "cash >= 0.05"},
        {"BTC <= ETH", {1, -1}, -NONE, 0, "BTC - ETH <= 0"},
        {"-BTC >= -0.4", {1}, -NONE, 0.4, "BTC <= 0.4"},
        {"2*(BTC + (ETH - UNI)*0.5) <= 1", {2, 1, -1}, -NONE, 1, "2*BTC + ETH - UNI <= 1"},
        {"(BTC + 0.1)*2 <= 1", {2}, -NONE, 0.8, "2*BTC <= 0.8"},
        {"(1 + 1)*BTC <= (0.2)", {2}, -NONE, 0.2, "2*BTC <= 0.2"},
        {"-(BTC - ETH) <= 0.2", {1, -1}, -0.2, NONE, "BTC - ETH >= -0.2"},
        {"BTC + BTC <= 1", {2}, -NONE, 1, "2*BTC <= 1"},
        {"BTC + ETH - ETH <= 1", {1}, -NONE, 1, "BTC <= 1"},
        {"\"BRK-B\" <= 10%", {0, 0, 0, 1}, -NONE, 0.1, "\"BRK-B\" <= 0.1"},
        {"1INCH <= 1e-1", {0, 0, 0, 0, 1}, -NONE, 0.1, "1INCH <= 0.1"},
        {"\"Large caps\" = 0.5", {1, 1}, 0.5, 0.5, "\"Large caps\" = 0.5"},
        {"DeFi - 0.5*UNI >= 0", {0, 0, 0.5, 0, 1}, 0, NONE, "DeFi - 0.5*UNI >= 0"},
        {"  BTC*2*50%<=.4  ", {1}, -NONE, 0.4, "BTC <= 0.4"},
        {"0.1 <= BTC + 0.1 <= 0.3", {1}, 0, 0.3 - 0.1, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double a[N];
        keel_constraint_row row;
        keel_err err = {.text = ""};
        cr_assert_eq(read_text(cases[i].text, a, &row, &err), KEEL_OK, "%s: %s", cases[i].text,
                     err.text);
        for (int k = 0; k < N; k++)
            cr_assert_eq(a[k], cases[i].a[k], "%s: a[%d] = %g", cases[i].text, k, a[k]);
        cr_assert(fabs(row.lo - cases[i].lo) < 1e-15 * fabs(cases[i].lo) + 1e-16, "%s: lo %.17g",
                  cases[i].text, row.lo);
        cr_assert(fabs(row.hi - cases[i].hi) < 1e-15 * fabs(cases[i].hi) + 1e-16, "%s: hi %.17g",
                  cases[i].text, row.hi);
        if (cases[i].name != NULL)
            cr_assert_str_eq(row.name, cases[i].name);
    }
}

/* The canonical form says the same as the text it was made of. */
Test(constraint_text, one_form)
{
    static const char *const texts[] = {"2*BTC + DeFi <= 0.4 + cash", "0.1 <= \"BRK-B\" <= 30%",
                                        "1INCH - 1/3 <= 0", "cash >= 1e-3*BTC",
                                        "\"Large caps\" = 0.30000000000000004"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        double a[N], again[N];
        keel_constraint_row row, second;
        keel_err err;
        if (strchr(texts[i], '/') != NULL) { /* there is no division */
            cr_assert_neq(read_text(texts[i], a, &row, &err), KEEL_OK);
            continue;
        }
        cr_assert_eq(read_text(texts[i], a, &row, &err), KEEL_OK, "%s", err.text);
        cr_assert_eq(read_text(row.name, again, &second, &err), KEEL_OK, "%s", err.text);
        cr_assert_str_eq(second.name, row.name);
        cr_assert_arr_eq(a, again, sizeof a);
        cr_assert(row.lo == second.lo && row.hi == second.hi, "%s", row.name);
    }
}

Test(constraint_text, refuses)
{
    static const struct {
        const char *text;
        keel_status status;
        const char *said; /* after the text: ":COLUMN: ..." */
    } cases[] = {
        {"", KEEL_EFORMAT, ":1: expected a name, a number or '(', and the text ends"},
        {"BTC", KEEL_EFORMAT, ":4: expected one of <= >= =, and the text ends"},
        {"BTC <= ", KEEL_EFORMAT, ":8: expected a name, a number or '('"},
        {"BTC < 0.4", KEEL_EFORMAT, ":5: expected <="},
        {"BTC > 0.4", KEEL_EFORMAT, ":5: expected >="},
        {"BTC == 0.4", KEEL_EFORMAT, ":6: expected a name"},
        {"2 BTC <= 1", KEEL_EFORMAT, ":3: expected +, -, *, or one of <= >= ="},
        {"BTC / 2 <= 1", KEEL_EFORMAT, ":5: expected +, -, *"},
        {"BTC ETH <= 1", KEEL_EFORMAT, ":5: expected +, -, *"},
        {"BTC * ETH <= 1", KEEL_EFORMAT, ":7: names are multiplied"},
        {"(BTC) * (ETH) <= 1", KEEL_EFORMAT, ":9: names are multiplied"},
        {"BTC + ) <= 1", KEEL_EFORMAT, ":7: expected a name"},
        {"BTC) <= 1", KEEL_EFORMAT, ":4: ')' without '('"},
        {"2*(BTC + ETH <= 1", KEEL_EFORMAT, ":14: expected ')' for the '(' in column 3"},
        {"\"BTC <= 1", KEEL_EFORMAT, ":1: this quote is not closed"},
        {"0.1 <= BTC >= 0.3", KEEL_EFORMAT, "expected the end, or a range"},
        {"0.1 = BTC = 0.3", KEEL_EFORMAT, "expected the end, or a range"},
        {"0.1 <= BTC <= 0.3 <= 1", KEEL_EFORMAT, ":19: expected the end"},
        {"ETH <= BTC <= 0.3", KEEL_EFORMAT, "the ends of a range are numbers"},
        {"0.5 <= BTC <= 0.3", KEEL_ERANGE, "the lower side is above the upper"},
        {"0.1 <= 0.2", KEEL_EFORMAT, "no asset or group is left"},
        {"BTC - BTC <= 1", KEEL_EFORMAT, "no asset or group is left"},
        {"BTC + ETH + UNI + \"BRK-B\" + 1INCH + cash <= 1", KEEL_EFORMAT,
         "the same of all weights"},
        {"BTC <= 1e101", KEEL_ERANGE, ":8: '1e101' is beyond 1e100"},
        {"1e99*1e99*BTC <= 1", KEEL_ERANGE, "beyond 1e29"},
        {"1e60*cash <= BTC", KEEL_ERANGE, "beyond 1e29"},
        {"BTC <= 1e400", KEEL_ERANGE, ":8: '1e400' is beyond"},
        {"2*BTC + Defi <= 0.4", KEEL_EUNKNOWN,
         ":9: no asset or group 'Defi'; did you mean 'DeFi'?"},
        {"BRK-B <= 10%", KEEL_EUNKNOWN, ":1: no asset or group 'BRK'; write \"BRK-B\" in quotes"},
        {"Large caps <= 1", KEEL_EUNKNOWN, ":1: no asset or group 'Large'; write \"Large caps\""},
        {"BTC >= 1e31", KEEL_ERANGE, "beyond 1e30"},
        {"0 <= BTC <= 1e50", KEEL_ERANGE, "beyond 1e30"},
        {"BTC <= 1e99*1e99*1e99*1e99", KEEL_ERANGE, "beyond 1e30"},
        {"nan <= 1", KEEL_EUNKNOWN, ":1: no asset or group 'nan'"},
        {"\"cash\" <= 1", KEEL_EUNKNOWN, ":1: no asset or group 'cash'"},
        {"0x10 <= BTC", KEEL_EUNKNOWN, ":1: no asset or group '0x10'"},
        {"BTC; ETH <= 1", KEEL_EFORMAT, ":4: expected +, -, *"},
        {"((((((((((((((((BTC <= 1", KEEL_ETOOBIG, "more than 16 parentheses"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double a[N];
        keel_constraint_row row;
        keel_err err = {.text = ""};
        cr_expect_eq(read_text(cases[i].text, a, &row, &err), cases[i].status, "%s: %s",
                     cases[i].text, err.text);
        cr_expect(strncmp(err.text, cases[i].text, strlen(cases[i].text)) == 0, "%s", err.text);
        cr_expect_not_null(strstr(err.text + strlen(cases[i].text), cases[i].said), "%s: '%s'",
                           cases[i].text, err.text);
    }
}

Test(constraint_text, refuses_what_is_too_long)
{
    static char text[KEEL_CONSTRAINT_BYTES_MAX + 2], many[16384];
    double a[N];
    keel_constraint_row row;
    keel_err err;
    memset(text, ' ', sizeof text - 1);
    cr_assert_eq(read_text(text, a, &row, &err), KEEL_ETOOBIG);
    for (size_t i = 0; i + 8 < sizeof many; i += 4)
        memcpy(many + i, "BTC+", 5);
    cr_assert_eq(read_text(many, a, &row, &err), KEEL_ETOOBIG);
    cr_assert_not_null(strstr(err.text, "more than 2048 terms"), "%s", err.text);
}

Test(constraint_text, numbers_are_short_and_exact)
{
    static const double values[] = {0.1, 1.0 / 3, 0.1 + 0.2, -0.0, 1e30, -2.5, 5e-324};
    char text[KEEL_NUMBER_TEXT_MAX];
    cr_assert_str_eq(keel_number_text(0.1, text), "0.1");
    cr_assert_str_eq(keel_number_text(-0.0, text), "0");
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        cr_assert_eq(strtod(keel_number_text(values[i], text), NULL), values[i]);
}
