/* SPDX-License-Identifier: Apache-2.0
 *
 * Random data, its linear system and its dense matrix G + R in double, for tests of the sparse linear models. Include
 * it before <cmocka.h>.
 */
#ifndef TOPN_TESTS_RANDOM_SYSTEM_H
#define TOPN_TESTS_RANDOM_SYSTEM_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "numeric/sparse.h"
#include "train/linear/system.h"

/* Item i of user u with a probability that falls with i; every third user likes the items of his own kind. */
static inline topn_data *random_data(topn_context *context, uint32_t users, uint32_t items, uint64_t seed)
{
    data_parts parts = {.has_weights = true};
    if (sparse_create(context, users, items, (uint64_t)users * items, &parts.matrix) != TOPN_OK)
        abort();
    uint64_t to = 0;
    for (uint32_t u = 0; u < users; u++) {
        for (uint32_t i = 0; i < items; i++) {
            const double draw = random_uniform(seed, RANDOM_ORDER, (uint64_t)u * items + i);
            if (draw < (u % 3 == i % 3 ? 0.6 : 0.25) / (1 + 5.0 * i / items)) {
                parts.matrix.indices[to] = i;
                parts.matrix.values[to++] = 1.0f + (float)(draw * 10);
            }
        }
        parts.matrix.indptr[u + 1] = to;
    }
    topn_data *data;
    if (string_table_numbers(context, users, &parts.user_ids) != TOPN_OK ||
        string_table_numbers(context, items, &parts.item_ids) != TOPN_OK ||
        data_assemble(context, &parts, &data) != TOPN_OK)
        abort();
    return data;
}

/* G (with_ridge: G + R) [n × n] in model order. */
static inline double *dense_system(const linear_system *system, bool with_ridge)
{
    const sparse_matrix *x = &system->x;
    const size_t n = x->columns;
    double *g = calloc(n * n, sizeof *g);
    for (uint32_t u = 0; u < x->rows; u++)
        for (uint64_t p = x->indptr[u]; p < x->indptr[u + 1]; p++)
            for (uint64_t q = x->indptr[u]; q < x->indptr[u + 1]; q++)
                g[x->indices[p] * n + x->indices[q]] += system->user_weights[u] * x->values[p] * x->values[q];
    for (size_t i = 0; with_ridge && i < n; i++)
        g[i * n + i] += system->ridge[i];
    return g;
}

#endif
