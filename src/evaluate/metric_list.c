/* SPDX-License-Identifier: Apache-2.0 */
#include "evaluate/metric_list.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/option_table.h"

static const char *metric_name(size_t index, const void *data)
{
    (void)data;
    const metric *entry = metric_at(index);
    return entry ? entry->name : NULL;
}

static topn_status refuse_name(topn_context *context, const char *name)
{
    const char *near = nearest_name(name, metric_name, NULL);
    return fail(context, TOPN_ERROR_OPTION, "option --metrics: there is no metric \"%s\"%s%s%s", name,
                near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

/* The number after '@', digits only; SIZE_MAX when it is not one or is absurd. */
static size_t parse_cutoff(const char *digits)
{
    const size_t length = strlen(digits);
    if (length == 0 || length > 10 || strspn(digits, "0123456789") != length)
        return SIZE_MAX;
    return strtoull(digits, NULL, 10);
}

/* One word of the list; *skipped when its cut-off is too large and may be left out. */
static topn_status parse_word(topn_context *context, const char *word, uint32_t items, bool skip_large,
                              metric_request *out, bool *skipped)
{
    char name[METRIC_NAME_SIZE - 24]; /* the cut-off takes up to 21 */
    const char *at = strchr(word, '@');
    const size_t length = at ? (size_t)(at - word) : strlen(word);
    if (strlen(word) >= sizeof name)
        return fail(context, TOPN_ERROR_OPTION, "option --metrics: there is no metric \"%.40s…\"", word);
    memcpy(name, word, length);
    name[length] = '\0';
    *skipped = false;
    *out = (metric_request){.metric = metric_find(name)};
    if (!out->metric)
        return refuse_name(context, name);
    if (!out->metric->takes_cutoff && at)
        return fail(context, TOPN_ERROR_OPTION, "option --metrics: \"%s\": %s takes no cut-off", word, name);
    if (out->metric->takes_cutoff && !at)
        return fail(context, TOPN_ERROR_OPTION, "option --metrics: \"%s\" lacks a cut-off, such as %s@20", word, name);
    if (out->metric->takes_cutoff) {
        out->cutoff = parse_cutoff(at + 1);
        if (out->cutoff == 0 || out->cutoff == SIZE_MAX)
            return fail(context, TOPN_ERROR_OPTION, "option --metrics: \"%s\": the cut-off is not a whole number ≥ 1",
                        word);
        *skipped = skip_large && out->cutoff > items;
        if (out->cutoff > items && !skip_large)
            return fail(context, TOPN_ERROR_OPTION,
                        "option --metrics: \"%s\": the cut-off is larger than the %" PRIu32 " items of the model", word,
                        items);
        snprintf(out->name, sizeof out->name, "%s@%zu", name, out->cutoff);
    } else {
        snprintf(out->name, sizeof out->name, "%s", name);
    }
    return TOPN_OK;
}

static topn_status append(topn_context *context, metric_list *list, const metric_request *request)
{
    for (size_t index = 0; index < list->count; index++)
        if (strcmp(list->requests[index].name, request->name) == 0)
            return fail(context, TOPN_ERROR_OPTION, "option --metrics names \"%s\" twice", request->name);
    const topn_status status = RESIZE(context, list->count + 1, &list->requests);
    if (status != TOPN_OK)
        return status;
    list->requests[list->count++] = *request;
    list->needs |= (int)request->metric->needs;
    if (request->cutoff > list->largest_cutoff)
        list->largest_cutoff = request->cutoff;
    return TOPN_OK;
}

topn_status metric_list_parse(topn_context *context, const char *text, uint32_t items, bool skip_large,
                              metric_list *out)
{
    topn_status status;
    char *copy = NULL, *rest = NULL;
    *out = (metric_list){0};
    TRY(memory_copy_text(context, text ? text : "", &copy));
    for (char *word = strtok_r(copy, ", \t", &rest); word; word = strtok_r(NULL, ", \t", &rest)) {
        metric_request request;
        bool skipped;
        TRY(parse_word(context, word, items, skip_large, &request, &skipped));
        if (skipped)
            log_line(context, "metric %s is left out: the model has %" PRIu32 " items", word, items);
        else
            TRY(append(context, out, &request));
    }
    if (out->count == 0)
        status = fail(context, TOPN_ERROR_OPTION, "option --metrics: no metric to compute; name some, such as ndcg@%d",
                      items < 10 ? 1 : 10);
done:
    free(copy);
    if (status != TOPN_OK)
        metric_list_clear(out);
    return status;
}

void metric_list_clear(metric_list *list)
{
    free(list->requests);
    *list = (metric_list){0};
}
