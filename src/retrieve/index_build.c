/* SPDX-License-Identifier: Apache-2.0 */
#include "retrieve/index_build.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "retrieve/query.h"

/* Lists of these lengths are compared with exact ones, on so many histories. */
enum { LONG_LIST = 100, SHORT_LIST = 10, MOST_HISTORIES = 200 };
enum { MESSAGE = 512, KEY = 96 };

/* What was measured. */
typedef struct measurement {
    size_t histories;
    bool of_users;                           /* the model's; else histories of one item */
    double long_overlap, short_overlap;      /* mean share of the exact list that was found */
    double microseconds, exact_microseconds; /* median of one list of LONG_LIST */
} measurement;

/* One thread's way to both answers. */
typedef struct comparison {
    topn_retriever *retrievers[2]; /* the index, exact */
    topn_query *queries[2];
    uint32_t *items[2]; /* [LONG_LIST] */
    float *scores;      /* [LONG_LIST] */
    double *seconds[2]; /* [MOST_HISTORIES] */
} comparison;

static void comparison_clear(comparison *with)
{
    for (int side = 0; side < 2; side++) {
        query_free(with->queries[side]);
        retriever_free(with->retrievers[side]);
        free(with->items[side]);
        free(with->seconds[side]);
    }
    free(with->scores);
}

static topn_status comparison_create(topn_context *context, const topn_model *model, const retriever_kind *kind,
                                     const void *params, comparison *out)
{
    topn_status status;
    *out = (comparison){0};
    TRY(retriever_open(context, model, kind, params, &out->retrievers[0]));
    TRY(retriever_create(context, model, NULL, &out->retrievers[1]));
    for (int side = 0; side < 2; side++) {
        TRY(query_create(context, out->retrievers[side], &out->queries[side]));
        TRY(ALLOCATE(context, LONG_LIST, &out->items[side]));
        TRY(ALLOCATE(context, MOST_HISTORIES, &out->seconds[side]));
    }
    TRY(ALLOCATE(context, LONG_LIST, &out->scores));
done:
    return status;
}

/* Histories spread evenly over the users that have any; without such users, over the items. */
static uint32_t pick(const topn_model *model, const uint32_t *users, size_t user_count, size_t index, size_t count)
{
    const uint64_t among = user_count ? user_count : model->items;
    const uint32_t place = (uint32_t)(index * among / count);
    return user_count ? users[place] : place;
}

/* Users with a history; NULL and 0 where there are none. */
static topn_status list_users(topn_context *context, const topn_model *model, uint32_t **users, size_t *count)
{
    const sparse_matrix *kept = &model->histories;
    *users = NULL;
    *count = 0;
    if (!kept->indptr)
        return TOPN_OK;
    const topn_status status = ALLOCATE(context, kept->rows, users);
    for (uint32_t user = 0; status == TOPN_OK && user < kept->rows; user++)
        if (kept->indptr[user + 1] > kept->indptr[user])
            (*users)[(*count)++] = user;
    return status;
}

/* Items of the exact list (right) that the other has. */
static size_t common(const uint32_t *left, size_t left_count, const uint32_t *right, size_t right_count)
{
    size_t both = 0;
    for (size_t a = 0; a < right_count; a++)
        for (size_t b = 0; b < left_count; b++)
            both += right[a] == left[b];
    return both;
}

/* Adds one history to the sums. A history without any item left to recommend counts as answered. */
static topn_status compare(comparison *with, const topn_request *request, size_t index, measurement *sums)
{
    topn_status status;
    size_t found[2], quick;
    for (int side = 0; side < 2; side++) {
        const double start = clock_seconds();
        TRY(query_recommend(with->queries[side], request, LONG_LIST, with->items[side], with->scores, &found[side]));
        with->seconds[side][index] = clock_seconds() - start;
    }
    const size_t shared = common(with->items[0], found[0], with->items[1], found[1]);
    sums->long_overlap += found[1] ? (double)shared / (double)found[1] : 1;
    TRY(query_recommend(with->queries[0], request, SHORT_LIST, with->items[0], with->scores, &quick));
    const size_t wanted = found[1] < SHORT_LIST ? found[1] : SHORT_LIST;
    sums->short_overlap += wanted ? (double)common(with->items[0], quick, with->items[1], wanted) / (double)wanted : 1;
done:
    return status;
}

