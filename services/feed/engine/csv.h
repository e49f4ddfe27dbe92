/* csv.h - one file of prices as a table of cells with their places.
 *
 * ROOM     services/feed/engine: pure. The caller brings the text, already unzipped.
 * MODEL    Two formats, told apart by the header:
 *            wide  date,BTC,ETH,...              one line per time, closes
 *            long  date,symbol,open,high,low,close,volume   one line per time and symbol; only
 *                  date, symbol and close are required; other columns are passed over
 *          The first column is date, time, time_utc or timestamp, UTC. RFC 4180 quoting
 *          (Shafranovich 2005), except that a quoted field ends on its line; CRLF and a byte order
 *          mark are taken; blanks around a field are dropped; an empty field is a missing value.
 *          Times of a wide file, and of each symbol of a long file, must increase.
 * SHAPE    Records hold `columns` cells each; a cell is an offset into `text`, NUL-terminated.
 *          Numbers stay text here: only the instrument knows its unit.
 * MEMORY   keel_csv_new takes everything: the text once and 4 bytes per cell.
 * THREADS  one thread per object.
 */
#ifndef KEEL_SERVICES_FEED_ENGINE_CSV_H
#define KEEL_SERVICES_FEED_ENGINE_CSV_H

#include "common/base/status.h"
#include "common/domain/universe.h"
#include "services/feed/engine/complaint.h"

#include <stddef.h>
#include <stdint.h>

enum {
    KEEL_CSV_COLUMNS_MAX = KEEL_UNIVERSE_MAX + 1,
    KEEL_CSV_LINE_MAX = 64 << 10,   /* bytes of one line */
    KEEL_CSV_BYTES_MAX = 512 << 20, /* of a whole file; offsets are 32 bits */
    KEEL_CSV_RECORDS_MAX = 8 << 20,
    KEEL_CSV_NAME_MAX = 256,
};

typedef enum keel_csv_format { KEEL_CSV_WIDE, KEEL_CSV_LONG } keel_csv_format;

/* Columns of a bar, in the order of keel_csv.field_columns. */
typedef enum keel_csv_field {
    KEEL_CSV_OPEN,
    KEEL_CSV_HIGH,
    KEEL_CSV_LOW,
    KEEL_CSV_CLOSE,
    KEEL_CSV_VOLUME,
    KEEL_CSV_FIELDS,
} keel_csv_field;

typedef struct keel_csv_record {
    int64_t time_ns; /* as written: open, close or day, see keel_table */
    uint32_t start;  /* offset of its line in text */
    uint32_t line;   /* from 1 */
    int symbol;      /* LONG: index of its symbol; WIDE: -1 */
} keel_csv_record;

typedef struct keel_csv {
    char name[KEEL_CSV_NAME_MAX]; /* of the file, for complaints */
    keel_csv_format format;
    bool has_time; /* a time of day is given */
    int columns;
    int symbols_n;
    uint32_t symbols[KEEL_UNIVERSE_MAX]; /* offsets of their names in text */
    int field_columns[KEEL_CSV_FIELDS];  /* LONG: column of each field, -1 = absent */
    uint32_t records_n;
    uint32_t refused_n;       /* lines that gave no record */
    keel_csv_record *records; /* owned */
    uint32_t *cells;          /* owned; records_n * columns */
    char *text;               /* owned */
} keel_csv;

/* Parse text[len] (borrowed for the call). Bad lines are added to *complaints and left out. NULL
 * with *err (may be NULL) when the file as a whole is refused, by name: KEEL_EFORMAT no header, no
 * time column, one column, no rows, one row, a repeated symbol, not text; KEEL_ETOOBIG more
 * columns, symbols, lines or bytes than above. Cost: O(len). */
KEEL_MUST_CHECK keel_csv *keel_csv_new(const char *name, const char *text, size_t len,
                                       keel_complaints *complaints, keel_err *err);
void keel_csv_free(keel_csv **csv);

const char *keel_csv_symbol(const keel_csv *csv, int symbol);

/* Text of a cell, "" when missing; valid as long as the csv. */
const char *keel_csv_cell(const keel_csv *csv, uint32_t record, int column);

/* The cell of `field` of `symbol` in a record; NULL when the format has no such column. */
const char *keel_csv_value(const keel_csv *csv, uint32_t record, int symbol, keel_csv_field field);

/* Add a complaint about a cell that keel_csv_cell or keel_csv_value returned. */
void keel_csv_complain(const keel_csv *csv, uint32_t record, const char *cell,
                       keel_complaint_kind kind, keel_complaints *complaints);

#endif
