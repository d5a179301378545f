/* SPDX-License-Identifier: Apache-2.0
 *
 * Maximal marginal relevance: J. Carbonell, J. Goldstein, The Use of MMR, Diversity-Based Reranking for Reordering
 * Documents and Producing Summaries, SIGIR 1998.
 */
#ifndef TOPN_RETRIEVE_DIVERSIFY_H
#define TOPN_RETRIEVE_DIVERSIFY_H

#include "base/context.h"
#include "model/model.h"

/* See topn_diversify. 0 < diversity ≤ 1, items in range, scores finite, n ≤ count. UNSUPPORTED, MEMORY. */
topn_status diversify(topn_context *context, const topn_model *model, double diversity, size_t n, uint32_t *items,
                      float *scores, size_t count);

#endif
