/* SPDX-License-Identifier: Apache-2.0
 *
 * What tests of the dense linear models share: data, training with "name=value" pairs, tables element by element.
 * Includes cmocka: include it first.
 */
#ifndef TOPN_TESTS_LINEAR_FIXTURE_H
#define TOPN_TESTS_LINEAR_FIXTURE_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "numeric/sparse.h"
#include "train/method.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h> /* after ours: it defines a macro named fail */

enum { USERS = 60, ITEMS = 12 };

/* The interactions of golden/linear.py, copied `times` times over. */
static inline topn_data *golden_data(topn_context *context, uint32_t times)
{
    data_parts parts = {0};
    assert_int_equal(sparse_create(context, times * USERS, ITEMS, (uint64_t)times * USERS * ITEMS, &parts.matrix),
                     TOPN_OK);
    uint64_t to = 0;
    for (uint32_t copy = 0; copy < times; copy++) {
        uint64_t state = 12345;
        for (uint32_t u = 0; u < USERS; u++) {
            for (uint32_t i = 0; i < ITEMS; i++) {
                state = (state * 1103515245 + 12345) % (UINT64_C(1) << 31);
                if ((int)((state >> 16) % 100) < 70 - 5 * (int)i + ((u + i) % 3 == 0 ? 15 : 0)) {
                    parts.matrix.indices[to] = i;
                    parts.matrix.values[to++] = 1.0f;
                }
            }
            parts.matrix.indptr[copy * USERS + u + 1] = to;
        }
    }
    assert_int_equal(string_table_numbers(context, times * USERS, &parts.user_ids), TOPN_OK);
    assert_int_equal(string_table_numbers(context, ITEMS, &parts.item_ids), TOPN_OK);
    topn_data *data;
    assert_int_equal(data_assemble(context, &parts, &data), TOPN_OK);
    return data;
}

/* Random data of any size: item i of user u with a probability that falls with i. */
static inline topn_data *random_data(topn_context *context, uint32_t users, uint32_t items, uint64_t seed)
{
    data_parts parts = {.has_weights = true};
    assert_int_equal(sparse_create(context, users, items, (uint64_t)users * items, &parts.matrix), TOPN_OK);
    uint64_t to = 0;
    for (uint32_t u = 0; u < users; u++) {
        for (uint32_t i = 0; i < items; i++) {
            const double draw = random_uniform(seed, RANDOM_ORDER, (uint64_t)u * items + i);
            if (draw < 0.4 / (1 + 5.0 * i / items)) {
                parts.matrix.indices[to] = i;
                parts.matrix.values[to++] = 1.0f + (float)(draw * 10);
            }
        }
        parts.matrix.indptr[u + 1] = to;
    }
    assert_int_equal(string_table_numbers(context, users, &parts.user_ids), TOPN_OK);
    assert_int_equal(string_table_numbers(context, items, &parts.item_ids), TOPN_OK);
    topn_data *data;
    assert_int_equal(data_assemble(context, &parts, &data), TOPN_OK);
    return data;
}

/* Trains with "name=value" pairs; NULL ends them. */
static inline topn_status train(topn_context *context, const topn_data *data, const char *method_name,
                                const char *const *pairs, topn_model **out)
{
    topn_options *options;
    assert_int_equal(topn_options_create(context, TOPN_KIND_METHOD, method_name, &options), TOPN_OK);
    for (; *pairs; pairs++) {
        char key[64];
        const char *equals = strchr(*pairs, '=');
        snprintf(key, sizeof key, "%.*s", (int)(equals - *pairs), *pairs);
        assert_int_equal(topn_options_set(context, options, key, equals + 1), TOPN_OK);
    }
    const topn_status status = topn_train(context, data, options, NULL, out);
    topn_options_free(options);
    return status;
}

#define PAIRS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* T[r][c] of either form of table. */
static inline double table_at(const embedding_table *table, size_t r, size_t c)
{
    if (table->form == TABLE_DENSE)
        return table->dense.values[r * table->dense.columns + c];
    for (uint64_t at = table->sparse.indptr[r]; at < table->sparse.indptr[r + 1]; at++)
        if (table->sparse.indices[at] == c)
            return table->sparse.values[at];
    return 0;
}

static inline double prior(const topn_model *model, size_t item)
{
    return model->table.priors ? model->table.priors[item] : 1.0;
}

/* The item-item weights that a model stands for: y = x·weights. */
static inline double *weights_of(const topn_model *model, size_t n)
{
    double *out = calloc(n * n, sizeof *out);
    const embedding_table *rows = &model->encoder.rows;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            if (model->table.kind == ITEMS_IDENTITY)
                out[i * n + j] = table_at(rows, i, j);
            else
                for (size_t k = 0; k < n; k++)
                    out[i * n + j] += table_at(rows, i, k) * table_at(rows, j, k);
            out[i * n + j] *= prior(model, j);
        }
    return out;
}

static inline void assert_same_table(const embedding_table *a, const embedding_table *b)
{
    assert_int_equal(a->form, TABLE_SPARSE);
    assert_int_equal(b->form, TABLE_SPARSE);
    const uint32_t rows = a->sparse.rows;
    assert_int_equal(rows, b->sparse.rows);
    assert_memory_equal(a->sparse.indptr, b->sparse.indptr, ((size_t)rows + 1) * sizeof *a->sparse.indptr);
    assert_memory_equal(a->sparse.indices, b->sparse.indices, a->sparse.indptr[rows] * sizeof *a->sparse.indices);
    assert_memory_equal(a->sparse.values, b->sparse.values, a->sparse.indptr[rows] * sizeof *a->sparse.values);
}

static inline int setup(void **state)
{
    topn_context *context;
    assert_int_equal(topn_context_create(&context), TOPN_OK);
    context->threads = 2;
    *state = context;
    return 0;
}

static inline int teardown(void **state)
{
    topn_context_free(*state);
    return 0;
}

#endif
