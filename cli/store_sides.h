/* SPDX-License-Identifier: Apache-2.0
 *
 * What is known of items and users beside events, for training anew: titles and attributes, of the store and, where
 * that says nothing of an item, of the model in use. They reach the reader as files that exist in memory only.
 */
#ifndef TOPN_CLI_STORE_SIDES_H
#define TOPN_CLI_STORE_SIDES_H

#include <stdio.h>

#include "server/store.h"
#include "session.h"

enum { SIDE_FILES = 5 };

typedef struct store_sides {
    FILE *files[SIDE_FILES]; /* [count] */
    size_t count;
} store_sides;

/* Sets the options "titles", and, where the model was trained with such, "item-features" and "user-features" with their
 * columns. Where neither store nor model has any, the files that the model records are read again. */
int store_sides_add(struct session *session, store *from, const topn_model *model, topn_options *reader,
                    store_sides *out);
void store_sides_clear(store_sides *sides);

#endif
