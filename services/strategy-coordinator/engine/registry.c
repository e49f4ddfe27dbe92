#include "common/base/assert.h"
#include "services/strategy-coordinator/engine/coordinator_internal.h"

#include <stdlib.h>
#include <string.h>

#define REASON_CASE(name, number)                                                                  \
    case KEEL_REASON_##name:                                                                       \
        return COORDINATOR_REASON_##name;

coordinator_reason_slot coordinator_reason_slot_of(keel_reason_code code)
{
    switch (code) {
        KEEL_REASON_LIST(REASON_CASE)
    }
    return COORDINATOR_REASON_UNSPECIFIED;
}

#define REASON_NUMBER(name, number) KEEL_REASON_##name,
static const keel_reason_code codes[COORDINATOR_REASONS] = {KEEL_REASON_LIST(REASON_NUMBER)};

keel_names coordinator_strategy_names(const keel_coordinator *eng)
{
    return (keel_names){eng->strategies->name, sizeof *eng->strategies, eng->strategies_n};
}

keel_names coordinator_instrument_names(const keel_coordinator *eng)
{
    const keel_instrument *instruments = eng->universe->instruments;
    return (keel_names){instruments->symbol, sizeof *instruments, eng->universe->n};
}

int coordinator_strategy_find(const keel_coordinator *eng, const char *name)
{
    return keel_names_find(coordinator_strategy_names(eng), eng->strategies_by_name, name);
}

int coordinator_instrument_find(const keel_coordinator *eng, const char *name)
{
    return keel_names_find(coordinator_instrument_names(eng), eng->instruments_by_name, name);
}

coordinator_symbol *coordinator_symbol_of(const keel_coordinator *eng, int strategy, int instrument)
{
    const size_t n = (size_t)eng->universe->n;
    const size_t column = instrument < 0 ? n : (size_t)instrument;
    return eng->state->symbols + (size_t)strategy * (n + 1) + column;
}

void coordinator_count(keel_coordinator *eng, int strategy, int instrument,
                       const keel_decision *decision)
{
    coordinator_counts *counts = &eng->state->counts[strategy];
    coordinator_symbol *symbol = coordinator_symbol_of(eng, strategy, instrument);
    counts->epoch_ns = decision->epoch_ns;
    counts->seq = decision->seq;
    counts->decided++;
    counts->by_reason[coordinator_reason_slot_of(decision->reason.code)]++;
    symbol->decided++;
    symbol->accepted += decision->accepted;
    eng->state->changed = true;
}

void coordinator_count_executed(keel_coordinator *eng, int strategy, int instrument)
{
    eng->state->counts[strategy].executed++;
    coordinator_symbol_of(eng, strategy, instrument)->executed++;
    eng->state->changed = true;
}

/* ---- the report ---- */

static size_t lines_of(int strategies_n, int instruments_n)
{
    const size_t all = (size_t)strategies_n * ((size_t)instruments_n + 1);
    return all < KEEL_COORDINATOR_LINES_MAX ? all : KEEL_COORDINATOR_LINES_MAX;
}

size_t coordinator_report_bytes(int strategies_n, int instruments_n)
{
    enum { ROUNDED = 16 }; /* every piece of an arena */
    const size_t strategies = (size_t)strategies_n;
    return strategies * (sizeof(keel_strategy_status) +
                         COORDINATOR_REASONS * sizeof(keel_disposition_count) + 2 * ROUNDED) +
           lines_of(strategies_n, instruments_n) * sizeof(keel_symbol_count) +
           ((size_t)instruments_n + 1) * sizeof(uint16_t) + 4 * ROUNDED;
}

static void report_dispositions(keel_arena *out, const coordinator_counts *counts,
                                keel_strategy_status *status)
{
    int n = 0;
    for (int i = 0; i < COORDINATOR_REASONS; i++)
        n += counts->by_reason[i] > 0;
    keel_disposition_count *list = keel_arena_take(out, (size_t)n, sizeof *list);
    KEEL_ASSERT(list != NULL);
    for (int i = 0, at = 0; i < COORDINATOR_REASONS; i++)
        if (counts->by_reason[i] > 0)
            list[at++] = (keel_disposition_count){codes[i], counts->by_reason[i]};
    status->dispositions_n = n;
    status->dispositions = list;
}

