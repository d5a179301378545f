/* SPDX-License-Identifier: Apache-2.0
 *
 * Half a sweep over the items of the pairwise loss; formulas in pairwise.h. Rows of a table are taken in their order,
 * in batches in which no two rows describe the same item: their statistics don't depend on each other. Those of a row
 * that describes many items are cut into parts. Legend: D dimensions, w columns of a block.
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/threads.h"
#include "numeric/normal_equations.h"
#include "numeric/tile.h"
#include "train/alternating/conjugate.h"
#include "train/alternating/pairwise.h"
#include "train/alternating/solver.h"

enum {
    GATHERED = 64,              /* contexts whose rows are multiplied at a time */
    MOST_PARTS = 64,            /* of a batch */
    MOST_PART_FLOATS = 1 << 24, /* together: 64 MiB */
    REPORTS = 16
};

/* Statistics of some of the items that a row describes. */
typedef struct part {
    uint32_t row, begin, end; /* members of the row */
    bool is_first;            /* of its row */
    float *h;                 /* [w × w] */
    float *g;                 /* [w], all but what z and q make of it */
    float *q;                 /* Q [D × w]; plain: M */
    float *z;                 /* −Z [D × w]; plain: −u alone */
} part;

/* One thread's memory. */
typedef struct item_workspace {
    float *model;    /* [side_scratch] */
    float *gathered; /* [GATHERED × D + NORMAL_SLACK] √α·φ */
    float *half;     /* [normal_floats(D)] the upper triangle of M_e */
    float *factors;  /* [GATHERED] −√α·y */
    float *m;        /* M_e [D × D] */
    float *jacobian; /* J [D × w] */
    float *product;  /* [D × w] */
    float *psi;      /* [D] */
    float *gradient; /* [D] */
} item_workspace;

typedef struct item_sweep {
    topn_context *context;
    alternating_problem *problem;
    multilinear_side *side;
    const block_index *blocks;
    const observations *observed;
    const float *weights; /* u, or NULL */
    const float *phi;     /* [contexts × D] */
    float *gram;          /* G^C [D × D] */
    double *z, *q;        /* [D] */
    float *identity;      /* [D × D] */
    float items;          /* N */
    size_t dimensions;    /* D */
    bool plain, conjugate;
    int64_t steps;
    size_t block;
    const char *stage;
    /* The field under way. */
    size_t field, width, columns;
    part *parts; /* [part_room] */
    uint32_t part_count, part_room;
    float *statistics;    /* of all parts */
    uint32_t *batch_of;   /* [entities] the batch that last had an item */
    item_workspace *work; /* [threads] */
    float *step;          /* [max(w, D)] × 3 and [normal_floats(columns)] */
} item_sweep;

static uint32_t member_count(const item_sweep *sweep, uint32_t row)
{
    const sparse_matrix *entities = &sweep->blocks[sweep->field].entities;
    if (!entities->indptr)
        return row < sweep->side->entities ? 1 : 0;
    return (uint32_t)(entities->indptr[row + 1] - entities->indptr[row]);
}

static uint32_t member_at(const item_sweep *sweep, uint32_t row, uint32_t place, float *x)
{
    const sparse_matrix *entities = &sweep->blocks[sweep->field].entities;
    *x = 1;
    if (!entities->indptr)
        return row;
    if (entities->values)
        *x = entities->values[entities->indptr[row] + place];
    return entities->indices[entities->indptr[row] + place];
}

