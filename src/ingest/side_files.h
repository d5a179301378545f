/* SPDX-License-Identifier: Apache-2.0
 *
 * What is known of users and items beside the events: titles and features, from side files or as the binary form held
 * them.
 */
#ifndef TOPN_INGEST_SIDE_FILES_H
#define TOPN_INGEST_SIDE_FILES_H

#include "data/interactions.h"
#include "ingest/format.h"

/* Adds them to parts that are complete otherwise. stored: data in the binary form that the events are of, or NULL;
 * all_users, all_items: ids before the filters, empty where these left out nothing. */
topn_status side_files_add(topn_context *context, const reader_params *params, const topn_data *stored,
                           const string_table *all_users, const string_table *all_items, data_parts *parts);

#endif
