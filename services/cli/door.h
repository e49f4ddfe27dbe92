/* door.h - a run's relay as the CLI reads and asks it.
 *
 * ROOM     services/cli. The one place that knows where a run keeps its door and its keys.
 */
#ifndef KEEL_SERVICES_CLI_DOOR_H
#define KEEL_SERVICES_CLI_DOOR_H

#include "common/client/client.h"
#include "services/cli/cli.h"
#include "services/cli/run_dir.h"

/* Open the door of a run, which is where relay.out and relay.in of its configuration say: its own
 * sockets, or another machine's ports. NULL and *err: KEEL_EUNAVAIL (nobody answers),
 * KEEL_EREFUSED (key). */
KEEL_MUST_CHECK keel_client *keel_door_open(const keel_run *run, int timeout_ms, keel_err *err);

/* Read every topic of this kind, whatever its keys. */
KEEL_MUST_CHECK keel_status keel_door_read(keel_client *client, keel_topic topic);

/* The topic of a message; KEEL_TOPIC_COUNT when it is none of ours. */
keel_topic keel_door_topic(const keel_client_msg *msg);

/* Print "keel: text" and give the exit code that belongs to the status. */
int keel_cli_fail(const keel_cli *cli, const keel_err *err);

/* One line of JSON on stdout: {"topic":...,"step":...,"event":...,"data":{...}}. */
KEEL_MUST_CHECK keel_status keel_door_print_json(const keel_cli *cli, const keel_client_msg *msg);

#endif