/* m [D × D] = M_e; residual [D] = −a_e */
static void item_gram(const item_sweep *sweep, uint32_t item, item_workspace *work, float *m, float *residual)
{
    const size_t d = sweep->dimensions;
    const observations *observed = sweep->observed;
    memset(work->half, 0, normal_floats(d) * sizeof *work->half);
    memset(residual, 0, d * sizeof *residual);
    for (uint64_t at = observed->pairs.indptr[item]; at < observed->pairs.indptr[item + 1];) {
        const uint64_t left = observed->pairs.indptr[item + 1] - at, count = left < GATHERED ? left : GATHERED;
        for (uint64_t r = 0; r < count; r++, at++) {
            const float root = sqrtf(observed->pairs.values ? observed->pairs.values[at] : observed->alpha);
            const float *from = sweep->phi + observed->pairs.indices[at] * d;
            for (size_t k = 0; k < d; k++)
                work->gathered[r * d + k] = root * from[k];
            work->factors[r] = -root * (observed->labels ? observed->labels[at] : 1);
        }
        normal_add_gram(work->gathered, count, d, 1, work->half);
        normal_add_combination(work->gathered, count, d, work->factors, 1, residual);
    }
    for (size_t r = 0; r < d; r++)
        for (size_t c = r; c < d; c++)
            m[r * d + c] = m[c * d + r] = work->half[r * normal_stride(d) + c];
}

/* Adds one item's share to a part that begins with zeros. */
static void add_item(const item_sweep *sweep, const part *to, uint32_t item, float x, item_workspace *work)
{
    const size_t d = sweep->dimensions, w = sweep->width;
    const float weight = sweep->weights ? sweep->weights[item] : 1;
    float *m = sweep->plain ? to->q : work->m, *gradient = work->gradient;
    side_embed(sweep->side, item, work->model, work->psi);
    item_gram(sweep, item, work, m, gradient);
    normal_add_combination(m, d, d, work->psi, 1, gradient);
    for (size_t k = 0; k < d; k++)
        gradient[k] *= sweep->items;
    normal_add_combination(sweep->gram, d, d, work->psi, weight, gradient);
    if (sweep->plain) {
        memcpy(to->g, gradient, d * sizeof *gradient);
        to->z[0] = -weight;
        for (size_t k = 0; k < d * d; k++)
            to->h[k] = (sweep->items - 2 * weight) * m[k] + weight * sweep->gram[k];
        return;
    }
    const side_block block = {sweep->field, to->row};
    side_jacobian(sweep->side, item, block, x, work->model);
    side_pull(sweep->side, block, work->model, sweep->identity, d, 0, w, work->jacobian);
    normal_add_combination(work->jacobian, d, w, gradient, 1, to->g);
    tile_multiply(d, w, d, m, work->jacobian, work->product);
    for (size_t k = 0; k < d * w; k++) {
        to->q[k] += work->product[k];
        to->z[k] -= weight * work->jacobian[k];
        work->product[k] *= sweep->items;
    }
    tile_update_gram(0, w, w, d, work->jacobian, work->product, 1, to->h);
    tile_multiply(d, w, d, sweep->gram, work->jacobian, work->product);
    for (size_t k = 0; k < d * w; k++)
        work->product[k] *= weight;
    tile_update_gram(0, w, w, d, work->jacobian, work->product, 1, to->h);
}

static size_t part_floats(const item_sweep *sweep)
{
    const size_t d = sweep->dimensions, w = sweep->width;
    return w * w + w + d * w + (sweep->plain ? 1 : d * w);
}

/* Statistics of all parts of the batch. */
static void fill_parts(const item_sweep *sweep)
{
#pragma omp parallel for num_threads(sweep->context->threads) schedule(dynamic, 1)
    for (uint32_t at = 0; at < sweep->part_count; at++) {
        const part *to = &sweep->parts[at];
        memset(to->h, 0, part_floats(sweep) * sizeof(float));
        for (uint32_t place = to->begin; place < to->end; place++) {
            float x;
            const uint32_t item = member_at(sweep, to->row, place, &x);
            add_item(sweep, to, item, x, &sweep->work[thread_index()]);
        }
    }
}

