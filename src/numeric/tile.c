/* SPDX-License-Identifier: Apache-2.0 */
#include "numeric/tile.h"

#include <cblas.h>

/* BLAS wants a stride of at least 1, also of rows without a column. */
static int stride_of(size_t columns)
{
    return columns > 0 ? (int)columns : 1;
}

void tile_multiply(size_t m, size_t n, size_t k, const float *a, const float *b, float *c)
{
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)m, (int)n, (int)k, 1.0f, a, stride_of(k), b,
                stride_of(n), 0.0f, c, stride_of(n));
}

void tile_multiply_transposed(size_t m, size_t n, size_t k, const float *a, const float *b, float *c)
{
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)m, (int)n, (int)k, 1.0f, a, stride_of(k), b, stride_of(k),
                0.0f, c, stride_of(n));
}

void tile_multiply_left_transposed(size_t m, size_t n, size_t k, const float *a, size_t a_stride, const float *b,
                                   float scale, float *c)
{
    cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)m, (int)n, (int)k, 1.0f, a, stride_of(a_stride), b,
                stride_of(n), scale, c, stride_of(n));
}

void tile_update_gram(size_t first, size_t count, size_t n, size_t k, const float *a, const float *b, float scale,
                      float *g)
{
    cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)count, (int)n, (int)k, 1.0f, a + first, (int)n, b, (int)n,
                scale, g + first * n, (int)n);
}

void tile_product(bool transpose_a, bool transpose_b, size_t m, size_t n, size_t k, const float *a, size_t stride_a,
                  const float *b, size_t stride_b, float beta, float *c, size_t stride_c)
{
    cblas_sgemm(CblasRowMajor, transpose_a ? CblasTrans : CblasNoTrans, transpose_b ? CblasTrans : CblasNoTrans, (int)m,
                (int)n, (int)k, 1.0f, a, (int)stride_a, b, (int)stride_b, beta, c, (int)stride_c);
}
