/* SPDX-License-Identifier: Apache-2.0 */
#include "train/sampled/loss.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "numeric/exponential.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { MOST = 1400, SURROGATES = 3 };

/* Scores, weights and corrections of one positive, from a seed. */
typedef struct made_example {
    double scores[MOST], weights[MOST], log_counts[MOST];
    loss_example one;
} made_example;

static double draw(uint64_t seed, uint64_t index)
{
    return random_uniform(seed, RANDOM_SAMPLES, index);
}

/* Scores are quarters, the positive's a tenth more: no pair meets hinge's kink at a margin of 1.03. */
static made_example *make(uint64_t seed, size_t count)
{
    made_example *made = malloc(sizeof *made);
    assert_non_null(made);
    for (size_t j = 0; j < count; j++) {
        made->scores[j] = floor(24 * (draw(seed, 3 * j) - 0.5)) / 4;
        made->weights[j] = 0.25 + draw(seed, 3 * j + 1);
        made->log_counts[j] = 4 * (draw(seed, 3 * j + 2) - 0.5);
    }
    made->one = (loss_example){
        .positive = floor(16 * (draw(seed, 5 * MOST) - 0.5)) / 4 + 0.1,
        .weight = 0.5 + draw(seed, 5 * MOST + 1),
        .count = count,
        .negatives = made->scores,
        .weights = made->weights,
        .log_counts = made->log_counts,
    };
    return made;
}

static void surrogates_are_those_of_the_paper(void **state)
{
    (void)state;
    double derivative;
    for (double score = -3; score <= 3; score += 0.37)
        for (double label = -1; label <= 1; label++) {
            assert_true(fabs(surrogate_find("square")->value(score, label, 1, &derivative) -
                             (score - label) * (score - label)) < 1e-14);
            assert_true(fabs(surrogate_find("logistic")->value(score, label, 1, &derivative) -
                             log(1 + exp(-label * score))) < 1e-14);
            assert_true(fabs(surrogate_find("hinge")->value(score, label, 1, &derivative) -
                             fmax(0, 1 - label * score)) < 1e-14);
        }
    assert_true(surrogate_find("square")->negative_label == 0);
    assert_true(surrogate_find("logistic")->negative_label == -1);
    assert_true(surrogate_find("hinge")->negative_label == -1);
}

/* Sums by P2 eq. 9, 11 and 19 as they stand there. */
static double naive(const sampled_loss *loss, const loss_setting *setting, const loss_example *one)
{
    double sum = 0, ignored;
    const surrogate *l = setting->surrogate;
    const double nu = setting->inverse_temperature;
    if (strcmp(loss->name, "pointwise") == 0) {
        for (size_t j = 0; j < one->count; j++)
            sum += one->weights[j] * l->value(nu * one->negatives[j], l->negative_label, setting->margin, &ignored);
        return sum + one->weight *
                         l->value(nu * one->positive, one->disliked ? l->negative_label : 1, setting->margin, &ignored);
    }
    if (strcmp(loss->name, "pairwise") == 0) {
        for (size_t j = 0; j < one->count; j++)
            sum += one->weights[j] * l->value(nu * (one->positive - one->negatives[j]), 1, setting->margin, &ignored);
        return one->weight * sum;
    }
    for (size_t j = 0; j < one->count; j++)
        sum += exp(nu * one->negatives[j]) / exp(one->log_counts[j]);
    return one->weight * (-nu * one->positive + log(exp(nu * one->positive) + sum));
}

static void values_are_those_of_the_paper(void **state)
{
    (void)state;
    double d_positive, d_negatives[MOST];
    for (size_t which = 0; sampled_loss_at(which); which++)
        for (size_t l = 0; l < SURROGATES; l++)
            for (uint64_t seed = 1; seed <= 6; seed++) {
                made_example *made = make(seed, seed * 3 - 3);
                made->one.disliked = seed % 2;
                const loss_setting setting = {surrogate_at(l), 1.03, 0.7};
                const double value = sampled_loss_at(which)->example(&setting, &made->one, &d_positive, d_negatives);
                assert_true(fabs(value - naive(sampled_loss_at(which), &setting, &made->one)) <= 1e-12 * (1 + value));
                free(made);
            }
}

static double value_of(const sampled_loss *loss, const loss_setting *setting, const loss_example *one)
{
    double d_positive, d_negatives[MOST];
    return loss->example(setting, one, &d_positive, d_negatives);
}

