/* SPDX-License-Identifier: Apache-2.0
 *
 * From the ids people type to the indices of a model, and to the history of whom is asked about.
 */
#ifndef TOPN_CLI_IDS_H
#define TOPN_CLI_IDS_H

#include "circumstances.h"

typedef struct text_list {
    char **texts; /* [count], owned */
    size_t count;
} text_list;

typedef struct item_list {
    uint32_t *items; /* [count], distinct, in the order given */
    size_t count;
} item_list;

/* "a,b,\"c,d\"" → a · b · c,d; blanks around an id are dropped, empty ids too. */
void ids_split(const char *text, text_list *out);
/* One id a line, empty lines dropped; "-" is standard input. */
int ids_read(const char *path, text_list *out);
void text_list_clear(text_list *list);

/* Looks ids up in the model. One warning names unknown ones; it is an error when all are unknown. `what` says what the
 * ids are for: "--history". */
int ids_find_items(const topn_model *model, const text_list *ids, const char *what, item_list *out);
void item_list_clear(item_list *list);
/* The item with this id, or, when id is NULL, with this title: equal but for case, else the only one containing it. */
int ids_find_item(const topn_model *model, const char *id, const char *title, uint32_t *out);

/* Whom is asked about: --user, --history, --histories; in which context: --context, --features. */
struct person {
    const char *user; /* NULL when only a history was given */
    item_list history;
    float *weights;       /* [history.count] or NULL */
    const uint32_t *lent; /* the history as the model lends it, which tells the model who it is; else NULL */
    const float *lent_weights;
    struct circumstances circumstances;
};
int person_find(struct session *session, const topn_model *model, struct person *out);
void person_clear(struct person *person);
topn_request person_request(const struct person *person);

#define PERSON_OPTIONS                                                                                                 \
    {"user", 0, "ID", "", "the user asked about, from the model or from --histories"},                                 \
        {"history", 0, "ID,ID", "", "items of somebody the model need not know; ids with commas in double quotes"},    \
        CIRCUMSTANCES_OPTIONS,                                                                                         \
    {                                                                                                                  \
        "histories", 0, "DATA", "", "events of users; their histories are used in place of those in the model"         \
    }

#endif
