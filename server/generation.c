/* SPDX-License-Identifier: Apache-2.0 */
#include "generation.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <xxhash.h>

enum { LOAD_TRIES = 5, WARM_ITEMS = 10, HASH_BUFFER = 1 << 16 };

typedef struct popular_item {
    float events;
    uint32_t item;
} popular_item;

static int by_popularity(const void *a, const void *b)
{
    const popular_item *left = a, *right = b;
    if (left->events != right->events)
        return left->events > right->events ? -1 : 1;
    return (left->item > right->item) - (left->item < right->item);
}

/* Models that keep histories but were written before models said how popular items are. */
static bool count_histories(const topn_model *model, popular_item *out)
{
    const uint32_t users = topn_model_users(model);
    const uint32_t *items;
    for (uint32_t user = 0; user < users; user++) {
        const size_t length = topn_model_history(model, user, &items, NULL);
        for (size_t at = 0; at < length; at++)
            out[items[at]].events += 1;
    }
    return users > 0;
}

static bool list_popular(generation *made, char *why, size_t why_size)
{
    const uint32_t count = topn_model_items(made->model);
    popular_item *sorted = calloc(count ? count : 1, sizeof *sorted);
    made->popular = calloc(count ? count : 1, sizeof *made->popular);
    if (!sorted || !made->popular) {
        free(sorted);
        snprintf(why, why_size, "%s: no memory for the list of popular items", made->path);
        return false;
    }
    made->popular_known = count > 0;
    for (uint32_t item = 0; item < count; item++) {
        const float events = topn_model_popularity(made->model, item);
        sorted[item] = (popular_item){isnan(events) ? 0 : events, item};
        made->popular_known = made->popular_known && !isnan(events);
    }
    if (!made->popular_known)
        made->popular_known = count > 0 && count_histories(made->model, sorted);
    qsort(sorted, count, sizeof *sorted, by_popularity);
    for (uint32_t place = 0; place < count; place++)
        made->popular[place] = sorted[place].item;
    free(sorted);
    return true;
}

static bool make_retrievers(generation *made, topn_context *context, const char *name, char *why, size_t why_size)
{
    topn_options *options = NULL;
    if (topn_retriever_create(context, made->model, NULL, &made->exact) != TOPN_OK) {
        snprintf(why, why_size, "%s: %s", made->path, topn_context_message(context));
        return false;
    }
    made->retriever = made->exact;
    if (!name || !*name || strcmp(name, "exact") == 0)
        return true;
    if (topn_options_create(context, TOPN_KIND_RETRIEVER, name, &options) != TOPN_OK) {
        snprintf(why, why_size, "%s", topn_context_message(context));
        return false;
    }
    topn_retriever *approximate;
    const topn_status status = topn_retriever_create(context, made->model, options, &approximate);
    if (status == TOPN_OK)
        made->retriever = approximate;
    else
        snprintf(made->note, sizeof made->note, "answers are exact, not by %s: %s", name,
                 topn_context_message(context));
    topn_options_free(options);
    return true;
}

/* One answer by each retriever: what is laid out at the first question is there before anybody waits for it, and a
 * model that cannot answer does not come into use. */
static bool warm(const generation *made, topn_context *context, char *why, size_t why_size)
{
    const topn_retriever *const retrievers[] = {made->retriever, made->exact};
    topn_request request = {0};
    uint32_t items[WARM_ITEMS];
    float scores[WARM_ITEMS];
    size_t found;
    if (topn_model_users(made->model) > 0)
        request.history_length = topn_model_history(made->model, 0, &request.history, &request.weights);
    for (size_t at = 0; at < 2; at++) {
        topn_query *query = NULL;
        topn_status status = topn_query_create(context, retrievers[at], &query);
        if (status == TOPN_OK)
            status = topn_recommend(query, &request, WARM_ITEMS, items, scores, &found);
        topn_query_free(query);
        if (status != TOPN_OK) {
            snprintf(why, why_size, "%s: %s", made->path, topn_context_message(context));
            return false;
        }
    }
    return true;
}

static bool hash_file(FILE *file, uint64_t *out)
{
    XXH3_state_t *state = XXH3_createState();
    unsigned char *buffer = malloc(HASH_BUFFER);
    bool good = state && buffer;
    if (good) {
        size_t size;
        XXH3_64bits_reset(state);
        while ((size = fread(buffer, 1, HASH_BUFFER, file)) > 0)
            XXH3_64bits_update(state, buffer, size);
        good = !ferror(file);
        *out = XXH3_64bits_digest(state);
    }
    free(buffer);
    XXH3_freeState(state);
    return good;
}

