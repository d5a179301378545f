/* SPDX-License-Identifier: Apache-2.0
 *
 * Magnitudes are compared as the bit patterns of |x|, which order like the numbers themselves.
 */
#include "numeric/prune.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/threads.h"
#include "numeric/sparse.h"

enum { HALF_BINS = 1 << 16 };

static inline uint32_t magnitude_bits(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits & 0x7fffffffu;
}

/* Rows of either form. */
typedef struct row_source {
    const float *values;
    const uint64_t *offsets; /* [rows + 1], or NULL: row r starts at r · columns */
    const uint32_t *indices; /* columns of the values, or NULL: 0, 1, … */
    size_t rows, columns;
} row_source;

static row_source dense_source(const dense_matrix *matrix)
{
    return (row_source){.values = matrix->values, .rows = matrix->rows, .columns = matrix->columns};
}

static row_source sparse_source(const sparse_matrix *matrix)
{
    return (row_source){matrix->values, matrix->indptr, matrix->indices, matrix->rows, matrix->columns};
}

/* Where row r starts, and how many values it has. */
static inline size_t row_start(const row_source *from, size_t r, size_t *count)
{
    *count = from->offsets ? from->offsets[r + 1] - from->offsets[r] : from->columns;
    return from->offsets ? from->offsets[r] : r * from->columns;
}

static size_t widest_row(const row_source *from)
{
    size_t widest = 0, count;
    for (size_t r = 0; r < from->rows; r++) {
        row_start(from, r, &count);
        widest = count > widest ? count : widest;
    }
    return widest;
}

/* Counts of the upper (prefix < 0) or, among entries with that upper half, of the lower 16 bits. */
static topn_status histogram(topn_context *context, const row_source *from, int64_t prefix, uint64_t *counts)
{
    topn_status status;
    uint64_t *all = NULL; /* [threads × HALF_BINS] */
    const int threads = context->threads;
    TRY(ALLOCATE_ZEROED(context, (size_t)threads * HALF_BINS, &all));
#pragma omp parallel for num_threads(threads) schedule(dynamic, 16)
    for (size_t r = 0; r < from->rows; r++) {
        uint64_t *mine = all + (size_t)thread_index() * HALF_BINS;
        size_t count;
        const float *row = from->values + row_start(from, r, &count);
        for (size_t c = 0; c < count; c++) {
            const uint32_t bits = magnitude_bits(row[c]);
            if (prefix < 0)
                mine[bits >> 16]++;
            else if (bits >> 16 == (uint32_t)prefix)
                mine[bits & 0xffff]++;
        }
    }
    for (size_t bin = 0; bin < HALF_BINS; bin++) {
        counts[bin] = 0;
        for (int thread = 0; thread < threads; thread++)
            counts[bin] += all[(size_t)thread * HALF_BINS + bin];
    }
done:
    free(all);
    return status;
}

/* Walks the bins from the top until `*keep` entries are passed; *keep becomes what is still wanted of the bin found. */
static uint32_t bin_of_rank(const uint64_t *counts, uint64_t *keep)
{
    uint32_t bin = HALF_BINS - 1;
    while (bin > 0 && counts[bin] < *keep) {
        *keep -= counts[bin];
        bin--;
    }
    return bin;
}

/* Fills one row's entries above the threshold, and the first `ties` equal to it. Returns how many. */
static uint64_t take_row(const row_source *from, size_t start, size_t width, uint32_t threshold, uint64_t ties,
                         uint32_t *indices, float *values)
{
    const float *row = from->values + start;
    uint64_t count = 0;
    for (size_t c = 0; c < width; c++) {
        const uint32_t bits = magnitude_bits(row[c]);
        if (bits < threshold || bits == 0)
            continue;
        if (bits == threshold) {
            if (ties == 0)
                continue;
            ties--;
        }
        indices[count] = from->indices ? from->indices[start + c] : (uint32_t)c;
        values[count] = row[c];
        count++;
    }
    return count;
}

