#include "services/feed/engine/csv.h"

#include "common/base/assert.h"
#include "common/base/mem.h"
#include "common/base/text.h"
#include "common/base/timefmt.h"

#include <string.h>
#include <strings.h>

static const char *const time_names[] = {"date", "time", "time_utc", "timestamp"};
static const char *const field_names[KEEL_CSV_FIELDS] = {"open", "high", "low", "close", "volume"};

/* 1900-01-01 and 2150-01-01: differences of any two times between them fit 64 bits. */
static const int64_t time_min_ns = -25567 * KEEL_NS_PER_DAY;
static const int64_t time_max_ns = 65744 * KEEL_NS_PER_DAY;

typedef struct parser {
    keel_csv *csv;
    keel_complaints *complaints;
    keel_err *err;
    uint32_t line;         /* of `start`, from 1 */
    size_t start;          /* offset of the line at hand */
    size_t len;            /* of the text */
    int complaints_before; /* kept complaints of the files before this one */
    int symbol_guess;
    int64_t last_ns[KEEL_UNIVERSE_MAX]; /* WIDE uses the first only */
    bool seen[KEEL_UNIVERSE_MAX];
    bool two_times; /* at least two different times were read */
} parser;

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* One quoted field from text[at] (past the opening quote): unescapes in place. Returns the offset
 * past the closing quote, or 0 when it does not end on its line. */
static size_t unquote(char *text, size_t at, size_t end, size_t *field_end)
{
    size_t to = at;
    for (; at < end; at++) {
        if (text[at] == '"' && (at + 1 == end || text[at + 1] != '"'))
            break;
        at += text[at] == '"';
        text[to++] = text[at];
    }
    *field_end = to;
    return at < end ? at + 1 : 0;
}

/* Cut text[start..end) into fields, ending each with NUL. At most `max` offsets are kept; all are
 * counted. -1 for bad quoting, *bad then being its offset. */
static int split(char *text, size_t start, size_t end, uint32_t *fields, int max, size_t *bad)
{
    int n = 0;
    for (size_t at = start;;) {
        while (at < end && is_blank(text[at]))
            at++;
        size_t from = at, to;
        if (at < end && text[at] == '"') {
            *bad = at;
            from = at + 1;
            at = unquote(text, from, end, &to);
            while (at != 0 && at < end && is_blank(text[at]))
                at++;
            if (at == 0 || (at < end && text[at] != ','))
                return -1;
        } else {
            const char *comma = memchr(text + at, ',', end - at);
            at = comma != NULL ? (size_t)(comma - text) : end;
            to = at;
            while (to > from && is_blank(text[to - 1]))
                to--;
        }
        text[to] = '\0';
        if (n < max)
            fields[n] = (uint32_t)from;
        n++;
        if (at >= end)
            return n;
        at++;
    }
}

/* The end of the line at p->start, without CR LF; *next = the start of the following one. */
static size_t line_end(const parser *p, size_t *next)
{
    const char *text = p->csv->text;
    const char *lf = memchr(text + p->start, '\n', p->len - p->start);
    size_t end = lf != NULL ? (size_t)(lf - text) : p->len;
    *next = lf != NULL ? end + 1 : p->len;
    if (end > p->start && text[end - 1] == '\r')
        end--;
    return end;
}

static bool only_blanks(const char *text, size_t start, size_t end)
{
    while (start < end && is_blank(text[start]))
        start++;
    return start == end;
}

static int find_word(const char *word, const char *const *words, int n)
{
    for (int i = 0; i < n; i++)
        if (strcasecmp(word, words[i]) == 0)
            return i;
    return -1;
}

static keel_status long_header(parser *p, const uint32_t *header)
{
    keel_csv *csv = p->csv;
    int known = 0;
    csv->format = KEEL_CSV_LONG;
    for (int c = 2; c < csv->columns; c++) {
        const int field = find_word(csv->text + header[c], field_names, KEEL_CSV_FIELDS);
        if (field < 0)
            continue;
        if (csv->field_columns[field] >= 0)
            return keel_err_set(p->err, KEEL_EFORMAT, "%s:%u: two columns named %s", csv->name,
                                p->line, field_names[field]);
        csv->field_columns[field] = c;
        known += field < KEEL_CSV_CLOSE;
    }
    if (csv->field_columns[KEEL_CSV_CLOSE] < 0)
        return keel_err_set(p->err, KEEL_EFORMAT, "%s:%u: no column named close", csv->name,
                            p->line);
    if (known != 0 && known != KEEL_CSV_CLOSE)
        return keel_err_set(p->err, KEEL_EFORMAT,
                            "%s:%u: open, high and low belong together; some are absent", csv->name,
                            p->line);
    return KEEL_OK;
}

