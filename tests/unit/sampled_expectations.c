/* SPDX-License-Identifier: Apache-2.0
 *
 * What sampled gradients are on average, by going through all draws there can be with their probabilities: P2 eq. 15
 * (and 16, which is not a case of it), and sampled softmax drawn from the softmax itself.
 */
#include "train/sampled/loss.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "base/random.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { ITEMS = 9, TAKEN = 3 }; /* the context's positives are items 0 … 2 */

static double score_of(uint64_t seed, size_t item)
{
    return 3 * random_normal(seed, RANDOM_SAMPLES, item);
}

/* Σ over the context's positives of the expected derivatives of one example with m draws, in double: derivatives add up
 * over draws, so the expectation is m Σ_j q_j times that of the draw of j alone. */
static void expected_pointwise(const loss_setting *setting, const double *scores, const double *q,
                               const double *weights, double m, double *expected)
{
    const sampled_loss *loss = sampled_loss_find("pointwise");
    memset(expected, 0, ITEMS * sizeof *expected);
    for (size_t i = 0; i < TAKEN; i++) {
        loss_example one = {.positive = scores[i], .weight = weights[i]};
        double d_positive, d_negative;
        loss->example(setting, &one, &d_positive, NULL);
        expected[i] += d_positive;
        for (size_t j = 0; j < ITEMS; j++)
            if (q[j] > 0) {
                one.count = 1, one.negatives = &scores[j], one.weights = &weights[j];
                loss->example(setting, &one, &d_positive, &d_negative);
                expected[j] += m * q[j] * d_negative;
            }
    }
}

/* Derivatives of Σ_i α l(ŷ_i, y_i) with P2 eq. 15's α. */
static double full_pointwise(const loss_setting *setting, const double *scores, const double *alpha, size_t item)
{
    double derivative;
    setting->surrogate->value(scores[item], item < TAKEN ? 1 : setting->surrogate->negative_label, setting->margin,
                              &derivative);
    return alpha[item] * derivative;
}

static void pointwise_gradients_are_those_of_eq_15(void **state)
{
    (void)state;
    for (size_t l = 0; surrogate_at(l); l++)
        for (uint64_t seed = 1; seed <= 20; seed++) {
            const loss_setting setting = {surrogate_at(l), 1, 1};
            const double m = (double)(1 + seed % 4);
            double scores[ITEMS], q[ITEMS] = {0}, weights[ITEMS], alpha[ITEMS], expected[ITEMS], sum = 0;
            for (size_t j = 0; j < ITEMS; j++) {
                scores[j] = score_of(seed, j);
                weights[j] = 0.1 + random_uniform(seed, RANDOM_ORDER, j);
                q[j] = j < TAKEN ? 0 : 0.1 + random_uniform(seed, RANDOM_RESIDUAL, j);
                sum += q[j];
            }
            for (size_t j = 0; j < ITEMS; j++) {
                q[j] /= sum;
                alpha[j] = j < TAKEN ? weights[j] : m * TAKEN * q[j] * weights[j];
            }
            expected_pointwise(&setting, scores, q, weights, m, expected);
            for (size_t j = 0; j < ITEMS; j++)
                assert_true(fabs(expected[j] - full_pointwise(&setting, scores, alpha, j)) < 1e-12);
        }
}

/* Uniform draws from what is unobserved: α = m|I_c|/(|I| − |I_c|) α̃, not m α̃ as P2 eq. 16 says (methods.md, E3). */
static void uniform_draws_are_not_those_of_eq_16(void **state)
{
    (void)state;
    const loss_setting setting = {surrogate_find("logistic"), 1, 1};
    double scores[ITEMS], q[ITEMS] = {0}, weights[ITEMS], right[ITEMS], printed[ITEMS], expected[ITEMS];
    const double m = 4;
    for (size_t j = 0; j < ITEMS; j++) {
        scores[j] = score_of(77, j);
        weights[j] = 0.5;
        q[j] = j < TAKEN ? 0 : 1.0 / (ITEMS - TAKEN);
        right[j] = j < TAKEN ? 0.5 : m * TAKEN / (ITEMS - TAKEN) * 0.5;
        printed[j] = j < TAKEN ? 0.5 : m * 0.5;
    }
    expected_pointwise(&setting, scores, q, weights, m, expected);
    for (size_t j = TAKEN; j < ITEMS; j++) {
        const double full = full_pointwise(&setting, scores, right, j);
        assert_true(fabs(expected[j] - full) < 1e-12);
        assert_true(fabs(expected[j] - full_pointwise(&setting, scores, printed, j)) > 0.4 * fabs(full));
    }
}

