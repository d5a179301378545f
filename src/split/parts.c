/* SPDX-License-Identifier: Apache-2.0 */
#include "split/parts.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/random.h"

uint64_t share_of(double share, uint64_t count)
{
    return (uint64_t)floor(share * (double)count + 1e-9);
}

typedef struct keyed {
    uint64_t key, event;
} keyed;

static int by_key(const void *a, const void *b)
{
    const keyed *left = a, *right = b;
    if (left->key != right->key)
        return left->key < right->key ? -1 : 1;
    return (left->event > right->event) - (left->event < right->event);
}

topn_status shuffle_events(topn_context *context, uint64_t *events, size_t count)
{
    keyed *order = NULL;
    const topn_status status = ALLOCATE(context, count, &order);
    if (status != TOPN_OK)
        return status;
    for (size_t index = 0; index < count; index++)
        order[index] = (keyed){random_bits(context->seed, RANDOM_SPLIT_EVENTS, events[index]), events[index]};
    qsort(order, count, sizeof *order, by_key);
    for (size_t index = 0; index < count; index++)
        events[index] = order[index].event;
    free(order);
    return TOPN_OK;
}

uint64_t longest_history(const topn_data *data)
{
    uint64_t longest = 0;
    for (uint32_t user = 0; user < data->matrix.rows; user++) {
        const uint64_t length = data->matrix.indptr[user + 1] - data->matrix.indptr[user];
        longest = length > longest ? length : longest;
    }
    return longest;
}

topn_status hide_shares(topn_context *context, const topn_data *data, double validation_share, double test_share,
                        uint64_t min_events, uint8_t *membership)
{
    topn_status status = TOPN_OK;
    uint64_t *events = NULL; /* [longest] positions of one user's events, in random order */
    TRY(ALLOCATE(context, longest_history(data), &events));
    for (uint32_t user = 0; user < data->matrix.rows; user++) {
        const uint64_t begin = data->matrix.indptr[user], count = data->matrix.indptr[user + 1] - begin;
        const bool hides = count >= min_events;
        const uint64_t test = hides ? share_of(test_share, count) : 0;
        const uint64_t validation = hides ? share_of(validation_share, count) : 0;
        for (uint64_t index = 0; index < count; index++)
            events[index] = begin + index;
        if (test + validation > 0)
            TRY(shuffle_events(context, events, count));
        for (uint64_t index = 0; index < count; index++)
            membership[events[index]] = index < test                ? TEST_EVENT
                                        : index < test + validation ? VALIDATION_EVENT
                                                                    : KEPT_EVENT;
    }
done:
    free(events);
    return status;
}

void items_in_training(const topn_data *data, const uint8_t *membership, bool *keep_item)
{
    for (uint32_t item = 0; item < data->matrix.columns; item++)
        keep_item[item] = false;
    for (uint64_t at = 0; at < data->matrix.indptr[data->matrix.rows]; at++)
        if (membership[at] & IN_TRAIN)
            keep_item[data->matrix.indices[at]] = true;
}

topn_status describe_part(topn_context *context, record *description, const char *part, const topn_data *data)
{
    topn_status status;
    char key[64];
    snprintf(key, sizeof key, "%s.users", part);
    TRY(record_set(context, description, key, "%" PRIu32, topn_data_users(data)));
    snprintf(key, sizeof key, "%s.items", part);
    TRY(record_set(context, description, key, "%" PRIu32, topn_data_items(data)));
    snprintf(key, sizeof key, "%s.events", part);
    TRY(record_set(context, description, key, "%" PRIu64, topn_data_events(data)));
    snprintf(key, sizeof key, "%s.fingerprint", part);
    TRY(record_set(context, description, key, "%s", topn_data_fingerprint(data)));
done:
    return status;
}

topn_status describe_drop(topn_context *context, record *description, const char *key, uint64_t count, const char *what)
{
    if (count > 0)
        log_line(context, "%s: %" PRIu64, what, count);
    return record_set(context, description, key, "%" PRIu64, count);
}

/* Users that a pair of seen and hidden parts leaves out, and the events held out of them for nothing. */
typedef struct pair_drops {
    uint64_t users, events;
} pair_drops;

/* Events of one user with membership in `part`, or in nothing else. */
static uint64_t count_in(const topn_data *data, const uint8_t *membership, uint32_t user, int part, bool exclusively)
{
    uint64_t count = 0;
    for (uint64_t at = data->matrix.indptr[user]; at < data->matrix.indptr[user + 1]; at++)
        count += exclusively ? membership[at] == part : (membership[at] & part) != 0;
    return count;
}

typedef struct builder {
    const topn_data *data;
    uint8_t *membership; /* [events], without the events that are dropped */
    bool *keep_item;     /* [items] */
    bool *keep_event;    /* [events], scratch */
    uint32_t *users;     /* [users], scratch */
} builder;

