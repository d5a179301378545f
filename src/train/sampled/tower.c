/* SPDX-License-Identifier: Apache-2.0
 *
 * Examples of one entity next to each other form a group, over whose history is summed once: with S = Σ_h v_h θ_h an
 * example gets n^−exponent (S − v_own θ_own), and an h of the history the gradient v_h Σ_n n^−exponent dx_n over the
 * group's examples n, of which an example's own item gets back its −v_own n^−exponent dx_n.
 */
#include "train/sampled/tower.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/threads.h"
#include "base/vector.h"

enum { AHEAD = 6, LINE = 16 }; /* rows that are fetched ahead; floats of a cache line */

/* What a field's or a bag's notes are made of; they are read until the batch's steps are done. */
typedef struct note_list {
    uint32_t *rows;      /* [count] of the table */
    float *coefficients; /* [count] */
    uint32_t *index;     /* [count] vector that the coefficient is of */
    size_t count, room;
} note_list;

/* An example's share in a bag. */
typedef struct bag_share {
    float scale; /* n^−exponent */
    float own;   /* v of the own item; 0 when it is not in the history */
} bag_share;

struct tower_batch {
    uint32_t capacity, count;
    size_t wide;        /* floats of a row of x, dx and sums: factors + 1 */
    bool needs_x;       /* x is not what comes out */
    uint32_t *entities; /* [capacity] */
    uint32_t *own;      /* [capacity] */
    bool has_own;
    float *x;  /* [capacity × wide] */
    float *dx; /* [capacity × wide]; the last of a row is the derivative by β */
    layer_workspace *network;
    layer_gradients *network_gradients;
    float *dphi;      /* network: [capacity × dimensions] derivative by what it gives */
    float *norms;     /* [capacity] ‖φ‖ before it is made 1 */
    float *unit;      /* [capacity × dimensions] φ/‖φ‖ */
    uint32_t *groups; /* [group_count + 1] first example of each */
    uint32_t group_count;
    bag_share *shares[MOST_TOWER_BAGS]; /* [capacity] */
    float *sums[MOST_TOWER_BAGS];       /* [capacity × wide] S of a group, then D */
    note_list fields[MOST_TOWER_FIELDS], bags[MOST_TOWER_BAGS], owns[MOST_TOWER_BAGS];
    float *terms[MOST_TOWER_FIELDS]; /* pairs: [notes × wide] gradient of each row of each example */
    size_t term_room[MOST_TOWER_FIELDS];
};

bool tower_is_plain(const tower *side)
{
    return side->field_count == 1 && !side->fields[0].rows && side->bag_count == 0 && !side->network &&
           !side->normalize && side->tables[side->fields[0].table].width == side->stride;
}

/* Columns of a table that go into x and, behind them, the bias. */
static bool has_bias(const tower *side, size_t table)
{
    return side->biases && side->tables[table].width > side->factors;
}

/* Whether dx is what backward is given. */
static bool takes_gradient_as_it_is(const tower *side)
{
    bool fits = !side->network && !side->normalize && !side->pairs;
    for (size_t f = 0; f < side->field_count; f++)
        fits = fits && side->tables[side->fields[f].table].width <= side->stride;
    for (size_t b = 0; b < side->bag_count; b++)
        fits = fits && side->tables[side->bags[b].table].width <= side->stride;
    return fits;
}

static bool needs_x(const tower *side)
{
    return side->network || side->normalize || side->pairs;
}

