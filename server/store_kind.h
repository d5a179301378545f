/* SPDX-License-Identifier: Apache-2.0
 *
 * A kind of database is one file that exports one table of functions; stores.def lists them. The functions are those of
 * store.h, whose arguments store.c has checked: texts are UTF-8 within their bounds, weights are finite.
 */
#ifndef TOPN_SERVER_STORE_KIND_H
#define TOPN_SERVER_STORE_KIND_H

#include "store.h"

typedef struct store_kind {
    const char *name;                  /* "sqlite" */
    bool (*serves)(const char *where); /* whether it is the kind for this place */
    store_status (*open)(const char *where, store **out, char *why, size_t why_size);
    void (*close)(store *);
    /* Batches whose status is not OK are left alone. */
    store_status (*append)(store *, store_batch *, size_t count);
    store_status (*history)(store *, const char *user, int64_t after, size_t limit, store_visit *, void *user_data);
    store_status (*scan)(store *, int64_t from, int64_t to, store_visit *, void *user_data);
    store_status (*count)(store *, uint64_t *events);
    store_status (*expire)(store *, int64_t before, size_t limit, uint64_t *deleted);
    store_status (*put)(store *, entity_kind, const stored_entity *, size_t count);
    store_status (*remove)(store *, entity_kind, const char *id);
    store_status (*get)(store *, entity_kind, const char *id, store_visit_entity *, void *user_data);
    store_status (*list)(store *, entity_kind, const char *cursor, size_t limit, store_visit_entity *, void *user_data);
    store_status (*items_version)(store *, int64_t *version);
    store_status (*note)(store *, const char *name, const char *value);
    store_status (*read_note)(store *, const char *name, char **out);
} store_kind;

/* The first member of each kind's own struct. */
struct store {
    const store_kind *kind;
    char message[512];
};

/* Sets the message, one line; returns `status`. */
store_status store_tell(store *self, store_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
