/* SPDX-License-Identifier: Apache-2.0
 *
 * Feature tables of users and items.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/memory.h"
#include "data/contexts.h"
#include "numeric/finite.h"
#include "numeric/sparse.h"

void feature_table_clear(feature_table *features)
{
    id_index_clear(&features->by_name);
    string_table_clear(&features->names);
    sparse_clear(&features->rows);
    free(features->unscaled);
    *features = (feature_table){0};
}

void feature_table_return(feature_table *features)
{
    features->rows = (sparse_matrix){0};
    features->unscaled = NULL;
    feature_table_clear(features);
}

topn_status feature_table_index(topn_context *context, feature_table *features)
{
    return features->names.count ? id_index_create(context, &features->names, &features->by_name) : TOPN_OK;
}

topn_status feature_table_check(topn_context *context, const feature_table *features, uint32_t entities,
                                const char *what)
{
    if (features->names.count == 0)
        return TOPN_OK;
    if (features->rows.rows != entities || features->rows.columns != features->names.count)
        return fail(context, TOPN_ERROR_FORMAT,
                    "%s: %" PRIu32 " × %" PRIu32 " features where %" PRIu32 " × %" PRIu32 " belong", what,
                    features->rows.rows, features->rows.columns, entities, features->names.count);
    const topn_status status = sparse_check(context, &features->rows, what);
    if (status != TOPN_OK || !features->unscaled)
        return status;
    const size_t at = first_infinite(features->unscaled, features->rows.indptr[entities], 1);
    if (at == SIZE_MAX)
        return TOPN_OK;
    return fail(context, TOPN_ERROR_FORMAT, "%s: unscaled value %zu is not finite (%g)", what, at,
                (double)features->unscaled[at]);
}

topn_status feature_table_select(topn_context *context, const feature_table *from, const uint32_t *list, uint32_t count,
                                 feature_table *out)
{
    topn_status status;
    feature_table taken = {0};
    const sparse_matrix *rows = &from->rows;
    uint64_t entries = 0;
    *out = (feature_table){0};
    if (from->names.count == 0)
        return TOPN_OK;
    for (uint32_t row = 0; row < count; row++)
        if (list[row] != UINT32_MAX)
            entries += rows->indptr[list[row] + 1] - rows->indptr[list[row]];
    TRY(string_table_copy(context, &from->names, &taken.names));
    TRY(sparse_create(context, count, rows->columns, entries, &taken.rows));
    if (from->unscaled)
        TRY(ALLOCATE(context, entries, &taken.unscaled));
    uint64_t to = 0;
    for (uint32_t row = 0; row < count; row++) {
        if (list[row] != UINT32_MAX) {
            const uint64_t begin = rows->indptr[list[row]], length = rows->indptr[list[row] + 1] - begin;
            memcpy(taken.rows.indices + to, rows->indices + begin, length * sizeof *rows->indices);
            memcpy(taken.rows.values + to, rows->values + begin, length * sizeof *rows->values);
            if (taken.unscaled)
                memcpy(taken.unscaled + to, from->unscaled + begin, length * sizeof *from->unscaled);
            to += length;
        }
        taken.rows.indptr[row + 1] = to;
    }
    *out = taken;
    taken = (feature_table){0};
done:
    feature_table_clear(&taken);
    return status;
}

uint64_t feature_table_hash(const feature_table *features, uint64_t hash)
{
    const sparse_matrix *rows = &features->rows;
    if (features->names.count == 0)
        return hash;
    const uint64_t count = rows->indptr[rows->rows];
    hash = XXH3_64bits_withSeed(features->names.bytes, features->names.offsets[features->names.count], hash);
    hash = XXH3_64bits_withSeed(rows->indptr, ((size_t)rows->rows + 1) * sizeof *rows->indptr, hash);
    hash = XXH3_64bits_withSeed(rows->indices, count * sizeof *rows->indices, hash);
    return XXH3_64bits_withSeed(rows->values, count * sizeof *rows->values, hash);
}
