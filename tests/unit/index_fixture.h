/* SPDX-License-Identifier: Apache-2.0
 *
 * What every approximate kind is held to, by its operations alone. Include it before <cmocka.h>.
 */
#ifndef TOPN_TESTS_UNIT_INDEX_FIXTURE_H
#define TOPN_TESTS_UNIT_INDEX_FIXTURE_H

#include "model/model_index.h"
#include "random_model.h"
#include "retrieve/item_score.h"

#include <stdio.h>

typedef struct opened_index {
    topn_context *context;
    const retriever_kind *kind;
    topn_options *options;
    const topn_model *model;
    model_index arrays;
    void *view, *scratch;
} opened_index;

static inline void must(topn_context *context, topn_status status)
{
    if (status == TOPN_OK)
        return;
    fprintf(stderr, "%s\n", topn_context_message(context));
    abort();
}

/* settings: "name=value name=value …" or "". */
static inline opened_index open_index(const retriever_kind *kind, const topn_model *model, const char *settings)
{
    opened_index index = {.kind = kind, .model = model};
    char word[64];
    int length;
    if (topn_context_create(&index.context) != TOPN_OK)
        abort();
    must(index.context, options_new(index.context, TOPN_KIND_RETRIEVER, kind->name, kind->options, &index.options));
    for (; sscanf(settings, "%63s%n", word, &length) == 1; settings += length) {
        char *value = strchr(word, '=');
        *value++ = '\0';
        must(index.context, topn_options_set(index.context, index.options, word, value));
    }
    const void *params = options_params(index.options, kind->options);
    snprintf(index.arrays.kind, sizeof index.arrays.kind, "%s", kind->name);
    must(index.context, kind->index->check(index.context, model));
    must(index.context, kind->index->build(index.context, model, params, &index.arrays));
    must(index.context, kind->index->open(index.context, model, &index.arrays, params, &index.view));
    must(index.context, kind->index->scratch_create(index.context, index.view, &index.scratch));
    return index;
}

/* The kind does not serve such models, and says what does. */
static inline void check_refused(const retriever_kind *kind, const model_form *form, const char *hint)
{
    topn_context *context;
    const model_shape shape = {.items = 20, .dimensions = 10, .density = 0.5, .seed = 6};
    topn_model model = random_model(form, &shape);
    if (topn_context_create(&context) != TOPN_OK)
        abort();
    if (kind->index->check(context, &model) != TOPN_ERROR_UNSUPPORTED || !strstr(topn_context_message(context), hint)) {
        fprintf(stderr, "%s: \"%s\" does not name \"%s\"\n", kind->name, topn_context_message(context), hint);
        abort();
    }
    topn_context_free(context);
    random_model_clear(&model);
}

static inline void close_index(opened_index *index)
{
    index->kind->index->scratch_free(index->scratch);
    index->kind->index->close(index->view);
    model_index_clear(&index->arrays);
    topn_options_free(index->options);
    topn_context_free(index->context);
}

/* Exact scores of all items, −∞ where refused. */
static inline void score_all(const topn_model *model, const float *phi, const unsigned char *refused, float *scores)
{
    const embedding_table *rows = model_item_rows(model);
    for (uint32_t item = 0; item < model->items; item++)
        scores[item] = refused && refused[item] ? -INFINITY : item_score(model, rows, phi, item);
}

/* The answer to the question; returns how many of the exact answers are in it and aborts where it is none: wrong
 * scores, wrong order, refused items, too few. */
