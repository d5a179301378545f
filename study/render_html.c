/* SPDX-License-Identifier: Apache-2.0
 *
 * One page that needs nothing from elsewhere: tables, charts as inline SVG, every option, and the report itself as JSON
 * in a script element that is data and not run.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "study/chart.h"
#include "study/rendering.h"

static const char style[] =
    "body{font:15px/1.45 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a;"
    "background:#fff}table{border-collapse:collapse;margin:1rem 0;font-variant-numeric:tabular-nums}"
    "th,td{padding:.25rem .7rem;text-align:right;border-bottom:1px solid #ddd}th:first-child,td:first-child"
    "{text-align:left}th,td{white-space:nowrap}td.wide{text-align:left;white-space:normal}.scroll{overflow-x:auto}svg{"
    "width:100%;max-width:70rem;height:auto;margin:1rem 0;display:block}"
    "svg text{font-size:12px;fill:#333}svg .title{font-size:14px;font-weight:600}svg .grid{stroke:#e4e4e4}"
    "svg .bar{stroke-opacity:.45}svg .lead{stroke-opacity:.5;stroke-width:.8}"
    "small{color:#555}.best{font-weight:700}code,pre{font-size:13px}pre{overflow-x:auto;background:#f6f6f6;padding:"
    "1rem}";

static void cell(FILE *file, const char *text)
{
    fputs("<td>", file);
    chart_text(file, text);
    fputs("</td>", file);
}

static void number(FILE *file, const char *format, double value)
{
    fputs("<td>", file);
    if (isfinite(value))
        fprintf(file, format, value); /* one of ours, with one conversion */
    else
        fputs("–", file);
    fputs("</td>", file);
}

static void head(FILE *file, const char *const *titles, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        fputs("<th>", file);
        chart_text(file, titles[i]);
        fputs("</th>", file);
    }
}

static const char *name_of(const json_t *entry)
{
    return json_string_value(json_object_get(entry, "name"));
}

static void write_results(FILE *file, const json_t *report, const json_t *sorted)
{
    fputs("<h2>Results</h2>\n<div class=\"scroll\"><table><thead><tr><th>entry</th>", file);
    for (size_t m = 0; rendering_metric(report, m); m++) {
        fputs("<th>", file);
        chart_text(file, rendering_metric(report, m));
        fputs("</th>", file);
    }
    fputs("</tr></thead><tbody>\n", file);
    for (size_t i = 0; i < json_array_size(sorted); i++) {
        const json_t *entry = json_array_get(sorted, i);
        fprintf(file, "<tr%s>", i == 0 ? " class=\"best\"" : "");
        cell(file, name_of(entry));
        for (size_t m = 0; rendering_metric(report, m); m++) {
            const char *metric = rendering_metric(report, m);
            const double low = rendering_value(entry, metric, "low");
            if (json_object_get(entry, "message")) {
                fprintf(file, "<td class=\"wide\" colspan=\"%zu\">failed: ",
                        json_array_size(json_object_get(report, "metrics")));
                chart_text(file, json_string_value(json_object_get(entry, "message")));
                fputs("</td>", file);
                break;
            }
            fprintf(file, "<td>%.5f", rendering_value(entry, metric, "mean"));
            if (isfinite(low))
                fprintf(file, "<br><small>%.5f–%.5f</small>", low, rendering_value(entry, metric, "high"));
            fputs("</td>", file);
        }
        fputs("</tr>\n", file);
    }
    fputs("</tbody></table></div>\n", file);
}