/* Entries of each row above and at the threshold. */
static void count_rows(const topn_context *context, const row_source *from, uint32_t threshold, uint64_t *above,
                       uint64_t *equal)
{
#pragma omp parallel for num_threads(context->threads) schedule(dynamic, 16)
    for (size_t r = 0; r < from->rows; r++) {
        size_t count;
        const float *row = from->values + row_start(from, r, &count);
        uint64_t more = 0, same = 0;
        for (size_t c = 0; c < count; c++) {
            const uint32_t bits = magnitude_bits(row[c]);
            more += bits > threshold;
            same += bits == threshold;
        }
        above[r] = more;
        equal[r] = threshold ? same : 0;
    }
}

static topn_status keep_globally(topn_context *context, const row_source *from, uint64_t keep, sparse_matrix *out)
{
    topn_status status;
    uint64_t *counts = NULL, *above = NULL, *equal = NULL;
    *out = (sparse_matrix){0};
    TRY(ALLOCATE(context, HALF_BINS, &counts));
    TRY(ALLOCATE(context, from->rows, &above));
    TRY(ALLOCATE(context, from->rows, &equal));
    const uint64_t cells = from->offsets ? from->offsets[from->rows] : (uint64_t)from->rows * from->columns;
    uint64_t wanted = keep < cells ? keep : cells;
    TRY(progress_report(context, "prune", "passes", 0, 4, NAN));
    TRY(histogram(context, from, -1, counts));
    const uint32_t upper = bin_of_rank(counts, &wanted);
    TRY(progress_report(context, "prune", "passes", 1, 4, NAN));
    TRY(histogram(context, from, upper, counts));
    const uint32_t threshold = upper << 16 | bin_of_rank(counts, &wanted); /* `wanted` entries equal to it are kept */
    TRY(progress_report(context, "prune", "passes", 2, 4, NAN));
    count_rows(context, from, threshold, above, equal);
    uint64_t nonzeros = 0;
    for (size_t r = 0; r < from->rows; r++) {
        equal[r] = equal[r] < wanted ? equal[r] : wanted;
        wanted -= equal[r];
        nonzeros += above[r] + equal[r];
    }
    TRY(sparse_create(context, (uint32_t)from->rows, (uint32_t)from->columns, nonzeros, out));
    for (size_t r = 0; r < from->rows; r++)
        out->indptr[r + 1] = out->indptr[r] + above[r] + equal[r];
#pragma omp parallel for num_threads(context->threads) schedule(dynamic, 16)
    for (size_t r = 0; r < from->rows; r++) {
        size_t count;
        const size_t start = row_start(from, r, &count);
        take_row(from, start, count, threshold, equal[r], out->indices + out->indptr[r], out->values + out->indptr[r]);
    }
    status = progress_report(context, "prune", "passes", 4, 4, NAN);
done:
    if (status != TOPN_OK)
        sparse_clear(out);
    free(counts);
    free(above);
    free(equal);
    return status;
}

topn_status prune_global(topn_context *context, const dense_matrix *matrix, uint64_t keep, sparse_matrix *out)
{
    const row_source from = dense_source(matrix);
    return keep_globally(context, &from, keep, out);
}

topn_status prune_sparse_global(topn_context *context, const sparse_matrix *matrix, uint64_t keep, sparse_matrix *out)
{
    const row_source from = sparse_source(matrix);
    return keep_globally(context, &from, keep, out);
}

/* The k-th largest of bits[0 … count), 1 ≤ k ≤ count (quickselect; reorders). */
static uint32_t kth_largest(uint32_t *bits, size_t count, size_t k)
{
    size_t low = 0, high = count - 1, target = k - 1;
    while (low < high) {
        const uint32_t a = bits[low], b = bits[low + (high - low) / 2], c = bits[high];
        const uint32_t pivot = a > b ? (b > c ? b : a > c ? c : a) : (a > c ? a : b > c ? c : b);
        size_t i = low, j = high;
        while (i <= j) {
            while (bits[i] > pivot)
                i++;
            while (bits[j] < pivot)
                j--;
            if (i <= j) {
                const uint32_t swap = bits[i];
                bits[i++] = bits[j];
                bits[j] = swap;
                if (j-- == 0)
                    break;
            }
        }
        if (target <= j && j != SIZE_MAX)
            high = j;
        else if (target >= i)
            low = i;
        else
            return bits[target];
    }
    return bits[target];
}

