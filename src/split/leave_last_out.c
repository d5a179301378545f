/* SPDX-License-Identifier: Apache-2.0
 *
 * Leave last out: of every user the latest event is hidden for the test and, when asked for, the one before it for
 * validation. Events at the same time come in an order drawn from the seed; so do all when there are no times.
 */
#include "split/parts.h"

#include <stdlib.h>

#include "base/memory.h"
typedef struct leave_last_out_params {
    bool validation;
    int64_t min_events;
} leave_last_out_params;

static const option_row leave_last_out_options[] = {
    OPTION_BOOLEAN(leave_last_out_params, validation, "validation", true,
                   "hide each user's last event but one for validation"),
    OPTION_INTEGER(leave_last_out_params, min_events, "min-events", 3, 2, UINT32_MAX,
                   "users with fewer events hide none of them"),
};

static const option_table leave_last_out_option_table = OPTION_TABLE(leave_last_out_params, leave_last_out_options);

/* Moves the latest of events [count] to the end; among equals the last in the given order wins. */
static void move_latest_to_end(const int64_t *times, uint64_t *events, size_t count)
{
    size_t latest = 0;
    for (size_t index = 1; index < count; index++)
        if (!times || times[events[index]] >= times[events[latest]])
            latest = index;
    const uint64_t event = events[latest];
    events[latest] = events[count - 1];
    events[count - 1] = event;
}

static topn_status hide_last(topn_context *context, const topn_data *data, const leave_last_out_params *params,
                             uint8_t *membership)
{
    topn_status status;
    uint64_t *events = NULL;
    TRY(ALLOCATE(context, longest_history(data), &events));
    for (uint32_t user = 0; user < data->matrix.rows; user++) {
        const uint64_t begin = data->matrix.indptr[user], count = data->matrix.indptr[user + 1] - begin;
        for (uint64_t index = 0; index < count; index++) {
            events[index] = begin + index;
            membership[begin + index] = KEPT_EVENT;
        }
        if (count < (uint64_t)params->min_events)
            continue;
        TRY(shuffle_events(context, events, count));
        move_latest_to_end(data->times, events, count);
        membership[events[count - 1]] = TEST_EVENT;
        if (!params->validation || count < 3) /* one event is left to train on */
            continue;
        move_latest_to_end(data->times, events, count - 1);
        membership[events[count - 2]] = VALIDATION_EVENT;
    }
done:
    free(events);
    return status;
}

static topn_status split(topn_context *context, const topn_data *data, const topn_data *test, const void *given,
                         topn_split *out)
{
    topn_status status;
    const leave_last_out_params *params = given;
    uint8_t *membership = NULL;
    (void)test;
    const char *order = data->times ? "latest by time, ties drawn from the seed"
                                    : "drawn from the seed: the data have no times, so no event is the last";
    log_line(context, "held-out event of each user: %s", order);
    TRY(record_set(context, &out->description, "order", "%s", order));
    TRY(ALLOCATE(context, topn_data_events(data), &membership));
    TRY(hide_last(context, data, params, membership));
    TRY(parts_create(context, data, membership, out));
    TRY(require_part(context, out, TOPN_PART_TEST_HIDDEN, "no user has enough events; lower --min-events"));
done:
    free(membership);
    return status;
}

const protocol protocol_leave_last_out = {
    .name = "leave-last-out",
    .summary = "every user trains; each one's latest event is hidden",
    .paper = "",
    .options = &leave_last_out_option_table,
    .split = split,
};
