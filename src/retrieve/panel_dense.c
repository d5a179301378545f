/* SPDX-License-Identifier: Apache-2.0
 *
 * Blocks of users against dense item rows. The library's own kernel and not BLAS: in OpenBLAS's kernels for AVX2 an
 * element's rounding depends on the column it stands in, so a user's scores would depend on his place in the block.
 */
#include "retrieve/panel.h"

#include <string.h>

enum {
    BAND = 512, /* columns: 128 KiB of a panel of 64 lanes */
    LINE = 16,  /* floats of a cache line */
};

#define DENSE_PASTE(name, suffix) name##suffix
#define DENSE_JOIN(name, suffix) DENSE_PASTE(name, suffix)

#define DENSE_KERNEL dense_4
#define DENSE_VECTOR 4
#define DENSE_PARTS 4
#define DENSE_ROWS 2
#define DENSE_TARGET
#define DENSE_ADD(sum, a, b) ((sum) + (a) * (b))
#include "retrieve/dense_kernel.h"
#undef DENSE_KERNEL
#undef DENSE_VECTOR
#undef DENSE_PARTS
#undef DENSE_ROWS
#undef DENSE_TARGET
#undef DENSE_ADD

#if defined(__x86_64__) && defined(__GNUC__)

#include <immintrin.h>

#define DENSE_KERNEL dense_8
#define DENSE_VECTOR 8
#define DENSE_PARTS 2
#define DENSE_ROWS 6
#define DENSE_TARGET __attribute__((target("avx2,fma")))
#define DENSE_ADD(sum, a, b) ((vector)_mm256_fmadd_ps((__m256)(a), (__m256)(b), (__m256)(sum)))
#include "retrieve/dense_kernel.h"
#undef DENSE_KERNEL
#undef DENSE_VECTOR
#undef DENSE_PARTS
#undef DENSE_ROWS
#undef DENSE_TARGET
#undef DENSE_ADD

#define DENSE_ADD(sum, a, b) ((vector)_mm512_fmadd_ps((__m512)(a), (__m512)(b), (__m512)(sum)))
#define DENSE_VECTOR 16
#define DENSE_ROWS 6
#define DENSE_TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl")))

#define DENSE_KERNEL dense_16_narrow
#define DENSE_PARTS 1
#include "retrieve/dense_kernel.h"
#undef DENSE_KERNEL
#undef DENSE_PARTS
#define DENSE_KERNEL dense_16_middle
#define DENSE_PARTS 2
#include "retrieve/dense_kernel.h"
#undef DENSE_KERNEL
#undef DENSE_PARTS
#define DENSE_KERNEL dense_16_wide
#define DENSE_PARTS 3
#include "retrieve/dense_kernel.h"
#undef DENSE_KERNEL
#undef DENSE_PARTS
#define DENSE_KERNEL dense_16
#define DENSE_PARTS 4
#include "retrieve/dense_kernel.h"
#undef DENSE_KERNEL
#undef DENSE_PARTS

void panel_tile_dense(const dense_matrix *rows, uint32_t tile, const panel_block *block, int vector)
{
    if (vector == 16 || (vector == 0 && panel_supports(16))) {
        if (block->lanes == 16)
            dense_16_narrow(rows, tile, block);
        else if (block->lanes == 32)
            dense_16_middle(rows, tile, block);
        else if (block->lanes == 48)
            dense_16_wide(rows, tile, block);
        else
            dense_16(rows, tile, block);
    } else if (vector == 8 || (vector == 0 && panel_supports(8)))
        dense_8(rows, tile, block);
    else
        dense_4(rows, tile, block);
}

#else

void panel_tile_dense(const dense_matrix *rows, uint32_t tile, const panel_block *block, int vector)
{
    (void)vector;
    dense_4(rows, tile, block);
}

#endif
