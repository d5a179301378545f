/* SPDX-License-Identifier: Apache-2.0 */
#include "numeric/block.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

/* LAPACK, Fortran interface; a row-major lower triangle is a column-major upper one. */
void spotrf_(const char *uplo, const int *n, float *a, const int *lda, int *info, size_t);

/* A squared pivot below this share of the diagonal is rounding error. */
static const float least_pivot = 1e-6f;

bool block_inverse_factor_row(float *a, size_t n, float *row)
{
    const int size = (int)n;
    int info = 0;
    for (size_t i = 0; i < n; i++)
        row[i] = a[i * n + i];
    spotrf_("U", &size, a, &size, &info, 1);
    if (info != 0)
        return false;
    for (size_t i = 0; i < n; i++)
        if (!(a[i * n + i] * a[i * n + i] > least_pivot * row[i]))
            return false;
    /* The last row of C⁻¹ solves Cᵀ·y = e_n. */
    for (size_t i = 0; i < n; i++)
        row[i] = i + 1 == n ? 1.0f : 0.0f;
    cblas_strsv(CblasRowMajor, CblasLower, CblasTrans, CblasNonUnit, size, a, size, row, 1);
    for (size_t i = 0; i < n; i++)
        if (!isfinite(row[i]))
            return false;
    return true;
}

bool block_inverse_rows(float *a, size_t n, size_t count, float *rows)
{
    const int size = (int)n, height = (int)count;
    int info = 0;
    spotrf_("U", &size, a, &size, &info, 1);
    if (info != 0)
        return false;
    /* Z·C·Cᵀ = E: first Z·C = E·C^-T, which is zero but for the last `count` columns. */
    float *corner = rows + (n - count);
    memset(rows, 0, count * n * sizeof *rows);
    for (size_t r = 0; r < count; r++)
        corner[r * n + r] = 1.0f;
    cblas_strsm(CblasRowMajor, CblasRight, CblasLower, CblasTrans, CblasNonUnit, height, height, 1.0f,
                a + (n - count) * n + (n - count), size, corner, size);
    cblas_strsm(CblasRowMajor, CblasRight, CblasLower, CblasNoTrans, CblasNonUnit, height, size, 1.0f, a, size, rows,
                size);
    for (size_t i = 0; i < count * n; i++)
        if (!isfinite(rows[i]))
            return false;
    return true;
}

void block_add_gram(float *a, size_t n, const float *rows, size_t count)
{
    const int size = (int)n;
    if (count)
        cblas_ssyrk(CblasRowMajor, CblasLower, CblasTrans, size, (int)count, 1.0f, rows, size, 1.0f, a, size);
}

/* y −= A·x for the A whose diagonal is given and whose other elements stand in the upper triangle. */
static void subtract_product(const float *a, size_t n, const float *diagonal, const double *x, double *y)
{
    for (size_t i = 0; i < n; i++) {
        const float *row = a + i * n;
        double sum = (double)diagonal[i] * x[i];
        for (size_t j = i + 1; j < n; j++) {
            sum += (double)row[j] * x[j];
            y[j] -= (double)row[j] * x[i];
        }
        y[i] -= sum;
    }
}

bool block_solve(float *a, size_t n, const double *b, double *x, float *scratch)
{
    const int size = (int)n;
    int info = 0;
    float *diagonal = scratch, *step = scratch + n;
    double *residual = x + n;
    for (size_t i = 0; i < n; i++) {
        diagonal[i] = a[i * n + i];
        for (size_t j = 0; j < i; j++)
            a[j * n + i] = a[i * n + j];
        residual[i] = b[i];
        x[i] = 0.0;
    }
    spotrf_("U", &size, a, &size, &info, 1);
    if (info != 0)
        return false;
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < n; i++)
            step[i] = (float)residual[i];
        cblas_strsv(CblasRowMajor, CblasLower, CblasNoTrans, CblasNonUnit, size, a, size, step, 1);
        cblas_strsv(CblasRowMajor, CblasLower, CblasTrans, CblasNonUnit, size, a, size, step, 1);
        for (size_t i = 0; i < n; i++)
            x[i] += (double)step[i];
        if (round == 0) {
            memcpy(residual, b, n * sizeof *residual);
            subtract_product(a, n, diagonal, x, residual);
        }
    }
    for (size_t i = 0; i < n; i++)
        if (!isfinite((float)x[i]))
            return false;
    return true;
}
