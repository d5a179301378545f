/* SPDX-License-Identifier: Apache-2.0
 *
 * Networks in a row: hidden layers of the encoder, latent values, and a decoder that mirrors the encoder.
 *
 *   plain         x ─ tanh layers ─▶ latent values (tanh) ─ tanh layers ─▶ h                     (mult-dae)
 *   by item       x ─ a sigmoid layer ─▶ h                                                             (autorec)
 *   composite     x ─ swish layers, each with the earlier ones' outputs and layer normalisation ─▶ [μ | ln σ²]
 *                 ─▶ z drawn                                                                        (recvae)
 *   normal prior  x ─ tanh layers ─▶ [μ | ln σ²] ─▶ z drawn ─ tanh layers ─▶ h                    (mult-vae)
 *
 * Where the decoder is said to be linear the layers behind the latent values are left out.
 */
#ifndef TOPN_TRAIN_AUTOENCODER_CHAIN_H
#define TOPN_TRAIN_AUTOENCODER_CHAIN_H

#include "train/autoencoder/autoencoder.h"

/* decoder of autoencoder_params */
enum { DECODER_MIRRORED, DECODER_LINEAR };

typedef enum chain_form { CHAIN_PLAIN, CHAIN_NORMAL_PRIOR, CHAIN_COMPOSITE_PRIOR, CHAIN_BY_ITEM } chain_form;

topn_status chain_check(topn_context *context, int form, const autoencoder_params *params);
void chain_sizes(int form, const autoencoder_params *params, size_t *width, size_t *outputs, size_t *input_outputs);
uint64_t chain_bytes(int form, const autoencoder_params *params, size_t batch, uint64_t items, uint64_t *state);
double chain_flops(int form, const autoencoder_params *params, uint64_t items);
topn_status chain_create(topn_context *context, int form, const autoencoder_params *params, size_t batch,
                         uint32_t items, const optimizer *by, void **out);
void chain_free(void *network);
size_t chain_arrays(const void *network, const optimizer *by, state_array *arrays);
size_t chain_remembers(int form, const autoencoder_params *params);
void chain_remember(void *network, const user_batch *batch, const float *x, float *out);
bool chain_decodes(const void *network);
float *chain_biases(const void *network);
void chain_forward(void *network, const user_batch *batch, const float *x, float *h);
divergence_sums chain_backward(void *network, const user_batch *batch, const autoencoder_step *step, const float *dh,
                               float *dx);
double chain_squares(const void *network);
topn_status chain_export(topn_context *context, const void *network, network_layers *out);
bool chain_take(void *network, const network_layers *from);

#define CHAIN_NETWORK(chain, ...)                                                                                      \
    {                                                                                                                  \
        .form = (chain), .check = chain_check, .sizes = chain_sizes, .bytes = chain_bytes, .flops = chain_flops,       \
        .create = chain_create, .free = chain_free, .arrays = chain_arrays, .remembers = chain_remembers,              \
        .remember = chain_remember, .forward = chain_forward, .backward = chain_backward, .decodes = chain_decodes,    \
        .squares = chain_squares, .export = chain_export, .take = chain_take, __VA_ARGS__                              \
    }

#endif
