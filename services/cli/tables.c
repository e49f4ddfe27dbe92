#include "services/cli/tables.h"

#include "common/base/assert.h"
#include "common/base/mem.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

typedef struct cell {
    char *text; /* owned */
    keel_ink ink;
} cell;

struct keel_table {
    int columns;
    char headers[KEEL_TABLE_COLUMNS_MAX][KEEL_TABLE_CELL_MAX];
    bool right[KEEL_TABLE_COLUMNS_MAX];
    int width[KEEL_TABLE_COLUMNS_MAX]; /* characters, not bytes */
    int cells;
    int cap;
    cell *cell;
};

/* Characters of UTF-8 text: every byte that does not continue one. */
static int characters(const char *text)
{
    int n = 0;
    for (; *text != '\0'; text++)
        n += ((unsigned char)*text & 0xC0) != 0x80;
    return n;
}

keel_table *keel_table_new(const char *headers)
{
    keel_table *t = keel_xcalloc(1, sizeof *t);
    for (const char *at = headers;; at++) {
        const size_t len = strcspn(at, "|");
        const bool right = at[0] == '>';
        KEEL_ASSERT(t->columns < KEEL_TABLE_COLUMNS_MAX && len < KEEL_TABLE_CELL_MAX);
        t->right[t->columns] = right;
        memcpy(t->headers[t->columns], at + right, len - right);
        t->width[t->columns] = characters(t->headers[t->columns]);
        t->columns++;
        at += len;
        if (*at == '\0')
            break;
    }
    return t;
}

void keel_table_free(keel_table **table)
{
    if (table == NULL || *table == NULL)
        return;
    for (int i = 0; i < (*table)->cells; i++)
        keel_free(&(*table)->cell[i].text);
    keel_free(&(*table)->cell);
    keel_free(table);
}

static void grow(keel_table *t)
{
    const int cap = t->cap > 0 ? 2 * t->cap : 64;
    cell *more = keel_xcalloc((size_t)cap, sizeof *more);
    if (t->cells > 0)
        memcpy(more, t->cell, (size_t)t->cells * sizeof *more);
    keel_free(&t->cell);
    t->cell = more;
    t->cap = cap;
}

void keel_table_cell(keel_table *t, keel_ink ink, const char *fmt, ...)
{
    char text[KEEL_TABLE_CELL_MAX];
    const int column = t->cells % t->columns;
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    for (char *p = text; *p != '\0'; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = '?';
    if (t->cells == t->cap)
        grow(t);
    cell *c = &t->cell[t->cells++];
    c->ink = ink;
    c->text = keel_xcalloc(1, strlen(text) + 1);
    memcpy(c->text, text, strlen(text));
    if (characters(text) > t->width[column])
        t->width[column] = characters(text);
}

int keel_table_rows(const keel_table *t)
{
    return (t->cells + t->columns - 1) / t->columns;
}

static void put(const keel_table *t, int column, const char *text, keel_ink ink,
                const keel_cli *cli)
{
    const int pad = t->width[column] - characters(text);
    const bool last = column == t->columns - 1;
    if (t->right[column])
        fprintf(cli->out, "%*s", pad, "");
    if (ink != KEEL_INK_PLAIN)
        fputs(keel_ink_text(cli->out_colour, ink), cli->out);
    fputs(text, cli->out);
    if (ink != KEEL_INK_PLAIN)
        fputs(keel_ink_text(cli->out_colour, KEEL_INK_PLAIN), cli->out);
    if (!t->right[column] && !last)
        fprintf(cli->out, "%*s", pad, "");
}

static void print_headers(const keel_table *t, const keel_cli *cli)
{
    bool named = false;
    for (int column = 0; column < t->columns; column++)
        named = named || t->headers[column][0] != '\0';
    for (int column = 0; named && column < t->columns; column++) {
        fputs("  ", cli->out);
        put(t, column, t->headers[column], KEEL_INK_DIM, cli);
    }
    if (named)
        fputc('\n', cli->out);
}

void keel_table_print(const keel_table *t, const keel_cli *cli)
{
    print_headers(t, cli);
    for (int i = 0; i < t->cells; i++) {
        fputs("  ", cli->out);
        put(t, i % t->columns, t->cell[i].text, t->cell[i].ink, cli);
        if ((i + 1) % t->columns == 0 || i + 1 == t->cells)
            fputc('\n', cli->out);
    }
}

void keel_table_title(const keel_cli *cli, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fprintf(cli->out, "\n%s", keel_ink_text(cli->out_colour, KEEL_INK_BOLD));
    vfprintf(cli->out, fmt, args);
    fprintf(cli->out, "%s\n", keel_ink_text(cli->out_colour, KEEL_INK_PLAIN));
    va_end(args);
}
