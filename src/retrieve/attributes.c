/* SPDX-License-Identifier: Apache-2.0 */
#include "retrieve/attributes.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

static const uint32_t NONE = UINT32_MAX;

bool number_read(const char *text, double *out)
{
    char *end;
    if (text[strspn(text, "+-0123456789.eE")] || !strpbrk(text, "0123456789")) /* no hexadecimal, no inf, no blanks */
        return false;
    *out = strtod(text, &end);
    return *end == '\0' && isfinite(*out);
}

/* ---- Values --------------------------------------------------------------------------------------------------------
 */

const char *value_text(const value_pool *values, uint32_t value)
{
    return values->bytes + values->offsets[value];
}

/* FNV-1a. */
static uint32_t hash_of(const char *text)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * UINT64_C(1099511628211);
    return (uint32_t)(hash ^ hash >> 32);
}

/* The slot that holds the text, or the empty one where it belongs. */
static uint32_t *find_slot(const value_pool *values, const char *text)
{
    uint32_t at = hash_of(text) & values->mask;
    while (values->slots[at] && strcmp(value_text(values, values->slots[at] - 1), text) != 0)
        at = (at + 1) & values->mask;
    return &values->slots[at];
}

bool value_find(const value_pool *values, const char *text, uint32_t *out)
{
    if (!values->slots)
        return false;
    const uint32_t slot = *find_slot(values, text);
    *out = slot - 1;
    return slot != 0;
}

/* Room for one more value of `length` bytes; slots are at most half full. */
static topn_status make_room(topn_context *context, value_pool *values, size_t length)
{
    topn_status status = TOPN_OK;
    uint32_t *slots = NULL;
    if (values->used + length > values->room) {
        const size_t room = 2 * (values->used + length) + 64;
        TRY(RESIZE(context, room, &values->bytes));
        values->room = room;
    }
    if (values->count < values->capacity)
        return TOPN_OK;
    if (values->count >= UINT32_MAX / 4)
        return fail(context, TOPN_ERROR_DATA, "an attribute has more than %" PRIu32 " different values", values->count);
    const uint32_t capacity = values->capacity ? 2 * values->capacity : 16, mask = 2 * capacity - 1;
    TRY(RESIZE(context, capacity, &values->offsets));
    TRY(RESIZE(context, capacity, &values->numbers));
    TRY(ALLOCATE_ZEROED(context, (size_t)mask + 1, &slots));
    free(values->slots);
    values->slots = slots;
    values->mask = mask;
    values->capacity = capacity;
    for (uint32_t value = 0; value < values->count; value++)
        *find_slot(values, value_text(values, value)) = value + 1;
done:
    return status;
}

static topn_status add_value(topn_context *context, value_pool *values, const char *text, uint32_t *out)
{
    topn_status status = TOPN_OK;
    double number;
    if (value_find(values, text, out))
        return TOPN_OK;
    const size_t length = strlen(text) + 1;
    TRY(make_room(context, values, length));
    memcpy(values->bytes + values->used, text, length);
    values->offsets[values->count] = values->used;
    values->numbers[values->count] = number_read(text, &number) ? number : NAN;
    values->used += length;
    *out = values->count++;
    *find_slot(values, text) = *out + 1;
done:
    return status;
}

static void clear_attribute(attribute *at)
{
    free(at->name);
    free(at->values.bytes);
    free(at->values.offsets);
    free(at->values.numbers);
    free(at->values.slots);
    free(at->entries);
    free(at->spare);
    free(at->changes);
}

/* ---- Changes --------------------------------------------------------------------------------------------------------
 */

/* Room for `count` more changes, and for entries with all changes in them, so that merging needs none. */
static topn_status reserve(topn_context *context, attribute *at, size_t count)
{
    topn_status status = TOPN_OK;
    const size_t changes = at->change_count + count, entries = at->count + changes;
    if (changes >= UINT32_MAX)
        return fail(context, TOPN_ERROR_DATA, "attribute \"%s\" has too many values", at->name);
    if (changes > at->change_capacity) {
        const size_t capacity = 2 * changes + 16;
        TRY(RESIZE(context, capacity, &at->changes));
        at->change_capacity = capacity;
    }
    if (entries > at->capacity) {
        const size_t capacity = entries + entries / 2 + 16;
        TRY(RESIZE(context, capacity, &at->entries));
        TRY(RESIZE(context, capacity, &at->spare));
        at->capacity = capacity;
    }
done:
    return status;
}

