/* SPDX-License-Identifier: Apache-2.0
 *
 * What reads the rows of a triangle without BLAS: products with vectors, blocks of rows and columns, the full layout.
 */
#include "numeric/symmetric.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/vector.h"

enum {
    VECTOR_BLOCKS = 32, /* blocks of rows in matrix-vector products, each with its own partial sum */
    STRIP = 4           /* rows of a block taken together: x and the partial sum are read once for all of them */
};

/* Row blocks for the products with vectors: fixed cuts at equal areas of the triangle. */
static size_t block_start(size_t n, int block)
{
    return (size_t)((double)n * sqrt((double)block / VECTOR_BLOCKS));
}

/* Inside a parallel region: out [n] = the sum of the blocks' parts [VECTOR_BLOCKS × n], in fixed order. */
static void sum_parts(const double *partial, size_t n, double *out)
{
#pragma omp for schedule(static)
    for (size_t c = 0; c < n; c++) {
        double total = 0;
        for (int block = 0; block < VECTOR_BLOCKS; block++)
            total += partial[(size_t)block * n + c];
        out[c] = total;
    }
}

/* ⟨row, x⟩ over `count` columns. */
VECTOR_CLONES
static double dot_row(const float *restrict row, const double *restrict x, size_t count)
{
    double dot = 0;
#pragma omp simd reduction(+ : dot)
    for (size_t c = 0; c < count; c++)
        dot += row[c] * x[c];
    return dot;
}

/* sum += scale · row over `count` columns. */
VECTOR_CLONES
static void add_row(const float *restrict row, double scale, size_t count, double *restrict sum)
{
    for (size_t c = 0; c < count; c++)
        sum[c] += row[c] * scale;
}

/* Both of these for STRIP rows. */
VECTOR_CLONES
static void multiply_strip(const float *const rows[STRIP], const double scales[STRIP], const double *restrict x,
                           size_t count, double *restrict sum, double dots[STRIP])
{
    const float *const row0 = rows[0], *const row1 = rows[1], *const row2 = rows[2], *const row3 = rows[3];
    const double scale0 = scales[0], scale1 = scales[1], scale2 = scales[2], scale3 = scales[3];
    double dot0 = 0, dot1 = 0, dot2 = 0, dot3 = 0;
#pragma omp simd reduction(+ : dot0, dot1, dot2, dot3)
    for (size_t c = 0; c < count; c++) {
        const double v0 = row0[c], v1 = row1[c], v2 = row2[c], v3 = row3[c];
        dot0 += v0 * x[c];
        dot1 += v1 * x[c];
        dot2 += v2 * x[c];
        dot3 += v3 * x[c];
        sum[c] += (v0 * scale0 + v1 * scale1) + (v2 * scale2 + v3 * scale3);
    }
    dots[0] = dot0;
    dots[1] = dot1;
    dots[2] = dot2;
    dots[3] = dot3;
}

/* sum += the rows [first, last) of A·x and, mirrored, what lies above the diagonal in their columns. */
static void multiply_block(const symmetric *a, size_t first, size_t last, const double *x, double *sum)
{
    size_t r = first;
    for (; r + STRIP <= last; r += STRIP) {
        const float *rows[STRIP];
        double dots[STRIP];
        for (size_t k = 0; k < STRIP; k++)
            rows[k] = symmetric_row(a, r + k);
        multiply_strip(rows, x + r, x, r, sum, dots);
        for (size_t k = 0; k < STRIP; k++) { /* the corner on the diagonal */
            for (size_t c = r; c < r + k; c++) {
                dots[k] += rows[k][c] * x[c];
                sum[c] += rows[k][c] * x[r + k];
            }
            sum[r + k] += dots[k] + rows[k][r + k] * x[r + k];
        }
    }
    for (; r < last; r++) {
        const float *row = symmetric_row(a, r);
        add_row(row, x[r], r, sum);
        sum[r] += dot_row(row, x, r) + row[r] * x[r];
    }
}

topn_status symmetric_multiply(topn_context *context, const symmetric *a, const double *x, double *y)
{
    topn_status status;
    const size_t n = a->n;
    double *partial = NULL; /* [VECTOR_BLOCKS × n] */
    TRY(ALLOCATE_ZEROED(context, (size_t)VECTOR_BLOCKS * n, &partial));
#pragma omp parallel num_threads(context->threads)
    {
#pragma omp for schedule(dynamic)
        for (int block = VECTOR_BLOCKS - 1; block >= 0; block--)
            multiply_block(a, block_start(n, block), block_start(n, block + 1), x, partial + (size_t)block * n);
        sum_parts(partial, n, y);
    }
done:
    free(partial);
    return status;
}

/* Inside a parallel region: y = L·x. */
static void multiply_rows(const symmetric *l, const double *x, double *y)
{
#pragma omp for schedule(dynamic, 64)
    for (size_t r = 0; r < l->n; r++)
        y[r] = dot_row(symmetric_row(l, r), x, r + 1);
}

/* Inside a parallel region: y = Lᵀ·x, by way of partial [VECTOR_BLOCKS × n], zeros. */
static void multiply_columns(const symmetric *l, const double *x, double *partial, double *y)
{
    const size_t n = l->n;
#pragma omp for schedule(dynamic)
    for (int block = VECTOR_BLOCKS - 1; block >= 0; block--) {
        double *sum = partial + (size_t)block * n;
        for (size_t r = block_start(n, block); r < block_start(n, block + 1); r++)
            add_row(symmetric_row(l, r), x[r], r + 1, sum);
    }
    sum_parts(partial, n, y);
}

