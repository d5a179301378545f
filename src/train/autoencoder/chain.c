/* SPDX-License-Identifier: Apache-2.0 */
#include "train/autoencoder/chain.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "train/autoencoder/composite_prior.h"
#include "train/autoencoder/gaussian.h"
#include "train/autoencoder/stack_model.h"
#include "train/network/layers.h"

enum { ENCODER, DECODER, STACKS };

typedef struct chain {
    chain_form form;
    size_t latent;
    layer_stack *stacks[STACKS];
    layer_workspace *workspaces[STACKS];
    layer_gradients *gradients[STACKS];
    float *moments;        /* [batch × 2L] μ and ln σ²; plain: [batch × L] the latent values */
    float *d_latent;       /* same: derivatives by them */
    float *noise, *z, *dz; /* [batch × L] each; plain: NULL */
    double beta_per_event; /* γ of the composite prior */
    double *divergences;   /* [2 × batch] of a user, and its weight */
} chain;

static bool is_variational(int form)
{
    return form == CHAIN_NORMAL_PRIOR || form == CHAIN_COMPOSITE_PRIOR;
}

/* The composite prior's old moments. */
size_t chain_remembers(int form, const autoencoder_params *params)
{
    return form == CHAIN_COMPOSITE_PRIOR ? 2 * (size_t)params->latent : 0;
}

/* Layers of both stacks; false where `hidden` is no such text. */
static topn_status forms_of(topn_context *context, int form, const autoencoder_params *params,
                            layer_form forms[STACKS][MOST_LAYERS], size_t counts[STACKS])
{
    topn_status status;
    size_t hidden = 0;
    const activation_kind kind = form == CHAIN_COMPOSITE_PRIOR ? ACTIVATION_SWISH : ACTIVATION_TANH;
    TRY(layer_forms_read(context, "hidden", params->hidden, kind, 0, forms[ENCODER], &hidden));
    for (size_t layer = 0; layer < hidden; layer++)
        forms[DECODER][layer] = forms[ENCODER][hidden - 1 - layer];
    counts[DECODER] = form == CHAIN_COMPOSITE_PRIOR || params->decoder == DECODER_LINEAR ? 0 : hidden;
    for (size_t layer = 0; form == CHAIN_COMPOSITE_PRIOR && layer < hidden; layer++) {
        forms[ENCODER][layer].normal = true;
        forms[ENCODER][layer].connected = layer > 0;
    }
    forms[ENCODER][hidden] = (layer_form){.outputs = (size_t)params->latent * (is_variational(form) ? 2 : 1),
                                          .activation = is_variational(form)    ? ACTIVATION_IDENTITY
                                                        : form == CHAIN_BY_ITEM ? ACTIVATION_SIGMOID
                                                                                : ACTIVATION_TANH};
    counts[ENCODER] = hidden + 1;
    forms[ENCODER][0].plain = true; /* its weights are the sparse input's */
done:
    return status;
}

topn_status chain_check(topn_context *context, int form, const autoencoder_params *params)
{
    topn_status status;
    layer_form forms[STACKS][MOST_LAYERS];
    size_t counts[STACKS];
    TRY(forms_of(context, form, params, forms, counts));
    if (counts[ENCODER] + counts[DECODER] > MOST_LAYERS)
        return fail(context, TOPN_ERROR_OPTION, "option --hidden is \"%s\", which is more than %d layers",
                    params->hidden, (MOST_LAYERS - 1) / 2);
    if (is_variational(form) && counts[ENCODER] < 2)
        return fail(context, TOPN_ERROR_OPTION,
                    "option --hidden is empty; means and variances need a layer before them, such as --hidden 600");
    for (size_t layer = 1; form == CHAIN_COMPOSITE_PRIOR && layer + 1 < counts[ENCODER]; layer++)
        if (forms[ENCODER][layer].outputs != forms[ENCODER][0].outputs)
            return fail(context, TOPN_ERROR_OPTION,
                        "option --hidden is \"%s\"; connected layers have one width, such as 600,600,600",
                        params->hidden);
done:
    return status;
}

