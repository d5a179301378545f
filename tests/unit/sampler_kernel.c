/* SPDX-License-Identifier: Apache-2.0
 *
 * Samplers by kernels against the kernels themselves. That draws follow `probability` is tested with all samplers
 * (samplers.c).
 */
#include "unit/sampler_fixture.h"

extern const sampler sampler_kernel, sampler_fourier; /* rows of samplers.def */

enum { STRIDE = SAMPLING_DIMENSIONS + 1, MOST_ITEMS = 1500, COUNT = 20 };

static const sampler *const kinds[] = {&sampler_kernel, &sampler_fourier};

static double score_of(const sampling_problem *made, const float *phi, uint32_t j)
{
    double score = 0;
    for (size_t column = 0; column < STRIDE; column++)
        score += (double)phi[column] * (double)made->rows[j * STRIDE + column];
    return score;
}

/* α·score² + 1 over its sum. */
static void quadratic(const sampling_problem *made, const float *phi, double *q)
{
    double total = 0;
    for (uint32_t j = 0; j < made->view.items; j++) {
        const double score = score_of(made, phi, j);
        total += q[j] = made->params.kernel_scale * score * score + 1;
    }
    for (uint32_t j = 0; j < made->view.items; j++)
        q[j] /= total;
}

static void softmax(const sampling_problem *made, const float *phi, double *q)
{
    double total = 0;
    for (uint32_t j = 0; j < made->view.items; j++)
        total += q[j] = exp(made->params.kernel_scale * score_of(made, phi, j));
    for (uint32_t j = 0; j < made->view.items; j++)
        q[j] /= total;
}

/* Half the sum of the distances between probabilities; fails when they don't add up to 1. */
static double distance(const sampling_problem *made, const sampler *tried, const sampler_state *state,
                       const draw_request *request, const double *q)
{
    double sum = 0, apart = 0;
    for (uint32_t j = 0; j < made->view.items; j++) {
        const double p = tried->probability(state, &made->view, request, j);
        assert_true(p >= 0 && p <= 1 + 1e-9);
        sum += p;
        apart += fabs(p - q[j]) / 2;
    }
    assert_true(fabs(sum - 1) < 1e-9);
    return apart;
}

/* φ and ψ of length 1; the place of the biases is 0 or stays. */
static void normalize_rows(float *rows, size_t count, bool with_biases)
{
    for (size_t row = 0; row < count; row++, rows += STRIDE) {
        double squares = 0;
        for (size_t column = 0; column < SAMPLING_DIMENSIONS; column++)
            squares += (double)rows[column] * (double)rows[column];
        for (size_t column = 0; column < SAMPLING_DIMENSIONS; column++)
            rows[column] = (float)((double)rows[column] / sqrt(squares));
        if (with_biases)
            rows[SAMPLING_DIMENSIONS] = 0;
    }
}

static void quadratic_probabilities_are_the_normalised_kernel(void **unused)
{
    static const uint32_t catalogues[] = {1, 2, 57, 300, MOST_ITEMS};
    static const int64_t leaves[] = {0, 1, 4, 1000000};
    static const double scales[] = {0.01, 1, 1e4};
    static double q[MOST_ITEMS];
    (void)unused;
    for (size_t n = 0; n < 5; n++)
        for (size_t l = 0; l < 4; l++) {
            sampling_problem *made = sampling_problem_make(catalogues[n]);
            made->params.leaf = leaves[l];
            made->params.kernel_scale = scales[(n + l) % 3];
            sampler_state *state = sampling_start(made, &sampler_kernel, EXCLUDE_NOTHING);
            for (uint32_t c = 0; c < (n < 4 ? SAMPLING_CONTEXTS : 1); c++) {
                const draw_request request = sampling_request(made, c, false, 1);
                quadratic(made, request.phi, q);
                assert_true(distance(made, &sampler_kernel, state, &request, q) < 1e-5);
            }
            sampler_kernel.free(state);
            sampling_problem_free(made);
        }
}

