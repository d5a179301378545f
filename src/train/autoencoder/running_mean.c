/* SPDX-License-Identifier: Apache-2.0 */
#include "train/autoencoder/running_mean.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"

topn_status running_mean_create(topn_context *context, double keep, const state_array *arrays, size_t count,
                                size_t group, running_mean *out)
{
    topn_status status = TOPN_OK;
    *out = (running_mean){.keep = keep};
    if (!(keep > 0))
        return TOPN_OK;
    TRY(ALLOCATE_ZEROED(context, (count + group - 1) / group, &out->arrays));
    for (size_t at = 0; at < count; at += group) {
        mean_array *array = &out->arrays[out->array_count++];
        *array = (mean_array){.weights = arrays[at].values, .count = (size_t)(arrays[at].rows * arrays[at].columns)};
        TRY(ALLOCATE_ZEROED(context, array->count, &array->mean));
    }
done:
    return status;
}

void running_mean_clear(running_mean *mean)
{
    for (size_t index = 0; index < mean->array_count; index++)
        free(mean->arrays[index].mean);
    free(mean->arrays);
    *mean = (running_mean){0};
}

size_t running_mean_list(const running_mean *mean, const state_array *arrays, size_t group, state_array *to)
{
    for (size_t index = 0; index < mean->array_count; index++) {
        const state_array *of = &arrays[index * group];
        to[index] = (state_array){.values = mean->arrays[index].mean, .rows = of->rows, .columns = of->columns};
        snprintf(to[index].name, sizeof to[index].name, "average.%.39s", of->name);
    }
    return mean->array_count;
}

void running_mean_take(running_mean *mean, int64_t sweep, int threads)
{
    (void)threads; /* without OpenMP */
    const double even = 1 / ((double)sweep + 1);
    const float share = (float)(even > 1 - mean->keep ? even : 1 - mean->keep);
    for (size_t index = 0; index < mean->array_count; index++) {
        const mean_array *array = &mean->arrays[index];
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
        for (size_t at = 0; at < array->count; at++)
            array->mean[at] += share * (array->weights[at] - array->mean[at]);
    }
}

void running_mean_swap(const running_mean *mean, int threads)
{
    (void)threads;
    for (size_t index = 0; index < mean->array_count; index++) {
        const mean_array *array = &mean->arrays[index];
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
        for (size_t at = 0; at < array->count; at++) {
            const float kept = array->weights[at];
            array->weights[at] = array->mean[at];
            array->mean[at] = kept;
        }
    }
}
