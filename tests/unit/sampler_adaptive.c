/* SPDX-License-Identifier: Apache-2.0
 *
 * Adaptive sampling against eq. 18 written down from a plain sort. That draws follow `probability` is tested with all
 * samplers (samplers.c).
 */
#include "unit/sampler_fixture.h"

extern const sampler sampler_adaptive; /* a row of samplers.def */

enum { ITEMS = 60, COUNT = 20 };

static bool stands_before(const float *rows, size_t stride, size_t f, uint32_t a, uint32_t b)
{
    const float x = rows[a * stride + f], y = rows[b * stride + f];
    return x > y || (x == y && a < b);
}

/* q(j | c) = Σ_f q(f | c)·q(rank of j in f), before exclusion. */
static double plain_probability(const sampling_problem *made, const float *rows, const float *phi, uint32_t j)
{
    const size_t stride = made->view.item_stride;
    const double gamma = made->params.rank_scale * ITEMS;
    double sum = 0, total = 0, ranks_total = 0;
    for (uint32_t r = 0; r < ITEMS; r++)
        ranks_total += exp(-(double)r / gamma);
    for (size_t f = 0; f < stride; f++) {
        double mean = 0, variance = 0;
        for (uint32_t i = 0; i < ITEMS; i++)
            mean += (double)rows[i * stride + f] / ITEMS;
        for (uint32_t i = 0; i < ITEMS; i++)
            variance += ((double)rows[i * stride + f] - mean) * ((double)rows[i * stride + f] - mean) / ITEMS;
        uint32_t before = 0;
        for (uint32_t i = 0; i < ITEMS; i++)
            before += stands_before(rows, stride, f, i, j) ? 1 : 0;
        const uint32_t r = phi[f] < 0 ? ITEMS - 1 - before : before;
        const double share = fabs((double)phi[f]) * sqrt(variance);
        total += share;
        sum += share * exp(-(double)r / gamma) / ranks_total;
    }
    return sum / total;
}

static void assert_plain(const sampling_problem *made, const sampler_state *state, const float *rows)
{
    for (uint32_t c = 0; c < SAMPLING_CONTEXTS; c++) {
        const draw_request request = sampling_request(made, c, true, 1);
        for (uint32_t j = 0; j < ITEMS; j++) {
            const double q = plain_probability(made, rows, request.phi, j);
            assert_true(fabs(sampler_adaptive.probability(state, &made->view, &request, j) - q) < 1e-9 * q);
        }
    }
}

/* Rows with ties, zeros of both signs and a dimension in which all are alike. */
static void tie_rows(float *rows)
{
    for (uint32_t j = 0; j < ITEMS; j++) {
        rows[j * (SAMPLING_DIMENSIONS + 1)] = (float)(j % 5) - 2;
        rows[j * (SAMPLING_DIMENSIONS + 1) + 1] = j % 3 == 0 ? -0.0f : j % 3 == 1 ? 0.0f : -1.0f;
        rows[j * (SAMPLING_DIMENSIONS + 1) + 2] = 7;
    }
}

static void probabilities_are_those_of_eq_18(void **unused)
{
    (void)unused;
    for (int uncounted = 0; uncounted < 2; uncounted++)
        for (int ties = 0; ties < 2; ties++) {
            sampling_problem *made = sampling_problem_make(ITEMS);
            made->view.uncounted = uncounted == 1;
            if (ties)
                tie_rows(made->rows);
            sampler_state *state = sampling_start(made, &sampler_adaptive, EXCLUDE_NOTHING);
            assert_plain(made, state, made->rows);
            sampler_adaptive.free(state);
            sampling_problem_free(made);
        }
}

/* Draws follow the rows of the last refresh. */
static void draws_follow_the_snapshot(void **unused)
{
    (void)unused;
    const size_t places = ITEMS * (SAMPLING_DIMENSIONS + 1);
    sampling_problem *made = sampling_problem_make(ITEMS);
    float *old = test_malloc(places * sizeof *old);
    memcpy(old, made->rows, places * sizeof *old);
    sampler_state *state = sampling_start(made, &sampler_adaptive, EXCLUDE_NOTHING);
    const draw_request request = sampling_request(made, 0, true, COUNT);
    uint32_t items[COUNT], again[COUNT];
    double log_counts[COUNT], log_again[COUNT];
    sampling_draw(made, &sampler_adaptive, state, &request, 0, items, log_counts);
    for (size_t at = 0; at < places; at++)
        made->rows[at] = -made->rows[at] + (float)(at % 3);
    sampling_draw(made, &sampler_adaptive, state, &request, 0, again, log_again);
    assert_memory_equal(items, again, sizeof items);
    assert_memory_equal(log_counts, log_again, sizeof log_counts);
    assert_plain(made, state, old);
    assert_int_equal(sampler_adaptive.refresh(&made->context, state, &made->view), TOPN_OK);
    assert_plain(made, state, made->rows);
    sampling_draw(made, &sampler_adaptive, state, &request, 0, again, log_again);
    assert_memory_not_equal(items, again, sizeof items);
    sampler_adaptive.free(state);
    test_free(old);
    sampling_problem_free(made);
}

