/* SPDX-License-Identifier: Apache-2.0
 *
 * Train once, serve elsewhere: reads a text file with string ids, trains CHOL, saves the model, loads it again as a
 * server would, and answers a visitor who was not in the training data.
 */
#include <topn/topn.h>

#include <stdio.h>

#define EVENTS "events.csv"
#define MODEL "shop.safetensors"

/* Leaves the function at its end, with the status, when a call fails. */
#define CHECK(call)                                                                                                    \
    if ((status = (call)) != TOPN_OK)                                                                                  \
    goto done

static bool write_events(void)
{
    static const char text[] = "customer,article,count\n"
                               "ann,tent,1\nann,stove,1\nann,lamp,2\n"
                               "bob,tent,1\nbob,stove,1\n"
                               "cem,lamp,1\ncem,rope,3\ncem,boots,1\n"
                               "dee,rope,1\ndee,boots,1\ndee,map,1\n"
                               "eli,boots,1\neli,map,2\neli,tent,1\n";
    FILE *file = fopen(EVENTS, "w");
    if (!file)
        return false;
    const bool written = fputs(text, file) >= 0;
    return fclose(file) == 0 && written;
}

static void print_line(const char *line, void *user_data)
{
    (void)user_data;
    printf("  %s\n", line);
}

static topn_status train_and_save(topn_context *context)
{
    topn_status status;
    topn_options *reader = NULL, *method = NULL;
    topn_data *data = NULL;
    topn_model *model = NULL;
    CHECK(topn_options_create(context, TOPN_KIND_READER, "reader", &reader));
    CHECK(topn_options_set(context, reader, "user-column", "customer"));
    CHECK(topn_options_set(context, reader, "item-column", "article"));
    CHECK(topn_options_set(context, reader, "weight-column", "count"));
    CHECK(topn_data_read(context, EVENTS, reader, &data));
    CHECK(topn_options_create(context, TOPN_KIND_METHOD, "chol", &method));
    CHECK(topn_options_set(context, method, "l2", "1"));
    CHECK(topn_train(context, data, method, reader, &model));
    CHECK(topn_model_save(context, model, MODEL));
    printf("trained on %u customers and %u articles, saved as %s\n", (unsigned)topn_data_users(data),
           (unsigned)topn_data_items(data), MODEL);
done:
    topn_model_free(model);
    topn_data_free(data);
    topn_options_free(method);
    topn_options_free(reader);
    return status;
}

static topn_status load_and_answer(topn_context *context)
{
    topn_status status;
    topn_model *model = NULL;
    topn_retriever *retriever = NULL;
    topn_query *query = NULL;
    uint32_t history[1], items[3];
    float scores[3], contribution[1], bias;
    size_t found;
    CHECK(topn_model_load(context, MODEL, &model));
    CHECK(topn_retriever_create(context, model, NULL, &retriever));
    CHECK(topn_query_create(context, retriever, &query));
    if (!topn_model_find_item(model, "tent", &history[0])) {
        status = TOPN_ERROR_NOT_FOUND;
        goto done;
    }
    const topn_request request = {.history = history, .history_length = 1};
    CHECK(topn_recommend(query, &request, 3, items, scores, &found));
    for (size_t rank = 0; rank < found; rank++) {
        CHECK(topn_explain(query, &request, items[rank], contribution, &bias));
        printf("%zu. %s, score %.4f, of which %.4f because of %s\n", rank + 1, topn_model_item_id(model, items[rank]),
               (double)scores[rank], (double)contribution[0], topn_model_item_id(model, history[0]));
    }
done:
    topn_query_free(query);
    topn_retriever_free(retriever);
    topn_model_free(model);
    return status;
}

int main(void)
{
    topn_context *context = NULL;
    if (!write_events() || topn_context_create(&context) != TOPN_OK) {
        fprintf(stderr, "model_file: cannot write " EVENTS " here, or no memory\n");
        return 1;
    }
    topn_context_set_log(context, print_line, NULL);
    topn_status status = train_and_save(context);
    if (status == TOPN_OK)
        status = load_and_answer(context);
    if (status != TOPN_OK)
        fprintf(stderr, "model_file: %s\n", topn_context_message(context));
    topn_context_free(context);
    return status == TOPN_OK ? 0 : 1;
}