static keel_status wide_header(parser *p, const uint32_t *header)
{
    keel_csv *csv = p->csv;
    int bar_words = 0;
    csv->format = KEEL_CSV_WIDE;
    for (int c = 1; c < csv->columns; c++) {
        const char *name = csv->text + header[c];
        for (int b = 1; b < c; b++)
            if (strcmp(name, csv->text + header[b]) == 0)
                return keel_err_set(p->err, KEEL_EFORMAT, "%s:%u: columns %d and %d are both '%s'",
                                    csv->name, p->line, b + 1, c + 1, name);
        bar_words += find_word(name, field_names, KEEL_CSV_VOLUME) >= 0;
        csv->symbols[c - 1] = header[c];
    }
    csv->symbols_n = csv->columns - 1;
    if (bar_words >= 2)
        return keel_err_set(p->err, KEEL_EFORMAT,
                            "%s:%u: has open/high/low/close but its second column is not symbol; "
                            "the long format is date,symbol,open,high,low,close,volume",
                            csv->name, p->line);
    return KEEL_OK;
}

/* What the first column should have been called, with a guess at why it is not. */
static keel_status refuse_header(const parser *p, const char *first)
{
    const char *why = "";
    int64_t ns;
    if (keel_time_parse(first, &ns, NULL) == KEEL_OK)
        why = "; the file has no header line";
    else if (strpbrk(first, ";\t|") != NULL)
        why = "; fields are separated by ',' only";
    return keel_err_set(p->err, KEEL_EFORMAT,
                        "%s:%u:1: the first column is '%.40s'; it must be date, time, time_utc or "
                        "timestamp%s",
                        p->csv->name, p->line, first, why);
}

static keel_status read_header(parser *p, size_t end)
{
    keel_csv *csv = p->csv;
    uint32_t header[KEEL_CSV_COLUMNS_MAX];
    size_t bad;
    const int n = split(csv->text, p->start, end, header, KEEL_CSV_COLUMNS_MAX, &bad);
    if (n < 0)
        return keel_err_set(p->err, KEEL_EFORMAT, "%s:%u:%zu: %s", csv->name, p->line,
                            bad - p->start + 1, keel_complaint_reason(KEEL_COMPLAINT_QUOTE));
    if (n > KEEL_CSV_COLUMNS_MAX)
        return keel_err_set(p->err, KEEL_ETOOBIG,
                            "%s:%u: %d columns; at most %d (the time and %d instruments)",
                            csv->name, p->line, n, KEEL_CSV_COLUMNS_MAX, KEEL_UNIVERSE_MAX);
    if (end - p->start > KEEL_CSV_LINE_MAX)
        return keel_err_set(p->err, KEEL_ETOOBIG, "%s:%u: %zu bytes in the header; at most %d",
                            csv->name, p->line, end - p->start, KEEL_CSV_LINE_MAX);
    const char *first = csv->text + header[0];
    if (find_word(first, time_names, (int)(sizeof time_names / sizeof time_names[0])) < 0)
        return refuse_header(p, first);
    if (n < 2)
        return keel_err_set(p->err, KEEL_EFORMAT,
                            "%s:%u: one column only; prices stand in the columns after the time",
                            csv->name, p->line);
    csv->columns = n;
    return strcasecmp(csv->text + header[1], "symbol") == 0 ? long_header(p, header)
                                                            : wide_header(p, header);
}

/* Index of the symbol at `name`, taken into the list when new; -1 when it can be none, -2 when the
 * list is full. Files mostly repeat one order of symbols, so the one after the last comes first. */
static int symbol_of(parser *p, uint32_t name)
{
    keel_csv *csv = p->csv;
    const char *text = csv->text + name;
    if (text[0] == '\0' || strlen(text) >= KEEL_SYMBOL_MAX)
        return -1;
    for (int k = 0; k < csv->symbols_n; k++) {
        const int i = (p->symbol_guess + k) % csv->symbols_n;
        if (strcmp(text, csv->text + csv->symbols[i]) == 0) {
            p->symbol_guess = i + 1;
            return i;
        }
    }
    if (csv->symbols_n == KEEL_UNIVERSE_MAX)
        return -2;
    csv->symbols[csv->symbols_n] = name;
    p->symbol_guess = csv->symbols_n + 1;
    return csv->symbols_n++;
}

