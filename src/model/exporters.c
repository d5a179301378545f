/* SPDX-License-Identifier: Apache-2.0 */
#include "model/exporter.h"

#include "base/registry.h"

static const option_row export_options[] = {
    OPTION_BOOLEAN(export_params, fold_priors, "fold-priors", false,
                   "multiply every item's row by its prior, so that a plain inner product gives the score"),
};

const option_table export_option_table = OPTION_TABLE(export_params, export_options);

#define EXPORTER(identifier) extern const exporter exporter_##identifier;
#include "model/exporters.def"
#undef EXPORTER

static const exporter *const exporters[] = {
#define EXPORTER(identifier) &exporter_##identifier,
#include "model/exporters.def"
#undef EXPORTER
};

REGISTRY_ACCESS(exporter, exporter, exporters)
