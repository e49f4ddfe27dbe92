/* The relay's two threads under clients that come and go, with keys it knows and keys it does not,
 * while keys are given and taken away: who has a key is always let in, who has none never, and
 * ThreadSanitizer (preset tsan) has nothing
 * to say about what the door and its key check share.
 *
 * 2 s, a minute with KEEL_LONG=1. Plain main, because Criterion does not start under
 * ThreadSanitizer: ends with "N passed, N failed". */
#include "common/base/timefmt.h"
#include "common/client/client.h"
#include "common/keys/keys.h"
#include "services/relay/door.h"
#include "tests/support/verdict.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zmq.h>

enum { GOOD = 3, BAD = 2, SECONDS = 2, SECONDS_LONG = 60 };

static char dir[] = "/tmp/keel-stress-XXXXXX";
static atomic_bool leaving, closing;
static atomic_int let_in, answered, kept_out, wrong;
static int64_t wall(void *arg)
{
    struct timespec t;
    (void)arg;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * KEEL_NS_PER_S + t.tv_nsec;
}

static void *turn_door(void *arg)
{
    while (!atomic_load(&closing))
        (void)relay_door_turn(arg, -1, 10);
    return NULL;
}

typedef struct visitor {
    char name[16];
    char out[128], in[128], server_key[128], secret_key[128];
    bool known;
    pthread_t thread;
} visitor;

static keel_client *knock(const visitor *v, keel_err *err)
{
    const keel_client_cfg cfg = {.name = v->name,
                                 .out_endpoint = v->out,
                                 .in_endpoint = v->in,
                                 .server_key = v->server_key,
                                 .secret_key = v->secret_key,
                                 .run_id = "stress-1",
                                 .join_timeout_ms = 5000};
    return keel_client_open(&cfg, err);
}

static void ask(keel_client *client)
{
    keel_client_msg msg;
    keel_request request = {.service = "relay", .ask = KEEL_ASK_STATUS};
    keel_reply *reply = keel_xcalloc(1, sizeof *reply);
    if (keel_client_subscribe(client, "v1.hb.relay.") != KEEL_OK ||
        keel_client_next(client, 5000, &msg) != KEEL_OK)
        atomic_fetch_add(&wrong, 1);
    if (keel_client_ask(client, &request, 5000, reply) == KEEL_OK && reply->ok)
        atomic_fetch_add(&answered, 1);
    else
        atomic_fetch_add(&wrong, 1);
    keel_free(&reply);
}

static void *visit(void *arg)
{
    const visitor *v = arg;
    while (!atomic_load(&leaving)) {
        keel_err err = {.status = KEEL_OK};
        keel_client *client = knock(v, &err);
        if ((client != NULL) != v->known)
            atomic_fetch_add(&wrong, 1);
        else if (client == NULL)
            atomic_fetch_add(&kept_out, 1);
        else
            atomic_fetch_add(&let_in, 1);
        if (client != NULL)
            ask(client);
        keel_client_close(&client);
    }
    return NULL;
}

/* Keys come and go. */
static void *tend_keys(void *arg)
{
    char folder[128];
    const struct timespec pause = {.tv_nsec = 120 * KEEL_NS_PER_MS};
    (void)arg;
    snprintf(folder, sizeof folder, "%s/keys", dir);
    while (!atomic_load(&leaving)) {
        if (keel_key_add(folder, "guest", false, NULL) != KEEL_OK)
            atomic_fetch_add(&wrong, 1);
        nanosleep(&pause, NULL);
        if (keel_key_revoke(folder, "guest", NULL) != KEEL_OK)
            atomic_fetch_add(&wrong, 1);
        nanosleep(&pause, NULL);
    }
    return NULL;
}

