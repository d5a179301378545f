/* SPDX-License-Identifier: Apache-2.0 */
#include "train/linear/gram_block.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

static const uint16_t NOT_HEAD = UINT16_MAX;
static const uint32_t NO_EVENT = UINT32_MAX;

uint32_t gram_head_size(uint32_t items)
{
    const uint32_t share = items / 16;
    return share < 2048 ? 2048 : share > 8192 ? 8192 : share;
}

static uint64_t events_of(const sparse_matrix *xt, uint32_t item)
{
    return xt->indptr[item + 1] - xt->indptr[item];
}

/* Number of events from which on an item belongs to the head: as few as leave at most `most` items in it. */
static uint64_t head_bound(const uint64_t *counts, uint32_t items, uint64_t *histogram, uint64_t users, uint32_t most)
{
    for (uint32_t item = 0; item < items; item++)
        histogram[counts[item]]++;
    uint64_t bound = users + 1, taken = 0;
    while (bound > 1 && taken + histogram[bound - 1] <= most)
        taken += histogram[--bound];
    return bound;
}

static topn_status choose_head(topn_context *context, gram_source *source, uint32_t most)
{
    topn_status status;
    const sparse_matrix *xt = &source->system->xt;
    uint64_t *histogram = NULL; /* [users + 1] */
    uint64_t *counts = NULL;    /* [items] */
    TRY(ALLOCATE(context, xt->rows, &source->head_of));
    TRY(ALLOCATE(context, xt->rows, &counts));
    TRY(ALLOCATE_ZEROED(context, (size_t)xt->columns + 1, &histogram));
    for (uint32_t item = 0; item < xt->rows; item++)
        counts[item] = events_of(xt, item);
    const uint64_t bound = head_bound(counts, xt->rows, histogram, xt->columns, most);
    for (uint32_t item = 0; item < xt->rows; item++) {
        const bool in_head = counts[item] >= bound;
        source->head_of[item] = in_head ? (uint16_t)source->head++ : NOT_HEAD;
        if (!in_head && counts[item] > source->most_users)
            source->most_users = (uint32_t)counts[item];
    }
done:
    free(histogram);
    free(counts);
    return status;
}

/* The histories without what lies outside the head. */
static topn_status keep_head_events(topn_context *context, gram_source *source)
{
    topn_status status;
    const sparse_matrix *x = &source->system->x;
    uint64_t to = 0;
    TRY(ALLOCATE(context, (size_t)x->rows + 1, &source->indptr));
    for (uint64_t at = 0; at < x->indptr[x->rows]; at++)
        to += source->head_of[x->indices[at]] != NOT_HEAD;
    TRY(ALLOCATE(context, to, &source->head_items));
    TRY(ALLOCATE(context, to, &source->head_values));
    to = 0;
    for (uint32_t user = 0; user < x->rows; user++) {
        source->indptr[user] = to;
        for (uint64_t at = x->indptr[user]; at < x->indptr[user + 1]; at++) {
            const uint16_t place = source->head_of[x->indices[at]];
            if (place == NOT_HEAD)
                continue;
            source->head_items[to] = place;
            source->head_values[to++] = x->values[at];
        }
    }
    source->indptr[x->rows] = to;
done:
    return status;
}

static topn_status head_gram(topn_context *context, gram_source *source)
{
    topn_status status;
    const sparse_matrix *xt = &source->system->xt;
    TRY(ALLOCATE_ZEROED(context, (size_t)source->head * source->head, &source->among));
#pragma omp parallel for num_threads(context->threads) schedule(dynamic, 64)
    for (uint32_t item = 0; item < xt->rows; item++) {
        if (source->head_of[item] == NOT_HEAD)
            continue;
        float *row = source->among + (size_t)source->head_of[item] * source->head;
        for (uint64_t at = xt->indptr[item]; at < xt->indptr[item + 1]; at++) {
            const uint32_t user = xt->indices[at];
            const float scale = (float)(source->system->user_weights[user] * xt->values[at]);
            for (uint64_t other = source->indptr[user]; other < source->indptr[user + 1]; other++)
                row[source->head_items[other]] += scale * source->head_values[other];
        }
    }
done:
    return status;
}

topn_status gram_source_create(topn_context *context, const linear_system *system, uint32_t most_head, gram_source *out)
{
    topn_status status;
    *out = (gram_source){.system = system};
    TRY(choose_head(context, out, most_head));
    TRY(keep_head_events(context, out));
    TRY(head_gram(context, out));
    return TOPN_OK;
done:
    gram_source_clear(out);
    return status;
}

void gram_source_clear(gram_source *source)
{
    free(source->head_of);
    free(source->among);
    free(source->indptr);
    free(source->head_items);
    free(source->head_values);
    *source = (gram_source){0};
}

uint64_t gram_source_bytes(const topn_data *data)
{
    const uint64_t items = data->matrix.columns, most = gram_head_size(data->matrix.columns),
                   head = items < most ? items : most;
    return head * head * sizeof(float) + items * (sizeof(uint16_t) + sizeof(uint64_t)) +
           data->matrix.rows * sizeof(uint64_t) +
           data->matrix.indptr[data->matrix.rows] * (sizeof(uint16_t) + sizeof(float));
}

