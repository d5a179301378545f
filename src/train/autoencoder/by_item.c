/* SPDX-License-Identifier: Apache-2.0 */
#include "train/autoencoder/by_item.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/threads.h"
#include "numeric/activation.h"

static void embed_items(topn_context *context, const by_item *of, float *psi)
{
    const size_t width = of->width;
#pragma omp parallel for num_threads(context->threads) schedule(dynamic, 16) if (context->threads > 1)
    for (uint32_t item = 0; item < of->events->rows; item++) {
        float *row = psi + item * width;
        memcpy(row, of->mu, width * sizeof *row);
        for (uint64_t at = of->events->indptr[item]; at < of->events->indptr[item + 1]; at++)
            for (size_t j = 0; j < width; j++)
                row[j] += of->v[of->events->indices[at] * width + j];
        activate(ACTIVATION_SIGMOID, width, row, row);
    }
}

/* Lower triangle of ΨᵀΨ + ridge. */
static void put_gram(topn_context *context, const float *psi, size_t items, size_t width, double ridge, double *gram)
{
#pragma omp parallel for num_threads(context->threads) schedule(dynamic, 1) if (context->threads > 1)
    for (size_t j = 0; j < width; j++) {
        double *row = gram + j * width;
        for (size_t item = 0; item < items; item++)
            for (size_t k = 0; k <= j; k++)
                row[k] += (double)psi[item * width + j] * (double)psi[item * width + k];
        row[j] += ridge;
    }
}

/* a = C·Cᵀ in its lower triangle, in place; false: not positive definite. */
static bool factorize(double *a, size_t n)
{
    for (size_t j = 0; j < n; j++) {
        for (size_t i = j; i < n; i++) {
            double sum = a[i * n + j];
            for (size_t k = 0; k < j; k++)
                sum -= a[i * n + k] * a[j * n + k];
            if (i == j && !(sum > 0))
                return false;
            a[i * n + j] = i == j ? sqrt(sum) : sum / a[j * n + j];
        }
    }
    return true;
}

/* x becomes (C·Cᵀ)⁻¹ x. */
static void solve(const double *c, size_t n, double *x)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < i; k++)
            x[i] -= c[i * n + k] * x[k];
        x[i] /= c[i * n + i];
    }
    for (size_t i = n; i-- > 0;) {
        x[i] /= c[i * n + i];
        for (size_t k = 0; k < i; k++)
            x[k] -= c[i * n + k] * x[i];
    }
}

/* T of Ψ. The ridge is at least 10⁻⁷ of the mean of the diagonal, so that there is a solution. */
static topn_status solve_rows(topn_context *context, const float *psi, size_t items, size_t width, double l2,
                              float *rows)
{
    topn_status status;
    double *gram = NULL, *x = NULL, squares = 0;
    TRY(ALLOCATE_ZEROED(context, width * width, &gram));
    TRY(ALLOCATE(context, (size_t)context->threads * width, &x));
    for (size_t at = 0; at < items * width; at++)
        squares += (double)psi[at] * (double)psi[at];
    put_gram(context, psi, items, width, fmax(l2 * (double)items, 1e-7 * squares / (double)width), gram);
    if (!factorize(gram, width)) {
        status =
            fail(context, TOPN_ERROR_NUMERIC, "the items' rows are too alike to solve for users; use a larger --l2");
        goto done;
    }
#pragma omp parallel for num_threads(context->threads) schedule(static) if (context->threads > 1)
    for (size_t item = 0; item < items; item++) {
        double *own = x + (size_t)thread_index() * width;
        for (size_t j = 0; j < width; j++)
            own[j] = (double)psi[item * width + j];
        solve(gram, width, own);
        for (size_t j = 0; j < width; j++)
            rows[item * width + j] = (float)own[j];
    }
done:
    free(gram);
    free(x);
    return status;
}

