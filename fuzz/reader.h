/* SPDX-License-Identifier: Apache-2.0
 *
 * What the fuzz targets of the readers share: one read of bytes as one format, and the rules that its result keeps.
 */
#ifndef TOPN_FUZZ_READER_H
#define TOPN_FUZZ_READER_H

#include "check.h"

#include "base/option_table.h"
#include "ingest/reader.h"
#include "numeric/sparse.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Whatever was read, the data are sound. */
static inline void fuzz_check_data(topn_context *context, const topn_data *data)
{
    FUZZ_CHECK(sparse_check(context, &data->matrix, "data") == TOPN_OK);
    FUZZ_CHECK(data->user_ids.count == data->matrix.rows && data->item_ids.count == data->matrix.columns);
    uint32_t found;
    for (uint32_t user = 0; user < data->matrix.rows && user < 1000; user++)
        FUZZ_CHECK(topn_data_find_user(data, topn_data_user_id(data, user), &found) && found == user);
    for (uint64_t at = 0; at < data->matrix.indptr[data->matrix.rows]; at++)
        FUZZ_CHECK(isfinite(data->matrix.values[at]) && data->matrix.values[at] >= 0);
}

/* Reads the bytes with options given as pairs of texts that end in NULL. */
static inline void fuzz_read(const uint8_t *bytes, size_t size, const char *const *options)
{
    topn_context *context;
    topn_options *reader = NULL;
    topn_data *data = NULL;
    if (topn_context_create(&context) != TOPN_OK)
        return;
    context->threads = 1;
    context->memory_limit = UINT64_C(64) << 20;
    FUZZ_CHECK(topn_options_create(context, TOPN_KIND_READER, "reader", &reader) == TOPN_OK);
    for (; *options; options += 2)
        FUZZ_CHECK(topn_options_set(context, reader, options[0], options[1]) == TOPN_OK);
    const reader_params *params = options_params(reader, &reader_option_table);
    const topn_status status = reader_read_memory(context, "fuzz", bytes, size, params, &data);
    if (status == TOPN_OK)
        fuzz_check_data(context, data);
    else
        FUZZ_CHECK(!data && topn_context_message(context)[0] && !strchr(topn_context_message(context), '\n'));
    topn_data_free(data);
    topn_options_free(reader);
    topn_context_free(context);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#endif