/* After chain_check nothing fails. */
static void known_forms(int form, const autoencoder_params *params, layer_form forms[STACKS][MOST_LAYERS],
                        size_t counts[STACKS])
{
    topn_context unused = {0};
    memset(forms, 0, STACKS * sizeof *forms);
    memset(counts, 0, STACKS * sizeof *counts);
    forms_of(&unused, form, params, forms, counts);
}

void chain_sizes(int form, const autoencoder_params *params, size_t *width, size_t *outputs, size_t *input_outputs)
{
    layer_form forms[STACKS][MOST_LAYERS];
    size_t counts[STACKS];
    known_forms(form, params, forms, counts);
    *width = *input_outputs = forms[ENCODER][0].outputs;
    *outputs = counts[DECODER] ? forms[DECODER][counts[DECODER] - 1].outputs : (size_t)params->latent;
}

/* Floats that a row keeps in a workspace, and weights. */
static void count_stack(size_t inputs, const layer_form *forms, size_t count, uint64_t *row, uint64_t *weights)
{
    for (size_t layer = 0; layer < count; layer++) {
        *row += 3 * forms[layer].outputs + (forms[layer].normal ? 2 * forms[layer].outputs + 1 : 0);
        *weights += forms[layer].plain ? 0 : inputs * forms[layer].outputs;
        inputs = forms[layer].outputs;
    }
}

uint64_t chain_bytes(int form, const autoencoder_params *params, size_t batch, uint64_t items, uint64_t *state)
{
    (void)items;
    layer_form forms[STACKS][MOST_LAYERS];
    size_t counts[STACKS];
    uint64_t row = (is_variational(form) ? 7 : 2) * (uint64_t)params->latent + 4, weights = 0;
    known_forms(form, params, forms, counts);
    const size_t first[STACKS] = {forms[ENCODER][0].outputs, (size_t)params->latent};
    *state = 0;
    for (int stack = 0; stack < STACKS; stack++) {
        *state += layer_stack_bytes(first[stack], forms[stack], counts[stack], OPTIMIZER_ARRAYS);
        count_stack(first[stack], forms[stack], counts[stack], &row, &weights);
    }
    return *state + *state / (1 + OPTIMIZER_ARRAYS) /* gradients */ + sizeof(float) * batch * row;
}

double chain_flops(int form, const autoencoder_params *params, uint64_t items)
{
    (void)items;
    layer_form forms[STACKS][MOST_LAYERS];
    size_t counts[STACKS];
    uint64_t row = 0, weights = 0;
    known_forms(form, params, forms, counts);
    count_stack(forms[ENCODER][0].outputs, forms[ENCODER], counts[ENCODER], &row, &weights);
    count_stack((size_t)params->latent, forms[DECODER], counts[DECODER], &row, &weights);
    return 6.0 * (double)weights;
}

void chain_free(void *network)
{
    chain *at = network;
    if (!at)
        return;
    for (int stack = 0; stack < STACKS; stack++) {
        layer_gradients_free(at->gradients[stack]);
        layer_workspace_free(at->workspaces[stack]);
        layer_stack_free(at->stacks[stack]);
    }
    free(at->divergences);
    free(at->moments);
    free(at->d_latent);
    free(at->noise);
    free(at->z);
    free(at->dz);
    free(at);
}

