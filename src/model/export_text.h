/* SPDX-License-Identifier: Apache-2.0
 *
 * What the export formats share: rows of a table whatever its form, numbers, strings in the quoting of each format.
 */
#ifndef TOPN_MODEL_EXPORT_TEXT_H
#define TOPN_MODEL_EXPORT_TEXT_H

#include "base/file.h"
#include "model/exporter.h"

/* One item's row. */
typedef struct export_row {
    const float *values;     /* [count] */
    const uint32_t *indices; /* [count], or NULL: dense, value n is dimension n */
    uint64_t count;
    float scale; /* every value is to be multiplied by it */
} export_row;

export_row export_row_of(const embedding_table *rows, const float *priors, const export_params *params, uint32_t item);

/* With as few digits as tell it from every other float. */
topn_status export_number(file_writer *writer, float value);
/* A CSV field (RFC 4180), quoted only where it must be. */
topn_status export_csv_field(file_writer *writer, const char *text);
/* A field of PostgreSQL's COPY text format. */
topn_status export_copy_field(file_writer *writer, const char *text);

/* Writes one item. */
typedef topn_status export_item(file_writer *writer, const topn_model *model, const export_row *row, uint32_t item);
/* `heading`, then every item in turn, atomically, with progress. */
topn_status export_items(topn_context *context, const topn_model *model, const embedding_table *rows,
                         const float *priors, const export_params *params, const char *path, const char *heading,
                         export_item *write);

#endif
