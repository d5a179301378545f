/* SPDX-License-Identifier: Apache-2.0 */
#include "evaluate/metric.h"

#include <string.h>

#define METRIC(identifier) extern const metric metric_##identifier;
#include "evaluate/metrics.def"
#undef METRIC

static const metric *const metrics[] = {
#define METRIC(identifier) &metric_##identifier,
#include "evaluate/metrics.def"
#undef METRIC
};

const metric *metric_at(size_t index)
{
    return index < sizeof metrics / sizeof *metrics ? metrics[index] : NULL;
}

const metric *metric_find(const char *name)
{
    for (size_t index = 0; metric_at(index); index++)
        if (strcmp(metrics[index]->name, name) == 0)
            return metrics[index];
    return NULL;
}
