/* SPDX-License-Identifier: Apache-2.0
 *
 * From the gradient of a batch's embeddings to notes of what the rows of the tables get.
 */
#include <string.h>

#include "base/memory.h"
#include "train/sampled/tower_batch.h"

/* Room for `count` notes. */
static topn_status reserve(topn_context *context, note_list *notes, size_t count)
{
    topn_status status = TOPN_OK;
    notes->count = count;
    if (count <= notes->room)
        return status;
    const size_t room = count + count / 4;
    notes->room = 0;
    TRY(RESIZE(context, room, &notes->rows));
    TRY(RESIZE(context, room, &notes->coefficients));
    TRY(RESIZE(context, room, &notes->index));
    notes->room = room;
done:
    return status;
}

/* dx [count × wide] from d_out, by way of the norm; before a network's backward its dφ [count × dimensions]. */
static void pull_rows(const tower *side, tower_batch *batch, const float *d_out, int threads)
{
    const size_t d = side->dimensions;
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (uint32_t n = 0; n < batch->count; n++) {
        const float *from = d_out + n * side->stride;
        float *to = batch->dphi ? batch->dphi + n * d : batch->dx + n * batch->wide;
        batch->dx[n * batch->wide + side->factors] = side->biases ? from[d] : 0;
        if (!side->normalize) {
            memcpy(to, from, d * sizeof *to);
            continue;
        }
        const float *unit = batch->unit + n * d;
        const double along = tower_dot(unit, from, d), norm = (double)batch->norms[n];
        for (size_t j = 0; j < d; j++)
            to[j] = norm > 0 ? (float)(((double)from[j] - along * (double)unit[j]) / norm) : 0;
    }
}

/* A factorisation machine's rows: x_k (dφ + dβ (S − x_k θ_k)), and x_k dβ. */
static topn_status pair_terms(topn_context *context, const tower *side, tower_batch *batch, size_t f, int threads)
{
    topn_status status = TOPN_OK;
    const note_list *notes = &batch->fields[f];
    const size_t d = side->factors, wide = batch->wide;
    if (notes->count > batch->term_room[f]) {
        batch->term_room[f] = 0;
        TRY(RESIZE(context, notes->room * wide, &batch->terms[f]));
        batch->term_room[f] = notes->room;
    }
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (size_t at = 0; at < notes->count; at++) {
        const float *sum = batch->x + notes->index[at] * wide, *dx = batch->dx + notes->index[at] * wide;
        const float *row = values_of(side, side->fields[f].table, notes->rows[at]), by = notes->coefficients[at];
        float *to = batch->terms[f] + at * wide;
        for (size_t j = 0; j < d; j++)
            to[j] = by * (dx[j] + dx[d] * (sum[j] - by * row[j]));
        to[d] = by * dx[d];
    }
done:
    return status;
}

static topn_status note_field(topn_context *context, const tower *side, tower_batch *batch, size_t f, const float *dx,
                              size_t stride, int threads, row_gradients *gradients)
{
    topn_status status;
    const tower_field *field = &side->fields[f];
    note_list *notes = &batch->fields[f];
    size_t count = 0, to = 0;
    if (!field->rows && !side->pairs)
        return row_gradients_note(context, gradients, batch->count, batch->entities, NULL, dx, stride, NULL, true);
    for (uint32_t n = 0; n < batch->count; n++)
        count += describe(field->rows, batch->entities[n]).count;
    TRY(reserve(context, notes, count));
    for (uint32_t n = 0; n < batch->count; n++) {
        const described rows = describe(field->rows, batch->entities[n]);
        for (size_t place = 0; place < rows.count; place++) {
            notes->rows[to] = row_of(&rows, place);
            notes->coefficients[to] = x_of(&rows, place);
            notes->index[to++] = n;
        }
    }
    if (side->pairs) {
        TRY(pair_terms(context, side, batch, f, threads));
        TRY(row_gradients_note(context, gradients, count, notes->rows, NULL, batch->terms[f], batch->wide, NULL, true));
    } else {
        TRY(row_gradients_note(context, gradients, count, notes->rows, notes->coefficients, dx, stride, notes->index,
                               true));
    }
done:
    return status;
}

