/* SPDX-License-Identifier: Apache-2.0 */
#include "evaluate_print.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "complain.h"
#include "text.h"

static void interval_cell(table *grid, double low, double high)
{
    if (isnan(low) || isnan(high))
        table_text(grid, "");
    else
        table_cell(grid, "%.5f to %.5f", low, high);
}

/* "films" for "build/films.safetensors". */
static char *short_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *name = need_text(slash ? slash + 1 : path);
    char *ending = strstr(name, ".safetensors");
    if (ending && ending != name && strcmp(ending, ".safetensors") == 0)
        *ending = '\0';
    return name;
}

/* Names that keep a table of several models narrow; the paths themselves where two would look the same. */
static char **short_names(size_t count, const char *const *paths)
{
    bool distinct = true;
    char **names = need_memory(count, sizeof *names);
    for (size_t m = 0; m < count; m++) {
        names[m] = short_name(paths[m]);
        for (size_t other = 0; other < m; other++)
            distinct = distinct && strcmp(names[m], names[other]) != 0;
    }
    for (size_t m = 0; m < count && !distinct; m++) {
        free(names[m]);
        names[m] = need_text(paths[m]);
    }
    return names;
}

/* Columns: metric, and per model its mean and interval. */
static void print_metrics(size_t count, const char *const *names, topn_report *const *reports)
{
    const size_t columns = 1 + 2 * count;
    const char **headings = need_memory(columns, sizeof *headings);
    char *alignment = need_memory(columns + 1, 1);
    topn_metric_result result;
    headings[0] = "metric";
    memset(alignment, 'r', columns);
    alignment[0] = 'l';
    for (size_t m = 0; m < count; m++) {
        headings[1 + 2 * m] = count > 1 ? names[m] : "mean";
        headings[2 + 2 * m] = "interval";
    }
    table *grid = table_create(headings, alignment);
    for (size_t i = 0; topn_report_metric(reports[0], i, &result); i++) {
        table_text(grid, result.name);
        for (size_t m = 0; m < count; m++) {
            topn_report_metric(reports[m], i, &result);
            table_cell(grid, "%.6f", result.mean);
            interval_cell(grid, result.low, result.high);
        }
    }
    table_finish(grid, OUTPUT_TABLE);
    free(headings);
    free(alignment);
}

static topn_status print_comparisons(topn_context *context, size_t count, const char *const *names,
                                     topn_report *const *reports)
{
    static const char *const headings[] = {"metric", "model", "difference", "interval", "p"};
    topn_metric_result result;
    topn_status status = TOPN_OK;
    table *grid = table_create(headings, "llrrr");
    for (size_t i = 0; topn_report_metric(reports[0], i, &result) && status == TOPN_OK; i++) {
        for (size_t m = 1; m < count && result.per_user && status == TOPN_OK; m++) {
            topn_comparison comparison;
            status = topn_report_compare(context, reports[m], reports[0], i, &comparison);
            if (status != TOPN_OK)
                break;
            table_text(grid, result.name);
            table_text(grid, names[m]);
            table_cell(grid, "%+.6f", comparison.difference);
            table_cell(grid, "%+.5f to %+.5f", comparison.low, comparison.high);
            table_cell(grid, "%.4f", comparison.p_value);
        }
    }
    if (status == TOPN_OK) {
        fputs("\ndifference from ", stdout);
        text_print(stdout, names[0]);
        puts(", paired over users:");
    }
    table_finish(grid, OUTPUT_TABLE);
    return status;
}

/* `shared`: leaves out what is true of the first of several models only. */
static void print_notes(const topn_report *report, bool shared)
{
    topn_metric_result result;
    const char *key, *value;
    table *grid = table_create(NULL, "ll");
    putchar('\n');
    for (size_t i = 0; topn_report_metric(report, i, &result); i++) {
        table_text(grid, result.name);
        table_text(grid, result.definition);
    }
    table_finish(grid, OUTPUT_TABLE);
    putchar('\n');
    grid = table_create(NULL, "ll");
    for (size_t i = 0; topn_report_fact(report, i, &key, &value); i++) {
        if (shared && strcmp(key, "method") == 0)
            continue;
        table_text(grid, key);
        table_text(grid, value);
    }
    table_finish(grid, OUTPUT_TABLE);
}

static json_t *report_json(const topn_report *report)
{
    json_t *object = json_object(), *facts = json_object();
    topn_metric_result result;
    const char *key, *value;
    for (size_t i = 0; topn_report_metric(report, i, &result); i++) {
        json_t *metric = json_object();
        json_object_set_new(metric, "mean", real_json(result.mean));
        json_object_set_new(metric, "low", real_json(result.low));
        json_object_set_new(metric, "high", real_json(result.high));
        json_object_set_new(metric, "definition", text_json(result.definition));
        json_object_set_new(object, result.name, metric);
    }
    for (size_t i = 0; topn_report_fact(report, i, &key, &value); i++)
        json_object_set_new(facts, key, value_json(value));
    json_object_set_new(object, "facts", facts);
    return object;
}

