/* SPDX-License-Identifier: Apache-2.0 */
#include <topn/topn.h>

#include "base/memory.h"
#include "base/option_table.h"
#include "numeric/sparse.h"
#include "retrieve/diversify.h"
#include "retrieve/filter.h"
#include "retrieve/index_build.h"
#include "retrieve/query.h"
#include "retrieve/recommend_many.h"
#include "retrieve/retriever.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The kind that options are of; exact for NULL, and for options of something else, which are refused by their table. */
static const retriever_kind *kind_of(const topn_options *options)
{
    const bool retriever = options && options_kind(options) == TOPN_KIND_RETRIEVER;
    const retriever_kind *found = retriever ? retriever_find(options_owner(options)) : NULL;
    return found ? found : retriever_at(0);
}

topn_status topn_retriever_create(topn_context *context, const topn_model *model, const topn_options *options,
                                  topn_retriever **out)
{
    topn_status status;
    topn_options *standby = NULL;
    const void *params = NULL;
    if (!out)
        return fail(context, TOPN_ERROR_ARGUMENT, "topn_retriever_create: out is NULL");
    *out = NULL;
    if (!model)
        return fail(context, TOPN_ERROR_ARGUMENT, "topn_retriever_create: model is NULL");
    const retriever_kind *kind = kind_of(options);
    TRY(options_or_default(context, options, TOPN_KIND_RETRIEVER, kind->name, kind->options, &standby, &params));
    TRY(retriever_open(context, model, kind, params, out));
done:
    topn_options_free(standby);
    return status;
}

topn_status topn_model_add_index(topn_context *context, topn_model *model, const topn_options *options)
{
    if (!context || !model || !options)
        return fail(context, TOPN_ERROR_ARGUMENT, "topn_model_add_index takes a context, a model and options");
    const retriever_kind *kind = kind_of(options);
    topn_options *standby;
    const void *params;
    const topn_status status =
        options_or_default(context, options, TOPN_KIND_RETRIEVER, kind->name, kind->options, &standby, &params);
    return status != TOPN_OK ? status : index_add(context, model, kind, params, options);
}

const char *topn_model_index(const topn_model *model, size_t index)
{
    return model && index < model->index_count ? model->indexes[index].kind : NULL;
}

topn_status topn_model_remove_index(topn_context *context, topn_model *model, const char *kind)
{
    if (!model || !kind)
        return fail(context, TOPN_ERROR_ARGUMENT, "topn_model_remove_index takes a model and a kind");
    return model_drop_index(model, kind)
               ? TOPN_OK
               : fail(context, TOPN_ERROR_NOT_FOUND, "this model has no index of kind %s", kind);
}

void topn_retriever_free(topn_retriever *retriever)
{
    retriever_free(retriever);
}

topn_status topn_query_create(topn_context *context, const topn_retriever *retriever, topn_query **out)
{
    if (!out)
        return fail(context, TOPN_ERROR_ARGUMENT, "topn_query_create: out is NULL");
    *out = NULL;
    if (!retriever)
        return fail(context, TOPN_ERROR_ARGUMENT, "topn_query_create: retriever is NULL");
    return query_create(context, retriever, out);
}

void topn_query_free(topn_query *query)
{
    query_free(query);
}

topn_status topn_recommend(topn_query *query, const topn_request *request, size_t n, uint32_t *item_out,
                           float *score_out, size_t *found)
{
    if (found)
        *found = 0;
    if (!query || !request || !found || (n && (!item_out || !score_out)))
        return fail(query ? query->context : NULL, TOPN_ERROR_ARGUMENT,
                    "topn_recommend: query, request, found and (unless n is 0) item_out, score_out must not be NULL");
    return query_recommend(query, request, n, item_out, score_out, found);
}

