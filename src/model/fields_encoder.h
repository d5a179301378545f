/* SPDX-License-Identifier: Apache-2.0
 *
 * The encoder of least-squares models: φ(c) composed of the embeddings of the context's fields (model/multilinear.h),
 * the first of which is the user. For a user by history the user's row is solved for: one Newton step of P2 Algorithm
 * 4, line 14, which is the optimum (P2 §6.3, where "eq. 30" means this),
 *
 *     θ_u = argmin Σ_h α_h·v·u_h (⟨φ, ψ_h⟩ − y_h)² + α₀·v Σ_i u_i ⟨φ, ψ_i⟩² + λ_u ‖θ_u‖²  (pairwise: P2 eq. 42)
 *
 * where all events of the history count as of the context asked for.
 */
#ifndef TOPN_MODEL_FIELDS_ENCODER_H
#define TOPN_MODEL_FIELDS_ENCODER_H

#include "base/context.h"
#include "data/contexts.h"
#include "data/id_map.h"
#include "model/multilinear.h"

enum {
    MOST_ENCODER_FIELDS = 33, /* the user and MOST_FIELDS */
    MOST_FACTORS = 1 << 16,
};

/* How an event's weight w becomes its weight α and label y in the loss. */
typedef enum confidence_kind { CONFIDENCE_NONE, CONFIDENCE_LINEAR, CONFIDENCE_LOG } confidence_kind;

typedef struct square_loss {
    bool pairwise;  /* P2 eq. 42–45, else pointwise eq. 21–26 */
    double alpha;   /* α of an event with NONE; LINEAR: + scale·w; LOG: + scale·ln(1 + w) */
    int confidence; /* confidence_kind */
    double scale;
    double dislike_below;                /* events of less weight have label 0; NAN = none */
    double label;                        /* pairwise: times it, y: what an event should score above all items */
    double unobserved;                   /* α₀ */
    double l2, l2_exponent;              /* λ of a row: l2·(events + α₀·entities of the other side)^l2_exponent */
    double user_exponent, item_exponent; /* v_c = (events of c)^−a and u_i likewise, scaled to mean 1 over events */
} square_loss;
void event_weight(const square_loss *loss, float weight, float *alpha, float *label);

/* One field of the context. values [table rows − 1]; the last row of `table` stands for unknown and missing values. The
 * user's field may lack the users' rows (table of 1 row): then only histories tell who asks. */
typedef struct encoder_field {
    char *name;          /* "user", "hour" */
    string_table values; /* count 0 for the user's field: topn_model.user_ids */
    id_index by_value;
    string_table features; /* names of features of this field's values (users' features), after the values' rows */
    id_index by_feature;
    dense_matrix table; /* [values + 1 + features × width]: values, unknown, features */
} encoder_field;

typedef struct fields_encoder {
    composition kind;
    size_t factors;
    bool biases;
    encoder_field *fields;       /* [field_count], [0] the user */
    size_t field_count;          /* 0: the model has no such encoder */
    dense_matrix core;           /* TUCKER */
    sparse_matrix user_features; /* users × features, what goes with a user's row; indptr NULL without */
    square_loss loss;            /* what a user's row is solved with */
    double user_scale;           /* v of a user with m events is user_scale·m^−user_exponent */
    float *item_weights;         /* u [items], or NULL = all 1 */
    float *item_gram;            /* Σ_i u_i ψψᵀ [D × D] */
    float *item_sum;             /* Σ_i u_i ψ_i [D], z of P2 eq. 45; NULL unless pairwise */
    float *context_gram;         /* Σ_c v_c φφᵀ [D × D]: what the row of a new item is solved with; pairwise:
                                    v_c the weight of the context's events */
    float *context_pull;         /* pairwise: [D] what new items are pulled to (alternating/pair_statistics.h); NULL: no
                                    item can be added */
    double contexts;             /* |C| */
    bool mapped;                 /* numbers and strings belong to a file */
} fields_encoder;
void fields_encoder_clear(fields_encoder *encoder);
/* A copy that shares nothing, nor a mapped file. */
topn_status fields_encoder_copy(topn_context *context, const fields_encoder *from, uint32_t items, fields_encoder *out);
/* D, the entries of φ. */
size_t fields_dimensions(const fields_encoder *encoder);
/* Users whose rows the model has; 0 when only histories tell who asks. */
uint32_t fields_users(const fields_encoder *encoder);
/* λ of the row of an entity with `events` events, when the other side has `others` entities. */
double row_ridge(const square_loss *loss, double events, double others);
/* Every value finite, every shape fitting the others and the model's items and users; NUMERIC (values) or FORMAT. */
topn_status fields_encoder_check(topn_context *context, const fields_encoder *encoder, const dense_matrix *psi,
                                 uint32_t user_ids);

/* Who asks, and in which context. */
typedef struct fields_query {
    uint32_t user;         /* row of the user's field whose θ is taken as it is; UINT32_MAX: solve for it */
    const uint32_t *items; /* [length] history */
    const float *weights;  /* [length] or NULL = all 1 */
    size_t length;
    const uint32_t *values;   /* [field_count − 1] rows of the fields' tables, or FIELD_MISSING; NULL = all missing */
    const uint32_t *features; /* [feature_count] features of the user, from 0 */
    const float *feature_values; /* [feature_count] or NULL = 1 */
    size_t feature_count;
} fields_query;

/* One thread's memory for encoding. */
typedef struct fields_scratch fields_scratch;
topn_status fields_scratch_create(topn_context *context, const fields_encoder *encoder, fields_scratch **out);
void fields_scratch_free(fields_scratch *scratch);
/* phi [D]; psi: the item table [items × D], dense. Without a history the user's row is the unknown one. Solved by
 * Cholesky factorisation and a step of refinement. No message and no failure but NUMERIC: the system has no solution in
 * single precision. O(length·D·width + width³/3). */
topn_status fields_encode(const fields_encoder *encoder, const dense_matrix *psi, const fields_query *query,
                          fields_scratch *scratch, float *phi);
/* What each event h of the history adds to ⟨φ, target⟩ in a solved row: the solution is linear in the right-hand sides,
 * one for each event, α_h (y_h − ⟨φ₀, ψ_h⟩) ψ_hᵀ A⁻¹ target for the pointwise loss, φ₀ what φ is without a row (Hu et
 * al. 2008, §5). target [D], out [length]. query->user is not looked at. Status and cost as for fields_encode. */
topn_status fields_contributions(const fields_encoder *encoder, const dense_matrix *psi, const fields_query *query,
                                 fields_scratch *scratch, const float *target, double *out);

#endif