static void write_costs(FILE *file, const json_t *report, const json_t *sorted)
{
    static const char *const titles[] = {"entry",   "train, s", "CPU, s",       "rank, s",     "peak memory",   "model",
                                         "to best", "Holm's p", "users better", "users worse", "means of seeds"};
    const char *best = json_string_value(json_object_get(report, "best"));
    fputs("<h2>Cost, and difference to the best</h2>\n<div class=\"scroll\"><table><thead><tr>", file);
    head(file, titles, sizeof titles / sizeof *titles);
    fputs("</tr></thead><tbody>\n", file);
    for (size_t i = 0; i < json_array_size(sorted); i++) {
        const json_t *entry = json_array_get(sorted, i), *against = json_object_get(entry, "against_best");
        char peak[32], model[32], seeds[64];
        double sign = 1;
        const json_t *test = best ? rendering_test(report, name_of(entry), best, &sign) : NULL;
        if (json_object_get(entry, "message"))
            continue;
        rendering_bytes(rendering_figure(entry, "peak_bytes"), peak);
        rendering_bytes(rendering_figure(entry, "model_bytes"), model);
        rendering_seeds(report, entry, seeds);
        fputs("<tr>", file);
        cell(file, name_of(entry));
        number(file, "%.3f", rendering_figure(entry, "seconds"));
        number(file, "%.3f", rendering_figure(entry, "cpu_seconds"));
        number(file, "%.3f", rendering_figure(entry, "evaluate_seconds"));
        cell(file, peak);
        cell(file, model);
        number(file, "%+.5f", test ? sign * rendering_figure(test, "difference") + 0.0 : (double)NAN);
        number(file, "%.2g", test ? rendering_figure(test, "p_holm") : (double)NAN);
        number(file, "%.3f", rendering_figure(against, "better"));
        number(file, "%.3f", rendering_figure(against, "worse"));
        cell(file, seeds);
        fputs("</tr>\n", file);
    }
    fputs("</tbody></table></div>\n", file);
}

static void write_points(FILE *file, const json_t *report, const json_t *sorted, const char *title, const char *x_title,
                         const char *figure, const char *metric, chart_scale scale)
{
    const char *main_metric = rendering_metric(report, 0);
    const size_t count = json_array_size(sorted);
    chart_point *points = calloc(count + 1, sizeof *points);
    for (size_t i = 0; points && i < count; i++) {
        const json_t *entry = json_array_get(sorted, i);
        points[i] =
            (chart_point){.name = name_of(entry),
                          .x = figure ? rendering_figure(entry, figure) : rendering_value(entry, metric, "mean"),
                          .y = rendering_value(entry, main_metric, "mean"),
                          .low = rendering_value(entry, main_metric, "low"),
                          .high = rendering_value(entry, main_metric, "high")};
    }
    if (points)
        chart_points(file, title, x_title, main_metric, scale, points, count);
    free(points);
}

static void write_bars(FILE *file, const json_t *sorted, const char *title, const char *metric, const char *x_title)
{
    const size_t count = json_array_size(sorted);
    chart_point *points = calloc(count + 1, sizeof *points);
    for (size_t i = 0; points && i < count; i++) {
        const json_t *entry = json_array_get(sorted, i);
        points[i] = (chart_point){.name = name_of(entry), .x = rendering_value(entry, metric, "mean")};
    }
    if (points)
        chart_bars(file, title, x_title, points, count);
    free(points);
}

/* Differences of users to the best entry, sorted: their quantiles. */
static void write_differences(FILE *file, const json_t *report, const json_t *sorted)
{
    enum { MOST = 12, STEPS = 64 };
    chart_curve curves[MOST];
    double numbers[MOST][STEPS];
    size_t count = 0;
    for (size_t i = 0; i < json_array_size(sorted) && count < MOST; i++) {
        const json_t *entry = json_array_get(sorted, i);
        const json_t *quantiles = json_object_get(json_object_get(entry, "against_best"), "quantiles");
        const size_t length = json_array_size(quantiles);
        if (length < 2 || length > STEPS)
            continue;
        for (size_t q = 0; q < length; q++)
            numbers[count][q] = json_number_value(json_array_get(quantiles, q));
        curves[count] = (chart_curve){name_of(entry), numbers[count], length};
        count++;
    }
    if (!count)
        return;
    char title[256], difference[160];
    snprintf(title, sizeof title, "How users' %s differs from that of the best entry, %.100s",
             rendering_metric(report, 0), json_string_value(json_object_get(report, "best")));
    snprintf(difference, sizeof difference, "difference in %s", rendering_metric(report, 0));
    chart_curves(file, title, "users, % (each curve sorted by difference)", difference, curves, count);
    if (count < json_array_size(sorted))
        fprintf(file, "<p><small>The %zu entries next to the best.</small></p>\n", count);
}

static void write_charts(FILE *file, const json_t *report, const json_t *sorted)
{
    fputs("<h2>Charts</h2>\n", file);
    write_points(file, report, sorted, "Quality against training time",
                 "seconds of training, of all processors together", "cpu_seconds", NULL, CHART_SECONDS);
    write_points(file, report, sorted, "Quality against the size of the model", "size of the model", "model_bytes",
                 NULL, CHART_BYTES);
    write_differences(file, report, sorted);
    write_bars(file, sorted, "Coverage of the catalogue", "catalogue-coverage@20",
               "share of the items that are among the first 20 of at least one user");
    write_bars(file, sorted, "Concentration on few items", "gini@20",
               "Gini coefficient of how often items are among the first 20 (1 = one item only)");
    write_points(file, report, sorted, "Popularity bias", "novelty@20: mean -log2(share of users who have the item)",
                 NULL, "novelty@20", CHART_LINEAR);
}

