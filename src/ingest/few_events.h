/* SPDX-License-Identifier: Apache-2.0
 *
 * --min-user-events, --min-item-events and --filter-order.
 */
#ifndef TOPN_INGEST_FEW_EVENTS_H
#define TOPN_INGEST_FEW_EVENTS_H

#include "base/context.h"
#include "ingest/format.h"
#include "numeric/matrix.h"

typedef struct few_events {
    bool *keep_user, *keep_item; /* [rows], [columns]; filled */
    uint64_t of_users, of_items; /* events dropped with users, and with items */
} few_events;

/* Marks who is kept; everyone who is has an event. */
topn_status few_events_drop(topn_context *context, const sparse_matrix *matrix, const reader_params *params,
                            few_events *out);
void few_events_clear(few_events *of);

#endif
