/* SPDX-License-Identifier: Apache-2.0 */
#include "numeric/symmetric.h"

#include <cblas.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/threads.h"

/* LAPACK, Fortran interface; a row-major lower triangle is a column-major upper one. */
void spotrf_(const char *uplo, const int *n, float *a, const int *lda, int *info, size_t);
void strtri_(const char *uplo, const char *diag, const int *n, float *a, const int *lda, int *info, size_t, size_t);
void slauum_(const char *uplo, const int *n, float *a, const int *lda, int *info, size_t);

enum { VECTOR_BLOCKS = 32 }; /* blocks of rows in matrix-vector products, each with its own partial sum */

/* Rows of a tile: large enough for BLAS to come near its rate (1024 gains a tenth over 512), small enough for the
 * threads to share a row of tiles evenly. A function of n alone. */
static size_t tile_size(size_t n)
{
    return n >= 12288 ? 1024 : n >= 4096 ? 512 : 256;
}

static size_t tile_count(size_t n)
{
    return (n + tile_size(n) - 1) / tile_size(n);
}

/* First row of tile t, and rows in it. */
static size_t tile_start(size_t n, size_t t)
{
    return t * tile_size(n);
}

static int tile_rows(size_t n, size_t t)
{
    const size_t left = n - tile_start(n, t);
    return (int)(left < tile_size(n) ? left : tile_size(n));
}

static float *tile_at(float *a, size_t n, size_t row_tile, size_t column_tile)
{
    return a + tile_start(n, row_tile) * n + tile_start(n, column_tile);
}

topn_status symmetric_create(topn_context *context, size_t n, bool lower_only, float **out)
{
    *out = NULL;
    const size_t cells = n <= UINT32_MAX ? n * n : SIZE_MAX;
    const topn_status status = ALLOCATE_ZEROED(context, cells, out);
    if (status != TOPN_OK)
        return status;
    /* Advice, so its failure is none: whole pages inside the block. */
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), begin = (uintptr_t)*out;
    const uintptr_t first = (begin + page - 1) / page * page, last = (begin + cells * sizeof **out) / page * page;
    if (last > first)
        (void)madvise((void *)first, last - first, lower_only ? MADV_NOHUGEPAGE : MADV_HUGEPAGE);
    return TOPN_OK;
}

uint64_t symmetric_lower_bytes(size_t n)
{
    const uint64_t square = (uint64_t)n * n * sizeof(float), page = (uint64_t)sysconf(_SC_PAGESIZE);
    const uint64_t edge = (uint64_t)n * (tile_size(n) * sizeof(float) + page); /* whole tiles on the diagonal, pages */
    return square / 2 + edge < square ? square / 2 + edge : square;
}

uint64_t symmetric_scratch_bytes(size_t n)
{
    return (uint64_t)tile_size(n) * n * sizeof(float);
}

/* Progress in products of tiles, which all take about the same time. */
static uint64_t factor_work(size_t tiles, size_t column)
{
    return (uint64_t)(tiles - column) * (column + 1);
}

static uint64_t invert_work(size_t row)
{
    return (uint64_t)row * (row + 1) / 2 + 1;
}

static uint64_t gram_work(size_t tiles, size_t row)
{
    return (uint64_t)(row + 1) * (tiles - row);
}

/* Tiles of column j: minus the products of all earlier columns. */
static void factor_gather(const topn_context *context, float *a, size_t n, size_t j)
{
    const size_t tiles = tile_count(n);
    const int width = tile_rows(n, j), depth = (int)tile_start(n, j), stride = (int)n;
#pragma omp parallel for num_threads(context->threads) schedule(dynamic)
    for (size_t i = j; i < tiles; i++) {
        const int height = tile_rows(n, i);
        if (i == j)
            cblas_ssyrk(CblasRowMajor, CblasLower, CblasNoTrans, width, depth, -1.0f, tile_at(a, n, j, 0), stride, 1.0f,
                        tile_at(a, n, j, j), stride);
        else
            cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, height, width, depth, -1.0f, tile_at(a, n, i, 0),
                        stride, tile_at(a, n, j, 0), stride, 1.0f, tile_at(a, n, i, j), stride);
    }
}

/* Tiles below the factored tile (j, j): times its inverse transpose. */
static void factor_scale(const topn_context *context, float *a, size_t n, size_t j)
{
    const size_t tiles = tile_count(n);
    const int width = tile_rows(n, j), stride = (int)n;
#pragma omp parallel for num_threads(context->threads) schedule(dynamic)
    for (size_t i = j + 1; i < tiles; i++)
        cblas_strsm(CblasRowMajor, CblasRight, CblasLower, CblasTrans, CblasNonUnit, tile_rows(n, i), width, 1.0f,
                    tile_at(a, n, j, j), stride, tile_at(a, n, i, j), stride);
}

