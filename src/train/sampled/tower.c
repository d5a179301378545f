/* SPDX-License-Identifier: Apache-2.0 */
#include "train/sampled/tower.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/threads.h"
#include "train/sampled/tower_batch.h"

enum { AHEAD = 6, LINE = 16 }; /* rows that are fetched ahead; floats of a cache line */

bool tower_is_plain(const tower *side)
{
    return side->field_count == 1 && !side->fields[0].rows && side->bag_count == 0 && !side->network &&
           !side->normalize && side->tables[side->fields[0].table].width == side->stride;
}

/* Adds the fields of an entity to x [wide], of which the last is β. */
static void add_fields(const tower *side, uint32_t entity, float *x)
{
    double bias = 0;
    bool first = true;
    for (size_t f = 0; f < side->field_count; f++) {
        const tower_field *field = &side->fields[f];
        const described rows = describe(field->rows, entity);
        const bool biased = has_bias(side, field->table);
        for (size_t place = 0; place < rows.count; place++) {
            const float *row = values_of(side, field->table, row_of(&rows, place)), by = x_of(&rows, place);
            if (side->pairs && !first) /* each row with the sum of those before it */
                bias += (double)by * tower_dot(x, row, side->factors);
            tower_add_scaled(x, row, by, side->factors);
            bias += biased ? (double)by * (double)row[side->factors] : 0;
            first = false;
        }
    }
    x[side->factors] += (float)bias;
}

/* S of the history of an entity, sum [wide]. */
static void sum_history(const tower *side, const tower_bag *bag, uint32_t entity, float *sum)
{
    const sparse_matrix *history = bag->history;
    const size_t width = side->factors + (has_bias(side, bag->table) ? 1 : 0);
    const uint64_t end = history->indptr[entity + 1];
    memset(sum, 0, (side->factors + 1) * sizeof *sum);
    for (uint64_t at = history->indptr[entity]; at < end; at++) {
        const float *ahead = values_of(side, bag->table, history->indices[at + AHEAD < end ? at + AHEAD : at]);
        for (size_t j = 0; j < width; j += LINE)
            __builtin_prefetch(ahead + j);
        tower_add_scaled(sum, values_of(side, bag->table, history->indices[at]), weight_at(bag, at), width);
    }
}

/* Place of the item in the entity's history, or UINT64_MAX. */
static uint64_t find_own(const sparse_matrix *history, uint32_t entity, uint32_t item)
{
    uint64_t begin = history->indptr[entity], end = history->indptr[entity + 1];
    while (begin < end) {
        const uint64_t middle = begin + (end - begin) / 2;
        if (history->indices[middle] == item)
            return middle;
        if (history->indices[middle] < item)
            begin = middle + 1;
        else
            end = middle;
    }
    return UINT64_MAX;
}

/* Adds the bag of example n of an entity, whose history sums to `sum`, to x [wide]. */
static void add_bag(const tower *side, const tower_bag *bag, uint32_t entity, const uint32_t *own, const float *sum,
                    bag_share *share, float *x)
{
    const sparse_matrix *history = bag->history;
    const size_t width = side->factors + (has_bias(side, bag->table) ? 1 : 0);
    const uint64_t at = bag->exclude_own && own ? find_own(history, entity, *own) : UINT64_MAX,
                   count = history->indptr[entity + 1] - history->indptr[entity] - (at != UINT64_MAX);
    share->own = at != UINT64_MAX ? weight_at(bag, at) : 0;
    share->scale = count > 0 ? (float)pow((double)count, -bag->exponent) : 0;
    if (count == 0)
        return;
    tower_add_scaled(x, sum, share->scale, width);
    if (share->own != 0)
        tower_add_scaled(x, values_of(side, bag->table, *own), -share->own * share->scale, width);
}

/* Fields and bags of the examples of one group into out, rows of `stride`. */
static void embed_group(const tower *side, tower_batch *batch, uint32_t group, float *out, size_t stride, float *row)
{
    const uint32_t begin = batch->groups[group], end = batch->groups[group + 1], entity = batch->entities[begin];
    for (size_t b = 0; b < side->bag_count; b++)
        sum_history(side, &side->bags[b], entity, batch->sums[b] + (size_t)group * batch->wide);
    for (uint32_t n = begin; n < end; n++) {
        memset(row, 0, batch->wide * sizeof *row);
        add_fields(side, entity, row);
        for (size_t b = 0; b < side->bag_count; b++)
            add_bag(side, &side->bags[b], entity, batch->has_own ? &batch->own[n] : NULL,
                    batch->sums[b] + (size_t)group * batch->wide, &batch->shares[b][n], row);
        memcpy(out + n * stride, row, stride * sizeof *out);
    }
}

