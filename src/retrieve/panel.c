/* SPDX-License-Identifier: Apache-2.0 */
#include "retrieve/panel.h"

#include "base/vector.h"

VECTOR_CLONES
void panel_scores(const sparse_matrix *rows, const float *panel, size_t users, float *scores)
{
    for (uint32_t row = 0; row < rows->rows; row++) {
        float sums[PANEL_LANES] = {0};
        for (uint64_t at = rows->indptr[row]; at < rows->indptr[row + 1]; at++) {
            const float value = rows->values[at];
            const float *lanes = panel + (size_t)rows->indices[at] * PANEL_LANES;
            for (size_t lane = 0; lane < PANEL_LANES; lane++)
                sums[lane] += value * lanes[lane];
        }
        for (size_t user = 0; user < users; user++)
            scores[user * rows->rows + row] = sums[user];
    }
}
