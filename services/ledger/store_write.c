/* Collecting a step and writing it in one transaction. */
#include "services/ledger/store.h"

#include "common/base/assert.h"
#include "common/base/hash.h"
#include "common/base/pack.h"
#include "services/ledger/store_internal.h"

#include <string.h>

enum { PRUNE_EVERY_STEPS = 64, SEAL_BYTES = 8192 /* 65 parts */ };

/* ---- collect ---- */

keel_status keel_store_check_capital(const keel_store *store, size_t len)
{
    return store->transfers_n < KEEL_STORE_TRANSFERS_MAX && store->notes_n < KEEL_STORE_NOTES_MAX &&
                   store->payloads.size - store->payloads.used > len + 32 /* alignment */
               ? KEEL_OK
               : KEEL_ENOSPC;
}

keel_status keel_store_add_fill(keel_store *store, const keel_fill *fill, const keel_booked *booked)
{
    if (store->fills_n == store->fills_max)
        return KEEL_ENOSPC;
    store->fills[store->fills_n] = *fill;
    store->booked[store->fills_n++] = *booked;
    return KEEL_OK;
}

keel_status keel_store_add_transfer(keel_store *store, const keel_transfer *transfer)
{
    if (store->transfers_n == KEEL_STORE_TRANSFERS_MAX || transfer->legs_n > KEEL_LEDGER_BOOKS_MAX)
        return KEEL_ENOSPC;
    pending_transfer *p = &store->transfers[store->transfers_n++];
    p->transfer = *transfer;
    memcpy(p->legs, transfer->legs, (size_t)transfer->legs_n * sizeof p->legs[0]);
    p->transfer.legs = p->legs;
    return KEEL_OK;
}

keel_status keel_store_add_note(keel_store *store, const keel_note *note)
{
    if (store->notes_n == KEEL_STORE_NOTES_MAX)
        return KEEL_ENOSPC;
    uint8_t *payload = keel_arena_take(&store->payloads, note->len + 1, 1);
    if (payload == NULL)
        return KEEL_ENOSPC;
    memcpy(payload, note->payload, note->len);
    store->notes[store->notes_n] = *note;
    store->notes[store->notes_n++].payload = payload;
    return KEEL_OK;
}

keel_status keel_store_add_decision(keel_store *store, const keel_decision_note *note)
{
    if (store->decisions_n == KEEL_STORE_DECISIONS_MAX)
        return KEEL_ENOSPC;
    uint8_t *payload = keel_arena_take(&store->said, note->len + 1, 1);
    if (payload == NULL)
        return KEEL_ENOSPC;
    if (note->len > 0)
        memcpy(payload, note->payload, note->len);
    store->decisions[store->decisions_n] = *note;
    store->decisions[store->decisions_n++].payload = payload;
    return KEEL_OK;
}

static void forget_collected(keel_store *store)
{
    store->fills_n = store->transfers_n = store->notes_n = store->decisions_n = 0;
    keel_arena_reset(&store->payloads);
    keel_arena_reset(&store->said);
}

/* ---- write ---- */

static void bind_text(sqlite3_stmt *s, int at, const char *text)
{
    sqlite3_bind_text(s, at, text, -1, SQLITE_STATIC);
}

static void pack_text(keel_packer *p, const char *text)
{
    const size_t len = strlen(text);
    keel_pack_u64(p, len);
    keel_pack_bytes(p, text, len);
}

static void bind_step(sqlite3_stmt *s, int at, uint64_t step)
{
    sqlite3_bind_int64(s, at, (int64_t)step);
}

/* Hash of a fill with its parts and of the fill before it: a unit changed anywhere breaks it, also
 * where rounding hides the unit from the sums. */
static uint64_t seal_fill(uint64_t before, uint64_t fill_no, uint64_t step, const keel_fill *f)
{
    uint8_t bytes[SEAL_BYTES];
    size_t len;
    keel_packer p = keel_packer_over(bytes, sizeof bytes);
    const int64_t numbers[] = {f->instrument,      f->qty_units,  f->price_units,
                               f->reference_units, f->fee_micros, f->slippage_micros,
                               f->fill_ns};
    keel_pack_u64(&p, before);
    keel_pack_u64(&p, fill_no);
    keel_pack_u64(&p, step);
    keel_pack_i64s(&p, numbers, sizeof numbers / sizeof numbers[0]);
    pack_text(&p, f->fill_id);
    pack_text(&p, f->order_id);
    for (int b = 0; b < f->books_n; b++) {
        const keel_book_fill *part = &f->books[b];
        pack_text(&p, part->book);
        keel_pack_i64(&p, part->qty_units);
        keel_pack_i64(&p, part->cash_micros);
        keel_pack_i64(&p, part->fee_micros);
        keel_pack_i64(&p, part->slippage_micros);
        keel_pack_u64(&p, part->closed_version);
    }
    KEEL_ASSERT(keel_packer_done(&p, &len) == KEEL_OK);
    return keel_hash(bytes, len);
}

