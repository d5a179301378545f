/* SPDX-License-Identifier: Apache-2.0 */
#include "retrieve/clusters.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "base/threads.h"
#include "numeric/largest.h"
#include "numeric/sparse.h"

enum { ITEMS_A_STEP = 1 << 14 }; /* between two calls of the progress callback */
#define NEAREST 0x1p-8           /* relative error of 8 bits, and some more */
#define SUMMED 1e-12             /* and of sums in double precision */

/* Where an item goes, and how near it is. */
typedef struct placed_item {
    uint32_t cluster, item;
    float likeness;
} placed_item;

static int compare_places(const void *left, const void *right)
{
    const placed_item *a = left, *b = right;
    if (a->cluster != b->cluster)
        return a->cluster < b->cluster ? -1 : 1;
    if (a->likeness < b->likeness || a->likeness > b->likeness)
        return a->likeness > b->likeness ? -1 : 1;
    return a->item < b->item ? -1 : a->item > b->item;
}

/* Dimension → representatives, their rows scaled to norm 1. The representatives are the items that come first in an
 * order by random keys. */
static topn_status draw_representatives(topn_context *context, const sparse_matrix *rows, uint32_t count,
                                        sparse_matrix *out)
{
    topn_status status;
    placed_item *drawn = NULL;
    sparse_matrix chosen = {0};
    uint64_t nonzeros = 0;
    TRY(ALLOCATE(context, rows->rows, &drawn));
    for (uint32_t item = 0; item < rows->rows; item++)
        drawn[item] =
            (placed_item){.item = item, .cluster = (uint32_t)random_bits(context->seed, RANDOM_REPRESENTATIVES, item)};
    qsort(drawn, rows->rows, sizeof *drawn, compare_places);
    for (uint32_t at = 0; at < count; at++)
        nonzeros += rows->indptr[drawn[at].item + 1] - rows->indptr[drawn[at].item];
    TRY(sparse_create(context, count, rows->columns, nonzeros, &chosen));
    for (uint32_t at = 0; at < count; at++) {
        const uint64_t begin = rows->indptr[drawn[at].item], length = rows->indptr[drawn[at].item + 1] - begin;
        const uint64_t target = chosen.indptr[at];
        double square = 0.0;
        for (uint64_t place = begin; place < begin + length; place++)
            square += (double)rows->values[place] * (double)rows->values[place];
        const float scale = square > 0.0 ? (float)(1.0 / sqrt(square)) : 0.0f;
        for (uint64_t place = 0; place < length; place++) {
            chosen.indices[target + place] = rows->indices[begin + place];
            chosen.values[target + place] = rows->values[begin + place] * scale;
        }
        chosen.indptr[at + 1] = target + length;
    }
    TRY(sparse_transpose(context, &chosen, out));
done:
    free(drawn);
    sparse_clear(&chosen);
    return status;
}

/* The nearest representative; products [representatives]. */
static placed_item place_item(const sparse_matrix *rows, const sparse_matrix *representatives, uint32_t item,
                              float *products)
{
    placed_item placed = {.item = item};
    memset(products, 0, representatives->columns * sizeof *products);
    for (uint64_t at = rows->indptr[item]; at < rows->indptr[item + 1]; at++) {
        const uint32_t dimension = rows->indices[at];
        for (uint64_t place = representatives->indptr[dimension]; place < representatives->indptr[dimension + 1];
             place++)
            products[representatives->indices[place]] += rows->values[at] * representatives->values[place];
    }
    placed.likeness = products[0];
    for (uint32_t at = 1; at < representatives->columns; at++)
        if (products[at] > placed.likeness) {
            placed.likeness = products[at];
            placed.cluster = at;
        }
    return placed;
}

/* Cuts after `size` items, and at the end of a cluster when half of them are reached. */
static void cut_blocks(const placed_item *places, uint32_t items, uint32_t size, item_blocks *out)
{
    uint32_t begin = 0;
    out->count = 0;
    out->begins[0] = 0;
    for (uint32_t at = 0; at < items; at++) {
        const uint32_t length = at + 1 - begin;
        const bool cluster_ends = at + 1 == items || places[at + 1].cluster != places[at].cluster;
        out->items[at] = places[at].item;
        if (at + 1 < items && length < size && !(cluster_ends && length >= (size + 1) / 2))
            continue;
        out->begins[++out->count] = begin = at + 1;
    }
}

