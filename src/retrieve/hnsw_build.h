/* SPDX-License-Identifier: Apache-2.0
 *
 * Building the graph of hnsw_graph.h.
 */
#ifndef TOPN_RETRIEVE_HNSW_BUILD_H
#define TOPN_RETRIEVE_HNSW_BUILD_H

#include "retrieve/hnsw_graph.h"

/* The level of each item, so that one in m of a level's items lies on the next, too; and where its upper links start.
 * Returns how many rows `upper` needs. O(items). */
uint64_t hnsw_draw_levels(uint64_t seed, uint32_t items, uint32_t m, unsigned char *levels, uint32_t *upper_start);
/* Bytes of the graph's arrays and of building them. */
uint64_t hnsw_build_bytes(const topn_context *context, uint32_t items, uint32_t m, size_t width);
/* Links all items into a graph whose arrays are there, every link HNSW_NONE, and whose entry is HNSW_NONE. `width`:
 * candidates that each item's links are chosen from. The same bits at any thread count. Progress with cancel.
 * O(items · log items · width · m) products. */
topn_status hnsw_build(topn_context *context, hnsw_graph *graph, size_t width);

#endif
