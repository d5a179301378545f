/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/threads.h"
#include "numeric/weighted_gram.h"
#include "train/alternating/solver.h"

topn_status side_embed_all(topn_context *context, const multilinear_side *side, float *out)
{
    topn_status status;
    const size_t d = side->dimensions, floats = side_scratch(side);
    float *scratch = NULL; /* [threads × floats] */
    if (side_is_plain(side)) {
        memcpy(out, side->fields[0].table.values, side->entities * d * sizeof *out);
        return TOPN_OK;
    }
    TRY(ALLOCATE(context, (size_t)context->threads * floats, &scratch));
#pragma omp parallel for schedule(dynamic, 64) num_threads(context->threads)
    for (uint32_t entity = 0; entity < side->entities; entity++)
        side_embed(side, entity, scratch + (size_t)thread_index() * floats, out + entity * d);
done:
    free(scratch);
    return status;
}

topn_status side_rows(topn_context *context, const multilinear_side *side, float **owned, const float **rows)
{
    topn_status status = TOPN_OK;
    *owned = NULL;
    if (side_is_plain(side)) {
        *rows = side->fields[0].table.values;
        return TOPN_OK;
    }
    TRY(ALLOCATE(context, side->entities * side->dimensions, owned));
    TRY(side_embed_all(context, side, *owned));
    *rows = *owned;
done:
    if (status != TOPN_OK) {
        free(*owned);
        *owned = NULL;
    }
    return status;
}

topn_status side_gram(topn_context *context, const multilinear_side *side, const float *weights, double *gram)
{
    topn_status status;
    float *owned;
    const float *rows;
    TRY(side_rows(context, side, &owned, &rows));
    TRY(weighted_gram(context, rows, side->entities, side->dimensions, weights, gram));
done:
    free(owned);
    return status;
}
