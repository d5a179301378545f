/* SPDX-License-Identifier: Apache-2.0 */
#include "train/sampled/tower_batch.h"

#include <stdlib.h>

#include "base/memory.h"
#include "base/vector.h"

/* Whether dx is what backward is given. */
static bool takes_gradient_as_it_is(const tower *side)
{
    bool fits = !side->network && !side->normalize && !side->pairs;
    for (size_t f = 0; f < side->field_count; f++)
        fits = fits && side->tables[side->fields[f].table].width <= side->stride;
    for (size_t b = 0; b < side->bag_count; b++)
        fits = fits && side->tables[side->bags[b].table].width <= side->stride;
    return fits;
}

static bool needs_x(const tower *side)
{
    return side->network || side->normalize || side->pairs;
}

topn_status tower_batch_create(topn_context *context, const tower *side, uint32_t capacity, tower_batch **out)
{
    topn_status status;
    tower_batch *batch = NULL;
    const size_t wide = side->factors + 1, rows = capacity;
    *out = NULL;
    TRY(ALLOCATE_ZEROED(context, 1, &batch));
    batch->capacity = capacity;
    batch->wide = wide;
    batch->needs_x = needs_x(side);
    TRY(ALLOCATE(context, rows, &batch->entities));
    TRY(ALLOCATE(context, rows, &batch->own));
    TRY(ALLOCATE(context, rows + 1, &batch->groups));
    if (batch->needs_x)
        TRY(ALLOCATE(context, rows * wide, &batch->x));
    if (!takes_gradient_as_it_is(side))
        TRY(ALLOCATE(context, rows * wide, &batch->dx)); /* a row's last place is β's, which the network passes by */
    if (side->network) {
        TRY(layer_workspace_create(context, side->network, capacity, &batch->network));
        TRY(layer_gradients_create(context, side->network, &batch->network_gradients));
        TRY(ALLOCATE(context, rows * side->dimensions, &batch->dphi));
    }
    if (side->normalize) {
        TRY(ALLOCATE(context, rows, &batch->norms));
        TRY(ALLOCATE(context, rows * side->dimensions, &batch->unit));
    }
    for (size_t b = 0; b < side->bag_count; b++) {
        TRY(ALLOCATE(context, rows, &batch->shares[b]));
        TRY(ALLOCATE(context, rows * wide, &batch->sums[b]));
    }
    *out = batch;
    batch = NULL;
done:
    tower_batch_free(batch);
    return status;
}

static void note_list_clear(note_list *notes)
{
    free(notes->rows);
    free(notes->coefficients);
    free(notes->index);
}

void tower_batch_free(tower_batch *batch)
{
    if (!batch)
        return;
    for (size_t f = 0; f < MOST_TOWER_FIELDS; f++) {
        note_list_clear(&batch->fields[f]);
        free(batch->terms[f]);
    }
    for (size_t b = 0; b < MOST_TOWER_BAGS; b++) {
        note_list_clear(&batch->bags[b]);
        note_list_clear(&batch->owns[b]);
        free(batch->shares[b]);
        free(batch->sums[b]);
    }
    free(batch->entities);
    free(batch->own);
    free(batch->groups);
    free(batch->x);
    free(batch->dx);
    free(batch->dphi);
    layer_workspace_free(batch->network);
    layer_gradients_free(batch->network_gradients);
    free(batch->norms);
    free(batch->unit);
    free(batch);
}

VECTOR_CLONES
void tower_add_scaled(float *restrict target, const float *restrict row, float x, size_t count)
{
    for (size_t j = 0; j < count; j++)
        target[j] += x * row[j];
}

double tower_dot(const float *a, const float *b, size_t count)
{
    double sum = 0;
    for (size_t j = 0; j < count; j++)
        sum += (double)a[j] * (double)b[j];
    return sum;
}
