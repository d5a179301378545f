/* SPDX-License-Identifier: Apache-2.0
 *
 * Least squares over all pairs (P2 eq. 26): two sides, the observed pairs seen from both, weights and ridges,
 *
 *     L(θ) = Σ_{(c,i)∈S} α_ci (⟨φ_c, ψ_i⟩ − y_ci)² + α₀ ⟨G^C, G^I⟩ + Σ_blocks λ_b ‖θ_b‖²,
 *     G^C = Σ_c v_c φ_c φ_cᵀ,  G^I = Σ_i u_i ψ_i ψ_iᵀ                                                     (eq. 24, 25)
 *
 * or, pairwise (eq. 44), with N = Σ_i u_i, z = Σ_i u_i ψ_i and v_c = Σ_{i∈I_c} α_ci in G^C,
 *
 *     L(θ) = Σ_S α_ci N (ŷ_ci − 1)² + ⟨G^C, G^I⟩ − 2 Σ_S α_ci (ŷ_ci − 1) ⟨φ_c, z⟩ + Σ_blocks λ_b ‖θ_b‖².
 */
#ifndef TOPN_TRAIN_ALTERNATING_PROBLEM_H
#define TOPN_TRAIN_ALTERNATING_PROBLEM_H

#include "base/option_table.h"
#include "data/interactions.h"
#include "model/fields_encoder.h"
#include "model/model.h"

typedef enum problem_side { SIDE_CONTEXTS, SIDE_ITEMS } problem_side;

/* The observed pairs from one side. Those of the contexts borrow their indptr and indices from the data. */
typedef struct observations {
    sparse_matrix pairs; /* entities × entities of the other side; values = α, or NULL: all `alpha` */
    float *labels;       /* y, as pairs.values; NULL: all 1 */
    float alpha;
} observations;

/* Per field of a side (and, after the last, the core of TUCKER): which entities a block describes, and its ridge. */
typedef struct block_index {
    sparse_matrix entities; /* table rows × entities, x; indptr NULL: row e describes entity e alone, or, for the
                             * core, every row describes all entities */
    bool single;            /* no entity has two rows of this field: its blocks do not depend on each other */
    float *ridge;           /* λ_b [table rows]; 0 where a row describes no entity: then it has no part in L */
} block_index;

typedef struct alternating_problem {
    multilinear_side sides[2];
    block_index *blocks[2]; /* [field_count, + 1 with a core] */
    observations observed[2];
    float *weights[2]; /* v [contexts], u [items]; NULL = all 1; observed α already holds v·u. 0 for users and items
                          that have features and no events */
    square_loss loss;
    double user_scale; /* of v, for fold-in */
    bool other_loss;   /* rows come of another loss: the model's ridge is l2 times the spread of the items' rows, and
                          its pairwise label what events score above the mean item */
} alternating_problem;

/* Options of every least-squares model: the member named `alternating` of its parameter struct. */
typedef struct alternating_params {
    double l2, l2_exponent, unobserved_weight, alpha, confidence_scale, dislike_below;
    double user_weight_exponent, item_weight_exponent;
    int confidence;
    int loss; /* choice pointwise|pairwise */
    int64_t factors, block;
    double init_scale; /* standard deviation of the first parameters is init_scale / √d */
    int solver;        /* choice cholesky|cg */
    int64_t cg_steps;
    bool biases;
    bool keep_histories, keep_users;
} alternating_params;

/* Defaults of l2, unobserved-weight, exponents and the first values: Rendle, Krichene, Zhang, Koren, Revisiting the
 * Performance of iALS on Item Recommendation Benchmarks, 2021. */
#define ALTERNATING_OPTIONS(params, block_default)                                                                     \
    ALTERNATING_OPTIONS_WITH(params, block_default, ALTERNATING_L2(params))
#define ALTERNATING_LOSS_OPTIONS(params) ALTERNATING_LOSS_OPTIONS_WITH(params, ALTERNATING_L2(params))
#define ALTERNATING_RIDGE                                                                                              \
    "ridge of a row: λ·(events + α₀·entities of the other side)^l2-exponent, of the pairwise loss times the items"
#define ALTERNATING_L2(params)                                                                                         \
    OPTION_REAL(params, alternating.l2, "l2", 0.003, 0, 1e12, ALTERNATING_RIDGE, SEARCH_LOG(1e-4, 0.1))
/* For products of three and more factors, of which the ridge weighs on each; see alternating_product_l2. */
#define ALTERNATING_PRODUCT_L2(params)                                                                                 \
    OPTION_REAL_AUTO(params, alternating.l2, "l2", "auto", 0, 1e12,                                                    \
                     ALTERNATING_RIDGE "; auto = 0.003, and 1e-7 where events have contexts", SEARCH_LOG(1e-8, 0.1))
