/* SPDX-License-Identifier: Apache-2.0
 *
 * The Gram matrix, dense: row r of the lower triangle is the sum, over the users who hold item r, of their histories up
 * to r. One thread owns a row, which stays in its cache, and adds in the order of the users.
 *
 * What it waits for are the histories, which lie all over the memory: they are asked for some users ahead.
 *
 * Legend: X users × items, W = diag(user weights), G = XᵀWX, R = diag(ridge).
 */
#include <math.h>

#include "train/linear/system.h"

enum {
    GRAM_BATCH = 2048, /* rows between two reports of progress */
    STEP = 8,          /* columns added between two looks at where the row ends */
    AHEAD = 6,         /* users whose histories are on the way */
    LINE = 16          /* indices in a cache line */
};

/* Asks for the start of the history of the user `AHEAD` places on, and for where that of a later one begins. */
static inline void fetch_ahead(const sparse_matrix *x, const uint32_t *users, uint64_t left)
{
    if (left > 2 * AHEAD)
        __builtin_prefetch(&x->indptr[users[2 * AHEAD]]);
    if (left <= AHEAD)
        return;
    const uint32_t *columns = x->indices + x->indptr[users[AHEAD]];
    for (int line = 0; line < 4; line++)
        __builtin_prefetch(columns + line * LINE);
}

/* row[c] += scale for the columns up to r, which is one of them. */
static inline void add_ones(const uint32_t *columns, uint64_t length, uint32_t r, float scale, float *row)
{
    uint64_t at = 0;
    for (; at + STEP <= length && columns[at + STEP - 1] <= r; at += STEP)
        for (int step = 0; step < STEP; step++)
            row[columns[at + (uint64_t)step]] += scale;
    for (; at < length && columns[at] <= r; at++)
        row[columns[at]] += scale;
}

static inline void add_values(const uint32_t *columns, const float *values, uint64_t length, uint32_t r, float scale,
                              float *row)
{
    for (uint64_t at = 0; at < length && columns[at] <= r; at++)
        row[columns[at]] += scale * values[at];
}

static void add_row(const linear_system *system, uint32_t r, float *row)
{
    const sparse_matrix *x = &system->x, *xt = &system->xt;
    const uint64_t end = xt->indptr[r + 1];
    for (uint64_t at = xt->indptr[r]; at < end; at++) {
        const uint32_t user = xt->indices[at];
        const uint64_t begin = x->indptr[user], length = x->indptr[user + 1] - begin;
        fetch_ahead(x, xt->indices + at, end - at);
        if (x->values)
            add_values(x->indices + begin, x->values + begin, length, r,
                       (float)(system->user_weights[user] * xt->values[at]), row);
        else
            add_ones(x->indices + begin, length, r, (float)system->user_weights[user], row);
    }
    row[r] += (float)system->ridge[r];
}

topn_status linear_gram(topn_context *context, const linear_system *system, symmetric *a)
{
    topn_status status = TOPN_OK;
    const uint32_t n = system->x.columns;
    for (uint32_t begin = 0; begin < n; begin += GRAM_BATCH) {
        TRY(progress_report(context, "gram", "rows", begin, n, NAN));
        const uint32_t end = n - begin < GRAM_BATCH ? n : begin + GRAM_BATCH;
#pragma omp parallel for num_threads(context->threads) schedule(dynamic, 8)
        for (uint32_t r = begin; r < end; r++)
            add_row(system, r, symmetric_row(a, r));
    }
    status = progress_report(context, "gram", "rows", n, n, NAN);
done:
    return status;
}
