/* scene.h - a live run with signals: real processes, strategies that signal all the time, a
 * watcher, and what all of them say and record, read while it grows.
 *
 * ROOM     tests/support/world.
 */
#ifndef KEEL_TESTS_SUPPORT_WORLD_SCENE_H
#define KEEL_TESTS_SUPPORT_WORLD_SCENE_H

#include "tests/support/world/audit.h"
#include "tests/support/world/cluster.h"

typedef struct keel_scene_cfg {
    int pace_ms;
    int per_second; /* signals of each strategy */
    int strategies_n;
    const char *const *strategies; /* borrowed */
    int programs_n;    /* the first of them are programs (outsider live); the rest is the test's */
    const char *desks; /* sections capital and strategies, as keel_world_live takes them */
} keel_scene_cfg;

typedef struct keel_scene {
    keel_cluster c;
    keel_history said;
    keel_recorded log;
    int64_t polled_ms;
} keel_scene;

/* Make the folder, the configuration and the clients; keel_cluster_up(&s->c) starts everything. A
 * kill of the log is a power cut. */
void keel_scene_prepare(keel_scene *s, const keel_scene_cfg *cfg);
void keel_scene_end(keel_scene *s, bool keep);

/* Go on for `ms`: read what there is to read. */
void keel_scene_tend(keel_scene *s, int ms);
void keel_scene_kill(keel_scene *s, int place);

/* All strategies say what they have left, then the market stands still. False when they do not get
 * rid of it in `ms`. */
bool keel_scene_drain(keel_scene *s, int ms);

/* Everything is held against everything (audit.h): how many of the checks fail. Each is told. */
int keel_scene_audit(keel_scene *s, void (*tell)(bool ok, const char *what, const char *why));

#endif
