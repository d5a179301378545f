/* SPDX-License-Identifier: Apache-2.0 */
#include "retrieve/query.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "retrieve/cache.h"
#include "retrieve/encode.h"
#include "retrieve/filter.h"
#include "retrieve/item_score.h"

enum {
    POSTINGS_SHARE = 4,   /* postings are considered when one dimension in so many is in φ, or fewer */
    FEW_SHARE = 16,       /* one item in so many, or fewer, are scored one by one */
    POSTINGS_PENALTY = 2, /* an entry of the postings costs as much as so many of the rows */
};

/* A history lent by topn_model_history stands for its user. */
static void find_lender(const topn_model *model, history *user)
{
    const sparse_matrix *kept = &model->histories;
    if (!model_user_rows(model) || !kept->indptr || !user->length || user->items < kept->indices ||
        user->items >= kept->indices + kept->indptr[kept->rows])
        return;
    const uint64_t place = (uint64_t)(user->items - kept->indices);
    uint32_t low = 0, high = kept->rows; /* indptr[low] ≤ place < indptr[high] */
    while (high - low > 1) {
        const uint32_t middle = low + (high - low) / 2;
        if (kept->indptr[middle] <= place)
            low = middle;
        else
            high = middle;
    }
    user->trained = kept->indptr[low] == place && is_trained_history(model, low, user);
    user->user = low;
}

static history history_of(const topn_model *model, const topn_request *request)
{
    history user = {.items = request->history,
                    .weights = request->weights,
                    .length = request->history_length,
                    .values = request->context,
                    .features = request->features,
                    .feature_values = request->feature_values,
                    .feature_count = request->feature_count};
    find_lender(model, &user);
    return user;
}

topn_status query_create(topn_context *context, const topn_retriever *retriever, topn_query **out)
{
    topn_status status;
    topn_query *query = NULL;
    *out = NULL;
    TRY(ALLOCATE_ZEROED(context, 1, &query));
    query->context = context;
    query->retriever = retriever;
    if (retriever->rows)
        TRY(ALLOCATE(context, embedding_dimensions(retriever->rows), &query->phi));
    TRY(encode_scratch_create(context, retriever->model, &query->encode));
    TRY(ALLOCATE(context, retriever->model->items, &query->scores));
    TRY(ALLOCATE_ZEROED(context, retriever->model->items, &query->seen));
    TRY(ALLOCATE(context, retriever->model->items, &query->refused));
    if (retriever->view)
        TRY(index_query_create(context, retriever, &query->index));
    else
        TRY(posting_search_create(context, retriever, &query->search));
    *out = query;
    return TOPN_OK;
done:
    query_free(query);
    return status;
}

void query_free(topn_query *query)
{
    if (!query)
        return;
    free(query->phi);
    free(query->scores);
    free(query->shares);
    encode_scratch_clear(&query->encode);
    free(query->seen);
    free(query->refused);
    index_query_free(query->index);
    posting_search_free(query->search);
    free(query);
}

topn_status check_items(topn_context *context, const char *what, const uint32_t *items, size_t count, uint32_t limit)
{
    if (count && !items)
        return fail(context, TOPN_ERROR_ARGUMENT, "%s: %zu items announced, but the array is NULL", what, count);
    for (size_t place = 0; place < count; place++)
        if (items[place] >= limit)
            return fail(context, TOPN_ERROR_ARGUMENT,
                        "%s[%zu]: item %" PRIu32 " is out of range, the model has %" PRIu32 " items", what, place,
                        items[place], limit);
    return TOPN_OK;
}

static topn_status check_duplicates(topn_query *query, const topn_request *request)
{
    size_t marked = 0;
    while (marked < request->history_length && !query->seen[request->history[marked]])
        query->seen[request->history[marked++]] = 1;
    for (size_t place = 0; place < marked; place++)
        query->seen[request->history[place]] = 0;
    if (marked == request->history_length)
        return TOPN_OK;
    return fail(query->context, TOPN_ERROR_ARGUMENT, "history[%zu]: item %" PRIu32 " occurs twice", marked,
                request->history[marked]);
}

static topn_status check_weights(topn_query *query, const topn_request *request)
{
    double sum = 0.0;
    if (!request->weights)
        return TOPN_OK;
    for (size_t place = 0; place < request->history_length; place++) {
        if (!isfinite(request->weights[place]))
            return fail(query->context, TOPN_ERROR_ARGUMENT, "weights[%zu]: %g is not a finite number", place,
                        (double)request->weights[place]);
        sum += (double)request->weights[place];
    }
    const topn_model *model = query->retriever->model;
    for (size_t place = 0; model->encoder.kind == ENCODER_FIELDS && place < request->history_length; place++)
        if (request->weights[place] < 0)
            return fail(query->context, TOPN_ERROR_ARGUMENT,
                        "weights[%zu]: %g is negative; this model takes weights from 0 on", place,
                        (double)request->weights[place]);
    if (request->history_length && model->encoder.use_weights && model->encoder.normalizer != 0.0 && !(sum > 0.0))
        return fail(query->context, TOPN_ERROR_ARGUMENT,
                    "weights: they sum to %g; this model divides by a power of the sum, which must be positive", sum);
    return TOPN_OK;
}

