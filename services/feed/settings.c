#include "services/feed/settings.h"

#include "common/base/mem.h"
#include "common/base/text.h"
#include "services/feed/files.h"

#include <string.h>

enum { SOURCE_SIMULATOR, SOURCE_CSV };
enum { SIMULATOR_ROWS_DEFAULT = 1000 };

const keel_cfg_row keel_feed_rows[] = {
    {KEEL_CFG_T_ENUM, "feed.source", offsetof(keel_feed_settings, source), "simulator",
     "simulator|csv", NULL, "", "a simulated market, or the files of feed.files"},
    {KEEL_CFG_T_TREE, "feed.files", 0, "", NULL, NULL, "",
     "csv: list of CSV or CSV.gz files, joined by time"},
    {KEEL_CFG_T_TREE, "feed.assets", 0, "", NULL, NULL, "",
     "csv: list of symbols to take from the files; none = all"},
    {KEEL_CFG_T_TREE, "feed.exclude", 0, "", NULL, NULL, "", "csv: list of symbols to leave out"},
    {KEEL_CFG_T_ENUM, "feed.stamp", offsetof(keel_feed_settings, stamp), "auto", "auto|open|close",
     NULL, "", "csv: what a time is; auto = open, a bare date closes at 24:00 UTC"},
    {KEEL_CFG_T_INT, "feed.rows", offsetof(keel_feed_settings, rows), "0", "0", "10000000", "rows",
     "end after so many; 0 = all of the files, 1000 of the simulator"},
    {KEEL_CFG_T_I64, "feed.seed", offsetof(keel_feed_settings, seed), "1", "0", NULL, "",
     "simulator: same seed and universe, same market"},
    {KEEL_CFG_T_STR, "feed.start", offsetof(keel_feed_settings, start), "2025-01-01T00:00:00Z",
     NULL, NULL, "", "simulator: open of the first bar, UTC"},
    {KEEL_CFG_T_INT, "feed.tail_nu", offsetof(keel_feed_settings, tail_nu), "5", "3", "100", "",
     "simulator: degrees of freedom of the Student t tails"},
    {KEEL_CFG_T_REAL, "feed.jump_probability", offsetof(keel_feed_settings, jump_probability),
     "0.001", "0", "0.05", "", "simulator: chance of a jump per bar and instrument"},
    {KEEL_CFG_T_REAL, "feed.jump_size", offsetof(keel_feed_settings, jump_size), "5", "0", "20",
     "bar volatilities", "simulator: standard deviation of a jump"},
    {KEEL_CFG_T_FRAC, "feed.missing", offsetof(keel_feed_settings, missing_frac), "0.002", "0",
     "0.5", "", "simulator: chance that a bar is absent"},
    {KEEL_CFG_T_TREE, "feed.regimes", 0, "", NULL, NULL, "",
     "simulator: list of {name, duration_bars, drift_ann, volatility_scale, correlation_across, "
     "correlation_within}; none = calm, trend, stress"},
    KEEL_CFG_END,
};

/* A list of names from the configuration: a YAML list, or "A,B" from a flag or the environment. */
typedef struct names {
    int n;
    const char *items[KEEL_UNIVERSE_MAX];
    char *text; /* owned; holds the items of "A,B" */
} names;

static keel_status add_name(names *to, const char *key, const char *item, keel_err *err)
{
    if (item == NULL || item[0] == '\0')
        return keel_err_set(err, KEEL_EINVAL, "%s: an entry is empty or not a name", key);
    if (to->n == KEEL_UNIVERSE_MAX)
        return keel_err_set(err, KEEL_ETOOBIG, "%s: more than %d entries", key, KEEL_UNIVERSE_MAX);
    to->items[to->n++] = item;
    return KEEL_OK;
}

static keel_status cut_names(names *to, const char *key, const char *text, keel_err *err)
{
    const size_t len = strlen(text);
    to->text = keel_xcalloc(len + 1, 1);
    memcpy(to->text, text, len);
    for (char *at = to->text; at != NULL && text[0] != '\0';) {
        char *comma = strchr(at, ',');
        if (comma != NULL)
            *comma = '\0';
        KEEL_TRY(add_name(to, key, at, err));
        at = comma != NULL ? comma + 1 : NULL;
    }
    return KEEL_OK;
}

static keel_status read_names(const keel_config *config, const char *key, names *to, keel_err *err)
{
    const keel_config_node *node = keel_config_at(config, key);
    *to = (names){.n = 0};
    if (node == NULL)
        return KEEL_OK;
    if (keel_config_text(node) != NULL)
        return cut_names(to, key, keel_config_text(node), err);
    for (int i = 0; i < keel_config_count(node); i++) {
        const keel_config_node *child = keel_config_child(node, i);
        KEEL_TRY(add_name(to, key, keel_config_text(child), err));
    }
    return KEEL_OK;
}

