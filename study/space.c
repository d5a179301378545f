/* SPDX-License-Identifier: Apache-2.0 */
#include "study/space.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void dimension_clear(dimension *old)
{
    free(old->name);
    free(old->unit);
    for (size_t i = 0; i < old->choice_count; i++)
        free(old->choices[i]);
    free(old->choices);
    *old = (dimension){0};
}

void space_clear(space *old)
{
    for (size_t i = 0; i < old->count; i++)
        dimension_clear(&old->dimensions[i]);
    free(old->dimensions);
    *old = (space){0};
}

static bool is_readers(const char *name)
{
    return strncmp(name, READER_PREFIX, sizeof READER_PREFIX - 1) == 0;
}

/* Takes the dimension over, in place of one of that name. */
static topn_status put(study *work, space *to, dimension *added)
{
    for (size_t i = 0; i < to->count; i++)
        if (strcmp(to->dimensions[i].name, added->name) == 0) {
            dimension_clear(&to->dimensions[i]);
            to->dimensions[i] = *added;
            return TOPN_OK;
        }
    dimension *more = realloc(to->dimensions, (to->count + 1) * sizeof *more);
    if (!more) {
        dimension_clear(added);
        return study_memory(work);
    }
    to->dimensions = more;
    to->dimensions[to->count++] = *added;
    return TOPN_OK;
}

static bool split_choices(const char *text, dimension *out)
{
    size_t count = 1;
    for (const char *at = text; *at; at++)
        count += *at == '|';
    out->choices = calloc(count, sizeof *out->choices);
    for (const char *at = text; out->choices && out->choice_count < count; at += strcspn(at, "|") + 1) {
        out->choices[out->choice_count] = strndup(at, strcspn(at, "|"));
        if (!out->choices[out->choice_count++])
            return false;
    }
    return out->choices;
}

topn_status space_declared(study *work, const topn_options *method, const json_t *fixed, space *out)
{
    topn_status status = TOPN_OK;
    topn_option_info info;
    *out = (space){0};
    for (size_t i = 0; topn_options_info(method, i, &info); i++) {
        if (info.search.scale == TOPN_SEARCH_NONE || json_object_get(fixed, info.name))
            continue;
        dimension added = {.name = strdup(info.name),
                           .unit = strdup(""),
                           .scale = info.search.scale,
                           .integer = info.type == TOPN_OPTION_INTEGER,
                           .low = info.search.low,
                           .high = info.search.high};
        bool made = added.name && added.unit;
        if (made && added.scale == TOPN_SEARCH_CHOICES)
            made = split_choices(info.search.choices, &added);
        if (!made) {
            dimension_clear(&added);
            STUDY_TRY(study_memory(work));
        }
        STUDY_TRY(put(work, out, &added));
    }
done:
    if (status != TOPN_OK)
        space_clear(out);
    return status;
}

/* A number and what stands behind it, up to `length` characters; the unit is a copy. */
static bool parse_end(const char *text, size_t length, double *number, char **unit)
{
    char copy[64], *end;
    if (length >= sizeof copy)
        return false;
    memcpy(copy, text, length);
    copy[length] = '\0';
    *number = strtod(copy, &end);
    *unit = strdup(end);
    return end != copy && *unit;
}

/* "7d..365d log" → low 7, high 365, unit d, LOG. */
static bool parse_range(const char *text, dimension *out)
{
    const char *dots = strstr(text, "..");
    char *unit = NULL;
    if (!dots || !parse_end(text, (size_t)(dots - text), &out->low, &out->unit))
        return false;
    const size_t length = strcspn(dots + 2, " ");
    const char *scale = dots + 2 + length + strspn(dots + 2 + length, " ");
    bool fits = parse_end(dots + 2, length, &out->high, &unit) && strcmp(unit, out->unit) == 0;
    free(unit);
    out->scale = strcmp(scale, "log") == 0 ? TOPN_SEARCH_LOG : TOPN_SEARCH_LINEAR;
    fits = fits && (!*scale || strcmp(scale, "log") == 0 || strcmp(scale, "linear") == 0);
    return fits && out->low < out->high && isfinite(out->high - out->low) &&
           (out->low > 0 || out->scale == TOPN_SEARCH_LINEAR);
}

static void write_value(const dimension *of, double value, char out[64])
{
    if (of->integer)
        snprintf(out, 64, "%.0f%s", value, of->unit);
    else
        snprintf(out, 64, "%.4g%s", value, of->unit);
}

/* Every end or choice is a value that the option takes. */
static topn_status check_values(study *work, const dimension *added, topn_options *options, const char *name)
{
    topn_status status = TOPN_OK;
    char text[64];
    for (size_t i = 0; i < added->choice_count; i++)
        STUDY_TRY(study_check(work, topn_options_set(work->context, options, name, added->choices[i])));
    for (int end = 0; added->scale != TOPN_SEARCH_CHOICES && end < 2; end++) {
        write_value(added, end ? added->high : added->low, text);
        STUDY_TRY(study_check(work, topn_options_set(work->context, options, name, text)));
    }
done:
    return status;
}

/* Its type, and whether its values are taken; asked of fresh options, which are thrown away. */
static topn_status check_option(study *work, const char *method, dimension *added)
{
    topn_status status;
    topn_options *options = NULL;
    topn_option_info info;
    const bool reader = is_readers(added->name);
    const char *name = added->name + (reader ? sizeof READER_PREFIX - 1 : 0);
    STUDY_TRY(study_check(work, topn_options_create(work->context, reader ? TOPN_KIND_READER : TOPN_KIND_METHOD,
                                                    reader ? "reader" : method, &options)));
    for (size_t i = 0; topn_options_info(options, i, &info); i++)
        if (strcmp(info.name, name) == 0)
            added->integer = info.type == TOPN_OPTION_INTEGER;
    STUDY_TRY(check_values(work, added, options, name));
done:
    topn_options_free(options);
    return status;
}

