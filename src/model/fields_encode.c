/* SPDX-License-Identifier: Apache-2.0
 *
 * φ of a query. The context is made an entity of its own, with tables of the few rows that describe it: in each field
 * the row of its value, and in the user's the row θ that is looked for (row 0) and what the user's features add up to
 * (row 1).
 *
 * θ minimises a quadratic function, A·θ = b in the block's own space. With j = Jᵀψ, φ₀ = φ at θ = 0 and a_h = ⟨φ₀,
 * ψ_h⟩,
 *
 *   A = Σ α_h j_h j_hᵀ + w JᵀGJ + λI,   b = Σ α_h (y_h − a_h) j_h − w JᵀGφ₀
 *
 * where pointwise (P2 eq. 26) w = α₀·v and G = Σ u ψψᵀ. The pairwise loss Σ_h α_h Σ_i u_i (⟨φ, ψ_h − ψ_i⟩ − y)² (P2
 * eq. 42) is the same sum over items less their mean, ψ − z/N with z = Σ u ψ, N = Σ u: then Σ_i u_i ψ_i = 0, α_h is
 * taken times N, w = Σ_h α_h, and the terms s tᵀ + t sᵀ of eq. 45 are gone. What all items share, such as the constant
 * of a bias, cancels here once and not in differences of large sums.
 */
#include "model/fields_encoder.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/threads.h"
#include "numeric/block.h"

enum { CHUNK = 256 }; /* events gathered at a time */

/* The user's block: row 0 of his field's table. */
static const side_block user_block = {.field = 0, .row = 0};

struct fields_scratch {
    multilinear_side side; /* of one entity; the core is lent */
    float *tables;         /* what the tables of `side` lie in */
    uint64_t user_offsets[2];
    uint32_t user_rows[2]; /* rows 0 and 1 of the user's table, where there are features */
    float *side_scratch;
    float *gathered;  /* [CHUNK × D] ψ_h */
    float *pulled;    /* [CHUNK × width] j_h */
    float *half;      /* [max(D, width) × width] G·J, then JᵀGJ */
    float *turned;    /* [width × D] (G·J)ᵀ */
    float *system;    /* [width × width] A */
    float *solver;    /* [2 width] */
    float *phi0;      /* [D] */
    float *gram_phi;  /* [D] G·φ₀ */
    float *base;      /* [width] JᵀGφ₀ */
    double *right;    /* [width] b */
    double *solution; /* [2 width] θ */
    size_t width, dimensions;
    float *centered; /* pairwise: [D × D] G of items less their mean */
    float *mean;     /* pairwise: [D] z/N */
    double total;    /* pairwise: N, once the two are there; else 1 */
};

void fields_scratch_free(fields_scratch *scratch)
{
    if (!scratch)
        return;
    free(scratch->side.fields);
    free(scratch->tables);
    free(scratch->side_scratch);
    free(scratch->gathered);
    free(scratch->pulled);
    free(scratch->half);
    free(scratch->turned);
    free(scratch->system);
    free(scratch->solver);
    free(scratch->phi0);
    free(scratch->gram_phi);
    free(scratch->base);
    free(scratch->right);
    free(scratch->solution);
    free(scratch->centered);
    free(scratch->mean);
    free(scratch);
}

/* The side with its one entity; the user's table has a second row for features where the model knows such. */
static topn_status create_side(topn_context *context, const fields_encoder *encoder, fields_scratch *scratch)
{
    topn_status status;
    multilinear_side *side = &scratch->side;
    size_t room = encoder->fields[0].table.columns;
    for (size_t field = 0; field < encoder->field_count; field++)
        room += encoder->fields[field].table.columns;
    *side = (multilinear_side){.kind = encoder->kind,
                               .entities = 1,
                               .factors = encoder->factors,
                               .dimensions = fields_dimensions(encoder),
                               .biases = encoder->biases,
                               .field_count = encoder->field_count,
                               .core = encoder->core};
    TRY(ALLOCATE_ZEROED(context, encoder->field_count, &side->fields));
    TRY(ALLOCATE_ZEROED(context, room, &scratch->tables));
    float *values = scratch->tables;
    for (size_t field = 0; field < encoder->field_count; field++) {
        dense_matrix *table = &side->fields[field].table;
        *table = (dense_matrix){.values = values, .rows = 1, .columns = encoder->fields[field].table.columns};
        if (field == 0 && encoder->fields[0].features.count) {
            table->rows = 2;
            scratch->user_offsets[1] = 2;
            scratch->user_rows[1] = 1;
            side->fields[0].rows = (sparse_matrix){
                .indptr = scratch->user_offsets, .indices = scratch->user_rows, .rows = 1, .columns = 2};
        }
        values += table->rows * table->columns;
    }
done:
    return status;
}

