/* Read by a loop with a stack of open parentheses, left to right. Terms go to one list; a product
 * keeps its numbers in `factor` until its name comes, and scales the name's terms after that. A
 * closed parenthesis is a factor like any other: a number when it holds no name, else the terms
 * that it left in the list. */
#include "services/workbench/constraint_text.h"

#include "common/base/text.h"
#include "common/domain/allocation.h"
#include "common/num/stats/moments.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TERMS_MAX = 2048, DEPTH_MAX = 16, SIDES_MAX = 3, NUMBER = -1, CASH = -2, SHOWN_MAX = 160 };

/* Sides and coefficients of cash together stay below KEEL_NO_BOUND. */
static const double coefficient_max = 1e29;

static const char bare_marks[] = "_.:@";

typedef struct term {
    int symbol; /* asset, n + group, NUMBER or CASH */
    double coefficient;
} term;

typedef struct frame {
    int sum_start;     /* first term of the sum in this parenthesis */
    int product_start; /* of the product that is being read */
    double factor;     /* product of its numbers so far */
    bool has_names;
    size_t at; /* of the parenthesis */
} frame;

typedef struct reader {
    const char *text;
    size_t at;
    const keel_vocabulary *words;
    keel_err *err;
    int terms_n;
    term terms[TERMS_MAX];
    int depth;
    frame frames[DEPTH_MAX];
} reader;

typedef enum relation { NONE, LESS, GREATER, EQUAL } relation;

static keel_status refuse(const reader *r, keel_status status, size_t at, const char *fmt, ...)
    KEEL_PRINTF(4, 5);

static keel_status refuse(const reader *r, keel_status status, size_t at, const char *fmt, ...)
{
    char why[KEEL_ERR_TEXT_MAX];
    va_list args;
    va_start(args, fmt);
    vsnprintf(why, sizeof why, fmt, args);
    va_end(args);
    return keel_err_set(r->err, status, "%.*s%s:%zu: %s", SHOWN_MAX, r->text,
                        strlen(r->text) > SHOWN_MAX ? "..." : "", at + 1, why);
}

static bool is_bare(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr(bare_marks, c) != NULL) || (unsigned char)c >= 0x80;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static void skip_blanks(reader *r)
{
    r->at += strspn(r->text + r->at, " \t\r\n");
}

/* Bytes of an unsigned decimal number at `s`; 0 = none. */
static size_t number_length(const char *s)
{
    size_t n = 0, digits = 0;
    for (; is_digit(s[n]); n++)
        digits++;
    n += s[n] == '.';
    for (; is_digit(s[n]); n++)
        digits++;
    if (digits == 0)
        return 0;
    if (s[n] == 'e' || s[n] == 'E') {
        const size_t sign = s[n + 1] == '-' || s[n + 1] == '+';
        const size_t power = strspn(s + n + 1 + sign, "0123456789");
        n += power > 0 ? 1 + sign + power : 0;
    }
    return n;
}

static frame *top(reader *r)
{
    return &r->frames[r->depth - 1];
}

static void begin_product(reader *r, double sign)
{
    frame *f = top(r);
    f->product_start = r->terms_n;
    f->factor = sign;
    f->has_names = false;
}

static keel_status open_frame(reader *r)
{
    if (r->depth == DEPTH_MAX)
        return refuse(r, KEEL_ETOOBIG, r->at, "more than %d parentheses in each other", DEPTH_MAX);
    r->frames[r->depth++] = (frame){.sum_start = r->terms_n, .at = r->at};
    begin_product(r, 1);
    return KEEL_OK;
}

static keel_status add_term(reader *r, int symbol, double coefficient)
{
    if (r->terms_n == TERMS_MAX)
        return refuse(r, KEEL_ETOOBIG, r->at, "more than %d terms", TERMS_MAX);
    r->terms[r->terms_n++] = (term){symbol, coefficient};
    return KEEL_OK;
}

static void scale_terms(reader *r, int from, double by)
{
    for (int i = from; i < r->terms_n; i++)
        r->terms[i].coefficient *= by;
}

static void multiply_number(reader *r, double by)
{
    frame *f = top(r);
    if (f->has_names)
        scale_terms(r, f->product_start, by);
    else
        f->factor *= by;
}

