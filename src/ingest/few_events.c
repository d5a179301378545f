/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/few_events.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum { REPEAT, ITEMS_USERS }; /* choices of --filter-order */

typedef struct filter {
    const sparse_matrix *matrix;
    uint64_t least_user, least_item;
    uint64_t *per_user, *per_item; /* [rows], [columns] */
} filter;

/* Events per kept user and per kept item, over events whose two sides are kept. */
static void count_kept(const filter *with, const few_events *of)
{
    const sparse_matrix *matrix = with->matrix;
    memset(with->per_user, 0, matrix->rows * sizeof *with->per_user);
    memset(with->per_item, 0, matrix->columns * sizeof *with->per_item);
    for (uint32_t user = 0; user < matrix->rows; user++) {
        if (!of->keep_user[user])
            continue;
        for (uint64_t at = matrix->indptr[user]; at < matrix->indptr[user + 1]; at++) {
            const uint32_t item = matrix->indices[at];
            if (!of->keep_item[item])
                continue;
            with->per_user[user]++;
            with->per_item[item]++;
        }
    }
}

/* Marks the kept ones with fewer than `least` events as dropped; returns how many there were. */
static uint64_t drop(bool *keep, const uint64_t *counts, uint32_t count, uint64_t least, uint64_t *events)
{
    uint64_t dropped = 0;
    for (uint32_t at = 0; at < count; at++) {
        if (!keep[at] || counts[at] >= least)
            continue;
        keep[at] = false;
        *events += counts[at];
        dropped++;
    }
    return dropped;
}

/* Users, then items leave until a whole round changes nothing. */
static topn_status drop_by_turns(topn_context *context, const filter *with, few_events *of)
{
    topn_status status = TOPN_OK;
    for (uint64_t dropped = 1; dropped > 0;) {
        count_kept(with, of);
        dropped = drop(of->keep_user, with->per_user, with->matrix->rows, with->least_user, &of->of_users);
        if (dropped)
            count_kept(with, of);
        dropped += drop(of->keep_item, with->per_item, with->matrix->columns, with->least_item, &of->of_items);
        TRY(progress_report(context, "filter", "users", 0, 0, NAN));
    }
done:
    return status;
}

/* Items, then users leave, once each; an item that the users leave with less stays unless nothing is left. */
static topn_status drop_once(topn_context *context, const filter *with, few_events *of)
{
    count_kept(with, of);
    drop(of->keep_item, with->per_item, with->matrix->columns, with->least_item, &of->of_items);
    count_kept(with, of);
    drop(of->keep_user, with->per_user, with->matrix->rows, with->least_user, &of->of_users);
    count_kept(with, of);
    drop(of->keep_item, with->per_item, with->matrix->columns, 1, &of->of_items);
    return progress_report(context, "filter", "users", 0, 0, NAN);
}

topn_status few_events_drop(topn_context *context, const sparse_matrix *matrix, const reader_params *params,
                            few_events *out)
{
    topn_status status;
    filter with = {.matrix = matrix,
                   .least_user = params->min_user_events > 0 ? (uint64_t)params->min_user_events : 1,
                   .least_item = params->min_item_events > 0 ? (uint64_t)params->min_item_events : 1};
    *out = (few_events){0};
    TRY(ALLOCATE(context, matrix->rows, &with.per_user));
    TRY(ALLOCATE(context, matrix->columns, &with.per_item));
    TRY(ALLOCATE(context, matrix->rows, &out->keep_user));
    TRY(ALLOCATE(context, matrix->columns, &out->keep_item));
    memset(out->keep_user, true, matrix->rows);
    memset(out->keep_item, true, matrix->columns);
    status = params->filter_order == ITEMS_USERS ? drop_once(context, &with, out) : drop_by_turns(context, &with, out);
done:
    free(with.per_user);
    free(with.per_item);
    return status;
}

void few_events_clear(few_events *of)
{
    free(of->keep_user);
    free(of->keep_item);
    *of = (few_events){0};
}