static int compare_seconds(const void *left, const void *right)
{
    const double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static double median_microseconds(double *seconds, size_t count)
{
    qsort(seconds, count, sizeof *seconds, compare_seconds);
    return count ? 1e6 * seconds[count / 2] : 0;
}

static topn_status measure(topn_context *context, const topn_model *model, const retriever_kind *kind,
                           const void *params, measurement *out)
{
    topn_status status;
    comparison with = {0};
    uint32_t *users = NULL;
    size_t user_count;
    *out = (measurement){0};
    TRY(list_users(context, model, &users, &user_count));
    TRY(comparison_create(context, model, kind, params, &with));
    const size_t among = user_count ? user_count : model->items;
    out->of_users = user_count > 0;
    out->histories = among < MOST_HISTORIES ? among : MOST_HISTORIES;
    for (size_t index = 0; index < out->histories; index++) {
        const uint32_t chosen = pick(model, users, user_count, index, out->histories);
        topn_request request = {.history = &chosen, .history_length = 1};
        if (out->of_users)
            request.history_length = topn_model_history(model, chosen, &request.history, &request.weights);
        TRY(progress_report(context, "measure", "histories", index, out->histories, NAN));
        TRY(compare(&with, &request, index, out));
    }
    TRY(progress_report(context, "measure", "histories", out->histories, out->histories, NAN));
    if (out->histories) {
        out->long_overlap /= (double)out->histories;
        out->short_overlap /= (double)out->histories;
    }
    out->microseconds = median_microseconds(with.seconds[0], out->histories);
    out->exact_microseconds = median_microseconds(with.seconds[1], out->histories);
done:
    comparison_clear(&with);
    free(users);
    return status;
}

static const char *key_of(char out[KEY], const char *prefix, const char *kind, const char *name)
{
    snprintf(out, KEY, "%s%s.%s", prefix, kind, name);
    return out;
}

/* Metadata of one index: figures that depend on the machine are "run.index.…", which no file keeps. */
static topn_status describe(topn_context *context, const char *kind, const topn_options *options,
                            const measurement *figures, uint64_t bytes, double seconds, record *out)
{
    static const char kept[] = MODEL_INDEX_PREFIX, told[] = "run." MODEL_INDEX_PREFIX;
    topn_status status;
    char key[KEY];
    TRY(record_set(context, out, key_of(key, kept, kind, "overlap@100"), "%.4f", figures->long_overlap));
    TRY(record_set(context, out, key_of(key, kept, kind, "overlap@10"), "%.4f", figures->short_overlap));
    TRY(record_set(context, out, key_of(key, kept, kind, "histories"), "%zu %s", figures->histories,
                   figures->of_users ? "of users" : "of one item"));
    TRY(record_set(context, out, key_of(key, kept, kind, "bytes"), "%" PRIu64, bytes));
    TRY(record_set(context, out, key_of(key, kept, kind, "seed"), "%" PRIu64, context->seed));
    TRY(record_set_options(context, out, key_of(key, kept, kind, "option."), options));
    TRY(record_set(context, out, key_of(key, told, kind, "seconds"), "%.3f", seconds));
    TRY(record_set(context, out, key_of(key, told, kind, "microseconds"), "%.1f", figures->microseconds));
    TRY(record_set(context, out, key_of(key, told, kind, "exact-microseconds"), "%.1f", figures->exact_microseconds));
done:
    return status;
}

/* Puts the metadata in place of those of an earlier index of the kind. */
static topn_status replace_record(topn_context *context, topn_model *model, const char *kind, const record *fresh)
{
    topn_status status;
    record merged = {0};
    char prefix[2 * MODEL_INDEX_NAME];
    TRY(record_copy(context, &model->metadata, &merged));
    snprintf(prefix, sizeof prefix, MODEL_INDEX_PREFIX "%s.", kind);
    record_remove(&merged, prefix);
    for (size_t index = 0; index < fresh->count; index++)
        TRY(record_set(context, &merged, fresh->entries[index].key, "%s", fresh->entries[index].value));
    record_clear(&model->metadata);
    model->metadata = merged;
    merged = (record){0};
done:
    record_clear(&merged);
    return status;
}

/* UNSUPPORTED with the kinds that do serve the model after the kind's own words. */
static topn_status check_kind(topn_context *context, const topn_model *model, const retriever_kind *kind)
{
    char others[MESSAGE] = "", why[MESSAGE];
    if (!kind->index)
        return fail(context, TOPN_ERROR_OPTION,
                    "retriever exact needs no index: it answers from the model's table as it is");
    if (!model_item_rows(model))
        return fail(context, TOPN_ERROR_UNSUPPORTED,
                    "index %s: this model has no item embeddings to search among; indexes serve models that have "
                    "them (chol, ials and the like), this one is answered exactly",
                    kind->name);
    const topn_status status = kind->index->check(context, model);
    if (status == TOPN_OK)
        return TOPN_OK;
    snprintf(why, sizeof why, "%s", topn_context_message(context));
    for (size_t index = 0; retriever_at(index); index++) {
        const retriever_kind *other = retriever_at(index);
        const size_t length = strlen(others);
        if (other->index && other->index->check(NULL, model) == TOPN_OK)
            snprintf(others + length, sizeof others - length, "%s%s", length ? ", " : "", other->name);
    }
    return fail(context, status, "%s%s%s", why, *others ? "; kinds that serve this model: " : "", others);
}

topn_status index_add(topn_context *context, topn_model *model, const retriever_kind *kind, const void *params,
                      const topn_options *options)
{
    topn_status status;
    model_index built = {0};
    measurement figures;
    record facts = {0};
    topn_model trial = *model; /* the same tables with the new index alone */
    trial.index_count = 0;
    memset(trial.indexes, 0, sizeof trial.indexes);
    TRY(check_kind(context, model, kind));
    snprintf(built.kind, sizeof built.kind, "%s", kind->name);
    const double start = clock_seconds();
    TRY(kind->index->build(context, model, params, &built));
    const double seconds = clock_seconds() - start;
    const uint64_t bytes = model_index_bytes(&built);
    TRY(model_put_index(context, &trial, &built));
    TRY(measure(context, &trial, kind, params, &figures));
    TRY(describe(context, kind->name, options, &figures, bytes, seconds, &facts));
    if (!model_find_index(model, kind->name) && model->index_count == MODEL_INDEXES)
        TRY(fail(context, TOPN_ERROR_UNSUPPORTED, "a model takes %d indexes: remove one of them first", MODEL_INDEXES));
    TRY(replace_record(context, model, kind->name, &facts));
    TRY(model_put_index(context, model, &trial.indexes[0]));
done:
    model_index_clear(&built);
    model_index_clear(&trial.indexes[0]);
    record_clear(&facts);
    return status;
}
