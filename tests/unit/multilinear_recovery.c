/* SPDX-License-Identifier: Apache-2.0
 *
 * Multilinear models recover what data were made from: planted PARAFAC factors up to order and scale, planted Tucker
 * factors up to a basis; and a mode of one value changes nothing.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "golden_data.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h> /* after ours: it defines a macro named fail */

enum { USERS = 9, TIMES = 6, ITEMS = 10, MOST = 3 };

static topn_context *context_of(uint64_t seed)
{
    topn_context *context = NULL;
    assert_int_equal(topn_context_create(&context), TOPN_OK);
    context->threads = 2;
    context->seed = seed;
    return context;
}

/* Every user, time and item occurs together. */
static topn_data *complete_data(void)
{
    static const uint32_t counts[1] = {TIMES};
    static unsigned contexts[USERS * TIMES * 2], indptr[USERS * TIMES + 1], items[USERS * TIMES * ITEMS];
    for (unsigned c = 0; c < USERS * TIMES; c++) {
        contexts[2 * c] = c / TIMES;
        contexts[2 * c + 1] = c % TIMES;
        indptr[c + 1] = (c + 1) * ITEMS;
        for (unsigned item = 0; item < ITEMS; item++)
            items[c * ITEMS + item] = item;
    }
    return context_data(&(context_arrays){.users = USERS,
                                          .items = ITEMS,
                                          .field_count = 1,
                                          .value_counts = counts,
                                          .contexts = contexts,
                                          .context_count = USERS * TIMES,
                                          .indptr = indptr,
                                          .event_items = items});
}

static void draw(double *values, size_t count, uint64_t stream)
{
    for (size_t at = 0; at < count; at++)
        values[at] = random_normal(20, RANDOM_ORDER, stream << 32 | at);
}

/* Labels of both sides from scores [contexts × items]. */
static void plant(alternating_problem *problem, const double *scores)
{
    for (int s = 0; s < 2; s++) {
        observations *observed = &problem->observed[s];
        const sparse_matrix *pairs = &observed->pairs;
        made(ALLOCATE(NULL, pairs->indptr[pairs->rows], &observed->labels));
        for (uint32_t row = 0; row < pairs->rows; row++)
            for (uint64_t at = pairs->indptr[row]; at < pairs->indptr[row + 1]; at++) {
                const size_t c = s == 0 ? row : pairs->indices[at], i = s == 0 ? pairs->indices[at] : row;
                observed->labels[at] = (float)scores[c * ITEMS + i];
            }
    }
}

static alternating_params exact_params(int64_t factors)
{
    alternating_params params = golden_params(false);
    params.l2 = 1e-7;
    params.l2_exponent = 0;
    params.unobserved_weight = 0;
    params.alpha = 1;
    params.factors = factors;
    return params;
}

/* Sweeps until the loss is next to nothing. */
static void sweep_to_zero(topn_context *context, alternating_problem *problem, const alternating_params *params,
                          double scale)
{
    double loss = total_loss(context, problem);
    for (int sweep = 0; sweep < 2000 && loss > 1e-6 * scale; sweep++) {
        golden_half_sweep(context, problem, SIDE_CONTEXTS, params);
        golden_half_sweep(context, problem, SIDE_ITEMS, params);
        loss = total_loss(context, problem);
    }
    assert_true(loss < 1e-5 * scale);
}

static double sum_of_squares(const double *values, size_t count)
{
    double sum = 0;
    for (size_t at = 0; at < count; at++)
        sum += values[at] * values[at];
    return sum;
}

/* |cosine| of column p of the planted factors [rows × MOST] and column q of a table. */
static double likeness(const double *planted, size_t p, const dense_matrix *table, size_t q, size_t rows)
{
    double product = 0, left = 0, right = 0;
    for (size_t row = 0; row < rows; row++) {
        const double a = planted[row * MOST + p], b = table->values[row * table->columns + q];
        product += a * b;
        left += a * a;
        right += b * b;
    }
    return fabs(product) / sqrt(left * right);
}