topn_status check_context(topn_context *context, const topn_model *model, const topn_request *request)
{
    const fields_encoder *encoder = &model->encoder.fields;
    const size_t fields = encoder->field_count ? encoder->field_count - 1 : 0;
    const encoder_field *users = model_user_field(model);
    const uint32_t features = users ? users->features.count : 0;
    for (size_t field = 0; request->context && field < fields; field++) {
        const encoder_field *known = &encoder->fields[field + 1];
        if (request->context[field] != FIELD_MISSING && request->context[field] >= known->values.count)
            return fail(context, TOPN_ERROR_ARGUMENT,
                        "context[%zu]: value %" PRIu32 " is out of range, field \"%s\" has %" PRIu32 " values", field,
                        request->context[field], known->name, known->values.count);
    }
    if (request->feature_count && !request->features)
        return fail(context, TOPN_ERROR_ARGUMENT, "features: %zu announced, but the array is NULL",
                    request->feature_count);
    for (size_t place = 0; place < request->feature_count; place++) {
        if (request->features[place] >= features)
            return fail(context, TOPN_ERROR_ARGUMENT,
                        "features[%zu]: feature %" PRIu32 " is out of range, the model has %" PRIu32
                        " features of users",
                        place, request->features[place], features);
        if (request->feature_values && !isfinite(request->feature_values[place]))
            return fail(context, TOPN_ERROR_ARGUMENT, "feature_values[%zu]: %g is not a finite number", place,
                        (double)request->feature_values[place]);
    }
    return TOPN_OK;
}

topn_status query_check(topn_query *query, const topn_request *request)
{
    const uint32_t items = query->retriever->model->items;
    topn_status status;
    TRY(check_items(query->context, "history", request->history, request->history_length, items));
    TRY(check_duplicates(query, request));
    TRY(check_weights(query, request));
    TRY(check_context(query->context, query->retriever->model, request));
    TRY(check_items(query->context, "allow", request->allow, request->allow ? request->allow_count : 0, items));
    TRY(check_items(query->context, "deny", request->deny, request->deny_count, items));
    TRY(check_filters(query->context, request, items));
done:
    return status;
}

/* ⟨φ, row i⟩ of all rows. Four rows at a time: four sums that don't wait for each other. */
static void add_rows(const sparse_matrix *rows, const float *restrict phi, float *restrict scores)
{
    uint32_t item = 0;
    for (; item + 4 <= rows->rows; item += 4) {
        const uint64_t *const begin = rows->indptr + item;
        uint64_t common = UINT64_MAX;
        float sums[4] = {0};
        for (size_t row = 0; row < 4; row++)
            if (begin[row + 1] - begin[row] < common)
                common = begin[row + 1] - begin[row];
        for (uint64_t at = 0; at < common; at++)
            for (size_t row = 0; row < 4; row++)
                sums[row] += phi[rows->indices[begin[row] + at]] * rows->values[begin[row] + at];
        for (size_t row = 0; row < 4; row++) {
            for (uint64_t at = begin[row] + common; at < begin[row + 1]; at++)
                sums[row] += phi[rows->indices[at]] * rows->values[at];
            scores[item + row] = sums[row];
        }
    }
    for (; item < rows->rows; item++)
        scores[item] = sparse_product(rows, phi, item);
}

/* The same sums, dimension by dimension over the non-zeros of φ. */
static void add_postings(const sparse_matrix *postings, const float *restrict phi, float *restrict scores)
{
    memset(scores, 0, postings->columns * sizeof *scores);
    for (uint32_t dimension = 0; dimension < postings->rows; dimension++) {
        const float factor = phi[dimension];
        if (factor == 0.0f)
            continue;
        for (uint64_t at = postings->indptr[dimension]; at < postings->indptr[dimension + 1]; at++)
            scores[postings->indices[at]] += factor * postings->values[at];
    }
}

/* Postings where φ has few non-zeros and they have few entries, else the rows of all items. Either way an item's sum
 * runs over ascending dimensions, as it does in blocks: the bits are the same. */
