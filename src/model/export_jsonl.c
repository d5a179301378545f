/* SPDX-License-Identifier: Apache-2.0 */
#include "model/export_text.h"

#include <inttypes.h>

#include "base/json_text.h"

static topn_status write_values(file_writer *writer, const char *key, const export_row *row)
{
    topn_status status;
    TRY(file_print(writer, ",\"%s\":[", key));
    for (uint64_t at = 0; at < row->count; at++) {
        if (at)
            TRY(file_write(writer, ",", 1));
        TRY(export_number(writer, row->values[at] * row->scale));
    }
    TRY(file_write(writer, "]", 1));
done:
    return status;
}

static topn_status write_indices(file_writer *writer, const export_row *row)
{
    topn_status status;
    TRY(file_print(writer, ",\"indices\":["));
    for (uint64_t at = 0; at < row->count; at++)
        TRY(file_print(writer, at ? ",%" PRIu32 : "%" PRIu32, row->indices[at]));
    TRY(file_write(writer, "]", 1));
done:
    return status;
}

static topn_status write_figure(file_writer *writer, const char *key, const float *values, uint32_t item)
{
    topn_status status = TOPN_OK;
    if (values) {
        TRY(file_print(writer, ",\"%s\":", key));
        TRY(export_number(writer, values[item]));
    }
done:
    return status;
}

static topn_status write_item(file_writer *writer, const topn_model *model, const export_row *row, uint32_t item)
{
    topn_status status;
    TRY(file_print(writer, "{\"id\":"));
    TRY(json_write_string(writer, string_table_get(&model->item_ids, item)));
    const char *title = topn_model_item_title(model, item);
    if (title) {
        TRY(file_print(writer, ",\"title\":"));
        TRY(json_write_string(writer, title));
    }
    TRY(write_figure(writer, "prior", model->table.priors, item));
    TRY(write_figure(writer, "bias", model->table.biases, item));
    if (row->indices) {
        TRY(write_indices(writer, row));
        TRY(write_values(writer, "values", row));
    } else {
        TRY(write_values(writer, "embedding", row));
    }
    TRY(file_write(writer, "}\n", 2));
done:
    return status;
}

static topn_status write_jsonl(topn_context *context, const topn_model *model, const embedding_table *rows,
                               const float *priors, const void *params, const char *path)
{
    return export_items(context, model, rows, priors, params, path, "", write_item);
}

const exporter exporter_jsonl = {
    .name = "jsonl",
    .summary = "one JSON object per item: id, title, prior, bias, and indices with values or an embedding",
    .options = &export_option_table,
    .write = write_jsonl,
};
