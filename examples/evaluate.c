/* SPDX-License-Identifier: Apache-2.0
 *
 * Compares two methods fairly: the same split, the same users, bootstrap intervals and a paired test. The data are
 * made up here: two groups of users with different tastes.
 */
#include <topn/topn.h>

#include <stdio.h>

enum { USERS = 400, ITEMS = 60, PER_USER = 8 };

/* Leaves the function at its end, with the status, when a call fails. */
#define CHECK(call)                                                                                                    \
    if ((status = (call)) != TOPN_OK)                                                                                  \
    goto done

/* A small generator of our own, so that the example prints the same everywhere. */
static uint32_t next_number(uint64_t *state, uint32_t bound)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((*state >> 33) % bound);
}

/* Even users draw from the first half of the catalogue, odd users from the second; one event in eight from anywhere. */
static topn_status make_data(topn_context *context, topn_data **out)
{
    static uint64_t indptr[USERS + 1];
    static uint32_t indices[USERS * PER_USER];
    uint64_t state = 7, count = 0;
    for (uint32_t user = 0; user < USERS; user++) {
        indptr[user] = count;
        while (count - indptr[user] < PER_USER) {
            const bool anywhere = next_number(&state, 8) == 0;
            const uint32_t half = user % 2 * (ITEMS / 2);
            const uint32_t item = anywhere ? next_number(&state, ITEMS) : half + next_number(&state, ITEMS / 2);
            bool is_new = true;
            for (uint64_t at = indptr[user]; at < count; at++)
                is_new = is_new && indices[at] != item;
            if (is_new)
                indices[count++] = item;
        }
    }
    indptr[USERS] = count;
    return topn_data_copy_csr(context, USERS, ITEMS, indptr, indices, NULL, out);
}

static topn_status evaluate(topn_context *context, const char *name, const topn_split *split, topn_report **out)
{
    topn_status status;
    topn_options *method = NULL, *measures = NULL;
    topn_model *model = NULL;
    topn_retriever *retriever = NULL;
    CHECK(topn_options_create(context, TOPN_KIND_METHOD, name, &method));
    CHECK(topn_train(context, topn_split_part(split, TOPN_PART_TRAIN), method, NULL, &model));
    CHECK(topn_retriever_create(context, model, NULL, &retriever));
    CHECK(topn_options_create(context, TOPN_KIND_EVALUATION, "evaluation", &measures));
    CHECK(topn_options_set(context, measures, "metrics", "ndcg@10,recall@10"));
    CHECK(topn_evaluate(context, retriever, topn_split_part(split, TOPN_PART_TEST_SEEN),
                        topn_split_part(split, TOPN_PART_TEST_HIDDEN), NULL, measures, out));
    topn_metric_result result;
    for (size_t index = 0; topn_report_metric(*out, index, &result); index++)
        printf("%-12s %-10s %.4f (%.4f to %.4f)\n", name, result.name, result.mean, result.low, result.high);
done:
    topn_options_free(measures);
    topn_retriever_free(retriever);
    topn_model_free(model);
    topn_options_free(method);
    return status;
}

int main(void)
{
    topn_status status;
    topn_context *context = NULL;
    topn_options *protocol = NULL;
    topn_data *data = NULL;
    topn_split *split = NULL;
    topn_report *popularity = NULL, *ease = NULL;
    topn_comparison comparison;
    CHECK(topn_context_create(&context));
    CHECK(make_data(context, &data));
    CHECK(topn_options_create(context, TOPN_KIND_SPLIT, "strong", &protocol));
    CHECK(topn_options_set(context, protocol, "test-users", "100"));
    CHECK(topn_options_set(context, protocol, "validation-users", "0"));
    CHECK(topn_data_split(context, data, NULL, protocol, &split));
    CHECK(evaluate(context, "popularity", split, &popularity));
    CHECK(evaluate(context, "ease", split, &ease));
    CHECK(topn_report_compare(context, ease, popularity, 0, &comparison));
    printf("ease - popularity: %.4f (%.4f to %.4f), p = %.4f\n", comparison.difference, comparison.low, comparison.high,
           comparison.p_value);
done:
    if (status != TOPN_OK)
        fprintf(stderr, "evaluate: %s\n", context ? topn_context_message(context) : topn_status_text(status));
    topn_report_free(ease);
    topn_report_free(popularity);
    topn_split_free(split);
    topn_data_free(data);
    topn_options_free(protocol);
    topn_context_free(context);
    return status == TOPN_OK ? 0 : 1;
}
