/* SPDX-License-Identifier: Apache-2.0
 *
 * Sets of items as filters, alone and with allow lists, deny lists, seen items and ties: what is recommended, to one
 * user or to many, is the full sort of the items that are allowed.
 */
#include "random_model.h"
#include "retrieve/filter.h"
#include "retrieve/query.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { USERS = 9, MOST_ITEMS = 140, MOST_FILTERS = 3 };

/* Items around the borders of a word. */
static const uint32_t item_counts[] = {1, 7, 63, 64, 65, 128, 131};
enum { COUNTS = sizeof item_counts / sizeof *item_counts };

/* A request with lists and filters of its own. */
typedef struct test_case {
    topn_request request;
    uint32_t allow[MOST_ITEMS], deny[MOST_ITEMS];
    unsigned char flags[MOST_FILTERS][MOST_ITEMS];
    topn_filter *filters[MOST_FILTERS];
    const topn_filter *lent[MOST_FILTERS];
} test_case;

static bool chance(double share, uint64_t seed, uint64_t index)
{
    return random_uniform(seed, RANDOM_DOCTOR, index) < share;
}

static void make_case(test_case *made, const topn_model *model, size_t number)
{
    static const double shares[] = {0.0, 0.03, 0.5, 0.97, 1.0};
    const uint64_t seed = 1000 + number * 16;
    *made = (test_case){.request = {.include_seen = number & 1}};
    for (uint32_t item = 0; item < model->items && number & 2; item++)
        if (chance(shares[number / 16 % 5], seed, item))
            made->allow[made->request.allow_count++] = item;
    if (made->request.allow_count > 1)
        made->allow[made->request.allow_count++] = made->allow[0]; /* said twice */
    made->request.allow = number & 2 ? made->allow : NULL;
    for (uint32_t item = 0; item < model->items && number & 4; item++)
        if (chance(0.2, seed + 1, item))
            made->deny[made->request.deny_count++] = item;
    made->request.deny = made->deny;
    made->request.filter_count = number / 8 % (MOST_FILTERS + 1);
    for (size_t filter = 0; filter < made->request.filter_count; filter++) {
        for (uint32_t item = 0; item < model->items; item++)
            made->flags[filter][item] = chance(shares[(number / 32 + filter) % 5], seed + 2 + filter, item) ? 1 : 0;
        assert_int_equal(topn_filter_create_flags(NULL, model, made->flags[filter], &made->filters[filter]), TOPN_OK);
        made->lent[filter] = made->filters[filter];
    }
    made->request.filters = made->lent;
}

static void clear_case(test_case *made)
{
    for (size_t filter = 0; filter < MOST_FILTERS; filter++)
        topn_filter_free(made->filters[filter]);
}

static bool contains(const uint32_t *items, size_t count, uint32_t item)
{
    for (size_t place = 0; place < count; place++)
        if (items[place] == item)
            return true;
    return false;
}

static bool may_appear(const test_case *asked, const history *user, uint32_t item)
{
    const topn_request *request = &asked->request;
    for (size_t filter = 0; filter < request->filter_count; filter++)
        if (!asked->flags[filter][item])
            return false;
    return (!request->allow || contains(request->allow, request->allow_count, item)) &&
           !contains(request->deny, request->deny_count, item) &&
           (request->include_seen || !contains(user->items, user->length, item));
}

/* By definition: allowed items by falling score, ties by index. */
static size_t full_sort(const test_case *asked, const history *user, uint32_t items, const float *scores, uint32_t *out)
{
    size_t count = 0;
    for (uint32_t item = 0; item < items; item++) {
        if (!may_appear(asked, user, item))
            continue;
        size_t place = count++;
        for (; place > 0 && scores[out[place - 1]] < scores[item]; place--)
            out[place] = out[place - 1];
        out[place] = item;
    }
    return count;
}

/* Whole numbers instead of random ones: most scores tie. */
static void make_ties(embedding_table *table)
{
    const size_t cells = table->form == TABLE_DENSE    ? table->dense.rows * table->dense.columns
                         : table->form == TABLE_SPARSE ? table->sparse.indptr[table->sparse.rows]
                                                       : 0;
    float *values = table->form == TABLE_DENSE ? table->dense.values : table->sparse.values;
    for (size_t at = 0; at < cells; at++)
        values[at] = values[at] > 0 ? 1.0f : -1.0f;
}

static void check_answer(const test_case *asked, const history *user, uint32_t items, const float *scores, size_t n,
                         size_t found, const uint32_t *item_out, const float *score_out)
{
    uint32_t expected[MOST_ITEMS];
    const size_t allowed = full_sort(asked, user, items, scores, expected);
    assert_int_equal(found, allowed < n ? allowed : n);
    for (size_t rank = 0; rank < found; rank++) {
        assert_int_equal(item_out[rank], expected[rank]);
        assert_true(score_out[rank] == scores[expected[rank]]);
    }
}

