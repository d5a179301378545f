/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "study/rendering.h"

/* Code points, which is what a terminal's columns come near to. */
static int width_of(const char *text)
{
    int width = 0;
    for (; *text; text++)
        width += (*text & 0xc0) != 0x80;
    return width;
}

static void pad(FILE *file, const char *text, int width)
{
    fprintf(file, "%s%*s", text, width > width_of(text) ? width - width_of(text) : 0, "");
}

static int name_width(const json_t *sorted)
{
    int width = 5;
    for (size_t i = 0; i < json_array_size(sorted); i++) {
        const int own = width_of(json_string_value(json_object_get(json_array_get(sorted, i), "name")));
        width = own > width ? own : width;
    }
    return width;
}

static void write_metrics(FILE *file, const json_t *report, const json_t *sorted, int width)
{
    pad(file, "entry", width);
    for (size_t m = 0; rendering_metric(report, m); m++)
        fprintf(file, "  %*s", m ? 9 : 27, rendering_metric(report, m));
    fputc('\n', file);
    for (size_t i = 0; i < json_array_size(sorted); i++) {
        const json_t *entry = json_array_get(sorted, i);
        pad(file, json_string_value(json_object_get(entry, "name")), width);
        if (json_object_get(entry, "message"))
            fprintf(file, "  failed: %s", json_string_value(json_object_get(entry, "message")));
        for (size_t m = 0; !json_object_get(entry, "message") && rendering_metric(report, m); m++) {
            const char *metric = rendering_metric(report, m);
            const int column = width_of(metric) > 9 ? width_of(metric) : 9;
            if (m == 0)
                fprintf(file, "  %.5f (%.5f to %.5f)", rendering_value(entry, metric, "mean"),
                        rendering_value(entry, metric, "low"), rendering_value(entry, metric, "high"));
            else
                fprintf(file, "  %*.5f", column, rendering_value(entry, metric, "mean"));
        }
        fputc('\n', file);
    }
}

static void write_costs(FILE *file, const json_t *report, const json_t *sorted, int width)
{
    const char *best = json_string_value(json_object_get(report, "best"));
    fputc('\n', file);
    pad(file, "entry", width);
    fprintf(file, "  %11s %9s %9s  %10s  %10s  %12s  %9s  %s\n", "train s", "CPU s", "rank s", "peak", "model",
            "to the best", "Holm's p", "means of seeds");
    for (size_t i = 0; i < json_array_size(sorted); i++) {
        const json_t *entry = json_array_get(sorted, i);
        const char *name = json_string_value(json_object_get(entry, "name"));
        char peak[32], model[32], seeds[64];
        double sign = 1;
        const json_t *test = best ? rendering_test(report, name, best, &sign) : NULL;
        if (json_object_get(entry, "message"))
            continue;
        rendering_bytes(rendering_figure(entry, "peak_bytes"), peak);
        rendering_bytes(rendering_figure(entry, "model_bytes"), model);
        pad(file, name, width);
        fprintf(file, "  %11.3f %9.3f %9.3f  %10s  %10s", rendering_figure(entry, "seconds"),
                rendering_figure(entry, "cpu_seconds"), rendering_figure(entry, "evaluate_seconds"), peak, model);
        rendering_seeds(report, entry, seeds);
        if (test)
            fprintf(file, "  %+12.5f  %9.2g", sign * rendering_figure(test, "difference") + 0.0,
                    rendering_figure(test, "p_holm"));
        else if (*seeds)
            fprintf(file, "  %12s  %9s", "-", "-");
        if (*seeds)
            fprintf(file, "  %s", seeds);
        fputc('\n', file);
    }
}

static void write_report(FILE *file, const json_t *report)
{
    json_t *sorted = rendering_sorted(report);
    const json_t *plan = json_object_get(report, "plan"), *data = json_object_get(report, "data");
    const char *title = json_string_value(json_object_get(plan, "title"));
    const char *protocol = json_string_value(json_object_get(plan, "protocol"));
    const int width = name_width(sorted);
    if (title && *title)
        fprintf(file, "%s\n\n", title);
    fprintf(file,
            "%" JSON_INTEGER_FORMAT " users, %" JSON_INTEGER_FORMAT " items, %" JSON_INTEGER_FORMAT
            " events (%s), %s, %" JSON_INTEGER_FORMAT " users tested, topn %s\n\n",
            json_integer_value(json_object_get(data, "users")), json_integer_value(json_object_get(data, "items")),
            json_integer_value(json_object_get(data, "events")),
            json_string_value(json_object_get(data, "fingerprint")), protocol ? protocol : "a split that was there",
            json_integer_value(json_object_get(data, "users_tested")),
            json_string_value(json_object_get(report, "version")));
    write_metrics(file, report, sorted, width);
    write_costs(file, report, sorted, width);
    json_decref(sorted);
}

const rendering rendering_text = {
    .name = "text", .ending = "txt", .summary = "tables for people", .write = write_report};
