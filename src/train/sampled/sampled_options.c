/* SPDX-License-Identifier: Apache-2.0
 *
 * The options of sampled training, for `sgd` and for its presets. Choices are the rows of their tables.
 */
#include "train/sampled/sampled.h"

/* Each list begins with a '|', which is skipped. */
#define SAMPLED_MODEL(identifier, name) "|" name
static const char model_choices[] =
#include "train/sampled/sampled_models.def"
    ;
#undef SAMPLED_MODEL
#define LOSS(identifier, name) "|" name
static const char loss_choices[] =
#include "train/sampled/losses.def"
    ;
#undef LOSS
#define SURROGATE(identifier, name) "|" name
static const char surrogate_choices[] =
#include "train/sampled/surrogates.def"
    "|auto"; /* the last: others keep the numbers of their rows */
#undef SURROGATE
#define SAMPLER(identifier, name) "|" name
static const char sampler_choices[] =
#include "train/sampled/samplers.def"
    ;
#undef SAMPLER
#define RANK_WEIGHT(identifier, name) "|" name
static const char rank_weight_choices[] =
#include "train/sampled/rank_weights.def"
    ;
#undef RANK_WEIGHT
#define OPTIMIZER(identifier, name) "|" name
static const char optimizer_choices[] =
#include "train/sampled/optimizers.def"
    ;
#undef OPTIMIZER
#define SCHEDULE(identifier, name) "|" name
static const char schedule_choices[] =
#include "train/sampled/schedules.def"
    ;
#undef SCHEDULE

