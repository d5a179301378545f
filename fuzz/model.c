/* SPDX-License-Identifier: Apache-2.0
 *
 * Model files. What loads must answer questions, through its indexes too where they open, be saved and loaded again to
 * the same bytes, and be exported. Checksums are optional in files of other programs, so a corpus without them lets the
 * fuzzer reach what lies behind.
 */
#include <topn/topn.h>

#include <string.h>

#include "memory_file.h"

enum { MOST_ITEMS = 1 << 12, ASKED = 8 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* options: NULL = exact */
static void ask(topn_context *context, const topn_model *model, const topn_options *options)
{
    topn_retriever *retriever = NULL;
    topn_query *query = NULL;
    const topn_status status = topn_retriever_create(context, model, options, &retriever);
    if (status != TOPN_OK && options)
        return; /* an index whose arrays are refused */
    if (status != TOPN_OK || topn_query_create(context, retriever, &query) != TOPN_OK)
        abort();
    const uint32_t items = topn_model_items(model);
    for (uint32_t user = 0; user < topn_model_users(model) && user < ASKED; user++) {
        topn_request request = {.include_seen = user % 2};
        request.history_length = topn_model_history(model, user, &request.history, &request.weights);
        uint32_t best[ASKED];
        float scores[ASKED];
        size_t found = 0;
        if (topn_recommend(query, &request, ASKED, best, scores, &found) == TOPN_OK)
            for (size_t place = 0; place < found; place++)
                if (best[place] >= items)
                    abort();
    }
    for (uint32_t item = 0; item < items && item < ASKED; item++) {
        uint32_t found_item;
        if (!topn_model_find_item(model, topn_model_item_id(model, item), &found_item) || found_item != item)
            abort();
        (void)topn_model_item_title(model, item);
    }
    topn_query_free(query);
    topn_retriever_free(retriever);
}

/* Kinds that are not known are left alone. */
static void ask_indexes(topn_context *context, const topn_model *model)
{
    const char *kind;
    for (size_t index = 0; (kind = topn_model_index(model, index)); index++) {
        topn_options *options;
        if (topn_options_create(context, TOPN_KIND_RETRIEVER, kind, &options) == TOPN_OK)
            ask(context, model, options);
        topn_options_free(options);
    }
}

/* Whatever the file says of the items can be looked at and asked for. */
static void ask_attributes(topn_context *context, const topn_model *model)
{
    topn_attributes *attributes = NULL;
    topn_filter *filter = NULL;
    if (topn_attributes_create(context, model, &attributes) != TOPN_OK)
        abort();
    for (size_t name = 0; name < topn_attributes_count(attributes) && name < ASKED; name++)
        for (uint32_t item = 0; item < topn_model_items(model) && item < ASKED; item++) {
            const char *value = topn_attributes_value(attributes, item, name, 0);
            if (value && strlen(value) > 1 << 20)
                abort();
        }
    if (topn_filter_create(context, attributes, "HAS genre AND NOT year<1990", &filter) == TOPN_OK &&
        topn_filter_count(filter) > topn_model_items(model))
        abort();
    topn_filter_free(filter);
    topn_attributes_free(attributes);
    for (uint32_t item = 0; item < topn_model_items(model); item++)
        (void)topn_model_popularity(model, item);
}

static void export_all(topn_context *context, const topn_model *model)
{
    topn_entry entry;
    for (size_t index = 0; topn_registry_entry(TOPN_KIND_EXPORT, index, &entry); index++) {
        topn_options *options;
        if (topn_options_create(context, TOPN_KIND_EXPORT, entry.name, &options) != TOPN_OK)
            abort();
        (void)topn_model_export(context, model, "items", options, "/dev/null");
        (void)topn_model_export(context, model, "encoder", options, "/dev/null");
        topn_options_free(options);
    }
}

/* What was loaded is saved, loaded and saved once more: the same bytes both times. */
static void save_twice(topn_context *context, const topn_model *model)
{
    char folder[] = "/tmp/topn-fuzz-XXXXXX", path[2][64];
    if (!mkdtemp(folder))
        abort();
    const topn_model *from = model;
    topn_model *again = NULL;
    static char content[2][1 << 20];
    size_t length[2];
    for (int round = 0; round < 2; round++) {
        snprintf(path[round], sizeof path[round], "%s/%d", folder, round);
        if (topn_model_save(context, from, path[round]) != TOPN_OK)
            abort();
        FILE *file = fopen(path[round], "rb");
        length[round] = file ? fread(content[round], 1, sizeof content[round], file) : 0;
        if (!file || fclose(file) != 0)
            abort();
        if (round == 0 && topn_model_load(context, path[0], &again) != TOPN_OK)
            abort();
        from = again;
    }
    if (length[0] != length[1] || memcmp(content[0], content[1], length[0]) != 0)
        abort();
    topn_model_free(again);
    unlink(path[0]);
    unlink(path[1]);
    rmdir(folder);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    topn_context *context;
    topn_model *model;
    char path[MEMORY_PATH];
    if (topn_context_create(&context) != TOPN_OK)
        return 0;
    const int descriptor = memory_file(bytes, size, path);
    if (topn_model_load(context, path, &model) == TOPN_OK && topn_model_items(model) <= MOST_ITEMS) {
        ask(context, model, NULL);
        ask_indexes(context, model);
        ask_attributes(context, model);
        export_all(context, model);
        save_twice(context, model);
    }
    topn_model_free(model);
    topn_context_free(context);
    close(descriptor);
    return 0;
}
