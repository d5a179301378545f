/* SPDX-License-Identifier: Apache-2.0
 *
 * Option files in YAML, visited into the reader's options.
 */
#include "reader.h"

#include <sys/mman.h>
#include <unistd.h>

static topn_status visit(topn_context *context, const char *key, const char *value, void *data)
{
    topn_options *options = data;
    const topn_status status = topn_options_set(context, options, key, value);
    if (status == TOPN_OK)
        FUZZ_CHECK(topn_options_set(context, options, key, topn_options_get(options, key)) == TOPN_OK);
    return TOPN_OK; /* read on: one bad option must not hide what follows it */
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    topn_context *context;
    topn_options *options = NULL;
    char path[64];
    const int file = memfd_create("options", MFD_CLOEXEC);
    if (file < 0 || topn_context_create(&context) != TOPN_OK)
        return 0;
    FUZZ_CHECK(write(file, bytes, size) == (ssize_t)size);
    FUZZ_CHECK(topn_options_create(context, TOPN_KIND_READER, "reader", &options) == TOPN_OK);
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    topn_options_file(context, path, visit, options);
    topn_options_free(options);
    topn_context_free(context);
    close(file);
    return 0;
}
