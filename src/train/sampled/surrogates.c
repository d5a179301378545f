/* SPDX-License-Identifier: Apache-2.0
 *
 * Surrogates l(ŷ, y) of P2 eq. 10a–c. z below is yŷ, or the score that the label is asked of.
 */
#include <math.h>

#include "base/registry.h"
#include "base/vector.h"
#include "numeric/exponential.h"
#include "numeric/sums.h"
#include "train/sampled/loss.h"

enum { BLOCK = 512 }; /* negatives whose terms are made together, to be summed */

/* Terms of one block: values[j] = l(reference − scores[j], label), scores[j] = −weight · l'. */
typedef void block_terms(float reference, float label, float margin, float weight, size_t count, float *restrict scores,
                         double *restrict values);

static double row_of(block_terms *terms, float reference, float label, float margin, float weight, size_t count,
                     float *scores, double *derivatives)
{
    double values[BLOCK], sum = 0;
    *derivatives = 0;
    for (size_t at = 0; at < count; at += BLOCK) {
        const size_t size = count - at < BLOCK ? count - at : BLOCK;
        terms(reference, label, margin, weight, size, scores + at, values);
        sum += sum_doubles(values, size);
        *derivatives += sum_floats(scores + at, size);
    }
    return sum;
}

static double square_value(double score, double label, double margin, double *derivative)
{
    (void)margin;
    *derivative = 2 * (score - label);
    return (score - label) * (score - label);
}

VECTOR_CLONES
static void square_terms(float reference, float label, float margin, float weight, size_t count, float *restrict scores,
                         double *restrict values)
{
    (void)margin;
    for (size_t j = 0; j < count; j++) {
        const float missed = reference - scores[j] - label, error = choose_float(missed != INFINITY, missed, 0);
        values[j] = (double)error * (double)error; /* 10³⁰ squared is no float */
        scores[j] = -weight * (2 * error);
    }
}

static double square_row(float reference, float label, float margin, float weight, size_t count, float *scores,
                         double *derivatives)
{
    return row_of(square_terms, reference, label, margin, weight, count, scores, derivatives);
}

static double logistic_value(double score, double label, double margin, double *derivative)
{
    (void)margin;
    const double z = label * score, small = exp(-fabs(z)); /* ≤ 1 */
    *derivative = -label * (z > 0 ? small : 1) / (1 + small);
    return (z > 0 ? 0 : -z) + log1p(small);
}

VECTOR_CLONES
static void logistic_terms(float reference, float label, float margin, float weight, size_t count,
                           float *restrict scores, double *restrict values)
{
    (void)margin;
    for (size_t j = 0; j < count; j++) {
        const float z = label * (reference - scores[j]);
        const float small = exponential(-fabsf(z));
        values[j] = (double)(choose_float(z > 0, 0, -z) + log_one_plus(small));
        scores[j] = weight * label * (choose_float(z > 0, small, 1) / (1.0f + small));
    }
}

static double logistic_row(float reference, float label, float margin, float weight, size_t count, float *scores,
                           double *derivatives)
{
    return row_of(logistic_terms, reference, label, margin, weight, count, scores, derivatives);
}

static double hinge_value(double score, double label, double margin, double *derivative)
{
    const double lacking = margin - label * score;
    *derivative = lacking > 0 ? -label : 0;
    return lacking < 0 ? 0 : lacking; /* NaN stays */
}

VECTOR_CLONES
static void hinge_terms(float reference, float label, float margin, float weight, size_t count, float *restrict scores,
                        double *restrict values)
{
    const float slope = weight * label;
    for (size_t j = 0; j < count; j++) {
        const float lacking = margin - label * (reference - scores[j]);
        values[j] = (double)choose_float(lacking < 0, 0, lacking);
        scores[j] = choose_float(lacking > 0, slope, 0);
    }
}

static double hinge_row(float reference, float label, float margin, float weight, size_t count, float *scores,
                        double *derivatives)
{
    return row_of(hinge_terms, reference, label, margin, weight, count, scores, derivatives);
}

const surrogate surrogate_square = {
    .name = "square",
    .summary = "(score − label)², labels 1 and 0",
    .negative_label = 0,
    .value = square_value,
    .row = square_row,
};

const surrogate surrogate_logistic = {
    .name = "logistic",
    .summary = "ln(1 + exp(−label · score)), labels 1 and −1",
    .negative_label = -1,
    .value = logistic_value,
    .row = logistic_row,
};

const surrogate surrogate_hinge = {
    .name = "hinge",
    .summary = "max(0, margin − label · score), labels 1 and −1",
    .negative_label = -1,
    .value = hinge_value,
    .row = hinge_row,
};

static const surrogate *const surrogates[] = {
#define SURROGATE(identifier, name) &surrogate_##identifier,
#include "train/sampled/surrogates.def"
#undef SURROGATE
};

REGISTRY_ACCESS(surrogate, surrogate, surrogates)
