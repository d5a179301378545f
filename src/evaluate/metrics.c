/* SPDX-License-Identifier: Apache-2.0 */
#include "evaluate/metric.h"

#include "base/registry.h"

#define METRIC(identifier) extern const metric metric_##identifier;
#include "evaluate/metrics.def"
#undef METRIC

static const metric *const metrics[] = {
#define METRIC(identifier) &metric_##identifier,
#include "evaluate/metrics.def"
#undef METRIC
};

REGISTRY_ACCESS(metric, metric, metrics)
