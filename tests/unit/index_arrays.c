/* SPDX-License-Identifier: Apache-2.0
 *
 * The arrays of every kind of index: a file may hold anything in them; memory may be short at any moment. Random models
 * with priors and biases, dense and sparse; the answers against naive ones.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "random_model.h"
#include "retrieve/index_build.h"
#include "retrieve/query.h"

#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

enum { ITEMS = 300, DIMENSIONS = 10, LIST = 10, HISTORY = 3, MOST_ALLOCATIONS = 400 };

static topn_context *context;

static void check(topn_status status)
{
    if (status != TOPN_OK)
        fail_msg("%s: %s", topn_status_name(status), topn_context_message(context));
}

/* Options of the kind that make searching of so few items worth while, and enough where rows have no clusters; freed by
 * the caller. */
static topn_options *options_of(const retriever_kind *kind)
{
    static const char *const small[][2] = {{"m", "4"}, {"ef-construction", "30"}, {"ef", "40"}, {"effort", "0.4"}};
    topn_options *options;
    check(topn_options_create(context, TOPN_KIND_RETRIEVER, kind->name, &options));
    for (size_t at = 0; at < sizeof small / sizeof *small; at++)
        if (topn_options_has(options, small[at][0]))
            check(topn_options_set(context, options, small[at][0], small[at][1]));
    return options;
}

/* Calls `test` for each kind on each form of model that it serves. */
static void for_each_index(void (*test)(const retriever_kind *, topn_model *, const topn_options *))
{
    for (size_t at = 0; retriever_at(at); at++) {
        const retriever_kind *kind = retriever_at(at);
        for (size_t form = 0; kind->index && form < MODEL_FORMS; form++) {
            const model_shape shape = {.items = ITEMS,
                                       .dimensions = DIMENSIONS,
                                       .density = 0.6,
                                       .priors = form % 2,
                                       .biases = form % 3 == 0,
                                       .seed = 11 + form};
            topn_model model = random_model(&model_forms[form], &shape);
            topn_options *options = options_of(kind);
            const topn_status status =
                index_add(context, &model, kind, options_params(options, kind->options), options);
            if (status != TOPN_ERROR_UNSUPPORTED) {
                check(status);
                test(kind, &model, options);
            }
            for (size_t index = 0; index < model.index_count; index++)
                model_index_clear(&model.indexes[index]);
            record_clear(&model.metadata);
            topn_options_free(options);
            random_model_clear(&model);
        }
    }
}

static history one_of(const uint32_t items[HISTORY])
{
    return (history){.items = items, .length = HISTORY};
}

/* Asks for `turns` lists; whatever is found has its exact score, in order, and nothing that was seen. Returns the share
 * of the naive lists that is found. */
static double ask(topn_model *model, topn_query *query, uint32_t turns)
{
    size_t both = 0;
    for (uint32_t turn = 0; turn < turns; turn++) {
        const uint32_t items[HISTORY] = {turn * 17 % ITEMS, (turn * 31 + 150) % ITEMS, (turn * 7 + 220) % ITEMS};
        const topn_request request = {.history = items, .history_length = HISTORY};
        const history user = one_of(items);
        uint32_t found_items[LIST];
        float scores[LIST], exact[LIST];
        size_t found;
        check(topn_recommend(query, &request, LIST, found_items, scores, &found));
        assert_true(found <= LIST);
        check(topn_score(query, &request, found_items, found, exact));
        assert_memory_equal(scores, exact, found * sizeof *scores);
        for (size_t rank = 0; rank < found; rank++) {
            double size, least = INFINITY;
            uint32_t better = 0;
            const double own = naive_score(model, &user, found_items[rank], &size);
            assert_true(fabs(own - (double)scores[rank]) <= 1e-5 * size + 1e-9);
            for (uint32_t item = 0; item < ITEMS; item++) {
                const bool seen = item == items[0] || item == items[1] || item == items[2];
                assert_false(seen && item == found_items[rank]);
                better += !seen && naive_score(model, &user, item, &least) > own;
            }
            both += better < LIST;
        }
    }
    return (double)both / (double)(LIST * turns);
}

static topn_status open_and_ask(topn_model *model, const retriever_kind *kind, const topn_options *options,
                                uint32_t turns, double *share)
{
    topn_retriever *retriever;
    topn_query *query;
    const topn_status status = retriever_open(context, model, kind, options_params(options, kind->options), &retriever);
    if (status != TOPN_OK) {
        assert_null(retriever);
        return status;
    }
    check(query_create(context, retriever, &query));
    *share = ask(model, query, turns);
    query_free(query);
    retriever_free(retriever);
    return TOPN_OK;
}

static void finds_what_is_best(const retriever_kind *kind, topn_model *model, const topn_options *options)
{
    double share;
    check(open_and_ask(model, kind, options, 20, &share));
    if (share < 0.8)
        fail_msg("%s: %g of the best found", kind->name, share);
}

static void test_answers(void **state)
{
    (void)state;
    for_each_index(finds_what_is_best);
}

static size_t bytes_of(const index_array *array)
{
    return tensor_type_size(array->type) * array->rows * (array->columns ? array->columns : 1);
}

