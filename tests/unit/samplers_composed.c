/* SPDX-License-Identifier: Apache-2.0
 *
 * Samplers that are made of others or draw for whole batches: two-pass, mixture, in-batch, all, disliked.
 */
#include "train/sampled/item_scores.h"
#include "unit/sampler_fixture.h"

static const exclusion exclusions[] = {EXCLUDE_NOTHING, EXCLUDE_POSITIVE, EXCLUDE_HISTORY};
enum { EXCLUSIONS = 3, ITEMS = 60, MOST = 200 };

/* Rows and φ of small whole numbers: scores are exact, and many are equal. */
static sampling_problem *whole_problem(uint32_t items)
{
    sampling_problem *made = sampling_problem_make(items);
    for (size_t at = 0; at < items * made->view.item_stride; at++)
        made->rows[at] = rintf(2 * made->rows[at]);
    for (size_t at = 0; at < sizeof made->phi / sizeof *made->phi; at++)
        made->phi[at] = rintf(2 * made->phi[at]);
    return made;
}

static double score_of(const sampling_problem *made, uint32_t c, uint32_t j)
{
    double sum = 0;
    const size_t stride = made->view.item_stride;
    for (size_t k = 0; k < stride; k++)
        sum += (double)made->phi[c * stride + k] * (double)made->rows[j * stride + k];
    return sum;
}

/* The best `most` of those marked, by score and then by lower item; returns how many. Marks are used up. */
static uint32_t sorted(const sampling_problem *made, uint32_t c, bool *marked, uint32_t most, uint32_t *out)
{
    for (uint32_t found = 0;; found++) {
        uint32_t best = UINT32_MAX;
        for (uint32_t j = 0; j < made->view.items; j++)
            if (marked[j] && (best == UINT32_MAX || score_of(made, c, j) > score_of(made, c, best)))
                best = j;
        if (found == most || best == UINT32_MAX)
            return found;
        marked[best] = false;
        out[found] = best;
    }
}

static void assert_hardest(const sampling_problem *made, exclusion kind, const draw_request *request, bool *marked,
                           const draw_result *got)
{
    uint32_t wanted[MOST];
    for (uint32_t j = 0; j < made->view.items; j++)
        marked[j] = marked[j] && !is_excluded(kind, &made->list, request->context, request->item, j);
    assert_int_equal(got->found, sorted(made, request->context, marked, request->count, wanted));
    for (uint32_t n = 0; n < got->found; n++) {
        assert_int_equal(got->items[n], wanted[n]);
        assert_true(got->log_counts[n] == 0);
    }
}

static void two_passes_over_all_items_give_the_hardest(void **unused)
{
    static const uint32_t catalogues[] = {1, 2, ITEMS, 1300}, counts[] = {1, 5, MOST};
    uint32_t items[MOST];
    double log_counts[MOST];
    (void)unused;
    for (size_t at = 0; at < 4 * EXCLUSIONS * 3; at++) {
        sampling_problem *made = whole_problem(catalogues[at % 4]);
        const exclusion kind = exclusions[at / 4 % EXCLUSIONS];
        bool *marked = test_calloc(made->view.items, sizeof *marked);
        made->params.candidates = at % 2 == 0 ? 0 : made->view.items + 3;
        sampler_state *state = sampling_start(made, sampler_find("two-pass"), kind);
        for (uint32_t c = 0; c < SAMPLING_CONTEXTS; c++) {
            const draw_request request = sampling_request(made, c, false, counts[at / 12]);
            const draw_result got =
                sampling_draw(made, sampler_find("two-pass"), state, &request, c, items, log_counts);
            memset(marked, true, made->view.items);
            assert_hardest(made, kind, &request, marked, &got);
        }
        sampler_find("two-pass")->free(state);
        test_free(marked);
        sampling_problem_free(made);
    }
}