/* What is refused is left out of the sum, also where next to nothing else is left: exclusion by the definition. */
static void refused_items_leave_the_proportions(void **unused)
{
    enum { ITEMS = 60, DRAWS = 4000 };
    static double q[ITEMS];
    (void)unused;
    for (size_t row = 0; row < 2; row++) {
        sampling_problem *made = sampling_problem_make(ITEMS);
        made->params.kernel_scale = row == 0 ? 1e6 : 12;
        made->params.leaf = 2;
        /* Context 1 took all items near φ; those of every seventh place are at right angles to it, or opposite. */
        float *phi = made->phi + STRIDE;
        for (size_t column = 0; column < STRIDE; column++)
            phi[column] = column == 0 || column == SAMPLING_DIMENSIONS ? 1 : 0;
        uint32_t taken = 0, begin = (uint32_t)made->list.taken.indptr[1];
        for (uint32_t j = 0; j < ITEMS; j++) {
            made->rows[j * STRIDE] = j % 7 != 0 ? 1 : row == 0 ? 0.00001f * (float)j : 0.003f * (float)j;
            made->rows[j * STRIDE + SAMPLING_DIMENSIONS] = 0;
            if (j % 7 != 0)
                made->list.taken.indices[begin + taken++] = j;
        }
        for (uint32_t c = 1; c < SAMPLING_CONTEXTS; c++)
            made->list.taken.indptr[c + 1] = begin + taken;
        sampler_state *state = sampling_start(made, kinds[row], EXCLUDE_HISTORY);
        const draw_request request = sampling_request(made, 1, false, 1);
        uint64_t counts[ITEMS] = {0}, rejected = 0;
        double sum = 0, log_count;
        if (row == 0) {
            quadratic(made, request.phi, q);
            for (uint32_t j = 0; j < ITEMS; j++)
                sum += q[j] = j % 7 == 0 ? q[j] : 0;
            for (uint32_t j = 0; j < ITEMS; j++)
                q[j] /= sum;
            assert_true(sum < 1e-3); /* so that draws are refused again and again */
        } else {
            for (uint32_t j = 0; j < ITEMS; j++)
                q[j] = kinds[row]->probability(state, &made->view, &request, j);
        }
        for (uint32_t example = 0; example < DRAWS; example++) {
            uint32_t item;
            const draw_result got = sampling_draw(made, kinds[row], state, &request, example, &item, &log_count);
            assert_int_equal(got.found, 1);
            assert_true(fabs(log_count - log(q[item])) < 1e-4);
            counts[item]++;
            rejected += got.rejected;
        }
        assert_true(rejected > DRAWS);
        assert_frequencies(kinds[row]->name, ITEMS, q, counts, DRAWS);
        kinds[row]->free(state);
        sampling_problem_free(made);
    }
}

/* More features, nearer to the softmax of ν·score, with leaves of one item, so that nothing but the tree decides. */
static void fourier_goes_to_the_softmax_as_features_grow(void **unused)
{
    enum { ITEMS = 40, STEPS = 3 };
    static const int64_t features[STEPS] = {16, 512, 16384};
    static double q[ITEMS];
    (void)unused;
    /* 0: normalised. 1: with norms of their own and biases, which are folded in. */
    for (int raw = 0; raw < 2; raw++) {
        double apart[STEPS] = {0};
        for (int step = 0; step < STEPS; step++) {
            sampling_problem *made = sampling_problem_make(ITEMS);
            made->params.leaf = 1;
            made->params.kernel_scale = raw ? 0.25 : 2;
            made->params.kernel_features = features[step];
            if (!raw) {
                normalize_rows(made->rows, ITEMS, true);
                normalize_rows(made->phi, SAMPLING_CONTEXTS, false);
            }
            sampler_state *state = sampling_start(made, &sampler_fourier, EXCLUDE_NOTHING);
            for (uint32_t c = 0; c < SAMPLING_CONTEXTS; c++) {
                const draw_request request = sampling_request(made, c, false, 1);
                softmax(made, request.phi, q);
                apart[step] += distance(made, &sampler_fourier, state, &request, q) / SAMPLING_CONTEXTS;
            }
            sampler_fourier.free(state);
            sampling_problem_free(made);
        }
        assert_true(apart[0] > 2 * apart[1] && apart[1] > 2 * apart[2]);
        assert_true(apart[2] < 0.02);
        assert_true(apart[0] > 0.05);
    }
}

/* In one leaf it is the softmax, whatever the features. */
static void one_leaf_is_the_kernel_itself(void **unused)
{
    enum { ITEMS = 50 };
    static double q[ITEMS];
    (void)unused;
    sampling_problem *made = sampling_problem_make(ITEMS);
    made->params.leaf = ITEMS;
    made->params.kernel_features = 1;
    sampler_state *state = sampling_start(made, &sampler_fourier, EXCLUDE_NOTHING);
    const draw_request request = sampling_request(made, 0, false, 1);
    softmax(made, request.phi, q);
    assert_true(distance(made, &sampler_fourier, state, &request, q) < 1e-5);
    sampler_fourier.free(state);
    sampling_problem_free(made);
}

/* With few features and a narrow kernel many estimates are negative; still it is a distribution, and every item that
 * has a weight can be drawn. */
static void negative_estimates_leave_a_distribution(void **unused)
{
    enum { ITEMS = 200 };
    static double q[ITEMS];
    (void)unused;
    sampling_problem *made = sampling_problem_make(ITEMS);
    made->params.leaf = 1;
    made->params.kernel_features = 4;
    made->params.kernel_scale = 30;
    normalize_rows(made->rows, ITEMS, true);
    normalize_rows(made->phi, SAMPLING_CONTEXTS, false);
    sampler_state *state = sampling_start(made, &sampler_fourier, EXCLUDE_NOTHING);
    for (uint32_t c = 0; c < SAMPLING_CONTEXTS; c++) {
        const draw_request request = sampling_request(made, c, false, 1);
        softmax(made, request.phi, q);
        distance(made, &sampler_fourier, state, &request, q);
        for (uint32_t j = 0; j < ITEMS; j++)
            assert_true(sampler_fourier.probability(state, &made->view, &request, j) > 0);
    }
    sampler_fourier.free(state);
    sampling_problem_free(made);
}

