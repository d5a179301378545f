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

typedef struct evaluation_cases {
    size_t users;
    uint32_t *hidden_users; /* [users] ascending indices into the hidden data */
    uint64_t *relevant;     /* [users] |R| ≥ 1 */
    item_rows hidden, seen, candidates;
    uint64_t without_hidden;     /* users left out: no hidden item, or none that the model knows and the rest dropped */
    uint64_t without_candidates; /* users left out: candidates were given, but none for them */
    uint64_t without_seen;       /* users scored from an empty history */
    uint64_t hidden_and_seen;    /* hidden events on items that the user's seen events hold, too */
} evaluation_cases;

/* candidates may be NULL. drop_unknown: hidden items that the model does not know leave R; else they stay as misses.
 * DATA when nobody can be evaluated. O(events log events of a user). */
topn_status cases_create(topn_context *context, const topn_model *model, const topn_data *seen, const topn_data *hidden,
                         const topn_data *candidates, bool drop_unknown, evaluation_cases *out);
void cases_clear(evaluation_cases *cases);

#endif
