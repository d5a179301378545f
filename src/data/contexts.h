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
    int64_t *times;       /* [events.indptr[contexts]] where topn_data has times, else NULL */
} data_contexts;

/* Features of users, or of items: rows are the users or items of the data, in their order. */
typedef struct feature_table {
    string_table names; /* [columns] "genre=Comedy", or the column's name alone where it is a number */
    id_index by_name;
    sparse_matrix rows; /* entities × columns; 1, or the number */
    float *unscaled;    /* [entries of rows] numbers as they were read, where `rows` has them scaled; else NULL */
} feature_table;

void data_contexts_clear(data_contexts *contexts);
void feature_table_clear(feature_table *features);
/* Clears what data lend that came from a mapped file: only tables and indices are their own. */
void data_contexts_return(data_contexts *contexts);
void feature_table_return(feature_table *features);

/* Makes contexts ascend, and the items of each; INTERNAL when a context, or an item of one, is there twice. */
topn_status data_contexts_sort(topn_context *context, data_contexts *contexts);
/* Makes the indices by_value and by_name. FORMAT when a value, a field or a name is there twice. The structs may move
 * before this, not the arrays of fields, and not the feature table afterwards. */
topn_status data_contexts_index(topn_context *context, data_contexts *contexts);
topn_status feature_table_index(topn_context *context, feature_table *features);
/* Users, values and items in range, everything ascending, every event an entry of `matrix`; else FORMAT with `what`. */
topn_status data_contexts_check(topn_context *context, const data_contexts *contexts, const sparse_matrix *matrix,
                                const char *what);
/* `entities` rows, columns as names, numbers finite; else FORMAT with `what`. Without names there is nothing. */
topn_status feature_table_check(topn_context *context, const feature_table *features, uint32_t entities,
                                const char *what);

/* The contexts of users[r] become those of user r < pairs->rows; items are renumbered (UINT32_MAX = gone), and events
 * whose pair is not in `pairs` leave (indices NULL: all are), as do values that nobody has then. */
topn_status data_contexts_select(topn_context *context, const data_contexts *from, const uint32_t *users,
                                 const uint32_t *number, const sparse_matrix *pairs, data_contexts *out);
/* Leaves out the values of fields that no context has. */
topn_status data_contexts_compact(topn_context *context, data_contexts *contexts);
/* Rows list[r], UINT32_MAX = an empty one; all columns stay. */
topn_status feature_table_select(topn_context *context, const feature_table *from, const uint32_t *list, uint32_t count,
                                 feature_table *out);

/* XXH3-64 of everything in them, seeded with `hash`; `hash` itself when there is nothing. */
uint64_t data_contexts_hash(const data_contexts *contexts, uint64_t hash);
uint64_t feature_table_hash(const feature_table *features, uint64_t hash);

#endif
