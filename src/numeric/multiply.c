/* SPDX-License-Identifier: Apache-2.0 */
#include "numeric/multiply.h"

#include <cblas.h>
#include <string.h>
#ifdef _OPENMP
#include <omp.h>
#endif

/* Rows of `right` that one call of sgemm takes: BLAS counts in 32-bit integers. */
enum { CALL_ROWS = 1 << 20 };

void multiply_transposed(const float *left, size_t rows, size_t depth, const float *right, size_t count, float *out)
{
    if (rows == 0 || count == 0)
        return;
    if (depth == 0) {
        memset(out, 0, rows * count * sizeof *out);
        return;
    }
#ifdef _OPENMP
    /* OpenBLAS (OpenMP flavour) runs on one thread inside an active parallel region or where omp_get_max_threads() is
     * 1. A region of one thread is not active, so the second condition is what holds everywhere; the value belongs to
     * the calling thread's own task, no other thread sees it change. */
    const int threads = omp_get_max_threads();
    omp_set_num_threads(1);
#endif
    for (size_t begin = 0; begin < count; begin += CALL_ROWS) {
        const size_t take = count - begin < CALL_ROWS ? count - begin : CALL_ROWS;
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)rows, (int)take, (int)depth, 1.0f, left, (int)depth,
                    right + begin * depth, (int)depth, 0.0f, out + begin, (int)count);
    }
#ifdef _OPENMP
    omp_set_num_threads(threads);
#endif
}