typedef struct regime_field {
    const char *key;
    keel_cfg_type type;
    const char *min;
    const char *max;
    size_t field;
} regime_field;

/* The name is read apart: it is copied, not pointed to. */
static const regime_field regime_fields[] = {
    {"duration_bars", KEEL_CFG_T_REAL, "2", "1e9", offsetof(keel_regime_cfg, duration_bars)},
    {"drift_ann", KEEL_CFG_T_REAL, "-2", "2", offsetof(keel_regime_cfg, drift_ann)},
    {"volatility_scale", KEEL_CFG_T_REAL, "0.05", "10",
     offsetof(keel_regime_cfg, volatility_scale)},
    {"correlation_across", KEEL_CFG_T_FRAC, "0", "0.99",
     offsetof(keel_regime_cfg, correlation_across)},
    {"correlation_within", KEEL_CFG_T_FRAC, "0", "0.99",
     offsetof(keel_regime_cfg, correlation_within)},
};
enum { REGIME_FIELDS = sizeof regime_fields / sizeof regime_fields[0] };

static keel_status check_keys(const keel_config_node *node, keel_err *err)
{
    const char *known[REGIME_FIELDS + 1] = {"name"};
    for (int f = 0; f < REGIME_FIELDS; f++)
        known[f + 1] = regime_fields[f].key;
    for (int i = 0; i < keel_config_count(node); i++) {
        const char *key = keel_config_child_name(node, i);
        bool found = false;
        for (int k = 0; k <= REGIME_FIELDS; k++)
            found |= strcmp(key, known[k]) == 0;
        const char *nearest = keel_text_nearest(key, known, REGIME_FIELDS + 1);
        if (!found)
            return keel_err_set(err, KEEL_EUNKNOWN, "%s: feed.regimes: unknown key '%s'%s%s",
                                keel_config_where(node), key,
                                nearest != NULL ? "; did you mean " : "",
                                nearest != NULL ? nearest : "");
    }
    return KEEL_OK;
}

static keel_status read_regime(const keel_config_node *node, keel_regime_cfg *g, keel_err *err)
{
    char what[96];
    KEEL_TRY(check_keys(node, err));
    const keel_config_node *name = keel_config_find(node, "name");
    const char *text = name != NULL ? keel_config_text(name) : NULL;
    if (text == NULL || keel_text_copy(g->name, sizeof g->name, text) != KEEL_OK)
        return keel_err_set(err, KEEL_EINVAL, "%s: feed.regimes: a regime needs a short name",
                            keel_config_where(node));
    for (int f = 0; f < REGIME_FIELDS; f++) {
        const regime_field *field = &regime_fields[f];
        const keel_config_node *value = keel_config_find(node, field->key);
        size_t len = 0;
        keel_text_add(what, sizeof what, &len, "feed.regimes.%s", field->key);
        if (value == NULL)
            return keel_err_set(err, KEEL_EINVAL, "%s: regime %s has no %s",
                                keel_config_where(node), g->name, what);
        KEEL_TRY(keel_config_parse(value, field->type, field->min, field->max, what,
                                   (char *)g + field->field, err));
    }
    return KEEL_OK;
}

static keel_status read_regimes(const keel_config *config, keel_simulator_cfg *cfg, keel_err *err)
{
    const keel_config_node *list = keel_config_at(config, "feed.regimes");
    const int n = list != NULL ? keel_config_count(list) : 0;
    if (n == 0)
        return KEEL_OK;
    if (n > KEEL_SIMULATOR_REGIMES_MAX)
        return keel_err_set(err, KEEL_ETOOBIG, "%s: feed.regimes: %d regimes; at most %d",
                            keel_config_where(list), n, KEEL_SIMULATOR_REGIMES_MAX);
    cfg->regimes_n = n;
    for (int i = 0; i < n; i++)
        KEEL_TRY(read_regime(keel_config_child(list, i), &cfg->regimes[i], err));
    return KEEL_OK;
}

