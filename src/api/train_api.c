/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/option_table.h"
#include "base/shared_work.h"
#include "evaluate/evaluation.h"
#include "evaluate/report.h"
#include "model/model_file.h"
#include "train/iteration.h"

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
    *out = (topn_cost){.peak_bytes = cost.bytes + item_facts_bytes(data) + data_bytes(data),
                       .flops = cost.flops,
                       .available_bytes = memory_available(context)};
    return TOPN_OK;
}

/* Options that say where a training keeps its progress: its model is the same without them. */
static bool is_remembered(const char *option)
{
    static const char *const passing[] = {"checkpoint", "checkpoint-every", "resume"};
    for (size_t index = 0; index < sizeof passing / sizeof *passing; index++)
        if (strcmp(option, passing[index]) == 0)
            return false;
    return true;
}

/* What made the model, so that its file can repeat it. */
static topn_status record_origin(topn_context *context, const topn_options *options, const topn_training *training,
                                 const char *judged_by, record *metadata)
{
    topn_status status;
    topn_option_info info;
    char key[128];
    TRY(record_set(context, metadata, "method", "%s", options_owner(options)));
    TRY(record_set(context, metadata, "seed", "%" PRIu64, context->seed));
    for (size_t index = 0; topn_options_info(options, index, &info); index++) {
        const char *value = topn_options_get(options, info.name);
        if (!is_remembered(info.name))
            continue;
        snprintf(key, sizeof key, "option.%s", info.name);
        TRY(value ? record_set(context, metadata, key, "%s", value) : fail_memory(context, sizeof key));
    }
    if (training->reader)
        TRY(record_set_options(context, metadata, "reader.", training->reader));
    if (judged_by)
        TRY(record_set(context, metadata, "validation.metric", "%s", judged_by));
    if (training->validation_source)
        TRY(record_set(context, metadata, "validation.source", "%s", training->validation_source));
done:
    return status;
}

/* ---- Validation -------------------------------------------------------------------------------------------------- */

/* Held-back events and the metric on them, for the validator. */
typedef struct judgement {
    const topn_data *seen, *hidden;
    evaluation_params params;
    validator validator;
    char fingerprint[40];
} judgement;

static topn_status judge(topn_context *context, const topn_model *model, void *data, double *value)
{
    topn_status status;
    const judgement *by = data;
    topn_retriever *retriever = NULL;
    topn_report *report = NULL;
    TRY(retriever_create(context, model, NULL, &retriever));
    TRY(evaluate_run(context, retriever, by->seen, by->hidden, NULL, &by->params, &report));
    *value = report->metrics[0].mean;
done:
    topn_report_free(report);
    retriever_free(retriever);
    return status;
}

/* The metric must exist and be one before hours go by. */
static topn_status check_metric(topn_context *context, const topn_data *data, const char *name)
{
    metric_list list = {0};
    topn_status status = metric_list_parse(context, name, data->matrix.columns, false, &list);
    if (status == TOPN_OK && list.count != 1)
        status = fail(context, TOPN_ERROR_OPTION, "validation takes one metric, such as ndcg@100, not \"%s\"", name);
    metric_list_clear(&list);
    return status;
}

static topn_status judgement_create(topn_context *context, const topn_data *data, const topn_training *training,
                                    judgement *out)
{
    topn_status status;
    const char *name = training->metric ? training->metric : "ndcg@100";
    TRY(check_metric(context, data, name));
    TRY(data_require_events(context, training->validation_hidden, "to validate on"));
    *out = (judgement){.seen = training->validation_seen,
                       .hidden = training->validation_hidden,
                       .params = {.metrics = (char *)name, .confidence = 0.95, .unknown_items = UNKNOWN_MISS},
                       .validator = {.metric = name, .judge = judge}};
    snprintf(out->fingerprint, sizeof out->fingerprint, "%s-%s", out->seen->fingerprint, out->hidden->fingerprint);
    out->validator.fingerprint = out->fingerprint;
    out->validator.data = out;
done:
    return status;
}

/* ---- Training ---------------------------------------------------------------------------------------------------- */

