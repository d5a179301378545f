/* SPDX-License-Identifier: Apache-2.0 */
#include "train/alternating/conjugate.h"

#include <math.h>
#include <string.h>

/* Squares of residuals that are rounding error: a share of the first one, and what products of single precision lose.
 */
static const double least_share = 1e-14, least_square = 1e-60;

static double product(const float *a, const float *b, size_t n)
{
    double sum = 0;
    for (size_t at = 0; at < n; at++)
        sum += (double)a[at] * (double)b[at];
    return sum;
}

bool conjugate_solve(curvature *multiply, void *data, size_t n, int64_t steps, float *g, float *scratch, float *x)
{
    float *direction = scratch, *image = scratch + n; /* p, H·p; g becomes the residual */
    double square = product(g, g, n);
    const double first = square;
    memset(x, 0, n * sizeof *x);
    memcpy(direction, g, n * sizeof *g);
    for (int64_t step = 0; step < steps && square > least_share * first && square > least_square; step++) {
        multiply(direction, image, data);
        const double curved = product(direction, image, n);
        if (!(curved > 0) || !isfinite(curved))
            return false;
        const float along = (float)(square / curved);
        for (size_t at = 0; at < n; at++) {
            x[at] += along * direction[at];
            g[at] -= along * image[at];
        }
        const double next = product(g, g, n);
        const float keep = (float)(next / square);
        for (size_t at = 0; at < n; at++)
            direction[at] = g[at] + keep * direction[at];
        square = next;
    }
    return isfinite(square);
}
