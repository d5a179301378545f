/* SPDX-License-Identifier: Apache-2.0 */
#include "data/describe.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

static int by_value(const void *a, const void *b)
{
    const double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static double quantile(const double *sorted, size_t count, double share)
{
    const double place = share * (double)(count - 1);
    const size_t below = (size_t)place;
    const double part = place - (double)below;
    return below + 1 < count ? sorted[below] + part * (sorted[below + 1] - sorted[below]) : sorted[count - 1];
}

/* Sorts values. All zero when there are none. */
static topn_distribution distribution(double *values, size_t count)
{
    if (count == 0)
        return (topn_distribution){0};
    qsort(values, count, sizeof *values, by_value);
    double sum = 0;
    for (size_t at = 0; at < count; at++)
        sum += values[at];
    return (topn_distribution){
        .minimum = values[0],
        .p10 = quantile(values, count, 0.10),
        .p25 = quantile(values, count, 0.25),
        .median = quantile(values, count, 0.50),
        .p75 = quantile(values, count, 0.75),
        .p90 = quantile(values, count, 0.90),
        .p99 = quantile(values, count, 0.99),
        .maximum = values[count - 1],
        .mean = sum / (double)count,
    };
}

/* Gini coefficient of ascending values: Σ (2i − n − 1)·x_i / (n·Σ x_i), i from 1. */
static double gini(const double *sorted, size_t count)
{
    double sum = 0, weighted = 0;
    for (size_t at = 0; at < count; at++) {
        sum += sorted[at];
        weighted += (2.0 * (double)(at + 1) - (double)count - 1.0) * sorted[at];
    }
    return sum > 0 ? weighted / ((double)count * sum) : 0.0;
}

static void time_span(const topn_data *data, uint64_t events, topn_description *out)
{
    out->has_times = data->times && events > 0;
    if (!out->has_times)
        return;
    out->first_time = out->last_time = data->times[0];
    for (uint64_t at = 1; at < events; at++) {
        out->first_time = data->times[at] < out->first_time ? data->times[at] : out->first_time;
        out->last_time = data->times[at] > out->last_time ? data->times[at] : out->last_time;
    }
}

topn_status data_describe(topn_context *context, const topn_data *data, topn_description *out)
{
    topn_status status;
    const sparse_matrix *matrix = &data->matrix;
    const uint64_t events = matrix->indptr[matrix->rows];
    const data_provenance *story = &data->provenance;
    double *per_user = NULL, *per_item = NULL, *weights = NULL;
    *out = (topn_description){
        .users = matrix->rows,
        .items = matrix->columns,
        .events = events,
        .has_weights = data->has_weights,
        .rows_read = story->rows_read,
        .duplicates = story->duplicates,
        .source = story->source ? story->source : "",
        .format = story->format ? story->format : "",
        .columns = story->columns ? story->columns : "",
        .dropped = story->dropped,
        .dropped_count = story->dropped_count,
    };
    TRY(ALLOCATE(context, matrix->rows, &per_user));
    TRY(ALLOCATE_ZEROED(context, matrix->columns, &per_item));
    TRY(ALLOCATE(context, events, &weights));
    for (uint32_t user = 0; user < matrix->rows; user++)
        per_user[user] = (double)(matrix->indptr[user + 1] - matrix->indptr[user]);
    for (uint64_t at = 0; at < events; at++) {
        per_item[matrix->indices[at]]++;
        weights[at] = (double)matrix->values[at];
    }
    if (matrix->rows > 0 && matrix->columns > 0)
        out->density = (double)events / ((double)matrix->rows * (double)matrix->columns);
    out->per_user = distribution(per_user, matrix->rows);
    out->per_item = distribution(per_item, matrix->columns);
    out->weight = distribution(weights, events);
    out->gini_items = gini(per_item, matrix->columns);
    time_span(data, events, out);
done:
    free(per_user);
    free(per_item);
    free(weights);
    return status;
}
