/* SPDX-License-Identifier: Apache-2.0
 *
 * Attributes of items, by attribute: which items have which values. Filters go through one attribute after the other,
 * not through items.
 */
#ifndef TOPN_RETRIEVE_ATTRIBUTES_H
#define TOPN_RETRIEVE_ATTRIBUTES_H

#include "base/context.h"
#include "model/model.h"

/* Distinct texts of one attribute, numbered as they came; those that are numbers have their value beside. */
typedef struct value_pool {
    char *bytes;
    size_t used, room;
    size_t *offsets; /* [capacity] */
    double *numbers; /* [capacity] NAN where the text is no number */
    uint32_t count, capacity;
    uint32_t *slots; /* [mask + 1] value + 1, or 0 */
    uint32_t mask;
} value_pool;

/* One value of one item. */
typedef struct attribute_entry {
    uint32_t item, value;
} attribute_entry;

/* One step of a change: value UINT32_MAX takes all values of the item away. */
typedef struct attribute_change {
    uint32_t item, value, order;
} attribute_change;

typedef struct attribute {
    char *name;
    value_pool values;
    attribute_entry *entries; /* [count] by item, an item's in the order given */
    attribute_entry *spare;   /* as large: where entries and changes are merged to */
    size_t count, capacity;
    attribute_change *changes; /* [change_count] since the last merge */
    size_t change_count, change_capacity;
    bool ascending; /* the changes' items ascend */
} attribute;

struct topn_attributes {
    const topn_model *model;
    attribute *list; /* [count] by name, in byte order */
    size_t count, capacity;
};

topn_status attributes_create(topn_context *context, const topn_model *model, topn_attributes **out);
void attributes_free(topn_attributes *attributes);
topn_status attributes_set(topn_context *context, topn_attributes *attributes, uint32_t item, const char *name,
                           const char *const *values, size_t value_count);
/* Rows of a feature table ("genre=Drama"; or a column's name alone, with a number): row r, with numbers `values` (NULL
 * = all 1), is of item item_of[r] (NULL = r; UINT32_MAX = of none). Replaces what the items had by these names. */
topn_status attributes_add_features(topn_context *context, topn_attributes *attributes, const feature_table *features,
                                    const float *values, const uint32_t *item_of);

/* NULL where there is none. */
const attribute *attributes_find(const topn_attributes *attributes, const char *name);
/* The attribute with all changes merged in: never fails. */
const attribute *attribute_settled(const attribute *from);
const char *value_text(const value_pool *values, uint32_t value);
bool value_find(const value_pool *values, const char *text, uint32_t *out);
/* Whether all of the text is a finite decimal number. */
bool number_read(const char *text, double *out);

#endif