static void complain_at(parser *p, keel_complaint_kind kind, size_t at, const char *value)
{
    p->csv->refused_n++;
    keel_complain(p->complaints, kind, p->csv->name, p->line, (uint32_t)(at - p->start + 1), value);
}

/* Take the split line as a record when its time fits. */
static keel_status take_record(parser *p, const uint32_t *cells)
{
    keel_csv *csv = p->csv;
    keel_csv_record r = {0, (uint32_t)p->start, p->line, -1};
    const char *text = csv->text + cells[0];
    bool has_time;
    if (keel_time_parse(text, &r.time_ns, &has_time) != KEEL_OK || r.time_ns < time_min_ns ||
        r.time_ns >= time_max_ns) {
        complain_at(p, KEEL_COMPLAINT_TIME, cells[0], text);
        return KEEL_OK;
    }
    if (csv->format == KEEL_CSV_LONG) {
        r.symbol = symbol_of(p, cells[1]);
        if (r.symbol == -2)
            return keel_err_set(p->err, KEEL_ETOOBIG, "%s:%u: more than %d symbols", csv->name,
                                p->line, KEEL_UNIVERSE_MAX);
        if (r.symbol < 0) {
            complain_at(p, KEEL_COMPLAINT_SYMBOL, cells[1], csv->text + cells[1]);
            return KEEL_OK;
        }
    }
    const int of = r.symbol < 0 ? 0 : r.symbol;
    if (p->seen[of] && r.time_ns <= p->last_ns[of]) {
        complain_at(p, r.time_ns < p->last_ns[of] ? KEEL_COMPLAINT_ORDER : KEEL_COMPLAINT_DUPLICATE,
                    cells[0], text);
        return KEEL_OK;
    }
    p->two_times |= csv->records_n > 0 && r.time_ns != csv->records[0].time_ns;
    p->seen[of] = true;
    p->last_ns[of] = r.time_ns;
    csv->has_time |= has_time;
    csv->records[csv->records_n++] = r;
    return KEEL_OK;
}

static keel_status read_record(parser *p, size_t end)
{
    keel_csv *csv = p->csv;
    char value[KEEL_COMPLAINT_VALUE_MAX];
    size_t len = 0, bad;
    if (end - p->start > KEEL_CSV_LINE_MAX) {
        keel_text_add(value, sizeof value, &len, "%zu bytes", end - p->start);
        complain_at(p, KEEL_COMPLAINT_LENGTH, p->start, value);
        return KEEL_OK;
    }
    /* A refused line's cells are overwritten by the next line's: they always fit. */
    uint32_t *cells = csv->cells + (size_t)csv->records_n * (size_t)csv->columns;
    uint32_t line[KEEL_CSV_COLUMNS_MAX];
    const int n = split(csv->text, p->start, end, line, csv->columns, &bad);
    if (n < 0) {
        csv->text[end] = '\0';
        complain_at(p, KEEL_COMPLAINT_QUOTE, bad, csv->text + bad);
        return KEEL_OK;
    }
    if (n != csv->columns) {
        keel_text_add(value, sizeof value, &len, "%d for %d", n, csv->columns);
        complain_at(p, KEEL_COMPLAINT_FIELDS, p->start, value);
        return KEEL_OK;
    }
    memcpy(cells, line, (size_t)n * sizeof *cells);
    return take_record(p, cells);
}

static keel_status refuse_empty(const parser *p)
{
    const keel_csv *csv = p->csv;
    char first[KEEL_COMPLAINT_TEXT_MAX] = "";
    if (p->complaints->refused_n > p->complaints_before)
        keel_complaint_format(&p->complaints->refused_first[p->complaints_before], first);
    return keel_err_set(p->err, KEEL_EFORMAT, "%s: no usable rows (%u lines refused)%s%s",
                        csv->name, csv->refused_n, first[0] != '\0' ? "; the first: " : "", first);
}

static keel_status read_lines(parser *p)
{
    keel_csv *csv = p->csv;
    size_t next;
    for (; p->start < p->len; p->start = next, p->line++) {
        const size_t end = line_end(p, &next);
        if (only_blanks(csv->text, p->start, end))
            continue;
        KEEL_TRY(csv->columns == 0 ? read_header(p, end) : read_record(p, end));
    }
    if (csv->columns == 0)
        return keel_err_set(p->err, KEEL_EFORMAT, "%s: empty", csv->name);
    if (csv->records_n == 0)
        return refuse_empty(p);
    if (!p->two_times)
        return keel_err_set(p->err, KEEL_EFORMAT,
                            "%s: one row only (%u lines refused); the length of a bar takes two",
                            csv->name, csv->refused_n);
    return KEEL_OK;
}

