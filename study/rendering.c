/* SPDX-License-Identifier: Apache-2.0 */
#include "study/rendering.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define RENDERING(id) extern const rendering rendering_##id;
#include "study/renderings.def"
#undef RENDERING

static const rendering *const renderings[] = {
#define RENDERING(id) &rendering_##id,
#include "study/renderings.def"
#undef RENDERING
};

const rendering *rendering_at(size_t index)
{
    return index < sizeof renderings / sizeof *renderings ? renderings[index] : NULL;
}

const rendering *rendering_find(const char *name)
{
    for (size_t i = 0; rendering_at(i); i++)
        if (strcmp(rendering_at(i)->name, name) == 0)
            return rendering_at(i);
    return NULL;
}

const char *rendering_metric(const json_t *report, size_t index)
{
    return json_string_value(json_object_get(json_array_get(json_object_get(report, "metrics"), index), "name"));
}

double rendering_value(const json_t *entry, const char *metric, const char *which)
{
    const json_t *found = json_object_get(json_object_get(json_object_get(entry, "results"), metric), which);
    return json_is_number(found) ? json_number_value(found) : (double)NAN;
}

double rendering_figure(const json_t *entry, const char *key)
{
    const json_t *found = json_object_get(entry, key);
    return json_is_number(found) ? json_number_value(found) : (double)NAN;
}

json_t *rendering_sorted(const json_t *report)
{
    const json_t *entries = json_object_get(report, "entries");
    const char *metric = rendering_metric(report, 0);
    const size_t count = json_array_size(entries);
    json_t *sorted = json_array();
    bool *taken = calloc(count + 1, sizeof *taken);
    for (size_t place = 0; taken && place < count; place++) {
        size_t best = count;
        double most = -INFINITY;
        for (size_t i = 0; i < count; i++) {
            const double value = rendering_value(json_array_get(entries, i), metric, "mean");
            const double rank = isnan(value) ? -1e308 : value;
            if (!taken[i] && rank > most) {
                best = i;
                most = rank;
            }
        }
        if (best == count)
            break;
        taken[best] = true;
        json_array_append(sorted, json_array_get(entries, best));
    }
    free(taken);
    return sorted;
}

const json_t *rendering_test(const json_t *report, const char *a, const char *b, double *sign)
{
    size_t index;
    json_t *test;
    json_array_foreach(json_object_get(report, "tests"), index, test)
    {
        const char *first = json_string_value(json_object_get(test, "a"));
        const char *second = json_string_value(json_object_get(test, "b"));
        const bool along = strcmp(first, a) == 0 && strcmp(second, b) == 0;
        if (along || (strcmp(first, b) == 0 && strcmp(second, a) == 0)) {
            *sign = along ? 1 : -1;
            return test;
        }
    }
    return NULL;
}

void rendering_seeds(const json_t *report, const json_t *entry, char out[64])
{
    const json_t *result = json_object_get(json_object_get(entry, "results"), rendering_metric(report, 0));
    const json_t *seeds = json_object_get(result, "seeds");
    double low = INFINITY, high = -INFINITY;
    for (size_t i = 0; i < json_array_size(seeds); i++) {
        low = fmin(low, json_number_value(json_array_get(seeds, i)));
        high = fmax(high, json_number_value(json_array_get(seeds, i)));
    }
    *out = '\0';
    if (json_array_size(seeds) > 1)
        snprintf(out, 64, "%zu: %.5f to %.5f", json_array_size(seeds), low, high);
}

void rendering_bytes(double bytes, char out[32])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    size_t unit = 0;
    for (; bytes >= 999.5 && unit + 1 < sizeof units / sizeof *units; unit++)
        bytes /= 1024;
    snprintf(out, 32, "%.3g %s", bytes, units[unit]);
    if (isnan(bytes))
        snprintf(out, 32, "-");
}
