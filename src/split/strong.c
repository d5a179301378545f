/* SPDX-License-Identifier: Apache-2.0
 *
 * Strong generalisation (Liang, Krishnan, Hoffman, Jebara, WWW 2018, §4.1): some users are held out whole. The others
 * train. Of each held-out user's events on items of the training part, ⌊(1 − fold-in) · events⌋ chosen at random are
 * hidden, and the rest is shown to the model. With the default fold-in of 0.8 a user left with fewer than five events
 * hides none and is dropped.
 */
#include "split/parts.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/random.h"
typedef struct strong_params {
    double test_users, validation_users, fold_in;
    int64_t min_events;
} strong_params;

static const option_row strong_options[] = {
    OPTION_REAL(strong_params, test_users, "test-users", 0.1, 0, UINT32_MAX,
                "users held out for the test: how many or, below 1, which share of all"),
    OPTION_REAL(strong_params, validation_users, "validation-users", 0.1, 0, UINT32_MAX,
                "users held out for validation: how many or, below 1, which share of all"),
    OPTION_REAL(strong_params, fold_in, "fold-in", 0.8, 0.01, 0.99,
                "share of a held-out user's events that the model sees"),
    OPTION_INTEGER(strong_params, min_events, "min-events", 5, 1, UINT32_MAX,
                   "users with fewer events are not held out"),
};

static const option_table strong_option_table = OPTION_TABLE(strong_params, strong_options);

static topn_status count_users(topn_context *context, const char *option, double asked, uint32_t users, uint64_t *out)
{
    if (asked >= 1 && asked != floor(asked))
        return fail(context, TOPN_ERROR_OPTION, "option --%s: %g is neither a share below 1 nor a whole number", option,
                    asked);
    *out = asked >= 1 ? (uint64_t)asked : share_of(asked, users);
    if (asked > 0 && *out == 0)
        return fail(context, TOPN_ERROR_DATA, "option --%s: a share of %g of %" PRIu32 " users is not even one", option,
                    asked, users);
    return TOPN_OK;
}

typedef struct candidate {
    uint64_t key;
    uint32_t user;
} candidate;

static int by_key(const void *a, const void *b)
{
    const candidate *left = a, *right = b;
    if (left->key != right->key)
        return left->key < right->key ? -1 : 1;
    return (left->user > right->user) - (left->user < right->user);
}

/* What all events of a user are at first: training, or held out for validation or test. */
static topn_status choose_users(topn_context *context, const topn_data *data, const strong_params *params,
                                uint8_t *held_for)
{
    topn_status status;
    candidate *candidates = NULL;
    const uint32_t users = data->matrix.rows;
    uint64_t test, validation, eligible = 0;
    TRY(count_users(context, "test-users", params->test_users, users, &test));
    TRY(count_users(context, "validation-users", params->validation_users, users, &validation));
    TRY(ALLOCATE(context, users, &candidates));
    for (uint32_t user = 0; user < users; user++)
        if (data->matrix.indptr[user + 1] - data->matrix.indptr[user] >= (uint64_t)params->min_events)
            candidates[eligible++] = (candidate){random_bits(context->seed, RANDOM_SPLIT_USERS, user), user};
    if (test + validation == 0 || test + validation > eligible || test + validation >= users) {
        status = fail(context, TOPN_ERROR_OPTION,
                      "cannot hold out %" PRIu64 " users for the test and %" PRIu64 " for validation: %" PRIu64
                      " of %" PRIu32 " users have at least --min-events %" PRId64 " events, and somebody must train",
                      test, validation, eligible, users, params->min_events);
        goto done;
    }
    qsort(candidates, eligible, sizeof *candidates, by_key);
    for (uint32_t user = 0; user < users; user++)
        held_for[user] = IN_TRAIN;
    for (uint64_t index = 0; index < test + validation; index++)
        held_for[candidates[index].user] = index < test ? IN_TEST_HIDDEN : IN_VALIDATION_HIDDEN;
done:
    free(candidates);
    return status;
}

/* Splits the events of held-out users on training items into seen and hidden. */
static topn_status fold_in(topn_context *context, const topn_data *data, double share, const uint8_t *held_for,
                           const bool *keep_item, uint8_t *membership)
{
    topn_status status;
    uint64_t *events = NULL;
    TRY(ALLOCATE(context, longest_history(data), &events));
    for (uint32_t user = 0; user < data->matrix.rows; user++) {
        if (held_for[user] == IN_TRAIN)
            continue;
        const uint8_t seen = held_for[user] == IN_TEST_HIDDEN ? IN_TEST_SEEN : IN_VALIDATION_SEEN;
        size_t count = 0;
        for (uint64_t at = data->matrix.indptr[user]; at < data->matrix.indptr[user + 1]; at++)
            if (keep_item[data->matrix.indices[at]])
                events[count++] = at;
        TRY(shuffle_events(context, events, count));
        const uint64_t hidden = share_of(1 - share, count);
        for (size_t index = 0; index < count; index++)
            membership[events[index]] = index < hidden ? held_for[user] : seen;
    }
done:
    free(events);
    return status;
}

static topn_status split(topn_context *context, const topn_data *data, const topn_data *test, const void *given,
                         topn_split *out)
{
    topn_status status;
    const strong_params *params = given;
    uint8_t *held_for = NULL;   /* [users] */
    uint8_t *membership = NULL; /* [events] */
    bool *keep_item = NULL;     /* [items] */
    (void)test;
    TRY(ALLOCATE(context, data->matrix.rows, &held_for));
    TRY(ALLOCATE(context, topn_data_events(data), &membership));
    TRY(ALLOCATE(context, data->matrix.columns, &keep_item));
    TRY(choose_users(context, data, params, held_for));
    for (uint32_t user = 0; user < data->matrix.rows; user++)
        for (uint64_t at = data->matrix.indptr[user]; at < data->matrix.indptr[user + 1]; at++)
            membership[at] = held_for[user];
    items_in_training(data, membership, keep_item);
    TRY(fold_in(context, data, params->fold_in, held_for, keep_item, membership));
    TRY(parts_create(context, data, membership, out));
    if (params->test_users > 0)
        TRY(require_part(context, out, TOPN_PART_TEST_HIDDEN,
                         "the held-out users have too few events; raise --min-events or lower --fold-in"));
    if (params->validation_users > 0)
        TRY(require_part(context, out, TOPN_PART_VALIDATION_HIDDEN,
                         "the held-out users have too few events; raise --min-events or lower --fold-in"));
done:
    free(held_for);
    free(membership);
    free(keep_item);
    return status;
}

const protocol protocol_strong = {
    .name = "strong",
    .summary = "users are held out whole; the model sees a share of their events and is asked for the rest",
    .paper = "Liang et al. 2018, §4.1",
    .options = &strong_option_table,
    .split = split,
};
