/* SPDX-License-Identifier: Apache-2.0 */
#include "retrieve/index_query.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "retrieve/encode.h"
#include "retrieve/filter.h"
#include "retrieve/item_score.h"
#include "retrieve/top_list.h"

enum {
    FEW_SHARE = 32, /* one item in so many allowed, or fewer: they are scored one by one */
    FEW_LISTS = 4,  /* so are allowed items that are no more than so many times the list asked for */
};

struct index_query {
    const topn_retriever *retriever;
    float *phi; /* [dimensions] */
    encode_scratch encode;
    unsigned char *refused; /* [items], all 0 between calls */
    void *scratch;          /* the kind's */
};

topn_status index_query_create(topn_context *context, const topn_retriever *retriever, index_query **out)
{
    topn_status status;
    index_query *query = NULL;
    *out = NULL;
    TRY(ALLOCATE_ZEROED(context, 1, &query));
    query->retriever = retriever;
    TRY(ALLOCATE(context, embedding_dimensions(retriever->rows), &query->phi));
    TRY(encode_scratch_create(context, retriever->model, &query->encode));
    TRY(ALLOCATE_ZEROED(context, retriever->model->items, &query->refused));
    TRY(retriever->kind->index->scratch_create(context, retriever->view, &query->scratch));
    *out = query;
    return TOPN_OK;
done:
    index_query_free(query);
    return status;
}

void index_query_free(index_query *query)
{
    if (!query)
        return;
    query->retriever->kind->index->scratch_free(query->scratch);
    encode_scratch_clear(&query->encode);
    free(query->phi);
    free(query->refused);
    free(query);
}

size_t exact_allowed(const topn_model *model, const embedding_table *rows, const index_question *question,
                     uint32_t *item_out, float *score_out)
{
    top_list list = {.items = item_out, .scores = score_out, .room = question->n};
    const unsigned char *refused = question->refused;
    for (uint32_t item = 0; item < model->items; item++) {
        if (refused && refused[item]) {
            const unsigned char *next = memchr(refused + item, 0, model->items - item);
            if (!next)
                break;
            item = (uint32_t)(next - refused);
        }
        const float score = item_score(model, rows, question->phi, item);
        if (score > -INFINITY)
            top_list_offer(&list, item, score);
    }
    top_list_sort(&list);
    return list.count;
}

/* mark_refused on an array that is all 0 before: deny lists and seen items alone take no time that grows with the
 * items. */
static uint32_t mark(const topn_request *request, const history *user, uint32_t items, unsigned char *refused)
{
    uint32_t allowed = items;
    if (request->allow || request->filter_count)
        return mark_refused(request, user->items, user->length, items, refused);
    for (size_t place = 0; place < request->deny_count; place++) {
        allowed -= !refused[request->deny[place]];
        refused[request->deny[place]] = 1;
    }
    for (size_t place = 0; place < user->length && !request->include_seen; place++) {
        allowed -= !refused[user->items[place]];
        refused[user->items[place]] = 1;
    }
    return allowed;
}

static void unmark(const topn_request *request, const history *user, uint32_t items, unsigned char *refused)
{
    if (request->allow || request->filter_count)
        memset(refused, 0, items);
    for (size_t place = 0; place < request->deny_count; place++)
        refused[request->deny[place]] = 0;
    for (size_t place = 0; place < user->length; place++)
        refused[user->items[place]] = 0;
}

topn_status index_query_answer(index_query *query, const history *user, const topn_request *filters, size_t n,
                               uint32_t *item_out, float *score_out, size_t *found)
{
    const topn_retriever *retriever = query->retriever;
    const topn_model *model = retriever->model;
    *found = 0;
    const topn_status status = encode_user(retriever, user, &query->encode, query->phi);
    if (status != TOPN_OK)
        return status;
    const uint32_t allowed = mark(filters, user, model->items, query->refused);
    const index_question question = {
        .phi = query->phi, .refused = query->refused, .allowed = allowed, .n = n < allowed ? n : allowed};
    if (question.n > 0 && (allowed <= model->items / FEW_SHARE || question.n >= allowed / FEW_LISTS))
        *found = exact_allowed(model, retriever->rows, &question, item_out, score_out);
    else if (question.n > 0)
        *found = retriever->kind->index->search(retriever->view, query->scratch, &question, item_out, score_out);
    unmark(filters, user, model->items, query->refused);
    return TOPN_OK;
}
