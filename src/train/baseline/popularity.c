/* SPDX-License-Identifier: Apache-2.0
 *
 * Popularity: the same list for everybody, items with most events (or most weight) first.
 */
#include <stdlib.h>

#include "base/memory.h"
#include "train/method.h"

typedef struct popularity_params {
    int values; /* choice binary|weight */
    bool keep_histories;
} popularity_params;

static const option_row popularity_options[] = {
    OPTION_CHOICE(popularity_params, values, "values", "binary", "binary|weight",
                  "an item's score: its number of events, or the sum of their weights"),
    OPTION_BOOLEAN(popularity_params, keep_histories, "keep-histories", true,
                   "store the users' histories in the model, so that users can be named by id"),
};
static const option_table popularity_option_table = OPTION_TABLE(popularity_params, popularity_options);

static training_cost popularity_cost(const topn_data *data, const void *params)
{
    (void)params;
    return (training_cost){.bytes = 12 * (uint64_t)data->matrix.columns,
                           .flops = (double)data->matrix.indptr[data->matrix.rows]};
}

static topn_status popularity_train(topn_context *context, const topn_data *data, const void *raw, topn_model *model)
{
    const popularity_params *params = raw;
    const sparse_matrix *x = &data->matrix;
    topn_status status;
    double *sums = NULL; /* [items] */
    TRY(data_require_events(context, data, "to train on"));
    TRY(ALLOCATE_ZEROED(context, x->columns, &sums));
    TRY(ALLOCATE(context, x->columns, &model->table.biases));
    for (uint64_t at = 0; at < x->indptr[x->rows]; at++)
        sums[x->indices[at]] += params->values ? x->values[at] : 1.0;
    for (uint32_t item = 0; item < x->columns; item++)
        model->table.biases[item] = (float)sums[item];
    model->encoder.kind = ENCODER_CONSTANT;
    model->table.kind = ITEMS_NONE;
done:
    free(sums);
    return status;
}

const method method_popularity = {
    .name = "popularity",
    .summary = "the same list for everybody: items with most events first",
    .paper = "baseline",
    .options = &popularity_option_table,
    .cost = popularity_cost,
    .train = popularity_train,
};
