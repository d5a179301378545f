/* SPDX-License-Identifier: Apache-2.0 */
#include "after_training.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ids.h"
#include "progress.h"

/* "id TAB prior": the last tab, or else the last comma, divides. false when there is no number behind it. */
static bool split_prior(char *line, double *out)
{
    char *divider = strrchr(line, '\t'), *end;
    if (!divider)
        divider = strrchr(line, ',');
    if (!divider)
        return false;
    *out = strtod(divider + 1, &end);
    *divider = '\0';
    return end != divider + 1 && *end == '\0' && isfinite(*out);
}

/* Fills priors [items] from the lines; items not named keep theirs. */
static int parse_priors(const char *path, const text_list *lines, const topn_model *model, float *priors)
{
    size_t unknown = 0;
    for (uint32_t item = 0; item < topn_model_items(model); item++)
        priors[item] = topn_model_prior(model, item);
    for (size_t i = 0; i < lines->count; i++) {
        double value;
        uint32_t item;
        if (!split_prior(lines->texts[i], &value))
            return complain(CODE_FAILED, "%s: entry %zu \"%s\" is not \"item TAB number\"", path, i + 1,
                            lines->texts[i]);
        if (topn_model_find_item(model, lines->texts[i], &item))
            priors[item] = (float)value;
        else
            unknown++;
    }
    if (unknown == lines->count)
        return complain(CODE_FAILED, "%s: none of its %zu items is known to the model", path, lines->count);
    inform("priors of %zu items from %s, %zu unknown", lines->count - unknown, path, unknown);
    return CODE_DONE;
}

int set_priors(struct session *session, const char *path, topn_model **model)
{
    text_list lines = {0};
    topn_model *changed = NULL;
    float *priors = need_memory(topn_model_items(*model), sizeof *priors);
    int code;
    STEP(ids_read(path, &lines));
    STEP(parse_priors(path, &lines, *model, priors));
    STEP(session_check(session, topn_model_copy_with_priors(session->context, *model, priors, &changed)));
    topn_model_free(*model);
    *model = changed;
done:
    text_list_clear(&lines);
    free(priors);
    return code;
}