/* Left-looking by tile columns. */
topn_status symmetric_factor(topn_context *context, float *a, size_t n, const char *stage)
{
    topn_status status = TOPN_OK;
    const size_t tiles = tile_count(n);
    const int stride = (int)n, saved = threads_serial_blas_begin();
    uint64_t done = 0, total = 0;
    for (size_t j = 0; j < tiles; j++)
        total += factor_work(tiles, j);
    for (size_t j = 0; j < tiles; j++) {
        TRY(progress_report(context, stage, "tiles", done, total, NAN));
        if (j)
            factor_gather(context, a, n, j);
        const int width = tile_rows(n, j);
        int info = 0;
        spotrf_("U", &width, tile_at(a, n, j, j), &stride, &info, 1);
        const float corner = *(tile_at(a, n, j, j) + (size_t)(width - 1) * n + (width - 1));
        if (info != 0 || !isfinite(corner)) {
            status = fail(context, TOPN_ERROR_NUMERIC, "the matrix is not positive definite at row %zu of %zu",
                          tile_start(n, j) + (size_t)(info > 0 ? info : 1), n);
            goto done;
        }
        factor_scale(context, a, n, j);
        done += factor_work(tiles, j);
    }
    status = progress_report(context, stage, "tiles", total, total, NAN);
done:
    threads_serial_blas_end(saved);
    return status;
}

/* The strict upper triangle of tile (i, i), which products of whole tiles read as zeros. */
static void clear_tile_upper(float *a, size_t n, size_t i)
{
    const int width = tile_rows(n, i);
    for (int r = 0; r < width; r++)
        memset(tile_at(a, n, i, i) + (size_t)r * n + r + 1, 0, (size_t)(width - r - 1) * sizeof *a);
}

/* Row tile i of W, from its copy `row` of L: W_ij = −W_ii · Σ_{j≤k<i} L_ik·W_kj. */
static void invert_row(const topn_context *context, float *a, size_t n, size_t i, float *row)
{
    const int stride = (int)n, height = tile_rows(n, i), depth = (int)tile_start(n, i);
#pragma omp parallel num_threads(context->threads)
    {
#pragma omp for schedule(static)
        for (int r = 0; r < height; r++)
            memcpy(row + (size_t)r * n, tile_at(a, n, i, 0) + (size_t)r * n, (size_t)depth * sizeof *row);
#pragma omp for schedule(dynamic)
        for (size_t j = 0; j < i; j++) {
            const int width = tile_rows(n, j), from = (int)tile_start(n, j);
            float *target = tile_at(a, n, i, j);
            cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, height, width, depth - from, -1.0f, row + from,
                        stride, tile_at(a, n, j, j), stride, 0.0f, target, stride);
            cblas_strmm(CblasRowMajor, CblasLeft, CblasLower, CblasNoTrans, CblasNonUnit, height, width, 1.0f,
                        tile_at(a, n, i, i), stride, target, stride);
        }
    }
}

/* By tile rows, downward; W takes the place of L row by row. */
topn_status triangle_invert(topn_context *context, float *a, size_t n, const char *stage)
{
    topn_status status = TOPN_OK;
    const size_t tiles = tile_count(n);
    const int stride = (int)n, saved = threads_serial_blas_begin();
    float *row = NULL; /* [tile × n], row tile i of L */
    uint64_t done = 0, total = 0;
    for (size_t i = 0; i < tiles; i++)
        total += invert_work(i);
    TRY(ALLOCATE(context, (n < tile_size(n) ? n : tile_size(n)) * n, &row));
    for (size_t i = 0; i < tiles; i++) {
        TRY(progress_report(context, stage, "tiles", done, total, NAN));
        const int height = tile_rows(n, i);
        int info = 0;
        clear_tile_upper(a, n, i);
        strtri_("U", "N", &height, tile_at(a, n, i, i), &stride, &info, 1, 1);
        if (info != 0) {
            status =
                fail(context, TOPN_ERROR_NUMERIC, "the factor is singular at row %zu", tile_start(n, i) + (size_t)info);
            goto done;
        }
        invert_row(context, a, n, i, row);
        done += invert_work(i);
    }
    status = progress_report(context, stage, "tiles", total, total, NAN);
done:
    free(row);
    threads_serial_blas_end(saved);
    return status;
}

/* Row tile i of P, in place of row tile i of W, which no later row needs; `corner` [tile × tile] is a copy of W_ii:
 * P_ij = W_iiᵀ·W_ij + Σ_{k>i} W_kiᵀ·W_kj. */
