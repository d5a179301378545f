/* SPDX-License-Identifier: Apache-2.0 */
#include "recorded.h"

#include <string.h>

/* Options on what is in the events, whatever they come from. */
static const char *const rules[] = {"min-weight",     "since",       "duplicates",    "time-fields",
                                    "previous-items", "feature-ids", "feature-scale", NULL};
static const char *const rules_of_few[] = {"min-user-events", "min-item-events", "filter-order", NULL};
/* Options of a run, not of the model that comes out. */
static const char *const run_options[] = {"checkpoint", "resume", "start-from", NULL};

static bool is_among(const char *name, const char *const *names)
{
    for (; *names; names++)
        if (strcmp(*names, name) == 0)
            return true;
    return false;
}

const char *recorded_value(const topn_model *model, const char *wanted)
{
    const char *key, *value;
    for (size_t i = 0; topn_model_metadata(model, i, &key, &value); i++)
        if (strcmp(key, wanted) == 0)
            return value;
    return NULL;
}

/* Sets the options that are recorded under the prefix and named in `only` or `also` (only NULL: all but `also`). */
static int take(struct session *session, const topn_model *model, const char *prefix, const char *const *only,
                const char *const *also, topn_options *options)
{
    const char *key, *value;
    int code = CODE_DONE;
    for (size_t i = 0; topn_model_metadata(model, i, &key, &value); i++) {
        if (strncmp(key, prefix, strlen(prefix)) != 0 || !*value)
            continue;
        const char *name = key + strlen(prefix);
        const bool named = also && is_among(name, also);
        if (only ? is_among(name, only) || named : !named)
            STEP(session_check(session, topn_options_set(session->context, options, name, value)));
    }
done:
    return code;
}

int recorded_take(struct session *session, const topn_model *model, const char *prefix, topn_options *options)
{
    return take(session, model, prefix, NULL, NULL, options);
}

/* A training that stopped at its best sweep is repeated for so many sweeps. */
static int set_sweeps(struct session *session, const topn_model *model, topn_options *options)
{
    const char *sweeps = recorded_value(model, "train.best-sweep");
    int code = CODE_DONE;
    if (!sweeps || !topn_options_has(options, "sweeps"))
        return code;
    STEP(session_check(session, topn_options_set(session->context, options, "sweeps", sweeps)));
    code = session_check(session, topn_options_set(session->context, options, "tolerance", "0"));
done:
    return code;
}

int recorded_method(struct session *session, const topn_model *model, topn_options **out)
{
    const char *method = recorded_value(model, "method");
    int code;
    *out = NULL;
    if (!method)
        return complain(CODE_FAILED, "the model does not record how it was trained");
    STEP(session_check(session, topn_options_create(session->context, TOPN_KIND_METHOD, method, out)));
    STEP(take(session, model, "option.", NULL, run_options, *out));
    code = set_sweeps(session, model, *out);
done:
    return code;
}

int recorded_reader(struct session *session, const topn_model *model, topn_options **out)
{
    int code;
    STEP(session_check(session, topn_options_create(session->context, TOPN_KIND_READER, "reader", out)));
    code = take(session, model, "reader.", NULL, NULL, *out);
done:
    return code;
}

int recorded_rules(struct session *session, const topn_model *model, bool few, topn_options **out)
{
    int code;
    STEP(session_check(session, topn_options_create(session->context, TOPN_KIND_READER, "reader", out)));
    code = take(session, model, "reader.", rules, few ? rules_of_few : NULL, *out);
done:
    return code;
}
