/* SPDX-License-Identifier: Apache-2.0 */
#include "train/sampled/alias_table.h"
#include "train/sampled/exclusion.h"
#include "unit/sampler_fixture.h"

static const exclusion exclusions[] = {EXCLUDE_NOTHING, EXCLUDE_POSITIVE, EXCLUDE_HISTORY};
static const uint32_t catalogues[] = {1, 2, 3, 60, 201};
#define LENGTH(array) (sizeof(array) / sizeof *(array))

/* Every sampler of a known probability with every exclusion, on every catalogue. */
static void for_each_sampler(void (*test)(sampling_problem *, const sampler *, const sampler_state *, exclusion))
{
    for (size_t at = 0; at < LENGTH(catalogues); at++) {
        sampling_problem *made = sampling_problem_make(catalogues[at]);
        for (size_t row = 0; sampler_at(row) != NULL; row++) {
            const sampler *tried = sampler_at(row);
            for (size_t kind = 0; kind < LENGTH(exclusions) && tried->probability != NULL; kind++) {
                sampler_state *state = sampling_start(made, tried, exclusions[kind]);
                test(made, tried, state, exclusions[kind]);
                tried->free(state);
            }
        }
        sampling_problem_free(made);
    }
}

/* q [items] of a request; returns the sum. */
static double probabilities(const sampling_problem *made, const sampler *tried, const sampler_state *state,
                            const draw_request *request, double *q)
{
    double sum = 0;
    for (uint32_t j = 0; j < made->view.items; j++)
        sum += q[j] = tried->probability(state, &made->view, request, j);
    return sum;
}

static void frequencies_one(sampling_problem *made, const sampler *tried, const sampler_state *state, exclusion kind)
{
    enum { DRAWS = 20000, BATCH = 50 };
    static uint32_t items[BATCH];
    static double log_counts[BATCH], q[SAMPLING_MOST];
    static uint64_t counts[SAMPLING_MOST];
    for (uint32_t c = 0; c < SAMPLING_CONTEXTS; c++) {
        const draw_request request = sampling_request(made, c, c % 2 == 1, BATCH);
        const double sum = probabilities(made, tried, state, &request, q);
        memset(counts, 0, made->view.items * sizeof *counts);
        uint64_t draws = 0;
        for (uint64_t example = 0; example < DRAWS / BATCH; example++) {
            const draw_result result = sampling_draw(made, tried, state, &request, example + 1000, items, log_counts);
            assert_true(result.found == 0 || result.found == BATCH);
            assert_true(result.rounds >= result.found + result.rejected);
            for (uint32_t n = 0; n < result.found; n++) {
                assert_true(items[n] < made->view.items);
                assert_false(is_excluded(kind, &made->list, c, request.item, items[n]));
                assert_true(fabs(log_counts[n] - log(BATCH * q[items[n]])) < 1e-9);
                counts[items[n]]++;
                draws++;
            }
        }
        /* Nothing is found exactly where there is nothing to find. */
        if (draws == 0) {
            assert_true(sum == 0);
            assert_true(tried->is_empty == NULL || tried->is_empty(state, &made->view, &request));
            continue;
        }
        assert_true(tried->is_empty == NULL || !tried->is_empty(state, &made->view, &request));
        assert_true(fabs(sum - 1) < 1e-6); /* shares of what a history leaves over are kept in single precision */
        char what[80];
        snprintf(what, sizeof what, "%s, exclusion %d, %u items, context %u", tried->name, (int)kind, made->view.items,
                 c);
        assert_frequencies(what, made->view.items, q, counts, draws);
    }
}

static void frequencies_follow_probabilities(void **unused)
{
    (void)unused;
    for_each_sampler(frequencies_one);
}

