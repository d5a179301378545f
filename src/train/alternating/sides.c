/* SPDX-License-Identifier: Apache-2.0
 *
 * First values. A row of w factors is drawn from N(0, s²), s = init_scale/√w, and its bias is 0. A product of several
 * such rows would be next to nothing, so where fields are multiplied the users' rows alone are like that: rows of
 * other fields start at 1 plus noise (PARAFAC), or at (1, 0, …) plus noise with a core that then hands the user's row
 * through (Tucker). Both start as matrix factorisation, and the noise tells the values of a field apart.
 */
#include "train/alternating/sides.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/random.h"
#include "numeric/sparse.h"

uint32_t sides_context_count(const topn_data *data, bool contexts)
{
    return sides_context_fields(data, contexts) > 1 ? data->contexts.events.rows : data->matrix.rows;
}

size_t sides_context_fields(const topn_data *data, bool contexts)
{
    return contexts ? 1 + data->contexts.field_count : 1;
}

static size_t factors_of(const alternating_params *params, composition kind, const size_t *field_factors, size_t field)
{
    return kind == COMPOSE_TUCKER && field_factors ? field_factors[field] : (size_t)params->factors;
}

static bool has_biases(const alternating_params *params, composition kind)
{
    return params->biases || kind == COMPOSE_SUM;
}

/* Columns of the core; 0 when they cannot be counted. */
static size_t core_columns(const alternating_params *params, const size_t *field_factors, size_t fields)
{
    size_t columns = 1;
    for (size_t field = 0; field < fields; field++) {
        const size_t factors = factors_of(params, COMPOSE_TUCKER, field_factors, field);
        if (factors != 0 && columns > (SIZE_MAX >> 16) / factors)
            return 0;
        columns *= factors;
    }
    return columns;
}

static uint64_t feature_entries(const feature_table *features)
{
    return features->names.count > 0 ? features->rows.indptr[features->rows.rows] : 0;
}

uint64_t sides_bytes(const topn_data *data, const alternating_params *params, composition kind, bool contexts,
                     const size_t *field_factors)
{
    const size_t fields = sides_context_fields(data, contexts), bias = has_biases(params, kind) ? 1 : 0;
    const uint64_t entities = sides_context_count(data, contexts), d = (uint64_t)params->factors;
    uint64_t bytes = 4 * ((uint64_t)data->matrix.columns + data->item_features.names.count) * (d + bias);
    for (size_t field = 0; field < fields; field++) {
        const uint64_t rows = field == 0 ? (uint64_t)data->matrix.rows + data->user_features.names.count
                                         : (uint64_t)data->contexts.fields[field - 1].values.count + 1;
        bytes += 4 * rows * (factors_of(params, kind, field_factors, field) + bias);
    }
    if (fields > 1)
        bytes += 12 * entities * fields;
    if (feature_entries(&data->user_features) > 0)
        bytes += 16 * entities + 8 * entities * (feature_entries(&data->user_features) / (data->matrix.rows + 1) + 2);
    bytes += 8 * feature_entries(&data->item_features) + 16 * (uint64_t)data->matrix.columns;
    if (kind == COMPOSE_TUCKER) {
        const size_t columns = core_columns(params, field_factors, fields);
        if (columns == 0)
            return UINT64_MAX;
        bytes += 4 * d * columns;
    }
    return bytes;
}

/* Rows of the field of users, or of items: the entity's own, then those of its features. owners [entities] or NULL =
 * entity e is row e. */
static topn_status own_rows(topn_context *context, const uint32_t *owners, uint32_t entities, uint32_t rows,
                            const feature_table *features, sparse_matrix *out)
{
    topn_status status = TOPN_OK;
    const sparse_matrix *described = features->names.count > 0 ? &features->rows : NULL;
    uint64_t to = entities;
    bool numbers = false;
    if (!owners && !described)
        return status;
    for (uint32_t e = 0; described && e < entities; e++) {
        const uint32_t owner = owners ? owners[e] : e;
        to += described->indptr[owner + 1] - described->indptr[owner];
    }
    for (uint64_t at = 0; described && described->values && at < described->indptr[described->rows]; at++)
        numbers = numbers || described->values[at] != 1;
    *out = (sparse_matrix){.rows = entities, .columns = rows + (described ? described->columns : 0)};
    TRY(ALLOCATE(context, (size_t)entities + 1, &out->indptr));
    TRY(ALLOCATE(context, to, &out->indices));
    if (numbers)
        TRY(ALLOCATE(context, to, &out->values));
    out->indptr[0] = to = 0;
    for (uint32_t e = 0; e < entities; e++) {
        const uint32_t owner = owners ? owners[e] : e;
        if (numbers)
            out->values[to] = 1;
        out->indices[to++] = owner;
        for (uint64_t at = described ? described->indptr[owner] : 0; described && at < described->indptr[owner + 1];
             at++) {
            if (numbers)
                out->values[to] = described->values[at];
            out->indices[to++] = rows + described->indices[at];
        }
        out->indptr[e + 1] = to;
    }
done:
    return status;
}

/* Rows of column `column` of the contexts. */
static topn_status value_rows(topn_context *context, const data_contexts *contexts, size_t column, sparse_matrix *out)
{
    topn_status status;
    const uint32_t entities = contexts->events.rows, missing = contexts->fields[column].values.count;
    *out = (sparse_matrix){.rows = entities, .columns = missing + 1};
    TRY(ALLOCATE(context, (size_t)entities + 1, &out->indptr));
    TRY(ALLOCATE(context, entities, &out->indices));
    for (uint32_t c = 0; c < entities; c++) {
        const uint32_t value = contexts->values[(size_t)c * contexts->field_count + column];
        out->indptr[c] = c;
        out->indices[c] = value == FIELD_MISSING ? missing : value;
    }
    out->indptr[entities] = entities;
done:
    return status;
}

