/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading from memory, for the tests of the readers. Include before cmocka.
 */
#ifndef TOPN_TESTS_INGEST_READ_H
#define TOPN_TESTS_INGEST_READ_H

#include "base/option_table.h"
#include "ingest/reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Reads bytes with options: pairs of texts that end in NULL. */
static inline topn_status read_bytes(topn_context *context, const void *bytes, size_t size, const char *const *options,
                                     topn_data **out)
{
    topn_options *reader = NULL;
    *out = NULL;
    topn_status status = topn_options_create(context, TOPN_KIND_READER, "reader", &reader);
    for (; status == TOPN_OK && options && *options; options += 2)
        status = topn_options_set(context, reader, options[0], options[1]);
    if (status == TOPN_OK)
        status = reader_read_memory(context, "events", bytes, size, options_params(reader, &reader_option_table), out);
    topn_options_free(reader);
    return status;
}

#define OPTIONS(...)                                                                                                   \
    (const char *const[])                                                                                              \
    {                                                                                                                  \
        __VA_ARGS__ __VA_OPT__(, ) NULL                                                                                \
    }

/* "user:item=weight@time user:item…" in index order; weights and times only where the data have them. */
static inline const char *show(const topn_data *data, char *out, size_t capacity)
{
    size_t used = 0;
    out[0] = '\0';
    for (uint32_t user = 0; user < topn_data_users(data); user++) {
        for (uint64_t at = data->matrix.indptr[user]; at < data->matrix.indptr[user + 1]; at++) {
            used += (size_t)snprintf(out + used, capacity - used, "%s%s:%s", used ? " " : "",
                                     topn_data_user_id(data, user), topn_data_item_id(data, data->matrix.indices[at]));
            if (data->has_weights)
                used += (size_t)snprintf(out + used, capacity - used, "=%g", (double)data->matrix.values[at]);
            if (data->times)
                used += (size_t)snprintf(out + used, capacity - used, "@%lld", (long long)data->times[at]);
        }
    }
    return out;
}

#endif
