/* SPDX-License-Identifier: Apache-2.0
 *
 * The last layer of an autoencoder: a score for each item, s = D·h + b, its likelihood and its step. D becomes the
 * model's item table and b its biases.
 */
#ifndef TOPN_TRAIN_AUTOENCODER_ITEM_OUTPUT_H
#define TOPN_TRAIN_AUTOENCODER_ITEM_OUTPUT_H

#include "train/autoencoder/likelihood.h"
#include "train/autoencoder/user_batch.h"
#include "train/iteration.h"
#include "train/sampled/optimizer.h"

typedef struct item_output {
    size_t items, width;
    float *rows;                         /* D [items × width] */
    float *biases;                       /* b [items] */
    float *state[OPTIMIZER_ARRAYS];      /* [items × width] each */
    float *bias_state[OPTIMIZER_ARRAYS]; /* [items] each */
    bool unbiased;                       /* b stays 0 */
    size_t capacity;                     /* users of a batch */
    size_t block, blocks;                /* items are worked on in blocks that do not depend on the threads */
    float *scores;                       /* [blocks × capacity × block], then what derivatives are made of */
    uint32_t *ends;                      /* [capacity × blocks] of a block's events in a history */
    likelihood_piece *pieces;            /* [capacity × blocks] */
    double scale;                        /* of the loss of the batch */
    size_t step;                         /* rows of a block that are stepped at once */
    float *parts;                        /* [blocks × capacity × width] of dh */
    float *gradients;                    /* [threads × step × (width + 1)] */
    double *losses;                      /* [capacity] */
} item_output;

/* First values: D uniform on ±√(6/(items + width)), drawn by (seed, number); b = 0. */
topn_status item_output_create(topn_context *context, size_t items, size_t width, size_t capacity, unsigned number,
                               const optimizer *by, item_output *out);
void item_output_clear(item_output *output);
uint64_t item_output_state_bytes(uint64_t items, size_t width);
uint64_t item_output_bytes(uint64_t items, size_t width, size_t capacity, int threads);
/* From h [count × width]: the sum of the negative log-likelihoods of the batch's histories; keeps what
 * their derivatives, times `scale`, are made of. */
double item_output_forward(item_output *output, const user_batch *batch, const float *h, likelihood kind, double scale);
/* After it, once: dh [count × width] (NULL: not wanted), derivatives by h; and one step of D and b (by NULL: none),
 * where λ/2‖D‖² is in the loss. */
void item_output_backward(item_output *output, const user_batch *batch, const float *h, float *dh, const optimizer *by,
                          const optimizer_setting *setting, double l2);

#endif
