/* store_internal.h - the store's state and statements, shared by its two files.
 *
 * ROOM     services/ledger.
 */
#ifndef KEEL_SERVICES_LEDGER_STORE_INTERNAL_H
#define KEEL_SERVICES_LEDGER_STORE_INTERNAL_H

#include "services/ledger/store.h"

#include <sqlite3.h>

/* name, SQL; ?1 is always the run's number */
#define STORE_STATEMENTS(X)                                                                        \
    X(ADD_FILL, "INSERT INTO fills VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15)")    \
    X(ADD_PART, "INSERT INTO fill_books VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11)")               \
    X(ADD_TRANSFER, "INSERT INTO transfers VALUES(?1,?2,?3,?4,?5)")                                \
    X(ADD_LEG, "INSERT INTO transfer_legs VALUES(?1,?2,?3,?4,?5)")                                 \
    X(ADD_STATE, "INSERT INTO portfolio_states VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9)")                \
    X(ADD_BOOK, "INSERT INTO book_states VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11)")              \
    X(ADD_OUTPUT, "INSERT INTO outputs VALUES(?1,?2,?3,?4,?5,?6,?7,?8)")                           \
    X(ADD_ALLOCATION, "INSERT INTO allocations VALUES(NULL,?1,?2,?3,?4,?5,?6,?7,?8,?9,?10)")       \
    X(ADD_OPTIMIZATION,                                                                            \
      "INSERT INTO optimizations VALUES(NULL,?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13)")         \
    X(ADD_RISK, "INSERT INTO risk_assessments VALUES(NULL,?1,?2,?3,?4,?5,?6,?7,?8,?9)")            \
    X(ADD_RETURN, "INSERT INTO book_returns VALUES(?1,?2,?3,?4,?5,?6,?7)")                         \
    X(ADD_DECISION,                                                                                \
      "INSERT OR IGNORE INTO decisions VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12)")            \
    X(PRUNE_RETURNS, "DELETE FROM book_returns WHERE run=?1 AND step<=?2")                         \
    X(PRUNE_DECISIONS,                                                                             \
      "DELETE FROM decisions WHERE run=?1 AND accepted=0 AND decision_seq<=(SELECT decision_seq"   \
      " FROM decisions WHERE run=?1 AND accepted=0 ORDER BY decision_seq DESC LIMIT 1 OFFSET ?2)") \
    X(DROP_LOTS, "DELETE FROM lots WHERE run=?1 AND book=?2 AND instrument=?3 AND lot_no<?4")      \
    X(PUT_LOT, "INSERT OR REPLACE INTO lots VALUES(?1,?2,?3,?4,?5,?6,?7)")                         \
    X(PUT_ENGINE, "INSERT OR REPLACE INTO engine VALUES(?1,?2,?3)")                                \
    X(PRUNE_STATES, "DELETE FROM portfolio_states WHERE run=?1 AND step<=?2")                      \
    X(PRUNE_BOOKS, "DELETE FROM book_states WHERE run=?1 AND step<=?2")                            \
    X(PRUNE_OUTPUTS, "DELETE FROM outputs WHERE run=?1 AND step<=?2")                              \
    X(PRUNE_ALLOCATIONS,                                                                           \
      "DELETE FROM allocations WHERE run=?1 AND id<=(SELECT id FROM allocations WHERE run=?1"      \
      " ORDER BY id DESC LIMIT 1 OFFSET ?2)")                                                      \
    X(PRUNE_OPTIMIZATIONS,                                                                         \
      "DELETE FROM optimizations WHERE run=?1 AND id<=(SELECT id FROM optimizations WHERE run=?1"  \
      " ORDER BY id DESC LIMIT 1 OFFSET ?2)")                                                      \
    X(PRUNE_RISK,                                                                                  \
      "DELETE FROM risk_assessments WHERE run=?1 AND id<=(SELECT id FROM risk_assessments"         \
      " WHERE run=?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)")                                         \
    X(GET_ENGINE, "SELECT step,state FROM engine WHERE run=?1")                                    \
    X(GET_LOTS, "SELECT book,instrument,qty_units,cost_micros,fill_no FROM lots WHERE run=?1"      \
                " ORDER BY book,instrument,lot_no")                                                \
    X(GET_IDS,                                                                                     \
      "SELECT fill_id FROM fills WHERE run=?1 AND fill_no>(SELECT ifnull(max(fill_no),0)-?2"       \
      " FROM fills WHERE run=?1) ORDER BY fill_no")                                                \
    X(GET_SEAL, "SELECT seal FROM fills WHERE run=?1 ORDER BY fill_no DESC LIMIT 1")               \
    X(HAS_FILL, "SELECT 1 FROM fills WHERE run=?1 AND fill_id=?2")                                 \
    X(HAS_CAPITAL, "SELECT 1 FROM allocations WHERE run=?1 AND kind='capital' AND step>=?2")       \
    X(GET_OUTPUTS,                                                                                 \
      "SELECT topic,topic_text,idx,event_ns,payload FROM outputs WHERE run=?1 AND step=?2"         \
      " ORDER BY place")                                                                           \
    X(BEGIN, "BEGIN IMMEDIATE")                                                                    \
    X(COMMIT, "COMMIT")

#define STORE_ENUM(name, sql) STORE_##name,
typedef enum store_statement { STORE_STATEMENTS(STORE_ENUM) STORE_STATEMENT_COUNT } store_statement;

typedef struct pending_transfer {
    keel_transfer transfer;
    keel_transfer_leg legs[KEEL_LEDGER_BOOKS_MAX];
} pending_transfer;

struct keel_store {
    sqlite3 *db;
    sqlite3_stmt *statements[STORE_STATEMENT_COUNT];
    int64_t run; /* number of the run in this file */
    uint64_t step_done;
    uint64_t seal; /* of the newest committed fill */
    uint64_t new_seal;
    keel_store_cfg cfg; /* only the numbers are used after open */
    int n;

    int fills_n, fills_max, transfers_n, notes_n, decisions_n;
    keel_fill *fills;              /* owned, fills_max; pages never written stay untaken */
    keel_booked *booked;           /* owned, fills_max */
    pending_transfer *transfers;   /* owned */
    keel_note *notes;              /* owned; payloads in the arena */
    keel_decision_note *decisions; /* owned */
    keel_arena payloads;
    keel_arena said; /* payloads of decisions; touched as used */
    uint8_t *blob;   /* owned: the engine's snapshot */
    size_t blob_cap;
    uint8_t *marks; /* owned, 8n */
    char error[KEEL_ERR_TEXT_MAX];
};

/* Note SQLite's error and say KEEL_EUNAVAIL. */
keel_status ledger_store_failed(keel_store *store);

/* A reset statement with ?1 bound to the run. */
sqlite3_stmt *ledger_store_begin(keel_store *store, store_statement which);

/* Run a statement that returns no rows. */
KEEL_MUST_CHECK keel_status ledger_store_run(keel_store *store, sqlite3_stmt *statement);

#endif