static keel_status write_part(keel_store *store, int f, int p)
{
    const keel_book_fill *part = &store->fills[f].books[p];
    const keel_booked *booked = &store->booked[f];
    sqlite3_stmt *s = ledger_store_begin(store, STORE_ADD_PART);
    sqlite3_bind_int64(s, 2, (int64_t)booked->fill_no);
    sqlite3_bind_int(s, 3, p);
    bind_text(s, 4, part->book);
    sqlite3_bind_int64(s, 5, part->qty_units);
    sqlite3_bind_int64(s, 6, part->cash_micros);
    sqlite3_bind_int64(s, 7, part->fee_micros);
    sqlite3_bind_int64(s, 8, part->slippage_micros);
    sqlite3_bind_int64(s, 9, (int64_t)part->closed_version);
    sqlite3_bind_int64(s, 10, booked->parts[p].closed_units);
    sqlite3_bind_int64(s, 11, booked->parts[p].realized_micros);
    return ledger_store_run(store, s);
}

static keel_status write_fill(keel_store *store, uint64_t step, int f)
{
    const keel_fill *fill = &store->fills[f];
    sqlite3_stmt *s = ledger_store_begin(store, STORE_ADD_FILL);
    sqlite3_bind_int64(s, 2, (int64_t)store->booked[f].fill_no);
    bind_step(s, 3, step);
    bind_text(s, 4, fill->fill_id);
    bind_text(s, 5, fill->order_id);
    sqlite3_bind_int(s, 6, fill->instrument);
    sqlite3_bind_int64(s, 7, fill->qty_units);
    sqlite3_bind_int64(s, 8, fill->price_units);
    sqlite3_bind_int64(s, 9, fill->reference_units);
    sqlite3_bind_int64(s, 10, fill->fee_micros);
    sqlite3_bind_int64(s, 11, fill->slippage_micros);
    sqlite3_bind_int64(s, 12, fill->fill_ns);
    bind_text(s, 13, keel_reason_name(fill->reason.code));
    bind_text(s, 14, fill->reason.text);
    store->new_seal = seal_fill(store->new_seal, store->booked[f].fill_no, step, fill);
    sqlite3_bind_int64(s, 15, (int64_t)store->new_seal);
    KEEL_TRY(ledger_store_run(store, s));
    for (int p = 0; p < fill->books_n; p++)
        KEEL_TRY(write_part(store, f, p));
    return KEEL_OK;
}

static keel_status write_transfer(keel_store *store, uint64_t step, const keel_transfer *transfer)
{
    sqlite3_stmt *s = ledger_store_begin(store, STORE_ADD_TRANSFER);
    bind_text(s, 2, transfer->transfer_id);
    bind_step(s, 3, step);
    bind_text(s, 4, keel_reason_name(transfer->reason.code));
    bind_text(s, 5, transfer->reason.text);
    KEEL_TRY(ledger_store_run(store, s));
    for (int l = 0; l < transfer->legs_n; l++) {
        s = ledger_store_begin(store, STORE_ADD_LEG);
        bind_text(s, 2, transfer->transfer_id);
        sqlite3_bind_int(s, 3, l);
        bind_text(s, 4, transfer->legs[l].book);
        sqlite3_bind_int64(s, 5, transfer->legs[l].cash_micros);
        KEEL_TRY(ledger_store_run(store, s));
    }
    return KEEL_OK;
}

static keel_status write_allocation(keel_store *store, const keel_note *note)
{
    sqlite3_stmt *s = ledger_store_begin(store, STORE_ADD_ALLOCATION);
    bind_step(s, 2, note->step);
    sqlite3_bind_int64(s, 3, note->index);
    bind_text(s, 4, note->kind == KEEL_NOTE_CAPITAL ? "capital" : "weights");
    bind_text(s, 5, note->book);
    bind_text(s, 6, keel_method_name(note->method));
    sqlite3_bind_int64(s, 7, note->equity_micros);
    bind_text(s, 8, keel_reason_name(note->reason.code));
    bind_text(s, 9, note->reason.text);
    sqlite3_bind_blob64(s, 10, note->payload, note->len, SQLITE_STATIC);
    return ledger_store_run(store, s);
}

