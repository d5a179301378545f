/* SPDX-License-Identifier: Apache-2.0
 *
 * One batch of sampled training (P2 Algorithms 1, 2 and 3), by a team of threads with memory of its own:
 *
 *   positives → φ of their contexts → negatives → ψ of the items met → scores → loss → ∂φ, ∂ψ → rows of both sides
 *
 * Negatives are drawn for each example alone; or a batch shares them, and everything is products of matrices.
 */
#ifndef TOPN_TRAIN_SAMPLED_STEP_H
#define TOPN_TRAIN_SAMPLED_STEP_H

#include "train/sampled/loss.h"
#include "train/sampled/rank_weight.h"
#include "train/sampled/sampled_model.h"

/* What all batches of a training have in common; constant while they are worked on, but for the parameters. */
typedef struct step_setup {
    sampled_towers *towers;
    const sampled_loss *loss;
    loss_setting loss_setting;
    const sampler *sampler;
    sampler_state *state;
    exclusion exclusion;
    sampling_view view;
    const rank_weight *weight;
    rank_setting ranks;
    uint32_t negatives;  /* m of an example, or of a batch that shares them */
    uint32_t batch;      /* examples of a batch at most */
    bool shared;         /* negatives of a batch */
    bool corrected;      /* by −ln(m·q) */
    bool draws_by_model; /* the sampler looks at φ or at scores */
    bool hogwild;        /* other teams step the same parameters meanwhile */
    uint64_t seed;
} step_setup;

/* Examples begin … begin + count − 1 of a sweep. */
typedef struct batch_place {
    int64_t sweep;
    uint64_t begin;
    uint32_t count; /* ≤ setup->batch */
} batch_place;

/* What batches cost, added up. */
typedef struct step_figures {
    double loss; /* Σ over positives */
    uint64_t positives, draws, rounds, rejected;
    uint64_t alone;                    /* positives without a negative: WARP found no violator */
    double sampling, scoring, updates; /* seconds, of threads the mean */
} step_figures;
void step_figures_add(step_figures *sum, const step_figures *more);

typedef struct step_team step_team;
/* For as many threads as the context has. */
topn_status step_team_create(topn_context *context, const step_setup *setup, step_team **out);
void step_team_free(step_team *team);
/* Of `threads` threads, for a model of that form; sampler's scratch apart. */
uint64_t step_team_bytes(const sampled_form *form, uint64_t batch, uint64_t negatives, bool shared, uint64_t threads);
/* Gradients of one batch, noted by table: gradients [table_count] of the team; adds to *figures. */
topn_status step_gradients(topn_context *context, const step_setup *setup, step_team *team, const batch_place *place,
                           step_figures *figures);
/* How many batches step_batches takes at once at most. */
size_t step_batches_at_once(const step_team *team);
/* The steps of `count` batches, one after the other: each along its gradients, with the same bits as step_gradients and
 * row_gradients_apply_all give. Where both towers are rows of tables, setup->hogwild and few negatives make them steps
 * of the batch's examples one after the other, as batches of one have them, of negatives that are drawn before all of
 * these. places, steps [count]; threads of a step are not looked at. */
topn_status step_batches(topn_context *context, const step_setup *setup, step_team *team, size_t count,
                         const batch_place *places, const step_setting *steps, step_figures *figures);
/* Of each table of the towers; valid until the next batch. */
row_gradients *const *step_team_gradients(const step_team *team);

#endif
