/* SPDX-License-Identifier: Apache-2.0 */
#include "evaluate/evaluation.h"

#include <math.h>

#include "evaluate/report.h"

topn_status topn_evaluate(topn_context *context, const topn_retriever *retriever, const topn_data *seen,
                          const topn_data *hidden, const topn_data *candidates, const topn_options *options,
                          topn_report **out)
{
    topn_status status;
    topn_options *standby = NULL;
    const void *params;
    if (out)
        *out = NULL;
    if (!context || !retriever || !seen || !hidden || !out)
        return fail(context, TOPN_ERROR_ARGUMENT, "topn_evaluate takes a context, a retriever, seen and hidden data");
    TRY(options_or_default(context, options, TOPN_KIND_EVALUATION, "evaluation", &evaluation_option_table, &standby,
                           &params));
    TRY(evaluate_run(context, retriever, seen, hidden, candidates, params, out));
done:
    topn_options_free(standby);
    return status;
}

topn_status topn_metrics_check(topn_context *context, const char *metrics, uint32_t items, size_t *count,
                               bool *per_user)
{
    metric_list list = {0};
    bool all = true;
    if (!context || !metrics)
        return fail(context, TOPN_ERROR_ARGUMENT, "topn_metrics_check takes a context and metrics");
    const topn_status status = metric_list_parse(context, metrics, items ? items : UINT32_MAX, false, &list);
    for (size_t i = 0; i < list.count; i++)
        all = all && !list.requests[i].metric->overall;
    if (count)
        *count = list.count;
    if (per_user)
        *per_user = all;
    metric_list_clear(&list);
    return status;
}

size_t topn_report_count(const topn_report *report)
{
    return report ? report->metric_count : 0;
}

bool topn_report_metric(const topn_report *report, size_t index, topn_metric_result *out)
{
    if (!report || !out || index >= report->metric_count)
        return false;
    const report_metric *found = &report->metrics[index];
    *out = (topn_metric_result){.name = found->name,
                                .definition = found->definition,
                                .mean = found->mean,
                                .low = found->low,
                                .high = found->high,
                                .per_user = found->per_user};
    return true;
}

size_t topn_report_users(const topn_report *report)
{
    return report ? report->users : 0;
}

const char *topn_report_user_id(const topn_report *report, size_t user)
{
    return report && user < report->users ? string_table_get(&report->user_ids, (uint32_t)user) : NULL;
}

double topn_report_value(const topn_report *report, size_t index, size_t user)
{
    if (!report || index >= report->metric_count || user >= report->users)
        return NAN;
    return report->values[user * report->metric_count + index];
}

size_t topn_report_list(const topn_report *report, size_t user, const uint32_t **items, const float **scores)
{
    const bool kept = report && user < report->users && report->list_width;
    if (items)
        *items = kept ? report->list_items + user * report->list_width : NULL;
    if (scores)
        *scores = kept ? report->list_scores + user * report->list_width : NULL;
    return kept ? report->list_lengths[user] : 0;
}

bool topn_report_fact(const topn_report *report, size_t index, const char **key, const char **value)
{
    if (!report || index >= report->facts.count)
        return false;
    if (key)
        *key = report->facts.entries[index].key;
    if (value)
        *value = report->facts.entries[index].value;
    return true;
}

topn_status topn_report_compare(topn_context *context, const topn_report *a, const topn_report *b, size_t index,
                                topn_comparison *out)
{
    if (!context || !a || !b || !out)
        return fail(context, TOPN_ERROR_ARGUMENT, "topn_report_compare takes a context, two reports and an output");
    return report_compare(context, a, b, index, out);
}
