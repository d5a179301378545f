/* SPDX-License-Identifier: Apache-2.0 */
#include "retrieve/kmeans.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "base/threads.h"
#include "retrieve/panel.h"

enum {
    ROUNDS = 10,
    SAMPLE = 64,            /* rows of a centre that centres are found with, on average */
    LANES = 64,             /* rows that are compared with all centres together */
    BLOCKS_A_STEP = 1 << 8, /* blocks of LANES rows between two calls of the progress callback */
};

/* One thread's memory: a panel of rows, the kernel's tile, products with all centres; aligned. */
typedef struct workspace {
    void *block;
    float *panel, *tile, *products;
} workspace;

static topn_status workspace_create(topn_context *context, size_t columns, size_t centres, workspace *out)
{
    topn_status status;
    const size_t panel = columns * LANES, tile = (size_t)PANEL_TILE_ROWS * LANES, products = centres * LANES;
    float *memory = NULL;
    *out = (workspace){0};
    TRY(ALLOCATE(context, panel + tile + products + PANEL_ALIGNMENT / sizeof(float), &memory));
    const size_t past = (uintptr_t)memory % PANEL_ALIGNMENT;
    out->block = memory;
    out->panel = memory + (past ? (PANEL_ALIGNMENT - past) / sizeof(float) : 0);
    out->tile = out->panel + panel;
    out->products = out->tile + tile;
done:
    return status;
}

/* What is clustered: rows[list[r]] times its factor. */
typedef struct row_list {
    const dense_matrix *rows;
    const float *factors;
    const uint32_t *list; /* NULL = all in order */
    size_t count;
} row_list;

static size_t row_of(const row_list *among, size_t at)
{
    return among->list ? among->list[at] : at;
}

/* home[] of the rows of one block: the greatest ⟨x, c⟩ − ‖c‖²/2, ties to the smaller centre. */
static void place_block(const row_list *among, size_t begin, const dense_matrix *centres, const float *half_squares,
                        workspace *work, uint32_t *home)
{
    const size_t columns = centres->columns, count = among->count - begin < LANES ? among->count - begin : LANES;
    memset(work->panel, 0, columns * LANES * sizeof *work->panel);
    for (size_t lane = 0; lane < count; lane++) {
        const size_t row = row_of(among, begin + lane);
        const float factor = among->factors ? among->factors[row] : 1.0f;
        for (size_t column = 0; column < columns; column++)
            work->panel[column * LANES + lane] = among->rows->values[row * columns + column] * factor;
    }
    const panel_block block = {
        .panel = work->panel, .tile = work->tile, .lanes = LANES, .users = count, .scores = work->products};
    panel_scores_dense(centres, &block, 0);
    for (size_t lane = 0; lane < count; lane++) {
        const float *products = work->products + lane * centres->rows;
        uint32_t best = 0;
        for (uint32_t centre = 1; centre < centres->rows; centre++)
            if (products[centre] - half_squares[centre] > products[best] - half_squares[best])
                best = centre;
        home[begin + lane] = best;
    }
}

static topn_status place_rows(topn_context *context, const row_list *among, const dense_matrix *centres,
                              float *half_squares, workspace *work, uint32_t *home)
{
    topn_status status = TOPN_OK;
    const size_t blocks = (among->count + LANES - 1) / LANES;
    for (size_t centre = 0; centre < centres->rows; centre++) {
        double square = 0.0;
        for (size_t column = 0; column < centres->columns; column++)
            square += (double)centres->values[centre * centres->columns + column] *
                      (double)centres->values[centre * centres->columns + column];
        half_squares[centre] = (float)(square / 2);
    }
    for (size_t begin = 0; begin < blocks; begin += BLOCKS_A_STEP) {
        const size_t end = blocks - begin < BLOCKS_A_STEP ? blocks : begin + BLOCKS_A_STEP;
        TRY(progress_report(context, "k-means", "rows", begin * LANES, among->count, NAN));
#pragma omp parallel for num_threads(context->threads) schedule(dynamic, 4)
        for (size_t block = begin; block < end; block++)
            place_block(among, block * LANES, centres, half_squares, &work[thread_index()], home);
    }
done:
    return status;
}

