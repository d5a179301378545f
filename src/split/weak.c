/* SPDX-License-Identifier: Apache-2.0
 *
 * Weak generalisation: every user trains; of each one's events a random share is hidden. ⌊share · events⌋ of a user's
 * events are hidden.
 */
#include "split/parts.h"

#include <stdlib.h>

#include "base/memory.h"
typedef struct weak_params {
    double validation_share, test_share;
    int64_t min_events;
} weak_params;

static const option_row weak_options[] = {
    OPTION_REAL(weak_params, test_share, "test-share", 0.2, 0, 1, "share of each user's events hidden for the test"),
    OPTION_REAL(weak_params, validation_share, "validation-share", 0.1, 0, 1,
                "share of each user's events hidden for validation"),
    OPTION_INTEGER(weak_params, min_events, "min-events", 5, 2, UINT32_MAX,
                   "users with fewer events hide none of them"),
};

static const option_table weak_option_table = OPTION_TABLE(weak_params, weak_options);

static topn_status split(topn_context *context, const topn_data *data, const topn_data *test, const void *given,
                         topn_split *out)
{
    topn_status status;
    const weak_params *params = given;
    uint8_t *membership = NULL;
    (void)test;
    if (params->test_share + params->validation_share >= 1 || params->test_share + params->validation_share == 0)
        return fail(context, TOPN_ERROR_OPTION,
                    "option --test-share: %g and --validation-share %g are all events or none; their sum must be > 0 "
                    "and < 1",
                    params->test_share, params->validation_share);
    TRY(ALLOCATE(context, topn_data_events(data), &membership));
    TRY(hide_shares(context, data, params->validation_share, params->test_share, (uint64_t)params->min_events,
                    membership));
    TRY(parts_create(context, data, membership, out));
    if (params->test_share > 0)
        TRY(require_part(context, out, TOPN_PART_TEST_HIDDEN,
                         "no user has enough events; lower --min-events or raise --test-share"));
    if (params->validation_share > 0)
        TRY(require_part(context, out, TOPN_PART_VALIDATION_HIDDEN,
                         "no user has enough events; lower --min-events or raise --validation-share"));
done:
    free(membership);
    return status;
}

const protocol protocol_weak = {
    .name = "weak",
    .summary = "every user trains; a random share of each one's events is hidden",
    .paper = "",
    .options = &weak_option_table,
    .split = split,
};
