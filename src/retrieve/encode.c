/* SPDX-License-Identifier: Apache-2.0 */
#include "retrieve/encode.h"

#include <math.h>
#include <string.h>

#include "base/vector.h"
#include "numeric/largest.h"

static double history_weight(const topn_model *model, const history *user, size_t place)
{
    return model->encoder.use_weights && user->weights ? (double)user->weights[place] : 1.0;
}

double history_scale(const topn_model *model, const history *user)
{
    if (model->encoder.normalizer == 0.0)
        return 1.0;
    double sum = 0.0;
    for (size_t place = 0; place < user->length; place++)
        sum += history_weight(model, user, place);
    return sum > 0.0 ? pow(sum, -model->encoder.normalizer) : 1.0;
}

float history_factor(const topn_model *model, const history *user, double scale, size_t place)
{
    return (float)(scale * history_weight(model, user, place));
}

VECTOR_CLONES
void add_scaled_row(float *restrict target, const float *restrict row, float factor, size_t count)
{
    for (size_t column = 0; column < count; column++)
        target[column] += factor * row[column];
}

void encode_history(const topn_model *model, const history *user, float *phi)
{
    const embedding_table *table = &model->encoder.rows;
    const bool dense = table->form == TABLE_DENSE;
    const size_t dimensions = dense ? table->dense.columns : table->sparse.columns;
    const double scale = history_scale(model, user);
    memset(phi, 0, dimensions * sizeof *phi);
    for (size_t place = 0; place < user->length; place++) {
        const float factor = history_factor(model, user, scale, place);
        const uint32_t item = user->items[place];
        if (dense) {
            add_scaled_row(phi, table->dense.values + (size_t)item * dimensions, factor, dimensions);
            continue;
        }
        const sparse_matrix *rows = &table->sparse;
        for (uint64_t at = rows->indptr[item]; at < rows->indptr[item + 1]; at++)
            phi[rows->indices[at]] += factor * rows->values[at];
    }
}

void encode_user(const topn_retriever *retriever, const history *user, float *phi)
{
    encode_history(retriever->model, user, phi);
    if (retriever->cut)
        keep_largest(phi, embedding_dimensions(retriever->rows), retriever->cut);
}

VECTOR_CLONES
static void scale_scores(float *restrict scores, const float *restrict priors, size_t items)
{
    for (size_t item = 0; item < items; item++)
        scores[item] = scores[item] * priors[item] + 0.0f; /* no −0 where a prior is negative */
}

VECTOR_CLONES
static void shift_scores(float *restrict scores, const float *restrict biases, size_t items)
{
    for (size_t item = 0; item < items; item++)
        scores[item] += biases[item];
}

void finish_scores(const topn_model *model, float *scores)
{
    if (model->table.priors)
        scale_scores(scores, model->table.priors, model->items);
    if (model->table.biases)
        shift_scores(scores, model->table.biases, model->items);
}