static void draws_follow_the_snapshot(void **unused)
{
    enum { ITEMS = 90 };
    static double before[ITEMS], after[ITEMS];
    (void)unused;
    for (size_t row = 0; row < 2; row++) {
        sampling_problem *made = sampling_problem_make(ITEMS);
        sampler_state *state = sampling_start(made, kinds[row], EXCLUDE_NOTHING);
        const draw_request request = sampling_request(made, 0, true, COUNT);
        uint32_t items[COUNT], again[COUNT];
        double log_counts[COUNT], log_again[COUNT];
        sampling_draw(made, kinds[row], state, &request, 0, items, log_counts);
        for (uint32_t j = 0; j < ITEMS; j++)
            before[j] = kinds[row]->probability(state, &made->view, &request, j);
        for (size_t at = 0; at < ITEMS * STRIDE; at++)
            made->rows[at] = made->rows[at] / 2 + (float)(at % 3);
        sampling_draw(made, kinds[row], state, &request, 0, again, log_again);
        assert_memory_equal(items, again, sizeof items);
        assert_memory_equal(log_counts, log_again, sizeof log_counts);
        assert_true(distance(made, kinds[row], state, &request, before) == 0);
        assert_int_equal(kinds[row]->refresh(&made->context, state, &made->view), TOPN_OK);
        (row == 0 ? quadratic : softmax)(made, request.phi, after);
        assert_true(distance(made, kinds[row], state, &request, after) < (row == 0 ? 1e-5 : 0.5));
        assert_true(distance(made, kinds[row], state, &request, before) > 0.05);
        kinds[row]->free(state);
        sampling_problem_free(made);
    }
}

static void refresh_is_the_same_on_any_number_of_threads_or_fails_clean(void **unused)
{
    (void)unused;
    for (size_t row = 0; row < 2; row++) {
        static double q[2][MOST_ITEMS];
        for (int threads = 1; threads <= 4; threads += 3) {
            sampling_problem *made = sampling_problem_make(MOST_ITEMS);
            made->context.threads = threads;
            sampler_state *state = sampling_start(made, kinds[row], EXCLUDE_HISTORY);
            for (uint64_t nth = 1; nth <= 2; nth++) {
                memory_fail_after(nth);
                assert_int_equal(kinds[row]->refresh(&made->context, state, &made->view), TOPN_ERROR_MEMORY);
                memory_fail_after(0);
            }
            const draw_request request = sampling_request(made, 0, true, COUNT);
            for (uint32_t j = 0; j < MOST_ITEMS; j += 7)
                q[threads / 4][j] = kinds[row]->probability(state, &made->view, &request, j);
            kinds[row]->free(state);
            sampling_problem_free(made);
        }
        assert_memory_equal(q[0], q[1], sizeof q[0]);
    }
}

/* Items that are all alike, a context at the origin (quadratic: score 0 of all), one that is no number. */
static void what_says_nothing_is_uniform(void **unused)
{
    enum { ITEMS = 90, ALIKE = 0, ORIGIN = 1, BROKEN = 2 };
    static double q[ITEMS];
    (void)unused;
    for (size_t row = 0; row < 2; row++)
        for (int tried = ALIKE; tried <= BROKEN; tried++) {
            sampling_problem *made = sampling_problem_make(ITEMS);
            made->params.leaf = 7;
            for (uint32_t j = 0; j < ITEMS; j++) {
                q[j] = 1.0 / ITEMS;
                made->rows[j * STRIDE + SAMPLING_DIMENSIONS] = 0;
            }
            for (size_t at = 0; at < ITEMS * STRIDE && tried == ALIKE; at++)
                made->rows[at] = 0.5f;
            for (size_t at = 0; at < STRIDE && tried != ALIKE; at++)
                made->phi[at] = tried == ORIGIN ? at == SAMPLING_DIMENSIONS : NAN;
            if (row == 1)
                normalize_rows(made->rows, ITEMS, true);
            sampler_state *state = sampling_start(made, kinds[row], EXCLUDE_NOTHING);
            const draw_request request = sampling_request(made, 0, true, 1);
            /* Fourier's estimates at the origin are those of kernels alike, with their noise. */
            assert_true(distance(made, kinds[row], state, &request, q) < (row == 1 && tried == ORIGIN ? 0.15 : 1e-5));
            kinds[row]->free(state);
            sampling_problem_free(made);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quadratic_probabilities_are_the_normalised_kernel),
        cmocka_unit_test(refused_items_leave_the_proportions),
        cmocka_unit_test(fourier_goes_to_the_softmax_as_features_grow),
        cmocka_unit_test(one_leaf_is_the_kernel_itself),
        cmocka_unit_test(negative_estimates_leave_a_distribution),
        cmocka_unit_test(draws_follow_the_snapshot),
        cmocka_unit_test(refresh_is_the_same_on_any_number_of_threads_or_fails_clean),
        cmocka_unit_test(what_says_nothing_is_uniform),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