/* Adds a row's parts to its first one, which then has H and, but for z and q, g. */
static void finish_statistics(const item_sweep *sweep, uint32_t first)
{
    const size_t d = sweep->dimensions, w = sweep->width;
    const part *to = &sweep->parts[first];
    for (uint32_t at = first + 1; at < sweep->part_count && !sweep->parts[at].is_first; at++)
        for (size_t k = 0; k < part_floats(sweep); k++)
            to->h[k] += sweep->parts[at].h[k];
    if (!sweep->plain) {
        tile_update_gram(0, w, w, d, to->q, to->z, 1, to->h);
        tile_update_gram(0, w, w, d, to->z, to->q, 1, to->h);
    }
    const float ridge = sweep->blocks[sweep->field].ridge[to->row];
    const float *theta = side_block_values(sweep->side, (side_block){sweep->field, to->row});
    for (size_t k = 0; k < w; k++) {
        to->h[k * w + k] += ridge;
        to->g[k] += ridge * theta[k];
    }
}

typedef struct square {
    const float *h;
    size_t n;
} square;

static void multiply_square(const float *p, float *out, void *data)
{
    const square *of = data;
    memset(out, 0, of->n * sizeof *out);
    normal_add_combination(of->h, of->n, of->n, p, 1, out);
}

/* δ [w] from H and g, subspace by subspace. g is overwritten. */
static bool solve_block(const item_sweep *sweep, const part *at, float *scratch, float *delta)
{
    const size_t w = sweep->width;
    if (sweep->conjugate) {
        square h = {at->h, w};
        return conjugate_solve(multiply_square, &h, w, sweep->steps, at->g, scratch, delta);
    }
    for (size_t begin = 0; begin < w; begin += sweep->columns) {
        const size_t wide = w - begin < sweep->columns ? w - begin : sweep->columns;
        for (size_t r = 0; r < wide; r++)
            memcpy(scratch + r * normal_stride(wide), at->h + (begin + r) * w + begin, wide * sizeof *scratch);
        memcpy(delta + begin, at->g + begin, wide * sizeof *delta);
        if (!normal_solve(scratch, wide, delta + begin))
            return false;
        for (size_t c = 0; c < wide; c++) /* g −= H·δ of these columns */
            scratch[c] = -delta[begin + c];
        if (begin + wide < w)
            normal_add_combination(at->h + begin * w, wide, w, scratch, 1, at->g);
    }
    return true;
}

/* The step of one row, exact with z and q as they are now, which then follow. */
static bool take_step(item_sweep *sweep, const part *at)
{
    const size_t d = sweep->dimensions, w = sweep->width, wide = d > w ? d : w;
    float *z = sweep->step, *q = z + wide, *delta = q + wide, *scratch = delta + wide;
    float *theta = side_block_values(sweep->side, (side_block){sweep->field, at->row});
    for (size_t k = 0; k < d; k++) {
        z[k] = (float)sweep->z[k];
        q[k] = (float)sweep->q[k];
    }
    normal_add_combination(at->q, d, w, z, -1, at->g);
    if (sweep->plain)
        for (size_t k = 0; k < d; k++)
            at->g[k] += at->z[0] * q[k];
    else
        normal_add_combination(at->z, d, w, q, 1, at->g);
    if (!solve_block(sweep, at, scratch, delta))
        return false;
    memset(z, 0, d * sizeof *z);
    memset(q, 0, d * sizeof *q);
    normal_add_products(at->q, d, w, delta, q);
    if (!sweep->plain)
        normal_add_products(at->z, d, w, delta, z);
    bool finite = true;
    for (size_t k = 0; k < w; k++) {
        theta[k] -= delta[k];
        finite = finite && isfinite(theta[k]);
    }
    for (size_t k = 0; k < d; k++) {
        sweep->z[k] += sweep->plain ? at->z[0] * delta[k] : z[k];
        sweep->q[k] -= q[k];
    }
    return finite;
}

