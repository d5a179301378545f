/* SPDX-License-Identifier: Apache-2.0
 *
 * Events in a PostgreSQL store, read and counted.
 */
#include "postgres_store.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

typedef char number_text[24];

static const char *write_number(int64_t number, number_text out)
{
    snprintf(out, sizeof(number_text), "%" PRId64, number);
    return out;
}

static int64_t bounded(size_t limit)
{
    return limit < INT64_MAX ? (int64_t)limit : INT64_MAX;
}

store_status postgres_history(store *base, const char *user, int64_t after, size_t limit, store_visit *visit,
                              void *user_data)
{
    postgres_store *self = (postgres_store *)base;
    store_status status;
    number_text from, most;
    const char *const values[] = {user, write_number(after, from), write_number(bounded(limit), most)};
    PGresult *result = postgres_ask(self, ASK_HISTORY, values, &status);
    for (int row = 0; result && row < PQntuples(result); row++) {
        const stored_event event = {.user = user,
                                    .item = PQgetvalue(result, row, 0),
                                    .weight = strtod(PQgetvalue(result, row, 1), NULL),
                                    .time = postgres_number(result, row, 2),
                                    .kind = "",
                                    .deleted = postgres_truth(result, row, 3),
                                    .number = postgres_number(result, row, 4),
                                    .replaced = postgres_truth(result, row, 5)};
        visit(&event, user_data);
    }
    PQclear(result);
    return status;
}

static void visit_row(const PGresult *row, store_visit *visit, void *user_data)
{
    const stored_event event = {.user = PQgetvalue(row, 0, 0),
                                .item = PQgetvalue(row, 0, 1),
                                .weight = strtod(PQgetvalue(row, 0, 2), NULL),
                                .time = postgres_number(row, 0, 3),
                                .kind = PQgetvalue(row, 0, 4),
                                .context = postgres_text(row, 0, 5),
                                .deleted = postgres_truth(row, 0, 6),
                                .number = postgres_number(row, 0, 7)};
    visit(&event, user_data);
}

/* Row by row as they come: all of them would not fit into memory. */
static store_status scan_once(postgres_store *self, const char *const *values, store_visit *visit, void *user_data,
                              size_t *visited)
{
    char name[16];
    store_status status = postgres_prepare(self, ASK_SCAN);
    if (status != STORE_OK)
        return status;
    if (!PQsendQueryPrepared(self->connection, postgres_name(ASK_SCAN, name), 2, values, NULL, NULL, 0) ||
        !PQsetSingleRowMode(self->connection))
        return postgres_fault(self, NULL);
    for (PGresult *row; (row = PQgetResult(self->connection));) {
        const ExecStatusType kind = PQresultStatus(row);
        if (kind == PGRES_SINGLE_TUPLE) {
            visit_row(row, visit, user_data);
            ++*visited;
        } else if (kind != PGRES_TUPLES_OK && status == STORE_OK) {
            status = postgres_fault(self, row);
            continue;
        }
        PQclear(row);
    }
    return status;
}

store_status postgres_scan(store *base, int64_t from, int64_t to, store_visit *visit, void *user_data)
{
    postgres_store *self = (postgres_store *)base;
    store_status status = STORE_OK;
    size_t visited = 0;
    number_text first, last;
    const char *const values[] = {write_number(from, first), write_number(to, last)};
    for (int attempt = 0; attempt < 2; attempt++) {
        status = postgres_ready(self);
        if (status == STORE_OK)
            status = scan_once(self, values, visit, user_data, &visited);
        if (status == STORE_OK || visited > 0 || !postgres_lost(self))
            break;
    }
    return status;
}

/* A query that gives one number. */
static store_status ask_number(postgres_store *self, postgres_query which, const char *const *values, uint64_t *out)
{
    store_status status;
    PGresult *result = postgres_ask(self, which, values, &status);
    *out = result && PQntuples(result) == 1 ? (uint64_t)postgres_number(result, 0, 0) : 0;
    PQclear(result);
    return status;
}

store_status postgres_count(store *base, uint64_t *events)
{
    return ask_number((postgres_store *)base, ASK_COUNT, NULL, events);
}

store_status postgres_expire(store *base, int64_t before, size_t limit, uint64_t *deleted)
{
    number_text time, most;
    const char *const values[] = {write_number(before, time), write_number(bounded(limit), most)};
    return ask_number((postgres_store *)base, ASK_EXPIRE, values, deleted);
}