/* By definition: what is refused has q = 0, and the others keep their proportions; a mixture's parts each by itself. */
static void excluded_one(sampling_problem *made, const sampler *tried, const sampler_state *state, exclusion kind)
{
    static double q[SAMPLING_MOST], free_q[SAMPLING_MOST];
    if (strcmp(tried->name, "mixture") == 0)
        return;
    sampler_state *free_state = sampling_start(made, tried, EXCLUDE_NOTHING);
    for (uint32_t c = 0; c < SAMPLING_CONTEXTS; c++) {
        const draw_request request = sampling_request(made, c, false, 1);
        const double sum = probabilities(made, tried, state, &request, q);
        probabilities(made, tried, free_state, &request, free_q);
        double left = 0;
        for (uint32_t j = 0; j < made->view.items; j++)
            left += is_excluded(kind, &made->list, c, request.item, j) ? 0 : free_q[j];
        assert_true((sum > 0) == (left > 0));
        for (uint32_t j = 0; j < made->view.items && left > 0; j++) {
            const double wanted = is_excluded(kind, &made->list, c, request.item, j) ? 0 : free_q[j] / left;
            assert_true(fabs(q[j] - wanted) <= 1e-6 * wanted);
        }
    }
    tried->free(free_state);
}

static void exclusion_keeps_the_proportions_of_the_others(void **unused)
{
    (void)unused;
    for_each_sampler(excluded_one);
}

static void popularity_of_exponent_0_is_uniform(void **unused)
{
    (void)unused;
    sampling_problem *made = sampling_problem_make(60);
    made->params.popularity_exponent = 0;
    for (size_t kind = 0; kind < LENGTH(exclusions); kind++) {
        sampler_state *state = sampling_start(made, sampler_find("popularity"), exclusions[kind]);
        sampler_state *even = sampling_start(made, sampler_find("uniform"), exclusions[kind]);
        for (uint32_t c = 0; c < SAMPLING_CONTEXTS; c++) {
            const draw_request request = sampling_request(made, c, false, 1);
            for (uint32_t j = 0; j < made->view.items; j++) {
                const double one = sampler_find("popularity")->probability(state, &made->view, &request, j);
                const double other = sampler_find("uniform")->probability(even, &made->view, &request, j);
                assert_true(fabs(one - other) < 1e-7);
            }
        }
        frequencies_one(made, sampler_find("popularity"), state, exclusions[kind]);
        sampler_find("popularity")->free(state);
        sampler_find("uniform")->free(even);
    }
    sampling_problem_free(made);
}

static void popularity_is_counts_to_the_power(void **unused)
{
    (void)unused;
    static const double exponents[] = {1, 0.75, 0.3, -0.5};
    sampling_problem *made = sampling_problem_make(60);
    const sampler *tried = sampler_find("popularity");
    for (size_t at = 0; at < LENGTH(exponents); at++) {
        made->params.popularity_exponent = exponents[at];
        sampler_state *state = sampling_start(made, tried, EXCLUDE_NOTHING);
        double sum = 0;
        for (uint32_t j = 0; j < 60; j++)
            sum += made->list.item_counts[j] > 0 ? pow(made->list.item_counts[j], exponents[at]) : 0;
        const draw_request request = sampling_request(made, 0, false, 1);
        for (uint32_t j = 0; j < 60; j++) {
            const double wanted = made->list.item_counts[j] > 0 ? pow(made->list.item_counts[j], exponents[at]) : 0;
            assert_true(fabs(tried->probability(state, &made->view, &request, j) - wanted / sum) < 1e-14);
        }
        tried->free(state);
    }
    memset(made->list.item_counts, 0, 60 * sizeof *made->list.item_counts);
    sampler_state *state = NULL;
    assert_int_equal(tried->create(&made->context, &made->params, EXCLUDE_HISTORY, &made->view, &state),
                     TOPN_ERROR_OPTION);
    assert_null(state);
    assert_non_null(strstr(made->context.message, "popularity-exponent"));
    sampling_problem_free(made);
}

/* A context that took what weighs most: draws are made exactly, at once or after many refusals, and items without
 * positives among what is left are still not drawn. */
static void heavy_histories_are_drawn_around(void **unused)
{
    static const uint32_t weights[] = {2000, 25}; /* of an item taken; of others 0 to 4 */
    (void)unused;
    for (size_t at = 0; at < LENGTH(weights); at++) {
        sampling_problem *made = sampling_problem_make(60);
        const sampler *tried = sampler_find("popularity");
        made->params.popularity_exponent = 1;
        for (uint32_t j = 0; j < 60; j++)
            made->list.item_counts[j] =
                is_excluded(EXCLUDE_HISTORY, &made->list, 0, UINT32_MAX, j) ? weights[at] : j * 7 % 5;
        sampler_state *state = sampling_start(made, tried, EXCLUDE_HISTORY);
        frequencies_one(made, tried, state, EXCLUDE_HISTORY);
        excluded_one(made, tried, state, EXCLUDE_HISTORY);
        tried->free(state);
        sampling_problem_free(made);
    }
}

