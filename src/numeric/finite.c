/* SPDX-License-Identifier: Apache-2.0 */
#include "numeric/finite.h"

#include <stdint.h>
#include <string.h>

size_t first_infinite(const float *values, size_t count, int threads)
{
    enum { BLOCK = 1 << 16 };
    const size_t blocks = (count + BLOCK - 1) / BLOCK;
    size_t first = SIZE_MAX; /* block that holds one: the same at any thread count */
#pragma omp parallel for num_threads(threads) schedule(static) reduction(min : first)
    for (size_t block = 0; block < blocks; block++) {
        const size_t begin = block * BLOCK, end = count - begin < BLOCK ? count : begin + BLOCK;
        uint32_t bad = 0;
        for (size_t at = begin; at < end; at++) {
            uint32_t bits;
            memcpy(&bits, &values[at], sizeof bits);
            bad |= (bits & 0x7f800000) == 0x7f800000;
        }
        if (bad && block < first)
            first = block;
    }
    if (first == SIZE_MAX)
        return SIZE_MAX;
    for (first *= BLOCK; values[first] - values[first] == 0;)
        first++;
    return first;
}