static void gram_row(const topn_context *context, float *a, size_t n, size_t i, float *corner)
{
    const int stride = (int)n, height = tile_rows(n, i), below = (int)(n - tile_start(n, i)) - height;
    for (int r = 0; r < height; r++)
        memcpy(corner + (size_t)r * tile_size(n), tile_at(a, n, i, i) + (size_t)r * n, (size_t)height * sizeof *corner);
#pragma omp parallel for num_threads(context->threads) schedule(dynamic)
    for (size_t step = 0; step <= i; step++) {
        const size_t j = i - step;
        const int width = tile_rows(n, j);
        float *target = tile_at(a, n, i, j);
        if (j == i) {
            int info = 0;
            slauum_("U", &height, target, &stride, &info, 1);
            if (below)
                cblas_ssyrk(CblasRowMajor, CblasLower, CblasTrans, height, below, 1.0f, tile_at(a, n, i + 1, i), stride,
                            1.0f, target, stride);
            continue;
        }
        cblas_strmm(CblasRowMajor, CblasLeft, CblasLower, CblasTrans, CblasNonUnit, height, width, 1.0f, corner,
                    (int)tile_size(n), target, stride);
        if (below)
            cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, height, width, below, 1.0f, tile_at(a, n, i + 1, i),
                        stride, tile_at(a, n, i + 1, j), stride, 1.0f, target, stride);
    }
}

topn_status triangle_gram(topn_context *context, float *a, size_t n, const char *stage)
{
    topn_status status = TOPN_OK;
    const size_t tiles = tile_count(n);
    const int saved = threads_serial_blas_begin();
    float *corner = NULL; /* [tile × tile] */
    uint64_t done = 0, total = 0;
    for (size_t i = 0; i < tiles; i++)
        total += gram_work(tiles, i);
    TRY(ALLOCATE(context, tile_size(n) * tile_size(n), &corner));
    for (size_t i = 0; i < tiles; i++) {
        TRY(progress_report(context, stage, "tiles", done, total, NAN));
        gram_row(context, a, n, i, corner);
        done += gram_work(tiles, i);
    }
    status = progress_report(context, stage, "tiles", total, total, NAN);
done:
    free(corner);
    threads_serial_blas_end(saved);
    return status;
}

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

topn_status symmetric_multiply(topn_context *context, const float *a, size_t n, const double *x, double *y)
{
    topn_status status;
    double *partial = NULL; /* [VECTOR_BLOCKS × n] */
    TRY(ALLOCATE_ZEROED(context, (size_t)VECTOR_BLOCKS * n, &partial));
#pragma omp parallel num_threads(context->threads)
    {
#pragma omp for schedule(dynamic)
        for (int block = VECTOR_BLOCKS - 1; block >= 0; block--) {
            double *sum = partial + (size_t)block * n;
            for (size_t r = block_start(n, block); r < block_start(n, block + 1); r++) {
                const float *row = a + r * n;
                const double scale = x[r];
                double dot = 0;
#pragma omp simd reduction(+ : dot)
                for (size_t c = 0; c < r; c++) {
                    dot += row[c] * x[c];
                    sum[c] += row[c] * scale;
                }
                sum[r] += dot + row[r] * scale;
            }
        }
        sum_parts(partial, n, y);
    }
done:
    free(partial);
    return status;
}

topn_status triangle_multiply_both(topn_context *context, const float *a, size_t n, const double *x, double *y)
{
    topn_status status;
    double *partial = NULL; /* [VECTOR_BLOCKS × n] */
    double *inner = NULL;   /* [n], Lᵀ·x */
    TRY(ALLOCATE_ZEROED(context, (size_t)VECTOR_BLOCKS * n, &partial));
    TRY(ALLOCATE(context, n, &inner));
#pragma omp parallel num_threads(context->threads)
    {
#pragma omp for schedule(dynamic)
        for (int block = VECTOR_BLOCKS - 1; block >= 0; block--) {
            double *sum = partial + (size_t)block * n;
            for (size_t r = block_start(n, block); r < block_start(n, block + 1); r++) {
                const float *row = a + r * n;
                const double scale = x[r];
#pragma omp simd
                for (size_t c = 0; c <= r; c++)
                    sum[c] += row[c] * scale;
            }
        }
        sum_parts(partial, n, inner);
#pragma omp for schedule(dynamic, 64)
        for (size_t r = 0; r < n; r++) {
            double dot = 0;
#pragma omp simd reduction(+ : dot)
            for (size_t c = 0; c <= r; c++)
                dot += a[r * n + c] * inner[c];
            y[r] = dot;
        }
    }
done:
    free(partial);
    free(inner);
    return status;
}

enum { MIRROR_TILE = 64 };

void symmetric_mirror(topn_context *context, float *a, size_t n)
{
#pragma omp parallel for num_threads(context->threads) schedule(dynamic)
    for (size_t top = 0; top < n; top += MIRROR_TILE)
        for (size_t left = 0; left <= top; left += MIRROR_TILE)
            for (size_t r = top; r < n && r < top + MIRROR_TILE; r++)
                for (size_t c = left; c < r && c < left + MIRROR_TILE; c++)
                    a[c * n + r] = a[r * n + c];
}

void triangle_clear_upper(topn_context *context, float *a, size_t n)
{
#pragma omp parallel for num_threads(context->threads) schedule(dynamic, 64)
    for (size_t r = 0; r < n; r++)
        memset(a + r * n + r + 1, 0, (n - r - 1) * sizeof *a);
}
