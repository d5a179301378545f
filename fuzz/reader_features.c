/* SPDX-License-Identifier: Apache-2.0
 *
 * Side files of features, joined to a few events; the first byte picks encoding, scale, columns and ids.
 */
#include "ingest/features.h"
#include "ingest/source.h"
#include "reader.h"

static void join(topn_context *context, const reader_params *params, const feature_source *features, bool items)
{
    static const char events[] = "1,a,x\n1,b,y\n10,a,\nq,7,x\n";
    topn_options *reader = NULL;
    topn_data *data = NULL;
    data_parts parts = {0};
    FUZZ_CHECK(topn_options_create(context, TOPN_KIND_READER, "reader", &reader) == TOPN_OK);
    FUZZ_CHECK(topn_options_set(context, reader, "context-columns", "3") == TOPN_OK);
    FUZZ_CHECK(reader_read_memory(context, "events", events, sizeof events - 1,
                                  options_params(reader, &reader_option_table), &data) == TOPN_OK);
    const data_selection all = {0};
    topn_data *copy = NULL, *joined = NULL;
    FUZZ_CHECK(data_select(context, data, &all, &copy) == TOPN_OK);
    parts = (data_parts){
        .matrix = copy->matrix, .user_ids = copy->user_ids, .item_ids = copy->item_ids, .contexts = copy->contexts};
    copy->matrix = (sparse_matrix){0};
    copy->user_ids = copy->item_ids = (string_table){0};
    copy->contexts = (data_contexts){0};
    for (size_t field = 0; field < parts.contexts.field_count; field++)
        id_index_clear(&parts.contexts.fields[field].by_value);
    FUZZ_CHECK(features_join(context, params, features, items, NULL, &parts) == TOPN_OK);
    FUZZ_CHECK(data_assemble(context, &parts, &joined) == TOPN_OK);
    fuzz_check_data(context, joined);
    FUZZ_CHECK(topn_data_events(joined) == topn_data_events(data));
    topn_data_free(joined);
    topn_data_free(copy);
    topn_data_free(data);
    topn_options_free(reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const char *const columns[] = {NULL, "id,a,b:set;", "a:number", "2:set,3:amount", "v:vector,id:id", "a:x"};
    topn_context *context;
    feature_source features = {0};
    source *from = NULL;
    if (size == 0 || topn_context_create(&context) != TOPN_OK)
        return 0;
    context->threads = 1;
    const char *chosen = columns[bytes[0] / 36 % 6];
    const reader_params params = {.encoding = bytes[0] % 3,
                                  .feature_scale = bytes[0] / 3 % 3,
                                  .feature_ids = bytes[0] / 9 % 2,
                                  .user_feature_columns = (char *)chosen,
                                  .item_feature_columns = (char *)chosen};
    const bool items = bytes[0] / 18 % 2;
    const feature_side side = items ? feature_side_items(&params) : feature_side_users(&params);
    if (source_from_memory(context, "fuzz", bytes + 1, size - 1, &from) == TOPN_OK &&
        features_read_source(context, from, &params, &side, &features) == TOPN_OK) {
        FUZZ_CHECK(string_table_check(context, &features.ids, features.ids.offsets[features.ids.count], "ids") ==
                   TOPN_OK);
        FUZZ_CHECK(feature_table_check(context, &features.table, features.ids.count, "features") == TOPN_OK);
        join(context, &params, &features, items);
    } else {
        FUZZ_CHECK(!strchr(topn_context_message(context), '\n'));
    }
    source_close(from);
    feature_source_clear(&features);
    topn_context_free(context);
    return 0;
}