static keel_status refuse_product(const reader *r, size_t at)
{
    return refuse(
        r, KEEL_EFORMAT, at,
        "names are multiplied with each other; a constraint is linear, so multiply a name "
        "with numbers only");
}

static keel_status end_product(reader *r)
{
    frame *f = top(r);
    return f->has_names ? KEEL_OK : add_term(r, NUMBER, f->factor);
}

static keel_status read_number(reader *r, size_t len)
{
    char digits[64];
    double value;
    if (len >= sizeof digits)
        return refuse(r, KEEL_EFORMAT, r->at, "a number of %zu characters", len);
    memcpy(digits, r->text + r->at, len);
    digits[len] = '\0';
    if (keel_text_real(digits, &value) != KEEL_OK || fabs(value) > KEEL_USABLE_MAX)
        return refuse(r, KEEL_ERANGE, r->at, "'%s' is beyond 1e100", digits);
    r->at += len;
    skip_blanks(r);
    if (r->text[r->at] == '%') {
        value /= 100;
        r->at++;
    }
    multiply_number(r, value);
    return KEEL_OK;
}

/* A name that holds marks, written without quotes, begins here: which? NULL = none. */
static const char *unquoted(const keel_labels *labels, const char *here)
{
    const char *found = NULL;
    size_t longest = 0;
    for (int i = 0; i < labels->n; i++) {
        const size_t len = strlen(labels->at[i]);
        if (len > longest && strncmp(labels->at[i], here, len) == 0 && !is_bare(here[len])) {
            longest = len;
            found = labels->at[i];
        }
    }
    return found;
}

static keel_status refuse_name(const reader *r, size_t at, const char *name)
{
    const char *odd = unquoted(r->words->assets, r->text + at);
    if (odd == NULL)
        odd = unquoted(r->words->groups, r->text + at);
    if (odd != NULL)
        return refuse(r, KEEL_EUNKNOWN, at, "no asset or group '%s'; write \"%s\" in quotes", name,
                      odd);
    const char *near = keel_labels_nearest(r->words->assets, r->words->groups, name);
    if (near != NULL)
        return refuse(r, KEEL_EUNKNOWN, at, "no asset or group '%s'; did you mean '%s'?", name,
                      near);
    return refuse(r, KEEL_EUNKNOWN, at, "no asset or group '%s'", name);
}

static keel_status add_name(reader *r, size_t at, const char *name, bool quoted)
{
    frame *f = top(r);
    int symbol = keel_labels_find(r->words->assets, name);
    if (symbol < 0) {
        const int group = keel_labels_find(r->words->groups, name);
        symbol = group >= 0 ? r->words->assets->n + group : symbol;
    }
    if (symbol < 0) {
        if (quoted || strcmp(name, "cash") != 0)
            return refuse_name(r, at, name);
        symbol = CASH;
    }
    if (f->has_names)
        return refuse_product(r, at);
    f->has_names = true;
    return add_term(r, symbol, f->factor);
}

static keel_status read_quoted(reader *r)
{
    char name[KEEL_LABEL_MAX];
    const size_t begin = r->at++;
    size_t n = 0;
    for (;; r->at++) {
        const char c = r->text[r->at];
        if (c == '"' && r->text[r->at + 1] == '"')
            r->at++;
        else if (c == '"')
            break;
        if (c == '\0')
            return refuse(r, KEEL_EFORMAT, begin, "this quote is not closed");
        if (n + 1 >= sizeof name)
            return refuse(r, KEEL_ETOOBIG, begin, "a name of more than %d bytes",
                          KEEL_LABEL_MAX - 1);
        name[n++] = c;
    }
    r->at++;
    name[n] = '\0';
    return add_name(r, begin, name, true);
}

static keel_status read_bare(reader *r)
{
    char name[KEEL_LABEL_MAX];
    const size_t begin = r->at;
    size_t n = 0;
    while (is_bare(r->text[begin + n]))
        n++;
    if (n >= sizeof name)
        return refuse(r, KEEL_ETOOBIG, begin, "a name of more than %d bytes", KEEL_LABEL_MAX - 1);
    memcpy(name, r->text + begin, n);
    name[n] = '\0';
    r->at += n;
    return add_name(r, begin, name, false);
}

