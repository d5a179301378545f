/* SPDX-License-Identifier: Apache-2.0 */
#include "numeric/symmetric.h"

#include <cblas.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/threads.h"

/* LAPACK, Fortran interface; a row-major lower triangle is a column-major upper one. */
void spotrf_(const char *uplo, const int *n, float *a, const int *lda, int *info, size_t);
void strtri_(const char *uplo, const char *diag, const int *n, float *a, const int *lda, int *info, size_t, size_t);
void slauum_(const char *uplo, const int *n, float *a, const int *lda, int *info, size_t);

enum {
    PADDING = 16 /* elements after each row of a half panel: strides of whole pages would share cache sets */
};

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

/* Elements from one row of panel i to the next: what BLAS calls its leading dimension. */
static size_t panel_stride(const symmetric *a, size_t i)
{
    const size_t width = (i + 1) * tile_size(a->n);
    if (!a->half)
        return a->n;
    return (width < a->n ? width : a->n) + PADDING;
}

/* Elements before panel i of the half layout. */
static size_t half_start(size_t tile, size_t i)
{
    return tile * (tile * (i * (i + 1) / 2) + PADDING * i);
}

static float *panel_at(const symmetric *a, size_t i)
{
    const size_t tile = tile_size(a->n);
    return a->values + (a->half ? half_start(tile, i) : tile * i * a->n);
}

static float *tile_at(const symmetric *a, size_t row_tile, size_t column_tile)
{
    return panel_at(a, row_tile) + tile_start(a->n, column_tile);
}

float *symmetric_row(const symmetric *a, size_t r)
{
    const size_t i = r / tile_size(a->n);
    return panel_at(a, i) + (r - tile_start(a->n, i)) * panel_stride(a, i);
}

static size_t cell_count(size_t n, bool half)
{
    if (!half || n == 0)
        return n * n;
    const size_t last = tile_count(n) - 1;
    return half_start(tile_size(n), last) + (size_t)tile_rows(n, last) * (n + PADDING);
}

topn_status symmetric_create(topn_context *context, size_t n, bool half, symmetric *out)
{
    *out = (symmetric){.n = n, .half = half};
    const size_t cells = n <= UINT32_MAX ? cell_count(n, half) : SIZE_MAX;
    const topn_status status = ALLOCATE_ZEROED(context, cells, &out->values);
    if (status != TOPN_OK)
        return status;
    memory_prefer_large_pages(out->values, cells * sizeof(float));
    return TOPN_OK;
}

void symmetric_clear(symmetric *a)
{
    free(a->values);
    *a = (symmetric){0};
}

uint64_t symmetric_bytes(size_t n, bool half)
{
    return (uint64_t)cell_count(n, half) * sizeof(float);
}

uint64_t symmetric_scratch_bytes(size_t n)
{
    return (uint64_t)tile_size(n) * n * sizeof(float);
}

void symmetric_diagonal(const symmetric *a, float *diagonal)
{
    for (size_t r = 0; r < a->n; r++)
        diagonal[r] = symmetric_row(a, r)[r];
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
static void factor_gather(const topn_context *context, symmetric *a, size_t j)
{
    const size_t n = a->n, tiles = tile_count(n);
    const int width = tile_rows(n, j), depth = (int)tile_start(n, j), above = (int)panel_stride(a, j);
#pragma omp parallel for num_threads(context->threads) schedule(dynamic)
    for (size_t i = j; i < tiles; i++) {
        const int stride = (int)panel_stride(a, i);
        const unsigned flush = threads_flush_begin();
        if (i == j)
            cblas_ssyrk(CblasRowMajor, CblasLower, CblasNoTrans, width, depth, -1.0f, tile_at(a, j, 0), stride, 1.0f,
                        tile_at(a, j, j), stride);
        else
            cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, tile_rows(n, i), width, depth, -1.0f, tile_at(a, i, 0),
                        stride, tile_at(a, j, 0), above, 1.0f, tile_at(a, i, j), stride);
        threads_flush_end(flush);
    }
}

