/* SPDX-License-Identifier: Apache-2.0 */
#include "train/linear/triangle_table.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "numeric/prune_stream.h"
#include "numeric/sparse.h"

/* A triangle whose rows are taken in another order. */
typedef struct ordered_triangle {
    const symmetric *triangle;
    const uint32_t *position; /* [n] */
} ordered_triangle;

static void make_rows(const void *matrix, size_t first, size_t count, float *scratch, const float **row, size_t *width)
{
    (void)scratch;
    const ordered_triangle *from = matrix;
    for (size_t i = 0; i < count; i++) {
        row[i] = symmetric_row(from->triangle, from->position[first + i]);
        width[i] = (size_t)from->position[first + i] + 1;
    }
}

/* As many as fit the type that pruning counts in. */
static uint32_t at_most(int64_t k)
{
    return k < UINT32_MAX ? (uint32_t)k : UINT32_MAX;
}

static embedding_table dense_table(symmetric *a)
{
    const embedding_table out = {.form = TABLE_DENSE, .dense = {.values = a->values, .rows = a->n, .columns = a->n}};
    a->values = NULL;
    return out;
}

topn_status keep_triangle_rows(topn_context *context, symmetric *l, int64_t k, int storage, const uint32_t *position,
                               embedding_table *out)
{
    topn_status status;
    if (linear_keeps_all(k, storage, (uint32_t)l->n)) {
        triangle_clear_upper(context, l);
        TRY(square_reorder_rows(context, l, position));
        *out = dense_table(l);
    } else {
        const ordered_triangle from = {.triangle = l, .position = position};
        const row_stream stream = {.rows = l->n, .columns = l->n, .matrix = &from, .make = make_rows};
        TRY(stream_prune_rows(context, &stream, at_most(k), &out->sparse));
        out->form = TABLE_SPARSE;
    }
done:
    return status;
}

/* Columns (or rows) of W·D^-½, to be compared with each other. */
typedef struct scaled_triangle {
    const symmetric *w;
    const float *scale;  /* [n], d^-½ */
    size_t last, forced; /* of each column the `forced` largest entries from row `last` on are put above all others */
} scaled_triangle;

static void make_scaled_rows(const void *matrix, size_t first, size_t count, float *scratch, const float **row,
                             size_t *width)
{
    const scaled_triangle *from = matrix;
    for (size_t i = 0; i < count; i++) {
        const float *values = symmetric_row(from->w, first + i);
        float *to = scratch + i * from->w->n;
        width[i] = first + i + 1;
        for (size_t c = 0; c < width[i]; c++)
            to[c] = values[c] * from->scale[c];
        row[i] = to;
    }
}

enum { FORCED_MOST = 512 };

/* The `count` ≤ FORCED_MOST largest of values [width] get the magnitude FLT_MAX, by insertion into a short list. */
static void force_largest(float *values, size_t width, size_t count)
{
    size_t place[FORCED_MOST], held = 0;
    for (size_t c = 0; c < width; c++) {
        const float size = fabsf(values[c]);
        if (size == 0.0f || (held == count && size <= fabsf(values[place[held - 1]])))
            continue;
        size_t at = held < count ? held++ : held - 1;
        for (; at > 0 && fabsf(values[place[at - 1]]) < size; at--)
            place[at] = place[at - 1];
        place[at] = c;
    }
    for (size_t at = 0; at < held; at++)
        values[place[at]] = FLT_MAX;
}

static void make_scaled_columns(const void *matrix, size_t first, size_t count, float *scratch, const float **row,
                                size_t *width)
{
    const scaled_triangle *from = matrix;
    const size_t n = from->w->n;
    triangle_gather_columns(from->w, first, count, scratch);
    for (size_t i = 0; i < count; i++) {
        float *values = scratch + i * n;
        for (size_t r = first + i; r < n; r++)
            values[r] *= from->scale[first + i];
        if (from->forced)
            force_largest(values + from->last, n - from->last, from->forced);
        row[i] = values;
        width[i] = n;
    }
}