/* {"model": …, "recall@20": {"difference": …, "low": …, "high": …, "p": …}, …} */
static topn_status comparison_json(topn_context *context, const char *name, const topn_report *report,
                                   const topn_report *first, json_t *list)
{
    json_t *object = json_object();
    topn_metric_result result;
    json_array_append_new(list, object);
    json_object_set_new(object, "model", text_json(name));
    for (size_t i = 0; topn_report_metric(first, i, &result); i++) {
        topn_comparison comparison;
        if (!result.per_user)
            continue;
        const topn_status status = topn_report_compare(context, report, first, i, &comparison);
        if (status != TOPN_OK)
            return status;
        json_t *metric = json_object();
        json_object_set_new(metric, "difference", real_json(comparison.difference));
        json_object_set_new(metric, "low", real_json(comparison.low));
        json_object_set_new(metric, "high", real_json(comparison.high));
        json_object_set_new(metric, "p", real_json(comparison.p_value));
        json_object_set_new(object, result.name, metric);
    }
    return TOPN_OK;
}

static topn_status print_json(topn_context *context, size_t count, const char *const *names,
                              topn_report *const *reports)
{
    if (count == 1) {
        json_print(report_json(reports[0]), true);
        return TOPN_OK;
    }
    topn_status status = TOPN_OK;
    json_t *object = json_object(), *models = json_array(), *comparisons = json_array();
    for (size_t m = 0; m < count; m++) {
        json_t *model = report_json(reports[m]);
        json_object_set_new(model, "model", text_json(names[m]));
        json_array_append_new(models, model);
    }
    for (size_t m = 1; m < count && status == TOPN_OK; m++)
        status = comparison_json(context, names[m], reports[m], reports[0], comparisons);
    json_object_set_new(object, "models", models);
    json_object_set_new(object, "compared_with", text_json(names[0]));
    json_object_set_new(object, "comparisons", comparisons);
    if (status == TOPN_OK)
        json_print(object, true);
    else
        json_decref(object);
    return status;
}

static void print_csv(size_t count, const char *const *names, topn_report *const *reports)
{
    static const char *const headings[] = {"model", "metric", "mean", "low", "high"};
    topn_metric_result result;
    table *grid = table_create(headings, "llrrr");
    for (size_t m = 0; m < count; m++)
        for (size_t i = 0; topn_report_metric(reports[m], i, &result); i++) {
            const double numbers[] = {result.mean, result.low, result.high};
            table_text(grid, names[m]);
            table_text(grid, result.name);
            for (size_t j = 0; j < 3; j++) {
                if (isnan(numbers[j]))
                    table_text(grid, "");
                else
                    table_cell(grid, "%.12g", numbers[j]);
            }
        }
    table_finish(grid, OUTPUT_CSV);
}

topn_status evaluation_print(topn_context *context, output_format format, size_t count, const char *const *names,
                             topn_report *const *reports)
{
    topn_status status = TOPN_OK;
    if (format == OUTPUT_JSON)
        return print_json(context, count, names, reports);
    if (format == OUTPUT_CSV) {
        print_csv(count, names, reports);
        return status;
    }
    char **shown = short_names(count, names);
    print_metrics(count, (const char *const *)shown, reports);
    if (count > 1)
        status = print_comparisons(context, count, (const char *const *)shown, reports);
    if (status == TOPN_OK)
        print_notes(reports[0], count > 1);
    for (size_t m = 0; m < count; m++)
        free(shown[m]);
    free(shown);
    return status;
}

void evaluation_write_users(FILE *file, size_t count, const char *const *names, topn_report *const *reports)
{
    topn_metric_result result;
    fputs(count > 1 ? "model,user" : "user", file);
    for (size_t i = 0; topn_report_metric(reports[0], i, &result); i++)
        if (result.per_user)
            fprintf(file, ",%s", result.name);
    fputc('\n', file);
    for (size_t m = 0; m < count; m++)
        for (size_t u = 0; u < topn_report_users(reports[m]); u++) {
            if (count > 1) {
                text_print_csv(file, names[m]);
                fputc(',', file);
            }
            text_print_csv(file, topn_report_user_id(reports[m], u));
            for (size_t i = 0; topn_report_metric(reports[m], i, &result); i++) {
                const double value = topn_report_value(reports[m], i, u);
                if (result.per_user && isnan(value))
                    fputc(',', file);
                else if (result.per_user)
                    fprintf(file, ",%.12g", value);
            }
            fputc('\n', file);
        }
}
