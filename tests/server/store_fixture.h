/* SPDX-License-Identifier: Apache-2.0
 *
 * Stores for tests: a SQLite file in a folder of its own, or a PostgreSQL database; and what a visit has seen, kept.
 */
#ifndef TOPN_TESTS_SERVER_STORE_FIXTURE_H
#define TOPN_TESTS_SERVER_STORE_FIXTURE_H

#include "server/store.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

typedef struct seen_events {
    stored_event events[4096]; /* [count], texts owned */
    size_t count;
} seen_events;

static inline char *copy_text(const char *text)
{
    return text ? strdup(text) : NULL;
}

static inline void see_event(const stored_event *event, void *user_data)
{
    seen_events *seen = user_data;
    assert_true(seen->count < sizeof seen->events / sizeof *seen->events);
    stored_event *to = &seen->events[seen->count++];
    *to = *event;
    to->user = copy_text(event->user);
    to->item = copy_text(event->item);
    to->kind = copy_text(event->kind);
    to->context = copy_text(event->context);
}

static inline void forget_events(seen_events *seen)
{
    for (size_t i = 0; i < seen->count; i++) {
        free((char *)seen->events[i].user);
        free((char *)seen->events[i].item);
        free((char *)seen->events[i].kind);
        free((char *)seen->events[i].context);
    }
    seen->count = 0;
}

typedef struct seen_entities {
    stored_entity entities[64]; /* [count], texts owned */
    size_t count;
} seen_entities;

static inline void see_entity(const stored_entity *entity, void *user_data)
{
    seen_entities *seen = user_data;
    assert_true(seen->count < sizeof seen->entities / sizeof *seen->entities);
    stored_entity *to = &seen->entities[seen->count++];
    *to = *entity;
    to->id = copy_text(entity->id);
    to->title = copy_text(entity->title);
    to->attributes = copy_text(entity->attributes);
}

static inline void forget_entities(seen_entities *seen)
{
    for (size_t i = 0; i < seen->count; i++) {
        free((char *)seen->entities[i].id);
        free((char *)seen->entities[i].title);
        free((char *)seen->entities[i].attributes);
    }
    seen->count = 0;
}

static inline char *make_folder(void)
{
    const char *parent = getenv("TMPDIR");
    char *folder = NULL;
    assert_true(asprintf(&folder, "%s/topn-store-XXXXXX", parent && *parent ? parent : "/tmp") > 0);
    assert_non_null(mkdtemp(folder));
    return folder;
}

static inline int remove_entry(const char *path, const struct stat *about, int type, struct FTW *place)
{
    (void)about;
    (void)type;
    (void)place;
    return remove(path);
}

/* The folder with all in it, and its name. */
static inline void remove_folder(char *folder)
{
    nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    free(folder);
}

static inline char *join_path(const char *folder, const char *name)
{
    char *path = NULL;
    assert_true(asprintf(&path, "%s/%s", folder, name) > 0);
    return path;
}

/* Opens, and fails the test with the reason where it cannot. */
static inline store *open_store(const char *where)
{
    char why[512] = "";
    store *opened = NULL;
    if (store_open(where, &opened, why, sizeof why) != STORE_OK)
        fail_msg("%s", why);
    return opened;
}

static inline store_status append_one(store *to, const stored_event *event)
{
    store_batch batch = {.events = event, .count = 1};
    const store_status status = store_append(to, &batch, 1);
    return status == STORE_OK ? batch.status : status;
}

#endif
