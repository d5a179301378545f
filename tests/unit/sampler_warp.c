/* SPDX-License-Identifier: Apache-2.0
 *
 * WARP against a loop that looks at one candidate at a time, and its rounds against the rank that they estimate.
 */
#include "train/sampled/rank_weight.h"
#include "unit/sampler_fixture.h"

extern const sampler sampler_warp; /* a row of samplers.def */

enum { WIDE = 37 };

/* Rows and contexts of small whole numbers, of which every order of adding gives the same sum. */
typedef struct warp_problem {
    sampling_problem *made;
    float *rows, *phi; /* [items × stride], [SAMPLING_CONTEXTS × stride] */
} warp_problem;

static warp_problem warp_problem_make(uint32_t items, size_t dimensions, bool biases, double margin)
{
    warp_problem out = {.made = sampling_problem_make(items)};
    const size_t stride = dimensions + (biases ? 1 : 0);
    out.rows = test_calloc(items * stride, sizeof *out.rows);
    out.phi = test_calloc(SAMPLING_CONTEXTS * stride, sizeof *out.phi);
    for (size_t at = 0; at < items * stride; at++)
        out.rows[at] = (float)random_below(6, RANDOM_SAMPLES, at, 9) - 4;
    for (size_t at = 0; at < SAMPLING_CONTEXTS * stride; at++)
        out.phi[at] = biases && at % stride == dimensions ? 1 : (float)random_below(7, RANDOM_SAMPLES, at, 9) - 4;
    out.made->view.item_rows = out.rows;
    out.made->view.dimensions = dimensions;
    out.made->view.item_stride = stride;
    out.made->params.margin = margin;
    return out;
}

static void warp_problem_free(warp_problem *problem)
{
    test_free(problem->rows);
    test_free(problem->phi);
    sampling_problem_free(problem->made);
}

static double score_of(const sampling_view *view, const float *phi, uint32_t j)
{
    double score = 0;
    for (size_t column = 0; column < view->item_stride; column++)
        score += (double)phi[column] * (double)view->item_rows[j * view->item_stride + column];
    return score;
}

static draw_request request_of(const warp_problem *problem, uint32_t context, uint32_t count)
{
    draw_request request = sampling_request(problem->made, context, true, count);
    request.phi = problem->phi + context * problem->made->view.item_stride;
    request.score = score_of(&problem->made->view, request.phi, request.item);
    return request;
}

/* By the words of the definition. */
static draw_result plain_draw(const sampling_problem *made, exclusion kind, const draw_request *request,
                              uint64_t example, uint32_t most, uint32_t *items)
{
    draw_source source = draw_source_of(made->context.seed, example);
    draw_result result = {.items = items};
    for (uint32_t search = 0; search < request->count; search++) {
        uint32_t rounds = 0;
        bool found = false;
        while (!found && rounds < most) {
            uint32_t j = draw_below(&source, made->view.items - 1);
            j += j >= request->item ? 1 : 0;
            rounds++;
            found = score_of(&made->view, request->phi, j) + made->params.margin > request->score &&
                    !is_excluded(kind, made->view.positives, request->context, request->item, j);
            if (found)
                items[result.found++] = j;
        }
        result.rounds += rounds;
        if (!found)
            break;
        result.violator_rounds = rounds;
    }
    result.rejected = result.rounds - result.found;
    return result;
}

static bool all_refused(const sampling_problem *made, exclusion kind, const draw_request *request)
{
    for (uint32_t j = 0; j < made->view.items; j++)
        if (!is_excluded(kind, made->view.positives, request->context, request->item, j))
            return false;
    return true;
}

static void draws_are_those_of_a_plain_loop(void **unused)
{
    (void)unused;
    static const size_t widths[] = {1, 7, 8, 19, WIDE};
    static const exclusion kinds[] = {EXCLUDE_NOTHING, EXCLUDE_POSITIVE, EXCLUDE_HISTORY};
    uint32_t several = 0, none = 0;
    for (size_t n = 0; n < 60; n++) {
        warp_problem problem =
            warp_problem_make(n % 4 == 0 ? 2 : 90 + (uint32_t)n, widths[n % 5], n % 2 == 0, n % 3 == 0 ? 1 : 40);
        problem.made->params.most_rounds = n % 7 == 0 ? 5 : 0;
        const uint32_t most = n % 7 == 0 && problem.made->view.items > 5 ? 5 : problem.made->view.items - 1;
        sampler_state *state = sampling_start(problem.made, &sampler_warp, kinds[n % 3]);
        for (uint32_t context = 0; context < SAMPLING_CONTEXTS; context++)
            for (uint64_t example = 0; example < 20; example++) {
                uint32_t items[30], expected[30];
                double log_counts[30];
                const draw_request request = request_of(&problem, context, 1 + (uint32_t)example);
                const draw_result got =
                    sampling_draw(problem.made, &sampler_warp, state, &request, example, items, log_counts);
                draw_result plain = plain_draw(problem.made, kinds[n % 3], &request, example, most, expected);
                if (all_refused(problem.made, kinds[n % 3], &request))
                    plain.rounds = plain.rejected = 0; /* nothing to search for */
                assert_int_equal(got.found, plain.found);
                assert_int_equal(got.rounds, plain.rounds);
                assert_int_equal(got.rejected, plain.rejected);
                assert_int_equal(got.violator_rounds, plain.violator_rounds);
                assert_memory_equal(items, expected, got.found * sizeof *items);
                several += got.found > 1 ? 1 : 0;
                none += got.found == 0 ? 1 : 0;
            }
        sampler_warp.free(state);
        warp_problem_free(&problem);
    }
    assert_true(several > 100 && none > 100);
}

