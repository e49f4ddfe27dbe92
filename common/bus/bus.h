/* bus.h - how frames travel: one outbox that everyone may read, one inbox over all peers.
 *
 * ROOM     common/bus. Two implementations: ZeroMQ (zmq.c) and the in-memory twin (twin.c), which
 *          is part of the product: the in-process host runs on it, and tests crash it at will.
 * SHAPE    A frame is [topic][envelope bytes]. Publishing never waits and may lose what nobody has
 *          joined for; steps and records make up for it.
 * THREADS  one thread per object.
 */
#ifndef KEEL_COMMON_BUS_BUS_H
#define KEEL_COMMON_BUS_BUS_H

#include "common/base/status.h"

#include <stddef.h>
#include <stdint.h>

typedef struct keel_bus keel_bus;

typedef struct keel_bus_frame {
    const char *topic; /* terminated; valid until the next receive, as frame */
    const uint8_t *frame;
    size_t len;
} keel_bus_frame;

typedef struct keel_bus_ops {
    void (*publish)(void *self, const char *topic, const uint8_t *frame, size_t len);
    void (*subscribe)(void *self, const char *prefix);
    /* Next frame, KEEL_EUNAVAIL when there is none now. */
    keel_status (*receive)(void *self, keel_bus_frame *out);
    /* A prefix that somebody subscribed to since the last call, into out[cap]; KEEL_EUNAVAIL. */
    keel_status (*joined)(void *self, char *out, size_t cap);
    void (*close)(void *self);
} keel_bus_ops;

struct keel_bus {
    void *self;
    const keel_bus_ops *ops;
};

/* ---- ZeroMQ: binds `outbox`, connects to every peer's outbox ---- */
typedef struct keel_bus_zmq_cfg {
    const char *outbox;       /* endpoint to bind */
    const char *const *peers; /* endpoints to connect to */
    int peers_n;
} keel_bus_zmq_cfg;

KEEL_MUST_CHECK keel_status keel_bus_zmq_open(const keel_bus_zmq_cfg *cfg, keel_bus *bus,
                                              keel_err *err);

/* Wait until something can be received, a signal's descriptor `extra_fd` (-1 = none) is readable,
 * or timeout_ms passed. Returns true when extra_fd is readable. Only for a ZeroMQ bus. */
bool keel_bus_zmq_wait(const keel_bus *bus, int extra_fd, int timeout_ms);

/* ---- the twin: a hub in memory, one port for each process on it ---- */
typedef struct keel_hub keel_hub;

enum { KEEL_HUB_PORTS_MAX = 16 };

/* What becomes of a frame from port a to port b: tests lose, stall and reorder with it. NULL = all
 * are delivered at once, in order. */
typedef enum keel_hub_fate { KEEL_HUB_DELIVER, KEEL_HUB_LOSE, KEEL_HUB_HOLD } keel_hub_fate;
typedef keel_hub_fate (*keel_hub_judge)(void *arg, int from, int to, const char *topic);

KEEL_MUST_CHECK keel_hub *keel_hub_new(keel_hub_judge judge, void *arg);
void keel_hub_free(keel_hub **hub);

/* Open port `number`; frames published on any port reach every open port that subscribed. */
void keel_hub_open(keel_hub *hub, int number, keel_bus *bus);

/* The port's process is gone: what it had not received is lost. */
void keel_hub_drop(keel_hub *hub, int number);

/* Judge again what was held between two ports, oldest first, until one is held. */
void keel_hub_release(keel_hub *hub);
size_t keel_hub_waiting(const keel_hub *hub, int number); /* frames to be received */

#endif
