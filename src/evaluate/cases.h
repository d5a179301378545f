/* SPDX-License-Identifier: Apache-2.0
 *
 * Whom to evaluate and on what: users of hidden, seen and candidate data matched by id, items by id with the model.
 */
#ifndef TOPN_EVALUATE_CASES_H
#define TOPN_EVALUATE_CASES_H

#include "data/interactions.h"
#include "model/model.h"

/* A row of model items per evaluated user, ascending within a row. */
typedef struct item_rows {
    uint64_t *indptr; /* [users + 1] */
    uint32_t *items;  /* [indptr[users]] */
    float *weights;   /* [indptr[users]], or NULL = all 1 */
    uint64_t unknown; /* events of these users on items the model does not know; they are not in the rows */
} item_rows;

/* A case is a user, or one of his contexts that have hidden events. */
typedef struct evaluation_cases {
    size_t users;           /* cases */
    uint32_t *hidden_users; /* [users] ascending indices into the hidden data */
    uint32_t *hidden_rows;  /* [users] rows of what is hidden: users, or contexts */
    uint32_t *model_users;  /* [users] of the model, UINT32_MAX where it does not know them */
    uint32_t *values;       /* [users × fields of the model] values of the context, or NULL where none are known */
    item_rows features;     /* features of the users, in the model's numbers; indptr NULL where there are none */
    bool contexts;          /* cases are contexts */
    uint64_t *relevant;     /* [users] |R| ≥ 1 */
    item_rows hidden, seen, candidates;
    uint64_t without_hidden;     /* users left out: no hidden item, or none that the model knows and the rest dropped */
    uint64_t without_candidates; /* users left out: candidates were given, but none for them */
    uint64_t without_seen;       /* users scored from an empty history */
    uint64_t hidden_and_seen;    /* hidden events on items that the user's seen events hold, too */
} evaluation_cases;

/* candidates may be NULL. drop_unknown: hidden items that the model does not know leave R; else they stay as misses.
 * contexts: each context of hidden data, which have such, is a case: his user's seen items are its history, and the
 * model is told of it what fields and values it knows by name. DATA when nobody can be evaluated. O(events log events
 * of a user). */
topn_status cases_create(topn_context *context, const topn_model *model, const topn_data *seen, const topn_data *hidden,
                         const topn_data *candidates, bool drop_unknown, bool contexts, evaluation_cases *out);
void cases_clear(evaluation_cases *cases);

#endif