/* The candidates are those that the first sampler draws from the same source. */
static void two_passes_keep_the_best_candidates(void **unused)
{
    static const char *const from[] = {"uniform", "popularity", "mixture"};
    enum { M = 40, COUNT = 6 };
    uint32_t items[COUNT], candidates[M];
    double log_counts[COUNT], more[M];
    bool marked[ITEMS];
    (void)unused;
    for (size_t at = 0; at < 3 * EXCLUSIONS; at++) {
        sampling_problem *made = whole_problem(ITEMS);
        const exclusion kind = exclusions[at % EXCLUSIONS];
        made->params.candidates = M;
        strcpy(made->from, from[at / EXCLUSIONS]);
        const sampler *tried = sampler_find("two-pass"), *first = sampler_find(made->from);
        sampler_state *state = sampling_start(made, tried, kind), *first_state = sampling_start(made, first, kind);
        for (uint32_t example = 0; example < 40; example++) {
            const draw_request request = sampling_request(made, example % SAMPLING_CONTEXTS, example % 3, COUNT);
            draw_request all = request;
            all.count = M;
            const draw_result drawn = sampling_draw(made, first, first_state, &all, example, candidates, more);
            const draw_result got = sampling_draw(made, tried, state, &request, example, items, log_counts);
            assert_int_equal(got.rounds, drawn.rounds);
            assert_int_equal(got.rejected, drawn.rejected);
            memset(marked, false, sizeof marked);
            for (uint32_t n = 0; n < drawn.found; n++)
                marked[candidates[n]] = true;
            assert_hardest(made, kind, &request, marked, &got);
        }
        first->free(first_state);
        tried->free(state);
        sampling_problem_free(made);
    }
}

/* Examples together see the same candidates, each less what it refuses. */
static void together_candidates_are_shared(void **unused)
{
    enum { M = 30, COUNT = 6 };
    static const int64_t sizes[] = {0, M};
    uint32_t items[SAMPLING_CONTEXTS][COUNT], candidates[M];
    double log_counts[SAMPLING_CONTEXTS][COUNT], more[M];
    bool marked[ITEMS];
    (void)unused;
    for (size_t at = 0; at < 2 * EXCLUSIONS; at++) {
        sampling_problem *made = whole_problem(ITEMS);
        const exclusion kind = exclusions[at / 2];
        const sampler *tried = sampler_find("two-pass"), *first = sampler_find("popularity");
        made->params.candidates = sizes[at % 2];
        made->params.shared_candidates = true;
        sampler_state *state = sampling_start(made, tried, kind), *first_state = sampling_start(made, first, kind);
        draw_request requests[SAMPLING_CONTEXTS];
        draw_result results[SAMPLING_CONTEXTS];
        for (uint32_t c = 0; c < SAMPLING_CONTEXTS; c++) {
            requests[c] = sampling_request(made, c, false, COUNT);
            results[c] = (draw_result){.items = items[c], .log_counts = log_counts[c]};
        }
        uint32_t found = 0;
        draw_source source = draw_source_of(3, 8), again = source;
        first->draw_shared(first_state, &made->view, NULL, 0, &again, M, candidates, more, &found);
        void *scratch = test_malloc(tried->scratch_bytes(state, COUNT));
        tried->draw_together(state, &made->view, requests, SAMPLING_CONTEXTS, &source, scratch, results);
        test_free(scratch);
        for (uint32_t c = 0; c < SAMPLING_CONTEXTS; c++) {
            memset(marked, made->params.candidates == 0, sizeof marked);
            for (uint32_t n = 0; n < found && made->params.candidates > 0; n++)
                marked[candidates[n]] = true;
            assert_hardest(made, kind, &requests[c], marked, &results[c]);
        }
        first->free(first_state);
        tried->free(state);
        sampling_problem_free(made);
    }
}

/* Not shared, each has candidates of its own, one after the other from the one source. */
static void together_candidates_may_be_their_own(void **unused)
{
    enum { COUNT = 6 };
    uint32_t items[SAMPLING_CONTEXTS][COUNT], alone[COUNT];
    double log_counts[SAMPLING_CONTEXTS][COUNT], more[COUNT];
    draw_request requests[SAMPLING_CONTEXTS];
    draw_result results[SAMPLING_CONTEXTS];
    (void)unused;
    sampling_problem *made = whole_problem(ITEMS);
    const sampler *tried = sampler_find("two-pass");
    sampler_state *state = sampling_start(made, tried, EXCLUDE_HISTORY);
    void *scratch = test_malloc(tried->scratch_bytes(state, COUNT));
    draw_source source = draw_source_of(3, 8), again = source;
    for (uint32_t c = 0; c < SAMPLING_CONTEXTS; c++) {
        requests[c] = sampling_request(made, c, false, COUNT);
        results[c] = (draw_result){.items = items[c], .log_counts = log_counts[c]};
    }
    tried->draw_together(state, &made->view, requests, SAMPLING_CONTEXTS, &source, scratch, results);
    for (uint32_t c = 0; c < SAMPLING_CONTEXTS; c++) {
        draw_result wanted = {.items = alone, .log_counts = more};
        tried->draw(state, &made->view, &requests[c], &again, scratch, &wanted);
        assert_int_equal(results[c].found, wanted.found);
        assert_memory_equal(items[c], alone, wanted.found * sizeof *alone);
    }
    test_free(scratch);
    tried->free(state);
    sampling_problem_free(made);
}

