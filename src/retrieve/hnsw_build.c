/* SPDX-License-Identifier: Apache-2.0
 *
 * Items are inserted in batches: each searches the graph as it stood before the batch and chooses its links, all at the
 * same time; then the links back are added, each item's by one thread, in the order of the batch. So the graph depends
 * on the batches, whose sizes follow from the number of items alone, and not on the threads.
 */
#include "retrieve/hnsw_build.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "base/threads.h"

enum {
    MOST_BATCH = 512,  /* items inserted at once … */
    BATCH_SHARE = 32,  /* … and no more than one for so many that are there */
    WORTH_THREADS = 8, /* items in a batch that threads are called together for */
};

/* The wish of a new item for a link back. */
typedef struct back_link {
    uint32_t target, source;
    uint32_t level;
    uint32_t order; /* of the wishes; makes sorting exact */
} back_link;

/* One thread's memory. */
typedef struct builder {
    hnsw_scratch scratch;
    float *row, *other;   /* [dimensions] of sparse tables, all 0 */
    uint32_t *candidates; /* [room] best first, then those chosen */
    float *nearness;      /* [room] to the item */
    uint32_t *starts;     /* [width] */
} builder;

typedef struct build {
    hnsw_graph *graph;
    size_t width, room; /* room: the longest list of candidates */
    builder *builders;  /* [threads] */
    size_t threads;
    uint32_t *chosen;  /* [MOST_BATCH × HNSW_LEVELS × m] links of the batch's items */
    back_link *wishes; /* [MOST_BATCH × HNSW_LEVELS × m] */
    size_t *groups;    /* the same and 1: where wishes of another list begin */
} build;

uint64_t hnsw_draw_levels(uint64_t seed, uint32_t items, uint32_t m, unsigned char *levels, uint32_t *upper_start)
{
    uint64_t rows = 0;
    for (uint32_t item = 0; item < items; item++) {
        const double draw = random_uniform(seed, RANDOM_INDEX_LEVELS, item);
        unsigned level = 0;
        for (double share = 1.0 / m; draw < share && level + 1 < HNSW_LEVELS; share /= m)
            level++;
        levels[item] = (unsigned char)level;
        upper_start[item] = level ? (uint32_t)rows : HNSW_NONE;
        rows += level;
    }
    return rows;
}

/* Algorithm 4 with keepPrunedConnections: of candidates, nearest first, those that are nearer to the item than to any
 * that was chosen before; what room they leave goes to the nearest of the others. By inner product the heuristic alone
 * leaves lists half empty, as everything is near to items of great norm: filling them raised overlap@100 from .81 to
 * .97 on a made table (bench/index 20108). Returns how many stand at the front of `candidates`. */
static size_t choose(const hnsw_graph *graph, builder *own, size_t count, size_t room)
{
    uint32_t *candidates = own->candidates;
    float *nearness = own->nearness;
    size_t chosen = 0;
    for (size_t place = 0; place < count && chosen < room; place++) {
        const uint32_t candidate = candidates[place];
        const float near = nearness[place];
        const hnsw_probe probe = hnsw_probe_begin(graph, candidate, own->other);
        bool kept = true;
        for (size_t before = 0; before < chosen && kept; before++)
            kept = hnsw_nearness(graph, &probe, candidates[before]) <= near;
        hnsw_probe_end(graph, candidate, own->other);
        if (!kept)
            continue;
        memmove(candidates + chosen + 1, candidates + chosen, (place - chosen) * sizeof *candidates);
        memmove(nearness + chosen + 1, nearness + chosen, (place - chosen) * sizeof *nearness);
        candidates[chosen] = candidate;
        nearness[chosen++] = near;
    }
    return count < room ? count : room;
}

