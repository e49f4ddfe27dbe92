#include "common/config/config.h"
#include "common/config/config_internal.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct target {
    const char *name;
    int n;
    int64_t big;
    double real;
    double frac;
    int64_t dur_ns;
    bool on;
    int mode;
} target;

static const keel_cfg_row rows[] = {
    {KEEL_CFG_T_STR, "feed.name", offsetof(target, name), "csv", "1", "8", "", "source"},
    {KEEL_CFG_T_INT, "feed.n", offsetof(target, n), "3", "1", "10", "rows", "count"},
    {KEEL_CFG_T_I64, "feed.big", offsetof(target, big), "0", NULL, NULL, "", "seed"},
    {KEEL_CFG_T_REAL, "feed.real", offsetof(target, real), "0.5", "-1", "1", "", "decay"},
    {KEEL_CFG_T_FRAC, "feed.frac", offsetof(target, frac), "10%", NULL, "0.9", "", "share"},
    {KEEL_CFG_T_DUR, "feed.dur", offsetof(target, dur_ns), "1h", "1s", "7d", "", "bar"},
    {KEEL_CFG_T_BOOL, "feed.on", offsetof(target, on), "true", NULL, NULL, "", "switch"},
    {KEEL_CFG_T_ENUM, "feed.mode", offsetof(target, mode), "live", "lockstep|live", NULL, "",
     "pacing"},
    {KEEL_CFG_T_LATER, "feed.ml", 0, "false", NULL, NULL, "", "learning"},
    {KEEL_CFG_T_TREE, "capital", 0, NULL, NULL, NULL, "", "books"},
    {KEEL_CFG_T_LATER, "models", 0, NULL, NULL, NULL, "", "models"},
    KEEL_CFG_END,
};

static keel_config *load(const char *yaml, keel_err *err)
{
    keel_config *config = config_new();
    if (config_add_yaml(config, "t.yaml", (const uint8_t *)yaml, strlen(yaml), err) != KEEL_OK)
        keel_config_free(&config);
    return config;
}

static void expect_refused(const char *yaml, const char *says)
{
    keel_err err = {0};
    target t;
    const keel_cfg_row *const tables[] = {rows};
    static const char *const others[] = {"risk"};
    keel_config *config = load(yaml, &err);
    if (config != NULL && keel_config_bind(config, rows, &t, &err) == KEEL_OK)
        cr_assert_neq(keel_config_check(config, tables, 1, others, 1, &err), KEEL_OK,
                      "accepted: %s", yaml);
    cr_assert_neq(err.status, KEEL_OK);
    cr_assert_not_null(strstr(err.text, says), "\"%s\" does not say \"%s\"", err.text, says);
    keel_config_free(&config);
}

Test(config, defaults_stand_where_nothing_is_given)
{
    target t;
    keel_err err;
    keel_config *config = load("", &err);
    cr_assert_eq(keel_config_bind(config, rows, &t, &err), KEEL_OK);
    cr_assert_str_eq(t.name, "csv");
    cr_assert_eq(t.n, 3);
    cr_assert_eq(t.frac, 0.1);
    cr_assert_eq(t.dur_ns, INT64_C(3600000000000));
    cr_assert(t.on);
    cr_assert_eq(t.mode, 1);
    keel_config_free(&config);
    keel_config_free(&config);
}

