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

/* Hold everything against everything: `recorded`, which is sorted and not to be polled afterwards,
 * what clients heard, and the books (SQLite file). Each check is told, and where it fails how often
 * and the first case. Returns how many fail. */
int keel_audit_all(const keel_history *history, keel_recorded *recorded, const char *books,
                   void (*tell)(bool ok, const char *what, const char *why));

#endif