static keel_status write_optimization(keel_store *store, const keel_note *note)
{
    sqlite3_stmt *s = ledger_store_begin(store, STORE_ADD_OPTIMIZATION);
    bind_step(s, 2, note->step);
    sqlite3_bind_int64(s, 3, note->index);
    bind_text(s, 4, note->book);
    bind_text(s, 5, keel_method_name(note->method));
    sqlite3_bind_int(s, 6, (int)note->certificate.kind);
    sqlite3_bind_int(s, 7, (int)note->certificate.outcome);
    sqlite3_bind_int(s, 8, note->certificate.iterations);
    sqlite3_bind_double(s, 9, note->certificate.primal_residual);
    sqlite3_bind_double(s, 10, note->certificate.dual_residual);
    sqlite3_bind_double(s, 11, note->certificate.gap);
    sqlite3_bind_double(s, 12, note->expected_volatility);
    sqlite3_bind_double(s, 13, note->turnover_frac);
    return ledger_store_run(store, s);
}

static keel_status write_risk(keel_store *store, const keel_note *note)
{
    const bool trading = note->kind == KEEL_NOTE_TRADING;
    sqlite3_stmt *s = ledger_store_begin(store, STORE_ADD_RISK);
    bind_step(s, 2, note->step);
    sqlite3_bind_int64(s, 3, note->index);
    bind_text(s, 4, trading ? "trading_state" : "report");
    bind_text(s, 5, trading ? keel_trading_mode_name(note->mode) : "");
    sqlite3_bind_int64(s, 6, note->equity_micros);
    bind_text(s, 7, keel_reason_name(note->reason.code));
    bind_text(s, 8, note->reason.text);
    sqlite3_bind_blob64(s, 9, note->payload, note->len, SQLITE_STATIC);
    return ledger_store_run(store, s);
}

static keel_status write_note(keel_store *store, const keel_note *note)
{
    if (note->kind == KEEL_NOTE_TRADING || note->kind == KEEL_NOTE_REPORT)
        return write_risk(store, note);
    KEEL_TRY(write_allocation(store, note));
    return note->kind == KEEL_NOTE_ALLOCATION && note->optimized ? write_optimization(store, note)
                                                                 : KEEL_OK;
}

static keel_status write_decision(keel_store *store, const keel_decision_note *note)
{
    sqlite3_stmt *s = ledger_store_begin(store, STORE_ADD_DECISION);
    sqlite3_bind_int64(s, 2, (int64_t)note->decision_seq);
    bind_step(s, 3, note->step);
    sqlite3_bind_int64(s, 4, note->event_ns);
    bind_text(s, 5, note->strategy);
    bind_text(s, 6, note->signal_id);
    sqlite3_bind_int64(s, 7, note->epoch_ns);
    sqlite3_bind_int64(s, 8, (int64_t)note->seq);
    bind_text(s, 9, note->symbol);
    sqlite3_bind_int(s, 10, note->accepted);
    bind_text(s, 11, keel_reason_name(note->reason));
    sqlite3_bind_blob64(s, 12, note->payload, note->len, SQLITE_STATIC);
    return ledger_store_run(store, s);
}

static keel_status write_lot(keel_store *store, const char *book, int instrument, uint64_t lot_no,
                             const keel_lot *lot)
{
    sqlite3_stmt *s = ledger_store_begin(store, STORE_PUT_LOT);
    bind_text(s, 2, book);
    sqlite3_bind_int(s, 3, instrument);
    sqlite3_bind_int64(s, 4, (int64_t)lot_no);
    sqlite3_bind_int64(s, 5, (int64_t)lot->fill_no);
    sqlite3_bind_int64(s, 6, lot->qty_units);
    sqlite3_bind_int64(s, 7, lot->cost_micros);
    return ledger_store_run(store, s);
}

/* Only what a fill can have touched: lots before the oldest are gone, the oldest may be smaller,
 * those opened are new. */
