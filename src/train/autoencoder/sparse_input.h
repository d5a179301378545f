/* SPDX-License-Identifier: Apache-2.0
 *
 * The first layer of an autoencoder, whose input has a value for each item but is 0 for nearly all: its linear part is
 * the sum of the rows of the items in the history, and its gradient goes to these rows. What the layers behind it
 * take is, with dropout (each event is kept with probability 1 − p) and n events in the history,
 *
 *   x_u = 1/(√n (1 − p)) Σ_{kept i} T_i        ("L2-normalised input": Liang et al. 2018)
 *
 * A step is of all rows, those that no user of the batch has taken included: Adam's averages go on there, too.
 */
#ifndef TOPN_TRAIN_AUTOENCODER_SPARSE_INPUT_H
#define TOPN_TRAIN_AUTOENCODER_SPARSE_INPUT_H

#include "train/autoencoder/user_batch.h"
#include "train/iteration.h"
#include "train/sampled/optimizer.h"

typedef struct sparse_input {
    uint32_t items;
    size_t width;
    float *rows;                    /* T [items × width] */
    float *state[OPTIMIZER_ARRAYS]; /* [items × width] each */
    double dropout;                 /* p */
    double exponent;                /* ½, or 0: the plain sum */
    /* Of a batch: its events by row and by item. */
    uint64_t capacity;     /* events */
    uint64_t *begins;      /* [users + 1] of each row's events */
    float *factors;        /* [capacity] 1/(√n (1 − p)), or 0: dropped */
    uint64_t *item_begins; /* [items + 1] */
    uint32_t *item_users;  /* [capacity] rows of the batch */
    float *item_factors;   /* [capacity] */
    float *gradients;      /* [threads × chunk × width] */
} sparse_input;

/* First values: uniform on ±√(6/(items + outputs)), drawn by (seed, number); outputs of the layer. Batches have at
 * most `users` rows of `events`. */
topn_status sparse_input_create(topn_context *context, const sparse_matrix *events, size_t users, size_t width,
                                size_t outputs, unsigned number, const optimizer *by, sparse_input *out);
void sparse_input_clear(sparse_input *input);
/* Parameters with the optimiser's state, and all that create allocates. */
uint64_t sparse_input_state_bytes(uint64_t items, size_t width);
/* events: of a batch at most */
uint64_t sparse_input_bytes(uint64_t items, uint64_t events, size_t users, size_t width, int threads);
/* x [count × width]; remembers the batch for the step. */
void sparse_input_forward(sparse_input *input, const user_batch *batch, float *x);
/* x of the same whole histories by other rows; nothing is dropped or remembered. */
void sparse_input_gather(const sparse_input *input, const user_batch *batch, const float *rows, float *x);
/* One step along the gradient that dx [count × width], derivatives by x, give the rows; λ/2‖T‖² is in the loss. */
void sparse_input_step(sparse_input *input, const user_batch *batch, const float *dx, const optimizer *by,
                       const optimizer_setting *setting, double l2);
/* Values on ±bound by (seed, stream RANDOM_LAYERS, number): what first values of tables are drawn from. */
void draw_weights(const topn_context *context, unsigned number, double bound, size_t count, float *values);

#endif