static keel_feed_source *open_simulator(const keel_feed_request *request, keel_err *err)
{
    const keel_feed_settings *s = request->settings;
    keel_simulator_cfg cfg;
    keel_err inner = {.status = KEEL_OK};
    keel_simulator_defaults(&cfg);
    cfg.universe = request->universe;
    cfg.bar_ns = request->bar_ns;
    cfg.seed = (uint64_t)s->seed;
    cfg.tail_nu = s->tail_nu;
    cfg.jump_probability = s->jump_probability;
    cfg.jump_size = s->jump_size;
    cfg.missing_frac = s->missing_frac;
    const keel_status start = keel_time_parse(s->start, &cfg.start_ns, NULL);
    if (start != KEEL_OK) {
        keel_err_set(err, start, "feed.start: '%s' is not a time (2026-01-02T03:04:05Z)", s->start);
        return NULL;
    }
    if (read_regimes(request->config, &cfg, err) != KEEL_OK)
        return NULL;
    keel_simulator *sim = keel_simulator_new(&cfg, &inner);
    if (sim == NULL) {
        keel_err_set(err, inner.status, "feed: %s", inner.text);
        return NULL;
    }
    return keel_feed_source_of_simulator(&sim,
                                         s->rows > 0 ? (uint64_t)s->rows : SIMULATOR_ROWS_DEFAULT);
}

static keel_status check_bar(const keel_table *table, int64_t bar_ns, keel_err *err)
{
    char have[KEEL_TIME_TEXT_MAX], want[KEEL_TIME_TEXT_MAX];
    if (table->bar_ns == bar_ns)
        return KEEL_OK;
    keel_duration_format(table->bar_ns, have);
    keel_duration_format(bar_ns, want);
    return keel_err_set(err, KEEL_EINVAL,
                        "feed.files: the files have bars of %s, universe.bar is %s", have, want);
}

static keel_feed_source *source_of_files(const keel_feed_request *request, keel_feed_files *files,
                                         const keel_feed_choice *choice, keel_err *err)
{
    keel_feed_source *source = NULL;
    keel_table *table = NULL;
    keel_pick *pick = keel_xcalloc(1, sizeof *pick);
    const keel_table_cfg cfg = {files->csvs, files->n, pick, request->universe, choice->stamp};
    if (keel_pick_make(files->csvs, files->n, choice, pick, err) == KEEL_OK &&
        keel_pick_match(pick, request->universe, err) == KEEL_OK)
        table = keel_table_new(&cfg, &files->complaints, err);
    if (table != NULL && check_bar(table, request->bar_ns, err) == KEEL_OK)
        source = keel_feed_source_of_table(&table, (uint64_t)request->settings->rows,
                                           files->complaints.refused);
    keel_table_free(&table);
    keel_free(&pick);
    return source;
}

/* For the status message, which is UTF-8: paths may hold any byte. */
static void name_files(const names *paths, char name[KEEL_FEED_SOURCE_TEXT_MAX])
{
    size_t len = 0;
    name[0] = '\0';
    for (int i = 0; i < paths->n; i++)
        if (!keel_text_add(name, KEEL_FEED_SOURCE_TEXT_MAX, &len, "%s%s", i > 0 ? " " : "",
                           paths->items[i]))
            break;
    for (size_t i = 0; name[i] != '\0'; i++)
        if (name[i] < ' ' || name[i] > '~')
            name[i] = '?';
}

static keel_feed_source *open_files(const keel_feed_request *request, const names *lists,
                                    keel_err *err)
{
    const keel_feed_choice choice = {lists[1].items, lists[1].n, lists[2].items, lists[2].n,
                                     (keel_stamp)request->settings->stamp};
    keel_feed_source *source = NULL;
    keel_feed_files *files = keel_xcalloc(1, sizeof *files);
    if (lists[0].n == 0)
        keel_err_set(err, KEEL_EINVAL, "feed.files: feed.source is csv, but no file is named");
    else if (keel_feed_files_open(lists[0].items, lists[0].n, files, err) == KEEL_OK)
        source = source_of_files(request, files, &choice, err);
    keel_feed_files_close(files);
    keel_free(&files);
    return source;
}

keel_feed_source *keel_feed_source_open(const keel_feed_request *request,
                                        char name[KEEL_FEED_SOURCE_TEXT_MAX], keel_err *err)
{
    static const char *const keys[] = {"feed.files", "feed.assets", "feed.exclude"};
    enum { LISTS = sizeof keys / sizeof keys[0] };
    keel_feed_source *source = NULL;
    keel_status status = keel_text_copy(name, KEEL_FEED_SOURCE_TEXT_MAX, "simulator");
    names *lists = keel_xcalloc(LISTS, sizeof *lists);
    if (request->settings->source == SOURCE_SIMULATOR) {
        source = open_simulator(request, err);
        goto out;
    }
    for (int i = 0; i < LISTS && status == KEEL_OK; i++)
        status = read_names(request->config, keys[i], &lists[i], err);
    if (status != KEEL_OK)
        goto out;
    name_files(&lists[0], name);
    source = open_files(request, lists, err);
out:
    for (int i = 0; i < LISTS; i++)
        keel_free(&lists[i].text);
    keel_free(&lists);
    return source;
}