/* An array overwritten here and there, cut short, of another type, or gone: refused with its name, or harmless. */
static void corrupt_arrays_are_refused(const retriever_kind *kind, topn_model *model, const topn_options *options)
{
    static const unsigned char fills[] = {0xff, 0x00, 0x7f, 0x80, 0x01};
    model_index *index = &model->indexes[0];
    double share;
    size_t refused = 0;
    for (size_t at = 0; at < index->count; at++) {
        index_array *array = &index->arrays[at];
        unsigned char *bytes = array->bytes;
        const size_t size = bytes_of(array), step = size / 5 < 8 ? 8 : size / 5 / 8 * 8;
        for (size_t place = 0; place + 8 <= size; place += step)
            for (size_t fill = 0; fill < sizeof fills; fill++) {
                unsigned char kept[8];
                memcpy(kept, bytes + place, 8);
                memset(bytes + place, fills[fill], 8);
                const topn_status status = open_and_ask(model, kind, options, 1, &share);
                if (status != TOPN_OK) {
                    assert_int_equal(status, TOPN_ERROR_FORMAT);
                    assert_non_null(strstr(topn_context_message(context), "index."));
                    refused++;
                }
                memcpy(bytes + place, kept, 8);
            }
        const index_array whole = *array;
        for (int change = 0; change < 3; change++) {
            if (change == 0)
                array->rows = array->rows ? array->rows - 1 : 1;
            else if (change == 1)
                array->type = array->type == TENSOR_U8 ? TENSOR_U32 : TENSOR_U8;
            else
                snprintf(array->name, sizeof array->name, "other");
            if (change == 0 && bytes_of(array) > bytes_of(&whole)) {
                *array = whole;
                continue;
            }
            const topn_status status = open_and_ask(model, kind, options, 1, &share);
            if (change) {
                assert_int_equal(status, TOPN_ERROR_FORMAT);
                assert_non_null(strstr(topn_context_message(context), whole.stored));
            } else if (status != TOPN_OK) {
                assert_int_equal(status, TOPN_ERROR_FORMAT);
            }
            *array = whole;
        }
    }
    if (index->count)
        check(open_and_ask(model, kind, options, 1, &share));
    print_message("             %s: %zu changes refused\n", kind->name, refused);
}

static void test_corrupt(void **state)
{
    (void)state;
    for_each_index(corrupt_arrays_are_refused);
}

/* Building with memory that ends at the n-th request, for every n: MEMORY, and the model keeps what it had. */
static void short_memory_is_survived(const retriever_kind *kind, topn_model *model, const topn_options *options)
{
    const void *params = options_params(options, kind->options);
    const model_index before = model->indexes[0];
    topn_status status = TOPN_ERROR_MEMORY;
    uint64_t allowed = 1;
    for (; status != TOPN_OK && allowed < MOST_ALLOCATIONS; allowed++) {
        memory_fail_after(allowed);
        status = index_add(context, model, kind, params, options);
        memory_fail_after(0);
        if (status == TOPN_OK)
            break;
        assert_int_equal(status, TOPN_ERROR_MEMORY);
        assert_int_equal(model->index_count, 1);
        assert_memory_equal(&model->indexes[0], &before, sizeof before);
    }
    check(status);
    assert_true(allowed > 10);
    for (status = TOPN_ERROR_MEMORY, allowed = 1; status != TOPN_OK && allowed < MOST_ALLOCATIONS; allowed++) {
        topn_retriever *retriever;
        topn_query *query = NULL;
        memory_fail_after(allowed);
        status = retriever_open(context, model, kind, params, &retriever);
        if (status == TOPN_OK)
            status = query_create(context, retriever, &query);
        memory_fail_after(0);
        query_free(query);
        retriever_free(retriever);
    }
    check(status);
}

static void test_memory(void **state)
{
    (void)state;
    for_each_index(short_memory_is_survived);
}

/* More indexes than a model takes, names that are too long. */
static void test_room(void **state)
{
    (void)state;
    topn_model model = {.items = 1};
    for (int at = 0; at <= MODEL_INDEXES; at++) {
        model_index index = {0};
        snprintf(index.kind, sizeof index.kind, "kind-%d", 9 - at);
        assert_non_null(model_index_add(context, &index, "first", TENSOR_U32, 3, 0));
        assert_non_null(model_index_add(context, &index, "a", TENSOR_U8, 2, 2));
        assert_null(model_index_add(context, &index, "name-of-more-than-thirty-one-letters", TENSOR_U8, 2, 2));
        const topn_status status = model_put_index(context, &model, &index);
        assert_int_equal(status, at < MODEL_INDEXES ? TOPN_OK : TOPN_ERROR_UNSUPPORTED);
        model_index_clear(&index);
    }
    for (size_t at = 0; at < model.index_count; at++) {
        assert_true(at == 0 || strcmp(model.indexes[at - 1].kind, model.indexes[at].kind) < 0);
        assert_string_equal(model.indexes[at].arrays[0].name, "a");
        assert_int_equal(model_index_bytes(&model.indexes[at]), 16);
    }
    assert_string_equal(topn_model_index(&model, 0), "kind-2");
    assert_null(topn_model_index(&model, MODEL_INDEXES));
    while (model.index_count)
        assert_true(model_drop_index(&model, model.indexes[model.index_count / 2].kind));
    assert_false(model_drop_index(&model, "kind-2"));
}

static int setup(void **state)
{
    (void)state;
    return topn_context_create(&context);
}

static int teardown(void **state)
{
    (void)state;
    topn_context_free(context);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_corrupt),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_room),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