/* What makes ψ of an item's users. */
static topn_status export_item_layers(topn_context *context, const by_item *of, network_encoder *out)
{
    topn_status status;
    const size_t users = of->keep_users ? of->data->matrix.rows : 0, width = of->width;
    dense_layer *layer = &out->item_layers.layers[0];
    TRY(memory_copy_text(context, "item", &out->items.name));
    if (users) {
        TRY(string_table_copy(context, &of->data->user_ids, &out->items.features));
        TRY(id_index_create(context, &out->items.features, &out->items.by_feature));
    }
    out->items.table = (dense_matrix){.rows = users + 1, .columns = width};
    TRY(ALLOCATE_ZEROED(context, (users + 1) * width, &out->items.table.values));
    memcpy(out->items.table.values + width, of->v, users * width * sizeof *of->v);
    out->item_layers = (network_layers){.inputs = width, .scale = 1, .layer_count = 1};
    layer->activation = ACTIVATION_SIGMOID;
    TRY(ALLOCATE(context, width, &layer->biases));
    memcpy(layer->biases, of->mu, width * sizeof *of->mu);
done:
    return status;
}

topn_status by_item_export(topn_context *context, const by_item *trained, topn_model *model)
{
    topn_status status;
    const size_t items = trained->events->rows, width = trained->width;
    network_encoder *out = &model->encoder.network;
    dense_matrix *psi = &model->table.rows.dense;
    network_encoder_clear(out); /* of an earlier sweep */
    embedding_clear(&model->table.rows);
    model->encoder.kind = ENCODER_NETWORK;
    model->encoder.use_weights = false;
    model->table.kind = ITEMS_OWN;
    model->table.rows.form = TABLE_DENSE;
    *psi = (dense_matrix){.rows = items, .columns = width};
    TRY(ALLOCATE(context, items * width, &psi->values));
    embed_items(context, trained, psi->values);
    out->width = width;
    out->layers = (network_layers){.inputs = width, .scale = 1};
    out->bag_count = 1;
    out->bags[0].table = (dense_matrix){.rows = items, .columns = width};
    TRY(ALLOCATE(context, items * width, &out->bags[0].table.values));
    TRY(solve_rows(context, psi->values, items, width, trained->l2, out->bags[0].table.values));
    TRY(memory_copy_text(context, "user", &out->users.name));
    out->users.table = (dense_matrix){.rows = 1, .columns = width}; /* nobody has a row of his own */
    TRY(ALLOCATE_ZEROED(context, width, &out->users.table.values));
    TRY(export_item_layers(context, trained, out));
done:
    return status;
}

topn_status by_item_start(topn_context *context, const topn_model *earlier, const by_item *out)
{
    const network_encoder *encoder = &earlier->encoder.network;
    const size_t width = out->width;
    const sparse_matrix *histories = &out->data->matrix;
    if (earlier->encoder.kind != ENCODER_NETWORK || encoder->bag_count != 1 || encoder->width != width ||
        encoder->layers.layer_count > 0 || encoder->item_layers.layer_count != 1 || !encoder->items.features.count)
        return fail(context, TOPN_ERROR_OPTION,
                    "--start-from: the model has rows of another width than --latent %zu, or was stored without "
                    "--keep-users",
                    width);
    memcpy(out->mu, encoder->item_layers.layers[0].biases, width * sizeof *out->mu);
    for (uint32_t user = 0; user < histories->rows; user++) {
        uint32_t known;
        float *row = out->w + user * width;
        if (id_index_find(&encoder->items.by_feature, string_table_get(&out->data->user_ids, user), &known))
            memcpy(out->v + user * width, encoder->items.table.values + (1 + (size_t)known) * width,
                   width * sizeof *out->v);
        memset(row, 0, width * sizeof *row);
        for (uint64_t at = histories->indptr[user]; at < histories->indptr[user + 1]; at++) {
            if (!id_index_find(&earlier->items_by_id, string_table_get(&out->data->item_ids, histories->indices[at]),
                               &known))
                continue;
            for (size_t j = 0; j < width; j++)
                row[j] += encoder->bags[0].table.values[known * width + j];
        }
    }
    return TOPN_OK;
}
