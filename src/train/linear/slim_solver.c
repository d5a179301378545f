/* SPDX-License-Identifier: Apache-2.0
 *
 * A round: the coordinates that are not zero and the worst offenders among the others become the working set; its part
 * of G + ridge is copied into a small square that stays in the cache; coordinate descent on that; then r of all
 * coordinates is brought up to date from the rows of G. Weights are rounded to single precision before that, so what
 * the next round looks at is the residual of the weights that the model will hold. All sums are in double precision.
 */
#include "train/linear/slim_solver.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/vector.h"

enum {
    SQUARE_MOST = 1024,  /* a working set beyond this sweeps over the rows of G themselves */
    SQUARE_STEP = 8,     /* rows of the square are padded to a multiple of this */
    FIRST_OFFENDERS = 64 /* least number taken into the working set in a round */
};
static const double inner_share = 0.01; /* a round brings the working set to this share of the residual at its start */
static const double inner_least = 0.25; /* … and not further than this share of the tolerance */
static const double path_tolerance = 1e-2; /* of the values of l1 before the last */

typedef struct offender {
    double key;
    uint32_t index;
} offender;

struct slim_worker {
    double *w, *r;        /* [items]; between columns w is 0 */
    uint8_t *marked;      /* [items] 1 for what may differ from 0; between columns 0 */
    uint32_t *candidates; /* [items] the same as a list, ascending; `candidate_count` of them */
    uint32_t *set;        /* [items] the working set, ascending; `count` of them */
    uint32_t *slot;       /* [items] place in the working set + 1, or 0; between columns 0 */
    double *change;       /* [items] what the round took from w, by place in the set */
    offender *offenders;  /* [items] */
    uint32_t count, candidate_count;
    bool square_is_set; /* the square below holds the working set's part of G */
    /* The working set's own copies, [SQUARE_MOST] */
    double *small_w, *small_r, *small_diagonal, *small_inverse;
    float *square; /* [SQUARE_MOST × SQUARE_MOST] */
};

static size_t square_side(uint64_t items)
{
    const uint64_t padded = (items + SQUARE_STEP - 1) / SQUARE_STEP * SQUARE_STEP;
    return padded < SQUARE_MOST ? (size_t)padded : SQUARE_MOST;
}

uint64_t slim_worker_bytes(uint64_t items)
{
    const uint64_t side = square_side(items);
    return items * (3 * sizeof(double) + 3 * sizeof(uint32_t) + 1 + sizeof(offender)) + 4 * side * sizeof(double) +
           side * side * sizeof(float);
}

void slim_worker_free(slim_worker *worker)
{
    if (!worker)
        return;
    free(worker->w);
    free(worker->r);
    free(worker->marked);
    free(worker->candidates);
    free(worker->set);
    free(worker->slot);
    free(worker->change);
    free(worker->offenders);
    free(worker->small_w);
    free(worker->small_r);
    free(worker->small_diagonal);
    free(worker->small_inverse);
    free(worker->square);
    free(worker);
}

topn_status slim_worker_create(topn_context *context, const slim_problem *problem, slim_worker **out)
{
    topn_status status;
    const size_t items = problem->items, side = square_side(items);
    TRY(ALLOCATE_ZEROED(context, 1, out));
    slim_worker *worker = *out;
    TRY(ALLOCATE_ZEROED(context, items, &worker->w));
    TRY(ALLOCATE(context, items, &worker->r));
    TRY(ALLOCATE_ZEROED(context, items, &worker->marked));
    TRY(ALLOCATE(context, items, &worker->candidates));
    TRY(ALLOCATE(context, items, &worker->set));
    TRY(ALLOCATE_ZEROED(context, items, &worker->slot));
    TRY(ALLOCATE(context, items, &worker->change));
    TRY(ALLOCATE(context, items, &worker->offenders));
    TRY(ALLOCATE(context, side, &worker->small_w));
    TRY(ALLOCATE(context, side, &worker->small_r));
    TRY(ALLOCATE(context, side, &worker->small_diagonal));
    TRY(ALLOCATE(context, side, &worker->small_inverse));
    TRY(ALLOCATE(context, side * side, &worker->square));
    return TOPN_OK;
done:
    slim_worker_free(*out);
    *out = NULL;
    return status;
}

