/* SPDX-License-Identifier: Apache-2.0
 *
 * Negatives that a batch shares: S = Φ·Ψᵀ for all of them, the loss by rows of S, which become ∂L/∂S, and
 * ∂Φ = ∂S·Ψ, ∂Ψ = ∂Sᵀ·Φ. Where the batch's S would be large (the whole catalogue), it is made and used up in parts of
 * some rows. Sizes of tiles do not depend on the number of threads.
 */
#include <math.h>
#include <string.h>

#include "base/threads.h"
#include "base/vector.h"
#include "numeric/tile.h"
#include "train/sampled/step_team.h"

enum {
    TASKS = 16, /* of a product: for as many threads to share, unless tiles would be smaller than these or larger */
    LEAST_ROWS = 32, /* examples */
    MOST_ROWS = 128,
    LEAST_COLUMNS = 128, /* shared negatives */
    MOST_COLUMNS = 512
};

/* Products pack the whole other matrix for every tile, so that large ones cost less. */
static uint32_t tile_size(uint32_t whole, uint32_t least, uint32_t most)
{
    const uint32_t share = (whole / TASKS + least - 1) / least * least;
    return share < least ? least : share > most ? most : share;
}

/* Draws them, and lists which places have the same item. */
static void draw(const step_setup *setup, step_team *team)
{
    const batch_place *place = &team->drawn->place;
    const uint64_t first = (uint64_t)place->sweep * setup->towers->positives.count + place->begin;
    draw_source source = draw_source_of(setup->seed, first);
    setup->sampler->draw_shared(setup->state, &setup->view, team->drawn->positives, place->count, &source,
                                team->shared_room, team->shared, team->shared_log_counts, &team->shared_count);
    for (uint32_t n = 0; n < team->shared_count; n++) {
        const uint32_t item = team->shared[n], last = team->last_at[item];
        team->same_before[n] = last < n && team->shared[last] == item ? last : NO_ROW;
        team->last_at[item] = n;
        team->shared_logs[n] = (float)team->shared_log_counts[n];
    }
}

/* Takes an item out of a row of scores, wherever the batch has it. */
static void refuse(const step_team *team, uint32_t item, float *scores)
{
    const uint32_t last = team->last_at[item];
    if (last >= team->shared_count || team->shared[last] != item)
        return;
    for (uint32_t n = last; n != NO_ROW; n = team->same_before[n])
        scores[n] = -INFINITY;
}

static void exclude(const step_setup *setup, const step_team *team, uint32_t e, float *scores)
{
    const positive *at = &team->drawn->positives[e];
    if (setup->exclusion == EXCLUDE_NOTHING)
        return;
    refuse(team, at->item, scores);
    if (setup->exclusion != EXCLUDE_HISTORY)
        return;
    const sparse_matrix *taken = &setup->towers->positives.taken;
    for (uint64_t k = taken->indptr[at->context]; k < taken->indptr[at->context + 1]; k++)
        refuse(team, taken->indices[k], scores);
}

VECTOR_CLONES
static float dot(const float *a, const float *b, size_t n)
{
    return step_dot(a, b, n);
}

VECTOR_CLONES
static void add_to_all(float *values, float term, size_t count)
{
    for (size_t n = 0; n < count; n++)
        values[n] += term;
}

VECTOR_CLONES
static void add_scaled(float *restrict to, float factor, const float *restrict from, size_t count)
{
    for (size_t n = 0; n < count; n++)
        to[n] += factor * from[n];
}

static double sum_of(const float *values, size_t count)
{
    double sum = 0;
    for (size_t n = 0; n < count; n++)
        sum += values[n];
    return sum;
}

