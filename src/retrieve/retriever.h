/* SPDX-License-Identifier: Apache-2.0
 *
 * From histories to scores and to the n best items, for any model (encoder + item table).
 */
#ifndef TOPN_RETRIEVE_RETRIEVER_H
#define TOPN_RETRIEVE_RETRIEVER_H

#include "base/option_table.h"
#include "model/model.h"
#include "retrieve/index.h"

/* A way to find the top n; retrievers.def lists them. */
typedef struct retriever_kind {
    const char *name;    /* "exact" */
    const char *summary; /* one line */
    const char *paper;   /* source */
    const option_table *options;
    const index_operations *index; /* of approximate kinds; NULL: exact */
} retriever_kind;

/* NULL past the end. */
const retriever_kind *retriever_at(size_t index);
const retriever_kind *retriever_find(const char *name);

typedef struct retriever_params {
    uint64_t block_memory; /* bytes of scratch that a thread should get along with */
    int64_t cut;           /* entries of φ that stay; 0 = as the model says */
} retriever_params;
extern const option_table retriever_option_table;

/* Other layouts of sparse item rows, each made when the first asks for it (cache.c). */
typedef struct retriever_cache retriever_cache;

struct topn_retriever {
    const topn_model *model;
    const embedding_table *rows; /* ψ, NULL for item tables NONE and IDENTITY */
    uint64_t block_memory;
    uint32_t cut;           /* entries of φ that stay; 0 = all of them, and so without item rows */
    retriever_cache *cache; /* owned; guarded by its own lock */
    const retriever_kind *kind;
    void *view; /* the opened index of approximate kinds; NULL: exact */
};

/* params: NULL = defaults. FORMAT when the model's tables don't fit each other, UNSUPPORTED for a cut of a model
 * without item rows, whose φ is the score vector itself. O(1). */
topn_status retriever_create(topn_context *context, const topn_model *model, const retriever_params *params,
                             topn_retriever **out);
/* A retriever of any kind, params of its own table. NOT_FOUND where the model has no index of it. */
topn_status retriever_open(topn_context *context, const topn_model *model, const retriever_kind *kind,
                           const void *params, topn_retriever **out);
void retriever_free(topn_retriever *retriever);

/* One user's history. Items ascend or not; weights NULL = all 1. The rest is what the model's context fields and
 * features say (model/fields_encoder.h); zeroed where there is nothing to say, unused by other encoders. */
typedef struct history {
    const uint32_t *items;
    const float *weights;
    size_t length;
    const uint32_t *values;   /* [context fields] or NULL */
    const uint32_t *features; /* [feature_count] */
    const float *feature_values;
    size_t feature_count;
    bool trained; /* `user` is a user of the model whose history this is: his trained row is the answer */
    uint32_t user;
} history;

/* One thread's memory for scoring blocks of users. */
typedef struct block_scorer block_scorer;
topn_status block_scorer_create(topn_context *context, const topn_retriever *retriever, block_scorer **out);
void block_scorer_free(block_scorer *scorer);
/* Users that one call of block_scores should take (≥ 1); depends on the retriever only. */
size_t block_scorer_users(const block_scorer *scorer);
/* Scores of all items for `count` ≤ block_scorer_users users: (*scores)[u * items + i], lent until the next call, and
 * the caller may overwrite it (mask). The same bits whatever block a user falls in and whatever else is in it. An item
 * that nothing in the history relates to scores exactly b_i (0 without biases).
 * Called on any thread, so it leaves no message: the only failures are MEMORY and, where users' rows are solved for,
 * NUMERIC (fail_encode says it). */
topn_status block_scores(block_scorer *scorer, const history *users, size_t count, float **scores);

/* The n best of scores[0 … items−1]: higher first, ties by smaller index; entries equal to −∞ and NaN never count.
 * `item_out`, `score_out` [n]; returns how many were found. O(items + n log n) for scores in no special order,
 * O(items log n) at worst; no memory of its own. */
size_t select_top(const float *scores, uint32_t items, size_t n, uint32_t *item_out, float *score_out);

#endif
