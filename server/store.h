/* SPDX-License-Identifier: Apache-2.0
 *
 * Where events, items and users live: SQLite (a file of its own, WAL, synchronous=FULL) or PostgreSQL, behind one table
 * of functions; stores.def lists them. Acknowledged means on disk: store_append returns after the commit.
 *
 * An event is one user and item at a time; the same user and item may have many. An event deleted is one appended with
 * `deleted` set: it takes back all events of that user and item written before it, those in the model's own histories
 * too.
 */
#ifndef TOPN_SERVER_STORE_H
#define TOPN_SERVER_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct stored_event {
    const char *user, *item;
    double weight;       /* finite */
    int64_t time;        /* seconds since 1970 */
    const char *kind;    /* "click", "buy"; "" = not said */
    const char *context; /* JSON object of field values as text, or NULL */
    bool deleted;
    /* Given by the store, not looked at in what is appended: */
    int64_t number; /* 1, 2, …: rises in the order of commits, so a reader who saw n has seen all up to n */
    bool replaced;  /* store_history only: a deletion was among them, what a model knows of the pair no longer holds */
} stored_event;

/* An item or a user as it was put: `attributes` is a JSON object of names to a text, number, boolean or list of such.
 */
typedef struct stored_entity {
    const char *id;
    const char *title;      /* NULL; items only */
    const char *attributes; /* JSON text, "{}" */
    bool hidden;            /* items only: out of stock, may not be recommended */
} stored_entity;

typedef enum store_status {
    STORE_OK,
    STORE_NOT_FOUND,
    STORE_CONFLICT,    /* the idempotency key was used before with other contents */
    STORE_UNAVAILABLE, /* the database does not answer, is locked or restarts: try again */
    STORE_UNCERTAIN,   /* the connection broke while committing: it may have been written, or not. With an idempotency
                        * key it is safe to send it again */
    STORE_FULL,        /* no space on its disk: nothing of this call was written */
    STORE_BROKEN,      /* the database is not ours, corrupt or of a newer version */
    STORE_INVALID      /* an id is empty, longer than STORE_ID_BYTES or not UTF-8, a weight not finite or over 1e30 */
} store_status;

enum { STORE_ID_BYTES = 1024, STORE_KIND_BYTES = 256 };
/* Idempotency keys are remembered for so many seconds. */
enum { STORE_KEY_SECONDS = 7 * 24 * 3600 };

typedef enum entity_kind { ENTITY_ITEM, ENTITY_USER } entity_kind;

/* A connection. Belongs to one thread at a time. After UNAVAILABLE it connects anew by itself on the next call. */
typedef struct store store;

/* where: "postgresql://…", or a path for SQLite: a file, made when missing, or a folder, in which it is events.sqlite.
 * The tables are made when missing; a store of a newer version is BROKEN. `why` gets one line on failure, here and
 * (store_message) below. */
store_status store_open(const char *where, store **out, char *why, size_t why_size);
void store_close(store *store);
/* What went wrong last. Lent. */
const char *store_message(const store *store);
/* "sqlite", "postgresql". */
const char *store_kind_name(const store *store);

/* One batch as it came with one request. */
typedef struct store_batch {
    const stored_event *events;
    size_t count;
    const char *idempotency_key; /* NULL; a repeated key with the same contents changes nothing and succeeds */
    uint64_t contents;           /* hash of the batch, compared for a repeated key */
    store_status status;         /* out */
    bool repeated;               /* out: the key was known */
} store_batch;
/* All batches in one transaction; each batch is written whole or not at all (one that conflicts or is invalid leaves
 * the others). Returns when they are on disk: OK, or what kept all of them from being written. */
store_status store_append(store *store, store_batch *batches, size_t count);

/* Of the user's events numbered above `after` (0 = all), those after the last deletion of each item, one visit per
 * item: weights summed, newest time and number, no kind and no context; items whose last event is a deletion come with
 * deleted = true. The `limit` items of the newest times, newest first, ties the last written first. */
typedef void store_visit(const stored_event *event, void *user_data);
store_status store_history(store *store, const char *user, int64_t after, size_t limit, store_visit *visit,
                           void *user_data);
/* Every event with from ≤ time < to in the order of writing, as it was written: export, retraining. */
store_status store_scan(store *store, int64_t from, int64_t to, store_visit *visit, void *user_data);
/* Events counted; those older than `before` deleted, at most `limit` in one call (retention), and how many there were.
 */
store_status store_count(store *store, uint64_t *events);
store_status store_expire(store *store, int64_t before, size_t limit, uint64_t *deleted);

/* All or none; replaces those of the same ids. */
store_status store_put(store *store, entity_kind kind, const stored_entity *entities, size_t count);
store_status store_remove(store *store, entity_kind kind, const char *id); /* of a user: his events too */
typedef void store_visit_entity(const stored_entity *entity, void *user_data);
store_status store_get(store *store, entity_kind kind, const char *id, store_visit_entity *visit, void *user_data);
/* After `cursor` ("" = from the start) in byte order of ids, at most `limit`. */
store_status store_list(store *store, entity_kind kind, const char *cursor, size_t limit, store_visit_entity *visit,
                        void *user_data);
/* Rises with every store_put and store_remove of items, by whichever server: whoever keeps items in memory reads them
 * anew. */
store_status store_items_version(store *store, int64_t *version);

/* Small named texts. NULL removes. *out is the caller's. "trained.<version of a model>" is the number of the last event
 * that a model trained on this store (topn retrain) has learned from: its histories hold those up to there. */
store_status store_note(store *store, const char *name, const char *value);
store_status store_read_note(store *store, const char *name, char **out);

#endif
