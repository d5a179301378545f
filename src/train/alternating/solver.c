/* SPDX-License-Identifier: Apache-2.0 */
#include "train/alternating/solver.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/threads.h"
#include "numeric/weighted_gram.h"
#include "train/alternating/block_step.h"
#include "train/alternating/pairwise.h"

enum {
    BATCHES = 16,       /* of the blocks of a field: progress is reported between them */
    LENGTH_CLASSES = 65 /* of blocks: by the bits of their observations' count */
};
/* A block with a larger share of the observations than this would keep threads waiting for the one that has it. */
static const double most_share = 1.0 / 64;
static const uint64_t always_single = 1 << 14;
/* In a field whose blocks are solved one after the other, a block of so many observations or entities is shared. */
static const uint64_t shared_observations = 1 << 12;
static const uint32_t shared_members = 1 << 8;

/* A field under way. */
typedef struct field_sweep {
    const half_sweep *sweep;
    size_t field;
    uint32_t rows;
    const char *stage;
    uint64_t limit; /* observations of a block that is one thread's work */
    workspace *workspaces;
    uint32_t failed; /* the first row without a step, or UINT32_MAX */
    uint64_t done;   /* rows */
} field_sweep;

static block_members members_at(const field_sweep *at, uint32_t row)
{
    return members_of(at->sweep, (side_block){.field = at->field, .row = row});
}

static bool is_shared(const field_sweep *at, const block_members *members)
{
    return members->observations > at->limit ||
           (!at->sweep->blocks[at->field].single &&
            (members->observations > shared_observations || members->count > shared_members));
}

static topn_status no_step(const field_sweep *at)
{
    const bool core = at->field == at->sweep->side->field_count;
    return fail(at->sweep->context, TOPN_ERROR_NUMERIC,
                "%s: no finite solution for row %" PRIu32 " of %s %zu in single precision; raise --l2", at->stage,
                at->failed, core ? "the core, after field" : "field", at->field);
}

static topn_status report(field_sweep *at, uint64_t more)
{
    at->done += more;
    return progress_report(at->sweep->context, at->stage, "rows", at->done, at->rows, NAN);
}

/* Blocks in their order: all of them, or those that are shared. */
static topn_status sweep_in_order(field_sweep *at, bool all)
{
    topn_status status = TOPN_OK;
    for (uint32_t row = 0; row < at->rows; row++) {
        const block_members members = members_at(at, row);
        const bool shared = is_shared(at, &members);
        bool solved = true;
        if (members.count == 0 || (!all && !shared))
            continue;
        if (shared)
            TRY(shared_block_step(at->sweep, &members, at->workspaces, &solved));
        else
            solved = block_step(at->sweep, &members, at->workspaces);
        if (!solved) {
            at->failed = row;
            TRY(no_step(at));
        }
        TRY(report(at, 1));
    }
done:
    return status;
}

/* Rows that are not shared and describe an entity, those with most observations first. Returns their number. */
static uint32_t order_rows(const field_sweep *at, uint32_t *order)
{
    uint32_t starts[LENGTH_CLASSES + 1] = {0};
    for (int pass = 0; pass < 2; pass++) {
        for (uint32_t row = 0; row < at->rows; row++) {
            const block_members members = members_at(at, row);
            if (members.count == 0 || is_shared(at, &members))
                continue;
            const int length = members.observations ? __builtin_clzll(members.observations) : LENGTH_CLASSES - 1;
            if (pass == 0)
                starts[length + 1]++;
            else
                order[starts[length]++] = row;
        }
        for (int length = 0; pass == 0 && length < LENGTH_CLASSES; length++)
            starts[length + 1] += starts[length];
    }
    return starts[LENGTH_CLASSES];
}

/* Where groups of rows of the order begin, and the end: starts [count + 1]. Returns the number of groups. */
static uint32_t cut_groups(const field_sweep *at, const uint32_t *order, uint32_t count, uint32_t *starts)
{
    const uint32_t most = steps_by_group(at->sweep, side_block_width(at->sweep->side, at->field)) ? GROUP_ROWS : 1;
    uint32_t groups = 0;
    uint64_t sum = 0;
    starts[0] = 0;
    for (uint32_t place = 0; place < count; place++) {
        const block_members members = members_at(at, order[place]);
        if (place > starts[groups] &&
            (place - starts[groups] == most || sum + members.observations > GROUP_OBSERVATIONS)) {
            starts[++groups] = place;
            sum = 0;
        }
        sum += members.observations;
    }
    starts[++groups] = count;
    return groups;
}

/* Returns the first row without a step, or UINT32_MAX. */
static uint32_t solve_group(const field_sweep *at, const uint32_t *rows, uint32_t count, workspace *work)
{
    block_members members[GROUP_ROWS];
    for (uint32_t place = 0; place < count; place++)
        members[place] = members_at(at, rows[place]);
    if (!steps_by_group(at->sweep, side_block_width(at->sweep->side, at->field)))
        return block_step(at->sweep, members, work) ? UINT32_MAX : rows[0];
    const size_t solved = group_step(at->sweep, members, count, work);
    return solved == count ? UINT32_MAX : rows[solved];
}