/* Scores, loss, ∂S and ∂Φ of the examples begin … end − 1; scores [(end − begin) × shared_count]. */
static void judge_rows(const step_setup *setup, step_team *team, const float *psi, uint32_t begin, uint32_t end,
                       float *scores)
{
    const size_t stride = team->stride, count = team->shared_count;
    const float *logs = setup->corrected ? team->shared_logs : NULL;
    tile_multiply_transposed(end - begin, count, stride, team->phi + begin * stride, psi, scores);
    for (uint32_t e = begin; e < end; e++) {
        float *row = scores + (e - begin) * count;
        const float *own = team->item_rows + team->index[e] * stride, bias = team->context_bias[e];
        const float score = dot(team->phi + e * stride, own, stride) + bias;
        if (bias != 0)
            add_to_all(row, bias, count);
        exclude(setup, team, e, row);
        team->drawn->losses[e] =
            setup->loss->row(&setup->loss_setting, score, team->drawn->positives[e].weight,
                             team->drawn->positives[e].disliked, count, row, logs, &team->pulls[e]);
    }
    tile_multiply(end - begin, stride, count, scores, psi, team->d_phi + begin * stride);
    for (uint32_t e = begin; e < end; e++) {
        add_scaled(team->d_phi + e * stride, team->pulls[e], team->item_rows + team->index[e] * stride, stride);
        if (team->context_stride > team->dimensions)
            team->context_bias[e] = (float)(team->pulls[e] + sum_of(scores + (e - begin) * count, count));
    }
}

/* ∂Φ from rows of items' stride to rows of contexts' stride, with ∂β_c, which context_bias holds by now. */
static void fit_context_rows(step_team *team, uint32_t count)
{
    const size_t d = team->dimensions, from = team->stride, to = team->context_stride;
    for (uint32_t n = 0; from != to && n < count; n++) {
        const uint32_t e = to < from ? n : count - 1 - n; /* none is overwritten before it is moved */
        memmove(team->d_phi + e * to, team->d_phi + e * from, d * sizeof(float));
    }
    for (uint32_t e = 0; to > d && e < count; e++)
        team->d_phi[e * to + d] = team->context_bias[e];
}

/* The shared negatives' ψ as one matrix. */
static const float *gather(const step_setup *setup, step_team *team)
{
    const size_t stride = team->stride;
    const uint32_t *rows = team->plain_items ? team->shared : team->index + team->drawn->place.count;
    const uint32_t table_rows = setup->view.items;
    bool in_order = team->plain_items && team->shared_count == table_rows;
    for (uint32_t n = 0; in_order && n < team->shared_count; n++)
        in_order = team->shared[n] == n;
    if (in_order)
        return team->item_rows;
    for (uint32_t n = 0; n < team->shared_count; n++)
        memcpy(team->shared_psi + n * stride, team->item_rows + rows[n] * stride, stride * sizeof(float));
    return team->shared_psi;
}

topn_status step_shared(topn_context *context, const step_setup *setup, step_team *team)
{
    topn_status status;
    const uint32_t examples = team->drawn->place.count;
    const size_t stride = team->stride;
    const double start = clock_seconds();
    draw(setup, team);
    team->each_thread[0].draws += team->shared_count;
    team->each_thread[0].rounds += team->shared_count;
    const double drawn = clock_seconds();
    TRY(step_items(context, setup, team));
    const float *psi = gather(setup, team);
    const size_t count = team->shared_count;
    const int saved = threads_serial_blas_begin();
    for (uint32_t first = 0; first < examples; first += team->shared_rows) {
        const uint32_t rows = examples - first < team->shared_rows ? examples - first : team->shared_rows,
                       tile_rows = tile_size(rows, LEAST_ROWS, MOST_ROWS), tiles = (rows + tile_rows - 1) / tile_rows,
                       tile_columns = tile_size((uint32_t)count, LEAST_COLUMNS, MOST_COLUMNS),
                       columns = ((uint32_t)count + tile_columns - 1) / tile_columns;
#pragma omp parallel for num_threads(team->threads) schedule(dynamic, 1)
        for (uint32_t tile = 0; tile < tiles; tile++) {
            const uint32_t begin = tile * tile_rows, end = rows - begin < tile_rows ? rows : begin + tile_rows;
            judge_rows(setup, team, psi, first + begin, first + end, team->shared_scores + begin * count);
        }
#pragma omp parallel for num_threads(team->threads) schedule(dynamic, 1)
        for (uint32_t tile = 0; tile < columns; tile++) {
            const size_t begin = (size_t)tile * tile_columns,
                         width = count - begin < tile_columns ? count - begin : tile_columns;
            tile_multiply_left_transposed(width, stride, rows, team->shared_scores + begin, count,
                                          team->phi + first * stride, first ? 1 : 0,
                                          team->shared_d_psi + begin * stride);
        }
    }
    threads_serial_blas_end(saved);
    fit_context_rows(team, examples);
    team->each_thread[0].sampling += (drawn - start) * team->threads;
    team->each_thread[0].scoring += (clock_seconds() - drawn) * team->threads;
done:
    return status;
}