static void alias_cells_add_up_to_the_weights(void **unused)
{
    (void)unused;
    static const uint32_t counts[] = {1, 2, 3, 10, 1000, 30000};
    topn_context context = {.threads = 1};
    for (size_t at = 0; at < LENGTH(counts); at++)
        for (uint64_t shape = 0; shape < 4; shape++) {
            const uint32_t count = counts[at];
            double *weights = test_calloc(count, sizeof *weights), *got = test_calloc(count, sizeof *got), sum = 0;
            for (uint32_t n = 0; n < count; n++) {
                const double u = random_uniform(shape, RANDOM_SAMPLES, n);
                weights[n] = shape == 0 ? 1 : shape == 1 ? u : shape == 2 ? (n == 0 || u < 0.1) : pow(u, -1.5);
                sum += weights[n];
            }
            alias_table table;
            assert_int_equal(alias_table_create(&context, weights, count, &table), TOPN_OK);
            for (uint32_t n = 0; n < count; n++) {
                assert_true(table.cells[n].own >= 0 && table.cells[n].own <= 1 && table.cells[n].alias < count);
                got[n] += table.cells[n].own / count;
                got[table.cells[n].alias] += (1 - table.cells[n].own) / count;
            }
            for (uint32_t n = 0; n < count; n++) {
                assert_true(fabs(got[n] - weights[n] / sum) < 1e-12);
                assert_true(weights[n] > 0 || got[n] == 0);
            }
            alias_table_clear(&table);
            test_free(weights);
            test_free(got);
        }
}

static void gaps_and_ranks_are_what_is_not_refused(void **unused)
{
    (void)unused;
    for (size_t at = 0; at < LENGTH(catalogues); at++) {
        sampling_problem *made = sampling_problem_make(catalogues[at]);
        const uint32_t items = catalogues[at];
        for (size_t kind = 0; kind < LENGTH(exclusions); kind++)
            for (uint32_t c = 0; c < SAMPLING_CONTEXTS; c++)
                for (uint32_t item = 0; item < items; item++) {
                    const refused_items refused = refused_for(exclusions[kind], &made->list, c, item);
                    gap_walk walk = {.refused = &refused, .items = items};
                    uint32_t rank = 0, begin = 0, end = 0;
                    for (uint32_t j = 0; j < items; j++) {
                        const bool excluded = is_excluded(exclusions[kind], &made->list, c, item, j);
                        assert_int_equal(refuses(&refused, j), excluded);
                        if (excluded)
                            continue;
                        assert_int_equal(allowed_item(&refused, rank++), j);
                        if (j >= end)
                            assert_true(next_gap(&walk, &begin, &end));
                        assert_true(begin <= j && j < end);
                    }
                    assert_int_equal(rank, items - refused_count(&refused));
                    assert_false(next_gap(&walk, &begin, &end));
                }
        sampling_problem_free(made);
    }
}

/* Of a request with φ, only what it names and its source count. */
static void order_one(sampling_problem *made, const sampler *tried, const sampler_state *state, exclusion kind)
{
    enum { EXAMPLES = 64, COUNT = 7 };
    static uint32_t items[EXAMPLES][COUNT], again[EXAMPLES][COUNT];
    static double log_counts[EXAMPLES][COUNT], log_again[EXAMPLES][COUNT];
    (void)kind;
    memset(items, 0, sizeof items);
    memset(again, 0, sizeof again);
    for (uint32_t n = 0; n < EXAMPLES; n++) {
        const draw_request request = sampling_request(made, n % SAMPLING_CONTEXTS, false, COUNT);
        sampling_draw(made, tried, state, &request, n, items[n], log_counts[n]);
    }
#pragma omp parallel for num_threads(3) schedule(dynamic)
    for (uint32_t back = 0; back < EXAMPLES; back++) {
        const uint32_t n = EXAMPLES - 1 - back;
        const draw_request request = sampling_request(made, n % SAMPLING_CONTEXTS, false, COUNT);
        draw_source source = draw_source_of(made->context.seed, n);
        draw_result result = {.items = again[n], .log_counts = log_again[n]};
        const size_t bytes = tried->scratch_bytes != NULL ? tried->scratch_bytes(state, COUNT) : 0;
        void *scratch = malloc(bytes + 1);
        tried->draw(state, &made->view, &request, &source, scratch, &result);
        free(scratch);
    }
    assert_memory_equal(items, again, sizeof items);
    assert_memory_equal(log_counts, log_again, sizeof log_counts);
}

