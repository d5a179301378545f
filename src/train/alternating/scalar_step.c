/* SPDX-License-Identifier: Apache-2.0 */
#include "train/alternating/scalar_step.h"

#include <math.h>

#include "base/vector.h"

enum { LANES = 32, SQUARE = 16 };

void turn_rows(const float *rows, size_t count, size_t width, float *columns)
{
    for (size_t first = 0; first < count; first += SQUARE) {
        const size_t last = count - first < SQUARE ? count : first + SQUARE;
        for (size_t c = 0; c < width; c++)
            for (size_t r = first; r < last; r++)
                columns[c * count + r] = rows[r * width + c];
    }
}

/* Σ j² and Σ r·j of a column. */
VECTOR_CLONES
static void sums(const float *restrict j, const float *restrict r, size_t count, float *square, float *product)
{
    float squares[LANES] = {0}, products[LANES] = {0};
    size_t at = 0;
    for (; at + LANES <= count; at += LANES)
        for (size_t lane = 0; lane < LANES; lane++) {
            squares[lane] += j[at + lane] * j[at + lane];
            products[lane] += j[at + lane] * r[at + lane];
        }
    for (size_t lane = 0; at < count; at++, lane++) {
        squares[lane] += j[at] * j[at];
        products[lane] += j[at] * r[at];
    }
    for (size_t half = LANES / 2; half > 0; half /= 2)
        for (size_t lane = 0; lane < half; lane++) {
            squares[lane] += squares[lane + half];
            products[lane] += products[lane + half];
        }
    *square = squares[0];
    *product = products[0];
}

/* to −= change·from */
VECTOR_CLONES
static void subtract(const float *restrict from, size_t count, float change, float *restrict to)
{
    for (size_t at = 0; at < count; at++)
        to[at] -= change * from[at];
}

bool scalar_steps(const scalar_block *block, const float *columns)
{
    for (size_t c = 0; c < block->width; c++) {
        const float *j = columns + c * block->count, *m = block->m + c * block->width;
        float square, product;
        sums(j, block->residual, block->count, &square, &product);
        const float h = block->m_scale * m[c] + block->ridge + block->alpha * square,
                    g = block->t[c] + block->ridge * block->theta[c] + block->alpha * product, change = g / h;
        if (!(h > 0) || !isfinite(change))
            return false;
        block->theta[c] -= change;
        subtract(j, block->count, change, block->residual);
        subtract(m + c, block->width - c, block->m_scale * change, block->t + c);
    }
    return true;
}
