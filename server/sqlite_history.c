/* SPDX-License-Identifier: Apache-2.0
 *
 * A user's history in a SQLite store: his events in the order of writing, summed by item here. SQL would do it with a
 * window over the items, at twice the time.
 */
#include "sqlite_store.h"

#include <stdlib.h>

/* What a user's events of one item come to so far. */
typedef struct pair {
    int64_t item;   /* its number in item_id */
    int64_t number; /* of the last event; 0 = the slot is free */
    int64_t time;
    double weight;
    bool deleted, replaced;
} pair;

/* Pairs by item: linear probing, at most half full. */
typedef struct pairs {
    pair *slots; /* [1 << bits] */
    unsigned bits;
    size_t count;
} pairs;

static pair *slot_of(const pairs *all, int64_t item)
{
    const size_t mask = ((size_t)1 << all->bits) - 1;
    size_t at = (size_t)(((uint64_t)item * UINT64_C(0x9e3779b97f4a7c15)) >> (64 - all->bits));
    while (all->slots[at].number && all->slots[at].item != item)
        at = (at + 1) & mask;
    return &all->slots[at];
}

/* Room for one more. */
static bool make_room(pairs *all)
{
    if (all->slots && all->count < (size_t)1 << (all->bits - 1))
        return true;
    pairs larger = {.bits = all->slots ? all->bits + 1 : 6, .count = all->count};
    larger.slots = calloc((size_t)1 << larger.bits, sizeof *larger.slots);
    if (!larger.slots)
        return false;
    for (size_t at = 0; all->slots && at < (size_t)1 << all->bits; at++)
        if (all->slots[at].number)
            *slot_of(&larger, all->slots[at].item) = all->slots[at];
    free(all->slots);
    *all = larger;
    return true;
}

/* One event more, in the order of writing. A deletion starts the item's sum anew. */
static bool add(pairs *all, int64_t item, double weight, int64_t time, bool deleted, int64_t number)
{
    if (!make_room(all))
        return false;
    pair *to = slot_of(all, item);
    const bool first = to->number == 0, anew = first || to->deleted || deleted;
    all->count += first;
    to->item = item;
    to->number = number;
    to->weight = deleted ? 0 : anew ? weight : to->weight + weight;
    to->time = anew || time > to->time ? time : to->time;
    to->replaced |= deleted;
    to->deleted = deleted;
    return true;
}

static int newest_first(const void *a, const void *b)
{
    const pair *left = a, *right = b;
    if (left->time != right->time)
        return left->time > right->time ? -1 : 1;
    return left->number > right->number ? -1 : left->number < right->number;
}

/* The pairs at the front, newest first. */
static void arrange(pairs *all)
{
    size_t to = 0;
    for (size_t at = 0; all->slots && at < (size_t)1 << all->bits; at++)
        if (all->slots[at].number)
            all->slots[to++] = all->slots[at];
    if (to)
        qsort(all->slots, to, sizeof *all->slots, newest_first);
}

static store_status collect(sqlite_store *self, const char *user, int64_t after, pairs *all)
{
    sqlite3_stmt *rows = sqlite_statement(self, HISTORY);
    int result;
    sqlite_bind(rows, 1, user);
    sqlite3_bind_int64(rows, 2, after);
    while ((result = sqlite3_step(rows)) == SQLITE_ROW)
        if (!add(all, sqlite3_column_int64(rows, 0), sqlite3_column_double(rows, 1), sqlite3_column_int64(rows, 2),
                 sqlite3_column_int(rows, 3), sqlite3_column_int64(rows, 4))) {
            result = SQLITE_NOMEM;
            break;
        }
    const store_status status = result == SQLITE_DONE ? STORE_OK : sqlite_fault(self, result);
    sqlite3_reset(rows);
    return status;
}

static store_status visit_pair(sqlite_store *self, const char *user, const pair *from, store_visit *visit,
                               void *user_data)
{
    sqlite3_stmt *name = sqlite_statement(self, NAME_ITEM);
    sqlite3_bind_int64(name, 1, from->item);
    const int result = sqlite3_step(name);
    const store_status status = result == SQLITE_ROW    ? STORE_OK
                                : result == SQLITE_DONE ? sqlite_fault(self, SQLITE_CORRUPT)
                                                        : sqlite_fault(self, result);
    if (status == STORE_OK)
        visit(&(stored_event){.user = user,
                              .item = sqlite_column(name, 0),
                              .weight = from->weight,
                              .time = from->time,
                              .kind = "",
                              .deleted = from->deleted,
                              .number = from->number,
                              .replaced = from->replaced},
              user_data);
    sqlite3_reset(name);
    return status;
}

store_status sqlite_history(store *base, const char *user, int64_t after, size_t limit, store_visit *visit,
                            void *user_data)
{
    sqlite_store *self = (sqlite_store *)base;
    pairs all = {0};
    store_status status = sqlite_ready(self);
    if (status == STORE_OK)
        status = collect(self, user, after, &all);
    arrange(&all);
    for (size_t at = 0; status == STORE_OK && at < all.count && at < limit; at++)
        status = visit_pair(self, user, &all.slots[at], visit, user_data);
    free(all.slots);
    return status;
}