/* r −= Σ c_k · row_k over four rows; so r is read and written once for all of them. */
VECTOR_CLONES static void subtract_four(double *restrict r, const float *const row[4], const double c[4], size_t n)
{
    const float *restrict p0 = row[0], *restrict p1 = row[1], *restrict p2 = row[2], *restrict p3 = row[3];
    const double c0 = c[0], c1 = c[1], c2 = c[2], c3 = c[3];
    for (size_t i = 0; i < n; i++)
        r[i] -= (c0 * p0[i] + c1 * p1[i]) + (c2 * p2[i] + c3 * p3[i]);
}

VECTOR_CLONES static void subtract_one(double *restrict r, const float *restrict row, double c, size_t n)
{
    for (size_t i = 0; i < n; i++)
        r[i] -= c * row[i];
}

/* r −= c · (row i of G + ridge) */
static void subtract_row(const slim_problem *problem, uint32_t i, double c, double *r)
{
    if (problem->dense) {
        subtract_one(r, problem->dense + (size_t)i * problem->items, c, problem->items);
    } else {
        const sparse_matrix *g = problem->sparse;
        const double before = r[i];
        for (uint64_t at = g->indptr[i]; at < g->indptr[i + 1]; at++)
            r[g->indices[at]] -= c * g->values[at];
        r[i] = before;
    }
    r[i] -= c * problem->diagonal[i];
}

/* r −= Σ change_a · (row set_a of G + ridge) over the working set. */
static void subtract_changes(const slim_problem *problem, const slim_worker *worker)
{
    const size_t n = problem->items;
    const float *row[4];
    double c[4];
    int held = 0;
    for (uint32_t a = 0; a < worker->count; a++) {
        const uint32_t i = worker->set[a];
        if (worker->change[a] == 0)
            continue;
        if (!problem->dense) {
            subtract_row(problem, i, worker->change[a], worker->r);
            continue;
        }
        worker->r[i] -= worker->change[a] * problem->diagonal[i];
        row[held] = problem->dense + (size_t)i * n;
        c[held++] = worker->change[a];
        if (held == 4) {
            subtract_four(worker->r, row, c, n);
            held = 0;
        }
    }
    for (int k = 0; k < held; k++)
        subtract_one(worker->r, row[k], c[k], n);
}

/* How much coordinate i misses its optimality condition. */
static inline double violation(double w, double r, double l1, bool nonnegative)
{
    if (w != 0)
        return fabs(r - copysign(l1, w));
    const double excess = (nonnegative ? r : fabs(r)) - l1;
    return excess > 0 ? excess : 0;
}

/* The best value of one coordinate, the others held: pull = r_i + D_i·w_i. */
static inline double best_value(double pull, double inverse, double l1, bool nonnegative)
{
    if (pull > l1)
        return (pull - l1) * inverse;
    return !nonnegative && pull < -l1 ? (pull + l1) * inverse : 0;
}

/* Larger keys first, ties by index. */
static inline bool goes_before(const offender *a, const offender *b)
{
    return a->key > b->key || (a->key == b->key && a->index < b->index);
}

/* Brings the `keep` first of the list to its front, in any order (Hoare's selection). */
static void select_first(offender *list, size_t count, size_t keep)
{
    size_t low = 0, high = count;
    while (high - low > 1 && keep > low && keep < high) {
        const offender pivot = list[low + (high - low) / 2];
        size_t left = low, right = high - 1;
        for (;;) {
            while (goes_before(&list[left], &pivot))
                left++;
            while (goes_before(&pivot, &list[right]))
                right--;
            if (left >= right)
                break;
            const offender held = list[left];
            list[left++] = list[right];
            list[right--] = held;
        }
        /* before `left` nothing goes after the pivot, from it on nothing goes before */
        if (keep <= left)
            high = left;
        else
            low = left;
    }
}

