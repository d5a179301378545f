/* SPDX-License-Identifier: Apache-2.0
 *
 * What is known beside who took what: in which context (fields of an event: hour, previous item, …), and features of
 * users and items. Data without them have field_count 0 and features with no columns; then `topn_data.matrix` says it
 * all. `topn_data.matrix` always holds users × items, events of the same pair merged over their contexts.
 */
#ifndef TOPN_DATA_CONTEXTS_H
#define TOPN_DATA_CONTEXTS_H

#include "data/id_map.h"
#include "numeric/matrix.h"

enum { MOST_FIELDS = 32 };
#define FIELD_MISSING UINT32_MAX /* an event says nothing in this field */

/* A column of the context, the user apart. */
typedef struct data_field {
    char *name;          /* "hour" */
    string_table values; /* distinct, in the order of ids; FIELD_MISSING has no place here */
    id_index by_value;
} data_field;

/* Distinct contexts of the events: user and the values of all fields; ascending by user, then by values. */
typedef struct data_contexts {
    data_field *fields; /* [field_count] */
    size_t field_count;
    uint32_t *users;      /* [contexts] */
    uint32_t *values;     /* [contexts × field_count] into fields[f].values, or FIELD_MISSING */
    sparse_matrix events; /* contexts × items, weights as in topn_data.matrix; a context's items are distinct */
} data_contexts;

/* Features of users, or of items: rows are the users or items of the data, in their order. */
typedef struct feature_table {
    string_table names; /* [columns] "genre=Comedy", or the column's name alone where it is a number */
    id_index by_name;
    sparse_matrix rows; /* entities × columns; 1, or the number */
} feature_table;

void data_contexts_clear(data_contexts *contexts);
void feature_table_clear(feature_table *features);

#endif
