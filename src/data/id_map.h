/* SPDX-License-Identifier: Apache-2.0
 *
 * External ids: index → byte string and back. Also used for titles (index → string only).
 */
#ifndef TOPN_DATA_ID_MAP_H
#define TOPN_DATA_ID_MAP_H

#include "base/context.h"

/* Strings one after the other, each with its NUL: string i starts at bytes + offsets[i]. */
typedef struct string_table {
    const char *bytes;       /* [offsets[count]] */
    const uint64_t *offsets; /* [count + 1] */
    uint32_t count;
    bool owned; /* false: the arrays belong to a mapped file */
} string_table;

const char *string_table_get(const string_table *table, uint32_t index); /* index < count */
/* Copies count strings (entries may repeat). */
topn_status string_table_create(topn_context *context, const char *const *strings, uint32_t count, string_table *out);
/* The decimal numbers 0 … count−1. */
topn_status string_table_numbers(topn_context *context, uint32_t count, string_table *out);
/* Rows of `from` picked by index. */
topn_status string_table_pick(topn_context *context, const string_table *from, const uint32_t *indices, uint32_t count,
                              string_table *out);
topn_status string_table_copy(topn_context *context, const string_table *from, string_table *out);
/* Offsets ascend, every string ends in NUL and holds no other; else FORMAT with `what`. */
topn_status string_table_check(topn_context *context, const string_table *table, uint64_t bytes, const char *what);
void string_table_clear(string_table *table);

/* Hash index over a table of distinct strings. The table must outlive it. */
typedef struct id_index {
    const string_table *table;
    uint32_t *slots; /* [mask + 1], index + 1 or 0 */
    uint32_t mask;
} id_index;
/* FORMAT when two strings are equal. O(bytes). */
topn_status id_index_create(topn_context *context, const string_table *table, id_index *out);
bool id_index_find(const id_index *index, const char *id, uint32_t *out);
void id_index_clear(id_index *index);

#endif
