/* SPDX-License-Identifier: Apache-2.0
 *
 * Random models of every form, made by hand for the tests of retrieval, and the naive double-precision score that the
 * tuned ways of scoring are held against. Include it before <cmocka.h>.
 */
#ifndef TOPN_TESTS_UNIT_RANDOM_MODEL_H
#define TOPN_TESTS_UNIT_RANDOM_MODEL_H

#include "base/memory.h"
#include "base/random.h"
#include "numeric/sparse.h"
#include "retrieve/retriever.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct model_form {
    const char *name;
    encoder_kind encoder;
    item_table_kind table;
    table_form encoder_rows, item_rows;
} model_form;

static const model_form model_forms[] = {
    {"constant", ENCODER_CONSTANT, ITEMS_NONE, TABLE_NONE, TABLE_NONE},
    {"identity dense", ENCODER_BAG, ITEMS_IDENTITY, TABLE_DENSE, TABLE_NONE},
    {"identity sparse", ENCODER_BAG, ITEMS_IDENTITY, TABLE_SPARSE, TABLE_NONE},
    {"shared dense", ENCODER_BAG, ITEMS_SHARED, TABLE_DENSE, TABLE_NONE},
    {"shared sparse", ENCODER_BAG, ITEMS_SHARED, TABLE_SPARSE, TABLE_NONE},
    {"own dense, dense", ENCODER_BAG, ITEMS_OWN, TABLE_DENSE, TABLE_DENSE},
    {"own sparse, dense", ENCODER_BAG, ITEMS_OWN, TABLE_SPARSE, TABLE_DENSE},
    {"own dense, sparse", ENCODER_BAG, ITEMS_OWN, TABLE_DENSE, TABLE_SPARSE},
    {"own sparse, sparse", ENCODER_BAG, ITEMS_OWN, TABLE_SPARSE, TABLE_SPARSE},
};
enum { MODEL_FORMS = sizeof model_forms / sizeof *model_forms };

typedef struct model_shape {
    uint32_t items, dimensions; /* identity tables have `items` dimensions */
    double density;             /* of sparse rows */
    bool priors, biases, use_weights;
    double normalizer;
    uint64_t seed;
} model_shape;

static inline float random_value(uint64_t seed, uint64_t index)
{
    return (float)(random_uniform(seed, RANDOM_DOCTOR, index) * 2.0 - 1.0);
}

static inline void random_rows(embedding_table *table, table_form form, uint32_t rows, uint32_t columns, double density,
                               uint64_t seed)
{
    table->form = form;
    if (form == TABLE_DENSE) {
        table->dense = (dense_matrix){.rows = rows, .columns = columns};
        if (ALLOCATE(NULL, (size_t)rows * columns, &table->dense.values) != TOPN_OK)
            abort();
        for (size_t at = 0; at < (size_t)rows * columns; at++)
            table->dense.values[at] = random_value(seed, at);
    }
    if (form != TABLE_SPARSE)
        return;
    if (sparse_create(NULL, rows, columns, (uint64_t)rows * columns, &table->sparse) != TOPN_OK)
        abort();
    uint64_t filled = 0;
    for (uint32_t row = 0; row < rows; row++) {
        for (uint32_t column = 0; column < columns; column++) {
            const uint64_t at = (uint64_t)row * columns + column;
            if (random_uniform(seed + 1, RANDOM_DOCTOR, at) >= density)
                continue;
            table->sparse.indices[filled] = column;
            table->sparse.values[filled++] = random_value(seed, at);
        }
        table->sparse.indptr[row + 1] = filled;
    }
}

static inline float *random_vector(uint32_t count, uint64_t seed)
{
    float *values;
    if (ALLOCATE(NULL, count, &values) != TOPN_OK)
        abort();
    for (uint32_t at = 0; at < count; at++)
        values[at] = 1.5f + random_value(seed, at);
    return values;
}

static inline topn_model random_model(const model_form *form, const model_shape *shape)
{
    topn_model model = {.items = shape->items};
    const uint32_t columns = form->table == ITEMS_IDENTITY ? shape->items : shape->dimensions;
    model.encoder.kind = form->encoder;
    model.encoder.normalizer = shape->normalizer;
    model.encoder.use_weights = shape->use_weights;
    model.table.kind = form->table;
    random_rows(&model.encoder.rows, form->encoder_rows, shape->items, columns, shape->density, shape->seed * 8);
    random_rows(&model.table.rows, form->item_rows, shape->items, columns, shape->density, shape->seed * 8 + 2);
    if (shape->priors)
        model.table.priors = random_vector(shape->items, shape->seed * 8 + 4);
    if (shape->biases)
        model.table.biases = random_vector(shape->items, shape->seed * 8 + 5);
    return model;
}