/* After reserve. */
static void change(attribute *at, uint32_t item, uint32_t value)
{
    if (at->change_count == 0)
        at->ascending = true;
    else if (item < at->changes[at->change_count - 1].item)
        at->ascending = false;
    at->changes[at->change_count] = (attribute_change){item, value, (uint32_t)at->change_count};
    at->change_count++;
}

static int by_item(const void *a, const void *b)
{
    const attribute_change *left = a, *right = b;
    if (left->item != right->item)
        return left->item < right->item ? -1 : 1;
    return (left->order > right->order) - (left->order < right->order);
}

/* The changes of one item, from `begin` on: what holds is what follows the last removal. Returns their end. */
static size_t last_values(const attribute *at, size_t begin, size_t *values)
{
    size_t end = begin;
    *values = begin;
    for (; end < at->change_count && at->changes[end].item == at->changes[begin].item; end++)
        if (at->changes[end].value == NONE)
            *values = end + 1;
    return end;
}

static void merge(attribute *at)
{
    size_t from = 0, to = 0;
    if (!at->ascending)
        qsort(at->changes, at->change_count, sizeof *at->changes, by_item);
    for (size_t begin = 0, end; begin < at->change_count; begin = end) {
        size_t next;
        const uint32_t item = at->changes[begin].item;
        end = last_values(at, begin, &next);
        while (from < at->count && at->entries[from].item < item)
            at->spare[to++] = at->entries[from++];
        while (from < at->count && at->entries[from].item == item)
            from++;
        for (; next < end; next++)
            at->spare[to++] = (attribute_entry){item, at->changes[next].value};
    }
    while (from < at->count)
        at->spare[to++] = at->entries[from++];
    attribute_entry *const entries = at->spare;
    at->spare = at->entries;
    at->entries = entries;
    at->count = to;
    at->change_count = 0;
}

const attribute *attribute_settled(const attribute *from)
{
    if (from->change_count)
        merge((attribute *)from); /* the same values, in another place */
    return from;
}

/* ---- Names ----------------------------------------------------------------------------------------------------------
 */

