/* SPDX-License-Identifier: Apache-2.0
 *
 * Legend: S the matrix, Q an orthonormal basis of its Krylov space, in which S is tridiagonal with diagonal α and
 * off-diagonal β; for the scaled dense matrix S = D^-½·A·D^-½, D = diag(A).
 */
#include "numeric/lanczos.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "numeric/symmetric.h"

/* Eigenvalues of the k × k tridiagonal matrix that are below x (Sturm sequence). */
static int eigenvalues_below(const double *alpha, const double *beta, int k, double x)
{
    int count = 0;
    double pivot = 1;
    for (int i = 0; i < k; i++) {
        const double off = i ? beta[i - 1] * beta[i - 1] : 0;
        pivot = alpha[i] - x - (i ? off / pivot : 0);
        if (pivot == 0)
            pivot = 1e-300;
        count += pivot < 0;
    }
    return count;
}

/* Largest eigenvalue of the tridiagonal matrix, by bisection within Gershgorin's bounds. */
static double largest_eigenvalue(const double *alpha, const double *beta, int k)
{
    double low = alpha[0], high = alpha[0];
    for (int i = 0; i < k; i++) {
        const double radius = (i ? fabs(beta[i - 1]) : 0) + (i + 1 < k ? fabs(beta[i]) : 0);
        low = fmin(low, alpha[i] - radius);
        high = fmax(high, alpha[i] + radius);
    }
    for (int step = 0; step < 100 && high - low > 1e-12 * fmax(fabs(low), fabs(high)); step++) {
        const double middle = 0.5 * (low + high);
        if (eigenvalues_below(alpha, beta, k, middle) == k)
            high = middle;
        else
            low = middle;
    }
    return high;
}

static double dot(const double *x, const double *y, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[i] * y[i];
    return sum;
}

static void normalise(double *x, size_t n, double length)
{
    for (size_t i = 0; i < n; i++)
        x[i] /= length;
}

topn_status lanczos_eigenvalue(topn_context *context, size_t n, lanczos_product *product, void *data, int steps,
                               double tolerance, double *out, int *products)
{
    topn_status status;
    double *basis = NULL; /* [(steps + 1) × n], rows of Q */
    double *alpha = NULL, *beta = NULL;
    if ((size_t)steps > n)
        steps = (int)n;
    *out = NAN;
    *products = 0;
    TRY(ALLOCATE(context, (size_t)(steps + 1) * n, &basis));
    TRY(ALLOCATE(context, (size_t)steps, &alpha));
    TRY(ALLOCATE(context, (size_t)steps, &beta));
    for (size_t i = 0; i < n; i++)
        basis[i] = random_normal(1, RANDOM_LANCZOS, i);
    normalise(basis, n, sqrt(dot(basis, basis, n)));
    double before = 0;
    for (int k = 0; k < steps; k++) {
        TRY(progress_report(context, "eigenvalue", "products", (uint64_t)k, (uint64_t)steps, k ? before : NAN));
        double *q = basis + (size_t)k * n, *w = q + n;
        TRY(product(context, data, q, w));
        alpha[k] = dot(q, w, n);
        for (int pass = 0; pass < 2; pass++) { /* twice is enough (Kahan, Parlett) */
            for (int j = 0; j <= k; j++) {
                const double *earlier = basis + (size_t)j * n;
                const double overlap = dot(earlier, w, n);
                for (size_t i = 0; i < n; i++)
                    w[i] -= overlap * earlier[i];
            }
        }
        beta[k] = sqrt(dot(w, w, n));
        *products = k + 1;
        *out = largest_eigenvalue(alpha, beta, k + 1);
        const bool settled = k >= 4 && fabs(*out - before) <= tolerance * *out;
        before = *out;
        if (settled || beta[k] <= 1e-10 * fabs(*out))
            break;
        normalise(w, n, beta[k]);
    }
    status = progress_report(context, "eigenvalue", "products", (uint64_t)steps, (uint64_t)steps, *out);
done:
    free(basis);
    free(alpha);
    free(beta);
    return status;
}

/* What the product with S needs. */
typedef struct scaled {
    const symmetric *a;
    double *root;    /* [n], √D */
    double *scratch; /* [n] */
} scaled;

/* w = S·q. */
static topn_status multiply_scaled(topn_context *context, void *data, const double *q, double *w)
{
    const scaled *s = data;
    const size_t n = s->a->n;
    for (size_t i = 0; i < n; i++)
        s->scratch[i] = q[i] / s->root[i];
    const topn_status status = symmetric_multiply(context, s->a, s->scratch, w);
    for (size_t i = 0; i < n && status == TOPN_OK; i++)
        w[i] /= s->root[i];
    return status;
}

topn_status symmetric_scaled_eigenvalue(topn_context *context, const symmetric *a, int steps, double tolerance,
                                        double *out, int *products)
{
    topn_status status;
    const size_t n = a->n;
    scaled s = {.a = a};
    *out = NAN;
    *products = 0;
    TRY(ALLOCATE(context, n, &s.root));
    TRY(ALLOCATE(context, n, &s.scratch));
    for (size_t i = 0; i < n; i++) {
        const double diagonal = symmetric_row(a, i)[i];
        s.root[i] = sqrt(diagonal);
        if (!(s.root[i] > 0) || !isfinite(s.root[i])) {
            status = fail(context, TOPN_ERROR_NUMERIC, "diagonal element %zu is %g, not positive", i, diagonal);
            goto done;
        }
    }
    TRY(lanczos_eigenvalue(context, n, multiply_scaled, &s, steps, tolerance, out, products));
done:
    free(s.root);
    free(s.scratch);
    return status;
}
