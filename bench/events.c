/* SPDX-License-Identifier: Apache-2.0
 *
 * Events acknowledged a second by the server's writer, with 1, 8 and 64 senders that each wait for one event to be on
 * disk before they send the next; the time of a history read meanwhile; and, for a file, the disk's own time of a sync.
 *
 * usage: bench/events STORE [SECONDS]
 */
#include "server/writer.h"

#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { MOST_SENDERS = 64, MOST_TIMES = 1 << 20, USERS = 100000, ITEMS = 20000, SYNCS = 200 };

typedef struct sender {
    pthread_t thread;
    writer *to;
    unsigned random;
    pthread_mutex_t lock;
    pthread_cond_t came;
    bool answered;
    store_status status;
    double *times; /* [MOST_TIMES / MOST_SENDERS] seconds to the acknowledgement */
    size_t count, failed;
} sender;

static double until; /* senders stop then */

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static unsigned draw(unsigned *random, unsigned below)
{
    *random = *random * 1664525u + 1013904223u;
    return (*random >> 8) % below;
}

static void acknowledge(store_status status, bool repeated, const char *message, void *user_data)
{
    sender *self = user_data;
    (void)repeated;
    (void)message;
    pthread_mutex_lock(&self->lock);
    self->answered = true;
    self->status = status;
    pthread_cond_signal(&self->came);
    pthread_mutex_unlock(&self->lock);
}

static void *send_events(void *data)
{
    sender *self = data;
    for (double start = now(); start < until; start = now()) {
        char user[24], item[24];
        snprintf(user, sizeof user, "user%u", draw(&self->random, USERS));
        snprintf(item, sizeof item, "item%u", draw(&self->random, ITEMS));
        const stored_event event = {
            .user = user, .item = item, .weight = 1, .time = 1700000000 + (int64_t)self->count, .kind = "click"};
        self->answered = false;
        if (!writer_submit(self->to, &event, 1, NULL, 0, acknowledge, self)) {
            self->failed++;
            continue;
        }
        pthread_mutex_lock(&self->lock);
        while (!self->answered)
            pthread_cond_wait(&self->came, &self->lock);
        pthread_mutex_unlock(&self->lock);
        self->failed += self->status != STORE_OK;
        if (self->count < MOST_TIMES / MOST_SENDERS)
            self->times[self->count++] = now() - start;
    }
    return NULL;
}

static int ascending(const void *a, const void *b)
{
    const double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static void ignore_event(const stored_event *event, void *user_data)
{
    (void)event;
    (void)user_data;
}

/* Reads histories of random users until the senders stop; the median and the 99th percentile of the seconds. */
static void read_histories(store *reader, double *times, double *median, double *p99)
{
    unsigned random = 99;
    size_t count = 0;
    while (now() < until && count < MOST_TIMES) {
        char user[24];
        snprintf(user, sizeof user, "user%u", draw(&random, USERS));
        const double start = now();
        store_history(reader, user, 0, 1000, ignore_event, NULL);
        times[count++] = now() - start;
        usleep(1000);
    }
    qsort(times, count, sizeof *times, ascending);
    *median = count ? times[count / 2] : 0;
    *p99 = count ? times[count * 99 / 100] : 0;
}

static void measure(writer *to, store *reader, int senders, double seconds)
{
    static sender all[MOST_SENDERS];
    static double times[MOST_TIMES];
    size_t count = 0, failed = 0;
    double median, p99;
    const writer_figures before = writer_read_figures(to);
    const double start = now();
    until = start + seconds;
    for (int i = 0; i < senders; i++) {
        double *kept = all[i].times ? all[i].times : malloc(MOST_TIMES / MOST_SENDERS * sizeof(double));
        all[i] = (sender){.to = to, .random = (unsigned)(i * 7919 + senders), .times = kept};
        pthread_mutex_init(&all[i].lock, NULL);
        pthread_cond_init(&all[i].came, NULL);
        pthread_create(&all[i].thread, NULL, send_events, &all[i]);
    }
    read_histories(reader, times, &median, &p99);
    for (int i = 0; i < senders; i++)
        pthread_join(all[i].thread, NULL);
    const double took = now() - start;
    for (int i = 0; i < senders; i++) {
        memcpy(times + count, all[i].times, all[i].count * sizeof *times);
        count += all[i].count;
        failed += all[i].failed;
    }
    qsort(times, count, sizeof *times, ascending);
    const writer_figures after = writer_read_figures(to);
    printf("%2d senders: %7.0f events/s acknowledged, %5.0f commits/s, acknowledged after %.2f ms (p99 %.2f); "
           "histories read in %.0f us (p99 %.0f); failed %zu\n",
           senders, (double)(after.written - before.written) / took, (double)(after.commits - before.commits) / took,
           count ? times[count / 2] * 1e3 : 0, count ? times[count * 99 / 100] * 1e3 : 0, median * 1e6, p99 * 1e6,
           failed);
    fflush(stdout);
}

/* A page written and synced, over and over, beside the store. */
static void measure_sync(const char *where)
{
    static char page[4096], path[4096];
    double times[SYNCS];
    snprintf(path, sizeof path, "%s.sync", where);
    const int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0)
        return;
    for (int i = 0; i < SYNCS; i++) {
        const double start = now();
        if (pwrite(file, page, sizeof page, (off_t)i * 4096) != sizeof page || fdatasync(file) != 0)
            break;
        times[i] = now() - start;
    }
    close(file);
    unlink(path);
    qsort(times, SYNCS, sizeof *times, ascending);
    printf("a page written and synced: median %.2f ms, p99 %.2f ms\n", times[SYNCS / 2] * 1e3,
           times[SYNCS * 99 / 100] * 1e3);
}

int main(int argc, char **argv)
{
    static const int senders[] = {1, 8, 64};
    const double seconds = argc > 2 ? atof(argv[2]) : 10;
    char why[512];
    writer *to = NULL;
    store *reader = NULL;
    if (argc < 2 || seconds <= 0) {
        fputs("usage: bench/events STORE [SECONDS]\n", stderr);
        return 2;
    }
    if (!strstr(argv[1], "://"))
        measure_sync(argv[1]);
    if (writer_start(argv[1], 100000, &to, why, sizeof why) != STORE_OK ||
        store_open(argv[1], &reader, why, sizeof why) != STORE_OK) {
        fprintf(stderr, "%s\n", why);
        return 1;
    }
    for (size_t i = 0; i < sizeof senders / sizeof *senders; i++)
        measure(to, reader, senders[i], seconds);
    uint64_t count = 0;
    struct stat about;
    writer_stop(to);
    store_count(reader, &count);
    store_close(reader);
    if (!strstr(argv[1], "://") && stat(argv[1], &about) == 0)
        printf("%" PRIu64 " events in %.1f MB: %.0f bytes an event\n", count, (double)about.st_size / 1e6,
               (double)about.st_size / (double)count);
    return 0;
}
