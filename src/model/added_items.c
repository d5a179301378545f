/* SPDX-License-Identifier: Apache-2.0
 *
 * The row of a new item is one Newton step of P2 Algorithm 4 with every context as it is:
 *
 *     ψ = argmin Σ_c α_c·v_c·u (⟨φ_c, ψ⟩ − y_c)² + α₀·u ψᵀCψ + λ‖θ‖²,   C = Σ_c v_c φ_c φ_cᵀ of the training
 *
 * over the events c of the item in the data. With biases θ leaves out the constant 1 of ψ, which meets the context's
 * own bias.
 *
 * Of the pairwise loss (P2 eq. 42) the derivative in ψ of all pairs that the item has a part in, its own events against
 * all items and the events of the training against it, is 0 at ψ = ψ̄ + δ with ψ̄ = Σ_i u_i ψ_i / N the mean item and
 *
 *     (N Σ_c α_c φ_c φ_cᵀ + u C + λI) δ = N Σ_c α_c y_c φ_c + u r − λψ̄,   C and r of the training (pair_statistics.h)
 */
#include "model/added_items.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/threads.h"
#include "model/extended_items.h"
#include "numeric/block.h"
#include "numeric/sparse.h"
#include "numeric/sums.h"

static const uint32_t NONE = UINT32_MAX;

enum { CHUNK = 256 }; /* events gathered at a time */

/* One thread's memory. */
typedef struct worker {
    fields_scratch *scratch;
    uint32_t *items; /* [longest history] */
    float *weights;
    uint32_t *features; /* [longest row of features] */
    float *numbers;
    uint32_t *values; /* [fields of the context] */
    float *system;    /* [width × width] */
    float *rows;      /* [CHUNK × width] */
    float *solver;    /* [2 width] */
    double *right;    /* [width] */
    double *solution; /* [2 width] */
} worker;

/* One extension under way. */
typedef struct extension {
    const topn_model *model;
    const topn_data *data;
    const sparse_matrix *events; /* users or contexts × items of the data */
    bool contexts;               /* rows are contexts */
    uint32_t *item_of;           /* [items of the data] of the model, NONE = new */
    uint32_t *feature_of;        /* [features of the data's users] of the model */
    uint32_t **value_of;         /* [fields of the model] → [values of the data's field], NULL where there is none */
    size_t *column_of;           /* [fields of the model] column of the data */
    uint32_t *fresh;             /* [fresh_count] items of the data that are new */
    uint32_t fresh_count;
    sparse_matrix by_item; /* items × rows, transposed events */
    uint32_t *place_of;    /* [rows] of phi, NONE where no new item is in the row */
    float *phi;            /* [places × D] */
    float *scales;         /* [places] v of the row's user */
    uint32_t places;
    worker *workers; /* [threads] */
    int threads;
    double item_scale;   /* u of an item with m events is item_scale·m^−item_exponent */
    float *mean;         /* pairwise: [D] ψ̄ */
    double total;        /* pairwise: N; else 1 */
    float *psi;          /* [fresh × D] */
    float *item_weights; /* [fresh] */
} extension;

static void free_extension(extension *run)
{
    for (int thread = 0; run->workers && thread < run->threads; thread++) {
        worker *own = &run->workers[thread];
        fields_scratch_free(own->scratch);
        free(own->items);
        free(own->weights);
        free(own->features);
        free(own->numbers);
        free(own->values);
        free(own->system);
        free(own->rows);
        free(own->solver);
        free(own->right);
        free(own->solution);
    }
    const size_t fields = topn_model_fields(run->model);
    for (size_t field = 0; run->value_of && field < fields; field++)
        free(run->value_of[field]);
    free(run->value_of);
    free(run->column_of);
    free(run->workers);
    free(run->item_of);
    free(run->feature_of);
    free(run->fresh);
    sparse_clear(&run->by_item);
    free(run->place_of);
    free(run->phi);
    free(run->scales);
    free(run->mean);
    free(run->psi);
    free(run->item_weights);
}

