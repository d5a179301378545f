/* SPDX-License-Identifier: Apache-2.0
 *
 * The exact top n of one user over sparse item rows with signed values, by postings (dimension → items) with early
 * stop. Dimensions come in the order of the greatest share that they can have in a score, for an entry of their
 * postings. What the rest of them can still add to the score of item i is at most
 *
 *     the least of  Σ_d max(φ_d·most_d, φ_d·least_d)  and  ‖φ_rest‖·‖ψ_i‖·|π_i|
 *
 * and at least the same with min and a minus (most_d, least_d: the greatest and least ψ_id·π_i, or 0 where some item
 * lacks d). Bounds of non-negative scores, as WAND and MaxScore have, would be wrong here. When so few items can still
 * be among the n best that their rows are read sooner than the rest of the postings, they are scored by their rows: the
 * bits of topn_score. All bounds are widened by what rounding can do.
 */
#ifndef TOPN_RETRIEVE_POSTING_SEARCH_H
#define TOPN_RETRIEVE_POSTING_SEARCH_H

#include "retrieve/retriever.h"

typedef struct posting_bounds {
    float *most, *least; /* [dimensions] greatest and least ψ_id·π_i, both towards 0 where it has the other sign */
    float *reach;        /* [items] ‖ψ_i‖·|π_i| */
    uint64_t longest;    /* non-zeros of the longest row */
} posting_bounds;

/* O(nonzeros). */
topn_status posting_bounds_create(topn_context *context, const topn_model *model, const sparse_matrix *rows,
                                  posting_bounds *out);
void posting_bounds_clear(posting_bounds *bounds);

/* One thread's memory, and figures of the last search. */
typedef struct posting_search {
    const topn_retriever *retriever;
    uint32_t *dimensions;  /* [dimensions + 1] φ's non-zeros, ascending */
    uint32_t *order;       /* [dimensions] the same as they are read */
    size_t count;          /* of φ's non-zeros */
    float *partial;        /* [items] ⟨φ, ψ_i⟩ over the dimensions done */
    float *lower, *upper;  /* [items] bounds of the scores */
    uint64_t entries_read; /* of postings */
    uint64_t entries;      /* that φ has in all */
    uint32_t rows_scored;
} posting_search;

/* NULL in *out where the item rows are not sparse. */
topn_status posting_search_create(topn_context *context, const topn_retriever *retriever, posting_search **out);
void posting_search_free(posting_search *search);

/* Whether this way is likely to be the fastest for this φ; the postings are made once enough have asked (cache.h). */
bool posting_search_pays(posting_search *search, const float *phi, size_t n);
/* The n best items that are not refused (refused [items]), best first, ties by item. False, and nothing is found, where
 * too many items could be among them. To be asked only after posting_search_pays. */
bool posting_search_run(posting_search *search, const float *phi, const unsigned char *refused, size_t n,
                        uint32_t *item_out, float *score_out, size_t *found);

#endif