topn_status fields_scratch_create(topn_context *context, const fields_encoder *encoder, fields_scratch **out)
{
    topn_status status;
    fields_scratch *scratch = NULL;
    *out = NULL;
    TRY(ALLOCATE_ZEROED(context, 1, &scratch));
    TRY(create_side(context, encoder, scratch));
    const size_t dimensions = scratch->side.dimensions, width = side_block_width(&scratch->side, 0);
    scratch->dimensions = dimensions;
    scratch->width = width;
    TRY(ALLOCATE(context, side_scratch(&scratch->side), &scratch->side_scratch));
    TRY(ALLOCATE(context, CHUNK * dimensions, &scratch->gathered));
    TRY(ALLOCATE(context, CHUNK * width, &scratch->pulled));
    TRY(ALLOCATE(context, (dimensions > width ? dimensions : width) * width, &scratch->half));
    TRY(ALLOCATE(context, dimensions * width, &scratch->turned));
    TRY(ALLOCATE(context, width * width, &scratch->system));
    TRY(ALLOCATE(context, 2 * width, &scratch->solver));
    TRY(ALLOCATE(context, dimensions, &scratch->phi0));
    TRY(ALLOCATE(context, dimensions, &scratch->gram_phi));
    TRY(ALLOCATE(context, width, &scratch->base));
    TRY(ALLOCATE(context, width, &scratch->right));
    TRY(ALLOCATE(context, 2 * width, &scratch->solution));
    if (encoder->loss.pairwise) {
        TRY(ALLOCATE(context, dimensions * dimensions, &scratch->centered));
        TRY(ALLOCATE(context, dimensions, &scratch->mean));
    }
    *out = scratch;
    return TOPN_OK;
done:
    fields_scratch_free(scratch);
    return status;
}

static double product(const float *left, const float *right, size_t count)
{
    double sum = 0.0;
    for (size_t at = 0; at < count; at++)
        sum += (double)left[at] * (double)right[at];
    return sum;
}

/* target += x · row of the user's table that holds the feature; squares += x² ‖θ‖² where rows are added up. */
static void add_feature(const fields_encoder *encoder, uint32_t feature, float x, float *target, double *squares)
{
    const dense_matrix *table = &encoder->fields[0].table;
    const size_t first = table->rows - encoder->fields[0].features.count;
    const float *row = table->values + (first + feature) * table->columns;
    for (size_t column = 0; column < table->columns; column++)
        target[column] += x * row[column];
    if (encoder->kind == COMPOSE_SUM)
        *squares += (double)x * (double)x * product(row, row, encoder->factors);
}

/* Row 1 of the user's table: the features as one row of coefficient 1. In a sum of rows, what pairs of features give
 * goes into its bias: Σ_{k<l} x_k x_l ⟨θ_k, θ_l⟩ = (‖Σ x θ‖² − Σ x² ‖θ‖²) / 2. */
