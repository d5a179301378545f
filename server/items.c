/* SPDX-License-Identifier: Apache-2.0 */
#include "items.h"

#include "generation.h"

#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    FILTERS = 128, /* compiled ones that are kept */
    LONGEST_EXPRESSION = 4000,
    PAGE = 1000, /* items read from the store at a time */
    CHECK_NANOSECONDS = 100000000,
    REST = 10, /* reading items anew may take one part in so many of the time */
    NUMBER_SIZE = 32,
};

typedef struct kept_filter {
    char *expression; /* NULL: a free place */
    topn_filter *filter;
    unsigned users; /* requests that it is lent to */
    uint64_t used;  /* the larger, the later */
} kept_filter;

struct item_state {
    atomic_uint references;
    generation *generation; /* with a reference */
    int64_t version;        /* of the store's items; −1 = they could not be read */
    char **titles;          /* [items] of the store's, NULL for others; NULL when it has none */
    topn_filter *available;
    topn_context *context; /* of the attributes; guarded by attributes_lock, as they are */
    topn_attributes *attributes;
    pthread_mutex_t attributes_lock, filters_lock;
    kept_filter filters[FILTERS];
    uint64_t uses;
};

struct item_catalog {
    char *attributes_file;
    pthread_mutex_t lock;
    pthread_cond_t built;
    item_state *current;
    bool building, touched;
    int64_t checked, cost; /* nanoseconds: when the store was last asked, and what the last building took */
};

/* What reading the store's items needs. */
typedef struct reading {
    item_state *state;
    unsigned char *allowed; /* [items] */
    bool hidden;            /* any */
    char *last;             /* id */
    size_t count;           /* on this page */
    bool failed;
} reading;

static int64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

void item_state_release(item_state *state)
{
    if (!state || atomic_fetch_sub(&state->references, 1) > 1)
        return;
    const uint32_t all = topn_model_items(state->generation->model);
    for (uint32_t item = 0; state->titles && item < all; item++)
        free(state->titles[item]);
    free(state->titles);
    for (size_t at = 0; at < FILTERS; at++) {
        free(state->filters[at].expression);
        topn_filter_free(state->filters[at].filter);
    }
    topn_filter_free(state->available);
    topn_attributes_free(state->attributes);
    topn_context_free(state->context);
    pthread_mutex_destroy(&state->attributes_lock);
    pthread_mutex_destroy(&state->filters_lock);
    generation_release(state->generation);
    free(state);
}

