/* tables.h - plain text tables: columns as wide as they need to be, numbers to the right.
 *
 * ROOM     services/cli.
 * MEMORY   cells are copied; keel_table_free ends a table.
 * THREADS  one thread per object.
 */
#ifndef KEEL_SERVICES_CLI_TABLES_H
#define KEEL_SERVICES_CLI_TABLES_H

#include "common/base/status.h"
#include "services/cli/terminal.h"

enum { KEEL_TABLE_COLUMNS_MAX = 64, KEEL_TABLE_CELL_MAX = 256 };

typedef struct keel_table keel_table;

/* `headers`: names parted by '|'; a leading '>' aligns the column to the right: "asset|>P&L". */
keel_table *keel_table_new(const char *headers);
void keel_table_free(keel_table **table);

/* Add the next cell, row by row; a cell past the last column begins a new row. Text is cut at
 * KEEL_TABLE_CELL_MAX - 1 bytes; control bytes become '?', so that no message moves the cursor. */
void keel_table_cell(keel_table *table, keel_ink ink, const char *fmt, ...) KEEL_PRINTF(3, 4);

int keel_table_rows(const keel_table *table);

/* Print with two blanks of indent and two between columns; a missing last cell is blank; a
 * table without a named column has no line of names. */
void keel_table_print(const keel_table *table, const keel_cli *cli);

/* A heading over a table. */
void keel_table_title(const keel_cli *cli, const char *fmt, ...) KEEL_PRINTF(2, 3);

#endif
