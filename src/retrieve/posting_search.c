/* SPDX-License-Identifier: Apache-2.0 */
#include "retrieve/posting_search.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/vector.h"
#include "retrieve/cache.h"
#include "retrieve/item_score.h"
#include "retrieve/top_list.h"

/* Times are counted in entries of postings; measured over rows of 200 non-zeros, tables of 20 000 to 40 000 items. */
enum {
    ROW_COST = 2,       /* a non-zero of a row that is read by itself */
    SCANS_PER_COST = 2, /* non-zeros of all rows, read one row after the other, in the time of one entry */
    STOP_SHARE = 8,     /* a stop saves one entry in so many, about */
    SAMPLE = 16,        /* one item in so many says whether a look at all is worth it, */
    CHUNK = 64,         /* taken in chunks of so many */
    CHECKS = 4,
    BUCKETS = 2048, /* of shares: sign, exponent and three bits of a float */
    BUCKET_SHIFT = 20,
};

/* Where, about, to look whether the rest can be left out: shares of the entries, in percent. */
static const uint64_t check_shares[CHECKS] = {55, 70, 80, 90};

/* After how many dimensions, and what the rest of them can add. */
typedef struct checkpoint {
    size_t place;
    uint64_t entries_left;
    float up, low, norm; /* Σ max, Σ min, ‖φ_rest‖ */
} checkpoint;

/* What a search is about. */
typedef struct question {
    const sparse_matrix *postings;
    const posting_bounds *bounds;
    const float *phi;
    const unsigned char *refused;
    size_t n;
    float slack; /* rounding of a score, for an item of reach 1 */
} question;

topn_status posting_bounds_create(topn_context *context, const topn_model *model, const sparse_matrix *rows,
                                  posting_bounds *out)
{
    topn_status status;
    *out = (posting_bounds){0};
    TRY(ALLOCATE_ZEROED(context, rows->columns, &out->most));
    TRY(ALLOCATE_ZEROED(context, rows->columns, &out->least));
    TRY(ALLOCATE(context, rows->rows, &out->reach));
    for (uint32_t item = 0; item < rows->rows; item++) {
        const float prior = model->table.priors ? model->table.priors[item] : 1.0f;
        double square = 0.0;
        for (uint64_t at = rows->indptr[item]; at < rows->indptr[item + 1]; at++) {
            const float value = rows->values[at] * prior;
            const uint32_t dimension = rows->indices[at];
            out->most[dimension] = value > out->most[dimension] ? value : out->most[dimension];
            out->least[dimension] = value < out->least[dimension] ? value : out->least[dimension];
            square += (double)rows->values[at] * (double)rows->values[at];
        }
        out->reach[item] = (float)(sqrt(square) * fabs((double)prior));
        const uint64_t length = rows->indptr[item + 1] - rows->indptr[item];
        out->longest = length > out->longest ? length : out->longest;
    }
    return TOPN_OK;
done:
    posting_bounds_clear(out);
    return status;
}

void posting_bounds_clear(posting_bounds *bounds)
{
    free(bounds->most);
    free(bounds->least);
    free(bounds->reach);
    *bounds = (posting_bounds){0};
}

topn_status posting_search_create(topn_context *context, const topn_retriever *retriever, posting_search **out)
{
    topn_status status = TOPN_OK;
    posting_search *search = NULL;
    *out = NULL;
    if (!retriever->rows || retriever->rows->form != TABLE_SPARSE)
        return TOPN_OK;
    TRY(ALLOCATE_ZEROED(context, 1, &search));
    search->retriever = retriever;
    TRY(ALLOCATE(context, (size_t)retriever->rows->sparse.columns + 1, &search->dimensions));
    TRY(ALLOCATE(context, retriever->rows->sparse.columns, &search->order));
    TRY(ALLOCATE(context, retriever->rows->sparse.rows, &search->partial));
    TRY(ALLOCATE(context, retriever->rows->sparse.rows, &search->lower));
    TRY(ALLOCATE(context, retriever->rows->sparse.rows, &search->upper));
    *out = search;
    return TOPN_OK;
done:
    posting_search_free(search);
    return status;
}