static void sparse_scores(const topn_retriever *retriever, const float *phi, float *scores)
{
    const sparse_matrix *rows = &retriever->rows->sparse;
    size_t nonzeros = 0;
    for (uint32_t dimension = 0; dimension < rows->columns; dimension++)
        nonzeros += phi[dimension] != 0.0f;
    const bool few = nonzeros < rows->columns / POSTINGS_SHARE;
    const sparse_matrix *postings = few ? cache_postings(retriever) : NULL;
    uint64_t entries = 0;
    for (uint32_t dimension = 0; postings && dimension < postings->rows; dimension++)
        if (phi[dimension] != 0.0f)
            entries += postings->indptr[dimension + 1] - postings->indptr[dimension];
    if (postings && entries < rows->indptr[rows->rows] / POSTINGS_PENALTY)
        add_postings(postings, phi, scores);
    else
        add_rows(rows, phi, scores);
}

/* φ, where the item table has rows. */
static topn_status encode(topn_query *query, const topn_request *request)
{
    const history user = history_of(query->retriever->model, request);
    if (query->retriever->rows && encode_user(query->retriever, &user, &query->encode, query->phi) != TOPN_OK)
        return fail_encode(query->context, query->retriever->model);
    return TOPN_OK;
}

/* query->scores of all items, after encode. */
static void score_all(topn_query *query, const topn_request *request)
{
    const topn_retriever *retriever = query->retriever;
    const topn_model *model = retriever->model;
    if (model->encoder.kind == ENCODER_CONSTANT) {
        memset(query->scores, 0, model->items * sizeof *query->scores);
    } else if (!retriever->rows) {
        const history user = history_of(model, request);
        encode_history(model, &user, query->scores);
    } else if (retriever->rows->form == TABLE_SPARSE) {
        sparse_scores(retriever, query->phi, query->scores);
    } else {
        dense_products(&retriever->rows->dense, query->phi, query->scores);
    }
    finish_scores(model, query->scores);
}

topn_status query_scores(topn_query *query, const topn_request *request)
{
    const topn_status status = encode(query, request);
    if (status == TOPN_OK)
        score_all(query, request);
    return status;
}

topn_status query_score_items(topn_query *query, const topn_request *request, const uint32_t *items, size_t count,
                              float *score_out)
{
    const topn_model *model = query->retriever->model;
    const bool few = query->retriever->rows && count <= model->items / FEW_SHARE;
    const topn_status status = few ? encode(query, request) : query_scores(query, request);
    for (size_t place = 0; status == TOPN_OK && place < count; place++)
        score_out[place] =
            few ? item_score(model, query->retriever->rows, query->phi, items[place]) : query->scores[items[place]];
    return status;
}

void mask_scores(float *scores, uint32_t items, const topn_request *filters, const uint32_t *seen, size_t seen_count,
                 unsigned char *refused)
{
    if (filters->allow || filters->filter_count) {
        mark_refused(filters, seen, seen_count, items, refused);
        for (uint32_t item = 0; item < items; item++)
            scores[item] = refused[item] ? -INFINITY : scores[item];
        return;
    }
    for (size_t place = 0; place < filters->deny_count; place++)
        scores[filters->deny[place]] = -INFINITY;
    for (size_t place = 0; place < seen_count && !filters->include_seen; place++)
        scores[seen[place]] = -INFINITY;
}

topn_status query_recommend(topn_query *query, const topn_request *request, size_t n, uint32_t *item_out,
                            float *score_out, size_t *found)
{
    const topn_model *model = query->retriever->model;
    *found = 0;
    topn_status status = query_check(query, request);
    if (status != TOPN_OK)
        return status;
    if (query->index) {
        const history user = history_of(model, request);
        status = index_query_answer(query->index, &user, request, n, item_out, score_out, found);
        return status == TOPN_OK ? TOPN_OK : fail_encode(query->context, query->retriever->model);
    }
    status = encode(query, request);
    if (status != TOPN_OK)
        return status;
    if (query->search && posting_search_pays(query->search, query->phi, n)) {
        mark_refused(request, request->history, request->history_length, model->items, query->refused);
        if (posting_search_run(query->search, query->phi, query->refused, n, item_out, score_out, found))
            return TOPN_OK;
    }
    score_all(query, request);
    mask_scores(query->scores, model->items, request, request->history, request->history_length, query->refused);
    *found = select_top(query->scores, model->items, n, item_out, score_out);
    return TOPN_OK;
}

/* Element `column` of row `item`. */
static float element(const embedding_table *table, uint32_t item, uint32_t column)
{
    if (table->form == TABLE_DENSE)
        return table->dense.values[item * table->dense.columns + column];
    const sparse_matrix *rows = &table->sparse;
    uint64_t low = rows->indptr[item], high = rows->indptr[item + 1];
    const uint64_t end = high;
    while (low < high) {
        const uint64_t middle = low + (high - low) / 2;
        if (rows->indices[middle] < column)
            low = middle + 1;
        else
            high = middle;
    }
    return low < end && rows->indices[low] == column ? rows->values[low] : 0.0f;
}