/* Which entries of W the rule keeps; row j of the result is column j. The values are not those of W. */
static topn_status choose_entries(topn_context *context, const scaled_triangle *from, const column_rule *rule,
                                  sparse_matrix *out)
{
    topn_status status;
    sparse_matrix by_row = {0};
    const size_t n = from->w->n;
    row_stream stream = {.rows = n, .columns = n, .matrix = from, .make = make_scaled_columns, .needs_scratch = true};
    if (rule->prune == COLUMNS_GLOBAL) {
        TRY(stream_prune_global(context, &stream, (uint64_t)rule->k * n, out));
    } else if (rule->prune == COLUMNS_EACH) {
        TRY(stream_prune_rows(context, &stream, at_most(rule->k), out));
    } else {
        stream.make = make_scaled_rows;
        TRY(stream_prune_rows(context, &stream, at_most(rule->k), &by_row));
        TRY(sparse_transpose(context, &by_row, out));
    }
done:
    sparse_clear(&by_row);
    return status;
}

/* Row i of the table: the entries chosen of column position[i], with the values of W. */
static topn_status copy_entries(topn_context *context, const symmetric *w, const sparse_matrix *chosen,
                                const uint32_t *position, sparse_matrix *out)
{
    const uint32_t n = chosen->rows;
    const topn_status status = sparse_create(context, n, n, chosen->indptr[n], out);
    if (status != TOPN_OK)
        return status;
    for (uint32_t item = 0; item < n; item++)
        out->indptr[item + 1] = out->indptr[item] + chosen->indptr[position[item] + 1] - chosen->indptr[position[item]];
#pragma omp parallel for num_threads(context->threads) schedule(dynamic, 64)
    for (uint32_t item = 0; item < n; item++) {
        const uint64_t from = chosen->indptr[position[item]], to = out->indptr[item];
        for (uint64_t at = 0; at < out->indptr[item + 1] - to; at++) {
            out->indices[to + at] = chosen->indices[from + at];
            out->values[to + at] = symmetric_row(w, chosen->indices[from + at])[position[item]];
        }
    }
    return TOPN_OK;
}

/* The rule in numbers, for n rows. */
static void set_forced(const column_rule *rule, scaled_triangle *from)
{
    const size_t n = from->w->n;
    if (rule->prune == COLUMNS_BY_ROW)
        return;
    const double forced = rule->last_share * (double)rule->k;
    from->forced = forced < FORCED_MOST ? (size_t)forced : FORCED_MOST;
    const size_t wanted = (size_t)(rule->last_dimensions * (double)n), least = 2 * from->forced;
    const size_t rows = wanted > least ? wanted : least;
    from->last = rows < n ? n - rows : 0;
}

topn_status keep_triangle_columns(topn_context *context, symmetric *w, const column_rule *rule, int storage,
                                  const double *d, const linear_system *system, embedding_table *out)
{
    topn_status status;
    const size_t n = w->n;
    float *scale = NULL; /* [n] */
    sparse_matrix chosen = {0};
    if (linear_keeps_all(rule->k, storage, (uint32_t)n)) {
        triangle_transpose(context, w);
        TRY(square_reorder_rows(context, w, system->position));
        *out = dense_table(w);
        return TOPN_OK;
    }
    TRY(ALLOCATE(context, n, &scale));
    for (size_t j = 0; j < n; j++)
        scale[j] = (float)(1.0 / sqrt(d[j]));
    scaled_triangle from = {.w = w, .scale = scale};
    set_forced(rule, &from);
    TRY(choose_entries(context, &from, rule, &chosen));
    TRY(copy_entries(context, w, &chosen, system->position, &out->sparse));
    out->form = TABLE_SPARSE;
done:
    sparse_clear(&chosen);
    free(scale);
    return status;
}
