/* SPDX-License-Identifier: Apache-2.0
 *
 * Autoencoders of histories: a user's events go through layers to a score for each item. A method is a row of
 * methods.def with options of its own and a network, which is what lies between the sparse input and the items' rows:
 *
 *   events ─ sparse_input ─▶ x ─ network ─▶ h ─ item_output ─▶ scores of all items, their likelihood
 *
 * Mini-batches of users in a random order of each pass; Adam; the loss is, on average over users,
 *
 *   reconstruction (−ln likelihood) + β · divergence of the latent values from their prior + λ/2 ‖weights‖²
 *
 * Trained, it is an encoder of layers over the history with the items' rows: at prediction latent values are their
 * means, nothing is dropped.
 */
#ifndef TOPN_TRAIN_AUTOENCODER_AUTOENCODER_H
#define TOPN_TRAIN_AUTOENCODER_AUTOENCODER_H

#include "train/autoencoder/likelihood.h"
#include "train/autoencoder/user_batch.h"
#include "train/iteration.h"
#include "train/method.h"
#include "train/sampled/optimizer.h"

typedef struct autoencoder_params {
    char *hidden;
    int64_t latent, batch;
    int likelihood; /* enum likelihood */
    int decoder;    /* chain.h */
    double dropout, learning_rate, l2;
    double average; /* running_mean.h */
    double beta;    /* largest weight of the divergence */
    int64_t anneal_steps;
    double beta_per_event; /* γ */
    int64_t encoder_passes, decoder_passes;
    bool alternating;
    int64_t pseudo_inputs;
    bool keep_histories, keep_users;
    iteration_params iteration;
} autoencoder_params;

#define AUTOENCODER_OPTIONS(hidden_default, latent_default, rate_default, batch_default, l2_default)                   \
    OPTION_TEXT(autoencoder_params, hidden, "hidden", hidden_default,                                                  \
                "widths of the encoder's hidden layers, such as 600 or 600,300; empty = none"),                        \
        OPTION_INTEGER(autoencoder_params, latent, "latent", latent_default, 1, 32768,                                 \
                       "values that a history is encoded in", SEARCH_LOG(32, 512)),                                    \
        OPTION_REAL(autoencoder_params, dropout, "dropout", 0.5, 0, 0.99,                                              \
                    "share of a history's events that a step of training leaves out", SEARCH_LINEAR(0, 0.8)),          \
        OPTION_CHOICE(autoencoder_params, likelihood, "likelihood", "multinomial", LIKELIHOOD_CHOICES,                 \
                      "of a history under the scores of all items"),                                                   \
        OPTION_REAL(autoencoder_params, learning_rate, "learning-rate", rate_default, 1e-12, 1e3,                      \
                    "η of Adam: length of a step, in each parameter", SEARCH_LOG(1e-4, 1e-2)),                         \
        OPTION_REAL(autoencoder_params, l2, "l2", l2_default, 0, 1e6,                                                  \
                    "λ: λ/2·‖weights‖² is added to the mean loss of a user", SEARCH_LOG(1e-7, 1e-3)),                  \
        OPTION_INTEGER(autoencoder_params, batch, "batch", batch_default, 1, 1 << 20, "users of a step")
#define AUTOENCODER_LAST_OPTIONS(sweeps_default)                                                                       \
    OPTION_BOOLEAN(autoencoder_params, keep_histories, "keep-histories", true,                                         \
                   "store each user's items in the model, for users by name"),                                         \
        OPTION_REAL(autoencoder_params, average, "average", 0, 0, 0.999,                                               \
                    "share of the running mean of all weights that a sweep keeps; the model has the mean; 0 = the "    \
                    "weights themselves"),                                                                             \
        ITERATION_OPTIONS(autoencoder_params, sweeps_default)

/* What a step does. */
typedef struct autoencoder_step {
    double scale;          /* of the loss: 1/users of the batch */
    double beta;           /* weight of the divergence now */
    bool encoder, decoder; /* which of the two it changes; the decoder's are the layers behind the latent values */
    const optimizer *by;
    optimizer_setting setting;
    double l2;
} autoencoder_step;

/* Sums over users. */
typedef struct divergence_sums {
    double plain, weighted; /* KL, and as it enters the loss */
} divergence_sums;