/* The links of a new item, as the graph stands, on all levels it shares with the graph. */
static void choose_links(build *run, builder *own, uint32_t item, uint32_t *out)
{
    const hnsw_graph *graph = run->graph;
    const hnsw_probe probe = hnsw_probe_begin(graph, item, own->row);
    const unsigned highest = graph->levels[item] < graph->top ? graph->levels[item] : graph->top;
    size_t start_count = 1;
    own->starts[0] = hnsw_descend(graph, &probe, highest);
    for (unsigned level = highest + 1; level-- > 0;) {
        top_list *found = &own->scratch.found;
        hnsw_search_level(graph, &probe, own->starts, start_count, level, run->width, NULL, &own->scratch);
        start_count = found->count;
        memcpy(own->starts, found->items, start_count * sizeof *own->starts);
        top_list_sort(found);
        memcpy(own->candidates, found->items, found->count * sizeof *own->candidates);
        memcpy(own->nearness, found->scores, found->count * sizeof *own->nearness);
        const size_t count = choose(graph, own, found->count, graph->m);
        memcpy(out + (size_t)level * graph->m, own->candidates, count * sizeof *out);
        if (count < graph->m)
            out[(size_t)level * graph->m + count] = HNSW_NONE;
    }
    hnsw_probe_end(graph, item, own->row);
}

static int compare_wishes(const void *left, const void *right)
{
    const back_link *a = left, *b = right;
    if (a->target != b->target)
        return a->target < b->target ? -1 : 1;
    if (a->level != b->level)
        return a->level < b->level ? -1 : 1;
    return (a->order > b->order) - (a->order < b->order);
}

/* Adds the sources of wishes [count] of one target and level to its links; when they become too many, the links are
 * chosen anew from all. */
static void link_back(const build *run, builder *own, const back_link *wishes, size_t count)
{
    const hnsw_graph *graph = run->graph;
    const uint32_t target = wishes[0].target;
    size_t room, there = 0;
    uint32_t *links = hnsw_links(graph, target, wishes[0].level, &room);
    while (there < room && links[there] != HNSW_NONE)
        there++;
    if (there + count <= room) {
        for (size_t place = 0; place < count; place++)
            links[there + place] = wishes[place].source;
        return;
    }
    const hnsw_probe probe = hnsw_probe_begin(graph, target, own->row);
    top_list all = {.items = own->candidates, .scores = own->nearness, .room = run->room};
    for (size_t place = 0; place < there + count; place++) {
        const uint32_t item = place < there ? links[place] : wishes[place - there].source;
        top_list_offer(&all, item, hnsw_nearness(graph, &probe, item));
    }
    hnsw_probe_end(graph, target, own->row);
    top_list_sort(&all);
    const size_t chosen = choose(graph, own, all.count, room);
    memcpy(links, own->candidates, chosen * sizeof *links);
    for (size_t place = chosen; place < room; place++)
        links[place] = HNSW_NONE;
}

/* Puts the chosen links into the graph and lists the links back that they ask for. */
static size_t link_forth(build *run, uint32_t first, size_t count)
{
    hnsw_graph *graph = run->graph;
    size_t wishes = 0;
    for (size_t place = 0; place < count; place++) {
        const uint32_t item = first + (uint32_t)place;
        const unsigned highest = graph->levels[item] < graph->top ? graph->levels[item] : graph->top;
        for (unsigned level = 0; level <= highest; level++) {
            const uint32_t *chosen = run->chosen + (place * HNSW_LEVELS + level) * graph->m;
            size_t room;
            uint32_t *links = hnsw_links(graph, item, level, &room);
            for (size_t link = 0; link < graph->m && chosen[link] != HNSW_NONE; link++) {
                links[link] = chosen[link];
                run->wishes[wishes] = (back_link){chosen[link], item, level, (uint32_t)wishes};
                wishes++;
            }
        }
    }
    return wishes;
}

