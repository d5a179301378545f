/* SPDX-License-Identifier: Apache-2.0 */
#include "numeric/normal_equations.h"

#include <cblas.h>
#include <math.h>

/* LAPACK, Fortran interface; a row-major lower triangle is a column-major upper one. */
void spotrf_(const char *uplo, const int *n, float *a, const int *lda, int *info, size_t);

void normal_add_gram(const float *rows, size_t count, size_t width, float alpha, float *h)
{
    cblas_ssyrk(CblasRowMajor, CblasLower, CblasTrans, (int)width, (int)count, alpha, rows, (int)width, 1.0f, h,
                (int)width);
}

void normal_add_products(const float *rows, size_t count, size_t width, const float *v, float *out)
{
    cblas_sgemv(CblasRowMajor, CblasNoTrans, (int)count, (int)width, 1.0f, rows, (int)width, v, 1, 1.0f, out, 1);
}

void normal_add_combination(const float *rows, size_t count, size_t width, const float *w, float alpha, float *out)
{
    cblas_sgemv(CblasRowMajor, CblasTrans, (int)count, (int)width, alpha, rows, (int)width, w, 1, 1.0f, out, 1);
}

bool normal_solve(float *h, size_t width, float *x)
{
    const int size = (int)width;
    int info = 0;
    spotrf_("U", &size, h, &size, &info, 1);
    if (info != 0)
        return false;
    cblas_strsv(CblasRowMajor, CblasLower, CblasNoTrans, CblasNonUnit, size, h, size, x, 1);
    cblas_strsv(CblasRowMajor, CblasLower, CblasTrans, CblasNonUnit, size, h, size, x, 1);
    for (size_t i = 0; i < width; i++)
        if (!isfinite(x[i]))
            return false;
    return true;
}
