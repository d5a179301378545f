/* SPDX-License-Identifier: Apache-2.0
 *
 * An export format is one file that exports one descriptor; exporters.def lists them.
 */
#ifndef TOPN_MODEL_EXPORTER_H
#define TOPN_MODEL_EXPORTER_H

#include "base/option_table.h"
#include "model/model.h"

/* Options of every export format. */
typedef struct export_params {
    bool fold_priors; /* rows are written as π_i · ψ_i */
} export_params;
extern const option_table export_option_table;

typedef struct exporter {
    const char *name;    /* "npz" */
    const char *summary; /* one line */
    const option_table *options;
    /* rows: [items × dimensions], not NONE. priors: [items], or NULL when all are 1 or don't belong to these rows.
     * Writes atomically. */
    topn_status (*write)(topn_context *, const topn_model *model, const embedding_table *rows, const float *priors,
                         const void *params, const char *path);
} exporter;

/* NULL past the end. */
const exporter *exporter_at(size_t index);
const exporter *exporter_find(const char *name);

#endif
