/* SPDX-License-Identifier: Apache-2.0
 *
 * Speed of reading delimited text on one core, beside a memchr scan of the same bytes:
 *
 *     build/release/bench/parse [FILE [THREADS]]
 *
 * Without FILE it makes one: 4 million lines user,item,rating,time in the shape of film ratings. Figures are the best
 * of seven runs, in CPU seconds of the calling thread when THREADS is 1, else in wall-clock seconds.
 */
#include <topn/topn.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { RUNS = 7, LINES = 4000000, USERS = 140000, ITEMS = 27000 };

static int thread_count = 1;

static double seconds(void)
{
    struct timespec now;
    clock_gettime(thread_count == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Small generator of repeatable numbers (splitmix64). */
static uint64_t next_number(uint64_t *state)
{
    uint64_t word = *state += UINT64_C(0x9e3779b97f4a7c15);
    word = (word ^ word >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    word = (word ^ word >> 27) * UINT64_C(0x94d049bb133111eb);
    return word ^ word >> 31;
}

static int make_file(const char *path)
{
    FILE *file = fopen(path, "w");
    uint64_t state = 1;
    if (!file)
        return -1;
    fprintf(file, "userId,movieId,rating,timestamp\n");
    for (uint64_t line = 0; line < LINES; line++) {
        const uint64_t first = next_number(&state) % ITEMS, second = next_number(&state) % ITEMS;
        fprintf(file, "%llu,%llu,%.1f,%llu\n", (unsigned long long)(1 + line * USERS / LINES),
                (unsigned long long)(1 + first * second / ITEMS), (double)(1 + next_number(&state) % 10) / 2.0,
                (unsigned long long)(900000000 + next_number(&state) % 600000000));
    }
    return fclose(file);
}

typedef struct marks {
    double begin, parsed;
} marks;

/* Notes when the last byte has been parsed. */
static bool note(const topn_progress *progress, void *data)
{
    marks *at = data;
    if (strcmp(progress->stage, "read") == 0)
        at->parsed = seconds();
    return true;
}

/* Lines of the file, found by memchr alone: what reading every byte once costs. */
static double scan(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return -1;
    fseek(file, 0, SEEK_END);
    *size = (size_t)ftell(file);
    rewind(file);
    char *bytes = malloc(*size);
    const bool whole = bytes && fread(bytes, 1, *size, file) == *size;
    fclose(file);
    double best = -1;
    for (int run = 0; whole && run < RUNS; run++) {
        const double begin = seconds();
        size_t lines = 0;
        for (const char *at = bytes; (at = memchr(at, '\n', (size_t)(bytes + *size - at))); at++)
            lines++;
        const double taken = seconds() - begin;
        best = lines > 0 && (best < 0 || taken < best) ? taken : best;
    }
    free(bytes);
    return best;
}

static int measure(topn_context *context, const char *path)
{
    double parse = -1, all = -1;
    size_t size = 0;
    marks at;
    topn_data *data = NULL;
    const double scanned = scan(path, &size);
    topn_context_set_progress(context, note, &at);
    for (int run = 0; run < RUNS; run++) {
        topn_data_free(data);
        at.begin = seconds();
        if (topn_data_read(context, path, NULL, &data) != TOPN_OK) {
            fprintf(stderr, "%s\n", topn_context_message(context));
            return 1;
        }
        const double parsed = at.parsed - at.begin, taken = seconds() - at.begin;
        parse = parse < 0 || parsed < parse ? parsed : parse;
        all = all < 0 || taken < all ? taken : all;
    }
    const double megabytes = 1e-6 * (double)size;
    printf("file              %.1f MB, %u users, %u items, %llu events\n", megabytes, topn_data_users(data),
           topn_data_items(data), (unsigned long long)topn_data_events(data));
    printf("threads           %d\n", topn_context_threads(context));
    printf("memchr, 1 thread  %.0f MB/s\n", megabytes / scanned);
    printf("parse             %.0f MB/s\n", megabytes / parse);
    printf("parse to data     %.0f MB/s (ids sorted, rows sorted, duplicates merged, fingerprint)\n", megabytes / all);
    topn_data_free(data);
    return 0;
}

int main(int count, char **arguments)
{
    char made[] = "/tmp/topn-bench-XXXXXX";
    const char *path = count > 1 ? arguments[1] : made;
    topn_context *context;
    topn_options *options;
    if (count > 2)
        thread_count = atoi(arguments[2]);
    char threads[16];
    snprintf(threads, sizeof threads, "%d", thread_count);
    if (topn_context_create(&context) != TOPN_OK ||
        topn_options_create(context, TOPN_KIND_CONTEXT, "context", &options) != TOPN_OK ||
        topn_options_set(context, options, "threads", threads) != TOPN_OK ||
        topn_context_apply(context, options) != TOPN_OK)
        return 1;
    if (path == made) {
        const int descriptor = mkstemp(made);
        if (descriptor < 0 || close(descriptor) != 0 || make_file(path) != 0) {
            perror(path);
            return 1;
        }
    }
    const int code = measure(context, path);
    if (path == made)
        unlink(path);
    topn_options_free(options);
    topn_context_free(context);
    return code;
}