topn_status topn_similar(topn_query *query, uint32_t item, size_t n, uint32_t *item_out, float *score_out,
                         size_t *found)
{
    if (found)
        *found = 0;
    if (!query || !found || (n && (!item_out || !score_out)))
        return fail(query ? query->context : NULL, TOPN_ERROR_ARGUMENT,
                    "topn_similar: query, found and (unless n is 0) item_out, score_out must not be NULL");
    const topn_model *model = query->retriever->model;
    if (item >= model->items)
        return fail(query->context, TOPN_ERROR_ARGUMENT,
                    "topn_similar: item %" PRIu32 " is out of range, the model has %" PRIu32 " items", item,
                    model->items);
    if (model->encoder.kind == ENCODER_CONSTANT)
        return fail(query->context, TOPN_ERROR_UNSUPPORTED,
                    "this model scores every history alike (popularity): it knows no relations between items, so none "
                    "are similar");
    const topn_request request = {.history = &item, .history_length = 1};
    return topn_recommend(query, &request, n, item_out, score_out, found);
}

topn_status topn_score(topn_query *query, const topn_request *request, const uint32_t *items, size_t count,
                       float *score_out)
{
    if (!query || !request || (count && (!items || !score_out)))
        return fail(query ? query->context : NULL, TOPN_ERROR_ARGUMENT,
                    "topn_score: query, request and (unless count is 0) items, score_out must not be NULL");
    topn_status status = query_check(query, request);
    if (status != TOPN_OK)
        return status;
    const uint32_t limit = query->retriever->model->items;
    for (size_t place = 0; place < count; place++)
        if (items[place] >= limit)
            return fail(query->context, TOPN_ERROR_ARGUMENT,
                        "items[%zu]: item %" PRIu32 " is out of range, the model has %" PRIu32 " items", place,
                        items[place], limit);
    return query_score_items(query, request, items, count, score_out);
}

topn_status topn_explain(topn_query *query, const topn_request *request, uint32_t item, float *contribution_out,
                         float *bias_out)
{
    if (!query || !request || !bias_out || (request->history_length && !contribution_out))
        return fail(query ? query->context : NULL, TOPN_ERROR_ARGUMENT,
                    "topn_explain: query, request, bias_out and (unless the history is empty) contribution_out must "
                    "not be NULL");
    const topn_status status = query_check(query, request);
    if (status != TOPN_OK)
        return status;
    const uint32_t limit = query->retriever->model->items;
    if (item >= limit)
        return fail(query->context, TOPN_ERROR_ARGUMENT,
                    "topn_explain: item %" PRIu32 " is out of range, the model has %" PRIu32 " items", item, limit);
    return query_explain(query, request, item, contribution_out, bias_out);
}

topn_status topn_diversify(topn_query *query, double diversity, size_t n, uint32_t *items, float *scores, size_t count)
{
    if (!query || (count && (!items || !scores)))
        return fail(query ? query->context : NULL, TOPN_ERROR_ARGUMENT,
                    "topn_diversify: query and (unless count is 0) items, scores must not be NULL");
    if (!(diversity >= 0 && diversity <= 1))
        return fail(query->context, TOPN_ERROR_ARGUMENT, "topn_diversify: diversity %g is not 0 … 1", diversity);
    const topn_status status = check_items(query->context, "items", items, count, query->retriever->model->items);
    if (status != TOPN_OK)
        return status;
    for (size_t place = 0; place < count; place++)
        if (!isfinite(scores[place]))
            return fail(query->context, TOPN_ERROR_ARGUMENT, "scores[%zu]: %g is not a finite number", place,
                        (double)scores[place]);
    if (diversity == 0 || count == 0)
        return TOPN_OK; /* the order is what it is */
    return diversify(query->context, query->retriever->model, diversity, n < count ? n : count, items, scores, count);
}

/* The model's user of every user of the data, where it has users' rows; UINT32_MAX for those it does not know. */
static topn_status map_users(topn_context *context, const topn_model *model, const topn_data *data, uint32_t **out)
{
    const uint32_t users = data->user_ids.count;
    if (!model_user_rows(model))
        return TOPN_OK;
    const topn_status status = ALLOCATE(context, users, out);
    for (uint32_t user = 0; status == TOPN_OK && user < users; user++)
        if (!id_index_find(&model->users_by_id, string_table_get(&data->user_ids, user), &(*out)[user]))
            (*out)[user] = UINT32_MAX;
    return status;
}

