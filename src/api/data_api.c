/* SPDX-License-Identifier: Apache-2.0 */
#include <topn/topn.h>

#include "base/memory.h"
#include "data/describe.h"
#include "data/interactions.h"
#include "generate/generator.h"
#include "ingest/reader.h"
#include "numeric/sparse.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

topn_status topn_data_read(topn_context *context, const char *path, const topn_options *reader, topn_data **out)
{
    if (out)
        *out = NULL;
    if (!context || !path || !out)
        return fail(context, TOPN_ERROR_ARGUMENT, "topn_data_read takes a context, a path and an output");
    topn_options *standby = NULL;
    const void *params;
    topn_status status;
    TRY(options_or_default(context, reader, TOPN_KIND_READER, "reader", &reader_option_table, &standby, &params));
    status = reader_read(context, path, params, out);
done:
    topn_options_free(standby);
    return status;
}

topn_status topn_data_generate(topn_context *context, const topn_options *generator, topn_data **out)
{
    if (out)
        *out = NULL;
    if (!context || !out)
        return fail(context, TOPN_ERROR_ARGUMENT, "topn_data_generate takes a context, options and an output");
    topn_options *standby = NULL;
    const void *params;
    topn_status status;
    TRY(options_or_default(context, generator, TOPN_KIND_GENERATOR, "generator", &generator_option_table, &standby,
                           &params));
    status = generator_make(context, params, out);
done:
    topn_options_free(standby);
    return status;
}

typedef struct cell {
    uint32_t item;
    float value;
    size_t place; /* keeps the order of equal items */
} cell;

static int by_item(const void *a, const void *b)
{
    const cell *left = a, *right = b;
    if (left->item != right->item)
        return left->item < right->item ? -1 : 1;
    return (left->place > right->place) - (left->place < right->place);
}

/* Sorts a row and sums duplicates into out; returns how many are left. */
static uint64_t sum_row(cell *row, size_t count, uint32_t *indices, float *values)
{
    uint64_t to = 0;
    qsort(row, count, sizeof *row, by_item);
    for (size_t at = 0; at < count;) {
        double sum = 0;
        const uint32_t item = row[at].item;
        for (; at < count && row[at].item == item; at++)
            sum += row[at].value;
        indices[to] = item;
        values[to++] = (float)sum;
    }
    return to;
}

static topn_status check_csr(topn_context *context, uint32_t users, uint32_t items, const uint64_t *indptr,
                             const uint32_t *indices, const float *values)
{
    if (indptr[0] != 0)
        return fail(context, TOPN_ERROR_ARGUMENT, "indptr[0] is %" PRIu64 ", not 0", indptr[0]);
    for (uint32_t user = 0; user < users; user++)
        if (indptr[user + 1] < indptr[user])
            return fail(context, TOPN_ERROR_ARGUMENT, "indptr falls at row %" PRIu32, user);
    for (uint64_t at = 0; at < indptr[users]; at++) {
        if (indices[at] >= items)
            return fail(context, TOPN_ERROR_ARGUMENT,
                        "indices[%" PRIu64 "] is %" PRIu32 "; there are %" PRIu32 " items", at, indices[at], items);
        if (values && !(isfinite(values[at]) && values[at] >= 0))
            return fail(context, TOPN_ERROR_ARGUMENT, "values[%" PRIu64 "] is %g, not finite and at least 0", at,
                        (double)values[at]);
    }
    return TOPN_OK;
}

topn_status topn_data_copy_csr(topn_context *context, uint32_t users, uint32_t items, const uint64_t *indptr,
                               const uint32_t *indices, const float *values, topn_data **out)
{
    if (out)
        *out = NULL;
    if (!context || !indptr || !out || (!indices && indptr[users] > 0) || users == UINT32_MAX || items == UINT32_MAX)
        return fail(
            context, TOPN_ERROR_ARGUMENT,
            "topn_data_copy_csr takes a context, at most 4294967294 users and items, indptr, indices and an output");
    topn_status status;
    data_parts parts = {.has_weights = values != NULL};
    cell *row = NULL;
    size_t longest = 0;
    uint64_t to = 0;
    TRY(check_csr(context, users, items, indptr, indices, values));
    TRY(sparse_create(context, users, items, indptr[users], &parts.matrix));
    for (uint32_t user = 0; user < users; user++)
        longest = indptr[user + 1] - indptr[user] > longest ? indptr[user + 1] - indptr[user] : longest;
    TRY(ALLOCATE(context, longest, &row));
    for (uint32_t user = 0; user < users; user++) {
        const uint64_t begin = indptr[user];
        const size_t count = indptr[user + 1] - begin;
        for (size_t at = 0; at < count; at++)
            row[at] = (cell){indices[begin + at], values ? values[begin + at] : 1.0f, at};
        to += sum_row(row, count, parts.matrix.indices + to, parts.matrix.values + to);
        parts.matrix.indptr[user + 1] = to;
    }
    parts.provenance.rows_read = indptr[users];
    parts.provenance.duplicates = indptr[users] - to;
    parts.has_weights = parts.has_weights || parts.provenance.duplicates > 0;
    TRY(string_table_numbers(context, users, &parts.user_ids));
    TRY(string_table_numbers(context, items, &parts.item_ids));
    status = data_assemble(context, &parts, out);
done:
    data_parts_clear(&parts);
    free(row);
    return status;
}

topn_status topn_data_describe(topn_context *context, const topn_data *data, topn_description *out)
{
    if (!context || !data || !out)
        return fail(context, TOPN_ERROR_ARGUMENT, "topn_data_describe takes a context, data and an output");
    return data_describe(context, data, out);
}
