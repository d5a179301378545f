/* SPDX-License-Identifier: Apache-2.0 */
#include <topn/topn.h>

#include "base/memory.h"
#include "base/option_table.h"
#include "ingest/features.h"
#include "retrieve/attributes.h"

#include <inttypes.h>
#include <stdlib.h>

topn_status topn_attributes_create(topn_context *context, const topn_model *model, topn_attributes **out)
{
    if (!out)
        return fail(context, TOPN_ERROR_ARGUMENT, "topn_attributes_create: out is NULL");
    *out = NULL;
    if (!model)
        return fail(context, TOPN_ERROR_ARGUMENT, "topn_attributes_create: model is NULL");
    return attributes_create(context, model, out);
}

void topn_attributes_free(topn_attributes *attributes)
{
    attributes_free(attributes);
}

topn_status topn_attributes_set(topn_context *context, topn_attributes *attributes, uint32_t item, const char *name,
                                const char *const *values, size_t value_count)
{
    if (!attributes || !name || (value_count && !values))
        return fail(context, TOPN_ERROR_ARGUMENT,
                    "topn_attributes_set: attributes, name and (unless value_count is 0) values must not be NULL");
    if (item >= attributes->model->items)
        return fail(context, TOPN_ERROR_ARGUMENT,
                    "topn_attributes_set: item %" PRIu32 " is out of range, the model has %" PRIu32 " items", item,
                    attributes->model->items);
    if (!*name)
        return fail(context, TOPN_ERROR_ARGUMENT, "topn_attributes_set: an attribute needs a name");
    for (size_t value = 0; value < value_count; value++)
        if (!values[value])
            return fail(context, TOPN_ERROR_ARGUMENT, "topn_attributes_set: values[%zu] is NULL", value);
    return attributes_set(context, attributes, item, name, values, value_count);
}

topn_status topn_attributes_read(topn_context *context, topn_attributes *attributes, const char *path,
                                 uint64_t *unknown)
{
    topn_status status;
    topn_options *reader = NULL;
    const void *params = NULL;
    feature_source read = {0};
    uint32_t *item_of = NULL;
    uint64_t missing = 0;
    if (unknown)
        *unknown = 0;
    if (!attributes || !path)
        return fail(context, TOPN_ERROR_ARGUMENT, "topn_attributes_read: attributes and path must not be NULL");
    TRY(options_or_default(context, NULL, TOPN_KIND_READER, "reader", &reader_option_table, &reader, &params));
    const feature_side side = {.who = "item", .files = path, .items = true};
    TRY(features_read(context, params, &side, &read));
    TRY(ALLOCATE(context, read.ids.count, &item_of));
    for (uint32_t row = 0; row < read.ids.count; row++)
        if (!id_index_find(&attributes->model->items_by_id, string_table_get(&read.ids, row), &item_of[row])) {
            item_of[row] = UINT32_MAX;
            missing++;
        }
    TRY(attributes_add_features(context, attributes, &read.table, read.table.rows.values, item_of));
    if (unknown)
        *unknown = missing;
done:
    topn_options_free(reader);
    feature_source_clear(&read);
    free(item_of);
    return status;
}

size_t topn_attributes_count(const topn_attributes *attributes)
{
    return attributes ? attributes->count : 0;
}

const char *topn_attributes_name(const topn_attributes *attributes, size_t index)
{
    return attributes && index < attributes->count ? attributes->list[index].name : NULL;
}

const char *topn_attributes_value(const topn_attributes *attributes, uint32_t item, size_t name_index,
                                  size_t value_index)
{
    if (!attributes || name_index >= attributes->count)
        return NULL;
    const attribute *at = attribute_settled(&attributes->list[name_index]);
    size_t low = 0, high = at->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (at->entries[middle].item < item)
            low = middle + 1;
        else
            high = middle;
    }
    if (value_index >= at->count - low || at->entries[low + value_index].item != item)
        return NULL;
    return value_text(&at->values, at->entries[low + value_index].value);
}
