/* The C half of the comparison with Python's protobuf; python_roundtrip.py drives it.
 *
 *   python_roundtrip write DIR    one <name>.<type>.bin and .json per message, n = 14
 *   python_roundtrip same DIR     every <name>.<type>.bin of DIR decodes, and encodes to the same
 *                                 bytes as the sample
 *   python_roundtrip check DIR    every *.<type>.bin of DIR is accepted
 *   python_roundtrip sizes DIR    name, bytes for 14 instruments, bytes for 100, JSON for 2:
 *                                 what docs/messages.md shows
 */
#include "tests/support/wire_samples.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BUF = 4 << 20, N = 14 };
static uint8_t sample_bytes[BUF], bytes[BUF];
static char text[BUF];
static keel_arena arena;
static int passed, failed;

static void count(bool good, const char *what, const char *name)
{
    passed += good;
    failed += !good;
    if (!good)
        printf("failed: %s %s\n", what, name);
}

static void write_file(const char *dir, const char *name, int type, const char *suffix,
                       const void *data, size_t len)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s.%d.%s", dir, name, type, suffix);
    FILE *file = fopen(path, "wb");
    if (file == NULL || fwrite(data, 1, len, file) != len || fclose(file) != 0) {
        perror(path);
        exit(1);
    }
}

static size_t read_file(const char *dir, const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        exit(1);
    }
    const size_t len = fread(bytes, 1, BUF, file);
    fclose(file);
    return len;
}

static void write_all(const char *dir)
{
    for (int i = 0; i < KEEL_SAMPLES; i++) {
        const keel_sample_ops *sample = &keel_samples[i];
        const size_t len = keel_sample_encode(sample, N, sample_bytes, BUF);
        keel_arena_reset(&arena);
        const keel_status status =
            keel_wire_json(&arena, sample->payload, sample_bytes, len, text, BUF);
        count(status == KEEL_OK, "json", sample->name);
        write_file(dir, sample->name, (int)sample->payload, "bin", sample_bytes, len);
        write_file(dir, sample->name, (int)sample->payload, "json", text, strlen(text));
    }
}

static void same_all(const char *dir)
{
    static union {
        max_align_t align;
        uint8_t bytes[KEEL_SAMPLE_STRUCT_MAX];
    } plain;
    static uint8_t again[BUF];
    for (int i = 0; i < KEEL_SAMPLES; i++) {
        const keel_sample_ops *sample = &keel_samples[i];
        char name[96];
        snprintf(name, sizeof name, "%s.%d.bin", sample->name, (int)sample->payload);
        const size_t want = keel_sample_encode(sample, N, sample_bytes, BUF);
        const size_t len = read_file(dir, name);
        size_t got = 0;
        keel_arena_reset(&arena);
        count(sample->get(&arena, bytes, len, &plain) == KEEL_OK, "get", sample->name);
        count(sample->put(&plain, again, BUF, &got) == KEEL_OK, "put", sample->name);
        count(got == want && memcmp(again, sample_bytes, want) == 0, "same", sample->name);
    }
}

static void check_all(const char *dir)
{
    DIR *open = opendir(dir);
    if (open == NULL) {
        perror(dir);
        exit(1);
    }
    for (const struct dirent *entry = readdir(open); entry != NULL; entry = readdir(open)) {
        const char *end = strstr(entry->d_name, ".bin");
        const char *type = strchr(entry->d_name, '.');
        if (end == NULL || type == NULL)
            continue;
        const size_t len = read_file(dir, entry->d_name);
        keel_arena_reset(&arena);
        const keel_status status =
            keel_wire_check(&arena, (keel_payload)atoi(type + 1), bytes, len);
        count(status == KEEL_OK, keel_status_name(status), entry->d_name);
    }
    closedir(open);
}

static void sizes_all(void)
{
    for (int i = 0; i < KEEL_SAMPLES; i++) {
        const keel_sample_ops *sample = &keel_samples[i];
        const size_t small = keel_sample_encode(sample, 14, bytes, BUF);
        const size_t large = keel_sample_encode(sample, 100, bytes, BUF);
        const size_t len = keel_sample_encode(sample, 2, bytes, BUF);
        keel_arena_reset(&arena);
        count(keel_wire_json(&arena, sample->payload, bytes, len, text, BUF) == KEEL_OK, "json",
              sample->name);
        printf("%-20s %7zu %7zu %s\n", keel_payload_name(sample->payload), small, large, text);
    }
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: python_roundtrip write|same|check|sizes DIR\n");
        return 2;
    }
    keel_arena_init(&arena, 16 << 20);
    if (strcmp(argv[1], "write") == 0)
        write_all(argv[2]);
    else if (strcmp(argv[1], "same") == 0)
        same_all(argv[2]);
    else if (strcmp(argv[1], "check") == 0)
        check_all(argv[2]);
    else
        sizes_all();
    keel_arena_fini(&arena);
    printf("%d passed, %d failed\n", passed, failed);
    return passed > 0 && failed == 0 ? 0 : 1;
}