/* Tiles below the factored tile (j, j): times its inverse transpose. */
static void factor_scale(const topn_context *context, symmetric *a, size_t j)
{
    const size_t tiles = tile_count(a->n);
    const int width = tile_rows(a->n, j), above = (int)panel_stride(a, j);
#pragma omp parallel for num_threads(context->threads) schedule(dynamic)
    for (size_t i = j + 1; i < tiles; i++) {
        const unsigned flush = threads_flush_begin();
        cblas_strsm(CblasRowMajor, CblasRight, CblasLower, CblasTrans, CblasNonUnit, tile_rows(a->n, i), width, 1.0f,
                    tile_at(a, j, j), above, tile_at(a, i, j), (int)panel_stride(a, i));
        threads_flush_end(flush);
    }
}

/* Left-looking by tile columns. */
topn_status symmetric_factor(topn_context *context, symmetric *a, const char *stage)
{
    topn_status status = TOPN_OK;
    const size_t n = a->n, tiles = tile_count(n);
    const int saved = threads_serial_blas_begin();
    const unsigned flush = threads_flush_begin();
    uint64_t done = 0, total = 0;
    for (size_t j = 0; j < tiles; j++)
        total += factor_work(tiles, j);
    for (size_t j = 0; j < tiles; j++) {
        TRY(progress_report(context, stage, "tiles", done, total, NAN));
        if (j)
            factor_gather(context, a, j);
        const int width = tile_rows(n, j), stride = (int)panel_stride(a, j);
        int info = 0;
        spotrf_("U", &width, tile_at(a, j, j), &stride, &info, 1);
        const size_t last = tile_start(n, j) + (size_t)width - 1;
        if (info != 0 || !isfinite(symmetric_row(a, last)[last])) {
            status = fail(context, TOPN_ERROR_NUMERIC, "the matrix is not positive definite at row %zu of %zu",
                          tile_start(n, j) + (size_t)(info > 0 ? info : 1), n);
            goto done;
        }
        factor_scale(context, a, j);
        done += factor_work(tiles, j);
    }
    status = progress_report(context, stage, "tiles", total, total, NAN);
done:
    threads_flush_end(flush);
    threads_serial_blas_end(saved);
    return status;
}

/* The strict upper triangle of tile (i, i), which products of whole tiles read as zeros. */
static void clear_tile_upper(symmetric *a, size_t i)
{
    const size_t width = (size_t)tile_rows(a->n, i), stride = panel_stride(a, i);
    for (size_t r = 0; r < width; r++)
        memset(tile_at(a, i, i) + r * stride + r + 1, 0, (width - r - 1) * sizeof(float));
}

/* Row tile i of W, from its copy `row` of L: W_ij = −W_ii · Σ_{j≤k<i} L_ik·W_kj. */
static void invert_row(const topn_context *context, symmetric *a, size_t i, float *row)
{
    const size_t n = a->n, depth = tile_start(n, i);
    const int height = tile_rows(n, i), stride = (int)panel_stride(a, i);
#pragma omp parallel num_threads(context->threads)
    {
#pragma omp for schedule(static)
        for (size_t r = 0; r < (size_t)height; r++)
            memcpy(row + r * n, symmetric_row(a, depth + r), depth * sizeof *row);
#pragma omp for schedule(dynamic)
        for (size_t j = 0; j < i; j++) {
            const int width = tile_rows(n, j);
            float *target = tile_at(a, i, j);
            const unsigned flush = threads_flush_begin();
            for (size_t k = j; k < i; k++)
                cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, height, width, tile_rows(n, k), -1.0f,
                            row + tile_start(n, k), (int)n, tile_at(a, k, j), (int)panel_stride(a, k),
                            k == j ? 0.0f : 1.0f, target, stride);
            cblas_strmm(CblasRowMajor, CblasLeft, CblasLower, CblasNoTrans, CblasNonUnit, height, width, 1.0f,
                        tile_at(a, i, i), stride, target, stride);
            threads_flush_end(flush);
        }
    }
}