Test(config, binds_yaml_and_json_alike)
{
    static const char *const texts[] = {
        "feed:\n  name: ab # comment\n  n: 10\n  big: -5\n  real: -1\n  frac: 80%\n"
        "  dur: 250ms\n  dur: 1s\n",
        "feed: {name: \"ab\", n: 10, big: -5, real: -1.0, frac: 0.8, dur: 90s, on: No,\n"
        "       mode: lockstep}\n",
        "{\n\t\"feed\": {\"name\": \"ab\", \"n\": 10, \"big\": -5, \"real\": -1,\n"
        "\t\"frac\": \"80%\", \"dur\": \"1m30s\", \"on\": false, \"mode\": \"lockstep\"}}\n",
    };
    for (int i = 1; i < 3; i++) {
        target t;
        keel_err err = {0};
        keel_config *config = load(texts[i], &err);
        cr_assert_not_null(config, "%s", err.text);
        cr_assert_eq(keel_config_bind(config, rows, &t, &err), KEEL_OK, "%s", err.text);
        cr_assert_str_eq(t.name, "ab");
        cr_assert_eq(t.n, 10);
        cr_assert_eq(t.big, -5);
        cr_assert_eq(t.real, -1.0);
        cr_assert_eq(t.frac, 0.8);
        cr_assert_eq(t.dur_ns, INT64_C(90000000000));
        cr_assert_not(t.on);
        cr_assert_eq(t.mode, 0);
        keel_config_free(&config);
    }
    expect_refused(texts[0], "t.yaml:8:3: \"dur\" is given twice, first at t.yaml:7:8");
}

