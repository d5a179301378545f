/* SPDX-License-Identifier: Apache-2.0 */
#include "evaluate/report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "evaluate/interval.h"

static topn_status name_metric(topn_context *context, const metric_request *request, const char *prefix,
                               report_metric *out)
{
    topn_status status;
    char text[1024];
    *out = (report_metric){.mean = NAN, .low = NAN, .high = NAN, .per_user = request->metric->value != NULL};
    snprintf(text, sizeof text, "%s%s", prefix, request->name);
    TRY(memory_copy_text(context, text, &out->name));
    const char *paper = request->metric->paper;
    snprintf(text, sizeof text, "%s%s%s%s", request->metric->summary, paper[0] ? " (" : "", paper, paper[0] ? ")" : "");
    TRY(memory_copy_text(context, text, &out->definition));
done:
    return status;
}

topn_status report_create(topn_context *context, const metric_list *list, const char *prefix, size_t users,
                          topn_report **out)
{
    topn_status status;
    topn_report *report = NULL;
    *out = NULL;
    TRY(ALLOCATE_ZEROED(context, 1, &report));
    report->users = users;
    TRY(ALLOCATE_ZEROED(context, list->count, &report->metrics));
    report->metric_count = list->count;
    for (size_t index = 0; index < list->count; index++)
        TRY(name_metric(context, &list->requests[index], prefix, &report->metrics[index]));
    TRY(memory_allocate(context, users, list->count * sizeof *report->values, &report->values));
    for (size_t index = 0; index < users * list->count; index++)
        report->values[index] = NAN;
    *out = report;
    return TOPN_OK;
done:
    topn_report_free(report);
    return status;
}

topn_status report_keep_lists(topn_context *context, topn_report *report, size_t width)
{
    topn_status status;
    if (width == 0)
        return TOPN_OK;
    TRY(memory_check(context, "keeping the lists of all users", (uint64_t)report->users * width * 8,
                     "keep shorter ones"));
    TRY(ALLOCATE_ZEROED(context, report->users, &report->list_lengths));
    TRY(memory_allocate(context, report->users, width * sizeof *report->list_items, &report->list_items));
    TRY(memory_allocate(context, report->users, width * sizeof *report->list_scores, &report->list_scores));
    report->list_width = width;
done:
    return status;
}

/* Values of the per-user metrics alone, [users × *columns], and which metric each column is. */
static topn_status pack_values(topn_context *context, const topn_report *report, double **packed, size_t **metric_of,
                               size_t *columns)
{
    topn_status status;
    *packed = NULL;
    *metric_of = NULL;
    *columns = 0;
    TRY(ALLOCATE(context, report->metric_count, metric_of));
    for (size_t index = 0; index < report->metric_count; index++)
        if (report->metrics[index].per_user)
            (*metric_of)[(*columns)++] = index;
    TRY(memory_allocate(context, report->users, *columns * sizeof **packed, packed));
    for (size_t user = 0; user < report->users; user++)
        for (size_t column = 0; column < *columns; column++)
            (*packed)[user * *columns + column] = report->values[user * report->metric_count + (*metric_of)[column]];
done:
    return status;
}

/* Sums the values [cases × columns] of each user, whose cases follow each other, in place; counts [cases] get how many
 * those were. Returns the number of users. */
static size_t sum_by_user(const topn_report *report, double *values, size_t columns, double *counts)
{
    size_t users = 0;
    for (uint32_t at = 0; at < report->users; at++) {
        const bool same =
            at > 0 && strcmp(string_table_get(&report->user_ids, at), string_table_get(&report->user_ids, at - 1)) == 0;
        if (!same)
            counts[users++] = 0;
        counts[users - 1]++;
        double *to = values + (users - 1) * columns;
        for (size_t column = 0; column < columns; column++)
            to[column] = (same ? to[column] : 0) + values[at * columns + column];
    }
    return users;
}