/* D of every group in place of its S. */
static void sum_gradients(const tower *side, tower_batch *batch, size_t b, const float *dx, size_t stride, int threads)
{
    const size_t width = stride < batch->wide ? stride : batch->wide;
    (void)side;
#pragma omp parallel for schedule(dynamic, 8) num_threads(threads) if (threads > 1)
    for (uint32_t group = 0; group < batch->group_count; group++) {
        float *sum = batch->sums[b] + (size_t)group * batch->wide;
        memset(sum, 0, batch->wide * sizeof *sum);
        for (uint32_t n = batch->groups[group]; n < batch->groups[group + 1]; n++)
            tower_add_scaled(sum, dx + n * stride, batch->shares[b][n].scale, width);
    }
}

static topn_status note_bag(topn_context *context, const tower *side, tower_batch *batch, size_t b, const float *dx,
                            size_t stride, int threads, row_gradients *gradients)
{
    topn_status status;
    const tower_bag *bag = &side->bags[b];
    const sparse_matrix *history = bag->history;
    note_list *notes = &batch->bags[b], *owns = &batch->owns[b];
    size_t count = 0, own_count = 0;
    sum_gradients(side, batch, b, dx, stride, threads);
    for (uint32_t group = 0; group < batch->group_count; group++) {
        const uint32_t entity = batch->entities[batch->groups[group]];
        count += (size_t)(history->indptr[entity + 1] - history->indptr[entity]);
    }
    for (uint32_t n = 0; n < batch->count; n++)
        own_count += batch->shares[b][n].own != 0 && batch->shares[b][n].scale != 0;
    TRY(reserve(context, notes, count));
    TRY(reserve(context, owns, own_count));
    count = own_count = 0;
    for (uint32_t group = 0; group < batch->group_count; group++) {
        const uint32_t entity = batch->entities[batch->groups[group]];
        for (uint64_t at = history->indptr[entity]; at < history->indptr[entity + 1]; at++) {
            notes->rows[count] = history->indices[at];
            notes->coefficients[count] = weight_at(bag, at);
            notes->index[count++] = group;
        }
    }
    for (uint32_t n = 0; n < batch->count; n++) {
        const bag_share share = batch->shares[b][n];
        if (share.own == 0 || share.scale == 0)
            continue;
        owns->rows[own_count] = batch->own[n];
        owns->coefficients[own_count] = -share.own * share.scale;
        owns->index[own_count++] = n;
    }
    TRY(row_gradients_note(context, gradients, count, notes->rows, notes->coefficients, batch->sums[b], batch->wide,
                           notes->index, true));
    TRY(row_gradients_note(context, gradients, own_count, owns->rows, owns->coefficients, dx, stride, owns->index,
                           false));
done:
    return status;
}

/* dx by way of the network, whose parameters' gradient is noted as that of a table of one row. */
static topn_status pull_network(topn_context *context, const tower *side, tower_batch *batch, int threads,
                                row_gradients *gradients)
{
    static const uint32_t row = 0;
    layer_gradients_begin(batch->network_gradients);
    layer_backward(side->network, batch->network, batch->dphi, side->dimensions, threads, batch->dx, batch->wide,
                   batch->network_gradients);
    return row_gradients_note(context, gradients, 1, &row, NULL, batch->network_gradients->values,
                              side->network->parameters, NULL, true);
}

topn_status tower_backward(topn_context *context, const tower *side, tower_batch *batch, const float *d_out,
                           int threads, row_gradients *const *gradients)
{
    topn_status status = TOPN_OK;
    const float *dx = d_out;
    size_t stride = side->stride;
    if (batch->dx) {
        pull_rows(side, batch, d_out, threads);
        if (side->network)
            TRY(pull_network(context, side, batch, threads, gradients[side->network_table]));
        dx = batch->dx;
        stride = batch->wide;
    }
    for (size_t f = 0; f < side->field_count; f++)
        TRY(note_field(context, side, batch, f, dx, stride, threads, gradients[side->fields[f].table]));
    for (size_t b = 0; b < side->bag_count; b++)
        TRY(note_bag(context, side, batch, b, dx, stride, threads, gradients[side->bags[b].table]));
done:
    return status;
}