Test(config, every_refusal_names_file_line_column_and_the_fix) /* CF16 */
{
    static const struct {
        const char *yaml, *says;
    } cases[] = {
        {"feed:\n  n: 11\n", "t.yaml:2:6: feed.n: \"11\" is out of range: from 1 to 10 rows"},
        {"feed:\n  n: 0\n", "from 1 to 10 rows"},
        {"feed:\n  n: 1.5\n", "\"1.5\" is not a whole number"},
        {"feed:\n  n: 99999999999\n", "out of range"},
        {"feed:\n  n: 0x10\n", "is not a whole number"},
        {"feed:\n  n:\n", "t.yaml:2:5: feed.n: no value given"},
        {"feed:\n  n: ~\n", "no value given"},
        {"feed:\n  n: [1]\n", "t.yaml:2:6: feed.n: must be one value, not a list"},
        {"feed:\n  n: {a: 1}\n", "must be one value, not a map"},
        {"feed:\n  real: nan\n", "feed.real: \"nan\" is not a number"},
        {"feed:\n  real: 1.01\n", "from -1 to 1"},
        {"feed:\n  frac: 5\n", "above 1; did you mean 0.05 or 5%"},
        {"feed:\n  frac: 1.5\n", "above 1; did you mean 0.015 or 1.5%"},
        {"feed:\n  frac: 0.95\n", "out of range"},
        {"feed:\n  frac: -0.1\n", "from 0 to 0.9"},
        {"feed:\n  frac: 8e1%\n", "is not a fraction"},
        {"feed:\n  dur: 8d\n", "from 1s to 7d"},
        {"feed:\n  dur: soon\n", "is not a duration such as 250ms, 1h or 30d"},
        {"feed:\n  on: maybe\n", "is not true or false"},
        {"feed:\n  mode: lockstp\n", "none of lockstep|live; did you mean lockstep?"},
        {"feed:\n  name: toolongname\n", "11 bytes long, allowed 1 to 8"},
        {"feed:\n  name: \"\"\n", "0 bytes long"},
        {"feed:\n  name: \"a\\0b\"\n", "NUL byte"},
        {"feed:\n  nmae: a\n", "t.yaml:2:9: \"feed.nmae\" is not a key; did you mean feed.name?"},
        {"fed:\n  name: a\n", "\"fed\" is not a key; did you mean feed?"},
        {"rsk: {a: 1}\n", "did you mean risk?"},
        {"feed: 5\n", "t.yaml:1:7: feed: is a section"},
        {"feed.n: 5\n", "\"feed.n\" is not a key"},
        {"feed:\n  ml: true\n", "t.yaml:2:7: feed.ml: not available yet (learning); today it is "},
        {"models: {a: {b: 1}}\n", "models: not available yet"},
        {"feed: {n: 1}\nfeed: {n: 2}\n", "t.yaml:2:1: \"feed\" is given twice"},
        {"- a\n- b\n", "must be a map of sections"},
        {"just text\n", "must be a map of sections"},
        {"a: &x 1\n", "t.yaml:1:4: anchors"},
        {"a: *x\n", "aliases"},
        {"a: !!int 1\n", "tags"},
        {"? [a, b]\n: 1\n", "a key must be plain text"},
        {"? {a: b}\n: 1\n", "a key must be plain text"},
        {"a: 1\n---\nb: 2\n", "second document"},
        {"feed:\n  n: [1, 2\n", "t.yaml:3:1: "},
        {"feed:\n\tn: 1\n", "t.yaml:2:1: "},
        {"a: \"unfinished\n", "t.yaml:"},
        {"a: {b: {c: {d: {e: {f: {g: {h: {i: 1}}}}}}}}\n", "more than 8 deep"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect_refused(cases[i].yaml, cases[i].says);
}

Test(config, later_features_may_be_set_to_what_they_are)
{
    static const char *const fine[] = {"feed: {ml: false}",  "feed: {ml: off}",  "models:", "feed:",
                                       "risk: {unknown: 1}", "capital: {a.b: 1}"};
    for (size_t i = 0; i < sizeof fine / sizeof fine[0]; i++) {
        target t;
        keel_err err = {0};
        const keel_cfg_row *const tables[] = {rows};
        static const char *const others[] = {"risk"};
        keel_config *config = load(fine[i], &err);
        cr_assert_not_null(config, "%s", err.text);
        cr_assert_eq(keel_config_bind(config, rows, &t, &err), KEEL_OK, "%s", err.text);
        cr_assert_eq(keel_config_check(config, tables, 1, others, 1, &err), KEEL_OK, "%s",
                     err.text);
        keel_config_free(&config);
    }
}

Test(config, required_keys_are_asked_for)
{
    static const keel_cfg_row needs[] = {
        {KEEL_CFG_T_STR, "a.b", 0, NULL, NULL, NULL, "", "the name"},
        KEEL_CFG_END,
    };
    const char *text;
    keel_err err;
    keel_config *config = load("", &err);
    cr_assert_eq(keel_config_bind(config, needs, &text, &err), KEEL_EINVAL);
    cr_assert_not_null(strstr(err.text, "a.b: required"));
    keel_config_free(&config);
}

Test(config, hostile_sizes_are_refused)
{
    const size_t cap = 1 << 20;
    char *text = calloc(cap, 1);
    keel_err err = {0};
    strcpy(text, "a: ");
    memset(text + 3, 'x', (64 << 10) + 1);
    cr_assert_null(load(text, &err));
    cr_assert_not_null(strstr(err.text, "longer than 64 KiB"), "%s", err.text);

    memset(text, 0, cap);
    size_t len = (size_t)sprintf(text, "a: [");
    for (int i = 0; i < CONFIG_NODES_MAX; i++)
        len += (size_t)sprintf(text + len, "1,");
    strcpy(text + len, "]");
    cr_assert_null(load(text, &err));
    cr_assert_not_null(strstr(err.text, "more than 100000 values"), "%s", err.text);

    memset(text, 0, cap);
    len = 0;
    for (int i = 0; i <= CONFIG_KEYS_MAX; i++)
        len += (size_t)sprintf(text + len, "k%d: 1\n", i);
    cr_assert_null(load(text, &err));
    cr_assert_not_null(strstr(err.text, "t.yaml:1025:1: more than 1024 keys"), "%s", err.text);
    free(text);
}

static char folder[] = "/tmp/keel-config-XXXXXX";
static char path[64], local[64];

static void write_file(const char *to, const char *text)
{
    FILE *out = fopen(to, "w");
    cr_assert_not_null(out);
    fputs(text, out);
    fclose(out);
}

static void make_files(const char *base, const char *over)
{
    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/keel.yaml", folder);
    snprintf(local, sizeof local, "%s/keel.local.yaml", folder);
    write_file(path, base);
    if (over != NULL)
        write_file(local, over);
}

static void remove_files(void)
{
    unlink(path);
    unlink(local);
    rmdir(folder);
}

Test(config, later_sources_win_and_are_named, .fini = remove_files) /* CF08 */
{
    target t;
    keel_err err = {0};
    make_files("feed:\n  n: 1\n  big: 1\n  real: 0.1\n  name: file\ncapital: {core: 0.5, x: 0.1}\n",
               "feed:\n  big: 2\n  real: 0.2\n  name: local\ncapital: {core: 0.6}\nmodels:\n");
    static const char *const env[] = {"KEEL_FEED__REAL=0.3", "KEEL_FEED__NAME=env", "KEEL_HOME=/x",
                                      "PATH=/bin",           "OTHER__X=1",          NULL};
    static const char *const argv[] = {"--feed.name=argv", "--feed.frac", "0.25"};
    const keel_config_sources sources = {path, env, 3, argv};
    keel_config *config = keel_config_load(&sources, &err);
    cr_assert_not_null(config, "%s", err.text);
    cr_assert_eq(keel_config_bind(config, rows, &t, &err), KEEL_OK, "%s", err.text);
    cr_assert_eq(t.n, 1);
    cr_assert_eq(t.big, 2);
    cr_assert_eq(t.real, 0.3);
    cr_assert_str_eq(t.name, "argv");
    cr_assert_eq(t.frac, 0.25);
    char want[128];
    snprintf(want, sizeof want, "%s:2:6", path);
    cr_assert_str_eq(keel_config_where(keel_config_at(config, "feed.n")), want);
    snprintf(want, sizeof want, "%s:2:8", local);
    cr_assert_str_eq(keel_config_where(keel_config_at(config, "feed.big")), want);
    cr_assert_str_eq(keel_config_where(keel_config_at(config, "feed.real")), "KEEL_FEED__REAL");
    cr_assert_str_eq(keel_config_where(keel_config_at(config, "feed.name")), "--feed.name");

    const keel_config_node *capital = keel_config_at(config, "capital");
    cr_assert_eq(keel_config_count(capital), 2);
    cr_assert_str_eq(keel_config_child_name(capital, 0), "core");
    cr_assert_str_eq(keel_config_text(keel_config_find(capital, "core")), "0.6");
    cr_assert_str_eq(keel_config_text(keel_config_child(capital, 1)), "0.1");
    cr_assert_null(keel_config_text(capital));
    cr_assert_null(keel_config_find(capital, "y"));
    cr_assert_null(keel_config_at(config, "capital.core.deeper"));
    keel_config_free(&config);
}

Test(config, variables_reach_sections_with_hyphens)
{
    static const keel_cfg_row hyphen[] = {
        {KEEL_CFG_T_INT, "strategy-coordinator.max_open", 0, "1", NULL, NULL, "", "n"},
        KEEL_CFG_END,
    };
    static const char *const env[] = {"KEEL_STRATEGY_COORDINATOR__MAX_OPEN=7", NULL};
    const keel_config_sources sources = {NULL, env, 0, NULL};
    const keel_cfg_row *const tables[] = {hyphen};
    keel_err err = {0};
    int n = 0;
    keel_config *config = keel_config_load(&sources, &err);
    cr_assert_not_null(config, "%s", err.text);
    cr_assert_eq(keel_config_check(config, tables, 1, NULL, 0, &err), KEEL_OK, "%s", err.text);
    cr_assert_eq(keel_config_bind(config, hyphen, &n, &err), KEEL_OK, "%s", err.text);
    cr_assert_eq(n, 7);
    keel_config_free(&config);
}

Test(config, flags_and_variables_are_refused_by_name)
{
    static const struct {
        const char *env, *one, *two, *says;
    } cases[] = {
        {NULL, "feed.n", NULL, "\"feed.n\" is not a flag"},
        {NULL, "-f", NULL, "is not a flag"},
        {NULL, "--", NULL, "is not a flag"},
        {NULL, "--feed n=1", NULL, "is not a flag"},
        {NULL, "--feed.n", NULL, "--feed.n: no value given"},
        {NULL, "--feed.n", "--feed.on=true", "--feed.n: no value given"},
        {NULL, "--feed..n=1", NULL, "\"feed..n\" is not a key such as"},
        {NULL, "--feed.n=1", "--feed.n=2", "--feed.n: feed.n is given twice"},
        {NULL, "--feed.n.x=1", "--feed.n=2", "--feed.n: feed.n is a map"},
        {NULL, "--feed.n=1", "--feed.n.x=2", "--feed.n.x: feed.n.x: n at --feed.n is a value"},
        {NULL, "--a.b.c.d.e.f.g.h.i=1", NULL, "is not a key such as"},
        {"KEEL___N=1", NULL, NULL, "KEEL___N: \".n\" is not a key"},
        {"KEEL_FEED__=1", NULL, NULL, "KEEL_FEED__: \"feed.\" is not a key"},
        {"KEEL_FEED__N=99", NULL, NULL, "KEEL_FEED__N: feed.n: \"99\" is out of range"},
        {"KEEL_FEED__M=99", NULL, NULL, "KEEL_FEED__M: \"feed.m\" is not a key"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *const env[] = {cases[i].env, NULL};
        const char *const argv[] = {cases[i].one, cases[i].two};
        const int argc = (cases[i].one != NULL) + (cases[i].two != NULL);
        const keel_config_sources sources = {NULL, env, argc, argv};
        const keel_cfg_row *const tables[] = {rows};
        keel_err err = {0};
        target t;
        keel_config *config = keel_config_load(&sources, &err);
        if (config != NULL && keel_config_bind(config, rows, &t, &err) == KEEL_OK)
            cr_assert_neq(keel_config_check(config, tables, 1, NULL, 0, &err), KEEL_OK,
                          "case %zu was accepted", i);
        cr_assert_not_null(strstr(err.text, cases[i].says), "case %zu: %s", i, err.text);
        keel_config_free(&config);
    }
}

Test(config, a_missing_file_is_an_error_a_missing_overlay_is_not, .fini = remove_files)
{
    keel_err err = {0};
    keel_config_sources sources = {"/nonexistent/keel.yaml", NULL, 0, NULL};
    cr_assert_null(keel_config_load(&sources, &err));
    cr_assert_eq(err.status, KEEL_EIO);
    make_files("feed: {n: 2}\n", NULL);
    sources.file = path;
    keel_config *config = keel_config_load(&sources, &err);
    cr_assert_not_null(config, "%s", err.text);
    keel_config_free(&config);
    write_file(local, "feed: [");
    cr_assert_null(keel_config_load(&sources, &err));
    cr_assert_not_null(strstr(err.text, "keel.local.yaml:2:1: "), "%s", err.text);
}

static char *printed(const keel_config *config, bool origin, bool json)
{
    char *text = NULL;
    size_t len = 0;
    FILE *to = open_memstream(&text, &len);
    keel_config_print(config, rows, origin, json, to);
    fclose(to);
    return text;
}

Test(config, what_is_printed_loads_again_to_the_same_values)
{
    target before, after;
    keel_err err = {0};
    keel_config *first = load("feed: {name: \"a \\\"b\", n: 7, frac: 80%, dur: 90s, mode: live}\n"
                              "capital: {core: 0.5, \"m.x\": [1, {y: ~}]}\n",
                              &err);
    cr_assert_not_null(first, "%s", err.text);
    char *text = printed(first, true, false);
    keel_config *second = load(text, &err);
    cr_assert_not_null(second, "%s in\n%s", err.text, text);
    cr_assert_eq(keel_config_bind(first, rows, &before, &err), KEEL_OK);
    cr_assert_eq(keel_config_bind(second, rows, &after, &err), KEEL_OK, "%s in\n%s", err.text,
                 text);
    cr_assert_str_eq(before.name, after.name);
    before.name = after.name = NULL;
    cr_assert_eq(before.n, after.n);
    cr_assert_eq(before.frac, after.frac);
    cr_assert_eq(before.dur_ns, after.dur_ns);
    cr_assert_eq(before.mode, after.mode);
    cr_assert_not_null(strstr(text, "  n: 7  # 1..10; rows; count [t.yaml:1:26]\n"), "%s", text);
    cr_assert_not_null(strstr(text, "  big: 0  # seed [default]\n"), "%s", text);
    cr_assert_not_null(
        strstr(text, "capital: {\"core\": \"0.5\", \"m.x\": [\"1\", {\"y\": null}]}"), "%s", text);
    char *again = printed(second, false, false);
    char *once = printed(first, false, false);
    cr_assert_str_eq(again, once);
    free(text);
    free(again);
    free(once);
    keel_config_free(&first);
    keel_config_free(&second);
}

Test(config, json_is_one_object_a_line)
{
    keel_err err;
    keel_config *config = load("feed: {name: ab}\n", &err);
    char *text = printed(config, true, true);
    const char *first = "{\"key\": \"feed.name\", \"value\": \"ab\", \"type\": \"text\"";
    cr_assert_eq(strncmp(text, first, strlen(first)), 0, "%s", text);
    int lines = 0;
    for (const char *c = text; *c != '\0'; c++)
        lines += *c == '\n';
    cr_assert_eq(lines, (int)(sizeof rows / sizeof rows[0]) - 1);
    free(text);
    keel_config_free(&config);
}

Test(config, nodes_parse_with_their_own_bounds)
{
    keel_err err = {0};
    double share = 7;
    keel_config *config = load("capital: {core: 40%, bad: x}\n", &err);
    const keel_config_node *core = keel_config_at(config, "capital.core");
    cr_assert_eq(keel_config_parse(core, KEEL_CFG_T_FRAC, NULL, NULL, "capital.core", &share, &err),
                 KEEL_OK);
    cr_assert_eq(share, 0.4);
    cr_assert_eq(
        keel_config_parse(core, KEEL_CFG_T_FRAC, NULL, "0.3", "capital.core", &share, &err),
        KEEL_ERANGE);
    cr_assert_not_null(strstr(err.text, "t.yaml:1:17: capital.core"), "%s", err.text);
    cr_assert_neq(keel_config_parse(keel_config_at(config, "capital.bad"), KEEL_CFG_T_FRAC, NULL,
                                    NULL, "capital.bad", &share, &err),
                  KEEL_OK);
    cr_assert_eq(keel_config_parse(NULL, KEEL_CFG_T_FRAC, NULL, NULL, "x.y", &share, &err),
                 KEEL_EINVAL);
    cr_assert_eq(share, 0.4);
    keel_config_free(&config);
}

Test(config, prints_line_ends_and_invisible_characters_so_that_they_load_again)
{
    static const char *const texts[] = {"a\\L b", "\\P", "\\N", "\\x7f", "\\x80", "\\uFEFF", "\\t"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        char yaml[64];
        target one, two;
        keel_err err = {.status = KEEL_OK};
        snprintf(yaml, sizeof yaml, "feed: {name: \"%s\"}", texts[i]);
        keel_config *config = load(yaml, &err);
        cr_assert_not_null(config, "%s", err.text);
        cr_assert_eq(keel_config_bind(config, rows, &one, &err), KEEL_OK, "%s", err.text);
        char *text = printed(config, false, false);
        keel_config *again = load(text, &err);
        cr_assert_not_null(again, "%s: %s", texts[i], err.text);
        cr_assert_eq(keel_config_bind(again, rows, &two, &err), KEEL_OK, "%s", err.text);
        cr_assert_str_eq(one.name, two.name, "%s", texts[i]);
        free(text);
        keel_config_free(&config);
        keel_config_free(&again);
    }
}
