/* SPDX-License-Identifier: Apache-2.0
 *
 * Many users at once: the block scores' own top n, in the order asked for, the same bits at any thread count.
 */
#include "random_model.h"
#include "retrieve/query.h"
#include "retrieve/recommend_many.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

enum { USERS = 300, MOST_N = 50 };

static const model_shape shape = {
    .items = 45, .dimensions = 21, .density = 0.3, .priors = true, .biases = true, .use_weights = true, .seed = 11};

typedef struct answers {
    size_t calls, stop_after;
    uint32_t users[USERS], items[USERS][MOST_N];
    float scores[USERS][MOST_N];
    size_t found[USERS];
    char log[256];
} answers;

static bool keep_answer(uint32_t user, const uint32_t *items, const float *scores, size_t found, void *user_data)
{
    answers *kept = user_data;
    kept->users[kept->calls] = user;
    kept->found[kept->calls] = found;
    memcpy(kept->items[kept->calls], items, found * sizeof *items);
    memcpy(kept->scores[kept->calls], scores, found * sizeof *scores);
    return ++kept->calls != kept->stop_after;
}

static void keep_log(const char *line, void *user_data)
{
    snprintf(((answers *)user_data)->log, sizeof((answers *)user_data)->log, "%s", line);
}

static void results_of_blocks_in_order(void **state)
{
    (void)state;
    static answers one, two;
    const uint32_t deny[] = {3, 4, 5};
    const topn_request filters = {.deny = deny, .deny_count = 3};
    for (size_t form = 0; form < MODEL_FORMS; form++) {
        topn_model model = random_model(&model_forms[form], &shape);
        sparse_matrix rows = random_histories(USERS, shape.items, 5);
        topn_retriever *retriever;
        block_scorer *scorer;
        assert_int_equal(retriever_create(NULL, &model, NULL, &retriever), TOPN_OK);
        assert_int_equal(block_scorer_create(NULL, retriever, &scorer), TOPN_OK);
        memset(&one, 0, sizeof one);
        memset(&two, 0, sizeof two);
        recommend_job job = {.retriever = retriever,
                             .histories = &rows,
                             .user_count = USERS,
                             .n = 10,
                             .filters = &filters,
                             .callback = keep_answer,
                             .user_data = &one};
        topn_context single = {.threads = 1}, twofold = {.threads = 2};
        assert_int_equal(recommend_many(&single, &job), TOPN_OK);
        job.user_data = &two;
        assert_int_equal(recommend_many(&twofold, &job), TOPN_OK);
        assert_memory_equal(&one, &two, sizeof one);
        assert_int_equal(one.calls, USERS);
        unsigned char marks[64] = {0};
        for (uint32_t user = 0; user < USERS; user++) {
            const history row = history_row(&rows, user);
            uint32_t items[10];
            float *scores, best[10];
            assert_int_equal(block_scores(scorer, &row, 1, &scores), TOPN_OK);
            mask_scores(scores, shape.items, &filters, row.items, row.length, marks);
            const size_t found = select_top(scores, shape.items, 10, items, best);
            assert_int_equal(one.users[user], user);
            assert_int_equal(one.found[user], found);
            assert_memory_equal(one.items[user], items, found * sizeof *items);
            assert_memory_equal(one.scores[user], best, found * sizeof *best);
        }
        block_scorer_free(scorer);
        retriever_free(retriever);
        sparse_clear(&rows);
        random_model_clear(&model);
    }
}