/* Threshold and number of ties kept for the k largest magnitudes of a row. `scratch` [count]. */
static uint32_t row_threshold(const float *row, size_t count, uint32_t k, uint32_t *scratch, uint64_t *ties)
{
    *ties = UINT64_MAX;
    if (count <= k)
        return 1; /* every non-zero */
    for (size_t c = 0; c < count; c++)
        scratch[c] = magnitude_bits(row[c]);
    const uint32_t threshold = kth_largest(scratch, count, k);
    uint64_t above = 0;
    for (size_t c = 0; c < count; c++)
        above += magnitude_bits(row[c]) > threshold;
    *ties = k - above;
    return threshold;
}

uint32_t prune_row(const float *row, size_t columns, uint32_t k, uint32_t *scratch, uint32_t *indices, float *values)
{
    if (k == 0)
        return 0;
    uint64_t ties;
    const row_source from = {.values = row, .rows = 1, .columns = columns};
    const uint32_t threshold = row_threshold(row, columns, k, scratch, &ties);
    return (uint32_t)take_row(&from, 0, columns, threshold, ties, indices, values);
}

static topn_status keep_of_rows(topn_context *context, const row_source *from, uint32_t k, bool lower_triangle,
                                const uint32_t *source, sparse_matrix *out)
{
    topn_status status;
    uint32_t *scratch = NULL; /* [threads × columns] */
    sparse_matrix wide = {0}; /* room for k entries a row, then closed up */
    const size_t columns = from->columns, widest = widest_row(from);
    const uint64_t room = k < widest ? k : widest;
    *out = (sparse_matrix){0};
    TRY(progress_report(context, "prune", "rows", 0, from->rows, NAN));
    TRY(ALLOCATE(context, (size_t)context->threads * columns, &scratch));
    TRY(sparse_create(context, (uint32_t)from->rows, (uint32_t)columns, room * from->rows, &wide));
#pragma omp parallel for num_threads(context->threads) schedule(dynamic, 16)
    for (size_t r = 0; r < from->rows; r++) {
        const size_t row = source ? source[r] : r;
        size_t count;
        const size_t start = row_start(from, row, &count), width = lower_triangle ? row + 1 : count;
        uint64_t ties;
        const uint32_t threshold =
            row_threshold(from->values + start, width, k, scratch + (size_t)thread_index() * columns, &ties);
        wide.indptr[r + 1] =
            take_row(from, start, width, threshold, ties, wide.indices + r * room, wide.values + r * room);
    }
    TRY(sparse_close_up(context, &wide, room));
    *out = wide;
    wide = (sparse_matrix){0};
    status = progress_report(context, "prune", "rows", from->rows, from->rows, NAN);
done:
    sparse_clear(&wide);
    if (status != TOPN_OK)
        sparse_clear(out);
    free(scratch);
    return status;
}

topn_status prune_rows(topn_context *context, const dense_matrix *matrix, uint32_t k, bool lower_triangle,
                       const uint32_t *source, sparse_matrix *out)
{
    const row_source from = dense_source(matrix);
    return keep_of_rows(context, &from, k, lower_triangle, source, out);
}

topn_status prune_sparse_rows(topn_context *context, const sparse_matrix *matrix, uint32_t k, sparse_matrix *out)
{
    const row_source from = sparse_source(matrix);
    return keep_of_rows(context, &from, k, false, NULL, out);
}

enum { COLUMN_BLOCK = 16 }; /* columns gathered at once: a cache line of each row */

/* What a column keeps: entries above the threshold, and those equal to it down to row `last_tie`. */
typedef struct column_rule {
    uint32_t threshold;
    size_t last_tie;
} column_rule;

/* `gathered` [COLUMN_BLOCK × rows] and `scratch` [rows] are the thread's. */
static void rule_of_columns(const dense_matrix *matrix, size_t begin, size_t end, uint32_t k, float *gathered,
                            uint32_t *scratch, column_rule *rules)
{
    const size_t rows = matrix->rows;
    for (size_t r = 0; r < rows; r++)
        for (size_t c = begin; c < end; c++)
            gathered[(c - begin) * rows + r] = matrix->values[r * matrix->columns + c];
    for (size_t c = begin; c < end; c++) {
        const float *column = gathered + (c - begin) * rows;
        uint64_t ties;
        rules[c].threshold = row_threshold(column, rows, k, scratch, &ties);
        rules[c].last_tie = rows;
        for (size_t r = 0; r < rows && ties != UINT64_MAX; r++)
            if (magnitude_bits(column[r]) == rules[c].threshold && --ties == 0)
                rules[c].last_tie = r;
    }
}

