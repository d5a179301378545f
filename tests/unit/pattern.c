/* SPDX-License-Identifier: Apache-2.0
 *
 * The candidate pattern against its definition on all pairs.
 */
#include "train/linear/pattern.h"

#include "random_system.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h> /* after ours: it defines a macro named fail */

enum { USERS = 120, ITEMS = 50 };

static topn_context *context;
static topn_data *data;
static linear_system linear;

static int setup(void **state)
{
    (void)state;
    const linear_params params = {.l2 = 5, .user_weight_exponent = 0.5, .values = 1};
    assert_int_equal(topn_context_create(&context), TOPN_OK);
    context->threads = 2;
    data = random_data(context, USERS, ITEMS, 7);
    assert_int_equal(linear_system_create(context, data, &params, ORDER_POPULAR_LAST, &linear), TOPN_OK);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    linear_system_clear(&linear);
    topn_data_free(data);
    topn_context_free(context);
    return 0;
}

/* values [n × n] by the definition; pairs without a common user are NAN. */
static double *all_values(double alpha)
{
    const size_t n = ITEMS;
    double *g = dense_system(&linear, false), *out = malloc(n * n * sizeof *out), *mean = calloc(n, sizeof *mean);
    double total = 0;
    for (uint32_t u = 0; u < USERS; u++)
        total += linear.user_weights[u];
    for (uint32_t u = 0; u < USERS; u++)
        for (uint64_t at = linear.x.indptr[u]; at < linear.x.indptr[u + 1]; at++)
            mean[linear.x.indices[at]] += linear.user_weights[u] * linear.x.values[at] / total;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            const double vi = g[i * n + i] - total * mean[i] * mean[i], vj = g[j * n + j] - total * mean[j] * mean[j];
            out[i * n + j] =
                g[i * n + j] == 0 ? NAN : (g[i * n + j] - total * mean[i] * mean[j]) / pow(vi * vj, alpha / 2);
        }
    free(g);
    free(mean);
    return out;
}

static double rank_of(double value, const pattern_settings *settings)
{
    return settings->by_magnitude ? fabs(value) : value;
}

/* Every row holds its `keep` best candidates, and nothing that is not one. */
static void check_pattern(const pattern_settings *settings)
{
    sparse_matrix pattern;
    assert_int_equal(pattern_create(context, &linear, settings, &pattern), TOPN_OK);
    assert_int_equal(sparse_check(context, &pattern, "pattern"), TOPN_OK);
    double *values = all_values(settings->alpha);
    uint64_t kept_in_all = 0;
    for (uint32_t i = 0; i < ITEMS; i++) {
        uint32_t candidates = 0;
        double weakest_kept = INFINITY, strongest_left = -INFINITY;
        for (uint32_t j = 0; j < ITEMS; j++) {
            const double value = values[i * ITEMS + j], rank = rank_of(value, settings);
            uint64_t at = pattern.indptr[i];
            while (at < pattern.indptr[i + 1] && pattern.indices[at] != j)
                at++;
            const bool kept = at < pattern.indptr[i + 1];
            const bool candidate = j != i && !(settings->earlier_only && j > i) && rank >= settings->threshold;
            candidates += candidate;
            assert_true(candidate || !kept);
            if (kept) {
                assert_float_equal(pattern.values[at], value, 1e-5 * (1 + fabs(value)));
                weakest_kept = fmin(weakest_kept, rank);
            } else if (candidate) {
                strongest_left = fmax(strongest_left, rank);
            }
        }
        const uint64_t kept = pattern.indptr[i + 1] - pattern.indptr[i];
        assert_int_equal(kept, candidates < settings->keep ? candidates : settings->keep);
        assert_true(weakest_kept >= strongest_left - 1e-5);
        kept_in_all += kept;
    }
    assert_true(kept_in_all > 0);
    free(values);
    sparse_clear(&pattern);
}

