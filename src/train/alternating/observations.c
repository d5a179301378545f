/* SPDX-License-Identifier: Apache-2.0 */
#include "train/alternating/observations.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "numeric/sparse.h"

/* (events of an entity)^−exponent, scaled so that the mean over events is 1; counts [count]. Returns the scale. */
static double weights_of_counts(const uint64_t *counts, uint32_t count, double exponent, float *out)
{
    double events = 0, sum = 0;
    for (uint32_t at = 0; at < count; at++) {
        events += (double)counts[at];
        sum += (double)counts[at] * pow(counts[at] ? (double)counts[at] : 1.0, -exponent);
    }
    const double scale = events / sum;
    for (uint32_t at = 0; at < count; at++)
        out[at] = (float)(scale * pow(counts[at] ? (double)counts[at] : 1.0, -exponent));
    return scale;
}

topn_status pair_weights_create(topn_context *context, const sparse_matrix *events, const square_loss *loss,
                                float *weights[2], double *user_scale)
{
    topn_status status = TOPN_OK;
    uint64_t *counts = NULL;
    *user_scale = 1;
    if (loss->user_exponent != 0) {
        TRY(ALLOCATE(context, events->rows, &counts));
        TRY(ALLOCATE(context, events->rows, &weights[SIDE_CONTEXTS]));
        for (uint32_t row = 0; row < events->rows; row++)
            counts[row] = events->indptr[row + 1] - events->indptr[row];
        *user_scale = weights_of_counts(counts, events->rows, loss->user_exponent, weights[SIDE_CONTEXTS]);
        free(counts);
        counts = NULL;
    }
    if (loss->item_exponent != 0) {
        TRY(ALLOCATE_ZEROED(context, events->columns, &counts));
        TRY(ALLOCATE(context, events->columns, &weights[SIDE_ITEMS]));
        for (uint64_t at = 0; at < events->indptr[events->rows]; at++)
            counts[events->indices[at]]++;
        weights_of_counts(counts, events->columns, loss->item_exponent, weights[SIDE_ITEMS]);
    }
done:
    free(counts);
    return status;
}

/* α·v·u and y of every event, as far as they differ between events. */
static topn_status event_values(topn_context *context, const sparse_matrix *events, bool has_weights,
                                const square_loss *loss, float *const weights[2], observations *out)
{
    topn_status status = TOPN_OK;
    const uint64_t count = events->indptr[events->rows];
    const bool own_alpha = has_weights && loss->confidence != CONFIDENCE_NONE,
               own_label = has_weights && !isnan(loss->dislike_below);
    float label;
    event_weight(loss, 1, &out->alpha, &label);
    if (own_alpha || weights[0] || weights[1])
        TRY(ALLOCATE(context, count, &out->pairs.values));
    if (own_label || label != 1)
        TRY(ALLOCATE(context, count, &out->labels));
    for (uint32_t row = 0; (out->pairs.values || out->labels) && row < events->rows; row++)
        for (uint64_t at = events->indptr[row]; at < events->indptr[row + 1]; at++) {
            float alpha;
            event_weight(loss, has_weights ? events->values[at] : 1, &alpha, &label);
            if (!isfinite(alpha) || alpha < 0) {
                TRY(fail(context, TOPN_ERROR_DATA,
                         "an event of weight %g has no place in the loss: --event-weight %s needs weights of 0 or more",
                         (double)events->values[at], loss->confidence == CONFIDENCE_LOG ? "log" : "linear"));
            }
            if (out->pairs.values)
                out->pairs.values[at] =
                    alpha * (weights[0] ? weights[0][row] : 1) * (weights[1] ? weights[1][events->indices[at]] : 1);
            if (out->labels)
                out->labels[at] = label;
        }
done:
    return status;
}

/* The pairs from the items' side; only the values that there are. */
static topn_status turn(topn_context *context, const observations *from, observations *to)
{
    topn_status status;
    const sparse_matrix *pairs = &from->pairs;
    const uint64_t count = pairs->indptr[pairs->rows];
    uint64_t *next;
    to->alpha = from->alpha;
    to->pairs.rows = pairs->columns;
    to->pairs.columns = pairs->rows;
    TRY(ALLOCATE_ZEROED(context, (size_t)pairs->columns + 2, &to->pairs.indptr));
    TRY(ALLOCATE(context, count, &to->pairs.indices));
    if (pairs->values)
        TRY(ALLOCATE(context, count, &to->pairs.values));
    if (from->labels)
        TRY(ALLOCATE(context, count, &to->labels));
    /* next[i] runs from the start of row i to its end, which is then indptr[i + 1]. */
    next = to->pairs.indptr + 1;
    for (uint64_t at = 0; at < count; at++)
        next[pairs->indices[at] + 1]++;
    for (uint32_t item = 0; item < pairs->columns; item++)
        next[item + 1] += next[item];
    for (uint32_t row = 0; row < pairs->rows; row++)
        for (uint64_t at = pairs->indptr[row]; at < pairs->indptr[row + 1]; at++) {
            const uint64_t place = next[pairs->indices[at]]++;
            to->pairs.indices[place] = row;
            if (pairs->values)
                to->pairs.values[place] = pairs->values[at];
            if (from->labels)
                to->labels[place] = from->labels[at];
        }
done:
    return status;
}

