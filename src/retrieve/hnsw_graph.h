/* SPDX-License-Identifier: Apache-2.0
 *
 * Hierarchical navigable small world graph (Malkov, Yashunin, "Efficient and robust approximate nearest neighbor search
 * using Hierarchical Navigable Small World graphs", TPAMI 2018) over the items of a model, with the score itself as
 * nearness (Morozov, Babenko, "Non-metric similarity graphs for maximum inner product search", NeurIPS 2018): an item
 * is near what it would score high as a user. Norms, priors and biases are so part of what the graph knows, and no row
 * is stored twice.
 *
 * Item i lies on the levels 0 … levels[i]; on each it has links to other items of that level, the list closed by
 * HNSW_NONE where it is not full.
 */
#ifndef TOPN_RETRIEVE_HNSW_GRAPH_H
#define TOPN_RETRIEVE_HNSW_GRAPH_H

#include "model/model.h"
#include "retrieve/top_list.h"

enum { HNSW_LEVELS = 16 };
#define HNSW_NONE UINT32_MAX

typedef struct hnsw_graph {
    const topn_model *model;
    const embedding_table *rows; /* ψ */
    uint32_t items;
    uint32_t m;            /* links on the levels from 1 on; twice as many on level 0 */
    uint32_t *links;       /* [items × 2m] level 0 */
    unsigned char *levels; /* [items] */
    uint32_t *upper_start; /* [items] row of `upper` that holds level 1; unused on level 0 */
    uint32_t *upper;       /* [rows × m] */
    uint32_t entry;        /* where searches start; HNSW_NONE while the graph is empty */
    unsigned top;          /* level of the entry */
} hnsw_graph;

/* The links of an item on one of its levels, and how many there may be. */
static inline uint32_t *hnsw_links(const hnsw_graph *graph, uint32_t item, unsigned level, size_t *room)
{
    *room = level ? graph->m : 2 * (size_t)graph->m;
    return level ? graph->upper + (graph->upper_start[item] + level - 1) * (size_t)graph->m
                 : graph->links + item * 2 * (size_t)graph->m;
}

/* What is searched for: a user's φ, or an item in the place of a user. */
typedef struct hnsw_probe {
    const float *vector; /* [dimensions] */
    bool item;           /* else φ, whose nearness is the score */
    float prior, bias;   /* of the item */
} hnsw_probe;

/* An item as a probe: its row, for sparse tables spread out in `buffer` [dimensions], which is all 0 before and is
 * made so again by hnsw_probe_end. */
hnsw_probe hnsw_probe_begin(const hnsw_graph *graph, uint32_t item, float *buffer);
void hnsw_probe_end(const hnsw_graph *graph, uint32_t item, float *buffer);
/* −∞ for what is no number. */
float hnsw_nearness(const hnsw_graph *graph, const hnsw_probe *probe, uint32_t item);

/* One thread's memory. */
typedef struct hnsw_scratch {
    uint64_t *visited; /* [⌈items/64⌉] bits */
    top_list open;     /* [items] found and not yet walked from, nearest first: scores are negated */
    top_list found;    /* [items] nearest so far */
    uint32_t *fresh;   /* [2m] */
} hnsw_scratch;

topn_status hnsw_scratch_create(topn_context *context, const hnsw_graph *graph, hnsw_scratch *out);
void hnsw_scratch_clear(hnsw_scratch *scratch);

/* Algorithm 1, line 4 on: from the entry down to level `until`, to the nearest of each level; that one. The graph is
 * not empty. */
uint32_t hnsw_descend(const hnsw_graph *graph, const hnsw_probe *probe, unsigned until);
/* Algorithm 2: the `width` nearest items of a level that can be reached from `starts`, into scratch->found, in no
 * order. Items of `refused` (NULL = none) are walked through and not found. */
void hnsw_search_level(const hnsw_graph *graph, const hnsw_probe *probe, const uint32_t *starts, size_t start_count,
                       unsigned level, size_t width, const unsigned char *refused, hnsw_scratch *scratch);

#endif