static void rows_hold_the_strongest_pairs(void **state)
{
    (void)state;
    check_pattern(&(pattern_settings){.keep = 8, .alpha = 0.75, .threshold = -INFINITY});
    check_pattern(&(pattern_settings){.keep = 8, .alpha = 1, .threshold = -INFINITY, .by_magnitude = true});
    check_pattern(&(pattern_settings){.keep = 5, .alpha = 0.5, .threshold = -INFINITY, .earlier_only = true});
    check_pattern(&(pattern_settings){.keep = 200, .alpha = 1, .threshold = 0.1});
    check_pattern(&(pattern_settings){.keep = 1, .alpha = 0, .threshold = -INFINITY});
    check_pattern(&(pattern_settings){.keep = ITEMS, .alpha = 0.75, .threshold = -INFINITY, .by_magnitude = true});
}

static void threads_do_not_change_the_pattern(void **state)
{
    (void)state;
    const pattern_settings settings = {.keep = 7, .cap = 6, .alpha = 0.75, .threshold = -INFINITY};
    sparse_matrix first, second;
    assert_int_equal(pattern_create(context, &linear, &settings, &first), TOPN_OK);
    context->threads = 1;
    assert_int_equal(pattern_create(context, &linear, &settings, &second), TOPN_OK);
    context->threads = 2;
    assert_memory_equal(first.indptr, second.indptr, (ITEMS + 1) * sizeof *first.indptr);
    assert_memory_equal(first.indices, second.indices, first.indptr[ITEMS] * sizeof *first.indices);
    assert_memory_equal(first.values, second.values, first.indptr[ITEMS] * sizeof *first.values);
    sparse_clear(&first);
    sparse_clear(&second);
}

static float value_at(const sparse_matrix *matrix, uint32_t r, uint32_t c)
{
    for (uint64_t at = matrix->indptr[r]; at < matrix->indptr[r + 1]; at++)
        if (matrix->indices[at] == c)
            return matrix->values[at];
    return 0;
}

static void symmetrized_is_the_union(void **state)
{
    (void)state;
    const pattern_settings settings = {.keep = 6, .cap = 8, .alpha = 0.75, .threshold = -INFINITY};
    sparse_matrix pattern, both;
    assert_int_equal(pattern_create(context, &linear, &settings, &pattern), TOPN_OK);
    assert_int_equal(pattern_symmetrize(context, &pattern, &both), TOPN_OK);
    assert_int_equal(sparse_check(context, &both, "union"), TOPN_OK);
    assert_true(both.indptr[ITEMS] > pattern.indptr[ITEMS]);
    for (uint32_t i = 0; i < ITEMS; i++)
        for (uint32_t j = 0; j < ITEMS; j++) {
            const float one = value_at(&pattern, i, j), other = value_at(&pattern, j, i);
            assert_true(value_at(&both, i, j) == (fabsf(one) >= fabsf(other) ? one : other) ||
                        fabsf(one) == fabsf(other));
        }
    sparse_clear(&pattern);
    sparse_clear(&both);
}

static void allocation_failures_are_clean(void **state)
{
    (void)state;
    const pattern_settings settings = {.keep = 6, .alpha = 0.75, .threshold = -INFINITY};
    uint64_t failures = 0;
    for (uint64_t at = 1;; at++) {
        sparse_matrix pattern;
        memory_fail_after(at);
        const topn_status status = pattern_create(context, &linear, &settings, &pattern);
        memory_fail_after(0);
        sparse_clear(&pattern);
        if (status == TOPN_OK)
            break;
        assert_int_equal(status, TOPN_ERROR_MEMORY);
        failures++;
    }
    assert_true(failures >= 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_hold_the_strongest_pairs),
        cmocka_unit_test(threads_do_not_change_the_pattern),
        cmocka_unit_test(symmetrized_is_the_union),
        cmocka_unit_test(allocation_failures_are_clean),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
