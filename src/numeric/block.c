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