/* ⟨T_h, ψ_i⟩ in double over the dimensions where `kept` is not 0 (NULL = all); the two tables may be of either form
 * each. */
static double row_product(const embedding_table *left, uint32_t left_row, const embedding_table *right,
                          uint32_t right_row, const float *kept)
{
    const bool walk_left = left->form == TABLE_SPARSE;
    const embedding_table *walked = walk_left ? left : right, *looked = walk_left ? right : left;
    const uint32_t walked_row = walk_left ? left_row : right_row, looked_row = walk_left ? right_row : left_row;
    double sum = 0.0;
    if (walked->form == TABLE_SPARSE) {
        const sparse_matrix *rows = &walked->sparse;
        for (uint64_t at = rows->indptr[walked_row]; at < rows->indptr[walked_row + 1]; at++)
            if (!kept || kept[rows->indices[at]] != 0.0f)
                sum += (double)rows->values[at] * (double)element(looked, looked_row, rows->indices[at]);
        return sum;
    }
    const size_t columns = walked->dense.columns;
    const float *a = walked->dense.values + walked_row * columns, *b = looked->dense.values + looked_row * columns;
    for (size_t column = 0; column < columns; column++)
        if (!kept || kept[column] != 0.0f)
            sum += (double)a[column] * (double)b[column];
    return sum;
}

static void explain_bag(topn_query *query, const history *user, uint32_t item, float *contribution_out)
{
    const topn_retriever *retriever = query->retriever;
    const topn_model *model = retriever->model;
    const double scale = history_scale(model, user);
    if (retriever->cut)
        (void)encode_user(retriever, user, NULL, query->phi); /* a bag cannot fail */
    const float *kept = retriever->cut ? query->phi : NULL;
    const double prior = model->table.priors ? (double)model->table.priors[item] : 1.0;
    for (size_t place = 0; place < user->length; place++) {
        const uint32_t source = user->items[place];
        double product = 0.0;
        if (retriever->rows)
            product = row_product(&model->encoder.rows, source, retriever->rows, item, kept);
        else if (model->encoder.kind == ENCODER_BAG)
            product = (double)element(&model->encoder.rows, source, item);
        contribution_out[place] = (float)((double)history_factor(model, user, scale, place) * product * prior);
    }
}

/* What the history adds to a solved row, or each of its items to a network's output; *rest is all else: biases,
 * features, the context, and for a user whose trained row scores what that differs by. */
static topn_status explain_encoded(topn_query *query, const topn_request *request, uint32_t item,
                                   float *contribution_out, float *rest)
{
    const topn_model *model = query->retriever->model;
    const bool network = model->encoder.kind == ENCODER_NETWORK;
    const size_t dimensions = model_dimensions(model);
    const double prior = model->table.priors ? (double)model->table.priors[item] : 1.0;
    const history user = history_of(model, request);
    const fields_query asked = query_of(model, &user);
    topn_status status;
    if (user.length > query->share_capacity) {
        TRY(RESIZE(query->context, user.length, &query->shares));
        query->share_capacity = user.length;
    }
    TRY(query_scores(query, request));
    double sum = 0.0;
    float *target = query->phi; /* ψ of the item, in the dimensions that a cut keeps */
    const float *psi = model->table.rows.dense.values + item * dimensions;
    for (size_t dimension = 0; dimension < dimensions; dimension++)
        target[dimension] = query->retriever->cut && target[dimension] == 0.0f ? 0.0f : psi[dimension];
    status = network
                 ? network_contributions(&model->encoder.network, &asked, query->encode.network, target, query->shares)
                 : fields_contributions(&model->encoder.fields, &model->table.rows.dense, &asked, query->encode.fields,
                                        target, query->shares);
    if (status != TOPN_OK)
        return fail_encode(query->context, query->retriever->model);
    for (size_t place = 0; place < user.length; place++) {
        contribution_out[place] = (float)(query->shares[place] * prior);
        sum += (double)contribution_out[place];
    }
    *rest = (float)((double)query->scores[item] - sum);
done:
    return status;
}

topn_status query_explain(topn_query *query, const topn_request *request, uint32_t item, float *contribution_out,
                          float *bias_out)
{
    const topn_model *model = query->retriever->model;
    if (model->encoder.kind == ENCODER_FIELDS || model->encoder.kind == ENCODER_NETWORK)
        return explain_encoded(query, request, item, contribution_out, bias_out);
    const history user = history_of(model, request);
    explain_bag(query, &user, item, contribution_out);
    *bias_out = model->table.biases ? model->table.biases[item] : 0.0f;
    return TOPN_OK;
}
