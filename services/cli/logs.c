#include "services/cli/door.h"
#include "services/cli/supervise.h"
#include "services/cli/terminal.h"
#include "services/cli/verbs.h"

#include "common/base/mem.h"

#include <dirent.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { FILES_MAX = 32, LINE_BYTES = 4096, FOLLOW_MS = 100 };

/* A log being read. */
typedef struct log_file {
    char name[64]; /* without ".log" */
    FILE *in;
} log_file;

/* A line kept for sorting. */
typedef struct line {
    char *text; /* owned */
    const char *name;
    uint64_t order;
} line;

static int open_logs(const keel_run *run, const char *only, log_file *files)
{
    char folder[KEEL_PATH_CAP], path[2 * KEEL_PATH_CAP];
    int n = 0;
    DIR *dir = opendir(keel_run_file(run, "log", folder));
    if (dir == NULL)
        return 0;
    for (struct dirent *e; (e = readdir(dir)) != NULL && n < FILES_MAX;) {
        const char *dot = strrchr(e->d_name, '.');
        const size_t len = dot != NULL ? (size_t)(dot - e->d_name) : 0;
        if (dot == NULL || strcmp(dot, ".log") != 0 || len >= sizeof files[n].name)
            continue;
        snprintf(files[n].name, sizeof files[n].name, "%.*s", (int)len, e->d_name);
        if (only != NULL && strcmp(files[n].name, only) != 0)
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        files[n].in = fopen(path, "re");
        n += files[n].in != NULL;
    }
    closedir(dir);
    return n;
}

/* "ts=2026-..." -> "2026-..."; NULL when the line has no time. */
static const char *time_of(const char *text)
{
    return strncmp(text, "ts=", 3) == 0 ? text + 3 : NULL;
}

/* Lines without a time (of redis, of a crash) stay where they were among their own. */
static int by_time(const void *a, const void *b)
{
    const line *x = a, *y = b;
    const char *tx = time_of(x->text), *ty = time_of(y->text);
    if (tx != NULL && ty != NULL) {
        const int order = strncmp(tx, ty, strcspn(tx, " "));
        if (order != 0)
            return order;
    } else if ((tx == NULL) != (ty == NULL)) {
        return tx == NULL ? -1 : 1;
    }
    return x->order < y->order ? -1 : 1;
}

static void print_line(const keel_cli *cli, const char *name, const char *text, bool json)
{
    if (json) {
        json_t *row = json_pack("{s:s,s:s}", "process", name, "line", text);
        if (row != NULL)
            json_dumpf(row, cli->out, JSON_COMPACT);
        json_decref(row);
        fputc('\n', cli->out);
        return;
    }
    const keel_ink ink = strstr(text, " level=error") != NULL  ? KEEL_INK_RED
                         : strstr(text, " level=warn") != NULL ? KEEL_INK_YELLOW
                                                               : KEEL_INK_PLAIN;
    fprintf(cli->out, "%s%-20s%s %s%s%s\n", keel_ink_text(cli->out_colour, KEEL_INK_DIM), name,
            keel_ink_text(cli->out_colour, KEEL_INK_PLAIN), keel_ink_text(cli->out_colour, ink),
            text, keel_ink_text(cli->out_colour, KEEL_INK_PLAIN));
}

static bool read_line(FILE *in, char text[LINE_BYTES])
{
    if (fgets(text, LINE_BYTES, in) == NULL) {
        clearerr(in); /* more may be written */
        return false;
    }
    text[strcspn(text, "\n")] = '\0';
    return true;
}

/* The last `most` lines over all files, by time. The newest of each file are kept in a ring. */
static void print_last(const keel_cli *cli, log_file *files, int n, int most, bool json)
{
    line *lines = keel_xcalloc((size_t)(n * most), sizeof *lines);
    char text[LINE_BYTES];
    size_t kept = 0;
    uint64_t order = 0;
    for (int i = 0; i < n; i++) {
        line *ring = lines + kept;
        size_t count = 0;
        while (read_line(files[i].in, text)) {
            line *l = &ring[count++ % (size_t)most];
            keel_free(&l->text);
            l->text = keel_xcalloc(1, strlen(text) + 1);
            memcpy(l->text, text, strlen(text));
            l->name = files[i].name;
            l->order = order++;
        }
        kept += count < (size_t)most ? count : (size_t)most;
    }
    qsort(lines, kept, sizeof *lines, by_time);
    for (size_t i = kept > (size_t)most ? kept - (size_t)most : 0; i < kept; i++)
        print_line(cli, lines[i].name, lines[i].text, json);
    for (size_t i = 0; i < kept; i++)
        keel_free(&lines[i].text);
    keel_free(&lines);
}

int keel_verb_logs(const keel_args *args, const keel_cli *cli)
{
    log_file files[FILES_MAX];
    char text[LINE_BYTES];
    keel_run run;
    keel_err err;
    const bool json = keel_args_on(args, "json");
    const char *only = args->operands_n > 0 ? args->operands[0] : NULL;
    if (keel_run_find_live(keel_args_text(args, "run"), &run, &err) != KEEL_OK)
        return keel_cli_fail(cli, &err);
    const int n = open_logs(&run, only, files);
    if (n == 0) {
        fprintf(cli->err, "keel: run %s has no log%s%s\n", run.id, only != NULL ? " of " : "s",
                only != NULL ? only : "");
        return KEEL_EXIT_FAILED;
    }
    print_last(cli, files, n, (int)keel_args_count(args, "lines"), json);
    const int signals = keel_args_on(args, "follow") ? keel_signals_open() : -1;
    while (keel_args_on(args, "follow") && keel_signals_stop(signals) == 0 && !ferror(cli->out)) {
        for (int i = 0; i < n; i++)
            while (read_line(files[i].in, text))
                print_line(cli, files[i].name, text, json);
        fflush(cli->out);
        keel_pause_ms(FOLLOW_MS);
    }
    for (int i = 0; i < n; i++)
        fclose(files[i].in);
    return KEEL_EXIT_OK;
}
