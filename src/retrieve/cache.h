/* SPDX-License-Identifier: Apache-2.0
 *
 * Other layouts of a retriever's sparse item rows. They cost time and memory of the order of the rows themselves, and
 * each serves one kind of use, so each is made when that use comes up; any thread may ask.
 */
#ifndef TOPN_RETRIEVE_CACHE_H
#define TOPN_RETRIEVE_CACHE_H

#include "retrieve/panel.h"
#include "retrieve/posting_search.h"
#include "retrieve/retriever.h"

topn_status retriever_cache_create(topn_context *context, retriever_cache **out);
void retriever_cache_free(retriever_cache *cache);

/* The layout for blocks of users. */
topn_status cache_panel(topn_context *context, const topn_retriever *retriever, const panel_table **out);
/* Dimension → items, for single users with few non-zeros in φ; NULL as long as too few such have come to make up for
 * transposing the rows, or when there is no memory for it. Each call counts as one. The scores are the same bits either
 * way. */
const sparse_matrix *cache_postings(const topn_retriever *retriever);
/* The postings if they are there; counts as nothing. */
const sparse_matrix *cache_ready_postings(const topn_retriever *retriever);
/* What the postings can add to scores; NULL when there is no memory for it. */
const posting_bounds *cache_bounds(const topn_retriever *retriever);
/* The postings without the wait. */
topn_status cache_make_postings(topn_context *context, const topn_retriever *retriever, const sparse_matrix **out);

#endif
