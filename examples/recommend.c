/* SPDX-License-Identifier: Apache-2.0
 *
 * From arrays to recommendations: six users, five items, EASE, the best three items for each user.
 *
 *     cc recommend.c $(pkg-config --cflags --libs topn) -o recommend
 */
#include <topn/topn.h>

#include <stdio.h>

enum { USERS = 6, ITEMS = 5, WANTED = 3 };

/* Who used what, as compressed sparse rows: user u used indices[indptr[u]] … indices[indptr[u + 1] - 1]. */
static const uint64_t indptr[USERS + 1] = {0, 3, 5, 8, 10, 12, 14};
static const uint32_t indices[] = {0, 1, 2, 0, 1, 1, 2, 3, 3, 4, 2, 3, 0, 4};

static topn_status print_best(topn_query *query, const topn_data *data, uint32_t user)
{
    const uint32_t *history;
    const size_t length = topn_data_history(data, user, &history, NULL);
    const topn_request request = {.history = history, .history_length = length};
    uint32_t items[WANTED];
    float scores[WANTED];
    size_t found;
    const topn_status status = topn_recommend(query, &request, WANTED, items, scores, &found);
    if (status != TOPN_OK)
        return status;
    printf("user %u:", (unsigned)user);
    for (size_t rank = 0; rank < found; rank++)
        printf("  item %u (%.3f)", (unsigned)items[rank], (double)scores[rank]);
    printf("\n");
    return TOPN_OK;
}

int main(void)
{
    topn_context *context = NULL;
    topn_data *data = NULL;
    topn_options *options = NULL;
    topn_model *model = NULL;
    topn_retriever *retriever = NULL;
    topn_query *query = NULL;

    topn_status status = topn_context_create(&context);
    if (status == TOPN_OK)
        status = topn_data_copy_csr(context, USERS, ITEMS, indptr, indices, NULL, &data);
    if (status == TOPN_OK)
        status = topn_options_create(context, TOPN_KIND_METHOD, "ease", &options);
    if (status == TOPN_OK)
        status = topn_options_set(context, options, "l2", "1");
    if (status == TOPN_OK)
        status = topn_train(context, data, options, NULL, &model);
    if (status == TOPN_OK)
        status = topn_retriever_create(context, model, NULL, &retriever);
    if (status == TOPN_OK)
        status = topn_query_create(context, retriever, &query);
    for (uint32_t user = 0; status == TOPN_OK && user < USERS; user++)
        status = print_best(query, data, user);
    if (status != TOPN_OK)
        fprintf(stderr, "recommend: %s\n", context ? topn_context_message(context) : topn_status_text(status));

    /* Every free function accepts NULL. */
    topn_query_free(query);
    topn_retriever_free(retriever);
    topn_model_free(model);
    topn_options_free(options);
    topn_data_free(data);
    topn_context_free(context);
    return status == TOPN_OK ? 0 : 1;
}
