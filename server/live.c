/* SPDX-License-Identifier: Apache-2.0 */
#include "live.h"

#include <float.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What store_history visits, in the model's numbering. */
typedef struct gathering {
    const topn_model *model;
    int64_t learned_until; /* events up to this time may be what the model was trained on */
    live_event *events;    /* [count] of [capacity] */
    size_t count, capacity, unknown;
    bool failed; /* no memory */
} gathering;

static void gather(const stored_event *event, void *user_data)
{
    gathering *all = user_data;
    uint32_t item;
    if (all->failed)
        return;
    if (!topn_model_find_item(all->model, event->item, &item)) {
        all->unknown += !event->deleted;
        return;
    }
    if (all->count == all->capacity) {
        const size_t capacity = all->capacity ? 2 * all->capacity : 64;
        live_event *events = realloc(all->events, capacity * sizeof *events);
        all->failed = !events;
        if (all->failed)
            return;
        all->events = events;
        all->capacity = capacity;
    }
    all->events[all->count] = (live_event){.item = item,
                                           .weight = event->weight,
                                           .order = all->count,
                                           .deleted = event->deleted,
                                           .replaced = event->replaced || event->deleted,
                                           .learned = event->time <= all->learned_until};
    all->count++;
}

static int by_item(const void *left, const void *right)
{
    const live_event *a = left, *b = right;
    if (a->item != b->item)
        return a->item < b->item ? -1 : 1;
    return a->order < b->order ? -1 : a->order > b->order;
}

/* Events of the same item into one: a deletion takes back those before. Returns how many are left. */
static size_t join_events(live_event *events, size_t count)
{
    size_t kept = 0;
    if (count)
        qsort(events, count, sizeof *events, by_item);
    for (size_t at = 0; at < count; at++) {
        live_event *last = kept ? &events[kept - 1] : NULL;
        const live_event next = events[at];
        if (!last || last->item != next.item) {
            events[kept++] = next;
        } else if (next.replaced || next.deleted) {
            *last = next;
        } else {
            last->weight = last->deleted ? next.weight : last->weight + next.weight;
            last->deleted = false;
        }
    }
    return kept;
}

/* The events that change something: an item that was not in the history cannot leave it; one that was there does not
 * come anew, but for models that take weights. */
static size_t drop_idle(const live_history *kept, bool weighted, live_event *events, size_t count)
{
    size_t left = 0, place = 0;
    for (size_t at = 0; at < count; at++) {
        const live_event *event = &events[at];
        const bool leaves = event->deleted || event->weight <= 0.0;
        while (place < kept->length && kept->items[place] < event->item)
            place++;
        const bool there = place < kept->length && kept->items[place] == event->item;
        const bool known = there && !leaves && (!weighted || (event->learned && !event->replaced));
        if (there ? !known : !leaves)
            events[left++] = *event;
    }
    return left;
}

static void put(live_history *out, uint32_t item, double weight)
{
    if (!(weight > 0.0))
        return;
    out->owned[out->length] = item;
    out->owned_weights[out->length++] = weight < (double)FLT_MAX ? (float)weight : FLT_MAX;
}

/* Both ascend by item. */
static void merge(const live_history *kept, const live_event *events, size_t count, live_history *out)
{
    size_t place = 0, at = 0;
    while (place < kept->length || at < count) {
        const bool old = place < kept->length && (at == count || kept->items[place] <= events[at].item);
        const bool new = at < count && (!old || events[at].item == kept->items[place]);
        const uint32_t item = old ? kept->items[place] : events[at].item;
        double weight = 0.0;
        if (old && !(new &&events[at].replaced))
            weight = kept->weights ? (double)kept->weights[place] : 1.0;
        if (new && !events[at].deleted)
            weight += events[at].weight;
        if (old && !new) { /* as it was, whatever its weight */
            out->owned[out->length] = item;
            out->owned_weights[out->length++] = (float)weight;
        } else {
            put(out, item, weight);
        }
        place += old;
        at += new;
    }
}

static bool takes_weights(const generation *in_use)
{
    const char *told = generation_metadata(in_use, "topn.use_weights");
    return !told || strcmp(told, "true") == 0;
}

bool live_merge(const generation *in_use, const char *user, live_event *events, size_t count, live_history *out)
{
    *out = (live_history){.lent = true};
    if (user && topn_model_find_user(in_use->model, user, &out->user)) {
        out->length = topn_model_history(in_use->model, out->user, &out->items, &out->weights);
        out->known_to_model = out->length > 0;
    }
    count = join_events(events, count);
    count = drop_idle(out, takes_weights(in_use), events, count);
    if (count == 0)
        return true;
    const live_history kept = *out;
    const size_t room = kept.length + count;
    out->owned = malloc(room * sizeof *out->owned);
    out->owned_weights = malloc(room * sizeof *out->owned_weights);
    if (!out->owned || !out->owned_weights) {
        live_clear(out);
        return false;
    }
    out->lent = false;
    out->length = 0;
    merge(&kept, events, count, out);
    out->items = out->owned;
    out->weights = out->owned_weights;
    return true;
}

/* Up to which event the model in use was trained on this store. */
static store_status read_trained(worker *mine, const generation *in_use)
{
    char name[sizeof in_use->version + 16];
    char *text = NULL;
    if (mine->trained_known)
        return STORE_OK;
    snprintf(name, sizeof name, "trained.%s", in_use->version);
    const store_status status = store_read_note(mine->store, name, &text);
    if (status != STORE_OK && status != STORE_NOT_FOUND)
        return status;
    mine->trained_here = text != NULL;
    mine->trained_through = text ? strtoll(text, NULL, 10) : 0;
    mine->trained_known = true;
    free(text);
    return STORE_OK;
}

store_status live_read(worker *mine, const generation *in_use, const char *user, live_history *out)
{
    gathering all = {.model = in_use->model};
    *out = (live_history){0};
    store_status status = mine->store ? read_trained(mine, in_use) : STORE_UNAVAILABLE;
    all.learned_until = mine->trained_here ? INT64_MIN : in_use->written;
    if (status == STORE_OK)
        status = store_history(mine->store, user, mine->trained_through, LIVE_PAIRS, gather, &all);
    if (status == STORE_NOT_FOUND)
        status = STORE_OK;
    if (status == STORE_OK && (all.failed || !live_merge(in_use, user, all.events, all.count, out)))
        status = STORE_FULL;
    out->unknown = all.unknown;
    free(all.events);
    return status;
}

void live_clear(live_history *history)
{
    free(history->owned);
    free(history->owned_weights);
    *history = (live_history){0};
}