/* The same of eq. 11: α(c, i, j) = q(j | c, i) α̃. */
static void pairwise_gradients_are_those_of_eq_11(void **state)
{
    (void)state;
    for (size_t l = 0; surrogate_at(l); l++)
        for (uint64_t seed = 1; seed <= 10; seed++) {
            const loss_setting setting = {surrogate_at(l), 1, 1};
            double expected = 0, full = 0, sum = 0, scores[ITEMS], q[ITEMS];
            for (size_t j = 0; j < ITEMS; j++) {
                scores[j] = score_of(seed, j);
                q[j] = j ? random_uniform(seed, RANDOM_RESIDUAL, j) : 0;
                sum += q[j];
            }
            for (size_t j = 1; j < ITEMS; j++) {
                const loss_example one = {.positive = scores[0], .weight = 1.5, .count = 1, .negatives = &scores[j]};
                double d_positive, d_negative, derivative;
                sampled_loss_find("pairwise")->example(&setting, &one, &d_positive, &d_negative);
                expected += q[j] / sum * d_positive;
                setting.surrogate->value(scores[0] - scores[j], 1, 1, &derivative);
                full += 1.5 * q[j] / sum * derivative;
            }
            assert_true(fabs(expected - full) < 1e-12);
        }
}

/* Expected derivatives of sampled softmax for positive 0 over all m-tuples of items 1 …, drawn by q with replacement.
 */
static void expected_softmax(const double *scores, const double *q, size_t m, double *expected)
{
    const loss_setting setting = {.inverse_temperature = 1};
    size_t tuples = 1, place[3];
    memset(expected, 0, ITEMS * sizeof *expected);
    for (size_t k = 0; k < m; k++)
        tuples *= ITEMS - 1;
    for (size_t tuple = 0; tuple < tuples; tuple++) {
        double negatives[3], log_counts[3], d_positive, d_negatives[3], chance = 1;
        for (size_t k = 0, rest = tuple; k < m; k++, rest /= ITEMS - 1) {
            place[k] = 1 + rest % (ITEMS - 1);
            negatives[k] = scores[place[k]];
            log_counts[k] = log((double)m * q[place[k]]);
            chance *= q[place[k]];
        }
        const loss_example one = {
            .positive = scores[0], .weight = 1, .count = m, .negatives = negatives, .log_counts = log_counts};
        sampled_loss_find("softmax")->example(&setting, &one, &d_positive, d_negatives);
        expected[0] += chance * d_positive;
        for (size_t k = 0; k < m; k++)
            expected[place[k]] += chance * d_negatives[k];
    }
}

/* P2 §4.3: with q = p (among the items that are not the positive) sampled softmax has full softmax's gradient whatever
 * m; with uniform q it has not, and less and less of a difference as m grows. */
static void softmax_is_unbiased_when_drawn_from_itself(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        double scores[ITEMS], p[ITEMS], uniform[ITEMS], expected[ITEMS], others = 0, last = INFINITY;
        for (size_t j = 0; j < ITEMS; j++) {
            scores[j] = score_of(seed, j);
            others += j ? exp(scores[j]) : 0;
            uniform[j] = 1.0 / (ITEMS - 1);
        }
        for (size_t j = 0; j < ITEMS; j++)
            p[j] = exp(scores[j]) / others;
        const double partition = others + exp(scores[0]);
        for (size_t m = 1; m <= 3; m++) {
            double bias = 0;
            expected_softmax(scores, p, m, expected);
            for (size_t j = 0; j < ITEMS; j++)
                assert_true(fabs(expected[j] - (exp(scores[j]) / partition - (j == 0))) < 1e-12);
            expected_softmax(scores, uniform, m, expected);
            for (size_t j = 0; j < ITEMS; j++)
                bias += fabs(expected[j] - (exp(scores[j]) / partition - (j == 0)));
            assert_true(bias > 1e-4 && bias < last);
            last = bias;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pointwise_gradients_are_those_of_eq_15),
        cmocka_unit_test(uniform_draws_are_not_those_of_eq_16),
        cmocka_unit_test(pairwise_gradients_are_those_of_eq_11),
        cmocka_unit_test(softmax_is_unbiased_when_drawn_from_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