topn_status observations_create(topn_context *context, const sparse_matrix *events, bool has_weights,
                                const square_loss *loss, float *const weights[2], observations out[2])
{
    topn_status status;
    out[SIDE_CONTEXTS].pairs = (sparse_matrix){
        .indptr = events->indptr, .indices = events->indices, .rows = events->rows, .columns = events->columns};
    TRY(event_values(context, events, has_weights, loss, weights, &out[SIDE_CONTEXTS]));
    TRY(turn(context, &out[SIDE_CONTEXTS], &out[SIDE_ITEMS]));
done:
    return status;
}

topn_status leave_out_new(topn_context *context, const observations *observed, float **weights)
{
    topn_status status = TOPN_OK;
    const sparse_matrix *pairs = &observed->pairs;
    for (uint32_t row = 0; row < pairs->rows; row++) {
        if (pairs->indptr[row] < pairs->indptr[row + 1])
            continue;
        if (!*weights) {
            TRY(ALLOCATE(context, pairs->rows, weights));
            for (uint32_t other = 0; other < pairs->rows; other++)
                (*weights)[other] = 1;
        }
        (*weights)[row] = 0;
    }
done:
    return status;
}

void observations_clear(observations observed[2])
{
    free(observed[SIDE_CONTEXTS].pairs.values);
    free(observed[SIDE_CONTEXTS].labels);
    sparse_clear(&observed[SIDE_ITEMS].pairs);
    free(observed[SIDE_ITEMS].labels);
    observed[SIDE_CONTEXTS] = observed[SIDE_ITEMS] = (observations){0};
}

static bool one_row_each(const sparse_matrix *rows)
{
    for (uint32_t entity = 0; entity < rows->rows; entity++)
        if (rows->indptr[entity + 1] - rows->indptr[entity] > 1)
            return false;
    return true;
}

/* l2·(Σ over the entities of their events + α₀·entities of the other side)^exponent; 1 in place of a sum of 0. */
static float ridge_of(const square_loss *loss, double entities, double events, double others)
{
    const double terms = events + loss->unobserved * others * entities;
    return entities == 0 ? 0 : (float)(loss->l2 * pow(terms > 0 ? terms : 1, loss->l2_exponent));
}

static topn_status field_blocks(topn_context *context, const side_field *field, const observations *observed,
                                const square_loss *loss, block_index *out)
{
    topn_status status;
    const sparse_matrix *pairs = &observed->pairs;
    const size_t rows = field->table.rows;
    out->single = !field->rows.indptr || one_row_each(&field->rows);
    if (field->rows.indptr)
        TRY(sparse_transpose(context, &field->rows, &out->entities));
    TRY(ALLOCATE(context, rows, &out->ridge));
    for (size_t row = 0; row < rows; row++) {
        uint64_t begin = row < pairs->rows ? row : pairs->rows, end = begin + (row < pairs->rows), events = 0;
        if (field->rows.indptr) {
            begin = out->entities.indptr[row];
            end = out->entities.indptr[row + 1];
        }
        for (uint64_t at = begin; at < end; at++) {
            const uint64_t entity = field->rows.indptr ? out->entities.indices[at] : at;
            events += pairs->indptr[entity + 1] - pairs->indptr[entity];
        }
        out->ridge[row] = ridge_of(loss, (double)(end - begin), (double)events, pairs->columns);
    }
done:
    return status;
}

topn_status blocks_create(topn_context *context, const multilinear_side *side, const observations *observed,
                          const square_loss *loss, block_index **out)
{
    topn_status status;
    const bool has_core = side->kind == COMPOSE_TUCKER;
    TRY(ALLOCATE_ZEROED(context, side->field_count + 1, out));
    for (size_t field = 0; field < side->field_count; field++)
        TRY(field_blocks(context, &side->fields[field], observed, loss, &(*out)[field]));
    if (has_core) {
        block_index *core = &(*out)[side->field_count];
        const sparse_matrix *pairs = &observed->pairs;
        TRY(ALLOCATE(context, side->core.rows, &core->ridge));
        for (size_t row = 0; row < side->core.rows; row++)
            core->ridge[row] = ridge_of(loss, pairs->rows, (double)pairs->indptr[pairs->rows], pairs->columns);
    }
done:
    return status;
}

void blocks_free(block_index *blocks, const multilinear_side *side)
{
    for (size_t field = 0; blocks && field <= side->field_count; field++) {
        sparse_clear(&blocks[field].entities);
        free(blocks[field].ridge);
    }
    free(blocks);
}
