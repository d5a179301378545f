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

enum {
    VECTOR_BLOCKS = 32, /* blocks of rows in matrix-vector products, each with its own partial sum */
    PADDING = 16        /* elements after each row of a half panel: strides of whole pages would share cache sets */
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
    /* Every page will be touched: huge pages come faster and make long strides cheaper. Advice, so its failure is
     * none: whole pages inside the block. */
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), begin = (uintptr_t)out->values;
    const uintptr_t first = (begin + page - 1) / page * page, last = (begin + cells * sizeof(float)) / page * page;
    if (last > first)
        (void)madvise((void *)first, last - first, MADV_HUGEPAGE);
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
        if (i == j)
            cblas_ssyrk(CblasRowMajor, CblasLower, CblasNoTrans, width, depth, -1.0f, tile_at(a, j, 0), stride, 1.0f,
                        tile_at(a, j, j), stride);
        else
            cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, tile_rows(n, i), width, depth, -1.0f, tile_at(a, i, 0),
                        stride, tile_at(a, j, 0), above, 1.0f, tile_at(a, i, j), stride);
    }
}

/* Tiles below the factored tile (j, j): times its inverse transpose. */
static void factor_scale(const topn_context *context, symmetric *a, size_t j)
{
    const size_t tiles = tile_count(a->n);
    const int width = tile_rows(a->n, j), above = (int)panel_stride(a, j);
#pragma omp parallel for num_threads(context->threads) schedule(dynamic)
    for (size_t i = j + 1; i < tiles; i++)
        cblas_strsm(CblasRowMajor, CblasRight, CblasLower, CblasTrans, CblasNonUnit, tile_rows(a->n, i), width, 1.0f,
                    tile_at(a, j, j), above, tile_at(a, i, j), (int)panel_stride(a, i));
}

/* Left-looking by tile columns. */
topn_status symmetric_factor(topn_context *context, symmetric *a, const char *stage)
{
    topn_status status = TOPN_OK;
    const size_t n = a->n, tiles = tile_count(n);
    const int saved = threads_serial_blas_begin();
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
            for (size_t k = j; k < i; k++)
                cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, height, width, tile_rows(n, k), -1.0f,
                            row + tile_start(n, k), (int)n, tile_at(a, k, j), (int)panel_stride(a, k),
                            k == j ? 0.0f : 1.0f, target, stride);
            cblas_strmm(CblasRowMajor, CblasLeft, CblasLower, CblasNoTrans, CblasNonUnit, height, width, 1.0f,
                        tile_at(a, i, i), stride, target, stride);
        }
    }
}

/* By tile rows, downward; W takes the place of L row by row. */
topn_status triangle_invert(topn_context *context, symmetric *a, const char *stage)
{
    topn_status status = TOPN_OK;
    const size_t n = a->n, tiles = tile_count(n);
    const int saved = threads_serial_blas_begin();
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

/* Row tile i of P, in place of row tile i of W, which no later row needs; `corner` [tile × tile] is a copy of W_ii:
 * P_ij = W_iiᵀ·W_ij + Σ_{k>i} W_kiᵀ·W_kj. */
static void gram_row(const topn_context *context, symmetric *a, size_t i, float *corner)
{
    const size_t n = a->n, tile = tile_size(n), tiles = tile_count(n);
    const int stride = (int)panel_stride(a, i), height = tile_rows(n, i);
    for (size_t r = 0; r < (size_t)height; r++)
        memcpy(corner + r * tile, tile_at(a, i, i) + r * (size_t)stride, (size_t)height * sizeof *corner);
#pragma omp parallel for num_threads(context->threads) schedule(dynamic)
    for (size_t step = 0; step <= i; step++) {
        const size_t j = i - step;
        if (j == i) {
            gram_corner(a, i);
            continue;
        }
        const int width = tile_rows(n, j);
        float *target = tile_at(a, i, j);
        cblas_strmm(CblasRowMajor, CblasLeft, CblasLower, CblasTrans, CblasNonUnit, height, width, 1.0f, corner,
                    (int)tile, target, stride);
        for (size_t k = i + 1; k < tiles; k++)
            cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, height, width, tile_rows(n, k), 1.0f, tile_at(a, k, i),
                        (int)panel_stride(a, k), tile_at(a, k, j), (int)panel_stride(a, k), 1.0f, target, stride);
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

topn_status symmetric_multiply(topn_context *context, const symmetric *a, const double *x, double *y)
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

/* Inside a parallel region: y = L·x. */
static void multiply_rows(const symmetric *l, const double *x, double *y)
{
#pragma omp for schedule(dynamic, 64)
    for (size_t r = 0; r < l->n; r++) {
        const float *row = symmetric_row(l, r);
        double dot = 0;
#pragma omp simd reduction(+ : dot)
        for (size_t c = 0; c <= r; c++)
            dot += row[c] * x[c];
        y[r] = dot;
    }
}

/* Inside a parallel region: y = Lᵀ·x, by way of partial [VECTOR_BLOCKS × n], zeros. */
static void multiply_columns(const symmetric *l, const double *x, double *partial, double *y)
{
    const size_t n = l->n;
#pragma omp for schedule(dynamic)
    for (int block = VECTOR_BLOCKS - 1; block >= 0; block--) {
        double *sum = partial + (size_t)block * n;
        for (size_t r = block_start(n, block); r < block_start(n, block + 1); r++) {
            const float *row = symmetric_row(l, r);
            const double scale = x[r];
#pragma omp simd
            for (size_t c = 0; c <= r; c++)
                sum[c] += row[c] * scale;
        }
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

void triangle_gather_columns(const symmetric *a, size_t first, size_t count, float *out)
{
    const size_t n = a->n;
    for (size_t c = 0; c < count; c++)
        memset(out + c * n, 0, (first + c) * sizeof *out);
    for (size_t r = first; r < n; r++) {
        const float *row = symmetric_row(a, r) + first;
        const size_t width = r - first + 1 < count ? r - first + 1 : count;
        for (size_t c = 0; c < width; c++)
            out[c * n + r] = row[c];
    }
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
