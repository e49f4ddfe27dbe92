/* ledger_check.h - `keel ledger check`: the books of a run recomputed by other code.
 *
 * ROOM     services/cli. Shares nothing with the ledger's engine or store: own 128-bit arithmetic,
 *          own lots, own reading of the file (docs/ledger-schema.md). tests/tidy proves it with nm.
 * MODEL    From the initial capital, the fills and the transfers alone: cash, fees, realised P&L of
 *          every book, lots first in first out, equity at the stored marks of every step kept. It
 *          is compared with what the file says, and every fill with its seal. A difference is
 *          reported where it appears first, by the name of the fill, transfer, book, lot or step.
 * THREADS  any; the file may be in use.
 */
#ifndef KEEL_SERVICES_CLI_LEDGER_CHECK_H
#define KEEL_SERVICES_CLI_LEDGER_CHECK_H

#include <stdbool.h>
#include <stdio.h>

/* Check every run in the file; one line per difference on `out` and a summary per run, or one JSON
 * object. Returns 0: all agree, 1: differences, 4: the file cannot be opened or is no ledger. */
int keel_ledger_check(const char *db_path, FILE *out, bool json);

#endif
