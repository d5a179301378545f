/* SPDX-License-Identifier: Apache-2.0
 *
 * Approximate ways to find the top n (P2 §6.2). A kind is one file that exports one retriever_kind with `index` set and
 * one row in retrievers.def. It builds arrays from the item table (model/model_index.h), which are saved with the
 * model; opens them, checking every offset since a file may lie; and searches. What search does not know, and what
 * every kind gets for nothing: encoding of users, seen items, filters, explanation, saving, the overlap with exact
 * answers measured when the index is built, and exact answers when so few items are allowed that they are cheaper.
 */
#ifndef TOPN_RETRIEVE_INDEX_H
#define TOPN_RETRIEVE_INDEX_H

#include "base/context.h"
#include "model/model.h"
#include "model/model_index.h"

/* What is searched for: the n items of highest ⟨φ, ψ_i⟩·π_i + b_i that are not refused. */
typedef struct index_question {
    const float *phi;             /* [dimensions], dense */
    const unsigned char *refused; /* [items]: 1 = may not appear; NULL = all may */
    uint32_t allowed;             /* items that are not refused */
    size_t n;                     /* ≥ 1, ≤ items */
} index_question;

typedef struct index_operations {
    /* Whether an index of this kind serves the model; UNSUPPORTED says "index <kind>: …", which models
     * it serves; the kinds that serve this one are added. */
    topn_status (*check)(topn_context *, const topn_model *);
    /* Fills out->arrays; out->kind is set. Same bits at any thread count. Progress with cancel. O(…) in each kind. */
    topn_status (*build)(topn_context *, const topn_model *, const void *params, model_index *out);
    /* A view of the arrays for searching; shared by threads, immutable. Everything in the arrays is checked against the
     * model, FORMAT names the array. params: the search options hold, the build options of the arrays stand. */
    topn_status (*open)(topn_context *, const topn_model *, const model_index *, const void *params, void **view);
    void (*close)(void *view); /* accepts NULL */
    /* One thread's memory for searching. */
    topn_status (*scratch_create)(topn_context *, const void *view, void **scratch);
    void (*scratch_free)(void *scratch); /* accepts NULL */
    /* The answers, best first, ties by item index; exact scores (the bits of topn_score), so that only the choice of
     * items is approximate. Returns how many were found: n unless fewer are allowed. Cannot fail, prints nothing. */
    size_t (*search)(const void *view, void *scratch, const index_question *, uint32_t *item_out, float *score_out);
} index_operations;

#endif
