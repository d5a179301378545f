/* SPDX-License-Identifier: Apache-2.0 */
#include "retrieve/cache.h"

#include "base/memory.h"
#include "numeric/sparse.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

/* A transposition takes about as long as so many scans of the rows. */
enum { SCANS_PER_TRANSPOSITION = 16 };

struct retriever_cache {
    pthread_mutex_t lock;
    panel_table panel;      /* made under lock */
    sparse_matrix postings; /* made under lock */
    posting_bounds bounds;  /* made under lock */
    atomic_bool panel_ready, postings_ready, bounds_ready;
    atomic_uint scans; /* single-user scans that postings would have saved */
};

topn_status retriever_cache_create(topn_context *context, retriever_cache **out)
{
    const topn_status status = ALLOCATE_ZEROED(context, 1, out);
    if (status == TOPN_OK)
        pthread_mutex_init(&(*out)->lock, NULL);
    return status;
}

void retriever_cache_free(retriever_cache *cache)
{
    if (!cache)
        return;
    pthread_mutex_destroy(&cache->lock);
    panel_table_clear(&cache->panel);
    sparse_clear(&cache->postings);
    posting_bounds_clear(&cache->bounds);
    free(cache);
}

topn_status cache_panel(topn_context *context, const topn_retriever *retriever, const panel_table **out)
{
    retriever_cache *cache = retriever->cache;
    topn_status status = TOPN_OK;
    *out = &cache->panel;
    if (atomic_load(&cache->panel_ready))
        return TOPN_OK;
    pthread_mutex_lock(&cache->lock);
    if (!atomic_load(&cache->panel_ready)) {
        status = panel_table_create(context, &retriever->rows->sparse, &cache->panel);
        atomic_store(&cache->panel_ready, status == TOPN_OK);
    }
    pthread_mutex_unlock(&cache->lock);
    return status;
}

topn_status cache_make_postings(topn_context *context, const topn_retriever *retriever, const sparse_matrix **out)
{
    retriever_cache *cache = retriever->cache;
    topn_status status = TOPN_OK;
    *out = &cache->postings;
    if (atomic_load(&cache->postings_ready))
        return TOPN_OK;
    pthread_mutex_lock(&cache->lock);
    if (!atomic_load(&cache->postings_ready)) {
        status = sparse_transpose(context, &retriever->rows->sparse, &cache->postings);
        atomic_store(&cache->postings_ready, status == TOPN_OK);
    }
    pthread_mutex_unlock(&cache->lock);
    return status;
}

const sparse_matrix *cache_postings(const topn_retriever *retriever)
{
    retriever_cache *cache = retriever->cache;
    if (atomic_load(&cache->postings_ready))
        return &cache->postings;
    /* Exactly one caller sees the count that is enough; the others go on scanning. */
    if (atomic_load(&cache->scans) > SCANS_PER_TRANSPOSITION ||
        atomic_fetch_add(&cache->scans, 1) != SCANS_PER_TRANSPOSITION)
        return NULL;
    const sparse_matrix *postings;
    return cache_make_postings(NULL, retriever, &postings) == TOPN_OK ? postings : NULL;
}

const sparse_matrix *cache_ready_postings(const topn_retriever *retriever)
{
    return atomic_load(&retriever->cache->postings_ready) ? &retriever->cache->postings : NULL;
}

const posting_bounds *cache_bounds(const topn_retriever *retriever)
{
    retriever_cache *cache = retriever->cache;
    if (atomic_load(&cache->bounds_ready))
        return &cache->bounds;
    pthread_mutex_lock(&cache->lock);
    if (!atomic_load(&cache->bounds_ready))
        atomic_store(&cache->bounds_ready, posting_bounds_create(NULL, retriever->model, &retriever->rows->sparse,
                                                                 &cache->bounds) == TOPN_OK);
    pthread_mutex_unlock(&cache->lock);
    return atomic_load(&cache->bounds_ready) ? &cache->bounds : NULL;
}
