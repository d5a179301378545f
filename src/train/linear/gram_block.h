/* SPDX-License-Identifier: Apache-2.0
 *
 * Exact blocks (G + R)[S, S] of the Gram matrix for many small sets S of items, without G.
 *
 * The most popular items, the head, have a dense Gram matrix among themselves. All other entries of a block are summed
 * over the users of its items outside the head, who are few: each such user's items in S are found through lists of
 * their users and through the head items in his history.
 *
 * Legend: X users × items, W = diag(user weights), G = XᵀWX, R = diag(ridge). Items are model positions.
 */
#ifndef TOPN_TRAIN_LINEAR_GRAM_BLOCK_H
#define TOPN_TRAIN_LINEAR_GRAM_BLOCK_H

#include "train/linear/system.h"

/* Size of the head that balances its memory and its misses of the cache against longer lists of users: a sixteenth of
 * the items, 2048 at least and 8192 at most, whose Gram matrix takes 256 MiB. */
uint32_t gram_head_size(uint32_t items);

/* Shared by all threads, read only. */
typedef struct gram_source {
    const linear_system *system;
    uint32_t head;        /* number of head items */
    uint16_t *head_of;    /* [items] place in the head, or NOT_HEAD */
    float *among;         /* [head × head] G of the head, both triangles */
    uint64_t *indptr;     /* [users + 1] */
    uint16_t *head_items; /* [indptr[users]] each user's head items, as places in the head */
    float *head_values;   /* [indptr[users]] their values in X */
    uint32_t most_users;  /* of an item outside the head */
} gram_source;

topn_status gram_source_create(topn_context *context, const linear_system *system, uint32_t most_head,
                               gram_source *out);
void gram_source_clear(gram_source *source);
/* Bytes of a source, without the threads' workers. */
uint64_t gram_source_bytes(const topn_data *data);

typedef struct gram_event {
    uint32_t next;  /* of the same user, or NO_EVENT */
    uint32_t local; /* place in S */
    float value;
} gram_event;

/* Room to work for one thread. */
typedef struct gram_worker {
    uint32_t *first;     /* [users] the user's last event in `events`, NO_EVENT between blocks */
    uint32_t *users;     /* [capacity] users met, in the order met */
    gram_event *events;  /* [capacity] */
    uint32_t *head_slot; /* [head] place in S, or NO_EVENT */
    gram_event *row;     /* [2 · size + 1] one user's items in S: outside the head, then in it */
} gram_worker;

/* For blocks of up to `size` items. */
topn_status gram_worker_create(topn_context *context, const gram_source *source, uint32_t size, gram_worker *out);
void gram_worker_clear(gram_worker *worker);
uint64_t gram_worker_bytes(const topn_data *data, uint32_t size);

/* Lower triangle of (G + R)[S, S], row-major [size × size]; S = members [size], all different. The same bits whatever
 * blocks came before. O(Σ_{s in S outside the head} |U_s| + the pairs found + size²). */
void gram_block_fill(const gram_source *source, gram_worker *worker, const uint32_t *members, uint32_t size, float *a);

#endif
