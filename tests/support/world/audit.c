#include "tests/support/world/audit.h"

#include "common/base/hash.h"
#include "services/cli/ledger_check.h"

#include <inttypes.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_MAX = 256 };

typedef struct audit {
    const keel_history *history;
    keel_recorded *recorded;
    const char *books;
    char first[FIRST_MAX];
} audit;

/* ---- findings ---- */

KEEL_PRINTF(3, 4)
static void found(audit *a, int *n, const char *format, ...)
{
    va_list args;
    if ((*n)++ > 0)
        return;
    va_start(args, format);
    vsnprintf(a->first, sizeof a->first, format, args);
    va_end(args);
}

static const char *strategy_name(const audit *a, int strategy)
{
    return strategy >= 0 ? a->recorded->strategies[strategy] : "?";
}

/* ---- order ---- */

#define COMPARE(a, b) (((a) > (b)) - ((a) < (b)))

static int by_place(int s1, int64_t e1, uint64_t q1, int s2, int64_t e2, uint64_t q2)
{
    return s1 != s2 ? COMPARE(s1, s2) : e1 != e2 ? COMPARE(e1, e2) : COMPARE(q1, q2);
}

static int compare_receipts(const void *x, const void *y)
{
    const keel_recorded_receipt *a = x, *b = y;
    return by_place(a->strategy, a->epoch_ns, a->seq, b->strategy, b->epoch_ns, b->seq);
}

static int compare_decisions(const void *x, const void *y)
{
    const keel_recorded_decision *a = x, *b = y;
    return by_place(a->strategy, a->epoch_ns, a->seq, b->strategy, b->epoch_ns, b->seq);
}

static int compare_numbers(const void *x, const void *y)
{
    const uint64_t a = *(const uint64_t *)x, b = *(const uint64_t *)y;
    return COMPARE(a, b);
}

/* By signal_id, the first decision first. */
static int compare_ids(const void *x, const void *y)
{
    const keel_recorded_decision *a = x, *b = y;
    return a->id != b->id ? COMPARE(a->id, b->id) : COMPARE(a->decision_seq, b->decision_seq);
}

static void *copied(const void *from, size_t n, size_t size)
{
    void *to = malloc(n * size + 1);
    if (to == NULL)
        abort();
    memcpy(to, from, n * size);
    return to;
}

static void begin(audit *a)
{
    keel_recorded *r = a->recorded;
    a->first[0] = '\0';
    qsort(r->receipts, r->receipts_n, sizeof *r->receipts, compare_receipts);
}

/* ---- signals ---- */

