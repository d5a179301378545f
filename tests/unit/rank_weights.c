/* SPDX-License-Identifier: Apache-2.0 */
#include "train/sampled/rank_weight.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "evaluate/metric.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* γ(r) = Σ_{k=1..r} a_k of a penalty's terms a_k, for all ranks up to some thousands. */
static void penalties_are_sums_of_their_terms(void **state)
{
    (void)state;
    const rank_setting setting = {.items = 5000, .cutoff = 10};
    double linear = 0, step = 0, reciprocal = 0;
    for (uint32_t rank = 0; rank < 5000; rank++) {
        if (rank > 0) {
            linear += 1.0 / 4999;
            step += rank <= 10 ? 0.1 : 0;
            reciprocal += 1.0 / rank;
        }
        assert_true(rank_weight_find("none")->of(&setting, rank, 3) == 1);
        assert_true(fabs(rank_weight_find("linear")->of(&setting, rank, 3) - linear) < 1e-12);
        assert_true(fabs(rank_weight_find("step")->of(&setting, rank, 3) - step) < 1e-12);
        assert_true(fabs(rank_weight_find("reciprocal")->of(&setting, rank, 3) - reciprocal) < 1e-12);
    }
    assert_true(fabs(linear - 1) < 1e-12); /* the last of all: AUC's worst */
}

/* Finite and not negative at the ends of what there can be. */
static void weights_are_finite_everywhere(void **state)
{
    (void)state;
    static const uint32_t ranks[] = {0, 1, 2, 1000, UINT32_MAX - 1, UINT32_MAX};
    for (size_t which = 0; rank_weight_at(which); which++)
        for (size_t a = 0; a < 6; a++)
            for (size_t b = 0; b < 6; b++)
                for (uint32_t items = 1; items < 3; items++) {
                    const rank_setting setting = {.items = items, .cutoff = 1};
                    const double weight = rank_weight_at(which)->of(&setting, ranks[a], ranks[b]);
                    assert_true(isfinite(weight) && weight >= 0);
                }
}

/* WSABIE's estimate, and what P2 eq. 17 prints in its place (methods.md, E1). */
static void warp_rank_is_that_of_its_definition(void **state)
{
    (void)state;
    for (uint32_t items = 2; items < 60; items++)
        for (uint32_t rounds = 1; rounds <= items; rounds++) {
            uint32_t expected = 0;
            while ((expected + 1) * rounds <= items - 1)
                expected++;
            assert_int_equal(warp_rank(items, rounds), expected);
            assert_int_equal((rounds - 1) / items, 0); /* as printed: 0 for every number of rounds that there can be */
        }
    assert_int_equal(warp_rank(1, 1), 0);
    assert_int_equal(warp_rank(UINT32_MAX, 1), UINT32_MAX - 1);
}

/* With r of n items above the margin, a search takes (n + 1)/(r + 1) rounds without replacement and n/r with it: where
 * rounds are as expected, the estimate is the rank. */
static void warp_rank_finds_the_rank_of_an_expected_search(void **state)
{
    (void)state;
    for (uint32_t rank = 1; rank <= 1000; rank *= 10) {
        const uint32_t items = 1000001;
        assert_int_equal(warp_rank(items, (items - 1) / rank), rank);
    }
}

/* One relevant item among ten, so that the ideal gain is 1: |ΔNDCG| of a swap, by the metric itself. */
static void lambda_is_what_a_swap_changes_in_ndcg(void **state)
{
    (void)state;
    enum { LENGTH = 10 };
    const metric *ndcg = metric_find("ndcg");
    assert_non_null(ndcg);
    for (uint32_t i = 0; i < LENGTH; i++)
        for (uint32_t j = 0; j < LENGTH; j++) {
            uint32_t list[LENGTH] = {0};
            bool before[LENGTH] = {false}, after[LENGTH] = {false};
            before[i] = after[j] = true;
            ranking one = {.list = list, .hits = before, .list_length = LENGTH, .relevant = 1}, other = one;
            other.hits = after;
            const double change = fabs(ndcg->value(&one, LENGTH) - ndcg->value(&other, LENGTH));
            assert_true(fabs(rank_weight_find("lambda")->of(&(rank_setting){LENGTH, 1}, i, j) - change) < 1e-15);
        }
}