/* The features of the data's users that the model knows by name, in its numbers. */
static topn_status map_features(topn_context *context, const topn_model *model, const topn_data *data,
                                sparse_matrix *out)
{
    topn_status status;
    const feature_table *from = &data->user_features;
    const uint32_t names = from->names.count;
    uint32_t *feature_of = NULL, known;
    if (!names || !model_user_field(model))
        return TOPN_OK;
    known = model_user_field(model)->features.count;
    TRY(ALLOCATE(context, names, &feature_of));
    for (uint32_t name = 0; name < names; name++)
        if (!topn_model_find_feature(model, string_table_get(&from->names, name), &feature_of[name]))
            feature_of[name] = UINT32_MAX;
    TRY(sparse_create(context, from->rows.rows, known, from->rows.indptr[from->rows.rows], out));
    uint64_t to = 0;
    for (uint32_t row = 0; row < from->rows.rows; row++) {
        for (uint64_t at = from->rows.indptr[row]; at < from->rows.indptr[row + 1]; at++) {
            const uint32_t feature = feature_of[from->rows.indices[at]];
            if (feature == UINT32_MAX)
                continue;
            out->indices[to] = feature;
            out->values[to++] = from->rows.values ? from->rows.values[at] : 1.0f;
        }
        out->indptr[row + 1] = to;
    }
done:
    free(feature_of);
    return status;
}

/* The model's index of every item of the data; UINT32_MAX where the model does not know it. */
static topn_status map_items(topn_context *context, const topn_model *model, const topn_data *data, uint32_t **out)
{
    const uint32_t items = data->item_ids.count;
    const topn_status status = ALLOCATE(context, items, out);
    for (uint32_t item = 0; status == TOPN_OK && item < items; item++)
        if (!id_index_find(&model->items_by_id, string_table_get(&data->item_ids, item), &(*out)[item]))
            (*out)[item] = UINT32_MAX;
    return status;
}

static topn_status check_many(topn_context *context, const recommend_job *job)
{
    const topn_request *filters = job->filters;
    const uint32_t items = job->retriever->model->items;
    for (size_t place = 0; job->users && place < job->user_count; place++)
        if (job->users[place] >= job->histories->rows)
            return fail(context, TOPN_ERROR_ARGUMENT,
                        "users[%zu]: user %" PRIu32 " is out of range, there are %" PRIu32 " users", place,
                        job->users[place], job->histories->rows);
    if (filters->history_length)
        return fail(context, TOPN_ERROR_ARGUMENT,
                    "topn_recommend_many: filters must hold no history, it comes from the users");
    topn_status status = check_context(context, job->retriever->model, filters);
    if (status == TOPN_OK)
        status = check_items(context, "allow", filters->allow, filters->allow ? filters->allow_count : 0, items);
    if (status == TOPN_OK)
        status = check_items(context, "deny", filters->deny, filters->deny_count, items);
    return status != TOPN_OK ? status : check_filters(context, filters, items);
}

topn_status topn_recommend_many(topn_context *context, const topn_retriever *retriever, const topn_data *histories,
                                const uint32_t *users, size_t user_count, size_t n, const topn_request *filters,
                                topn_recommend_callback *callback, void *user_data)
{
    topn_status status;
    uint32_t *item_map = NULL, *user_map = NULL;
    sparse_matrix features = {0};
    const topn_request no_filters = {0};
    if (!context || !retriever || !callback)
        return fail(context, TOPN_ERROR_ARGUMENT,
                    "topn_recommend_many: context, retriever and callback must not be NULL");
    if (!histories && retriever->model->histories.rows == 0)
        return fail(context, TOPN_ERROR_UNSUPPORTED,
                    "this model keeps no histories of users: give them as data, or train with histories kept");
    if (histories) {
        TRY(map_items(context, retriever->model, histories, &item_map));
        TRY(map_users(context, retriever->model, histories, &user_map));
        TRY(map_features(context, retriever->model, histories, &features));
    }
    recommend_job job = {
        .retriever = retriever,
        .histories = histories ? &histories->matrix : &retriever->model->histories,
        .item_map = item_map,
        .user_map = user_map,
        .features = features.indptr ? &features : NULL,
        .users = users,
        .user_count = user_count,
        .n = n,
        .filters = filters ? filters : &no_filters,
        .callback = callback,
        .user_data = user_data,
    };
    if (!users)
        job.user_count = job.histories->rows;
    TRY(check_many(context, &job));
    TRY(recommend_many(context, &job));
done:
    free(item_map);
    free(user_map);
    sparse_clear(&features);
    return status;
}
