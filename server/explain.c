/* SPDX-License-Identifier: Apache-2.0
 *
 * What each item of a user's history adds to the score of an item.
 */
#include <math.h>
#include <stdlib.h>

#include "lists.h"

static const route_parameter parameters[] = {WISHES_OF_CONTEXTS};

typedef struct share {
    uint32_t item;
    float value;
} share;

static int by_size(const void *left, const void *right)
{
    const share *a = left, *b = right;
    const float x = fabsf(a->value), y = fabsf(b->value);
    if (x < y || x > y)
        return x > y ? -1 : 1;
    return a->item < b->item ? -1 : a->item > b->item;
}

static topn_status compute(question *asked, uint32_t item, float *values, float *bias, float *score)
{
    if (asked->source == SOURCE_POPULARITY) { /* all that it rests on */
        *bias = *score = topn_model_popularity(asked->generation->model, item);
        return TOPN_OK;
    }
    topn_status status = topn_explain(asked->query, &asked->request, item, values, bias);
    if (status == TOPN_OK)
        status = topn_score(asked->query, &asked->request, &item, 1, score);
    return status;
}

static json_t *shares_value(const question *asked, const float *values, share *shares)
{
    const live_history *history = &asked->history;
    json_t *list = json_array();
    for (size_t at = 0; at < history->length; at++)
        shares[at] = (share){history->items[at], values[at]};
    qsort(shares, history->length, sizeof *shares, by_size);
    for (size_t at = 0; at < history->length; at++)
        json_array_append_new(list, item_value(asked, shares[at].item, "contribution", (double)shares[at].value));
    return list;
}

static json_t *explain_item(question *asked, uint32_t item)
{
    const size_t length = asked->history.length;
    float *values = malloc((length + 1) * sizeof *values), bias, score;
    share *shares = malloc((length + 1) * sizeof *shares);
    topn_status status = TOPN_ERROR_MEMORY;
    json_t *answer = NULL;
    if (values && shares)
        status = compute(asked, item, values, &bias, &score);
    if (status == TOPN_OK) {
        answer = item_value(asked, item, "score", (double)score);
        json_object_set_new(answer, "bias", isfinite(bias) ? json_real((double)bias) : json_null());
        json_object_set_new(answer, "contributions",
                            asked->source == SOURCE_POPULARITY ? json_array() : shares_value(asked, values, shares));
        json_object_set_new(answer, "user", json_string(asked->user));
        question_describe(asked, answer);
    } else {
        question_failed(asked, status);
    }
    free(values);
    free(shares);
    return answer;
}

static void explain(call *request)
{
    question asked;
    json_t *answer = NULL;
    uint32_t item;
    if (!question_open(request, &asked))
        return;
    if (!topn_model_find_item(asked.generation->model, request->path[1], &item))
        reply_error(request, 404, "not-found", "the model knows no item \"%.100s\"", request->path[1]);
    else if (question_user(&asked, request->path[0]))
        answer = explain_item(&asked, item);
    question_close(&asked);
    if (answer)
        reply_json(request, 200, answer);
}

const route route_explain = {
    .method = "GET",
    .path = "/api/explain/{user}/{item}",
    .summary = "What each item of a user's history adds to the score of an item; with the bias they sum to it",
    .permission = PERMIT_READ,
    .parameters = parameters,
    .parameter_count = sizeof parameters / sizeof *parameters,
    .answer =
        "{\"type\":\"object\",\"properties\":{" SCHEMA_ITEM_FIELDS
        ",\"user\":{\"type\":\"string\"},\"bias\":{\"type\":[\"number\",\"null\"]},\"contributions\":{\"type\":"
        "\"array\",\"items\":{\"type\":\"object\",\"properties\":{\"id\":{\"type\":\"string\"},\"title\":{\"type\":"
        "[\"string\",\"null\"]},\"contribution\":{\"type\":\"number\"}}}}," SCHEMA_ORIGIN "}}",
    .handle = explain,
};
