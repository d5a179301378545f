/* SPDX-License-Identifier: Apache-2.0 */
#include "retrieve/item_score.h"

#include "base/vector.h"

enum {
    LANES = 16, /* partial sums of a dense product */
    ROWS = 4,
};

/* Sixteen partial sums, added up in a fixed order: the same bits however wide the processor's vectors are. */
VECTOR_CLONES
float dense_product(const float *restrict left, const float *restrict right, size_t count)
{
    float sums[LANES] = {0};
    size_t at = 0;
    for (; at + LANES <= count; at += LANES)
        for (size_t lane = 0; lane < LANES; lane++)
            sums[lane] += left[at + lane] * right[at + lane];
    for (size_t lane = 0; at + lane < count; lane++)
        sums[lane] += left[at + lane] * right[at + lane];
    for (size_t half = LANES / 2; half; half /= 2)
        for (size_t lane = 0; lane < half; lane++)
            sums[lane] += sums[lane + half];
    return sums[0];
}

/* dense_product of each row, of ROWS rows at a time: as many streams from memory, and sums that don't wait for each
 * other. */
VECTOR_CLONES
void dense_products(const dense_matrix *rows, const float *restrict phi, float *restrict products)
{
    const size_t columns = rows->columns;
    size_t row = 0;
    for (; row + ROWS <= rows->rows; row += ROWS) {
        const float *const values = rows->values + row * columns;
        float sums[ROWS][LANES] = {{0}};
        size_t at = 0;
        for (; at + LANES <= columns; at += LANES)
#pragma GCC unroll 4
            for (size_t r = 0; r < ROWS; r++)
#pragma GCC unroll 1
                for (size_t lane = 0; lane < LANES; lane++)
                    sums[r][lane] += phi[at + lane] * values[r * columns + at + lane];
        for (size_t r = 0; r < ROWS; r++) {
            for (size_t lane = 0; at + lane < columns; lane++)
                sums[r][lane] += phi[at + lane] * values[r * columns + at + lane];
            for (size_t half = LANES / 2; half; half /= 2)
                for (size_t lane = 0; lane < half; lane++)
                    sums[r][lane] += sums[r][lane + half];
            products[row + r] = sums[r][0];
        }
    }
    for (; row < rows->rows; row++)
        products[row] = dense_product(phi, rows->values + row * columns, columns);
}

float sparse_product(const sparse_matrix *rows, const float *phi, uint32_t item)
{
    float sum = 0.0f;
    for (uint64_t at = rows->indptr[item]; at < rows->indptr[item + 1]; at++)
        sum += phi[rows->indices[at]] * rows->values[at];
    return sum;
}

float item_score(const topn_model *model, const embedding_table *rows, const float *phi, uint32_t item)
{
    float score = rows->form == TABLE_SPARSE
                      ? sparse_product(&rows->sparse, phi, item)
                      : dense_product(phi, rows->dense.values + item * rows->dense.columns, rows->dense.columns);
    if (model->table.priors)
        score = score * model->table.priors[item] + 0.0f; /* no −0 where a prior is negative */
    if (model->table.biases)
        score += model->table.biases[item];
    return score;
}
