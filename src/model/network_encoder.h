/* SPDX-License-Identifier: Apache-2.0
 *
 * The encoder of networks: φ(c) of a weighted history and of what is known of the user,
 *
 *   x = Σ_bags s Σ_h v_h T_h + row of the user, or the unknown row + Σ_k x_k · row of feature k
 *   v_h = 1; of a weighted bag w_h − offset.  s = n^−exponent, n: events of the history, or Σ_h v_h² where `squares`
 *   (n = 0: the bag is 0)
 *   φ = layers(x)                                                                    (model/network_layers.h)
 *
 * With layers it is a multi-layer network over a sparse input (two-tower models, autoencoders: exponent ½ with squares
 * is their L2-normalised input); without, item–item factor models that need two bags (Koren 2008), or features.
 *
 * by_feature of the two fields refers to their strings: fill an encoder where it stays.
 *
 * The items' rows ψ are a table of the model. What made them of the items' features is kept where there are any, so
 * that rows of new items can be made of theirs: ψ = layers(row of new items + Σ_k x_k · row of feature k); training
 * goes on from there, too.
 */
#ifndef TOPN_MODEL_NETWORK_ENCODER_H
#define TOPN_MODEL_NETWORK_ENCODER_H

#include "model/fields_encoder.h"
#include "model/network_layers.h"

enum { MOST_NETWORK_BAGS = 2 };

typedef struct network_bag {
    dense_matrix table; /* [items × width] */
    double exponent, offset;
    bool weighted, squares;
} network_bag;

typedef struct network_encoder {
    size_t width; /* of x; 0: the model has no such encoder */
    network_bag bags[MOST_NETWORK_BAGS];
    size_t bag_count;
    encoder_field users;         /* table [kept users + 1 + features × width]: users, unknown, features; no values */
    sparse_matrix user_features; /* users × features, what a user is described by; indptr NULL without */
    network_layers layers;       /* of x; inputs = width */
    encoder_field items; /* table [items or 0 + 1 + features × inputs of item_layers]: items, new ones, features */
    network_layers item_layers; /* where there is such a table */
    bool mapped;                /* numbers and strings belong to a file */
} network_encoder;

void network_encoder_clear(network_encoder *encoder);
/* A copy that shares nothing, nor a mapped file. */
topn_status network_encoder_copy(topn_context *context, const network_encoder *from, network_encoder *out);
/* D, the entries of φ; 0 without such an encoder. */
size_t network_dimensions(const network_encoder *encoder);
/* Users whose rows the model has; and those it has rows or features of. */
uint32_t network_users(const network_encoder *encoder);
uint32_t network_known_users(const network_encoder *encoder);
/* Every value finite, every shape fitting the others and the model's items and users; NUMERIC (values) or FORMAT. */
topn_status network_encoder_check(topn_context *context, const network_encoder *encoder, uint32_t items,
                                  uint32_t user_ids);

/* One thread's memory for encoding. */
typedef struct network_scratch network_scratch;
topn_status network_scratch_create(topn_context *context, const network_encoder *encoder, network_scratch **out);
void network_scratch_free(network_scratch *scratch);
/* phi [D]. The query's user is one whose row, where there is one, is taken as it is, or UINT32_MAX: the unknown row;
 * its values are not looked at. Without features of its own a known user has those that the model keeps. No message and
 * no failure but NUMERIC: φ is not finite. O(length·width + weights of the layers). */
topn_status network_encode(const network_encoder *encoder, const fields_query *query, network_scratch *scratch,
                           float *phi);
/* What each event h of the history adds to ⟨φ, target⟩: what the whole history gives less what it gives without h.
 * target [D], out [length]. O(length · (width + weights of the layers)). */
topn_status network_contributions(const network_encoder *encoder, const fields_query *query, network_scratch *scratch,
                                  const float *target, double *out);
/* The row ψ [D] of an item with these features (numbers of the table `items`), values NULL = all 1. */
topn_status network_embed_item(const network_encoder *encoder, const uint32_t *features, const float *values,
                               size_t count, network_scratch *scratch, float *psi);

#endif
