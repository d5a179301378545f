/* SPDX-License-Identifier: Apache-2.0 */
#include "rates.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <xxhash.h>

enum { SETS = 1024, WAYS = 8, LOCKS = 64 };

static const double microseconds = 1e6;

typedef struct bucket {
    uint64_t who; /* hash; 0: free */
    uint64_t last;
    double tokens;
} bucket;

struct rates {
    double rate, most;
    uint64_t salt; /* so that nobody can choose to share a slot */
    pthread_mutex_t locks[LOCKS];
    bucket buckets[SETS][WAYS];
};

rates *rates_create(double rate)
{
    rates *made = calloc(1, sizeof *made);
    if (!made)
        return NULL;
    made->rate = rate;
    made->most = rate > 1 ? rate : 1;
    if (getrandom(&made->salt, sizeof made->salt, GRND_NONBLOCK) != (ssize_t)sizeof made->salt)
        made->salt = (uint64_t)(uintptr_t)made;
    for (size_t i = 0; i < LOCKS; i++)
        pthread_mutex_init(&made->locks[i], NULL);
    return made;
}

void rates_free(rates *old)
{
    if (!old)
        return;
    for (size_t i = 0; i < LOCKS; i++)
        pthread_mutex_destroy(&old->locks[i]);
    free(old);
}

/* The bucket of that hash in its set [WAYS], put in the place of the quietest one when there is none. */
static bucket *find_bucket(const rates *of, bucket *set, uint64_t hash, uint64_t now)
{
    bucket *oldest = set;
    for (size_t i = 0; i < WAYS; i++) {
        if (set[i].who == hash)
            return &set[i];
        if (set[i].last < oldest->last)
            oldest = &set[i];
    }
    *oldest = (bucket){.who = hash, .last = now, .tokens = of->most};
    return oldest;
}

unsigned rates_take(rates *of, const char *who, uint64_t now)
{
    const uint64_t hash = XXH3_64bits_withSeed(who, strlen(who), of->salt) | 1;
    const size_t set = (hash >> 1) % SETS;
    unsigned wait = 0;
    pthread_mutex_lock(&of->locks[set % LOCKS]);
    bucket *own = find_bucket(of, of->buckets[set], hash, now);
    const double passed = now > own->last ? (double)(now - own->last) / microseconds : 0;
    own->tokens = fmin(of->most, own->tokens + passed * of->rate);
    own->last = now > own->last ? now : own->last;
    if (own->tokens >= 1)
        own->tokens -= 1;
    else
        wait = (unsigned)fmin(ceil((1 - own->tokens) / of->rate), 86400);
    pthread_mutex_unlock(&of->locks[set % LOCKS]);
    return wait;
}