/* PARAFAC of noise-free data is unique up to order and scale (Kruskal 1977). */
static void test_parafac_factors_are_recovered(void **state)
{
    (void)state;
    topn_context *context = context_of(3);
    topn_data *data = complete_data();
    const alternating_params params = exact_params(MOST);
    static double users[USERS * MOST], times[TIMES * MOST], items[ITEMS * MOST], scores[USERS * TIMES * ITEMS];
    draw(users, USERS * MOST, 1);
    draw(times, TIMES * MOST, 2);
    draw(items, ITEMS * MOST, 3);
    for (size_t at = 0; at < USERS * TIMES * ITEMS; at++) {
        scores[at] = 0;
        for (size_t r = 0; r < MOST; r++)
            scores[at] += users[at / (TIMES * ITEMS) * MOST + r] * times[at / ITEMS % TIMES * MOST + r] *
                          items[at % ITEMS * MOST + r];
    }
    alternating_problem problem;
    assert_int_equal(problem_create(context, data, &params, COMPOSE_PRODUCT, true, NULL, &problem), TOPN_OK);
    plant(&problem, scores);
    sweep_to_zero(context, &problem, &params, sum_of_squares(scores, USERS * TIMES * ITEMS));
    const side_field *fields = problem.sides[SIDE_CONTEXTS].fields;
    bool taken[MOST] = {false};
    for (size_t p = 0; p < MOST; p++) {
        size_t best = 0;
        for (size_t q = 1; q < MOST; q++)
            if (likeness(users, p, &fields[0].table, q, USERS) > likeness(users, p, &fields[0].table, best, USERS))
                best = q;
        assert_false(taken[best]);
        taken[best] = true;
        assert_true(likeness(users, p, &fields[0].table, best, USERS) > 0.999);
        assert_true(likeness(times, p, &fields[1].table, best, TIMES) > 0.999);
        assert_true(likeness(items, p, &problem.sides[SIDE_ITEMS].fields[0].table, best, ITEMS) > 0.999);
    }
    problem_clear(&problem);
    topn_data_free(data);
    topn_context_free(context);
}

/* The share of planted [rows × planted_count of MOST] that no combination of a table's columns gives. */
static double outside_span(const double *planted, size_t planted_count, const dense_matrix *table, size_t rows)
{
    double basis[MOST][ITEMS], outside = 0, total = 0;
    for (size_t q = 0; q < table->columns; q++) { /* Gram–Schmidt, twice */
        for (size_t row = 0; row < rows; row++)
            basis[q][row] = table->values[row * table->columns + q];
        for (int again = 0; again < 2; again++)
            for (size_t p = 0; p < q; p++) {
                double product = 0;
                for (size_t row = 0; row < rows; row++)
                    product += basis[p][row] * basis[q][row];
                for (size_t row = 0; row < rows; row++)
                    basis[q][row] -= product * basis[p][row];
            }
        const double norm = sqrt(sum_of_squares(basis[q], rows));
        for (size_t row = 0; row < rows; row++)
            basis[q][row] /= norm;
    }
    for (size_t p = 0; p < planted_count; p++) {
        double column[ITEMS];
        for (size_t row = 0; row < rows; row++)
            column[row] = planted[row * MOST + p];
        total += sum_of_squares(column, rows);
        for (size_t q = 0; q < table->columns; q++) {
            double product = 0;
            for (size_t row = 0; row < rows; row++)
                product += basis[q][row] * column[row];
            for (size_t row = 0; row < rows; row++)
                column[row] -= product * basis[q][row];
        }
        outside += sum_of_squares(column, rows);
    }
    return outside / total;
}

