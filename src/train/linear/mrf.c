/* SPDX-License-Identifier: Apache-2.0
 *
 * Sparse approximation of EASE by blocks of neighbours (Steck, Markov Random Fields for Collaborative Filtering,
 * NeurIPS 2019, §3.2). The pattern comes first: the neighbours N(i) of each item by scaled covariance. Then, items with
 * most neighbours first,
 *
 *     S = N(i) ∪ {i},   D = i and its strongest neighbours, a share r of S,
 *     column j of B on S = −Z_·j / Z_jj,   Z = ((G + R)[S, S])⁻¹,   for every j in D,
 *
 * after which no item of D starts a block of its own. Where several blocks give a weight it is their mean; where none
 * does, or outside the pattern, it is 0. With r = 0 each item has its own block. Entries of G are exact.
 *
 * The paper rescales X to zero mean and variance v^(1−α); here that serves the pattern alone, and the weights are those
 * of the plain Gram matrix, as EASE's are: with every pair in the pattern this is EASE. --ridge-exponent gives the
 * ridge that the rescaling would give.
 *
 * Legend: X, W, G, R as in linear/system.h, B as in ease.c, α, v as in linear/pattern.h.
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/threads.h"
#include "numeric/block.h"
#include "numeric/sparse.h"
#include "train/linear/gram_block.h"
#include "train/linear/pattern.h"

enum {
    MOST_NEIGHBORS = 4096,      /* the block of an item takes the square of this */
    MOST_ROUND = 256,           /* blocks between two reports of progress */
    ROUND_FLOATS = 16 * 1 << 20 /* that their weights take, unless one block takes more */
};

typedef struct mrf_params {
    linear_params linear;
    int64_t k, history_cap;
    double alpha, threshold, share;
} mrf_params;

static const option_row mrf_options[] = {
    LINEAR_OPTIONS(mrf_params),
    OPTION_INTEGER(mrf_params, k, "k", 200, 1, MOST_NEIGHBORS, "neighbours of an item, and weights kept, at most"),
    OPTION_REAL(mrf_params, threshold, "threshold", 0, 0, 1e12,
                "pairs of items whose scaled covariance is less in magnitude are no neighbours"),
    OPTION_REAL(mrf_params, share, "block-share", 0, 0, 1,
                "r: share of a block's items whose weights it gives; 0 = a block for each item, the most exact"),
    OPTION_REAL(mrf_params, alpha, "pattern-exponent", 0.75, 0, 2,
                "α: neighbours are chosen by covariance / (variance · variance)^(α/2)", SEARCH_LINEAR(0.4, 1)),
    OPTION_INTEGER(mrf_params, history_cap, "history-cap", 500, 0, UINT32_MAX,
                   "choosing neighbours looks at this many events of longer histories; 0 = all"),
};
static const option_table mrf_option_table = OPTION_TABLE(mrf_params, mrf_options);

/* The blocks, in the order in which their weights are added. */
typedef struct block_list {
    uint32_t *starts; /* [items] the item each block belongs to */
    uint32_t *solved; /* [items] |D| */
    uint32_t count, most_solved, most_size;
} block_list;

/* What the rounds work with. */
typedef struct block_round {
    gram_source gram;
    gram_worker *workers; /* [threads] */
    float *matrices;      /* [threads × most_size²] */
    uint32_t *members;    /* [size × most_size] */
    float *weights;       /* [size × most_solved × most_size] Z, one row for each item of D */
    bool *singular;       /* [size] */
    uint32_t size;        /* blocks in a round */
} block_round;

static uint32_t share_of(double share, uint64_t size)
{
    const double wanted = ceil(share * (double)size);
    return wanted < 1 ? 1 : (uint32_t)wanted;
}

static uint32_t round_size(uint64_t most_solved, uint64_t most_size)
{
    const uint64_t fit = ROUND_FLOATS / (most_solved * most_size);
    return fit < 1 ? 1 : fit > MOST_ROUND ? MOST_ROUND : (uint32_t)fit;
}

static uint64_t neighbors(const mrf_params *params, uint64_t items)
{
    return (uint64_t)params->k < items ? (uint64_t)params->k : items - 1;
}