topn_status tower_batch_create(topn_context *context, const tower *side, uint32_t capacity, tower_batch **out)
{
    topn_status status;
    tower_batch *batch = NULL;
    const size_t wide = side->factors + 1, rows = capacity;
    *out = NULL;
    TRY(ALLOCATE_ZEROED(context, 1, &batch));
    batch->capacity = capacity;
    batch->wide = wide;
    batch->needs_x = needs_x(side);
    TRY(ALLOCATE(context, rows, &batch->entities));
    TRY(ALLOCATE(context, rows, &batch->own));
    TRY(ALLOCATE(context, rows + 1, &batch->groups));
    if (batch->needs_x)
        TRY(ALLOCATE(context, rows * wide, &batch->x));
    if (!takes_gradient_as_it_is(side))
        TRY(ALLOCATE(context, rows * wide, &batch->dx)); /* a row's last place is β's, which the network passes by */
    if (side->network) {
        TRY(layer_workspace_create(context, side->network, capacity, &batch->network));
        TRY(layer_gradients_create(context, side->network, &batch->network_gradients));
        TRY(ALLOCATE(context, rows * side->dimensions, &batch->dphi));
    }
    if (side->normalize) {
        TRY(ALLOCATE(context, rows, &batch->norms));
        TRY(ALLOCATE(context, rows * side->dimensions, &batch->unit));
    }
    for (size_t b = 0; b < side->bag_count; b++) {
        TRY(ALLOCATE(context, rows, &batch->shares[b]));
        TRY(ALLOCATE(context, rows * wide, &batch->sums[b]));
    }
    *out = batch;
    batch = NULL;
done:
    tower_batch_free(batch);
    return status;
}

static void note_list_clear(note_list *notes)
{
    free(notes->rows);
    free(notes->coefficients);
    free(notes->index);
}

void tower_batch_free(tower_batch *batch)
{
    if (!batch)
        return;
    for (size_t f = 0; f < MOST_TOWER_FIELDS; f++) {
        note_list_clear(&batch->fields[f]);
        free(batch->terms[f]);
    }
    for (size_t b = 0; b < MOST_TOWER_BAGS; b++) {
        note_list_clear(&batch->bags[b]);
        note_list_clear(&batch->owns[b]);
        free(batch->shares[b]);
        free(batch->sums[b]);
    }
    free(batch->entities);
    free(batch->own);
    free(batch->groups);
    free(batch->x);
    free(batch->dx);
    free(batch->dphi);
    layer_workspace_free(batch->network);
    layer_gradients_free(batch->network_gradients);
    free(batch->norms);
    free(batch->unit);
    free(batch);
}

/* Room for `count` notes. */
static topn_status reserve(topn_context *context, note_list *notes, size_t count)
{
    topn_status status = TOPN_OK;
    notes->count = count;
    if (count <= notes->room)
        return status;
    const size_t room = count + count / 4;
    notes->room = 0;
    TRY(RESIZE(context, room, &notes->rows));
    TRY(RESIZE(context, room, &notes->coefficients));
    TRY(RESIZE(context, room, &notes->index));
    notes->room = room;
done:
    return status;
}

VECTOR_CLONES
static void add_scaled(float *restrict target, const float *restrict row, float x, size_t count)
{
    for (size_t j = 0; j < count; j++)
        target[j] += x * row[j];
}

static double dot(const float *a, const float *b, size_t count)
{
    double sum = 0;
    for (size_t j = 0; j < count; j++)
        sum += (double)a[j] * (double)b[j];
    return sum;
}

/* The rows that describe an entity in a field: indices (NULL: the entity itself) and x (NULL: 1). */
typedef struct described {
    const uint32_t *indices;
    const float *x;
    uint32_t first;
    size_t count;
} described;

static described describe(const sparse_matrix *rows, uint32_t entity)
{
    if (!rows)
        return (described){.first = entity, .count = 1};
    const uint64_t begin = rows->indptr[entity];
    return (described){.indices = rows->indices + begin,
                       .x = rows->values ? rows->values + begin : NULL,
                       .count = (size_t)(rows->indptr[entity + 1] - begin)};
}

static uint32_t row_of(const described *rows, size_t place)
{
    return rows->indices ? rows->indices[place] : rows->first;
}

static float x_of(const described *rows, size_t place)
{
    return rows->x ? rows->x[place] : 1.0F;
}

static const float *values_of(const tower *side, size_t table, uint32_t row)
{
    return side->tables[table].values + (size_t)row * side->tables[table].width;
}