static const char *metadata(const topn_model *model, const char *wanted)
{
    const char *key, *value;
    for (size_t i = 0; topn_model_metadata(model, i, &key, &value); i++)
        if (strcmp(key, wanted) == 0)
            return value;
    return NULL;
}

static bool name_version(FILE *file, const topn_model *model, char version[MODEL_VERSION])
{
    uint64_t hash;
    if (!hash_file(file, &hash))
        return false;
    const char *method = metadata(model, "method");
    snprintf(version, MODEL_VERSION, "%.30s-%016" PRIx64, method ? method : "model", hash);
    return true;
}

bool generation_version(const char *path, const topn_model *model, char version[MODEL_VERSION])
{
    FILE *file = fopen(path, "rbe");
    const bool good = file && name_version(file, model, version);
    if (file)
        fclose(file);
    return good;
}

bool generation_is_file(const generation *one, const char *path)
{
    char version[MODEL_VERSION];
    return generation_version(path, one->model, version) && strcmp(version, one->version) == 0;
}

/* Loads the model at the path, which must be the open file: as long as that is open, no other has its number. */
static bool load_as(generation *made, topn_context *context, FILE *file, bool *same, char *why, size_t why_size)
{
    struct stat before, after;
    topn_model_free(made->model);
    made->model = NULL;
    *same = fstat(fileno(file), &before) == 0;
    if (topn_model_load(context, made->path, &made->model) != TOPN_OK) {
        snprintf(why, why_size, "%s", topn_context_message(context));
        return false;
    }
    *same = *same && name_version(file, made->model, made->version) && stat(made->path, &after) == 0 &&
            before.st_ino == after.st_ino && before.st_dev == after.st_dev && before.st_size == after.st_size &&
            before.st_mtim.tv_sec == after.st_mtim.tv_sec && before.st_mtim.tv_nsec == after.st_mtim.tv_nsec;
    made->written = before.st_mtime;
    return true;
}

/* The path may get another file (a rename) between loading and hashing: then both are done again. */
static bool load_file(generation *made, topn_context *context, char *why, size_t why_size)
{
    for (int try = 0; try < LOAD_TRIES; try++) {
        bool same;
        FILE *file = fopen(made->path, "rbe");
        if (!file) {
            snprintf(why, why_size, "%s: %s", made->path, strerror(errno));
            return false;
        }
        const bool loaded = load_as(made, context, file, &same, why, why_size);
        fclose(file);
        if (!loaded || same)
            return loaded;
    }
    snprintf(why, why_size, "%s changed while it was read, %d times", made->path, LOAD_TRIES);
    return false;
}

static void generation_free(generation *one)
{
    if (!one)
        return;
    if (one->retriever != one->exact)
        topn_retriever_free(one->retriever);
    topn_retriever_free(one->exact);
    topn_model_free(one->model);
    free(one->popular);
    free(one->path);
    free(one);
}

const char *generation_metadata(const generation *one, const char *wanted)
{
    return metadata(one->model, wanted);
}

void generation_hold(generation *one)
{
    atomic_fetch_add_explicit(&one->references, 1, memory_order_relaxed);
}

void generation_release(generation *one)
{
    /* The last to release sees what all others did with it. */
    if (one && atomic_fetch_sub_explicit(&one->references, 1, memory_order_acq_rel) == 1)
        generation_free(one);
}

generation *generation_load(const char *path, const char *retriever, char *why, size_t why_size)
{
    topn_context *context = NULL;
    generation *made = calloc(1, sizeof *made);
    bool good = made && (made->path = strdup(path)) && topn_context_create(&context) == TOPN_OK;
    if (!good)
        snprintf(why, why_size, "%s: out of memory", path);
    good = good && load_file(made, context, why, why_size);
    if (good && topn_model_items(made->model) == 0) {
        snprintf(why, why_size, "%s: the model has no items", path);
        good = false;
    }
    good = good && make_retrievers(made, context, retriever, why, why_size) && list_popular(made, why, why_size) &&
           warm(made, context, why, why_size);
    topn_context_free(context);
    if (!good) {
        generation_free(made);
        return NULL;
    }
    atomic_init(&made->references, 1);
    return made;
}
