/* SPDX-License-Identifier: Apache-2.0
 *
 * The row-major lower triangle is LAPACK's column-major upper one, and a row of `vectors` one of its columns.
 *
 * Legend, after LAPACK's ssytrd with uplo = 'U': the matrix is reduced from its last column to its first; a panel of
 * PANEL columns gives reflectors V and, beside them, W, and the block before it becomes A − V·Wᵀ − W·Vᵀ.
 */
#include "numeric/eigen.h"

#include <cblas.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/threads.h"

/* LAPACK, Fortran interface. */
void slatrd_(const char *uplo, const int *n, const int *nb, float *a, const int *lda, float *e, float *tau, float *w,
             const int *ldw, size_t);
void ssytd2_(const char *uplo, const int *n, float *a, const int *lda, float *d, float *e, float *tau, int *info,
             size_t);
void dstemr_(const char *jobz, const char *range, const int *n, double *d, double *e, const double *vl,
             const double *vu, const int *il, const int *iu, int *m, double *w, double *z, const int *ldz,
             const int *nzc, int *isuppz, int *tryrac, double *work, const int *lwork, int *iwork, const int *liwork,
             int *info, size_t, size_t);
void sormtr_(const char *side, const char *uplo, const char *trans, const int *m, const int *n, const float *a,
             const int *lda, const float *tau, float *c, const int *ldc, float *work, const int *lwork, int *info,
             size_t, size_t, size_t);

enum {
    PANEL = 32,           /* columns reduced at once */
    UPDATE_TILE = 256,    /* rows and columns of a tile of A − V·Wᵀ − W·Vᵀ */
    VECTOR_BLOCK = 256,   /* eigenvectors that one call of sormtr turns */
    TURN_WORK = 64 * 321, /* its scratch: (block + 65) × its own block of at most 64 */
    TRANSPOSE_TILE = 64,
    ROBUST_REALS = 18, /* scratch of dstemr, a row … */
    ROBUST_INTEGERS = 10
};

uint64_t symmetric_eigen_scratch_bytes(size_t n, int threads)
{
    const uint64_t each =
        (PANEL + 3) * sizeof(float) + (ROBUST_REALS + 3) * sizeof(double) + (ROBUST_INTEGERS + 2) * sizeof(int);
    return n * each + (uint64_t)threads * TURN_WORK * sizeof(float);
}

void square_transpose(topn_context *context, float *a, size_t n)
{
    const size_t tiles = (n + TRANSPOSE_TILE - 1) / TRANSPOSE_TILE;
#pragma omp parallel for num_threads(context->threads) schedule(dynamic, 1)
    for (size_t i = 0; i < tiles; i++) {
        const size_t top = i * TRANSPOSE_TILE, bottom = n - top < TRANSPOSE_TILE ? n : top + TRANSPOSE_TILE;
        for (size_t j = 0; j <= i; j++) {
            const size_t left = j * TRANSPOSE_TILE;
            for (size_t r = top; r < bottom; r++) {
                const size_t right = i == j ? r : left + TRANSPOSE_TILE;
                for (size_t c = left; c < right; c++) {
                    const float swap = a[r * n + c];
                    a[r * n + c] = a[c * n + r];
                    a[c * n + r] = swap;
                }
            }
        }
    }
}