/* Makes everything with a positive slot the working set. */
static void rebuild_set(slim_worker *worker)
{
    worker->count = 0;
    worker->square_is_set = false;
    for (uint32_t at = 0; at < worker->candidate_count; at++) {
        const uint32_t i = worker->candidates[at];
        if (worker->slot[i]) {
            worker->set[worker->count++] = i;
            worker->slot[i] = worker->count;
        }
    }
}

/* The working set of this round, which is the last one's when that holds all it must and not much more; returns the
 * largest violation of all coordinates. */
static double choose_set(const slim_problem *problem, slim_worker *worker, double l1, double tolerance)
{
    double largest = 0;
    size_t offenders = 0, support = 0, new = 0;
    for (uint32_t at = 0; at < worker->candidate_count; at++) {
        const uint32_t i = worker->candidates[at];
        const double w = worker->w[i], missed = violation(w, worker->r[i], l1, problem->nonnegative);
        largest = missed > largest ? missed : largest;
        if (w != 0) {
            support++;
            new += worker->slot[i] == 0;
        } else if (missed > tolerance) {
            worker->offenders[offenders++] = (offender){missed * missed / problem->diagonal[i], i};
        }
    }
    const size_t room = support > FIRST_OFFENDERS ? support : FIRST_OFFENDERS;
    if (offenders > room) {
        select_first(worker->offenders, offenders, room);
        offenders = room;
    }
    for (size_t at = 0; at < offenders; at++)
        new += worker->slot[worker->offenders[at].index] == 0;
    if (new == 0 && worker->count <= support + support / 2 + FIRST_OFFENDERS)
        return largest;
    for (uint32_t at = 0; at < worker->candidate_count; at++)
        worker->slot[worker->candidates[at]] = worker->w[worker->candidates[at]] != 0;
    for (size_t at = 0; at < offenders; at++)
        worker->slot[worker->offenders[at].index] = 1;
    rebuild_set(worker);
    return largest;
}

VECTOR_CLONES static void gather(const float *restrict from, const uint32_t *restrict places, size_t count,
                                 float *restrict to)
{
    for (size_t at = 0; at < count; at++)
        to[at] = from[places[at]];
}

/* Copies the working set's part of G. stride: padded length of a row of the square. */
static void fill_square(const slim_problem *problem, slim_worker *worker, size_t stride)
{
    const uint32_t count = worker->count;
    if (!problem->dense || stride > count)
        memset(worker->square, 0, count * stride * sizeof *worker->square);
    for (uint32_t a = 0; a < count; a++) {
        const uint32_t i = worker->set[a];
        float *to = worker->square + a * stride;
        if (problem->dense) {
            gather(problem->dense + (size_t)i * problem->items, worker->set, count, to);
        } else {
            const sparse_matrix *g = problem->sparse;
            for (uint64_t at = g->indptr[i]; at < g->indptr[i + 1]; at++)
                if (worker->slot[g->indices[at]])
                    to[worker->slot[g->indices[at]] - 1] = g->values[at];
            to[a] = 0;
        }
    }
}

/* Copies the working set's part of everything. */
static void copy_in(const slim_problem *problem, slim_worker *worker, size_t stride)
{
    if (!worker->square_is_set)
        fill_square(problem, worker, stride);
    worker->square_is_set = true;
    memset(worker->small_r, 0, stride * sizeof *worker->small_r);
    for (uint32_t a = 0; a < worker->count; a++) {
        const uint32_t i = worker->set[a];
        worker->small_w[a] = worker->w[i];
        worker->small_r[a] = worker->r[i];
        worker->small_diagonal[a] = problem->diagonal[i];
        worker->small_inverse[a] = 1 / problem->diagonal[i];
    }
}