/* Room for all lines and all fields there can be, counted before anything is cut. */
static keel_status make_room(parser *p)
{
    size_t lines = 1, fields = 1;
    for (size_t i = 0; i < p->len; i++) {
        lines += p->csv->text[i] == '\n';
        fields += p->csv->text[i] == ',';
    }
    if (lines > KEEL_CSV_RECORDS_MAX)
        return keel_err_set(p->err, KEEL_ETOOBIG, "%s: %zu lines; at most %d", p->csv->name, lines,
                            KEEL_CSV_RECORDS_MAX);
    p->csv->records = keel_xcalloc(lines, sizeof *p->csv->records);
    p->csv->cells = keel_xcalloc(lines + fields + KEEL_CSV_COLUMNS_MAX, sizeof *p->csv->cells);
    return KEEL_OK;
}

static keel_status parse(parser *p, const char *text)
{
    static const char byte_order_mark[] = "\xef\xbb\xbf";
    if (p->len > KEEL_CSV_BYTES_MAX)
        return keel_err_set(p->err, KEEL_ETOOBIG, "%s: %zu bytes; at most %d", p->csv->name, p->len,
                            KEEL_CSV_BYTES_MAX);
    const char *nul = memchr(text, '\0', p->len);
    if (nul != NULL)
        return keel_err_set(p->err, KEEL_EFORMAT, "%s: not text: a zero byte at offset %zu",
                            p->csv->name, (size_t)(nul - text));
    p->csv->text = keel_xcalloc(p->len + 1, 1);
    memcpy(p->csv->text, text, p->len);
    if (p->len >= 3 && memcmp(text, byte_order_mark, 3) == 0)
        p->start = 3;
    KEEL_TRY(make_room(p));
    return read_lines(p);
}

keel_csv *keel_csv_new(const char *name, const char *text, size_t len, keel_complaints *complaints,
                       keel_err *err)
{
    parser *p = keel_xcalloc(1, sizeof *p);
    keel_csv *csv = keel_xcalloc(1, sizeof *csv);
    const size_t name_len = strlen(name);
    const size_t skip = name_len < sizeof csv->name ? 0 : name_len - sizeof csv->name + 1;
    memcpy(csv->name, name + skip, name_len - skip + 1);
    for (int f = 0; f < KEEL_CSV_FIELDS; f++)
        csv->field_columns[f] = -1;
    *p = (parser){.csv = csv, .complaints = complaints, .err = err, .line = 1, .len = len};
    p->complaints_before = complaints->refused_n;
    if (parse(p, text) != KEEL_OK)
        keel_csv_free(&csv);
    keel_free(&p);
    return csv;
}

void keel_csv_free(keel_csv **csv)
{
    if (*csv == NULL)
        return;
    keel_free(&(*csv)->records);
    keel_free(&(*csv)->cells);
    keel_free(&(*csv)->text);
    keel_free(csv);
}

const char *keel_csv_symbol(const keel_csv *csv, int symbol)
{
    KEEL_ASSERT(symbol >= 0 && symbol < csv->symbols_n);
    return csv->text + csv->symbols[symbol];
}

const char *keel_csv_cell(const keel_csv *csv, uint32_t record, int column)
{
    KEEL_ASSERT(record < csv->records_n && column >= 0 && column < csv->columns);
    return csv->text + csv->cells[(size_t)record * (size_t)csv->columns + (size_t)column];
}

const char *keel_csv_value(const keel_csv *csv, uint32_t record, int symbol, keel_csv_field field)
{
    if (csv->format == KEEL_CSV_WIDE)
        return field == KEEL_CSV_CLOSE ? keel_csv_cell(csv, record, symbol + 1) : NULL;
    const int column = csv->field_columns[field];
    return column >= 0 ? keel_csv_cell(csv, record, column) : NULL;
}

void keel_csv_complain(const keel_csv *csv, uint32_t record, const char *cell,
                       keel_complaint_kind kind, keel_complaints *complaints)
{
    const keel_csv_record *r = &csv->records[record];
    const size_t at = (size_t)(cell - csv->text);
    keel_complain(complaints, kind, csv->name, r->line, (uint32_t)(at - r->start + 1), cell);
}