static void test_tucker_factors_are_recovered(void **state)
{
    (void)state;
    enum { U = 3, T = 2, D = 3 };
    static const size_t factors[2] = {U, T};
    topn_context *context = context_of(5);
    topn_data *data = complete_data();
    const alternating_params params = exact_params(D);
    static double users[USERS * MOST], times[TIMES * MOST], items[ITEMS * MOST], core[D * U * T],
        scores[USERS * TIMES * ITEMS];
    draw(users, USERS * MOST, 4);
    draw(times, TIMES * MOST, 5);
    draw(items, ITEMS * MOST, 6);
    draw(core, D * U * T, 7);
    for (size_t at = 0; at < USERS * TIMES * ITEMS; at++) {
        scores[at] = 0;
        for (size_t k = 0; k < D * U * T; k++)
            scores[at] += core[k] * items[at % ITEMS * MOST + k / (U * T)] *
                          users[at / (TIMES * ITEMS) * MOST + k / T % U] * times[at / ITEMS % TIMES * MOST + k % T];
    }
    alternating_problem problem;
    assert_int_equal(problem_create(context, data, &params, COMPOSE_TUCKER, true, factors, &problem), TOPN_OK);
    plant(&problem, scores);
    sweep_to_zero(context, &problem, &params, sum_of_squares(scores, USERS * TIMES * ITEMS));
    const side_field *fields = problem.sides[SIDE_CONTEXTS].fields;
    const dense_matrix trained = {.values = fields[1].table.values, .rows = TIMES, .columns = T};
    assert_true(outside_span(users, U, &fields[0].table, USERS) < 1e-3);
    assert_true(outside_span(times, T, &trained, TIMES) < 1e-3);
    assert_true(outside_span(items, D, &problem.sides[SIDE_ITEMS].fields[0].table, ITEMS) < 1e-3);
    problem_clear(&problem);
    topn_data_free(data);
    topn_context_free(context);
}

/* The events of golden_data(false) with a context that is always the same. */
static topn_data *one_value_data(void)
{
    static const uint32_t counts[1] = {1};
    topn_data *plain = golden_data(false, false), *data;
    unsigned contexts[GOLDEN_USERS * 2], indptr[GOLDEN_USERS + 1] = {0}, items[GOLDEN_EVENTS];
    for (unsigned user = 0; user < GOLDEN_USERS; user++) {
        contexts[2 * user] = user;
        contexts[2 * user + 1] = 0;
        indptr[user + 1] = (unsigned)plain->matrix.indptr[user + 1];
    }
    for (unsigned at = 0; at < indptr[GOLDEN_USERS]; at++)
        items[at] = plain->matrix.indices[at];
    data = context_data(&(context_arrays){.users = GOLDEN_USERS,
                                          .items = GOLDEN_ITEMS,
                                          .field_count = 1,
                                          .value_counts = counts,
                                          .contexts = contexts,
                                          .context_count = GOLDEN_USERS,
                                          .indptr = indptr,
                                          .event_items = items});
    topn_data_free(plain);
    return data;
}

/* Without ridges: these do tell three small numbers from two. */
static void test_a_mode_of_one_value_is_none(void **state)
{
    (void)state;
    static const size_t factors[2] = {2, 1};
    topn_context *context = context_of(1);
    topn_data *plain = golden_data(false, false), *third = one_value_data();
    alternating_params params = golden_params(false);
    params.l2 = 0;
    params.factors = 2;
    const struct {
        const topn_data *data;
        composition kind;
    } runs[3] = {{plain, COMPOSE_PRODUCT}, {third, COMPOSE_PRODUCT}, {third, COMPOSE_TUCKER}};
    double *scores[3], loss[3];
    for (int run = 0; run < 3; run++) {
        alternating_problem problem;
        assert_int_equal(problem_create(context, runs[run].data, &params, runs[run].kind, true, factors, &problem),
                         TOPN_OK);
        for (int half = 0; half < 400; half++)
            golden_half_sweep(context, &problem, (problem_side)(half % 2), &params);
        scores[run] = all_scores(context, &problem);
        loss[run] = total_loss(context, &problem);
        problem_clear(&problem);
    }
    for (int run = 1; run < 3; run++) {
        assert_true(fabs(loss[run] - loss[0]) < 1e-5 * loss[0]);
        for (size_t at = 0; at < (size_t)GOLDEN_USERS * GOLDEN_ITEMS; at++)
            assert_true(fabs(scores[run][at] - scores[0][at]) < 1e-3);
    }
    for (int run = 0; run < 3; run++)
        free(scores[run]);
    topn_data_free(plain);
    topn_data_free(third);
    topn_context_free(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parafac_factors_are_recovered),
        cmocka_unit_test(test_tucker_factors_are_recovered),
        cmocka_unit_test(test_a_mode_of_one_value_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