topn_status item_blocks_create(topn_context *context, const sparse_matrix *rows, uint32_t size, item_blocks *out)
{
    topn_status status;
    const uint32_t items = rows->rows, clusters = items / size ? items / size : 1;
    placed_item *places = NULL;
    float *products = NULL;
    sparse_matrix representatives = {0};
    *out = (item_blocks){0};
    TRY(ALLOCATE(context, items, &out->items));
    TRY(ALLOCATE(context, (size_t)items + 1, &out->begins));
    TRY(ALLOCATE(context, items, &places));
    for (uint32_t item = 0; item < items; item++)
        places[item] = (placed_item){.item = item};
    if (size > 1) {
        TRY(draw_representatives(context, rows, clusters, &representatives));
        TRY(ALLOCATE(context, (size_t)context->threads * clusters, &products));
        for (uint32_t begin = 0; begin < items; begin += ITEMS_A_STEP) {
            const uint32_t end = items - begin < ITEMS_A_STEP ? items : begin + ITEMS_A_STEP;
            TRY(progress_report(context, "clusters", "items", begin, items, NAN));
#pragma omp parallel for num_threads(context->threads) schedule(dynamic, 64)
            for (uint32_t item = begin; item < end; item++)
                places[item] = place_item(rows, &representatives, item, products + (size_t)thread_index() * clusters);
        }
        qsort(places, items, sizeof *places, compare_places);
    }
    cut_blocks(places, items, size, out);
done:
    free(places);
    free(products);
    sparse_clear(&representatives);
    if (status != TOPN_OK)
        item_blocks_clear(out);
    return status;
}

void item_blocks_clear(item_blocks *blocks)
{
    free(blocks->items);
    free(blocks->begins);
    *blocks = (item_blocks){0};
}

/* The upper 16 bits of a float that is not below `value`, or (nearest) of the one next to it. */
static uint32_t round_up(float value, bool nearest)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    if (nearest)
        bits += 0x7fff;
    else if (!(bits & UINT32_C(0x80000000)))
        bits += 0xffff; /* away from 0; a cut of the lower half takes a negative one towards 0 */
    return bits & UINT32_C(0xffff0000);
}

static uint32_t round_down(float value, bool nearest)
{
    return round_up(-value, nearest) ^ UINT32_C(0x80000000);
}

/* The dimensions of one block. */
typedef struct block_ends {
    float *highest, *lowest; /* [dimensions], of the values that are kept */
    uint32_t *counts;        /* [dimensions] items that have it, 0 between blocks */
    uint32_t *dimensions;    /* [dimensions] those that some item has */
    uint32_t count;
} block_ends;

static void take_item(const sparse_matrix *rows, uint32_t item, float sign, magnitude_limit limit, block_ends *ends)
{
    for (uint64_t at = rows->indptr[item]; at < rows->indptr[item + 1]; at++) {
        const uint32_t dimension = rows->indices[at];
        const float value = sign * rows->values[at];
        if (!magnitude_kept(value, &limit))
            continue;
        if (ends->counts[dimension]++ == 0) {
            ends->dimensions[ends->count++] = dimension;
            ends->highest[dimension] = ends->lowest[dimension] = value;
        } else if (value > ends->highest[dimension])
            ends->highest[dimension] = value;
        else if (value < ends->lowest[dimension])
            ends->lowest[dimension] = value;
    }
}

/* One walk over all blocks: without entries it counts them into begins[d + 1], else it fills them in at begins[d],
 * which it moves on. */
static void walk_blocks(const sparse_matrix *rows, const float *priors, const item_blocks *blocks,
                        const magnitude_limit *limits, bool nearest, block_ends *ends, block_summary *out)
{
    for (uint32_t block = 0; block < blocks->count; block++) {
        const uint32_t size = blocks->begins[block + 1] - blocks->begins[block];
        ends->count = 0;
        for (uint32_t at = blocks->begins[block]; at < blocks->begins[block + 1]; at++) {
            const uint32_t item = blocks->items[at];
            take_item(rows, item, priors && priors[item] < 0.0f ? -1.0f : 1.0f, limits[item], ends);
        }
        for (uint32_t at = 0; at < ends->count; at++) {
            const uint32_t dimension = ends->dimensions[at];
            const bool all = ends->counts[dimension] == size;
            const float highest = all ? ends->highest[dimension] : fmaxf(ends->highest[dimension], 0.0f);
            const float lowest = all ? ends->lowest[dimension] : fminf(ends->lowest[dimension], 0.0f);
            ends->counts[dimension] = 0;
            if (highest != 0.0f && out->highest)
                out->highest[out->highest_begins[dimension]++] = round_up(highest, nearest) | block;
            else if (highest != 0.0f)
                out->highest_begins[dimension + 1]++;
            if (lowest != 0.0f && out->lowest)
                out->lowest[out->lowest_begins[dimension]++] = round_down(lowest, nearest) | block;
            else if (lowest != 0.0f)
                out->lowest_begins[dimension + 1]++;
        }
    }
}

