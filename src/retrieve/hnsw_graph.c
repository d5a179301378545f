/* SPDX-License-Identifier: Apache-2.0 */
#include "retrieve/hnsw_graph.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "retrieve/item_score.h"

enum { LINE = 64, MOST_LINES = 16 }; /* bytes of a cache line; lines of a row that are fetched ahead */

hnsw_probe hnsw_probe_begin(const hnsw_graph *graph, uint32_t item, float *buffer)
{
    const topn_model *model = graph->model;
    hnsw_probe probe = {.item = true,
                        .prior = model->table.priors ? model->table.priors[item] : 1.0f,
                        .bias = model->table.biases ? model->table.biases[item] : 0.0f};
    if (graph->rows->form == TABLE_DENSE) {
        probe.vector = graph->rows->dense.values + item * graph->rows->dense.columns;
        return probe;
    }
    const sparse_matrix *rows = &graph->rows->sparse;
    for (uint64_t at = rows->indptr[item]; at < rows->indptr[item + 1]; at++)
        buffer[rows->indices[at]] = rows->values[at];
    probe.vector = buffer;
    return probe;
}

void hnsw_probe_end(const hnsw_graph *graph, uint32_t item, float *buffer)
{
    const sparse_matrix *rows = &graph->rows->sparse;
    if (graph->rows->form != TABLE_SPARSE)
        return;
    for (uint64_t at = rows->indptr[item]; at < rows->indptr[item + 1]; at++)
        buffer[rows->indices[at]] = 0.0f;
}

float hnsw_nearness(const hnsw_graph *graph, const hnsw_probe *probe, uint32_t item)
{
    const topn_model *model = graph->model;
    float value;
    if (!probe->item) {
        value = item_score(model, graph->rows, probe->vector, item);
    } else {
        value = graph->rows->form == TABLE_DENSE
                    ? dense_product(probe->vector, graph->rows->dense.values + item * graph->rows->dense.columns,
                                    graph->rows->dense.columns)
                    : sparse_product(&graph->rows->sparse, probe->vector, item);
        if (model->table.priors)
            value *= probe->prior * model->table.priors[item];
        if (model->table.biases)
            value += probe->bias * model->table.biases[item];
    }
    return isnan(value) ? -INFINITY : value;
}

topn_status hnsw_scratch_create(topn_context *context, const hnsw_graph *graph, hnsw_scratch *out)
{
    topn_status status;
    *out = (hnsw_scratch){0};
    TRY(ALLOCATE(context, (size_t)graph->items / 64 + 1, &out->visited));
    TRY(ALLOCATE(context, graph->items, &out->open.items));
    TRY(ALLOCATE(context, graph->items, &out->open.scores));
    TRY(ALLOCATE(context, graph->items, &out->found.items));
    TRY(ALLOCATE(context, graph->items, &out->found.scores));
    TRY(ALLOCATE(context, 2 * (size_t)graph->m, &out->fresh));
    out->open.room = graph->items;
done:
    if (status != TOPN_OK)
        hnsw_scratch_clear(out);
    return status;
}

void hnsw_scratch_clear(hnsw_scratch *scratch)
{
    free(scratch->visited);
    free(scratch->open.items);
    free(scratch->open.scores);
    free(scratch->found.items);
    free(scratch->found.scores);
    free(scratch->fresh);
    *scratch = (hnsw_scratch){0};
}

uint32_t hnsw_descend(const hnsw_graph *graph, const hnsw_probe *probe, unsigned until)
{
    uint32_t nearest = graph->entry;
    float best = hnsw_nearness(graph, probe, nearest);
    for (unsigned level = graph->top; level > until; level--)
        for (bool moved = true; moved;) {
            size_t room;
            const uint32_t *links = hnsw_links(graph, nearest, level, &room);
            moved = false;
            for (size_t place = 0; place < room && links[place] != HNSW_NONE; place++) {
                const float value = hnsw_nearness(graph, probe, links[place]);
                if (value > best) {
                    best = value;
                    nearest = links[place];
                    moved = true;
                }
            }
        }
    return nearest;
}

static bool visit(hnsw_scratch *scratch, uint32_t item)
{
    uint64_t *word = &scratch->visited[item / 64];
    const uint64_t bit = UINT64_C(1) << item % 64;
    const bool first = !(*word & bit);
    *word |= bit;
    return first;
}

/* The row of an item will be needed soon. */
static void fetch(const embedding_table *rows, uint32_t item)
{
    if (rows->form != TABLE_DENSE)
        return;
    const char *row = (const char *)(rows->dense.values + item * rows->dense.columns);
    const size_t bytes = rows->dense.columns * sizeof(float);
    for (size_t at = 0; at < bytes && at < MOST_LINES * LINE; at += LINE)
        __builtin_prefetch(row + at);
}

/* An item of that nearness was met. */
static void meet(hnsw_scratch *scratch, uint32_t item, float value, const unsigned char *refused)
{
    top_list *found = &scratch->found, *open = &scratch->open;
    if (found->count == found->room && !ranks_after(found->scores[0], found->items[0], value, item))
        return;
    top_list_sift_up(open->items, open->scores, open->count++, item, -value);
    if (!refused || !refused[item])
        top_list_offer(found, item, value);
}

/* The nearest that has not been walked from. */
static uint32_t take_open(top_list *open, float *value)
{
    const uint32_t item = open->items[0];
    *value = -open->scores[0];
    open->count--;
    if (open->count)
        top_list_sift_down(open->items, open->scores, open->count, 0, open->items[open->count],
                           open->scores[open->count]);
    return item;
}

void hnsw_search_level(const hnsw_graph *graph, const hnsw_probe *probe, const uint32_t *starts, size_t start_count,
                       unsigned level, size_t width, const unsigned char *refused, hnsw_scratch *scratch)
{
    top_list *found = &scratch->found;
    memset(scratch->visited, 0, ((size_t)graph->items / 64 + 1) * sizeof *scratch->visited);
    found->count = scratch->open.count = 0;
    found->room = width;
    for (size_t place = 0; place < start_count; place++)
        if (visit(scratch, starts[place]))
            meet(scratch, starts[place], hnsw_nearness(graph, probe, starts[place]), refused);
    while (scratch->open.count) {
        float value;
        const uint32_t from = take_open(&scratch->open, &value);
        if (found->count == found->room && value < found->scores[0])
            break;
        size_t room, count = 0;
        const uint32_t *links = hnsw_links(graph, from, level, &room);
        for (size_t place = 0; place < room && links[place] != HNSW_NONE; place++)
            if (visit(scratch, links[place])) {
                fetch(graph->rows, links[place]);
                scratch->fresh[count++] = links[place];
            }
        for (size_t place = 0; place < count; place++)
            meet(scratch, scratch->fresh[place], hnsw_nearness(graph, probe, scratch->fresh[place]), refused);
    }
}
