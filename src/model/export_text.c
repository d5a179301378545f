/* SPDX-License-Identifier: Apache-2.0 */
#include "model/export_text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

export_row export_row_of(const embedding_table *rows, const float *priors, const export_params *params, uint32_t item)
{
    const float scale = params->fold_priors && priors ? priors[item] : 1.0f;
    if (rows->form == TABLE_DENSE) {
        const size_t columns = rows->dense.columns;
        return (export_row){.values = rows->dense.values + item * columns, .count = columns, .scale = scale};
    }
    const uint64_t begin = rows->sparse.indptr[item];
    return (export_row){.values = rows->sparse.values + begin,
                        .indices = rows->sparse.indices + begin,
                        .count = rows->sparse.indptr[item + 1] - begin,
                        .scale = scale};
}

topn_status export_number(file_writer *writer, float value)
{
    char text[32];
    int length = 0;
    static const int digits[] = {6, 8, 9}; /* 9 always suffice */
    for (size_t attempt = 0; attempt < 3; attempt++) {
        length = snprintf(text, sizeof text, "%.*g", digits[attempt], (double)value);
        if (strtof(text, NULL) == value)
            break;
    }
    return file_write(writer, text, (size_t)length);
}

topn_status export_csv_field(file_writer *writer, const char *text)
{
    topn_status status;
    if (*text && !text[strcspn(text, ",\"\r\n")])
        return file_write(writer, text, strlen(text));
    TRY(file_write(writer, "\"", 1));
    for (; *text; text++) {
        if (*text == '"')
            TRY(file_write(writer, "\"", 1));
        TRY(file_write(writer, text, 1));
    }
    TRY(file_write(writer, "\"", 1));
done:
    return status;
}

topn_status export_copy_field(file_writer *writer, const char *text)
{
    topn_status status = TOPN_OK;
    static const char special[] = "\\\t\n\r", letter[] = "\\tnr";
    for (; *text; text++) {
        const char *found = strchr(special, *text);
        if (found)
            TRY(file_print(writer, "\\%c", letter[found - special]));
        else
            TRY(file_write(writer, text, 1));
    }
done:
    return status;
}

topn_status export_items(topn_context *context, const topn_model *model, const embedding_table *rows,
                         const float *priors, const export_params *params, const char *path, const char *heading,
                         export_item *write)
{
    topn_status status;
    file_writer *writer = NULL;
    TRY(file_create(context, path, &writer));
    TRY(file_write(writer, heading, strlen(heading)));
    for (uint32_t item = 0; item < model->items; item++) {
        const export_row row = export_row_of(rows, priors, params, item);
        TRY(write(writer, model, &row, item));
        if (item % 1024 == 0)
            TRY(progress_report(context, "export", "items", item, model->items, NAN));
    }
    status = file_commit(writer);
    writer = NULL;
done:
    file_abandon(writer);
    return status;
}