static double draw(const topn_context *context, uint64_t table, size_t row, size_t width, size_t column)
{
    return random_normal(context->seed, RANDOM_PARAMETERS, table << 56 | ((uint64_t)row * width + column));
}

/* Rows of N(center, (scale/√factors)²), center in the first `centered` columns and 0 in others; biases 0. `table`
 * keys the numbers. There is room for one row more, which export may need. */
static topn_status draw_table(topn_context *context, uint64_t table, size_t rows, size_t factors, bool biases,
                              double scale, size_t centered, dense_matrix *out)
{
    topn_status status;
    const size_t width = factors + (biases ? 1 : 0);
    const double deviation = scale / sqrt((double)factors);
    *out = (dense_matrix){.rows = rows, .columns = width};
    TRY(ALLOCATE_TABLE(context, (rows + 1) * width, &out->values));
#pragma omp parallel for schedule(static) num_threads(context->threads)
    for (size_t row = 0; row < rows; row++) {
        float *values = out->values + row * width;
        for (size_t j = 0; j < factors; j++)
            values[j] = (float)((j < centered ? 1 : 0) + deviation * draw(context, table, row, width, j));
        if (biases)
            values[factors] = 0;
    }
done:
    return status;
}

/* Row r of the core starts with a 1 for factor r mod n of the user's n; where n < d, further rows take further factors
 * of the other fields. */
static topn_status draw_core(topn_context *context, const alternating_params *params, const size_t *field_factors,
                             size_t fields, dense_matrix *out)
{
    topn_status status;
    const size_t d = (size_t)params->factors, columns = core_columns(params, field_factors, fields);
    const size_t users = factors_of(params, COMPOSE_TUCKER, field_factors, 0);
    if (columns == 0)
        return fail(context, TOPN_ERROR_MEMORY, "the core has too many entries; use a smaller --field-factors");
    TRY(draw_table(context, 127, d, columns, false, params->init_scale, 0, out));
    const size_t rest = columns / users; /* columns of one factor of the user */
    for (size_t r = 0; r < d; r++)
        out->values[r * columns + (r % users) * rest + (r / users) % rest] += 1;
done:
    return status;
}

static topn_status create_field(topn_context *context, const topn_data *data, const alternating_params *params,
                                const multilinear_side *side, size_t field, size_t factors, side_field *out)
{
    topn_status status;
    const bool contexts = !side->is_item && side->field_count > 1;
    const feature_table *features = side->is_item ? &data->item_features : &data->user_features;
    uint32_t rows = side->is_item ? data->matrix.columns : data->matrix.rows;
    if (field == 0) {
        TRY(own_rows(context, contexts ? data->contexts.users : NULL, side->entities, rows, features, &out->rows));
        rows += features->names.count;
    } else {
        TRY(value_rows(context, &data->contexts, field - 1, &out->rows));
        rows = out->rows.columns;
    }
    const size_t centered = field == 0 || side->kind == COMPOSE_SUM ? 0 : side->kind == COMPOSE_TUCKER ? 1 : factors;
    TRY(draw_table(context, (side->is_item ? 64 : 0) + field, rows, factors, side->biases, params->init_scale, centered,
                   &out->table));
done:
    return status;
}

topn_status sides_create(topn_context *context, const topn_data *data, const alternating_params *params,
                         composition kind, bool contexts, const size_t *field_factors, multilinear_side sides[2])
{
    topn_status status = TOPN_OK;
    const size_t d = (size_t)params->factors;
    for (int which = 0; which < 2; which++) {
        const bool is_item = which == SIDE_ITEMS;
        multilinear_side *side = &sides[which];
        *side = (multilinear_side){
            .kind = is_item && kind == COMPOSE_TUCKER ? COMPOSE_PRODUCT : kind, /* one field: its row is ψ */
            .entities = is_item ? data->matrix.columns : sides_context_count(data, contexts),
            .factors = d,
            .biases = has_biases(params, kind),
            .dimensions = d + (has_biases(params, kind) ? 2 : 0),
            .is_item = is_item,
        };
    }
    for (int which = 0; which < 2; which++) {
        multilinear_side *side = &sides[which];
        const size_t fields = which == SIDE_ITEMS ? 1 : sides_context_fields(data, contexts);
        TRY(ALLOCATE_ZEROED(context, fields, &side->fields));
        side->field_count = fields;
        for (size_t field = 0; field < fields; field++)
            TRY(create_field(context, data, params, side, field, factors_of(params, side->kind, field_factors, field),
                             &side->fields[field]));
        if (side->kind == COMPOSE_TUCKER)
            TRY(draw_core(context, params, field_factors, fields, &side->core));
    }
done:
    if (status != TOPN_OK)
        sides_clear(sides);
    return status;
}

void sides_clear(multilinear_side sides[2])
{
    for (int which = 0; which < 2; which++) {
        multilinear_side *side = &sides[which];
        for (size_t field = 0; side->fields && field < side->field_count; field++) {
            sparse_clear(&side->fields[field].rows);
            free(side->fields[field].table.values);
        }
        free(side->fields);
        free(side->core.values);
        *side = (multilinear_side){0};
    }
}