/* Fields and features of the data that the model knows by name. */
static topn_status match_names(topn_context *context, extension *run)
{
    topn_status status;
    const data_contexts *contexts = &run->data->contexts;
    const string_table *features = &run->data->user_features.names;
    const size_t fields = topn_model_fields(run->model);
    TRY(ALLOCATE(context, features->count, &run->feature_of));
    for (uint32_t feature = 0; feature < features->count; feature++)
        if (!topn_model_find_feature(run->model, string_table_get(features, feature), &run->feature_of[feature]))
            run->feature_of[feature] = NONE;
    TRY(ALLOCATE_ZEROED(context, fields, &run->value_of));
    TRY(ALLOCATE_ZEROED(context, fields, &run->column_of));
    for (size_t field = 0; field < fields; field++)
        for (size_t column = 0; column < contexts->field_count; column++) {
            const string_table *values = &contexts->fields[column].values;
            if (strcmp(contexts->fields[column].name, topn_model_field_name(run->model, field)) != 0)
                continue;
            run->column_of[field] = column;
            TRY(ALLOCATE(context, values->count, &run->value_of[field]));
            for (uint32_t value = 0; value < values->count; value++)
                if (!topn_model_find_value(run->model, field, string_table_get(values, value),
                                           &run->value_of[field][value]))
                    run->value_of[field][value] = FIELD_MISSING;
        }
done:
    return status;
}

/* Rows of the data in which new items occur, and scratch for each thread. */
static topn_status allocate(topn_context *context, extension *run)
{
    topn_status status;
    const size_t dimensions = model_dimensions(run->model), fields = topn_model_fields(run->model);
    const size_t width = run->model->encoder.fields.factors + (run->model->encoder.fields.biases ? 1 : 0);
    const sparse_matrix *features = &run->data->user_features.rows;
    uint64_t longest = 0, most = 0;
    TRY(ALLOCATE(context, run->events->rows, &run->place_of));
    for (uint32_t row = 0; row < run->events->rows; row++) {
        run->place_of[row] = NONE;
        for (uint64_t at = run->events->indptr[row]; at < run->events->indptr[row + 1]; at++)
            if (run->item_of[run->events->indices[at]] == NONE) {
                run->place_of[row] = run->places++;
                break;
            }
    }
    for (uint32_t user = 0; user < run->data->matrix.rows; user++) {
        const uint64_t length = run->data->matrix.indptr[user + 1] - run->data->matrix.indptr[user];
        const uint64_t known = features->indptr ? features->indptr[user + 1] - features->indptr[user] : 0;
        longest = length > longest ? length : longest;
        most = known > most ? known : most;
    }
    TRY(memory_check(context, "adding items",
                     ((uint64_t)run->places + run->model->items + 2 * (uint64_t)run->fresh_count) * dimensions *
                         sizeof(float),
                     "give the new items' events alone"));
    TRY(ALLOCATE(context, run->places * dimensions, &run->phi));
    TRY(ALLOCATE(context, run->places, &run->scales));
    TRY(ALLOCATE(context, run->fresh_count * dimensions, &run->psi));
    TRY(ALLOCATE(context, run->fresh_count, &run->item_weights));
    run->threads = context->threads;
    TRY(ALLOCATE_ZEROED(context, (size_t)run->threads, &run->workers));
    for (int thread = 0; thread < run->threads; thread++) {
        worker *own = &run->workers[thread];
        TRY(fields_scratch_create(context, &run->model->encoder.fields, &own->scratch));
        TRY(ALLOCATE(context, longest, &own->items));
        TRY(ALLOCATE(context, longest, &own->weights));
        TRY(ALLOCATE(context, most, &own->features));
        TRY(ALLOCATE(context, most, &own->numbers));
        TRY(ALLOCATE(context, fields, &own->values));
        TRY(ALLOCATE(context, width * width, &own->system));
        TRY(ALLOCATE(context, CHUNK * width, &own->rows));
        TRY(ALLOCATE(context, 2 * width, &own->solver));
        TRY(ALLOCATE(context, width, &own->right));
        TRY(ALLOCATE(context, 2 * width, &own->solution));
    }
done:
    return status;
}

/* Scale of u, from an item whose events the model keeps; 1, the mean over events, where it keeps none. */
static topn_status find_item_scale(topn_context *context, extension *run)
{
    topn_status status = TOPN_OK;
    uint64_t *counts = NULL;
    const fields_encoder *encoder = &run->model->encoder.fields;
    const sparse_matrix *kept = &run->model->histories;
    run->item_scale = 0.0;
    if (!encoder->item_weights)
        return TOPN_OK;
    TRY(ALLOCATE_ZEROED(context, run->model->items, &counts));
    for (uint64_t at = 0; kept->indptr && at < kept->indptr[kept->rows]; at++)
        counts[kept->indices[at]]++;
    for (uint32_t item = 0; item < run->model->items && run->item_scale == 0.0; item++)
        if (counts[item])
            run->item_scale =
                (double)encoder->item_weights[item] * pow((double)counts[item], encoder->loss.item_exponent);
done:
    free(counts);
    return status;
}

