/* ledger_check_internal.h - what the check keeps of a run, shared by its two files.
 *
 * ROOM     services/cli.
 */
#ifndef KEEL_SERVICES_CLI_LEDGER_CHECK_INTERNAL_H
#define KEEL_SERVICES_CLI_LEDGER_CHECK_INTERNAL_H

#include <jansson.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum {
    BOOKS_MAX = 520,
    NAME_BYTES = 64,
    SYMBOL_BYTES = 64,
    INSTRUMENTS_MAX = 512,
    LOTS_MAX = 512, /* a fill that would open one more joins the newest: docs/ledger-schema.md */
    PARTS_MAX = 65, /* 64 books and "netting" */
    LINE_BYTES = 512,
};

__extension__ typedef __int128 i128;

enum { FINDINGS_MAX = 1000 }; /* printed; all are counted */

typedef struct lot {
    int64_t qty, cost, fill_no;
} lot;

typedef struct position {
    lot *lots; /* owned, LOTS_MAX, taken when first used */
    int count;
    int64_t first_no;
    i128 qty, cost;
    int64_t version; /* newest intent version filled or closed */
} position;

typedef enum field { CASH, EQUITY, REALIZED, UNREALIZED, FEES, SLIPPAGE, FIELDS } field;

typedef struct book {
    char name[NAME_BYTES];
    i128 sums[FIELDS];
    i128 known[FIELDS];  /* difference already reported */
    i128 bar_profit;     /* at the bar before */
    bool returned;       /* has a return in the step at hand */
    position *positions; /* owned, INSTRUMENTS_MAX, taken when first used */
} book;

typedef struct instrument {
    char symbol[SYMBOL_BYTES];
    int price_exp, qty_exp;
    int64_t mark;
} instrument;

typedef struct part {
    char book[NAME_BYTES];
    int64_t qty, cash, fee, slippage, closed_version, closed_units, realized;
} part;

typedef struct fill {
    int64_t no, step, qty, price, reference, fee, slippage, ns;
    int instrument;
    char id[LINE_BYTES], order[LINE_BYTES];
    uint64_t seal;
} fill;

typedef struct check {
    sqlite3 *db;
    FILE *out;
    json_t *findings; /* NULL: print lines */
    uint64_t found;
    uint64_t fills, transfers, states, lots;
    int64_t run;
    char run_id[NAME_BYTES], portfolio[NAME_BYTES];
    int64_t initial;
    int n, books_n;
    instrument instruments[INSTRUMENTS_MAX];
    book books[BOOKS_MAX];
    uint64_t seal;
    int64_t last_step;
    i128 known_cash, known_equity;
    int64_t first_return;             /* step of the oldest returns kept; 0 = none */
    sqlite3_stmt *decision, *decided; /* borrowed while walking */
    bool broken;                      /* the file could not be read to the end */
} check;

/* Report a difference, or count it when there are very many. */
void keel_check_differ(check *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

long long keel_check_shown(i128 value); /* for text only */

/* Worth of a quantity in micros, ties to the even neighbour. */
i128 keel_check_worth(const instrument *x, int64_t price, i128 qty);

book *keel_check_find_book(check *c, const char *name);
position *keel_check_find_position(book *b, int i);

void keel_check_text(char *to, size_t cap, sqlite3_stmt *s, int column);

/* A statement with ?1 bound to the run; NULL and a finding when the file cannot be read. */
sqlite3_stmt *keel_check_prepare(check *c, const char *sql);

int keel_check_parts(check *c, sqlite3_stmt *s, int64_t fill_no, part parts[PARTS_MAX]);
void keel_check_fill(sqlite3_stmt *s, fill *f);

/* Check a fill and its parts, and book them. */
void keel_check_apply(check *c, const fill *f, const part *parts, int n);

#endif