/* From one source, a negative of each example in turn; examples that have nothing left, too. */
static void uniform_draws_together_are_those_one_by_one(void **unused)
{
    uint32_t items[SAMPLING_CONTEXTS], alone;
    double log_counts[SAMPLING_CONTEXTS], log_count;
    draw_request requests[SAMPLING_CONTEXTS];
    draw_result results[SAMPLING_CONTEXTS];
    (void)unused;
    sampling_problem *made = sampling_problem_make(40);
    const sampler *tried = sampler_find("uniform");
    for (size_t kind = 0; kind < LENGTH(exclusions); kind++) {
        sampler_state *state = sampling_start(made, tried, exclusions[kind]);
        draw_source source = draw_source_of(3, 8), again = source;
        for (uint32_t round = 0; round < 100; round++) {
            for (uint32_t c = 0; c < SAMPLING_CONTEXTS; c++) {
                requests[c] = sampling_request(made, c, round % 2, 1);
                if (round % 3 == 0) { /* none of the pairs */
                    requests[c].item = (requests[c].item + 1) % 40;
                    requests[c].pair = UINT64_MAX;
                }
                results[c] = (draw_result){.items = &items[c], .log_counts = &log_counts[c]};
            }
            tried->draw_together(state, &made->view, requests, SAMPLING_CONTEXTS, &source, NULL, results);
            for (uint32_t c = 0; c < SAMPLING_CONTEXTS; c++) {
                draw_result wanted = {.items = &alone, .log_counts = &log_count};
                tried->draw(state, &made->view, &requests[c], &again, NULL, &wanted);
                assert_int_equal(results[c].found, wanted.found);
                assert_int_equal(results[c].rounds, wanted.rounds);
                if (wanted.found) {
                    assert_int_equal(items[c], alone);
                    assert_true(log_counts[c] == log_count);
                }
            }
        }
        tried->free(state);
    }
    sampling_problem_free(made);
}

static void draws_depend_on_their_source_alone(void **unused)
{
    (void)unused;
    for_each_sampler(order_one);
}

static void shared_draws_follow_their_probabilities(void **unused)
{
    enum { DRAWS = 40000, COUNT = 40 };
    static uint32_t items[COUNT];
    static double log_counts[COUNT], q[SAMPLING_MOST];
    static uint64_t counts[SAMPLING_MOST];
    (void)unused;
    for (size_t row = 0; sampler_at(row) != NULL; row++) {
        const sampler *tried = sampler_at(row);
        sampling_problem *made = sampling_problem_make(60);
        strcpy(made->mixture, "uniform:1,popularity:3"); /* shares of 40 draws without rounding */
        const sampler_traits traits = sampler_traits_of(tried, &made->params);
        if (!traits.shareable || traits.shared_only) {
            sampling_problem_free(made);
            continue;
        }
        sampler_state *state = sampling_start(made, tried, EXCLUDE_HISTORY); /* the loss's business here */
        double sum = 0;
        for (uint32_t j = 0; j < 60; j++)
            sum += q[j] = tried->shared_probability(state, &made->view, j);
        assert_true(fabs(sum - 1) < 1e-12);
        memset(counts, 0, sizeof counts);
        for (uint64_t batch = 0; batch < DRAWS / COUNT; batch++) {
            draw_source source = draw_source_of(9, batch);
            uint32_t found = 0;
            tried->draw_shared(state, &made->view, NULL, 0, &source, COUNT, items, log_counts, &found);
            assert_int_equal(found, COUNT);
            for (uint32_t n = 0; n < COUNT; n++) {
                counts[items[n]]++;
                assert_true(fabs(log_counts[n] - log(COUNT * q[items[n]])) < 1e-9);
            }
        }
        assert_frequencies(tried->name, 60, q, counts, DRAWS);
        tried->free(state);
        sampling_problem_free(made);
    }
}