topn_status chain_create(topn_context *context, int form, const autoencoder_params *params, size_t batch,
                         uint32_t items, const optimizer *by, void **out)
{
    topn_status status;
    chain *at = NULL;
    layer_form forms[STACKS][MOST_LAYERS];
    size_t counts[STACKS];
    (void)items;
    *out = NULL;
    TRY(ALLOCATE_ZEROED(context, 1, &at));
    at->form = (chain_form)form;
    at->latent = (size_t)params->latent;
    at->beta_per_event = params->beta_per_event;
    known_forms(form, params, forms, counts);
    const size_t first[STACKS] = {forms[ENCODER][0].outputs, at->latent};
    for (unsigned stack = 0; stack < STACKS; stack++) {
        TRY(layer_stack_create(context, first[stack], forms[stack], counts[stack], stack, &at->stacks[stack]));
        TRY(layer_stack_create_state(context, by, at->stacks[stack]));
        TRY(layer_workspace_create(context, at->stacks[stack], batch, &at->workspaces[stack]));
        TRY(layer_gradients_create(context, at->stacks[stack], &at->gradients[stack]));
    }
    const size_t values = batch * at->latent * (is_variational(form) ? 2 : 1);
    TRY(ALLOCATE(context, values, &at->moments));
    TRY(ALLOCATE(context, values, &at->d_latent));
    if (is_variational(form)) {
        TRY(ALLOCATE(context, 2 * batch, &at->divergences));
        TRY(ALLOCATE(context, batch * at->latent, &at->noise));
        TRY(ALLOCATE(context, batch * at->latent, &at->z));
        TRY(ALLOCATE(context, batch * at->latent, &at->dz));
    }
    *out = at;
    return TOPN_OK;
done:
    chain_free(at);
    return status;
}

size_t chain_arrays(const void *network, const optimizer *by, state_array *arrays)
{
    const chain *at = network;
    size_t count = layer_stack_arrays(at->stacks[ENCODER], "encoder", by, arrays);
    if (at->stacks[DECODER]->parameters)
        count += layer_stack_arrays(at->stacks[DECODER], "decoder", by, arrays + count);
    return count;
}

bool chain_decodes(const void *network)
{
    const chain *at = network;
    return at->stacks[DECODER]->parameters > 0;
}

float *chain_biases(const void *network)
{
    const chain *at = network;
    return at->stacks[ENCODER]->layers.layers[0].biases;
}

void chain_remember(void *network, const user_batch *batch, const float *x, float *out)
{
    const chain *at = network;
    const layer_stack *encoder = at->stacks[ENCODER];
    layer_forward(encoder, at->workspaces[ENCODER], batch->count, x, encoder->layers.inputs, false, 0, batch->threads,
                  out, layers_outputs(&encoder->layers));
}

void chain_forward(void *network, const user_batch *batch, const float *x, float *h)
{
    chain *at = network;
    const layer_stack *encoder = at->stacks[ENCODER], *decoder = at->stacks[DECODER];
    const size_t outputs = layers_outputs(&encoder->layers);
    const float *z = at->moments;
    layer_forward(encoder, at->workspaces[ENCODER], batch->count, x, encoder->layers.inputs, batch->drop,
                  batch_example(batch, 0), batch->threads, at->moments, outputs);
    if (is_variational((int)at->form)) {
        gaussian_draw(batch, at->latent, 0, at->moments, at->noise, at->z);
        z = at->z;
    }
    layer_forward(decoder, at->workspaces[DECODER], batch->count, z, at->latent, batch->drop, batch_example(batch, 0),
                  batch->threads, h, layers_outputs(&decoder->layers));
}

/* The divergence of one user, and what it weighs in the loss. */
static double pull_divergence(chain *at, const user_batch *batch, const autoencoder_step *step, size_t n,
                              double *weight)
{
    const size_t latent = at->latent, row = 2 * n * latent;
    size_t length;
    if (at->form != CHAIN_COMPOSITE_PRIOR) {
        *weight = step->beta;
        return gaussian_divergence(latent, at->moments + row, step->beta * step->scale, at->d_latent + row);
    }
    batch_history(batch, n, &length);
    *weight = at->beta_per_event * (double)length;
    return composite_divergence(latent, at->moments + row, batch->remembered + 2 * batch->places[n] * latent,
                                at->noise + n * latent, at->z + n * latent, *weight * step->scale, at->dz + n * latent,
                                at->d_latent + row);
}

