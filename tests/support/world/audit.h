/* audit.h - what clients were told, what the log holds and what the books say, held against each
 * other.
 *
 * ROOM     tests/support/world. Each function returns how many things are wrong and writes the
 *          first into *first; 0 = none.
 */
#ifndef KEEL_TESTS_SUPPORT_WORLD_AUDIT_H
#define KEEL_TESTS_SUPPORT_WORLD_AUDIT_H

#include "tests/support/world/history.h"
#include "tests/support/world/recorded.h"

enum { KEEL_AUDIT_TEXT = 256 };

typedef struct keel_audit {
    const keel_history *history;
    keel_recorded *recorded; /* sorted by the audit: not to be polled afterwards */
    const char *books;       /* SQLite file */
    char first[KEEL_AUDIT_TEXT];
} keel_audit;

/* Sorts; before all others. `a` is filled in by the caller. */
void keel_audit_begin(keel_audit *a);

/* Acknowledged places without a receipt, or with two. */
int keel_audit_acknowledged(keel_audit *a);
/* Receipts without exactly one decision, decisions without a receipt, or about another signal. */
int keel_audit_receipts(keel_audit *a);
/* Published signal_ids that have no decision but DUPLICATE, or several; a DUPLICATE that does not
 * lead to the first. */
int keel_audit_ids(keel_audit *a);
/* decision_seq: 1, 2, 3 ... in the order of the log, intents under their number. */
int keel_audit_numbers(keel_audit *a);
/* Decisions that a client heard and the log does not hold like that. */
int keel_audit_heard(keel_audit *a);
/* The last report a watcher saw against the decisions of the log. */
int keel_audit_reports(keel_audit *a);
/* Intents that two plans took up; or none, though a plan took up later ones, and none of those is
 * of the same book and instrument. */
int keel_audit_plans(keel_audit *a);
/* Fills: in the log and in the books alike, none twice; each version filled and closed at most
 * once, at its target, and never after a later one of the same book and instrument. */
int keel_audit_fills(keel_audit *a);
/* A watcher saw fills that the books do not have, or its last portfolio state is not theirs. */
int keel_audit_watcher(keel_audit *a);

#endif