/* Between the sparse input and the items' rows. */
typedef struct network_kind {
    int form; /* which of several that share these functions; they are told */
    /* Rules across options. */
    topn_status (*check)(topn_context *context, int form, const autoencoder_params *params);
    /* Of x, of h, and of the first layer, as its first weights take it. */
    void (*sizes)(int form, const autoencoder_params *params, size_t *width, size_t *outputs, size_t *input_outputs);
    /* Bytes in all, of which `state` are parameters with their optimiser's state; flops of a user's step. */
    uint64_t (*bytes)(int form, const autoencoder_params *params, size_t batch, uint64_t items, uint64_t *state);
    double (*flops)(int form, const autoencoder_params *params, uint64_t items);
    topn_status (*create)(topn_context *context, int form, const autoencoder_params *params, size_t batch,
                          uint32_t items, const optimizer *by, void **out);
    void (*free)(void *network);
    /* At most MOST_NETWORK_ARRAYS; returns how many. */
    size_t (*arrays)(const void *network, const optimizer *by, state_array *arrays);
    /* What is kept of each user from when a sweep begins (user_batch.remembered): how many floats, 0 or NULL: nothing;
     * and these [count × so many] from x of whole histories. */
    size_t (*remembers)(int form, const autoencoder_params *params);
    void (*remember)(void *network, const user_batch *batch, const float *x, float *out);
    /* Items are encoded by their users in place of users by their items; then the network is one layer of biases,
     * which this gives; NULL: no. */
    float *(*by_item)(const void *network);
    bool (*decodes)(const void *network); /* whether it has layers behind the latent values; NULL: yes */
    /* h [count × outputs] of x [count × width]. */
    void (*forward)(void *network, const user_batch *batch, const float *x, float *h);
    /* dx of dh, with the divergence's derivatives; then a step of the network's own parameters. Not called
     * where only what is behind the latent values is to be stepped and nothing is there. */
    divergence_sums (*backward)(void *network, const user_batch *batch, const autoencoder_step *step, const float *dh,
                                float *dx);
    /* ‖weights‖² of its layers. */
    double (*squares)(const void *network);
    /* Fills the layers of a model, which are empty. */
    topn_status (*export)(topn_context *context, const void *network, network_layers *out);
    /* Takes over those of an earlier model: false where they do not fit. */
    bool (*take)(void *network, const network_layers *from);
} network_kind;
enum { MOST_NETWORK_ARRAYS = 32 };

/* What `struct method` takes, for a method whose network is given. */
topn_status autoencoder_check(topn_context *context, const topn_data *data, const autoencoder_params *params,
                              const network_kind *kind);
training_cost autoencoder_cost(const topn_data *data, const autoencoder_params *params, const network_kind *kind);
topn_status autoencoder_train(topn_context *context, const topn_data *data, const autoencoder_params *params,
                              const network_kind *kind, const training_run *run, topn_model *model);

/* Method `identifier` with the option rows `identifier_options` and a network_kind. */
#define AUTOENCODER_METHOD(identifier, spelling, about, source, network)                                               \
    static const option_table identifier##_option_table = OPTION_TABLE(autoencoder_params, identifier##_options);      \
    static topn_status identifier##_check(topn_context *context, const topn_data *data, const void *params)            \
    {                                                                                                                  \
        return autoencoder_check(context, data, params, network);                                                      \
    }                                                                                                                  \
    static training_cost identifier##_cost(const topn_data *data, const void *params)                                  \
    {                                                                                                                  \
        return autoencoder_cost(data, params, network);                                                                \
    }                                                                                                                  \
    static topn_status identifier##_train(topn_context *context, const topn_data *data, const void *params,            \
                                          const training_run *run, topn_model *model)                                  \
    {                                                                                                                  \
        return autoencoder_train(context, data, params, network, run, model);                                          \
    }                                                                                                                  \
    const method method_##identifier = {                                                                               \
        .name = spelling,                                                                                              \
        .summary = about,                                                                                              \
        .paper = source,                                                                                               \
        .options = &identifier##_option_table,                                                                         \
        .check = identifier##_check,                                                                                   \
        .cost = identifier##_cost,                                                                                     \
        .train_iterated = identifier##_train,                                                                          \
    };

#endif
