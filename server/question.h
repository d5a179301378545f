/* SPDX-License-Identifier: Apache-2.0
 *
 * A question under way: the generation, the items' state and the filter that it is answered with; then, for one person
 * after another, the history and features, and where the answer comes from. Functions that return false have replied.
 */
#ifndef TOPN_SERVER_QUESTION_H
#define TOPN_SERVER_QUESTION_H

#include "call.h"
#include "items.h"
#include "live.h"
#include "wishes.h"

typedef enum answer_source {
    SOURCE_MODEL,      /* the person's history, or his trained row */
    SOURCE_FEATURES,   /* no history, but features that the model knows */
    SOURCE_CONTEXT,    /* no history, but a context that the model knows */
    SOURCE_POPULARITY, /* nothing: what most took */
} answer_source;

typedef struct question {
    call *call;
    wishes wishes;
    worker *worker;
    generation *generation;
    item_state *items;
    const topn_filter *filter; /* of the expression and of what is hidden; NULL = all may appear */
    bool filter_lent;          /* by the items' state, which wants it back */
    topn_query *query;         /* the worker's: exact, or the server's */
    uint32_t *context;         /* [topn_model_fields], or NULL */
    size_t known_context, unknown_context;

    const char *user; /* the person; NULL in a session of nobody */
    live_history history;
    uint32_t *features; /* [feature_count] */
    float *feature_values;
    size_t feature_count;
    bool stale; /* the store did not answer: the history is the model's alone */
    answer_source source;
    const char *reason; /* of POPULARITY: "unknown user", "empty history", "unknown items" */
    topn_request request;
} question;

bool question_open(call *call, question *out);
void question_close(question *question);

/* A person by id: the model's history and the store's events. */
bool question_user(question *question, const char *user);
/* A history in the body: a list of events {ItemId, Weight, Timestamp}; attributes: an object, or NULL. They stand
 * alone, or come after those of `user` where he is not NULL. */
bool question_session(question *question, const char *user, const json_t *events, const json_t *attributes);

/* Items of the model that the filter and what is hidden keep out of every list. */
json_t *filtered_value(const question *question);
/* "model": … into the answer: version, source, reason and what was counted. */
void question_describe(const question *question, json_t *answer);
/* Replies 500 or 503 with the message of the worker's context. */
void question_failed(question *question, topn_status status);

#endif
