/* SPDX-License-Identifier: Apache-2.0 */
#include <topn/topn.h>

#include "retrieve/filter.h"

topn_status topn_filter_create(topn_context *context, const topn_attributes *attributes, const char *expression,
                               topn_filter **out)
{
    if (!out)
        return fail(context, TOPN_ERROR_ARGUMENT, "topn_filter_create: out is NULL");
    *out = NULL;
    if (!attributes || !expression)
        return fail(context, TOPN_ERROR_ARGUMENT, "topn_filter_create: attributes and expression must not be NULL");
    return filter_create_expression(context, attributes, expression, out);
}

topn_status topn_filter_create_flags(topn_context *context, const topn_model *model, const unsigned char *allowed,
                                     topn_filter **out)
{
    if (!out)
        return fail(context, TOPN_ERROR_ARGUMENT, "topn_filter_create_flags: out is NULL");
    *out = NULL;
    if (!model || !allowed)
        return fail(context, TOPN_ERROR_ARGUMENT, "topn_filter_create_flags: model and allowed must not be NULL");
    return filter_create_flags(context, model->items, allowed, out);
}

void topn_filter_free(topn_filter *filter)
{
    filter_free(filter);
}

bool topn_filter_allows(const topn_filter *filter, uint32_t item)
{
    return filter && item < filter->items && filter_has(filter, item);
}

uint32_t topn_filter_count(const topn_filter *filter)
{
    return filter ? filter->allowed : 0;
}
