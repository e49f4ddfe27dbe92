/* reader.h - what the reading verbs share: a run's door, what was seen, who is heard.
 *
 * ROOM     services/cli.
 * THREADS  one per object.
 */
#ifndef KEEL_SERVICES_CLI_READER_H
#define KEEL_SERVICES_CLI_READER_H

#include "services/cli/beats.h"
#include "services/cli/options.h"
#include "services/cli/seen.h"

/* A verb that shows the newest values of a few topics. */
typedef struct keel_reading {
    const keel_topic *wanted; /* ended by KEEL_TOPIC_COUNT; all must have come */
    const char *owner;        /* its heartbeat says whether they can be old */
    const char *what;         /* for "no ... yet" */
    bool own_json;            /* the verb prints its own JSON, not the messages */
} keel_reading;

/* What is open while a verb reads. */
typedef struct keel_reader {
    keel_run run;
    keel_client *client;
    keel_seen *seen;
    keel_beats *beats;
} keel_reader;

/* Open the door of the run that args name (--run), else of the one that is up. Returns an exit
 * code; close it whatever it is. */
int keel_reader_open(keel_reader *reader, const keel_args *args, const keel_cli *cli);
void keel_reader_close(keel_reader *reader);

/* Start reading these topics, the universe and heartbeats. */
KEEL_MUST_CHECK keel_status keel_reader_read(keel_reader *reader, const keel_topic *wanted);

/* Take messages until everything wanted is there and its owner is heard, or silent; --deadline ends
 * it. With --json each wanted message is printed as it comes, unless own_json. OK, STALE (what is
 * there may be old, and that is said), DEADLINE or FAILED. */
int keel_reader_collect(keel_reader *reader, const keel_reading *reading, const keel_args *args,
                        const keel_cli *cli);

#endif