/* One sweep over the square. */
VECTOR_CLONES static void sweep_square(double *restrict w, double *restrict r, const float *restrict square,
                                       const double *diagonal, const double *inverse, size_t count, size_t stride,
                                       double l1, bool nonnegative)
{
    for (size_t a = 0; a < count; a++) {
        const double next = best_value(r[a] + diagonal[a] * w[a], inverse[a], l1, nonnegative), change = next - w[a];
        if (change == 0)
            continue;
        const float *restrict row = square + a * stride;
        w[a] = next;
        for (size_t b = 0; b < stride; b++)
            r[b] -= change * row[b];
        r[a] -= change * diagonal[a];
    }
}

/* The same over the rows of G, for a working set that no square holds. */
static void sweep_rows(const slim_problem *problem, slim_worker *worker, double l1)
{
    for (uint32_t a = 0; a < worker->count; a++) {
        const uint32_t i = worker->set[a];
        const double diagonal = problem->diagonal[i];
        const double pull = worker->r[i] + diagonal * worker->w[i];
        const double next = best_value(pull, 1 / diagonal, l1, problem->nonnegative), change = next - worker->w[i];
        if (change == 0)
            continue;
        worker->w[i] = next;
        subtract_row(problem, i, change, worker->r);
    }
}

/* The largest violation within the working set. */
static double set_violation(const slim_problem *problem, const slim_worker *worker, double l1, bool square)
{
    double largest = 0;
    for (uint32_t a = 0; a < worker->count; a++) {
        const double w = square ? worker->small_w[a] : worker->w[worker->set[a]];
        const double r = square ? worker->small_r[a] : worker->r[worker->set[a]];
        const double missed = violation(w, r, l1, problem->nonnegative);
        largest = missed > largest ? missed : largest;
    }
    return largest;
}

/* Coordinate descent until the working set violates nothing by more than `goal`; rounds its weights and brings r of
 * all coordinates up to date. Returns the sweeps made, at most `most` and at least one. */
static uint64_t descend(const slim_problem *problem, slim_worker *worker, double l1, double goal, uint64_t most)
{
    uint64_t sweeps = 0;
    const bool square = worker->count <= square_side(problem->items);
    const size_t stride = ((size_t)worker->count + SQUARE_STEP - 1) / SQUARE_STEP * SQUARE_STEP;
    if (square)
        copy_in(problem, worker, stride);
    do {
        if (square)
            sweep_square(worker->small_w, worker->small_r, worker->square, worker->small_diagonal,
                         worker->small_inverse, worker->count, stride, l1, problem->nonnegative);
        else
            sweep_rows(problem, worker, l1);
    } while (++sweeps < most && set_violation(problem, worker, l1, square) > goal);
    for (uint32_t a = 0; a < worker->count; a++) {
        const uint32_t i = worker->set[a];
        const double rounded = (float)(square ? worker->small_w[a] : worker->w[i]);
        worker->change[a] = rounded - worker->w[i];
        worker->w[i] = rounded;
    }
    subtract_changes(problem, worker);
    return sweeps;
}

/* Rounds until all coordinates are within `tolerance`, or nothing gets better. Returns the largest violation. */
static double solve_for(const slim_problem *problem, slim_worker *worker, double l1, double tolerance, uint64_t *sweeps)
{
    uint64_t made = 0;
    double before = INFINITY;
    uint32_t support_before = 0;
    for (;;) {
        const double missed = choose_set(problem, worker, l1, tolerance);
        const bool stuck = missed >= before && worker->count == support_before && missed < 100 * tolerance;
        if (missed <= tolerance || made >= problem->max_sweeps || stuck) {
            *sweeps += made;
            return missed;
        }
        before = missed;
        support_before = worker->count;
        made += descend(problem, worker, l1, fmax(inner_share * missed, inner_least * tolerance),
                        problem->max_sweeps - made);
    }
}

static inline void add_candidate(const slim_problem *problem, slim_worker *worker, uint32_t i)
{
    if (problem->diagonal[i] > 0) /* else G_ij = 0 for all j, and so is w_i */
        worker->candidates[worker->candidate_count++] = i;
}

