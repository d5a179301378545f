/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/option_table.h"
#include "train/method.h"

/* The method whose options these are, and its parameters. */
static topn_status method_of(topn_context *context, const topn_options *options, const method **out,
                             const void **params)
{
    if (!options || options_kind(options) != TOPN_KIND_METHOD)
        return fail(context, TOPN_ERROR_ARGUMENT, "training needs the options of a method");
    *out = method_find(options_owner(options));
    *params = *out ? options_params(options, (*out)->options) : NULL;
    if (!*params)
        return fail(context, TOPN_ERROR_INTERNAL, "method \"%s\" has no such options", options_owner(options));
    return TOPN_OK;
}

/* Bytes that the data already take. */
static uint64_t data_bytes(const topn_data *data)
{
    return topn_data_events(data) * (8 + (data->times ? 8 : 0)) + 8 * (uint64_t)data->matrix.rows;
}

topn_status topn_train_cost(topn_context *context, const topn_data *data, const topn_options *options, topn_cost *out)
{
    const method *found = NULL;
    const void *params = NULL;
    if (!data || !out)
        return fail(context, TOPN_ERROR_ARGUMENT, "topn_train_cost needs data and a place for its result");
    const topn_status status = method_of(context, options, &found, &params);
    if (status != TOPN_OK)
        return status;
    const training_cost cost = found->cost(data, params);
    *out = (topn_cost){
        .peak_bytes = cost.bytes + data_bytes(data), .flops = cost.flops, .available_bytes = memory_available(context)};
    return TOPN_OK;
}

/* What made the model, so that its file can repeat it. */
static topn_status record_origin(topn_context *context, const topn_options *options, const topn_options *reader,
                                 record *metadata)
{
    topn_status status;
    TRY(record_set(context, metadata, "method", "%s", options_owner(options)));
    TRY(record_set(context, metadata, "seed", "%" PRIu64, context->seed));
    TRY(record_set_options(context, metadata, "option.", options));
    if (reader)
        TRY(record_set_options(context, metadata, "reader.", reader));
done:
    return status;
}

topn_status topn_train(topn_context *context, const topn_data *data, const topn_options *options,
                       const topn_options *reader, topn_model **out)
{
    const method *found = NULL;
    const void *params = NULL;
    topn_model *model = NULL;
    topn_status status;
    if (!data || !out)
        return fail(context, TOPN_ERROR_ARGUMENT, "topn_train needs data and a place for its result");
    *out = NULL;
    if (reader && options_kind(reader) != TOPN_KIND_READER)
        return fail(context, TOPN_ERROR_ARGUMENT, "topn_train takes the options of a reader beside those of a method");
    TRY(method_of(context, options, &found, &params));
    if (found->check)
        TRY(found->check(context, data, params));
    const training_cost cost = found->cost(data, params);
    char what[64];
    snprintf(what, sizeof what, "training %s on %" PRIu32 " items", found->name, data->matrix.columns);
    TRY(memory_check(context, what, cost.bytes + (context->memory_limit ? data_bytes(data) : 0), cost.remedy));
    const char *keep = topn_options_get(options, "keep-histories");
    const double start = clock_seconds();
    TRY(model_create(context, data, keep && strcmp(keep, "true") == 0, &model));
    TRY(record_origin(context, options, reader, &model->metadata));
    TRY(found->train(context, data, params, model));
    TRY(model_check(context, model));
    TRY(record_set(context, &model->metadata, "run.seconds.total", "%.3f", clock_seconds() - start));
    TRY(record_set(context, &model->metadata, "run.peak-bytes", "%" PRIu64, memory_peak()));
    TRY(record_set(context, &model->metadata, "run.predicted-bytes", "%" PRIu64, cost.bytes + data_bytes(data)));
    TRY(record_set(context, &model->metadata, "run.predicted-flops", "%.4g", cost.flops));
    TRY(record_set(context, &model->metadata, "run.threads", "%d", context->threads));
    *out = model;
    return TOPN_OK;
done:
    topn_model_free(model);
    return status;
}
