/* SPDX-License-Identifier: Apache-2.0
 *
 * Contexts of the events that formats have read: columns of the file, fields made of times, previous items.
 */
#ifndef TOPN_INGEST_EVENT_CONTEXTS_H
#define TOPN_INGEST_EVENT_CONTEXTS_H

#include "ingest/events.h"

/* OPTION when the options ask for unknown or too many fields, or for times that the sink has not. */
topn_status event_contexts_check(topn_context *context, const event_sink *sink, const reader_params *params);
/* Whether events have a context but the user. */
bool event_contexts_wanted(const event_sink *sink, const reader_params *params);

/* Users and items as in id tables, values of the sink's fields as in `values` [field_count], whose tables are moved
 * out. Events of the same user, context and item merge by --duplicates. Contexts ascend; values that no event has are
 * left out. O(events · fields + events · log events of a user). */
topn_status event_contexts_create(topn_context *context, const event_sink *sink, const reader_params *params,
                                  uint32_t users, const string_table *item_ids, string_table *values,
                                  data_contexts *out);

#endif