void posting_search_free(posting_search *search)
{
    if (!search)
        return;
    free(search->dimensions);
    free(search->order);
    free(search->partial);
    free(search->lower);
    free(search->upper);
    free(search);
}

static uint64_t posting_length(const sparse_matrix *postings, uint32_t dimension)
{
    return postings->indptr[dimension + 1] - postings->indptr[dimension];
}

bool posting_search_pays(posting_search *search, const float *phi, size_t n)
{
    const sparse_matrix *rows = &search->retriever->rows->sparse, *postings = cache_ready_postings(search->retriever);
    const uint64_t nonzeros = rows->indptr[rows->rows];
    if (!postings || rows->rows == 0 || n == 0 || n > rows->rows / SAMPLE)
        return false;
    search->entries = 0;
    search->count = 0;
    for (uint32_t dimension = 0; dimension < rows->columns; dimension++) {
        search->dimensions[search->count] = dimension; /* without a branch that the processor cannot foresee */
        search->count += phi[dimension] != 0.0f;
    }
    for (size_t place = 0; place < search->count; place++)
        search->entries += posting_length(postings, search->dimensions[place]);
    return search->entries < nonzeros / SCANS_PER_COST &&
           search->entries / STOP_SHARE > n * (nonzeros / rows->rows + 1) * ROW_COST;
}

/* A bucket for every greatest possible share, those of the greatest first. */
static uint32_t bucket_of(const question *asked, uint32_t dimension)
{
    const float width = asked->bounds->most[dimension] - asked->bounds->least[dimension];
    const float share = fabsf(asked->phi[dimension]) * width / (float)(posting_length(asked->postings, dimension) + 1);
    uint32_t bits;
    memcpy(&bits, &share, sizeof bits);
    return BUCKETS - 1 - (bits >> BUCKET_SHIFT & (BUCKETS - 1));
}

/* φ's dimensions in stretches between checkpoints, those of the greatest shares first; within a stretch they ascend, as
 * their postings lie in memory. Sets where each check is, the last one at the end. */
static void order_dimensions(posting_search *search, const question *asked, checkpoint *checks)
{
    uint64_t entries[BUCKETS] = {0}, before = 0;
    unsigned char stretch_of[BUCKETS], stretch = 0;
    size_t places[CHECKS + 1], counts[CHECKS + 1] = {0};
    for (size_t place = 0; place < search->count; place++)
        entries[bucket_of(asked, search->dimensions[place])] +=
            posting_length(asked->postings, search->dimensions[place]);
    for (uint32_t bucket = 0; bucket < BUCKETS; bucket++) {
        while (stretch < CHECKS && before * 100 >= check_shares[stretch] * search->entries)
            stretch++;
        stretch_of[bucket] = stretch;
        before += entries[bucket];
    }
    for (size_t place = 0; place < search->count; place++)
        counts[stretch_of[bucket_of(asked, search->dimensions[place])]]++;
    for (size_t check = 0, place = 0; check <= CHECKS; check++) {
        places[check] = place;
        place += counts[check];
        checks[check] = (checkpoint){.place = place};
    }
    for (size_t place = 0; place < search->count; place++)
        search->order[places[stretch_of[bucket_of(asked, search->dimensions[place])]]++] = search->dimensions[place];
}

/* What follows each check can add: summed from the last dimension to the first. */
static void sum_rests(const posting_search *search, const question *asked, checkpoint *checks)
{
    double up = 0.0, low = 0.0, square = 0.0;
    uint64_t left = 0;
    for (int check = CHECKS; check-- > 0;) {
        for (size_t place = checks[check].place; place < checks[check + 1].place; place++) {
            const uint32_t dimension = search->order[place];
            const double factor = (double)asked->phi[dimension];
            const double most = factor * (double)asked->bounds->most[dimension];
            const double least = factor * (double)asked->bounds->least[dimension];
            up += most > least ? most : least;
            low += most < least ? most : least;
            square += factor * factor;
            left += posting_length(asked->postings, dimension);
        }
        checks[check].entries_left = left;
        checks[check].up = (float)up;
        checks[check].low = (float)low;
        checks[check].norm = (float)sqrt(square);
    }
}