/* Violators alike, nothing else; rounds of a search are (|I| − 1)/V on average. */
static void violators_are_alike_and_rounds_tell_their_number(void **unused)
{
    (void)unused;
    enum { ITEMS = 60, DRAWS = 40000 };
    warp_problem problem = warp_problem_make(ITEMS, WIDE, true, 1);
    sampler_state *state = sampling_start(problem.made, &sampler_warp, EXCLUDE_HISTORY);
    uint32_t contexts_tried = 0;
    for (uint32_t context = 0; context < SAMPLING_CONTEXTS; context++) {
        const draw_request request = request_of(&problem, context, 1);
        double q[ITEMS];
        uint64_t counts[ITEMS] = {0}, found = 0, rounds = 0;
        uint32_t violators = 0;
        for (uint32_t j = 0; j < ITEMS; j++) {
            q[j] = score_of(&problem.made->view, request.phi, j) + 1 > request.score &&
                           !is_excluded(EXCLUDE_HISTORY, problem.made->view.positives, context, request.item, j)
                       ? 1
                       : 0;
            violators += q[j] > 0 ? 1 : 0;
        }
        if (violators < 3)
            continue;
        for (uint32_t j = 0; j < ITEMS; j++)
            q[j] /= violators;
        for (uint64_t example = 0; example < DRAWS; example++) {
            uint32_t item;
            double log_count;
            const draw_result got =
                sampling_draw(problem.made, &sampler_warp, state, &request, example, &item, &log_count);
            rounds += got.rounds;
            found += got.found;
            if (got.found) {
                assert_true(got.violator_rounds == got.rounds);
                assert_true(warp_rank(ITEMS, got.violator_rounds) <= ITEMS - 1);
                counts[item]++;
            }
        }
        assert_frequencies("warp", ITEMS, q, counts, found);
        /* rounds until `found` of Bernoulli trials of this share, cut at |I| − 1 */
        const double share = (double)violators / (ITEMS - 1), spread = sqrt(share * (1 - share) / (double)rounds);
        assert_true(fabs((double)found / (double)rounds - share) < 5 * spread);
        contexts_tried++;
    }
    assert_true(contexts_tried >= 3);
    sampler_warp.free(state);
    warp_problem_free(&problem);
}

static void nothing_found_is_said(void **unused)
{
    (void)unused;
    warp_problem problem = warp_problem_make(50, 16, false, 1);
    sampler_state *state = sampling_start(problem.made, &sampler_warp, EXCLUDE_HISTORY);
    uint32_t items[4];
    double log_counts[4];
    draw_request request = request_of(&problem, 0, 4);
    request.score = 1e9;
    draw_result got = sampling_draw(problem.made, &sampler_warp, state, &request, 0, items, log_counts);
    assert_int_equal(got.found, 0);
    assert_int_equal(got.rounds, 49);
    assert_int_equal(got.violator_rounds, 0);
    request.score = (double)NAN; /* a training that got out of hand */
    assert_int_equal(sampling_draw(problem.made, &sampler_warp, state, &request, 0, items, log_counts).found, 0);
    /* A context that took all but one item finds that one, or nothing. */
    request = request_of(&problem, 2, 4);
    request.score = -1e9;
    bool seen = false;
    for (uint64_t example = 0; example < 50; example++) {
        got = sampling_draw(problem.made, &sampler_warp, state, &request, example, items, log_counts);
        for (uint32_t n = 0; n < got.found; n++)
            assert_int_equal(items[n], 25);
        seen = seen || got.found > 0;
    }
    assert_true(seen);
    sampler_warp.free(state);
    warp_problem_free(&problem);
    problem = warp_problem_make(1, 16, false, 1);
    state = sampling_start(problem.made, &sampler_warp, EXCLUDE_NOTHING);
    request = request_of(&problem, 5, 4);
    got = sampling_draw(problem.made, &sampler_warp, state, &request, 0, items, log_counts);
    assert_int_equal(got.found + got.rounds, 0);
    sampler_warp.free(state);
    warp_problem_free(&problem);
}

/* Where all items score alike every draw violates the margin; rows are read as they are. */
static void rows_are_live(void **unused)
{
    (void)unused;
    warp_problem problem = warp_problem_make(50, 16, false, 1);
    sampler_state *state = sampling_start(problem.made, &sampler_warp, EXCLUDE_POSITIVE);
    for (size_t at = 0; at < 50 * 16; at++)
        problem.rows[at] = 2;
    uint32_t items[4];
    double log_counts[4];
    draw_request request = request_of(&problem, 0, 4);
    draw_result got = sampling_draw(problem.made, &sampler_warp, state, &request, 0, items, log_counts);
    assert_int_equal(got.found, 4);
    assert_int_equal(got.rounds, 4);
    assert_int_equal(got.violator_rounds, 1);
    sampler_warp.free(state);
    warp_problem_free(&problem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(draws_are_those_of_a_plain_loop),
        cmocka_unit_test(violators_are_alike_and_rounds_tell_their_number),
        cmocka_unit_test(nothing_found_is_said),
        cmocka_unit_test(rows_are_live),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
