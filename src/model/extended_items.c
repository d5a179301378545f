/* SPDX-License-Identifier: Apache-2.0 */
#include "model/extended_items.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "model/item_facts.h"

topn_status model_match_items(topn_context *context, const topn_model *model, const topn_data *data, uint32_t **item_of,
                              uint32_t **fresh, uint32_t *fresh_count)
{
    topn_status status;
    const uint32_t items = data->item_ids.count;
    *fresh_count = 0;
    TRY(ALLOCATE(context, items, item_of));
    TRY(ALLOCATE(context, items, fresh));
    for (uint32_t item = 0; item < items; item++)
        if (!id_index_find(&model->items_by_id, topn_data_item_id(data, item), &(*item_of)[item])) {
            (*item_of)[item] = UINT32_MAX;
            (*fresh)[(*fresh_count)++] = item;
        }
    if (*fresh_count == 0)
        status = fail(context, TOPN_ERROR_DATA,
                      "the model knows all %" PRIu32 " items of the events: there is none to add", items);
    else if (*fresh_count > UINT32_MAX - model->items)
        status = fail(context, TOPN_ERROR_DATA, "the model would have more than %" PRIu32 " items", UINT32_MAX);
done:
    return status;
}

topn_status floats_append(topn_context *context, size_t count, const float *second, size_t more, float **out)
{
    float *joined;
    const topn_status status = ALLOCATE(context, count + more, &joined);
    if (status != TOPN_OK)
        return status;
    memcpy(joined, *out, count * sizeof *joined);
    for (size_t at = 0; at < more; at++)
        joined[count + at] = second ? second[at] : 0.0f;
    free(*out);
    *out = joined;
    return TOPN_OK;
}

/* Ids, or titles, of the model and then of the new items. */
static topn_status append_texts(topn_context *context, const topn_data *data, const uint32_t *fresh,
                                uint32_t fresh_count, const topn_model *model, bool titles, string_table *out)
{
    topn_status status;
    const char **texts = NULL;
    string_table joined = {0};
    const uint32_t items = model->items, total = items + fresh_count;
    TRY(ALLOCATE(context, total, &texts));
    for (uint32_t item = 0; item < total; item++) {
        const uint32_t other = item < items ? 0 : fresh[item - items];
        const char *title = item < items ? topn_model_item_title(model, item) : topn_data_item_title(data, other);
        const char *id = item < items ? topn_model_item_id(model, item) : topn_data_item_id(data, other);
        texts[item] = titles ? (title ? title : "") : id;
    }
    TRY(string_table_create(context, texts, total, &joined));
    string_table_clear(out);
    *out = joined;
done:
    free(texts);
    return status;
}

topn_status model_extend(topn_context *context, const topn_data *data, const uint32_t *fresh, uint32_t fresh_count,
                         const float *psi, topn_model *model)
{
    topn_status status;
    const size_t dimensions = model_dimensions(model), items = model->items;
    dense_matrix *rows = &model->table.rows.dense;
    TRY(floats_append(context, items * dimensions, psi, fresh_count * dimensions, &rows->values));
    rows->rows += fresh_count;
    if (model->table.biases)
        TRY(floats_append(context, items, NULL, fresh_count, &model->table.biases));
    if (model->table.priors) {
        TRY(floats_append(context, items, NULL, fresh_count, &model->table.priors));
        for (size_t place = 0; place < fresh_count; place++)
            model->table.priors[items + place] = 1.0f;
    }
    TRY(append_texts(context, data, fresh, fresh_count, model, false, &model->item_ids));
    if (model->titles.count || data->titles.count)
        TRY(append_texts(context, data, fresh, fresh_count, model, true, &model->titles));
    TRY(item_facts_append(context, data, fresh, fresh_count, model));
    model->items += fresh_count;
    if (model->histories.indptr)
        model->histories.columns = model->items;
    id_index_clear(&model->items_by_id);
    TRY(id_index_create(context, &model->item_ids, &model->items_by_id));
    TRY(record_set(context, &model->metadata, "added.items", "%" PRIu32, fresh_count));
    TRY(record_set(context, &model->metadata, "added.fingerprint", "%s", data->fingerprint));
    TRY(model_check(context, model));
done:
    return status;
}
