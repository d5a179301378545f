/* SPDX-License-Identifier: Apache-2.0 */
#include "item_filter.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

int item_filter_find(struct session *session, const topn_model *model, struct item_filter *out)
{
    const char *expression = session_value(session, "filter"), *path = session_value(session, "item-attributes");
    topn_attributes *attributes = NULL;
    uint64_t unknown = 0;
    int code = CODE_DONE;
    if (!expression)
        return path ? complain(CODE_USAGE, "--item-attributes needs --filter, which asks for them") : CODE_DONE;
    STEP(session_check(session, topn_attributes_create(session->context, model, &attributes)));
    if (path)
        STEP(session_check(session, topn_attributes_read(session->context, attributes, path, &unknown)));
    if (unknown)
        complain(CODE_DONE, "warning: %s: %" PRIu64 " items are not in the model and left out", path, unknown);
    STEP(session_check(session, topn_filter_create(session->context, attributes, expression, &out->filter)));
    out->lent[0] = out->filter;
    if (topn_filter_count(out->filter) == 0)
        complain(CODE_DONE, "warning: --filter: none of %" PRIu32 " items satisfies it", topn_model_items(model));
done:
    topn_attributes_free(attributes);
    return code;
}

void item_filter_apply(const struct item_filter *from, topn_request *request)
{
    request->filters = from->lent;
    request->filter_count = from->filter != NULL;
}

void item_filter_clear(struct item_filter *filter)
{
    topn_filter_free(filter->filter);
    *filter = (struct item_filter){0};
}

int attribute_items(struct session *session, const topn_attributes *attributes, size_t index, uint32_t *out)
{
    const char *name = topn_attributes_name(attributes, index);
    char *expression = need_memory(2 * strlen(name) + 8, 1), *to = expression;
    topn_filter *filter = NULL;
    memcpy(to, "HAS \"", 5);
    for (to += 5; *name; name++) {
        if (*name == '"' || *name == '\\')
            *to++ = '\\';
        *to++ = *name;
    }
    memcpy(to, "\"", 2);
    const int code = session_check(session, topn_filter_create(session->context, attributes, expression, &filter));
    *out = topn_filter_count(filter);
    topn_filter_free(filter);
    free(expression);
    return code;
}
