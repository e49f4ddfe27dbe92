#include "services/relay/replies.h"

#include "common/base/mem.h"
#include "common/domain/allocation.h"

#include <stdio.h>
#include <string.h>

typedef struct kept {
    char topic[KEEL_TOPIC_MAX]; /* "" = free */
    int64_t until_ms;
    zmq_msg_t frame;
} kept;

struct relay_replies {
    int next;
    kept ring[RELAY_REPLIES_MAX];
};

relay_replies *relay_replies_new(void)
{
    return keel_xcalloc(1, sizeof(relay_replies));
}

static void drop(kept *k)
{
    if (k->topic[0] != '\0')
        zmq_msg_close(&k->frame);
    k->topic[0] = '\0';
}

void relay_replies_free(relay_replies **replies)
{
    if (*replies == NULL)
        return;
    for (int i = 0; i < RELAY_REPLIES_MAX; i++)
        drop(&(*replies)->ring[i]);
    keel_free(replies);
}

void relay_replies_put(relay_replies *replies, const char *topic, zmq_msg_t *frame, int64_t now_ms)
{
    kept *k = &replies->ring[replies->next];
    replies->next = (replies->next + 1) % RELAY_REPLIES_MAX;
    drop(k);
    zmq_msg_init(&k->frame);
    if (zmq_msg_copy(&k->frame, frame) != 0)
        return;
    snprintf(k->topic, sizeof k->topic, "%s", topic);
    k->until_ms = now_ms + RELAY_REPLIES_MS;
}

int relay_replies_send(relay_replies *replies, const char *topic, size_t len, int64_t now_ms,
                       relay_lvc_each each, void *arg)
{
    int sent = 0;
    for (int i = 0; i < RELAY_REPLIES_MAX; i++) {
        kept *k = &replies->ring[(replies->next + i) % RELAY_REPLIES_MAX]; /* oldest first */
        if (k->topic[0] == '\0' || now_ms > k->until_ms || strlen(k->topic) != len ||
            memcmp(k->topic, topic, len) != 0)
            continue;
        each(arg, k->topic, &k->frame);
        sent++;
    }
    return sent;
}
