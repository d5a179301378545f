/* SPDX-License-Identifier: Apache-2.0
 *
 * Which BLAS was loaded, and whether it is fast and right on this processor.
 */
#ifndef TOPN_NUMERIC_BLAS_INFO_H
#define TOPN_NUMERIC_BLAS_INFO_H

#include "base/context.h"

typedef struct blas_info {
    const char *configuration; /* "OpenBLAS 0.3.21 DYNAMIC_ARCH …" */
    const char *kernel;        /* "SkylakeX" */
    const char *threading;     /* "OpenMP", "pthreads" or "none" */
    const char *file;          /* path of the loaded library, or "" */
} blas_info;

blas_info blas_describe(void);

/* Rates of matrix products on all threads, each on its own matrices, and of the factorisation that training uses, in
 * GFLOP/s; and the relative residual of an inverse. Takes about a second and 40 MB a thread. */
typedef struct blas_measurement {
    double product_rate, factor_rate, residual;
} blas_measurement;
topn_status blas_measure(topn_context *context, blas_measurement *out);

#endif