/* One sign, parenthesis, number or name; *due stays true while an operand has to follow. */
static keel_status read_operand(reader *r, bool *due)
{
    const char c = r->text[r->at];
    const size_t number = number_length(r->text + r->at);
    if (c == '-' || c == '+') {
        multiply_number(r, c == '-' ? -1 : 1);
        r->at++;
        return KEEL_OK;
    }
    if (c == '(') {
        KEEL_TRY(open_frame(r));
        r->at++;
        return KEEL_OK;
    }
    *due = false;
    if (number > 0 && !is_bare(r->text[r->at + number]))
        return read_number(r, number);
    if (c == '"')
        return read_quoted(r);
    if (is_bare(c))
        return read_bare(r);
    return refuse(r, KEEL_EFORMAT, r->at, "expected a name, a number or '('%s",
                  c == '\0' ? ", and the text ends" : "");
}

static keel_status close_frame(reader *r)
{
    if (r->depth == 1)
        return refuse(r, KEEL_EFORMAT, r->at, "')' without '('");
    KEEL_TRY(end_product(r));
    const frame inner = *top(r);
    r->depth--;
    frame *outer = top(r);
    double sum = 0;
    bool names = false;
    for (int i = inner.sum_start; i < r->terms_n; i++) {
        names = names || r->terms[i].symbol != NUMBER;
        sum += r->terms[i].coefficient;
    }
    if (names && outer->has_names)
        return refuse_product(r, inner.at);
    if (names) {
        scale_terms(r, inner.sum_start, outer->factor);
        outer->has_names = true;
        return KEEL_OK;
    }
    r->terms_n = inner.sum_start;
    multiply_number(r, sum);
    return KEEL_OK;
}

/* What stands between operands; *due: an operand has to follow; *ended: this side is read. */
static keel_status read_operator(reader *r, bool *due, bool *ended)
{
    const char c = r->text[r->at];
    *due = c == '*' || c == '+' || c == '-';
    if (c == '\0' || c == '<' || c == '>' || c == '=') {
        *ended = true;
        if (r->depth > 1)
            return refuse(r, KEEL_EFORMAT, r->at, "expected ')' for the '(' in column %zu",
                          top(r)->at + 1);
        return end_product(r);
    }
    if (c == ')')
        KEEL_TRY(close_frame(r));
    else if (!*due)
        return refuse(r, KEEL_EFORMAT, r->at, "expected +, -, *, or one of <= >= =");
    if (c == '+' || c == '-') {
        KEEL_TRY(end_product(r));
        begin_product(r, c == '-' ? -1 : 1);
    }
    r->at++;
    return KEEL_OK;
}

static keel_status read_sum(reader *r)
{
    bool due = true, ended = false;
    r->depth = 0;
    KEEL_TRY(open_frame(r));
    while (!ended) {
        skip_blanks(r);
        if (due)
            KEEL_TRY(read_operand(r, &due));
        else
            KEEL_TRY(read_operator(r, &due, &ended));
    }
    return KEEL_OK;
}

static keel_status read_relation(reader *r, relation *found)
{
    const char *here = r->text + r->at;
    const bool equal = here[0] == '=';
    *found = equal ? EQUAL : here[0] == '<' ? LESS : here[0] == '>' ? GREATER : NONE;
    if (*found == NONE)
        return refuse(r, KEEL_EFORMAT, r->at, "expected one of <= >= =, and the text ends");
    if (!equal && here[1] != '=')
        return refuse(r, KEEL_EFORMAT, r->at, "expected %c=; a strict side cannot be held to",
                      here[0]);
    r->at += equal ? 1 : 2;
    return KEEL_OK;
}

typedef struct sides {
    int n;
    int start[SIDES_MAX + 1]; /* first term of each; the end of the last */
    relation relations[SIDES_MAX];
} sides;