/* Adds a row to the batch; false when it has an item in common with it, or no room. */
static bool add_row(item_sweep *sweep, uint32_t row, uint32_t batch)
{
    const uint32_t count = member_count(sweep, row), size = (count - 1) / sweep->part_room + 1,
                   parts = (count - 1) / size + 1;
    float x;
    if (sweep->part_count + parts > sweep->part_room)
        return false;
    for (uint32_t place = 0; place < count; place++)
        if (sweep->batch_of[member_at(sweep, row, place, &x)] == batch)
            return false;
    for (uint32_t place = 0; place < count; place++)
        sweep->batch_of[member_at(sweep, row, place, &x)] = batch;
    for (uint32_t begin = 0; begin < count; begin += size) {
        part *to = &sweep->parts[sweep->part_count++];
        to->row = row;
        to->begin = begin;
        to->end = count - begin < size ? count : begin + size;
        to->is_first = begin == 0;
    }
    return true;
}

static topn_status solve_batch(item_sweep *sweep)
{
    fill_parts(sweep);
#pragma omp parallel for num_threads(sweep->context->threads) schedule(dynamic, 1)
    for (uint32_t at = 0; at < sweep->part_count; at++)
        if (sweep->parts[at].is_first)
            finish_statistics(sweep, at);
    for (uint32_t at = 0; at < sweep->part_count; at++)
        if (sweep->parts[at].is_first && !take_step(sweep, &sweep->parts[at]))
            return fail(sweep->context, TOPN_ERROR_NUMERIC,
                        "%s: no finite solution for row %" PRIu32 " of field %zu in single precision; raise --l2",
                        sweep->stage, sweep->parts[at].row, sweep->field);
    sweep->part_count = 0;
    return TOPN_OK;
}

static void field_clear(item_sweep *sweep)
{
    for (int thread = 0; sweep->work && thread < sweep->context->threads; thread++) {
        item_workspace *work = &sweep->work[thread];
        free(work->model);
        free(work->gathered);
        free(work->half);
        free(work->factors);
        free(work->m);
        free(work->jacobian);
        free(work->product);
        free(work->psi);
        free(work->gradient);
    }
    free(sweep->work);
    free(sweep->parts);
    free(sweep->statistics);
    free(sweep->batch_of);
    free(sweep->step);
    sweep->work = NULL;
    sweep->parts = NULL;
    sweep->statistics = sweep->step = NULL;
    sweep->batch_of = NULL;
}

static topn_status workspaces_create(item_sweep *sweep)
{
    topn_status status;
    topn_context *context = sweep->context;
    const size_t d = sweep->dimensions, w = sweep->width;
    TRY(ALLOCATE_ZEROED(context, (size_t)context->threads, &sweep->work));
    for (int thread = 0; thread < context->threads; thread++) {
        item_workspace *work = &sweep->work[thread];
        TRY(ALLOCATE(context, side_scratch(sweep->side), &work->model));
        TRY(ALLOCATE(context, GATHERED * d + NORMAL_SLACK, &work->gathered));
        TRY(ALLOCATE(context, normal_floats(d), &work->half));
        TRY(ALLOCATE(context, GATHERED, &work->factors));
        TRY(ALLOCATE(context, d, &work->psi));
        TRY(ALLOCATE(context, d, &work->gradient));
        if (sweep->plain)
            continue;
        TRY(ALLOCATE(context, d * d, &work->m));
        TRY(ALLOCATE(context, d * w, &work->jacobian));
        TRY(ALLOCATE(context, d * w, &work->product));
    }
done:
    return status;
}

static topn_status field_set(item_sweep *sweep, size_t field)
{
    topn_status status;
    topn_context *context = sweep->context;
    const size_t d = sweep->dimensions;
    sweep->field = field;
    sweep->width = side_block_width(sweep->side, field);
    const size_t w = sweep->width, wide = d > w ? d : w, floats = part_floats(sweep);
    sweep->columns = sweep->block == 0 || sweep->block > w ? w : sweep->block;
    const size_t room = MOST_PART_FLOATS / floats;
    sweep->part_room = room < 1 ? 1 : room > MOST_PARTS ? MOST_PARTS : (uint32_t)room;
    sweep->part_count = 0;
    TRY(ALLOCATE(context, sweep->part_room, &sweep->parts));
    TRY(ALLOCATE(context, sweep->part_room * floats, &sweep->statistics));
    for (uint32_t at = 0; at < sweep->part_room; at++) {
        part *to = &sweep->parts[at];
        to->h = sweep->statistics + at * floats;
        to->g = to->h + w * w;
        to->q = to->g + w;
        to->z = to->q + d * w;
    }
    TRY(ALLOCATE_ZEROED(context, sweep->side->entities, &sweep->batch_of));
    TRY(ALLOCATE(context, 3 * wide + (sweep->conjugate ? 2 * w : normal_floats(sweep->columns)), &sweep->step));
    TRY(workspaces_create(sweep));
done:
    return status;
}