/* The operator's key for those who are known, one made up here for the others. */
static void dress(visitor *v, int i)
{
    char public_key[41], secret_key[41];
    v->known = i < GOOD;
    snprintf(v->name, sizeof v->name, "visitor-%d", i);
    snprintf(v->out, sizeof v->out, "ipc://%s/door-out.sock", dir);
    snprintf(v->in, sizeof v->in, "ipc://%s/door-in.sock", dir);
    snprintf(v->server_key, sizeof v->server_key, "%s/keys/door.public", dir);
    if (v->known) {
        snprintf(v->secret_key, sizeof v->secret_key, "%s/keys/operator.secret", dir);
        return;
    }
    snprintf(v->secret_key, sizeof v->secret_key, "%s/stranger-%d", dir, i);
    FILE *to = fopen(v->secret_key, "w");
    if (to == NULL || zmq_curve_keypair(public_key, secret_key) != 0)
        abort();
    fprintf(to, "%s\n%s\n", public_key, secret_key);
    fclose(to);
}

static relay_door *open_door(keel_obs *obs)
{
    keel_err err = {0};
    const relay_door_cfg cfg = {.run_id = "stress-1",
                                .dir = dir,
                                .endpoint = "ipc://{run}/{service}.pub",
                                .lockstep = true,
                                .out = "ipc://{run}/door-out.sock",
                                .in = "ipc://{run}/door-in.sock",
                                .out_tcp = "",
                                .in_tcp = "",
                                .cache_topics = 16,
                                .cache_mib = 1,
                                .obs = obs};
    relay_door *door = relay_door_open(&cfg, &err);
    if (door == NULL)
        fprintf(stderr, "%s\n", err.text);
    return door;
}

static void judge(const keel_obs *obs)
{
    printf("  %d let in, %d answered, %d kept out, %llu keys refused\n", atomic_load(&let_in),
           atomic_load(&answered), atomic_load(&kept_out),
           (unsigned long long)keel_counted(obs, "keys_refused"));
    keel_verdict(atomic_load(&let_in) > GOOD, "who has a key came in again and again");
    keel_verdict(atomic_load(&answered) == atomic_load(&let_in), "and was answered each time");
    keel_verdict(atomic_load(&kept_out) >= BAD, "who has none stayed outside");
    keel_verdict(atomic_load(&wrong) == 0, "nobody was treated as somebody else");
    keel_verdict(keel_counted(obs, "keys_refused") >= BAD, "the key check counted the refusals");
    keel_verdict(keel_counted(obs, "keys_loaded") > 4, "keys that came and went were seen");
}

int main(void)
{
    const int seconds = getenv("KEEL_LONG") != NULL ? SECONDS_LONG : SECONDS;
    static visitor visitors[GOOD + BAD];
    pthread_t turning, tending;
    char command[64];
    if (mkdtemp(dir) == NULL)
        return 1;
    keel_obs *obs = keel_obs_new("relay", KEEL_LOG_ERROR, stderr, wall, NULL);
    relay_door *door = open_door(obs);
    if (door == NULL || pthread_create(&turning, NULL, turn_door, door) != 0 ||
        pthread_create(&tending, NULL, tend_keys, NULL) != 0)
        return 1;
    for (int i = 0; i < GOOD + BAD; i++) {
        dress(&visitors[i], i);
        if (pthread_create(&visitors[i].thread, NULL, visit, &visitors[i]) != 0)
            return 1;
    }
    const struct timespec pause = {.tv_sec = seconds};
    nanosleep(&pause, NULL);
    atomic_store(&leaving, true);
    for (int i = 0; i < GOOD + BAD; i++)
        pthread_join(visitors[i].thread, NULL);
    pthread_join(tending, NULL);
    atomic_store(&closing, true); /* not before: nobody waits for an answer in vain */
    pthread_join(turning, NULL);
    relay_door_close(&door);
    judge(obs);
    keel_obs_free(&obs);
    snprintf(command, sizeof command, "rm -rf %s", dir);
    keel_verdict(system(command) == 0, "its files are gone");
    return keel_verdicts_end();
}