/* Examples without bags are groups of their own. */
static void form_groups(const tower *side, tower_batch *batch)
{
    uint32_t groups = 0;
    for (uint32_t n = 0; n < batch->count; n++)
        if (n == 0 || side->bag_count == 0 || batch->entities[n] != batch->entities[n - 1])
            batch->groups[groups++] = n;
    batch->groups[groups] = batch->count;
    batch->group_count = groups;
}

/* Rows of one table as they stand. */
static void gather(const tower *side, uint32_t count, const uint32_t *entities, int threads, float *out)
{
    const parameter_table *table = &side->tables[side->fields[0].table];
    const size_t width = table->width;
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (uint32_t n = 0; n < count; n++) {
        const float *ahead = table->values + (size_t)entities[n + AHEAD < count ? n + AHEAD : n] * width;
        for (size_t j = 0; j < width; j += LINE)
            __builtin_prefetch(ahead + j);
        memcpy(out + n * width, table->values + (size_t)entities[n] * width, width * sizeof *out);
    }
}

/* out [count × stride] from x, which the network has been through, and the norm. */
static void finish_rows(const tower *side, tower_batch *batch, int threads, float *out)
{
    const size_t d = side->dimensions;
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (uint32_t n = 0; n < batch->count; n++) {
        const float *x = batch->x + n * batch->wide;
        float *phi = out + n * side->stride;
        if (!side->network)
            memcpy(phi, x, d * sizeof *phi);
        if (side->biases)
            phi[d] = x[side->factors];
        if (!side->normalize)
            continue;
        const double norm = sqrt(tower_dot(phi, phi, d));
        batch->norms[n] = (float)norm;
        for (size_t j = 0; j < d; j++)
            phi[j] = norm > 0 ? (float)((double)phi[j] / norm) : 0;
        memcpy(batch->unit + n * d, phi, d * sizeof *phi);
    }
}

topn_status tower_forward(topn_context *context, const tower *side, tower_batch *batch, uint32_t count,
                          const uint32_t *entities, const uint32_t *own, bool training, uint64_t first_example,
                          int threads, float *out)
{
    topn_status status = TOPN_OK;
    batch->count = count;
    batch->has_own = own != NULL;
    memcpy(batch->entities, entities, count * sizeof *entities);
    if (own)
        memcpy(batch->own, own, count * sizeof *own);
    if (tower_is_plain(side)) {
        gather(side, count, entities, threads, out);
        return status;
    }
    form_groups(side, batch);
    float *to = batch->needs_x ? batch->x : out, *rows = NULL; /* [threads × wide] */
    const size_t stride = batch->needs_x ? batch->wide : side->stride;
    TRY(ALLOCATE(context, (size_t)threads * batch->wide, &rows));
#pragma omp parallel for schedule(dynamic, 8) num_threads(threads) if (threads > 1)
    for (uint32_t group = 0; group < batch->group_count; group++)
        embed_group(side, batch, group, to, stride, rows + (size_t)(threads > 1 ? thread_index() : 0) * batch->wide);
    if (side->network)
        layer_forward(side->network, batch->network, count, batch->x, batch->wide, training, first_example, threads,
                      out, side->stride);
    if (batch->needs_x)
        finish_rows(side, batch, threads, out);
done:
    free(rows);
    return status;
}

topn_status tower_embed_all(topn_context *context, const tower *side, float *out)
{
    topn_status status;
    tower_batch *batch = NULL;
    uint32_t entities[EMBEDDED_AT_ONCE];
    const uint32_t most = side->entities < EMBEDDED_AT_ONCE ? side->entities : EMBEDDED_AT_ONCE;
    TRY(tower_batch_create(context, side, most, &batch));
    for (uint32_t begin = 0; begin < side->entities; begin += most) {
        const uint32_t count = side->entities - begin < most ? side->entities - begin : most;
        for (uint32_t n = 0; n < count; n++)
            entities[n] = begin + n;
        TRY(tower_forward(context, side, batch, count, entities, NULL, false, 0, context->threads,
                          out + (size_t)begin * side->stride));
    }
done:
    tower_batch_free(batch);
    return status;
}
