/* seeds_snapshots DIR: snapshots of each engine at several steps, as fuzz_snapshots wants them. */
#include "common/base/assert.h"
#include "tests/fuzz/engines.h"

#include <stdio.h>
#include <stdlib.h>

static uint8_t bytes[FUZZ_SNAPSHOT_MAX];

static void write_seed(const char *dir, int which, int step, size_t len)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s_%02d", dir, fuzz_engines[which].name, step);
    FILE *file = fopen(path, "wb");
    if (file == NULL || fputc(which, file) == EOF || fwrite(bytes, 1, len, file) != len ||
        fclose(file) != 0) {
        perror(path);
        exit(1);
    }
}

int main(int argc, char **argv)
{
    int n = 0;
    if (argc != 2) {
        fprintf(stderr, "usage: seeds_snapshots DIR\n");
        return 2;
    }
    fuzz_record();
    for (int e = 0; e < FUZZ_ENGINES; e++) {
        const fuzz_engine *is = &fuzz_engines[e];
        void *engine = is->make();
        for (int k = 0; k <= FUZZ_STEPS; k++) {
            size_t len;
            if (k > 0)
                is->step(engine, k);
            if (k > 4 && k % 4 != 0)
                continue;
            KEEL_ASSERT(is->save(engine, bytes, sizeof bytes, &len) == KEEL_OK);
            write_seed(argv[1], e, k, len);
            n++;
        }
        is->drop(engine);
    }
    printf("%d seeds\n", n);
    return 0;
}