static void put_features(const fields_encoder *encoder, const fields_query *query, fields_scratch *scratch)
{
    const size_t width = encoder->fields[0].table.columns;
    if (!encoder->fields[0].features.count)
        return;
    float *row = scratch->side.fields[0].table.values + width;
    double squares = 0.0;
    memset(row, 0, width * sizeof *row);
    for (size_t at = 0; at < query->feature_count; at++)
        add_feature(encoder, query->features[at], query->feature_values ? query->feature_values[at] : 1.0f, row,
                    &squares);
    const sparse_matrix *kept = &encoder->user_features;
    if (query->user != UINT32_MAX && !query->feature_count && kept->indptr)
        for (uint64_t at = kept->indptr[query->user]; at < kept->indptr[query->user + 1]; at++)
            add_feature(encoder, kept->indices[at], kept->values ? kept->values[at] : 1.0f, row, &squares);
    if (encoder->kind == COMPOSE_SUM)
        row[width - 1] += (float)((product(row, row, encoder->factors) - squares) / 2.0);
}

/* Row `row` of a field's table into row 0 of the scratch's. */
static void put_row(const fields_encoder *encoder, size_t field, size_t row, fields_scratch *scratch)
{
    const dense_matrix *from = &encoder->fields[field].table;
    memcpy(scratch->side.fields[field].table.values, from->values + row * from->columns,
           from->columns * sizeof *from->values);
}

/* The context of the query in the scratch's tables, but for the user's row. */
static void put_context(const fields_encoder *encoder, const fields_query *query, fields_scratch *scratch)
{
    for (size_t field = 1; field < encoder->field_count; field++) {
        const uint32_t unknown = encoder->fields[field].values.count;
        const uint32_t value = query->values ? query->values[field - 1] : FIELD_MISSING;
        put_row(encoder, field, value == FIELD_MISSING ? unknown : value, scratch);
    }
    put_features(encoder, query, scratch);
}

/* Once: what the pairwise loss takes of the items' mean. Σ u (ψ − z/N)(ψ − z/N)ᵀ = G − z zᵀ/N. */
static void put_mean(const fields_encoder *encoder, const dense_matrix *psi, fields_scratch *scratch)
{
    const size_t dimensions = scratch->dimensions;
    const float *z = encoder->item_sum;
    if (scratch->total > 0.0)
        return;
    scratch->total = encoder->loss.pairwise && !encoder->item_weights ? (double)psi->rows : 1.0;
    if (!encoder->loss.pairwise)
        return;
    if (encoder->item_weights) {
        scratch->total = 0.0;
        for (size_t item = 0; item < psi->rows; item++)
            scratch->total += (double)encoder->item_weights[item];
    }
    for (size_t row = 0; row < dimensions; row++) {
        scratch->mean[row] = (float)((double)z[row] / scratch->total);
        for (size_t column = 0; column < dimensions; column++)
            scratch->centered[row * dimensions + column] =
                (float)((double)encoder->item_gram[row * dimensions + column] -
                        (double)z[row] * (double)z[column] / scratch->total);
    }
    if (!encoder->biases)
        return;
    const size_t one =
        encoder->factors; /* items have a 1 there: nothing is left of it, not even what rounding leaves */
    scratch->mean[one] = 1.0f;
    for (size_t at = 0; at < dimensions; at++)
        scratch->centered[one * dimensions + at] = scratch->centered[at * dimensions + one] = 0.0f;
}

static const float *gram_of(const fields_encoder *encoder, const fields_scratch *scratch)
{
    return encoder->loss.pairwise ? scratch->centered : encoder->item_gram;
}

/* A = weight · JᵀGJ + ridge·I; with `half` as scratch. */
static void put_gram(const fields_encoder *encoder, fields_scratch *scratch, double weight, double ridge)
{
    const size_t width = scratch->width, dimensions = scratch->dimensions;
    const float *gram = gram_of(encoder, scratch);
    if (!side_is_plain(&scratch->side)) {
        float *left = scratch->half, *turned = scratch->turned;
        side_pull(&scratch->side, user_block, scratch->side_scratch, gram, dimensions, 0, width, left);
        for (size_t row = 0; row < width; row++)
            for (size_t column = 0; column < dimensions; column++)
                turned[row * dimensions + column] = left[column * width + row];
        side_pull(&scratch->side, user_block, scratch->side_scratch, turned, width, 0, width, left);
        gram = left; /* [width × width] */
    }
    for (size_t at = 0; at < width * width; at++)
        scratch->system[at] = (float)(weight * (double)gram[at]);
    for (size_t row = 0; row < width; row++)
        scratch->system[row * width + row] += (float)ridge;
}

