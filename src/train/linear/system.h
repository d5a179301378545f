/* SPDX-License-Identifier: Apache-2.0
 *
 * What the high-dimensional linear models share: weights, order of items, Gram matrix, inverse, residual checks.
 *
 * Legend: X users × items, W = diag(user weights), G = XᵀWX, R = diag(ridge), P = (G + R)⁻¹, d = diag(P).
 */
#ifndef TOPN_TRAIN_LINEAR_SYSTEM_H
#define TOPN_TRAIN_LINEAR_SYSTEM_H

#include "train/linear/order.h"
#include "train/method.h"

/* Options of every model built on the Gram matrix: the member named `linear` of its parameter struct. */
typedef struct linear_params {
    double l2, dropout;
    double user_weight_exponent, ridge_exponent, score_exponent;
    int values; /* choice binary|weight */
    bool keep_histories;
} linear_params;

#define LINEAR_OPTIONS(params)                                                                                         \
    OPTION_REAL(params, linear.l2, "l2", 500, 0, 1e12, "ridge λ added to the diagonal of the Gram matrix"),            \
        OPTION_REAL(params, linear.dropout, "dropout", 0, 0, 0.99,                                                     \
                    "dropout share p: adds p/(1-p) of the Gram diagonal to the ridge (EDLAE)"),                        \
        OPTION_REAL(params, linear.user_weight_exponent, "user-weight-exponent", 0, 0, 4,                              \
                    "a: a user with m events weighs m^-a in the Gram matrix"),                                         \
        OPTION_REAL(params, linear.ridge_exponent, "ridge-exponent", 0, 0, 4,                                          \
                    "b: the ridge of item j is λ·(G_jj / mean G)^b"),                                                  \
        OPTION_REAL(params, linear.score_exponent, "score-exponent", 0, -4, 4,                                         \
                    "c: scores are multiplied by (events of item)^-c"),                                                \
        OPTION_CHOICE(params, linear.values, "values", "binary", "binary|weight",                                      \
                      "entries of X: 1, or the event weights"),                                                        \
        OPTION_BOOLEAN(params, linear.keep_histories, "keep-histories", true,                                          \
                       "store the users' histories in the model, so that users can be named by id")

typedef struct linear_system {
    sparse_matrix x;      /* users × items, columns in model order */
    sparse_matrix xt;     /* its transpose */
    double *user_weights; /* [users] */
    double *ridge;        /* [items], model order */
    uint32_t *item_at;    /* [items] model position → item */
    uint32_t *position;   /* [items] item → model position */
} linear_system;

/* X with its columns in the order asked for, weights and ridge. DATA when there is nothing to train on. */
topn_status linear_system_create(topn_context *context, const topn_data *data, const linear_params *params,
                                 item_order order, linear_system *out);
void linear_system_clear(linear_system *system);

/* Adds the lower triangle of G + R to a [n × n]. O(Σ_u |I_u|²). */
topn_status linear_gram(topn_context *context, const linear_system *system, float *a);

/* A random vector v and P·v: what the residual checks of this and later steps are made of. */
typedef struct linear_probe {
    double *vector, *product; /* [items] each */
} linear_probe;
void linear_probe_clear(linear_probe *probe);

/* Allocates [n × n], upper triangle zero, and fills its lower triangle with P; checks ‖(G + R)·P·v − v‖ / ‖v‖ on a
 * random v. Seconds per phase and the residual go to the metadata ("run.seconds.…", "train.inverse-residual").
 * The caller frees *p; with lower_only he never touches its upper triangle. Peak 4n² bytes, half with lower_only, and
 * one row of tiles; n³ flops. NUMERIC when the residual is too large. */
topn_status linear_inverse(topn_context *context, const linear_system *system, bool lower_only, record *metadata,
                           float **p, linear_probe *probe);

/* Bytes that linear_system_create takes. */
uint64_t linear_system_bytes(const topn_data *data);

/* Peak bytes and flops of linear_inverse followed by `factorisations` of n³/3, with a sparse table as result.
 * lower_only: the upper triangle is never touched, and so takes no memory. */
training_cost linear_cost(const topn_data *data, int factorisations, uint64_t table_entries, bool lower_only);

/* π_i = base_i · (events of i)^−c, or NULL when all are 1. base [items] or NULL. */
topn_status linear_priors(topn_context *context, const topn_data *data, double score_exponent, const float *base,
                          float **out);

/* Seconds since `start`, as "run.seconds.<phase>". */
topn_status linear_phase(topn_context *context, record *metadata, const char *phase, double start);

#endif