/* Which weights of column j may differ from zero, and r at w = 0; returns the largest |G_ij|, i ≠ j. With w ≥ 0 and
 * G ≥ 0, r_i never exceeds G_ij, so only i with G_ij > l1 can; the others fulfil their condition whatever w is. */
static double find_candidates(const slim_problem *problem, slim_worker *worker, uint32_t j)
{
    const size_t n = problem->items;
    const sparse_matrix *allowed = problem->allowed, *g = problem->sparse;
    const bool screen = problem->nonnegative && problem->gram_nonnegative;
    double largest = 0;
    memset(worker->r, 0, n * sizeof *worker->r);
    subtract_row(problem, j, -1, worker->r);
    for (uint64_t at = allowed ? allowed->indptr[j] : 0; allowed && at < allowed->indptr[j + 1]; at++)
        worker->marked[allowed->indices[at]] = 1;
    worker->candidate_count = worker->count = 0;
    worker->square_is_set = false;
    if (!problem->dense && screen) {
        for (uint64_t at = g->indptr[j]; at < g->indptr[j + 1]; at++) {
            const uint32_t i = g->indices[at];
            if (i == j)
                continue;
            largest = worker->r[i] > largest ? worker->r[i] : largest;
            if (worker->r[i] > problem->l1 && (!allowed || worker->marked[i]))
                add_candidate(problem, worker, i);
        }
    } else {
        for (uint32_t i = 0; i < n; i++) {
            if (i == j)
                continue;
            largest = fabs(worker->r[i]) > largest ? fabs(worker->r[i]) : largest;
            if ((!screen || worker->r[i] > problem->l1) && (!allowed || worker->marked[i]))
                add_candidate(problem, worker, i);
        }
    }
    for (uint64_t at = allowed ? allowed->indptr[j] : 0; allowed && at < allowed->indptr[j + 1]; at++)
        worker->marked[allowed->indices[at]] = 0;
    return largest;
}

/* w and r at the weights that column j starts from. */
static void start_from(const slim_problem *problem, slim_worker *worker, uint32_t j)
{
    const sparse_matrix *start = problem->start;
    for (uint32_t at = 0; at < worker->candidate_count; at++)
        worker->marked[worker->candidates[at]] = 1;
    worker->count = 0;
    for (uint64_t at = start->indptr[j]; at < start->indptr[j + 1]; at++) {
        const uint32_t i = start->indices[at];
        const double w = start->values[at];
        if (!worker->marked[i] || w == 0 || (problem->nonnegative && w < 0))
            continue;
        worker->w[i] = w;
        worker->set[worker->count] = i;
        worker->change[worker->count++] = w;
    }
    subtract_changes(problem, worker);
    worker->count = 0;
    for (uint32_t at = 0; at < worker->candidate_count; at++)
        worker->marked[worker->candidates[at]] = 0;
}

void slim_solve(const slim_problem *problem, slim_worker *worker, uint32_t j, uint32_t *indices, float *values,
                slim_column *out)
{
    *out = (slim_column){.converged = true};
    const double scale = find_candidates(problem, worker, j);
    if (worker->candidate_count == 0)
        return;
    if (problem->start)
        start_from(problem, worker, j);
    const double last = problem->l1 > 0 ? problem->l1 : scale * 1e-4; /* where the steps towards l1 = 0 end */
    for (uint32_t step = 1; step < problem->path && scale > last; step++)
        solve_for(problem, worker, scale * pow(last / scale, (double)step / problem->path), path_tolerance * scale,
                  &out->sweeps);
    if (scale > 0)
        out->residual = solve_for(problem, worker, problem->l1, problem->tolerance * scale, &out->sweeps) / scale;
    out->converged = out->residual <= problem->tolerance;
    for (uint32_t at = 0; at < worker->candidate_count; at++) {
        const uint32_t i = worker->candidates[at];
        if (scale > 0 && worker->w[i] != 0) {
            indices[out->count] = i;
            values[out->count++] = (float)worker->w[i];
        }
        worker->w[i] = 0;
        worker->slot[i] = 0;
    }
}
