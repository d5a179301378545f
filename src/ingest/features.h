/* SPDX-License-Identifier: Apache-2.0
 *
 * Side files with features of users and items: --user-features, --item-features.
 */
#ifndef TOPN_INGEST_FEATURES_H
#define TOPN_INGEST_FEATURES_H

#include "data/interactions.h"
#include "ingest/format.h"

/* Features as read: of whom, and which. */
typedef struct feature_source {
    string_table ids;    /* [entities] distinct */
    feature_table table; /* entities × features, names in byte order */
} feature_source;
void feature_source_clear(feature_source *features);

/* What differs between the two sides. */
typedef struct feature_side {
    const char *who;     /* "user" */
    const char *files;   /* list, NULL = none */
    const char *columns; /* list, NULL = decide by content */
    bool items;
} feature_side;
feature_side feature_side_users(const reader_params *params);
feature_side feature_side_items(const reader_params *params);

/* Reads and scales the files of a side. OPTION, DATA with file, line and value, IO. O(bytes + entries log entries). */
topn_status features_read(topn_context *context, const reader_params *params, const feature_side *side,
                          feature_source *out);
/* The same of one source that is open: for tests from memory. */
topn_status features_read_source(topn_context *context, source *from, const reader_params *params,
                                 const feature_side *side, feature_source *out);

/* Gives the users (items) of `parts` the features of their ids. Users (items) that only the source knows are added,
 * without events, unless --feature-ids says else; ids of `before`, those that the source of events had before the
 * filters, are not (NULL = the filters dropped none). */
topn_status features_join(topn_context *context, const reader_params *params, const feature_source *features,
                          bool items, const string_table *before, data_parts *parts);

#endif