topn_status space_add(study *work, space *to, const char *method, const char *name, const char *range)
{
    topn_status status = TOPN_OK;
    dimension added = {.name = strdup(name)};
    if (!added.name)
        return study_memory(work);
    if (strchr(range, '|')) {
        added.scale = TOPN_SEARCH_CHOICES;
        added.unit = strdup("");
        if (!added.unit || !split_choices(range, &added))
            STUDY_TRY(study_memory(work));
    } else if (!parse_range(range, &added)) {
        STUDY_TRY(study_fail(work, TOPN_ERROR_OPTION,
                             "range of %s: \"%s\" is none, such as 1..1000, \"1..1000 log\" or cosine|jaccard", name,
                             range));
    }
    STUDY_TRY(check_option(work, method, &added));
    status = put(work, to, &added);
    return status;
done:
    dimension_clear(&added);
    return status;
}

topn_status space_add_list(study *work, space *to, const char *method, const char *text)
{
    topn_status status = TOPN_OK;
    char *copy = strdup(text), *next = NULL;
    if (!copy)
        return study_memory(work);
    for (char *part = strtok_r(copy, ";", &next); part; part = strtok_r(NULL, ";", &next)) {
        part += strspn(part, " ");
        char *value = strchr(part, '=');
        if (!value)
            STUDY_TRY(study_fail(work, TOPN_ERROR_OPTION, "search space: \"%s\" is not NAME=RANGE, such as l2=1..1000",
                                 part));
        *value++ = '\0';
        STUDY_TRY(space_add(work, to, method, part, value));
    }
done:
    free(copy);
    return status;
}

json_t *space_json(const space *from)
{
    json_t *object = json_object();
    for (size_t i = 0; i < from->count; i++) {
        const dimension *of = &from->dimensions[i];
        char text[1024] = "";
        if (of->scale == TOPN_SEARCH_CHOICES) {
            for (size_t c = 0, at = 0; c < of->choice_count && at < sizeof text; c++)
                at += (size_t)snprintf(text + at, sizeof text - at, "%s%s", c ? "|" : "", of->choices[c]);
        } else {
            snprintf(text, sizeof text, "%.10g%s..%.10g%s%s", of->low, of->unit, of->high, of->unit,
                     of->scale == TOPN_SEARCH_LOG ? " log" : "");
        }
        json_object_set_new(object, of->name, json_string(text));
    }
    return object;
}

static void value_at(const dimension *of, double x, char out[64])
{
    if (of->scale == TOPN_SEARCH_CHOICES) {
        const size_t at = (size_t)(x * (double)of->choice_count);
        snprintf(out, 64, "%s", of->choices[at < of->choice_count ? at : of->choice_count - 1]);
    } else if (of->integer && of->scale == TOPN_SEARCH_LINEAR) {
        write_value(of, fmin(of->high, floor(of->low + x * (of->high - of->low + 1))), out);
    } else if (of->integer) {
        write_value(of, round(of->low * pow(of->high / of->low, x)), out);
    } else if (of->scale == TOPN_SEARCH_LOG) {
        write_value(of, of->low * pow(of->high / of->low, x), out);
    } else {
        write_value(of, of->low + x * (of->high - of->low), out);
    }
}

topn_status space_settings(study *work, const space *from, const double *point, json_t *settings)
{
    for (size_t i = 0; i < from->count; i++) {
        char text[64];
        value_at(&from->dimensions[i], point[i], text);
        if (json_object_set_new(settings, from->dimensions[i].name, json_string(text)) != 0)
            return study_memory(work);
    }
    return TOPN_OK;
}

static double coordinate(const dimension *of, const char *value)
{
    if (of->scale == TOPN_SEARCH_CHOICES) {
        for (size_t i = 0; i < of->choice_count; i++)
            if (strcmp(of->choices[i], value) == 0)
                return ((double)i + 0.5) / (double)of->choice_count;
        return 0.5;
    }
    char *end;
    const double number = strtod(value, &end);
    if (end == value || !(number >= of->low && number <= of->high))
        return 0.5;
    const double x = of->scale == TOPN_SEARCH_LOG ? log(number / of->low) / log(of->high / of->low)
                                                  : (number - of->low) / (of->high - of->low);
    return fmin(x, 1 - 0x1p-53);
}

void space_point(const space *from, const topn_options *method, double *point)
{
    for (size_t i = 0; i < from->count; i++) {
        const char *value = topn_options_get(method, from->dimensions[i].name);
        point[i] = value ? coordinate(&from->dimensions[i], value) : 0.5;
    }
}

topn_status settings_apply(study *work, const json_t *settings, bool reader, topn_options *options)
{
    topn_status status = TOPN_OK;
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)settings, name, value)
    {
        if (is_readers(name) != reader)
            continue;
        STUDY_TRY(
            study_check(work, topn_options_set(work->context, options, name + (reader ? sizeof READER_PREFIX - 1 : 0),
                                               json_string_value(value))));
    }
done:
    return status;
}

char *settings_text(const json_t *settings)
{
    const char *name;
    json_t *value;
    size_t size = 1;
    json_object_foreach((json_t *)settings, name, value) size += strlen(name) + json_string_length(value) + 3;
    char *text = malloc(size < 9 ? 9 : size);
    if (!text)
        return NULL;
    strcpy(text, "defaults");
    size_t at = 0;
    json_object_foreach((json_t *)settings, name, value) at +=
        (size_t)sprintf(text + at, "%s%s %s", at ? ", " : "", name, json_string_value(value));
    return text;
}