static inline size_t ask(const opened_index *index, const index_question *question, const char *what)
{
    const uint32_t items = index->model->items;
    const size_t n = question->n;
    float *all, *scores, *wanted_scores;
    uint32_t *answer, *wanted;
    if (ALLOCATE(NULL, items, &all) != TOPN_OK || ALLOCATE(NULL, n, &scores) != TOPN_OK ||
        ALLOCATE(NULL, n, &wanted_scores) != TOPN_OK || ALLOCATE(NULL, n, &answer) != TOPN_OK ||
        ALLOCATE(NULL, n, &wanted) != TOPN_OK)
        abort();
    score_all(index->model, question->phi, question->refused, all);
    const size_t found = index->kind->index->search(index->view, index->scratch, question, answer, scores);
    const size_t expected = select_top(all, items, n, wanted, wanted_scores);
    size_t common = 0;
    if (found != expected) {
        fprintf(stderr, "%s: %zu found, not %zu\n", what, found, expected);
        abort();
    }
    for (size_t place = 0; place < found; place++) {
        const bool ordered = place == 0 || scores[place - 1] > scores[place] ||
                             (scores[place - 1] == scores[place] && answer[place - 1] < answer[place]);
        if (answer[place] >= items || memcmp(&all[answer[place]], &scores[place], sizeof(float)) != 0 || !ordered) {
            fprintf(stderr, "%s: place %zu: item %u with %a, which scores %a\n", what, place, answer[place],
                    (double)scores[place], answer[place] < items ? (double)all[answer[place]] : 0.0);
            abort();
        }
        for (size_t other = 0; other < expected; other++)
            common += wanted[other] == answer[place];
    }
    free(all);
    free(scores);
    free(wanted_scores);
    free(answer);
    free(wanted);
    return common;
}

/* φ of `seed`, with as many zeros as 1 − density says. */
static inline void random_phi(float *phi, size_t dimensions, double density, uint64_t seed)
{
    for (size_t at = 0; at < dimensions; at++)
        phi[at] = random_uniform(seed, RANDOM_DOCTOR, 2 * at) < density
                      ? (float)random_normal(seed + 1, RANDOM_DOCTOR, at)
                      : 0.0f;
}

/* Refuses items with this probability; returns how many are allowed. */
static inline uint32_t random_refusals(unsigned char *refused, uint32_t items, double share, uint64_t seed)
{
    uint32_t allowed = 0;
    for (uint32_t item = 0; item < items; item++) {
        refused[item] = random_uniform(seed, RANDOM_DOCTOR, item) < share;
        allowed += !refused[item];
    }
    return allowed;
}

/* Asks for lists of many lengths under many filters; returns the share of the exact answers that was found. */
static inline double ask_much(const opened_index *index, double density, uint64_t seed)
{
    const uint32_t items = index->model->items;
    const size_t dimensions = embedding_dimensions(model_item_rows(index->model));
    const size_t lengths[] = {1, 2, 10, items / 3, items};
    const double shares[] = {0.0, 0.1, 0.9, 1.0};
    size_t common = 0, asked = 0;
    float *phi;
    unsigned char *refused;
    if (ALLOCATE(NULL, dimensions, &phi) != TOPN_OK || ALLOCATE(NULL, items, &refused) != TOPN_OK)
        abort();
    for (size_t length = 0; length < sizeof lengths / sizeof *lengths; length++)
        for (size_t share = 0; share < sizeof shares / sizeof *shares; share++) {
            index_question question = {.phi = phi, .n = lengths[length] ? lengths[length] : 1, .refused = refused};
            char what[96];
            snprintf(what, sizeof what, "%s, n %zu, refused %.1f", index->kind->name, question.n, shares[share]);
            random_phi(phi, dimensions, density, seed + 10 * length + share);
            question.allowed = random_refusals(refused, items, shares[share], seed + share);
            if (question.allowed == items)
                question.refused = NULL;
            common += ask(index, &question, what);
            asked += question.n < question.allowed ? question.n : question.allowed;
        }
    free(phi);
    free(refused);
    return asked ? (double)common / (double)asked : 1.0;
}

/* Whether two indexes have the same arrays to the bit. */
static inline bool same_arrays(const model_index *left, const model_index *right)
{
    if (left->count != right->count)
        return false;
    for (size_t at = 0; at < left->count; at++) {
        const index_array *a = &left->arrays[at], *b = &right->arrays[at];
        const uint64_t bytes = tensor_type_size(a->type) * a->rows * (a->columns ? a->columns : 1);
        if (a->type != b->type || a->rows != b->rows || a->columns != b->columns ||
            memcmp(a->bytes, b->bytes, bytes) != 0)
            return false;
    }
    return true;
}