static void add_dimensions(posting_search *search, const question *asked, size_t begin, size_t end)
{
    const sparse_matrix *postings = asked->postings;
    for (size_t place = begin; place < end; place++) {
        const uint32_t dimension = search->order[place];
        const float factor = asked->phi[dimension];
        const uint64_t next = postings->indptr[search->order[place + 1 < end ? place + 1 : place]];
        __builtin_prefetch(postings->indices + next);
        __builtin_prefetch(postings->values + next);
        for (uint64_t at = postings->indptr[dimension]; at < postings->indptr[dimension + 1]; at++)
            search->partial[postings->indices[at]] += factor * postings->values[at];
        search->entries_read += posting_length(postings, dimension);
    }
}

/* lower, upper [count]: bounds of scores from their partial sums, which are in lower. */
VECTOR_CLONES
static void widen_scores(const checkpoint *check, float slack, const float *restrict reach, size_t count,
                         float *restrict lower, float *restrict upper)
{
    const float most = check->up, least = check->low, norm = check->norm;
    for (size_t item = 0; item < count; item++) {
        const float far = norm * reach[item], rounding = slack * reach[item], score = lower[item];
        lower[item] = score + (least > -far ? least : -far) - rounding;
        upper[item] = score + (most < far ? most : far) + rounding;
    }
}

VECTOR_CLONES
static void add_biases(const float *restrict biases, size_t count, float *restrict lower, float *restrict upper)
{
    for (size_t item = 0; item < count; item++) {
        const float rounding = 8.0f * FLT_EPSILON * fabsf(biases[item]);
        lower[item] += biases[item] - rounding;
        upper[item] += biases[item] + rounding;
    }
}

VECTOR_CLONES
static void refuse_bounds(const unsigned char *restrict refused, size_t count, float *restrict lower,
                          float *restrict upper)
{
    for (size_t item = 0; item < count; item++) {
        lower[item] = refused[item] ? -INFINITY : lower[item];
        upper[item] = refused[item] ? -INFINITY : upper[item];
    }
}

VECTOR_CLONES
static uint32_t count_from(const float *scores, size_t count, float threshold)
{
    uint32_t open = 0;
    for (size_t item = 0; item < count; item++)
        open += scores[item] >= threshold;
    return open;
}

/* Bounds of the scores of `count` items from `first` on, where they belong in lower and upper. */
static void bound_scores(const posting_search *search, const question *asked, const checkpoint *check, size_t first,
                         size_t count)
{
    const topn_model *model = search->retriever->model;
    float *lower = search->lower + first, *upper = search->upper + first;
    if (model->table.priors)
        for (size_t item = 0; item < count; item++)
            lower[item] = search->partial[first + item] * model->table.priors[first + item];
    else
        memcpy(lower, search->partial + first, count * sizeof *lower);
    widen_scores(check, asked->slack, asked->bounds->reach + first, count, lower, upper);
    if (model->table.biases)
        add_biases(model->table.biases + first, count, lower, upper);
    refuse_bounds(asked->refused + first, count, lower, upper);
}

