/* SPDX-License-Identifier: Apache-2.0 */
#include "pool.h"

#include <pthread.h>
#include <stdlib.h>

#include "exchange.h"

struct pool {
    void (*run)(exchange *);
    pthread_mutex_t lock;
    pthread_cond_t work;
    exchange *first, *last; /* that wait, under lock */
    bool stopping;          /* under lock */
    size_t count;           /* of threads that run */
    pthread_t threads[];    /* [count] */
};

static exchange *take(pool *from)
{
    pthread_mutex_lock(&from->lock);
    while (!from->first && !from->stopping)
        pthread_cond_wait(&from->work, &from->lock);
    exchange *taken = from->first;
    if (taken)
        from->first = taken->next;
    pthread_mutex_unlock(&from->lock);
    return taken;
}

static void *serve(void *data)
{
    pool *of = data;
    for (exchange *taken = take(of); taken; taken = take(of))
        of->run(taken);
    return NULL;
}

bool pool_push(pool *to, exchange *waiting)
{
    pthread_mutex_lock(&to->lock);
    const bool taken = !to->stopping;
    if (taken) {
        waiting->next = NULL;
        if (to->first)
            to->last->next = waiting;
        else
            to->first = waiting;
        to->last = waiting;
        pthread_cond_signal(&to->work);
    }
    pthread_mutex_unlock(&to->lock);
    return taken;
}

void pool_stop(pool *ended)
{
    pthread_mutex_lock(&ended->lock);
    ended->stopping = true;
    pthread_cond_broadcast(&ended->work);
    pthread_mutex_unlock(&ended->lock);
    for (; ended->count > 0; ended->count--)
        pthread_join(ended->threads[ended->count - 1], NULL);
}

void pool_free(pool *ended)
{
    if (!ended)
        return;
    pool_stop(ended);
    pthread_cond_destroy(&ended->work);
    pthread_mutex_destroy(&ended->lock);
    free(ended);
}

pool *pool_start(size_t threads, void (*run)(exchange *))
{
    pool *made = calloc(1, sizeof *made + threads * sizeof *made->threads);
    if (!made)
        return NULL;
    made->run = run;
    pthread_mutex_init(&made->lock, NULL);
    pthread_cond_init(&made->work, NULL);
    while (made->count < threads && pthread_create(&made->threads[made->count], NULL, serve, made) == 0)
        made->count++;
    if (made->count == threads)
        return made;
    pool_free(made);
    return NULL;
}