static void insert_batch(build *run, uint32_t first, size_t count)
{
    hnsw_graph *graph = run->graph;
#pragma omp parallel for num_threads((int)run->threads) schedule(dynamic, 4) if (count >= WORTH_THREADS)
    for (size_t place = 0; place < count; place++)
        choose_links(run, &run->builders[thread_index()], first + (uint32_t)place,
                     run->chosen + place * HNSW_LEVELS * graph->m);
    const size_t wishes = link_forth(run, first, count);
    qsort(run->wishes, wishes, sizeof *run->wishes, compare_wishes);
    size_t groups = 0;
    for (size_t place = 0; place < wishes; place++)
        if (place == 0 || run->wishes[place].target != run->wishes[place - 1].target ||
            run->wishes[place].level != run->wishes[place - 1].level)
            run->groups[groups++] = place;
    run->groups[groups] = wishes;
#pragma omp parallel for num_threads((int)run->threads) schedule(dynamic, 16) if (count >= WORTH_THREADS)
    for (size_t group = 0; group < groups; group++)
        link_back(run, &run->builders[thread_index()], run->wishes + run->groups[group],
                  run->groups[group + 1] - run->groups[group]);
    for (size_t place = 0; place < count; place++)
        if (graph->levels[first + place] > graph->top) {
            graph->entry = first + (uint32_t)place;
            graph->top = graph->levels[graph->entry];
        }
}

static topn_status builders_create(topn_context *context, build *run)
{
    topn_status status;
    const hnsw_graph *graph = run->graph;
    const size_t dimensions = graph->rows->form == TABLE_SPARSE ? embedding_dimensions(graph->rows) : 0;
    const size_t links = (size_t)MOST_BATCH * HNSW_LEVELS * graph->m;
    TRY(ALLOCATE_ZEROED(context, run->threads, &run->builders));
    for (size_t thread = 0; thread < run->threads; thread++) {
        builder *own = &run->builders[thread];
        TRY(hnsw_scratch_create(context, graph, &own->scratch));
        TRY(ALLOCATE_ZEROED(context, dimensions, &own->row));
        TRY(ALLOCATE_ZEROED(context, dimensions, &own->other));
        TRY(ALLOCATE(context, run->room, &own->candidates));
        TRY(ALLOCATE(context, run->room, &own->nearness));
        TRY(ALLOCATE(context, run->width, &own->starts));
    }
    TRY(ALLOCATE(context, links, &run->chosen));
    TRY(ALLOCATE(context, links, &run->wishes));
    TRY(ALLOCATE(context, links + 1, &run->groups));
done:
    return status;
}

static void builders_free(build *run)
{
    for (size_t thread = 0; run->builders && thread < run->threads; thread++) {
        builder *own = &run->builders[thread];
        hnsw_scratch_clear(&own->scratch);
        free(own->row);
        free(own->other);
        free(own->candidates);
        free(own->nearness);
        free(own->starts);
    }
    free(run->builders);
    free(run->chosen);
    free(run->wishes);
    free(run->groups);
}

uint64_t hnsw_build_bytes(const topn_context *context, uint32_t items, uint32_t m, size_t width)
{
    const uint64_t threads = context->threads > 1 ? (uint64_t)context->threads : 1, links = sizeof(uint32_t) * m;
    const uint64_t graph = items * (2 * links + 5) + items / (m - 1) * links;
    const uint64_t batch = MOST_BATCH * HNSW_LEVELS * m * (sizeof(uint32_t) + sizeof(back_link) + sizeof(size_t));
    const uint64_t searching = items * (4 * sizeof(uint32_t)) + items / 8 + 12 * (width + MOST_BATCH + 2 * m);
    return graph + batch + threads * searching;
}

topn_status hnsw_build(topn_context *context, hnsw_graph *graph, size_t width)
{
    topn_status status = TOPN_OK;
    const size_t links = 2 * (size_t)graph->m + MOST_BATCH;
    build run = {.graph = graph,
                 .width = width,
                 .room = width > links ? width : links,
                 .threads = context->threads > 1 ? (size_t)context->threads : 1};
    if (!graph->items)
        return TOPN_OK;
    TRY(builders_create(context, &run));
    graph->entry = 0;
    graph->top = graph->levels[0];
    for (uint32_t first = 1; first < graph->items;) {
        size_t count = first / BATCH_SHARE;
        count = count < 1 ? 1 : count > MOST_BATCH ? MOST_BATCH : count;
        count = count < graph->items - first ? count : graph->items - first;
        TRY(progress_report(context, "index", "items", first, graph->items, NAN));
        insert_batch(&run, first, count);
        first += (uint32_t)count;
    }
    TRY(progress_report(context, "index", "items", graph->items, graph->items, NAN));
done:
    builders_free(&run);
    return status;
}
