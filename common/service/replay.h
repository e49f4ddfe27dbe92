/* replay.h - a journal run again: the engine gives the same bytes, or the place where it does not
 * is named (J2).
 *
 * ROOM     common/service. No bus, log or cache: inputs come from the journal, outputs are compared
 *          with those in it.
 */
#ifndef KEEL_COMMON_SERVICE_REPLAY_H
#define KEEL_COMMON_SERVICE_REPLAY_H

#include "common/service/node.h"

typedef struct keel_replay_report {
    char service[KEEL_SOURCE_MAX];
    char run_id[KEEL_RUN_MAX];
    uint64_t segments;
    uint64_t steps;      /* opened */
    uint64_t inputs;     /* messages handed to handlers */
    uint64_t reproduced; /* payloads equal to those in the journal */
    uint64_t differing;
    char first_difference[240]; /* "" = none: topic, step, index, offset in the journal */
    bool cut;                   /* the journal ends inside a step, as after a kill */
} keel_replay_report;

/* Replay `path` with the spec of its service. cfg: spec, config, settings, universe, obs and clocks
 * as for keel_node_new; bus, log, cache and journal are not used.
 *   KEEL_OK       *report is filled, also when payloads differ
 *   KEEL_EFORMAT  not a journal, or damaged in the middle (*err says where)
 *   KEEL_EIO, KEEL_EINVAL  the file, or the configuration */
KEEL_MUST_CHECK keel_status keel_replay(const char *path, const keel_node_cfg *cfg,
                                        keel_replay_report *report, keel_err *err);

/* Name of the service and run id that a journal belongs to. Statuses as above. */
KEEL_MUST_CHECK keel_status keel_replay_peek(const char *path, keel_replay_report *report,
                                             keel_err *err);

#endif