static const option_row rows[] = {
    /* what is trained */
    OPTION_CHOICE(sampled_params, model, "model", "mf", model_choices + 1,
                  "how contexts and items get their embeddings; their inner product is the score"),
    OPTION_CHOICE(sampled_params, loss, "loss", "pairwise", loss_choices + 1,
                  "of a positive and its negatives: each alone, differences of their scores, or the share of the "
                  "positive among all, -ln(exp s/Σ exp s)"),
    OPTION_CHOICE(sampled_params, surrogate, "surrogate", "auto", surrogate_choices + 1,
                  "of pointwise and pairwise: (s - y)^2, ln(1 + exp(-ys)), max(0, margin - ys); auto = logistic"),
    OPTION_CHOICE(sampled_params, sampler, "sampler", "uniform", sampler_choices + 1,
                  "how negatives are drawn; `topn methods` and docs/sampled.md say what each does"),
    OPTION_CHOICE(sampled_params, rank_weight, "rank-weight", "none", rank_weight_choices + 1,
                  "of pairwise: weight of a pair by the ranks of its items, estimated by the negatives drawn (WARP: by "
                  "the rounds that it took to find one)"),
    OPTION_INTEGER(sampled_params, factors, "factors", 64, 1, 65536, "d: dimensions of the embeddings"),
    OPTION_BOOLEAN(sampled_params, biases, "biases", false, "a bias for each row of contexts and items"),
    OPTION_INTEGER(sampled_params, negatives, "negatives", 1, 1, 1048576,
                   "m: negatives of a positive, or of a batch that shares them"),
    OPTION_BOOLEAN(sampled_params, shared_negatives, "shared-negatives", false,
                   "the positives of a batch have the same negatives: products of matrices, much faster for large m"),
    OPTION_CHOICE(
        sampled_params, exclusion, "exclude", "auto", "auto|nothing|positive|history",
        "items that are no negatives: the positive itself, or all that the context has taken; auto = history, "
        "and positive for softmax"),
    OPTION_CHOICE(sampled_params, correction, "correction", "auto", "auto|none|log-q",
                  "of softmax: scores of negatives less ln(m·q), q the probability that they are drawn with; auto = "
                  "where the sampler knows q"),
    /* steps */
    OPTION_CHOICE(
        sampled_params, optimizer, "optimizer", "adagrad", optimizer_choices + 1,
        "plain steps, steps divided by the root of a parameter's squared gradients so far, or Adam; rows that "
        "a batch does not touch stay as they are"),
    OPTION_REAL(sampled_params, learning_rate, "learning-rate", 0.05, 1e-12, 1e6,
                "η: length of a step along the sum of a batch's gradients", SEARCH_LOG(0.003, 0.3)),
    OPTION_CHOICE(sampled_params, schedule, "schedule", "constant", schedule_choices + 1,
                  "how η runs over the sweeps: as it is, η/(1 + decay·sweeps), or down to 0 by a line or a cosine"),
    OPTION_REAL(sampled_params, decay, "decay", 0.1, 0, 1e6, "of --schedule inverse"),
    OPTION_REAL(sampled_params, warm_up, "warm-up", 0, 0, 1e6, "sweeps over which η rises from 0 at first"),
    OPTION_REAL(sampled_params, beta1, "beta1", 0.9, 0, 0.999999,
                "of adam: share of the mean gradient that a step keeps"),
    OPTION_REAL(sampled_params, beta2, "beta2", 0.999, 0, 0.9999999, "of adam: the same of the mean squared gradient"),
    OPTION_REAL(sampled_params, epsilon, "epsilon", 1e-8, 0, 1,
                "of adagrad and adam: what keeps them from dividing by 0"),
    OPTION_REAL(sampled_params, clip, "clip", 0, 0, 1e12, "longest gradient of a row in a batch; 0 = any length"),
    OPTION_REAL(sampled_params, l2, "l2", 0.002, 0, 1e6,
                "λ: each time an example touches a row, λ/2·‖row‖² is added to the loss", SEARCH_LOG(1e-4, 1)),
    OPTION_REAL_AUTO(sampled_params, item_l2, "item-l2", "auto", 0, 1e6, "λ of the items' rows; auto = as --l2"),
    OPTION_INTEGER(sampled_params, batch, "batch", 512, 1, 4194304,
                   "positives of a batch: their gradients are taken at the same parameters and summed"),
    OPTION_CHOICE(
        sampled_params, order, "order", "auto", "auto|events|contexts",
        "of the positives of a sweep: all in a random order, or contexts in a random order with the positives "
        "of each together; auto = what suits the model"),
    OPTION_BOOLEAN(sampled_params, hogwild, "hogwild", false,
                   "threads go through batches of their own on the same parameters without waiting for each other: "
                   "faster, but results differ from run to run"),
    /* losses and samplers */
    OPTION_REAL(sampled_params, margin, "margin", 1, 0, 1e6,
                "of hinge, and of the sampler warp: what a positive should be ahead of a negative"),
    OPTION_REAL(sampled_params, temperature, "temperature", 1, 1e-6, 1e6,
                "scores are divided by it before the loss: of softmax and of cosines", SEARCH_LOG(0.03, 1)),
    OPTION_INTEGER(sampled_params, rank_cutoff, "rank-cutoff", 10, 1, 4294967295,
                   "k of --rank-weight step, min(rank, k)/k"),
    OPTION_REAL_AUTO(sampled_params, refresh, "refresh", "auto", 1e-9, 1e6,
                     "share of a sweep after which a sampler looks at the model anew; auto = what suits the sampler"),
    OPTION_REAL(sampled_params, sampling.popularity_exponent, "popularity-exponent", 0.75, 0, 10,
                "of the sampler popularity: q ~ (events of the item)^exponent", SEARCH_LINEAR(0, 1)),
    OPTION_REAL(sampled_params, sampling.rank_scale, "rank-scale", 0.1, 1e-9, 1e6,
                "γ of the sampler adaptive, as a share of the items: q ~ exp(-rank/(γ·items))", SEARCH_LOG(0.003, 0.3)),
    OPTION_INTEGER(sampled_params, sampling.candidates, "candidates", 64, 0, 4294967295,
                   "M of the sampler two-pass: items drawn first, of which the highest scores stay; 0 = all items"),
    OPTION_TEXT(sampled_params, sampling.candidates_from, "candidates-from", "uniform",
                "sampler that two-pass draws its candidates from"),
    OPTION_BOOLEAN(sampled_params, sampling.shared_candidates, "shared-candidates", false,
                   "two-pass: 64 positives have the same candidates, scored by one product of matrices: faster, but "
                   "less varied"),
    OPTION_TEXT(sampled_params, sampling.mixture, "mixture", "uniform:0.5,popularity:0.5",
                "of the sampler mixture: samplers and their shares"),
    OPTION_INTEGER(sampled_params, sampling.most_rounds, "most-rounds", 0, 0, 4294967295,
                   "of the sampler warp: draws after which no violator is looked for any more; 0 = items less 1"),
    OPTION_INTEGER(sampled_params, sampling.kernel_features, "kernel-features", 128, 1, 65536,
                   "D of the sampler fourier: random features"),
    OPTION_REAL_AUTO(
        sampled_params, sampling.kernel_scale, "kernel-scale", "auto", 0, 1e12,
        "of the sampler kernel: α in q ~ α⟨φ, ψ⟩^2 + 1; of fourier: ν in q ~ exp(ν⟨φ, ψ⟩); auto = 100, and "
        "1 of fourier"),
    OPTION_INTEGER(sampled_params, sampling.leaf, "leaf", 0, 0, 4294967295,
                   "of the samplers kernel and fourier: items of a leaf of their trees; 0 = as many as dimensions"),
    /* positives */
    OPTION_CHOICE(
        sampled_params, confidence, "event-weight", "none", "none|linear|log",
        "what the weight w of an event adds to its α: nothing, scale·w, or scale·ln(1 + w); then scaled to mean 1"),
    OPTION_REAL(sampled_params, alpha, "alpha", 1, 0, 1e12, "α: weight of an event"),
    OPTION_REAL(sampled_params, confidence_scale, "event-weight-scale", 1, 0, 1e12, "scale of --event-weight"),
    OPTION_REAL_AUTO(
        sampled_params, dislike_below, "dislike-below", "auto", -1e300, 1e300,
        "events of less strength are dislikes: negatives of the pointwise loss, left out by others; auto = "
        "none are"),
    OPTION_REAL(sampled_params, user_weight_exponent, "user-weight-exponent", 0, -10, 10,
                "positives of a context with n events weigh n^-exponent, scaled to mean 1", SEARCH_LINEAR(0, 1)),
    OPTION_REAL(sampled_params, item_weight_exponent, "item-weight-exponent", 0, -10, 10,
                "positives of an item with n events weigh n^-exponent, scaled to mean 1", SEARCH_LINEAR(0, 1)),
    /* models */
    OPTION_REAL(sampled_params, init_scale, "init-scale", 0.1, 0, 1e6,
                "first values are drawn with standard deviation init-scale/sqrt(factors)"),
    OPTION_BOOLEAN(
        sampled_params, normalize, "cosine", false,
        "embeddings have length 1, so that scores are cosines, with a --temperature well below 1; not with biases"),
    OPTION_REAL_AUTO(sampled_params, history_exponent, "history-exponent", "auto", 0, 2,
                     "of models with histories: a sum over n items is divided by n^exponent; auto = the model's own"),
    OPTION_INTEGER(sampled_params, window, "window", 5, 1, 65535,
                   "of item2vec: items at most so many places apart in a history are positives of each other"),
    OPTION_CHOICE(
        sampled_params, by_time, "by-time", "auto", "false|true|auto",
        "of item2vec: histories are in the order of time; false: in an order drawn anew for each sweep; auto = "
        "where the data have times"),
    OPTION_TEXT(sampled_params, user_layers, "user-layers", "",
                "of two-tower: widths of the context's hidden layers, such as 256,128; empty = none"),
    OPTION_TEXT(sampled_params, item_layers, "item-layers", "", "of two-tower: the same for items"),
    OPTION_CHOICE(sampled_params, activation, "activation", "relu", "relu|tanh|sigmoid|swish",
                  "of two-tower: of the hidden layers"),
    OPTION_REAL(sampled_params, dropout, "dropout", 0, 0, 0.99,
                "of two-tower: share of hidden values that a step of training leaves out", SEARCH_LINEAR(0, 0.5)),
    OPTION_BOOLEAN(sampled_params, user_ids, "user-ids", false, "of two-tower: a row for each user, beside features"),
    OPTION_BOOLEAN(sampled_params, item_ids, "item-ids", true, "of two-tower: a row for each item, beside features"),
    OPTION_REAL(sampled_params, fold_in_l2, "fold-in-l2", 0.03, 0, 1e12,
                "of mf and fm: ridge of the row that a new user's history is solved for, by least squares; times the "
                "mean square distance of items' rows from their mean",
                SEARCH_LOG(0.003, 0.3)),
    OPTION_REAL(sampled_params, fold_in_unobserved, "fold-in-unobserved", 0, 0, 1e12,
                "of mf and fm: weight of what is not in that history, with label 0; 0 = differences between it and the "
                "history are fitted, as large as they are for the users of the training"),
    OPTION_BOOLEAN(sampled_params, keep_histories, "keep-histories", true,
                   "store each user's items in the model, for users by name"),
    OPTION_BOOLEAN(sampled_params, keep_users, "keep-users", true, "store the users' rows in the model"),
    ITERATION_OPTIONS(sampled_params, 30),
};

const option_table sampled_option_table = OPTION_TABLE(sampled_params, rows);

#define DEFAULTS(...) __VA_ARGS__
#define PRESET(identifier, name, summary, paper, given)                                                                \
    static const option_default defaults_of_##identifier[] = {given};                                                  \
    const option_table preset_option_table_##identifier = {                                                            \
        .rows = rows,                                                                                                  \
        .count = sizeof rows / sizeof *rows,                                                                           \
        .params_size = sizeof(sampled_params),                                                                         \
        .defaults = defaults_of_##identifier,                                                                          \
        .default_count = sizeof defaults_of_##identifier / sizeof *defaults_of_##identifier,                           \
    };
#include "train/sampled/presets.def"
#undef PRESET
#undef DEFAULTS