/* Adds the fields of an entity to x [wide], of which the last is β. */
static void add_fields(const tower *side, uint32_t entity, float *x)
{
    double bias = 0;
    bool first = true;
    for (size_t f = 0; f < side->field_count; f++) {
        const tower_field *field = &side->fields[f];
        const described rows = describe(field->rows, entity);
        const bool biased = has_bias(side, field->table);
        for (size_t place = 0; place < rows.count; place++) {
            const float *row = values_of(side, field->table, row_of(&rows, place)), by = x_of(&rows, place);
            if (side->pairs && !first) /* each row with the sum of those before it */
                bias += (double)by * dot(x, row, side->factors);
            add_scaled(x, row, by, side->factors);
            bias += biased ? (double)by * (double)row[side->factors] : 0;
            first = false;
        }
    }
    x[side->factors] += (float)bias;
}

static float weight_at(const tower_bag *bag, uint64_t at)
{
    if (!bag->weighted)
        return 1;
    return (float)(((bag->history->values ? (double)bag->history->values[at] : 1) - bag->offset) * bag->scale);
}

/* S of the history of an entity, sum [wide]. */
static void sum_history(const tower *side, const tower_bag *bag, uint32_t entity, float *sum)
{
    const sparse_matrix *history = bag->history;
    const size_t width = side->factors + (has_bias(side, bag->table) ? 1 : 0);
    const uint64_t end = history->indptr[entity + 1];
    memset(sum, 0, (side->factors + 1) * sizeof *sum);
    for (uint64_t at = history->indptr[entity]; at < end; at++) {
        const float *ahead = values_of(side, bag->table, history->indices[at + AHEAD < end ? at + AHEAD : at]);
        for (size_t j = 0; j < width; j += LINE)
            __builtin_prefetch(ahead + j);
        add_scaled(sum, values_of(side, bag->table, history->indices[at]), weight_at(bag, at), width);
    }
}

/* Place of the item in the entity's history, or UINT64_MAX. */
static uint64_t find_own(const sparse_matrix *history, uint32_t entity, uint32_t item)
{
    uint64_t begin = history->indptr[entity], end = history->indptr[entity + 1];
    while (begin < end) {
        const uint64_t middle = begin + (end - begin) / 2;
        if (history->indices[middle] == item)
            return middle;
        if (history->indices[middle] < item)
            begin = middle + 1;
        else
            end = middle;
    }
    return UINT64_MAX;
}

/* Adds the bag of example n of an entity, whose history sums to `sum`, to x [wide]. */
static void add_bag(const tower *side, const tower_bag *bag, uint32_t entity, const uint32_t *own, const float *sum,
                    bag_share *share, float *x)
{
    const sparse_matrix *history = bag->history;
    const size_t width = side->factors + (has_bias(side, bag->table) ? 1 : 0);
    const uint64_t at = bag->exclude_own && own ? find_own(history, entity, *own) : UINT64_MAX,
                   count = history->indptr[entity + 1] - history->indptr[entity] - (at != UINT64_MAX);
    share->own = at != UINT64_MAX ? weight_at(bag, at) : 0;
    share->scale = count > 0 ? (float)pow((double)count, -bag->exponent) : 0;
    if (count == 0)
        return;
    add_scaled(x, sum, share->scale, width);
    if (share->own != 0)
        add_scaled(x, values_of(side, bag->table, *own), -share->own * share->scale, width);
}

/* Fields and bags of the examples of one group into out, rows of `stride`. */
static void embed_group(const tower *side, tower_batch *batch, uint32_t group, float *out, size_t stride, float *row)
{
    const uint32_t begin = batch->groups[group], end = batch->groups[group + 1], entity = batch->entities[begin];
    for (size_t b = 0; b < side->bag_count; b++)
        sum_history(side, &side->bags[b], entity, batch->sums[b] + (size_t)group * batch->wide);
    for (uint32_t n = begin; n < end; n++) {
        memset(row, 0, batch->wide * sizeof *row);
        add_fields(side, entity, row);
        for (size_t b = 0; b < side->bag_count; b++)
            add_bag(side, &side->bags[b], entity, batch->has_own ? &batch->own[n] : NULL,
                    batch->sums[b] + (size_t)group * batch->wide, &batch->shares[b][n], row);
        memcpy(out + n * stride, row, stride * sizeof *out);
    }
}

