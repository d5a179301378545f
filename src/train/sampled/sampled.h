/* SPDX-License-Identifier: Apache-2.0
 *
 * Training by sampled stochastic gradients (P2 §3, §4): a loss, a sampler of negatives, a weight of pairs, a model and
 * an optimiser, each a row of its table, in any combination. A batch of positives is taken; contexts are encoded,
 * negatives drawn, scores made, the loss differentiated, and both towers stepped:
 *
 *     θ ← θ − η Σ_batch ∇_θ [ α̃(c,i) l(…) + λ/2 Σ_{rows touched} ‖θ_row‖² ]
 *
 * (gradients are summed, not averaged, so that η is that of one example after the other.) All gradients of a batch are
 * taken at the same parameters and summed in an order of their own, so results have the same bits at any number of
 * threads. With `hogwild` each thread goes through batches of its own on the shared parameters without waiting (Niu et
 * al. 2011), where it can example by example, and results differ from run to run.
 */
#ifndef TOPN_TRAIN_SAMPLED_SAMPLED_H
#define TOPN_TRAIN_SAMPLED_SAMPLED_H

#include "base/option_table.h"
#include "train/iteration.h"
#include "train/sampled/sampler.h"

typedef enum correction_choice { CORRECTION_AUTO, CORRECTION_NONE, CORRECTION_LOG_Q } correction_choice;
typedef enum exclusion_choice {
    EXCLUSION_AUTO,
    EXCLUSION_NOTHING,
    EXCLUSION_POSITIVE,
    EXCLUSION_HISTORY
} exclusion_choice;
typedef enum time_choice { BY_TIME_NO, BY_TIME_YES, BY_TIME_AUTO } time_choice;
typedef enum order_choice { ORDER_CHOICE_AUTO, ORDER_CHOICE_EVENTS, ORDER_CHOICE_CONTEXTS } order_choice;

typedef struct sampled_params {
    iteration_params iteration;
    int model, loss, surrogate, sampler, rank_weight, optimizer, schedule; /* rows of their tables */
    int64_t factors, negatives, batch;
    bool shared_negatives; /* a batch shares its negatives */
    bool hogwild;
    int exclusion, correction, order;
    double learning_rate, decay, warm_up, beta1, beta2, epsilon, clip;
    double l2, item_l2; /* λ of contexts' rows, of items' rows (NAN = as l2) */
    double margin, temperature;
    int64_t rank_cutoff;
    double
        refresh; /* positives between two refreshes of the sampler, as a share of a sweep; NAN = the sampler's choice */
    sampler_params sampling;
    /* positives */
    int confidence;
    double alpha, confidence_scale, dislike_below, user_weight_exponent, item_weight_exponent;
    /* models */
    bool biases, normalize;
    double init_scale;
    double history_exponent;         /* α of fism; NAN = the model's own */
    int64_t window;                  /* item2vec */
    int by_time;                     /* choice false|true|auto: as the data have times */
    char *user_layers, *item_layers; /* two-tower: "256,128"; "" = none */
    int activation;
    double dropout;
    bool user_ids, item_ids;               /* two-tower: rows of ids beside features */
    double fold_in_l2, fold_in_unobserved; /* mf and fm: how a new user's row is solved for */
    bool keep_histories, keep_users;
} sampled_params;

/* The options of `sgd`; presets have the same rows with other defaults (presets.def). */
extern const option_table sampled_option_table;

#endif