/* By tile rows, downward; W takes the place of L row by row. */
topn_status triangle_invert(topn_context *context, symmetric *a, const char *stage)
{
    topn_status status = TOPN_OK;
    const size_t n = a->n, tiles = tile_count(n);
    const int saved = threads_serial_blas_begin();
    const unsigned flush = threads_flush_begin();
    float *row = NULL; /* [tile × n], row tile i of L */
    uint64_t done = 0, total = 0;
    for (size_t i = 0; i < tiles; i++)
        total += invert_work(i);
    TRY(ALLOCATE(context, (n < tile_size(n) ? n : tile_size(n)) * n, &row));
    for (size_t i = 0; i < tiles; i++) {
        TRY(progress_report(context, stage, "tiles", done, total, NAN));
        const int height = tile_rows(n, i), stride = (int)panel_stride(a, i);
        int info = 0;
        clear_tile_upper(a, i);
        strtri_("U", "N", &height, tile_at(a, i, i), &stride, &info, 1, 1);
        if (info != 0) {
            status =
                fail(context, TOPN_ERROR_NUMERIC, "the factor is singular at row %zu", tile_start(n, i) + (size_t)info);
            goto done;
        }
        invert_row(context, a, i, row);
        done += invert_work(i);
    }
    status = progress_report(context, stage, "tiles", total, total, NAN);
done:
    free(row);
    threads_flush_end(flush);
    threads_serial_blas_end(saved);
    return status;
}

/* Tile (i, i) of P: W_iiᵀ·W_ii + Σ_{k>i} W_kiᵀ·W_ki. */
static void gram_corner(symmetric *a, size_t i)
{
    const int height = tile_rows(a->n, i), stride = (int)panel_stride(a, i);
    int info = 0;
    slauum_("U", &height, tile_at(a, i, i), &stride, &info, 1);
    for (size_t k = i + 1; k < tile_count(a->n); k++)
        cblas_ssyrk(CblasRowMajor, CblasLower, CblasTrans, height, tile_rows(a->n, k), 1.0f, tile_at(a, k, i),
                    (int)panel_stride(a, k), 1.0f, tile_at(a, i, i), stride);
}

/* Tile (i, j) of P, j < i: W_iiᵀ·W_ij + Σ_{k>i} W_kiᵀ·W_kj, from a copy of W_ii. */
static void gram_tile(symmetric *a, size_t i, size_t j, const float *corner)
{
    const size_t n = a->n;
    const int stride = (int)panel_stride(a, i), height = tile_rows(n, i), width = tile_rows(n, j);
    float *target = tile_at(a, i, j);
    cblas_strmm(CblasRowMajor, CblasLeft, CblasLower, CblasTrans, CblasNonUnit, height, width, 1.0f, corner,
                (int)tile_size(n), target, stride);
    for (size_t k = i + 1; k < tile_count(n); k++)
        cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, height, width, tile_rows(n, k), 1.0f, tile_at(a, k, i),
                    (int)panel_stride(a, k), tile_at(a, k, j), (int)panel_stride(a, k), 1.0f, target, stride);
}

/* Row tile i of P, in place of row tile i of W, which no later row needs; `corner` [tile × tile] becomes a copy of
 * W_ii. */
static void gram_row(const topn_context *context, symmetric *a, size_t i, float *corner)
{
    const size_t tile = tile_size(a->n), stride = panel_stride(a, i), height = (size_t)tile_rows(a->n, i);
    for (size_t r = 0; r < height; r++)
        memcpy(corner + r * tile, tile_at(a, i, i) + r * stride, height * sizeof *corner);
#pragma omp parallel for num_threads(context->threads) schedule(dynamic)
    for (size_t step = 0; step <= i; step++) {
        const unsigned flush = threads_flush_begin();
        if (step == 0)
            gram_corner(a, i);
        else
            gram_tile(a, i, i - step, corner);
        threads_flush_end(flush);
    }
}

topn_status triangle_gram(topn_context *context, symmetric *a, const char *stage)
{
    topn_status status = TOPN_OK;
    const size_t n = a->n, tiles = tile_count(n);
    const int saved = threads_serial_blas_begin();
    float *corner = NULL; /* [tile × tile] */
    uint64_t done = 0, total = 0;
    for (size_t i = 0; i < tiles; i++)
        total += gram_work(tiles, i);
    TRY(ALLOCATE(context, tile_size(n) * tile_size(n), &corner));
    for (size_t i = 0; i < tiles; i++) {
        TRY(progress_report(context, stage, "tiles", done, total, NAN));
        gram_row(context, a, i, corner);
        done += gram_work(tiles, i);
    }
    status = progress_report(context, stage, "tiles", total, total, NAN);
done:
    free(corner);
    threads_serial_blas_end(saved);
    return status;
}
