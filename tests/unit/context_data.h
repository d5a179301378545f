/* SPDX-License-Identifier: Apache-2.0
 *
 * Data with contexts and features from plain arrays. Include it before <cmocka.h>.
 */
#ifndef TOPN_TESTS_CONTEXT_DATA_H
#define TOPN_TESTS_CONTEXT_DATA_H

#include <stdio.h>

#include "base/memory.h"
#include "data/interactions.h"
#include "made_data.h"
#include "numeric/sparse.h"

typedef struct context_arrays {
    uint32_t users, items, field_count;
    const uint32_t *value_counts; /* [field_count] */
    const unsigned *contexts;     /* [context_count × (1 + field_count)] user, values; beyond their count = missing */
    uint32_t context_count;
    const unsigned *indptr;      /* [context_count + 1] */
    const unsigned *event_items; /* [indptr[context_count]] */
    const double *user_features; /* [users × user_feature_count] */
    const double *item_features; /* [items × item_feature_count] */
    uint32_t user_feature_count, item_feature_count;
} context_arrays;

static inline feature_table made_features(const char *prefix, const double *values, uint32_t rows, uint32_t columns)
{
    feature_table table = {0};
    if (columns == 0)
        return table;
    table.names = made_ids(prefix, NULL, columns);
    made(sparse_create(NULL, rows, columns, (uint64_t)rows * columns, &table.rows));
    uint64_t to = 0;
    for (uint32_t row = 0; row < rows; row++) {
        for (uint32_t column = 0; column < columns; column++)
            if (values[(size_t)row * columns + column] != 0) {
                table.rows.indices[to] = column;
                table.rows.values[to++] = (float)values[(size_t)row * columns + column];
            }
        table.rows.indptr[row + 1] = to;
    }
    return table;
}

static inline data_contexts made_contexts(const context_arrays *from)
{
    data_contexts contexts = {.field_count = from->field_count};
    const size_t width = 1 + from->field_count;
    const uint64_t events = from->indptr[from->context_count];
    made(ALLOCATE_ZEROED(NULL, from->field_count, &contexts.fields));
    made(ALLOCATE(NULL, from->context_count, &contexts.users));
    made(ALLOCATE(NULL, (size_t)from->context_count * from->field_count, &contexts.values));
    made(sparse_create(NULL, from->context_count, from->items, events, &contexts.events));
    for (uint32_t f = 0; f < from->field_count; f++) {
        char text[24], prefix[12];
        snprintf(text, sizeof text, "field%u", f % 100);
        snprintf(prefix, sizeof prefix, "f%u-", f % 100);
        made(memory_copy_text(NULL, text, &contexts.fields[f].name));
        contexts.fields[f].values = made_ids(prefix, NULL, from->value_counts[f]);
    }
    for (uint32_t c = 0; c < from->context_count; c++) {
        contexts.users[c] = from->contexts[c * width];
        for (uint32_t f = 0; f < from->field_count; f++) {
            const unsigned value = from->contexts[c * width + 1 + f];
            contexts.values[(size_t)c * from->field_count + f] = value < from->value_counts[f] ? value : FIELD_MISSING;
        }
        contexts.events.indptr[c + 1] = from->indptr[c + 1];
    }
    for (uint64_t at = 0; at < events; at++) {
        contexts.events.indices[at] = from->event_items[at];
        contexts.events.values[at] = 1;
    }
    return contexts;
}

/* Users × items, the pairs that any context has. */
static inline sparse_matrix made_pairs(const context_arrays *from)
{
    sparse_matrix out;
    bool *seen;
    const size_t width = 1 + from->field_count;
    made(sparse_create(NULL, from->users, from->items, from->indptr[from->context_count], &out));
    made(ALLOCATE_ZEROED(NULL, (size_t)from->users * from->items, &seen));
    for (uint32_t c = 0; c < from->context_count; c++)
        for (unsigned at = from->indptr[c]; at < from->indptr[c + 1]; at++)
            seen[(size_t)from->contexts[c * width] * from->items + from->event_items[at]] = true;
    uint64_t to = 0;
    for (uint32_t user = 0; user < from->users; user++) {
        for (uint32_t item = 0; item < from->items; item++)
            if (seen[(size_t)user * from->items + item]) {
                out.indices[to] = item;
                out.values[to++] = 1;
            }
        out.indptr[user + 1] = to;
    }
    free(seen);
    return out;
}

/* Users u0 …, items i0 …, fields field0 … with values f0-0 …, features uf0 … and if0 …. */
static inline topn_data *context_data(const context_arrays *from)
{
    data_parts parts = {.matrix = made_pairs(from)};
    topn_data *data;
    parts.user_ids = made_ids("u", NULL, from->users);
    parts.item_ids = made_ids("i", NULL, from->items);
    if (from->field_count > 0)
        parts.contexts = made_contexts(from);
    parts.user_features = made_features("uf", from->user_features, from->users, from->user_feature_count);
    parts.item_features = made_features("if", from->item_features, from->items, from->item_feature_count);
    made(data_assemble(NULL, &parts, &data));
    return data;
}

#endif
