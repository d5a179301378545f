/* SPDX-License-Identifier: Apache-2.0 */
#include "lists.h"

#include <math.h>
#include <stdlib.h>

#include "answer.h"
#include "running.h"

enum {
    REASONS = 3,     /* items of the history that an explanation names */
    CANDIDATES = 10, /* of an item wanted, when the list is to be diverse */
    LEAST_CANDIDATES = 100,
    MOST_CANDIDATES = 1000,
};

json_t *item_value(const question *asked, uint32_t item, const char *name, double number)
{
    json_t *value = json_object();
    const char *title = item_state_title(asked->items, item);
    json_object_set_new(value, "id", text_value(topn_model_item_id(asked->generation->model, item)));
    if (title)
        json_object_set_new(value, "title", text_value(title));
    json_object_set_new(value, name, number_value(number));
    return value;
}

typedef struct reason {
    uint32_t item;
    float contribution;
} reason;

/* Puts those of the history that add most to the score, positive ones only, under "because". */
static topn_status put_reasons(question *asked, const topn_request *request, uint32_t item, float *shares,
                               json_t *entry)
{
    reason best[REASONS];
    size_t count = 0;
    float bias;
    const topn_status status = topn_explain(asked->query, request, item, shares, &bias);
    for (size_t h = 0; status == TOPN_OK && h < request->history_length; h++) {
        if (!(shares[h] > 0.0f))
            continue;
        size_t at = count < REASONS ? count++ : REASONS;
        for (; at > 0 && best[at - 1].contribution < shares[h]; at--)
            if (at < REASONS)
                best[at] = best[at - 1];
        if (at < REASONS)
            best[at] = (reason){request->history[h], shares[h]};
    }
    json_t *because = json_array();
    for (size_t at = 0; at < count; at++)
        json_array_append_new(because, item_value(asked, best[at].item, "contribution", (double)best[at].contribution));
    json_object_set_new(entry, "because", because);
    return status;
}

/* The list of `found` items from the offset on; NULL: replied. */
static json_t *write_list(question *asked, const topn_request *request, size_t found)
{
    const worker *mine = asked->worker;
    topn_status status = TOPN_OK;
    json_t *answer = json_object(), *list = json_array();
    float *shares = NULL;
    if (request && asked->wishes.explain) {
        shares = malloc((request->history_length + 1) * sizeof *shares);
        status = shares ? TOPN_OK : TOPN_ERROR_MEMORY;
    }
    for (size_t rank = asked->wishes.offset; rank < found && status == TOPN_OK; rank++) {
        json_t *entry = item_value(asked, mine->items[rank], "score", (double)mine->scores[rank]);
        if (shares)
            status = put_reasons(asked, request, mine->items[rank], shares, entry);
        json_array_append_new(list, entry);
    }
    free(shares);
    json_object_set_new(answer, "items", list);
    if (status == TOPN_OK)
        return answer;
    json_decref(answer);
    question_failed(asked, status);
    return NULL;
}

static bool reserve(question *asked, size_t count)
{
    if (worker_reserve(asked->worker, count))
        return true;
    reply_error(asked->call, 503, "memory", "there is no memory for a list of %zu items", count);
    return false;
}

/* How many items the model is asked for. */
static size_t candidates(const question *asked, size_t wanted, size_t items)
{
    size_t count = wanted;
    if (asked->wishes.diversity > 0.0) {
        count = CANDIDATES * wanted;
        count = count < LEAST_CANDIDATES ? LEAST_CANDIDATES : count > MOST_CANDIDATES ? MOST_CANDIDATES : count;
    }
    return count < items ? count : items;
}

json_t *list_of_request(question *asked, const topn_request *request)
{
    const wishes *how = &asked->wishes;
    worker *mine = asked->worker;
    const size_t items = topn_model_items(asked->generation->model), wanted = how->n + how->offset;
    const size_t count = candidates(asked, wanted, items);
    size_t found = 0;
    if (!reserve(asked, count))
        return NULL;
    topn_status status = topn_recommend(asked->query, request, count, mine->items, mine->scores, &found);
    if (status == TOPN_OK && how->diversity > 0.0)
        status = topn_diversify(asked->query, how->diversity, wanted < found ? wanted : found, mine->items,
                                mine->scores, found);
    if (status != TOPN_OK) {
        question_failed(asked, status);
        return NULL;
    }
    json_t *answer = write_list(asked, request, found < wanted ? found : wanted);
    if (answer && asked->query != mine->exact)
        json_object_set_new(answer, "retriever", json_string(asked->call->server->options->retriever));
    return answer;
}

static bool is_seen(const live_history *history, uint32_t item)
{
    size_t low = 0, high = history->length;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (history->items[middle] < item)
            low = middle + 1;
        else
            high = middle;
    }
    return low < history->length && history->items[low] == item;
}

json_t *list_of_popular(question *asked)
{
    const generation *in_use = asked->generation;
    const uint32_t items = topn_model_items(in_use->model);
    worker *mine = asked->worker;
    size_t wanted = asked->wishes.n + asked->wishes.offset, found = 0;
    wanted = wanted < items ? wanted : items;
    if (!reserve(asked, wanted))
        return NULL;
    for (uint32_t rank = 0; rank < items && found < wanted; rank++) {
        const uint32_t item = in_use->popular[rank];
        if ((asked->filter && !topn_filter_allows(asked->filter, item)) ||
            (!asked->wishes.include_seen && is_seen(&asked->history, item)))
            continue;
        mine->items[found] = item;
        mine->scores[found++] = topn_model_popularity(in_use->model, item);
    }
    return write_list(asked, NULL, found);
}

json_t *list_answer(question *asked)
{
    json_t *answer =
        asked->source == SOURCE_POPULARITY ? list_of_popular(asked) : list_of_request(asked, &asked->request);
    if (!answer)
        return NULL;
    if (asked->user)
        json_object_set_new(answer, "user", text_value(asked->user));
    question_describe(asked, answer);
    return answer;
}