static training_cost mrf_cost(const topn_data *data, const void *raw)
{
    const mrf_params *params = raw;
    const uint64_t n = data->matrix.columns ? data->matrix.columns : 1, k = neighbors(params, n), size = k + 1;
    const uint64_t solved = share_of(params->share, size), threads = (uint64_t)threads_available();
    const uint64_t blocks = threads * (gram_worker_bytes(data, (uint32_t)size) + size * size * sizeof(float)) +
                            round_size(solved, size) * size * (solved + 1) * sizeof(float);
    /* The pattern with its counts, then beside it the table. */
    const uint64_t tables = pattern_bytes(n, k, (int)threads) + (2 * sizeof(uint32_t) + 8) * k * n;
    /* An item is the neighbour of many: with r > 0 the blocks overlap. So many were counted on MovieLens 1M. */
    const double count = (double)n / (1 + ((double)solved - 1) / 20), dimension = (double)size;
    return (training_cost){
        .bytes = linear_system_bytes(data) + gram_source_bytes(data) + blocks + tables + 64 * n +
                 linear_history_bytes(data, &params->linear),
        .flops = count * dimension * dimension * (dimension / 3 + (double)solved),
        .remedy = "use a smaller --k",
    };
}

typedef struct ranked_item {
    uint64_t neighbors, events;
    uint32_t item;
} ranked_item;

static int most_neighbors_first(const void *a, const void *b)
{
    const ranked_item *left = a, *right = b;
    if (left->neighbors != right->neighbors)
        return left->neighbors > right->neighbors ? -1 : 1;
    if (left->events != right->events)
        return left->events > right->events ? -1 : 1;
    return (left->item > right->item) - (left->item < right->item);
}

typedef struct strong_item {
    float strength;
    uint32_t item;
} strong_item;

static int strongest_last(const void *a, const void *b)
{
    const strong_item *left = a, *right = b;
    if (left->strength != right->strength)
        return left->strength < right->strength ? -1 : 1;
    return (left->item < right->item) - (left->item > right->item);
}

/* S of an item, its strongest neighbours and then itself at the end. scratch [|N| + 1]. Returns |S|. */
static uint32_t list_members(const sparse_matrix *pattern, uint32_t item, strong_item *scratch, uint32_t *members)
{
    const uint64_t begin = pattern->indptr[item];
    const uint32_t count = (uint32_t)(pattern->indptr[item + 1] - begin);
    for (uint32_t at = 0; at < count; at++)
        scratch[at] = (strong_item){fabsf(pattern->values[begin + at]), pattern->indices[begin + at]};
    qsort(scratch, count, sizeof *scratch, strongest_last);
    for (uint32_t at = 0; at < count; at++)
        members[at] = scratch[at].item;
    members[count] = item;
    return count + 1;
}

static void block_list_clear(block_list *list)
{
    free(list->starts);
    free(list->solved);
}

/* Steps 1 and 2 of the paper: which items start a block, in order, and how many columns each gives. */
static topn_status block_list_create(topn_context *context, const linear_system *system, const sparse_matrix *pattern,
                                     double share, block_list *out)
{
    topn_status status;
    const uint32_t n = pattern->rows;
    ranked_item *ranking = NULL; /* [items] */
    strong_item *scratch = NULL; /* [items] */
    uint32_t *members = NULL;    /* [items] */
    uint8_t *done_items = NULL;  /* [items] in the D of a block */
    *out = (block_list){0};
    TRY(ALLOCATE(context, n, &out->starts));
    TRY(ALLOCATE(context, n, &out->solved));
    TRY(ALLOCATE(context, n, &ranking));
    TRY(ALLOCATE(context, n, &scratch));
    TRY(ALLOCATE(context, n, &members));
    TRY(ALLOCATE_ZEROED(context, n, &done_items));
    for (uint32_t item = 0; item < n; item++)
        ranking[item] = (ranked_item){pattern->indptr[item + 1] - pattern->indptr[item],
                                      system->xt.indptr[item + 1] - system->xt.indptr[item], item};
    qsort(ranking, n, sizeof *ranking, most_neighbors_first);
    for (uint32_t at = 0; at < n; at++) {
        const uint32_t item = ranking[at].item;
        if (done_items[item])
            continue;
        const uint32_t size = list_members(pattern, item, scratch, members), solved = share_of(share, size);
        for (uint32_t last = 0; last < solved; last++)
            done_items[members[size - 1 - last]] = 1;
        out->starts[out->count] = item;
        out->solved[out->count++] = solved;
        out->most_size = size > out->most_size ? size : out->most_size;
        out->most_solved = solved > out->most_solved ? solved : out->most_solved;
    }
done:
    free(ranking);
    free(scratch);
    free(members);
    free(done_items);
    return status; /* the caller clears */
}