static keel_status write_lots(keel_store *store, const char *book, int instrument,
                              const keel_lots *lots)
{
    sqlite3_stmt *s = ledger_store_begin(store, STORE_DROP_LOTS);
    bind_text(s, 2, book);
    sqlite3_bind_int(s, 3, instrument);
    sqlite3_bind_int64(s, 4, (int64_t)lots->first_no);
    KEEL_TRY(ledger_store_run(store, s));
    for (int k = 0; k < lots->count; k++) {
        const uint64_t no = lots->first_no + (uint64_t)k;
        if (k > 0 && (!lots->opened || no < lots->opened_from))
            continue;
        KEEL_TRY(write_lot(store, book, instrument, no, keel_lots_at(lots, k)));
    }
    return KEEL_OK;
}

static keel_status write_changed_lots(keel_store *store, const keel_ledger *eng)
{
    for (int b = 0; b < keel_ledger_books(eng); b++) {
        for (int i = 0; i < store->n; i++) {
            const keel_lots *lots = keel_ledger_lots(eng, b, i);
            if (lots->changed)
                KEEL_TRY(write_lots(store, keel_ledger_book(eng, b), i, lots));
        }
    }
    return KEEL_OK;
}

static keel_status write_book(keel_store *store, uint64_t step, const keel_book *book)
{
    sqlite3_stmt *s = ledger_store_begin(store, STORE_ADD_BOOK);
    bind_step(s, 2, step);
    bind_text(s, 3, book->book);
    sqlite3_bind_int64(s, 4, book->cash_micros);
    sqlite3_bind_int64(s, 5, book->equity_micros);
    sqlite3_bind_int64(s, 6, book->realized_micros);
    sqlite3_bind_int64(s, 7, book->unrealized_micros);
    sqlite3_bind_int64(s, 8, book->fees_micros);
    sqlite3_bind_int64(s, 9, book->slippage_micros);
    sqlite3_bind_double(s, 10, book->share_frac);
    sqlite3_bind_double(s, 11, book->scale_frac);
    return ledger_store_run(store, s);
}

static keel_status write_state(keel_store *store, uint64_t step, keel_ledger *eng,
                               const keel_portfolio_state *state, const keel_out *payload)
{
    size_t len;
    keel_packer p = keel_packer_over(store->marks, (size_t)store->n * sizeof(int64_t));
    sqlite3_stmt *s = ledger_store_begin(store, STORE_ADD_STATE);
    keel_pack_i64s(&p, keel_ledger_marks(eng), (size_t)store->n);
    KEEL_TRY(keel_packer_done(&p, &len));
    bind_step(s, 2, step);
    sqlite3_bind_int64(s, 3, state->as_of_ns);
    sqlite3_bind_int64(s, 4, state->cash_micros);
    sqlite3_bind_int64(s, 5, state->equity_micros);
    sqlite3_bind_int64(s, 6, state->peak_equity_micros);
    sqlite3_bind_int64(s, 7, (int64_t)state->fills);
    sqlite3_bind_blob64(s, 8, store->marks, len, SQLITE_STATIC);
    if (payload != NULL)
        sqlite3_bind_blob64(s, 9, payload->data, payload->len, SQLITE_STATIC);
    else
        sqlite3_bind_zeroblob(s, 9, 0);
    KEEL_TRY(ledger_store_run(store, s));
    for (int b = 0; b < state->books_n; b++)
        KEEL_TRY(write_book(store, step, &state->books[b]));
    return KEEL_OK;
}

static keel_status write_returns(keel_store *store, uint64_t step, const keel_ledger *eng,
                                 const keel_ledger_out *state)
{
    for (int i = 0; i < state->returns_n; i++) {
        const keel_book_return *r = &state->returns[i];
        sqlite3_stmt *s = ledger_store_begin(store, STORE_ADD_RETURN);
        bind_step(s, 2, step);
        bind_text(s, 3, keel_ledger_book(eng, r->book));
        sqlite3_bind_int64(s, 4, state->portfolio.as_of_ns);
        sqlite3_bind_int64(s, 5, r->base_micros);
        sqlite3_bind_int64(s, 6, r->pnl_micros);
        sqlite3_bind_double(s, 7, r->ret_simple);
        KEEL_TRY(ledger_store_run(store, s));
    }
    return KEEL_OK;
}

static keel_status write_outputs(keel_store *store, uint64_t step, const keel_out *outs, int n)
{
    for (int i = 0; i < n; i++) {
        sqlite3_stmt *s = ledger_store_begin(store, STORE_ADD_OUTPUT);
        bind_step(s, 2, step);
        sqlite3_bind_int(s, 3, i);
        sqlite3_bind_int(s, 4, (int)outs[i].topic);
        bind_text(s, 5, outs[i].topic_text);
        sqlite3_bind_int64(s, 6, outs[i].index);
        sqlite3_bind_int64(s, 7, outs[i].event_ns);
        sqlite3_bind_blob64(s, 8, outs[i].data, outs[i].len, SQLITE_STATIC);
        KEEL_TRY(ledger_store_run(store, s));
    }
    return KEEL_OK;
}