static double item_weight(const extension *run, uint64_t events)
{
    return run->item_scale > 0.0 ? run->item_scale * pow((double)events, -run->model->encoder.fields.loss.item_exponent)
                                 : 1.0;
}

/* ψ̄ and N of the pairwise loss. */
static topn_status find_mean(topn_context *context, extension *run)
{
    topn_status status = TOPN_OK;
    const fields_encoder *encoder = &run->model->encoder.fields;
    const size_t dimensions = fields_dimensions(encoder);
    run->total = 1.0;
    if (!encoder->loss.pairwise)
        return TOPN_OK;
    run->total = encoder->item_weights ? sum_floats(encoder->item_weights, run->model->items) : run->model->items;
    TRY(ALLOCATE(context, dimensions, &run->mean));
    for (size_t at = 0; at < dimensions; at++)
        run->mean[at] = (float)((double)encoder->item_sum[at] / run->total);
done:
    return status;
}

/* What the encoder is asked for a row of the events. */
static fields_query query_for(const extension *run, uint32_t row, worker *own)
{
    const topn_data *data = run->data;
    const uint32_t user = run->contexts ? data->contexts.users[row] : row;
    fields_query query = {.user = NONE, .items = own->items, .features = own->features, .values = own->values};
    query.feature_values = own->numbers;
    query.weights = run->model->encoder.use_weights ? own->weights : NULL;
    uint32_t known;
    if (topn_model_find_user(run->model, topn_data_user_id(data, user), &known) &&
        known < fields_users(&run->model->encoder.fields))
        query.user = known;
    for (uint64_t at = data->matrix.indptr[user]; at < data->matrix.indptr[user + 1]; at++) {
        const uint32_t item = run->item_of[data->matrix.indices[at]];
        if (item == NONE)
            continue;
        own->items[query.length] = item;
        own->weights[query.length++] = data->matrix.values[at];
    }
    const sparse_matrix *features = &data->user_features.rows;
    for (uint64_t at = features->indptr ? features->indptr[user] : 0;
         features->indptr && at < features->indptr[user + 1]; at++) {
        if (run->feature_of[features->indices[at]] == NONE)
            continue;
        own->features[query.feature_count] = run->feature_of[features->indices[at]];
        own->numbers[query.feature_count++] = features->values ? features->values[at] : 1.0f;
    }
    for (size_t field = 0; field < topn_model_fields(run->model); field++) {
        const bool there = run->contexts && run->value_of[field];
        const uint32_t value =
            there ? data->contexts.values[row * data->contexts.field_count + run->column_of[field]] : FIELD_MISSING;
        own->values[field] = value == FIELD_MISSING ? FIELD_MISSING : run->value_of[field][value];
    }
    return query;
}

static topn_status fail_row(topn_context *context, const char *what, const char *id)
{
    return fail(context, TOPN_ERROR_NUMERIC,
                "the row of %s \"%s\" has no solution in single precision: the model needs more --l2", what, id);
}

static topn_status embed_rows(topn_context *context, extension *run)
{
    const topn_model *model = run->model;
    const fields_encoder *encoder = &model->encoder.fields;
    const size_t dimensions = model_dimensions(model);
    uint32_t failed = NONE;
#pragma omp parallel for num_threads(run->threads) schedule(dynamic, 64) reduction(min : failed)
    for (uint32_t row = 0; row < run->events->rows; row++) {
        const uint32_t place = run->place_of[row];
        if (place == NONE)
            continue;
        worker *own = &run->workers[thread_index()];
        const fields_query query = query_for(run, row, own);
        const uint32_t user = run->contexts ? run->data->contexts.users[row] : row;
        const uint64_t events = run->data->matrix.indptr[user + 1] - run->data->matrix.indptr[user];
        run->scales[place] = (float)(encoder->user_scale * pow((double)events, -encoder->loss.user_exponent));
        if (fields_encode(encoder, &model->table.rows.dense, &query, own->scratch,
                          run->phi + (size_t)place * dimensions) != TOPN_OK &&
            row < failed)
            failed = row;
    }
    if (failed == NONE)
        return TOPN_OK;
    return fail_row(context, "user",
                    topn_data_user_id(run->data, run->contexts ? run->data->contexts.users[failed] : failed));
}