static void block_round_clear(block_round *round, int threads)
{
    for (int thread = 0; round->workers && thread < threads; thread++)
        gram_worker_clear(&round->workers[thread]);
    gram_source_clear(&round->gram);
    free(round->workers);
    free(round->matrices);
    free(round->members);
    free(round->weights);
    free(round->singular);
}

static topn_status block_round_create(topn_context *context, const linear_system *system, const block_list *list,
                                      block_round *out)
{
    topn_status status;
    const size_t threads = (size_t)context->threads, size = list->most_size;
    *out = (block_round){.size = round_size(list->most_solved, list->most_size)};
    if (out->size > list->count)
        out->size = list->count;
    TRY(gram_source_create(context, system, gram_head_size(system->x.columns), &out->gram));
    TRY(ALLOCATE_ZEROED(context, threads, &out->workers));
    for (size_t thread = 0; thread < threads; thread++)
        TRY(gram_worker_create(context, &out->gram, list->most_size, &out->workers[thread]));
    TRY(ALLOCATE(context, threads * size * size, &out->matrices));
    TRY(ALLOCATE(context, out->size * size, &out->members));
    TRY(ALLOCATE(context, out->size * size * list->most_solved, &out->weights));
    TRY(ALLOCATE(context, out->size, &out->singular));
done:
    return status; /* the caller clears */
}

/* Step 3 for block `block`, whose results go to place `slot` of the round. */
static void solve_block(const sparse_matrix *pattern, const block_list *list, block_round *round, uint32_t block,
                        uint32_t slot)
{
    const size_t most = list->most_size, solved = list->solved[block];
    const int thread = thread_index();
    float *matrix = round->matrices + (size_t)thread * most * most;
    uint32_t *members = round->members + slot * most;
    /* The block's matrix is not needed before the members are known. */
    const uint32_t size = list_members(pattern, list->starts[block], (strong_item *)matrix, members);
    gram_block_fill(&round->gram, &round->workers[thread], members, size, matrix);
    round->singular[slot] = !block_inverse_rows(matrix, size, solved, round->weights + slot * most * list->most_solved);
}

/* Of every entry of the pattern: weights so far, and of how many blocks. */
typedef struct weight_sums {
    float *sums;      /* [entries] */
    uint32_t *counts; /* [entries] */
    uint32_t *place;  /* [items] 0, or 1 + the place of an item in the block at hand */
} weight_sums;

/* Adds the weights that one block gives to its columns, which are rows of the pattern. */
static void add_block(const sparse_matrix *pattern, const block_list *list, const block_round *round, uint32_t block,
                      uint32_t slot, weight_sums *sums)
{
    const size_t most = list->most_size;
    const uint32_t *members = round->members + slot * most, start = list->starts[block];
    const uint32_t size = (uint32_t)(pattern->indptr[start + 1] - pattern->indptr[start]) + 1;
    const float *inverse = round->weights + slot * most * list->most_solved;
    for (uint32_t at = 0; at < size; at++)
        sums->place[members[at]] = at + 1;
    for (uint32_t row = 0; row < list->solved[block]; row++, inverse += size) {
        const uint32_t own = size - list->solved[block] + row, j = members[own];
        for (uint64_t at = pattern->indptr[j]; at < pattern->indptr[j + 1]; at++) {
            const uint32_t found = sums->place[pattern->indices[at]];
            if (!found)
                continue;
            sums->sums[at] -= inverse[found - 1] / inverse[own];
            sums->counts[at]++;
        }
    }
    for (uint32_t at = 0; at < size; at++)
        sums->place[members[at]] = 0;
}

