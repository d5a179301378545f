/* SPDX-License-Identifier: Apache-2.0
 *
 * Interactions: users × items in compressed sparse rows, with weights, times, ids and the story of how they were read.
 * This is `topn_data`. Never changed after it is made.
 */
#ifndef TOPN_DATA_INTERACTIONS_H
#define TOPN_DATA_INTERACTIONS_H

#include "base/context.h"
#include "base/record.h"
#include "data/contexts.h"
#include "data/id_map.h"
#include "numeric/matrix.h"
#include "store/safetensors.h"

enum { DROP_REASONS = 16 };

/* What reading saw. Zeroed for data made by other means. */
typedef struct data_provenance {
    char *source, *format, *columns; /* owned; may be NULL */
    uint64_t rows_read, duplicates;
    topn_dropped dropped[DROP_REASONS]; /* reasons are string constants */
    size_t dropped_count;
} data_provenance;

struct topn_data {
    sparse_matrix matrix;  /* users × items, one entry per pair */
    int64_t *times;        /* [events] seconds since 1970, or NULL */
    bool has_weights;      /* false: every value is 1 because the source had no weights */
    string_table user_ids; /* [users], distinct */
    string_table item_ids; /* [items], distinct */
    string_table titles;   /* [items], or count 0; "" where an item has none */
    id_index users_by_id, items_by_id;
    data_contexts contexts; /* field_count 0 where events have no context but the user */
    feature_table user_features, item_features;
    data_provenance provenance;
    char fingerprint[17];   /* 16 hexadecimal digits of XXH3-64 */
    safetensors_file *file; /* when arrays are mapped; else NULL */
};

/* The parts of new data. Everything is moved in: on success and on failure alike the arrays belong to
 * data_assemble, and the struct is cleared. Rows may be unsorted but hold no duplicates; they are sorted, the id
 * indices and the fingerprint are made. Empty data (no users, items or events) are allowed here; who needs events
 * says so. */
typedef struct data_parts {
    sparse_matrix matrix;
    int64_t *times;
    bool has_weights;
    string_table user_ids, item_ids, titles;
    data_contexts contexts; /* contexts and their events in any order; made ascending */
    feature_table user_features, item_features;
    data_provenance provenance;
} data_parts;
topn_status data_assemble(topn_context *context, data_parts *parts, topn_data **out);
void data_parts_clear(data_parts *parts);
/* DATA when there are no events, with what the reader's rules did to them; purpose: "to train on". */
topn_status data_require_events(topn_context *context, const topn_data *data, const char *purpose);
/* Makes the indices by id, value and name. FORMAT when one of them is there twice. */
topn_status data_index(topn_context *context, topn_data *data);
/* Fills data->fingerprint from the arrays and ids. */
void data_fingerprint(topn_data *data);

/* Rows `users` (NULL = all, in order) and columns where keep_item (NULL = all) is set; ids, titles, weights, times and
 * features go along with the name of their source, and so do the contexts of the pairs that stay. keep_event (NULL =
 * all) is asked per entry of `data`. Items are renumbered only when compact_items. */
typedef struct data_selection {
    const uint32_t *users; /* [user_count] */
    uint32_t user_count;
    const bool *keep_event; /* [events] or NULL */
    const bool *keep_item;  /* [items] or NULL */
    bool compact_items;     /* drop items that keep_item refuses; else they stay as empty columns */
    bool drop_empty_users;
} data_selection;
topn_status data_select(topn_context *context, const topn_data *data, const data_selection *selection, topn_data **out);

/* Events of contexts in the order in which they are written: by user and context, but of each pair the one that it was
 * merged to last, so that reading with the rule "last" merges to the same. *out [topn_data_context_events]. */
typedef struct context_place {
    uint64_t event;
    uint32_t context;
} context_place;
topn_status data_context_order(topn_context *context, const topn_data *data, context_place **out);

/* Binary form, src/data/data_file.c. `data_open` on a file that is safetensors but holds a model is FORMAT. */
topn_status data_open(topn_context *context, const char *path, topn_data **out);

#endif
