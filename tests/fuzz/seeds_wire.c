/* seeds_wire DIR: one good input of each kind for fuzz_wire, so that it starts inside the
 * formats. */
#include "tests/support/wire_samples.h"

#include <stdio.h>
#include <stdlib.h>

enum { BUF = 1 << 20 };
static uint8_t bytes[BUF], frame[BUF];

static void write_seed(const char *dir, const char *name, int which, const uint8_t *data,
                       size_t len)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *file = fopen(path, "wb");
    if (file == NULL || fputc(which, file) == EOF || fwrite(data, 1, len, file) != len ||
        fclose(file) != 0) {
        perror(path);
        exit(1);
    }
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: seeds_wire DIR\n");
        return 2;
    }
    for (int i = 0; i < KEEL_SAMPLES; i++) {
        const size_t len = keel_sample_encode(&keel_samples[i], 2, bytes, BUF);
        const keel_envelope envelope = {.type = keel_samples[i].payload,
                                        .id = {"risk", 1, 1},
                                        .cause = {"feed", 1, 1},
                                        .trace_id = "row-1",
                                        .run_id = "demo",
                                        .step = 1,
                                        .payload = bytes,
                                        .payload_len = len};
        char name[96];
        size_t frame_len;
        write_seed(argv[1], keel_samples[i].name, i + 1, bytes, len);
        if (keel_wire_put_envelope(&envelope, frame, BUF, &frame_len) != KEEL_OK)
            return 1;
        snprintf(name, sizeof name, "envelope_%s", keel_samples[i].name);
        write_seed(argv[1], name, 0, frame, frame_len);
    }
    printf("%d seeds\n", 2 * KEEL_SAMPLES);
    return 0;
}