/* Where a line may be written, and how many of a strategy's symbols get one. */
typedef struct lines {
    keel_symbol_count *at;
    int per_strategy; /* the line of "" included */
    uint16_t *listed; /* instruments, of one strategy, in the order of their symbols */
} lines;

/* The `keep` that were decided most often, still in the order of symbols; of equals the first.
 * Cost: n * (n - keep), only where not all fit. */
static int drop_least(const coordinator_symbol *symbols, uint16_t *listed, int n, int keep)
{
    while (n > keep) {
        int least = 0;
        for (int i = 1; i < n; i++)
            if (symbols[listed[i]].decided <= symbols[listed[least]].decided)
                least = i;
        memmove(listed + least, listed + least + 1, (size_t)(n - least - 1) * sizeof *listed);
        n--;
    }
    return n;
}

static void add_to(keel_symbol_count *line, const coordinator_symbol *symbol)
{
    line->decided += symbol->decided;
    line->accepted += symbol->accepted;
    line->executed += symbol->executed;
}

static void subtract(keel_symbol_count *line, const keel_symbol_count *listed)
{
    line->decided -= listed->decided;
    line->accepted -= listed->accepted;
    line->executed -= listed->executed;
}

/* "" comes first: what was told no symbol of the universe, and what found no line. */
static void report_symbols(const keel_coordinator *eng, int strategy, lines *to,
                           keel_strategy_status *status)
{
    const int instruments = eng->universe->n;
    const coordinator_symbol *symbols = coordinator_symbol_of(eng, strategy, 0);
    keel_symbol_count rest = {.symbol = ""};
    int n = 0;
    for (int i = 0; i <= instruments; i++)
        add_to(&rest, symbols + i);
    for (int i = 0; i < instruments; i++)
        if (symbols[eng->instruments_by_name[i]].decided > 0)
            to->listed[n++] = eng->instruments_by_name[i];
    n = drop_least(symbols, to->listed, n, to->per_strategy - 1);
    keel_symbol_count *first = to->at, *named = to->at + 1;
    for (int i = 0; i < n; i++) {
        keel_symbol_count line = {.symbol = ""};
        memcpy(line.symbol, eng->universe->instruments[to->listed[i]].symbol, sizeof line.symbol);
        add_to(&line, symbols + to->listed[i]);
        subtract(&rest, &line);
        named[i] = line;
    }
    *first = rest;
    status->symbols = rest.decided > 0 ? first : named;
    status->symbols_n = n + (rest.decided > 0);
    to->at += n + 1;
}

static void report_strategy(const keel_coordinator *eng, int i, keel_strategy_status *status)
{
    const keel_coordinator_strategy *strategy = &eng->strategies[i];
    const coordinator_counts *counts = &eng->state->counts[i];
    memcpy(status->strategy, strategy->name, sizeof status->strategy);
    status->active = strategy->active;
    status->lockstep = strategy->lockstep;
    status->share_frac = strategy->share_frac;
    status->pending = eng->queued[i].n;
    status->decided = counts->decided;
    status->received = counts->decided + status->pending;
    status->executed = counts->executed;
    status->epoch_ns = counts->epoch_ns;
    status->seq = counts->seq;
    status->active_signals = eng->state->standing.n_of[i];
}

bool keel_coordinator_report(keel_coordinator *eng, keel_strategy_report *report)
{
    if (!eng->state->changed)
        return false;
    eng->state->changed = false;
    const int n = eng->strategies_n;
    const size_t all = lines_of(n, eng->universe->n);
    keel_arena_reset(&eng->out);
    keel_strategy_status *list = keel_arena_take(&eng->out, (size_t)n, sizeof *list);
    lines to = {keel_arena_take(&eng->out, all, sizeof(keel_symbol_count)),
                n > 0 ? (int)all / n : 0,
                keel_arena_take(&eng->out, (size_t)eng->universe->n + 1, sizeof(uint16_t))};
    KEEL_ASSERT(list != NULL && to.at != NULL && to.listed != NULL);
    for (int i = 0; i < n; i++) {
        report_strategy(eng, i, &list[i]);
        report_dispositions(&eng->out, &eng->state->counts[i], &list[i]);
        report_symbols(eng, i, &to, &list[i]);
    }
    memset(report, 0, sizeof *report);
    memcpy(report->portfolio, eng->portfolio, sizeof report->portfolio);
    report->strategies_n = n;
    report->strategies = list;
    report->decision_seq = eng->state->view.decision_seq;
    return true;
}
