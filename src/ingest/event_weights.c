/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/event_weights.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* One "kind:weight"; the last ':' parts them, so that kinds may have some. */
static topn_status parse_kind(topn_context *context, const char *part, size_t length, event_weights *out)
{
    char copy[EVENT_KIND_NAME + 32], *end;
    if (length < sizeof copy) {
        memcpy(copy, part, length);
        copy[length] = '\0';
        char *colon = strrchr(copy, ':');
        const double weight = colon && colon[1] ? strtod(colon + 1, &end) : NAN;
        if (colon && colon != copy && colon - copy < EVENT_KIND_NAME && !isnan(weight) && !*end && weight >= 0 &&
            isfinite((float)weight) && out->count < EVENT_KINDS) {
            *colon = '\0';
            memcpy(out->kinds[out->count].name, copy, (size_t)(colon - copy) + 1);
            out->kinds[out->count++].weight = (float)weight;
            return TOPN_OK;
        }
    }
    return fail(
        context, TOPN_ERROR_OPTION,
        "--event-weights: \"%.*s\" is not KIND:WEIGHT, such as view:1,cart:3,buy:10 (at most %d kinds, weights of 0 "
        "and more)",
        (int)(length < 80 ? length : 80), part, EVENT_KINDS);
}

topn_status event_weights_parse(topn_context *context, const char *text, event_weights *out)
{
    *out = (event_weights){.count = 0};
    for (const char *part = text;; part++) {
        const size_t length = strcspn(part, ",");
        const topn_status status = parse_kind(context, part, length, out);
        if (status != TOPN_OK)
            return status;
        part += length;
        if (!*part)
            return TOPN_OK;
    }
}

const float *event_weights_find(const event_weights *from, const unsigned char *name, size_t length)
{
    for (size_t i = 0; i < from->count; i++)
        if (strlen(from->kinds[i].name) == length && memcmp(from->kinds[i].name, name, length) == 0)
            return &from->kinds[i].weight;
    return NULL;
}

topn_status half_life_parse(topn_context *context, const char *text, double *seconds)
{
    static const struct {
        const char *unit;
        double seconds;
    } units[] = {{"", 1},     {"s", 1},     {"m", 60},          {"min", 60},
                 {"h", 3600}, {"d", 86400}, {"w", 7 * 86400.0}, {"y", 365.25 * 86400}};
    char *end;
    *seconds = strtod(text, &end);
    for (size_t i = 0; end != text && *seconds > 0 && isfinite(*seconds) && i < sizeof units / sizeof *units; i++)
        if (strcmp(end, units[i].unit) == 0) {
            *seconds *= units[i].seconds;
            return TOPN_OK;
        }
    return fail(context, TOPN_ERROR_OPTION, "--half-life: \"%s\" is not a time, such as 12h, 30d, 8w or 1y", text);
}

float half_life_factor(int64_t age, double half_life)
{
    return (float)exp2(-fmin((double)age / half_life, 60));
}