topn_status gram_worker_create(topn_context *context, const gram_source *source, uint32_t size, gram_worker *out)
{
    topn_status status;
    const uint32_t users = source->system->x.rows;
    const size_t capacity = (size_t)source->most_users * size;
    *out = (gram_worker){0};
    TRY(ALLOCATE(context, users, &out->first));
    TRY(ALLOCATE(context, capacity < users ? capacity : users, &out->users));
    TRY(ALLOCATE(context, capacity, &out->events));
    TRY(ALLOCATE(context, source->head, &out->head_slot));
    TRY(ALLOCATE(context, 2 * (size_t)size + 1, &out->row));
    memset(out->first, 0xff, users * sizeof *out->first);
    memset(out->head_slot, 0xff, source->head * sizeof *out->head_slot);
    return TOPN_OK;
done:
    gram_worker_clear(out);
    return status;
}

void gram_worker_clear(gram_worker *worker)
{
    free(worker->first);
    free(worker->users);
    free(worker->events);
    free(worker->head_slot);
    free(worker->row);
    *worker = (gram_worker){0};
}

static inline float *entry(float *a, uint32_t size, uint32_t one, uint32_t other)
{
    return one > other ? &a[(size_t)one * size + other] : &a[(size_t)other * size + one];
}

/* Entries of the items in the head, whose places in S become known; the rest of the lower triangle is set to 0. */
static void fill_head(const gram_source *source, gram_worker *worker, const uint32_t *members, uint32_t size, float *a)
{
    for (uint32_t r = 0; r < size; r++) {
        const uint16_t place = source->head_of[members[r]];
        float *row = a + (size_t)r * size;
        memset(row, 0, ((size_t)r + 1) * sizeof *row);
        if (place == NOT_HEAD)
            continue;
        worker->head_slot[place] = r;
        const float *from = source->among + (size_t)place * source->head;
        for (uint32_t c = 0; c <= r; c++)
            if (source->head_of[members[c]] != NOT_HEAD)
                row[c] = from[source->head_of[members[c]]];
    }
}

/* Lists by user of the events of items outside the head; gives the number of users met. */
static uint32_t list_events(const gram_source *source, gram_worker *worker, const uint32_t *members, uint32_t size)
{
    const sparse_matrix *xt = &source->system->xt;
    uint32_t users = 0, events = 0;
    for (uint32_t local = 0; local < size; local++) {
        const uint32_t item = members[local];
        if (source->head_of[item] != NOT_HEAD)
            continue;
        for (uint64_t at = xt->indptr[item]; at < xt->indptr[item + 1]; at++) {
            const uint32_t user = xt->indices[at];
            if (worker->first[user] == NO_EVENT)
                worker->users[users++] = user;
            worker->events[events] = (gram_event){worker->first[user], local, xt->values[at]};
            worker->first[user] = events++;
        }
    }
    return users;
}

/* Adds what one user gives to the pairs of which at least one is outside the head, and empties his list. */
static void add_user(const gram_source *source, gram_worker *worker, uint32_t user, uint32_t size, float *a)
{
    gram_event *tail = worker->row, *head = worker->row + size;
    uint32_t tail_count = 0, head_count = 0;
    for (uint32_t at = worker->first[user]; at != NO_EVENT; at = worker->events[at].next)
        tail[tail_count++] = worker->events[at];
    worker->first[user] = NO_EVENT;
    for (uint64_t at = source->indptr[user]; at < source->indptr[user + 1]; at++) {
        const uint32_t slot = worker->head_slot[source->head_items[at]];
        head[head_count] = (gram_event){0, slot, source->head_values[at]};
        head_count += slot != NO_EVENT;
    }
    const float weight = (float)source->system->user_weights[user];
    for (uint32_t i = 0; i < tail_count; i++) {
        const float scale = weight * tail[i].value;
        for (uint32_t j = i; j < tail_count; j++) /* the list runs from the last place in S to the first */
            a[(size_t)tail[i].local * size + tail[j].local] += scale * tail[j].value;
        for (uint32_t j = 0; j < head_count; j++)
            *entry(a, size, tail[i].local, head[j].local) += scale * head[j].value;
    }
}

void gram_block_fill(const gram_source *source, gram_worker *worker, const uint32_t *members, uint32_t size, float *a)
{
    fill_head(source, worker, members, size, a);
    const uint32_t users = list_events(source, worker, members, size);
    for (uint32_t at = 0; at < users; at++)
        add_user(source, worker, worker->users[at], size, a);
    for (uint32_t r = 0; r < size; r++) {
        a[(size_t)r * size + r] += (float)source->system->ridge[members[r]];
        if (source->head_of[members[r]] != NOT_HEAD)
            worker->head_slot[source->head_of[members[r]]] = NO_EVENT;
    }
}

uint64_t gram_worker_bytes(const topn_data *data, uint32_t size)
{
    /* More items than the head has room for have as many users as the most popular one outside the head. */
    const sparse_matrix *x = &data->matrix;
    const uint64_t head = gram_head_size(x->columns), users = x->columns > head ? x->indptr[x->rows] / head : 0;
    return x->rows * 2 * sizeof(uint32_t) + head * sizeof(uint32_t) + size * (users + 2) * sizeof(gram_event);
}