static keel_status read_sides(reader *r, sides *s)
{
    for (s->n = 0;;) {
        s->start[s->n++] = r->terms_n;
        KEEL_TRY(read_sum(r));
        s->start[s->n] = r->terms_n;
        if (r->text[r->at] == '\0' && s->n > 1)
            return KEEL_OK;
        if (s->n == SIDES_MAX)
            return refuse(r, KEEL_EFORMAT, r->at, "expected the end: a range has two relations");
        KEEL_TRY(read_relation(r, &s->relations[s->n - 1]));
        if (s->n == 2 && (s->relations[0] != s->relations[1] || s->relations[0] == EQUAL))
            return refuse(r, KEEL_EFORMAT, r->at - 2,
                          "expected the end, or a range like 0.1 <= A + B <= 0.3");
    }
}

static keel_status side_number(const reader *r, const sides *s, int side, double *value)
{
    *value = 0;
    for (int i = s->start[side]; i < s->start[side + 1]; i++) {
        if (r->terms[i].symbol != NUMBER)
            return refuse(r, KEEL_EFORMAT, 0, "the ends of a range are numbers");
        *value += r->terms[i].coefficient;
    }
    return KEEL_OK;
}

/* One term for each name, in the order they were first written, and the sum of the numbers. */
static double gather(reader *r, int from, int to)
{
    double number = 0;
    int n = 0;
    for (int i = from; i < to; i++) {
        const term t = r->terms[i];
        int at = 0;
        while (at < n && r->terms[at].symbol != t.symbol)
            at++;
        if (t.symbol == NUMBER)
            number += t.coefficient;
        else if (at < n)
            r->terms[at].coefficient += t.coefficient;
        else
            r->terms[n++] = t;
    }
    int kept = 0;
    for (int i = 0; i < n; i++)
        if (r->terms[i].coefficient != 0) /* cancelled exactly: A - A */
            r->terms[kept++] = r->terms[i];
    r->terms_n = kept;
    return number;
}

/* Bring what was read to lo <= terms <= hi. */
static keel_status balance(reader *r, const sides *s, double *lo, double *hi)
{
    double first = 0, last = 0;
    if (s->n == SIDES_MAX) {
        KEEL_TRY(side_number(r, s, 0, &first));
        KEEL_TRY(side_number(r, s, 2, &last));
        const double number = gather(r, s->start[1], s->start[2]);
        *lo = (s->relations[0] == LESS ? first : last) - number;
        *hi = (s->relations[0] == LESS ? last : first) - number;
        if (*lo > *hi)
            return refuse(r, KEEL_ERANGE, 0, "the lower side is above the upper one");
        return KEEL_OK;
    }
    for (int i = s->start[1]; i < s->start[2]; i++)
        r->terms[i].coefficient = -r->terms[i].coefficient;
    const double side = -gather(r, 0, s->start[2]);
    *lo = s->relations[0] == LESS ? -KEEL_NO_BOUND : side;
    *hi = s->relations[0] == GREATER ? KEEL_NO_BOUND : side;
    return KEEL_OK;
}

static bool side_is_usable(double side, double none)
{
    return side == none || fabs(side) < KEEL_NO_BOUND / 2; /* cash may still move it */
}

/* Turn the signs, so that one constraint has one form however it is written. */
static void turn(reader *r, double *lo, double *hi)
{
    if (r->terms[0].coefficient > 0)
        return;
    const double old = *lo;
    scale_terms(r, 0, -1);
    *lo = -*hi;
    *hi = -old;
}

static keel_status fill_row(const reader *r, keel_constraint_row *row)
{
    const int n = r->words->assets->n;
    double cash = 0, largest = 0;
    memset(row->a, 0, (size_t)n * sizeof *row->a);
    for (int t = 0; t < r->terms_n; t++) {
        const int symbol = r->terms[t].symbol;
        const double c = r->terms[t].coefficient;
        if (symbol == CASH)
            cash = c;
        else if (symbol < n)
            row->a[symbol] += c;
        for (int i = 0; symbol >= n && i < n; i++)
            row->a[i] += r->words->is_member[(size_t)(symbol - n) * (size_t)n + (size_t)i] ? c : 0;
    }
    for (int i = 0; i < n; i++) {
        row->a[i] -= cash;
        if (!(fabs(row->a[i]) <= coefficient_max) || fabs(cash) > coefficient_max)
            return refuse(r, KEEL_ERANGE, 0, "a coefficient is beyond 1e29");
        largest = fmax(largest, fabs(row->a[i]));
    }
    if (largest == 0) /* all cancelled exactly: A + B + cash, of two assets */
        return refuse(r, KEEL_EFORMAT, 0, "it says the same of all weights");
    row->lo -= row->lo > -KEEL_NO_BOUND ? cash : 0;
    row->hi -= row->hi < KEEL_NO_BOUND ? cash : 0;
    return KEEL_OK;
}

