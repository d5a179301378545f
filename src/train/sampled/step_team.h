/* SPDX-License-Identifier: Apache-2.0
 *
 * The memory that a team of threads works on a batch in, shared by the files of the step.
 */
#ifndef TOPN_TRAIN_SAMPLED_STEP_TEAM_H
#define TOPN_TRAIN_SAMPLED_STEP_TEAM_H

#include "train/sampled/step.h"

/* Of one thread. */
typedef struct step_thread {
    void *scratch;   /* of the sampler */
    double *scores;  /* [1 + m] positive, then negatives */
    double *pulls;   /* [m] */
    double *weights; /* [m] */
    uint32_t *ranks; /* [m] */
    double sampling, scoring;
    uint64_t draws, rounds, rejected, alone;
} step_thread;

struct step_team {
    int threads;
    size_t dimensions;
    size_t stride, context_stride; /* of rows of items, and of contexts: one more than dimensions where with biases */
    bool plain_contexts, plain_items;
    uint32_t each;       /* 1 + m: an example's items; 1 where negatives are shared */
    positive *positives; /* [batch] */
    uint32_t *contexts;  /* [batch] */
    uint32_t *touched;   /* [batch] contexts that get ∂φ; NO_ROW: the example has no gradient */
    uint32_t *own;       /* [batch] items left out of histories */
    float *context_rows; /* [batch × context_stride] φ, β_c as the tower makes them; phi itself where strides agree */
    float *phi;          /* [batch × stride] φ, and 1 for the item's bias */
    float *context_bias;       /* [batch] β_c; 0 without */
    float *d_phi;              /* [batch × context_stride] */
    uint32_t *items;           /* [batch × each] the positive, then its negatives; NO_ROW where fewer are found */
    float *pulls;              /* [batch × each] ∂L/∂ŷ */
    uint32_t *example_of;      /* [batch × each] */
    double *log_counts;        /* [batch × m] */
    uint32_t *found;           /* [batch] */
    uint32_t *rounds;          /* [batch] of the last violator */
    double *losses;            /* [batch] */
    const float *item_rows;    /* ψ of `index`: the table, or psi */
    const uint32_t *index;     /* [batch × each, then shared] row of item_rows of an item of `items` */
    row_gradients **gradients; /* [table_count] */
    size_t table_count;
    tower_batch *context_batch, *item_batch;
    /* items that are no rows of a table: of the distinct ones of a batch */
    row_gradients *slots;
    float *psi, *d_psi; /* [distinct × stride] */
    /* negatives that the batch shares */
    uint32_t shared_room, shared_count;
    uint32_t *shared;          /* [shared_room] items */
    double *shared_log_counts; /* [shared_room] */
    float *shared_logs;        /* [shared_room] the same in single precision */
    uint32_t *last_at;         /* [items] the last place in `shared`, believed when the item is there */
    uint32_t *same_before;     /* [shared_room] the place of the same item before it; NO_ROW = none */
    float *shared_psi;         /* [shared_room × stride] */
    float *shared_d_psi;       /* [shared_room × stride] */
    float *shared_scores;      /* [shared_rows × shared_room] */
    uint32_t shared_rows;
    step_thread *each_thread; /* [threads] */
};

/* What is done with an example before its gradients are there, in this order. */
typedef enum step_phase { PHASE_TAKE, PHASE_EMBED, PHASE_DRAW, PHASE_JUDGE } step_phase;
/* Phases first … last of all examples of a batch. */
void step_phases(const step_setup *setup, step_team *team, const batch_place *place, step_phase first, step_phase last);
/* ψ of the items that the batch met: a table's rows, or made by the tower. */
topn_status step_items(topn_context *context, const step_setup *setup, step_team *team, const batch_place *place);
/* Draws, judges and pulls where the batch shares its negatives, after PHASE_EMBED. */
topn_status step_shared(topn_context *context, const step_setup *setup, step_team *team, const batch_place *place);

/* ⟨a, b⟩ in lanes that do not depend on the machine. */
static inline __attribute__((always_inline)) float step_dot(const float *a, const float *b, size_t n)
{
    enum { LANES = 32 };
    float lanes[LANES] = {0}, rest = 0;
    size_t k = 0;
    for (; k + LANES <= n; k += LANES)
        for (size_t lane = 0; lane < LANES; lane++)
            lanes[lane] += a[k + lane] * b[k + lane];
    for (; k < n; k++)
        rest += a[k] * b[k];
    for (size_t half = LANES / 2; half > 0; half /= 2)
        for (size_t lane = 0; lane < half; lane++)
            lanes[lane] += lanes[lane + half];
    return lanes[0] + rest;
}

#endif
