/* SPDX-License-Identifier: Apache-2.0
 *
 * What the high-dimensional linear models share: weights, order of items, Gram matrix, inverse, residual checks.
 *
 * Legend: X users × items, W = diag(user weights), G = XᵀWX, R = diag(ridge), P = (G + R)⁻¹, d = diag(P).
 */
#ifndef TOPN_TRAIN_LINEAR_SYSTEM_H
#define TOPN_TRAIN_LINEAR_SYSTEM_H

#include "base/shared_work.h"
#include "numeric/symmetric.h"
#include "train/linear/order.h"
#include "train/method.h"

/* Options of every model built on the Gram matrix: the member named `linear` of its parameter struct. */
typedef struct linear_params {
    double l2, dropout;
    double user_weight_exponent, ridge_exponent, score_exponent;
    int values; /* choice binary|weight */
    bool keep_histories;
} linear_params;

#define LINEAR_OPTIONS(params) LINEAR_OPTIONS_WITH(params, 500)
#define LINEAR_OPTIONS_WITH(params, l2_default)                                                                        \
    OPTION_REAL(params, linear.l2, "l2", l2_default, 0, 1e12, "ridge λ added to the diagonal of the Gram matrix",      \
                SEARCH_LOG(1, 20000)),                                                                                 \
        OPTION_REAL(params, linear.dropout, "dropout", 0, 0, 0.99,                                                     \
                    "dropout share p: adds p/(1-p) of the Gram diagonal to the ridge (EDLAE)", SEARCH_LINEAR(0, 0.8)), \
        OPTION_REAL(params, linear.user_weight_exponent, "user-weight-exponent", 0, 0, 4,                              \
                    "a: a user with m events weighs m^-a in the Gram matrix", SEARCH_LINEAR(0, 1)),                    \
        OPTION_REAL(params, linear.ridge_exponent, "ridge-exponent", 0, 0, 4,                                          \
                    "b: the ridge of item j is λ·(G_jj / mean G)^b", SEARCH_LINEAR(0, 1)),                             \
        OPTION_REAL(params, linear.score_exponent, "score-exponent", 0, -4, 4,                                         \
                    "c: scores are multiplied by (events of item)^-c", SEARCH_LINEAR(-0.3, 0.3)),                      \
        OPTION_CHOICE(params, linear.values, "values", "binary", "binary|weight",                                      \
                      "entries of X: 1, or the event weights"),                                                        \
        OPTION_BOOLEAN(params, linear.keep_histories, "keep-histories", true,                                          \
                       "store the users' histories in the model, so that users can be named by id")

typedef struct linear_system {
    sparse_matrix x;                                    /* users × items, columns in model order */
    sparse_matrix xt;                                   /* its transpose */
    bool binary;                                        /* every value of X is 1 */
    double *user_weights;                               /* [users] */
    double *ridge;                                      /* [items], model order */
    uint32_t *item_at;                                  /* [items] model position → item */
    uint32_t *position;                                 /* [items] item → model position */
    char gram_key[SHARED_KEY], inverse_key[SHARED_KEY]; /* of G and of P */
} linear_system;

/* X with its columns in the order asked for, weights and ridge. DATA when there is nothing to train on. */
topn_status linear_system_create(topn_context *context, const topn_data *data, const linear_params *params,
                                 item_order order, linear_system *out);
/* The same in an order of one's own, item_at [items]. */
topn_status linear_system_create_ordered(topn_context *context, const topn_data *data, const linear_params *params,
                                         const uint32_t *item_at, linear_system *out);
void linear_system_clear(linear_system *system);

/* Adds the lower triangle of G + R to a. O(Σ_u |I_u|²). */
topn_status linear_gram(topn_context *context, const linear_system *system, symmetric *a);

/* A random vector v and P·v: what the residual checks of this and later steps are made of. */
typedef struct linear_probe {
    double *vector, *product; /* [items] each */
} linear_probe;
void linear_probe_clear(linear_probe *probe);

/* Bytes of the users' histories that the model keeps. */
uint64_t linear_history_bytes(const topn_data *data, const linear_params *params);

/* How a dense method holds its matrix: the member named `storage` of its parameter struct. */
typedef enum linear_storage { STORAGE_AUTO, STORAGE_FULL, STORAGE_HALF } linear_storage;
#define LINEAR_STORAGE_OPTION(params)                                                                                  \
    OPTION_CHOICE(params, storage, "storage", "auto", "auto|full|half",                                                \
                  "memory for the matrix while training: all items², or its lower half; auto = half, but full where " \
                  "the model itself is dense")
/* Whether keeping k numbers an item (0 = all) leaves a dense table, for which the full layout is needed. */
bool linear_keeps_all(int64_t k, int storage, uint32_t items);
/* Numbers of the sparse table, 0 where it is dense. */
uint64_t linear_kept_entries(int64_t k, int storage, uint32_t items);
/* OPTION when half the storage is asked for together with all numbers. */
topn_status linear_check_storage(topn_context *context, const char *method_name, int64_t k, int storage);
bool linear_uses_half(int64_t k, int storage, uint32_t items);

/* Creates *l and fills it with the factor of G + R, of which `system` keeps what a residual needs (Xᵀ, and not its
 * values where all are 1). Seconds per phase go to the metadata ("run.seconds.…"). */
topn_status linear_factor(topn_context *context, linear_system *system, bool half, record *metadata, symmetric *l);

/* Draws v, sets the probe's vector and lets `product` set its product, u; checks ‖(G + R)·u − v‖ / ‖v‖ and records it
 * ("train.inverse-residual"). NUMERIC when it is too large. */
typedef topn_status linear_solver(topn_context *context, const symmetric *a, const double *vector, double *product);
topn_status linear_accept(topn_context *context, const linear_system *system, const symmetric *a, linear_solver *solve,
                          record *metadata, linear_probe *probe);

/* Creates *p and fills its lower triangle with P; checks it on a random v. n³ flops. As linear_factor and
 * linear_accept. */
topn_status linear_inverse(topn_context *context, linear_system *system, bool half, record *metadata, symmetric *p,
                           linear_probe *probe);

/* Bytes that linear_system_create takes. */
uint64_t linear_system_bytes(const topn_data *data);

/* Peak bytes of the matrix and all that training needs beside it, with so many entries of sparse tables at the end, and
 * flops, in units of n³. */
training_cost linear_cost(const topn_data *data, const linear_params *params, bool half, double cubes,
                          uint64_t table_entries);
/* What would need less memory. */
const char *linear_remedy(int64_t k, int storage, uint32_t items);

/* π_i = base_i · (events of i)^−c, or NULL when all are 1. base [items] or NULL. */
topn_status linear_priors(topn_context *context, const topn_data *data, double score_exponent, const float *base,
                          float **out);

/* Seconds since `start`, as "run.seconds.<phase>". */
topn_status linear_phase(topn_context *context, record *metadata, const char *phase, double start);

#endif