static void add_label(char *to, size_t *len, const char *label)
{
    bool bare = number_length(label) < strlen(label) && strcmp(label, "cash") != 0;
    for (const char *c = label; *c != '\0'; c++)
        bare = bare && is_bare(*c);
    keel_text_add(to, KEEL_CONSTRAINT_NAME_MAX, len, bare ? "" : "\"");
    for (const char *c = label; *c != '\0'; c++)
        keel_text_add(to, KEEL_CONSTRAINT_NAME_MAX, len, *c == '"' ? "\"%c" : "%c", *c);
    keel_text_add(to, KEEL_CONSTRAINT_NAME_MAX, len, bare ? "" : "\"");
}

static void write_name(const reader *r, double lo, double hi, char name[KEEL_CONSTRAINT_NAME_MAX])
{
    char number[KEEL_NUMBER_TEXT_MAX];
    size_t len = 0;
    const int n = r->words->assets->n;
    const bool range = lo > -KEEL_NO_BOUND && hi < KEEL_NO_BOUND && lo < hi;
    name[0] = '\0';
    if (range)
        keel_text_add(name, KEEL_CONSTRAINT_NAME_MAX, &len, "%s <= ", keel_number_text(lo, number));
    for (int t = 0; t < r->terms_n; t++) {
        const int symbol = r->terms[t].symbol;
        const double c = r->terms[t].coefficient;
        keel_text_add(name, KEEL_CONSTRAINT_NAME_MAX, &len, "%s",
                      t == 0  ? ""
                      : c < 0 ? " - "
                              : " + ");
        if (fabs(c) != 1) /* written without a factor, or with 1 */
            keel_text_add(name, KEEL_CONSTRAINT_NAME_MAX, &len, "%s*",
                          keel_number_text(fabs(c), number));
        if (symbol == CASH)
            keel_text_add(name, KEEL_CONSTRAINT_NAME_MAX, &len, "cash");
        else
            add_label(name, &len,
                      symbol < n ? r->words->assets->at[symbol] : r->words->groups->at[symbol - n]);
    }
    const char *sign = range || lo <= -KEEL_NO_BOUND ? "<=" : hi >= KEEL_NO_BOUND ? ">=" : "=";
    const double side = hi < KEEL_NO_BOUND ? hi : lo;
    if (!keel_text_add(name, KEEL_CONSTRAINT_NAME_MAX, &len, " %s %s", sign,
                       keel_number_text(side, number)))
        name[0] = '\0';
}

keel_status keel_constraint_read(const char *text, const keel_vocabulary *vocabulary,
                                 keel_constraint_row *row, keel_err *err)
{
    reader r = {.text = text, .words = vocabulary, .err = err};
    sides s;
    if (strlen(text) > KEEL_CONSTRAINT_BYTES_MAX)
        return refuse(&r, KEEL_ETOOBIG, 0, "more than %d bytes", KEEL_CONSTRAINT_BYTES_MAX);
    KEEL_TRY(read_sides(&r, &s));
    KEEL_TRY(balance(&r, &s, &row->lo, &row->hi));
    if (r.terms_n == 0)
        return refuse(&r, KEEL_EFORMAT, 0, "no asset or group is left in it");
    if (!side_is_usable(row->lo, -KEEL_NO_BOUND) || !side_is_usable(row->hi, KEEL_NO_BOUND))
        return refuse(&r, KEEL_ERANGE, 0, "a side is beyond 1e30, which bounds nothing");
    turn(&r, &row->lo, &row->hi);
    write_name(&r, row->lo, row->hi, row->name);
    return fill_row(&r, row);
}

const char *keel_number_text(double value, char out[KEEL_NUMBER_TEXT_MAX])
{
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(out, KEEL_NUMBER_TEXT_MAX, "%.*g", digits, value);
        if (strtod(out, NULL) == value)
            break;
    }
    return out[0] == '-' && value == 0 ? out + 1 : out; /* no "-0" */
}
