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

/* Counts of the upper (prefix < 0) or, among entries with that upper half, of the lower 16 bits. */
static topn_status histogram(topn_context *context, const dense_matrix *matrix, int64_t prefix, uint64_t *counts)
{
    topn_status status;
    uint64_t *all = NULL; /* [threads × HALF_BINS] */
    const int threads = context->threads;
    TRY(ALLOCATE_ZEROED(context, (size_t)threads * HALF_BINS, &all));
#pragma omp parallel for num_threads(threads) schedule(dynamic, 16)
    for (size_t r = 0; r < matrix->rows; r++) {
        uint64_t *mine = all + (size_t)thread_index() * HALF_BINS;
        const float *row = matrix->values + r * matrix->columns;
        for (size_t c = 0; c < matrix->columns; c++) {
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
static uint64_t take_row(const float *row, size_t columns, uint32_t threshold, uint64_t ties, uint32_t *indices,
                         float *values)
{
    uint64_t count = 0;
    for (size_t c = 0; c < columns; c++) {
        const uint32_t bits = magnitude_bits(row[c]);
        if (bits < threshold || bits == 0)
            continue;
        if (bits == threshold) {
            if (ties == 0)
                continue;
            ties--;
        }
        indices[count] = (uint32_t)c;
        values[count] = row[c];
        count++;
    }
    return count;
}

/* Entries of each row above and at the threshold. */
static void count_rows(const topn_context *context, const dense_matrix *matrix, uint32_t threshold, uint64_t *above,
                       uint64_t *equal)
{
#pragma omp parallel for num_threads(context->threads) schedule(dynamic, 16)
    for (size_t r = 0; r < matrix->rows; r++) {
        const float *row = matrix->values + r * matrix->columns;
        uint64_t more = 0, same = 0;
        for (size_t c = 0; c < matrix->columns; c++) {
            const uint32_t bits = magnitude_bits(row[c]);
            more += bits > threshold;
            same += bits == threshold;
        }
        above[r] = more;
        equal[r] = threshold ? same : 0;
    }
}

topn_status prune_global(topn_context *context, const dense_matrix *matrix, uint64_t keep, sparse_matrix *out)
{
    topn_status status;
    uint64_t *counts = NULL, *above = NULL, *equal = NULL;
    *out = (sparse_matrix){0};
    TRY(ALLOCATE(context, HALF_BINS, &counts));
    TRY(ALLOCATE(context, matrix->rows, &above));
    TRY(ALLOCATE(context, matrix->rows, &equal));
    const uint64_t cells = (uint64_t)matrix->rows * matrix->columns;
    uint64_t wanted = keep < cells ? keep : cells;
    TRY(progress_report(context, "prune", "passes", 0, 4, NAN));
    TRY(histogram(context, matrix, -1, counts));
    const uint32_t upper = bin_of_rank(counts, &wanted);
    TRY(progress_report(context, "prune", "passes", 1, 4, NAN));
    TRY(histogram(context, matrix, upper, counts));
    const uint32_t threshold = upper << 16 | bin_of_rank(counts, &wanted); /* `wanted` entries equal to it are kept */
    TRY(progress_report(context, "prune", "passes", 2, 4, NAN));
    count_rows(context, matrix, threshold, above, equal);
    uint64_t nonzeros = 0;
    for (size_t r = 0; r < matrix->rows; r++) {
        equal[r] = equal[r] < wanted ? equal[r] : wanted;
        wanted -= equal[r];
        nonzeros += above[r] + equal[r];
    }
    TRY(sparse_create(context, (uint32_t)matrix->rows, (uint32_t)matrix->columns, nonzeros, out));
    for (size_t r = 0; r < matrix->rows; r++)
        out->indptr[r + 1] = out->indptr[r] + above[r] + equal[r];
#pragma omp parallel for num_threads(context->threads) schedule(dynamic, 16)
    for (size_t r = 0; r < matrix->rows; r++)
        take_row(matrix->values + r * matrix->columns, matrix->columns, threshold, equal[r],
                 out->indices + out->indptr[r], out->values + out->indptr[r]);
    status = progress_report(context, "prune", "passes", 4, 4, NAN);
done:
    if (status != TOPN_OK)
        sparse_clear(out);
    free(counts);
    free(above);
    free(equal);
    return status;
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

topn_status prune_rows(topn_context *context, const dense_matrix *matrix, uint32_t k, bool lower_triangle,
                       const uint32_t *source, sparse_matrix *out)
{
    topn_status status;
    uint32_t *scratch = NULL; /* [threads × columns] */
    sparse_matrix wide = {0}; /* room for k entries a row, then closed up */
    const size_t columns = matrix->columns;
    const uint64_t room = k < columns ? k : columns;
    *out = (sparse_matrix){0};
    TRY(progress_report(context, "prune", "rows", 0, matrix->rows, NAN));
    TRY(ALLOCATE(context, (size_t)context->threads * columns, &scratch));
    TRY(sparse_create(context, (uint32_t)matrix->rows, (uint32_t)columns, room * matrix->rows, &wide));
#pragma omp parallel for num_threads(context->threads) schedule(dynamic, 16)
    for (size_t r = 0; r < matrix->rows; r++) {
        const size_t from = source ? source[r] : r;
        const size_t width = lower_triangle ? from + 1 : columns;
        const float *row = matrix->values + from * columns;
        uint64_t ties;
        const uint32_t threshold = row_threshold(row, width, k, scratch + (size_t)thread_index() * columns, &ties);
        wide.indptr[r + 1] = take_row(row, width, threshold, ties, wide.indices + r * room, wide.values + r * room);
    }
    for (size_t r = 0; r < matrix->rows; r++) {
        const uint64_t count = wide.indptr[r + 1], to = wide.indptr[r];
        memmove(wide.indices + to, wide.indices + r * room, count * sizeof *wide.indices);
        memmove(wide.values + to, wide.values + r * room, count * sizeof *wide.values);
        wide.indptr[r + 1] = to + count;
    }
    TRY(RESIZE(context, wide.indptr[matrix->rows], &wide.indices));
    TRY(RESIZE(context, wide.indptr[matrix->rows], &wide.values));
    *out = wide;
    wide = (sparse_matrix){0};
    status = progress_report(context, "prune", "rows", matrix->rows, matrix->rows, NAN);
done:
    sparse_clear(&wide);
    if (status != TOPN_OK)
        sparse_clear(out);
    free(scratch);
    return status;
}
