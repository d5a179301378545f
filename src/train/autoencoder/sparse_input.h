/* SPDX-License-Identifier: Apache-2.0
 *
 * The first layer of an autoencoder, whose input has a value for each item but is 0 for nearly all: its linear part is
 * the sum of the rows of the items in the history, and its gradient goes to these rows. What the layers behind it
 * take is, with dropout (each event is kept with probability 1 − p) and n events in the history,
 *
 *   x_u = 1/(√n (1 − p)) Σ_{kept i} T_i        ("L2-normalised input": Liang et al. 2018)
 *
 * A step is of all rows, those that no user of the batch has taken included: Adam's averages go on there, too. Nothing
 * but λT pulls at these, so their steps can wait until a row is taken again, or for sparse_input_settle, and then come
 * one after the other while the row is in the cache: the same bits without a pass over the whole table for each batch.
 */
#ifndef TOPN_TRAIN_AUTOENCODER_SPARSE_INPUT_H
#define TOPN_TRAIN_AUTOENCODER_SPARSE_INPUT_H

#include "train/autoencoder/user_batch.h"
#include "train/iteration.h"
#include "train/sampled/optimizer.h"

enum { MOST_PENDING = 64 /* steps: then all rows take theirs */ };

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
    uint32_t *taken;       /* [items] those with kept events, taken_count of them */
    size_t taken_count;
    float *gradients; /* [threads × width] */
    /* Steps since all rows had the same number of them. */
    const optimizer *by;
    float ridge; /* λ */
    step_factors pending[MOST_PENDING];
    size_t pending_count;
    uint8_t *had; /* [items] how many of them a row has had */
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
/* x [count × width], by rows that are brought up to date; remembers the batch for the step. */
void sparse_input_forward(sparse_input *input, const user_batch *batch, float *x);
/* The same of whole histories, by rows that are all up to date; for no step. */
void sparse_input_gather(const sparse_input *input, const user_batch *batch, float *x);
/* One step along the gradient that dx [count × width], derivatives by x, give the rows; λ/2‖T‖² is in the loss. Rows
 * that the batch has not taken are behind until sparse_input_settle. */
void sparse_input_step(sparse_input *input, const user_batch *batch, const float *dx, const optimizer *by,
                       const optimizer_setting *setting, double l2);
/* All rows take the steps that they are behind. */
void sparse_input_settle(sparse_input *input, int threads);
/* Values on ±bound by (seed, stream RANDOM_LAYERS, number): what first values of tables are drawn from. */
void draw_weights(const topn_context *context, unsigned number, double bound, size_t count, float *values);

#endif