/* φ₀ and JᵀGφ₀. The Jacobian of the user's block is prepared. */
static void put_start(const fields_encoder *encoder, fields_scratch *scratch)
{
    const size_t dimensions = scratch->dimensions, width = scratch->width;
    const float *gram = gram_of(encoder, scratch);
    memset(scratch->side.fields[0].table.values, 0, scratch->side.fields[0].table.columns * sizeof(float));
    side_embed(&scratch->side, 0, scratch->side_scratch, scratch->phi0);
    for (size_t row = 0; row < dimensions; row++)
        scratch->gram_phi[row] = (float)product(gram + row * dimensions, scratch->phi0, dimensions);
    side_jacobian(&scratch->side, 0, user_block, 1.0f, scratch->side_scratch);
    side_pull(&scratch->side, user_block, scratch->side_scratch, scratch->gram_phi, 1, 0, width, scratch->base);
}

/* v of a user with so many events. */
static double user_weight(const fields_encoder *encoder, size_t events)
{
    return encoder->user_scale * pow((double)events, -encoder->loss.user_exponent);
}

/* α_h·v·u_h of an event of the history and its label. */
static double event_alpha(const fields_encoder *encoder, const fields_query *query, size_t place, double *label)
{
    float alpha, y;
    event_weight(&encoder->loss, query->weights ? query->weights[place] : 1.0f, &alpha, &y);
    *label = (double)y * (encoder->loss.pairwise ? encoder->loss.label : 1.0);
    const double u = encoder->item_weights ? (double)encoder->item_weights[query->items[place]] : 1.0;
    return (double)alpha * user_weight(encoder, query->length) * u;
}

/* Weight of JᵀGJ: α₀·v, or Σ α. */
static double gram_weight(const fields_encoder *encoder, const fields_query *query)
{
    double sum = 0.0, label;
    if (!encoder->loss.pairwise)
        return encoder->loss.unobserved * user_weight(encoder, query->length);
    for (size_t place = 0; place < query->length; place++)
        sum += event_alpha(encoder, query, place, &label);
    return sum;
}

/* ψ and j of the events from `begin` on; returns how many. */
static size_t gather(const fields_encoder *encoder, const dense_matrix *psi, const fields_query *query,
                     fields_scratch *scratch, size_t begin)
{
    const size_t count = query->length - begin < CHUNK ? query->length - begin : CHUNK;
    const size_t dimensions = scratch->dimensions;
    for (size_t at = 0; at < count; at++) {
        float *target = scratch->gathered + at * dimensions;
        memcpy(target, psi->values + query->items[begin + at] * dimensions, dimensions * sizeof *target);
        for (size_t column = 0; encoder->loss.pairwise && column < dimensions; column++)
            target[column] -= scratch->mean[column];
    }
    side_pull(&scratch->side, user_block, scratch->side_scratch, scratch->gathered, count, 0, scratch->width,
              scratch->pulled);
    return count;
}

/* y_h − a_h of the event whose ψ stands at `at` of the chunk. */
static double missing(const fields_scratch *scratch, size_t at, double label)
{
    return label - product(scratch->gathered + at * scratch->dimensions, scratch->phi0, scratch->dimensions);
}

static void add_scaled(double *target, double factor, const float *row, size_t width)
{
    for (size_t at = 0; at < width; at++)
        target[at] += factor * (double)row[at];
}

/* Adds the history to A and b. */
static void add_history(const fields_encoder *encoder, const dense_matrix *psi, const fields_query *query,
                        fields_scratch *scratch)
{
    const size_t width = scratch->width;
    for (size_t begin = 0, count; begin < query->length; begin += count) {
        count = gather(encoder, psi, query, scratch, begin);
        for (size_t at = 0; at < count; at++) {
            float *j = scratch->pulled + at * width;
            double label;
            const double alpha = event_alpha(encoder, query, begin + at, &label) * scratch->total;
            add_scaled(scratch->right, alpha * missing(scratch, at, label), j, width);
            const float root = (float)sqrt(alpha);
            for (size_t column = 0; column < width; column++)
                j[column] *= root;
        }
        block_add_gram(scratch->system, width, scratch->pulled, count);
    }
}