topn_status triangle_multiply_both(topn_context *context, const symmetric *a, bool transposed, const double *x,
                                   double *y)
{
    topn_status status;
    double *partial = NULL; /* [VECTOR_BLOCKS × n] */
    double *inner = NULL;   /* [n], Lᵀ·x or L·x */
    TRY(ALLOCATE_ZEROED(context, (size_t)VECTOR_BLOCKS * a->n, &partial));
    TRY(ALLOCATE(context, a->n, &inner));
#pragma omp parallel num_threads(context->threads)
    {
        if (transposed) {
            multiply_rows(a, x, inner);
            multiply_columns(a, inner, partial, y);
        } else {
            multiply_columns(a, x, partial, inner);
            multiply_rows(a, inner, y);
        }
    }
done:
    free(partial);
    free(inner);
    return status;
}

topn_status triangle_column_squares(topn_context *context, const symmetric *a, double *out)
{
    topn_status status;
    const size_t n = a->n;
    double *partial = NULL; /* [VECTOR_BLOCKS × n] */
    TRY(ALLOCATE_ZEROED(context, (size_t)VECTOR_BLOCKS * n, &partial));
#pragma omp parallel num_threads(context->threads)
    {
#pragma omp for schedule(dynamic)
        for (int block = VECTOR_BLOCKS - 1; block >= 0; block--) {
            double *sum = partial + (size_t)block * n;
            for (size_t r = block_start(n, block); r < block_start(n, block + 1); r++) {
                const float *row = symmetric_row(a, r);
                for (size_t c = 0; c <= r; c++)
                    sum[c] += (double)row[c] * (double)row[c];
            }
        }
        sum_parts(partial, n, out);
    }
done:
    free(partial);
    return status;
}

enum { GATHER_ROWS = 16 }; /* rows taken together: a cache line of every column written */

void triangle_gather_columns(const symmetric *a, size_t first, size_t count, float *out)
{
    const size_t n = a->n;
    for (size_t c = 0; c < count; c++)
        memset(out + c * n, 0, (first + c) * sizeof *out);
    size_t r = first;
    for (; r < n && r < first + count; r++)
        for (size_t c = 0; c <= r - first; c++)
            out[c * n + r] = symmetric_row(a, r)[first + c];
    for (; r + GATHER_ROWS <= n; r += GATHER_ROWS) {
        const float *row[GATHER_ROWS];
        for (size_t i = 0; i < GATHER_ROWS; i++)
            row[i] = symmetric_row(a, r + i) + first;
        for (size_t c = 0; c < count; c++)
            for (size_t i = 0; i < GATHER_ROWS; i++)
                out[c * n + r + i] = row[i][c];
    }
    for (; r < n; r++)
        for (size_t c = 0; c < count; c++)
            out[c * n + r] = symmetric_row(a, r)[first + c];
}

void symmetric_gather(const symmetric *a, size_t first, size_t count, float *out)
{
    triangle_gather_columns(a, first, count, out);
    for (size_t r = 0; r < count; r++)
        memcpy(out + r * a->n, symmetric_row(a, first + r), (first + r) * sizeof *out);
}

enum { MIRROR_TILE = 64 };

void symmetric_mirror(topn_context *context, symmetric *a)
{
    const size_t n = a->n;
    float *values = a->values;
#pragma omp parallel for num_threads(context->threads) schedule(dynamic)
    for (size_t top = 0; top < n; top += MIRROR_TILE)
        for (size_t left = 0; left <= top; left += MIRROR_TILE)
            for (size_t r = top; r < n && r < top + MIRROR_TILE; r++)
                for (size_t c = left; c < r && c < left + MIRROR_TILE; c++)
                    values[c * n + r] = values[r * n + c];
}

void triangle_clear_upper(topn_context *context, symmetric *a)
{
    const size_t n = a->n;
#pragma omp parallel for num_threads(context->threads) schedule(dynamic, 64)
    for (size_t r = 0; r < n; r++)
        memset(a->values + r * n + r + 1, 0, (n - r - 1) * sizeof *a->values);
}

void triangle_transpose(topn_context *context, symmetric *a)
{
    const size_t n = a->n;
    symmetric_mirror(context, a);
#pragma omp parallel for num_threads(context->threads) schedule(dynamic, 64)
    for (size_t r = 1; r < n; r++)
        memset(a->values + r * n, 0, r * sizeof *a->values);
}

topn_status square_reorder_rows(topn_context *context, symmetric *a, const uint32_t *source)
{
    topn_status status;
    const size_t n = a->n;
    float *held = NULL;  /* [n] */
    bool *placed = NULL; /* [n] */
    TRY(ALLOCATE(context, n, &held));
    TRY(ALLOCATE_ZEROED(context, n, &placed));
    for (size_t first = 0; first < n; first++) {
        if (placed[first] || source[first] == first)
            continue;
        memcpy(held, a->values + first * n, n * sizeof *held);
        size_t row = first;
        for (; source[row] != first; row = source[row]) {
            memcpy(a->values + row * n, a->values + (size_t)source[row] * n, n * sizeof *held);
            placed[row] = true;
        }
        memcpy(a->values + row * n, held, n * sizeof *held);
        placed[row] = true;
    }
done:
    free(held);
    free(placed);
    return status;
}
