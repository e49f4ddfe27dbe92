/* twin.c - the bus without sockets. Each pair of ports has a queue: what a judge holds back stays
 * at its head, so that frames between two ports never overtake each other, as over a socket. */
#include "common/base/assert.h"
#include "common/base/mem.h"
#include "common/bus/bus.h"

#include <stdlib.h>
#include <string.h>

enum { PREFIXES_MAX = 64, QUEUE_MAX = 1 << 20 };

typedef struct frame {
    struct frame *next;
    size_t len;
    size_t topic_len; /* with NUL */
    char data[];      /* topic, then envelope */
} frame;

typedef struct queue {
    frame *head;
    frame **tail;
    size_t n;
} queue;

typedef struct port {
    keel_hub *hub;
    int number;
    bool open;
    char *prefixes[PREFIXES_MAX]; /* owned */
    int prefixes_n;
    queue in;                       /* to be received */
    queue held[KEEL_HUB_PORTS_MAX]; /* from each port, waiting for the judge */
    frame *last;                    /* owned: what receive gave out */
    char *joins[PREFIXES_MAX];      /* owned: prefixes others subscribed to, not yet reported */
    int joins_n;
} port;

struct keel_hub {
    keel_hub_judge judge;
    void *arg;
    port ports[KEEL_HUB_PORTS_MAX];
};

static void push(queue *q, frame *f)
{
    f->next = NULL;
    if (q->head == NULL)
        q->tail = &q->head;
    *q->tail = f;
    q->tail = &f->next;
    q->n++;
}

static frame *pop(queue *q)
{
    frame *f = q->head;
    if (f != NULL) {
        q->head = f->next;
        q->n--;
    }
    return f;
}

static void drain(queue *q)
{
    for (frame *f; (f = pop(q)) != NULL;)
        free(f);
}

static bool wants(const port *p, const char *topic)
{
    for (int i = 0; i < p->prefixes_n; i++)
        if (strncmp(topic, p->prefixes[i], strlen(p->prefixes[i])) == 0)
            return true;
    return false;
}

static keel_hub_fate judge(const keel_hub *h, int from, int to, const char *topic)
{
    return h->judge != NULL ? h->judge(h->arg, from, to, topic) : KEEL_HUB_DELIVER;
}

static void port_publish(void *self, const char *topic, const uint8_t *bytes, size_t len)
{
    port *from = self;
    keel_hub *h = from->hub;
    for (int i = 0; i < KEEL_HUB_PORTS_MAX; i++) {
        port *to = &h->ports[i];
        if (!to->open || i == from->number || !wants(to, topic) || to->in.n >= QUEUE_MAX)
            continue;
        const keel_hub_fate fate = judge(h, from->number, i, topic);
        if (fate == KEEL_HUB_LOSE)
            continue;
        const size_t topic_len = strlen(topic) + 1;
        frame *f = keel_xcalloc(1, sizeof *f + topic_len + len);
        f->topic_len = topic_len;
        f->len = len;
        memcpy(f->data, topic, topic_len);
        memcpy(f->data + topic_len, bytes, len);
        queue *held = &to->held[from->number];
        push(fate == KEEL_HUB_HOLD || held->n > 0 ? held : &to->in, f);
    }
}

static void port_subscribe(void *self, const char *prefix)
{
    port *p = self;
    KEEL_ASSERT(p->prefixes_n < PREFIXES_MAX);
    p->prefixes[p->prefixes_n++] = strdup(prefix);
    for (int i = 0; i < KEEL_HUB_PORTS_MAX; i++) {
        port *to = &p->hub->ports[i];
        if (to->open && i != p->number && to->joins_n < PREFIXES_MAX)
            to->joins[to->joins_n++] = strdup(prefix);
    }
}

static keel_status port_receive(void *self, keel_bus_frame *out)
{
    port *p = self;
    frame *f = pop(&p->in);
    if (f == NULL)
        return KEEL_EUNAVAIL;
    free(p->last);
    p->last = f;
    *out = (keel_bus_frame){f->data, (const uint8_t *)f->data + f->topic_len, f->len};
    return KEEL_OK;
}

static keel_status port_joined(void *self, char *out, size_t cap)
{
    port *p = self;
    if (p->joins_n == 0)
        return KEEL_EUNAVAIL;
    char *prefix = p->joins[--p->joins_n];
    const size_t len = strlen(prefix);
    KEEL_ASSERT(len < cap);
    memcpy(out, prefix, len + 1);
    free(prefix);
    return KEEL_OK;
}

static void port_close(void *self)
{
    port *p = self;
    keel_hub_drop(p->hub, p->number);
}

static const keel_bus_ops ops = {port_publish, port_subscribe, port_receive, port_joined,
                                 port_close};

keel_hub *keel_hub_new(keel_hub_judge judge_fn, void *arg)
{
    keel_hub *h = keel_xcalloc(1, sizeof *h);
    h->judge = judge_fn;
    h->arg = arg;
    return h;
}

void keel_hub_free(keel_hub **hub)
{
    if (*hub == NULL)
        return;
    for (int i = 0; i < KEEL_HUB_PORTS_MAX; i++)
        keel_hub_drop(*hub, i);
    keel_free(hub);
}

void keel_hub_open(keel_hub *hub, int number, keel_bus *bus)
{
    KEEL_ASSERT(number >= 0 && number < KEEL_HUB_PORTS_MAX && !hub->ports[number].open);
    port *p = &hub->ports[number];
    p->hub = hub;
    p->number = number;
    p->open = true;
    *bus = (keel_bus){p, &ops};
}

void keel_hub_drop(keel_hub *hub, int number)
{
    port *p = &hub->ports[number];
    for (int i = 0; i < p->prefixes_n; i++)
        free(p->prefixes[i]);
    for (int i = 0; i < p->joins_n; i++)
        free(p->joins[i]);
    drain(&p->in);
    for (int i = 0; i < KEEL_HUB_PORTS_MAX; i++)
        drain(&p->held[i]);
    free(p->last);
    *p = (port){0};
}

void keel_hub_release(keel_hub *hub)
{
    for (int to = 0; to < KEEL_HUB_PORTS_MAX; to++)
        for (int from = 0; from < KEEL_HUB_PORTS_MAX; from++) {
            queue *held = &hub->ports[to].held[from];
            while (held->head != NULL) {
                const keel_hub_fate fate = judge(hub, from, to, held->head->data);
                if (fate == KEEL_HUB_HOLD)
                    break;
                frame *f = pop(held);
                if (fate == KEEL_HUB_LOSE)
                    free(f);
                else
                    push(&hub->ports[to].in, f);
            }
        }
}

size_t keel_hub_waiting(const keel_hub *hub, int number)
{
    return hub->ports[number].in.n;
}