/* Several relevant items: the same but for the ideal gain, which all pairs of a context have in common. */
static void lambda_is_the_same_up_to_the_ideal(void **state)
{
    (void)state;
    enum { LENGTH = 12 };
    const metric *ndcg = metric_find("ndcg");
    uint32_t list[LENGTH] = {0};
    bool hits[LENGTH] = {false}, swapped[LENGTH];
    hits[1] = hits[4] = hits[9] = true;
    const double ideal = 1 + 1 / log2(3) + 0.5;
    for (uint32_t i = 0; i < LENGTH; i++)
        for (uint32_t j = 0; j < LENGTH; j++)
            if (hits[i] && !hits[j]) {
                memcpy(swapped, hits, sizeof hits);
                swapped[i] = false, swapped[j] = true;
                ranking one = {.list = list, .hits = hits, .list_length = LENGTH, .relevant = 3}, other = one;
                other.hits = swapped;
                const double change = fabs(ndcg->value(&one, LENGTH) - ndcg->value(&other, LENGTH));
                const double weight = rank_weight_find("lambda")->of(&(rank_setting){LENGTH, 1}, i, j);
                assert_true(fabs(weight - change * ideal) < 1e-14);
            }
}

/* All other items drawn once each: ranks are the true ones, but for ties, which share the better. */
static void ranks_of_a_whole_catalogue_are_exact(void **state)
{
    (void)state;
    enum { COUNT = 101 };
    double scores[COUNT];
    uint32_t ranks[COUNT], rank;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        for (size_t j = 0; j < COUNT; j++)
            scores[j] = (double)random_below(seed, RANDOM_SAMPLES, j, seed % 2 ? 1000000 : 30);
        const double positive = (double)random_below(seed, RANDOM_SAMPLES, COUNT, 30) + 0.5;
        sampled_ranks(positive, scores, COUNT, COUNT, &rank, ranks);
        uint32_t above = 0;
        for (size_t j = 0; j < COUNT; j++) {
            uint32_t better = positive > scores[j];
            for (size_t k = 0; k < COUNT; k++)
                better += scores[k] > scores[j];
            assert_int_equal(ranks[j], better);
            above += scores[j] > positive;
        }
        assert_int_equal(rank, above);
    }
}

/* Of uniform draws: right on average, for the positive and for negatives, up to what whole numbers cut off. */
static void ranks_of_a_sample_are_right_on_average(void **state)
{
    (void)state;
    enum { OTHERS = 2000, COUNT = 8, TRIALS = 20000 };
    const uint32_t truth = 300; /* of the positive; other items score −0, −1, −2, … */
    double sum = 0, missed = 0;
    for (uint64_t trial = 0; trial < TRIALS; trial++) {
        double scores[COUNT];
        uint32_t ranks[COUNT], rank;
        for (uint64_t j = 0; j < COUNT; j++)
            scores[j] = -(double)random_below(11, RANDOM_SAMPLES, trial * COUNT + j, OTHERS);
        sampled_ranks(0.5 - truth, scores, COUNT, OTHERS, &rank, ranks);
        sum += rank;
        for (size_t j = 0; j < COUNT; j++)
            missed += (double)ranks[j] - (-scores[j] + (scores[j] < -(double)truth));
    }
    assert_true(fabs(sum / TRIALS - truth) < 8);              /* standard error 1.8 */
    assert_true(fabs(missed / ((double)TRIALS * COUNT)) < 8); /* a whole number less takes off .5 */
}

static void ranks_stay_within_what_there_is(void **state)
{
    (void)state;
    uint32_t rank, ranks[3];
    const double scores[3] = {-INFINITY, 5, 5};
    sampled_ranks(0, scores, 3, 4, &rank, ranks);
    assert_int_equal(rank, 2); /* 2 of 3, of 4 */
    for (int j = 0; j < 3; j++)
        assert_true(ranks[j] <= 4);
    assert_true(ranks[0] > ranks[1] && ranks[1] == ranks[2]);
    sampled_ranks(9, scores, 3, 0, &rank, ranks);
    assert_true(rank == 0 && ranks[0] == 0 && ranks[1] == 0);
    sampled_ranks(9, NULL, 0, 4, &rank, NULL);
    assert_int_equal(rank, 0);
}

static void lists_name_what_is_there(void **state)
{
    (void)state;
    for (size_t which = 0; rank_weight_at(which); which++)
        assert_int_equal(rank_weight_at(which)->needs_ranks, strcmp(rank_weight_at(which)->name, "none") != 0);
    assert_null(rank_weight_find("cubic"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(penalties_are_sums_of_their_terms),
        cmocka_unit_test(weights_are_finite_everywhere),
        cmocka_unit_test(warp_rank_is_that_of_its_definition),
        cmocka_unit_test(warp_rank_finds_the_rank_of_an_expected_search),
        cmocka_unit_test(lambda_is_what_a_swap_changes_in_ndcg),
        cmocka_unit_test(lambda_is_the_same_up_to_the_ideal),
        cmocka_unit_test(ranks_of_a_whole_catalogue_are_exact),
        cmocka_unit_test(ranks_of_a_sample_are_right_on_average),
        cmocka_unit_test(ranks_stay_within_what_there_is),
        cmocka_unit_test(lists_name_what_is_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