/* A − V·Wᵀ − W·Vᵀ in the leading `size` columns, tile by tile. v and w are column-major, PANEL columns. */
static void update_leading(const topn_context *context, float *a, size_t n, size_t size, const float *v, const float *w)
{
    const size_t tiles = (size + UPDATE_TILE - 1) / UPDATE_TILE;
    const int stride = (int)n;
#pragma omp parallel for num_threads(context->threads) schedule(dynamic, 1)
    for (size_t tile = 0; tile < tiles * tiles; tile++) {
        const size_t i = tile % tiles, j = tile / tiles, row = i * UPDATE_TILE, column = j * UPDATE_TILE;
        if (i > j)
            continue;
        const int rows = (int)(size - row < UPDATE_TILE ? size - row : UPDATE_TILE);
        const int columns = (int)(size - column < UPDATE_TILE ? size - column : UPDATE_TILE);
        float *to = a + column * n + row;
        cblas_sgemm(CblasColMajor, CblasNoTrans, CblasTrans, rows, columns, PANEL, -1, v + row, stride, w + column,
                    stride, 1, to, stride);
        cblas_sgemm(CblasColMajor, CblasNoTrans, CblasTrans, rows, columns, PANEL, -1, w + row, stride, v + column,
                    stride, 1, to, stride);
    }
}

/* A → U·T·Uᵀ: T's diagonal d [n] and off-diagonal e [n − 1]; U as reflectors in `a` and tau [n − 1]. w [n × PANEL]. */
static topn_status reduce(topn_context *context, float *a, size_t n, float *d, float *e, float *tau, float *w)
{
    topn_status status = TOPN_OK;
    const int stride = (int)n, panel = PANEL;
    size_t left = n; /* columns still to be reduced */
    while (left > 2 * PANEL) {
        TRY(progress_report(context, "tridiagonal", "columns", n - left, n, NAN));
        const int size = (int)left;
        const size_t begin = left - PANEL;
        slatrd_("U", &size, &panel, a, &stride, e, tau, w, &stride, 1);
        update_leading(context, a, n, begin, a + begin * n, w);
        for (size_t j = begin; j < left; j++) {
            a[j * n + j - 1] = e[j - 1];
            d[j] = a[j * n + j];
        }
        left = begin;
    }
    const int rest = (int)left;
    int info = 0;
    ssytd2_("U", &rest, a, &stride, d, e, tau, &info, 1);
    status = progress_report(context, "tridiagonal", "columns", n, n, NAN);
done:
    return status;
}

/* Eigenvalues and eigenvectors of T, in double. values, diagonal, off [n], the last two destroyed; vectors [n × n]. */
static topn_status solve_tridiagonal(topn_context *context, size_t n, double *diagonal, double *off, double *values,
                                     double *vectors)
{
    topn_status status;
    double *work = NULL;  /* [ROBUST_REALS × n] */
    int *integers = NULL; /* [ROBUST_INTEGERS × n] */
    int *supports = NULL; /* [2 × n] first and last non-zero of each vector */
    const int size = (int)n, reals = ROBUST_REALS * size, count = ROBUST_INTEGERS * size, none = 0;
    const double nothing = 0;
    int found = 0, accurate = 1, info = 0;
    TRY(progress_report(context, "eigenvectors", "vectors", 0, n, NAN));
    TRY(ALLOCATE(context, (size_t)reals, &work));
    TRY(ALLOCATE(context, (size_t)count, &integers));
    TRY(ALLOCATE(context, 2 * n, &supports));
    dstemr_("V", "A", &size, diagonal, off, &nothing, &nothing, &none, &none, &found, values, vectors, &size, &size,
            supports, &accurate, work, &reals, integers, &count, &info, 1, 1);
    if (info != 0 || found != size)
        status = fail(context, TOPN_ERROR_NUMERIC, "the eigenvalue iteration failed (dstemr: %d, %d of %d vectors)",
                      info, found, size);
done:
    free(work);
    free(integers);
    free(supports);
    return status;
}

/* Doubles → floats in the first half of the same memory. */
static void narrow(double *values, size_t count)
{
    char *to = (char *)values;
    for (size_t i = 0; i < count; i++) {
        const float value = (float)values[i];
        memcpy(to + i * sizeof value, &value, sizeof value);
    }
}

