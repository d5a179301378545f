/* SPDX-License-Identifier: Apache-2.0 */
#include "data/contexts.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/memory.h"
#include "numeric/sparse.h"

void data_contexts_clear(data_contexts *contexts)
{
    for (size_t field = 0; contexts->fields && field < contexts->field_count; field++) {
        free(contexts->fields[field].name);
        id_index_clear(&contexts->fields[field].by_value);
        string_table_clear(&contexts->fields[field].values);
    }
    free(contexts->fields);
    free(contexts->users);
    free(contexts->values);
    free(contexts->times);
    sparse_clear(&contexts->events);
    *contexts = (data_contexts){0};
}

void data_contexts_return(data_contexts *contexts)
{
    contexts->users = contexts->values = NULL;
    contexts->times = NULL;
    contexts->events = (sparse_matrix){0};
    data_contexts_clear(contexts);
}

/* What a context is known by. */
typedef struct context_key {
    const data_contexts *of;
    uint32_t place;
} context_key;

static int compare_contexts(const data_contexts *of, uint32_t left, uint32_t right)
{
    if (of->users[left] != of->users[right])
        return of->users[left] < of->users[right] ? -1 : 1;
    const uint32_t *a = of->values + left * of->field_count, *b = of->values + right * of->field_count;
    for (size_t field = 0; field < of->field_count; field++)
        if (a[field] != b[field])
            return a[field] < b[field] ? -1 : 1;
    return 0;
}

static int by_context(const void *a, const void *b)
{
    const context_key *left = a, *right = b;
    return compare_contexts(left->of, left->place, right->place);
}

typedef struct context_event {
    uint32_t item;
    float weight;
    int64_t time;
} context_event;

static int by_item(const void *a, const void *b)
{
    const uint32_t left = ((const context_event *)a)->item, right = ((const context_event *)b)->item;
    return (left > right) - (left < right);
}

static bool is_sorted(const data_contexts *contexts)
{
    const sparse_matrix *events = &contexts->events;
    for (uint32_t row = 0; row < events->rows; row++) {
        if (row > 0 && compare_contexts(contexts, row - 1, row) >= 0)
            return false;
        for (uint64_t at = events->indptr[row] + 1; at < events->indptr[row + 1]; at++)
            if (events->indices[at] <= events->indices[at - 1])
                return false;
    }
    return true;
}

/* Copies the contexts in the order of keys into `to`, whose arrays are there; each row sorted by item. */
static topn_status copy_in_order(topn_context *context, const data_contexts *from, const context_key *keys,
                                 data_contexts *to)
{
    topn_status status = TOPN_OK;
    const sparse_matrix *events = &from->events;
    context_event *row = NULL;
    size_t capacity = 0;
    uint64_t next = 0;
    for (uint32_t at = 0; at < events->rows; at++) {
        const uint32_t place = keys[at].place;
        const uint64_t begin = events->indptr[place], count = events->indptr[place + 1] - begin;
        if (count > capacity) {
            capacity = 2 * count;
            TRY(RESIZE(context, capacity, &row));
        }
        for (uint64_t event = 0; event < count; event++)
            row[event] = (context_event){events->indices[begin + event], events->values[begin + event],
                                         from->times ? from->times[begin + event] : 0};
        qsort(row, count, sizeof *row, by_item);
        for (uint64_t event = 0; event < count; event++, next++) {
            to->events.indices[next] = row[event].item;
            to->events.values[next] = row[event].weight;
            if (to->times)
                to->times[next] = row[event].time;
        }
        to->events.indptr[at + 1] = next;
        to->users[at] = from->users[place];
        memcpy(to->values + at * from->field_count, from->values + place * from->field_count,
               from->field_count * sizeof *to->values);
    }
done:
    free(row);
    return status;
}

/* Arrays for `count` contexts with `events` events; the fields are the caller's. */
static topn_status create_arrays(topn_context *context, uint32_t count, uint32_t items, uint64_t events, bool times,
                                 data_contexts *out)
{
    topn_status status;
    TRY(sparse_create(context, count, items, events, &out->events));
    TRY(ALLOCATE(context, count, &out->users));
    TRY(ALLOCATE(context, (size_t)count * out->field_count, &out->values));
    if (times)
        TRY(ALLOCATE(context, events, &out->times));
done:
    return status;
}

topn_status data_contexts_sort(topn_context *context, data_contexts *contexts)
{
    if (contexts->field_count == 0 || is_sorted(contexts))
        return TOPN_OK;
    topn_status status;
    const uint32_t count = contexts->events.rows;
    context_key *keys = NULL;
    data_contexts sorted = {.field_count = contexts->field_count};
    TRY(ALLOCATE(context, count, &keys));
    TRY(create_arrays(context, count, contexts->events.columns, contexts->events.indptr[count], contexts->times != NULL,
                      &sorted));
    for (uint32_t place = 0; place < count; place++)
        keys[place] = (context_key){contexts, place};
    qsort(keys, count, sizeof *keys, by_context);
    TRY(copy_in_order(context, contexts, keys, &sorted));
    sorted.fields = contexts->fields;
    contexts->fields = NULL;
    data_contexts_clear(contexts);
    *contexts = sorted;
    sorted = (data_contexts){0};
    if (!is_sorted(contexts))
        status = fail(context, TOPN_ERROR_INTERNAL, "a context, or an item of one, is there twice");
done:
    free(keys);
    data_contexts_clear(&sorted);
    return status;
}