topn_status report_summarise(topn_context *context, topn_report *report, size_t samples, double confidence)
{
    topn_status status;
    double *packed = NULL, *bounds = NULL, *counts = NULL;
    size_t *metric_of = NULL, columns = 0;
    report->samples = samples;
    report->confidence = confidence;
    TRY(pack_values(context, report, &packed, &metric_of, &columns));
    for (size_t column = 0; column < columns; column++) {
        double sum = 0;
        for (size_t user = 0; user < report->users; user++)
            sum += packed[user * columns + column];
        report->metrics[metric_of[column]].mean = sum / (double)report->users;
    }
    if (samples > 0 && columns > 0) {
        TRY(ALLOCATE(context, 2 * columns, &bounds));
        TRY(ALLOCATE(context, report->users, &counts));
        const size_t users = sum_by_user(report, packed, columns, counts);
        TRY(bootstrap_interval(context, packed, counts, users, columns, samples, confidence, bounds, bounds + columns));
        for (size_t column = 0; column < columns; column++) {
            report->metrics[metric_of[column]].low = bounds[column];
            report->metrics[metric_of[column]].high = bounds[columns + column];
        }
    }
done:
    free(packed);
    free(bounds);
    free(counts);
    free(metric_of);
    return status;
}

/* Reports made over other users or with other metrics cannot be compared user by user. */
static topn_status check_pair(topn_context *context, const topn_report *a, const topn_report *b, size_t index)
{
    if (index >= a->metric_count || index >= b->metric_count)
        return fail(context, TOPN_ERROR_ARGUMENT, "metric %zu is past the end of a report", index);
    const report_metric *left = &a->metrics[index], *right = &b->metrics[index];
    if (strcmp(left->name, right->name) != 0)
        return fail(context, TOPN_ERROR_ARGUMENT, "metric %zu is \"%s\" in one report and \"%s\" in the other", index,
                    left->name, right->name);
    if (!left->per_user)
        return fail(context, TOPN_ERROR_ARGUMENT, "\"%s\" is a property of all lists together: no paired test",
                    left->name);
    if (a->users != b->users)
        return fail(context, TOPN_ERROR_ARGUMENT, "the reports are over %zu and %zu users: not the same", a->users,
                    b->users);
    for (uint32_t user = 0; user < a->users; user++)
        if (strcmp(string_table_get(&a->user_ids, user), string_table_get(&b->user_ids, user)) != 0)
            return fail(context, TOPN_ERROR_ARGUMENT, "the reports are over different users: \"%s\" and \"%s\"",
                        string_table_get(&a->user_ids, user), string_table_get(&b->user_ids, user));
    return TOPN_OK;
}

topn_status report_compare(topn_context *context, const topn_report *a, const topn_report *b, size_t index,
                           topn_comparison *out)
{
    enum { SAMPLES = 10000 };
    topn_status status;
    double *differences = NULL, *counts = NULL;
    *out = (topn_comparison){.difference = NAN, .low = NAN, .high = NAN, .p_value = NAN};
    TRY(check_pair(context, a, b, index));
    TRY(ALLOCATE(context, a->users, &differences));
    TRY(ALLOCATE(context, a->users, &counts));
    double sum = 0;
    for (size_t user = 0; user < a->users; user++) {
        differences[user] = a->values[user * a->metric_count + index] - b->values[user * b->metric_count + index];
        sum += differences[user];
    }
    const size_t samples = a->samples ? a->samples : 1000;
    const size_t users = sum_by_user(a, differences, 1, counts);
    TRY(bootstrap_interval(context, differences, counts, users, 1, samples, a->confidence, &out->low, &out->high));
    TRY(sign_flip_test(context, differences, users, SAMPLES, &out->p_value));
    out->difference = sum / (double)a->users;
done:
    free(differences);
    free(counts);
    return status;
}

void topn_report_free(topn_report *report)
{
    if (!report)
        return;
    for (size_t index = 0; report->metrics && index < report->metric_count; index++) {
        free(report->metrics[index].name);
        free(report->metrics[index].definition);
    }
    free(report->metrics);
    free(report->values);
    free(report->list_lengths);
    free(report->list_items);
    free(report->list_scores);
    string_table_clear(&report->user_ids);
    record_clear(&report->facts);
    free(report);
}
