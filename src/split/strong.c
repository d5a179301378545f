/* SPDX-License-Identifier: Apache-2.0
 *
 * Strong generalisation (Liang, Krishnan, Hoffman, Jebara, WWW 2018, §4.1): some users are held out whole. The others
 * train. Of each held-out user's events on items of the training part, ⌊(1 − fold-in) · events⌋ chosen at random are
 * hidden, and the rest is shown to the model. With the default fold-in of 0.8 a user left with fewer than five events
 * hides none and is dropped.
 *
 * With --draw numpy, users and events are drawn as in the notebook published with that paper (dawenl/vae_cf,
 * VAE_ML20M_WWW2018): a permutation of the users in the order of their ids, of which the last are the test users and
 * those before them the validation users; then, the generator seeded again for each of the two groups, user by user a
 * choice among the positions of the events on training items, here in the order of item ids (as in MovieLens 20M's
 * ratings.csv). Users left with fewer than five such events hide none. The seed of the notebook is 98765.
 */
#include "split/parts.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/random.h"
#include "split/numpy_random.h"

enum { COUNTER, NUMPY };          /* choices of --draw */
enum { NUMPY_LEAST_TO_HIDE = 5 }; /* events, in the notebook */

typedef struct strong_params {
    double test_users, validation_users, fold_in;
    int64_t min_events;
    int draw;
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
    OPTION_CHOICE(strong_params, draw, "draw", "counter", "counter|numpy",
                  "random numbers: topn's own, or NumPy's legacy generator in the order of Liang et al.'s notebook "
                  "(there --seed 98765)"),
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

/* Keys that put candidates [count], given in the order of the users, in the reverse of NumPy's permutation: the test
 * users, last in the notebook, come first, and the validation users follow. */
static topn_status key_as_numpy(topn_context *context, candidate *candidates, uint32_t count)
{
    numpy_random random;
    uint32_t *order = NULL; /* [count] */
    const topn_status status = ALLOCATE(context, count, &order);
    if (status != TOPN_OK)
        return status;
    numpy_seed(&random, (uint32_t)context->seed);
    numpy_permutation(&random, count, order);
    for (uint32_t at = 0; at < count; at++)
        candidates[order[at]].key = count - 1 - at;
    free(order);
    return TOPN_OK;
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
    if (params->draw == NUMPY)
        TRY(key_as_numpy(context, candidates, (uint32_t)eligible));
    qsort(candidates, eligible, sizeof *candidates, by_key);
    for (uint32_t user = 0; user < users; user++)
        held_for[user] = IN_TRAIN;
    for (uint64_t index = 0; index < test + validation; index++)
        held_for[candidates[index].user] = index < test ? IN_TEST_HIDDEN : IN_VALIDATION_HIDDEN;
done:
    free(candidates);
    return status;
}

/* Positions of the user's events on training items. */
static size_t list_events(const topn_data *data, uint32_t user, const bool *keep_item, uint64_t *events)
{
    size_t count = 0;
    for (uint64_t at = data->matrix.indptr[user]; at < data->matrix.indptr[user + 1]; at++)
        if (keep_item[data->matrix.indices[at]])
            events[count++] = at;
    return count;
}

/* fold_in for the users of one group as the notebook does it. */
static topn_status fold_in_as_numpy(topn_context *context, const topn_data *data, double share, const uint8_t *held_for,
                                    int group, const bool *keep_item, uint8_t *membership)
{
    topn_status status;
    const uint8_t seen = group == IN_TEST_HIDDEN ? IN_TEST_SEEN : IN_VALIDATION_SEEN;
    numpy_random random;
    uint64_t *events = NULL;
    uint32_t *order = NULL;
    TRY(ALLOCATE(context, longest_history(data), &events));
    TRY(ALLOCATE(context, longest_history(data), &order));
    numpy_seed(&random, (uint32_t)context->seed);
    for (uint32_t user = 0; user < data->matrix.rows; user++) {
        if (held_for[user] != group)
            continue;
        const size_t count = list_events(data, user, keep_item, events);
        uint64_t hidden = 0;
        if (count >= NUMPY_LEAST_TO_HIDE) {
            numpy_permutation(&random, (uint32_t)count, order);
            hidden = share_of(1 - share, count);
        }
        for (size_t index = 0; index < count; index++)
            membership[events[index]] = seen;
        for (size_t index = 0; index < hidden; index++)
            membership[events[order[index]]] = held_for[user];
    }
done:
    free(events);
    free(order);
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
        const size_t count = list_events(data, user, keep_item, events);
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
    if (params->draw == NUMPY && context->seed > UINT32_MAX)
        return fail(context, TOPN_ERROR_OPTION, "option --seed: %" PRIu64 " is more than --draw numpy takes, %" PRIu32,
                    context->seed, UINT32_MAX);
    TRY(ALLOCATE(context, data->matrix.rows, &held_for));
    TRY(ALLOCATE(context, topn_data_events(data), &membership));
    TRY(ALLOCATE(context, data->matrix.columns, &keep_item));
    TRY(choose_users(context, data, params, held_for));
    for (uint32_t user = 0; user < data->matrix.rows; user++)
        for (uint64_t at = data->matrix.indptr[user]; at < data->matrix.indptr[user + 1]; at++)
            membership[at] = held_for[user];
    items_in_training(data, membership, keep_item);
    if (params->draw == NUMPY) {
        TRY(fold_in_as_numpy(context, data, params->fold_in, held_for, IN_VALIDATION_HIDDEN, keep_item, membership));
        TRY(fold_in_as_numpy(context, data, params->fold_in, held_for, IN_TEST_HIDDEN, keep_item, membership));
    } else {
        TRY(fold_in(context, data, params->fold_in, held_for, keep_item, membership));
    }
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