static topn_status build_part(topn_context *context, const builder *build, const uint32_t *users, uint32_t user_count,
                              int part, topn_data **out)
{
    const uint64_t events = topn_data_events(build->data);
    for (uint64_t at = 0; at < events; at++)
        build->keep_event[at] = (build->membership[at] & part) != 0;
    const data_selection selection = {.users = users,
                                      .user_count = user_count,
                                      .keep_event = build->keep_event,
                                      .keep_item = build->keep_item,
                                      .compact_items = true,
                                      .drop_empty_users = true};
    return data_select(context, build->data, &selection, out);
}

/* The seen and the hidden part of validation or test: users with events in both. */
static topn_status build_pair(topn_context *context, const builder *build, topn_part seen, topn_part hidden,
                              pair_drops *dropped, topn_split *out)
{
    topn_status status;
    uint32_t count = 0;
    for (uint32_t user = 0; user < build->data->matrix.rows; user++) {
        const uint64_t shown = count_in(build->data, build->membership, user, 1 << seen, false);
        const uint64_t asked = count_in(build->data, build->membership, user, 1 << hidden, false);
        /* Events that serve this part alone: their user was held out. */
        const uint64_t held_out = count_in(build->data, build->membership, user, 1 << seen, true);
        if (shown > 0 && asked > 0) {
            build->users[count++] = user;
        } else if (asked > 0 || held_out > 0) {
            dropped->users++;
            dropped->events += asked + held_out;
        }
    }
    if (count == 0)
        return TOPN_OK;
    TRY(build_part(context, build, build->users, count, 1 << seen, &out->parts[seen]));
    TRY(build_part(context, build, build->users, count, 1 << hidden, &out->parts[hidden]));
done:
    return status;
}

static topn_status describe_pair(topn_context *context, record *description, const char *pair,
                                 const pair_drops *dropped)
{
    topn_status status;
    char key[64], what[128];
    snprintf(key, sizeof key, "dropped.%s-users", pair);
    snprintf(what, sizeof what, "%s users dropped, as no seen or no hidden event of theirs is left", pair);
    TRY(describe_drop(context, description, key, dropped->users, what));
    snprintf(key, sizeof key, "dropped.%s-events", pair);
    TRY(record_set(context, description, key, "%" PRIu64, dropped->events));
done:
    return status;
}

topn_status parts_create_with(topn_context *context, const topn_data *data, uint8_t *membership, const bool *known,
                              topn_split *out)
{
    topn_status status;
    record *description = &out->description;
    const uint64_t events = topn_data_events(data);
    builder build = {.data = data, .membership = membership};
    pair_drops validation = {0}, test = {0};
    uint64_t new_item_events = 0;
    TRY(ALLOCATE(context, data->matrix.columns, &build.keep_item));
    TRY(ALLOCATE(context, events, &build.keep_event));
    TRY(ALLOCATE(context, data->matrix.rows, &build.users));
    items_in_training(data, membership, build.keep_item);
    for (uint32_t item = 0; known && item < data->matrix.columns; item++)
        build.keep_item[item] = build.keep_item[item] || known[item];
    for (uint64_t at = 0; at < events; at++) {
        if (build.keep_item[data->matrix.indices[at]])
            continue;
        new_item_events++;
        membership[at] = 0;
    }
    TRY(build_part(context, &build, NULL, 0, IN_TRAIN, &out->parts[TOPN_PART_TRAIN]));
    if (topn_data_events(out->parts[TOPN_PART_TRAIN]) == 0) {
        status = fail(context, TOPN_ERROR_DATA, "the split leaves no training event of %" PRIu64, events);
        goto done;
    }
    TRY(build_pair(context, &build, TOPN_PART_VALIDATION_SEEN, TOPN_PART_VALIDATION_HIDDEN, &validation, out));
    TRY(build_pair(context, &build, TOPN_PART_TEST_SEEN, TOPN_PART_TEST_HIDDEN, &test, out));
    TRY(describe_part(context, description, "input", data));
    TRY(describe_drop(context, description, "dropped.new-item-events", new_item_events,
                      "held-out events dropped, as their items have no training event"));
    TRY(record_set(context, description, "events-on-training-items", "%" PRIu64, events - new_item_events));
    TRY(describe_pair(context, description, "validation", &validation));
    TRY(describe_pair(context, description, "test", &test));
    for (int part = 0; part < TOPN_PART_COUNT; part++)
        if (out->parts[part])
            TRY(describe_part(context, description, topn_part_name(part), out->parts[part]));
done:
    free(build.keep_item);
    free(build.keep_event);
    free(build.users);
    return status;
}

topn_status parts_create(topn_context *context, const topn_data *data, uint8_t *membership, topn_split *out)
{
    return parts_create_with(context, data, membership, NULL, out);
}

topn_status require_part(topn_context *context, const topn_split *split, topn_part part, const char *reason)
{
    if (split->parts[part])
        return TOPN_OK;
    return fail(context, TOPN_ERROR_DATA, "the split has no %s events: %s", topn_part_name(part), reason);
}
