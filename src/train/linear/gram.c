/* SPDX-License-Identifier: Apache-2.0
 *
 * The Gram matrix, dense: row r of the lower triangle is the sum, over the users who hold item r, of their histories up
 * to r. One thread owns a row, which stays in its cache, and adds in the order of the users.
 *
 * What it waits for are the histories, which lie all over the memory: they are asked for some users ahead, and where X
 * is binary and the items are few enough, columns are read as 16-bit numbers. At the shape of MovieLens 20M the first
 * takes half of the time, the second a fourth.
 *
 * Legend: X users × items, W = diag(user weights), G = XᵀWX, R = diag(ridge).
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "train/linear/system.h"

enum {
    GRAM_BATCH = 2048, /* rows between two reports of progress */
    STEP = 8,          /* columns added between two looks at where the row ends */
    AHEAD = 6,         /* users whose histories are on the way */
    LINES = 4,         /* cache lines of them that are asked for */
    LINE_BYTES = 64
};

/* Asks for the start of the history of the user `AHEAD` places on, and for where that of a later one begins. */
static inline void fetch_ahead(const sparse_matrix *x, const void *columns, size_t size, const uint32_t *users,
                               uint64_t left)
{
    if (left > 2 * AHEAD)
        __builtin_prefetch(&x->indptr[users[2 * AHEAD]]);
    if (left <= AHEAD)
        return;
    const char *start = (const char *)columns + x->indptr[users[AHEAD]] * size;
    for (int line = 0; line < LINES; line++)
        __builtin_prefetch(start + line * LINE_BYTES);
}

/* row[c] += scale for the columns up to r. */
static inline void add_wide(const uint32_t *columns, uint64_t length, uint32_t r, float scale, float *row)
{
    uint64_t at = 0;
    for (; at + STEP <= length && columns[at + STEP - 1] <= r; at += STEP)
        for (uint64_t step = 0; step < STEP; step++)
            row[columns[at + step]] += scale;
    for (; at < length && columns[at] <= r; at++)
        row[columns[at]] += scale;
}

/* The same, four columns in a load; which comes first does not matter, as they differ. */
static inline void add_narrow(const uint16_t *columns, uint64_t length, uint32_t r, float scale, float *row)
{
    uint64_t at = 0;
    for (; at + STEP <= length && columns[at + STEP - 1] <= r; at += STEP) {
        uint64_t four[2];
        memcpy(four, columns + at, sizeof four);
        for (int half = 0; half < 2; half++) {
            row[four[half] & 0xffff] += scale;
            row[(four[half] >> 16) & 0xffff] += scale;
            row[(four[half] >> 32) & 0xffff] += scale;
            row[four[half] >> 48] += scale;
        }
    }
    for (; at < length && columns[at] <= r; at++)
        row[columns[at]] += scale;
}

static void add_row_of_ones(const linear_system *system, const uint16_t *narrow, uint32_t r, float *row)
{
    const sparse_matrix *x = &system->x, *xt = &system->xt;
    const uint64_t end = xt->indptr[r + 1];
    for (uint64_t at = xt->indptr[r]; at < end; at++) {
        const uint32_t user = xt->indices[at];
        const uint64_t begin = x->indptr[user], length = x->indptr[user + 1] - begin;
        const float scale = (float)system->user_weights[user];
        if (narrow) {
            fetch_ahead(x, narrow, sizeof *narrow, xt->indices + at, end - at);
            add_narrow(narrow + begin, length, r, scale, row);
        } else {
            fetch_ahead(x, x->indices, sizeof *x->indices, xt->indices + at, end - at);
            add_wide(x->indices + begin, length, r, scale, row);
        }
    }
}

static void add_row(const linear_system *system, uint32_t r, float *row)
{
    const sparse_matrix *x = &system->x, *xt = &system->xt;
    const uint64_t end = xt->indptr[r + 1];
    for (uint64_t at = xt->indptr[r]; at < end; at++) {
        const uint32_t user = xt->indices[at];
        const float scale = (float)(system->user_weights[user] * xt->values[at]);
        fetch_ahead(x, x->indices, sizeof *x->indices, xt->indices + at, end - at);
        fetch_ahead(x, x->values, sizeof *x->values, xt->indices + at, end - at);
        for (uint64_t other = x->indptr[user]; other < x->indptr[user + 1] && x->indices[other] <= r; other++)
            row[x->indices[other]] += scale * x->values[other];
    }
}

static topn_status narrow_columns(topn_context *context, const sparse_matrix *x, uint16_t **out)
{
    const uint64_t count = x->indptr[x->rows];
    const topn_status status = ALLOCATE(context, count, out);
#pragma omp parallel for num_threads(context->threads) schedule(static)
    for (uint64_t at = 0; at < (status == TOPN_OK ? count : 0); at++)
        (*out)[at] = (uint16_t)x->indices[at];
    return status;
}

/* Adds the lower triangle of G to a. */
static topn_status add_gram(topn_context *context, const linear_system *system, symmetric *a)
{
    topn_status status = TOPN_OK;
    const uint32_t n = system->x.columns;
    uint16_t *narrow = NULL; /* [nonzeros] */
    if (system->binary && n <= UINT16_MAX + 1)
        TRY(narrow_columns(context, &system->x, &narrow));
    for (uint32_t begin = 0; begin < n; begin += GRAM_BATCH) {
        TRY(progress_report(context, "gram", "rows", begin, n, NAN));
        const uint32_t end = n - begin < GRAM_BATCH ? n : begin + GRAM_BATCH;
#pragma omp parallel for num_threads(context->threads) schedule(dynamic, 8)
        for (uint32_t r = begin; r < end; r++) {
            float *row = symmetric_row(a, r);
            if (system->binary)
                add_row_of_ones(system, narrow, r, row);
            else
                add_row(system, r, row);
        }
    }
    status = progress_report(context, "gram", "rows", n, n, NAN);
done:
    free(narrow);
    return status;
}

topn_status linear_gram(topn_context *context, const linear_system *system, symmetric *a)
{
    topn_status status = TOPN_OK;
    const size_t bytes = symmetric_bytes(a->n, a->half);
    if (!shared_work_find(context, system->gram_key, a->values, bytes)) {
        TRY(add_gram(context, system, a));
        shared_work_keep(context, system->gram_key, a->values, bytes);
    }
    for (size_t r = 0; r < a->n; r++)
        symmetric_row(a, r)[r] += (float)system->ridge[r];
done:
    return status;
}
