/* SPDX-License-Identifier: Apache-2.0
 *
 * What every method ends as: an encoder and an item table.
 *
 *     score(c, i) = ⟨φ(c), ψ_i⟩ · π_i + b_i                                  (P1 eq. 7, P2 eq. 2)
 *
 * encoder     φ(c) from the context c, which here is a weighted history of items
 *   CONSTANT  no φ; score = b_i (popularity)
 *   BAG       φ = s · Σ_h w_h · T_h over the history, T_h row h of `rows`; s = (Σ w_h)^−normalizer. With a cut, only
 *             the `cut` entries of φ that are largest by magnitude stay, ties to the lower dimension (user-kNN;
 *             P1 §4.3)
 *   FIELDS    φ composed of embeddings of the context's fields; a user's own is solved for from the history
 *             (model/fields_encoder.h)
 *   NETWORK   φ = layers of a network over sums of embeddings of the history and the user (model/network_encoder.h)
 *
 * item table  ψ_i
 *   NONE      no ψ (with CONSTANT)
 *   IDENTITY  φ is the score vector itself: T is items × items (EASE, SLIM, item-kNN)
 *   SHARED    ψ_i = T_i, the encoder's own rows (CHOL)
 *   OWN       its own rows [items × dimensions]
 */
#ifndef TOPN_MODEL_MODEL_H
#define TOPN_MODEL_MODEL_H

#include "base/record.h"
#include "data/id_map.h"
#include "data/interactions.h"
#include "model/fields_encoder.h"
#include "model/model_index.h"
#include "model/network_encoder.h"
#include "numeric/matrix.h"
#include "store/safetensors.h"

typedef enum table_form { TABLE_NONE, TABLE_DENSE, TABLE_SPARSE } table_form;

/* Rows of embeddings, [items × dimensions], dense or sparse. */
typedef struct embedding_table {
    table_form form;
    dense_matrix dense;
    sparse_matrix sparse;
} embedding_table;

/* Row count and width whatever the form; 0 for NONE. */
size_t embedding_rows(const embedding_table *table);
size_t embedding_dimensions(const embedding_table *table);
void embedding_clear(embedding_table *table);

typedef enum encoder_kind { ENCODER_CONSTANT, ENCODER_BAG, ENCODER_FIELDS, ENCODER_NETWORK } encoder_kind;
typedef enum item_table_kind { ITEMS_NONE, ITEMS_IDENTITY, ITEMS_SHARED, ITEMS_OWN } item_table_kind;

struct topn_model {
    struct {
        encoder_kind kind;
        embedding_table rows;
        double normalizer;       /* exponent, 0 = none */
        uint32_t cut;            /* 0 = none; only with ITEMS_SHARED and ITEMS_OWN */
        bool use_weights;        /* false: every history weight counts as 1 */
        fields_encoder fields;   /* FIELDS only */
        network_encoder network; /* NETWORK only */
    } encoder;
    struct {
        item_table_kind kind;
        embedding_table rows; /* ITEMS_OWN only */
        float *priors;        /* π [items], or NULL = all 1 */
        float *biases;        /* b [items], or NULL = all 0 */
    } table;
    /* [dimensions of encoder.rows]: the item that a dimension stands for, each item at most once; NULL = dimensions
     * have no meaning. A triangular factor has them, in the order of the factorisation. */
    uint32_t *dimension_items;
    uint32_t items;
    string_table item_ids; /* [items] */
    string_table titles;   /* [items] or count 0 */
    id_index items_by_id;
    string_table user_ids; /* [users] or count 0 */
    id_index users_by_id;
    sparse_matrix histories;  /* users × items; values may be NULL (all 1) */
    float *popularity;        /* [items] events in the training data, or NULL = not known */
    feature_table attributes; /* of the items, for filters: the training data's item features; names.count 0 = none */
    model_index indexes[MODEL_INDEXES]; /* [index_count] in the order of their kinds */
    size_t index_count;
    record metadata;
    safetensors_file *file; /* when arrays are mapped: none of them is freed; else NULL */
};

/* An empty model with ids, titles and (keep_histories) histories copied from the training data, and the metadata
 * "data.*" filled. The method fills encoder and table, whose arrays become the model's. */
topn_status model_create(topn_context *context, const topn_data *data, bool keep_histories, topn_model **out);
/* What it takes beside item_facts_bytes. */
uint64_t model_base_bytes(const topn_data *data, bool keep_histories);
/* Gives the model the data's users' ids where it has none yet, for rows of users that are kept though no histories are.
 */
topn_status model_name_users(topn_context *context, const topn_data *data, topn_model *model);
/* A copy that shares nothing, nor a mapped file; without indexes. */
topn_status model_copy(topn_context *context, const topn_model *model, topn_model **out);
/* The same without the rows of encoder and item table, which are the caller's to fill. */
topn_status model_copy_frame(topn_context *context, const topn_model *model, topn_model **out);
/* The rows ψ that the item table stands for; NULL for NONE and IDENTITY. */
const embedding_table *model_item_rows(const topn_model *model);
/* Entries of φ: columns of the encoder's table, or what its fields compose or its layers give; 0 for CONSTANT. */
size_t model_dimensions(const topn_model *model);
/* What the model knows of users, for encoders FIELDS and NETWORK: their field, with features by name; the features kept
 * of users; how many of these the model knows by rows or features. Else NULL, NULL and 0. */
const encoder_field *model_user_field(const topn_model *model);
const sparse_matrix *model_user_features(const topn_model *model);
uint32_t model_user_rows(const topn_model *model);
/* Every value finite, every shape fitting the others; NUMERIC (values) or FORMAT (shapes) with the array's name. */
topn_status model_check(topn_context *context, const topn_model *model);

#endif