/* A value of an attribute as text, in `number` where it is none; NULL for what is neither text, number nor boolean. */
static const char *value_text(const json_t *value, char number[NUMBER_SIZE])
{
    if (json_is_string(value))
        return json_string_value(value);
    if (json_is_boolean(value))
        return json_is_true(value) ? "true" : "false";
    if (json_is_integer(value))
        snprintf(number, NUMBER_SIZE, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    else if (json_is_real(value))
        snprintf(number, NUMBER_SIZE, "%.17g", json_real_value(value));
    else
        return NULL;
    return number;
}

static bool set_attribute(item_state *state, uint32_t item, const char *name, const json_t *value)
{
    const size_t most = json_is_array(value) ? json_array_size(value) : 1;
    char(*numbers)[NUMBER_SIZE] = calloc(most + 1, sizeof *numbers);
    const char **texts = calloc(most + 1, sizeof *texts);
    size_t count = 0;
    bool set = numbers && texts;
    for (size_t at = 0; set && at < most; at++) {
        const char *text = value_text(json_is_array(value) ? json_array_get(value, at) : value, numbers[count]);
        if (text)
            texts[count++] = text;
    }
    set = set && topn_attributes_set(state->context, state->attributes, item, name, texts, count) == TOPN_OK;
    free(numbers);
    free(texts);
    return set;
}

static bool set_attributes(item_state *state, uint32_t item, const char *text)
{
    json_t *attributes = text ? json_loads(text, 0, NULL) : NULL;
    const char *name;
    json_t *value;
    bool set = true;
    json_object_foreach(attributes, name, value) set = set && set_attribute(state, item, name, value);
    json_decref(attributes);
    return set;
}

static bool set_title(item_state *state, uint32_t item, const char *title)
{
    if (!title || !*title)
        return true;
    if (!state->titles)
        state->titles = calloc(topn_model_items(state->generation->model) + 1, sizeof *state->titles);
    if (!state->titles)
        return false;
    free(state->titles[item]);
    state->titles[item] = strdup(title);
    return state->titles[item] != NULL;
}

static void read_item(const stored_entity *entity, void *user_data)
{
    reading *into = user_data;
    uint32_t item;
    into->count++;
    if (into->failed)
        return;
    free(into->last);
    into->last = strdup(entity->id);
    into->failed = !into->last;
    if (!topn_model_find_item(into->state->generation->model, entity->id, &item))
        return;
    into->allowed[item] = !entity->hidden;
    into->hidden = into->hidden || entity->hidden;
    if (!set_title(into->state, item, entity->title) || !set_attributes(into->state, item, entity->attributes))
        into->failed = true;
}

/* All pages. The status is the store's; FULL stands for no memory. */
static store_status read_pages(store *from, reading *into)
{
    store_status status = STORE_OK;
    into->last = strdup("");
    into->failed = !into->last;
    do {
        char *cursor = into->failed ? NULL : strdup(into->last);
        into->count = 0;
        into->failed = !cursor;
        if (cursor)
            status = store_list(from, ENTITY_ITEM, cursor, PAGE, read_item, into);
        free(cursor);
    } while (status == STORE_OK && !into->failed && into->count == PAGE);
    free(into->last);
    into->last = NULL;
    return into->failed ? STORE_FULL : status;
}

static bool read_items(item_state *state, store *from)
{
    const uint32_t all = topn_model_items(state->generation->model);
    reading into = {.state = state, .allowed = malloc(all + 1)};
    if (!into.allowed)
        return false;
    memset(into.allowed, 1, all);
    const store_status status = state->version < 0 ? STORE_UNAVAILABLE : read_pages(from, &into);
    bool read = status != STORE_FULL;
    if (status != STORE_OK)
        state->version = -1; /* what there is serves until the store answers */
    if (read && into.hidden)
        read = topn_filter_create_flags(state->context, state->generation->model, into.allowed, &state->available) ==
               TOPN_OK;
    free(into.allowed);
    return read;
}

static item_state *build(const item_catalog *all, store *from, generation *in_use, int64_t version, char *why,
                         size_t why_size)
{
    item_state *state = calloc(1, sizeof *state);
    if (!state) {
        snprintf(why, why_size, "there is no memory for what is known of the items");
        return NULL;
    }
    generation_hold(in_use);
    atomic_init(&state->references, 1);
    state->generation = in_use;
    state->version = version;
    pthread_mutex_init(&state->attributes_lock, NULL);
    pthread_mutex_init(&state->filters_lock, NULL);
    uint64_t unknown;
    const bool built = topn_context_create(&state->context) == TOPN_OK &&
                       topn_attributes_create(state->context, in_use->model, &state->attributes) == TOPN_OK &&
                       (!all->attributes_file || topn_attributes_read(state->context, state->attributes,
                                                                      all->attributes_file, &unknown) == TOPN_OK) &&
                       read_items(state, from);
    if (built)
        return state;
    const char *message = state->context ? topn_context_message(state->context) : "";
    snprintf(why, why_size, "%s", *message ? message : "there is no memory for what is known of the items");
    item_state_release(state);
    return NULL;
}

item_catalog *items_create(const char *attributes_file)
{
    item_catalog *made = calloc(1, sizeof *made);
    if (!made)
        return NULL;
    pthread_mutex_init(&made->lock, NULL);
    pthread_cond_init(&made->built, NULL);
    made->attributes_file = attributes_file ? strdup(attributes_file) : NULL;
    if (attributes_file && !made->attributes_file) {
        items_free(made);
        return NULL;
    }
    return made;
}

void items_free(item_catalog *all)
{
    if (!all)
        return;
    item_state_release(all->current);
    pthread_cond_destroy(&all->built);
    pthread_mutex_destroy(&all->lock);
    free(all->attributes_file);
    free(all);
}

static item_state *retain(item_state *state)
{
    atomic_fetch_add(&state->references, 1);
    return state;
}

/* Whether it is time to ask the store. */
static bool is_due(const item_catalog *all)
{
    const int64_t rest = all->cost * REST, waited = now() - all->checked;
    if (all->touched)
        return waited > all->cost;
    return waited > (rest > CHECK_NANOSECONDS ? rest : CHECK_NANOSECONDS);
}

/* The state that can be given at once; NULL where the caller has to renew it, which is announced then. */
static item_state *find_current(item_catalog *all, const generation *in_use)
{
    item_state *found = NULL;
    pthread_mutex_lock(&all->lock);
    while (true) {
        const bool fits = all->current && all->current->generation == in_use;
        if (fits && (all->building || !is_due(all))) {
            found = retain(all->current);
            break;
        }
        if (!all->building) {
            all->building = true;
            all->touched = false;
            break;
        }
        pthread_cond_wait(&all->built, &all->lock);
    }
    pthread_mutex_unlock(&all->lock);
    return found;
}

/* `current` where it is still right, else a new one; a reference to either. */
static item_state *renew(const item_catalog *all, item_state *current, store *from, generation *in_use, char *why,
                         size_t why_size)
{
    const bool fits = current && current->generation == in_use;
    int64_t version = -1;
    if (!from || store_items_version(from, &version) != STORE_OK)
        version = -1;
    if (fits && (version < 0 || version == current->version))
        return retain(current);
    item_state *next = build(all, from, in_use, version, why, why_size);
    if (!fits || !next || next->version >= 0)
        return next;
    item_state_release(next); /* the store went away meanwhile */
    return retain(current);
}

item_state *items_acquire(item_catalog *all, store *from, generation *in_use, char *why, size_t why_size)
{
    item_state *found = find_current(all, in_use);
    if (found)
        return found;
    const int64_t start = now();
    item_state *const current = all->current; /* nobody else changes it while this thread is the one that builds */
    item_state *next = renew(all, current, from, in_use, why, why_size);
    pthread_mutex_lock(&all->lock);
    all->building = false;
    all->checked = now();
    const bool changed = next && next != current;
    if (changed) {
        all->cost = all->checked - start;
        all->current = retain(next);
    }
    pthread_cond_broadcast(&all->built);
    pthread_mutex_unlock(&all->lock);
    if (changed)
        item_state_release(current);
    return next;
}

void items_touch(item_catalog *all)
{
    pthread_mutex_lock(&all->lock);
    all->touched = true;
    pthread_mutex_unlock(&all->lock);
}

const topn_filter *item_state_available(const item_state *state)
{
    return state->available;
}

const char *item_state_title(const item_state *state, uint32_t item)
{
    if (state->titles && item < topn_model_items(state->generation->model) && state->titles[item])
        return state->titles[item];
    return topn_model_item_title(state->generation->model, item);
}

/* Under filters_lock. NULL when it is not there. */
static kept_filter *find_filter(item_state *state, const char *expression)
{
    for (size_t at = 0; at < FILTERS; at++)
        if (state->filters[at].expression && strcmp(state->filters[at].expression, expression) == 0)
            return &state->filters[at];
    return NULL;
}

/* Under filters_lock: a free place, or that of the one unused for longest, emptied. NULL when all are in use. */
static kept_filter *find_place(item_state *state)
{
    kept_filter *oldest = NULL;
    for (size_t at = 0; at < FILTERS; at++) {
        kept_filter *place = &state->filters[at];
        if (!place->expression)
            return place;
        if (!place->users && (!oldest || place->used < oldest->used))
            oldest = place;
    }
    if (oldest) {
        free(oldest->expression);
        topn_filter_free(oldest->filter);
        *oldest = (kept_filter){0};
    }
    return oldest;
}

static topn_filter *lend(item_state *state, kept_filter *kept)
{
    kept->users++;
    kept->used = ++state->uses;
    return kept->filter;
}

/* Only what is not hidden stays in the filter. The same filter, or a new one in its place; NULL with a message. */
static topn_filter *take_hidden(const item_state *state, topn_filter *filter)
{
    const uint32_t count = topn_model_items(state->generation->model);
    unsigned char *allowed = state->available ? malloc(count + 1) : NULL;
    topn_filter *both = NULL;
    if (!state->available)
        return filter;
    for (uint32_t item = 0; allowed && item < count; item++)
        allowed[item] = topn_filter_allows(filter, item) && topn_filter_allows(state->available, item);
    if (allowed)
        (void)topn_filter_create_flags(state->context, state->generation->model, allowed, &both);
    free(allowed);
    topn_filter_free(filter);
    return both;
}

/* The compiled expression. Attributes and context belong to one thread at a time. */
static topn_filter *compile(item_state *state, const char *expression, char *why, size_t why_size)
{
    topn_filter *filter = NULL;
    pthread_mutex_lock(&state->attributes_lock);
    if (topn_filter_create(state->context, state->attributes, expression, &filter) == TOPN_OK)
        filter = take_hidden(state, filter);
    if (!filter)
        snprintf(why, why_size, "%s", topn_context_message(state->context));
    pthread_mutex_unlock(&state->attributes_lock);
    return filter;
}

const topn_filter *item_state_filter(item_state *state, const char *expression, char *why, size_t why_size)
{
    if (strlen(expression) > LONGEST_EXPRESSION) {
        snprintf(why, why_size, "filter: an expression of %zu bytes; at most %d are taken", strlen(expression),
                 LONGEST_EXPRESSION);
        return NULL;
    }
    pthread_mutex_lock(&state->filters_lock);
    kept_filter *kept = find_filter(state, expression);
    topn_filter *filter = kept ? lend(state, kept) : NULL;
    pthread_mutex_unlock(&state->filters_lock);
    if (filter)
        return filter;

    filter = compile(state, expression, why, why_size);
    if (!filter)
        return NULL;
    char *copy = strdup(expression);

    pthread_mutex_lock(&state->filters_lock);
    kept = find_filter(state, expression); /* somebody else was as fast */
    if (kept) {
        topn_filter_free(filter);
        filter = lend(state, kept);
    } else if (copy && (kept = find_place(state))) {
        *kept = (kept_filter){.expression = copy, .filter = filter};
        copy = NULL;
        lend(state, kept);
    } /* else it is this request's own */
    pthread_mutex_unlock(&state->filters_lock);
    free(copy);
    return filter;
}

void item_state_return(item_state *state, const topn_filter *filter)
{
    if (!state || !filter)
        return;
    pthread_mutex_lock(&state->filters_lock);
    kept_filter *kept = NULL;
    for (size_t at = 0; at < FILTERS && !kept; at++)
        if (state->filters[at].filter == filter)
            kept = &state->filters[at];
    if (kept)
        kept->users--;
    pthread_mutex_unlock(&state->filters_lock);
    if (!kept)
        topn_filter_free((topn_filter *)filter);
}
