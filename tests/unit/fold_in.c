/* SPDX-License-Identifier: Apache-2.0
 *
 * At the optimum of a side its rows are what fold-in gives: a training user's history his row (P2 §6.3), a training
 * item's events its row.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <math.h>

#include "made_data.h"
#include "model/added_items.h"
#include "train/alternating/solver.h"

#include <cmocka.h> /* after context.h: it makes a macro of fail */

enum { USERS = 60, ITEMS = 45, FACTORS = 6, KNOWN = 40 };

static topn_context *context;

static void check(topn_status status)
{
    if (status != TOPN_OK)
        fail_msg("%s: %s", topn_status_name(status), topn_context_message(context));
}

/* Users take every item with a chance; each item has someone, and each user an item below KNOWN. */
static topn_data *random_events(void)
{
    uint32_t pairs[USERS * ITEMS][2];
    uint64_t count = 0;
    for (uint32_t user = 0; user < USERS; user++)
        for (uint32_t item = 0; item < ITEMS; item++)
            if (user % ITEMS == item || item == user % KNOWN ||
                random_uniform(3, RANDOM_DOCTOR, (uint64_t)user * ITEMS + item) < 0.15) {
                pairs[count][0] = user;
                pairs[count++][1] = item;
            }
    return made_data(USERS, ITEMS, (const uint32_t(*)[2])pairs, NULL, count);
}

static alternating_params params_of(bool biases, double exponent)
{
    return (alternating_params){.l2 = 0.02,
                                .l2_exponent = 0.8,
                                .unobserved_weight = 0.2,
                                .alpha = 1.5,
                                .dislike_below = NAN,
                                .user_weight_exponent = exponent,
                                .item_weight_exponent = exponent,
                                .factors = FACTORS,
                                .init_scale = 0.5,
                                .biases = biases,
                                .keep_histories = true,
                                .keep_users = true};
}

/* Half sweeps of both sides in turn, `last` at the end. */
static void train(const topn_data *data, const alternating_params *params, problem_side last,
                  alternating_problem *problem)
{
    check(problem_create(context, data, params, COMPOSE_PRODUCT, false, NULL, problem));
    for (int sweep = 0; sweep < 3; sweep++) {
        check(alternating_half_sweep(context, problem, last == SIDE_ITEMS ? SIDE_CONTEXTS : SIDE_ITEMS, params, "x"));
        check(alternating_half_sweep(context, problem, last, params, "x"));
    }
}

static topn_model *export(const alternating_problem *problem, const topn_data *data, const alternating_params *params)
{
    topn_model *model;
    check(model_create(context, data, true, &model));
    check(problem_export(context, problem, data, params, model));
    check(model_check(context, model));
    return model;
}

static void assert_rows_near(const float *left, const float *right, size_t count)
{
    double difference = 0, size = 0;
    for (size_t at = 0; at < count; at++) {
        difference = fmax(difference, fabs((double)left[at] - (double)right[at]));
        size = fmax(size, fabs((double)right[at]));
    }
    if (!(difference <= 1e-4 * size))
        fail_msg("rows differ by %g of %g", difference, size);
}

static void histories_give_trained_rows(void **state)
{
    (void)state;
    topn_data *data = random_events();
    for (int run = 0; run < 4; run++) {
        alternating_params params = params_of(run == 1, run == 2 ? 0.3 : 0);
        params.loss = run > 2;
        alternating_problem problem;
        fields_scratch *scratch;
        float folded[FACTORS + 2], trained[FACTORS + 2];
        train(data, &params, SIDE_CONTEXTS, &problem);
        topn_model *model = export(&problem, data, &params);
        check(fields_scratch_create(context, &model->encoder.fields, &scratch));
        for (uint32_t user = 0; user < USERS; user++) {
            fields_query query = {.user = UINT32_MAX};
            query.length = topn_model_history(model, user, &query.items, &query.weights);
            check(fields_encode(&model->encoder.fields, &model->table.rows.dense, &query, scratch, folded));
            query.user = user;
            check(fields_encode(&model->encoder.fields, &model->table.rows.dense, &query, scratch, trained));
            assert_rows_near(folded, trained, model_dimensions(model));
        }
        fields_scratch_free(scratch);
        topn_model_free(model);
        problem_clear(&problem);
    }
    topn_data_free(data);
}

/* The model without its last items: what topn_model_add_items starts from. */
static void drop_items(topn_model *model)
{
    const size_t dimensions = model_dimensions(model);
    fields_encoder *encoder = &model->encoder.fields;
    string_table ids = made_ids("i", NULL, KNOWN);
    string_table_clear(&model->item_ids);
    model->item_ids = ids;
    id_index_clear(&model->items_by_id);
    check(id_index_create(context, &model->item_ids, &model->items_by_id));
    sparse_clear(&model->histories);
    model->items = KNOWN;
    model->table.rows.dense.rows = KNOWN;
    for (size_t row = 0; row < dimensions; row++)
        for (size_t column = 0; column < dimensions; column++) {
            double sum = 0;
            for (size_t item = 0; item < KNOWN; item++) {
                const float *psi = model->table.rows.dense.values + item * dimensions;
                sum += (double)psi[row] * (double)psi[column];
            }
            encoder->item_gram[row * dimensions + column] = (float)sum;
        }
}

static void new_items_get_the_rows_of_training(void **state)
{
    (void)state;
    topn_data *data = random_events();
    for (int biases = 0; biases < 2; biases++) {
        const alternating_params params = params_of(biases, 0);
        alternating_problem problem;
        train(data, &params, SIDE_ITEMS, &problem);
        topn_model *whole = export(&problem, data, &params), *part = export(&problem, data, &params), *grown, *same;
        drop_items(part);
        check(model_add_items(context, part, data, &grown));
        assert_int_equal(grown->items, ITEMS);
        assert_string_equal(topn_model_item_id(grown, ITEMS - 1), "i44");
        assert_string_equal(record_get(&grown->metadata, "added.items"), "5");
        const size_t dimensions = model_dimensions(whole);
        for (size_t item = 0; item < ITEMS; item++)
            assert_rows_near(grown->table.rows.dense.values + item * dimensions,
                             whole->table.rows.dense.values + item * dimensions, dimensions);
        assert_rows_near(grown->encoder.fields.item_gram, whole->encoder.fields.item_gram, dimensions * dimensions);
        assert_int_equal(model_add_items(context, grown, data, &same), TOPN_ERROR_DATA);
        assert_null(same);
        topn_model_free(grown);
        topn_model_free(part);
        topn_model_free(whole);
        problem_clear(&problem);
    }
    topn_data_free(data);
}

static int begin(void **state)
{
    (void)state;
    return topn_context_create(&context);
}

static int end(void **state)
{
    (void)state;
    topn_context_free(context);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(histories_give_trained_rows),
        cmocka_unit_test(new_items_get_the_rows_of_training),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