static void check_differences(const sampled_loss *loss, const loss_setting *setting, made_example *made)
{
    const double h = 1e-5;
    double d_positive, d_negatives[MOST];
    loss->example(setting, &made->one, &d_positive, d_negatives);
    loss_example above = made->one, below = made->one;
    above.positive += h, below.positive -= h;
    const double measured = (value_of(loss, setting, &above) - value_of(loss, setting, &below)) / (2 * h);
    assert_true(fabs(measured - d_positive) < 1e-6);
    for (size_t j = 0; j < made->one.count; j++) {
        const double score = made->scores[j];
        made->scores[j] = score + h;
        const double more = value_of(loss, setting, &made->one);
        made->scores[j] = score - h;
        const double less = value_of(loss, setting, &made->one);
        made->scores[j] = score;
        assert_true(fabs((more - less) / (2 * h) - d_negatives[j]) < 1e-6);
    }
}

static void derivatives_are_those_of_the_value(void **state)
{
    (void)state;
    for (size_t which = 0; sampled_loss_at(which); which++)
        for (size_t l = 0; l < SURROGATES; l++)
            for (uint64_t seed = 1; seed <= 12; seed++) {
                made_example *made = make(seed, 1 + seed);
                made->one.disliked = seed % 3 == 0;
                if (seed % 4 == 0)
                    made->one.weights = made->one.log_counts = NULL;
                const loss_setting setting = {surrogate_at(l), 1.03, 0.5 + 0.25 * (double)(seed % 5)};
                check_differences(sampled_loss_at(which), &setting, made);
                free(made);
            }
}

/* The rows of a batch in single precision against the one example in double, some entries none. */
static void check_row(const sampled_loss *loss, const loss_setting *setting, made_example *made, bool corrected)
{
    const size_t count = made->one.count;
    float scores[MOST], log_counts[MOST], d_positive;
    double d_one, d_negatives[MOST], sum = 0;
    for (size_t j = 0; j < count; j++) {
        if (j % 7 == 3)
            made->scores[j] = -INFINITY;
        scores[j] = (float)made->scores[j];
        log_counts[j] = (float)made->log_counts[j];
        made->log_counts[j] = (double)log_counts[j];
    }
    const float positive = (float)made->one.positive, weight = (float)made->one.weight;
    made->one.positive = (double)positive, made->one.weight = (double)weight;
    made->one.weights = NULL;
    made->one.log_counts = corrected ? made->log_counts : NULL;
    const double expected = loss->example(setting, &made->one, &d_one, d_negatives);
    const double value = loss->row(setting, positive, weight, made->one.disliked, count, scores,
                                   corrected ? log_counts : NULL, &d_positive);
    assert_true(fabs(value - expected) <= 2e-6 * (1e-3 + expected));
    for (size_t j = 0; j < count; j++) {
        assert_true(fabs((double)scores[j] - d_negatives[j]) <= 2e-6 * (1e-4 + fabs(d_negatives[j])));
        assert_true(isfinite(made->scores[j]) || scores[j] == 0.0f);
        sum += fabs(d_negatives[j]);
    }
    assert_true(fabs((double)d_positive - d_one) <= 2e-6 * (1e-3 + fabs(d_one) + sum));
}

static void rows_equal_examples(void **state)
{
    (void)state;
    static const size_t counts[] = {0, 1, 2, 15, 16, 17, 33, 511, 512, 513, 1300};
    for (size_t which = 0; sampled_loss_at(which); which++)
        for (size_t l = 0; l < SURROGATES; l++)
            for (size_t size = 0; size < sizeof counts / sizeof *counts; size++)
                for (int corrected = 0; corrected < 2; corrected++) {
                    made_example *made = make(100 + size, counts[size]);
                    made->one.disliked = size % 2;
                    const loss_setting setting = {surrogate_at(l), 1.03, 1.5};
                    check_row(sampled_loss_at(which), &setting, made, corrected);
                    free(made);
                }
}

