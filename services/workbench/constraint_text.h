/* constraint_text.h - a linear constraint as people write it: "2*BTC + DeFi <= 0.4 + cash".
 *
 * ROOM     services/workbench. Pure: text in, a row of numbers out.
 * MODEL    relation  sum REL sum, or number REL sum REL number with both REL in one direction
 *          REL       <=  >=  =
 *          sum       products joined by + and -
 *          product   factors joined by *; at most one of them holds names
 *          factor    number ("0.4", "40%"), name, "name in quotes", cash, (sum), after any - or +
 *          A name is an asset, or a group: the sum of its members. cash = 1 - sum of all weights.
 *          Names of letters, digits, and _.:@ stand bare; others ("BRK-B") in double quotes, in
 *          which "" is one quote.
 *          Everything is brought to  lo <= a'w <= hi, the first name with a coefficient above 0.
 * MEMORY   None is taken.
 * THREADS  any.
 */
#ifndef KEEL_SERVICES_WORKBENCH_CONSTRAINT_TEXT_H
#define KEEL_SERVICES_WORKBENCH_CONSTRAINT_TEXT_H

#include "services/workbench/labels.h"

enum {
    KEEL_CONSTRAINT_BYTES_MAX = 16384, /* of one text */
    KEEL_CONSTRAINT_NAME_MAX = 256,
};

typedef struct keel_vocabulary {
    const keel_labels *assets;
    const keel_labels *groups;      /* no name of an asset, nor "cash" */
    const unsigned char *is_member; /* of group g: at[g * assets->n + i] */
} keel_vocabulary;

typedef struct keel_constraint_row {
    double *a;                           /* n of the assets, the caller's buffer */
    double lo, hi;                       /* +-KEEL_NO_BOUND = no such side */
    char name[KEEL_CONSTRAINT_NAME_MAX]; /* canonical form, "" where that is longer */
} keel_constraint_row;

/* Read one constraint into *row. Refused with *err (may be NULL), "TEXT:COLUMN: what was expected"
 * (bytes, from 1), *row spoilt:
 *   KEEL_EFORMAT   not a constraint; two names multiplied; no name left
 *   KEEL_EUNKNOWN  a name that is not there, with the nearest one
 *   KEEL_ERANGE    a number beyond 1e100; a range whose lower side is above the upper
 *   KEEL_ETOOBIG   too long, too many terms, or too deep */
KEEL_MUST_CHECK keel_status keel_constraint_read(const char *text,
                                                 const keel_vocabulary *vocabulary,
                                                 keel_constraint_row *row, keel_err *err);

/* A number with the fewest digits that read back as the same: "0.1". */
enum { KEEL_NUMBER_TEXT_MAX = 32 };
const char *keel_number_text(double value, char out[KEEL_NUMBER_TEXT_MAX]);

#endif
