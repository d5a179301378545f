/* SPDX-License-Identifier: Apache-2.0 */
#include "numeric/blas_info.h"

#include <cblas.h>
#include <dlfcn.h>
#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/random.h"
#include "base/threads.h"
#include "numeric/symmetric.h"

enum {
    PRODUCT_SIZE = 1536, /* rows and columns of the timed products */
    FACTOR_SIZE = 3072,  /* rows of the timed factorisation */
    REPEATS = 3          /* the fastest counts */
};

blas_info blas_describe(void)
{
    static const char *const threading[] = {"none", "pthreads", "OpenMP"};
    const int kind = openblas_get_parallel();
    Dl_info place;
    const bool found = dladdr((const void *)(uintptr_t)&openblas_get_config, &place) != 0;
    return (blas_info){.configuration = openblas_get_config(),
                       .kernel = openblas_get_corename(),
                       .threading = kind >= 0 && kind <= 2 ? threading[kind] : "unknown",
                       .file = found && place.dli_fname ? place.dli_fname : ""};
}

/* Seconds of one product per thread, the fastest of REPEATS. a, b, c: [threads × PRODUCT_SIZE²]. */
static double time_products(const topn_context *context, const float *a, const float *b, float *c)
{
    const size_t cells = (size_t)PRODUCT_SIZE * PRODUCT_SIZE;
    double best = INFINITY;
    for (int repeat = 0; repeat < REPEATS; repeat++) {
        const double start = clock_seconds();
#pragma omp parallel for num_threads(context->threads) schedule(static, 1)
        for (int thread = 0; thread < context->threads; thread++)
            cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, PRODUCT_SIZE, PRODUCT_SIZE, PRODUCT_SIZE, 1.0f,
                        a + (size_t)thread * cells, PRODUCT_SIZE, b + (size_t)thread * cells, PRODUCT_SIZE, 0.0f,
                        c + (size_t)thread * cells, PRODUCT_SIZE);
        best = fmin(best, clock_seconds() - start);
    }
    return best;
}

static topn_status measure_products(topn_context *context, double *rate)
{
    topn_status status;
    const size_t cells = (size_t)context->threads * PRODUCT_SIZE * PRODUCT_SIZE;
    float *a = NULL, *b = NULL, *c = NULL;
    TRY(ALLOCATE(context, cells, &a));
    TRY(ALLOCATE(context, cells, &b));
    TRY(ALLOCATE_ZEROED(context, cells, &c));
    for (size_t i = 0; i < cells; i++) {
        a[i] = (float)(i % 7) * 0.1f;
        b[i] = (float)(i % 11) * 0.1f;
    }
    const int saved = threads_serial_blas_begin();
    const double seconds = time_products(context, a, b, c);
    threads_serial_blas_end(saved);
    *rate = 2.0 * PRODUCT_SIZE * PRODUCT_SIZE * (double)PRODUCT_SIZE * context->threads / seconds * 1e-9;
done:
    free(a);
    free(b);
    free(c);
    return status;
}

/* The matrix n·I + uᵢuⱼ in the lower triangle: its products are known in closed form. */
static void fill(symmetric *matrix, const double *u)
{
    const size_t n = matrix->n;
    for (size_t r = 0; r < n; r++)
        for (size_t c = 0; c <= r; c++)
            symmetric_row(matrix, r)[c] = (float)(u[r] * u[c]) + (r == c ? (float)n : 0.0f);
}

/* ‖A·(P·v) − v‖ / ‖v‖ with v = ones. */
static topn_status residual_of(topn_context *context, const symmetric *p, const double *u, double *out)
{
    topn_status status;
    const size_t n = p->n;
    double *ones = NULL, *product = NULL;
    TRY(ALLOCATE(context, n, &ones));
    TRY(ALLOCATE(context, n, &product));
    for (size_t i = 0; i < n; i++)
        ones[i] = 1;
    TRY(symmetric_multiply(context, p, ones, product));
    double along = 0, error = 0;
    for (size_t i = 0; i < n; i++)
        along += u[i] * product[i];
    for (size_t i = 0; i < n; i++) {
        const double difference = u[i] * along + (double)n * product[i] - 1;
        error += difference * difference;
    }
    *out = sqrt(error / (double)n);
done:
    free(ones);
    free(product);
    return status;
}

static topn_status measure_factor(topn_context *context, blas_measurement *out)
{
    topn_status status;
    const size_t n = FACTOR_SIZE;
    symmetric matrix = {0};
    double *u = NULL;
    double best = INFINITY;
    TRY(symmetric_create(context, n, false, &matrix));
    TRY(ALLOCATE(context, n, &u));
    for (size_t i = 0; i < n; i++)
        u[i] = random_normal(1, RANDOM_DOCTOR, i);
    for (int repeat = 0; repeat < REPEATS; repeat++) {
        fill(&matrix, u);
        const double start = clock_seconds();
        TRY(symmetric_factor(context, &matrix, "measure"));
        best = fmin(best, clock_seconds() - start);
    }
    out->factor_rate = (double)n * (double)n * (double)n / 3 / best * 1e-9;
    TRY(triangle_invert(context, &matrix, "measure"));
    TRY(triangle_gram(context, &matrix, "measure"));
    TRY(residual_of(context, &matrix, u, &out->residual));
done:
    symmetric_clear(&matrix);
    free(u);
    return status;
}

topn_status blas_measure(topn_context *context, blas_measurement *out)
{
    topn_status status;
    TRY(measure_products(context, &out->product_rate));
    TRY(measure_factor(context, out));
done:
    return status;
}