/* Derivatives by the moments. */
static divergence_sums pull_latent(chain *at, const user_batch *batch, const autoencoder_step *step)
{
    divergence_sums sums = {0};
    const size_t latent = at->latent;
    memset(at->d_latent, 0, batch->count * 2 * latent * sizeof *at->d_latent);
    double *divergences = at->divergences, *weights = divergences + batch->count;
#pragma omp parallel for num_threads(batch->threads) schedule(static) if (batch->threads > 1)
    for (size_t n = 0; n < batch->count; n++)
        divergences[n] = pull_divergence(at, batch, step, n, &weights[n]);
    gaussian_pull(batch, latent, at->moments, at->noise, at->dz, at->d_latent);
    for (size_t n = 0; n < batch->count; n++) {
        sums.plain += divergences[n];
        sums.weighted += weights[n] * divergences[n];
    }
    return sums;
}

divergence_sums chain_backward(void *network, const user_batch *batch, const autoencoder_step *step, const float *dh,
                               float *dx)
{
    chain *at = network;
    divergence_sums sums = {0};
    layer_stack *encoder = at->stacks[ENCODER], *decoder = at->stacks[DECODER];
    const bool variational = is_variational((int)at->form);
    for (int stack = 0; stack < STACKS; stack++)
        layer_gradients_begin(at->gradients[stack]);
    layer_backward(decoder, at->workspaces[DECODER], dh, layers_outputs(&decoder->layers), batch->threads,
                   variational ? at->dz : at->d_latent, at->latent, at->gradients[DECODER]);
    if (!step->encoder) {
        layer_stack_step(decoder, at->gradients[DECODER], step->by, &step->setting, step->l2, 0, batch->threads);
        return sums;
    }
    if (variational)
        sums = pull_latent(at, batch, step);
    layer_backward(encoder, at->workspaces[ENCODER], at->d_latent, layers_outputs(&encoder->layers), batch->threads, dx,
                   encoder->layers.inputs, at->gradients[ENCODER]);
    layer_stack_step(encoder, at->gradients[ENCODER], step->by, &step->setting, step->l2, 0, batch->threads);
    if (step->decoder)
        layer_stack_step(decoder, at->gradients[DECODER], step->by, &step->setting, step->l2, 0, batch->threads);
    return sums;
}

double chain_squares(const void *network)
{
    const chain *at = network;
    return stack_squares(&at->stacks[ENCODER]->layers) + stack_squares(&at->stacks[DECODER]->layers);
}

/* Columns of a layer of the encoder that a model has: of the last one the means. */
static size_t kept_columns(const chain *at, size_t layer)
{
    const network_layers *encoder = &at->stacks[ENCODER]->layers;
    return layer + 1 == encoder->layer_count ? at->latent : layers_columns(encoder, layer);
}

topn_status chain_export(topn_context *context, const void *network, network_layers *out)
{
    topn_status status = TOPN_OK;
    const chain *at = network;
    const network_layers *encoder = &at->stacks[ENCODER]->layers, *decoder = &at->stacks[DECODER]->layers;
    *out = (network_layers){.inputs = encoder->inputs, .scale = 1};
    for (size_t layer = 0; layer < encoder->layer_count; layer++)
        TRY(stack_export_layer(context, encoder, layer, kept_columns(at, layer), out));
    for (size_t layer = 0; layer < decoder->layer_count; layer++)
        TRY(stack_export_layer(context, decoder, layer, layers_columns(decoder, layer), out));
done:
    return status;
}

bool chain_take(void *network, const network_layers *from)
{
    chain *at = network;
    const network_layers *encoder = &at->stacks[ENCODER]->layers, *decoder = &at->stacks[DECODER]->layers;
    const size_t before = encoder->layer_count;
    bool fits = from->layer_count == before + decoder->layer_count;
    for (size_t layer = 0; fits && layer < before; layer++)
        fits = stack_layer_fits(encoder, layer, kept_columns(at, layer), from, layer);
    for (size_t layer = 0; fits && layer < decoder->layer_count; layer++)
        fits = stack_layer_fits(decoder, layer, layers_columns(decoder, layer), from, before + layer);
    for (size_t layer = 0; fits && layer < before; layer++)
        stack_take_layer(encoder, layer, from, layer);
    for (size_t layer = 0; fits && layer < decoder->layer_count; layer++)
        stack_take_layer(decoder, layer, from, before + layer);
    return fits;
}
