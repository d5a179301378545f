/* SPDX-License-Identifier: Apache-2.0
 *
 * The binary form of interaction data. What opens must be described, and selected from, without a fault.
 */
#include <string.h>

#include "data/interactions.h"
#include "memory_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    topn_context *context;
    topn_data *data, *selected;
    topn_description description;
    char path[MEMORY_PATH];
    if (topn_context_create(&context) != TOPN_OK)
        return 0;
    const int descriptor = memory_file(bytes, size, path);
    if (data_open(context, path, &data) == TOPN_OK) {
        if (topn_data_describe(context, data, &description) != TOPN_OK)
            abort();
        const data_selection all = {.drop_empty_users = true};
        if (data_select(context, data, &all, &selected) != TOPN_OK)
            abort();
        if (topn_data_events(selected) != topn_data_events(data))
            abort();
        topn_data_free(selected);
        if (topn_data_save(context, data, "/dev/null") != TOPN_OK)
            abort();
    }
    topn_data_free(data);
    topn_context_free(context);
    close(descriptor);
    return 0;
}
