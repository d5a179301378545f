/* SPDX-License-Identifier: Apache-2.0 */
#include "circumstances.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ids.h"

static int unknown_field(const topn_model *model, const char *name)
{
    const size_t fields = topn_model_fields(model);
    if (fields == 0)
        return complain(CODE_FAILED, "--context: this model knows no context: it was trained without fields");
    const char **names = need_memory(fields, sizeof *names);
    for (size_t field = 0; field < fields; field++)
        names[field] = topn_model_field_name(model, field);
    const char *near = nearest(name, names, fields);
    const int code =
        near ? complain(CODE_FAILED, "--context: the model has no field \"%s\" (did you mean %s?)", name, near)
             : complain(CODE_FAILED, "--context: the model has no field \"%s\"; its first is \"%s\"", name, names[0]);
    free(names);
    return code;
}

/* One FIELD=VALUE. */
static int take_context(const topn_model *model, const char *text, struct circumstances *out)
{
    const char *equals = strchr(text, '=');
    if (!equals || equals == text)
        return complain(CODE_USAGE, "option --context: \"%s\" is not FIELD=VALUE, such as hour=evening", text);
    char *name = need_format("%.*s", (int)(equals - text), text);
    const size_t fields = topn_model_fields(model);
    size_t field = 0;
    int code = CODE_DONE;
    while (field < fields && strcmp(topn_model_field_name(model, field), name) != 0)
        field++;
    if (field == fields)
        code = unknown_field(model, name);
    else if (!topn_model_find_value(model, field, equals + 1, &out->values[field]))
        complain(CODE_DONE, "warning: --context: field %s has no value \"%s\" in the model; it counts as not known",
                 name, equals + 1);
    free(name);
    return code;
}

/* "gender=F" is a feature by this name; "age=25" the feature age with a number. */
static bool find_feature(const topn_model *model, const char *text, uint32_t *feature, float *number)
{
    const char *equals = strrchr(text, '=');
    *number = 1;
    if (topn_model_find_feature(model, text, feature))
        return true;
    if (!equals || !equals[1])
        return false;
    char *end, *name = need_format("%.*s", (int)(equals - text), text);
    *number = strtof(equals + 1, &end);
    const bool found = !*end && isfinite(*number) && topn_model_find_feature(model, name, feature);
    free(name);
    return found;
}

static void take_features(const topn_model *model, const char *text, struct circumstances *out)
{
    text_list list;
    ids_split(text, &list);
    out->features = need_memory(list.count, sizeof *out->features);
    out->numbers = need_memory(list.count, sizeof *out->numbers);
    for (size_t at = 0; at < list.count; at++)
        if (find_feature(model, list.texts[at], &out->features[out->feature_count], &out->numbers[out->feature_count]))
            out->feature_count++;
        else
            complain(CODE_DONE, "warning: --features: the model knows no feature \"%s\" of users; it is left out",
                     list.texts[at]);
    text_list_clear(&list);
}

/* Every value given to the option; one in an options file counts where no flag is there. */
static int take_contexts(struct session *session, const topn_model *model, struct circumstances *out)
{
    const arguments *parsed = &session->arguments;
    bool flags = false;
    int code = CODE_DONE;
    for (size_t at = 0; at < parsed->flag_count; at++)
        if (strcmp(parsed->flags[at].name, "context") == 0) {
            flags = true;
            STEP(take_context(model, parsed->flags[at].value, out));
        }
    if (!flags && session_value(session, "context"))
        code = take_context(model, session_value(session, "context"), out);
done:
    return code;
}

int circumstances_find(struct session *session, const topn_model *model, struct circumstances *out)
{
    const size_t fields = topn_model_fields(model);
    int code;
    *out = (struct circumstances){.values = fields ? need_memory(fields, sizeof *out->values) : NULL};
    for (size_t field = 0; field < fields; field++)
        out->values[field] = UINT32_MAX;
    STEP(take_contexts(session, model, out));
    if (session_value(session, "features"))
        take_features(model, session_value(session, "features"), out);
done:
    if (code != CODE_DONE)
        circumstances_clear(out);
    return code;
}

void circumstances_apply(const struct circumstances *from, topn_request *request)
{
    request->context = from->values;
    request->features = from->features;
    request->feature_values = from->numbers;
    request->feature_count = from->feature_count;
}

void circumstances_clear(struct circumstances *known)
{
    free(known->values);
    free(known->features);
    free(known->numbers);
    *known = (struct circumstances){0};
}