/* Blocks that don't depend on each other, a group to a thread. */
static topn_status sweep_together(field_sweep *at)
{
    topn_status status;
    uint32_t *order = NULL, *starts = NULL; /* [rows], [rows + 1] */
    TRY(ALLOCATE(at->sweep->context, at->rows, &order));
    TRY(ALLOCATE(at->sweep->context, (size_t)at->rows + 2, &starts));
    const uint32_t count = order_rows(at, order), groups = cut_groups(at, order, count, starts);
    for (int batch = 0; count > 0 && batch < BATCHES; batch++) {
        const uint32_t begin = (uint32_t)((uint64_t)groups * batch / BATCHES),
                       end = (uint32_t)((uint64_t)groups * (batch + 1) / BATCHES);
        uint32_t failed = UINT32_MAX;
#pragma omp parallel for schedule(dynamic) num_threads(at->sweep->context->threads) reduction(min : failed)
        for (uint32_t group = begin; group < end; group++) {
            const uint32_t row = solve_group(at, order + starts[group], starts[group + 1] - starts[group],
                                             &at->workspaces[thread_index()]);
            failed = row < failed ? row : failed;
        }
        at->failed = failed;
        if (failed != UINT32_MAX)
            TRY(no_step(at));
        TRY(report(at, starts[end] - starts[begin]));
    }
done:
    free(order);
    free(starts);
    return status;
}

static uint64_t longest_unshared(const field_sweep *at)
{
    uint64_t longest = 0;
    for (uint32_t row = 0; row < at->rows; row++) {
        const block_members members = members_at(at, row);
        if (!is_shared(at, &members) && members.observations > longest)
            longest = members.observations;
    }
    return longest;
}

static topn_status sweep_field(const half_sweep *sweep, size_t field, const char *stage)
{
    topn_status status;
    const multilinear_side *side = sweep->side;
    const sparse_matrix *pairs = &sweep->observed->pairs;
    const uint64_t share = (uint64_t)(most_share * (double)pairs->indptr[pairs->rows]),
                   capacity = step_capacity(sweep, side_block_width(side, field));
    field_sweep at = {.sweep = sweep,
                      .field = field,
                      .rows = (uint32_t)(field < side->field_count ? side->fields[field].table.rows : side->core.rows),
                      .stage = stage,
                      .limit = share > always_single ? share : always_single};
    at.limit = at.limit < capacity ? at.limit : capacity;
    TRY(workspaces_create(sweep, field, longest_unshared(&at), &at.workspaces));
    TRY(sweep_in_order(&at, !sweep->blocks[field].single));
    if (sweep->blocks[field].single)
        TRY(sweep_together(&at));
done:
    workspaces_free(at.workspaces, sweep->context->threads);
    return status;
}

/* α₀·G in single precision. */
static topn_status implicit_gram(topn_context *context, const alternating_problem *problem, problem_side other,
                                 const float *psi, float **out)
{
    topn_status status;
    const size_t d = problem->sides[other].dimensions;
    double *gram = NULL;
    TRY(ALLOCATE(context, d * d, &gram));
    TRY(ALLOCATE(context, d * d, out));
    TRY(weighted_gram(context, psi, problem->sides[other].entities, d, problem->weights[other], gram));
    for (size_t at = 0; at < d * d; at++)
        (*out)[at] = (float)((problem->loss.pairwise ? 1 : problem->loss.unobserved) * gram[at]);
done:
    free(gram);
    return status;
}

/* What the pairwise loss asks of half a sweep over the contexts. *weights and *z are the caller's to free. */
static topn_status set_pairwise(const alternating_problem *problem, half_sweep *sweep, float **weights, float **z)
{
    topn_status status;
    const size_t d = sweep->dimensions;
    double *sums = NULL; /* [D] */
    TRY(ALLOCATE(sweep->context, d, &sums));
    TRY(ALLOCATE(sweep->context, d, z));
    TRY(pairwise_weights(sweep->context, problem, weights));
    TRY(pairwise_sums(sweep->context, problem, sums, NULL));
    for (size_t k = 0; k < d; k++)
        (*z)[k] = (float)sums[k];
    sweep->weights = *weights;
    sweep->z = *z;
    sweep->alpha *= (float)pairwise_items(problem);
done:
    free(sums);
    return status;
}

topn_status alternating_half_sweep(topn_context *context, alternating_problem *problem, problem_side side,
                                   const alternating_params *params, const char *stage)
{
    topn_status status;
    const problem_side other = side == SIDE_CONTEXTS ? SIDE_ITEMS : SIDE_CONTEXTS;
    float *owned = NULL, *gram = NULL, *pair_weights = NULL, *z = NULL;
    if (problem->loss.pairwise && side == SIDE_ITEMS)
        return pairwise_item_sweep(context, problem, params, stage);
    half_sweep sweep = {.context = context,
                        .side = &problem->sides[side],
                        .blocks = problem->blocks[side],
                        .observed = &problem->observed[side],
                        .weights = problem->weights[side],
                        .alpha = problem->observed[side].pairs.values ? 1 : problem->observed[side].alpha,
                        .dimensions = problem->sides[side].dimensions,
                        .plain = side_is_plain(&problem->sides[side]),
                        .conjugate = params->solver == 1,
                        .steps = params->cg_steps,
                        .block = (size_t)params->block};
    const size_t fields = sweep.side->field_count + (sweep.side->kind == COMPOSE_TUCKER);
    const int saved = threads_serial_blas_begin();
    TRY(side_rows(context, &problem->sides[other], &owned, &sweep.psi));
    TRY(implicit_gram(context, problem, other, sweep.psi, &gram));
    sweep.gram = gram;
    if (problem->loss.pairwise)
        TRY(set_pairwise(problem, &sweep, &pair_weights, &z));
    for (size_t field = 0; field < fields; field++)
        TRY(sweep_field(&sweep, field, stage));
done:
    threads_serial_blas_end(saved);
    free(owned);
    free(gram);
    free(pair_weights);
    free(z);
    return status;
}