/* Where the name is, or belongs. */
static size_t find_place(const topn_attributes *attributes, const char *name, bool *found)
{
    size_t low = 0, high = attributes->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (strcmp(attributes->list[middle].name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *found = low < attributes->count && strcmp(attributes->list[low].name, name) == 0;
    return low;
}

const attribute *attributes_find(const topn_attributes *attributes, const char *name)
{
    bool found;
    const size_t at = find_place(attributes, name, &found);
    return found ? &attributes->list[at] : NULL;
}

static topn_status find_or_add(topn_context *context, topn_attributes *attributes, const char *name, size_t *out)
{
    topn_status status = TOPN_OK;
    bool found;
    attribute fresh = {0};
    *out = find_place(attributes, name, &found);
    if (found)
        return TOPN_OK;
    if (attributes->count == attributes->capacity) {
        const size_t capacity = 2 * attributes->capacity + 8;
        TRY(RESIZE(context, capacity, &attributes->list));
        attributes->capacity = capacity;
    }
    TRY(memory_copy_text(context, name, &fresh.name));
    memmove(attributes->list + *out + 1, attributes->list + *out,
            (attributes->count - *out) * sizeof *attributes->list);
    attributes->list[*out] = fresh;
    attributes->count++;
done:
    return status;
}

topn_status attributes_set(topn_context *context, topn_attributes *attributes, uint32_t item, const char *name,
                           const char *const *values, size_t value_count)
{
    topn_status status;
    size_t place;
    uint32_t *numbers = NULL;
    TRY(ALLOCATE(context, value_count, &numbers));
    TRY(find_or_add(context, attributes, name, &place));
    attribute *at = &attributes->list[place];
    for (size_t value = 0; value < value_count; value++)
        TRY(add_value(context, &at->values, values[value], &numbers[value]));
    if (at->change_count > at->count) /* merged now and then: changes of the same items don't pile up */
        merge(at);
    TRY(reserve(context, at, value_count + 1));
    change(at, item, NONE);
    for (size_t value = 0; value < value_count; value++)
        change(at, item, numbers[value]);
done:
    free(numbers);
    return status;
}

/* ---- Feature tables -------------------------------------------------------------------------------------------------
 */

/* What a column of a feature table is. */
typedef struct feature_column {
    size_t attribute;  /* place in the list */
    const char *value; /* text after '=', NULL: the number is the value */
    uint32_t number;   /* of the value in the pool */
} feature_column;

/* "genre=Drama" → "genre" in *name [capacity given by the text], "Drama"; NULL: a column of numbers. */
static const char *split_name(const char *text, char *name)
{
    const char *equals = strchr(text, '=');
    const bool both = equals && equals > text;
    const size_t length = both ? (size_t)(equals - text) : strlen(text);
    memcpy(name, text, length);
    name[length] = '\0';
    return both ? equals + 1 : NULL;
}

static topn_status find_columns(topn_context *context, topn_attributes *attributes, const string_table *names,
                                feature_column *columns)
{
    topn_status status;
    char *name = NULL;
    size_t longest = 0;
    for (uint32_t column = 0; column < names->count; column++) {
        const size_t length = strlen(string_table_get(names, column));
        longest = length > longest ? length : longest;
    }
    TRY(ALLOCATE(context, longest + 1, &name));
    for (uint32_t column = 0; column < names->count; column++) { /* all names first: places move as they come */
        size_t place;
        split_name(string_table_get(names, column), name);
        TRY(find_or_add(context, attributes, name, &place));
    }
    for (uint32_t column = 0; column < names->count; column++) {
        columns[column].value = split_name(string_table_get(names, column), name);
        TRY(find_or_add(context, attributes, name, &columns[column].attribute));
        if (columns[column].value)
            TRY(add_value(context, &attributes->list[columns[column].attribute].values, columns[column].value,
                          &columns[column].number));
    }
done:
    free(name);
    return status;
}

/* The shortest text that reads back as the same float. */
static topn_status add_number(topn_context *context, value_pool *values, float number, uint32_t *out)
{
    char text[32];
    int digits = 6;
    do
        snprintf(text, sizeof text, "%.*g", digits, (double)number);
    while (strtof(text, NULL) != number && ++digits <= 9);
    return add_value(context, values, text, out);
}

static topn_status reserve_columns(topn_context *context, topn_attributes *attributes, const feature_table *features,
                                   const feature_column *columns)
{
    topn_status status;
    const uint64_t entries = features->rows.indptr[features->rows.rows];
    size_t *counts = NULL;
    TRY(ALLOCATE_ZEROED(context, attributes->count, &counts));
    for (uint64_t at = 0; at < entries; at++)
        counts[columns[features->rows.indices[at]].attribute]++;
    for (size_t place = 0; place < attributes->count; place++)
        if (counts[place])
            TRY(reserve(context, &attributes->list[place], 2 * counts[place])); /* a removal an item at most */
done:
    free(counts);
    return status;
}

topn_status attributes_add_features(topn_context *context, topn_attributes *attributes, const feature_table *features,
                                    const float *values, const uint32_t *item_of)
{
    topn_status status;
    const sparse_matrix *rows = &features->rows;
    feature_column *columns = NULL;
    uint32_t *last = NULL; /* [attributes] item that was begun */
    if (features->names.count == 0)
        return TOPN_OK;
    TRY(ALLOCATE_ZEROED(context, features->names.count, &columns));
    TRY(find_columns(context, attributes, &features->names, columns));
    TRY(reserve_columns(context, attributes, features, columns));
    TRY(ALLOCATE(context, attributes->count, &last));
    memset(last, 0xff, attributes->count * sizeof *last);
    for (uint32_t row = 0; row < rows->rows; row++) {
        const uint32_t item = item_of ? item_of[row] : row;
        for (uint64_t at = rows->indptr[row]; item != NONE && at < rows->indptr[row + 1]; at++) {
            const feature_column *column = &columns[rows->indices[at]];
            attribute *to = &attributes->list[column->attribute];
            const float number = values ? values[at] : 1.0f;
            uint32_t value = column->number;
            if (!column->value)
                TRY(add_number(context, &to->values, number, &value));
            if (last[column->attribute] != item)
                change(to, item, NONE);
            last[column->attribute] = item;
            if (!column->value || number != 0.0f) /* a category so often: none */
                change(to, item, value);
        }
    }
done:
    free(columns);
    free(last);
    return status;
}

topn_status attributes_create(topn_context *context, const topn_model *model, topn_attributes **out)
{
    topn_status status;
    topn_attributes *attributes = NULL;
    *out = NULL;
    TRY(ALLOCATE_ZEROED(context, 1, &attributes));
    attributes->model = model;
    TRY(attributes_add_features(context, attributes, &model->attributes, model->attributes.rows.values, NULL));
    *out = attributes;
    return TOPN_OK;
done:
    attributes_free(attributes);
    return status;
}

void attributes_free(topn_attributes *attributes)
{
    if (!attributes)
        return;
    for (size_t at = 0; at < attributes->count; at++)
        clear_attribute(&attributes->list[at]);
    free(attributes->list);
    free(attributes);
}
