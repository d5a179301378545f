/* SPDX-License-Identifier: Apache-2.0
 *
 * Cold items: a share of the items is hidden whole. The model trains on the events of the others and knows of the
 * hidden ones their features alone; the parts hold all items, so that hidden ones can be ranked. What users have seen
 * are their training events, what they are asked for are their events on hidden items.
 */
#include "split/parts.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/random.h"

typedef struct cold_items_params {
    double validation_share, test_share;
    int64_t min_events;
} cold_items_params;

static const option_row cold_items_options[] = {
    OPTION_REAL(cold_items_params, test_share, "test-share", 0.2, 0, 1, "share of the items hidden for the test"),
    OPTION_REAL(cold_items_params, validation_share, "validation-share", 0, 0, 1,
                "share of the items hidden for validation"),
    OPTION_INTEGER(cold_items_params, min_events, "min-events", 1, 1, UINT32_MAX,
                   "items with fewer events are not hidden"),
};

static const option_table cold_items_option_table = OPTION_TABLE(cold_items_params, cold_items_options);

typedef struct keyed_item {
    uint64_t key;
    uint32_t item;
} keyed_item;

static int by_key(const void *a, const void *b)
{
    const keyed_item *left = a, *right = b;
    if (left->key != right->key)
        return left->key < right->key ? -1 : 1;
    return (left->item > right->item) - (left->item < right->item);
}

/* What the events of each item serve; known [items] are those that have an event. */
static topn_status choose_items(topn_context *context, const topn_data *data, const cold_items_params *params,
                                uint8_t *serves, bool *known, uint64_t hidden[2])
{
    topn_status status;
    const uint32_t items = data->matrix.columns;
    uint64_t *events = NULL;
    keyed_item *order = NULL;
    size_t count = 0;
    TRY(ALLOCATE_ZEROED(context, items, &events));
    TRY(ALLOCATE(context, items, &order));
    for (uint64_t at = 0; at < topn_data_events(data); at++)
        events[data->matrix.indices[at]]++;
    for (uint32_t item = 0; item < items; item++) {
        known[item] = events[item] > 0;
        serves[item] = IN_TRAIN | IN_VALIDATION_SEEN | IN_TEST_SEEN;
        if (events[item] >= (uint64_t)params->min_events)
            order[count++] = (keyed_item){random_bits(context->seed, RANDOM_SPLIT_ITEMS, item), item};
    }
    qsort(order, count, sizeof *order, by_key);
    hidden[0] = share_of(params->test_share, count);
    hidden[1] = share_of(params->validation_share, count);
    for (uint64_t index = 0; index < hidden[0] + hidden[1]; index++)
        serves[order[index].item] = index < hidden[0] ? IN_TEST_HIDDEN : IN_VALIDATION_HIDDEN;
done:
    free(events);
    free(order);
    return status;
}

static topn_status split(topn_context *context, const topn_data *data, const topn_data *test, const void *given,
                         topn_split *out)
{
    topn_status status;
    const cold_items_params *params = given;
    uint8_t *serves = NULL;     /* [items] */
    uint8_t *membership = NULL; /* [events] */
    bool *known = NULL;         /* [items] */
    uint64_t hidden[2];
    (void)test;
    if (params->test_share + params->validation_share >= 1 || params->test_share + params->validation_share == 0)
        return fail(context, TOPN_ERROR_OPTION,
                    "option --test-share: %g and --validation-share %g are all items or none; their sum must be > 0 "
                    "and < 1",
                    params->test_share, params->validation_share);
    TRY(ALLOCATE(context, data->matrix.columns, &serves));
    TRY(ALLOCATE(context, data->matrix.columns, &known));
    TRY(ALLOCATE(context, topn_data_events(data), &membership));
    TRY(choose_items(context, data, params, serves, known, hidden));
    for (uint64_t at = 0; at < topn_data_events(data); at++)
        membership[at] = serves[data->matrix.indices[at]];
    if (data->item_features.names.count == 0)
        log_line(context, "the items have no features, so that nothing is known of the hidden ones (--item-features)");
    TRY(record_set(context, &out->description, "test.hidden-items", "%" PRIu64, hidden[0]));
    TRY(record_set(context, &out->description, "validation.hidden-items", "%" PRIu64, hidden[1]));
    TRY(parts_create_with(context, data, membership, known, out));
    if (params->test_share > 0)
        TRY(require_part(context, out, TOPN_PART_TEST_HIDDEN,
                         "no user has events on hidden and on other items; lower --min-events or raise --test-share"));
    if (params->validation_share > 0)
        TRY(require_part(context, out, TOPN_PART_VALIDATION_HIDDEN,
                         "no user has events on hidden and on other items; raise --validation-share"));
done:
    free(serves);
    free(known);
    free(membership);
    return status;
}

const protocol protocol_cold_items = {
    .name = "cold-items",
    .summary = "items are hidden whole; the model knows only their features and is asked who took them",
    .paper = "",
    .options = &cold_items_option_table,
    .split = split,
};