/* Σ over what may be drawn of (expected number of draws) × exp(score)/(m q) is the partition itself, whatever q is
 * (P2 §4.3): by enumeration. Where q is the softmax of the negatives, each draw by itself gives it. */
static void sampled_partitions_are_unbiased(void **unused)
{
    enum { COUNT = 6 };
    uint32_t items[COUNT];
    double log_counts[COUNT];
    (void)unused;
    sampling_problem *made = sampling_problem_make(60);
    made->params.popularity_exponent = 0.5;
    const sampler *tried = sampler_find("popularity");
    sampler_state *state = sampling_start(made, tried, EXCLUDE_POSITIVE);
    for (uint32_t c = 0; c < SAMPLING_CONTEXTS; c++) {
        const draw_request request = sampling_request(made, c, false, COUNT);
        double partition = 0;
        for (uint32_t j = 0; j < 60; j++) /* scores ln |C_j|^½, of which q is the softmax */
            partition += j == request.item ? 0 : sqrt(made->list.item_counts[j]);
        for (uint64_t example = 0; example < 20; example++) {
            sampling_draw(made, tried, state, &request, example, items, log_counts);
            double sampled = 0;
            for (uint32_t n = 0; n < COUNT; n++)
                sampled += exp(0.5 * log(made->list.item_counts[items[n]]) - log_counts[n]);
            assert_true(fabs(sampled - partition) < 1e-9 * partition);
        }
    }
    tried->free(state);
    sampling_problem_free(made);
}

static void failing_allocations_leak_nothing(void **unused)
{
    (void)unused;
    sampling_problem *made = sampling_problem_make(20);
    for (size_t row = 0; sampler_at(row) != NULL; row++) {
        const sampler *tried = sampler_at(row);
        topn_status status = TOPN_ERROR_MEMORY;
        for (uint64_t nth = 1; status != TOPN_OK; nth++) {
            sampler_state *state = NULL;
            memory_fail_after(nth);
            status = tried->create(&made->context, &made->params, EXCLUDE_HISTORY, &made->view, &state);
            memory_fail_after(0);
            assert_true(status == TOPN_OK || (status == TOPN_ERROR_MEMORY && state == NULL));
            tried->free(state);
        }
    }
    sampling_problem_free(made);
}

static void words_are_those_of_the_stream(void **unused)
{
    uint32_t words[8];
    (void)unused;
    random_block(11, RANDOM_NEGATIVES, UINT64_C(77) << 20, words);
    random_block(11, RANDOM_NEGATIVES, (UINT64_C(77) << 20) + 1, words + 4);
    draw_source source = draw_source_of(11, 77);
    for (int n = 0; n < 8; n++)
        assert_int_equal(draw_word(&source), words[n]);
    for (int n = 0; n < 1000; n++) {
        assert_true(draw_below(&source, 3) < 3);
        assert_int_equal(draw_below(&source, 1), 0);
        const double u = draw_uniform(&source);
        assert_true(u >= 0 && u < 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frequencies_follow_probabilities),
        cmocka_unit_test(exclusion_keeps_the_proportions_of_the_others),
        cmocka_unit_test(popularity_of_exponent_0_is_uniform),
        cmocka_unit_test(popularity_is_counts_to_the_power),
        cmocka_unit_test(heavy_histories_are_drawn_around),
        cmocka_unit_test(alias_cells_add_up_to_the_weights),
        cmocka_unit_test(gaps_and_ranks_are_what_is_not_refused),
        cmocka_unit_test(uniform_draws_together_are_those_one_by_one),
        cmocka_unit_test(draws_depend_on_their_source_alone),
        cmocka_unit_test(shared_draws_follow_their_probabilities),
        cmocka_unit_test(sampled_partitions_are_unbiased),
        cmocka_unit_test(failing_allocations_leak_nothing),
        cmocka_unit_test(words_are_those_of_the_stream),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