/* The entries of φ or of a row of C that θ meets: all but the context's own bias, which meets the constant. */
static void take_columns(const fields_encoder *encoder, const float *from, float scale, float *out)
{
    for (size_t at = 0; at < encoder->factors; at++)
        out[at] = scale * from[at];
    if (encoder->biases)
        out[encoder->factors] = scale * from[encoder->factors + 1];
}

/* A = α₀·u·C + λI, b = −α₀·u·C·(the constant); pairwise A = u·C + λI, b = u·r − λψ̄. */
static void put_gram(const extension *run, double u, double ridge, worker *own)
{
    const fields_encoder *encoder = &run->model->encoder.fields;
    const bool pairwise = encoder->loss.pairwise;
    const double weight = pairwise ? u : encoder->loss.unobserved * u;
    const size_t d = encoder->factors, width = d + (encoder->biases ? 1 : 0), dimensions = fields_dimensions(encoder);
    for (size_t at = 0; at < width; at++) {
        const size_t from = at < d ? at : d + 1; /* of D */
        const float *row = encoder->context_gram + from * dimensions;
        take_columns(encoder, row, (float)weight, own->system + at * width);
        own->system[at * width + at] += (float)ridge;
        if (pairwise)
            own->right[at] = u * (double)encoder->context_pull[from] - ridge * (double)run->mean[from];
        else
            own->right[at] = encoder->biases ? -weight * (double)row[d] : 0.0;
    }
}

/* Adds the item's events to A and b. */
static void add_events(const extension *run, uint32_t item, double u, worker *own)
{
    const fields_encoder *encoder = &run->model->encoder.fields;
    const size_t d = encoder->factors, width = d + (encoder->biases ? 1 : 0), dimensions = fields_dimensions(encoder);
    const sparse_matrix *events = &run->by_item;
    const uint64_t end = events->indptr[item + 1];
    size_t count = 0;
    for (uint64_t at = events->indptr[item]; at < end; at++) {
        const uint32_t place = run->place_of[events->indices[at]];
        const float *phi = run->phi + (size_t)place * dimensions;
        float alpha, label, *row = own->rows + count * width;
        event_weight(&encoder->loss, run->model->encoder.use_weights ? events->values[at] : 1.0f, &alpha, &label);
        const bool pairwise = encoder->loss.pairwise;
        const double a = (double)alpha * (double)run->scales[place] * u * run->total;
        const double missing =
            pairwise ? (double)label * encoder->loss.label : (double)label - (encoder->biases ? (double)phi[d] : 0.0);
        take_columns(encoder, phi, 1.0f, row);
        for (size_t column = 0; column < width; column++) {
            own->right[column] += a * missing * (double)row[column];
            row[column] *= (float)sqrt(a);
        }
        if (++count == CHUNK || at + 1 == end) {
            block_add_gram(own->system, width, own->rows, count);
            count = 0;
        }
    }
}

/* ψ of the new item at `place`. */
static bool solve_item(extension *run, uint32_t place, worker *own)
{
    const fields_encoder *encoder = &run->model->encoder.fields;
    const size_t d = encoder->factors, width = d + (encoder->biases ? 1 : 0);
    const uint32_t item = run->fresh[place];
    const uint64_t events = run->by_item.indptr[item + 1] - run->by_item.indptr[item];
    const double u = item_weight(run, events ? events : 1);
    float *psi = run->psi + place * fields_dimensions(encoder);
    put_gram(run, u, row_ridge(&encoder->loss, (double)events, encoder->contexts), own);
    add_events(run, item, u, own);
    const int saved = threads_serial_blas_begin();
    const bool solved = block_solve(own->system, width, own->right, own->solution, own->solver);
    threads_serial_blas_end(saved);
    if (!solved)
        return false;
    const float *mean = run->mean;
    for (size_t at = 0; at < d; at++)
        psi[at] = (float)(own->solution[at] + (mean ? (double)mean[at] : 0.0));
    if (encoder->biases) {
        psi[d] = 1.0f;
        psi[d + 1] = (float)(own->solution[d] + (mean ? (double)mean[d + 1] : 0.0));
    }
    run->item_weights[place] = (float)u;
    return true;
}

static topn_status solve_items(topn_context *context, extension *run)
{
    uint32_t failed = NONE;
#pragma omp parallel for num_threads(run->threads) schedule(dynamic, 4) reduction(min : failed)
    for (uint32_t place = 0; place < run->fresh_count; place++)
        if (!solve_item(run, place, &run->workers[thread_index()]) && place < failed)
            failed = place;
    return failed == NONE ? TOPN_OK : fail_row(context, "item", topn_data_item_id(run->data, run->fresh[failed]));
}