/* P2 §4.3.3: −ŷ_i + ln(exp ŷ_i + exp ŷ_j/q) = l^logistic(ŷ_i − ŷ_j + ln q, 1), and with it the derivatives. */
static void softmax_of_one_negative_is_a_shifted_pair(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        const double scale = seed % 3 ? 4 : 60, positive = scale * (draw(seed, 0) - 0.5);
        const double negative = scale * (draw(seed, 1) - 0.5), log_q = log(draw(seed, 2) + 1e-9);
        const loss_setting setting = {surrogate_find("logistic"), 1, 1};
        const loss_example sampled = {
            .positive = positive, .weight = 1, .count = 1, .negatives = &negative, .log_counts = &log_q};
        const double shifted = negative - log_q;
        const loss_example pair = {.positive = positive, .weight = 1, .count = 1, .negatives = &shifted};
        double d_sampled, d_sampled_negative, d_pair, d_pair_negative;
        const double one = sampled_loss_find("softmax")->example(&setting, &sampled, &d_sampled, &d_sampled_negative);
        const double other = sampled_loss_find("pairwise")->example(&setting, &pair, &d_pair, &d_pair_negative);
        assert_true(fabs(one - other) <= 1e-12 * fmax(1, other));
        assert_true(fabs(d_sampled - d_pair) <= 1e-12);
        assert_true(fabs(d_sampled_negative - d_pair_negative) <= 1e-12);
    }
}

/* With every other item among the negatives and no correction: −ln p(i | c), whose derivatives are ν(p − δ). */
static void full_softmax_has_the_softmax_for_derivatives(void **state)
{
    (void)state;
    made_example *made = make(5, 200);
    made->one.log_counts = NULL;
    made->one.weight = 1;
    const double nu = 1.25;
    double partition = exp(nu * made->one.positive), d_positive, d_negatives[MOST], sum = 0;
    for (size_t j = 0; j < 200; j++)
        partition += exp(nu * made->scores[j]);
    const loss_setting setting = {.inverse_temperature = nu};
    const double value = sampled_loss_find("softmax")->example(&setting, &made->one, &d_positive, d_negatives);
    const double share = exp(nu * made->one.positive) / partition;
    assert_true(fabs(value + log(share)) < 1e-12);
    assert_true(fabs(d_positive - nu * (share - 1)) < 1e-12);
    for (size_t j = 0; j < 200; j++) {
        assert_true(fabs(d_negatives[j] - nu * exp(nu * made->scores[j]) / partition) < 1e-12);
        sum += d_negatives[j];
    }
    assert_true(fabs(sum + d_positive) < 1e-12);
    free(made);
}

/* P2 eq. 12 and 13: ν scales the scores; as it grows the loss per ν is what the best item is ahead by. */
static void temperature_scales_scores(void **state)
{
    (void)state;
    made_example *made = make(9, 40), *scaled = make(9, 40);
    made->one.log_counts = scaled->one.log_counts = NULL;
    double best = made->one.positive, d_cold, d_scaled, d_negatives[MOST], d_scaled_negatives[MOST];
    for (size_t j = 0; j < 40; j++) {
        scaled->scores[j] = 3 * made->scores[j];
        best = fmax(best, made->scores[j]);
    }
    scaled->one.positive *= 3;
    const sampled_loss *softmax = sampled_loss_find("softmax");
    const double cold = softmax->example(&(loss_setting){.inverse_temperature = 3}, &made->one, &d_cold, d_negatives);
    const double one =
        softmax->example(&(loss_setting){.inverse_temperature = 1}, &scaled->one, &d_scaled, d_scaled_negatives);
    assert_true(fabs(cold - one) < 1e-12);
    assert_true(fabs(d_cold - 3 * d_scaled) < 1e-12);
    for (size_t j = 0; j < 40; j++)
        assert_true(fabs(d_negatives[j] - 3 * d_scaled_negatives[j]) < 1e-12);
    const double limit = value_of(softmax, &(loss_setting){.inverse_temperature = 1e5}, &made->one) / 1e5;
    assert_true(best > made->one.positive);
    assert_true(fabs(limit - made->one.weight * (best - made->one.positive)) < 1e-4);
    free(made);
    free(scaled);
}

static void hinge_is_flat_at_its_kink(void **state)
{
    (void)state;
    const surrogate *hinge = surrogate_find("hinge");
    const double margins[] = {0.25, 1, 4};
    double derivative;
    for (size_t m = 0; m < 3; m++)
        for (double label = -1; label <= 1; label += 2) {
            const double margin = margins[m], kink = label * margin;
            assert_true(hinge->value(kink, label, margin, &derivative) == 0 && derivative == 0);
            assert_true(hinge->value(kink + label, label, margin, &derivative) == 0 && derivative == 0);
            assert_true(hinge->value(kink - label, label, margin, &derivative) == 1 && derivative == -label);
            float scores[3] = {(float)(2 - kink), (float)(2 - kink - label), (float)(2 - kink + label)};
            double sum;
            assert_true(hinge->row(2, (float)label, (float)margin, 3, 3, scores, &sum) == 1);
            assert_true(scores[0] == 0.0f && scores[1] == 0.0f && scores[2] == 3 * (float)label);
            assert_true(sum == 3 * label);
        }
}