/* Many users: their scores without filters, then what they are answered with. Blocks have bits of their own. */
typedef struct many_answers {
    const test_case *asked; /* NULL: scores are filled */
    const sparse_matrix *rows;
    uint32_t items, users;
    size_t n;
    float scores[USERS][MOST_ITEMS];
} many_answers;

static bool take_many(uint32_t user, const uint32_t *items, const float *scores, size_t found, void *user_data)
{
    many_answers *wanted = user_data;
    const history row = history_row(wanted->rows, user);
    assert_int_equal(user, wanted->users++);
    for (size_t rank = 0; rank < found && !wanted->asked; rank++)
        wanted->scores[user][items[rank]] = scores[rank];
    if (wanted->asked)
        check_answer(wanted->asked, &row, wanted->items, wanted->scores[user], wanted->n, found, items, scores);
    return true;
}

static void score_all(topn_query *query, const history *user, uint32_t items, float *scores)
{
    uint32_t all[MOST_ITEMS] = {0};
    const topn_request plain = {.history = user->items, .weights = user->weights, .history_length = user->length};
    for (uint32_t item = 0; item < items; item++)
        all[item] = item;
    assert_int_equal(topn_score(query, &plain, all, items, scores), TOPN_OK);
}

static void check_scene(const model_form *form, uint32_t items, bool ties)
{
    topn_context context = {.threads = ties ? 1 : 2};
    const model_shape shape = {.items = items, .dimensions = 9, .density = 0.3, .biases = !ties, .seed = items};
    topn_model model = random_model(form, &shape);
    model.histories = random_histories(USERS, items, shape.seed + 100);
    topn_retriever *retriever;
    topn_query *query;
    const topn_request everything = {.include_seen = true};
    if (ties)
        make_ties(&model.encoder.rows), make_ties(&model.table.rows);
    assert_int_equal(topn_retriever_create(&context, &model, NULL, &retriever), TOPN_OK);
    assert_int_equal(topn_query_create(&context, retriever, &query), TOPN_OK);
    many_answers wanted = {.rows = &model.histories, .items = items};
    assert_int_equal(topn_recommend_many(&context, retriever, NULL, NULL, 0, items, &everything, take_many, &wanted),
                     TOPN_OK);
    for (size_t number = 0; number < 160; number++) {
        const size_t cuts[] = {1, 5, items, items + 3}, n = cuts[number % 4];
        uint32_t item_out[MOST_ITEMS];
        float score_out[MOST_ITEMS], scores[MOST_ITEMS];
        size_t found;
        test_case asked;
        make_case(&asked, &model, number);
        for (uint32_t user = 0; user < USERS; user++) {
            const history row = history_row(&model.histories, user);
            topn_request request = asked.request;
            request.history = row.items, request.weights = row.weights, request.history_length = row.length;
            assert_int_equal(topn_recommend(query, &request, n, item_out, score_out, &found), TOPN_OK);
            score_all(query, &row, items, scores);
            check_answer(&asked, &row, items, scores, n, found, item_out, score_out);
        }
        wanted.asked = &asked, wanted.n = n, wanted.users = 0;
        assert_int_equal(topn_recommend_many(&context, retriever, NULL, NULL, 0, n, &asked.request, take_many, &wanted),
                         TOPN_OK);
        assert_int_equal(wanted.users, USERS);
        clear_case(&asked);
    }
    topn_query_free(query);
    topn_retriever_free(retriever);
    sparse_clear(&model.histories);
    random_model_clear(&model);
}

static void answers_are_the_full_sort_of_what_is_allowed(void **state)
{
    (void)state;
    for (size_t form = 0; form < MODEL_FORMS; form++)
        for (size_t count = 0; count < COUNTS; count++)
            check_scene(&model_forms[form], item_counts[count], (form + count) % 2);
}

static void marks_are_the_definition(void **state)
{
    (void)state;
    for (size_t count = 0; count < COUNTS; count++) {
        const topn_model model = {.items = item_counts[count]};
        const uint32_t seen[] = {0, model.items / 2, model.items - 1};
        const history user = {.items = seen, .length = model.items < 3 ? 1 : 3};
        for (size_t number = 0; number < 160; number++) {
            test_case asked;
            unsigned char refused[MOST_ITEMS];
            uint32_t allowed = 0;
            make_case(&asked, &model, number);
            memset(refused, 7, sizeof refused);
            const uint32_t said = mark_refused(&asked.request, seen, user.length, model.items, refused);
            for (uint32_t item = 0; item < model.items; item++) {
                assert_int_equal(refused[item], !may_appear(&asked, &user, item));
                allowed += !refused[item];
            }
            assert_int_equal(said, allowed);
            assert_int_equal(refused[model.items], 7); /* nothing past the end */
            clear_case(&asked);
        }
    }
}