/* Whether the arrays are the same with one thread and with three. */
static inline bool same_at_any_threads(const opened_index *index)
{
    model_index again = {0};
    const void *params = options_params(index->options, index->kind->options);
    index->context->threads = 3;
    snprintf(again.kind, sizeof again.kind, "%s", index->kind->name);
    must(index->context, index->kind->index->build(index->context, index->model, params, &again));
    index->context->threads = 1;
    model_index alone = {0};
    snprintf(alone.kind, sizeof alone.kind, "%s", index->kind->name);
    must(index->context, index->kind->index->build(index->context, index->model, params, &alone));
    const bool same = same_arrays(&again, &alone);
    model_index_clear(&again);
    model_index_clear(&alone);
    return same;
}

/* What opening says when array `name` has one element replaced; "" when it opens all the same. */
static inline const char *open_damaged(opened_index *index, const char *name, uint64_t place, const void *element)
{
    void *view = NULL, *saved = NULL;
    for (size_t at = 0; at < index->arrays.count; at++) {
        index_array *array = &index->arrays.arrays[at];
        const size_t size = tensor_type_size(array->type);
        char *target = (char *)array->bytes + place * size;
        if (strcmp(array->name, name) != 0)
            continue;
        if (ALLOCATE(NULL, 8, (char **)&saved) != TOPN_OK)
            abort();
        memcpy(saved, target, size);
        memcpy(target, element, size);
        const topn_status status = index->kind->index->open(
            index->context, index->model, &index->arrays, options_params(index->options, index->kind->options), &view);
        memcpy(target, saved, size);
        free(saved);
        if (status == TOPN_ERROR_FORMAT && !view)
            return topn_context_message(index->context);
        index->kind->index->close(view);
        return status == TOPN_OK ? "" : "another status";
    }
    return "no such array";
}

/* Whether opening is refused, with FORMAT, for each array that is missing or has a row too few. */
static inline bool refuses_other_shapes(opened_index *index)
{
    bool refused = true;
    for (size_t at = 0; at < 2 * index->arrays.count; at++) {
        model_index damaged = index->arrays;
        void *view = NULL;
        if (at % 2)
            snprintf(damaged.arrays[at / 2].name, MODEL_INDEX_NAME, "else");
        else
            damaged.arrays[at / 2].rows--;
        const topn_status status = index->kind->index->open(
            index->context, index->model, &damaged, options_params(index->options, index->kind->options), &view);
        if (status != TOPN_ERROR_FORMAT || view) {
            fprintf(stderr, "array %s %s: status %d\n", index->arrays.arrays[at / 2].name,
                    at % 2 ? "missing" : "shorter", (int)status);
            index->kind->index->close(view);
            refused = false;
        }
    }
    return refused;
}

/* Whether building, opening and a scratch say MEMORY at every allocation that fails, and leave nothing behind. */
static inline bool survives_lack_of_memory(const opened_index *index)
{
    const index_operations *operations = index->kind->index;
    const void *params = options_params(index->options, index->kind->options);
    topn_status status = TOPN_ERROR_MEMORY;
    for (uint64_t at = 1; status == TOPN_ERROR_MEMORY; at++) {
        model_index arrays = {0};
        void *view = NULL, *scratch = NULL;
        snprintf(arrays.kind, sizeof arrays.kind, "%s", index->kind->name);
        memory_fail_after(at);
        status = operations->build(index->context, index->model, params, &arrays);
        if (status == TOPN_OK)
            status = operations->open(index->context, index->model, &arrays, params, &view);
        if (status == TOPN_OK)
            status = operations->scratch_create(index->context, view, &scratch);
        memory_fail_after(0);
        operations->scratch_free(scratch);
        operations->close(view);
        model_index_clear(&arrays);
        if (status != TOPN_OK && (scratch || at > 1000))
            return false;
    }
    return status == TOPN_OK;
}

static inline bool say_stop(const topn_progress *progress, void *data)
{
    (void)progress;
    (void)data;
    return false;
}

/* Whether building stops when the progress callback says so. */
static inline bool stops_when_cancelled(const opened_index *index)
{
    model_index arrays = {0};
    snprintf(arrays.kind, sizeof arrays.kind, "%s", index->kind->name);
    index->context->progress = say_stop;
    const topn_status status = index->kind->index->build(index->context, index->model,
                                                         options_params(index->options, index->kind->options), &arrays);
    index->context->progress = NULL;
    model_index_clear(&arrays);
    return status == TOPN_ERROR_CANCELLED;
}

#endif