static void all_finite(const sampled_loss *loss, const loss_setting *setting, double positive, size_t count,
                       const double *negatives)
{
    double d_one, d_negatives[8];
    float scores[8], d_positive;
    for (size_t j = 0; j < count; j++)
        scores[j] = (float)negatives[j];
    const loss_example one = {.positive = positive, .weight = 2, .count = count, .negatives = negatives};
    assert_true(isfinite(loss->example(setting, &one, &d_one, d_negatives)));
    assert_true(isfinite(loss->row(setting, (float)positive, 2, false, count, scores, NULL, &d_positive)));
    assert_true(isfinite(d_one) && isfinite(d_positive));
    for (size_t j = 0; j < count; j++) {
        assert_true(isfinite(d_negatives[j]) && isfinite(scores[j]));
        assert_true(isfinite(negatives[j]) || (d_negatives[j] == 0 && scores[j] == 0.0f));
        /* Logistic and softmax: shares, which are 0 or 1 here and must not be lost in rounding. */
        if (!loss->takes_surrogate || strcmp(setting->surrogate->name, "logistic") == 0)
            assert_true(fabs(d_negatives[j] - (double)scores[j]) <= 1e-6 * fabs(d_negatives[j]) + 1e-30);
    }
}

static void huge_scores_stay_finite(void **state)
{
    (void)state;
    static const double extremes[] = {1e30, -1e30, 88, -88, 1e4, 0, -INFINITY};
    enum { EXTREMES = sizeof extremes / sizeof *extremes };
    for (size_t which = 0; sampled_loss_at(which); which++)
        for (size_t l = 0; l < SURROGATES; l++)
            for (size_t p = 0; p + 1 < EXTREMES; p++) {
                const loss_setting setting = {surrogate_at(l), 1, 20};
                for (size_t j = 0; j < EXTREMES; j++)
                    all_finite(sampled_loss_at(which), &setting, extremes[p], 1, &extremes[j]);
                all_finite(sampled_loss_at(which), &setting, extremes[p], EXTREMES, extremes);
            }
}

/* What is not a number does not pass for one. */
static void nan_is_seen(void **state)
{
    (void)state;
    for (size_t which = 0; sampled_loss_at(which); which++)
        for (size_t l = 0; l < SURROGATES; l++)
            for (size_t at = 0; at < 40; at += 13) {
                const loss_setting setting = {surrogate_at(l), 1, 1};
                float scores[40] = {0}, d_positive;
                scores[at] = NAN;
                assert_true(isnan(sampled_loss_at(which)->row(&setting, 0, 1, false, 40, scores, NULL, &d_positive)));
                assert_true(isnan(sampled_loss_at(which)->row(&setting, NAN, 1, false, 40, scores, NULL, &d_positive)));
            }
}

/* A hundred thousand small terms beside a large one keep their share, in single precision, too. */
static void many_negatives_lose_no_digits(void **state)
{
    (void)state;
    enum { COUNT = 100000 };
    double *negatives = malloc(COUNT * sizeof *negatives), *d_negatives = malloc(COUNT * sizeof *d_negatives);
    float *scores = malloc(COUNT * sizeof *scores), d_positive;
    assert_true(negatives && d_negatives && scores);
    for (size_t which = 0; sampled_loss_at(which); which++)
        for (size_t l = 0; l < SURROGATES; l++) {
            const loss_setting setting = {surrogate_at(l), 1, 1};
            double d_one, worst = 0;
            for (size_t j = 0; j < COUNT; j++) {
                scores[j] = j == 7 ? 16.0f : (float)(2 * draw(3, j) - 5);
                negatives[j] = (double)scores[j];
            }
            const loss_example one = {.positive = 4, .weight = 1, .count = COUNT, .negatives = negatives};
            const double expected = sampled_loss_at(which)->example(&setting, &one, &d_one, d_negatives);
            const double value = sampled_loss_at(which)->row(&setting, 4, 1, false, COUNT, scores, NULL, &d_positive);
            assert_true(fabs(value / expected - 1) < 3e-7);
            assert_true(fabs((double)d_positive - d_one) <= 3e-7 * fabs(d_one));
            for (size_t j = 0; j < COUNT; j++)
                worst = fmax(worst, fabs((double)scores[j] - d_negatives[j]) / fmax(fabs(d_negatives[j]), 1e-30));
            assert_true(worst < 2e-6);
        }
    free(negatives);
    free(d_negatives);
    free(scores);
}