/* Examples without bags are groups of their own. */
static void form_groups(const tower *side, tower_batch *batch)
{
    uint32_t groups = 0;
    for (uint32_t n = 0; n < batch->count; n++)
        if (n == 0 || side->bag_count == 0 || batch->entities[n] != batch->entities[n - 1])
            batch->groups[groups++] = n;
    batch->groups[groups] = batch->count;
    batch->group_count = groups;
}

/* Rows of one table as they stand. */
static void gather(const tower *side, uint32_t count, const uint32_t *entities, int threads, float *out)
{
    const parameter_table *table = &side->tables[side->fields[0].table];
    const size_t width = table->width;
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (uint32_t n = 0; n < count; n++) {
        const float *ahead = table->values + (size_t)entities[n + AHEAD < count ? n + AHEAD : n] * width;
        for (size_t j = 0; j < width; j += LINE)
            __builtin_prefetch(ahead + j);
        memcpy(out + n * width, table->values + (size_t)entities[n] * width, width * sizeof *out);
    }
}

/* out [count × stride] from x, which the network has been through, and the norm. */
static void finish_rows(const tower *side, tower_batch *batch, int threads, float *out)
{
    const size_t d = side->dimensions;
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (uint32_t n = 0; n < batch->count; n++) {
        const float *x = batch->x + n * batch->wide;
        float *phi = out + n * side->stride;
        if (!side->network)
            memcpy(phi, x, d * sizeof *phi);
        if (side->biases)
            phi[d] = x[side->factors];
        if (!side->normalize)
            continue;
        const double norm = sqrt(dot(phi, phi, d));
        batch->norms[n] = (float)norm;
        for (size_t j = 0; j < d; j++)
            phi[j] = norm > 0 ? (float)((double)phi[j] / norm) : 0;
        memcpy(batch->unit + n * d, phi, d * sizeof *phi);
    }
}

topn_status tower_forward(topn_context *context, const tower *side, tower_batch *batch, uint32_t count,
                          const uint32_t *entities, const uint32_t *own, bool training, uint64_t first_example,
                          int threads, float *out)
{
    topn_status status = TOPN_OK;
    batch->count = count;
    batch->has_own = own != NULL;
    memcpy(batch->entities, entities, count * sizeof *entities);
    if (own)
        memcpy(batch->own, own, count * sizeof *own);
    if (tower_is_plain(side)) {
        gather(side, count, entities, threads, out);
        return status;
    }
    form_groups(side, batch);
    float *to = batch->needs_x ? batch->x : out, *rows = NULL; /* [threads × wide] */
    const size_t stride = batch->needs_x ? batch->wide : side->stride;
    TRY(ALLOCATE(context, (size_t)threads * batch->wide, &rows));
#pragma omp parallel for schedule(dynamic, 8) num_threads(threads) if (threads > 1)
    for (uint32_t group = 0; group < batch->group_count; group++)
        embed_group(side, batch, group, to, stride, rows + (size_t)(threads > 1 ? thread_index() : 0) * batch->wide);
    if (side->network)
        layer_forward(side->network, batch->network, count, batch->x, batch->wide, training, first_example, threads,
                      out, side->stride);
    if (batch->needs_x)
        finish_rows(side, batch, threads, out);
done:
    free(rows);
    return status;
}