/* All blocks, round after round; the sums are made in the order of the list. */
static topn_status solve_rounds(topn_context *context, const sparse_matrix *pattern, const block_list *list,
                                block_round *round, weight_sums *sums)
{
    topn_status status = TOPN_OK;
    for (uint32_t begin = 0; begin < list->count; begin += round->size) {
        TRY(progress_report(context, "solve", "blocks", begin, list->count, NAN));
        const uint32_t end = list->count - begin < round->size ? list->count : begin + round->size;
#pragma omp parallel for num_threads(context->threads) schedule(dynamic, 1)
        for (uint32_t block = begin; block < end; block++)
            solve_block(pattern, list, round, block, block - begin);
        for (uint32_t block = begin; block < end; block++) {
            if (round->singular[block - begin]) {
                status = fail(context, TOPN_ERROR_NUMERIC,
                              "a block of the Gram matrix plus ridge is not positive definite in single precision; "
                              "raise --l2");
                goto done;
            }
            add_block(pattern, list, round, block, block - begin, sums);
        }
    }
    status = progress_report(context, "solve", "blocks", list->count, list->count, NAN);
done:
    return status;
}

/* The pattern's values become the means of the sums; entries that no block gave go. */
static void average(const weight_sums *sums, sparse_matrix *pattern)
{
    uint64_t to = 0, at = 0;
    for (uint32_t row = 0; row < pattern->rows; row++) {
        for (; at < pattern->indptr[row + 1]; at++) {
            if (!sums->counts[at])
                continue;
            pattern->indices[to] = pattern->indices[at];
            pattern->values[to++] = sums->sums[at] / (float)sums->counts[at];
        }
        pattern->indptr[row + 1] = to;
    }
}

/* The pattern, whose rows are the columns of B, gets the weights as values. */
static topn_status set_weights(topn_context *context, const linear_system *system, double share, record *metadata,
                               sparse_matrix *pattern)
{
    topn_status status;
    const uint64_t entries = pattern->indptr[pattern->rows];
    const int saved = threads_serial_blas_begin();
    block_list list = {0};
    block_round round = {0};
    weight_sums sums = {0};
    TRY(block_list_create(context, system, pattern, share, &list));
    TRY(record_set(context, metadata, "train.blocks", "%" PRIu32, list.count));
    TRY(block_round_create(context, system, &list, &round));
    TRY(ALLOCATE_ZEROED(context, entries, &sums.sums));
    TRY(ALLOCATE_ZEROED(context, entries, &sums.counts));
    TRY(ALLOCATE_ZEROED(context, pattern->rows, &sums.place));
    TRY(solve_rounds(context, pattern, &list, &round, &sums));
    average(&sums, pattern);
done:
    threads_serial_blas_end(saved);
    free(sums.sums);
    free(sums.counts);
    free(sums.place);
    block_round_clear(&round, context->threads);
    block_list_clear(&list);
    return status;
}

static topn_status mrf_train(topn_context *context, const topn_data *data, const void *raw, topn_model *model)
{
    const mrf_params *params = raw;
    topn_status status;
    linear_system system = {0};
    sparse_matrix pattern = {0};
    const pattern_settings settings = {.keep = (uint32_t)params->k,
                                       .cap = (uint32_t)params->history_cap,
                                       .alpha = params->alpha,
                                       .threshold = params->threshold,
                                       .by_magnitude = true};
    TRY(linear_system_create(context, data, &params->linear, ORDER_GIVEN, &system));
    double start = clock_seconds();
    TRY(pattern_create(context, &system, &settings, &pattern));
    TRY(linear_phase(context, &model->metadata, "pattern", start));
    start = clock_seconds();
    TRY(set_weights(context, &system, params->share, &model->metadata, &pattern));
    TRY(linear_phase(context, &model->metadata, "solve", start));
    model->encoder.kind = ENCODER_BAG;
    model->encoder.use_weights = params->linear.values == 1;
    model->table.kind = ITEMS_IDENTITY;
    TRY(linear_priors(context, data, params->linear.score_exponent, NULL, &model->table.priors));
    TRY(sparse_transpose(context, &pattern, &model->encoder.rows.sparse));
    model->encoder.rows.form = TABLE_SPARSE;
done:
    sparse_clear(&pattern);
    linear_system_clear(&system);
    return status;
}

const method method_mrf = {
    .name = "mrf",
    .summary = "EASE approximated on the neighbours of each item, O(k·N) memory",
    .paper = "Steck 2019, Markov Random Fields for Collaborative Filtering, §3.2",
    .options = &mrf_option_table,
    .cost = mrf_cost,
    .train = mrf_train,
};
