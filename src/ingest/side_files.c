/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/side_files.h"

#include <stdlib.h>

#include "base/memory.h"
#include "ingest/features.h"
#include "ingest/titles.h"

/* Titles that the binary form held. */
static topn_status keep_titles(topn_context *context, const topn_data *stored, const string_table *ids,
                               string_table *titles)
{
    topn_status status;
    const char **texts = NULL;
    TRY(ALLOCATE(context, ids->count, &texts));
    for (uint32_t item = 0; item < ids->count; item++) {
        uint32_t found;
        const bool known = topn_data_find_item(stored, string_table_get(ids, item), &found);
        texts[item] = known ? string_table_get(&stored->titles, found) : ""; /* unknown: features brought it */
    }
    status = string_table_create(context, texts, ids->count, titles);
done:
    free(texts);
    return status;
}

/* Features of one side: from its files, else as the binary form held them. */
static topn_status add_features(topn_context *context, const reader_params *params, const topn_data *stored, bool items,
                                const string_table *before, data_parts *parts)
{
    topn_status status = TOPN_OK;
    const feature_side side = items ? feature_side_items(params) : feature_side_users(params);
    feature_source features = {0};
    if (side.files && *side.files) {
        TRY(features_read(context, params, &side, &features));
    } else if (side.columns && *side.columns) {
        return fail(context, TOPN_ERROR_OPTION, "--%s-feature-columns needs --%s-features", side.who, side.who);
    } else if (stored && (items ? stored->item_features : stored->user_features).names.count > 0) {
        features.ids = items ? stored->item_ids : stored->user_ids; /* lent */
        features.table = items ? stored->item_features : stored->user_features;
        return features_join(context, params, &features, items, before->offsets ? before : NULL, parts);
    } else {
        return TOPN_OK;
    }
    TRY(features_join(context, params, &features, items, before->offsets ? before : NULL, parts));
done:
    feature_source_clear(&features);
    return status;
}

topn_status side_files_add(topn_context *context, const reader_params *params, const topn_data *stored,
                           const string_table *all_users, const string_table *all_items, data_parts *parts)
{
    topn_status status;
    TRY(add_features(context, params, stored, false, all_users, parts));
    TRY(add_features(context, params, stored, true, all_items, parts));
    if (params->titles)
        TRY(titles_read(context, params, &parts->item_ids, &parts->titles));
    else if (stored && stored->titles.count)
        TRY(keep_titles(context, stored, &parts->item_ids, &parts->titles));
done:
    return status;
}
