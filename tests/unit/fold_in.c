/* SPDX-License-Identifier: Apache-2.0
 *
 * At the optimum of a side its rows are what fold-in gives: a training user's history his row (P2 §6.3), a training
 * item's events its row. With the pairwise loss the derivative of all pairs that a new item has a part in is 0.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

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

/* The events of items below `items`. */
static topn_data *events_below(const topn_data *data, uint32_t items)
{
    static uint32_t pairs[USERS * ITEMS][2];
    uint64_t count = 0;
    for (uint32_t user = 0; user < USERS; user++)
        for (uint64_t at = data->matrix.indptr[user]; at < data->matrix.indptr[user + 1]; at++)
            if (data->matrix.indices[at] < items) {
                pairs[count][0] = user;
                pairs[count++][1] = data->matrix.indices[at];
            }
    return made_data(USERS, items, (const uint32_t(*)[2])pairs, NULL, count);
}

/* What the rows of new items are judged by: contexts and events of the training, and the model before and after. */
typedef struct added {
    const topn_data *trained, *data;
    const topn_model *before, *after;
    const float *phi; /* [USERS × D] */
} added;

static double score(const added *of, uint32_t user, const float *psi)
{
    double sum = 0;
    const size_t dimensions = model_dimensions(of->before);
    for (size_t at = 0; at < dimensions; at++)
        sum += (double)of->phi[user * dimensions + at] * (double)psi[at];
    return sum;
}

static double item_weight(const topn_model *model, uint32_t item)
{
    const float *weights = model->encoder.fields.item_weights;
    return weights ? (double)weights[item] : 1;
}

/* α·v·u of an event in data where the user has so many. */
static double event_alpha(const added *of, const topn_data *data, uint32_t user, uint32_t item)
{
    const fields_encoder *encoder = &of->before->encoder.fields;
    const double events = (double)(data->matrix.indptr[user + 1] - data->matrix.indptr[user]);
    return encoder->loss.alpha * encoder->user_scale * pow(events, -encoder->loss.user_exponent) *
           item_weight(of->after, item);
}

/* All pairs of the loss (P2 eq. 42) that item `item` has a part in, its row being psi. */
static double pairs_of_item(const added *of, uint32_t item, const float *psi)
{
    const size_t dimensions = model_dimensions(of->before), factors = of->before->encoder.fields.factors;
    const float *table = of->after->table.rows.dense.values;
    const double label = of->before->encoder.fields.loss.label;
    double sum = 0, events = 0;
    for (uint32_t user = 0; user < USERS; user++) {
        const double own = score(of, user, psi);
        for (uint64_t at = of->trained->matrix.indptr[user]; at < of->trained->matrix.indptr[user + 1]; at++) {
            const uint32_t taken = of->trained->matrix.indices[at];
            sum += event_alpha(of, of->trained, user, taken) * item_weight(of->after, item) *
                   pow(score(of, user, table + taken * dimensions) - own - label, 2);
        }
        for (uint64_t at = of->data->matrix.indptr[user]; at < of->data->matrix.indptr[user + 1]; at++) {
            if (of->data->matrix.indices[at] != item)
                continue;
            events++;
            for (uint32_t other = 0; other < of->before->items; other++)
                sum += event_alpha(of, of->data, user, item) * item_weight(of->after, other) *
                       pow(own - score(of, user, table + other * dimensions) - label, 2);
        }
    }
    for (size_t at = 0; at < dimensions; at++)
        if (at != factors)
            sum += row_ridge(&of->before->encoder.fields.loss, events, USERS) * (double)psi[at] * (double)psi[at];
    return sum;
}

/* The sum is quadratic: its derivatives are its central differences. */
static void assert_best_row(const added *of, uint32_t item)
{
    const size_t dimensions = model_dimensions(of->before), factors = of->before->encoder.fields.factors;
    float psi[FACTORS + 2];
    memcpy(psi, of->after->table.rows.dense.values + item * dimensions, dimensions * sizeof *psi);
    const double value = pairs_of_item(of, item, psi);
    for (size_t at = 0; at < dimensions; at++) {
        const float kept = psi[at], step = 0.5f;
        if (at == factors)
            continue; /* the constant */
        psi[at] = kept + step;
        const double above = pairs_of_item(of, item, psi);
        psi[at] = kept - step;
        const double below = pairs_of_item(of, item, psi);
        psi[at] = kept;
        const double slope = (above - below) / (2 * (double)step), bend = (above + below - 2 * value);
        if (!(fabs(slope) <= 2e-4 * bend)) /* bend: four times what a step of half an entry adds */
            fail_msg("item %u: the derivative of entry %zu is %g, the curvature %g", item, at, slope, bend);
    }
}

static void grow(const topn_data *trained, const topn_data *data, const topn_model *before, topn_model **after)
{
    added of = {.trained = trained, .data = data, .before = before};
    const size_t dimensions = model_dimensions(before);
    float phi[USERS * (FACTORS + 2)];
    fields_scratch *scratch;
    check(model_add_items(context, before, data, after));
    check(model_check(context, *after));
    check(fields_scratch_create(context, &before->encoder.fields, &scratch));
    for (uint32_t user = 0; user < USERS; user++) {
        const fields_query query = {.user = user};
        check(fields_encode(&before->encoder.fields, &before->table.rows.dense, &query, scratch,
                            phi + user * dimensions));
    }
    of.after = *after;
    of.phi = phi;
    for (uint32_t item = before->items; item < (*after)->items; item++)
        assert_best_row(&of, item);
    fields_scratch_free(scratch);
}

static void new_items_of_the_pairwise_loss(void **state)
{
    (void)state;
    topn_data *data = random_events(), *some = events_below(data, KNOWN + 3), *known = events_below(data, KNOWN);
    for (int run = 0; run < 4; run++) {
        alternating_params params = params_of(run % 2, run > 1 ? 0.3 : 0);
        params.loss = 1;
        alternating_problem problem;
        train(known, &params, SIDE_ITEMS, &problem);
        problem.other_loss = run == 1; /* of another label and ridge */
        topn_model *before = export(&problem, known, &params), *between, *after;
        if (run == 1)
            assert_true(before->encoder.fields.loss.label < 0.99);
        else
            assert_true(before->encoder.fields.loss.label == 1);
        grow(known, some, before, &between);
        grow(known, data, between, &after);
        assert_int_equal(after->items, ITEMS);
        topn_model_free(after);
        topn_model_free(between);
        free(before->encoder.fields.context_pull); /* as in files of format 5 and before */
        before->encoder.fields.context_pull = NULL;
        assert_int_equal(model_add_items(context, before, some, &between), TOPN_ERROR_UNSUPPORTED);
        topn_model_free(before);
        problem_clear(&problem);
    }
    topn_data_free(known);
    topn_data_free(some);
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
        cmocka_unit_test(new_items_of_the_pairwise_loss),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