/* As in sums.c, compiled here for the oldest processor. */
static double in_lanes(const float *values, size_t count)
{
    double lanes[16] = {0}, sum = 0;
    for (size_t at = 0; at < count; at++)
        lanes[at % 16] += (double)values[at];
    for (size_t lane = 0; lane < 16; lane++)
        sum += lanes[lane];
    return sum;
}

/* Vectors of any width give these bits. */
static void rows_have_the_bits_of_a_plain_loop(void **state)
{
    (void)state;
    for (size_t count = 1; count < 200; count += 3) {
        float scores[200], powers[200], d_positive, top = 0.5f;
        for (size_t j = 0; j < count; j++) {
            scores[j] = powers[j] = (float)(10 * draw(count, j) - 5);
            top = scores[j] > top ? scores[j] : top;
        }
        for (size_t j = 0; j < count; j++)
            powers[j] = exponential(powers[j] - top);
        const double total = in_lanes(powers, count) + exp(0.5 - (double)top);
        const loss_setting setting = {.inverse_temperature = 1};
        sampled_loss_find("softmax")->row(&setting, 0.5f, 1, false, count, scores, NULL, &d_positive);
        for (size_t j = 0; j < count; j++)
            assert_true(scores[j] == powers[j] * (float)(1 / total));
    }
}

/* Pointwise: what is disliked is pushed down like a negative (square, logistic: to the negatives' label). */
static void disliked_is_labelled_as_a_negative(void **state)
{
    (void)state;
    for (size_t l = 0; l < SURROGATES; l++) {
        const loss_setting setting = {surrogate_at(l), 1, 1};
        const loss_example one = {.positive = 0.3, .weight = 1.5, .disliked = true};
        double d_one, expected;
        float d_row;
        const double value = sampled_loss_find("pointwise")->example(&setting, &one, &d_one, NULL);
        assert_true(value == 1.5 * setting.surrogate->value(0.3, setting.surrogate->negative_label, 1, &expected));
        assert_true(d_one == 1.5 * expected && d_one > 0);
        sampled_loss_find("pointwise")->row(&setting, 0.3f, 1.5f, true, 0, NULL, NULL, &d_row);
        assert_true(fabs((double)d_row - d_one) < 1e-6);
    }
}

static void lists_name_what_is_there(void **state)
{
    (void)state;
    assert_true(sampled_loss_find("softmax")->corrected && !sampled_loss_find("softmax")->takes_surrogate);
    assert_false(sampled_loss_find("softmax")->excludes_history);
    assert_true(sampled_loss_find("pairwise")->excludes_history && sampled_loss_find("pointwise")->excludes_history);
    assert_null(sampled_loss_find("listwise"));
    assert_null(surrogate_find("cubic"));
    assert_null(surrogate_at(SURROGATES));
    for (size_t which = 0; sampled_loss_at(which); which++)
        assert_true(sampled_loss_at(which)->summary[0] && sampled_loss_at(which)->paper[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(surrogates_are_those_of_the_paper),
        cmocka_unit_test(values_are_those_of_the_paper),
        cmocka_unit_test(derivatives_are_those_of_the_value),
        cmocka_unit_test(rows_equal_examples),
        cmocka_unit_test(softmax_of_one_negative_is_a_shifted_pair),
        cmocka_unit_test(full_softmax_has_the_softmax_for_derivatives),
        cmocka_unit_test(temperature_scales_scores),
        cmocka_unit_test(hinge_is_flat_at_its_kink),
        cmocka_unit_test(huge_scores_stay_finite),
        cmocka_unit_test(nan_is_seen),
        cmocka_unit_test(many_negatives_lose_no_digits),
        cmocka_unit_test(rows_have_the_bits_of_a_plain_loop),
        cmocka_unit_test(disliked_is_labelled_as_a_negative),
        cmocka_unit_test(lists_name_what_is_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
