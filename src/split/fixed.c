/* SPDX-License-Identifier: Apache-2.0
 *
 * Fixed: the test events are given. A random share of each user's training events may be hidden for validation.
 * All test events stay: items without a training event follow the training items in the test-hidden part, and users
 * without one are in test-hidden alone.
 */
#include "split/parts.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "numeric/sparse.h"
typedef struct fixed_params {
    double validation_share;
    int64_t min_events;
} fixed_params;

static const option_row fixed_options[] = {
    OPTION_REAL(fixed_params, validation_share, "validation-share", 0, 0, 0.99,
                "share of each user's training events hidden for validation"),
    OPTION_INTEGER(fixed_params, min_events, "min-events", 5, 2, UINT32_MAX,
                   "users with fewer training events hide none of them for validation"),
};

static const option_table fixed_option_table = OPTION_TABLE(fixed_params, fixed_options);

/* Test items numbered as in the training part, new ones after them; names and titles of all. */
typedef struct item_numbers {
    uint32_t *number;           /* [items of test], UINT32_MAX for items without a test event */
    const char **ids, **titles; /* [count] */
    uint32_t count, first_new;
} item_numbers;

static topn_status number_items(topn_context *context, const topn_data *train, const topn_data *test, item_numbers *out)
{
    topn_status status;
    const uint32_t known = topn_data_items(train), items = topn_data_items(test);
    TRY(ALLOCATE(context, items, &out->number));
    TRY(ALLOCATE(context, (size_t)known + items, &out->ids));
    TRY(ALLOCATE(context, (size_t)known + items, &out->titles));
    for (uint32_t item = 0; item < items; item++)
        out->number[item] = UINT32_MAX;
    for (uint64_t at = 0; at < topn_data_events(test); at++)
        out->number[test->matrix.indices[at]] = 0;
    for (uint32_t item = 0; item < known; item++) {
        const char *title = topn_data_item_title(train, item);
        out->ids[item] = topn_data_item_id(train, item);
        out->titles[item] = title ? title : "";
    }
    out->count = out->first_new = known;
    for (uint32_t item = 0; item < items; item++) {
        const char *title = topn_data_item_title(test, item);
        if (out->number[item] == UINT32_MAX ||
            topn_data_find_item(train, topn_data_item_id(test, item), &out->number[item]))
            continue;
        out->ids[out->count] = topn_data_item_id(test, item);
        out->titles[out->count] = title ? title : "";
        out->number[item] = out->count++;
    }
done:
    return status;
}

/* The given test events of users who have some, in the numbers of the training part. */
static topn_status create_hidden(topn_context *context, const topn_data *train, const topn_data *test,
                                 uint32_t *new_items, topn_data **out)
{
    topn_status status;
    const uint64_t events = topn_data_events(test);
    data_parts parts = {.has_weights = test->has_weights};
    item_numbers items = {0};
    uint32_t *users = NULL, count = 0;
    TRY(number_items(context, train, test, &items));
    TRY(sparse_create(context, topn_data_users(test), items.count, events, &parts.matrix));
    TRY(ALLOCATE(context, topn_data_users(test), &users));
    if (test->times) {
        TRY(ALLOCATE(context, events, &parts.times));
        memcpy(parts.times, test->times, events * sizeof *parts.times);
    }
    memcpy(parts.matrix.values, test->matrix.values, events * sizeof *parts.matrix.values);
    for (uint64_t at = 0; at < events; at++)
        parts.matrix.indices[at] = items.number[test->matrix.indices[at]];
    for (uint32_t user = 0; user < topn_data_users(test); user++) {
        if (test->matrix.indptr[user + 1] == test->matrix.indptr[user])
            continue;
        users[count++] = user;
        parts.matrix.indptr[count] = test->matrix.indptr[user + 1];
    }
    parts.matrix.rows = count;
    TRY(string_table_pick(context, &test->user_ids, users, count, &parts.user_ids));
    TRY(string_table_create(context, items.ids, items.count, &parts.item_ids));
    if (train->titles.count || test->titles.count)
        TRY(string_table_create(context, items.titles, items.count, &parts.titles));
    const sparse_matrix all = {.rows = count, .columns = items.count};
    TRY(data_contexts_select(context, &test->contexts, users, items.number, &all, &parts.contexts));
    TRY(feature_table_select(context, &test->user_features, users, count, &parts.user_features));
    *new_items = items.count - items.first_new;
    status = data_assemble(context, &parts, out);
done:
    data_parts_clear(&parts);
    free(items.number);
    free(items.ids);
    free(items.titles);
    free(users);
    return status;
}