static topn_status sweep_field(item_sweep *sweep, size_t field)
{
    topn_status status;
    const uint32_t rows = (uint32_t)sweep->side->fields[field].table.rows, every = rows / REPORTS + 1;
    uint32_t batch = 1, reported = 0;
    TRY(field_set(sweep, field));
    for (uint32_t row = 0; row < rows; row++) {
        if (member_count(sweep, row) == 0)
            continue;
        if (add_row(sweep, row, batch))
            continue;
        TRY(solve_batch(sweep));
        batch++;
        add_row(sweep, row, batch);
        if (row - reported >= every) {
            TRY(progress_report(sweep->context, sweep->stage, "rows", row, rows, NAN));
            reported = row;
        }
    }
    TRY(solve_batch(sweep));
    TRY(progress_report(sweep->context, sweep->stage, "rows", rows, rows, NAN));
done:
    field_clear(sweep);
    return status;
}

/* G^C, z, q and the identity. */
static topn_status sweep_set(item_sweep *sweep)
{
    topn_status status;
    topn_context *context = sweep->context;
    const size_t d = sweep->dimensions;
    float *weights = NULL; /* v [contexts] */
    double *gram = NULL;   /* [D × D] */
    TRY(pairwise_weights(context, sweep->problem, &weights));
    TRY(ALLOCATE(context, d * d, &gram));
    TRY(side_gram(context, &sweep->problem->sides[SIDE_CONTEXTS], weights, gram));
    TRY(ALLOCATE(context, d * d, &sweep->gram));
    TRY(ALLOCATE_ZEROED(context, d * d, &sweep->identity));
    for (size_t k = 0; k < d * d; k++)
        sweep->gram[k] = (float)gram[k];
    for (size_t k = 0; k < d; k++)
        sweep->identity[k * d + k] = 1;
    TRY(ALLOCATE(context, d, &sweep->z));
    TRY(ALLOCATE(context, d, &sweep->q));
    TRY(pairwise_sums(context, sweep->problem, sweep->z, sweep->q));
done:
    free(weights);
    free(gram);
    return status;
}

topn_status pairwise_item_sweep(topn_context *context, alternating_problem *problem, const alternating_params *params,
                                const char *stage)
{
    topn_status status;
    float *owned = NULL;
    item_sweep sweep = {.context = context,
                        .problem = problem,
                        .side = &problem->sides[SIDE_ITEMS],
                        .blocks = problem->blocks[SIDE_ITEMS],
                        .observed = &problem->observed[SIDE_ITEMS],
                        .weights = problem->weights[SIDE_ITEMS],
                        .items = (float)pairwise_items(problem),
                        .dimensions = problem->sides[SIDE_ITEMS].dimensions,
                        .plain = side_is_plain(&problem->sides[SIDE_ITEMS]),
                        .conjugate = params->solver == 1,
                        .steps = params->cg_steps,
                        .block = (size_t)params->block,
                        .stage = stage};
    const int saved = threads_serial_blas_begin();
    TRY(side_rows(context, &problem->sides[SIDE_CONTEXTS], &owned, &sweep.phi));
    TRY(sweep_set(&sweep));
    for (size_t field = 0; field < sweep.side->field_count; field++)
        TRY(sweep_field(&sweep, field));
done:
    threads_serial_blas_end(saved);
    free(owned);
    free(sweep.gram);
    free(sweep.identity);
    free(sweep.z);
    free(sweep.q);
    return status;
}