static inline void random_rows_clear(embedding_table *table)
{
    free(table->dense.values);
    sparse_clear(&table->sparse);
}

static inline void random_model_clear(topn_model *model)
{
    random_rows_clear(&model->encoder.rows);
    random_rows_clear(&model->table.rows);
    free(model->table.priors);
    free(model->table.biases);
}

/* Histories of `users` users; every fourth is empty, one has every item. Rows are shuffled on purpose. */
static inline sparse_matrix random_histories(uint32_t users, uint32_t items, uint64_t seed)
{
    sparse_matrix rows;
    if (sparse_create(NULL, users, items, (uint64_t)users * items, &rows) != TOPN_OK)
        abort();
    uint64_t filled = 0;
    for (uint32_t user = 0; user < users; user++) {
        const double density = user % 4 == 3 ? 0.0 : user == 2 ? 1.0 : 0.05 + 0.02 * (user % 8);
        const uint64_t begin = filled;
        for (uint32_t item = 0; item < items; item++) {
            const uint64_t at = (uint64_t)user * items + item;
            if (random_uniform(seed, RANDOM_DOCTOR, at) >= density)
                continue;
            rows.indices[filled] = item;
            rows.values[filled++] = (float)(1.0 + floor(4.0 * random_uniform(seed + 1, RANDOM_DOCTOR, at))) * 0.5f;
        }
        for (uint64_t at = begin; filled - begin > 1 && at + 1 < filled; at += 2) {
            const uint32_t item = rows.indices[at];
            rows.indices[at] = rows.indices[at + 1];
            rows.indices[at + 1] = item;
        }
        rows.indptr[user + 1] = filled;
    }
    return rows;
}

static inline history history_row(const sparse_matrix *rows, uint32_t user)
{
    const uint64_t begin = rows->indptr[user];
    return (history){
        .items = rows->indices + begin, .weights = rows->values + begin, .length = rows->indptr[user + 1] - begin};
}

static inline double naive_element(const embedding_table *table, uint32_t row, uint32_t column)
{
    if (table->form == TABLE_DENSE)
        return (double)table->dense.values[(size_t)row * table->dense.columns + column];
    for (uint64_t at = table->sparse.indptr[row]; at < table->sparse.indptr[row + 1]; at++)
        if (table->sparse.indices[at] == column)
            return (double)table->sparse.values[at];
    return 0.0;
}

/* ⟨T_h, ψ_i⟩, and the sum of the magnitudes of its terms in *size. */
static inline double naive_product(const topn_model *model, uint32_t source, uint32_t item, double *size)
{
    const embedding_table *rows = &model->encoder.rows;
    double sum = 0.0;
    *size = 0.0;
    if (model->encoder.kind == ENCODER_CONSTANT)
        return 0.0;
    if (model->table.kind == ITEMS_IDENTITY) {
        sum = naive_element(rows, source, item);
        *size = fabs(sum);
        return sum;
    }
    const embedding_table *own = model->table.kind == ITEMS_OWN ? &model->table.rows : rows;
    const size_t columns = rows->form == TABLE_DENSE ? rows->dense.columns : rows->sparse.columns;
    for (uint32_t column = 0; column < columns; column++) {
        const double term = naive_element(rows, source, column) * naive_element(own, item, column);
        sum += term;
        *size += fabs(term);
    }
    return sum;
}

/* The score by definition, and in *size the sum of the magnitudes of its terms (what rounding is relative to). */
static inline double naive_score(const topn_model *model, const history *user, uint32_t item, double *size)
{
    double weight_sum = 0.0, sum = 0.0;
    *size = 0.0;
    for (size_t place = 0; place < user->length; place++)
        weight_sum += model->encoder.use_weights && user->weights ? (double)user->weights[place] : 1.0;
    for (size_t place = 0; place < user->length; place++) {
        const double weight = model->encoder.use_weights && user->weights ? (double)user->weights[place] : 1.0;
        double terms;
        sum += weight * naive_product(model, user->items[place], item, &terms);
        *size += weight * terms;
    }
    const double prior = model->table.priors ? (double)model->table.priors[item] : 1.0;
    const double bias = model->table.biases ? (double)model->table.biases[item] : 0.0;
    const double scale = weight_sum > 0.0 ? pow(weight_sum, -model->encoder.normalizer) : 1.0;
    *size = *size * scale * fabs(prior) + fabs(bias);
    return sum * scale * prior + bias;
}

#endif