/* All given training events of the users of the hidden part, on the items of the training part. */
static topn_status create_seen(topn_context *context, const topn_data *data, const topn_data *train,
                               const topn_data *hidden, topn_data **out)
{
    topn_status status;
    uint32_t *users = NULL, count = 0, found;
    bool *keep_item = NULL;
    TRY(ALLOCATE(context, topn_data_users(data), &users));
    TRY(ALLOCATE(context, topn_data_items(data), &keep_item));
    for (uint32_t user = 0; user < topn_data_users(data); user++)
        if (topn_data_find_user(hidden, topn_data_user_id(data, user), &found))
            users[count++] = user;
    for (uint32_t item = 0; item < topn_data_items(data); item++)
        keep_item[item] = topn_data_find_item(train, topn_data_item_id(data, item), &found);
    const data_selection selection = {
        .users = users, .user_count = count, .keep_item = keep_item, .compact_items = true, .drop_empty_users = true};
    TRY(data_select(context, data, &selection, out));
done:
    free(users);
    free(keep_item);
    return status;
}

/* Hidden events that the user's seen part holds as well: they can never be recommended. */
static uint64_t count_repeated(const topn_data *seen, const topn_data *hidden)
{
    uint64_t repeated = 0;
    for (uint32_t row = 0; row < topn_data_users(hidden); row++) {
        uint32_t user;
        if (!topn_data_find_user(seen, topn_data_user_id(hidden, row), &user))
            continue;
        const uint32_t *shown, *asked;
        const size_t shown_count = topn_data_history(seen, user, &shown, NULL);
        const size_t asked_count = topn_data_history(hidden, row, &asked, NULL);
        for (size_t a = 0, b = 0; a < shown_count && b < asked_count;) {
            repeated += shown[a] == asked[b];
            if (shown[a] <= asked[b])
                a++;
            else
                b++;
        }
    }
    return repeated;
}

static topn_status add_test(topn_context *context, const topn_data *data, const topn_data *test, topn_split *out)
{
    topn_status status;
    const topn_data *train = out->parts[TOPN_PART_TRAIN];
    record *description = &out->description;
    uint32_t new_items;
    if (topn_data_events(test) == 0)
        return fail(context, TOPN_ERROR_DATA, "the given test data hold no event");
    TRY(create_hidden(context, train, test, &new_items, &out->parts[TOPN_PART_TEST_HIDDEN]));
    const topn_data *hidden = out->parts[TOPN_PART_TEST_HIDDEN];
    TRY(create_seen(context, data, train, hidden, &out->parts[TOPN_PART_TEST_SEEN]));
    const topn_data *seen = out->parts[TOPN_PART_TEST_SEEN];
    TRY(describe_drop(context, description, "test.new-items", new_items,
                      "test items without a training event; they stay and can only be missed"));
    TRY(describe_drop(context, description, "test.users-without-seen", topn_data_users(hidden) - topn_data_users(seen),
                      "test users without a training event; they stay and are asked with an empty history"));
    TRY(describe_drop(context, description, "test.events-also-in-training", count_repeated(seen, hidden),
                      "test events that are training events, too; they can only be missed"));
    TRY(describe_part(context, description, topn_part_name(TOPN_PART_TEST_SEEN), seen));
    TRY(describe_part(context, description, topn_part_name(TOPN_PART_TEST_HIDDEN), hidden));
done:
    return status;
}

static topn_status split(topn_context *context, const topn_data *data, const topn_data *test, const void *given,
                         topn_split *out)
{
    topn_status status;
    const fixed_params *params = given;
    uint8_t *membership = NULL;
    TRY(ALLOCATE(context, topn_data_events(data), &membership));
    TRY(hide_shares(context, data, params->validation_share, 0, (uint64_t)params->min_events, membership));
    TRY(parts_create(context, data, membership, out));
    if (params->validation_share > 0)
        TRY(require_part(context, out, TOPN_PART_VALIDATION_HIDDEN,
                         "no user has enough events; lower --min-events or raise --validation-share"));
    TRY(add_test(context, data, test, out));
done:
    free(membership);
    return status;
}

const protocol protocol_fixed = {
    .name = "fixed",
    .summary = "the test events are given; a share of the training events may be hidden for validation",
    .paper = "",
    .options = &fixed_option_table,
    .needs_test = true,
    .split = split,
};
