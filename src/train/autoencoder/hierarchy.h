/* SPDX-License-Identifier: Apache-2.0
 *
 * Two latent layers, each Gaussian, with gated layers between (Kim, Suh 2019, §3; Tomczak, Welling 2018, §4): z2 is
 * drawn of the history alone, z1 of the history and z2; z1's prior is made of z2, that of z2 is a VampPrior.
 *
 *   x = [a | b] halves of what the input gives        gated layer: h = v ⊙ σ(g) of two linear maps v, g
 *
 *   a ─ gate ─▶ FRONT ─ OUTER ─▶ [μ2 | v2] ─▶ z2          q(z2 | history)
 *   b ─ gate ─▶ FRONT ─┐
 *   z2 ─ INNER ────────┴─ JOINT ─▶ [μ1 | v1] ─▶ z1        q(z1 | history, z2)
 *   z2 ─ PRIOR ─▶ [μ | v]                                 p(z1 | z2)
 *   z1 ─ FROM_INNER ─┐
 *   z2 ─ FROM_OUTER ─┴─ LAST ─▶ h                         p(history | z1, z2)
 *
 * A pseudo-input is learned as what the input would make of it, its a, in place of a history of fractions: that is the
 * same set of priors where there are more items than 2·hidden, and a step costs K·hidden·latent in place of
 * K·items·hidden. Divergence of a user: KL(q(z1 | history, z2) ‖ p(z1 | z2)) + ln q(z2) − ln p(z2).
 */
#ifndef TOPN_TRAIN_AUTOENCODER_HIERARCHY_H
#define TOPN_TRAIN_AUTOENCODER_HIERARCHY_H

#include "train/autoencoder/autoencoder.h"
#include "train/autoencoder/vamp_prior.h"
#include "train/network/layers.h"

typedef enum hierarchy_part {
    FRONT,
    OUTER,
    INNER,
    JOINT,
    PRIOR,
    FROM_INNER,
    FROM_OUTER,
    LAST,
    HIERARCHY_PARTS
} hierarchy_part;

typedef struct hierarchy {
    size_t hidden, latent, component_count, capacity; /* H, L, K, users of a batch B */
    layer_stack *stacks[HIERARCHY_PARTS];
    layer_workspace *workspaces[HIERARCHY_PARTS];
    layer_gradients *gradients[HIERARCHY_PARTS];
    layer_workspace *of_pseudo; /* OUTER's of the pseudo-inputs */
    vamp_prior prior;
    /* Of the pseudo-inputs. */
    float *pseudo_inputs;                  /* [K × 2H] */
    float *pseudo_state[OPTIMIZER_ARRAYS]; /* same */
    float *pseudo_z;                       /* [K × 2H] with FRONT's biases; then derivatives by pseudo_inputs */
    float *pseudo_front, *d_pseudo_front;  /* [K × H] */
    float *components, *d_components;      /* [K × 2L] moments */
    /* Of the batch. */
    float *front, *d_front;         /* [B × 2H] */
    float *outer, *d_outer;         /* [B × 2L] moments of z2 */
    float *noise2, *z2, *dz2;       /* [B × L] */
    float *more;                    /* [B × L] of dz2 */
    float *pair, *d_pair;           /* [B × 2H] what JOINT takes; also d of what LAST takes */
    float *inner, *d_inner;         /* [B × 2L] moments of z1 */
    float *given, *d_given;         /* [B × 2L] moments of p(z1 | z2) */
    float *noise1, *z1, *dz1;       /* [B × L] */
    float *decoded;                 /* [B × 2H] what LAST takes */
    double *divergences, *of_users; /* [B] of z2; of z1 */
} hierarchy;

topn_status hierarchy_check(topn_context *context, int form, const autoencoder_params *params);
void hierarchy_sizes(int form, const autoencoder_params *params, size_t *width, size_t *outputs, size_t *input_outputs);
uint64_t hierarchy_bytes(int form, const autoencoder_params *params, size_t batch, uint64_t items, uint64_t *state);
double hierarchy_flops(int form, const autoencoder_params *params, uint64_t items);
topn_status hierarchy_create(topn_context *context, int form, const autoencoder_params *params, size_t batch,
                             uint32_t items, const optimizer *by, void **out);
void hierarchy_free(void *network);
size_t hierarchy_arrays(const void *network, const optimizer *by, state_array *arrays);
void hierarchy_forward(void *network, const user_batch *batch, const float *x, float *h);
divergence_sums hierarchy_backward(void *network, const user_batch *batch, const autoencoder_step *step,
                                   const float *dh, float *dx);
double hierarchy_squares(const void *network);
/* hierarchy_model.c: as layers in a row. */
topn_status hierarchy_export(topn_context *context, const void *network, network_layers *out);
uint64_t hierarchy_model_bytes(const hierarchy *at); /* of these layers; by hidden and latent alone */
bool hierarchy_take(void *network, const network_layers *from);

#define HIERARCHY_NETWORK                                                                                              \
    {                                                                                                                  \
        .check = hierarchy_check, .sizes = hierarchy_sizes, .bytes = hierarchy_bytes, .flops = hierarchy_flops,        \
        .create = hierarchy_create, .free = hierarchy_free, .arrays = hierarchy_arrays, .forward = hierarchy_forward,  \
        .backward = hierarchy_backward, .squares = hierarchy_squares, .export = hierarchy_export,                      \
        .take = hierarchy_take,                                                                                        \
    }

#endif