/* The same from and to floats. *vectors [n × n] is the caller's to free. The memory of the doubles shrinks to it. */
static topn_status solve_in_double(topn_context *context, size_t n, const float *d, const float *e, float *values,
                                   float **vectors)
{
    topn_status status;
    double *diagonals = NULL; /* [3 × n]: d, e, eigenvalues */
    double *wide = NULL;      /* [n × n] */
    TRY(ALLOCATE(context, 3 * n, &diagonals));
    TRY(ALLOCATE(context, n * n, &wide));
    for (size_t i = 0; i < n; i++) {
        diagonals[i] = d[i];
        diagonals[n + i] = i + 1 < n ? e[i] : 0;
    }
    TRY(solve_tridiagonal(context, n, diagonals, diagonals + n, diagonals + 2 * n, wide));
    for (size_t i = 0; i < n; i++)
        values[i] = (float)diagonals[2 * n + i];
    narrow(wide, n * n);
    *vectors = (float *)wide;
    wide = NULL;
    TRY(RESIZE(context, n * n, vectors));
done:
    free(diagonals);
    free(wide);
    return status;
}

/* Makes the first component of largest magnitude positive. */
static void fix_sign(float *vector, size_t n)
{
    size_t largest = 0;
    for (size_t i = 1; i < n; i++)
        if (fabsf(vector[i]) > fabsf(vector[largest]))
            largest = i;
    if (vector[largest] < 0)
        for (size_t i = 0; i < n; i++)
            vector[i] = -vector[i];
}

/* Eigenvectors of T → those of A, VECTOR_BLOCK at a time. (Up to that many there is one block, hence one thread: with
 * few reflectors sormtr writes to them on its way.) */
static topn_status turn_vectors(topn_context *context, const float *a, size_t n, const float *tau, float *vectors)
{
    topn_status status;
    float *work = NULL; /* [threads × TURN_WORK] */
    const size_t blocks = (n + VECTOR_BLOCK - 1) / VECTOR_BLOCK, batch = (size_t)context->threads;
    const int size = (int)n, room = TURN_WORK;
    TRY(ALLOCATE(context, batch * TURN_WORK, &work));
    for (size_t first = 0; first < blocks; first += batch) {
        TRY(progress_report(context, "turn", "vectors", first * VECTOR_BLOCK, n, NAN));
        const size_t last = blocks - first < batch ? blocks : first + batch;
#pragma omp parallel for num_threads(context->threads) schedule(dynamic, 1)
        for (size_t block = first; block < last; block++) {
            const size_t begin = block * VECTOR_BLOCK, end = n - begin < VECTOR_BLOCK ? n : begin + VECTOR_BLOCK;
            const int count = (int)(end - begin);
            int info = 0;
            sormtr_("L", "U", "N", &size, &count, a, &size, tau, vectors + begin * n, &size,
                    work + (size_t)thread_index() * TURN_WORK, &room, &info, 1, 1, 1);
            for (size_t j = begin; j < end; j++)
                fix_sign(vectors + j * n, n);
        }
    }
    status = progress_report(context, "turn", "vectors", n, n, NAN);
done:
    free(work);
    return status;
}

topn_status symmetric_eigen(topn_context *context, float *a, size_t n, float *values, float **vectors)
{
    topn_status status;
    float *diagonals = NULL; /* [3 × n]: d, e, tau */
    float *w = NULL;         /* [n × PANEL], column-major */
    const int saved = threads_serial_blas_begin();
    *vectors = NULL;
    TRY(ALLOCATE(context, 3 * n, &diagonals));
    TRY(ALLOCATE(context, n * PANEL, &w));
    float *d = diagonals, *e = d + n, *tau = e + n;
    TRY(reduce(context, a, n, d, e, tau, w));
    TRY(solve_in_double(context, n, d, e, values, vectors));
    TRY(turn_vectors(context, a, n, tau, *vectors));
done:
    threads_serial_blas_end(saved);
    free(diagonals);
    free(w);
    if (status != TOPN_OK) {
        free(*vectors);
        *vectors = NULL;
    }
    return status;
}