#define ALTERNATING_OPTIONS_WITH(params, block_default, ...)                                                           \
    ALTERNATING_LOSS_OPTIONS_WITH(params, __VA_ARGS__),                                                                \
        OPTION_INTEGER(params, alternating.block, "block", block_default, 0, 65536,                                    \
                       "columns of a row that are solved for at a time by Cholesky; 0 = all"),                         \
        OPTION_CHOICE(params, alternating.solver, "solver", "cholesky", "cholesky|cg",                                 \
                      "exact steps, or conjugate gradients from the current values, over all columns at a time"),      \
        OPTION_INTEGER(params, alternating.cg_steps, "cg-steps", 3, 1, 100000, "steps of conjugate gradients a row")
#define ALTERNATING_LOSS_OPTIONS_WITH(params, ...)                                                                     \
    OPTION_INTEGER(params, alternating.factors, "factors", 128, 1, 65536, "d: numbers in an embedding",                \
                   SEARCH_LOG(32, 256)),                                                                               \
        __VA_ARGS__, OPTION_REAL(params, alternating.l2_exponent, "l2-exponent", 1, 0, 4, "exponent of the ridge"),    \
        OPTION_REAL(params, alternating.unobserved_weight, "unobserved-weight", 0.1, 0, 1e12,                          \
                    "α₀: weight of every pair, observed or not, with label 0", SEARCH_LOG(0.01, 1)),                   \
        OPTION_REAL(params, alternating.alpha, "alpha", 1, 0, 1e12, "α: weight of an event"),                          \
        OPTION_CHOICE(params, alternating.confidence, "event-weight", "none", "none|linear|log",                       \
                      "what the weight w of an event adds to α: nothing, scale·w, or scale·ln(1 + w)"),                \
        OPTION_REAL(params, alternating.confidence_scale, "event-weight-scale", 1, 0, 1e12,                            \
                    "scale of --event-weight"),                                                                        \
        OPTION_REAL_AUTO(params, alternating.dislike_below, "dislike-below", "auto", -1e12, 1e12,                      \
                         "events of less weight are dislikes, with label 0; auto = none"),                             \
        OPTION_REAL(params, alternating.user_weight_exponent, "user-weight-exponent", 0, 0, 4,                         \
                    "a context with m events weighs m^-exponent"),                                                     \
        OPTION_REAL(params, alternating.item_weight_exponent, "item-weight-exponent", 0, 0, 4,                         \
                    "an item with m events weighs m^-exponent"),                                                       \
        OPTION_CHOICE(params, alternating.loss, "loss", "pointwise", "pointwise|pairwise",                             \
                      "squared error of scores, or of differences of scores"),                                         \
        OPTION_REAL(params, alternating.init_scale, "init-scale", 0.1, 0, 1e6,                                         \
                    "standard deviation of the first values, times √factors"),                                         \
        OPTION_BOOLEAN(params, alternating.biases, "biases", false, "a bias for every row"),                           \
        OPTION_BOOLEAN(params, alternating.keep_histories, "keep-histories", true,                                     \
                       "store the users' histories in the model, so that users can be named by id"),                   \
        OPTION_BOOLEAN(params, alternating.keep_users, "keep-users", true,                                             \
                       "store the users' embeddings in the model; without them a history tells who asks")

/* Rules across options. */
topn_status alternating_check(topn_context *context, const char *method_name, const alternating_params *params);
/* The --l2 of a product: what was given, or (NAN) the default for data with or without contexts. */
double alternating_product_l2(const topn_data *data, double l2);
square_loss alternating_square_loss(const alternating_params *params);

/* Sides (users, or contexts where the data have fields and `contexts` asks for them; items) with their tables drawn
 * from N(0, (init_scale/√d)²), observed pairs, weights, ridges. Features of users and items become further rows of the
 * first field of their side; the last id row of a context field stands for missing values. kind, per-field factors
 * [fields] or NULL = all `factors`. DATA when there is nothing to train on. */
topn_status problem_create(topn_context *context, const topn_data *data, const alternating_params *params,
                           composition kind, bool contexts, const size_t *field_factors, alternating_problem *out);
void problem_clear(alternating_problem *problem);
/* What problem_create and a sweep will hold, and the parameters alone. UINT64_MAX where the core of TUCKER has more
 * entries than can be counted. */
uint64_t problem_bytes(const topn_data *data, const alternating_params *params, composition kind, bool contexts,
                       const size_t *field_factors);
uint64_t problem_state_bytes(const topn_data *data, const alternating_params *params, composition kind, bool contexts,
                             const size_t *field_factors);
double problem_sweep_flops(const topn_data *data, const alternating_params *params, composition kind, bool contexts,
                           const size_t *field_factors);
/* Fills encoder (fields) and item table (own dense rows ψ) of the model; parameters are copied. */
topn_status problem_export(topn_context *context, const alternating_problem *problem, const topn_data *data,
                           const alternating_params *params, topn_model *model);
/* The same at the end: the users' rows may move into the model, the problem can only be cleared then. */
topn_status problem_finish(topn_context *context, alternating_problem *problem, const topn_data *data,
                           const alternating_params *params, topn_model *model);
/* Parameters of users, values, features and items that an earlier model of the same method and width knows by name. */
topn_status problem_start_from(topn_context *context, const topn_model *earlier, const topn_data *data,
                               alternating_problem *problem);

#endif