/* One chunk of items in SAMPLE by itself: about how many of all items could be among the n best. */
static uint64_t estimate_open(const posting_search *search, const question *asked, const checkpoint *check,
                              uint32_t *item_out, float *score_out)
{
    const size_t items = search->retriever->model->items, n = asked->n / SAMPLE ? asked->n / SAMPLE : 1;
    size_t sampled = 0;
    for (size_t first = 0; first + CHUNK <= items; first += (size_t)SAMPLE * CHUNK, sampled += CHUNK) {
        bound_scores(search, asked, check, first, CHUNK);
        memmove(search->lower + sampled, search->lower + first, CHUNK * sizeof *search->lower);
        memmove(search->upper + sampled, search->upper + first, CHUNK * sizeof *search->upper);
    }
    if (select_top(search->lower, (uint32_t)sampled, n, item_out, score_out) < n)
        return items;
    return (uint64_t)count_from(search->upper, sampled, score_out[n - 1]) * items / sampled;
}

/* At a checkpoint: whether few enough items are open that their rows cost less than `entries`. *threshold: what the
 * upper bound of such items is at least. */
static bool may_stop(const posting_search *search, const question *asked, const checkpoint *check, uint64_t entries,
                     uint32_t *item_out, float *score_out, float *threshold)
{
    const sparse_matrix *rows = &search->retriever->rows->sparse;
    const uint64_t row_cost = (rows->indptr[rows->rows] / rows->rows + 1) * ROW_COST;
    if (check->entries_left && estimate_open(search, asked, check, item_out, score_out) * row_cost > entries)
        return false;
    bound_scores(search, asked, check, 0, rows->rows);
    if (select_top(search->lower, rows->rows, asked->n, item_out, score_out) < asked->n)
        return false;
    *threshold = score_out[asked->n - 1];
    return count_from(search->upper, rows->rows, *threshold) * row_cost <= entries;
}

/* The n best of the items that can still be among them, by their rows. */
static size_t score_open(posting_search *search, const question *asked, float threshold, uint32_t *item_out,
                         float *score_out)
{
    const topn_model *model = search->retriever->model;
    top_list list = {.items = item_out, .scores = score_out, .room = asked->n};
    for (uint32_t item = 0; item < model->items; item++) {
        if (!(search->upper[item] >= threshold))
            continue;
        const float score = item_score(model, search->retriever->rows, asked->phi, item);
        search->rows_scored++;
        if (score > -INFINITY)
            top_list_offer(&list, item, score);
    }
    top_list_sort(&list);
    return list.count;
}

bool posting_search_run(posting_search *search, const float *phi, const unsigned char *refused, size_t n,
                        uint32_t *item_out, float *score_out, size_t *found)
{
    const sparse_matrix *rows = &search->retriever->rows->sparse;
    question asked = {.postings = cache_ready_postings(search->retriever),
                      .bounds = cache_bounds(search->retriever),
                      .phi = phi,
                      .refused = refused,
                      .n = n};
    checkpoint checks[CHECKS + 1];
    double square = 0.0;
    *found = 0;
    search->entries_read = 0;
    search->rows_scored = 0;
    if (!asked.postings || !asked.bounds)
        return false;
    for (size_t place = 0; place < search->count; place++)
        square += (double)phi[search->dimensions[place]] * (double)phi[search->dimensions[place]];
    /* A sum of m products is off by at most (m + 2)·2⁻²⁴·Σ|terms|, the terms being at most ‖φ‖·reach in all (Cauchy and
     * Schwarz); there are two such sums, the score and the one here, and the arithmetic of the bounds. */
    asked.slack = (float)((2.0 * (double)asked.bounds->longest + 32.0) * 0x1p-24 * sqrt(square));
    order_dimensions(search, &asked, checks);
    sum_rests(search, &asked, checks);
    memset(search->partial, 0, rows->rows * sizeof *search->partial);
    size_t done = 0;
    for (int check = 0; check <= CHECKS; check++) {
        float threshold;
        add_dimensions(search, &asked, done, checks[check].place);
        done = checks[check].place;
        /* At the end the alternative is to read all rows, or the postings once more. */
        const uint64_t entries = check < CHECKS ? checks[check].entries_left : search->entries;
        if (!may_stop(search, &asked, &checks[check], entries, item_out, score_out, &threshold))
            continue;
        *found = score_open(search, &asked, threshold, item_out, score_out);
        return true;
    }
    return false;
}