/* The model of --start-from: of the same method. */
static topn_status load_start(topn_context *context, const method *found, const topn_options *options, topn_model **out)
{
    topn_status status;
    const char *path = topn_options_get(options, "start-from");
    *out = NULL;
    if (!found->train_iterated || !path || !*path)
        return TOPN_OK;
    TRY(model_load(context, path, out));
    const char *trained = record_get(&(*out)->metadata, "method");
    if (!trained || strcmp(trained, found->name) != 0)
        status = fail(context, TOPN_ERROR_DATA, "%s was trained by %s; --start-from of %s takes a model of %s", path,
                      trained ? trained : "an unknown method", found->name, found->name);
done:
    return status;
}

static topn_status run_method(topn_context *context, const method *found, const topn_data *data,
                              const topn_options *options, const void *params, const validator *judged_by,
                              topn_model *model)
{
    topn_status status;
    topn_model *start = NULL;
    if (!found->train_iterated)
        return found->train(context, data, params, model);
    TRY(load_start(context, found, options, &start));
    const training_run run = {.validator = judged_by, .start = start};
    TRY(found->train_iterated(context, data, params, &run, model));
done:
    topn_model_free(start);
    return status;
}

/* Bytes beyond the data. */
static uint64_t training_bytes(const training_cost *cost, bool validated)
{
    return cost->bytes + iteration_bytes(cost->state_bytes, validated);
}

static topn_status check_training(topn_context *context, const topn_training *training)
{
    if (training->reader && options_kind(training->reader) != TOPN_KIND_READER)
        return fail(context, TOPN_ERROR_ARGUMENT, "training takes the options of a reader beside those of a method");
    if (!training->validation_seen != !training->validation_hidden)
        return fail(context, TOPN_ERROR_ARGUMENT, "validation takes both seen and hidden events");
    return TOPN_OK;
}

topn_status topn_train_validated(topn_context *context, const topn_data *data, const topn_options *options,
                                 const topn_training *training, topn_model **out)
{
    const method *found = NULL;
    const void *params = NULL;
    topn_model *model = NULL;
    judgement by;
    topn_status status;
    static const topn_training nothing;
    if (!data || !out)
        return fail(context, TOPN_ERROR_ARGUMENT, "training needs data and a place for its result");
    *out = NULL;
    if (!training)
        training = &nothing;
    TRY(check_training(context, training));
    TRY(method_of(context, options, &found, &params));
    const bool validated = found->train_iterated && training->validation_hidden;
    if (validated)
        TRY(judgement_create(context, data, training, &by));
    if (found->check)
        TRY(found->check(context, data, params));
    const training_cost cost = found->cost(data, params);
    const uint64_t bytes = training_bytes(&cost, validated) + item_facts_bytes(data);
    const uint64_t held = context->memory_limit ? data_bytes(data) : 0;
    if (bytes + held + (held ? shared_work_bytes(context) : 0) > memory_available(context))
        shared_work_drop(context);
    char what[64];
    snprintf(what, sizeof what, "training %s on %" PRIu32 " items", found->name, data->matrix.columns);
    TRY(memory_check(context, what, bytes + held, cost.remedy));
    const char *keep = topn_options_get(options, "keep-histories");
    const double start = clock_seconds();
    TRY(model_create(context, data, keep && strcmp(keep, "true") == 0, &model));
    TRY(record_origin(context, options, training, validated ? by.validator.metric : NULL, &model->metadata));
    TRY(run_method(context, found, data, options, params, validated ? &by.validator : NULL, model));
    TRY(model_check(context, model));
    TRY(record_set(context, &model->metadata, "run.seconds.total", "%.3f", clock_seconds() - start));
    TRY(record_set(context, &model->metadata, "run.peak-bytes", "%" PRIu64, memory_peak()));
    TRY(record_set(context, &model->metadata, "run.predicted-bytes", "%" PRIu64, bytes + data_bytes(data)));
    TRY(record_set(context, &model->metadata, "run.predicted-flops", "%.4g", cost.flops));
    TRY(record_set(context, &model->metadata, "run.threads", "%d", context->threads));
    *out = model;
    return TOPN_OK;
done:
    topn_model_free(model);
    return status;
}

topn_status topn_train(topn_context *context, const topn_data *data, const topn_options *options,
                       const topn_options *reader, topn_model **out)
{
    return topn_train_validated(context, data, options, &(topn_training){.reader = reader}, out);
}
