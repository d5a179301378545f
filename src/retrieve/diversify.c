/* SPDX-License-Identifier: Apache-2.0 */
#include "retrieve/diversify.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "retrieve/item_score.h"

typedef struct candidate {
    uint32_t item;
    float score;
    double relevance; /* score mapped to 0 … 1 */
    double length;    /* of the item's row */
    double nearest;   /* greatest similarity to a picked item, −∞ before the first */
} candidate;

typedef struct reranking {
    const embedding_table *rows;
    size_t dimensions; /* that are compared */
    float *picked;     /* [dimensions] the row picked last, where rows are sparse */
    candidate *left;   /* [count] in the order given */
    size_t count;
} reranking;

/* Rows that say what items are like; in an items × items table an item's row is what it speaks for. */
static const embedding_table *rows_of(const topn_model *model)
{
    return model->table.kind == ITEMS_IDENTITY ? &model->encoder.rows : model_item_rows(model);
}

/* Without an item's bias and the 1 beside it, which are behind the factors and say nothing of what it is like. */
static size_t dimensions_of(const topn_model *model, const embedding_table *rows)
{
    const fields_encoder *fields = &model->encoder.fields;
    return model->encoder.kind == ENCODER_FIELDS && fields->biases ? fields->factors : embedding_dimensions(rows);
}

static void spread_row(const reranking *run, uint32_t item, bool clear)
{
    const sparse_matrix *rows = &run->rows->sparse;
    for (uint64_t at = rows->indptr[item]; at < rows->indptr[item + 1]; at++)
        run->picked[rows->indices[at]] = clear ? 0.0f : rows->values[at];
}

/* ⟨row of `item`, row of `other`⟩; a sparse `other` is spread. */
static double product(const reranking *run, uint32_t item, uint32_t other)
{
    if (run->rows->form == TABLE_SPARSE)
        return (double)sparse_product(&run->rows->sparse, run->picked, item);
    const dense_matrix *dense = &run->rows->dense;
    return (double)dense_product(dense->values + item * dense->columns, dense->values + other * dense->columns,
                                 run->dimensions);
}

static double row_length(const reranking *run, uint32_t item)
{
    if (run->rows->form == TABLE_SPARSE)
        spread_row(run, item, false);
    const double square = product(run, item, item);
    if (run->rows->form == TABLE_SPARSE)
        spread_row(run, item, true);
    return sqrt(square);
}

/* What is left learns how near it is to the item picked. Rows of length 0 are like nothing. */
static void compare(reranking *run, const candidate *with)
{
    if (run->rows->form == TABLE_SPARSE)
        spread_row(run, with->item, false);
    for (size_t at = 0; at < run->count; at++) {
        candidate *other = &run->left[at];
        const double lengths = with->length * other->length;
        const double cosine = lengths > 0 ? product(run, other->item, with->item) / lengths : 0;
        if (cosine > other->nearest)
            other->nearest = cosine;
    }
    if (run->rows->form == TABLE_SPARSE)
        spread_row(run, with->item, true);
}

/* The best by marginal relevance, ties to the earlier one. */
static size_t best_of(const reranking *run, double diversity, bool first)
{
    size_t best = 0;
    double most = -INFINITY;
    for (size_t at = 0; at < run->count; at++) {
        const candidate *own = &run->left[at];
        const double gain = (1 - diversity) * own->relevance - (first ? 0 : diversity * own->nearest);
        if (gain > most) {
            most = gain;
            best = at;
        }
    }
    return best;
}

static void fill(reranking *run, const uint32_t *items, const float *scores)
{
    float low = INFINITY, high = -INFINITY;
    for (size_t at = 0; at < run->count; at++) {
        low = scores[at] < low ? scores[at] : low;
        high = scores[at] > high ? scores[at] : high;
    }
    const double range = (double)high - (double)low;
    for (size_t at = 0; at < run->count; at++)
        run->left[at] = (candidate){.item = items[at],
                                    .score = scores[at],
                                    .relevance = range > 0 ? ((double)scores[at] - (double)low) / range : 1,
                                    .length = row_length(run, items[at]),
                                    .nearest = -INFINITY};
}

topn_status diversify(topn_context *context, const topn_model *model, double diversity, size_t n, uint32_t *items,
                      float *scores, size_t count)
{
    topn_status status;
    reranking run = {.rows = rows_of(model), .count = count};
    if (!run.rows)
        return fail(context, TOPN_ERROR_UNSUPPORTED,
                    "this model scores every history alike (popularity): it does not know which items are similar, so "
                    "lists cannot be made diverse");
    run.dimensions = dimensions_of(model, run.rows);
    TRY(ALLOCATE(context, count, &run.left));
    if (run.rows->form == TABLE_SPARSE)
        TRY(ALLOCATE_ZEROED(context, run.dimensions, &run.picked));
    fill(&run, items, scores);
    for (size_t rank = 0; rank < n; rank++) {
        const size_t at = best_of(&run, diversity, rank == 0);
        const candidate picked = run.left[at];
        memmove(run.left + at, run.left + at + 1, (--run.count - at) * sizeof *run.left);
        items[rank] = picked.item;
        scores[rank] = picked.score;
        if (rank + 1 < n)
            compare(&run, &picked);
    }
    for (size_t at = 0; at < run.count; at++) {
        items[n + at] = run.left[at].item;
        scores[n + at] = run.left[at].score;
    }
done:
    free(run.left);
    free(run.picked);
    return status;
}
