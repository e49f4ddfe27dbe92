/* complaint.h - what was wrong with a line of a file, where, and how often.
 *
 * ROOM     services/feed/engine: pure.
 * SHAPE    Every refusal and every bar held back is counted; the first KEEL_COMPLAINTS_MAX of each
 *          are kept with file, line, column (bytes, from 1) and the value as it stood there.
 * MEMORY   plain data in the caller's storage, zeroed before the first use.
 */
#ifndef KEEL_SERVICES_FEED_ENGINE_COMPLAINT_H
#define KEEL_SERVICES_FEED_ENGINE_COMPLAINT_H

#include <stddef.h>
#include <stdint.h>

enum {
    KEEL_COMPLAINTS_MAX = 20,
    KEEL_COMPLAINT_FILE_MAX = 96, /* longer paths keep their end */
    KEEL_COMPLAINT_VALUE_MAX = 48,
    KEEL_COMPLAINT_TEXT_MAX = 320,
};

/* name, word in reports, sentence. JUMP is held back (quarantined), all others are refused. */
#define KEEL_COMPLAINT_LIST(X)                                                                     \
    X(FIELDS, "fields", "not as many fields as the header")                                        \
    X(QUOTE, "quote", "a quoted field does not end where it must")                                 \
    X(LENGTH, "length", "the line is too long")                                                    \
    X(TIME, "time", "not a UTC time of 1900..2149 (2026-01-02, 2026-01-02T03:04Z)")                \
    X(SYMBOL, "symbol", "not a symbol")                                                            \
    X(NUMBER, "number", "not a number")                                                            \
    X(NONFINITE, "nonfinite", "not a finite number")                                               \
    X(NONPOSITIVE, "nonpositive", "a price must be above 0")                                       \
    X(RANGE, "range", "does not fit the price unit of the instrument")                             \
    X(SHAPE, "shape", "open, high, low and close contradict each other")                           \
    X(VOLUME, "volume", "a volume must be a number of at least 0")                                 \
    X(DUPLICATE, "duplicate", "this time was there already")                                       \
    X(ORDER, "order", "earlier than a line before it")                                             \
    X(JUMP, "jump", "x10 away from the last accepted price")

#define KEEL_COMPLAINT_ENUM(name, word, text) KEEL_COMPLAINT_##name,
typedef enum keel_complaint_kind {
    KEEL_COMPLAINT_LIST(KEEL_COMPLAINT_ENUM) KEEL_COMPLAINT_KINDS
} keel_complaint_kind;

typedef struct keel_complaint {
    keel_complaint_kind kind;
    char file[KEEL_COMPLAINT_FILE_MAX];
    uint32_t line;   /* from 1 */
    uint32_t column; /* first byte of the value in its line, from 1 */
    char value[KEEL_COMPLAINT_VALUE_MAX];
} keel_complaint;

typedef struct keel_complaints {
    uint64_t counts[KEEL_COMPLAINT_KINDS];
    uint64_t refused; /* sum of counts but JUMP */
    uint64_t held;    /* JUMP */
    uint64_t rounded; /* prices with more digits than the unit holds: rounded, not refused */
    int refused_n;
    int held_n;
    keel_complaint refused_first[KEEL_COMPLAINTS_MAX];
    keel_complaint held_first[KEEL_COMPLAINTS_MAX];
} keel_complaints;

/* Count one, and keep it while there is room. Long values are cut. */
void keel_complain(keel_complaints *complaints, keel_complaint_kind kind, const char *file,
                   uint32_t line, uint32_t column, const char *value);

/* "number" and "not a number"; "" outside the list. */
const char *keel_complaint_word(keel_complaint_kind kind);
const char *keel_complaint_reason(keel_complaint_kind kind);

/* "prices.csv:12:7: 'abc': not a number". */
void keel_complaint_format(const keel_complaint *complaint, char out[KEEL_COMPLAINT_TEXT_MAX]);

#endif
