/* keel-backtest(1) - the engines without the processes.
 *
 * run      every service in this process, over the in-memory twins
 * replay   a process's journal again, payload by payload
 * inspect  what is in price files, and the universe they suggest
 *
 * The `keel` command runs it for `data check` and `replay`.
 */
#include "services/backtest/run.h"
#include "services/feed/files.h"
#include "services/feed/report.h"

#include <stdio.h>
#include <string.h>

enum { WORDS_MAX = 256, LIST_MAX = 512 };

typedef struct words {
    const char *config;
    const char *journal_dir;
    const char *currency;
    bool json;
    keel_feed_choice choice;
    const char *flags[WORDS_MAX]; /* --section.key=value */
    int flags_n;
    const char *rest[WORDS_MAX];
    int rest_n;
} words;

static int usage(void)
{
    fputs("usage: keel-backtest run --config FILE [--journal DIR] [--json] [--SECTION.KEY=VALUE]\n"
          "       keel-backtest replay --config FILE [--json] JOURNAL...\n"
          "       keel-backtest inspect [--json] [--assets A,B] [--exclude C]\n"
          "                             [--stamp auto|open|close] [--currency USD] FILE...\n",
          stderr);
    return KEEL_EXIT_USAGE;
}

/* "A,B" into list; the text is cut at its commas. */
static int split(char *text, const char **list)
{
    int n = 0;
    for (char *word; n < LIST_MAX && (word = strsep(&text, ",")) != NULL;)
        if (word[0] != '\0')
            list[n++] = word;
    return n;
}

static bool parse_stamp(const char *word, keel_stamp *stamp)
{
    if (strcmp(word, "auto") == 0)
        *stamp = KEEL_STAMP_AUTO;
    else if (strcmp(word, "open") == 0)
        *stamp = KEEL_STAMP_OPEN;
    else if (strcmp(word, "close") == 0)
        *stamp = KEEL_STAMP_CLOSE;
    else
        return false;
    return true;
}

static bool parse(int argc, char **argv, words *w)
{
    static const char *assets[LIST_MAX], *exclude[LIST_MAX];
    w->currency = "USD";
    for (int i = 2; i < argc; i++) {
        char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(argv[i], "--json") == 0) {
            w->json = true;
        } else if (strncmp(argv[i], "--", 2) == 0 && strchr(argv[i], '.') != NULL &&
                   w->flags_n < WORDS_MAX) {
            w->flags[w->flags_n++] = argv[i];
        } else if (strncmp(argv[i], "--", 2) != 0 && w->rest_n < WORDS_MAX) {
            w->rest[w->rest_n++] = argv[i];
        } else if (value == NULL) {
            return false;
        } else {
            if (strcmp(argv[i], "--config") == 0)
                w->config = value;
            else if (strcmp(argv[i], "--journal") == 0)
                w->journal_dir = value;
            else if (strcmp(argv[i], "--currency") == 0)
                w->currency = value;
            else if (strcmp(argv[i], "--assets") == 0)
                w->choice.assets_n = split(value, assets);
            else if (strcmp(argv[i], "--exclude") == 0)
                w->choice.exclude_n = split(value, exclude);
            else if (strcmp(argv[i], "--stamp") != 0 || !parse_stamp(value, &w->choice.stamp))
                return false;
            i++;
        }
    }
    w->choice.assets = assets;
    w->choice.exclude = exclude;
    return true;
}

static int inspect(const words *w)
{
    keel_err err = {0};
    keel_feed_files files;
    if (w->rest_n == 0)
        return usage();
    if (keel_feed_files_open(w->rest, w->rest_n, &files, &err) != KEEL_OK) {
        fprintf(stderr, "%s\n", err.text);
        return KEEL_EXIT_CONFIG;
    }
    keel_inspection *found =
        keel_inspect_new(files.csvs, files.n, &w->choice, &files.complaints, w->currency, &err);
    if (found == NULL)
        fprintf(stderr, "%s\n", err.text);
    else if (w->json)
        keel_feed_report_json(found, stdout);
    else
        keel_feed_report_text(found, stdout);
    const int code = found != NULL ? 0 : KEEL_EXIT_CONFIG;
    keel_inspect_free(&found);
    keel_feed_files_close(&files);
    return code;
}

static int run_or_replay(const words *w, bool replay)
{
    keel_run run;
    int code = 0;
    if (w->config == NULL || (replay && w->rest_n == 0))
        return usage();
    const char *flags[WORDS_MAX + 1];
    int flags_n = w->flags_n;
    memcpy(flags, w->flags, sizeof w->flags);
    if (replay)
        flags[flags_n++] = "--ledger.database=:memory:"; /* the run's own books are not touched */
    if (!keel_run_load(w->config, flags_n, flags, &run))
        return KEEL_EXIT_CONFIG;
    if (!replay)
        code = keel_run_host(&run, w->journal_dir, w->json);
    for (int i = 0; replay && i < w->rest_n; i++) {
        const int one = keel_run_replay(&run, w->rest[i], w->json);
        code = one > code ? one : code;
    }
    keel_run_free(&run);
    return code;
}

int main(int argc, char **argv)
{
    static words w;
    if (argc < 2 || !parse(argc, argv, &w))
        return usage();
    if (strcmp(argv[1], "inspect") == 0)
        return inspect(&w);
    if (strcmp(argv[1], "replay") == 0)
        return run_or_replay(&w, true);
    if (strcmp(argv[1], "run") == 0)
        return run_or_replay(&w, false);
    return usage();
}