/* dx [count × wide] from d_out, by way of the norm; before a network's backward its dφ [count × dimensions]. */
static void pull_rows(const tower *side, tower_batch *batch, const float *d_out, int threads)
{
    const size_t d = side->dimensions;
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (uint32_t n = 0; n < batch->count; n++) {
        const float *from = d_out + n * side->stride;
        float *to = batch->dphi ? batch->dphi + n * d : batch->dx + n * batch->wide;
        batch->dx[n * batch->wide + side->factors] = side->biases ? from[d] : 0;
        if (!side->normalize) {
            memcpy(to, from, d * sizeof *to);
            continue;
        }
        const float *unit = batch->unit + n * d;
        const double along = dot(unit, from, d), norm = (double)batch->norms[n];
        for (size_t j = 0; j < d; j++)
            to[j] = norm > 0 ? (float)(((double)from[j] - along * (double)unit[j]) / norm) : 0;
    }
}

/* A factorisation machine's rows: x_k (dφ + dβ (S − x_k θ_k)), and x_k dβ. */
static topn_status pair_terms(topn_context *context, const tower *side, tower_batch *batch, size_t f, int threads)
{
    topn_status status = TOPN_OK;
    const note_list *notes = &batch->fields[f];
    const size_t d = side->factors, wide = batch->wide;
    if (notes->count > batch->term_room[f]) {
        batch->term_room[f] = 0;
        TRY(RESIZE(context, notes->room * wide, &batch->terms[f]));
        batch->term_room[f] = notes->room;
    }
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (size_t at = 0; at < notes->count; at++) {
        const float *sum = batch->x + notes->index[at] * wide, *dx = batch->dx + notes->index[at] * wide;
        const float *row = values_of(side, side->fields[f].table, notes->rows[at]), by = notes->coefficients[at];
        float *to = batch->terms[f] + at * wide;
        for (size_t j = 0; j < d; j++)
            to[j] = by * (dx[j] + dx[d] * (sum[j] - by * row[j]));
        to[d] = by * dx[d];
    }
done:
    return status;
}

static topn_status note_field(topn_context *context, const tower *side, tower_batch *batch, size_t f, const float *dx,
                              size_t stride, int threads, row_gradients *gradients)
{
    topn_status status;
    const tower_field *field = &side->fields[f];
    note_list *notes = &batch->fields[f];
    size_t count = 0, to = 0;
    if (!field->rows && !side->pairs)
        return row_gradients_note(context, gradients, batch->count, batch->entities, NULL, dx, stride, NULL, true);
    for (uint32_t n = 0; n < batch->count; n++)
        count += describe(field->rows, batch->entities[n]).count;
    TRY(reserve(context, notes, count));
    for (uint32_t n = 0; n < batch->count; n++) {
        const described rows = describe(field->rows, batch->entities[n]);
        for (size_t place = 0; place < rows.count; place++) {
            notes->rows[to] = row_of(&rows, place);
            notes->coefficients[to] = x_of(&rows, place);
            notes->index[to++] = n;
        }
    }
    if (side->pairs) {
        TRY(pair_terms(context, side, batch, f, threads));
        TRY(row_gradients_note(context, gradients, count, notes->rows, NULL, batch->terms[f], batch->wide, NULL, true));
    } else {
        TRY(row_gradients_note(context, gradients, count, notes->rows, notes->coefficients, dx, stride, notes->index,
                               true));
    }
done:
    return status;
}

/* D of every group in place of its S. */
static void sum_gradients(const tower *side, tower_batch *batch, size_t b, const float *dx, size_t stride, int threads)
{
    const size_t width = stride < batch->wide ? stride : batch->wide;
    (void)side;
#pragma omp parallel for schedule(dynamic, 8) num_threads(threads) if (threads > 1)
    for (uint32_t group = 0; group < batch->group_count; group++) {
        float *sum = batch->sums[b] + (size_t)group * batch->wide;
        memset(sum, 0, batch->wide * sizeof *sum);
        for (uint32_t n = batch->groups[group]; n < batch->groups[group + 1]; n++)
            add_scaled(sum, dx + n * stride, batch->shares[b][n].scale, width);
    }
}