topn_status data_contexts_index(topn_context *context, data_contexts *contexts)
{
    topn_status status = TOPN_OK;
    for (size_t field = 0; field < contexts->field_count; field++) {
        data_field *of = &contexts->fields[field];
        for (size_t before = 0; before < field; before++)
            if (strcmp(contexts->fields[before].name, of->name) == 0)
                return fail(context, TOPN_ERROR_FORMAT, "the field \"%s\" is there twice", of->name);
        TRY(id_index_create(context, &of->values, &of->by_value));
    }
done:
    return status;
}

static bool holds(const sparse_matrix *matrix, uint32_t row, uint32_t column)
{
    uint64_t low = matrix->indptr[row], high = matrix->indptr[row + 1];
    while (low < high) {
        const uint64_t middle = low + (high - low) / 2;
        if (matrix->indices[middle] < column)
            low = middle + 1;
        else
            high = middle;
    }
    return low < matrix->indptr[row + 1] && matrix->indices[low] == column;
}

/* Users and values in range. */
static topn_status check_keys(topn_context *context, const data_contexts *contexts, uint32_t users, const char *what)
{
    for (uint32_t row = 0; row < contexts->events.rows; row++) {
        if (contexts->users[row] >= users)
            return fail(context, TOPN_ERROR_FORMAT, "%s: context %" PRIu32 " is of user %" PRIu32 " of %" PRIu32, what,
                        row, contexts->users[row], users);
        for (size_t field = 0; field < contexts->field_count; field++) {
            const uint32_t value = contexts->values[row * contexts->field_count + field];
            const uint32_t count = contexts->fields[field].values.count;
            if (value >= count && value != FIELD_MISSING)
                return fail(context, TOPN_ERROR_FORMAT,
                            "%s: context %" PRIu32 " has value %" PRIu32 " of %" PRIu32 " in field \"%s\"", what, row,
                            value, count, contexts->fields[field].name);
        }
    }
    return TOPN_OK;
}

topn_status data_contexts_check(topn_context *context, const data_contexts *contexts, const sparse_matrix *matrix,
                                const char *what)
{
    topn_status status;
    const sparse_matrix *events = &contexts->events;
    if (contexts->field_count == 0)
        return TOPN_OK;
    if (events->columns != matrix->columns)
        return fail(context, TOPN_ERROR_FORMAT, "%s: %" PRIu32 " items where there are %" PRIu32, what, events->columns,
                    matrix->columns);
    TRY(sparse_check(context, events, what));
    TRY(check_keys(context, contexts, matrix->rows, what));
    for (uint32_t row = 0; row < events->rows; row++) {
        if (row > 0 && compare_contexts(contexts, row - 1, row) >= 0)
            return fail(context, TOPN_ERROR_FORMAT, "%s: context %" PRIu32 " does not come after the one before", what,
                        row);
        for (uint64_t at = events->indptr[row]; at < events->indptr[row + 1]; at++)
            if (!holds(matrix, contexts->users[row], events->indices[at]) || events->values[at] < 0)
                return fail(context, TOPN_ERROR_FORMAT, "%s: context %" PRIu32 " has an event that the user has not",
                            what, row);
    }
done:
    return status;
}

topn_status data_contexts_compact(topn_context *context, data_contexts *contexts)
{
    topn_status status = TOPN_OK;
    uint32_t *number = NULL, *list = NULL;
    const size_t stride = contexts->field_count;
    const uint32_t rows = stride ? contexts->events.rows : 0;
    for (size_t field = 0; field < stride; field++) {
        string_table *values = &contexts->fields[field].values, picked = {0};
        uint32_t used = 0;
        TRY(RESIZE(context, values->count, &number));
        TRY(RESIZE(context, values->count, &list));
        for (uint32_t value = 0; value < values->count; value++)
            number[value] = FIELD_MISSING;
        for (uint32_t row = 0; row < rows; row++) {
            const uint32_t value = contexts->values[row * stride + field];
            if (value != FIELD_MISSING)
                number[value] = 0;
        }
        for (uint32_t value = 0; value < values->count; value++) {
            if (number[value] == FIELD_MISSING)
                continue;
            list[used] = value;
            number[value] = used++;
        }
        if (used == values->count)
            continue;
        TRY(string_table_pick(context, values, list, used, &picked));
        string_table_clear(values);
        *values = picked;
        for (uint32_t row = 0; row < rows; row++) {
            uint32_t *value = &contexts->values[row * stride + field];
            *value = *value == FIELD_MISSING ? FIELD_MISSING : number[*value];
        }
    }
done:
    free(number);
    free(list);
    return status;
}

