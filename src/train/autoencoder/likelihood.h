/* SPDX-License-Identifier: Apache-2.0
 *
 * What an autoencoder's scores of all items say about a user's events x (1 where there is one, else 0):
 *
 *   multinomial  −Σ_i x_i ln p_i, p = softmax of the scores           ∂/∂s_i = n·p_i − x_i, n = Σ x
 *   bernoulli    Σ_i ln(1 + e^s_i) − x_i s_i                          ∂/∂s_i = σ(s_i) − x_i
 *   gaussian     ½ Σ_i (s_i − x_i)²                                   ∂/∂s_i = s_i − x_i
 *
 * (Liang et al. 2018, eq. 2, 4, 3; constants are left out.)
 */
#ifndef TOPN_TRAIN_AUTOENCODER_LIKELIHOOD_H
#define TOPN_TRAIN_AUTOENCODER_LIKELIHOOD_H

#include <stddef.h>
#include <stdint.h>

typedef enum likelihood { LIKELIHOOD_MULTINOMIAL, LIKELIHOOD_BERNOULLI, LIKELIHOOD_GAUSSIAN } likelihood;
#define LIKELIHOOD_CHOICES "multinomial|bernoulli|gaussian"

/* Scores are worked on in pieces, blocks of items of one user, since all of them do not fit into the cache: what a
 * piece says before the others are known, and what it is to be multiplied by when they are. */
typedef struct likelihood_piece {
    double sum;   /* multinomial: Σ e^(s − most); else the piece's loss without what is along x */
    double along; /* Σ x s */
    float most, factor;
} likelihood_piece;

/* Of scores + biases [items] of items from `first` on, among them the events at `taken` [count]. Scores become what
 * their derivatives are made of. */
likelihood_piece likelihood_begin(likelihood kind, float *scores, const float *biases, size_t items, size_t first,
                                  const uint32_t *taken, size_t count, double scale);
/* The negative logarithm of the likelihood of `events` events from all pieces; gives these their factors. */
double likelihood_join(likelihood kind, likelihood_piece *pieces, size_t count, size_t events, double scale);
/* After both: scores become derivatives times `scale`. */
void likelihood_end(const likelihood_piece *piece, float *scores, size_t items, size_t first, const uint32_t *taken,
                    size_t count, double scale);
/* The same but for a factor, which it returns: what sums over the items are to be multiplied by. */
float likelihood_end_but_factor(const likelihood_piece *piece, float *scores, size_t items, size_t first,
                                const uint32_t *taken, size_t count, double scale);
/* All at once. */
double likelihood_row(likelihood kind, float *scores, const float *biases, size_t items, const uint32_t *taken,
                      size_t count, double scale);

#endif
