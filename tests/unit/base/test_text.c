#include "common/base/text.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

Test(text, copy_fits_or_is_refused)
{
    char to[4] = "zzz";
    cr_assert_eq(keel_text_copy(to, sizeof to, "abc"), KEEL_OK);
    cr_assert_str_eq(to, "abc");
    cr_assert_eq(keel_text_copy(to, sizeof to, "abcd"), KEEL_ETOOBIG);
    cr_assert_str_eq(to, "");
    cr_assert_eq(keel_text_copy(to, 0, ""), KEEL_ETOOBIG);
}

Test(text, whole_numbers)
{
    static const struct {
        const char *text;
        keel_status status;
        int64_t value;
    } rows[] = {
        {"0", KEEL_OK, 0},
        {"-1", KEEL_OK, -1},
        {"007", KEEL_OK, 7},
        {"9223372036854775807", KEEL_OK, INT64_MAX},
        {"-9223372036854775808", KEEL_OK, INT64_MIN},
        {"9223372036854775808", KEEL_ERANGE, 0},
        {"-9223372036854775809", KEEL_ERANGE, 0},
        {"", KEEL_EFORMAT, 0},
        {"-", KEEL_EFORMAT, 0},
        {"+1", KEEL_EFORMAT, 0},
        {" 1", KEEL_EFORMAT, 0},
        {"1 ", KEEL_EFORMAT, 0},
        {"- 1", KEEL_EFORMAT, 0},
        {"--1", KEEL_EFORMAT, 0},
        {"1.0", KEEL_EFORMAT, 0},
        {"0x10", KEEL_EFORMAT, 0},
        {"1e3", KEEL_EFORMAT, 0},
    };
    for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++) {
        int64_t out = 77;
        cr_assert_eq(keel_text_i64(rows[k].text, &out), rows[k].status, "\"%s\"", rows[k].text);
        cr_assert_eq(out, rows[k].status == KEEL_OK ? rows[k].value : 77, "\"%s\"", rows[k].text);
    }
}

Test(text, whole_numbers_without_sign)
{
    static const struct {
        const char *text;
        keel_status status;
        uint64_t value;
    } rows[] = {
        {"0", KEEL_OK, 0},
        {"18446744073709551615", KEEL_OK, UINT64_MAX},
        {"18446744073709551616", KEEL_ERANGE, 0},
        {"-1", KEEL_EFORMAT, 0},
        {"+1", KEEL_EFORMAT, 0},
        {"", KEEL_EFORMAT, 0},
        {"12a", KEEL_EFORMAT, 0},
    };
    for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++) {
        uint64_t out = 77;
        cr_assert_eq(keel_text_u64(rows[k].text, &out), rows[k].status, "\"%s\"", rows[k].text);
        cr_assert_eq(out, rows[k].status == KEEL_OK ? rows[k].value : 77, "\"%s\"", rows[k].text);
    }
}

Test(text, real_numbers)
{
    static const struct {
        const char *text;
        keel_status status;
        double value;
    } rows[] = {
        {"0.1", KEEL_OK, 0.1},       {"-2.5e-3", KEEL_OK, -0.0025}, {".5", KEEL_OK, 0.5},
        {"5.", KEEL_OK, 5},          {"1e308", KEEL_OK, 1e308},     {"4e-324", KEEL_OK, 5e-324},
        {"nan", KEEL_ENONFINITE, 0}, {"-inf", KEEL_ENONFINITE, 0},  {"1e400", KEEL_ERANGE, 0},
        {"-1e400", KEEL_ERANGE, 0},  {"", KEEL_EFORMAT, 0},         {" 1", KEEL_EFORMAT, 0},
        {"\t1", KEEL_EFORMAT, 0},    {"\n1", KEEL_EFORMAT, 0},      {"1 ", KEEL_EFORMAT, 0},
        {"1,5", KEEL_EFORMAT, 0},    {"0x1p3", KEEL_EFORMAT, 0},    {"abc", KEEL_EFORMAT, 0},
        {"1.2.3", KEEL_EFORMAT, 0},  {"e5", KEEL_EFORMAT, 0},
    };
    for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++) {
        double out = 77;
        cr_assert_eq(keel_text_real(rows[k].text, &out), rows[k].status, "\"%s\"", rows[k].text);
        cr_assert_float_eq(out, rows[k].status == KEEL_OK ? rows[k].value : 77, 0, "\"%s\"",
                           rows[k].text);
    }
}

Test(text, nearest_word_is_what_was_probably_meant)
{
    static const char *const words[] = {"speed", "seed", "universe", "rows_min"};
    static const struct {
        const char *word, *nearest;
    } rows[] = {
        {"sped", "speed"},       {"seeds", "seed"},  {"universse", "universe"},
        {"rowsmin", "rows_min"}, {"speed", "speed"}, {"portfolio", NULL},
    };
    char longest[200];
    for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++) {
        const char *found = keel_text_nearest(rows[k].word, words, 4);
        if (rows[k].nearest == NULL)
            cr_assert_null(found, "%s gave %s", rows[k].word, found);
        else
            cr_assert_str_eq(found, rows[k].nearest);
    }
    memset(longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    cr_assert_null(keel_text_nearest(longest, words, 4));
    cr_assert_null(keel_text_nearest("seed", words, 0));
}

Test(text, add_appends_and_says_when_it_had_to_cut)
{
    char to[8] = "";
    size_t len = 0;
    cr_assert(keel_text_add(to, sizeof to, &len, "%s=%d", "a", 12));
    cr_assert_str_eq(to, "a=12");
    cr_assert_eq(len, 4);
    cr_assert(keel_text_add(to, sizeof to, &len, "%s", "345"));
    cr_assert_not(keel_text_add(to, sizeof to, &len, "6"));
    cr_assert_str_eq(to, "a=12345");
    cr_assert_eq(len, 7);
    len = 4;
    cr_assert_not(keel_text_add(to, sizeof to, &len, "much too long"));
    cr_assert_str_eq(to, "a=12muc");
    cr_assert_eq(len, 7);
}

Test(text, utf8_is_told_from_what_only_looks_like_it)
{
    static const struct {
        const char *text;
        size_t step;
    } cases[] = {
        {"a", 1},
        {"\xc3\xa9", 2},
        {"\xe2\x82\xac", 3},
        {"\xf0\x9f\x92\xb0", 4},
        {"\x80", 0},
        {"\xc0\xaf", 0},
        {"\xe0\x80\xaf", 0},
        {"\xed\xa0\x80", 0},
        {"\xf4\x90\x80\x80", 0},
        {"\xe2\x82", 0},
        {"\xff", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const size_t len = strlen(cases[i].text);
        cr_assert_eq(keel_text_utf8_step(cases[i].text, len), cases[i].step, "case %zu", i);
        cr_assert_eq(keel_text_is_utf8(cases[i].text, len), cases[i].step == len, "case %zu", i);
    }
    cr_assert(keel_text_is_utf8("", 0));
}
