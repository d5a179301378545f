/* SPDX-License-Identifier: Apache-2.0
 *
 * New items of a network: their rows are what the items' layers make of their features. Events say nothing of them; in
 * histories they count as items of which nothing is known, with rows of zeros in the sums.
 */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "model/extended_items.h"

/* The features of the data's items that the model knows by name; UINT32_MAX: it does not. */
static topn_status match_features(topn_context *context, const topn_model *model, const topn_data *data, uint32_t **out)
{
    topn_status status;
    const string_table *names = &data->item_features.names;
    const encoder_field *known = &model->encoder.network.items;
    uint32_t found = 0;
    TRY(ALLOCATE(context, names->count, out));
    for (uint32_t name = 0; name < names->count; name++) {
        const bool there = id_index_find(&known->by_feature, string_table_get(names, name), &(*out)[name]);
        (*out)[name] = there ? (*out)[name] : UINT32_MAX;
        found += there;
    }
    if (!found)
        status = fail(context, TOPN_ERROR_DATA,
                      "the data have no feature of items that the model knows: name the files of features as for its "
                      "training, with --item-features");
done:
    return status;
}

/* psi [fresh × D]. */
static topn_status embed_items(topn_context *context, const topn_model *model, const topn_data *data,
                               const uint32_t *fresh, uint32_t fresh_count, float *psi)
{
    topn_status status;
    const network_encoder *encoder = &model->encoder.network;
    const sparse_matrix *rows = &data->item_features.rows;
    uint32_t *feature_of = NULL, *features = NULL;
    float *values = NULL;
    network_scratch *scratch = NULL;
    TRY(match_features(context, model, data, &feature_of));
    TRY(ALLOCATE(context, rows->columns, &features));
    TRY(ALLOCATE(context, rows->columns, &values));
    TRY(network_scratch_create(context, encoder, &scratch));
    for (uint32_t place = 0; place < fresh_count; place++) {
        const uint32_t item = fresh[place];
        size_t count = 0;
        for (uint64_t at = rows->indptr[item]; at < rows->indptr[item + 1]; at++) {
            if (feature_of[rows->indices[at]] == UINT32_MAX)
                continue;
            features[count] = feature_of[rows->indices[at]];
            values[count++] = rows->values ? rows->values[at] : 1.0f;
        }
        if (network_embed_item(encoder, features, values, count, scratch, psi + place * network_dimensions(encoder)) !=
            TOPN_OK) {
            status =
                fail(context, TOPN_ERROR_NUMERIC, "the row of item \"%s\" is not finite: its features are too large",
                     topn_data_item_id(data, item));
            goto done;
        }
    }
done:
    free(feature_of);
    free(features);
    free(values);
    network_scratch_free(scratch);
    return status;
}

/* Rows of zeros for new items, in the sums over histories and among the items' own. */
static topn_status extend_encoder(topn_context *context, uint32_t items, uint32_t fresh_count, network_encoder *encoder)
{
    topn_status status = TOPN_OK;
    for (size_t bag = 0; bag < encoder->bag_count; bag++) {
        dense_matrix *table = &encoder->bags[bag].table;
        TRY(floats_append(context, table->rows * table->columns, NULL, fresh_count * table->columns, &table->values));
        table->rows += fresh_count;
    }
    dense_matrix *own = &encoder->items.table;
    const size_t width = own->columns, others = (size_t)encoder->items.features.count + 1;
    if (own->rows == others)
        return status;
    TRY(floats_append(context, own->rows * width, NULL, fresh_count * width, &own->values));
    float *first = own->values + items * width;
    memmove(first + fresh_count * width, first, others * width * sizeof *first);
    memset(first, 0, fresh_count * width * sizeof *first);
    own->rows += fresh_count;
done:
    return status;
}

topn_status network_add_items(topn_context *context, const topn_model *model, const topn_data *data, topn_model **out)
{
    topn_status status;
    uint32_t *item_of = NULL, *fresh = NULL, fresh_count = 0;
    float *psi = NULL;
    topn_model *copy = NULL;
    *out = NULL;
    if (!model->encoder.network.items.features.count)
        return fail(context, TOPN_ERROR_UNSUPPORTED,
                    "this model knows no features of items, of which rows of new ones could be made: train it anew");
    TRY(model_match_items(context, model, data, &item_of, &fresh, &fresh_count));
    TRY(ALLOCATE(context, fresh_count * model_dimensions(model), &psi));
    TRY(embed_items(context, model, data, fresh, fresh_count, psi));
    TRY(model_copy(context, model, &copy));
    TRY(extend_encoder(context, model->items, fresh_count, &copy->encoder.network));
    TRY(model_extend(context, data, fresh, fresh_count, psi, copy));
    *out = copy;
    copy = NULL;
done:
    free(item_of);
    free(fresh);
    free(psi);
    topn_model_free(copy);
    return status;
}
