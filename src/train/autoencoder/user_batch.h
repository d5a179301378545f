/* SPDX-License-Identifier: Apache-2.0
 *
 * The users of a step, in a random order that the seed and the number of the pass over the data say.
 */
#ifndef TOPN_TRAIN_AUTOENCODER_USER_BATCH_H
#define TOPN_TRAIN_AUTOENCODER_USER_BATCH_H

#include "base/context.h"
#include "numeric/matrix.h"

typedef struct user_batch {
    const sparse_matrix *events; /* rows × items: the users' histories */
    uint32_t *rows;              /* [count] rows of `events` */
    size_t count;
    uint64_t seed;
    uint64_t pass;     /* over the data: from 0 */
    uint64_t place;    /* of the first row in the pass */
    uint64_t in_total; /* rows of a pass: pass·in_total + place + n is the number of example n */
    /* Of the rows of a pass what the network said of each when the sweep began, and where among them those of the batch
     * are [count]; or NULL. */
    const float *remembered;
    const uint64_t *places;
    bool drop;   /* dropout applies */
    bool sample; /* latent values are drawn; else their means */
    int threads;
} user_batch;

static inline uint64_t batch_example(const user_batch *batch, size_t n)
{
    return batch->pass * batch->in_total + batch->place + n;
}

static inline const uint32_t *batch_history(const user_batch *batch, size_t n, size_t *length)
{
    const uint64_t *indptr = batch->events->indptr + batch->rows[n];
    *length = (size_t)(indptr[1] - indptr[0]);
    return batch->events->indices + indptr[0];
}

#endif
