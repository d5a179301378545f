/* SPDX-License-Identifier: Apache-2.0
 *
 * The memory that a team of threads works on a batch in, shared by the files of the step.
 */
#ifndef TOPN_TRAIN_SAMPLED_STEP_TEAM_H
#define TOPN_TRAIN_SAMPLED_STEP_TEAM_H

#include "train/sampled/row_groups.h"
#include "train/sampled/step.h"

/* Of one thread. */
typedef struct step_thread {
    void *scratch;   /* of the sampler */
    double *scores;  /* [1 + m] positive, then negatives */
    double *pulls;   /* [m] */
    double *weights; /* [m] */
    uint32_t *ranks; /* [m] */
    /* of an example whose rows are stepped at once */
    float *phi;        /* [stride] φ with 1 for the item's bias */
    float *d_phi;      /* [context_stride] */
    float *item_pulls; /* [1 + m] ∂L/∂ŷ */
    row_note *notes;   /* [1 + m] */
    float *gradient;   /* [the larger stride] scratch */
    double sampling, scoring, updates;
    uint64_t draws, rounds, rejected, alone;
} step_thread;

/* The examples of a batch, and what was drawn for them. */
typedef struct drawn_batch {
    batch_place place;
    positive *positives;  /* [batch] */
    uint32_t *contexts;   /* [batch] */
    uint32_t *own;        /* [batch] items left out of histories */
    uint32_t *items;      /* [batch × each] the positive, then its negatives; NO_ROW where fewer are found */
    double *log_counts;   /* [batch × m] */
    uint32_t *found;      /* [batch] */
    uint32_t *rounds;     /* [batch] of the last violator */
    double *losses;       /* [batch] */
    row_groups groups[2]; /* of rows of contexts [batch] and of items [batch × each], where `by_rows` */
} drawn_batch;

struct step_team {
    int threads;
    size_t dimensions;
    size_t stride, context_stride; /* of rows of items, and of contexts: one more than dimensions where with biases */
    bool plain_contexts, plain_items;
    bool by_rows;       /* both are rows of tables of their own, and negatives each example's: step_rows.c */
    bool in_turn;       /* by_rows: one example after the other, as batches of one would be */
    uint32_t each;      /* 1 + m: an example's items; 1 where negatives are shared */
    drawn_batch *drawn; /* [drawn_count] batches drawn ahead, of which all but step_rows.c know the first alone */
    uint32_t drawn_count;
    uint32_t *touched;   /* [batch] contexts that get ∂φ; NO_ROW: the example has no gradient */
    float *context_rows; /* [batch × context_stride] φ, β_c as the tower makes them; phi itself where strides agree */
    float *phi;          /* [batch × stride] φ, and 1 for the item's bias */
    float *context_bias;       /* [batch] β_c; 0 without */
    float *d_phi;              /* [batch × context_stride] */
    float *pulls;              /* [batch × each] ∂L/∂ŷ */
    uint32_t *example_of;      /* [batch × each] */
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
enum { STEP_BLOCK = 64 }; /* examples of a task: they are drawn together */
/* Phases first … last of all examples of team->drawn. */
void step_phases(const step_setup *setup, step_team *team, step_phase first, step_phase last);
/* A phase of the examples begin … end − 1, a block of the batch where it is PHASE_DRAW. */
void step_take(const step_setup *setup, const step_team *team, drawn_batch *drawn, uint32_t begin, uint32_t end);
void step_embed(const step_setup *setup, step_team *team, const drawn_batch *drawn, uint32_t begin, uint32_t end);
void step_draw(const step_setup *setup, const step_team *team, drawn_batch *drawn, step_thread *own, uint32_t begin,
               uint32_t end);

/* An example whose embeddings are there, and where its gradients go. */
typedef struct judged_example {
    uint32_t e;            /* of the batch */
    const float *phi;      /* [stride] */
    double bias;           /* β_c */
    const uint32_t *index; /* [1 + found] rows of team->item_rows */
    float *pulls;          /* [1 + found] ∂L/∂ŷ */
    float *d_phi;          /* [context_stride] */
} judged_example;
/* Its loss goes to drawn->losses. False: WARP found no violator, so nothing is touched; d_phi is not set then. */
bool step_judge(const step_setup *setup, const step_team *team, const drawn_batch *drawn, step_thread *own,
                const judged_example *example);
/* The steps of `count` batches one after the other, where the team works by_rows; adds what was counted, but for loss
 * and positives, to the threads. places and steps [count], count ≤ drawn_count. */
void step_rows(const step_setup *setup, step_team *team, size_t count, const batch_place *places,
               const step_setting *steps);

/* ψ of the items that the batch met: a table's rows, or made by the tower. */
topn_status step_items(topn_context *context, const step_setup *setup, step_team *team);
/* Draws, judges and pulls where the batch shares its negatives, after PHASE_EMBED. */
topn_status step_shared(topn_context *context, const step_setup *setup, step_team *team);

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