/* G += Σ u ψψᵀ of the new items, in double. */
static void add_to_gram(const extension *run, fields_encoder *encoder)
{
    const size_t dimensions = fields_dimensions(encoder);
    for (size_t row = 0; row < dimensions; row++)
        for (size_t column = 0; column < dimensions; column++) {
            double sum = (double)encoder->item_gram[row * dimensions + column];
            for (uint32_t place = 0; place < run->fresh_count; place++) {
                const float *psi = run->psi + place * dimensions;
                sum += (double)run->item_weights[place] * (double)psi[row] * (double)psi[column];
            }
            encoder->item_gram[row * dimensions + column] = (float)sum;
        }
}

/* z += Σ u ψ of the new items, and r as it is with the mean item of then: r + C·(ψ̄ before − ψ̄ after). */
static void add_to_mean(const extension *run, fields_encoder *encoder)
{
    const size_t dimensions = fields_dimensions(encoder);
    double total = run->total;
    for (uint32_t place = 0; place < run->fresh_count; place++)
        total += (double)run->item_weights[place];
    for (size_t at = 0; at < dimensions; at++) {
        double sum = (double)encoder->item_sum[at];
        for (uint32_t place = 0; place < run->fresh_count; place++)
            sum += (double)run->item_weights[place] * (double)run->psi[place * dimensions + at];
        encoder->item_sum[at] = (float)sum;
    }
    for (size_t row = 0; row < dimensions; row++) {
        double pull = (double)encoder->context_pull[row];
        for (size_t at = 0; at < dimensions; at++)
            pull += (double)encoder->context_gram[row * dimensions + at] *
                    ((double)run->mean[at] - (double)encoder->item_sum[at] / total);
        encoder->context_pull[row] = (float)pull;
    }
}

/* The copy with the new items behind its own. */
static topn_status extend(topn_context *context, const extension *run, topn_model *copy)
{
    topn_status status = TOPN_OK;
    fields_encoder *encoder = &copy->encoder.fields;
    if (encoder->item_weights)
        TRY(floats_append(context, copy->items, run->item_weights, run->fresh_count, &encoder->item_weights));
    add_to_gram(run, encoder);
    if (run->mean)
        add_to_mean(run, encoder);
    TRY(model_extend(context, run->data, run->fresh, run->fresh_count, run->psi, copy));
done:
    return status;
}

topn_status model_add_items(topn_context *context, const topn_model *model, const topn_data *data, topn_model **out)
{
    topn_status status;
    extension run = {.model = model, .data = data, .threads = context->threads};
    topn_model *copy = NULL;
    *out = NULL;
    if (model->encoder.kind == ENCODER_NETWORK)
        return network_add_items(context, model, data, out);
    if (model->encoder.kind != ENCODER_FIELDS)
        return fail(context, TOPN_ERROR_UNSUPPORTED,
                    "this model's items have no rows that could be solved for one by one: train it anew");
    if (model->encoder.fields.loss.pairwise && !model->encoder.fields.context_pull)
        return fail(context, TOPN_ERROR_UNSUPPORTED,
                    "the pairwise loss compares a new item with those of every user, of which this model, of an "
                    "earlier version, holds nothing: train it anew, with --start-from");
    run.contexts = data->contexts.field_count > 0 && topn_model_fields(model) > 0;
    run.events = run.contexts ? &data->contexts.events : &data->matrix;
    TRY(data_require_events(context, data, "to add items from"));
    TRY(model_match_items(context, model, data, &run.item_of, &run.fresh, &run.fresh_count));
    TRY(match_names(context, &run));
    TRY(find_item_scale(context, &run));
    TRY(find_mean(context, &run));
    TRY(allocate(context, &run));
    TRY(sparse_transpose(context, run.events, &run.by_item));
    TRY(progress_report(context, "add items", "items", 0, run.fresh_count, NAN));
    TRY(embed_rows(context, &run));
    TRY(solve_items(context, &run));
    TRY(progress_report(context, "add items", "items", run.fresh_count, run.fresh_count, NAN));
    TRY(model_copy(context, model, &copy));
    TRY(extend(context, &run, copy));
    *out = copy;
    copy = NULL;
done:
    topn_model_free(copy);
    free_extension(&run);
    return status;
}