static void chosen_users_and_mapped_items(void **state)
{
    (void)state;
    static answers plain, mapped;
    topn_model model = random_model(&model_forms[4], &shape);
    sparse_matrix rows = random_histories(USERS, shape.items, 5);
    topn_retriever *retriever;
    assert_int_equal(retriever_create(NULL, &model, NULL, &retriever), TOPN_OK);
    /* Another numbering: item i of the data is item 44 − i of the model, item 45 is unknown. */
    uint32_t map[46];
    for (uint32_t item = 0; item < 45; item++)
        map[item] = 44 - item;
    map[45] = UINT32_MAX;
    sparse_matrix renamed;
    const uint64_t events = rows.indptr[USERS];
    assert_int_equal(sparse_create(NULL, USERS, 46, events + USERS, &renamed), TOPN_OK);
    for (uint32_t user = 0; user < USERS; user++) {
        uint64_t to = renamed.indptr[user];
        for (uint64_t at = rows.indptr[user]; at < rows.indptr[user + 1]; at++, to++) {
            renamed.indices[to] = 44 - rows.indices[at];
            renamed.values[to] = rows.values[at];
        }
        if (user % 3 == 0) {
            renamed.indices[to] = 45;
            renamed.values[to++] = 100.0f;
        }
        renamed.indptr[user + 1] = to;
    }
    const uint32_t users[] = {299, 0, 7, 7, 3};
    const topn_request filters = {.include_seen = true};
    recommend_job job = {.retriever = retriever,
                         .histories = &rows,
                         .users = users,
                         .user_count = 5,
                         .n = 100,
                         .filters = &filters,
                         .callback = keep_answer,
                         .user_data = &plain};
    topn_context context = {.threads = 2, .log = keep_log, .log_data = &mapped};
    assert_int_equal(recommend_many(&context, &job), TOPN_OK);
    assert_int_equal(plain.calls, 5);
    assert_string_equal(mapped.log, "");
    job.histories = &renamed;
    job.item_map = map;
    job.user_data = &mapped;
    assert_int_equal(recommend_many(&context, &job), TOPN_OK);
    assert_string_equal(mapped.log,
                        "recommend: 2 of 5 users have items that the model does not know; 2 events left out");
    mapped.log[0] = '\0';
    assert_memory_equal(mapped.users, users, sizeof users);
    for (size_t place = 0; place < 5; place++) {
        assert_int_equal(mapped.found[place], 45);
        assert_memory_equal(plain.items[place], mapped.items[place], sizeof plain.items[place]);
        assert_memory_equal(plain.scores[place], mapped.scores[place], sizeof plain.scores[place]);
    }
    sparse_clear(&rows);
    sparse_clear(&renamed);
    retriever_free(retriever);
    random_model_clear(&model);
}

static bool stop_progress(const topn_progress *progress, void *user_data)
{
    (void)user_data;
    return progress->done < progress->total;
}

static void cancels_and_survives_failed_allocations(void **state)
{
    (void)state;
    static answers kept;
    const topn_request filters = {0};
    for (size_t form = 0; form < MODEL_FORMS; form++) {
        topn_model model = random_model(&model_forms[form], &shape);
        sparse_matrix rows = random_histories(USERS, shape.items, 5);
        topn_retriever *retriever;
        assert_int_equal(retriever_create(NULL, &model, NULL, &retriever), TOPN_OK);
        recommend_job job = {.retriever = retriever,
                             .histories = &rows,
                             .user_count = USERS,
                             .n = 3,
                             .filters = &filters,
                             .callback = keep_answer,
                             .user_data = &kept};
        topn_context context = {.threads = 2};
        memset(&kept, 0, sizeof kept);
        kept.stop_after = 70;
        assert_int_equal(recommend_many(&context, &job), TOPN_ERROR_CANCELLED);
        assert_string_equal(context.message, "recommend: cancelled after 70 of 300 users");
        assert_int_equal(kept.calls, 70);
        memset(&kept, 0, sizeof kept);
        context.progress = stop_progress;
        assert_int_equal(recommend_many(&context, &job), TOPN_ERROR_CANCELLED);
        context.progress = NULL;
        for (uint64_t after = 1;; after++) {
            memset(&kept, 0, sizeof kept);
            memory_fail_after(after);
            const topn_status status = recommend_many(&context, &job);
            memory_fail_after(0);
            if (status == TOPN_OK)
                break;
            assert_int_equal(status, TOPN_ERROR_MEMORY);
        }
        assert_int_equal(kept.calls, USERS);
        retriever_free(retriever);
        sparse_clear(&rows);
        random_model_clear(&model);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results_of_blocks_in_order),
        cmocka_unit_test(chosen_users_and_mapped_items),
        cmocka_unit_test(cancels_and_survives_failed_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
