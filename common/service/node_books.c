/* node_books.c - what a start asks of the books: where they are, and whether the log is theirs. */
#include "common/base/assert.h"
#include "common/service/node_internal.h"

#include <stdio.h>
#include <string.h>

/* The ledger, once its heartbeat says what its books hold; NULL: waited for. */
static const node_peer *books_heard(keel_service *n)
{
    const node_peer *ledger = node_peer_of(n, "ledger");
    if (ledger != NULL && ledger->recovered)
        return ledger;
    node_wait_for(n, "waiting for the ledger's last step", "");
    return NULL;
}

/* The feed goes on after the ledger's last committed step, heard from the ledger. */
bool node_source_place(keel_service *n)
{
    const node_peer *ledger = books_heard(n);
    if (ledger != NULL)
        n->done = ledger->step_done;
    return ledger != NULL;
}

/* Of the log: the books are the ledger's own. */
static bool owns_records(const keel_service *n)
{
    bool any = false;
    for (int i = 0; i < n->pubs_n; i++)
        any = any || keel_topic_describe(n->pubs[i].topic)->topic_class == KEEL_CLASS_RECORD;
    return any && strcmp(n->spec->name, "ledger") != 0;
}

/* P10: PlanDone of a step is in the log before the ledger can commit that step, and the newest one
 * is never trimmed. So a log that ends before the books is not the log of these books, and whoever
 * started from it would trade as if nothing were held. The books are heard first: what is written
 * meanwhile can only put the log further. */
bool node_log_reaches_books(keel_service *n)
{
    char topic[KEEL_TOPIC_MAX], why[KEEL_REASON_TEXT_MAX];
    uint64_t step = 0, index = 0;
    if (!owns_records(n) || (n->cfg.without & KEEL_WITHOUT_P10) != 0)
        return true;
    const node_peer *ledger = books_heard(n);
    if (ledger == NULL)
        return false;
    KEEL_ASSERT(keel_topic_make(KEEL_TOPIC_PLAN_DONE, &n->keys, topic) == KEEL_OK);
    const keel_status top = n->cfg.log.ops->top(n->cfg.log.self, topic, &step, &index);
    if (top != KEEL_OK && top != KEEL_ENOTFOUND)
        return node_wait_for_log(n);
    if (step >= ledger->step_done || ledger->archived_step == 0) /* nothing is booked yet */
        return true;
    snprintf(why, sizeof why,
             "the log lacks records that the books rest on: it ends at step %llu, the books at "
             "step %llu; nothing is traded. Bring its data back, or begin a run of another run.id",
             (unsigned long long)step, (unsigned long long)ledger->step_done);
    return node_wait_for(n, why, "");
}