static void a_set_knows_its_members(void **state)
{
    (void)state;
    for (size_t count = 0; count < COUNTS; count++) {
        const topn_model model = {.items = item_counts[count]};
        unsigned char flags[MOST_ITEMS];
        uint32_t members = 0;
        topn_filter *filter;
        for (uint32_t item = 0; item < model.items; item++)
            members += (flags[item] = chance(0.4, count, item) ? (unsigned char)(1 + item) : 0) != 0;
        assert_int_equal(topn_filter_create_flags(NULL, &model, flags, &filter), TOPN_OK);
        assert_int_equal(topn_filter_count(filter), members);
        for (uint32_t item = 0; item < model.items; item++)
            assert_int_equal(topn_filter_allows(filter, item), flags[item] != 0);
        assert_false(topn_filter_allows(filter, model.items));
        assert_false(topn_filter_allows(filter, UINT32_MAX));
        topn_filter_free(filter);
    }
    assert_false(topn_filter_allows(NULL, 0));
    assert_int_equal(topn_filter_count(NULL), 0);
    topn_filter_free(NULL);
}

static bool never(uint32_t user, const uint32_t *items, const float *scores, size_t found, void *user_data)
{
    (void)user, (void)items, (void)scores, (void)found, (void)user_data;
    fail_msg("no answer is due");
    return false;
}

static void filters_of_another_model_are_refused(void **state)
{
    (void)state;
    topn_context context = {.threads = 1};
    const model_shape shape = {.items = 37, .dimensions = 5, .density = 0.3, .seed = 3};
    topn_model model = random_model(&model_forms[4], &shape);
    const topn_model other = {.items = 36};
    const unsigned char flags[37] = {1};
    topn_filter *fits, *small;
    topn_retriever *retriever;
    topn_query *query;
    uint32_t item;
    float score;
    size_t found;
    model.histories = random_histories(USERS, 37, 5);
    assert_int_equal(topn_filter_create_flags(&context, &model, flags, &fits), TOPN_OK);
    assert_int_equal(topn_filter_create_flags(&context, &other, flags, &small), TOPN_OK);
    assert_int_equal(topn_retriever_create(&context, &model, NULL, &retriever), TOPN_OK);
    assert_int_equal(topn_query_create(&context, retriever, &query), TOPN_OK);
    const topn_filter *const both[] = {fits, small}, *const missing[] = {NULL};
    const struct {
        topn_request request;
        const char *message;
    } wrong[] = {
        {{.filters = both, .filter_count = 2},
         "filters[1]: made for a model of 36 items, this one has 37; make it anew for this model"},
        {{.filters = missing, .filter_count = 1}, "filters[0] is NULL"},
        {{.filter_count = 2}, "filters: 2 announced, but the array is NULL"},
    };
    for (size_t at = 0; at < sizeof wrong / sizeof *wrong; at++) {
        assert_int_equal(topn_recommend(query, &wrong[at].request, 1, &item, &score, &found), TOPN_ERROR_ARGUMENT);
        assert_string_equal(context.message, wrong[at].message);
        context.message[0] = '\0';
        assert_int_equal(topn_recommend_many(&context, retriever, NULL, NULL, 0, 1, &wrong[at].request, never, NULL),
                         TOPN_ERROR_ARGUMENT);
        assert_string_equal(context.message, wrong[at].message);
    }
    assert_int_equal(topn_filter_create_flags(&context, NULL, flags, &small), TOPN_ERROR_ARGUMENT);
    assert_null(small);
    assert_int_equal(topn_filter_create_flags(&context, &model, NULL, &small), TOPN_ERROR_ARGUMENT);
    topn_filter_free((topn_filter *)both[1]);
    topn_filter_free(fits);
    topn_query_free(query);
    topn_retriever_free(retriever);
    sparse_clear(&model.histories);
    random_model_clear(&model);
}

static void memory_that_fails_is_said(void **state)
{
    (void)state;
    const topn_model model = {.items = 100};
    const unsigned char flags[100] = {0};
    for (uint64_t allocation = 1; allocation <= 2; allocation++) {
        topn_context context = {.threads = 1};
        topn_filter *filter = (topn_filter *)&model;
        memory_fail_after(allocation);
        assert_int_equal(topn_filter_create_flags(&context, &model, flags, &filter), TOPN_ERROR_MEMORY);
        memory_fail_after(0);
        assert_null(filter);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_the_full_sort_of_what_is_allowed),
        cmocka_unit_test(marks_are_the_definition),
        cmocka_unit_test(a_set_knows_its_members),
        cmocka_unit_test(filters_of_another_model_are_refused),
        cmocka_unit_test(memory_that_fails_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
