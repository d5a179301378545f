/* SPDX-License-Identifier: Apache-2.0 */
#include "numeric/multiply.h"

#include "base/threads.h"

#include <cblas.h>
#include <string.h>

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
    const int saved = threads_serial_blas_begin();
    for (size_t begin = 0; begin < count; begin += CALL_ROWS) {
        const size_t take = count - begin < CALL_ROWS ? count - begin : CALL_ROWS;
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)rows, (int)take, (int)depth, 1.0f, left, (int)depth,
                    right + begin * depth, (int)depth, 0.0f, out + begin, (int)count);
    }
    threads_serial_blas_end(saved);
}
