/* SPDX-License-Identifier: Apache-2.0
 *
 * A line per entry and metric: RFC 4180.
 */
#include <math.h>
#include <string.h>

#include "study/rendering.h"

static void field(FILE *file, const char *text)
{
    if (!strpbrk(text, ",\"\r\n")) {
        fputs(text, file);
        return;
    }
    fputc('"', file);
    for (; *text; text++) {
        if (*text == '"')
            fputc('"', file);
        fputc(*text, file);
    }
    fputc('"', file);
}

static void number(FILE *file, double value)
{
    if (isfinite(value))
        fprintf(file, ",%.17g", value);
    else
        fputc(',', file);
}

static void write_report(FILE *file, const json_t *report)
{
    static const char *const which[] = {"mean", "low", "high"}, *const figures[] = {"seconds", "cpu_seconds",
                                                                                    "evaluate_seconds", "peak_bytes",
                                                                                    "model_bytes"};
    json_t *sorted = rendering_sorted(report);
    const char *best = json_string_value(json_object_get(report, "best"));
    fputs(
        "entry,method,status,metric,mean,low,high,p_holm_against_best,seconds,cpu_seconds,evaluate_seconds,peak_bytes,"
        "model_bytes\r\n",
        file);
    for (size_t i = 0; i < json_array_size(sorted); i++) {
        const json_t *entry = json_array_get(sorted, i);
        const char *name = json_string_value(json_object_get(entry, "name"));
        for (size_t m = 0; rendering_metric(report, m); m++) {
            double sign;
            const json_t *test = m == 0 && best ? rendering_test(report, name, best, &sign) : NULL;
            field(file, name);
            fputc(',', file);
            field(file, json_string_value(json_object_get(entry, "method")));
            fputc(',', file);
            field(file, json_string_value(json_object_get(entry, "status")));
            fputc(',', file);
            field(file, rendering_metric(report, m));
            for (size_t w = 0; w < 3; w++)
                number(file, rendering_value(entry, rendering_metric(report, m), which[w]));
            number(file, test ? rendering_figure(test, "p_holm") : (double)NAN);
            for (size_t f = 0; f < sizeof figures / sizeof *figures; f++)
                number(file, rendering_figure(entry, figures[f]));
            fputs("\r\n", file);
        }
    }
    json_decref(sorted);
}

const rendering rendering_csv = {
    .name = "csv", .ending = "csv", .summary = "a line per entry and metric", .write = write_report};
