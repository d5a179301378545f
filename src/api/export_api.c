/* SPDX-License-Identifier: Apache-2.0 */
#include <topn/topn.h>

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "model/exporter.h"

/* What is exported: rows, whose they are and what they are scaled by. */
typedef struct exported {
    const embedding_table *rows; /* NULL: there is no such table */
    const topn_model *model;     /* its items are the rows */
    const float *priors;
    embedding_table own; /* of users and fields */
    topn_model view;     /* a model of which only ids and count of items are filled */
} exported;

/* As many rows of a table from `first` on as there are ids. */
static void export_matrix(const dense_matrix *table, size_t first, const string_table *ids, exported *out)
{
    if (!ids->count)
        return;
    out->own.form = TABLE_DENSE;
    out->own.dense = (dense_matrix){table->values + first * table->columns, ids->count, table->columns};
    out->view.items = ids->count;
    out->view.item_ids = *ids;
    out->rows = &out->own;
    out->model = &out->view;
}

static void export_rows(const encoder_field *field, size_t first, const string_table *ids, exported *out)
{
    export_matrix(&field->table, first, ids, out);
}

/* A table of a model with rows of users: "encoder" (the users), "user-features", and of one that composes context
 * fields these by name; of a network "history" and "history-2" (the items in a history) and "item-features". */
static void find_field(const topn_model *model, const char *table, exported *out)
{
    const fields_encoder *encoder = &model->encoder.fields;
    const network_encoder *network = &model->encoder.network;
    const encoder_field *users = model_user_field(model);
    if (strcmp(table, "encoder") == 0 && model_user_rows(model))
        export_rows(users, 0, &model->user_ids, out);
    else if (strcmp(table, "user-features") == 0)
        export_rows(users, users->table.rows - users->features.count, &users->features, out);
    for (size_t field = 1; !out->rows && field < encoder->field_count; field++)
        if (strcmp(table, encoder->fields[field].name) == 0)
            export_rows(&encoder->fields[field], 0, &encoder->fields[field].values, out);
    if (strcmp(table, "item-features") == 0 && network->items.table.values)
        export_rows(&network->items, network->items.table.rows - network->items.features.count,
                    &network->items.features, out);
    for (size_t bag = 0; !out->rows && bag < network->bag_count; bag++)
        if (strcmp(table, bag ? "history-2" : "history") == 0)
            export_matrix(&network->bags[bag].table, 0, &model->item_ids, out);
}

static topn_status find_table(topn_context *context, const topn_model *model, const char *table, exported *out)
{
    const bool items = strcmp(table, "items") == 0, fields = model_user_field(model) != NULL;
    const bool network = model->encoder.kind == ENCODER_NETWORK;
    *out = (exported){.model = model, .priors = items ? model->table.priors : NULL};
    if (!items && !fields && strcmp(table, "encoder") != 0)
        return fail(context, TOPN_ERROR_ARGUMENT, "there is no table \"%s\": \"items\" or \"encoder\"", table);
    if (items)
        out->rows = model_item_rows(model);
    else if (fields)
        find_field(model, table, out);
    else
        out->rows = &model->encoder.rows;
    if (out->rows && out->rows->form != TABLE_NONE)
        return TOPN_OK;
    if (network && strcmp(table, "encoder") != 0)
        return fail(
            context, TOPN_ERROR_ARGUMENT,
            "there is no table \"%s\": \"items\", \"encoder\" (the users), \"user-features\", \"item-features\", "
            "\"history\" or \"history-2\"",
            table);
    if (fields && strcmp(table, "encoder") != 0)
        return fail(context, TOPN_ERROR_ARGUMENT,
                    "there is no table \"%s\": \"items\", \"encoder\" (the users), the name of a context field, or "
                    "\"user-features\"",
                    table);
    return fail(context, TOPN_ERROR_UNSUPPORTED, "this model has no %s table%s", table,
                model->table.kind == ITEMS_IDENTITY ? ": its items are the dimensions; export \"encoder\""
                : fields                            ? " of users: it was trained without keeping their rows"
                                                    : "");
}

topn_status topn_model_export(topn_context *context, const topn_model *model, const char *table,
                              const topn_options *options, const char *path)
{
    topn_status status;
    exported found;
    if (!model || !table || !options || !path)
        return fail(context, TOPN_ERROR_ARGUMENT, "topn_model_export takes a model, a table, options and a path");
    const exporter *to = options_kind(options) == TOPN_KIND_EXPORT ? exporter_find(options_owner(options)) : NULL;
    const export_params *params = to ? options_params(options, to->options) : NULL;
    if (!params)
        return fail(context, TOPN_ERROR_ARGUMENT, "topn_model_export takes options of an export format");
    TRY(find_table(context, model, table, &found));
    if (params->fold_priors && strcmp(table, "items") != 0)
        return fail(context, TOPN_ERROR_OPTION, "option --fold-priors of %s: priors belong to the table \"items\"",
                    to->name);
    TRY(to->write(context, found.model, found.rows, found.priors, params, path));
done:
    return status;
}