/* Names and values of the fields, copied. */
static topn_status copy_fields(topn_context *context, const data_contexts *from, data_contexts *out)
{
    topn_status status;
    TRY(ALLOCATE_ZEROED(context, from->field_count, &out->fields));
    out->field_count = from->field_count;
    for (size_t field = 0; field < from->field_count; field++) {
        TRY(memory_copy_text(context, from->fields[field].name, &out->fields[field].name));
        TRY(string_table_copy(context, &from->fields[field].values, &out->fields[field].values));
    }
done:
    return status;
}

/* First context at or after those of `user`. */
static uint32_t first_of(const data_contexts *contexts, uint32_t user)
{
    uint32_t low = 0, high = contexts->events.rows;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (contexts->users[middle] < user)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Takes the contexts of users[row] over into `to` from context *count on. */
static void take_user(const data_contexts *from, uint32_t user, const uint32_t *number, const sparse_matrix *pairs,
                      uint32_t row, uint32_t *count, data_contexts *to)
{
    const size_t stride = from->field_count;
    uint64_t next = to->events.indptr[*count];
    for (uint32_t at = first_of(from, user); at < from->events.rows && from->users[at] == user; at++) {
        const uint64_t begin = next;
        for (uint64_t event = from->events.indptr[at]; event < from->events.indptr[at + 1]; event++) {
            const uint32_t item = number[from->events.indices[event]];
            if (item == UINT32_MAX || (pairs->indices && !holds(pairs, row, item)))
                continue;
            to->events.indices[next] = item;
            to->events.values[next] = from->events.values[event];
            if (to->times)
                to->times[next] = from->times[event];
            next++;
        }
        if (next == begin)
            continue;
        to->users[*count] = row;
        memcpy(to->values + *count * stride, from->values + at * stride, stride * sizeof *to->values);
        to->events.indptr[++*count] = next;
    }
}

topn_status data_contexts_select(topn_context *context, const data_contexts *from, const uint32_t *users,
                                 const uint32_t *number, const sparse_matrix *pairs, data_contexts *out)
{
    topn_status status;
    data_contexts taken = {0};
    uint32_t count = 0, contexts = 0;
    uint64_t events = 0;
    *out = (data_contexts){0};
    if (from->field_count == 0)
        return TOPN_OK;
    for (uint32_t row = 0; row < pairs->rows; row++) {
        const uint32_t begin = first_of(from, users[row]), end = first_of(from, users[row] + 1);
        contexts += end - begin;
        events += from->events.indptr[end] - from->events.indptr[begin];
    }
    TRY(copy_fields(context, from, &taken));
    TRY(create_arrays(context, contexts, pairs->columns, events, from->times != NULL, &taken));
    for (uint32_t row = 0; row < pairs->rows; row++)
        take_user(from, users[row], number, pairs, row, &count, &taken);
    events = taken.events.indptr[count];
    taken.events.rows = count;
    TRY(RESIZE(context, (size_t)count + 1, &taken.events.indptr));
    TRY(RESIZE(context, events, &taken.events.indices));
    TRY(RESIZE(context, events, &taken.events.values));
    TRY(RESIZE(context, count, &taken.users));
    TRY(RESIZE(context, (size_t)count * taken.field_count, &taken.values));
    if (taken.times)
        TRY(RESIZE(context, events, &taken.times));
    TRY(data_contexts_compact(context, &taken));
    *out = taken;
    taken = (data_contexts){0};
done:
    data_contexts_clear(&taken);
    return status;
}

static uint64_t hash_strings(const string_table *table, uint64_t hash)
{
    return table->count ? XXH3_64bits_withSeed(table->bytes, table->offsets[table->count], hash) : hash;
}

uint64_t data_contexts_hash(const data_contexts *contexts, uint64_t hash)
{
    const sparse_matrix *events = &contexts->events;
    if (contexts->field_count == 0)
        return hash;
    for (size_t field = 0; field < contexts->field_count; field++) {
        const char *name = contexts->fields[field].name;
        hash = XXH3_64bits_withSeed(name, strlen(name) + 1, hash);
        hash = hash_strings(&contexts->fields[field].values, hash);
    }
    const uint64_t count = events->indptr[events->rows];
    hash = XXH3_64bits_withSeed(contexts->users, events->rows * sizeof *contexts->users, hash);
    hash =
        XXH3_64bits_withSeed(contexts->values, events->rows * contexts->field_count * sizeof *contexts->values, hash);
    hash = XXH3_64bits_withSeed(events->indptr, ((size_t)events->rows + 1) * sizeof *events->indptr, hash);
    hash = XXH3_64bits_withSeed(events->indices, count * sizeof *events->indices, hash);
    hash = XXH3_64bits_withSeed(events->values, count * sizeof *events->values, hash);
    return contexts->times ? XXH3_64bits_withSeed(contexts->times, count * sizeof *contexts->times, hash) : hash;
}
