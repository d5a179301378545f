/* SPDX-License-Identifier: Apache-2.0
 *
 * Sparse item rows in blocks of like items, and for each dimension the blocks that have it with the highest and the
 * lowest value in them, so that all blocks' scores are bounded by a walk over the dimensions of φ:
 *
 *     ⟨φ, ψ_i⟩ ≤ Σ_d max(φ_d · highest_d, φ_d · lowest_d) + ‖φ‖ · rest          for every item i of the block
 *
 * Values are signed, so both ends are needed; a dimension that some item of the block lacks counts as 0 for it. `rest`
 * is the largest norm of what the summary leaves out of an item: its smaller values, when not all of them are kept.
 *
 * An entry is one word: the value's upper 16 bits as a float and the block's 16 bits. With all values kept they are
 * rounded so that the bound stays one. Terms are added in ascending dimension, as in the score; since rounding is
 * monotonic, the sum of the terms is then not below the items' sums, in floating point too, and `rest` is 0. With only
 * some values kept they are rounded to the nearest, which spoils the order of the blocks less, and `rest` says by how
 * much.
 */
#ifndef TOPN_RETRIEVE_CLUSTERS_H
#define TOPN_RETRIEVE_CLUSTERS_H

#include "base/context.h"
#include "model/model.h"

enum { CLUSTERS_MOST_BLOCKS = 1 << 16 };

/* Items in blocks of about `size`, those near each other together: each goes to the representative, of items drawn by
 * the seed, that it has the greatest cosine with; cut in that order. */
typedef struct item_blocks {
    uint32_t *items;  /* [items] block by block */
    uint32_t *begins; /* [blocks + 1] */
    uint32_t count;
} item_blocks;
/* O(nonzeros · representatives in a dimension). Progress with cancel. */
topn_status item_blocks_create(topn_context *context, const sparse_matrix *rows, uint32_t size, item_blocks *out);
void item_blocks_clear(item_blocks *blocks);

/* Entries of one end by dimension. */
typedef struct block_postings {
    const uint64_t *begins;  /* [dimensions + 1] */
    const uint32_t *entries; /* [begins[dimensions]] */
} block_postings;

typedef struct block_summary {
    uint64_t *highest_begins, *lowest_begins; /* [dimensions + 1] */
    uint32_t *highest, *lowest;               /* entries */
    float rest;                               /* largest norm of what is left out of an item */
    float norm;                               /* largest norm of an item */
} block_summary;
/* share: of an item's values that are kept, the largest by magnitude; 1 = all. Items with a prior below 0 (priors: NULL
 * = all 1) come in with the opposite sign, since their score is bounded by the least of their sum: what follows then
 * uses the priors' magnitudes. O(nonzeros + dimensions). */
topn_status block_summary_create(topn_context *context, const sparse_matrix *rows, const float *priors,
                                 const item_blocks *blocks, double share, block_summary *out);
void block_summary_clear(block_summary *summary);

/* sums[b] += Σ_d max(φ_d · highest, φ_d · lowest); [blocks]. */
void block_sums(const block_postings *highest, const block_postings *lowest, uint32_t dimensions, const float *phi,
                float *sums);

#endif
