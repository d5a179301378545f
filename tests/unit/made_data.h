/* SPDX-License-Identifier: Apache-2.0
 *
 * Data and models made by hand for the tests of splitting and evaluation. Include it before <cmocka.h>.
 */
#ifndef TOPN_TESTS_MADE_DATA_H
#define TOPN_TESTS_MADE_DATA_H

#include "base/memory.h"
#include "base/random.h"
#include "data/interactions.h"
#include "model/model.h"
#include "numeric/sparse.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline void made(topn_status status)
{
    if (status != TOPN_OK)
        abort();
}

/* "<prefix><numbers[i]>" for i < count, or of i itself when numbers is NULL. */
static inline string_table made_ids(const char *prefix, const uint32_t *numbers, uint32_t count)
{
    char(*text)[24];
    const char **pointers;
    string_table table;
    made(ALLOCATE(NULL, count, &text));
    made(ALLOCATE(NULL, count, &pointers));
    for (uint32_t index = 0; index < count; index++) {
        snprintf(text[index], sizeof text[index], "%s%u", prefix, numbers ? numbers[index] : index);
        pointers[index] = text[index];
    }
    made(string_table_create(NULL, pointers, count, &table));
    free(text);
    free(pointers);
    return table;
}

/* Data from pairs (user, item) in any order; users and items are named u<user> and i<item> and keep their numbers as
 * indices. times may be NULL. */
static inline topn_data *made_data(uint32_t users, uint32_t items, const uint32_t (*pairs)[2], const int64_t *times,
                                   uint64_t count)
{
    data_parts parts = {0};
    topn_data *data;
    uint64_t *next;
    made(sparse_create(NULL, users, items, count, &parts.matrix));
    made(ALLOCATE_ZEROED(NULL, (size_t)users + 1, &next));
    if (times)
        made(ALLOCATE(NULL, count, &parts.times));
    for (uint64_t at = 0; at < count; at++)
        next[pairs[at][0] + 1]++;
    for (uint32_t user = 0; user < users; user++)
        next[user + 1] += next[user];
    memcpy(parts.matrix.indptr, next, ((size_t)users + 1) * sizeof *next);
    for (uint64_t at = 0; at < count; at++) {
        const uint64_t to = next[pairs[at][0]]++;
        parts.matrix.indices[to] = pairs[at][1];
        parts.matrix.values[to] = 1;
        if (times)
            parts.times[to] = times[at];
    }
    free(next);
    parts.user_ids = made_ids("u", NULL, users);
    parts.item_ids = made_ids("i", NULL, items);
    made(data_assemble(NULL, &parts, &data));
    return data;
}

/* Every user has each item with probability (1 + user % 4) / 8; times are random when asked for. */
static inline topn_data *made_random_data(uint32_t users, uint32_t items, bool with_times, uint64_t seed)
{
    uint32_t(*pairs)[2];
    int64_t *times;
    uint64_t count = 0;
    made(ALLOCATE(NULL, (size_t)users * items, &pairs));
    made(ALLOCATE(NULL, (size_t)users * items, &times));
    for (uint32_t user = 0; user < users; user++)
        for (uint32_t item = 0; item < items; item++) {
            const uint64_t cell = (uint64_t)user * items + item;
            if (random_uniform(seed, RANDOM_DOCTOR, cell) * 8 >= 1 + user % 4)
                continue;
            times[count] = 1000 + random_below(seed, RANDOM_LANCZOS, cell, 500);
            pairs[count][0] = user;
            pairs[count++][1] = item;
        }
    topn_data *data = made_data(users, items, (const uint32_t(*)[2])pairs, with_times ? times : NULL, count);
    free(pairs);
    free(times);
    return data;
}

/* A model of items i0 … whose score vector for a history is the sum of rows of weights [items × items]. */
static inline topn_model *made_model(uint32_t items, const float *weights)
{
    topn_model *model;
    topn_data *data = made_data(1, items, NULL, NULL, 0);
    made(model_create(NULL, data, false, &model));
    topn_data_free(data);
    model->encoder.kind = ENCODER_BAG;
    model->encoder.rows.form = TABLE_DENSE;
    model->encoder.rows.dense = (dense_matrix){.rows = items, .columns = items};
    made(ALLOCATE(NULL, (size_t)items * items, &model->encoder.rows.dense.values));
    memcpy(model->encoder.rows.dense.values, weights, (size_t)items * items * sizeof *weights);
    model->table.kind = ITEMS_IDENTITY;
    made(record_set(NULL, &model->metadata, "method", "made"));
    return model;
}

#endif