/* Rows by their home, in ascending order: order[begins[c] … begins[c + 1]). */
static void sort_by_home(const uint32_t *home, size_t count, size_t centres, size_t *begins, uint32_t *order)
{
    memset(begins, 0, (centres + 1) * sizeof *begins);
    for (size_t at = 0; at < count; at++)
        begins[home[at] + 1]++;
    for (size_t centre = 0; centre < centres; centre++)
        begins[centre + 1] += begins[centre];
    for (size_t at = 0; at < count; at++)
        order[begins[home[at]]++] = (uint32_t)at;
    memmove(begins + 1, begins, centres * sizeof *begins);
    begins[0] = 0;
}

/* Centres that have rows move to their mean; the others stay. */
static void move_centres(topn_context *context, const row_list *among, const size_t *begins, const uint32_t *order,
                         dense_matrix *centres)
{
#pragma omp parallel for num_threads(context->threads) schedule(dynamic, 4)
    for (size_t centre = 0; centre < centres->rows; centre++) {
        float *target = centres->values + centre * centres->columns;
        const size_t count = begins[centre + 1] - begins[centre];
        for (size_t column = 0; count && column < centres->columns; column++)
            target[column] = 0.0f;
        for (size_t at = begins[centre]; at < begins[centre + 1]; at++) {
            const size_t row = row_of(among, order[at]);
            const float factor = (among->factors ? among->factors[row] : 1.0f) / (float)count;
            for (size_t column = 0; column < centres->columns; column++)
                target[column] += among->rows->values[row * centres->columns + column] * factor;
        }
    }
}

/* A sample without repetition, in random order. */
static void draw_rows(uint64_t seed, size_t rows, size_t count, uint32_t *order)
{
    for (size_t row = 0; row < rows; row++)
        order[row] = (uint32_t)row;
    for (size_t at = 0; at < count; at++) {
        const size_t other = at + random_below(seed, RANDOM_REPRESENTATIVES, at, (uint32_t)(rows - at));
        const uint32_t swap = order[at];
        order[at] = order[other];
        order[other] = swap;
    }
}

topn_status kmeans(topn_context *context, const dense_matrix *rows, const float *factors, uint32_t count,
                   float *centres, uint32_t *home)
{
    topn_status status;
    uint32_t *sample = NULL, *order = NULL;
    size_t *begins = NULL;
    float *half_squares = NULL;
    workspace *work = NULL;
    const size_t taken = rows->rows / SAMPLE < count ? rows->rows : (size_t)count * SAMPLE;
    dense_matrix middle = {.values = centres, .rows = count, .columns = rows->columns};
    TRY(ALLOCATE(context, rows->rows, &sample));
    TRY(ALLOCATE(context, rows->rows, &order));
    TRY(ALLOCATE(context, (size_t)count + 1, &begins));
    TRY(ALLOCATE(context, count, &half_squares));
    TRY(ALLOCATE_ZEROED(context, (size_t)context->threads, &work));
    for (int thread = 0; thread < context->threads; thread++)
        TRY(workspace_create(context, rows->columns, count, &work[thread]));
    draw_rows(context->seed, rows->rows, taken, sample);
    const row_list some = {.rows = rows, .factors = factors, .list = sample, .count = taken};
    const row_list all = {.rows = rows, .factors = factors, .count = rows->rows};
    for (uint32_t centre = 0; centre < count; centre++)
        for (size_t column = 0; column < rows->columns; column++)
            centres[centre * rows->columns + column] =
                rows->values[sample[centre] * rows->columns + column] * (factors ? factors[sample[centre]] : 1.0f);
    for (int round = 0; round < ROUNDS && count > 1; round++) {
        TRY(place_rows(context, &some, &middle, half_squares, work, home));
        sort_by_home(home, taken, count, begins, order);
        move_centres(context, &some, begins, order, &middle);
    }
    TRY(place_rows(context, &all, &middle, half_squares, work, home));
done:
    for (int thread = 0; work && thread < context->threads; thread++)
        free(work[thread].block);
    free(work);
    free(sample);
    free(order);
    free(begins);
    free(half_squares);
    return status;
}