static bool column_keeps(const column_rule *rule, size_t row, float value)
{
    const uint32_t bits = magnitude_bits(value);
    return bits > 0 && (bits > rule->threshold || (bits == rule->threshold && row <= rule->last_tie));
}

topn_status prune_columns(topn_context *context, const dense_matrix *matrix, uint32_t k, sparse_matrix *out)
{
    topn_status status;
    column_rule *rules = NULL; /* [columns] */
    float *gathered = NULL;    /* [threads × COLUMN_BLOCK × rows] */
    uint32_t *scratch = NULL;  /* [threads × rows] */
    uint64_t *counts = NULL;   /* [rows] */
    const size_t rows = matrix->rows, columns = matrix->columns, threads = (size_t)context->threads;
    const size_t blocks = (columns + COLUMN_BLOCK - 1) / COLUMN_BLOCK;
    *out = (sparse_matrix){0};
    TRY(ALLOCATE(context, columns, &rules));
    TRY(ALLOCATE(context, threads * COLUMN_BLOCK * rows, &gathered));
    TRY(ALLOCATE(context, threads * rows, &scratch));
    TRY(ALLOCATE(context, rows, &counts));
    TRY(progress_report(context, "prune", "passes", 0, 3, NAN));
#pragma omp parallel for num_threads(context->threads) schedule(dynamic, 1)
    for (size_t block = 0; block < blocks; block++) {
        const size_t begin = block * COLUMN_BLOCK,
                     end = columns - begin < COLUMN_BLOCK ? columns : begin + COLUMN_BLOCK;
        rule_of_columns(matrix, begin, end, k, gathered + (size_t)thread_index() * COLUMN_BLOCK * rows,
                        scratch + (size_t)thread_index() * rows, rules);
    }
    TRY(progress_report(context, "prune", "passes", 1, 3, NAN));
#pragma omp parallel for num_threads(context->threads) schedule(static)
    for (size_t r = 0; r < rows; r++) {
        counts[r] = 0;
        for (size_t c = 0; c < columns; c++)
            counts[r] += column_keeps(&rules[c], r, matrix->values[r * columns + c]);
    }
    TRY(progress_report(context, "prune", "passes", 2, 3, NAN));
    uint64_t nonzeros = 0;
    for (size_t r = 0; r < rows; r++)
        nonzeros += counts[r];
    TRY(sparse_create(context, (uint32_t)rows, (uint32_t)columns, nonzeros, out));
    for (size_t r = 0; r < rows; r++)
        out->indptr[r + 1] = out->indptr[r] + counts[r];
#pragma omp parallel for num_threads(context->threads) schedule(static)
    for (size_t r = 0; r < rows; r++) {
        uint64_t at = out->indptr[r];
        for (size_t c = 0; c < columns; c++)
            if (column_keeps(&rules[c], r, matrix->values[r * columns + c])) {
                out->indices[at] = (uint32_t)c;
                out->values[at++] = matrix->values[r * columns + c];
            }
    }
    status = progress_report(context, "prune", "passes", 3, 3, NAN);
done:
    if (status != TOPN_OK)
        sparse_clear(out);
    free(rules);
    free(gathered);
    free(scratch);
    free(counts);
    return status;
}

topn_status prune_sparse_columns(topn_context *context, const sparse_matrix *matrix, uint32_t k, sparse_matrix *out)
{
    topn_status status;
    sparse_matrix columns = {0}, kept = {0};
    *out = (sparse_matrix){0};
    TRY(sparse_transpose(context, matrix, &columns));
    TRY(prune_sparse_rows(context, &columns, k, &kept));
    sparse_clear(&columns);
    TRY(sparse_transpose(context, &kept, out));
done:
    sparse_clear(&columns);
    sparse_clear(&kept);
    return status;
}