/* The first receipt at or after a place. */
static size_t receipt_from(const keel_recorded *r, int strategy, int64_t epoch_ns, uint64_t seq)
{
    size_t low = 0, high = r->receipts_n;
    while (low < high) {
        const size_t middle = (low + high) / 2;
        const keel_recorded_receipt *at = &r->receipts[middle];
        if (by_place(at->strategy, at->epoch_ns, at->seq, strategy, epoch_ns, seq) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Acknowledged places without a receipt, or with two. */
static int check_acknowledged(audit *a)
{
    int n = 0;
    const keel_recorded *r = a->recorded;
    for (int e = 0; e < a->history->epochs_n; e++) {
        const keel_acked *k = &a->history->acked[e];
        size_t at = receipt_from(r, k->strategy, k->epoch_ns, 1);
        for (uint64_t seq = 1; seq <= k->seq; seq++) {
            int times = 0;
            for (; at < r->receipts_n && r->receipts[at].strategy == k->strategy &&
                   r->receipts[at].epoch_ns == k->epoch_ns && r->receipts[at].seq == seq;
                 at++)
                times++;
            if (times != 1)
                found(a, &n, "%s %" PRId64 "-%" PRIu64 " of %" PRIu64 " acknowledged: %d receipts",
                      strategy_name(a, k->strategy), k->epoch_ns, seq, k->seq, times);
        }
    }
    return n;
}

/* Receipts without exactly one decision, decisions without a receipt, or about another signal. */
static int check_receipts(audit *a)
{
    int n = 0;
    const keel_recorded *r = a->recorded;
    keel_recorded_decision *d = copied(r->decisions, r->decisions_n, sizeof *d);
    size_t i = 0, k = 0;
    qsort(d, r->decisions_n, sizeof *d, compare_decisions);
    while (i < r->receipts_n || k < r->decisions_n) {
        const keel_recorded_receipt *receipt = i < r->receipts_n ? &r->receipts[i] : NULL;
        const keel_recorded_decision *decision = k < r->decisions_n ? &d[k] : NULL;
        const int order = receipt == NULL ? 1
                          : decision == NULL
                              ? -1
                              : by_place(receipt->strategy, receipt->epoch_ns, receipt->seq,
                                         decision->strategy, decision->epoch_ns, decision->seq);
        if (order < 0)
            found(a, &n, "receipt %s %" PRId64 "-%" PRIu64 " has no decision",
                  strategy_name(a, receipt->strategy), receipt->epoch_ns, receipt->seq);
        if (order > 0)
            found(a, &n, "decision %" PRIu64 " of %s %" PRId64 "-%" PRIu64 ": %s",
                  decision->decision_seq, strategy_name(a, decision->strategy), decision->epoch_ns,
                  decision->seq, "no receipt, or a second decision");
        if (order == 0 && receipt->id != 0 && receipt->id != decision->id)
            found(a, &n, "decision %" PRIu64 " is about another signal than its receipt",
                  decision->decision_seq);
        i += order <= 0;
        k += order >= 0;
    }
    free(d);
    return n;
}

/* Decisions d[from, to) are about one signal_id. */
static void check_id(audit *a, const keel_recorded_decision *d, size_t from, size_t to, int *n)
{
    int decided = 0;
    for (size_t i = from; i < to; i++) {
        if (d[i].code != KEEL_REASON_DUPLICATE)
            decided++;
        else if (d[i].duplicate_of != d[from].decision_seq)
            found(a, n, "decision %" PRIu64 " is a duplicate of %" PRIu64 ", first was %" PRIu64,
                  d[i].decision_seq, d[i].duplicate_of, d[from].decision_seq);
    }
    if (decided != 1)
        found(a, n, "%s %s has %d decisions", strategy_name(a, d[from].strategy), d[from].signal_id,
              decided);
}

/* Published signal_ids that have no decision but DUPLICATE, or several; a DUPLICATE that does not
 * lead to the first. */
static int check_ids(audit *a)
{
    int n = 0;
    const keel_recorded *r = a->recorded;
    keel_recorded_decision *d = copied(r->decisions, r->decisions_n, sizeof *d);
    qsort(d, r->decisions_n, sizeof *d, compare_ids);
    for (size_t from = 0, to; from < r->decisions_n; from = to) {
        for (to = from + 1; to < r->decisions_n && d[to].id == d[from].id;)
            to++;
        check_id(a, d, from, to, &n);
    }
    for (size_t i = 0; i < a->history->said_n; i++) {
        const keel_said *s = &a->history->said[i];
        size_t low = 0, high = r->decisions_n;
        while (low < high) {
            const size_t middle = (low + high) / 2;
            if (d[middle].id < s->id)
                low = middle + 1;
            else
                high = middle;
        }
        if (low == r->decisions_n || d[low].id != s->id)
            found(a, &n, "%s %s was published and never decided", strategy_name(a, s->strategy),
                  s->signal_id);
    }
    free(d);
    return n;
}

/* decision_seq: 1, 2, 3 ... in the order of the log, intents under their number. */
static int check_numbers(audit *a)
{
    int n = 0;
    const keel_recorded *r = a->recorded;
    for (size_t i = 0; i < r->decisions_n; i++) {
        const keel_recorded_decision *d = &r->decisions[i];
        if (d->decision_seq != i + 1)
            found(a, &n, "decision %" PRIu64 " is the %zu-th of the log", d->decision_seq, i + 1);
        if (d->accepted && d->intent.version != d->decision_seq)
            found(a, &n, "decision %" PRIu64 " has an intent of version %" PRIu64, d->decision_seq,
                  d->intent.version);
    }
    return n;
}

/* Decisions that a client heard and the log does not hold like that. */
static int check_heard(audit *a)
{
    int n = 0;
    const keel_recorded *r = a->recorded;
    for (size_t i = 0; i < a->history->heard_n; i++) {
        const keel_heard *h = &a->history->heard[i];
        const keel_recorded_decision *d = h->decision_seq >= 1 && h->decision_seq <= r->decisions_n
                                              ? &r->decisions[h->decision_seq - 1]
                                              : NULL;
        if (d == NULL || d->id != h->id || d->accepted != h->accepted || (int)d->code != h->code)
            found(a, &n, "%s heard of decision %" PRIu64 " what the log does not say",
                  strategy_name(a, h->strategy), h->decision_seq);
    }
    return n;
}

static void check_report(audit *a, int s, const uint64_t *by_code, int *n)
{
    const keel_reported *told = &a->history->reports[s];
    uint64_t receipts = 0, decided = 0;
    for (size_t i = 0; i < a->recorded->receipts_n; i++)
        receipts += a->recorded->receipts[i].strategy == s;
    for (int code = 0; code < KEEL_HISTORY_CODES; code++) {
        decided += by_code[code];
        if (by_code[code] != told->counts[code])
            found(a, n, "%s: %" PRIu64 " decisions of reason %d reported, %" PRIu64 " in the log",
                  strategy_name(a, s), told->counts[code], code, by_code[code]);
    }
    if (told->received != receipts || told->decided != decided || told->pending != 0)
        found(a, n,
              "%s: received %" PRIu64 ", decided %" PRIu64 ", pending %" PRIu64
              " reported; the log has %" PRIu64 " receipts, %" PRIu64 " decisions",
              strategy_name(a, s), told->received, told->decided, told->pending, receipts, decided);
}

/* The last report a watcher saw against the decisions of the log. */
static int check_reports(audit *a)
{
    static uint64_t by_code[KEEL_RECORDED_STRATEGIES][KEEL_HISTORY_CODES];
    int n = 0;
    memset(by_code, 0, sizeof by_code);
    for (size_t i = 0; i < a->recorded->decisions_n; i++) {
        const keel_recorded_decision *d = &a->recorded->decisions[i];
        if (d->strategy >= 0 && (unsigned)d->code < KEEL_HISTORY_CODES)
            by_code[d->strategy][d->code]++;
    }
    for (int s = 0; s < a->recorded->strategies_n; s++)
        check_report(a, s, by_code[s], &n);
    return n;
}

/* The cell (book, instrument) of an accepted decision. */
static uint64_t cell_of(const keel_recorded_decision *d)
{
    return (uint64_t)d->strategy << 32 | (uint32_t)d->intent.instrument;
}

/* Plans [from, to) are one plan, that goes up to version `upto`: each accepted decision after
 * `after` has to be in it, or a later one of its cell. `times`: how often each version was. */
static void check_plan(audit *a, size_t from, size_t to, uint64_t after, uint64_t upto,
                       const uint8_t *times, int *n)
{
    const keel_recorded *r = a->recorded;
    for (uint64_t v = after + 1; v <= upto; v++) {
        const keel_recorded_decision *d = &r->decisions[v - 1];
        bool replaced = !d->accepted || times[v] > 0;
        for (size_t i = from; i < to && !replaced; i++)
            replaced = r->plans[i].version > v &&
                       cell_of(&r->decisions[r->plans[i].version - 1]) == cell_of(d);
        if (!replaced)
            found(a, n,
                  "%s %s: version %" PRIu64 " of step %" PRIu64 " was passed over by the plan "
                  "of step %" PRIu64,
                  strategy_name(a, d->strategy), d->signal_id, v, d->step, r->plans[from].step);
    }
}

/* Intents that two plans took up; or none, though a plan took up later ones, and none of those is
 * of the same book and instrument. */
static int check_plans(audit *a)
{
    int n = 0;
    uint64_t done = 0;
    const keel_recorded *r = a->recorded;
    uint8_t *times = calloc(r->decisions_n + 2, 1);
    if (times == NULL)
        abort();
    for (size_t i = 0; i < r->plans_n; i++)
        if (r->plans[i].version > r->decisions_n || ++times[r->plans[i].version] > 1)
            found(a, &n, "version %" PRIu64 " planned twice, or never decided",
                  r->plans[i].version);
    for (size_t from = 0, to; from < r->plans_n; from = to) {
        uint64_t upto = done;
        for (to = from; to < r->plans_n && r->plans[to].step == r->plans[from].step; to++)
            upto = r->plans[to].version > upto ? r->plans[to].version : upto;
        check_plan(a, from, to, done, upto, times, &n);
        done = upto;
    }
    for (uint64_t v = done + 1; v <= r->decisions_n; v++)
        if (r->decisions[v - 1].accepted)
            found(a, &n, "version %" PRIu64 " was never planned", v);
    free(times);
    return n;
}

/* ---- books ---- */

static sqlite3 *open_books(const audit *a)
{
    sqlite3 *db;
    if (sqlite3_open_v2(a->books, &db, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK)
        abort();
    return db;
}

static sqlite3_stmt *prepare(sqlite3 *db, const char *query)
{
    sqlite3_stmt *s;
    if (sqlite3_prepare_v2(db, query, -1, &s, NULL) != SQLITE_OK) {
        fprintf(stderr, "%s: %s\n", query, sqlite3_errmsg(db));
        abort();
    }
    return s;
}

/* Hashes of the fill ids in the books, sorted; owned. */
static uint64_t *booked_fills(sqlite3 *db, size_t *n)
{
    size_t cap = 4096;
    uint64_t *ids = malloc(cap * sizeof *ids);
    sqlite3_stmt *s = prepare(db, "SELECT fill_id FROM fills");
    for (*n = 0; ids != NULL && sqlite3_step(s) == SQLITE_ROW;) {
        const char *id = (const char *)sqlite3_column_text(s, 0);
        if (*n == cap)
            ids = realloc(ids, (cap *= 2) * sizeof *ids);
        if (ids == NULL)
            abort();
        ids[(*n)++] = keel_hash(id, strlen(id));
    }
    sqlite3_finalize(s);
    qsort(ids, *n, sizeof *ids, compare_numbers);
    return ids;
}

/* The closing parts of one (book, instrument), in order of booking. */
typedef struct closing {
    char book[KEEL_NAME_MAX];
    int instrument;
    int64_t held;
    uint64_t version; /* newest that was filled or closed */
    bool filled, closed;
} closing;

/* A part of a fill that bears a version. */
static void check_version(audit *a, closing *c, uint64_t version, int *n)
{
    const keel_recorded *r = a->recorded;
    if (version > r->decisions_n || r->decisions[version - 1].intent.version != version) {
        found(a, n, "%s %d: filled under version %" PRIu64 ", which is no intent", c->book,
              c->instrument, version);
        return;
    }
    const keel_intent *intent = &r->decisions[version - 1].intent;
    if (strcmp(intent->book, c->book) != 0 || intent->instrument != c->instrument)
        found(a, n, "version %" PRIu64 " is of another book than %s %d", version, c->book,
              c->instrument);
    if (version < c->version)
        found(a, n, "%s %d: version %" PRIu64 " after %" PRIu64, c->book, c->instrument, version,
              c->version);
    if (version > c->version)
        c->filled = c->closed = false;
    c->version = version;
    const bool fills = c->held == intent->target_qty_units && !c->filled;
    if (!fills && (c->held != 0 || c->closed))
        found(a, n, "%s %d: version %" PRIu64 " twice, or short of its target", c->book,
              c->instrument, version);
    c->filled = c->filled || fills;
    c->closed = c->closed || !fills;
}

static void check_versions(audit *a, sqlite3 *db, int *n)
{
    closing c = {.instrument = -1};
    sqlite3_stmt *s =
        prepare(db, "SELECT b.book, f.instrument, b.qty_units, b.closed_version FROM fills f "
                    "JOIN fill_books b ON b.run = f.run AND b.fill_no = f.fill_no "
                    "ORDER BY b.book, f.instrument, f.fill_no, b.place");
    while (sqlite3_step(s) == SQLITE_ROW) {
        const char *book = (const char *)sqlite3_column_text(s, 0);
        const int instrument = sqlite3_column_int(s, 1);
        if (strcmp(book, c.book) != 0 || instrument != c.instrument) {
            c = (closing){.instrument = instrument};
            snprintf(c.book, sizeof c.book, "%s", book);
        }
        c.held += sqlite3_column_int64(s, 2);
        const uint64_t version = (uint64_t)sqlite3_column_int64(s, 3);
        if (version != 0)
            check_version(a, &c, version, n);
    }
    sqlite3_finalize(s);
}

/* Fills: in the log and in the books alike, none twice; each version filled and closed at most
 * once, at its target, and never after a later one of the same book and instrument. */
static int check_fills(audit *a)
{
    int n = 0;
    size_t booked_n;
    const keel_recorded *r = a->recorded;
    sqlite3 *db = open_books(a);
    uint64_t *booked = booked_fills(db, &booked_n);
    uint64_t *logged = malloc((r->fills_n + 1) * sizeof *logged);
    if (logged == NULL)
        abort();
    for (size_t i = 0; i < r->fills_n; i++)
        logged[i] = r->fills[i].id;
    qsort(logged, r->fills_n, sizeof *logged, compare_numbers);
    for (size_t i = 1; i < r->fills_n; i++)
        if (logged[i] == logged[i - 1])
            found(a, &n, "a fill is twice in the log");
    for (size_t i = 1; i < booked_n; i++)
        if (booked[i] == booked[i - 1])
            found(a, &n, "a fill is twice in the books");
    if (booked_n != r->fills_n || memcmp(booked, logged, booked_n * sizeof *booked) != 0)
        found(a, &n, "%zu fills in the books, %zu in the log, or others", booked_n, r->fills_n);
    check_versions(a, db, &n);
    free(booked);
    free(logged);
    sqlite3_close(db);
    return n;
}

/* A watcher saw fills that the books do not have, or its last portfolio state is not theirs. */
static int check_watcher(audit *a)
{
    int n = 0;
    size_t booked_n;
    const keel_history *h = a->history;
    sqlite3 *db = open_books(a);
    uint64_t *booked = booked_fills(db, &booked_n);
    for (size_t i = 0; i < h->fills_n; i++)
        if (bsearch(&h->fills[i], booked, booked_n, sizeof *booked, compare_numbers) == NULL)
            found(a, &n, "a watcher saw a fill that is not in the books");
    sqlite3_stmt *s =
        prepare(db, "SELECT step, payload FROM portfolio_states ORDER BY step DESC LIMIT 1");
    if (sqlite3_step(s) != SQLITE_ROW)
        abort();
    const uint64_t step = (uint64_t)sqlite3_column_int64(s, 0);
    const uint64_t hash = keel_hash(sqlite3_column_blob(s, 1), (size_t)sqlite3_column_bytes(s, 1));
    if (h->portfolio_step != step || h->portfolio_hash != hash)
        found(a, &n,
              "the watcher's last portfolio state is of step %" PRIu64 ", the ledger's %" PRIu64
              "%s",
              h->portfolio_step, step, h->portfolio_step == step ? ", and differs" : "");
    if (h->fills_n == 0)
        found(a, &n, "a watcher saw no fill at all");
    sqlite3_finalize(s);
    free(booked);
    sqlite3_close(db);
    return n;
}

/* ---- all of it ---- */

int keel_audit_all(const keel_history *history, keel_recorded *recorded, const char *books,
                   void (*tell)(bool ok, const char *what, const char *why))
{
    static const struct {
        int (*check)(audit *a);
        const char *what;
    } checks[] = {
        {check_acknowledged, "every acknowledged signal has its receipt"},
        {check_receipts, "every receipt has exactly one decision"},
        {check_ids, "every published signal_id is decided exactly once"},
        {check_numbers, "decisions are numbered 1, 2, 3 ..."},
        {check_heard, "what clients heard is what the log holds"},
        {check_reports, "the reported counts add up to what the log holds"},
        {check_plans, "every intent is planned, or replaced, once"},
        {check_fills, "nothing is filled twice"},
        {check_watcher, "the watcher's last portfolio state is the ledger's"},
    };
    char why[FIRST_MAX + 64];
    int wrong = 0;
    audit a = {.history = history, .recorded = recorded, .books = books};
    begin(&a);
    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++) {
        const int n = checks[i].check(&a);
        snprintf(why, sizeof why, "%d times; the first: %s", n, a.first);
        wrong += n > 0;
        tell(n == 0, checks[i].what, n > 0 ? why : "");
    }
    const bool explained = keel_ledger_check(books, stdout, false) == 0;
    tell(explained, "the books are explained by their fills", "");
    return wrong + !explained;
}
