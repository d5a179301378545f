/* SPDX-License-Identifier: Apache-2.0
 *
 * Temporal: events from a point in time on are hidden for the test, those from an earlier point on for validation; all
 * before that train. Users whose first event comes after a point have nothing to show and are left out there.
 */
#include "split/parts.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/timestamp.h"
typedef struct temporal_params {
    double validation_share, test_share;
    char *validation_since, *test_since;
} temporal_params;

static const option_row temporal_options[] = {
    OPTION_REAL(temporal_params, test_share, "test-share", 0.2, 0, 1, "share of all events, the latest, for the test"),
    OPTION_TEXT(temporal_params, test_since, "test-since", NULL,
                "test events are those from this time on (seconds since 1970 or YYYY-MM-DD[THH:MM:SS], UTC); overrides "
                "--test-share"),
    OPTION_REAL(temporal_params, validation_share, "validation-share", 0.1, 0, 1,
                "share of all events, the latest before the test's, for validation"),
    OPTION_TEXT(temporal_params, validation_since, "validation-since", NULL,
                "validation events are those from this time on that are no test events; overrides --validation-share"),
};

static const option_table temporal_option_table = OPTION_TABLE(temporal_params, temporal_options);

static int by_time(const void *a, const void *b)
{
    const int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

/* Events before `time` in ascending times. */
static uint64_t count_before(const int64_t *times, uint64_t count, int64_t time)
{
    uint64_t low = 0, high = count;
    while (low < high) {
        const uint64_t middle = (low + high) / 2;
        if (times[middle] < time)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Time from which on events are hidden: as given, or such that at least `share` of all `total` events are among those
 * before position `end` of the ascending times; INT64_MAX when none shall be. */
static topn_status cut_time(topn_context *context, const char *option, const char *since, double share,
                            const int64_t *times, uint64_t end, uint64_t total, int64_t *out)
{
    if (since) {
        if (timestamp_parse(since, out))
            return TOPN_OK;
        return fail(context, TOPN_ERROR_OPTION,
                    "option --%s-since: \"%s\" is neither seconds since 1970 nor YYYY-MM-DD[THH:MM:SS]", option, since);
    }
    const uint64_t count = share_of(share, total);
    if (count >= end)
        return fail(context, TOPN_ERROR_OPTION, "option --%s-share: %g leaves no event to train on", option, share);
    *out = count ? times[end - count] : INT64_MAX;
    return TOPN_OK;
}

/* Something must come before held-out events. */
static topn_status check_cut(topn_context *context, int64_t cut, const int64_t *times, uint64_t events)
{
    if (times[0] < cut)
        return TOPN_OK;
    return fail(context, TOPN_ERROR_OPTION,
                "no event is before %" PRId64 ", where the held-out events begin; the data span %" PRId64 " to %" PRId64
                " (seconds since 1970)",
                cut, times[0], times[events - 1]);
}

typedef struct cuts {
    int64_t validation, test;
} cuts;

static topn_status choose_cuts(topn_context *context, const topn_data *data, const temporal_params *params, cuts *out)
{
    topn_status status;
    const uint64_t events = topn_data_events(data);
    int64_t *times = NULL;
    TRY(ALLOCATE(context, events, &times));
    memcpy(times, data->times, events * sizeof *times);
    qsort(times, events, sizeof *times, by_time);
    TRY(cut_time(context, "test", params->test_since, params->test_share, times, events, events, &out->test));
    TRY(check_cut(context, out->test, times, events));
    const uint64_t before = count_before(times, events, out->test);
    TRY(cut_time(context, "validation", params->validation_since, params->validation_share, times, before, events,
                 &out->validation));
    TRY(check_cut(context, out->validation < out->test ? out->validation : out->test, times, events));
done:
    free(times);
    return status;
}

static topn_status describe_cut(topn_context *context, record *description, const char *key, int64_t time)
{
    if (time == INT64_MAX)
        return TOPN_OK;
    log_line(context, "%s: %" PRId64, key, time);
    return record_set(context, description, key, "%" PRId64, time);
}

static topn_status split(topn_context *context, const topn_data *data, const topn_data *test, const void *given,
                         topn_split *out)
{
    topn_status status;
    const temporal_params *params = given;
    uint8_t *membership = NULL;
    cuts cut;
    (void)test;
    if (!data->times)
        return fail(context, TOPN_ERROR_DATA,
                    "protocol temporal needs the time of each event, and the data have none; name the column with "
                    "--time-column when reading");
    TRY(choose_cuts(context, data, params, &cut));
    TRY(describe_cut(context, &out->description, "test-since-seconds", cut.test));
    TRY(describe_cut(context, &out->description, "validation-since-seconds", cut.validation));
    TRY(ALLOCATE(context, topn_data_events(data), &membership));
    for (uint64_t at = 0; at < topn_data_events(data); at++)
        membership[at] = data->times[at] >= cut.test         ? TEST_EVENT
                         : data->times[at] >= cut.validation ? VALIDATION_EVENT
                                                             : KEPT_EVENT;
    TRY(parts_create(context, data, membership, out));
    if (cut.test != INT64_MAX)
        TRY(require_part(context, out, TOPN_PART_TEST_HIDDEN,
                         "no user has events on known items both before and after the cut"));
    else
        TRY(require_part(context, out, TOPN_PART_VALIDATION_HIDDEN,
                         "no user has events on known items both before and after the cut"));
done:
    free(membership);
    return status;
}

const protocol protocol_temporal = {
    .name = "temporal",
    .summary = "events after a point in time are hidden",
    .paper = "",
    .options = &temporal_option_table,
    .split = split,
};
