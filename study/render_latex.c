/* SPDX-License-Identifier: Apache-2.0
 *
 * A table for a paper (booktabs): the best of each metric of quality bold, a dagger where an entry's first metric
 * differs from the best one's at 5 % after Holm's correction.
 */
#include <math.h>
#include <string.h>

#include "study/rendering.h"

static void text(FILE *file, const char *from)
{
    for (; *from; from++) {
        if (strchr("&%$#_{}", *from))
            fputc('\\', file);
        if (*from == '~' || *from == '^')
            fprintf(file, "\\%c{}", *from);
        else if (*from == '\\')
            fputs("\\textbackslash{}", file);
        else
            fputc(*from, file);
    }
}

static double best_of(const json_t *sorted, const char *metric)
{
    double best = -INFINITY;
    for (size_t i = 0; i < json_array_size(sorted); i++)
        best = fmax(best, rendering_value(json_array_get(sorted, i), metric, "mean"));
    return best;
}

/* Of coverage, concentration and novelty more is not simply better. */
static bool is_quality(const char *metric)
{
    static const char *const others[] = {"coverage", "catalogue-coverage", "gini", "novelty"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (strlen(others[i]) == strcspn(metric, "@") && strncmp(metric, others[i], strlen(others[i])) == 0)
            return false;
    return true;
}

static void write_row(FILE *file, const json_t *report, const json_t *sorted, const json_t *entry)
{
    const char *name = json_string_value(json_object_get(entry, "name"));
    const char *best = json_string_value(json_object_get(report, "best"));
    double sign;
    const json_t *test = best ? rendering_test(report, name, best, &sign) : NULL;
    char model[32];
    text(file, name);
    for (size_t m = 0; rendering_metric(report, m); m++) {
        const char *metric = rendering_metric(report, m);
        const double value = rendering_value(entry, metric, "mean");
        const bool bold = is_quality(metric) && value == best_of(sorted, metric);
        if (isnan(value))
            fputs(" & --", file);
        else
            fprintf(file, " & %s%.4f%s%s", bold ? "\\textbf{" : "", value, bold ? "}" : "",
                    m == 0 && test && rendering_figure(test, "p_holm") < 0.05 ? "$^\\dagger$" : "");
    }
    if (json_object_get(entry, "message")) {
        fputs(" & -- & -- \\\\\n", file);
        return;
    }
    rendering_bytes(rendering_figure(entry, "model_bytes"), model);
    fprintf(file, " & %.2f & %s \\\\\n", rendering_figure(entry, "seconds"), model);
}

static void write_report(FILE *file, const json_t *report)
{
    json_t *sorted = rendering_sorted(report);
    const json_t *data = json_object_get(report, "data");
    fputs("% \\usepackage{booktabs}\n\\begin{table}\n\\begin{tabular}{l", file);
    for (size_t m = 0; rendering_metric(report, m); m++)
        fputc('r', file);
    fputs("rr}\n\\toprule\nmodel", file);
    for (size_t m = 0; rendering_metric(report, m); m++) {
        fputs(" & ", file);
        text(file, rendering_metric(report, m));
    }
    fputs(" & train, s & model \\\\\n\\midrule\n", file);
    for (size_t i = 0; i < json_array_size(sorted); i++)
        write_row(file, report, sorted, json_array_get(sorted, i));
    fputs("\\bottomrule\n\\end{tabular}\n\\caption{", file);
    text(file, json_string_value(json_object_get(json_object_get(report, "plan"), "title")));
    fprintf(file,
            ": %" JSON_INTEGER_FORMAT " users tested. $^\\dagger$: other than the best one, $p < .05$ by a paired "
            "sign-flip test with Holm's correction. topn %s, data %s.}\n\\end{table}\n",
            json_integer_value(json_object_get(data, "users_tested")),
            json_string_value(json_object_get(report, "version")),
            json_string_value(json_object_get(data, "fingerprint")));
    json_decref(sorted);
}

const rendering rendering_latex = {
    .name = "latex", .ending = "tex", .summary = "a table for a paper", .write = write_report};