/* Counts to offsets. */
static void add_up(uint64_t *begins, uint32_t dimensions)
{
    for (uint32_t dimension = 0; dimension < dimensions; dimension++)
        begins[dimension + 1] += begins[dimension];
}

/* What walk_blocks moved on, back. */
static void move_back(uint64_t *begins, uint32_t dimensions)
{
    memmove(begins + 1, begins, dimensions * sizeof *begins);
    begins[0] = 0;
}

/* Σ v² of the values that a limit keeps. */
static double square_of(const float *values, size_t count, magnitude_limit limit)
{
    double sum = 0.0;
    for (size_t at = 0; at < count; at++)
        if (magnitude_kept(values[at], &limit))
            sum += (double)values[at] * (double)values[at];
    return sum;
}

/* What an item keeps; norms of what it doesn't, with what rounding to the nearest 8 bits takes from the others, and of
 * it as a whole, rounded up. */
static void limit_items(topn_context *context, const sparse_matrix *rows, double share, magnitude_limit *limits,
                        block_summary *out)
{
    double rest = 0.0, norm = 0.0;
#pragma omp parallel for num_threads(context->threads) schedule(dynamic, 64) reduction(max : rest, norm)
    for (uint32_t item = 0; item < rows->rows; item++) {
        const float *values = rows->values + rows->indptr[item];
        const size_t length = rows->indptr[item + 1] - rows->indptr[item];
        const double all = square_of(values, length, magnitude_limit_of(values, length, length));
        limits[item] = magnitude_limit_of(values, length, (size_t)ceil(share * (double)length));
        rest = fmax(rest, fmax(all - square_of(values, length, limits[item]), 0.0) + SUMMED * all);
        norm = fmax(norm, all);
    }
    const double lost = share < 1.0 ? sqrt(rest) + sqrt(norm) * NEAREST : 0.0;
    out->rest = lost > 0.0 ? nextafterf((float)(lost * (1 + 1e-9)), INFINITY) : 0.0f;
    out->norm = nextafterf((float)(sqrt(norm) * (1 + 1e-9)), INFINITY);
}

topn_status block_summary_create(topn_context *context, const sparse_matrix *rows, const float *priors,
                                 const item_blocks *blocks, double share, block_summary *out)
{
    topn_status status;
    const uint32_t dimensions = rows->columns;
    magnitude_limit *limits = NULL;
    block_ends ends = {0};
    *out = (block_summary){0};
    TRY(ALLOCATE(context, rows->rows, &limits));
    TRY(ALLOCATE(context, dimensions, &ends.highest));
    TRY(ALLOCATE(context, dimensions, &ends.lowest));
    TRY(ALLOCATE(context, dimensions, &ends.dimensions));
    TRY(ALLOCATE_ZEROED(context, dimensions, &ends.counts));
    TRY(ALLOCATE_ZEROED(context, (size_t)dimensions + 1, &out->highest_begins));
    TRY(ALLOCATE_ZEROED(context, (size_t)dimensions + 1, &out->lowest_begins));
    limit_items(context, rows, share, limits, out);
    walk_blocks(rows, priors, blocks, limits, share < 1.0, &ends, out);
    add_up(out->highest_begins, dimensions);
    add_up(out->lowest_begins, dimensions);
    TRY(ALLOCATE(context, out->highest_begins[dimensions], &out->highest));
    TRY(ALLOCATE(context, out->lowest_begins[dimensions], &out->lowest));
    walk_blocks(rows, priors, blocks, limits, share < 1.0, &ends, out);
    move_back(out->highest_begins, dimensions);
    move_back(out->lowest_begins, dimensions);
done:
    free(limits);
    free(ends.highest);
    free(ends.lowest);
    free(ends.dimensions);
    free(ends.counts);
    if (status != TOPN_OK)
        block_summary_clear(out);
    return status;
}

void block_summary_clear(block_summary *summary)
{
    free(summary->highest_begins);
    free(summary->lowest_begins);
    free(summary->highest);
    free(summary->lowest);
    *summary = (block_summary){0};
}

void block_sums(const block_postings *highest, const block_postings *lowest, uint32_t dimensions, const float *phi,
                float *sums)
{
    for (uint32_t dimension = 0; dimension < dimensions; dimension++) {
        const float factor = phi[dimension];
        if (factor == 0.0f)
            continue;
        const block_postings *end = factor > 0.0f ? highest : lowest;
        for (uint64_t at = end->begins[dimension]; at < end->begins[dimension + 1]; at++) {
            const uint32_t bits = end->entries[at] & UINT32_C(0xffff0000);
            float value;
            memcpy(&value, &bits, sizeof value);
            sums[end->entries[at] & 0xffff] += factor * value;
        }
    }
}
