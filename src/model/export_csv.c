/* SPDX-License-Identifier: Apache-2.0 */
#include "model/export_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"

static topn_status write_item(file_writer *writer, const topn_model *model, const export_row *row, uint32_t item)
{
    topn_status status = TOPN_OK;
    const char *id = string_table_get(&model->item_ids, item);
    if (!row->indices) { /* wide: one line per item */
        TRY(export_csv_field(writer, id));
        for (uint64_t at = 0; at < row->count; at++) {
            TRY(file_write(writer, ",", 1));
            TRY(export_number(writer, row->values[at] * row->scale));
        }
        return file_write(writer, "\n", 1);
    }
    for (uint64_t at = 0; at < row->count; at++) { /* long: one line per non-zero */
        TRY(export_csv_field(writer, id));
        TRY(file_print(writer, ",%" PRIu32 ",", row->indices[at]));
        TRY(export_number(writer, row->values[at] * row->scale));
        TRY(file_write(writer, "\n", 1));
    }
done:
    return status;
}

static topn_status write_csv(topn_context *context, const topn_model *model, const embedding_table *rows,
                             const float *priors, const void *params, const char *path)
{
    if (rows->form == TABLE_SPARSE)
        return export_items(context, model, rows, priors, params, path, "item,dimension,value\n", write_item);
    enum { WIDTH = 24 }; /* ",d" and any number of 64 bits */
    char *heading;
    topn_status status = memory_allocate(context, rows->dense.columns + 1, WIDTH, &heading);
    if (status != TOPN_OK)
        return status;
    size_t length = (size_t)sprintf(heading, "item");
    for (size_t column = 0; column < rows->dense.columns; column++)
        length += (size_t)snprintf(heading + length, WIDTH, ",d%zu", column);
    snprintf(heading + length, WIDTH, "\n");
    status = export_items(context, model, rows, priors, params, path, heading, write_item);
    free(heading);
    return status;
}

const exporter exporter_csv = {
    .name = "csv",
    .summary = "text: item,dimension,value per non-zero (sparse), or one line per item with all values (dense)",
    .options = &export_option_table,
    .write = write_csv,
};