/* So are those of a large γ, of items that are all alike, and of a context at the origin. */
static void what_has_no_ranks_is_uniform(void **unused)
{
    (void)unused;
    enum { LARGE_SCALE, ALIKE, ORIGIN, BROKEN, CASES };
    for (int tried = 0; tried < CASES; tried++) {
        sampling_problem *made = sampling_problem_make(ITEMS);
        if (tried == LARGE_SCALE)
            made->params.rank_scale = 1e7;
        for (size_t at = 0; at < ITEMS * (SAMPLING_DIMENSIONS + 1); at++)
            if (tried == ALIKE)
                made->rows[at] = 3;
        for (size_t at = 0; at < SAMPLING_CONTEXTS * (SAMPLING_DIMENSIONS + 1); at++)
            if (tried == ORIGIN || tried == BROKEN)
                made->phi[at] = tried == ORIGIN ? 0 : NAN;
        sampler_state *state = sampling_start(made, &sampler_adaptive, EXCLUDE_POSITIVE);
        const draw_request request = sampling_request(made, 0, true, COUNT);
        double q[ITEMS], log_counts[COUNT];
        uint64_t counts[ITEMS] = {0};
        uint32_t items[COUNT];
        for (uint32_t j = 0; j < ITEMS; j++)
            q[j] = j == request.item ? 0 : 1.0 / (ITEMS - 1);
        for (uint32_t example = 0; example < 1000; example++) {
            assert_int_equal(sampling_draw(made, &sampler_adaptive, state, &request, example, items, log_counts).found,
                             COUNT);
            for (uint32_t n = 0; n < COUNT; n++) {
                counts[items[n]]++;
                assert_true(fabs(log_counts[n] - log(COUNT / (ITEMS - 1.0))) < 1e-4);
            }
        }
        assert_frequencies("no ranks", ITEMS, q, counts, 1000 * COUNT);
        sampler_adaptive.free(state);
        sampling_problem_free(made);
    }
}

/* With a γ of little more than one rank nearly all draws of a context that took the best are refused. */
static void what_is_refused_again_and_again_is_drawn_from_the_rest(void **unused)
{
    enum { DRAWS = 3000 };
    (void)unused;
    sampling_problem *made = sampling_problem_make(ITEMS);
    made->params.rank_scale = 1.2 / ITEMS;
    const float *phi = made->phi + SAMPLING_DIMENSIONS + 1;
    /* Context 1 takes all but what stands last in every dimension. */
    uint32_t taken = 0, begin = (uint32_t)made->list.taken.indptr[1];
    for (uint32_t j = 0; j < ITEMS; j++) {
        if (j % 6 != 0)
            made->list.taken.indices[begin + taken++] = j;
        for (size_t f = 0; f <= SAMPLING_DIMENSIONS && j % 6 == 0; f++)
            made->rows[j * (SAMPLING_DIMENSIONS + 1) + f] = (float)(10 + j) * (phi[f] < 0 ? 1.0f : -1.0f);
    }
    for (uint32_t c = 1; c < SAMPLING_CONTEXTS; c++)
        made->list.taken.indptr[c + 1] = begin + taken;
    sampler_state *state = sampling_start(made, &sampler_adaptive, EXCLUDE_HISTORY);
    const draw_request request = sampling_request(made, 1, true, 1);
    double q[ITEMS], sum = 0, log_count;
    uint64_t counts[ITEMS] = {0}, rejected = 0;
    for (uint32_t j = 0; j < ITEMS; j++)
        sum += q[j] = sampler_adaptive.probability(state, &made->view, &request, j);
    assert_true(fabs(sum - 1) < 1e-9);
    for (uint32_t example = 0; example < DRAWS; example++) {
        uint32_t item;
        const draw_result got = sampling_draw(made, &sampler_adaptive, state, &request, example, &item, &log_count);
        assert_int_equal(got.found, 1);
        rejected += got.rejected;
        counts[item]++;
        assert_true(fabs(log_count - log(q[item])) < 1e-9);
    }
    assert_true(rejected == DRAWS * UINT64_C(4096));
    assert_frequencies("the rest", ITEMS, q, counts, DRAWS);
    sampler_adaptive.free(state);
    /* Of what a double does not hold nothing is found. */
    made->params.rank_scale = 1e-4;
    state = sampling_start(made, &sampler_adaptive, EXCLUDE_HISTORY);
    uint32_t item;
    assert_int_equal(sampling_draw(made, &sampler_adaptive, state, &request, 0, &item, &log_count).found, 0);
    sampler_adaptive.free(state);
    sampling_problem_free(made);
}

static void refresh_is_the_same_on_any_number_of_threads_or_fails_clean(void **unused)
{
    (void)unused;
    uint32_t items[2][COUNT];
    double log_counts[2][COUNT];
    for (int threads = 1; threads <= 4; threads += 3) {
        sampling_problem *made = sampling_problem_make(ITEMS);
        made->context.threads = threads;
        sampler_state *state = sampling_start(made, &sampler_adaptive, EXCLUDE_HISTORY);
        memory_fail_after(1);
        assert_int_equal(sampler_adaptive.refresh(&made->context, state, &made->view), TOPN_ERROR_MEMORY);
        memory_fail_after(0);
        const draw_request request = sampling_request(made, 0, true, COUNT);
        sampling_draw(made, &sampler_adaptive, state, &request, 9, items[threads / 4], log_counts[threads / 4]);
        sampler_adaptive.free(state);
        sampling_problem_free(made);
    }
    assert_memory_equal(items[0], items[1], sizeof items[0]);
    assert_memory_equal(log_counts[0], log_counts[1], sizeof log_counts[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(probabilities_are_those_of_eq_18),
        cmocka_unit_test(draws_follow_the_snapshot),
        cmocka_unit_test(what_has_no_ranks_is_uniform),
        cmocka_unit_test(what_is_refused_again_and_again_is_drawn_from_the_rest),
        cmocka_unit_test(refresh_is_the_same_on_any_number_of_threads_or_fails_clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