static void scores_of_no_number_are_never_kept(void **unused)
{
    uint32_t items[ITEMS];
    double log_counts[ITEMS];
    (void)unused;
    sampling_problem *made = whole_problem(ITEMS);
    const sampler *tried = sampler_find("two-pass");
    made->params.candidates = 0;
    sampler_state *state = sampling_start(made, tried, EXCLUDE_NOTHING);
    for (uint32_t j = 0; j < ITEMS; j += 2)
        made->rows[j * made->view.item_stride] = NAN;
    const draw_request request = sampling_request(made, 0, false, ITEMS);
    const draw_result got = sampling_draw(made, tried, state, &request, 0, items, log_counts);
    assert_int_equal(got.found, ITEMS / 2);
    for (uint32_t n = 0; n < got.found; n++)
        assert_int_equal(items[n] % 2, 1);
    tried->free(state);
    sampling_problem_free(made);
}

/* q = Σ w q, over the parts that have something for the context. */
static void a_mixture_is_the_sum_of_its_parts(void **unused)
{
    static const char *const names[] = {"uniform", "popularity", "disliked"};
    static const double weights[] = {0.5, 0.25, 0.25};
    (void)unused;
    for (size_t at = 0; at < EXCLUSIONS; at++) {
        sampling_problem *made = sampling_problem_make(ITEMS);
        sampler_state *state = sampling_start(made, sampler_find("mixture"), exclusions[at]), *parts[3];
        int without = 0;
        for (int k = 0; k < 3; k++)
            parts[k] = sampling_start(made, sampler_find(names[k]), exclusions[at]);
        for (uint32_t c = 0; c < SAMPLING_CONTEXTS; c++) {
            const draw_request request = sampling_request(made, c, false, 1);
            double here = 0, q[ITEMS] = {0};
            for (int k = 0; k < 3; k++) {
                const sampler *part = sampler_find(names[k]);
                const bool empty = part->is_empty(parts[k], &made->view, &request);
                here += empty ? 0 : weights[k];
                without += empty;
                for (uint32_t j = 0; j < ITEMS && !empty; j++)
                    q[j] += weights[k] * part->probability(parts[k], &made->view, &request, j);
            }
            for (uint32_t j = 0; j < ITEMS; j++) {
                const double got = sampler_find("mixture")->probability(state, &made->view, &request, j);
                assert_true(fabs(got - (here > 0 ? q[j] / here : 0)) < 1e-14);
            }
        }
        assert_true(without > 0);
        for (int k = 0; k < 3; k++)
            sampler_find(names[k])->free(parts[k]);
        sampler_find("mixture")->free(state);
        sampling_problem_free(made);
    }
}

/* A batch of `count` positives of the problem, the first of them a dislike. */
static void fill_batch(const sampling_problem *made, uint32_t count, positive *out)
{
    for (uint32_t e = 0; e < count; e++)
        out[e] = (positive){.item = made->list.taken.indices[e * 7 % 20], .disliked = e == 0};
}

static void batches_draw_their_own_positives(void **unused)
{
    enum { BATCH = 12 };
    positive batch[BATCH];
    uint32_t items[BATCH], found;
    double log_counts[BATCH], all = 0;
    (void)unused;
    sampling_problem *made = sampling_problem_make(ITEMS);
    const sampler *tried = sampler_find("in-batch");
    sampler_state *state = sampling_start(made, tried, EXCLUDE_HISTORY);
    fill_batch(made, BATCH, batch);
    for (uint32_t j = 0; j < ITEMS; j++)
        all += made->list.item_counts[j];
    tried->draw_shared(state, &made->view, batch, BATCH, NULL, BATCH, items, log_counts, &found);
    assert_int_equal(found, BATCH - 1);
    for (uint32_t n = 0; n < found; n++) {
        assert_int_equal(items[n], batch[n + 1].item);
        assert_true(fabs(exp(log_counts[n]) - found * made->list.item_counts[items[n]] / all) < 1e-12);
    }
    tried->draw_shared(state, &made->view, batch, BATCH, NULL, 4, items, log_counts, &found);
    assert_int_equal(found, 4);
    tried->free(state);
    sampling_problem_free(made);
}