static topn_status note_bag(topn_context *context, const tower *side, tower_batch *batch, size_t b, const float *dx,
                            size_t stride, int threads, row_gradients *gradients)
{
    topn_status status;
    const tower_bag *bag = &side->bags[b];
    const sparse_matrix *history = bag->history;
    note_list *notes = &batch->bags[b], *owns = &batch->owns[b];
    size_t count = 0, own_count = 0;
    sum_gradients(side, batch, b, dx, stride, threads);
    for (uint32_t group = 0; group < batch->group_count; group++) {
        const uint32_t entity = batch->entities[batch->groups[group]];
        count += (size_t)(history->indptr[entity + 1] - history->indptr[entity]);
    }
    for (uint32_t n = 0; n < batch->count; n++)
        own_count += batch->shares[b][n].own != 0 && batch->shares[b][n].scale != 0;
    TRY(reserve(context, notes, count));
    TRY(reserve(context, owns, own_count));
    count = own_count = 0;
    for (uint32_t group = 0; group < batch->group_count; group++) {
        const uint32_t entity = batch->entities[batch->groups[group]];
        for (uint64_t at = history->indptr[entity]; at < history->indptr[entity + 1]; at++) {
            notes->rows[count] = history->indices[at];
            notes->coefficients[count] = weight_at(bag, at);
            notes->index[count++] = group;
        }
    }
    for (uint32_t n = 0; n < batch->count; n++) {
        const bag_share share = batch->shares[b][n];
        if (share.own == 0 || share.scale == 0)
            continue;
        owns->rows[own_count] = batch->own[n];
        owns->coefficients[own_count] = -share.own * share.scale;
        owns->index[own_count++] = n;
    }
    TRY(row_gradients_note(context, gradients, count, notes->rows, notes->coefficients, batch->sums[b], batch->wide,
                           notes->index, true));
    TRY(row_gradients_note(context, gradients, own_count, owns->rows, owns->coefficients, dx, stride, owns->index,
                           false));
done:
    return status;
}

/* dx by way of the network, whose parameters' gradient is noted as that of a table of one row. */
static topn_status pull_network(topn_context *context, const tower *side, tower_batch *batch, int threads,
                                row_gradients *gradients)
{
    static const uint32_t row = 0;
    layer_gradients_begin(batch->network_gradients);
    layer_backward(side->network, batch->network, batch->dphi, side->dimensions, threads, batch->dx, batch->wide,
                   batch->network_gradients);
    return row_gradients_note(context, gradients, 1, &row, NULL, batch->network_gradients->values,
                              side->network->parameters, NULL, true);
}

topn_status tower_backward(topn_context *context, const tower *side, tower_batch *batch, const float *d_out,
                           int threads, row_gradients *const *gradients)
{
    topn_status status = TOPN_OK;
    const float *dx = d_out;
    size_t stride = side->stride;
    if (batch->dx) {
        pull_rows(side, batch, d_out, threads);
        if (side->network)
            TRY(pull_network(context, side, batch, threads, gradients[side->network_table]));
        dx = batch->dx;
        stride = batch->wide;
    }
    for (size_t f = 0; f < side->field_count; f++)
        TRY(note_field(context, side, batch, f, dx, stride, threads, gradients[side->fields[f].table]));
    for (size_t b = 0; b < side->bag_count; b++)
        TRY(note_bag(context, side, batch, b, dx, stride, threads, gradients[side->bags[b].table]));
done:
    return status;
}

topn_status tower_embed_all(topn_context *context, const tower *side, float *out)
{
    topn_status status;
    tower_batch *batch = NULL;
    uint32_t entities[EMBEDDED_AT_ONCE];
    const uint32_t most = side->entities < EMBEDDED_AT_ONCE ? side->entities : EMBEDDED_AT_ONCE;
    TRY(tower_batch_create(context, side, most, &batch));
    for (uint32_t begin = 0; begin < side->entities; begin += most) {
        const uint32_t count = side->entities - begin < most ? side->entities - begin : most;
        for (uint32_t n = 0; n < count; n++)
            entities[n] = begin + n;
        TRY(tower_forward(context, side, batch, count, entities, NULL, false, 0, context->threads,
                          out + (size_t)begin * side->stride));
    }
done:
    tower_batch_free(batch);
    return status;
}