static keel_status write_engine(keel_store *store, uint64_t step, const keel_ledger *eng)
{
    size_t len;
    sqlite3_stmt *s = ledger_store_begin(store, STORE_PUT_ENGINE);
    KEEL_ASSERT(keel_ledger_save(eng, true, store->blob, store->blob_cap, &len) == KEEL_OK);
    bind_step(s, 2, step);
    sqlite3_bind_blob64(s, 3, store->blob, len, SQLITE_STATIC);
    return ledger_store_run(store, s);
}

static keel_status prune(keel_store *store, store_statement which, int64_t bound)
{
    if (bound <= 0)
        return KEEL_OK;
    sqlite3_stmt *s = ledger_store_begin(store, which);
    sqlite3_bind_int64(s, 2, bound);
    return ledger_store_run(store, s);
}

static keel_status prune_all(keel_store *store, uint64_t step)
{
    const int64_t k = (int64_t)step;
    const keel_store_cfg *c = &store->cfg;
    if (step % PRUNE_EVERY_STEPS != 0)
        return KEEL_OK;
    KEEL_TRY(prune(store, STORE_PRUNE_STATES, k - c->history_states));
    KEEL_TRY(prune(store, STORE_PRUNE_BOOKS, k - c->history_states));
    KEEL_TRY(prune(store, STORE_PRUNE_RETURNS, k - c->history_returns));
    KEEL_TRY(prune(store, STORE_PRUNE_DECISIONS, c->history_decisions));
    KEEL_TRY(prune(store, STORE_PRUNE_OUTPUTS, k - c->history_outputs));
    KEEL_TRY(prune(store, STORE_PRUNE_ALLOCATIONS, c->history_allocations));
    KEEL_TRY(prune(store, STORE_PRUNE_OPTIMIZATIONS, c->history_optimizations));
    return prune(store, STORE_PRUNE_RISK, c->history_risk);
}

static const keel_out *portfolio_output(const keel_out *outs, int n)
{
    for (int i = 0; i < n; i++) {
        if (outs[i].topic == KEEL_TOPIC_PORTFOLIO)
            return &outs[i];
    }
    return NULL;
}

static keel_status write_step(keel_store *store, uint64_t step, keel_ledger *eng,
                              const keel_ledger_out *state, const keel_out *outs, int outs_n)
{
    if (sqlite3_get_autocommit(store->db) != 0) /* not begun by a look for a fill */
        KEEL_TRY(ledger_store_run(store, ledger_store_begin(store, STORE_BEGIN)));
    store->new_seal = store->seal;
    for (int f = 0; f < store->fills_n; f++)
        KEEL_TRY(write_fill(store, step, f));
    for (int t = 0; t < store->transfers_n; t++)
        KEEL_TRY(write_transfer(store, step, &store->transfers[t].transfer));
    for (int i = 0; i < store->notes_n; i++)
        KEEL_TRY(write_note(store, &store->notes[i]));
    for (int i = 0; i < store->decisions_n; i++)
        KEEL_TRY(write_decision(store, &store->decisions[i]));
    if (store->fills_n > 0)
        KEEL_TRY(write_changed_lots(store, eng));
    if (state != NULL)
        KEEL_TRY(write_state(store, step, eng, &state->portfolio, portfolio_output(outs, outs_n)));
    if (state != NULL)
        KEEL_TRY(write_returns(store, step, eng, state));
    KEEL_TRY(write_outputs(store, step, outs, outs_n));
    KEEL_TRY(write_engine(store, step, eng));
    KEEL_TRY(prune_all(store, step));
    return ledger_store_run(store, ledger_store_begin(store, STORE_COMMIT));
}

keel_status keel_store_commit(keel_store *store, uint64_t step, keel_ledger *eng,
                              const keel_ledger_out *state, const keel_out *outs, int outs_n)
{
    if (step <= store->step_done)
        return KEEL_OK;
    const keel_status status = write_step(store, step, eng, state, outs, outs_n);
    if (status != KEEL_OK) {
        if (sqlite3_get_autocommit(store->db) == 0)
            sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
        return status;
    }
    store->step_done = step;
    store->seal = store->new_seal;
    keel_ledger_settle(eng);
    forget_collected(store);
    return KEEL_OK;
}