static void all_is_every_item_once(void **unused)
{
    uint32_t items[ITEMS + 1], found;
    double log_counts[ITEMS + 1];
    (void)unused;
    sampling_problem *made = sampling_problem_make(ITEMS);
    sampler_state *state = sampling_start(made, sampler_find("all"), EXCLUDE_HISTORY);
    sampler_find("all")->draw_shared(state, &made->view, NULL, 0, NULL, ITEMS + 1, items, log_counts, &found);
    assert_int_equal(found, ITEMS);
    for (uint32_t j = 0; j < ITEMS; j++) {
        assert_int_equal(items[j], j);
        assert_true(log_counts[j] == 0);
    }
    sampler_find("all")->free(state);
    sampling_problem_free(made);
}

/* Parts in fixed shares; an item is expected as often as all parts together draw it. */
static void shared_mixtures_count_all_parts(void **unused)
{
    enum { BATCH = 12, COUNT = 21, BATCHES = 3000 };
    positive batch[BATCH];
    uint32_t items[COUNT], found;
    double log_counts[COUNT], all = 0, expected[ITEMS] = {0};
    uint64_t counts[ITEMS] = {0}, draws = 0;
    (void)unused;
    sampling_problem *made = sampling_problem_make(ITEMS);
    strcpy(made->mixture, "in-batch:3,uniform:2,popularity:2");
    const sampler *tried = sampler_find("mixture"), *popular = sampler_find("popularity");
    sampler_state *state = sampling_start(made, tried, EXCLUDE_HISTORY),
                  *popular_state = sampling_start(made, popular, EXCLUDE_HISTORY);
    for (uint32_t j = 0; j < ITEMS; j++)
        all += made->list.item_counts[j];
    fill_batch(made, BATCH, batch);
    for (uint64_t number = 0; number < BATCHES; number++) {
        draw_source source = draw_source_of(1, number);
        tried->draw_shared(state, &made->view, batch, BATCH, &source, COUNT, items, log_counts, &found);
        assert_int_equal(found, COUNT);
        for (uint32_t n = 0; n < COUNT; n++) {
            const double in_batch = made->list.item_counts[items[n]] / all,
                         popularity = popular->shared_probability(popular_state, &made->view, items[n]);
            assert_true(fabs(exp(log_counts[n]) - (9 * in_batch + 6.0 / ITEMS + 6 * popularity)) < 1e-12);
            if (n < 9) {
                assert_int_equal(items[n], batch[n + 1].item);
            } else {
                counts[items[n]]++;
                draws++;
            }
        }
    }
    for (uint32_t j = 0; j < ITEMS; j++)
        expected[j] = 0.5 / ITEMS + 0.5 * popular->shared_probability(popular_state, &made->view, j);
    assert_frequencies("uniform and popularity of a shared mixture", ITEMS, expected, counts, draws);
    popular->free(popular_state);
    tried->free(state);
    sampling_problem_free(made);
}

static void wrong_options_say_what_would_be_right(void **unused)
{
    static const struct {
        const char *sampler, *mixture, *from, *part, *right;
    } wrong[] = {
        {"mixture", "", "uniform", "mixture", "uniform:0.5,popularity:0.5"},
        {"mixture", "uniform", "uniform", "\"uniform\"", "name:weight"},
        {"mixture", "uniform:0.5,:1", "uniform", "\":1\"", "name:weight"},
        {"mixture", "uniform:0.5,", "uniform", "\"\"", "name:weight"},
        {"mixture", "uniform:0.5,popularity:0", "uniform", "\"0\"", "above 0"},
        {"mixture", "uniform:0.5,popularity:1x", "uniform", "\"1x\"", "above 0"},
        {"mixture", "uniform:0.5,popularity:-1", "uniform", "popularity:-1", "name:weight"},
        {"mixture", "uniform:1e999", "uniform", "1e999", "above 0"},
        {"mixture", "unifrom:1", "uniform", "unifrom", "uniform"},
        {"mixture", "uniform:1,uniform:2", "uniform", "uniform is there twice", "once"},
        {"mixture", "uniform:1,mixture:2", "uniform", "mixture can be no part", "uniform"},
        {"mixture", "uniform:1,two-pass:2", "uniform", "two-pass can be no part", "uniform"},
        {"mixture", "uniform:1,all:2", "uniform", "all can be no part", "uniform"},
        {"mixture", "in-batch:1,disliked:2", "uniform", "in-batch", "take one of them"},
        {"two-pass", "uniform:1", "unifrom", "candidates-from", "uniform"},
        {"two-pass", "uniform:1", "two-pass", "two-pass", "popularity"},
        {"two-pass", "uniform:1", "warp", "warp", "popularity"},
        {"two-pass", "uniform:1", "in-batch", "in-batch", "popularity"},
        {"two-pass", "in-batch:1,uniform:1", "mixture", "mixture", "popularity"},
        {"two-pass", "adaptive:1,uniform:1", "mixture", "--shared-candidates", "popularity"},
    };
    (void)unused;
    sampling_problem *made = sampling_problem_make(ITEMS);
    for (size_t at = 0; at < sizeof wrong / sizeof *wrong; at++) {
        const sampler *tried = sampler_find(wrong[at].sampler);
        strcpy(made->mixture, wrong[at].mixture);
        strcpy(made->from, wrong[at].from);
        made->params.shared_candidates = strcmp(wrong[at].part, "--shared-candidates") == 0;
        const topn_status status = tried->check(&made->context, &made->params, ITEMS);
        const char *said = made->context.message;
        if (status != TOPN_ERROR_OPTION || !strstr(said, wrong[at].part) || !strstr(said, wrong[at].right))
            fail_msg("%s of %s, %s: %s", wrong[at].sampler, wrong[at].mixture, wrong[at].from, said);
    }
    made->list.dislikes.indptr[SAMPLING_CONTEXTS] = 0;
    uint64_t *starts = made->list.dislikes.indptr;
    made->list.dislikes.indptr = NULL;
    sampler_state *state = NULL;
    assert_int_equal(
        sampler_find("disliked")->create(&made->context, &made->params, EXCLUDE_HISTORY, &made->view, &state),
        TOPN_ERROR_DATA);
    assert_null(state);
    assert_non_null(strstr(made->context.message, "--dislike-below"));
    made->list.dislikes.indptr = starts;
    sampling_problem_free(made);
}