/* A and b of the query, whose context stands in the scratch. */
static void put_system(const fields_encoder *encoder, const dense_matrix *psi, const fields_query *query,
                       fields_scratch *scratch)
{
    const double weight = gram_weight(encoder, query);
    put_mean(encoder, psi, scratch);
    put_start(encoder, scratch);
    put_gram(encoder, scratch, weight, row_ridge(&encoder->loss, (double)query->length, (double)psi->rows));
    memset(scratch->right, 0, scratch->width * sizeof *scratch->right);
    add_scaled(scratch->right, -weight, scratch->base, scratch->width);
    add_history(encoder, psi, query, scratch);
}

static topn_status check_finite(const float *phi, size_t dimensions)
{
    for (size_t at = 0; at < dimensions; at++)
        if (!isfinite(phi[at]))
            return TOPN_ERROR_NUMERIC;
    return TOPN_OK;
}

topn_status fields_encode(const fields_encoder *encoder, const dense_matrix *psi, const fields_query *query,
                          fields_scratch *scratch, float *phi)
{
    put_context(encoder, query, scratch);
    if (query->user != UINT32_MAX) {
        put_row(encoder, 0, query->user, scratch);
    } else if (query->length == 0) {
        put_row(encoder, 0, fields_users(encoder), scratch);
    } else {
        const int saved = threads_serial_blas_begin();
        put_system(encoder, psi, query, scratch);
        const bool solved =
            block_solve(scratch->system, scratch->width, scratch->right, scratch->solution, scratch->solver);
        threads_serial_blas_end(saved);
        if (!solved)
            return TOPN_ERROR_NUMERIC;
        for (size_t column = 0; column < scratch->width; column++)
            scratch->side.fields[0].table.values[column] = (float)scratch->solution[column];
    }
    side_embed(&scratch->side, 0, scratch->side_scratch, phi);
    return check_finite(phi, scratch->dimensions);
}

/* ⟨x, row⟩ for the solution x. */
static double along(const fields_scratch *scratch, const float *row)
{
    double sum = 0.0;
    for (size_t column = 0; column < scratch->width; column++)
        sum += scratch->solution[column] * (double)row[column];
    return sum;
}

topn_status fields_contributions(const fields_encoder *encoder, const dense_matrix *psi, const fields_query *query,
                                 fields_scratch *scratch, const float *target, double *out)
{
    fields_query unknown = *query;
    unknown.user = UINT32_MAX;
    if (!query->length)
        return TOPN_OK;
    put_context(encoder, &unknown, scratch);
    const int saved = threads_serial_blas_begin();
    put_system(encoder, psi, &unknown, scratch);
    side_pull(&scratch->side, user_block, scratch->side_scratch, target, 1, 0, scratch->width, scratch->pulled);
    for (size_t column = 0; column < scratch->width; column++)
        scratch->right[column] = (double)scratch->pulled[column];
    const bool solved =
        block_solve(scratch->system, scratch->width, scratch->right, scratch->solution, scratch->solver);
    threads_serial_blas_end(saved);
    if (!solved)
        return TOPN_ERROR_NUMERIC;
    /* Of the pairwise loss the weight of G is the events', too. */
    const double along_base = encoder->loss.pairwise ? along(scratch, scratch->base) : 0.0;
    for (size_t begin = 0, count; begin < query->length; begin += count) {
        count = gather(encoder, psi, query, scratch, begin);
        for (size_t at = 0; at < count; at++) {
            double label;
            const double alpha = event_alpha(encoder, query, begin + at, &label);
            const double gain = scratch->total * missing(scratch, at, label);
            out[begin + at] = alpha * (gain * along(scratch, scratch->pulled + at * scratch->width) - along_base);
        }
    }
    return TOPN_OK;
}