static void write_options(FILE *file, const json_t *report)
{
    size_t index;
    json_t *entry, *value;
    const char *key;
    fputs("<h2>Every option</h2>\n", file);
    json_array_foreach(json_object_get(report, "entries"), index, entry)
    {
        fputs("<details><summary>", file);
        chart_text(file, name_of(entry));
        fputs("</summary><table><tbody>\n", file);
        json_object_foreach(json_object_get(entry, "options"), key, value)
        {
            fputs("<tr>", file);
            cell(file, key);
            cell(file, json_string_value(value));
            fputs("</tr>\n", file);
        }
        fputs("</tbody></table></details>\n", file);
    }
    fputs("<h2>Metrics</h2>\n<dl>\n", file);
    json_array_foreach(json_object_get(report, "metrics"), index, entry)
    {
        fputs("<dt><code>", file);
        chart_text(file, name_of(entry));
        fputs("</code></dt><dd>", file);
        chart_text(file, json_string_value(json_object_get(entry, "meaning")));
        fputs("</dd>\n", file);
    }
    fputs("</dl>\n", file);
}

/* JSON in a script element: "<" is written as an escape, so that nothing in it can end the element. */
static void write_source(FILE *file, const json_t *report)
{
    char *text = json_dumps(report, JSON_COMPACT);
    fputs("<script type=\"application/json\" id=\"report\">", file);
    for (const char *at = text; at && *at; at++)
        if (*at == '<')
            fputs("\\u003c", file);
        else
            fputc(*at, file);
    fputs("</script>\n", file);
    free(text);
}

static void write_setting(FILE *file, const json_t *report)
{
    const json_t *data = json_object_get(report, "data"), *machine = json_object_get(report, "machine"),
                 *plan = json_object_get(report, "plan");
    char memory[32];
    rendering_bytes(json_number_value(json_object_get(machine, "memory")), memory);
    fprintf(file,
            "<p>%" JSON_INTEGER_FORMAT " users, %" JSON_INTEGER_FORMAT " items, %" JSON_INTEGER_FORMAT
            " events, fingerprint <code>%s</code>; %" JSON_INTEGER_FORMAT " users tested. topn %s on ",
            json_integer_value(json_object_get(data, "users")), json_integer_value(json_object_get(data, "items")),
            json_integer_value(json_object_get(data, "events")),
            json_string_value(json_object_get(data, "fingerprint")),
            json_integer_value(json_object_get(data, "users_tested")),
            json_string_value(json_object_get(report, "version")));
    chart_text(file, json_string_value(json_object_get(machine, "processor")));
    fprintf(file, ", %" JSON_INTEGER_FORMAT " threads, %s.</p>\n<details><summary>The plan</summary><pre>",
            json_integer_value(json_object_get(machine, "threads")), memory);
    char *text = json_dumps(plan, JSON_INDENT(1));
    chart_text(file, text ? text : "");
    free(text);
    fputs("</pre></details>\n", file);
}

static void write_report(FILE *file, const json_t *report)
{
    const char *title = json_string_value(json_object_get(json_object_get(report, "plan"), "title"));
    json_t *sorted = rendering_sorted(report);
    title = title && *title ? title : "Comparison";
    fputs("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
          "content=\"width=device-width\"><title>",
          file);
    chart_text(file, title);
    fprintf(file, "</title><style>%s</style></head><body>\n<h1>", style);
    chart_text(file, title);
    fputs("</h1>\n", file);
    write_setting(file, report);
    write_results(file, report, sorted);
    write_costs(file, report, sorted);
    fputs("<p><small>Intervals: bootstrap over users. Tests: paired sign-flip over users, all pairs, Holm's "
          "correction.</small></p>\n",
          file);
    write_charts(file, report, sorted);
    write_options(file, report);
    write_source(file, report);
    fputs("</body></html>\n", file);
    json_decref(sorted);
}

const rendering rendering_html = {
    .name = "html", .ending = "html", .summary = "one page with charts that needs nothing else", .write = write_report};