static void traits_are_those_of_the_parts(void **unused)
{
    static const struct {
        const char *sampler, *mixture, *from;
        int64_t candidates;
        bool needs_model, live, shared_only, shareable;
    } cases[] = {
        {"uniform", "", "", 0, false, true, false, true},
        {"in-batch", "", "", 0, false, true, true, true},
        {"mixture", "uniform:1,popularity:1", "", 0, false, true, false, true},
        {"mixture", "uniform:1,disliked:1", "", 0, false, true, false, false},
        {"mixture", "uniform:1,in-batch:1", "", 0, false, true, true, true},
        {"mixture", "uniform:1,adaptive:1", "", 0, true, false, false, false},
        {"two-pass", "", "uniform", 5, true, true, false, false},
        {"two-pass", "adaptive:1", "mixture", 5, true, false, false, false},
    };
    (void)unused;
    for (size_t at = 0; at < sizeof cases / sizeof *cases; at++) {
        char mixture[64], from[16];
        const sampler_params params = {.mixture = strcpy(mixture, cases[at].mixture),
                                       .candidates_from = strcpy(from, cases[at].from),
                                       .candidates = cases[at].candidates};
        const sampler_traits got = sampler_traits_of(sampler_find(cases[at].sampler), &params);
        assert_int_equal(got.needs_model, cases[at].needs_model);
        assert_int_equal(got.live, cases[at].live);
        assert_int_equal(got.shared_only, cases[at].shared_only);
        assert_int_equal(got.shareable, cases[at].shareable);
        assert_false(got.needs_scores);
    }
}

/* Without I_c (and without any list), only the positive is refused; of windows each item's list is itself. */
static void lists_may_be_missing(void **unused)
{
    (void)unused;
    sampling_problem *made = sampling_problem_make(ITEMS);
    uint64_t *starts = made->list.taken.indptr;
    for (int kind = 0; kind < 2; kind++) {
        made->list.taken.indptr = kind == 0 ? NULL : starts;
        made->list.taken.rows = kind == 0 ? SAMPLING_CONTEXTS : 0;
        for (uint32_t j = 0; j < 9; j++)
            assert_int_equal(is_excluded(EXCLUDE_HISTORY, &made->list, 3, 5, j), j == 5);
    }
    made->list.taken.rows = SAMPLING_CONTEXTS;
    sampling_problem_free(made);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_passes_over_all_items_give_the_hardest),
        cmocka_unit_test(two_passes_keep_the_best_candidates),
        cmocka_unit_test(together_candidates_are_shared),
        cmocka_unit_test(together_candidates_may_be_their_own),
        cmocka_unit_test(scores_of_no_number_are_never_kept),
        cmocka_unit_test(a_mixture_is_the_sum_of_its_parts),
        cmocka_unit_test(batches_draw_their_own_positives),
        cmocka_unit_test(all_is_every_item_once),
        cmocka_unit_test(shared_mixtures_count_all_parts),
        cmocka_unit_test(wrong_options_say_what_would_be_right),
        cmocka_unit_test(traits_are_those_of_the_parts),
        cmocka_unit_test(lists_may_be_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
