/* SPDX-License-Identifier: Apache-2.0
 *
 * Losses of sampled training (P2 §3): one row of losses.def each. A loss sees the scores of one positive and of the
 * negatives drawn for it (Algorithms 1, 2 and 3), and gives its value and its derivatives by these scores.
 *
 *   pointwise   α̃ l(νŷ_i, y) + Σ_j α̃_j l(νŷ_j, 0)                                   (eq. 9)
 *   pairwise    α̃ Σ_j α̃_j l(ν(ŷ_i − ŷ_j), 1)                                         (eq. 11)
 *   softmax     α̃ [−νŷ_i + ln(exp νŷ_i + Σ_j exp(νŷ_j − ln m·q_j))]              (eq. 14, 19); full with sampler `all`
 *
 * over a surrogate l (eq. 10a–c), one row of surrogates.def each:
 *
 *   square (ŷ − y)²   logistic ln(1 + exp(−yŷ))   hinge max(0, margin − yŷ)
 *
 * y = 1, and of negatives 0 (square) or −1 (logistic, hinge).
 */
#ifndef TOPN_TRAIN_SAMPLED_LOSS_H
#define TOPN_TRAIN_SAMPLED_LOSS_H

#include <stdbool.h>
#include <stddef.h>

typedef struct surrogate {
    const char *name, *summary;
    double negative_label; /* 0 or −1 */
    /* l(score, label), and ∂l/∂score in *derivative. `margin` is hinge's. */
    double (*value)(double score, double label, double margin, double *derivative);
    /* Σ_j l(reference − scores[j], label), single precision and vectorised; scores [count] are overwritten by
     * −weight · ∂l/∂score, whose sum goes to *derivatives. A score of −INFINITY is none: 0 to both. Since
     * l(s, y) = l(−s, −y), this is also the sum of l(scores[j], −label) with a reference of 0. */
    double (*row)(float reference, float label, float margin, float weight, size_t count, float *scores,
                  double *derivatives);
} surrogate;

typedef struct loss_setting {
    const surrogate *surrogate; /* not looked at by softmax */
    double margin;              /* of hinge; 1 in P2 */
    double inverse_temperature; /* ν: what scores are multiplied by first; 1 in P2 but for eq. 12 */
} loss_setting;

/* One positive and its negatives. */
typedef struct loss_example {
    double positive;          /* ŷ_i */
    double weight;            /* α̃ of the positive */
    bool disliked;            /* pointwise: y of the positive is that of a negative */
    size_t count;             /* negatives */
    const double *negatives;  /* [count] ŷ_j */
    const double *weights;    /* [count] α̃_j; NULL = 1; not looked at by softmax */
    const double *log_counts; /* [count] ln(m·q_j), softmax's correction; NULL = 0 */
} loss_example;

typedef struct sampled_loss {
    const char *name, *summary, *paper;
    bool corrected; /* takes log_counts */
    bool takes_surrogate;
    bool excludes_history; /* by its definition negatives are none of the context's positives; else only not this one */
    /* Value; derivatives by ŷ_i in *d_positive, by ŷ_j in d_negatives [count]. Finite for finite scores (to 10¹⁵⁰); a
     * negative's score of −INFINITY is none: it adds nothing and its derivative is 0. */
    double (*example)(const loss_setting *, const loss_example *, double *d_positive, double *d_negatives);
    /* The same for one positive against negatives that a batch shares, in single precision and vectorised, as a batch
     * calls it per row: scores [count], −INFINITY = not a negative of this one, are overwritten by the derivatives.
     * Finite for scores to 10³⁰. log_counts [count] or NULL = 0; no α̃_j. */
    double (*row)(const loss_setting *, float positive, float weight, bool disliked, size_t count, float *scores,
                  const float *log_counts, float *d_positive);
} sampled_loss;

const sampled_loss *sampled_loss_at(size_t index);
const sampled_loss *sampled_loss_find(const char *name);
const surrogate *surrogate_at(size_t index);
const surrogate *surrogate_find(const char *name);

#endif
